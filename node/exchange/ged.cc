#include "node/exchange/ged.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "node/exchange/csv.h"
#include "node/exchange/import_run.h"
#include "node/reports/time_text.h"
#include "node/reports/vocab.h"

namespace tocsin::exchange {
namespace {

using namespace protocol;

constexpr std::string_view kPublisher = "UCDP GED";
constexpr std::string_view kLicence = "CC BY 4.0";
constexpr std::int64_t kSevereDeaths = 25;  // UCDP counts a year of 25 as an active conflict: grave for one event
constexpr std::int64_t kModerateDeaths = 5;
constexpr std::string_view kRequired[] = {
    "id",        "type_of_violence", "side_a",           "side_b",         "where_prec", "latitude",
    "longitude", "country_id",       "event_clarity",    "date_prec",      "date_start", "date_end",
    "deaths_a",  "deaths_b",         "deaths_civilians", "deaths_unknown", "low",        "best",
    "high"};

struct BadCell {
  Position at;
  Code code;
  std::string detail;
};

// Cells of the current row as values; remembers the first that is not what it should be.
class GedRow {
 public:
  explicit GedRow(const CsvTable& table) : table_(table) {}

  std::string text(std::string_view column) const { return std::string(table_.cell(column)); }
  // For labels of one line.
  std::string line(std::string_view column) const {
    std::string out = text(column);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
    const std::size_t begin = out.find_first_not_of(' ');
    if (begin == std::string::npos) return {};
    return out.substr(begin, out.find_last_not_of(' ') + 1 - begin);
  }
  std::int64_t number(std::string_view column, std::int64_t min, std::int64_t max) {
    const std::string_view cell = table_.cell(column);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error == std::errc() && end == cell.data() + cell.size() && value >= min && value <= max) return value;
    bad(column, kGedValue, "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    return min;
  }
  double degrees(std::string_view column, double max) {
    const std::string_view cell = table_.cell(column);
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error == std::errc() && end == cell.data() + cell.size() && std::abs(value) <= max) return value;
    bad(column, kGedValue,
        "degrees from -" + std::to_string(static_cast<int>(max)) + " to " + std::to_string(static_cast<int>(max)));
    return 0;
  }
  // "2015-05-11", or in later versions "2015-05-11 00:00:00.000".
  Time day(std::string_view column) {
    const std::string_view cell = table_.cell(column);
    const auto time = reports::parse_time(cell.substr(0, 10));
    const bool bare = cell.size() == 10 || (cell.size() > 10 && (cell[10] == ' ' || cell[10] == 'T'));
    if (time && bare) return *time;
    bad(column, kGedValue, "a date such as 2015-05-11");
    return {};
  }
  void bad(std::string_view column, Code code, std::string detail) {
    if (!bad_) bad_ = BadCell{table_.position(column), code, std::string(column) + ": " + std::move(detail)};
  }
  const std::optional<BadCell>& fault() const { return bad_; }

