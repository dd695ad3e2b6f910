#include "protocol/stewards.h"

#include <algorithm>
#include <set>

#include "crypto/seal.h"
#include "protocol/canonical.h"
#include "protocol/channel_parts.h"
#include "protocol/limits.h"
#include "protocol/names.h"

namespace tocsin::protocol {
namespace {

using canonical::take;
using canonical::text;

Error bad_proposal(std::string detail) { return peer_error(kBadProposal, std::move(detail)); }
Error bad_term(std::string detail) { return peer_error(kBadTerm, std::move(detail)); }
Error not_approved(std::string detail) { return peer_error(kNotApproved, std::move(detail)); }

Result<ProposedChange> read_change(schema::Proposal::Reader in) {
  switch (in.which()) {
    case schema::Proposal::INVITE: {
      TOCSIN_ASSIGN(member, read_member(in.getInvite()));
      return ProposedChange{InviteChange{std::move(member)}};
    }
    case schema::Proposal::REMOVE: {
      RemoveChange change;
      if (!take(change.org, in.getRemove())) return bad_proposal("the organisation's id is cut");
      return ProposedChange{change};
    }
    case schema::Proposal::STEWARDS: {
      StewardsChange change;
      const auto set = in.getStewards();
      if (set.getStewards().size() > kStewardsMax) return bad_proposal("more than 32 stewards");
      for (const auto steward : set.getStewards()) {
        OrgId org;
        if (!take(org, steward)) return bad_proposal("a steward's id has a wrong size");
        if (std::find(change.stewards.begin(), change.stewards.end(), org) != change.stewards.end()) {
          return bad_proposal("a steward stands twice");
        }
        change.stewards.push_back(org);
      }
      change.quorum = set.getQuorum();
      if (!quorum_fits(change.stewards.size(), change.quorum)) return bad_proposal("stewards and quorum do not fit");
      return ProposedChange{std::move(change)};
    }
    case schema::Proposal::CHAIR: {
      ChairChange change;
      const auto chair = in.getChair();
      change.term = chair.getTerm();
      if (change.term < 2 || !take(change.org, chair.getOrgId()) || !take(change.node, chair.getNodeId())) {
        return bad_proposal("a field of the next chair has a wrong size");
      }
      return ProposedChange{change};
    }
    case schema::Proposal::HISTORY_GRANT: {
      GrantChange change;
      const auto grant = in.getHistoryGrant();
      change.from = {grant.getFromEpoch()};
      if (change.from.value == 0 || !take(change.org, grant.getOrgId())) return bad_proposal("a grant's field is cut");
      return ProposedChange{change};
    }
    case schema::Proposal::PIN: {
      TOCSIN_ASSIGN(pin, read_pin(in.getPin()));
      return ProposedChange{PinChange{pin}};
    }
    default:
      return ProposedChange{UnknownChange{}};
  }
}

void write_change(schema::Proposal::Builder out, const ProposedChange& change) {
  if (const auto* invite = std::get_if<InviteChange>(&change)) write_member(out.initInvite(), invite->member);
  if (const auto* remove = std::get_if<RemoveChange>(&change)) out.setRemove(canonical::data(remove->org));
  if (const auto* next = std::get_if<StewardsChange>(&change)) {
    auto set = out.initStewards();
    auto stewards = set.initStewards(static_cast<unsigned>(next->stewards.size()));
    for (unsigned i = 0; i < stewards.size(); ++i) stewards.set(i, canonical::data(next->stewards[i]));
    set.setQuorum(next->quorum);
  }
  if (const auto* next = std::get_if<ChairChange>(&change)) {
    auto chair = out.initChair();
    chair.setTerm(next->term);
    chair.setOrgId(canonical::data(next->org));
    chair.setNodeId(canonical::data(next->node));
  }
  if (const auto* grant = std::get_if<GrantChange>(&change)) {
    auto history = out.initHistoryGrant();
    history.setOrgId(canonical::data(grant->org));
    history.setFromEpoch(grant->from.value);
  }
  if (const auto* pin = std::get_if<PinChange>(&change)) write_pin(out.initPin(), pin->pin);
}

Result<Proposal> read_proposal(schema::Proposal::Reader in) {
  Proposal out;
  if (in.getFormatVersion() != kFormatVersion || !take(out.channel, in.getChannelId()) ||
      !take(out.steward_set, in.getStewardSet()) || !take(out.org, in.getOrgId()) || !take(out.node, in.getNodeId())) {
    return bad_proposal("a version or size that is not known here");
  }
  out.created = {in.getCreated()};
  out.reason = std::string(canonical::view(in.getReason()));
  if (!is_line(out.reason, kDecisionReasonBytesMax)) return bad_proposal("the reason is no line of at most 500 bytes");
  TOCSIN_ASSIGN(change, read_change(in));
  out.change = std::move(change);
  return out;
}

Result<Approval> read_approval(schema::Approval::Reader in) {
  Approval out;
  if (in.getFormatVersion() != kFormatVersion || !take(out.channel, in.getChannelId()) ||
      !take(out.proposal, in.getProposal()) || !take(out.steward_set, in.getStewardSet()) ||
      !take(out.org, in.getOrgId()) || !take(out.node, in.getNodeId()) || !take(out.head_log, in.getHeadLog()) ||
      !take(out.head_hash, in.getHeadHash())) {
    return peer_error(kBadApproval, "a version or size that is not known here");
  }
  out.approve = in.getApprove();
  out.reason = std::string(canonical::view(in.getReason()));
  out.head = {in.getHeadNumber()};
  if (!is_line(out.reason, kDecisionReasonBytesMax)) {
    return peer_error(kBadApproval, "the reason is no line of at most 500 bytes");
  }
  return out;
}

Result<ControlCertificate> read_term_certificate(schema::ControlCertificate::Reader in) {
  ControlCertificate out;
  if (in.getFormatVersion() != kFormatVersion || !take(out.channel, in.getChannelId()) ||
      !take(out.term.log, in.getControlKey()) || !take(out.term.chair_org, in.getChairOrg()) ||
      !take(out.term.chair_node, in.getChairNode()) || !take(out.last_log, in.getLastKey()) ||
      !take(out.last_hash, in.getLastHash())) {
    return bad_term("a version or size that is not known here");
  }
  out.term.number = in.getTerm();
  out.last = {in.getLastNumber()};
  if (out.last.value == 0) return bad_term("a term has at least one entry");
  if (in.getApprovals().size() > kStewardsMax) return bad_term("too many approvals");
  for (const auto approval : in.getApprovals()) out.approvals.push_back(to_bytes(canonical::view(approval)));
  TOCSIN_ASSIGN(proposal, decode_proposal(canonical::view(in.getProposal())));
  const auto* chair = std::get_if<ChairChange>(&proposal.change);
  if (chair == nullptr || chair->term != out.term.number || chair->org != out.term.chair_org ||
      chair->node != out.term.chair_node || proposal.channel != out.channel) {
    return bad_term("what was approved is not this chair and term");
  }
  out.proposal = std::move(proposal);
  return out;
}

// The message behind a signature, or nothing.
ByteView message_of(ByteView signed_message) {
  return signed_message.size() < crypto::Signature::kSize ? ByteView{}
                                                          : signed_message.subspan(crypto::Signature::kSize);
}

}  // namespace

crypto::Hash steward_set_hash(const ChannelId& channel, std::span<const OrgId> stewards, std::uint8_t quorum,
                              Epoch since) {
  std::array<std::uint8_t, 9> numbers{};
  store_le64(numbers.data(), since.value);
  numbers[8] = quorum;
  Bytes orgs;
  for (const OrgId& org : stewards) append(orgs, org.view());
  return crypto::keyed_hash256(channel.view(), crypto::kPersonalStewards, {ByteView(numbers), ByteView(orgs)});
}

// ---- Proposals and answers

Proposal make_proposal(Proposal proposal) {
  proposal.message = canonical::encode<schema::Proposal>([&](schema::Proposal::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(proposal.channel));
    out.setStewardSet(canonical::data(proposal.steward_set));
    out.setOrgId(canonical::data(proposal.org));
    out.setNodeId(canonical::data(proposal.node));
    out.setCreated(proposal.created.ms);
    out.setReason(text(proposal.reason));
    write_change(out, proposal.change);
  });
  proposal.id = crypto::hash256(crypto::kPersonalProposal, {proposal.message});
  return proposal;
}

