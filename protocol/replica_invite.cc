// Invitations to a channel, and introductions of further nodes to those that their organisation is in (rules 26, 27,
// 33).
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/entry_sign.h"
#include "protocol/names.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kOrgLogInInvitationBytesMax = 16 * 1024;

Error bad_invitation(std::string detail) { return peer_error(kBadInvitation, std::move(detail)); }

// What an invitation shows when it is opened; all of it verified (docs/protocol.md, section 4).
struct CheckedInvitation {
  ChannelGenesis genesis;
  LogKey adding_log;
  std::vector<Term> terms;  // the one in force, where it is not term 1
  EntryHash adding_entry;
  Number adding_number;
  Role role = Role::kUnknown;
};

// One entry of one of these control logs, by its own signature.
Result<EntryHeader> check_control_entry(const ChannelGenesis& genesis, std::span<const LogKey> logs,
                                        const EntryView& entry, bool with_body, crypto::Verifier& verifier) {
  TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
  const bool known = std::find(logs.begin(), logs.end(), header.log) != logs.end();
  if (header.type != LogType::kControl || !known || header.channel != genesis.pseudonym) {
    return bad_invitation("an entry is not of the channel's control log");
  }
  if (with_body && (entry.body.size() != header.body_bytes || hash_body(entry.body) != header.body_hash)) {
    return bad_invitation("an entry's body is not the one that its header names");
  }
  if (!verify_entry(entry, verifier)) return peer_error(kBadSignature, "an entry is not signed by the chair's key");
  return header;
}

// Who leads the channel, and the control logs that its entries may stand in.
struct Lead {
  Term term;
  std::vector<LogKey> logs;
  std::vector<Term> terms() const { return term.number == 1 ? std::vector<Term>{} : std::vector{term}; }
};

// The chair's node signed the genesis, or the certificate of its term: by the organisation log that is known here, else
// by the one that came along. That stewards approved a later term, only members can tell; the epoch that the chair
// wraps to who accepts says it again.
Result<Lead> check_chair(const ReplicaCore& core, const std::vector<Bytes>& chair_org_log,
                         const ChannelGenesis& genesis, ByteView signed_certificate) {
  Lead lead{{1, genesis.control_key, genesis.chair_org, genesis.chair_node, {}, {}}, {genesis.control_key}};
  if (!signed_certificate.empty()) {
    TOCSIN_ASSIGN(certificate, decode_control_certificate(signed_certificate));
    if (certificate.channel != genesis.id) return bad_invitation("the chair's certificate is of another channel");
    lead.term = certificate.term;
    lead.logs.push_back(certificate.last_log);
    lead.logs.push_back(certificate.term.log);
  }
  const auto verifies = [&](const crypto::VerifyKey& key) {
    return signed_certificate.empty() ? verify_channel_genesis(genesis, key, core.verifier)
                                      : verify_control_certificate(signed_certificate, key, core.verifier);
  };
  const auto revoked = [&](const OrgLog& log) {
    const auto chair = log.nodes().find(lead.term.chair_node);
    return chair != log.nodes().end() && chair->second.revoked;
  };
  if (const OrgState* held = core.find_org(lead.term.chair_org); held != nullptr && revoked(held->accepted)) {
    return bad_invitation("the chair's node is revoked");
  }
  if (core.signed_by_node(lead.term.chair_org, lead.term.chair_node, verifies)) return lead;
  // What a node signed with keys that it had before stands (rule 18).
  bool is_signed = false;
  const auto look = [&](const OrgLog& so_far) {
    const auto known = so_far.nodes().find(lead.term.chair_node);
    is_signed = is_signed || (known != so_far.nodes().end() && verifies(known->second.certificate.signing));
  };
  TOCSIN_ASSIGN(log, open_org_log(chair_org_log, core.verifier, look));
  const auto chair = log.nodes().find(lead.term.chair_node);
  if (log.id() != lead.term.chair_org || chair == log.nodes().end()) {
    return bad_invitation("the organisation log does not certify the chair's node");
  }
  if (revoked(log)) return bad_invitation("the chair's node is revoked");
  if (!is_signed) {
    return peer_error(kBadSignature, "neither genesis nor term is signed by the chair's node");
  }
  return lead;
}

