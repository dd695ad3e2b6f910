// Contributors (rule 24), on both sides: what the chair tells them and any member carries, what one of them keeps and
// seals, and answers.
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/names.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kChairLogInNoticeBytesMax = 8 * 1024;
constexpr std::size_t kAnswersKeptMax = 8;     // of one member for one contributor; what came first goes
constexpr std::size_t kAnswersPerDayMax = 64;  // of one channel, by a contributor
constexpr std::int64_t kAnswersPerMs = 24 * 3'600'000;
constexpr std::size_t kAnswersTakenMax = 4'096;  // by a contributor; more than all that members go on bringing

Error notice_refused(std::string detail) { return peer_error(kBadContributorNotice, std::move(detail)); }

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
  notice.epoch = epoch;
  const auto half = epoch_half(key, state.id(), epoch).public_key();
  const auto answers_with = answer_key(key, state.id(), epoch).verify_key();
  notice.profile = contributor_profile_digest(encode_contributor_profile(contributor_profile(*state.genesis)));
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
    notice.counter = 1;
    if (const auto told = state.contributor_notices.find(org); told != state.contributor_notices.end()) {
      const auto before = decode_contributor_notice(told->second);
      if (before && before->epoch == epoch) notice.counter = before->counter + 1;
    }
    notice.since = {};
    notice.adding_entry = {};
    notice.half = {};
    notice.answer_key = {};
    if (dropped) {
      notice.standing = ContributorStanding::kNone;
      notice.tag = {};
    } else if (member != nullptr) {
      notice.standing = ContributorStanding::kContributor;
      notice.tag = member->tag;
      notice.since = member->since;
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
  out.profile = encode_contributor_profile(contributor_profile(*state.genesis));
  out.chair_org_log = org_log_bytes(notice->chair_org, kChairLogInNoticeBytesMax);
  return encode_contributor_mail(out);
}

// ---- A contributor is told

namespace {

// By a live node of an organisation that is known here.
Result<void> check_contributor_notice(const ReplicaCore& core, const ContributorNotice& notice,
                                      const ContributorMail& mail) {
  const OrgState* org = core.find_org(notice.chair_org);
  if (org == nullptr || org->accepted.live_node(notice.chair_node) == nullptr) {
    return notice_refused("no organisation that is known here certifies the node that signs it");
  }
  const bool is_signed = core.signed_by_node(notice.chair_org, notice.chair_node, [&](const crypto::VerifyKey& key) {
    return verify_contributor_notice(mail.notice, key, core.verifier);
  });
  if (!is_signed) return peer_error(kBadSignature, "the notice is not signed by the node that it names");
  return kOk;
}

void take_up(ChannelState& state, ContributorNotice notice, ContributorProfile profile, const ContributorMail& mail) {
  auto next = state.contribution == nullptr ? std::make_shared<Contribution>()
                                            : std::make_shared<Contribution>(*state.contribution);
  if (notice.standing == ContributorStanding::kContributor) {
    next->epochs.try_emplace(notice.epoch, Contribution::Keys{notice.half, notice.answer_key});
    // Out of the roster and in again, unseen here: what the chair pinned meanwhile takes nothing more.
    if (next->notice.since.value != 0 && next->notice.since != notice.since) state.feed_key = nullptr;
  }
  if (next->epochs.size() > kContributionEpochsMax) next->epochs.erase(next->epochs.begin());
  next->notice = std::move(notice);
  next->signed_notice = mail.notice;
  next->profile = std::move(profile);
  next->profile_message = mail.profile;
  state.contribution = std::move(next);
  state.genesis = contribution_genesis(*state.contribution);
}

void set_joined(ChannelState& state, Time now) {
  state.standing = ChannelStanding::kJoined;
  state.newest = contribution_state(*state.contribution);
  state.epoch_seen = now;
  state.invitation.clear();
  state.acceptance.clear();
}

void set_invited(ChannelState& state, const OrgId& from, ByteView message, Time now) {
  state.standing = ChannelStanding::kInvited;
  state.newest = nullptr;
  state.feed_key = nullptr;
  state.acceptance.clear();
  state.carrier = from;
  state.invitation = to_bytes(message);
  state.invitation_seen = now;
}

bool is_answered(const ChannelState& state) { return state.joined() || state.standing == ChannelStanding::kAccepting; }

}  // namespace

