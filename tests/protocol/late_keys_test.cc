// Epochs wrapped again (rule 33) and history grants (rule 34): who may have older keys gets them from any member, with
// what they open, and nobody else does.
#include <gtest/gtest.h>

#include "crypto/wrap.h"
#include "protocol/channel_messages.h"
#include "protocol/org_request.h"
#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/forged_control.h"
#include "tests/support/forged_feed.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::join;
using test::make_channel;
using test::must;
using test::Party;
using test::sync_all;
using test::sync_once;
using test::WorldClock;

struct LateKeys : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock}, c{"Charlie", 3, clock};
  Party second{b, "Bravo 2", 12, clock};
  using Texts = std::multiset<std::string>;

  void sign(Party& party, const OrgRequest& request) {
    std::vector<OrgSignature> signatures;
    for (const RootSigner& signer : party.roots().signers())
      signatures.push_back(must(sign_org_request(request, *signer.key)));
    crypto::Verifier verifier;
    must(party.replica().append_org_entry(must(assemble_org_entry(signatures, verifier)).view(), false, nullptr));
    party.store.sync();
  }
  void certify(Party& node, Party& by) {
    crypto::Verifier verifier;
    sign(by, must(by.replica().request_certify(must(decode_node_request(node.request, verifier)))));
  }
  void write(Party& party, const ChannelId& id, std::string_view text) {
    party.write(id, text);
    party.store.sync();
  }
  void rotate(Party& chair, const ChannelId& id) {
    must(chair.replica().rotate(id, nullptr));
    chair.store.sync();
  }
  void remove(Party& chair, const ChannelId& id, Party& who) {
    must(chair.replica().remove_member(id, who.org(), nullptr));
    chair.store.sync();
  }
  ChannelInfo info(Party& party, const ChannelId& id) { return *party.replica().channel(id); }
  std::set<std::uint64_t> keys(Party& party, const ChannelId& id) {
    std::set<std::uint64_t> out;
    for (std::uint64_t epoch = 1; epoch <= 40; ++epoch) {
      if (party.table().epoch_key(info(party, id).pseudonym, {epoch})) out.insert(epoch);
    }
    return out;
  }
  void expect_equal(const ChannelId& id, std::vector<Party*> parties) {
    for (Party* party : parties) {
      EXPECT_EQ(party->replica().frontier(id).digest(), parties[0]->replica().frontier(id).digest()) << party->name();
    }
  }
  void expect_whole(Party& party, const ChannelId& id, Party& like) {
    for (const LogRecord& theirs : like.replica().channel_logs(id)) {
      if (theirs.type != LogType::kFeed) continue;
      const auto ours = party.replica().log_record(theirs.log);
      ASSERT_TRUE(ours);
      EXPECT_EQ(ours->low, theirs.low);
      EXPECT_EQ(ours->bytes, theirs.bytes);
      EXPECT_FALSE(party.replica().is_short(theirs.log));
    }
  }

  static Bytes numbers(std::uint64_t from, std::uint64_t to, std::uint32_t attempt) {
    Bytes out(20);
    store_le64(&out[0], from);
    store_le64(&out[8], to);
    store_le32(&out[16], attempt);
    return out;
  }
  Bytes request(const ChannelId& id, Party& asker, std::uint64_t from, std::uint64_t to, std::uint32_t attempt = 7) {
    Bytes out{1, 0};
    append(out, id.view());
    append(out, asker.node().view());
    append(out, numbers(from, to, attempt));
    return out;
  }
  Result<void> give_mail(Party& from, Party& to, MailKind kind, const crypto::Label& label, ByteView content) {
    const Bytes sealed = must(
        crypto::seal_to(to.secrets().tier2->encryption.public_key(), label, to.node().view(), content, from.random()));
    const auto out = to.replica().handle_mail(from.org(), kind, kCertificateKeyMonth, sealed);
    to.store.sync();
    return out;
  }
  // What that node is given for these epochs: it asks by hand, and its answer is opened by its keys.
  std::set<std::uint64_t> asked(Party& at, const ChannelId& id, Party& asker, std::uint64_t from, std::uint64_t to,
                                Result<void>* said = nullptr) {
    static std::uint32_t attempt = 100;
    auto taken =
        give_mail(asker, at, MailKind::kKeyRequest, crypto::kLabelKeyRequest, request(id, asker, from, to, ++attempt));
    if (said != nullptr) *said = taken;
    std::set<std::uint64_t> out;
    for (const Mail& mail : at.replica().mail_for(asker.org(), asker.node())) {
      if (mail.kind != MailKind::kKeyAnswer) continue;
      const auto& tier = *asker.secrets().tier2;
      const auto& pair =
          mail.prekey_month == kCertificateKeyMonth ? tier.encryption : tier.prekeys.at(mail.prekey_month);
      const auto content = must(crypto::open_sealed(pair, crypto::kLabelKeyAnswer, asker.node().view(), mail.envelope));
      const ByteView view = content.view();
      if (!equal(view.subspan(1, 32), id.view())) continue;
      for (std::size_t at_key = 34; at_key < view.size(); at_key += 40) out.insert(load_le64(&view[at_key]));
    }
    return taken ? out : std::set<std::uint64_t>{};
  }
  Bytes answer(const ChannelId& id, std::vector<std::pair<std::uint64_t, Bytes>> given) {
    Bytes out{1};
    append(out, id.view());
    out.push_back(static_cast<std::uint8_t>(given.size()));
    for (const auto& [epoch, key] : given) {
      Bytes number(8);
      store_le64(number.data(), epoch);
      append(out, number);
      append(out, key);
    }
    return out;
  }
};

