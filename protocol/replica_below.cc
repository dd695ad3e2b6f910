// A copy of a log grows down (rules 8, 33): keys of older epochs came, and what they open is fetched. The lowest entry
// held names what it follows, so that a range is verified from its top; it is taken whole or not at all.
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/entry_sign.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {

struct LowerReceiver::State {
  ReplicaCore* core;
  std::weak_ptr<int> lives;
  ChannelId channel;
  LogKey log;
  LogType type = LogType::kFeed;
  std::array<std::uint8_t, kEntryHeaderBytes> header;
  Number next;
  EntryHash previous;  // hash of the entry before `next`
  EntryHash before;    // of the one before the range
  Epoch epoch;
  Epoch absent_through;
  Epoch erased_through;

  Batch batch;                    // by rising number
  std::vector<EntryHash> hashes;  // of its entries
  struct Claim {
    std::size_t at;  // in batch.entries()
    Bytes order;     // empty: one that is kept here
  };
  std::vector<Claim> claims;  // bodies that are said to have been taken back
  std::size_t order_bytes = 0;

  Result<void> add(ByteView signature, Epoch entry_epoch, ByteView body, const BodyHash& hash, std::uint32_t body_bytes,
                   ByteView order = {});
  Result<void> check() const;
  Result<std::vector<ErasureClaim>> check_claims(std::size_t from) const;
  Result<std::optional<FeedOwner>> owner_of(LogState& held, std::size_t from, bool complete,
                                            const std::vector<ErasureClaim>& orders) const;
  Result<Change> finish(LogState& held);
  Result<void> note_epochs(ChannelState& state, std::size_t from) const;
  Epoch epoch_at(std::size_t at) const { return {load_le64(&batch.entry(batch.entries()[at]).header[16])}; }
};

namespace {

constexpr std::size_t kLowerBytesMax = kChunkBytesMax + kChunkEntriesMax * (kEntryHeaderBytes + kSignatureBytes);

}  // namespace

LowerReceiver::LowerReceiver(std::unique_ptr<State> state) : state_(std::move(state)) {}
LowerReceiver::LowerReceiver(LowerReceiver&&) noexcept = default;
LowerReceiver& LowerReceiver::operator=(LowerReceiver&&) noexcept = default;
LowerReceiver::~LowerReceiver() = default;

// ---- Which logs

void ReplicaCore::mark_short(Change& change, Channel& channel, const LogKey& key, Epoch down_to) {
  LogState& log = logs.at(key);
  if (log.down_to.value == 0 || down_to < log.down_to) log.down_to = down_to;
  log.feed_record_changed = true;
  channel.short_logs.insert(key);
  change.logs.push_back(key);
}

const std::set<LogKey>& Replica::short_logs(const ChannelId& id) const {
  static const std::set<LogKey> kNone;
  const Channel* channel = impl_->find_channel(id);
  return channel == nullptr || impl_->secrets.locked() ? kNone : channel->short_logs;
}

std::optional<LogRecord> Replica::short_record(const ChannelId& id, const LogKey& key) const {
  const LogState* log = impl_->find_copy(id, key);
  return log == nullptr || log->durable.head.value == 0 ? std::nullopt : std::optional(log->durable);
}

bool Replica::is_short(const LogKey& key) const {
  const LogState* log = impl_->find_log(key);
  const auto named = impl_->named_copies.find(key);
  return log != nullptr ? log->down_to.value != 0 : named != impl_->named_copies.end();
}

Result<LowerReceiver> Replica::receive_below(const ChannelId& id, const LogKey& key, Number first,
                                             const std::optional<EntryHash>& previous) {
  Channel* channel = impl_->find_channel(id);
  const LogState* log = impl_->find_copy(id, key);
  if (channel == nullptr || log == nullptr || log->down_to.value == 0) {
    return peer_error(kNotAcceptable, "no older entries of that log are taken here");
  }
  if (!impl_->grows_down(*channel, *log)) return peer_error(kFrozen, "a fork of this log is known");
  if (first.value == 0 || first >= log->accepted.low) {
    return peer_error(kWrongNumber, "the range does not lie below what is held");
  }
  if (first.value > 1 && (!previous || previous->is_zero())) {
    return peer_error(kWrongPrevious, "the range does not say what it follows");
  }
  auto state = std::make_unique<LowerReceiver::State>();
  state->core = impl_.get();
  state->lives = impl_->alive;
  state->channel = id;
  state->log = key;
  state->type = log->accepted.type;
  state->next = first;
  if (first.value > 1) state->previous = state->before = *previous;
  state->absent_through = impl_->absent_through(*channel);
  state->erased_through = channel->accepted.erased_through;
  EntryHeader header;
  header.type = state->type;
  header.log = key;
  header.channel = channel->accepted.genesis->pseudonym;
  header.epoch = {1};
  state->header = header.encode();
  return LowerReceiver(std::move(state));
}

// ---- Adding

Result<void> LowerReceiver::State::add(ByteView signature, Epoch entry_epoch, ByteView body, const BodyHash& hash,
                                       std::uint32_t body_bytes, ByteView order) {
  if (signature.size() != kSignatureBytes) return peer_error(kBadEntry, "the signature has a wrong size");
  if (entry_epoch.value == 0 || entry_epoch < epoch) return peer_error(Code("bad_epoch"), "the epoch fell");
  if (hashes.size() >= kChunkEntriesMax ||
      batch.size_bytes() + order_bytes + body.size() + order.size() > kLowerBytesMax) {
    return peer_error(Code("too_long"), "a range below what is held is one chunk");
  }
  store_le32(&header[4], body_bytes);
  store_le64(&header[8], next.value);
  store_le64(&header[16], entry_epoch.value);
  std::copy(previous.bytes().begin(), previous.bytes().end(), &header[88]);
  std::copy(hash.bytes().begin(), hash.bytes().end(), &header[120]);
  const bool absent = body.empty() && body_bytes != 0;
  const bool claimed = absent && type == LogType::kFeed && (!order.empty() || core->find_erasure(log, next) != nullptr);
  if (absent && !claimed && (type == LogType::kControl || entry_epoch > absent_through)) {
    return peer_error(kNotAcceptable, "the body is missing; it is wanted from somebody who has it");
  }
  if (claimed) claims.push_back({batch.entries().size(), to_bytes(order)});
  order_bytes += order.size();
  // What is past its retention here is not kept again (rule 25).
  const bool kept = type == LogType::kControl || entry_epoch > erased_through;
  const EntryView entry{ByteView(header), signature, kept ? body : ByteView{}};
  batch.add_entry(log, next, entry, type == LogType::kControl ? Checked::kSigned : Checked::kChained);
  previous = hash_entry(entry.header, entry.signature);
  hashes.push_back(previous);
  epoch = entry_epoch;
  next = next.next();
  return kOk;
}

Result<void> LowerReceiver::add(ByteView signature, Epoch epoch, ByteView body) {
  if (body.size() > kBodyBytesMax) return peer_error(Code("body_too_large"), "an entry's body is at most 49152 bytes");
  return state_->add(signature, epoch, body, hash_body(body), static_cast<std::uint32_t>(body.size()));
}

Result<void> LowerReceiver::add_without_body(ByteView signature, Epoch epoch, const BodyHash& hash,
                                             std::uint32_t body_bytes, ByteView order) {
  if (body_bytes == 0 || body_bytes > kBodyBytesMax) return peer_error(kBadEntry, "no such body can be left out");
  return state_->add(signature, epoch, {}, hash, body_bytes, order);
}

Number LowerReceiver::next_number() const { return state_->next; }
std::size_t LowerReceiver::pending_bytes() const { return state_->batch.size_bytes() + state_->order_bytes; }

// ---- Checking it from the top

Result<void> LowerReceiver::State::check() const {
  const LogState* held = core->find_copy(channel, log);
  if (held == nullptr || held->down_to.value == 0) return peer_error(kNotAcceptable, "it is complete here");
  if (!core->grows_down(*core->find_channel(channel), *held)) return peer_error(kFrozen, "a fork of this log is known");
  if (next != held->accepted.low) return peer_error(kWrongNumber, "the range does not end right below what is held");
  if (previous != held->accepted.before_low) {
    return peer_error(kWrongPrevious, "what is held follows another entry than the last of the range");
  }
  if (epoch > held->accepted.head_epoch) return peer_error(Code("bad_epoch"), "the epoch falls above the range");
  if (type == LogType::kFeed) return kOk;
  for (const auto& write : batch.entries()) {
    if (!verify_entry(batch.entry(write), core->verifier)) {
      return peer_error(kBadSignature, "an entry of the control log is not signed by the chair's key");
    }
  }
  return kOk;
}

// Of the entries that are kept; the others only show where the copy ends.
Result<std::vector<ErasureClaim>> LowerReceiver::State::check_claims(std::size_t from) const {
  std::vector<ErasureClaim> out;
  for (const Claim& claim : claims) {
    if (claim.at < from) continue;
    TOCSIN_ASSIGN(good,
                  core->check_claim(channel, log, batch.entries()[claim.at].number, hashes[claim.at], claim.order));
    good.at = claim.at;
    out.push_back(std::move(good));
  }
  return out;
}

// Whose feed it is, by every entry here that begins an epoch, and by the lowest that was held before where that turns
// out to begin one (rule 28). `from`: the first entry that is kept.
Result<std::optional<FeedOwner>> LowerReceiver::State::owner_of(LogState& held, std::size_t from, bool complete,
                                                                const std::vector<ErasureClaim>& orders) const {
  Channel& in = *core->find_channel(channel);
  std::optional<FeedOwner> owner = held.owner;
  const auto look = [&](const EntryView& entry, const ErasureOrder* order) -> Result<void> {
    TOCSIN_ASSIGN(named, core->authorise(in, held, entry, order));
    if (owner && named && *owner != *named) {
      return peer_error(kBadFeedCertificate, "the feed changes its owner inside the range");
    }
    if (named) owner = named;
    return kOk;
  };
  for (std::size_t at = from; at < hashes.size(); ++at) {
    const bool begins = at == 0 ? complete : epoch_at(at) > epoch_at(at - 1);
    if (!begins) continue;
    const auto claim = std::ranges::find(orders, at, &ErasureClaim::at);
    TOCSIN_TRY(look(batch.entry(batch.entries()[at]), claim == orders.end() ? nullptr : &claim->order));
  }
  if (held.accepted.low <= held.accepted.head) {
    TOCSIN_ASSIGN(lowest, core->stored_entry(log, held.accepted.low));
    const Epoch above{load_le64(&lowest.view().header[16])};
    if (above < epoch) return peer_error(Code("bad_epoch"), "the epoch falls above the range");
    if (above > epoch) TOCSIN_TRY(look(lowest.view(), nullptr));
  }
  return owner;
}

// Where the runs of epochs begin that this part of the control log holds.
Result<void> LowerReceiver::State::note_epochs(ChannelState& state, std::size_t from) const {
  for (std::size_t at = from; at < hashes.size(); ++at) {
    const auto& write = batch.entries()[at];
    TOCSIN_ASSIGN(body, decode_control_body(batch.entry(write).body));
    if (body.kind != ControlBody::kEpoch || body.epoch.part != 1) continue;
    const Term* over = state.term_over(log);
    if (term_of(epoch_at(at)) != (over == nullptr ? state.term().number : over->number)) {
      return peer_error(kBadEpoch, "an epoch of another term");
    }
    EpochInfo& info = state.epochs[epoch_at(at)];
    if (info.key != nullptr) continue;
    info.first = write.number;
    info.last = {write.number.value + body.epoch.parts - 1};
    info.first_seen = core->clock.now();
    info.log = log;
  }
  return kOk;
}

Result<Change> LowerReceiver::State::finish(LogState& held) {
  Channel& in = *core->find_channel(channel);
  // Entries of epochs below those that were given are not kept: they only show where the copy ends.
  std::size_t from = 0;
  while (from < hashes.size() && epoch_at(from) < held.down_to) ++from;
  const bool complete = from > 0 || batch.entries().front().number.value == 1;
  Change change;
  LogRecord& record = held.accepted;
  std::uint64_t bytes = 0;
  for (std::size_t at = from; at < hashes.size(); ++at) bytes += batch.entries()[at].body_bytes;
  const std::uint64_t count = hashes.size() - from;
  const FeedUse use = held_use(record);
  if (use.entries + count > core->entries_quota(channel, type) ||
      use.bytes + bytes > core->bytes_quota(channel, type)) {
    return peer_error(kQuotaExceeded, "the log takes up all that it may here");
  }
  std::vector<ErasureClaim> orders;
  if (type == LogType::kFeed) {
    TOCSIN_ASSIGN(checked, check_claims(from));
    orders = std::move(checked);
    TOCSIN_ASSIGN(owner, owner_of(held, from, complete, orders));
    (void)core->leave_aside(orders, batch, absent_through, owner);
    TOCSIN_TRY(core->check_claims_of(in, orders, batch, owner));
    TOCSIN_TRY(core->take_room(in, held, owner, {count, bytes}));
    if (owner && !held.owner) {
      held.owner = owner;
      core->table.set_feed(log, *owner, true);
      change.channels.push_back(channel);  // what is held may be read now
    }
    held.feed_record_changed = true;
    // What a receipt says of this log changes, whatever its head.
    in.own_receipt.told.erase(log);
    in.own_receipt.frontier.reset();
  } else {
    ChannelState next = in.accepted;
    TOCSIN_TRY(note_epochs(next, from));
    in.accepted = std::move(next);
    change.channels.push_back(channel);
  }
  // The store takes what lies below a copy from the top.
  for (std::size_t at = hashes.size(); at > from; --at) {
    const auto& write = batch.entries()[at - 1];
    change.batch.add_entry(log, write.number, batch.entry(write), write.checked);
  }
  if (count > 0) {
    record.low = batch.entries()[from].number;
    record.before_low = from == 0 ? before : hashes[from - 1];
    record.bytes += bytes;
  }
  if (type == LogType::kFeed) core->follow_claims(change, in, log, orders);
  if (complete) {
    held.down_to = {};
    in.short_logs.erase(log);
  }
  change.logs.push_back(log);
  return change;
}

Result<void> LowerReceiver::commit(Done<Number> done) {
  State& state = *state_;
  ReplicaCore& core = *state.core;
  if (state.hashes.empty()) return caller_error(kBadEntry, "there is nothing to commit");
  const auto count_refused = [&](Error error) {
    if (error.origin == Origin::kPeer) core.refused_entries += state.hashes.size();
    return error;
  };
  if (auto fits = state.check(); !fits) return count_refused(fits.error());
  // Entries of it have come, signed by its key: it is what the roster says.
  if (const auto named = core.named_copies.find(state.log); named != core.named_copies.end()) {
    LogState& log = core.add_log(state.log, LogType::kControl, state.channel);
    log.accepted = named->second.accepted;
    log.down_to = named->second.down_to;
    core.named_copies.erase(named);
  }
  LogState& held = *core.find_log(state.log);
  auto change = state.finish(held);
  if (!change) return count_refused(change.error());
  const Number low = held.accepted.low;
  core.commit(std::move(*change), [&core, id = state.channel, type = state.type, low,
                                   done = std::move(done)](const Result<Arrival>& stored) {
    Channel* channel = core.find_channel(id);
    if (stored && type == LogType::kControl && channel != nullptr) core.use_given(*channel);
    if (done) done(stored ? Result<Number>(low) : Result<Number>(stored.error()));
  });
  return kOk;
}

}  // namespace tocsin::protocol
