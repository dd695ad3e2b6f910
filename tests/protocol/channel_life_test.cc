// The life of a channel between several organisations: inviting, joining, writing, renewing, removing, receipts.
#include <gtest/gtest.h>

#include "protocol/entry_sign.h"
#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/forged_control.h"
#include "tests/support/forged_feed.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::ForgedFeed;
using test::give;
using test::join;
using test::make_channel;
using test::must;
using test::Party;
using test::sync_all;
using test::sync_once;
using test::WorldClock;

struct ChannelLife : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock}, c{"Charlie", 3, clock};

  void write(Party& party, const ChannelId& id, std::string_view text) {
    party.write(id, text);
    party.store.sync();
  }
  ChannelInfo info(Party& party, const ChannelId& id) { return *party.replica().channel(id); }
  LogKey feed_of(Party& party, const ChannelId& id, Party& at) {
    for (const LogRecord& record : at.replica().channel_logs(id)) {
      const auto owner = at.table().feed_owner(record.log);
      if (owner && owner->node == party.node()) return record.log;
    }
    return {};
  }
  void expect_equal(const ChannelId& id, std::vector<Party*> parties) {
    for (Party* party : parties) {
      EXPECT_EQ(party->replica().frontier(id).digest(), parties[0]->replica().frontier(id).digest()) << party->name();
    }
  }
};

TEST_F(ChannelLife, three_organisations_share_what_each_writes) {
  const ChannelId id = make_channel(a, {&b, &c});
  for (Party* party : {&a, &b, &c}) {
    EXPECT_EQ(info(*party, id).standing, ChannelStanding::kJoined) << party->name();
    EXPECT_EQ(info(*party, id).members.size(), 3u);
    write(*party, id, "from " + party->name());
  }
  sync_all({&a, &b, &c});
  for (Party* party : {&a, &b, &c}) {
    EXPECT_EQ(party->text_set(id), (std::multiset<std::string>{"from Alpha", "from Bravo", "from Charlie"}));
  }
  expect_equal(id, {&a, &b, &c});
  // B and C never exchanged cards: the roster introduced them.
  EXPECT_EQ(b.replica().peer(c.org())->state, PeerState::kIntroduced);
  EXPECT_FALSE(b.replica().peer(c.org())->by_card);
}

TEST_F(ChannelLife, rule_22_the_chair_alone_changes_members_and_an_only_steward_is_enough) {
  const ChannelId id = make_channel(a, {&b});
  test::introduce(b, c);
  for (const auto& refused : {b.replica().invite(id, c.org(), Role::kMember, nullptr),
                              b.replica().remove_member(id, a.org(), nullptr), b.replica().rotate(id, nullptr)}) {
    EXPECT_EQ(code_of(refused), "not_chair");
    EXPECT_NE(refused.error().detail.find("Alpha"), std::string::npos) << "says who is";
  }
  EXPECT_EQ(code_of(a.replica().remove_member(id, a.org(), nullptr)), "chair_cannot_leave");
  EXPECT_EQ(code_of(a.replica().remove_member(id, c.org(), nullptr)), "not_a_member");
  EXPECT_EQ(code_of(a.replica().rotate(ChannelId{}, nullptr)), "unknown_channel");
}

TEST_F(ChannelLife, rule_26_an_unverified_peer_is_not_added_and_no_key_goes_out_before_it_accepts) {
  const ChannelId id = make_channel(a, {});
  write(a, id, "secret");
  EXPECT_EQ(code_of(a.replica().invite(id, b.org(), Role::kMember, nullptr)), "unknown_peer");
  must(a.replica().add_card(must(b.replica().own_card({})), nullptr));
  must(b.replica().add_card(must(a.replica().own_card({})), nullptr));
  EXPECT_EQ(code_of(a.replica().invite(id, b.org(), Role::kMember, nullptr)), "peer_not_verified");
  must(a.replica().verify_peer(b.org(), card_words(b.org(), b.node()), nullptr));
  EXPECT_EQ(code_of(a.replica().invite(id, b.org(), Role::kSteward, nullptr)), "role_not_supported");
  must(a.replica().invite(id, b.org(), Role::kMember, nullptr));
  a.store.sync();
  const Epoch before = info(a, id).epoch;
  for (int i = 0; i < 3; ++i) sync_once(a, b);
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kInvited);
  EXPECT_EQ(info(b, id).name, "Early warning");
  EXPECT_EQ(info(a, id).epoch, before) << "an invitation alone makes no epoch";
  EXPECT_TRUE(a.replica().channels_with(b.node()).empty());
  EXPECT_TRUE(b.replica().channels_with(a.node()).empty());
  EXPECT_TRUE(b.replica().channel_logs(id).empty());
  EXPECT_TRUE(b.texts(id).empty());

  must(b.replica().accept(id, nullptr));
  b.store.sync();
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kAccepting);
  sync_all({&a, &b});
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kJoined);
  EXPECT_EQ(info(b, id).own_role, Role::kMember);
  EXPECT_EQ(code_of(a.replica().invite(id, b.org(), Role::kMember, nullptr)), "already_member");
}

TEST_F(ChannelLife, rule_26_any_member_carries_an_invitation_and_its_answer) {
  const ChannelId id = make_channel(a, {&b});
  test::introduce(a, c);
  test::introduce(b, c);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_once(a, b);
  sync_once(b, c);  // A and C never meet
  ASSERT_TRUE(c.replica().channel(id));
  EXPECT_EQ(info(c, id).standing, ChannelStanding::kInvited);
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  sync_once(b, c);
  sync_once(a, b);  // the answer, in B's feed
  EXPECT_EQ(info(a, id).members.size(), 3u);
  sync_once(a, b);
  sync_once(b, c);
  EXPECT_EQ(info(c, id).standing, ChannelStanding::kJoined);
  write(c, id, "hello");
  sync_once(b, c);
  sync_once(a, b);
  EXPECT_EQ(a.texts(id), std::vector<std::string>{"hello"});
  sync_once(a, b);
  sync_once(b, c);
  sync_once(a, b);
  expect_equal(id, {&a, &b, &c});
}

