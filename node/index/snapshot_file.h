// Where the index keeps its snapshot: one file, whole or not at all. An interface, so that tests can break it.
#pragma once

#include <cstdint>
#include <filesystem>

#include "crypto/bytes.h"
#include "crypto/result.h"
#include "node/index/codes.h"

namespace tocsin::index {

// Index thread only. Errors: snapshot_missing, snapshot_failed, disk_full.
class SnapshotFile {
 public:
  virtual ~SnapshotFile() = default;

  // Writing: begin, append any number of times, commit. Until commit returns success the old file stands; abandon, or
  // another begin, drops what was written.
  virtual Result<void> begin() = 0;
  virtual Result<void> append(ByteView bytes) = 0;
  virtual Result<void> commit() = 0;
  virtual void abandon() = 0;

  // Reading: open gives the size; read fills `into` as far as the file goes and says how much (0: the end).
  virtual Result<std::uint64_t> open() = 0;
  virtual Result<std::size_t> read(MutableByteView into) = 0;
  virtual void close() = 0;

  // Harmless when there is none.
  virtual Result<void> remove() = 0;
};

// "<path>.new", fsync, rename, fsync of the folder; mode 0600.
class DiskSnapshotFile final : public SnapshotFile {
 public:
  explicit DiskSnapshotFile(std::filesystem::path path);
  ~DiskSnapshotFile() override;
  Result<void> begin() override;
  Result<void> append(ByteView bytes) override;
  Result<void> commit() override;
  void abandon() override;
  Result<std::uint64_t> open() override;
  Result<std::size_t> read(MutableByteView into) override;
  void close() override;
  Result<void> remove() override;

 private:
  std::filesystem::path path_, new_path_;
  int writing_ = -1, reading_ = -1;
};

}  // namespace tocsin::index