Result<Proposal> decode_proposal(ByteView message) {
  TOCSIN_ASSIGN(out, canonical::decode<schema::Proposal>(message, kProposalBytesMax, read_proposal));
  out.message = to_bytes(message);
  out.id = crypto::hash256(crypto::kPersonalProposal, {message});
  return out;
}

Bytes sign_approval(const Approval& approval, const crypto::SigningKey& node_key) {
  const Bytes message = canonical::encode<schema::Approval>([&](schema::Approval::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(approval.channel));
    out.setProposal(canonical::data(approval.proposal));
    out.setStewardSet(canonical::data(approval.steward_set));
    out.setOrgId(canonical::data(approval.org));
    out.setNodeId(canonical::data(approval.node));
    out.setApprove(approval.approve);
    out.setReason(text(approval.reason));
    out.setHeadNumber(approval.head.value);
    out.setHeadHash(canonical::data(approval.head_hash));
    out.setHeadLog(canonical::data(approval.head_log));
  });
  return signed_bytes(message, crypto::kLabelApproval, node_key);
}

Result<Approval> decode_approval(ByteView signed_approval) {
  return canonical::decode<schema::Approval>(message_of(signed_approval), kApprovalBytesMax, read_approval);
}

bool verify_approval(ByteView signed_approval, const crypto::VerifyKey& node_key, crypto::Verifier& verifier) {
  return verify_signed(signed_approval, crypto::kLabelApproval, node_key, verifier);
}

