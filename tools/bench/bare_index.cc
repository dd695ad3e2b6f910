#include "tools/bench/bare_index.h"

#include <sodium.h>
#include <sqlite3.h>

#include <array>
#include <memory>

#include "crypto/body.h"
#include "node/index/schema.h"
#include "node/index/snapshot.h"
#include "protocol/feed.h"
#include "tools/bench/bench_node.h"
#include "tools/bench/parts.h"

namespace tocsin::bench {
namespace {

constexpr std::size_t kKey = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
constexpr std::size_t kCommitment = 32;

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using BareStatement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

void sqlite_must(int code, std::string_view what) {
  if (code != SQLITE_OK) fail(std::string(what) + ": SQLite: " + sqlite3_errstr(code));
}

BareStatement prepare_bare(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  sqlite_must(
      sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr),
      sql);
  return BareStatement(statement);
}

// One value of a row, read ahead so that what is measured is the writing alone.
struct Cell {
  int type = SQLITE_NULL;
  std::int64_t number = 0;
  std::string bytes;
};

struct Table {
  std::string insert;
  std::vector<std::vector<Cell>> rows;  // in order of arrival
};

Table read_table(sqlite3* db, const std::string& name) {
  Table out;
  const auto select = prepare_bare(db, "SELECT * FROM " + name + " ORDER BY row");
  const int columns = sqlite3_column_count(select.get());
  out.insert = "INSERT INTO " + name + " VALUES(?";
  for (int i = 1; i < columns; ++i) out.insert += ",?";
  out.insert += ")";
  while (sqlite3_step(select.get()) == SQLITE_ROW) {
    auto& row = out.rows.emplace_back(static_cast<std::size_t>(columns));
    for (int i = 0; i < columns; ++i) {
      Cell& cell = row[static_cast<std::size_t>(i)];
      cell.type = sqlite3_column_type(select.get(), i);
      if (cell.type == SQLITE_INTEGER) {
        cell.number = sqlite3_column_int64(select.get(), i);
      } else if (cell.type != SQLITE_NULL) {
        const void* start = sqlite3_column_blob(select.get(), i);
        if (start)
          cell.bytes.assign(static_cast<const char*>(start),
                            static_cast<std::size_t>(sqlite3_column_bytes(select.get(), i)));
      }
    }
  }
  return out;
}

void run_bare(sqlite3_stmt* statement) {
  if (sqlite3_step(statement) != SQLITE_DONE) fail("SQLite does not take a row");
  sqlite3_reset(statement);
}

void insert_row(sqlite3_stmt* statement, const std::vector<Cell>& row) {
  int place = 0;
  for (const Cell& cell : row) {
    ++place;
    const auto size = static_cast<int>(cell.bytes.size());
    if (cell.type == SQLITE_INTEGER)
      sqlite3_bind_int64(statement, place, cell.number);
    else if (cell.type == SQLITE_TEXT)
      sqlite3_bind_text(statement, place, cell.bytes.data(), size, SQLITE_STATIC);
    else if (cell.type == SQLITE_BLOB)
      sqlite3_bind_blob(statement, place, cell.bytes.data(), size, SQLITE_STATIC);
    else
      sqlite3_bind_null(statement, place);
  }
  run_bare(statement);
}

}  // namespace

OpeningParts measure_opening(std::size_t entries, std::size_t body_bytes) {
  constexpr std::size_t kOverhead = crypto_aead_xchacha20poly1305_ietf_ABYTES;
  const std::size_t sealed = std::max(body_bytes, crypto::kBodyOverhead) - crypto::kBodyOverhead + kOverhead;
  Bytes associated(protocol::kBodyAssociatedBytes), body(sealed), plain(sealed);
  std::array<std::uint8_t, kKey> epoch{}, entry{};
  std::array<std::uint8_t, kKey + kCommitment> keys{};
  std::array<std::uint8_t, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES> nonce{};
  randombytes_buf(epoch.data(), epoch.size());
  randombytes_buf(associated.data(), associated.size());

  const auto derive = [&] {
    crypto_generichash_blake2b_salt_personal(entry.data(), entry.size(), associated.data(), protocol::kBodyContextBytes,
                                             epoch.data(), epoch.size(), nullptr,
                                             crypto::kPersonalEntryKey.view().data());
    crypto_generichash_blake2b_salt_personal(keys.data(), keys.size(), nullptr, 0, entry.data(), entry.size(), nullptr,
                                             crypto::kPersonalBodyKeys.view().data());
  };
  derive();
  const auto commitment = keys;
  unsigned long long size = 0;
  crypto_aead_xchacha20poly1305_ietf_encrypt(body.data(), &size, plain.data(), sealed - kOverhead, associated.data(),
                                             associated.size(), nullptr, nonce.data(), keys.data());
  OpeningParts out;
  double start = seconds_now();
  for (std::size_t i = 0; i < entries; ++i) {
    derive();
    if (sodium_memcmp(keys.data() + kKey, commitment.data() + kKey, kCommitment) != 0) fail("another commitment");
  }
  out.keys_us = (seconds_now() - start) * 1e6 / static_cast<double>(entries);
  start = seconds_now();
  for (std::size_t i = 0; i < entries; ++i) {
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, body.data(), sealed,
                                                   associated.data(), associated.size(), nonce.data(),
                                                   keys.data()) != 0)
      fail("does not open");
  }
  out.decrypt_us = (seconds_now() - start) * 1e6 / static_cast<double>(entries);
  return out;
}

