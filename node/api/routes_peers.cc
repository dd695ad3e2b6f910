// peers.
#include <algorithm>

#include "node/api/router.h"
#include "node/api/views.h"
#include "node/desk/file_kind.h"
#include "node/desk/id_prefix.h"

namespace tocsin::api {
namespace {

using protocol::OrgId;

// Answers with the peer's item once the change is durable.
protocol::Done<void> then_show(App& app, ResponderPtr responder, OrgId org, int status = 200) {
  return [&app, responder, org, status](Result<void> changed) {
    if (!changed) return responder->problem(changed.error());
    const auto peer = app.replica().peer(org);
    if (!peer) return responder->problem(caller_error(desk::kUnknownPeer, "the peer is gone"));
    responder->json(peer_json(app, *peer), status);
  };
}

std::optional<OrgId> org_named(App& app, const Request& request, const ResponderPtr& responder) {
  auto org = app.desk.find_org(request.params[0]);
  if (org && app.replica().peer(*org)) return *org;
  responder->problem(
      org ? caller_error(desk::kUnknownPeer, "that organisation is no peer of this node; see: tocsin peer list")
          : org.error());
  return std::nullopt;
}

void list_peers(App& app, const Request& request, ResponderPtr responder) {
  auto limit = limit_from(request);
  if (!limit) return responder->problem(limit.error());
  auto peers = app.replica().peers();
  std::sort(peers.begin(), peers.end(), [](const auto& a, const auto& b) { return a.org < b.org; });
  const auto after = request.get("after");
  Json items = Json::array();
  std::string next;
  for (const auto& peer : peers) {
    if (!after.empty() && hex(peer.org) <= after) continue;
    if (items.size() == *limit) {
      next = items.back()["org_id"].get<std::string>();
      break;
    }
    items.push_back(peer_json(app, peer));
  }
  responder->json(page_json(std::move(items), next));
}

void add_peer(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"card"}); !fine) return responder->problem(fine.error());
  auto card = text_field(*body, "card");
  if (!card) return responder->problem(card.error());
  if (auto fine = desk::expect_kind(desk::FileKind::kCard, as_bytes(*card)); !fine)
    return responder->problem(fine.error());
  crypto::Verifier verifier;
  const auto open = protocol::open_card(*card, app.replica().network(), verifier);
  if (!open) return responder->problem(open.error());
  Json shown{{"org_id", hex(open->org.id())}, {"node_id", hex(open->card.node)}, {"name", open->org.profile().name}};
  const bool own = open->org.id() == app.replica().own_org().id();
  if (request.dry_run) {
    shown["kind"] = to_string(open->org.profile().kind);
    shown["country"] = open->org.profile().country;
    return responder->json(shown);
  }
  if (own) {
    // Another node of this organisation is no peer: there is nothing to verify, only where it listens.
    shown["state"] = "own";
    shown["address"] = open->card.addresses.empty() ? Json(nullptr) : Json(open->card.addresses.front());
    auto added = app.replica().add_card(*card, [responder, shown = std::move(shown)](Result<void> changed) {
      if (!changed) return responder->problem(changed.error());
      responder->json(shown);
    });
    if (!added) responder->problem(added.error());
    return;
  }
  // The answer needs the id, which is known before the change is durable.
  auto org = std::make_shared<std::optional<OrgId>>();
  std::vector<OrgId> before;
  for (const auto& peer : app.replica().peers()) before.push_back(peer.org);
  auto added = app.replica().add_card(*card, [&app, responder, org, before](Result<void> changed) {
    const bool renewed = std::find(before.begin(), before.end(), **org) != before.end();
    then_show(app, responder, **org, renewed ? 200 : 201)(std::move(changed));
  });
  if (!added) return responder->problem(added.error());
  *org = *added;
}

void show_peer(App& app, const Request& request, ResponderPtr responder) {
  const auto org = org_named(app, request, responder);
  if (!org) return;
  const auto peer = app.replica().peer(*org);
  auto out = peer_json(app, *peer);
  Json nodes = Json::array();
  for (const auto& node : peer->nodes)
    nodes.push_back({{"node_id", hex(node.node)},
                     {"addresses", node.addresses},
                     {"revoked", node.revoked},
                     {"expires", time_text(node.expires)},
                     {"stale", node.expires < app.desk.clock().now()},
                     {"prekeys", node.prekeys.has_value()}});
  out["nodes"] = nodes;
  if (const auto* log = app.replica().org_log(peer->org)) out["entries"] = log->head().value;
  if (!peer->nodes.empty()) {
    std::string words;
    for (const auto& word : protocol::card_words(peer->org, peer->nodes.front().node))
      words += (words.empty() ? "" : " ") + word;
    out["words"] = words;
  }
  responder->json(out);
}

