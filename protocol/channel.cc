#include "protocol/channel.h"

#include <algorithm>
#include <set>

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
  if (next.epoch != epoch || term_of(epoch) != next.term) {
    return peer_error(kBadControlState, "epoch or term are not those of the entry");
  }
  if (next.genesis != state.genesis->message || next.genesis_signature != state.genesis->signature) {
    return peer_error(kBadControlState, "the state is of another channel");
  }
  // What is known here of the terms before was checked when they ended.
  for (const Term& term : next.terms) {
    const auto known = std::find_if(state.terms.begin(), state.terms.end(),
                                    [&](const Term& held) { return held.number == term.number; });
    if (known != state.terms.end() && *known != term) {
      return peer_error(kBadControlState, "a term before this one is told otherwise than it ended");
    }
  }
  return kOk;
}

Error unapproved(std::string detail) { return peer_error(kNotApproved, std::move(detail)); }

Role role_from(const ControlState& before, const ControlState& next, const RosterMember& member) {
  if (next.is_steward(member.org)) return Role::kSteward;
  const RosterMember* held = before.member(member.org);
  const Role role = held == nullptr ? member.role : held->role;
  return role == Role::kSteward ? Role::kMember : role;
}

// Rule 22: where several stewards decide, the chair's epoch brings nothing that they did not; renewing the key, taking
// in who accepted and pinning whom nobody trusts any more is the chair's own work.
Result<void> check_decided(const ChannelState& state, const ControlState& before, const ControlState& next,
                           const ControlContext& context) {
  ControlState expected;
  expected.epoch = next.epoch;
  expected.roster = next.roster;
  apply_decisions(before, state.decisions, expected);
  if (next.stewards != expected.stewards || next.quorum != expected.quorum ||
      next.stewards_since != expected.stewards_since || next.decided != expected.decided) {
    return unapproved("the stewards are not those that were decided");
  }
  if (before.quorum == 1) return kOk;
  std::set<OrgId> removed;
  for (const Proposal& decision : state.decisions) {
    if (const auto* remove = std::get_if<RemoveChange>(&decision.change)) removed.insert(remove->org);
  }
  for (const RosterMember& member : next.roster) {
    const auto invite = state.invited.find(member.org);
    const bool is_new = before.member(member.org) == nullptr;
    if (removed.contains(member.org) || (is_new && invite == state.invited.end())) {
      return unapproved("a member was not approved");
    }
    const Role role = is_new ? invite->second.member.role : role_from(before, next, member);
    if (member.role != role) return unapproved("a member's role was not approved");
    const RosterMember* held = before.member(member.org);
    const bool shorter = held != nullptr && member.log_number < held->log_number;
    if (shorter && (!context.superseded || !context.superseded(*held, member))) {
      return unapproved("a member's organisation log was longer before");
    }
    const auto grant = state.grants.find(member.org);
    const Epoch granted = grant == state.grants.end() ? Epoch{} : grant->second.from;
    if (member.history_from != granted) return unapproved("a history grant was not approved");
  }
  std::set<OrgId> left;
  for (const Bytes& bytes : next.left) {
    const auto leave = decode_leave(bytes);
    const RosterMember* member = leave ? before.member(leave->org) : nullptr;
    const bool holds =
        member != nullptr && leave->channel == state.id() && leave->epoch >= member->since && context.signed_by &&
        context.signed_by(leave->org, leave->node, member->log_number,
                          [&](const crypto::VerifyKey& key) { return verify_leave(bytes, key, context.verifier); });
    if (holds) left.insert(leave->org);
  }
  for (const RosterMember& member : before.roster) {
    const bool out = removed.contains(member.org) || (left.contains(member.org) && member.role != Role::kSteward);
    if (!out && next.member(member.org) == nullptr) {
      return unapproved("a member is missing that neither left nor was decided to be removed");
    }
  }
  for (const RosterMember& member : next.invited) {
    const auto invite = state.invited.find(member.org);
    if (invite == state.invited.end() || invite->second.member.role != member.role) {
      return unapproved("an invitation was not approved");
    }
  }
  // A member's feed ends when its node is revoked, or itself removed, and not because the chair says so.
  for (const FeedPin& pin : next.pins) {
    const auto held = state.pins.find(pin.feed);
    if ((held != state.pins.end() && held->second.last <= pin.last) || !context.node_of) continue;
    const auto owner = context.owner_of ? context.owner_of(pin.feed) : std::nullopt;
    if (owner && *owner != pin.node) return unapproved("a feed was ended in the name of another node");
    const auto node = context.node_of(pin.node);
    if (!node || (!node->revoked && next.member(node->org) != nullptr)) {
      return unapproved("a feed was ended without a decision");
    }
  }
  return kOk;
}

