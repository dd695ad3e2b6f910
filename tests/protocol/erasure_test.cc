// Bodies that their author's organisation takes back, holds, and what each node says of it (rules 8, 25, 47, 52).
#include "protocol/erasure.h"

#include <gtest/gtest.h>

#include "protocol/org_request.h"
#include "tests/support/bundle_files.h"
#include "tests/support/expect.h"
#include "tests/support/forged_feed.h"
#include "tests/support/pair.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::make_channel;
using test::must;
using test::Party;
using test::sync_all;
using test::sync_once;
using test::WorldClock;

using Texts = std::vector<std::string>;

struct Erasures : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock}, c{"Charlie", 3, clock};

  static LogKey feed_of(Party& party, const ChannelId& id, Party& seen_by) {
    for (const LogRecord& record : seen_by.replica().channel_logs(id)) {
      const auto owner = seen_by.table().feed_owner(record.log);
      if (owner && owner->node == party.node()) return record.log;
    }
    return {};
  }
  static void tick(std::vector<Party*> parties) {
    for (Party* party : parties) {
      party->replica().handle_tick();
      party->store.sync();
    }
  }
  static Number head(Party& party, const LogKey& feed) { return party.replica().log_record(feed)->head; }
  static ReportId id_of(std::string_view text) { return ReportId{hash_body(as_bytes(text)).bytes()}; }
  static void take_back(Party& party, const ChannelId& id, const LogKey& feed, Number number) {
    const ReportId report = id_of(std::to_string(number.value));
    const Bytes order =
        must(party.replica().make_erasure_order(feed, number, report, report, ErasureCause::kWithdrawn));
    const FeedItem item{FeedKind::kErasureOrder, order};
    must(party.replica().append(id, std::span(&item, 1), nullptr));
    party.store.sync();
  }
  static void write(Party& party, const ChannelId& id, std::initializer_list<const char*> texts) {
    for (const char* text : texts) party.write(id, text);
    party.store.sync();
  }
  static bool has_body(Party& party, const LogKey& feed, Number number) {
    return !must(party.replica().read_entry(feed, number)).view().body.empty();
  }
  // What `by` says of an order, as `at` has it; empty: nothing yet. How often is counted, too.
  static std::vector<std::string> said(Party& at, const ChannelId& id, Party& by) {
    std::vector<std::string> out;
    EntryOpener opener(at.table());
    Arrival cursor;
    for (Arrival before{UINT64_MAX}; before != cursor;) {
      before = cursor;
      must(at.replica().read_arrivals(cursor, 1 << 20, [&](const StoredEntry& stored) {
        cursor = stored.arrival;
        const auto opened = opener.open(stored.entry);
        if (!opened || opened->channel != id || opened->kind != FeedKind::kConfirmations || opened->node != by.node())
          return true;
        for (const auto& item : must(decode_confirmations(opened->payload)).items)
          out.emplace_back(to_string(item.outcome));
        return true;
      }));
    }
    return out;
  }
  // Gives `to` the entries 1 to `last` of a feed, one of them without its body and with `order` beside it.
  static Result<void> give_without(Party& from, Party& to, const ChannelId& id, const LogKey& feed, Number last,
                                   Number absent, const Bytes& order) {
    auto receiver = must(to.replica().receive(id, feed, LogType::kFeed, {1}, std::nullopt));
    Result<void> added = kOk;
    for (Number number{1}; number <= last && added; number = number.next()) {
      const Entry entry = must(from.replica().read_entry(feed, number));
      const EntryView view = entry.view();
      const Epoch epoch{load_le64(&view.header[16])};
      added = number != absent
                  ? receiver.add(view.signature, epoch, view.body)
                  : receiver.add_without_body(view.signature, epoch, *BodyHash::from(peek_body_hash(view.header)),
                                              peek_body_bytes(view.header), order);
    }
    if (added) added = receiver.commit(nullptr);
    to.store.sync();
    return added;
  }
  // What names that entry, as if a node of `by` took it back.
  static ErasureOrder order_of(Party& by, const ChannelId& id, Party& at, const LogKey& feed, Number number) {
    ErasureOrder out;
    out.channel = id;
    out.org = by.org();
    out.node = by.node();
    out.feed = feed;
    out.number = number;
    const Entry target = must(at.replica().read_entry(feed, number));
    out.entry = hash_entry(target.view().header, target.view().signature);
    return out;
  }
  static void hold(Party& party, const HoldRecord& record) {
    const Bytes payload = encode_hold(record);
    const FeedItem item{FeedKind::kHold, payload};
    must(party.replica().append(party.replica().private_channel(), std::span(&item, 1), nullptr));
    party.store.sync();
  }
  static void expect_equal(const ChannelId& id, std::vector<Party*> parties) {
    for (Party* party : parties)
      EXPECT_EQ(party->replica().frontier(id).digest(), parties[0]->replica().frontier(id).digest()) << party->name();
  }
};

