// A query as a condition of SQL: our own fragments, every value bound.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "node/index/names.h"
#include "node/index/query.h"

namespace tocsin::index {

struct Filter {
  std::string where;                 // on `report r`; "1" when everything passes
  std::vector<std::int64_t> values;  // for the question marks, in order
};

// All filters but the free text. Errors (caller): bad_filter.
Result<Filter> make_filter(const ReportQuery& query, const Names& names);

// Binds from `first` on; gives the next free place.
int bind_all(Statement& statement, int first, const Filter& filter);

}  // namespace tocsin::index