TEST_F(ChannelLife, rule_21_who_may_not_write_yet_does_not_take_an_answer_to_carry_it) {
  const ChannelId id = make_channel(a, {&b});
  test::introduce(a, c);
  test::introduce(b, c);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_once(a, b);
  sync_once(b, c);
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  Mail said;
  for (Mail& mail : c.replica().mail_for(b.org(), b.node())) {
    if (mail.kind == MailKind::kAcceptance) said = std::move(mail);
  }
  const auto give = [&] {
    return code_of(b.replica().handle_mail(c.org(), said.kind, said.prekey_month, said.envelope));
  };
  b.replica().doubt_home(as_bytes("elsewhere"), nullptr);
  b.store.sync();
  EXPECT_EQ(give(), "home_unconfirmed");
  b.replica().home_confirmed_by(a.node());
  b.store.sync();
  EXPECT_EQ(give(), "ok");
  b.store.sync();
  sync_once(a, b);
  EXPECT_EQ(info(a, id).members.size(), 3u);
}

TEST_F(ChannelLife, rule_26_a_carried_answer_survives_a_chair_that_dies_before_it_answers) {
  const ChannelId id = make_channel(a, {&b});
  test::introduce(a, c);
  test::introduce(b, c);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_once(a, b);
  sync_once(b, c);
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  sync_once(b, c);
  // A takes B's feed, and dies between having it durable and making the epoch.
  const LogKey feed = feed_of(b, id, b);
  auto receiver =
      must(a.replica().receive(id, feed, LogType::kFeed, a.replica().accepted_head(feed).next(), std::nullopt));
  must(b.replica().serve(feed, receiver.next_number(), {UINT64_MAX}, 1 << 20, [&](const StoredEntry& stored) {
    return receiver.add(stored.entry.signature, {load_le64(&stored.entry.header[16])}, stored.entry.body).ok();
  }));
  must(receiver.commit(nullptr));
  a.store.persist();
  a.crash();
  a.replica().handle_tick();
  a.store.sync();
  EXPECT_EQ(info(a, id).members.size(), 3u);
}

TEST_F(ChannelLife, rule_26_what_is_not_for_us_or_not_signed_is_refused) {
  const ChannelId id = make_channel(a, {&b});
  test::introduce(a, c);
  test::introduce(b, c);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  const auto mail = a.replica().mail_for(c.org(), c.node());
  ASSERT_EQ(mail.size(), 1u);
  EXPECT_EQ(mail[0].kind, MailKind::kInvitation);
  EXPECT_EQ(a.replica().mail_for(c.org(), c.node())[0].id, mail[0].id) << "the same to the same node is the same mail";
  const auto deliver = [&](Party& to, MailKind kind, std::uint32_t month, const Bytes& envelope) {
    return code_of(to.replica().handle_mail(a.org(), kind, month, envelope));
  };
  EXPECT_EQ(deliver(b, mail[0].kind, mail[0].prekey_month, mail[0].envelope), "not_for_us");
  EXPECT_EQ(deliver(c, mail[0].kind, mail[0].prekey_month + 500, mail[0].envelope), "not_for_us");
  EXPECT_EQ(deliver(c, MailKind::kAcceptance, mail[0].prekey_month, mail[0].envelope), "not_for_us");
  EXPECT_EQ(deliver(c, static_cast<MailKind>(200), mail[0].prekey_month, mail[0].envelope), "bad_mail");
  for (std::size_t at = 0; at < mail[0].envelope.size(); at += 37) {
    Bytes flipped = mail[0].envelope;
    flipped[at] ^= 0x10;
    EXPECT_NE(deliver(c, mail[0].kind, mail[0].prekey_month, flipped), "ok");
    EXPECT_NE(deliver(c, mail[0].kind, mail[0].prekey_month, Bytes(flipped.begin(), flipped.begin() + at)), "ok");
  }
  EXPECT_FALSE(c.replica().channel(id));
  EXPECT_EQ(deliver(c, mail[0].kind, mail[0].prekey_month, mail[0].envelope), "ok");
  c.store.sync();
  EXPECT_TRUE(c.replica().channel(id));
  EXPECT_EQ(deliver(c, mail[0].kind, mail[0].prekey_month, mail[0].envelope), "ok") << "twice changes nothing";

  // An acceptance by somebody else's key.
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  const auto answer = c.replica().mail_for(a.org(), a.node());
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].kind, MailKind::kAcceptance);
}

TEST_F(ChannelLife, rule_25_accepting_signs_the_terms_and_a_refusal_ends_the_invitation) {
  const ChannelId id = make_channel(a, {});
  test::introduce(a, b);
  must(a.replica().invite(id, b.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_once(a, b);
  must(b.replica().refuse(id, nullptr));
  b.store.sync();
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kRefused);
  EXPECT_EQ(info(a, id).invited.size(), 1u);
  const Epoch before = info(a, id).epoch;
  sync_once(a, b);
  EXPECT_TRUE(info(a, id).invited.empty());
  EXPECT_EQ(info(a, id).members.size(), 1u);
  EXPECT_EQ(info(a, id).epoch, before);
  sync_once(a, b);
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kRefused);
  EXPECT_EQ(code_of(b.replica().accept(a.replica().private_channel(), nullptr)), "unknown_channel");

  // Asked again, it may say yes; and the terms that it signs are those of the genesis.
  must(a.replica().invite(id, b.org(), Role::kReader, nullptr));
  a.store.sync();
  sync_once(a, b);
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kInvited);
  must(b.replica().accept(id, nullptr));
  b.store.sync();
  sync_all({&a, &b});
  EXPECT_EQ(info(b, id).own_role, Role::kReader);
}

