#include "node/reports/time_text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "protocol/report_limits.h"

namespace tocsin::reports {
namespace {

using protocol::Time;
constexpr std::int64_t kDayMs = 86'400'000;

// Two or four digits at `at`; nothing where they are none.
std::optional<int> digits(std::string_view text, std::size_t at, std::size_t n) {
  if (at + n > text.size()) return std::nullopt;
  int value = 0;
  for (std::size_t i = at; i < at + n; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

std::optional<std::int64_t> parse_day_ms(std::string_view text) {
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  if (!year || !month || !day || text[4] != '-' || text[7] != '-' || *year < 1) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date}.time_since_epoch().count() * kDayMs;
}

// "Z", "+hh:mm" or "-hh:mm" to the end; minutes east of UTC.
std::optional<int> parse_offset(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  const auto hours = digits(text, 1, 2), minutes = digits(text, 4, 2);
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' || !hours || !minutes)
    return std::nullopt;
  if (*hours > 23 || *minutes > 59) return std::nullopt;
  const int offset = *hours * 60 + *minutes;
  return text[0] == '-' ? -offset : offset;
}

std::optional<Time> parse_moment(std::string_view text, std::int64_t day_ms) {
  const auto hours = digits(text, 11, 2), minutes = digits(text, 14, 2), seconds = digits(text, 17, 2);
  const bool separated = text[10] == 'T' || text[10] == 't' || text[10] == ' ';
  if (!hours || !minutes || !seconds || !separated || text[13] != ':' || text[16] != ':') return std::nullopt;
  if (*hours > 23 || *minutes > 59 || *seconds > 60) return std::nullopt;
  std::size_t at = 19;
  std::int64_t ms = 0;
  if (at < text.size() && text[at] == '.') {
    const std::size_t begin = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      if (at - begin < 3) ms = ms * 10 + (text[at] - '0');
    }
    const std::size_t n = at - begin;
    if (n == 0 || n > 9) return std::nullopt;
    for (std::size_t i = n; i < 3; ++i) ms *= 10;
  }
  const auto offset = parse_offset(text.substr(at));
  if (!offset) return std::nullopt;
  const std::int64_t total = day_ms + ((*hours * 60 + *minutes - *offset) * 60 + std::min(*seconds, 59)) * 1000LL + ms;
  if (total < protocol::kTimeMsMin || total > protocol::kTimeMsMax) return std::nullopt;
  return Time{total};
}

std::optional<Time> parse(std::string_view text, std::int64_t ms_of_bare_day) {
  if (text.size() < 10) return std::nullopt;
  const auto day = parse_day_ms(text);
  if (!day) return std::nullopt;
  if (text.size() == 10) return Time{*day + ms_of_bare_day};
  return parse_moment(text, *day);
}

}  // namespace

std::string format_date(Time time) { return format_time(time).substr(0, 10); }

std::string format_time(Time time) {
  const std::int64_t ms = std::clamp(time.ms, protocol::kTimeMsMin, protocol::kTimeMsMax);
  std::int64_t days = ms / kDayMs, rest = ms % kDayMs;
  if (rest < 0) {
    rest += kDayMs;
    --days;
  }
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
  std::array<char, 40> out{};
  const int seconds = static_cast<int>(rest / 1000), fraction = static_cast<int>(rest % 1000);
  int n = std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), seconds / 3600,
                        seconds / 60 % 60, seconds % 60);
  std::string text(out.data(), static_cast<std::size_t>(n));
  if (fraction != 0) {
    n = std::snprintf(out.data(), out.size(), ".%03d", fraction);
    text.append(out.data(), static_cast<std::size_t>(n));
  }
  return text + "Z";
}

std::optional<Time> parse_time(std::string_view text) { return parse(text, 0); }
std::optional<Time> parse_time_end(std::string_view text) { return parse(text, kDayMs - 1); }

}  // namespace tocsin::reports
