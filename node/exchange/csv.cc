#include "node/exchange/csv.h"

#include <algorithm>

#include "protocol/report.h"

namespace tocsin::exchange {
namespace {

struct TextFault {
  std::size_t at;
  Code code;
  std::string_view detail;
};

// The first byte of `row` that no text may hold. A carriage return is one unless a line feed follows.
std::optional<TextFault> find_bad_byte(std::string_view row) {
  for (std::size_t at = 0; at < row.size();) {
    const auto c = static_cast<unsigned char>(row[at]);
    if (c >= 0x20 && c < 0x7f) {
      ++at;
      continue;
    }
    if (c == 0) return TextFault{at, kCsvNulByte, "a NUL byte; the file is damaged or no CSV"};
    const std::size_t length = protocol::utf8_length(row, at);
    if (length == 0) return TextFault{at, kCsvNotUtf8, "not UTF-8; save the file as UTF-8"};
    const bool line_end = c == '\r' && at + 1 < row.size() && row[at + 1] == '\n';
    if (!line_end && !protocol::is_clean_text(row.substr(at, length))) {
      return TextFault{at, kCsvControl, "a control character; remove it"};
    }
    at += length;
  }
  return std::nullopt;
}

}  // namespace

CsvReader::CsvReader(ByteView file) : text_(as_text(file)) {
  if (text_.starts_with(kByteOrderMark)) at_ = line_offset_ = kByteOrderMark.size();
}

void CsvReader::fail(CsvRow& row, std::size_t offset, Code code, std::string detail, bool fatal) const {
  if (row.fault && !fatal) return;  // the first one is what to mend
  row.fault = CsvFault{position(offset), code, std::move(detail), fatal};
}

Position CsvReader::position(std::size_t offset) const {
  offset = std::min(offset, text_.size());
  if (offset < line_offset_) {
    line_ = 1;
    line_offset_ = text_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  }
  for (auto next = text_.find('\n', line_offset_); next < offset; next = text_.find('\n', line_offset_)) {
    line_offset_ = next + 1;
    ++line_;
  }
  if (offset < line_offset_) return {line_, 1};  // inside the byte-order mark
  const std::string_view before = text_.substr(line_offset_, offset - line_offset_);
  const auto column = std::count_if(before.begin(), before.end(), [](unsigned char c) { return (c & 0xc0) != 0x80; });
  return {line_, static_cast<std::uint64_t>(column) + 1};
}

// From a quote to the byte after the cell.
std::string_view CsvReader::read_quoted(CsvRow& row) {
  const std::size_t open = at_++;
  const std::size_t begin = at_;
  bool copied = false;  // a doubled quote or a CR LF makes the cell differ from its bytes
  for (; at_ < text_.size() && at_ - row_start_ <= kCsvRowBytesMax; ++at_) {
    const char c = text_[at_];
    if (c == '\r' && text_.substr(at_, 2) == "\r\n") copied = true;
    if (c != '"') continue;
    if (text_.substr(at_, 2) != "\"\"") break;
    copied = true;
    ++at_;
  }
  if (at_ < text_.size() && text_[at_] != '"') return {};  // next() says that the row is too long
  if (at_ >= text_.size()) {
    fail(row, open, kCsvUnclosedQuote,
         "the quote opened here is not closed before the end of the file; the file is cut off", true);
    return {};
  }
  std::string_view raw = text_.substr(begin, at_++ - begin);
  if (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n' && text_.substr(at_, 2) != "\r\n") {
    fail(row, at_, kCsvStrayQuote, "text after a closing quote; write a quote inside a cell twice");
    read_plain(row);
  }
  if (!copied) return raw;
  std::string& cell = unescaped_.emplace_back();
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '\r' && i + 1 < raw.size() && raw[i + 1] == '\n') continue;
    cell += raw[i];
    if (raw[i] == '"') ++i;
  }
  return cell;
}

// To the next comma or the end of the line.
std::string_view CsvReader::read_plain(CsvRow& row) {
  const std::size_t begin = at_;
  while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n' && at_ - row_start_ <= kCsvRowBytesMax) {
    if (text_[at_] == '"')
      fail(row, at_, kCsvStrayQuote, "a quote inside a cell without quotes; quote the cell and write it twice");
    ++at_;
  }
  std::size_t end = at_;
  const bool line_end = at_ < text_.size() && text_[at_] == '\n';
  if (line_end && end > begin && text_[end - 1] == '\r') --end;
  return text_.substr(begin, end - begin);
}

