// Contributors (rule 24), on both sides: what the chair tells them and any member carries, what one of them keeps and
// seals, and answers.
#include <algorithm>

#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

inline constexpr Code kNotForContributor{"not_for_us"};
constexpr std::size_t kChairLogInNoticeBytesMax = 16 * 1024;
constexpr std::size_t kAnswersKeptMax = 32;      // for one contributor; the oldest goes
constexpr std::size_t kAnswersTakenMax = 4'096;  // by a contributor; more than all that members go on bringing

Error notice_refused(std::string detail) { return peer_error(kBadContributorNotice, std::move(detail)); }

ContributorProfile profile_of(const ChannelGenesis& genesis) {
  return {genesis.id, genesis.network, genesis.name, genesis.channel_class, genesis.terms, genesis.retention_days};
}

crypto::Hash answer_id(ByteView signed_answer) { return crypto::hash256(crypto::kPersonalMail, {signed_answer}); }

}  // namespace

// ---- The chair tells

Result<void> ReplicaCore::tell_contributors(Change& change, Channel& channel, const std::set<OrgId>& orgs,
                                            bool dropped) {
  if (orgs.empty()) return kOk;
  const ChannelState& state = channel.accepted;
  const Epoch epoch = state.newest_epoch();
  const crypto::EpochKey& key = *state.epochs.at(epoch).key;
  ContributorNotice notice;
  notice.channel = state.id();
  notice.term = state.term().number;
  notice.entry = state.head;
  notice.epoch = epoch;
  const auto half = epoch_half(key, state.id(), epoch).public_key();
  const auto answers_with = answer_key(key, state.id(), epoch).verify_key();
  notice.profile = contributor_profile_digest(encode_contributor_profile(profile_of(*state.genesis)));
  notice.chair_org = own_org;
  notice.chair_node = own_node;
  notice.created = clock.now();
  notice.governments = std::ranges::any_of(state.newest->roster, [](const RosterMember& member) {
    return may_read(member.role) && member.kind == OrgKind::kGovernment;
  });
  ContributorsEvent event;
  const auto flush = [&]() -> Result<void> {
    if (event.notices.empty()) return kOk;
    return add_event(change, channel, std::exchange(event, {}));
  };
  for (const OrgId& org : orgs) {
    const auto invite = state.invited.find(org);
    const RosterMember* member = state.newest->member(org);
    notice.org = org;
    notice.adding_entry = {};
    notice.half = {};
    notice.answer_key = {};
    if (dropped) {
      notice.standing = ContributorStanding::kNone;
      notice.tag = {};
    } else if (member != nullptr) {
      notice.standing = ContributorStanding::kContributor;
      notice.tag = member->tag;
      notice.half = half;
      notice.answer_key = answers_with;
    } else if (invite != state.invited.end()) {
      notice.standing = ContributorStanding::kInvited;
      notice.tag = invite->second.member.tag;
      notice.adding_entry = invite->second.hash;
    } else {
      continue;
    }
    event.notices.push_back(sign_contributor_notice(notice, secrets.tier2->signing));
    if (event.notices.size() == kContributorsPerEventMax) TOCSIN_TRY(flush());
  }
  TOCSIN_TRY(flush());
  change.mail = true;
  return kOk;
}

std::set<OrgId> ReplicaCore::contributors_of(const ChannelState& state) const {
  std::set<OrgId> out;
  if (state.newest != nullptr) {
    for (const RosterMember& member : state.newest->roster) {
      if (member.role == Role::kContributor) out.insert(member.org);
    }
  }
  for (const auto& [org, invite] : state.invited) {
    if (invite.member.role == Role::kContributor && invite.entry.value != 0) out.insert(org);
  }
  return out;
}

// ---- Any member carries

std::optional<Bytes> ReplicaCore::contributor_mail(const Channel& channel, const OrgId& org) const {
  const ChannelState& state = *channel.durable;
  const auto held = state.contributor_notices.find(org);
  if (!state.joined() || held == state.contributor_notices.end()) return std::nullopt;
  const auto notice = decode_contributor_notice(held->second);
  if (!notice) return std::nullopt;
  ContributorMail out;
  out.notice = held->second;
  out.profile = encode_contributor_profile(profile_of(*state.genesis));
  if (notice->standing == ContributorStanding::kInvited) {
    out.chair_org_log = org_log_bytes(notice->chair_org, kChairLogInNoticeBytesMax);
  }
  return encode_contributor_mail(out);
}

