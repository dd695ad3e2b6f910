// Keys of a home as the protocol wants them, and how long they last.
#pragma once

#include <optional>

#include "crypto/random.h"
#include "node/store/keystore.h"
#include "protocol/identity.h"
#include "protocol/node_secrets.h"

namespace tocsin::host {

inline constexpr std::int64_t kDayMs = 24 * 3'600'000;
inline constexpr std::int64_t kCertificateMs = 2 * 365 * kDayMs;  // then STALE, never refused (rule 18)
inline constexpr std::uint32_t kPrekeyMonths = 12;                // rule 32

inline constexpr std::int64_t kPrekeyKeptMs = 90 * kDayMs;  // after its month (rule 32)

// Adds what is missing of the twelve months from `now` on, as far as kPrekeysKeptMax allows. True when something was
// added.
bool add_prekeys(store::Tier2& tier2, protocol::Time now, crypto::Random& random);
// Erases the private halves whose month ended 90 days ago, if a prekey of a later month has opened an epoch:
// `newest_used` is the newest that has. It must be of this month or the one before: after a long absence, or with a
// clock that runs ahead, what was wrapped to the old ones may still be on its way. True when something was erased
// (rule 32).
bool erase_old_prekeys(store::Tier2& tier2, protocol::Time now, std::optional<std::uint32_t> newest_used);
// A copy to change and give to Keystore::save_tier2.
store::Tier2 copy_of(const store::Tier2& tier2);
// First millisecond after a month.
protocol::Time end_of_month(std::uint32_t month);
// Both tiers, or the first alone where the keystore is locked (rule 48). Which transport key is in use is not looked
// at: TransportKeys::follow does (transport_keys.h).
protocol::NodeSecrets secrets_of(const store::Keystore& keystore);

}  // namespace tocsin::host
