#include "node/api/events.h"

#include <charconv>

#include "node/api/router.h"
#include "node/api/views.h"

namespace tocsin::api {

void Events::on_fed(const index::FeedOutcome& outcome) {
  for (const auto& id : outcome.alerts) tell("alert", Json{{"id", hex(id)}}.dump());
  if (outcome.reports > 0) tell("report", Json{{"count", outcome.reports}, {"cursor", outcome.cursor.value}}.dump());
}

void Events::tell(std::string_view type, std::string data) {
  const auto id = next_++;
  auto text = "id: " + std::to_string(app_.boot) + "-" + std::to_string(id) + "\nevent: " + std::string(type) +
              "\ndata: " + data + "\n\n";
  kept_.emplace_back(id, text);
  if (kept_.size() > kEventsKept) kept_.pop_front();
  for (const auto& client : clients_) {
    client->queue.push_back(text);
    pump(client);
  }
  std::erase_if(clients_, [](const auto& client) { return client->gone; });
}

void Events::pump(const std::shared_ptr<Client>& client) {
  if (client->queue.size() > kEventQueueMax && !client->gone) {
    client->gone = true;
    client->responder->end();
  }
  if (client->writing || client->gone || client->queue.empty()) return;
  client->writing = true;
  auto piece = std::move(client->queue.front());
  client->queue.pop_front();
  client->responder->write(std::move(piece), [this, client](bool go_on) {
    client->writing = false;
    client->gone |= !go_on;
    pump(client);
  });
}

// Nobody tells that a listener has gone; writing to it does.
void Events::tick() {
  ticking_ = false;
  for (const auto& client : clients_) {
    if (client->queue.empty() && !client->writing) client->queue.push_back(":\n\n");
    pump(client);
  }
  std::erase_if(clients_, [](const auto& client) { return client->gone; });
  if (clients_.empty() || std::exchange(ticking_, true)) return;
  app_.later(kEventTickMs, [this] { tick(); });
}

Result<void> Events::attach(ResponderPtr responder, const std::string& last_id) {
  std::erase_if(clients_, [](const auto& client) { return client->gone; });
  if (clients_.size() >= kEventClientsMax) return environment_error(Code{"busy"}, "too many listeners");
  std::uint64_t last = next_ - 1;
  const auto prefix = std::to_string(app_.boot) + "-";
  if (last_id.starts_with(prefix))
    std::from_chars(last_id.data() + prefix.size(), last_id.data() + last_id.size(), last);
  auto client = std::make_shared<Client>();
  client->responder = std::move(responder);
  client->responder->begin(200, "text/event-stream");
  client->queue.push_back(": listening\n\n");
  // A client of another run, or one that was away too long, has to look at the lists again.
  const bool lost =
      !last_id.empty() && (!last_id.starts_with(prefix) || (!kept_.empty() && kept_.front().first > last + 1));
  if (lost) client->queue.push_back("event: reset\ndata: {}\n\n");
  for (const auto& [id, text] : kept_)
    if (id > last) client->queue.push_back(text);
  clients_.push_back(client);
  pump(client);
  if (!std::exchange(ticking_, true)) app_.later(kEventTickMs, [this] { tick(); });
  return kOk;
}

namespace {

void get_events(App& app, const Request& request, ResponderPtr responder) {
  if (auto attached = app.events->attach(responder, request.last_event_id); !attached)
    responder->problem(attached.error());
}

}  // namespace

void add_event_routes(std::vector<Route>& out) {
  out.push_back({"GET", "/events", "What changes, as server-sent events", {}, get_events});
}

}  // namespace tocsin::api
