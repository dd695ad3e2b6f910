#include <lmdb.h>

#include "node/store/codes.h"
#include "node/store/format.h"
#include "tests/node/store/support.h"

namespace tocsin::store {
namespace {

using namespace protocol;

// Changes a closed store behind its back, through LMDB.
class Surgery {
 public:
  explicit Surgery(Bench& bench) : bench_(bench) {
    bench_.store->close();
    bench_.store.reset();
    EXPECT_EQ(mdb_env_create(&env_), 0);
    mdb_env_set_maxdbs(env_, 8);
    EXPECT_EQ(mdb_env_open(env_, bench.home->store().c_str(), 0, 0600), 0);
    EXPECT_EQ(mdb_txn_begin(env_, nullptr, 0, &txn_), 0);
  }
  Surgery(const Surgery&) = delete;
  Surgery& operator=(const Surgery&) = delete;
  ~Surgery() {
    EXPECT_EQ(mdb_txn_commit(txn_), 0);
    mdb_env_close(env_);
    EXPECT_TRUE(bench_.try_open().ok());
  }

  Bytes get(const char* database, ByteView key) {
    MDB_val k{key.size(), const_cast<std::uint8_t*>(key.data())};
    MDB_val v;
    EXPECT_EQ(mdb_get(txn_, dbi(database), &k, &v), 0);
    const auto* data = static_cast<const std::uint8_t*>(v.mv_data);
    return Bytes(data, data + v.mv_size);
  }
  void put(const char* database, ByteView key, ByteView value) {
    MDB_val k{key.size(), const_cast<std::uint8_t*>(key.data())};
    MDB_val v{value.size(), const_cast<std::uint8_t*>(value.data())};
    EXPECT_EQ(mdb_put(txn_, dbi(database), &k, &v, 0), 0);
  }
  void remove(const char* database, ByteView key) {
    MDB_val k{key.size(), const_cast<std::uint8_t*>(key.data())};
    EXPECT_EQ(mdb_del(txn_, dbi(database), &k, nullptr), 0);
  }

 private:
  MDB_dbi dbi(const char* name) {
    MDB_dbi out = 0;
    EXPECT_EQ(mdb_dbi_open(txn_, name, 0, &out), 0);
    return out;
  }
  Bench& bench_;
  MDB_env* env_ = nullptr;
  MDB_txn* txn_ = nullptr;
};

class Fsck : public ::testing::Test {
 protected:
  void SetUp() override {
    Batch batch = feed_.batch(5);
    organisation_.add_to(batch, 2);
    batch.put_record(Table::kPeers, as_bytes("p"), as_bytes("v"));
    ASSERT_TRUE(bench_.commit(std::move(batch)).ok());
  }
  // "code number" of each problem, in order.
  std::vector<std::string> problems(const FsckChecks& checks = {}) {
    std::vector<std::string> out;
    const auto report = bench_.store->fsck(checks);
    EXPECT_TRUE(report.ok());
    for (const Problem& problem : report->problems) {
      out.push_back(std::string(problem.code.text()) + " " + std::to_string(problem.number.value));
    }
    return out;
  }
  using Problems = std::vector<std::string>;

