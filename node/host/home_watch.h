// Whether this home stands where it last ran, and what follows where it does not (rule 21).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/log/log.h"
#include "node/store/home.h"
#include "protocol/replica.h"

namespace tocsin::host {

// One thread (the loop's). Register it as a listener of the replica's events.
class HomeWatch final : public protocol::ReplicaListener {
 public:
  // References outlive it. `confirmed` is called once there is no doubt any more, and the home has been recorded.
  HomeWatch(store::Home& home, protocol::Replica& replica, Log& log,
            std::function<void(const std::optional<protocol::NodeId>& by)> confirmed);

  // At start, before anything is written. Error: those of Home::current_machine.
  Result<void> look();
  // What a person should know, and do.
  std::vector<std::string> warnings() const;

  void on_heads(const protocol::ChannelId&, const protocol::LogKey&) override {}
  void on_org_log(const protocol::OrgId&) override {}
  void on_channels() override {}
  void on_peers() override {}
  void on_mail() override {}
  void on_arrival(protocol::Arrival) override {}
  void on_home_confirmed(const std::optional<protocol::NodeId>& by) override;

 private:
  store::Home& home_;
  protocol::Replica& replica_;
  Log& log_;
  std::function<void(const std::optional<protocol::NodeId>&)> confirmed_;
};

}  // namespace tocsin::host