TEST_F(ChannelLife, rule_25_bodies_past_retention_are_erased_and_the_chain_stays) {
  const ChannelId id = make_channel(a, {&b}, {"Short", ChannelClass::kShared, "", 60});
  write(a, id, "old");
  sync_all({&a, &b});
  clock.advance_days(31);
  sync_all({&a, &b});  // the chair renews the key
  write(a, id, "newer");
  sync_all({&a, &b});
  EXPECT_EQ(b.texts(id), (std::vector<std::string>{"old", "newer"}));
  clock.advance_days(59);
  a.replica().handle_tick();
  a.store.sync();
  EXPECT_EQ(a.texts(id).size(), 2u) << "not a day too early";
  clock.advance_days(2);
  for (Party* party : {&a, &b}) {
    party->replica().handle_tick();
    party->store.sync();
    EXPECT_EQ(party->texts(id), std::vector<std::string>{"newer"}) << party->name();
    const LogKey feed = feed_of(a, id, *party);
    EXPECT_EQ(must(party->replica().read_entry(feed, {1})).view().body.size(), 0u);
  }
  // Who comes later gets the chain without the bodies.
  write(a, id, "latest");
  sync_all({&a, &b});
  expect_equal(id, {&a, &b});
  EXPECT_EQ(b.texts(id), (std::vector<std::string>{"newer", "latest"}));
}

TEST_F(ChannelLife, rule_27_joining_removing_and_thirty_days_bring_a_new_epoch) {
  const ChannelId id = make_channel(a, {&b});
  EXPECT_EQ(info(a, id).epoch, Epoch{2});
  join(a, id, c);
  EXPECT_EQ(info(a, id).epoch, Epoch{3});
  must(a.replica().remove_member(id, c.org(), nullptr));
  a.store.sync();
  EXPECT_EQ(info(a, id).epoch, Epoch{4});
  clock.advance_days(29);
  a.replica().handle_tick();
  a.store.sync();
  EXPECT_EQ(info(a, id).epoch, Epoch{4});
  clock.advance_days(1);
  a.replica().handle_tick();
  a.store.sync();
  EXPECT_EQ(info(a, id).epoch, Epoch{5});
  a.replica().handle_tick();
  a.store.sync();
  EXPECT_EQ(info(a, id).epoch, Epoch{5}) << "once";
}

TEST_F(ChannelLife, rule_27_an_overdue_key_warns_and_never_stops_writing) {
  const ChannelId id = make_channel(a, {&b});
  clock.advance_days(46);  // the chair is away
  const auto warnings = b.replica().status().warnings;
  EXPECT_TRUE(std::any_of(warnings.begin(), warnings.end(), [](const std::string& warning) {
    return warning.find("revocations may be withheld") != std::string::npos;
  }));
  write(b, id, "still writing");
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"still writing"});
}

TEST_F(ChannelLife, rule_27_an_entry_under_an_older_epoch_stays_valid_and_new_ones_use_the_new_key) {
  const ChannelId id = make_channel(a, {&b, &c});
  const Epoch old = info(b, id).epoch;
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  write(b, id, "under the old key");  // B has not heard of the new one
  sync_once(a, c);
  ASSERT_GT(info(c, id).epoch, old);
  sync_once(b, c);
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"under the old key"});
  write(b, id, "under the new key");
  const LogKey feed = feed_of(b, id, b);
  EXPECT_EQ(b.replica().log_record(feed)->head_epoch, info(a, id).epoch);
  sync_all({&a, &b, &c});
  expect_equal(id, {&a, &b, &c});
}

TEST_F(ChannelLife, rule_27_a_further_node_of_a_member_brings_a_new_epoch_that_wraps_to_it) {
  const ChannelId id = make_channel(a, {&b});
  const Epoch before = info(a, id).epoch;
  const test::ExampleNode second = b.new_node("Bravo 2");
  b.certify(second);
  b.take_own_log();
  sync_all({&a, &b});
  EXPECT_EQ(info(a, id).epoch, before.next());
  EXPECT_EQ(info(b, id).epoch, before.next());
  EXPECT_EQ(info(a, id).members[a.org() < b.org() ? 1 : 0].nodes.size(), 2u);
}

TEST_F(ChannelLife, rule_27_a_revoked_node_loses_the_channel_and_its_feed_is_pinned) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(b, id, "before");
  sync_all({&a, &b, &c});
  const Epoch before = info(a, id).epoch;
  const LogKey feed = feed_of(b, id, b);
  // B's roots revoke its only node; C hears of it first.
  const std::vector<Bytes> news{encode_entry(b.revoke(b.node()).view())};
  (void)c.replica().identify(crypto::TransportPublic{}, news);
  c.store.sync();
  write(b, id, "after");
  EXPECT_EQ(sync_once(b, c), 0u) << "a revocation overtakes what it revokes";
  std::vector<Entry> after;
  must(b.replica().serve(feed, {2}, {2}, 1 << 20, [&](const StoredEntry& stored) {
    after.emplace_back(stored.entry.header, stored.entry.signature, stored.entry.body);
    return true;
  }));
  EXPECT_EQ(code_of(give(c, id, after)), "not_acceptable") << "and before the chair's pin is there, whoever brings it";
  EXPECT_EQ(c.replica().accepted_head(feed), Number{1});
  sync_all({&a, &c});
  EXPECT_EQ(info(a, id).epoch, before.next());
  EXPECT_TRUE(a.replica().channels_with(b.node()).empty());
  EXPECT_EQ(code_of(a.replica().receive(id, feed, LogType::kFeed, {2}, std::nullopt)), "not_acceptable");
  EXPECT_EQ(a.texts(id), std::vector<std::string>{"before"});
  expect_equal(id, {&a, &c});
}

