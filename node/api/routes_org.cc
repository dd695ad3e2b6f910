// org: the own organisation's nodes and roots. What changes them is asked for here, signed elsewhere, and brought back.
#include "node/api/router.h"
#include "node/api/views.h"
#include "node/desk/file_kind.h"
#include "node/desk/id_prefix.h"
#include "node/desk/org_change.h"

namespace tocsin::api {
namespace {

using namespace protocol;

constexpr std::uint64_t kLogShown = 100;    // newest entries of the log
constexpr std::size_t kSignaturesMax = 32;  // of one change; an organisation has at most 16 roots

Json node_json(App& app, const NodeId& id, const CertifiedNode& node) {
  Json feeds = Json::array();
  for (const auto& feed : app.replica().feeds_of(id)) {
    const auto channel = app.replica().channel(feed.channel);
    feeds.push_back({{"feed", hex(feed.feed)},
                     {"channel_id", hex(feed.channel)},
                     {"channel", channel ? channel->name : std::string()},
                     {"entries", feed.head.value}});
  }
  const auto& certificate = node.certificate;
  const bool stale = certificate.expires < app.desk.clock().now();
  Json out{{"node_id", hex(id)},
           {"name", certificate.name},
           {"state", node.revoked ? "revoked"
                     : stale      ? "stale"
                                  : "live"},
           {"this_node", id == app.replica().own_node()},
           {"serial", certificate.serial},
           {"issued", time_text(certificate.issued)},
           {"expires", time_text(certificate.expires)},
           {"feeds", feeds}};
  if (node.revoked) out["reason"] = node.revoke_reason;
  return out;
}

Json superseded_json(const SupersededEntry& entry) {
  using Change = SupersededEntry::Change;
  Json out{{"entry", entry.number.value},
           {"hash", hex(entry.hash)},
           {"change", entry.change == Change::kCertify  ? "certify"
                      : entry.change == Change::kRevoke ? "revoke"
                                                        : "other"},
           {"node_id", entry.node.is_zero() ? Json(nullptr) : Json(hex(entry.node))},
           {"says", entry.name}};
  if (entry.by.value != 0) out["superseded_by"] = entry.by.value;
  return out;
}

Json superseded_json(const std::vector<SupersededEntry>& entries) {
  Json out = Json::array();
  for (const auto& entry : entries) out.push_back(superseded_json(entry));
  return out;
}

void show_org(App& app, const Request&, ResponderPtr responder) {
  const auto& own = app.replica().own_org();
  const auto& profile = own.profile();
  Json nodes = Json::array(), roots = Json::array();
  for (const auto& [id, node] : own.nodes()) nodes.push_back(node_json(app, id, node));
  for (const auto& key : own.roots().keys) roots.push_back(hex(key));
  Json log =
      superseded_json(app.replica().own_entries_above({own.head().value - std::min(own.head().value, kLogShown)}));
  for (auto& entry : log) {
    const auto& rotations = own.rotations();
    const protocol::Number number{entry["entry"].get<std::uint64_t>()};
    if (number.value == 1) entry["change"] = "found";
    if (std::ranges::find(rotations, number) != rotations.end()) entry["change"] = "rotate_roots";
  }
  responder->json({{"org_id", hex(profile.id)},
                   {"name", profile.name},
                   {"kind", to_string(profile.kind)},
                   {"country", profile.country},
                   {"network", profile.network},
                   {"state", own.ended() ? "ended" : "live"},
                   {"created", time_text(profile.created)},
                   {"entries", own.head().value},
                   {"roots", roots},
                   {"threshold", own.roots().threshold},
                   {"next_roots", hex(own.next_roots())},
                   {"nodes", nodes},
                   {"log", log},
                   {"superseded", superseded_json(app.replica().superseded(profile.id))}});
}

Result<NodeId> find_own_node(App& app, std::string_view text) {
  std::vector<NodeId> found;
  for (const auto& [id, node] : app.replica().own_org().nodes())
    if (desk::is_prefix(text, id.view())) found.push_back(id);
  if (found.empty())
    return caller_error(Code{"unknown_node"}, "no node of this organisation has that id; see: tocsin org show");
  if (found.size() > 1) return caller_error(Code{"id_ambiguous"}, "several nodes begin like that; give more of the id");
  return found.front();
}

Result<std::vector<Replica::LastGood>> last_good_from(App& app, const Json& body, const NodeId& node) {
  std::vector<Replica::LastGood> out;
  const auto at = body.find("at");
  if (at == body.end() || at->is_null()) return out;
  const auto bad = caller_error(Code{"wrong_type"}, "at is a list of {feed, number}: see the feeds in tocsin org show");
  if (!at->is_array()) return bad;
  const auto feeds = app.replica().feeds_of(node);
  for (const auto& item : *at) {
    if (!item.is_object()) return bad;
    TOCSIN_TRY(only_fields(item, {"feed", "number"}));
    TOCSIN_ASSIGN(text, text_field(item, "feed"));
    const auto number = item.find("number");
    if (number == item.end() || !number->is_number_unsigned()) return bad;
    const auto fits = [&](const auto& one) { return desk::is_prefix(text, one.feed.view()); };
    const auto feed = std::ranges::find_if(feeds, fits);
    if (feed == feeds.end())
      return caller_error(Code{"unknown_feed"}, "that node has no such feed here; see: tocsin org show");
    if (std::ranges::count_if(feeds, fits) > 1)
      return caller_error(Code{"id_ambiguous"}, "several feeds begin like that; give more of the id");
    out.push_back({feed->feed, {number->get<std::uint64_t>()}});
  }
  return out;
}

Result<OrgRequest> revoke_request(App& app, const Json& body) {
  TOCSIN_TRY(only_fields(body, {"change", "node", "reason", "at"}));
  TOCSIN_ASSIGN(text, text_field(body, "node"));
  TOCSIN_ASSIGN(node, find_own_node(app, text));
  TOCSIN_ASSIGN(at, last_good_from(app, body, node));
  return app.replica().request_revoke(node, text_or(body, "reason"), at);
}

Result<OrgRequest> rotate_request(App& app, const Json& body) {
  TOCSIN_TRY(only_fields(body, {"change", "roots", "next_roots", "last_good"}));
  TOCSIN_ASSIGN(text, text_field(body, "roots"));
  TOCSIN_TRY(desk::expect_kind(desk::FileKind::kRootSet, as_bytes(text)));
  TOCSIN_ASSIGN(roots, decode_root_set(text));
  TOCSIN_ASSIGN(next_text, text_field(body, "next_roots"));
  TOCSIN_ASSIGN(next, decode_root_set(next_text));
  std::optional<Number> last_good;
  if (const auto number = body.find("last_good"); number != body.end() && !number->is_null()) {
    if (!number->is_number_unsigned()) {
      return caller_error(Code{"wrong_type"}, "last_good is the number of an entry: see the log in tocsin org show");
    }
    last_good = Number{number->get<std::uint64_t>()};
  }
  return app.replica().request_rotate_roots(roots, next.commitment(), last_good);
}

Result<OrgRequest> certify_request(App& app, const Json& body) {
  TOCSIN_TRY(only_fields(body, {"change", "request"}));
  TOCSIN_ASSIGN(text, text_field(body, "request"));
  TOCSIN_TRY(desk::expect_kind(desk::FileKind::kNodeRequest, as_bytes(text)));
  crypto::Verifier verifier;
  TOCSIN_ASSIGN(node, decode_node_request(text, verifier));
  return app.replica().request_certify(node);
}

Json change_json(App& app, const desk::OrgChangeText& text) {
  Json out{{"org_id", hex(text.org)},
           {"change", text.change},
           {"says", text.says},
           {"entry", text.entry},
           {"signatures_needed", text.signatures_needed}};
  if (text.node) out["node_id"] = hex(*text.node);
  if (text.change == "rotate_roots" && text.org == app.replica().own_org().id()) {
    out["supersedes"] = superseded_json(app.replica().own_entries_above({text.entry - 1}));
  }
  return out;
}

Json change_warnings(App& app, const OrgRequest& request) {
  Json out = Json::array();
  const auto open = open_org_request(request);
  const auto* revoke = open ? std::get_if<RevokeChange>(&open->change) : nullptr;
  if (revoke == nullptr) return out;
  const auto& nodes = app.replica().own_org().nodes();
  const auto live = std::ranges::count_if(nodes, [](const auto& node) { return !node.second.revoked; });
  if (revoke->node == app.replica().own_node())
    out.push_back("that is the node which you are asking: nobody will take anything new of it");
  if (live == 1)
    out.push_back("it is the only node of this organisation that is certified: none will speak for it then");
  return out;
}

void make_request(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  const auto change = text_or(*body, "change");
  auto made =
      change == "certify"  ? certify_request(app, *body)
      : change == "revoke" ? revoke_request(app, *body)
      : change == "rotate_roots"
          ? rotate_request(app, *body)
          : Result<OrgRequest>(caller_error(Code{"bad_parameter"}, "change is certify, revoke or rotate_roots"));
  if (!made) return responder->problem(made.error());
  auto text = desk::describe_change(*made);
  if (!text) return responder->problem(text.error());
  auto out = change_json(app, *text);
  out["request"] = encode_org_request(*made);
  out["warnings"] = change_warnings(app, *made);
  responder->json(out);
}

Result<std::vector<OrgSignature>> signatures_from(const Json& body) {
  TOCSIN_TRY(only_fields(body, {"signatures"}));
  const auto list = body.find("signatures");
  if (list == body.end() || !list->is_array() || list->empty() || list->size() > kSignaturesMax)
    return caller_error(Code{"wrong_type"}, "signatures is a list of at most 32 texts");
  std::vector<OrgSignature> out;
  for (const auto& item : *list) {
    if (!item.is_string()) return caller_error(Code{"wrong_type"}, "signatures is a list of at most 32 texts");
    const auto text = item.get<std::string>();
    TOCSIN_TRY(desk::expect_kind(desk::FileKind::kOrgSignature, as_bytes(text)));
    TOCSIN_ASSIGN(signature, decode_org_signature(text));
    out.push_back(std::move(signature));
  }
  return out;
}

void append_entry(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  auto signatures = signatures_from(*body);
  if (!signatures) return responder->problem(signatures.error());
  crypto::Verifier verifier;
  auto entry = assemble_org_entry(*signatures, verifier);
  if (!entry) return responder->problem(entry.error());
  auto text = desk::describe_change(signatures->front().request);
  if (!text) return responder->problem(text.error());
  const auto out = change_json(app, *text);
  auto queued = app.replica().append_org_entry(entry->view(), request.dry_run, [responder, out](Result<void> written) {
    if (!written) return responder->problem(written.error());
    responder->json(out, 201);
  });
  if (!queued) return responder->problem(queued.error());
  if (request.dry_run) responder->json(out);
}

}  // namespace

void add_org_routes(std::vector<Route>& out) {
  out.push_back({"GET", "/org", "The own organisation: its nodes, their feeds, its roots", {}, show_org});
  out.push_back({"POST", "/org/requests", "What root keys have to sign for a change", {}, make_request, true});
  out.push_back({"POST", "/org/entries", "Make a change that root keys have signed", {}, append_entry, true});
}

}  // namespace tocsin::api
