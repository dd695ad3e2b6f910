// sync.
#include <algorithm>
#include <set>

#include "node/api/router.h"
#include "node/api/views.h"

namespace tocsin::api {
namespace {

using namespace protocol;

void list_sync(App& app, const Request&, ResponderPtr responder) {
  Json items = Json::array();
  for (const auto& sync : app.hub.sync_status()) {
    const auto channel = app.replica().channel(sync.channel);
    items.push_back({{"peer", hex(sync.org)},
                     {"node_id", hex(sync.node)},
                     {"name", app.desk.org_name(sync.org)},
                     {"channel", hex(sync.channel)},
                     {"channel_name", channel ? channel->name : std::string()},
                     {"state", to_string(sync.state)},
                     {"behind", sync.behind},
                     {"ahead", sync.ahead},
                     {"last_receipt", sync.receipt ? Json(time_text(sync.receipt->created)) : Json(nullptr)}});
  }
  responder->json(page_json(std::move(items), {}));
}

void sync_now(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"peer"}); !fine) return responder->problem(fine.error());
  std::vector<NodeId> nodes;
  if (const auto text = text_or(*body, "peer"); !text.empty()) {
    auto org = app.desk.find_org(text);
    if (!org) return responder->problem(org.error());
    if (const auto peer = app.replica().peer(*org))
      for (const auto& node : peer->nodes)
        if (!node.revoked) nodes.push_back(node.node);
    if (nodes.empty())
      return responder->problem(caller_error(desk::kUnknownPeer, "no node of that organisation is known here"));
  }
  auto started = app.hub.sync_now(std::move(nodes), [&app, responder](Result<engine::SyncReport> report) {
    if (!report) return responder->problem(report.error());
    Json unreached = Json::array();
    for (const auto& outcome : report->peers) {
      if (outcome.reached && !outcome.problem) continue;
      unreached.push_back({{"org_id", hex(outcome.org)},
                           {"node_id", hex(outcome.node)},
                           {"name", app.desk.org_name(outcome.org)},
                           {"code", outcome.problem ? outcome.problem->code.text() : std::string_view("unreachable")}});
    }
    Json out{{"received", report->received},
             {"sent", report->sent},
             {"bytes_in", report->bytes_in},
             {"bytes_out", report->bytes_out},
             {"round_trips", report->round_trips},
             {"seconds", report->seconds},
             {"unreached", unreached}};
    if (report->code && *report->code == engine::kUnreachable)
      return responder->problem(
          environment_error(engine::kUnreachable, "none of the peers was reached; tocsin doctor says why"), out);
    // What came is in the index when the answer goes out.
    app.desk.feeder().when_indexed(
        [responder, out, partial = report->code.has_value()] { responder->json(out, partial ? 207 : 200); });
  });
  if (!started) responder->problem(started.error());
}

Json explained(std::string_view state, std::string_view code, std::string detail) {
  return {{"state", state}, {"code", code}, {"detail", std::move(detail)}};
}

// A receipt names the head of each feed by number and hash: is that head, and so all below it, what is held here?
// Nothing: it cannot be compared, since that entry is not here, or an earlier version kept its number alone.
std::optional<bool> same_history(App& app, const ReceiptInfo& receipt, const LogKey& feed) {
  const auto named = receipt.named.find(feed);
  if (named == receipt.named.end()) return std::nullopt;
  const auto held = app.replica().entry_hash(feed, named->second.number);
  if (!held) return std::nullopt;
  return *held == named->second.hash;
}

