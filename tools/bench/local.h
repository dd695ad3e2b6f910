// Benchmarks of one process: append, open, query.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tocsin::bench {

nlohmann::ordered_json bench_append(const std::string& folder, std::size_t entries, std::size_t size);
nlohmann::ordered_json bench_open(const std::string& folder, std::size_t entries);
nlohmann::ordered_json bench_query(const std::string& folder, std::size_t entries);

}  // namespace tocsin::bench
