// alert, inbox.
#include <cstdio>

#include "node/cli/context.h"
#include "node/cli/json_file.h"
#include "node/cli/readers.h"
#include "node/reports/vocab.h"

namespace tocsin::cli {
namespace {

// One line for each channel that did not get the alert: its name, why, and what sends it there after all.
Json held_lines(const Json& held) {
  Json out = Json::array();
  for (const auto& item : held) {
    std::string line = item.value("channel", "") + ": ";
    const auto readers = item.value("readers", Json::array());
    if (readers.empty()) {
      line += item.value("code", "");
    } else {
      for (const auto& reader : readers) line += reader.value("name", "") + ", ";
      line += "a government of the country, would read it; to send it: --allow-government " +
              readers[0].value("country", "") + " --channel " + item.value("channel_id", "").substr(0, 12);
    }
    out.push_back(line);
  }
  return out;
}

// --dry-run: who would get it, and what would be held back.
int show_would_go(Context& c, Context::Answer& answer) {
  static constexpr Field fields[] = {{"channels", "would go to", Show::kList},
                                     {"held", "would be held back", Show::kList}};
  if (c.mode() != OutputMode::kTable) return c.show_object(answer, fields);
  answer.json["held"] = held_lines(answer.json.value("held", Json::array()));
  name_channels(c, answer.json);
  const int shown = c.show_object(answer, fields);
  if (!answer.json.value("readers", Json::array()).empty()) show_readers(c, answer.json);
  return shown;
}

int alert_raise(Context& c) {
  // The country decides who must not read it unasked (rule 53): a spelling that nobody knows would switch that off.
  if (!reports::parse_country(c.get("country")))
    return c.fail("usage", "--country " + c.get("country") + " is no ISO 3166-1 alpha-3 code, such as MMR", kExitUsage);
  Json body{{"title", c.get("title")},
            {"country", c.get("country")},
            {"severity", c.get("severity")},
            {"urgency", c.get("urgency")}};
  if (c.has("tried")) body["tried"] = c.all("tried");
  if (c.has("channel")) body["channels"] = c.all("channel");
  if (c.has("allow-government")) body["allow_government"] = c.all("allow-government");
  if (c.has("text")) body["text"] = c.get("text");
  // A file that cannot be used holds nothing up (rule 52): the alert goes without it, and the exit code says so.
  std::string left_out;
  if (c.has("file")) {
    auto report = read_json_object(c.get("file"));
    if (report)
      body["report"] = std::move(*report);
    else
      left_out = report.error().detail;
  }
  auto answer = c.call("POST", "/alerts", body);
  static constexpr Field fields[] = {{"id", "alert"},
                                     {"channels", "sent to", Show::kList},
                                     {"held", "held back", Show::kList},
                                     {"advice", "advice", Show::kList},
                                     {"warnings", "mind", Show::kList}};
  if (!answer) return c.exit_code();
  if (c.dry_run()) return show_would_go(c, *answer);
  if (!left_out.empty())
    answer->json["advice"].push_back({{"field", "file"}, {"code", "file_left_out"}, {"detail", left_out}});
  const auto held = answer->json.value("held", Json::array());
  const bool partly = !left_out.empty() || !held.empty();
  if (c.mode() == OutputMode::kTable) {
    answer->json["held"] = held_lines(held);
    Json advice = Json::array();
    for (const auto& item : answer->json.value("advice", Json::array()))
      advice.push_back(item.value("field", "") + ": " + item.value("detail", ""));
    answer->json["advice"] = advice;
    name_channels(c, answer->json);
  }
  const int shown = c.show_object(*answer, fields);
  return shown == kExitOk && partly ? kExitPartial : shown;
}

int alert_list(Context& c) {
  auto answer = c.call("GET", "/alerts" + query_string({{"limit", c.get("limit")}, {"after", c.get("after")}}));
  static constexpr Column columns[] = {{"severity", "SEVERITY"},
                                       {"urgency", "URGENCY"},
                                       {"country", "ISO3"},
                                       {"title", "TITLE", Show::kText, 0, true},
                                       {"author_name", "BY", Show::kText, 24},
                                       {"created", "AGE", Show::kSince},
                                       {"acknowledged_by", "ACKED BY", Show::kList, 40},
                                       {"id", "ALERT", Show::kId}};
  return answer ? c.show_list(*answer, columns, "No alerts.") : c.exit_code();
}

int alert_ack(Context& c) {
  Json body = Json::object();
  if (c.has("note")) body["note"] = c.get("note");
  auto answer = c.call("POST", "/alerts/" + url_encode(c.get("alert")) + "/ack", body);
  static constexpr Field fields[] = {{"id", "acknowledgement"}, {"channels", "sent to", Show::kList}};
  if (!answer) return c.exit_code();
  if (c.dry_run()) return show_readers(c, answer->json);
  name_channels(c, answer->json);
  return c.show_object(*answer, fields);
}

int inbox_list(Context& c) {
  auto answer = c.call("GET", "/inbox" + query_string({{"limit", c.get("limit")}, {"after", c.get("after")}}));
  static constexpr Column columns[] = {{"severity", "SEVERITY"},
                                       {"urgency", "URGENCY"},
                                       {"reason", "WHY"},
                                       {"country", "ISO3"},
                                       {"title", "TITLE", Show::kText, 0, true},
                                       {"author_name", "FROM", Show::kText, 24},
                                       {"created", "AGE", Show::kSince},
                                       {"id", "ITEM", Show::kId}};
  return answer ? c.show_list(*answer, columns, "Nothing needs you.") : c.exit_code();
}

int inbox_done(Context& c) {
  auto answer = c.call("POST", "/inbox/" + url_encode(c.get("item")) + "/done");
  static constexpr Field fields[] = {{"id", "done"}};
  return answer ? c.show_object(*answer, fields) : c.exit_code();
}

}  // namespace

void add_alert_commands(std::vector<Command>& out) {
  const std::vector<Option> paging = {{"limit", "N", "at most so many (default 50)"},
                                      {"after", "CURSOR", "go on behind an earlier answer"}};
  out.push_back(
      {"alert",
       "raise",
       "Raise a mass-atrocities alert: at once, without anybody's approval",
       {},
       {{"title", "TEXT", "one line that says what is happening", Arity::kOne, true},
        {"country", "ISO3", "where", Arity::kOne, true},
        {"severity", "S", "Extreme, Severe, Moderate, Minor", Arity::kOne, true,
         "Extreme|Severe|Moderate|Minor|Unknown"},
        {"urgency", "U", "Immediate, Expected, Future, Past", Arity::kOne, true,
         "Immediate|Expected|Future|Past|Unknown"},
        {"tried", "TEXT", "a line of reporting that was tried; may be repeated", Arity::kMany},
        {"text", "TEXT", "what is known"},
        {"file", "F.json", "more fields, as a report in JSON"},
        {"channel", "C", "only in these channels (default: every channel of class alert)", Arity::kMany},
        {"allow-government", "ISO3", "send also where this country's government reads and the alert names the country",
         Arity::kMany}},
       "tocsin alert raise --title \"Massacre under way\" --country MMR --severity Extreme --urgency Immediate",
       alert_raise});
  out.push_back({"alert", "list", "List alerts, newest first, and who acknowledged them", {}, paging, "", alert_list});
  out.push_back({"alert",
                 "ack",
                 "Acknowledge an alert, so that its author sees it",
                 {{"alert", "report id of the alert"}},
                 {{"note", "TEXT", "a word to its author"}},
                 "",
                 alert_ack});
  out.push_back({"inbox", "list", "Show what needs this person, worst first", {}, paging, "", inbox_list});
  out.push_back({"inbox", "done", "Take an item off the list", {{"item", "id of the item"}}, {}, "", inbox_done});
}

}  // namespace tocsin::cli
