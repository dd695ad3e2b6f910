#include "node/exchange/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "node/exchange/ged.h"
#include "node/reports/report_json.h"
#include "node/reports/validate.h"
#include "tests/node/exchange/files.h"
#include "tests/node/reports/generators.h"

namespace tocsin::tests {
namespace {

using namespace exchange;

ImportResult import_json(std::string_view text, bool partial = false) {
  ImportOptions options = import_options();
  options.partial = partial;
  return parse_json(as_bytes(text), options);
}

RC_GTEST_PROP(JsonImport, what_was_exported_is_taken_in_and_known_again, ()) {
  std::vector<Report> list;
  const int n = *rc::gen::inRange(1, 5);
  for (int i = 0; i < n; ++i) {
    list.push_back(any_importable_report());
    list.back().provenance.reset();
    if (!reports::validate(list.back()).ok() || list.back().kind == ReportKind::kAlert) list.pop_back();
  }
  RC_PRE(!list.empty());
  const char* format = coin() ? "json" : "ndjson";
  const auto result = import_json(exported(format, list));
  RC_ASSERT(first_problem(result) == "none");
  RC_ASSERT(result.reports.size() == list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto& imported = result.reports[i];
    RC_ASSERT(imported.key == row_key(list[i], report_id(*encode_report(list[i]))));
    RC_ASSERT(imported.content == *import_digest(list[i]));
    RC_ASSERT(imported.report.author != list[i].author);
  }
}

TEST(JsonImport, array_wrapped_list_lines_and_a_single_report_are_read) {
  const std::string one = R"({"kind":"incident","title":"a"})", two = R"({"kind":"situation","title":"b"})";
  for (const std::string& text :
       {"[" + one + "," + two + "]", "{\"items\":[" + one + ",\n" + two + "],\"next\":null}\n", one + "\n" + two + "\n",
        "\xef\xbb\xbf" + one + "\r\n\r\n" + two, "{\"tlp\":\"GREEN\",\"items\" : [ " + one + " , " + two + " ] }"}) {
    const auto result = import_json(text);
    EXPECT_EQ(first_problem(result), "none") << text;
    EXPECT_EQ(result.reports.size(), 2u) << text;
  }
  EXPECT_EQ(import_json(one).reports.size(), 1u);
  EXPECT_EQ(import_json("[]").read, 0u);
  EXPECT_EQ(first_problem(import_json("{\"items\":[]}")), "none");
}

TEST(JsonImport, the_same_file_twice_has_the_same_keys_even_without_ids) {
  const std::string text = R"([{"kind":"incident","title":"a"},{"kind":"incident","title":"b"}])";
  const auto first = import_json(text), second = import_json(text);
  ASSERT_EQ(first.reports.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(first.reports[i].key, second.reports[i].key);
    EXPECT_EQ(first.reports[i].content, second.reports[i].content);
    EXPECT_NE(first.reports[i].id, second.reports[i].id);
  }
  EXPECT_NE(first.reports[0].key, first.reports[1].key);
}

TEST(JsonImport, rows_of_a_publisher_keep_their_key_through_json) {
  const std::string ged = test_file("ged/ged191-myanmar-bangladesh.csv");
  auto rows = parse_ged(as_bytes(ged), import_options()).reports;
  rows.resize(20);
  std::vector<Report> list;
  for (const auto& row : rows) list.push_back(row.report);
  const auto result = import_json(exported("json", list));
  ASSERT_EQ(result.reports.size(), 20u) << first_problem(result);
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(result.reports[i].key, rows[i].key);
    EXPECT_EQ(result.reports[i].content, rows[i].content);
  }
}

TEST(JsonImport, faults_are_placed_by_line_and_column) {
  const std::string good = R"({"kind":"incident","title":"a"})";
  EXPECT_EQ(first_problem(import_json("[" + good + ",\n {\"kind\":\"incident\"}]")), "2:2 missing");
  EXPECT_EQ(first_problem(import_json(good + "\n{\"kind\":\"incident\",\"title\":é}")), "2:28 json_syntax");
  EXPECT_EQ(first_problem(import_json("[" + good + "\n")), "2:1 json_syntax");
  EXPECT_EQ(first_problem(import_json("[" + good + ";" + good + "]")), "1:33 json_syntax");
  EXPECT_EQ(first_problem(import_json("[" + good + "] x")), "1:35 json_syntax");
  EXPECT_EQ(first_problem(import_json("{\"items\":[" + good + "]")), "1:43 json_syntax");
  EXPECT_EQ(first_problem(import_json("\"text\"")), "1:1 json_syntax");
  EXPECT_EQ(first_problem(import_json("7")), "1:1 json_syntax");
  EXPECT_EQ(first_problem(import_json("  ")), "1:1 import_empty");
  EXPECT_EQ(first_problem(import_json(std::string(100, '['))), "1:18 json_too_deep");
  EXPECT_EQ(first_problem(import_json("[" + std::string("{\"text\":\"") +
                                      std::string(reports::kReportJsonBytesMax, 'x') + "\"}]")),
            "1:2 json_too_large");
}

TEST(JsonImport, one_bad_item_refuses_all_unless_partial) {
  const std::string text =
      R"([{"kind":"incident","title":"a"},{"kind":"incident","titel":"b"},{"kind":"incident","title":"c"}])";
  EXPECT_TRUE(import_json(text).reports.empty());
  const auto partial = import_json(text, true);
  EXPECT_EQ(partial.reports.size(), 2u);
  EXPECT_EQ(partial.read, 3u);
  EXPECT_EQ(partial.refused, 1u);
  EXPECT_EQ(partial.problems[0].code, reports::kUnknownField);
  EXPECT_EQ(partial.problems[0].detail.substr(0, 6), "titel:");
}

TEST(JsonImport, nobody_speaks_for_another_by_import) {
  const std::string target(64, '1');
  for (const char* kind : {"withdraw", "dispute", "corroborate", "acknowledge", "correct"}) {
    const std::string text =
        std::string("[{\"kind\":\"") + kind + "\",\"" + kind + "\":{\"target\":\"" + target + "\"}}]";
    EXPECT_EQ(first_problem(import_json(text)), "1:2 kind_not_importable") << kind;
  }
}

TEST(JsonImport, an_import_never_raises_an_alert) {
  const std::string text =
      R"([{"kind":"alert","title":"a","severity":"Extreme","urgency":"Immediate","place":{"iso3":"MMR"}}])";
  EXPECT_EQ(first_problem(import_json(text)), "1:2 kind_not_importable");
  EXPECT_THAT(first_problem(import_json(exported("json", {plain_report(ReportKind::kAlert)}))),
              testing::EndsWith("kind_not_importable"));
}

RC_GTEST_PROP(JsonImport, any_text_is_answered, ()) {
  static const std::vector<std::string> kPieces = {
      "{", "}",    "[",  "]", ",",         ":",     "\"items\"", "\"kind\"", "\"incident\"", "\"", "\\",
      "1", "null", "\n", " ", "\"title\"", "\"x\"", "\xff",      "é"};
  std::string text;
  for (const int i : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, static_cast<int>(kPieces.size())))) {
    text += kPieces[static_cast<std::size_t>(i)];
  }
  const auto result = import_json(text);
  RC_ASSERT(result.ok() || result.reports.empty());
  import_json(text, true);
}

RC_GTEST_PROP(JsonImport, damaged_exports_are_answered, ()) {
  static const std::string kText = exported("json", {plain_report(), plain_report(ReportKind::kAlert)});
  std::string text = kText;
  const int flips = *rc::gen::inRange(1, 5);
  for (int i = 0; i < flips; ++i) {
    text[*rc::gen::inRange<std::size_t>(0, text.size())] = static_cast<char>(*rc::gen::arbitrary<std::uint8_t>());
  }
  const auto result = import_json(text);
  RC_ASSERT(result.ok() || result.reports.empty());
}

}  // namespace
}  // namespace tocsin::tests
