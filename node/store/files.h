// Small private files, whole or not at all. For everything that a node keeps outside its store: keys, locks, snapshots'
// heads.
#pragma once

#include <filesystem>

#include "crypto/bytes.h"
#include "crypto/result.h"
#include "crypto/secret.h"

namespace tocsin::store {

// A file descriptor that closes itself. -1 is none.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int fd) : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept;
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  ~FileHandle() { reset(); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

// kDiskFull for ENOSPC, EDQUOT and EFBIG, kFileMissing for ENOENT, else kFileFailed; the detail is "<doing> <path>:
// <reason>".
Error file_error(int error_number, std::string_view doing, const std::filesystem::path& path);

// After success `path` holds exactly `bytes`, durably, with `mode`; after an error or a power cut at any instant, what
// it held before. Goes through "<path>.new" in the same folder. One writer for each path at a time.
Result<void> write_file(const std::filesystem::path& path, ByteView bytes, unsigned mode = 0600);

// The whole file, at most `bytes_max`: kFileMissing, kFileTooLarge, kFileFailed.
Result<Bytes> read_file(const std::filesystem::path& path, std::size_t bytes_max);
// The same for files that nobody else may read: also kHomePermissions where they can, and kHomeNotOurs; no symbolic
// link is followed.
Result<Bytes> read_private_file(const std::filesystem::path& path, std::size_t bytes_max);

// Makes one folder with mode 0700; one that exists must be ours alone (check_private_folder).
Result<void> make_private_folder(const std::filesystem::path& path);
// kHomeMissing, kHomeNotOurs, kHomePermissions (the detail holds the command that mends it).
Result<void> check_private_folder(const std::filesystem::path& path);

// Makes a rename or a new file in `folder` durable.
Result<void> sync_folder(const std::filesystem::path& folder);

}  // namespace tocsin::store
