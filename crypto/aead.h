// Inside crypto/ only: what bodies, slots, sealed values and passphrase files have in common. XChaCha20-Poly1305-IETF
// with the nonces of rule 38 and the padding of rule 40.
#pragma once

#include "crypto/bytes.h"
#include "crypto/purpose.h"
#include "crypto/random.h"
#include "crypto/result.h"
#include "crypto/secret.h"

namespace tocsin::crypto::internal {

inline constexpr std::size_t kKeySize = 32;
inline constexpr std::size_t kNonceSize = 24;
inline constexpr std::size_t kChachaNonceSize = 12;
inline constexpr std::size_t kTagSize = 16;
inline constexpr std::size_t kCommitmentSize = 32;
inline constexpr std::size_t kLengthField = 4;

// BLAKE2b-192(key, personal, 32 random bytes ‖ u64 LE size of `associated` ‖ associated ‖ plaintext). The size keeps
// two messages that differ only in where the parts meet from sharing a nonce.
void derive_nonce(MutableByteView nonce, ByteView key, Personal personal, ByteView associated, ByteView plaintext,
                  Random& random);

// `out` is plaintext.size() + 16 bytes and may begin where `plaintext` does.
void encrypt(MutableByteView out, ByteView plaintext, ByteView associated, ByteView nonce, ByteView key);
// False when the tag does not hold or `ciphertext` is shorter than a tag. `out` is ciphertext.size() - 16 bytes.
[[nodiscard]] bool decrypt(MutableByteView out, ByteView ciphertext, ByteView associated, ByteView nonce, ByteView key);

// ChaCha20-Poly1305-IETF in place: `buffer` is plaintext and 16 spare bytes, or ciphertext with its tag at the end.
// Decrypting gives false, and leaves the content undefined, when the tag does not hold or the buffer is shorter than
// one.
void encrypt_chacha(MutableByteView buffer, ByteView associated, ByteView nonce, ByteView key);
[[nodiscard]] bool decrypt_chacha(MutableByteView buffer, ByteView associated, ByteView nonce, ByteView key);

// padme(4 + size).
std::size_t padded_size(std::size_t size);
// `out` is exactly padded_size(plaintext.size()) bytes: u32 LE size ‖ plaintext ‖ zero bytes.
void pad_into(MutableByteView out, ByteView plaintext);
// What pad_into was given, inside `padded`. There is one padding for each size: anything else is bad_padding.
Result<ByteView> unpad(ByteView padded);

}  // namespace tocsin::crypto::internal
