// The limits of each field, for both directions.
#include <cmath>

#include "protocol/report.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kFaultsMax = 64;  // enough to mend a report by

class Checker {
 public:
  void text(std::string_view field, std::string_view value, std::size_t max) {
    if (value.size() > max) return too_long(field, value.size(), max, "bytes");
    require(is_clean_text(value), field, "not UTF-8, or a control character other than tab and line feed");
  }
  // False when there are too many to look at each.
  bool count(std::string_view field, std::size_t n, std::size_t max) {
    if (n > max) too_long(field, n, max, "items");
    return n <= max;
  }
  void people(std::string_view field, const People& value) {
    require(!value || (*value >= 0 && *value <= kPeopleMax), field, "a count is 0 to 10,000,000,000");
  }
  void time(std::string_view field, Time value) {
    require(value.ms >= kTimeMsMin && value.ms <= kTimeMsMax, field, "a time lies in the years 1 to 9999");
  }
  void target(std::string_view field, const ReportId& id) {
    if (id.is_zero()) add(field, kReportFieldMissing, "name the report that this one is about");
  }
  void require(bool holds, std::string_view field, std::string_view rule) {
    if (!holds) add(field, kReportFieldInvalid, std::string(rule));
  }
  void add(std::string_view field, Code code, std::string detail) {
    if (faults_.size() < kFaultsMax) faults_.push_back({std::string(field), code, std::move(detail)});
  }
  std::vector<FieldFault> take() { return std::move(faults_); }

 private:
  void too_long(std::string_view field, std::size_t n, std::size_t max, std::string_view unit) {
    add(field, kReportFieldTooLong,
        std::to_string(n) + " " + std::string(unit) + ", at most " + std::to_string(max) + "; shorten it");
  }
  std::vector<FieldFault> faults_;
};

bool is_pcode(std::string_view code) {
  if (code.size() < kPcodeBytesMin || code.size() > kPcodeBytesMax) return false;
  for (char c : code) {
    const bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!ok) return false;
  }
  return true;
}

bool is_iso3(std::string_view code) {
  if (code.size() != 3) return false;
  for (char c : code) {
    if (c < 'A' || c > 'Z') return false;
  }
  return true;
}

void check_place(Checker& c, const std::string& field, const Place& place) {
  c.require(place.iso3.empty() || is_iso3(place.iso3), field + ".iso3", "three capital letters (ISO 3166-1 alpha-3)");
  c.text(field + ".admin1", place.admin1, kLabelBytesMax);
  c.text(field + ".admin2", place.admin2, kLabelBytesMax);
  c.text(field + ".name", place.name, kLabelBytesMax);
  if (c.count(field + ".pcodes", place.pcodes.size(), kPcodesMax)) {
    for (const auto& code : place.pcodes) {
      c.require(is_pcode(code), field + ".pcodes", "a P-code has 2 to 32 letters, digits, '-' or '_'");
    }
  }
  if (!place.point) return;
  const auto [latitude, longitude] = *place.point;
  c.require(std::isfinite(latitude) && latitude >= -90 && latitude <= 90, field + ".latitude", "-90 to 90 degrees");
  c.require(std::isfinite(longitude) && longitude >= -180 && longitude <= 180, field + ".longitude",
            "-180 to 180 degrees");
}

struct DetailsChecker {
  Checker& c;

