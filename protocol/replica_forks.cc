// Forks: two histories of one log (rules 10, 12). How they are found, proven, kept and shown; which branch counts is
// replica_branches.cc.
//
// The record of Table::kForkProofs, by log key: u32 0 ‖ u8 1 ‖ u8 flags (1 they part here, 2 it convinces others, 4 the
// own branch is being cut, 8 two rotations that ended an organisation) ‖ u16 0 ‖ i64 found ‖ one or two times (u32 size
// ‖ entry, without body but with flag 8). One of an earlier version has the entries alone.
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/entry_sign.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kForkHeadBytes = 16;
constexpr std::uint8_t kFlagParted = 1, kFlagConvinces = 2, kFlagCutting = 4, kFlagEnded = 8;

// Bodies mostly say nothing more: what contradicts is signed in the headers.
Bytes join_entries(const EntryView* held, const EntryView& other, bool with_bodies = false) {
  Bytes out;
  for (const EntryView* entry : {held, &other}) {
    if (entry == nullptr) continue;
    const Bytes encoded = encode_entry({entry->header, entry->signature, with_bodies ? entry->body : ByteView{}});
    std::array<std::uint8_t, 4> size;
    store_le32(size.data(), static_cast<std::uint32_t>(encoded.size()));
    append(out, ByteView(size));
    append(out, encoded);
  }
  return out;
}

std::vector<EntryView> split_entries(ByteView proof) {
  std::vector<EntryView> out;
  while (proof.size() >= 4 && out.size() < 2) {
    const std::size_t size = load_le32(proof.data());
    if (proof.size() - 4 < size) return {};
    const auto entry = decode_entry(proof.subspan(4, size));
    if (!entry) return {};
    out.push_back(*entry);
    proof = proof.subspan(4 + size);
  }
  return proof.empty() ? out : std::vector<EntryView>{};
}

EntryHash hash_of(const EntryView& entry) { return hash_entry(entry.header, entry.signature); }
Epoch epoch_in(const EntryView& entry) { return {load_le64(&entry.header[16])}; }

// What the entries say by themselves; nothing when they are none.
std::optional<Fork> fork_of(Bytes proof) {
  auto kept = std::make_shared<const Bytes>(std::move(proof));
  const auto entries = split_entries(*kept);
  if (entries.empty()) return std::nullopt;
  Fork out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    out.entries[i] = hash_of(entries[i]);
    out.epochs[i] = epoch_in(entries[i]);
  }
  out.seen = peek_number(entries[0].header);
  out.previous = *EntryHash::from(peek_previous(entries[0].header));
  if (entries.size() == 2) {
    // Whichever of the two was held: all that know of them are to say the same.
    const EntryHash other = *EntryHash::from(peek_previous(entries[1].header));
    out.apart_below = out.previous != other;
    out.previous = std::min(out.previous, other);
  }
  out.proof = std::move(kept);
  return out;
}

// One number of one log, and not the same: what it takes beside the signatures.
bool contradict(const EntryView& a, const EntryView& b) {
  return equal(a.header.first(4), b.header.first(4)) && peek_number(a.header) == peek_number(b.header) &&
         equal(peek_log(a.header), peek_log(b.header)) && equal(a.header.subspan(56, 32), b.header.subspan(56, 32)) &&
         hash_of(a) != hash_of(b);
}

// And one entry before.
bool part_here(const EntryView& a, const EntryView& b) {
  return contradict(a, b) && equal(peek_previous(a.header), peek_previous(b.header));
}

// Of a feed it is enough that they contradict: where nobody holds the other history further down, nothing is in dispute
// there, and who does is found by the entry before. The other logs say who decides, and need the very place.
bool proves(LogType type, const EntryView& a, const EntryView& b) {
  return type == LogType::kFeed ? contradict(a, b) : part_here(a, b);
}

Error no_proof(std::string detail) { return peer_error(kBadEntry, std::move(detail)); }

}  // namespace

