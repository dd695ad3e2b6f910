#include "node/cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace tocsin::cli {
namespace {

using Json = nlohmann::ordered_json;

// Length of the UTF-8 sequence that starts with `lead`; 1 for a byte that starts none.
std::size_t sequence_length(unsigned char lead) {
  if (lead >= 0xf0 && lead < 0xf8) return 4;
  if (lead >= 0xe0) return lead < 0xf0 ? 3 : 1;
  return lead >= 0xc2 ? 2 : 1;
}

char32_t decode_at(std::string_view text, std::size_t at, std::size_t length) {
  if (length == 1) return static_cast<unsigned char>(text[at]);
  char32_t value = static_cast<unsigned char>(text[at]) & (0x7f >> length);
  for (std::size_t i = 1; i < length; ++i) value = (value << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3f);
  return value;
}

std::size_t width_of(char32_t c) {
  if ((c >= 0x300 && c < 0x370) || (c >= 0x200b && c <= 0x200f) || (c >= 0xfe00 && c <= 0xfe0f)) return 0;
  const bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
                    (c >= 0xf900 && c <= 0xfaff) || (c >= 0xff00 && c <= 0xff60) || (c >= 0x1f300 && c <= 0x1faff);
  return wide ? 2 : 1;
}

std::string with_commas(std::int64_t n) {
  std::string digits = std::to_string(n < 0 ? -n : n);
  for (std::ptrdiff_t i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<std::size_t>(i), ",");
  return n < 0 ? "-" + digits : digits;
}

std::string bytes_text(double n) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (n >= 1024 && unit + 1 < std::size(kUnits)) n /= 1024, ++unit;
  char out[32];
  std::snprintf(out, sizeof out, unit == 0 ? "%.0f %s" : "%.1f %s", n, kUnits[unit]);
  return out;
}

std::string age_text(const std::string& time, const std::string& ago) {
  std::tm parts{};
  if (!strptime(time.c_str(), "%Y-%m-%dT%H:%M:%S", &parts)) return time;
  const auto age = std::time(nullptr) - timegm(&parts);
  if (age < 0) return "in the future";
  if (age < 90) return std::to_string(age) + " s" + ago;
  if (age < 90 * 60) return std::to_string(age / 60) + " min" + ago;
  if (age < 36 * 3600) return std::to_string(age / 3600) + " h" + ago;
  return std::to_string(age / 86400) + " d" + ago;
}

// Cut to `width` columns, with an ellipsis where something was left out.
std::string fit(const std::string& text, std::size_t width) {
  if (display_width(text) <= width) return text;
  std::string out;
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto length = std::min(sequence_length(static_cast<unsigned char>(text[i])), text.size() - i);
    const auto columns = width_of(decode_at(text, i, length));
    if (used + columns + 1 > width) break;
    out.append(text, i, length);
    used += columns;
    i += length;
  }
  return out + "…";
}

void append_cell(std::string& line, const std::string& text, std::size_t width, bool right, bool last) {
  const auto have = display_width(text);
  const std::string pad(width > have ? width - have : 0, ' ');
  line += right ? pad + text : text + (last ? "" : pad);
  if (!last) line += "  ";
}

const Json* find(const Json& object, std::string_view key) {
  const Json* at = &object;
  while (!key.empty()) {
    const auto slash = key.find('/');
    const std::string part(key.substr(0, slash));
    if (!at->is_object() || !at->contains(part)) return nullptr;
    at = &(*at)[part];
    key = slash == std::string_view::npos ? std::string_view{} : key.substr(slash + 1);
  }
  return at;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto length = sequence_length(static_cast<unsigned char>(text[i]));
    const bool whole =
        i + length <= text.size() && std::all_of(text.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                                 text.begin() + static_cast<std::ptrdiff_t>(i + length),
                                                 [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; });
    const auto c = whole ? decode_at(text, i, length) : char32_t{0xfffd};
    const bool control =
        c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    if (c == '\n' || c == '\t') {
      out += ' ';
    } else if (!whole || control) {
      out += "\xef\xbf\xbd";
    } else {
      out.append(text, i, length);
    }
    i += whole ? length : 1;
  }
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto length = std::min(sequence_length(static_cast<unsigned char>(text[i])), text.size() - i);
    width += width_of(decode_at(text, i, length));
    i += length;
  }
  return width;
}

