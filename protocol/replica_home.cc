// A home that was copied, moved or set back (rule 21): what this node does not know of itself.
//
// Whoever runs the original signs with the same keys. So a feed from before this life of the home is never written to
// again, receipts count on from a number that nobody else comes to, and the control logs, which have no second writer
// to fall back to, wait until a peer has shown that nobody went further.
#include <algorithm>

#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kClaimsKept = 1024;
constexpr std::int64_t kClaimBelievedMs = 60'000;                   // without an entry that shows it
constexpr std::int64_t kPeerAwaitedMs = 10 * 60'000;                // by a chair that has just started
constexpr std::size_t kFeedsEndedByWordMax = kFeedsPerNodeMax / 2;  // of one channel; more end by signed entries alone

}  // namespace

Result<void> ReplicaCore::check_home() const {
  if (!home_in_doubt()) return kOk;
  return caller_error(kHomeUnconfirmed,
                      "this home was copied or moved, and no peer has confirmed yet that nothing newer was signed "
                      "elsewhere under its name: let it meet a peer (tocsin sync now); a node that shares no channel "
                      "with anybody: tocsin doctor --confirm-home");
}

bool ReplicaCore::is_own_log(const LogKey& key) const {
  const LogState* log = find_log(key);
  if (log == nullptr || !log->channel) return false;
  if (log->accepted.type == LogType::kFeed) return log->owner && log->owner->node == own_node;
  const ChannelState& state = find_channel(*log->channel)->accepted;
  return state.is_chair() && state.control_log() == key;
}

std::size_t ReplicaCore::own_feeds(const Channel& channel) const {
  return static_cast<std::size_t>(std::ranges::count_if(channel.logs, [this](const LogKey& key) {
    const LogState* log = find_log(key);
    return log != nullptr && log->accepted.type == LogType::kFeed && is_own_log(key);
  }));
}

// A counter that a copy of this home comes to as well would stand under two statements (rule 13).
void ReplicaCore::jump_counters(Change& change, Channel& channel) {
  OwnReceiptState& own = channel.own_receipt;
  std::array<std::uint8_t, 8> bytes;
  random.fill(bytes);
  constexpr std::uint64_t kJumpMin = 1ull << 32, kJumpRange = 1ull << 40;
  own.next = own.reserving = std::max(own.next, own.reserving) + kJumpMin + load_le64(bytes.data()) % kJumpRange;
  own.newest.reset();
  own.told.clear();  // what earlier receipts told, others may have heard from somebody else
  Bytes value(8);
  store_le64(value.data(), own.next);
  change.batch.put_record(Table::kLocal, counter_record_name(channel.accepted.id()), value);
}

// An image that was put back in place looks like any other start: each begins where no other does. What is skipped is
// small beside jump_counters, so that a home that was set back comes past the counters that its peers have met.
void ReplicaCore::skip_counters() {
  for (const auto& [id, channel] : channels) {
    std::array<std::uint8_t, 8> bytes;
    random.fill(bytes);
    constexpr std::uint64_t kSkipMin = 1ull << 16, kSkipRange = 1ull << 28;
    channel->own_receipt.next += kSkipMin + load_le64(bytes.data()) % kSkipRange;
  }
}

void ReplicaCore::own_feed_came(Change& change, Channel& channel, const LogState& log) {
  ChannelState& state = channel.accepted;
  ++own_taken;
  std::vector<LogKey> over{log.accepted.log};
  // One of a later generation ends the one that is live here, too, since a copy may write to that as well. Not where
  // its key was made in this process: two copies that run would else end each other's feeds for ever (rule 15).
  if (state.feed_key != nullptr && state.feed_key != channel.feed_made_here &&
      log.owner->generation > state.feed_generation) {
    over.emplace_back(state.feed_key->verify_key().bytes());
  }
  bool is_new = false;
  for (const LogKey& key : over) {
    if (!ended.insert(key).second) continue;
    change.batch.put_record(Table::kLocal, ended_record_name(key), {});
    is_new = true;
  }
  if (is_new) jump_counters(change, channel);
}

bool ReplicaCore::is_over(const Channel& channel, const LogState& log) const {
  const LogKey& key = log.accepted.log;
  if (ended.contains(key)) return true;
  const auto claimed = std::ranges::any_of(
      claims, [&](const auto& claim) { return claim.first.first == key && claim.second.head > log.accepted.head; });
  if (!claimed) return false;
  const auto own = std::ranges::count_if(channel.logs, [&](const LogKey& each) { return is_own_log(each); });
  return static_cast<std::size_t>(own) < kFeedsEndedByWordMax;
}

Result<void> ReplicaCore::check_not_behind(const Channel& channel) const {
  const LogState* log = find_log(channel.accepted.control_log());
  const Number head = log == nullptr ? Number{} : log->accepted.head;
  for (const auto& [of, claim] : claims) {
    if (of.first != channel.accepted.control_log() || claim.head <= head) continue;
    if (clock.steady_ms() - claim.since_ms < kClaimBelievedMs) {
      return caller_error(kBehindOwnLog,
                          "a peer holds more of this channel's control log than this node, its chair: this home was "
                          "set back; what it lacks is being fetched, try again in a minute");
    }
  }
  return kOk;
}

