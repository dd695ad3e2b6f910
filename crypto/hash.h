// BLAKE2b (RFC 7693) with a personalisation for each purpose (rule 4). Thread-safe: no shared state.
//
// A hash of several parts is the hash of their concatenation: ("ab","c") and ("a","bc") are equal. Callers keep every
// part but the last of fixed size, or put its length in front.
#pragma once

#include <sodium.h>

#include <initializer_list>

#include "crypto/bytes.h"
#include "crypto/purpose.h"

namespace tocsin::crypto {

using Hash = FixedBytes<struct HashTag, 32>;

// One hash computed in pieces. After finish the object is spent.
class Hasher {
 public:
  // `size` of the result is 16 to 64 bytes; `key` is empty or 16 to 64 bytes. Anything else is our own bug (assert).
  explicit Hasher(Personal personal, std::size_t size = Hash::kSize, ByteView key = {});
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  Hasher& update(ByteView more);
  // `out` has exactly the size named in the constructor.
  void finish(MutableByteView out);
  // For a size of 32.
  Hash finish();

 private:
  crypto_generichash_blake2b_state state_;
  std::size_t size_;
};

Hash hash256(Personal personal, std::initializer_list<ByteView> parts);
// `key` is 16 to 64 bytes.
Hash keyed_hash256(ByteView key, Personal personal, std::initializer_list<ByteView> parts);
// Fastest way for one piece. `out32` is exactly 32 bytes and may not overlap `input`.
void hash256_into(MutableByteView out32, Personal personal, ByteView input);
// One piece, any size of 16 to 64, key empty or 16 to 64 bytes: derives keys into memory that the caller owns.
void keyed_hash_into(MutableByteView out, ByteView key, Personal personal, ByteView input);

}  // namespace tocsin::crypto