// ---- A contributor is told

namespace {

// Signed by the node that it names, of an organisation that is known here or came along, and not revoked.
Result<void> check_contributor_notice(const ReplicaCore& core, const ContributorNotice& notice,
                                      const ContributorMail& mail) {
  const auto verifies = [&](const crypto::VerifyKey& key) {
    return verify_contributor_notice(mail.notice, key, core.verifier);
  };
  if (const OrgState* org = core.find_org(notice.chair_org)) {
    if (org->accepted.live_node(notice.chair_node) == nullptr) {
      return notice_refused("its organisation does not certify the node that signs it");
    }
    if (core.signed_by_node(notice.chair_org, notice.chair_node, verifies)) return kOk;
    return peer_error(kBadSignature, "the notice is not signed by the node that it names");
  }
  TOCSIN_ASSIGN(log, open_org_log(mail.chair_org_log, core.verifier));
  const CertifiedNode* node = log.id() == notice.chair_org ? log.live_node(notice.chair_node) : nullptr;
  if (node == nullptr) return notice_refused("the organisation log does not certify the node that signs it");
  if (!verifies(node->certificate.signing)) {
    return peer_error(kBadSignature, "the notice is not signed by the node that it names");
  }
  return kOk;
}

void take_up(ChannelState& state, ContributorNotice notice, ContributorProfile profile, const ContributorMail& mail) {
  auto next = state.contribution == nullptr ? std::make_shared<Contribution>()
                                            : std::make_shared<Contribution>(*state.contribution);
  if (notice.standing == ContributorStanding::kContributor) {
    next->epochs[notice.epoch] = {notice.half, notice.answer_key};
  }
  if (next->epochs.size() > kContributionEpochsMax) next->epochs.erase(next->epochs.begin());
  next->notice = std::move(notice);
  next->signed_notice = mail.notice;
  next->profile = std::move(profile);
  next->profile_message = mail.profile;
  state.contribution = std::move(next);
  state.genesis = contribution_genesis(*state.contribution);
}

}  // namespace

Result<void> ReplicaCore::take_contributor_mail(const OrgId& from, ByteView message) {
  TOCSIN_ASSIGN(mail, decode_contributor_mail(message));
  TOCSIN_ASSIGN(notice, decode_contributor_notice(mail.notice));
  TOCSIN_ASSIGN(profile, decode_contributor_profile(mail.profile));
  if (notice.org != own_org) return peer_error(kNotForContributor, "the notice is about another organisation");
  if (profile.channel != notice.channel || contributor_profile_digest(mail.profile) != notice.profile) {
    return notice_refused("what it says of the channel is not what the chair signed");
  }
  if (profile.network != own_log().profile().network) return notice_refused("the channel is of another network");
  if (profile.channel_class == ChannelClass::kPrivate) return notice_refused("a private channel has no contributors");
  Channel* channel = find_channel(notice.channel);
  if (channel != nullptr && channel->accepted.contribution == nullptr) {
    return notice_refused("this organisation was invited to that channel, or is in it, as a member");
  }
  if (channel != nullptr && !notice.is_newer_than(channel->accepted.contribution->notice)) return kOk;
  TOCSIN_TRY(check_contributor_notice(*this, notice, mail));

  Change change;
  const ChannelId id = notice.channel;
  if (channel == nullptr) {
    // Nobody is made a contributor unasked: what says so to a further node is an invitation there.
    if (notice.standing != ContributorStanding::kInvited) return kOk;
    if (channels.size() >= kChannelsMax) return peer_error(kQuotaExceeded, "a node takes part in 256 channels");
    channel = (channels[id] = std::make_unique<Channel>()).get();
    channel->accepted.standing = ChannelStanding::kInvited;
  }
  ChannelState& state = channel->accepted;
  const bool is_new = state.contribution == nullptr;
  if (!is_new && notice.chair_org != state.chair_org() && state.standing != ChannelStanding::kInvited) {
    // Who may lead the channel only its members can tell: a person decides.
    state.invitation = to_bytes(message);
    change.channels.push_back(id);
    commit_for(std::move(change), nullptr);
    return kOk;
  }
  const ContributorStanding standing = notice.standing;
  const bool same_invitation = !is_new && notice.adding_entry == state.contribution->notice.adding_entry;
  // Who has left does not come back because the chair has not heard of it yet.
  const bool left = !state.leave.empty();
  take_up(state, std::move(notice), std::move(profile), mail);
  if (standing != ContributorStanding::kContributor) state.leave.clear();
  switch (standing) {
    case ContributorStanding::kInvited:
      if (same_invitation && !is_new) break;  // the answer stands
      state.standing = ChannelStanding::kInvited;
      state.newest = nullptr;
      state.acceptance.clear();
      state.carrier = from;
      state.invitation = to_bytes(message);
      state.invitation_seen = clock.now();
      break;
    case ContributorStanding::kContributor:
      if (left) break;
      if (state.standing == ChannelStanding::kAccepting) state.standing = ChannelStanding::kJoined;
      if (state.joined()) {
        state.newest = contribution_state(*state.contribution);
        state.epoch_seen = clock.now();
        state.invitation.clear();
        state.acceptance.clear();
      }
      break;
    case ContributorStanding::kNone:
    case ContributorStanding::kUnknown:
      if (state.standing != ChannelStanding::kRefused) state.standing = ChannelStanding::kRemoved;
      state.invitation.clear();
      state.acceptance.clear();
      state.notice_seen = clock.now();
      state.feed_key = nullptr;  // the chair has pinned that feed; who comes back writes in another
      break;
  }
  change.channels.push_back(id);
  if (is_new) drop_invitations(change, id);
  note_contribution(*channel);
  commit_for(std::move(change), nullptr);
  return kOk;
}

