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
  kSince,  // "3 min"
  kBytes,  // 1.4 MiB
  kCount,  // 12,345
  kSome,   // the same; 0 says nothing and is left out
  kSize,   // how many elements the list has
  kYesNo,
  kList,  // joined by commas
  kDay,   // 2026-11-24
};

struct Column {
  std::string_view key;  // a JSON pointer without the first slash, such as "place/name"
  std::string_view title;
  Show show = Show::kText;
  std::size_t width_max = 0;  // 0: as wide as needed
  bool room = false;          // the one that the others give way to
  std::string_view quiet{};   // what is usual and not worth a word: shown as "-"
  bool whole = false;         // a time whose hour counts: never cut to its day
};
struct Field {
  std::string_view key;
  std::string_view title;
  Show show = Show::kText;
};

std::string format_value(const nlohmann::ordered_json& value, Show show);
// A table with a header line, cut to `width`: ids give way first (to 8 digits), then times (to the day), then text,
// last of all the column that is to have the room. A column that says nothing in any row is left out.
std::string format_table(const nlohmann::ordered_json& items, std::span<const Column> columns, std::size_t width);
// One line a field, those without a value left out; text goes on below itself at `width` (0: is not broken).
std::string format_fields(const nlohmann::ordered_json& object, std::span<const Field> fields, std::size_t width = 0);
// Broken between words at `width` (0: not at all), each line but the first after `indent` blanks, which the first is
// taken to have before it already. No line break at the end. A word that is longer than a line stays whole.
std::string wrap(std::string_view text, std::size_t width, std::size_t indent = 0);

std::size_t terminal_width();  // of standard output; 100 when unknown
// Where to break text that goes to this descriptor: 0 (nowhere) when it is no terminal.
std::size_t wrap_width(int fd);
bool is_terminal(int fd);
// Display columns of UTF-8 text, combining marks and wide characters counted roughly; control characters are replaced
// before.
std::size_t display_width(std::string_view text);
// What came from others must not steer the terminal: control characters become '\uFFFD'.
std::string printable(std::string_view text);

// A bar on standard error, when it is wanted and that is a terminal; otherwise nothing.
class Progress {
 public:
  Progress(std::string_view what, bool wanted);
  ~Progress();
  void update(std::uint64_t done, std::uint64_t total);

 private:
  std::string what_;
  bool shown_ = false;
  bool terminal_;
};

}  // namespace tocsin::cli
