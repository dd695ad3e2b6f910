// The store of a node: LMDB under <home>/store, the only owner of entries and records on disk. Keeps what
// protocol/entry_store.h and the numbered promises in protocol/memory_store.h say; format.h has the bytes.
//
// Threads. commit() and the `done`s belong to the owner's thread, the one that `post` runs things on. All other calls
// may come from any thread, also at the same time (the index reads arrivals from its own); a visitor runs on the
// caller's thread, and may call the store again, to read. One writer thread does all writing.
//
// Durability (rules 9, 47). A batch is on the disk, synced, when `done` says success; the writer takes what is queued
// and makes it one transaction (group commit). Nothing relies on the destructor: call close(), or flush() before
// something that must not come earlier. When nothing is committed nothing is written.
//
// Failure. A batch that fails takes along every batch behind it that was committed before its `done` ran. Then:
// - kDiskFull: nothing is lost; every later commit looks again, so writing goes on by itself once there is room.
//   Batches that only erase and remove go on while the reserve lasts.
// - kStoreFailed: the disk failed, or what it holds is damaged. No further write is tried until the store is opened
//   again, since it is unknown what a write that failed has left. After a meta page that failed LMDB reads no more.
// - origin internal: the batch breaks a promise; nothing else is affected.
//
// Erasing (rule 47) takes a body out of the database: at once no read gives it, its pages are used again for what is
// written later, and until then, as on any disk, in snapshots and on flash cells, old bytes may still lie in the file.
// Not shrunk: the file keeps its size.
//
// Memory: a transaction takes at most kTransactionBytes of entries unless one batch is larger, the queue at most
// kQueueBytesMax.
#pragma once

#include <functional>
#include <memory>

#include "crypto/secret.h"
#include "node/store/home.h"
#include "node/store/page_check.h"
#include "protocol/entry_store.h"

namespace tocsin::store {

// Runs a function later on the owner's thread; called from the writer's thread, never fails.
using Post = std::function<void(std::function<void()>)>;

// LMDB keeps a transaction's pages in memory, and that memory for good: so one takes this much of entries.
inline constexpr std::size_t kTransactionBytes = 4 * 1024 * 1024;
inline constexpr std::size_t kTransactionEntries = 4096;
// Hard limits of what waits; callers hold back well before, see queued_bytes().
inline constexpr std::size_t kQueueBytesMax = 64 * 1024 * 1024;
inline constexpr std::size_t kQueueBatchesMax = 65536;

struct StoreOptions {
  // Address space at first; doubles, from 1 GiB on grows by 1 GiB.
  std::size_t map_bytes = 64 * 1024 * 1024;
  // Left free on the disk: for erasing, keys and the rest of the system.
  std::uint64_t reserve_bytes = 64 * 1024 * 1024;
  std::size_t queue_bytes = kQueueBytesMax;
  PageDepth page_check = PageDepth::kBranches;  // kAll before fsck
};

enum class StoreState { kReady, kDiskFull, kFailed, kClosed };
std::string_view to_string(StoreState state);

struct StoreStatus {
  StoreState state = StoreState::kReady;
  std::optional<Error> reason;        // of the last failure, while it lasts
  std::uint64_t needed_bytes = 0;     // while the disk is full: what the refused write needs beside the reserve
  std::uint64_t file_bytes = 0;       // of data.mdb
  std::uint64_t disk_free_bytes = 0;  // that this user may still write
  std::uint64_t map_bytes = 0;
  std::uint64_t entries = 0;
  std::uint64_t logs = 0;
  std::size_t queued_bytes = 0;
  std::size_t queued_batches = 0;
  std::uint64_t transactions = 0;  // made durable since opening
};

// What fsck found wrong. `log` is zero and `number` 0 where it is unknown which entry it was.
struct Problem {
  Code code;
  protocol::LogKey log;
  protocol::Number number;
  std::string detail;
};
// entry_unreadable, entry_misplaced (other number or log than it is filed under), body_changed, not_indexed (an entry
// that the index does not know), index_dangling (the index names an entry that is not there), order_broken (arrivals or
// index keys out of order), gap, chain_broken (the previous hash is another), log_mismatch (record and entries
// disagree), bad_signature, record_unreadable.

struct FsckProgress {
  std::uint64_t done = 0;  // entries, over two passes
  std::uint64_t total = 0;
};
struct FsckReport {
  std::vector<Problem> problems;  // the first kFsckProblemsMax
  std::uint64_t problem_count = 0;
  std::uint64_t entries = 0;
  std::uint64_t logs = 0;
  std::uint64_t records = 0;
  bool complete = true;  // false when progress said stop
};
inline constexpr std::size_t kFsckProblemsMax = 1000;

struct FsckChecks {
  // Judges one entry's signature; knows about keys. Called for the head of each log, which with the chain covers all
  // below, and for every entry of organisation logs, whose hashes cover headers alone. With every_signature for each
  // entry. Nothing: signatures are not looked at.
  std::function<bool(const protocol::LogRecord& log, const protocol::StoredEntry& entry)> signature;
  bool every_signature = false;
  std::function<bool(const FsckProgress&)> progress;  // false: stop. Some hundred times a second at most.
};

// Every log and record, as they stood at one moment: what a backup begins with. From then on the entries `low` to
// `head` of each log can be read; a body that is erased later is gone from there too.
struct StoreImage {
  struct Record {
    protocol::Table table;
    Bytes name;
    Bytes value;
  };
  std::vector<protocol::LogRecord> logs;
  std::vector<Record> records;
};

class Store final : public protocol::EntryStore {
 public:
  // Makes the store of a new home. kStoreExists.
  static Result<std::unique_ptr<Store>> create(const Home& home, const crypto::StoreKey& key, Post post,
                                               const StoreOptions& options = {});
  // kStoreMissing (a store that is gone is never made anew), kStoreDamaged, kWrongStoreKey, kSchemaTooNew,
  // kStoreFailed. `home` holds the lock and outlives the store.
  static Result<std::unique_ptr<Store>> open(const Home& home, const crypto::StoreKey& key, Post post,
                                             const StoreOptions& options = {});
  ~Store() override;  // closes, if close() was not called; says nothing about durability

