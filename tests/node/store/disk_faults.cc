#include "tests/node/store/disk_faults.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "node/store/files.h"

namespace tocsin::store {
namespace {

struct Pending {
  std::size_t at;
  Bytes bytes;
};
struct State {
  std::mutex mutex;
  bool watching = false;
  dev_t device = 0;
  ino_t inode = 0;
  Bytes synced;
  std::vector<Pending> pending;
  DiskCall call = DiskCall::kWrite;
  int error_number = 0;
  int skip = 0;
  int times = 0;
  int failed = 0;
};
State& state() {
  static State* const one = new State;  // outlives every thread
  return *one;
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}
ssize_t real_pwrite(int fd, const void* data, std::size_t size, off_t at) {
  static const auto function = next<ssize_t (*)(int, const void*, std::size_t, off_t)>("pwrite");
  return function(fd, data, size, at);
}
int real_fdatasync(int fd) {
  static const auto function = next<int (*)(int)>("fdatasync");
  return function(fd);
}

bool watched(int fd) {
  struct stat info;
  return state().watching && ::fstat(fd, &info) == 0 && info.st_dev == state().device && info.st_ino == state().inode;
}
bool syncs_by_itself(int fd) { return (::fcntl(fd, F_GETFL) & O_DSYNC) != 0; }

// errno of this call, 0 to go on. Under the mutex.
int fault(DiskCall call) {
  State& s = state();
  if (s.times == 0 || s.call != call) return 0;
  if (s.skip > 0) {
    --s.skip;
    return 0;
  }
  --s.times;
  ++s.failed;
  return s.error_number;
}

void put_into(Bytes& file, const Pending& write) {
  if (file.size() < write.at + write.bytes.size()) file.resize(write.at + write.bytes.size());
  std::copy(write.bytes.begin(), write.bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(write.at));
}

ssize_t write_watched(int fd, ByteView bytes, off_t at) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const bool meta = syncs_by_itself(fd);
  if (const int error_number = fault(meta ? DiskCall::kMetaWrite : DiskCall::kWrite); error_number != 0) {
    if (error_number != EIO) {
      errno = error_number;
      return -1;
    }
    bytes = bytes.first(bytes.size() / 2);
  }
  const ssize_t wrote = real_pwrite(fd, bytes.data(), bytes.size(), at);
  if (wrote <= 0) return wrote;
  Pending write{static_cast<std::size_t>(at), to_bytes(bytes.first(static_cast<std::size_t>(wrote)))};
  if (meta) {
    put_into(s.synced, write);
  } else {
    s.pending.push_back(std::move(write));
  }
  return wrote;
}

}  // namespace

DiskFaults::DiskFaults(const std::filesystem::path& file) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  struct stat info;
  if (::stat(file.c_str(), &info) != 0) std::abort();
  s.synced = *read_file(file, std::size_t{1} << 30);
  s.device = info.st_dev;
  s.inode = info.st_ino;
  s.pending.clear();
  s.times = s.failed = 0;
  s.watching = true;
}

DiskFaults::~DiskFaults() {
  const std::lock_guard lock(state().mutex);
  state().watching = false;
}

void DiskFaults::fail(DiskCall call, int error_number, int skip, int times) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.call = call;
  s.error_number = error_number;
  s.skip = skip;
  s.times = times;
  s.failed = 0;
}

Bytes DiskFaults::synced() const {
  const std::lock_guard lock(state().mutex);
  return state().synced;
}

int DiskFaults::failed() const {
  const std::lock_guard lock(state().mutex);
  return state().failed;
}

}  // namespace tocsin::store

// ---- In front of the C library

using namespace tocsin;
using namespace tocsin::store;

extern "C" ssize_t pwrite(int fd, const void* data, std::size_t size, off_t at) {
  if (!watched(fd)) return real_pwrite(fd, data, size, at);
  return write_watched(fd, {static_cast<const std::uint8_t*>(data), size}, at);
}

extern "C" ssize_t writev(int fd, const iovec* parts, int count) {
  if (!watched(fd)) {
    static const auto function = next<ssize_t (*)(int, const iovec*, int)>("writev");
    return function(fd, parts, count);
  }
  Bytes all;
  for (int i = 0; i < count; ++i) append(all, {static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
  const off_t at = ::lseek(fd, 0, SEEK_CUR);
  const ssize_t wrote = write_watched(fd, all, at);
  if (wrote > 0) ::lseek(fd, at + wrote, SEEK_SET);
  return wrote;
}

extern "C" int fdatasync(int fd) {
  if (!watched(fd)) return real_fdatasync(fd);
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (const int error_number = fault(DiskCall::kSync); error_number != 0) {
    errno = error_number;
    return -1;
  }
  for (const Pending& write : s.pending) put_into(s.synced, write);
  s.pending.clear();
  return real_fdatasync(fd);
}
