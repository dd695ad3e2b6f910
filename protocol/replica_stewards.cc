// What several stewards decide together: their proposals and answers travel in their feeds, the chair's entry carries
// what was approved (rule 22).
#include <algorithm>

#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

inline constexpr Code kNotSteward{"not_steward"};
inline constexpr Code kBadChange{"bad_change"};
inline constexpr Code kAlreadyProposed{"already_proposed"};

// Open ones of one steward, and all that are remembered of a channel: the oldest that nobody waits for goes first.
constexpr std::size_t kProposalsPerOrgMax = 32;
constexpr std::size_t kProposalsMax = 512;
constexpr std::size_t kAnswersPerOrgMax = 4;  // to one proposal

// Of how many stewards the yes, where those decide now that it was made for; 0: others do.
std::size_t needed_now(const Channel& channel, const Proposal& proposal) {
  const ChannelState& state = channel.accepted;
  const bool same = state.newest != nullptr && proposal.steward_set == steward_set_hash(state.id(), *state.newest);
  return same ? state.newest->quorum : 0;
}

// Why that change can take effect no more, by the control log alone.
LapseCause overtaken(const ChannelState& state, const ProposedChange& change) {
  if (const auto* invite = std::get_if<InviteChange>(&change)) {
    if (state.role_of(invite->member.org) != Role::kUnknown) return LapseCause::kMember;
  } else if (const auto* remove = std::get_if<RemoveChange>(&change)) {
    if (state.role_of(remove->org) == Role::kUnknown) return LapseCause::kNotMember;
  } else if (const auto* next = std::get_if<StewardsChange>(&change)) {
    const auto gone = [&](const OrgId& org) { return !may_write(state.role_of(org)); };
    if (std::ranges::any_of(next->stewards, gone)) return LapseCause::kStewardGone;
    if (std::ranges::find(next->stewards, state.chair_org()) == next->stewards.end()) return LapseCause::kStewardGone;
  } else if (const auto* grant = std::get_if<GrantChange>(&change)) {
    if (!may_read(state.role_of(grant->org))) return LapseCause::kNotMember;
    const auto granted = state.grants.find(grant->org);
    if (granted != state.grants.end() && granted->second.from <= grant->from) return LapseCause::kDone;
  } else if (const auto* pin = std::get_if<PinChange>(&change)) {
    const auto held = state.pins.find(pin->pin.feed);
    // A pin of another node's ends nothing of this feed.
    const bool ends = held != state.pins.end() && (held->second.node == pin->pin.node || held->second.node.is_zero());
    if (ends && held->second.last <= pin->pin.last) return LapseCause::kDone;
  }
  return LapseCause::kNone;
}

// Do both ask for the same?
bool same_change(const ProposedChange& a, const ProposedChange& b) {
  if (a.index() != b.index()) return false;
  if (const auto* invite = std::get_if<InviteChange>(&a)) {
    const auto& other = std::get<InviteChange>(b);
    return invite->member.org == other.member.org && invite->member.role == other.member.role;
  }
  if (const auto* remove = std::get_if<RemoveChange>(&a)) return remove->org == std::get<RemoveChange>(b).org;
  if (const auto* next = std::get_if<StewardsChange>(&a)) {
    const auto& other = std::get<StewardsChange>(b);
    return next->stewards == other.stewards && next->quorum == other.quorum;
  }
  if (const auto* chair = std::get_if<ChairChange>(&a)) {
    const auto& other = std::get<ChairChange>(b);
    return chair->term == other.term && chair->org == other.org && chair->node == other.node;
  }
  if (const auto* grant = std::get_if<GrantChange>(&a)) {
    const auto& other = std::get<GrantChange>(b);
    return grant->org == other.org && grant->from == other.from;
  }
  if (const auto* pin = std::get_if<PinChange>(&a)) {
    const auto& other = std::get<PinChange>(b);
    return pin->pin.feed == other.pin.feed && pin->pin.last == other.pin.last && pin->pin.hash == other.pin.hash;
  }
  return false;
}

}  // namespace

