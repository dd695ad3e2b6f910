// The body of a log entry: encrypted, committed to its key, padded (rules 37 to 41).
//
//   entry key            = BLAKE2b-256(key = epoch key, personal "tocsin entry key", context)
//   encryption key ‖ commitment = BLAKE2b-512(key = entry key, personal "tocsin body keys", empty input), 32 bytes each
//   padded               = length of plaintext (u32 LE) ‖ plaintext ‖ zero bytes up to padme(4 + length)
//   nonce                = BLAKE2b-192(key = encryption key, personal "tocsin bodynonce",
//                                      32 random bytes ‖ length of associated data (u64 LE) ‖ associated data ‖
//                                      plaintext)
//   body                 = suite 0x01 ‖ commitment (32) ‖ nonce (24) ‖ XChaCha20-Poly1305-IETF(padded; associated data)
//
// Context and associated data are fixed-layout bytes made by the protocol layer (channel, epoch, feed, number,
// version). Errors of every opening, all of origin peer: unknown_suite, ciphertext_too_short, too_long,
// commitment_mismatch (another key: nothing was decrypted), decryption_failed, bad_padding.
#pragma once

#include "crypto/bytes.h"
#include "crypto/random.h"
#include "crypto/result.h"
#include "crypto/secret.h"

namespace tocsin::crypto {

inline constexpr std::uint8_t kSuiteClassic = 0x01;             // X25519, XChaCha20-Poly1305, BLAKE2b (rule 41)
inline constexpr std::size_t kSealedBodyMax = 48 * 1024;        // rule 8
inline constexpr std::size_t kBodyOverhead = 1 + 32 + 24 + 16;  // without the padding and its length field
inline constexpr std::size_t kBodyPlaintextMax = 47'100;        // padme(4 + 47,100) + overhead is the last that fits

// Size of the sealed body of `plaintext_size` bytes.
std::size_t sealed_body_size(std::size_t plaintext_size);

EntryKey derive_entry_key(const EpochKey& epoch, ByteView context);
// Same, into 32 bytes that the caller owns.
void derive_entry_key_into(MutableByteView out32, const EpochKey& epoch, ByteView context);

// `plaintext` is at most kBodyPlaintextMax bytes (assert): the caller splits before.
Bytes seal_body(const EntryKey& key, ByteView associated, ByteView plaintext, Random& random);
Result<Bytes> open_body(const EntryKey& key, ByteView associated, ByteView body);
// True when `body` is of our suite and its commitment is that of `key`: says which key fits, decrypts nothing.
bool body_is_for(const EntryKey& key, ByteView body);

// Opens many bodies of one epoch without any allocation for each. One object for each thread.
class BodyOpener {
 public:
  explicit BodyOpener(const EpochKey& epoch);
  ~BodyOpener();
  BodyOpener(BodyOpener&&) noexcept = default;
  BodyOpener& operator=(BodyOpener&&) noexcept = default;
  // `context` as for derive_entry_key. The plaintext is valid until the next call or the end of this object.
  Result<ByteView> open(ByteView context, ByteView associated, ByteView body);

 private:
  EpochKey epoch_;
  SecretBuffer keys_;  // entry key (32) ‖ encryption key (32) ‖ commitment (32) of the entry at hand
  Bytes padded_;
};

// The writing side of BodyOpener.
class BodySealer {
 public:
  explicit BodySealer(const EpochKey& epoch);
  ~BodySealer();
  BodySealer(BodySealer&&) noexcept = default;
  BodySealer& operator=(BodySealer&&) noexcept = default;
  // The body is valid until the next call or the end of this object.
  ByteView seal(ByteView context, ByteView associated, ByteView plaintext, Random& random);

 private:
  EpochKey epoch_;
  SecretBuffer keys_;
  Bytes padded_;
  Bytes body_;
};

}  // namespace tocsin::crypto
