// A disk between LMDB and the real one: this test program's own pwrite, writev and fdatasync stand before those of the
// C library for liblmdb too. It can fail the n-th call with any error, cut a write short, and keep a copy of a file as
// it would be after a power cut: without everything that was written but not synced.
#pragma once

#include <filesystem>
#include <optional>

#include "crypto/bytes.h"

namespace tocsin::store {

enum class DiskCall {
  kWrite,      // of pages
  kMetaWrite,  // of a meta page, through a descriptor that syncs by itself
  kSync,
};

class DiskFaults {
 public:
  // Watches `file` from now on; one at a time.
  explicit DiskFaults(const std::filesystem::path& file);
  DiskFaults(const DiskFaults&) = delete;
  DiskFaults& operator=(const DiskFaults&) = delete;
  ~DiskFaults();

  // The next `times` calls of that kind on the file, after `skip` more, fail with `error_number`. A write that fails
  // with EIO writes its first half, as a disk that fills up in the middle does.
  void fail(DiskCall call, int error_number, int skip = 0, int times = 1);
  // The file as a power cut now would leave it at worst.
  Bytes synced() const;
  // Calls that were failed so far.
  int failed() const;
};

}  // namespace tocsin::store
