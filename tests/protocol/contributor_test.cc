// Contributors (rule 24): who writes into a channel and sees nobody of it.
#include "protocol/contributor.h"

#include <gtest/gtest.h>

#include "crypto/wrap.h"
#include "protocol/wire.h"
#include "tests/support/expect.h"
#include "tests/support/forged_control.h"
#include "tests/support/pair.h"

namespace tocsin::protocol {
namespace {

using test::introduce;
using test::must;
using test::Pair;
using test::Party;

bool holds(ByteView where, ByteView what) {
  return std::search(where.begin(), where.end(), what.begin(), what.end()) != where.end();
}

// Everything that leaves that end, as it is before the link encrypts it.
Bytes& record_frames(Pair::End& end, Bytes& into) {
  end.alter = [&into](Bytes& frame) { append(into, frame); };
  return into;
}

std::set<wire::MessageType> types_in(ByteView frame) {
  std::set<wire::MessageType> out;
  wire::FrameReader reader(frame);
  for (auto message = reader.next(); message && *message; message = reader.next()) out.insert((*message)->type);
  return out;
}

// A founded the channel, B is a member; C and D contribute. All know A; B knows A and C.
struct ContributorWorld : testing::Test {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  Party& c = net.add("Charlie");
  Party& d = net.add("Delta");
  ChannelId id = test::make_channel(net, a, {&b}, ChannelClass::kAlert);

  ChannelInfo info(Party& party) { return *party.replica().channel(id); }

  void meet(Party& one, Party& other) {
    Pair::Connection& link = net.connect(one, other);
    ASSERT_TRUE(net.run());
    net.cut(link);
  }
  void contribute(Party& party) {
    introduce(a, party);
    must(a.replica().invite(id, party.org(), Role::kContributor, nullptr));
    a.store.sync();
    meet(a, party);
    ASSERT_TRUE(party.replica().channel(id));
    ASSERT_EQ(info(party).standing, ChannelStanding::kInvited);
    must(party.replica().accept(id, nullptr));
    party.store.sync();
    meet(a, party);
    ASSERT_EQ(info(party).standing, ChannelStanding::kJoined);
  }
  void write(Party& party, std::string_view text) {
    party.write(id, text);
    party.store.sync();
  }
  LogKey feed_of(Party& party) {
    for (const LogRecord& record : party.replica().channel_logs(id)) {
      const auto owner = party.table().feed_owner(record.log);
      if (record.type == LogType::kFeed && owner && owner->node == party.node()) return record.log;
    }
    ADD_FAILURE() << party.name() << " has no feed";
    return {};
  }
  // Signed answers that stand in the private channel.
  std::vector<Answer> answers_at(Party& party) {
    std::vector<Answer> out;
    EntryOpener opener(party.table());
    Arrival cursor;
    for (Arrival before{UINT64_MAX}; cursor != before;) {
      before = cursor;
      must(party.replica().read_arrivals(cursor, 1 << 20, [&](const StoredEntry& stored) {
        cursor = stored.arrival;
        const auto opened = opener.open(stored.entry);
        if (opened && opened->kind == FeedKind::kAnswer && opened->channel == party.replica().private_channel()) {
          out.push_back(must(decode_answer(opened->payload)));
        }
        return true;
      }));
    }
    return out;
  }
};

TEST_F(ContributorWorld, rule_24_who_was_invited_as_a_member_and_did_not_answer_can_be_made_a_contributor) {
  introduce(a, c);
  for (const bool refuses : {false, true}) {
    must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
    a.store.sync();
    meet(a, c);
    ASSERT_EQ(info(c).standing, ChannelStanding::kInvited);
    if (!refuses) continue;
    must(c.replica().refuse(id, nullptr));
    c.store.sync();
    meet(a, c);
  }
  contribute(c);
  EXPECT_EQ(info(c).own_role, Role::kContributor);
  write(c, "as a contributor");
  meet(a, c);
  EXPECT_EQ(a.texts(id), std::vector<std::string>{"as a contributor"});
  c.crash();
  EXPECT_EQ(info(c).standing, ChannelStanding::kJoined);
}

TEST_F(ContributorWorld, rule_24_a_contributor_warns_the_members_and_sees_none_of_them) {
  write(b, "what members say");
  contribute(c);
  contribute(d);
  write(c, "C warns");
  write(d, "D warns");
  meet(a, c);
  meet(a, d);
  meet(a, b);
  const std::multiset<std::string> all{"what members say", "C warns", "D warns"};
  EXPECT_EQ(a.text_set(id), all);
  EXPECT_EQ(b.text_set(id), all);
  EXPECT_EQ(a.replica().frontier(id).digest(), b.replica().frontier(id).digest());

  // Each of them reads what it wrote, and knows itself alone.
  for (auto [party, text] : {std::pair(&c, "C warns"), std::pair(&d, "D warns")}) {
    EXPECT_EQ(party->texts(id), std::vector<std::string>{text});
    const ChannelInfo shown = info(*party);
    EXPECT_EQ(shown.own_role, Role::kContributor);
    EXPECT_EQ(shown.name, "Early warning");
    EXPECT_EQ(shown.terms, "Purpose: early warning.");
    EXPECT_EQ(shown.channel_class, ChannelClass::kAlert);
    EXPECT_TRUE(shown.stewards.empty());
    ASSERT_EQ(shown.members.size(), 1u);
    EXPECT_EQ(shown.members[0].org, party->org());
    EXPECT_EQ(party->replica().channel_logs(id).size(), 1u) << "its own feed";
    EXPECT_FALSE(party->replica().peer(b.org())) << "the roster introduces nobody";
    EXPECT_EQ(party->replica().org_log(b.org()), nullptr);
  }
  EXPECT_FALSE(c.replica().peer(d.org()));
  // The members see who contributes.
  EXPECT_EQ(info(b).members.size(), 4u);
}

TEST_F(ContributorWorld, rule_24_its_sessions_carry_nothing_of_the_others) {
  contribute(c);
  contribute(d);
  for (Party* party : {&a, &b, &c, &d}) write(*party, party->name() + " writes");
  meet(a, d);
  meet(a, b);
  introduce(b, c);
  for (Party* member : {&a, &b}) {
    Bytes told;
    Pair::Connection& link = net.connect(*member, c);
    record_frames(link.end_of(*member), told);
    ASSERT_TRUE(net.run());
    // While it is connected, too.
    write(*member, "more");
    ASSERT_TRUE(net.run());
    net.cut(link);
    ASSERT_GT(told.size(), 200u);
    for (const LogRecord& record : member->replica().channel_logs(id)) {
      const auto owner = member->table().feed_owner(record.log);
      if (record.type == LogType::kFeed && owner && owner->org == c.org()) continue;
      EXPECT_FALSE(holds(told, record.log.view())) << "a log of the channel is named";
    }
    EXPECT_FALSE(holds(told, id.view())) << "neither is the channel itself";
    EXPECT_FALSE(holds(told, d.org().view()));
    EXPECT_FALSE(holds(told, d.node().view()));
  }
  EXPECT_EQ(c.replica().channel_logs(id).size(), 1u);
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"Charlie writes"});
}