void verify_peer(App& app, const Request& request, ResponderPtr responder) {
  const auto org = org_named(app, request, responder);
  if (!org) return;
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  auto text = text_field(*body, "words");
  if (!text) return responder->problem(text.error());
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text->size();) {
    const auto begin = text->find_first_not_of(" \t\n", at);
    if (begin == std::string::npos) break;
    at = std::min(text->find_first_of(" \t\n", begin), text->size());
    words.push_back(text->substr(begin, at - begin));
  }
  if (auto queued = app.replica().verify_peer(*org, words, then_show(app, responder, *org)); !queued)
    responder->problem(queued.error());
}

template <bool kBlocked>
void block_peer(App& app, const Request& request, ResponderPtr responder) {
  const auto org = org_named(app, request, responder);
  if (!org) return;
  if (auto queued = app.replica().set_peer_blocked(*org, kBlocked, then_show(app, responder, *org)); !queued)
    responder->problem(queued.error());
}

void rename_peer(App& app, const Request& request, ResponderPtr responder) {
  const auto org = org_named(app, request, responder);
  if (!org) return;
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  auto name = text_field(*body, "name");
  if (!name) return responder->problem(name.error());
  if (auto queued = app.replica().rename_peer(*org, *name, then_show(app, responder, *org)); !queued)
    responder->problem(queued.error());
}

void connect_peer(App& app, const Request& request, ResponderPtr responder) {
  const auto org = org_named(app, request, responder);
  if (!org) return;
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  const auto peer = app.replica().peer(*org);
  const auto named = [&](const protocol::PeerNode& node) {
    return desk::is_prefix(request.params[0], node.node.view());
  };
  auto node = std::ranges::find_if(peer->nodes, named);
  if (node == peer->nodes.end())
    node = std::ranges::find_if(peer->nodes, [](const protocol::PeerNode& one) { return !one.revoked; });
  if (node == peer->nodes.end())
    return responder->problem(caller_error(engine::kNoAddress, "no node of this organisation is known"));
  std::optional<std::string> address;
  if (const auto text = text_or(*body, "address"); !text.empty()) {
    if (auto fine = protocol::parse_address(text); !fine) return responder->problem(fine.error());
    address = text;
  }
  auto dialled = app.hub.dial_now(node->node, address, then_show(app, responder, *org));
  if (!dialled) responder->problem(dialled.error());
}

void remove_peer(App& app, const Request& request, ResponderPtr responder) {
  const auto org = org_named(app, request, responder);
  if (!org) return;
  if (auto may = app.replica().may_remove_peer(*org); !may) return responder->problem(may.error());
  if (request.dry_run) return responder->json({{"removed", hex(*org)}});
  auto queued = app.replica().remove_peer(*org, [responder, org = *org](Result<void> removed) {
    if (!removed) return responder->problem(removed.error());
    responder->json({{"removed", hex(org)}});
  });
  if (!queued) responder->problem(queued.error());
}

}  // namespace

void add_peer_routes(std::vector<Route>& out) {
  out.push_back({"GET", "/peers", "Peers: trust and connection", {"limit", "after"}, list_peers, false, false, true});
  out.push_back({"POST", "/peers", "Add or renew a peer from its card", {}, add_peer, true});
  out.push_back({"GET", "/peers/{peer}", "One peer", {}, show_peer, false, false, true});
  out.push_back({"POST", "/peers/{peer}/verify", "Confirm a peer by its eight words", {}, verify_peer});
  out.push_back({"POST", "/peers/{peer}/block", "Neither dial nor answer", {}, block_peer<true>});
  out.push_back({"POST", "/peers/{peer}/unblock", "End a block", {}, block_peer<false>});
  out.push_back({"POST", "/peers/{peer}/rename", "Call it by another name here", {}, rename_peer});
  out.push_back({"POST", "/peers/{peer}/connect", "Dial it now", {}, connect_peer, false, false, true});
  out.push_back({"DELETE", "/peers/{peer}", "Forget a peer", {}, remove_peer, true});
}

}  // namespace tocsin::api
