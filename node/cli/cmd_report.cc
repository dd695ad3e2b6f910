// report, but for import and export.
#include <cstdio>

#include "node/cli/context.h"
#include "node/cli/json_file.h"
#include "node/cli/report_filters.h"

namespace tocsin::cli {
namespace {

constexpr Column kReportColumns[] = {
    {"id", "REPORT", Show::kId}, {"kind", "KIND"}, {"observed_from", "OBSERVED", Show::kTime}, {"country", "COUNTRY"},
    {"severity", "SEVERITY"},    {"tlp", "TLP"},   {"title", "TITLE", Show::kText, 80},        {"state", "STATE"}};
constexpr Field kMadeFields[] = {
    {"id", "report"}, {"channels", "channels", Show::kList}, {"channel_id", "channel"}, {"detail", "detail"}};
constexpr Column kReaderColumns[] = {
    {"name", "WHO CAN READ IT", Show::kText, 40}, {"org_id", "ORGANISATION", Show::kId}, {"nodes", "NODES", Show::kId}};

std::string report_path(Context& c, const std::string& more = {}) {
  return "/reports/" + url_encode(c.get("report")) + more;
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
  if (c.has("country")) {
    if (!report["place"].is_object()) report["place"] = Json::object();
    report["place"]["iso3"] = c.get("country");
  }
  return report;
}

int show_readers(Context& c, const Context::Answer& answer) {
  if (c.mode() != OutputMode::kTable) return c.show_object(answer, {});
  const auto readers = answer.json.value("readers", Json::array());
  if (readers.empty())
    std::puts("Nobody: this report is private.");
  else
    std::fputs(format_table(readers, kReaderColumns, terminal_width()).c_str(), stdout);
  for (const auto& warning : answer.json.value("warnings", Json::array()))
    std::printf("warning: %s\n", printable(warning.get<std::string>()).c_str());
  return kExitOk;
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
  return c.dry_run() ? show_readers(c, *answer) : c.show_object(*answer, kMadeFields);
}

int report_list(Context& c) {
  auto answer = c.call("GET", "/reports" + filter_query(c));
  if (!answer) return c.exit_code();
  static constexpr Field count[] = {{"count", "reports", Show::kCount}};
  return c.has("count") ? c.show_object(*answer, count) : c.show_list(*answer, kReportColumns, "No reports.");
}

int report_show(Context& c) {
  auto answer = c.call("GET", report_path(c));
  if (!answer) return c.exit_code();
  static constexpr Field fields[] = {{"title", "title"},
                                     {"id", "report"},
                                     {"kind", "kind"},
                                     {"status", "status"},
                                     {"state/current", "state"},
                                     {"state/disputed", "disputed by", Show::kCount},
                                     {"state/corroborated", "corroborated by", Show::kCount},
                                     {"state/acknowledged", "acknowledged by", Show::kCount},
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
                                     {"text", "text"}};
  return c.show_object(*answer, fields);
}

int report_history(Context& c) {
  auto answer = c.call("GET", report_path(c, "/history"));
  static constexpr Column columns[] = {{"kind", "WHAT"},
                                       {"author_name", "BY"},
                                       {"created", "CLAIMED AT", Show::kTime},
                                       {"title", "TITLE", Show::kText, 60},
                                       {"why", "WHY", Show::kText, 60},
                                       {"id", "REPORT", Show::kId}};
  return answer ? c.show_list(*answer, columns, "Nothing refers to this report.") : c.exit_code();
}

int report_readers(Context& c) {
  auto answer = c.call("GET", report_path(c, "/readers"));
  return answer ? show_readers(c, *answer) : c.exit_code();
}

int report_share(Context& c) {
  Json body{{"channel", c.get("channel")}};
  if (c.has("allow-government")) body["allow_government"] = c.all("allow-government");
  auto answer = c.call("POST", report_path(c, "/share"), body);
  return answer ? show_readers(c, *answer) : c.exit_code();
}

int report_correct(Context& c) {
  int exit = kExitOk;
  auto report = read_report(c, exit);
  if (!report) return exit;
  Json body{{"report", *report}};
  if (c.has("allow-government")) body["allow_government"] = c.all("allow-government");
  auto answer = c.call("POST", report_path(c, "/correct"), body);
  return answer ? c.show_object(*answer, kMadeFields) : c.exit_code();
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
  return answer ? c.show_object(*answer, kMadeFields) : c.exit_code();
}

}  // namespace

std::string filter_query(Context& c) {
  std::string out = query_string({{"text", c.get("text")},
                                  {"kind", c.get("kind")},
                                  {"country", c.get("country")},
                                  {"since", c.get("since")},
                                  {"until", c.get("until")},
                                  {"severity", c.get("severity")},
                                  {"channel", c.get("channel")},
                                  {"author", c.get("author")},
                                  {"near", c.get("near")},
                                  {"limit", c.get("limit")},
                                  {"after", c.get("after")},
                                  {"count", c.has("count") ? "true" : ""},
                                  {"format", c.get("format")}});
  return out;
}

std::vector<Option> filter_options(bool paging) {
  std::vector<Option> out = {{"kind", "KIND", "of this kind"},
                             {"country", "ISO3", "about this country"},
                             {"since", "DATE", "observed on or after, YYYY-MM-DD or RFC 3339"},
                             {"until", "DATE", "observed before the end of"},
                             {"severity", "S", "at least: Minor, Moderate, Severe, Extreme"},
                             {"channel", "C", "shared in this channel"},
                             {"author", "ORG", "written by this organisation"},
                             {"near", "LAT,LON,KM", "within so many kilometres of a point"}};
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
  const std::vector<Option> content = {{"file", "F.json", "the report as JSON; - for standard input"},
                                       {"title", "TEXT", "one line that says what happened"},
                                       {"text", "TEXT", "the report's text"},
                                       {"country", "ISO3", "country it is about"},
                                       {"tlp", "TLP", "RED, AMBER+STRICT, AMBER, GREEN or CLEAR"},
                                       {"severity", "S", "Minor, Moderate, Severe, Extreme"},
                                       {"urgency", "U", "Past, Future, Expected, Immediate"},
                                       {"certainty", "C", "Observed, Likely, Possible, Unlikely"},
                                       {"status", "S", "Actual, Exercise, System, Test, Draft"},
                                       {"observed-from", "TIME", "RFC 3339"},
                                       {"observed-to", "TIME", "RFC 3339"}};
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
  out.push_back({"report", "readers", "Show who can read it", {report}, {}, "", report_readers});
  out.push_back({"report",
                 "share",
                 "Share a report in a channel; --dry-run lists who will read it",
                 {report},
                 {{"channel", "C", "the channel", Arity::kOne, true}, government},
                 "",
                 report_share});
  auto corrected = content;
  corrected.push_back(government);
  out.push_back(
      {"report", "correct", "Replace an own report by a corrected one", {report}, corrected, "", report_correct});
  out.push_back({"report",
                 "withdraw",
                 "Withdraw an own report",
                 {report},
                 {{"reason", "TEXT", "why", Arity::kOne, true}},
                 "",
                 report_say});
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
