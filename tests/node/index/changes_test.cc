// What an export that goes on from an earlier one asks for: everything that has changed since, and nothing lost.
#include <gtest/gtest.h>

#include "tests/node/index/world.h"

namespace tocsin::index::test {
namespace {

using namespace protocol;

std::vector<std::string> changed(Index& index, Arrival since, std::optional<ChannelId> channel = {}) {
  ReportQuery query;
  query.changed_since = since;
  query.channel = channel;
  query.order = Order::kOldestFirst;
  std::vector<std::string> out;
  const auto page = index.list(query);
  EXPECT_TRUE(page);
  for (const auto& row : page->rows) out.push_back(row.title);
  EXPECT_EQ(*index.count(query), out.size());
  return out;
}

struct Changes : testing::Test {
  World world;
  ChannelId here = world.channel(1), there = world.channel(2);
  std::unique_ptr<Index> index = world.make_index();
  ReportId add(const std::string& title, const ChannelId& channel) {
    Report report = world.blank(1);
    report.title = title;
    return world.add(channel, report);
  }
  Arrival settled() {
    world.feed_all(*index);
    return index->stats()->settled;
  }
  using Titles = std::vector<std::string>;
};

TEST_F(Changes, what_came_was_corrected_or_withdrawn_since_is_there_and_the_rest_is_not) {
  const auto corrected = add("to correct", here), withdrawn = add("to withdraw", here),
             disputed = add("disputed", here);
  add("old", here);
  EXPECT_EQ(changed(*index, {}), Titles{});
  const Arrival then = settled();
  EXPECT_EQ(changed(*index, {}).size(), 4u);
  EXPECT_EQ(changed(*index, then), Titles{});
  Report replacement = world.blank(1);
  replacement.title = "corrected";
  world.add(here, world.correction(1, corrected, replacement));
  world.add(here, world.withdrawal(1, withdrawn));
  world.add(here, world.dispute(2, disputed));
  add("new", here);
  const Arrival now = settled();
  EXPECT_EQ(changed(*index, then), (Titles{"corrected", "to withdraw", "new"}));
  EXPECT_EQ(changed(*index, now), Titles{});
}

TEST_F(Changes, what_was_shared_on_is_new_in_that_channel_alone) {
  Report report = world.blank(1);
  report.title = "shared on";
  world.add(here, report);
  const Arrival then = settled();
  world.add(there, report);
  settled();
  EXPECT_EQ(changed(*index, then, there), Titles{"shared on"});
  EXPECT_EQ(changed(*index, then, here), Titles{});
  EXPECT_EQ(changed(*index, then), Titles{}) << "it was exported before";
}

TEST_F(Changes, what_waits_for_a_key_keeps_the_cursor_below_it) {
  const ChannelId locked = world.channel(3, false);
  add("before", here);
  add("locked", locked);
  add("after", here);
  const Arrival then = settled();
  EXPECT_EQ(then.value, 1u);
  EXPECT_EQ(changed(*index, {}), (Titles{"before", "after"}));
  world.learn(locked);
  const auto ranges = *index->wanted();
  for (const auto& range : ranges) {
    ASSERT_TRUE(index->revisit(*world.chunk(range.first.value, range.last.value)));
  }
  EXPECT_EQ(changed(*index, then), (Titles{"locked", "after"}));
  EXPECT_EQ(settled().value, 3u);
}

}  // namespace
}  // namespace tocsin::index::test
