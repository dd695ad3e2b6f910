// Secret bytes in sodium_malloc memory (rule 49): guard pages around it, not swapped where the system allows it, left
// out of core dumps; zeroed when a secret ends. Secrets of up to 512 bytes share guarded regions and are cheap to make;
// bulk work still derives into one of these again and again (see BodyOpener), never one for each entry. Any thread may
// make and end secrets.
//
// Rule 3: every use has its own type. Two Secret types do not convert into each other; a moved-from one holds nothing
// and may only be destroyed or assigned to.
#pragma once

#include <cassert>
#include <cstddef>

#include "crypto/bytes.h"
#include "crypto/random.h"

namespace tocsin::crypto {

// True when both hold the same bytes; time depends on the sizes alone.
bool constant_time_equal(ByteView a, ByteView b);
// Overwrites `bytes` in a way that the compiler does not leave out.
void wipe(MutableByteView bytes);

// Secret bytes of a size known at run time. Move-only.
class SecretBuffer {
 public:
  SecretBuffer() = default;  // empty
  // `size` zero bytes. Throws std::bad_alloc when the system has no memory left.
  explicit SecretBuffer(std::size_t size);
  static SecretBuffer copy_of(ByteView bytes);
  SecretBuffer(SecretBuffer&& other) noexcept;
  SecretBuffer& operator=(SecretBuffer&& other) noexcept;
  SecretBuffer(const SecretBuffer&) = delete;
  SecretBuffer& operator=(const SecretBuffer&) = delete;
  ~SecretBuffer();

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  ByteView view() const { return {data_, size_}; }
  MutableByteView mutable_view() { return {data_, size_}; }
  SecretBuffer clone() const { return copy_of(view()); }
  bool equal(ByteView other) const { return constant_time_equal(view(), other); }
  // Zeroes and frees now.
  void reset();

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// N secret bytes of one use. Move-only; made by random(), from() or zero().
template <class Tag, std::size_t N>
class Secret {
 public:
  static constexpr std::size_t kSize = N;

  static Secret random(Random& random) {
    Secret out{SecretBuffer(N)};
    random.fill(out.mutable_view());
    return out;
  }
  // Nothing when `bytes` is not exactly N long.
  static std::optional<Secret> from(ByteView bytes) {
    if (bytes.size() != N) return std::nullopt;
    return Secret{SecretBuffer::copy_of(bytes)};
  }
  // N zero bytes: a place to derive into, and the pair key of a pair that has set none (rule 42).
  static Secret zero() { return Secret{SecretBuffer(N)}; }

  ByteView view() const {
    assert(buffer_.size() == N);
    return buffer_.view();
  }
  MutableByteView mutable_view() {
    assert(buffer_.size() == N);
    return buffer_.mutable_view();
  }
  Secret clone() const { return Secret{buffer_.clone()}; }
  bool equal(const Secret& other) const { return constant_time_equal(view(), other.view()); }

 private:
  explicit Secret(SecretBuffer buffer) : buffer_(std::move(buffer)) {}
  SecretBuffer buffer_;
};

using SigningSecret = Secret<struct SigningSecretTag, 32>;      // Ed25519 seed of a root, node or feed
using AccessSecret = Secret<struct AccessSecretTag, 32>;        // Ed25519 seed derived from an epoch key (rule 35)
using TransportSecret = Secret<struct TransportSecretTag, 32>;  // X25519, static key of Noise
using EncryptionSecret =
    Secret<struct EncryptionSecretTag, 32>;                 // X25519, what epoch keys and invitations are sealed to
using SharedSecret = Secret<struct SharedSecretTag, 32>;    // raw X25519 result; only ever the key of a hash
using EpochKey = Secret<struct EpochKeyTag, 32>;            // one epoch of one channel
using EntryKey = Secret<struct EntryKeyTag, 32>;            // one entry of one feed (rule 37)
using StoreKey = Secret<struct StoreKeyTag, 32>;            // seals names and values on disk (rule 47)
using PairKey = Secret<struct PairKeyTag, 32>;              // pre-shared key of two nodes (rule 42)
using PassphraseKey = Secret<struct PassphraseKeyTag, 32>;  // what Argon2id makes of a passphrase (rule 48)
using RecoveryKey = Secret<struct RecoveryKeyTag, 32>;      // printed once, opens a backup

}  // namespace tocsin::crypto
