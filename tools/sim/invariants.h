// What holds at every moment, and what holds once everything has healed. README.md has the list.
#pragma once

#include "protocol/epoch.h"
#include "tools/sim/scene.h"

namespace tocsin::sim {

class Invariants {
 public:
  explicit Invariants(Scene& scene) : scene_(scene) {}

  void check();      // along the run
  bool equal();      // are the honest members of each channel alike by now?
  void check_end();  // once they are
  void fail(std::string name, std::string what);
  // Good nodes of the newest roster that any of them holds.
  std::vector<Node*> final_members(const Channel& channel);

  bool broken() const { return !name_.empty(); }
  const std::string& name() const { return name_; }
  const std::string& what() const { return what_; }
  const std::string& why_not_equal() const { return why_; }
  // What every node holds, in lines for a person.
  std::string overview();
  std::uint64_t epochs() const;
  std::uint64_t forks() const { return forked_.size(); }
  std::uint64_t attempts() const { return attempts_; }

 private:
  struct SeenEpoch {
    protocol::Epoch epoch;
    Roster roster;
  };
  struct Scan {
    protocol::Number next{1};
    protocol::EpochRun run;
  };

  // Along the run.
  void nothing_lost();
  void nobody_else_holds_logs();
  void one_history();
  void nobody_honest_accused();
  void learn_writers();
  // secrecy.cc
  void learn_epochs();
  void learn_epochs_of(Node& node, const Channel& channel, const protocol::LogRecord& log);
  void take_epoch(const Channel& channel, protocol::Epoch epoch, const protocol::EpochRun& run);
  void keys_stay_in_rosters();
  void removed_read_nothing();
  bool may_have(const Node& node, const Channel& channel, protocol::Epoch epoch);
  bool opens(const Node& node, const Channel& channel, const Written& w);
  // At the end.
  bool same_entries(const Channel& channel, Node& one, Node& other, const std::vector<Node*>& members);
  bool is_hostile(const protocol::LogKey& log);
  bool anybody_holds(const protocol::LogKey& log, protocol::Number number, const std::vector<Node*>& members);
  bool alike(const Channel& channel, Node& one, Node& other);
  void forks_known(const Channel& channel, const std::vector<Node*>& members);
  void everything_opens(const Channel& channel, const std::vector<Node*>& members);
  bool has_to_open(const Channel& channel, Node& node, Node& newest, const Written& w);
  bool holds(Node& node, const Channel& channel, const Written& w);
  bool not_equal(std::string why);

  Scene& scene_;
  std::string name_, what_, why_;
  std::map<std::pair<protocol::LogKey, std::uint64_t>, protocol::EntryHash> heads_;
  std::map<protocol::LogKey, Node*> writers_;
  std::set<protocol::LogKey> forked_;  // honest nodes hold two histories of it
  std::map<protocol::ChannelId, std::map<protocol::Epoch, std::vector<Roster>>> epochs_;
  std::map<protocol::LogKey, Scan> scans_;
  // Every key that a node ever held, as a thief would have kept it.
  std::map<std::pair<const Node*, std::pair<protocol::ChannelId, protocol::Epoch>>, Bytes> hoard_;
  std::uint64_t attempts_ = 0;  // to open what a node must not read
};

}  // namespace tocsin::sim