TEST_F(ContributorWorld, rule_24_a_contributor_learns_nothing_by_naming_another_log) {
  contribute(c);
  write(b, "B writes");
  meet(a, b);
  const LogKey of_b = feed_of(b);
  Bytes told;
  Pair::Connection& link = net.connect(a, c);
  record_frames(link.end_of(a), told);
  ASSERT_TRUE(net.run());
  // It says that it holds more of what it may not know of: nobody asks it for that.
  const wire::Heads heads{0,
                          {{of_b, LogType::kFeed, {9}, crypto::random_fixed<EntryHash>(c.random())},
                           {info(a).control_log, LogType::kControl, {9}, {}}}};
  bool named = false;
  link.end_of(c).alter = [&](Bytes& frame) {
    if (std::exchange(named, true)) return;
    frame.clear();
    wire::FrameWriter writer(frame);
    for (auto named_in = heads; named_in.slot < wire::kSlotsMin; ++named_in.slot)
      ASSERT_TRUE(wire::put(writer, named_in));
    writer.finish();
  };
  write(c, "news");
  ASSERT_TRUE(net.run());
  EXPECT_FALSE(holds(told, info(a).control_log.view()));
  // What it asks for in the channel's name is answered as anything that nobody holds.
  EXPECT_FALSE(a.replica().may_serve(c.node(), id, of_b));
  EXPECT_FALSE(a.replica().may_serve(c.node(), id, info(a).control_log));
  EXPECT_FALSE(a.replica().may_serve(c.node(), id, LogKey{b.org().bytes()}));
  EXPECT_FALSE(holds(told, of_b.view()));
  EXPECT_TRUE(named);
}

TEST_F(ContributorWorld, rule_24_two_contributors_do_not_find_each_other) {
  contribute(c);
  contribute(d);
  introduce(c, d);
  write(c, "C warns");
  std::set<wire::MessageType> seen;
  Pair::Connection& link = net.connect(c, d);
  for (Party* party : {&c, &d}) {
    link.end_of(*party).alter = [&](Bytes& frame) { seen.merge(types_in(frame)); };
  }
  ASSERT_TRUE(net.run());
  net.cut(link);
  EXPECT_FALSE(seen.contains(wire::MessageType::kFrontier)) << "a channel was found to be shared";
  EXPECT_FALSE(seen.contains(wire::MessageType::kHeads));
  EXPECT_FALSE(seen.contains(wire::MessageType::kMail));
  EXPECT_TRUE(d.texts(id).empty());
  EXPECT_EQ(d.replica().channel_logs(id).size(), 0u);
}

