// A channel with one steward, whose organisation has further nodes: they lead on when the one that led is lost (rule
// 22).
#include <gtest/gtest.h>

#include "protocol/stewards.h"
#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/further_nodes.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::must;
using test::Party;
using test::sync_all;
using test::WorldClock;

struct SingleSteward : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock}, c{"Charlie", 3, clock};
  Party second{a, "Alpha 2", 11, clock};
};

TEST_F(SingleSteward, rule_22_one_steward_hands_over_to_three) {
  const ChannelId id = test::make_channel(a, {&b, &c});
  const auto proposal = a.replica().propose(id, StewardsChange{{a.org(), b.org(), c.org()}, 2}, "share it", nullptr);
  must(proposal);
  a.store.sync();
  sync_all({&a, &b, &c});
  EXPECT_EQ(b.replica().channel(id)->own_role, Role::kSteward);
  EXPECT_EQ(b.replica().channel(id)->quorum, 2);
  EXPECT_EQ(code_of(a.replica().remove_member(id, c.org(), nullptr)), "needs_stewards");
}

TEST_F(SingleSteward, rule_22_the_next_node_leads_on_when_the_chair_is_revoked) {
  const ChannelId id = test::make_channel(a, {&b});
  test::certify(a, second);
  sync_all({&a, &b, &second});
  ASSERT_EQ(second.replica().channel(id)->standing, ChannelStanding::kJoined);
  // The machine of the first is lost; its roots say so to the second.
  test::revoke(a, a, second);
  sync_all({&second, &b});
  EXPECT_EQ(second.replica().channel(id)->term, 1u) << "there is time to hear of another node that does";
  clock.advance_ms(61'000);
  sync_all({&second, &b});
  for (Party* party : {&second, &b}) {
    EXPECT_EQ(party->replica().channel(id)->term, 2u);
    EXPECT_EQ(party->replica().channel(id)->chair_node, second.node());
  }
  const ChannelId own = second.replica().private_channel();
  EXPECT_TRUE(second.replica().channel(own)->is_chair) << "its private channel, too";
  test::introduce(second, c);
  must(second.replica().invite(id, c.org(), Role::kMember, nullptr));
  second.store.sync();
  sync_all({&second, &c});
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  sync_all({&second, &b, &c});
  EXPECT_EQ(c.replica().channel(id)->standing, ChannelStanding::kJoined);
  c.write(id, "hello");
  c.store.sync();
  sync_all({&second, &b, &c});
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"hello"});
}

// Of two further nodes the one with the lower id leads on.
struct TwoToLeadOn : SingleSteward {
  Party third{a, "Alpha 3", 12, clock};
  Party& low = second.node() < third.node() ? second : third;
  Party& high = &low == &second ? third : second;
  ChannelId id;

  std::uint32_t term(Party& party) { return party.replica().channel(id)->term; }
  // So much later these meet.
  void wait(std::int64_t ms, std::vector<Party*> parties) {
    clock.advance_ms(ms);
    sync_all(parties);
  }
};

TEST_F(TwoToLeadOn, rule_22_a_lower_one_that_nobody_let_in_is_passed_over_after_ten_minutes) {
  id = test::make_channel(a, {&b});
  test::certify(a, high);
  sync_all({&a, &b, &high});
  ASSERT_EQ(high.replica().channel(id)->standing, ChannelStanding::kJoined);
  test::certify(a, low, high);  // nobody who could let it in hears of it
  test::revoke(a, a, high);
  sync_all({&high, &b});
  wait(61'000, {&high, &b});
  EXPECT_EQ(term(high), 1u) << "there is time to hear from the lower one";
  wait(538'000, {&high, &b});
  EXPECT_EQ(term(high), 1u);
  wait(2'000, {&high, &b});
  for (Party* party : {&high, &b}) {
    EXPECT_EQ(term(*party), 2u) << party->name();
    EXPECT_EQ(party->replica().channel(id)->chair_node, high.node()) << party->name();
  }
  // By now it is let in.
  test::show_own_log(high, low);
  sync_all({&high, &low, &b});
  ASSERT_TRUE(low.replica().channel(id));
  EXPECT_EQ(low.replica().channel(id)->standing, ChannelStanding::kJoined);
  EXPECT_EQ(term(low), 2u);
}

TEST_F(TwoToLeadOn, rule_22_a_lower_one_that_is_in_the_channel_leads_on_alone) {
  id = test::make_channel(a, {&b});
  test::certify(a, low);
  test::certify(a, high);
  sync_all({&a, &b, &low, &high});
  for (Party* party : {&low, &high}) {
    ASSERT_EQ(party->replica().channel(id)->standing, ChannelStanding::kJoined) << party->name();
  }
  test::revoke(a, a, high);
  sync_all({&low, &high, &b});
  wait(601'000, {&high, &b});  // the lower one is away
  EXPECT_EQ(term(high), 1u);
  wait(0, {&low, &high, &b});
  for (Party* party : {&low, &high, &b}) {
    EXPECT_EQ(term(*party), 2u) << party->name();
    EXPECT_EQ(party->replica().channel(id)->chair_node, low.node()) << party->name();
  }
}

TEST_F(SingleSteward, rule_34_who_was_out_while_a_term_ended_takes_the_feeds_that_began_meanwhile) {
  Party d{"Delta", 4, clock};
  const ChannelId id = test::make_channel(a, {&b, &c});
  test::certify(a, second);
  b.write(id, "with Charlie");
  b.store.sync();
  sync_all({&a, &b, &c, &second});
  ASSERT_EQ(second.replica().channel(id)->standing, ChannelStanding::kJoined);
  must(a.replica().remove_member(id, c.org(), nullptr));
  a.store.sync();
  sync_all({&a, &b, &c, &second});
  ASSERT_EQ(c.replica().channel(id)->standing, ChannelStanding::kRemoved);
  // The feed of Delta begins now.
  test::join(a, id, d);
  d.write(id, "without Charlie");
  d.store.sync();
  sync_all({&a, &b, &d, &second});
  ASSERT_EQ(b.text_set(id).count("without Charlie"), 1u);
  test::revoke(a, a, second);
  sync_all({&second, &b, &d});
  clock.advance_ms(61'000);
  sync_all({&second, &b, &d});
  ASSERT_EQ(b.replica().channel(id)->term, 2u);
  test::introduce(second, c);
  must(second.replica().invite(id, c.org(), Role::kMember, nullptr));
  second.store.sync();
  sync_all({&second, &c});
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  sync_all({&second, &b, &c, &d});
  ASSERT_EQ(c.replica().channel(id)->standing, ChannelStanding::kJoined);
  for (Party* party : {&b, &c, &d}) {
    EXPECT_EQ(party->replica().frontier(id).digest(), second.replica().frontier(id).digest()) << party->name();
  }
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"with Charlie"}) << "what was said meanwhile stays closed";
  d.write(id, "with Charlie again");
  d.store.sync();
  sync_all({&second, &b, &c, &d});
  EXPECT_EQ(c.text_set(id), (std::multiset<std::string>{"with Charlie", "with Charlie again"}));
}

}  // namespace
}  // namespace tocsin::protocol
