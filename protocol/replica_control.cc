// Writing the control log: what the chair does (rules 22, 27, 29).
#include <algorithm>
#include <cassert>

#include "protocol/entry_sign.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

// One member that claims a missing slot again and again would make the key new each time: at most so often (rule 29).
constexpr std::int64_t kMissingSlotEveryMs = 10 * 60'000;

EntryHeader next_header(const ChannelState& state, Epoch epoch) {
  EntryHeader header;
  header.type = LogType::kControl;
  header.number = state.head.next();
  header.epoch = epoch;
  header.log = state.control_log();
  header.channel = state.genesis->pseudonym;
  header.previous = state.head_hash;
  return header;
}

}  // namespace

Result<void> ReplicaCore::add_control(Change& change, Channel& channel, std::span<const Entry> entries, From from) {
  if (from == From::kSelf) {
    TOCSIN_TRY(check_home());
    TOCSIN_TRY(check_not_behind(channel));
  }
  // What a locked node took, and could not be told yet when it was unlocked.
  if (const LogState* held = find_log(channel.accepted.control_log());
      held != nullptr && channel.accepted.head < held->accepted.head && !secrets.locked()) {
    TOCSIN_TRY(replay_control(channel));
    if (channel.accepted.head < held->accepted.head) {
      return peer_error(kNotApproved, "what is held of the control log cannot be checked yet");
    }
  }
  ChannelState next = channel.accepted;
  struct Decided {
    Number number;
    Epoch epoch;
    std::size_t quorum;
  };
  std::map<ProposalId, Decided> decided;
  std::map<ProposalId, LapseCause> lapsed;  // whom one is about may be out, and in again, within these entries
  for (const Entry& entry : entries) {
    const std::size_t before = next.decisions.size();
    TOCSIN_TRY(apply_control(next, entry.view(), control_context(channel)));
    if (next.decisions.size() > before)
      decided[next.decisions.back().id] = {next.head, next.head_epoch, next.newest->quorum};
    note_overtaken(channel, next, lapsed);
  }
  LogState* log = find_log(next.control_log());
  if (log == nullptr) log = &add_log(next.control_log(), LogType::kControl, next.id());
  for (const Entry& entry : entries) add_entry(change, *log, entry.view(), Checked::kSigned);
  for (const auto& [epoch, info] : next.epochs) {
    const EpochInfo* before = channel.accepted.epoch(epoch);
    if (info.key != nullptr && (before == nullptr || before->key != info.key)) {
      table.add_epoch(next.id(), next.genesis->pseudonym, epoch, *info.key);
    }
  }
  // What this node wrapped to itself says nothing about which keys others still use.
  if (from == From::kOthers && next.opened_by > newest_prekey_used) {
    newest_prekey_used = next.opened_by;
    change.batch.put_record(Table::kLocal, as_bytes(kPrekeyRecordName), encode_month(newest_prekey_used));
  }
  // Further nodes of this organisation are told of the channels that it is in, and of each term that they are to begin
  // with.
  const bool first_of_term = term_of(next.newest_epoch()) != term_of(channel.accepted.newest_epoch());
  if (next.joined() && (!channel.accepted.joined() || first_of_term)) change.mail = true;
  channel.accepted = std::move(next);
  // The roster forgets what a set of stewards decided when there is another one: what was decided stays so here.
  for (const auto& [id, place] : decided) {
    const auto held = channel.proposals.find(id);
    if (held == channel.proposals.end() || held->second.decided.value != 0) continue;
    held->second.decided = place.number;
    held->second.decided_epoch = place.epoch;
    held->second.needed = held->second.approved = place.quorum;
    put_proposal(change, channel, id);
  }
  for (const auto& [id, cause] : lapsed) {
    HeldProposal& held = channel.proposals.at(id);
    if (held.lapsed != LapseCause::kNone || state_of(channel, held) != ProposalState::kOpen) continue;
    held.lapsed = cause;
    put_proposal(change, channel, id);
  }
  note_lapsed(change, channel);
  change.channels.push_back(channel.accepted.id());
  return kOk;
}

