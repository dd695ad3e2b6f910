#include "tools/bench/bench_node.h"

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "tools/founding/founding.h"

namespace tocsin::bench {

double seconds_now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

std::uint64_t rss_anon_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::strtoull(line.c_str() + 8, nullptr, 10);
  return 0;
}

BenchNode::BenchNode(const std::string& folder, const std::string& name) {
  home_ = std::make_unique<store::Home>(must(store::Home::create(folder), "home"));
  must(home_->complete(), "home");
  store_ = must(store::Store::create(*home_, crypto::StoreKey::random(random_), loop_.poster()), "store");
  secrets_ = std::make_unique<protocol::NodeSecrets>(tools::make_secrets(random_));
  engine::EngineConfig config;
  config.listen = {"127.0.0.1:0"};
  config.dial = false;
  {
    const auto founded = must(tools::found_org(name, "bench", *secrets_, random_), "organisation");
    protocol::ReadingTable table;
    engine::SystemClock clock;
    protocol::Replica replica(*store_, clock, random_, *secrets_, table);
    bool made = false;
    must(replica.create(founded.org_log, founded.node,
                        [&](Result<protocol::ChannelId> channel) {
                          must(std::move(channel), "private channel");
                          made = true;
                          loop_.quit();
                        }),
         "create");
    std::thread runner([this] { loop_.run(); });
    runner.join();
    if (!made) fail("the store did not answer");
  }
  engine_ = std::make_unique<engine::Engine>(loop_, *store_, *secrets_, table_, random_, log_, std::move(config));
  must(engine_->start(), "engine");
}

void BenchNode::run_in_background() {
  thread_ = std::make_unique<std::thread>([this] { loop_.run(); });
}

BenchNode::~BenchNode() {
  if (thread_) {
    engine_->stop();
    thread_->join();
  }
  store_->flush();
  engine_.reset();
  store_->close();
}

}  // namespace tocsin::bench