TEST_F(ContributorWorld, rule_24_notices_and_answers_come_by_any_member) {
  contribute(c);
  write(c, "C warns");
  meet(a, c);
  introduce(b, c);
  // A makes a new key and answers, and does not meet C any more.
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  const ReportId report{crypto::hash256(crypto::kPersonalReport, {as_bytes("C warns")}).bytes()};
  must(a.replica().answer_contributor(id, c.org(), report, "We have seen it.\nThank you.", nullptr));
  a.store.sync();
  const Epoch before = info(c).epoch;
  meet(a, b);
  meet(b, c);
  EXPECT_GT(info(c).epoch, before);
  EXPECT_EQ(info(c).epoch, info(a).epoch);
  auto answers = answers_at(c);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].text, "We have seen it.\nThank you.");
  EXPECT_EQ(answers[0].report, report);
  EXPECT_EQ(answers[0].channel, id);
  // It comes again with every session and is kept once, also by the next process.
  c.crash();
  c.replica().set_listener(&net.endpoint(c));
  meet(b, c);
  meet(a, c);
  EXPECT_EQ(answers_at(c).size(), 1u);
  // What C writes from now on is of the new epoch.
  write(c, "C warns again");
  EXPECT_EQ(c.replica().log_record(feed_of(c))->head_epoch, info(a).epoch);
  meet(b, c);
  EXPECT_EQ(b.text_set(id), (std::multiset<std::string>{"C warns", "C warns again"}));
}

TEST_F(ContributorWorld, rule_24_an_answer_is_for_a_contributor_and_of_who_reads_the_channel) {
  contribute(c);
  const ReportId report{};
  EXPECT_EQ(test::code_of(a.replica().answer_contributor(id, b.org(), report, "to a member", nullptr)),
            "not_a_contributor");
  EXPECT_EQ(test::code_of(c.replica().answer_contributor(id, c.org(), report, "to myself", nullptr)),
            "not_a_contributor");
  EXPECT_EQ(test::code_of(a.replica().answer_contributor(id, c.org(), report, "", nullptr)), "bad_answer");
  EXPECT_EQ(test::code_of(a.replica().answer_contributor(id, c.org(), report, std::string(4097, 'x'), nullptr)),
            "bad_answer");
  // Somebody who knows the channel and not its keys makes one up.
  const auto made_up = crypto::SigningKey::generate(d.random());
  const Bytes forged = sign_answer({id, c.org(), report, info(c).epoch, "all is well", net.clock.now()}, made_up);
  const auto target = c.replica().wrap_targets(std::array{c.org()}).front();
  const auto envelope =
      must(crypto::seal_to(target.key, crypto::kLabelAnswerMail, c.node().view(), forged, d.random()));
  introduce(c, d);
  EXPECT_EQ(test::code_of(c.replica().handle_mail(d.org(), MailKind::kAnswer, target.month, envelope)),
            "bad_signature");
  EXPECT_TRUE(answers_at(c).empty());
}

TEST_F(ContributorWorld, rule_24_and_27_one_that_was_away_writes_under_the_key_it_was_told_of) {
  contribute(c);
  write(c, "before");
  meet(a, c);
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  write(c, "away");  // has not heard of it
  meet(a, c);
  meet(a, b);
  EXPECT_EQ(b.text_set(id), (std::multiset<std::string>{"before", "away"}));
}

TEST_F(ContributorWorld, rule_20_and_24_a_removed_contributor_is_told_and_nothing_new_of_it_is_taken) {
  contribute(c);
  write(c, "before");
  meet(a, c);
  must(a.replica().remove_member(id, c.org(), nullptr));
  a.store.sync();
  write(c, "after");  // has not heard of it
  Bytes told;
  Pair::Connection& link = net.connect(a, c);
  record_frames(link.end_of(a), told);
  ASSERT_TRUE(net.run());
  net.cut(link);
  EXPECT_EQ(info(c).standing, ChannelStanding::kRemoved);
  EXPECT_EQ(test::code_of(c.replica().may_append(id)), "not_a_writer");
  meet(a, b);
  EXPECT_EQ(a.text_set(id), (std::multiset<std::string>{"before"}));
  EXPECT_EQ(b.text_set(id), (std::multiset<std::string>{"before"}));
  // It keeps what it wrote, and may come back.
  EXPECT_EQ(c.text_set(id), (std::multiset<std::string>{"before", "after"}));
  must(a.replica().invite(id, c.org(), Role::kContributor, nullptr));
  a.store.sync();
  meet(a, c);
  EXPECT_EQ(info(c).standing, ChannelStanding::kInvited);
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  meet(a, c);
  ASSERT_EQ(info(c).standing, ChannelStanding::kJoined);
  write(c, "back");
  meet(a, c);
  EXPECT_EQ(a.text_set(id), (std::multiset<std::string>{"before", "back"}));
}

