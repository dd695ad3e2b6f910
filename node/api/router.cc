#include "node/api/router.h"

#include <algorithm>
#include <exception>

namespace tocsin::api {
namespace {

constexpr std::string_view kBase = "/api/v1";
constexpr std::size_t kTargetBytesMax = 8192;
constexpr std::size_t kKeyBytesMax = 128;

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return std::nullopt;
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    }
  }
  return protocol::is_clean_text(out) ? std::optional(out) : std::nullopt;
}

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto slash = std::min(path.find('/'), path.size());
    out.push_back(path.substr(0, slash));
    path.remove_prefix(slash);
  }
  return out;
}

bool fits(const Route& route, std::string_view path, std::vector<std::string>* params) {
  std::string_view pattern = route.path;
  if (pattern.starts_with("//")) {
    pattern.remove_prefix(1);
  } else {
    if (!path.starts_with(kBase)) return false;
    path.remove_prefix(kBase.size());
  }
  const auto want = segments(pattern), have = segments(path);
  if (want.size() != have.size()) return false;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (want[i].starts_with('{')) {
      auto value = decode(have[i], false);
      if (!value || value->empty()) return false;
      if (params) params->push_back(std::move(*value));
    } else if (want[i] != have[i]) {
      return false;
    }
  }
  return true;
}

Result<const Route*> find_route(std::string_view method, std::string_view path, std::vector<std::string>* params) {
  bool other_method = false;
  for (const auto& route : routes()) {
    std::vector<std::string> found;
    if (!fits(route, path, &found)) continue;
    if (route.method != method) {
      other_method = true;
      continue;
    }
    if (params) *params = std::move(found);
    return &route;
  }
  if (other_method) return caller_error(Code{"method_not_allowed"}, "this path takes another method");
  return caller_error(Code{"unknown_path"}, "there is nothing at this path; see /openapi.json");
}

Result<std::map<std::string, std::string>> parse_query(std::string_view query) {
  std::map<std::string, std::string> out;
  while (!query.empty()) {
    const auto amp = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, amp);
    query.remove_prefix(std::min(amp + 1, query.size()));
    if (pair.empty()) continue;
    const auto equal = std::min(pair.find('='), pair.size());
    auto name = decode(pair.substr(0, equal), true);
    auto value = decode(equal < pair.size() ? pair.substr(equal + 1) : std::string_view{}, true);
    if (!name || !value) return caller_error(Code{"bad_query"}, "the query is not percent-encoded UTF-8");
    if (!out.emplace(*name, *value).second)
      return caller_error(Code{"repeated_parameter"}, "the parameter " + *name + " is given twice");
  }
  return out;
}

}  // namespace

const std::vector<Route>& routes() {
  static const std::vector<Route> all = [] {
    std::vector<Route> out;
    add_node_routes(out);
    add_lock_routes(out);
    add_org_routes(out);
    add_peer_routes(out);
    add_channel_routes(out);
    add_proposal_routes(out);
    add_fork_routes(out);
    add_exchange_routes(out);  // before reports: /reports/import is no report
    add_report_routes(out);
    add_taken_back_routes(out);
    add_waiting_routes(out);
    add_answer_routes(out);
    add_bundle_routes(out);
    add_alert_routes(out);
    add_source_routes(out);
    add_sync_routes(out);
    add_event_routes(out);
    add_user_routes(out);
    for (auto& route : out) route.least = least_of(route.method, route.path);
    return out;
  }();
  return all;
}

Result<Router::Admitted> Router::admit(std::string_view method, std::string_view target, const Caller& caller) const {
  if (target.size() > kTargetBytesMax || !target.starts_with('/'))
    return caller_error(Code{"bad_query"}, "the request line is too long");
  TOCSIN_TRY(check_host(caller));
  auto route = find_route(method, target.substr(0, target.find('?')), nullptr);
  const bool open = route && (*route)->open_on_tcp;
  Admitted out{};
  if (!open) {
    TOCSIN_ASSIGN(actor, actor_of(app_, caller));
    out.actor = std::move(actor);
  }
  if (!route) return route.error();
  TOCSIN_TRY(may_call(**route, out.actor));
  if (app_.tiers.locked && !(*route)->when_locked)
    return caller_error(Code{"locked"},
                        "the node is locked: it takes and passes on, and nobody reads; give it its passphrase: tocsin "
                        "unlock");
  out.body_bytes_max = (*route)->body_bytes_max;
  return out;
}

