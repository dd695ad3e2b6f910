// The people of the organisation, their tokens, and what they did.
#include <charconv>

#include "node/api/router.h"
#include "node/api/views.h"
#include "node/reports/time_text.h"

namespace tocsin::api {
namespace {

using namespace protocol;

constexpr std::size_t kSecretBodyBytesMax = 16 * 1024;
constexpr std::int64_t kUserTokenDayMs = 24 * 3'600'000;

Json token_json(const TokenRecord& token) {
  return {{"token_id", hex(token.id)},
          {"scope", to_string(token.scope)},
          {"created", time_text(token.created)},
          {"expires", time_text(token.expires)}};
}

Json user_json(App& app, const UserRecord& user) {
  Json tokens = Json::array();
  for (const auto& token : app.users->tokens_of(user.id)) tokens.push_back(token_json(token));
  return {{"user_id", hex(user.id)},
          {"name", user.name},
          {"role", to_string(user.role)},
          {"has_password", user.password.has_value()},
          {"created", time_text(user.created)},
          {"created_by", user.by},
          {"tokens", tokens}};
}

Json issued_json(const desk::Users::Issued& issued) {
  auto out = token_json(issued.token);
  out["token"] = issued.text;
  out["user_id"] = hex(issued.token.user);
  out["user"] = issued.actor.name;
  out["role"] = to_string(issued.actor.role);
  return out;
}

// What a body says, its secret apart, and the copies of that wiped.
struct SecretBody {
  Json fields;
  std::optional<crypto::SecretBuffer> secret;
};
Result<SecretBody> take_secret_body(const Request& request, const char* secret) {
  auto body = body_object(request);
  if (request.body)  // nobody else holds it: it was made for this call (http.h)
    crypto::wipe({reinterpret_cast<std::uint8_t*>(const_cast<char*>(request.body->data())), request.body->size()});
  if (!body) return body.error();
  SecretBody out{std::move(*body), std::nullopt};
  const auto found = out.fields.find(secret);
  if (found == out.fields.end() || found->is_null()) return out;
  if (!found->is_string())
    return caller_error(Code{"wrong_type"}, "the field " + std::string(secret) + " must be text");
  auto& text = found->get_ref<std::string&>();
  const MutableByteView bytes{reinterpret_cast<std::uint8_t*>(text.data()), text.size()};
  out.secret = crypto::SecretBuffer::copy_of(bytes);
  crypto::wipe(bytes);
  return out;
}

void post_login(App& app, const Request& request, ResponderPtr responder) {
  auto body = take_secret_body(request, "password");
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(body->fields, {"user", "password"}); !fine) return responder->problem(fine.error());
  auto name = text_field(body->fields, "user");
  if (!name) return responder->problem(name.error());
  if (!body->secret) return responder->problem(caller_error(Code{"missing_field"}, "the field password is missing"));
  app.users->login(std::move(*name), std::move(*body->secret), [&app, responder](Result<desk::Users::Issued> issued) {
    if (!issued) {
      if (app.log) app.log->warning(Code{"login_refused"}, {{"reason", issued.error().code}});
      return responder->problem(issued.error());
    }
    audit(app, issued->actor, "Log in", {}, AuditOutcome::kDone,
          [responder, out = issued_json(*issued)] { responder->json(out); });
  });
}

void list_users(App& app, const Request&, ResponderPtr responder) {
  Json items = Json::array();
  for (const auto& user : app.users->list()) items.push_back(user_json(app, user));
  responder->json(page_json(std::move(items), {}));
}

void add_user(App& app, const Request& request, ResponderPtr responder) {
  auto body = take_secret_body(request, "password");
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(body->fields, {"name", "role", "password"}); !fine)
    return responder->problem(fine.error());
  auto name = text_field(body->fields, "name");
  if (!name) return responder->problem(name.error());
  auto word = text_field(body->fields, "role");
  if (!word) return responder->problem(word.error());
  const auto role = parse_user_role(*word);
  if (!role)
    return responder->problem(caller_error(Code{"bad_role"}, "role is one of admin, analyst, reader, trainee"));
  app.users->add(*name, *role, std::move(body->secret), request.actor, [&app, responder](Result<UserRecord> user) {
    user ? responder->json(user_json(app, *user), 201) : responder->problem(user.error());
  });
}

void remove_user(App& app, const Request& request, ResponderPtr responder) {
  auto user = app.users->find(request.params[0]);
  if (!user) return responder->problem(user.error());
  const Json out{{"user_id", hex(user->id)}, {"name", user->name}, {"removed", !request.dry_run}};
  if (request.dry_run) return responder->json(out);
  app.users->remove(user->id, request.actor, [responder, out](Result<void> gone) {
    gone ? responder->json(out) : responder->problem(gone.error());
  });
}