Result<void> ReplicaCore::add_event(Change& change, Channel& channel, const ControlEvent& event) {
  const ChannelState& state = channel.accepted;
  const Epoch epoch = state.newest_epoch();
  EntryHeader header = next_header(state, epoch);
  ControlBody body;
  body.kind = ControlBody::kEvent;
  body.sealed = seal_control(*state.epochs.at(epoch).key, state.id(), epoch, header.log, header.number,
                             encode_control_event(event, clock.now()), random);
  const Entry entry = sign_entry(header, encode_control_body(body), *state.control_key);
  return add_control(change, channel, std::span(&entry, 1));
}

RosterMember ReplicaCore::roster_member(const OrgId& id, Role role) const {
  const OrgLog& org = orgs.at(id).accepted;
  const EntryHash head = org.ended() ? end_leaf_hash(LogKey{id.bytes()}) : org.head_hash();
  RosterMember out{id, role, org.head(), head, org.profile().name, org.profile().kind, org.profile().country};
  if (role == Role::kContributor) out.tag = crypto::random_fixed<crypto::Hash>(random);
  return out;
}

ReplicaCore::NextEpoch ReplicaCore::same_epoch(const Channel& channel, EpochReason reason) const {
  const ChannelState& state = channel.accepted;
  NextEpoch next{reason, {}, {}, {}, {}, {}};
  if (state.newest != nullptr) {
    for (const RosterMember& member : state.newest->roster) {
      next.roster.push_back(find_org(member.org) == nullptr ? member : roster_member(member.org, member.role));
      next.roster.back().tag = member.tag;
    }
  }
  for (const auto& [org, invite] : state.invited) next.invited.push_back(invite.member);
  for (const auto& [feed, pin] : state.pins) next.pins.push_back(pin);
  for (const Proposal& decision : state.decisions) {
    const auto* remove = std::get_if<RemoveChange>(&decision.change);
    if (remove != nullptr) leave_out(channel, remove->org, next);
  }
  return next;
}

void ReplicaCore::leave_out(const Channel& channel, const OrgId& org, NextEpoch& next) const {
  std::erase_if(next.roster, [&](const RosterMember& member) { return member.org == org; });
  pin_feeds_of(
      channel, [&](const FeedOwner& owner) { return owner.org == org; }, next.pins);
}

