// Channels as people see them: making, listing, inviting, accepting, removing.
#include <algorithm>

#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

Error unknown_channel() { return caller_error(kUnknownChannel, "no such channel is known here"); }

}  // namespace

Result<Channel*> ReplicaCore::found_channel(Change& change, const NewChannel& wanted, ChannelClass channel_class) {
  TOCSIN_TRY(check_unlocked());
  if (channels.size() >= kChannelsMax) return caller_error("too_many_channels", "a node takes part in 256 channels");
  auto control_key = std::make_shared<const crypto::SigningKey>(crypto::SigningKey::generate(random));
  ChannelGenesis genesis;
  genesis.network = own_log().profile().network;
  genesis.name = wanted.name;
  genesis.channel_class = channel_class;
  genesis.terms = wanted.terms;
  genesis.retention_days = wanted.retention_days;
  // The chair of term 1 is steward 1 mod n (rule 22).
  genesis.stewards = wanted.stewards;
  genesis.stewards.insert(genesis.stewards.begin() + (genesis.stewards.empty() ? 0 : 1), own_org);
  genesis.quorum = wanted.quorum;
  genesis.chair_org = own_org;
  genesis.chair_node = own_node;
  genesis.control_key = LogKey{control_key->verify_key().bytes()};
  genesis.created = clock.now();
  std::array<std::uint8_t, 32> random32;
  random.fill(random32);
  TOCSIN_ASSIGN(made, make_channel_genesis(std::move(genesis), random32, secrets.tier2->signing));

  const ChannelId id = made.id;
  auto& channel = channels[id] = std::make_unique<Channel>();
  channel->accepted.genesis = std::make_shared<const ChannelGenesis>(std::move(made));
  channel->accepted.control_key = std::move(control_key);
  NextEpoch first = same_epoch(*channel, EpochReason::kGenesis);
  first.roster.push_back(roster_member(own_org, Role::kSteward));
  first.successor_of = wanted.successor_of;
  auto added = add_epoch(change, *channel, std::move(first));
  for (const OrgId& steward : wanted.stewards) {
    if (added) added = add_event(change, *channel, InviteEvent{roster_member(steward, Role::kSteward)});
  }
  if (!added) {
    forget_log(channel->accepted.control_log());
    channels.erase(id);
    return added.error();
  }
  return channel.get();
}

Result<ChannelId> Replica::create_channel(const NewChannel& wanted, Done<ChannelId> done) {
  TOCSIN_TRY(impl_->check_home());
  TOCSIN_TRY(check_certified());  // else nobody could ever take an invitation to it
  if (wanted.channel_class != ChannelClass::kShared && wanted.channel_class != ChannelClass::kAlert &&
      wanted.channel_class != ChannelClass::kPublic) {
    return caller_error("bad_channel_class", "a new channel is shared, alert or public");
  }
  for (const OrgId& steward : wanted.stewards) {
    TOCSIN_TRY(impl_->check_peer(steward));
    if (steward == impl_->own_org) return caller_error(kBadChannelGenesis, "the own organisation is a steward anyway");
  }
  Change change;
  TOCSIN_ASSIGN(channel, impl_->found_channel(change, wanted, wanted.channel_class));
  const ChannelId id = channel->accepted.id();
  impl_->commit_for(std::move(change), std::move(done), id);
  return id;
}

// ---- Listing

namespace {

MemberInfo member_info(const ReplicaCore& core, const RosterMember& member) {
  MemberInfo out{member.org, member.role, member.name, member.kind, member.country, {}};
  if (const OrgState* org = core.find_org(member.org)) {
    // What the organisation signed about itself, not what the chair says (rule 53 goes by the kind).
    const OrgProfile& profile = org->accepted.profile();
    out.name = profile.name;
    out.kind = profile.kind;
    out.country = profile.country;
    for (const auto& [node, certified] : org->accepted.nodes()) {
      if (!certified.revoked) out.nodes.push_back(node);
    }
  }
  return out;
}

}  // namespace

