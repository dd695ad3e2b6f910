#include "tools/sim/events.h"

#include <algorithm>

namespace tocsin::sim {

using namespace protocol;

namespace {

constexpr std::size_t kNodesOfOrgMax = 3;
constexpr std::size_t kMembersMin = 4;
constexpr double kIsNode = 0.4;  // of joins and removals: a node, not an organisation
constexpr double kJump = 0.15;   // of rotations: a month passes first
constexpr std::int64_t kMonth = 31 * kDay;
constexpr std::size_t kBurst = 40;

}  // namespace

void Events::begin() {
  if (rates_.hostile == 0) return;
  std::vector<Org*> members;
  for (const auto& org : scene_.world.orgs()) {
    const auto in = [&](const Channel& channel) { return channel.asked.contains(org->id); };
    const auto leads = [&](const Channel& channel) {
      const auto info = org->nodes.front()->replica->channel(channel.id);
      return info && info->own_role == Role::kSteward;
    };
    if (std::any_of(scene_.channels.begin(), scene_.channels.end(), in) &&
        std::none_of(scene_.channels.begin(), scene_.channels.end(), leads))
      members.push_back(org.get());
  }
  for (std::size_t wanted = std::max<std::size_t>(1, members.size() / 6); wanted > 0 && !members.empty(); --wanted) {
    Org* org = pick(members);
    std::erase(members, org);
    org->hostile = true;
    for (auto* node : org->nodes) scene_.world.turn_hostile(*node);
    ++counts_["hostile"];
  }
}

void Events::join() {
  if (scene_.random().chance(kIsNode)) {
    std::vector<Org*> orgs;
    for (const auto& org : scene_.world.orgs())
      if (!org->hostile && !scene_.outside.contains(org->id)) orgs.push_back(org.get());
    if (Org* org = pick(orgs)) (void)add_further(*org);
    return;
  }
  Channel& channel = any_channel();
  Node* chair = scene_.chair(channel);
  if (chair == nullptr) return;
  const auto info = *chair->replica->channel(channel.id);
  const auto listed = [](const std::vector<MemberInfo>& in, const OrgId& org) {
    return std::any_of(in.begin(), in.end(), [&](const MemberInfo& member) { return member.org == org; });
  };
  std::vector<Org*> orgs;
  for (const auto& org : scene_.world.orgs())
    if (!org->hostile && !scene_.outside.contains(org->id) && !listed(info.members, org->id) &&
        !listed(info.invited, org->id) && live_node(*org) != nullptr)
      orgs.push_back(org.get());
  Org* org = pick(orgs);
  if (org == nullptr) return;
  channel.asked.insert(org->id);
  counts_["invited"] += ask_in(channel, *chair, org->id);
}

bool Events::ask_in(const Channel& channel, Node& chair, const OrgId& org) {
  if (!channel.several) return chair.replica->invite(channel.id, org, Role::kMember, [](Result<void>) {}).ok();
  const auto member = chair.replica->member_to_invite(channel.id, org, Role::kMember);
  return member && chair.replica->propose(channel.id, InviteChange{*member}, "asked", [](Result<ProposalId>) {}).ok();
}

bool Events::drop(const Channel& channel, Node& chair, const OrgId& org) {
  if (!channel.several) return chair.replica->remove_member(channel.id, org, [](Result<void>) {}).ok();
  return chair.replica->propose(channel.id, RemoveChange{org}, "left", [](Result<ProposalId>) {}).ok();
}

bool Events::add_further(Org& org) {
  Node* sibling = live_node(org);
  if (sibling == nullptr || live_nodes(org) >= kNodesOfOrgMax) return false;
  for (const auto& wish : wishes_)
    if (wish.org == &org) return false;
  Node& node = scene_.world.add_further(*sibling);
  wishes_.push_back({&org, &node, true, {}, 0});
  ++counts_["further_nodes"];
  return true;
}

void Events::removal() {
  if (scene_.random().chance(kIsNode))
    revoke_node();
  else
    remove_member();
}

void Events::remove_member() {
  Channel& channel = any_channel();
  Node* chair = scene_.chair(channel);
  if (chair == nullptr) return;
  const auto info = *chair->replica->channel(channel.id);
  if (info.members.size() <= kMembersMin) return;
  std::vector<Org*> orgs, hostile;
  for (const auto& member : info.members) {
    if (member.role == Role::kSteward || member.org == info.chair_org) continue;
    Org* org = scene_.world.org(member.org);
    orgs.push_back(org);
    if (org->hostile) hostile.push_back(org);
  }
  Org* org = !hostile.empty() && scene_.random().chance(0.5) ? pick(hostile) : pick(orgs);
  if (org == nullptr) return;
  const bool done = drop(channel, *chair, org->id);
  counts_["removals"] += done;
  // A hostile one does not want to know, and goes on asking and writing with the keys that it has.
  for (auto* node : org->nodes)
    if (done && node->mischief) node->mischief->deaf = true;
}

// Its organisation has another node, in each channel that it leads alone.
bool Events::can_be_spared(const Node& node) {
  if (live_nodes(*node.org) < 2) return false;
  return std::none_of(scene_.channels.begin(), scene_.channels.end(), [&](const Channel& channel) {
    return !channel.several && scene_.chair(channel) == &node && successor(node, channel) == nullptr;
  });
}

Node* Events::successor(const Node& chair, const Channel& channel) {
  for (auto* node : chair.org->nodes) {
    if (node == &chair || !scene_.good(*node)) continue;
    const auto info = node->replica->channel(channel.id);
    if (info && info->standing == ChannelStanding::kJoined) return node;
  }
  return nullptr;
}

void Events::revoke_node() {
  std::vector<Node*> nodes;
  for (const auto& node : scene_.world.nodes())
    if (scene_.good(*node) && !is_wished(*node) && can_be_spared(*node)) nodes.push_back(node.get());
  Node* node = pick(nodes);
  if (node == nullptr) return;
  // Stolen: the thief goes on with it.
  scene_.world.turn_hostile(*node);
  node->mischief->deaf = true;
  wishes_.push_back({node->org, node, false, "stolen", 0});
  ++counts_["revocations"];
}

void Events::rotation() {
  if (jumped_ms_ == 0 && scene_.random().chance(kJump)) {
    scene_.world.clock().advance(kMonth);
    jumped_ms_ = kMonth;
    ++counts_["months"];
    return;
  }
  Channel& channel = any_channel();
  if (Node* chair = scene_.chair(channel))
    counts_["rotations"] += chair->replica->rotate(channel.id, [](Result<void>) {}).ok();
}

void Events::chair() {
  Channel& channel = any_channel();
  if (!channel.several) return lead_on(channel);
  Node* old = scene_.chair(channel);
  if (old == nullptr) return;
  const auto info = *old->replica->channel(channel.id);
  std::size_t alive = 0;
  for (const auto& org : info.stewards) alive += live_node(*scene_.world.org(org), old) != nullptr;
  const bool leads_more = std::any_of(scene_.channels.begin(), scene_.channels.end(), [&](const Channel& other) {
    return &other != &channel && scene_.chair(other) == old;
  });
  if (alive >= info.quorum && !leads_more && scene_.random().chance(0.3)) {
    scene_.world.retire(*old);
    ++counts_["chairs_lost"];
  }
  next_chair(channel);
}

// The chair of the only steward is lost; what is left of its organisation says so, and leads on.
void Events::lead_on(Channel& channel) {
  Node* old = scene_.chair(channel);
  if (old == nullptr || is_wished(*old)) return;
  if (successor(*old, channel) == nullptr) {
    (void)add_further(*old->org);  // for the next time
    return;
  }
  scene_.world.retire(*old);
  wishes_.push_back({old->org, old, false, "lost", 0});
  ++counts_["chairs_lost"];
}

// Of a channel that is not in the backup nobody tells a node that is the only one of its organisation: its chair would
// have to invite it anew.
bool Events::knows_enough(const Backup& backup) {
  return std::all_of(scene_.channels.begin(), scene_.channels.end(), [&](const Channel& channel) {
    const auto info = backup.node->replica->channel(channel.id);
    const bool in = info && info->standing != ChannelStanding::kRemoved;
    return !in || backup.joined.contains(channel.id) || successor(*backup.node, channel) != nullptr;
  });
}

void Events::restore() {
  std::erase_if(backups_, [&](const Backup& backup) { return !scene_.good(*backup.node); });
  std::vector<Backup*> from;
  for (auto& backup : backups_)
    if (!is_wished(*backup.node) && knows_enough(backup)) from.push_back(&backup);
  Backup* backup = pick(from);
  if (backup == nullptr) return;
  Node* lost = backup->node;
  scene_.world.retire(*lost);
  Node& node = scene_.world.add_restored(*lost, backup->store);
  wishes_.push_back({lost->org, &node, true, {}, 0});
  // First it is to learn what the lost one wrote since: that is where its feeds are pinned.
  const auto later = static_cast<std::int64_t>(scene_.random().below(20 * kMinute));
  wishes_.push_back({lost->org, lost, false, "lost", scene_.now() + 5 * kMinute + later});
  ++counts_["restored"];
}

void Events::hostile() {
  std::vector<Node*> nodes;
  for (const auto& node : scene_.world.nodes())
    if (node->hostile && node->alive()) nodes.push_back(node.get());
  Node* node = pick(nodes);
  if (node == nullptr) return;
  Channel& channel = any_channel();
  switch (scene_.random().below(5)) {
    case 0:
      for (std::size_t i = 0; i < kBurst; ++i) scene_.write(*node, channel, 200);
      break;
    case 1:  // the same node twice, before two halves of the world
      if (!node->side && node->org->hostile) {
        Node& twin = scene_.world.add_twin(*node);
        ++counts_["twins"];
        // Before either hears what the other said.
        for (const auto& each : scene_.channels)
          for (auto* one : {node, &twin}) scene_.write(*one, each, 300);
      }
      break;
    case 2:
      if (node->side || !node->org->hostile) break;
      std::erase_if(images_, [&](const auto& image) { return image.first == node; });
      images_.emplace_back(node, node->store);
      images_.back().second.crash();
      break;
    case 3:  // its disk as it was, and it goes on from there
      for (const auto& [of, image] : images_) {
        if (of != node) continue;
        node->store = image;
        scene_.world.kill(*node);
        ++counts_["images_put_back"];
        scene_.write(*node, channel, 200);
      }
      break;
    case 4:
      choose_branch();
      break;
  }
}

// The chair looks at a fork that it knows, and chooses the branch that it holds.
void Events::choose_branch() {
  for (const auto& channel : scene_.channels) {
    Node* chair = scene_.chair(channel);
    if (chair == nullptr) continue;
    for (const auto& fork : chair->replica->forks()) {
      const auto here = std::find(fork.channels.begin(), fork.channels.end(), channel.id) != fork.channels.end();
      if (fork.type != LogType::kFeed || fork.pin || !here) continue;
      if (channel.several) {
        const auto may = chair->replica->may_pin(channel.id, fork.log, {}, fork.head_hash);
        if (!may) continue;
        const PinChange pin{{fork.log, may->last, fork.head_hash, may->node}};
        counts_["branches_chosen"] += chair->replica->propose(channel.id, pin, "", [](Result<ProposalId>) {}).ok();
      } else {
        counts_["branches_chosen"] +=
            chair->replica->pin_feed(channel.id, fork.log, {}, fork.head_hash, [](Result<void>) {}).ok();
      }
      return;
    }
  }
}

}  // namespace tocsin::sim
