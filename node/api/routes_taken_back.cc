// What authors take back, what each node says of having erased it, and evidence copies.
#include <algorithm>

#include "node/api/router.h"
#include "node/api/taken_back.h"
#include "node/api/views.h"
#include "node/reports/report_json.h"

namespace tocsin::api {
namespace {

using namespace protocol;

// What one node of one channel says, of all that is to be erased there.
struct NodeWord {
  std::size_t confirmed = 0;
  ErasureOutcome outcome = ErasureOutcome::kNotHeld;
  Time at;
  bool had = false;    // at least one of them
  bool never = false;  // it says that it held no text of the report itself
};

// Held weighs more than erased, and that more than nothing held.
int weight(ErasureOutcome outcome) {
  return outcome == ErasureOutcome::kHeld ? 2 : outcome == ErasureOutcome::kErased ? 1 : 0;
}

// The last sign of life of a node that is not connected now, where it has given none since it was asked.
std::optional<Time> unreachable_since(App& app, const ChannelId& channel, const NodeId& node, Time asked) {
  if (node == app.replica().own_node()) return std::nullopt;
  std::optional<Time> seen;
  for (const auto& link : app.hub.connections()) {
    if (link.node != node) continue;
    if (link.connected) return std::nullopt;
    if (link.last_seen) seen = std::max(seen.value_or(Time{}), *link.last_seen);
  }
  for (const auto& receipt : app.replica().receipts(channel))
    if (receipt.node == node) seen = std::max(seen.value_or(Time{}), receipt.created);
  if (seen && *seen > asked) return std::nullopt;
  return seen.value_or(asked);
}

Json hold_json(App& app, const HoldRecord& hold) {
  Json out{{"report_id", hex(hold.report)},
           {"state", "under hold"},
           {"reason", hold.reason},
           {"by", hold.by},
           {"held_since", time_text(hold.written)},
           {"entries", hold.entries.size()}};
  const bool taken =
      std::ranges::any_of(hold.entries, [&](const auto& e) { return app.replica().is_taken_back(e.feed, e.number); });
  out["taken_back"] = taken;
  const auto report = app.desk.read_held(hold);
  out["title"] = report ? Json(report->title) : Json(nullptr);
  out["author"] = report ? Json(hex(report->author)) : Json(nullptr);
  out["author_name"] = report ? Json(app.desk.org_name(report->author)) : Json(nullptr);
  return out;
}

void list_holds(App& app, const Request&, ResponderPtr responder) {
  Json items = Json::array();
  for (const auto& hold : app.desk.holds()) items.push_back(hold_json(app, hold));
  responder->json(page_json(std::move(items), {}));
}

void add_hold(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"report", "reason"}); !fine) return responder->problem(fine.error());
  auto text = text_field(*body, "report");
  if (!text) return responder->problem(text.error());
  auto reason = text_field(*body, "reason");
  if (!reason) return responder->problem(reason.error());
  app.desk.index().ask([text = *text](index::Index& i) { return i.resolve(text); },
                       [&app, request, responder, reason = *reason](Result<ReportId> id) {
                         if (!id) return responder->problem(id.error());
                         app.desk.hold(*id, reason, request.actor.name, [&app, responder](Result<HoldRecord> hold) {
                           if (!hold) return responder->problem(hold.error());
                           responder->json(hold_json(app, *hold), 201);
                         });
                       });
}

void remove_hold(App& app, const Request& request, ResponderPtr responder) {
  app.desk.end_hold(request.params[0], request.actor.name, [responder](Result<HoldRecord> hold) {
    if (!hold) return responder->problem(hold.error());
    responder->json({{"report_id", hex(hold->report)}, {"removed", true}});
  });
}

void show_withdrawal(App& app, const Request& request, ResponderPtr responder) {
  app.desk.index().ask(
      [text = request.params[0]](index::Index& i) -> Result<std::pair<index::ReportFound, index::Withdrawal>> {
        TOCSIN_ASSIGN(id, i.resolve(text));
        TOCSIN_ASSIGN(found, i.find(id));
        TOCSIN_ASSIGN(withdrawal, i.withdrawal(id));
        return std::pair(std::move(found), std::move(withdrawal));
      },
      [&app, responder](Result<std::pair<index::ReportFound, index::Withdrawal>> found) {
        if (!found) return responder->problem(found.error());
        responder->json(withdrawal_json(app, found->first.row, found->second));
      });
}

void recall_report(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"channel"}); !fine) return responder->problem(fine.error());
  auto name = text_field(*body, "channel");
  if (!name) return responder->problem(name.error());
  auto channel = app.desk.find_channel(*name);
  if (!channel) return responder->problem(channel.error());
  app.desk.index().ask([text = request.params[0]](index::Index& i) { return i.resolve(text); },
                       [&app, responder, channel = *channel, dry_run = request.dry_run](Result<ReportId> id) {
                         if (!id) return responder->problem(id.error());
                         app.desk.recall(*id, channel, dry_run,
                                         [&app, responder, id = *id, dry_run](Result<desk::Made> made) {
                                           if (!made || dry_run) return answer_plan(app, responder, id, made);
                                           responder->json(made_json(app, *made));
                                         });
                       });
}

}  // namespace

