#include "node/reports/validate.h"

#include <string>
#include <variant>

#include "node/reports/vocab.h"

namespace tocsin::reports {
namespace {

using namespace protocol;

// Collects; for an alert whatever is merely missing becomes advice (rule 52).
class Collector {
 public:
  explicit Collector(bool lenient) : lenient_(lenient) {}
  void problem(std::string field, Code code, std::string detail) {
    findings_.problems.push_back({std::move(field), code, std::move(detail)});
  }
  void missing(std::string field, std::string detail) {
    (lenient_ ? findings_.advice : findings_.problems).push_back({std::move(field), kMissing, std::move(detail)});
  }
  void advice(std::string field, Code code, std::string detail) {
    findings_.advice.push_back({std::move(field), code, std::move(detail)});
  }
  Findings take() { return std::move(findings_); }

 private:
  bool lenient_;
  Findings findings_;
};

void check_words(Collector& c, const std::string& field, const Place& place) {
  if (!place.iso3.empty() && !find_country(place.iso3)) {
    c.problem(field + ".iso3", kNotInVocabulary, "no country of ISO 3166-1 alpha-3, such as MMR");
  }
}

void check_order(Collector& c, const std::string& field, const People& low, const People& best, const People& high) {
  const bool ordered =
      (!low || !best || *low <= *best) && (!best || !high || *best <= *high) && (!low || !high || *low <= *high);
  if (!ordered) c.advice(field, kContradiction, "the estimates are not in the order low, best, high");
}

struct KindRules {
  Collector& c;

  template <class Other>
  void operator()(const Other&) const {}
  void operator()(const IncidentDetails& d) const {
    check_order(c, "incident.deaths_best", d.deaths_low, d.deaths_best, d.deaths_high);
  }
  void operator()(const DisplacementDetails& d) const {
    check_order(c, "displacement.people", d.people_low, d.people, d.people_high);
    if (d.origin) check_words(c, "displacement.origin", *d.origin);
    if (d.destination) check_words(c, "displacement.destination", *d.destination);
  }
  void operator()(const DisputeDetails& d) const {
    if (d.reason.empty()) c.missing("dispute.reason", "say what is wrong, and why");
  }
  void operator()(const CorrectDetails& d) const {
    if (d.reason.empty()) c.advice("correct.reason", kMissing, "say what was wrong");
  }
  void operator()(const WithdrawDetails& d) const {
    if (d.reason.empty()) c.missing("withdraw.reason", "say why");
  }
};

void check_alert_advice(Collector& c, const Report& report) {
  if (report.places.empty() || report.places[0].iso3.empty()) c.advice("place.iso3", kMissing, "name the country");
  if (report.severity == Severity::kUnknown) c.advice("severity", kMissing, "say how grave it is");
  if (report.urgency == Urgency::kUnknown) c.advice("urgency", kMissing, "say how soon somebody must act");
  const auto* alert = std::get_if<AlertDetails>(&report.details);
  if (!alert || alert->lines_tried.empty()) {
    c.advice("alert.lines_tried", kMissing, "name the other lines of reporting that were tried, if any");
  }
}

void check_header(Collector& c, const Report& report) {
  if (report.kind == ReportKind::kUnknown) c.missing("kind", "one of " + vocabulary_of<ReportKind>().choices());
  if (report.status == ReportStatus::kUnknown) c.missing("status", "one of " + vocabulary_of<ReportStatus>().choices());
  if (report.tlp == Tlp::kUnknown) c.missing("tlp", "one of " + vocabulary_of<Tlp>().choices());
  if (report.title.empty() && !acts_on_report(report.kind)) c.missing("title", "one line that says what happened");
  for (std::size_t i = 0; i < report.places.size(); ++i) {
    check_words(c, i == 0 ? std::string("place") : "more_places[" + std::to_string(i - 1) + "]", report.places[i]);
  }
  for (std::size_t i = 0; i < report.indicators.size(); ++i) {
    if (!parse_indicator(to_string(report.indicators[i]))) {
      c.problem("indicators[" + std::to_string(i) + "]", kNotInVocabulary,
                "\"n.m\": n is a risk factor of the UN Framework, m is 1 to 99");
    }
  }
}

}  // namespace

void apply_defaults(Report& report) {
  if (report.status == ReportStatus::kUnknown) report.status = ReportStatus::kActual;
  if (report.tlp == Tlp::kUnknown) report.tlp = Tlp::kAmber;
  if (report.language.empty()) report.language = "und";
}

Findings validate(const Report& report) {
  Collector c(report.kind == ReportKind::kAlert);
  for (auto& fault : report_field_faults(report))
    c.problem(std::move(fault.field), fault.code, std::move(fault.detail));
  check_header(c, report);
  std::visit(KindRules{c}, report.details);
  if (report.kind == ReportKind::kAlert) check_alert_advice(c, report);
  return c.take();
}

}  // namespace tocsin::reports