std::string format_value(const Json& value, Show show) {
  if (value.is_null()) return "-";
  if (value.is_array() && show == Show::kSize) return std::to_string(value.size());
  if (value.is_array()) {
    std::string out;
    for (const auto& item : value) {
      if (!out.empty()) out += ", ";
      out += item.is_object() && item.contains("name") ? format_value(item["name"], Show::kText)
                                                       : format_value(item, show);
    }
    return out.empty() ? "-" : out;
  }
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_integer()) {
    if (show == Show::kBytes) return bytes_text(value.get<double>());
    return show == Show::kCount || show == Show::kSome ? with_commas(value.get<std::int64_t>())
                                                       : std::to_string(value.get<std::int64_t>());
  }
  if (value.is_number()) {
    char out[48];
    std::snprintf(out, sizeof out, "%.6g", value.get<double>());
    return out;
  }
  if (!value.is_string()) return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  const auto text = printable(value.get_ref<const std::string&>());
  switch (show) {
    case Show::kId:
      return text.substr(0, 12);
    case Show::kTime:
      return text.size() >= 16 && text[10] == 'T' ? text.substr(0, 10) + " " + text.substr(11, 5) : text;
    case Show::kDay:
      return text.size() >= 10 ? text.substr(0, 10) : text;
    case Show::kAge:
      return age_text(text, " ago");
    case Show::kSince:
      return age_text(text, "");
    default:
      return text.empty() ? "-" : text;
  }
}

namespace {

constexpr std::size_t kIdLeast = 8, kDayWidth = 10, kTextLeast = 12, kRoomLeast = 24, kAnyLeast = 8;

// The cells of the columns that say something, and how wide each of them is.
struct Grid {
  std::vector<const Column*> columns;
  std::vector<std::vector<std::string>> cells;  // by column
  std::vector<std::size_t> widths;

  std::size_t total() const {
    std::size_t sum = columns.empty() ? 0 : 2 * (columns.size() - 1);
    for (const auto w : widths) sum += w;
    return sum;
  }
  std::size_t least(std::size_t c, std::size_t otherwise) const {
    return std::max(otherwise, display_width(columns[c]->title));
  }
  // Takes from the columns that `may`, the widest first, until the line fits or none of them is wider than its least.
  template <typename May>
  void take(std::size_t width, std::size_t least_width, May may) {
    while (total() > width) {
      std::size_t widest = columns.size();
      for (std::size_t c = 0; c < columns.size(); ++c)
        if (may(*columns[c]) && widths[c] > least(c, least_width) &&
            (widest == columns.size() || widths[c] > widths[widest]))
          widest = c;
      if (widest == columns.size()) return;
      --widths[widest];
    }
  }
};

Grid grid_of(const Json& items, std::span<const Column> columns) {
  Grid grid;
  for (const auto& column : columns) {
    std::vector<std::string> cells;
    std::size_t width = display_width(column.title);
    bool says = false;
    for (const auto& item : items) {
      const auto* value = find(item, column.key);
      auto text = value ? format_value(*value, column.show) : std::string("-");
      if (!column.quiet.empty() && text == column.quiet) text = "-";
      if (column.width_max) text = fit(text, column.width_max);
      says |= text != "-";
      width = std::max(width, display_width(text));
      cells.push_back(std::move(text));
    }
    if (!says) continue;
    grid.columns.push_back(&column);
    grid.cells.push_back(std::move(cells));
    grid.widths.push_back(width);
  }
  return grid;
}

bool is_number(Show show) { return show == Show::kCount || show == Show::kBytes || show == Show::kSize; }
bool is_text(Show show) { return show == Show::kText || show == Show::kList; }

// An id and a time are cut without a mark: what is left is still good to be typed and to be read.
std::string cell_text(const std::string& text, Show show, std::size_t width) {
  return show == Show::kId || show == Show::kTime ? text.substr(0, std::min(text.size(), width)) : fit(text, width);
}

}  // namespace

