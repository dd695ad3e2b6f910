// Random bytes that follow from a seed: for runs that must be repeatable. Never for keys that protect anything.
#pragma once

#include "crypto/random.h"

namespace tocsin::tools {

// ChaCha20 keystream of a seed.
class SeededRandom final : public crypto::Random {
 public:
  SeededRandom(std::uint64_t seed, std::uint64_t stream);
  void fill(MutableByteView out) override;
  std::uint64_t below(std::uint64_t n);  // 0 to n-1
  bool chance(double probability);

 private:
  std::array<std::uint8_t, 32> key_{};
  std::uint64_t block_ = 0;
};

}  // namespace tocsin::tools
