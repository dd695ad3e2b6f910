// What becomes of a fork (rules 10, 12, 13, 20): found where the histories part, told to members that never met its
// author, chosen by a pin. Alpha is the one that shows two histories; Delta is the chair.
#include <gtest/gtest.h>

#include "protocol/session.h"
#include "tests/support/expect.h"
#include "tests/support/forged_control.h"
#include "tests/support/forged_feed.h"
#include "tests/support/pair.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::make_channel;
using test::must;
using test::Pair;
using test::Party;
using TextSet = std::multiset<std::string>;

struct ForkLife : testing::Test {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  Party& c = net.add("Charlie");
  Party& d = net.add("Delta");
  ChannelId channel = make_channel(net, d, {&a, &b, &c});
  LogKey feed;

  ForkLife() {
    for (auto [one, other] : {std::pair(&a, &b), std::pair(&a, &c), std::pair(&b, &c)}) introduce(*one, *other);
    for (Party* each : {&a, &b, &c}) sync(*each, d);  // all are members by now
  }
  void sync(Party& one, Party& other) {
    Pair::PipeOptions options;
    options.live = options.callee_live = false;
    net.connect(one, other, options);
    ASSERT_TRUE(net.run());
  }
  void sync_everybody(std::vector<Party*> all) {
    for (int round = 0; round < 3; ++round) {
      for (Party* one : all) {
        for (Party* other : all) {
          if (one < other) sync(*one, *other);
        }
      }
    }
  }
  // Alpha writes `common`, which those in `know` get. Then `first`, which Bravo gets; then its disk is set back and it
  // writes `second` in the same place, which Charlie gets.
  void fork(const std::vector<std::string>& first, const std::vector<std::string>& second, int common = 1,
            std::vector<Party*> know = {}) {
    for (int i = 0; i < common; ++i) a.write(channel, "common " + std::to_string(i));
    a.store.sync();
    for (const auto& [log, leaf] : a.replica().frontier(channel).leaves()) {
      const auto owner = a.table().feed_owner(log);
      if (owner && owner->node == a.node()) feed = log;
    }
    for (Party* each : know) sync(a, *each);
    const MemoryStore before = a.store;
    for (const std::string& text : first) a.write(channel, text);
    a.store.sync();
    sync(a, b);
    a.store = before;
    net.crash(a);
    for (const std::string& text : second) a.write(channel, text);
    a.store.sync();
    sync(a, c);
  }
  TrieDigest digest(Party& party) { return party.replica().frontier(channel).digest(); }
  ForkInfo info(Party& party) {
    const auto forks = party.replica().forks();
    return forks.size() == 1 && forks[0].log == feed ? forks[0] : ForkInfo{};
  }
  // By the feed's key, with an entry before it that nobody holds.
  Bytes signed_entry(std::uint64_t number, std::uint8_t mark) {
    const auto state = test::stored_channel(a, channel);
    EntryHeader header;
    header.number = {number};
    header.epoch = {1};
    header.log = feed;
    header.channel = state.genesis->pseudonym;
    std::array<std::uint8_t, 32> previous{};
    previous[0] = mark;
    header.previous = EntryHash{previous};
    const Entry entry = sign_entry(header, Bytes{mark}, *state.feed_key);
    return encode_entry({entry.view().header, entry.view().signature, {}});
  }
  static Bytes join(const std::vector<Bytes>& entries) {
    Bytes out;
    for (const Bytes& entry : entries) {
      std::array<std::uint8_t, 2> size;
      store_le16(size.data(), static_cast<std::uint16_t>(entry.size()));
      append(out, ByteView(size));
      append(out, entry);
    }
    return out;
  }
  void expect_parted(Party& party, Number at) {
    const ForkInfo fork = info(party);
    EXPECT_TRUE(fork.parted) << party.name();
    EXPECT_EQ(fork.number, at) << party.name();
    EXPECT_NE(fork.entries[0], fork.entries[1]);
  }
  TextSet texts_of(std::vector<std::string> more, int common = 1) {
    TextSet out(more.begin(), more.end());
    for (int i = 0; i < common; ++i) out.insert("common " + std::to_string(i));
    return out;
  }
};