bool ReplicaCore::is_unanswered(const Channel& channel) {
  const ChannelState& state = channel.accepted;
  return channel.logs.empty() && state.newest_epoch().value == 0 &&
         (state.standing == ChannelStanding::kInvited || state.standing == ChannelStanding::kRefused ||
          state.standing == ChannelStanding::kRemoved);
}

bool ReplicaCore::drop_unanswered_contribution(const ChannelId& id) {
  const Channel* channel = find_channel(id);
  const bool open = channel != nullptr && channel->accepted.contribution != nullptr && channel->logs.empty() &&
                    (channel->accepted.standing == ChannelStanding::kInvited ||
                     channel->accepted.standing == ChannelStanding::kRefused);
  if (open) channels.erase(id);
  return open;
}

Result<void> ReplicaCore::take_contributor_mail(const OrgId& from, ByteView message) {
  TOCSIN_ASSIGN(mail, decode_contributor_mail(message));
  TOCSIN_ASSIGN(notice, decode_contributor_notice(mail.notice));
  TOCSIN_ASSIGN(profile, decode_contributor_profile(mail.profile));
  if (notice.org != own_org) return peer_error(kNotForUs, "the notice is about another organisation");
  if (profile.channel != notice.channel || contributor_profile_digest(mail.profile) != notice.profile) {
    return notice_refused("what it says of the channel is not what the chair signed");
  }
  if (profile.network != own_log().profile().network)
    return notice_refused(networks_differ("the channel", profile.network, own_log().profile().network));
  if (profile.channel_class == ChannelClass::kPrivate) return notice_refused("a private channel has no contributors");
  if (notice.standing == ContributorStanding::kUnknown) return kOk;  // of a later version (rule 16)
  if (notice.standing == ContributorStanding::kContributor &&
      !crypto::diffie_hellman(crypto::EncryptionSecret::random(random), notice.half)) {
    return notice_refused("nothing can be sealed to its key");
  }
  Channel* channel = find_channel(notice.channel);
  if (channel != nullptr && channel->accepted.contribution == nullptr && is_unanswered(*channel) &&
      notice.standing == ContributorStanding::kInvited) {
    channel = nullptr;  // the chair wants it as something else by now: that takes the place of the invitation
  }
  if (channel != nullptr && channel->accepted.contribution == nullptr) {
    return notice_refused("this organisation was invited to that channel, or is in it, as a member");
  }
  // A node of the chair's organisation that was certified since.
  Change change;
  const auto chair_log = org_entries(mail.chair_org_log, &notice.chair_org);
  if (!chair_log) return notice_refused("it brings no log of the chair's organisation: " + chair_log.error().detail);
  if (find_org(notice.chair_org) != nullptr && !chair_log->empty() && !extend_org(change, *chair_log)) {
    change = Change();
  }
  auto taken = take_notice_of(change, channel, from, message, mail, std::move(notice), std::move(profile));
  if (!change.batch.empty() || !change.logs.empty() || !change.channels.empty()) commit_for(std::move(change), nullptr);
  return taken;
}

