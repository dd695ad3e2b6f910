// One chair after the other: the terms of a channel (rule 22). Each is a log of its own; where the one before ended,
// the stewards that approve the next one say.
#include <algorithm>

#include "protocol/entry_sign.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {

Result<ChannelState> ReplicaCore::state_at_end(Channel& channel, const ControlCertificate& certificate) {
  ChannelState out = channel.accepted;
  if (certificate.last_log != out.control_log()) {
    return peer_error(kUnknownEpoch, "a term in between is not known here yet");
  }
  if (out.head == certificate.last && out.head_hash == certificate.last_hash && out.run.empty()) return out;
  const LogState* log = find_log(out.control_log());
  const bool forked = log != nullptr && log->accepted.frozen != 0;
  if (out.head < certificate.last && !forked) {
    return peer_error(kUnknownEpoch, "the term before goes further than what is here of it");
  }
  // What came after the end counts no more. The newest epoch before it, and what stands between the two.
  std::optional<Epoch> newest;
  for (const auto& [epoch, info] : out.epochs) {
    if (info.log == certificate.last_log && info.last <= certificate.last && info.key != nullptr) newest = epoch;
  }
  // Let in after the end, or not a member then: by the oldest stewards that are known here.
  if (!newest) {
    for (const auto& [epoch, info] : out.epochs) {
      if (info.key == nullptr) continue;
      newest = epoch;
      break;
    }
  }
  const auto roster = newest ? roster_at(channel, *newest) : nullptr;
  if (roster == nullptr) return peer_error(kNotApproved, "which stewards decide is not known here yet");
  out.newest = roster;
  out.head_epoch = *newest;
  out.decisions.clear();
  out.invited.clear();
  for (const RosterMember& member : roster->invited)
    out.invited.emplace(member.org, OpenInvite{member, {}, {}, {}, {}});
  const EpochInfo& info = out.epochs.at(*newest);
  out.head = info.last;
  if (const auto hash = log == nullptr ? std::nullopt : stored_hash(*log, info.last)) out.head_hash = *hash;
  while (out.head < certificate.last && info.last < certificate.last) {
    const auto entry = stored_entry(certificate.last_log, out.head.next());
    ChannelState next = out;
    if (!entry || !apply_control(next, entry->view(), control_context())) break;
    if (next.newest != roster) break;  // an epoch that the end cuts through
    out = std::move(next);
  }
  return out;
}

Result<void> ReplicaCore::take_term(Change& change, Channel& channel, std::span<const Entry> entries) {
  const EntryView first = entries.front().view();
  const auto certificate = term_begun_by(channel.accepted, first);
  if (!certificate) {
    return peer_error(kNotAcceptable, "the log is not that of a later term of this channel");
  }
  TOCSIN_ASSIGN(header, EntryHeader::decode(first.header));
  TOCSIN_ASSIGN(body, decode_control_body(first.body));
  TOCSIN_ASSIGN(state, state_at_end(channel, *certificate));
  TOCSIN_TRY(begin_term(state, *certificate, body.certificate, header.epoch, control_context()));
  ChannelState before = std::exchange(channel.accepted, std::move(state));
  auto added = add_control(change, channel, entries, From::kOthers);
  if (!added) channel.accepted = std::move(before);
  return added;
}

