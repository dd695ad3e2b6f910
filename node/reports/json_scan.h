// Finds where a JSON value ends without building it: bounds depth and size before a parser sees the text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/result.h"

namespace tocsin::reports {

struct JsonFault {
  Code code;
  std::size_t offset;  // byte of the text
};

// Skips space, tab, line feed and carriage return.
std::size_t skip_json_space(std::string_view text, std::size_t at);

// `at` is the first byte of a value. `end` is the byte after it. Brackets and strings are matched, nothing else is
// checked: the parser says what is wrong inside. Fault: json_syntax (cut off, unbalanced), json_too_deep.
struct JsonExtent {
  std::size_t end = 0;
  std::optional<JsonFault> fault;
};
JsonExtent scan_json_value(std::string_view text, std::size_t at, int depth_max);

// What to do about it: "a report is one JSON object in braces", ...
std::string json_fault_detail(Code code);

// "line 3, column 14", both 1-based, column in characters.
std::string json_place(std::string_view text, std::size_t offset);

}  // namespace tocsin::reports