TEST_F(Erasures, rule_47_what_its_author_withdraws_is_erased_everywhere_and_each_node_says_so_once) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(a, id, {"first", "second", "third"});
  sync_all({&a, &b, &c});
  const LogKey feed = feed_of(a, id, b);
  take_back(a, id, feed, {2});
  EXPECT_FALSE(has_body(a, feed, {2})) << "with the order itself";
  sync_all({&a, &b, &c});
  for (Party* party : {&a, &b, &c}) {
    EXPECT_FALSE(has_body(*party, feed, {2})) << party->name();
    EXPECT_EQ(party->texts(id), (Texts{"first", "third"})) << party->name();
  }
  tick({&a, &b, &c});
  sync_all({&a, &b, &c});
  b.crash();
  tick({&a, &b, &c});
  sync_all({&a, &b, &c});
  for (Party* at : {&a, &c})
    for (Party* by : {&a, &b, &c}) EXPECT_EQ(said(*at, id, *by), Texts{"erased"}) << by->name();
  expect_equal(id, {&a, &b, &c});
}

TEST_F(Erasures, rule_08_who_comes_later_gets_the_chain_with_the_order_and_is_equal) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(a, id, {"first"});
  sync_all({&a, &b});  // c is away
  write(a, id, {"second", "third"});
  sync_all({&a, &b});
  const LogKey feed = feed_of(a, id, b);
  take_back(a, id, feed, {1});  // the entry that carries the feed's certificate
  take_back(a, id, feed, {3});
  write(a, id, {"fourth"});
  sync_all({&a, &b});
  tick({&a, &b});
  sync_all({&b, &c});  // of somebody who has erased it, too
  EXPECT_EQ(c.texts(id), (Texts{"second", "fourth"})) << "whose feed it is stands in the order";
  tick({&c});
  sync_all({&a, &b, &c});
  tick({&a, &b, &c});
  sync_all({&a, &b, &c});
  EXPECT_EQ(said(a, id, c), (Texts{"not_held", "not_held"}));
  expect_equal(id, {&a, &b, &c});
  c.crash();
  EXPECT_EQ(c.replica().erasure_order(feed, {3}), a.replica().erasure_order(feed, {3}));
}

