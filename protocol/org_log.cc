// Checking an organisation log: genesis, certificates, revocations, rotation of the roots (docs/protocol.md, section
// 3). Writing one: org_log_write.cc.
#include <algorithm>
#include <bit>
#include <utility>
#include <variant>

#include "protocol/canonical.h"
#include "protocol/entry_peek.h"
#include "protocol/identity.capnp.h"
#include "protocol/identity.h"
#include "protocol/names.h"
#include "protocol/org_request.h"

namespace tocsin::protocol {
namespace {

// What the body of a later entry says.
struct CertifyEvent {
  NodeCertificate certificate;
  Bytes certificate_bytes;  // as signed
  crypto::Signature counter_signature;
};
struct RevokeEvent {
  NodeId node;
  std::string reason;
  std::vector<crypto::Hash> pins;
};
struct RotateEvent {
  RootSet roots;
  crypto::Hash next_roots;
  Number last_good;
  EntryHash last_good_hash;
};
struct UnknownOrgEvent {};
using Event = std::variant<UnknownOrgEvent, CertifyEvent, RevokeEvent, RotateEvent>;

Error bad_org_genesis(std::string detail) { return peer_error(kBadGenesis, std::move(detail)); }
Error bad_event(std::string detail) { return peer_error(kBadEvent, std::move(detail)); }

// Everything of an entry of an organisation log that can be checked without knowing the log.
Result<EntryHeader> open_entry(const EntryView& entry) {
  TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
  if (header.type != LogType::kOrganisation) return peer_error(kWrongLog, "the entry is not of an organisation log");
  if (entry.body.size() != header.body_bytes || hash_body(entry.body) != header.body_hash) {
    return peer_error(kBadBodyHash, "the body is not the one that the header names");
  }
  return header;
}

// Rule 17: exactly threshold-many (index, signature), by strictly rising index. More, fewer, twice the same or another
// order would be other bytes for the same entry.
Result<void> check_signatures(const EntryView& entry, const RootSet& roots, crypto::Verifier& verifier) {
  if (entry.signature.size() != roots.threshold * kRootSignatureBytes) {
    return peer_error(kBadSignature, "the entry has not exactly as many root signatures as the threshold");
  }
  int last = -1;
  for (std::size_t at = 0; at < entry.signature.size(); at += kRootSignatureBytes) {
    const std::uint8_t index = entry.signature[at];
    if (index <= last || index >= roots.keys.size()) {
      return peer_error(kBadSignature, "root signatures stand by rising index of a root key");
    }
    last = index;
    const auto signature = *crypto::Signature::from(entry.signature.subspan(at + 1, kSignatureBytes));
    if (!verifier.verify(roots.keys[index], crypto::kLabelEntry, {entry.header}, signature)) {
      return peer_error(kBadSignature, "a root signature does not verify");
    }
  }
  return kOk;
}

// False when a key has a wrong size or the set is not valid.
bool read_roots(RootSet& out, capnp::List<capnp::Data>::Reader keys, std::uint8_t threshold) {
  if (keys.size() > kRootsMax) return false;
  for (const auto field : keys) {
    crypto::VerifyKey key;
    if (!canonical::take(key, field)) return false;
    out.keys.push_back(key);
  }
  out.threshold = threshold;
  return out.valid();
}

struct Genesis {
  OrgProfile profile;
  RootSet roots;
  crypto::Hash next_roots;
};

Result<Genesis> read_org_genesis(schema::OrgGenesis::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_org_genesis("the genesis has a version unknown here");
  Genesis out;
  out.profile.name = std::string(canonical::view(in.getName()));
  out.profile.kind = static_cast<OrgKind>(in.getKind());
  out.profile.country = std::string(canonical::view(in.getCountry()));
  out.profile.network = std::string(canonical::view(in.getNetwork()));
  out.profile.created = {in.getCreated()};
  if (in.getRandom().size() != kOrgRandomBytes) return bad_org_genesis("a genesis holds 16 random bytes");
  if (out.profile.name.empty() || !is_line(out.profile.name, kNameBytesMax)) {
    return bad_org_genesis("the organisation's name is no line of 1 to 200 bytes");
  }
  if (!is_country_code(out.profile.country)) return bad_org_genesis("the country is not three capital letters");
  if (!is_network_name(out.profile.network))
    return bad_org_genesis("the network's name is not 1 to 64 printable characters");
  if (!read_roots(out.roots, in.getRootKeys(), in.getThreshold())) {
    return bad_org_genesis("root keys are 1 to 16 different keys, the threshold 1 to their number");
  }
  if (!canonical::take(out.next_roots, in.getNextRoots()))
    return bad_org_genesis("the commitment to the next roots has a wrong size");
  return out;
}

Result<Event> read_certify(schema::OrgEvent::Certify::Reader in) {
  CertifyEvent out;
  out.certificate_bytes = to_bytes(canonical::view(in.getCertificate()));
  if (!canonical::take(out.counter_signature, in.getCounterSignature())) {
    return bad_event("a counter-signature has 64 bytes");
  }
  TOCSIN_ASSIGN(certificate, decode_certificate(out.certificate_bytes));
  out.certificate = std::move(certificate);
  return Event(std::move(out));
}

Result<Event> read_revoke(schema::OrgEvent::Revoke::Reader in) {
  RevokeEvent out;
  out.reason = std::string(canonical::view(in.getReason()));
  if (!canonical::take(out.node, in.getNodeId())) return bad_event("the node id has a wrong size");
  if (!is_line(out.reason, kReasonBytesMax)) return bad_event("the reason is no line of at most 200 bytes");
  const auto pins = in.getPins();
  if (!std::has_single_bit(pins.size()) || pins.size() < kRevocationPinsMin || pins.size() > kRevocationPinsMax) {
    return bad_event("pins are padded to a power of two from 8 to 256");
  }
  for (const auto field : pins) {
    crypto::Hash pin;
    if (!canonical::take(pin, field)) return bad_event("a pin has 32 bytes");
    out.pins.push_back(pin);
  }
  return Event(std::move(out));
}

Result<Event> read_rotate(schema::OrgEvent::RotateRoots::Reader in) {
  RotateEvent out;
  if (!read_roots(out.roots, in.getRootKeys(), in.getThreshold())) {
    return bad_event("root keys are 1 to 16 different keys, the threshold 1 to their number");
  }
  if (!canonical::take(out.next_roots, in.getNextRoots()) ||
      !canonical::take(out.last_good_hash, in.getLastGoodHash())) {
    return bad_event("a hash has 32 bytes");
  }
  out.last_good = {in.getLastGoodNumber()};
  return Event(std::move(out));
}

Result<Event> read_org_event(schema::OrgEvent::Reader in) {
  if (in.getFormatVersion() == 0) return bad_event("an event has a version");
  // A later version may give the same members another meaning.
  if (in.getFormatVersion() != kFormatVersion) return Event(UnknownOrgEvent{});
  switch (in.which()) {
    case schema::OrgEvent::CERTIFY:
      return read_certify(in.getCertify());
    case schema::OrgEvent::REVOKE:
      return read_revoke(in.getRevoke());
    case schema::OrgEvent::ROTATE_ROOTS:
      if (in.totalSize().wordCount * 8 + 8 > kRotationBytesMax) {
        return bad_event("a change of the roots takes at most 8192 bytes");
      }
      return read_rotate(in.getRotateRoots());
    default:
      return Event(UnknownOrgEvent{});
  }
}

// Told apart, because a rotation may well stand beside entries that it supersedes (rule 19).
Error not_next(const EntryHeader& header, const EntryView& entry) {
  const auto event = canonical::decode<schema::OrgEvent>(entry.body, kBodyBytesMax, read_org_event);
  const auto* rotation = event ? std::get_if<RotateEvent>(&*event) : nullptr;
  if (rotation != nullptr && header.number == rotation->last_good.next()) {
    return peer_error(kBadRotation, "the last good entry is not the head of this log");
  }
  return peer_error(kWrongNumber, "the entry is not the next one of its log");
}

}  // namespace

// One overload for each event: checks it against the log, and applies it as the last step.
struct OrgLog::Events {
  OrgLog& log;
  crypto::Verifier* verifier;  // null: the entry was verified before
  Number number;               // of the entry at hand

