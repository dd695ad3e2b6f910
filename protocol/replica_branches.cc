// Where a log ends for this node, and which branch of a fork counts (rules 12, 20).
//
// Below the number where two histories part nothing is in dispute: it is taken and served as ever. What lies there and
// above stays as it came, and no more of it is taken or served, until a pin names the last good entry of one branch.
// Then whoever holds that branch serves it up to there, and who holds another takes that out, from the newest down, a
// piece with each write, and fetches the chosen one. So all end equal, whatever came first: proof, pin or entries.
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kPieceBytes = 2 * 1024 * 1024;
constexpr std::size_t kPieceEntries = 1024;

Number below(Number number) { return {number.value - 1}; }

}  // namespace

const FeedPin* ReplicaCore::pin_for(const ChannelState& state, const LogState& log) const {
  if (log.accepted.type != LogType::kFeed) return nullptr;
  const auto pin = state.pins.find(log.accepted.log);
  return pin == state.pins.end() || !ends(pin->second, log.owner) ? nullptr : &pin->second;
}

std::optional<Number> ReplicaCore::ceiling(const Channel* channel, const LogState& log) const {
  const LogRecord& record = log.accepted;
  if (record.frozen != 0 && record.frozen != kForked) return record.head;
  // Of an organisation log a rotation may decide: extend_org looks at what comes.
  if (record.type == LogType::kOrganisation) return std::nullopt;
  if (log.fork && log.fork->cutting) return Number{0};
  if (channel != nullptr && record.type == LogType::kFeed) {
    // A pin comes before a proof: it says which branch is meant.
    if (auto limit = limit_of(channel->accepted, record.log, log.owner)) return limit;
  }
  if (!log.fork) return std::nullopt;
  return log.fork->parted() ? below(log.fork->number) : record.head;
}

bool ReplicaCore::grows_down(const Channel& channel, const LogState& log) const {
  const LogRecord& record = log.accepted;
  if (record.frozen == 0) return true;
  if (record.frozen != kForked || !log.fork || !log.fork->parted()) return false;
  const auto most = ceiling(&channel, log);
  return !most || below(record.low) <= *most;
}

Error ReplicaCore::above_ceiling(const Channel* channel, const LogState& log) const {
  const bool pinned = log.accepted.frozen == 0 || (channel != nullptr && pin_for(channel->accepted, log) != nullptr);
  if (pinned) return peer_error(kPastPin, "the writer was dropped, or the feed is pinned below this entry");
  return peer_error(kFrozen, "a fork of this log is known: nothing is taken from where its histories part");
}

Number ReplicaCore::served_head(const LogState& log) const {
  const Number head = log.durable.head;
  const Channel* channel = log.channel ? find_channel(*log.channel) : nullptr;
  if (channel != nullptr && channel->durable != nullptr) {
    if (const Term* term = channel->durable->term_over(log.durable.log)) return std::min(head, term->last);
  }
  const auto& fork = log.durable_fork;
  const Number disputed = fork && fork->parted() ? below(fork->number) : head;
  if (channel == nullptr || channel->durable == nullptr || log.durable.type != LogType::kFeed) {
    return std::min(head, disputed);
  }
  const auto limit = limit_of(*channel->durable, log.durable.log, log.owner);
  if (!limit || is_uncounted(*channel, log)) return std::min(head, disputed);
  if (!fork || !fork->parted() || *limit < fork->number) return std::min(head, *limit);
  // Others take what lies above as the chosen branch: so it has to be that.
  const FeedPin* pin = pin_for(*channel->durable, log);
  const auto hash = pin != nullptr && head >= *limit && !fork->cutting ? hash_at(log, *limit) : std::nullopt;
  return hash && *hash == pin->hash ? *limit : std::min(head, disputed);
}

bool ReplicaCore::is_uncounted(const Channel& channel, const LogState& log) const {
  if (log.durable.type != LogType::kFeed || !log.owner || pin_for(*channel.durable, log) != nullptr) return false;
  const auto limit = limit_of(*channel.durable, log.durable.log, log.owner);
  return limit && limit->value == 0;
}

bool ReplicaCore::disputed_leaf(const LogState& log, Leaf& leaf) const {
  const auto& fork = log.durable_fork;
  if (fork && fork->ended) {
    // Whichever two rotations were met, and whatever is held: all who know that it ended are equal.
    leaf.head = {1};
    leaf.hash = end_leaf_hash(log.durable.log);
    return true;
  }
  if (!fork || !fork->parted() || log.durable.head.next() < fork->number) return true;
  if (fork->number.value <= 1) return false;
  leaf.head = below(fork->number);
  const auto hash = hash_at(log, leaf.head);
  // All who know of the fork, and hold what comes before, are equal: whatever else they hold. Who holds something else
  // before it has to be seen to differ.
  const bool feed = log.durable.type == LogType::kFeed;
  const EntryHash follows = feed && hash ? *hash : fork->previous;
  leaf.hash = !hash || *hash == follows ? fork_leaf_hash(log.durable.log, fork->number, follows) : *hash;
  return true;
}

