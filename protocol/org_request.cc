#include "protocol/org_request.h"

#include <cassert>
#include <map>

#include "crypto/text_code.h"
#include "protocol/canonical.h"
#include "protocol/identity.capnp.h"

namespace tocsin::protocol {
namespace {

Error bad_request(std::string detail) { return caller_error(kBadRequest, std::move(detail)); }

// Whatever is wrong with its parts, for the person it is a request that cannot be used.
template <class T>
Result<T> as_request(Result<T> result) {
  if (result) return result;
  return bad_request("what was given is damaged, or of a later version: " + std::string(result.error().code.text()) +
                     "; ask for it again");
}

template <class Builder>
void write_roots(Builder& out, const RootSet& roots) {
  auto keys = out.initRootKeys(static_cast<unsigned>(roots.keys.size()));
  for (unsigned i = 0; i < keys.size(); ++i) keys.set(i, canonical::data(roots.keys[i]));
  out.setThreshold(roots.threshold);
}

template <class Reader>
Result<RootSet> read_roots(const Reader& in) {
  RootSet out;
  if (in.getRootKeys().size() > kRootsMax) return peer_error(kBadRequest, "more than 16 roots");
  for (const auto field : in.getRootKeys()) {
    if (!canonical::take(out.keys.emplace_back(), field)) return peer_error(kBadRequest, "a root key is cut");
  }
  out.threshold = in.getThreshold();
  if (!out.valid()) return peer_error(kBadRequest, "roots that cannot be");
  return out;
}

Bytes encode_message(const OrgRequest& request) {
  return canonical::encode<schema::OrgRequest>([&](schema::OrgRequest::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setGenesis(canonical::data(request.genesis));
    write_roots(out, request.signers);
    out.setHeader(canonical::data(ByteView(request.draft.header)));
    out.setBody(canonical::data(request.draft.body));
  });
}

Result<OrgRequest> read_request(schema::OrgRequest::Reader in) {
  OrgRequest out;
  if (in.getFormatVersion() != kFormatVersion) return peer_error(kBadRequest, "a version unknown here");
  TOCSIN_ASSIGN(signers, read_roots(in));
  out.signers = std::move(signers);
  const ByteView header = canonical::view(in.getHeader());
  if (header.size() != out.draft.header.size()) return peer_error(kBadRequest, "a wrong size");
  std::copy(header.begin(), header.end(), out.draft.header.begin());
  out.draft.body = to_bytes(canonical::view(in.getBody()));
  out.genesis = to_bytes(canonical::view(in.getGenesis()));
  return out;
}

Result<OrgRequest> decode_message(ByteView message) {
  TOCSIN_ASSIGN(out,
                as_request(canonical::decode<schema::OrgRequest>(message, crypto::kTextCodeBytesMax, read_request)));
  TOCSIN_TRY(open_org_request(out));
  return out;
}

}  // namespace

std::string encode_org_request(const OrgRequest& request) {
  return crypto::encode_text(kOrgRequestPrefix, encode_message(request));
}

Result<OrgRequest> decode_org_request(std::string_view text) {
  TOCSIN_ASSIGN(message, crypto::decode_text(kOrgRequestPrefix, text));
  return decode_message(message);
}

Result<OpenOrgRequest> open_org_request(const OrgRequest& request) {
  TOCSIN_ASSIGN(header, as_request(EntryHeader::decode(request.draft.header)));
  TOCSIN_ASSIGN(profile, as_request(read_profile(request.genesis)));
  if (header.type != LogType::kOrganisation || header.log != LogKey{profile.id.bytes()} || header.number.value < 2) {
    return bad_request("the request is not for the organisation that it names");
  }
  if (header.body_bytes != request.draft.body.size() || header.body_hash != hash_body(request.draft.body)) {
    return bad_request("the request was changed: its parts do not fit together");
  }
  TOCSIN_ASSIGN(change, as_request(read_org_change(request.draft.body)));
  if (const auto* rotation = std::get_if<RotateRootsChange>(&change); rotation && rotation->roots != request.signers) {
    return bad_request("new roots are signed by themselves, and the request asks for others");
  }
  return OpenOrgRequest{std::move(profile), header.number, std::move(change)};
}

std::string encode_node_request(const NodeCertificate& certificate, const crypto::SigningKey& node_key) {
  const Bytes message = encode_certificate(certificate);
  return crypto::encode_text(
      kNodeRequestPrefix, canonical::encode<schema::NodeRequest>([&](schema::NodeRequest::Builder out) {
        out.setFormatVersion(kFormatVersion);
        out.setCertificate(canonical::data(message));
        out.setCounterSignature(canonical::data(node_key.sign(crypto::kLabelNodeCertificate, {message})));
      }));
}

Result<NodeRequest> decode_node_request(std::string_view text, crypto::Verifier& verifier) {
  TOCSIN_ASSIGN(message, crypto::decode_text(kNodeRequestPrefix, text));
  NodeRequest out;
  TOCSIN_TRY(as_request(canonical::decode<schema::NodeRequest>(
      message, crypto::kTextCodeBytesMax, [&](schema::NodeRequest::Reader in) -> Result<void> {
        if (in.getFormatVersion() != kFormatVersion ||
            !canonical::take(out.counter_signature, in.getCounterSignature())) {
          return peer_error(kBadRequest, "a version or size that is not known here");
        }
        out.message = to_bytes(canonical::view(in.getCertificate()));
        return kOk;
      })));
  TOCSIN_ASSIGN(certificate, as_request(decode_certificate(out.message)));
  out.certificate = std::move(certificate);
  if (!verifier.verify(out.certificate.signing, crypto::kLabelNodeCertificate, {out.message}, out.counter_signature)) {
    return bad_request("the request is not signed by the node that it is for");
  }
  return out;
}

std::string encode_root_set(const RootSet& roots) {
  return crypto::encode_text(kRootSetPrefix, canonical::encode<schema::RootKeys>([&](schema::RootKeys::Builder out) {
                               out.setFormatVersion(kFormatVersion);
                               write_roots(out, roots);
                             }));
}

Result<RootSet> decode_root_set(std::string_view text) {
  TOCSIN_ASSIGN(message, crypto::decode_text(kRootSetPrefix, text));
  return as_request(canonical::decode<schema::RootKeys>(message, crypto::kTextCodeBytesMax,
                                                        [](schema::RootKeys::Reader in) -> Result<RootSet> {
                                                          if (in.getFormatVersion() != kFormatVersion)
                                                            return peer_error(kBadRequest, "a version unknown here");
                                                          return read_roots(in);
                                                        }));
}

Result<OrgSignature> sign_org_request(const OrgRequest& request, const crypto::SigningKey& root) {
  const auto& keys = request.signers.keys;
  const auto at = std::find(keys.begin(), keys.end(), root.verify_key());
  if (at == keys.end()) {
    return caller_error(kWrongRoot,
                        "this root key is none of those that are asked to sign; take the file of the " +
                            std::string("organisation's root keys in force, or for a rotation of the next"));
  }
  return OrgSignature{request, static_cast<std::uint8_t>(at - keys.begin()),
                      root.sign(crypto::kLabelEntry, {ByteView(request.draft.header)})};
}

std::string encode_org_signature(const OrgSignature& signature) {
  const Bytes request = encode_message(signature.request);
  return crypto::encode_text(kOrgSignaturePrefix,
                             canonical::encode<schema::OrgSignature>([&](schema::OrgSignature::Builder out) {
                               out.setFormatVersion(kFormatVersion);
                               out.setRequest(canonical::data(request));
                               out.setIndex(signature.index);
                               out.setSignature(canonical::data(signature.signature));
                             }));
}

Result<OrgSignature> decode_org_signature(std::string_view text) {
  TOCSIN_ASSIGN(message, crypto::decode_text(kOrgSignaturePrefix, text));
  OrgSignature out;
  Bytes request;
  TOCSIN_TRY(as_request(canonical::decode<schema::OrgSignature>(
      message, crypto::kTextCodeBytesMax, [&](schema::OrgSignature::Reader in) -> Result<void> {
        if (in.getFormatVersion() != kFormatVersion || !canonical::take(out.signature, in.getSignature())) {
          return peer_error(kBadRequest, "a version or size that is not known here");
        }
        out.index = in.getIndex();
        request = to_bytes(canonical::view(in.getRequest()));
        return kOk;
      })));
  TOCSIN_ASSIGN(decoded, decode_message(request));
  out.request = std::move(decoded);
  return out;
}

Result<Entry> assemble_org_entry(std::span<const OrgSignature> signatures, crypto::Verifier& verifier) {
  if (signatures.empty()) return caller_error(kSignaturesMissing, "no signature was given");
  const OrgRequest& request = signatures.front().request;
  std::map<std::uint8_t, crypto::Signature> by_index;
  for (const OrgSignature& one : signatures) {
    if (!(one.request == request)) {
      return caller_error(kSignaturesDiffer,
                          "the signatures are of different requests; sign one request with each key");
    }
    if (one.index >= request.signers.keys.size() ||
        !verifier.verify(request.signers.keys[one.index], crypto::kLabelEntry, {ByteView(request.draft.header)},
                         one.signature)) {
      return caller_error(kBadSignature, "a signature does not verify; sign the request again");
    }
    by_index.emplace(one.index, one.signature);
  }
  const std::size_t needed = request.signers.threshold;
  if (by_index.size() < needed) {
    return caller_error(kSignaturesMissing, std::to_string(by_index.size()) + " of " + std::to_string(needed) +
                                                " signatures are here; have it signed with " +
                                                std::to_string(needed - by_index.size()) + " more root keys");
  }
  Bytes field;
  for (const auto& [index, signature] : by_index) {
    if (field.size() == needed * kRootSignatureBytes) break;
    field.push_back(index);
    append(field, signature.view());
  }
  return Entry(request.draft.header, field, request.draft.body);
}

}  // namespace tocsin::protocol
