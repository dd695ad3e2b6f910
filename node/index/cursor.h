// The place where the next page begins, as an opaque string: hexadecimal of
//   version u8 = 1 ‖ rank u32 LE ‖ row u64 LE ‖ first 8 bytes of H_{tocsin indexcur}(fingerprint of the query ‖ the 13
//   bytes before)
// It is no secret and opens nothing; the hash keeps a damaged cursor, or one of another query, from being taken for a
// place. It names a row, not an offset, and so survives inserts, restarts and rebuilds.
#pragma once

#include <string>
#include <string_view>

#include "node/index/query.h"

namespace tocsin::index {

struct Position {
  std::uint32_t rank = 0;  // 0 where the order is that of arrival alone
  std::int64_t row = 0;
};

// Of all filters and the order; not of limit and after. Two queries that ask the same in other words differ.
Bytes fingerprint(const ReportQuery& query);
// Not of `now`, which moves on from page to page.
Bytes fingerprint(const InboxQuery& query);
// Of ReportQuery::changed_since, whose `row` is an arrival: numbers that mean nothing to another node.
Bytes fingerprint_of_changes(const protocol::NodeId& node);

std::string make_cursor(ByteView fingerprint, const Position& position);
// Error (caller): bad_cursor.
Result<Position> read_cursor(ByteView fingerprint, std::string_view text);

}  // namespace tocsin::index
