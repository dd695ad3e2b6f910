// Ranges of entries as they arrive (rules 5, 8, 10, 12). The bulk path: nothing is allocated for each entry, each body
// is hashed once, each entry's hash is computed once, and one signature is verified for each chunk.
#include <algorithm>
#include <cassert>

#include "protocol/entry_peek.h"
#include "protocol/entry_sign.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {

struct RangeReceiver::State {
  ReplicaCore* core;
  std::weak_ptr<int> lives;
  std::uint64_t failures;  // when it was made: a fallen-back replica takes nothing of it
  std::optional<ChannelId> channel;
  LogKey log;
  LogType type;
  std::array<std::uint8_t, kEntryHeaderBytes>
      header;  // of the newest entry; version, type, log and channel never change

  Number next;
  EntryHash previous;              // hash of the entry before `next`
  Epoch epoch;                     // of the entry before `next`; 0: none, or not known
  std::uint64_t entries_left = 0;  // quota
  std::uint64_t bytes_left = 0;
  Epoch absent_through;        // of a feed: up to here bodies may be left out
  Epoch first_epoch;           // of a feed: what was wanted from; an earlier one may have been given since (rule 33)
  std::optional<Number> most;  // when the chunk began: nothing above is taken

  // The chunk at hand.
  Batch batch;
  std::size_t entries = 0;
  Number first;
  EntryHash before_first;
  std::vector<std::size_t> epoch_starts;  // places in batch.entries() where the epoch changes, or the copy begins
  Number first_absent;                    // whose body is not given; 0: none
  struct Claim {
    std::size_t at;  // in batch.entries()
    Bytes order;     // empty: one that is kept here
  };
  std::vector<Claim> claims;  // bodies that are said to have been taken back
  bool begins_copy = false;   // nothing is held below `first` (rule 34)
  Number held_head;           // when the chunk began: up to here entries are compared, not stored
  std::vector<Entry> overlap;

  Result<void> add(ByteView signature, Epoch entry_epoch, ByteView body, const BodyHash& hash, std::uint32_t body_bytes,
                   ByteView order = {});
  Result<std::vector<ErasureClaim>> check_claims() const;
  Result<void> check_live() const;
  Result<void> check_overlap(Change& change, LogState& held);
  Result<Change> finish_feed(LogState& held);
  Result<Change> finish_control();
  Result<Change> finish_org();
  void start_chunk();
};

namespace {

constexpr std::size_t kChunkReserveBytes = kChunkBytesMax + kChunkEntriesMax * (kEntryHeaderBytes + kSignatureBytes);

Error refused(Code code, std::string detail) { return peer_error(code, std::move(detail)); }

}  // namespace

RangeReceiver::RangeReceiver(std::unique_ptr<State> state) : state_(std::move(state)) {}
RangeReceiver::RangeReceiver(RangeReceiver&&) noexcept = default;
RangeReceiver& RangeReceiver::operator=(RangeReceiver&&) noexcept = default;
RangeReceiver::~RangeReceiver() = default;

// ---- Opening

