// Two histories of one log (rule 12): a home that was set back writes other entries under numbers that it had used.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/session.h"
#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/pair.h"

namespace tocsin::protocol {
namespace {

using test::make_channel;
using test::must;
using test::Pair;
using test::Party;

struct Fork : testing::Test {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  Party& c = net.add("Charlie");
  ChannelId channel = make_channel(net, a, {&b, &c});
  LogKey feed;

  Pair::PipeOptions once() {
    Pair::PipeOptions options;
    options.live = options.callee_live = false;
    return options;
  }
  void sync(Party& one, Party& other) {
    net.connect(one, other, once());
    ASSERT_TRUE(net.run());
  }
  // A further member.
  Party& joined(std::string name) {
    Party& party = net.add(std::move(name));
    test::join(a, channel, party);
    test::sync_all({&a, &b, &c, &party});
    return party;
  }
  // Alpha writes `first`, which Bravo gets; then its disk is set back and it writes `second` in the same place, which
  // Charlie gets.
  void fork(const std::vector<std::string>& first, const std::vector<std::string>& second) {
    introduce(b, c);
    a.write(channel, "common");
    a.store.sync();
    for (const auto& [log, leaf] : a.replica().frontier(channel).leaves()) {
      const auto owner = a.table().feed_owner(log);
      if (owner && owner->node == a.node()) feed = log;
    }
    sync(a, b);
    sync(a, c);
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
  void expect_proven(Party& party) {
    EXPECT_EQ(party.replica().status().fork_proofs, 1u) << party.name();
    EXPECT_EQ(party.replica().log_record(feed)->frozen, 1) << party.name();
  }
};

TEST_F(Fork, rule_12_another_hash_of_one_number_is_proven_by_that_entry_alone) {
  fork({"said to Bravo"}, {"said to Charlie"});
  Pair::Connection& link = net.connect(b, c);
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(link.open) << "the author is to blame, not who tells";
  expect_proven(b);
  expect_proven(c);
  // What each of them holds stays as it is.
  EXPECT_EQ(b.texts(channel), (std::vector<std::string>{"common", "said to Bravo"}));
  EXPECT_EQ(c.texts(channel), (std::vector<std::string>{"common", "said to Charlie"}));
  // And it is not asked for again and again.
  const auto before = link.a.session->stats().bytes_out;
  link.a.session->resync();
  ASSERT_TRUE(net.run());
  EXPECT_LT(link.a.session->stats().bytes_out - before, 2000u);
}

TEST_F(Fork, rule_12_a_fork_below_the_newest_entries_is_found_when_they_do_not_fit) {
  fork({"said to Bravo"}, {"said to Charlie", "and more", "and more still"});
  Pair::Connection& link = net.connect(b, c);
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(link.open);
  expect_proven(b);
  expect_proven(c);
  EXPECT_EQ(b.texts(channel), (std::vector<std::string>{"common", "said to Bravo"}));
  EXPECT_EQ(c.texts(channel).size(), 4u);
  ASSERT_EQ(link.a.refused.size(), 1u);
  EXPECT_EQ(link.a.refused[0].code.text(), "bad_signature");
}

TEST_F(Fork, rule_12_the_proof_reaches_who_saw_one_branch_or_nothing_and_then_all_are_equal) {
  Party& d = joined("Delta");
  Party& e = joined("Echo");
  fork({"said to Bravo"}, {"said to Charlie", "and more"});
  for (Party* party : {&d, &e}) introduce(b, *party);
  sync(b, d);  // before anybody knows
  EXPECT_FALSE(d.replica().fork_of(feed));
  sync(b, c);
  sync(b, c);  // one that ends with the comparison may end before the other's proof is durable
  expect_proven(c);
  EXPECT_EQ(b.replica().fork_of(feed), Number{2}) << "where the two histories part";
  for (Party* party : {&d, &e}) {
    const bool holds_it = party->replica().accepted_head(feed).value != 0;
    EXPECT_EQ(holds_it, party == &d);
    Pair::Connection& link = net.connect(*party, b);
    ASSERT_TRUE(net.run());
    EXPECT_TRUE(link.open);
    expect_proven(*party);
    EXPECT_EQ(party->texts(channel), (std::vector<std::string>{"common", "said to Bravo"})) << party->name();
    EXPECT_EQ(party->replica().frontier(channel).digest(), c.replica().frontier(channel).digest())
        << "whatever each holds of the branches";
    link.a.session->close(ByeReason::kDone);
    ASSERT_TRUE(net.run());
  }
  d.crash();
  EXPECT_EQ(d.replica().fork_of(feed), Number{2}) << "after a restart";
  EXPECT_EQ(d.replica().frontier(channel).digest(), c.replica().frontier(channel).digest());
  EXPECT_EQ(d.replica().fork_proof(feed)->size(), kForkProofBytes);
}

TEST_F(Fork, rule_12_a_live_session_passes_a_proof_on_at_once) {
  Party& d = joined("Delta");
  fork({"said to Bravo"}, {"said to Charlie"});
  introduce(b, d);
  sync(b, d);
  net.connect(b, d);
  ASSERT_TRUE(net.run());
  net.connect(b, c);
  ASSERT_TRUE(net.run());
  expect_proven(b);
  expect_proven(d);
}

TEST_F(Fork, rule_12_what_is_no_proof_changes_nothing) {
  fork({"said to Bravo"}, {"said to Charlie"});
  sync(b, c);
  const Bytes proof = *b.replica().fork_proof(feed);
  constexpr std::size_t kHalf = kForkProofBytes / 2;
  const auto given = [&](Party& to, const ChannelId& in, Bytes bytes) {
    return test::code_of(to.replica().take_fork_proof(in, feed, bytes));
  };
  Bytes twice = proof;
  std::copy(proof.begin(), proof.begin() + kHalf, twice.begin() + kHalf);
  Bytes forged = proof;
  forged[kHalf + 120] ^= 1;  // body hash
  Bytes unsigned_one = proof;
  unsigned_one.back() ^= 1;
  Bytes other_number = proof;
  other_number[kHalf + 8] ^= 1;
  // Alpha's disk was set back: it knows nothing of what it told Bravo.
  for (const Bytes& bytes : {twice, forged, unsigned_one, other_number, Bytes(proof.begin(), proof.end() - 1)}) {
    EXPECT_THAT((std::vector<std::string>{"bad_entry", "bad_signature"}), testing::Contains(given(a, channel, bytes)));
  }
  EXPECT_EQ(given(a, a.replica().private_channel(), proof), "not_acceptable");
  const LogKey unknown = crypto::random_fixed<LogKey>(a.random());
  EXPECT_EQ(test::code_of(a.replica().take_fork_proof(channel, unknown, proof)), "not_acceptable");
  EXPECT_FALSE(a.replica().fork_of(feed));
  EXPECT_EQ(a.replica().status().fork_proofs, 0u);
  EXPECT_EQ(given(a, channel, proof), "ok");
  a.store.sync();
  expect_proven(a);
  EXPECT_EQ(given(a, channel, proof), "ok") << "twice changes nothing";
  EXPECT_EQ(a.replica().status().fork_proofs, 1u);
}

TEST_F(Fork, TheAuthorThatWasSetBackLearnsOfItToo) {
  fork({"said to Bravo"}, {"said to Charlie"});
  Pair::Connection& link = net.connect(a, b);
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(link.open);
  expect_proven(a);
  expect_proven(b);
  EXPECT_TRUE(link.a.session->settled());
}

}  // namespace
}  // namespace tocsin::protocol
