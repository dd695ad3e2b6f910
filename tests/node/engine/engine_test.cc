// The real loop: two engines, each with its own thread, over loopback.
#include "node/engine/engine.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "tests/support/expect.h"
#include "tests/support/replica_world.h"

namespace tocsin::engine {
namespace {

using protocol::ChannelId;
using test::code_of;
using test::must;

// A store in memory that makes everything durable as soon as the loop comes to it.
class LoopStore final : public protocol::EntryStore {
 public:
  LoopStore(protocol::MemoryStore& store, Loop& loop) : store_(store), loop_(loop) {}
  Result<std::vector<protocol::LogRecord>> logs() override { return store_.logs(); }
  Result<void> read(const protocol::LogKey& log, protocol::Number from, protocol::Number to, std::size_t bytes_max,
                    const protocol::EntryVisitor& visit) override {
    return store_.read(log, from, to, bytes_max, visit);
  }
  Result<void> read_arrivals(protocol::Arrival cursor, std::size_t bytes_max,
                             const protocol::EntryVisitor& visit) override {
    return store_.read_arrivals(cursor, bytes_max, visit);
  }
  protocol::Arrival newest_arrival() override { return store_.newest_arrival(); }
  Result<Bytes> get_record(protocol::Table table, ByteView name) override { return store_.get_record(table, name); }
  Result<void> scan_records(protocol::Table table, const protocol::RecordVisitor& visit) override {
    return store_.scan_records(table, visit);
  }
  void commit(protocol::Batch batch, std::function<void(Result<protocol::Arrival>)> done) override {
    store_.commit(std::move(batch), std::move(done));
    loop_.post([this] {
      store_.persist();
      store_.deliver();
    });
  }

 private:
  protocol::MemoryStore& store_;
  Loop& loop_;
};

// A node of an organisation (whose records a Party has made), on a thread of its own.
class RunningNode {
 public:
  RunningNode(const std::string& name, std::uint64_t seed) : party(name, seed, clock_), store_(party.store, loop_) {
    EngineConfig config;
    config.listen = {"127.0.0.1:0"};
    engine = std::make_unique<Engine>(loop_, store_, party.secrets(), table_, random_, log_, std::move(config));
    must(engine->start());
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~RunningNode() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    engine->stop();
    thread_.join();
  }
  // Runs on the loop's thread, and waits.
  template <class Act>
  auto on_loop(Act act) {
    std::promise<decltype(act())> result;
    engine->post([&] { result.set_value(act()); });
    return result.get_future().get();
  }
  template <class Condition>
  bool wait_for(Condition done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!on_loop(done)) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  std::string card() {
    return on_loop([this] { return must(engine->replica().own_card(engine->listening())); });
  }
  void know(RunningNode& other) {
    const std::string text = other.card();
    ASSERT_TRUE(on_loop([&] {
      must(engine->replica().add_card(text, nullptr));
      return true;
    }));
    ASSERT_TRUE(wait_for([&] { return engine->replica().peer(other.party.org()).has_value(); }));
    on_loop([&] {
      must(engine->replica().verify_peer(other.party.org(), protocol::card_words(other.party.org(), other.party.node()),
                                         nullptr));
      return true;
    });
  }
  std::size_t entries() {
    return on_loop([this] { return party.store.entry_count(); });
  }

  Loop loop_;
  test::WorldClock clock_;
  crypto::SystemRandom random_;
  SilentLog log_;
  test::Party party;
  LoopStore store_;
  protocol::ReadingTable table_;
  std::unique_ptr<Engine> engine;

