// status, doctor, card, index, operations, health, metrics, openapi.
#include "node/api/router.h"
#include "node/api/views.h"

namespace tocsin::api {
namespace {

using namespace protocol;

std::vector<std::string> all_warnings(App& app) {
  auto out = app.warnings();
  if (app.replica().is_certified())
    if (auto told = reaches_nobody(app)) out.push_back(std::move(*told));
  for (auto& warning : app.replica().status().warnings) out.push_back(std::move(warning));
  return out;
}

// When the oldest own report above `held` in this feed was written; nothing: there is none, or its text is erased.
std::optional<Time> oldest_report(App& app, const ChannelId& channel, const LogRecord& feed, Number held) {
  constexpr std::uint64_t kLookedAtMax = 8;  // checkpoints and what else is no report stand in between
  auto number = std::max(held.next(), feed.low);
  for (std::uint64_t i = 0; i < kLookedAtMax && number <= feed.head; ++i, number = number.next())
    if (const auto report = app.desk.read_at({channel, feed.log, number, {}})) return report->created;
  return std::nullopt;
}

// Seconds since the oldest own report was written that some member's receipts do not show as held; 0: there is none.
std::int64_t outbox_seconds(App& app) {
  std::optional<Time> oldest;
  std::map<ChannelId, std::vector<LogRecord>> feeds;  // own ones that go on
  for (const auto& sync : app.hub.sync_status()) {
    if (sync.ahead == 0) continue;
    const auto [at, fresh] = feeds.try_emplace(sync.channel);
    if (fresh) {
      for (const auto& log : app.replica().channel_logs(sync.channel)) {
        const auto owner = app.replica().reading_table().feed_owner(log.log);
        if (owner && owner->node == app.replica().own_node() && log.frozen == 0) at->second.push_back(log);
      }
    }
    for (const auto& feed : at->second) {
      Number held;
      if (sync.receipt)
        if (const auto head = sync.receipt->heads.find(feed.log); head != sync.receipt->heads.end())
          held = std::min(head->second, feed.head);
      const auto written = oldest_report(app, sync.channel, feed, held);
      if (written && (!oldest || *written < *oldest)) oldest = written;
    }
  }
  return oldest ? std::max<std::int64_t>(0, (app.desk.clock().now().ms - oldest->ms) / 1000) : 0;
}

void get_status(App& app, const Request&, ResponderPtr responder) {
  app.desk.index().ask(
      [](index::Index& i) { return i.summary(); },
      [&app, responder](Result<index::Summary> summary) {
        if (!summary) return responder->problem(summary.error());
        auto& replica = app.replica();
        const auto& own = replica.own_org().profile();
        const auto store = app.store();
        std::size_t connected = 0;
        for (const auto& link : app.hub.connections()) connected += link.connected;
        Json keys = Json::array();
        const auto when = [](const std::optional<protocol::Time>& time) {
          return time ? Json(time_text(*time)) : Json(nullptr);
        };
        for (const auto& key : app.keys())
          keys.push_back({{"name", key.name}, {"expires", when(key.expires)}, {"since", when(key.since)}});
        Json refused = Json::object();
        for (const auto& [code, count] : app.hub.refusals()) refused[std::string(code)] = count;
        responder->json(
            {{"org",
              {{"org_id", hex(own.id)}, {"name", own.name}, {"kind", to_string(own.kind)}, {"country", own.country}}},
             {"org_state", replica.own_org().ended() ? "ended" : "live"},
             {"node_id", hex(replica.own_node())},
             {"version", app.version},
             {"network", replica.network()},
             {"listen", app.listening},
             {"unlocked", !app.tiers.locked},
             {"restarting", app.tiers.restarting},
             {"home", replica.home_in_doubt() ? "unconfirmed" : "confirmed"},
             {"peers", replica.peers().size()},
             {"peers_connected", connected},
             {"channels", replica.channels().size()},
             {"reports", app.tiers.locked ? Json(nullptr) : Json(summary->reports)},
             {"entries", store.entries},
             {"store_bytes", store.bytes},
             {"store_state", store.state},
             {"outbox_oldest_seconds", outbox_seconds(app)},
             {"fork_proofs", replica.status().fork_proofs},
             {"keys", keys},
             {"warnings", all_warnings(app)},
             {"refused", refused}});
      });
}

void add_peer_checks(App& app, std::vector<Check>& out) {
  for (const auto& link : app.hub.connections()) {
    const auto name = "peer " + app.desk.org_name(link.org);
    if (link.connected) {
      out.push_back({name, "ok", "connected at " + link.address, ""});
    } else if (link.last_error) {
      const auto& error = *link.last_error;
      out.push_back(
          {name, "warning",
           "not reached: " + std::string(error.code.text()) + (error.detail.empty() ? "" : ", " + error.detail),
           error.code == engine::kSaysRevoked ? "see the warning"
           : !app.replica().is_certified()
               ? "it takes no node that is not certified"
               : "check its address and that its node runs; then: tocsin peer connect " + hex(link.org).substr(0, 12)});
    } else {
      out.push_back({name, "warning",
                     link.address.empty() ? "no address known; it has to dial this node" : "not connected yet", ""});
    }
  }
}

void get_doctor(App& app, const Request&, ResponderPtr responder) {
  auto checks = app.checks();
  const auto store = app.store();
  checks.push_back({"store", store.state == "ready" ? "ok" : "failed",
                    store.state == "ready" ? std::to_string(store.entries) + " entries" : store.detail,
                    store.state == "disk_full" ? "make room on the disk; writing goes on by itself"
                    : store.state == "ready"   ? ""
                                               : "stop the node and run: tocsin fsck"});
  if (app.listening.empty())
    checks.push_back(
        {"listen", "warning", "this node does not listen: it dials out only", "set listen in the configuration"});
  for (const auto& address : app.listening) checks.push_back({"listen", "ok", address, ""});
  if (app.advertised.empty())
    checks.push_back({"card", "warning", "the card names no address",
                      "set advertise in the configuration to where others reach this node"});
  if (app.tiers.locked)
    checks.push_back({"tier", "warning", "locked: the node takes and passes on, nobody reads, and it signs nothing",
                      "tocsin unlock"});
  add_peer_checks(app, checks);
  for (const auto& warning : all_warnings(app)) checks.push_back({"warning", "warning", warning, ""});
  Json items = Json::array();
  for (const auto& c : checks)
    items.push_back({{"name", c.name}, {"state", c.state}, {"detail", c.detail}, {"fix", c.fix}});
  responder->json(Json{{"checks", items}});
}

void post_confirm_home(App& app, const Request&, ResponderPtr responder) {
  auto begun = app.replica().confirm_home([responder](Result<void> confirmed) {
    if (!confirmed) return responder->problem(confirmed.error());
    responder->json(Json{{"home", "confirmed"}});
  });
  if (!begun) responder->problem(begun.error());
}

void get_card(App& app, const Request&, ResponderPtr responder) {
  auto& replica = app.replica();
  std::string words;
  for (const auto& word : protocol::card_words(replica.own_org().id(), replica.own_node()))
    words += (words.empty() ? "" : " ") + word;
  auto card = replica.own_card(app.advertised);
  if (!card) return responder->problem(card.error());
  responder->json({{"card", *card},
                   {"words", words},
                   {"org_id", hex(replica.own_org().id())},
                   {"node_id", hex(replica.own_node())},
                   {"addresses", app.advertised}});
}

void get_index(App& app, const Request&, ResponderPtr responder) {
  app.desk.index().ask([](index::Index& i) { return i.stats(); },
                       [&app, responder](Result<index::IndexStats> stats) {
                         if (!stats) return responder->problem(stats.error());
                         Json refused = Json::object();
                         for (const auto& [code, count] : stats->refused) refused[code] = count;
                         responder->json({{"reports", stats->reports},
                                          {"acts", stats->acts},
                                          {"unknown", stats->unknown},
                                          {"unopened", stats->unopened},
                                          {"refused", refused},
                                          {"bytes", stats->bytes},
                                          {"cursor", stats->cursor.value},
                                          {"since_cursor", changes_cursor(app, stats->cursor)},
                                          {"newest", app.replica().newest_arrival().value}});
                       });
}

void post_rebuild(App& app, const Request&, ResponderPtr responder) {
  const auto started = app.desk.clock().steady_ms();
  app.desk.feeder().rebuild([&app, responder, started](Result<void> rebuilt) {
    if (!rebuilt) return responder->problem(rebuilt.error());
    app.desk.index().ask(
        [](index::Index& i) { return i.stats(); },
        [&app, responder, started](Result<index::IndexStats> stats) {
          if (!stats) return responder->problem(stats.error());
          responder->json({{"reports", stats->reports},
                           {"seconds", static_cast<double>(app.desk.clock().steady_ms() - started) / 1000}});
        });
  });
}

void get_operation(App& app, const Request& request, ResponderPtr responder) {
  const auto found = app.operations.find(request.params[0]);
  if (found == app.operations.end())
    return responder->problem(caller_error(Code{"unknown_operation"}, "no call with this key is running"));
  std::uint64_t done = found->second.progress->done, total = found->second.progress->total;
  if (total == 0) {
    done = app.desk.feeder().cursor().value;
    total = app.replica().newest_arrival().value;
  }
  responder->json({{"what", found->second.what}, {"done", done}, {"total", total}});
}

void get_health(App&, const Request&, ResponderPtr responder) { responder->json(Json{{"status", std::string("ok")}}); }

void get_ready(App& app, const Request&, ResponderPtr responder) {
  const bool ready = (app.tiers.locked || app.desk.feeder().caught_up()) && app.store().state == "ready";
  responder->json(Json{{"status", std::string(ready ? "ready" : "catching up")}}, ready ? 200 : 503);
}

// No partner names in labels: counts alone.
void get_metrics(App& app, const Request&, ResponderPtr responder) {
  const auto store = app.store();
  std::string out;
  auto metric = [&out](std::string_view name, std::string_view type, std::string_view help, std::uint64_t value) {
    out += "# HELP tocsin_" + std::string(name) + " " + std::string(help) + "\n# TYPE tocsin_" + std::string(name) +
           " " + std::string(type) + "\ntocsin_" + std::string(name) + " " + std::to_string(value) + "\n";
  };
  metric("entries", "gauge", "Entries in the store.", store.entries);
  metric("store_bytes", "gauge", "Size of the store on disk.", store.bytes);
  metric("links", "gauge", "Sessions with peers.", app.hub.link_count());
  metric("entries_received_total", "counter", "Entries received from peers since start.", app.hub.entries_received());
  metric("entries_sent_total", "counter", "Entries sent to peers since start.", app.hub.entries_sent());
  metric("index_cursor", "gauge", "Arrival number up to which the index has read.", app.desk.feeder().cursor().value);
  metric("outbox_oldest_seconds", "gauge", "Age of the oldest delivery that is owed.",
         static_cast<std::uint64_t>(outbox_seconds(app)));
  out += "# HELP tocsin_refused_total Refused input by reason.\n# TYPE tocsin_refused_total counter\n";
  for (const auto& [code, count] : app.hub.refusals())
    out += "tocsin_refused_total{reason=\"" + std::string(code) + "\"} " + std::to_string(count) + "\n";
  responder->send({200, "text/plain; version=0.0.4", out});
}

// Made from the table of routes.
void get_openapi(App& app, const Request&, ResponderPtr responder) {
  Json paths = Json::object();
  for (const auto& route : routes()) {
    std::string path =
        route.path.starts_with("//") ? std::string(route.path.substr(1)) : "/api/v1" + std::string(route.path);
    std::string method(route.method);
    for (auto& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    Json parameters = Json::array();
    for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{', at + 1))
      parameters.push_back({{"name", path.substr(at + 1, path.find('}', at) - at - 1)},
                            {"in", "path"},
                            {"required", true},
                            {"schema", {{"type", "string"}}}});
    auto query = route.parameters;
    if (route.takes_dry_run) query.push_back("dry_run");
    for (const auto name : query)
      parameters.push_back({{"name", name}, {"in", "query"}, {"required", false}, {"schema", {{"type", "string"}}}});
    Json operation{{"summary", route.summary}, {"parameters", parameters}};
    if (route.method == "POST")
      operation["requestBody"] = {
          {"content",
           {{route.body_bytes_max > kBodyBytesMax ? "application/octet-stream" : "application/json",
             {{"schema", Json::object()}}}}}};
    operation["responses"] = {
        {"200", {{"description", "done"}}},
        {"default",
         {{"description", "a problem"},
          {"content", {{"application/problem+json", {{"schema", {{"$ref", "#/components/schemas/Problem"}}}}}}}}}};
    paths[path][method] = operation;
  }
  Json problem{{"type", "object"},
               {"required", {"code", "title", "detail", "status"}},
               {"properties",
                {{"code", {{"type", "string"}}},
                 {"title", {{"type", "string"}}},
                 {"detail", {{"type", "string"}}},
                 {"status", {{"type", "integer"}}}}}};
  responder->json({{"openapi", "3.1.0"},
                   {"info", {{"title", "Tocsin node"}, {"version", app.version}}},
                   {"paths", paths},
                   {"components", {{"schemas", {{"Problem", problem}}}}}});
}

}  // namespace

void add_node_routes(std::vector<Route>& out) {
  out.push_back({.method = "GET",
                 .path = "/status",
                 .summary = "Organisation, node, peers, channels, store, warnings",
                 .handler = get_status,
                 .when_locked = true});
  out.push_back({.method = "GET",
                 .path = "/doctor",
                 .summary = "Checks, and what to do",
                 .handler = get_doctor,
                 .when_locked = true});
  out.push_back({.method = "POST",
                 .path = "/home/confirm",
                 .summary = "Confirm that no original of this home runs",
                 .handler = post_confirm_home,
                 .when_locked = true});
  out.push_back({"GET", "/card", "This node's card and its safety words", {}, get_card});
  out.push_back({"GET", "/index", "How far the query index has read", {}, get_index});
  out.push_back({"POST", "/index/rebuild", "Make the query index again", {}, post_rebuild});
  out.push_back({"GET", "/operations/{key}", "Progress of a running call", {}, get_operation});
  out.push_back({"GET", "//healthz", "The process answers", {}, get_health, false, true, true});
  out.push_back({"GET", "//readyz", "The node has caught up", {}, get_ready, false, true, true});
  out.push_back({"GET", "//metrics", "Figures for Prometheus", {}, get_metrics, false, true, true});
  out.push_back({"GET", "//openapi.json", "This description", {}, get_openapi, false, true, true});
}

}  // namespace tocsin::api