Result<void> ReplicaCore::add_epoch(Change& change, Channel& channel, NextEpoch next) {
  const ChannelState& state = channel.accepted;
  const auto by_org = [](const RosterMember& a, const RosterMember& b) { return a.org < b.org; };
  std::sort(next.roster.begin(), next.roster.end(), by_org);
  std::sort(next.invited.begin(), next.invited.end(), by_org);
  if (next.pins.size() > kPinsWrittenMax) next.pins.resize(kPinsWrittenMax);
  std::sort(next.pins.begin(), next.pins.end(), [](const FeedPin& a, const FeedPin& b) { return a.feed < b.feed; });

  ControlState control;
  control.genesis = state.genesis->message;
  control.genesis_signature = state.genesis->signature;
  control.epoch = state.head_epoch.next();
  control.term = state.term().number;
  if (!state.terms.empty()) control.terms.assign(state.terms.begin(), state.terms.end() - 1);
  control.roster = std::move(next.roster);
  control.stewards = state.genesis->stewards;
  control.quorum = state.genesis->quorum;
  control.successor_of = next.successor_of;
  if (state.newest != nullptr) {
    control.successor_of = state.newest->successor_of;
    apply_decisions(*state.newest, state.decisions, control);
  }
  control.invited = std::move(next.invited);
  control.pins = std::move(next.pins);
  control.reason = next.reason;
  control.left = std::move(next.left);
  control.created = clock.now();

  carry_history(channel, control.roster, control.epoch);
  // Who is out knows the tags that were.
  if (control.reason == EpochReason::kRemoved || control.reason == EpochReason::kRevoked) {
    for (RosterMember& member : control.roster) {
      if (member.role == Role::kContributor) member.tag = crypto::random_fixed<crypto::Hash>(random);
    }
  }

  const std::uint32_t month = month_of(control.created);
  std::vector<WrapTarget> targets;
  std::vector<NodeId> by_certificate;
  std::optional<PrekeyList> own_list;
  if (const auto own = secrets.tier2->prekeys.find(month); own != secrets.tier2->prekeys.end()) {
    own_list = PrekeyList{own_node, month, {own->second.public_key()}};
  }
  for (const RosterMember& member : control.roster) {
    const OrgState* org = find_org(member.org);
    if (org == nullptr || member.role == Role::kContributor) continue;
    for (const auto& [node, certified] : org->accepted.nodes()) {
      if (certified.revoked) continue;
      const PrekeyList* list = node == own_node && own_list ? &*own_list : prekeys_of(member.org, node);
      targets.push_back(wrap_target(certified.certificate, list, month));
      const bool without_prekey = targets.back().month == kCertificateKeyMonth;
      if (without_prekey) by_certificate.push_back(node);
      if (!without_prekey && next.by_certificate.contains(node)) {
        targets.push_back(wrap_target(certified.certificate, nullptr, month));
      }
    }
  }

  const auto key = crypto::EpochKey::random(random);  // rule 27: fresh, never from the key before
  const EpochPlace place{state.id(), control.epoch, state.control_log(), state.head.next(), state.head_hash};
  TOCSIN_ASSIGN(bodies,
                make_epoch_bodies(place, key, encode_control_state(control), targets, random, next.certificate));
  std::vector<Entry> entries;
  EntryHeader header = next_header(state, control.epoch);
  for (const Bytes& body : bodies) {
    entries.push_back(sign_entry(header, body, *state.control_key));
    header.number = header.number.next();
    header.previous = hash_entry(entries.back().view().header, entries.back().view().signature);
  }
  TOCSIN_TRY(add_control(change, channel, entries));
  channel.accepted.certificate_wraps = std::move(by_certificate);
  change.mail = true;  // an invitation names the newest epoch entry
  return tell_contributors(change, channel, contributors_of(channel.accepted));
}

void ReplicaCore::pin_feeds_of(const Channel& channel, const std::function<bool(const FeedOwner&)>& dropped,
                               std::vector<FeedPin>& pins) const {
  for (const LogKey& key : channel.logs) {
    const LogState* log = find_log(key);
    if (log == nullptr || !log->owner || !dropped(*log->owner) || channel.accepted.pins.contains(key)) continue;
    // Without a pin nothing counts of a feed whose writer is in no roster, or revoked (limit_of).
    if (pins.size() >= kPinsWrittenMax) return;
    const auto stated = revocation_pin_of(channel, *log);
    pins.push_back(stated ? *stated : FeedPin{key, log->accepted.head, log->accepted.head_hash, log->owner->node});
  }
}

// ---- The chair's chores

// Who is blocked after its invitation gets no key (rule 26).
void ReplicaCore::cancel_invitations(Change& change, const OrgId& org) {
  for (auto& [id, channel] : channels) {
    const ChannelState& state = channel->accepted;
    if (!state.is_chair() || !state.joined() || !state.invited.contains(org) || home_in_doubt()) continue;
    const LogState* log = find_log(state.control_log());
    if (state.needs_newer || chair_revoked(state) || log == nullptr || log->accepted.frozen != 0) continue;
    if (channel->pending.erase(org) > 0) change.batch.remove_record(Table::kMail, pending_record_name(id, org));
    cancel_invitation(change, *channel, org);
    change.mail = true;
  }
}

