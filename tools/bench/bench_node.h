// A node without API and index, for measurements: real store, engine and transport in a folder of its own, keys that
// live as long as the process.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "node/engine/engine.h"
#include "node/engine/system_clock.h"
#include "node/store/store.h"
#include "tools/founding/must.h"

namespace tocsin::bench {

using tools::fail;
using tools::must;

class BenchNode {
 public:
  // Makes home, store, organisation and private channel in `folder` (which must not exist). Ends the process with a
  // message when that fails.
  BenchNode(const std::string& folder, const std::string& name);
  ~BenchNode();

  protocol::Replica& replica() { return engine_->replica(); }
  engine::Hub& hub() { return engine_->hub(); }
  engine::Loop& loop() { return loop_; }
  store::Store& store() { return *store_; }
  protocol::ReadingTable& table() { return table_; }
  const std::string& listening() const { return engine_->listening().front(); }
  // Runs the loop on a thread of its own until stop.
  void run_in_background();
  // Runs `act` on the loop and waits for what it hands to its `done`.
  template <class T>
  Result<T> wait(std::function<void(protocol::Done<T>)> act);

 private:
  engine::Loop loop_;
  SilentLog log_;
  crypto::SystemRandom random_;
  std::unique_ptr<store::Home> home_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<protocol::NodeSecrets> secrets_;
  protocol::ReadingTable table_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<std::thread> thread_;
};

double seconds_now();
// RssAnon of this process.
std::uint64_t rss_anon_kib();

template <class T>
Result<T> BenchNode::wait(std::function<void(protocol::Done<T>)> act) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto future = promise->get_future();
  loop_.post(
      [act = std::move(act), promise] { act([promise](Result<T> result) { promise->set_value(std::move(result)); }); });
  return future.get();
}

}  // namespace tocsin::bench
