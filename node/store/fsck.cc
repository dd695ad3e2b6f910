// Three passes. First by arrival: every entry opens, is filed under what its header says, has the body that its header
// names. Then log by log over the index: numbers without a gap, each entry naming the hash of the one before, the log's
// record saying what is there. Last the records. What arrives while a pass runs is looked at or not; what is compared
// is always read in one transaction.
#include "node/store/fsck.h"

#include <map>

#include "node/store/codes.h"
#include "protocol/entry_peek.h"

namespace tocsin::store {
namespace {

using namespace protocol;

constexpr std::size_t kChunkEntries = 1024;  // of one transaction: some milliseconds
constexpr std::size_t kChunkBytes = 4 * 1024 * 1024;

class Fsck {
 public:
  Fsck(Database& database, const FsckChecks& checks) : database_(database), checks_(checks) {}

  Result<FsckReport> run() {
    TOCSIN_ASSIGN(logs, database_.all_logs());
    for (auto& [number, record] : logs) logs_.emplace(number, record);
    report_.logs = logs_.size();
    TOCSIN_TRY(count());
    TOCSIN_TRY(check_entries());
    for (auto log = logs_.begin(); log != logs_.end() && report_.complete; ++log) {
      TOCSIN_TRY(check_log(log->first, log->second));
    }
    if (report_.complete) TOCSIN_TRY(check_records());
    return std::move(report_);
  }

 private:
  // An entry taken out of the database: a view that is good until the next one.
  struct Found {
    StoredEntry stored;
    EntryPrefix prefix;
    EntryHeader header;
  };

  void problem(Code code, const LogKey& log, Number number, std::string detail) {
    ++report_.problem_count;
    if (report_.problems.size() < kFsckProblemsMax) report_.problems.push_back({code, log, number, std::move(detail)});
  }
  static Error failed(int rc) { return lmdb::error_from(rc, "cannot check the store"); }
  void tick() {
    if (checks_.progress && !checks_.progress(progress_)) report_.complete = false;
  }

  Result<void> count() {
    const MapGate::Reader reader(database_.gate());
    lmdb::Txn txn;
    MDB_stat entries{};
    MDB_stat index{};
    int rc = txn.begin_read(database_.env());
    if (rc == 0) rc = txn.stat(database_.dbs().entries, entries);
    if (rc == 0) rc = txn.stat(database_.dbs().index, index);
    if (rc != 0) return failed(rc);
    if (entries.ms_entries != index.ms_entries) {
      problem("index_dangling", {}, {},
              std::to_string(entries.ms_entries) + " entries, but " + std::to_string(index.ms_entries) +
                  " keys in the index");
    }
    report_.entries = entries.ms_entries;
    progress_.total = 2 * report_.entries;
    return kOk;
  }

  Result<Found> take(std::uint64_t arrival, const MDB_val& value) {
    TOCSIN_ASSIGN(opened, database_.open_entry(arrival, lmdb::to_view(value), scratch_));
    TOCSIN_ASSIGN(header, EntryHeader::decode(opened.entry.header));
    const StoredEntry stored{{arrival}, header.number, opened.prefix.checked, body_absent(opened.entry), opened.entry};
    return Found{stored, opened.prefix, header};
  }

  // ---- By arrival

  Result<void> check_entries() {
    std::uint64_t after = 0;
    for (bool more = true; more && report_.complete; tick()) {
      TOCSIN_ASSIGN(last, check_entries_chunk(after));
      more = last != 0;
      after = last;
    }
    return kOk;
  }

  // Arrival to go on after; 0 at the end.
  Result<std::uint64_t> check_entries_chunk(std::uint64_t after) {
    const MapGate::Reader reader(database_.gate());
    lmdb::Txn txn;
    lmdb::Cursor cursor;
    int rc = txn.begin_read(database_.env());
    if (rc == 0) rc = cursor.open(txn, database_.dbs().entries);
    if (rc != 0) return failed(rc);
    const std::uint64_t first = after + 1;
    MDB_val key = lmdb::to_val(integer_key(first));
    MDB_val value;
    std::size_t bytes = 0;
    rc = cursor.get(key, value, MDB_SET_RANGE);
    for (std::size_t i = 0; rc == 0; ++i, rc = cursor.get(key, value, MDB_NEXT)) {
      if (i == kChunkEntries || bytes > kChunkBytes) return after;
      const std::uint64_t arrival = read_integer<std::uint64_t>(key).value_or(0);
      if (arrival <= after) {
        problem("order_broken", {}, {}, "an arrival behind " + std::to_string(after) + " is not larger");
        return std::uint64_t{0};
      }
      after = arrival;
      bytes += value.mv_size;
      ++progress_.done;
      const auto found = take(arrival, value);
      if (found) {
        check_entry(txn, *found);
      } else {
        problem("entry_unreadable", {}, {}, "arrival " + std::to_string(arrival) + ": " + found.error().detail);
      }
    }
    if (rc != MDB_NOTFOUND) return failed(rc);
    return std::uint64_t{0};
  }

