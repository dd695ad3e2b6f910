// Reports that speak about reports, and what that makes of those. The rules are node/reports/state.h's; here is where
// the statements are kept, gathered and their result written into the rows.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "node/index/names.h"
#include "node/index/query.h"
#include "node/index/rows.h"
#include "node/reports/state.h"

namespace tocsin::index {

struct ActRecord {
  std::int64_t row = 0;
  protocol::ReportId id;
  protocol::ReportKind kind = protocol::ReportKind::kUnknown;
  std::int64_t org = 0;
  protocol::Time created;
  protocol::ReportId target;
  std::optional<protocol::ReportId> previous;
  std::string reason;  // of a withdrawal
};

class Standings {
 public:
  Standings(Database& db, Names& names, Rows& rows) : db_(db), names_(names), rows_(rows) {}

  // Keeps a statement; its own row is there already.
  Result<void> add(std::int64_t row, const protocol::ReportId& id, std::int64_t org, const protocol::Report& act);
  // Forgets it, but not yet its row.
  Result<void> remove(std::int64_t row, const protocol::ReportId& id);
  // A report has come for which statements may be waiting.
  Result<void> arrived(const protocol::ReportId& id);
  // Writes what has changed into the rows. At the end of every transaction, so that a flood of statements about one
  // report costs one reckoning for each chunk.
  Result<void> settle();
  void drop_pending() { touched_.clear(); }

  Result<Standing> standing(std::int64_t row, std::int64_t flags);
  // Acts about the report and what takes those back, by arrival; `row` is left empty.
  Result<ReportHistory> history(const RowHead& head);
  std::optional<protocol::ReportId> target_of(std::int64_t row);

 private:
  struct Gathered {
    std::vector<ActRecord> acts;
    bool cut = false;
  };
  Result<Gathered> gather(const protocol::ReportId& subject, std::int64_t author);
  Result<std::vector<ActRecord>> about(const protocol::ReportId& subject, std::int64_t author);
  Result<std::optional<ActRecord>> own_withdrawal(const ActRecord& act);
  Result<std::uint64_t> count_about(const protocol::ReportId& subject);
  Result<void> settle_one(const protocol::ReportId& id);
  Result<void> touch_target(const protocol::ReportId& target);
  reports::ReportState state_of(const RowHead& head, const std::vector<ActRecord>& acts) const;

  Database& db_;
  Names& names_;
  Rows& rows_;
  std::set<protocol::ReportId> touched_;
};

}  // namespace tocsin::index
