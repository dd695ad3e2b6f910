#include "protocol/frontier.h"

#include <cassert>

namespace tocsin::protocol {
namespace {

constexpr std::uint8_t kDepthMax = 64;  // nibbles of a log key
constexpr std::uint8_t kNibbles = 16;   // children of a place
constexpr std::uint8_t kTagLeaves = 0;
constexpr std::uint8_t kTagChildren = 1;
constexpr std::size_t kCheckedLeavesMax =
    64;  // debug builds check invariant 2 in full up to here: above it takes too long

std::uint8_t* put_leaf(std::uint8_t* to, const Leaf& leaf) {
  to = std::copy(leaf.log.bytes().begin(), leaf.log.bytes().end(), to);
  *to++ = static_cast<std::uint8_t>(leaf.type);
  store_le64(to, leaf.head.value);
  return std::copy(leaf.hash.bytes().begin(), leaf.hash.bytes().end(), to + 8);
}

}  // namespace

Prefix Prefix::child(std::uint8_t nibble) const {
  assert(depth < kDepthMax && nibble < kNibbles);
  Prefix out = *this;
  out.nibbles[depth / 2] |= static_cast<std::uint8_t>(depth % 2 == 0 ? nibble << 4 : nibble);
  ++out.depth;
  return out;
}

bool Prefix::covers(const LogKey& log) const {
  const std::size_t whole = depth / 2;
  if (!std::equal(nibbles.begin(), nibbles.begin() + whole, log.bytes().begin())) return false;
  return depth % 2 == 0 || (log.bytes()[whole] & 0xf0) == nibbles[whole];
}

Prefix Prefix::of(const LogKey& log, std::uint8_t depth) {
  assert(depth <= kDepthMax);
  Prefix out;
  out.depth = depth;
  const std::size_t whole = depth / 2;
  std::copy(log.bytes().begin(), log.bytes().begin() + whole, out.nibbles.begin());
  if (depth % 2 != 0) out.nibbles[whole] = log.bytes()[whole] & 0xf0;
  return out;
}

bool Prefix::valid() const { return depth <= kDepthMax && of(LogKey{nibbles}, depth).nibbles == nibbles; }

void Frontier::set(const Leaf& leaf) {
  const auto [at, added] = leaves_.try_emplace(leaf.log, leaf);
  if (!added) {
    if (at->second == leaf) return;
    at->second = leaf;
  }
  forget_path(leaf.log, false);
}

void Frontier::erase(const LogKey& log) {
  if (leaves_.erase(log) != 0) forget_path(log, true);
}

const Leaf* Frontier::find(const LogKey& log) const {
  const auto found = leaves_.find(log);
  return found == leaves_.end() ? nullptr : &found->second;
}

Frontier::Range Frontier::below(const Prefix& prefix) const {
  Range out{leaves_.lower_bound(LogKey{prefix.nibbles}), 0};
  for (auto at = out.first; at != leaves_.end() && out.count <= kBucketLeavesMax && prefix.covers(at->first); ++at) {
    ++out.count;
  }
  return out;
}

// The places above the leaf hold digests that are no longer true. Where 17 leaves became 16, the children are places no
// more, and would be stale if they became so again.
void Frontier::forget_path(const LogKey& log, bool erased) {
  for (std::uint8_t depth = 0; depth <= kDepthMax; ++depth) {
    const Prefix place = Prefix::of(log, depth);
    cache_.erase(place);
    const std::size_t now = below(place).count;
    const std::size_t before = now + (erased ? 1 : 0);
    if (before <= kBucketLeavesMax) return;
    if (now > kBucketLeavesMax) continue;
    for (std::uint8_t nibble = 0; nibble < kNibbles; ++nibble) cache_.erase(place.child(nibble));
  }
}

TrieDigest Frontier::digest(const Prefix& prefix) const {
  assert(prefix.valid());
  const bool is_place =
      prefix.depth == 0 || below(Prefix::of(LogKey{prefix.nibbles}, prefix.depth - 1)).count > kBucketLeavesMax;
  const TrieDigest out = is_place ? cached_digest(prefix) : compute(prefix, true);
  assert(leaves_.size() > kCheckedLeavesMax || out == compute(prefix, false));
  return out;
}

TrieDigest Frontier::cached_digest(const Prefix& place) const {
  const auto known = cache_.find(place);
  if (known != cache_.end()) return known->second;
  const TrieDigest out = compute(place, true);
  if (!out.is_zero()) cache_.emplace(place, out);  // an empty place costs nothing to find
  return out;
}

TrieDigest Frontier::compute(const Prefix& prefix, bool use_cache) const {
  const Range range = below(prefix);
  if (range.count == 0 && prefix.depth > 0) return {};
  std::array<std::uint8_t, 2 + kBucketLeavesMax * kLeafBytes> bytes;
  std::uint8_t* to = bytes.data();
  if (range.count <= kBucketLeavesMax) {
    *to++ = kTagLeaves;
    *to++ = static_cast<std::uint8_t>(range.count);
    auto at = range.first;
    for (std::size_t i = 0; i < range.count; ++i, ++at) to = put_leaf(to, at->second);
  } else {
    *to++ = kTagChildren;
    for (std::uint8_t nibble = 0; nibble < kNibbles; ++nibble) {
      const Prefix child = prefix.child(nibble);
      const TrieDigest digest = use_cache ? cached_digest(child) : compute(child, false);
      to = std::copy(digest.bytes().begin(), digest.bytes().end(), to);
    }
  }
  TrieDigest out;
  crypto::hash256_into(out.mutable_view(), crypto::kPersonalTrie,
                       ByteView(bytes).first(static_cast<std::size_t>(to - bytes.data())));
  if (use_cache) ++hashes_computed_;
  return out;
}

Frontier::Node Frontier::node(const Prefix& prefix) const {
  assert(prefix.valid());
  const Range range = below(prefix);
  Node out;
  if (range.count <= kBucketLeavesMax) {
    auto at = range.first;
    for (std::size_t i = 0; i < range.count; ++i, ++at) out.leaves.push_back(at->second);
    return out;
  }
  for (std::uint8_t nibble = 0; nibble < kNibbles; ++nibble)
    out.children.push_back(cached_digest(prefix.child(nibble)));
  return out;
}

}  // namespace tocsin::protocol