// Whom an event invites, if it does.
std::optional<RosterMember> invited_by(const ControlEvent& event) {
  if (const auto* invite = std::get_if<InviteEvent>(&event)) return invite->member;
  const auto* decision = std::get_if<DecisionEvent>(&event);
  if (decision == nullptr) return std::nullopt;
  const auto proposal = decode_proposal(decision->proposal);
  const auto* change = proposal ? std::get_if<InviteChange>(&proposal->change) : nullptr;
  return change == nullptr ? std::nullopt : std::optional(change->member);
}

Result<CheckedInvitation> check_invitation(const ReplicaCore& core, ByteView message) {
  TOCSIN_ASSIGN(invitation, decode_invitation(message));
  CheckedInvitation out;
  TOCSIN_ASSIGN(genesis, decode_channel_genesis(invitation.genesis, invitation.genesis_signature.view()));
  out.genesis = std::move(genesis);
  if (out.genesis.network != core.own_log().profile().network)
    return bad_invitation(networks_differ("the channel", out.genesis.network, core.own_log().profile().network));
  TOCSIN_ASSIGN(lead, check_chair(core, invitation.chair_org_log, out.genesis, invitation.certificate));
  out.terms = lead.terms();

  TOCSIN_ASSIGN(epoch_entry, decode_entry(invitation.epoch_entry));
  TOCSIN_TRY(
      check_control_entry(out.genesis, {&lead.term.log, 1}, epoch_entry, !epoch_entry.body.empty(), core.verifier));
  if (!epoch_entry.body.empty()) {
    TOCSIN_ASSIGN(epoch, decode_control_body(epoch_entry.body));
    // The copy of the control log would begin inside a run, and take nothing more.
    if (epoch.kind != ControlBody::kEpoch || epoch.epoch.part != epoch.epoch.parts) {
      return bad_invitation("its epoch entry is not the last of an epoch");
    }
  }
  TOCSIN_ASSIGN(adding, decode_entry(invitation.adding_entry));
  TOCSIN_ASSIGN(header, check_control_entry(out.genesis, lead.logs, adding, true, core.verifier));
  TOCSIN_ASSIGN(body, decode_control_body(adding.body));
  if (body.kind != ControlBody::kEvent) return bad_invitation("the adding entry is no event");
  const auto key = crypto::EntryKey::from(invitation.adding_entry_key);
  TOCSIN_ASSIGN(plain, open_control_entry(*key, out.genesis.id, header.epoch, header.log, header.number, body.sealed));
  TOCSIN_ASSIGN(event, decode_control_event(plain));
  const auto invited = invited_by(event);
  if (!invited || invited->org != core.own_org) {
    return peer_error(kNotForUs, "the invitation is for another organisation");
  }
  out.role = invited->role;
  out.adding_entry = hash_entry(adding.header, adding.signature);
  out.adding_number = header.number;
  out.adding_log = header.log;
  return out;
}

}  // namespace

Result<std::vector<EntryView>> org_entries(const std::vector<Bytes>& entries, const OrgId* org) {
  std::vector<EntryView> out;
  for (const Bytes& bytes : entries) {
    TOCSIN_ASSIGN(entry, decode_entry(bytes));
    const auto is_of = [&](const OrgId& id) {
      return entry.header.size() == kEntryHeaderBytes && equal(peek_log(entry.header), id.view());
    };
    if (org != nullptr && !is_of(*org)) return peer_error(kWrongLog, "an entry of another organisation's log");
    out.push_back(entry);
  }
  return out;
}

