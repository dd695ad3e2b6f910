#include "node/store/store.h"

#include <lmdb.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "node/store/codes.h"
#include "node/store/files.h"
#include "node/store/format.h"
#include "tests/node/store/support.h"

namespace tocsin::store {
namespace {

using namespace protocol;
using Numbers = std::vector<std::uint64_t>;

Bytes file_of(const std::filesystem::path& path) { return *read_file(path, std::size_t{1} << 30); }

TEST(Store, GivesBackWhatWasCommittedByLogAndByArrival) {
  Bench bench;
  LogWriter one(1);
  LogWriter two(2);
  Batch batch = one.batch(3);
  two.add_to(batch, 2);
  EXPECT_EQ(bench.commit(std::move(batch))->value, 5u);
  EXPECT_EQ(bench.commit(one.batch(1))->value, 6u);

  EXPECT_EQ(numbers_of(*bench.store, one.key()), (Numbers{1, 2, 3, 4}));
  EXPECT_EQ(numbers_of(*bench.store, one.key(), 2, 3), (Numbers{2, 3}));
  EXPECT_EQ(numbers_of(*bench.store, two.key()), (Numbers{1, 2}));
  EXPECT_TRUE(numbers_of(*bench.store, LogWriter(9).key()).empty());
  EXPECT_EQ(bench.store->newest_arrival(), Arrival{6});

  std::vector<std::uint64_t> arrivals;
  ASSERT_TRUE(bench.store
                  ->read_arrivals({3}, SIZE_MAX,
                                  [&](const StoredEntry& stored) {
                                    arrivals.push_back(stored.arrival.value);
                                    return stored.arrival.value < 5;
                                  })
                  .ok());
  EXPECT_EQ(arrivals, (Numbers{4, 5}));
}

TEST(Store, EntriesComeBackAsOnTheWire) {
  Bench bench;
  LogWriter feed(1);
  LogWriter organisation(2, LogType::kOrganisation);
  Batch batch = feed.batch(2, 1000);
  organisation.add_to(batch, 2, 700);
  ASSERT_TRUE(bench.commit(std::move(batch)).ok());
  bench.reopen();
  for (const LogWriter* log : {&feed, &organisation}) {
    std::size_t at = 0;
    ASSERT_TRUE(bench.store
                    ->read(log->key(), {1}, {9}, SIZE_MAX,
                           [&](const StoredEntry& stored) {
                             const EntryView expected = log->entries[at++].view();
                             EXPECT_TRUE(equal(stored.entry.header, expected.header));
                             EXPECT_TRUE(equal(stored.entry.signature, expected.signature));
                             EXPECT_TRUE(equal(stored.entry.body, expected.body));
                             EXPECT_EQ(stored.checked, Checked::kSigned);
                             EXPECT_FALSE(stored.body_erased);
                             return true;
                           })
                    .ok());
    EXPECT_EQ(at, 2u);
  }
  auto logs = *bench.store->logs();
  ASSERT_EQ(logs.size(), 2u);
  EXPECT_EQ(logs[0], feed.record());
  EXPECT_EQ(logs[1], organisation.record());
}

TEST(Store, ReadsAtMostTheBytesAskedForButAtLeastOneEntry) {
  Bench bench;
  LogWriter log(1);
  ASSERT_TRUE(bench.commit(log.batch(5, 300)).ok());
  const std::size_t size = 152 + 64 + 300;
  EXPECT_EQ(numbers_of(*bench.store, log.key(), 1, 9, 0), (Numbers{1}));
  EXPECT_EQ(numbers_of(*bench.store, log.key(), 1, 9, 3 * size - 1), (Numbers{1, 2}));
  EXPECT_EQ(numbers_of(*bench.store, log.key(), 1, 9, 3 * size), (Numbers{1, 2, 3}));
}

TEST(Store, AVisitorMayReadAgain) {
  Bench bench;
  LogWriter log(1);
  ASSERT_TRUE(bench.commit(log.batch(2)).ok());
  std::size_t inner = 0;
  ASSERT_TRUE(bench.store
                  ->read(log.key(), {1}, {2}, SIZE_MAX,
                         [&](const StoredEntry&) {
                           inner += numbers_of(*bench.store, log.key()).size();
                           return true;
                         })
                  .ok());
  EXPECT_EQ(inner, 4u);
}

TEST(Store, GrowsDownwardsFromTheHead) {
  Bench bench;
  LogWriter log(1);
  for (int i = 0; i < 6; ++i) log.make(Bytes(10, 1));
  LogRecord record = log.record();
  record.low = {5};
  Batch top;
  top.set_log(record);
  top.add_entry(log.key(), {5}, log.entries[4].view(), Checked::kChained);
  top.add_entry(log.key(), {6}, log.entries[5].view(), Checked::kSigned);
  ASSERT_TRUE(bench.commit(std::move(top)).ok());
  bench.reopen();
  Batch below;
  for (std::uint64_t n = 4; n >= 1; --n) below.add_entry(log.key(), {n}, log.entries[n - 1].view(), Checked::kChained);
  below.set_log(log.record());
  ASSERT_TRUE(bench.commit(std::move(below)).ok());
  EXPECT_EQ(numbers_of(*bench.store, log.key()), (Numbers{1, 2, 3, 4, 5, 6}));
}

TEST(Store, BrokenPromisesFailTheBatchAndLeaveThoseInFront) {
  Bench bench;
  LogWriter log(1);
  std::vector<std::string> said;
  const auto note = [&](Result<Arrival> r) { said.push_back(code_of(r)); };
  Batch good = log.batch(2);
  Batch gap;
  log.make(Bytes(5, 5));
  log.make(Bytes(5, 5));
  gap.add_entry(log.key(), {4}, log.entries[3].view(), Checked::kSigned);
  Batch behind;
  behind.put_record(Table::kLocal, as_bytes("x"), as_bytes("y"));
  bench.store->commit(std::move(good), note);
  bench.store->commit(std::move(gap), note);
  bench.store->commit(std::move(behind), note);
  bench.loop.run_until([&] { return said.size() == 3; });
  EXPECT_EQ(said, (std::vector<std::string>{"ok", "entry_gap", "entry_gap"}));
  EXPECT_EQ(numbers_of(*bench.store, log.key()), (Numbers{1, 2}));
  EXPECT_EQ(bench.store->get_record(Table::kLocal, as_bytes("x")).error().code, kNotHeld);

  Batch again;
  again.add_entry(log.key(), {2}, log.entries[1].view(), Checked::kSigned);
  EXPECT_EQ(code_of(bench.commit(std::move(again))), "entry_held");
  Batch unknown;
  LogWriter other(2);
  unknown.add_entry(other.key(), {1}, other.make(Bytes(1, 1)).view(), Checked::kSigned);
  EXPECT_EQ(code_of(bench.commit(std::move(unknown))), "log_unknown");
  Batch misfiled;
  misfiled.add_entry(log.key(), {3}, log.entries[3].view(), Checked::kSigned);
  EXPECT_EQ(code_of(bench.commit(std::move(misfiled))), "entry_mismatch");
  EXPECT_EQ(bench.store->status().state, StoreState::kReady);
  EXPECT_EQ(bench.store->newest_arrival(), Arrival{2});
}

// The owner built the second batch on the first, of whose failure it could not know yet.
TEST(Store, WhatIsCommittedBeforeAFailureIsToldFailsWithIt) {
  Bench bench;
  std::vector<std::string> said;
  const auto note = [&](Result<Arrival> r) { said.push_back(code_of(r)); };
  Batch wrong;
  LogWriter unknown(2);
  wrong.add_entry(unknown.key(), {1}, unknown.make(Bytes(1, 1)).view(), Checked::kSigned);
  bench.store->commit(std::move(wrong), note);
  bench.store->flush();  // it has failed, and nothing was told
  Batch behind;
  behind.put_record(Table::kLocal, as_bytes("x"), as_bytes("y"));
  bench.store->commit(std::move(behind), note);
  bench.loop.run_until([&] { return said.size() == 2; });
  EXPECT_EQ(said, (std::vector<std::string>{"log_unknown", "log_unknown"}));
  EXPECT_EQ(bench.store->get_record(Table::kLocal, as_bytes("x")).error().code, kNotHeld);
}

TEST(Store, WhatIsCommittedInsideADoneStandsOnItsOwn) {
  Bench bench;
  LogWriter log(1);
  Batch wrong;
  LogWriter unknown(2);
  wrong.add_entry(unknown.key(), {1}, unknown.make(Bytes(1, 1)).view(), Checked::kSigned);
  std::string second;
  bench.store->commit(std::move(wrong), [&](Result<Arrival> first) {
    EXPECT_FALSE(first.ok());
    bench.store->commit(log.batch(1), [&](Result<Arrival> r) { second = code_of(r); });
  });
  bench.loop.run_until([&] { return !second.empty(); });
  EXPECT_EQ(second, "ok");
}

TEST(Store, ErasedBodiesAreGoneAndCanComeBack) {
  Bench bench;
  LogWriter feed(1);
  LogWriter organisation(2, LogType::kOrganisation);
  Batch batch = feed.batch(3, 40000);
  organisation.add_to(batch, 1, 5000);
  ASSERT_TRUE(bench.commit(std::move(batch)).ok());
  Batch erase;
  erase.erase_body(feed.key(), {2});
  erase.erase_body(feed.key(), {77});
  erase.erase_body(LogWriter(9).key(), {1});
  erase.erase_body(organisation.key(), {1});
  ASSERT_TRUE(bench.commit(std::move(erase)).ok());
  bench.reopen();
  const auto is_erased = [&](const LogKey& log, std::uint64_t number) {
    bool erased = false;
    EXPECT_TRUE(bench.store
                    ->read(log, {number}, {number}, SIZE_MAX,
                           [&](const StoredEntry& stored) {
                             erased = stored.body_erased && stored.entry.body.empty();
                             return true;
                           })
                    .ok());
    return erased;
  };
  EXPECT_FALSE(is_erased(feed.key(), 1));
  EXPECT_TRUE(is_erased(feed.key(), 2));
  EXPECT_TRUE(is_erased(organisation.key(), 1));
  EXPECT_EQ(bench.store->entry_count(), 4u);

  Batch back;
  back.add_entry(feed.key(), {2}, feed.entries[1].view(), Checked::kChained);
  EXPECT_EQ(bench.commit(std::move(back))->value, 5u);
  EXPECT_FALSE(is_erased(feed.key(), 2));
  EXPECT_EQ(numbers_of(*bench.store, feed.key()), (Numbers{1, 2, 3}));
  EXPECT_EQ(bench.store->entry_count(), 4u);
}

TEST(Store, ErasedRoomIsUsedAgain) {
  Bench bench;
  LogWriter log(1);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(bench.commit(log.batch(200, 1000)).ok());
  const std::uint64_t before = bench.store->size_bytes();
  for (std::uint64_t from = 1; from <= 1000; from += 200) {
    Batch erase;
    for (std::uint64_t n = from; n < from + 200; ++n) erase.erase_body(log.key(), {n});
    ASSERT_TRUE(bench.commit(std::move(erase)).ok());
  }
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(bench.commit(log.batch(200, 1000)).ok());
  EXPECT_LT(bench.store->size_bytes(), before + before / 4);
}

TEST(Store, KeepsRecordsAndListsATable) {
  Bench bench;
  Batch batch;
  batch.put_record(Table::kPeers, as_bytes("anna"), as_bytes("1"));
  batch.put_record(Table::kPeers, as_bytes("berta"), Bytes(100000, 3));
  batch.put_record(Table::kMail, as_bytes("anna"), as_bytes(""));
  batch.put_record(Table::kMail, Bytes{}, as_bytes("no name"));
  ASSERT_TRUE(bench.commit(std::move(batch)).ok());
  Batch change;
  change.remove_record(Table::kPeers, as_bytes("nobody"));
  change.put_record(Table::kPeers, as_bytes("anna"), as_bytes("2"));
  change.remove_record(Table::kMail, as_bytes("anna"));
  ASSERT_TRUE(bench.commit(std::move(change)).ok());
  bench.reopen();
  std::map<std::string, std::size_t> seen;
  ASSERT_TRUE(bench.store
                  ->scan_records(Table::kPeers,
                                 [&](ByteView name, ByteView value) {
                                   seen[std::string(as_text(name))] = value.size();
                                   return true;
                                 })
                  .ok());
  EXPECT_EQ(seen, (std::map<std::string, std::size_t>{{"anna", 1}, {"berta", 100000}}));
  EXPECT_EQ(as_text(*bench.store->get_record(Table::kPeers, as_bytes("anna"))), "2");
  EXPECT_EQ(as_text(*bench.store->get_record(Table::kMail, Bytes{})), "no name");
  EXPECT_EQ(bench.store->get_record(Table::kMail, as_bytes("anna")).error().code, kNotHeld);
  Batch large;
  large.put_record(Table::kLocal, as_bytes("n"), Bytes(kRecordBytesMax));
  EXPECT_EQ(code_of(bench.commit(std::move(large))), "record_too_large");
}

TEST(Store, TheMapGrowsByItselfUnderReaders) {
  StoreOptions options = test_options();
  options.map_bytes = 1024 * 1024;
  Bench bench(options);
  LogWriter log(1);
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      std::uint64_t expected = 1;
      for (const std::uint64_t number : numbers_of(*bench.store, log.key(), 0, UINT64_MAX, 100000)) {
        if (number != expected++) std::abort();
      }
    }
  });
  std::size_t answered = 0;
  for (int i = 0; i < 20; ++i) {
    bench.store->commit(log.batch(100, 10000), [&](Result<Arrival> r) {
      EXPECT_TRUE(r.ok());
      ++answered;
    });
  }
  bench.loop.run_until([&] { return answered == 20; });
  stop = true;
  reader.join();
  EXPECT_GE(bench.store->status().map_bytes, 16u * 1024 * 1024);
  EXPECT_EQ(bench.store->entry_count(), 2000u);
  bench.reopen();
  EXPECT_EQ(numbers_of(*bench.store, log.key()).size(), 2000u);
}

