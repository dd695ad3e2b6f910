// Puts batches into one write transaction. Inside node/store only; the writer's thread.
#pragma once

#include "node/store/database.h"

namespace tocsin::store {

// Why a batch was not applied: what LMDB answered, or, with rc 0, what is wrong with the batch or with what is stored.
struct ApplyError {
  int rc = 0;
  Error error;
};
using Applied = std::optional<ApplyError>;  // nothing: all went well

// A group of batches on its way into one transaction. Nothing shows outside until commit() has succeeded; dropped, it
// leaves no trace.
class Application {
 public:
  Application(Database& database, crypto::Random& random) : database_(database), random_(random) {}

  // 0 or an LMDB code.
  int begin();
  // After an error the object is spent.
  Applied add(const protocol::Batch& batch);
  // Arrival of the newest entry so far: the answer to the batch added last.
  protocol::Arrival arrival() const { return {next_arrival_ - 1}; }
  int commit();

 private:
  Applied add_log(const protocol::LogRecord& record);
  Applied add_entry(const protocol::Batch& batch, const protocol::Batch::EntryWrite& write);
  Applied replace_bodiless(const protocol::EntryView& entry, LogNumber log);
  Applied put_index(LogNumber log, protocol::Number number);
  Applied put_entry(const protocol::EntryView& entry, protocol::Checked checked, LogNumber log);
  Applied cut_log(const protocol::Batch::LogCut& cut);
  Applied erase(const protocol::Batch::BodyErase& erase);
  Applied write_record(const protocol::Batch::RecordWrite& write);
  LogState* find_log(const protocol::LogKey& log);
  Applied put_sealed(std::uint64_t arrival, EntryPrefix prefix, const protocol::EntryView& entry, unsigned flags);
  // An entry that is held, with its bytes copied out of the database.
  struct Held {
    std::uint64_t arrival;
    EntryPrefix prefix;
    protocol::Entry entry;
  };
  Applied find_entry(LogNumber log, protocol::Number number, std::optional<Held>& out);

  Database& database_;
  crypto::Random& random_;
  lmdb::Txn txn_;
  lmdb::Cursor entries_;  // declared after txn_: closed before it ends
  lmdb::Cursor index_;
  std::unordered_map<protocol::LogKey, LogState, FixedBytesHash> logs_;  // touched by this transaction
  const protocol::LogKey* last_key_ = nullptr;                           // the bulk path writes one log at a time
  LogState* last_state_ = nullptr;
  std::uint64_t next_arrival_ = 0;
  LogNumber next_log_ = 0;
  std::array<std::uint8_t, kIndexKeyBytes> index_end_{};  // greatest key of the index
};

}  // namespace tocsin::store
