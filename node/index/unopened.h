// Entries that this node holds and cannot open yet: no key of the epoch, or nobody known who owns the feed. Kept as
// ranges of arrivals, so that a relay's million entries cost a few rows.
#pragma once

#include <optional>
#include <vector>

#include "node/index/names.h"
#include "node/index/query.h"
#include "protocol/entry.h"
#include "protocol/reading_table.h"

namespace tocsin::index {

class UnopenedRanges {
 public:
  UnopenedRanges(Database& db, Names& names) : db_(db), names_(names) {}

  Result<void> add(protocol::Arrival arrival, const protocol::EntryHeader& header);
  Result<bool> contains(protocol::Arrival arrival);
  // Nothing happens when it is in no range.
  Result<void> remove(protocol::Arrival arrival);
  // Writes the range at hand; at the end of every transaction, and before contains and remove.
  Result<void> settle();
  void drop_pending() { pending_.reset(); }

  // Ranges that the table has both key and owner for, adjacent ones joined.
  Result<std::vector<ArrivalRange>> openable(const protocol::ReadingTable& table, std::size_t max);

 private:
  struct Range {
    std::int64_t first = 0, last = 0, channel = 0, epoch = 0, log = 0;
    bool like(const Range& other) const { return channel == other.channel && epoch == other.epoch && log == other.log; }
  };
  // The range that begins at or before `arrival`, and last of those.
  Result<std::optional<Range>> at_or_before(std::int64_t arrival);
  Result<void> insert(const Range& range);

  Database& db_;
  Names& names_;
  std::optional<Range> pending_;
};

}  // namespace tocsin::index