TEST(Store, ManyBatchesShareATransaction) {
  Bench bench;
  LogWriter log(1);
  std::size_t answered = 0;
  for (int i = 0; i < 500; ++i) bench.store->commit(log.batch(1, 100), [&](Result<Arrival>) { ++answered; });
  bench.loop.run_until([&] { return answered == 500; });
  EXPECT_LT(bench.store->status().transactions, 250u);
  EXPECT_EQ(bench.store->queued_bytes(), 0u);
}

TEST(Store, AnIdleStoreWritesNothing) {
  Bench bench;
  LogWriter log(1);
  ASSERT_TRUE(bench.commit(log.batch(3)).ok());
  const Bytes before = file_of(bench.data_file());
  const auto time = std::filesystem::last_write_time(bench.data_file());
  ASSERT_TRUE(bench.store->logs().ok());
  numbers_of(*bench.store, log.key());
  bench.store->status();
  bench.store->flush();
  EXPECT_EQ(file_of(bench.data_file()), before);
  EXPECT_EQ(std::filesystem::last_write_time(bench.data_file()), time);
}

TEST(Store, FlushWaitsForWhatWasCommittedBefore) {
  Bench bench;
  LogWriter log(1);
  for (int i = 0; i < 50; ++i) bench.store->commit(log.batch(20), {});
  bench.store->flush();
  EXPECT_EQ(bench.store->newest_arrival(), Arrival{1000});
}

