// A file that is there whole or not at all: written beside its name, made durable, renamed; a signal or an end without
// keep() takes it away again.
#pragma once

#include <csignal>
#include <cstdint>
#include <string>
#include <string_view>

namespace tocsin::cli {

class NewFile {
 public:
  // "-" is standard output. One at a time: it takes the signals that end the program.
  explicit NewFile(std::string path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  bool is_open() const { return fd_ >= 0; }
  bool write(std::string_view piece);
  // Once. False: it could not be made durable under its name, and is gone.
  bool keep();
  std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
  void end();
  std::string path_, temporary_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
  struct sigaction before_[3] = {};
  bool signals_taken_ = false;
};

}  // namespace tocsin::cli
