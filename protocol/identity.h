// Organisations and their nodes: genesis, certificates, organisation log, prekeys (docs/protocol.md, section 3; rules
// 17 to 20, 32).
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/dh.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/sign.h"
#include "protocol/codes.h"
#include "protocol/entry.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

enum class OrgKind : std::uint16_t { kUnknown = 0, kGovernment = 1, kRegional = 2, kUn = 3, kNgo = 4 };
// "government", "regional", "un", "ngo", "unknown" (a kind of a later version too). parse: nothing for another word.
std::string_view to_string(OrgKind kind);
std::optional<OrgKind> parse_org_kind(std::string_view word);

struct OrgProfile {
  OrgId id;
  std::string name;
  OrgKind kind = OrgKind::kUnknown;
  std::string country;  // ISO 3166-1 alpha-3
  std::string network;
  Time created;  // as claimed
  friend bool operator==(const OrgProfile&, const OrgProfile&) = default;
};

struct NodeCertificate {
  OrgId org;
  NodeId node;
  std::array<std::uint8_t, 16> node_random{};
  crypto::VerifyKey first_signing;
  crypto::VerifyKey signing;
  crypto::TransportPublic transport;
  crypto::EncryptionPublic encryption;
  std::uint32_t serial = 1;
  Time issued;
  Time expires;  // past it: STALE, never refused (rules 7, 18)
  std::string name;
  friend bool operator==(const NodeCertificate&, const NodeCertificate&) = default;
};

// The canonical message; `name` is a line of at most kNameBytesMax (assert).
Bytes encode_certificate(const NodeCertificate& certificate);
// Errors (peer): not_canonical; bad_certificate (version, sizes, a node id that does not follow from its parts, an
// X25519 key that is not canonical, one key for two uses (rule 3), serial 0, a name that is no line). Says nothing
// about who signed it.
Result<NodeCertificate> decode_certificate(ByteView message);
NodeId make_node_id(const OrgId& org, ByteView random16, const crypto::VerifyKey& first_signing);

// The root keys of an organisation, of which `threshold` sign one entry. Owner keeps their secrets off the node in
// normal work.
struct RootSet {
  std::vector<crypto::VerifyKey> keys;
  std::uint8_t threshold = 1;
  // 1 to 16 different keys, a threshold from 1 to their number.
  bool valid() const;
  // What a genesis or rotation publishes of the set that may replace it (rule 17). Of a valid set (assert).
  crypto::Hash commitment() const;
  friend bool operator==(const RootSet&, const RootSet&) = default;
};
struct RootSigner {
  std::uint8_t index;             // place in the root set
  const crypto::SigningKey* key;  // outlives the call
};

// An entry of an organisation log, laid out and not yet signed: what root keys sign is its header.
struct OrgDraft {
  std::array<std::uint8_t, kEntryHeaderBytes> header{};
  Bytes body;
  friend bool operator==(const OrgDraft&, const OrgDraft&) = default;
};
// `signers` by rising index (assert).
Entry sign_draft(const OrgDraft& draft, std::span<const RootSigner> signers);
// Of the body of entry 1: what it says of the organisation, and its id. Errors (peer): not_canonical, bad_genesis.
Result<OrgProfile> read_profile(ByteView genesis_body);

struct CertifiedNode {
  NodeCertificate certificate;
  bool revoked = false;
  Number certified_at;             // entry of the newest certificate
  Number revoked_at;               // entry that revoked it first; 0: none did
  std::string revoke_reason;       // claimed, of that entry
  std::vector<crypto::Hash> pins;  // of all entries that revoked it, padding included (rule 20)
  Time transport_since;            // as claimed: when the first certificate with its transport key was issued
  // The transport key before: it begins no session any more, but one that it began goes on. Nothing: it never changed.
  std::optional<crypto::TransportPublic> transport_before = {};
};

