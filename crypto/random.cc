#include "crypto/random.h"

#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <system_error>

#include "crypto/codes.h"

namespace tocsin::crypto {

void SystemRandom::fill(MutableByteView out) {
  if (!out.empty()) randombytes_buf(out.data(), out.size());
}

Result<void> init() {
  if (sodium_init() < 0) return environment_error(kCryptoUnavailable, "libsodium does not start");
  return kOk;
}

Result<void> harden_process() {
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) {
    return environment_error(kCryptoUnavailable, "core dumps stay on: " + std::generic_category().message(errno));
  }
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return environment_error(kCryptoUnavailable, "memory stays readable: " + std::generic_category().message(errno));
  }
  return kOk;
}

}  // namespace tocsin::crypto
