// Forks: logs of which two histories are known, and the pin by which the chair chooses one (rule 12).
#include "node/api/proposals.h"
#include "node/api/router.h"
#include "node/api/views.h"
#include "node/desk/id_prefix.h"

namespace tocsin::api {
namespace {

using namespace protocol;

Json fork_json(App& app, const ForkInfo& fork) {
  const auto type = fork.type == LogType::kFeed ? "feed" : fork.type == LogType::kControl ? "control" : "organisation";
  Json entries = Json::array();
  for (std::size_t i = 0; i < fork.entries.size(); ++i) {
    if (fork.entries[i].is_zero()) continue;
    const auto held = app.replica().entry_hash(fork.log, fork.number);
    entries.push_back(
        {{"hash", hex(fork.entries[i])}, {"epoch", fork.epochs[i].value}, {"held", held && *held == fork.entries[i]}});
  }
  Json names = Json::array();
  for (const auto& id : fork.channels) {
    const auto channel = app.replica().channel(id);
    names.push_back(channel ? channel->name : hex(id));
  }
  return {{"log", hex(fork.log)},
          {"type", type},
          {"channels", hex_list(fork.channels)},
          {"channel_names", names},
          {"org_id", fork.org ? Json(hex(*fork.org)) : Json(nullptr)},
          {"org_name", fork.org ? Json(app.desk.org_name(*fork.org)) : Json(nullptr)},
          {"node_id", fork.node ? Json(hex(*fork.node)) : Json(nullptr)},
          {"number", fork.number.value},
          {"parted", fork.parted},
          {"previous", hex(fork.previous)},
          {"entries", entries},
          {"found", fork.found.ms == 0 ? Json(nullptr) : Json(time_text(fork.found))},
          {"head", fork.head.value},
          {"head_hash", hex(fork.head_hash)},
          {"resolved", fork.resolved},
          {"ended", fork.ended},
          {"pin", fork.pin ? Json{{"number", fork.pin->last.value}, {"hash", hex(fork.pin->hash)}} : Json(nullptr)}};
}

void list_forks(App& app, const Request& request, ResponderPtr responder) {
  std::optional<ChannelId> channel;
  if (const auto text = request.query.find("channel"); text != request.query.end()) {
    auto found = app.desk.find_channel(text->second);
    if (!found) return responder->problem(found.error());
    channel = *found;
  }
  Json items = Json::array();
  for (const auto& fork : app.replica().forks()) {
    if (!channel || std::ranges::find(fork.channels, *channel) != fork.channels.end())
      items.push_back(fork_json(app, fork));
  }
  responder->json(page_json(std::move(items), {}));
}

Result<ForkInfo> named_fork(App& app, std::string_view text) {
  std::optional<ForkInfo> found;
  for (auto& fork : app.replica().forks()) {
    if (!desk::is_prefix(text, fork.log.view())) continue;
    if (found) return caller_error(Code{"log_ambiguous"}, "more than one log begins with that; give more digits");
    found = std::move(fork);
  }
  if (!found) return caller_error(Code{"unknown_log"}, "no fork of such a log is known here; see: tocsin fork list");
  return std::move(*found);
}

void show_fork(App& app, const Request& request, ResponderPtr responder) {
  auto fork = named_fork(app, request.params[0]);
  if (!fork) return responder->problem(fork.error());
  auto out = fork_json(app, *fork);
  // Whoever gets these can check the signatures without this node.
  out["proof"] = to_hex(fork->proof);
  responder->json(out);
}

void pin_feed(App& app, const Request& request, ResponderPtr responder) {
  auto channel = app.desk.find_channel(request.params[0]);
  if (!channel) return responder->problem(channel.error());
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"feed", "entry", "number"}); !fine) return responder->problem(fine.error());
  auto feed = text_field(*body, "feed");
  if (!feed) return responder->problem(feed.error());
  auto entry = text_field(*body, "entry");
  if (!entry) return responder->problem(entry.error());
  auto fork = named_fork(app, *feed);
  if (!fork) return responder->problem(fork.error());
  Number number;
  if (const auto at = body->find("number"); at != body->end()) {
    if (!at->is_number_unsigned() || at->get<std::uint64_t>() == 0)
      return responder->problem(caller_error(Code{"bad_parameter"}, "number is that of the entry, 1 or above"));
    number = {at->get<std::uint64_t>()};
  }
  // In full: a mistaken pin ends the feed for everybody.
  const auto bytes = from_hex(*entry);
  const auto hash = bytes ? EntryHash::from(*bytes) : std::nullopt;
  if (!hash)
    return responder->problem(
        caller_error(Code{"bad_parameter"}, "entry is the whole hash of the last good entry, 64 digits"));
  auto chosen = app.replica().may_pin(*channel, fork->log, number, *hash);
  if (!chosen) return responder->problem(chosen.error());
  const auto held = app.replica().entry_hash(fork->log, chosen->last);
  const bool entry_held = held && *held == *hash;
  Json out{{"channel_id", hex(*channel)}, {"log", hex(fork->log)},      {"number", chosen->last.value},
           {"entry", hex(*hash)},         {"dropped", chosen->dropped}, {"held", fork->head.value},
           {"entry_held", entry_held},    {"warnings", Json::array()}};
  if (!entry_held)
    out["warnings"].push_back("this node holds that feed up to entry " + std::to_string(fork->head.value) +
                              ", and not the entry that was named: whether entry " +
                              std::to_string(chosen->last.value) +
                              " with that hash exists cannot be seen here. Compare both with tocsin fork show at a "
                              "node that holds it: with a "
                              "wrong number or hash no member takes either branch, until a lower pin is set");
  if (request.dry_run) return responder->json(out);
  if (app.replica().channel(*channel)->stewards.size() > 1)
    return propose(app, *channel, PinChange{{fork->log, chosen->last, *hash, chosen->node}}, {}, out, responder);
  auto queued = app.replica().pin_feed(*channel, fork->log, chosen->last, *hash, [responder, out](Result<void> pinned) {
    if (!pinned) return responder->problem(pinned.error());
    responder->json(out, 201);
  });
  if (!queued) responder->problem(queued.error());
}

}  // namespace

void add_fork_routes(std::vector<Route>& out) {
  out.push_back({.method = "GET",
                 .path = "/forks",
                 .summary = "Logs of which two histories are signed",
                 .parameters = {"channel"},
                 .handler = list_forks,
                 .when_locked = true});
  out.push_back({.method = "GET",
                 .path = "/forks/{log}",
                 .summary = "Whose log, where its histories part, and the proof",
                 .handler = show_fork,
                 .when_locked = true});
  out.push_back({.method = "POST",
                 .path = "/channels/{channel}/pins",
                 .summary = "Choose the branch of a feed that forked",
                 .handler = pin_feed,
                 .takes_dry_run = true});
}

}  // namespace tocsin::api
