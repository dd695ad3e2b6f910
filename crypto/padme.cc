#include "crypto/padme.h"

#include <bit>
#include <cassert>
#include <cstdint>

namespace tocsin::crypto {

std::size_t padme(std::size_t size) {
  assert(size <= std::uint64_t{1} << 48);
  if (size < 2) return size;
  const int exponent = std::bit_width(size) - 1;
  const int exponent_bits = std::bit_width(static_cast<unsigned>(exponent));
  const int low_bits = exponent - exponent_bits;  // below 0 for sizes of 2 and 3: nothing to round
  if (low_bits <= 0) return size;
  const std::size_t mask = (std::size_t{1} << low_bits) - 1;
  return (size + mask) & ~mask;
}

}  // namespace tocsin::crypto