 private:
  const CsvTable& table_;
  std::optional<BadCell> bad_;
};

Place read_place(GedRow& row) {
  Place place;
  const auto country = static_cast<int>(row.number("country_id", 1, 9999));
  if (const reports::GwState* state = reports::find_gw_state(country)) {
    place.iso3 = state->iso3;
  } else {
    row.bad("country_id", kGedCountry, "no present-day state has this Gleditsch-Ward number");
  }
  place.admin1 = row.line("adm_1");
  place.admin2 = row.line("adm_2");
  place.name = row.line("where_coordinates");
  place.point = Point{row.degrees("latitude", 90), row.degrees("longitude", 180)};
  place.geo_precision = static_cast<GeoPrecision>(row.number("where_prec", 1, 7));
  return place;
}

IncidentDetails read_incident(GedRow& row) {
  IncidentDetails d;
  d.violence_type = static_cast<ViolenceType>(row.number("type_of_violence", 1, 3));
  d.event_type = reports::label_of(d.violence_type);
  d.conflict = row.line("conflict_name");
  const bool one_sided = d.violence_type == ViolenceType::kOneSided;
  d.actors.push_back({row.line("side_a"), one_sided ? ActorRole::kPerpetrator : ActorRole::kSideA});
  d.actors.push_back({row.line("side_b"), one_sided ? ActorRole::kVictim : ActorRole::kSideB});
  d.deaths_best = row.number("best", 0, kPeopleMax);
  d.deaths_low = row.number("low", 0, kPeopleMax);
  d.deaths_high = row.number("high", 0, kPeopleMax);
  d.deaths_side_a = row.number("deaths_a", 0, kPeopleMax);
  d.deaths_side_b = row.number("deaths_b", 0, kPeopleMax);
  d.deaths_civilians = row.number("deaths_civilians", 0, kPeopleMax);
  d.deaths_unknown = row.number("deaths_unknown", 0, kPeopleMax);
  return d;
}

// At most `max` bytes, cut between characters.
std::string cut(std::string text, std::size_t max) {
  static constexpr std::string_view kMark = "…";
  if (text.size() <= max) return text;
  std::size_t end = max - kMark.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + std::string(kMark);
}

std::string make_title(const IncidentDetails& d, const Place& place) {
  std::string title = d.event_type + ": " + d.actors[0].name + " - " + d.actors[1].name;
  if (!place.name.empty()) title += ", " + place.name;
  if (!place.admin1.empty() && place.admin1 != place.name) title += ", " + place.admin1;
  return cut(std::move(title), kTitleBytesMax);
}

Severity severity_of(const IncidentDetails& d) {
  const std::int64_t deaths = std::max(*d.deaths_best, *d.deaths_civilians);
  if (deaths >= kSevereDeaths) return Severity::kSevere;
  return deaths >= kModerateDeaths ? Severity::kModerate : Severity::kMinor;
}

Report read_report(GedRow& row, const std::string& dataset, const ImportOptions& options) {
  Report report;
  report.kind = ReportKind::kIncident;
  report.status = ReportStatus::kActual;
  report.tlp = Tlp::kGreen;
  report.language = "en";
  report.urgency = Urgency::kPast;
  IncidentDetails d = read_incident(row);
  report.severity = severity_of(d);
  report.certainty = row.number("event_clarity", 1, 2) == 1 ? Certainty::kObserved : Certainty::kLikely;
  report.places.push_back(read_place(row));
  report.observed_from = row.day("date_start");
  report.observed_to = Time{row.day("date_end").ms + 86'399'000};  // the day's last second
  if (*report.observed_to < *report.observed_from) row.bad("date_end", kGedValue, "not before date_start");
  // 1 the day to 5 longer than a month: our steps begin with the exact moment, one before.
  report.observed_precision = static_cast<TimePrecision>(row.number("date_prec", 1, 5) + 1);
  report.title = make_title(d, report.places[0]);
  report.text = row.text("source_headline");
  report.details = std::move(d);

  Provenance p;
  p.publisher = kPublisher;
  p.dataset = dataset;
  p.row_id = std::to_string(row.number("id", 1, INT64_MAX));
  p.citation = row.text("source_article");
  p.licence = kLicence;
  p.retrieved = options.now;
  report.provenance = std::move(p);
  return report;
}

// UCDP names its files ged191.csv, ged231-csv.zip, ...: two digits of the year, one of the revision.
std::string dataset_name(std::string_view file_name) {
  const std::size_t at = file_name.find("ged");
  if (at == std::string_view::npos || at + 6 > file_name.size()) return "GED";
  const std::string_view digits = file_name.substr(at + 3, 3);
  const auto is_digit = [](unsigned char c) { return c >= '0' && c <= '9'; };
  if (!std::all_of(digits.begin(), digits.end(), is_digit)) return "GED";
  return "GED " + std::string(digits.substr(0, 2)) + "." + std::string(digits.substr(2));
}

// False when the import is over before it began.
bool open_table(CsvTable& table, ImportRun& run) {
  if (run.stopped()) return false;
  if (const auto fault = table.open()) {
    run.stop(fault->at, fault->code, fault->detail);
    return false;
  }
  for (std::string_view column : kRequired) {
    if (table.has(column)) continue;
    run.stop({1, 1}, kCsvMissingColumn,
             "no column \"" + std::string(column) + "\"; is this a GED file with its header row?");
    return false;
  }
  return true;
}

}  // namespace

ImportResult parse_ged(ByteView file, const ImportOptions& options) {
  ImportRun run(options, file.size());
  CsvTable table(file);
  if (!open_table(table, run)) return run.take();
  const std::string dataset = dataset_name(options.file_name);
  while (table.next()) {
    if (!run.begin_row(table.reader().offset())) break;
    if (const auto& fault = table.row().fault) {
      run.refuse(fault->at, fault->code, fault->detail);
      if (fault->fatal) run.end_here();
      continue;
    }
    GedRow row(table);
    Report report = read_report(row, dataset, options);
    if (row.fault()) {
      run.refuse(row.fault()->at, row.fault()->code, row.fault()->detail);
    } else {
      run.accept(std::move(report), table.reader().position(table.row().offsets[0]));
    }
  }
  return run.take();
}

}  // namespace tocsin::exchange