bool ReplicaCore::decides_together(const ChannelState& state) const {
  return state.newest != nullptr && state.newest->stewards.size() > 1;
}

// ---- What comes in stewards' feeds

HeldProposal* ReplicaCore::held_proposal(Change& change, Channel& channel, const ProposalId& id) {
  const auto found = channel.proposals.find(id);
  if (found != channel.proposals.end()) return &found->second;
  if (channel.proposals.size() >= kProposalsMax) {
    const auto age = [&](const auto& entry) {
      const bool open = entry.second.proposal && state_of(channel, entry.second) == ProposalState::kOpen;
      return std::pair(open, entry.second.seen.ms);
    };
    const auto oldest = std::ranges::min_element(channel.proposals, {}, age);
    change.batch.remove_record(Table::kMail, proposal_record_name(channel.accepted.id(), oldest->first));
    channel.proposals.erase(oldest);
  }
  HeldProposal& held = channel.proposals[id];
  held.seen = clock.now();
  return &held;
}

std::size_t ReplicaCore::open_proposals_of(const Channel& channel, const OrgId& org) const {
  return static_cast<std::size_t>(std::ranges::count_if(channel.proposals, [&](const auto& entry) {
    const HeldProposal& held = entry.second;
    return held.proposal && held.proposal->org == org && state_of(channel, held) == ProposalState::kOpen;
  }));
}

void ReplicaCore::put_proposal(Change& change, Channel& channel, const ProposalId& id) const {
  change.batch.put_record(Table::kMail, proposal_record_name(channel.accepted.id(), id),
                          encode_proposal_record(channel.proposals.at(id)));
}

void ReplicaCore::load_proposal(Channel& channel, const ProposalId& id, ByteView value) const {
  if (auto held = decode_proposal_record(value)) channel.proposals[id] = std::move(*held);
}

void ReplicaCore::take_proposal(Change& change, Channel& channel, const FeedOwner& owner, ByteView payload) {
  auto proposal = decode_proposal(payload);
  if (!proposal || proposal->channel != channel.accepted.id() || proposal->org != owner.org ||
      proposal->node != owner.node) {
    ++refused_entries;
    return;
  }
  const ProposalId id = proposal->id;
  if (open_proposals_of(channel, owner.org) >= kProposalsPerOrgMax) return;
  HeldProposal* held = held_proposal(change, channel, id);
  if (held->proposal) return;
  held->proposal = std::move(*proposal);
  held->needed = needed_now(channel, *held->proposal);
  put_proposal(change, channel, id);
  change.channels.push_back(channel.accepted.id());
}

void ReplicaCore::take_answer(Change& change, Channel& channel, const FeedOwner& owner, ByteView payload) {
  const auto answer = decode_approval(payload);
  const bool is_signed = answer && signed_by_node(owner.org, owner.node, [&](const crypto::VerifyKey& key) {
                           return verify_approval(payload, key, verifier);
                         });
  if (!is_signed || answer->channel != channel.accepted.id() || answer->org != owner.org ||
      answer->node != owner.node) {
    ++refused_entries;
    return;
  }
  HeldProposal* held = held_proposal(change, channel, answer->proposal);
  const auto of_org = [&](const auto& entry) {
    const auto other = decode_approval(entry.second);
    return other && other->org == owner.org;
  };
  if (std::ranges::count_if(held->answers, of_org) >= static_cast<std::ptrdiff_t>(kAnswersPerOrgMax)) return;
  // The first answer of a node stands.
  if (!held->answers.emplace(owner.node, to_bytes(payload)).second) return;
  put_proposal(change, channel, answer->proposal);
  change.channels.push_back(channel.accepted.id());
}

// ---- How it stands

