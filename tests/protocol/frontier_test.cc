#include "protocol/frontier.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "tests/support/seeded_random.h"

namespace tocsin::protocol {
namespace {

using test::SeededRandom;

// Keys of few different nibbles, so that small sets make deep tries.
Leaf crowded_leaf(SeededRandom& random) {
  Leaf out;
  const std::size_t free_bytes = 1 + random.below(3);
  for (std::size_t i = 0; i < free_bytes; ++i) out.log.data()[i] = static_cast<std::uint8_t>(random.below(4) * 0x11);
  out.log.data()[31] = static_cast<std::uint8_t>(random.below(256));
  out.type = static_cast<LogType>(1 + random.below(3));
  out.head = {1 + random.below(1000)};
  out.hash = crypto::random_fixed<EntryHash>(random);
  return out;
}

Leaf spread_leaf(SeededRandom& random) {
  Leaf out = crowded_leaf(random);
  out.log = crypto::random_fixed<LogKey>(random);
  return out;
}

std::vector<Leaf> leaves_of(SeededRandom& random, std::size_t count) {
  std::map<LogKey, Leaf> out;
  for (std::size_t i = 0; i < count; ++i) {
    const Leaf leaf = random.below(2) == 0 ? crowded_leaf(random) : spread_leaf(random);
    out[leaf.log] = leaf;
  }
  std::vector<Leaf> list;
  for (const auto& [log, leaf] : out) list.push_back(leaf);
  return list;
}

Frontier frontier_of(const std::vector<Leaf>& leaves) {
  Frontier out;
  for (const Leaf& leaf : leaves) out.set(leaf);
  return out;
}

// Section 8 again, in the plainest way: no cache, no early end.
TrieDigest model(std::vector<Leaf> leaves, std::size_t depth) {
  if (leaves.empty() && depth > 0) return {};
  std::sort(leaves.begin(), leaves.end(), [](const Leaf& a, const Leaf& b) { return a.log < b.log; });
  Bytes input;
  if (leaves.size() <= 16) {
    input = {0, static_cast<std::uint8_t>(leaves.size())};
    for (const Leaf& leaf : leaves) {
      std::array<std::uint8_t, 8> head;
      store_le64(head.data(), leaf.head.value);
      append(input, leaf.log.view());
      input.push_back(static_cast<std::uint8_t>(leaf.type));
      append(input, head);
      append(input, leaf.hash.view());
    }
  } else {
    input = {1};
    for (int nibble = 0; nibble < 16; ++nibble) {
      std::vector<Leaf> below;
      for (const Leaf& leaf : leaves) {
        const std::uint8_t byte = leaf.log.bytes()[depth / 2];
        if ((depth % 2 == 0 ? byte >> 4 : byte & 15) == nibble) below.push_back(leaf);
      }
      append(input, model(below, depth + 1).view());
    }
  }
  return TrieDigest{crypto::hash256(crypto::kPersonalTrie, {input}).bytes()};
}

void all_leaves(const Frontier& of, const Prefix& prefix, std::vector<Leaf>& out) {
  const auto node = of.node(prefix);
  out.insert(out.end(), node.leaves.begin(), node.leaves.end());
  for (std::uint8_t i = 0; i < node.children.size(); ++i) {
    if (!node.children[i].is_zero()) all_leaves(of, prefix.child(i), out);
  }
}

// What two nodes find out by answering each other with node(): leaves that one has and the other has not.
void differing(const Frontier& a, const Frontier& b, const Prefix& prefix, std::vector<Leaf>& only_a,
               std::vector<Leaf>& only_b) {
  const auto at_a = a.node(prefix);
  const auto at_b = b.node(prefix);
  if (!at_a.children.empty() && !at_b.children.empty()) {
    for (std::uint8_t i = 0; i < 16; ++i) {
      if (at_a.children[i] != at_b.children[i]) differing(a, b, prefix.child(i), only_a, only_b);
    }
    return;
  }
  std::vector<Leaf> in_a;
  std::vector<Leaf> in_b;
  all_leaves(a, prefix, in_a);
  all_leaves(b, prefix, in_b);
  const auto missing = [](const std::vector<Leaf>& from, const std::vector<Leaf>& in, std::vector<Leaf>& out) {
    for (const Leaf& leaf : from) {
      if (std::find(in.begin(), in.end(), leaf) == in.end()) out.push_back(leaf);
    }
  };
  missing(in_a, in_b, only_a);
  missing(in_b, in_a, only_b);
}

LogKey key_of(std::string_view hex) {
  Bytes bytes = *from_hex(hex);
  bytes.resize(32);
  return *LogKey::from(bytes);
}

TEST(Prefix, names_a_place_by_nibbles_high_first) {
  const LogKey log = key_of("a1b2c3");
  const Prefix root;
  EXPECT_TRUE(root.covers(log));
  const Prefix a = root.child(0xa);
  const Prefix a1b = a.child(1).child(0xb);
  EXPECT_EQ(a1b.depth, 3);
  EXPECT_EQ(to_hex(ByteView(a1b.nibbles).first(2)), "a1b0");
  EXPECT_TRUE(a1b.covers(log));
  EXPECT_FALSE(a.child(2).covers(log));
  EXPECT_FALSE(a1b.child(3).covers(log));
  EXPECT_EQ(Prefix::of(log, 3), a1b);
  EXPECT_EQ(Prefix::of(log, 64).nibbles, log.bytes());
  EXPECT_TRUE(Prefix::of(log, 64).covers(log));
}

TEST(Prefix, from_a_peer_has_one_form) {
  EXPECT_TRUE(Prefix{}.valid());
  EXPECT_TRUE(Prefix::of(key_of("a1b2"), 3).valid());
  Prefix bad = Prefix::of(key_of("a1b2"), 3);
  bad.nibbles[1] |= 0x05;
  EXPECT_FALSE(bad.valid());
  bad = Prefix::of(key_of("a1b2"), 3);
  bad.nibbles[31] = 1;
  EXPECT_FALSE(bad.valid());
  bad = Prefix::of(key_of("a1b2"), 64);
  bad.depth = 65;
  EXPECT_FALSE(bad.valid());
}

TEST(Frontier, of_nothing_has_a_digest_at_the_root_alone) {
  const Frontier empty;
  EXPECT_EQ(empty.digest(), TrieDigest{crypto::hash256(crypto::kPersonalTrie, {Bytes{0, 0}}).bytes()});
  EXPECT_TRUE(empty.digest(Prefix{}.child(3)).is_zero());
  EXPECT_TRUE(empty.node({}).leaves.empty());
  EXPECT_TRUE(empty.node({}).children.empty());
}

TEST(Frontier, sixteen_leaves_are_a_list_and_seventeen_a_trie) {
  SeededRandom random(1);
  std::vector<Leaf> leaves;
  for (int i = 0; i < 17; ++i) leaves.push_back(spread_leaf(random));
  Frontier frontier;
  for (int i = 0; i < 16; ++i) frontier.set(leaves[i]);
  EXPECT_EQ(frontier.node({}).leaves.size(), 16u);
  EXPECT_TRUE(frontier.node({}).children.empty());
  EXPECT_EQ(frontier.digest(), model({leaves.begin(), leaves.end() - 1}, 0));
  frontier.set(leaves[16]);
  EXPECT_TRUE(frontier.node({}).leaves.empty());
  EXPECT_EQ(frontier.node({}).children.size(), 16u);
  EXPECT_EQ(frontier.digest(), model(leaves, 0));
  frontier.erase(leaves[16].log);
  EXPECT_EQ(frontier.digest(), model({leaves.begin(), leaves.end() - 1}, 0));
}

TEST(Frontier, keys_that_share_all_but_the_last_nibbles_make_a_deep_trie) {
  Frontier frontier;
  std::vector<Leaf> leaves;
  for (int i = 0; i < 17; ++i) {
    Leaf leaf;
    leaf.log.data()[31] = static_cast<std::uint8_t>(i);
    leaf.head = {1};
    leaves.push_back(leaf);
    frontier.set(leaf);
  }
  EXPECT_EQ(frontier.digest(), model(leaves, 0));
  frontier.erase(leaves[16].log);
  EXPECT_EQ(frontier.digest(), model({leaves.begin(), leaves.end() - 1}, 0));
  frontier.set(leaves[16]);
  EXPECT_EQ(frontier.digest(), model(leaves, 0));
}

TEST(Frontier, digests_of_stale_children_do_not_come_back) {
  // 17 leaves below one place, then 16 and another 17th: the children were cached in between.
  SeededRandom random(5);
  std::vector<Leaf> leaves;
  Frontier frontier;
  for (int i = 0; i < 17; ++i) {
    Leaf leaf = spread_leaf(random);
    leaf.log.data()[0] = 0x11;
    leaf.log.data()[1] = static_cast<std::uint8_t>(i << 4);
    leaves.push_back(leaf);
    frontier.set(leaf);
  }
  frontier.digest();
  frontier.erase(leaves[16].log);
  leaves[3].head = {99};
  frontier.set(leaves[3]);
  frontier.digest();
  leaves[16] = spread_leaf(random);
  leaves[16].log.data()[0] = 0x11;
  frontier.set(leaves[16]);
  EXPECT_EQ(frontier.digest(), model(leaves, 0));
}

TEST(Frontier, changing_one_leaf_of_ten_thousand_costs_one_path) {
  SeededRandom random(1);
  Frontier frontier;
  std::vector<Leaf> leaves;
  for (int i = 0; i < 10'000; ++i) {
    leaves.push_back(spread_leaf(random));
    frontier.set(leaves.back());
  }
  frontier.digest();
  const auto first = frontier.hashes_computed();
  EXPECT_LT(first, 10'000u) << "less than one hash for each leaf";
  frontier.digest();
  frontier.set(leaves[0]);
  frontier.digest();
  EXPECT_EQ(frontier.hashes_computed(), first) << "nothing changed";
  for (int i = 0; i < 100; ++i) {
    const auto before = frontier.hashes_computed();
    Leaf& leaf = leaves[random.below(leaves.size())];
    leaf.head = leaf.head.next();
    frontier.set(leaf);
    frontier.digest();
    EXPECT_LE(frontier.hashes_computed() - before, 6u);
  }
  EXPECT_EQ(frontier.digest(), model(leaves, 0));
}

TEST(Frontier, asking_for_places_that_are_none_is_answered_and_not_kept) {
  SeededRandom random(1);
  Frontier frontier;
  std::vector<Leaf> leaves;
  for (int i = 0; i < 20; ++i) {
    leaves.push_back(spread_leaf(random));
    frontier.set(leaves.back());
  }
  for (const Leaf& leaf : leaves) {
    const Prefix deep = Prefix::of(leaf.log, 20);
    EXPECT_EQ(frontier.node(deep).leaves, std::vector<Leaf>{leaf});
    EXPECT_EQ(frontier.digest(deep), model({leaf}, 20));
    Leaf changed = leaf;
    changed.head = leaf.head.next();
    frontier.set(changed);
    EXPECT_EQ(frontier.digest(deep), model({changed}, 20));
    frontier.set(leaf);
  }
  EXPECT_EQ(frontier.digest(), model(leaves, 0));
}

RC_GTEST_PROP(Frontier, rule_13_the_digest_is_that_of_the_set_in_any_order, (std::uint64_t seed)) {
  SeededRandom random(seed);
  std::vector<Leaf> leaves = leaves_of(random, random.below(200));
  const TrieDigest digest = frontier_of(leaves).digest();
  RC_ASSERT(digest == model(leaves, 0));
  for (std::size_t i = leaves.size(); i > 1; --i) std::swap(leaves[i - 1], leaves[random.below(i)]);
  Frontier other;
  for (const Leaf& leaf : leaves) {
    if (random.below(3) == 0) {  // by way of something else
      Leaf before = leaf;
      before.head = {leaf.head.value + 7};
      other.set(before);
      other.digest();
    }
    other.set(leaf);
    if (random.below(5) == 0) other.digest();
  }
  RC_ASSERT(other.digest() == digest);
}

RC_GTEST_PROP(Frontier, rule_13_every_field_is_in_the_digest, (std::uint64_t seed)) {
  SeededRandom random(seed);
  const std::vector<Leaf> leaves = leaves_of(random, 1 + random.below(100));
  Frontier frontier = frontier_of(leaves);
  const TrieDigest digest = frontier.digest();
  const Leaf leaf = leaves[random.below(leaves.size())];
  const auto with = [&](auto change) {
    Frontier changed = frontier;
    Leaf other = leaf;
    change(other);
    if (other.log != leaf.log) changed.erase(leaf.log);
    changed.set(other);
    return changed.digest();
  };
  const std::size_t at = random.below(32);
  RC_ASSERT(with([](Leaf&) {}) == digest);
  RC_ASSERT(with([](Leaf& l) { l.head = l.head.next(); }) != digest);
  RC_ASSERT(with([](Leaf& l) { l.head.value ^= 1ull << 63; }) != digest);
  RC_ASSERT(with([](Leaf& l) { l.type = l.type == LogType::kFeed ? LogType::kControl : LogType::kFeed; }) != digest);
  RC_ASSERT(with([&](Leaf& l) { l.hash.data()[at] ^= 0x10; }) != digest);
  RC_ASSERT(with([&](Leaf& l) { l.log.data()[at] ^= 0x40; }) != digest);
  frontier.erase(leaf.log);
  RC_ASSERT(frontier.digest() != digest);
}

RC_GTEST_PROP(Frontier, any_history_of_changes_ends_in_the_digest_of_what_is_left, (std::uint64_t seed)) {
  SeededRandom random(seed);
  Frontier frontier;
  std::map<LogKey, Leaf> now;
  std::vector<Leaf> pool = leaves_of(random, 60);
  for (int step = 0; step < 200; ++step) {
    Leaf& leaf = pool[random.below(pool.size())];
    if (random.below(3) == 0) {
      frontier.erase(leaf.log);
      now.erase(leaf.log);
    } else {
      leaf.head = leaf.head.next();
      frontier.set(leaf);
      now[leaf.log] = leaf;
    }
    if (random.below(4) == 0) frontier.digest(Prefix::of(leaf.log, static_cast<std::uint8_t>(random.below(8))));
  }
  std::vector<Leaf> leaves;
  for (const auto& [log, leaf] : now) leaves.push_back(leaf);
  RC_ASSERT(frontier.size() == leaves.size());
  RC_ASSERT(frontier.digest() == model(leaves, 0));
}

RC_GTEST_PROP(Frontier, descending_two_tries_finds_exactly_what_differs, (std::uint64_t seed)) {
  SeededRandom random(seed);
  const std::vector<Leaf> shared = leaves_of(random, random.below(300));
  Frontier a = frontier_of(shared);
  Frontier b = a;
  for (std::size_t n = random.below(20); n > 0; --n) {
    Frontier& one = random.below(2) == 0 ? a : b;
    const std::size_t what = random.below(3);
    if (what == 0 || shared.empty()) {
      one.set(random.below(2) == 0 ? crowded_leaf(random) : spread_leaf(random));
    } else if (what == 1) {
      one.erase(shared[random.below(shared.size())].log);
    } else {
      Leaf leaf = shared[random.below(shared.size())];
      leaf.head = leaf.head.next();
      one.set(leaf);
    }
  }
  std::vector<Leaf> only_a, only_b;
  if (a.digest() != b.digest()) differing(a, b, {}, only_a, only_b);
  const auto difference = [](const Frontier& from, const Frontier& of) {
    std::set<LogKey> out;
    for (const auto& [log, leaf] : from.leaves()) {
      const Leaf* other = of.find(log);
      if (other == nullptr || !(*other == leaf)) out.insert(log);
    }
    return out;
  };
  const auto logs = [](const std::vector<Leaf>& leaves) {
    std::set<LogKey> out;
    for (const Leaf& leaf : leaves) out.insert(leaf.log);
    return out;
  };
  RC_ASSERT(logs(only_a) == difference(a, b));
  RC_ASSERT(logs(only_b) == difference(b, a));
  RC_ASSERT(only_a.size() == logs(only_a).size());
  RC_ASSERT(only_b.size() == logs(only_b).size());
}

}  // namespace
}  // namespace tocsin::protocol
