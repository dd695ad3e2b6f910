// An organisation leaves a channel of its own will (rule 23): what it signs goes to whoever it meets, and by a member's
// feed to the chair, whose next epoch is without it. No steward has to agree.
#include <algorithm>

#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kLeavesCarriedMax = kMembersMax;

}  // namespace

Result<void> Replica::leave(const ChannelId& id, Done<void> done) {
  TOCSIN_TRY(impl_->check_unlocked());
  Channel* channel = impl_->find_channel(id);
  if (channel == nullptr) return caller_error(kUnknownChannel, "no such channel is known here");
  ChannelState& state = channel->accepted;
  if (id == impl_->private_channel) {
    return caller_error("private_channel",
                        "the private channel is the organisation's own: a node that goes is revoked");
  }
  if (!state.joined() || state.newest == nullptr) {
    return caller_error("not_a_member",
                        "this organisation is not in the channel; an invitation is declined: tocsin channel refuse");
  }
  if (state.role_of(impl_->own_org) == Role::kSteward || state.is_chair()) {
    return caller_error(
        "steward_cannot_leave",
        state.newest->stewards.size() == 1
            ? "the only steward cannot leave: name others first, or found another channel instead"
            : "a steward cannot leave: let the others name another set first (tocsin channel stewards)");
  }
  state.leave = sign_leave({id, impl_->own_org, impl_->own_node, state.newest_epoch(), impl_->clock.now()},
                           impl_->secrets.tier2->signing);
  state.standing = ChannelStanding::kRemoved;
  state.invitation.clear();
  state.notice_seen = impl_->clock.now();
  if (state.contribution != nullptr) state.feed_key = nullptr;
  Change change;
  change.channels.push_back(id);
  change.mail = true;
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

// Of a member that is in the newest roster held here, by one of its live nodes, since it last joined.
Result<Leave> ReplicaCore::check_leave(const Channel& channel, ByteView signed_leave) const {
  TOCSIN_ASSIGN(leave, decode_leave(signed_leave));
  const ChannelState& state = channel.accepted;
  const RosterMember* member = state.newest == nullptr ? nullptr : state.newest->member(leave.org);
  if (leave.channel != state.id() || member == nullptr || leave.org == own_org) {
    return peer_error(kBadLeaveMessage, "it is of another channel, or of nobody in it");
  }
  if (member->role == Role::kSteward) return peer_error(kBadLeaveMessage, "a steward cannot leave");
  if (leave.epoch < member->since) return peer_error(kBadLeaveMessage, "the organisation has joined again since");
  const OrgState* org = find_org(leave.org);
  const bool is_signed = signed_by_node(
      leave.org, leave.node, [&](const crypto::VerifyKey& key) { return verify_leave(signed_leave, key, verifier); });
  if (!is_signed || org == nullptr || org->accepted.live_node(leave.node) == nullptr) {
    return peer_error(kBadSignature, "it is not signed by a node of the organisation that leaves");
  }
  return leave;
}

// By mail from who leaves, or from the feed of a member that met it.
Result<void> ReplicaCore::take_leave(Change& change, Channel& channel, ByteView signed_leave, bool carried) {
  TOCSIN_ASSIGN(leave, check_leave(channel, signed_leave));
  const ChannelState& state = channel.accepted;
  if (!carried && !state.is_chair()) {  // kept and not carried, it would be taken for known ever after
    if (auto may = may_append(channel); !may && may.error().code == kHomeUnconfirmed) return may.error();
  }
  const auto [at, is_new] = channel.leaves.emplace(leave.org, to_bytes(signed_leave));
  if (!is_new) return kOk;
  if (state.is_chair() || state.newest->is_steward(own_org)) {
    change.batch.put_record(Table::kMail, leave_record_name(state.id(), leave.org), signed_leave);
  }
  if (carried || state.is_chair() || channel.leaves.size() > kLeavesCarriedMax) return kOk;
  const FeedItem item{FeedKind::kLeave, signed_leave};
  if (!append_items(change, channel, std::span(&item, 1), nullptr)) channel.leaves.erase(leave.org);  // a reader
  return kOk;
}

Result<void> ReplicaCore::take_leave_mail(ByteView signed_leave) {
  TOCSIN_ASSIGN(leave, decode_leave(signed_leave));
  Channel* channel = find_channel(leave.channel);
  const bool reads = channel != nullptr && channel->accepted.joined() && channel->accepted.contribution == nullptr;
  if (!reads) return peer_error(kUnknownChannel, "it is of a channel that is not here");
  if (channel->accepted.role_of(leave.org) == Role::kUnknown) return kOk;  // it is out
  Change change;
  TOCSIN_TRY(take_leave(change, *channel, signed_leave, false));
  if (!change.batch.empty()) commit_for(std::move(change), nullptr);
  return kOk;
}

// Chair: whoever wants to leave is out of the next roster. Returns them.
std::vector<OrgId> ReplicaCore::answer_leaves(Change& change, Channel& channel, NextEpoch& next) {
  std::vector<OrgId> out;
  for (const auto& [org, signed_leave] : channel.leaves) {
    change.batch.remove_record(Table::kMail, leave_record_name(channel.accepted.id(), org));
    if (!check_leave(channel, signed_leave)) continue;
    leave_out(channel, org, next);
    next.left.push_back(signed_leave);
    out.push_back(org);
  }
  channel.leaves.clear();
  return out;
}

}  // namespace tocsin::protocol
