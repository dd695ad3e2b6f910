// SIGTERM and SIGINT, heard by a thread of their own from the first moment of a process to its last, so that none is
// lost while the node is being built anew.
#pragma once

#include <functional>
#include <memory>

namespace tocsin::host {

// One in a process, made before any other thread, which inherit that these signals are none of theirs.
class EndSignals {
 public:
  EndSignals();
  ~EndSignals();
  EndSignals(const EndSignals&) = delete;
  EndSignals& operator=(const EndSignals&) = delete;
  // `heard` is called on the thread of the signals, at once where one has come already. Null: they wait.
  void listen(std::function<void()> heard);
  bool heard() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::host
