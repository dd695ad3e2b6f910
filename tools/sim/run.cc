#include "tools/sim/run.h"

#include <algorithm>
#include <map>

namespace tocsin::sim {
namespace {

using namespace protocol;

constexpr std::int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute;
constexpr std::int64_t kFoundMax = 4 * kHour;
constexpr std::int64_t kHealMax = 2 * kHour;
constexpr std::int64_t kCheckEvery = 5 * kMinute;
constexpr double kWriteChance = 0.01;  // of each member, for each second
constexpr FeedKind kKind{0x7f01};

// A report that its writer was told is durable.
struct Written {
  Node* writer;
  ChannelId channel;
  EntryRef ref;
};

class Run {
 public:
  explicit Run(const RunOptions& options) : options_(options), world_(options.nodes, options.seed) {
    const auto outside = std::max<std::size_t>(1, options.nodes / 10);
    for (std::size_t i = 0; i < options.nodes; ++i)
      (i + outside < options.nodes ? inside_ : outside_).push_back(world_.nodes()[i].get());
  }

  RunResult go() {
    if (found()) {
      result_.phase = "live";
      world_.set_faults(options_.faults);
      live();
      if (!result_.broken) {
        result_.phase = "heal";
        world_.set_faults({});
        heal();
      }
    }
    result_.at_ms = world_.clock().steady_ms();
    result_.steps = world_.steps;
    result_.frames = world_.frames;
    result_.bytes = world_.bytes;
    result_.crashes = world_.crashes;
    result_.cuts = world_.cuts;
    result_.damaged = world_.damaged;
    result_.written = written_.size();
    for (const auto& node : world_.nodes())
      result_.entries = std::max<std::uint64_t>(result_.entries, node->store.entry_count());
    result_.trace = world_.trace();
    return result_;
  }

 private:
  bool broken(std::string what) {
    if (!result_.broken) result_.broken = std::move(what);
    return false;
  }

  // Everybody knows everybody; two channels, one with all members, one with every second.
  bool found() {
    result_.phase = "found";
    for (std::size_t i = 0; i < world_.nodes().size(); ++i)
      for (std::size_t j = i + 1; j < world_.nodes().size(); ++j)
        world_.introduce(*world_.nodes()[i], *world_.nodes()[j]);
    std::vector<Node*> half;
    for (std::size_t i = 0; i < inside_.size(); i += 2) half.push_back(inside_[i]);
    return make_channel("everybody", inside_) && make_channel("half", half);
  }

  bool make_channel(const std::string& name, const std::vector<Node*>& members) {
    NewChannel wanted;
    wanted.name = name;
    auto& founder = *members.front();
    auto id = founder.replica->create_channel(wanted, [](Result<ChannelId>) {});
    if (!id) return broken("create_channel: " + std::string(id.error().code.text()));
    founder.store.sync();
    for (std::size_t i = 1; i < members.size(); ++i)
      if (auto invited = founder.replica->invite(*id, members[i]->founded.org, Role::kMember, [](Result<void>) {});
          !invited)
        return broken("invite: " + std::string(invited.error().code.text()));
    std::set<Node*> accepted;
    const auto joined = [&](Node* node) {
      const auto info = node->replica->channel(*id);
      if (info && info->standing == ChannelStanding::kInvited && accepted.insert(node).second)
        if (auto done = node->replica->accept(*id, [](Result<void>) {}); !done)
          broken("accept: " + std::string(done.error().code.text()));
      return info && info->standing == ChannelStanding::kJoined;
    };
    const auto end = world_.clock().steady_ms() + kFoundMax;
    while (std::count_if(members.begin(), members.end(), joined) < static_cast<std::ptrdiff_t>(members.size())) {
      if (result_.broken) return false;
      if (world_.clock().steady_ms() >= end) return broken("not everybody joined `" + name + "`");
      world_.step(end);
    }
    channels_.emplace_back(*id, members);
    return true;
  }

  void live() {
    const auto end = world_.clock().steady_ms() + static_cast<std::int64_t>(options_.hours * kHour);
    std::int64_t next_write = 0, next_check = world_.clock().steady_ms() + kCheckEvery;
    while (!result_.broken && world_.clock().steady_ms() < end) {
      if (world_.clock().steady_ms() >= next_write) {
        next_write = world_.clock().steady_ms() + kSecond;
        for (const auto& [channel, members] : channels_)
          for (auto* node : members)
            if (world_.random().chance(kWriteChance)) write(*node, channel);
      }
      world_.step(std::min(end, next_write));
      if (world_.clock().steady_ms() < next_check) continue;
      next_check = world_.clock().steady_ms() + kCheckEvery;
      check();
    }
    check();
  }

