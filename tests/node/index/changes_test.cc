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
  Arrival cursor() {
    world.feed_all(*index);
    return index->stats()->cursor;
  }
  using Titles = std::vector<std::string>;
};

TEST_F(Changes, what_came_was_corrected_or_withdrawn_since_is_there_and_the_rest_is_not) {
  const auto corrected = add("to correct", here), withdrawn = add("to withdraw", here),
             disputed = add("disputed", here);
  add("old", here);
  EXPECT_EQ(changed(*index, {}), Titles{});
  const Arrival then = cursor();
  EXPECT_EQ(changed(*index, {}).size(), 4u);
  EXPECT_EQ(changed(*index, then), Titles{});
  Report replacement = world.blank(1);
  replacement.title = "corrected";
  world.add(here, world.correction(1, corrected, replacement));
  world.add(here, world.withdrawal(1, withdrawn));
  world.add(here, world.dispute(2, disputed));
  add("new", here);
  const Arrival now = cursor();
  EXPECT_EQ(changed(*index, then), (Titles{"corrected", "to withdraw", "new"}));
  EXPECT_EQ(changed(*index, now), Titles{});
}

TEST_F(Changes, what_was_shared_on_is_new_in_that_channel_alone) {
  Report report = world.blank(1);
  report.title = "shared on";
  world.add(here, report);
  const Arrival then = cursor();
  world.add(there, report);
  cursor();
  EXPECT_EQ(changed(*index, then, there), Titles{"shared on"});
  EXPECT_EQ(changed(*index, then, here), Titles{});
  EXPECT_EQ(changed(*index, then), Titles{}) << "it was exported before";
}

TEST_F(Changes, what_is_taken_back_of_a_correction_is_a_change_too) {
  const auto id = add("first", here);
  Report replacement = world.blank(1);
  replacement.title = "second";
  const auto correction = world.add(here, world.correction(1, id, replacement));
  const Arrival then = cursor();
  ASSERT_EQ(changed(*index, {}), Titles{"second"});
  world.add(here, world.withdrawal(1, correction));
  cursor();
  EXPECT_EQ(changed(*index, then), Titles{"first"});
}

TEST_F(Changes, what_opens_late_comes_with_the_next_export_even_after_a_rebuild) {
  const ChannelId locked = world.channel(3, false);
  add("before", here);
  add("locked", locked);
  add("after", here);
  const Arrival then = cursor();
  EXPECT_EQ(then.value, 3u) << "what may never open holds nothing up";
  EXPECT_EQ(changed(*index, {}), (Titles{"before", "after"}));
  world.learn(locked);
  const auto ranges = *index->wanted();
  for (const auto& range : ranges) {
    ASSERT_TRUE(index->revisit(*world.chunk(range.first.value, range.last.value)));
  }
  EXPECT_EQ(changed(*index, then), Titles{"locked"});
  ASSERT_TRUE(index->clear());
  add("new", here);
  const Arrival now = cursor();
  EXPECT_EQ(changed(*index, then), (Titles{"locked", "new"}));
  EXPECT_EQ(changed(*index, now), Titles{});
}

}  // namespace
}  // namespace tocsin::index::test
