// The replica on its own and between two: making, writing, reading back, failing writes.
#include "protocol/replica.h"

#include <gtest/gtest.h>

#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/replica_world.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::Party;
using test::WorldClock;

TEST(Replica, a_new_node_has_its_private_channel) {
  WorldClock clock;
  Party a("Alpha", 1, clock);
  const auto channels = a.replica().channels();
  ASSERT_EQ(channels.size(), 1u);
  EXPECT_EQ(channels[0].id, a.replica().private_channel());
  EXPECT_EQ(channels[0].channel_class, ChannelClass::kPrivate);
  EXPECT_EQ(channels[0].standing, ChannelStanding::kJoined);
  EXPECT_EQ(channels[0].own_role, Role::kSteward);
  EXPECT_EQ(channels[0].epoch, Epoch{1});
  EXPECT_TRUE(channels[0].is_chair);
  a.crash();
  EXPECT_EQ(a.replica().channels().size(), 1u);
  EXPECT_EQ(a.replica().own_org().id(), a.org());
}

TEST(Replica, what_is_written_is_read_back_after_a_crash) {
  WorldClock clock;
  Party a("Alpha", 1, clock);
  const ChannelId own = a.replica().private_channel();
  a.write(own, "durable");
  a.store.sync();
  a.write(own, "lost");
  a.crash();
  EXPECT_EQ(a.texts(own), std::vector<std::string>{"durable"});
  a.write(own, "after");
  a.store.sync();
  EXPECT_EQ(a.texts(own), (std::vector<std::string>{"durable", "after"}));
}

TEST(Replica, three_organisations_share_a_channel) {
  WorldClock clock;
  Party a("Alpha", 1, clock), b("Bravo", 2, clock), c("Charlie", 3, clock);
  const ChannelId id = test::make_channel(a, {&b, &c});
  for (Party* party : {&a, &b, &c}) {
    const auto info = party->replica().channel(id);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->standing, ChannelStanding::kJoined) << party->name();
    EXPECT_EQ(info->members.size(), 3u);
    party->write(id, "from " + party->name());
    party->store.sync();
  }
  test::sync_all({&a, &b, &c});
  for (Party* party : {&a, &b, &c}) {
    EXPECT_EQ(party->text_set(id), (std::multiset<std::string>{"from Alpha", "from Bravo", "from Charlie"}));
    EXPECT_EQ(party->replica().frontier(id).digest(), a.replica().frontier(id).digest());
  }
}

}  // namespace
}  // namespace tocsin::protocol
