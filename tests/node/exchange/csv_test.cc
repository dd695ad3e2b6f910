#include "node/exchange/csv.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/node/reports/generators.h"

namespace tocsin::tests {
namespace {

using namespace exchange;

// Cells joined by "|", rows by "\n"; a fault as "line:column code", a fatal one with "!".
std::string read(std::string_view text) {
  CsvReader reader(as_bytes(text));
  CsvRow row;
  std::string out;
  while (reader.next(row)) {
    if (!out.empty()) out += "\n";
    if (row.fault) {
      out += std::to_string(row.fault->at.line) + ":" + std::to_string(row.fault->at.column) + " " +
             std::string(row.fault->code.text()) + (row.fault->fatal ? "!" : "");
      continue;
    }
    for (std::size_t i = 0; i < row.cells.size(); ++i) out += (i ? "|" : "") + std::string(row.cells[i]);
  }
  return out;
}

TEST(Csv, quotes_line_breaks_and_byte_order_marks_are_read) {
  EXPECT_EQ(read("a,b\n1,2\n"), "a|b\n1|2");
  EXPECT_EQ(read("\xef\xbb\xbf"
                 "a,b\r\n1,\"x, \"\"y\"\"\r\nz\"\r\n"),
            "a|b\n1|x, \"y\"\nz");
  EXPECT_EQ(read("a,,\n"), "a||");
  EXPECT_EQ(read("\"\",x"), "|x");
  EXPECT_EQ(read("\n\r\na\n\n\nb"), "a\nb");
  EXPECT_EQ(read(""), "");
  EXPECT_EQ(read("a,"), "a|");
}

TEST(Csv, faults_name_line_and_column) {
  EXPECT_EQ(read("a,b\n\"one\ntwo\",\"cut"), "a|b\n3:6 csv_unclosed_quote!");
  EXPECT_EQ(read("a\nx\"y,1\nz"), "a\n2:2 csv_stray_quote\nz");
  EXPECT_EQ(read("a\n\"x\"y,1\nz"), "a\n2:4 csv_stray_quote\nz");
  EXPECT_EQ(read(std::string("a\néé,x\0y\nz", 12)), "a\n2:5 csv_nul_byte\nz");
  EXPECT_EQ(read("a\né\xff,x\nz"), "a\n2:2 csv_not_utf8\nz");
  EXPECT_EQ(read("a\nx\x1b[2J\nz"), "a\n2:2 csv_control_character\nz");
  EXPECT_EQ(read("a\rb\nz"), "1:2 csv_control_character\nz");
}

TEST(Csv, a_row_without_end_is_given_up_at_its_limit) {
  const std::string endless = "a\n\"" + std::string(3 * kCsvRowBytesMax, 'x') + "\"\nb";
  EXPECT_EQ(read(endless), "a\n2:1 csv_row_too_long!");
  const std::string plain = "a\n" + std::string(2 * kCsvRowBytesMax, 'x') + "\nb";
  EXPECT_EQ(read(plain), "a\n2:1 csv_row_too_long!");
}

TEST(Csv, columns_are_bounded) {
  std::string wide = "a";
  for (std::size_t i = 0; i < kCsvColumnsMax; ++i) wide += ",b";
  EXPECT_EQ(read(wide + "\nz"), "1:513 csv_too_many_columns\nz");
}

TEST(Csv, cells_are_found_by_column_name) {
  const std::string text = "b,a\n1,2\n3\n4,5,6\n";
  CsvTable table(as_bytes(text));
  ASSERT_FALSE(table.open());
  ASSERT_TRUE(table.next());
  EXPECT_EQ(table.cell("a"), "2");
  EXPECT_EQ(table.cell("c"), "");
  EXPECT_EQ(table.position("a").column, 3u);
  ASSERT_TRUE(table.next());
  EXPECT_EQ(table.row().fault->code, kCsvCellCount);
  EXPECT_EQ(table.row().fault->at.line, 3u);
  ASSERT_TRUE(table.next());
  EXPECT_EQ(table.row().fault->at.column, 5u);
  EXPECT_EQ(table.row().fault->detail, "the row has 3 cells, the header 2");
  EXPECT_FALSE(table.next());

  const std::string twice = "a,b,a\n";
  CsvTable other(as_bytes(twice));
  EXPECT_EQ(other.open()->code, kCsvDuplicateColumn);
  CsvTable empty{ByteView()};
  EXPECT_EQ(empty.open()->code, kCsvNoHeader);
}

RC_GTEST_PROP(Csv, what_is_written_is_read_back, ()) {
  std::vector<std::vector<std::string>> rows;
  std::string text;
  const int n = *rc::gen::inRange(1, 5);
  for (int i = 0; i < n; ++i) {
    std::vector<std::string> row = {"row"};  // an empty line would be passed over
    const int cells = *rc::gen::inRange(0, 5);
    for (int j = 0; j < cells; ++j) row.push_back(any_text(10, false));
    for (std::size_t j = 0; j < row.size(); ++j) {
      if (j > 0) text += ',';
      append_csv_cell(text, row[j]);
    }
    text += "\r\n";
    rows.push_back(row);
  }
  CsvReader reader(as_bytes(text));
  CsvRow row;
  for (const auto& wanted : rows) {
    RC_ASSERT(reader.next(row));
    RC_ASSERT(!row.fault);
    RC_ASSERT(std::vector<std::string>(row.cells.begin(), row.cells.end()) == wanted);
  }
  RC_ASSERT(!reader.next(row));
}

RC_GTEST_PROP(Csv, any_bytes_are_answered, (const std::vector<std::uint8_t>& bytes)) {
  CsvTable table(bytes);
  if (table.open()) return;
  while (table.next()) {
    RC_ASSERT(table.row().fault || table.row().cells.size() == table.columns().size());
  }
}

TEST(Csv, formulas_lose_their_power) {
  for (const std::string formula : {"=1+1", "+1", "-1", "@SUM(A1)", "\tx"}) {
    std::string out;
    append_csv_text(out, formula);
    EXPECT_EQ(out.front(), '\'') << formula;
  }
  std::string out;
  append_csv_text(out, "=HYPERLINK(\"http://x\",1)");
  EXPECT_EQ(out, "\"'=HYPERLINK(\"\"http://x\"\",1)\"");
}

}  // namespace
}  // namespace tocsin::tests
