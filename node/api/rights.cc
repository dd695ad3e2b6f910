#include "node/api/rights.h"

#include <algorithm>
#include <iterator>

#include "node/api/router.h"

namespace tocsin::api {
namespace {

using protocol::TokenScope;
using protocol::UserRole;

struct Right {
  std::string_view method, path;
  Least least;
};
constexpr Right kRights[] = {
    {"GET", "/status", Least::kReader},
    {"GET", "/index", Least::kReader},
    {"GET", "/operations/{key}", Least::kReader},
    {"GET", "/events", Least::kReader},
    {"GET", "/channels", Least::kReader},
    {"GET", "/channels/{channel}", Least::kReader},
    {"GET", "/proposals", Least::kReader},
    {"GET", "/proposals/{proposal}", Least::kReader},
    {"GET", "/forks", Least::kReader},
    {"GET", "/forks/{log}", Least::kReader},
    {"GET", "/reports", Least::kReader},
    {"GET", "/reports/{report}", Least::kReader},
    {"GET", "/reports/{report}/history", Least::kReader},
    {"GET", "/reports/{report}/readers", Least::kReader},
    {"GET", "/reports/{report}/withdrawal", Least::kReader},
    {"GET", "/alerts", Least::kReader},
    {"GET", "/inbox", Least::kReader},
    {"POST", "/reports", Least::kTrainee},  // the handler looks at the status
    {"GET", "/reports/export", Least::kAnalyst},
    {"POST", "/reports/import", Least::kAnalyst},
    {"POST", "/reports/{report}/share", Least::kAnalyst},
    {"POST", "/reports/{report}/correct", Least::kAnalyst},
    {"POST", "/reports/{report}/withdraw", Least::kAnalyst},
    {"POST", "/reports/{report}/recall", Least::kAnalyst},
    {"POST", "/reports/{report}/release", Least::kAnalyst},
    {"GET", "/holds", Least::kAnalyst},
    {"POST", "/holds", Least::kAnalyst},
    {"DELETE", "/holds/{report}", Least::kAnalyst},
    {"POST", "/reports/{report}/corroborate", Least::kAnalyst},
    {"POST", "/reports/{report}/dispute", Least::kAnalyst},
    {"POST", "/reports/{report}/answer", Least::kAnalyst},
    {"GET", "/bundles/exports/{export}", Least::kAnalyst},
    {"POST", "/bundles/exports", Least::kAnalyst},
    {"POST", "/bundles/imports", Least::kAnalyst},
    {"POST", "/bundles/imports/{import}", Least::kAnalyst},
    {"POST", "/bundles/imports/{import}/end", Least::kAnalyst},
    {"DELETE", "/bundles/imports/{import}", Least::kAnalyst},
    {"POST", "/alerts", Least::kAnalyst},
    {"POST", "/alerts/{alert}/ack", Least::kAnalyst},
    {"POST", "/inbox/{item}/done", Least::kAnalyst},
    {"GET", "/card", Least::kAnalyst},
    {"GET", "/peers", Least::kAnalyst},
    {"GET", "/peers/{peer}", Least::kAnalyst},
    {"GET", "/sync", Least::kAnalyst},
    {"GET", "/sync/explain", Least::kAnalyst},
    {"POST", "/keys/acts", Least::kOwner},
    // Rule 51: who a source is, is answered on the unix socket and nowhere else.
    {"GET", "/sources", Least::kOwner},
    {"POST", "/sources", Least::kOwner},
    {"GET", "/sources/{reference}", Least::kOwner},
    {"DELETE", "/sources/{reference}", Least::kOwner},
};

// They leave nothing behind that was not there before, or write it down themselves.
constexpr std::string_view kNoActs[] = {
    "/reports/{report}/release",
    "/sync/now",
    "/peers/{peer}/connect",
    "/index/rebuild",
    "/org/requests",
    "/keys/acts",
    "/bundles/exports",
    "/bundles/imports",
    "/bundles/imports/{import}",
    "/bundles/imports/{import}/end",
};

// Of the owner of the home, too, though users below an admin may do them. What else the owner does there is an entry
// that says so itself.
constexpr std::string_view kOwnersActs[] = {"/reports/{report}/withdraw", "/reports/{report}/recall", "/holds",
                                            "/holds/{report}"};

Least of_role(UserRole role) {
  switch (role) {
    case UserRole::kAdmin:
      return Least::kAdmin;
    case UserRole::kAnalyst:
      return Least::kAnalyst;
    case UserRole::kTrainee:
      return Least::kTrainee;
    case UserRole::kReader:
      break;
  }
  return Least::kReader;
}

std::string_view name_of(Least least) {
  static constexpr std::string_view kNames[] = {"reader", "trainee", "analyst", "admin", "owner"};
  return kNames[static_cast<std::size_t>(least)];
}

Error denied(std::string detail) { return caller_error(Code{"denied"}, std::move(detail)); }

bool is_loopback_name(std::string_view host) {
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    return host.substr(0, end) == "[::1" && (end + 1 == host.size() || host[end + 1] == ':');
  }
  host = host.substr(0, host.find(':'));
  return host == "localhost" || host == "127.0.0.1";
}

}  // namespace