std::optional<ChannelInfo> Replica::channel(const ChannelId& id) const {
  const Channel* channel = impl_->find_channel(id);
  if (channel == nullptr || channel->durable == nullptr) return std::nullopt;
  const ChannelState& state = *channel->durable;
  ChannelInfo out;
  out.id = id;
  out.pseudonym = state.genesis->pseudonym;
  out.name = state.genesis->name;
  out.channel_class = state.genesis->channel_class;
  out.standing = state.standing;
  out.own_role = state.standing == ChannelStanding::kRemoved ? Role::kUnknown : state.role_of(impl_->own_org);
  out.terms = state.genesis->terms;
  out.retention_days = state.genesis->retention_days;
  out.epoch = state.newest_epoch();
  out.erased_through = state.erased_through;
  if (state.newest != nullptr) out.epoch_created = state.newest->created;
  out.height = state.head;
  out.term = state.term().number;
  out.control_log = state.control_log();
  out.chair_org = state.chair_org();
  out.chair_node = state.chair_node();
  out.stewards = state.newest == nullptr ? state.genesis->stewards : state.newest->stewards;
  out.quorum = state.newest == nullptr ? state.genesis->quorum : state.newest->quorum;
  if (state.newest != nullptr) out.successor_of = state.newest->successor_of;
  out.is_chair = state.is_chair();
  if (state.contribution != nullptr) {
    out.hides_governments = state.contribution->notice.governments;
    out.claimed_chair = impl_->claimed_chair(state);
  }
  out.key_missing = state.key_missing() && !impl_->secrets.locked();
  out.needs_newer = state.needs_newer;
  out.needs_version = state.needs_version;
  if (state.newest != nullptr) {
    for (const RosterMember& member : state.newest->roster) out.members.push_back(member_info(*impl_, member));
  }
  for (const auto& [org, invite] : state.invited) out.invited.push_back(member_info(*impl_, invite.member));
  for (const auto& [org, grant] : state.grants) {
    const RosterMember* member = state.newest == nullptr ? nullptr : state.newest->member(org);
    if (member == nullptr) continue;
    out.grants.push_back({org, member_info(*impl_, *member).name, grant.from, member->since, grant.granted});
  }
  return out;
}

std::vector<ChannelInfo> Replica::channels() const {
  std::vector<ChannelInfo> out;
  for (const auto& [id, held] : impl_->channels) {
    if (auto info = channel(id)) out.push_back(std::move(*info));
  }
  std::sort(out.begin(), out.end(), [&](const ChannelInfo& a, const ChannelInfo& b) {
    const bool a_second = a.id != impl_->private_channel;
    const bool b_second = b.id != impl_->private_channel;
    return std::tie(a_second, a.name, a.id) < std::tie(b_second, b.name, b.id);
  });
  return out;
}

// ---- Members

namespace {

// What every act of the chair needs first.
Result<Channel*> chaired(ReplicaCore& core, const ChannelId& id) {
  TOCSIN_TRY(core.check_unlocked());
  Channel* channel = core.find_channel(id);
  if (channel == nullptr) return unknown_channel();
  const ChannelState& state = channel->accepted;
  if (!state.is_chair()) {
    const OrgState* chair = core.find_org(state.chair_org());
    const std::string who =
        chair == nullptr ? to_hex(state.chair_org().view()).substr(0, 16) : chair->accepted.profile().name;
    return caller_error("not_chair", "the chair of this channel is " + who);
  }
  if (state.needs_newer) return needs_newer_error(state);
  if (const LogState* log = core.find_log(state.control_log()); log != nullptr && log->accepted.frozen != 0) {
    return caller_error(kFrozen,
                        "two histories of this channel's control log are signed: nobody takes another entry of it");
  }
  if (core.chair_revoked(state)) return caller_error(kChairRevoked, "this node was revoked, and is chair no more");
  TOCSIN_TRY(core.check_home());
  TOCSIN_TRY(core.check_not_behind(*channel));
  return channel;
}

}  // namespace