TEST_F(LateKeys, rule_33_a_further_node_gets_the_older_epochs_of_its_organisation_and_reads_them) {
  const ChannelId id = make_channel(a, {&b}), own = b.replica().private_channel();
  for (int i = 0; i < 5; ++i) {
    write(a, id, "a" + std::to_string(i));
    write(b, id, "b" + std::to_string(i));
    sync_all({&a, &b});
    rotate(a, id);
  }
  write(b, own, "private");
  sync_all({&a, &b});
  certify(second, b);
  sync_all({&a, &b, &second});
  write(a, id, "new");
  sync_all({&a, &b, &second});
  EXPECT_EQ(second.text_set(id), b.text_set(id));
  EXPECT_EQ(second.text_set(id).size(), 11u);
  EXPECT_EQ(second.text_set(own), Texts{"private"});
  expect_equal(id, {&a, &b, &second});
  expect_whole(second, id, b);
  EXPECT_EQ(keys(second, id), keys(b, id));
  EXPECT_FALSE(keys(second, id).contains(1)) << "what came before its organisation joined stays closed";
  second.crash();
  EXPECT_EQ(second.text_set(id), b.text_set(id));
  EXPECT_EQ(keys(second, id), keys(b, id));
  expect_equal(id, {&a, &b, &second});
  for (Party* member : {&a, &b}) {
    for (const Mail& mail : second.replica().mail_for(member->org(), member->node()))
      EXPECT_NE(mail.kind, MailKind::kKeyRequest) << "it asks for nothing more";
  }
}

TEST_F(LateKeys, rule_33_any_member_answers_and_a_node_of_an_organisation_that_joined_later_gets_its_own_time_alone) {
  const ChannelId id = make_channel(a, {&b});
  write(a, id, "old");
  sync_all({&a, &b});
  join(a, id, c);
  sync_all({&a, &b, &c});
  const std::uint64_t joined = info(c, id).epoch.value;
  rotate(a, id);
  sync_all({&a, &b, &c});
  EXPECT_EQ(keys(c, id), (std::set<std::uint64_t>{joined, joined + 1}));
  for (Party* member : {&a, &b}) {
    EXPECT_EQ(asked(*member, id, c, 1, joined + 1), (std::set<std::uint64_t>{joined, joined + 1})) << member->name();
    EXPECT_TRUE(asked(*member, id, c, 1, joined - 1).empty()) << member->name();
  }
  EXPECT_EQ(c.texts(id), std::vector<std::string>{});
}