void audit(App& app, const desk::Actor& actor, std::string act, std::vector<std::string> names,
           protocol::AuditOutcome outcome, std::function<void()> then) {
  if (!app.users || actor.nobody()) return then();
  app.users->record(actor, std::move(act), std::move(names), outcome,
                    [&app, then = std::move(then)](Result<void> written) {
                      if (!written && app.log)
                        app.log->warning(Code{"not_audited"}, {{"reason", written.error().code}});
                      then();
                    });
}

// Of an answer: what the act made or changed. Ids and names alone.
void add_names_of(const Response& response, std::vector<std::string>& names) {
  constexpr std::size_t kAnswerBytesMax = 64 * 1024;
  if (response.body.size() > kAnswerBytesMax) return;
  const auto json = Json::parse(response.body, nullptr, false);
  if (!json.is_object()) return;
  for (const auto* key : {"change", "name", "id", "org_id", "node_id", "channel_id", "report_id"}) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_string()) continue;
    if (const auto name = found->get<std::string>(); std::ranges::find(names, name) == names.end())
      names.push_back(name);
  }
}

// Writes down what succeeded before the answer goes, so that who looks then finds it.
class AuditingResponder final : public Responder {
 public:
  AuditingResponder(App& app, const Route& route, const Request& request, ResponderPtr next)
      : app_(app), actor_(request.actor), act_(route.summary), next_(std::move(next)) {
    has_names_ = route.least != Least::kOwner;  // rule 51: no source
    if (has_names_) names_ = request.params;
  }
  void send(Response response) override {
    if (response.status < 200 || response.status > 299) return next_->send(std::move(response));
    if (has_names_) add_names_of(response, names_);
    // 202: others decide about it, or it goes on.
    const auto outcome = response.status == 207   ? protocol::AuditOutcome::kPartial
                         : response.status == 202 ? protocol::AuditOutcome::kBegun
                                                  : protocol::AuditOutcome::kDone;
    audit(app_, actor_, act_, names_, outcome,
          [next = next_, response = std::move(response)]() mutable { next->send(std::move(response)); });
  }
  void begin(int status, std::string content_type) override { next_->begin(status, std::move(content_type)); }
  void write(std::string piece, std::function<void(bool)> then) override {
    next_->write(std::move(piece), std::move(then));
  }
  void end() override {
    audit(app_, actor_, act_, names_, protocol::AuditOutcome::kDone, [next = next_] { next->end(); });
  }

 private:
  App& app_;
  desk::Actor actor_;
  std::string act_;
  bool has_names_ = false;
  std::vector<std::string> names_;
  ResponderPtr next_;
};

// Passes the answer on and keeps a copy of it, unless it says that the attempt itself may be made again. May outlive
// the router, with a loop that has ended; then it does nothing.
class KeepingResponder final : public Responder {
 public:
  KeepingResponder(Router& router, std::string key, std::string what, ResponderPtr next)
      : router_(router), alive_(router.alive_), key_(std::move(key)), what_(std::move(what)), next_(std::move(next)) {}
  // An answered call has left already, and its key may be that of a second attempt by now.
  ~KeepingResponder() override {
    if (!answered_ && !alive_.expired()) router_.app().operations.erase(key_);
  }
  void send(Response response) override {
    if (alive_.expired() || std::exchange(answered_, true)) return;
    router_.app().operations.erase(key_);
    if (response.status < 500 && response.status != 429) router_.keep(key_, what_, response);
    next_->send(std::move(response));
  }
  void begin(int status, std::string content_type) override { next_->begin(status, std::move(content_type)); }
  void write(std::string piece, std::function<void(bool)> then) override {
    next_->write(std::move(piece), std::move(then));
  }
  void end() override { next_->end(); }

