// Epochs wrapped again (rule 33): who may have older keys gets them from any member, with what they open, and nobody
// else does.
#include "tests/support/late_keys.h"

#include <gtest/gtest.h>

#include "tests/support/forged_control.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::join;
using test::make_channel;
using test::must;
using test::Party;
using test::sync_all;
using test::sync_once;

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

TEST_F(LateKeys, rule_33_what_lies_below_a_fork_comes_with_the_older_keys) {
  const ChannelId id = make_channel(a, {&c});
  for (const char* text : {"one", "two"}) write(c, id, text);
  sync_all({&a, &c});
  join(a, id, b);
  test::introduce(b, c);
  sync_all({&a, &b, &c});
  LogKey feed;
  for (const LogRecord& record : b.replica().channel_logs(id)) {
    const auto owner = a.table().feed_owner(record.log);
    if (owner && owner->node == c.node()) feed = record.log;
  }
  ASSERT_EQ(b.replica().log_record(feed)->low, Number{3}) << "its name alone";
  const MemoryStore before = c.store;
  write(c, id, "said to Alpha");
  sync_once(a, c);
  c.store = before;
  c.crash();
  write(c, id, "said to Bravo");
  sync_once(b, c);
  const Entry other = must(a.replica().read_entry(feed, {3}));
  ASSERT_EQ(must(b.replica().fork_candidate(id, other.view())), ForkStep::kProven);
  b.store.sync();
  must(a.replica().take_fork_proof(id, *b.replica().fork_proof(id, feed)));
  a.store.sync();
  must(a.replica().grant_history(id, b.org(), {1}, nullptr));
  a.store.sync();
  sync_all({&a, &b});
  EXPECT_EQ(b.text_set(id), (Texts{"one", "two", "said to Bravo"}));
  EXPECT_TRUE(b.replica().short_logs(id).empty());
  EXPECT_TRUE(b.replica().is_disputed(feed, {3}));
  EXPECT_FALSE(b.replica().is_disputed(feed, {2}));
}

TEST_F(LateKeys, rule_33_a_feed_is_named_by_its_lowest_entry_once_it_is_known_that_an_epoch_begins_there) {
  const ChannelId id = make_channel(a, {&b});
  write(b, id, "before");
  sync_all({&a, &b});
  rotate(a, id);
  const Epoch granted = info(a, id).epoch;
  sync_all({&a, &b});
  join(a, id, c);
  sync_all({&a, &b, &c});
  LogKey feed;
  for (const LogRecord& record : a.replica().channel_logs(id)) {
    const auto owner = a.table().feed_owner(record.log);
    if (owner && owner->node == b.node()) feed = record.log;
  }
  const auto copy = c.replica().log_record(feed);
  ASSERT_TRUE(copy && copy->low > copy->head) << "its name alone";
  // Charlie is given an older epoch, in which Bravo wrote nothing.
  must(a.replica().grant_history(id, c.org(), granted, nullptr));
  rotate(a, id);
  for (int i = 0; i < 8 && !c.replica().is_short(feed); ++i) sync_once(a, c);
  ASSERT_TRUE(c.replica().is_short(feed));
  sync_once(a, b);
  // Of the next one it has no slot. What Bravo writes there is not on its disk yet when it is given the key.
  const auto next = test::forge_epoch(a, id, {&a, &b}, [](ControlState&) {});
  for (Party* party : {&a, &b, &c}) must(test::give_control(*party, id, next));
  write(b, id, "after");
  const Epoch missing = info(b, id).epoch;
  const Entry entry = must(b.replica().read_entry(feed, copy->low));
  auto receiver = must(c.replica().receive(id, feed, LogType::kFeed, copy->low, std::nullopt));
  must(receiver.add(entry.view().signature, {load_le64(&entry.view().header[16])}, entry.view().body));
  must(receiver.commit(nullptr));
  const auto key = b.table().epoch_key(info(b, id).pseudonym, missing);
  must(give_mail(b, c, MailKind::kKeyAnswer, crypto::kLabelKeyAnswer,
                 answer(id, {{missing.value, to_bytes(key->view())}})));
  ASSERT_TRUE(keys(c, id).contains(missing.value));
  ASSERT_TRUE(c.texts(id).empty()) << "whose it is cannot be told yet";
  test::transfer_below(b, c, id);
  EXPECT_FALSE(c.replica().is_short(feed));
  EXPECT_EQ(c.replica().log_record(feed)->low, copy->low) << "what lies below is of before";
  ASSERT_TRUE(c.table().feed_owner(feed));
  EXPECT_EQ(c.table().feed_owner(feed)->node, b.node());
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"after"});
}

}  // namespace
}  // namespace tocsin::protocol