std::pair<ProposalState, LapseCause> ReplicaCore::standing_of(const Channel& channel, const HeldProposal& held) const {
  constexpr std::pair kIsOpen{ProposalState::kOpen, LapseCause::kNone};
  constexpr std::pair kIsDecided{ProposalState::kDecided, LapseCause::kNone};
  const auto lapsed = [](LapseCause cause) { return std::pair(ProposalState::kLapsed, cause); };
  const ChannelState& state = channel.accepted;
  const Proposal& proposal = *held.proposal;
  if (held.decided.value != 0) return kIsDecided;
  const auto same = [&](const Proposal& decided) { return decided.id == proposal.id; };
  if (std::any_of(state.decisions.begin(), state.decisions.end(), same)) return kIsDecided;
  if (state.newest == nullptr) return kIsOpen;
  const auto& decided = state.newest->decided;
  if (std::binary_search(decided.begin(), decided.end(), proposal.id)) return kIsDecided;
  if (held.lapsed != LapseCause::kNone) return lapsed(held.lapsed);
  if (const auto* chair = std::get_if<ChairChange>(&proposal.change)) {
    const Term now = state.term();
    if (chair->term == now.number && chair->node == now.chair_node) return kIsDecided;
    if (chair->term <= now.number) return lapsed(LapseCause::kTerm);
  }
  if (proposal.steward_set != steward_set_hash(state.id(), *state.newest)) return lapsed(LapseCause::kStewards);
  if (const auto cause = overtaken(state, proposal.change); cause != LapseCause::kNone) return lapsed(cause);
  std::set<OrgId> no;
  for (const auto& [node, bytes] : held.answers) {
    const auto answer = decode_approval(bytes);
    if (answer && !answer->approve && state.newest->is_steward(answer->org)) no.insert(answer->org);
  }
  const bool rejected = no.size() + state.newest->quorum > state.newest->stewards.size();
  return rejected ? std::pair(ProposalState::kRejected, LapseCause::kNone) : kIsOpen;
}

void ReplicaCore::note_overtaken(const Channel& channel, const ChannelState& at,
                                 std::map<ProposalId, LapseCause>& lapsed) {
  if (at.newest == nullptr) return;
  for (const auto& [id, held] : channel.proposals) {
    if (!held.proposal || held.lapsed != LapseCause::kNone || lapsed.contains(id)) continue;
    if (const auto cause = overtaken(at, held.proposal->change); cause != LapseCause::kNone) lapsed.emplace(id, cause);
  }
}

bool ReplicaCore::note_lapsed(Change& change, Channel& channel) const {
  bool noted = false;
  for (auto& [id, held] : channel.proposals) {
    if (!held.proposal || held.lapsed != LapseCause::kNone) continue;
    const auto [state, cause] = standing_of(channel, held);
    // Other stewards and later terms never go back to what was.
    if (state != ProposalState::kLapsed || cause == LapseCause::kStewards || cause == LapseCause::kTerm) continue;
    held.lapsed = cause;
    put_proposal(change, channel, id);
    change.channels.push_back(channel.accepted.id());
    noted = true;
  }
  return noted;
}

// What this organisation said to it, by a node that counts; nothing: another one may still speak.
std::optional<bool> ReplicaCore::own_word(const HeldProposal& held) const {
  std::optional<bool> out;
  for (const auto& [node, bytes] : held.answers) {
    const auto answer = decode_approval(bytes);
    if (answer && answer->org == own_org && own_log().live_node(node) != nullptr)
      out = out.value_or(false) || answer->approve;
  }
  return out;
}

// Answers stand for good. Where this organisation has said no, or a yes to another chair names a place in the log that
// is on no branch here, a new proposal alone gets new answers.
bool ReplicaCore::may_still_pass(const Channel& channel, const HeldProposal& held) const {
  if (own_word(held) == false) return false;
  if (!std::holds_alternative<ChairChange>(held.proposal->change)) return true;
  const ChannelState& state = channel.accepted;
  const LogState* log = find_log(state.control_log());
  return std::ranges::all_of(held.answers, [&](const auto& entry) {
    const auto answer = decode_approval(entry.second);
    if (!answer || !answer->approve || !state.newest->is_steward(answer->org)) return true;
    if (log == nullptr || answer->head_log != state.control_log()) return false;
    if (answer->head > state.head) return log->accepted.frozen == 0;  // it may come
    return stored_hash(*log, answer->head) == answer->head_hash;
  });
}