TEST_F(ChannelLife, rule_20_pins_end_the_feeds_of_a_member_that_is_removed) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(b, id, "one");
  write(b, id, "two");
  sync_all({&a, &b, &c});
  const LogKey feed = feed_of(b, id, b);
  write(b, id, "three");
  sync_once(b, c);  // C holds three, the chair does not
  ASSERT_EQ(c.replica().accepted_head(feed), Number{3});
  must(a.replica().remove_member(id, b.org(), nullptr));
  a.store.sync();
  sync_all({&a, &c});
  EXPECT_EQ(a.replica().accepted_head(feed), Number{2});
  EXPECT_FALSE(a.replica().wants_log(id, feed, LogType::kFeed));
  EXPECT_EQ(c.texts(id).size(), 3u) << "what is held already stays as evidence";
  expect_equal(id, {&a, &c});
  std::size_t served = 0;
  must(c.replica().serve(feed, {1}, {UINT64_MAX}, 1 << 20, [&](const StoredEntry&) { return ++served, true; }));
  EXPECT_EQ(served, 2u) << "and goes nowhere";
  EXPECT_EQ(c.replica().pin_of(feed)->last, Number{2});
  // B goes on, under the old key, as if nothing had happened: whenever it arrives it is refused.
  ForgedFeed later(b, id);
  const auto entry = later.next(info(b, id).epoch, "x", later.signed_certificate());
  EXPECT_EQ(code_of(give(a, id, {entry})), "past_pin") << "a feed that the chair did not know counts for nothing";
  EXPECT_EQ(code_of(give(c, id, {entry})), "past_pin");
  a.crash();
  c.crash();
  expect_equal(id, {&a, &c});
  EXPECT_EQ(a.replica().pin_of(feed)->last, Number{2});
}

TEST_F(ChannelLife, rule_20_a_member_that_was_away_still_gets_what_lies_below_the_pin) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(b, id, "one");
  sync_once(a, b);
  must(a.replica().remove_member(id, b.org(), nullptr));
  a.store.sync();
  sync_all({&a, &c});
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"one"});
  expect_equal(id, {&a, &c});
}

TEST_F(ChannelLife, a_removed_member_may_be_invited_again_and_begins_another_feed) {
  const ChannelId id = make_channel(a, {&b});
  write(b, id, "first stay");
  sync_all({&a, &b});
  must(a.replica().remove_member(id, b.org(), nullptr));
  a.store.sync();
  write(a, id, "meanwhile");
  sync_all({&a, &b});
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"first stay"});
  must(a.replica().invite(id, b.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_once(a, b);
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kInvited);
  must(b.replica().accept(id, nullptr));
  b.store.sync();
  sync_all({&a, &b});
  ASSERT_EQ(info(b, id).standing, ChannelStanding::kJoined);
  write(b, id, "second stay");
  write(a, id, "welcome back");
  sync_all({&a, &b});
  EXPECT_EQ(a.text_set(id), (std::multiset<std::string>{"first stay", "meanwhile", "second stay", "welcome back"}));
  EXPECT_EQ(b.text_set(id), (std::multiset<std::string>{"first stay", "second stay", "welcome back"}))
      << "rule 34: nothing from while it was out";
  expect_equal(id, {&a, &b});
}

TEST_F(ChannelLife, a_removed_member_is_told_and_stays_removed_after_a_restart) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(b, id, "mine");
  sync_all({&a, &b, &c});
  must(a.replica().remove_member(id, b.org(), nullptr));
  a.store.sync();
  sync_once(b, c);
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kJoined) << "the chair alone can say it";
  a.crash();
  sync_once(a, b);
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kRemoved);
  b.crash();
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kRemoved);
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"mine"}) << "what it holds it keeps";
  EXPECT_EQ(code_of(b.replica().append(id, {}, nullptr)), "not_a_writer");
  EXPECT_EQ(info(c, id).standing, ChannelStanding::kJoined);
}

TEST_F(ChannelLife, an_invitation_that_is_taken_back_ends_at_the_invited_too_and_is_not_played_again) {
  const ChannelId id = make_channel(a, {&b});
  test::introduce(a, c);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  const auto invitation = a.replica().mail_for(c.org(), c.node());
  sync_once(a, c);
  EXPECT_EQ(info(c, id).standing, ChannelStanding::kInvited);
  must(a.replica().remove_member(id, c.org(), nullptr));
  a.store.sync();
  sync_once(a, c);
  EXPECT_EQ(info(c, id).standing, ChannelStanding::kRemoved);
  EXPECT_EQ(code_of(c.replica().accept(id, nullptr)), "not_invited");
  c.crash();
  must(c.replica().handle_mail(a.org(), invitation[0].kind, invitation[0].prekey_month, invitation[0].envelope));
  c.store.sync();
  EXPECT_EQ(info(c, id).standing, ChannelStanding::kRemoved);
  join(a, id, c);
  EXPECT_EQ(info(c, id).standing, ChannelStanding::kJoined) << "a new one counts";
}

TEST_F(ChannelLife, a_notice_from_before_the_member_came_back_is_over) {
  const ChannelId id = make_channel(a, {&b});
  must(a.replica().remove_member(id, b.org(), nullptr));
  a.store.sync();
  const auto notice = a.replica().mail_for(b.org(), b.node());
  ASSERT_EQ(notice.size(), 1u);
  join(a, id, b);
  ASSERT_EQ(info(b, id).standing, ChannelStanding::kJoined);
  EXPECT_TRUE(a.replica().mail_for(b.org(), b.node()).empty());
  must(b.replica().handle_mail(a.org(), notice[0].kind, notice[0].prekey_month, notice[0].envelope));
  b.store.sync();
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kJoined);
}

