// The secrets of a node, in two tiers (rule 48), in the folder keys/ of its home:
//
//   keyring   the two file keys, sealed under the passphrase: one Argon2id at a start
//   tier1     transport secret and store key, under the first file key. That key is also what the service manager may
//             hold as a credential, so that a restart opens this tier, and this one alone, without a person
//   tier2     what signs and reads: signing key, encryption key, prekeys by month, reading key; under the second key
//
// Formats, integers little-endian, each followed by a checksum:
//   keyring   key file of crypto/passphrase.h, label kLabelKeyring, over u8 1 ‖ file key 1 (32) ‖ file key 2 (32)
//   tier1     sealed value of crypto/seal.h, label kLabelTier1, of u8 1 ‖ transport secret (32) ‖ store key (32), or,
//   once the transport key was to be changed, of u8 2 ‖ transport secret (32) ‖ store key (32) ‖ other transport secret
//   (32) tier2     the same, label kLabelTier2, of u8 1 ‖ signing (32) ‖ encryption (32) ‖ reading key (32) ‖
//             u8 count ‖ count × (u32 month ‖ secret (32)), months rising
//   rotation  while keys are changed, and for some time after: sealed value, label kLabelRotation, under the second
//   key, of
//             u8 1 ‖ next signing (32) ‖ next encryption (32) ‖ encryption before (32); it is done once tier2 has them
//   root      key file, label kLabelRootKey, over u8 1 ‖ Ed25519 seed (32)
// Checksum: BLAKE2b-256 of what stands before it, personal kPersonalKeyFile. It protects nothing; it tells a damaged
// file from a wrong passphrase. An unknown first byte of a plaintext, or an unknown suite, is bad_key_file: made by a
// later version.
//
// Channels' epoch keys and feed keys are not here: they are records of the store, sealed by the protocol through
// Tier2::seal, so that they open only while the reading tier is unlocked.
#pragma once

#include <filesystem>
#include <map>
#include <optional>

#include "crypto/passphrase.h"
#include "crypto/seal.h"
#include "crypto/secret.h"
#include "protocol/node_secrets.h"

namespace tocsin::store {

using protocol::ReadingKey;
using Month = std::uint32_t;  // (year - 1970) * 12 + month - 1, UTC

inline constexpr std::size_t kPrekeysKeptMax = 64;  // twelve ahead, three behind (rule 32), and room for renewed lists

struct Tier1 {
  crypto::TransportSecret transport;
  crypto::StoreKey store;
  // The next one, until the organisation has certified it; the one before, after that. Which of the two is in use is
  // said by the organisation's log, so that no moment of a crash leaves a key in use that peers do not accept.
  std::optional<crypto::TransportSecret> transport_other = {};
  static Tier1 generate(crypto::Random& random);
};

// Keys that are to take the place of those in tier 2 once the organisation has certified them (rule 18); after that,
// where what was wrapped to the encryption key before still opens.
struct KeyRotation {
  crypto::SigningSecret signing;
  crypto::EncryptionSecret encryption;
  crypto::EncryptionSecret encryption_before;
  KeyRotation clone() const { return {signing.clone(), encryption.clone(), encryption_before.clone()}; }
};

class Tier2 {
 public:
  crypto::SigningSecret signing;
  crypto::EncryptionSecret encryption;
  std::map<Month, crypto::EncryptionSecret> prekeys;  // at most kPrekeysKeptMax
  ReadingKey reading;                                 // also for streams (the index snapshot) under labels of their own

  // Without prekeys.
  static Tier2 generate(crypto::Random& random);

  // For secret records: crypto::seal under the reading key. `associated` says where the value belongs.
  Bytes seal(crypto::Label purpose, ByteView associated, ByteView plaintext, crypto::Random& random) const;
  Result<crypto::SecretBuffer> open(crypto::Label purpose, ByteView associated, ByteView sealed) const;
};

// Move-only. Errors of all calls: kBadKeyFile (names the file), kFileMissing, kFileFailed, kDiskFull, kHomePermissions,
// kHomeNotOurs, and from Argon2id out_of_memory, weak_passphrase_params, costly_passphrase_params, too_long.
class Keystore {
 public:
  // Writes all three files, the keyring last. kKeysExist where there is a keyring.
  static Result<Keystore> create(const std::filesystem::path& folder, std::string_view passphrase, Tier1 tier1,
                                 Tier2 tier2, crypto::Random& random,
                                 crypto::PassphraseParams params = crypto::kPassphraseModerate);

