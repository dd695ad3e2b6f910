#include "crypto/noise_symmetric.h"

#include <sodium.h>

#include <cassert>

#include "crypto/aead.h"

namespace tocsin::crypto::internal {
namespace {

constexpr std::size_t kBlock = 128;  // BLAKE2b's, for HMAC

// BLAKE2b-512 as Noise wants it: no key, no personalisation (the specification leaves no room for rule 4 here; what
// Noise hashes begins with its protocol name).
class NoiseHasher {
 public:
  NoiseHasher() { crypto_generichash_blake2b_init(&state_, nullptr, 0, kNoiseHash); }
  ~NoiseHasher() { sodium_memzero(&state_, sizeof state_); }
  NoiseHasher(const NoiseHasher&) = delete;
  NoiseHasher& operator=(const NoiseHasher&) = delete;
  NoiseHasher& update(ByteView more) {
    crypto_generichash_blake2b_update(&state_, more.data(), more.size());
    return *this;
  }
  void finish(MutableByteView out64) { crypto_generichash_blake2b_final(&state_, out64.data(), kNoiseHash); }

 private:
  crypto_generichash_blake2b_state state_;
};

// HMAC (RFC 2104); `key` is at most a block long, as every key of Noise is. `out64` may be `key` or a part.
void hmac(MutableByteView out64, ByteView key, std::initializer_list<ByteView> parts) {
  assert(key.size() <= kBlock);
  std::array<std::uint8_t, kBlock> inner{};
  std::copy(key.begin(), key.end(), inner.begin());
  std::array<std::uint8_t, kBlock> outer = inner;
  for (std::uint8_t& b : inner) b ^= 0x36;
  for (std::uint8_t& b : outer) b ^= 0x5c;
  std::array<std::uint8_t, kNoiseHash> digest;
  NoiseHasher first;
  first.update(inner);
  for (const ByteView part : parts) first.update(part);
  first.finish(digest);
  NoiseHasher().update(outer).update(digest).finish(out64);
  crypto::wipe(inner);
  crypto::wipe(outer);
  crypto::wipe(digest);
}

std::array<std::uint8_t, 12> nonce_bytes(std::uint64_t nonce) {
  std::array<std::uint8_t, 12> out{};  // 32 zero bits, then the counter in little-endian (section 12.3)
  store_le64(out.data() + 4, nonce);
  return out;
}

}  // namespace

void noise_encrypt(MutableByteView buffer, ByteView associated, ByteView key, std::uint64_t nonce) {
  encrypt_chacha(buffer, associated, nonce_bytes(nonce), key);
}

bool noise_decrypt(MutableByteView buffer, ByteView associated, ByteView key, std::uint64_t nonce) {
  return decrypt_chacha(buffer, associated, nonce_bytes(nonce), key);
}

void noise_hkdf(MutableByteView out, ByteView chaining_key, ByteView input, std::size_t count) {
  assert(out.size() == count * kNoiseHash && count >= 1 && count <= 3);
  std::array<std::uint8_t, kNoiseHash> temp_key;
  hmac(temp_key, chaining_key, {input});
  ByteView previous;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t number = static_cast<std::uint8_t>(i + 1);
    const MutableByteView output = out.subspan(i * kNoiseHash, kNoiseHash);
    hmac(output, temp_key, {previous, ByteView(&number, 1)});
    previous = output;
  }
  crypto::wipe(temp_key);
}

SymmetricState::SymmetricState(std::string_view protocol_name) : secrets_(kNoiseHash + kNoiseKey + 3 * kNoiseHash) {
  if (protocol_name.size() <= kNoiseHash) {
    std::copy(protocol_name.begin(), protocol_name.end(), hash_.data());
  } else {
    NoiseHasher().update(as_bytes(protocol_name)).finish(hash_.mutable_view());
  }
  std::copy(hash_.bytes().begin(), hash_.bytes().end(), chaining_key().begin());
}

void SymmetricState::mix_hash(ByteView data) {
  NoiseHasher().update(hash_.view()).update(data).finish(hash_.mutable_view());
}

void SymmetricState::rekey_from(ByteView input, std::size_t count) {
  const MutableByteView outputs = scratch().first(count * kNoiseHash);
  noise_hkdf(outputs, chaining_key(), input, count);
  std::copy_n(outputs.begin(), kNoiseHash, chaining_key().begin());
  if (count == 3) mix_hash(outputs.subspan(kNoiseHash, kNoiseHash));
  std::copy_n(outputs.end() - kNoiseHash, kNoiseKey, key().begin());  // the last output, cut to 32 bytes
  crypto::wipe(outputs);
  has_key_ = true;
  nonce_ = 0;
}

void SymmetricState::mix_key(ByteView input) { rekey_from(input, 2); }
void SymmetricState::mix_key_and_hash(ByteView input) { rekey_from(input, 3); }

void SymmetricState::encrypt_and_hash(Bytes& out, ByteView plaintext) {
  const std::size_t at = out.size();
  append(out, plaintext);
  out.resize(out.size() + tag_size());
  const MutableByteView ciphertext = MutableByteView(out).subspan(at);
  if (has_key_) noise_encrypt(ciphertext, hash_.view(), key(), nonce_++);
  mix_hash(ciphertext);
}

bool SymmetricState::decrypt_and_hash(Bytes& plaintext, ByteView ciphertext) {
  plaintext = to_bytes(ciphertext);
  if (has_key_) {
    if (!noise_decrypt(plaintext, hash_.view(), key(), nonce_)) return false;
    ++nonce_;
    plaintext.resize(plaintext.size() - kNoiseTag);
  }
  mix_hash(ciphertext);
  return true;
}

std::pair<SecretBuffer, SecretBuffer> SymmetricState::split() {
  const MutableByteView outputs = scratch().first(2 * kNoiseHash);
  noise_hkdf(outputs, chaining_key(), {}, 2);
  std::pair keys{SecretBuffer::copy_of(outputs.first(kNoiseKey)),
                 SecretBuffer::copy_of(outputs.subspan(kNoiseHash, kNoiseKey))};
  wipe();
  return keys;
}

void SymmetricState::wipe() {
  crypto::wipe(secrets_.mutable_view());
  has_key_ = false;
}

}  // namespace tocsin::crypto::internal