  Result<void> operator()(const UnknownOrgEvent&) {
    ++log.unknown_events_;
    return kOk;
  }

  Result<void> operator()(const CertifyEvent& event) {
    const NodeCertificate& certificate = event.certificate;
    if (certificate.org != log.id()) return refused("the certificate is of another organisation");
    if (verifier != nullptr && !verifier->verify(certificate.signing, crypto::kLabelNodeCertificate,
                                                 {event.certificate_bytes}, event.counter_signature)) {
      return peer_error(kBadCounterSignature, "the certificate is not counter-signed by its node");
    }
    const auto known = log.nodes_.find(certificate.node);
    if (known == log.nodes_.end()) {
      if (live_nodes() >= kNodesPerOrgMax) {
        return peer_error(kTooManyNodes, "an organisation has at most 64 certified nodes at one time");
      }
    } else if (known->second.revoked) {
      return refused("the node was revoked; it needs a new id");
    } else if (certificate.serial <= known->second.certificate.serial) {
      return refused(
          "that node is certified already, by this request or a later one; new keys for it: tocsin key rotate");
    }
    TOCSIN_TRY(check_keys_unused(certificate));
    const bool same_transport =
        known != log.nodes_.end() && known->second.certificate.transport == certificate.transport;
    const auto before = known == log.nodes_.end() ? std::nullopt : std::optional(known->second.certificate.transport);
    CertifiedNode& node = log.nodes_[certificate.node];
    if (!same_transport) {
      node.transport_before = before;
      node.transport_since = certificate.issued;
    }
    node.certificate = certificate;
    node.certified_at = number;
    return kOk;
  }

