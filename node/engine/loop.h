// The I/O loop's thread, for those who only want to get something run on it. Made before everything else, so that the
// store can be told where its answers go: main makes Loop, then the store with `loop.poster()`, then the Engine on
// both.
#pragma once

#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace tocsin::engine {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Any thread: `task` is run on the loop's thread, in the order of the calls of one thread. Tasks posted after the
  // loop has ended are dropped.
  void post(std::function<void()> task);
  std::function<void(std::function<void()>)> poster();
  // Runs the loop on this thread until quit(). An exception of a task is our bug and ends the process.
  void run();
  void quit();  // any thread
  // For what runs on the same loop (the API's HTTP server).
  boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::engine
