#include "node/engine/hub.h"

#include <algorithm>

#include "node/engine/hub_impl.h"
#include "protocol/card.h"
#include "protocol/entry.h"

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

constexpr std::int64_t kFirstFrameMs =
    20'000;  // a peer that says nothing for so long after the handshake: `peer connect` gives up
// Of the own organisation log in message 3: those who know the organisation rarely lack more than its last few entries.
constexpr std::size_t kLogEndEntries = 8;

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
  }
  return peer_error(Code("peer_says_unknown_reason"));
}

}  // namespace

Hub::Hub(protocol::Replica& replica, protocol::Clock& clock, crypto::Random& random, Log& log)
    : impl_(std::make_unique<Impl>(*this, replica, clock, random, log)) {
  replica.set_listener(this);
}

Hub::~Hub() { impl_->replica.set_listener(nullptr); }

void Hub::set_callbacks(Callbacks callbacks) { impl_->callbacks = std::move(callbacks); }
void Hub::add_listener(protocol::ReplicaListener* listener) { impl_->listeners.push_back(listener); }
void Hub::remove_listener(protocol::ReplicaListener* listener) { std::erase(impl_->listeners, listener); }

// ---- connections ----

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
  const auto of_node =
      std::count_if(links.begin(), links.end(), [&](const auto& held) { return held.second.node == who->second; });
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