EntryHash fork_leaf_hash(const LogKey& log, Number number, const EntryHash& previous) {
  std::array<std::uint8_t, 8> bytes;
  store_le64(bytes.data(), number.value);
  return EntryHash{crypto::hash256(crypto::kPersonalFork, {log.view(), ByteView(bytes), previous.view()}).bytes()};
}

// ---- Entries as they are stored

Result<Entry> ReplicaCore::stored_entry(const LogKey& log, Number number) const {
  std::optional<Entry> out;
  TOCSIN_TRY(store.read(log, number, number, 1, [&](const StoredEntry& stored) {
    if (stored.number == number) out = Entry(stored.entry.header, stored.entry.signature, stored.entry.body);
    return false;
  }));
  if (!out) return caller_error(kNotHeld, "no such entry is held here");
  return std::move(*out);
}

std::optional<EntryHash> ReplicaCore::stored_hash(const LogState& log, Number number) const {
  if (number == log.durable.head) return log.durable.head_hash;  // also of an empty copy, which holds none
  const auto entry = stored_entry(log.accepted.log, number);
  if (!entry) return std::nullopt;
  return hash_of(entry->view());
}

std::optional<EntryHash> ReplicaCore::hash_at(const LogState& log, Number number) const {
  if (number.value != 0 && number.next() == log.durable.low && log.durable.low <= log.durable.head) {
    return log.durable.before_low;
  }
  return stored_hash(log, number);
}

std::optional<EntryHash> Replica::entry_hash(const LogKey& key, Number number) const {
  const LogState* log = impl_->find_log(key);
  if (log == nullptr || log->durable.head.value == 0 || number > log->durable.head) return std::nullopt;
  return impl_->hash_at(*log, number);
}

Result<OrgLog> ReplicaCore::org_log_below(const LogKey& key, Number number) const {
  std::optional<OrgLog> out;
  for (Number at{1}; at < number; at = at.next()) {
    TOCSIN_ASSIGN(stored, stored_entry(key, at));
    if (out) {
      TOCSIN_TRY(out->apply_verified(stored.view()));
    } else {
      TOCSIN_ASSIGN(first, OrgLog::from_verified_genesis(stored.view()));
      out = std::move(first);
    }
  }
  if (!out) return peer_error(kBadEntry, "the first entry of an organisation log is its name");
  return std::move(*out);
}

// ---- Keeping

void ReplicaCore::keep_fork(Change& change, LogState& log, const EntryView* held, const EntryView& other) {
  auto fork = fork_of(join_entries(held, other));
  if (!fork) return;
  fork->found = clock.now();
  if (held != nullptr && proves(log.accepted.type, *held, other)) {
    if (log.accepted.type != LogType::kOrganisation) {
      // Ours may be covered by a later signature alone (rule 10).
      fork->convinces = verify_entry(*held, verifier) && verify_entry(other, verifier);
    } else if (const auto below = org_log_below(log.accepted.log, fork->seen)) {
      // A rotation is signed by roots that stand in its body: nobody could tell without it.
      fork->convinces = below->signed_by_roots(*held, verifier) && below->signed_by_roots(other, verifier);
    }
    const bool organisation = log.accepted.type == LogType::kOrganisation;  // whoever calls has checked both
    if (fork->convinces || organisation) fork->number = fork->seen;
  }
  keep_fork(change, log, std::move(*fork));
}

std::optional<Fork> ReplicaCore::read_fork(const EntryView& one, const EntryView& other, bool with_bodies) {
  return fork_of(join_entries(&one, other, with_bodies));
}

