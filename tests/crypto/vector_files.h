// The third-party vectors of tests/data/vectors.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "crypto/bytes.h"

namespace tocsin::crypto {

inline std::string vector_path(const std::string& name) { return std::string(TOCSIN_TEST_DATA) + "/vectors/" + name; }

// Throws when the file is missing or no JSON: the test fails.
inline nlohmann::json read_vectors(const std::string& name) {
  std::ifstream in(vector_path(name));
  return nlohmann::json::parse(in);
}

inline Bytes hex_of(const nlohmann::json& object, const char* key) {
  return from_hex(object.at(key).get<std::string>()).value();
}

}  // namespace tocsin::crypto