Result<RangeReceiver> Replica::receive(const std::optional<ChannelId>& id, const LogKey& key, LogType type,
                                       Number first, const std::optional<EntryHash>& previous) {
  ReplicaCore& core = *impl_;
  const LogState* log = core.find_log(key);
  const Channel* in = id ? core.find_channel(*id) : nullptr;
  const auto most = log == nullptr ? std::nullopt : core.ceiling(in, *log);
  if (most && first > *most && log->accepted.frozen != 0) return core.above_ceiling(in, *log);
  const Number head = log == nullptr ? Number{} : log->accepted.head;
  if (first.value == 0) return refused(kWrongNumber, "entries are numbered from 1");
  // What is held already may come again (it is compared); else it has to be wanted.
  if (first > head && !wants_log(id, key, type)) {
    return refused(kNotAcceptable, "this log is not taken here in that channel");
  }
  if (log != nullptr && log->accepted.type != type) return refused(kNotAcceptable, "the log is of another type");
  if (log != nullptr && log->channel && log->channel != id)
    return refused(kNotAcceptable, "the log is not of that channel");

  auto state = std::make_unique<RangeReceiver::State>();
  state->core = &core;
  state->lives = core.alive;
  state->failures = core.failures;
  state->channel = type == LogType::kOrganisation ? std::nullopt : id;
  state->log = key;
  state->type = type;
  state->next = first;
  const bool empty_copy = log == nullptr || head.value == 0 || log->accepted.low > head;
  if (first == head.next()) {
    state->previous = log == nullptr ? EntryHash{} : log->accepted.head_hash;
    state->epoch = log == nullptr ? Epoch{} : log->accepted.head_epoch;
    state->begins_copy = empty_copy;
  } else if (first > head) {
    // A gap is fine only where nothing is held and a joiner's copy begins (rule 34).
    const Channel* channel = id ? core.find_channel(*id) : nullptr;
    if (!empty_copy || type != LogType::kFeed || channel == nullptr || first_epoch(*id).value == 0) {
      return refused(kWrongNumber, "the range does not begin right above what is held");
    }
    if (!previous || previous->is_zero()) return refused(kWrongPrevious, "the range does not say what it follows");
    state->previous = *previous;
    state->begins_copy = true;
  } else if (first >= log->accepted.low) {
    if (first.value > 1) {
      const auto held = core.stored_entry(key, first);
      if (!held && !previous) return refused(kWrongPrevious, "the range does not say what it follows");
      state->previous = previous ? *previous : *EntryHash::from(peek_previous(held->view().header));
    }
  } else if (first == head && previous) {
    state->previous = *previous;  // the head of a copy that holds no entry: compared by its hash
  } else {
    return refused(kWrongNumber, "the range lies below what is held");
  }
  EntryHeader header;
  header.type = type;
  header.log = key;
  if (state->channel) header.channel = core.find_channel(*id)->accepted.genesis->pseudonym;
  header.epoch = {type == LogType::kOrganisation ? 0u : 1u};
  state->header = header.encode();
  const std::uint64_t held_entries = empty_copy ? 0 : head.value + 1 - log->accepted.low.value;
  const std::uint64_t held_bytes = log == nullptr ? 0 : log->accepted.bytes;
  const std::uint64_t entries_max = core.entries_quota(id, type);
  const std::uint64_t bytes_max = core.bytes_quota(id, type);
  state->entries_left = entries_max > held_entries ? entries_max - held_entries : 0;
  state->bytes_left = bytes_max > held_bytes ? bytes_max - held_bytes : 0;
  if (type == LogType::kFeed) {
    state->absent_through = core.absent_through(*core.find_channel(*id));
    state->first_epoch = core.find_channel(*id)->accepted.first_epoch();
  }
  state->start_chunk();
  return RangeReceiver(std::move(state));
}

void RangeReceiver::State::start_chunk() {
  batch = Batch();
  entries = 0;
  first = next;
  before_first = previous;
  epoch_starts.clear();
  first_absent = {};
  claims.clear();
  overlap.clear();
  const LogState* held = core->find_log(log);
  held_head = held == nullptr ? Number{} : held->accepted.head;
  if (held != nullptr) most = core->ceiling(channel ? core->find_channel(*channel) : nullptr, *held);
}

// ---- Adding

Result<void> RangeReceiver::State::add(ByteView signature, Epoch entry_epoch, ByteView body, const BodyHash& hash,
                                       std::uint32_t body_bytes, ByteView order) {
  const bool organisation = type == LogType::kOrganisation;
  const bool size_fits = organisation ? !signature.empty() && signature.size() % kRootSignatureBytes == 0 &&
                                            signature.size() <= kSignatureFieldBytesMax
                                      : signature.size() == kSignatureBytes;
  if (!size_fits) return refused(kBadEntry, "the signature has a wrong size");
  if (organisation != (entry_epoch.value == 0) || (entry_epoch < epoch && entries > 0)) {
    return refused(kBadEpoch, "the epoch fell, or is not one for this type of log");
  }
  // What is held need not be of the history that the peer was shown.
  if (entry_epoch < epoch) return refused(kWrongPrevious, "what is held here is of a later epoch");
  if (entries >= kChunkEntriesMax) return caller_error(kBadEntry, "the chunk is full");

  store_le32(&header[4], body_bytes);
  store_le64(&header[8], next.value);
  store_le64(&header[16], entry_epoch.value);
  std::copy(previous.bytes().begin(), previous.bytes().end(), &header[88]);
  std::copy(hash.bytes().begin(), hash.bytes().end(), &header[120]);
  const EntryView entry{ByteView(header), signature, body};

  if (next <= held_head) {
    overlap.emplace_back(entry.header, entry.signature, entry.body);
  } else {
    if (most && next > *most) {
      ++core->refused_entries;
      return core->above_ceiling(channel ? core->find_channel(*channel) : nullptr, *core->find_log(log));
    }
    if (entries_left == 0 || body.size() > bytes_left) {
      ++core->refused_entries;
      return refused(kQuotaExceeded, "the log takes up all that it may here");
    }
    const bool absent = body.empty() && body_bytes != 0;
    // Kept once without its body, an entry would never be wanted again: somebody may have it still (rules 11, 52).
    const bool claimed =
        absent && type == LogType::kFeed && (!order.empty() || (channel && core->find_erasure(log, next) != nullptr));
    if (absent && type == LogType::kFeed && entry_epoch > absent_through && !claimed) {
      return refused(kNotAcceptable, "the body is missing; it is wanted from somebody who has it");
    }
    if (claimed) claims.push_back({batch.entries().size(), to_bytes(order)});
    --entries_left;
    bytes_left -= body.size();
    if (batch.entries().empty()) batch.reserve(kChunkEntriesMax, kChunkReserveBytes);
    const bool begins = begins_copy && batch.entries().empty();
    if (entry_epoch > epoch || begins) epoch_starts.push_back(batch.entries().size());
    if (first_absent.value == 0 && absent && !claimed) first_absent = next;
    batch.add_entry(log, next, entry, Checked::kChained);
  }
  previous = hash_entry(entry.header, entry.signature);
  epoch = entry_epoch;
  next = next.next();
  ++entries;
  return kOk;
}