TEST_F(LateKeys, rule_33_a_removed_organisation_gets_nothing_and_one_that_came_back_what_its_rosters_named) {
  const ChannelId id = make_channel(a, {&b, &c});
  const std::uint64_t first = info(b, id).epoch.value;  // C has joined with the next
  rotate(a, id);
  sync_all({&a, &b, &c});
  const std::uint64_t last = info(c, id).epoch.value;
  remove(a, id, c);
  sync_all({&a, &b});
  Result<void> said = kOk;
  EXPECT_TRUE(asked(a, id, c, 1, last, &said).empty());
  EXPECT_EQ(code_of(said), "not_authorised");
  EXPECT_TRUE(asked(b, id, c, 1, last + 1, &said).empty());
  EXPECT_EQ(code_of(said), "not_authorised");
  rotate(a, id);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_all({&a, &b, &c});
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  sync_all({&a, &b, &c});
  const std::uint64_t again = info(c, id).epoch.value;
  ASSERT_GT(again, last + 2);
  std::set<std::uint64_t> entitled;
  for (std::uint64_t epoch = first; epoch <= last; ++epoch) entitled.insert(epoch);
  for (std::uint64_t epoch = again; epoch <= info(a, id).epoch.value; ++epoch) entitled.insert(epoch);
  EXPECT_EQ(asked(b, id, c, 1, info(a, id).epoch.value), entitled);
  EXPECT_EQ(keys(c, id), entitled);
}

TEST_F(LateKeys, rule_33_who_is_revoked_or_unknown_is_answered_nothing) {
  const ChannelId id = make_channel(a, {&b});
  certify(second, b);
  sync_all({&a, &b, &second});
  EXPECT_FALSE(asked(a, id, second, 1, 3).empty());
  Result<void> said = kOk;
  EXPECT_TRUE(asked(a, id, c, 1, 3, &said).empty());
  EXPECT_EQ(code_of(said), "not_authorised");
  // In the name of somebody else's node.
  EXPECT_EQ(code_of(give_mail(c, a, MailKind::kKeyRequest, crypto::kLabelKeyRequest, request(id, second, 1, 3))),
            "not_authorised");
  sign(b, must(b.replica().request_revoke(second.node(), "stolen", {})));
  sync_all({&a, &b});
  EXPECT_TRUE(asked(a, id, second, 1, 3, &said).empty());
  EXPECT_EQ(code_of(said), "not_authorised");
}

TEST_F(LateKeys, rule_33_a_node_that_was_away_for_120_days_comes_back_complete) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(a, id, "0");
  sync_all({&a, &b, &c});
  for (int month = 1; month <= 4; ++month) {
    clock.advance_days(30);
    a.replica().handle_tick();
    a.store.sync();
    write(a, id, std::to_string(month));
    sync_all({&a, &c});
    write(c, id, "c" + std::to_string(month));
  }
  sync_all({&a, &c});
  b.secrets().tier2->prekeys.clear();  // what the epochs were wrapped to is gone
  b.crash();
  const std::uint64_t before = info(b, id).epoch.value;
  sync_once(b, c);
  EXPECT_EQ(info(b, id).epoch.value, before) << "no slot is for it any more";
  EXPECT_TRUE(info(b, id).key_missing);
  for (int i = 0; i < 4; ++i) sync_once(b, c);  // not the chair
  EXPECT_FALSE(info(b, id).key_missing);
  EXPECT_EQ(info(b, id).epoch, info(a, id).epoch);
  EXPECT_EQ(b.text_set(id), (Texts{"0", "1", "2", "3", "4", "c1", "c2", "c3", "c4"}));
  expect_equal(id, {&b, &c});
  b.crash();
  EXPECT_EQ(b.text_set(id).size(), 9u);
  write(b, id, "back");
  sync_all({&a, &b, &c});
  EXPECT_EQ(c.text_set(id).count("back"), 1u);
  expect_equal(id, {&a, &b, &c});
}

TEST_F(LateKeys, rule_33_a_node_whose_organisation_was_removed_while_it_was_away_is_refused) {
  const ChannelId id = make_channel(a, {&b});
  write(a, id, "0");
  sync_all({&a, &b});
  for (int month = 1; month <= 4; ++month) {
    clock.advance_days(30);
    a.replica().handle_tick();
    a.store.sync();
    write(a, id, std::to_string(month));
    if (month == 2) remove(a, id, b);
  }
  const auto before = keys(b, id);
  b.secrets().tier2->prekeys.clear();
  b.crash();
  for (int i = 0; i < 4; ++i) sync_all({&a, &b});
  EXPECT_EQ(keys(b, id), before);
  EXPECT_EQ(b.text_set(id), Texts{"0"});
  Result<void> said = kOk;
  EXPECT_TRUE(asked(a, id, b, 1, info(a, id).epoch.value, &said).empty());
  EXPECT_EQ(code_of(said), "not_authorised");
}

