#include "protocol/channel_info.h"

#include <gtest/gtest.h>

namespace tocsin::protocol {
namespace {

TEST(ChannelWords, classes_and_roles_are_read_back) {
  for (const auto value :
       {ChannelClass::kShared, ChannelClass::kAlert, ChannelClass::kPublic, ChannelClass::kPrivate}) {
    EXPECT_EQ(parse_channel_class(to_string(value)), value);
  }
  for (const auto value : {Role::kSteward, Role::kMember, Role::kReader, Role::kContributor}) {
    EXPECT_EQ(parse_role(to_string(value)), value);
  }
  EXPECT_EQ(parse_channel_class("unknown"), std::nullopt);
  EXPECT_EQ(parse_role("Member"), std::nullopt);
  EXPECT_EQ(to_string(static_cast<Role>(77)), "unknown");
  EXPECT_EQ(to_string(static_cast<ChannelClass>(77)), "unknown");
}

TEST(ChannelWords, standings_have_the_names_that_scripts_rely_on) {
  EXPECT_EQ(to_string(ChannelStanding::kInvited), "invited");
  EXPECT_EQ(to_string(ChannelStanding::kAccepting), "accepting");
  EXPECT_EQ(to_string(ChannelStanding::kJoined), "joined");
  EXPECT_EQ(to_string(ChannelStanding::kRemoved), "removed");
  EXPECT_EQ(to_string(ChannelStanding::kRefused), "refused");
}

TEST(ChannelWords, only_stewards_and_members_write) {
  EXPECT_TRUE(may_write(Role::kSteward));
  EXPECT_TRUE(may_write(Role::kMember));
  EXPECT_FALSE(may_write(Role::kReader));
  EXPECT_FALSE(may_write(Role::kContributor));
  EXPECT_FALSE(may_write(Role::kUnknown));
}

}  // namespace
}  // namespace tocsin::protocol