Least least_of(std::string_view method, std::string_view path) {
  for (const auto& right : kRights)
    if (right.method == method && right.path == path) return right.least;
  return Least::kAdmin;
}

bool is_act(const Route& route, const desk::Actor& actor) {
  if (route.method == "GET" || actor.nobody() || std::ranges::find(kNoActs, route.path) != std::end(kNoActs))
    return false;
  return route.least >= Least::kAdmin || actor.user ||
         std::ranges::find(kOwnersActs, route.path) != std::end(kOwnersActs);
}

Result<desk::Actor> actor_of(const App& app, const Caller& caller) {
  constexpr std::string_view kScheme = "Bearer ";
  if (caller.authorization.empty()) {
    if (caller.owner && !caller.tcp) return desk::owner_actor();
    return caller_error(desk::kUnauthorised,
                        "say who calls, by Authorization: Bearer TOKEN; POST /api/v1/login gives one for a password, "
                        "an admin by: tocsin user token NAME");
  }
  // What knows the users may be gone for a moment; who asks again soon hears how it came out.
  if (app.tiers.restarting) return environment_error(Code{"restarting"}, "the node begins anew; ask again in a moment");
  if (app.tiers.locked || !app.users)
    return caller_error(Code{"locked"}, "the node is locked, and knows no users: its owner gives it its passphrase");
  if (!caller.authorization.starts_with(kScheme))
    return caller_error(desk::kUnauthorised, "the Authorization is to be: Bearer TOKEN");
  return app.users->check_token(caller.authorization.substr(kScheme.size()));
}

Result<void> may_call(const Route& route, const desk::Actor& actor) {
  if (actor.owner || route.open_on_tcp) return kOk;
  if (actor.nobody()) return caller_error(desk::kUnauthorised, "say who calls");
  if (route.least == Least::kOwner) return denied("this is for the owner of the node's home alone, on its unix socket");
  if (of_role(actor.role) < route.least)
    return denied("this takes the role " + std::string(name_of(route.least)) + ", and " + actor.name + " is " +
                  std::string(protocol::to_string(actor.role)));
  const auto scope = route.method == "GET"          ? TokenScope::kRead
                     : route.least >= Least::kAdmin ? TokenScope::kAdmin
                                                    : TokenScope::kWrite;
  if (actor.scope < scope)
    return denied("this token has the scope " + std::string(protocol::to_string(actor.scope)) + ", and this takes " +
                  std::string(protocol::to_string(scope)) +
                  "; an admin makes another: tocsin user token NAME --scope " +
                  std::string(protocol::to_string(scope)));
  return kOk;
}

Result<void> check_host(const Caller& caller) {
  if (!caller.tcp) return kOk;
  const bool same = caller.origin.empty() || caller.origin == "http://" + std::string(caller.host);
  if (is_loopback_name(caller.host) && same) return kOk;
  return caller_error(Code{"wrong_host"},
                      "this address answers to localhost, 127.0.0.1 and [::1] alone, and to no page of another site; a "
                      "proxy in front has to send such a Host, and no Origin");
}

}  // namespace tocsin::api
