#include "node/store/keystore.h"

#include <cassert>

#include "crypto/codes.h"
#include "crypto/hash.h"
#include "node/store/codes.h"
#include "node/store/files.h"

namespace tocsin::store {
namespace {

namespace fs = std::filesystem;
using crypto::SecretBuffer;

constexpr std::uint8_t kFormat = 1;       // first byte of every plaintext
constexpr std::uint8_t kFormatTier1 = 2;  // but of a tier1 with two transport keys: a program that does not know of the
                                          // second would go on under the wrong one
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kPrekeyBytes = 4 + kKeyBytes;
constexpr std::size_t kKeyringBytes = 1 + 2 * kKeyBytes;
constexpr std::size_t kTier1Bytes = 1 + 2 * kKeyBytes;
constexpr std::size_t kTier1BytesOfTwo = kTier1Bytes + kKeyBytes;
constexpr std::size_t kTier2FixedBytes = 1 + 3 * kKeyBytes + 1;
constexpr std::size_t kRootBytes = 1 + kKeyBytes;
constexpr std::size_t kRotationBytes = 1 + 3 * kKeyBytes;
constexpr std::size_t kKeyFileMax = 8192;  // above the largest tier2
static_assert(kTier2FixedBytes + kPrekeysKeptMax * kPrekeyBytes + crypto::kSealOverhead + crypto::Hash::kSize <
              kKeyFileMax);
static_assert(kPrekeysKeptMax <= 255);

Error bad_file(const fs::path& path, std::string_view why) {
  return environment_error(kBadKeyFile, path.string() + " " + std::string(why));
}

// ---- Files with a checksum at the end

Result<void> write_checked(const fs::path& path, Bytes content) {
  append(content, crypto::hash256(crypto::kPersonalKeyFile, {content}).view());
  return write_file(path, content);
}

enum class Place { kHome, kAnywhere };

Result<Bytes> read_checked(const fs::path& path, Place place = Place::kHome) {
  Result<Bytes> file = place == Place::kHome ? read_private_file(path, kKeyFileMax) : read_file(path, kKeyFileMax);
  if (!file) {
    if (file.error().code == kFileTooLarge) return bad_file(path, "is too long for a key file");
    return file.error();
  }
  if (file->size() < crypto::Hash::kSize) return bad_file(path, "is cut; put it back from a copy");
  const std::size_t size = file->size() - crypto::Hash::kSize;
  const crypto::Hash sum = crypto::hash256(crypto::kPersonalKeyFile, {ByteView(*file).first(size)});
  if (*crypto::Hash::from(ByteView(*file).subspan(size)) != sum) {
    return bad_file(path, "is damaged; put it back from a copy");
  }
  file->resize(size);
  return file;
}

// What an intact file that does not open means: passphrase and cost are the person's matter, the rest is the file's.
Error key_file_error(const fs::path& path, const Error& error) {
  if (error.code == crypto::kNotAKeyFile || error.code == crypto::kUnknownSuite || error.code == crypto::kTooShort) {
    return bad_file(path, "is no key file of this version: " + error.detail);
  }
  return error;
}

// ---- Building and taking apart plaintexts in secret memory

class SecretWriter {
 public:
  explicit SecretWriter(std::size_t size) : buffer_(size) {}
  void byte(std::uint8_t value) { buffer_.mutable_view()[at_++] = value; }
  void number(std::uint32_t value) {
    store_le32(&buffer_.mutable_view()[at_], value);
    at_ += 4;
  }
  void bytes(ByteView bytes) {
    std::copy(bytes.begin(), bytes.end(), buffer_.mutable_view().begin() + static_cast<std::ptrdiff_t>(at_));
    at_ += bytes.size();
  }
  ByteView done() const {
    assert(at_ == buffer_.size());
    return buffer_.view();
  }

