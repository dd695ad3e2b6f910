// lock, unlock, wipe, backup: what is about the keys of a home (rules 21, 48).
#include "node/api/router.h"
#include "node/api/views.h"

namespace tocsin::api {
namespace {

constexpr std::size_t kPassphraseBytesMax = 4096;  // as crypto::kPassphraseLengthMax
constexpr std::int64_t kAnswerLeavesMs = 50;       // the answer is on its way before this server ends

void post_lock(App& app, const Request&, ResponderPtr responder) {
  app.tiers.forget();  // locked already, it ends an unlocking that is under way
  app.tiers.restarting = app.tiers.restarting || !app.tiers.locked;
  responder->json(Json{{"unlocked", false}});
  if (std::exchange(app.tiers.locked, true)) return;  // nobody reads from now on, whatever is still there to be read
  app.later(kAnswerLeavesMs, [&app] { app.tiers.restart(); });
}

// The body is the passphrase and nothing else, so that no copy of it is left in a parser's tree.
crypto::SecretBuffer take_passphrase(const Request& request) {
  if (!request.body) return {};
  auto out = crypto::SecretBuffer::copy_of(as_bytes(*request.body));
  // Nobody else holds the body: it was made for this call (http.h).
  crypto::wipe({reinterpret_cast<std::uint8_t*>(const_cast<char*>(request.body->data())), request.body->size()});
  return out;
}

void post_unlock(App& app, const Request& request, ResponderPtr responder) {
  auto passphrase = take_passphrase(request);
  if (!app.tiers.locked) return responder->json(Json{{"unlocked", true}});
  app.tiers.unlock(std::move(passphrase), [&app, responder](Result<void> opened) {
    if (!opened) return responder->problem(opened.error());
    app.tiers.restarting = true;
    responder->json(Json{{"unlocked", true}});
    app.later(kAnswerLeavesMs, [&app] { app.tiers.restart(); });
  });
}

void post_rotate(App& app, const Request&, ResponderPtr responder) {
  auto request = app.rotate_keys();
  if (!request) return responder->problem(request.error());
  responder->json(Json{{"node_id", hex(app.replica().own_node())}, {"request", *request}});
}

void post_key_acts(App& app, const Request&, ResponderPtr responder) {
  app.take_key_acts();
  responder->json(Json{{"unlocked", !app.tiers.locked}}, 202);
}

void post_wipe(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  auto confirm = text_field(*body, "confirm");
  if (!confirm) return responder->problem(confirm.error());
  if (*confirm != hex(app.replica().own_node()))
    return responder->problem(caller_error(
        Code{"wrong_node"}, "that is not this node's id, and nothing was destroyed; tocsin status shows it in full"));
  auto wiped = app.tiers.wipe();
  app.tiers.locked = app.tiers.restarting = true;
  // Something is gone in any case: the node ends.
  wiped ? responder->json(Json{{"wiped", true}}) : responder->problem(wiped.error());
  app.later(kAnswerLeavesMs, [&app] { app.tiers.end(); });
}

void write_pieces(const ResponderPtr& responder, const std::shared_ptr<BackupPieces>& pieces) {
  auto piece = (*pieces)();
  if (!piece) return;  // the connection is cut without its end: the caller sees that the file is not whole
  if (piece->empty()) return responder->end();
  responder->write(std::string(as_text(*piece)), [responder, pieces](bool go_on) {
    if (go_on) write_pieces(responder, pieces);
  });
}

void post_backup(App& app, const Request& request, ResponderPtr responder) {
  app.backup(take_passphrase(request), [responder](Result<BackupPieces> pieces) {
    if (!pieces) return responder->problem(pieces.error());
    responder->begin(200, "application/octet-stream");
    write_pieces(responder, std::make_shared<BackupPieces>(std::move(*pieces)));
  });
}

}  // namespace

void add_lock_routes(std::vector<Route>& out) {
  out.push_back({.method = "POST",
                 .path = "/lock",
                 .summary = "Forget the signing and reading keys now",
                 .handler = post_lock,
                 .when_locked = true,
                 .audit_first = true});
  out.push_back({.method = "POST",
                 .path = "/unlock",
                 .summary = "Give the signing and reading keys back",
                 .handler = post_unlock,
                 .when_locked = true,
                 .body_is_secret = true,
                 .body_bytes_max = kPassphraseBytesMax});
  out.push_back({.method = "POST",
                 .path = "/keys/rotate",
                 .summary = "New keys for this node, which the organisation has to certify",
                 .handler = post_rotate});
  out.push_back({.method = "POST",
                 .path = "/keys/acts",
                 .summary = "Write into the audit what was done to the key files beside the node",
                 .handler = post_key_acts,
                 .when_locked = true});
  out.push_back({.method = "POST",
                 .path = "/backup",
                 .summary = "A backup of everything that can be read here",
                 .handler = post_backup,
                 .body_is_secret = true,
                 .body_bytes_max = kPassphraseBytesMax,
                 .audit_first = true});
  out.push_back({.method = "POST",
                 .path = "/wipe",
                 .summary = "Destroy all keys of this home",
                 .handler = post_wipe,
                 .when_locked = true});
}

}  // namespace tocsin::api
