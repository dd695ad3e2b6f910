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

std::string age_text(const std::string& time) {
  std::tm parts{};
  if (!strptime(time.c_str(), "%Y-%m-%dT%H:%M:%S", &parts)) return time;
  const auto age = std::time(nullptr) - timegm(&parts);
  if (age < 0) return "in the future";
  if (age < 90) return std::to_string(age) + " s ago";
  if (age < 90 * 60) return std::to_string(age / 60) + " min ago";
  if (age < 36 * 3600) return std::to_string(age / 3600) + " h ago";
  return std::to_string(age / 86400) + " d ago";
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
    return show == Show::kCount ? with_commas(value.get<std::int64_t>()) : std::to_string(value.get<std::int64_t>());
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
    case Show::kAge:
      return age_text(text);
    default:
      return text.empty() ? "-" : text;
  }
}

std::string format_table(const Json& items, std::span<const Column> columns, std::size_t width) {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::size_t> widths;
  for (const auto& column : columns) widths.push_back(display_width(column.title));
  for (const auto& item : items) {
    auto& row = rows.emplace_back();
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const auto* value = find(item, columns[c].key);
      auto text = value ? format_value(*value, columns[c].show) : std::string("-");
      if (columns[c].width_max) text = fit(text, columns[c].width_max);
      widths[c] = std::max(widths[c], display_width(text));
      row.push_back(std::move(text));
    }
  }
  // The widest column of text gives way, never an id, a time or a number, until the line fits the terminal.
  auto total = [&] {
    std::size_t sum = 2 * (columns.size() - 1);
    for (auto w : widths) sum += w;
    return sum;
  };
  const auto gives_way = [&](std::size_t c) {
    const auto show = columns[c].show;
    return show == Show::kText || show == Show::kList ? widths[c] : std::size_t{0};
  };
  while (total() > width) {
    std::size_t widest = 0;
    for (std::size_t c = 1; c < columns.size(); ++c)
      if (gives_way(c) > gives_way(widest)) widest = c;
    if (gives_way(widest) <= 8) break;
    --widths[widest];
  }
  std::string out, line;
  auto emit = [&](const auto& cell_of, bool header) {
    line.clear();
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const bool right = !header && (columns[c].show == Show::kCount || columns[c].show == Show::kBytes);
      append_cell(line, fit(cell_of(c), widths[c]), widths[c], right, c + 1 == columns.size());
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out += line + "\n";
  };
  emit([&](std::size_t c) { return std::string(columns[c].title); }, true);
  for (const auto& row : rows) emit([&](std::size_t c) { return row[c]; }, false);
  return out;
}

std::string format_fields(const Json& object, std::span<const Field> fields) {
  std::size_t widest = 0;
  for (const auto& field : fields) widest = std::max(widest, display_width(field.title));
  std::string out;
  for (const auto& field : fields) {
    const auto* value = find(object, field.key);
    if (!value || value->is_null() || (value->is_array() && value->empty())) continue;
    const std::string indent(widest + 2, ' ');
    std::string title(field.title);
    title.resize(widest + 2, ' ');
    if (field.show == Show::kList && value->is_array()) {
      for (const auto& item : *value) {
        out += title + format_value(item, Show::kText) + "\n";
        title = indent;
      }
    } else {
      out += title + format_value(*value, field.show) + "\n";
    }
  }
  return out;
}

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : 100;
}

bool is_terminal(int fd) { return isatty(fd) == 1; }

Progress::Progress(std::string_view what) : what_(what), terminal_(is_terminal(STDERR_FILENO)) {}

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
