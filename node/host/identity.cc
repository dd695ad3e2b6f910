#include "node/host/identity.h"

#include <chrono>

namespace tocsin::host {

bool add_prekeys(store::Tier2& tier2, protocol::Time now, crypto::Random& random) {
  bool added = false;
  const auto first = protocol::month_of(now);
  for (auto month = first; month < first + kPrekeyMonths; ++month) {
    if (tier2.prekeys.contains(month) || tier2.prekeys.size() >= store::kPrekeysKeptMax) continue;
    tier2.prekeys.emplace(month, crypto::EncryptionSecret::random(random));
    added = true;
  }
  return added;
}

bool erase_old_prekeys(store::Tier2& tier2, protocol::Time now, std::optional<std::uint32_t> newest_used) {
  if (!newest_used || *newest_used + 1 < protocol::month_of(now)) return false;
  return std::erase_if(tier2.prekeys, [&](const auto& each) {
           return each.first < *newest_used && now.ms - end_of_month(each.first).ms >= kPrekeyKeptMs;
         }) > 0;
}

store::Tier2 copy_of(const store::Tier2& tier2) {
  store::Tier2 out{tier2.signing.clone(), tier2.encryption.clone(), {}, tier2.reading.clone()};
  for (const auto& [month, secret] : tier2.prekeys) out.prekeys.emplace(month, secret.clone());
  return out;
}

protocol::Time end_of_month(std::uint32_t month) {
  const auto next = month + 1;
  const std::chrono::year_month_day first{std::chrono::year(1970 + static_cast<int>(next / 12)),
                                          std::chrono::month(next % 12 + 1), std::chrono::day(1)};
  return {
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::sys_days(first).time_since_epoch()).count()};
}

protocol::NodeSecrets secrets_of(const store::Keystore& keystore) {
  protocol::NodeSecrets out{crypto::TransportKeyPair::from_secret(keystore.tier1().transport.clone()), std::nullopt};
  if (const auto& other = keystore.tier1().transport_other)
    out.transport_other = crypto::TransportKeyPair::from_secret(other->clone());
  const auto* tier2 = keystore.tier2();
  if (!tier2) return out;
  std::map<std::uint32_t, crypto::EncryptionKeyPair> prekeys;
  for (const auto& [month, secret] : tier2->prekeys)
    prekeys.emplace(month, crypto::EncryptionKeyPair::from_secret(secret.clone()));
  out.tier2.emplace(protocol::SecondTier{crypto::SigningKey::from_seed(tier2->signing),
                                         crypto::EncryptionKeyPair::from_secret(tier2->encryption.clone()),
                                         std::move(prekeys), tier2->reading.clone()});
  const auto rotation = keystore.rotation();
  if (rotation && *rotation && (*rotation)->signing.equal(tier2->signing)) {
    out.tier2->encryption_before = crypto::EncryptionKeyPair::from_secret((*rotation)->encryption_before.clone());
  }
  return out;
}

}  // namespace tocsin::host