// The verified state of one organisation's log, grown entry by entry. Holds no entries. A value: copy it to try
// something.
//
// What it decides depends on the entries alone, never on a clock (rule 7): an expired certificate counts like any
// other.
class OrgLog {
 public:
  // `entry` is entry 1. Errors (peer): those of EntryHeader::decode, wrong_log, wrong_number, bad_body_hash,
  // not_canonical, bad_genesis (also an organisation id that is not the hash of the body), bad_signature.
  static Result<OrgLog> from_genesis(const EntryView& entry, crypto::Verifier& verifier);
  // The next entry. Errors (peer): those of EntryHeader::decode, wrong_log, wrong_number, wrong_previous,
  // too_many_entries, organisation_ended, bad_body_hash, not_canonical, bad_event, bad_rotation, bad_signature
  // (threshold-many root signatures by rising index, rule 17), bad_certificate (also of a node that was revoked, a
  // serial that does not rise, a key that stands in another certificate or is a root's), bad_counter_signature,
  // too_many_nodes. After an error the state is as before. Events of a later version are taken, counted and have no
  // effect (rule 16).
  //
  // A rotation is taken when it follows the head. One that names an earlier last good entry, and so supersedes entries
  // that are here (rule 19), is bad_rotation: the caller that holds the entries replays them up to that one into a new
  // OrgLog and applies the rotation there (ReplicaCore::take_branch).
  Result<void> apply(const EntryView& entry, crypto::Verifier& verifier);
  // The same of entries that were verified before, as they are read back: signatures are not looked at again.
  static Result<OrgLog> from_verified_genesis(const EntryView& entry);
  Result<void> apply_verified(const EntryView& entry);
  // Of an entry at any place, cheaply: may it be of this log? Form, body hash, and signatures by roots that are or were
  // in force (of a rotation, by a set that was committed to). Errors (peer): those of EntryHeader::decode, wrong_log,
  // bad_body_hash, not_canonical, bad_event, bad_rotation, bad_signature.
  Result<void> check_suspect(const EntryView& entry, crypto::Verifier& verifier) const;
  // Signed by threshold-many of the roots in force here? The body is not looked at.
  bool signed_by_roots(const EntryView& entry, crypto::Verifier& verifier) const;
  // Do these two rotations end the organisation (rule 19): both of this log, not the same, signed by one root set whose
  // commitment stands in this log? False: that commitment is not in it (yet). Errors (peer): those of
  // EntryHeader::decode, wrong_log, bad_body_hash, not_canonical, bad_event, bad_rotation, bad_signature.
  Result<bool> check_two_rotations(const EntryView& one, const EntryView& other, crypto::Verifier& verifier) const;
  // Two rotations of one commitment were met: every node counts as revoked, by entry `at`, and nothing more is taken.
  void end(Number at);
  bool ended() const { return ended_; }

  const OrgProfile& profile() const { return profile_; }
  const OrgId& id() const { return profile_.id; }
  Number head() const { return head_; }
  const EntryHash& head_hash() const { return head_hash_; }
  const RootSet& roots() const { return roots_; }
  // Commitment to the only root set that may replace `roots()`.
  const crypto::Hash& next_roots() const { return next_roots_; }
  // Of a set that is or ever was in force or committed to in this log: no rotation may commit to it again.
  bool knew_roots(const crypto::Hash& commitment) const;
  // Entries that changed the roots, rising.
  const std::vector<Number>& rotations() const { return rotations_; }
  bool rotated_since(Number number) const { return !rotations_.empty() && rotations_.back() >= number; }
  // Entries whose event this version does not know: what they did is missing here, so a newer version is advised (rule
  // 16).
  std::uint32_t unknown_events() const { return unknown_events_; }
  // Ordered by node id; revoked nodes stay listed.
  const std::map<NodeId, CertifiedNode>& nodes() const { return nodes_; }
  // Certified and not revoked; null otherwise.
  const CertifiedNode* live_node(const NodeId& node) const;
  const CertifiedNode* live_node_by_transport(const crypto::TransportPublic& key) const;