TEST_F(Erasures, rule_52_nobody_else_can_make_a_member_do_without_a_body) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(a, id, {"first", "alert"});
  sync_all({&a, &b});
  const LogKey feed = feed_of(a, id, b);
  // b serves a's feed to c without the alert's body, with an order that b signed, in b's own name and in a's.
  const auto serve = [&](const Bytes& order) {
    auto receiver = must(c.replica().receive(id, feed, LogType::kFeed, {1}, std::nullopt));
    Result<void> added = kOk;
    must(b.replica().serve(feed, {1}, {2}, 1 << 20, [&](const StoredEntry& stored) {
      const ByteView header = stored.entry.header;
      const Epoch epoch{load_le64(&header[16])};
      added = stored.number == Number{1}
                  ? receiver.add(stored.entry.signature, epoch, stored.entry.body)
                  : receiver.add_without_body(stored.entry.signature, epoch, *BodyHash::from(peek_body_hash(header)),
                                              peek_body_bytes(header), order);
      return added.ok();
    }));
    if (added) added = receiver.commit(nullptr);
    c.store.sync();
    return added;
  };
  sync_once(a, c, 0);
  ErasureOrder order;
  order.channel = id;
  order.org = b.org();
  order.node = b.node();
  order.feed = feed;
  order.number = {2};
  const Entry target = must(b.replica().read_entry(feed, {2}));
  order.entry = hash_entry(target.view().header, target.view().signature);
  EXPECT_EQ(code_of(serve({})), "not_acceptable");
  EXPECT_EQ(code_of(serve(sign_erasure_order(order, b.secrets().tier2->signing))), "not_acceptable");
  order.org = a.org();
  order.node = a.node();
  EXPECT_EQ(code_of(serve(sign_erasure_order(order, b.secrets().tier2->signing))), "not_acceptable");
  order.number = {1};
  EXPECT_EQ(code_of(serve(sign_erasure_order(order, a.secrets().tier2->signing))), "not_acceptable") << "another entry";
  // In b's own feed it has no effect either, and whoever has the body gives it.
  order.number = {2};
  order.org = b.org();
  order.node = b.node();
  const Bytes payload = sign_erasure_order(order, b.secrets().tier2->signing);
  const FeedItem item{FeedKind::kErasureOrder, payload};
  EXPECT_EQ(code_of(b.replica().append(id, std::span(&item, 1), nullptr)), "not_authorised");
  test::ForgedFeed forged(b, id);
  std::vector<Entry> entries;
  entries.push_back(forged.next(a.replica().channel(id)->epoch, as_text(payload), forged.signed_certificate(),
                                FeedKind::kErasureOrder));
  must(test::give(a, id, entries));
  must(test::give(c, id, entries));
  sync_all({&a, &b, &c});
  for (Party* party : {&a, &b, &c}) EXPECT_EQ(party->texts(id), (Texts{"first", "alert"})) << party->name();
}

TEST_F(Erasures, rule_28_nobody_takes_over_a_feed_by_an_order_for_its_first_entry) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(a, id, {"first", "second"});
  sync_all({&a, &b});
  const LogKey feed = feed_of(a, id, b);
  sync_once(a, c, 0);
  // b certifies a's key as a feed of its own node, which every node can.
  ErasureOrder order = order_of(b, id, b, feed, {1});
  order.certificate = sign_feed_certificate({id, b.org(), b.node(), feed, 1, clock.now()}, b.secrets().tier2->signing);
  const auto serve = [&] {
    return code_of(give_without(b, c, id, feed, {2}, {1}, sign_erasure_order(order, b.secrets().tier2->signing)));
  };
  EXPECT_EQ(serve(), "not_acceptable");
  sign_erased_owner(order, b.secrets().tier2->signing);
  EXPECT_EQ(serve(), "bad_feed_certificate");
  EXPECT_FALSE(c.table().feed_owner(feed).has_value());
  sync_all({&a, &b, &c});
  ASSERT_TRUE(c.table().feed_owner(feed).has_value());
  EXPECT_EQ(c.table().feed_owner(feed)->org, a.org());
  EXPECT_EQ(c.texts(id), (Texts{"first", "second"}));
  // What a's feed key signed for one entry does not do for another, and names nobody but a.
  ErasureOrder own =
      must(decode_erasure_order(must(a.replica().make_erasure_order(feed, {1}, {}, {}, ErasureCause::kWithdrawn))));
  crypto::Verifier verifier;
  EXPECT_TRUE(verify_erased_owner(own, verifier));
  own.entry = order_of(a, id, a, feed, {2}).entry;
  EXPECT_FALSE(verify_erased_owner(own, verifier));
}

TEST_F(Erasures, rule_28_without_its_feeds_key_an_order_says_nothing_of_the_owner_and_who_comes_later_waits) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(a, id, {"first", "second"});
  sync_all({&a, &b});
  const LogKey feed = feed_of(a, id, b);
  sync_once(a, c, 0);
  ErasureOrder order =
      must(decode_erasure_order(must(a.replica().make_erasure_order(feed, {1}, {}, {}, ErasureCause::kWithdrawn))));
  order.certificate.clear();
  order.feed_signature.clear();
  const Bytes bare = sign_erasure_order(order, a.secrets().tier2->signing);
  EXPECT_EQ(code_of(give_without(b, c, id, feed, {2}, {1}, bare)), "not_acceptable");
  // Another takes the first entry with its body: whose the feed is stands there.
  sync_all({&a, &b, &c});
  EXPECT_EQ(c.texts(id), (Texts{"first", "second"}));
}