  void write(Node& node, const ChannelId& channel) {
    Bytes payload(64 + world_.random().below(2000));
    world_.random().fill(payload);
    const FeedItem item{kKind, payload};
    // A refusal (a key that is not here yet after a restart) is no fault: nothing was promised.
    (void)node.replica->append(channel, {&item, 1},
                               [this, &node, channel, life = node.life](Result<std::vector<EntryRef>> refs) {
                                 if (refs && life == node.life) written_.push_back({&node, channel, refs->front()});
                               });
  }

  void heal() {
    const auto start = world_.clock().steady_ms(), end = start + kHealMax;
    while (!equal()) {
      if (world_.clock().steady_ms() >= end) {
        broken("members differ two hours after the last fault");
        break;
      }
      world_.step(end);
    }
    result_.heal_ms = world_.clock().steady_ms() - start;
    check();
    if (!result_.broken) everywhere();
  }

  bool equal() {
    for (const auto& [channel, members] : channels_) {
      const auto digest = members.front()->replica->frontier(channel).digest();
      for (auto* node : members)
        if (node->replica->frontier(channel).digest() != digest || node->store.queued() > 0 || node->store.untold() > 0)
          return false;
    }
    return true;
  }

  void check() {
    for (const auto& node : world_.nodes())
      if (node->failed) return void(broken(node->name + " does not start again: " + node->failure));
    nothing_lost();
    nothing_leaked();
    one_history();
  }

  // 1. On the writer's own disk, whatever happened since.
  void nothing_lost() {
    for (const auto& w : written_) {
      auto entry = w.writer->replica->read_entry(w.ref.log, w.ref.number);
      if (!entry)
        return void(broken("entry " + std::to_string(w.ref.number.value) + " of " + w.writer->name +
                           " was acknowledged and is lost"));
      if (hash_entry(entry->view().header, entry->view().signature) != w.ref.hash)
        return void(broken("entry " + std::to_string(w.ref.number.value) + " of " + w.writer->name +
                           " is another than was acknowledged"));
    }
  }

  // 2. Nobody outside a channel holds a log of it, or opens an entry of it.
  void nothing_leaked() {
    for (const auto& [channel, members] : channels_) {
      const auto pseudonym = members.front()->replica->channel(channel)->pseudonym;
      for (const auto& node : world_.nodes()) {
        if (std::find(members.begin(), members.end(), node.get()) != members.end()) continue;
        auto logs = node->store.logs();
        if (!logs) return void(broken("the store of " + node->name + " does not answer"));
        for (const auto& log : *logs)
          if (log.channel == pseudonym) return void(broken(node->name + " holds a log of a channel that it is not in"));
        if (node->table->channel_of(pseudonym))
          return void(broken(node->name + " holds a key of a channel that it is not in"));
      }
    }
  }

  // 3. Over all nodes and all times.
  void one_history() {
    for (const auto& node : world_.nodes()) {
      auto logs = node->store.logs();
      if (!logs) return void(broken("the store of " + node->name + " does not answer"));
      for (const auto& log : *logs) {
        const auto known = std::make_pair(log.log, log.head.value);
        const auto [found, fresh] = heads_.emplace(known, log.head_hash);
        if (!fresh && found->second != log.head_hash)
          return void(broken("two histories of one log, at entry " + std::to_string(log.head.value)));
      }
    }
  }

  // 4. Everything that was acknowledged is with every member.
  void everywhere() {
    for (const auto& w : written_)
      for (const auto& [channel, members] : channels_)
        if (channel == w.channel)
          for (auto* node : members) {
            auto entry = node->replica->read_entry(w.ref.log, w.ref.number);
            if (!entry || hash_entry(entry->view().header, entry->view().signature) != w.ref.hash)
              return void(broken(node->name + " lacks an acknowledged entry of " + w.writer->name));
            EntryOpener opener(*node->table);
            if (!opener.open(entry->view()))
              return void(broken(node->name + " cannot open an entry of " + w.writer->name));
          }
  }

  RunOptions options_;
  World world_;
  RunResult result_;
  std::vector<Node*> inside_, outside_;
  std::vector<std::pair<ChannelId, std::vector<Node*>>> channels_;
  std::vector<Written> written_;
  std::map<std::pair<LogKey, std::uint64_t>, EntryHash> heads_;
};

}  // namespace

RunResult run(const RunOptions& options) { return Run(options).go(); }

}  // namespace tocsin::sim