Result<void> RangeReceiver::add(ByteView signature, Epoch epoch, ByteView body) {
  if (body.size() > kBodyBytesMax) return refused(Code("body_too_large"), "an entry's body is at most 49152 bytes");
  return state_->add(signature, epoch, body, hash_body(body), static_cast<std::uint32_t>(body.size()));
}

Result<void> RangeReceiver::add_without_body(ByteView signature, Epoch epoch, const BodyHash& hash,
                                             std::uint32_t body_bytes, ByteView order) {
  if (body_bytes > kBodyBytesMax) return refused(Code("body_too_large"), "an entry's body is at most 49152 bytes");
  if (body_bytes == 0) return refused(kBadEntry, "an empty body cannot be left out");
  if (state_->type == LogType::kOrganisation) return refused(kBadEntry, "an organisation log keeps its bodies");
  return state_->add(signature, epoch, {}, hash, body_bytes, order);
}

bool RangeReceiver::full() const {
  return state_->entries >= kChunkEntriesMax || pending_bytes() + kBodyBytesMax > kChunkBytesMax;
}
std::size_t RangeReceiver::pending_entries() const { return state_->entries; }
std::size_t RangeReceiver::pending_bytes() const {
  std::size_t out = state_->batch.size_bytes();
  for (const Entry& entry : state_->overlap) out += size_of(entry.view());
  return out;
}
Number RangeReceiver::next_number() const { return state_->next; }

// ---- Checking a chunk

Result<void> RangeReceiver::State::check_live() const {
  if (core->failures != failures) {
    return environment_error(kStaleReceiver, "a write failed meanwhile: the range is to be asked for again");
  }
  const LogState* held = core->find_log(log);
  if (held == nullptr) return kOk;
  const Channel* in = channel ? core->find_channel(*channel) : nullptr;
  if (const auto now = core->ceiling(in, *held); now && !batch.entries().empty()) {
    if (batch.entries().back().number > *now && held->accepted.frozen != 0) return core->above_ceiling(in, *held);
  }
  if (!batch.entries().empty()) {
    const Number begins = batch.entries().front().number;
    const bool follows = begins == held->accepted.head.next();
    const bool jumps = begins_copy && begins > held->accepted.head && held->accepted.low > held->accepted.head;
    const EntryHash said = *EntryHash::from(peek_previous(batch.entry(batch.entries().front()).header));
    if ((!follows && !jumps) ||
        (follows && said != held->accepted.head_hash && held->accepted.head.value > 0 && overlap.empty())) {
      return environment_error(kStaleReceiver, "the log has grown meanwhile");
    }
  }
  return kOk;
}

