// channel.
#include <cstdio>

#include "node/cli/context.h"
#include "node/cli/readers.h"
#include "protocol/names.h"

namespace tocsin::cli {
namespace {

std::string channel_path(Context& c, const std::string& more = {}) {
  return "/channels/" + url_encode(c.get("channel")) + more;
}

// False: it is no number, and that was said.
bool put_quorum(Context& c, Json& body) {
  if (!c.has("quorum")) return true;
  const auto text = c.get("quorum");
  if (text.empty() || text.size() > 2 || text.find_first_not_of("0123456789") != std::string::npos) {
    c.set_exit(c.fail("bad_value", "--quorum takes the number of stewards that have to approve", kExitUsage));
    return false;
  }
  body["quorum"] = std::stoul(text);
  return true;
}

int channel_create(Context& c) {
  Json body{{"name", c.get("name")}};
  if (c.has("class")) body["class"] = c.get("class");
  if (c.has("terms")) {
    auto terms = read_file(c.get("terms"), 8192);
    if (!terms) return c.fail(terms.error());
    body["terms"] = *terms;
  }
  if (c.has("retention-days")) {
    try {
      body["retention_days"] = std::stoul(c.get("retention-days"));
    } catch (const std::exception&) {
      return c.fail("usage", "--retention-days takes a number of days", kExitUsage);
    }
  }
  if (c.has("steward")) body["stewards"] = c.all("steward");
  if (!put_quorum(c, body)) return c.exit_code();
  if (c.has("successor-of")) body["successor_of"] = c.get("successor-of");
  auto answer = c.call("POST", "/channels", body);
  static constexpr Field fields[] = {
      {"name", "name"}, {"channel_id", "channel"}, {"class", "class"}, {"successor_of", "follows"}};
  if (!answer) return c.exit_code();
  c.show_object(*answer, fields);
  if (c.mode() != OutputMode::kTable) return kExitOk;
  static constexpr Column invited[] = {{"name", "INVITED", Show::kText, 0, true},
                                       {"org_id", "ORGANISATION", Show::kId}};
  static constexpr Column others[] = {{"name", "NOT INVITED", Show::kText, 0, true}, {"detail", "BECAUSE"}};
  if (const auto list = answer->json.value("invited", Json::array()); !list.empty())
    std::printf("\n%s", format_table(list, invited, terminal_width()).c_str());
  if (const auto list = answer->json.value("not_invited", Json::array()); !list.empty())
    std::printf("\n%s", format_table(list, others, terminal_width()).c_str());
  if (c.has("steward"))
    c.say("The other stewards are invited. What needs several of them can be decided once they have accepted.");
  return kExitOk;
}

int channel_list(Context& c) {
  auto answer = c.call("GET", "/channels");
  static constexpr Column columns[] = {{"name", "NAME", Show::kText, 0, true},
                                       {"class", "CLASS"},
                                       {"state", "STATE"},
                                       {"role", "ROLE", Show::kText, 0, false, "unknown"},
                                       {"members", "MEMBERS", Show::kCount},
                                       {"reports", "REPORTS", Show::kCount},
                                       {"epoch", "EPOCH"},
                                       {"channel_id", "CHANNEL", Show::kId}};
  return answer ? c.show_list(*answer, columns, "No channels.") : c.exit_code();
}

// What it makes of those who accept.
std::string as_what(const Json& role) {
  if (role == "member") return " to join as a member, who reads and writes";
  if (role == "reader") return " to join as a reader, who writes nothing";
  if (role == "contributor") return " to contribute: to write, and read nothing but answers";
  return {};
}

int channel_show(Context& c) {
  auto answer = c.call("GET", channel_path(c));
  if (!answer) return c.exit_code();
  static constexpr Field fields[] = {{"name", "name"},
                                     {"channel_id", "channel"},
                                     {"class", "class"},
                                     {"state", "state"},
                                     {"role", "own role"},
                                     {"invited_as", "invited as"},
                                     {"chair_text", "chair"},
                                     {"epoch", "epoch", Show::kSome},
                                     {"epoch_created", "key made", Show::kTime},
                                     {"height", "control height", Show::kSome},
                                     {"term", "term"},
                                     {"quorum", "stewards that decide", Show::kSome},
                                     {"proposals_open", "open proposals", Show::kSome},
                                     {"successor_of", "follows"},
                                     {"successor", "followed by"},
                                     {"retention_days", "kept for (days)", Show::kSome},
                                     {"terms", "terms"},
                                     {"warnings", "warnings", Show::kList}};
  const auto invited_as = answer->json.value("invited_as", Json());
  if (c.mode() == OutputMode::kTable &&
      (answer->json.value("role", std::string()) == "unknown" || invited_as.is_string()))
    answer->json.erase("role");
  // Its name alone could be that of another.
  if (const auto chair = answer->json.value("chair", Json()); c.mode() == OutputMode::kTable && chair.is_object())
    answer->json["chair_text"] =
        chair.value("name", std::string()) + " (" + chair.value("org_id", std::string()).substr(0, 12) + ")";
  c.show_object(*answer, fields);
  if (c.mode() != OutputMode::kTable) return kExitOk;
  static constexpr Column columns[] = {{"name", "WHO CAN READ THIS", Show::kText, 0, true},
                                       {"role", "ROLE"},
                                       {"kind", "KIND"},
                                       {"country", "ISO3"},
                                       {"nodes", "NODES", Show::kSize},
                                       {"org_id", "ORGANISATION", Show::kId}};
  const auto members = answer->json.value("members", Json::array());
  const auto word = protocol::shell_word(c.get("channel"));
  if (answer->json.value("state", std::string()) == "invited") {
    std::puts("");
    c.say("This is an invitation" + as_what(invited_as) +
          ". Who the members are is told to members only. To agree to the terms and join: tocsin channel accept " +
          word + "; to decline: tocsin channel refuse " + word);
  } else if (answer->json.value("readers_hidden", false)) {
    std::puts("");
    c.say(
        "This organisation contributes: what it writes reaches everybody who reads this channel, and it is shown "
        "neither them nor what others write.");
  } else if (!members.empty()) {
    std::printf("\n%s", format_table(members, columns, terminal_width()).c_str());
  }
  if (const auto grants = answer->json.value("grants", Json::array()); !grants.empty()) {
    static constexpr Column given[] = {{"name", "WAS GIVEN OLDER REPORTS", Show::kText, 0, true},
                                       {"from_epoch", "FROM EPOCH"},
                                       {"joined_epoch", "JOINED WITH"},
                                       {"granted_at", "GRANTED", Show::kTime},
                                       {"org_id", "ORGANISATION", Show::kId}};
    std::printf("\n%s", format_table(grants, given, terminal_width()).c_str());
  }
  if (const auto invited = answer->json.value("invited", Json::array()); !invited.empty()) {
    static constexpr Column waiting[] = {{"name", "INVITED, NOT YET ACCEPTED", Show::kText, 0, true},
                                         {"role", "ROLE"},
                                         {"org_id", "ORGANISATION", Show::kId}};
    std::printf("\n%s", format_table(invited, waiting, terminal_width()).c_str());
  }
  return kExitOk;
}

constexpr Field kActFields[] = {{"channel_id", "channel"}, {"org_id", "organisation"}, {"role", "role"},
                                {"what", "proposed"},      {"state", "state"},         {"approved", "yes"},
                                {"needed", "needed"},      {"epoch", "epoch"},         {"still_has", "still has"},
                                {"detail", "detail"},      {"terms", "terms"},         {"proposal_id", "proposal"}};

// 202: what was asked for waits for others.
int show_act(Context& c, const Context::Answer& answer) {
  c.show_object(answer, kActFields);
  return answer.status == 202 ? kExitPartial : kExitOk;
}

// --dry-run of add and remove: who would read the channel then.
int show_would_be(Context& c, const Context::Answer& answer) {
  c.show_object(answer, kActFields);
  if (c.mode() != OutputMode::kTable) return kExitOk;
  std::puts("");
  return show_readers(c, answer.json);
}

int channel_add(Context& c) {
  Json body{{"org", c.get("org")}, {"role", c.get("role", "member")}};
  if (c.has("reason")) body["reason"] = c.get("reason");
  auto answer = c.call("POST", channel_path(c, "/members"), body);
  if (!answer) return c.exit_code();
  if (c.dry_run()) return show_would_be(c, *answer);
  if (answer->status == 202) return show_act(c, *answer);
  c.show_object(*answer, kActFields);
  c.say("It gets no key before it accepts. Over there: tocsin channel accept " +
        protocol::shell_word(c.get("channel")));
  return kExitOk;
}

int channel_remove(Context& c) {
  if (!c.dry_run() && !c.confirm("Remove this organisation? It keeps what it has; nothing new will reach it."))
    return c.exit_code();
  auto answer = c.call(
      "DELETE", channel_path(c, "/members/" + url_encode(c.get("org"))) + query_string({{"reason", c.get("reason")}}));
  if (!answer) return c.exit_code();
  return c.dry_run() ? show_would_be(c, *answer) : show_act(c, *answer);
}

// Says first what it would show, and to whom.
int channel_grant_history(Context& c) {
  const auto text = c.get("from");
  if (text.empty() || text.size() > 15 || text.find_first_not_of("0123456789") != std::string::npos)
    return c.fail("usage", "--from takes the number of an epoch; channel show tells the newest", kExitUsage);
  const std::uint64_t from = std::stoull(text);
  const Json body{{"org", c.get("org")}, {"from_epoch", from}};
  const auto path = channel_path(c, "/grants");
  static constexpr Field fields[] = {
      {"name", "organisation"},        {"from_epoch", "from epoch"},         {"to_epoch", "to epoch"},
      {"since", "since", Show::kTime}, {"reports", "reports", Show::kCount}, {"detail", "detail"}};
  if (!c.dry_run() && !c.has("yes")) {
    auto would = c.call("POST", path + "?dry_run=true", body);
    if (!would) return c.exit_code();
    const auto question = "Give " + would->json.value("name", std::string()) + " everything since " +
                          would->json.value("since", std::string()) + ": " +
                          std::to_string(would->json.value("reports", std::uint64_t{0})) +
                          " reports? It cannot be taken back, and every member will see it.";
    if (!c.confirm(question)) return c.exit_code();
  }
  auto answer = c.call("POST", path, body);
  if (!answer) return c.exit_code();
  if (answer->status == 202) return show_act(c, *answer);
  c.show_object(*answer, fields);
  if (!c.dry_run()) c.say("Any member gives it the keys when they meet.");
  return kExitOk;
}

int channel_accept(Context& c) {
  auto answer = c.call("POST", channel_path(c, "/accept"));
  return answer ? show_act(c, *answer) : c.exit_code();
}

int channel_leave(Context& c) {
  if (!c.dry_run() && !c.confirm("Leave this channel? To come back this organisation has to be invited again."))
    return c.exit_code();
  auto answer = c.call("POST", channel_path(c, "/leave"));
  return answer ? show_act(c, *answer) : c.exit_code();
}

int channel_stewards(Context& c) {
  Json body{{"stewards", c.all("steward")}};
  if (c.has("reason")) body["reason"] = c.get("reason");
  if (!put_quorum(c, body)) return c.exit_code();
  auto answer = c.call("POST", channel_path(c, "/stewards"), body);
  return answer ? show_act(c, *answer) : c.exit_code();
}

int channel_chair(Context& c) {
  Json body = Json::object();
  if (c.has("to")) body["org"] = c.get("to");
  if (c.has("reason")) body["reason"] = c.get("reason");
  auto answer = c.call("POST", channel_path(c, "/chair"), body);
  return answer ? show_act(c, *answer) : c.exit_code();
}

int channel_act(Context& c) {
  auto answer = c.call("POST", channel_path(c, "/" + std::string(c.command().verb)));
  return answer ? c.show_object(*answer, kActFields) : c.exit_code();
}

}  // namespace

void add_channel_commands(std::vector<Command>& out) {
  const Argument channel{"channel", "its name, or its id (the first eight digits or more will do)"};
  const Argument org{"org", "organisation id, or the first eight digits or more"};
  out.push_back(
      {"channel",
       "create",
       "Make a channel with this organisation as its steward",
       {{"name", "its name, known to members only"}},
       {{"steward", "ORG", "a verified peer that decides with this organisation; repeat for each, at least two",
         Arity::kMany},
        {"quorum", "K", "how many stewards have to approve (default: more than half)"},
        {"successor-of", "C", "the channel that this one follows, whose members are invited"},
        {"class", "CLASS", "shared, alert or public (default shared)", Arity::kOne, false, "shared|alert|public"},
        {"terms", "FILE", "purpose, handling, contact: what members agree to"},
        {"retention-days", "N", "erase bodies after so many days (default 0: keep)"}},
       "tocsin channel create rakhine --terms terms.txt",
       channel_create});
  out.push_back({"channel", "list", "List channels and invitations", {}, {}, "", channel_list});
  out.push_back(
      {"channel", "show", "Show a channel: terms, key, and who can read it", {channel}, {}, "", channel_show});
  out.push_back({"channel",
                 "add",
                 "Invite a verified peer; it gets no key before it accepts",
                 {channel, org},
                 {{"role", "ROLE", "member, reader, or contributor, who writes and sees nobody (default member)",
                   Arity::kOne, false, "member|reader|contributor"},
                  {"reason", "TEXT", "for the other stewards, where they have to approve"}},
                 "",
                 channel_add});
  out.push_back({"channel",
                 "remove",
                 "Remove an organisation: a new key is made and given to the others",
                 {channel, org},
                 {{"reason", "TEXT", "for the other stewards, where they have to approve"}},
                 "",
                 channel_remove});
  out.push_back({"channel",
                 "accept",
                 "Agree to a channel's terms and join; waits up to 60 s for the key",
                 {channel},
                 {},
                 "",
                 channel_accept});
  out.push_back({"channel", "refuse", "Decline an invitation", {channel}, {}, "", channel_act});
  out.push_back({"channel",
                 "leave",
                 "Leave a channel: what came stays here, nothing new comes or goes; a steward has to be replaced first",
                 {channel},
                 {},
                 "",
                 channel_leave});
  out.push_back({"channel",
                 "stewards",
                 "Say who decides about the channel: one, or at least three",
                 {channel},
                 {{"steward", "ORG", "a member; repeat for each, in order", Arity::kMany, true},
                  {"quorum", "K", "how many of them have to approve (default: more than half)"},
                  {"reason", "TEXT", "for those who decide"}},
                 "tocsin channel stewards rakhine --steward 1f00a1b2 --steward 2c77d3e4 --steward 9a01b2c3 --quorum 2",
                 channel_stewards});
  out.push_back({"channel",
                 "chair",
                 "Propose that another steward leads the channel from its next term on",
                 {channel},
                 {{"to", "ORG", "a steward (default: this organisation, on this node)"},
                  {"reason", "TEXT", "for those who decide"}},
                 "",
                 channel_chair});
  out.push_back({"channel",
                 "grant-history",
                 "Give a member what was written before it joined; every member sees that, and it cannot be taken back",
                 {channel, org},
                 {{"from", "EPOCH", "first epoch that it is given; it gets all from there on", Arity::kOne, true}},
                 "tocsin channel grant-history rakhine \"Regional body\" --from 3",
                 channel_grant_history});
  out.push_back({"channel", "rotate", "Make a new key for the channel now", {channel}, {}, "", channel_act});
}

}  // namespace tocsin::cli
