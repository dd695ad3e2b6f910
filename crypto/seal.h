// Values at rest, sealed under a key of 32 bytes (rules 41, 47, 50). A key serves many uses safely because each use has
// its own label, which yields its own key.
//
//   key of the use = BLAKE2b-256(key = storage key, personal "tocsin seal key", label)
//   nonce          = BLAKE2b-192(key = key of the use, personal "tocsin sealnonce",
//                                32 random bytes ‖ length of associated data (u64 LE) ‖ associated data ‖ plaintext)
//   sealed value   = suite 0x01 ‖ nonce (24) ‖ XChaCha20-Poly1305-IETF(plaintext; associated data)
//
//   sealed stream  = suite 0x01 ‖ header (24) ‖ chunks, each crypto_secretstream_xchacha20poly1305 of 65,536 bytes of
//                    plaintext (65,553 of ciphertext), but the last, which has 0 to 65,536 and the tag FINAL. Key =
//                    BLAKE2b-256(key = storage key, personal "tocsin streamkey", label ‖ associated data).
//
// Associated data says where the value belongs (its database key, its version): a value moved elsewhere does not open.
#pragma once

#include <sodium.h>

#include "crypto/bytes.h"
#include "crypto/purpose.h"
#include "crypto/random.h"
#include "crypto/result.h"
#include "crypto/secret.h"

namespace tocsin::crypto {

inline constexpr std::size_t kSealOverhead = 1 + 24 + 16;
inline constexpr std::size_t kSealedValueMax = 16 * 1024 * 1024;  // larger things are streams
inline constexpr std::size_t kStreamChunk = 64 * 1024;            // plaintext of a chunk
inline constexpr std::size_t kStreamHeader = 1 + 24;

// `key` is exactly 32 bytes and `plaintext` at most kSealedValueMax (assert).
Bytes seal(ByteView key, Label purpose, ByteView associated, ByteView plaintext, Random& random);
Bytes seal(const StoreKey& key, Label purpose, ByteView associated, ByteView plaintext, Random& random);
// Errors: unknown_suite, ciphertext_too_short, too_long, decryption_failed (wrong key, label or place, or changed
// bytes); origin environment, since it is our own disk that is bad. The SecretBuffer form is for keys.
Result<Bytes> open(ByteView key, Label purpose, ByteView associated, ByteView sealed);
Result<Bytes> open(const StoreKey& key, Label purpose, ByteView associated, ByteView sealed);
Result<SecretBuffer> open_secret(ByteView key, Label purpose, ByteView associated, ByteView sealed);

// Writes a sealed stream: any number of write(), then finish() once. Each appends what is ready to `out`, which the
// caller may empty between calls.
class SealedWriter {
 public:
  // `key` is exactly 32 bytes (assert).
  SealedWriter(ByteView key, Label purpose, ByteView associated, Random& random);
  ~SealedWriter();
  SealedWriter(const SealedWriter&) = delete;
  SealedWriter& operator=(const SealedWriter&) = delete;
  void write(ByteView plaintext, Bytes& out);
  void finish(Bytes& out);

 private:
  void push_chunk(unsigned char tag, Bytes& out);
  crypto_secretstream_xchacha20poly1305_state state_;
  Bytes start_;    // suite and header, until the first output
  Bytes pending_;  // plaintext of the chunk at hand; a full one waits until more comes, since the last one has its own
                   // tag
};

// Reads a sealed stream in pieces of any size. What it gives out is authentic and in order, but only finish() says that
// nothing is missing at the end. After an error the object stays failed. Errors: unknown_suite, decryption_failed,
// trailing_bytes, truncated_stream; origin environment.
class SealedReader {
 public:
  SealedReader(ByteView key, Label purpose, ByteView associated);
  ~SealedReader();
  SealedReader(const SealedReader&) = delete;
  SealedReader& operator=(const SealedReader&) = delete;
  // Appends the plaintext of each chunk that is complete to `out`.
  Result<void> read(ByteView sealed, Bytes& out);
  Result<void> finish(Bytes& out);

 private:
  Result<void> start();
  Result<void> pull_chunk(ByteView chunk, Bytes& out);
  Result<void> fail(Error error);
  SecretBuffer key_;
  crypto_secretstream_xchacha20poly1305_state state_;
  Bytes pending_;  // bytes of the start or chunk at hand
  bool started_ = false;
  bool final_seen_ = false;
  std::optional<Error> failed_;
};

}  // namespace tocsin::crypto
