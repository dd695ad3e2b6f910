// Mail on its way, and what acceptances and notices bring (rules 20, 26).
#include <algorithm>

#include "crypto/wrap.h"
#include "protocol/entry_peek.h"
#include "protocol/entry_sign.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

inline constexpr Code kBadMail{"bad_mail"};

Error bad_acceptance(std::string detail) { return peer_error(kBadAcceptance, std::move(detail)); }

crypto::Hash mail_id(MailKind kind, const NodeId& to, ByteView content) {
  const std::uint8_t byte = static_cast<std::uint8_t>(kind);
  return crypto::hash256(crypto::kPersonalMail, {ByteView(&byte, 1), to.view(), content});
}

// What names an answer that the own feed carries; `adding` is zero where that entry is not held here.
crypto::Hash carried_key(const OrgId& org, const NodeId& node, const EntryHash& adding) {
  return crypto::hash256(crypto::kPersonalMail, {org.view(), node.view(), adding.view()});
}

const crypto::Label* label_of(MailKind kind) {
  switch (kind) {
    case MailKind::kInvitation:
      return &crypto::kLabelInvitation;
    case MailKind::kAcceptance:
      return &crypto::kLabelAcceptanceMail;
    case MailKind::kNotice:
      return &crypto::kLabelNoticeMail;
    case MailKind::kIntroduction:
      return &crypto::kLabelIntroduction;
    case MailKind::kKeyRequest:
      return &crypto::kLabelKeyRequest;
    case MailKind::kKeyAnswer:
      return &crypto::kLabelKeyAnswer;
    case MailKind::kContributor:
      return &crypto::kLabelContributorMail;
    case MailKind::kAnswer:
      return &crypto::kLabelAnswerMail;
    case MailKind::kLeave:
      return &crypto::kLabelLeaveMail;
  }
  return nullptr;
}

}  // namespace

// ---- Sending

void ReplicaCore::write_notice(Channel& channel, const OrgId& org, const DecisionEvent* decision) const {
  ChannelState& state = channel.accepted;
  auto& notices = state.notices;
  // Who was dropped longest ago had most time to hear of it.
  if (notices.size() >= kMembersMax && !notices.contains(org)) {
    const auto age = [](const auto& held) { return decode_notice(held.second)->epoch; };
    notices.erase(std::ranges::min_element(notices, {}, age));
  }
  Notice notice;
  notice.channel = state.id();
  notice.org = org;
  notice.epoch = state.head_epoch;
  notice.entry = state.head;
  notice.entry_hash = state.head_hash;
  notice.created = clock.now();
  if (decision != nullptr) notice.decision = *decision;
  notices[org] = sign_notice(notice, secrets.tier2->signing);
}