// What a hostile one would sign and send.
struct ForgedNotices : ContributorWorld {
  ContributorNotice notice_to(Party& to, Party& chair, std::uint32_t term = 1, std::uint64_t count = 1) {
    ContributorNotice out;
    out.channel = id;
    out.org = to.org();
    out.standing = ContributorStanding::kInvited;
    out.term = term;
    out.epoch = epoch_in(term, count);
    out.chair_org = chair.org();
    out.chair_node = chair.node();
    out.created = net.clock.now();
    return out;
  }
  std::string send(Party& from, Party& to, ContributorNotice notice, std::string name = "Early warning") {
    ContributorMail mail;
    mail.profile = encode_contributor_profile(
        {id, "tocsin-test", std::move(name), ChannelClass::kAlert, "Purpose: early warning.", 0});
    notice.profile = contributor_profile_digest(mail.profile);
    mail.notice = sign_contributor_notice(notice, from.secrets().tier2->signing);
    const auto target = to.replica().wrap_targets(std::array{to.org()}).front();
    const auto envelope = must(crypto::seal_to(target.key, crypto::kLabelContributorMail, to.node().view(),
                                               encode_contributor_mail(mail), from.random()));
    const auto taken = to.replica().handle_mail(from.org(), MailKind::kContributor, target.month, envelope);
    to.store.sync();
    return test::code_of(taken);
  }
  ContributorNotice joined(Party& to, Party& chair, std::uint32_t term, std::uint64_t count) {
    ContributorNotice out = notice_to(to, chair, term, count);
    out.standing = ContributorStanding::kContributor;
    out.half = crypto::EncryptionKeyPair::generate(chair.random()).public_key();
    out.answer_key = crypto::SigningKey::generate(chair.random()).verify_key();
    out.since = out.epoch;
    return out;
  }
};

TEST_F(ForgedNotices, rule_24_and_26_nobody_unknown_invites_and_an_unanswered_invitation_yields_to_the_channels_own) {
  introduce(a, c);
  must(c.replica().add_card(must(d.replica().own_card({})), nullptr));  // known, and never verified
  c.store.sync();
  EXPECT_EQ(send(d, c, notice_to(c, d)), "bad_contributor_notice");
  EXPECT_FALSE(c.replica().channel(id));
  must(c.replica().verify_peer(d.org(), card_words(d.org(), d.node()), nullptr));
  c.store.sync();
  EXPECT_EQ(send(d, c, notice_to(c, d, 0xffffffff)), "ok");
  EXPECT_EQ(info(c).standing, ChannelStanding::kInvited);
  // The channel itself invites it as a member: what D said is gone.
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  meet(a, c);
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  meet(a, c);
  EXPECT_EQ(info(c).standing, ChannelStanding::kJoined);
  EXPECT_EQ(info(c).own_role, Role::kMember);
  c.crash();
  c.replica().set_listener(&net.endpoint(c));
  EXPECT_EQ(info(c).members.size(), 3u);
}

TEST_F(ForgedNotices, rule_24_another_chair_waits_for_a_person_whatever_it_claims) {
  contribute(c);
  introduce(c, d);
  EXPECT_EQ(send(b, c, joined(c, b, 0xffffffff, 9)), "bad_contributor_notice") << "it is nobody that C has verified";
  EXPECT_EQ(send(d, c, joined(c, d, 0xffffffff, 9)), "ok");
  EXPECT_EQ(info(c).chair_org, a.org());
  ASSERT_TRUE(info(c).claimed_chair);
  EXPECT_EQ(*info(c).claimed_chair, d.org());
  EXPECT_NE(c.replica().status().warnings.back().find("Delta says that it leads"), std::string::npos);
  // Nothing has changed, and a no takes it off.
  write(c, "for the channel");
  meet(a, c);
  EXPECT_EQ(a.texts(id), std::vector<std::string>{"for the channel"});
  must(c.replica().refuse(id, nullptr));
  c.store.sync();
  EXPECT_FALSE(info(c).claimed_chair);
  EXPECT_EQ(info(c).standing, ChannelStanding::kJoined);
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  meet(a, c);
  EXPECT_EQ(info(c).epoch, info(a).epoch) << "its own chair is heard on";
  // What it agreed to does not change under it.
  auto other = joined(c, a, 1, 99);
  EXPECT_EQ(send(a, c, other, "Another name"), "bad_contributor_notice");
  EXPECT_EQ(info(c).name, "Early warning");
  other.half = {};
  EXPECT_EQ(send(a, c, other), "bad_contributor_notice") << "nothing could be sealed to that";
  EXPECT_EQ(info(c).epoch, info(a).epoch);
}

