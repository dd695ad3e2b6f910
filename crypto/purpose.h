// What a hash or a signature is for (rule 4). Every hash carries a Personal (BLAKE2b's own personalisation field),
// everything signed or sealed for a use begins with a Label: nothing made for one purpose verifies for another. ALL of
// the project's are declared here, and a test reads this file to see that no two are equal. Once released a value never
// changes its meaning; a new format takes a new value.
#pragma once

#include <array>
#include <cstddef>

#include "crypto/bytes.h"

namespace tocsin::crypto {

// BLAKE2b personalisation: 16 bytes, the literal padded with zero bytes. Longer or empty text does not compile.
struct Personal {
  std::array<std::uint8_t, 16> bytes{};

  template <std::size_t M>
  consteval Personal(const char (&literal)[M]) {
    static_assert(M >= 2 && M - 1 <= 16, "a Personal has 1 to 16 characters");
    for (std::size_t i = 0; i + 1 < M; ++i) bytes[i] = static_cast<std::uint8_t>(literal[i]);
  }
  ByteView view() const { return ByteView(bytes); }
  friend constexpr bool operator==(const Personal&, const Personal&) = default;
};

// First 32 bytes of what is signed, or sealed for one use: the literal padded with zero bytes.
struct Label {
  std::array<std::uint8_t, 32> bytes{};

  template <std::size_t M>
  consteval Label(const char (&literal)[M]) {
    static_assert(M >= 2 && M - 1 <= 32, "a Label has 1 to 32 characters");
    for (std::size_t i = 0; i + 1 < M; ++i) bytes[i] = static_cast<std::uint8_t>(literal[i]);
  }
  ByteView view() const { return ByteView(bytes); }
  friend constexpr bool operator==(const Label&, const Label&) = default;
};

// ---- Hashes and keys of the crypto layer itself
// -------------------------------------------------------------------------
inline constexpr Personal kPersonalEntryKey{"tocsin entry key"};   // epoch key + context -> entry key (rule 37)
inline constexpr Personal kPersonalBodyKeys{"tocsin body keys"};   // entry key -> encryption key, commitment (rule 37)
inline constexpr Personal kPersonalBodyNonce{"tocsin bodynonce"};  // nonce of a body (rule 38)
inline constexpr Personal kPersonalWrapKeys{
    "tocsin wrap keys"};  // X25519 result -> key, commitment of a slot (rule 30)
inline constexpr Personal kPersonalWrapNonce{"tocsin wrapnonce"};  // nonce of a slot (rule 38)
inline constexpr Personal kPersonalSealKey{"tocsin seal key"};     // storage key + label -> key of one use
inline constexpr Personal kPersonalSealNonce{"tocsin sealnonce"};  // nonce of a sealed value (rule 38)
inline constexpr Personal kPersonalStreamKey{"tocsin streamkey"};  // storage key + label -> key of one sealed stream
inline constexpr Personal kPersonalTextSum{"tocsin text sum"};     // checksum of a text code

}  // namespace tocsin::crypto
