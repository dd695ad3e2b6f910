// Power and disks that give way: kill -9 at any instant, disks that are full, files that were damaged.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <random>
#include <thread>

#include "node/store/codes.h"
#include "node/store/files.h"
#include "tests/node/store/support.h"

namespace tocsin::store {
namespace {

using namespace protocol;

// ---- kill -9

constexpr std::size_t kEntriesOfBatch = 7;

// In the child: commits batches of seven for ever, three on their way at a time, and says each one that is done on the
// pipe.
[[noreturn]] void commit_for_ever(const std::filesystem::path& path, int acknowledged) {
  auto home = Home::open(path);
  if (!home) ::_exit(10);
  Loop loop;
  auto store = Store::open(*home, store_key(), loop.post(), test_options());
  if (!store) ::_exit(11);
  LogWriter log(1);
  // Goes on where the last one was killed: the same bodies make the same entries.
  const std::uint64_t held = (*store)->newest_arrival().value;
  for (std::uint64_t i = 0; i < held; ++i) log.make(Bytes(500, static_cast<std::uint8_t>(log.record().head.value + 1)));
  std::uint64_t open = 0;
  for (;;) {
    for (; open < 3; ++open) {
      (*store)->commit(log.batch(kEntriesOfBatch, 500), [&](Result<Arrival> r) {
        if (!r || ::write(acknowledged, &r->value, sizeof r->value) != sizeof r->value) ::_exit(12);
        --open;
      });
    }
    loop.run_until([&] { return open < 3; });
  }
}

// Lets a child write for `ms` and kills it; returns the highest arrival that it acknowledged.
std::uint64_t write_and_kill(const std::filesystem::path& path, int ms) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    commit_for_ever(path, ends[1]);
  }
  ::close(ends[1]);
  std::thread killer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    ::kill(child, SIGKILL);
  });
  std::uint64_t highest = 0;
  for (std::uint64_t arrival = 0; ::read(ends[0], &arrival, sizeof arrival) == sizeof arrival;) highest = arrival;
  killer.join();
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
  ::close(ends[0]);
  return highest;
}

TEST(StoreCrash, rule_09_kill_at_any_instant_loses_nothing_acknowledged_and_tears_no_batch) {
  TempFolder folder;
  const auto path = folder.path() / "home";
  {
    auto home = Home::create(path);
    ASSERT_TRUE(home.ok() && home->complete().ok());
    Loop loop;
    ASSERT_TRUE(Store::create(*home, store_key(), loop.post(), test_options()).ok());
  }
  std::mt19937 random(20240611);
  std::uint64_t before = 0;
  for (int round = 0; round < 12; ++round) {
    const std::uint64_t acknowledged = std::max(before, write_and_kill(path, 20 + static_cast<int>(random() % 120)));
    auto home = Home::open(path);
    ASSERT_TRUE(home.ok());
    Loop loop;
    StoreOptions options = test_options();
    options.page_check = PageDepth::kAll;
    auto store = Store::open(*home, store_key(), loop.post(), options);
    ASSERT_TRUE(store.ok()) << store.error().detail;
    const std::uint64_t held = (*store)->newest_arrival().value;
    EXPECT_GE(held, acknowledged);
    EXPECT_EQ(held % kEntriesOfBatch, 0u);
    const LogWriter log(1);
    EXPECT_EQ(numbers_of(**store, log.key()).size(), held);
    const auto logs = (*store)->logs();
    ASSERT_TRUE(logs.ok());
    EXPECT_EQ(logs->empty() ? 0 : logs->front().head.value, held);
    const auto report = (*store)->fsck({});
    ASSERT_TRUE(report.ok());
    EXPECT_EQ(report->problem_count, 0u) << report->problems.front().detail;
    before = held;
  }
  EXPECT_GT(before, 0u);
}

// ---- Full disks

