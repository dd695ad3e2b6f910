#include "node/store/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "node/store/codes.h"
#include "protocol/entry_store.h"
#include "protocol/names.h"

namespace tocsin::store {
namespace {

std::string reason(int error_number) {
  char text[128];
  return strerror_r(error_number, text, sizeof text);
}

Result<void> write_all(int fd, ByteView bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return file_error(errno, "cannot write", path);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
  return kOk;
}

Result<Bytes> read_all(int fd, std::size_t bytes_max, const std::filesystem::path& path) {
  Bytes out;
  std::uint8_t chunk[16384];
  for (;;) {
    const ssize_t got = ::read(fd, chunk, sizeof chunk);
    if (got < 0) {
      if (errno == EINTR) continue;
      return file_error(errno, "cannot read", path);
    }
    if (got == 0) return out;
    if (out.size() + static_cast<std::size_t>(got) > bytes_max) {
      return environment_error(kFileTooLarge, path.string() + " is larger than any of ours");
    }
    append(out, ByteView(chunk, static_cast<std::size_t>(got)));
  }
}

// What a file or folder of a home has to be. `fix` is the mode that chmod shall set.
Result<void> check_ours(const struct stat& info, const std::filesystem::path& path, const char* fix) {
  if (info.st_uid != ::geteuid()) {
    return caller_error(kHomeNotOurs, path.string() + " belongs to another user; run as that user");
  }
  if ((info.st_mode & 077) != 0) {
    return caller_error(kHomePermissions, path.string() + " can be read by others; run: chmod " + fix + " " +
                                              protocol::shell_word(path.string()));
  }
  return kOk;
}

}  // namespace

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void FileHandle::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Error file_error(int error_number, std::string_view doing, const std::filesystem::path& path) {
  std::string detail = std::string(doing) + " " + path.string() + ": " + reason(error_number);
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return environment_error(protocol::kDiskFull, std::move(detail));
    case ENOENT:
      return environment_error(kFileMissing, std::move(detail));
    default:
      return environment_error(kFileFailed, std::move(detail));
  }
}

Result<void> write_file(const std::filesystem::path& path, ByteView bytes, unsigned mode) {
  std::filesystem::path temporary = path;
  temporary += ".new";
  ::unlink(temporary.c_str());  // left by a power cut; never trusted
  FileHandle file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file.valid()) return file_error(errno, "cannot create", temporary);

  Result<void> written = write_all(file.get(), bytes, temporary);
  if (written && ::fchmod(file.get(), mode) != 0) written = file_error(errno, "cannot set the mode of", temporary);
  if (written && ::fsync(file.get()) != 0) written = file_error(errno, "cannot write", temporary);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = file_error(errno, "cannot replace", path);
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  return sync_folder(path.parent_path());
}

Result<Bytes> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return file_error(errno, "cannot open", path);
  return read_all(file.get(), bytes_max, path);
}

Result<Bytes> read_private_file(const std::filesystem::path& path, std::size_t bytes_max) {
  FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid()) return file_error(errno, "cannot open", path);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return file_error(errno, "cannot look at", path);
  if (!S_ISREG(info.st_mode)) return environment_error(kFileFailed, path.string() + " is not a file");
  TOCSIN_TRY(check_ours(info, path, "600"));
  return read_all(file.get(), bytes_max, path);
}

Result<void> make_private_folder(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return file_error(errno, "cannot make", path);
  return check_private_folder(path);
}

Result<void> check_private_folder(const std::filesystem::path& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return caller_error(kHomeMissing, "there is no folder " + path.string());
    return file_error(errno, "cannot look at", path);
  }
  if (!S_ISDIR(info.st_mode)) return caller_error(kHomeMissing, path.string() + " is not a folder");
  return check_ours(info, path, "700");
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path name = folder.empty() ? std::filesystem::path(".") : folder;
  FileHandle handle(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!handle.valid()) return file_error(errno, "cannot open", name);
  if (::fsync(handle.get()) != 0) return file_error(errno, "cannot write", name);
  return kOk;
}

}  // namespace tocsin::store
