#include "node/index/database.h"

#include <sodium.h>
#include <sqlite3.h>

#include <utility>

#include "node/index/codes.h"

namespace tocsin::index {

Error sqlite_error(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return environment_error(kIndexFull, "the index has reached its largest size");
    case SQLITE_NOMEM:
      return environment_error(kIndexMemory, "no memory left for the index");
    default:
      return internal_error(kIndexBroken, std::string("SQLite: ") + sqlite3_errstr(code));
  }
}

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this != &other) {
    sqlite3_finalize(statement_);
    db_ = other.db_;
    statement_ = std::exchange(other.statement_, nullptr);
  }
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

// A failed bind (a place that the statement does not have, no memory) shows as a wrong answer otherwise, so it is our
// bug; SQLite allocates nothing for the forms used here.
Statement& Statement::bind(int place, std::int64_t value) {
  [[maybe_unused]] const int code = sqlite3_bind_int64(statement_, place, value);
  assert(code == SQLITE_OK);
  return *this;
}

Statement& Statement::bind_null(int place) {
  [[maybe_unused]] const int code = sqlite3_bind_null(statement_, place);
  assert(code == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int place, std::optional<std::int64_t> value) {
  return value ? bind(place, *value) : bind_null(place);
}

Statement& Statement::bind_text(int place, std::string_view text) {
  // A null pointer would bind NULL instead of the empty text.
  [[maybe_unused]] const int code =
      sqlite3_bind_text64(statement_, place, text.empty() ? "" : text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
  assert(code == SQLITE_OK);
  return *this;
}

Statement& Statement::bind_blob(int place, ByteView bytes) {
  [[maybe_unused]] const int code =
      bytes.empty() ? sqlite3_bind_zeroblob(statement_, place, 0)
                    : sqlite3_bind_blob64(statement_, place, bytes.data(), bytes.size(), SQLITE_STATIC);
  assert(code == SQLITE_OK);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  sqlite3_reset(statement_);
  if (code == SQLITE_DONE) return false;
  return sqlite_error(code);
}

Result<void> Statement::run() {
  const auto row = step();
  if (!row) return row.error();
  reset();
  return kOk;
}

void Statement::reset() { sqlite3_reset(statement_); }

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }
bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

std::string_view Statement::text(int column) const {
  const auto* text = sqlite3_column_text(statement_, column);
  return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

ByteView Statement::blob(int column) const {
  const auto* bytes = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Result<std::unique_ptr<Database>> Database::create(std::uint64_t bytes_max) { return open(nullptr, 0, bytes_max); }

Result<std::unique_ptr<Database>> Database::adopt(std::uint8_t* image, std::uint64_t bytes, std::uint64_t bytes_max) {
  return open(image, bytes, bytes_max);
}

std::uint8_t* Database::allocate(std::uint64_t bytes) { return static_cast<std::uint8_t*>(sqlite3_malloc64(bytes)); }
void Database::free(std::uint8_t* image) { sqlite3_free(image); }

Result<std::unique_ptr<Database>> Database::open(std::uint8_t* image, std::uint64_t bytes, std::uint64_t bytes_max) {
  sqlite3* db = nullptr;
  const int opened =
      sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Database> out(new Database(db));
  if (opened != SQLITE_OK) {
    Database::free(image);
    return sqlite_error(opened);
  }
  // Frees the image by itself when it fails.
  const int loaded =
      sqlite3_deserialize(db, "main", image, static_cast<sqlite3_int64>(bytes), static_cast<sqlite3_int64>(bytes),
                          SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
  if (loaded != SQLITE_OK) return sqlite_error(loaded);
  sqlite3_int64 limit = static_cast<sqlite3_int64>(bytes_max);
  const int limited = sqlite3_file_control(db, "main", SQLITE_FCNTL_SIZE_LIMIT, &limit);
  if (limited != SQLITE_OK) return sqlite_error(limited);
  // The journal of a transaction is in memory, like the database; 4 MB of pages are kept at hand beside the buffer.
  // Nothing of this ever reaches a disk (rule 50).
  TOCSIN_TRY(
      out->execute("PRAGMA page_size=4096; PRAGMA auto_vacuum=0; PRAGMA journal_mode=MEMORY;"
                   "PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4000;"
                   "PRAGMA trusted_schema=OFF; PRAGMA secure_delete=ON;"));
  return out;
}

Database::~Database() {
  kept_.clear();
  sqlite3_close(db_);
}

Result<Use> Database::use_kept(const char* sql, std::size_t size) {
  auto kept = kept_.find(sql);
  if (kept == kept_.end()) {
    TOCSIN_ASSIGN(statement, prepare({sql, size}));
    kept = kept_.emplace(sql, std::move(statement)).first;
  }
  return Use(kept->second);
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return sqlite_error(code);
  return Statement(db_, statement);
}

Result<void> Database::execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return sqlite_error(code);
  return kOk;
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

std::int64_t Database::changed_rows() const { return sqlite3_changes64(db_); }

ByteView Database::image() {
  sqlite3_int64 bytes = 0;
  const auto* start = sqlite3_serialize(db_, "main", &bytes, SQLITE_SERIALIZE_NOCOPY);
  if (!start) return {};
  return {start, static_cast<std::size_t>(bytes)};
}

std::uint64_t Database::size() { return image().size(); }

void Database::wipe() {
  sqlite3_int64 bytes = 0;
  auto* start = sqlite3_serialize(db_, "main", &bytes, SQLITE_SERIALIZE_NOCOPY);
  if (start) sodium_memzero(start, static_cast<std::size_t>(bytes));
}

}  // namespace tocsin::index
