#include "tools/sim/invariants.h"

#include <algorithm>

namespace tocsin::sim {

using namespace protocol;

void Invariants::fail(std::string name, std::string what) {
  if (broken()) return;
  name_ = std::move(name);
  what_ = std::move(what);
}

void Invariants::check() {
  for (const auto& node : scene_.world.nodes())
    if (node->failed) return fail("starts", node->name + " does not start again: " + node->failure);
  learn_writers();
  learn_epochs();
  nothing_lost();
  nobody_else_holds_logs();
  keys_stay_in_rosters();
  one_history();
  nobody_honest_accused();
}

// By what each node says of itself: nobody else makes it the owner of a log.
void Invariants::learn_writers() {
  for (const auto& node : scene_.world.nodes()) {
    if (!node->alive()) continue;
    auto logs = node->store.logs();
    if (!logs) return fail("starts", "the store of " + node->name + " does not answer");
    for (const auto& log : *logs) {
      if (log.type != LogType::kFeed) continue;
      const auto owner = node->table->feed_owner(log.log);
      if (owner && owner->node == node->id) writers_.emplace(log.log, node.get());
    }
    for (const auto& channel : scene_.channels) {
      const auto info = node->replica->channel(channel.id);
      if (info && info->is_chair) writers_.emplace(info->control_log, node.get());
    }
  }
  for (const auto& org : scene_.world.orgs()) writers_.emplace(LogKey{org->id.bytes()}, org->nodes.front());
}

// 1. On the writer's own disk, whatever happened since.
void Invariants::nothing_lost() {
  for (const auto& w : scene_.written) {
    if (!w.writer->alive() || !w.writer->honest()) continue;
    auto entry = w.writer->replica->read_entry(w.ref.log, w.ref.number);
    const auto which = "entry " + std::to_string(w.ref.number.value) + " of " + w.writer->name;
    if (!entry) return fail("nothing_lost", which + " was acknowledged and is lost");
    if (hash_entry(entry->view().header, entry->view().signature) != w.ref.hash)
      return fail("nothing_lost", which + " is another than was acknowledged");
  }
}

// 2. Whoever was never asked into a channel holds nothing of it, not even ciphertext.
void Invariants::nobody_else_holds_logs() {
  for (const auto& channel : scene_.channels) {
    for (const auto& node : scene_.world.nodes()) {
      if (channel.asked.contains(node->org->id)) continue;
      auto logs = node->store.logs();
      if (!logs) return fail("starts", "the store of " + node->name + " does not answer");
      for (const auto& log : *logs)
        if (log.channel == channel.pseudonym)
          return fail("nothing_leaked", node->name + " holds a log of a channel that it was never asked into");
      if (node->table->channel_of(channel.pseudonym))
        return fail("nothing_leaked", node->name + " holds a key of a channel that it was never asked into");
    }
  }
}

// 3. Over all honest nodes and all times. A hostile writer may show two: then everybody is to know.
void Invariants::one_history() {
  for (const auto& node : scene_.world.nodes()) {
    if (!node->honest() || node->org->hostile) continue;
    auto logs = node->store.logs();
    if (!logs) return fail("starts", "the store of " + node->name + " does not answer");
    for (const auto& log : *logs) {
      if (log.head.value == 0) continue;
      const auto [found, fresh] = heads_.emplace(std::make_pair(log.log, log.head.value), log.head_hash);
      if (fresh || found->second == log.head_hash) continue;
      const auto writer = writers_.find(log.log);
      if (writer == writers_.end() || (writer->second->honest() && !writer->second->org->hostile))
        return fail("one_history", "two histories of an honest log, at entry " + std::to_string(log.head.value) +
                                       (writer == writers_.end() ? "" : " of " + writer->second->name));
      forked_.insert(log.log);
    }
  }
}

// 6. Neither by a proof nor by a session that was ended.
void Invariants::nobody_honest_accused() {
  for (const auto& node : scene_.world.nodes()) {
    if (!node->alive() || !node->honest()) continue;
    for (const auto& fork : node->replica->forks()) {
      const auto writer = writers_.find(fork.log);
      const Node* accused = writer != writers_.end() ? writer->second : fork.node ? scene_.node(*fork.node) : nullptr;
      if (accused != nullptr && accused->honest() && !accused->org->hostile)
        return fail("nobody_honest_accused", node->name + " holds a fork proof against " + accused->name);
    }
  }
  if (const auto& blamed = scene_.world.blamed)
    fail("nobody_honest_accused", blamed->by + " ended a session with " + blamed->whom + ": " +
                                      std::string(blamed->error.code.text()) + " " + blamed->error.detail);
}

// ---- Once everything has healed

bool Invariants::not_equal(std::string why) {
  why_ = std::move(why);
  return false;
}

// Those of the newest roster that any good node holds.
std::vector<Node*> Invariants::final_members(const Channel& channel) {
  std::vector<Node*> out;
  Node* newest = scene_.newest(channel);
  if (newest == nullptr) return out;
  const auto info = *newest->replica->channel(channel.id);
  for (const auto& node : scene_.world.nodes()) {
    const auto named = [&](const MemberInfo& member) { return member.org == node->org->id; };
    if (scene_.good(*node) && std::any_of(info.members.begin(), info.members.end(), named)) out.push_back(node.get());
  }
  return out;
}

// But for feeds of hostile writers who keep to themselves what would join the copies of two honest members: nobody can
// give the one what the other's follows, or show the entry whose name alone it was given.
bool Invariants::same_entries(const Channel& channel, Node& one, Node& other, const std::vector<Node*>& members) {
  const Frontier &a = one.replica->frontier(channel.id), &b = other.replica->frontier(channel.id);
  if (a.digest() == b.digest()) return true;
  std::set<LogKey> logs;
  for (const auto* frontier : {&a, &b})
    for (const auto& [log, leaf] : frontier->leaves()) logs.insert(log);
  return std::all_of(logs.begin(), logs.end(), [&](const LogKey& log) {
    const Leaf *left = a.find(log), *right = b.find(log);
    if (left != nullptr && right != nullptr && *left == *right) return true;
    if (!is_hostile(log) || left == nullptr || right == nullptr) return false;
    Node& behind = left->head < right->head ? one : other;
    const auto copy = behind.replica->log_record(log);
    const bool name_alone = copy && copy->low > copy->head;
    return name_alone || !anybody_holds(log, std::min(left->head, right->head).next(), members);
  });
}

bool Invariants::is_hostile(const LogKey& log) {
  const auto writer = writers_.find(log);
  return writer != writers_.end() && (!writer->second->honest() || writer->second->org->hostile);
}

bool Invariants::anybody_holds(const LogKey& log, Number number, const std::vector<Node*>& members) {
  return std::any_of(members.begin(), members.end(), [&](Node* node) {
    const auto held = node->replica->log_record(log);
    return held && held->low <= number && number <= held->head;
  });
}

bool Invariants::equal() {
  for (const auto& channel : scene_.channels) {
    const auto members = final_members(channel);
    Node* newest = scene_.newest(channel);
    if (newest == nullptr) return not_equal("nobody is left in `" + channel.name + "`");
    for (auto* node : members) {
      const auto info = node->replica->channel(channel.id);
      if (!info || info->standing != ChannelStanding::kJoined)
        return not_equal(node->name + " has not joined `" + channel.name + "`");
      if (!same_entries(channel, *node, *newest, members))
        return not_equal(node->name + " and " + newest->name + " hold other entries of `" + channel.name + "`");
      if (node->store.queued() > 0 || node->store.untold() > 0) return not_equal(node->name + " is writing");
      for (const auto& log : node->replica->short_logs(channel.id)) {
        const auto record = node->replica->log_record(log);
        if (is_hostile(log) && !anybody_holds(log, {record->low.value - 1}, members)) continue;
        const auto writer = writers_.find(log);
        return not_equal(node->name + " waits for entries below " + std::to_string(record->low.value) +
                         " of a log of " + (writer == writers_.end() ? "nobody" : writer->second->name) + " in `" +
                         channel.name + "`");
      }
    }
    for (auto* node : members)
      if (!alike(channel, *newest, *node)) return false;
    for (auto* node : members)
      for (const auto& w : scene_.written)
        if (w.channel == channel.id && has_to_open(channel, *node, *newest, w) && !holds(*node, channel, w))
          return not_equal(node->name + " has no key for, or lacks, entry " + std::to_string(w.ref.number.value) +
                           " of " + w.writer->name + " in `" + channel.name + "`, epoch " +
                           std::to_string(w.epoch.value));
  }
  return true;
}

// The same authorised set: who reads, who writes, who leads, under which key, and where feeds end.
bool Invariants::alike(const Channel& channel, Node& one, Node& other) {
  if (&one == &other) return true;
  const auto a = *one.replica->channel(channel.id), b = *other.replica->channel(channel.id);
  const auto differ = [&](const char* what) {
    return not_equal(one.name + " and " + other.name + " differ in the " + what + " of `" + channel.name + "`");
  };
  if (a.epoch != b.epoch) return differ("epoch");
  if (a.term != b.term || a.control_log != b.control_log || a.chair_node != b.chair_node) return differ("chair");
  if (a.height != b.height) return differ("control head");
  if (a.stewards != b.stewards || a.quorum != b.quorum) return differ("stewards");
  const auto same = [](const MemberInfo& l, const MemberInfo& r) {
    return l.org == r.org && l.role == r.role && l.nodes == r.nodes;
  };
  if (!std::equal(a.members.begin(), a.members.end(), b.members.begin(), b.members.end(), same))
    return differ("members");
  for (const auto& log : one.replica->channel_logs(channel.id)) {
    const auto l = one.replica->pin_of(log.log), r = other.replica->pin_of(log.log);
    if (l.has_value() != r.has_value() || (l && (l->last != r->last || l->hash != r->hash))) return differ("pins");
  }
  return true;
}

void Invariants::check_end() {
  check();
  for (const auto& channel : scene_.channels) {
    const auto members = final_members(channel);
    forks_known(channel, members);
    everything_opens(channel, members);
  }
  removed_read_nothing();
}

// 5. Of each log of which honest members hold two histories, all of them hold the proof, or the pin that chose.
void Invariants::forks_known(const Channel& channel, const std::vector<Node*>& members) {
  std::set<LogKey> logs = forked_;
  std::map<std::pair<LogKey, std::uint64_t>, EntryHash> held;
  for (auto* node : members) {
    for (const auto& log : node->replica->channel_logs(channel.id)) {
      const auto writer = writers_.find(log.log);
      if (writer == writers_.end() || (writer->second->honest() && !writer->second->org->hostile)) continue;
      for (Number number = log.low; number <= log.head; number = number.next()) {
        const auto hash = node->replica->entry_hash(log.log, number);
        if (!hash) continue;
        const auto [found, fresh] = held.emplace(std::make_pair(log.log, number.value), *hash);
        if (!fresh && found->second != *hash) logs.insert(log.log);
      }
    }
    for (const auto& fork : node->replica->forks())
      if (fork.parted) logs.insert(fork.log);  // the others cannot be told where histories part (docs/status.md)
  }
  forked_.insert(logs.begin(), logs.end());
  for (auto* node : members) {
    const auto forks = node->replica->forks();
    for (const auto& log : logs) {
      const auto record = node->replica->log_record(log);
      if (!record || record->channel != channel.pseudonym || node->replica->pin_of(log)) continue;
      if (std::none_of(forks.begin(), forks.end(), [&](const ForkInfo& fork) { return fork.log == log; }))
        return fail("forks_known", node->name + " does not know of a fork of feed " + to_hex(log.view()).substr(0, 6) +
                                       " of " + (writers_.contains(log) ? writers_[log]->name : "nobody"));
    }
  }
}

// 4. Each honest member holds, and opens, everything that was written since it came.
bool Invariants::has_to_open(const Channel& channel, Node& node, Node& newest, const Written& w) {
  if (!w.writer->honest()) return false;
  const auto pin = newest.replica->pin_of(w.ref.log);
  if (pin && w.ref.number > pin->last) return false;  // it was removed before anybody had it
  // What a lost or removed node had told nobody is nobody's.
  const bool held = newest.replica->read_entry(w.ref.log, w.ref.number).ok();
  if (!held && !scene_.good(*w.writer)) return false;
  const auto roster = scene_.roster(newest, channel.id);
  const auto* writer = roster ? roster->member(w.writer->org->id) : nullptr;
  if (!held && (writer == nullptr || w.epoch < writer->since)) return false;
  const auto* member = roster ? roster->member(node.org->id) : nullptr;
  if (member == nullptr || w.epoch < member->since) return false;
  return may_have(node, channel, w.epoch);
}

bool Invariants::holds(Node& node, const Channel& channel, const Written& w) {
  return node.table->epoch_key(channel.pseudonym, w.epoch) && node.replica->read_entry(w.ref.log, w.ref.number).ok();
}

void Invariants::everything_opens(const Channel& channel, const std::vector<Node*>& members) {
  Node* newest = scene_.newest(channel);
  for (auto* node : members) {
    EntryOpener opener(*node->table);
    for (const auto& w : scene_.written) {
      if (w.channel != channel.id || !has_to_open(channel, *node, *newest, w)) continue;
      const auto entry = node->replica->read_entry(w.ref.log, w.ref.number);
      if (!entry || hash_entry(entry->view().header, entry->view().signature) != w.ref.hash)
        return fail("everywhere", node->name + " lacks an acknowledged entry of " + w.writer->name);
      if (const auto opened = opener.open(entry->view()); !opened)
        return fail("everywhere", node->name + " cannot open entry " + std::to_string(w.ref.number.value) + " of " +
                                      w.writer->name + " in `" + channel.name + "`, epoch " +
                                      std::to_string(w.epoch.value) + ": " + std::string(opened.error().code.text()) +
                                      " " + opened.error().detail);
    }
  }
}

}  // namespace tocsin::sim
