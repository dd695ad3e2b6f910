#include "node/store/lmdb.h"

#include <cerrno>

#include "node/store/codes.h"
#include "protocol/entry_store.h"

namespace tocsin::store::lmdb {
namespace {

constexpr MDB_dbi kDatabasesMax = 8;       // named databases; five are used
constexpr unsigned kReadersMax = 16;       // threads that read at one time: I/O loop, index, fsck, and room
constexpr unsigned kEnvFlags = MDB_NOTLS;  // a read transaction belongs to its object, not to the thread

}  // namespace

bool means_disk_full(int rc) { return rc == ENOSPC || rc == EDQUOT || rc == EFBIG; }

Error error_from(int rc, std::string_view doing) {
  std::string detail = std::string(doing) + ": " + mdb_strerror(rc);
  if (means_disk_full(rc)) return environment_error(protocol::kDiskFull, std::move(detail));
  return environment_error(protocol::kStoreFailed, std::move(detail));
}

Result<Env> Env::open(const std::filesystem::path& folder, std::size_t map_bytes) {
  MDB_env* raw = nullptr;
  if (const int rc = mdb_env_create(&raw); rc != 0) return error_from(rc, "cannot make an LMDB environment");
  Env env(raw);
  int rc = mdb_env_set_maxdbs(raw, kDatabasesMax);
  if (rc == 0) rc = mdb_env_set_maxreaders(raw, kReadersMax);
  if (rc == 0) rc = mdb_env_set_mapsize(raw, map_bytes);
  if (rc == 0) rc = mdb_env_open(raw, folder.c_str(), kEnvFlags, 0600);
  if (rc != 0) return error_from(rc, "cannot open " + folder.string());
  return env;
}

Env& Env::operator=(Env&& other) noexcept {
  if (this != &other) {
    close();
    env_ = std::exchange(other.env_, nullptr);
  }
  return *this;
}

void Env::close() {
  if (env_ != nullptr) mdb_env_close(std::exchange(env_, nullptr));
}

std::size_t Env::map_bytes() const {
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  return info.me_mapsize;
}

std::size_t Env::page_bytes() const {
  MDB_stat stat{};
  mdb_env_stat(env_, &stat);
  return stat.ms_psize;
}

std::size_t Env::used_bytes() const {
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  return (info.me_last_pgno + 1) * page_bytes();
}

int Env::file() const {
  mdb_filehandle_t fd = -1;
  mdb_env_get_fd(env_, &fd);
  return fd;
}

Txn& Txn::operator=(Txn&& other) noexcept {
  if (this != &other) {
    abort();
    txn_ = std::exchange(other.txn_, nullptr);
  }
  return *this;
}

int Txn::begin(const Env& env, unsigned flags) {
  abort();
  return mdb_txn_begin(env.get(), nullptr, flags, &txn_);
}

int Txn::commit() { return mdb_txn_commit(std::exchange(txn_, nullptr)); }

void Txn::abort() {
  if (txn_ != nullptr) mdb_txn_abort(std::exchange(txn_, nullptr));
}

int Txn::get(MDB_dbi dbi, ByteView key, MDB_val& value) const {
  MDB_val k = to_val(key);
  return mdb_get(txn_, dbi, &k, &value);
}

int Txn::put(MDB_dbi dbi, ByteView key, ByteView value, unsigned flags) {
  MDB_val k = to_val(key);
  MDB_val v = to_val(value);
  return mdb_put(txn_, dbi, &k, &v, flags);
}

int Txn::remove(MDB_dbi dbi, ByteView key) {
  MDB_val k = to_val(key);
  return mdb_del(txn_, dbi, &k, nullptr);
}

int Cursor::open(const Txn& txn, MDB_dbi dbi) {
  close();
  return mdb_cursor_open(txn.get(), dbi, &cursor_);
}

void Cursor::close() {
  if (cursor_ != nullptr) mdb_cursor_close(std::exchange(cursor_, nullptr));
}

}  // namespace tocsin::store::lmdb
