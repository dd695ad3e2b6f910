// Time as the protocol sees it: one of its three doors (rule 7: validity never depends on it).
#pragma once

#include "protocol/ids.h"

namespace tocsin::protocol {

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall clock; may jump. For claimed times and STALE marks.
  virtual Time now() const = 0;
  // Monotonic milliseconds from an arbitrary start. For deadlines and rates.
  virtual std::int64_t steady_ms() const = 0;
};

}  // namespace tocsin::protocol
