// Lets readers in, except while the map is moved. LMDB may only change its map while no transaction is open in the
// process; this is what makes the writer wait for the readers, and the readers for the writer. Readers go first and may
// nest: a writer waits until no reader is inside, which is soon, since a read lasts one frame.
#pragma once

#include <condition_variable>
#include <mutex>

namespace tocsin::store {

class MapGate {
 public:
  class Reader {
   public:
    explicit Reader(MapGate& gate) : gate_(gate) { gate_.enter(); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { gate_.leave(); }

   private:
    MapGate& gate_;
  };

  // Runs `change` while nobody reads.
  template <class Change>
  auto exclusively(Change change) {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return readers_ == 0; });
    return change();  // under the lock, so nobody enters
  }

 private:
  void enter() {
    const std::lock_guard lock(mutex_);
    ++readers_;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--readers_ == 0) idle_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable idle_;
  int readers_ = 0;
};

}  // namespace tocsin::store
