// X25519 (RFC 7748) with the two refusals of rule 2: a public key that is not the canonical form of its point, and a
// result of all zero. Transport keys (Noise) and encryption keys (wraps, invitations) are different types (rule 3).
#pragma once

#include "crypto/bytes.h"
#include "crypto/random.h"
#include "crypto/result.h"
#include "crypto/secret.h"

namespace tocsin::crypto {

using TransportPublic = FixedBytes<struct TransportPublicTag, 32>;
using EncryptionPublic = FixedBytes<struct EncryptionPublicTag, 32>;

// True when `key` is 32 bytes, little-endian below 2^255 - 19 with the top bit clear.
bool is_canonical_x25519(ByteView key);
// Error: non_canonical_key (origin peer). Low-order points pass here and fail at diffie_hellman.
Result<void> check_public(const TransportPublic& key);
Result<void> check_public(const EncryptionPublic& key);

// A secret and its public half. Move-only.
template <class SecretType, class PublicType>
class X25519KeyPair {
 public:
  static X25519KeyPair generate(Random& random) { return from_secret(SecretType::random(random)); }
  static X25519KeyPair from_secret(SecretType secret);

  const PublicType& public_key() const { return public_key_; }
  const SecretType& secret() const { return secret_; }
  X25519KeyPair clone() const { return X25519KeyPair(secret_.clone(), public_key_); }

 private:
  X25519KeyPair(SecretType secret, PublicType public_key) : secret_(std::move(secret)), public_key_(public_key) {}
  SecretType secret_;
  PublicType public_key_;
};

using TransportKeyPair = X25519KeyPair<TransportSecret, TransportPublic>;
using EncryptionKeyPair = X25519KeyPair<EncryptionSecret, EncryptionPublic>;
extern template class X25519KeyPair<TransportSecret, TransportPublic>;
extern template class X25519KeyPair<EncryptionSecret, EncryptionPublic>;

// Errors: non_canonical_key, all_zero_result (both origin peer).
Result<SharedSecret> diffie_hellman(const TransportSecret& ours, const TransportPublic& theirs);
Result<SharedSecret> diffie_hellman(const EncryptionSecret& ours, const EncryptionPublic& theirs);
// The same on raw bytes into memory of the caller's; `out`, `secret`, `theirs` are 32 bytes. On failure `out` is zero.
Result<void> x25519_into(MutableByteView out, ByteView secret, ByteView theirs);

}  // namespace tocsin::crypto
