#include "crypto/sign.h"

#include <sodium.h>

#include <cassert>

namespace tocsin::crypto {
namespace {

constexpr std::size_t kGoodPointSlots = 1024;

void join(Bytes& out, const Label& label, std::initializer_list<ByteView> parts) {
  out.assign(label.bytes.begin(), label.bytes.end());
  for (const ByteView part : parts) append(out, part);
}

std::size_t joined_size(std::initializer_list<ByteView> parts) {
  std::size_t size = Label{"x"}.bytes.size();
  for (const ByteView part : parts) size += part.size();
  return size;
}

bool is_valid_point(const std::uint8_t* point) { return crypto_core_ed25519_is_valid_point(point) == 1; }

// All of rule 1 but the check of A.
bool verify_but_key(const std::uint8_t* key, ByteView message, const std::uint8_t* signature) {
  return crypto_sign_verify_detached(signature, message.data(), message.size(), key) == 0 && is_valid_point(signature);
}

}  // namespace

template <class SeedType, class PublicType>
Ed25519Key<SeedType, PublicType> Ed25519Key<SeedType, PublicType>::from_seed(const SeedType& seed) {
  Expanded expanded = Expanded::zero();
  PublicType verify_key;
  crypto_sign_seed_keypair(verify_key.data(), expanded.mutable_view().data(), seed.view().data());
  return Ed25519Key(std::move(expanded), verify_key);
}

template <class SeedType, class PublicType>
Signature Ed25519Key<SeedType, PublicType>::sign(Label label, std::initializer_list<ByteView> parts) const {
  assert(joined_size(parts) <= kSignedBytesMax);
  Bytes message;
  join(message, label, parts);
  Signature out;
  crypto_sign_detached(out.data(), nullptr, message.data(), message.size(), expanded_.view().data());
  return out;
}

template <class SeedType, class PublicType>
SeedType Ed25519Key<SeedType, PublicType>::seed() const {
  SeedType out = SeedType::zero();
  crypto_sign_ed25519_sk_to_seed(out.mutable_view().data(), expanded_.view().data());
  return out;
}

template class Ed25519Key<SigningSecret, VerifyKey>;
template class Ed25519Key<AccessSecret, AccessVerifyKey>;

bool strict_verify(ByteView key, ByteView message, ByteView signature) {
  if (key.size() != VerifyKey::kSize || signature.size() != Signature::kSize) return false;
  return verify_but_key(key.data(), message, signature.data()) && is_valid_point(key.data());
}

Verifier::Verifier() : good_points_(kGoodPointSlots) {}

bool Verifier::verify(const VerifyKey& key, Label label, std::initializer_list<ByteView> parts,
                      const Signature& signature) {
  return verify_bytes(key.view(), label, parts, signature);
}

bool Verifier::verify(const AccessVerifyKey& key, Label label, std::initializer_list<ByteView> parts,
                      const Signature& signature) {
  return verify_bytes(key.view(), label, parts, signature);
}

bool Verifier::verify_bytes(ByteView key, Label label, std::initializer_list<ByteView> parts,
                            const Signature& signature) {
  if (joined_size(parts) > kSignedBytesMax) return false;
  join(scratch_, label, parts);
  return verify_but_key(key.data(), scratch_, signature.data()) && good_point(key);
}

bool Verifier::good_point(ByteView key) {
  Slot& slot = good_points_[load_le16(key.data()) % kGoodPointSlots];
  if (slot.used && std::equal(key.begin(), key.end(), slot.key.begin())) return true;
  if (!is_valid_point(key.data())) return false;
  std::copy(key.begin(), key.end(), slot.key.begin());
  slot.used = true;
  return true;
}

}  // namespace tocsin::crypto
