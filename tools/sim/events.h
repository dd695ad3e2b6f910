// What people do while the network is at its worst: they invite, certify, remove, revoke, renew keys, change chairs,
// lose machines and put them back; and what hostile members do. Each begins something; `second` goes on with it until
// it is done, whatever crashed in between.
#pragma once

#include "tools/sim/scene.h"

namespace tocsin::sim {

class Events {
 public:
  Events(Scene& scene, const Faults& rates) : scene_(scene), rates_(rates) {}

  // Before the first second: who is hostile.
  void begin();
  // Once in each virtual second. `live`: new things may begin.
  void second(bool live);
  // No new ones any more; hostile members go on to withhold, and break no session.
  void settle();
  bool waiting() const { return !wishes_.empty(); }
  std::int64_t jumped_ms() const { return jumped_ms_; }
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  // Something that an organisation's roots are to sign.
  struct Wish {
    Org* org;
    Node* subject;
    bool certify;
    std::string reason;
    std::int64_t not_before;
  };
  bool happens(double per_hour) { return scene_.random().chance(per_hour / 3600); }
  template <class T>
  T* pick(std::vector<T*>& from) {
    return from.empty() ? nullptr : from[scene_.random().below(from.size())];
  }
  Channel& any_channel() { return scene_.channels[scene_.random().below(scene_.channels.size())]; }
  Node* live_node(const Org& org, const Node* except = nullptr);
  bool is_wished(const Node& node) const;
  bool can_be_spared(const Node& node);
  Node* successor(const Node& chair, const Channel& channel);
  std::size_t live_nodes(const Org& org) const;

  // Chores.
  void hand_out_logs();
  void sign_wishes();
  bool grant(const Wish& wish);
  void accept_invitations();
  void answer_proposals();
  void replace_lost_chairs();
  void make_backup();
  void pass_cards();
  void invite_again();

  void join();
  bool ask_in(const Channel& channel, Node& chair, const protocol::OrgId& org);
  bool drop(const Channel& channel, Node& chair, const protocol::OrgId& org);
  bool add_further(Org& org);
  void removal();
  void remove_member();
  void revoke_node();
  void rotation();
  void chair();
  void next_chair(Channel& channel);
  void lead_on(Channel& channel);
  void restore();
  void hostile();
  void choose_branch();

  Scene& scene_;
  Faults rates_;
  std::vector<Wish> wishes_;
  struct Backup {
    Node* node = nullptr;
    protocol::MemoryStore store;
    std::set<protocol::ChannelId> joined;
  };
  bool knows_enough(const Backup& backup);
  std::vector<Backup> backups_;
  std::vector<std::pair<Node*, protocol::MemoryStore>> images_;
  std::map<protocol::ChannelId, std::int64_t> chair_changed_;
  std::map<std::string, std::uint64_t> counts_;
  std::int64_t jumped_ms_ = 0;
  bool settled_ = false;
  std::set<std::pair<protocol::ChannelId, protocol::OrgId>> invited_again_;
  std::int64_t cards_passed_ = 0;  // when last
  std::int64_t looked_for_lost_ = 0;
};

}  // namespace tocsin::sim
