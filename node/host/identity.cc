#include "node/host/identity.h"

#include "node/store/codes.h"

namespace tocsin::host {

bool add_prekeys(store::Tier2& tier2, protocol::Time now, crypto::Random& random) {
  bool added = false;
  const auto first = protocol::month_of(now);
  for (auto month = first; month < first + kPrekeyMonths; ++month) {
    if (tier2.prekeys.contains(month)) continue;
    tier2.prekeys.emplace(month, crypto::EncryptionSecret::random(random));
    added = true;
  }
  return added;
}

Result<protocol::NodeSecrets> secrets_of(const store::Keystore& keystore) {
  const auto* tier2 = keystore.tier2();
  if (!tier2) return caller_error(store::kKeysLocked, "the passphrase is needed");
  std::map<std::uint32_t, crypto::EncryptionKeyPair> prekeys;
  for (const auto& [month, secret] : tier2->prekeys)
    prekeys.emplace(month, crypto::EncryptionKeyPair::from_secret(secret.clone()));
  return protocol::NodeSecrets{crypto::SigningKey::from_seed(tier2->signing),
                               crypto::TransportKeyPair::from_secret(keystore.tier1().transport.clone()),
                               crypto::EncryptionKeyPair::from_secret(tier2->encryption.clone()), std::move(prekeys),
                               tier2->reading.clone()};
}

}  // namespace tocsin::host