TEST_F(ChannelLife, rule_29_a_member_without_a_slot_says_so_goes_on_and_is_wrapped_to_again) {
  const ChannelId id = make_channel(a, {&b});
  b.secrets().tier2->prekeys.clear();  // a disk that lost them
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  const Epoch missed = info(a, id).epoch;
  sync_once(a, b);
  EXPECT_TRUE(info(b, id).key_missing);
  EXPECT_LT(info(b, id).epoch, missed);
  write(a, id, "in the gap");
  write(b, id, "goes on");
  sync_once(a, b);
  EXPECT_EQ(a.text_set(id), (std::multiset<std::string>{"in the gap", "goes on"}));
  expect_equal(id, {&a, &b});
  b.replica().handle_tick();
  b.store.sync();
  b.replica().handle_tick();
  EXPECT_EQ(b.store.queued(), 0u) << "it says so once";
  sync_all({&a, &b});
  EXPECT_EQ(info(a, id).epoch, missed.next());
  EXPECT_FALSE(info(b, id).key_missing);
  write(a, id, "after the gap");
  sync_all({&a, &b});
  EXPECT_EQ(b.text_set(id), (std::multiset<std::string>{"goes on", "in the gap", "after the gap"}))
      << "rule 33: whoever holds that key gives it";
  expect_equal(id, {&a, &b});
  b.crash();
  EXPECT_FALSE(info(b, id).key_missing);
}

TEST_F(ChannelLife, rule_29_one_member_cannot_make_the_chair_renew_the_key_without_end) {
  const ChannelId id = make_channel(a, {&b});
  b.secrets().tier2->prekeys.clear();
  b.secrets().tier2->encryption = crypto::EncryptionKeyPair::generate(b.random());  // nothing will ever open
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  const Epoch before = info(a, id).epoch;
  for (int i = 0; i < 5; ++i) sync_all({&a, &b});
  EXPECT_LE(info(a, id).epoch.value, before.value + 1);
}

TEST_F(ChannelLife, rule_32_without_a_fresh_prekey_the_certificates_key_is_used_and_shown) {
  const ChannelId id = make_channel(a, {&b});
  const auto shown = [&] {
    const auto warnings = a.replica().status().warnings;
    return std::any_of(warnings.begin(), warnings.end(), [](const std::string& warning) {
      return warning.find("no fresh prekey of Bravo") != std::string::npos;
    });
  };
  EXPECT_FALSE(shown());
  clock.advance_days(400);  // B's twelve months are over
  a.replica().handle_tick();
  a.store.sync();
  sync_all({&a, &b});
  EXPECT_FALSE(info(b, id).key_missing);
  EXPECT_TRUE(shown());
}

TEST_F(ChannelLife, rule_32_which_prekey_has_opened_an_epoch_is_known_after_a_restart) {
  const auto month = month_of(clock.now());
  make_channel(a, {&b});
  EXPECT_EQ(b.replica().newest_prekey_used(), month);
  EXPECT_FALSE(a.replica().newest_prekey_used()) << "what it wrapped to itself does not count";
  clock.advance_days(62);
  a.replica().handle_tick();
  a.store.sync();
  sync_all({&a, &b});
  const auto later = month_of(clock.now());
  EXPECT_GT(later, month);
  EXPECT_EQ(b.replica().newest_prekey_used(), later);
  b.crash();
  EXPECT_EQ(b.replica().newest_prekey_used(), later);
}

TEST_F(ChannelLife, rule_34_a_joiner_reads_nothing_from_before_and_holds_the_same_heads) {
  const ChannelId id = make_channel(a, {&b});
  write(a, id, "before 1");
  write(b, id, "before 2");
  sync_all({&a, &b});
  join(a, id, c);
  write(a, id, "after");  // B writes nothing more: its feed ended before C's first epoch
  sync_all({&a, &b, &c});
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"after"});
  expect_equal(id, {&a, &b, &c});
  const LogKey of_b = feed_of(b, id, b), of_a = feed_of(a, id, a);
  const auto copy_of_b = c.replica().log_record(of_b);
  ASSERT_TRUE(copy_of_b);
  EXPECT_EQ(copy_of_b->low, copy_of_b->head.next()) << "an empty interval: the head's name alone";
  EXPECT_EQ(c.replica().log_record(of_a)->low, Number{2});
  EXPECT_EQ(c.replica().first_epoch(id), info(c, id).epoch);
  for (std::uint64_t epoch = 1; epoch < info(c, id).epoch.value; ++epoch) {
    EXPECT_FALSE(c.table().epoch_key(info(c, id).pseudonym, {epoch})) << epoch;
  }
  // What it must not read does not come in by another way either.
  const Entry old = must(a.replica().read_entry(of_a, {1}));
  EXPECT_EQ(code_of(give(c, id, {old})), "wrong_number");

  c.crash();
  expect_equal(id, {&a, &b, &c});
  write(b, id, "B again");
  sync_all({&a, &b, &c});
  EXPECT_EQ(c.text_set(id), (std::multiset<std::string>{"after", "B again"}));
  expect_equal(id, {&a, &b, &c});
  EXPECT_EQ(c.replica().log_record(of_b)->low, Number{2});
}

