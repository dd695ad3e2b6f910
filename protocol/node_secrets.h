// The secrets that a running, unlocked node works with. Owned by main; everything else holds a reference.
#pragma once

#include <map>

#include "crypto/dh.h"
#include "crypto/sign.h"

namespace tocsin::protocol {

// Seals epoch keys and feed keys where they stand in the store's records (reading tier, rule 48).
using ReadingKey = crypto::Secret<struct ReadingKeyTag, 32>;

struct NodeSecrets {
  crypto::SigningKey signing;
  crypto::TransportKeyPair transport;
  crypto::EncryptionKeyPair encryption;
  std::map<std::uint32_t, crypto::EncryptionKeyPair> prekeys;  // by month (rule 32)
  ReadingKey reading;
};

}  // namespace tocsin::protocol
