#include "node/exchange/csv_export.h"

#include <charconv>
#include <utility>
#include <variant>

#include "node/exchange/csv.h"
#include "node/reports/time_text.h"
#include "node/reports/vocab.h"

namespace tocsin::exchange {
namespace {

using namespace protocol;

constexpr std::string_view kHeader =
    "id,kind,title,tlp,status,severity,urgency,certainty,likelihood,confidence,created,observed_from,observed_to,"
    "observed_precision,iso3,admin1,admin2,place_name,latitude,longitude,geo_precision,pcodes,indicators,sources,"
    "event_type,violence_type,actors,deaths_best,deaths_low,deaths_high,deaths_civilians,people,target,reason,author,"
    "language,text,publisher,dataset,row_id,citation,licence\r\n";

// One row, cell by cell, in the order of the header.
class CsvRow {
 public:
  void text(std::string_view value) {
    separate();
    append_csv_text(out_, value);
  }
  // What we write ourselves: ids, words of a vocabulary, times, numbers. A minus sign is no formula.
  void own(std::string_view value) {
    separate();
    append_csv_cell(out_, value);
  }
  void time(const std::optional<Time>& value) { own(value ? reports::format_time(*value) : std::string()); }
  void people(const People& value) { own(value ? std::to_string(*value) : std::string()); }
  void degrees(double value) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    own({digits, static_cast<std::size_t>(end - digits)});
  }
  template <class Enum>
  void word(Enum value) {
    const bool not_stated =
        static_cast<std::uint16_t>(value) == 0 && !reports::vocabulary_of<Enum>().find(std::uint16_t{0});
    own(not_stated ? std::string_view() : reports::key_of(value));
  }
  template <class List, class Function>
  void list(const List& items, Function name) {
    std::string joined;
    for (const auto& item : items) joined += (joined.empty() ? "" : "; ") + name(item);
    text(joined);
  }
  std::string take() { return std::move(out_) + "\r\n"; }

 private:
  void separate() {
    if (!std::exchange(first_, false)) out_ += ',';
  }
  std::string out_;
  bool first_ = true;
};

void write_place(CsvRow& row, const Place& place) {
  row.own(place.iso3);
  row.text(place.admin1);
  row.text(place.admin2);
  row.text(place.name);
  if (place.point) {
    row.degrees(place.point->latitude);
    row.degrees(place.point->longitude);
  } else {
    row.own("");
    row.own("");
  }
  row.word(place.geo_precision);
  row.list(place.pcodes, [](const std::string& code) { return code; });
}

std::string grade(const ReportSource& source) {
  return std::string(reports::key_of(source.reliability)) + std::string(reports::key_of(source.credibility));
}

void write_details(CsvRow& row, const Report& report) {
  const auto* incident = std::get_if<IncidentDetails>(&report.details);
  const auto* displacement = std::get_if<DisplacementDetails>(&report.details);
  static const IncidentDetails kNone;
  const IncidentDetails& d = incident ? *incident : kNone;
  row.text(d.event_type);
  row.word(d.violence_type);
  row.list(d.actors, [](const Actor& actor) { return actor.name; });
  row.people(d.deaths_best);
  row.people(d.deaths_low);
  row.people(d.deaths_high);
  row.people(d.deaths_civilians);
  row.people(displacement ? displacement->people : People());
  const auto target = target_of(report);
  row.own(target ? to_hex(target->view()) : std::string());
  row.text(std::visit(
      [](const auto& details) -> std::string {
        if constexpr (requires { details.reason; }) return details.reason;
        if constexpr (requires { details.note; }) return details.note;
        return {};
      },
      report.details));
}

class CsvWriter final : public ExportWriter {
 public:
  explicit CsvWriter(ExportSink sink) : sink_(std::move(sink)) {}
  Result<void> begin() override { return sink_(kHeader); }
  Result<void> add(const ExportItem& item) override {
    const Report& report = *item.report;
    CsvRow row;
    row.own(to_hex(item.id.view()));
    row.word(report.kind);
    row.text(report.title);
    row.word(report.tlp);
    row.word(report.status);
    row.word(report.severity);
    row.word(report.urgency);
    row.word(report.certainty);
    row.word(report.likelihood);
    row.word(report.confidence);
    row.time(report.created);
    row.time(report.observed_from);
    row.time(report.observed_to);
    row.word(report.observed_precision);
    write_place(row, report.places.empty() ? Place{} : report.places[0]);
    row.list(report.indicators, [](RiskIndicator indicator) { return reports::to_string(indicator); });
    row.list(report.sources, grade);
    write_details(row, report);
    row.own(to_hex(report.author.view()));
    row.text(report.language);
    row.text(report.text);
    const Provenance p = report.provenance.value_or(Provenance{});
    for (const auto& field : {p.publisher, p.dataset, p.row_id, p.citation, p.licence}) row.text(field);
    return sink_(row.take());
  }
  Result<void> end() override { return kOk; }

 private:
  ExportSink sink_;
};

}  // namespace

std::unique_ptr<ExportWriter> make_csv_writer(ExportSink sink) { return std::make_unique<CsvWriter>(std::move(sink)); }

}  // namespace tocsin::exchange
