#include "tools/sim/scene.h"

namespace tocsin::sim {

using namespace protocol;

namespace {

constexpr FeedKind kKind{0x7f01};

}  // namespace

Roster Scene::roster(Node& node, const ChannelId& channel) {
  const auto info = node.replica->channel(channel);
  if (!info || info->epoch.value == 0) return nullptr;
  Seen& seen = seen_[{&node, channel}];
  if (seen.roster && seen.epoch == info->epoch && seen.log == info->control_log && seen.roster->epoch == info->epoch)
    return seen.roster;
  const auto record = node.replica->get_record(Table::kChannels, channel.view());
  if (!record) return nullptr;
  auto loaded = decode_channel_record(*record, *node.secrets);
  if (!loaded) impossible("channel record", loaded.error());
  seen = {info->epoch, info->control_log, loaded->state.newest};
  return seen.roster;
}

bool Scene::stands_in(const Node& node, const ControlState& roster) {
  const auto* member = roster.member(node.org->id);
  if (member == nullptr) return false;
  const auto& nodes = node.org->log.nodes();
  const auto at = nodes.find(node.id);
  if (at == nodes.end()) return false;
  const Number revoked = at->second.revoked_at;
  return revoked.value == 0 || revoked > member->log_number;
}

bool Scene::good(const Node& node) const {
  return node.alive() && node.honest() && !node.org->hostile && node.org->log.live_node(node.id) != nullptr;
}

Node* Scene::newest(const Channel& channel) {
  Node* out = nullptr;
  Epoch epoch;
  for (const auto& node : world.nodes()) {
    if (!good(*node)) continue;
    const auto info = node->replica->channel(channel.id);
    if (!info || info->standing != ChannelStanding::kJoined || info->epoch <= epoch) continue;
    epoch = info->epoch;
    out = node.get();
  }
  return out;
}

Node* Scene::chair(const Channel& channel) {
  Node* out = nullptr;
  std::uint32_t term = 0;
  for (const auto& node : world.nodes()) {
    if (!good(*node)) continue;
    const auto info = node->replica->channel(channel.id);
    if (!info || !info->is_chair || info->term <= term) continue;
    term = info->term;
    out = node.get();
  }
  return out;
}

Node* Scene::node(const NodeId& id) {
  for (const auto& node : world.nodes())
    if (node->id == id) return node.get();
  return nullptr;
}

void Scene::write(Node& node, const Channel& channel, std::size_t bytes) {
  if (!node.alive()) return;
  Bytes payload(bytes);
  random().fill(payload);
  const FeedItem item{kKind, payload};
  const Roster known = node.honest() ? roster(node, channel.id) : nullptr;
  // A refusal (a key that is not here yet after a restart) is no fault: nothing was promised.
  const auto told = [this, &node, id = channel.id, life = node.life, known](Result<std::vector<EntryRef>> refs) {
    if (!refs || life != node.life || !node.honest() || !known) return;
    const auto entry = node.replica->read_entry(refs->front().log, refs->front().number);
    if (!entry) impossible("a report that was just written", entry.error());
    written.push_back({&node, id, refs->front(), {load_le64(&entry->view().header[16])}, known});
  };
  if (!node.replica->append(channel.id, {&item, 1}, told)) ++refused_writes;
}

}  // namespace tocsin::sim
