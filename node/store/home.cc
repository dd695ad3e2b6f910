#include "node/store/home.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "node/store/codes.h"

namespace tocsin::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHomeMark = "tocsin home 1\n";
constexpr std::string_view kHomeMarkStart = "tocsin home ";
constexpr std::string_view kWipedFile = "wiped";
constexpr std::string_view kWipedMark = "tocsin home wiped\n";
constexpr std::size_t kSmallFileMax = 4096;  // mark, machine record, lock: a few lines

// Text of the lock file, "" when it holds no process id. For the message only: what counts is the lock.
std::string holder(int fd) {
  char text[24];
  const ssize_t got = ::pread(fd, text, sizeof text, 0);
  std::string id(text, got > 0 ? static_cast<std::size_t>(got) : 0);
  id.resize(std::min(id.find_first_not_of("0123456789"), id.size()));
  return id;
}

Result<FileHandle> take_lock(const fs::path& path) {
  FileHandle lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid()) return file_error(errno, "cannot open", path);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file_error(errno, "cannot lock", path);
    const std::string id = holder(lock.get());
    return caller_error(kHomeInUse, id.empty() ? "another process has this home open"
                                               : "process " + id + " has this home open; stop it, or use its API");
  }
  const std::string id = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.get(), 0) != 0 ||
      ::pwrite(lock.get(), id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return file_error(errno, "cannot write", path);
  }
  return lock;
}

Result<void> check_mark(const fs::path& path) {
  const Result<Bytes> mark = read_private_file(path / "home", kSmallFileMax);
  if (!mark) {
    if (mark.error().code == kFileMissing) {
      return caller_error(kHomeIncomplete, path.string() +
                                               " is no home of tocsin, or its creation was cut off; choose another "
                                               "folder, or remove it and run init again");
    }
    return mark.error();
  }
  if (as_text(*mark) == kHomeMark) return kOk;
  if (as_text(*mark).starts_with(kHomeMarkStart)) {
    return caller_error(
        kHomeTooNew,
        path.string() + " was made by a later version of tocsin; install that version again: nothing was changed");
  }
  return environment_error(kFileFailed, (path / "home").string() + " does not hold what it should");
}

}  // namespace

Result<void> mark_wiped(const fs::path& home) { return write_file(home / kWipedFile, as_bytes(kWipedMark)); }

Result<void> check_not_wiped(const fs::path& home) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(home / kWipedFile, error))) return kOk;
  if (fs::exists(home / "keys" / "keyring", error)) return kOk;  // somebody has put keys back
  return caller_error(kHomeWiped,
                      "this home was wiped: no key is left in it, and what is stored here cannot be read again. Have "
                      "the organisation revoke its node, on another of its nodes: tocsin org revoke NODE; then remove "
                      "this folder. A new home is made in another one: tocsin --home DIR init --join CARD, or tocsin "
                      "--home DIR backup restore FILE");
}

Result<Home> Home::create(const fs::path& given) {
  std::error_code error;
  const fs::path path = fs::absolute(given, error);
  if (error) return file_error(error.value(), "cannot find", given);
  if (fs::exists(path, error)) {
    const bool folder = fs::is_directory(path, error);
    if (!folder || !fs::is_empty(path, error)) {
      return caller_error(kHomeExists, path.string() + " exists already and is not an empty folder");
    }
    ::chmod(path.c_str(), 0700);  // nothing is in it yet; where this fails the check below says why
  }
  TOCSIN_TRY(make_private_folder(path));
  TOCSIN_ASSIGN(lock, take_lock(path / "lock"));
  Home home(path, std::move(lock));
  for (const fs::path& folder : {home.keys(), home.roots(), home.store()}) TOCSIN_TRY(make_private_folder(folder));
  TOCSIN_TRY(home.record_machine());
  TOCSIN_TRY(sync_folder(path.parent_path()));
  return home;
}

Result<void> Home::complete() { return write_file(path_ / "home", as_bytes(kHomeMark)); }

Result<Home> Home::open(const fs::path& given) {
  std::error_code error;
  const fs::path path = fs::absolute(given, error);
  if (error) return file_error(error.value(), "cannot find", given);
  TOCSIN_TRY(check_private_folder(path));
  TOCSIN_TRY(check_mark(path));
  TOCSIN_TRY(check_not_wiped(path));
  TOCSIN_ASSIGN(lock, take_lock(path / "lock"));
  Home home(path, std::move(lock));
  for (const fs::path& folder : {home.keys(), home.store()}) TOCSIN_TRY(check_private_folder(folder));
  if (fs::exists(home.roots(), error)) TOCSIN_TRY(check_private_folder(home.roots()));
  return home;
}

}  // namespace tocsin::store
