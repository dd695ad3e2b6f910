#include "node/store/database.h"

#include "crypto/hash.h"
#include "node/store/codes.h"
#include "node/store/files.h"

namespace tocsin::store {
namespace {

namespace fs = std::filesystem;
using protocol::kStoreFailed;

constexpr std::string_view kSchemaName = "schema";
constexpr std::string_view kCheckName = "check";
constexpr std::size_t kMapSlack = 64 * 1024 * 1024;

fs::path data_file(const fs::path& folder) { return folder / kDataFile; }

crypto::SecretBuffer derive_name_key(const crypto::StoreKey& key) {
  crypto::SecretBuffer out(32);
  crypto::keyed_hash_into(out.mutable_view(), key.view(), crypto::kPersonalStoreName, as_bytes("name"));
  return out;
}

}  // namespace

Error damaged_store(std::string detail) {
  return environment_error(kStoreFailed, "the store is damaged, run fsck: " + std::move(detail));
}

std::array<std::uint8_t, 8 + kEntryPrefixBytes> entry_place(std::uint64_t arrival, ByteView prefix) {
  std::array<std::uint8_t, 8 + kEntryPrefixBytes> out{};
  store_le64(out.data(), arrival);
  std::copy(prefix.begin(), prefix.end(), out.begin() + 8);
  return out;
}

std::array<std::uint8_t, 4> log_place(LogNumber number) {
  std::array<std::uint8_t, 4> out{};
  store_le32(out.data(), number);
  return out;
}

Seals::Seals(const crypto::StoreKey& key)
    : check(key.view(), crypto::kLabelStoreCheck),
      log(key.view(), crypto::kLabelStoreLog),
      entry(key.view(), crypto::kLabelStoreEntry),
      record(key.view(), crypto::kLabelStoreRecord),
      name_key(derive_name_key(key)) {}

std::array<std::uint8_t, kRecordKeyBytes> Seals::record_key(protocol::Table table, ByteView name) const {
  std::array<std::uint8_t, kRecordKeyBytes> out{static_cast<std::uint8_t>(table)};
  crypto::Hasher hasher(crypto::kPersonalStoreName, crypto::Hash::kSize, name_key.view());
  hasher.update(ByteView(out).first(1)).update(name).finish(MutableByteView(out).subspan(1));
  return out;
}

// ---- Its version

std::size_t map_bytes_for(std::uint64_t file_bytes) {
  return (static_cast<std::size_t>(file_bytes) / kMapSlack + 2) * kMapSlack;
}

Result<std::uint32_t> read_schema(const lmdb::Txn& txn, MDB_dbi meta, std::uint32_t known) {
  MDB_val value;
  if (txn.get(meta, as_bytes(kSchemaName), value) != 0 || value.mv_size != 4) {
    return damaged_store("it does not say its version");
  }
  const std::uint32_t version = load_le32(lmdb::to_view(value).data());
  if (version == 0) return damaged_store("it does not say its version");
  if (version > known) {
    return caller_error(kSchemaTooNew, "this store has format " + std::to_string(version) +
                                           " of a later version of tocsin, this program knows up to " +
                                           std::to_string(known) + "; install that version again: nothing was changed");
  }
  return version;
}

int put_schema(lmdb::Txn& txn, MDB_dbi meta, std::uint32_t version) {
  std::array<std::uint8_t, 4> bytes{};
  store_le32(bytes.data(), version);
  return txn.put(meta, as_bytes(kSchemaName), bytes);
}

// ---- Opening

Database::Database(fs::path folder, const crypto::StoreKey& key) : folder_(std::move(folder)), seals_(key) {}

Result<std::unique_ptr<Database>> Database::create(const fs::path& folder, const crypto::StoreKey& key,
                                                   std::size_t map_bytes) {
  TOCSIN_TRY(make_private_folder(folder));
  std::error_code error;
  if (fs::exists(data_file(folder), error)) {
    return caller_error(kStoreExists, folder.string() + " holds a store already");
  }
  std::unique_ptr<Database> database(new Database(folder, key));
  TOCSIN_TRY(database->open_env(map_bytes));
  TOCSIN_TRY(database->create_databases());
  TOCSIN_TRY(sync_folder(folder));
  return database;
}

Result<std::unique_ptr<Database>> Database::open(const fs::path& folder, const crypto::StoreKey& key,
                                                 std::size_t map_bytes_min, PageDepth pages) {
  // A store that is gone is never made anew: the node would sign its numbers a second time (rule 9).
  std::error_code error;
  const std::uintmax_t file_bytes = fs::file_size(data_file(folder), error);
  if (error)
    return environment_error(
        kStoreMissing,
        data_file(folder).string() +
            " is missing, and nothing is made anew in its place; what peers hold comes into a new home by a sync");
  TOCSIN_TRY(check_private_folder(folder));
  TOCSIN_TRY(check_pages(data_file(folder), pages));

  std::unique_ptr<Database> database(new Database(folder, key));
  TOCSIN_TRY(database->open_env(std::max(map_bytes_min, map_bytes_for(file_bytes))));
  TOCSIN_TRY(database->open_databases());
  return database;
}

Result<void> Database::open_env(std::size_t map_bytes) {
  TOCSIN_ASSIGN(env, lmdb::Env::open(folder_, map_bytes));
  env_ = std::move(env);
  return kOk;
}

Result<void> Database::create_databases() {
  lmdb::Txn txn;
  int rc = txn.begin_write(env_);
  if (rc == 0) rc = txn.open_dbi("meta", MDB_CREATE, dbs_.meta);
  if (rc == 0) rc = txn.open_dbi("logs", MDB_CREATE | MDB_INTEGERKEY, dbs_.logs);
  if (rc == 0) rc = txn.open_dbi("entries", MDB_CREATE | MDB_INTEGERKEY, dbs_.entries);
  if (rc == 0) rc = txn.open_dbi("index", MDB_CREATE, dbs_.index);
  if (rc == 0) rc = txn.open_dbi("records", MDB_CREATE, dbs_.records);
  if (rc != 0) return lmdb::error_from(rc, "cannot make the store");

  crypto::SystemRandom random;
  std::array<std::uint8_t, 16> id{};
  random.fill(id);
  rc = put_schema(txn, dbs_.meta, kSchemaVersion);
  if (rc == 0) rc = txn.put(dbs_.meta, as_bytes(kCheckName), seals_.check.seal({}, id, random));
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return lmdb::error_from(rc, "cannot make the store");
  return kOk;
}

Result<void> Database::open_databases() {
  lmdb::Txn txn;
  int rc = txn.begin_read(env_);
  if (rc == 0) rc = txn.open_dbi("meta", 0, dbs_.meta);
  if (rc != 0) return lmdb::error_from(rc, "cannot open the store");
  TOCSIN_TRY(read_schema(txn, dbs_.meta, kSchemaVersion));
  TOCSIN_TRY(check_key(txn));
  rc = txn.open_dbi("logs", 0, dbs_.logs);
  if (rc == 0) rc = txn.open_dbi("entries", 0, dbs_.entries);
  if (rc == 0) rc = txn.open_dbi("index", 0, dbs_.index);
  if (rc == 0) rc = txn.open_dbi("records", 0, dbs_.records);
  if (rc != 0) return lmdb::error_from(rc, "cannot open the store");
  TOCSIN_TRY(load_state(txn));
  rc = txn.commit();  // of a read transaction: keeps the databases open
  if (rc != 0) return lmdb::error_from(rc, "cannot open the store");
  return kOk;
}

Result<void> Database::check_key(const lmdb::Txn& txn) const {
  MDB_val value;
  if (txn.get(dbs_.meta, as_bytes(kCheckName), value) != 0) return damaged_store("it does not say whose it is");
  Bytes id;
  if (!seals_.check.open({}, lmdb::to_view(value), id)) {
    return environment_error(kWrongStoreKey, "the store does not open with this home's keys; they are of two homes");
  }
  return kOk;
}

Result<void> Database::load_state(const lmdb::Txn& txn) {
  TOCSIN_ASSIGN(logs, read_logs(txn));
  lmdb::Cursor index;
  lmdb::Cursor entries;
  int rc = index.open(txn, dbs_.index);
  if (rc == 0) rc = entries.open(txn, dbs_.entries);
  if (rc != 0) return lmdb::error_from(rc, "cannot read the store");
  for (const auto& [number, record] : logs) {
    TOCSIN_ASSIGN(state, load_log_state(number, index));
    if (!logs_.emplace(record.log, state).second) return damaged_store("a log stands in it twice");
  }
  MDB_val key;
  MDB_val value;
  // What was cut out of a log may have been the newest.
  if (txn.get(dbs_.meta, as_bytes(kArrivalName), value) == 0) {
    const auto given_out = read_integer<std::uint64_t>(value);
    if (!given_out) return damaged_store("its newest arrival cannot be read");
    newest_arrival_ = *given_out;
  }
  rc = entries.get(key, value, MDB_LAST);
  if (rc == MDB_NOTFOUND) return kOk;
  const auto newest = rc == 0 ? read_integer<std::uint64_t>(key) : std::nullopt;
  if (!newest) return damaged_store("its newest entry cannot be read");
  newest_arrival_ = std::max(newest_arrival_.load(), *newest);
  return kOk;
}

Result<LogState> Database::load_log_state(LogNumber number, lmdb::Cursor& index) const {
  LogState state{number, 1, 0};
  const auto from = index_key(number, {0});
  MDB_val key = lmdb::to_val(from);
  MDB_val value;
  int rc = index.get(key, value, MDB_SET_RANGE);
  if (rc == MDB_NOTFOUND) return state;
  if (rc != 0 || key.mv_size != kIndexKeyBytes) return damaged_store("its index cannot be read");
  if (index_log(lmdb::to_view(key)) != number) return state;
  state.low = index_number(lmdb::to_view(key)).value;

  // The last key of this log is the one before the first of the next.
  const auto after = index_key(number + 1, {0});
  key = lmdb::to_val(after);
  rc = index.get(key, value, MDB_SET_RANGE);
  if (rc == 0) rc = index.get(key, value, MDB_PREV);
  if (rc == MDB_NOTFOUND) rc = index.get(key, value, MDB_LAST);
  if (rc != 0 || key.mv_size != kIndexKeyBytes || index_log(lmdb::to_view(key)) != number) {
    return damaged_store("its index cannot be read");
  }
  state.high = index_number(lmdb::to_view(key)).value;
  return state;
}

// ---- Reading

Result<std::vector<std::pair<LogNumber, protocol::LogRecord>>> Database::read_logs(const lmdb::Txn& txn) const {
  std::vector<std::pair<LogNumber, protocol::LogRecord>> out;
  lmdb::Cursor cursor;
  if (const int rc = cursor.open(txn, dbs_.logs); rc != 0) return lmdb::error_from(rc, "cannot read the logs");
  Bytes scratch;
  MDB_val key;
  MDB_val value;
  int rc = cursor.get(key, value, MDB_FIRST);
  for (; rc == 0; rc = cursor.get(key, value, MDB_NEXT)) {
    const auto number = read_integer<LogNumber>(key);
    if (!number) return damaged_store("a log has no number");
    TOCSIN_ASSIGN(record, open_log(*number, lmdb::to_view(value), scratch));
    out.emplace_back(*number, record);
  }
  if (rc != MDB_NOTFOUND) return lmdb::error_from(rc, "cannot read the logs");
  return out;
}

Result<std::vector<std::pair<LogNumber, protocol::LogRecord>>> Database::all_logs() {
  const MapGate::Reader reader(gate_);
  lmdb::Txn txn;
  if (const int rc = txn.begin_read(env_); rc != 0) return lmdb::error_from(rc, "cannot read the logs");
  return read_logs(txn);
}

std::optional<LogState> Database::find_log(const protocol::LogKey& log) const {
  const std::lock_guard lock(logs_mutex_);
  const auto found = logs_.find(log);
  return found == logs_.end() ? std::nullopt : std::optional(found->second);
}

std::size_t Database::log_count() const {
  const std::lock_guard lock(logs_mutex_);
  return logs_.size();
}

void Database::update_logs(const std::unordered_map<protocol::LogKey, LogState, FixedBytesHash>& changed) {
  const std::lock_guard lock(logs_mutex_);
  for (const auto& [log, state] : changed) logs_[log] = state;
}

Result<Database::Opened> Database::open_entry(std::uint64_t arrival, ByteView value, Bytes& scratch) const {
  TOCSIN_ASSIGN(prefix, EntryPrefix::decode(value));
  ByteView bytes = value.subspan(kEntryPrefixBytes);
  if (prefix.sealed) {
    const auto place = entry_place(arrival, value.first(kEntryPrefixBytes));
    if (!seals_.entry.open(place, bytes, scratch)) {
      return damaged_store("entry " + std::to_string(arrival) + " does not open");
    }
    bytes = scratch;
  }
  TOCSIN_ASSIGN(entry, split_entry(bytes, prefix.signature_bytes));
  return Opened{prefix, entry};
}

Result<protocol::LogRecord> Database::open_log(LogNumber number, ByteView value, Bytes& scratch) const {
  if (!seals_.log.open(log_place(number), value, scratch)) {
    return damaged_store("the record of log " + std::to_string(number) + " does not open");
  }
  return decode_log(scratch);
}

Result<Database::OpenedRecord> Database::open_record(ByteView key, ByteView value, Bytes& scratch) const {
  if (!seals_.record.open(key, value, scratch) || scratch.size() < 2 ||
      load_le16(scratch.data()) > scratch.size() - 2) {
    return damaged_store("a record does not open");
  }
  const std::size_t name_bytes = load_le16(scratch.data());
  const ByteView all = scratch;
  return OpenedRecord{all.subspan(2, name_bytes), all.subspan(2 + name_bytes)};
}

}  // namespace tocsin::store
