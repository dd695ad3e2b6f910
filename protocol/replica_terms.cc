// One chair after the other: the terms of a channel (rule 22). Each is a log of its own; where the one before ended,
// the stewards that approve the next one say.
#include <algorithm>

#include "protocol/entry_sign.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::int64_t kLeadOnAfterMs = 60'000;
constexpr std::int64_t kLeadOnPastOthersMs = 10 * kLeadOnAfterMs;

}  // namespace

// Approvals that an approver gave after it had seen more of that log than the certificate has it end with: it never
// approved that end (quorums have a steward in common).
Result<void> ReplicaCore::check_end(const Channel& channel, const ControlCertificate& certificate) const {
  std::set<OrgId> approvers;
  for (const Bytes& bytes : certificate.approvals) {
    if (const auto approval = decode_approval(bytes)) approvers.insert(approval->org);
  }
  const LogState* log = find_log(certificate.last_log);
  if (log == nullptr) return kOk;
  const Number from = std::max(certificate.last.next(), log->accepted.low);
  for (Number number = from; number <= log->accepted.head; number = number.next()) {
    const auto entry = stored_entry(certificate.last_log, number);
    const auto header = entry ? EntryHeader::decode(entry->view().header) : Result<EntryHeader>(peer_error(kBadEntry));
    const auto body = entry ? decode_control_body(entry->view().body) : Result<ControlBody>(peer_error(kBadEntry));
    if (!header || !body || body->kind != ControlBody::kEvent) continue;
    const EpochInfo* info = channel.accepted.epoch(header->epoch);
    if (info == nullptr || info->key == nullptr) continue;
    const auto plain =
        open_control(*info->key, channel.accepted.id(), header->epoch, header->log, header->number, body->sealed);
    const auto event = plain ? decode_control_event(*plain) : Result<ControlEvent>(plain.error());
    const auto* decision = event ? std::get_if<DecisionEvent>(&*event) : nullptr;
    if (decision == nullptr) continue;
    for (const Bytes& bytes : decision->approvals) {
      const auto approval = decode_approval(bytes);
      if (approval && approvers.contains(approval->org) && approval->head_log == certificate.last_log &&
          approval->head > certificate.last) {
        return peer_error(kBadTerm, "a steward that approves had seen more of the term before");
      }
    }
  }
  return kOk;
}

Result<ReplicaCore::AtEnd> ReplicaCore::state_at_end(Channel& channel, const ControlCertificate& certificate) {
  AtEnd out{channel.accepted};
  ChannelState& state = out.state;
  // Terms that were passed over are so for good: a term that was taken up by some alone ends where it began.
  if (certificate.last_log != state.control_log()) {
    const auto at = std::find_if(state.terms.begin(), state.terms.end(),
                                 [&](const Term& term) { return term.log == certificate.last_log; });
    if (at == state.terms.end()) return peer_error(kUnknownEpoch, "a term in between is not known here yet");
    state.terms.erase(at + 1, state.terms.end());
  }
  const LogState* log = find_log(certificate.last_log);
  const Number held = log == nullptr ? Number{} : log->accepted.head;
  const auto hash = held < certificate.last ? std::nullopt : stored_hash(*log, certificate.last);
  const bool forked = log != nullptr && log->accepted.frozen != 0;
  out.apart = forked && (!hash || *hash != certificate.last_hash);
  if (held < certificate.last && !forked) {
    return peer_error(kUnknownEpoch, "the term before goes further than what is here of it");
  }
  const bool at_head = certificate.last_log == channel.accepted.control_log() && state.head == certificate.last &&
                       state.head_hash == certificate.last_hash && state.run.empty();
  if (at_head) return out;
  TOCSIN_TRY(check_end(channel, certificate));

  // What came after the end counts no more, nor what stands where two histories part, or above. The newest epoch before
  // that, and what stands between the two.
  Number end = certificate.last;
  if (out.apart && log->fork && log->fork->parted()) end = std::min(end, Number{log->fork->number.value - 1});
  std::optional<Epoch> newest, oldest;
  for (const auto& [epoch, info] : state.epochs) {
    if (info.key == nullptr) continue;
    if (!oldest) oldest = epoch;
    if (info.log == certificate.last_log && info.last <= end) newest = epoch;
  }
  // Let in after the end: by the oldest stewards that are known here.
  if (!newest) newest = oldest;
  const auto roster = newest ? roster_at(channel, *newest) : nullptr;
  if (roster == nullptr) return peer_error(kNotApproved, "which stewards decide is not known here yet");
  const EpochInfo info = state.epochs.at(*newest);
  rewind_to(state, roster);
  state.head = info.last;
  if (const auto at = log == nullptr ? std::nullopt : stored_hash(*log, info.last)) state.head_hash = *at;
  while (info.log == certificate.last_log && state.head < end) {
    const auto entry = stored_entry(certificate.last_log, state.head.next());
    ChannelState next = state;
    if (!entry || !apply_control(next, entry->view(), control_context(channel))) break;
    if (next.newest != roster) break;  // an epoch that the end cuts through
    state = std::move(next);
  }
  return out;
}

