#include "tools/founding/seeded_random.h"

#include <sodium.h>

namespace tocsin::tools {

SeededRandom::SeededRandom(std::uint64_t seed, std::uint64_t stream) {
  store_le64(key_.data(), seed);
  store_le64(key_.data() + 8, stream);
}

void SeededRandom::fill(MutableByteView out) {
  std::array<std::uint8_t, crypto_stream_chacha20_NONCEBYTES> nonce{};
  store_le64(nonce.data(), block_++);
  crypto_stream_chacha20(out.data(), out.size(), nonce.data(), key_.data());
}

std::uint64_t SeededRandom::below(std::uint64_t n) {
  std::array<std::uint8_t, 8> bytes;
  fill(bytes);
  return load_le64(bytes.data()) % n;
}

bool SeededRandom::chance(double probability) {
  return probability > 0 && static_cast<double>(below(1'000'000'000)) < probability * 1e9;
}

}  // namespace tocsin::tools
