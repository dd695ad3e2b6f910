// What a session may see of this replica (rules 10, 34 to 36).
#include <cassert>

#include "protocol/entry_peek.h"
#include "protocol/entry_sign.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {

std::vector<ChannelId> Replica::channels_with(const NodeId& peer) const {
  std::vector<ChannelId> out;
  const auto org = impl_->org_of_node(peer);
  if (!org || peer == impl_->own_node || impl_->is_blocked(*org) ||
      impl_->orgs.at(*org).accepted.live_node(peer) == nullptr) {
    return out;
  }
  for (const auto& [id, channel] : impl_->channels) {
    if (channel->durable == nullptr) continue;
    const ChannelState& state = *channel->durable;
    const bool contribution = impl_->is_contribution(*channel, *org);
    // A contributor cannot tell who is in the channel: whom its tag means something to is.
    if (state.joined() && (contribution || may_read(state.role_of(*org)))) out.push_back(id);
    if (contribution) continue;
    // An accepted invitee hears from those who can know that it was taken in; nobody else learns that it waits.
    if (state.standing == ChannelStanding::kAccepting && (*org == state.chair_org() || *org == state.carrier)) {
      out.push_back(id);
    }
  }
  return out;
}

const Frontier& Replica::frontier(const ChannelId& id) const {
  static const Frontier kNone;
  const Channel* channel = impl_->find_channel(id);
  return channel == nullptr ? kNone : channel->frontier;
}

ByteView Replica::slot_key(const ChannelId& id, const OrgId& peer) const {
  const Channel* channel = impl_->find_channel(id);
  const crypto::Hash* tag = channel == nullptr ? nullptr : impl_->contribution_tag(*channel, peer);
  return tag == nullptr ? id.view() : tag->view();
}

ByteView Replica::equality_key(const ChannelId& id, const OrgId& peer) const {
  static const std::array<std::uint8_t, 32> kNone{};
  const Channel* channel = impl_->find_channel(id);
  if (channel == nullptr || channel->durable == nullptr) return ByteView(kNone);
  if (const crypto::Hash* tag = impl_->contribution_tag(*channel, peer)) return tag->view();
  const EpochInfo* info = channel->durable->epoch(channel->durable->newest_epoch());
  return info == nullptr || info->access == nullptr ? ByteView(kNone) : info->access->view();
}

ChannelClass Replica::channel_class(const ChannelId& id) const {
  const Channel* channel = impl_->find_channel(id);
  return channel == nullptr ? ChannelClass::kUnknown : channel->accepted.genesis->channel_class;
}

Epoch Replica::first_epoch(const ChannelId& id) const {
  const Channel* channel = impl_->find_channel(id);
  const Epoch first = channel == nullptr ? Epoch{} : channel->accepted.first_epoch();
  return first.value <= 1 ? Epoch{} : first;
}

bool Replica::may_serve(const NodeId& peer, const std::optional<ChannelId>& id, const LogKey& key) const {
  const auto org = impl_->org_of_node(peer);
  const LogState* log = impl_->find_log(key);
  if (!org || log == nullptr || log->durable.head.value == 0 || impl_->is_blocked(*org) ||
      impl_->orgs.at(*org).accepted.live_node(peer) == nullptr) {
    return false;
  }
  const bool is_org_log = log->durable.type == LogType::kOrganisation;
  if (!id) return is_org_log && (key.bytes() == impl_->own_org.bytes() || key.bytes() == org->bytes());
  const Channel* channel = impl_->find_channel(*id);
  if (channel == nullptr || channel->durable == nullptr) return false;
  const ChannelState& state = *channel->durable;
  if (!state.joined()) return false;
  // The session found the channel by the tag: it is with a member, or with the contributor whose feeds these are.
  if (impl_->is_contribution(*channel, *org)) return frontier(*id, *org).find(key) != nullptr;
  if (!may_read(state.role_of(*org))) return false;
  if (is_org_log) return state.role_of(OrgId{key.bytes()}) != Role::kUnknown;
  // A feed that does not count any more: who cannot tell yet whose it is finds that out by its entries.
  return log->channel == *id && (channel->frontier.find(key) != nullptr || impl_->is_uncounted(*channel, *log));
}

