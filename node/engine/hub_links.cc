// The hub's links: who is let in, what they carry, how they end.
#include <algorithm>

#include "node/engine/hub_impl.h"

namespace tocsin::engine {
namespace {

using protocol::ByeReason;
using protocol::LinkRole;
using protocol::NodeId;

// Events of the log.
constexpr Code kLinkUp{"link_up"};
constexpr Code kLinkDown{"link_down"};
constexpr Code kDialFailed{"dial_failed"};
constexpr Code kRefused{"refused"};

// What a peer's `bye` means for `peer list`; nothing: it is no error.
std::optional<Error> error_of(ByeReason reason) {
  switch (reason) {
    case ByeReason::kDone:
    case ByeReason::kRenewed:
      return std::nullopt;
    case ByeReason::kBadMessage:
      return peer_error(Code("peer_says_bad_message"),
                        "the peer could not read what this node sent: do the versions match?");
    case ByeReason::kBadEntry:
      return peer_error(Code("peer_says_bad_entry"), "the peer refused an entry that this node sent");
    case ByeReason::kWrongNode:
      return peer_error(Code("peer_says_wrong_node"),
                        "the peer takes itself or this node for another: exchange cards again");
    case ByeReason::kUnknownPeer:
      return peer_error(Code("peer_says_unknown_peer"),
                        "the peer does not know this node, or has blocked or revoked it");
    case ByeReason::kTooMuch:
      return peer_error(Code("peer_says_too_much"), "the peer's limits were passed");
    case ByeReason::kBusy:
      return peer_error(Code("peer_says_busy"), "the peer has no room for this link now, or keeps another one");
    case ByeReason::kStopping:
      return peer_error(Code("peer_says_stopping"), "the peer is shutting down");
    case ByeReason::kRevoked:
      return peer_error(kSaysRevoked, "the peer says that this node's own organisation has revoked it");
  }
  return peer_error(Code("peer_says_unknown_reason"));
}

}  // namespace

Hub::Impl::LinkState* Hub::Impl::find(LinkId id) {
  const auto at = links.find(id);
  return at == links.end() ? nullptr : &at->second;
}

Hub::Impl::LinkState* Hub::Impl::find(const NodeId& node) {
  const auto at = by_node.find(node);
  return at == by_node.end() ? nullptr : find(at->second);
}

Result<std::pair<protocol::OrgId, NodeId>> Hub::Impl::welcome(const EstablishedLink& link) {
  // Several organisations may have certified one key, and the one that holds it is whom we meant to reach. (Who calls
  // us is found by the organisation log that its third message shows.)
  std::optional<std::pair<protocol::OrgId, NodeId>> who;
  const DialPlan::State* meant = link.dialled ? plan.find(*link.dialled) : nullptr;
  if (meant != nullptr && meant->node.allowed && meant->node.transport == link.remote)
    who.emplace(meant->node.org, meant->node.node);
  if (!who) who = replica.identify(link.remote, link.remote_log_end);
  if (!who) return peer_error(kUnknownPeer);
  if (who->second == replica.own_node()) return peer_error(kSelfDial);
  if (closing) return environment_error(transport::kStopping);
  const auto old = by_node.find(who->second);
  if (old != by_node.end() && keeps_old(links.at(old->second), link)) return peer_error(kDuplicateLink);
  // Links that were replaced live on until their peer has read its goodbye: a peer that never does must not gather
  // them.
  const auto of_node = static_cast<std::size_t>(
      std::count_if(links.begin(), links.end(), [&](const auto& held) { return held.second.node == who->second; }));
  if (of_node >= kLinksPerNodeMax || (old == by_node.end() && links.size() >= kLinksMax))
    return environment_error(kBusy);
  return *who;
}

bool Hub::Impl::keeps_old(const LinkState& old, const EstablishedLink& link) const {
  if (old.session->closed() || old.role == link.role) return false;
  if (clock.steady_ms() - old.up_ms > kLinkRaceMs) return false;
  const NodeId& own = replica.own_node();
  const NodeId& dialler = link.role == LinkRole::kInitiator ? own : old.node;
  return dialler != std::min(own, old.node);
}

void Hub::Impl::drop_old(LinkState& old) {
  watch.link_down(old.node, old.session->stats(), peer_error(kDuplicateLink), true, clock.steady_ms());
  old.session->close(ByeReason::kBusy);
  ready(old.id);
}

// A node that was revoked is told so, and nothing else: it would go on as if it shared. Whoever it may be now holds the
// key that this organisation's log named, so that it learns nothing of strangers.
std::optional<LinkId> Hub::Impl::tell_revoked(const EstablishedLink& facts) {
  const auto who = replica.revoked_holder(facts.remote);
  if (!who || links.size() >= kLinksMax) return std::nullopt;
  const bool told = std::ranges::any_of(links, [&](const auto& held) { return held.second.node == who->second; });
  if (told) return std::nullopt;
  LinkState& link = new_link(facts, who->first, who->second);
  link.session->close(ByeReason::kRevoked);
  return link.id;
}

Hub::Impl::LinkState& Hub::Impl::new_link(const EstablishedLink& facts, const protocol::OrgId& org,
                                          const NodeId& node) {
  const LinkId id{++last_link};
  LinkState link{id, org, node, facts.role, facts.remote, facts.address};
  link.up_ms = clock.steady_ms();
  link.up_at = clock.now();
  protocol::Session::Config config{facts.role, facts.handshake_hash, org, node};
  config.wakeup = [this, id] { ready(id); };
  config.refused = [this, who_sent = node](const Error& error) { count(error, &who_sent); };
  link.session = std::make_unique<protocol::Session>(replica, wants, clock, random, std::move(config));
  return links.emplace(id, std::move(link)).first->second;
}

Result<LinkId> Hub::add_link(const EstablishedLink& facts) {
  Impl& hub = *impl_;
  const auto who = hub.welcome(facts);
  if (!who) {
    hub.count(who.error(), facts.dialled ? &*facts.dialled : nullptr);
    if (facts.dialled) dial_failed(*facts.dialled, who.error());
    if (const auto told = who.error().code == kUnknownPeer ? hub.tell_revoked(facts) : std::nullopt) return *told;
    return who.error();
  }
  const auto& [org, node] = *who;
  if (facts.dialled && node != *facts.dialled) dial_failed(*facts.dialled, peer_error(kUnknownPeer));
  if (Impl::LinkState* old = hub.find(node)) hub.drop_old(*old);

  const LinkId id = hub.new_link(facts, org, node).id;
  hub.by_node[node] = id;
  hub.plan.connected(node);
  hub.watch.link_up(node, hub.clock.steady_ms());
  for (Impl::Waiter& waiter : hub.waiters) {
    if (waiter.node == node) waiter.deadline_ms = hub.clock.steady_ms() + kFirstFrameMs;
  }
  hub.log.info(kLinkUp,
               {{"node", node}, {"link", id.value}, {"dialled", facts.role == LinkRole::kInitiator ? 1u : 0u}});
  hub.attention();
  return id;
}

void Hub::dial_failed(const NodeId& node, const Error& reason) {
  Impl& hub = *impl_;
  if (hub.find(node) != nullptr) return;  // it has called us meanwhile
  const NodeId id = node;                 // may stand in what changes now
  hub.plan.ended(id, &reason);
  hub.watch.dial_failed(id, reason, hub.clock.steady_ms());
  hub.finish_waiters(id, reason);
  hub.log.info(kDialFailed, {{"node", id}, {"code", reason.code}});
  hub.attention();
}

Result<void> Hub::handle_frame(LinkId id, ByteView frame) {
  Impl::LinkState* link = impl_->find(id);
  if (link == nullptr) return internal_error(transport::kLinkFailed, "no such link");
  auto handled = link->session->handle_frame(frame);
  if (!handled) {
    link->failure = handled.error();
    impl_->count(handled.error(), &link->node);
    return handled;
  }
  impl_->heard(*link);
  return handled;
}

void Hub::Impl::heard(LinkState& link) {
  const bool first = !link.heard_at;
  link.heard_at = clock.now();
  if (!first || link.session->closed()) return;
  plan.forget_error(link.node);
  finish_waiters(link.node, kOk);
}

bool Hub::poll_frame(LinkId id, Bytes& out) {
  Impl::LinkState* link = impl_->find(id);
  if (link == nullptr) return false;
  if (link->session->poll_frame(out)) return true;
  // Whatever happened to the session, its owner polls until nothing is left: the place to see that it has come to rest.
  impl_->observe(*link);
  return false;
}

void Hub::Impl::observe(LinkState& link) {
  if (watch.empty()) return;
  const auto current = by_node.find(link.node);
  if (current == by_node.end() || !(current->second == link.id)) return;
  watch.observe(link.node, link.session->stats(), link.session->settled(), clock.steady_ms());
  if (watch.any_finished()) attention();
}

// Only who sends entries waits: an alert that another peer announces does not stand behind a bulk answer.
bool Hub::is_behind(LinkId id) const {
  if (!impl_->replica.store_is_behind()) return false;
  const Impl::LinkState* link = impl_->find(id);
  return link != nullptr && link->session->fetching();
}

bool Hub::link_finished(LinkId id) const {
  Impl::LinkState* link = impl_->find(id);
  return link == nullptr || link->session->closed();
}

void Hub::link_closed(LinkId id, const Error& reason) {
  Impl& hub = *impl_;
  const auto at = hub.links.find(id);
  if (at == hub.links.end()) return;
  const Impl::LinkState link = std::move(at->second);
  hub.links.erase(at);
  const protocol::SessionStats stats = link.session->stats();
  hub.received_before += stats.entries_received;
  hub.sent_before += stats.entries_sent;

  std::optional<Error> why = link.failure;
  if (!why && link.session->peer_reason()) {
    why = error_of(*link.session->peer_reason());
  } else if (!why && !(reason.code == transport::kSessionEnded)) {
    why = reason;
  }
  const Error shown = why.value_or(peer_error(transport::kSessionEnded));
  hub.log.info(kLinkDown, {{"node", link.node}, {"link", id.value}, {"code", shown.code}});

  const auto current = hub.by_node.find(link.node);
  if (current == hub.by_node.end() || !(current->second == id)) return;  // another link has taken its place
  hub.by_node.erase(current);
  if (link.heard_at) hub.last_seen[link.node] = *link.heard_at;
  hub.plan.ended(link.node, why ? &*why : nullptr);
  const bool peer_said_no = link.failure || (link.session->peer_reason() && why);
  if (hub.watch.link_down(link.node, stats, shown, !peer_said_no && !hub.closing, hub.clock.steady_ms())) {
    const DialPlan::State* state = hub.plan.find(link.node);
    if (state != nullptr && state->can_be_dialled()) {
      hub.plan.dial_now(link.node, std::nullopt);
    } else {
      hub.watch.dial_failed(link.node, shown, hub.clock.steady_ms());
    }
  }
  hub.finish_waiters(link.node, shown);
  hub.attention();
}

void Hub::refused(const Error& reason) { impl_->count(reason, nullptr); }

void Hub::Impl::count(const Error& error, const NodeId* node) {
  ++refusals[error.code.text()];
  if (node != nullptr) {
    log.warning(kRefused, {{"code", error.code}, {"node", *node}});
  } else {
    log.info(kRefused, {{"code", error.code}});
  }
}

}  // namespace tocsin::engine
