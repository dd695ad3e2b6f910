#include "protocol/names.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "protocol/limits.h"

namespace tocsin::protocol {
namespace {

constexpr char32_t kInvalid = 0xffffffff;

// The code point at the front of `text`, which it removes; kInvalid where none stands there.
char32_t next_code_point(std::string_view& text) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = at(0);
  std::size_t size = 1;
  char32_t point = lead;
  char32_t least = 0;  // below it the form is overlong
  if (lead >= 0x80) {
    if (lead >> 5 == 0x06) {
      size = 2, point = lead & 0x1f, least = 0x80;
    } else if (lead >> 4 == 0x0e) {
      size = 3, point = lead & 0x0f, least = 0x800;
    } else if (lead >> 3 == 0x1e) {
      size = 4, point = lead & 0x07, least = 0x10000;
    } else {
      return kInvalid;
    }
    if (text.size() < size) return kInvalid;
    for (std::size_t i = 1; i < size; ++i) {
      if (at(i) >> 6 != 0x02) return kInvalid;
      point = point << 6 | (at(i) & 0x3f);
    }
  }
  text.remove_prefix(size);
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  return point < least || point > 0x10ffff || surrogate ? kInvalid : point;
}

bool may_stand_in_line(char32_t point) {
  const auto within = [&](char32_t first, char32_t last) { return point >= first && point <= last; };
  return !within(0x00, 0x1f) && !within(0x7f, 0x9f) && !within(0x2028, 0x2029) && !within(0x202a, 0x202e) &&
         !within(0x2066, 0x2069) && point != kInvalid;
}

}  // namespace

bool is_line(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) return false;
  while (!text.empty()) {
    if (!may_stand_in_line(next_code_point(text))) return false;
  }
  return true;
}

bool is_network_name(std::string_view text) {
  return !text.empty() && text.size() <= kNetworkBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string networks_differ(std::string_view what, std::string_view theirs, std::string_view own) {
  if (!is_network_name(theirs)) return std::string(what) + " is of another network than " + std::string(own);
  return std::string(what) + " is of the network " + std::string(theirs) + ", and this home of the network " +
         std::string(own) + ": two networks never meet. Get one of " + std::string(own) + ", or make a home for " +
         std::string(theirs) + ": tocsin init --network " + shell_word(theirs);
}

std::string shell_word(std::string_view text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./:@%+=,").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return std::string(text);
  // What stays special between double quotes, `!` at a prompt too.
  if (text.find_first_of("\"$`\\!") == std::string_view::npos) return '"' + std::string(text) + '"';
  std::string out = "'";
  for (const char c : text) c == '\'' ? out += "'\\''" : out += c;
  return out + "'";
}

bool is_country_code(std::string_view text) {
  return text.size() == 3 && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool is_readable_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) return false;
  std::string line;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    line.assign(text.substr(from, end - from));
    std::replace(line.begin(), line.end(), '\t', ' ');
    std::replace(line.begin(), line.end(), '\r', ' ');
    if (!is_line(line, bytes_max)) return false;
    from = end + 1;
  }
  return true;
}

}  // namespace tocsin::protocol
