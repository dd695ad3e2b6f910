// The messages of a channel as values: genesis, control log bodies, invitation, acceptance (docs/protocol.md, section
// 4). encode_* makes the canonical message; decode_* checks form and bounds alone, never who signed. Every decode error
// has origin peer: not_canonical, or the code named beside the function.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "crypto/dh.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "protocol/channel_info.h"
#include "protocol/entry.h"
#include "protocol/identity.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

inline constexpr Code kBadChannelGenesis{"bad_channel_genesis"};
inline constexpr Code kBadControlBody{"bad_control_body"};
inline constexpr Code kBadControlState{"bad_control_state"};
inline constexpr Code kBadInvitation{"bad_invitation"};
inline constexpr Code kBadAcceptance{"bad_acceptance"};
inline constexpr Code kBadNotice{"bad_notice"};

inline constexpr std::size_t kTermsBytesMax = 8192;
inline constexpr std::size_t kPinsMax = 4096;         // read of one state
inline constexpr std::size_t kPinsWrittenMax = 1856;  // of one state; a full roster and these fit its run (epoch.cc)
// A state of 256 members, as many invitations, and all pins; 16 entries of an epoch run carry it.
inline constexpr std::size_t kControlStateBytesMax = 700 * 1024;
inline constexpr std::uint16_t kEpochPartsMax = 24;
inline constexpr std::size_t kStewardsMax = 32;  // so that the approvals of one decision fit one entry (stewards.h)
inline constexpr std::size_t kTermsMax = 32;     // that are over and told of; older ones are forgotten

// ---- Genesis

struct ChannelGenesis {
  Bytes message;  // as signed and hashed
  crypto::Signature signature;
  ChannelId id;
  ChannelPseudonym pseudonym;
  std::string network;
  std::string name;
  ChannelClass channel_class = ChannelClass::kUnknown;
  std::string terms;
  crypto::Hash terms_digest;
  std::uint32_t retention_days = 0;
  std::vector<OrgId> stewards;
  std::uint8_t quorum = 1;
  OrgId chair_org;
  NodeId chair_node;
  LogKey control_key;  // of term 1
  Time created;
};
ChannelPseudonym pseudonym_of(const ChannelId& channel);
crypto::Hash terms_digest_of(const std::string& terms);
// `genesis` with everything but message, signature, id, pseudonym and terms_digest filled in; `random32` makes the id
// unguessable. Error (caller): bad_channel_genesis, with what to change.
Result<ChannelGenesis> make_channel_genesis(ChannelGenesis genesis, ByteView random32,
                                            const crypto::SigningKey& node_key);
// Error: bad_channel_genesis (also two stewards, and a quorum outside rule 22). The signature is not verified here.
Result<ChannelGenesis> decode_channel_genesis(ByteView message, ByteView signature);
bool verify_channel_genesis(const ChannelGenesis& genesis, const crypto::VerifyKey& chair_node,
                            crypto::Verifier& verifier);

// ---- Control log

struct RosterMember {
  OrgId org;
  Role role = Role::kUnknown;
  Number log_number;  // head of its organisation log as the chair holds it
  EntryHash log_hash;
  std::string name;
  OrgKind kind = OrgKind::kUnknown;
  std::string country;
  Epoch since;         // it stands in the roster from this epoch on, without a break; 0: not known
  Epoch history_from;  // first older epoch that it was granted (rule 34); 0: none
  Time history_granted;
  crypto::Hash tag;  // of a contributor: random, known to it and to the members (rule 24)
  friend bool operator==(const RosterMember&, const RosterMember&) = default;
};

// Where a feed ends for good (rule 20).
struct FeedPin {
  LogKey feed;
  Number last;
  EntryHash hash;  // zero with number 0
  NodeId node;
  friend bool operator==(const FeedPin&, const FeedPin&) = default;
};

// The same as an organisation states it when it revokes a node: only who knows the channel can tell what it pins.
crypto::Hash revocation_pin(const ChannelId& channel, const LogKey& feed, Number last, const EntryHash& hash);

