#include "crypto/padme.h"

#include <gtest/gtest.h>

namespace tocsin::crypto {
namespace {

TEST(Padme, rule_40_known_sizes) {
  const std::pair<std::size_t, std::size_t> known[] = {
      {0, 0},         {1, 1},         {2, 2},         {3, 3},
      {7, 7},         {8, 8},         {9, 10},        {17, 18},
      {100, 104},     {1000, 1024},   {1004, 1024},   {4097, 4352},
      {47104, 47104}, {47105, 49152}, {65536, 65536}, {1000000000, 1006632960}};
  for (const auto& [size, padded] : known) EXPECT_EQ(padme(size), padded) << size;
}

TEST(Padme, rule_40_never_smaller_never_decreasing_at_most_an_eighth_more) {
  std::size_t last = 0;
  for (std::size_t size = 0; size < 200'000; ++size) {
    const std::size_t padded = padme(size);
    ASSERT_GE(padded, size);
    ASSERT_GE(padded, last);
    ASSERT_LE(padded - size, size / 8 + 1) << size;
    ASSERT_EQ(padme(padded), padded) << size;
    last = padded;
  }
}

TEST(Padme, rule_40_few_sizes_are_left) {
  std::size_t sizes = 0;
  for (std::size_t size = 1; size <= 49'152; size = padme(size + 1)) ++sizes;
  EXPECT_LT(sizes, 200u);
}

}  // namespace
}  // namespace tocsin::crypto
