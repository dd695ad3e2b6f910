// What the bare parts of a sync cost on this machine, now: the bound that a figure is compared with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tools/bench/bench_node.h"

namespace tocsin::bench {

inline constexpr std::size_t kBatch = 1000;  // entries of one durable transaction, in the bound and in what it bounds

struct Parts {
  double lmdb_us = 0, blake2b_us = 0, seal_open_us = 0, loopback_us = 0;  // for each entry
  double sum_us() const { return lmdb_us + blake2b_us + seal_open_us + loopback_us; }
  // Spread over two cores.
  double entries_per_s() const { return 2e6 / sum_us(); }
};

// `entry_bytes`: header, signature and body as stored; `body_bytes` of it the body; `wire_bytes` on the wire.
Parts measure_parts(const std::string& folder, std::size_t entries, std::size_t entry_bytes, std::size_t body_bytes,
                    std::size_t wire_bytes);

inline constexpr std::size_t kQueries = 51;  // odd: the median is one of them

// Of `act(0)`, `act(1)`, …: questions, and the bare statements that they are compared with.
template <class Act>
double median_ms(Act act) {
  std::vector<double> times;
  for (std::size_t i = 0; i < kQueries; ++i) {
    const double start = seconds_now();
    act(i);
    times.push_back((seconds_now() - start) * 1e3);
  }
  std::nth_element(times.begin(), times.begin() + kQueries / 2, times.end());
  return times[kQueries / 2];
}

}  // namespace tocsin::bench
