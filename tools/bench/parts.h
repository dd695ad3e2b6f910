// What the bare parts of a sync cost on this machine, now: the bound that a figure is compared with.
#pragma once

#include <cstdint>
#include <string>

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

}  // namespace tocsin::bench