bool Replica::is_fork_leaf(const Leaf& leaf) const {
  if (leaf.hash == end_leaf_hash(leaf.log)) return true;
  const auto hash = entry_hash(leaf.log, leaf.head);
  return hash && leaf.hash == fork_leaf_hash(leaf.log, leaf.head.next(), *hash);
}

// ---- Taking out the branch that was not chosen

void ReplicaCore::mend_branches() {
  if (clock.steady_ms() < chores_not_before_ms) return;
  const std::set<LogKey> keys = forked;  // a piece that is committed alters nothing of it, and this is short
  for (const LogKey& key : keys) {
    LogState& log = logs.at(key);
    Channel* channel = log.channel ? find_channel(*log.channel) : nullptr;
    const FeedPin* pin = channel == nullptr ? nullptr : pin_for(channel->accepted, log);
    if (pin == nullptr || !log.fork->parted() || pin->last < log.fork->number) continue;
    if (log.accepted != log.durable || log.accepted.head.value == 0) continue;  // what is under way comes first
    if (!log.fork->cutting) {
      // Below the pin's number there is no telling yet which branch this is.
      if (log.accepted.head < pin->last || log.accepted.head < log.fork->number || log.chosen == pin->hash) continue;
      const auto hash = hash_at(log, pin->last);
      if (!hash || *hash == pin->hash) {
        log.chosen = pin->hash;
        continue;
      }
      log.fork->cutting = true;
    }
    cut_piece(log, *channel);
  }
}

void ReplicaCore::cut_piece(LogState& log, Channel& channel) {
  LogRecord& record = log.accepted;
  const LogKey key = record.log;
  const Number keep = below(log.fork->number);
  Change change;
  Number head = std::min(record.head, keep);  // where its name alone is held
  std::uint64_t bodies = 0;
  if (record.head > keep && record.low <= record.head) {
    const Number lowest = std::max(record.low, keep.next());
    const std::uint64_t held = record.head.value + 1 - record.low.value;
    const std::uint64_t each = record.bytes / held + kEntryHeaderBytes + kSignatureBytes;
    std::uint64_t count = std::clamp<std::uint64_t>(kPieceBytes / each, 1, kPieceEntries);
    auto piece = std::make_shared<EntryChunk>();
    Number from;
    for (bool whole = false; !whole; count = (count + 1) / 2) {
      from = std::max(lowest, Number{record.head.value + 1 - std::min(record.head.value, count)});
      piece->clear();
      bodies = 0;
      Number last;
      const auto read = store.read(key, from, record.head, 2 * kPieceBytes, [&](const StoredEntry& stored) {
        piece->add(stored);
        bodies += stored.entry.body.size();
        last = stored.number;
        return true;
      });
      if (!read) return;  // with the next tick
      whole = last == record.head || count == 1;
    }
    head = below(from);
    change.cut = std::move(piece);
    Bytes newest_arrival(8);
    store_le64(newest_arrival.data(), store.newest_arrival().value);
    change.batch.put_record(Table::kLocal, as_bytes(kCutRecordName), newest_arrival);
    change.batch.cut_log(key, head);
  }
  const auto newest = head >= record.low ? stored_entry(key, head) : Result<Entry>(caller_error(kNotHeld));
  if (!newest && head >= record.low) return;

  if (change.cut != nullptr) {
    record.bytes -= std::min(record.bytes, bodies);
    if (!log.owner || log.owner->node != own_node) {
      FeedUse& use = channel.used[log.owner ? log.owner->org : OrgId{}];
      use.entries -= std::min(use.entries, record.head.value - head.value);
      use.bytes -= std::min(use.bytes, bodies);
    }
  }
  record.head = head;
  if (newest) {
    record.head_hash = hash_entry(newest->view().header, newest->view().signature);
    record.head_epoch = {load_le64(&newest->view().header[16])};
  } else {
    const bool known =
        record.head == keep && record.low == log.fork->number && keep.value > 0 && !log.fork->apart_below;
    if (!log.owner) channel.nameless -= std::min<std::size_t>(channel.nameless, known ? 0 : 1);
    record.head = known ? keep : Number{};
    record.head_hash = known ? log.fork->previous : EntryHash{};
    record.before_low = record.head_hash;
    record.low = record.head.next();
    record.head_epoch = {};
  }
  if (log.first_absent > record.head) {
    log.first_absent = {};
    log.feed_record_changed = true;
  }
  channel.erased_below.erase(key);
  log.fork->cutting = record.head > keep;
  if (!log.fork->cutting) clamp_receipts(change, channel, log);
  change.logs.push_back(key);
  put_fork(change, log);
  commit_for(std::move(change), nullptr);
}

std::optional<Arrival> Replica::newest_cut() const {
  const auto record = impl_->store.get_record(Table::kLocal, as_bytes(kCutRecordName));
  if (!record || record->size() != 8) return std::nullopt;
  return Arrival{load_le64(record->data())};
}

// ---- What others say that they hold

