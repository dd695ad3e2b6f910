#include "node/exchange/ged.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "node/exchange/csv.h"
#include "node/reports/time_text.h"
#include "tests/node/exchange/files.h"
#include "tests/node/reports/generators.h"

namespace tocsin::tests {
namespace {

using namespace exchange;

constexpr const char* kFile = "ged/ged191-myanmar-bangladesh.csv";

ImportOptions ged_options(bool partial = false) {
  ImportOptions options = import_options();
  options.file_name = "ged191-myanmar-bangladesh.csv";
  options.partial = partial;
  return options;
}

ImportResult import_ged(std::string_view text, bool partial = false) {
  return parse_ged(as_bytes(text), ged_options(partial));
}

const std::string& real_file() {
  static const std::string kText = test_file(kFile);
  return kText;
}
const ImportResult& real_import() {
  static const ImportResult kResult = import_ged(real_file());
  return kResult;
}

// The header and the first rows of the real file.
std::string first_rows(int n) {
  const std::string& text = real_file();
  CsvReader reader(as_bytes(text));
  CsvRow row;
  for (int i = 0; i <= n; ++i) reader.next(row);
  return text.substr(0, reader.offset());
}

TEST(Ged, every_row_of_the_real_file_becomes_an_incident) {
  const auto& result = real_import();
  ASSERT_TRUE(result.ok()) << first_problem(result) << " " << result.problems[0].detail;
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.read, 3194u);
  EXPECT_EQ(result.refused, 0u);
  ASSERT_EQ(result.reports.size(), 3194u);
  for (const auto& imported : result.reports) {
    ASSERT_EQ(imported.report.kind, ReportKind::kIncident);
    ASSERT_NE(imported.report.severity, Severity::kExtreme) << "history is no warning";
    ASSERT_EQ(imported.report.urgency, Urgency::kPast);
    ASSERT_EQ(imported.report.tlp, Tlp::kGreen);
    ASSERT_EQ(imported.report.status, ReportStatus::kActual);
    ASSERT_TRUE(imported.report.places[0].iso3 == "MMR" || imported.report.places[0].iso3 == "BGD");
    ASSERT_EQ(report_id(imported.canonical), imported.id);
    ASSERT_EQ(*decode_report(imported.canonical), imported.report);
  }
}

TEST(Ged, one_sided_violence_in_rakhine_adds_up_to_the_published_figures) {
  std::map<int, std::pair<int, std::int64_t>> years;
  for (const auto& imported : real_import().reports) {
    const auto& incident = std::get<IncidentDetails>(imported.report.details);
    if (incident.violence_type != ViolenceType::kOneSided || imported.report.places[0].admin1 != "Rakhine State")
      continue;
    auto& [events, dead] = years[std::stoi(reports::format_date(*imported.report.observed_from).substr(0, 4))];
    ++events;
    dead += *incident.deaths_best;
  }
  EXPECT_EQ(years[2012], std::make_pair(7, std::int64_t{90}));
  EXPECT_EQ(years[2016], std::make_pair(7, std::int64_t{25}));
  EXPECT_EQ(years[2017], std::make_pair(32, std::int64_t{1788}));
}

TEST(Ged, a_row_is_told_in_our_words) {
  const auto& report = real_import().reports[0].report;
  EXPECT_EQ(report.title, "State-based violence: Government of Myanmar (Burma) - MNDAA, Laukkaing Town, Shan State");
  EXPECT_EQ(report.text, "Kokang conflict intensifies north of Laogai");
  EXPECT_EQ(report.places[0].iso3, "MMR");
  EXPECT_EQ(report.places[0].admin2, "Laukkaing District");
  EXPECT_EQ(report.places[0].point, (Point{23.690225, 98.765042}));
  EXPECT_EQ(report.places[0].geo_precision, GeoPrecision::kNear);
  EXPECT_EQ(reports::format_time(*report.observed_from), "2015-05-11T00:00:00Z");
  EXPECT_EQ(reports::format_time(*report.observed_to), "2015-05-12T23:59:59Z");
  EXPECT_EQ(report.observed_precision, TimePrecision::kDays);
  EXPECT_EQ(report.certainty, Certainty::kObserved);
  EXPECT_EQ(report.severity, Severity::kMinor);
  const auto& incident = std::get<IncidentDetails>(report.details);
  EXPECT_EQ(incident.deaths_best, 1);
  EXPECT_EQ(incident.deaths_high, 30);
  EXPECT_EQ(incident.deaths_side_b, 1);
  EXPECT_EQ(incident.conflict, "Myanmar (Burma): Kokang");
  EXPECT_EQ(report.provenance->publisher, "UCDP GED");
  EXPECT_EQ(report.provenance->dataset, "GED 19.1");
  EXPECT_EQ(report.provenance->row_id, "209980");
  EXPECT_EQ(report.provenance->licence, "CC BY 4.0");
}

TEST(Ged, rule_51_who_told_the_press_is_left_out) {
  ASSERT_NE(real_file().find("Captain Saw Three Htoo"), std::string::npos);
  for (const auto& imported : real_import().reports) {
    ASSERT_EQ(as_text(imported.canonical).find("Saw Three Htoo"), std::string_view::npos);
  }
}

TEST(Ged, rule_37_a_second_import_is_known_by_publisher_and_row_id) {
  const ImportResult again = import_ged(real_file());
  ASSERT_EQ(again.reports.size(), 3194u);
  std::map<RowKey, ContentDigest> known;
  for (const auto& imported : real_import().reports) known.emplace(imported.key, *import_digest(imported.report));
  EXPECT_EQ(known.size(), 3194u);
  for (const auto& imported : again.reports) ASSERT_EQ(known.at(imported.key), imported.content);
}

TEST(Ged, a_row_that_the_publisher_changed_has_the_same_key_and_another_content) {
  const std::string text = first_rows(2);
  const std::size_t at = text.rfind("Laukkaing Town");
  std::string changed = text;
  changed.replace(at, 14, "Laukkaing City");
  const auto before = import_ged(text), after = import_ged(changed);
  ASSERT_EQ(before.reports.size(), 2u);
  ASSERT_EQ(after.reports.size(), 2u);
  EXPECT_EQ(before.reports[0].content, after.reports[0].content);
  EXPECT_EQ(before.reports[1].key, after.reports[1].key);
  EXPECT_NE(before.reports[1].content, after.reports[1].content);
}

TEST(Ged, columns_are_found_by_name_in_any_order) {
  // Turned round: the last column first.
  const std::string text = first_rows(3);
  CsvReader reader(as_bytes(text));
  CsvRow row;
  std::string turned;
  while (reader.next(row)) {
    for (std::size_t i = row.cells.size(); i-- > 0;) {
      append_csv_cell(turned, row.cells[i]);
      turned += i > 0 ? "," : "\r\n";
    }
  }
  const auto straight = import_ged(text), back = import_ged(turned);
  ASSERT_EQ(back.reports.size(), 3u) << first_problem(back);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(straight.reports[i].content, back.reports[i].content);
}

TEST(Ged, a_file_cut_inside_a_quote_is_refused_with_the_place_of_the_quote) {
  const std::string text = first_rows(2);
  const std::string cut = text.substr(0, text.find("Associated Press Newswires,2015"));
  const auto result = import_ged(cut);
  EXPECT_TRUE(result.reports.empty());
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(first_problem(result), "3:138 csv_unclosed_quote");
  EXPECT_EQ(result.read, 2u);
  EXPECT_EQ(result.refused, 1u);
  EXPECT_EQ(import_ged(cut, true).reports.size(), 1u) << "partial: the good row goes";
}

TEST(Ged, a_missing_column_is_named) {
  std::string text = first_rows(1);
  text.replace(text.find(",best,"), 6, ",beast,");
  const auto result = import_ged(text);
  EXPECT_EQ(first_problem(result), "1:1 csv_missing_column");
  EXPECT_NE(result.problems[0].detail.find("\"best\""), std::string::npos);
}

TEST(Ged, bad_cells_are_named_with_line_column_and_field) {
  const auto with = [](std::string_view from, std::string_view to) {
    std::string text = first_rows(1);
    const std::size_t at = text.find(from, text.find('\n'));
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    const auto result = import_ged(text);
    EXPECT_TRUE(result.reports.empty());
    return first_problem(result) + " " + (result.problems.empty() ? "" : result.problems[0].detail);
  };
  EXPECT_EQ(with("209980,", "x,"), "2:1 ged_value id: a whole number from 1 to 9223372036854775807");
  EXPECT_EQ(with(",2015-05-11,", ",2015-05-41,").substr(0, 30), "2:467 ged_value date_start: a ");
  EXPECT_EQ(with(",23.690225,", ",93.690225,"), "2:383 ged_value latitude: degrees from -90 to 90");
  EXPECT_EQ(with(",775,Asia", ",776,Asia"),
            "2:454 ged_country country_id: no present-day state has this Gleditsch-Ward number");
  EXPECT_EQ(with(",1,1,30", ",1,,30").substr(0, 15), "2:499 ged_value");
  EXPECT_EQ(with(",1,1,30", ",1,30").substr(0, 19), "2:499 csv_cell_coun");
  EXPECT_EQ(with("MNDAA,144", std::string("MN\0AA,144", 9)).substr(0, 18), "2:83 csv_nul_byte ");
  EXPECT_EQ(with("MNDAA,144",
                 "MN\xff"
                 "AA,144")
                .substr(0, 18),
            "2:83 csv_not_utf8 ");
}

TEST(Ged, an_oversized_row_ends_the_reading) {
  std::string text = first_rows(1);
  text += "1,\"" + std::string(2 * kCsvRowBytesMax, 'x') + "\"\n";
  const auto result = import_ged(text, true);
  EXPECT_EQ(first_problem(result), "3:1 csv_row_too_long");
  EXPECT_FALSE(result.complete);
  EXPECT_EQ(result.reports.size(), 1u);
}

TEST(Ged, one_bad_row_refuses_the_whole_import_unless_partial) {
  std::string text = first_rows(4);
  text.replace(text.find("\n209406,") + 1, 6, "ZZZZZZ");
  EXPECT_TRUE(import_ged(text).reports.empty());
  const auto result = import_ged(text, true);
  EXPECT_EQ(result.reports.size(), 3u);
  EXPECT_EQ(result.read, 4u);
  EXPECT_EQ(result.refused, 1u);
}

TEST(Ged, one_row_twice_in_a_file_is_refused) {
  const std::string text = first_rows(1);
  const std::string row = text.substr(text.find('\n') + 1);
  EXPECT_EQ(first_problem(import_ged(text + row)), "3:1 import_duplicate_row");
}

TEST(Ged, files_that_are_empty_or_something_else_are_refused) {
  EXPECT_EQ(first_problem(import_ged("")), "0:0 import_empty");
  EXPECT_EQ(first_problem(import_ged("{\"a\":1}")), "1:2 csv_stray_quote");
  EXPECT_EQ(first_problem(import_ged("a,b\n1,2\n")), "1:1 csv_missing_column");
}

TEST(Ged, an_import_can_be_watched_and_stopped) {
  ImportOptions options = ged_options();
  std::size_t last = 0, calls = 0;
  options.progress = [&](std::size_t done) {
    EXPECT_GE(done, last);
    last = done;
    ++calls;
    return true;
  };
  parse_ged(as_bytes(real_file()), options);
  EXPECT_EQ(last, real_file().size());
  EXPECT_GT(calls, 5u);
  options.progress = [](std::size_t) { return false; };
  const auto result = parse_ged(as_bytes(real_file()), options);
  EXPECT_EQ(first_problem(result), "0:0 import_stopped");
  EXPECT_TRUE(result.reports.empty());
}

TEST(Ged, a_sink_takes_the_rows_one_by_one) {
  ImportOptions options = ged_options();
  std::size_t taken = 0;
  options.sink = [&](ImportedReport&&) { return ++taken < 100; };
  const auto result = parse_ged(as_bytes(real_file()), options);
  EXPECT_EQ(taken, 100u);
  EXPECT_TRUE(result.reports.empty());
  EXPECT_EQ(result.problems[0].code, kImportStopped);
}

TEST(Ged, options_decide_marking_and_status) {
  ImportOptions options = ged_options();
  options.tlp = Tlp::kClear;
  options.status = ReportStatus::kExercise;
  const std::string text = first_rows(1);
  const auto result = parse_ged(as_bytes(text), options);
  EXPECT_EQ(result.reports[0].report.tlp, Tlp::kClear);
  EXPECT_EQ(result.reports[0].report.status, ReportStatus::kExercise);
}

RC_GTEST_PROP(Ged, damaged_files_are_answered, ()) {
  static const std::string kText = first_rows(5);
  std::string text = kText;
  const int flips = *rc::gen::inRange(1, 8);
  for (int i = 0; i < flips; ++i) {
    text[*rc::gen::inRange<std::size_t>(0, text.size())] = static_cast<char>(*rc::gen::arbitrary<std::uint8_t>());
  }
  if (coin()) text.resize(*rc::gen::inRange<std::size_t>(0, text.size()));
  const auto result = import_ged(text);
  RC_ASSERT(result.ok() || result.reports.empty());
  for (const auto& problem : result.problems) RC_ASSERT(problem.line > 0 || problem.code == kImportEmpty);
}

}  // namespace
}  // namespace tocsin::tests
