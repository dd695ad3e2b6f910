// A network of nodes in virtual time. One thread; one seed, one history.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "crypto/hash.h"
#include "tools/sim/node.h"

namespace tocsin::sim {

// Chances of the network's faults; 0: the fault does not happen.
struct Faults {
  double crash = 0;      // of a node, for each virtual second: the process dies, what was not yet durable is lost
  double power = 0;      // the same, in the moment between a write and its commit
  double cut = 0;        // of a wire, for each second: both sides see it end
  double reorder = 0;    // of a frame
  double duplicate = 0;  // of a frame
  double corrupt = 0;    // of a frame: one bit
  double loss = 0;       // of a wire, for each second: it swallows everything in silence
  // What people do, so many times in an hour.
  double join = 0;      // an organisation is invited; a further node is certified
  double removal = 0;   // a member leaves the roster; a node is revoked
  double rotation = 0;  // a chair renews the key; once in a while 31 days pass at once
  double chair = 0;     // the next chair, the old one alive or lost for good
  double restore = 0;   // a node is lost, and put back from a backup under new keys
  double hostile = 0;   // some members turn hostile, and act
};
// "crash,power,cut,…", "all", "network" (without what people do) or "none". Nothing for an unknown word.
std::optional<Faults> parse_faults(std::string_view list);

// One honest node ended a session for another's fault, and that one was honest too.
struct Blamed {
  std::string by, whom;
  Error error;
};

class World {
 public:
  // Organisations with one node each.
  World(std::size_t organisations, std::uint64_t seed);

  std::vector<std::unique_ptr<Node>>& nodes() { return nodes_; }
  std::vector<std::unique_ptr<Org>>& orgs() { return orgs_; }
  Org* org(const protocol::OrgId& id);
  VirtualClock& clock() { return clock_; }
  SeededRandom& random() { return random_; }
  void set_faults(const Faults& faults) { faults_ = faults; }
  // Both take the other's card and compare the words; what is refused is left.
  void introduce(Node& a, Node& b);

  // New nodes while the network runs. A further and a restored one have asked to be certified, and are not yet.
  Node& add_further(const Node& sibling);
  Node& add_restored(const Node& lost, const protocol::MemoryStore& backup);
  // That node from now on runs twice, each half of the world sees another of the two.
  Node& add_twin(Node& node);
  void turn_hostile(Node& node);
  void retire(Node& node);  // it never comes back

  // Does what can be done now, then moves the clock to the next moment, at most to `end`.
  void step(std::int64_t end);
  void kill(Node& node);

  std::uint64_t steps = 0, frames = 0, bytes = 0, crashes = 0, cuts = 0, damaged = 0;
  std::optional<Blamed> blamed;  // the first
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
  Node& add_node(std::string name, Org& org, std::shared_ptr<protocol::NodeSecrets> secrets);
  Node& add_asking(const Node& like, const char* what);
  bool act();
  bool act_of(Node& node);
  Node* listener(const Node& from, const transport::DialTarget& target);
  void dial(Node& from, const transport::DialTarget& target);
  bool speak(Wire& wire, int end);
  bool listen(Wire& wire, int end);
  void hear(End& own, const End& other, ByteView frame);
  void drop_wires(Node& node);
  void close(Wire& wire, const Error& reason);
  void hurt();  // the faults of one second

  VirtualClock clock_;
  SilentLog log_;
  std::uint64_t seed_;
  SeededRandom random_;
  Faults faults_;
  std::vector<std::unique_ptr<Org>> orgs_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::list<Wire> wires_;
  std::int64_t next_hurt_ = 1000;
  crypto::Hash trace_;
};

}  // namespace tocsin::sim