void ReplicaCore::note_contribution(const Channel& channel) const {
  const ChannelState& state = channel.accepted;
  if (state.contribution == nullptr || state.contribution->secret == nullptr) return;
  for (const auto& [epoch, keys] : state.contribution->epochs) {
    table.add_contribution(state.id(), state.genesis->pseudonym, epoch, keys.half, state.contribution->secret);
  }
}

Result<void> ReplicaCore::accept_contribution(Channel& channel, bool accepted, Done<void> done) {
  ChannelState& state = channel.accepted;
  Change change;
  TOCSIN_ASSIGN(mail, decode_contributor_mail(state.invitation));
  TOCSIN_ASSIGN(notice, decode_contributor_notice(mail.notice));
  if (accepted) {
    std::vector<EntryView> chair_log;
    for (const Bytes& bytes : mail.chair_org_log) {
      TOCSIN_ASSIGN(entry, decode_entry(bytes));
      chair_log.push_back(entry);
    }
    if (!chair_log.empty()) {
      auto extended = extend_org(change, chair_log);
      if (!extended && find_org(notice.chair_org) == nullptr) return extended.error();
    }
    TOCSIN_TRY(check_contributor_notice(*this, notice, mail));
  }
  change.channels.push_back(state.id());
  change.mail = true;
  if (state.joined()) {  // another chair
    state.invitation.clear();
    if (accepted) {
      TOCSIN_ASSIGN(profile, decode_contributor_profile(mail.profile));
      const bool in = notice.standing == ContributorStanding::kContributor;
      take_up(state, std::move(notice), std::move(profile), mail);
      state.standing = in ? ChannelStanding::kJoined : ChannelStanding::kRemoved;
      if (!in) state.feed_key = nullptr;
      if (in) state.newest = contribution_state(*state.contribution);
      note_contribution(channel);
    }
    commit_for(std::move(change), std::move(done));
    return kOk;
  }
  if (accepted && state.contribution->notice.standing == ContributorStanding::kContributor) {
    state.standing = ChannelStanding::kJoined;  // another node of this organisation has accepted
    state.newest = contribution_state(*state.contribution);
    state.invitation.clear();
    commit_for(std::move(change), std::move(done));
    return kOk;
  }
  Acceptance out;
  out.channel = state.id();
  out.org = own_org;
  out.node = own_node;
  out.adding_entry = state.contribution->notice.adding_entry;
  out.terms_digest = state.genesis->terms_digest;
  out.accepted = accepted;
  out.created = clock.now();
  out.org_log = org_log_bytes(own_org, kOrgLogInAnswerBytesMax);
  out.prekeys = own_prekeys();
  state.acceptance = sign_acceptance(out, secrets.tier2->signing);
  state.standing = accepted ? ChannelStanding::kAccepting : ChannelStanding::kRefused;
  commit_for(std::move(change), std::move(done));
  return kOk;
}

