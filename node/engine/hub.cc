#include "node/engine/hub.h"

#include <algorithm>

#include "node/engine/hub_impl.h"
#include "protocol/card.h"
#include "protocol/entry.h"

namespace tocsin::engine {
namespace {

using protocol::ByeReason;
using protocol::NodeId;

// Of the own organisation log in message 3: those who know the organisation rarely lack more than its last few entries.
constexpr std::size_t kLogEndEntries = 8;

}  // namespace

Hub::Hub(protocol::Replica& replica, protocol::Clock& clock, crypto::Random& random, Log& log)
    : impl_(std::make_unique<Impl>(*this, replica, clock, random, log)) {
  replica.set_listener(this);
}

Hub::~Hub() { impl_->replica.set_listener(nullptr); }

void Hub::set_callbacks(Callbacks callbacks) { impl_->callbacks = std::move(callbacks); }
void Hub::add_listener(protocol::ReplicaListener* listener) { impl_->listeners.push_back(listener); }
void Hub::remove_listener(protocol::ReplicaListener* listener) { std::erase(impl_->listeners, listener); }

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
  // The key may be another node's by now.
  if (const auto who = replica.identify(link.remote, {})) return who->second == link.node;
  return replica.still_speaks_for(link.remote, link.org, link.node);
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
    nodes.push_back({own.id(), node, replica.addresses_of(node), certified.certificate.transport, !certified.revoked});
  }
  plan.set_nodes(std::move(nodes));
  std::erase_if(last_seen, [this](const auto& seen) { return plan.find(seen.first) == nullptr; });
  for (const auto& [node, id] : by_node) plan.connected(node);
  for (auto& [id, link] : links) {
    if (link.session->closed() || still_welcome(link)) continue;
    link.session->close(replica.revoked_holder(link.remote) ? ByeReason::kRevoked : ByeReason::kUnknownPeer);
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

void Hub::on_cut(const protocol::ChannelId& channel, const protocol::LogKey& log, const protocol::EntryChunk& entries) {
  impl_->each_session([&](protocol::Session& session) { session.handle_cut(channel, log); });
  impl_->tell([&](protocol::ReplicaListener& listener) { listener.on_cut(channel, log, entries); });
}

void Hub::on_taken_back(std::span<const protocol::TakenBack> bodies) {
  impl_->tell([bodies](protocol::ReplicaListener& listener) { listener.on_taken_back(bodies); });
}

void Hub::on_home_confirmed(const std::optional<protocol::NodeId>& by) {
  impl_->chores_due = true;
  impl_->tell([&by](protocol::ReplicaListener& listener) { listener.on_home_confirmed(by); });
  impl_->attention();
}

void Hub::on_erased(std::span<const protocol::Batch::BodyErase> bodies) {
  impl_->tell([bodies](protocol::ReplicaListener& listener) { listener.on_erased(bodies); });
}

}  // namespace tocsin::engine
