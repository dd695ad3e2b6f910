// Benchmarks of one process: append, open, query, rotate.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tocsin::bench {

nlohmann::ordered_json bench_append(const std::string& folder, std::size_t entries, std::size_t size);
nlohmann::ordered_json bench_open(const std::string& folder, std::size_t entries);
nlohmann::ordered_json bench_query(const std::string& folder, std::size_t entries);
// A new key for a channel of so many nodes, one of each member; nothing is stored.
nlohmann::ordered_json bench_rotate(std::size_t nodes);

}  // namespace tocsin::bench