Result<void> ReplicaCore::check_new_change(const Channel& channel, const ProposedChange& wanted) const {
  for (const auto& [id, held] : channel.proposals) {
    if (!held.proposal || !same_change(held.proposal->change, wanted)) continue;
    if (state_of(channel, held) != ProposalState::kOpen || !may_still_pass(channel, held)) continue;
    const bool answered = own_word(held).has_value();
    const auto shown = to_hex(id.view()).substr(0, 16);
    return caller_error(kAlreadyProposed, "the same is proposed already, as " + shown + ", and open; " +
                                              (answered ? "see who has answered: tocsin proposal show "
                                                        : "say yes to that one: tocsin proposal approve ") +
                                              shown);
  }
  return kOk;
}

std::vector<Bytes> ReplicaCore::approvals_of(const Channel& channel, const HeldProposal& held,
                                             std::size_t count) const {
  const ControlState& now = *channel.accepted.newest;
  std::map<OrgId, Bytes> by_org;
  for (const auto& [node, bytes] : held.answers) {
    const auto answer = decode_approval(bytes);
    if (!answer || !answer->approve || answer->steward_set != held.proposal->steward_set ||
        !now.is_steward(answer->org) || now.member(answer->org) == nullptr) {
      continue;
    }
    const OrgState* org = find_org(answer->org);
    if (org == nullptr || org->accepted.live_node(node) == nullptr) continue;
    // Of two nodes of one steward the shorter reason: all have to fit one entry.
    const auto [at, is_new] = by_org.emplace(answer->org, bytes);
    if (!is_new && bytes.size() < at->second.size()) at->second = bytes;
  }
  std::vector<Bytes> out;
  out.reserve(by_org.size());
  for (auto& [org, bytes] : by_org) out.push_back(std::move(bytes));
  std::ranges::stable_sort(out, {}, [](const Bytes& bytes) { return bytes.size(); });
  if (out.size() > count) out.resize(count);
  return out;
}

std::vector<ProposalInfo> Replica::proposals(const std::optional<ChannelId>& id) const {
  std::vector<ProposalInfo> out;
  for (const auto& [key, channel] : impl_->channels) {
    if ((id && key != *id) || channel->accepted.newest == nullptr) continue;
    for (const auto& [proposal, held] : channel->proposals) {
      if (!held.proposal) continue;
      ProposalInfo info;
      info.proposal = *held.proposal;
      std::tie(info.state, info.cause) = impl_->standing_of(*channel, held);
      info.needed = held.needed != 0 ? held.needed : channel->accepted.newest->quorum;
      info.seen = held.seen;
      // Those that are over are not counted by who decides now.
      const bool others = needed_now(*channel, *held.proposal) == 0;
      std::set<OrgId> yes;
      for (const auto& [node, bytes] : held.answers) {
        auto answer = decode_approval(bytes);
        if (!answer) continue;
        const bool counts = answer->steward_set == held.proposal->steward_set &&
                            (others || channel->accepted.newest->is_steward(answer->org));
        if (answer->approve && counts) yes.insert(answer->org);
        info.answers.push_back(std::move(*answer));
      }
      info.approved = info.state == ProposalState::kDecided && held.approved != 0 ? held.approved : yes.size();
      std::ranges::sort(info.answers, {}, [](const Approval& answer) { return std::pair(answer.org, answer.node); });
      out.push_back(std::move(info));
    }
  }
  std::ranges::stable_sort(out, std::greater(), [](const ProposalInfo& info) { return info.seen.ms; });
  return out;
}