std::vector<Mail> Replica::mail_for(const OrgId& org, const NodeId& node) const {
  std::vector<Mail> out;
  const OrgState* state = impl_->find_org(org);
  const CertifiedNode* certified = state == nullptr ? nullptr : state->accepted.live_node(node);
  if (impl_->secrets.locked() || certified == nullptr || impl_->is_blocked(org) || node == impl_->own_node) return out;
  const WrapTarget target =
      wrap_target(certified->certificate, impl_->prekeys_of(org, node), month_of(impl_->clock.now()));
  const auto add = [&](MailKind kind, const crypto::Label& label, ByteView content) {
    auto envelope = crypto::seal_to(target.key, label, node.view(), content, impl_->random);
    if (envelope) out.push_back({kind, target.month, std::move(*envelope), mail_id(kind, node, content)});
  };
  for (const auto& [id, channel] : impl_->channels) {
    if (channel->durable == nullptr) continue;
    const ChannelState& held = *channel->durable;
    // To who may be in the channel, as far as it is known: a contributor knows who leads it.
    const bool hears = held.role_of(org) != Role::kUnknown || org == held.chair_org() || org == held.carrier;
    if (!held.leave.empty() && hears && org != impl_->own_org) {
      add(MailKind::kLeave, crypto::kLabelLeaveMail, held.leave);
    }
    if (org == impl_->own_org) {
      if (!held.joined() || held.contribution != nullptr || impl_->has_channel(*channel, org, node)) continue;
      if (const auto introduction = impl_->introduction_to(*channel)) {
        add(MailKind::kIntroduction, crypto::kLabelIntroduction, *introduction);
      }
    } else if (held.joined()) {
      // The node that introduced it may be lost, and a term may have ended since.
      const bool waits =
          held.term().number > 1 && may_read(held.role_of(org)) && !impl_->has_channel(*channel, org, node);
      if (const auto introduction = waits ? impl_->introduction_to(*channel) : std::nullopt) {
        add(MailKind::kIntroduction, crypto::kLabelIntroduction, *introduction);
      }
      if (const auto invitation = impl_->invitation_for(*channel, org)) {
        add(MailKind::kInvitation, crypto::kLabelInvitation, *invitation);
      }
      if (const auto notice = held.notices.find(org); notice != held.notices.end() && held.is_chair()) {
        add(MailKind::kNotice, crypto::kLabelNoticeMail, notice->second);
      }
      if (const auto told = impl_->contributor_mail(*channel, org)) {
        add(MailKind::kContributor, crypto::kLabelContributorMail, *told);
      }
      for (const Bytes& answer : impl_->answers_for(*channel, org)) {
        add(MailKind::kAnswer, crypto::kLabelAnswerMail, answer);
      }
    } else if (!held.acceptance.empty() && (org == held.chair_org() || org == held.carrier)) {
      add(MailKind::kAcceptance, crypto::kLabelAcceptanceMail, held.acceptance);
    }
  }
  for (Mail& mail : impl_->key_mail_for(org, node, certified->certificate)) out.push_back(std::move(mail));
  return out;
}

// ---- Receiving

Result<void> Replica::handle_mail(const OrgId& from, MailKind kind, std::uint32_t prekey_month, ByteView envelope) {
  TOCSIN_TRY(impl_->check_unlocked());  // it comes again with the next session
  const crypto::EncryptionKeyPair* pair = &impl_->secrets.tier2->encryption;
  if (prekey_month != kCertificateKeyMonth) {
    const auto prekey = impl_->secrets.tier2->prekeys.find(prekey_month);
    if (prekey == impl_->secrets.tier2->prekeys.end()) {
      return peer_error(kNotForUs, "the mail is sealed to a prekey that is not here (any more)");
    }
    pair = &prekey->second;
  }
  const crypto::Label* label = label_of(kind);
  if (label == nullptr) return peer_error(kBadMail, "mail of an unknown kind");
  auto content = crypto::open_sealed(*pair, *label, impl_->own_node.view(), envelope);
  const auto& before = impl_->secrets.tier2->encryption_before;
  if (!content && before && prekey_month == kCertificateKeyMonth) {
    content = crypto::open_sealed(*before, *label, impl_->own_node.view(), envelope);
  }
  if (!content) {
    if (content.error().code == Code("commitment_mismatch"))
      return peer_error(kNotForUs, "the mail is for another node");
    return peer_error(kBadMail, content.error().detail);
  }
  switch (kind) {
    case MailKind::kInvitation:
      return impl_->take_invitation(from, content->view());
    case MailKind::kAcceptance:
      return impl_->take_acceptance(content->view());
    case MailKind::kNotice:
      return impl_->take_notice(content->view());
    case MailKind::kKeyRequest:
      return impl_->take_key_request(from, content->view());
    case MailKind::kKeyAnswer:
      return impl_->take_key_answer(from, content->view());
    case MailKind::kContributor:
      return impl_->take_contributor_mail(from, content->view());
    case MailKind::kAnswer:
      return impl_->take_answer_mail(content->view());
    case MailKind::kLeave:
      return impl_->take_leave_mail(content->view());
    case MailKind::kIntroduction:
      break;
  }
  return impl_->take_introduction(from, content->view());
}