TEST_F(ChannelLife, rule_15_feeds_that_ended_before_a_joiner_came_are_bounded_since_nobody_can_tell_whose_they_are) {
  const ChannelId id = make_channel(a, {&b});
  join(a, id, c);
  sync_all({&a, &b, &c});
  const auto offer = [&] {
    const auto key = crypto::SigningKey::generate(a.random());
    EntryHeader header;
    header.type = LogType::kFeed;
    header.number = {5};
    header.epoch = {1};
    header.log = LogKey{key.verify_key().bytes()};
    header.channel = info(c, id).pseudonym;
    header.previous = crypto::random_fixed<EntryHash>(a.random());
    const Bytes body(40, 1);
    const Entry entry = sign_entry(header, body, key);
    auto receiver = c.replica().receive(id, header.log, LogType::kFeed, header.number, header.previous);
    if (!receiver) return code_of(receiver);
    const auto added = receiver->add_without_body(entry.view().signature, header.epoch, hash_body(body), 40);
    return added ? code_of(receiver->commit(nullptr)) : code_of(added);
  };
  for (std::size_t i = 0; i < kNamelessFeedsMax; ++i) ASSERT_EQ(offer(), "ok") << i;
  EXPECT_EQ(offer(), "quota_exceeded");
  c.store.sync();
  c.crash();
  EXPECT_EQ(offer(), "quota_exceeded") << "counted again after a restart";
  write(b, id, "an honest feed finds room");
  sync_all({&a, &b, &c});
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"an honest feed finds room"});
}

TEST_F(ChannelLife, rule_12_a_chair_of_which_a_fork_is_known_writes_nothing_that_nobody_would_take) {
  const ChannelId id = make_channel(a, {&b});
  const auto other = test::forge_epoch(a, id, {&b}, [](ControlState&) {});
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  must(a.replica().fork_candidate(id, other.front().view()));
  a.store.sync();
  test::introduce(a, c);
  EXPECT_EQ(code_of(a.replica().rotate(id, nullptr)), "frozen");
  EXPECT_EQ(code_of(a.replica().remove_member(id, b.org(), nullptr)), "frozen");
  EXPECT_EQ(code_of(a.replica().invite(id, c.org(), Role::kMember, nullptr)), "frozen");
}

TEST_F(ChannelLife, rule_34_an_older_member_writes_on_under_an_epoch_from_before_a_joiner) {
  const ChannelId id = make_channel(a, {&b});
  write(b, id, "1");
  sync_all({&a, &b});
  join(a, id, c);
  sync_all({&a, &c});
  write(b, id, "2");  // still under the old key
  sync_all({&a, &b, &c});
  EXPECT_TRUE(c.texts(id).empty());
  expect_equal(id, {&a, &b, &c});
  write(b, id, "3");
  sync_all({&a, &b, &c});
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"3"});
  expect_equal(id, {&a, &b, &c});
}

TEST_F(ChannelLife, rule_35_outsiders_and_removed_members_are_served_nothing) {
  const ChannelId id = make_channel(a, {&b});
  test::introduce(a, c);
  write(a, id, "for members");
  sync_all({&a, &b});
  const auto served_to = [&](Party& to) {
    std::size_t count = a.replica().channels_with(to.node()).size();
    for (const auto& [log, leaf] : a.replica().frontier(id).leaves()) {
      count += a.replica().may_serve(to.node(), id, log);
      if (leaf.type != LogType::kOrganisation) count += a.replica().may_serve(to.node(), std::nullopt, log);
    }
    return count;
  };
  EXPECT_GT(served_to(b), 0u);
  EXPECT_EQ(served_to(c), 0u);
  EXPECT_TRUE(a.replica().may_serve(c.node(), std::nullopt, LogKey{a.org().bytes()}));
  EXPECT_TRUE(a.replica().may_serve(c.node(), std::nullopt, LogKey{c.org().bytes()}));
  EXPECT_FALSE(a.replica().may_serve(c.node(), std::nullopt, LogKey{b.org().bytes()})) << "who else is known is secret";
  EXPECT_FALSE(a.replica().may_serve(NodeId{}, id, a.replica().frontier(id).leaves().begin()->first));
  must(a.replica().remove_member(id, b.org(), nullptr));
  EXPECT_GT(served_to(b), 0u) << "until it is durable the old roster stands";
  a.store.sync();
  EXPECT_EQ(served_to(b), 0u);
  join(a, id, c);
  must(a.replica().set_peer_blocked(c.org(), true, nullptr));
  EXPECT_EQ(served_to(c), 0u);
}

TEST_F(ChannelLife, a_removed_member_cannot_open_what_is_written_after) {
  const ChannelId id = make_channel(a, {&b, &c});
  must(a.replica().remove_member(id, b.org(), nullptr));
  a.store.sync();
  sync_all({&a, &c});
  write(a, id, "not for B");
  sync_all({&a, &c});
  // Even given the bytes.
  const LogKey feed = feed_of(a, id, a);
  const Entry entry = must(a.replica().read_entry(feed, a.replica().log_record(feed)->head));
  EntryOpener opener(b.table());
  EXPECT_EQ(code_of(opener.open(entry.view())), "no_key");
  std::vector<Entry> control;
  for (const LogRecord& record : a.replica().channel_logs(id)) {
    if (record.type != LogType::kControl) continue;
    must(a.replica().serve(record.log, b.replica().accepted_head(record.log).next(), {UINT64_MAX}, 1 << 20,
                           [&](const StoredEntry& stored) {
                             control.emplace_back(stored.entry.header, stored.entry.signature, stored.entry.body);
                             return true;
                           }));
    auto receiver = must(b.replica().receive(id, record.log, LogType::kControl,
                                             b.replica().accepted_head(record.log).next(), std::nullopt));
    for (const Entry& held : control) {
      must(receiver.add(held.view().signature, {load_le64(&held.view().header[16])}, held.view().body));
    }
    must(receiver.commit(nullptr));
    b.store.sync();
  }
  EXPECT_FALSE(b.table().epoch_key(info(a, id).pseudonym, info(a, id).epoch));
  EXPECT_EQ(code_of(opener.open(entry.view())), "no_key");
}

