// CSV as RFC 4180 has it, read without copying and never trusted: a byte-order mark is passed over, cells may hold
// quoted line breaks, lines end in LF or CRLF. Columns are found by name, never by place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/bytes.h"
#include "crypto/result.h"

namespace tocsin::exchange {

// Some programs begin a UTF-8 file with it; it is no part of the text.
inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

inline constexpr std::size_t kCsvRowBytesMax = 1024 * 1024;
inline constexpr std::size_t kCsvColumnsMax = 256;

inline constexpr Code kCsvUnclosedQuote{"csv_unclosed_quote"};  // fatal: the file ends inside a cell
inline constexpr Code kCsvRowTooLong{"csv_row_too_long"};       // fatal: where the row ends is not to be trusted
inline constexpr Code kCsvStrayQuote{
    "csv_stray_quote"};  // a quote inside an unquoted cell, or text after a closing quote
inline constexpr Code kCsvTooManyColumns{"csv_too_many_columns"};
inline constexpr Code kCsvCellCount{"csv_cell_count"};  // more or fewer cells than the header
inline constexpr Code kCsvNulByte{"csv_nul_byte"};
inline constexpr Code kCsvNotUtf8{"csv_not_utf8"};
inline constexpr Code kCsvControl{"csv_control_character"};
inline constexpr Code kCsvNoHeader{"csv_no_header"};
inline constexpr Code kCsvMissingColumn{"csv_missing_column"};
inline constexpr Code kCsvDuplicateColumn{"csv_duplicate_column"};

// Where something stands. Line: 1-based, counting every line feed of the file, those inside cells too. Column: 1-based,
// in characters (Unicode code points) from the start of that line, as an editor counts.
struct Position {
  std::uint64_t line = 0;
  std::uint64_t column = 0;
};

struct CsvFault {
  Position at;
  Code code;
  std::string detail;
  bool fatal = false;  // nothing after it can be read
};

// One record. Views live until the reader's next call.
struct CsvRow {
  std::vector<std::string_view> cells;
  std::vector<std::size_t> offsets;  // byte offset of each cell in the file
  std::optional<CsvFault> fault;     // the row is not to be used
};

// `file` outlives the reader.
class CsvReader {
 public:
  explicit CsvReader(ByteView file);
  // False at the end of the file. A row with a fault is returned like others; after a fatal one comes the end.
  // Empty lines are passed over.
  bool next(CsvRow& row);
  // Line and column of a byte of the file; cheap when asked in rising order.
  Position position(std::size_t offset) const;
  std::size_t offset() const { return at_; }  // bytes read so far, for progress

 private:
  void fail(CsvRow& row, std::size_t offset, Code code, std::string detail, bool fatal = false) const;
  std::string_view read_quoted(CsvRow& row);
  std::string_view read_plain(CsvRow& row);

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t row_start_ = 0;
  bool ended_ = false;
  std::deque<std::string> unescaped_;    // cells with doubled quotes, of the current row
  mutable std::size_t line_offset_ = 0;  // start of the line last asked for
  mutable std::uint64_t line_ = 1;
};

// A CSV file with a header row: cells by column name.
class CsvTable {
 public:
  explicit CsvTable(ByteView file);
  // Reads the header. Fault: csv_no_header, csv_duplicate_column, or one of the reader's.
  std::optional<CsvFault> open();
  bool has(std::string_view column) const { return index(column).has_value(); }
  std::optional<std::size_t> index(std::string_view column) const;
  const std::vector<std::string>& columns() const { return columns_; }
  // As CsvReader::next; a row with another number of cells than the header has the fault csv_cell_count.
  bool next();
  const CsvRow& row() const { return row_; }
  // Empty when the file has no such column.
  std::string_view cell(std::string_view column) const;
  std::string_view cell(std::size_t index) const { return row_.cells[index]; }
  // Where that cell of the current row stands.
  Position position(std::string_view column) const;
  const CsvReader& reader() const { return reader_; }

 private:
  CsvReader reader_;
  std::vector<std::string> columns_;
  CsvRow row_;
};

// Quoted where RFC 4180 asks for it.
void append_csv_cell(std::string& out, std::string_view text);
// For text that came from elsewhere: a cell that a spreadsheet would take for a formula (it starts with = + - @, tab or
// carriage return) gets a leading apostrophe. Numbers that we write ourselves go through append_csv_cell.
void append_csv_text(std::string& out, std::string_view text);

}  // namespace tocsin::exchange
