// Copies that grow down, and history grants (rules 8, 34).
#include <gtest/gtest.h>

#include "tests/support/forged_feed.h"
#include "tests/support/late_keys.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::join;
using test::make_channel;
using test::must;
using test::Party;
using test::sync_all;
using test::sync_once;

struct HistoryGrants : LateKeys {};

TEST_F(HistoryGrants, rule_08_a_range_below_a_copy_is_verified_from_the_top) {
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

TEST_F(HistoryGrants, rule_47_what_was_withdrawn_comes_from_below_with_its_order_or_is_erased_as_it_comes) {
  const ChannelId id = make_channel(a, {&b});
  for (int i = 0; i < 6; ++i) write(a, id, "old " + std::to_string(i));
  sync_all({&a, &b});
  rotate(a, id);
  certify(second, b);
  sync_all({&a, &b});
  write(a, id, "new");
  sync_once(b, second);
  sync_once(a, second);
  LogKey feed;
  for (const LogRecord& record : a.replica().channel_logs(id)) {
    const auto owner = a.table().feed_owner(record.log);
    if (owner && owner->node == a.node()) feed = record.log;
  }
  const auto low = second.replica().log_record(feed)->low;
  ASSERT_GT(low.value, 6u);
  std::vector<Entry> whole;  // as somebody has them who has not heard of it
  for (Number number{3}; number < low; number = number.next())
    whole.push_back(must(a.replica().read_entry(feed, number)));
  std::vector<Bytes> orders;
  std::vector<FeedItem> items;
  for (const Number number : {Number{2}, Number{4}})
    orders.push_back(must(a.replica().make_erasure_order(feed, number, {}, {}, ErasureCause::kWithdrawn)));
  for (const Bytes& order : orders) items.push_back({FeedKind::kErasureOrder, order});
  must(a.replica().append(id, items, nullptr));
  a.store.sync();
  must(test::transfer(a, second, id, feed, LogType::kFeed));
  ASSERT_TRUE(second.replica().is_taken_back(feed, {4}));
  const Bytes request_of_second = request(id, second, 1, 3);
  must(give_mail(second, a, MailKind::kKeyRequest, crypto::kLabelKeyRequest, request_of_second));
  for (const Mail& mail : a.replica().mail_for(second.org(), second.node())) {
    if (mail.kind == MailKind::kKeyAnswer) {
      must(second.replica().handle_mail(a.org(), mail.kind, mail.prekey_month, mail.envelope));
      second.store.sync();
    }
  }
  test::transfer_below(a, second, id, 2);  // the control log
  ASSERT_TRUE(second.replica().is_short(feed));
  auto below =
      must(second.replica().receive_below(id, feed, {3}, EntryHash::from(peek_previous(whole.front().view().header))));
  for (const Entry& entry : whole)
    must(below.add(entry.view().signature, {load_le64(&entry.view().header[16])}, entry.view().body));
  must(below.commit(nullptr));
  second.store.sync();
  EXPECT_TRUE(must(second.replica().read_entry(feed, {4})).view().body.empty());
  EXPECT_FALSE(must(second.replica().read_entry(feed, {3})).view().body.empty());
  // The order has to be for the entry, of its organisation.
  const Entry absent = must(a.replica().read_entry(feed, {2}));
  const Entry first = must(a.replica().read_entry(feed, {1}));
  const auto rest = [&](const Bytes& order) {
    auto made = must(second.replica().receive_below(id, feed, {1}, std::nullopt));
    must(made.add(first.view().signature, {load_le64(&first.view().header[16])}, first.view().body));
    auto added = made.add_without_body(absent.view().signature, {load_le64(&absent.view().header[16])},
                                       *BodyHash::from(peek_body_hash(absent.view().header)),
                                       peek_body_bytes(absent.view().header), order);
    if (added) added = made.commit(nullptr);
    second.store.sync();
    return code_of(added);
  };
  ErasureOrder foreign = must(decode_erasure_order(orders[0]));
  foreign.org = b.org();
  foreign.node = b.node();
  EXPECT_EQ(rest(sign_erasure_order(foreign, b.secrets().tier2->signing)), "not_acceptable");
  EXPECT_EQ(rest(orders[0]), "ok");
  EXPECT_FALSE(second.replica().is_short(feed));
  EXPECT_EQ(second.replica().erasure_order(feed, {2}), orders[0]);
  EXPECT_EQ(second.text_set(id), a.text_set(id));
  EXPECT_EQ(second.text_set(id).size(), 5u);
}

TEST_F(HistoryGrants, rule_28_older_entries_of_a_feed_that_name_no_writer_are_not_taken) {
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

TEST_F(HistoryGrants, rule_25_bodies_past_their_retention_do_not_hold_a_copy_up) {
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

TEST_F(HistoryGrants, rule_34_keys_that_nobody_granted_are_not_taken_from_a_member_that_hands_them_over) {
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

TEST_F(HistoryGrants, rule_34_a_grant_gives_exactly_the_epochs_from_there_on) {
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

TEST_F(HistoryGrants, rule_34_a_grant_says_what_cannot_be_granted) {
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