Result<std::vector<Approval>> check_approvals(const Proposal& proposal, std::span<const Bytes> approvals,
                                              const ControlState& state, const SignedByNode& signed_by,
                                              crypto::Verifier& verifier) {
  const crypto::Hash set = steward_set_hash(proposal.channel, state);
  if (proposal.steward_set != set) return not_approved("the proposal is for other stewards than those in force");
  std::vector<Approval> out;
  std::set<OrgId> said_yes;
  for (const Bytes& bytes : approvals) {
    TOCSIN_ASSIGN(approval, decode_approval(bytes));
    if (!approval.approve || approval.channel != proposal.channel || approval.proposal != proposal.id ||
        approval.steward_set != set || !state.is_steward(approval.org)) {
      return not_approved("an approval is for something else, or of somebody else");
    }
    if (!said_yes.insert(approval.org).second) return not_approved("a steward approves twice");
    const RosterMember* member = state.member(approval.org);
    if (member == nullptr) return not_approved("a steward that has not joined decides nothing");
    const bool is_signed =
        signed_by(approval.org, approval.node, member->log_number,
                  [&](const crypto::VerifyKey& key) { return verify_approval(bytes, key, verifier); });
    // By what is known here: a later part of its organisation's log may certify that node.
    if (!is_signed) return not_approved("an approval is not signed by a node that is known to be the steward's");
    out.push_back(std::move(approval));
  }
  if (said_yes.size() < state.quorum) return not_approved("fewer stewards approve than have to");
  return out;
}

std::string_view to_string(ProposalState state) {
  switch (state) {
    case ProposalState::kOpen:
      return "open";
    case ProposalState::kDecided:
      return "decided";
    case ProposalState::kRejected:
      return "rejected";
    case ProposalState::kLapsed:
      return "lapsed";
  }
  return "unknown";
}

