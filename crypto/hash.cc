#include "crypto/hash.h"

#include <cassert>

namespace tocsin::crypto {
namespace {

// libsodium's functions fail only on sizes that our callers fix at compile time.
void must(int rc) {
  assert(rc == 0);
  (void)rc;
}

const std::uint8_t* key_data(ByteView key) { return key.empty() ? nullptr : key.data(); }

}  // namespace

Hasher::Hasher(Personal personal, std::size_t size, ByteView key) : size_(size) {
  assert(size >= 16 && size <= 64);
  assert(key.empty() || (key.size() >= 16 && key.size() <= 64));
  must(crypto_generichash_blake2b_init_salt_personal(&state_, key_data(key), key.size(), size, nullptr,
                                                     personal.bytes.data()));
}

Hasher::~Hasher() { sodium_memzero(&state_, sizeof state_); }

Hasher& Hasher::update(ByteView more) {
  must(crypto_generichash_blake2b_update(&state_, more.data(), more.size()));
  return *this;
}

void Hasher::finish(MutableByteView out) {
  assert(out.size() == size_);
  must(crypto_generichash_blake2b_final(&state_, out.data(), size_));
}

Hash Hasher::finish() {
  Hash out;
  finish(out.mutable_view());
  return out;
}

Hash hash256(Personal personal, std::initializer_list<ByteView> parts) { return keyed_hash256({}, personal, parts); }

Hash keyed_hash256(ByteView key, Personal personal, std::initializer_list<ByteView> parts) {
  Hasher hasher(personal, Hash::kSize, key);
  for (const ByteView part : parts) hasher.update(part);
  return hasher.finish();
}

void hash256_into(MutableByteView out32, Personal personal, ByteView input) {
  assert(out32.size() == Hash::kSize);
  keyed_hash_into(out32, {}, personal, input);
}

void keyed_hash_into(MutableByteView out, ByteView key, Personal personal, ByteView input) {
  assert(out.size() >= 16 && out.size() <= 64);
  assert(key.empty() || (key.size() >= 16 && key.size() <= 64));
  must(crypto_generichash_blake2b_salt_personal(out.data(), out.size(), input.data(), input.size(), key_data(key),
                                                key.size(), nullptr, personal.bytes.data()));
}

}  // namespace tocsin::crypto