TEST_F(Erasures, rule_52_an_order_that_came_before_its_feed_neither_counts_nor_stands_in_for_the_authors) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(a, id, {"first", "alert"});
  sync_all({&a, &b});
  const LogKey feed = feed_of(a, id, b);
  sync_once(a, c, 0);
  const Bytes squat = sign_erasure_order(order_of(b, id, b, feed, {2}), b.secrets().tier2->signing);
  test::ForgedFeed forged(b, id);
  std::vector<Entry> entries;
  entries.push_back(forged.next(a.replica().channel(id)->epoch, as_text(squat), forged.signed_certificate(),
                                FeedKind::kErasureOrder));
  must(test::give(c, id, entries));
  EXPECT_FALSE(c.replica().is_taken_back(feed, {2}));
  // The same hash is known at c: a's name under b's signature is refused all the same.
  const Bytes unsigned_order = sign_erasure_order(order_of(a, id, b, feed, {2}), b.secrets().tier2->signing);
  EXPECT_EQ(code_of(give_without(b, c, id, feed, {2}, {2}, unsigned_order)), "not_acceptable");
  EXPECT_EQ(code_of(give_without(b, c, id, feed, {2}, {2}, squat)), "not_acceptable");
  // Where a itself takes it back, c gets that, and can show it to others.
  take_back(a, id, feed, {2});
  sync_all({&a, &b});
  ASSERT_FALSE(has_body(b, feed, {2}));
  sync_all({&b, &c});
  EXPECT_EQ(c.texts(id), Texts{"first"});
  EXPECT_TRUE(c.replica().is_taken_back(feed, {2}));
  EXPECT_EQ(c.replica().erasure_order(feed, {2}), a.replica().erasure_order(feed, {2}));
  c.crash();
  EXPECT_EQ(c.replica().erasure_order(feed, {2}), a.replica().erasure_order(feed, {2}));
}

TEST_F(Erasures, rule_52_an_order_that_came_before_its_feed_hides_nothing) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(a, id, {"first", "alert"});
  sync_all({&a, &b});
  const LogKey feed = feed_of(a, id, b);
  sync_once(a, c, 0);
  const Bytes squat = sign_erasure_order(order_of(b, id, b, feed, {2}), b.secrets().tier2->signing);
  test::ForgedFeed forged(b, id);
  std::vector<Entry> entries;
  entries.push_back(forged.next(a.replica().channel(id)->epoch, as_text(squat), forged.signed_certificate(),
                                FeedKind::kErasureOrder));
  must(test::give(c, id, entries));
  c.crash();
  must(test::transfer(a, c, id, feed, LogType::kFeed));
  tick({&c});
  EXPECT_EQ(c.texts(id), (Texts{"first", "alert"}));
  EXPECT_FALSE(c.replica().is_taken_back(feed, {2}));
  std::size_t bodies = 0;
  must(c.replica().serve(feed, {2}, {2}, 1 << 20, [&](const StoredEntry& stored) {
    bodies += stored.entry.body.empty() ? 0 : 1;
    return true;
  }));
  EXPECT_EQ(bodies, 1u);
}

TEST_F(Erasures, an_order_that_is_refused_leaves_the_own_feed_as_it_was) {
  const ChannelId id = make_channel(a, {&b});
  write(a, id, {"first"});
  write(b, id, {"own"});
  sync_all({&a, &b});
  const LogKey feed = feed_of(a, id, b), own = feed_of(b, id, b);
  const Number before = b.replica().accepted_head(own);
  const Bytes order = sign_erasure_order(order_of(b, id, b, feed, {1}), b.secrets().tier2->signing);
  const std::vector<FeedItem> items{{FeedKind::kReport, as_bytes("lost")}, {FeedKind::kErasureOrder, order}};
  EXPECT_EQ(code_of(b.replica().append(id, items, nullptr)), "not_authorised");
  EXPECT_EQ(b.replica().accepted_head(own), before);
  write(b, id, {"next"});
  EXPECT_EQ(head(b, own), before.next());
  sync_all({&a, &b});
  EXPECT_EQ(a.text_set(id), b.text_set(id));
}

