// The filters that `report list`, `search` and `export` share.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "node/cli/context.h"

namespace tocsin::cli {

std::vector<Option> filter_options(bool paging);
// The query string of the filters that were given, and of what stands beside them.
std::string filter_query(Context& context, std::initializer_list<std::pair<std::string_view, std::string>> more);

}  // namespace tocsin::cli
