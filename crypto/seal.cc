#include "crypto/seal.h"

#include <cassert>

#include "crypto/aead.h"
#include "crypto/body.h"
#include "crypto/codes.h"
#include "crypto/hash.h"

namespace tocsin::crypto {
namespace {

using namespace internal;

constexpr std::size_t kSealNonceAt = 1;
constexpr std::size_t kSealCiphertextAt = kSealNonceAt + kNonceSize;
static_assert(kSealCiphertextAt + kTagSize == kSealOverhead);

SecretBuffer derive_key(ByteView key, Personal personal, const Label& purpose, ByteView associated) {
  assert(key.size() == kKeySize);
  SecretBuffer out(kKeySize);
  Hasher(personal, kKeySize, key).update(purpose.view()).update(associated).finish(out.mutable_view());
  return out;
}

Result<void> check_sealed(ByteView sealed) {
  if (sealed.empty()) return environment_error(kTooShort, "the sealed value is empty");
  if (sealed[0] != kSuiteClassic) return environment_error(kUnknownSuite, "suite " + std::to_string(sealed[0]));
  if (sealed.size() < kSealOverhead) return environment_error(kTooShort, "the sealed value is cut");
  if (sealed.size() > kSealOverhead + kSealedValueMax) return environment_error(kTooLong, "above 16 MiB");
  return kOk;
}

Result<void> open_into(MutableByteView out, ByteView key, const Label& purpose, ByteView associated, ByteView sealed) {
  const SecretBuffer use_key = derive_key(key, kPersonalSealKey, purpose, {});
  if (!decrypt(out, sealed.subspan(kSealCiphertextAt), associated, sealed.subspan(kSealNonceAt, kNonceSize),
               use_key.view())) {
    return environment_error(kDecryptionFailed, "wrong key or place, or changed bytes");
  }
  return kOk;
}

}  // namespace

Bytes seal(ByteView key, Label purpose, ByteView associated, ByteView plaintext, Random& random) {
  assert(plaintext.size() <= kSealedValueMax);
  const SecretBuffer use_key = derive_key(key, kPersonalSealKey, purpose, {});
  Bytes out(kSealOverhead + plaintext.size());
  out[0] = kSuiteClassic;
  const MutableByteView nonce = MutableByteView(out).subspan(kSealNonceAt, kNonceSize);
  derive_nonce(nonce, use_key.view(), kPersonalSealNonce, associated, plaintext, random);
  encrypt(MutableByteView(out).subspan(kSealCiphertextAt), plaintext, associated, nonce, use_key.view());
  return out;
}

Bytes seal(const StoreKey& key, Label purpose, ByteView associated, ByteView plaintext, Random& random) {
  return seal(key.view(), purpose, associated, plaintext, random);
}

Result<Bytes> open(ByteView key, Label purpose, ByteView associated, ByteView sealed) {
  TOCSIN_TRY(check_sealed(sealed));
  Bytes out(sealed.size() - kSealOverhead);
  TOCSIN_TRY(open_into(out, key, purpose, associated, sealed));
  return out;
}

Result<Bytes> open(const StoreKey& key, Label purpose, ByteView associated, ByteView sealed) {
  return open(key.view(), purpose, associated, sealed);
}

Result<SecretBuffer> open_secret(ByteView key, Label purpose, ByteView associated, ByteView sealed) {
  TOCSIN_TRY(check_sealed(sealed));
  SecretBuffer out(sealed.size() - kSealOverhead);
  TOCSIN_TRY(open_into(out.mutable_view(), key, purpose, associated, sealed));
  return out;
}

}  // namespace tocsin::crypto
