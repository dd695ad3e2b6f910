// Rule 52: one's own alert goes, whatever is wrong with its fields.
#include <algorithm>
#include <cmath>
#include <variant>

#include "node/reports/validate.h"
#include "node/reports/vocab.h"

namespace tocsin::reports {
namespace {

using namespace protocol;

class Repairer {
 public:
  void note(std::string field, std::string what) { done_.push_back({std::move(field), kRepaired, std::move(what)}); }
  std::vector<Problem> take() { return std::move(done_); }

  void text(const std::string& field, std::string& value, std::size_t max) {
    if (!is_clean_text(value)) {
      value = cleaned(value);
      note(field, "bytes that are no text were replaced");
    }
    if (value.size() > max) {
      value = cut(value, max);
      note(field, "shortened to " + std::to_string(max) + " bytes");
    }
  }
  template <class List>
  void count(const std::string& field, List& list, std::size_t max) {
    if (list.size() <= max) return;
    list.resize(max);
    note(field, "only the first " + std::to_string(max) + " were kept");
  }
  template <class List, class Good>
  void keep(const std::string& field, List& list, Good good) {
    const std::size_t before = list.size();
    std::erase_if(list, [&](const auto& item) { return !good(item); });
    if (list.size() != before) note(field, std::to_string(before - list.size()) + " not valid, left out");
  }

  static std::string cut(std::string_view text, std::size_t max) {
    static constexpr std::string_view kMark = "…";
    if (text.size() <= max) return std::string(text);
    std::size_t end = max - kMark.size();
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return std::string(text.substr(0, end)) + std::string(kMark);
  }

 private:
  static std::string cleaned(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = utf8_length(text, at);
      const std::string_view piece = text.substr(at, std::max<std::size_t>(length, 1));
      if (text.substr(at, 2) == "\r\n") {
        ++at;
        continue;
      }
      if (length == 0) {
        out += "\xef\xbf\xbd";  // U+FFFD
      } else {
        out += is_clean_text(piece) ? piece : std::string_view(" ");
      }
      at += piece.size();
    }
    return out;
  }