// Against the newest that was opened here, also where one between was not: else a chair that wraps one epoch to nobody
// could bring anything with the next. Who joins starts without one; a lone steward decides alone.
Result<void> check_decided_since(const ChannelState& state, const ControlState& next, const ControlContext& context) {
  if (state.newest == nullptr || !state.joined() || context.blind) return kOk;
  const bool missed = count_of(state.newest->epoch) + 1 != count_of(next.epoch);
  if (missed && state.newest->quorum == 1) return kOk;
  return check_decided(state, *state.newest, next, context);
}

// Rule 16. The newest entry that says which version is needed counts: it needs what the ones before it do, too.
void need_newer(ChannelState& state, const std::string& version) {
  state.needs_newer = true;
  if (!version.empty()) state.needs_version = version;
}

// Of two pins the lower wins (rule 20).
void merge_pins(ChannelState& state, const std::vector<FeedPin>& pins, const ControlContext& context) {
  for (const FeedPin& pin : pins) {
    const auto [at, is_new] = state.pins.emplace(pin.feed, pin);
    if (is_new) continue;
    if (at->second.node != pin.node && context.owner_of) {
      // One that names another's feed ends nothing, and stands in no other's way.
      const auto owner = context.owner_of(pin.feed);
      if (owner == pin.node) at->second = pin;
      if (owner) continue;
    }
    if (pin.last < at->second.last) at->second = pin;
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
      next.emplace(member.org, OpenInvite{member, {}, {}, {}, {}});
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
  const Term now = state.term();
  if (!next.terms.empty()) {
    state.terms = next.terms;
    state.terms.push_back(now);
  }
  state.decisions.clear();
  // Those of who was removed stay for a while, to be told; the others are told anew by the entry that follows.
  if (state.contributor_notices.size() >= kMembersMax) state.contributor_notices.clear();
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
  info.log = state.control_log();
  const EpochRun run = std::exchange(state.run, {});
  auto key = run.open_key(state.id(), context.secrets, context.month, &state.opened_by);
  if (!key) return kOk;  // rule 29: the gap is shown, writing goes on
  auto message = run.open_state(state.id(), *key);
  if (!message) return kOk;  // a key that does not open what it commits to is as good as none
  TOCSIN_ASSIGN(next, decode_control_state(*message));
  TOCSIN_TRY(check_state(state, next, epoch));

  TOCSIN_TRY(check_decided_since(state, next, context));
  info.access = std::make_shared<const crypto::AccessSecret>(access_seed(*key, state.id(), epoch));
  info.key = std::make_shared<const crypto::EpochKey>(std::move(*key));
  merge_pins(state, next.pins, context);
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

// One that takes effect with its entry, or with the next epoch (apply_decisions).
Result<void> apply_decision(ChannelState& state, const EntryHeader& header, const EntryHash& hash,
                            const DecisionEvent& event, const ControlContext& context) {
  const ControlState& now = *state.newest;
  TOCSIN_ASSIGN(proposal, decode_proposal(event.proposal));
  if (proposal.channel != state.id()) return unapproved("the decision is about another channel");
  const auto same = [&](const Proposal& decided) { return decided.id == proposal.id; };
  if (std::binary_search(now.decided.begin(), now.decided.end(), proposal.id) ||
      std::any_of(state.decisions.begin(), state.decisions.end(), same)) {
    return unapproved("a proposal takes effect once");
  }
  if (!context.signed_by) return unapproved("nobody's signature can be checked here");
  TOCSIN_TRY(check_approvals(proposal, event.approvals, now, context.signed_by, context.verifier));
  if (const auto* invite = std::get_if<InviteChange>(&proposal.change)) {
    if (!may_be_invited_as(invite->member.role)) {
      return unapproved("whom stewards invite is member, reader or contributor");
    }
    if (state.role_of(invite->member.org) == Role::kUnknown && state.invited.size() < kMembersMax) {
      state.invited[invite->member.org] = {invite->member, header.number, hash, header.epoch, header.log};
    }
  } else if (const auto* next = std::get_if<StewardsChange>(&proposal.change)) {
    const auto is_member = [&](const OrgId& org) { return may_write(state.role_of(org)); };
    if (!std::all_of(next->stewards.begin(), next->stewards.end(), is_member)) {
      return unapproved("a steward has to be a member that may write");
    }
    if (std::find(next->stewards.begin(), next->stewards.end(), state.chair_org()) == next->stewards.end()) {
      return unapproved("the chair is one of the stewards");
    }
  } else if (const auto* remove = std::get_if<RemoveChange>(&proposal.change)) {
    if (state.role_of(remove->org) == Role::kUnknown || now.is_steward(remove->org)) {
      return unapproved("who is removed is a member, and no steward");
    }
  } else if (std::holds_alternative<ChairChange>(proposal.change)) {
    return unapproved("the next chair enters that itself, with its own term");
  } else if (const auto* pin = std::get_if<PinChange>(&proposal.change)) {
    merge_pins(state, {pin->pin}, context);
  } else if (const auto* grant = std::get_if<GrantChange>(&proposal.change)) {
    grant_history(state, {grant->org, grant->from, proposal.created});
  } else if (std::holds_alternative<UnknownChange>(proposal.change)) {
    need_newer(state, {});
  }
  state.decisions.push_back(std::move(proposal));
  return kOk;
}

// A member carries nothing that it can see is not so: the chair could else keep one contributor for itself.
bool is_as_told(const ChannelState& state, const ContributorNotice& notice, const crypto::EpochKey& key) {
  const Epoch epoch = state.newest_epoch();
  if (notice.channel != state.id() || notice.epoch != epoch || notice.chair_org != state.chair_org() ||
      notice.chair_node != state.chair_node() ||
      notice.profile != contributor_profile_digest(encode_contributor_profile(contributor_profile(*state.genesis)))) {
    return false;
  }
  const RosterMember* member = state.newest->member(notice.org);
  const auto invite = state.invited.find(notice.org);
  switch (notice.standing) {
    case ContributorStanding::kContributor:
      return member != nullptr && member->role == Role::kContributor && member->tag == notice.tag &&
             member->since == notice.since && notice.half == epoch_half(key, state.id(), epoch).public_key() &&
             notice.answer_key == answer_key(key, state.id(), epoch).verify_key();
    case ContributorStanding::kInvited:
      return invite != state.invited.end() && invite->second.member.role == Role::kContributor &&
             invite->second.member.tag == notice.tag && notice.half.is_zero() && notice.answer_key.is_zero();
    case ContributorStanding::kNone:
      return member == nullptr && invite == state.invited.end() && notice.half.is_zero() && notice.answer_key.is_zero();
    case ContributorStanding::kUnknown:
      break;
  }
  return false;
}

Result<void> apply_event(ChannelState& state, const EntryHeader& header, const EntryHash& hash, const ControlBody& body,
                         const ControlContext& context) {
  const EpochInfo* info = state.epoch(header.epoch);
  if (info == nullptr || info->key == nullptr) return kOk;  // sealed for others; its place in the chain is all we check
  TOCSIN_ASSIGN(message, open_control(*info->key, state.id(), header.epoch, header.log, header.number, body.sealed));
  TOCSIN_ASSIGN(event, decode_control_event(message));
  if (state.newest == nullptr || state.newest->epoch != header.epoch) {
    return kOk;  // its epoch was not opened here
  }
  if (const auto* invite = std::get_if<InviteEvent>(&event)) {
    const bool founding = invite->member.role == Role::kSteward && state.newest->is_steward(invite->member.org);
    if (state.newest->quorum > 1 && !founding) return unapproved("an invitation was not approved");
    if (state.role_of(invite->member.org) == Role::kUnknown && state.invited.size() < kMembersMax) {
      state.invited[invite->member.org] = {invite->member, header.number, hash, header.epoch, header.log};
    }
  } else if (const auto* decision = std::get_if<DecisionEvent>(&event)) {
    return apply_decision(state, header, hash, *decision, context);
  } else if (const auto* cancel = std::get_if<CancelInviteEvent>(&event)) {
    state.invited.erase(cancel->org);
  } else if (const auto* told = std::get_if<ContributorsEvent>(&event)) {
    for (const Bytes& bytes : told->notices) {
      const auto notice = decode_contributor_notice(bytes);  // its signature is for whom it is about
      if (!notice || !is_as_told(state, *notice, *info->key)) continue;
      const bool has_room = state.contributor_notices.size() < kMembersMax;
      if (has_room || state.contributor_notices.contains(notice->org)) state.contributor_notices[notice->org] = bytes;
    }
  } else if (const auto* grant = std::get_if<HistoryGrantEvent>(&event)) {
    if (state.newest->quorum > 1) return unapproved("a history grant was not approved");
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

Term ChannelState::term() const {
  if (!terms.empty()) return terms.back();
  return {1, genesis->control_key, genesis->chair_org, genesis->chair_node, {}, {}};
}

const Term* ChannelState::term_over(const LogKey& log) const {
  if (terms.empty()) return nullptr;
  const auto end = terms.end() - 1;
  const auto at = std::find_if(terms.begin(), end, [&](const Term& term) { return term.log == log; });
  return at == end ? nullptr : &*at;
}

const Term* ChannelState::term_numbered(std::uint32_t number) const {
  const Term* before = term_before(number + 1);
  return before == nullptr || before->number != number ? nullptr : before;
}

const Term* ChannelState::term_before(std::uint32_t number) const {
  const Term* out = nullptr;
  for (const Term& term : terms) {
    if (&term != &terms.back() && term.number < number) out = &term;
  }
  return out;
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
  if (!body.certificate.empty()) {
    const auto certificate = open_control_certificate(body.certificate, state.id(), header.log);
    if (header.number.value != 1 || !certificate || *certificate != state.certificate) {
      return peer_error(kBadControlBody, "only the first entry of a later term carries a certificate, its own");
    }
  }
  switch (body.kind) {
    case ControlBody::kEpoch:
      TOCSIN_TRY(apply_epoch(state, header, std::move(body), context));
      break;
    case ControlBody::kEvent:
      if (header.epoch != state.head_epoch) return peer_error(kWrongEpoch, "an event stands in the newest epoch");
      TOCSIN_TRY(apply_event(state, header, hash, body, context));
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

std::optional<BegunTerm> term_begun_by(const ChannelState& state, const EntryView& entry) {
  const auto header = EntryHeader::decode(entry.header);
  if (!header || header->type != LogType::kControl || header->channel != state.genesis->pseudonym ||
      header->number.value != 1) {
    return std::nullopt;
  }
  const auto body = decode_control_body(entry.body);
  if (!body || body->certificate.empty()) return std::nullopt;
  auto opened = open_control_certificate(body->certificate, state.id(), header->log);
  if (!opened) return std::nullopt;
  auto certificate = decode_control_certificate(*opened);
  if (!certificate || certificate->channel != state.id() || certificate->term.log != header->log ||
      term_of(header->epoch) != certificate->term.number) {
    return std::nullopt;
  }
  return BegunTerm{std::move(*certificate), std::move(*opened), header->epoch};
}

Result<void> begin_term(ChannelState& state, const BegunTerm& begun, const ControlContext& context) {
  const ControlCertificate& certificate = begun.certificate;
  if (!context.blind && count_of(begun.first) != count_of(state.head_epoch) + 1) {
    return peer_error(kBadTerm, "the first epoch of a term follows the last that counts");
  }
  if (state.newest == nullptr) return unapproved("which stewards decide is not known here yet");
  if (!context.signed_by) return unapproved("nobody's signature can be checked here");
  TOCSIN_TRY(check_term(certificate, *state.newest, context.signed_by, context.verifier));
  const RosterMember* chair = state.newest->member(certificate.term.chair_org);
  const bool is_signed = chair != nullptr && context.signed_by(certificate.term.chair_org, certificate.term.chair_node,
                                                               chair->log_number, [&](const crypto::VerifyKey& key) {
                                                                 return verify_control_certificate(
                                                                     begun.signed_certificate, key, context.verifier);
                                                               });
  if (!is_signed) return unapproved("the term is not signed by the node that leads it");
  Term before = state.term();
  before.last = certificate.last;
  before.last_hash = certificate.last_hash;
  if (state.terms.empty()) state.terms.emplace_back();
  state.terms.back() = before;
  state.terms.push_back(certificate.term);
  if (state.terms.size() > kTermsMax + 1) state.terms.erase(state.terms.begin());
  state.certificate = begun.signed_certificate;
  state.notices.clear();  // what the chair before told
  state.head = {};
  state.head_hash = {};
  state.head_epoch = {begun.first.value - 1};
  state.run = {};
  state.needs_newer = false;  // what the term before ended with is told whole in the first epoch of this one
  state.needs_version.clear();
  state.control_key = nullptr;
  return kOk;
}

void rewind_to(ChannelState& state, std::shared_ptr<const ControlState> epoch) {
  state.head_epoch = epoch->epoch;
  state.run = {};
  state.decisions.clear();
  state.pins.clear();
  for (const FeedPin& pin : epoch->pins) state.pins.emplace(pin.feed, pin);
  state.invited.clear();
  replace_invited(state, epoch->invited);
  replace_grants(state, *epoch);
  state.newest = std::move(epoch);
}

void apply_decisions(const ControlState& before, const std::vector<Proposal>& decisions, ControlState& next) {
  next.stewards = before.stewards;
  next.quorum = before.quorum;
  next.stewards_since = before.stewards_since;
  next.decided = before.decided;
  for (const Proposal& decision : decisions) {
    next.decided.push_back(decision.id);
    if (const auto* change = std::get_if<StewardsChange>(&decision.change)) {
      next.stewards = change->stewards;
      next.quorum = change->quorum;
      next.stewards_since = next.epoch;
    }
  }
  std::sort(next.decided.begin(), next.decided.end());
  if (next.decided.size() > kDecidedMax) next.stewards_since = next.epoch;
  if (next.stewards_since != before.stewards_since) next.decided.clear();
  for (RosterMember& member : next.roster) {
    if (before.member(member.org) != nullptr) member.role = role_from(before, next, member);
  }
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
  // The newest state carries the pins in force; of one that is later than that they count once it was checked.
  if (epoch <= state.newest_epoch()) return kOk;
  TOCSIN_TRY(check_decided_since(state, next, context));
  merge_pins(state, next.pins, context);
  take_newest(state, std::move(next), context);
  for (const Entry& entry : events) {
    TOCSIN_ASSIGN(header, EntryHeader::decode(entry.view().header));
    TOCSIN_ASSIGN(body, decode_control_body(entry.view().body));
    if (body.kind != ControlBody::kEvent || header.epoch != epoch) continue;
    TOCSIN_TRY(apply_event(state, header, hash_entry(entry.view().header, entry.view().signature), body, context));
  }
  return kOk;
}

Result<void> restore_run(ChannelState& state, const EntryView& entry) {
  TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
  TOCSIN_ASSIGN(body, decode_control_body(entry.body));
  return state.run.add(header, std::move(body));
}

}  // namespace tocsin::protocol
