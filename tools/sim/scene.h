// What a run is about: the network, its channels, and the truth about them that no node has. Events change it,
// invariants compare the nodes with it.
#pragma once

#include <map>
#include <set>

#include "protocol/channel.h"
#include "tools/sim/world.h"

namespace tocsin::sim {

inline constexpr std::int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;

struct Channel {
  protocol::ChannelId id;
  protocol::ChannelPseudonym pseudonym;
  std::string name;
  bool several = false;             // stewards, of whom two decide
  std::set<protocol::OrgId> asked;  // who founded it, and whoever was ever invited
};

using Roster = std::shared_ptr<const protocol::ControlState>;

// A report that its honest writer was told is durable.
struct Written {
  Node* writer;
  protocol::ChannelId channel;
  protocol::EntryRef ref;
  protocol::Epoch epoch;
  Roster roster;  // the newest that the writer had opened when it wrote
};

struct Scene {
  Scene(std::size_t organisations, std::uint64_t seed) : world(organisations, seed) {}

  World world;
  std::set<protocol::OrgId> outside;  // never invited anywhere
  std::vector<Channel> channels;
  std::vector<Written> written;
  std::uint64_t refused_writes = 0;

  std::int64_t now() { return world.clock().steady_ms(); }
  SeededRandom& random() { return world.random(); }
  // What that node last opened of the channel; null: nothing.
  Roster roster(Node& node, const protocol::ChannelId& channel);
  // Stands in that roster, and its organisation's log does not revoke it as far as the roster names it.
  bool stands_in(const Node& node, const protocol::ControlState& roster);
  // Alive, honest, certified and not revoked, as its organisation's roots know.
  bool good(const Node& node) const;
  // The good node that holds the newest epoch of the channel; null: there is none.
  Node* newest(const Channel& channel);
  Node* chair(const Channel& channel);  // good, and leads as far as it knows; the highest term
  Node* node(const protocol::NodeId& id);
  void write(Node& node, const Channel& channel, std::size_t bytes);

 private:
  struct Seen {
    protocol::Epoch epoch;
    protocol::LogKey log;
    Roster roster;
  };
  std::map<std::pair<const Node*, protocol::ChannelId>, Seen> seen_;  // looked up, never walked through
};

}  // namespace tocsin::sim
