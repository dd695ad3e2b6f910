// report, but for import and export.
#include <algorithm>
#include <cstdio>
#include <map>

#include "node/cli/context.h"
#include "node/cli/json_file.h"
#include "node/cli/readers.h"
#include "node/cli/report_filters.h"

namespace tocsin::cli {
namespace {

constexpr Column kReportColumns[] = {{"id", "REPORT", Show::kId},
                                     {"kind", "KIND"},
                                     {"observed_from", "OBSERVED", Show::kDay},
                                     {"country", "ISO3"},
                                     {"severity", "SEVERITY"},
                                     {"tlp", "TLP"},
                                     {"title", "TITLE", Show::kText, 0, true},
                                     {"state", "STATE", Show::kText, 0, false, "current"}};
constexpr Field kMadeFields[] = {{"id", "report"},          {"channels", "channels", Show::kList},
                                 {"channel_id", "channel"}, {"state", "state"},
                                 {"detail", "detail"},      {"warnings", "mind", Show::kList}};
std::string report_path(Context& c, const std::string& more = {}) {
  return "/reports/" + url_encode(c.get("report")) + more;
}

// REFERENCE or REFERENCE:GRADE, such as 5f0c6a1b:B2. A shortened reference is one that this node knows.
std::optional<Json> read_source(Context& c, const std::string& given) {
  const auto colon = given.find(':');
  if (colon == 0 || given.empty()) {
    c.set_exit(c.fail("bad_value", "Name the source's reference first: --source REF or --source REF:B2", kExitUsage));
    return std::nullopt;
  }
  Json source{{"reference", given.substr(0, colon)}};
  if (source["reference"].get_ref<const std::string&>().size() < 32) {
    auto known = c.call("GET", "/sources/" + url_encode(given.substr(0, colon)));
    if (!known) return std::nullopt;
    source["reference"] = known->json["reference"];
  }
  if (colon == std::string::npos) return source;
  const auto grade = given.substr(colon + 1);
  if (grade.size() != 2) {
    c.set_exit(c.fail("bad_value", "A grade is a letter A to F and a digit 1 to 6, such as B2: --source " + given,
                      kExitUsage));
    return std::nullopt;
  }
  source["reliability"] = grade.substr(0, 1);
  source["credibility"] = grade.substr(1, 1);
  return source;
}

// The report object of `new` and `correct`: a file, with single options on top.
std::optional<Json> read_report(Context& c, int& exit) {
  Json report = Json::object();
  if (c.has("file")) {
    auto read = read_json_object(c.get("file"));
    if (!read) return exit = c.fail(read.error()), std::nullopt;
    report = std::move(*read);
  }
  for (const auto* key :
       {"kind", "title", "text", "tlp", "severity", "urgency", "certainty", "status", "observed-from", "observed-to"}) {
    if (!c.has(key)) continue;
    std::string field(key);
    for (auto& ch : field) ch = ch == '-' ? '_' : ch;
    report[field] = c.get(key);
  }
  for (const auto& given : c.all("source")) {
    auto source = read_source(c, given);
    if (!source) return exit = c.exit_code(), std::nullopt;
    if (!report["sources"].is_array()) report["sources"] = Json::array();
    report["sources"].push_back(std::move(*source));
  }
  if (c.has("country")) {
    if (!report["place"].is_object()) report["place"] = Json::object();
    report["place"]["iso3"] = c.get("country");
  }
  return report;
}

int show_made(Context& c, Context::Answer& answer) {
  name_channels(c, answer.json);
  return c.show_object(answer, kMadeFields);
}

int report_new(Context& c) {
  int exit = kExitOk;
  auto report = read_report(c, exit);
  if (!report) return exit;
  Json body{{"report", *report}};
  if (c.has("channel")) body["channel"] = c.get("channel");
  if (c.has("allow-government")) body["allow_government"] = c.all("allow-government");
  auto answer = c.call("POST", "/reports", body);
  if (!answer) return c.exit_code();
  return c.dry_run() ? show_readers(c, answer->json) : show_made(c, *answer);
}

int report_list(Context& c) {
  auto answer = c.call("GET", "/reports" + filter_query(c, {{"count", c.has("count") ? "true" : ""}}));
  if (!answer) return c.exit_code();
  static constexpr Field count[] = {{"count", "reports", Show::kCount}};
  return c.has("count") ? c.show_object(*answer, count) : c.show_list(*answer, kReportColumns, "No reports.");
}

// Of what waits, for a table: for what, to go where, and who wants it. Gives true where a person may release it.
bool add_waiting(Context& c, Json& answer) {
  if (c.mode() != OutputMode::kTable || !answer.contains("waiting")) return false;
  static const std::map<std::string, std::string, std::less<>> kWhat = {{"report", "this report"},
                                                                        {"correct", "a correction"},
                                                                        {"dispute", "a dispute"},
                                                                        {"corroborate", "a corroboration"}};
  Json what = Json::array(), channels = Json::array(), by = Json::array();
  const auto add = [](Json& list, const Json& value) {
    if (std::ranges::find(list, value) == list.end()) list.push_back(value);
  };
  bool person = false;
  for (const auto& record : answer["waiting"]) {
    const auto found = kWhat.find(record.value("what", std::string()));
    add(what, found == kWhat.end() ? std::string("a statement") : found->second);
    for (const auto& channel : record.value("waiting_for", Json::array())) add(channels, channel);
    std::string who = record.value("asked_by", std::string());
    std::string before;
    for (const auto& name : record.value("asked_before_by", Json::array()))
      if (name != record.value("asked_by", Json())) before += (before.empty() ? "" : ", ") + name.get<std::string>();
    add(by, before.empty() ? who : who + " (before: " + before + ")");
    person |= record.value("until", std::string()) == "released";
  }
  answer["waits"] = {{"what", what},
                     {"until", person ? "a second person, who releases it" : "this home to be confirmed"},
                     {"channels", channels},
                     {"by", by},
                     {"since", answer["waiting"].front().value("asked_at", Json())}};
  name_channels(c, answer["waits"]);
  return person;
}

constexpr Field kWaitsFields[] = {{"waits/what", "what waits", Show::kList},
                                  {"waits/until", "waits for"},
                                  {"waits/channels", "is to go to", Show::kList},
                                  {"waits/by", "wanted by", Show::kList},
                                  {"waits/since", "wanted since", Show::kTime}};

int report_show(Context& c) {
  auto answer = c.call("GET", report_path(c));
  if (!answer) return c.exit_code();
  static constexpr Field fields[] = {{"title", "title"},
                                     {"id", "report"},
                                     {"kind", "kind"},
                                     {"status", "status"},
                                     {"state/current", "state"},
                                     kWaitsFields[0],
                                     kWaitsFields[1],
                                     kWaitsFields[2],
                                     kWaitsFields[3],
                                     kWaitsFields[4],
                                     {"state/disputed", "disputed by", Show::kSome},
                                     {"state/corroborated", "corroborated by", Show::kSome},
                                     {"state/acknowledged", "acknowledged by", Show::kSome},
                                     {"author_name", "author"},
                                     {"created", "created (claimed)", Show::kTime},
                                     {"observed_from", "observed from", Show::kTime},
                                     {"observed_to", "observed to", Show::kTime},
                                     {"place/iso3", "country"},
                                     {"place/name", "place"},
                                     {"place/latitude", "latitude"},
                                     {"place/longitude", "longitude"},
                                     {"tlp", "TLP"},
                                     {"severity", "severity"},
                                     {"urgency", "urgency"},
                                     {"certainty", "certainty"},
                                     {"likelihood", "likelihood"},
                                     {"confidence", "confidence"},
                                     {"indicators", "risk indicators", Show::kList},
                                     {"channels", "channels", Show::kList},
                                     {"entry/received", "received", Show::kTime},
                                     {"state/reason", "withdrawn because"},
                                     {"hold/state", "evidence copy"},
                                     {"hold/reason", "kept because"},
                                     {"text", "text"}};
  name_channels(c, answer->json);
  const bool release = add_waiting(c, answer->json);
  const int shown = c.show_object(*answer, fields);
  if (release) {
    const auto id = answer->json.value("id", std::string()).substr(0, 12);
    c.say("");
    c.say("Who would read it: tocsin report release " + id +
          " --dry-run. Without --dry-run that releases it, by another person than those who want it.");
  }
  if (c.mode() == OutputMode::kTable && answer->json.contains("withdrawal"))
    show_withdrawal(c, answer->json["withdrawal"]);
  return shown;
}

int report_history(Context& c) {
  auto answer = c.call("GET", report_path(c, "/history"));
  if (!answer) return c.exit_code();
  // What has no title of its own says why instead.
  if (c.mode() == OutputMode::kTable)
    for (auto& item : answer->json["items"])
      item["says"] = item.contains("why") && item["why"].is_string() && item["why"] != "" ? item["why"]
                                                                                          : item.value("title", Json());
  static constexpr Column columns[] = {{"kind", "WHAT"},
                                       {"author_name", "BY", Show::kText, 24},
                                       {"created", "CLAIMED AT", Show::kTime},
                                       {"says", "TITLE OR REASON", Show::kText, 0, true},
                                       {"id", "REPORT", Show::kId}};
  const int shown = c.show_list(*answer, columns, "Nothing refers to this report.");
  if (c.mode() == OutputMode::kTable && answer->json.contains("withdrawal"))
    show_withdrawal(c, answer->json["withdrawal"]);
  return shown;
}

// With --channel: who would read it there.
int report_readers(Context& c) {
  if (c.has("channel")) {
    auto would = c.call("POST", report_path(c, "/share?dry_run=true"), Json{{"channel", c.get("channel")}});
    return would ? show_readers(c, would->json) : c.exit_code();
  }
  auto answer = c.call("GET", report_path(c, "/readers"));
  if (!answer || !add_reader_warnings(c, c.get("report"), answer->json)) return c.exit_code();
  return show_readers(c, answer->json);
}

int report_share(Context& c) {
  Json body{{"channel", c.get("channel")}};
  if (c.has("allow-government")) body["allow_government"] = c.all("allow-government");
  auto answer = c.call("POST", report_path(c, "/share"), body);
  if (!answer) return c.exit_code();
  if (answer->status == 207) return show_made(c, *answer);
  c.say(c.dry_run() ? "These would read it:" : "Shared. These read it now:");
  return show_readers(c, answer->json);
}

int report_answer(Context& c) {
  auto answer = c.call("POST", report_path(c, "/answer"), Json{{"text", c.get("text")}});
  static constexpr Field fields[] = {
      {"name", "to"}, {"report_id", "about"}, {"channel_id", "in the name of"}, {"text", "answer"}};
  if (!answer) return c.exit_code();
  c.show_object(*answer, fields);
  if (!c.dry_run())
    c.say("Any member brings it when it meets that organisation. Every member of the channel can read it.");
  return kExitOk;
}

int report_correct(Context& c) {
  int exit = kExitOk;
  auto report = read_report(c, exit);
  if (!report) return exit;
  Json body{{"report", *report}};
  if (c.has("reason")) body["reason"] = c.get("reason");
  if (c.has("allow-government")) body["allow_government"] = c.all("allow-government");
  auto answer = c.call("POST", report_path(c, "/correct"), body);
  if (!answer) return c.exit_code();
  return c.dry_run() ? show_readers(c, answer->json) : show_made(c, *answer);
}

int report_release(Context& c) {
  Json body = Json::object();
  if (c.has("allow-government")) body["allow_government"] = c.all("allow-government");
  if (c.has("seen")) body["version"] = c.get("seen");
  if (c.has("readers-changed")) body["confirm_readers"] = c.get("readers-changed");
  auto answer = c.call("POST", report_path(c, "/release"), body);
  if (!answer) return c.exit_code();
  if (c.mode() != OutputMode::kTable) return c.show_object(*answer, {});
  const bool nowhere = answer->json.value("channels", Json::array()).empty();
  name_channels(c, answer->json);
  add_waiting(c, answer->json);
  static constexpr Field fields[] = {{"title", "title"},
                                     {"id", "report"},
                                     {"channels", "shared in", Show::kList},
                                     {"asked_by", "wanted by"},
                                     {"released_by", "released by"}};
  static constexpr Field would[] = {{"title", "title"}, {"id", "report"},
                                    kWaitsFields[0],    {"channels", "would go to", Show::kList},
                                    kWaitsFields[3],    kWaitsFields[4]};
  if (c.dry_run()) c.say("Nothing was released. This would go:");
  c.dry_run() ? c.show_object(*answer, would) : c.show_object(*answer, fields);
  if (nowhere) {
    c.say(c.dry_run() ? "It is in those channels already: nothing would go out."
                      : "It was in those channels already: nothing went out, and it waits no more.");
    return answer->status == 207 ? kExitPartial : kExitOk;
  }
  c.say("");
  c.say(c.dry_run() ? "These would read it:" : "These read it now:");
  show_readers(c, answer->json);
  return answer->status == 207 ? kExitPartial : kExitOk;
}

// withdraw, corroborate, dispute: one sentence about another report.
int report_say(Context& c) {
  const bool withdraw = c.command().verb == "withdraw";
  if (withdraw && !c.dry_run() && !c.confirm("Withdraw this report for everybody who got it?")) return c.exit_code();
  const std::string_view key = withdraw ? "reason" : "why";
  Json body = Json::object();
  if (c.has(key)) body[std::string(key)] = c.get(key);
  if (c.has("allow-government")) body["allow_government"] = c.all("allow-government");
  auto answer = c.call("POST", report_path(c, "/" + std::string(c.command().verb)), body);
  if (!answer) return c.exit_code();
  if (c.dry_run()) return show_readers(c, answer->json);
  const int shown = show_made(c, *answer);
  if (withdraw) c.say("Each node is asked to erase it. What they say: tocsin report withdrawal " + c.get("report"));
  return shown;
}

}  // namespace

std::string filter_query(Context& c, std::initializer_list<std::pair<std::string_view, std::string>> more) {
  std::string out = query_string({{"text", c.get("text")},
                                  {"kind", c.get("kind")},
                                  {"country", c.get("country")},
                                  {"since", c.get("since")},
                                  {"until", c.get("until")},
                                  {"severity", c.get("severity")},
                                  {"channel", c.get("channel")},
                                  {"author", c.get("author")},
                                  {"near", c.get("near")},
                                  {"state", c.get("state")},
                                  {"limit", c.get("limit")},
                                  {"after", c.get("after")}});
  const auto rest = query_string(more);
  return out.empty() || rest.empty() ? out + rest : out + "&" + rest.substr(1);
}

std::vector<Option> filter_options(bool paging) {
  std::vector<Option> out = {{"kind", "KIND", "of this kind"},
                             {"country", "ISO3", "about this country"},
                             {"since", "DATE", "observed on or after, YYYY-MM-DD or RFC 3339"},
                             {"until", "DATE", "observed before the end of"},
                             {"severity", "S", "at least: Minor, Moderate, Severe, Extreme"},
                             {"channel", "C", "shared in this channel"},
                             {"author", "ORG", "written by this organisation"},
                             {"near", "LAT,LON,KM", "within so many kilometres of a point"},
                             {"state", "STATE",
                              "withdrawn, corrected, disputed, corroborated or conflict; waiting: for a second person, "
                              "or for this home to be confirmed"}};
  if (paging) {
    out.push_back({"limit", "N", "at most so many (default 50, at most 500)"});
    out.push_back({"after", "CURSOR", "go on behind an earlier answer"});
  }
  return out;
}

void add_report_commands(std::vector<Command>& out) {
  const Argument report{"report", "report id, or the first eight digits or more"};
  const Option government{"allow-government", "ISO3",
                          "share although this country's government will read it and the report names the country",
                          Arity::kMany};
  const std::vector<Option> content = {
      {"file", "F.json", "the report as JSON; - for standard input"},
      {"title", "TEXT", "one line that says what happened"},
      {"text", "TEXT", "the report's text"},
      {"country", "ISO3", "country it is about"},
      {"tlp", "TLP", "RED, AMBER+STRICT, AMBER, GREEN or CLEAR"},
      {"severity", "S", "Minor, Moderate, Severe, Extreme"},
      {"urgency", "U", "Past, Future, Expected, Immediate"},
      {"certainty", "C", "Observed, Likely, Possible, Unlikely"},
      {"status", "S", "Actual, Exercise, System, Test, Draft"},
      {"observed-from", "TIME", "RFC 3339"},
      {"observed-to", "TIME", "RFC 3339"},
      {"source", "REF[:GRADE]", "a protected source, with its Admiralty grade: 5f0c6a1b:B2", Arity::kMany}};
  auto made = content;
  made.insert(made.begin(), {"kind", "KIND", "incident, situation, indicator, displacement, ...", Arity::kOne, false});
  made.push_back({"channel", "C", "share it in this channel; without one it stays private"});
  made.push_back(government);
  out.push_back(
      {"report",
       "new",
       "Write a report; without a channel it stays private",
       {},
       made,
       "tocsin report new --kind incident --title \"Village burnt\" --country MMR --tlp AMBER --channel rakhine",
       report_new});
  auto listing = filter_options(true);
  listing.push_back({"count", "", "only how many", Arity::kFlag});
  out.push_back({"report", "list", "List reports, newest arrival first", {}, listing, "", report_list});
  out.push_back({"report",
                 "search",
                 "Find reports by words",
                 {{"text", "words to look for"}},
                 filter_options(true),
                 "tocsin report search \"Maungdaw burnt\" --country MMR",
                 report_list});
  out.push_back({"report", "show", "Show one report", {report}, {}, "", report_show});
  out.push_back({"report",
                 "history",
                 "Show what corrected, withdrew, disputed, corroborated or acknowledged it",
                 {report},
                 {},
                 "",
                 report_history});
  out.push_back({"report",
                 "readers",
                 "Show who can read it, or with --channel who would",
                 {report},
                 {{"channel", "C", "as if it were shared in this channel"}},
                 "",
                 report_readers});
  out.push_back({"report",
                 "share",
                 "Share a report in a channel; --dry-run lists who will read it",
                 {report},
                 {{"channel", "C", "the channel", Arity::kOne, true}, government},
                 "",
                 report_share});
  auto corrected = content;
  corrected.push_back({"reason", "TEXT", "why, shown to those who read the history"});
  corrected.push_back(government);
  out.push_back(
      {"report", "correct", "Replace an own report by a corrected one", {report}, corrected, "", report_correct});
  out.push_back({"report",
                 "release",
                 "Release what waits for a second person; --dry-run lists who will read it",
                 {report},
                 {{"seen", "VERSION", "the version that was read, where it was corrected while it waited"},
                  {"readers-changed", "HASH", "yes to who reads there now, as the refusal names them"},
                  government},
                 "",
                 report_release});
  out.push_back({"report",
                 "withdraw",
                 "Withdraw an own report",
                 {report},
                 {{"reason", "TEXT", "why", Arity::kOne, true}},
                 "",
                 report_say});
  out.push_back({"report",
                 "answer",
                 "Answer the contributor that wrote it, in the channel's name",
                 {report},
                 {{"text", "TEXT", "what it is told; it does not learn who answers", Arity::kOne, true}},
                 "tocsin report answer 3f09c1d2 --text \"Seen. Two of us are on the way.\"",
                 report_answer});
  out.push_back({"report",
                 "corroborate",
                 "Say that another source confirms it",
                 {report},
                 {{"why", "TEXT", "what confirms it"}, government},
                 "",
                 report_say});
  out.push_back({"report",
                 "dispute",
                 "Say that it is wrong",
                 {report},
                 {{"why", "TEXT", "what speaks against it", Arity::kOne, true}, government},
                 "",
                 report_say});
}

}  // namespace tocsin::cli
