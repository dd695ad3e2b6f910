// From the format of one version to that of the next. A version opens the store of the version before it as it is and
// goes on writing it so; the format changes here alone, when somebody asks for it. So a new program can be tried, and
// left again, until then.
//
// The steps stand in migrate.cc, one for each version of the store but the first. All that are needed are one
// transaction of LMDB: after a power cut at any instant the store is what it was before, or what it was to become.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "node/store/home.h"

namespace tocsin::store {

namespace lmdb {
class Txn;
}

struct MigrationStep {
  std::string_view what;                             // for people: what it changes and why
  bool reversible;                                   // the version before opens the store afterwards too
  std::uint64_t (*room)(std::uint64_t store_bytes);  // how much the file may grow, at most
  // Values that are sealed stay sealed: no key is at hand. It does not write the version.
  Result<void> (*apply)(lmdb::Txn& txn);
};
// From version 1 on: the first leads from 1 to 2. None yet.
std::span<const MigrationStep> migration_steps();

struct MigrationPlan {
  std::uint32_t from = 0, to = 0;                // versions of the store; equal: there is nothing to do
  std::vector<const MigrationStep*> steps;       // in this order
  std::uint64_t room_bytes = 0, free_bytes = 0;  // needed beside the store as it is; what the disk has
  bool reversible = true;                        // all of the steps are
};
// Reads the version; changes nothing. Errors: kStoreMissing, kStoreDamaged, kSchemaTooNew, kStoreFailed.
Result<MigrationPlan> plan_migration(const Home& home, std::span<const MigrationStep> all = migration_steps());
// What the plan says, whole or not at all. Errors: kDiskFull, kStoreFailed, those of the steps.
Result<void> migrate(const Home& home, const MigrationPlan& plan);

}  // namespace tocsin::store
