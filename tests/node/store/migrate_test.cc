#include "node/store/migrate.h"

#include <sys/wait.h>

#include <csignal>

#include "node/store/codes.h"
#include "tests/node/store/support.h"
#include "tests/support/expect.h"

namespace tocsin::store {
namespace {

namespace fs = std::filesystem;
using test::code_of;

// Two versions that never were: the first writes a record, the second reads it.
constexpr std::string_view kKey = "test";
MDB_dbi meta_of(lmdb::Txn& txn) {
  MDB_dbi meta = 0;
  EXPECT_EQ(txn.open_dbi("meta", 0, meta), 0);
  return meta;
}
Result<void> write_one(lmdb::Txn& txn) {
  EXPECT_EQ(txn.put(meta_of(txn), as_bytes(kKey), as_bytes("one")), 0);
  return kOk;
}
Result<void> write_two(lmdb::Txn& txn) {
  MDB_val value;
  if (txn.get(meta_of(txn), as_bytes(kKey), value) != 0) return damaged_store("the first step is missing");
  EXPECT_EQ(txn.put(meta_of(txn), as_bytes(kKey), as_bytes("two")), 0);
  return kOk;
}
Result<void> fail(lmdb::Txn& txn) {
  EXPECT_EQ(txn.put(meta_of(txn), as_bytes("half"), as_bytes("x")), 0);
  return environment_error(kFileFailed, "as asked");
}
[[noreturn]] Result<void> die(lmdb::Txn& txn) {
  EXPECT_EQ(txn.put(meta_of(txn), as_bytes("half"), as_bytes("x")), 0);
  ::raise(SIGKILL);
  ::_exit(1);
}
std::uint64_t none(std::uint64_t) { return 0; }
std::uint64_t as_much(std::uint64_t bytes) { return bytes; }
std::uint64_t far_too_much(std::uint64_t) { return std::uint64_t{1} << 60; }

const std::vector<MigrationStep> kTwo = {{"one", true, none, write_one}, {"two", false, as_much, write_two}};

Bytes data(const Bench& bench) { return *read_file(bench.home->store() / kDataFile, std::size_t{64} << 20); }

std::string stored(const Bench& bench, std::string_view name) {
  auto env = lmdb::Env::open(bench.home->store(), std::size_t{64} << 20);
  lmdb::Txn txn;
  EXPECT_EQ(txn.begin_write(*env), 0);
  MDB_val value;
  if (txn.get(meta_of(txn), as_bytes(name), value) != 0) return "none";
  return std::string(as_text(lmdb::to_view(value)));
}

TEST(Migrate, AHomeOfThisVersionNeedsNothing) {
  Bench bench;
  bench.store->close();
  const auto before = data(bench);
  const auto plan = plan_migration(*bench.home);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->from, kSchemaVersion);
  EXPECT_EQ(plan->to, kSchemaVersion);
  EXPECT_TRUE(plan->steps.empty() && plan->reversible && plan->room_bytes == 0 && plan->free_bytes > 0);
  EXPECT_EQ(code_of(migrate(*bench.home, *plan)), "ok");
  EXPECT_EQ(data(bench), before);
}

TEST(Migrate, APlanChangesNothingAndTheStepsAreDoneInOrder) {
  Bench bench;
  bench.store->close();
  const auto before = data(bench);
  const auto plan = plan_migration(*bench.home, kTwo);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(data(bench), before);
  EXPECT_EQ(plan->from, 1u);
  EXPECT_EQ(plan->to, 3u);
  EXPECT_FALSE(plan->reversible);
  EXPECT_EQ(plan->room_bytes, before.size());
  ASSERT_EQ(code_of(migrate(*bench.home, *plan)), "ok");
  EXPECT_EQ(stored(bench, kKey), "two");
  const auto again = plan_migration(*bench.home, kTwo);
  EXPECT_EQ(again->from, 3u);
  EXPECT_TRUE(again->steps.empty());
  // This program knows none of it.
  EXPECT_EQ(code_of(plan_migration(*bench.home)), "schema_too_new");
  EXPECT_EQ(code_of(bench.try_open()), "schema_too_new");
}

TEST(Migrate, FromTheMiddleOnlyWhatIsMissing) {
  Bench bench;
  bench.store->close();
  ASSERT_EQ(code_of(migrate(*bench.home, *plan_migration(*bench.home, std::span(kTwo).first(1)))), "ok");
  const auto plan = plan_migration(*bench.home, kTwo);
  ASSERT_EQ(plan->steps.size(), 1u);
  EXPECT_EQ(plan->steps[0]->what, "two");
  ASSERT_EQ(code_of(migrate(*bench.home, *plan)), "ok");
  EXPECT_EQ(stored(bench, kKey), "two");
}

TEST(Migrate, AStepThatFailsLeavesTheStoreAsItWas) {
  for (const auto last : {fail, static_cast<Result<void> (*)(lmdb::Txn&)>(die)}) {
    Bench bench;
    bench.store->close();
    const std::vector<MigrationStep> steps = {kTwo[0], {"bad", true, none, last}};
    const pid_t child = ::fork();
    if (child == 0) {
      const bool failed = code_of(migrate(*bench.home, *plan_migration(*bench.home, steps))) == "file_failed";
      ::_exit(failed ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
    EXPECT_EQ(stored(bench, kKey), "none");
    EXPECT_EQ(stored(bench, "half"), "none");
    EXPECT_EQ(plan_migration(*bench.home, steps)->from, 1u);
    EXPECT_EQ(code_of(bench.try_open()), "ok");
  }
}

TEST(Migrate, WithoutRoomNothingIsBegun) {
  Bench bench;
  bench.store->close();
  const std::vector<MigrationStep> steps = {{"large", true, far_too_much, write_one}};
  const auto before = data(bench);
  const auto plan = plan_migration(*bench.home, steps);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(code_of(migrate(*bench.home, *plan)), "disk_full");
  EXPECT_EQ(data(bench), before);
}

TEST(Migrate, WithoutAStoreThereIsNoPlan) {
  Bench bench;
  bench.store->close();
  fs::remove(bench.home->store() / kDataFile);
  EXPECT_EQ(code_of(plan_migration(*bench.home)), "store_missing");
}

}  // namespace
}  // namespace tocsin::store
