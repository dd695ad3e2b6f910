// The open store: LMDB environment, databases, keys, and what is known of each log in memory. Inside node/store only;
// shared by the reading side (any thread), the writer's thread and fsck.
#pragma once

#include <atomic>
#include <mutex>
#include <unordered_map>

#include "crypto/sealer.h"
#include "node/store/format.h"
#include "node/store/lmdb.h"
#include "node/store/map_gate.h"
#include "node/store/page_check.h"

namespace tocsin::store {

// What the store knows of a log without looking: its number, and the interval of entries held (low > high: none).
struct LogState {
  LogNumber number = 0;
  std::uint64_t low = 1;
  std::uint64_t high = 0;
  bool empty() const { return low > high; }
};

// Opens and makes sealed values, each kind under its own key and label (format.h).
struct Seals {
  explicit Seals(const crypto::StoreKey& key);
  std::array<std::uint8_t, kRecordKeyBytes> record_key(protocol::Table table, ByteView name) const;

  crypto::Sealer check;
  crypto::Sealer log;
  crypto::Sealer entry;
  crypto::Sealer record;
  crypto::SecretBuffer name_key;
};

struct Databases {
  MDB_dbi meta = 0;
  MDB_dbi logs = 0;
  MDB_dbi entries = 0;
  MDB_dbi index = 0;
  MDB_dbi records = 0;
};

// store_failed of origin environment: what is on the disk is not what was written there.
Error damaged_store(std::string detail);

class Database {
 public:
  // Makes a new, empty store. kStoreExists.
  static Result<std::unique_ptr<Database>> create(const std::filesystem::path& folder, const crypto::StoreKey& key,
                                                  std::size_t map_bytes);
  // kStoreMissing, kStoreDamaged, kSchemaTooNew, kWrongStoreKey, kStoreFailed.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& folder, const crypto::StoreKey& key,
                                                std::size_t map_bytes_min, PageDepth pages);

  lmdb::Env& env() { return env_; }
  const Databases& dbs() const { return dbs_; }
  const Seals& seals() const { return seals_; }
  MapGate& gate() { return gate_; }
  const std::filesystem::path& folder() const { return folder_; }

  // Any thread.
  std::optional<LogState> find_log(const protocol::LogKey& log) const;
  std::size_t log_count() const;
  std::uint64_t newest_arrival() const { return newest_arrival_.load(std::memory_order_acquire); }

  // Writer's thread, after a transaction is durable.
  void update_logs(const std::unordered_map<protocol::LogKey, LogState, FixedBytesHash>& changed);
  void set_newest_arrival(std::uint64_t arrival) { newest_arrival_.store(arrival, std::memory_order_release); }

  // Opens the value of a stored entry: `scratch` holds the bytes of sealed ones. The view is good as long as the
  // transaction and `scratch`.
  struct Opened {
    EntryPrefix prefix;
    protocol::EntryView entry;
  };
  Result<Opened> open_entry(std::uint64_t arrival, ByteView value, Bytes& scratch) const;
  Result<protocol::LogRecord> open_log(LogNumber number, ByteView value, Bytes& scratch) const;
  // Name and value inside `scratch`.
  struct OpenedRecord {
    ByteView name;
    ByteView value;
  };
  Result<OpenedRecord> open_record(ByteView key, ByteView value, Bytes& scratch) const;

  Result<std::vector<std::pair<LogNumber, protocol::LogRecord>>> read_logs(const lmdb::Txn& txn) const;
  // Every log with its record, in one read transaction.
  Result<std::vector<std::pair<LogNumber, protocol::LogRecord>>> all_logs();

 private:
  Database(std::filesystem::path folder, const crypto::StoreKey& key);
  Result<void> open_env(std::size_t map_bytes);
  Result<void> create_databases();
  Result<void> open_databases();
  Result<void> check_key(const lmdb::Txn& txn) const;
  Result<void> load_state(const lmdb::Txn& txn);
  Result<LogState> load_log_state(LogNumber number, lmdb::Cursor& index) const;

  std::filesystem::path folder_;
  Seals seals_;
  lmdb::Env env_;
  Databases dbs_;
  MapGate gate_;
  std::atomic<std::uint64_t> newest_arrival_{0};
  mutable std::mutex logs_mutex_;
  std::unordered_map<protocol::LogKey, LogState, FixedBytesHash> logs_;  // guarded by logs_mutex_
};

inline constexpr std::string_view kDataFile = "data.mdb";
// Room in the map for a file of this size, and as much again, so that the first growth is not at once.
std::size_t map_bytes_for(std::uint64_t file_bytes);
// Version of the store, 1 to `known`: else kSchemaTooNew, or damaged.
Result<std::uint32_t> read_schema(const lmdb::Txn& txn, MDB_dbi meta, std::uint32_t known);
int put_schema(lmdb::Txn& txn, MDB_dbi meta, std::uint32_t version);

// Associated data of a sealed entry: u64 arrival ‖ prefix.
std::array<std::uint8_t, 8 + kEntryPrefixBytes> entry_place(std::uint64_t arrival, ByteView prefix);
// Associated data of a log record.
std::array<std::uint8_t, 4> log_place(LogNumber number);
// An integer key or value as LMDB gave it; nothing when its size is wrong.
template <class Integer>
std::optional<Integer> read_integer(const MDB_val& val) {
  if (val.mv_size != sizeof(Integer)) return std::nullopt;
  Integer out;
  std::memcpy(&out, val.mv_data, sizeof out);
  return out;
}

}  // namespace tocsin::store
