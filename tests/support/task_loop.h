// The thread that things with a thread of their own post to: what was posted runs in run_until.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace tocsin::test {

class TaskLoop {
 public:
  // Any thread may call it, as long as the loop is there.
  std::function<void(std::function<void()>)> post() {
    return [this](std::function<void()> task) {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
      came_.notify_one();
    };
  }
  // Runs tasks, waiting for more, until `condition` holds.
  template <class Condition>
  void run_until(Condition condition) {
    while (!condition()) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        came_.wait(lock, [this] { return !tasks_.empty(); });
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return tasks_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::function<void()>> tasks_;
};

}  // namespace tocsin::test