std::size_t ReplicaCore::waiting_for_own_answer(const Channel& channel) const {
  if (!decides_together(channel.accepted) || !channel.accepted.newest->is_steward(own_org)) return 0;
  return static_cast<std::size_t>(std::ranges::count_if(channel.proposals, [&](const auto& entry) {
    const HeldProposal& held = entry.second;
    if (!held.proposal || state_of(channel, held) != ProposalState::kOpen) return false;
    return std::ranges::none_of(held.answers, [&](const auto& answer) {
      const auto approval = decode_approval(answer.second);
      return approval && approval->org == own_org;
    });
  }));
}

// ---- Proposing and answering

namespace {

Result<Channel*> decided_by(ReplicaCore& core, const ChannelId& id) {
  TOCSIN_TRY(core.check_unlocked());
  Channel* channel = core.find_channel(id);
  if (channel == nullptr) return caller_error(kUnknownChannel, "no such channel is known here");
  TOCSIN_TRY(core.may_append(*channel));
  if (!channel->accepted.newest->is_steward(core.own_org)) {
    return caller_error(kNotSteward, "this organisation is no steward of the channel: a steward has to propose it");
  }
  return channel;
}

Error bad_change(std::string detail) { return caller_error(kBadChange, std::move(detail)); }

}  // namespace

Result<void> ReplicaCore::check_change(const Channel& channel, const ProposedChange& change) const {
  const ChannelState& state = channel.accepted;
  if (const auto* invite = std::get_if<InviteChange>(&change)) {
    return check_invited(channel, invite->member.org, invite->member.role);
  }
  if (const auto* remove = std::get_if<RemoveChange>(&change)) {
    if (state.role_of(remove->org) == Role::kUnknown) return bad_change("the organisation is not in this channel");
    if (state.newest->is_steward(remove->org)) {
      return bad_change("it is a steward: first name the stewards without it");
    }
  } else if (const auto* next = std::get_if<StewardsChange>(&change)) {
    if (state.genesis->channel_class == ChannelClass::kPrivate) return bad_change("a private channel has one steward");
    if (next->stewards.size() == 2) {
      return bad_change("two stewards can block each other: name one, or at least a third (rule 22)");
    }
    if (next->stewards.size() > kStewardsMax || !quorum_fits(next->stewards.size(), next->quorum)) {
      return bad_change("the quorum is 1 of 1, or more than half and fewer than all of three or more stewards");
    }
    for (const OrgId& org : next->stewards) {
      if (!may_write(state.role_of(org))) return bad_change("a steward has to be a member that may write");
    }
    if (std::find(next->stewards.begin(), next->stewards.end(), state.chair_org()) == next->stewards.end()) {
      return bad_change("the chair is among the stewards: first give the chair to another");
    }
  } else if (const auto* chair = std::get_if<ChairChange>(&change)) {
    if (chair->term <= state.term().number) return bad_change("terms only rise");
    if (state.newest->stewards[chair->term % state.newest->stewards.size()] != chair->org) {
      return bad_change("that term is not this steward's turn");
    }
    const OrgState* org = find_org(chair->org);
    if (org == nullptr || org->accepted.live_node(chair->node) == nullptr) {
      return bad_change("the next chair is no certified node of that steward");
    }
  } else if (const auto* grant = std::get_if<GrantChange>(&change)) {
    if (!may_read(state.role_of(grant->org))) return bad_change("the organisation reads nothing of this channel");
  }
  return kOk;
}

Approval ReplicaCore::own_answer(const Channel& channel, const Proposal& proposal, bool approve,
                                 const std::string& reason) const {
  const ChannelState& state = channel.accepted;
  Approval out{state.id(), proposal.id, proposal.steward_set, own_org,    own_node,
               approve,    reason,      state.control_log(),  state.head, state.head_hash};
  // Of two histories of the control log nothing counts from where they part.
  const LogState* log = find_log(state.control_log());
  if (log != nullptr && log->fork && log->fork->parted() && log->fork->number.value > 1 &&
      state.head >= log->fork->number) {
    out.head = {log->fork->number.value - 1};
    out.head_hash = log->fork->previous;
  }
  return out;
}

