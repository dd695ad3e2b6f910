// A change of an organisation's log on its way to its root keys, which stay off the node (rules 17, 18): the node
// writes a request, whoever holds a root key reads what it says and signs it on a machine of his own, and the node puts
// the signatures together. Both travel as one line of text, by stick or by hand; neither is secret.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/identity.h"

namespace tocsin::protocol {

inline constexpr std::string_view kOrgRequestPrefix = "tocsinrequest1";
inline constexpr std::string_view kOrgSignaturePrefix = "tocsinsignature1";

inline constexpr std::string_view kNodeRequestPrefix = "tocsinnode1";
inline constexpr std::string_view kRootSetPrefix = "tocsinroots1";

inline constexpr Code kBadRequest{"bad_request"};                // caller: no request, or one that was changed
inline constexpr Code kWrongRoot{"wrong_root"};                  // caller: that key is none of those that are asked for
inline constexpr Code kSignaturesDiffer{"signatures_differ"};    // caller: they are of different requests
inline constexpr Code kSignaturesMissing{"signatures_missing"};  // caller: the detail says how many more

// A further node asks to be certified: what it brings is in its certificate, counter-signed by itself.
struct NodeRequest {
  NodeCertificate certificate;
  Bytes message;  // the certificate as signed
  crypto::Signature counter_signature;
};
std::string encode_node_request(const NodeCertificate& certificate, const crypto::SigningKey& node_key);
// Errors: those of crypto::decode_text; bad_request (a counter-signature that does not verify, too).
Result<NodeRequest> decode_node_request(std::string_view text, crypto::Verifier& verifier);

struct OrgRequest {
  Bytes genesis;    // body of entry 1: its hash is the organisation's id, so it names the organisation for certain
  RootSet signers;  // whose threshold-many signatures are asked for: those in force, or those that take over
  OrgDraft draft;
  friend bool operator==(const OrgRequest&, const OrgRequest&) = default;
};

// What a request would do, for the person who signs it.
struct CertifyChange {
  NodeCertificate certificate;
};
struct RevokeChange {
  NodeId node;
  std::string reason;
  std::size_t pins = 0;  // padding included
};
struct RotateRootsChange {
  RootSet roots;
  Number last_good;  // what the roots of before signed after it is superseded
};
using OrgChange = std::variant<CertifyChange, RevokeChange, RotateRootsChange>;
// Of the body of an entry above the first. Errors (peer): not_canonical, bad_event (of a later version too).
Result<OrgChange> read_org_change(ByteView body);
struct OpenOrgRequest {
  OrgProfile org;  // as its genesis says
  Number number;   // of the entry
  OrgChange change;
};

// `genesis`, `signers` and `draft` fit together (assert).
std::string encode_org_request(const OrgRequest& request);
// Checks form, sizes, and that genesis, header and body fit together; not whether the organisation's log would take it.
// Errors: those of crypto::decode_text; bad_request.
Result<OrgRequest> decode_org_request(std::string_view text);
// What a decoded request says. Error: bad_request (an event of a later version: nobody should sign what he cannot
// read).
Result<OpenOrgRequest> open_org_request(const OrgRequest& request);

// The public halves of a root set, as text. Errors: those of crypto::decode_text; bad_request.
std::string encode_root_set(const RootSet& roots);
Result<RootSet> decode_root_set(std::string_view text);

struct OrgSignature {
  OrgRequest request;
  std::uint8_t index = 0;  // place of the key among the signers
  crypto::Signature signature;
};
// Error (caller): wrong_root.
Result<OrgSignature> sign_org_request(const OrgRequest& request, const crypto::SigningKey& root);
std::string encode_org_signature(const OrgSignature& signature);
// Errors: those of crypto::decode_text; bad_request. The signature is not verified here.
Result<OrgSignature> decode_org_signature(std::string_view text);
// The entry, with the first threshold-many signatures by rising index (rule 17). Twice the same does no harm. Errors
// (caller): signatures_differ, signatures_missing, bad_signature.
Result<Entry> assemble_org_entry(std::span<const OrgSignature> signatures, crypto::Verifier& verifier);

}  // namespace tocsin::protocol