  Result<void> operator()(const RevokeEvent& event) {
    const auto node = log.nodes_.find(event.node);
    if (node == log.nodes_.end()) return bad_event("the revoked node was never certified");
    CertifiedNode& revoked = node->second;
    if (revoked.pins.size() + event.pins.size() > kPinsPerNodeMax) return bad_event("the node has too many pins");
    revoked.pins.insert(revoked.pins.end(), event.pins.begin(), event.pins.end());
    if (!revoked.revoked) {
      revoked.revoked = true;
      revoked.revoked_at = number;
      revoked.revoke_reason = event.reason;
    }
    return kOk;
  }

  Result<void> operator()(const RotateEvent& event) {
    for (const auto& [id, node] : log.nodes_) {
      if (is_root(event.roots, node.certificate.signing))
        return bad_rotation("a root key is the signing key of a node");
    }
    log.old_roots_.push_back(log.roots_);
    log.rotations_.push_back(number);
    log.roots_ = event.roots;
    log.next_roots_ = event.next_roots;
    return kOk;
  }

  // Before the signatures: they are those of the new set only if it is the promised one.
  Result<void> check_rotation(const RotateEvent& event) const {
    if (event.roots.commitment() != log.next_roots_) return bad_rotation("the new roots are not those committed to");
    if (event.last_good != log.head_ || event.last_good_hash != log.head_hash_) {
      return bad_rotation("the last good entry is not the head of this log");
    }
    // Whoever has those keys from before could sign a second rotation to them, which ends the organisation.
    if (log.knew_roots(event.next_roots)) return bad_rotation("the roots after these were in force or committed to");
    return kOk;
  }

 private:
  static Error refused(std::string detail) { return peer_error(kBadCertificate, std::move(detail)); }
  static Error bad_rotation(std::string detail) { return peer_error(kBadRotation, std::move(detail)); }
  static bool is_root(const RootSet& roots, const crypto::VerifyKey& key) {
    return std::find(roots.keys.begin(), roots.keys.end(), key) != roots.keys.end();
  }

  std::size_t live_nodes() const {
    return static_cast<std::size_t>(
        std::count_if(log.nodes_.begin(), log.nodes_.end(), [](const auto& node) { return !node.second.revoked; }));
  }

