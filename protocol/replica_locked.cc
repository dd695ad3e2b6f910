// What a locked node leaves for later (rule 48). It takes control entries and feeds as a relay takes them, by chain,
// signature, hash and size; what they say it cannot tell. Once it is unlocked, this is made good: the control logs are
// read on from where the channels' records stand, and what arrived meanwhile is looked into.
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kCatchUpBytes = 1024 * 1024;
constexpr std::size_t kPlacesKept = 64;  // epochs of one feed that began while the node was locked

}  // namespace

Result<void> ReplicaCore::replay_control(Channel& channel) {
  ChannelState& state = channel.accepted;
  const LogState* log = find_log(state.control_log());
  while (log != nullptr && state.head < log->accepted.head) {
    TOCSIN_ASSIGN(entry, stored_entry(state.control_log(), state.head.next()));
    if (auto applied = apply_control(state, entry.view(), control_context()); !applied) {
      return environment_error(kDamagedRecord, "a stored control log does not verify");
    }
  }
  for (const auto& [epoch, info] : state.epochs) {
    if (info.key != nullptr) table.add_epoch(state.id(), state.genesis->pseudonym, epoch, *info.key);
  }
  channel.durable = std::make_shared<const ChannelState>(state);
  return kOk;
}

void ReplicaCore::note_locked() {
  const auto noted = store.get_record(Table::kLocal, as_bytes(kLockedRecordName));
  if (noted || !(noted.error().code == kNotHeld)) return;
  Change change;
  Bytes value(8);
  store_le64(value.data(), store.newest_arrival().value);
  change.batch.put_record(Table::kLocal, as_bytes(kLockedRecordName), value);
  commit_for(std::move(change), nullptr);
}

Result<void> ReplicaCore::catch_up() {
  const auto noted = store.get_record(Table::kLocal, as_bytes(kLockedRecordName));
  if (!noted) return noted.error().code == kNotHeld ? Result<void>(kOk) : noted.error();
  if (noted->size() != 8) return environment_error(kDamagedRecord, "the record of when this node was locked");
  Change change;
  // Their records are as they were when the node was locked.
  for (const auto& [id, channel] : channels) change.channels.push_back(id);
  std::map<LogKey, Epoch> begun;
  Arrival cursor{load_le64(noted->data())};
  for (const Arrival end = store.newest_arrival(); cursor < end;) {
    struct Taken {
      LogKey log;
      StoredEntry stored;
      Entry entry;
    };
    std::vector<Taken> chunk;  // looking into an entry reads others
    const Arrival before = cursor;
    TOCSIN_TRY(store.read_arrivals(cursor, kCatchUpBytes, [&](const StoredEntry& stored) {
      cursor = stored.arrival;
      chunk.push_back({LogKey::from(peek_log(stored.entry.header)).value_or(LogKey{}), stored,
                       Entry(stored.entry.header, stored.entry.signature, stored.entry.body)});
      return true;
    }));
    if (cursor == before) break;  // what there was has been erased
    for (Taken& taken : chunk) {
      taken.stored.entry = taken.entry.view();
      catch_up_entry(change, taken.log, taken.stored, begun);
    }
  }
  if (unnamed.empty()) change.batch.remove_record(Table::kLocal, as_bytes(kLockedRecordName));
  commit_for(std::move(change), nullptr);
  return kOk;
}

bool ReplicaCore::lacks_a_log(Channel& channel, Epoch epoch) {
  const auto roster = roster_at(channel, epoch);
  return roster != nullptr && std::any_of(roster->roster.begin(), roster->roster.end(),
                                          [&](const RosterMember& member) { return find_org(member.org) == nullptr; });
}

bool ReplicaCore::name_feed(Change& change, Channel& channel, LogState& log, const EntryView& entry) {
  const auto named = authorise(channel, log, entry);
  if (!named || !*named || !take_room(channel, log, *named, {})) return false;
  log.owner = *named;
  log.feed_record_changed = true;
  table.set_feed(log.accepted.log, **named, true);
  change.logs.push_back(log.accepted.log);
  return true;
}

void ReplicaCore::name_waiting_feeds() {
  if (unnamed.empty() || !std::exchange(unnamed_due, false)) return;
  Change change;
  for (auto at = unnamed.begin(); at != unnamed.end();) {
    LogState* log = find_log(at->first);
    Channel* channel = log == nullptr || !log->channel ? nullptr : find_channel(*log->channel);
    bool done = channel == nullptr || log->owner;
    for (auto number = at->second.begin(); !done && number != at->second.end(); ++number) {
      const auto entry = stored_entry(at->first, *number);
      done = entry && name_feed(change, *channel, *log, entry->view());
    }
    at = done ? unnamed.erase(at) : std::next(at);
  }
  if (unnamed.empty()) change.batch.remove_record(Table::kLocal, as_bytes(kLockedRecordName));
  if (!change.logs.empty() || !change.batch.empty()) commit_for(std::move(change), nullptr);
}

void ReplicaCore::catch_up_entry(Change& change, const LogKey& key, const StoredEntry& stored,
                                 std::map<LogKey, Epoch>& begun) {
  LogState* log = find_log(key);
  Channel* channel = log == nullptr || !log->channel ? nullptr : find_channel(*log->channel);
  if (channel == nullptr || log->accepted.type != LogType::kFeed) return;
  ChannelState& state = channel->accepted;
  // A locked node signs nothing: this came from another copy of it (rule 21).
  if (state.feed_key != nullptr && state.feed_key->verify_key().bytes() == key.bytes()) state.feed_key = nullptr;
  const Epoch epoch{load_le64(&stored.entry.header[16])};
  const auto [at, is_new] = begun.try_emplace(key, epoch);
  if (is_new || at->second != epoch) {
    at->second = epoch;
    if (!log->owner) {
      if (name_feed(change, *channel, *log, stored.entry)) {
        unnamed.erase(key);
      } else if (lacks_a_log(*channel, epoch) && unnamed[key].size() < kPlacesKept) {
        unnamed[key].insert(stored.number);
      }
    } else if (const auto roster = roster_at(*channel, epoch)) {
      // Somebody who might write before, and not in that epoch: unlocked, the entry would have been refused.
      const RosterMember* member = roster->member(log->owner->org);
      if ((member == nullptr || !may_write(member->role)) && !state.pins.contains(key)) {
        state.pins.emplace(key, FeedPin{key,
                                        {stored.number.value - 1},
                                        *EntryHash::from(peek_previous(stored.entry.header)),
                                        log->owner->node});
      }
    }
  }
  if (!log->owner) return;
  std::optional<Receipt> newest;
  if (state.is_chair() || stored.number.value % kCheckpointEvery == 0) {
    inspect_entry(change, *channel, *log, stored.entry, newest);
  }
  if (newest) merge_receipt(change, *channel, log->owner->org, *newest);
}

}  // namespace tocsin::protocol