  void operator()(const std::monostate&) const {}
  void operator()(const UnknownDetails&) const {}
  void operator()(const IncidentDetails& d) const {
    c.text("incident.event_type", d.event_type, kLabelBytesMax);
    c.text("incident.conflict", d.conflict, kLabelBytesMax);
    if (c.count("incident.actors", d.actors.size(), kActorsMax)) {
      for (const auto& actor : d.actors) c.text("incident.actors.name", actor.name, kLabelBytesMax);
    }
    c.people("incident.deaths_best", d.deaths_best);
    c.people("incident.deaths_low", d.deaths_low);
    c.people("incident.deaths_high", d.deaths_high);
    c.people("incident.deaths_civilians", d.deaths_civilians);
    c.people("incident.deaths_side_a", d.deaths_side_a);
    c.people("incident.deaths_side_b", d.deaths_side_b);
    c.people("incident.deaths_unknown", d.deaths_unknown);
    c.people("incident.injured", d.injured);
    c.people("incident.missing", d.missing);
  }
  void operator()(const SituationDetails& d) const {
    c.people("situation.people_affected", d.people_affected);
    c.people("situation.people_in_need", d.people_in_need);
    c.text("situation.outlook", d.outlook, kNoteBytesMax);
  }
  void operator()(const AlertDetails& d) const {
    if (c.count("alert.lines_tried", d.lines_tried.size(), kLinesTriedMax)) {
      for (const auto& line : d.lines_tried) c.text("alert.lines_tried", line, kLineTriedBytesMax);
    }
    c.text("alert.requested_action", d.requested_action, kNoteBytesMax);
  }
  void operator()(const IndicatorDetails& d) const {
    c.text("indicator.name", d.name, kLabelBytesMax);
    c.require(!d.value || std::isfinite(*d.value), "indicator.value", "a finite number");
    c.text("indicator.unit", d.unit, kUnitBytesMax);
    c.text("indicator.baseline", d.baseline, kBaselineBytesMax);
  }
  void operator()(const DisplacementDetails& d) const {
    c.people("displacement.people", d.people);
    c.people("displacement.people_low", d.people_low);
    c.people("displacement.people_high", d.people_high);
    c.people("displacement.households", d.households);
    if (d.origin) check_place(c, "displacement.origin", *d.origin);
    if (d.destination) check_place(c, "displacement.destination", *d.destination);
  }
  void operator()(const CorroborateDetails& d) const {
    c.target("corroborate.target", d.target);
    c.text("corroborate.note", d.note, kNoteBytesMax);
  }
  void operator()(const DisputeDetails& d) const {
    c.target("dispute.target", d.target);
    c.text("dispute.reason", d.reason, kNoteBytesMax);
  }
  void operator()(const CorrectDetails& d) const {
    c.target("correct.target", d.target);
    c.require(!d.previous || !d.previous->is_zero(), "correct.previous", "the id of a correction, or nothing");
    c.text("correct.reason", d.reason, kCorrectionReasonBytesMax);
    if (d.replacement.empty()) c.add("correct.replacement", kReportFieldMissing, "the corrected report");
    c.count("correct.replacement", d.replacement.size(), kPlainReportBytesMax);
  }
  void operator()(const WithdrawDetails& d) const {
    c.target("withdraw.target", d.target);
    c.text("withdraw.reason", d.reason, kNoteBytesMax);
  }
  void operator()(const AcknowledgeDetails& d) const {
    c.target("acknowledge.target", d.target);
    c.text("acknowledge.note", d.note, kNoteBytesMax);
  }
};

void check_provenance(Checker& c, const Provenance& p) {
  c.text("provenance.publisher", p.publisher, kLabelBytesMax);
  c.text("provenance.dataset", p.dataset, kLabelBytesMax);
  c.text("provenance.row_id", p.row_id, kLabelBytesMax);
  c.text("provenance.citation", p.citation, kCitationBytesMax);
  c.text("provenance.url", p.url, kUrlBytesMax);
  c.text("provenance.licence", p.licence, kLabelBytesMax);
  if (p.retrieved) c.time("provenance.retrieved", *p.retrieved);
}

void check_attachment(Checker& c, const Attachment& a) {
  c.require(!a.digest.is_zero(), "attachments.digest", "32 bytes that are not all zero");
  c.require(a.first.value >= 1 && a.count >= 1, "attachments.first", "first number and count are 1 or more");
  c.text("attachments.name", a.name, kLabelBytesMax);
  c.require(a.name.find('/') == std::string::npos && a.name.find('\\') == std::string::npos, "attachments.name",
            "a file name without a path");
  c.text("attachments.media_type", a.media_type, kMediaTypeBytesMax);
}

void check_header(Checker& c, const Report& report) {
  c.text("title", report.title, kTitleBytesMax);
  c.require(report.title.find('\n') == std::string::npos, "title", "one line");
  c.text("text", report.text, kTextBytesMax);
  c.text("language", report.language, kLanguageBytesMax);
  c.time("created", report.created);
  if (report.observed_from) c.time("observed_from", *report.observed_from);
  if (report.observed_to) c.time("observed_to", *report.observed_to);
  c.require(!report.observed_from || !report.observed_to || *report.observed_from <= *report.observed_to, "observed_to",
            "not before observed_from");
}

