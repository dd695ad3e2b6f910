// A node without its second tier: it takes, stores and passes on, and neither reads nor signs; once it is unlocked it
// stands where it would have stood (rule 48).
#include <gtest/gtest.h>

#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/forged_control.h"
#include "tests/support/forged_feed.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::forge_epoch;
using test::ForgedFeed;
using test::give_control;
using test::introduce;
using test::join;
using test::make_channel;
using test::must;
using test::Party;
using test::sync_all;
using test::WorldClock;

using Texts = std::multiset<std::string>;

struct LockedNode : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock}, c{"Charlie", 3, clock};

  void write(Party& party, const ChannelId& id, std::string_view text) {
    party.write(id, text);
    party.store.sync();
  }
  bool warns(Party& party, std::string_view words) {
    for (const auto& warning : party.replica().status().warnings) {
      if (warning.find(words) != std::string::npos) return true;
    }
    return false;
  }
  // One entry alone, as one range.
  Result<void> give(Party& to, const ChannelId& id, Entry entry) {
    std::vector<Entry> entries;
    entries.push_back(std::move(entry));
    return test::give(to, id, entries);
  }
};

TEST_F(LockedNode, rule_48_it_stores_and_passes_on_what_it_cannot_read) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(a, id, "before");
  sync_all({&a, &b, &c});
  b.lock();
  write(a, id, "while locked");
  sync_all({&a, &b});
  EXPECT_TRUE(b.texts(id).empty()) << "a locked node opens nothing, new or old";
  sync_all({&b, &c});
  EXPECT_EQ(c.text_set(id), (Texts{"before", "while locked"})) << "it came through the locked node alone";
  b.unlock();
  EXPECT_EQ(b.text_set(id), (Texts{"before", "while locked"}));
}

TEST_F(LockedNode, rule_48_it_signs_nothing) {
  const ChannelId id = make_channel(a, {&b});
  b.lock();
  const auto entries = b.store.entry_count();
  clock.advance_days(40);
  sync_all({&a, &b});
  EXPECT_EQ(code_of(b.replica().append(id, {}, nullptr)), "locked");
  EXPECT_EQ(code_of(b.replica().may_append(id)), "locked");
  EXPECT_EQ(code_of(b.replica().own_card({})), "locked");
  EXPECT_EQ(code_of(b.replica().create_channel({"x"}, nullptr)), "locked");
  EXPECT_FALSE(b.replica().own_receipt(id));
  EXPECT_TRUE(b.replica().own_prekeys().empty());
  EXPECT_TRUE(b.replica().mail_for(a.org(), a.node()).empty());
  for (const auto& record : b.replica().channel_logs(id)) {
    const auto owner = b.table().feed_owner(record.log);
    EXPECT_FALSE(owner && owner->node == b.node());
  }
  EXPECT_GT(b.store.entry_count(), entries) << "the chair's new epoch came all the same";
}

TEST_F(LockedNode, what_came_under_a_new_key_and_from_a_new_member_is_read_once_it_is_unlocked) {
  const ChannelId id = make_channel(a, {&b});
  b.lock();
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  join(a, id, c);
  write(a, id, "a, new key");
  write(c, id, "c, a feed of unknown owner");
  sync_all({&a, &c});
  sync_all({&a, &b});
  b.crash();  // locked still: a power loss changes nothing
  EXPECT_TRUE(b.texts(id).empty());
  b.unlock();
  EXPECT_EQ(b.text_set(id), (Texts{"a, new key"})) << "whose the other feed is nobody here can tell yet";
  b.crash();
  sync_all({&a, &b});  // the log of the organisation that joined
  EXPECT_EQ(b.text_set(id), (Texts{"a, new key", "c, a feed of unknown owner"}));
  EXPECT_EQ(b.replica().channel(id)->members.size(), 3u);
  write(b, id, "b, back");
  sync_all({&a, &b, &c});
  EXPECT_EQ(a.text_set(id), (Texts{"a, new key", "c, a feed of unknown owner", "b, back"}));
  b.crash();
  EXPECT_EQ(b.texts(id).size(), 3u) << "what was found out is in the records";
}