Result<Channel*> ReplicaCore::chaired(const ChannelId& id) { return protocol::chaired(*this, id); }

bool ReplicaCore::is_verified(const OrgId& org) const {
  const auto peer = peers.find(org);
  return peer != peers.end() && peer->second.verified && !peer->second.blocked;
}

Result<void> ReplicaCore::check_peer(const OrgId& org) const {
  if (!peers.contains(org) || find_org(org) == nullptr) {
    return caller_error(kUnknownPeer, "no such organisation is known here");
  }
  if (find_org(org)->accepted.ended()) {
    return caller_error(kOrganisationEnded, "that organisation has ended: its roots were replaced twice");
  }
  // Rule 26: who was never compared by word of mouth could be anybody.
  if (!is_verified(org)) {
    return caller_error("peer_not_verified", "compare the eight words with this peer first, and unblock it");
  }
  return kOk;
}

Result<void> ReplicaCore::check_invited(const Channel& channel, const OrgId& org, Role role) const {
  const ChannelState& state = channel.accepted;
  TOCSIN_TRY(check_peer(org));
  const bool founding = role == Role::kSteward && state.newest->is_steward(org);
  if (!may_be_invited_as(role) && !founding) {
    return caller_error("role_not_supported", "an organisation is invited as member, reader or contributor");
  }
  if (state.genesis->channel_class == ChannelClass::kPrivate) {
    return caller_error("role_not_supported", "the private channel has the own nodes as members only");
  }
  if (state.role_of(org) != Role::kUnknown) return caller_error("already_member", "the organisation is a member");
  if (state.newest->roster.size() + state.invited.size() >= kMembersMax) {
    return caller_error("channel_full", "a channel has at most 256 members and invited organisations");
  }
  return kOk;
}

Result<RosterMember> Replica::member_to_invite(const ChannelId& id, const OrgId& org, Role role) const {
  const Channel* channel = impl_->find_channel(id);
  if (channel == nullptr || channel->accepted.newest == nullptr) return unknown_channel();
  TOCSIN_TRY(impl_->check_invited(*channel, org, role));
  return impl_->roster_member(org, role);
}

// What more than one steward has to decide is proposed, not done.
Result<void> ReplicaCore::check_alone(const Channel& channel) const {
  if (!decides_together(channel.accepted)) return kOk;
  return caller_error("needs_stewards", "the stewards of this channel decide that together: propose it");
}