TEST_F(Erasures, orders_checkpoints_and_entries_not_written_yet_are_not_taken_back) {
  const ChannelId id = make_channel(a, {&b});
  write(a, id, {"first"});
  const LogKey feed = feed_of(a, id, a);
  take_back(a, id, feed, {1});
  take_back(a, id, feed, {2});  // the order
  sync_all({&a, &b});
  for (Party* party : {&a, &b}) EXPECT_TRUE(has_body(*party, feed, {2})) << party->name();
  EXPECT_EQ(code_of(a.replica().make_erasure_order(feed, {9}, {}, {}, ErasureCause::kWithdrawn)), "not_held");
  EXPECT_EQ(code_of(b.replica().make_erasure_order(feed, {1}, {}, {}, ErasureCause::kWithdrawn)), "not_the_author");
}

TEST_F(Erasures, a_withdrawal_before_its_report_is_followed_when_that_comes) {
  Party second{a, "Alpha 2", 12, clock};
  const ChannelId id = make_channel(a, {&b});
  const auto sign = [&](const OrgRequest& request) {
    crypto::Verifier verifier;
    std::vector<OrgSignature> signatures;
    for (const RootSigner& signer : a.roots().signers())
      signatures.push_back(must(sign_org_request(request, *signer.key)));
    const Entry entry = must(assemble_org_entry(signatures, verifier));
    must(a.replica().append_org_entry(entry.view(), false, nullptr));
    a.store.sync();
  };
  crypto::Verifier verifier;
  sign(must(a.replica().request_certify(must(decode_node_request(second.request, verifier)))));
  sync_all({&a, &b, &second});
  tick({&a});
  sync_all({&a, &b, &second});
  ASSERT_EQ(second.replica().channel(id)->standing, ChannelStanding::kJoined);
  sync_all({&a, &b, &second});
  // What b does not get yet: the report. What it gets: the order, in the other node's feed.
  write(a, id, {"report"});
  sync_all({&a, &second});
  const LogKey feed = feed_of(a, id, second);
  const Number number = head(second, feed);
  ASSERT_EQ(second.texts(id).back(), "report");
  take_back(second, id, feed, number);
  const LogKey orders = feed_of(second, id, second);
  must(test::transfer(second, b, id, orders, LogType::kFeed));
  tick({&b});
  EXPECT_FALSE(b.replica().is_taken_back(feed, number)) << "whose feed that is, b cannot tell yet";
  EXPECT_EQ(said(b, id, b), Texts{}) << "there is nothing to say yet";
  b.crash();
  must(test::transfer(a, b, id, feed, LogType::kFeed));  // a has not heard of it, and gives the body
  EXPECT_FALSE(has_body(b, feed, number)) << "it was never to be read";
  EXPECT_EQ(b.texts(id), Texts{});
  tick({&b});
  EXPECT_EQ(said(b, id, b), Texts{"erased"});
  sync_all({&a, &b, &second});
  EXPECT_FALSE(has_body(a, feed, number));
  expect_equal(id, {&a, &b, &second});
  // The node that signed is revoked: who comes later would not take its word, so the other signs again.
  ASSERT_EQ(must(decode_erasure_order(b.replica().erasure_order(feed, number))).node, second.node());
  sign(must(a.replica().request_revoke(second.node(), "lost", {})));
  tick({&a});
  sync_all({&a, &b});
  EXPECT_EQ(must(decode_erasure_order(b.replica().erasure_order(feed, number))).node, a.node());
}