Result<void> ReplicaCore::take_term(Change& change, Channel& channel, std::span<const Entry> entries) {
  const ChannelState& now = channel.accepted;
  const auto begun = term_begun_by(now, entries.front().view());
  if (!begun) return peer_error(kNotAcceptable, "the log is not that of a later term of this channel");
  const ControlCertificate& certificate = begun->certificate;
  const std::uint32_t term = certificate.term.number;
  // Terms only rise; of two of one number the one that a later term follows, or whose chair is not revoked: two nodes
  // of an organisation may have led on, of which one was lost at once.
  const bool given_up =
      chair_revoked(now) && led_by_live_node(certificate.term) && just_begun(channel, certificate.term);
  const bool rival = term == now.term().number && channel.named_log != certificate.term.log && !given_up;
  if (term < now.term().number || rival) {
    if (term == now.term().number) channel.rival_term = term;
    return peer_error(kNotAcceptable, "the term is not later than the one in force");
  }
  auto at_end = state_at_end(channel, certificate);
  if (!at_end) {
    // More is wanted first: of the log before, though its chair may be revoked, or a term that is not known here. By
    // the word of the stewards that are known here alone.
    // The rest of the present one comes first: a term after the next names another log, again and again.
    const bool first_things = certificate.last_log == now.control_log() || channel.named_log != now.control_log();
    if (at_end.error().code == kUnknownEpoch && now.newest != nullptr && first_things &&
        check_term(certificate, *now.newest, control_context(channel).signed_by, verifier)) {
      channel.named_log = certificate.last_log;
      channel.named_end = certificate.last;
    }
    return at_end.error();
  }
  ControlContext context = control_context(channel);
  context.blind = at_end->apart;
  ChannelState& state = at_end->state;
  TOCSIN_TRY(begin_term(state, *begun, context));
  if (term == now.term().number) drop_term(channel, state, now.control_log());
  ChannelState before = std::exchange(channel.accepted, std::move(state));
  channel.blind_log = at_end->apart ? channel.accepted.control_log() : LogKey{};
  auto added = add_control(change, channel, entries, From::kOthers);
  if (!added) {
    channel.accepted = std::move(before);
    return added;
  }
  if (const auto held = channel.proposals.find(certificate.proposal.id);
      held != channel.proposals.end() && held->second.decided.value == 0) {
    held->second.decided = channel.accepted.head;
    held->second.decided_epoch = channel.accepted.head_epoch;
    held->second.needed = held->second.approved = certificate.approvals.size();
    put_proposal(change, channel, certificate.proposal.id);
  }
  channel.short_logs.erase(certificate.last_log);  // it grows no more
  channel.named_log = {};
  channel.rival_term = 0;
  return kOk;
}

// What was written under a term that is given up opens no more: so it is one of which there is next to nothing, of the
// only steward's organisation, which both terms are of.
bool ReplicaCore::just_begun(const Channel& channel, const Term& rival) const {
  const ChannelState& state = channel.accepted;
  const auto epochs =
      std::ranges::count_if(state.epochs, [&](const auto& epoch) { return epoch.second.log == state.control_log(); });
  if (rival.chair_org != state.chair_org() || state.newest == nullptr || state.newest->quorum != 1 || epochs > 2) {
    return false;
  }
  return std::ranges::none_of(channel.logs, [&](const LogKey& key) {
    const LogState* log = find_log(key);
    const bool others =
        log != nullptr && log->accepted.type == LogType::kFeed && (!log->owner || log->owner->node != own_node);
    return others && term_of(log->accepted.head_epoch) == state.term().number;
  });
}

bool ReplicaCore::led_by_live_node(const Term& term) const {
  const OrgState* org = find_org(term.chair_org);
  return org != nullptr && org->accepted.live_node(term.chair_node) != nullptr;
}

// Epochs of two terms of one number have the same numbers: what the one that is replaced gave opens nothing of the
// other.
void ReplicaCore::drop_term(Channel& channel, ChannelState& state, const LogKey& log) const {
  std::erase_if(state.epochs, [&](const auto& entry) { return entry.second.log == log; });
  channel.sealer.reset();
  channel.openers.clear();
  channel.rosters.clear();
  channel.key_answers.clear();
  channel.given.clear();
  channel.asking = {};
  const LogState* own = state.feed_key == nullptr ? nullptr : find_log(LogKey{state.feed_key->verify_key().bytes()});
  if (own != nullptr && term_of(own->accepted.head_epoch) == state.term().number) state.feed_key = nullptr;
}