  // Rule 3 across the log: with a key in two certificates nobody could say which node speaks, and the key of a revoked
  // node could come back under another id.
  Result<void> check_keys_unused(const NodeCertificate& certificate) const {
    if (is_root(log.roots_, certificate.signing)) return refused("the signing key is a root key");
    for (const auto& [id, node] : log.nodes_) {
      if (id == certificate.node) continue;
      const NodeCertificate& other = node.certificate;
      if (other.signing == certificate.signing || other.transport == certificate.transport ||
          other.encryption == certificate.encryption) {
        return refused("a key stands in the certificate of another node");
      }
    }
    return kOk;
  }
};

Result<OrgProfile> read_profile(ByteView genesis_body) {
  TOCSIN_ASSIGN(genesis, canonical::decode<schema::OrgGenesis>(genesis_body, kBodyBytesMax, read_org_genesis));
  genesis.profile.id = OrgId{crypto::hash256(crypto::kPersonalOrg, {genesis_body}).bytes()};
  return std::move(genesis.profile);
}

Result<OrgChange> read_org_change(ByteView body) {
  TOCSIN_ASSIGN(event, canonical::decode<schema::OrgEvent>(body, kBodyBytesMax, read_org_event));
  if (auto* certify = std::get_if<CertifyEvent>(&event))
    return OrgChange(CertifyChange{std::move(certify->certificate)});
  if (auto* revoke = std::get_if<RevokeEvent>(&event)) {
    return OrgChange(RevokeChange{revoke->node, std::move(revoke->reason), revoke->pins.size()});
  }
  if (auto* rotate = std::get_if<RotateEvent>(&event))
    return OrgChange(RotateRootsChange{std::move(rotate->roots), rotate->last_good});
  return bad_event("an event that this version does not know");
}

Result<OrgLog> OrgLog::from_genesis(const EntryView& entry, crypto::Verifier& verifier) {
  return begin(entry, &verifier);
}
Result<OrgLog> OrgLog::from_verified_genesis(const EntryView& entry) { return begin(entry, nullptr); }

Result<OrgLog> OrgLog::begin(const EntryView& entry, crypto::Verifier* verifier) {
  TOCSIN_ASSIGN(header, open_entry(entry));
  if (header.number != Number{1}) return peer_error(kWrongNumber, "an organisation log begins with entry 1");
  TOCSIN_ASSIGN(genesis, canonical::decode<schema::OrgGenesis>(entry.body, kBodyBytesMax, read_org_genesis));
  const OrgId id{crypto::hash256(crypto::kPersonalOrg, {entry.body}).bytes()};
  if (header.log != LogKey{id.bytes()}) return bad_org_genesis("the log's key is not the hash of its genesis");
  if (verifier != nullptr) TOCSIN_TRY(check_signatures(entry, genesis.roots, *verifier));

  OrgLog out;
  out.profile_ = std::move(genesis.profile);
  out.profile_.id = id;
  out.roots_ = std::move(genesis.roots);
  out.next_roots_ = genesis.next_roots;
  out.head_ = header.number;
  out.head_hash_ = hash_entry(entry.header, entry.signature);
  return out;
}

Result<void> OrgLog::apply(const EntryView& entry, crypto::Verifier& verifier) { return extend(entry, &verifier); }
Result<void> OrgLog::apply_verified(const EntryView& entry) { return extend(entry, nullptr); }

Result<void> OrgLog::check_suspect(const EntryView& entry, crypto::Verifier& verifier) const {
  TOCSIN_ASSIGN(header, open_entry(entry));
  if (header.log != LogKey{id().bytes()}) return peer_error(kWrongLog, "the entry is of another organisation");
  TOCSIN_ASSIGN(event, canonical::decode<schema::OrgEvent>(entry.body, kBodyBytesMax, read_org_event));
  if (const auto* rotation = std::get_if<RotateEvent>(&event)) {
    const bool committed = rotation->roots.commitment() == next_roots_ || rotation->roots == roots_ ||
                           std::find(old_roots_.begin(), old_roots_.end(), rotation->roots) != old_roots_.end();
    if (!committed) return peer_error(kBadRotation, "the new roots are not those committed to");
    return check_signatures(entry, rotation->roots, verifier);
  }
  auto checked = check_signatures(entry, roots_, verifier);
  for (auto roots = old_roots_.rbegin(); !checked && roots != old_roots_.rend(); ++roots) {
    checked = check_signatures(entry, *roots, verifier);
  }
  return checked;
}

bool OrgLog::knew_roots(const crypto::Hash& commitment) const {
  return commitment == next_roots_ || commitment == roots_.commitment() ||
         std::any_of(old_roots_.begin(), old_roots_.end(),
                     [&](const RootSet& roots) { return roots.commitment() == commitment; });
}

bool OrgLog::signed_by_roots(const EntryView& entry, crypto::Verifier& verifier) const {
  return check_signatures(entry, roots_, verifier).ok();
}

Result<bool> OrgLog::check_two_rotations(const EntryView& one, const EntryView& other,
                                         crypto::Verifier& verifier) const {
  std::vector<RotateEvent> rotations;
  for (const EntryView* entry : {&one, &other}) {
    TOCSIN_ASSIGN(header, open_entry(*entry));
    if (header.log != LogKey{id().bytes()}) return peer_error(kWrongLog, "the entry is of another organisation");
    TOCSIN_ASSIGN(event, canonical::decode<schema::OrgEvent>(entry->body, kBodyBytesMax, read_org_event));
    const auto* rotation = std::get_if<RotateEvent>(&event);
    if (rotation == nullptr || header.number != rotation->last_good.next() ||
        header.previous != rotation->last_good_hash) {
      return peer_error(kBadRotation, "the entry is no rotation of the roots");
    }
    TOCSIN_TRY(check_signatures(*entry, rotation->roots, verifier));
    rotations.push_back(*rotation);
  }
  if (equal(one.header, other.header) || rotations[0].roots != rotations[1].roots) {
    return peer_error(kBadRotation, "these are no two rotations of one commitment");
  }
  const auto commitment = rotations[0].roots.commitment();
  if (commitment == next_roots_) return true;
  // The first set is that of the genesis: nothing committed to it before.
  for (std::size_t i = 1; i < old_roots_.size(); ++i) {
    if (old_roots_[i].commitment() == commitment) return true;
  }
  return !old_roots_.empty() && roots_.commitment() == commitment;
}

void OrgLog::end(Number at) {
  if (std::exchange(ended_, true)) return;
  for (auto& [id, node] : nodes_) {
    if (node.revoked) continue;
    node.revoked = true;
    node.revoked_at = std::min(at, head_);  // no entry above the head is told of in a roster
    node.revoke_reason = "the organisation has ended";
  }
}

Result<void> OrgLog::extend(const EntryView& entry, crypto::Verifier* verifier) {
  TOCSIN_ASSIGN(header, open_entry(entry));
  if (ended_) return peer_error(kOrganisationEnded, "the organisation has ended: its roots were replaced twice");
  if (header.log != LogKey{id().bytes()}) return peer_error(kWrongLog, "the entry is of another organisation");
  if (header.number != head_.next()) return not_next(header, entry);
  if (header.previous != head_hash_) return peer_error(kWrongPrevious, "the entry does not follow the head held here");
  if (header.number.value > kOrgLogEntriesMax) {
    return peer_error(kTooManyEntries, "an organisation log has at most 4096 entries");
  }
  TOCSIN_ASSIGN(event, canonical::decode<schema::OrgEvent>(entry.body, kBodyBytesMax, read_org_event));

  Events events{*this, verifier, header.number};
  const auto* rotation = std::get_if<RotateEvent>(&event);
  if (rotation != nullptr) TOCSIN_TRY(events.check_rotation(*rotation));
  if (verifier != nullptr) {
    TOCSIN_TRY(check_signatures(entry, rotation != nullptr ? rotation->roots : roots_, *verifier));
  }
  TOCSIN_TRY(std::visit(events, event));
  head_ = header.number;
  head_hash_ = hash_entry(entry.header, entry.signature);
  return kOk;
}

const CertifiedNode* OrgLog::live_node(const NodeId& node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() || found->second.revoked ? nullptr : &found->second;
}

const CertifiedNode* OrgLog::live_node_by_transport(const crypto::TransportPublic& key) const {
  for (const auto& [id, node] : nodes_) {
    if (!node.revoked && node.certificate.transport == key) return &node;
  }
  return nullptr;
}

}  // namespace tocsin::protocol
