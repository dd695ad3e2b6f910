#include "node/cli/given_text.h"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "node/cli/context.h"
#include "protocol/card.h"

namespace tocsin::cli {
namespace {

constexpr std::size_t kGivenBytesMax = 256 * 1024;

std::optional<std::string> json_field(const std::string& text, const std::string& name) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains(name) || !json[name].is_string()) return std::nullopt;
  return json[name].get<std::string>();
}

std::string card_in(const std::string& text) {
  if (auto field = json_field(text, "card")) return *field;
  const auto begin = text.find(protocol::kCardPrefix);
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

}  // namespace

Result<std::string> read_given(const std::string& path, desk::FileKind wanted) {
  TOCSIN_TRY(expect_file(path, wanted));  // it may be another one, too large to be read whole
  TOCSIN_ASSIGN(text, read_file(path, kGivenBytesMax));
  TOCSIN_TRY(desk::expect_kind(wanted, as_bytes(text)));
  return text;
}

Result<std::string> read_card(const std::string& path) {
  TOCSIN_ASSIGN(text, read_given(path, desk::FileKind::kCard));
  return card_in(text);
}

Result<std::string> read_node_request(const std::string& path) {
  TOCSIN_ASSIGN(text, read_given(path, desk::FileKind::kNodeRequest));
  return json_field(text, "request").value_or(text);
}

Result<void> expect_file(const std::string& path, desk::FileKind wanted) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return kOk;  // a pipe is read once
  std::ifstream file(path, std::ios::binary);
  if (!file) return kOk;
  std::string begin(desk::kFileKindBytes, '\0');
  file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  if (file.bad()) return kOk;
  begin.resize(static_cast<std::size_t>(file.gcount()));
  return desk::expect_kind(wanted, as_bytes(begin));
}

}  // namespace tocsin::cli
