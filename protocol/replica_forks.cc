// Forks: two entries of one number (rules 10, 12), and single entries as they are stored.
#include "protocol/entry_peek.h"
#include "protocol/entry_sign.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

// Two entries as keep_fork writes them; nothing when it is one alone.
std::optional<std::pair<EntryView, EntryView>> split_proof(ByteView proof) {
  std::vector<EntryView> entries;
  while (!proof.empty() && entries.size() < 2) {
    if (proof.size() < 4 || proof.size() - 4 < load_le32(proof.data())) return std::nullopt;
    const std::size_t size = load_le32(proof.data());
    const auto entry = decode_entry(proof.subspan(4, size));
    if (!entry) return std::nullopt;
    entries.push_back(*entry);
    proof = proof.subspan(4 + size);
  }
  if (entries.size() != 2 || !proof.empty()) return std::nullopt;
  return std::pair(entries[0], entries[1]);
}

}  // namespace

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
  return hash_entry(entry->view().header, entry->view().signature);
}

void ReplicaCore::keep_fork(Change& change, LogState& log, const EntryView* held, const EntryView& other) {
  // Both entries with their signatures are the proof, whoever looks at it; bodies say nothing more.
  Bytes proof;
  for (const EntryView* entry : {held, &other}) {
    if (entry == nullptr) continue;
    const Bytes encoded = encode_entry({entry->header, entry->signature, {}});
    std::array<std::uint8_t, 4> size;
    store_le32(size.data(), static_cast<std::uint32_t>(encoded.size()));
    append(proof, ByteView(size));
    append(proof, encoded);
  }
  change.batch.put_record(Table::kForkProofs, log.accepted.log.view(), proof);
  const bool proves = held != nullptr, first_known = log.accepted.frozen == 0;
  log.accepted.frozen = proves ? 1 : 2;
  log.forked_at = proves ? peek_number(other.header) : Number{};
  change.logs.push_back(log.accepted.log);
  if (first_known) ++fork_proofs;
}

Result<void> ReplicaCore::load_forks() {
  std::vector<std::pair<LogKey, Number>> found;
  TOCSIN_TRY(store.scan_records(Table::kForkProofs, [&](ByteView name, ByteView proof) {
    const auto key = LogKey::from(name);
    const auto pair = split_proof(proof);
    if (key && pair) found.emplace_back(*key, peek_number(pair->first.header));
    return true;
  }));
  for (const auto& [key, number] : found) {
    LogState* log = find_log(key);
    if (log != nullptr && log->accepted.frozen == 1) log->forked_at = number;
  }
  return kOk;
}

std::optional<Number> Replica::fork_of(const LogKey& key) const {
  const LogState* log = impl_->find_log(key);
  if (log == nullptr || log->durable.frozen != 1 || log->forked_at.value == 0) return std::nullopt;
  return log->forked_at;
}

std::optional<Bytes> Replica::fork_proof(const LogKey& key) const {
  if (!fork_of(key)) return std::nullopt;
  const auto record = impl_->store.get_record(Table::kForkProofs, key.view());
  const auto pair = record ? split_proof(*record) : std::nullopt;
  if (!pair) return std::nullopt;
  Bytes out;
  for (const EntryView* entry : {&pair->first, &pair->second}) {
    if (entry->signature.size() != kSignatureBytes) return std::nullopt;  // an organisation log's: told otherwise
    out.insert(out.end(), entry->header.begin(), entry->header.end());
    out.insert(out.end(), entry->signature.begin(), entry->signature.end());
  }
  return out;
}