TEST_F(ChannelLife, rule_16_an_unknown_control_entry_stops_writing_and_is_shown) {
  const ChannelId id = make_channel(a, {&b});
  // A chair of a later version: the same key, an event that this version does not know.
  const LogKey control = [&] {
    for (const LogRecord& record : a.replica().channel_logs(id)) {
      if (record.type == LogType::kControl) return record.log;
    }
    return LogKey{};
  }();
  const Bytes record_bytes = must(a.replica().get_record(Table::kChannels, id.view()));
  const ChannelState chair = must(decode_channel_record(record_bytes, a.secrets())).state;
  EntryHeader header;
  header.type = LogType::kControl;
  header.number = chair.head.next();
  header.epoch = chair.head_epoch;
  header.log = control;
  header.channel = chair.genesis->pseudonym;
  header.previous = chair.head_hash;
  ControlBody body;
  body.kind = 77;
  body.needs = "3.0";
  const Entry entry = sign_entry(header, encode_control_body(body), *chair.control_key);
  auto receiver = must(b.replica().receive(id, control, LogType::kControl, header.number, std::nullopt));
  must(receiver.add(entry.view().signature, header.epoch, entry.view().body));
  must(receiver.commit(nullptr));
  b.store.sync();
  EXPECT_TRUE(info(b, id).needs_newer);
  const FeedItem item{FeedKind::kReport, as_bytes("x")};
  b.crash();
  const auto refused = b.replica().append(id, std::span(&item, 1), nullptr);
  EXPECT_EQ(code_of(refused), "needs_newer");
  EXPECT_NE(refused.error().detail.find("Tocsin 3.0"), std::string::npos);
  EXPECT_TRUE(info(b, id).needs_newer);
  EXPECT_EQ(b.replica().accepted_head(control), header.number) << "it is kept, and served on";
}

TEST_F(ChannelLife, rule_37_and_39_an_entry_opens_in_its_place_alone) {
  const ChannelId id = make_channel(a, {&b});
  ForgedFeed feed(a, id);
  const Entry one = feed.next(info(a, id).epoch, "one", feed.signed_certificate());
  const Entry two = feed.next(info(a, id).epoch, "two");
  must(give(b, id, {one, two}));
  EntryOpener opener(b.table());
  ASSERT_TRUE(opener.open(two.view()));
  // The same sealed body under another number, epoch or feed: another key, and nothing opens.
  EntryHeader header = must(EntryHeader::decode(two.view().header));
  const auto moved = [&](auto&& change) {
    EntryHeader other = header;
    change(other);
    const auto bytes = other.encode();
    return code_of(opener.open({ByteView(bytes), two.view().signature, two.view().body}));
  };
  EXPECT_EQ(moved([](auto&) {}), "ok");
  EXPECT_EQ(moved([](auto& h) { h.number = {3}; }), "commitment_mismatch");
  const auto key = b.table().epoch_key(header.channel, header.epoch);
  const BodyBinding binding(id, header.epoch, header.log, header.number, LogType::kFeed);
  const auto entry_key = crypto::derive_entry_key(*key, binding.context());
  EXPECT_TRUE(crypto::open_body(entry_key, binding.associated(), two.view().body)) << "disclosed, it opens that entry";
  EXPECT_FALSE(crypto::body_is_for(entry_key, one.view().body)) << "alone";
}

// ---- Receipts