  void check_entry(const lmdb::Txn& txn, const Found& found) {
    const EntryHeader& header = found.header;
    const auto log = logs_.find(found.prefix.log);
    if (log == logs_.end()) {
      // A log that came after the list of logs was taken: left to the next run.
      if (!database_.find_log(header.log)) {
        problem("entry_misplaced", header.log, header.number, "filed under a log that is not known");
      }
      return;
    }
    if (log->second.log != header.log || log->second.type != header.type || log->second.channel != header.channel) {
      problem("entry_misplaced", header.log, header.number, "filed under another log");
    }
    const EntryView& entry = found.stored.entry;
    if (!entry.body.empty() && (entry.body.size() != header.body_bytes || hash_body(entry.body) != header.body_hash)) {
      problem("body_changed", header.log, header.number, "the body is not the one that the header names");
    }
    MDB_val value;
    const int rc = txn.get(database_.dbs().index, index_key(found.prefix.log, header.number), value);
    if (rc != 0 || read_integer<std::uint64_t>(value) != found.stored.arrival.value) {
      problem("not_indexed", header.log, header.number, "the index does not lead to this entry");
    }
    if (checks_.every_signature || header.type == LogType::kOrganisation) check_signature(log->second, found);
  }

  void check_signature(const LogRecord& log, const Found& found) {
    if (checks_.signature && !checks_.signature(log, found.stored)) {
      problem("bad_signature", found.header.log, found.header.number, "the signature does not verify");
    }
  }

  // ---- By log

  // Where the walk along one log stands.
  struct Walk {
    LogNumber log_number = 0;
    LogKey log;
    std::uint64_t next = 0;  // number to go on from
    std::uint64_t low = 0;   // first and last number seen, 0 before the first
    std::uint64_t head = 0;
    EntryHash head_hash;
    std::uint64_t body_bytes = 0;
  };

  Result<void> check_log(LogNumber number, const LogRecord& before) {
    Walk walk;
    walk.log_number = number;
    walk.log = before.log;
    for (bool more = true; more && report_.complete; tick()) {
      TOCSIN_ASSIGN(goes_on, check_log_chunk(walk, before));
      more = goes_on;
    }
    return kOk;
  }

  Result<bool> check_log_chunk(Walk& walk, const LogRecord& before) {
    const MapGate::Reader reader(database_.gate());
    lmdb::Txn txn;
    lmdb::Cursor index;
    int rc = txn.begin_read(database_.env());
    if (rc == 0) rc = index.open(txn, database_.dbs().index);
    if (rc != 0) return failed(rc);
    const auto first = index_key(walk.log_number, {walk.next});
    MDB_val key = lmdb::to_val(first);
    MDB_val value;
    std::size_t bytes = 0;
    rc = index.get(key, value, MDB_SET_RANGE);
    for (std::size_t i = 0; rc == 0; ++i, rc = index.get(key, value, MDB_NEXT)) {
      const ByteView key_bytes = lmdb::to_view(key);
      if (key_bytes.size() != kIndexKeyBytes || index_log(key_bytes) != walk.log_number) break;
      if (i == kChunkEntries || bytes > kChunkBytes) return true;
      const Number number = index_number(key_bytes);
      if (number.value < walk.next) {
        problem("order_broken", walk.log, number, "the index is out of order");
        return false;
      }
      walk.next = number.value + 1;
      bytes += step(txn, walk, number, value);
    }
    if (rc != 0 && rc != MDB_NOTFOUND) return failed(rc);
    TOCSIN_TRY(check_end(txn, walk, before));
    return false;
  }

  // One entry further; returns its size.
  std::size_t step(const lmdb::Txn& txn, Walk& walk, Number number, const MDB_val& index_value) {
    ++progress_.done;
    const auto arrival = read_integer<std::uint64_t>(index_value);
    MDB_val value;
    if (!arrival || txn.get(database_.dbs().entries, integer_key(*arrival), value) != 0) {
      problem("index_dangling", walk.log, number, "the index leads to an entry that is not there");
      return 0;
    }
    Bytes scratch;
    const auto opened = database_.open_entry(*arrival, lmdb::to_view(value), scratch);
    if (!opened) return value.mv_size;  // told in the first pass
    const EntryView& entry = opened->entry;
    if (peek_number(entry.header) != number || !equal(peek_log(entry.header), walk.log.view())) {
      problem("entry_misplaced", walk.log, number, "the index leads to another entry");
      return value.mv_size;
    }
    if (walk.low == 0) {
      walk.low = number.value;
    } else if (number.value != walk.head + 1) {
      problem("gap", walk.log, number, "entries before this one are missing");
    } else if (!equal(peek_previous(entry.header), walk.head_hash.view())) {
      problem("chain_broken", walk.log, number, "it does not name the hash of the entry before it");
    }
    walk.head = number.value;
    walk.head_hash = hash_entry(entry.header, entry.signature);
    walk.body_bytes += entry.body.size();
    return value.mv_size;
  }