std::string format_table(const Json& items, std::span<const Column> columns, std::size_t width) {
  auto grid = grid_of(items, columns);
  for (const auto& [show, least] : {std::pair{Show::kId, kIdLeast}, std::pair{Show::kTime, kDayWidth}})
    for (std::size_t c = 0; c < grid.columns.size(); ++c)
      if (grid.total() > width && grid.columns[c]->show == show && !grid.columns[c]->whole)
        grid.widths[c] = std::min(grid.widths[c], grid.least(c, least));
  grid.take(width, kTextLeast, [](const Column& c) { return is_text(c.show) && !c.room; });
  grid.take(width, kRoomLeast, [](const Column& c) { return c.room; });
  grid.take(width, kAnyLeast, [](const Column& c) { return is_text(c.show); });
  std::string out;
  auto emit = [&](const auto& text_of, bool header) {
    std::string line;
    for (std::size_t c = 0; c < grid.columns.size(); ++c)
      append_cell(line, text_of(c), grid.widths[c], !header && is_number(grid.columns[c]->show),
                  c + 1 == grid.columns.size());
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out += line + "\n";
  };
  emit([&](std::size_t c) { return fit(std::string(grid.columns[c]->title), grid.widths[c]); }, true);
  for (std::size_t row = 0; row < items.size(); ++row)
    emit([&](std::size_t c) { return cell_text(grid.cells[c][row], grid.columns[c]->show, grid.widths[c]); }, false);
  return out;
}

std::string wrap(std::string_view text, std::size_t width, std::size_t indent) {
  if (width == 0) return std::string(text);
  const std::size_t room = width > indent + kAnyLeast ? width - indent : kAnyLeast;
  std::string out;
  std::size_t used = 0;
  while (true) {
    const auto begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return out;
    text.remove_prefix(begin);
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    const auto columns = display_width(word);
    if (used > 0 && used + 1 + columns > room) {
      out += "\n" + std::string(indent, ' ');
      used = 0;
    } else if (used > 0) {
      out += ' ';
      ++used;
    }
    out += word;
    used += columns;
  }
}

std::string format_fields(const Json& object, std::span<const Field> fields, std::size_t width) {
  const auto says = [&](const Field& field) {
    const auto* value = find(object, field.key);
    if (!value || value->is_null() || (value->is_array() && value->empty())) return false;
    return field.show != Show::kSome || !value->is_number_integer() || value->get<std::int64_t>() != 0;
  };
  std::size_t widest = 0;
  for (const auto& field : fields)
    if (says(field)) widest = std::max(widest, display_width(field.title));
  const auto indent = widest + 2;
  std::string out;
  const auto line = [&](std::string title, const std::string& text) {
    title.resize(indent, ' ');
    out += title + wrap(text, width, indent) + "\n";
  };
  for (const auto& field : fields) {
    if (!says(field)) continue;
    const auto& value = *find(object, field.key);
    if (field.show == Show::kList && value.is_array()) {
      for (std::size_t i = 0; i < value.size(); ++i)
        line(i ? std::string() : std::string(field.title), format_value(value[i], Show::kText));
    } else {
      line(std::string(field.title), format_value(value, field.show));
    }
  }
  return out;
}

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : 100;
}

std::size_t wrap_width(int fd) {
  winsize size{};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : 0;
}

bool is_terminal(int fd) { return isatty(fd) == 1; }

Progress::Progress(std::string_view what, bool wanted) : what_(what), terminal_(wanted && is_terminal(STDERR_FILENO)) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void Progress::update(std::uint64_t done, std::uint64_t total) {
  if (!terminal_) return;
  shown_ = true;
  constexpr int kBar = 30;
  const int filled = total ? static_cast<int>(std::min<std::uint64_t>(kBar, done * kBar / total)) : 0;
  std::string bar(static_cast<std::size_t>(filled), '#');
  bar.resize(kBar, '.');
  std::fprintf(stderr, "\r\033[K%s [%s] %s", what_.c_str(), bar.c_str(),
               with_commas(static_cast<std::int64_t>(done)).c_str());
  if (total) std::fprintf(stderr, " of %s", with_commas(static_cast<std::int64_t>(total)).c_str());
  std::fflush(stderr);
}

}  // namespace tocsin::cli