TEST_F(LockedNode, a_removal_that_came_while_locked_is_known_afterwards) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(c, id, "good");
  sync_all({&a, &b, &c});
  b.lock();
  must(a.replica().remove_member(id, c.org(), nullptr));
  a.store.sync();
  write(c, id, "past its pin");
  sync_all({&a, &b});
  b.unlock();
  sync_all({&b, &c});
  EXPECT_EQ(b.text_set(id), (Texts{"good"}));
  EXPECT_EQ(b.replica().channel(id)->members.size(), 2u);
}

TEST_F(LockedNode, a_chair_that_was_locked_answers_who_accepted_meanwhile) {
  const ChannelId id = make_channel(a, {&b});
  introduce(a, c);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_all({&a, &c});
  a.lock();
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  sync_all({&a, &b, &c});
  EXPECT_EQ(c.replica().channel(id)->standing, ChannelStanding::kAccepting);
  a.unlock();
  sync_all({&a, &b, &c});
  EXPECT_EQ(c.replica().channel(id)->standing, ChannelStanding::kJoined);
}

// What an unlocked node would have refused is found out when it is unlocked; it costs the channel, not the node.
TEST_F(LockedNode, rule_48_a_chair_that_signs_nonsense_keeps_no_node_from_starting) {
  const ChannelId id = make_channel(a, {&b});
  const ChannelId other = make_channel(c, {&b});
  b.lock();
  const auto nonsense = forge_epoch(a, id, {&a, &b}, [](ControlState& state) { state.term = 7; });
  must(give_control(b, id, nonsense));
  write(c, other, "from another channel");
  sync_all({&b, &c});
  b.unlock();
  EXPECT_EQ(b.text_set(other), (Texts{"from another channel"}));
  EXPECT_TRUE(warns(b, "says nothing valid"));
  EXPECT_FALSE(b.replica().wants_log(id, b.replica().channel_logs(id).front().log, LogType::kControl));
  b.crash();
  EXPECT_TRUE(warns(b, "says nothing valid")) << "and the next start";
  write(b, other, "it goes on");
  sync_all({&b, &c});
  EXPECT_EQ(c.text_set(other), (Texts{"from another channel", "it goes on"}));
}

TEST_F(LockedNode, rule_21_its_own_feed_goes_on_however_often_it_is_started) {
  const ChannelId id = make_channel(a, {&b});
  b.lock();
  join(a, id, c);
  write(c, id, "a feed of unknown owner");
  sync_all({&a, &c});
  sync_all({&a, &b});
  b.unlock();  // the log of the organisation that joined is still missing
  for (int i = 0; i < 5; ++i) {
    write(b, id, "once more");
    b.crash();
  }
  std::size_t own = 0;
  for (const auto& record : b.replica().channel_logs(id)) {
    const auto owner = b.table().feed_owner(record.log);
    own += owner && owner->node == b.node();
  }
  EXPECT_EQ(own, 1u);
  sync_all({&a, &b});
  EXPECT_EQ(b.texts(id).size(), 6u);
}

TEST_F(LockedNode, rule_15_a_member_cannot_fill_a_locked_node_with_feeds_of_nobody) {
  const ChannelId id = make_channel(a, {&b, &c});
  b.lock();
  std::size_t taken = 0;
  std::string code;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    ForgedFeed feed(a, id, 1000 + seed);
    const auto given = give(b, id, feed.next(a.replica().channel(id)->epoch, "no certificate"));
    taken += given.ok();
    if (!given) code = given.error().code.text();
  }
  EXPECT_EQ(taken, kNamelessLockedMax);
  EXPECT_EQ(code, "not_acceptable");
}

// A peer chooses where the copy of a feed begins; that must not end the feed of an honest writer.
TEST_F(LockedNode, rule_12_a_feed_that_was_given_without_its_beginning_is_not_ended) {
  const ChannelId id = make_channel(a, {&b, &c});
  write(c, id, "good");
  b.lock();
  sync_all({&b, &c});
  ForgedFeed feed(c, id);
  must(give(b, id, feed.next(c.replica().channel(id)->epoch, "whose it is stands elsewhere")));
  b.unlock();
  EXPECT_EQ(b.replica().log_record(feed.log())->frozen, 0);
  EXPECT_FALSE(b.replica().pin_of(feed.log()));
  write(c, id, "it goes on");
  sync_all({&b, &c});
  EXPECT_EQ(b.text_set(id), (Texts{"good", "it goes on"}));
}

}  // namespace
}  // namespace tocsin::protocol
