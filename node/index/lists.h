// Questions with many rows for an answer, and the reading of one row.
#pragma once

#include <vector>

#include "node/index/cursor.h"
#include "node/index/filter.h"
#include "node/index/names.h"
#include "node/index/query.h"
#include "node/index/rows.h"
#include "node/index/standings.h"
#include "node/index/words.h"

namespace tocsin::index {

class Lists {
 public:
  Lists(Database& db, const Names& names, Rows& rows, Standings& standings, const Words& words)
      : db_(db), names_(names), rows_(rows), standings_(standings), words_(words) {}

  Result<ReportPage> list(const ReportQuery& query);
  Result<std::uint64_t> count(const ReportQuery& query);
  Result<ReportPage> inbox(const InboxQuery& query);
  Result<std::uint64_t> inbox_count(const InboxQuery& query);
  Result<UnknownPage> unknown(std::size_t limit, std::uint64_t after);
  Result<Summary> summary();

  // The row must be there.
  Result<ReportRow> row(std::int64_t row);
  Location location(const Spot& spot) const;

 private:
  struct Found {
    std::int64_t row = 0;
    std::uint32_t rank = 0;
  };
  // Up to `limit` rows that pass, from `start` on in the query's order.
  Result<std::vector<Found>> find(const ReportQuery& query, const Filter& filter, std::int64_t start,
                                  std::size_t limit);
  Result<std::vector<Found>> find_words(const ReportQuery& query, const Filter& filter, const std::string& expression,
                                        std::int64_t start, std::size_t limit);
  Result<std::vector<Found>> run(const std::string& sql, const std::string* expression, const Filter& filter,
                                 std::int64_t start, std::size_t limit);
  Result<std::uint64_t> run_count(const std::string& sql, const std::string* expression, const Filter& filter);
  Result<bool> any_shown();
  Result<ReportPage> page(const std::vector<Found>& found, std::size_t limit, ByteView fingerprint);

  Database& db_;
  const Names& names_;
  Rows& rows_;
  Standings& standings_;
  const Words& words_;
};

}  // namespace tocsin::index
