#include "node/reports/readers.h"

#include <gtest/gtest.h>

#include "tests/node/reports/generators.h"

namespace tocsin::tests {
namespace {

using namespace reports;

const std::vector<Reader> kReaders = {{filled<OrgId>(1), "Government of Myanmar", OrgKind::kGovernment, "MMR"},
                                      {filled<OrgId>(2), "An NGO in Yangon", OrgKind::kNgo, "MMR"},
                                      {filled<OrgId>(3), "Government of Bangladesh", OrgKind::kGovernment, "BGD"},
                                      {filled<OrgId>(4), "Government of Ghana", OrgKind::kGovernment, "GHA"},
                                      {filled<OrgId>(5), "UN in Myanmar", OrgKind::kUn, "MMR"}};

std::vector<std::string> warned(const Report& report) {
  std::vector<std::string> names;
  for (const auto& reader : government_warning(report, kReaders)) names.push_back(reader.name);
  return names;
}

Place in(const char* iso3) { return {iso3, "", "", {}, "", std::nullopt, GeoPrecision::kUnknown}; }

TEST(Readers, rule_53_governments_of_a_country_that_the_report_names_are_pointed_out) {
  Report report = plain_report();
  EXPECT_TRUE(warned(report).empty());
  report.places = {in("MMR")};
  EXPECT_EQ(warned(report), (std::vector<std::string>{"Government of Myanmar"}));
  report.places = {in("THA"), in("BGD")};
  EXPECT_EQ(warned(report), (std::vector<std::string>{"Government of Bangladesh"}));
}

TEST(Readers, rule_53_where_people_fled_from_and_to_counts) {
  Report report = plain_report(ReportKind::kDisplacement);
  auto& displacement = std::get<DisplacementDetails>(report.details);
  displacement.origin = in("MMR");
  displacement.destination = in("BGD");
  EXPECT_EQ(warned(report), (std::vector<std::string>{"Government of Myanmar", "Government of Bangladesh"}));
}

TEST(Readers, rule_53_a_correction_names_what_its_new_content_names) {
  Report replacement = plain_report();
  replacement.places = {in("GHA")};
  Report correction = plain_report(ReportKind::kCorrect);
  correction.details = CorrectDetails{filled<ReportId>(3), std::nullopt, "", *encode_report(replacement)};
  EXPECT_EQ(warned(correction), (std::vector<std::string>{"Government of Ghana"}));
}

}  // namespace
}  // namespace tocsin::tests