class FileSizeLimit {
 public:
  FileSizeLimit() { ::getrlimit(RLIMIT_FSIZE, &old_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &old_); }
  void set(std::uint64_t bytes) const {
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  void lift() const { ::setrlimit(RLIMIT_FSIZE, &old_); }

 private:
  rlimit old_{};
};

TEST(StoreDiskFull, IsReadOnlyUntilThereIsRoomAndRecoversByItself) {
  Bench bench;
  LogWriter log(1);
  ASSERT_TRUE(bench.commit(log.batch(10, 1000)).ok());
  const FileSizeLimit limit;
  limit.set(bench.store->size_bytes() + 65536);
  LogWriter refused(2);
  EXPECT_EQ(code_of(bench.commit(refused.batch(100, 10000))), "disk_full");
  EXPECT_EQ(bench.store->status().state, StoreState::kDiskFull);
  ASSERT_TRUE(bench.store->status().reason.has_value());
  EXPECT_EQ(numbers_of(*bench.store, log.key()).size(), 10u);
  EXPECT_TRUE(numbers_of(*bench.store, refused.key()).empty());
  EXPECT_EQ(code_of(bench.commit(refused.batch(1, 10))), "disk_full");

  Batch erase;
  erase.erase_body(log.key(), {1});
  EXPECT_EQ(code_of(bench.commit(std::move(erase))), "ok");

  limit.lift();
  EXPECT_EQ(bench.store->status().state, StoreState::kReady);
  LogWriter again(2);
  EXPECT_EQ(code_of(bench.commit(again.batch(100, 10000))), "ok");
  EXPECT_EQ(bench.store->status().state, StoreState::kReady);
  bench.reopen();
  EXPECT_EQ(numbers_of(*bench.store, again.key()).size(), 100u);
}

TEST(StoreDiskFull, TheReserveIsKept) {
  StoreOptions options;
  options.reserve_bytes = std::uint64_t{1} << 62;
  Bench bench(options);
  LogWriter log(1);
  EXPECT_EQ(code_of(bench.commit(log.batch(1))), "disk_full");
  Batch remove;
  remove.remove_record(Table::kLocal, as_bytes("x"));
  EXPECT_EQ(code_of(bench.commit(std::move(remove))), "ok");
  EXPECT_EQ(bench.store->status().state, StoreState::kDiskFull);
}

TEST(StoreDiskFull, EverythingQueuedBehindFailsWithIt) {
  Bench bench;
  LogWriter log(1);
  ASSERT_TRUE(bench.commit(log.batch(1)).ok());
  const FileSizeLimit limit;
  limit.set(bench.store->size_bytes());
  std::vector<std::string> said;
  for (int i = 0; i < 20; ++i) {
    bench.store->commit(log.batch(10, 1000), [&](Result<Arrival> r) { said.push_back(code_of(r)); });
  }
  bench.loop.run_until([&] { return said.size() == 20; });
  EXPECT_EQ(said, std::vector<std::string>(20, "disk_full"));
}

// A real file system without room, in a mount namespace of a child.
int fill_small_disk(const std::filesystem::path& mount_point) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=8m,mode=0700") != 0) {
    return 77;  // not allowed here
  }
  auto home = Home::create(mount_point / "home");
  if (!home || !home->complete()) return 1;
  std::ofstream(mount_point / "filler") << std::string(2 * 1024 * 1024, 'x');
  Loop loop;
  auto store = Store::create(*home, store_key(), loop.post(), test_options());
  if (!store) return 2;
  const auto commit = [&](Batch batch) {
    std::optional<Result<Arrival>> answer;
    (*store)->commit(std::move(batch), [&](Result<Arrival> r) { answer = std::move(r); });
    loop.run_until([&] { return answer.has_value(); });
    return code_of(*answer);
  };
  std::uint64_t durable = 0;
  std::string last = "ok";
  for (std::uint8_t id = 1; id < 250 && last == "ok"; ++id) {
    last = commit(LogWriter(id).batch(20, 1000));
    if (last == "ok") durable += 20;
  }
  if (last != "disk_full" || durable == 0) return 3;
  if ((*store)->status().state != StoreState::kDiskFull) return 4;
  if ((*store)->entry_count() != durable || numbers_of(**store, LogWriter(1).key()).size() != 20) return 5;
  Batch erase;
  erase.erase_body(LogWriter(1).key(), {1});
  if (commit(std::move(erase)) != "ok") return 6;
  std::filesystem::remove(mount_point / "filler");
  if ((*store)->status().state != StoreState::kReady) return 7;
  if (commit(LogWriter(251).batch(20, 1000)) != "ok") return 8;
  return 0;
}