const crypto::SecretBuffer& ReplicaCore::contribution_secret(Channel& channel) {
  ChannelState& state = channel.accepted;
  if (state.contribution->secret == nullptr) {
    auto next = std::make_shared<Contribution>(*state.contribution);
    crypto::SecretBuffer secret(32);
    random.fill(secret.mutable_view());
    next->secret = std::make_shared<const crypto::SecretBuffer>(std::move(secret));
    state.contribution = std::move(next);
    note_contribution(channel);
  }
  return *state.contribution->secret;
}

// ---- Sessions

bool ReplicaCore::is_contribution(const Channel& channel, const OrgId& peer) const {
  if (channel.durable == nullptr) return false;
  return channel.durable->contribution != nullptr || channel.durable->role_of(peer) == Role::kContributor;
}

bool Replica::is_contribution(const ChannelId& id, const OrgId& peer) const {
  const Channel* channel = impl_->find_channel(id);
  return channel != nullptr && impl_->is_contribution(*channel, peer);
}

const Frontier& Replica::frontier(const ChannelId& id, const OrgId& peer) const {
  static const Frontier kNone;
  const Channel* channel = impl_->find_channel(id);
  if (channel == nullptr || channel->durable == nullptr) return kNone;
  if (channel->durable->contribution != nullptr || !impl_->is_contribution(*channel, peer)) return channel->frontier;
  const auto found = channel->contributions.find(peer);
  return found == channel->contributions.end() ? kNone : found->second;
}

void Replica::note_held(const ChannelId& id, const OrgId& org, const NodeId& node, std::span<const Leaf> leaves) {
  Channel* channel = impl_->find_channel(id);
  if (channel == nullptr || channel->durable == nullptr || channel->durable->contribution == nullptr) return;
  bool news = false;
  for (const Leaf& leaf : leaves) {
    const LogState* log = impl_->find_log(leaf.log);
    if (log == nullptr || log->channel != id || impl_->stored_hash(*log, leaf.head) != leaf.hash) continue;
    ReceiptInfo& info = channel->receipts[node];
    info.org = org;
    info.node = node;
    Number& held = info.heads[leaf.log];
    news = news || held < leaf.head;
    held = std::max(held, leaf.head);
    info.created = impl_->clock.now();
  }
  if (!news) return;
  Bytes name = to_bytes(id.view());
  tocsin::append(name, node.view());
  Change change;
  change.batch.put_record(Table::kReceipts, name, encode_receipt_info(channel->receipts[node]));
  impl_->commit_for(std::move(change), nullptr);
}

// The tag of the one of the two that contributes.
const crypto::Hash* ReplicaCore::contribution_tag(const Channel& channel, const OrgId& peer) const {
  if (channel.durable == nullptr) return nullptr;
  const ChannelState& state = *channel.durable;
  if (state.contribution != nullptr) return &state.contribution->notice.tag;
  const RosterMember* member = state.newest == nullptr ? nullptr : state.newest->member(peer);
  return member != nullptr && member->role == Role::kContributor ? &member->tag : nullptr;
}

// ---- Answers

