// The set of heads of one channel, with a digest over it that two nodes compare and descend (docs/protocol.md, section 8; rule 13).
//
// Invariants (checked in debug builds):
//   1. digest(prefix) depends on the leaves below the prefix alone, never on the order in which they came.
//   2. a cached digest is dropped when a leaf below it changes.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "crypto/hash.h"
#include "protocol/entry.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

struct Leaf {
  LogKey log;
  LogType type = LogType::kFeed;
  Number head;
  EntryHash hash;
  friend bool operator==(const Leaf&, const Leaf&) = default;
};
inline constexpr std::size_t kLeafBytes = 73;
inline constexpr std::size_t kBucketLeavesMax = 16;

// Nibbles of a log key, high first: a place in the trie. At most 64.
struct Prefix {
  std::array<std::uint8_t, 32> nibbles{};  // two in a byte, high first; unused ones zero
  std::uint8_t depth = 0;
  Prefix child(std::uint8_t nibble) const;
  bool covers(const LogKey& log) const;
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

using TrieDigest = FixedBytes<struct TrieDigestTag, 32>;

class Frontier {
 public:
  // Adds or replaces. Leaves are never removed, but for `erase`, when an organisation leaves the roster.
  void set(const Leaf& leaf);
  void erase(const LogKey& log);
  const Leaf* find(const LogKey& log) const;
  std::size_t size() const { return leaves_.size(); }
  const std::map<LogKey, Leaf>& leaves() const { return leaves_; }

  TrieDigest digest(const Prefix& prefix = {}) const;  // of an empty set below a child: 32 zero bytes; at the root: see section 8
  struct Node {
    std::vector<Leaf> leaves;              // when at most kBucketLeavesMax
    std::vector<TrieDigest> children;      // else 16
  };
  Node node(const Prefix& prefix) const;

 private:
  std::map<LogKey, Leaf> leaves_;
  mutable std::map<Prefix, TrieDigest> cache_;
};

}  // namespace tocsin::protocol
