// What goes on in every second, whatever was begun: roots sign, nodes are given what their roots signed, who is invited
// accepts, stewards answer, a lost chair is replaced.
#include <algorithm>

#include "tools/sim/events.h"

namespace tocsin::sim {

using namespace protocol;

namespace {

constexpr double kAnswers = 0.1;  // a person looks at what waits, for each second
constexpr std::int64_t kChairPause = 10 * kMinute;

}  // namespace

void Events::second(bool live) {
  hand_out_logs();
  sign_wishes();
  accept_invitations();
  answer_proposals();
  if (rates_.chair > 0) replace_lost_chairs();
  if (settled_) pass_cards();
  if (settled_) invite_again();
  if (!live) return;
  if (rates_.restore > 0 && happens(12)) make_backup();
  if (happens(rates_.join)) join();
  if (happens(rates_.removal)) removal();
  if (happens(rates_.rotation)) rotation();
  if (happens(rates_.chair)) chair();
  if (happens(rates_.restore)) restore();
  if (happens(rates_.hostile)) hostile();
}

void Events::settle() {
  settled_ = true;
  for (auto& wish : wishes_) wish.not_before = 0;
  for (const auto& node : scene_.world.nodes())
    if (node->mischief) node->mischief->quiet = true;
}

// A node that came late was shown to some alone. `doctor` names those whose address nobody knows; then people ask them
// for their cards.
void Events::pass_cards() {
  if (scene_.now() - cards_passed_ < kMinute) return;
  cards_passed_ = scene_.now();
  const auto in = [](const Node& node, const Channel& channel) {
    const auto info = node.replica->channel(channel.id);
    return info && info->standing == ChannelStanding::kJoined;
  };
  const auto& nodes = scene_.world.nodes();
  for (auto a = nodes.begin(); a != nodes.end(); ++a) {
    for (auto b = std::next(a); scene_.good(**a) && b != nodes.end(); ++b) {
      if (!scene_.good(**b) || !(*a)->replica->addresses_of((*b)->id).empty() ||
          !(*b)->replica->addresses_of((*a)->id).empty())
        continue;
      if (std::any_of(scene_.channels.begin(), scene_.channels.end(),
                      [&](const Channel& channel) { return in(**a, channel) && in(**b, channel); }))
        scene_.world.introduce(**a, **b);
    }
  }
}

// An organisation stands in the roster, and all its nodes that knew of the channel are lost: nobody tells the others.
// Its people ask the chair to remove it and to invite it anew (docs/trust.md).
void Events::invite_again() {
  if (scene_.now() - looked_for_lost_ < 20 * kMinute) return;
  looked_for_lost_ = scene_.now();
  for (Channel& channel : scene_.channels) {
    Node* chair = scene_.chair(channel);
    if (chair == nullptr) continue;
    const auto info = *chair->replica->channel(channel.id);
    const auto listed = [](const std::vector<MemberInfo>& in, const OrgId& org) {
      return std::any_of(in.begin(), in.end(), [&](const MemberInfo& member) { return member.org == org; });
    };
    const auto knows = [&](const Node* node) {
      const auto own = node->replica->channel(channel.id);
      return own && (own->standing == ChannelStanding::kJoined || own->standing == ChannelStanding::kAccepting);
    };
    for (const auto& org : scene_.world.orgs()) {
      std::vector<Node*> good;
      for (auto* node : org->nodes)
        if (scene_.good(*node)) good.push_back(node);
      if (org->hostile || good.empty() || std::any_of(good.begin(), good.end(), knows)) continue;
      const bool member = listed(info.members, org->id);
      if (!member && (!invited_again_.contains({channel.id, org->id}) || listed(info.invited, org->id))) continue;
      invited_again_.insert({channel.id, org->id});
      ++counts_["invited_again"];
      if (member) {
        drop(channel, *chair, org->id);
      } else {
        ask_in(channel, *chair, org->id);
      }
    }
  }
}

Node* Events::live_node(const Org& org, const Node* except) {
  for (auto* node : org.nodes)
    if (node != except && scene_.good(*node)) return node;
  return nullptr;
}

std::size_t Events::live_nodes(const Org& org) const {
  return static_cast<std::size_t>(
      std::count_if(org.nodes.begin(), org.nodes.end(), [&](const Node* node) { return scene_.good(*node); }));
}

bool Events::is_wished(const Node& node) const {
  return std::any_of(wishes_.begin(), wishes_.end(), [&](const Wish& wish) { return wish.subject == &node; });
}

// A node that died before it had stored what the roots signed gets the very same again.
void Events::hand_out_logs() {
  for (const auto& org : scene_.world.orgs()) {
    if (org->hostile || org->entries.size() <= 2) continue;
    for (auto* node : org->nodes) {
      if (!node->alive() || !node->honest()) continue;
      // One that lags further behind hears of it by its peers.
      for (std::uint64_t i = node->replica->own_org().head().value; i < org->entries.size(); ++i)
        if (!node->replica->append_org_entry(org->entries[i].view(), false, [](Result<void>) {})) break;
      break;
    }
  }
}

void Events::sign_wishes() {
  for (std::size_t i = 0; i < wishes_.size();) {
    if (wishes_[i].not_before <= scene_.now() && grant(wishes_[i]))
      wishes_.erase(wishes_.begin() + static_cast<std::ptrdiff_t>(i));
    else
      ++i;
  }
}

bool Events::grant(const Wish& wish) {
  Org& org = *wish.org;
  const bool is_certified = org.log.live_node(wish.subject->id) != nullptr;
  if (wish.certify ? is_certified : !is_certified) return true;
  // A restored node may be the only one: it asks for itself.
  Node* agent = live_node(org, wish.certify ? nullptr : wish.subject);
  if (agent == nullptr && wish.certify && wish.subject->alive()) agent = wish.subject;
  if (agent == nullptr || agent->replica->own_org().head() != org.log.head()) return false;
  crypto::Verifier verifier;
  auto request = [&]() -> Result<OrgRequest> {
    if (!wish.certify) return agent->replica->request_revoke(wish.subject->id, wish.reason, {});
    TOCSIN_ASSIGN(asked, decode_node_request(wish.subject->request, verifier));
    return agent->replica->request_certify(asked);
  }();
  if (!request || !org.sign(*request)) return false;
  (void)agent->replica->append_org_entry(org.entries.back().view(), false, [](Result<void>) {});
  if (!wish.certify) return true;
  // Its people pass its card round; where they do not, it finds the others by itself.
  for (const auto& node : scene_.world.nodes()) {
    if (!node->alive() || node.get() == wish.subject) continue;
    if (node->org == &org || wish.subject->name.find("further") != std::string::npos || scene_.random().chance(0.5))
      scene_.world.introduce(*wish.subject, *node);
  }
  return true;
}

void Events::accept_invitations() {
  for (const auto& node : scene_.world.nodes()) {
    // One of an organisation's nodes answers; those that came meanwhile are introduced by it.
    if (!node->alive() || (node->honest() && node.get() != live_node(*node->org))) continue;
    for (const auto& channel : scene_.channels) {
      const auto info = node->replica->channel(channel.id);
      if (info && info->standing == ChannelStanding::kInvited)
        (void)node->replica->accept(channel.id, [](Result<void>) {});
    }
  }
}

void Events::answer_proposals() {
  for (const auto& channel : scene_.channels) {
    if (!channel.several) continue;
    for (const auto& node : scene_.world.nodes()) {
      if (!scene_.good(*node) || !scene_.random().chance(kAnswers)) continue;
      const auto info = node->replica->channel(channel.id);
      if (!info || info->own_role != Role::kSteward) continue;
      for (const auto& proposal : node->replica->proposals(channel.id)) {
        if (proposal.state != ProposalState::kOpen) continue;
        (void)node->replica->answer_proposal(proposal.proposal.id, true, "", [](Result<void>) {});
      }
    }
  }
}

void Events::replace_lost_chairs() {
  for (auto& channel : scene_.channels) {
    if (!channel.several) continue;
    Node* known = scene_.newest(channel);
    if (known == nullptr) continue;
    const Node* leads = scene_.node(known->replica->channel(channel.id)->chair_node);
    if (leads == nullptr || !scene_.good(*leads)) next_chair(channel);
  }
}

// One change at a time: what is under way may still be decided.
void Events::next_chair(Channel& channel) {
  auto& changed = chair_changed_[channel.id];
  if (changed != 0 && scene_.now() - changed < kChairPause) return;
  Node* known = scene_.newest(channel);
  if (known == nullptr) return;
  const auto info = *known->replica->channel(channel.id);
  std::vector<Node*> stewards;
  for (const auto& org : info.stewards)
    if (Node* node = live_node(*scene_.world.org(org))) stewards.push_back(node);
  const auto joined = [&](const Node* node) {
    const auto own = node->replica->channel(channel.id);
    return own && own->standing == ChannelStanding::kJoined && own->own_role == Role::kSteward;
  };
  std::erase_if(stewards, [&](const Node* node) { return !joined(node); });
  Node* asks = pick(stewards);
  std::erase_if(stewards, [&](const Node* node) { return node->id == info.chair_node; });
  Node* next = pick(stewards);
  if (asks == nullptr || next == nullptr) return;
  const auto term = asks->replica->next_term_of(channel.id, next->org->id);
  if (!term) return;
  if (asks->replica->propose(channel.id, ChairChange{*term, next->org->id, next->id}, "the next",
                             [](Result<ProposalId>) {})) {
    changed = scene_.now();
    ++counts_["chairs_proposed"];
  }
}

void Events::make_backup() {
  std::vector<Node*> from;
  for (const auto& node : scene_.world.nodes())
    if (scene_.good(*node)) from.push_back(node.get());
  Node* node = pick(from);
  if (node == nullptr) return;
  std::erase_if(backups_, [&](const Backup& backup) { return backup.node == node; });
  Backup& made = backups_.emplace_back();
  made.node = node;
  made.store = node->store;
  made.store.crash();
  for (const auto& channel : scene_.channels) {
    const auto info = node->replica->channel(channel.id);
    if (info && info->standing == ChannelStanding::kJoined) made.joined.insert(channel.id);
  }
}

}  // namespace tocsin::sim