TEST(Store, ClosedStoresAnswerWithErrors) {
  Bench bench;
  LogWriter log(1);
  std::vector<std::string> said;
  bench.store->commit(log.batch(1), [&](Result<Arrival> r) { said.push_back(code_of(r)); });
  bench.store->close();
  bench.store->commit(log.batch(1), [&](Result<Arrival> r) { said.push_back(code_of(r)); });
  bench.loop.run_until([&] { return said.size() == 2; });
  EXPECT_EQ(said, (std::vector<std::string>{"ok", "store_closed"}));
  EXPECT_EQ(bench.store->logs().error().code, kStoreFailed);
  EXPECT_EQ(bench.store->status().state, StoreState::kClosed);
  EXPECT_EQ(code_of(bench.try_open()), "ok");
  EXPECT_EQ(numbers_of(*bench.store, log.key()), (Numbers{1}));
}

TEST(Store, AQueueThatIsFullFailsTheBatchAndThoseBehind) {
  StoreOptions options = test_options();
  options.queue_bytes = 1024 * 1024;
  Bench bench(options);
  std::vector<std::string> said;
  const auto note = [&](Result<Arrival> r) { said.push_back(code_of(r)); };
  LogWriter log(1);
  constexpr std::size_t kCommitted = 100;
  bool was_behind = false;
  for (std::size_t i = 0; i < kCommitted; ++i) {
    Batch batch;
    batch.put_record(Table::kLocal, as_bytes(std::to_string(i)), Bytes(200 * 1024));
    bench.store->commit(std::move(batch), note);
    EXPECT_LE(bench.store->queued_bytes(), options.queue_bytes);
    was_behind = was_behind || bench.store->is_behind();
  }
  EXPECT_TRUE(was_behind) << "others' entries are to wait outside";
  bench.loop.run_until([&] { return said.size() == kCommitted; });
  const auto first = std::find(said.begin(), said.end(), "queue_full");
  ASSERT_NE(first, said.end());
  for (auto at = said.begin(); at != first; ++at) EXPECT_EQ(*at, "ok");
  for (auto at = first; at != said.end(); ++at) EXPECT_EQ(*at, "queue_full");
  EXPECT_FALSE(bench.store->is_behind());
  EXPECT_EQ(code_of(bench.commit(log.batch(1))), "ok");
}

