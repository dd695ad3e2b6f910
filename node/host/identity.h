// Keys of a home as the protocol wants them, and how long they last.
#pragma once

#include "crypto/random.h"
#include "node/store/keystore.h"
#include "protocol/identity.h"
#include "protocol/node_secrets.h"

namespace tocsin::host {

inline constexpr std::int64_t kDayMs = 24 * 3'600'000;
inline constexpr std::int64_t kCertificateMs = 2 * 365 * kDayMs;  // then STALE, never refused (rule 18)
inline constexpr std::uint32_t kPrekeyMonths = 12;                // rule 32

// Adds what is missing of the twelve months from `now` on. True when something was added.
bool add_prekeys(store::Tier2& tier2, protocol::Time now, crypto::Random& random);
// Error (caller): keys_locked.
Result<protocol::NodeSecrets> secrets_of(const store::Keystore& keystore);

}  // namespace tocsin::host
