// The vocabulary of countries against the table that it is made from.
#include <gtest/gtest.h>

#include "node/exchange/csv.h"
#include "node/reports/vocab.h"
#include "tests/node/exchange/files.h"

namespace tocsin::tests {
namespace {

using namespace reports;

TEST(Countries, they_agree_with_the_published_table) {
  const std::string file = test_file("places/country-codes.csv");
  exchange::CsvTable table(as_bytes(file));
  ASSERT_FALSE(table.open());
  std::size_t rows = 0;
  while (table.next()) {
    ASSERT_FALSE(table.row().fault) << table.row().fault->detail;
    ++rows;
    const std::string iso3(table.cell("ISO3166-1-Alpha-3"));
    const Country* country = find_country(iso3);
    ASSERT_TRUE(country) << iso3;
    EXPECT_EQ(country->iso2, table.cell("ISO3166-1-Alpha-2"));
    EXPECT_EQ(std::to_string(country->numeric), table.cell("ISO3166-1-numeric"));
    EXPECT_FALSE(country->user_assigned);
    EXPECT_EQ(parse_country(country->iso2), country);
    EXPECT_EQ(parse_country(country->name), country);
  }
  std::size_t assigned = 0;
  for (const Country& country : countries()) assigned += country.user_assigned ? 1 : 0;
  EXPECT_EQ(countries().size(), rows + assigned);
}

}  // namespace
}  // namespace tocsin::tests
