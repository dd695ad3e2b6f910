// What a person sees: tables, fields and broken lines.
#include "node/cli/output.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <sstream>

namespace tocsin::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr Column kColumns[] = {{"id", "REPORT", Show::kId},
                               {"at", "CLAIMED AT", Show::kTime},
                               {"by", "BY"},
                               {"title", "TITLE", Show::kText, 0, true},
                               {"state", "STATE", Show::kText, 0, false, "current"}};

Json report(const std::string& title) {
  return {{"id", "0123456789abcdef0123456789abcdef"},
          {"at", "2026-11-24T12:44:10.123Z"},
          {"by", "Regional body for early warning"},
          {"title", title},
          {"state", "current"}};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST(FormatTable, has_all_of_a_row_where_the_terminal_is_wide) {
  const auto lines = lines_of(format_table(Json::array({report("Village burnt")}), kColumns, 100));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "REPORT        CLAIMED AT        BY                               TITLE");
  EXPECT_EQ(lines[1], "0123456789ab  2026-11-24 12:44  Regional body for early warning  Village burnt");
}

TEST(FormatTable, shortens_ids_and_times_before_it_cuts_the_title) {
  const std::string title(40, 't');
  const auto lines = lines_of(format_table(Json::array({report(title)}), kColumns, 76));
  EXPECT_EQ(lines[1], "01234567  2026-11-24  Regional bo…  " + title);
}

TEST(FormatTable, leaves_out_a_column_that_says_nothing_in_any_row) {
  auto withdrawn = report("b");
  withdrawn["state"] = "withdrawn";
  EXPECT_EQ(format_table(Json::array({report("a")}), kColumns, 100).find("STATE"), std::string::npos);
  EXPECT_NE(format_table(Json::array({report("a"), withdrawn}), kColumns, 100).find("STATE"), std::string::npos);
}

RC_GTEST_PROP(FormatTable, no_line_is_wider_than_the_terminal, ()) {
  const auto width = *rc::gen::inRange<std::size_t>(60, 200);
  const auto items = *rc::gen::container<std::vector<std::string>>(rc::gen::string<std::string>());
  Json rows = Json::array();
  for (const auto& title : items) rows.push_back(report(title));
  for (const auto& line : lines_of(format_table(rows, kColumns, width))) RC_ASSERT(display_width(line) <= width);
}

RC_GTEST_PROP(Wrap, keeps_every_word_and_the_width, ()) {
  const auto width = *rc::gen::inRange<std::size_t>(20, 120), indent = *rc::gen::inRange<std::size_t>(0, 10);
  const auto words = *rc::gen::container<std::vector<std::string>>(
      rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', 'h'))));
  std::string text;
  std::size_t longest = 0;
  for (const auto& word : words) {
    text += " " + word;
    longest = std::max(longest, word.size());
  }
  RC_PRE(longest + indent <= width);
  const auto out = wrap(text, width, indent);
  std::istringstream in(out);
  std::vector<std::string> got;
  for (std::string word; in >> word;) got.push_back(word);
  RC_ASSERT(got == words);
  const auto lines = lines_of(out);
  for (std::size_t i = 0; i < lines.size(); ++i) RC_ASSERT(lines[i].size() + (i == 0 ? indent : 0) <= width);
}

TEST(Wrap, leaves_text_alone_where_there_is_no_terminal) { EXPECT_EQ(wrap("a  b", 0), "a  b"); }

TEST(FormatFields, says_nothing_of_zeros_and_lines_up_what_is_left) {
  constexpr Field fields[] = {
      {"disputed", "disputed by many others", Show::kSome}, {"title", "title"}, {"text", "text"}};
  const Json object{{"disputed", 0}, {"title", "A"}, {"text", "one two three four five six"}};
  EXPECT_EQ(format_fields(object, fields, 30), "title  A\ntext   one two three four five\n       six\n");
}

TEST(Printable, control_characters_of_others_do_not_steer_the_terminal) {
  EXPECT_EQ(printable("a\x1b[2Jb"), "a\xef\xbf\xbd[2Jb");
  EXPECT_EQ(printable("a\nb"), "a b");
}

}  // namespace
}  // namespace tocsin::cli