  // One Argon2id. crypto::kWrongPassphrase. `minimum` is for tests alone.
  static Result<Keystore> open(const std::filesystem::path& folder, std::string_view passphrase,
                               crypto::PassphraseParams minimum = crypto::kPassphraseModerate);
  // With what credential() gave: tier 1 alone, locked. kWrongCredential.
  static Result<Keystore> open_locked(const std::filesystem::path& folder, ByteView credential);

  const Tier1& tier1() const { return tier1_; }
  // nullptr while locked.
  const Tier2* tier2() const { return tier2_ ? &*tier2_ : nullptr; }
  bool locked() const { return !tier2_; }

  // Replaces the whole first tier, first on disk; locked, too.
  Result<void> save_tier1(Tier1 tier1, crypto::Random& random);
  // Replaces the whole reading tier, first on disk. kKeysLocked.
  Result<void> save_tier2(Tier2 tier2, crypto::Random& random);
  // Nothing: none was begun, or the last one is long done. kKeysLocked.
  Result<std::optional<KeyRotation>> rotation() const;
  // Replaces the file. kKeysLocked.
  Result<void> save_rotation(const KeyRotation& rotation, crypto::Random& random);
  // Forgets the reading tier now.
  void lock();
  // Gives the reading tier back. The first half takes half a second, touches no keystore and may run on any thread.
  class Second;
  static Result<Second> open_second(const std::filesystem::path& folder, std::string_view passphrase,
                                    crypto::PassphraseParams minimum = crypto::kPassphraseModerate);
  void unlock(Second second);
  // Seals the file keys anew; the tiers stay as they are, so whoever has an old copy of the keyring and the old
  // passphrase still opens them. crypto::kWrongPassphrase, kKeysLocked.
  Result<void> change_passphrase(std::string_view passphrase, crypto::Random& random,
                                 crypto::PassphraseParams params = crypto::kPassphraseModerate);

  // For the service manager: u8 1 ‖ file key 1. Whoever holds it and the disk sees who shares, never what (rule 48).
  crypto::SecretBuffer credential() const;

 private:
  using FileKey = crypto::Secret<struct FileKeyTag, 32>;
  struct FileKeys {
    FileKey first;
    FileKey second;
  };
  Keystore(std::filesystem::path folder, FileKey first, std::optional<FileKey> second, Tier1 tier1,
           std::optional<Tier2> tier2);
  static Result<FileKeys> open_keyring(const std::filesystem::path& folder, std::string_view passphrase,
                                       crypto::PassphraseParams minimum);
  static Result<void> write_keyring(const std::filesystem::path& folder, std::string_view passphrase,
                                    const FileKey& first, const FileKey& second, crypto::Random& random,
                                    crypto::PassphraseParams params);
  static Result<Tier1> read_tier1(const std::filesystem::path& folder, const FileKey& key);
  static Result<Tier2> read_tier2(const std::filesystem::path& folder, const FileKey& key);

  std::filesystem::path folder_;
  FileKey first_;
  std::optional<FileKey> second_;  // held as long as tier 2 is
  Tier1 tier1_;
  std::optional<Tier2> tier2_;
};

class Keystore::Second {
 private:
  friend class Keystore;
  Second(FileKey key, Tier2 tier2) : key_(std::move(key)), tier2_(std::move(tier2)) {}
  FileKey key_;
  Tier2 tier2_;
};

// Root keys of an organisation: files apart, each with a passphrase of its own (rule 17). `path` is never overwritten
// (kKeysExist).
Result<void> write_root_key(const std::filesystem::path& path, std::string_view passphrase,
                            const crypto::SigningSecret& seed, crypto::Random& random,
                            crypto::PassphraseParams params = crypto::kPassphraseModerate);
Result<crypto::SigningSecret> read_root_key(const std::filesystem::path& path, std::string_view passphrase,
                                            crypto::PassphraseParams minimum = crypto::kPassphraseModerate);

}  // namespace tocsin::store
