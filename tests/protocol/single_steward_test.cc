// A channel with one steward, whose organisation has further nodes: they lead on when the one that led is lost (rule
// 22).
#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/wrap.h"
#include "protocol/stewards.h"
#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/forged_control.h"
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

TEST_F(SingleSteward, rule_33_who_comes_in_a_later_term_gets_the_keys_of_those_that_are_over) {
  Party third{a, "Alpha 3", 12, clock};
  Party further{b, "Bravo 2", 13, clock};
  const ChannelId id = test::make_channel(a, {&b});
  const auto write = [&](Party& party, std::string_view text) {
    party.write(id, text);
    party.store.sync();
  };
  write(b, "in the first term");
  test::certify(a, second);
  test::certify(a, third);
  sync_all({&a, &b, &second, &third});
  write(a, "by the chair that is lost");
  sync_all({&a, &b, &second, &third});
  Party& next = second.node() < third.node() ? second : third;
  Party& last = &next == &second ? third : second;
  test::revoke(a, a, next);
  sync_all({&next, &b, &last});
  clock.advance_ms(61'000);
  sync_all({&next, &b, &last});
  write(b, "in the second");
  sync_all({&next, &b, &last});
  test::revoke(a, next, last);
  sync_all({&last, &b});
  clock.advance_ms(61'000);
  sync_all({&last, &b});
  ASSERT_EQ(b.replica().channel(id)->term, 3u);
  write(b, "in the third");
  test::certify(b, further);
  // Term by term, as each log is complete.
  for (int i = 0; i < 4; ++i) {
    clock.advance_ms(1'000);
    sync_all({&last, &b, &further});
  }
  EXPECT_EQ(further.text_set(id), (std::multiset<std::string>{"in the first term", "by the chair that is lost",
                                                              "in the second", "in the third"}));
  EXPECT_EQ(further.replica().frontier(id).digest(), b.replica().frontier(id).digest());
  further.crash();
  EXPECT_EQ(further.text_set(id).size(), 4u) << "also after a start";
}

// A chair names in its roster which terms are over. What it names there need not be the log of one.
TEST_F(SingleSteward, rule_15_a_roster_that_names_something_else_as_the_log_of_a_term_keeps_nobody_from_it) {
  test::certify(a, second);
  const ChannelId id = test::make_channel(a, {&b});
  sync_all({&a, &b, &second});
  test::revoke(a, a, second);
  sync_all({&second, &b});
  clock.advance_ms(61'000);
  sync_all({&second, &b});
  ASSERT_EQ(b.replica().channel(id)->term, 2u);
  // As if it were the end of the first term: an organisation that Charlie does not know yet.
  Party d{"Delta", 4, clock};
  test::introduce(second, c);
  must(second.replica().invite(id, c.org(), Role::kMember, nullptr));
  second.store.sync();
  sync_all({&second, &c});
  const auto forged = test::forge_epoch(second, id, {&second, &b, &c}, [&](ControlState& state) {
    RosterMember charlie;
    charlie.org = c.org();
    charlie.role = Role::kMember;
    charlie.log_number = c.log().head();
    charlie.log_hash = c.log().head_hash();
    charlie.name = "Charlie";
    charlie.kind = c.log().profile().kind;
    charlie.country = c.log().profile().country;
    charlie.since = state.roster.front().since;  // so that it asks for keys of the first term
    for (const RosterMember& member : state.roster) charlie.since = std::min(charlie.since, member.since);
    state.roster.push_back(charlie);
    std::ranges::sort(state.roster, {}, &RosterMember::org);
    std::erase_if(state.invited, [&](const RosterMember& member) { return member.org == c.org(); });
    for (Term& term : state.terms) {
      if (term.number == 1) term.log = LogKey{d.org().bytes()};
    }
  });
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  std::vector<Entry> entries;
  const LogKey control = c.replica().channel(id)->control_log;
  for (Number n = c.replica().accepted_head(control).next(); n <= second.replica().accepted_head(control); n = n.next())
    entries.push_back(must(second.replica().read_entry(control, n)));
  entries.insert(entries.end(), forged.begin(), forged.end());
  must(test::give_control(c, id, entries));
  c.store.sync();
  ASSERT_EQ(c.replica().channel(id)->standing, ChannelStanding::kJoined);
  // Its key answers for an epoch of that term.
  Bytes answer{1};
  append(answer, id.view());
  answer.push_back(1);
  std::array<std::uint8_t, 8> epoch;
  store_le64(epoch.data(), 1);
  append(answer, ByteView(epoch));
  append(answer, Bytes(32, 7));
  const Bytes sealed = must(crypto::seal_to(c.secrets().tier2->encryption.public_key(), crypto::kLabelKeyAnswer,
                                            c.node().view(), answer, second.random()));
  must(c.replica().handle_mail(second.org(), MailKind::kKeyAnswer, kCertificateKeyMonth, sealed));
  c.store.sync();
  // Charlie takes Delta's card, and starts again.
  test::introduce(c, d);
  c.crash();
  ASSERT_TRUE(c.replica().peer(d.org()));
  EXPECT_EQ(c.replica().peer(d.org())->nodes.size(), 1u);
  EXPECT_EQ(c.replica().channel(id)->standing, ChannelStanding::kJoined);
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

TEST_F(TwoToLeadOn, rule_22_a_term_of_a_node_that_was_lost_at_once_yields_to_the_one_that_leads_on) {
  id = test::make_channel(a, {&b});
  test::certify(a, low);
  test::certify(a, high);
  sync_all({&a, &b, &low, &high});
  test::revoke(a, a, low);
  sync_all({&low, &b});
  wait(61'000, {&low, &b});
  ASSERT_EQ(term(low), 2u);
  ASSERT_EQ(b.replica().channel(id)->chair_node, low.node());
  // The higher one was away; now it hears of both losses, and not of that term.
  test::show_own_log(low, high);
  test::revoke(a, low, high);
  wait(1'000, {&high});
  wait(61'000, {&high});
  ASSERT_EQ(term(high), 2u);
  wait(1'000, {&high, &b});
  for (Party* party : {&high, &b}) {
    EXPECT_EQ(term(*party), 2u) << party->name();
    EXPECT_EQ(party->replica().channel(id)->chair_node, high.node()) << party->name();
  }
  b.write(id, "under the one that leads on");
  b.store.sync();
  wait(1'000, {&high, &b});
  EXPECT_EQ(high.texts(id), std::vector<std::string>{"under the one that leads on"});
  b.crash();
  EXPECT_EQ(b.replica().channel(id)->chair_node, high.node());
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
