// What a disk does at its worst: drops what was not synced, fills up in the middle of a write, fails a sync.
#include <cerrno>

#include "node/store/codes.h"
#include "node/store/files.h"
#include "tests/node/store/disk_faults.h"
#include "tests/node/store/support.h"

namespace tocsin::store {
namespace {

using namespace protocol;

// Entries that a store with this file holds; nothing when it does not open soundly.
std::optional<std::uint64_t> entries_after_power_cut(Bench& bench, const LogWriter& log, const Bytes& file) {
  TempFolder folder;
  const auto path = folder.path() / "home";
  Loop loop;
  {
    auto made = Home::create(path);
    if (!made || !made->complete()) return std::nullopt;
    if (!write_file(made->store() / "data.mdb", file)) return std::nullopt;
  }
  auto home = Home::open(path);
  if (!home) return std::nullopt;
  StoreOptions options = bench.options;
  options.page_check = PageDepth::kAll;
  auto store = Store::open(*home, store_key(), loop.post(), options);
  if (!store) return std::nullopt;
  const auto report = (*store)->fsck({});
  if (!report || report->problem_count != 0) return std::nullopt;
  return numbers_of(**store, log.key()).size();
}

// Taken at every moment at which somebody was told: whatever was not synced then is dropped.
TEST(StoreFaults, rule_47_what_was_acknowledged_is_synced) {
  Bench bench;
  LogWriter log(1);
  DiskFaults disk(bench.data_file());
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(bench.commit(log.batch(30, 500)).ok());
    EXPECT_EQ(entries_after_power_cut(bench, log, disk.synced()), log.record().head.value);
  }
  Batch erase;
  erase.erase_body(log.key(), {3});
  LogRecord record = log.record();
  record.bytes -= 500;
  erase.set_log(record);
  ASSERT_TRUE(bench.commit(std::move(erase)).ok());
  EXPECT_EQ(entries_after_power_cut(bench, log, disk.synced()), log.record().head.value);
}

TEST(StoreFaults, ADiskThatFillsUpInAWriteLosesNothingAndRecovers) {
  Bench bench;
  LogWriter log(1);
  ASSERT_TRUE(bench.commit(log.batch(10)).ok());
  DiskFaults disk(bench.data_file());
  for (const int error_number : {ENOSPC, EDQUOT, EFBIG}) {
    for (int skip = 0; skip < 3; ++skip) {
      disk.fail(DiskCall::kWrite, error_number, skip);
      LogWriter other(static_cast<std::uint8_t>(10 + skip));
      const std::string said = code_of(bench.commit(other.batch(300, 3000)));
      if (disk.failed() == 0) {
        EXPECT_EQ(said, "ok");
        break;  // that few writes
      }
      EXPECT_EQ(said, "disk_full");
      EXPECT_TRUE(numbers_of(*bench.store, other.key()).empty());
      EXPECT_EQ(entries_after_power_cut(bench, log, disk.synced()), log.record().head.value);
      EXPECT_EQ(code_of(bench.commit(log.batch(5))), "ok");
    }
  }
  bench.reopen();
  EXPECT_EQ(numbers_of(*bench.store, log.key()).size(), log.record().head.value);
}

TEST(StoreFaults, ADiskThatFillsUpInASyncLosesNothingAndRecovers) {
  Bench bench;
  LogWriter log(1);
  ASSERT_TRUE(bench.commit(log.batch(10)).ok());
  DiskFaults disk(bench.data_file());
  disk.fail(DiskCall::kSync, ENOSPC);
  LogWriter other(2);
  EXPECT_EQ(code_of(bench.commit(other.batch(10))), "disk_full");
  EXPECT_EQ(entries_after_power_cut(bench, log, disk.synced()), 10u);
  EXPECT_EQ(code_of(bench.commit(log.batch(5))), "ok");
}

// After a sync that failed nobody knows what is on the disk: the store writes no more until it is opened again.
TEST(StoreFaults, ABrokenDiskStopsAllWriting) {
  for (const DiskCall call : {DiskCall::kWrite, DiskCall::kSync, DiskCall::kMetaWrite}) {
    Bench bench;
    LogWriter log(1);
    ASSERT_TRUE(bench.commit(log.batch(10)).ok());
    {
      DiskFaults disk(bench.data_file());
      disk.fail(call, EIO);
      LogWriter other(2);
      EXPECT_EQ(code_of(bench.commit(other.batch(100, 1000))), "store_failed");
      ASSERT_EQ(disk.failed(), 1);
    }
    EXPECT_EQ(bench.store->status().state, StoreState::kFailed);
    LogWriter third(3);
    EXPECT_EQ(code_of(bench.commit(third.batch(1))), "store_failed");
    // LMDB itself refuses even to read after a meta page that failed.
    if (call != DiskCall::kMetaWrite) {
      EXPECT_EQ(numbers_of(*bench.store, log.key()).size(), 10u);
    }
    bench.reopen();
    EXPECT_EQ(numbers_of(*bench.store, log.key()).size(), 10u);
    LogWriter again(3);
    EXPECT_EQ(code_of(bench.commit(again.batch(1))), "ok");
  }
}

// The one moment at which a full disk leaves it open what is in force: the meta page.
TEST(StoreFaults, rule_09_a_disk_that_fills_up_in_the_meta_page_stops_all_writing) {
  Bench bench;
  LogWriter log(1);
  ASSERT_TRUE(bench.commit(log.batch(10)).ok());
  DiskFaults disk(bench.data_file());
  disk.fail(DiskCall::kMetaWrite, ENOSPC);
  LogWriter other(2);
  EXPECT_EQ(code_of(bench.commit(other.batch(5))), "store_failed");
  EXPECT_EQ(bench.store->status().state, StoreState::kFailed);
}

}  // namespace
}  // namespace tocsin::store