Result<void> ReplicaCore::take_chair(Change& change, Channel& channel, HeldProposal& held) {
  const ChairChange wanted = std::get<ChairChange>(held.proposal->change);
  const ChannelState& state = channel.accepted;
  const LogState* log = find_log(state.control_log());
  // Those that name a place on this branch of the log before: the highest of them is where it ends.
  ControlCertificate certificate;
  std::vector<std::pair<Number, Bytes>> named;
  for (Bytes& bytes : approvals_of(channel, held, kStewardsMax)) {
    TOCSIN_ASSIGN(approval, decode_approval(bytes));
    if (approval.head_log != state.control_log()) continue;
    if (approval.head > state.head) return peer_error(kUnknownEpoch, "a steward holds more of the term before");
    const auto hash = log == nullptr ? std::nullopt : stored_hash(*log, approval.head);
    if (!hash || *hash != approval.head_hash) continue;
    named.emplace_back(approval.head, std::move(bytes));
  }
  const std::size_t quorum = state.newest->quorum;
  if (named.size() < quorum) return peer_error(kNotApproved, "stewards name another history of the term before");
  std::ranges::stable_sort(named, std::greater(), [](const auto& entry) { return entry.first; });
  certificate.last = named.front().first;
  certificate.last_hash = *stored_hash(*log, certificate.last);
  for (std::size_t i = 0; i < quorum; ++i) certificate.approvals.push_back(std::move(named[i].second));
  certificate.channel = state.id();
  certificate.last_log = state.control_log();
  certificate.proposal = *held.proposal;
  auto control_key = std::make_shared<const crypto::SigningKey>(crypto::SigningKey::generate(random));
  certificate.term = {wanted.term, LogKey{control_key->verify_key().bytes()}, own_org, own_node, {}, {}};
  const Bytes signed_certificate = sign_control_certificate(certificate, secrets.tier2->signing);
  if (signed_certificate.size() > kTermCertificateBytesMax) {
    return caller_error(kNotApproved, "the approvals do not fit the first entry of a term: shorter reasons are needed");
  }

  ChannelState before = channel.accepted;
  TOCSIN_ASSIGN(next, state_at_end(channel, certificate));
  const Epoch first = epoch_in(wanted.term, count_of(next.head_epoch) + 1);
  TOCSIN_TRY(begin_term(next, certificate, signed_certificate, first, control_context()));
  channel.accepted = std::move(next);
  channel.accepted.control_key = std::move(control_key);
  NextEpoch epoch = same_epoch(channel, EpochReason::kStewards);
  epoch.certificate = signed_certificate;
  note_nodes(channel, epoch);
  for (const Proposal& decision : channel.accepted.decisions) {
    const auto* remove = std::get_if<RemoveChange>(&decision.change);
    if (remove == nullptr) continue;
    std::erase_if(epoch.roster, [&](const RosterMember& member) { return member.org == remove->org; });
    pin_feeds_of(
        channel, [&](const FeedOwner& owner) { return owner.org == remove->org; }, epoch.pins);
  }
  epoch.reason = EpochReason::kStewards;
  auto added = add_epoch(change, channel, std::move(epoch));
  if (!added) {
    channel.accepted = std::move(before);
    return added;
  }
  held.decided = channel.accepted.head;
  held.decided_epoch = channel.accepted.head_epoch;
  put_proposal(change, channel, certificate.proposal.id);
  return kOk;
}

void ReplicaCore::lead_on(Channel& channel) {
  const ChannelState& state = channel.accepted;
  if (!state.joined() || state.newest == nullptr || state.newest->stewards.size() != 1 ||
      state.newest->stewards.front() != own_org || !chair_revoked(state) || may_append(channel).ok() == false) {
    return;
  }
  for (const auto& [node, certified] : own_log().nodes()) {
    if (certified.revoked) continue;
    if (node != own_node) return;  // the lowest of them leads on
    break;
  }
  if (own_log().live_node(own_node) == nullptr) return;
  Proposal proposal;
  proposal.channel = state.id();
  proposal.steward_set = steward_set_hash(state.id(), *state.newest);
  proposal.org = own_org;
  proposal.node = own_node;
  proposal.created = clock.now();
  proposal.change = ChairChange{state.term().number + 1, own_org, own_node};
  proposal = make_proposal(std::move(proposal));
  Change change;
  HeldProposal* held = held_proposal(change, channel, proposal.id, own_org);
  if (held == nullptr) return;
  held->proposal = proposal;
  held->answers.emplace(own_node, sign_approval(own_answer(channel, proposal, true, {}), secrets.tier2->signing));
  put_proposal(change, channel, proposal.id);
  if (auto taken = take_chair(change, channel, *held); !taken) {
    channel.proposals.erase(proposal.id);
    return;
  }
  commit_for(std::move(change), nullptr);
}

}  // namespace tocsin::protocol
