// The file of a backup, outside in (rule 21). Integers little-endian.
//
//   magic    "tocsin backup 1\n" (16)
//   slots    u32 size ‖ passphrase slot (key file of crypto/passphrase.h, label kLabelBackup)
//            u32 size ‖ recovery slot (envelope of crypto/wrap.h to the recovery key, label kLabelBackup, no context)
//            both over stream key (32) ‖ reading key (32), of this backup alone: what a home seals under its reading
//            tier is sealed under that one here
//   stream   sealed stream of crypto/seal.h under the stream key, label kLabelBackupStream, associated data: magic and
//            slots. In it frames, u8 type ‖ u32 size ‖ payload, in this order:
//     1 begin    u32 1 ‖ i64 made, milliseconds since 1970 UTC ‖ organisation id 32 ‖ id of the node that made it 32
//     2 config   text of config.toml
//     3 record   u8 table ‖ u16 name size ‖ name ‖ value
//     4 log      log record of store/format.h; behind it its entries, by number
//     5 entry    u8 checked ‖ u16 signature size ‖ header ‖ signature ‖ body
//     6 end      u64 logs ‖ u64 entries ‖ u64 records ‖ digest 32 (BackupDigest)
//
// No key that signs, dials or opens envelopes is in it: who has the file and its passphrase reads what the node could
// read, and can write nothing in its name.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>

#include "crypto/hash.h"
#include "crypto/seal.h"
#include "crypto/wrap.h"
#include "node/store/store.h"
#include "protocol/node_secrets.h"

namespace tocsin::host {

inline constexpr Code kNotABackup{"not_a_backup"};              // caller: another file
inline constexpr Code kBackupDamaged{"backup_damaged"};         // environment: cut or changed
inline constexpr Code kWrongRecoveryKey{"wrong_recovery_key"};  // caller

enum class BackupFrame : std::uint8_t { kBegin = 1, kConfig, kRecord, kLog, kEntry, kEnd };
inline constexpr std::size_t kBackupFrameMax = 9 * 1024 * 1024;  // above the largest record

struct BackupBegin {
  protocol::Time made;
  protocol::OrgId org;
  protocol::NodeId node;
};
struct BackupEnd {
  std::uint64_t logs = 0, entries = 0, records = 0;
  crypto::Hash digest;
  friend bool operator==(const BackupEnd&, const BackupEnd&) = default;
};

// Over everything that is to come back: made once from what goes in, once from what came out.
class BackupDigest {
 public:
  void add_log(const protocol::LogRecord& log);
  // Hashes the body itself, not what the header says of it.
  void add_entry(const protocol::StoredEntry& entry);
  void count_record() { ++end_.records; }
  BackupEnd finish();  // once

 private:
  crypto::Hasher hasher_{crypto::kPersonalTextSum};
  BackupEnd end_;
};

// Magic and slots. Two Argon2id's worth of time. Errors: those of crypto/passphrase.h.
struct BackupHead {
  Bytes bytes;
  crypto::SecretBuffer stream_key;
  protocol::ReadingKey reading;
};
Result<BackupHead> make_backup_head(std::string_view passphrase, const crypto::EncryptionPublic& recovery,
                                    crypto::Random& random);

// Frames into the sealed stream; `out` gets what is ready and may be emptied between calls.
class BackupWriter {
 public:
  BackupWriter(const BackupHead& head, crypto::Random& random)
      : stream_(head.stream_key.view(), crypto::kLabelBackupStream, head.bytes, random) {}
  void begin(const BackupBegin& begin, Bytes& out);
  void config(std::string_view text, Bytes& out) { frame(BackupFrame::kConfig, as_bytes(text), out); }
  void record(const store::StoreImage::Record& record, Bytes& out);
  void log(const protocol::LogRecord& log, Bytes& out);
  void entry(const protocol::StoredEntry& entry, Bytes& out);
  void end(Bytes& out);  // once, last

 private:
  void frame(BackupFrame type, ByteView payload, Bytes& out);
  crypto::SealedWriter stream_;
  BackupDigest digest_;
};

// What opens it: one of the two.
struct BackupKey {
  const crypto::SecretBuffer* passphrase = nullptr;
  std::string recovery_key;  // text, as `init` printed it
};
struct BackupVisitor {
  std::function<Result<void>(const BackupBegin&, const protocol::ReadingKey&)> begin;
  std::function<Result<void>(std::string_view)> config;
  std::function<Result<void>(protocol::Table, ByteView name, ByteView value)> record;
  std::function<Result<void>(const protocol::LogRecord&)> log;
  std::function<Result<void>(const protocol::StoredEntry&)> entry;
};
// Reads a whole file; what is not authentic reaches no visitor. Answers with what its end says, which the caller
// compares. Errors: not_a_backup, backup_damaged, wrong_passphrase, wrong_recovery_key, those of the file and of the
// visitor.
Result<BackupEnd> read_backup(const std::string& file, const BackupKey& key, const BackupVisitor& visitor);

}  // namespace tocsin::host
