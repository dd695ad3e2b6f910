// Giving a key to the holder of an encryption key, with a commitment (rules 30, 31), and whole envelopes to one
// recipient.
//
//   key ‖ commitment = BLAKE2b-512(key = X25519(ephemeral, recipient), personal "tocsin wrap keys",
//                                  context ‖ ephemeral public (32) ‖ recipient public (32)), 32 bytes each
//   nonce            = BLAKE2b-192(key = key, personal "tocsin wrapnonce", 32 random bytes ‖ zero (u64) ‖ payload)
//   slot             = commitment (32) ‖ nonce (24) ‖ XChaCha20-Poly1305-IETF(payload; no associated data)
//   envelope         = suite 0x01 ‖ ephemeral public (32) ‖ slot, with context = label (32) ‖ context and the payload
//   padded
//                      as in body.h
//
// `context` is made by the caller and of fixed size for its purpose (for an epoch: channel, epoch, previous control
// hash).
#pragma once

#include <span>

#include "crypto/bytes.h"
#include "crypto/dh.h"
#include "crypto/purpose.h"
#include "crypto/random.h"
#include "crypto/result.h"
#include "crypto/secret.h"

namespace tocsin::crypto {

inline constexpr std::size_t kSlotOverhead = 32 + 24 + 16;
inline constexpr std::size_t kKeySlotSize = 32 + kSlotOverhead;    // a slot that carries a 32-byte key
inline constexpr std::size_t kSlotPayloadMax = 64 * 1024;          // a slot carries keys, not documents
inline constexpr std::size_t kEnvelopePlaintextMax = 1024 * 1024;  // an invitation with its genesis and epoch entry

// One ephemeral key pair for all slots of an entry. `random` outlives the object.
class Wrapper {
 public:
  explicit Wrapper(Random& random);
  const EncryptionPublic& ephemeral() const { return ephemeral_.public_key(); }
  // The slot for `recipient`. Errors: non_canonical_key, all_zero_result (a bad recipient key), too_long (payload).
  Result<Bytes> wrap(const EncryptionPublic& recipient, ByteView context, ByteView payload);

 private:
  Random& random_;
  EncryptionKeyPair ephemeral_;
};

// A slot of random bytes that nobody can open, of the size that a payload of `payload_size` would take: padding of the
// count.
Bytes random_slot(std::size_t payload_size, Random& random);

// The payload of a slot that is ours. Errors: commitment_mismatch (not ours), ciphertext_too_short, too_long,
// decryption_failed, non_canonical_key, all_zero_result.
Result<SecretBuffer> unwrap(const EncryptionKeyPair& ours, const EncryptionPublic& ephemeral, ByteView context,
                            ByteView slot);

struct FoundSlot {
  std::size_t index;
  SecretBuffer payload;
};
// Ours among many: one X25519 in all. Where several carry our commitment, the first that opens. Errors as of unwrap;
// commitment_mismatch when none is ours.
Result<FoundSlot> find_slot(const EncryptionKeyPair& ours, const EncryptionPublic& ephemeral, ByteView context,
                            std::span<const ByteView> slots);

// An envelope to one recipient. Errors: non_canonical_key, all_zero_result, too_long.
Result<Bytes> seal_to(const EncryptionPublic& recipient, Label purpose, ByteView context, ByteView plaintext,
                      Random& random);
// Errors: unknown_suite, bad_padding, and those of unwrap.
Result<SecretBuffer> open_sealed(const EncryptionKeyPair& ours, Label purpose, ByteView context, ByteView envelope);

}  // namespace tocsin::crypto
