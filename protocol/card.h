// Cards: what two organisations exchange to become peers (docs/protocol.md, "Card").
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/identity.h"

namespace tocsin::protocol {

inline constexpr std::string_view kCardPrefix = "tocsin1";

struct Card {
  std::string network;
  NodeId node;
  std::vector<std::string> addresses;  // "host:port", "[v6]:port"
  std::vector<Entry> org_log;          // from entry 1, up to the one that certifies the node or further
  Bytes prekeys;                       // signed list, or empty
  Time issued;                         // as claimed; the newer card of a node replaces the older
};

// A card that was checked: log, certificate, card signature, prekeys, network.
struct OpenCard {
  Card card;
  OrgLog org;
  NodeCertificate node;
  std::optional<PrekeyList> prekeys;
};

// One line "tocsin1…". Does not judge what it is given: open_card would. Error (caller): card_too_long (organisation
// log and addresses do not fit crypto::kTextCodeBytesMax).
Result<std::string> encode_card(const Card& card, const crypto::SigningKey& node_key);
// Errors (peer): bad_prefix, bad_character, bad_checksum, too_long (text); not_canonical, bad_card, wrong_network,
// bad_address, bad_entry, node_not_certified (also when revoked), bad_signature; those of OrgLog and open_prekeys. No
// clock: an expired certificate opens, and the caller shows it as STALE.
Result<OpenCard> open_card(std::string_view text, std::string_view network, crypto::Verifier& verifier);
// The same of whatever network it is: to say what it is, not to take it.
Result<OpenCard> open_any_card(std::string_view text, crypto::Verifier& verifier);

// Eight words to read out over another line; equal for every card of this node, whatever its addresses and keys are by
// now.
std::array<std::string, 8> card_words(const OrgId& org, const NodeId& node);

// "host:port" or "[v6]:port": host without brackets, and port. A host is 1 to 253 letters, digits, dots, hyphens and
// underscores; v6 is hexadecimal digits, colons and dots, with "%zone" behind it where there is one. A port is 1 to
// 65535 without leading zeros. Error (caller): bad_address.
Result<std::pair<std::string, std::uint16_t>> parse_address(std::string_view address);

}  // namespace tocsin::protocol