  // ---- EntryStore. An unknown log reads as an empty one.
  Result<std::vector<protocol::LogRecord>> logs() override;
  Result<void> read(const protocol::LogKey& log, protocol::Number from, protocol::Number to, std::size_t bytes_max,
                    const protocol::EntryVisitor& visit) override;
  Result<void> read_arrivals(protocol::Arrival cursor, std::size_t bytes_max,
                             const protocol::EntryVisitor& visit) override;
  protocol::Arrival newest_arrival() override;
  Result<StoreImage> image();
  Result<Bytes> get_record(protocol::Table table, ByteView name) override;
  Result<void> scan_records(protocol::Table table, const protocol::RecordVisitor& visit) override;
  // Never blocks on the disk. Fails with kQueueFull above StoreOptions::queue_bytes or kQueueBatchesMax, kStoreClosed
  // after close().
  void commit(protocol::Batch batch, std::function<void(Result<protocol::Arrival>)> done) override;

  // What was committed and is not durable yet: the sessions' back-pressure. Hold back above a few transactions' worth.
  std::size_t queued_bytes() const;
  // Half of StoreOptions::queue_bytes, or of kQueueBatchesMax, is taken.
  bool is_behind() const override;

  // Waits until everything committed before is durable or has failed; its `done`s are posted by then, not called.
  void flush();
  // flush, then ends the writer and closes the file. Reads fail with kStoreFailed from then on; no reader may be
  // inside.
  void close();

  StoreStatus status() const;
  std::uint64_t size_bytes() const;   // of the file, also after close()
  std::uint64_t entry_count() const;  // those without a body included

  // Looks at every entry, log and record; changes nothing. In chunks, each in a transaction of its own, so that a
  // running node goes on; what arrives meanwhile may or may not be looked at. Any thread, one at a time. Error:
  // kStoreFailed where LMDB itself gives up.
  Result<FsckReport> fsck(const FsckChecks& checks);

 private:
  struct Parts;
  explicit Store(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace tocsin::store