  Bench bench_;
  LogWriter feed_{1};                                  // log number 1, arrivals 1 to 5
  LogWriter organisation_{2, LogType::kOrganisation};  // log number 2, arrivals 6 and 7
};

const std::uint64_t kThird = 3;
const std::uint64_t kSixth = 6;

TEST_F(Fsck, ASoundStoreHasNoProblems) {
  EXPECT_EQ(problems(), Problems{});
  const auto report = bench_.store->fsck({});
  EXPECT_EQ(report->entries, 7u);
  EXPECT_EQ(report->logs, 2u);
  EXPECT_EQ(report->records, 1u);
  EXPECT_TRUE(report->complete);
}

TEST_F(Fsck, ErasedBodiesAndLogsHeldInPartAreSound) {
  LogWriter partial(3);
  for (int i = 0; i < 6; ++i) partial.make(Bytes(10, 1));
  LogRecord record = partial.record();
  record.low = {5};
  record.bytes = 20;
  record.before_low = hash_entry(partial.entries[3].view().header, partial.entries[3].view().signature);
  Batch batch;
  batch.set_log(record);
  batch.add_entry(partial.key(), {5}, partial.entries[4].view(), Checked::kChained);
  batch.add_entry(partial.key(), {6}, partial.entries[5].view(), Checked::kSigned);
  LogRecord empty = LogWriter(4).record();
  empty.head = {9};
  empty.low = {10};
  batch.set_log(empty);
  batch.erase_body(feed_.key(), {2});
  LogRecord smaller = feed_.record();
  smaller.bytes -= 300;
  batch.set_log(smaller);
  ASSERT_TRUE(bench_.commit(std::move(batch)).ok());
  EXPECT_EQ(problems(), Problems{});
}

TEST_F(Fsck, rule_12_a_branch_that_was_cut_out_leaves_a_sound_store_and_no_arrival_twice) {
  // The feed's are the newest of all: what comes after them must not get their numbers, also after a restart.
  Batch last = feed_.batch(3);
  const auto newest = bench_.commit(std::move(last));
  ASSERT_TRUE(newest.ok());
  feed_.cut(3);
  Batch cut;
  cut.cut_log(feed_.key(), {3});
  cut.set_log(feed_.record());
  ASSERT_TRUE(bench_.commit(std::move(cut)).ok());
  EXPECT_EQ(problems(), Problems{});
  EXPECT_EQ(numbers_of(*bench_.store, feed_.key()), (std::vector<std::uint64_t>{1, 2, 3}));
  bench_.reopen();
  EXPECT_EQ(bench_.store->newest_arrival(), *newest);
  EXPECT_EQ(code_of(bench_.commit(feed_.batch(2))), "ok") << "the same numbers, of another branch";
  EXPECT_EQ(bench_.store->newest_arrival().value, newest->value + 2);
  EXPECT_EQ(problems(), Problems{});
  std::vector<std::uint64_t> read;
  ASSERT_TRUE(bench_.store
                  ->read_arrivals({newest->value}, SIZE_MAX,
                                  [&](const StoredEntry& stored) {
                                    read.push_back(stored.number.value);
                                    return true;
                                  })
                  .ok());
  EXPECT_EQ(read, (std::vector<std::uint64_t>{4, 5}));
  // All of it, and the other branch in the same batch.
  feed_.cut(0);
  Batch other;
  other.cut_log(feed_.key(), {0});
  feed_.add_to(other, 1);
  ASSERT_EQ(code_of(bench_.commit(std::move(other))), "ok");
  EXPECT_EQ(numbers_of(*bench_.store, feed_.key()), (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(problems(), Problems{});
}

TEST_F(Fsck, AChangedBodyIsFound) {
  {
    Surgery surgery(bench_);
    Bytes value = surgery.get("entries", integer_key(kThird));
    value.back() ^= 1;
    surgery.put("entries", integer_key(kThird), value);
  }
  EXPECT_EQ(problems(), Problems{"body_changed 3"});
}

TEST_F(Fsck, AChangedHeaderBreaksTheChain) {
  {
    Surgery surgery(bench_);
    Bytes value = surgery.get("entries", integer_key(kThird));
    value[kEntryPrefixBytes + kEntryHeaderBytes] ^= 1;  // first byte of the signature
    surgery.put("entries", integer_key(kThird), value);
  }
  EXPECT_EQ(problems(), Problems{"chain_broken 4"});
}

TEST_F(Fsck, AChangedOrganisationEntryDoesNotOpen) {
  {
    Surgery surgery(bench_);
    Bytes value = surgery.get("entries", integer_key(kSixth));
    value.back() ^= 1;
    surgery.put("entries", integer_key(kSixth), value);
  }
  EXPECT_EQ(problems(), (Problems{"entry_unreadable 0", "log_mismatch 2", "log_mismatch 2"}));
}

TEST_F(Fsck, AMissingEntryIsFound) {
  {
    Surgery surgery(bench_);
    surgery.remove("entries", integer_key(kThird));
  }
  const auto found = problems();
  EXPECT_NE(std::find(found.begin(), found.end(), "index_dangling 3"), found.end());
}

TEST_F(Fsck, AnEntryThatTheIndexForgotIsFound) {
  {
    Surgery surgery(bench_);
    surgery.remove("index", index_key(1, {3}));
  }
  const auto found = problems();
  EXPECT_NE(std::find(found.begin(), found.end(), "not_indexed 3"), found.end());
  EXPECT_NE(std::find(found.begin(), found.end(), "gap 4"), found.end());
}

TEST_F(Fsck, AnEntryUnderAnotherLogIsFound) {
  {
    Surgery surgery(bench_);
    Bytes value = surgery.get("entries", integer_key(kThird));
    store_le32(&value[4], 2);
    surgery.put("entries", integer_key(kThird), value);
  }
  const auto found = problems();
  EXPECT_EQ(found.front(), "entry_misplaced 3");
}

TEST_F(Fsck, ALogRecordThatIsWrongIsFound) {
  LogRecord wrong = feed_.record();
  wrong.bytes += 1;
  wrong.head = {6};
  Batch batch;
  batch.set_log(wrong);
  ASSERT_TRUE(bench_.commit(std::move(batch)).ok());
  EXPECT_EQ(problems(), (Problems{"log_mismatch 6", "log_mismatch 6"}));
}

TEST_F(Fsck, ARecordThatWasMovedOrChangedIsFound) {
  {
    Surgery surgery(bench_);
    surgery.put("records", Bytes(kRecordKeyBytes, 3), Bytes(100, 1));
  }
  EXPECT_EQ(problems(), Problems{"record_unreadable 0"});
}

TEST_F(Fsck, AsksForTheSignaturesThatCoverEverything) {
  std::vector<std::string> asked;
  FsckChecks checks;
  checks.signature = [&](const LogRecord& log, const StoredEntry& entry) {
    asked.push_back((log.type == LogType::kOrganisation ? "organisation " : "feed ") +
                    std::to_string(entry.number.value));
    return entry.number.value != 5;
  };
  EXPECT_EQ(problems(checks), Problems{"bad_signature 5"});
  EXPECT_EQ(asked, (std::vector<std::string>{"organisation 1", "organisation 2", "feed 5"}));
  asked.clear();
  checks.every_signature = true;
  problems(checks);
  EXPECT_EQ(asked.size(), 7u);
}

TEST_F(Fsck, ShowsProgressAndStopsWhenTold) {
  Batch batch = feed_.batch(3000, 10);
  ASSERT_TRUE(bench_.commit(std::move(batch)).ok());
  FsckChecks checks;
  std::uint64_t last = 0;
  checks.progress = [&](const FsckProgress& progress) {
    EXPECT_GE(progress.done, last);
    EXPECT_EQ(progress.total, 2 * 3007u);
    last = progress.done;
    return true;
  };
  EXPECT_EQ(problems(checks), Problems{});
  EXPECT_EQ(last, 2 * 3007u);
  checks.progress = [](const FsckProgress&) { return false; };
  const auto report = bench_.store->fsck(checks);
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report->complete);
}

TEST_F(Fsck, RunsBesideAWriter) {
  std::size_t open = 0;
  for (int i = 0; i < 100; ++i) {
    ++open;
    bench_.store->commit(feed_.batch(50, 200), [&](Result<Arrival> r) {
      EXPECT_TRUE(r.ok());
      --open;
    });
    if (i % 10 == 0) {
      EXPECT_EQ(problems(), Problems{});
    }
  }
  bench_.loop.run_until([&] { return open == 0; });
  EXPECT_EQ(problems(), Problems{});
}

}  // namespace
}  // namespace tocsin::store
