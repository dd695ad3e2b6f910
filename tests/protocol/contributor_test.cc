// Contributors (rule 24): who writes into a channel and sees nobody of it.
#include "protocol/contributor.h"

#include <gtest/gtest.h>

#include "crypto/wrap.h"
#include "protocol/wire.h"
#include "tests/support/expect.h"
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
  bool named = false;
  link.end_of(c).alter = [&](Bytes& frame) {
    if (named || !types_in(frame).contains(wire::MessageType::kSlots)) return;
    named = true;
  };
  ASSERT_TRUE(net.run());
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
  notice.entry = {9};
  notice.epoch = {4};
  notice.governments = true;
  const Bytes bytes = sign_contributor_notice(notice, key);
  const auto read = must(decode_contributor_notice(bytes));
  EXPECT_EQ(read.standing, ContributorStanding::kContributor);
  EXPECT_TRUE(read.governments);
  EXPECT_EQ(read.entry, Number{9});
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