Result<LinkId> Hub::add_link(const EstablishedLink& facts) {
  Impl& hub = *impl_;
  const auto who = hub.welcome(facts);
  if (!who) {
    hub.count(who.error(), facts.dialled ? &*facts.dialled : nullptr);
    if (facts.dialled) dial_failed(*facts.dialled, who.error());
    return who.error();
  }
  const auto& [org, node] = *who;
  if (facts.dialled && node != *facts.dialled) dial_failed(*facts.dialled, peer_error(kUnknownPeer));
  if (Impl::LinkState* old = hub.find(node)) hub.drop_old(*old);

  const LinkId id{++hub.last_link};
  Impl::LinkState link{id, org, node, facts.role, facts.remote, facts.address};
  link.up_ms = hub.clock.steady_ms();
  link.up_at = hub.clock.now();
  protocol::Session::Config config{facts.role, facts.handshake_hash, org, node};
  config.wakeup = [impl = impl_.get(), id] { impl->ready(id); };
  config.refused = [impl = impl_.get(), who_sent = node](const Error& error) { impl->count(error, &who_sent); };
  link.session = std::make_unique<protocol::Session>(hub.replica, hub.wants, hub.clock, hub.random, std::move(config));
  hub.links.emplace(id, std::move(link));
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

bool Hub::is_behind() const { return impl_->replica.store_is_behind(); }

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

void Hub::Impl::finish_waiters(const NodeId& node, const Result<void>& result) {
  for (Waiter& waiter : waiters) {
    if (waiter.node == node) answers.emplace_back(std::move(waiter.done), result);
  }
  std::erase_if(waiters, [&](const Waiter& waiter) { return waiter.node == node; });
  if (!answers.empty()) attention();
}

// ---- time ----

void Hub::handle_tick() {
  Impl& hub = *impl_;
  hub.refresh_peers();
  const std::int64_t now = hub.clock.steady_ms();
  if (hub.chores_due || now >= hub.chores_ms) {
    hub.chores_due = false;
    hub.chores_ms = now + kReplicaTickMs;
    hub.replica.handle_tick();
  }
  hub.tick_links(now);
  hub.watch.tick(now);
  hub.tick_waiters(now);
  hub.deliver();
}

void Hub::Impl::tick_links(std::int64_t now) {
  for (auto& [id, link] : links) {
    if (const auto due = link.due(); due && *due <= now) {
      link.ticked_ms = now;
      link.session->handle_tick();
      if (link.session->closed() && !link.failure && !link.session->peer_reason()) {
        link.failure = peer_error(kPeerSilent);
      }
      ready(id);
    }
    if (!link.stable && link.heard_at && !link.session->closed() &&
        (now - link.up_ms >= kLinkStableMs || link.session->settled())) {
      link.stable = true;
      plan.stable(link.node);
    }
  }
}

void Hub::Impl::tick_waiters(std::int64_t now) {
  std::vector<NodeId> late;
  for (const Waiter& waiter : waiters) {
    if (waiter.deadline_ms && *waiter.deadline_ms <= now) late.push_back(waiter.node);
  }
  for (const NodeId& node : late) finish_waiters(node, peer_error(kStalled, "connected, but the peer says nothing"));
}

void Hub::Impl::deliver() {
  for (auto& [done, result] : std::exchange(answers, {})) {
    if (done) done(result);
  }
  if (!watch.any_finished()) return;
  for (auto& [done, report] : watch.take_finished()) {
    if (done) done(std::move(report));
  }
}

std::int64_t Hub::next_deadline() const {
  const Impl& hub = *impl_;
  if (hub.peers_changed || hub.chores_due || !hub.answers.empty() || hub.watch.any_finished())
    return hub.clock.steady_ms();
  std::int64_t first = hub.chores_ms;
  const auto consider = [&](std::optional<std::int64_t> due) {
    if (due && *due < first) first = *due;
  };
  consider(hub.plan.next_deadline());
  consider(hub.watch.next_deadline());
  for (const auto& [id, link] : hub.links) consider(link.due());
  for (const Impl::Waiter& waiter : hub.waiters) consider(waiter.deadline_ms);
  return first;
}

// ---- dialling and syncing ----

std::optional<DialTarget> Hub::poll_dial() {
  Impl& hub = *impl_;
  if (hub.closing) return std::nullopt;
  hub.refresh_peers();
  auto target = hub.plan.poll();
  if (target) target->log_end = hub.log_end();
  return target;
}

void Hub::set_dialling(bool on) {
  impl_->plan.set_automatic(on);
  impl_->attention();
}

Result<void> Hub::dial_now(const NodeId& node, std::optional<std::string> address, Done<void> done) {
  Impl& hub = *impl_;
  if (hub.closing) return environment_error(transport::kStopping);
  hub.refresh_peers();
  const DialPlan::State* state = hub.plan.find(node);
  if (state == nullptr) return caller_error(kUnknownPeer, "no such node: add its organisation's card first");
  if (!state->node.allowed) return caller_error(kPeerBlocked, "that node is blocked or revoked here");
  if (address) TOCSIN_TRY(protocol::parse_address(*address));
  if (const Impl::LinkState* link = hub.find(node); link != nullptr && link->heard_at) {
    hub.answers.emplace_back(std::move(done), kOk);
    hub.attention();
    return kOk;
  }
  if (!address && !state->can_be_dialled() && state->phase == DialPlan::Phase::kIdle) {
    return caller_error(kNoAddress, "nobody knows where that node listens: give an address");
  }
  const bool linked = hub.find(node) != nullptr;
  const std::optional<std::int64_t> deadline =
      linked ? std::optional(hub.clock.steady_ms() + kFirstFrameMs) : std::nullopt;
  hub.waiters.push_back({node, std::move(done), deadline});
  if (!linked) hub.plan.dial_now(node, std::move(address));
  hub.attention();
  return kOk;
}

Result<void> Hub::sync_now(std::vector<NodeId> nodes, Done<SyncReport> done) {
  Impl& hub = *impl_;
  if (hub.closing) return environment_error(transport::kStopping);
  hub.refresh_peers();
  if (nodes.empty()) {
    for (const auto& [node, state] : hub.plan.states()) {
      if (hub.find(node) != nullptr || state.can_be_dialled()) nodes.push_back(node);
    }
    if (nodes.empty()) return caller_error(kNoPeers, "nobody to sync with: add a peer's card, or give it an address");
  }
  std::vector<SyncWatch::Target> targets;
  for (const NodeId& node : nodes) {
    const DialPlan::State* state = hub.plan.find(node);
    if (state == nullptr) return caller_error(kUnknownPeer, "no such node: add its organisation's card first");
    if (!state->node.allowed) return caller_error(kPeerBlocked, "that node is blocked or revoked here");
    targets.push_back({state->node.org, node});
  }
  for (SyncWatch::Target& target : targets) {
    if (Impl::LinkState* link = hub.find(target.node)) {
      target.phase = SyncWatch::Phase::kSyncing;
      target.base = target.last = link->session->stats();
      target.links = 1;
      link->session->resync();
      hub.ready(link->id);
    } else if (const auto* state = hub.plan.find(target.node);
               state->can_be_dialled() || state->phase == DialPlan::Phase::kDialling) {
      if (state->phase == DialPlan::Phase::kIdle) hub.plan.dial_now(target.node, std::nullopt);
    } else {
      target.phase = SyncWatch::Phase::kEnded;
      target.problem = caller_error(kNoAddress, "nobody knows where that node listens");
    }
  }
  hub.watch.begin(std::move(targets), std::move(done), hub.clock.steady_ms());
  hub.attention();
  return kOk;
}

void Hub::close_all(ByeReason reason) {
  Impl& hub = *impl_;
  hub.closing = true;
  hub.each_session([reason](protocol::Session& session) { session.close(reason); });
  const Error stopping = environment_error(transport::kStopping);
  hub.watch.end_all(stopping, hub.clock.steady_ms());
  for (const Impl::Waiter& waiter : std::vector<Impl::Waiter>(hub.waiters)) hub.finish_waiters(waiter.node, stopping);
  hub.attention();
}

const std::vector<Bytes>& Hub::Impl::log_end() {
  if (own_log_end) return *own_log_end;
  own_log_end.emplace();
  const protocol::OrgLog& own = replica.own_org();
  const std::uint64_t head = own.head().value;
  for (std::uint64_t number = head > kLogEndEntries ? head - kLogEndEntries + 1 : 1; number <= head; ++number) {
    const auto entry = replica.read_entry(protocol::LogKey(own.id().bytes()), {number});
    if (entry) own_log_end->push_back(protocol::encode_entry(entry->view()));
  }
  return *own_log_end;
}

bool Hub::Impl::still_welcome(const LinkState& link) const {
  const auto who = replica.identify(link.remote, {});
  return who && who->second == link.node;
}

void Hub::Impl::refresh_peers() {
  if (!peers_changed) return;
  peers_changed = false;
  std::vector<DialPlan::Node> nodes;
  for (protocol::Peer& peer : replica.peers()) {
    for (protocol::PeerNode& node : peer.nodes) {
      if (node.node == replica.own_node()) continue;
      const bool allowed = peer.state != protocol::PeerState::kBlocked && !node.revoked;
      nodes.push_back({peer.org, node.node, std::move(node.addresses), node.transport, allowed});
    }
  }
  // Further nodes of the own organisation are known by its log; they are shown and synced with like others.
  const protocol::OrgLog& own = replica.own_org();
  for (const auto& [node, certified] : own.nodes()) {
    const auto is_it = [&id = node](const DialPlan::Node& one) { return one.node == id; };
    if (node == replica.own_node() || std::any_of(nodes.begin(), nodes.end(), is_it)) continue;
    nodes.push_back({own.id(), node, {}, certified.certificate.transport, !certified.revoked});
  }
  plan.set_nodes(std::move(nodes));
  std::erase_if(last_seen, [this](const auto& seen) { return plan.find(seen.first) == nullptr; });
  for (const auto& [node, id] : by_node) plan.connected(node);
  for (auto& [id, link] : links) {
    if (link.session->closed() || still_welcome(link)) continue;
    link.session->close(ByeReason::kUnknownPeer);
    ready(id);
  }
}

// ---- protocol::ReplicaListener ----

void Hub::on_heads(const protocol::ChannelId& channel, const protocol::LogKey& log) {
  impl_->each_session([&](protocol::Session& session) { session.handle_heads(channel, log); });
  impl_->tell([&](protocol::ReplicaListener& listener) { listener.on_heads(channel, log); });
}

void Hub::on_org_log(const protocol::OrgId& org) {
  impl_->peers_changed = impl_->chores_due = true;
  if (org == impl_->replica.own_org().id()) impl_->own_log_end.reset();
  impl_->each_session([&](protocol::Session& session) { session.handle_org_log(org); });
  impl_->tell([&](protocol::ReplicaListener& listener) { listener.on_org_log(org); });
  impl_->attention();
}

void Hub::on_channels() {
  impl_->peers_changed = impl_->chores_due = true;
  impl_->each_session([](protocol::Session& session) { session.handle_channels(); });
  impl_->tell([](protocol::ReplicaListener& listener) { listener.on_channels(); });
  impl_->attention();
}

void Hub::on_peers() {
  impl_->peers_changed = true;
  impl_->tell([](protocol::ReplicaListener& listener) { listener.on_peers(); });
  impl_->attention();
}

void Hub::on_mail() {
  impl_->each_session([](protocol::Session& session) { session.handle_mail(); });
  impl_->tell([](protocol::ReplicaListener& listener) { listener.on_mail(); });
}

void Hub::on_arrival(protocol::Arrival newest) {
  impl_->tell([newest](protocol::ReplicaListener& listener) { listener.on_arrival(newest); });
}

void Hub::on_erased(std::span<const protocol::Batch::BodyErase> bodies) {
  impl_->tell([bodies](protocol::ReplicaListener& listener) { listener.on_erased(bodies); });
}

}  // namespace tocsin::engine
