// An organisation leaves a channel of its own will (rule 23).
#include <gtest/gtest.h>

#include "tests/support/channel_world.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::make_channel;
using test::must;
using test::Party;
using test::sync_all;
using test::sync_once;
using test::WorldClock;

struct Leaving : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock}, c{"Charlie", 3, clock}, d{"Delta", 4, clock};

  ChannelInfo info(Party& party, const ChannelId& id) { return *party.replica().channel(id); }
  std::set<std::string> names(Party& party, const ChannelId& id) {
    std::set<std::string> out;
    for (const MemberInfo& member : info(party, id).members) out.insert(member.name);
    return out;
  }
  void leave(Party& party, const ChannelId& id) {
    must(party.replica().leave(id, nullptr));
    party.store.sync();
  }
  std::size_t leaves_for(Party& from, Party& to) {
    const auto mail = from.replica().mail_for(to.org(), to.node());
    return static_cast<std::size_t>(std::ranges::count(mail, MailKind::kLeave, &Mail::kind));
  }
};

TEST_F(Leaving, rule_23_a_member_leaves_and_any_member_tells_the_chair) {
  const ChannelId id = make_channel(a, {&b, &c});
  test::introduce(b, c);
  c.write(id, "before");
  c.store.sync();
  sync_all({&a, &b, &c});
  const Epoch before = info(a, id).epoch;
  leave(c, id);
  EXPECT_EQ(info(c, id).standing, ChannelStanding::kRemoved);
  EXPECT_EQ(test::code_of(c.replica().may_append(id)), "not_a_writer");
  EXPECT_EQ(test::code_of(c.replica().leave(id, nullptr)), "not_a_member");
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"before"}) << "what came stays";
  // C meets B alone; B tells A.
  c.crash();
  sync_once(b, c);
  sync_all({&a, &b});
  EXPECT_EQ(names(a, id), (std::set<std::string>{"Alpha", "Bravo"}));
  EXPECT_EQ(names(b, id), names(a, id));
  EXPECT_GT(info(a, id).epoch, before) << "with a key that C does not get";
  a.write(id, "after");
  a.store.sync();
  sync_all({&a, &b, &c});
  EXPECT_EQ(b.text_set(id), (std::multiset<std::string>{"before", "after"}));
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"before"});
  // The chair has told it so: nothing more is said.
  EXPECT_EQ(leaves_for(c, a), 0u);
  EXPECT_EQ(leaves_for(c, b), 0u);
}

TEST_F(Leaving, rule_21_who_may_not_write_yet_neither_carries_a_leave_nor_takes_it_for_carried) {
  const ChannelId id = make_channel(a, {&b, &c});
  test::introduce(b, c);
  leave(c, id);
  Mail said;
  for (Mail& mail : c.replica().mail_for(b.org(), b.node())) {
    if (mail.kind == MailKind::kLeave) said = std::move(mail);
  }
  const auto give = [&] {
    return test::code_of(b.replica().handle_mail(c.org(), said.kind, said.prekey_month, said.envelope));
  };
  b.replica().doubt_home(as_bytes("elsewhere"), nullptr);
  b.store.sync();
  EXPECT_EQ(give(), "home_unconfirmed");
  b.replica().home_confirmed_by(a.node());
  b.store.sync();
  EXPECT_EQ(give(), "ok");
  b.store.sync();
  sync_all({&a, &b});
  EXPECT_EQ(names(a, id), (std::set<std::string>{"Alpha", "Bravo"}));
}

TEST_F(Leaving, rule_23_what_was_signed_then_does_not_count_for_who_came_back) {
  const ChannelId id = make_channel(a, {&b});
  leave(b, id);
  ASSERT_EQ(leaves_for(b, a), 1u);
  Mail old;
  for (Mail& mail : b.replica().mail_for(a.org(), a.node())) {
    if (mail.kind == MailKind::kLeave) old = std::move(mail);
  }
  sync_all({&a, &b});
  ASSERT_EQ(names(a, id), (std::set<std::string>{"Alpha"}));
  must(a.replica().invite(id, b.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_once(a, b);
  ASSERT_EQ(info(b, id).standing, ChannelStanding::kInvited);
  must(b.replica().accept(id, nullptr));
  b.store.sync();
  sync_all({&a, &b});
  ASSERT_EQ(info(b, id).standing, ChannelStanding::kJoined);
  EXPECT_EQ(leaves_for(b, a), 0u);
  EXPECT_EQ(test::code_of(a.replica().handle_mail(b.org(), old.kind, old.prekey_month, old.envelope)), "bad_leave");
  a.store.sync();
  sync_all({&a, &b});
  EXPECT_EQ(names(a, id), (std::set<std::string>{"Alpha", "Bravo"}));
  b.write(id, "back");
  b.store.sync();
  sync_all({&a, &b});
  EXPECT_EQ(a.texts(id), std::vector<std::string>{"back"});
}

TEST_F(Leaving, rule_22_and_23_no_steward_has_to_agree_and_no_steward_leaves) {
  for (Party* other : {&b, &c, &d}) test::introduce(a, *other);
  NewChannel wanted{"Early warning", ChannelClass::kShared, "Purpose: early warning.", 0};
  wanted.stewards = {b.org(), c.org()};
  wanted.quorum = 2;
  const ChannelId id = must(a.replica().create_channel(wanted, nullptr));
  a.store.sync();
  const auto take_in = [&](Party& party) {
    sync_all({&a, &party});
    must(party.replica().accept(id, nullptr));
    party.store.sync();
    sync_all({&a, &b, &c, &party});
  };
  take_in(b);
  take_in(c);
  const ProposalId invite = must(a.replica().propose(
      id, InviteChange{must(a.replica().member_to_invite(id, d.org(), Role::kReader))}, "needed", nullptr));
  a.store.sync();
  sync_all({&a, &b, &c});
  must(b.replica().answer_proposal(invite, true, "", nullptr));
  b.store.sync();
  sync_all({&a, &b, &c});
  take_in(d);
  ASSERT_EQ(names(b, id).count("Delta"), 1u);
  EXPECT_EQ(test::code_of(a.replica().leave(id, nullptr)), "steward_cannot_leave");
  EXPECT_EQ(test::code_of(b.replica().leave(id, nullptr)), "steward_cannot_leave");
  EXPECT_EQ(test::code_of(d.replica().leave(d.replica().private_channel(), nullptr)), "private_channel");
  leave(d, id);
  sync_all({&a, &b, &c, &d});
  for (Party* party : {&a, &b, &c}) EXPECT_EQ(names(*party, id), (std::set<std::string>{"Alpha", "Bravo", "Charlie"}));
  EXPECT_EQ(info(b, id).epoch, info(a, id).epoch) << "the others took the epoch that is without it";
}

TEST_F(Leaving, rule_11_nobody_leaves_in_the_name_of_another) {
  const ChannelId id = make_channel(a, {&b, &c});
  const Bytes forged = sign_leave({id, c.org(), c.node(), info(b, id).epoch, clock.now()}, b.secrets().tier2->signing);
  const FeedItem item{FeedKind::kLeave, forged};
  must(b.replica().append(id, std::span(&item, 1), nullptr));
  b.store.sync();
  sync_all({&a, &b, &c});
  EXPECT_EQ(names(a, id), (std::set<std::string>{"Alpha", "Bravo", "Charlie"}));
}

}  // namespace
}  // namespace tocsin::protocol