Result<ProposalId> Replica::propose(const ChannelId& id, ProposedChange wanted, const std::string& reason,
                                    Done<ProposalId> done) {
  TOCSIN_ASSIGN(channel, decided_by(*impl_, id));
  TOCSIN_TRY(check_certified());
  // Who comes later reads nothing from before (rule 34), and could not answer it.
  const ControlState& now = *channel->accepted.newest;
  const auto here = std::ranges::count_if(
      now.stewards, [&](const OrgId& org) { return channel->accepted.role_of(org) != Role::kUnknown; });
  if (static_cast<std::size_t>(here) < now.quorum)
    return caller_error("stewards_missing",
                        "only " + std::to_string(here) + " of the " + std::to_string(now.quorum) +
                            " stewards that it takes have accepted so far, and who comes later does "
                            "not see it: wait for them; see: tocsin channel show");
  TOCSIN_TRY(impl_->check_change(*channel, wanted));
  TOCSIN_TRY(impl_->check_new_change(*channel, wanted));
  Proposal proposal;
  proposal.channel = id;
  proposal.steward_set = steward_set_hash(id, *channel->accepted.newest);
  proposal.org = impl_->own_org;
  proposal.node = impl_->own_node;
  proposal.created = impl_->clock.now();
  proposal.reason = reason;
  proposal.change = std::move(wanted);
  proposal = make_proposal(std::move(proposal));
  while (channel->proposals.contains(proposal.id)) {  // the same again is another proposal
    ++proposal.created.ms;
    proposal = make_proposal(std::move(proposal));
  }
  TOCSIN_TRY(decode_proposal(proposal.message));  // the bounds that others ask of it
  Change change;
  if (impl_->open_proposals_of(*channel, impl_->own_org) >= kProposalsPerOrgMax) {
    return caller_error("too_many_proposals", "so many proposals of this steward are open already");
  }
  HeldProposal* held = impl_->held_proposal(change, *channel, proposal.id);
  const Bytes answer = sign_approval(impl_->own_answer(*channel, proposal, true, {}), impl_->secrets.tier2->signing);
  const FeedItem items[] = {{FeedKind::kProposal, proposal.message}, {FeedKind::kApproval, answer}};
  TOCSIN_TRY(impl_->append_items(change, *channel, items, nullptr));
  held->proposal = proposal;
  held->needed = needed_now(*channel, proposal);
  held->answers.emplace(impl_->own_node, answer);
  impl_->put_proposal(change, *channel, proposal.id);
  change.channels.push_back(id);
  impl_->enact_approved(change, *channel);
  impl_->commit_for(std::move(change), std::move(done), proposal.id);
  return proposal.id;
}

Result<void> Replica::answer_proposal(const ProposalId& proposal, bool approve, const std::string& reason,
                                      Done<void> done) {
  for (const auto& [id, held_channel] : impl_->channels) {
    const auto found = held_channel->proposals.find(proposal);
    if (found == held_channel->proposals.end() || !found->second.proposal) continue;
    TOCSIN_ASSIGN(channel, decided_by(*impl_, id));
    TOCSIN_TRY(check_certified());
    HeldProposal& held = found->second;
    if (const ProposalState now = impl_->state_of(*channel, held); now != ProposalState::kOpen) {
      return caller_error("not_open", "the proposal is " + std::string(to_string(now)) +
                                          "; see: tocsin proposal show " + to_hex(proposal.view()).substr(0, 16));
    }
    if (impl_->own_word(held))
      return caller_error("already_answered", "this organisation has answered: an answer stands");
    const Bytes answer =
        sign_approval(impl_->own_answer(*channel, *held.proposal, approve, reason), impl_->secrets.tier2->signing);
    TOCSIN_TRY(decode_approval(answer));
    const FeedItem item{FeedKind::kApproval, answer};
    Change change;
    TOCSIN_TRY(impl_->append_items(change, *channel, std::span(&item, 1), nullptr));
    held.answers.emplace(impl_->own_node, answer);
    impl_->put_proposal(change, *channel, proposal);
    change.channels.push_back(id);
    impl_->enact_approved(change, *channel);
    impl_->commit_for(std::move(change), std::move(done));
    return kOk;
  }
  return caller_error("unknown_proposal", "no such proposal is known here");
}