void issue_token(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"days", "scope"}); !fine) return responder->problem(fine.error());
  auto user = app.users->find(request.params[0]);
  if (!user) return responder->problem(user.error());
  std::int64_t days = desk::kTokenDaysDefault;
  if (const auto found = body->find("days"); found != body->end() && !found->is_null()) {
    if (!found->is_number_unsigned() || found->get<std::uint64_t>() > desk::kTokenDaysMax)
      return responder->problem(caller_error(desk::kBadExpiry, "days is a number from 1 to 366"));
    days = found->get<std::int64_t>();
  }
  std::optional<TokenScope> scope;
  if (const auto word = text_or(*body, "scope"); !word.empty()) {
    scope = parse_token_scope(word);
    if (!scope) return responder->problem(caller_error(Code{"bad_scope"}, "scope is one of read, write, admin"));
  }
  app.users->issue(user->id, scope, days * kUserTokenDayMs, request.actor,
                   [responder](Result<desk::Users::Issued> issued) {
                     issued ? responder->json(issued_json(*issued), 201) : responder->problem(issued.error());
                   });
}

void revoke_token(App& app, const Request& request, ResponderPtr responder) {
  auto user = app.users->find(request.params[0]);
  if (!user) return responder->problem(user.error());
  app.users->revoke(user->id, request.params[1], request.actor, [responder](Result<TokenRecord> token) {
    token ? responder->json({{"token_id", hex(token->id)}, {"revoked", true}}) : responder->problem(token.error());
  });
}

// "MS-HASH" of the last item of a page.
std::optional<desk::Users::AuditKey> audit_cursor(std::string_view text) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  std::int64_t ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + dash, ms);
  const auto hash = fixed_from_hex<EntryHash>(text.substr(dash + 1));
  if (error != std::errc{} || end != text.data() + dash || !hash) return std::nullopt;
  return desk::Users::AuditKey{Time{ms}, *hash};
}

void list_audit(App& app, const Request& request, ResponderPtr responder) {
  auto limit = limit_from(request);
  if (!limit) return responder->problem(limit.error());
  desk::Users::AuditQuery query;
  query.limit = *limit;
  query.user = request.get("user");
  if (const auto text = request.get("since"); !text.empty()) {
    query.since = reports::parse_time(text);
    if (!query.since)
      return responder->problem(caller_error(Code{"bad_parameter"}, "since is a date or an RFC 3339 time"));
  }
  if (const auto text = request.get("after"); !text.empty()) {
    query.before = audit_cursor(text);
    if (!query.before)
      return responder->problem(caller_error(Code{"bad_parameter"}, "after is what an earlier answer gave as next"));
  }
  const auto page = app.users->audit(query);
  Json items = Json::array();
  for (const auto& item : page.items)
    items.push_back({{"at", time_text(item.record.at)},
                     {"user", item.record.user_name},
                     {"user_id", item.record.user ? Json(hex(*item.record.user)) : Json(nullptr)},
                     {"act", item.record.act},
                     {"names", item.record.names},
                     {"outcome", to_string(item.record.outcome)},
                     {"node_id", hex(item.node)},
                     {"entry", hex(item.entry)}});
  responder->json(page_json(std::move(items),
                            page.before ? std::to_string(page.before->first.ms) + "-" + hex(page.before->second) : ""));
}

}  // namespace

void add_user_routes(std::vector<Route>& out) {
  out.push_back({.method = "POST",
                 .path = "/login",
                 .summary = "A token of 12 hours for a name and its password",
                 .handler = post_login,
                 .open_on_tcp = true,
                 .body_is_secret = true,
                 .body_bytes_max = kSecretBodyBytesMax});
  out.push_back({"GET", "/users", "Users and their tokens", {}, list_users});
  out.push_back({.method = "POST",
                 .path = "/users",
                 .summary = "Add a user",
                 .handler = add_user,
                 .body_is_secret = true,
                 .body_bytes_max = kSecretBodyBytesMax});
  out.push_back({"DELETE", "/users/{user}", "Remove a user and the tokens", {}, remove_user, true});
  out.push_back({.method = "POST",
                 .path = "/users/{user}/tokens",
                 .summary = "Make a token; it is shown this once",
                 .handler = issue_token,
                 .body_is_secret = true});  // so is the answer
  out.push_back({"DELETE", "/users/{user}/tokens/{token}", "Revoke a token", {}, revoke_token});
  out.push_back({"GET", "/audit", "What was done, newest first", {"since", "user", "limit", "after"}, list_audit});
}

}  // namespace tocsin::api
