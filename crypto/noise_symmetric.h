// Inside crypto/ only: the SymmetricState of the Noise specification (section 5.2) with HMAC and HKDF over BLAKE2b
// (4.3).
#pragma once

#include <string_view>

#include "crypto/bytes.h"
#include "crypto/noise.h"
#include "crypto/secret.h"

namespace tocsin::crypto::internal {

inline constexpr std::size_t kNoiseHash = 64;
inline constexpr std::size_t kNoiseKey = 32;
inline constexpr std::uint64_t kNoiseNonceMax = ~std::uint64_t{0};  // reserved for rekey

// ENCRYPT and DECRYPT of section 4.2, 12.3. `buffer` holds plaintext and room for the tag, or the ciphertext; in place.
void noise_encrypt(MutableByteView buffer, ByteView associated, ByteView key, std::uint64_t nonce);
[[nodiscard]] bool noise_decrypt(MutableByteView buffer, ByteView associated, ByteView key, std::uint64_t nonce);

// HKDF of section 4.3 with `count` (2 or 3) outputs of 64 bytes, one after the other in `out`.
void noise_hkdf(MutableByteView out, ByteView chaining_key, ByteView input, std::size_t count);

class SymmetricState {
 public:
  explicit SymmetricState(std::string_view protocol_name);

  void mix_hash(ByteView data);
  void mix_key(ByteView input);
  void mix_key_and_hash(ByteView input);
  bool has_key() const { return has_key_; }
  // Bytes that encryption adds at this point: 0 or 16.
  std::size_t tag_size() const { return has_key_ ? kNoiseTag : 0; }

  // Appends the encryption of `plaintext` to `out`.
  void encrypt_and_hash(Bytes& out, ByteView plaintext);
  // False when the tag does not hold. `ciphertext` is at least tag_size() long; `plaintext` gets what it held.
  [[nodiscard]] bool decrypt_and_hash(Bytes& plaintext, ByteView ciphertext);

  const HandshakeHash& handshake_hash() const { return hash_; }
  // The keys of the initiator's direction and of the responder's.
  std::pair<SecretBuffer, SecretBuffer> split();
  void wipe();

 private:
  void rekey_from(ByteView input, std::size_t count);
  MutableByteView chaining_key() { return secrets_.mutable_view().first(kNoiseHash); }
  MutableByteView key() { return secrets_.mutable_view().subspan(kNoiseHash, kNoiseKey); }
  MutableByteView scratch() { return secrets_.mutable_view().subspan(kNoiseHash + kNoiseKey); }

  HandshakeHash hash_;
  SecretBuffer secrets_;  // chaining key (64) ‖ key (32) ‖ three outputs of HKDF (192)
  bool has_key_ = false;
  std::uint64_t nonce_ = 0;
};

}  // namespace tocsin::crypto::internal
