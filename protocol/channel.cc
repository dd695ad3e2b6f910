#include "protocol/channel.h"

#include <algorithm>

#include "protocol/entry_sign.h"
#include "protocol/limits.h"

namespace tocsin::protocol {
namespace {

// Everything that can be said of the entry without opening it.
Result<EntryHeader> check_entry(const ChannelState& state, const EntryView& entry, crypto::Verifier& verifier) {
  TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
  if (header.type != LogType::kControl || header.log != state.control_log()) {
    return peer_error(kWrongLog, "the entry is not of this channel's control log");
  }
  if (header.channel != state.genesis->pseudonym) return peer_error(kWrongChannel, "the entry names another channel");
  if (header.number != state.head.next()) return peer_error(kWrongNumber, "the entry is not the next one");
  if (header.previous != state.head_hash) return peer_error(kWrongPrevious, "the entry does not follow the head");
  if (entry.body.size() != header.body_bytes || hash_body(entry.body) != header.body_hash) {
    return peer_error(kBadBodyHash, "the body is not the one that the header names");
  }
  if (!verify_entry(entry, verifier)) return peer_error(kBadSignature, "the entry is not signed by the chair's key");
  return header;
}

Result<void> check_state(const ChannelState& state, const ControlState& next, Epoch epoch) {
  if (next.epoch != epoch || next.term != 1) {
    return peer_error(kBadControlState, "epoch or term are not those of the entry");
  }
  if (next.genesis != state.genesis->message || next.genesis_signature != state.genesis->signature) {
    return peer_error(kBadControlState, "the state is of another channel");
  }
  return kOk;
}

// Rule 16. The newest entry that says which version is needed counts: it needs what the ones before it do, too.
void need_newer(ChannelState& state, const std::string& version) {
  state.needs_newer = true;
  if (!version.empty()) state.needs_version = version;
}

// Of two pins the lower wins (rule 20).
void merge_pins(ChannelState& state, const std::vector<FeedPin>& pins) {
  for (const FeedPin& pin : pins) {
    const auto [at, is_new] = state.pins.emplace(pin.feed, pin);
    if (!is_new && pin.last < at->second.last) at->second = pin;
  }
}

// The newest state replaces what was known of invitations; where the adding entry is held, that stays known.
void replace_invited(ChannelState& state, const std::vector<RosterMember>& invited) {
  std::map<OrgId, OpenInvite> next;
  for (const RosterMember& member : invited) {
    const auto held = state.invited.find(member.org);
    if (held != state.invited.end() && held->second.member.role == member.role) {
      next.emplace(member.org, held->second);
    } else {
      next.emplace(member.org, OpenInvite{member, {}, {}, {}});
    }
  }
  state.invited = std::move(next);
}

// What the epochs carry of grants; one whose organisation has left is over (rule 34).
void replace_grants(ChannelState& state, const ControlState& next) {
  state.grants.clear();
  for (const RosterMember& member : next.roster) {
    if (member.history_from.value != 0) {
      state.grants[member.org] = {member.history_from, member.history_granted};
    }
  }
}

void grant_history(ChannelState& state, const HistoryGrantEvent& event) {
  const RosterMember* member = state.newest == nullptr ? nullptr : state.newest->member(event.org);
  if (member == nullptr || (member->since.value != 0 && event.from >= member->since)) return;  // it grants nothing
  const auto [at, is_new] = state.grants.try_emplace(event.org, HistoryGrant{event.from, event.granted});
  if (!is_new && event.from < at->second.from) at->second = {event.from, event.granted};
}

// The state of the newest epoch takes the place of all earlier state.
void take_newest(ChannelState& state, ControlState next, const ControlContext& context) {
  replace_invited(state, next.invited);
  replace_grants(state, next);
  // Changes that several stewards vote on come with a later version (rule 22).
  if (next.stewards != state.genesis->stewards || next.quorum != 1) need_newer(state, {});
  const bool named = next.member(context.own_org) != nullptr;
  state.standing = named ? ChannelStanding::kJoined : ChannelStanding::kRemoved;
  state.newest = std::make_shared<const ControlState>(std::move(next));
  state.epoch_seen = context.now;
  state.invitation.clear();
  state.acceptance.clear();
  state.certificate_wraps.clear();
}

Result<void> open_epoch(ChannelState& state, Epoch epoch, const ControlContext& context) {
  EpochInfo& info = state.epochs[epoch];
  info.first = state.run.first();
  info.last = state.head.next();
  info.first_seen = context.now;
  const EpochRun run = std::exchange(state.run, {});
  auto key = run.open_key(state.id(), context.secrets, context.month, &state.opened_by);
  if (!key) return kOk;  // rule 29: the gap is shown, writing goes on
  auto message = run.open_state(state.id(), *key);
  if (!message) return kOk;  // a key that does not open what it commits to is as good as none
  TOCSIN_ASSIGN(next, decode_control_state(*message));
  TOCSIN_TRY(check_state(state, next, epoch));

  info.access = std::make_shared<const crypto::AccessSecret>(access_seed(*key, state.id(), epoch));
  info.key = std::make_shared<const crypto::EpochKey>(std::move(*key));
  merge_pins(state, next.pins);
  take_newest(state, std::move(next), context);
  return kOk;
}

Result<void> apply_epoch(ChannelState& state, const EntryHeader& header, ControlBody body,
                         const ControlContext& context) {
  const Epoch expected = state.run.empty() ? state.head_epoch.next() : state.head_epoch;
  if (header.epoch != expected) return peer_error(kWrongEpoch, "epochs rise by one");
  TOCSIN_TRY(state.run.add(header, std::move(body)));
  if (!state.run.complete()) return kOk;
  return open_epoch(state, header.epoch, context);
}

Result<void> apply_event(ChannelState& state, const EntryHeader& header, const EntryHash& hash,
                         const ControlBody& body) {
  if (header.epoch != state.head_epoch) return peer_error(kWrongEpoch, "an event stands in the newest epoch");
  const EpochInfo* info = state.epoch(header.epoch);
  if (info == nullptr || info->key == nullptr) return kOk;  // sealed for others; its place in the chain is all we check
  TOCSIN_ASSIGN(message, open_control(*info->key, state.id(), header.epoch, header.log, header.number, body.sealed));
  TOCSIN_ASSIGN(event, decode_control_event(message));
  if (const auto* invite = std::get_if<InviteEvent>(&event)) {
    if (state.role_of(invite->member.org) == Role::kUnknown && state.invited.size() < kMembersMax) {
      state.invited[invite->member.org] = {invite->member, header.number, hash, header.epoch};
    }
  } else if (const auto* cancel = std::get_if<CancelInviteEvent>(&event)) {
    state.invited.erase(cancel->org);
  } else if (const auto* grant = std::get_if<HistoryGrantEvent>(&event)) {
    grant_history(state, *grant);
  } else {
    need_newer(state, std::get<UnknownEvent>(event).needs);
  }
  return kOk;
}

}  // namespace

Epoch ChannelState::first_epoch() const {
  for (const auto& [number, info] : epochs) {
    if (info.access != nullptr) return number;
  }
  return {};
}

const EpochInfo* ChannelState::epoch(Epoch number) const {
  const auto found = epochs.find(number);
  return found == epochs.end() ? nullptr : &found->second;
}

Role ChannelState::role_of(const OrgId& org) const {
  const RosterMember* member = newest == nullptr ? nullptr : newest->member(org);
  return member == nullptr ? Role::kUnknown : member->role;
}

Result<void> apply_control(ChannelState& state, const EntryView& entry, const ControlContext& context) {
  TOCSIN_ASSIGN(header, check_entry(state, entry, context.verifier));
  TOCSIN_ASSIGN(body, decode_control_body(entry.body));
  const EntryHash hash = hash_entry(entry.header, entry.signature);
  if (header.number.value == 1 && body.kind != ControlBody::kEpoch) {
    return peer_error(kBadControlBody, "a control log begins with an epoch");
  }
  if (!state.run.empty() && body.kind != ControlBody::kEpoch) {
    return peer_error(kBadEpoch, "nothing stands between the parts of an epoch");
  }
  switch (body.kind) {
    case ControlBody::kEpoch:
      TOCSIN_TRY(apply_epoch(state, header, std::move(body), context));
      break;
    case ControlBody::kEvent:
      TOCSIN_TRY(apply_event(state, header, hash, body));
      break;
    default:
      if (header.epoch != state.head_epoch) return peer_error(kWrongEpoch, "only an epoch entry raises the epoch");
      need_newer(state, body.needs);
  }
  state.head = header.number;
  state.head_hash = hash;
  state.head_epoch = header.epoch;
  return kOk;
}

Result<void> take_late_key(ChannelState& state, Epoch epoch, const EpochRun& run,
                           std::shared_ptr<const crypto::EpochKey> key, std::span<const Entry> events,
                           const ControlContext& context) {
  if (!run.commits_to(state.id(), *key)) return peer_error(kWrongKey, "the epoch commits to another key");
  TOCSIN_ASSIGN(message, run.open_state(state.id(), *key));
  TOCSIN_ASSIGN(next, decode_control_state(message));
  TOCSIN_TRY(check_state(state, next, epoch));
  // Whoever hands over keys that were not granted does so outside of the channel (rule 34).
  const RosterMember* own = next.member(context.own_org);
  const auto grant = state.grants.find(context.own_org);
  const bool granted = grant != state.grants.end() && epoch >= grant->second.from;
  if (!granted && (own == nullptr || own->role == Role::kContributor)) {
    return peer_error(kNotEntitled, "the organisation is neither in that epoch's roster nor was granted it");
  }
  EpochInfo& info = state.epochs[epoch];
  info.access = std::make_shared<const crypto::AccessSecret>(access_seed(*key, state.id(), epoch));
  info.key = std::move(key);
  merge_pins(state, next.pins);
  if (epoch <= state.newest_epoch()) return kOk;
  take_newest(state, std::move(next), context);
  for (const Entry& entry : events) {
    TOCSIN_ASSIGN(header, EntryHeader::decode(entry.view().header));
    TOCSIN_ASSIGN(body, decode_control_body(entry.view().body));
    if (body.kind != ControlBody::kEvent || header.epoch != state.head_epoch) continue;
    TOCSIN_TRY(apply_event(state, header, hash_entry(entry.view().header, entry.view().signature), body));
  }
  return kOk;
}

Result<void> restore_run(ChannelState& state, const EntryView& entry) {
  TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
  TOCSIN_ASSIGN(body, decode_control_body(entry.body));
  return state.run.add(header, std::move(body));
}

}  // namespace tocsin::protocol