  std::vector<Problem> done_;
};

void repair_place(Repairer& r, const std::string& field, Place& place) {
  if (!place.iso3.empty() && (!find_country(place.iso3) || find_country(place.iso3)->iso3 != place.iso3)) {
    if (const Country* country = parse_country(place.iso3)) {
      place.iso3 = country->iso3;
    } else {
      if (place.name.empty()) place.name = place.iso3;
      place.iso3.clear();
      r.note(field + ".iso3", "no known country; what was written stands as the place's name");
    }
  }
  r.text(field + ".admin1", place.admin1, kLabelBytesMax);
  r.text(field + ".admin2", place.admin2, kLabelBytesMax);
  r.text(field + ".name", place.name, kLabelBytesMax);
  r.keep(field + ".pcodes", place.pcodes, [](const std::string& code) {
    return code.size() >= kPcodeBytesMin && code.size() <= kPcodeBytesMax &&
           std::all_of(code.begin(), code.end(), [](unsigned char c) {
             return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
           });
  });
  r.count(field + ".pcodes", place.pcodes, kPcodesMax);
  if (place.point && !(std::abs(place.point->latitude) <= 90 && std::abs(place.point->longitude) <= 180)) {
    place.point.reset();
    r.note(field + ".latitude", "not on Earth, left out");
  }
}

void repair_texts(Repairer& r, Report& report) {
  if (report.title.size() > kTitleBytesMax) report.text = report.title + "\n\n" + report.text;  // nothing said is lost
  r.text("title", report.title, kTitleBytesMax);
  std::replace(report.title.begin(), report.title.end(), '\n', ' ');
  if (report.title.empty()) {
    report.title = "Alert";
    r.note("title", "none was given");
  }
  r.text("text", report.text, kTextBytesMax);
  r.text("language", report.language, kLanguageBytesMax);
  if (!report.provenance) return;
  Provenance& p = *report.provenance;
  for (auto* field : {&p.publisher, &p.dataset, &p.row_id, &p.licence}) r.text("provenance", *field, kLabelBytesMax);
  r.text("provenance.citation", p.citation, kCitationBytesMax);
  r.text("provenance.url", p.url, kUrlBytesMax);
}

bool in_range(Time time) { return time.ms >= kTimeMsMin && time.ms <= kTimeMsMax; }

void repair_times(Repairer& r, Report& report) {
  if (report.observed_from && !in_range(*report.observed_from)) {
    report.observed_from.reset();
    r.note("observed_from", "out of range, left out");
  }
  const bool reversed = report.observed_from && report.observed_to && *report.observed_to < *report.observed_from;
  if (report.observed_to && (reversed || !in_range(*report.observed_to))) {
    report.observed_to.reset();
    r.note("observed_to", "out of range or before observed_from, left out");
  }
  if (!in_range(report.created)) report.created = {};
  if (report.provenance && report.provenance->retrieved && !in_range(*report.provenance->retrieved)) {
    report.provenance->retrieved.reset();
  }
}

void repair_lists(Repairer& r, Report& report) {
  r.count("place", report.places, kPlacesMax);
  for (std::size_t i = 0; i < report.places.size(); ++i) {
    repair_place(r, i == 0 ? std::string("place") : "more_places[" + std::to_string(i - 1) + "]", report.places[i]);
  }
  r.keep("sources", report.sources, [](const ReportSource& source) { return !source.reference.is_zero(); });
  r.count("sources", report.sources, kSourcesMax);
  r.keep("indicators", report.indicators,
         [](const RiskIndicator& indicator) { return parse_indicator(to_string(indicator)).has_value(); });
  r.count("indicators", report.indicators, kIndicatorsMax);
  r.keep("references", report.references, [](const ReportReference& reference) { return !reference.report.is_zero(); });
  r.count("references", report.references, kReferencesMax);
  r.keep("attachments", report.attachments, [](const Attachment& attachment) {
    Report alone;
    alone.attachments.push_back(attachment);
    return check_report_fields(alone).ok();
  });
  r.count("attachments", report.attachments, kAttachmentsMax);
}

void repair_details(Repairer& r, Report& report) {
  if (!std::holds_alternative<AlertDetails>(report.details)) {
    if (!std::holds_alternative<std::monostate>(report.details)) r.note("kind", "fields of another kind were left out");
    report.details = AlertDetails{};
  }
  auto& alert = std::get<AlertDetails>(report.details);
  r.count("alert.lines_tried", alert.lines_tried, kLinesTriedMax);
  for (auto& line : alert.lines_tried) r.text("alert.lines_tried", line, kLineTriedBytesMax);
  r.text("alert.requested_action", alert.requested_action, kNoteBytesMax);
}

bool fits(const Report& report) {
  Report whole = report;
  whole.salt.data()[0] = 1;
  whole.author.data()[0] = 1;
  return encode_report(whole).ok();
}

// What matters least goes first; the words of the alert are the last to be cut.
void repair_size(Repairer& r, Report& report) {
  const auto drop = [&](const char* field, auto& value, auto empty) {
    if (fits(report) || value == empty) return;
    value = empty;
    r.note(field, "left out, so that the alert fits");
  };
  drop("provenance", report.provenance, std::optional<Provenance>());
  drop("references", report.references, std::vector<ReportReference>());
  drop("attachments", report.attachments, std::vector<Attachment>());
  if (!fits(report)) r.count("place", report.places, 1);
  auto& lines = std::get<AlertDetails>(report.details).lines_tried;
  if (!fits(report)) {
    r.count("alert.lines_tried", lines, 8);
    for (auto& line : lines) r.text("alert.lines_tried", line, 256);
  }
  for (std::size_t max = kTextBytesMax; !fits(report) && max >= 1024; max /= 2) r.text("text", report.text, max);
}

}  // namespace

std::vector<Problem> repair_alert(Report& report) {
  Repairer r;
  report.kind = ReportKind::kAlert;
  apply_defaults(report);
  repair_texts(r, report);
  repair_times(r, report);
  repair_lists(r, report);
  repair_details(r, report);
  repair_size(r, report);
  return r.take();
}

}  // namespace tocsin::reports