// Best news of all copies and all nodes of the peer.
Json explain(App& app, const std::vector<index::Location>& copies, const OrgId& org) {
  const auto name = app.desk.org_name(org);
  bool member_somewhere = false, removed_somewhere = false, other_history = false;
  // Where two histories are known to part, a receipt counts up to there and no further.
  std::set<LogKey> forked;
  for (const auto& fork : app.replica().forks())
    if (fork.parted) forked.insert(fork.log);
  for (const auto& copy : copies) {
    const auto channel = app.replica().channel(copy.channel);
    if (!channel) continue;
    removed_somewhere |= channel->standing == protocol::ChannelStanding::kRemoved;
    if (channel->standing != protocol::ChannelStanding::kJoined) continue;
    const bool contributes = channel->own_role == protocol::Role::kContributor;  // who reads, it cannot tell
    const bool member =
        contributes || std::any_of(channel->members.begin(), channel->members.end(), [&](const auto& m) {
          return m.org == org && m.role != protocol::Role::kContributor;
        });
    if (!member) continue;
    member_somewhere = true;
    for (const auto& receipt : app.replica().receipts(copy.channel)) {
      const auto head = receipt.heads.find(copy.log);
      if (receipt.org != org || head == receipt.heads.end() || head->second < copy.number) continue;
      if (contributes) return explained("held", "seen", name + " was seen to hold this report");
      const auto same = forked.contains(copy.log) ? true : same_history(app, receipt, copy.log);
      if (same == false) {
        other_history = true;
        continue;
      }
      const auto when = "at " + time_text(receipt.created) + " by its own clock";
      return explained("held", "receipt",
                       same ? name + " has signed that it holds this report, " + when
                            : name + " has signed, " + when +
                                  ", that it holds an entry of this number. By the number alone: where the writer of "
                                  "that feed showed two histories, and nobody has found out yet, it may be another "
                                  "report");
    }
  }
  if (!member_somewhere && removed_somewhere)
    return explained(
        "not_shared", "removed",
        "this organisation was removed from the channel that has this report; nothing goes there any more");
  if (!member_somewhere)
    return explained("not_shared", "no_common_channel",
                     name + " is a member of no channel that has this report; share it with: tocsin report share");
  if (app.replica().is_blocked(org)) return explained("blocked", "peer_blocked", name + " is blocked on this node");
  for (const auto& sync : app.hub.sync_status()) {
    const bool concerns = sync.org == org && std::any_of(copies.begin(), copies.end(),
                                                         [&](const auto& c) { return c.channel == sync.channel; });
    if (!concerns || (other_history && sync.state != engine::SyncState::kEqual)) continue;
    if (sync.state == engine::SyncState::kEqual)
      return explained("held", "session_equal",
                       "the connected node of " + name + " holds the same; its signed receipt follows within a minute");
    if (sync.state == engine::SyncState::kSyncing)
      return explained("sending", "syncing", "connected to " + name + ", the exchange is under way");
    if (sync.state == engine::SyncState::kWaiting)
      return explained("waiting", "channel_not_shared",
                       "connected, but the channel is not shared there as it is here: either " + name +
                           " does not hold its newest key yet, or it has removed this organisation");
  }
  if (other_history)
    return explained("forked", "other_history",
                     name +
                         " has signed that it holds another entry of this feed than this node: its writer showed two "
                         "histories, and whether this report is in both is not known yet. Once the two nodes have "
                         "met, all members are told; see: tocsin fork list");
  for (const auto& link : app.hub.connections()) {
    if (link.org != org || link.connected) continue;
    const std::string why = link.last_error ? std::string(link.last_error->code.text()) : std::string("not_connected");
    std::string detail = name + " is not connected";
    if (link.last_error && link.last_error->code == engine::kSaysRevoked) detail += ": " + link.last_error->detail;
    if (link.last_seen) detail += ", last seen " + time_text(*link.last_seen);
    if (link.address.empty()) detail += "; no address is known, so it has to dial this node";
    return explained("waiting", why, detail);
  }
  return explained("waiting", "no_node_known", "no node of " + name + " is known here");
}

void explain_sync(App& app, const Request& request, ResponderPtr responder) {
  auto org = app.desk.find_org(request.get("peer"));
  if (!org) return responder->problem(org.error());
  app.desk.index().ask([text = request.get("report")](index::Index& i) { return i.resolve(text); },
                       [&app, responder, org = *org](Result<ReportId> id) {
                         if (!id) return responder->problem(id.error());
                         app.desk.load(*id, [&app, responder, org](Result<desk::Loaded> loaded) {
                           if (!loaded) return responder->problem(loaded.error());
                           if (loaded->state.withdrawn || loaded->found.row.erased)
                             return responder->json(explained(
                                 "withdrawn", "withdrawn",
                                 "it was withdrawn, and every node is asked to erase its text; what each says: "
                                 "tocsin report withdrawal " +
                                     hex(loaded->found.row.id).substr(0, 12)));
                           responder->json(explain(app, loaded->found.copies, org));
                         });
                       });
}

}  // namespace

void add_sync_routes(std::vector<Route>& out) {
  out.push_back({"GET", "/sync", "Who is behind, by peer and channel", {}, list_sync, false, false, true});
  out.push_back({"POST", "/sync/now", "Compare with peers now", {}, sync_now, false, false, true});
  out.push_back({"GET", "/sync/explain", "Why a peer has or has not got a report", {"report", "peer"}, explain_sync});
}

}  // namespace tocsin::api
