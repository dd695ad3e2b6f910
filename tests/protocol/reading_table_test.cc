#include "protocol/reading_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "crypto/hash.h"
#include "tests/support/example_identity.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::SeededRandom;

// One channel with a feed that writes into it.
struct ReadingTest : testing::Test {
  SeededRandom random{1};
  crypto::SystemRandom system;
  ChannelId channel = crypto::random_fixed<ChannelId>(random);
  ChannelPseudonym pseudonym{crypto::keyed_hash256(channel.view(), crypto::kPersonalPseudonym, {}).bytes()};
  crypto::EpochKey key = crypto::EpochKey::random(random);
  crypto::SigningKey feed_key = crypto::SigningKey::generate(random);
  LogKey feed{feed_key.verify_key().bytes()};
  FeedOwner owner{channel, crypto::random_fixed<OrgId>(random), crypto::random_fixed<NodeId>(random), 1};
  ReadingTable table;
  EntryOpener opener{table};

  Entry entry(std::uint64_t number, std::string_view payload, Epoch epoch = {1},
              const crypto::EpochKey* with = nullptr) {
    const BodyBinding binding(channel, epoch, feed, {number}, LogType::kFeed);
    const Bytes body =
        crypto::seal_body(crypto::derive_entry_key(with ? *with : key, binding.context()), binding.associated(),
                          encode_feed_plaintext(FeedKind::kReport, {}, as_bytes(payload)), system);
    EntryHeader header;
    header.number = {number};
    header.epoch = epoch;
    header.log = feed;
    header.channel = pseudonym;
    if (number > 1) header.previous.data()[0] = 1;
    header.body_bytes = static_cast<std::uint32_t>(body.size());
    header.body_hash = hash_body(body);
    const auto bytes = header.encode();
    return Entry(bytes, feed_key.sign(crypto::kLabelEntry, {ByteView(bytes)}).view(), body);
  }
  std::string open(const Entry& made) { return code_of(opener.open(made.view())); }
  void join() {
    table.add_epoch(channel, pseudonym, {1}, key);
    table.set_feed(feed, owner);
  }
};

TEST_F(ReadingTest, an_entry_is_opened_and_attributed) {
  join();
  const Entry made = entry(7, "forty people at the bridge");
  const auto opened = opener.open(made.view());
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(as_text(opened->payload), "forty people at the bridge");
  EXPECT_EQ(opened->kind, FeedKind::kReport);
  EXPECT_EQ(opened->channel, channel);
  EXPECT_EQ(opened->epoch, Epoch{1});
  EXPECT_EQ(opened->feed, feed);
  EXPECT_EQ(opened->number, Number{7});
  EXPECT_EQ(opened->org, owner.org);
  EXPECT_EQ(opened->node, owner.node);
  EXPECT_EQ(opened->hash, hash_entry(made.view().header, made.view().signature));
}

TEST_F(ReadingTest, keys_and_owners_are_needed) {
  const Entry made = entry(1, "x");
  EXPECT_EQ(open(made), "no_key");
  table.add_epoch(channel, pseudonym, {1}, key);
  EXPECT_EQ(open(made), "unknown_feed");
  FeedOwner elsewhere = owner;
  elsewhere.channel.data()[0] ^= 1;
  table.set_feed(feed, elsewhere);
  EXPECT_EQ(open(made), "unknown_feed") << "a feed of another channel";
  table.set_feed(feed, owner);
  EXPECT_EQ(open(made), "ok");
  const auto other = crypto::EpochKey::random(random);
  EXPECT_EQ(open(entry(2, "x", {2}, &other)), "no_key");
  EXPECT_EQ(open(entry(2, "x", {1}, &other)), "commitment_mismatch");
  table.add_epoch(channel, pseudonym, {2}, other);
  EXPECT_EQ(open(entry(2, "x", {2}, &other)), "ok");
}

