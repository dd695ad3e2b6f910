#include "node/reports/validate.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "tests/node/reports/generators.h"

namespace tocsin::tests {
namespace {

using namespace reports;

RC_GTEST_PROP(Validate, a_report_without_problems_encodes, ()) {
  const Report report = any_report();
  if (validate(report).ok()) RC_ASSERT(encode_report(report).ok());
}

TEST(Validate, what_is_missing_is_named) {
  Report report;
  EXPECT_EQ(codes(validate(report).problems), "kind=missing status=missing tlp=missing title=missing");
  report.kind = ReportKind::kDispute;
  EXPECT_EQ(codes(validate(report).problems), "kind=report_details_mismatch status=missing tlp=missing");
  report.details = DisputeDetails{};
  EXPECT_EQ(codes(validate(report).problems),
            "dispute.target=report_field_missing status=missing tlp=missing dispute.reason=missing");
  apply_defaults(report);
  EXPECT_EQ(report.tlp, Tlp::kAmber);
  EXPECT_EQ(report.status, ReportStatus::kActual);
}

TEST(Validate, all_problems_are_told_at_once) {
  Report report = plain_report();
  report.places.push_back({"QQQ", "", "", {"x y"}, "", Point{91, 181}, GeoPrecision::kUnknown});
  report.observed_from = Time{2};
  report.observed_to = Time{1};
  report.indicators = {{99, 1}};
  EXPECT_EQ(codes(validate(report).problems),
            "observed_to=report_field_invalid place.pcodes=report_field_invalid place.latitude=report_field_invalid "
            "place.longitude=report_field_invalid place.iso3=not_in_vocabulary indicators[0]=not_in_vocabulary");
}

TEST(Validate, estimates_out_of_order_are_advice_since_publishers_write_them) {
  Report report = plain_report();
  auto& incident = std::get<IncidentDetails>(report.details);
  incident.deaths_low = 5;
  incident.deaths_best = 3;
  EXPECT_TRUE(validate(report).ok());
  EXPECT_EQ(codes(validate(report).advice), "incident.deaths_best=contradiction");
}

TEST(Validate, rule_52_an_alert_is_never_refused_for_what_is_missing) {
  Report report;
  report.kind = ReportKind::kAlert;
  const Findings findings = validate(report);
  EXPECT_TRUE(findings.ok()) << codes(findings.problems);
  EXPECT_EQ(codes(findings.advice),
            "status=missing tlp=missing title=missing place.iso3=missing severity=missing urgency=missing "
            "alert.lines_tried=missing");
}

// An alert as wrong as it can be: every field may hold anything.
Report garbage_alert() {
  Report report = any_report();
  report.kind = ReportKind::kAlert;
  report.title = *rc::gen::arbitrary<std::string>() + (coin() ? std::string(2000, 'x') : "");
  report.text = *rc::gen::arbitrary<std::string>() + (coin() ? std::string(60'000, 'x') : "");
  report.language = *rc::gen::arbitrary<std::string>();
  report.observed_from = Time{*rc::gen::arbitrary<std::int64_t>()};
  report.observed_to = Time{*rc::gen::arbitrary<std::int64_t>()};
  Place place;
  place.iso3 = *rc::gen::arbitrary<std::string>();
  place.name = std::string(300, '\xc3');
  place.pcodes.assign(70, *rc::gen::arbitrary<std::string>());
  place.point = Point{std::nan(""), 1e9};
  report.places.assign(*rc::gen::inRange<std::size_t>(0, 36), place);
  report.indicators.assign(300,
                           RiskIndicator{*rc::gen::arbitrary<std::uint8_t>(), *rc::gen::arbitrary<std::uint8_t>()});
  report.references.assign(*rc::gen::inRange<std::size_t>(0, 400),
                           ReportReference{filled<ReportId>(coin() ? 0 : 3), {}});
  report.attachments.assign(3, Attachment{});
  if (coin()) {
    report.details =
        AlertDetails{std::vector<std::string>(100, std::string(2000, 'y')), *rc::gen::arbitrary<std::string>()};
  }
  report.provenance = Provenance{};
  report.provenance->citation = std::string(20'000, 'c');
  return report;
}

RC_GTEST_PROP(Validate, rule_52_any_alert_can_be_mended_and_sent, ()) {
  Report report = garbage_alert();
  const auto done = repair_alert(report);
  RC_ASSERT(!done.empty());
  RC_ASSERT(codes(validate(report).problems) == "");
  report.salt = filled<ReportSalt>(1);
  report.author = filled<OrgId>(1);
  RC_ASSERT(encode_report(report).ok());
}

TEST(Validate, rule_52_mending_loses_no_words_that_fit) {
  Report report = plain_report(ReportKind::kAlert);
  report.title = std::string(600, 'T');
  report.text = "Line one\r\nline\x01two \xff";
  report.places.push_back({"Burma", "", "", {}, "", std::nullopt, GeoPrecision::kUnknown});
  repair_alert(report);
  EXPECT_EQ(report.text, std::string(600, 'T') + "\n\nLine one\nline two \xef\xbf\xbd");
  EXPECT_EQ(report.places[0].name, "Burma");
  Report whole = plain_report(ReportKind::kAlert);
  const Report before = whole;
  EXPECT_TRUE(repair_alert(whole).empty()) << "nothing to mend";
  EXPECT_EQ(whole, before);
}

}  // namespace
}  // namespace tocsin::tests
