// Rotations of an organisation's roots (rule 19), where histories part.
//
// A rotation follows the last entry that is good, so it stands beside what the roots of before signed after that. Of
// two branches that part, the one that holds a rotation of the commitment in force there counts, whatever came first
// and however long the other is: only the owner of the next roots can sign one. What the other held is kept as history,
// by name. Where both hold one, somebody else has the next roots, too: nobody can tell any more who speaks for the
// organisation, and it has ended.
//
// The record of what was superseded, by log key: for each entry u64 number ‖ hash 32 ‖ u64 number of the rotation ‖ u8
// change ‖ node id 32 ‖ u8 size ‖ name.
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/org_request.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kItemBytes = 8 + 32 + 8 + 1 + 32 + 1;

Bytes encode_superseded(const std::vector<SupersededEntry>& entries) {
  Bytes out;
  std::array<std::uint8_t, 8> number;
  for (const SupersededEntry& entry : entries) {
    store_le64(number.data(), entry.number.value);
    append(out, ByteView(number));
    append(out, entry.hash.view());
    store_le64(number.data(), entry.by.value);
    append(out, ByteView(number));
    out.push_back(static_cast<std::uint8_t>(entry.change));
    append(out, entry.node.view());
    out.push_back(static_cast<std::uint8_t>(entry.name.size()));
    append(out, as_bytes(entry.name));
  }
  return out;
}

}  // namespace

SupersededEntry ReplicaCore::describe_entry(const EntryView& entry, Number by) {
  SupersededEntry out;
  out.number = peek_number(entry.header);
  out.hash = hash_entry(entry.header, entry.signature);
  out.by = by;
  const auto change = read_org_change(entry.body);
  if (!change) return out;
  if (const auto* certify = std::get_if<CertifyChange>(&*change)) {
    out.change = SupersededEntry::Change::kCertify;
    out.node = certify->certificate.node;
    out.name = certify->certificate.name;
  } else if (const auto* revoke = std::get_if<RevokeChange>(&*change)) {
    out.change = SupersededEntry::Change::kRevoke;
    out.node = revoke->node;
    out.name = revoke->reason;
  }
  return out;
}

EntryHash end_leaf_hash(const LogKey& log) { return fork_leaf_hash(log, {0}, {}); }

Bytes superseded_record_name(const LogKey& log) {
  Bytes out = to_bytes(as_bytes(kSupersededRecordPrefix));
  append(out, log.view());
  return out;
}

Result<void> ReplicaCore::load_superseded(OrgState& org) {
  auto record = store.get_record(Table::kLocal, superseded_record_name(LogKey{org.accepted.id().bytes()}));
  if (!record && record.error().code == kNotHeld) return kOk;
  if (!record) return record.error();
  ByteView rest(*record);
  while (rest.size() >= kItemBytes) {
    SupersededEntry entry;
    entry.number = {load_le64(rest.data())};
    entry.hash = *EntryHash::from(rest.subspan(8, 32));
    entry.by = {load_le64(&rest[40])};
    entry.change = static_cast<SupersededEntry::Change>(rest[48]);
    entry.node = *NodeId::from(rest.subspan(49, 32));
    const std::size_t size = rest[81];
    if (rest.size() - kItemBytes < size) break;
    entry.name = std::string(as_text(rest.subspan(kItemBytes, size)));
    org.superseded.push_back(std::move(entry));
    rest = rest.subspan(kItemBytes + size);
  }
  return rest.empty() ? Result<void>(kOk) : environment_error(kStoreFailed, "the record of what was superseded");
}

std::vector<SupersededEntry> Replica::superseded(const OrgId& org) const {
  const OrgState* state = impl_->find_org(org);
  return state == nullptr ? std::vector<SupersededEntry>{} : state->superseded;
}

bool ReplicaCore::is_superseded(const OrgId& org, const NodeId& node) const {
  const OrgState* state = find_org(org);
  if (state == nullptr || state->superseded.empty() || state->accepted.nodes().contains(node)) return false;
  return std::any_of(state->superseded.begin(), state->superseded.end(), [&](const SupersededEntry& entry) {
    return entry.change == SupersededEntry::Change::kCertify && entry.node == node;
  });
}

bool ReplicaCore::names_superseded(const RosterMember& member) const {
  const OrgState* org = find_org(member.org);
  const LogState* log = find_log(LogKey{member.org.bytes()});
  if (org == nullptr || log == nullptr) return false;
  if (org->accepted.ended()) return member.log_hash != end_leaf_hash(log->accepted.log);
  if (org->accepted.rotations().empty()) return false;
  const auto held = member.log_number <= log->durable.head ? stored_hash(*log, member.log_number) : std::nullopt;
  if (held) return *held != member.log_hash;
  return std::any_of(org->superseded.begin(), org->superseded.end(),
                     [&](const SupersededEntry& entry) { return entry.hash == member.log_hash; });
}

