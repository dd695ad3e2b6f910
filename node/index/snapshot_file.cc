#include "node/index/snapshot_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace tocsin::index {
namespace {

Error file_error(int number, std::string_view doing) {
  const std::string detail = std::string(doing) + ": " + std::generic_category().message(number);
  switch (number) {
    case ENOENT:
      return environment_error(kSnapshotMissing, detail);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return environment_error(kSnapshotDiskFull, detail);
    default:
      return environment_error(kSnapshotFailed, detail);
  }
}

void shut(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return file_error(errno, "opening the snapshot's folder");
  const int failed = ::fsync(fd) != 0 ? errno : 0;
  shut(fd);
  if (failed != 0) return file_error(failed, "making the snapshot durable");
  return kOk;
}

}  // namespace

DiskSnapshotFile::DiskSnapshotFile(std::filesystem::path path) : path_(std::move(path)), new_path_(path_) {
  new_path_ += ".new";
}

DiskSnapshotFile::~DiskSnapshotFile() {
  abandon();
  close();
}

Result<void> DiskSnapshotFile::begin() {
  abandon();
  writing_ = ::open(new_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (writing_ < 0) return file_error(errno, "writing the snapshot");
  return kOk;
}

Result<void> DiskSnapshotFile::append(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(writing_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_error(errno, "writing the snapshot");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return kOk;
}

Result<void> DiskSnapshotFile::commit() {
  if (::fsync(writing_) != 0) return file_error(errno, "making the snapshot durable");
  shut(writing_);
  if (::rename(new_path_.c_str(), path_.c_str()) != 0) {
    const int failed = errno;
    ::unlink(new_path_.c_str());
    return file_error(failed, "putting the snapshot in place");
  }
  return sync_folder(path_.parent_path());
}

void DiskSnapshotFile::abandon() {
  if (writing_ < 0) return;
  shut(writing_);
  ::unlink(new_path_.c_str());
}

Result<std::uint64_t> DiskSnapshotFile::open() {
  close();
  reading_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (reading_ < 0) return file_error(errno, "reading the snapshot");
  struct stat status {};
  if (::fstat(reading_, &status) != 0) return file_error(errno, "reading the snapshot");
  if (!S_ISREG(status.st_mode)) return environment_error(kSnapshotFailed, "reading the snapshot: not a file");
  return static_cast<std::uint64_t>(status.st_size);
}

Result<std::size_t> DiskSnapshotFile::read(MutableByteView into) {
  for (;;) {
    const ssize_t got = ::read(reading_, into.data(), into.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return file_error(errno, "reading the snapshot");
  }
}

void DiskSnapshotFile::close() { shut(reading_); }

Result<void> DiskSnapshotFile::remove() {
  abandon();
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) return file_error(errno, "removing the snapshot");
  return sync_folder(path_.parent_path());
}

}  // namespace tocsin::index