// Approvals that name a place on this branch of the log before, k of them; the highest is where it ends. The own one is
// given anew: by now this node may hold more.
Result<void> ReplicaCore::choose_approvals(const Channel& channel, const HeldProposal& held,
                                           ControlCertificate& certificate) const {
  const ChannelState& state = channel.accepted;
  const LogState* log = find_log(state.control_log());
  std::vector<std::pair<Number, Bytes>> named;
  const Approval own = own_answer(channel, *held.proposal, true, {});
  named.emplace_back(own.head, sign_approval(own, secrets.tier2->signing));
  bool higher = false;
  for (Bytes& bytes : approvals_of(channel, held, kStewardsMax)) {
    TOCSIN_ASSIGN(approval, decode_approval(bytes));
    if (approval.org == own_org || approval.head_log != state.control_log()) continue;
    higher = higher || approval.head > own.head;
    const auto hash = log == nullptr || approval.head > own.head ? std::nullopt : stored_hash(*log, approval.head);
    if (hash && *hash == approval.head_hash) named.emplace_back(approval.head, std::move(bytes));
  }
  const std::size_t quorum = state.newest->quorum;
  if (named.size() < quorum) {
    return higher ? peer_error(kUnknownEpoch, "a steward holds more of the term before")
                  : peer_error(kNotApproved, "stewards name another history of the term before");
  }
  certificate.last = own.head;
  certificate.last_hash = own.head_hash;
  for (std::size_t i = 0; i < quorum; ++i) certificate.approvals.push_back(std::move(named[i].second));
  return kOk;
}

Result<void> ReplicaCore::take_chair(Change& change, Channel& channel, HeldProposal& held) {
  const ChairChange wanted = std::get<ChairChange>(held.proposal->change);
  ControlCertificate certificate;
  TOCSIN_TRY(choose_approvals(channel, held, certificate));
  certificate.channel = channel.accepted.id();
  certificate.last_log = channel.accepted.control_log();
  certificate.proposal = *held.proposal;
  auto control_key = std::make_shared<const crypto::SigningKey>(crypto::SigningKey::generate(random));
  certificate.term = {wanted.term, LogKey{control_key->verify_key().bytes()}, own_org, own_node, {}, {}};
  BegunTerm begun{certificate, sign_control_certificate(certificate, secrets.tier2->signing), {}};
  if (begun.signed_certificate.size() > kTermCertificateBytesMax) {
    return caller_error(kNotApproved, "the approvals do not fit the first entry of a term: shorter reasons are needed");
  }
  TOCSIN_ASSIGN(at_end, state_at_end(channel, certificate));
  begun.first = epoch_in(wanted.term, count_of(at_end.state.head_epoch) + 1);
  TOCSIN_TRY(begin_term(at_end.state, begun, control_context(channel)));
  ChannelState before = std::exchange(channel.accepted, std::move(at_end.state));
  channel.accepted.control_key = std::move(control_key);
  NextEpoch epoch = same_epoch(channel, EpochReason::kStewards);
  note_nodes(channel, epoch);
  epoch.reason = EpochReason::kStewards;
  epoch.certificate =
      seal_control_certificate(begun.signed_certificate, channel.accepted.id(), channel.accepted.control_log(), random);
  if (auto added = add_epoch(change, channel, std::move(epoch)); !added) {
    channel.accepted = std::move(before);
    return added;
  }
  held.decided = channel.accepted.head;
  held.decided_epoch = channel.accepted.head_epoch;
  held.needed = held.approved = certificate.approvals.size();
  put_proposal(change, channel, certificate.proposal.id);
  return kOk;
}

void ReplicaCore::lead_on(Channel& channel) {
  const ChannelState& state = channel.accepted;
  if (!state.joined() || state.newest == nullptr || state.newest->stewards.size() != 1 ||
      state.newest->stewards.front() != own_org || !chair_revoked(state) || !may_append(channel)) {
    channel.lead_on_ms = 0;
    return;
  }
  // Not before there was time to hear that another node of this organisation did.
  if (channel.lead_on_ms == 0) channel.lead_on_ms = clock.steady_ms() + kLeadOnAfterMs;
  if (clock.steady_ms() < channel.lead_on_ms) return;
  // The lowest of them leads on. One that nobody has let into the channel yet cannot, and nobody else lets it in; it is
  // passed over when there was time to hear from it.
  for (const auto& [node, certified] : own_log().nodes()) {
    if (certified.revoked) continue;
    if (node == own_node) break;
    const bool waited = clock.steady_ms() >= channel.lead_on_ms - kLeadOnAfterMs + kLeadOnPastOthersMs;
    if (!waited || has_channel(channel, own_org, node)) return;
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
  HeldProposal* held = held_proposal(change, channel, proposal.id);
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