TEST_F(ForkLife, rule_12_a_proof_reaches_a_member_that_never_met_its_author_in_one_round) {
  fork({"said to Bravo"}, {"said to Charlie"}, 1, {&b, &c, &d});
  Pair::Connection& live = net.connect(c, d);  // an open session hears at once
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(d.replica().forks().size() <= 1);
  Pair::Connection& link = net.connect(b, c);
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(link.open && live.open) << "the author is to blame, not who tells";
  for (Party* each : {&b, &c, &d}) expect_parted(*each, {2});
  EXPECT_EQ(info(d).org, a.org());
  EXPECT_EQ(info(d).node, a.node());
  EXPECT_EQ(digest(b), digest(c));
  EXPECT_EQ(digest(b), digest(d)) << "who knows, and holds what comes before, is equal";
  EXPECT_EQ(b.text_set(channel), texts_of({"said to Bravo"})) << "what is held stays";
  // Nothing is told twice, and equal peers say nothing more.
  const auto before = link.a.session->stats().bytes_out;
  link.a.session->resync();
  ASSERT_TRUE(net.run());
  EXPECT_LT(link.a.session->stats().bytes_out - before, 1000u);
}

TEST_F(ForkLife, rule_12_a_session_that_opens_brings_the_proof_with_the_comparison) {
  fork({"said to Bravo"}, {"said to Charlie"}, 1, {&b, &c, &d});
  sync(b, c);
  ASSERT_TRUE(info(d).log.is_zero());
  Pair::Connection& link = net.connect(b, d);
  ASSERT_TRUE(net.run());
  expect_parted(d, {2});
  EXPECT_EQ(link.b.session->stats().round_trips, 1u) << "nothing had to be asked for";
  EXPECT_EQ(d.text_set(channel), texts_of({})) << "what is in dispute is not passed on";
  EXPECT_EQ(digest(b), digest(d));
  EXPECT_TRUE(d.replica().is_disputed(feed, {2}));
  EXPECT_FALSE(d.replica().is_disputed(feed, {1}));
}

TEST_F(ForkLife, rule_12_a_member_that_is_behind_takes_what_is_not_in_dispute) {
  fork({"said to Bravo"}, {"said to Charlie", "and more"}, 20);
  sync(b, c);
  expect_parted(b, {21});
  // Delta holds nothing of the feed; the proof comes with the first session.
  ASSERT_FALSE(d.replica().log_record(feed));
  sync(d, b);
  EXPECT_EQ(d.text_set(channel), texts_of({}, 20));
  expect_parted(d, {21});
  EXPECT_EQ(digest(d), digest(b));
  d.crash();
  expect_parted(d, {21});
  EXPECT_EQ(digest(d), digest(b)) << "after a restart the same";
  // From somebody who does not know of it either: up to where the histories part, and nothing above.
  EXPECT_FALSE(d.replica().wants_log(channel, feed, LogType::kFeed));
}

TEST_F(ForkLife, rule_12_one_that_knows_takes_the_undisputed_part_from_one_that_does_not) {
  fork({"said to Bravo"}, {"said to Charlie", "and more"}, 20);
  // Delta has the beginning, and hears of the fork by the proof alone.
  a.store.sync();
  ASSERT_TRUE(test::transfer(c, d, channel, feed, LogType::kFeed, 5).ok());
  sync(b, c);
  const Bytes proof = *b.replica().fork_proof(channel, feed);
  EXPECT_FALSE(must(d.replica().take_fork_proof(channel, proof)).early);
  d.store.sync();
  expect_parted(d, {21});
  EXPECT_EQ(d.texts(channel).size(), 5u);
  sync(d, a);  // the author tells all of its second history in one piece
  EXPECT_EQ(d.text_set(channel), texts_of({}, 20));
  EXPECT_EQ(d.replica().accepted_head(feed), Number{20});
}

TEST_F(ForkLife, rule_12_the_first_number_where_long_histories_part_is_found) {
  std::vector<std::string> first, second;
  for (int i = 0; i < 40; ++i) first.push_back("Bravo " + std::to_string(i));
  for (int i = 0; i < 70; ++i) second.push_back("Charlie " + std::to_string(i));
  fork(first, second, 33);
  sync(b, c);
  expect_parted(b, {34});
  expect_parted(c, {34});
  const ForkInfo fork = info(b);
  EXPECT_EQ(*b.replica().entry_hash(feed, {33}), fork.previous);
  EXPECT_EQ(*c.replica().entry_hash(feed, {33}), fork.previous);
  EXPECT_LT(net.stats_of[&b].round_trips + net.stats_of[&c].round_trips, 24u) << "halved, not counted down";
}