bool ReplicaCore::stands_above_rotation(const RosterMember& before, const RosterMember& now) const {
  const OrgState* org = find_org(now.org);
  const LogState* log = find_log(LogKey{now.org.bytes()});
  if (org == nullptr || log == nullptr || org->accepted.rotations().empty()) return false;
  if (before.log_number <= log->durable.head || now.log_number < org->accepted.rotations().back()) return false;
  const auto held = now.log_number <= log->durable.head ? stored_hash(*log, now.log_number) : std::nullopt;
  return held && *held == now.log_hash;
}

Number Replica::branch_start(const LogKey& key, Number number) const {
  const LogState* log = impl_->find_log(key);
  // Of a feed or a control log what is held stays, until its branch is taken out (rule 12).
  if (log == nullptr || log->accepted.type != LogType::kOrganisation) return number;
  if (!log->fork || !log->fork->parted() || log->fork->ended) return number;
  return std::min(number, log->fork->number);
}

std::vector<SupersededEntry> Replica::own_entries_above(Number last_good) const {
  std::vector<SupersededEntry> out;
  const OrgLog& own = impl_->own_log();
  for (Number at = last_good.next(); at <= own.head(); at = at.next()) {
    const auto entry = impl_->stored_entry(LogKey{own.id().bytes()}, at);
    if (entry) out.push_back(ReplicaCore::describe_entry(entry->view(), {}));
  }
  return out;
}

// ---- Which branch counts

Result<void> ReplicaCore::take_branch(Change& change, const OrgId& id, std::span<const EntryView> tail) {
  LogState& log = *find_log(LogKey{id.bytes()});
  const OrgState& held = orgs.at(id);
  const Number parted = peek_number(tail.front().header);
  if (held.accepted.ended()) return peer_error(kOrganisationEnded, "the organisation has ended");
  if (log.accepted.head != log.durable.head || log.accepted.head_hash != log.durable.head_hash) {
    return environment_error(kStaleReceiver, "entries to compare with are not durable yet");
  }
  const Error apart = peer_error(kFork, "the organisation log differs from the one held here");
  if (parted.value < 2) return apart;
  const auto before = hash_at(log, {parted.value - 1});
  if (!before || !equal(before->view(), peek_previous(tail.front().header))) return apart;

  const Error undone =
      peer_error(kSuperseded, "a rotation of the roots superseded that part of the organisation's log");
  // First what costs little: anybody may send something that differs.
  const bool decides = std::any_of(tail.begin(), tail.end(), [&](const EntryView& entry) {
    const auto event = read_org_change(entry.body);
    return event && std::holds_alternative<RotateRootsChange>(*event) &&
           held.accepted.check_suspect(entry, verifier).ok();
  });
  if (!decides) return held.accepted.rotated_since(parted) ? undone : apart;

  std::optional<OrgState> next;
  for (Number at{1}; at < parted; at = at.next()) {
    TOCSIN_ASSIGN(stored, stored_entry(log.accepted.log, at));
    if (next) {
      TOCSIN_TRY(next->accepted.apply_verified(stored.view()));
    } else {
      TOCSIN_ASSIGN(first, OrgLog::from_verified_genesis(stored.view()));
      next = OrgState{std::move(first), held.durable, {}, held.superseded};
    }
    note_signing_keys(*next);
  }
  const EntryView* theirs = nullptr;
  for (const EntryView& entry : tail) {
    TOCSIN_TRY(next->accepted.apply(entry, verifier));
    note_signing_keys(*next);
    if (theirs == nullptr && next->accepted.rotated_since(parted)) theirs = &entry;
  }
  const auto& rotations = held.accepted.rotations();
  const auto ours = std::lower_bound(rotations.begin(), rotations.end(), parted);
  if (theirs != nullptr && ours != rotations.end()) {
    TOCSIN_ASSIGN(stored, stored_entry(log.accepted.log, *ours));
    end_organisation(change, log, stored.view(), *theirs);
    return kOk;
  }
  if (ours != rotations.end()) return undone;
  if (theirs == nullptr) return apart;
  supersede(change, log, std::move(*next), parted, tail);
  return kOk;
}