TEST_F(ForgedNotices, rule_24_a_yes_to_another_chair_is_followed) {
  contribute(c);
  introduce(c, d);
  auto next = joined(c, d, 2, 9);
  ASSERT_EQ(send(d, c, next), "ok");
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  EXPECT_EQ(info(c).chair_org, d.org());
  EXPECT_EQ(info(c).standing, ChannelStanding::kJoined);
  EXPECT_EQ(info(c).epoch, epoch_in(2, 9));
}

TEST_F(ForgedNotices, rule_24_a_notice_of_a_key_that_the_members_do_not_have_is_carried_by_none) {
  contribute(c);
  introduce(b, c);
  auto lie = joined(c, a, 1, info(a).epoch.value);
  lie.counter = 5;
  lie.profile = contributor_profile_digest(encode_contributor_profile(
      {id, "tocsin-test", "Early warning", ChannelClass::kAlert, "Purpose: early warning.", 0}));
  meet(a, b);
  std::vector<Entry> entries;
  entries.push_back(
      test::forge_event(a, id, ContributorsEvent{{sign_contributor_notice(lie, a.secrets().tier2->signing)}}));
  must(test::give_control(b, id, entries));
  for (const Mail& mail : b.replica().mail_for(c.org(), c.node())) {
    if (mail.kind == MailKind::kContributor)
      must(c.replica().handle_mail(b.org(), mail.kind, mail.prekey_month, mail.envelope));
  }
  c.store.sync();
  write(c, "read by all");
  meet(b, c);
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"read by all"});
}

TEST_F(ContributorWorld, rule_24_a_fork_proof_of_another_log_tells_a_contributor_nothing) {
  contribute(c);
  Bytes proof;
  const auto forged = [&](std::uint8_t what) {
    EntryHeader header;
    header.type = LogType::kOrganisation;
    header.log = LogKey{b.org().bytes()};
    header.number = b.log().head().next();
    header.previous = b.log().head_hash();
    header.body_bytes = what;
    const auto encoded = header.encode();
    const Bytes entry = encode_entry({ByteView(encoded), Bytes(kRootSignatureBytes, what), {}});
    proof.push_back(static_cast<std::uint8_t>(entry.size()));
    proof.push_back(static_cast<std::uint8_t>(entry.size() >> 8));
    append(proof, entry);
  };
  forged(1);
  forged(2);
  Pair::Connection& link = net.connect(a, c);
  bool sent = false;
  link.end_of(c).alter = [&](Bytes& frame) {
    if (sent || types_in(frame).contains(wire::MessageType::kHello)) return;
    sent = true;
    frame.clear();
    wire::FrameWriter writer(frame);
    ASSERT_TRUE(wire::put(writer, wire::ForkProof{0, proof}));
    for (std::uint16_t slot = 1; slot < 8; ++slot) ASSERT_TRUE(wire::put(writer, wire::ForkProof{slot, proof}));
    writer.finish();
  };
  write(c, "news");
  net.run();
  ASSERT_TRUE(sent);
  EXPECT_TRUE(link.end_of(a).refused.empty());
  EXPECT_FALSE(link.end_of(a).error) << "as if it had been about nobody: " << link.end_of(a).error->code.text() << " "
                                     << link.end_of(a).error->detail;
  EXPECT_FALSE(a.replica().is_proof_of(id, c.org(), proof));
}

TEST_F(ContributorWorld, rule_08_and_24_what_a_contributor_took_back_holds_up_nobody_who_was_away) {
  contribute(c);
  write(c, "first");
  write(c, "second");
  const LogKey feed = feed_of(c);
  const ReportId report{crypto::hash256(crypto::kPersonalReport, {as_bytes("first")}).bytes()};
  const Bytes order = must(c.replica().make_erasure_order(feed, {1}, report, {}, ErasureCause::kWithdrawn));
  const FeedItem item{FeedKind::kErasureOrder, order};
  must(c.replica().append(id, std::span(&item, 1), nullptr));
  c.store.sync();
  meet(a, c);
  EXPECT_EQ(a.texts(id), std::vector<std::string>{"second"});
  write(c, "third");
  meet(a, c);
  meet(a, b);  // who never met C
  EXPECT_EQ(b.texts(id), (std::vector<std::string>{"second", "third"}));
  EXPECT_EQ(a.replica().frontier(id).digest(), b.replica().frontier(id).digest());
}

