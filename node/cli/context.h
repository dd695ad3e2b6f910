// What a command handler works with: the parsed words, the home, the way out for answers and errors, and the running
// node.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "crypto/result.h"
#include "node/cli/api_client.h"
#include "node/cli/output.h"
#include "node/cli/table.h"

namespace tocsin::cli {

using Json = nlohmann::ordered_json;

class Context {
 public:
  Context(const Command& command, std::map<std::string, std::vector<std::string>> words);

  // ---- words
  bool has(std::string_view name) const;
  std::string get(std::string_view name, std::string_view otherwise = {}) const;  // the first value
  const std::vector<std::string>& all(std::string_view name) const;
  const Command& command() const { return command_; }

  // ---- where and how
  const std::string& home() const { return home_; }
  OutputMode mode() const { return mode_; }
  bool dry_run() const { return has("dry-run"); }
  // Yes to one question. Without a terminal and without --yes it is an error, never a yes: prints it and gives false.
  bool confirm(std::string_view question);

  // ---- the running node
  struct Answer {
    int status = 0;
    std::string body;
    Json json;  // discarded when the body is not JSON
    bool ok() const { return status >= 200 && status < 300; }
  };
  // One call. On an answer that is no success, or no node there, the problem has been printed and `exit` is set.
  std::optional<Answer> call(std::string_view method, const std::string& path, const Json& body = nullptr);
  // Its path begins with /api/v1. `on_piece` as in http_call.
  std::optional<Answer> call(HttpRequest request, const std::function<bool(std::string_view)>& on_piece = {});
  // The same where a table would like to know more: without an answer there is simply nothing (null).
  // `status`: of the answer; 0 where none came.
  Json ask(const std::string& path, int* status = nullptr) const;
  int exit_code() const { return exit_; }
  void set_exit(int code) { exit_ = code; }

  // Prints the answer: as it is (json), one item a line (ndjson), or by `columns` (table).
  int show_list(const Answer& answer, std::span<const Column> columns, std::string_view empty_text);
  int show_object(const Answer& answer, std::span<const Field> fields);
  // For what was made without a node (init, fsck).
  int show_object(const Json& object, std::span<const Field> fields);

  // One line or paragraph of a table's answer, broken at the terminal's width; nothing in the other modes.
  void say(std::string_view text) const;
  // Problem object on standard error (table: `error:` and `hint:` lines); gives the exit code for it.
  int fail(std::string_view code, std::string_view detail, int exit = kExitFailure, std::string_view hint = {});
  int fail(const Error& error, int exit = kExitFailure);

 private:
  int fail_answer(const Answer& answer);
  const Command& command_;
  std::map<std::string, std::vector<std::string>> words_;
  std::string home_;
  OutputMode mode_;
  int exit_ = kExitOk;
};

// `error: ` or `hint: ` and the text, broken at the width of standard error.
void complain(std::string_view label, std::string_view text);
// A row that an import refused, and a peer that a sync did not reach, in words.
std::string refused_line(const Json& row);
std::string unreached_line(const Json& peer);
// Whether the code says that what is stored is damaged: exit 6.
bool is_damage(std::string_view code);
// Percent-encodes a path segment or query value.
std::string url_encode(std::string_view text);
// "?a=b&c=d" from pairs whose value is not empty.
std::string query_string(std::initializer_list<std::pair<std::string_view, std::string>> pairs);
// Before anything is asked. Errors: home_missing, home_wiped.
Result<void> home_is_there(const std::string& home);
// Whole file, or standard input for "-". Errors: file_not_readable, file_too_large.
Result<std::string> read_file(const std::string& path, std::size_t bytes_max);

}  // namespace tocsin::cli
