// What a locked node leaves for later (rule 48). It takes control entries and feeds as a relay takes them, by chain,
// signature, hash and size; what they say it cannot tell. Once it is unlocked, this is made good: the control logs are
// read on from where the channels' records stand, and what arrived meanwhile is looked into.
//
// Whoever wrote it may have known that nobody would look: nothing of it keeps the node from starting, and what an
// unlocked node would have refused ends here as it would have there, or is told to nobody.
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kCatchUpBytes = 1024 * 1024;
constexpr std::size_t kPlacesKept = 64;  // epochs of one feed that began while the node was locked

Epoch epoch_of(const EntryView& entry) { return {load_le64(&entry.header[16])}; }

Bytes encode_number(std::uint64_t number) {
  Bytes out(8);
  store_le64(out.data(), number);
  return out;
}

}  // namespace

Result<void> ReplicaCore::replay_control(Channel& channel) {
  ChannelState& state = channel.accepted;
  // A contributor has no control log.
  LogState* log = state.contribution != nullptr ? nullptr : find_log(state.control_log());
  while (log != nullptr && log->accepted.frozen != kUnreadable && state.head < log->accepted.head) {
    TOCSIN_ASSIGN(entry, stored_entry(state.control_log(), state.head.next()));
    ChannelState next = state;
    auto applied = apply_control(next, entry.view(), control_context(channel));
    if (applied) {
      state = std::move(next);
    } else if (applied.error().code == kNotApproved) {
      break;  // by what is known here of the stewards' nodes: more of their organisations' logs may come
    } else if (applied.error().origin == Origin::kPeer) {
      log->accepted.frozen = log->durable.frozen = kUnreadable;
    } else {
      return applied;
    }
  }
  for (const auto& [epoch, info] : state.epochs) {
    if (info.key != nullptr) table.add_epoch(state.id(), state.genesis->pseudonym, epoch, *info.key);
  }
  channel.durable = std::make_shared<const ChannelState>(state);
  return kOk;
}

void ReplicaCore::begin_locked() {
  for (const auto& [id, channel] : channels) nameless_before += channel->nameless;
  const auto noted = store.get_record(Table::kLocal, as_bytes(kLockedRecordName));
  locked_noted = noted.ok();
  locked_from = store.newest_arrival();
  if (!locked_noted) commit_for(Change{}, nullptr);
}

void ReplicaCore::note_locked(Batch& batch) const {
  if (secrets.locked() && !locked_noted) {
    batch.put_record(Table::kLocal, as_bytes(kLockedRecordName), encode_number(locked_from.value));
  }
}

std::size_t ReplicaCore::nameless_room(const Channel& channel) const {
  if (!secrets.locked()) return kNamelessFeedsMax - std::min(kNamelessFeedsMax, channel.nameless);
  std::size_t nameless = 0;
  for (const auto& [id, each] : channels) nameless += each->nameless;
  return kNamelessLockedMax - std::min(kNamelessLockedMax, nameless - std::min(nameless, nameless_before));
}

// ---- Unlocked again

Result<void> ReplicaCore::catch_up() {
  catch_up_due = false;
  const auto noted = store.get_record(Table::kLocal, as_bytes(kLockedRecordName));
  if (!noted) return noted.error().code == kNotHeld ? Result<void>(kOk) : noted.error();
  if (noted->size() != 8) return environment_error(kDamagedRecord, "the record of when this node was locked");
  Change change;
  for (const auto& [id, channel] : channels) {
    change.channels.push_back(id);  // their records are as they were when the node was locked
    ChannelState& state = channel->accepted;
    const LogState* control = find_log(state.control_log());
    if (control != nullptr && control->accepted.frozen == kUnreadable) change.logs.push_back(state.control_log());
  }
  std::map<LogKey, Epoch> begun;
  Arrival cursor{load_le64(noted->data())};
  const Arrival end = store.newest_arrival();
  for (bool more = true; more;) {
    std::vector<std::pair<Number, Entry>> chunk;  // looking into an entry reads others
    const Arrival before = cursor;
    TOCSIN_TRY(store.read_arrivals(cursor, kCatchUpBytes, [&](const StoredEntry& stored) {
      cursor = stored.arrival;
      chunk.emplace_back(stored.number, Entry(stored.entry.header, stored.entry.signature, stored.entry.body));
      return true;
    }));
    std::map<std::pair<ChannelId, NodeId>, std::pair<OrgId, Receipt>> receipts;
    for (const auto& [number, entry] : chunk) catch_up_entry(change, number, entry.view(), begun, receipts);
    for (const auto& [of, receipt] : receipts) {
      merge_receipt(change, *channels.at(of.first), receipt.first, receipt.second);
    }
    more = cursor != before && cursor < end;
    if (more) {
      change.batch.put_record(Table::kLocal, as_bytes(kLockedRecordName), encode_number(cursor.value));
    } else {
      change.batch.remove_record(Table::kLocal, as_bytes(kLockedRecordName));
    }
    commit(std::exchange(change, Change{}), [this](const Result<Arrival>& stored) {
      if (!stored) catch_up_due = true;  // all of it again, from the record that is there
    });
  }
  return kOk;
}

// The first entry that a copy holds of its epoch: where the certificate stands (rule 28).
bool ReplicaCore::begins_epoch(const LogState& log, Number number, const EntryView& entry) const {
  if (number <= log.accepted.low) return true;
  const auto before = stored_entry(log.accepted.log, {number.value - 1});
  return before && epoch_of(before->view()) != epoch_of(entry);
}