TEST_F(LateKeys, rule_33_a_wrong_key_is_refused_by_the_commitment_and_the_others_are_asked) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(a, id, "old");
  sync_all({&a, &b, &c});
  rotate(a, id);
  b.secrets().tier2->prekeys.clear();
  b.secrets().tier2->encryption = crypto::EncryptionKeyPair::generate(b.random());
  sync_once(a, b);
  ASSERT_TRUE(info(b, id).key_missing);
  const std::uint64_t missing = info(a, id).epoch.value;
  const auto before = keys(b, id);
  const auto refused = b.replica().status().refused_entries;
  const auto liar_says = [&](ByteView content) {
    return give_mail(c, b, MailKind::kKeyAnswer, crypto::kLabelKeyAnswer, content);
  };
  const auto asks = [&](Party& of) {
    const auto mails = b.replica().mail_for(of.org(), of.node());
    return std::ranges::count_if(mails, [](const Mail& mail) { return mail.kind == MailKind::kKeyRequest; });
  };
  EXPECT_EQ(code_of(liar_says(Bytes(77, 1))), "bad_key_mail");
  EXPECT_EQ(asks(c), 1);
  must(liar_says(answer(id, {{missing, Bytes(32, 7)}})));
  EXPECT_EQ(keys(b, id), before);
  EXPECT_GT(b.replica().status().refused_entries, refused);
  EXPECT_EQ(asks(c), 0) << "it is not asked again";
  EXPECT_EQ(asks(a), 1) << "the others are";
  EXPECT_EQ(code_of(liar_says(answer(id, {{missing, Bytes(32, 8)}}))), "not_authorised");
  const auto key = a.table().epoch_key(info(a, id).pseudonym, {missing});
  must(give_mail(a, b, MailKind::kKeyAnswer, crypto::kLabelKeyAnswer, answer(id, {{missing, to_bytes(key->view())}})));
  EXPECT_FALSE(info(b, id).key_missing);
  EXPECT_EQ(info(b, id).epoch.value, missing);
}

TEST_F(LateKeys, rule_33_lies_about_old_epochs_cost_the_liar_its_word_and_the_node_nothing) {
  const ChannelId id = make_channel(a, {&b});
  write(a, id, "old");
  sync_all({&a, &b});
  rotate(a, id);
  sync_all({&a, &b});
  join(a, id, c);
  certify(second, b);
  sync_all({&b, &a});
  sync_once(b, second);  // told of the channel
  sync_once(a, second);
  ASSERT_EQ(info(second, id).standing, ChannelStanding::kJoined);
  const auto own = keys(second, id);
  must(give_mail(c, second, MailKind::kKeyAnswer, crypto::kLabelKeyAnswer,
                 answer(id, {{1, Bytes(32, 1)}, {2, Bytes(32, 2)}, {3, Bytes(32, 3)}})));
  sync_once(c, second);
  EXPECT_EQ(keys(second, id), own);
  sync_all({&a, &b, &c, &second});
  EXPECT_EQ(second.text_set(id), Texts{"old"});
  EXPECT_EQ(keys(second, id), keys(b, id));
  expect_equal(id, {&a, &b, &c, &second});
}

TEST_F(LateKeys, rule_33_answers_are_bounded_for_each_node_and_hour) {
  const ChannelId id = make_channel(a, {&b});
  std::size_t answered = 0;
  for (int i = 0; i < 200; ++i) answered += !asked(a, id, b, 1, 3).empty();
  EXPECT_EQ(answered, 64u);
  Result<void> said = kOk;
  (void)asked(a, id, b, 1, 3, &said);
  EXPECT_EQ(code_of(said), "too_often");
  clock.advance_ms(3'600'000);
  EXPECT_FALSE(asked(a, id, b, 1, 3).empty());
  // No more epochs than it may ask for at once, and none that is no range.
  for (const auto& [from, to] : {std::pair(1, 33), std::pair(0, 3), std::pair(3, 2)}) {
    EXPECT_EQ(code_of(give_mail(b, a, MailKind::kKeyRequest, crypto::kLabelKeyRequest, request(id, b, from, to))),
              "bad_key_mail");
  }
}

