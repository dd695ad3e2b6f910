// Cards: what two organisations exchange to become peers (docs/protocol.md, "Card").
#pragma once

#include <array>
#include <string>
#include <vector>

#include "protocol/identity.h"

namespace tocsin::protocol {

struct Card {
  std::string network;
  NodeId node;
  std::vector<std::string> addresses;  // "host:port", "[v6]:port"
  std::vector<Entry> org_log;          // from entry 1
  Bytes prekeys;                       // signed list, or empty
  Time issued;
};

// A card that was checked: log, certificate, card signature, prekeys, network.
struct OpenCard {
  Card card;
  OrgLog org;
  NodeCertificate node;
  std::optional<PrekeyList> prekeys;
};

// One line "tocsin1…".
std::string encode_card(const Card& card, const crypto::SigningKey& node_key);
// Errors (peer): bad_prefix, bad_character, bad_checksum, too_long (text); bad_card, wrong_network, node_not_certified, bad_signature, bad_address;
// those of OrgLog and open_prekeys.
Result<OpenCard> open_card(std::string_view text, std::string_view network, crypto::Verifier& verifier);

// Eight words to read out over another line; equal for every card of this node.
std::array<std::string, 8> card_words(const OrgId& org, const NodeId& node);

// "host:port" or "[v6]:port" with a port from 1 to 65535; the host is at most 253 bytes of printable ASCII. Error (caller): bad_address.
Result<std::pair<std::string, std::uint16_t>> parse_address(std::string_view address);

}  // namespace tocsin::protocol
