#include "node/store/room.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <limits>

#include "protocol/entry_store.h"

namespace tocsin::store {
namespace {

std::uint64_t size_of_file(int fd) {
  struct stat info;
  return ::fstat(fd, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

bool over_size_limit(int fd, std::uint64_t bytes) {
  rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  return size_of_file(fd) + bytes > limit.rlim_cur;
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes / (1024 * 1024)) + " MiB"; }

}  // namespace

std::uint64_t free_bytes(int fd) {
  struct statvfs info;
  if (::fstatvfs(fd, &info) != 0) return std::numeric_limits<std::uint64_t>::max();
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

Result<void> check_room(int fd, std::uint64_t bytes, std::uint64_t reserve) {
  if (over_size_limit(fd, bytes)) {
    return environment_error(protocol::kDiskFull, "the store has reached this process's file size limit (ulimit -f)");
  }
  const std::uint64_t free = free_bytes(fd);
  if (free < bytes || free - bytes < reserve) {
    return environment_error(protocol::kDiskFull, mebibytes(free) + " are free on the disk of the store and " +
                                                      mebibytes(reserve) + " stay reserved; make room");
  }
  return Ok{};
}

bool looks_full(int fd, std::uint64_t bytes) {
  if (over_size_limit(fd, bytes) || free_bytes(fd) < bytes) return true;
  const auto end = static_cast<off_t>(size_of_file(fd));
  int failed = 0;
  do {
    failed = ::fallocate(fd, FALLOC_FL_KEEP_SIZE, end, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
  } while (failed == EINTR);
  return failed == ENOSPC || failed == EDQUOT || failed == EFBIG;
}

}  // namespace tocsin::store
