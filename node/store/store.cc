#include "node/store/store.h"

#include "node/store/codes.h"
#include "node/store/fsck.h"
#include "node/store/reader.h"
#include "node/store/room.h"
#include "node/store/writer.h"

namespace tocsin::store {

struct Store::Parts {
  Parts(std::unique_ptr<Database> opened, Post post, const StoreOptions& given)
      : options(given), database(std::move(opened)), writer(*database, std::move(post), given) {}

  const StoreOptions options;
  std::unique_ptr<Database> database;
  std::atomic<bool> closed{false};
  Writer writer;  // after the database it writes to

  Result<void> check_open() const {
    if (closed) return environment_error(protocol::kStoreFailed, "the store is closed");
    return kOk;
  }
};

Store::Store(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Store::~Store() { close(); }

std::string_view to_string(StoreState state) {
  switch (state) {
    case StoreState::kReady:
      return "ready";
    case StoreState::kDiskFull:
      return "disk_full";
    case StoreState::kFailed:
      return "failed";
    case StoreState::kClosed:
      return "closed";
  }
  return "unknown";
}

Result<std::unique_ptr<Store>> Store::create(const Home& home, const crypto::StoreKey& key, Post post,
                                             const StoreOptions& options) {
  TOCSIN_ASSIGN(database, Database::create(home.store(), key, options.map_bytes));
  return std::unique_ptr<Store>(new Store(std::make_unique<Parts>(std::move(database), std::move(post), options)));
}

Result<std::unique_ptr<Store>> Store::open(const Home& home, const crypto::StoreKey& key, Post post,
                                           const StoreOptions& options) {
  TOCSIN_ASSIGN(database, Database::open(home.store(), key, options.map_bytes, options.page_check));
  return std::unique_ptr<Store>(new Store(std::make_unique<Parts>(std::move(database), std::move(post), options)));
}

// ---- Reading

Result<std::vector<protocol::LogRecord>> Store::logs() {
  TOCSIN_TRY(parts_->check_open());
  TOCSIN_ASSIGN(all, parts_->database->all_logs());
  std::vector<protocol::LogRecord> out;
  out.reserve(all.size());
  for (auto& [number, record] : all) out.push_back(record);
  return out;
}

Result<void> Store::read(const protocol::LogKey& log, protocol::Number from, protocol::Number to, std::size_t bytes_max,
                         const protocol::EntryVisitor& visit) {
  TOCSIN_TRY(parts_->check_open());
  return read_log(*parts_->database, log, from, to, bytes_max, visit);
}

Result<void> Store::read_arrivals(protocol::Arrival cursor, std::size_t bytes_max,
                                  const protocol::EntryVisitor& visit) {
  TOCSIN_TRY(parts_->check_open());
  return store::read_arrivals(*parts_->database, cursor, bytes_max, visit);
}

protocol::Arrival Store::newest_arrival() { return {parts_->database->newest_arrival()}; }

Result<Bytes> Store::get_record(protocol::Table table, ByteView name) {
  TOCSIN_TRY(parts_->check_open());
  return store::get_record(*parts_->database, table, name);
}

Result<StoreImage> Store::image() {
  TOCSIN_TRY(parts_->check_open());
  return read_image(*parts_->database);
}

Result<void> Store::scan_records(protocol::Table table, const protocol::RecordVisitor& visit) {
  TOCSIN_TRY(parts_->check_open());
  return store::scan_records(*parts_->database, table, visit);
}

// ---- Writing

void Store::commit(protocol::Batch batch, std::function<void(Result<protocol::Arrival>)> done) {
  parts_->writer.enqueue(std::move(batch), std::move(done));
}

std::size_t Store::queued_bytes() const { return parts_->writer.queued_bytes(); }
bool Store::is_behind() const { return parts_->writer.is_behind(); }

void Store::flush() { parts_->writer.flush(); }

void Store::close() {
  if (parts_->closed.exchange(true)) return;
  parts_->writer.stop();
  parts_->database->gate().exclusively([this] { parts_->database->env().close(); });
}

// ---- Looking

std::uint64_t Store::size_bytes() const {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(parts_->database->folder() / "data.mdb", error);
  return error ? 0 : size;
}

std::uint64_t Store::entry_count() const {
  if (parts_->closed) return 0;
  Database& database = *parts_->database;
  const MapGate::Reader reader(database.gate());
  lmdb::Txn txn;
  MDB_stat stat{};
  if (txn.begin_read(database.env()) != 0 || txn.stat(database.dbs().entries, stat) != 0) return 0;
  return stat.ms_entries;
}

StoreStatus Store::status() const {
  StoreStatus status;
  parts_->writer.describe(status);
  if (parts_->closed) return status;
  lmdb::Env& env = parts_->database->env();
  status.file_bytes = size_bytes();
  status.disk_free_bytes = free_bytes(env.file());
  {
    const MapGate::Reader reader(parts_->database->gate());
    status.map_bytes = env.map_bytes();
  }
  status.entries = entry_count();
  status.logs = parts_->database->log_count();
  if (status.state == StoreState::kDiskFull &&
      check_room(env.file(), status.needed_bytes, parts_->options.reserve_bytes)) {
    status.state = StoreState::kReady;  // there is room again, though nothing was written since
    status.reason.reset();
    status.needed_bytes = 0;
  }
  return status;
}

Result<FsckReport> Store::fsck(const FsckChecks& checks) {
  TOCSIN_TRY(parts_->check_open());
  return check_database(*parts_->database, checks);
}

}  // namespace tocsin::store
