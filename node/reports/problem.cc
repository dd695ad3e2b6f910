#include "node/reports/problem.h"

namespace tocsin::reports {

std::string to_string(const std::vector<Problem>& problems) {
  std::string out;
  for (const Problem& problem : problems) {
    if (!out.empty()) out += "; ";
    out += problem.field + ": " + std::string(problem.code.text());
    if (!problem.detail.empty()) out += ": " + problem.detail;
  }
  return out;
}

}  // namespace tocsin::reports
