// Sessions between replicas, as scenarios in virtual time.
#include "protocol/session.h"

#include <gtest/gtest.h>

#include "tests/support/pair.h"

namespace tocsin::protocol {
namespace {

using test::make_channel;
using test::must;
using test::Pair;
using test::Party;

void write_many(Party& party, const ChannelId& channel, std::size_t count, std::size_t bytes = 1000) {
  std::vector<std::string> texts;
  std::vector<FeedItem> items;
  for (std::size_t i = 0; i < count; ++i) {
    texts.push_back(party.name() + " " + std::to_string(party.store.entry_count() + i) + " ");
    texts.back().resize(std::max(bytes, texts.back().size()), '.');
  }
  for (const std::string& text : texts) items.push_back({FeedKind::kReport, as_bytes(text)});
  must(party.replica().append(channel, items, nullptr));
  party.store.sync();
}

bool equal(const ChannelId& channel, std::initializer_list<Party*> parties) {
  const TrieDigest first = (*parties.begin())->replica().frontier(channel).digest();
  for (Party* party : parties) {
    if (party->replica().frontier(channel).digest() != first) return false;
  }
  return true;
}

TEST(Session, EqualPeersAreDoneInOneRoundTripAndUnder400Bytes) {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  const ChannelId channel = make_channel(net, a, {&b});
  ASSERT_TRUE(equal(channel, {&a, &b}));
  Pair::PipeOptions options;
  options.live = false;
  net.connect(a, b, options);
  ASSERT_TRUE(net.run());
  for (Party* party : {&a, &b}) {
    EXPECT_LT(net.stats_of[party].bytes_out, 400u) << party->name();
    EXPECT_EQ(net.stats_of[party].round_trips, 1u);
    EXPECT_EQ(net.reason_of[party], ByeReason::kDone);
  }
}

TEST(Session, OneSidedBulk) {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  const ChannelId channel = make_channel(net, a, {&b});
  write_many(a, channel, 5000);
  Pair::Connection& link = net.connect(a, b);
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(equal(channel, {&a, &b}));
  EXPECT_EQ(b.texts(channel).size(), 5000u);
  EXPECT_GE(link.b.session->stats().entries_received, 5000u);
}

}  // namespace
}  // namespace tocsin::protocol