Result<ReplicaCore::CheckedAcceptance> ReplicaCore::check_acceptance(Change& change, ByteView signed_acceptance) {
  CheckedAcceptance out;
  TOCSIN_ASSIGN(acceptance, decode_acceptance(signed_acceptance));
  out.acceptance = std::move(acceptance);
  const Acceptance& answer = out.acceptance;
  out.channel = find_channel(answer.channel);
  if (out.channel == nullptr || !out.channel->accepted.joined()) {
    return peer_error(kUnknownChannel, "the acceptance is for a channel that is not here");
  }
  const ChannelState& state = out.channel->accepted;
  const auto invite = state.invited.find(answer.org);
  if (invite == state.invited.end()) {
    out.duplicate = true;  // answered by an epoch, or called off
    return out;
  }
  // A member that joined after the invitation knows that it stands, not the entry that made it: the chair checks that.
  if (invite->second.entry.value != 0 && invite->second.hash != answer.adding_entry) {
    return bad_acceptance("it answers another invitation");
  }
  if (answer.terms_digest != state.genesis->terms_digest) return bad_acceptance("it agrees to other terms");
  if (!answer.org_log.empty()) {
    const auto entries = org_entries(answer.org_log, &answer.org);
    if (!entries) return bad_acceptance("it brings no log of its organisation: " + entries.error().detail);
    TOCSIN_TRY(extend_org(change, *entries));
  }
  const bool is_signed = signed_by_node(answer.org, answer.node, [&](const crypto::VerifyKey& key) {
    return verify_acceptance(signed_acceptance, key, verifier);
  });
  if (!is_signed || orgs.at(answer.org).accepted.live_node(answer.node) == nullptr) {
    return peer_error(kBadSignature, "the acceptance is not signed by a node of the organisation");
  }
  if (!answer.prekeys.empty()) {
    const auto& certificate = orgs.at(answer.org).accepted.live_node(answer.node)->certificate;
    auto list = open_prekeys(answer.prekeys, certificate.signing, verifier);
    const PrekeyList* held = prekeys_of(answer.org, answer.node);
    if (list && list->node == answer.node && (held == nullptr || held->first_month < list->first_month)) {
      PeerNodeData& data = peer_data(change, answer.org).nodes[answer.node];
      data.signed_prekeys = answer.prekeys;
      data.prekeys = std::move(*list);
    }
  }
  return out;
}

void ReplicaCore::put_pending(Change& change, Channel& channel, const OrgId& org, ByteView signed_acceptance) {
  // The first answer counts for the organisation (rule 26).
  if (!channel.pending.emplace(org, to_bytes(signed_acceptance)).second) return;
  change.batch.put_record(Table::kMail, pending_record_name(channel.accepted.id(), org), signed_acceptance);
}

