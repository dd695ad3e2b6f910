#include "crypto/passphrase.h"

#include <sodium.h>

#include <cassert>

#include "crypto/aead.h"
#include "crypto/body.h"
#include "crypto/codes.h"
#include "crypto/hash.h"

namespace tocsin::crypto {
namespace {

using namespace internal;

constexpr std::size_t kKeyFileSuiteAt = kPassphraseFileMagic.size();
constexpr std::size_t kOpsAt = kKeyFileSuiteAt + 1;
constexpr std::size_t kMemAt = kOpsAt + 4;
constexpr std::size_t kKeyFileSaltAt = kMemAt + 4;
constexpr std::size_t kKeyFileNonceAt = kKeyFileSaltAt + kPassphraseSaltSize;
constexpr std::size_t kKeyFileCiphertextAt = kKeyFileNonceAt + kNonceSize;
static_assert(kKeyFileNonceAt == kPassphraseFileHeader && kKeyFileCiphertextAt + kTagSize == kPassphraseFileOverhead);
static_assert(kPassphraseModerate.ops == crypto_pwhash_argon2id_OPSLIMIT_MODERATE);
static_assert(std::size_t{kPassphraseModerate.mem_kib} * 1024 == crypto_pwhash_argon2id_MEMLIMIT_MODERATE);
static_assert(kPassphraseSaltSize == crypto_pwhash_argon2id_SALTBYTES);

struct FileHeader {
  PassphraseParams params;
  PassphraseSalt salt;
};

Result<FileHeader> read_header(ByteView file) {
  if (file.size() < kPassphraseFileMagic.size() + 1 ||
      as_text(file.first(kPassphraseFileMagic.size())) != kPassphraseFileMagic) {
    return caller_error(kNotAKeyFile, "this is not a key file of Tocsin");
  }
  if (file[kKeyFileSuiteAt] != kSuiteClassic) {
    return caller_error(kUnknownSuite,
                        "suite " + std::to_string(file[kKeyFileSuiteAt]) + ": a newer version is needed");
  }
  if (file.size() < kPassphraseFileOverhead) return caller_error(kNotAKeyFile, "the key file is cut");
  if (file.size() > kPassphraseFileOverhead + kPassphraseSecretMax) {
    return caller_error(kTooLong, "the key file is longer than any of ours");
  }
  return FileHeader{{load_le32(file.data() + kOpsAt), load_le32(file.data() + kMemAt)},
                    *PassphraseSalt::from(file.subspan(kKeyFileSaltAt, kPassphraseSaltSize))};
}

Result<void> check_params(PassphraseParams params) {
  if (params.mem_kib > kPassphraseMemKibMax || params.ops > kPassphraseOpsMax) {
    return caller_error(kCostlyPassphraseParams, "more than 1 GiB of memory or 16 passes are asked for");
  }
  if (params.ops < crypto_pwhash_argon2id_OPSLIMIT_MIN ||
      std::size_t{params.mem_kib} * 1024 < crypto_pwhash_argon2id_MEMLIMIT_MIN) {
    return caller_error(kWeakPassphraseParams, "below what Argon2id allows");
  }
  return kOk;
}

SecretBuffer file_key(const PassphraseKey& key, const Label& purpose) {
  SecretBuffer out(kKeySize);
  Hasher(kPersonalSealKey, kKeySize, key.view()).update(purpose.view()).finish(out.mutable_view());
  return out;
}

}  // namespace

PassphraseBox::PassphraseBox(PassphraseKey key, PassphraseSalt salt, PassphraseParams params)
    : key_(std::move(key)), salt_(salt), params_(params) {}

Result<PassphraseBox> PassphraseBox::derive(std::string_view passphrase, const PassphraseSalt& salt,
                                            PassphraseParams params) {
  TOCSIN_TRY(check_params(params));
  if (passphrase.size() > kPassphraseLengthMax) return caller_error(kTooLong, "a passphrase has at most 4,096 bytes");
  PassphraseKey key = PassphraseKey::zero();
  const char* text = passphrase.empty() ? "" : passphrase.data();  // never null for the library
  if (crypto_pwhash_argon2id(key.mutable_view().data(), PassphraseKey::kSize, text, passphrase.size(), salt.data(),
                             params.ops, std::size_t{params.mem_kib} * 1024,
                             crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
    return environment_error(kOutOfMemory, "no " + std::to_string(params.mem_kib) + " KiB free to check a passphrase");
  }
  return PassphraseBox(std::move(key), salt, params);
}

Result<PassphraseBox> PassphraseBox::create(std::string_view passphrase, Random& random, PassphraseParams params) {
  return derive(passphrase, random_fixed<PassphraseSalt>(random), params);
}

Result<PassphraseBox> PassphraseBox::for_file(std::string_view passphrase, ByteView file, PassphraseParams minimum) {
  TOCSIN_ASSIGN(header, read_header(file));
  if (header.params.ops < minimum.ops || header.params.mem_kib < minimum.mem_kib) {
    return caller_error(kWeakPassphraseParams, "the key file asks for less work than is safe");
  }
  return derive(passphrase, header.salt, header.params);
}

Bytes PassphraseBox::seal(Label purpose, ByteView secret, Random& random) const {
  assert(secret.size() <= kPassphraseSecretMax);
  Bytes file(kPassphraseFileOverhead + secret.size());
  std::copy(kPassphraseFileMagic.begin(), kPassphraseFileMagic.end(), file.begin());
  file[kKeyFileSuiteAt] = kSuiteClassic;
  store_le32(file.data() + kOpsAt, params_.ops);
  store_le32(file.data() + kMemAt, params_.mem_kib);
  std::copy(salt_.bytes().begin(), salt_.bytes().end(), file.begin() + kKeyFileSaltAt);
  const SecretBuffer use_key = file_key(key_, purpose);
  const ByteView header = ByteView(file).first(kPassphraseFileHeader);
  const MutableByteView nonce = MutableByteView(file).subspan(kKeyFileNonceAt, kNonceSize);
  derive_nonce(nonce, use_key.view(), kPersonalSealNonce, header, secret, random);
  encrypt(MutableByteView(file).subspan(kKeyFileCiphertextAt), secret, header, nonce, use_key.view());
  return file;
}

Result<SecretBuffer> PassphraseBox::open(Label purpose, ByteView file) const {
  TOCSIN_ASSIGN(header, read_header(file));
  if (header.salt != salt_ || header.params != params_) {
    return caller_error(kOtherPassphraseSalt, "the key file is not of this home, or its header was changed");
  }
  const SecretBuffer use_key = file_key(key_, purpose);
  SecretBuffer out(file.size() - kPassphraseFileOverhead);
  if (!decrypt(out.mutable_view(), file.subspan(kKeyFileCiphertextAt), file.first(kPassphraseFileHeader),
               file.subspan(kKeyFileNonceAt, kNonceSize), use_key.view())) {
    return caller_error(kWrongPassphrase, "the passphrase is wrong, or the key file was changed");
  }
  return out;
}

Result<Bytes> seal_with_passphrase(std::string_view passphrase, Label purpose, ByteView secret, Random& random,
                                   PassphraseParams params) {
  TOCSIN_ASSIGN(box, PassphraseBox::create(passphrase, random, params));
  return box.seal(purpose, secret, random);
}

Result<SecretBuffer> open_with_passphrase(std::string_view passphrase, Label purpose, ByteView file,
                                          PassphraseParams minimum) {
  TOCSIN_ASSIGN(box, PassphraseBox::for_file(passphrase, file, minimum));
  return box.open(purpose, file);
}

}  // namespace tocsin::crypto