Result<void> Replica::answer_contributor(const ChannelId& id, const OrgId& contributor, const ReportId& report,
                                         const std::string& text, Done<void> done) {
  Channel* channel = impl_->find_channel(id);
  if (channel == nullptr) return caller_error(kUnknownChannel, "no such channel is known here");
  const ChannelState& state = channel->accepted;
  TOCSIN_TRY(impl_->may_append(*channel));
  if (state.contribution != nullptr || state.role_of(contributor) != Role::kContributor) {
    return caller_error("not_a_contributor", "who gets an answer is a contributor of the channel");
  }
  const Epoch epoch = state.newest_epoch();
  const Answer answer{id, contributor, report, epoch, text, impl_->clock.now()};
  const Bytes bytes = sign_answer(answer, answer_key(*state.epochs.at(epoch).key, id, epoch));
  if (const auto checked = decode_answer(bytes); !checked) {
    return caller_error("bad_answer", checked.error().detail);
  }
  const FeedItem item{FeedKind::kAnswer, bytes};
  Change change;
  TOCSIN_TRY(impl_->append_items(change, *channel, std::span(&item, 1), nullptr));
  impl_->keep_answer(change, *channel, impl_->own_org, bytes);
  change.mail = true;
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

// Each is kept with the organisation that wrote it down: a member, or of those that came to this organisation, itself.
bool ReplicaCore::put_answer(Change& change, Channel& channel, const OrgId& by, const Answer& answer,
                             ByteView signed_answer, std::size_t most) {
  auto& kept = channel.answers[answer.to];
  const crypto::Hash id = answer_id(signed_answer);
  if (!kept.emplace(std::pair(answer.created.ms, id), KeptAnswer{by, to_bytes(signed_answer)}).second) return false;
  const ChannelId& in = channel.accepted.id();
  Bytes value = to_bytes(by.view());
  append(value, signed_answer);
  change.batch.put_record(Table::kMail, answer_record_name(in, id), value);
  if (kept.size() > most) {
    change.batch.remove_record(Table::kMail, answer_record_name(in, kept.begin()->first.second));
    kept.erase(kept.begin());
  }
  return true;
}

void ReplicaCore::keep_answer(Change& change, Channel& channel, const OrgId& by, ByteView signed_answer) {
  const ChannelState& state = channel.accepted;
  const auto answer = decode_answer(signed_answer);
  if (!answer) return;
  if (state.id() == private_channel) {  // another node of this organisation has got it
    if (answer->to == own_org && by == own_org)
      put_answer(change, channel, by, *answer, signed_answer, kAnswersTakenMax);
    return;
  }
  if (answer->channel != state.id() || !may_write(state.role_of(by)) ||
      state.role_of(answer->to) != Role::kContributor) {
    return;
  }
  const EpochInfo* info = state.epoch(answer->epoch);
  if (info == nullptr || info->key == nullptr) return;
  const auto key = answer_key(*info->key, state.id(), answer->epoch).verify_key();
  if (!verify_answer(signed_answer, key, verifier)) return;
  if (put_answer(change, channel, by, *answer, signed_answer, kAnswersKeptMax)) change.mail = true;
}

void ReplicaCore::load_answer(Channel& channel, const crypto::Hash& id, ByteView value) {
  if (value.size() < OrgId::kSize) return;
  const ByteView signed_answer = value.subspan(OrgId::kSize);
  const auto answer = decode_answer(signed_answer);
  if (!answer) return;
  channel.answers[answer->to].emplace(std::pair(answer->created.ms, id),
                                      KeptAnswer{*OrgId::from(value.first(OrgId::kSize)), to_bytes(signed_answer)});
}

Result<void> ReplicaCore::take_answer_mail(ByteView signed_answer) {
  TOCSIN_ASSIGN(answer, decode_answer(signed_answer));
  if (answer.to != own_org) return peer_error(kNotForContributor, "the answer is for another organisation");
  const Channel* channel = find_channel(answer.channel);
  if (channel == nullptr || channel->accepted.contribution == nullptr) {
    return peer_error(kUnknownChannel, "the answer is of a channel that this organisation does not contribute to");
  }
  Channel* own = find_channel(private_channel);
  if (own == nullptr) return caller_error(kUnknownChannel, "there is no private channel to keep it in");
  if (own->answers[own_org].contains({answer.created.ms, answer_id(signed_answer)})) return kOk;
  const auto& epochs = channel->accepted.contribution->epochs;
  const auto keys = epochs.find(answer.epoch);
  if (keys == epochs.end()) return peer_error(kUnknownEpoch, "the answer is of an epoch that was not told of here");
  if (!verify_answer(signed_answer, keys->second.answer_key, verifier)) {
    return peer_error(kBadSignature, "the answer is not signed by who reads the channel");
  }
  Change change;
  const FeedItem item{FeedKind::kAnswer, signed_answer};
  TOCSIN_TRY(append_items(change, *own, std::span(&item, 1), nullptr));
  put_answer(change, *own, own_org, answer, signed_answer, kAnswersTakenMax);
  commit_for(std::move(change), nullptr);
  return kOk;
}

std::vector<AnswerInfo> Replica::answers(const std::optional<ReportId>& report) const {
  std::vector<AnswerInfo> out;
  for (const auto& [id, channel] : impl_->channels) {
    for (const auto& [org, kept] : channel->answers) {
      for (const auto& [key, held] : kept) {
        auto answer = decode_answer(held.signed_answer);
        if (!answer || (report && answer->report != *report)) continue;
        out.push_back({key.second, std::move(*answer), held.by});
      }
    }
  }
  std::ranges::stable_sort(out, {}, [](const AnswerInfo& info) { return info.answer.created; });
  return out;
}

}  // namespace tocsin::protocol