void ReplicaCore::cancel_invitation(Change& change, Channel& channel, const OrgId& org) {
  const auto invite = channel.accepted.invited.find(org);
  const bool contributor = invite != channel.accepted.invited.end() && invite->second.member.role == Role::kContributor;
  if (!add_event(change, channel, CancelInviteEvent{org})) return;
  if (!contributor) return write_notice(channel, org);
  if (!tell_contributors(change, channel, {org}, true)) ++refused_entries;
}

// Acceptances and refusals that wait. True when members join.
bool ReplicaCore::answer_pending(Change& change, Channel& channel, NextEpoch& next) {
  bool joined = false;
  std::vector<OrgId> declined;
  for (const auto& [org, bytes] : channel.pending) {
    change.batch.remove_record(Table::kMail, pending_record_name(channel.accepted.id(), org));
    const auto invite = channel.accepted.invited.find(org);
    const auto acceptance = decode_acceptance(bytes);
    if (invite == channel.accepted.invited.end() || !acceptance || find_org(org) == nullptr) continue;
    std::erase_if(next.invited, [&, &id = org](const RosterMember& member) { return member.org == id; });
    if (acceptance->accepted && !is_blocked(org)) {
      next.roster.push_back(roster_member(org, invite->second.member.role));
      next.roster.back().tag = invite->second.member.tag;
      joined = true;
    } else {
      declined.push_back(org);
    }
  }
  channel.pending.clear();
  for (const OrgId& org : declined) {
    cancel_invitation(change, channel, org);
    change.mail = true;
  }
  return joined;
}

// Nodes that were certified or revoked since the newest epoch was made (rule 27). True when the key has to be new.
bool ReplicaCore::note_nodes(const Channel& channel, NextEpoch& next) const {
  bool added = false;
  bool revoked = false;
  for (const RosterMember& member : channel.accepted.newest->roster) {
    const OrgState* org = find_org(member.org);
    if (org == nullptr) continue;
    if (names_superseded(member)) revoked = true;  // nodes that nobody certified after all, and others live again
    for (const auto& [node, certified] : org->accepted.nodes()) {
      if (certified.revoked && certified.revoked_at > member.log_number) revoked = true;
      // A contributor's nodes are given no key.
      if (!certified.revoked && certified.certified_at > member.log_number) added |= may_read(member.role);
    }
  }
  if (revoked) {
    pin_feeds_of(
        channel,
        [&](const FeedOwner& owner) {
          const OrgState* org = find_org(owner.org);
          const auto node =
              org == nullptr ? decltype(org->accepted.nodes().end()){} : org->accepted.nodes().find(owner.node);
          return org != nullptr && node != org->accepted.nodes().end() && node->second.revoked;
        },
        next.pins);
  }
  if (revoked) next.reason = EpochReason::kRevoked;
  if (added && !revoked && next.reason != EpochReason::kJoined) next.reason = EpochReason::kNodeAdded;
  return added || revoked;
}

