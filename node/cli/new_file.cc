#include "node/cli/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <filesystem>
#include <iterator>

namespace tocsin::cli {
namespace {

// Where the unfinished file is, for a signal that ends the program.
char unfinished[PATH_MAX];

void remove_unfinished(int signal) {
  ::unlink(unfinished);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// The new name survives a power cut.
bool sync_folder_of(const std::string& file) {
  const auto parent = std::filesystem::path(file).parent_path();
  const int fd = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = ::fsync(fd) == 0;
  ::close(fd);
  return synced;
}

}  // namespace

NewFile::NewFile(std::string path) : path_(std::move(path)) {
  if (path_ == "-") {
    fd_ = STDOUT_FILENO;
    return;
  }
  temporary_ = path_ + ".part." + std::to_string(::getpid());
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd_ < 0 || temporary_.size() >= sizeof unfinished) return;
  temporary_.copy(unfinished, temporary_.size());
  unfinished[temporary_.size()] = '\0';
  struct sigaction action {};
  action.sa_handler = remove_unfinished;
  for (std::size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &action, &before_[i]);
  signals_taken_ = true;
}

NewFile::~NewFile() {
  if (fd_ >= 0 && !temporary_.empty()) ::unlink(temporary_.c_str());
  end();
}

void NewFile::end() {
  if (fd_ >= 0 && !temporary_.empty()) ::close(fd_);
  fd_ = -1;
  for (std::size_t i = 0; signals_taken_ && i < std::size(kSignals); ++i)
    ::sigaction(kSignals[i], &before_[i], nullptr);
  signals_taken_ = false;
}

bool NewFile::write(std::string_view piece) {
  while (!piece.empty()) {
    const auto n = ::write(fd_, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes_ += static_cast<std::uint64_t>(n);
    piece.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool NewFile::keep() {
  if (temporary_.empty()) return true;
  const bool renamed = ::fsync(fd_) == 0 && std::rename(temporary_.c_str(), path_.c_str()) == 0;
  if (!renamed) ::unlink(temporary_.c_str());
  end();
  return renamed && sync_folder_of(path_);
}

}  // namespace tocsin::cli
