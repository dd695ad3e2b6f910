// A JSON object that somebody wrote by hand: depth and syntax are checked before a parser builds anything.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "crypto/result.h"

namespace tocsin::cli {

// "-" is standard input. Errors (caller): file_not_readable, file_too_large (1 MiB), bad_json with line and column.
Result<nlohmann::ordered_json> read_json_object(const std::string& path);

}  // namespace tocsin::cli