void ReplicaCore::keep_fork(Change& change, LogState& log, Fork fork) {
  if (log.fork && !fork.comes_before(*log.fork, log.accepted.type == LogType::kFeed)) return;
  if (fork.ended) {
    orgs.at(OrgId{log.accepted.log.bytes()}).accepted.end(fork.number);
    log.accepted.frozen = kEnded;
  }
  if (log.fork) fork.cutting = log.fork->cutting && log.fork->number == fork.number;
  log.fork = std::move(fork);
  log.chosen = {};
  forked.insert(log.accepted.log);
  if (log.accepted.frozen == 0) log.accepted.frozen = kForked;
  change.logs.push_back(log.accepted.log);
  if (log.accepted.type == LogType::kOrganisation) {
    change.orgs.push_back(OrgId{log.accepted.log.bytes()});
  } else if (Channel* channel = find_channel(*log.channel); channel != nullptr && log.fork->parted()) {
    clamp_receipts(change, *channel, log);
  }
  put_fork(change, log);
}

void ReplicaCore::put_fork(Change& change, LogState& log) const {
  const Fork& fork = *log.fork;
  Bytes record(kForkHeadBytes);
  record[4] = 1;
  record[5] = static_cast<std::uint8_t>((fork.parted() ? kFlagParted : 0) | (fork.convinces ? kFlagConvinces : 0) |
                                        (fork.cutting ? kFlagCutting : 0) | (fork.ended ? kFlagEnded : 0));
  store_le64(&record[8], static_cast<std::uint64_t>(fork.found.ms));
  append(record, *fork.proof);
  change.batch.put_record(Table::kForkProofs, log.accepted.log.view(), record);
  change.forks.push_back(log.accepted.log);
}

Result<void> ReplicaCore::load_forks() {
  forked.clear();
  std::vector<std::pair<LogKey, Bytes>> found;
  TOCSIN_TRY(store.scan_records(Table::kForkProofs, [&](ByteView name, ByteView value) {
    if (const auto key = LogKey::from(name)) found.emplace_back(*key, to_bytes(value));
    return true;
  }));
  for (auto& [key, value] : found) {
    LogState* log = find_log(key);
    if (log == nullptr) continue;
    const bool with_head = value.size() >= kForkHeadBytes && load_le32(value.data()) == 0;
    const std::uint8_t flags = with_head ? value[5] : std::uint8_t{0};
    auto fork = fork_of(with_head ? to_bytes(ByteView(value).subspan(kForkHeadBytes)) : value);
    if (!fork) fork.emplace();  // a fork is known, and no more of it
    if (with_head) {
      fork->found = {static_cast<std::int64_t>(load_le64(&value[8]))};
      fork->convinces = (flags & kFlagConvinces) != 0;
      fork->cutting = (flags & kFlagCutting) != 0;
      fork->ended = (flags & kFlagEnded) != 0;
    } else if (log->accepted.type != LogType::kOrganisation && fork->proof != nullptr) {
      const auto entries = split_entries(*fork->proof);
      fork->convinces = entries.size() == 2 && proves(log->accepted.type, entries[0], entries[1]) &&
                        verify_entry(entries[0], verifier) && verify_entry(entries[1], verifier);
    }
    if ((flags & kFlagParted) != 0 || fork->convinces) fork->number = fork->seen;
    if (fork->proof == nullptr) fork->proof = std::make_shared<const Bytes>();
    if (const auto org = orgs.find(OrgId{key.bytes()}); fork->ended && org != orgs.end()) {
      org->second.accepted.end(fork->number);
      org->second.durable = std::make_shared<const OrgLog>(org->second.accepted);
    }
    log->fork = log->durable_fork = std::move(fork);
    forked.insert(key);
  }
  for (auto& [key, log] : logs) {
    if (log.accepted.frozen != kForked || log.fork) continue;
    log.fork.emplace();
    log.fork->proof = std::make_shared<const Bytes>();
    log.durable_fork = log.fork;
    forked.insert(key);
  }
  return kOk;
}

// ---- Finding

