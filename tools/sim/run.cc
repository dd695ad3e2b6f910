#include "tools/sim/run.h"

#include <algorithm>

#include "tools/sim/events.h"
#include "tools/sim/invariants.h"

namespace tocsin::sim {
namespace {

using namespace protocol;

constexpr std::int64_t kFoundMax = 4 * kHour;
constexpr std::int64_t kHealMax = 6 * kHour;
constexpr std::int64_t kCheckEvery = 5 * kMinute;
constexpr double kWriteChance = 0.01;  // of each member, for each second
constexpr std::size_t kStewards = 3;

class Run {
 public:
  explicit Run(const RunOptions& options)
      : options_(options),
        scene_(options.nodes, options.seed),
        world_(scene_.world),
        events_(scene_, options.faults),
        invariants_(scene_) {
    // Some come later, where anybody joins at all.
    const auto outside = std::max<std::size_t>(1, options.nodes / 10);
    const auto later = options.faults.join > 0 ? options.nodes / 8 : 0;
    for (std::size_t i = 0; i < options.nodes; ++i) {
      if (i + outside >= options.nodes)
        scene_.outside.insert(world_.orgs()[i]->id);
      else if (i + outside + later < options.nodes)
        first_.push_back(world_.nodes()[i].get());
    }
  }

  RunResult go() {
    if (found()) {
      result_.phase = "live";
      events_.begin();
      world_.set_faults(options_.faults);
      live();
      if (!invariants_.broken()) {
        result_.phase = "heal";
        world_.set_faults({});
        heal();
      }
    }
    if (invariants_.broken()) result_.broken = invariants_.what(), result_.overview = invariants_.overview();
    result_.invariant = invariants_.name();
    result_.at_ms = scene_.now();
    result_.steps = world_.steps;
    result_.frames = world_.frames;
    result_.bytes = world_.bytes;
    result_.crashes = world_.crashes;
    result_.cuts = world_.cuts;
    result_.damaged = world_.damaged;
    result_.written = scene_.written.size();
    for (const auto& node : world_.nodes())
      result_.entries = std::max<std::uint64_t>(result_.entries, node->store.entry_count());
    result_.epochs = invariants_.epochs();
    result_.forks = invariants_.forks();
    result_.attempts = invariants_.attempts();
    result_.events = events_.counts();
    for (const auto& channel : scene_.channels)
      result_.members[channel.name] = invariants_.final_members(channel).size();
    result_.trace = world_.trace();
    return result_;
  }

 private:
  bool failed(const char* what, const Error& error) {
    invariants_.fail("founding", std::string(what) + ": " + std::string(error.code.text()) + " " + error.detail);
    return false;
  }

  // Everybody knows everybody; two channels, one with all members, one with every second, which three lead together
  // where chairs change.
  bool found() {
    result_.phase = "found";
    for (std::size_t i = 0; i < world_.nodes().size(); ++i)
      for (std::size_t j = i + 1; j < world_.nodes().size(); ++j)
        world_.introduce(*world_.nodes()[i], *world_.nodes()[j]);
    // Another founder than that of the first, so that the two are lost apart.
    std::vector<Node*> half;
    for (std::size_t i = first_.size() > kStewards ? 1 : 0; i < first_.size(); i += 2) half.push_back(first_[i]);
    const bool several = options_.faults.chair > 0 && half.size() > kStewards;
    return make_channel("everybody", first_, false) && make_channel("half", half, several);
  }

  bool make_channel(const std::string& name, const std::vector<Node*>& members, bool several) {
    NewChannel wanted;
    wanted.name = name;
    auto& founder = *members.front();
    if (several) {
      for (std::size_t i = 1; i < kStewards; ++i) wanted.stewards.push_back(members[i]->org->id);
      wanted.quorum = 2;
    }
    auto id = founder.replica->create_channel(wanted, [](Result<ChannelId>) {});
    if (!id) return failed("create_channel", id.error());
    founder.store.sync();
    Channel channel{*id, founder.replica->channel(*id)->pseudonym, name, several, {}};
    for (const auto* member : members) channel.asked.insert(member->org->id);
    scene_.channels.push_back(channel);
    // Stewards come first: what is decided before they are here they cannot read.
    const std::size_t leading = several ? kStewards : 1;
    if (several && !wait_for({members.begin(), members.begin() + kStewards}, channel)) return false;
    for (std::size_t i = leading; i < members.size(); ++i)
      if (!invite(founder, channel, *members[i])) return false;
    return wait_for(members, channel);
  }