Result<void> Replica::take_fork_proof(const ChannelId& id, const LogKey& key, ByteView entries) {
  ReplicaCore& core = *impl_;
  if (entries.size() != kForkProofBytes) return peer_error(kBadEntry, "a fork proof is two entries without bodies");
  LogState* log = core.find_log(key);
  const Channel* channel = core.find_channel(id);
  if (log == nullptr || channel == nullptr || log->channel != id || log->accepted.head.value == 0) {
    return peer_error(kNotAcceptable, "the proof is of no log that is held in this channel");
  }
  if (log->accepted.frozen == 1) return kOk;
  std::array<EntryView, 2> pair;
  std::array<EntryHeader, 2> headers;
  for (std::size_t i = 0; i < 2; ++i) {
    const ByteView at = entries.subspan(i * kForkProofBytes / 2, kForkProofBytes / 2);
    pair[i] = {at.first(kEntryHeaderBytes), at.subspan(kEntryHeaderBytes), {}};
    const auto header = EntryHeader::decode(pair[i].header);
    if (!header) return peer_error(kBadEntry, header.error().detail);
    headers[i] = *header;
    const bool of_log =
        header->log == key && header->type == log->accepted.type && header->channel == log->accepted.channel;
    if (!of_log) return peer_error(kBadEntry, "an entry of the proof is of another log");
  }
  const bool differ = hash_entry(pair[0].header, pair[0].signature) != hash_entry(pair[1].header, pair[1].signature);
  if (headers[0].number != headers[1].number || !differ) {
    return peer_error(kBadEntry, "the two entries do not contradict each other");
  }
  // Above its pin a feed has ended: what its key signs there says nothing about what counts (rule 20).
  const auto limit = core.limit_of(channel->accepted, key, log->owner);
  if (limit && headers[0].number > *limit) return peer_error(kPastPin, "the fork lies above the pin of the feed");
  for (const EntryView& entry : pair) {
    if (!verify_entry(entry, core.verifier)) {
      return peer_error(kBadSignature, "an entry of the proof is not signed by the log's key");
    }
  }
  Change change;
  core.keep_fork(change, *log, &pair[0], pair[1]);
  core.commit_for(std::move(change), nullptr);
  return kOk;
}

Result<void> Replica::fork_candidate(const ChannelId& id, const EntryView& entry) {
  ReplicaCore& core = *impl_;
  TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
  LogState* log = core.find_log(header.log);
  const Channel* channel = core.find_channel(id);
  const bool of_channel = log != nullptr && channel != nullptr &&
                          (log->channel ? *log->channel == id && header.channel == log->accepted.channel
                                        : channel->accepted.role_of(OrgId{header.log.bytes()}) != Role::kUnknown);
  if (!of_channel || header.type != log->accepted.type) {
    return peer_error(kNotAcceptable, "the entry is of no log of this channel");
  }
  if (log->accepted.frozen != 0) return kOk;
  const auto held = core.stored_hash(*log, header.number);
  if (!held) return peer_error(kWrongNumber, "no entry of that number is held here");
  if (*held == hash_entry(entry.header, entry.signature)) return kOk;

  if (header.type == LogType::kOrganisation) {
    // First what costs little: anybody can ask for this, again and again.
    const OrgState* org = core.find_org(OrgId{header.log.bytes()});
    if (org == nullptr) return peer_error(kNotAcceptable, "the organisation is not known here");
    TOCSIN_TRY(org->accepted.check_suspect(entry, core.verifier));
    // Valid in its place means: the log up to there takes it.
    std::optional<OrgLog> before;
    for (Number number{1}; number < header.number; number = number.next()) {
      TOCSIN_ASSIGN(stored, core.stored_entry(header.log, number));
      if (before) {
        TOCSIN_TRY(before->apply_verified(stored.view()));
      } else {
        TOCSIN_ASSIGN(first, OrgLog::from_verified_genesis(stored.view()));
        before = std::move(first);
      }
    }
    if (!before) return peer_error(kBadEntry, "the first entry of an organisation log is its name");
    TOCSIN_TRY(before->apply(entry, core.verifier));
  } else if (!verify_entry(entry, core.verifier)) {
    return peer_error(kBadSignature, "the entry is not signed by the log's key");
  }
  Change change;
  const auto stored = core.stored_entry(header.log, header.number);
  const EntryView stored_view = stored ? stored->view() : EntryView{};
  core.keep_fork(change, *log, stored ? &stored_view : nullptr, entry);
  core.commit_for(std::move(change), nullptr);
  return kOk;
}

}  // namespace tocsin::protocol
