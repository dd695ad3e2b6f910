#include "node/store/reader.h"

#include "protocol/entry_peek.h"

namespace tocsin::store {
namespace {

using namespace protocol;

Error read_error(int rc) { return lmdb::error_from(rc, "cannot read the store"); }

// Entries mostly stand in the order in which a log is read: the next one is found without a search.
int seek_entry(lmdb::Cursor& entries, std::uint64_t arrival, std::uint64_t at, MDB_val& value) {
  MDB_val key;
  if (at != 0 && arrival == at + 1) {
    const int rc = entries.get(key, value, MDB_NEXT);
    if (rc == 0 && read_integer<std::uint64_t>(key) == arrival) return 0;
  }
  key = lmdb::to_val(integer_key(arrival));
  return entries.get(key, value, MDB_SET);
}

}  // namespace

Result<bool> EntryFeed::give(std::uint64_t arrival, const MDB_val& value) {
  // The size without opening: a sealed entry is a little larger than what it holds.
  if (!first_ && used_ + value.mv_size - kEntryPrefixBytes > bytes_max_) return false;
  TOCSIN_ASSIGN(opened, database_.open_entry(arrival, lmdb::to_view(value), scratch_));
  const EntryView& entry = opened.entry;
  first_ = false;
  used_ += size_of(entry);
  return visit_({{arrival}, peek_number(entry.header), opened.prefix.checked, body_absent(entry), entry});
}

Result<void> read_log(Database& database, const LogKey& log, Number from, Number to, std::size_t bytes_max,
                      const EntryVisitor& visit) {
  const std::optional<LogState> state = database.find_log(log);
  if (!state || state->empty()) return kOk;
  const MapGate::Reader reader(database.gate());
  lmdb::Txn txn;
  lmdb::Cursor index;
  lmdb::Cursor entries;
  int rc = txn.begin_read(database.env());
  if (rc == 0) rc = index.open(txn, database.dbs().index);
  if (rc == 0) rc = entries.open(txn, database.dbs().entries);
  if (rc != 0) return read_error(rc);

  EntryFeed feed(database, bytes_max, visit);
  const auto first = index_key(state->number, from);
  MDB_val key = lmdb::to_val(first);
  MDB_val value;
  std::uint64_t at = 0;
  for (rc = index.get(key, value, MDB_SET_RANGE); rc == 0; rc = index.get(key, value, MDB_NEXT)) {
    const ByteView key_bytes = lmdb::to_view(key);
    if (key_bytes.size() != kIndexKeyBytes) return damaged_store("a key of the index");
    if (index_log(key_bytes) != state->number || index_number(key_bytes) > to) return kOk;
    const auto arrival = read_integer<std::uint64_t>(value);
    if (!arrival || *arrival == 0) return damaged_store("a value of the index");
    MDB_val stored;
    rc = seek_entry(entries, *arrival, at, stored);
    if (rc == MDB_NOTFOUND) return damaged_store("an entry is missing");
    if (rc != 0) return read_error(rc);
    at = *arrival;
    TOCSIN_ASSIGN(more, feed.give(*arrival, stored));
    if (!more) return kOk;
  }
  return rc == MDB_NOTFOUND ? Result<void>(kOk) : read_error(rc);
}

Result<void> read_arrivals(Database& database, Arrival cursor, std::size_t bytes_max, const EntryVisitor& visit) {
  const MapGate::Reader reader(database.gate());
  lmdb::Txn txn;
  lmdb::Cursor entries;
  int rc = txn.begin_read(database.env());
  if (rc == 0) rc = entries.open(txn, database.dbs().entries);
  if (rc != 0) return read_error(rc);

  EntryFeed feed(database, bytes_max, visit);
  const std::uint64_t first = cursor.value + 1;
  MDB_val key = lmdb::to_val(integer_key(first));
  MDB_val value;
  for (rc = entries.get(key, value, MDB_SET_RANGE); rc == 0; rc = entries.get(key, value, MDB_NEXT)) {
    const auto arrival = read_integer<std::uint64_t>(key);
    if (!arrival) return damaged_store("a key of an entry");
    TOCSIN_ASSIGN(more, feed.give(*arrival, value));
    if (!more) return kOk;
  }
  return rc == MDB_NOTFOUND ? Result<void>(kOk) : read_error(rc);
}

Result<Bytes> get_record(Database& database, Table table, ByteView name) {
  const auto key = database.seals().record_key(table, name);
  const MapGate::Reader reader(database.gate());
  lmdb::Txn txn;
  int rc = txn.begin_read(database.env());
  MDB_val value;
  if (rc == 0) rc = txn.get(database.dbs().records, key, value);
  if (rc == MDB_NOTFOUND) return caller_error(kNotHeld);
  if (rc != 0) return read_error(rc);
  Bytes scratch;
  TOCSIN_ASSIGN(record, database.open_record(key, lmdb::to_view(value), scratch));
  if (!equal(record.name, name)) return damaged_store("a record has another's name");
  return to_bytes(record.value);
}

Result<void> scan_records(Database& database, Table table, const RecordVisitor& visit) {
  const MapGate::Reader reader(database.gate());
  lmdb::Txn txn;
  lmdb::Cursor cursor;
  int rc = txn.begin_read(database.env());
  if (rc == 0) rc = cursor.open(txn, database.dbs().records);
  if (rc != 0) return read_error(rc);
  const auto prefix = static_cast<std::uint8_t>(table);
  MDB_val key{1, const_cast<std::uint8_t*>(&prefix)};
  MDB_val value;
  Bytes scratch;
  for (rc = cursor.get(key, value, MDB_SET_RANGE); rc == 0; rc = cursor.get(key, value, MDB_NEXT)) {
    const ByteView key_bytes = lmdb::to_view(key);
    if (key_bytes.empty() || key_bytes[0] != prefix) return kOk;
    TOCSIN_ASSIGN(record, database.open_record(key_bytes, lmdb::to_view(value), scratch));
    if (!visit(record.name, record.value)) return kOk;
  }
  return rc == MDB_NOTFOUND ? Result<void>(kOk) : read_error(rc);
}

Result<StoreImage> read_image(Database& database) {
  const MapGate::Reader reader(database.gate());
  lmdb::Txn txn;
  lmdb::Cursor cursor;
  int rc = txn.begin_read(database.env());
  if (rc == 0) rc = cursor.open(txn, database.dbs().records);
  if (rc != 0) return read_error(rc);
  StoreImage out;
  TOCSIN_ASSIGN(logs, database.read_logs(txn));
  for (auto& [number, record] : logs) out.logs.push_back(record);
  MDB_val key;
  MDB_val value;
  Bytes scratch;
  for (rc = cursor.get(key, value, MDB_FIRST); rc == 0; rc = cursor.get(key, value, MDB_NEXT)) {
    const ByteView key_bytes = lmdb::to_view(key);
    if (key_bytes.empty()) return damaged_store("a key of a record");
    TOCSIN_ASSIGN(record, database.open_record(key_bytes, lmdb::to_view(value), scratch));
    out.records.push_back({static_cast<Table>(key_bytes[0]), to_bytes(record.name), to_bytes(record.value)});
  }
  if (rc != MDB_NOTFOUND) return read_error(rc);
  return out;
}

}  // namespace tocsin::store