TEST(StoreDiskFull, ARealDiskWithoutRoom) {
  TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(fill_small_disk(folder.path()));
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "mounting a small disk is not allowed here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// ---- Damaged files

class DamagedStore : public ::testing::Test {
 protected:
  void SetUp() override {
    Batch batch = log_.batch(400, 700);
    LogWriter organisation(2, LogType::kOrganisation);
    organisation.add_to(batch, 3, 9000);
    batch.put_record(Table::kLocal, as_bytes("name"), Bytes(20000, 1));
    ASSERT_TRUE(bench_.commit(std::move(batch)).ok());
    bench_.store->close();
    bench_.store.reset();
    whole_ = *read_file(bench_.data_file(), std::size_t{1} << 30);
  }
  void write(ByteView bytes) {
    std::ofstream out(bench_.data_file(), std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  // Code of the first thing that goes wrong, "ok" when nothing does: opens as fsck does, and reads everything.
  std::string look() {
    bench_.options.page_check = PageDepth::kAll;
    if (const auto opened = bench_.try_open(); !opened) return code_of(opened);
    const auto report = bench_.store->fsck({});
    bench_.store->close();
    bench_.store.reset();
    if (!report) return std::string(report.error().code.text());
    return report->problem_count == 0 ? "ok" : std::string(report->problems.front().code.text());
  }

  Bench bench_;
  LogWriter log_{1};
  Bytes whole_;
};

TEST_F(DamagedStore, UntouchedIsFine) { EXPECT_EQ(look(), "ok"); }

TEST_F(DamagedStore, CutFilesAreRefusedWhateverTheirSize) {
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::size_t{4096}, std::size_t{8192},
                           whole_.size() / 2, whole_.size() - 4096, whole_.size() - 1}) {
    write(ByteView(whole_).first(size));
    for (const PageDepth depth : {PageDepth::kBranches, PageDepth::kAll}) {
      bench_.options.page_check = depth;
      EXPECT_EQ(code_of(bench_.try_open()), "store_damaged") << size;
    }
  }
}

TEST_F(DamagedStore, OverwrittenMetaPagesAreRefused) {
  for (const std::size_t at : {10, 16, 20, 40}) {
    Bytes damaged = whole_;
    for (std::size_t i = 0; i < 8; ++i) damaged[at + i] ^= 0x5a;
    write(damaged);
    EXPECT_EQ(code_of(bench_.try_open()), "store_damaged") << at;
  }
}

TEST_F(DamagedStore, AFlippedBitIsFoundOrHarmlessAndNeverACrash) {
  std::mt19937 random(7);
  std::size_t found = 0;
  for (int i = 0; i < 150; ++i) {
    Bytes damaged = whole_;
    damaged[random() % damaged.size()] ^= static_cast<std::uint8_t>(1u << (random() % 8));
    write(damaged);
    found += look() != "ok";
  }
  // Most of the file are entries, whose every bit is covered; the rest is free room in pages.
  EXPECT_GT(found, 90u);
}

TEST_F(DamagedStore, APageOfRubbishIsFoundAndNeverACrash) {
  std::mt19937 random(11);
  const std::size_t pages = whole_.size() / 4096;
  for (std::size_t page = 0; page < pages; page += 1 + random() % 3) {
    Bytes damaged = whole_;
    for (std::size_t i = 0; i < 4096; ++i) damaged[page * 4096 + i] = static_cast<std::uint8_t>(random());
    write(damaged);
    look();
  }
  SUCCEED();
}

TEST_F(DamagedStore, PagesSwappedAreFound) {
  Bytes damaged = whole_;
  const std::size_t page = whole_.size() / 4096 / 2;
  std::swap_ranges(damaged.begin() + static_cast<std::ptrdiff_t>(page * 4096),
                   damaged.begin() + static_cast<std::ptrdiff_t>((page + 1) * 4096),
                   damaged.begin() + static_cast<std::ptrdiff_t>((page + 1) * 4096));
  write(damaged);
  EXPECT_EQ(look(), "store_damaged");
}

}  // namespace
}  // namespace tocsin::store