Result<ForkStep> Replica::fork_candidate(const ChannelId& id, const EntryView& entry) {
  ReplicaCore& core = *impl_;
  TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
  LogState* log = core.find_log(header.log);
  Channel* channel = core.find_channel(id);
  const bool of_channel = log != nullptr && channel != nullptr &&
                          (log->channel ? *log->channel == id && header.channel == log->accepted.channel
                                        : channel->accepted.role_of(OrgId{header.log.bytes()}) != Role::kUnknown);
  if (!of_channel || header.type != log->accepted.type) {
    return peer_error(kNotAcceptable, "the entry is of no log of this channel");
  }
  if (log->accepted.frozen != 0 && log->accepted.frozen != kForked) return ForkStep::kSame;
  const auto held = core.stored_hash(*log, header.number);
  if (!held) return peer_error(kWrongNumber, "no entry of that number is held here");
  if (*held == hash_of(entry)) return ForkStep::kSame;

  const auto stored = core.stored_entry(header.log, header.number);
  const EntryView stored_view = stored ? stored->view() : EntryView{};
  const bool known = log->fork && log->fork->parted() && header.number >= log->fork->number;
  if (header.type == LogType::kOrganisation) {
    if (known) return ForkStep::kProven;
    // First what costs little: anybody can ask for this, again and again.
    const OrgState* org = core.find_org(OrgId{header.log.bytes()});
    if (org == nullptr) return peer_error(kNotAcceptable, "the organisation is not known here");
    const bool parts_below = stored && !equal(peek_previous(stored_view.header), header.previous.view());
    if (auto checked = org->accepted.check_suspect(entry, core.verifier); !checked) {
      // Roots that a rotation below brought, which is not here yet, are known as a commitment at the most (rule 19).
      const Code code = checked.error().code;
      if (!parts_below || (code != kBadSignature && code != kBadRotation)) return checked.error();
      return ForkStep::kDiffers;
    }
    if (parts_below) return ForkStep::kDiffers;
    // Valid in its place means: the log up to there takes it.
    TOCSIN_ASSIGN(before, core.org_log_below(header.log, header.number));
    TOCSIN_TRY(before.apply(entry, core.verifier));
    // A rotation here or above is no fork: it says which branch counts (rule 19).
    if (org->accepted.rotated_since(header.number) || before.rotated_since(header.number)) return ForkStep::kProven;
  } else if (!verify_entry(entry, core.verifier)) {
    return peer_error(kBadSignature, "the entry is not signed by the log's key");
  }
  Change change;
  if (known) {
    // Who holds the end of the chosen branch has another entry here: what is held is the other branch.
    const FeedPin* pin = core.pin_for(channel->accepted, *log);
    const bool other_branch = pin != nullptr && pin->last >= log->fork->number && log->accepted.head < pin->last &&
                              log->accepted == log->durable;
    if (other_branch && !std::exchange(log->fork->cutting, true)) {
      core.put_fork(change, *log);
      core.commit_for(std::move(change), nullptr);
    }
    return ForkStep::kProven;
  }
  core.keep_fork(change, *log, stored ? &stored_view : nullptr, entry);
  if (!change.batch.empty()) core.commit_for(std::move(change), nullptr);
  // They may part further down, as far as the peer can show.
  const bool here = log->fork->parted() && (header.type != LogType::kFeed || !log->fork->apart_below);
  return here ? ForkStep::kProven : ForkStep::kDiffers;
}

// ---- Passing on

std::optional<std::pair<Number, EntryHash>> Replica::parting(const LogKey& key) const {
  const LogState* log = impl_->find_log(key);
  if (log == nullptr || !log->durable_fork || !log->durable_fork->convinces) return std::nullopt;
  // Any two rotations say as much as any other two: one proof of it is enough for everybody.
  if (log->durable_fork->ended) return std::pair(Number{}, EntryHash{});
  return std::pair(log->durable_fork->number,
                   log->durable.type == LogType::kFeed ? EntryHash{} : log->durable_fork->previous);
}

bool Replica::fork_is_durable(const LogKey& key) const {
  const LogState* log = impl_->find_log(key);
  if (log == nullptr || !log->fork) return true;
  return log->durable_fork && log->durable_fork->proof == log->fork->proof;
}

