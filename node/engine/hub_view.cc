// What the hub shows: connections, delivery, counters.
#include <algorithm>

#include "node/engine/hub_impl.h"

namespace tocsin::engine {
namespace {

using protocol::LogRecord;
using protocol::NodeId;
using protocol::ReceiptInfo;

// Entries of the channel's logs that a node's newest receipt does not name.
std::uint64_t missing_by_receipt(const std::vector<LogRecord>& logs, const ReceiptInfo* receipt) {
  std::uint64_t missing = 0;
  for (const LogRecord& record : logs) {
    if (record.low.value > record.head.value) continue;  // only the head's name is held: there is nothing to give
    std::uint64_t have = record.low.value - 1;
    if (receipt != nullptr) {
      if (const auto head = receipt->heads.find(record.log); head != receipt->heads.end())
        have = std::max(have, head->second.value);
    }
    if (record.head.value > have) missing += record.head.value - have;
  }
  return missing;
}

// The session does not hear what its peer got from others meanwhile; the receipt says that, a minute late. Both are
// bounds from above.
void set_live(ChannelSync& row, const protocol::Session::ChannelState& state, std::uint64_t missing) {
  row.behind = state.behind;
  row.ahead = std::min(state.ahead, missing);
  const bool only_unheard = state.ahead > 0 && row.ahead == 0 && row.behind == 0;
  row.state = state.equal || only_unheard ? SyncState::kEqual : SyncState::kSyncing;
}

}  // namespace

std::string_view to_string(SyncState state) {
  switch (state) {
    case SyncState::kEqual:
      return "equal";
    case SyncState::kSyncing:
      return "syncing";
    case SyncState::kWaiting:
      return "waiting";
    case SyncState::kOffline:
      return "offline";
  }
  return "offline";
}

std::vector<PeerConnection> Hub::connections() const {
  Impl& hub = *impl_;
  hub.refresh_peers();
  const std::int64_t now = hub.clock.steady_ms();
  std::vector<PeerConnection> out;
  for (const auto& [node, state] : hub.plan.states()) {
    PeerConnection peer{state.node.org, node};
    peer.dialling = state.phase == DialPlan::Phase::kDialling;
    if (!state.node.addresses.empty()) peer.address = state.node.addresses.front();
    peer.last_error = state.last_error;
    peer.last_error_at = state.last_error_at;
    if (const auto seen = hub.last_seen.find(node); seen != hub.last_seen.end()) peer.last_seen = seen->second;
    if (const Impl::LinkState* link = hub.find(node)) {
      peer.connected = true;
      peer.role = link->role;
      peer.connected_since = link->up_at;
      peer.address = link->address;
      if (link->heard_at) peer.last_seen = link->heard_at;
      peer.stats = link->session->stats();
    } else if (state.phase == DialPlan::Phase::kIdle && state.can_be_dialled()) {
      peer.next_try_in_ms = std::max<std::int64_t>(0, state.due_ms - now);
    }
    out.push_back(std::move(peer));
  }
  std::sort(out.begin(), out.end(), [](const PeerConnection& a, const PeerConnection& b) {
    return std::tie(a.org, a.node) < std::tie(b.org, b.node);
  });
  return out;
}

std::vector<ChannelSync> Hub::sync_status() const {
  Impl& hub = *impl_;
  std::map<NodeId, std::vector<protocol::Session::ChannelState>> live;
  for (const auto& [node, id] : hub.by_node) live.emplace(node, hub.find(id)->session->channel_states());
  // Who is to hold what is written there. A contributor is shown who leads the channel, and meets others (rule 24).
  const auto readers_of = [&](const protocol::ChannelInfo& channel, const std::vector<ReceiptInfo>& receipts,
                              const auto& sessions) {
    std::vector<protocol::MemberInfo> readers = channel.members;
    std::erase_if(readers, [](const auto& member) { return member.role == protocol::Role::kContributor; });
    if (channel.own_role != protocol::Role::kContributor) return readers;
    std::map<NodeId, protocol::OrgId> nodes{{channel.chair_node, channel.chair_org}};
    for (const ReceiptInfo& receipt : receipts) nodes.emplace(receipt.node, receipt.org);
    for (const auto& [node, states] : sessions) {
      const bool shares = std::ranges::any_of(states, [&](const auto& state) { return state.channel == channel.id; });
      if (shares) nodes.emplace(node, hub.find(hub.by_node.at(node))->session->peer_org());
    }
    for (const auto& [node, org] : nodes) {
      readers.emplace_back().org = org;
      readers.back().nodes = {node};
    }
    return readers;
  };

  std::vector<ChannelSync> out;
  for (const protocol::ChannelInfo& channel : hub.replica.channels()) {
    if (channel.standing != protocol::ChannelStanding::kJoined) continue;
    const auto logs = hub.replica.channel_logs(channel.id);
    const auto receipts = hub.replica.receipts(channel.id);
    for (const protocol::MemberInfo& member : readers_of(channel, receipts, live)) {
      for (const NodeId& node : member.nodes) {
        if (node == hub.replica.own_node()) continue;
        ChannelSync row{member.org, node, channel.id};
        for (const ReceiptInfo& receipt : receipts) {
          if (receipt.node == node) row.receipt = receipt;
        }
        const std::uint64_t by_receipt = missing_by_receipt(logs, row.receipt ? &*row.receipt : nullptr);
        if (const auto at = live.find(node); at == live.end()) {
          row.ahead = by_receipt;
        } else {
          row.state = SyncState::kWaiting;
          row.ahead = by_receipt;  // unless a session that shares the channel knows better
          for (const auto& state : at->second) {
            if (state.channel == channel.id) set_live(row, state, by_receipt);
          }
        }
        out.push_back(std::move(row));
      }
    }
  }
  return out;
}

std::size_t Hub::link_count() const { return impl_->links.size(); }

std::optional<LinkId> Hub::link_of(const NodeId& node) const {
  const auto at = impl_->by_node.find(node);
  return at == impl_->by_node.end() ? std::nullopt : std::optional(at->second);
}

const std::map<std::string_view, std::uint64_t>& Hub::refusals() const { return impl_->refusals; }

std::uint64_t Hub::entries_received() const {
  std::uint64_t sum = impl_->received_before;
  for (const auto& [id, link] : impl_->links) sum += link.session->stats().entries_received;
  return sum;
}

std::uint64_t Hub::entries_sent() const {
  std::uint64_t sum = impl_->sent_before;
  for (const auto& [id, link] : impl_->links) sum += link.session->stats().entries_sent;
  return sum;
}

}  // namespace tocsin::engine