TEST_F(Erasures, rule_25_a_hold_keeps_the_body_says_so_and_lets_it_go) {
  const ChannelId id = make_channel(a, {&b, &c}, {"Short", ChannelClass::kShared, "", 60});
  write(a, id, {"first", "evidence", "also"});
  sync_all({&a, &b, &c});
  const LogKey feed = feed_of(a, id, b);
  HoldRecord kept{id_of("2"), false, clock.now(), "owner", "case 7", {{id, feed, {2}}, {id, feed, {3}}}};
  hold(b, kept);
  take_back(a, id, feed, {2});
  sync_all({&a, &b, &c});
  tick({&a, &b, &c});
  sync_all({&a, &b, &c});
  EXPECT_TRUE(has_body(b, feed, {2}));
  EXPECT_FALSE(has_body(c, feed, {2}));
  EXPECT_EQ(said(a, id, b), Texts{"held_under_hold"});
  EXPECT_EQ(said(a, id, c), Texts{"erased"});
  // What is kept is shown to nobody else.
  std::size_t bodies = 0;
  must(b.replica().serve(feed, {2}, {2}, 1 << 20, [&](const StoredEntry& stored) {
    bodies += stored.entry.body.size();
    return true;
  }));
  EXPECT_EQ(bodies, 0u);
  // Past retention it stays, and so does what nobody took back.
  clock.advance_days(31);
  sync_all({&a, &b, &c});
  clock.advance_days(61);
  tick({&a, &b, &c});
  b.crash();
  tick({&b});
  EXPECT_TRUE(has_body(b, feed, {2}));
  EXPECT_TRUE(has_body(b, feed, {3}));
  EXPECT_FALSE(has_body(b, feed, {1}));
  EXPECT_FALSE(has_body(c, feed, {3}));
  kept.removed = true;
  kept.written = clock.now();
  hold(b, kept);
  EXPECT_FALSE(has_body(b, feed, {2}));
  EXPECT_FALSE(has_body(b, feed, {3}));
  tick({&b});
  sync_all({&a, &b, &c});
  EXPECT_EQ(said(a, id, b), Texts{"erased"}) << "what it said before is past retention itself";
}

TEST_F(Erasures, rule_48_a_locked_node_takes_the_gap_with_its_order_and_confirms_once_unlocked) {
  const ChannelId id = make_channel(a, {&b});
  write(a, id, {"first"});
  sync_all({&a, &b});
  const LogKey feed = feed_of(a, id, b);
  b.lock();
  write(a, id, {"second", "third"});
  take_back(a, id, feed, {2});
  must(test::transfer(a, b, id, feed, LogType::kFeed));
  tick({&b});
  EXPECT_EQ(b.replica().accepted_head(feed), head(a, feed));
  b.unlock();
  EXPECT_EQ(b.texts(id), (Texts{"first", "third"}));
  tick({&b});
  EXPECT_EQ(said(b, id, b), Texts{"not_held"});
}

TEST_F(Erasures, ten_thousand_are_confirmed_in_a_few_writes) {
  const ChannelId id = make_channel(a, {&b});
  constexpr std::uint64_t kMany = 10'000;
  std::vector<FeedItem> reports(kMany, {FeedKind::kReport, as_bytes("a report")});
  must(a.replica().append(id, reports, nullptr));
  a.store.sync();
  sync_all({&a, &b});
  const LogKey feed = feed_of(a, id, b);
  std::vector<Bytes> orders;
  std::vector<FeedItem> items;
  for (std::uint64_t n = 1; orders.size() < kMany; ++n) {
    if (n % 1000 == 0) continue;  // checkpoints
    orders.push_back(must(a.replica().make_erasure_order(feed, {n}, {}, {}, ErasureCause::kWithdrawn)));
  }
  for (const Bytes& order : orders) items.push_back({FeedKind::kErasureOrder, order});
  must(a.replica().append(id, items, nullptr));
  a.store.sync();
  EXPECT_EQ(a.texts(id).size(), 0u);
  sync_all({&a, &b});
  // In bulk the index tells the replica what it meets.
  EntryOpener opener(b.table());
  must(b.replica().read_log(feed, {1}, {UINT64_MAX}, 1 << 30, [&](const StoredEntry& stored) {
    const auto opened = opener.open(stored.entry);
    if (opened && opened->kind == FeedKind::kErasureOrder) b.replica().handle_opened(*opened);
    return true;
  }));
  b.store.sync();
  EXPECT_EQ(b.texts(id).size(), 0u);
  for (int i = 0; i < 5; ++i) tick({&b});
  EXPECT_EQ(said(b, id, b).size(), kMany);
  EXPECT_LE(head(b, feed_of(b, id, b)).value, 2 + (kMany + kConfirmationsMax - 1) / kConfirmationsMax + 3);
}

