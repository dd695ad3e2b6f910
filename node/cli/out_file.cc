#include "node/cli/out_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>

namespace tocsin::cli {
namespace {

// Where the unfinished file is, for a signal that ends the program.
char unfinished[PATH_MAX];

void remove_unfinished(int signal) {
  ::unlink(unfinished);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// A signal takes the unfinished file away; nothing does once this object has ended.
class RemovedOnSignal {
 public:
  explicit RemovedOnSignal(const std::string& path) {
    if (path.size() >= sizeof unfinished) return;
    path.copy(unfinished, path.size());
    unfinished[path.size()] = '\0';
    struct sigaction action {};
    action.sa_handler = remove_unfinished;
    for (std::size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &action, &before_[i]);
    set_ = true;
  }
  ~RemovedOnSignal() {
    for (std::size_t i = 0; set_ && i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  }
  RemovedOnSignal(const RemovedOnSignal&) = delete;
  RemovedOnSignal& operator=(const RemovedOnSignal&) = delete;

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction before_[std::size(kSignals)] = {};
  bool set_ = false;
};

// The new name survives a power cut.
bool sync_folder_of(const std::string& file) {
  const auto parent = std::filesystem::path(file).parent_path();
  const int fd = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = ::fsync(fd) == 0;
  ::close(fd);
  return synced;
}

std::optional<RemovedOnSignal> guard;  // of the one file that is being written

}  // namespace

OutFile::OutFile(std::string path) : path_(std::move(path)) {
  if (is_stdout()) {
    fd_ = STDOUT_FILENO;
    return;
  }
  temporary_ = path_ + ".part." + std::to_string(::getpid());
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd_ >= 0) guard.emplace(temporary_);
}

OutFile::~OutFile() {
  if (is_stdout() || fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
  guard.reset();
}

bool OutFile::write(std::string_view piece) {
  while (!piece.empty()) {
    const auto n = ::write(fd_, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes_ += static_cast<std::uint64_t>(n);
    piece.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool OutFile::keep() {
  if (is_stdout()) return true;
  if (::fsync(fd_) != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) return false;
  ::close(std::exchange(fd_, -1));
  guard.reset();
  return sync_folder_of(path_);
}

}  // namespace tocsin::cli
