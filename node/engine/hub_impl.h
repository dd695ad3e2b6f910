// The inside of the hub, for its own sources.
#pragma once

#include "node/engine/dial_plan.h"
#include "node/engine/hub.h"
#include "node/engine/sync_watch.h"

namespace tocsin::engine {

// A peer that says nothing for so long after the handshake: `peer connect` gives up.
inline constexpr std::int64_t kFirstFrameMs = 20'000;

struct Hub::Impl {
  struct LinkState {
    LinkId id;
    protocol::OrgId org;
    protocol::NodeId node;
    protocol::LinkRole role = protocol::LinkRole::kInitiator;
    crypto::TransportPublic remote;
    std::string address;
    std::unique_ptr<protocol::Session> session;
    std::int64_t up_ms = 0;
    protocol::Time up_at;
    std::optional<protocol::Time> heard_at;  // last frame
    std::int64_t ticked_ms = 0;
    bool stable = false;
    std::optional<Error> failure;  // what ended the session here

    // A session whose deadline stays in the past would keep an idle node busy.
    std::optional<std::int64_t> due() const {
      const auto deadline = session->next_deadline();
      return deadline ? std::optional(std::max(*deadline, ticked_ms + kTickSpacingMs)) : std::nullopt;
    }
    static constexpr std::int64_t kTickSpacingMs = 200;
  };
  struct Waiter {  // of dial_now
    protocol::NodeId node;
    Done<void> done;
    std::optional<std::int64_t> deadline_ms;  // once there is a link: for its first frame
  };

  Impl(Hub& owner, protocol::Replica& the_replica, protocol::Clock& the_clock, crypto::Random& the_random, Log& the_log)
      : hub(owner),
        replica(the_replica),
        clock(the_clock),
        random(the_random),
        log(the_log),
        plan(the_clock, the_random) {}

  LinkState* find(LinkId id);
  LinkState* find(const protocol::NodeId& node);
  void ready(LinkId id) const {
    if (callbacks.link_ready) callbacks.link_ready(id);
  }
  void attention() const {
    if (callbacks.attention) callbacks.attention();
  }
  template <class Act>
  void each_session(Act act) {
    for (auto& [id, link] : links) {
      act(*link.session);
      ready(id);
    }
  }
  template <class Tell>
  void tell(Tell tell_one) {
    const auto all = listeners;  // one may take itself out meanwhile
    for (protocol::ReplicaListener* listener : all) tell_one(*listener);
  }

  Result<std::pair<protocol::OrgId, protocol::NodeId>> welcome(const EstablishedLink& link);
  LinkState& new_link(const EstablishedLink& facts, const protocol::OrgId& org, const protocol::NodeId& node);
  std::optional<LinkId> tell_revoked(const EstablishedLink& facts);
  bool keeps_old(const LinkState& old, const EstablishedLink& link) const;
  void drop_old(LinkState& old);
  void heard(LinkState& link);
  void observe(LinkState& link);
  void finish_waiters(const protocol::NodeId& node, const Result<void>& result);
  void count(const Error& error, const protocol::NodeId* node);
  bool still_welcome(const LinkState& link) const;
  void refresh_peers();
  const std::vector<Bytes>& log_end();
  void tick_links(std::int64_t now);
  void tick_waiters(std::int64_t now);
  void deliver();

  Hub& hub;
  protocol::Replica& replica;
  protocol::Clock& clock;
  crypto::Random& random;
  Log& log;
  Callbacks callbacks;
  std::vector<protocol::ReplicaListener*> listeners;

  protocol::WantTable wants;  // before the sessions, which use it to the end
  std::map<LinkId, LinkState> links;
  std::map<protocol::NodeId, LinkId> by_node;  // the link that counts, where a node has two for a moment
  std::uint64_t last_link = 0;
  DialPlan plan;
  SyncWatch watch;
  std::vector<Waiter> waiters;
  std::vector<std::pair<Done<void>, Result<void>>> answers;  // to be given by handle_tick

  bool peers_changed = true;
  bool chores_due = true;  // Replica::handle_tick is worth calling before its time
  std::int64_t chores_ms = 0;
  bool closing = false;
  std::optional<std::vector<Bytes>> own_log_end;
  std::map<protocol::NodeId, protocol::Time> last_seen;  // of known nodes whose link is gone
  std::map<std::string_view, std::uint64_t> refusals;
  std::uint64_t received_before = 0, sent_before = 0;  // over links that are gone
};

}  // namespace tocsin::engine