TEST(ErasureSessions, rule_08_a_session_brings_what_was_taken_back_to_who_comes_later) {
  test::Pair net;
  Party &a = net.add("Alpha"), &b = net.add("Bravo"), &c = net.add("Charlie");
  const ChannelId id = make_channel(a, {&b, &c});
  a.write(id, "first");
  a.write(id, "second");
  a.write(id, "third");
  a.store.sync();
  net.connect(a, b);
  net.run();
  const LogKey feed = Erasures::feed_of(a, id, b);
  Erasures::take_back(a, id, feed, {1});
  Erasures::take_back(a, id, feed, {2});
  net.run();
  EXPECT_EQ(b.texts(id), Texts{"third"});
  net.cut_between(a, b);
  test::introduce(b, c);
  net.connect(c, b);
  net.run();
  EXPECT_EQ(c.texts(id), Texts{"third"});
  EXPECT_EQ(c.replica().frontier(id).digest(), b.replica().frontier(id).digest());
}

TEST_F(Erasures, rule_08_a_bundle_brings_it_too) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(a, id, {"first", "second"});
  sync_all({&a, &b});
  const LogKey feed = feed_of(a, id, b);
  take_back(a, id, feed, {1});
  sync_all({&a, &b});
  const BundleSummary summary = test::read_bundle(c, test::bundle(a, clock, {id}, std::nullopt));
  EXPECT_TRUE(summary.complete);
  EXPECT_TRUE(summary.refused.empty());
  EXPECT_EQ(c.texts(id), Texts{"second"});
}

TEST(ErasureBytes, what_is_signed_comes_back_and_another_key_does_not_do) {
  test::SeededRandom random(5);
  const auto key = crypto::SigningKey::generate(random), other = crypto::SigningKey::generate(random);
  ErasureOrder order;
  order.channel = crypto::random_fixed<ChannelId>(random);
  order.org = crypto::random_fixed<OrgId>(random);
  order.node = crypto::random_fixed<NodeId>(random);
  order.feed = crypto::random_fixed<LogKey>(random);
  order.number = {7};
  order.entry = crypto::random_fixed<EntryHash>(random);
  order.report = order.subject = crypto::random_fixed<ReportId>(random);
  order.cause = ErasureCause::kRecalled;
  order.created = {12345};
  order.certificate = Bytes(300, 7);
  order.feed_signature = Bytes(64, 8);
  const Bytes bytes = sign_erasure_order(order, key);
  EXPECT_LE(bytes.size(), kErasureOrderBytesMax);
  EXPECT_EQ(must(decode_erasure_order(bytes)), order);
  crypto::Verifier verifier;
  EXPECT_TRUE(verify_erasure_order(bytes, key.verify_key(), verifier));
  EXPECT_FALSE(verify_erasure_order(bytes, other.verify_key(), verifier));
  order.feed_signature.pop_back();
  EXPECT_EQ(code_of(decode_erasure_order(sign_erasure_order(order, key))), "bad_erasure");
  for (std::size_t size : {std::size_t{0}, std::size_t{64}, bytes.size() - 8})
    EXPECT_FALSE(decode_erasure_order(ByteView(bytes).first(size)));
  HoldRecord hold{order.report, false, {5}, "Ada", "case 7", {{order.channel, order.feed, {3}}}};
  EXPECT_EQ(must(decode_hold(encode_hold(hold))), hold);
  hold.reason = "two\nlines";
  EXPECT_EQ(code_of(decode_hold(encode_hold(hold))), "bad_erasure");
  EXPECT_EQ(code_of(decode_confirmations(encode_confirmations({}))), "bad_erasure");
  const ErasureConfirmations said{{9}, {{erasure_id(bytes), ErasureOutcome::kHeld}}};
  EXPECT_EQ(must(decode_confirmations(encode_confirmations(said))), said);
}

}  // namespace
}  // namespace tocsin::protocol
