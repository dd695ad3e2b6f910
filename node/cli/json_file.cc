#include "node/cli/json_file.h"

#include "node/cli/context.h"
#include "node/reports/json_scan.h"

namespace tocsin::cli {
namespace {

constexpr std::size_t kJsonFileBytesMax = 1024 * 1024;
constexpr int kJsonFileDepthMax = 32;  // a report nests six deep
constexpr Code kBadJson{"bad_json"};

}  // namespace

Result<nlohmann::ordered_json> read_json_object(const std::string& path) {
  TOCSIN_ASSIGN(text, read_file(path, kJsonFileBytesMax));
  const auto begin = reports::skip_json_space(text, 0);
  const auto extent = reports::scan_json_value(text, begin, kJsonFileDepthMax);
  if (extent.fault)
    return caller_error(kBadJson, path + ", " + reports::json_place(text, extent.fault->offset) + ": " +
                                      reports::json_fault_detail(extent.fault->code));
  try {
    auto value = nlohmann::ordered_json::parse(text);
    if (value.is_object()) return value;
    return caller_error(kBadJson, path + " does not hold one JSON object");
  } catch (const nlohmann::ordered_json::parse_error& error) {
    const std::size_t at = error.byte > 0 ? error.byte - 1 : 0;  // counted from 1
    return caller_error(kBadJson,
                        path + ", " + reports::json_place(text, std::min(at, text.size())) + ": no valid JSON");
  }
}

}  // namespace tocsin::cli
