#include "crypto/sealer.h"

#include <cassert>

#include "crypto/aead.h"
#include "crypto/body.h"
#include "crypto/codes.h"
#include "crypto/hash.h"

namespace tocsin::crypto {

using namespace internal;

Sealer::Sealer(ByteView key, Label purpose) : use_key_(kKeySize) {
  assert(key.size() == kKeySize);
  Hasher(kPersonalSealKey, kKeySize, key).update(purpose.view()).finish(use_key_.mutable_view());
}

void Sealer::seal(ByteView associated, ByteView plaintext, Random& random, Bytes& out) const {
  assert(plaintext.size() <= kSealedValueMax);
  const std::size_t start = out.size();
  out.resize(start + kSealOverhead + plaintext.size());
  const MutableByteView value = MutableByteView(out).subspan(start);
  value[0] = kSuiteClassic;
  const MutableByteView nonce = value.subspan(1, kNonceSize);
  derive_nonce(nonce, use_key_.view(), kPersonalSealNonce, associated, plaintext, random);
  encrypt(value.subspan(1 + kNonceSize), plaintext, associated, nonce, use_key_.view());
}

Bytes Sealer::seal(ByteView associated, ByteView plaintext, Random& random) const {
  Bytes out;
  seal(associated, plaintext, random, out);
  return out;
}

Result<void> Sealer::open(ByteView associated, ByteView sealed, Bytes& out) const {
  out.clear();
  if (sealed.size() < kSealOverhead) return environment_error(kTooShort, "the sealed value is cut");
  if (sealed[0] != kSuiteClassic) return environment_error(kUnknownSuite, "suite " + std::to_string(sealed[0]));
  if (sealed.size() > kSealOverhead + kSealedValueMax) return environment_error(kTooLong, "above 16 MiB");
  out.resize(sealed.size() - kSealOverhead);
  if (!decrypt(out, sealed.subspan(1 + kNonceSize), associated, sealed.subspan(1, kNonceSize), use_key_.view())) {
    out.clear();
    return environment_error(kDecryptionFailed, "wrong key or place, or changed bytes");
  }
  return kOk;
}

}  // namespace tocsin::crypto