TEST_F(ContributorWorld, rule_20_and_24_out_and_in_again_unseen_it_writes_in_another_feed) {
  contribute(c);
  write(c, "before");
  meet(a, c);
  must(a.replica().remove_member(id, c.org(), nullptr));
  a.store.sync();
  must(a.replica().invite(id, c.org(), Role::kContributor, nullptr));
  a.store.sync();
  meet(a, c);
  ASSERT_EQ(info(c).standing, ChannelStanding::kInvited) << "it hears of both at once";
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  meet(a, c);
  write(c, "after");
  meet(a, c);
  EXPECT_EQ(a.text_set(id), (std::multiset<std::string>{"before", "after"}));
}

TEST_F(ContributorWorld, rule_24_and_27_an_answer_comes_under_the_newest_key_and_who_left_cannot_make_one) {
  contribute(c);
  introduce(b, c);
  const ReportId report{};
  // Given while C is away, and a new key is made twice before it comes.
  must(a.replica().answer_contributor(id, c.org(), report, "hold on", nullptr));
  a.store.sync();
  const Epoch before = info(a).epoch;
  const auto old_key = [&] { return answer_key(*a.table().epoch_key(info(a).pseudonym, before), id, before); }();
  must(a.replica().rotate(id, nullptr));
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  meet(a, c);
  ASSERT_EQ(answers_at(c).size(), 1u);
  EXPECT_EQ(answers_at(c)[0].text, "hold on");
  EXPECT_EQ(answers_at(c)[0].epoch, info(a).epoch);
  // B was in when that key was made.
  const Bytes forged = sign_answer({id, c.org(), report, before, "all clear", net.clock.now()}, old_key);
  const auto target = c.replica().wrap_targets(std::array{c.org()}).front();
  const auto envelope =
      must(crypto::seal_to(target.key, crypto::kLabelAnswerMail, c.node().view(), forged, b.random()));
  EXPECT_EQ(test::code_of(c.replica().handle_mail(b.org(), MailKind::kAnswer, target.month, envelope)),
            "unknown_epoch");
  // Many answers of one member do not push out those of another.
  meet(a, b);
  for (int i = 0; i < 20; ++i) {
    must(b.replica().answer_contributor(id, c.org(), report, "noise " + std::to_string(i), nullptr));
    b.store.sync();
  }
  must(a.replica().answer_contributor(id, c.org(), report, "what counts", nullptr));
  a.store.sync();
  meet(a, b);
  meet(b, c);
  std::set<std::string> texts;
  for (const Answer& answer : answers_at(c)) texts.insert(answer.text);
  EXPECT_TRUE(texts.contains("what counts"));
}

TEST_F(ContributorWorld, rule_24_a_removed_member_finds_no_contributor) {
  contribute(c);
  introduce(b, c);
  meet(a, b);
  write(c, "one");
  meet(b, c);
  must(a.replica().remove_member(id, b.org(), nullptr));
  a.store.sync();
  meet(a, c);  // it is told of another tag
  write(c, "two");
  const auto before = b.replica().log_record(feed_of(c));
  std::set<wire::MessageType> seen;
  Pair::Connection& link = net.connect(b, c);  // B has not heard of its removal
  for (Party* party : {&b, &c}) {
    link.end_of(*party).alter = [&](Bytes& frame) { seen.merge(types_in(frame)); };
  }
  ASSERT_TRUE(net.run());
  net.cut(link);
  EXPECT_FALSE(seen.contains(wire::MessageType::kFrontier)) << "not even how much there is";
  EXPECT_FALSE(seen.contains(wire::MessageType::kHeads));
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"one"});
  EXPECT_EQ(b.replica().log_record(feed_of(c))->head, before->head);
}

TEST_F(ContributorWorld, rule_23_and_24_a_contributor_leaves_by_itself) {
  contribute(c);
  write(c, "before");
  meet(a, c);
  must(c.replica().leave(id, nullptr));
  c.store.sync();
  EXPECT_EQ(info(c).standing, ChannelStanding::kRemoved);
  // A notice of before it was heard of does not bring it back.
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  meet(a, c);
  EXPECT_EQ(info(c).standing, ChannelStanding::kRemoved);
  meet(a, b);
  EXPECT_EQ(info(a).members.size(), 2u);
  EXPECT_EQ(info(b).members.size(), 2u);
  meet(a, c);
  EXPECT_EQ(test::code_of(c.replica().may_append(id)), "not_a_writer");
}