 private:
  Router& router_;
  std::weak_ptr<bool> alive_;
  std::string key_, what_;
  ResponderPtr next_;
  bool answered_ = false;
};

void Router::keep(const std::string& key, std::string what, const Response& response) {
  if (answers_.size() >= kIdempotentAnswersMax) {
    answers_.erase(order_.front());
    order_.pop_front();
  }
  if (answers_.emplace(key, Kept{response, std::move(what), app_.desk.clock().steady_ms()}).second)
    order_.push_back(key);
}

void Router::handle(std::string_view method, std::string_view target, Request request, ResponderPtr responder) {
  const auto mark = std::min(target.find('?'), target.size());
  request.method = method;
  request.path = target.substr(0, mark);
  auto route = find_route(method, request.path, &request.params);
  if (!route) return responder->problem(route.error());
  if (auto may = may_call(**route, request.actor); !may) return responder->problem(may.error());
  auto query = parse_query(mark < target.size() ? target.substr(mark + 1) : std::string_view{});
  if (!query) return responder->problem(query.error());
  request.query = std::move(*query);
  for (const auto& [name, value] : request.query) {
    const auto& allowed = (*route)->parameters;
    const bool dry_run = name == "dry_run" && (*route)->takes_dry_run;
    if (!dry_run && std::find(allowed.begin(), allowed.end(), name) == allowed.end())
      return responder->problem(
          caller_error(Code{"unknown_parameter"}, "there is no parameter " + name.substr(0, 64) + " here"));
    if (dry_run && value != "true" && value != "false")
      return responder->problem(caller_error(Code{"bad_query"}, "dry_run is true or false"));
  }
  request.dry_run = request.get("dry_run") == "true";
  if (method == "POST" && !request.idempotency_key.empty() && !(*route)->body_is_secret) {
    const auto& key = request.idempotency_key;
    if (key.size() > kKeyBytesMax)
      return responder->problem(caller_error(Code{"bad_query"}, "an Idempotency-Key has at most 128 characters"));
    // What the key stands for; compared, not trusted, so the project's hash with the checksum's purpose will do.
    if (request.body_sum.empty()) {
      BodySum sum;
      if (request.body) sum.add(*request.body);
      request.body_sum = sum.text();
    }
    const auto who = request.actor.user ? to_hex(request.actor.user->view()) : std::string();
    const auto what = who + " " + std::string(method) + " " + std::string(target) + " " + request.body_sum;
    if (const auto found = answers_.find(key); found != answers_.end()) {
      if (app_.desk.clock().steady_ms() - found->second.at_ms <= kIdempotentMs) {
        if (found->second.what != what)
          return responder->problem(caller_error(Code{"key_reused"}, "this Idempotency-Key was used for another call"));
        return responder->send(found->second.response);
      }
      order_.remove(key);
      answers_.erase(found);
    }
    if (app_.operations.contains(key))
      return responder->problem(
          caller_error(Code{"operation_running"}, "a call with this Idempotency-Key is still running"));
    app_.operations[key] = {std::string((*route)->summary), std::make_shared<desk::ImportProgress>()};
    responder = std::make_shared<KeepingResponder>(*this, key, what, std::move(responder));
  }
  if (is_act(**route, request.actor) && !request.dry_run) {
    if ((*route)->audit_first)
      audit(app_, request.actor, std::string((*route)->summary), request.params, protocol::AuditOutcome::kBegun, [] {});
    else
      responder = std::make_shared<AuditingResponder>(app_, **route, request, std::move(responder));
  }
  // What a handler throws is our bug; it costs this call, not the node. What it says may hold what was sent (rule 49).
  const auto last = responder;
  try {
    (*route)->handler(app_, request, std::move(responder));
  } catch (const std::exception&) {
    const auto error = internal_error(Code{"handler_failed"}, "this call met a fault of the program; please report it");
    if (app_.log) app_.log->error(error.code);
    last->problem(error);
  }
}

}  // namespace tocsin::api
