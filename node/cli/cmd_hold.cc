// report withdrawal, report recall, hold.
#include <cstdio>

#include "node/cli/context.h"
#include "node/cli/readers.h"

namespace tocsin::cli {
namespace {

constexpr Column kWithdrawalColumns[] = {{"name", "ORGANISATION", Show::kText, 30, true},
                                         {"node_id", "NODE", Show::kId},
                                         {"channel", "CHANNEL", Show::kText, 20},
                                         {"had", "HAD IT"},
                                         {"state", "STATE"},
                                         {"outcome", "OUTCOME"},
                                         {"confirmed_at", "CONFIRMED", Show::kTime},
                                         {"unreachable_since", "UNREACHABLE SINCE", Show::kTime}};

int report_withdrawal(Context& c) {
  auto answer = c.call("GET", "/reports/" + url_encode(c.get("report")) + "/withdrawal");
  if (!answer) return c.exit_code();
  if (c.mode() != OutputMode::kTable) return c.show_object(*answer, {});
  show_withdrawal(c, answer->json);
  return kExitOk;
}

int report_recall(Context& c) {
  if (!c.dry_run() && !c.confirm("Have the text erased at every node of this channel?")) return c.exit_code();
  auto answer =
      c.call("POST", "/reports/" + url_encode(c.get("report")) + "/recall", Json{{"channel", c.get("channel")}});
  if (!answer) return c.exit_code();
  if (c.dry_run()) return show_readers(c, answer->json);
  name_channels(c, answer->json);
  static constexpr Field fields[] = {{"id", "report"}, {"channels", "recalled from", Show::kList}};
  const int shown = c.show_object(*answer, fields);
  c.say("Each node is asked to erase it. What they say: tocsin report withdrawal " + answer->json.value("id", ""));
  return shown;
}

constexpr Field kHoldFields[] = {
    {"report_id", "report"}, {"title", "title"}, {"author_name", "author"},           {"state", "state"},
    {"reason", "reason"},    {"by", "by"},       {"held_since", "since", Show::kTime}};

int hold_add(Context& c) {
  auto answer = c.call("POST", "/holds", Json{{"report", c.get("report")}, {"reason", c.get("reason")}});
  if (!answer) return c.exit_code();
  const int shown = c.show_object(*answer, kHoldFields);
  c.say(
      "Kept at the nodes of this organisation, whatever its author or the retention say. When it is withdrawn, others "
      "are told that it is kept, not why.");
  return shown;
}

int hold_list(Context& c) {
  static constexpr Column columns[] = {{"title", "TITLE", Show::kText, 0, true},
                                       {"author_name", "AUTHOR", Show::kText, 24},
                                       {"reason", "WHY IT IS KEPT", Show::kText, 40},
                                       {"by", "BY", Show::kText, 20},
                                       {"held_since", "SINCE", Show::kTime},
                                       {"taken_back", "TAKEN BACK", Show::kYesNo},
                                       {"report_id", "REPORT", Show::kId}};
  auto answer = c.call("GET", "/holds");
  return answer ? c.show_list(*answer, columns, "No evidence copies are kept.") : c.exit_code();
}

int hold_remove(Context& c) {
  if (!c.confirm("Keep this evidence copy no longer? What its author took back is erased here now."))
    return c.exit_code();
  auto answer = c.call("DELETE", "/holds/" + url_encode(c.get("report")));
  static constexpr Field fields[] = {{"report_id", "report"}, {"removed", "no longer kept", Show::kYesNo}};
  return answer ? c.show_object(*answer, fields) : c.exit_code();
}

}  // namespace

void show_withdrawal(const Context& c, const Json& withdrawal) {
  auto items = withdrawal.value("items", Json::array());
  for (auto& item : items) {
    const auto had = item.value("delivered", Json());
    item["had"] = had.is_null() ? "not known" : had.get<bool>() ? "yes" : "no";
  }
  if (items.empty()) return c.say("Nobody was asked to erase this report.");
  std::fputs(format_table(items, kWithdrawalColumns, terminal_width()).c_str(), stdout);
  if (withdrawal.contains("note") && withdrawal["note"].is_string()) c.say(withdrawal["note"].get<std::string>());
}

void add_hold_commands(std::vector<Command>& out) {
  const Argument report{"report", "report id, or the first eight digits or more"};
  out.push_back({"report",
                 "recall",
                 "Take back the copy of an own report in one channel; it stays in the others",
                 {report},
                 {{"channel", "C", "the channel", Arity::kOne, true}},
                 "tocsin report recall 5f0c6a1b --channel rakhine",
                 report_recall});
  out.push_back({"report",
                 "withdrawal",
                 "Show which nodes were asked to erase it, and what each has said",
                 {report},
                 {},
                 "",
                 report_withdrawal});
  out.push_back({"hold",
                 "add",
                 "Keep an evidence copy of a report, whatever its author or the retention say",
                 {report},
                 {{"reason", "TEXT", "why, for this organisation alone", Arity::kOne, true}},
                 "tocsin hold add 5f0c6a1b --reason \"case 7 of the tribunal\"",
                 hold_add});
  out.push_back({"hold", "list", "List the evidence copies that are kept", {}, {}, "", hold_list});
  out.push_back({"hold", "remove", "Keep an evidence copy no longer", {report}, {}, "", hold_remove});
}

}  // namespace tocsin::cli
