// Writing an organisation log. What is made here is checked like a peer's: org_log.cc.
#include <algorithm>
#include <bit>
#include <cassert>

#include "protocol/canonical.h"
#include "protocol/identity.capnp.h"
#include "protocol/identity.h"
#include "protocol/names.h"

namespace tocsin::protocol {
namespace {

OrgDraft make_draft(EntryHeader header, Bytes body) {
  header.type = LogType::kOrganisation;
  header.body_bytes = static_cast<std::uint32_t>(body.size());
  header.body_hash = hash_body(body);
  return {header.encode(), std::move(body)};
}

void set_roots(capnp::List<capnp::Data>::Builder out, const RootSet& roots) {
  for (unsigned i = 0; i < out.size(); ++i) out.set(i, canonical::data(roots.keys[i]));
}

}  // namespace

Entry sign_draft(const OrgDraft& draft, std::span<const RootSigner> signers) {
  Bytes signature;
  for (std::size_t i = 0; i < signers.size(); ++i) {
    assert(i == 0 || signers[i].index > signers[i - 1].index);
    signature.push_back(signers[i].index);
    append(signature, signers[i].key->sign(crypto::kLabelEntry, {ByteView(draft.header)}).view());
  }
  return Entry(draft.header, signature, draft.body);
}

OrgDraft OrgLog::draft_next(Bytes body) const {
  EntryHeader header;
  header.number = head_.next();
  header.log = LogKey{id().bytes()};
  header.previous = head_hash_;
  return make_draft(header, std::move(body));
}

OrgDraft OrgLog::draft_certify(ByteView certificate, const crypto::Signature& counter_signature, Time created) const {
  return draft_next(canonical::encode<schema::OrgEvent>([&](schema::OrgEvent::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setCreated(created.ms);
    auto certify = out.initCertify();
    certify.setCertificate(canonical::data(certificate));
    certify.setCounterSignature(canonical::data(counter_signature));
  }));
}

OrgDraft OrgLog::draft_revoke(const NodeId& node, std::string_view reason, std::span<const crypto::Hash> pins,
                              Time created, crypto::Random& random) const {
  assert(pins.size() <= kRevocationPinsMax && is_line(reason, kReasonBytesMax));
  std::vector<crypto::Hash> padded(pins.begin(), pins.end());
  const std::size_t count = std::bit_ceil(std::max(padded.size(), kRevocationPinsMin));
  while (padded.size() < count) padded.push_back(crypto::random_fixed<crypto::Hash>(random));
  std::sort(padded.begin(), padded.end());
  return draft_next(canonical::encode<schema::OrgEvent>([&](schema::OrgEvent::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setCreated(created.ms);
    auto revoke = out.initRevoke();
    revoke.setNodeId(canonical::data(node));
    revoke.setReason(canonical::text(std::string(reason)));
    auto list = revoke.initPins(static_cast<unsigned>(padded.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, canonical::data(padded[i]));
  }));
}

OrgDraft OrgLog::draft_rotate_roots(const RootSet& next, const crypto::Hash& commitment_after, Time created) const {
  assert(next.valid());
  return draft_next(canonical::encode<schema::OrgEvent>([&](schema::OrgEvent::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setCreated(created.ms);
    auto rotate = out.initRotateRoots();
    set_roots(rotate.initRootKeys(static_cast<unsigned>(next.keys.size())), next);
    rotate.setThreshold(next.threshold);
    rotate.setNextRoots(canonical::data(commitment_after));
    rotate.setLastGoodNumber(head_.value);
    rotate.setLastGoodHash(canonical::data(head_hash_));
  }));
}

Entry OrgLog::make_certify(const NodeCertificate& certificate, const crypto::SigningKey& node_key, Time created,
                           std::span<const RootSigner> signers) const {
  assert(signers.size() == roots_.threshold);
  const Bytes message = encode_certificate(certificate);
  return sign_draft(draft_certify(message, node_key.sign(crypto::kLabelNodeCertificate, {message}), created), signers);
}

Entry OrgLog::make_revoke(const NodeId& node, std::string_view reason, std::span<const crypto::Hash> pins, Time created,
                          std::span<const RootSigner> signers, crypto::Random& random) const {
  assert(signers.size() == roots_.threshold);
  return sign_draft(draft_revoke(node, reason, pins, created, random), signers);
}

Entry OrgLog::make_rotate_roots(const RootSet& next, const crypto::Hash& commitment_after, Time created,
                                std::span<const RootSigner> signers) const {
  assert(signers.size() == next.threshold);
  return sign_draft(draft_rotate_roots(next, commitment_after, created), signers);
}

Result<Entry> make_genesis(const NewOrg& org, std::span<const RootSigner> signers, crypto::Random& random) {
  if (org.name.empty() || !is_line(org.name, kNameBytesMax)) {
    return caller_error(kBadName, "the name is one line of 1 to 200 bytes without control characters");
  }
  if (!is_country_code(org.country))
    return caller_error(kBadCountry, "the country is three capital letters, such as KEN");
  if (!is_network_name(org.network)) {
    return caller_error(kBadNetwork, "the network is 1 to 64 printable ASCII characters without blanks");
  }
  if (!org.roots.valid()) {
    return caller_error(kBadRoots, "roots are 1 to 16 different keys, the threshold is 1 to their number");
  }
  assert(signers.size() == org.roots.threshold);
  std::array<std::uint8_t, kOrgRandomBytes> salt;
  random.fill(salt);
  const Bytes body = canonical::encode<schema::OrgGenesis>([&](schema::OrgGenesis::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setRandom(canonical::data(ByteView(salt)));
    out.setName(canonical::text(org.name));
    out.setKind(static_cast<schema::OrgKind>(org.kind));
    out.setCountry(canonical::text(org.country));
    set_roots(out.initRootKeys(static_cast<unsigned>(org.roots.keys.size())), org.roots);
    out.setThreshold(org.roots.threshold);
    out.setNextRoots(canonical::data(org.next_roots));
    out.setNetwork(canonical::text(org.network));
    out.setCreated(org.created.ms);
  });
  EntryHeader header;
  header.number = {1};
  header.log = LogKey{crypto::hash256(crypto::kPersonalOrg, {body}).bytes()};
  return sign_draft(make_draft(header, body), signers);
}

}  // namespace tocsin::protocol
