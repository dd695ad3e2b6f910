// SQLite behind RAII and Results, for the index alone. One thread. Holds one database in memory, as one contiguous
// buffer, so that a snapshot can be written from it and read into it without a copy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "crypto/bytes.h"
#include "crypto/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tocsin::index {

// A prepared statement. After an error of step the statement is reset and may be used again.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();
  explicit operator bool() const { return statement_ != nullptr; }

  // Places count from 1. Text and blobs are not copied: they must live until reset.
  Statement& bind(int place, std::int64_t value);
  Statement& bind_null(int place);
  Statement& bind(int place, std::optional<std::int64_t> value);
  Statement& bind_text(int place, std::string_view text);
  Statement& bind_blob(int place, ByteView bytes);

  // True: a row is there. False: done, and the statement is reset.
  Result<bool> step();
  // For statements without rows of interest: steps once and resets.
  Result<void> run();
  void reset();

  // Columns count from 0. Views last until the next step or reset.
  std::int64_t integer(int column) const;
  bool is_null(int column) const;
  std::string_view text(int column) const;
  ByteView blob(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  sqlite3* db_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
};

// A prepared statement on loan: reset at the end of the scope, whatever way it is left, since one that stands on a row
// cannot be bound again.
class Use {
 public:
  explicit Use(Statement& statement) : statement_(&statement) {}
  Use(Use&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() {
    if (statement_) statement_->reset();
  }
  Statement* operator->() { return statement_; }
  Statement& operator*() { return *statement_; }

 private:
  Statement* statement_;
};

// What a failed call means for us: index_full, index_memory or index_broken. The detail holds SQLite's own words for
// the code, never the statement or a value.
Error sqlite_error(int code);

class Database {
 public:
  // Empty. Errors: index_memory, index_broken.
  static Result<std::unique_ptr<Database>> create(std::uint64_t bytes_max);
  // `image` of `bytes` bytes was made by allocate and is owned from here on, also after an error.
  static Result<std::unique_ptr<Database>> adopt(std::uint8_t* image, std::uint64_t bytes, std::uint64_t bytes_max);
  static std::uint8_t* allocate(std::uint64_t bytes);  // null: no memory
  static void free(std::uint8_t* image);
  ~Database();  // statements made by prepare are gone by then
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Only our own text is `sql`; values are bound.
  Result<Statement> prepare(std::string_view sql);
  // The same for a literal, prepared once and kept. Not while the same literal is on loan.
  template <std::size_t N>
  Result<Use> use(const char (&sql)[N]) {
    return use_kept(sql, N - 1);
  }
  Result<void> execute(const char* sql);
  bool in_transaction() const;
  // Of the last statement that inserted, updated or deleted.
  std::int64_t changed_rows() const;
  // The whole database as it would stand in a file; until the next change. Outside a transaction.
  ByteView image();
  std::uint64_t size();
  // Overwrites every page with zeros; the database is unusable afterwards.
  void wipe();
  sqlite3* handle() { return db_; }

 private:
  explicit Database(sqlite3* db) : db_(db) {}
  static Result<std::unique_ptr<Database>> open(std::uint8_t* image, std::uint64_t bytes, std::uint64_t bytes_max);
  Result<Use> use_kept(const char* sql, std::size_t size);
  sqlite3* db_;
  std::unordered_map<const char*, Statement> kept_;  // by the literal's address
};

}  // namespace tocsin::index
