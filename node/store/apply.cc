#include "node/store/apply.h"

#include "node/store/codes.h"
#include "protocol/entry_peek.h"

namespace tocsin::store {
namespace {

using namespace protocol;

Applied lmdb_failed(int rc) {
  if (rc == 0) return std::nullopt;
  return ApplyError{rc, lmdb::error_from(rc, "cannot write to the store")};
}

Applied failed(Error error) { return ApplyError{0, std::move(error)}; }

}  // namespace

int Application::begin() {
  int rc = txn_.begin_write(database_.env());
  if (rc == 0) rc = entries_.open(txn_, database_.dbs().entries);
  if (rc == 0) rc = index_.open(txn_, database_.dbs().index);
  if (rc != 0) return rc;
  next_arrival_ = database_.newest_arrival() + 1;
  next_log_ = static_cast<LogNumber>(database_.log_count()) + 1;
  MDB_val key;
  MDB_val value;
  rc = index_.get(key, value, MDB_LAST);
  if (rc == MDB_NOTFOUND) return 0;
  if (rc != 0) return rc;
  if (key.mv_size != kIndexKeyBytes) return MDB_CORRUPTED;
  std::memcpy(index_end_.data(), key.mv_data, kIndexKeyBytes);
  return 0;
}

Applied Application::add(const Batch& batch) {
  for (const LogRecord& record : batch.logs()) {
    if (Applied error = add_log(record)) return error;
  }
  for (const Batch::LogCut& cut : batch.cuts()) {
    if (Applied error = cut_log(cut)) return error;
  }
  for (const Batch::EntryWrite& write : batch.entries()) {
    if (Applied error = add_entry(batch, write)) return error;
  }
  for (const Batch::BodyErase& erased : batch.erases()) {
    if (Applied error = erase(erased)) return error;
  }
  for (const Batch::RecordWrite& write : batch.records()) {
    if (Applied error = write_record(write)) return error;
  }
  return std::nullopt;
}

int Application::commit() {
  entries_.close();
  index_.close();
  const int rc = txn_.commit();
  if (rc == 0) {
    database_.update_logs(logs_);
    database_.set_newest_arrival(next_arrival_ - 1);
  }
  return rc;
}

LogState* Application::find_log(const LogKey& log) {
  if (last_key_ != nullptr && *last_key_ == log) return last_state_;
  auto found = logs_.find(log);
  if (found == logs_.end()) {
    const std::optional<LogState> known = database_.find_log(log);
    if (!known) return nullptr;
    found = logs_.emplace(log, *known).first;
  }
  last_key_ = &found->first;
  last_state_ = &found->second;
  return last_state_;
}

Applied Application::add_log(const LogRecord& record) {
  LogState* log = find_log(record.log);
  if (log == nullptr) log = &logs_.emplace(record.log, LogState{next_log_++, 1, 0}).first->second;
  const Bytes sealed = database_.seals().log.seal(log_place(log->number), encode_log(record), random_);
  return lmdb_failed(txn_.put(database_.dbs().logs, integer_key(log->number), sealed));
}

Applied Application::add_entry(const Batch& batch, const Batch::EntryWrite& write) {
  const EntryView entry = batch.entry(write);
  if (peek_number(entry.header) != write.number || !equal(peek_log(entry.header), write.log.view()) ||
      (!entry.body.empty() && entry.body.size() != peek_body_bytes(entry.header))) {
    return failed(internal_error(kEntryMismatch, "an entry is written under what its header says"));
  }
  LogState* log = find_log(write.log);
  if (log == nullptr) return failed(internal_error(kLogUnknown, "a log's first batch carries its record"));

  const std::uint64_t number = write.number.value;
  if (log->empty()) {
    log->low = log->high = number;
  } else if (number == log->high + 1) {
    log->high = number;
  } else if (number + 1 == log->low) {
    log->low = number;
  } else if (number >= log->low && number <= log->high) {
    if (Applied error = replace_bodiless(entry, log->number)) return error;
  } else {
    return failed(internal_error(kEntryGap, "the numbers held of a log are one interval"));
  }
  if (Applied error = put_index(log->number, write.number)) return error;
  return put_entry(entry, write.checked, log->number);
}

// The same entry with its body takes the place of the one without (protocol/memory_store.h, promise 3).
Applied Application::replace_bodiless(const EntryView& entry, LogNumber log) {
  std::optional<Held> held;
  if (Applied error = find_entry(log, peek_number(entry.header), held)) return error;
  const EntryView old = held ? held->entry.view() : EntryView{};
  if (!held || !body_absent(old) || entry.body.empty() || !equal(old.header, entry.header) ||
      !equal(old.signature, entry.signature)) {
    return failed(internal_error(kEntryHeld, "a number of a log is written once"));
  }
  return lmdb_failed(txn_.remove(database_.dbs().entries, integer_key(held->arrival)));
}

Applied Application::put_index(LogNumber log, Number number) {
  const auto key_bytes = index_key(log, number);
  MDB_val key = lmdb::to_val(key_bytes);
  MDB_val value = lmdb::to_val(integer_key(next_arrival_));
  // One search less, and full pages, where keys rise: a log that grows alone, or the newest log.
  const bool at_end = key_bytes > index_end_;
  if (at_end) index_end_ = key_bytes;
  return lmdb_failed(index_.put(key, value, at_end ? MDB_APPEND : 0));
}

Applied Application::put_entry(const EntryView& entry, Checked checked, LogNumber log) {
  const std::uint64_t arrival = next_arrival_++;
  const EntryPrefix prefix{checked, peek_in_organisation_log(entry.header),
                           static_cast<std::uint16_t>(entry.signature.size()), log};
  if (prefix.sealed) return put_sealed(arrival, prefix, entry, MDB_APPEND);

  MDB_val key = lmdb::to_val(integer_key(arrival));
  MDB_val value{kEntryPrefixBytes + size_of(entry), nullptr};
  if (const int rc = entries_.put(key, value, MDB_APPEND | MDB_RESERVE); rc != 0) return lmdb_failed(rc);
  auto* to = static_cast<std::uint8_t*>(value.mv_data);
  const auto prefix_bytes = prefix.encode();
  std::memcpy(to, prefix_bytes.data(), kEntryPrefixBytes);
  // A batch keeps the three parts of an entry in one run.
  std::memcpy(to + kEntryPrefixBytes, entry.header.data(), size_of(entry));
  return std::nullopt;
}

Applied Application::put_sealed(std::uint64_t arrival, EntryPrefix prefix, const EntryView& entry, unsigned flags) {
  const auto prefix_bytes = prefix.encode();
  Bytes plain = to_bytes(entry.header);
  append(plain, entry.signature);
  append(plain, entry.body);
  Bytes value = to_bytes(prefix_bytes);
  database_.seals().entry.seal(entry_place(arrival, prefix_bytes), plain, random_, value);
  return lmdb_failed(txn_.put(database_.dbs().entries, integer_key(arrival), value, flags));
}

Applied Application::find_entry(LogNumber log, Number number, std::optional<Held>& out) {
  MDB_val value;
  int rc = txn_.get(database_.dbs().index, index_key(log, number), value);
  if (rc == MDB_NOTFOUND) return std::nullopt;
  if (rc != 0) return lmdb_failed(rc);
  const auto arrival = read_integer<std::uint64_t>(value);
  rc = arrival ? txn_.get(database_.dbs().entries, integer_key(*arrival), value) : MDB_CORRUPTED;
  if (rc != 0) return lmdb_failed(rc);
  Bytes scratch;
  const Result<Database::Opened> opened = database_.open_entry(*arrival, lmdb::to_view(value), scratch);
  if (!opened) return failed(opened.error());
  const EntryView& entry = opened->entry;
  out = Held{*arrival, opened->prefix, Entry(entry.header, entry.signature, entry.body)};
  return std::nullopt;
}

// The newest arrival may go, too: its number is kept, so that whoever follows the arrivals misses nothing that comes
// after.
Applied Application::cut_log(const Batch::LogCut& cut) {
  LogState* log = find_log(cut.log);
  if (log == nullptr || log->empty() || log->high <= cut.keep.value) return std::nullopt;
  for (std::uint64_t number = log->high; number > cut.keep.value && number >= log->low; --number) {
    const auto key = index_key(log->number, {number});
    MDB_val value;
    int rc = txn_.get(database_.dbs().index, key, value);
    const auto arrival = rc == 0 ? read_integer<std::uint64_t>(value) : std::nullopt;
    if (rc == 0 && !arrival) rc = MDB_CORRUPTED;
    if (rc == 0) rc = txn_.remove(database_.dbs().entries, integer_key(*arrival));
    if (rc == 0) rc = txn_.remove(database_.dbs().index, key);
    if (rc != 0) return lmdb_failed(rc);
  }
  if (cut.keep.value < log->low) {
    log->low = 1;
    log->high = 0;
  } else {
    log->high = cut.keep.value;
  }
  const std::uint64_t newest = next_arrival_ - 1;
  return lmdb_failed(txn_.put(database_.dbs().meta, as_bytes(kArrivalName), integer_key(newest)));
}

Applied Application::erase(const Batch::BodyErase& erased) {
  const LogState* log = find_log(erased.log);
  if (log == nullptr) return std::nullopt;
  std::optional<Held> held;
  if (Applied error = find_entry(log->number, erased.number, held)) return error;
  if (!held || held->entry.view().body.empty()) return std::nullopt;

  const EntryView old = held->entry.view();
  const EntryView bodiless{old.header, old.signature, {}};
  // Removed and put again rather than overwritten: only removing lets LMDB merge pages that have become empty.
  if (Applied error = lmdb_failed(txn_.remove(database_.dbs().entries, integer_key(held->arrival)))) return error;
  if (held->prefix.sealed) return put_sealed(held->arrival, held->prefix, bodiless, 0);
  Bytes value = to_bytes(held->prefix.encode());
  append(value, bodiless.header);
  append(value, bodiless.signature);
  return lmdb_failed(txn_.put(database_.dbs().entries, integer_key(held->arrival), value));
}

Applied Application::write_record(const Batch::RecordWrite& write) {
  const auto key = database_.seals().record_key(write.table, write.name);
  if (!write.value) {
    const int rc = txn_.remove(database_.dbs().records, key);
    return rc == MDB_NOTFOUND ? std::nullopt : lmdb_failed(rc);
  }
  if (write.name.size() > UINT16_MAX || write.name.size() + write.value->size() > kRecordBytesMax) {
    return failed(internal_error(kRecordTooLarge, "a record has at most 8 MiB"));
  }
  Bytes plain(2);
  store_le16(plain.data(), static_cast<std::uint16_t>(write.name.size()));
  append(plain, write.name);
  append(plain, *write.value);
  return lmdb_failed(txn_.put(database_.dbs().records, key, database_.seals().record.seal(key, plain, random_)));
}

}  // namespace tocsin::store