// Entries of numbers that are held: equal, or one of two is a fork (rule 12). Their chain has been verified.
Result<void> RangeReceiver::State::check_overlap(Change& change, LogState& held) {
  for (const Entry& entry : overlap) {
    const EntryView view = entry.view();
    const Number number = peek_number(view.header);
    std::optional<Entry> ours;
    if (auto stored = core->stored_entry(log, number)) ours = std::move(*stored);
    const auto hash =
        ours ? std::optional(hash_entry(ours->view().header, ours->view().signature)) : core->stored_hash(held, number);
    // Not durable yet: what the range goes on from cannot be compared, so nothing of it is taken.
    if (!hash) return environment_error(kStaleReceiver, "an entry to compare with is not durable yet");
    if (*hash == hash_entry(view.header, view.signature)) continue;
    if (!verify_entry(view, core->verifier)) {
      return refused(kBadSignature, "an entry that differs from the one held here is not signed");
    }
    if (held.fork && held.fork->parted() && number >= held.fork->number) {
      return refused(kFrozen, "a fork of this log is known: nothing is taken from where its histories part");
    }
    const EntryView ours_view = ours ? ours->view() : EntryView{};
    core->keep_fork(change, held, ours ? &ours_view : nullptr, view);
    return refused(kFork, "two entries of one number: the proof is kept, the log takes nothing new");
  }
  return kOk;
}

Result<std::vector<ErasureClaim>> RangeReceiver::State::check_claims() const {
  std::vector<ErasureClaim> out;
  out.reserve(claims.size());
  for (const Claim& claim : claims) {
    const auto& write = batch.entries()[claim.at];
    const EntryView entry = batch.entry(write);
    TOCSIN_ASSIGN(
        good, core->check_claim(*channel, log, write.number, hash_entry(entry.header, entry.signature), claim.order));
    good.at = claim.at;
    out.push_back(std::move(good));
  }
  return out;
}

Result<Change> RangeReceiver::State::finish_feed(LogState& held) {
  Channel& in = *core->find_channel(*channel);
  Change change;
  const auto& writes = batch.entries();
  const EntryView last_view = batch.entry(writes.back());

  // A joiner's copy of a feed that ended before its first epoch: the head's name alone (rule 34).
  const bool name_only = writes.size() == 1 && begins_copy && body_absent(last_view) && epoch < first_epoch &&
                         overlap.empty();  // as it was wanted: older keys may have come since
  std::optional<FeedOwner> owner = held.owner;
  std::vector<ErasureClaim> orders;  // beside a name alone none is needed
  if (!name_only) {
    TOCSIN_ASSIGN(checked, check_claims());
    orders = std::move(checked);
    bool in_no_log = false;
    for (const std::size_t at : epoch_starts) {
      // The certificate went with the body, and may stand in the order.
      const auto claim = std::ranges::find(orders, at, &ErasureClaim::at);
      const ErasureOrder* order = claim == orders.end() ? nullptr : &claim->order;
      const Epoch begun{load_le64(&batch.entry(writes[at]).header[16])};
      in_no_log = in_no_log || (in.accepted.epoch(begun) == nullptr && core->would_know(in.accepted, begun));
      TOCSIN_ASSIGN(named, core->authorise(in, held, batch.entry(writes[at]), order));
      if (owner && named && *owner != *named) {
        return refused(kBadFeedCertificate, "the feed changes its owner inside the range");
      }
      if (named) owner = named;
    }
    // Under an epoch past the end of a term a member goes on; nobody begins a feed there.
    if (in_no_log && !owner && !core->secrets.locked()) {
      return refused(kUnknownEpoch, "the entry is of an epoch that no control log here has");
    }
  }
  const Number last = writes.back().number;
  if (const auto limit = core->limit_of(in.accepted, log, owner); limit && last > *limit) {
    return refused(kPastPin, "the writer was dropped, and the feed is pinned below this entry");
  }
  if (const FeedPin* pin = core->pin_for(in.accepted, held); pin != nullptr && last == pin->last) {
    if (previous != pin->hash) return refused(kPastPin, "the entry at the pin is of another branch than the pin's");
  }
  FeedUse added;
  if (!name_only) {
    added.entries = writes.size();
    for (const auto& write : writes) added.bytes += write.body_bytes;
  }
  if (const Number aside = core->leave_aside(orders, batch, absent_through, owner);
      aside.value != 0 && (first_absent.value == 0 || aside < first_absent)) {
    first_absent = aside;
  }
  TOCSIN_TRY(core->check_claims_of(in, orders, batch, owner));
  TOCSIN_TRY(core->take_room(in, held, owner, added));
  LogRecord& record = held.accepted;
  if (owner && !held.owner) {
    held.owner = owner;
    held.feed_record_changed = true;
    const bool late = record.head.value != 0 && record.low <= record.head;
    core->table.set_feed(log, *owner, late);
    if (late) change.channels.push_back(*channel);  // what came before may be read now
  }
  if (record.low > record.head || record.head.value == 0) {
    record.low = name_only ? last.next() : writes.front().number;
    record.before_low = name_only ? previous : before_first;
    if (record.low.value > 1 && in.accepted.first_epoch() < first_epoch) {
      core->mark_short(change, in, log, in.accepted.first_epoch());
    }
  }
  record.head = last;
  record.head_hash = previous;
  record.head_epoch = epoch;
  if (!name_only) {
    record.bytes += added.bytes;
    if (first_absent.value != 0 && held.first_absent.value == 0) {
      held.first_absent = first_absent;
      held.feed_record_changed = true;
    }
    batch.mark_last_signed();
    change.batch = std::move(batch);
    core->follow_claims(change, in, log, orders);
  }
  change.logs.push_back(log);
  // Somebody else holds more of our own feed than this home: it was set back, or copied, and the feed ends here.
  if (owner && owner->node == core->own_node) core->own_feed_came(change, in, held);
  if (!name_only) core->inspect(change, in, held);
  return change;
}

