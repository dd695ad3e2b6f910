// From "something differs" to the logs that are to be fetched: cost follows the difference (docs/protocol.md, sections
// 8 and 9).
#include <algorithm>

#include "protocol/session_impl.h"

namespace tocsin::protocol {

// ---- In

Result<void> Session::Impl::handle_frontier(ByteView payload) {
  TOCSIN_ASSIGN(frontier, wire::decode_frontier(payload));
  ChannelId id;
  SharedChannel* channel = find_channel(frontier.slot, &id);
  if (channel == nullptr) return kOk;  // of a channel that was shared a moment ago
  std::uint64_t depth = 1;
  if (frontier.prefix.depth == 0 && channel->root_awaited) {
    channel->root_awaited = false;
  } else {
    const auto asked = channel->asked.find(frontier.prefix);
    if (asked == channel->asked.end()) return kOk;  // asked for in an older round
    depth = asked->second;
    channel->asked.erase(asked);
  }
  if (!frontier.node.children.empty()) return compare_children(id, *channel, frontier, depth);
  compare_leaves(id, frontier, depth);
  return kOk;
}

void Session::Impl::compare_leaves(const ChannelId& id, const wire::FrontierNode& frontier, std::uint64_t depth) {
  peer_lacks(id, frontier.prefix, frontier.node.leaves);
  for (const Leaf& leaf : frontier.node.leaves) note_leaf(id, leaf, depth);
}

Result<void> Session::Impl::compare_children(const ChannelId& id, SharedChannel& channel,
                                             const wire::FrontierNode& frontier, std::uint64_t depth) {
  const Frontier& own = replica.frontier(id, config.peer_org);
  for (std::uint8_t nibble = 0; nibble < 16; ++nibble) {
    const Prefix child = frontier.prefix.child(nibble);
    const TrieDigest& theirs = frontier.node.children[nibble];
    if (theirs.is_zero()) {
      peer_lacks(id, child, {});
    } else if (theirs != own.digest(child)) {
      channel.places.push_back({child, depth});
    }
  }
  if (channel.places.size() > kFrontierPlacesMax) return peer_error(kTooMuch, "a frontier without an end");
  return kOk;
}

// Logs below `prefix` that are held here and that the peer did not name.
void Session::Impl::peer_lacks(const ChannelId& id, const Prefix& prefix, const std::vector<Leaf>& but) {
  const Frontier& own = replica.frontier(id, config.peer_org);
  auto theirs = but.begin();
  const auto& leaves = own.leaves();
  for (auto at = leaves.lower_bound(LogKey{prefix.nibbles}); at != leaves.end() && prefix.covers(at->first); ++at) {
    while (theirs != but.end() && theirs->log < at->first) ++theirs;
    const bool named = theirs != but.end() && theirs->log == at->first;
    if (!named && !peer_heads.contains(at->first)) note_peer_head(at->first, {0});
    if (!named) offer_proof(id, at->first);
    if (peer_heads.size() >= kPeerHeadsMax) return;
  }
}

void Session::Impl::note_peer_head(const LogKey& log, Number head) {
  const auto at = peer_heads.find(log);
  if (at != peer_heads.end()) {
    at->second = std::max(at->second, head);
  } else if (peer_heads.size() < kPeerHeadsMax) {
    peer_heads.emplace(log, head);
  }
}

void Session::Impl::note_leaf(const std::optional<ChannelId>& id, const Leaf& leaf, std::uint64_t depth) {
  // What else is held here a contributor does not learn by asking for more of it (rule 24).
  const bool hidden = id && replica.is_contribution(*id, config.peer_org) &&
                      (leaf.type != LogType::kFeed || replica.accepted_head(leaf.log).value != 0) &&
                      replica.frontier(*id, config.peer_org).find(leaf.log) == nullptr && !brought.contains(leaf.log);
  if (hidden) return;
  note_peer_head(leaf.log, leaf.head);
  if (id) {
    const Leaf* ours = replica.frontier(*id, config.peer_org).find(leaf.log);
    if (ours == nullptr || *ours != leaf) offer_proof(*id, leaf.log);
  }
  if (id) replica.note_held(*id, config.peer_org, config.peer_node, std::span(&leaf, 1));
  const Number own = replica.accepted_head(leaf.log);
  if (leaf.head > own) {
    note_own_head(leaf);
    const auto known = targets.find(leaf.log);
    if (known != targets.end()) {
      // What the hello told of is in a channel, too: where histories part can be looked for there alone.
      const bool placed = id && !known->second.channel && !replica.is_contribution(*id, config.peer_org);
      if (placed) known->second.channel = id;
      if (leaf.head > known->second.leaf.head) {
        known->second.leaf = leaf;
        known->second.depth = depth;
      } else if (!placed) {
        return;
      }
      if (known->second.state == TargetState::kRefused) queue_target(leaf.log, known->second);
      return;
    }
    if (targets.size() >= kTargetsMax) {
      if (SharedChannel* channel = id ? shared(*id) : nullptr) channel->overflowed = true;
      return;
    }
    if (own.value == 0 && id && replica.is_contribution(*id, config.peer_org)) brought.insert(leaf.log);
    Target& target = targets[leaf.log];
    target.leaf = leaf;
    target.channel = id;
    target.depth = depth;
    queue_target(leaf.log, target);
    return;
  }
  if (id) look_at_leaf(*id, leaf, depth);
}

Result<void> Session::Impl::handle_ask(ByteView payload) {
  TOCSIN_ASSIGN(ask, wire::decode_ask(payload));
  ChannelId id;
  if (find_channel(ask.slot, &id) == nullptr) return add_not_held(ask.slot, {});
  if (answers.size() + ask.prefixes.size() > kPeerAsksMax) return peer_error(kTooMuch, "too many places asked for");
  for (const Prefix& prefix : ask.prefixes) answers.push_back({id, prefix});
  return kOk;
}

Result<void> Session::Impl::handle_heads(ByteView payload) {
  TOCSIN_ASSIGN(heads, wire::decode_heads(payload));
  if (done_sent) return kOk;  // nothing more is asked for in this session
  if (heads.slot == wire::kNoChannel) {
    const LogKey log{config.peer_org.bytes()};
    for (const Leaf& leaf : heads.leaves) {
      if (leaf.log != log || leaf.type != LogType::kOrganisation) {
        return peer_error(kUnexpectedMessage, "heads outside a channel are of the sender's organisation log");
      }
      note_leaf(std::nullopt, leaf, 0);
    }
    return kOk;
  }
  ChannelId id;
  if (find_channel(heads.slot, &id) == nullptr) return kOk;  // of a channel that was shared a moment ago
  for (const Leaf& leaf : heads.leaves) {
    // A rotation that comes while both are linked is looked at though the log was looked at before: it is another head.
    const auto looked = looked_at.find(leaf.log);
    const bool another = looked != looked_at.end() && looked->second != leaf.hash;
    if (another && org_looks < kOrgLooksMax) org_looks += probed.erase(leaf.log);
    note_leaf(id, leaf, 0);
  }
  return kOk;
}

// ---- Out

void Session::Impl::put_compare(wire::FrameWriter& out) {
  for (auto& [id, channel] : channels) {
    if (!channel.send_root) continue;
    if (channel.peer_slot &&
        !wire::put(out, wire::FrontierNode{channel.own_slot, {}, replica.frontier(id, config.peer_org).node({})})) {
      return;
    }
    channel.send_root = false;
  }
  while (!answers.empty()) {
    const Answer& answer = answers.front();
    // The peer may have left the roster since it asked.
    if (const SharedChannel* channel = shared(answer.channel)) {
      const Frontier::Node node = replica.frontier(answer.channel, config.peer_org).node(answer.prefix);
      if (!wire::put(out, wire::FrontierNode{channel->own_slot, answer.prefix, node})) return;
    }
    answers.pop_front();
  }
}

void Session::Impl::put_asks(wire::FrameWriter& out) {
  std::size_t waiting = 0;  // in all channels: the other side queues them in one list
  for (const auto& [id, channel] : channels) waiting += channel.asked.size();
  for (auto& [id, channel] : channels) {
    // Depth first, and fewer at a time when many wait: what is not asked yet stays short.
    const std::size_t window = channel.places.size() > kFrontierPlacesMax / 8 ? wire::kAskPrefixesMax : kAsksOutMax;
    while (channel.peer_slot && !channel.places.empty() && waiting < window &&
           pending + waiting * kBucketLeavesMax < kTargetsMax) {
      const std::size_t count = std::min({channel.places.size(), wire::kAskPrefixesMax, window - waiting});
      wire::Ask ask{channel.own_slot, {}};
      for (auto at = channel.places.rbegin(); ask.prefixes.size() < count; ++at) ask.prefixes.push_back(at->prefix);
      if (!wire::put(out, ask)) return;
      for (std::size_t i = 0; i < count; ++i) {
        const SharedChannel::Place place = channel.places.back();
        channel.places.pop_back();
        channel.asked[place.prefix] = place.depth + 1;
        stats.round_trips = std::max(stats.round_trips, place.depth + 1);
      }
      waiting += count;
    }
    // All that was known is fetched, and some had no place: compare again for the rest.
    if (channel.overflowed && pending == 0 && fetches.empty()) {
      channel.overflowed = false;
      if (targets.size() < kTargetsMax) new_round();
    }
  }
}

void Session::Impl::put_heads(wire::FrameWriter& out) {
  if (!compared_round) return;
  if (own_org_changed) {
    const auto record = replica.log_record(LogKey{replica.own_org().id().bytes()});
    const Leaf leaf{record->log, record->type, record->head, record->head_hash};
    if (!wire::put(out, wire::Heads{wire::kNoChannel, {leaf}})) return;
    own_org_changed = false;
  }
  for (auto& [id, channel] : channels) {
    if (!channel.peer_slot) {
      channel.changed.clear();
      continue;
    }
    while (!channel.changed.empty()) {
      wire::Heads heads{channel.own_slot, {}};
      std::vector<LogKey> taken;
      for (const LogKey& log : channel.changed) {
        if (heads.leaves.size() == wire::kHeadsLeavesMax) break;
        taken.push_back(log);
        const Leaf* leaf = replica.frontier(id, config.peer_org).find(log);
        const auto theirs = peer_heads.find(log);
        if (leaf == nullptr) continue;
        // A rotation may have taken the place of more entries than there are now: a lower head is news, too. A
        // contributor gets no receipts: what was stored of its feeds is named to it once more.
        const bool again = channel.contribution || (leaf->type == LogType::kOrganisation &&
                                                    !replica.org_log(OrgId{log.bytes()})->rotations().empty());
        if (!again && theirs != peer_heads.end() && theirs->second >= leaf->head) continue;
        heads.leaves.push_back(*leaf);
      }
      if (!heads.leaves.empty() && !wire::put(out, heads)) return;
      for (const LogKey& log : taken) channel.changed.erase(log);
    }
  }
}

// ---- What the replica tells

// Before the first slots there is nothing to announce: they are made from what is held then.
void Session::Impl::announce(SharedChannel& channel, const LogKey& log) {
  receipt_due(channel);
  if (!hello_sent) return;
  channel.changed.insert(log);
  if (channel.changed.size() < kTargetsMax) return;
  channel.changed.clear();  // so many are found faster by comparing
  new_round();
}

void Session::Impl::own_head_changed(const ChannelId& id, const LogKey& log) {
  if (over) return;
  recheck(log);
  const auto found = channels.find(id);
  if (found == channels.end()) return;
  SharedChannel& channel = found->second;
  offer_proof(id, log);
  retry_proofs(log);
  announce(channel, log);
  const Leaf* leaf = replica.frontier(id, config.peer_org).find(log);
  if (leaf != nullptr && leaf->type == LogType::kControl) unpark();
}

void Session::Impl::org_log_changed(const OrgId& org) {
  if (over) return;
  const LogKey log{org.bytes()};
  recheck(log);
  bool told = false;
  for (auto& [id, channel] : channels) {
    if (replica.frontier(id, config.peer_org).find(log) == nullptr) continue;
    offer_proof(id, log);
    announce(channel, log);
    told = told || channel.peer_slot;
  }
  if (org == replica.own_org().id() && !told && hello_sent) own_org_changed = true;
  retry_proofs(log);
  unpark();
}

}  // namespace tocsin::protocol