bool CsvReader::next(CsvRow& row) {
  row.cells.clear();
  row.offsets.clear();
  row.fault.reset();
  unescaped_.clear();
  while (at_ < text_.size() && (text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n"))
    at_ += text_[at_] == '\n' ? 1 : 2;
  if (ended_ || at_ >= text_.size()) return false;

  row_start_ = at_;
  bool more = true;
  while (more) {
    const std::size_t start = at_;
    const bool quoted = at_ < text_.size() && text_[at_] == '"';
    const std::string_view cell = quoted ? read_quoted(row) : read_plain(row);
    if (row.cells.size() < kCsvColumnsMax) {
      row.cells.push_back(cell);
      row.offsets.push_back(start);
    } else {
      fail(row, start, kCsvTooManyColumns, "more than " + std::to_string(kCsvColumnsMax) + " columns");
    }
    if (at_ - row_start_ > kCsvRowBytesMax) {
      fail(row, row_start_, kCsvRowTooLong,
           "the row that starts here has more than " + std::to_string(kCsvRowBytesMax) + " bytes; is a quote missing?",
           true);
    }
    if (row.fault && row.fault->fatal) {
      ended_ = true;
      return true;
    }
    more = at_ < text_.size() && text_[at_] == ',';
    if (more) ++at_;
  }
  const std::string_view raw = text_.substr(row_start_, at_ - row_start_);
  if (text_.substr(at_, 2) == "\r\n") ++at_;  // after a quoted cell
  if (at_ < text_.size()) ++at_;              // the line feed
  const std::string_view checked = raw.ends_with('\r') ? raw.substr(0, raw.size() - 1) : raw;
  if (const auto bad = find_bad_byte(checked)) fail(row, row_start_ + bad->at, bad->code, std::string(bad->detail));
  return true;
}

CsvTable::CsvTable(ByteView file) : reader_(file) {}

std::optional<CsvFault> CsvTable::open() {
  if (!reader_.next(row_))
    return CsvFault{{1, 1}, kCsvNoHeader, "the file is empty; it must start with a row of column names", true};
  if (row_.fault) return row_.fault;
  for (std::size_t i = 0; i < row_.cells.size(); ++i) {
    const std::string name(row_.cells[i]);
    if (!name.empty() && std::find(columns_.begin(), columns_.end(), name) != columns_.end()) {
      return CsvFault{reader_.position(row_.offsets[i]), kCsvDuplicateColumn, "two columns have this name", true};
    }
    columns_.push_back(name);
  }
  return std::nullopt;
}

std::optional<std::size_t> CsvTable::index(std::string_view column) const {
  const auto found = std::find(columns_.begin(), columns_.end(), column);
  if (found == columns_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns_.begin());
}

bool CsvTable::next() {
  if (!reader_.next(row_)) return false;
  const std::size_t cells = row_.cells.size(), wanted = columns_.size();
  if (!row_.fault && cells != wanted) {
    const std::size_t at = cells > wanted ? row_.offsets[wanted] : row_.offsets.back();
    row_.fault =
        CsvFault{reader_.position(at), kCsvCellCount,
                 "the row has " + std::to_string(cells) + " cells, the header " + std::to_string(wanted), false};
  }
  return true;
}

std::string_view CsvTable::cell(std::string_view column) const {
  const auto at = index(column);
  return at ? row_.cells[*at] : std::string_view();
}

Position CsvTable::position(std::string_view column) const {
  const auto at = index(column);
  return reader_.position(row_.offsets[at.value_or(0)]);
}

void append_csv_cell(std::string& out, std::string_view text) {
  const bool quote = text.find_first_of(",\"\r\n") != std::string_view::npos ||
                     (!text.empty() && (text.front() == ' ' || text.back() == ' '));
  if (!quote) {
    out += text;
    return;
  }
  out += '"';
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void append_csv_text(std::string& out, std::string_view text) {
  if (!text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos) {
    return append_csv_cell(out, "'" + std::string(text));
  }
  append_csv_cell(out, text);
}

}  // namespace tocsin::exchange
