// The set of heads of one channel, with a digest over it that two nodes compare and descend (docs/protocol.md, section
// 8; rule 13).
//
// Invariants (checked in debug builds):
//   1. digest(prefix) depends on the leaves below the prefix alone, never on the order in which they came.
//   2. a cached digest is dropped when a leaf below it changes.
//   3. digests are cached for places of the trie alone (the root, and children of places with more than 16 leaves), so
//   a peer that asks
//      for other places makes the cache no larger.
// Changing a leaf and taking the digest again costs one hash for each level above it, and at most 16 more where a place
// splits.
#pragma once

#include <array>
#include <map>
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
  // The place of `log` at a depth of at most 64.
  static Prefix of(const LogKey& log, std::uint8_t depth);
  // At most 64 deep, unused nibbles zero: what a prefix from a peer must be. The calls of Frontier need it (assert).
  bool valid() const;
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

  // Of the leaves below `prefix`. Without any: 32 zero bytes, but at the root the digest of an empty list (section 8).
  TrieDigest digest(const Prefix& prefix = {}) const;
  struct Node {
    std::vector<Leaf> leaves;          // when at most kBucketLeavesMax, by rising log key
    std::vector<TrieDigest> children;  // else 16
  };
  Node node(const Prefix& prefix) const;

  // Trie hashes computed since this object was made: for tests and benchmarks of invariant 2 and the cost.
  std::uint64_t hashes_computed() const { return hashes_computed_; }

 private:
  using Iterator = std::map<LogKey, Leaf>::const_iterator;
  struct Range {
    Iterator first;
    std::size_t count;  // of leaves below the prefix; counted up to kBucketLeavesMax + 1
  };
  Range below(const Prefix& prefix) const;
  TrieDigest cached_digest(const Prefix& place) const;
  TrieDigest compute(const Prefix& prefix, bool use_cache) const;
  void forget_path(const LogKey& log, bool erased);

  std::map<LogKey, Leaf> leaves_;
  mutable std::map<Prefix, TrieDigest> cache_;
  mutable std::uint64_t hashes_computed_ = 0;
};

}  // namespace tocsin::protocol
