#include "crypto/dh.h"

#include <sodium.h>

#include <cassert>

#include "crypto/codes.h"

namespace tocsin::crypto {
namespace {

template <class SecretType, class PublicType>
Result<SharedSecret> shared_secret(const SecretType& ours, const PublicType& theirs) {
  SharedSecret out = SharedSecret::zero();
  TOCSIN_TRY(x25519_into(out.mutable_view(), ours.view(), theirs.view()));
  return out;
}

Result<void> check_canonical(ByteView key) {
  if (!is_canonical_x25519(key)) return peer_error(kNonCanonicalKey, "the public key is not in its one canonical form");
  return kOk;
}

}  // namespace

bool is_canonical_x25519(ByteView key) {
  if (key.size() != 32 || key[31] > 0x7f) return false;
  // p = 2^255 - 19 is ed ff … ff 7f in little-endian: every key with another byte than ff between the ends is below it.
  if (key[31] != 0x7f) return true;
  for (std::size_t i = 1; i < 31; ++i) {
    if (key[i] != 0xff) return true;
  }
  return key[0] < 0xed;
}

Result<void> check_public(const TransportPublic& key) { return check_canonical(key.view()); }
Result<void> check_public(const EncryptionPublic& key) { return check_canonical(key.view()); }

template <class SecretType, class PublicType>
X25519KeyPair<SecretType, PublicType> X25519KeyPair<SecretType, PublicType>::from_secret(SecretType secret) {
  PublicType public_key;
  crypto_scalarmult_base(public_key.data(), secret.view().data());
  return X25519KeyPair(std::move(secret), public_key);
}

template class X25519KeyPair<TransportSecret, TransportPublic>;
template class X25519KeyPair<EncryptionSecret, EncryptionPublic>;

Result<void> x25519_into(MutableByteView out, ByteView secret, ByteView theirs) {
  assert(out.size() == 32 && secret.size() == 32 && theirs.size() == 32);
  wipe(out);
  TOCSIN_TRY(check_canonical(theirs));
  if (crypto_scalarmult(out.data(), secret.data(), theirs.data()) != 0) {
    wipe(out);
    return peer_error(kAllZeroResult, "the public key is a point of small order");
  }
  return kOk;
}

Result<SharedSecret> diffie_hellman(const TransportSecret& ours, const TransportPublic& theirs) {
  return shared_secret(ours, theirs);
}

Result<SharedSecret> diffie_hellman(const EncryptionSecret& ours, const EncryptionPublic& theirs) {
  return shared_secret(ours, theirs);
}

}  // namespace tocsin::crypto
