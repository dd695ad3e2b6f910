// sync.
#include <cstdio>

#include "node/cli/context.h"
#include "node/cli/long_call.h"

namespace tocsin::cli {
namespace {

int sync_status(Context& c) {
  auto answer = c.call("GET", "/sync");
  static constexpr Column columns[] = {{"name", "PEER", Show::kText, 30},
                                       {"channel_name", "CHANNEL", Show::kText, 0, true},
                                       {"state", "STATE"},
                                       {"behind", "BEHIND", Show::kCount},
                                       {"ahead", "AHEAD", Show::kCount},
                                       {"last_receipt", "LAST RECEIPT", Show::kAge}};
  return answer ? c.show_list(*answer, columns, "No peer shares a channel yet.") : c.exit_code();
}

int sync_now(Context& c) {
  Json body = Json::object();
  if (!c.get("peer").empty()) body["peer"] = c.get("peer");
  auto answer = long_call(c, {.method = "POST", .path = "/api/v1/sync/now", .body = body.dump()}, "syncing");
  static constexpr Field fields[] = {{"received", "entries received", Show::kCount},
                                     {"sent", "entries sent", Show::kCount},
                                     {"bytes_in", "bytes in", Show::kBytes},
                                     {"bytes_out", "bytes out", Show::kBytes},
                                     {"round_trips", "round trips"},
                                     {"seconds", "seconds"},
                                     {"unreached", "not reached", Show::kList}};
  if (!answer) return c.exit_code();
  if (c.mode() == OutputMode::kTable)
    for (auto& peer : answer->json["unreached"]) peer = unreached_line(peer);
  return c.show_object(*answer, fields);
}

int sync_explain(Context& c) {
  auto answer = c.call("GET", "/sync/explain" + query_string({{"report", c.get("report")}, {"peer", c.get("peer")}}));
  static constexpr Field fields[] = {{"state", "state"}, {"code", "reason"}, {"detail", "detail"}};
  return answer ? c.show_object(*answer, fields) : c.exit_code();
}

}  // namespace

void add_sync_commands(std::vector<Command>& out) {
  out.push_back({"sync",
                 "status",
                 "Show for each peer and channel who is behind, and the last receipt",
                 {},
                 {},
                 "",
                 sync_status});
  out.push_back({"sync",
                 "now",
                 "Compare with the peers now, dialling where needed, and wait for the end",
                 {{"peer", "only this peer", false}},
                 {},
                 "",
                 sync_now});
  out.push_back({"sync",
                 "explain",
                 "Say why a peer has or has not got a report",
                 {{"report", "report id"}, {"peer", "its name, or the id of organisation or node"}},
                 {},
                 "",
                 sync_explain});
}

}  // namespace tocsin::cli