Result<Change> RangeReceiver::State::finish_control() {
  Channel& in = *core->find_channel(*channel);
  const bool next_term = log != in.accepted.control_log();
  const bool wanted_end =
      log == in.named_log && !batch.entries().empty() && batch.entries().back().number <= in.named_end;
  if (!next_term && core->chair_revoked(in.accepted) && !wanted_end) {
    return refused(kNotAcceptable, "the chair's node is revoked");
  }
  std::vector<Entry> added;
  for (const auto& write : batch.entries()) {
    const EntryView view = batch.entry(write);
    if (body_absent(view)) return refused(kBadEntry, "a control log keeps its bodies");
    added.emplace_back(view.header, view.signature, view.body);
  }
  Change change;
  if (core->is_own_log(log)) ++core->own_taken;
  TOCSIN_TRY(next_term ? core->take_term(change, in, added)
                       : core->add_control(change, in, added, ReplicaCore::From::kOthers));
  return change;
}

Result<Change> RangeReceiver::State::finish_org() {
  // What is held comes along: it may part from that, and a rotation above decide (rule 19).
  std::vector<EntryView> added;
  for (const Entry& entry : overlap) added.push_back(entry.view());
  for (const auto& write : batch.entries()) added.push_back(batch.entry(write));
  Change change;
  TOCSIN_TRY(core->extend_org(change, added));
  return change;
}

Result<void> RangeReceiver::commit(Done<Number> done) {
  State& state = *state_;
  ReplicaCore& core = *state.core;
  const auto refuse = [&](Error error) -> Result<void> {
    if (error.origin == Origin::kPeer) core.refused_entries += state.entries;
    state.start_chunk();
    state.failures = UINT64_MAX;  // after an error the range is over
    return error;
  };
  if (state.entries == 0) return caller_error(kBadEntry, "there is nothing to commit");
  if (auto live = state.check_live(); !live) return refuse(live.error());

  const Number last = state.next.value == 0 ? Number{} : Number{state.next.value - 1};
  const bool organisation = state.type == LogType::kOrganisation;
  if (!organisation) {
    const EntryView newest =
        state.batch.entries().empty() ? state.overlap.back().view() : state.batch.entry(state.batch.entries().back());
    if (!verify_entry(newest, core.verifier)) {
      return refuse(refused(kBadSignature, "the newest entry of the chunk is not signed by the log's key"));
    }
  }
  LogState* held = core.find_log(state.log);
  if (!state.overlap.empty() && !organisation) {
    Change proof;
    auto compared = state.check_overlap(proof, *held);
    if (!proof.batch.empty()) core.commit_for(std::move(proof), nullptr);
    if (!compared) return refuse(compared.error());
  }
  Change change;
  if (!state.batch.entries().empty() || organisation) {
    const bool is_new = held == nullptr;
    if (is_new && state.type == LogType::kFeed) held = &core.add_log(state.log, state.type, state.channel);
    auto finished = state.type == LogType::kFeed      ? state.finish_feed(*held)
                    : state.type == LogType::kControl ? state.finish_control()
                                                      : state.finish_org();
    if (!finished) {
      if (is_new && state.type == LogType::kFeed) core.forget_log(state.log);
      return refuse(finished.error());
    }
    change = std::move(*finished);
    state.begins_copy = false;
  }
  state.start_chunk();
  core.commit_for(std::move(change), std::move(done), last);
  return kOk;
}

}  // namespace tocsin::protocol
