// Two histories of one log (rule 12): a home that was set back writes other entries under numbers that it had used.
#include <gtest/gtest.h>

#include "protocol/session.h"
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
  EXPECT_EQ(b.texts(channel), (std::vector<std::string>{"common", "said to Bravo"}));
  EXPECT_EQ(c.texts(channel).size(), 4u);
  ASSERT_EQ(link.a.refused.size(), 1u);
  EXPECT_EQ(link.a.refused[0].code.text(), "bad_signature");
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
