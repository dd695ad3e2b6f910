// Random bytes behind an interface, so that a simulator can seed them and a test can break them.
#pragma once

#include "crypto/bytes.h"
#include "crypto/result.h"

namespace tocsin::crypto {

class Random {
 public:
  virtual ~Random() = default;
  // Fills all of `out`. Cannot fail.
  virtual void fill(MutableByteView out) = 0;
};

// The operating system's generator (getrandom through libsodium). Stateless: any thread, any number of objects.
class SystemRandom final : public Random {
 public:
  void fill(MutableByteView out) override;
};

// A fresh random id of any FixedBytes type.
template <class Fixed>
Fixed random_fixed(Random& random) {
  Fixed out;
  random.fill(out.mutable_view());
  return out;
}

// Starts libsodium and picks its fastest code for this processor. Call first in main; calling again is harmless. Error:
// crypto_unavailable.
Result<void> init();

// Rule 49: no core dumps, and no other process of the same user may read this one's memory (PR_SET_DUMPABLE 0). For
// programs that hold keys; not for tests, which want debuggers. Error: crypto_unavailable, origin environment.
Result<void> harden_process();

}  // namespace tocsin::crypto