TEST_F(LateKeys, rule_08_a_range_below_a_copy_is_verified_from_the_top) {
  const ChannelId id = make_channel(a, {&b});
  for (int i = 0; i < 6; ++i) write(a, id, "old " + std::to_string(i));
  sync_all({&a, &b});
  rotate(a, id);
  certify(second, b);
  sync_all({&a, &b});
  write(a, id, "new");
  sync_once(b, second);
  sync_once(a, second);
  ASSERT_EQ(second.text_set(id).size(), 1u);
  LogKey feed;
  for (const LogRecord& record : a.replica().channel_logs(id)) {
    const auto owner = a.table().feed_owner(record.log);
    if (owner && owner->node == a.node()) feed = record.log;
  }
  const auto low = second.replica().log_record(feed)->low;
  const auto below = [&](std::uint64_t from, auto&& alter, EntryHash previous) {
    auto made = second.replica().receive_below(id, feed, {from}, previous);
    if (!made) return code_of(made);
    for (std::uint64_t number = from; number < low.value; ++number) {
      const Entry entry = must(a.replica().read_entry(feed, {number}));
      Bytes body = to_bytes(entry.view().body);
      alter(number, body);
      const auto added = made->add(entry.view().signature, {load_le64(&entry.view().header[16])}, body);
      if (!added) return code_of(added);
    }
    const auto done = made->commit(nullptr);
    second.store.sync();
    return code_of(done);
  };
  const auto as_it_is = [](std::uint64_t, Bytes&) {};
  const auto previous_of = [&](std::uint64_t number) {
    return *EntryHash::from(peek_previous(must(a.replica().read_entry(feed, {number})).view().header));
  };
  EXPECT_EQ(below(3, as_it_is, previous_of(3)), "not_acceptable") << "no key below what it has: nothing is wanted";
  const Bytes request_of_second = request(id, second, 1, 3);
  must(give_mail(second, a, MailKind::kKeyRequest, crypto::kLabelKeyRequest, request_of_second));
  for (const Mail& mail : a.replica().mail_for(second.org(), second.node())) {
    if (mail.kind == MailKind::kKeyAnswer) {
      must(second.replica().handle_mail(a.org(), mail.kind, mail.prekey_month, mail.envelope));
      second.store.sync();
    }
  }
  const LogKey control = [&] {
    for (const LogRecord& record : a.replica().channel_logs(id))
      if (record.type == LogType::kControl) return record.log;
    return LogKey{};
  }();
  ASSERT_TRUE(second.replica().is_short(control));
  ASSERT_FALSE(second.replica().is_short(feed)) << "first what the keys are compared with";
  test::transfer_below(a, second, id, 2);
  ASSERT_TRUE(second.replica().is_short(feed));
  EXPECT_EQ(below(
                3, [](std::uint64_t number, Bytes& body) { body[0] ^= number == 4; }, previous_of(3)),
            "wrong_previous");
  EXPECT_EQ(below(3, as_it_is, previous_of(4)), "wrong_previous");
  EXPECT_EQ(below(low.value, as_it_is, previous_of(3)), "wrong_number");
  EXPECT_EQ(second.text_set(id).size(), 1u) << "nothing of it is kept";
  EXPECT_EQ(below(3, as_it_is, previous_of(3)), "ok");
  EXPECT_TRUE(second.replica().is_short(feed));
  EXPECT_EQ(below(1, as_it_is, {}), "wrong_number") << "it goes up to what was held before";
  test::transfer_below(a, second, id, 2);
  EXPECT_FALSE(second.replica().is_short(feed));
  EXPECT_EQ(second.text_set(id).size(), 7u);
}

TEST_F(LateKeys, rule_28_older_entries_of_a_feed_that_name_no_writer_are_not_taken) {
  const ChannelId id = make_channel(a, {&b});
  const Epoch before = info(b, id).epoch;
  test::ForgedFeed feed(b, id);
  const Entry bare = feed.next(before, "whose is this");
  join(a, id, c);
  sync_all({&a, &b, &c});
  const Entry named = feed.next(info(b, id).epoch, "mine", feed.signed_certificate());
  must(test::give(c, id, {named}));
  must(a.replica().grant_history(id, c.org(), before, nullptr));
  a.store.sync();
  for (int i = 0; i < 4; ++i) sync_once(a, c);
  ASSERT_TRUE(keys(c, id).contains(before.value));
  ASSERT_TRUE(c.replica().is_short(feed.log()));
  auto lower = must(c.replica().receive_below(id, feed.log(), {1}, std::nullopt));
  must(lower.add(bare.view().signature, before, bare.view().body));
  EXPECT_EQ(code_of(lower.commit(nullptr)), "not_authorised");
  EXPECT_EQ(c.replica().log_record(feed.log())->low, Number{2});
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"mine"});
}

