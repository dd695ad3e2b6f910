// Erasing bodies past a channel's retention (rule 25).
//
// When an entry was written only its author claims, and an index may be absent: what the replica knows for sure is the
// epoch. An epoch ends where the next begins, at the latest 30 days later (rule 27), so everything in it is past
// retention once the beginning of the next one is. When that was the chair claims, and it may lie: bodies are erased
// here no sooner than the retention after the next epoch was seen here. What others have erased is taken without its
// body by the claim alone, or who was away for long would never catch up.
#include <algorithm>

#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::int64_t kDayMs = 24 * 3'600'000;
constexpr std::int64_t kClocksDifferMs = 3'600'000;
constexpr std::size_t kErasedPerTick = 5'000;  // so that no tick takes long
constexpr std::size_t kErasedBytesRead = 1024 * 1024;

}  // namespace

std::optional<Epoch> ReplicaCore::past_retention(Channel& channel) {
  const ChannelState& state = channel.accepted;
  const std::int64_t kept_ms = std::int64_t{state.genesis->retention_days} * kDayMs;
  const bool removed = state.standing == ChannelStanding::kRemoved;
  if (kept_ms == 0 || (!state.joined() && !removed)) return std::nullopt;
  // For who was removed the newest epoch that it can read ends with the news of that.
  if (removed && state.notice_seen.ms > 0 && clock.now().ms - state.notice_seen.ms >= kept_ms &&
      state.newest_epoch() > state.erased_through) {
    return state.newest_epoch();
  }
  std::optional<Epoch> out;
  for (auto next = state.epochs.upper_bound(state.erased_through.next()); next != state.epochs.end(); ++next) {
    const auto roster = roster_at(channel, next->first);
    if (roster == nullptr) continue;
    // One that was seen in the future was seen by a clock that was wrong.
    const std::int64_t now_ms = clock.now().ms;
    const std::int64_t seen_ms = next->second.first_seen.ms <= now_ms ? next->second.first_seen.ms : 0;
    if (now_ms - std::max(roster->created.ms, seen_ms) < kept_ms) break;
    out = Epoch{next->first.value - 1};
  }
  return out;
}

Epoch ReplicaCore::absent_through(Channel& channel) {
  const ChannelState& state = channel.accepted;
  // The head's name of a feed that ended before this node joined (rule 34).
  Epoch out = std::max(state.erased_through, Epoch{std::max<std::uint64_t>(state.first_epoch().value, 1) - 1});
  const std::int64_t kept_ms = std::int64_t{state.genesis->retention_days} * kDayMs;
  if (kept_ms == 0 || !state.joined()) return out;
  for (auto next = state.epochs.upper_bound(out.next()); next != state.epochs.end(); ++next) {
    const auto roster = roster_at(channel, next->first);
    if (roster == nullptr) continue;
    if (clock.now().ms + kClocksDifferMs - roster->created.ms < kept_ms) break;
    out = Epoch{next->first.value - 1};
  }
  return out;
}

void ReplicaCore::free_room(Change& change, Channel& channel, LogState& log, std::uint64_t bytes) {
  log.accepted.bytes -= std::min(log.accepted.bytes, bytes);
  if (change.logs.empty() || change.logs.back() != log.accepted.log) change.logs.push_back(log.accepted.log);
  if (log.owner && log.owner->node == own_node) return;
  FeedUse& use = channel.used[log.owner ? log.owner->org : OrgId{}];
  use.bytes -= std::min(use.bytes, bytes);
}

void ReplicaCore::erase_old_bodies(Channel& channel) {
  const auto through = past_retention(channel);
  if (!through || clock.steady_ms() < chores_not_before_ms) return;
  if (channel.erasing != *through) {
    channel.erasing = *through;
    channel.erased_below.clear();
  }
  Change change;
  std::size_t left = kErasedPerTick;
  for (const LogKey& key : channel.logs) {
    LogState* log = find_log(key);
    if (log == nullptr || log->durable.type != LogType::kFeed || log->durable.low > log->durable.head) continue;
    const auto end = first_number_at(*log, through->next(), log->durable.head.next());
    if (!end) return;
    Number& at = channel.erased_below[key];
    at = std::max(at, log->durable.low);
    std::uint64_t freed = 0;
    while (at < *end && left > 0) {
      const Number before = at;
      const auto read = store.read(key, at, {end->value - 1}, kErasedBytesRead, [&](const StoredEntry& stored) {
        if (left == 0) return false;
        --left;
        at = stored.number.next();
        if (stored.entry.body.empty() || is_held({key, stored.number})) return true;  // evidence stays
        change.batch.erase_body(key, stored.number);
        freed += stored.entry.body.size();
        return true;
      });
      if (!read || at == before) return;  // the disk does not give it: with the next turn
    }
    if (freed > 0) free_room(change, channel, *log, freed);
    if (left == 0) break;
  }
  if (left > 0) {  // the pass came to its end
    channel.accepted.erased_through = *through;
    change.channels.push_back(channel.accepted.id());
    channel.erased_below.clear();
  }
  commit_for(std::move(change), nullptr);
}

}  // namespace tocsin::protocol