Result<void> ReplicaCore::take_notice(ByteView signed_notice) {
  TOCSIN_ASSIGN(notice, decode_notice(signed_notice));
  if (notice.org != own_org) return peer_error(kNotForUs, "the notice is about another organisation");
  Channel* channel = find_channel(notice.channel);
  if (channel == nullptr || channel->accepted.is_chair() || channel->accepted.contribution != nullptr) return kOk;
  ChannelState& state = channel->accepted;
  if (chair_revoked(state)) return peer_error(kChairRevoked, "the node that leads this channel was revoked");
  const bool is_signed = signed_by_node(state.chair_org(), state.chair_node(), [&](const crypto::VerifyKey& key) {
    return verify_notice(signed_notice, key, verifier);
  });
  if (!is_signed) return peer_error(kBadSignature, "the notice is not signed by the chair's node");
  if (term_of(notice.epoch) != state.term().number) return kOk;  // of another term
  if (state.joined() && state.newest->quorum > 1) {
    // The chair alone removes nobody.
    if (!notice.decision) return peer_error(kNotApproved, "the notice does not say who decided it");
    TOCSIN_ASSIGN(proposal, decode_proposal(notice.decision->proposal));
    const auto* remove = std::get_if<RemoveChange>(&proposal.change);
    if (proposal.channel != state.id() || remove == nullptr || remove->org != own_org) {
      return peer_error(kNotApproved, "what was decided is something else");
    }
    const ControlContext context = control_context(*channel);
    TOCSIN_TRY(check_approvals(proposal, notice.decision->approvals, *state.newest, context.signed_by, verifier));
  }
  if (notice.role != Role::kUnknown) return kOk;
  // An epoch that opened here, or an invitation, is newer than a notice from before it.
  const EpochInfo* opened = state.epoch(state.newest_epoch());
  Number known = std::max(state.notice_term == state.term().number ? state.notice_number : Number{},
                          opened == nullptr || opened->log != state.control_log() ? Number{} : opened->last);
  if (!state.invitation.empty()) {
    TOCSIN_ASSIGN(invitation, decode_invitation(state.invitation));
    TOCSIN_ASSIGN(adding, decode_entry(invitation.adding_entry));
    if (equal(peek_log(adding.header), state.control_log().view())) {
      known = std::max(known, peek_number(adding.header));
    }
  }
  if (notice.entry <= known) return kOk;
  state.notice_number = notice.entry;
  state.notice_term = state.term().number;
  state.notice_seen = clock.now();
  // Who has declined has declined.
  if (state.standing != ChannelStanding::kRefused) state.standing = ChannelStanding::kRemoved;
  state.invitation.clear();
  state.acceptance.clear();
  state.leave.clear();
  Change change;
  change.channels.push_back(notice.channel);
  commit_for(std::move(change), nullptr);
  return kOk;
}

Result<void> ReplicaCore::take_acceptance(ByteView signed_acceptance) {
  Change change;
  auto checked = check_acceptance(change, signed_acceptance);
  // What it brought of the organisation's log stands by itself, whatever becomes of the answer.
  const auto keep = [&](Result<void> result) {
    if (!change.logs.empty() || !change.peers.empty()) commit_for(std::move(change), nullptr);
    return result;
  };
  if (!checked) return keep(checked.error());
  if (checked->duplicate) return keep(kOk);
  Channel& channel = *checked->channel;
  if (channel.accepted.is_chair()) {
    put_pending(change, channel, checked->acceptance.org, signed_acceptance);
    if (!change.batch.empty()) commit_for(std::move(change), nullptr);
    return kOk;
  }
  // One answer of each node to one invitation, and a few of its organisation: who is invited could else fill this feed.
  const Acceptance& answer = checked->acceptance;
  const EntryHash& adding = channel.accepted.invited.at(answer.org).hash;
  auto& carried = channel.accepted.carried;
  std::size_t of_org = 0;
  for (const auto& [node, certified] : orgs.at(answer.org).accepted.nodes()) {
    const auto key = carried_key(answer.org, node, adding);
    if (std::find(carried.begin(), carried.end(), key) == carried.end()) continue;
    if (node == answer.node || ++of_org >= kCarriedPerOrgMax) return keep(kOk);
  }
  const FeedItem item{FeedKind::kCarriedAcceptance, signed_acceptance};
  if (auto appended = append_items(change, channel, std::span(&item, 1), nullptr); !appended) {
    if (appended.error().code == kHomeUnconfirmed) return keep(appended.error());  // later, or by another
    return keep(kOk);                                                              // a reader
  }
  carried.push_back(carried_key(answer.org, answer.node, adding));
  if (carried.size() > kMembersMax * kCarriedPerOrgMax) carried.erase(carried.begin());
  change.channels.push_back(channel.accepted.id());
  commit_for(std::move(change), nullptr);
  return kOk;
}

}  // namespace tocsin::protocol