Json withdrawal_json(App& app, const index::ReportRow& row, const index::Withdrawal& withdrawal) {
  // By channel: the entries that were taken back there, each with all orders that name it.
  struct Asked {
    std::map<std::pair<LogKey, Number>, std::set<crypto::Hash>> entries;
    std::optional<std::pair<LogKey, Number>> subject;  // where the report itself stood
    Time at;
    ErasureCause cause = ErasureCause::kRecalled;
  };
  std::map<ChannelId, Asked> channels;
  for (const auto& order : withdrawal.orders) {
    auto& asked = channels[order.order.channel];
    if (asked.entries.empty()) asked.at = order.created;
    asked.entries[{order.feed, order.number}].insert(order.id);
    if (order.report == row.id) asked.subject = {order.feed, order.number};
    if (order.cause == ErasureCause::kWithdrawn) asked.cause = order.cause;
  }
  Json items = Json::array(), asked_in = Json::array();
  const auto live = channels.empty() ? std::vector<engine::ChannelSync>{} : app.hub.sync_status();
  for (const auto& [id, asked] : channels) {
    const auto channel = app.replica().channel(id);
    const std::string name = channel ? channel->name : std::string();
    asked_in.push_back({{"channel_id", hex(id)},
                        {"channel", name},
                        {"cause", to_string(asked.cause)},
                        {"requested_at", time_text(asked.at)}});
    if (!channel) continue;
    std::map<NodeId, NodeWord> words;
    for (const auto& [entry, orders] : asked.entries) {
      std::map<NodeId, index::Confirmed> newest;  // of each node, for this entry
      for (const auto& said : withdrawal.confirmed) {
        if (!orders.contains(said.order)) continue;
        words[said.node].had |= said.outcome != ErasureOutcome::kNotHeld;
        const auto [at, first] = newest.emplace(said.node, said);
        if (!first && at->second.at <= said.at) at->second = said;
      }
      for (const auto& [node, said] : newest) {
        NodeWord& word = words[node];
        ++word.confirmed;
        word.never |= said.outcome == ErasureOutcome::kNotHeld && asked.subject.value_or(entry) == entry;
        if (weight(said.outcome) >= weight(word.outcome)) word.outcome = said.outcome;
        word.at = std::max(word.at, said.at);
      }
    }
    const auto receipts = app.replica().receipts(id);
    for (const auto& member : channel->members) {
      for (const auto& node : member.nodes) {
        const NodeWord word = words[node];
        const bool whole = word.confirmed == asked.entries.size();
        const auto since = whole ? std::nullopt : unreachable_since(app, id, node, asked.at);
        const bool cannot = !whole && !may_write(member.role);
        const auto owner =
            asked.subject ? app.replica().reading_table().feed_owner(asked.subject->first) : std::nullopt;
        bool named = owner && owner->node == node;  // it wrote it
        for (const auto& receipt : receipts) {
          if (receipt.node != node || !asked.subject) continue;
          const auto head = receipt.heads.find(asked.subject->first);
          named |= head != receipt.heads.end() && head->second >= asked.subject->second;
        }
        for (const auto& sync : live)
          named |= sync.node == node && sync.channel == id && sync.state == engine::SyncState::kEqual && !word.never;
        // No receipt is no proof that it has nothing, and one names an entry that came without its text, too.
        Json delivered = nullptr;
        if (word.had || (named && !word.never)) delivered = true;
        if (word.never && !named) delivered = false;
        Json item{{"org_id", hex(member.org)},
                  {"name", app.desk.org_name(member.org)},
                  {"node_id", hex(node)},
                  {"channel_id", hex(id)},
                  {"channel", name},
                  {"state", whole    ? "confirmed"
                            : cannot ? "not_confirmable"
                            : since  ? "unreachable"
                                     : "requested"},
                  {"outcome", whole ? Json(to_string(word.outcome)) : Json(nullptr)},
                  {"confirmed_at", whole ? Json(time_text(word.at)) : Json(nullptr)},
                  {"unreachable_since", since && !cannot ? Json(time_text(*since)) : Json(nullptr)},
                  {"delivered", std::move(delivered)}};
        items.push_back(std::move(item));
      }
    }
  }
  Json out{{"report_id", hex(row.id)},
           {"state", channels.empty()                       ? "not_withdrawn"
                     : row.standing.withdrawn || row.erased ? "withdrawn"
                                                            : "recalled"},
           {"reason", row.standing.withdrawn ? Json(row.standing.withdrawal_reason) : Json(nullptr)},
           {"channels", std::move(asked_in)},
           {"items", std::move(items)}};
  if (!channels.empty()) out["note"] = kNotPromised;
  return out;
}

Json shown_hold(App& app, const HoldRecord& hold) { return hold_json(app, hold); }

void add_taken_back_routes(std::vector<Route>& out) {
  out.push_back(
      {"GET", "/reports/{report}/withdrawal", "Who was asked to erase it, and what they say", {}, show_withdrawal});
  out.push_back({"POST", "/reports/{report}/recall", "Take back the copy in one channel", {}, recall_report, true});
  out.push_back({"GET", "/holds", "Evidence copies that are kept", {}, list_holds});
  out.push_back({"POST", "/holds", "Keep an evidence copy", {}, add_hold});
  out.push_back({"DELETE", "/holds/{report}", "Keep an evidence copy no longer", {}, remove_hold});
}

}  // namespace tocsin::api
