// The rows of reports: written, found, shown otherwise, taken out. Everything happens inside the caller's transaction.
#pragma once

#include <optional>
#include <vector>

#include "node/index/database.h"
#include "node/index/projection.h"
#include "protocol/report.h"

namespace tocsin::index {

// A place in the store; channel and log in the numbers of `name`.
struct Spot {
  std::int64_t arrival = 0, channel = 0, log = 0, number = 0;
};

struct NewRow {
  Spot spot;  // its arrival becomes the row
  protocol::ReportId id;
  protocol::ReportKind kind = protocol::ReportKind::kUnknown;
  std::int64_t flags = 0;
  std::int64_t author = 0;  // number of `name`
  protocol::Time created;
  std::optional<exchange::RowKey> origin;  // nothing for reports about others
};

// What the state of a report depends on.
struct RowHead {
  protocol::ReportId id;
  protocol::ReportKind kind = protocol::ReportKind::kUnknown;
  std::int64_t flags = 0;
  std::int64_t author = 0;
  protocol::Time created;
  std::int64_t content = 0;  // row of the correction shown; 0: shown as written
};

class Rows {
 public:
  explicit Rows(Database& db) : db_(db) {}

  // 0: unknown.
  Result<std::int64_t> find(const protocol::ReportId& id);
  // Nothing when there is no such row.
  Result<std::optional<RowHead>> head(std::int64_t row);
  Result<void> insert(const NewRow& row, const Projection& content);
  // The row and all that hangs on it, its words excepted. Its origin stays behind: it leads to a row that is not there,
  // and the number of a row is never given again.
  Result<void> erase(std::int64_t row, const protocol::ReportId& id);
  // Nothing of what it said stays; `now_shown` is RowHead::content.
  Result<void> blank(std::int64_t row, std::int64_t now_shown);
  Result<void> set_flags(std::int64_t row, std::int64_t clear, std::int64_t set);
  // Shows the content of another row (a correction) or, for 0, what was written first. `now_shown` is RowHead::content.
  Result<void> show(std::int64_t row, std::int64_t now_shown, std::int64_t content);

  Result<void> add_copy(std::int64_t row, const Spot& spot);
  // Where the row stands: its first copy, or what took its place.
  Result<Spot> spot(std::int64_t row);
  // All copies (the first kCopiesMax), that of spot() first.
  Result<std::vector<Spot>> copies(std::int64_t row);
  // The row that has a copy of this arrival; 0: none.
  Result<std::int64_t> row_with_copy(std::int64_t arrival);
  // Takes one copy out. False: it was the last; nothing was changed and the row is the caller's to erase.
  Result<bool> remove_copy(std::int64_t row, std::int64_t arrival);

  // Reports with this origin, by row.
  Result<std::vector<std::int64_t>> with_origin(std::int64_t key);
  Result<ShortDigest> digest(std::int64_t row);

 private:
  Result<void> insert_report(const NewRow& row, const Projection& content);
  Result<void> insert_places(std::int64_t row, const Projection& content);
  Result<void> rank_again(std::int64_t row);

  Database& db_;
};

}  // namespace tocsin::index
