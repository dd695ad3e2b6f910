// Files of tests/data, and options for imports.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

#include "node/exchange/format.h"

namespace tocsin::tests {

inline std::string test_file(const std::string& name) {
  std::ifstream in(std::string(TOCSIN_TEST_DATA) + "/" + name, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

inline exchange::ImportOptions import_options() {
  exchange::ImportOptions options;
  options.author.data()[0] = 9;
  options.now = protocol::Time{1'700'000'000'000};
  options.salt = [] {
    static std::uint64_t n = 0;
    protocol::ReportSalt salt;
    store_le64(salt.data(), ++n);
    return salt;
  };
  return options;
}

}  // namespace tocsin::tests
