// Callbacks of the store for those who have no loop: kept until asked for.
#pragma once

#include <deque>
#include <functional>
#include <mutex>

namespace tocsin::host {

class PostQueue {
 public:
  std::function<void(std::function<void()>)> poster() {
    return [this](std::function<void()> task) {
      std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    };
  }
  // Runs what has been posted, also what that posts.
  void drain() {
    for (;;) {
      std::function<void()> task;
      {
        std::lock_guard lock(mutex_);
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

 private:
  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
};

}  // namespace tocsin::host
