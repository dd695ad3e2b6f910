// Server-sent events: what changed, for those who show it live. Kept in a ring so that a client that lost its
// connection can go on.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "node/api/app.h"

namespace tocsin::api {

inline constexpr std::size_t kEventsKept = 1000;
inline constexpr std::size_t kEventClientsMax = 64;
inline constexpr std::int64_t kEventTickMs = 30'000;  // a comment line that shows which listeners are gone
inline constexpr std::size_t kEventQueueMax = 1000;   // of one client that does not read: then it is dropped

// One thread (the loop's). Tells its clients of reports and alerts that reached the index, and of changed channels and
// peers.
class Events final : public protocol::ReplicaListener {
 public:
  explicit Events(App& app) : app_(app) {}
  void on_fed(const index::FeedOutcome& outcome);  // from the feeder

  void on_heads(const protocol::ChannelId&, const protocol::LogKey&) override {}
  void on_org_log(const protocol::OrgId&) override {}
  void on_channels() override { tell("channel", "{}"); }
  void on_peers() override { tell("peer", "{}"); }
  void on_mail() override {}
  void on_arrival(protocol::Arrival) override {}

  // Begins the stream, after the event named by `last_id` where it is still kept. Error (environment): busy.
  Result<void> attach(ResponderPtr responder, const std::string& last_id);

 private:
  struct Client {
    ResponderPtr responder;
    std::deque<std::string> queue;
    bool writing = false;
    bool gone = false;
  };
  void tell(std::string_view type, std::string data);
  void pump(const std::shared_ptr<Client>& client);
  void tick();

  App& app_;
  std::uint64_t next_ = 1;
  std::deque<std::pair<std::uint64_t, std::string>> kept_;
  std::vector<std::shared_ptr<Client>> clients_;
  bool ticking_ = false;
};

}  // namespace tocsin::api
