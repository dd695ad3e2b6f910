// Ed25519 (RFC 8032), verified strictly (rule 1). What is signed is label (32 bytes) ‖ bytes (rule 4), at most 64 KiB
// with the label; longer things are hashed first. Parts are concatenated: see the note in hash.h.
#pragma once

#include <initializer_list>
#include <vector>

#include "crypto/bytes.h"
#include "crypto/purpose.h"
#include "crypto/random.h"
#include "crypto/secret.h"

namespace tocsin::crypto {

using VerifyKey = FixedBytes<struct VerifyKeyTag, 32>;              // of a root, node or feed
using AccessVerifyKey = FixedBytes<struct AccessVerifyKeyTag, 32>;  // public half of an epoch's access key (rule 35)
using Signature = FixedBytes<struct SignatureTag, 64>;

// Longest label ‖ message. Signing more is our own bug (assert); verifying more fails.
inline constexpr std::size_t kSignedBytesMax = 64 * 1024;

// A signing key pair of one kind: seed type and public type belong together and to no other pair.
template <class SeedType, class PublicType>
class Ed25519Key {
 public:
  static Ed25519Key generate(Random& random) { return from_seed(SeedType::random(random)); }
  static Ed25519Key from_seed(const SeedType& seed);

  const PublicType& verify_key() const { return verify_key_; }
  Signature sign(Label label, std::initializer_list<ByteView> parts) const;
  // For the key store; the only way out.
  SeedType seed() const;
  Ed25519Key clone() const { return from_seed(seed()); }

 private:
  using Expanded = Secret<Ed25519Key, 64>;  // seed ‖ public key, as libsodium wants it
  Ed25519Key(Expanded expanded, PublicType verify_key) : expanded_(std::move(expanded)), verify_key_(verify_key) {}
  Expanded expanded_;
  PublicType verify_key_;
};

using SigningKey = Ed25519Key<SigningSecret, VerifyKey>;
using AccessKey = Ed25519Key<AccessSecret, AccessVerifyKey>;
extern template class Ed25519Key<SigningSecret, VerifyKey>;
extern template class Ed25519Key<AccessSecret, AccessVerifyKey>;

// Rule 1 on raw bytes, without a label: for vectors and tools. False for a key or signature of a wrong size.
bool strict_verify(ByteView key, ByteView message, ByteView signature);

// Verifies, and remembers which public keys are good points, since that check costs as much as a verification. Bounded:
// 1,024 keys, the newest wins its place. One object for each thread.
class Verifier {
 public:
  Verifier();
  bool verify(const VerifyKey& key, Label label, std::initializer_list<ByteView> parts, const Signature& signature);
  bool verify(const AccessVerifyKey& key, Label label, std::initializer_list<ByteView> parts,
              const Signature& signature);

 private:
  struct Slot {
    std::array<std::uint8_t, 32> key{};
    bool used = false;  // an all-zero key is a small-order point: an empty place must not pass for it
  };
  bool verify_bytes(ByteView key, Label label, std::initializer_list<ByteView> parts, const Signature& signature);
  bool good_point(ByteView key);
  std::vector<Slot> good_points_;
  Bytes scratch_;  // label ‖ parts of the message at hand
};

}  // namespace tocsin::crypto