// ---- What a seized disk shows

TEST(Store, rule_47_names_of_peers_members_and_channels_are_sealed) {
  Bench bench;
  LogWriter organisation(3, LogType::kOrganisation);
  Batch batch;
  const std::string name = "Observatory of the Delta";
  batch.put_record(Table::kPeers, as_bytes("org-" + name), as_bytes("value-" + name));
  batch.put_record(Table::kChannels, as_bytes("channel-" + name), as_bytes("roster-" + name));
  const Entry& genesis = organisation.make(as_bytes("genesis of " + name));
  batch.set_log(organisation.record());
  batch.add_entry(organisation.key(), {1}, genesis.view(), Checked::kSigned);
  ASSERT_TRUE(bench.commit(std::move(batch)).ok());
  bench.store->close();
  const Bytes disk = file_of(bench.data_file());
  EXPECT_FALSE(contains(disk, as_bytes(name)));
  EXPECT_FALSE(contains(disk, organisation.key().view()));
  EXPECT_FALSE(contains(disk, genesis.view().signature));
}

TEST(Store, rule_47_bodies_and_headers_of_feeds_are_as_on_the_wire) {
  Bench bench;
  LogWriter feed(3);
  ASSERT_TRUE(bench.commit(feed.batch(1, 500)).ok());
  bench.store->close();
  const EntryView entry = feed.entries[0].view();
  Bytes wire = to_bytes(entry.header);
  append(wire, entry.signature);
  append(wire, entry.body);
  EXPECT_TRUE(contains(file_of(bench.data_file()), wire));
}

