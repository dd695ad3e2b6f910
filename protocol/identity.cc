// Certificates, root sets and prekeys; the organisation log stands in org_log.cc.
#include "protocol/identity.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <set>

#include "protocol/canonical.h"
#include "protocol/identity.capnp.h"
#include "protocol/names.h"

namespace tocsin::protocol {
namespace {

// Today's messages take at most some 700 bytes; a later version may add fields that we skip.
constexpr std::size_t kCertificateBytesMax = 4096;
constexpr std::size_t kPrekeysBytesMax = 4096;

Error bad_certificate(std::string detail) { return peer_error(kBadCertificate, std::move(detail)); }
Error bad_prekeys(std::string detail) { return peer_error(kBadPrekeys, std::move(detail)); }

// Rule 3: a key has one use. The types keep our own code from mixing them; a peer has to be checked.
bool keys_differ(const NodeCertificate& certificate) {
  const auto& signing = certificate.signing.bytes();
  const auto& transport = certificate.transport.bytes();
  const auto& encryption = certificate.encryption.bytes();
  return signing != transport && signing != encryption && transport != encryption;
}

Result<NodeCertificate> read_certificate(schema::NodeCertificate::Reader in) {
  using canonical::take;
  if (in.getFormatVersion() != kFormatVersion) return bad_certificate("the certificate has a version unknown here");
  NodeCertificate out;
  const ByteView random = canonical::view(in.getNodeRandom());
  if (!take(out.org, in.getOrgId()) || !take(out.node, in.getNodeId()) || random.size() != out.node_random.size() ||
      !take(out.first_signing, in.getFirstSigningKey()) || !take(out.signing, in.getSigningKey()) ||
      !take(out.transport, in.getTransportKey()) || !take(out.encryption, in.getEncryptionKey())) {
    return bad_certificate("an id or key in the certificate has a wrong size");
  }
  std::copy(random.begin(), random.end(), out.node_random.begin());
  out.serial = in.getSerial();
  out.issued = {in.getIssued()};
  out.expires = {in.getExpires()};
  out.name = std::string(canonical::view(in.getName()));

  if (out.serial == 0) return bad_certificate("serial numbers begin with 1");
  if (!is_line(out.name, kNameBytesMax)) return bad_certificate("the node's name is no line of at most 200 bytes");
  if (out.node != make_node_id(out.org, out.node_random, out.first_signing)) {
    return bad_certificate("the node id does not follow from organisation, random bytes and first signing key");
  }
  if (!crypto::check_public(out.transport) || !crypto::check_public(out.encryption)) {
    return bad_certificate("an X25519 key is not in its one canonical form");
  }
  if (!keys_differ(out)) return bad_certificate("one key stands for two uses");
  return out;
}

Result<PrekeyList> read_prekeys(schema::PrekeyList::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_prekeys("the prekey list has a version unknown here");
  PrekeyList out;
  if (!canonical::take(out.node, in.getNodeId())) return bad_prekeys("the node id has a wrong size");
  out.first_month = in.getFirstMonth();
  const auto keys = in.getKeys();
  if (keys.size() < 1 || keys.size() > kPrekeysMax) return bad_prekeys("a prekey list has 1 to 12 keys");
  std::set<crypto::EncryptionPublic> seen;
  for (const auto field : keys) {
    crypto::EncryptionPublic key;
    if (!canonical::take(key, field)) return bad_prekeys("a prekey has a wrong size");
    if (!crypto::check_public(key)) return bad_prekeys("a prekey is not in its one canonical form");
    if (!seen.insert(key).second) return bad_prekeys("a prekey stands for two months");
    out.keys.push_back(key);
  }
  return out;
}

}  // namespace

std::string_view to_string(OrgKind kind) {
  switch (kind) {
    case OrgKind::kGovernment:
      return "government";
    case OrgKind::kRegional:
      return "regional";
    case OrgKind::kUn:
      return "un";
    case OrgKind::kNgo:
      return "ngo";
    default:
      return "unknown";
  }
}

std::optional<OrgKind> parse_org_kind(std::string_view word) {
  for (const auto kind : {OrgKind::kUnknown, OrgKind::kGovernment, OrgKind::kRegional, OrgKind::kUn, OrgKind::kNgo}) {
    if (word == to_string(kind)) return kind;
  }
  return std::nullopt;
}

Bytes encode_certificate(const NodeCertificate& certificate) {
  assert(is_line(certificate.name, kNameBytesMax));
  return canonical::encode<schema::NodeCertificate>([&](schema::NodeCertificate::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setOrgId(canonical::data(certificate.org));
    out.setNodeId(canonical::data(certificate.node));
    out.setNodeRandom(canonical::data(ByteView(certificate.node_random)));
    out.setFirstSigningKey(canonical::data(certificate.first_signing));
    out.setSigningKey(canonical::data(certificate.signing));
    out.setTransportKey(canonical::data(certificate.transport));
    out.setEncryptionKey(canonical::data(certificate.encryption));
    out.setSerial(certificate.serial);
    out.setIssued(certificate.issued.ms);
    out.setExpires(certificate.expires.ms);
    out.setName(canonical::text(certificate.name));
  });
}

Result<NodeCertificate> decode_certificate(ByteView message) {
  return canonical::decode<schema::NodeCertificate>(message, kCertificateBytesMax, read_certificate);
}

NodeId make_node_id(const OrgId& org, ByteView random16, const crypto::VerifyKey& first_signing) {
  assert(random16.size() == 16);
  return NodeId{crypto::hash256(crypto::kPersonalNode, {org.view(), random16, first_signing.view()}).bytes()};
}

bool RootSet::valid() const {
  const std::set<crypto::VerifyKey> different(keys.begin(), keys.end());
  return !keys.empty() && keys.size() <= kRootsMax && different.size() == keys.size() && threshold >= 1 &&
         threshold <= keys.size();
}

crypto::Hash RootSet::commitment() const {
  assert(valid());
  crypto::Hasher hasher(crypto::kPersonalRoots);
  const std::array<std::uint8_t, 2> counts{threshold, static_cast<std::uint8_t>(keys.size())};
  hasher.update(counts);
  for (const auto& key : keys) hasher.update(key.view());
  return hasher.finish();
}

std::uint32_t month_of(Time time) {
  using namespace std::chrono;
  constexpr std::int64_t kDayMs = 86'400'000;
  constexpr std::int64_t kLastDay = sys_days(year(9999) / December / 31).time_since_epoch().count();
  if (time.ms < 0) return 0;
  const std::int64_t day = std::min(time.ms / kDayMs, kLastDay);
  const year_month_day date{sys_days(days(day))};
  return static_cast<std::uint32_t>(static_cast<int>(date.year()) - 1970) * 12 + static_cast<unsigned>(date.month()) -
         1;
}

Bytes sign_prekeys(const PrekeyList& list, const crypto::SigningKey& node_key) {
  assert(!list.keys.empty() && list.keys.size() <= kPrekeysMax);
  const Bytes message = canonical::encode<schema::PrekeyList>([&](schema::PrekeyList::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setNodeId(canonical::data(list.node));
    out.setFirstMonth(list.first_month);
    auto keys = out.initKeys(static_cast<unsigned>(list.keys.size()));
    for (unsigned i = 0; i < keys.size(); ++i) keys.set(i, canonical::data(list.keys[i]));
  });
  Bytes out = to_bytes(node_key.sign(crypto::kLabelPrekeys, {message}).view());
  append(out, message);
  return out;
}

Result<PrekeyList> open_prekeys(ByteView signed_list, const crypto::VerifyKey& node_key, crypto::Verifier& verifier) {
  if (signed_list.size() <= kSignatureBytes || signed_list.size() > kSignatureBytes + kPrekeysBytesMax) {
    return bad_prekeys("a prekey list is a signature and a message of at most 4096 bytes");
  }
  const auto signature = *crypto::Signature::from(signed_list.first(kSignatureBytes));
  const ByteView message = signed_list.subspan(kSignatureBytes);
  if (!verifier.verify(node_key, crypto::kLabelPrekeys, {message}, signature)) {
    return peer_error(kBadSignature, "the prekey list is not signed by its node");
  }
  return canonical::decode<schema::PrekeyList>(message, kPrekeysBytesMax, read_prekeys);
}

WrapTarget wrap_target(const NodeCertificate& certificate, const PrekeyList* prekeys, std::uint32_t month) {
  if (prekeys != nullptr && prekeys->node == certificate.node && month >= prekeys->first_month &&
      month - prekeys->first_month < prekeys->keys.size()) {
    return {certificate.node, prekeys->keys[month - prekeys->first_month], month};
  }
  return {certificate.node, certificate.encryption, kCertificateKeyMonth};
}

}  // namespace tocsin::protocol
