// One node of the simulation, and the organisation whose roots stand behind it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "node/engine/hub.h"
#include "protocol/memory_store.h"
#include "protocol/org_request.h"
#include "tools/founding/founding.h"
#include "tools/founding/seeded_random.h"
#include "tools/sim/hostile.h"

namespace tocsin::sim {

inline constexpr char kNetwork[] = "simulation";
inline constexpr std::uint32_t kPrekeyMonths = 3;  // enough for one jump of the clock; each is one more key to try

class VirtualClock final : public protocol::Clock {
 public:
  protocol::Time now() const override { return {1'800'000'000'000 + ms_}; }
  std::int64_t steady_ms() const override { return ms_; }
  void advance(std::int64_t ms) { ms_ += ms; }

 private:
  std::int64_t ms_ = 0;
};

[[noreturn]] void impossible(const char* what, const Error& error);

struct Node;

// Its root key is here and at no node. What it has signed is kept, so that a node which lost it is given the very same
// again: honest roots never sign two histories.
struct Org {
  std::string name;
  protocol::OrgId id;
  crypto::SigningKey root;
  protocol::OrgLog log;
  std::vector<protocol::Entry> entries;
  std::vector<Node*> nodes;  // in order; those that are gone among them
  bool hostile = false;      // from the beginning, with all its nodes

  // The request of a node of its own, signed and kept; false: the node does not know the newest of the log.
  bool sign(const protocol::OrgRequest& request);
};

struct Node {
  // The first node of a new organisation.
  Node(std::string name, Org& org, const protocol::NodeId& id, std::shared_ptr<protocol::NodeSecrets> secrets,
       std::uint64_t seed, std::uint64_t number, VirtualClock& clock, Log& log);

  // What stands on its disk: as of a new organisation's first node, as of a further node, as of a backup.
  void found();
  void join(const Node& sibling);
  void restore(const protocol::MemoryStore& backup, const protocol::NodeSecrets& lost);
  // The same node once more, from what is on its disk now.
  void copy(const Node& other);

  void start();
  void crash();   // the process dies and comes back
  void retire();  // the machine is lost; what it knew stays known to whoever has it
  bool alive() const { return hub != nullptr; }
  bool honest() const { return !hostile; }

  std::string name, address;
  Org* org;
  protocol::NodeId id;
  std::shared_ptr<protocol::NodeSecrets> secrets;  // shared with a copy
  VirtualClock& clock;
  Log& log;
  SeededRandom random;
  protocol::MemoryStore store;
  LyingStore liar;
  std::unique_ptr<protocol::ReadingTable> table;
  std::unique_ptr<protocol::Replica> replica;
  std::unique_ptr<engine::Hub> hub;
  std::set<engine::LinkId> ready;
  std::int64_t persist_at = 0;  // when the disk has done what is queued
  std::uint64_t life = 1;       // rises with each start: answers of an earlier life do not count
  bool failed = false;          // it did not come back: a broken invariant
  std::string failure;
  std::string request;                  // of one that asks to be certified
  const Node* restored_from = nullptr;  // whose backup it began with
  bool hostile = false;                 // from now on
  std::unique_ptr<Mischief> mischief;
  std::optional<int> side;  // of a node that runs twice: which half of the world it shows itself to
};

std::shared_ptr<protocol::NodeSecrets> sim_secrets(crypto::Random& random, const protocol::Clock& clock);

}  // namespace tocsin::sim
