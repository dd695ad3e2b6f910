// Random bytes that follow from a seed: for tests, vector files and simulator runs that must be repeatable, the same on
// every machine. Never for keys that protect anything.
#pragma once

#include <sodium.h>

#include <array>

#include "crypto/random.h"

namespace tocsin::tools {

// ChaCha20 keystream under seed and stream, one nonce for each call: what comes out depends on how it is cut into
// calls. docs/vectors pins these bytes.
class SeededRandom final : public crypto::Random {
 public:
  explicit SeededRandom(std::uint64_t seed = 1, std::uint64_t stream = 0) {
    store_le64(key_.data(), seed);
    store_le64(key_.data() + 8, stream);
  }

  void fill(MutableByteView out) override {
    std::array<std::uint8_t, crypto_stream_chacha20_NONCEBYTES> nonce{};
    store_le64(nonce.data(), block_++);
    if (out.empty()) return;
    crypto_stream_chacha20(out.data(), out.size(), nonce.data(), key_.data());
  }
  // Uniform enough in [0, bound) for choosing what to break: the bias is below bound / 2^64. `bound` is at least 1.
  std::uint64_t below(std::uint64_t bound) {
    std::array<std::uint8_t, 8> bytes;
    fill(bytes);
    return load_le64(bytes.data()) % bound;
  }
  bool chance(double probability) {
    return probability > 0 && static_cast<double>(below(1'000'000'000)) < probability * 1e9;
  }

 private:
  std::array<std::uint8_t, 32> key_{};
  std::uint64_t block_ = 0;
};

}  // namespace tocsin::tools
