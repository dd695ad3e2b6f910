#include "node/store/migrate.h"

#include <array>

#include "node/store/codes.h"
#include "node/store/database.h"

namespace tocsin::store {
namespace {

namespace fs = std::filesystem;

// One for each version but the first: a version without the step that leads to it does not compile.
constexpr std::array<MigrationStep, kSchemaVersion - 1> kSteps{};

fs::path data_file(const Home& home) { return home.store() / kDataFile; }

struct OpenStore {
  lmdb::Env env;
  MDB_dbi meta = 0;
};

Result<OpenStore> open_meta(const Home& home, std::size_t map_bytes) {
  OpenStore out;
  TOCSIN_ASSIGN(env, lmdb::Env::open(home.store(), map_bytes));
  out.env = std::move(env);
  lmdb::Txn txn;
  int rc = txn.begin_read(out.env);
  if (rc == 0) rc = txn.open_dbi("meta", 0, out.meta);
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return lmdb::error_from(rc, "cannot open the store");
  return out;
}

}  // namespace

std::span<const MigrationStep> migration_steps() { return kSteps; }

Result<MigrationPlan> plan_migration(const Home& home, std::span<const MigrationStep> all) {
  std::error_code error;
  const std::uint64_t bytes = fs::file_size(data_file(home), error);
  if (error) return environment_error(kStoreMissing, data_file(home).string() + " is missing");
  TOCSIN_TRY(check_pages(data_file(home), PageDepth::kBranches));
  MigrationPlan plan;
  plan.to = static_cast<std::uint32_t>(all.size()) + 1;
  {
    TOCSIN_ASSIGN(opened, open_meta(home, map_bytes_for(bytes)));
    lmdb::Txn txn;
    if (const int rc = txn.begin_read(opened.env); rc != 0) return lmdb::error_from(rc, "cannot read the store");
    TOCSIN_ASSIGN(version, read_schema(txn, opened.meta, plan.to));
    plan.from = version;
  }
  for (const auto& step : all.subspan(plan.from - 1)) {
    plan.steps.push_back(&step);
    plan.room_bytes += step.room(bytes + plan.room_bytes);
    plan.reversible = plan.reversible && step.reversible;
  }
  plan.free_bytes = fs::space(home.path(), error).available;
  if (error) plan.free_bytes = 0;
  return plan;
}

Result<void> migrate(const Home& home, const MigrationPlan& plan) {
  if (plan.steps.empty()) return kOk;
  if (plan.room_bytes > plan.free_bytes) {
    return environment_error(protocol::kDiskFull, "the migration needs " + std::to_string(plan.room_bytes) +
                                                      " bytes, the disk has " + std::to_string(plan.free_bytes) +
                                                      "; nothing was changed");
  }
  std::error_code error;
  const std::uint64_t bytes = fs::file_size(data_file(home), error);
  if (error) return environment_error(kStoreMissing, data_file(home).string() + " is missing");
  TOCSIN_ASSIGN(opened, open_meta(home, map_bytes_for(bytes + plan.room_bytes)));
  lmdb::Txn txn;
  if (const int rc = txn.begin_write(opened.env); rc != 0) return lmdb::error_from(rc, "cannot change the store");
  for (const auto* step : plan.steps) TOCSIN_TRY(step->apply(txn));
  int rc = put_schema(txn, opened.meta, plan.to);
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return lmdb::error_from(rc, "cannot change the store");
  return kOk;
}

}  // namespace tocsin::store