TEST_F(LateKeys, rule_25_bodies_past_their_retention_do_not_hold_a_copy_up) {
  const ChannelId id = make_channel(a, {&b}, {"Early warning", ChannelClass::kShared, "Purpose: early warning.", 30});
  const Epoch first = info(b, id).epoch;
  write(a, id, "erased by now");
  sync_all({&a, &b});
  rotate(a, id);
  write(a, id, "still kept");
  sync_all({&a, &b});
  clock.advance_days(31);
  for (int i = 0; i < 3; ++i) sync_all({&a, &b});
  ASSERT_EQ(a.text_set(id), Texts{"still kept"});
  join(a, id, c);
  must(a.replica().grant_history(id, c.org(), first, nullptr));
  a.store.sync();
  sync_all({&a, &b, &c});
  EXPECT_EQ(c.text_set(id), Texts{"still kept"});
  EXPECT_TRUE(c.replica().short_logs(id).empty());
  for (const LogRecord& record : a.replica().channel_logs(id)) {
    if (record.type == LogType::kFeed) {
      EXPECT_EQ(c.replica().log_record(record.log)->low, record.low);
    }
  }
  expect_equal(id, {&a, &b, &c});
}

TEST_F(LateKeys, rule_33_a_roster_from_before_rosters_said_since_when_is_made_good_with_the_next_epoch) {
  const ChannelId id = make_channel(a, {&b});
  rotate(a, id);
  sync_all({&a, &b});
  const auto since = [&] { return test::stored_channel(b, id).newest->member(b.org())->since; };
  const Epoch joined = since();
  EXPECT_GT(joined.value, 1u);
  const auto older = test::forge_epoch(a, id, {&a, &b}, [](ControlState& state) {
    for (RosterMember& member : state.roster) member.since = {};
  });
  for (Party* party : {&a, &b}) must(test::give_control(*party, id, older));
  ASSERT_EQ(since().value, 0u);
  rotate(a, id);
  sync_all({&a, &b});
  EXPECT_EQ(since(), joined);
  EXPECT_EQ(test::stored_channel(b, id).newest->member(a.org())->since.value, 1u);
}

// ---- Rule 34

TEST_F(LateKeys, rule_34_keys_that_nobody_granted_are_not_taken_from_a_member_that_hands_them_over) {
  const ChannelId id = make_channel(a, {&b});
  write(a, id, "old");
  sync_all({&a, &b});
  const std::uint64_t old = info(a, id).epoch.value;
  join(a, id, c);
  sync_all({&a, &b, &c});
  const auto before = keys(c, id);
  const auto key = b.table().epoch_key(info(b, id).pseudonym, {old});
  must(give_mail(b, c, MailKind::kKeyAnswer, crypto::kLabelKeyAnswer, answer(id, {{old, to_bytes(key->view())}})));
  for (int i = 0; i < 3; ++i) sync_all({&a, &b, &c});
  EXPECT_EQ(keys(c, id), before);
  EXPECT_TRUE(c.texts(id).empty());
  EXPECT_TRUE(c.replica().short_logs(id).empty());
}

