// Ids of organisations, channels and logs as small numbers, so that a row holds two bytes instead of 32 for each.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "node/index/database.h"

namespace tocsin::index {

enum class NameKind : std::uint8_t { kOrg = 1, kChannel = 2, kLog = 3, kPseudonym = 4 };

class Names {
 public:
  explicit Names(Database& db) : db_(db) {}
  // Reads everything again: before the first use, and after a rollback.
  Result<void> reload();

  // Adds it when it is new.
  template <class Id>
  Result<std::int64_t> put(NameKind kind, const Id& id) {
    return put_bytes(kind, id.bytes());
  }
  // 0 when it is not known: no row has that number.
  template <class Id>
  std::int64_t find(NameKind kind, const Id& id) const {
    return find_bytes(kind, id.bytes());
  }
  // Zero for a number that was never given out.
  template <class Id>
  Id get(std::int64_t number) const {
    return Id(get_bytes(number));
  }

 private:
  using Value = std::array<std::uint8_t, 32>;
  Result<std::int64_t> put_bytes(NameKind kind, const Value& value);
  std::int64_t find_bytes(NameKind kind, const Value& value) const;
  Value get_bytes(std::int64_t number) const;

  Database& db_;
  std::map<std::pair<NameKind, Value>, std::int64_t> numbers_;
  std::vector<Value> values_;  // value of number n at n - 1
};

}  // namespace tocsin::index
