// Whom to dial next: every known node with its back-off. Part of the hub; knows neither links nor sessions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crypto/random.h"
#include "node/transport/link_user.h"
#include "protocol/clock.h"

namespace tocsin::engine {

class DialPlan {
 public:
  struct Node {
    protocol::OrgId org;
    protocol::NodeId node;
    std::vector<std::string> addresses;
    crypto::TransportPublic transport;
    bool allowed = true;  // false: blocked or revoked; listed, never dialled
  };
  enum class Phase : std::uint8_t { kIdle, kDialling, kConnected };
  struct State {
    Node node;
    Phase phase = Phase::kIdle;
    bool urgent = false;         // asked for by a person: dialled even when dialling is off
    std::string extra_address;   // tried first, once
    std::uint32_t failures = 0;  // in a row; decides the back-off
    std::int64_t due_ms = 0;
    // A peer that says nothing may know only the other of the own transport keys: they take turns.
    protocol::OwnKey own = protocol::OwnKey::kInUse;
    std::optional<Error> last_error;
    std::optional<protocol::Time> last_error_at;
    bool can_be_dialled() const { return node.allowed && !(node.addresses.empty() && extra_address.empty()); }
  };

  DialPlan(protocol::Clock& clock, crypto::Random& random) : clock_(clock), random_(random) {}

  // All nodes known now. What is remembered of those that stay is kept; a node with a new address or key is due at
  // once.
  void set_nodes(std::vector<Node> nodes);
  void set_automatic(bool on) { automatic_ = on; }
  // Due now, whatever the back-off. False: the node is unknown.
  bool dial_now(const protocol::NodeId& node, std::optional<std::string> address);

  // The next node that is due, marked as dialling; its log_end is left empty.
  std::optional<transport::DialTarget> poll();
  // When poll may give something; nothing: not before another call.
  std::optional<std::int64_t> next_deadline() const;

  void connected(const protocol::NodeId& node);
  // The link lasted: the next failure counts as the first again.
  void stable(const protocol::NodeId& node);
  // The link is gone, or the dial gave none. `reason` null: nobody's fault.
  void ended(const protocol::NodeId& node, const Error* reason);
  void forget_error(const protocol::NodeId& node);

  const State* find(const protocol::NodeId& node) const;
  const std::map<protocol::NodeId, State>& states() const { return states_; }

  // 1 s, 2 s, 4 s … 5 min, each +-50 %.
  static std::int64_t backoff_ms(std::uint32_t failures, crypto::Random& random);

 private:
  bool may_dial(const State& state) const {
    return state.phase == Phase::kIdle && (automatic_ || state.urgent) && state.can_be_dialled();
  }

  protocol::Clock& clock_;
  crypto::Random& random_;
  std::map<protocol::NodeId, State> states_;
  std::size_t dialling_ = 0;
  bool automatic_ = true;
};

}  // namespace tocsin::engine