bool Replica::wants_log(const std::optional<ChannelId>& id, const LogKey& key, LogType type) const {
  const LogState* log = impl_->find_log(key);
  if (log != nullptr && log->accepted.type != type) return false;
  if (log != nullptr) {
    const auto most = impl_->ceiling(log->channel ? impl_->find_channel(*log->channel) : nullptr, *log);
    if (most && log->accepted.head >= *most) return false;
  }
  if (!id) return type == LogType::kOrganisation && log != nullptr;
  const Channel* channel = impl_->find_channel(*id);
  if (channel == nullptr) return false;
  const ChannelState& state = channel->accepted;
  if (state.contribution != nullptr) {  // its own, where somebody has more of it; nothing else
    return type == LogType::kFeed && state.joined() && log != nullptr && log->channel == *id;
  }
  switch (type) {
    case LogType::kOrganisation:
      return state.role_of(OrgId{key.bytes()}) != Role::kUnknown;
    case LogType::kControl:
      // One that is not known may be the next term's; what it begins with says so.
      if (log == nullptr && key != state.control_log()) {
        return state.joined() && state.newest != nullptr && state.term_over(key) == nullptr && !impl_->secrets.locked();
      }
      return key == state.control_log() && (!impl_->chair_revoked(state) || key == channel->named_log) &&
             (state.joined() || state.standing == ChannelStanding::kAccepting);
    case LogType::kFeed:
      break;
  }
  if (!state.joined() || (log != nullptr && log->channel != *id)) return false;
  if (log == nullptr && impl_->secrets.locked() && impl_->nameless_room(*channel) == 0) return false;
  if (log == nullptr) return channel->feeds < std::min<std::uint64_t>(impl_->quotas.feeds, kLogsPerChannelMax);
  return true;
}

Number Replica::accepted_head(const LogKey& key) const {
  const LogState* log = impl_->find_log(key);
  return log == nullptr ? Number{} : log->accepted.head;
}

Number Replica::served_head(const LogKey& key) const {
  const LogState* log = impl_->find_log(key);
  return log == nullptr ? Number{} : impl_->served_head(*log);
}

Result<Number> ReplicaCore::first_number_at(const LogState& log, Epoch epoch, Number head) const {
  if (log.durable.head_epoch < epoch || head < log.durable.low) return head;
  // Epochs never fall along a log.
  std::uint64_t low = log.durable.low.value;
  std::uint64_t high = head.value;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    TOCSIN_ASSIGN(entry, stored_entry(log.durable.log, {middle}));
    if (Epoch{load_le64(&entry.view().header[16])} >= epoch) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return Number{high};
}

Result<Number> Replica::first_number_at(const LogKey& key, Epoch epoch) const {
  const LogState* log = impl_->find_log(key);
  if (log == nullptr || log->durable.head.value == 0) return caller_error(kNotHeld, "no such log is held here");
  return impl_->first_number_at(*log, epoch, impl_->served_head(*log));
}

Result<void> Replica::read_log(const LogKey& key, Number from, Number to, std::size_t bytes_max,
                               const EntryVisitor& visit) const {
  return impl_->store.read(key, from, to, bytes_max, visit);
}

