// Times as people and JSON write them: RFC 3339 in UTC.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/ids.h"

namespace tocsin::reports {

// "2017-08-25T00:00:00Z"; with ".250" where there are milliseconds. Times outside year 1 to 9999 are clamped.
std::string format_time(protocol::Time time);
// The date part alone, "2017-08-25".
std::string format_date(protocol::Time time);

// RFC 3339 with any offset, up to nine digits of a second (cut to milliseconds); also the date alone, which is its
// first instant (UTC). A space for the T is accepted, as RFC 3339 allows. Leap second 60 counts as 59.
std::optional<protocol::Time> parse_time(std::string_view text);
// The last millisecond of that day, when `text` is a date alone; else as parse_time. For the end of a period.
std::optional<protocol::Time> parse_time_end(std::string_view text);

}  // namespace tocsin::reports