Result<OrgLog> open_org_log(const std::vector<Bytes>& entries, crypto::Verifier& verifier,
                            const std::function<void(const OrgLog&)>& look) {
  std::optional<OrgLog> log;
  TOCSIN_ASSIGN(views, org_entries(entries));
  for (const EntryView& entry : views) {
    if (log) {
      TOCSIN_TRY(log->apply(entry, verifier));
    } else {
      TOCSIN_ASSIGN(first, OrgLog::from_genesis(entry, verifier));
      log = std::move(first);
    }
    if (look) look(*log);
  }
  if (!log) return bad_invitation("the chair's organisation log is missing");
  return std::move(*log);
}

// ---- Invitations

std::optional<Bytes> ReplicaCore::invitation_for(const Channel& channel, const OrgId& org) const {
  const ChannelState& state = *channel.durable;
  const auto invite = state.invited.find(org);
  if (invite == state.invited.end() || invite->second.entry.value == 0) return std::nullopt;
  if (invite->second.member.role == Role::kContributor) return std::nullopt;  // it is told less (rule 24)
  const EpochInfo* adding_epoch = state.epoch(invite->second.epoch);
  const EpochInfo* newest = state.epoch(state.newest_epoch());
  if (adding_epoch == nullptr || adding_epoch->key == nullptr || newest == nullptr) return std::nullopt;
  const LogKey& adding_log = invite->second.log;
  const auto adding = stored_entry(adding_log, invite->second.entry);
  const auto epoch_entry = stored_entry(newest->log, newest->last);
  if (!adding || !epoch_entry) return std::nullopt;

  Invitation out;
  out.genesis = state.genesis->message;
  out.genesis_signature = state.genesis->signature;
  out.adding_entry = encode_entry(adding->view());
  const auto key =
      control_entry_key(*adding_epoch->key, state.id(), invite->second.epoch, adding_log, invite->second.entry);
  out.adding_entry_key = to_bytes(key.view());
  out.chair_org_log = org_log_bytes(state.chair_org(), kOrgLogInInvitationBytesMax);
  out.certificate = state.certificate;
  out.epoch_entry = encode_entry(epoch_entry->view());
  Bytes message = encode_invitation(out);
  if (message.size() > kInvitationBytesMax) {
    // Nobody but members can open that body: header and signature say where the copy of the control log begins.
    const EntryView whole = epoch_entry->view();
    out.epoch_entry = encode_entry({whole.header, whole.signature, {}});
    message = encode_invitation(out);
  }
  if (message.size() > kInvitationBytesMax) return std::nullopt;
  return message;
}

Result<Bytes> ReplicaCore::answer(const Channel& channel, bool accepted) const {
  Acceptance out;
  if (const auto& contribution = channel.accepted.contribution; contribution != nullptr) {
    out.adding_entry = contribution->notice.adding_entry;
  } else {
    TOCSIN_ASSIGN(invitation, decode_invitation(channel.accepted.invitation));
    TOCSIN_ASSIGN(adding, decode_entry(invitation.adding_entry));
    out.adding_entry = hash_entry(adding.header, adding.signature);
  }
  out.channel = channel.accepted.id();
  out.org = own_org;
  out.node = own_node;
  out.terms_digest = channel.accepted.genesis->terms_digest;
  out.accepted = accepted;
  out.created = clock.now();
  out.org_log = org_log_bytes(own_org, kOrgLogInAnswerBytesMax);
  out.prekeys = own_prekeys();
  return sign_acceptance(out, secrets.tier2->signing);
}