void ReplicaCore::chores(Channel& channel) {
  const ChannelState& state = channel.accepted;
  if (clock.steady_ms() < chores_not_before_ms || state.contribution != nullptr || home_in_doubt()) return;
  if (!check_not_behind(channel)) return;
  if (Change decided; enact_approved(decided, channel)) commit_for(std::move(decided), nullptr);
  lead_on(channel);
  if (!state.is_chair()) {
    // Kept by stewards, who may lead one day; whoever is in, or not invited any more, waits no longer.
    Change answered;
    std::erase_if(channel.pending, [&](const auto& entry) {
      if (state.invited.contains(entry.first)) return false;
      answered.batch.remove_record(Table::kMail, pending_record_name(state.id(), entry.first));
      return true;
    });
    std::erase_if(channel.leaves, [&](const auto& entry) {
      if (state.role_of(entry.first) != Role::kUnknown) return false;
      answered.batch.remove_record(Table::kMail, leave_record_name(state.id(), entry.first));
      return true;
    });
    if (!answered.batch.empty()) commit_for(std::move(answered), nullptr);
  }
  if (!state.is_chair() || !state.joined() || state.needs_newer) return;
  const LogState* log = find_log(state.control_log());
  if (log == nullptr || log->accepted.frozen != 0 || chair_revoked(state)) return;

  Change change;
  NextEpoch next = same_epoch(channel, EpochReason::kAge);
  bool renew = false;
  if (!channel.pending.empty() && answer_pending(change, channel, next)) {
    next.reason = EpochReason::kJoined;
    renew = true;
  }
  const std::vector<OrgId> left = answer_leaves(change, channel, next);
  std::set<OrgId> contributors = contributors_of(state);
  std::erase_if(contributors, [&](const OrgId& org) { return std::ranges::find(left, org) == left.end(); });
  if (!left.empty()) {
    next.reason = EpochReason::kRemoved;
    renew = true;
  }
  renew |= note_nodes(channel, next);
  for (auto at = channel.missing.begin(); at != channel.missing.end();) {
    const auto answered = channel.missing_answered_ms.find(at->first);
    if (at->second == state.newest_epoch() && answered != channel.missing_answered_ms.end() &&
        clock.steady_ms() - answered->second < kMissingSlotEveryMs) {
      ++at;
      continue;
    }
    if (at->second == state.newest_epoch()) {  // of an older epoch: the newer one is the answer already
      next.by_certificate.insert(at->first);
      channel.missing_answered_ms[at->first] = clock.steady_ms();
      if (!renew) next.reason = EpochReason::kMissingSlot;
      renew = true;
    }
    change.batch.remove_record(Table::kMail, missing_record_name(state.id(), at->first));
    at = channel.missing.erase(at);
  }
  renew |= clock.now().ms - state.newest->created.ms >= kEpochAgeMs && !may_be_set_back(channel);
  if (renew) {
    // Too many members or nodes for one epoch: the old one stays, and the organisation that was to join stays out.
    auto added = add_epoch(change, channel, std::move(next));
    if (added) added = tell_contributors(change, channel, contributors, true);
    if (!added) ++refused_entries;
    for (const OrgId& org : left) {
      if (added && !contributors.contains(org)) write_notice(channel, org);
    }
  }
  if (!change.batch.empty()) commit_for(std::move(change), nullptr);
}

// A member's side of rule 29.
void ReplicaCore::tell_key_missing(Channel& channel) {
  ChannelState& state = channel.accepted;
  const Epoch missing = state.newest_epoch_seen();
  if (!state.key_missing() || state.key_missing_told >= missing || !state.run.empty() || !may_append(channel)) return;
  const LogState* control = find_log(state.epochs.at(missing).log);
  const auto hash = control == nullptr ? std::nullopt : stored_hash(*control, state.epochs.at(missing).last);
  if (!hash) return;
  const Bytes payload = encode_key_missing({missing, *hash, own_node});
  const FeedItem item{FeedKind::kKeyMissing, payload};
  Change change;
  if (!append_items(change, channel, std::span(&item, 1), nullptr)) return;
  state.key_missing_told = missing;
  change.channels.push_back(state.id());
  commit_for(std::move(change), nullptr);
}

void Replica::handle_tick() {
  if (impl_->orgs.empty() || impl_->secrets.locked()) return;
  std::vector<ChannelId> ids;
  for (const auto& [id, channel] : impl_->channels) ids.push_back(id);
  for (const ChannelId& id : ids) {
    Channel* channel = impl_->find_channel(id);
    if (channel == nullptr) continue;
    impl_->chores(*channel);
    impl_->tell_key_missing(*channel);
    impl_->ask_for_keys(*channel);
    impl_->erase_old_bodies(*channel);
    impl_->follow_awaited(*channel, kFollowedPerTick);
    impl_->confirm_erasures(*channel);
  }
  if (impl_->catch_up_due && impl_->clock.steady_ms() >= impl_->chores_not_before_ms) {
    if (!impl_->catch_up()) impl_->catch_up_due = true;
  }
  impl_->name_waiting_feeds();
  if (!impl_->forked.empty()) impl_->mend_branches();
}

}  // namespace tocsin::protocol
