// What several stewards decide together: proposals, approvals, and the terms of a channel's chair (docs/protocol.md,
// section 4, "Stewards"; rules 22, 23). encode_* makes the canonical message; decode_* checks form and bounds alone,
// never who signed. Every decode error has origin peer: not_canonical, or the code named beside the function.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "protocol/channel_messages.h"

namespace tocsin::protocol {

inline constexpr Code kBadProposal{"bad_proposal"};
inline constexpr Code kBadApproval{"bad_approval"};
inline constexpr Code kBadTerm{"bad_term"};
inline constexpr Code kNotApproved{"not_approved"};  // an entry of the chair that needs stewards who did not approve

inline constexpr std::size_t kProposalBytesMax = 8 * 1024;       // 32 stewards and a reason
inline constexpr std::size_t kApprovalBytesMax = 1024;           // signed
inline constexpr std::size_t kTermCertificateBytesMax = 20'000;  // signed; beside as many slots as one entry holds
inline constexpr std::size_t kDecisionReasonBytesMax = 500;
inline constexpr std::size_t kDecidedMax = 128;  // of one set: then it begins anew, and what was open lapses

// ---- Epochs are numbered on through all terms; the upper half says the term, so that two terms never give one number.
constexpr std::uint32_t term_of(Epoch epoch) { return static_cast<std::uint32_t>(epoch.value >> 32) + 1; }
// What people see: rises by one, whatever the term.
constexpr std::uint64_t count_of(Epoch epoch) { return epoch.value & 0xFFFFFFFFu; }
constexpr Epoch epoch_in(std::uint32_t term, std::uint64_t count) {
  return {(static_cast<std::uint64_t>(term - 1) << 32) | count};
}

// ---- The set that decides

// Names stewards in order, k, and since when: what was approved under one set is worth nothing under another, the same
// organisations again among them.
crypto::Hash steward_set_hash(const ChannelId& channel, std::span<const OrgId> stewards, std::uint8_t quorum,
                              Epoch since);
inline crypto::Hash steward_set_hash(const ChannelId& channel, const ControlState& state) {
  return steward_set_hash(channel, state.stewards, state.quorum, state.stewards_since);
}

// ---- Proposals and answers

using ProposalId = crypto::Hash;

struct InviteChange {
  RosterMember member;
};
struct RemoveChange {
  OrgId org;
};
struct StewardsChange {
  std::vector<OrgId> stewards;
  std::uint8_t quorum = 1;
};
struct ChairChange {
  std::uint32_t term = 0;
  OrgId org;
  NodeId node;
};
struct GrantChange {
  OrgId org;
  Epoch from;
};
struct PinChange {
  FeedPin pin;
};
struct UnknownChange {};  // of a later version
using ProposedChange =
    std::variant<UnknownChange, InviteChange, RemoveChange, StewardsChange, ChairChange, GrantChange, PinChange>;

struct Proposal {
  Bytes message;  // as hashed
  ProposalId id;
  ChannelId channel;
  crypto::Hash steward_set;
  OrgId org;
  NodeId node;
  Time created;
  std::string reason;
  ProposedChange change;
};
// Fills in message and id.
Proposal make_proposal(Proposal proposal);
// Error: bad_proposal.
Result<Proposal> decode_proposal(ByteView message);

struct Approval {
  ChannelId channel;
  ProposalId proposal;
  crypto::Hash steward_set;
  OrgId org;
  NodeId node;
  bool approve = false;
  std::string reason;
  LogKey head_log;  // highest control entry that the steward holds
  Number head;
  EntryHash head_hash;
};
// signature ‖ message.
Bytes sign_approval(const Approval& approval, const crypto::SigningKey& node_key);
// Error: bad_approval. The signature is not verified here.
Result<Approval> decode_approval(ByteView signed_approval);
bool verify_approval(ByteView signed_approval, const crypto::VerifyKey& node_key, crypto::Verifier& verifier);

// Says whether a node of an organisation signed: `verifies` is tried with every key that was ever certified for it. A
// node that was revoked up to entry `by` of its organisation's log signs nothing.
using SignedByNode =
    std::function<bool(const OrgId&, const NodeId&, Number by, const std::function<bool(const crypto::VerifyKey&)>&)>;

// At least k stewards (each by a node that its log, as far as the roster names it, does not revoke) of `state`'s set
// said yes to that proposal, each once. Error (peer): not_approved.
Result<std::vector<Approval>> check_approvals(const Proposal& proposal, std::span<const Bytes> approvals,
                                              const ControlState& state, const SignedByNode& signed_by,
                                              crypto::Verifier& verifier);

// A proposal as people see it.
enum class ProposalState : std::uint8_t {
  kOpen = 1,
  kDecided = 2,   // it stands in the chair's log
  kRejected = 3,  // so many said no that it cannot be approved any more
  kLapsed = 4,    // it cannot take effect any more; LapseCause says why
};
enum class LapseCause : std::uint8_t {
  kNone = 0,
  kStewards = 1,     // others decide now
  kTerm = 2,         // that term, or a later one, began meanwhile
  kNotMember = 3,    // whom it is about has left or was removed
  kMember = 4,       // whom it invites is in the channel
  kDone = 5,         // what it asks for, or more, is in force
  kStewardGone = 6,  // one of the stewards that it names is no member that may write, or the chair is not among them
};
std::string_view to_string(ProposalState state);
std::string_view to_string(LapseCause cause);  // "stewards_changed", ...; empty for kNone
struct ProposalInfo {
  Proposal proposal;
  ProposalState state = ProposalState::kOpen;
  LapseCause cause = LapseCause::kNone;  // of a lapsed one
  std::vector<Approval> answers;         // one for each node that answered; by rising organisation
  std::size_t needed = 1;                // of how many stewards the yes
  std::size_t approved = 0;              // stewards that said yes; of a decided one: that stand in the decision
  Time seen;                             // when it came here
};

// ---- Terms

struct ControlCertificate {
  ChannelId channel;
  Term term;  // the new one; last and last_hash are not its own
  LogKey last_log;
  Number last;  // of the term before
  EntryHash last_hash;
  std::vector<Bytes> approvals;
  Proposal proposal;
};
// signature ‖ message, by the node that takes the chair.
Bytes sign_control_certificate(const ControlCertificate& certificate, const crypto::SigningKey& node_key);
// Error: bad_term (also a proposal of something else than this chair and term). The signature is not verified here.
Result<ControlCertificate> decode_control_certificate(ByteView signed_certificate);
bool verify_control_certificate(ByteView signed_certificate, const crypto::VerifyKey& node_key,
                                crypto::Verifier& verifier);
// As it stands in the first entry of its term's log: under a key that the channel id gives, which is secret to relays
// and to whoever has the disk alone (rules 35, 47). Error (peer): bad_term.
Bytes seal_control_certificate(ByteView signed_certificate, const ChannelId& channel, const LogKey& log,
                               crypto::Random& random);
Result<Bytes> open_control_certificate(ByteView sealed, const ChannelId& channel, const LogKey& log);
// The certificate against the set in force where the term before ended: k approvals, the steward whose turn it is, and
// the highest entry that those stewards named. Errors (peer): not_approved, bad_term.
Result<void> check_term(const ControlCertificate& certificate, const ControlState& state, const SignedByNode& signed_by,
                        crypto::Verifier& verifier);

}  // namespace tocsin::protocol
