#include "node/reports/rank.h"

#include <gtest/gtest.h>

#include "tests/node/reports/generators.h"

namespace tocsin::tests {
namespace {

using namespace reports;

TEST(Rank, worst_first) {
  const auto rank = [](ReportKind kind, Severity severity, Urgency urgency,
                       ReportStatus status = ReportStatus::kActual) {
    return inbox_rank(kind, status, severity, urgency);
  };
  const std::vector<std::uint32_t> order = {
      rank(ReportKind::kAlert, Severity::kExtreme, Urgency::kImmediate),
      rank(ReportKind::kAlert, Severity::kUnknown, Urgency::kUnknown),
      rank(ReportKind::kAlert, Severity::kExtreme, Urgency::kImmediate, ReportStatus::kExercise),
      rank(ReportKind::kIncident, Severity::kExtreme, Urgency::kImmediate),
      rank(ReportKind::kIncident, Severity::kExtreme, Urgency::kPast),
      rank(ReportKind::kIncident, Severity::kSevere, Urgency::kImmediate),
      rank(ReportKind::kIncident, Severity::kModerate, Urgency::kFuture),
      rank(ReportKind::kIncident, Severity::kUnknown, Urgency::kImmediate),
      rank(ReportKind::kIncident, Severity::kMinor, Urgency::kImmediate),
      rank(ReportKind::kIncident, Severity::kMinor, Urgency::kUnknown),
      rank(ReportKind::kIncident, Severity::kMinor, Urgency::kPast),
  };
  for (std::size_t i = 1; i < order.size(); ++i) EXPECT_GT(order[i - 1], order[i]) << i;
}

TEST(Rank, all_words_are_searchable) {
  Report report = plain_report();
  report.text = "smoke over the river";
  report.places.push_back({"MMR", "Rakhine State", "", {"MMR012"}, "Tula Toli", std::nullopt, GeoPrecision::kUnknown});
  std::get<IncidentDetails>(report.details).actors = {{"Armed group", ActorRole::kPerpetrator}};
  const std::string text = search_text(report);
  for (const char* word : {"Village burnt", "smoke", "Myanmar", "Rakhine", "MMR012", "Tula Toli", "Armed group"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word;
  }
  Report correction = plain_report(ReportKind::kCorrect);
  correction.details = CorrectDetails{filled<ReportId>(3), std::nullopt, "wrong river", *encode_report(report)};
  EXPECT_NE(search_text(correction).find("Tula Toli"), std::string::npos);
}

}  // namespace
}  // namespace tocsin::tests
