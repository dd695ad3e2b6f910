#include "node/cli/card_text.h"

#include <cctype>
#include <nlohmann/json.hpp>

namespace tocsin::cli {

std::string card_in(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_object() && json.contains("card") && json["card"].is_string()) return json["card"].get<std::string>();
  const auto begin = text.find("tocsin1");
  if (begin == std::string::npos) return text;
  std::string out;
  bool line_empty = false;
  for (const char ch : std::string_view(text).substr(begin)) {
    if (ch == '\n') {
      if (line_empty) break;
      line_empty = true;
    } else if (!std::isspace(static_cast<unsigned char>(ch))) {
      out += ch;
      line_empty = false;
    }
  }
  return out;
}

}  // namespace tocsin::cli