void ReplicaCore::supersede(Change& change, LogState& log, OrgState next, Number parted,
                            std::span<const EntryView> added) {
  LogRecord& record = log.accepted;
  const LogKey key = record.log;
  const OrgId id{key.bytes()};
  const Number keep{parted.value - 1};
  const Number by = *std::lower_bound(next.accepted.rotations().begin(), next.accepted.rotations().end(), parted);
  record.head_hash = *hash_at(log, keep);
  for (Number at = parted; at <= record.head; at = at.next()) {
    const auto gone = stored_entry(key, at);
    if (!gone) continue;
    record.bytes -= std::min<std::uint64_t>(record.bytes, gone->view().body.size());
    if (next.superseded.size() < kSupersededMax) next.superseded.push_back(describe_entry(gone->view(), by));
  }
  change.batch.put_record(Table::kLocal, superseded_record_name(key), encode_superseded(next.superseded));
  change.batch.cut_log(key, keep);
  record.head = keep;
  forget_fork(change, log);
  for (const EntryView& entry : added) add_entry(change, log, entry, Checked::kSigned);
  orgs.insert_or_assign(id, std::move(next));
  change.orgs.push_back(id);
  drop_superseded(change, id);
}

// What nodes gave whose certificates are undone: prekeys, under which nobody is to wrap a key any more, and orders to
// take back what is not here yet.
void ReplicaCore::drop_superseded(Change& change, const OrgId& id) {
  if (const auto peer = peers.find(id); peer != peers.end()) {
    for (auto& [node, data] : peer->second.nodes) {
      if (data.signed_prekeys.empty() && !data.prekeys) continue;
      const CertifiedNode* certified = orgs.at(id).accepted.live_node(node);
      if (certified != nullptr && open_prekeys(data.signed_prekeys, certified->certificate.signing, verifier)) continue;
      data.signed_prekeys.clear();
      data.prekeys.reset();
      (void)peer_data(change, id);  // it is written
    }
  }
  for (const auto& [channel_id, channel] : channels) {
    std::vector<EntryKey> undone;
    for (const auto& [feed, of] : channel->erasures) {
      for (const auto& [key, erasure] : of) {
        const bool waits = erasure.org == id && erasure.state == ErasureState::kAwaited;
        if (waits && is_superseded(id, erasure.node)) undone.emplace_back(feed, key.first);
      }
    }
    for (const EntryKey& key : undone) drop_erasure(change, *channel, key, id);
  }
}

// What was in dispute is decided.
void ReplicaCore::forget_fork(Change& change, LogState& log) {
  if (!log.fork && log.accepted.frozen != kForked) return;
  log.fork.reset();
  log.accepted.frozen = 0;
  forked.erase(log.accepted.log);
  change.batch.remove_record(Table::kForkProofs, log.accepted.log.view());
  change.forks.push_back(log.accepted.log);
}

// ---- The end

void ReplicaCore::end_organisation(Change& change, LogState& log, const EntryView& one, const EntryView& other) {
  const bool in_order = peek_number(one.header) <= peek_number(other.header);
  auto fork = read_fork(in_order ? one : other, in_order ? other : one, true);
  if (!fork) return;
  fork->found = clock.now();
  fork->number = fork->seen;
  fork->convinces = fork->ended = true;
  keep_fork(change, log, std::move(*fork));
}

Result<Replica::TakenProof> ReplicaCore::take_end_proof(const ChannelId& id, const EntryView& one,
                                                        const EntryView& other) {
  const Channel* channel = find_channel(id);
  const OrgId org{LogKey::from(peek_log(one.header))->bytes()};
  LogState* log = find_log(LogKey{org.bytes()});
  Replica::TakenProof out{LogKey{org.bytes()}, {}, {}, false};
  if (channel == nullptr) return peer_error(kNotAcceptable, "the proof is for a channel that is not here");
  if (log == nullptr || log->accepted.head.value == 0) {
    out.early = true;
    return out;
  }
  const OrgState* state = find_org(org);
  if (state == nullptr || channel->accepted.role_of(org) == Role::kUnknown) {
    return peer_error(kNotAcceptable, "the proof is of no log of this channel");
  }
  if (state->accepted.ended()) return out;
  const auto proven = state->accepted.check_two_rotations(one, other, verifier);
  if (!proven) {
    refused_entries += 2;
    return peer_error(kBadEntry, proven.error().detail);
  }
  if (!*proven) {
    out.early = true;
    return out;
  }
  Change change;
  end_organisation(change, *log, one, other);
  commit_for(std::move(change), nullptr);
  return out;
}

}  // namespace tocsin::protocol
