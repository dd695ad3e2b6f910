// A file that appears whole or not at all: written beside its name, made durable, then renamed. A signal that ends the
// program takes the unfinished one away. One at a time in a process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tocsin::cli {

class OutFile {
 public:
  // "-": standard output, where there is nothing to keep.
  explicit OutFile(std::string path);
  ~OutFile();  // what was not kept goes
  OutFile(const OutFile&) = delete;
  OutFile& operator=(const OutFile&) = delete;

  bool is_open() const { return fd_ >= 0; }
  bool is_stdout() const { return path_ == "-"; }
  bool write(std::string_view piece);  // false: the disk, or the reader, takes no more
  bool keep();                         // durable under its name, mode 0600; once
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::string path_, temporary_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
};

}  // namespace tocsin::cli
