#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "node/exchange/csv.h"
#include "node/exchange/format.h"
#include "tests/node/exchange/files.h"
#include "tests/node/reports/generators.h"

namespace tocsin::tests {
namespace {

using namespace exchange;
using nlohmann::json;

Report placed(double latitude, double longitude) {
  Report report = plain_report();
  report.places.push_back(
      {"MMR", "Rakhine State", "", {"MMR012"}, "Tula Toli", Point{latitude, longitude}, GeoPrecision::kNear});
  return report;
}

TEST(Export, formats_are_listed_by_name) {
  EXPECT_EQ(import_format_names(), "json, ndjson, ged");
  EXPECT_EQ(export_format_names(), "json, ndjson, csv, geojson");
  EXPECT_EQ(find_format("acled"), nullptr);
  EXPECT_EQ(find_format("csv")->parse, nullptr);
  EXPECT_EQ(find_format("ged")->write, nullptr);
}

TEST(Export, json_is_one_document_with_the_strictest_marking) {
  Report strict = plain_report();
  strict.tlp = Tlp::kRed;
  const json whole = json::parse(exported("json", {plain_report(), strict}));
  EXPECT_EQ(whole["items"].size(), 2u);
  EXPECT_EQ(whole["items"][0]["tlp"], "AMBER");
  EXPECT_EQ(whole["tlp"], "RED");
  const json none = json::parse(exported("json", {}));
  EXPECT_TRUE(none["items"].empty());
  EXPECT_TRUE(none["tlp"].is_null());
}

TEST(Export, geojson_has_longitude_first_and_null_without_a_place) {
  Report two = placed(21.1, 92.3);
  two.places.push_back({"BGD", "", "", {}, "", Point{21.2, 92.1}, GeoPrecision::kUnknown});
  const json whole = json::parse(exported("geojson", {placed(21.1, 92.3), plain_report(), two}));
  EXPECT_EQ(whole["type"], "FeatureCollection");
  EXPECT_FALSE(whole.contains("crs"));
  ASSERT_EQ(whole["features"].size(), 3u);
  const json& feature = whole["features"][0];
  EXPECT_EQ(feature["type"], "Feature");
  EXPECT_EQ(feature["geometry"], json::parse(R"({"type":"Point","coordinates":[92.3,21.1]})"));
  EXPECT_EQ(feature["properties"]["tlp"], "AMBER");
  EXPECT_EQ(feature["id"], feature["properties"]["id"]);
  EXPECT_TRUE(whole["features"][1]["geometry"].is_null());
  EXPECT_EQ(whole["features"][2]["geometry"]["type"], "MultiPoint");
  EXPECT_EQ(whole["tlp"], "AMBER");
}

TEST(Export, csv_begins_with_id_kind_title_tlp_and_guards_formulas) {
  Report report = placed(-21.5, -92.3);
  report.title = "=HYPERLINK(\"http://evil\")";
  report.text = "two\nlines, \"quoted\"";
  std::get<IncidentDetails>(report.details).deaths_best = 3;
  const std::string text = exported("csv", {report, plain_report()});
  EXPECT_EQ(text.substr(0, 18), "id,kind,title,tlp,");
  EXPECT_EQ(text.substr(text.size() - 2), "\r\n");
  CsvTable table(as_bytes(text));
  ASSERT_FALSE(table.open());
  ASSERT_TRUE(table.next());
  ASSERT_FALSE(table.row().fault) << table.row().fault->detail;
  EXPECT_EQ(table.cell("id").size(), 64u);
  EXPECT_EQ(table.cell("kind"), "incident");
  EXPECT_EQ(table.cell("title"), "'=HYPERLINK(\"http://evil\")");
  EXPECT_EQ(table.cell("tlp"), "AMBER");
  EXPECT_EQ(table.cell("text"), "two\nlines, \"quoted\"");
  EXPECT_EQ(table.cell("latitude"), "-21.5");
  EXPECT_EQ(table.cell("deaths_best"), "3");
  EXPECT_EQ(table.cell("likelihood"), "");
  EXPECT_EQ(table.cell("severity"), "Unknown");
  ASSERT_TRUE(table.next());
  EXPECT_EQ(table.cell("latitude"), "");
  EXPECT_FALSE(table.next());
}

TEST(Export, rule_51_exports_carry_a_sources_grade_and_no_name) {
  Report report = plain_report();
  report.sources = {{filled<SourceReference>(0xab), Reliability::kB, Credibility::k2}};
  const std::string text = exported("csv", {report});
  CsvTable table(as_bytes(text));
  ASSERT_FALSE(table.open());
  ASSERT_TRUE(table.next());
  EXPECT_EQ(table.cell("sources"), "B2");
  const json whole = json::parse(exported("json", {report}));
  const json& source = whole["items"][0]["sources"][0];
  EXPECT_EQ(source.size(), 3u);
  EXPECT_EQ(source["reference"], "abababababababababababababababab");
}

TEST(Export, a_full_disk_is_passed_on) {
  auto writer = find_format("json")->write(
      [](std::string_view) -> Result<void> { return environment_error("disk_full", "make room"); });
  EXPECT_EQ(writer->begin().error().detail, "make room");
}

RC_GTEST_PROP(Export, every_report_can_be_written_in_every_format, ()) {
  const Report report = any_report();
  RC_ASSERT(json::parse(exported("json", {report})).is_object());
  RC_ASSERT(json::parse(exported("ndjson", {report})).is_object());
  RC_ASSERT(json::parse(exported("geojson", {report})).is_object());
  const std::string text = exported("csv", {report});
  CsvTable table(as_bytes(text));
  RC_ASSERT(!table.open());
  RC_ASSERT(table.next());
  RC_ASSERT(!table.row().fault);
}

}  // namespace
}  // namespace tocsin::tests