Result<void> Replica::serve(const LogKey& key, Number from, Number to, std::size_t bytes_max,
                            const EntryVisitor& visit) const {
  const LogState* log = impl_->find_log(key);
  if (log == nullptr || log->durable.head.value == 0) return caller_error(kNotHeld, "no such log is held here");
  if (from < log->durable.low) return caller_error(kNotHeld, "the copy here begins later");
  to = std::min(to, impl_->served_head(*log));
  if (from > to) return kOk;
  // Rule 10: the last of an answer stands by its own signature. Those before it are covered by it, or by one that the
  // receiver's chunk ends with.
  bool bad = false;
  TOCSIN_TRY(impl_->store.read(key, from, to, bytes_max, [&](const StoredEntry& stored) {
    if (stored.number == to && stored.checked == Checked::kChained && !verify_entry(stored.entry, impl_->verifier)) {
      bad = true;
      return false;
    }
    if (body_absent(stored.entry)) return visit(stored);
    const Erasure* erasure = impl_->find_followed(key, stored.number);
    const bool goes = erasure != nullptr && erasure->entry == hash_entry(stored.entry.header, stored.entry.signature);
    if (!goes) return visit(stored);
    StoredEntry without = stored;
    without.body_erased = true;
    without.entry.body = {};
    return visit(without);
  }));
  if (!bad) return kOk;
  // A bad signature under a good one is proof against the author (rule 10).
  LogState& broken = *impl_->find_log(key);
  if (!broken.fork) {
    TOCSIN_ASSIGN(entry, impl_->stored_entry(key, to));
    Change change;
    impl_->keep_fork(change, broken, nullptr, entry.view());
    impl_->commit_for(std::move(change), nullptr);
  }
  return peer_error(kBadSignature, "the entry's own signature does not verify, although a later one covers it");
}

Result<Entry> Replica::read_entry(const LogKey& key, Number number) const {
  std::optional<Entry> out;
  const LogState* log = impl_->find_log(key);
  if (log == nullptr) return caller_error(kNotHeld, "no such entry is held here");
  Checked checked = Checked::kSigned;
  TOCSIN_TRY(impl_->store.read(key, number, number, 1, [&](const StoredEntry& stored) {
    if (stored.number == number) {
      out = Entry(stored.entry.header, stored.entry.signature, stored.entry.body);
      checked = stored.checked;
    }
    return false;
  }));
  if (!out) return caller_error(kNotHeld, "no such entry is held here");
  if (checked == Checked::kChained && !verify_entry(out->view(), impl_->verifier)) {
    return peer_error(kBadSignature, "the entry's own signature does not verify, although a later one covers it");
  }
  return std::move(*out);
}

std::optional<Replica::EndOfFeed> Replica::pin_of(const LogKey& key) const {
  const LogState* log = impl_->find_log(key);
  const Channel* channel = log != nullptr && log->channel ? impl_->find_channel(*log->channel) : nullptr;
  if (channel == nullptr || channel->durable == nullptr) return std::nullopt;
  const ChannelState& state = *channel->durable;
  // Of a node that only a superseded part of its organisation's log knew, nothing counts (rule 19).
  const bool of_node = log->accepted.type == LogType::kFeed && log->owner;
  if (of_node && impl_->is_superseded(log->owner->org, log->owner->node)) return EndOfFeed{};
  if (const FeedPin* pin = impl_->pin_for(state, *log)) return EndOfFeed{pin->last, pin->hash};
  // One that the chair did not know when it dropped the writer: nothing of it counts, and others need not hold it. (A
  // revocation that the chair has not followed yet ends what is taken, not what is held.)
  if (of_node && state.newest != nullptr && state.role_of(log->owner->org) == Role::kUnknown) return EndOfFeed{};
  return std::nullopt;
}

// ---- What people are told

std::string ReplicaCore::fork_warning(const ForkInfo& fork) const {
  std::string in;
  if (const Channel* channel = fork.channels.empty() ? nullptr : find_channel(fork.channels.front())) {
    if (fork.type != LogType::kOrganisation) in = "channel " + channel->accepted.genesis->name + ": ";
  }
  const OrgState* org = fork.org ? find_org(*fork.org) : nullptr;
  const std::string name = org != nullptr ? org->accepted.profile().name : "a member";
  const std::string log = to_hex(fork.log.view()).substr(0, 16);
  const std::string from = fork.parted ? " from entry " + std::to_string(fork.number.value) + " on" : "";
  if (fork.ended) {
    return name +
           " has ended: the roots of its organisation were replaced twice, and nobody can tell who speaks for it; "
           "nothing new of it is taken: see tocsin fork show " +
           log;
  }
  if (fork.type == LogType::kOrganisation) {
    return "the roots of " + name + " signed two histories of their organisation's log" + from +
           "; nothing new of it is taken: see tocsin fork show " + log;
  }
  if (fork.type == LogType::kControl) {
    return in + "its chair, " + name + ", signed two histories of the control log" + from +
           "; nothing new of it is taken: see tocsin fork show " + log;
  }
  return in + name + " signed two histories of feed " + log + from +
         "; nothing there is taken, and what it says is shown as forked, until the chair chooses: see tocsin fork "
         "show " +
         log;
}