std::string_view to_string(LapseCause cause) {
  switch (cause) {
    case LapseCause::kNone:
      return "";
    case LapseCause::kStewards:
      return "stewards_changed";
    case LapseCause::kTerm:
      return "term_over";
    case LapseCause::kNotMember:
      return "not_a_member";
    case LapseCause::kMember:
      return "already_member";
    case LapseCause::kDone:
      return "already_in_force";
    case LapseCause::kStewardGone:
      return "steward_gone";
  }
  return "unknown";
}

// ---- Terms

Bytes sign_control_certificate(const ControlCertificate& certificate, const crypto::SigningKey& node_key) {
  const Bytes message = canonical::encode<schema::ControlCertificate>([&](schema::ControlCertificate::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(certificate.channel));
    out.setTerm(certificate.term.number);
    out.setControlKey(canonical::data(certificate.term.log));
    out.setChairOrg(canonical::data(certificate.term.chair_org));
    out.setChairNode(canonical::data(certificate.term.chair_node));
    out.setLastKey(canonical::data(certificate.last_log));
    out.setLastNumber(certificate.last.value);
    out.setLastHash(canonical::data(certificate.last_hash));
    auto approvals = out.initApprovals(static_cast<unsigned>(certificate.approvals.size()));
    for (unsigned i = 0; i < approvals.size(); ++i) approvals.set(i, canonical::data(certificate.approvals[i]));
    out.setProposal(canonical::data(certificate.proposal.message));
  });
  return signed_bytes(message, crypto::kLabelControlCertificate, node_key);
}

Result<ControlCertificate> decode_control_certificate(ByteView signed_certificate) {
  return canonical::decode<schema::ControlCertificate>(message_of(signed_certificate), kTermCertificateBytesMax,
                                                       read_term_certificate);
}

bool verify_control_certificate(ByteView signed_certificate, const crypto::VerifyKey& node_key,
                                crypto::Verifier& verifier) {
  return verify_signed(signed_certificate, crypto::kLabelControlCertificate, node_key, verifier);
}

namespace {
crypto::Hash term_key(const ChannelId& channel) {
  return crypto::keyed_hash256(channel.view(), crypto::kPersonalTermKey, {});
}
}  // namespace

Bytes seal_control_certificate(ByteView signed_certificate, const ChannelId& channel, const LogKey& log,
                               crypto::Random& random) {
  return crypto::seal(term_key(channel).view(), crypto::kLabelControlCertificate, log.view(), signed_certificate,
                      random);
}

Result<Bytes> open_control_certificate(ByteView sealed, const ChannelId& channel, const LogKey& log) {
  auto opened = crypto::open(term_key(channel).view(), crypto::kLabelControlCertificate, log.view(), sealed);
  if (!opened) return bad_term("the certificate of a term does not open");
  return opened;
}

Result<void> check_term(const ControlCertificate& certificate, const ControlState& state, const SignedByNode& signed_by,
                        crypto::Verifier& verifier) {
  TOCSIN_ASSIGN(approvals, check_approvals(certificate.proposal, certificate.approvals, state, signed_by, verifier));
  if (state.stewards[certificate.term.number % state.stewards.size()] != certificate.term.chair_org) {
    return bad_term("the chair is not the steward whose turn that term is");
  }
  // The highest entry that those who approve hold: what the old chair did until then counts, and nothing else.
  const Approval* highest = nullptr;
  for (const Approval& approval : approvals) {
    if (approval.head_log != certificate.last_log) continue;
    if (highest == nullptr || approval.head > highest->head) highest = &approval;
  }
  const auto is_named = [&](const Approval& approval) {
    return approval.head_log == certificate.last_log && approval.head == certificate.last &&
           approval.head_hash == certificate.last_hash;
  };
  if (highest == nullptr || highest->head != certificate.last ||
      std::none_of(approvals.begin(), approvals.end(), is_named)) {
    return bad_term("the term before does not end with the highest entry that the stewards name");
  }
  return kOk;
}

}  // namespace tocsin::protocol
