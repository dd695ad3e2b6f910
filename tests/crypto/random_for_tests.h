// Sources of "randomness" for tests.
#pragma once

#include <algorithm>
#include <stdexcept>

#include "crypto/random.h"
#include "tools/founding/seeded_random.h"

namespace tocsin::crypto {

using tools::SeededRandom;

// A broken generator: the same byte again and again.
class ConstantRandom final : public Random {
 public:
  explicit ConstantRandom(std::uint8_t value) : value_(value) {}
  void fill(MutableByteView out) override { std::fill(out.begin(), out.end(), value_); }

 private:
  std::uint8_t value_;
};

// The value of a result that must be one; works for what only moves.
template <class T>
T take(Result<T> result) {
  if (!result) throw std::runtime_error(std::string(result.error().code.text()));
  return std::move(*result);
}

// 00 01 02 … as in the worked examples.
inline Bytes counting_bytes(std::size_t size) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i);
  return out;
}

inline Bytes flipped(ByteView bytes, std::size_t at) {
  Bytes out = to_bytes(bytes);
  out[at] ^= 1;
  return out;
}

}  // namespace tocsin::crypto