BareIndex::BareIndex(index::Index& index, const std::string& folder) {
  crypto::SystemRandom random;
  const index::SnapshotContext context{protocol::ReadingKey::random(random), {}, "bench"};
  index::DiskSnapshotFile file(folder + "/index.snapshot");
  const auto newest = must(index.stats(), "stats").cursor;
  must(index.save(file, context, random), "snapshot");
  db_ = std::move(must(index::read_snapshot(file, context, newest, index::kIndexBytesMax), "snapshot").db);
  file.close();
  must(file.remove(), "snapshot");
}

double BareIndex::insert_us(std::span<const std::string> words) {
  // What each report has a row in; reports like those of this benchmark have none elsewhere.
  std::vector<Table> tables;
  for (const char* name : {"report", "face", "ident", "origin"}) tables.push_back(read_table(db_->handle(), name));
  const std::size_t count = tables.front().rows.size();
  if (count != words.size()) fail("not every report is in the index");

  auto empty = must(index::Database::create(index::kIndexBytesMax), "database");
  must(index::create_schema(*empty), "schema");
  std::vector<BareStatement> inserts;
  for (const Table& table : tables) inserts.push_back(prepare_bare(empty->handle(), table.insert));
  const auto insert_words = prepare_bare(empty->handle(), "INSERT INTO words(rowid, body) VALUES(?1, ?2)");

  const double start = seconds_now();
  sqlite_must(sqlite3_exec(empty->handle(), "BEGIN", nullptr, nullptr, nullptr), "begin");
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t t = 0; t < tables.size(); ++t) {
      if (i < tables[t].rows.size()) insert_row(inserts[t].get(), tables[t].rows[i]);
    }
    sqlite3_bind_int64(insert_words.get(), 1, tables.front().rows[i].front().number);
    sqlite3_bind_text(insert_words.get(), 2, words[i].data(), static_cast<int>(words[i].size()), SQLITE_STATIC);
    run_bare(insert_words.get());
  }
  sqlite_must(sqlite3_exec(empty->handle(), "COMMIT", nullptr, nullptr, nullptr), "commit");
  return (seconds_now() - start) * 1e6 / static_cast<double>(count);
}

BareIndex::Answer BareIndex::ask(std::string_view sql, const std::vector<std::string>& texts,
                                 std::vector<std::int64_t> numbers, bool descend) {
  const auto statement = prepare_bare(db_->handle(), std::string(sql));
  Answer out;
  const std::int64_t first_page = numbers.empty() ? 0 : numbers.back();
  out.ms = median_ms([&](std::size_t run) {
    int place = 0;
    for (const auto& text : texts)
      sqlite3_bind_text(statement.get(), ++place, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
    for (const auto number : numbers) sqlite3_bind_int64(statement.get(), ++place, number);
    int code = SQLITE_OK;
    std::int64_t cell = 0;
    std::size_t rows = 0;
    while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
      cell = sqlite3_column_int64(statement.get(), 0);
      if (run == 0 && rows++ == 0) out.first_cell = cell;
    }
    if (code != SQLITE_DONE) fail(std::string(sql) + ": " + sqlite3_errstr(code));
    sqlite3_reset(statement.get());
    if (run == 0) out.rows = rows;
    if (descend) numbers.back() = cell != 0 ? cell : first_page;
  });
  return out;
}

}  // namespace tocsin::bench