// Who writes the control log, and since which of its logs (rule 22). Each term is a log of its own.
struct Term {
  std::uint32_t number = 1;
  LogKey log;
  OrgId chair_org;
  NodeId chair_node;
  Number last;  // of a term that is over: its last entry that counts
  EntryHash last_hash;
  friend bool operator==(const Term&, const Term&) = default;
};

// Rule 22: one steward alone, or three and more with a majority that is not everybody.
bool quorum_fits(std::size_t stewards, std::size_t quorum);

enum class EpochReason : std::uint16_t {
  kUnknown = 0,
  kGenesis = 1,
  kJoined = 2,
  kNodeAdded = 3,
  kRemoved = 4,
  kRevoked = 5,
  kStewards = 6,
  kAge = 7,
  kMissingSlot = 8,
  kBranch = 9  // rule 12
};

struct ControlState {
  Bytes genesis;
  crypto::Signature genesis_signature;
  Epoch epoch;
  std::uint32_t term = 1;
  std::vector<RosterMember> roster;  // by rising organisation id
  std::vector<OrgId> stewards;
  std::uint8_t quorum = 1;
  std::vector<RosterMember> invited;  // likewise
  std::vector<FeedPin> pins;          // by rising feed
  EpochReason reason = EpochReason::kUnknown;
  Time created;
  std::optional<ChannelId> successor_of;  // rule 23
  Epoch stewards_since;                   // 0: from the genesis
  std::vector<crypto::Hash> decided;      // proposals that this set decided; rising
  std::vector<Term> terms;                // that are over, by rising number
  std::vector<Bytes> left;  // signed Leaves of those who are out since the epoch before, by their own will

  bool is_steward(const OrgId& org) const;
  const RosterMember* member(const OrgId& org) const;
};
Bytes encode_control_state(const ControlState& state);
// Error: bad_control_state.
Result<ControlState> decode_control_state(ByteView message);

struct EpochPublic {
  crypto::AccessVerifyKey access_key;
  crypto::Hash commitment;
  crypto::EncryptionPublic ephemeral;
  Bytes slots;  // of this part
  std::uint16_t part = 1;
  std::uint16_t parts = 1;
};
struct ControlBody {
  static constexpr std::uint16_t kEpoch = 1;
  static constexpr std::uint16_t kEvent = 2;
  std::uint16_t kind = 0;  // another: unknown here (rule 16), nothing below is filled in
  EpochPublic epoch;       // of kind 1
  std::string needs;       // of an unknown one: the version of Tocsin that knows it, where it says so
  Bytes sealed;
  Bytes certificate;  // first entry of a later term: sealed ControlCertificate (stewards.h)
};
Bytes encode_control_body(const ControlBody& body);
// Error: bad_control_body.
Result<ControlBody> decode_control_body(ByteView message);

struct InviteEvent {
  RosterMember member;
};
struct CancelInviteEvent {
  OrgId org;
};
struct HistoryGrantEvent {  // rule 34
  OrgId org;
  Epoch from;    // first epoch that it is given
  Time granted;  // read from the event; encoding takes `created`
};
struct DecisionEvent {  // of several stewards; see stewards.h
  Bytes proposal;
  std::vector<Bytes> approvals;
};
struct ContributorsEvent {  // signed ContributorNotices; see contributor.h
  std::vector<Bytes> notices;
};
inline constexpr std::size_t kContributorsPerEventMax = 64;
struct UnknownEvent {  // of a later version
  std::string needs;   // the version of Tocsin that knows it, where it says so
};
inline constexpr std::size_t kNeedsBytesMax = 32;
using ControlEvent =
    std::variant<UnknownEvent, InviteEvent, CancelInviteEvent, HistoryGrantEvent, DecisionEvent, ContributorsEvent>;
Bytes encode_control_event(const ControlEvent& event, Time created);
// Error: bad_control_body.
Result<ControlEvent> decode_control_event(ByteView message);

// ---- Invitation and acceptance