void check_lists(Checker& c, const Report& report) {
  if (c.count("place", report.places.size(), kPlacesMax)) {
    for (std::size_t i = 0; i < report.places.size(); ++i) {
      check_place(c, i == 0 ? std::string("place") : "more_places[" + std::to_string(i - 1) + "]", report.places[i]);
    }
  }
  if (c.count("sources", report.sources.size(), kSourcesMax)) {
    for (const auto& source : report.sources) {
      c.require(!source.reference.is_zero(), "sources.reference", "16 random bytes");
    }
  }
  if (c.count("indicators", report.indicators.size(), kIndicatorsMax)) {
    for (const auto& indicator : report.indicators) {
      c.require(indicator.factor > 0 && indicator.number > 0, "indicators", "\"n.m\", both 1 or more");
    }
  }
  if (c.count("references", report.references.size(), kReferencesMax)) {
    for (const auto& reference : report.references) c.target("references.report", reference.report);
  }
  if (c.count("attachments", report.attachments.size(), kAttachmentsMax)) {
    for (const auto& attachment : report.attachments) check_attachment(c, attachment);
  }
}

}  // namespace

std::vector<FieldFault> report_field_faults(const Report& report) {
  Checker c;
  check_header(c, report);
  check_lists(c, report);
  if (report.provenance) check_provenance(c, *report.provenance);
  if (details_fit(report.kind, report.details)) {
    std::visit(DetailsChecker{c}, report.details);
  } else {
    c.add("kind", kReportDetailsMismatch, "the report carries fields of another kind, or lacks those of its own");
  }
  return c.take();
}

Result<void> check_report_fields(const Report& report) {
  const auto faults = report_field_faults(report);
  if (faults.empty()) return kOk;
  return caller_error(faults[0].code, faults[0].field + ": " + faults[0].detail);
}

std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (lead == 0xe0 && byte(1) < 0xa0) return 0;  // overlong
  if (lead == 0xed && byte(1) > 0x9f) return 0;  // surrogate
  if (lead == 0xf0 && byte(1) < 0x90) return 0;  // overlong
  if (lead == 0xf4 && byte(1) > 0x8f) return 0;  // above U+10FFFF
  return length;
}

bool is_clean_text(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f) return false;
    const std::size_t length = utf8_length(text, at);
    if (length == 0) return false;
    if (c == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0) return false;  // C1 controls
    at += length;
  }
  return true;
}

bool acts_on_report(ReportKind kind) {
  switch (kind) {
    case ReportKind::kCorroborate:
    case ReportKind::kDispute:
    case ReportKind::kCorrect:
    case ReportKind::kWithdraw:
    case ReportKind::kAcknowledge:
      return true;
    default:
      return false;
  }
}

std::optional<ReportId> target_of(const Report& report) {
  return std::visit(
      [](const auto& details) -> std::optional<ReportId> {
        if constexpr (requires { details.target; }) return details.target;
        return std::nullopt;
      },
      report.details);
}

ReportDetails empty_details(ReportKind kind) {
  switch (kind) {
    case ReportKind::kIncident:
      return IncidentDetails{};
    case ReportKind::kSituation:
      return SituationDetails{};
    case ReportKind::kAlert:
      return AlertDetails{};
    case ReportKind::kIndicator:
      return IndicatorDetails{};
    case ReportKind::kDisplacement:
      return DisplacementDetails{};
    case ReportKind::kCorroborate:
      return CorroborateDetails{};
    case ReportKind::kDispute:
      return DisputeDetails{};
    case ReportKind::kCorrect:
      return CorrectDetails{};
    case ReportKind::kWithdraw:
      return WithdrawDetails{};
    case ReportKind::kAcknowledge:
      return AcknowledgeDetails{};
    default:
      return std::monostate{};
  }
}

bool details_fit(ReportKind kind, const ReportDetails& details) {
  if (kind > ReportKind::kAcknowledge) return true;  // a later version's kind: it knows what belongs to it (rule 16)
  if (std::holds_alternative<UnknownDetails>(details)) return !acts_on_report(kind);
  if (std::holds_alternative<std::monostate>(details)) return !acts_on_report(kind);
  return details.index() == empty_details(kind).index();
}

}  // namespace tocsin::protocol
