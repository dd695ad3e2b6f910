// Secrets under a passphrase (rule 48): Argon2id 1.3 by crypto_pwhash.
//
//   file = "TOCSINK1" (8) ‖ suite 0x01 ‖ ops (u32 LE) ‖ memory in KiB (u32 LE) ‖ salt (16) ‖ nonce (24) ‖
//          XChaCha20-Poly1305-IETF(secret; associated data = the 33 bytes before the nonce)
//   key  = BLAKE2b-256(key = Argon2id(passphrase, salt, ops, memory), personal "tocsin seal key", label); nonce as in
//   seal.h
//
// The files of one home share a salt, so that a start costs one Argon2id: derive a PassphraseBox once, open them all.
#pragma once

#include <string_view>

#include "crypto/bytes.h"
#include "crypto/purpose.h"
#include "crypto/random.h"
#include "crypto/result.h"
#include "crypto/secret.h"

namespace tocsin::crypto {

struct PassphraseParams {
  std::uint32_t ops;
  std::uint32_t mem_kib;
  friend constexpr bool operator==(const PassphraseParams&, const PassphraseParams&) = default;
};
inline constexpr PassphraseParams kPassphraseModerate{
    3, 256 * 1024};                                        // crypto_pwhash_*_MODERATE: 256 MiB, about half a second
inline constexpr PassphraseParams kPassphraseTests{1, 8};  // for tests alone: named as the minimum by who opens
inline constexpr std::string_view kPassphraseFileMagic = "TOCSINK1";
inline constexpr std::uint32_t kPassphraseMemKibMax = 1024 * 1024;  // 1 GiB: a hostile file must not take more
inline constexpr std::uint32_t kPassphraseOpsMax = 16;              // nor more than some ten seconds
inline constexpr std::size_t kPassphraseSaltSize = 16;
inline constexpr std::size_t kPassphraseFileHeader = 8 + 1 + 4 + 4 + 16;
inline constexpr std::size_t kPassphraseFileOverhead = kPassphraseFileHeader + 24 + 16;
inline constexpr std::size_t kPassphraseSecretMax = 64 * 1024;
inline constexpr std::size_t kPassphraseLengthMax = 4096;  // bytes

using PassphraseSalt = FixedBytes<struct PassphraseSaltTag, kPassphraseSaltSize>;

// One derivation, and what it opens. Move-only.
class PassphraseBox {
 public:
  // One Argon2id. Errors: costly_passphrase_params, weak_passphrase_params (below what Argon2 itself allows), too_long
  // (passphrase), out_of_memory.
  static Result<PassphraseBox> derive(std::string_view passphrase, const PassphraseSalt& salt, PassphraseParams params);
  // With a fresh salt, for a new home or a new passphrase.
  static Result<PassphraseBox> create(std::string_view passphrase, Random& random,
                                      PassphraseParams params = kPassphraseModerate);
  // With salt and parameters of an existing file; both are bounded before any work. Errors also: not_a_key_file,
  // unknown_suite; weak_passphrase_params below `minimum`. Does not yet say whether the passphrase is right: open does.
  static Result<PassphraseBox> for_file(std::string_view passphrase, ByteView file,
                                        PassphraseParams minimum = kPassphraseModerate);

  const PassphraseSalt& salt() const { return salt_; }
  PassphraseParams params() const { return params_; }

  // `secret` is at most kPassphraseSecretMax (assert).
  Bytes seal(Label purpose, ByteView secret, Random& random) const;
  // Errors: wrong_passphrase (or changed bytes, or another purpose), other_passphrase_salt, not_a_key_file,
  // unknown_suite, too_long.
  Result<SecretBuffer> open(Label purpose, ByteView file) const;
  // The derived key itself, for seal.h under further labels.
  const PassphraseKey& key() const { return key_; }

 private:
  PassphraseBox(PassphraseKey key, PassphraseSalt salt, PassphraseParams params);
  PassphraseKey key_;
  PassphraseSalt salt_;
  PassphraseParams params_;
};

// One file alone. Errors: those of create and open.
Result<Bytes> seal_with_passphrase(std::string_view passphrase, Label purpose, ByteView secret, Random& random,
                                   PassphraseParams params = kPassphraseModerate);
Result<SecretBuffer> open_with_passphrase(std::string_view passphrase, Label purpose, ByteView file,
                                          PassphraseParams minimum = kPassphraseModerate);

}  // namespace tocsin::crypto