std::vector<LogKey> Replica::partings(const ChannelId& id) const {
  std::vector<LogKey> out;
  const Channel* channel = impl_->find_channel(id);
  if (channel == nullptr || channel->durable == nullptr) return out;
  for (const LogKey& key : impl_->forked) {
    const LogState& log = impl_->logs.at(key);
    const bool here =
        log.channel ? *log.channel == id : channel->durable->role_of(OrgId{key.bytes()}) != Role::kUnknown;
    if (here && parting(key)) out.push_back(key);
  }
  return out;
}

std::optional<Bytes> Replica::fork_proof(const ChannelId& id, const LogKey& key) const {
  const auto known = partings(id);
  if (std::find(known.begin(), known.end(), key) == known.end()) return std::nullopt;
  Bytes out;
  for (const EntryView& entry : split_entries(*impl_->logs.at(key).durable_fork->proof)) {
    const Bytes encoded = encode_entry(entry);
    std::array<std::uint8_t, 2> size;
    store_le16(size.data(), static_cast<std::uint16_t>(encoded.size()));
    out.insert(out.end(), size.begin(), size.end());
    out.insert(out.end(), encoded.begin(), encoded.end());
  }
  return out;
}

Result<Replica::TakenProof> Replica::take_fork_proof(const ChannelId& id, ByteView proof) {
  ReplicaCore& core = *impl_;
  const auto refuse = [&](Error error) {
    core.refused_entries += 2;
    return error;
  };
  std::vector<EntryView> pair;
  while (proof.size() >= 2 && pair.size() < 2) {
    const std::size_t size = load_le16(proof.data());
    if (proof.size() - 2 < size) break;
    const auto entry = decode_entry(proof.subspan(2, size));
    if (!entry || entry->body.size() > kRotationBytesMax) return refuse(no_proof("a fork proof is of two entries"));
    pair.push_back(*entry);
    proof = proof.subspan(2 + size);
  }
  if (pair.size() != 2 || !proof.empty()) return refuse(no_proof("a fork proof is of two entries"));
  for (const EntryView& entry : pair) {
    if (auto header = EntryHeader::decode(entry.header); !header) return refuse(no_proof(header.error().detail));
  }
  if (!pair[0].body.empty() && !pair[1].body.empty()) return core.take_end_proof(id, pair[0], pair[1]);
  if (!pair[0].body.empty() || !pair[1].body.empty()) return refuse(no_proof("a fork proof is without bodies"));
  const auto header = *EntryHeader::decode(pair[0].header);
  if (!proves(header.type, pair[0], pair[1]))
    return refuse(no_proof("the two entries do not part where the proof says"));

  LogState* log = core.find_log(header.log);
  const Channel* channel = core.find_channel(id);
  TakenProof out{header.log, header.number, header.type == LogType::kFeed ? EntryHash{} : header.previous, false};
  if (channel == nullptr) return peer_error(kNotAcceptable, "the proof is for a channel that is not here");
  if (log == nullptr || log->accepted.head.value == 0) {
    out.early = true;
    return out;
  }
  const bool of_channel = log->channel ? *log->channel == id && header.channel == log->accepted.channel
                                       : channel->accepted.role_of(OrgId{header.log.bytes()}) != Role::kUnknown;
  if (!of_channel || header.type != log->accepted.type) {
    return peer_error(kNotAcceptable, "the proof is of no log of this channel");
  }
  auto fork = fork_of(join_entries(&pair[0], pair[1]));
  fork->number = fork->seen;
  fork->found = core.clock.now();
  fork->convinces = true;
  if (log->fork && !fork->comes_before(*log->fork, header.type == LogType::kFeed)) return out;
  if (header.type == LogType::kOrganisation) {
    // A rotation has decided, or the organisation has ended.
    const OrgState* org = core.find_org(OrgId{header.log.bytes()});
    if (org != nullptr && (org->accepted.ended() || org->accepted.rotated_since(header.number))) return out;
    // Which roots sign there is known to who holds what comes before.
    if (header.number.value < 2 || core.stored_hash(*log, {header.number.value - 1}) != header.previous) {
      out.early = true;
      return out;
    }
    TOCSIN_ASSIGN(below, core.org_log_below(header.log, header.number));
    if (!below.signed_by_roots(pair[0], core.verifier) || !below.signed_by_roots(pair[1], core.verifier)) {
      return refuse(peer_error(kBadSignature, "an entry of the proof is not signed by the roots in force"));
    }
  } else if (!verify_entry(pair[0], core.verifier) || !verify_entry(pair[1], core.verifier)) {
    return refuse(peer_error(kBadSignature, "an entry of the proof is not signed by the log's key"));
  }
  Change change;
  core.keep_fork(change, *log, std::move(*fork));
  core.commit_for(std::move(change), nullptr);
  return out;
}

