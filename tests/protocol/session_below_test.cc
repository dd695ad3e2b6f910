// Copies that begin late in sessions, and that grow down once keys of older epochs have come (rules 8, 33, 34).
#include <gtest/gtest.h>

#include "protocol/session.h"
#include "tests/support/pair.h"

namespace tocsin::protocol {
namespace {

using test::introduce;
using test::make_channel;
using test::must;
using test::Pair;
using test::Party;

constexpr std::int64_t kHourMs = 3'600'000;

void write_some(Party& party, const ChannelId& channel, std::size_t count, std::size_t bytes) {
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

Pair::PipeOptions done_once() {
  Pair::PipeOptions options;
  options.live = options.callee_live = false;
  return options;
}

struct Below : testing::Test {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  Party& c = net.add("Charlie");
  ChannelId channel = make_channel(net, a, {&b});

  Epoch newest() { return a.replica().channel(channel)->epoch; }
  void rotate() {
    must(a.replica().rotate(channel, nullptr));
    a.store.sync();
  }
  void meet(Party& one, Party& other) {
    Pair::Connection& link = net.connect(one, other);
    ASSERT_TRUE(net.run());
    EXPECT_TRUE(link.open);
    net.cut(link);
  }
  void join(Party& joiner) {
    introduce(a, joiner);
    must(a.replica().invite(channel, joiner.org(), Role::kMember, nullptr));
    a.store.sync();
    Pair::Connection& link = net.connect(a, joiner);
    const auto standing = [&](ChannelStanding wanted) {
      const auto info = joiner.replica().channel(channel);
      return info && info->standing == wanted;
    };
    ASSERT_TRUE(net.run(kHourMs, [&] { return standing(ChannelStanding::kInvited); }));
    must(joiner.replica().accept(channel, nullptr));
    ASSERT_TRUE(net.run(kHourMs, [&] { return standing(ChannelStanding::kJoined); }));
    ASSERT_TRUE(net.run());
    net.cut(link);
  }
  void grant(Party& to, Epoch from) {
    must(a.replica().grant_history(channel, to.org(), from, nullptr));
    a.store.sync();
  }
  void expect_alike(Party& one, Party& other) {
    EXPECT_EQ(one.text_set(channel), other.text_set(channel));
    EXPECT_EQ(one.replica().frontier(channel).digest(), other.replica().frontier(channel).digest());
    EXPECT_TRUE(one.replica().short_logs(channel).empty());
  }
};

TEST_F(Below, rule_34_what_was_granted_comes_in_one_session_whether_short_or_long) {
  const Epoch from = newest();
  write_some(a, channel, 3000, 300);
  rotate();
  write_some(a, channel, 60, 40'000);  // 20 of them fill a chunk
  meet(a, b);
  write_some(b, channel, 5, 100);
  meet(a, b);
  join(c);
  ASSERT_TRUE(c.texts(channel).empty());
  Pair::Connection& link = net.connect(a, c);
  ASSERT_TRUE(net.run());
  grant(c, from);
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(link.open);
  EXPECT_TRUE(link.end_of(a).refused.empty() && link.end_of(c).refused.empty());
  EXPECT_EQ(c.texts(channel).size(), 3065u);
  expect_alike(c, a);
  net.cut(link);
  // And from then on nothing more is said than between any two that are equal.
  net.connect(a, c, done_once());
  ASSERT_TRUE(net.run());
  net.connect(a, c, done_once());
  ASSERT_TRUE(net.run());
  for (Party* party : {&a, &c}) {
    EXPECT_EQ(net.stats_of[party].bytes_out, 394u) << party->name();
    EXPECT_EQ(net.stats_of[party].round_trips, 1u);
  }
  net.crash(c);
  EXPECT_EQ(c.texts(channel).size(), 3065u);
  EXPECT_TRUE(c.replica().short_logs(channel).empty());
}

TEST_F(Below, rule_33_what_one_member_does_not_hold_another_gives) {
  const Epoch from = newest();
  write_some(a, channel, 40, 100);
  meet(a, b);
  Party& d = net.add("Delta");
  join(d);
  write_some(a, channel, 40, 100);
  rotate();
  write_some(a, channel, 5, 100);
  join(c);
  for (Party* party : {&b, &d}) meet(a, *party);
  grant(c, from);
  meet(a, d);
  const auto low = [&](Party& at) {
    Number out{};
    for (const LogRecord& record : at.replica().channel_logs(channel)) {
      const auto owner = at.table().feed_owner(record.log);
      if (owner && owner->node == a.node()) out = record.low;
    }
    return out;
  };
  introduce(c, d);
  introduce(c, b);
  meet(c, d);  // brings the grant, and the epochs that D was given itself
  meet(c, d);
  EXPECT_EQ(low(c), low(d));
  EXPECT_EQ(c.texts(channel).size(), 45u);
  meet(c, a);
  expect_alike(c, a);
  EXPECT_EQ(c.texts(channel).size(), 85u);
}

TEST_F(Below, rule_33_a_cut_or_a_crash_on_the_way_is_made_good) {
  const Epoch from = newest();
  write_some(a, channel, 2000, 500);
  meet(a, b);
  join(c);
  grant(c, from);
  Pair::PipeOptions slow;
  slow.bytes_per_ms = 100;
  for (int i = 0; i < 5; ++i) {
    net.connect(a, c, slow);
    net.run_for(3'000);
    if (i % 2 == 0) {
      net.cut_between(a, c);
    } else {
      net.crash(c);
    }
  }
  EXPECT_LT(c.texts(channel).size(), 2000u);
  meet(a, c);
  expect_alike(c, a);
}

TEST_F(Below, rule_34_who_is_short_tells_nobody_that_its_copy_is_complete) {
  const Epoch from = newest();
  write_some(a, channel, 30, 100);
  meet(a, b);
  join(c);
  write_some(a, channel, 5, 100);
  meet(a, c);
  // D has the keys, and nothing of any feed.
  Party& d = net.add("Delta");
  Quotas none;
  none.feeds = 0;
  d.replica().set_quotas(none);
  join(d);
  grant(d, from);
  meet(a, d);
  d.replica().set_quotas({});
  ASSERT_TRUE(d.texts(channel).empty());
  // C has the keys, too, and not the entries yet.
  grant(c, from);
  Pair::Connection& link = net.connect(a, c);
  ASSERT_TRUE(net.run(kHourMs, [&] { return !c.replica().short_logs(channel).empty(); }));
  net.cut(link);
  c.store.sync();
  introduce(c, d);
  meet(c, d);
  meet(a, d);
  expect_alike(d, a);
  EXPECT_EQ(d.texts(channel).size(), 35u);
  meet(c, d);
  expect_alike(c, a);
}

TEST_F(Below, rule_34_who_joined_late_serves_what_follows_the_copy_of_an_older_member) {
  write_some(a, channel, 5, 100);
  meet(a, b);
  join(c);
  meet(a, b);
  write_some(a, channel, 5, 100);
  meet(a, c);
  ASSERT_TRUE(b.replica().first_epoch(channel) < c.replica().first_epoch(channel));
  ASSERT_EQ(c.texts(channel).size(), 5u) << "its copy of the feed begins later";
  ASSERT_EQ(b.texts(channel).size(), 5u);
  // The machine of Alpha is lost, and what it said last Charlie has alone.
  meet(b, c);
  EXPECT_EQ(b.texts(channel).size(), 10u);
  EXPECT_EQ(b.replica().frontier(channel).digest(), c.replica().frontier(channel).digest());
}

}  // namespace
}  // namespace tocsin::protocol