TEST_F(ForkLife, rule_12_of_two_proofs_all_keep_the_one_that_parts_first) {
  fork({"said to Bravo", "2", "3"}, {"said to Charlie"}, 4, {&d});
  sync(b, c);
  // A third history, that parts further down: Delta was told it under number 3.
  const auto third = [&](Number from) {
    const auto state = test::stored_channel(a, channel);
    EntryHeader header;
    header.number = from;
    header.epoch = b.replica().log_record(feed)->head_epoch;
    header.log = feed;
    header.channel = state.genesis->pseudonym;
    header.previous = *b.replica().entry_hash(feed, {from.value - 1});
    return sign_entry(header, Bytes{1, 2, 3}, *state.feed_key);
  };
  const Entry other = third({3});
  EXPECT_EQ(must(d.replica().fork_candidate(channel, other.view())), ForkStep::kProven);
  d.store.sync();
  expect_parted(d, {3});
  sync(d, b);
  sync(b, c);
  for (Party* each : {&b, &c, &d}) expect_parted(*each, {3});
  EXPECT_EQ(digest(b), digest(c));
  EXPECT_EQ(digest(b), digest(d));
}

TEST_F(ForkLife, rule_12_a_forged_proof_is_refused_and_counted_and_ends_nothing) {
  fork({"said to Bravo"}, {"said to Charlie"}, 3, {&d});
  sync(b, c);
  const Bytes good = *b.replica().fork_proof(channel, feed);
  const std::size_t half = good.size() / 2;
  const auto refused = [&](Bytes proof, std::string_view code) {
    const auto before = d.replica().status().refused_entries;
    EXPECT_EQ(code_of(d.replica().take_fork_proof(channel, proof)), code);
    EXPECT_GT(d.replica().status().refused_entries, before);
    d.store.sync();
    EXPECT_TRUE(d.replica().forks().empty());
    EXPECT_TRUE(d.replica().wants_log(channel, feed, LogType::kFeed));
  };
  Bytes unsigned_one = good;
  unsigned_one.back() ^= 1;
  refused(unsigned_one, "bad_signature");
  Bytes twice(good.begin(), good.begin() + half);
  twice.insert(twice.end(), good.begin(), good.begin() + half);
  refused(twice, "bad_entry");
  refused(Bytes(good.begin(), good.end() - 1), "bad_entry");
  refused(Bytes(good.begin(), good.begin() + half), "bad_entry");
  // Signed, and of two numbers.
  refused(join({signed_entry(4, 1), signed_entry(5, 2)}), "bad_entry");
  EXPECT_EQ(code_of(d.replica().take_fork_proof(d.replica().private_channel(), good)), "not_acceptable");
  must(d.replica().take_fork_proof(channel, good));
  d.store.sync();
  expect_parted(d, {4});
}

// Where the two histories part further down nobody can say who holds one of them alone. The author is proven all the
// same, and all end at one place.
TEST_F(ForkLife, rule_12_two_entries_that_follow_different_ones_are_a_proof_for_everybody) {
  fork({}, {}, 5, {&b, &c});
  const Number head = b.replica().accepted_head(feed);
  ASSERT_GT(head.value, 4u);
  must(c.replica().take_fork_proof(channel, join({signed_entry(4, 1), signed_entry(4, 2)})));
  c.store.sync();
  sync(b, c);
  for (Party* each : {&b, &c}) {
    const auto forks = each->replica().forks();
    ASSERT_EQ(forks.size(), 1u) << each->name();
    EXPECT_EQ(forks[0].number, Number{4});
    EXPECT_FALSE(forks[0].parted) << "where they part is not known";
    EXPECT_FALSE(each->replica().wants_log(channel, feed, LogType::kFeed));
    EXPECT_EQ(each->replica().accepted_head(feed), head) << "what is held stays";
  }
  EXPECT_EQ(b.replica().frontier(channel).digest(), c.replica().frontier(channel).digest());
  // Who was behind takes what nobody disputes.
  sync(c, d);
  EXPECT_EQ(d.replica().accepted_head(feed), Number{3});
  EXPECT_EQ(d.replica().frontier(channel).digest(), c.replica().frontier(channel).digest());
}

