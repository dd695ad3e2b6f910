#include "node/reports/report_json.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/node/reports/generators.h"

namespace tocsin::tests {
namespace {

using namespace reports;

std::string problems_of(std::string_view text) {
  const auto parsed = parse_report_json(text);
  return parsed ? codes(parsed->findings.problems)
                : std::string(parsed.error().code.text()) + " " + parsed.error().detail;
}

RC_GTEST_PROP(ReportJson, every_report_comes_back_but_for_its_salt, ()) {
  Report report = any_report();
  RC_PRE(report.kind != ReportKind::kCorrect);  // its replacement's bytes are more than its words
  const std::vector<std::string> audience = {"rakhine", any_text(5)};
  const ReportId id = any_fixed<ReportId>();
  const auto parsed = parse_report_json(to_json(report, {id, audience}));
  RC_ASSERT(parsed.ok());
  RC_ASSERT(codes(parsed->findings.problems) == "");
  RC_ASSERT(codes(parsed->findings.advice) == "");
  RC_ASSERT(parsed->id == id);
  RC_ASSERT(parsed->audience == audience);
  report.salt = {};
  RC_ASSERT(parsed->report == report);
}

RC_GTEST_PROP(ReportJson, any_text_is_answered, (const std::string& text)) {
  (void)parse_report_json(text);
  (void)parse_report_json("{" + text + "}");
}

RC_GTEST_PROP(ReportJson, any_values_under_known_names_are_answered, ()) {
  const std::string whole = to_json(any_report(), {});
  Json object = Json::parse(whole);
  static const std::vector<std::string> kValues = {"null",        "true", "-1", "1e300", "18446744073709551615",
                                                   "\"\\u0000\"", "[]",   "{}", "[[1]]", "[{}]",
                                                   "{\"a\":{}}",  "\"x\""};
  for (const auto& [key, value] : object.items()) {
    value = Json::parse(kValues[*rc::gen::inRange<std::size_t>(0, kValues.size())]);
  }
  parse_report_value(object);
}

TEST(ReportJson, names_are_those_of_the_domain) {
  Report report = plain_report();
  report.places.push_back(
      {"MMR", "Rakhine State", "Maungdaw District", {"MMR012"}, "Tula Toli", Point{21.1, 92.3}, GeoPrecision::kNear});
  report.severity = Severity::kSevere;
  report.indicators = {{8, 3}};
  report.sources = {{filled<SourceReference>(0xab), Reliability::kB, Credibility::k2}};
  std::get<IncidentDetails>(report.details).deaths_best = 12;
  const Json json = Json::parse(to_json(report, {filled<ReportId>(0x11), {"rakhine"}}));
  EXPECT_EQ(json["id"], std::string(64, '1'));
  EXPECT_EQ(json["kind"], "incident");
  EXPECT_EQ(json["status"], "Actual");
  EXPECT_EQ(json["tlp"], "AMBER");
  EXPECT_EQ(json["audience"], Json::array({"rakhine"}));
  EXPECT_EQ(json["place"]["iso3"], "MMR");
  EXPECT_EQ(json["place"]["latitude"], 21.1);
  EXPECT_EQ(json["place"]["geo_precision"], "near");
  EXPECT_EQ(json["severity"], "Severe");
  EXPECT_EQ(json["urgency"], "Unknown");
  EXPECT_TRUE(json["likelihood"].is_null());
  EXPECT_EQ(json["indicators"], Json::array({"8.3"}));
  EXPECT_EQ(json["sources"][0]["reliability"], "B");
  EXPECT_EQ(json["sources"][0]["credibility"], 2);
  EXPECT_EQ(json["created"], "2020-09-13T12:26:40Z");
  EXPECT_EQ(json["incident"]["deaths_best"], 12);
  EXPECT_EQ(json.begin().key(), "id");
}

TEST(ReportJson, what_is_wrong_is_said_field_by_field) {
  EXPECT_EQ(problems_of(R"({"kind":"incident","titel":"x"})"), "titel=unknown_field");
  EXPECT_EQ(problems_of(R"({"kind":"alarm"})"), "kind=not_in_vocabulary");
  EXPECT_EQ(problems_of(R"({"kind":"incident","title":7,"severity":"Terrible","created":"yesterday"})"),
            "created=bad_time severity=not_in_vocabulary title=wrong_type");
  EXPECT_EQ(problems_of(R"({"kind":"incident","place":{"latitude":1}})"), "place.longitude=missing");
  EXPECT_EQ(problems_of(R"({"kind":"incident","place":{"iso3":"XYZ"}})"), "place.iso3=not_in_vocabulary");
  EXPECT_EQ(problems_of(R"({"kind":"incident","incident":{"deaths_best":-1}})"), "incident.deaths_best=out_of_range");
  EXPECT_EQ(problems_of(R"({"kind":"incident","incident":{"deaths_best":1.5}})"), "incident.deaths_best=wrong_type");
  EXPECT_EQ(problems_of(R"({"kind":"incident","alert":{}})"), "alert=wrong_kind");
  EXPECT_EQ(problems_of(R"({"kind":"incident","indicators":["8.3","99.1"]})"), "indicators[1]=not_in_vocabulary");
  EXPECT_EQ(problems_of(R"({"kind":"incident","sources":[{"name":"Ma Aye"}]})"),
            "sources[0].reference=missing sources[0].name=unknown_field");
  EXPECT_EQ(problems_of(R"({"kind":"dispute","dispute":{"target":"12"}})"), "dispute.target=bad_id");
}

TEST(ReportJson, a_strange_field_name_is_not_repeated) {
  const auto parsed = parse_report_json("{\"\\u001b[2J\":1}");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(codes(parsed->findings.problems), "?=unknown_field");
}

TEST(ReportJson, what_is_no_json_is_placed_by_line_and_column) {
  EXPECT_EQ(problems_of("{\"kind\":\n  \"é\", x}"),
            "json_syntax line 2, column 8: not JSON; a report is one object in braces");
  EXPECT_EQ(problems_of("[1]").substr(0, 11), "json_syntax");
  EXPECT_EQ(problems_of("").substr(0, 11), "json_syntax");
  EXPECT_EQ(problems_of("{\"a\":" + std::string(60, '[') + std::string(60, ']') + "}").substr(0, 13), "json_too_deep");
  EXPECT_EQ(problems_of("{\"text\":\"" + std::string(kReportJsonBytesMax, 'x') + "\"}").substr(0, 14),
            "json_too_large");
}

TEST(ReportJson, line_ends_of_other_systems_become_line_feeds) {
  const auto parsed = parse_report_json("{\"kind\":\"incident\",\"text\":\"a\\r\\nb\\rc\"}");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->report.text, "a\nb\nc");
}

TEST(ReportJson, countries_and_words_are_taken_as_people_write_them) {
  const auto parsed = parse_report_json(
      R"({"kind":"Incident","tlp":"TLP:GREEN","place":{"iso3":"Myanmar"},"observed_from":"2017-08-25","observed_to":"2017-08-26"})");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(codes(parsed->findings.problems), "");
  EXPECT_EQ(parsed->report.places[0].iso3, "MMR");
  EXPECT_EQ(parsed->report.tlp, Tlp::kGreen);
  EXPECT_EQ(parsed->report.observed_to->ms - parsed->report.observed_from->ms, 2 * 86'400'000 - 1);
}

TEST(ReportJson, rule_52_what_is_wrong_with_an_alerts_fields_does_not_hold_it_up) {
  const auto parsed = parse_report_json(
      R"({"kind":"alert","title":"Massacre under way","severity":"Terrible","place":{"latitude":"north"},"extra":1})");
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->findings.ok());
  EXPECT_EQ(codes(parsed->findings.advice), "severity=not_in_vocabulary place.latitude=wrong_type extra=unknown_field");
  EXPECT_EQ(parsed->report.title, "Massacre under way");
}

TEST(ReportJson, a_patch_changes_what_it_names) {
  Report report = plain_report();
  report.severity = Severity::kSevere;
  report.text = "old";
  report.places.push_back({"MMR", "Rakhine State", "", {}, "", std::nullopt, GeoPrecision::kUnknown});
  const auto parsed = apply_json_patch(
      report, R"({"title":"New","text":null,"place":{"admin1":"Chin State"},"incident":{"deaths_best":3}})");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(codes(parsed->findings.problems), "");
  EXPECT_EQ(parsed->report.title, "New");
  EXPECT_EQ(parsed->report.text, "");
  EXPECT_EQ(parsed->report.severity, Severity::kSevere);
  EXPECT_EQ(parsed->report.places[0].iso3, "MMR");
  EXPECT_EQ(parsed->report.places[0].admin1, "Chin State");
  EXPECT_EQ(std::get<IncidentDetails>(parsed->report.details).deaths_best, 3);
}

TEST(ReportJson, an_audience_that_is_no_text_does_not_stop_the_writing) {
  EXPECT_NE(to_json(plain_report(), {std::nullopt, {"\xff"}}), "");
}

}  // namespace
}  // namespace tocsin::tests