Number ReplicaCore::counted(const Channel& channel, const LogKey& key, Number number, Number head,
                            const EntryHash& hash) const {
  const LogState* log = find_log(key);
  if (log == nullptr || !log->fork || !log->fork->parted() || number < log->fork->number) return number;
  const FeedPin* pin = pin_for(channel.accepted, *log);
  if (pin != nullptr && head == pin->last && hash == pin->hash) return number;
  return below(log->fork->number);
}

void ReplicaCore::clamp_receipts(Change& change, Channel& channel, const LogState& log) const {
  for (auto& [node, info] : channel.receipts) {
    const auto head = info.heads.find(log.accepted.log);
    if (head == info.heads.end() || head->second < log.fork->number) continue;
    head->second = below(log.fork->number);
    Bytes name = to_bytes(channel.accepted.id().view());
    append(name, node.view());
    change.batch.put_record(Table::kReceipts, name, encode_receipt_info(info));
  }
}

// ---- The chair chooses

Result<Replica::Chosen> Replica::may_pin(const ChannelId& id, const LogKey& feed, Number last,
                                         const EntryHash& hash) const {
  TOCSIN_ASSIGN(channel, impl_->chaired(id));
  const LogState* log = impl_->find_log(feed);
  if (log == nullptr || log->channel != id || log->accepted.type != LogType::kFeed || log->accepted.head.value == 0) {
    return caller_error("unknown_feed", "no such feed is held here in that channel; see: tocsin fork list");
  }
  if (!log->fork) return caller_error("not_forked", "no fork of that feed is known: there is nothing to choose");
  const Fork& fork = *log->fork;
  const LogRecord& record = log->durable;
  const auto find = [&]() -> std::optional<Number> {
    if (hash == fork.entries[0] || (hash == fork.entries[1] && !hash.is_zero())) return fork.seen;
    if (fork.parted() && !fork.apart_below && hash == fork.previous && fork.seen.value > 1) return below(fork.seen);
    std::optional<Number> found;
    for (Number next = std::max(record.low, fork.parted() ? fork.number : Number{}); !found && next <= record.head;) {
      const Number before = next;
      const auto read = impl_->store.read(feed, next, record.head, kPieceBytes, [&](const StoredEntry& stored) {
        if (hash_entry(stored.entry.header, stored.entry.signature) == hash) found = stored.number;
        next = stored.number.next();
        return !found;
      });
      if (!read || next == before) break;
    }
    return found;
  };
  if (last.value == 0) {
    const auto found = find();
    if (!found) {
      return caller_error("unknown_entry",
                          "that entry is not held here; where another node holds it, give its number too: --at NUMBER");
    }
    last = *found;
  } else {
    // One of the other branch is nothing that this node could look up.
    const auto held = impl_->hash_at(*log, last);
    const bool other = fork.parted() && last >= fork.number;
    const bool named = last != fork.seen || hash == fork.entries[0] || hash == fork.entries[1];
    if (const auto elsewhere = held && *held == hash ? std::nullopt : find(); elsewhere && *elsewhere != last) {
      return caller_error("unknown_entry", "the entry of that hash has the number " + std::to_string(elsewhere->value) +
                                               ", and not " + std::to_string(last.value) + ": nothing is chosen");
    }
    if (hash.is_zero() || !named || (!(held && *held == hash) && !other)) {
      return caller_error("unknown_entry", "that feed has no such entry under that number; see: tocsin fork show LOG");
    }
  }
  if (const FeedPin* pin = impl_->pin_for(channel->accepted, *log); pin != nullptr && pin->last <= last) {
    return caller_error("already_pinned", "the feed is pinned at entry " + std::to_string(pin->last.value) +
                                              " already, and of two pins the lower wins");
  }
  const auto pins = channel->accepted.pins.size() + (channel->accepted.pins.contains(feed) ? 0 : 1);
  if (pins > kPinsWrittenMax) return caller_error("too_many_pins", "the channel has as many pins as it may");
  Chosen out;
  out.last = last;
  out.node = log->owner ? log->owner->node : NodeId{};
  const auto ours = impl_->hash_at(*log, last);
  const Number kept = ours && *ours == hash && last <= record.head ? last
                      : fork.parted()                              ? below(fork.number)
                                                                   : record.head;
  if (record.head > kept) out.dropped = record.head.value - std::max(kept.value, record.low.value - 1);
  return out;
}

Result<void> Replica::pin_feed(const ChannelId& id, const LogKey& feed, Number last, const EntryHash& hash,
                               Done<void> done) {
  TOCSIN_ASSIGN(chosen, may_pin(id, feed, last, hash));
  Channel& channel = *impl_->find_channel(id);
  TOCSIN_TRY(impl_->check_alone(channel));
  const LogState& log = *impl_->find_log(feed);
  auto next = impl_->same_epoch(channel, EpochReason::kBranch);
  std::erase_if(next.pins, [&](const FeedPin& pin) { return pin.feed == feed; });
  next.pins.push_back({feed, chosen.last, hash, log.owner ? log.owner->node : NodeId{}});
  Change change;
  TOCSIN_TRY(impl_->add_epoch(change, channel, std::move(next)));
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

}  // namespace tocsin::protocol