TEST_F(ForkLife, rule_12_who_sends_a_forged_proof_is_hung_up_on) {
  fork({"said to Bravo"}, {"said to Charlie"}, 1, {&b, &c, &d});
  sync(b, c);
  Bytes proof = *b.replica().fork_proof(channel, feed);
  proof.back() ^= 1;
  Pair::Connection& link = net.connect(a, d);
  ASSERT_TRUE(net.run());
  const auto refused_before = d.replica().status().refused_entries;
  bool sent = false;
  link.a.alter = [&](Bytes& frame) {
    if (std::exchange(sent, true)) return;
    Bytes wrong;
    wire::FrameWriter writer(wrong);
    for (std::uint16_t slot = 0; slot < 8; ++slot) wire::put(writer, wire::ForkProof{slot, proof});
    writer.finish();
    frame = wrong;
  };
  link.a.session->resync();
  (void)net.run(60'000);
  EXPECT_EQ(net.reason_of[&a], ByeReason::kBadEntry);
  EXPECT_GT(d.replica().status().refused_entries, refused_before);
  EXPECT_TRUE(d.replica().forks().empty());
}

// ---- A pin chooses

struct ForkPinned : ForkLife {
  EntryHash last_of(Party& party) { return party.replica().log_record(feed)->head_hash; }
  Number head_of(Party& party) { return party.replica().log_record(feed)->head; }
  void expect_equal(const TextSet& texts) {
    for (Party* each : {&a, &b, &c, &d}) {
      EXPECT_EQ(digest(*each), digest(d)) << each->name();
      EXPECT_EQ(each->text_set(channel), texts) << each->name();
      EXPECT_FALSE(each->replica().is_disputed(feed, head_of(*each))) << each->name();
      for (const ForkInfo& fork : each->replica().forks()) EXPECT_TRUE(fork.resolved) << each->name();
    }
  }
};

TEST_F(ForkPinned, rule_12_a_pin_after_the_proof_makes_all_replicas_equal_again) {
  fork({"said to Bravo", "and more to Bravo"}, {"said to Charlie", "and more"}, 3, {&d});
  sync(b, c);
  sync(b, d);
  sync(a, b);
  const EntryHash chosen = last_of(c);
  // The chair holds neither branch; of one that it does not hold the number is given, too.
  EXPECT_EQ(code_of(d.replica().pin_feed(channel, feed, {}, chosen, nullptr)), "unknown_entry");
  EXPECT_EQ(code_of(d.replica().pin_feed(channel, feed, {2}, chosen, nullptr)), "unknown_entry");
  EXPECT_EQ(code_of(b.replica().pin_feed(channel, feed, {5}, chosen, nullptr)), "not_chair");
  must(d.replica().pin_feed(channel, feed, head_of(c), chosen, nullptr));
  d.store.sync();
  EXPECT_EQ(code_of(d.replica().pin_feed(channel, feed, head_of(c), chosen, nullptr)), "already_pinned");
  sync_everybody({&a, &b, &c, &d});
  expect_equal(texts_of({"said to Charlie", "and more"}, 3));
  EXPECT_EQ(net.endpoint(b).removed, 2u) << "the index is told what went";
  for (Party* each : {&a, &b, &c, &d}) {
    EXPECT_EQ(head_of(*each), Number{5});
    EXPECT_EQ(last_of(*each), chosen);
  }
  for (Party* each : {&a, &b, &c, &d}) net.crash(*each);
  expect_equal(texts_of({"said to Charlie", "and more"}, 3));
  // Its author goes on in another feed, and everybody gets it.
  a.write(channel, "afterwards");
  a.store.sync();
  sync_everybody({&a, &b, &c, &d});
  expect_equal(texts_of({"said to Charlie", "and more", "afterwards"}, 3));
}

TEST_F(ForkPinned, rule_12_the_chairs_own_branch_may_be_the_one_that_is_not_chosen) {
  fork({"said to Bravo"}, {"said to Charlie", "and more"}, 3, {&d});
  sync(b, d);  // and so the chair holds Bravo's
  ASSERT_EQ(d.text_set(channel), texts_of({"said to Bravo"}, 3));
  sync(b, c);
  sync(c, d);
  expect_parted(d, {4});
  EXPECT_EQ(code_of(d.replica().may_pin(channel, feed, {head_of(d).value + 5}, last_of(d))), "unknown_entry")
      << "that entry is held, under another number";
  const auto may = must(d.replica().may_pin(channel, feed, head_of(c), last_of(c)));
  EXPECT_EQ(may.last, Number{5});
  EXPECT_EQ(may.dropped, 1u);
  must(d.replica().pin_feed(channel, feed, head_of(c), last_of(c), nullptr));
  d.store.sync();
  sync_everybody({&a, &b, &c, &d});
  expect_equal(texts_of({"said to Charlie", "and more"}, 3));
}

TEST_F(ForkPinned, rule_12_live_sessions_end_equal_without_another_word) {
  fork({"said to Bravo", "again"}, {"said to Charlie", "and more"}, 3, {&d});
  net.connect(b, c);
  net.connect(c, d);
  net.connect(b, d);
  net.connect(a, d);
  ASSERT_TRUE(net.run());
  must(d.replica().pin_feed(channel, feed, head_of(c), last_of(c), nullptr));
  ASSERT_TRUE(net.run());
  expect_equal(texts_of({"said to Charlie", "and more"}, 3));
}

TEST_F(ForkPinned, rule_12_sessions_that_began_in_dispute_bring_the_branch_once_it_is_chosen) {
  fork({"said to Bravo", "again"}, {"said to Charlie", "and more"}, 3, {&d});
  sync(b, c);
  sync(b, d);
  sync(c, d);
  expect_parted(d, {4});
  net.connect(c, d);
  ASSERT_TRUE(net.run());
  ASSERT_EQ(head_of(d), Number{3}) << "nothing above is told of, or taken";
  must(d.replica().pin_feed(channel, feed, head_of(c), last_of(c), nullptr));
  ASSERT_TRUE(net.run());
  EXPECT_EQ(d.text_set(channel), texts_of({"said to Charlie", "and more"}, 3));
  EXPECT_EQ(digest(c), digest(d));
}

TEST_F(ForkPinned, rule_12_a_pin_below_the_fork_leaves_both_branches_out) {
  fork({"said to Bravo"}, {"said to Charlie"}, 3, {&d});
  sync(b, c);
  sync(b, d);
  must(d.replica().pin_feed(channel, feed, {}, info(d).previous, nullptr));
  d.store.sync();
  sync_everybody({&a, &b, &c, &d});
  for (Party* each : {&a, &b, &c, &d}) {
    EXPECT_EQ(digest(*each), digest(d)) << each->name();
    EXPECT_EQ(each->replica().pin_of(feed)->last, Number{3});
  }
}

TEST_F(ForkPinned, rule_12_a_pin_before_the_proof_is_not_undone_by_it) {
  fork({"said to Bravo"}, {"said to Charlie", "and more"}, 3, {&d});
  sync(b, c);
  sync(b, d);
  const Bytes proof = *d.replica().fork_proof(channel, feed);
  // A member that has heard nothing: of the feed it holds the beginning.
  Party& e = net.add("Echo");
  introduce(d, e);
  must(d.replica().invite(channel, e.org(), Role::kMember, nullptr));
  d.store.sync();
  test::sync_once(d, e);
  must(e.replica().accept(channel, nullptr));
  e.store.sync();
  for (int i = 0; i < 3; ++i) test::sync_once(d, e);
  must(d.replica().pin_feed(channel, feed, head_of(c), last_of(c), nullptr));
  d.store.sync();
  test::sync_once(d, e);
  sync_everybody({&b, &c, &d});
  ASSERT_TRUE(e.replica().pin_of(feed));
  // Bravo was on the other branch and held the pin: now the proof comes a second time, and changes nothing.
  must(b.replica().take_fork_proof(channel, proof));
  b.store.sync();
  EXPECT_EQ(b.text_set(channel), texts_of({"said to Charlie", "and more"}, 3));
  const auto early = must(e.replica().take_fork_proof(channel, proof));
  e.store.sync();
  sync(e, d);
  sync(e, b);
  EXPECT_EQ(digest(e), digest(d)) << early.early;
}

TEST_F(ForkPinned, rule_12_a_pinned_member_on_the_other_branch_finds_the_fork_and_mends) {
  fork({"said to Bravo", "again"}, {"said to Charlie", "and more"}, 3, {&d});
  sync(c, d);  // the chair holds Charlie's branch, and hears of the other by its entry alone
  const auto entry = must(b.replica().read_entry(feed, {4}));
  EXPECT_EQ(must(d.replica().fork_candidate(channel, entry.view())), ForkStep::kProven);
  d.store.sync();
  must(d.replica().pin_feed(channel, feed, {}, last_of(d), nullptr));
  d.store.sync();
  // Bravo gets the chair's entry and no proof.
  const LogKey control = test::stored_channel(d, channel).control_log();
  ASSERT_TRUE(test::transfer(d, b, channel, control, LogType::kControl).ok());
  ASSERT_TRUE(b.replica().pin_of(feed));
  ASSERT_TRUE(b.replica().forks().empty());
  EXPECT_NE(digest(b), digest(d)) << "what differs is to be seen";
  sync(b, c);
  sync_everybody({&a, &b, &c, &d});
  expect_equal(texts_of({"said to Charlie", "and more"}, 3));
}

TEST_F(ForkPinned, rule_12_below_its_pin_a_feed_takes_the_chosen_branch_alone) {
  fork({"said to Bravo", "again"}, {"said to Charlie", "and more"}, 3, {&d});
  std::vector<Entry> wrong;
  for (const Number number : {Number{4}, Number{5}}) wrong.push_back(must(b.replica().read_entry(feed, number)));
  sync(b, c);
  sync(b, d);
  must(d.replica().pin_feed(channel, feed, head_of(c), last_of(c), nullptr));
  d.store.sync();
  EXPECT_EQ(code_of(test::give(d, channel, wrong)), "past_pin") << "it does not end in the entry that the pin names";
  EXPECT_EQ(head_of(d), Number{3});
  // One of the other branch, from somebody who has heard of nothing: it shows when the chosen one is to go on from it.
  wrong.pop_back();
  must(test::give(d, channel, wrong));
  d.store.sync();
  EXPECT_EQ(head_of(d), Number{4});
  EXPECT_TRUE(d.replica().is_disputed(feed, {4}));
  sync_everybody({&a, &b, &c, &d});
  expect_equal(texts_of({"said to Charlie", "and more"}, 3));
}

TEST_F(ForkPinned, rule_12_a_long_branch_goes_in_pieces_and_a_crash_in_between_is_made_good) {
  std::vector<std::string> first, second;
  for (int i = 0; i < 2500; ++i) first.push_back("Bravo " + std::to_string(i));
  second.emplace_back("said to Charlie");
  fork(first, second, 3, {&d});
  sync(b, c);
  sync(c, d);
  must(d.replica().pin_feed(channel, feed, head_of(c), last_of(c), nullptr));
  d.store.sync();
  const LogKey control = test::stored_channel(d, channel).control_log();
  ASSERT_TRUE(test::transfer(d, b, channel, control, LogType::kControl).ok());  // and syncs the store
  net.crash(b);
  EXPECT_EQ(b.replica().accepted_head(feed), Number{3});
  sync_everybody({&a, &b, &c, &d});
  expect_equal(texts_of({"said to Charlie"}, 3));
}

TEST_F(ForkPinned, rule_12_a_write_that_fails_while_a_branch_goes_is_made_again) {
  fork({"said to Bravo", "again"}, {"said to Charlie"}, 3, {&d});
  sync(b, c);
  sync(c, d);
  must(d.replica().pin_feed(channel, feed, head_of(c), last_of(c), nullptr));
  d.store.sync();
  const LogKey control = test::stored_channel(d, channel).control_log();
  // The chair's entry is durable; what it makes Bravo do is not.
  auto receiver = must(b.replica().receive(channel, control, LogType::kControl,
                                           b.replica().accepted_head(control).next(), std::nullopt));
  const auto record = *d.replica().log_record(control);
  must(d.replica().serve(control, b.replica().accepted_head(control).next(), record.head, 1 << 20,
                         [&](const StoredEntry& stored) {
                           const EntryView& entry = stored.entry;
                           must(receiver.add(entry.signature, {load_le64(&entry.header[16])}, entry.body));
                           return true;
                         }));
  must(receiver.commit(nullptr));
  b.store.persist();
  b.store.deliver();
  b.store.fail_next(environment_error(kStoreFailed, "no"));
  b.store.sync();
  net.clock.advance_ms(60'000);
  b.replica().handle_tick();
  b.store.sync();
  EXPECT_EQ(b.replica().accepted_head(feed), Number{3});
  sync_everybody({&a, &b, &c, &d});
  expect_equal(texts_of({"said to Charlie"}, 3));
}

TEST_F(ForkPinned, rule_13_receipts_of_another_branch_count_up_to_where_it_parts) {
  fork({"said to Bravo", "again", "and again"}, {"said to Charlie"}, 3, {&d});
  sync(b, d);
  net.run_for(120'000);
  sync(b, d);
  const auto told = [&](Party& at, Party& of) {
    for (const ReceiptInfo& receipt : at.replica().receipts(channel)) {
      if (receipt.node != of.node()) continue;
      const auto head = receipt.heads.find(feed);
      return head == receipt.heads.end() ? Number{} : head->second;
    }
    return Number{};
  };
  ASSERT_EQ(told(d, b), Number{6});
  sync(b, c);
  sync(c, d);
  EXPECT_EQ(told(d, b), Number{3}) << "what lies above may be another history";
  must(d.replica().pin_feed(channel, feed, head_of(c), last_of(c), nullptr));
  d.store.sync();
  sync_everybody({&a, &b, &c, &d});
  net.run_for(120'000);
  sync_everybody({&b, &c, &d});
  EXPECT_EQ(told(d, b), Number{4});
  for (Party* each : {&b, &c, &d}) {
    for (const std::string& warning : each->replica().status().warnings) {
      EXPECT_EQ(warning.find("checkpoints"), std::string::npos) << each->name() << ": " << warning;
    }
  }
}

// ---- Other logs

TEST_F(ForkLife, rule_12_a_chair_with_two_histories_is_told_of_and_followed_no_further) {
  const auto other = test::forge_epoch(d, channel, {&a, &b, &c, &d}, [](ControlState&) {});
  must(test::give_control(b, channel, other));
  b.store.sync();
  must(d.replica().rotate(channel, nullptr));
  d.store.sync();
  sync(d, c);
  feed = test::stored_channel(d, channel).control_log();
  sync(b, c);
  sync(b, a);
  const Number at = peek_number(other.front().view().header);
  for (Party* each : {&a, &b, &c}) {
    expect_parted(*each, at);
    EXPECT_EQ(info(*each).type, LogType::kControl);
    EXPECT_EQ(info(*each).org, d.org());
    EXPECT_FALSE(each->replica().wants_log(channel, feed, LogType::kControl)) << each->name();
  }
  EXPECT_EQ(digest(a), digest(b));
  EXPECT_EQ(digest(b), digest(c));
  sync(c, d);
  EXPECT_EQ(code_of(d.replica().rotate(channel, nullptr)), "frozen");
}

TEST_F(ForkLife, rule_12_a_fork_of_an_organisation_log_is_told_of_by_headers_alone) {
  const test::ExampleNode one = a.new_node("Alpha 2"), two = a.new_node("Alpha 3");
  const Entry other = a.log().make_certify(two.certificate, two.signing, net.clock.now(), a.roots().signers());
  a.certify(one);
  a.take_own_log();
  sync(a, b);
  feed = LogKey{a.org().bytes()};
  EXPECT_EQ(must(b.replica().fork_candidate(channel, other.view())), ForkStep::kProven);
  b.store.sync();
  const Number at = peek_number(other.view().header);
  expect_parted(b, at);
  // Charlie holds what comes before, and nothing of either branch.
  sync(b, c);
  expect_parted(c, at);
  EXPECT_EQ(info(c).org, a.org());
  EXPECT_EQ(digest(b), digest(c));
  Bytes forged = *b.replica().fork_proof(channel, feed);
  forged.back() ^= 1;
  EXPECT_EQ(code_of(d.replica().take_fork_proof(channel, forged)), "bad_signature");
  EXPECT_TRUE(d.replica().forks().empty());
}

TEST_F(ForkLife, rule_48_a_locked_node_takes_a_proof_and_knows_it_unlocked) {
  fork({"said to Bravo"}, {"said to Charlie"}, 3, {&d});
  sync(b, c);
  const Bytes proof = *b.replica().fork_proof(channel, feed);
  d.lock();
  must(d.replica().take_fork_proof(channel, proof));
  d.store.sync();
  expect_parted(d, {4});
  d.unlock();
  expect_parted(d, {4});
  EXPECT_EQ(digest(d), digest(b));
}

}  // namespace
}  // namespace tocsin::protocol