TEST_F(ContributorWorld, an_invitation_that_is_taken_back_or_declined_ends) {
  introduce(a, c);
  must(a.replica().invite(id, c.org(), Role::kContributor, nullptr));
  a.store.sync();
  meet(a, c);
  must(a.replica().remove_member(id, c.org(), nullptr));
  a.store.sync();
  meet(a, c);
  EXPECT_EQ(info(c).standing, ChannelStanding::kRemoved);
  EXPECT_TRUE(info(a).invited.empty());

  introduce(a, d);
  must(a.replica().invite(id, d.org(), Role::kContributor, nullptr));
  a.store.sync();
  meet(a, d);
  must(d.replica().refuse(id, nullptr));
  d.store.sync();
  meet(a, d);
  EXPECT_TRUE(info(a).invited.empty());
  EXPECT_EQ(info(d).standing, ChannelStanding::kRefused);
}

TEST_F(ContributorWorld, rule_24_who_contributes_writes_reports_and_nothing_else) {
  contribute(c);
  for (const FeedKind kind : {FeedKind::kProposal, FeedKind::kApproval, FeedKind::kKeyMissing, FeedKind::kCheckpoint,
                              FeedKind::kCarriedAcceptance, FeedKind::kAnswer}) {
    const FeedItem item{kind, as_bytes("x")};
    EXPECT_EQ(test::code_of(c.replica().append(id, std::span(&item, 1), nullptr)), "not_a_writer");
  }
  EXPECT_EQ(test::code_of(c.replica().rotate(id, nullptr)), "not_chair");
  EXPECT_EQ(test::code_of(a.replica().grant_history(id, c.org(), {1}, nullptr)), "not_a_member");
  EXPECT_FALSE(c.replica().own_receipt(id)) << "it holds nothing to tell of";
}

TEST_F(ContributorWorld, rule_24_what_it_was_told_survives_the_process_and_a_lock) {
  contribute(c);
  write(c, "one");
  c.crash();
  c.replica().set_listener(&net.endpoint(c));
  EXPECT_EQ(info(c).standing, ChannelStanding::kJoined);
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"one"});
  c.lock();
  c.replica().set_listener(&net.endpoint(c));
  EXPECT_TRUE(c.texts(id).empty()) << "locked, it does not read what it wrote";
  meet(a, c);  // and passes on what it has
  EXPECT_EQ(a.texts(id), std::vector<std::string>{"one"});
  c.unlock();
  c.replica().set_listener(&net.endpoint(c));
  write(c, "two");
  meet(a, c);
  EXPECT_EQ(c.texts(id), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(a.texts(id), (std::vector<std::string>{"one", "two"}));
}

TEST_F(ContributorWorld, rule_24_a_member_that_joins_later_reads_and_carries_for_contributors) {
  contribute(c);
  test::introduce(a, d);
  must(a.replica().invite(id, d.org(), Role::kMember, nullptr));
  a.store.sync();
  meet(a, d);
  must(d.replica().accept(id, nullptr));
  d.store.sync();
  meet(a, d);
  ASSERT_EQ(info(d).standing, ChannelStanding::kJoined);
  introduce(c, d);
  meet(c, d);
  EXPECT_EQ(info(c).epoch, info(a).epoch) << "D told it of the epoch that began with D";
  write(c, "for D, too");
  meet(c, d);
  EXPECT_EQ(d.texts(id), std::vector<std::string>{"for D, too"});
}

TEST_F(ContributorWorld, rule_24_a_notice_counts_for_whom_it_is_and_when_it_is_newer) {
  contribute(c);
  introduce(a, d);
  const auto mail_of = [&](Party& from, Party& to) {
    std::vector<Mail> out;
    for (Mail& mail : from.replica().mail_for(to.org(), to.node())) {
      if (mail.kind == MailKind::kContributor) out.push_back(std::move(mail));
    }
    return out;
  };
  auto old = mail_of(a, c);
  ASSERT_EQ(old.size(), 1u);
  EXPECT_EQ(test::code_of(d.replica().handle_mail(a.org(), old[0].kind, old[0].prekey_month, old[0].envelope)),
            "not_for_us")
      << "it is sealed to C's node";
  must(a.replica().remove_member(id, c.org(), nullptr));
  a.store.sync();
  meet(a, c);
  ASSERT_EQ(info(c).standing, ChannelStanding::kRemoved);
  must(c.replica().handle_mail(a.org(), old[0].kind, old[0].prekey_month, old[0].envelope));
  c.store.sync();
  EXPECT_EQ(info(c).standing, ChannelStanding::kRemoved) << "the older notice overrides nothing";
}

