#include "crypto/aead.h"

#include <sodium.h>

#include <cassert>

#include "crypto/codes.h"
#include "crypto/hash.h"
#include "crypto/padme.h"

namespace tocsin::crypto::internal {

void derive_nonce(MutableByteView nonce, ByteView key, Personal personal, ByteView associated, ByteView plaintext,
                  Random& random) {
  assert(nonce.size() == kNonceSize && key.size() == kKeySize);
  std::array<std::uint8_t, 32> fresh;
  random.fill(fresh);
  std::array<std::uint8_t, 8> associated_size;
  store_le64(associated_size.data(), associated.size());
  Hasher hasher(personal, kNonceSize, key);
  hasher.update(fresh).update(associated_size).update(associated).update(plaintext).finish(nonce);
}

void encrypt(MutableByteView out, ByteView plaintext, ByteView associated, ByteView nonce, ByteView key) {
  assert(out.size() == plaintext.size() + kTagSize && nonce.size() == kNonceSize && key.size() == kKeySize);
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data(), nullptr, plaintext.data(), plaintext.size(), associated.data(),
                                             associated.size(), nullptr, nonce.data(), key.data());
}

bool decrypt(MutableByteView out, ByteView ciphertext, ByteView associated, ByteView nonce, ByteView key) {
  if (ciphertext.size() < kTagSize) return false;
  assert(out.size() == ciphertext.size() - kTagSize && nonce.size() == kNonceSize && key.size() == kKeySize);
  return crypto_aead_xchacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, ciphertext.data(), ciphertext.size(),
                                                    associated.data(), associated.size(), nonce.data(),
                                                    key.data()) == 0;
}

void encrypt_chacha(MutableByteView buffer, ByteView associated, ByteView nonce, ByteView key) {
  assert(buffer.size() >= kTagSize && nonce.size() == kChachaNonceSize && key.size() == kKeySize);
  crypto_aead_chacha20poly1305_ietf_encrypt(buffer.data(), nullptr, buffer.data(), buffer.size() - kTagSize,
                                            associated.data(), associated.size(), nullptr, nonce.data(), key.data());
}

bool decrypt_chacha(MutableByteView buffer, ByteView associated, ByteView nonce, ByteView key) {
  assert(nonce.size() == kChachaNonceSize && key.size() == kKeySize);
  return crypto_aead_chacha20poly1305_ietf_decrypt(buffer.data(), nullptr, nullptr, buffer.data(), buffer.size(),
                                                   associated.data(), associated.size(), nonce.data(), key.data()) == 0;
}

std::size_t padded_size(std::size_t size) { return padme(kLengthField + size); }

void pad_into(MutableByteView out, ByteView plaintext) {
  assert(out.size() == padded_size(plaintext.size()));
  store_le32(out.data(), static_cast<std::uint32_t>(plaintext.size()));
  const auto end = std::copy(plaintext.begin(), plaintext.end(), out.begin() + kLengthField);
  std::fill(end, out.end(), std::uint8_t{0});
}

Result<ByteView> unpad(ByteView padded) {
  if (padded.size() < kLengthField) return peer_error(kBadPadding, "no length field");
  const std::size_t size = load_le32(padded.data());
  if (size > padded.size() - kLengthField || padded_size(size) != padded.size()) {
    return peer_error(kBadPadding, "the length does not belong to the padded size");
  }
  const ByteView rest = padded.subspan(kLengthField + size);
  if (!std::all_of(rest.begin(), rest.end(), [](std::uint8_t b) { return b == 0; })) {
    return peer_error(kBadPadding, "the padding is not zero");
  }
  return padded.subspan(kLengthField, size);
}

}  // namespace tocsin::crypto::internal