Result<void> ReplicaCore::take_invitation(const OrgId& from, ByteView message) {
  TOCSIN_ASSIGN(checked, check_invitation(*this, message));
  // That stewards approved a later chair, who is invited cannot tell: it has to trust who says so.
  if (!checked.terms.empty() && !is_verified(from)) {
    return bad_invitation("a later chair's invitation is taken from a verified peer alone");
  }
  const ChannelId id = checked.genesis.id;
  drop_unanswered_contribution(id);
  Channel* channel = find_channel(id);
  if (channel == nullptr) {
    if (channels.size() >= kChannelsMax) return peer_error(kQuotaExceeded, "a node takes part in 256 channels");
    auto& made = channels[id] = std::make_unique<Channel>();
    made->accepted.genesis = std::make_shared<const ChannelGenesis>(std::move(checked.genesis));
    channel = made.get();
  } else if (channel->accepted.contribution != nullptr) {
    return bad_invitation("this organisation is, or was, a contributor of that channel");
  } else {
    const ChannelState& state = channel->accepted;
    // A member that is invited again was removed in between, and cannot have heard of it: the entry that adds it lies
    // above what it holds. Everything else is an invitation that was answered long ago.
    const bool was_in = state.joined() || state.standing == ChannelStanding::kRemoved;
    const std::uint32_t term = checked.terms.empty() ? 1 : checked.terms.back().number;
    // Numbers of two logs say nothing of each other, and a member follows the chair by the control log alone.
    const bool same_term = term == state.term().number && checked.adding_log == state.control_log();
    const Number newest = std::max(state.head, state.notice_term == term ? state.notice_number : Number{});
    if (state.is_chair() || term < state.term().number) return kOk;
    if (state.joined() && (!same_term || checked.adding_number <= newest)) return kOk;
    if (was_in && same_term && checked.adding_number <= newest) return kOk;
    if (!state.invitation.empty()) {
      TOCSIN_ASSIGN(before, decode_invitation(state.invitation));
      TOCSIN_ASSIGN(adding, decode_entry(before.adding_entry));
      // The answer stands as long as the invitation is the same; only a newer epoch entry is worth keeping.
      const bool same = hash_entry(adding.header, adding.signature) == checked.adding_entry;
      // But for who was not let in before the chair changed: the next one takes the same answer.
      if (same && term > state.term().number && state.standing == ChannelStanding::kAccepting) {
        return follow_chair(*channel, checked.terms, message);
      }
      if (same && (state.standing != ChannelStanding::kInvited || equal(state.invitation, message))) return kOk;
    }
  }
  ChannelState& state = channel->accepted;
  if (!state.joined()) state.terms = checked.terms;
  state.standing = ChannelStanding::kInvited;
  state.invitation = to_bytes(message);
  state.acceptance.clear();
  state.leave.clear();
  state.carrier = from;
  state.invitation_seen = clock.now();
  Change change;
  change.channels.push_back(id);
  drop_invitations(change, id);
  commit_for(std::move(change), nullptr);
  return kOk;
}

Result<void> ReplicaCore::follow_chair(Channel& channel, const std::vector<Term>& terms, ByteView message) {
  ChannelState& state = channel.accepted;
  TOCSIN_ASSIGN(invitation, decode_invitation(message));
  TOCSIN_ASSIGN(entry, decode_entry(invitation.epoch_entry));
  TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
  TOCSIN_ASSIGN(chair_log, org_entries(invitation.chair_org_log));
  if (find_log(terms.back().log) != nullptr) return kOk;
  Change change;
  if (auto extended = extend_org(change, chair_log); !extended && find_org(terms.back().chair_org) == nullptr) {
    return extended.error();
  }
  state.terms = terms;
  state.certificate = invitation.certificate;
  state.invitation = to_bytes(message);
  state.run = {};
  state.epochs[header.epoch] = {header.number, header.number, nullptr, nullptr, {}, state.control_log()};
  begin_control(change, channel, header.number, hash_entry(entry.header, entry.signature), header.epoch);
  change.channels.push_back(state.id());
  change.mail = true;
  commit_for(std::move(change), nullptr);
  return kOk;
}

