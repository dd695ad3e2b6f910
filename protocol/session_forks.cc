// Forks as a session sees them (rule 12): from a difference down to the number where two histories part, and the proof
// of it to whoever has not heard.
#include <algorithm>

#include "protocol/codes.h"
#include "protocol/session_impl.h"

namespace tocsin::protocol {

// ---- Finding

// The peer's newest entry is not above ours: then ours of that number is the same, or there are two histories, and the
// peer's is asked for, once in a round.
void Session::Impl::look_at_leaf(const ChannelId& id, const Leaf& leaf, std::uint64_t depth) {
  const Leaf* ours = replica.frontier(id, config.peer_org).find(leaf.log);
  if (ours == nullptr || *ours == leaf || fetches.contains(leaf.log)) return;
  const auto record = replica.log_record(leaf.log);
  if (!record || (record->frozen != 0 && record->frozen != kForked)) return;
  const auto known = replica.parting(leaf.log);
  if (known && leaf.head >= known->first) {
    // Of an organisation log the peer may hold a rotation that decides (rule 19).
    const bool may_decide = leaf.type == LogType::kOrganisation && record->frozen == kForked;
    if (may_decide && first_look(leaf)) (void)start_branch(leaf.log, id, known->first, depth);
    return;
  }
  const auto hash = replica.entry_hash(leaf.log, leaf.head);
  if (!hash || *hash == leaf.hash || replica.is_fork_leaf(leaf)) return;
  if (!first_look(leaf)) return;
  start_probe(leaf.log, FetchPurpose::kFork, id, leaf.type, leaf.head, {}, depth);
}

bool Session::Impl::first_look(const Leaf& leaf) {
  if (probed.size() >= kRefusalsMax || !probed.insert(leaf.log).second) return false;
  if (leaf.type == LogType::kOrganisation) looked_at.insert_or_assign(leaf.log, leaf.hash);
  return true;
}

// The peer's entry differs from ours and follows another: halves what lies between until both follow the same. Each
// step is one entry, and there are at most 64.
bool Session::Impl::walk_on(const LogKey& log, const Fetch& fetch) {
  if (fetch.purpose != FetchPurpose::kFork || fetch.differs_at.value == 0 || fetch.draining) return false;
  const auto record = replica.log_record(log);
  if (!record || !fetch.channel) return false;
  const std::uint64_t lowest = record->low.value == 0 ? 0 : record->low.value - 1;
  const std::uint64_t low = std::max(fetch.answered ? fetch.same_at.value : fetch.first.value, lowest);
  const std::uint64_t high = fetch.differs_at.value;
  // They part below what is held here, or the peer holds pieces of more histories than one: others will find it.
  if (low + 1 >= high) return false;
  start_probe(log, FetchPurpose::kFork, fetch.channel, fetch.type, Number{low + (high - low) / 2}, {}, fetch.depth,
              Number{low}, fetch.differs_at);
  return true;
}

// Where the histories of an organisation log part is known: the peer's is wanted from there, for what decides between
// them is a rotation, there or above (rule 19). The replica takes it, or leaves things as they are.
bool Session::Impl::start_branch(const LogKey& log, const std::optional<ChannelId>& channel, Number from,
                                 std::uint64_t depth) {
  if (branches_wanted >= kBranchesMax || !wants.take(log, self, now())) return false;
  ++branches_wanted;
  Fetch fetch;
  fetch.channel = channel;
  fetch.type = LogType::kOrganisation;
  fetch.first = from;
  fetch.announced = 1;
  fetch.depth = depth + 1;
  open_fetch(log, std::move(fetch));
  return true;
}

// ---- Telling

void Session::Impl::offer_proof(const ChannelId& id, const LogKey& log) {
  const auto parting = replica.parting(log);
  if (!parting) return;
  if (replica.is_contribution(id, config.peer_org) && replica.frontier(id, config.peer_org).find(log) == nullptr)
    return;
  const auto known = proofs_known.find(log);
  if (known != proofs_known.end() && known->second <= *parting) return;
  if (const auto channel = channels.find(id); channel != channels.end()) channel->second.proofs_due.insert(log);
}

void Session::Impl::put_fork_proofs(wire::FrameWriter& out) {
  if (!compared_round) return;
  for (auto& [id, channel] : channels) {
    if (!channel.peer_slot) channel.proofs_due.clear();
    while (!channel.proofs_due.empty()) {
      const LogKey log = *channel.proofs_due.begin();
      const auto parting = replica.parting(log);
      const auto known = proofs_known.find(log);
      const bool told = parting && known != proofs_known.end() && known->second <= *parting;
      const auto proof = parting && !told ? replica.fork_proof(id, log) : std::nullopt;
      const bool is_end = parting && parting->first.value == 0;
      if (proof) {
        if (!wire::put(out, wire::ForkProof{channel.own_slot, *proof, is_end})) return;
        if (proofs_known.size() < kProofsMax) proofs_known.insert_or_assign(log, *parting);
      }
      channel.proofs_due.erase(log);
    }
  }
}

Result<void> Session::Impl::handle_fork_proof(ByteView payload) {
  TOCSIN_ASSIGN(message, wire::decode_fork_proof(payload));
  ChannelId id;
  if (find_channel(message.slot, &id) == nullptr) return kOk;  // of a channel that was shared a moment ago
  if (++proofs_taken > kProofsMax) return peer_error(kTooMuch, "more proofs of forks than there are logs");
  // A contributor hears nothing of other logs, not even whether what it says of them is taken (rule 24).
  if (replica.is_contribution(id, config.peer_org) && !replica.is_proof_of(id, config.peer_org, message.proof))
    return kOk;
  const auto taken = replica.take_fork_proof(id, message.proof);
  if (taken) {
    proofs_known.insert_or_assign(taken->log, std::pair(taken->number, taken->previous));
    if (!taken->early) return kOk;
    if (early_proofs.size() < kEarlyProofsMax) early_proofs.insert_or_assign({id, taken->log}, to_bytes(message.proof));
    if (taken->number.value == 0) want_for_end(id, taken->log);
    return kOk;
  }
  refused(taken.error());
  const std::string_view code = taken.error().code.text();
  // Nobody passes on what he has not checked.
  if (code == "bad_entry" || code == "bad_signature") return peer_error(kBadEntries, taken.error().detail);
  return kOk;
}

// The commitment that two rotations are of stands further on than this copy goes. How far the peer's goes, the leaf of
// an ended log does not say.
void Session::Impl::want_for_end(const ChannelId& id, const LogKey& log) {
  if (done_sent || fetches.contains(log) || !replica.wants_log(id, log, LogType::kOrganisation)) return;
  (void)start_branch(log, id, replica.accepted_head(log).next(), 0);
}

// More of the log is here.
void Session::Impl::retry_proofs(const LogKey& log) {
  for (auto at = early_proofs.begin(); at != early_proofs.end();) {
    bool done = false;
    if (at->first.second == log) {
      const auto taken = replica.take_fork_proof(at->first.first, at->second);
      if (!taken) refused(taken.error());
      done = !taken || !taken->early;
    }
    at = done ? early_proofs.erase(at) : std::next(at);
  }
}

// ---- The branch that was held here is gone: the other one is to be had

void Session::Impl::log_cut(const ChannelId& id, const LogKey& log) {
  if (over || done_sent || !channels.contains(id) || !replica.wants_log(id, log, LogType::kFeed)) return;
  erase_target(log);
  new_round();
}

}  // namespace tocsin::protocol
