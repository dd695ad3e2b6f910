// Who can read what. The attacker has all keys that the nodes in question ever held, and every byte that lies anywhere.
#include <algorithm>

#include "tools/sim/invariants.h"

namespace tocsin::sim {

using namespace protocol;

std::uint64_t Invariants::epochs() const {
  std::uint64_t out = 0;
  for (const auto& [channel, epochs] : epochs_) out += epochs.size();
  return out;
}

// Every epoch that a chair ever made, with its roster: from the control logs of honest nodes.
void Invariants::learn_epochs() {
  for (const auto& channel : scene_.channels) {
    for (const auto& node : scene_.world.nodes()) {
      if (!node->alive() || !node->honest()) continue;
      for (const auto& log : node->replica->channel_logs(channel.id))
        if (log.type == LogType::kControl) learn_epochs_of(*node, channel, log);
    }
  }
}

void Invariants::learn_epochs_of(Node& node, const Channel& channel, const LogRecord& log) {
  Scan& scan = scans_[log.log];
  if (log.low > scan.next || log.head < scan.next) return;
  (void)node.store.read(log.log, scan.next, log.head, SIZE_MAX, [&](const StoredEntry& stored) {
    const auto header = EntryHeader::decode(stored.entry.header);
    const auto body = decode_control_body(stored.entry.body);
    if (!header || !body) return fail("starts", "a control entry of " + node.name + " cannot be read"), false;
    scan.next = stored.number.next();
    if (body->kind != ControlBody::kEpoch) return true;
    if (body->epoch.part == 1) scan.run = {};
    if (!scan.run.add(*header, *body)) return true;
    if (scan.run.complete()) take_epoch(channel, header->epoch, scan.run);
    return true;
  });
}

// Of all nodes there are, those alone open it that stand in its roster: outsiders, invited, removed and revoked ones
// try with all keys that they have.
void Invariants::take_epoch(const Channel& channel, Epoch epoch, const EpochRun& run) {
  Roster roster;
  for (const auto& node : scene_.world.nodes()) {
    const auto key = node->table->epoch_key(channel.pseudonym, epoch);
    if (!key || !run.commits_to(channel.id, *key)) continue;
    const auto state = run.open_state(channel.id, *key);
    auto decoded = state ? decode_control_state(*state) : Result<ControlState>(state.error());
    if (!decoded) continue;
    roster = std::make_shared<const ControlState>(std::move(*decoded));
    break;
  }
  if (!roster) return;  // nobody holds its key: it died with its chair
  epochs_[channel.id][epoch].push_back(roster);
  for (const auto& node : scene_.world.nodes()) {
    if (scene_.stands_in(*node, *roster)) continue;
    ++attempts_;
    if (run.open_key(channel.id, *node->secrets, month_of(scene_.world.clock().now())))
      return fail("removed_read_nothing", node->name + " opens the key of epoch " + std::to_string(epoch.value) +
                                              " of `" + channel.name + "`, whose roster does not name it");
  }
}

bool Invariants::may_have(const Node& node, const Channel& channel, Epoch epoch) {
  const auto& epochs = epochs_[channel.id];
  const auto at = epochs.find(epoch);
  if (at == epochs.end()) return false;
  // Put back from a backup, it has what was in that, certified or not yet.
  return std::any_of(at->second.begin(), at->second.end(), [&](const Roster& roster) {
    return scene_.stands_in(node, *roster) || (node.restored_from && scene_.stands_in(*node.restored_from, *roster));
  });
}

// However a key came: wrapped, asked for later, from a backup.
void Invariants::keys_stay_in_rosters() {
  for (const auto& channel : scene_.channels) {
    for (const auto& [epoch, rosters] : epochs_[channel.id]) {
      for (const auto& node : scene_.world.nodes()) {
        const auto key = node->table->epoch_key(channel.pseudonym, epoch);
        if (!key) continue;
        hoard_.emplace(std::make_pair(node.get(), std::make_pair(channel.id, epoch)), to_bytes(key->view()));
        if (!may_have(*node, channel, epoch))
          return fail("removed_read_nothing", node->name + " holds the key of epoch " + std::to_string(epoch.value) +
                                                  " of `" + channel.name + "`, whose roster does not name it");
      }
    }
  }
}

bool Invariants::opens(const Node& node, const Channel& channel, const Written& w) {
  const auto kept = hoard_.find({&node, {channel.id, w.epoch}});
  auto key =
      kept != hoard_.end() ? crypto::EpochKey::from(kept->second) : node.table->epoch_key(channel.pseudonym, w.epoch);
  if (!key) return false;
  ReadingTable table;
  table.add_epoch(channel.id, channel.pseudonym, w.epoch, *key);
  table.set_feed(w.ref.log, {channel.id, w.writer->org->id, w.writer->id});
  EntryOpener opener(table);
  bool out = false;
  (void)w.writer->store.read(w.ref.log, w.ref.number, w.ref.number, SIZE_MAX, [&](const StoredEntry& stored) {
    out = opener.open(stored.entry).ok();
    return false;
  });
  return out;
}

// 7. What an honest member wrote while its roster did not name a node, that node does not open: not after a removal or
// a revocation, not before it joined, and never from outside.
void Invariants::removed_read_nothing() {
  for (const auto& w : scene_.written) {
    if (w.epoch > w.roster->epoch) continue;  // the writer had opened a newer one that was not durable yet
    for (const auto& channel : scene_.channels) {
      if (channel.id != w.channel) continue;
      for (const auto& node : scene_.world.nodes()) {
        if (scene_.stands_in(*node, *w.roster)) continue;
        ++attempts_;
        if (opens(*node, channel, w))
          return fail("removed_read_nothing", node->name + " opens entry " + std::to_string(w.ref.number.value) +
                                                  " of " + w.writer->name + " in `" + channel.name +
                                                  "`, written under a roster that does not name it");
      }
    }
  }
}

}  // namespace tocsin::sim
