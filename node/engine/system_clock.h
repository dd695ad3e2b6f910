// The real clock.
#pragma once

#include <chrono>

#include "protocol/clock.h"

namespace tocsin::engine {

class SystemClock final : public protocol::Clock {
 public:
  protocol::Time now() const override {
    using namespace std::chrono;
    return {duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count()};
  }
  std::int64_t steady_ms() const override {
    using namespace std::chrono;
    return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
  }
};

}  // namespace tocsin::engine
