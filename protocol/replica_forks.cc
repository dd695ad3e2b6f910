// Forks: two entries of one number (rules 10, 12), and single entries as they are stored.
#include "protocol/entry_peek.h"
#include "protocol/entry_sign.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {

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
  log.accepted.frozen = kForked;
  change.logs.push_back(log.accepted.log);
  ++fork_proofs;
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