  // The log's record against what was seen of it, and the signature of its head.
  Result<void> check_end(const lmdb::Txn& txn, const Walk& walk, const LogRecord& before) {
    MDB_val value;
    if (const int rc = txn.get(database_.dbs().logs, integer_key(walk.log_number), value); rc != 0) return failed(rc);
    const auto record = database_.open_log(walk.log_number, lmdb::to_view(value), scratch_);
    if (!record) {
      problem("record_unreadable", walk.log, {}, record.error().detail);
      return kOk;
    }
    const auto mismatch = [&](std::string_view what) {
      problem("log_mismatch", walk.log, record->head, "the log's record is wrong about its " + std::string(what));
    };
    if (walk.low == 0) {
      if (record->low.value != record->head.value + 1) mismatch("entries: none are held");
      return kOk;
    }
    if (record->head.value != walk.head) mismatch("newest entry");
    if (record->head.value == walk.head && record->head_hash != walk.head_hash) mismatch("newest entry's hash");
    // Entries and erasures that came during the walk changed the record; then these two are for the next run.
    if (*record == before) {
      if (record->low.value != walk.low) mismatch("oldest entry");
      if (record->bytes != walk.body_bytes) mismatch("size");
    }
    TOCSIN_TRY(check_first(txn, walk, *record));
    return check_head(txn, walk, *record);
  }

  Result<void> check_first(const lmdb::Txn& txn, const Walk& walk, const LogRecord& record) {
    if (const auto found = find(txn, walk.log_number, record.low)) {
      if (found->header.previous != record.before_low) {
        problem("log_mismatch", walk.log, record.low,
                "the log's record is wrong about the hash before its oldest entry");
      }
    }
    return kOk;
  }

  Result<void> check_head(const lmdb::Txn& txn, const Walk& walk, const LogRecord& record) {
    if (record.type == LogType::kOrganisation || checks_.every_signature) return kOk;  // every entry was checked
    if (const auto found = find(txn, walk.log_number, {walk.head})) check_signature(record, *found);
    return kOk;
  }

  // Nothing where it is not held or does not open, which has been told.
  std::optional<Found> find(const lmdb::Txn& txn, LogNumber log, Number number) {
    MDB_val value;
    if (txn.get(database_.dbs().index, index_key(log, number), value) != 0) return std::nullopt;
    const auto arrival = read_integer<std::uint64_t>(value);
    if (!arrival || txn.get(database_.dbs().entries, integer_key(*arrival), value) != 0) return std::nullopt;
    auto found = take(*arrival, value);
    return found ? std::optional(std::move(*found)) : std::nullopt;
  }

  // ---- Records

  Result<void> check_records() {
    const MapGate::Reader reader(database_.gate());
    lmdb::Txn txn;
    lmdb::Cursor cursor;
    int rc = txn.begin_read(database_.env());
    if (rc == 0) rc = cursor.open(txn, database_.dbs().records);
    if (rc != 0) return failed(rc);
    MDB_val key;
    MDB_val value;
    for (rc = cursor.get(key, value, MDB_FIRST); rc == 0; rc = cursor.get(key, value, MDB_NEXT)) {
      ++report_.records;
      check_record(lmdb::to_view(key), lmdb::to_view(value));
    }
    return rc == MDB_NOTFOUND ? Result<void>(kOk) : failed(rc);
  }

  void check_record(ByteView key, ByteView value) {
    const auto record = key.size() == kRecordKeyBytes ? database_.open_record(key, value, scratch_)
                                                      : Result<Database::OpenedRecord>(internal_error("record_key"));
    const std::string table = "a record of table " + std::to_string(key.empty() ? 0 : key[0]);
    if (!record) {
      problem("record_unreadable", {}, {}, table + " does not open");
    } else if (!equal(database_.seals().record_key(static_cast<Table>(key[0]), record->name), key)) {
      problem("record_unreadable", {}, {}, table + " stands under another's name");
    }
  }

  Database& database_;
  const FsckChecks& checks_;
  std::map<LogNumber, LogRecord> logs_;
  FsckReport report_;
  FsckProgress progress_;
  Bytes scratch_;
};

}  // namespace

Result<FsckReport> check_database(Database& database, const FsckChecks& checks) { return Fsck(database, checks).run(); }

}  // namespace tocsin::store
