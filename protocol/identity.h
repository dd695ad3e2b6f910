// Organisations and their nodes: genesis, certificates, organisation log, prekeys (docs/protocol.md, section 3; rules 17 to 20, 32).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "crypto/dh.h"
#include "crypto/random.h"
#include "crypto/sign.h"
#include "protocol/entry.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

enum class OrgKind : std::uint16_t { kUnknown = 0, kGovernment = 1, kRegional = 2, kUn = 3, kNgo = 4 };
// "government", "regional", "un", "ngo", "unknown". parse: nothing for another word.
std::string_view to_string(OrgKind kind);
std::optional<OrgKind> parse_org_kind(std::string_view word);

struct OrgProfile {
  OrgId id;
  std::string name;
  OrgKind kind = OrgKind::kUnknown;
  std::string country;  // ISO 3166-1 alpha-3
  std::string network;
  Time created;
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
  Time expires;  // past it: STALE, never refused (rule 18)
  std::string name;
};

Bytes encode_certificate(const NodeCertificate& certificate);
// Errors (peer): bad_certificate (not canonical, wrong sizes, node id that does not follow from its parts, equal keys).
Result<NodeCertificate> decode_certificate(ByteView message);
NodeId make_node_id(const OrgId& org, ByteView random16, const crypto::VerifyKey& first_signing);

// The root keys of an organisation that are needed to sign one entry. Owner keeps them off the node in normal work.
struct RootSet {
  std::vector<crypto::VerifyKey> keys;
  std::uint8_t threshold = 1;
  crypto::Hash commitment() const;
};
struct RootSigner {
  std::uint8_t index;              // place in the root set
  const crypto::SigningKey* key;   // outlives the call
};

struct CertifiedNode {
  NodeCertificate certificate;
  bool revoked = false;
  Number certified_at;  // entry of the newest certificate
  Number revoked_at;
  std::vector<crypto::Hash> pins;
};

// The verified state of one organisation's log, grown entry by entry. Holds no entries. A value: copy it to try something.
class OrgLog {
 public:
  // `entry` is entry 1. Errors (peer): bad_genesis, bad_signature, bad_entry_hash, and those of EntryHeader::decode.
  static Result<OrgLog> from_genesis(const EntryView& entry, crypto::Verifier& verifier);
  // The next entry. Errors (peer): wrong_log, wrong_number, wrong_previous, bad_body_hash, bad_signature (threshold-many root
  // signatures by rising index, rule 17), bad_event, bad_certificate, bad_counter_signature, bad_rotation, too_many_entries, too_many_nodes.
  // After an error the state is as before. Unknown events are taken and counted (rule 16).
  Result<void> apply(const EntryView& entry, crypto::Verifier& verifier);

  const OrgProfile& profile() const { return profile_; }
  const OrgId& id() const { return profile_.id; }
  Number head() const { return head_; }
  const EntryHash& head_hash() const { return head_hash_; }
  const RootSet& roots() const { return roots_; }
  // Ordered by node id; revoked nodes stay listed.
  const std::map<NodeId, CertifiedNode>& nodes() const { return nodes_; }
  // Certified and not revoked; null otherwise.
  const CertifiedNode* live_node(const NodeId& node) const;
  const CertifiedNode* live_node_by_transport(const crypto::TransportPublic& key) const;

  // Writing side: the next entry, signed. `signers` are exactly threshold-many by rising index (assert).
  Entry make_certify(const NodeCertificate& certificate, const crypto::SigningKey& node_key, Time created,
                     std::span<const RootSigner> signers) const;
  Entry make_revoke(const NodeId& node, std::string_view reason, std::span<const crypto::Hash> pins, Time created,
                    std::span<const RootSigner> signers, crypto::Random& random) const;
  // `signers` belong to `next`, whose commitment is the one in force.
  Entry make_rotate_roots(const RootSet& next, const crypto::Hash& commitment_after, Time created,
                          std::span<const RootSigner> signers) const;

 private:
  OrgProfile profile_;
  RootSet roots_;
  crypto::Hash next_roots_;
  Number head_;
  EntryHash head_hash_;
  std::map<NodeId, CertifiedNode> nodes_;
};

struct NewOrg {
  std::string name;
  OrgKind kind;
  std::string country;
  std::string network;
  RootSet roots;
  crypto::Hash next_roots;
  Time created;
};
// Entry 1. Errors (caller): bad_name, bad_country, bad_roots.
Result<Entry> make_genesis(const NewOrg& org, std::span<const RootSigner> signers, crypto::Random& random);

// Months since 1970-01, UTC (rule 32).
std::uint32_t month_of(Time time);

struct PrekeyList {
  NodeId node;
  std::uint32_t first_month = 0;
  std::vector<crypto::EncryptionPublic> keys;
};
// signature ‖ message.
Bytes sign_prekeys(const PrekeyList& list, const crypto::SigningKey& node_key);
// Errors (peer): bad_prekeys, bad_signature. The caller compares `node`.
Result<PrekeyList> open_prekeys(ByteView signed_list, const crypto::VerifyKey& node_key, crypto::Verifier& verifier);

// The key to wrap to a node in `month`: a prekey, else the certificate's encryption key (shown as a warning, rule 32).
struct WrapTarget {
  NodeId node;
  crypto::EncryptionPublic key;
  std::uint32_t month = 0xffffffff;  // 0xffffffff: the certificate's key
};
WrapTarget wrap_target(const NodeCertificate& certificate, const PrekeyList* prekeys, std::uint32_t month);

}  // namespace tocsin::protocol