// Keys of entries say nothing but the order of arrival.
TEST(Store, rule_47_database_keys_of_entries_are_local_numbers) {
  Bench bench;
  LogWriter feed(3);
  ASSERT_TRUE(bench.commit(feed.batch(3)).ok());
  bench.store->close();
  MDB_env* env = nullptr;
  ASSERT_EQ(mdb_env_create(&env), 0);
  mdb_env_set_maxdbs(env, 8);
  ASSERT_EQ(mdb_env_open(env, bench.home->store().c_str(), MDB_RDONLY, 0600), 0);
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  MDB_cursor* cursor = nullptr;
  ASSERT_EQ(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn), 0);
  ASSERT_EQ(mdb_dbi_open(txn, "entries", 0, &dbi), 0);
  ASSERT_EQ(mdb_cursor_open(txn, dbi, &cursor), 0);
  MDB_val key;
  MDB_val value;
  for (std::uint64_t expected = 1; mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0; ++expected) {
    ASSERT_EQ(key.mv_size, 8u);
    EXPECT_EQ(load_le64(static_cast<const std::uint8_t*>(key.mv_data)), expected);
  }
  mdb_cursor_close(cursor);
  mdb_txn_abort(txn);
  mdb_env_close(env);
}

// The flags that give up durability or leak memory appear nowhere in the code that opens LMDB.
TEST(Store, rule_47_no_flag_that_gives_up_durability) {
  const auto folder = std::filesystem::path(TOCSIN_TEST_DATA).parent_path().parent_path() / "node" / "store";
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".cc") continue;
    ++files;
    const Bytes text = file_of(file.path());
    for (const char* flag :
         {"MDB_NOSYNC", "MDB_NOMETASYNC", "MDB_WRITEMAP", "MDB_MAPASYNC", "MDB_NOMEMINIT", "mdb_env_set_flags"}) {
      EXPECT_FALSE(contains(text, as_bytes(flag))) << file.path() << " " << flag;
    }
  }
  EXPECT_GT(files, 5u);
}

// ---- Wrong or missing stores

TEST(Store, IsNotMadeAnewWhereItIsGone) {
  Bench bench;
  bench.store->close();
  EXPECT_EQ(Store::create(*bench.home, store_key(), bench.loop.post()).error().code, kStoreExists);
  std::filesystem::remove(bench.data_file());
  EXPECT_EQ(code_of(bench.try_open()), "store_missing");
}

TEST(Store, OpensWithItsOwnKeyOnly) {
  Bench bench;
  bench.store->close();
  EXPECT_EQ(code_of(bench.try_open(8)), "wrong_store_key");
  EXPECT_EQ(code_of(bench.try_open(7)), "ok");
}

TEST(Store, ANewerSchemaIsRefused) {
  Bench bench;
  bench.store->close();
  set_schema(*bench.home, kSchemaVersion + 1);
  EXPECT_EQ(code_of(bench.try_open()), "schema_too_new");
  set_schema(*bench.home, kSchemaVersion);
  EXPECT_EQ(code_of(bench.try_open()), "ok");
}

}  // namespace
}  // namespace tocsin::store
