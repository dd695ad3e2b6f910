// What a person or a script sees: tables on a terminal, JSON otherwise; problems on standard error.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

namespace tocsin::cli {

enum class OutputMode { kTable, kJson, kNdjson };

// How a value is shown in a table.
enum class Show {
  kText,
  kId,     // first 12 digits
  kTime,   // 2026-11-24 05:31, UTC
  kAge,    // "3 min ago"
  kBytes,  // 1.4 MiB
  kCount,  // 12,345
  kYesNo,
  kList,  // joined by commas
};

struct Column {
  std::string_view key;  // a JSON pointer without the first slash, such as "place/name"
  std::string_view title;
  Show show = Show::kText;
  std::size_t width_max = 0;  // 0: as wide as needed
};
struct Field {
  std::string_view key;
  std::string_view title;
  Show show = Show::kText;
};

std::string format_value(const nlohmann::ordered_json& value, Show show);
// A table with a header line, cut to the width of the terminal.
std::string format_table(const nlohmann::ordered_json& items, std::span<const Column> columns, std::size_t width);
std::string format_fields(const nlohmann::ordered_json& object, std::span<const Field> fields);

std::size_t terminal_width();  // 100 when unknown
bool is_terminal(int fd);
// Display columns of UTF-8 text, combining marks and wide characters counted roughly; control characters are replaced
// before.
std::size_t display_width(std::string_view text);
// What came from others must not steer the terminal: control characters become '\uFFFD'.
std::string printable(std::string_view text);

// A bar on standard error, when that is a terminal; otherwise nothing.
class Progress {
 public:
  explicit Progress(std::string_view what);
  ~Progress();
  void update(std::uint64_t done, std::uint64_t total);

 private:
  std::string what_;
  bool shown_ = false;
  bool terminal_;
};

}  // namespace tocsin::cli