Result<std::uint32_t> Replica::next_term_of(const ChannelId& id, const OrgId& steward) const {
  const Channel* channel = impl_->find_channel(id);
  if (channel == nullptr || channel->accepted.newest == nullptr) {
    return caller_error(kUnknownChannel, "no such channel is known here");
  }
  const auto& stewards = channel->accepted.newest->stewards;
  const auto at = std::find(stewards.begin(), stewards.end(), steward);
  if (at == stewards.end()) return caller_error(kNotSteward, "the organisation is no steward of the channel");
  std::uint32_t term = channel->accepted.term().number + 1;
  while (stewards[term % stewards.size()] != steward) ++term;
  return term;
}

// ---- Enacting

Result<void> ReplicaCore::enact(Change& change, Channel& channel, HeldProposal& held) {
  const Proposal& proposal = *held.proposal;
  DecisionEvent event;
  event.proposal = proposal.message;
  event.approvals = approvals_of(channel, held, channel.accepted.newest->quorum);
  TOCSIN_TRY(add_event(change, channel, event));
  held.decided = channel.accepted.head;
  held.decided_epoch = channel.accepted.head_epoch;
  put_proposal(change, channel, proposal.id);
  change.mail = true;
  if (const auto* invite = std::get_if<InviteChange>(&proposal.change)) {
    channel.accepted.notices.erase(invite->member.org);
    if (invite->member.role == Role::kContributor) TOCSIN_TRY(tell_contributors(change, channel, {invite->member.org}));
  } else if (const auto* remove = std::get_if<RemoveChange>(&proposal.change)) {
    TOCSIN_TRY(drop_member(change, channel, remove->org, &event));
  } else if (std::holds_alternative<StewardsChange>(proposal.change)) {
    TOCSIN_TRY(add_epoch(change, channel, same_epoch(channel, EpochReason::kStewards)));
  }
  return kOk;
}

bool ReplicaCore::enact_approved(Change& change, Channel& channel) {
  const ChannelState& state = channel.accepted;
  if (!state.joined() || state.newest == nullptr || secrets.locked()) return false;
  bool done = note_lapsed(change, channel);
  std::vector<ProposalId> ids;
  for (const auto& [id, held] : channel.proposals) ids.push_back(id);
  for (const ProposalId& id : ids) {
    HeldProposal& held = channel.proposals.at(id);
    if (!held.proposal || state_of(channel, held) != ProposalState::kOpen) continue;
    const auto* chair = std::get_if<ChairChange>(&held.proposal->change);
    const bool mine = chair != nullptr ? chair->node == own_node && chair->org == own_org : state.is_chair();
    if (!mine || approvals_of(channel, held, kStewardsMax).size() < state.newest->quorum) continue;
    if (chair == nullptr) {
      const LogState* log = find_log(state.control_log());
      if (state.needs_newer || chair_revoked(state) || log == nullptr || log->accepted.frozen != 0) continue;
    }
    // All or nothing: what a decision asks for may not fit one epoch.
    const ChannelState before = channel.accepted;
    LogState* log = find_log(state.control_log());
    const LogRecord record = log == nullptr ? LogRecord{} : log->accepted;
    const Change change_before = change;
    const auto proposals_before = channel.proposals;
    auto enacted = chair != nullptr ? take_chair(change, channel, held) : enact(change, channel, held);
    if (!enacted) {
      channel.accepted = before;
      if (log != nullptr) log->accepted = record;
      change = change_before;
      channel.proposals = proposals_before;
    }
    if (enacted) {
      done = true;
    } else if (enacted.error().origin != Origin::kPeer) {
      ++refused_entries;
    }
  }
  return done;
}

}  // namespace tocsin::protocol