 private:
  SecretBuffer buffer_;
  std::size_t at_ = 0;
};

template <class Key>
Key key_at(const SecretBuffer& plain, std::size_t at) {
  return *Key::from(plain.view().subspan(at, Key::kSize));
}

Result<void> check_format(const SecretBuffer& plain, std::size_t size_min, const fs::path& path) {
  if (plain.size() < size_min || plain.view()[0] != kFormat) return bad_file(path, "was made by another version");
  return kOk;
}

Bytes seal_tier1(ByteView key, const Tier1& tier1, crypto::Random& random) {
  SecretWriter out(tier1.transport_other ? kTier1BytesOfTwo : kTier1Bytes);
  out.byte(tier1.transport_other ? kFormatTier1 : kFormat);
  out.bytes(tier1.transport.view());
  out.bytes(tier1.store.view());
  if (tier1.transport_other) out.bytes(tier1.transport_other->view());
  return crypto::seal(key, crypto::kLabelTier1, {}, out.done(), random);
}

Bytes seal_tier2(ByteView key, const Tier2& tier2, crypto::Random& random) {
  assert(tier2.prekeys.size() <= kPrekeysKeptMax);
  SecretWriter out(kTier2FixedBytes + tier2.prekeys.size() * kPrekeyBytes);
  out.byte(kFormat);
  out.bytes(tier2.signing.view());
  out.bytes(tier2.encryption.view());
  out.bytes(tier2.reading.view());
  out.byte(static_cast<std::uint8_t>(tier2.prekeys.size()));
  for (const auto& [month, secret] : tier2.prekeys) {
    out.number(month);
    out.bytes(secret.view());
  }
  return crypto::seal(key, crypto::kLabelTier2, {}, out.done(), random);
}

Result<SecretBuffer> open_file(const fs::path& path, ByteView key, crypto::Label label) {
  TOCSIN_ASSIGN(file, read_checked(path));
  Result<SecretBuffer> plain = crypto::open_secret(key, label, {}, file);
  if (!plain) return bad_file(path, "does not open: it belongs to another home, or was changed");
  return plain;
}

}  // namespace

Tier1 Tier1::generate(crypto::Random& random) {
  return {crypto::TransportSecret::random(random), crypto::StoreKey::random(random), std::nullopt};
}

Tier2 Tier2::generate(crypto::Random& random) {
  return {
      crypto::SigningSecret::random(random), crypto::EncryptionSecret::random(random), {}, ReadingKey::random(random)};
}

Bytes Tier2::seal(crypto::Label purpose, ByteView associated, ByteView plaintext, crypto::Random& random) const {
  return crypto::seal(reading.view(), purpose, associated, plaintext, random);
}

Result<SecretBuffer> Tier2::open(crypto::Label purpose, ByteView associated, ByteView sealed) const {
  return crypto::open_secret(reading.view(), purpose, associated, sealed);
}

Keystore::Keystore(fs::path folder, FileKey first, std::optional<FileKey> second, Tier1 tier1,
                   std::optional<Tier2> tier2)
    : folder_(std::move(folder)),
      first_(std::move(first)),
      second_(std::move(second)),
      tier1_(std::move(tier1)),
      tier2_(std::move(tier2)) {}

Result<Keystore> Keystore::create(const fs::path& folder, std::string_view passphrase, Tier1 tier1, Tier2 tier2,
                                  crypto::Random& random, crypto::PassphraseParams params) {
  TOCSIN_TRY(check_private_folder(folder));
  std::error_code error;
  if (fs::exists(folder / "keyring", error)) {
    return caller_error(kKeysExist, (folder / "keyring").string() + " is there already");
  }
  FileKey first = FileKey::random(random);
  FileKey second = FileKey::random(random);
  TOCSIN_TRY(write_checked(folder / "tier1", seal_tier1(first.view(), tier1, random)));
  TOCSIN_TRY(write_checked(folder / "tier2", seal_tier2(second.view(), tier2, random)));
  TOCSIN_TRY(write_keyring(folder, passphrase, first, second, random, params));
  return Keystore(folder, std::move(first), std::move(second), std::move(tier1), std::move(tier2));
}

Result<Keystore> Keystore::open(const fs::path& folder, std::string_view passphrase, crypto::PassphraseParams minimum) {
  TOCSIN_ASSIGN(keys, open_keyring(folder, passphrase, minimum));
  TOCSIN_ASSIGN(tier1, read_tier1(folder, keys.first));
  TOCSIN_ASSIGN(tier2, read_tier2(folder, keys.second));
  return Keystore(folder, std::move(keys.first), std::move(keys.second), std::move(tier1), std::move(tier2));
}

Result<Keystore> Keystore::open_locked(const fs::path& folder, ByteView credential) {
  if (credential.size() != 1 + FileKey::kSize || credential[0] != kFormat) {
    return caller_error(kWrongCredential, "this is no storage credential of tocsin");
  }
  FileKey first = *FileKey::from(credential.subspan(1));
  // An intact file that does not open: the credential is of another home, since nothing else opens this file.
  TOCSIN_TRY(check_private_folder(folder));
  TOCSIN_ASSIGN(file, read_checked(folder / "tier1"));
  if (!crypto::open_secret(first.view(), crypto::kLabelTier1, {}, file)) {
    return caller_error(kWrongCredential, "the storage credential does not open this home; make it again");
  }
  TOCSIN_ASSIGN(tier1, read_tier1(folder, first));
  return Keystore(folder, std::move(first), std::nullopt, std::move(tier1), std::nullopt);
}

Result<void> Keystore::save_tier1(Tier1 tier1, crypto::Random& random) {
  TOCSIN_TRY(write_checked(folder_ / "tier1", seal_tier1(first_.view(), tier1, random)));
  tier1_ = std::move(tier1);
  return kOk;
}

Result<void> Keystore::save_tier2(Tier2 tier2, crypto::Random& random) {
  if (locked()) return caller_error(kKeysLocked, "the node is locked; unlock it first");
  TOCSIN_TRY(write_checked(folder_ / "tier2", seal_tier2(second_->view(), tier2, random)));
  tier2_ = std::move(tier2);
  return kOk;
}

Result<std::optional<KeyRotation>> Keystore::rotation() const {
  if (locked()) return caller_error(kKeysLocked, "the node is locked; unlock it first");
  const fs::path path = folder_ / "rotation";
  std::error_code error;
  if (!fs::exists(path, error)) return std::optional<KeyRotation>();
  TOCSIN_ASSIGN(plain, open_file(path, second_->view(), crypto::kLabelRotation));
  TOCSIN_TRY(check_format(plain, kRotationBytes, path));
  return std::optional<KeyRotation>(KeyRotation{key_at<crypto::SigningSecret>(plain, 1),
                                                key_at<crypto::EncryptionSecret>(plain, 1 + kKeyBytes),
                                                key_at<crypto::EncryptionSecret>(plain, 1 + 2 * kKeyBytes)});
}

Result<void> Keystore::save_rotation(const KeyRotation& rotation, crypto::Random& random) {
  if (locked()) return caller_error(kKeysLocked, "the node is locked; unlock it first");
  SecretWriter out(kRotationBytes);
  out.byte(kFormat);
  out.bytes(rotation.signing.view());
  out.bytes(rotation.encryption.view());
  out.bytes(rotation.encryption_before.view());
  return write_checked(folder_ / "rotation",
                       crypto::seal(second_->view(), crypto::kLabelRotation, {}, out.done(), random));
}

void Keystore::lock() {
  tier2_.reset();
  second_.reset();
}

Result<Keystore::Second> Keystore::open_second(const fs::path& folder, std::string_view passphrase,
                                               crypto::PassphraseParams minimum) {
  TOCSIN_ASSIGN(keys, open_keyring(folder, passphrase, minimum));
  TOCSIN_ASSIGN(tier2, read_tier2(folder, keys.second));
  return Second(std::move(keys.second), std::move(tier2));
}

void Keystore::unlock(Second second) {
  second_ = std::move(second.key_);
  tier2_ = std::move(second.tier2_);
}

Result<void> Keystore::change_passphrase(std::string_view passphrase, crypto::Random& random,
                                         crypto::PassphraseParams params) {
  if (locked()) return caller_error(kKeysLocked, "the node is locked; unlock it first");
  return write_keyring(folder_, passphrase, first_, *second_, random, params);
}

SecretBuffer Keystore::credential() const {
  SecretBuffer out(1 + FileKey::kSize);
  out.mutable_view()[0] = kFormat;
  std::copy(first_.view().begin(), first_.view().end(), out.mutable_view().begin() + 1);
  return out;
}

Result<Keystore::FileKeys> Keystore::open_keyring(const fs::path& folder, std::string_view passphrase,
                                                  crypto::PassphraseParams minimum) {
  TOCSIN_TRY(check_private_folder(folder));
  const fs::path path = folder / "keyring";
  TOCSIN_ASSIGN(file, read_checked(path));
  Result<SecretBuffer> plain = crypto::open_with_passphrase(passphrase, crypto::kLabelKeyring, file, minimum);
  if (!plain) return key_file_error(path, plain.error());
  TOCSIN_TRY(check_format(*plain, kKeyringBytes, path));
  return FileKeys{key_at<FileKey>(*plain, 1), key_at<FileKey>(*plain, 1 + kKeyBytes)};
}

Result<void> Keystore::write_keyring(const fs::path& folder, std::string_view passphrase, const FileKey& first,
                                     const FileKey& second, crypto::Random& random, crypto::PassphraseParams params) {
  SecretWriter out(kKeyringBytes);
  out.byte(kFormat);
  out.bytes(first.view());
  out.bytes(second.view());
  TOCSIN_ASSIGN(file, crypto::seal_with_passphrase(passphrase, crypto::kLabelKeyring, out.done(), random, params));
  return write_checked(folder / "keyring", std::move(file));
}

Result<Tier1> Keystore::read_tier1(const fs::path& folder, const FileKey& key) {
  const fs::path path = folder / "tier1";
  TOCSIN_ASSIGN(plain, open_file(path, key.view(), crypto::kLabelTier1));
  const bool two = plain.size() == kTier1BytesOfTwo && plain.view()[0] == kFormatTier1;
  if (!two) TOCSIN_TRY(check_format(plain, kTier1Bytes, path));
  Tier1 tier1{key_at<crypto::TransportSecret>(plain, 1), key_at<crypto::StoreKey>(plain, 1 + kKeyBytes)};
  if (two) tier1.transport_other = key_at<crypto::TransportSecret>(plain, 1 + 2 * kKeyBytes);
  return tier1;
}

Result<Tier2> Keystore::read_tier2(const fs::path& folder, const FileKey& key) {
  const fs::path path = folder / "tier2";
  TOCSIN_ASSIGN(plain, open_file(path, key.view(), crypto::kLabelTier2));
  TOCSIN_TRY(check_format(plain, kTier2FixedBytes, path));
  const std::size_t count = plain.view()[kTier2FixedBytes - 1];
  if (count > kPrekeysKeptMax || plain.size() != kTier2FixedBytes + count * kPrekeyBytes) {
    return bad_file(path, "was made by another version");
  }
  Tier2 tier2{key_at<crypto::SigningSecret>(plain, 1),
              key_at<crypto::EncryptionSecret>(plain, 1 + kKeyBytes),
              {},
              key_at<ReadingKey>(plain, 1 + 2 * kKeyBytes)};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = kTier2FixedBytes + i * kPrekeyBytes;
    const Month month = load_le32(&plain.view()[at]);
    if (!tier2.prekeys.empty() && month <= tier2.prekeys.rbegin()->first) {
      return bad_file(path, "lists its prekeys out of order");
    }
    tier2.prekeys.emplace(month, key_at<crypto::EncryptionSecret>(plain, at + 4));
  }
  return tier2;
}

Result<void> write_root_key(const fs::path& path, std::string_view passphrase, const crypto::SigningSecret& seed,
                            crypto::Random& random, crypto::PassphraseParams params) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(path, error))) {
    return caller_error(kKeysExist, path.string() + " is there already; a root key is never overwritten");
  }
  SecretWriter out(kRootBytes);
  out.byte(kFormat);
  out.bytes(seed.view());
  TOCSIN_ASSIGN(file, crypto::seal_with_passphrase(passphrase, crypto::kLabelRootKey, out.done(), random, params));
  return write_checked(path, std::move(file));
}

Result<crypto::SigningSecret> read_root_key(const fs::path& path, std::string_view passphrase,
                                            crypto::PassphraseParams minimum) {
  // No look at the permissions: root keys live on sticks, whose file systems often have none.
  TOCSIN_ASSIGN(file, read_checked(path, Place::kAnywhere));
  Result<SecretBuffer> plain = crypto::open_with_passphrase(passphrase, crypto::kLabelRootKey, file, minimum);
  if (!plain) return key_file_error(path, plain.error());
  TOCSIN_TRY(check_format(*plain, kRootBytes, path));
  return key_at<crypto::SigningSecret>(*plain, 1);
}

}  // namespace tocsin::store
