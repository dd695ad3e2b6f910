// How long private halves of prekeys are kept (rule 32).
#include <gtest/gtest.h>

#include "node/host/identity.h"

namespace tocsin::host {
namespace {

using protocol::Time;

struct Prekeys : testing::Test {
  crypto::SystemRandom random;
  store::Tier2 tier2 = store::Tier2::generate(random);
  std::uint32_t january = (2026 - 1970) * 12;

  std::vector<std::uint32_t> months() const {
    std::vector<std::uint32_t> out;
    for (const auto& [month, secret] : tier2.prekeys) out.push_back(month - january);
    return out;
  }
  Time days_after(std::uint32_t month, std::int64_t days) { return {end_of_month(month).ms + days * kDayMs}; }
};

TEST_F(Prekeys, a_month_ends_where_the_next_begins) {
  EXPECT_EQ(end_of_month(0).ms, 31 * kDayMs);
  EXPECT_EQ(protocol::month_of(end_of_month(january)), january + 1);
  EXPECT_EQ(protocol::month_of({end_of_month(january + 11).ms - 1}), january + 11);
}

TEST_F(Prekeys, rule_32_there_is_one_for_each_of_twelve_months_ahead) {
  EXPECT_TRUE(add_prekeys(tier2, days_after(january, 0), random));
  EXPECT_EQ(months(), (std::vector<std::uint32_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  EXPECT_FALSE(add_prekeys(tier2, days_after(january, 1), random));
  EXPECT_TRUE(add_prekeys(tier2, days_after(january + 1, 0), random));
  EXPECT_EQ(months().back(), 13u);
}

TEST_F(Prekeys, rule_32_a_private_half_goes_90_days_after_its_month_once_a_later_one_was_used) {
  add_prekeys(tier2, days_after(january, -5), random);
  const Time late = days_after(january, 90);
  EXPECT_FALSE(erase_old_prekeys(tier2, late, std::nullopt)) << "none has been used";
  EXPECT_FALSE(erase_old_prekeys(tier2, late, january)) << "a later one has to have been used";
  EXPECT_FALSE(erase_old_prekeys(tier2, {late.ms - 1}, january + 3)) << "not yet 90 days";
  EXPECT_TRUE(erase_old_prekeys(tier2, late, january + 3));
  EXPECT_EQ(months().front(), 1u);
  EXPECT_EQ(months().size(), 11u);
  EXPECT_FALSE(erase_old_prekeys(tier2, days_after(january + 60, 0), january + 4))
      << "nothing has come for long, or the clock runs ahead: what was wrapped to them may still come";
  EXPECT_TRUE(erase_old_prekeys(tier2, days_after(january + 7, 0), january + 7));
  EXPECT_EQ(months().front(), 5u) << "June has ended 60 days ago";
}

TEST_F(Prekeys, there_are_never_more_than_the_key_file_holds) {
  for (std::uint32_t month = 0; month < 100; ++month) add_prekeys(tier2, days_after(january + month, 0), random);
  EXPECT_EQ(tier2.prekeys.size(), store::kPrekeysKeptMax);
}

}  // namespace
}  // namespace tocsin::host