// What both carry of organisation logs is bounded so that either fits one message of a session.
inline constexpr std::size_t kInvitationBytesMax = 60'000;
inline constexpr std::size_t kAcceptanceBytesMax = 46'000;  // and so one entry of a feed (kind 3)

struct Invitation {
  Bytes genesis;
  crypto::Signature genesis_signature;
  Bytes adding_entry;      // entry byte string
  Bytes adding_entry_key;  // 32 bytes
  Bytes epoch_entry;       // entry byte string; its body may be left out
  std::vector<Bytes> chair_org_log;
  Bytes certificate;  // of a later term: signed ControlCertificate
};
Bytes encode_invitation(const Invitation& invitation);
// Error: bad_invitation.
Result<Invitation> decode_invitation(ByteView message);

// To a further node of the same organisation: where a channel's control log is to be taken up.
struct Introduction {
  Bytes genesis;
  crypto::Signature genesis_signature;
  Bytes epoch_entry;  // entry byte string without its body, of the first entry of the newest epoch
  std::vector<Bytes> chair_org_log;
  Bytes certificate;  // as in Invitation
};
Bytes encode_introduction(const Introduction& introduction);
// Error: bad_invitation.
Result<Introduction> decode_introduction(ByteView message);

struct Acceptance {
  ChannelId channel;
  OrgId org;
  NodeId node;
  EntryHash adding_entry;
  crypto::Hash terms_digest;
  bool accepted = false;
  Time created;
  std::vector<Bytes> org_log;
  Bytes prekeys;  // signed list, or empty
};
// signature ‖ message.
Bytes sign_acceptance(const Acceptance& acceptance, const crypto::SigningKey& node_key);
// Error: bad_acceptance. The signature is not verified here.
Result<Acceptance> decode_acceptance(ByteView signed_acceptance);
bool verify_acceptance(ByteView signed_acceptance, const crypto::VerifyKey& node_key, crypto::Verifier& verifier);

// Of its own will (rule 23).
struct Leave {
  ChannelId channel;
  OrgId org;
  NodeId node;  // that signs
  Epoch epoch;  // newest that it knows of
  Time created;
};
inline constexpr Code kBadLeaveMessage{"bad_leave"};
inline constexpr std::size_t kLeaveBytesMax = 512;  // signed
// signature ‖ message.
Bytes sign_leave(const Leave& leave, const crypto::SigningKey& node_key);
// Error: bad_leave. The signature is not verified here.
Result<Leave> decode_leave(ByteView signed_leave);
bool verify_leave(ByteView signed_leave, const crypto::VerifyKey& node_key, crypto::Verifier& verifier);

// What the chair tells an organisation of its own standing: who is removed cannot open the entry that removes it.
inline constexpr std::size_t kNoticeBytesMax = 40 * 1024;  // with the approvals of 31 stewards
struct Notice {
  ChannelId channel;
  OrgId org;                   // whom it is about
  Role role = Role::kUnknown;  // from then on; kUnknown: none
  Epoch epoch;
  Number entry;  // last control entry of the change
  EntryHash entry_hash;
  Time created;
  std::optional<DecisionEvent> decision;  // of several stewards: the chair alone removes nobody (rule 22)
};
// signature ‖ message.
Bytes sign_notice(const Notice& notice, const crypto::SigningKey& chair_node_key);
// Error: bad_notice. The signature is not verified here.
Result<Notice> decode_notice(ByteView signed_notice);
bool verify_notice(ByteView signed_notice, const crypto::VerifyKey& chair_node_key, crypto::Verifier& verifier);

// ---- Feed kind 5 (rule 29)

inline constexpr Code kBadKeyMissing{"bad_key_missing"};
struct KeyMissing {
  Epoch epoch;
  EntryHash epoch_entry;
  NodeId node;
};
Bytes encode_key_missing(const KeyMissing& missing);
// Error: bad_key_missing.
Result<KeyMissing> decode_key_missing(ByteView message);

}  // namespace tocsin::protocol