TEST_F(ContributorWorld, rule_24_a_contributor_is_told_what_was_stored) {
  contribute(c);
  write(c, "one");
  const auto held_by = [&](Party& member) {
    for (const ReceiptInfo& receipt : c.replica().receipts(id)) {
      if (receipt.node == member.node() && receipt.heads.contains(feed_of(c)))
        return receipt.heads.at(feed_of(c)).value;
    }
    return std::uint64_t{0};
  };
  EXPECT_EQ(held_by(a), 0u);
  Pair::Connection& link = net.connect(a, c);
  ASSERT_TRUE(net.run());
  EXPECT_EQ(held_by(a), 1u);
  net.endpoint(a).disk_works = false;
  write(c, "two");
  net.run_for(2'000);
  EXPECT_EQ(held_by(a), 1u) << "it has come there, and is not stored";
  net.endpoint(a).disk_works = true;
  ASSERT_TRUE(net.run());
  EXPECT_EQ(held_by(a), 2u);
  net.cut(link);
  c.crash();
  c.replica().set_listener(&net.endpoint(c));
  EXPECT_EQ(held_by(a), 2u);
  EXPECT_EQ(held_by(b), 0u);
}

// ---- The messages themselves

TEST(ContributorMessages, rule_37_and_39_a_contribution_opens_in_its_place_alone) {
  test::SeededRandom random(7);
  const ChannelId channel{crypto::random_fixed<crypto::Hash>(random).bytes()};
  const LogKey feed{crypto::random_fixed<crypto::Hash>(random).bytes()};
  const auto key = crypto::EpochKey::random(random);
  const auto half = epoch_half(key, channel, {3});
  const auto secret = crypto::SecretBuffer::copy_of(crypto::random_fixed<crypto::Hash>(random).view());
  const BodyBinding place(channel, {3}, feed, {5}, LogType::kFeed);
  const auto ephemeral = contribution_ephemeral(secret, place);
  const Bytes body = must(crypto::seal_contribution(ephemeral, half.public_key(), place.context(), place.associated(),
                                                    as_bytes("a warning"), random));
  EpochOpener opener(key, channel, {3});
  EXPECT_EQ(as_text(must(opener.open(place, body))), "a warning");
  EXPECT_EQ(as_text(must(crypto::open_own_contribution(ephemeral, half.public_key(), place.context(),
                                                       place.associated(), body))),
            "a warning");
  for (const BodyBinding& other :
       {BodyBinding(channel, {3}, feed, {6}, LogType::kFeed), BodyBinding(channel, {4}, feed, {5}, LogType::kFeed)}) {
    EXPECT_EQ(test::code_of(opener.open(other, body)), "commitment_mismatch");
  }
  EpochOpener next(key, channel, {4});
  EXPECT_EQ(test::code_of(next.open(place, body)), "commitment_mismatch") << "each epoch has a half of its own";
  Bytes zero = body;
  std::fill(zero.begin() + 1, zero.begin() + 33, std::uint8_t{0});
  EXPECT_EQ(test::code_of(opener.open(place, zero)), "all_zero_result");
  Bytes high = body;
  high[32] |= 0x80;
  EXPECT_EQ(test::code_of(opener.open(place, high)), "non_canonical_key");
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(opener.open(place, ByteView(body).first(size))) << size;
  }
}

TEST(ContributorMessages, notices_and_answers_round_trip_and_are_bounded) {
  test::SeededRandom random(8);
  const auto key = crypto::SigningKey::generate(random);
  ContributorNotice notice;
  notice.channel = ChannelId{crypto::random_fixed<crypto::Hash>(random).bytes()};
  notice.org = OrgId{crypto::random_fixed<crypto::Hash>(random).bytes()};
  notice.standing = ContributorStanding::kContributor;
  notice.term = 2;
  notice.counter = 9;
  notice.epoch = epoch_in(2, 4);
  notice.governments = true;
  const Bytes bytes = sign_contributor_notice(notice, key);
  const auto read = must(decode_contributor_notice(bytes));
  EXPECT_EQ(read.standing, ContributorStanding::kContributor);
  EXPECT_TRUE(read.governments);
  EXPECT_EQ(read.counter, 9u);
  crypto::Verifier verifier;
  EXPECT_TRUE(verify_contributor_notice(bytes, key.verify_key(), verifier));
  EXPECT_FALSE(verify_contributor_notice(bytes, crypto::SigningKey::generate(random).verify_key(), verifier));
  for (std::size_t size = 0; size < bytes.size(); size += 7) {
    EXPECT_FALSE(decode_contributor_notice(ByteView(bytes).first(size))) << size;
  }
  // What is signed as a notice is no answer.
  EXPECT_FALSE(verify_answer(bytes, key.verify_key(), verifier));
  const Bytes answer = sign_answer({notice.channel, notice.org, {}, {4}, "yes", {1}}, key);
  EXPECT_TRUE(verify_answer(answer, key.verify_key(), verifier));
  EXPECT_EQ(must(decode_answer(answer)).text, "yes");
  EXPECT_EQ(test::code_of(decode_answer(sign_answer({notice.channel, notice.org, {}, {4}, "a\x1b[31mb", {1}}, key))),
            "bad_answer")
      << "it is shown on terminals";
}

}  // namespace
}  // namespace tocsin::protocol