 private:
  std::thread thread_;
};

class Engines : public ::testing::Test {
 protected:
  // A channel of `a` that `b` has joined.
  ChannelId share(RunningNode& a, RunningNode& b) {
    a.know(b);
    b.know(a);
    const ChannelId id = a.on_loop([&] {
      protocol::NewChannel wanted;
      wanted.name = "Early warning";
      wanted.terms = "Purpose: early warning.";
      return must(a.engine->replica().create_channel(wanted, nullptr));
    });
    EXPECT_TRUE(a.wait_for([&] { return a.engine->replica().channel(id).has_value(); }));
    EXPECT_TRUE(
        a.wait_for([&] { return a.engine->replica().peer(b.party.org())->state == protocol::PeerState::kVerified; }));
    a.on_loop([&] {
      must(a.engine->replica().invite(id, b.party.org(), protocol::Role::kMember, nullptr));
      return true;
    });
    EXPECT_TRUE(b.wait_for([&] { return b.engine->replica().channel(id).has_value(); }));
    b.on_loop([&] {
      must(b.engine->replica().accept(id, nullptr));
      return true;
    });
    EXPECT_TRUE(
        b.wait_for([&] { return b.engine->replica().channel(id)->standing == protocol::ChannelStanding::kJoined; }));
    return id;
  }
  static void write(RunningNode& node, const ChannelId& id, int count) {
    node.on_loop([&] {
      std::vector<Bytes> payloads(static_cast<std::size_t>(count), Bytes(1'000, 7));
      std::vector<protocol::FeedItem> items;
      for (const Bytes& payload : payloads) items.push_back({protocol::FeedKind::kReport, payload});
      must(node.engine->replica().append(id, items, nullptr));
      return true;
    });
  }
};

TEST_F(Engines, two_nodes_share_a_channel_over_loopback_and_stop_cleanly) {
  RunningNode a("alpha", 1), b("bravo", 2);
  const ChannelId id = share(a, b);
  write(a, id, 3'000);
  const auto digest = [&](RunningNode& node) {
    return node.on_loop([&] { return node.engine->replica().frontier(id).digest(); });
  };
  ASSERT_TRUE(b.wait_for([&] { return b.party.store.entry_count() > 3'000; }));
  ASSERT_TRUE(b.wait_for([&] { return b.engine->hub().entries_received() >= 3'000; }));
  for (int i = 0; i < 500 && digest(a) != digest(b); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(digest(a), digest(b));

  std::promise<SyncReport> synced;
  a.engine->post([&] {
    must(a.engine->hub().sync_now({}, [&](Result<SyncReport> report) { synced.set_value(must(std::move(report))); }));
  });
  const SyncReport report = synced.get_future().get();
  EXPECT_FALSE(report.code);
  EXPECT_EQ(report.received + report.sent, 0u);

  a.stop();
  ASSERT_TRUE(b.wait_for([&] { return b.engine->hub().link_count() == 0; }));
  const auto connections = b.on_loop([&] { return b.engine->hub().connections(); });
  ASSERT_EQ(connections.size(), 1u);
  ASSERT_TRUE(connections[0].last_error);
  EXPECT_TRUE(connections[0].last_seen);
}

TEST_F(Engines, stop_makes_durable_what_was_queued) {
  auto a = std::make_unique<RunningNode>("alpha", 1);
  const ChannelId own = a->on_loop([&] { return a->engine->replica().private_channel(); });
  const std::size_t before = a->entries();
  std::promise<void> queued;
  a->engine->post([&] {
    const protocol::FeedItem item{protocol::FeedKind::kReport, as_bytes("last words")};
    must(a->engine->replica().append(own, std::span(&item, 1), nullptr));
    a->engine->stop();
    queued.set_value();
  });
  queued.get_future().wait();
  a->stop();
  EXPECT_EQ(a->party.store.entry_count(), before + 1);
  EXPECT_EQ(a->party.store.queued() + a->party.store.untold(), 0u);
}

TEST_F(Engines, a_port_that_is_taken_is_said_and_nothing_listens) {
  RunningNode a("alpha", 1);
  test::WorldClock clock;
  Loop loop;
  test::Party party("bravo", 2, clock);
  LoopStore store(party.store, loop);
  protocol::ReadingTable table;
  crypto::SystemRandom random;
  SilentLog log;
  EngineConfig config;
  config.listen = {"127.0.0.1:0", a.engine->listening().at(0)};
  Engine engine(loop, store, party.secrets(), table, random, log, config);
  EXPECT_EQ(code_of(engine.start()), "address_in_use");
  EXPECT_TRUE(engine.listening().empty());
}

}  // namespace
}  // namespace tocsin::engine
