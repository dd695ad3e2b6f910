// The filters that `report list`, `search` and `export` share.
#pragma once

#include <string>
#include <vector>

#include "node/cli/context.h"

namespace tocsin::cli {

std::vector<Option> filter_options(bool paging);
// The query string of the filters that were given.
std::string filter_query(Context& context);

}  // namespace tocsin::cli