// Rule 15: whoever is known here may invite to as many channels as he likes. The oldest that was refused goes first,
// then the oldest that was not answered; never one that this node once was a member of.
void ReplicaCore::drop_invitations(Change& change, const ChannelId& newest) {
  const OrgId chair = channels.at(newest)->accepted.chair_org();
  const auto drop_oldest = [&](std::size_t max, const auto& counts) {
    for (;;) {
      std::size_t count = 0;
      const ChannelState* oldest = nullptr;
      const auto age = [](const ChannelState& s) {
        return std::pair(s.standing != ChannelStanding::kRefused, s.invitation_seen.ms);
      };
      for (const auto& [id, channel] : channels) {
        const ChannelState& state = channel->accepted;
        // One that was taken back before this node was ever a member of the channel, too.
        const bool open = state.standing == ChannelStanding::kInvited || state.standing == ChannelStanding::kRefused ||
                          state.standing == ChannelStanding::kRemoved;
        if (!open || state.newest != nullptr || !channel->logs.empty() || !counts(state)) continue;
        ++count;
        if (id != newest && (oldest == nullptr || age(state) < age(*oldest))) oldest = &state;
      }
      if (count <= max || oldest == nullptr) return;
      const ChannelId id = oldest->id();
      change.batch.remove_record(Table::kChannels, id.view());
      channels.erase(id);
    }
  };
  drop_oldest(kInvitationsPerChairMax, [&](const ChannelState& state) { return state.chair_org() == chair; });
  drop_oldest(kInvitationsMax, [](const ChannelState&) { return true; });
}

// ---- Introductions

// Whoever has signed a receipt since its organisation came, for the last time, is in the channel.
bool ReplicaCore::has_channel(const Channel& channel, const OrgId& org, const NodeId& node) const {
  const auto receipt = channel.receipts.find(node);
  if (receipt == channel.receipts.end()) return false;
  const ChannelState& state = *channel.durable;
  const RosterMember* member = state.newest->member(org);
  const EpochInfo* since = member == nullptr ? nullptr : state.epoch(member->since);
  if (since == nullptr) return true;
  const auto holds = [&](const LogKey& log, Number number) {
    const auto head = receipt->second.heads.find(log);
    return head != receipt->second.heads.end() && head->second >= number;
  };
  return holds(since->log, since->first) || (since->log != state.control_log() && holds(state.control_log(), {1}));
}

std::optional<Bytes> ReplicaCore::introduction_to(const Channel& channel) const {
  const ChannelState& state = *channel.durable;
  const EpochInfo* newest = state.epoch(state.newest_epoch());
  const auto entry = newest == nullptr || newest->log != state.control_log() ? Result<Entry>(caller_error(kNotHeld))
                                                                             : stored_entry(newest->log, newest->first);
  if (!entry) return std::nullopt;
  const EntryView whole = entry->view();
  Introduction out;
  out.genesis = state.genesis->message;
  out.genesis_signature = state.genesis->signature;
  out.epoch_entry = encode_entry({whole.header, whole.signature, {}});
  out.chair_org_log = org_log_bytes(state.chair_org(), kOrgLogInInvitationBytesMax);
  out.certificate = state.certificate;
  return encode_introduction(out);
}