bool ReplicaCore::may_be_set_back(const Channel& channel) const {
  const ChannelState& state = channel.accepted;
  if (!loaded_ms || clock.steady_ms() - *loaded_ms >= kPeerAwaitedMs || compared.contains(state.id())) return false;
  if (!state.joined() || state.newest == nullptr) return false;
  return std::ranges::any_of(state.newest->roster, [this](const RosterMember& member) {
    const OrgState* org = find_org(member.org);
    return org == nullptr || std::ranges::any_of(org->accepted.nodes(), [this](const auto& node) {
             return node.first != own_node && !node.second.revoked;
           });
  });
}

// ---- The life of a home

void Replica::doubt_home(ByteView machine, Done<void> done) {
  ReplicaCore& core = *impl_;
  Change change;
  core.doubted_home = to_bytes(machine);
  change.batch.put_record(Table::kLocal, as_bytes(kHomeRecordName), machine);
  for (const auto& [key, log] : core.logs) {
    if (log.accepted.type != LogType::kFeed || !core.is_own_log(key) || !core.ended.insert(key).second) continue;
    change.batch.put_record(Table::kLocal, ended_record_name(key), {});
  }
  for (const auto& [id, channel] : core.channels) core.jump_counters(change, *channel);
  core.commit_for(std::move(change), std::move(done));
}

std::optional<Bytes> Replica::doubted_home() const { return impl_->doubted_home; }
bool Replica::home_in_doubt() const { return impl_->home_in_doubt(); }
bool Replica::is_own_log(const LogKey& log) const { return impl_->is_own_log(log); }
std::uint64_t Replica::own_entries_taken() const { return impl_->own_taken; }

void ReplicaCore::end_doubt(std::optional<NodeId> by, Done<void> done) {
  doubted_home.reset();
  Change change;
  change.batch.remove_record(Table::kLocal, as_bytes(kHomeRecordName));
  commit(std::move(change), [this, by, done = std::move(done)](const Result<Arrival>& stored) {
    const std::weak_ptr<int> lives = alive;
    if (done) done(stored ? Result<void>(kOk) : Result<void>(stored.error()));
    if (stored && !lives.expired() && listener != nullptr) listener->on_home_confirmed(by);
  });
}

Result<void> Replica::confirm_home(Done<void> done) {
  ReplicaCore& core = *impl_;
  if (!core.home_in_doubt()) return caller_error(kHomeConfirmed, "there is no doubt about this home");
  for (const auto& [id, channel] : core.channels) {
    const ChannelState& state = channel->accepted;
    if (!state.joined() || state.newest == nullptr) continue;
    const auto ask = [&](const std::string& name) {
      return caller_error(kAskAPeer, "this node shares the channel " + state.genesis->name + " with " + name +
                                         ", whose node knows what was signed under its name: let them meet; no "
                                         "person can tell as much");
    };
    // Of who is not known here nobody knows which nodes it has; who is invited may be in by a newer entry.
    for (const RosterMember& member : state.newest->roster) {
      if (core.is_blocked(member.org)) continue;
      const OrgState* org = core.find_org(member.org);
      if (org == nullptr) return ask(member.name);
      for (const auto& [node, certified] : org->accepted.nodes()) {
        if (node != core.own_node && !certified.revoked) return ask(org->accepted.profile().name);
      }
    }
    for (const auto& [org, invite] : state.invited) {
      if (core.is_blocked(org)) continue;
      return caller_error(kAskAPeer, invite.member.name + " is invited to the channel " + state.genesis->name +
                                         ", and may be in it by an entry that this copy lacks: let them meet; if it "
                                         "never joined, block it first: tocsin peer block");
    }
  }
  core.end_doubt(std::nullopt, std::move(done));
  return kOk;
}

bool Replica::awaits_comparison(const ChannelId& id) const {
  const Channel* channel = impl_->find_channel(id);
  return channel != nullptr && channel->accepted.is_chair() && impl_->may_be_set_back(*channel);
}

void Replica::note_compared(const ChannelId& id) { impl_->compared.insert(id); }

void Replica::home_confirmed_by(const NodeId& peer) {
  if (impl_->home_in_doubt()) impl_->end_doubt(peer, nullptr);
}

void Replica::note_higher(const LogKey& log, Number head, const NodeId& peer) {
  ReplicaCore& core = *impl_;
  if (!core.is_own_log(log)) return;
  const auto at = core.claims.find({log, peer});
  if (at != core.claims.end()) {
    // Who said so before and never showed an entry gains no more time by saying it again.
    const LogState* held = core.find_log(log);
    if (held != nullptr && held->accepted.head >= at->second.head) at->second.since_ms = core.clock.steady_ms();
    at->second.head = std::max(at->second.head, head);
  } else if (core.claims.size() < kClaimsKept) {
    core.claims.emplace(std::pair(log, peer), ReplicaCore::Claim{head, core.clock.steady_ms()});
  }
}

}  // namespace tocsin::protocol
