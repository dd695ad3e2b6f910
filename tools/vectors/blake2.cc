#include "crypto/hash.h"
#include "tools/vectors/outcome.h"

namespace tocsin::vectors {
namespace {

// libsodium's bounds: keys and results of 16 to 64 bytes, or no key.
bool is_supported(const Bytes& key, const Bytes& expected) {
  const auto fits = [](std::size_t n) { return n >= 16 && n <= 64; };
  return fits(expected.size()) && (key.empty() || fits(key.size()));
}

}  // namespace

bool is_blake2(const Json& document) {
  if (!document.is_array() || document.empty()) return false;
  const Json& first = document.front();
  return text_at(first, "hash") && first.contains("in") && first.contains("key") && first.contains("out");
}

Outcome run_blake2(const Json& document) {
  Outcome outcome;
  outcome.kind = "blake2b-kat";
  std::size_t index = 0;
  for (const Json& vector : document) {
    const std::string name = "vector " + std::to_string(index++);
    const auto hash = text_at(vector, "hash");
    if (hash && *hash != "blake2b") {
      outcome.skip();
      continue;
    }
    const auto in = hex_at(vector, "in");
    const auto key = hex_at(vector, "key");
    const auto out = hex_at(vector, "out");
    if (!hash || !in || !key || !out) {
      outcome.record(false, name, "a field is missing or not hexadecimal");
      continue;
    }
    if (!is_supported(*key, *out)) {
      outcome.skip();
      continue;
    }
    Bytes got(out->size());
    // A personalisation of zero bytes is plain BLAKE2b.
    crypto::keyed_hash_into(got, *key, crypto::Personal{"\0"}, *in);
    outcome.record(got == *out, name, got == *out ? "" : "hash is " + to_hex(got));
  }
  return outcome;
}

}  // namespace tocsin::vectors