// ---- Showing

std::vector<ForkInfo> Replica::forks() const {
  std::vector<ForkInfo> out;
  for (const LogKey& key : impl_->forked) {
    const LogState& log = impl_->logs.at(key);
    if (!log.durable_fork) continue;
    const Fork& fork = *log.durable_fork;
    ForkInfo info;
    bool settled = false;  // a later term ends below
    info.log = key;
    info.type = log.accepted.type;
    info.parted = fork.parted() && !fork.apart_below;
    info.number = fork.seen;
    info.previous = fork.previous;
    info.entries = fork.entries;
    info.epochs = fork.epochs;
    info.found = fork.found;
    info.head = log.durable.head;
    info.head_hash = log.durable.head_hash;
    info.ended = fork.ended;
    if (fork.proof != nullptr) info.proof = *fork.proof;
    if (log.channel) {
      info.channels.push_back(*log.channel);
      const Channel* channel = impl_->find_channel(*log.channel);
      if (log.accepted.type == LogType::kControl) {
        const ChannelState& state = channel->accepted;
        const Term* over = state.term_over(key);
        const Term term = over != nullptr ? *over : key == state.control_log() ? state.term() : Term{};
        info.org = term.chair_org;
        info.node = term.chair_node;
        settled = over != nullptr && over->last < fork.number;
      } else if (log.owner) {
        info.org = log.owner->org;
        info.node = log.owner->node;
      }
      const FeedPin* pin = channel->durable == nullptr ? nullptr : impl_->pin_for(*channel->durable, log);
      if (pin != nullptr) info.pin = ForkInfo::Pin{pin->last, pin->hash};
    } else {
      info.org = OrgId{key.bytes()};
      for (const auto& [id, channel] : impl_->channels) {
        if (channel->durable != nullptr && channel->durable->role_of(*info.org) != Role::kUnknown) {
          info.channels.push_back(id);
        }
      }
    }
    info.resolved = settled || (info.pin && !is_disputed(key, fork.seen));
    out.push_back(std::move(info));
  }
  std::stable_sort(out.begin(), out.end(), [](const ForkInfo& a, const ForkInfo& b) { return a.found > b.found; });
  return out;
}

bool Replica::is_disputed(const LogKey& key, Number number) const {
  const LogState* log = impl_->find_log(key);
  if (log == nullptr || !log->durable_fork || !log->durable_fork->disputes(number)) return false;
  const Channel* channel = log->channel ? impl_->find_channel(*log->channel) : nullptr;
  const FeedPin* pin =
      channel == nullptr || channel->durable == nullptr ? nullptr : impl_->pin_for(*channel->durable, *log);
  if (pin == nullptr || log->durable_fork->cutting) return true;
  // Below its pin a feed is what its chair says, once that much of it is here.
  if (log->durable.head < pin->last)
    return log->durable_fork->parted() && log->durable.head >= log->durable_fork->number;
  const auto hash = impl_->hash_at(*log, pin->last);
  return hash && *hash != pin->hash;
}

}  // namespace tocsin::protocol