Result<void> ReplicaCore::take_notice_of(Change& change, Channel* channel, const OrgId& from, ByteView message,
                                         const ContributorMail& mail, ContributorNotice notice,
                                         ContributorProfile profile) {
  const ChannelId id = notice.channel;
  const bool invites = notice.standing == ContributorStanding::kInvited;
  if (channel != nullptr) {
    const ChannelState& state = channel->accepted;
    const ContributorNotice& held = state.contribution->notice;
    const bool same_chair = notice.chair_org == held.chair_org;
    if (same_chair && !notice.is_newer_than(held)) return kOk;
    if (same_chair && is_answered(state) && notice.profile != held.profile) {
      return notice_refused("what was agreed to does not change");
    }
    TOCSIN_TRY(check_contributor_notice(*this, notice, mail));
    if (!same_chair) return take_claim(change, *channel, from, message, mail, std::move(notice), std::move(profile));
  } else {
    // Nobody is made a contributor unasked, and there is no genesis that would say who made the channel: whoever
    // invites is somebody whose words were compared (rule 26).
    if (!invites) return kOk;
    if (!is_verified(notice.chair_org)) {
      return notice_refused("a contributor's invitation is taken of a verified peer's channel alone");
    }
    TOCSIN_TRY(check_contributor_notice(*this, notice, mail));
    if (channels.size() >= kChannelsMax) return peer_error(kQuotaExceeded, "a node takes part in 256 channels");
    channel = (channels[id] = std::make_unique<Channel>()).get();
    take_up(channel->accepted, std::move(notice), std::move(profile), mail);
    set_invited(channel->accepted, from, message, clock.now());
    change.channels.push_back(id);
    drop_invitations(change, id);
    return kOk;
  }

  ChannelState& state = channel->accepted;
  const ContributorStanding standing = notice.standing;
  const bool same_invitation = notice.adding_entry == state.contribution->notice.adding_entry;
  const bool left = !state.leave.empty();  // and does not come back because the chair has not heard of it yet
  take_up(state, std::move(notice), std::move(profile), mail);
  if (standing != ContributorStanding::kContributor) state.leave.clear();
  state.claim.clear();
  change.channels.push_back(id);
  switch (standing) {
    case ContributorStanding::kInvited:
      if (!same_invitation || state.standing == ChannelStanding::kRemoved) {
        set_invited(state, from, message, clock.now());
      }
      break;
    case ContributorStanding::kContributor:
      if (is_answered(state) && !left) set_joined(state, clock.now());
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
  note_contribution(*channel);
  return kOk;
}

// Another organisation than before says that it leads the channel. Whether it does only members can tell: a person of
// this organisation decides, and the first that asked is asked about.
Result<void> ReplicaCore::take_claim(Change& change, Channel& channel, const OrgId& from, ByteView message,
                                     const ContributorMail& mail, ContributorNotice notice,
                                     ContributorProfile profile) {
  ChannelState& state = channel.accepted;
  if (!is_verified(notice.chair_org)) {
    return notice_refused("that a channel has another chair is taken of a verified peer alone");
  }
  const bool invites = notice.standing == ContributorStanding::kInvited;
  const bool over = state.standing == ChannelStanding::kRemoved || state.standing == ChannelStanding::kRefused;
  if (over && invites) {
    take_up(state, std::move(notice), std::move(profile), mail);
    set_invited(state, from, message, clock.now());
    state.leave.clear();
    change.channels.push_back(state.id());
    return kOk;
  }
  if (!is_answered(state) || notice.standing != ContributorStanding::kContributor) return kOk;
  if (!state.claim.empty()) {
    const auto before = decode_contributor_mail(state.claim);
    const auto told = before ? decode_contributor_notice(before->notice) : Result<ContributorNotice>(before.error());
    const bool same = told && told->chair_org == notice.chair_org;
    if (told && (!same || !notice.is_newer_than(*told))) return kOk;
  }
  state.claim = to_bytes(message);
  change.channels.push_back(state.id());
  return kOk;
}

void ReplicaCore::note_contribution(const Channel& channel) const {
  const ChannelState& state = channel.accepted;
  if (state.contribution == nullptr || state.contribution->secret == nullptr) return;
  for (const auto& [epoch, keys] : state.contribution->epochs) {
    table.add_contribution(state.id(), state.genesis->pseudonym, epoch, keys.half, state.contribution->secret);
  }
}

std::optional<OrgId> ReplicaCore::claimed_chair(const ChannelState& state) const {
  const auto mail = decode_contributor_mail(state.claim);
  const auto notice = mail ? decode_contributor_notice(mail->notice) : Result<ContributorNotice>(mail.error());
  return notice ? std::optional(notice->chair_org) : std::nullopt;
}

Result<void> ReplicaCore::accept_contribution(Channel& channel, bool accepted, Done<void> done) {
  ChannelState& state = channel.accepted;
  Change change;
  change.channels.push_back(state.id());
  change.mail = true;
  if (!state.claim.empty()) {
    if (accepted) {
      TOCSIN_ASSIGN(mail, decode_contributor_mail(state.claim));
      TOCSIN_ASSIGN(notice, decode_contributor_notice(mail.notice));
      TOCSIN_ASSIGN(profile, decode_contributor_profile(mail.profile));
      TOCSIN_TRY(check_contributor_notice(*this, notice, mail));
      take_up(state, std::move(notice), std::move(profile), mail);
      set_joined(state, clock.now());
      note_contribution(channel);
    }
    state.claim.clear();
    commit_for(std::move(change), std::move(done));
    return kOk;
  }
  if (accepted && state.contribution->notice.standing == ContributorStanding::kContributor) {
    set_joined(state, clock.now());  // another node of this organisation has accepted
    commit_for(std::move(change), std::move(done));
    return kOk;
  }
  TOCSIN_ASSIGN(signed_answer, answer(channel, accepted));
  state.acceptance = std::move(signed_answer);
  state.standing = accepted ? ChannelStanding::kAccepting : ChannelStanding::kRefused;
  commit_for(std::move(change), std::move(done));
  return kOk;
}

// The body's content, by the epoch's key or, where this organisation contributes, by its own secret.
Bytes ReplicaCore::own_plaintext(Channel& channel, Epoch epoch, const EntryView& entry) {
  const BodyBinding binding(channel.accepted.id(), epoch, *LogKey::from(peek_log(entry.header)),
                            peek_number(entry.header), LogType::kFeed);
  if (const auto& contribution = channel.accepted.contribution; contribution != nullptr) {
    const auto keys = contribution->epochs.find(epoch);
    if (contribution->secret == nullptr || keys == contribution->epochs.end()) return {};
    auto plaintext =
        crypto::open_own_contribution(contribution_ephemeral(*contribution->secret, binding), keys->second.half,
                                      binding.context(), binding.associated(), entry.body);
    return plaintext ? std::move(*plaintext) : Bytes();
  }
  EpochOpener* opener = opener_at(channel, epoch);
  const auto plaintext =
      opener == nullptr ? Result<ByteView>(caller_error(kNotHeld)) : opener->open(binding, entry.body);
  return plaintext ? to_bytes(*plaintext) : Bytes();
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

bool Replica::is_proof_of(const ChannelId& id, const OrgId& peer, ByteView proof) const {
  if (proof.size() < 2) return false;
  const std::size_t size = proof[0] | static_cast<std::size_t>(proof[1]) << 8;
  const auto entry =
      proof.size() - 2 < size ? Result<EntryView>(peer_error(kBadEntry)) : decode_entry(proof.subspan(2, size));
  if (!entry || entry->header.size() != kEntryHeaderBytes) return false;
  return frontier(id, peer).find(*LogKey::from(peek_log(entry->header))) != nullptr;
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
// Of more than `most` of the same two the one that came first goes.
bool ReplicaCore::put_answer(Change& change, Channel& channel, const OrgId& by, const Answer& answer,
                             ByteView signed_answer, std::size_t most) {
  auto& kept = channel.answers[answer.to];
  const crypto::Hash id = answer_id(answer);
  const Time now = clock.now();
  if (!kept.emplace(id, KeptAnswer{by, now, answer.channel, to_bytes(signed_answer)}).second) return false;
  const ChannelId& in = channel.accepted.id();
  Bytes value = to_bytes(by.view());
  value.resize(OrgId::kSize + 8);
  store_le64(&value[OrgId::kSize], static_cast<std::uint64_t>(now.ms));
  append(value, signed_answer);
  change.batch.put_record(Table::kMail, answer_record_name(in, id), value);
  std::size_t count = 0;
  auto oldest = kept.end();
  for (auto at = kept.begin(); at != kept.end(); ++at) {
    if (at->second.by != by) continue;
    ++count;
    if (at->first != id && (oldest == kept.end() || at->second.seen < oldest->second.seen)) oldest = at;
  }
  if (count > most && oldest != kept.end()) {
    change.batch.remove_record(Table::kMail, answer_record_name(in, oldest->first));
    kept.erase(oldest);
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
  if (value.size() < OrgId::kSize + 8) return;
  const ByteView signed_answer = value.subspan(OrgId::kSize + 8);
  const auto answer = decode_answer(signed_answer);
  if (!answer) return;
  const Time seen{static_cast<std::int64_t>(load_le64(&value[OrgId::kSize]))};
  channel.answers[answer->to].emplace(
      id, KeptAnswer{*OrgId::from(value.first(OrgId::kSize)), seen, answer->channel, to_bytes(signed_answer)});
}

// What members said to that contributor, signed again under the newest key: whoever has left since holds the older
// ones. Only what is durable goes out (rule 9).
std::vector<Bytes> ReplicaCore::answers_for(const Channel& channel, const OrgId& org) const {
  std::vector<Bytes> out;
  const ChannelState& state = *channel.durable;
  const auto kept = channel.answers.find(org);
  if (kept == channel.answers.end() || !state.joined() || state.role_of(org) != Role::kContributor) return out;
  const Epoch epoch = state.newest_epoch();
  const EpochInfo* info = state.epoch(epoch);
  if (info == nullptr || info->key == nullptr) return out;
  const auto key = answer_key(*info->key, state.id(), epoch);
  for (const auto& [id, held] : kept->second) {
    auto answer = decode_answer(held.signed_answer);
    if (!answer || !store.get_record(Table::kMail, answer_record_name(state.id(), id))) continue;
    answer->epoch = epoch;
    out.push_back(sign_answer(*answer, key));
  }
  return out;
}

Result<void> ReplicaCore::take_answer_mail(ByteView signed_answer) {
  TOCSIN_ASSIGN(answer, decode_answer(signed_answer));
  if (answer.to != own_org) return peer_error(kNotForUs, "the answer is for another organisation");
  const Channel* channel = find_channel(answer.channel);
  if (channel == nullptr || channel->accepted.contribution == nullptr || !channel->accepted.joined()) {
    return peer_error(kUnknownChannel, "the answer is of a channel that this organisation does not contribute to");
  }
  Channel* own = find_channel(private_channel);
  if (own == nullptr) return caller_error(kUnknownChannel, "there is no private channel to keep it in");
  const auto& kept = own->answers[own_org];
  if (kept.contains(answer_id(answer))) return kOk;
  // Who has left since knows the keys of before.
  const Contribution& contribution = *channel->accepted.contribution;
  if (answer.epoch != contribution.notice.epoch) {
    return peer_error(kUnknownEpoch, "the answer is not signed under the newest key that was told of here");
  }
  if (!verify_answer(signed_answer, contribution.epochs.at(answer.epoch).answer_key, verifier)) {
    return peer_error(kBadSignature, "the answer is not signed by who reads the channel");
  }
  const Time now = clock.now();
  const auto today = std::ranges::count_if(kept, [&](const auto& each) {
    return each.second.channel == answer.channel && now.ms - each.second.seen.ms < kAnswersPerMs;
  });
  if (static_cast<std::size_t>(today) >= kAnswersPerDayMax || kept.size() >= kAnswersTakenMax) {
    return peer_error(kQuotaExceeded, "the channel has answered as often as it may");
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
      for (const auto& [answer, held] : kept) {
        auto read = decode_answer(held.signed_answer);
        if (read && (!report || read->report == *report)) out.push_back({answer, std::move(*read), held.by});
      }
    }
  }
  std::ranges::stable_sort(out, {}, [](const AnswerInfo& info) { return info.answer.created; });
  return out;
}

}  // namespace tocsin::protocol
