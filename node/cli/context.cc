#include "node/cli/context.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "node/store/codes.h"
#include "node/store/home.h"
#include "protocol/bundle_file.h"
#include "protocol/channel.h"
#include "protocol/entry_store.h"

namespace tocsin::cli {
namespace {

std::string default_home() {
  if (const char* home = std::getenv("TOCSIN_HOME"); home && *home) return home;
  if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.tocsin";
  return ".tocsin";
}

OutputMode mode_from(const std::string& word) {
  if (word == "json") return OutputMode::kJson;
  if (word == "ndjson") return OutputMode::kNdjson;
  if (word == "table") return OutputMode::kTable;
  return is_terminal(STDOUT_FILENO) ? OutputMode::kTable : OutputMode::kJson;
}

// Exit code of a problem by the code it carries, else by its HTTP status.
int exit_for(std::string_view code, int status) {
  if (code == "unknown_parameter" || code == "bad_parameter" || code == "usage") return kExitUsage;
  if (code == "unreachable" || code == "not_running" || code == "timeout") return kExitUnreachable;
  if (is_damage(code)) return kExitIntegrity;
  if (status == 401 || status == 403 || code == "denied") return kExitDenied;
  return kExitFailure;
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }
std::string one_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

void complain(std::string_view label, std::string_view text) {
  const std::string head = std::string(label) + (label == " " ? " " : ": ");
  std::cerr << head << wrap(printable(text), wrap_width(STDERR_FILENO), head.size()) << "\n";
}

std::string refused_line(const Json& row) {
  return "line " + std::to_string(row.value("line", 0)) + ", column " + std::to_string(row.value("column", 0)) + ": " +
         row.value("detail", row.value("code", std::string()));
}

std::string unreached_line(const Json& peer) {
  return peer.value("name", std::string("a peer")) + ": " + peer.value("code", std::string("unreachable"));
}

bool is_damage(std::string_view code) {
  for (const auto damage : {store::kStoreDamaged, store::kBadKeyFile, protocol::kStoreFailed, protocol::kDamagedRecord,
                            protocol::kBundleDamaged, protocol::kBundleForged, protocol::kBadBundle})
    if (code == damage.text()) return true;
  return false;
}

Context::Context(const Command& command, std::map<std::string, std::vector<std::string>> words)
    : command_(command),
      words_(std::move(words)),
      home_(get("home", default_home())),
      mode_(mode_from(get("output"))) {}

bool Context::has(std::string_view name) const { return words_.contains(std::string(name)); }

std::string Context::get(std::string_view name, std::string_view otherwise) const {
  const auto found = words_.find(std::string(name));
  return found == words_.end() || found->second.empty() ? std::string(otherwise) : found->second.front();
}

const std::vector<std::string>& Context::all(std::string_view name) const {
  static const std::vector<std::string> none;
  const auto found = words_.find(std::string(name));
  return found == words_.end() ? none : found->second;
}

bool Context::confirm(std::string_view question) {
  if (has("yes")) return true;
  if (!is_terminal(STDIN_FILENO)) {
    exit_ = fail("confirmation_needed", std::string(question) + " Say --yes to answer without a terminal.");
    return false;
  }
  // A script that has our standard error reads one problem object there and nothing else.
  std::ofstream terminal;
  if (mode_ != OutputMode::kTable) terminal.open("/dev/tty");
  (terminal.is_open() ? static_cast<std::ostream&>(terminal) : std::cerr)
      << wrap(printable(question), wrap_width(STDERR_FILENO)) << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return true;
  exit_ = fail("not_confirmed", "Nothing was done.");
  return false;
}

void Context::say(std::string_view text) const {
  if (mode_ == OutputMode::kTable) print(wrap(printable(text), wrap_width(STDOUT_FILENO)) + "\n");
}

Json Context::ask(const std::string& path, int* status) const {
  auto response = http_call(home_, {.method = "GET", .path = "/api/v1" + path});
  if (status != nullptr) *status = response ? static_cast<int>(response->status) : 0;
  if (!response || response->status != 200) return nullptr;
  auto json = Json::parse(response->body, nullptr, false);
  return json.is_discarded() ? Json(nullptr) : json;
}

std::optional<Context::Answer> Context::call(std::string_view method, const std::string& path, const Json& body) {
  return call(HttpRequest{method, "/api/v1" + path, body.is_null() ? std::string() : one_line(body)});
}

std::optional<Context::Answer> Context::call(HttpRequest request,
                                             const std::function<bool(std::string_view)>& on_piece) {
  if (dry_run() && request.method != "GET")
    request.path += (request.path.find('?') == std::string::npos ? "?" : "&") + std::string("dry_run=true");
  auto response = http_call(home_, std::move(request), on_piece);
  if (!response) {
    // Why none runs may stand in the home itself.
    if (const auto fine = store::check_not_wiped(home_); response.error().code == kNotRunning && !fine) {
      exit_ = fail(fine.error());
      return std::nullopt;
    }
    exit_ = fail(response.error(), exit_for(response.error().code.text(), 0));
    return std::nullopt;
  }
  Answer answer{response->status, std::move(response->body), nullptr};
  answer.json = Json::parse(answer.body, nullptr, false);
  if (answer.ok()) return answer;
  exit_ = fail_answer(answer);
  return std::nullopt;
}

int Context::fail_answer(const Answer& answer) {
  if (!answer.json.is_object() || !answer.json.contains("code"))
    return fail("bad_answer", "the node answered with status " + std::to_string(answer.status));
  const auto code = answer.json.value("code", std::string("failed"));
  if (mode_ != OutputMode::kTable) {
    std::cerr << one_line(answer.json);
    return exit_for(code, answer.status);
  }
  complain("error", answer.json.value("detail", code));
  if (answer.json.contains("hint")) complain("hint", answer.json.value("hint", std::string()));
  if (answer.json.contains("refused"))
    for (const auto& row : answer.json["refused"]) complain(" ", refused_line(row));
  if (answer.json.contains("unreached"))
    for (const auto& peer : answer.json["unreached"]) complain(" ", unreached_line(peer));
  return exit_for(code, answer.status);
}

int Context::fail(std::string_view code, std::string_view detail, int exit, std::string_view hint) {
  if (mode_ == OutputMode::kTable) {
    complain("error", detail);
    if (!hint.empty()) complain("hint", hint);
  } else {
    Json problem{{"code", code}, {"title", code}, {"detail", detail}, {"exit", exit}};
    if (!hint.empty()) problem["hint"] = hint;
    std::cerr << one_line(problem);
  }
  return exit;
}

int Context::fail(const Error& error, int exit) {
  return fail(error.code.text(), error.detail.empty() ? error.code.text() : std::string_view(error.detail), exit);
}

int Context::show_list(const Answer& answer, std::span<const Column> columns, std::string_view empty_text) {
  const bool list = answer.json.is_object() && answer.json.contains("items");
  if (mode_ == OutputMode::kJson || !list) {
    print(one_line(answer.json));
  } else if (mode_ == OutputMode::kNdjson) {
    for (const auto& item : answer.json["items"]) print(one_line(item));
  } else if (answer.json["items"].empty()) {
    print(std::string(empty_text) + "\n");
  } else {
    print(format_table(answer.json["items"], columns, terminal_width()));
    if (answer.json.contains("next") && answer.json["next"].is_string())
      print("more: --after " + answer.json["next"].get<std::string>() + "\n");
  }
  return answer.status == 207 ? kExitPartial : kExitOk;
}

int Context::show_object(const Json& object, std::span<const Field> fields) {
  print(mode_ == OutputMode::kTable ? format_fields(object, fields, wrap_width(STDOUT_FILENO)) : one_line(object));
  return kExitOk;
}

int Context::show_object(const Answer& answer, std::span<const Field> fields) {
  show_object(answer.json, fields);
  return answer.status == 207 ? kExitPartial : kExitOk;
}

std::string url_encode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  return out;
}

std::string query_string(std::initializer_list<std::pair<std::string_view, std::string>> pairs) {
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (value.empty()) continue;
    out += (out.empty() ? "?" : "&") + std::string(name) + "=" + url_encode(value);
  }
  return out;
}

Result<void> home_is_there(const std::string& home) {
  std::error_code error;
  // What else may be wrong is found when it is opened.
  if (std::filesystem::exists(home, error) || error) return store::check_not_wiped(home);
  return caller_error(store::kHomeMissing, "there is no home at " + home + "; make one with: tocsin init");
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  std::ifstream file;
  if (path != "-") {
    std::error_code error;
    if (std::filesystem::is_directory(path, error))
      return caller_error(Code{"file_not_readable"}, "cannot read " + path + ": it is a folder");
    file.open(path, std::ios::binary);
    if (!file) return caller_error(Code{"file_not_readable"}, "cannot read " + path);
  }
  std::istream& in = path == "-" ? std::cin : file;
  std::string out;
  char piece[64 * 1024];
  while (in.read(piece, sizeof piece) || in.gcount() > 0) {
    out.append(piece, static_cast<std::size_t>(in.gcount()));
    if (out.size() > bytes_max)
      return caller_error(Code{"file_too_large"}, path + " has more than " + std::to_string(bytes_max) + " bytes");
  }
  return out;
}

}  // namespace tocsin::cli
