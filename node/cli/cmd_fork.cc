// fork, and the pin by which a channel's chair chooses.
#include <charconv>
#include <cstdio>

#include "node/cli/context.h"

namespace tocsin::cli {
namespace {

int fork_list(Context& c) {
  std::string path = "/forks";
  if (c.has("channel")) path += "?channel=" + url_encode(c.get("channel"));
  auto answer = c.call("GET", path);
  if (!answer) return c.exit_code();
  static constexpr Column columns[] = {{"org_name", "AGAINST", Show::kText, 0, true},
                                       {"type", "LOG"},
                                       {"number", "FROM ENTRY"},
                                       {"resolved", "RESOLVED"},
                                       {"found", "FOUND", Show::kTime},
                                       {"log", "LOG ID", Show::kId}};
  return c.show_list(*answer, columns, "No forks are known.");
}

int fork_show(Context& c) {
  auto answer = c.call("GET", "/forks/" + url_encode(c.get("log")));
  if (!answer) return c.exit_code();
  if (c.mode() != OutputMode::kTable) return c.show_object(*answer, {});
  const bool parted = answer->json.value("parted", false);
  if (const auto pin = answer->json.value("pin", Json()); pin.is_object()) {
    answer->json["pinned_at"] = std::to_string(pin.value("number", std::uint64_t{0})) + " " + pin.value("hash", "");
  }
  static constexpr Field fields[] = {{"log", "log"},
                                     {"type", "type"},
                                     {"channel_names", "channels", Show::kList},
                                     {"org_name", "against"},
                                     {"org_id", "organisation"},
                                     {"node_id", "node"},
                                     {"number", "from entry"},
                                     {"previous", "both follow"},
                                     {"found", "found", Show::kTime},
                                     {"head", "held up to"},
                                     {"head_hash", "with hash"},
                                     {"pinned_at", "pinned at"},
                                     {"resolved", "resolved"}};
  c.show_object(*answer, fields);
  static constexpr Column columns[] = {{"hash", "SIGNED ENTRIES OF THAT NUMBER"}, {"epoch", "EPOCH"}, {"held", "HELD"}};
  std::printf("\n%s", format_table(answer->json.value("entries", Json::array()), columns, terminal_width()).c_str());
  if (!parted)
    c.say("Where the two histories part is not known yet: a sync with a node that holds the other one tells.");
  return kExitOk;
}

int channel_pin(Context& c) {
  Json body{{"feed", c.get("feed")}, {"entry", c.get("entry")}};
  if (c.has("at")) {
    const auto text = c.get("at");
    std::uint64_t number = 0;
    const auto* end = text.data() + text.size();
    if (std::from_chars(text.data(), end, number) != std::from_chars_result{end, std::errc{}})
      return c.fail("usage", "--at takes the number of an entry", kExitUsage);
    body["number"] = number;
  }
  const auto path = "/channels/" + url_encode(c.get("channel")) + "/pins";
  if (!c.dry_run() && !c.has("yes")) {
    // Nothing is asked that would be refused anyway; and what the node cannot check is said before the yes.
    const auto would = c.call("POST", path + "?dry_run=true", body);
    if (!would) return c.exit_code();
    std::string question =
        "End this feed with entry " + std::to_string(would->json.value("number", std::uint64_t{0})) +
        ", for every member? What is held of another branch goes everywhere, and nothing above is taken. This cannot "
        "be undone.";
    for (const auto& warning : would->json.value("warnings", Json::array()))
      question += " Mind: " + warning.get<std::string>() + ".";
    if (!c.confirm(question)) return c.exit_code();
  }
  auto answer = c.call("POST", path, body);
  static constexpr Field fields[] = {{"channel_id", "channel"},
                                     {"log", "feed"},
                                     {"number", "last good entry"},
                                     {"entry", "with hash"},
                                     {"held", "held here up to"},
                                     {"dropped", "entries dropped here"},
                                     {"warnings", "mind", Show::kList},
                                     {"what", "proposed"},
                                     {"state", "state"},
                                     {"approved", "yes"},
                                     {"needed", "needed"},
                                     {"proposal_id", "proposal"}};
  if (!answer) return c.exit_code();
  const int shown = c.show_object(*answer, fields);
  // 202: what was asked for waits for other stewards.
  return shown == kExitOk && answer->status == 202 ? kExitPartial : shown;
}

}  // namespace

void add_fork_commands(std::vector<Command>& out) {
  out.push_back({"channel",
                 "pin",
                 "Choose the branch of a feed that forked: its last good entry, for everybody",
                 {{"channel", "its name, or its id (the first eight digits or more will do)"},
                  {"feed", "the log, as tocsin fork list names it"}},
                 {{"entry", "HASH", "hash of the last good entry, in full (tocsin fork show)", Arity::kOne, true},
                  {"at", "NUMBER", "its number, where this node does not hold that entry"}},
                 "tocsin channel pin rakhine 3f09a1c2 --entry HASH --dry-run",
                 channel_pin});
  out.push_back({"fork",
                 "list",
                 "List logs of which two histories are signed, and by whom",
                 {},
                 {{"channel", "CHANNEL", "of one channel"}},
                 "",
                 fork_list});
  out.push_back({"fork",
                 "show",
                 "Show a fork: whose log, where the histories part, both entries, the pin that chose",
                 {{"log", "its id (the first eight digits or more will do)"}},
                 {},
                 "",
                 fork_show});
}

}  // namespace tocsin::cli