Result<void> ReplicaCore::take_introduction(const OrgId& from, ByteView message) {
  TOCSIN_ASSIGN(introduction, decode_introduction(message));
  TOCSIN_ASSIGN(genesis, decode_channel_genesis(introduction.genesis, introduction.genesis_signature.view()));
  if (genesis.network != own_log().profile().network)
    return bad_invitation(networks_differ("the channel", genesis.network, own_log().profile().network));
  const ChannelId id = genesis.id;
  drop_unanswered_contribution(id);
  Channel* channel = find_channel(id);
  if (channel != nullptr && channel->accepted.contribution != nullptr) {
    return bad_invitation("this organisation is, or was, a contributor of that channel");
  }
  if (channel != nullptr && channel->accepted.joined()) return kOk;
  // Others only say who leads by now, where a node of this organisation has introduced it (as in take_invitation).
  if (from != own_org) {
    const bool introduced = channel != nullptr && channel->accepted.standing == ChannelStanding::kAccepting &&
                            channel->accepted.invitation.empty();
    if (!introduced) return kOk;
    if (!is_verified(from)) return bad_invitation("who leads by now is taken from a verified peer alone");
  }
  if (channel == nullptr && channels.size() >= kChannelsMax) {
    return peer_error(kQuotaExceeded, "a node takes part in 256 channels");
  }
  TOCSIN_ASSIGN(lead, check_chair(*this, introduction.chair_org_log, genesis, introduction.certificate));
  TOCSIN_ASSIGN(entry, decode_entry(introduction.epoch_entry));
  TOCSIN_ASSIGN(header, check_control_entry(genesis, {&lead.term.log, 1}, entry, false, verifier));
  // Who leads by then, others can say of the organisation that led when the own one introduced this node: its node has
  // signed that. Of another one, a sibling alone, or a new invitation.
  if (from != own_org && lead.term.chair_org != channel->accepted.chair_org()) return kOk;
  bool goes_on = false;
  if (channel != nullptr) {
    const ChannelState& state = channel->accepted;
    // Whoever waits for a key waits on, but for a term that ended meanwhile, or that has no chair any more.
    const Number now{state.term().number + (chair_revoked(state) ? 0u : 1u)};
    if (state.standing == ChannelStanding::kAccepting && Number{lead.term.number} < now) return kOk;
    // The other node may not have heard yet that this organisation is out.
    const auto told = std::pair(state.notice_term, state.notice_number);
    if (std::pair(lead.term.number, header.number) <= told || header.epoch <= state.newest_epoch()) return kOk;
    // It was in before, and goes on with the copy of the control log that it has.
    goes_on = state.control_log() == lead.term.log && find_log(lead.term.log) != nullptr;
  }
  if (!goes_on && find_log(lead.term.log) != nullptr) return kOk;

  Change change;
  if (find_org(lead.term.chair_org) == nullptr) {
    TOCSIN_ASSIGN(chair_log, org_entries(introduction.chair_org_log));
    TOCSIN_TRY(extend_org(change, chair_log));
  }
  if (genesis.channel_class == ChannelClass::kPrivate) {
    if (genesis.chair_org != own_org) return bad_invitation("a private channel is its own organisation's");
    if (private_channel.is_zero()) {
      private_channel = id;
      change.batch.put_record(Table::kLocal, as_bytes(kSelfRecordName), encode_self({own_org, own_node, id}));
    }
  }
  if (channel == nullptr) {
    channel = (channels[id] = std::make_unique<Channel>()).get();
    channel->accepted.genesis = std::make_shared<const ChannelGenesis>(std::move(genesis));
  }
  ChannelState& state = channel->accepted;
  state.standing = ChannelStanding::kAccepting;
  state.invitation.clear();
  state.acceptance.clear();
  state.leave.clear();
  state.carrier = from;
  if (!goes_on) {
    state.terms = lead.terms();
    state.certificate = introduction.certificate;
    state.head = {};
    state.head_hash = {};
    state.run = {};
    state.head_epoch = {header.epoch.value - 1};
    if (header.number.value > 1) {
      begin_control(change, *channel, {header.number.value - 1}, header.previous, {header.epoch.value - 1});
    }
  }
  change.channels.push_back(id);
  commit_for(std::move(change), nullptr);
  return kOk;
}

Role Replica::invited_role(const ChannelId& id) const {
  const Channel* channel = impl_->find_channel(id);
  if (channel == nullptr || channel->durable == nullptr) return Role::kUnknown;
  const ChannelState& state = *channel->durable;
  if (state.standing != ChannelStanding::kInvited && state.standing != ChannelStanding::kAccepting)
    return Role::kUnknown;
  if (state.contribution != nullptr) return Role::kContributor;
  if (state.invitation.empty()) return Role::kUnknown;
  const auto invitation = check_invitation(*impl_, state.invitation);
  return invitation ? invitation->role : Role::kUnknown;
}

}  // namespace tocsin::protocol
