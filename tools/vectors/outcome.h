// What running one file of test vectors gave, and the interface of the runners, one for each kind of file.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace tocsin::vectors {

using Json = nlohmann::json;

// run = accepted + rejected; the file holds run + skipped vectors. What accepting means for each kind stands in
// help.cc.
struct Outcome {
  std::string kind;
  std::size_t run = 0;
  std::size_t accepted = 0;
  std::size_t rejected = 0;
  std::size_t skipped = 0;
  std::size_t mismatches = 0;
  std::map<std::string, std::size_t> more;  // further counts of this kind
  std::vector<std::string> reasons;         // of the first mismatches, for people

  void skip() { ++skipped; }
  // One vector was run. `mismatch` empty: it went as the file says.
  void record(bool was_accepted, const std::string& name, const std::string& mismatch);
};

// Hexadecimal text at `key`. Nothing when it is missing, no string or no hexadecimal.
std::optional<Bytes> hex_at(const Json& object, const char* key);
// Text at `key`, or nothing.
std::optional<std::string> text_at(const Json& object, const char* key);

// Each expects a document that its `is_…` knows, and treats vectors with missing or malformed fields as mismatches.
bool is_noise(const Json& document);
Outcome run_noise(const Json& document);

bool is_wycheproof(const Json& document);  // of Ed25519, X25519, XChaCha20-Poly1305 or ChaCha20-Poly1305
Outcome run_wycheproof(const Json& document);

bool is_blake2(const Json& document);
Outcome run_blake2(const Json& document);

bool is_cctv(const Json& document);
Outcome run_cctv(const Json& document);

bool is_speccheck(const Json& document);
Outcome run_speccheck(const Json& document);

// Text of --help.
extern const char* const kHelp;

}  // namespace tocsin::vectors