ReplicaStatus Replica::status() const {
  ReplicaStatus out;
  out.refused_entries = impl_->refused_entries;
  out.fork_proofs = impl_->forked.size();
  for (const auto& [key, log] : impl_->logs) {
    if (log.durable.head.value != 0) out.entries += log.durable.head.value + 1 - log.durable.low.value;
  }
  const Time now = impl_->clock.now();
  const auto warn = [&](std::string text) { out.warnings.push_back(std::move(text)); };
  if (!impl_->own_org.is_zero())
    if (const auto certified = check_certified(); !certified) warn(certified.error().detail);
  for (const auto& [id, org] : impl_->orgs) {
    if (id != impl_->own_org && !impl_->peers.contains(id)) continue;
    for (const auto& [node, certified] : org.accepted.nodes()) {
      if (!certified.revoked && certified.certificate.expires < now) {
        warn("STALE: the certificate of a node of " + org.accepted.profile().name + " is past its date");
      }
    }
  }
  for (const auto& [id, channel] : impl_->channels) {
    if (channel->durable == nullptr || !channel->durable->joined()) continue;
    const ChannelState& state = *channel->durable;
    const std::string in = "channel " + state.genesis->name + ": ";
    const std::int64_t age = now.ms - state.newest->created.ms;
    if (age >= kEpochStaleMs) {
      warn(in + "no new epoch for 45 days: revocations may be withheld");
    } else if (age >= kEpochAgeMs) {
      warn(in + "the key is older than 30 days");
    }
    if (const auto claims = impl_->claimed_chair(state)) {
      const OrgState* org = impl_->find_org(*claims);
      warn(in + (org == nullptr ? "another organisation" : org->accepted.profile().name) +
           " says that it leads the channel now; ask somebody whom you know, then: tocsin channel accept, or refuse");
    }
    if (state.key_missing() && !impl_->secrets.locked())
      warn(in + "the newest epoch has no key for this node; the chair has been told");
    if (state.needs_newer) warn(in + needs_newer_error(state).detail);
    if (const std::size_t feeds = impl_->own_feeds(*channel); feeds >= kOwnFeedsToldFrom) {
      warn(in + "this node has begun " + std::to_string(feeds) + " feeds there; after " +
           std::to_string(kFeedsPerNodeMax) +
           " members take nothing more of it, alerts included. If a copy of this home runs elsewhere, stop one of the "
           "two; else let the organisation certify a new node (tocsin init --join)");
    }
    if (channel->rival_term != 0) {
      warn(in + "two logs claim to be its term " + std::to_string(channel->rival_term) +
           ": who leads it, the stewards say with the next term (tocsin channel chair)");
    }
    if (const std::size_t waiting = impl_->waiting_for_own_answer(*channel); waiting > 0) {
      warn(in + std::to_string(waiting) + (waiting == 1 ? " proposal waits" : " proposals wait") +
           " for this organisation's answer: tocsin proposal list");
    }
    for (const NodeId& node : state.certificate_wraps) {
      if (node == impl_->own_node) continue;
      const auto org = impl_->org_of_node(node);
      const std::string who = org ? impl_->orgs.at(*org).accepted.profile().name : std::string("a member");
      warn(in + "no fresh prekey of " + who + ": its certificate's key was used");
    }
    for (const LogKey& key : channel->logs) {
      const LogState* log = impl_->find_log(key);
      if (log != nullptr && log->accepted.frozen == kUnreadable) {
        warn(in + "its chair signed an entry that says nothing valid; nothing new of its control log is taken");
      }
    }
  }
  for (const ForkInfo& fork : forks()) {
    if (!fork.resolved && !(fork.pin && fork.parted && fork.pin->last < fork.number)) warn(impl_->fork_warning(fork));
  }
  if (impl_->checkpoint_conflicts > 0) {
    warn("checkpoints of others name entries that differ from those held here");
  }
  return out;
}

}  // namespace tocsin::protocol
