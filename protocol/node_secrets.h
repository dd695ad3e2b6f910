// The secrets that a running node works with, in the two tiers of rule 48. Owned by main; everything else holds a
// reference.
#pragma once

#include <map>
#include <optional>

#include "crypto/dh.h"
#include "crypto/sign.h"

namespace tocsin::protocol {

// Seals epoch keys and feed keys where they stand in the store's records.
using ReadingKey = crypto::Secret<struct ReadingKeyTag, 32>;

// What signs and reads.
struct SecondTier {
  crypto::SigningKey signing;
  crypto::EncryptionKeyPair encryption;
  std::map<std::uint32_t, crypto::EncryptionKeyPair> prekeys;  // by month (rule 32)
  ReadingKey reading;
  std::optional<crypto::EncryptionKeyPair> encryption_before = {};  // what was wrapped to it may still be on its way
};

struct NodeSecrets {
  crypto::TransportKeyPair transport;
  std::optional<SecondTier> tier2;  // nothing: locked, the node checks, relays and stores
  // Asked for and not certified yet, or the one that the certificate named before: whoever dials may mean it still, or
  // know already that it is the one (rule 18).
  std::optional<crypto::TransportKeyPair> transport_other = {};
  bool locked() const { return !tier2; }
};

}  // namespace tocsin::protocol