TEST_F(ReadingTest, an_erased_body_is_said) {
  join();
  const Entry made = entry(1, "x");
  EXPECT_EQ(open(Entry(made.view().header, made.view().signature, {})), "erased");
}

TEST_F(ReadingTest, other_logs_are_not_feeds) {
  join();
  auto header = *EntryHeader::decode(entry(1, "x").view().header);
  header.type = LogType::kControl;
  EXPECT_EQ(open(Entry(header.encode(), Bytes(64), Bytes(header.body_bytes))), "not_a_feed");
  EXPECT_EQ(code_of(opener.open({})), "bad_header_size");
}

TEST_F(ReadingTest, rule_39_a_body_opens_in_its_own_place_alone) {
  join();
  const Entry made = entry(1, "x");
  auto header = *EntryHeader::decode(made.view().header);
  header.number = {2};
  header.previous.data()[0] = 1;
  EXPECT_EQ(open(Entry(header.encode(), made.view().signature, made.view().body)), "commitment_mismatch");
}

TEST_F(ReadingTest, rule_48_forgotten_keys_open_nothing) {
  join();
  const Entry made = entry(1, "x");
  ASSERT_EQ(open(made), "ok");
  table.clear();
  EXPECT_EQ(open(made), "no_key") << "nor does the opener's copy";
  EXPECT_EQ(table.channel_of(pseudonym), std::nullopt);
  EXPECT_EQ(table.feed_owner(feed), std::nullopt);
  EXPECT_FALSE(table.epoch_key(pseudonym, {1}).has_value());
  join();
  EXPECT_EQ(open(made), "ok");
  opener.forget_keys();
  EXPECT_EQ(open(made), "ok") << "fetched again";
}

TEST_F(ReadingTest, the_generation_rises_with_every_change_of_keys) {
  const auto before = table.generation();
  table.add_epoch(channel, pseudonym, {1}, key);
  const auto added = table.generation();
  EXPECT_GT(added, before);
  table.set_feed(feed, owner);
  EXPECT_EQ(table.generation(), added);
  table.clear();
  EXPECT_GT(table.generation(), added);
}

TEST_F(ReadingTest, more_epochs_than_are_kept_at_hand) {
  join();
  std::vector<crypto::EpochKey> keys;
  for (std::uint64_t epoch = 1; epoch <= 20; ++epoch) {
    keys.push_back(crypto::EpochKey::random(random));
    table.add_epoch(channel, pseudonym, {epoch}, keys.back());
  }
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t epoch = 1; epoch <= 20; ++epoch) {
      const std::string payload = "epoch " + std::to_string(epoch);
      const Entry made = entry(epoch, payload, {epoch}, &keys[epoch - 1]);
      const auto opened = opener.open(made.view());
      ASSERT_TRUE(opened);
      EXPECT_EQ(as_text(opened->payload), payload);
    }
  }
}

TEST_F(ReadingTest, damage_is_the_peers) {
  join();
  const Entry made = entry(1, "x");
  for (std::size_t at = 0; at < made.view().body.size(); ++at) {
    Bytes body = to_bytes(made.view().body);
    body[at] ^= 1;
    const auto opened = opener.open({made.view().header, made.view().signature, body});
    ASSERT_FALSE(opened) << at;
    EXPECT_EQ(opened.error().origin, Origin::kPeer);
  }
}

TEST_F(ReadingTest, one_thread_learns_while_another_opens) {
  const Entry made = entry(1, "x");
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    EntryOpener other(table);
    while (!stop) {
      const auto opened = other.open(made.view());
      if (opened) {
        EXPECT_EQ(as_text(opened->payload), "x");
      } else {
        EXPECT_EQ(opened.error().origin, Origin::kCaller);
      }
    }
  });
  for (int i = 0; i < 50; ++i) {
    join();
    std::this_thread::yield();
    table.clear();
  }
  stop = true;
  reader.join();
}

}  // namespace
}  // namespace tocsin::protocol
