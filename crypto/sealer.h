// seal.h for many values of one use: the key of the use is derived once, and no locked memory is asked for with each
// value (that costs several system calls). Makes and opens exactly what crypto::seal and crypto::open do.
#pragma once

#include "crypto/seal.h"

namespace tocsin::crypto {

// Move-only. Thread-safe once made.
class Sealer {
 public:
  // `key` is exactly 32 bytes (assert).
  Sealer(ByteView key, Label purpose);

  // Appends the sealed value to `out`. `plaintext` is at most kSealedValueMax (assert).
  void seal(ByteView associated, ByteView plaintext, Random& random, Bytes& out) const;
  Bytes seal(ByteView associated, ByteView plaintext, Random& random) const;
  // The plaintext replaces what `out` holds, also after an error (then it is empty). Errors: those of crypto::open.
  Result<void> open(ByteView associated, ByteView sealed, Bytes& out) const;

 private:
  SecretBuffer use_key_;
};

}  // namespace tocsin::crypto
