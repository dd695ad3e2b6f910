// Files of tests/data, and imports and exports of text.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "node/exchange/format.h"
#include "protocol/report.h"

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

// What a writer of `format` makes of these reports.
inline std::string exported(const char* format, const std::vector<protocol::Report>& list) {
  std::string out;
  auto writer = exchange::find_format(format)->write([&](std::string_view piece) -> Result<void> {
    out += piece;
    return kOk;
  });
  EXPECT_TRUE(writer->begin());
  for (const auto& report : list)
    EXPECT_TRUE(writer->add({protocol::report_id(*protocol::encode_report(report)), &report}));
  EXPECT_TRUE(writer->end());
  return out;
}

// "line:column code" of the first, or "none".
inline std::string first_problem(const exchange::ImportResult& result) {
  if (result.problems.empty()) return "none";
  const auto& problem = result.problems[0];
  return std::to_string(problem.line) + ":" + std::to_string(problem.column) + " " + std::string(problem.code.text());
}

}  // namespace tocsin::tests
