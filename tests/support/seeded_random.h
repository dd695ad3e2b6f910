// Random bytes that follow from a seed alone: ChaCha20 by libsodium, the same on every machine. For the simulator,
// tests and vector files; never for keys that protect anything.
#pragma once

#include <sodium.h>

#include <array>
#include <cstring>

#include "crypto/random.h"

namespace tocsin::test {

class SeededRandom final : public crypto::Random {
 public:
  static_assert(randombytes_SEEDBYTES == 32);

  explicit SeededRandom(std::uint64_t seed) { store_le64(state_.data(), seed); }
  explicit SeededRandom(const std::array<std::uint8_t, 32>& seed) : state_(seed) {}

  // What comes out depends on how many bytes were drawn before, not on how they were cut into calls.
  void fill(MutableByteView out) override {
    while (!out.empty()) {
      if (used_ == block_.size()) refill();
      const std::size_t n = std::min(out.size(), block_.size() - used_);
      std::memcpy(out.data(), block_.data() + used_, n);
      used_ += n;
      out = out.subspan(n);
    }
  }

  std::uint64_t next_u64() {
    std::array<std::uint8_t, 8> bytes;
    fill(bytes);
    return load_le64(bytes.data());
  }
  // Uniform enough in [0, bound) for choosing what to break: the bias is below bound / 2^64. `bound` is at least 1.
  std::uint64_t below(std::uint64_t bound) { return next_u64() % bound; }

 private:
  // Each block of the stream gives the next state and the bytes to hand out.
  void refill() {
    std::array<std::uint8_t, 32 + 1024> stream;
    randombytes_buf_deterministic(stream.data(), stream.size(), state_.data());
    std::copy(stream.begin(), stream.begin() + 32, state_.begin());
    std::copy(stream.begin() + 32, stream.end(), block_.begin());
    used_ = 0;
  }

  std::array<std::uint8_t, 32> state_{};
  std::array<std::uint8_t, 1024> block_{};
  std::size_t used_ = 1024;
};

}  // namespace tocsin::test
