// One session with a node, in which anything may be said: frames are made by hand. What the node asks for is answered,
// from entries that were made for it and, beneath them, from the store of the home.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "protocol/wire.h"
#include "tests/hostile/hostile_home.h"
#include "tools/outsider/raw_link.h"

namespace tocsin::hostile {

using Json = nlohmann::ordered_json;

// A node that is attacked.
struct Target {
  protocol::NodeId node;
  std::string address;
};

class Talk {
 public:
  Talk(HostileHome& home, const Target& target);

  // Hello, and slots: the first are these channels, in order; the others are random.
  void open(const std::vector<protocol::ChannelId>& channels);
  // One frame of what `put` puts. Nothing where the node has closed.
  void say(const std::function<void(protocol::wire::FrameWriter&)>& put);
  protocol::wire::Slots slots(const std::vector<protocol::ChannelId>& channels, std::uint32_t round);
  // Says that this node holds `entries` (of one log), and gives whatever the other one then asks for. With `leaf` it
  // names another head than the last of them.
  void offer(std::uint16_t slot, const std::vector<protocol::Entry>& entries,
             std::optional<protocol::Leaf> leaf = std::nullopt);
  // The head of a log that the home's store holds, likewise.
  void offer_held(std::uint16_t slot, const protocol::LogKey& log);
  // Entries that nobody asked for.
  void push(std::uint16_t slot, const std::vector<protocol::Entry>& entries);
  // Until the node has answered everything and is silent, or has closed.
  void settle();

  // What it said: {"answer": "open" | "closed" | "bye REASON" | "unreachable", "asked": wants, "given": entries of ours
  // that went out, "got": entries of its, "not_held", "mail": kinds, "tokens": channels whose slot it answered}.
  Json outcome() const;
  bool is_open() const { return link_ && !closed_ && !bye_; }
  std::uint64_t got() const { return got_; }

 private:
  using Got = tools::RawLink::Got;
  Got read(int wait_ms);
  void take(const protocol::wire::Message& message);
  void answer(const protocol::wire::Want& want);
  std::optional<protocol::Entry> find(const protocol::LogKey& log, std::uint64_t number);

  HostileHome& home_;
  Target target_;
  std::optional<tools::RawLink> link_;
  std::vector<protocol::ChannelId> channels_;
  std::map<protocol::LogKey, std::map<std::uint64_t, protocol::Entry>> made_;
  std::map<protocol::LogKey, std::uint16_t> slot_of_;
  bool closed_ = false;
  std::optional<protocol::ByeReason> bye_;
  std::uint64_t pings_ = 0, pongs_ = 0, asked_ = 0, given_ = 0, got_ = 0, not_held_ = 0, heard_ = 0;
  std::set<protocol::ChannelId> tokens_;
  std::vector<unsigned> mail_;
};

}  // namespace tocsin::hostile