  // Writing side: the next entry, to be signed by threshold-many of `roots()`, or of `next` where the roots change.
  // These make what they are asked for, without judging it: apply the signed entry to a copy of this log before it
  // leaves, for a log cannot take back an entry that its readers refuse.
  OrgDraft draft_certify(ByteView certificate, const crypto::Signature& counter_signature, Time created) const;
  // `pins` are at most kRevocationPinsMax (assert); padded in count with random ones and sorted, so that neither number
  // nor order says more.
  OrgDraft draft_revoke(const NodeId& node, std::string_view reason, std::span<const crypto::Hash> pins, Time created,
                        crypto::Random& random) const;
  // The commitment of `next` is the one in force.
  OrgDraft draft_rotate_roots(const RootSet& next, const crypto::Hash& commitment_after, Time created) const;
  // The same, signed. `signers` are exactly threshold-many by rising index (assert).
  Entry make_certify(const NodeCertificate& certificate, const crypto::SigningKey& node_key, Time created,
                     std::span<const RootSigner> signers) const;
  Entry make_revoke(const NodeId& node, std::string_view reason, std::span<const crypto::Hash> pins, Time created,
                    std::span<const RootSigner> signers, crypto::Random& random) const;
  Entry make_rotate_roots(const RootSet& next, const crypto::Hash& commitment_after, Time created,
                          std::span<const RootSigner> signers) const;

 private:
  OrgLog() = default;
  static Result<OrgLog> begin(const EntryView& entry, crypto::Verifier* verifier);  // null: verified before
  Result<void> extend(const EntryView& entry, crypto::Verifier* verifier);
  OrgDraft draft_next(Bytes body) const;
  // Each checks one event and applies it; nothing changes on an error.
  struct Events;

  OrgProfile profile_;
  RootSet roots_;
  std::vector<RootSet> old_roots_;  // in force before, oldest first
  std::vector<Number> rotations_;
  bool ended_ = false;
  crypto::Hash next_roots_;
  Number head_;
  EntryHash head_hash_;
  std::uint32_t unknown_events_ = 0;
  std::map<NodeId, CertifiedNode> nodes_;
};

struct NewOrg {
  std::string name;
  OrgKind kind = OrgKind::kUnknown;
  std::string country;
  std::string network;
  RootSet roots;
  crypto::Hash next_roots;
  Time created;
};
// Entry 1. `signers` are threshold-many of `org.roots` by rising index (assert). Errors (caller): bad_name,
// bad_country, bad_network, bad_roots.
Result<Entry> make_genesis(const NewOrg& org, std::span<const RootSigner> signers, crypto::Random& random);

// Months since 1970-01, UTC (rule 32); 0 for times before, and the last month of 9999 for times after it.
std::uint32_t month_of(Time time);

struct PrekeyList {
  NodeId node;
  std::uint32_t first_month = 0;
  std::vector<crypto::EncryptionPublic> keys;  // of consecutive months
  friend bool operator==(const PrekeyList&, const PrekeyList&) = default;
};
// signature ‖ message. 1 to 12 keys (assert).
Bytes sign_prekeys(const PrekeyList& list, const crypto::SigningKey& node_key);
// Errors (peer): bad_signature; not_canonical; bad_prekeys (version, sizes, count, a key that is not canonical or
// stands twice). The caller compares `node`.
Result<PrekeyList> open_prekeys(ByteView signed_list, const crypto::VerifyKey& node_key, crypto::Verifier& verifier);

inline constexpr std::uint32_t kCertificateKeyMonth =
    0xffffffff;  // in the place of a prekey's month: the certificate's encryption key
// The key to wrap to a node in `month`: a prekey, else the certificate's encryption key (shown as a warning, rule 32).
// A list of another node counts as none.
struct WrapTarget {
  NodeId node;
  crypto::EncryptionPublic key;
  std::uint32_t month = kCertificateKeyMonth;
};
WrapTarget wrap_target(const NodeCertificate& certificate, const PrekeyList* prekeys, std::uint32_t month);

}  // namespace tocsin::protocol
