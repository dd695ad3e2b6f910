// LMDB's C API as types that clean up after themselves. Inside node/store only. Calls on the bulk path give LMDB's own
// return codes (0 is success), which error_from turns into an Error where they leave the folder.
//
// Rule 47: the environment is opened without MDB_NOSYNC, MDB_NOMETASYNC, MDB_WRITEMAP, MDB_MAPASYNC and MDB_NOMEMINIT,
// so a commit that returned is on the disk, and no page holds what was in memory before it. There is no way to pass
// flags in.
#pragma once

#include <lmdb.h>

#include <filesystem>
#include <utility>

#include "crypto/bytes.h"
#include "crypto/result.h"

namespace tocsin::store::lmdb {

inline MDB_val to_val(ByteView bytes) { return {bytes.size(), const_cast<std::uint8_t*>(bytes.data())}; }
inline ByteView to_view(const MDB_val& val) { return {static_cast<const std::uint8_t*>(val.mv_data), val.mv_size}; }

// kDiskFull for a disk, quota or file size limit that is reached, else kStoreFailed.
Error error_from(int rc, std::string_view doing);
bool means_disk_full(int rc);

class Env {
 public:
  Env() = default;
  // `folder` exists. `map_bytes` is the room for the file to grow in; a multiple of the page size.
  static Result<Env> open(const std::filesystem::path& folder, std::size_t map_bytes);
  Env(Env&& other) noexcept : env_(std::exchange(other.env_, nullptr)) {}
  Env& operator=(Env&& other) noexcept;
  ~Env() { close(); }

  // No transaction is open.
  void close();
  bool is_open() const { return env_ != nullptr; }
  MDB_env* get() const { return env_; }

  // No transaction of this process is open.
  int set_map_bytes(std::size_t bytes) { return mdb_env_set_mapsize(env_, bytes); }
  std::size_t map_bytes() const;
  std::size_t page_bytes() const;
  std::size_t used_bytes() const;  // up to the end of the last page ever used
  int file() const;                // descriptor of data.mdb

 private:
  explicit Env(MDB_env* env) : env_(env) {}
  MDB_env* env_ = nullptr;
};

// Ends without effect unless committed.
class Txn {
 public:
  Txn() = default;
  Txn(Txn&& other) noexcept : txn_(std::exchange(other.txn_, nullptr)) {}
  Txn& operator=(Txn&& other) noexcept;
  ~Txn() { abort(); }

  int begin_read(const Env& env) { return begin(env, MDB_RDONLY); }
  int begin_write(const Env& env) { return begin(env, 0); }
  int commit();
  void abort();
  MDB_txn* get() const { return txn_; }

  int get(MDB_dbi dbi, ByteView key, MDB_val& value) const;
  int put(MDB_dbi dbi, ByteView key, ByteView value, unsigned flags = 0);
  int remove(MDB_dbi dbi, ByteView key);
  // With flags 0 the database exists already (MDB_NOTFOUND).
  int open_dbi(const char* name, unsigned flags, MDB_dbi& dbi) { return mdb_dbi_open(txn_, name, flags, &dbi); }
  int stat(MDB_dbi dbi, MDB_stat& out) const { return mdb_stat(txn_, dbi, &out); }

 private:
  int begin(const Env& env, unsigned flags);
  MDB_txn* txn_ = nullptr;
};

// Closed before its transaction ends, so declared after it.
class Cursor {
 public:
  Cursor() = default;
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor() { close(); }
  int open(const Txn& txn, MDB_dbi dbi);
  void close();
  int get(MDB_val& key, MDB_val& value, MDB_cursor_op op) { return mdb_cursor_get(cursor_, &key, &value, op); }
  int put(MDB_val& key, MDB_val& value, unsigned flags) { return mdb_cursor_put(cursor_, &key, &value, flags); }
  int remove() { return mdb_cursor_del(cursor_, 0); }

 private:
  MDB_cursor* cursor_ = nullptr;
};

}  // namespace tocsin::store::lmdb
