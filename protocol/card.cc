#include "protocol/card.h"

#include <algorithm>
#include <charconv>

#include "crypto/hash.h"
#include "crypto/safety_words.h"
#include "crypto/text_code.h"
#include "protocol/canonical.h"
#include "protocol/identity.capnp.h"
#include "protocol/limits.h"
#include "protocol/names.h"

namespace tocsin::protocol {
namespace {

constexpr std::uint8_t kCardFormat = 1;  // first byte; says how the rest is laid out
constexpr std::size_t kCardHeadBytes = 1 + kSignatureBytes;

Error bad_card(std::string detail) { return peer_error(kBadCard, std::move(detail)); }

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_host_name(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(),
                                      [](char c) { return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_'; });
}

// Whether it is an address that exists is for the resolver: this keeps out what could be read as something else.
bool is_v6(std::string_view host) {
  const std::size_t zone_at = host.find('%');
  const std::string_view digits = host.substr(0, zone_at);
  const bool zone_ok = zone_at == std::string_view::npos || is_host_name(host.substr(zone_at + 1));
  return zone_ok && digits.find(':') != std::string_view::npos && std::all_of(digits.begin(), digits.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
         });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0 || text.front() == '0') return std::nullopt;
  return port;
}

Result<Card> read_card(schema::Card::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return bad_card("the card has a version unknown here");
  Card out;
  out.network = std::string(canonical::view(in.getNetwork()));
  if (!canonical::take(out.node, in.getNodeId())) return bad_card("the node id has a wrong size");
  if (in.getAddresses().size() > kAddressesMax) return bad_card("a card has at most 8 addresses");
  for (const auto field : in.getAddresses()) {
    const std::string_view address = canonical::view(field);
    if (address.size() > kAddressBytesMax || !parse_address(address)) {
      return peer_error(kBadAddress, "an address in the card is not HOST:PORT or [V6]:PORT");
    }
    out.addresses.emplace_back(address);
  }
  if (in.getOrgLog().size() < 1 || in.getOrgLog().size() > kOrgLogEntriesMax) {
    return bad_card("a card holds 1 to 4096 entries of an organisation log");
  }
  for (const auto field : in.getOrgLog()) {
    TOCSIN_ASSIGN(entry, decode_entry(canonical::view(field)));
    out.org_log.emplace_back(entry.header, entry.signature, entry.body);
  }
  out.prekeys = to_bytes(canonical::view(in.getPrekeys()));
  out.issued = {in.getIssued()};
  return out;
}

Result<OrgLog> replay(const std::vector<Entry>& entries, crypto::Verifier& verifier) {
  TOCSIN_ASSIGN(log, OrgLog::from_genesis(entries.front().view(), verifier));
  for (std::size_t i = 1; i < entries.size(); ++i) TOCSIN_TRY(log.apply(entries[i].view(), verifier));
  return log;
}

}  // namespace

Result<std::string> encode_card(const Card& card, const crypto::SigningKey& node_key) {
  const Bytes message = canonical::encode<schema::Card>([&](schema::Card::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setNetwork(canonical::text(card.network));
    out.setNodeId(canonical::data(card.node));
    auto addresses = out.initAddresses(static_cast<unsigned>(card.addresses.size()));
    for (unsigned i = 0; i < addresses.size(); ++i) addresses.set(i, canonical::text(card.addresses[i]));
    auto entries = out.initOrgLog(static_cast<unsigned>(card.org_log.size()));
    for (unsigned i = 0; i < entries.size(); ++i) {
      entries.set(i, canonical::data(encode_entry(card.org_log[i].view())));
    }
    out.setPrekeys(canonical::data(card.prekeys));
    out.setIssued(card.issued.ms);
  });
  if (kCardHeadBytes + message.size() > crypto::kTextCodeBytesMax) {
    return caller_error(kCardTooLong, "the organisation's log and the addresses do not fit one card");
  }
  Bytes bytes{kCardFormat};
  append(bytes, node_key.sign(crypto::kLabelCard, {message}).view());
  append(bytes, message);
  return crypto::encode_text(kCardPrefix, bytes);
}

Result<OpenCard> open_any_card(std::string_view text, crypto::Verifier& verifier) {
  TOCSIN_ASSIGN(bytes, crypto::decode_text(kCardPrefix, text));
  if (bytes.size() <= kCardHeadBytes) return bad_card("the card is cut");
  if (bytes[0] != kCardFormat) return bad_card("the card has a format unknown here; a newer version may read it");
  const auto signature = *crypto::Signature::from(ByteView(bytes).subspan(1, kSignatureBytes));
  const ByteView message = ByteView(bytes).subspan(kCardHeadBytes);
  TOCSIN_ASSIGN(card, canonical::decode<schema::Card>(message, crypto::kTextCodeBytesMax, read_card));
  TOCSIN_ASSIGN(org, replay(card.org_log, verifier));
  const CertifiedNode* certified = org.live_node(card.node);
  if (certified == nullptr) {
    return peer_error(kNodeNotCertified, "the organisation in the card does not certify the node, or has revoked it");
  }
  const NodeCertificate node = certified->certificate;
  if (!verifier.verify(node.signing, crypto::kLabelCard, {message}, signature)) {
    return peer_error(kBadSignature, "the card is not signed by its node");
  }
  std::optional<PrekeyList> prekeys;
  if (!card.prekeys.empty()) {
    TOCSIN_ASSIGN(list, open_prekeys(card.prekeys, node.signing, verifier));
    if (list.node != card.node) return peer_error(kBadPrekeys, "the prekeys in the card are those of another node");
    prekeys = std::move(list);
  }
  return OpenCard{std::move(card), std::move(org), node, std::move(prekeys)};
}

Result<OpenCard> open_card(std::string_view text, std::string_view network, crypto::Verifier& verifier) {
  TOCSIN_ASSIGN(open, open_any_card(text, verifier));
  for (const std::string_view of :
       {std::string_view(open.card.network), std::string_view(open.org.profile().network)}) {
    if (of != network) return peer_error(kWrongNetwork, networks_differ("the card", of, network));
  }
  return open;
}

std::array<std::string, 8> card_words(const OrgId& org, const NodeId& node) {
  return crypto::safety_words(crypto::hash256(crypto::kPersonalWords, {org.view(), node.view()}).view());
}

Result<std::pair<std::string, std::uint16_t>> parse_address(std::string_view address) {
  const Error error = caller_error(kBadAddress, "an address is HOST:PORT or [V6]:PORT with a port from 1 to 65535");
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == address.size()) return error;
  const auto port = parse_port(address.substr(colon + 1));
  if (!port) return error;
  std::string_view host = address.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.size() > kHostBytesMax || !(bracketed ? is_v6(host) : is_host_name(host))) return error;
  return std::pair{std::string(host), *port};
}

}  // namespace tocsin::protocol
