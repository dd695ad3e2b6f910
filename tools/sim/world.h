// A network of nodes in virtual time. One thread; one seed, one history.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "crypto/hash.h"
#include "node/engine/hub.h"
#include "protocol/memory_store.h"
#include "tools/founding/founding.h"
#include "tools/founding/seeded_random.h"

namespace tocsin::sim {

using tools::SeededRandom;

class VirtualClock final : public protocol::Clock {
 public:
  protocol::Time now() const override { return {1'800'000'000'000 + ms_}; }
  std::int64_t steady_ms() const override { return ms_; }
  void advance(std::int64_t ms) { ms_ += ms; }

 private:
  std::int64_t ms_ = 0;
};

// Chances; 0: the fault does not happen.
struct Faults {
  double crash = 0;      // of a node, for each virtual second: the process dies, what was not yet durable is lost
  double power = 0;      // the same, in the moment between a write and its commit
  double cut = 0;        // of a wire, for each second: both sides see it end
  double reorder = 0;    // of a frame
  double duplicate = 0;  // of a frame
  double corrupt = 0;    // of a frame: one bit
  double loss = 0;       // of a wire, for each second: it swallows everything in silence
};
// "crash,power,cut,reorder,duplicate,corrupt,loss", "all" or "none". Nothing for an unknown word.
std::optional<Faults> parse_faults(std::string_view list);

struct Node {
  Node(std::string name, std::uint64_t seed, std::uint64_t number, VirtualClock& clock, Log& log);
  void start();
  void crash();  // the process dies and comes back

  std::string name, address;
  VirtualClock& clock;
  Log& log;
  SeededRandom random;
  protocol::NodeSecrets secrets;
  tools::Founded founded;
  protocol::MemoryStore store;
  std::unique_ptr<protocol::ReadingTable> table;
  std::unique_ptr<protocol::Replica> replica;
  std::unique_ptr<engine::Hub> hub;
  std::set<engine::LinkId> ready;
  std::int64_t persist_at = 0;  // when the disk has done what is queued
  std::uint64_t life = 1;       // rises with each start: answers of an earlier life do not count
  bool failed = false;          // it did not come back: a broken invariant
  std::string failure;
};

class World {
 public:
  World(std::size_t nodes, std::uint64_t seed);

  std::vector<std::unique_ptr<Node>>& nodes() { return nodes_; }
  VirtualClock& clock() { return clock_; }
  SeededRandom& random() { return random_; }
  void set_faults(const Faults& faults) { faults_ = faults; }
  void introduce(Node& a, Node& b);

  // Does what can be done now, then moves the clock to the next moment, at most to `end`.
  void step(std::int64_t end);
  void kill(Node& node);

  std::uint64_t steps = 0, frames = 0, bytes = 0, crashes = 0, cuts = 0, damaged = 0;
  // Hash over everything that was delivered: equal for equal runs.
  std::string trace() const;

 private:
  struct End {
    Node* node = nullptr;
    engine::LinkId link;
    std::unique_ptr<protocol::Link> noise;
    bool open = false;
    std::deque<std::pair<std::int64_t, Bytes>> arriving;  // sealed messages
  };
  struct Wire {
    End ends[2];
    bool dead = false;
  };
  bool act();
  void dial(Node& from, const transport::DialTarget& target);
  bool speak(Wire& wire, int end);
  bool listen(Wire& wire, int end);
  void close(Wire& wire, const Error& reason);
  void hurt();  // the faults of one second

  VirtualClock clock_;
  SilentLog log_;
  SeededRandom random_;
  Faults faults_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::list<Wire> wires_;
  std::int64_t next_hurt_ = 1000;
  crypto::Hash trace_;
};

}  // namespace tocsin::sim
