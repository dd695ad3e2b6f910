#include "node/reports/rank.h"

#include <variant>

#include "node/reports/vocab.h"

namespace tocsin::reports {
namespace {

using namespace protocol;

// Joins the words that are there, one a line.
class Words {
 public:
  void add(std::string_view text) {
    if (text.empty()) return;
    if (!out_.empty()) out_ += '\n';
    out_ += text;
  }
  void add(const Place& place) {
    if (const Country* country = find_country(place.iso3)) add(country->name);
    for (const auto& text : {place.name, place.admin2, place.admin1, place.iso3}) add(text);
    for (const auto& code : place.pcodes) add(code);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

struct DetailWords {
  Words& words;

  void operator()(const std::monostate&) const {}
  void operator()(const UnknownDetails&) const {}
  void operator()(const IncidentDetails& d) const {
    words.add(d.event_type);
    words.add(d.conflict);
    for (const auto& actor : d.actors) words.add(actor.name);
  }
  void operator()(const SituationDetails& d) const { words.add(d.outlook); }
  void operator()(const AlertDetails& d) const {
    for (const auto& line : d.lines_tried) words.add(line);
    words.add(d.requested_action);
  }
  void operator()(const IndicatorDetails& d) const {
    words.add(d.name);
    words.add(d.baseline);
  }
  void operator()(const DisplacementDetails& d) const {
    if (d.origin) words.add(*d.origin);
    if (d.destination) words.add(*d.destination);
  }
  void operator()(const CorroborateDetails& d) const { words.add(d.note); }
  void operator()(const DisputeDetails& d) const { words.add(d.reason); }
  void operator()(const CorrectDetails& d) const {
    words.add(d.reason);
    if (const auto replacement = decode_replacement(d)) words.add(search_text(*replacement));
  }
  void operator()(const WithdrawDetails& d) const { words.add(d.reason); }
  void operator()(const AcknowledgeDetails& d) const { words.add(d.note); }
};

}  // namespace

std::uint32_t inbox_rank(ReportKind kind, ReportStatus status, Severity severity, Urgency urgency) {
  std::uint32_t top = 0;
  if (kind == ReportKind::kAlert) top = status == ReportStatus::kActual ? 2 : 1;
  const auto byte = [](int rank) { return static_cast<std::uint32_t>(rank) & 0xff; };
  return top << 16 | byte(rank_of(severity)) << 8 | byte(rank_of(urgency));
}

std::uint32_t inbox_rank(const Report& report) {
  return inbox_rank(report.kind, report.status, report.severity, report.urgency);
}

std::string search_text(const Report& report) {
  Words words;
  words.add(report.title);
  words.add(report.text);
  for (const auto& place : report.places) words.add(place);
  std::visit(DetailWords{words}, report.details);
  if (report.provenance) {
    words.add(report.provenance->publisher);
    words.add(report.provenance->row_id);
    words.add(report.provenance->citation);
  }
  return words.take();
}

}  // namespace tocsin::reports