TEST_F(ChannelLife, rule_13_receipts_tell_what_each_node_holds_at_most_once_a_minute) {
  const ChannelId id = make_channel(a, {&b});
  clock.advance_ms(61'000);
  write(a, id, "one");
  sync_once(a, b);
  const LogKey feed = feed_of(a, id, a);
  const auto told_of_b = [&]() -> Number {
    for (const ReceiptInfo& receipt : a.replica().receipts(id)) {
      if (receipt.node == b.node() && receipt.heads.contains(feed)) return receipt.heads.at(feed);
    }
    return {};
  };
  EXPECT_EQ(told_of_b(), Number{1});
  const auto first = b.replica().own_receipt(id);
  write(a, id, "two");
  sync_once(a, b);
  EXPECT_EQ(b.replica().own_receipt(id)->counter, first->counter) << "not yet a minute";
  EXPECT_EQ(told_of_b(), Number{1});
  clock.advance_ms(60'000);
  sync_once(a, b);
  EXPECT_GT(b.replica().own_receipt(id)->counter, first->counter);
  EXPECT_EQ(told_of_b(), Number{2});
  clock.advance_ms(600'000);
  const auto idle = b.replica().own_receipt(id);
  clock.advance_ms(600'000);
  EXPECT_EQ(b.replica().own_receipt(id)->counter, idle->counter) << "nothing changed, nothing new is said";
  a.crash();
  EXPECT_EQ(told_of_b(), Number{2}) << "what was said is kept";
  const auto named = a.replica().receipts(id).front().named;
  ASSERT_TRUE(named.contains(feed));
  EXPECT_EQ(named.at(feed).hash, *a.replica().entry_hash(feed, {2})) << "and by which hash";
}

TEST_F(ChannelLife, rule_13_a_counter_is_never_used_twice) {
  const ChannelId id = make_channel(a, {&b});
  std::set<std::uint64_t> counters;
  for (int i = 0; i < 5; ++i) {
    clock.advance_ms(61'000);
    write(a, id, std::to_string(i));
    const auto receipt = a.replica().own_receipt(id);
    ASSERT_TRUE(receipt);
    EXPECT_TRUE(counters.insert(receipt->counter).second);
    a.crash();
  }
}

TEST_F(ChannelLife, rule_13_a_receipt_by_another_key_or_of_a_non_member_is_refused) {
  const ChannelId id = make_channel(a, {&b});
  clock.advance_ms(61'000);
  const auto receipt = b.replica().own_receipt(id);
  ASSERT_TRUE(receipt);
  const auto give_a = [&](const NodeId& node, std::uint64_t counter, const Bytes& sealed) {
    return code_of(a.replica().handle_receipt(id, receipt->epoch, node, counter, sealed));
  };
  EXPECT_NE(give_a(b.node(), receipt->counter + 1, receipt->sealed), "ok");
  EXPECT_EQ(give_a(c.node(), receipt->counter, receipt->sealed), "not_authorised");
  Bytes flipped = receipt->sealed;
  flipped.back() ^= 1;
  EXPECT_NE(give_a(b.node(), receipt->counter, flipped), "ok");
  // A member that speaks for another one.
  Receipt forged;
  forged.channel = id;
  forged.node = b.node();
  forged.counter = 1'000'000;
  const auto key = a.table().epoch_key(info(a, id).pseudonym, receipt->epoch);
  EXPECT_EQ(give_a(b.node(), forged.counter,
                   seal_receipt(forged, receipt->epoch, *key, a.secrets().tier2->signing, a.random())),
            "bad_signature");
  EXPECT_EQ(give_a(b.node(), receipt->counter, receipt->sealed), "ok");
  EXPECT_EQ(give_a(b.node(), receipt->counter, receipt->sealed), "ok") << "twice changes nothing";
  EXPECT_EQ(code_of(a.replica().handle_receipt(ChannelId{}, receipt->epoch, b.node(), 1, {})), "unknown_channel");
}

TEST_F(ChannelLife, rule_13_heads_of_logs_that_nobody_holds_are_not_kept) {
  const ChannelId id = make_channel(a, {&b});
  write(a, id, "one");
  sync_all({&a, &b});
  Receipt claim;
  claim.channel = id;
  claim.node = b.node();
  claim.counter = 1'000'000;
  claim.heads = {{feed_of(a, id, a), {1}, crypto::random_fixed<EntryHash>(a.random()), {1}}};
  for (int i = 0; i < 100; ++i)
    claim.heads.push_back({crypto::random_fixed<LogKey>(a.random()), {1}, EntryHash{}, {1}});
  std::sort(claim.heads.begin(), claim.heads.end(), [](const auto& x, const auto& y) { return x.log < y.log; });
  const Epoch epoch = info(a, id).epoch;
  const auto key = a.table().epoch_key(info(a, id).pseudonym, epoch);
  must(a.replica().handle_receipt(id, epoch, b.node(), claim.counter,
                                  seal_receipt(claim, epoch, *key, b.secrets().tier2->signing, a.random())));
  for (const auto& receipt : a.replica().receipts(id)) {
    EXPECT_LE(receipt.heads.size(), a.replica().frontier(id).size()) << "of logs held here alone";
  }
}

TEST_F(ChannelLife, rule_13_after_a_thousand_entries_or_a_day_a_feed_carries_a_checkpoint) {
  const ChannelId id = make_channel(a, {&b});
  const auto checkpoints = [&](Party& at) {
    std::vector<std::uint64_t> out;
    EntryOpener opener(at.table());
    must(at.replica().read_arrivals({}, 100'000'000, [&](const StoredEntry& stored) {
      const auto opened = opener.open(stored.entry);
      if (opened && opened->kind == FeedKind::kCheckpoint && opened->channel == id) out.push_back(opened->number.value);
      return true;
    }));
    return out;
  };
  std::vector<FeedItem> items(2100, {FeedKind::kReport, as_bytes("x")});
  std::vector<EntryRef> refs;
  must(a.replica().append(id, items, [&](auto done) { refs = must(done); }));
  a.store.sync();
  EXPECT_EQ(checkpoints(a), (std::vector<std::uint64_t>{1000, 2000}));
  EXPECT_EQ(refs.size(), items.size());
  clock.advance_days(1);
  write(a, id, "a day later");
  EXPECT_EQ(checkpoints(a).size(), 3u);
  write(a, id, "at once");
  EXPECT_EQ(checkpoints(a).size(), 3u);
  a.crash();
  write(a, id, "after a restart");
  EXPECT_EQ(checkpoints(a).size(), 3u);
  sync_all({&a, &b});
  EXPECT_EQ(checkpoints(b).size(), 3u);
  const auto receipts = b.replica().receipts(id);
  ASSERT_FALSE(receipts.empty());
  EXPECT_GT(receipts[0].counter, 0u) << "a checkpoint counts as a receipt";
}

TEST_F(ChannelLife, rule_13_a_checkpoint_that_names_another_entry_than_the_one_held_is_noticed) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(b, id, "what C was shown");
  sync_all({&a, &b, &c});
  const LogKey feed_b = feed_of(b, id, c);
  Receipt lie;
  lie.channel = id;
  lie.node = a.node();
  lie.counter = 5;
  lie.heads = {{feed_b, {1}, crypto::random_fixed<EntryHash>(a.random()), {1}}};
  ForgedFeed feed(a, id);
  const Bytes payload = encode_receipt(lie);
  const auto warned = [&] {
    const auto warnings = c.replica().status().warnings;
    return std::any_of(warnings.begin(), warnings.end(),
                       [](const std::string& warning) { return warning.find("checkpoints") != std::string::npos; });
  };
  EXPECT_FALSE(warned());
  must(give(c, id, {feed.next(info(a, id).epoch, as_text(payload), feed.signed_certificate(), FeedKind::kCheckpoint)}));
  EXPECT_TRUE(warned());
  // Of a long range whoever reads all arrivals brings it again.
  c.crash();
  EXPECT_FALSE(warned());
  OpenedEntry opened;
  opened.channel = id;
  opened.org = a.org();
  opened.node = a.node();
  opened.kind = FeedKind::kCheckpoint;
  opened.payload = payload;
  c.replica().handle_opened(opened);
  EXPECT_TRUE(warned());
}

}  // namespace
}  // namespace tocsin::protocol
