// One run of the simulator: found, live, heal; invariants all along.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tools/sim/world.h"

namespace tocsin::sim {

struct RunOptions {
  std::size_t nodes = 20;  // organisations, of which one in ten, at least one, is outside all channels
  std::uint64_t seed = 1;
  Faults faults;
  double hours = 1;  // of virtual time in which reports are written
};

struct RunResult {
  std::optional<std::string> broken;  // how
  std::string invariant;              // which
  std::string overview;               // what each node held then
  std::string phase;
  std::int64_t at_ms = 0;
  std::uint64_t steps = 0, frames = 0, bytes = 0, crashes = 0, cuts = 0, damaged = 0;
  std::uint64_t written = 0;  // reports that a writer was told are stored
  std::uint64_t entries = 0;  // of the largest store at the end
  std::uint64_t epochs = 0, forks = 0;
  std::uint64_t attempts = 0;                   // to read what a node must not
  std::map<std::string, std::uint64_t> events;  // what people and hostile members did
  std::map<std::string, std::size_t> members;   // honest nodes in each channel at the end
  std::int64_t heal_ms = 0;                     // virtual time until all were equal
  std::string trace;
};

RunResult run(const RunOptions& options);

}  // namespace tocsin::sim