void ReplicaCore::catch_up_entry(Change& change, Number number, const EntryView& entry, std::map<LogKey, Epoch>& begun,
                                 CaughtReceipts& receipts) {
  const LogKey key = *LogKey::from(peek_log(entry.header));
  LogState* log = find_log(key);
  Channel* channel = log == nullptr || !log->channel ? nullptr : find_channel(*log->channel);
  if (channel == nullptr || log->accepted.type != LogType::kFeed || log->accepted.frozen == kNobodys) return;
  const auto [at, is_new] = begun.try_emplace(key, epoch_of(entry));
  const bool other = std::exchange(at->second, epoch_of(entry)) != epoch_of(entry);
  if (other || (is_new && begins_epoch(*log, number, entry))) check_begin(change, *channel, *log, number, entry);
  const bool checkpoint_place = number.value % kCheckpointEvery == 0;
  if (!log->owner) return;
  const ChannelState& state = channel->accepted;
  const bool decides = decides_together(state) && state.newest->is_steward(log->owner->org);
  if (!state.is_chair() && !decides && !checkpoint_place) return;
  std::optional<Receipt> newest;
  inspect_entry(change, *channel, *log, entry, newest, checkpoint_place);
  if (!newest) return;
  const auto [kept, first] = receipts.try_emplace({channel->accepted.id(), newest->node}, log->owner->org, *newest);
  if (!first && kept->second.second.counter < newest->counter) kept->second.second = std::move(*newest);
}

// What authorise would have said when the entry came. Who gave a locked node the entries chose where they begin, and
// what is known here of nodes and their keys may be old: so nothing of this ends a feed whose writer may be honest.
void ReplicaCore::check_begin(Change& change, Channel& channel, LogState& log, Number number, const EntryView& entry) {
  if (log.owner) return;
  const LogKey& key = log.accepted.log;
  const auto named = authorise(channel, log, entry);
  if (named) {
    if (*named) name_feed(change, channel, log, **named);
  } else if (named.error().code == kNodeNotCertified) {  // by what is known here; an organisation log may be missing
    auto& places = unnamed[key];
    if (places.size() < kPlacesKept) places.insert(number);
    put_unnamed(change.batch, key);
  } else if (named.error().code == kBadFeedCertificate) {  // its own key signed what names another feed or channel
    log.accepted.frozen = kNobodys;
    change.logs.push_back(key);
  }
}

void ReplicaCore::name_feed(Change& change, Channel& channel, LogState& log, const FeedOwner& owner) {
  if (!take_room(channel, log, owner, {})) return;
  log.owner = owner;
  log.feed_record_changed = true;
  table.set_feed(log.accepted.log, owner, true);
  drop_others_orders(change, channel, log.accepted.log);
  change.logs.push_back(log.accepted.log);
  if (unnamed.erase(log.accepted.log) > 0) {
    change.batch.remove_record(Table::kLocal, unnamed_record_name(log.accepted.log));
  }
}

void ReplicaCore::put_unnamed(Batch& batch, const LogKey& feed) const {
  Bytes value;
  for (const Number number : unnamed.at(feed)) append(value, encode_number(number.value));
  batch.put_record(Table::kLocal, unnamed_record_name(feed), value);
}

void ReplicaCore::load_unnamed(const LogKey& feed, ByteView value) {
  for (std::size_t at = 0; at + 8 <= value.size() && at < 8 * kPlacesKept; at += 8) {
    unnamed[feed].insert({load_le64(&value[at])});
  }
}

void ReplicaCore::name_waiting_feeds() {
  if (unnamed.empty() || !std::exchange(unnamed_due, false)) return;
  Change change;
  std::vector<LogKey> waiting;
  for (const auto& [key, places] : unnamed) waiting.push_back(key);
  for (const LogKey& key : waiting) {
    LogState* log = find_log(key);
    Channel* channel = log == nullptr || !log->channel ? nullptr : find_channel(*log->channel);
    if (channel == nullptr || log->owner || log->accepted.frozen != 0) {
      unnamed.erase(key);
      change.batch.remove_record(Table::kLocal, unnamed_record_name(key));
      continue;
    }
    const std::set<Number> places = unnamed.at(key);
    for (const Number number : places) {
      const auto entry = stored_entry(key, number);
      if (!entry) unnamed_due = true;  // not durable yet
      if (entry && !log->owner && log->accepted.frozen == 0) {
        check_begin(change, *channel, *log, number, entry->view());
      }
    }
    if (!log->owner) continue;
    change.channels.push_back(channel->accepted.id());  // the index is told to look again
    if (channel->accepted.is_chair() || decides_together(channel->accepted))
      inspect_all(change, *channel, *log, *places.begin());
  }
  if (!change.logs.empty() || !change.batch.empty()) commit_for(std::move(change), nullptr);
}

// For the chair: what a feed said before anybody could tell whose it is.
void ReplicaCore::inspect_all(Change& change, Channel& channel, const LogState& log, Number from) {
  std::optional<Receipt> newest;
  for (Number number = from; number <= log.accepted.head; number = number.next()) {
    const auto entry = stored_entry(log.accepted.log, number);
    if (!entry) return;
    inspect_entry(change, channel, log, entry->view(), newest, number.value % kCheckpointEvery == 0);
  }
  if (newest) merge_receipt(change, channel, log.owner->org, *newest);
}

}  // namespace tocsin::protocol
