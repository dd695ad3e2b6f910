#include "node/reports/json_scan.h"

#include <algorithm>
#include <vector>

#include "node/reports/report_json.h"

namespace tocsin::reports {
namespace {

// The byte after the closing quote, or the size of the text when there is none.
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size() + 1;
}

}  // namespace

std::size_t skip_json_space(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')) ++at;
  return at;
}

JsonExtent scan_json_value(std::string_view text, std::size_t at, int depth_max) {
  const std::size_t begin = at;
  std::string open;  // what closes each bracket that is open
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      const std::size_t end = skip_string(text, at);
      if (end > text.size()) return {text.size(), JsonFault{kJsonSyntax, at}};
      at = end;
      if (open.empty()) return {at, std::nullopt};
      continue;
    }
    if (c == '{' || c == '[') {
      if (static_cast<int>(open.size()) >= depth_max) return {at, JsonFault{kJsonTooDeep, at}};
      open.push_back(c == '{' ? '}' : ']');
    } else if (c == '}' || c == ']') {
      if (open.empty()) return at == begin ? JsonExtent{at, JsonFault{kJsonSyntax, at}} : JsonExtent{at, std::nullopt};
      if (open.back() != c) return {at, JsonFault{kJsonSyntax, at}};
      open.pop_back();
      if (open.empty()) return {at + 1, std::nullopt};
    } else if (open.empty() && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
      return {at, std::nullopt};  // the end of a number or a word
    }
    ++at;
  }
  if (!open.empty() || at == begin) return {text.size(), JsonFault{kJsonSyntax, text.size()}};
  return {at, std::nullopt};
}

std::string json_fault_detail(Code code) {
  if (code == kJsonTooLarge) return "at most " + std::to_string(kReportJsonBytesMax) + " bytes of JSON for one report";
  if (code == kJsonTooDeep) return "at most " + std::to_string(kReportJsonDepthMax) + " brackets inside each other";
  return "not JSON; a report is one object in braces";
}

std::string json_place(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  const std::string_view row = before.substr(start);
  const auto column = 1 + std::count_if(row.begin(), row.end(), [](unsigned char c) { return (c & 0xc0) != 0x80; });
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

}  // namespace tocsin::reports
