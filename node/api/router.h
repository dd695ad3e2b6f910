// From a call to its handler: routes with named places, allowed parameters, dry run, idempotent answers.
#pragma once

#include <list>
#include <string_view>
#include <unordered_map>

#include "node/api/app.h"
#include "node/api/rights.h"

namespace tocsin::api {

using Handler = void (*)(App&, const Request&, ResponderPtr);

struct Route {
  std::string_view method;
  std::string_view path;                     // "/peers/{peer}/verify", below /api/v1 unless it begins with "//"
  std::string_view summary;                  // for /openapi.json
  std::vector<std::string_view> parameters;  // of the query, beside dry_run
  Handler handler;
  bool takes_dry_run = false;
  bool open_on_tcp = false;     // to anybody, without a token
  bool when_locked = false;     // needs no key of the second tier (rule 48)
  bool body_is_secret = false;  // nothing is kept of it, not even its sum
  std::size_t body_bytes_max = kBodyBytesMax;
  bool audit_first = false;     // nothing can be written any more once it is done
  Least least = Least::kAdmin;  // set from the table in rights.cc
};

const std::vector<Route>& routes();
void add_node_routes(std::vector<Route>& out);
void add_lock_routes(std::vector<Route>& out);
void add_org_routes(std::vector<Route>& out);
void add_peer_routes(std::vector<Route>& out);
void add_channel_routes(std::vector<Route>& out);
void add_proposal_routes(std::vector<Route>& out);
void add_fork_routes(std::vector<Route>& out);
void add_report_routes(std::vector<Route>& out);
void add_taken_back_routes(std::vector<Route>& out);
void add_waiting_routes(std::vector<Route>& out);
void add_answer_routes(std::vector<Route>& out);
void add_exchange_routes(std::vector<Route>& out);
void add_bundle_routes(std::vector<Route>& out);
void add_alert_routes(std::vector<Route>& out);
void add_source_routes(std::vector<Route>& out);
void add_sync_routes(std::vector<Route>& out);
void add_event_routes(std::vector<Route>& out);
void add_user_routes(std::vector<Route>& out);

// Writes an act down, then goes on, whether or not that could be done: the act itself has been. A locked node writes
// nothing.
void audit(App& app, const desk::Actor& actor, std::string act, std::vector<std::string> names,
           protocol::AuditOutcome outcome, std::function<void()> then);

inline constexpr std::size_t kIdempotentAnswersMax = 1000;
inline constexpr std::int64_t kIdempotentMs = 24 * 3'600'000;

class Router {
 public:
  explicit Router(App& app) : app_(app) {}
  struct Admitted {
    std::size_t body_bytes_max;
    desk::Actor actor;
  };
  // Decides what is allowed before anything is read of the body. Errors: unknown_path, method_not_allowed, denied,
  // unauthorised, wrong_host, locked.
  Result<Admitted> admit(std::string_view method, std::string_view target, const Caller& caller) const;
  // `target` as in the request line; the actor of the request as admitted.
  void handle(std::string_view method, std::string_view target, Request request, ResponderPtr responder);
  App& app() { return app_; }

 private:
  struct Kept {
    Response response;
    std::string what;  // method, target and body: another call under the same key is an error
    std::int64_t at_ms = 0;
  };
  friend class KeepingResponder;
  void keep(const std::string& key, std::string what, const Response& response);
  App& app_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // answers may come when the router is gone
  std::unordered_map<std::string, Kept> answers_;
  std::list<std::string> order_;
};

}  // namespace tocsin::api