TEST_F(LateKeys, rule_34_a_grant_gives_exactly_the_epochs_from_there_on) {
  const ChannelId id = make_channel(a, {&b});
  std::vector<std::uint64_t> epochs;
  for (int i = 0; i < 4; ++i) {
    sync_all({&a, &b});
    write(a, id, "a" + std::to_string(i));
    write(b, id, "b" + std::to_string(i));
    sync_all({&a, &b});
    epochs.push_back(info(a, id).epoch.value);
    rotate(a, id);
  }
  sync_all({&a, &b});
  join(a, id, c);
  sync_all({&a, &b, &c});
  EXPECT_TRUE(c.texts(id).empty());
  EXPECT_TRUE(info(c, id).grants.empty());
  const auto own = keys(c, id);

  const auto preview = must(a.replica().preview_history(id, c.org(), {epochs[2]}));
  std::uint64_t shown = 0;
  for (const EntryRange& range : preview.entries) shown += range.last.value + 1 - range.first.value;
  EXPECT_EQ(shown, 4u);
  clock.advance_ms(1000);
  must(a.replica().grant_history(id, c.org(), {epochs[2]}, nullptr));
  a.store.sync();
  sync_once(a, b);
  for (int i = 0; i < 6; ++i) sync_once(b, c);  // the chair is away
  EXPECT_EQ(c.text_set(id), (Texts{"a2", "a3", "b2", "b3"}));
  std::set<std::uint64_t> given = own;
  for (std::uint64_t epoch = epochs[2]; epoch < *own.begin(); ++epoch) given.insert(epoch);
  EXPECT_EQ(keys(c, id), given);
  for (Party* party : {&a, &b, &c}) {
    ASSERT_EQ(info(*party, id).grants.size(), 1u) << "every member sees it";
    const GrantInfo grant = info(*party, id).grants[0];
    EXPECT_EQ(grant.org, c.org());
    EXPECT_EQ(grant.name, "Charlie");
    EXPECT_EQ(grant.from.value, epochs[2]);
    EXPECT_EQ(grant.granted, clock.now());
  }
  EXPECT_TRUE(asked(b, id, c, 1, epochs[2] - 1).empty());
  for (const LogRecord& record : a.replica().channel_logs(id)) {
    if (record.type != LogType::kFeed) continue;
    EXPECT_EQ(c.replica().log_record(record.log)->low, must(a.replica().first_number_at(record.log, {epochs[2]})))
        << "nor is anything older kept";
  }
  // It goes on with the epochs, and over a restart.
  rotate(a, id);
  sync_all({&a, &b, &c});
  for (Party* party : {&a, &b, &c}) {
    party->crash();
    EXPECT_EQ(info(*party, id).grants.size(), 1u) << party->name();
  }
  EXPECT_EQ(c.text_set(id).size(), 4u);
  expect_equal(id, {&a, &b, &c});
  Party d{"Delta", 4, clock};
  join(a, id, d);
  EXPECT_EQ(info(d, id).grants.size(), 1u) << "who joins later sees it, too";
  remove(a, id, c);
  sync_all({&a, &b});
  EXPECT_TRUE(info(b, id).grants.empty()) << "it ends with the membership";
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_all({&a, &b, &c});
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  sync_all({&a, &b, &c});
  EXPECT_EQ(info(c, id).standing, ChannelStanding::kJoined);
  EXPECT_TRUE(info(b, id).grants.empty());
  EXPECT_TRUE(asked(b, id, c, epochs[2], *own.begin() - 1).empty()) << "and does not come back with it";
}

TEST_F(LateKeys, rule_34_a_grant_says_what_cannot_be_granted) {
  const ChannelId id = make_channel(a, {&b});
  test::introduce(a, c);
  const std::uint64_t joined = info(b, id).epoch.value;
  const auto grant = [&](Party& by, const ChannelId& in, const OrgId& org, std::uint64_t from) {
    return by.replica().grant_history(in, org, {from}, nullptr);
  };
  EXPECT_EQ(code_of(grant(b, id, a.org(), 1)), "not_chair");
  EXPECT_EQ(code_of(grant(a, ChannelId{}, b.org(), 1)), "unknown_channel");
  EXPECT_EQ(code_of(grant(a, id, c.org(), 1)), "not_a_member");
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  const auto invited = grant(a, id, c.org(), 1);
  EXPECT_EQ(code_of(invited), "not_a_member");
  EXPECT_NE(invited.error().detail.find("invited"), std::string::npos);
  EXPECT_EQ(code_of(grant(a, id, a.org(), 1)), "epoch_out_of_range");
  EXPECT_EQ(code_of(grant(a, id, b.org(), 0)), "epoch_out_of_range");
  const auto late = grant(a, id, b.org(), joined);
  EXPECT_EQ(code_of(late), "epoch_out_of_range");
  EXPECT_NE(late.error().detail.find("1 to " + std::to_string(joined - 1)), std::string::npos);
  must(grant(a, id, b.org(), 1));
  a.store.sync();
  EXPECT_EQ(code_of(grant(a, id, b.org(), 1)), "already_granted");
  EXPECT_FALSE(info(a, id).needs_newer);
  sync_all({&a, &b});
  EXPECT_FALSE(info(b, id).needs_newer);
  EXPECT_EQ(info(b, id).grants.size(), 1u);
}

}  // namespace
}  // namespace tocsin::protocol