Result<void> Replica::invite(const ChannelId& id, const OrgId& org, Role role, Done<void> done) {
  TOCSIN_ASSIGN(channel, chaired(*impl_, id));
  TOCSIN_TRY(impl_->check_invited(*channel, org, role));
  if (!(role == Role::kSteward && channel->accepted.newest->is_steward(org))) TOCSIN_TRY(impl_->check_alone(*channel));
  Change change;
  TOCSIN_TRY(impl_->add_event(change, *channel, InviteEvent{impl_->roster_member(org, role)}));
  channel->accepted.notices.erase(org);
  if (role == Role::kContributor) TOCSIN_TRY(impl_->tell_contributors(change, *channel, {org}));
  change.mail = true;
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

Result<void> Replica::remove_member(const ChannelId& id, const OrgId& org, Done<void> done) {
  TOCSIN_ASSIGN(channel, chaired(*impl_, id));
  const ChannelState& state = channel->accepted;
  Change change;
  if (state.role_of(org) == Role::kUnknown) {
    if (!state.invited.contains(org)) return caller_error("not_a_member", "the organisation is not in this channel");
    impl_->cancel_invitation(change, *channel, org);
  } else {
    if (org == impl_->own_org) {
      return caller_error("chair_cannot_leave", "the only steward cannot leave: found another channel instead");
    }
    TOCSIN_TRY(impl_->check_alone(*channel));
    TOCSIN_TRY(impl_->drop_member(change, *channel, org));
  }
  change.mail = true;
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

Result<void> ReplicaCore::drop_member(Change& change, Channel& channel, const OrgId& org,
                                      const DecisionEvent* decision) {
  const bool contributor = channel.accepted.role_of(org) == Role::kContributor;
  auto next = same_epoch(channel, EpochReason::kRemoved);
  if (decision == nullptr) leave_out(channel, org, next);
  TOCSIN_TRY(add_epoch(change, channel, std::move(next)));
  if (contributor) return tell_contributors(change, channel, {org}, true);
  write_notice(channel, org, decision);
  return kOk;
}

Result<void> Replica::rotate(const ChannelId& id, Done<void> done) {
  TOCSIN_ASSIGN(channel, chaired(*impl_, id));
  Change change;
  TOCSIN_TRY(impl_->add_epoch(change, *channel, impl_->same_epoch(*channel, EpochReason::kAge)));
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

// ---- History grants (rule 34)

namespace {

struct CheckedGrant {
  Channel* channel;
  Epoch joined;
};

Result<CheckedGrant> check_grant(ReplicaCore& core, const ChannelId& id, const OrgId& org, Epoch from) {
  TOCSIN_ASSIGN(channel, chaired(core, id));
  const ChannelState& state = channel->accepted;
  const RosterMember* member = state.newest->member(org);
  if (member == nullptr) {
    return caller_error("not_a_member", state.invited.contains(org)
                                            ? "the organisation is invited and has not joined yet"
                                            : "the organisation is not in this channel");
  }
  const Epoch joined = member->since.value != 0 ? member->since : core.first_named(*channel, org);
  if (member->role == Role::kContributor) {
    return caller_error("not_a_member", "a contributor reads nothing of this channel: there is no history to give it");
  }
  if (joined.value <= 1) {
    return caller_error("epoch_out_of_range", "the organisation has been in the channel since its first epoch");
  }
  if (from.value == 0 || from >= joined) {
    const std::uint64_t count = count_of(joined);
    return caller_error("epoch_out_of_range", "the organisation joined with epoch " + std::to_string(count) +
                                                  ": what can be granted is 1 to " + std::to_string(count - 1));
  }
  if (const auto grant = state.grants.find(org); grant != state.grants.end() && grant->second.from <= from) {
    return caller_error("already_granted", "the organisation was granted everything from epoch " +
                                               std::to_string(count_of(grant->second.from)) + " on");
  }
  return CheckedGrant{channel, joined};
}

}  // namespace

Epoch Replica::epoch_counted(const ChannelId& id, std::uint64_t count) const {
  const Channel* channel = impl_->find_channel(id);
  if (channel == nullptr || count > UINT32_MAX) return {};
  for (const auto& [epoch, info] : channel->accepted.epochs) {
    // Of two the one that counts: the other lies past the end of its term.
    const Term* over = channel->accepted.term_over(info.log);
    if (count_of(epoch) == count && (over == nullptr || info.last <= over->last)) return epoch;
  }
  return epoch_in(channel->accepted.term().number, count);
}

Result<void> Replica::grant_history(const ChannelId& id, const OrgId& org, Epoch from, Done<void> done) {
  TOCSIN_ASSIGN(checked, check_grant(*impl_, id, org, from));
  TOCSIN_TRY(impl_->check_alone(*checked.channel));
  Change change;
  TOCSIN_TRY(impl_->add_event(change, *checked.channel, HistoryGrantEvent{org, from, {}}));
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

Result<Replica::HistoryPreview> Replica::preview_history(const ChannelId& id, const OrgId& org, Epoch from) {
  TOCSIN_ASSIGN(checked, check_grant(*impl_, id, org, from));
  HistoryPreview out{from, {checked.joined.value - 1}, {}, {}};
  const auto began = impl_->roster_at(*checked.channel, from);
  out.since = began == nullptr ? checked.channel->accepted.genesis->created : began->created;
  for (const LogKey& key : checked.channel->logs) {
    const LogState* log = impl_->find_log(key);
    if (log == nullptr || log->durable.type != LogType::kFeed || log->durable.low > log->durable.head) continue;
    TOCSIN_ASSIGN(first, impl_->first_number_at(*log, from, log->durable.head.next()));
    TOCSIN_ASSIGN(end, impl_->first_number_at(*log, checked.joined, log->durable.head.next()));
    if (first < end) out.entries.push_back({key, first, {end.value - 1}});
  }
  return out;
}

// ---- Answering an invitation

namespace {

Result<Channel*> invited(ReplicaCore& core, const ChannelId& id) {
  TOCSIN_TRY(core.check_unlocked());
  TOCSIN_TRY(core.check_home());
  Channel* channel = core.find_channel(id);
  if (channel == nullptr) return unknown_channel();
  const ChannelStanding standing = channel->accepted.standing;
  // To another chair of a channel that it contributes to, too.
  const bool asked = !channel->accepted.invitation.empty() &&
                     (standing == ChannelStanding::kInvited || standing == ChannelStanding::kRefused);
  if (!asked && channel->accepted.claim.empty()) {
    return caller_error("not_invited", "there is no open invitation to this channel");
  }
  return channel;
}

}  // namespace

void ReplicaCore::begin_control(Change& change, Channel& channel, Number head, const EntryHash& hash, Epoch epoch) {
  ChannelState& state = channel.accepted;
  state.head = head;
  state.head_hash = hash;
  state.head_epoch = epoch;
  LogRecord& record = add_log(state.control_log(), LogType::kControl, state.id()).accepted;
  record.low = head.next();
  record.head = head;
  record.head_hash = record.before_low = hash;
  record.head_epoch = epoch;
  change.logs.push_back(record.log);
}

Result<void> Replica::accept(const ChannelId& id, Done<void> done) {
  TOCSIN_ASSIGN(channel, invited(*impl_, id));
  ChannelState& state = channel->accepted;
  if (state.contribution != nullptr) return impl_->accept_contribution(*channel, true, std::move(done));
  if (impl_->chair_revoked(state)) return caller_error(kChairRevoked, "the node that leads this channel was revoked");
  TOCSIN_ASSIGN(answer, impl_->answer(*channel, true));
  TOCSIN_ASSIGN(invitation, decode_invitation(state.invitation));
  TOCSIN_ASSIGN(epoch_entry, decode_entry(invitation.epoch_entry));
  TOCSIN_ASSIGN(epoch_header, EntryHeader::decode(epoch_entry.header));
  TOCSIN_ASSIGN(chair_log, org_entries(invitation.chair_org_log));
  Change change;
  if (auto extended = impl_->extend_org(change, chair_log); !extended) {
    // The end of a long log, of an organisation that is known here: what is held will do.
    if (impl_->find_org(state.chair_org()) == nullptr) return extended.error();
  }
  state.certificate = invitation.certificate;
  if (impl_->find_log(state.control_log()) == nullptr) {
    state.epochs[epoch_header.epoch] = {epoch_header.number, epoch_header.number, nullptr, nullptr, {},
                                        state.control_log()};
    impl_->begin_control(change, *channel, epoch_header.number, hash_entry(epoch_entry.header, epoch_entry.signature),
                         epoch_header.epoch);
  }
  state.acceptance = std::move(answer);
  state.standing = ChannelStanding::kAccepting;
  change.channels.push_back(id);
  change.mail = true;
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

Result<void> Replica::refuse(const ChannelId& id, Done<void> done) {
  TOCSIN_ASSIGN(channel, invited(*impl_, id));
  ChannelState& state = channel->accepted;
  if (state.contribution != nullptr) return impl_->accept_contribution(*channel, false, std::move(done));
  TOCSIN_ASSIGN(answer, impl_->answer(*channel, false));
  state.acceptance = std::move(answer);
  state.standing = ChannelStanding::kRefused;
  Change change;
  change.channels.push_back(id);
  change.mail = true;
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

}  // namespace tocsin::protocol
