// What each node holds, for whoever has to find out why an invariant broke.
#include <algorithm>

#include "tools/sim/invariants.h"

namespace tocsin::sim {

using namespace protocol;

namespace {

const char* standing_word(ChannelStanding standing) {
  switch (standing) {
    case ChannelStanding::kInvited:
      return "invited";
    case ChannelStanding::kAccepting:
      return "accepting";
    case ChannelStanding::kJoined:
      return "joined";
    default:
      return "out";
  }
}

std::string epoch_text(Epoch epoch) {
  return std::to_string(term_of(epoch)) + "/" + std::to_string(epoch.value & 0xffffffffu);
}

}  // namespace

std::string Invariants::overview() {
  std::string out;
  const auto line = [&](const std::string& text) { out += text + "\n"; };
  const auto writer_of = [&](const LogKey& log) {
    const auto at = writers_.find(log);
    return (at == writers_.end() ? std::string("nobody") : at->second->name) + ":" + to_hex(log.view()).substr(0, 6);
  };
  for (const auto& node : scene_.world.nodes()) {
    const auto& certified = node->org->log.nodes();
    const auto at = certified.find(node->id);
    line(node->name + (node->alive() ? "" : " dead") + (node->honest() ? "" : " hostile") +
         (at == certified.end() ? " uncertified" : " revoked_at " + std::to_string(at->second.revoked_at.value)) +
         (node->alive() ? " own log " + std::to_string(node->replica->own_org().head().value) : ""));
  }
  for (const auto& channel : scene_.channels) {
    line("== " + channel.name);
    for (const auto& node : scene_.world.nodes()) {
      if (!node->alive() || !node->honest()) continue;
      const auto info = node->replica->channel(channel.id);
      if (!info) continue;
      const auto* chair = scene_.node(info->chair_node);
      line(node->name + ": " + standing_word(info->standing) + " epoch " + epoch_text(info->epoch) + " height " +
           std::to_string(info->height.value) + " term " + std::to_string(info->term) + " chair " +
           (chair ? chair->name : "?") + (info->is_chair ? " (itself)" : "") +
           (info->key_missing ? " KEY MISSING" : "") + " frontier " +
           to_hex(node->replica->frontier(channel.id).digest().view()).substr(0, 8));
      if (const auto state = scene_.roster(*node, channel.id)) {
        std::string members, keys;
        for (const auto& [epoch, rosters] : epochs_[channel.id])
          if (node->table->epoch_key(channel.pseudonym, epoch)) keys += " " + epoch_text(epoch);
        line("    keys of" + keys);
        for (const auto& member : state->roster) {
          const auto* org = scene_.world.org(member.org);
          members += " " + (org ? org->name : "?") + "@" + std::to_string(member.log_number.value) +
                     ">=" + epoch_text(member.since);
        }
        line("    roster of " + epoch_text(state->epoch) + ":" + members);
      }
      for (const auto& [key, leaf] : node->replica->frontier(channel.id).leaves())
        line("    leaf " + writer_of(key) + " " + std::to_string(leaf.head.value) + " " +
             to_hex(leaf.hash.view()).substr(0, 6));
      for (const auto& fork : node->replica->forks())
        if (std::find(fork.channels.begin(), fork.channels.end(), channel.id) != fork.channels.end())
          line("    fork " + writer_of(fork.log) + " at " + std::to_string(fork.number.value) +
               (fork.parted ? " parted" : "") + (fork.resolved ? " resolved" : ""));
      for (const auto& log : node->replica->channel_logs(channel.id)) {
        const auto pin = node->replica->pin_of(log.log);
        const auto owner = node->table->feed_owner(log.log);
        const auto* of = owner ? scene_.node(owner->node) : nullptr;
        line("    " + std::string(log.type == LogType::kControl ? "control " : "feed ") + writer_of(log.log) + " " +
             std::to_string(log.low.value) + ".." + std::to_string(log.head.value) + " epoch " +
             epoch_text(log.head_epoch) + " frozen " + std::to_string(log.frozen) + " of " +
             (of == nullptr ? "?" : of->name) + (pin ? " pin " + std::to_string(pin->last.value) : ""));
      }
    }
    for (const auto& [epoch, rosters] : epochs_[channel.id]) {
      for (const auto& roster : rosters) {
        std::string members;
        for (const auto& member : roster->roster) {
          const auto* org = scene_.world.org(member.org);
          members += " " + (org ? org->name : "?") + "@" + std::to_string(member.log_number.value);
        }
        line("  epoch " + epoch_text(epoch) + ":" + members);
      }
    }
  }
  return out;
}

}  // namespace tocsin::sim
