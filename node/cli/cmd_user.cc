// user, audit.
#include "node/cli/context.h"
#include "node/cli/passphrase.h"
#include "protocol/names.h"

namespace tocsin::cli {
namespace {

constexpr Column kUserColumns[] = {{"name", "NAME", Show::kText, 0, true},     {"role", "ROLE"},
                                   {"has_password", "PASSWORD", Show::kYesNo}, {"tokens", "TOKENS", Show::kSize},
                                   {"created", "CREATED", Show::kDay},         {"user_id", "ID", Show::kId}};
constexpr Field kUserFields[] = {
    {"name", "name"}, {"role", "role"}, {"user_id", "id"}, {"has_password", "password", Show::kYesNo}};
constexpr Column kAuditColumns[] = {{"at", "AT", Show::kTime, 0, false, {}, true},
                                    {"user", "USER"},
                                    {"act", "ACT", Show::kText, 30},
                                    {"names", "WHAT", Show::kList, 0, true},
                                    {"outcome", "OUTCOME", Show::kText, 0, false, "done"}};

std::string user_path(Context& c) { return "/users/" + url_encode(c.get("name")); }

int user_add(Context& c) {
  Json body{{"name", c.get("name")}, {"role", c.get("role")}};
  if (c.has("password")) {
    auto password = user_password(c.get("name"));
    if (!password) return c.fail(password.error());
    body["password"] = std::string(as_text(password->view()));
  }
  auto answer = c.call("POST", "/users", body);
  if (!answer) return c.exit_code();
  c.show_object(*answer, kUserFields);
  c.say("Every node of this organisation learns of it. A token for programs: tocsin user token " +
        protocol::shell_word(c.get("name")));
  return kExitOk;
}

int user_list(Context& c) {
  auto answer = c.call("GET", "/users");
  return answer ? c.show_list(*answer, kUserColumns, "No users yet: tocsin user add") : c.exit_code();
}

int user_remove(Context& c) {
  if (!c.dry_run() && !c.confirm("Remove this user, for good, with all tokens?")) return c.exit_code();
  auto answer = c.call("DELETE", user_path(c));
  static constexpr Field fields[] = {{"name", "name"}, {"removed", "removed", Show::kYesNo}};
  return answer ? c.show_object(*answer, fields) : c.exit_code();
}

int user_token(Context& c) {
  if (c.has("revoke")) {
    auto answer = c.call("DELETE", user_path(c) + "/tokens/" + url_encode(c.get("revoke")));
    static constexpr Field fields[] = {{"token_id", "token id"}, {"revoked", "revoked", Show::kYesNo}};
    return answer ? c.show_object(*answer, fields) : c.exit_code();
  }
  Json body = Json::object();
  if (c.has("days")) {
    const auto text = c.get("days");
    if (text.empty() || text.size() > 4 || text.find_first_not_of("0123456789") != std::string::npos)
      return c.fail("bad_value", "--days takes a number from 1 to 366", kExitUsage);
    body["days"] = std::stoul(text);
  }
  if (c.has("scope")) body["scope"] = c.get("scope");
  auto answer = c.call("POST", user_path(c) + "/tokens", body);
  if (!answer) return c.exit_code();
  static constexpr Field fields[] = {
      {"token", "token"}, {"scope", "scope"}, {"expires", "expires", Show::kTime}, {"token_id", "id", Show::kId}};
  c.show_object(*answer, fields);
  c.say("It is shown this once. Whoever has it acts as " + c.get("name") +
        ": keep it in a file that only they can read.");
  return kExitOk;
}

int audit_list(Context& c) {
  const auto query = query_string(
      {{"since", c.get("since")}, {"user", c.get("user")}, {"limit", c.get("limit")}, {"after", c.get("after")}});
  auto answer = c.call("GET", "/audit" + query);
  if (answer && c.mode() == OutputMode::kTable) {
    // Whole ids would leave no room for the act and the time.
    for (auto& item : answer->json["items"]) {
      for (auto& name : item["names"]) {
        const auto text = name.is_string() ? name.get<std::string>() : std::string();
        if (text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos)
          name = text.substr(0, 12);
      }
    }
  }
  return answer ? c.show_list(*answer, kAuditColumns, "Nothing was done yet that is written down.") : c.exit_code();
}

}  // namespace

void add_user_commands(std::vector<Command>& out) {
  const Argument name{"name", "the user's name, or the first eight digits or more of the id"};
  out.push_back({"user",
                 "add",
                 "Add a person of this organisation",
                 {{"name", "what they are called, in one line"}},
                 {{"role", "R", "what they may do", Arity::kOne, true, "admin|analyst|reader|trainee"},
                  {"password", "", "with a password, which is asked for; without it they need a token", Arity::kFlag}},
                 "tocsin user add \"Ada K\" --role analyst --password",
                 user_add});
  out.push_back({"user", "list", "List the people of this organisation", {}, {}, "", user_list});
  out.push_back({"user", "remove", "Remove a user, and with them all their tokens", {name}, {}, "", user_remove});
  out.push_back(
      {"user",
       "token",
       "Make a token for a user; it is shown once",
       {name},
       {{"days", "N", "for so many days (default 90, at most 366)"},
        {"scope", "S", "no more than this (default: all that the role may do)", Arity::kOne, false, "read|write|admin"},
        {"revoke", "ID", "instead: end this token of theirs"}},
       "tocsin user token \"Ada K\" --days 30 --scope read",
       user_token});
  out.push_back({"audit",
                 "list",
                 "List who did what, newest first",
                 {},
                 {{"since", "DATE", "done on or after, YYYY-MM-DD or RFC 3339"},
                  {"user", "NAME", "by this user; owner: the owner of a node's home"},
                  {"limit", "N", "at most so many (default 50)"},
                  {"after", "CURSOR", "go on behind an earlier answer"}},
                 "tocsin audit list --user \"Ada K\"",
                 audit_list});
}

}  // namespace tocsin::cli
