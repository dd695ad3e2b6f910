// Making a backup of a running node: piece by piece on the loop's thread, so that the node goes on meanwhile. What goes
// in stands in backup_file.h.
#pragma once

#include "node/host/backup_file.h"
#include "protocol/replica.h"

namespace tocsin::host {

class BackupRun {
 public:
  // All outlive it. `reading` is the home's own. Takes the moment of the backup: what comes later is not in it.
  static Result<std::unique_ptr<BackupRun>> start(store::Store& store, const protocol::Replica& replica,
                                                  const protocol::ReadingKey& reading, BackupHead head,
                                                  std::string config, protocol::Time now, crypto::Random& random);
  // The next bytes of the file, some 256 KiB; empty: that was all. Errors: those of the store, damaged_record.
  Result<Bytes> next();

 private:
  BackupRun(store::Store& store, BackupHead head, store::StoreImage image, crypto::Random& random);
  store::Store& store_;
  BackupHead head_;
  store::StoreImage image_;
  BackupWriter writer_;
  Bytes ready_;
  std::size_t record_ = 0, log_ = 0;
  protocol::Number number_;  // next of the log at hand; 0: its record is next
  bool ended_ = false;
};

// The same record as another reading key seals it; of a channel without the keys that sign. Tables that seal nothing
// give what they got. Error (environment): damaged_record.
Result<Bytes> reseal_record(protocol::Table table, ByteView name, ByteView value, const protocol::ReadingKey& from,
                            const protocol::ReadingKey& to, crypto::Random& random);

// HOME/backup: when a backup was last made and when one was last verified, for `doctor`.
struct BackupNote {
  protocol::Time made, verified;  // 0: never
};
BackupNote read_backup_note(const std::string& home);
Result<void> write_backup_note(const std::string& home, const BackupNote& note);

}  // namespace tocsin::host
