// Tables of the index. The version goes into every snapshot: a change here, in projection.cc, or in what words are
// taken from a report needs another number, so that old snapshots are refused and built again.
#pragma once

#include "node/index/database.h"

namespace tocsin::index {

inline constexpr std::uint16_t kSchemaVersion = 4;

// report.flags: what became of the report, and what decides whether a list has it.
enum Flag : std::int64_t {
  kFlagAct = 1,  // speaks about another report
  kFlagWithdrawn = 2,
  kFlagCorrected = 4,
  kFlagConflict = 8,
  kFlagDisputed = 16,
  kFlagCorroborated = 32,
  kFlagAcknowledged = 64,
  kFlagCopies = 128,  // there are rows in `copy`
  kFlagDone = 256,
  kFlagErased = 512,  // taken back by its author: nothing of what it said is here
};
inline constexpr std::int64_t kStandingFlags =
    kFlagWithdrawn | kFlagCorrected | kFlagConflict | kFlagDisputed | kFlagCorroborated | kFlagAcknowledged;

// report.shape: which of the optional parts the content has.
enum Shape : std::int64_t {
  kShapeObservedFrom = 1,
  kShapeObservedTo = 2,
  kShapePlaces = 4,  // there are rows in `place`
};

// In an empty database.
Result<void> create_schema(Database& db);

}  // namespace tocsin::index