  bool wait_for(const std::vector<Node*>& members, const Channel& channel) {
    const auto joined = [&](Node* node) {
      const auto info = node->replica->channel(channel.id);
      return info && info->standing == ChannelStanding::kJoined;
    };
    const auto end = scene_.now() + kFoundMax;
    std::int64_t next = 0;
    while (!std::all_of(members.begin(), members.end(), joined)) {
      if (scene_.now() >= end)
        return invariants_.fail("founding", "not everybody joined `" + channel.name + "`"), false;
      if (scene_.now() >= next) {
        next = scene_.now() + kSecond;
        events_.second(false);
      }
      world_.step(std::min(end, next));
    }
    return true;
  }

  bool invite(Node& founder, const Channel& channel, const Node& member) {
    if (!channel.several) {
      const auto invited = founder.replica->invite(channel.id, member.org->id, Role::kMember, [](Result<void>) {});
      return invited || failed("invite", invited.error());
    }
    const auto wanted = founder.replica->member_to_invite(channel.id, member.org->id, Role::kMember);
    if (!wanted) return failed("invite", wanted.error());
    const auto proposed =
        founder.replica->propose(channel.id, InviteChange{*wanted}, "from the first", [](Result<ProposalId>) {});
    return proposed || failed("propose", proposed.error());
  }

  void live() {
    const auto begun = scene_.now();
    const auto length = static_cast<std::int64_t>(options_.hours * kHour);
    std::int64_t next_write = 0, next_check = begun + kCheckEvery;
    // A month that passes at once is none of the hours in which reports are written.
    while (!invariants_.broken() && scene_.now() - events_.jumped_ms() < begun + length) {
      if (scene_.now() >= next_write) {
        next_write = scene_.now() + kSecond;
        events_.second(true);
        write();
      }
      world_.step(std::min(begun + length + events_.jumped_ms(), next_write));
      if (scene_.now() < next_check) continue;
      next_check = scene_.now() + kCheckEvery;
      invariants_.check();
    }
    invariants_.check();
  }

  void write() {
    for (const auto& channel : scene_.channels)
      for (const auto& node : world_.nodes())
        if (channel.asked.contains(node->org->id) && scene_.random().chance(kWriteChance))
          scene_.write(*node, channel, 64 + scene_.random().below(2000));
  }

  void heal() {
    const auto start = scene_.now(), end = start + kHealMax;
    events_.settle();
    std::int64_t next = 0, next_look = 0;
    while (!invariants_.broken()) {
      if (scene_.now() >= next) {
        next = scene_.now() + kSecond;
        events_.second(false);
      }
      // It takes long to look at everything: seldom, where it was not so at once.
      if (scene_.now() >= next_look) {
        next_look = scene_.now() + (scene_.now() - start < kMinute ? kSecond : 2 * kMinute);
        if (!events_.waiting() && invariants_.equal()) break;
      }
      if (scene_.now() >= end) {
        invariants_.fail("equal", "six hours after the last fault: " +
                                      (events_.waiting() ? "roots wait to sign" : invariants_.why_not_equal()));
        break;
      }
      world_.step(std::min(end, next));
    }
    result_.heal_ms = scene_.now() - start;
    if (!invariants_.broken()) invariants_.check_end();
  }

  RunOptions options_;
  Scene scene_;
  World& world_;
  Events events_;
  Invariants invariants_;
  RunResult result_;
  std::vector<Node*> first_;  // members from the beginning
};

}  // namespace

RunResult run(const RunOptions& options) { return Run(options).go(); }

}  // namespace tocsin::sim
