// Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PETS 2019):
// sizes are rounded up so that they leak O(log log n) bits, at a cost of at most 12 %.
#pragma once

#include <cstddef>

namespace tocsin::crypto {

// Smallest allowed size >= `size`. padme(0) = 0. Defined for sizes up to 2^48 (assert); idempotent and never
// decreasing.
std::size_t padme(std::size_t size);

}  // namespace tocsin::crypto
