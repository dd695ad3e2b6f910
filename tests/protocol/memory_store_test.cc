#include "protocol/memory_store.h"

#include <gtest/gtest.h>

#include "protocol/entry_peek.h"

namespace tocsin::protocol {
namespace {

const LogKey kLog{{1, 2, 3}};

Entry entry_of(const LogKey& log, std::uint64_t number, std::size_t body_bytes = 10) {
  EntryHeader header;
  header.log = log;
  header.number = {number};
  header.epoch = {1};
  header.channel.data()[0] = 1;
  header.previous.data()[0] = number > 1 ? 1 : 0;
  header.body_bytes = static_cast<std::uint32_t>(body_bytes);
  return Entry(header.encode(), Bytes(kSignatureBytes), Bytes(body_bytes, static_cast<std::uint8_t>(number)));
}

Batch batch_of(const LogKey& log, std::uint64_t from, std::uint64_t to) {
  Batch batch;
  LogRecord record;
  record.log = log;
  record.low = {from};
  record.head = {to};
  batch.set_log(record);
  for (std::uint64_t number = from; number <= to; ++number) {
    batch.add_entry(log, {number}, entry_of(log, number).view(), Checked::kSigned);
  }
  return batch;
}

struct Outcome {
  std::vector<std::string> said;  // "ok N" or a code, in order
  std::function<void(Result<Arrival>)> done() {
    return [this](Result<Arrival> r) {
      said.push_back(r ? "ok " + std::to_string(r->value) : std::string(r.error().code.text()));
    };
  }
};

std::vector<std::uint64_t> numbers(MemoryStore& store, const LogKey& log, std::uint64_t from = 0,
                                   std::uint64_t to = UINT64_MAX, std::size_t bytes_max = SIZE_MAX) {
  std::vector<std::uint64_t> out;
  EXPECT_TRUE(store
                  .read(log, {from}, {to}, bytes_max,
                        [&](const StoredEntry& stored) {
                          out.push_back(stored.number.value);
                          return true;
                        })
                  .ok());
  return out;
}

using Numbers = std::vector<std::uint64_t>;
using Said = std::vector<std::string>;

TEST(MemoryStore, NothingIsSeenBeforeItIsPersisted) {
  MemoryStore store;
  Outcome outcome;
  store.commit(batch_of(kLog, 1, 3), outcome.done());
  EXPECT_TRUE(numbers(store, kLog).empty());
  EXPECT_EQ(store.persist(), 1u);
  EXPECT_EQ(numbers(store, kLog), (Numbers{1, 2, 3}));
  EXPECT_TRUE(outcome.said.empty());
  EXPECT_EQ(store.deliver(), 1u);
  EXPECT_EQ(outcome.said, Said{"ok 3"});
}

TEST(MemoryStore, rule_09_a_crash_drops_what_was_not_persisted_and_says_nothing) {
  MemoryStore store;
  Outcome outcome;
  store.commit(batch_of(kLog, 1, 3), outcome.done());
  store.commit(batch_of(kLog, 4, 4), outcome.done());
  store.persist(1);
  store.crash();
  EXPECT_TRUE(store.sync());
  EXPECT_TRUE(outcome.said.empty());
  EXPECT_EQ(numbers(store, kLog), (Numbers{1, 2, 3}));
  store.commit(batch_of(kLog, 4, 5), outcome.done());
  EXPECT_TRUE(store.sync());
  EXPECT_EQ(outcome.said, Said{"ok 5"});
}

TEST(MemoryStore, AFailureTakesEverythingBehindItAlongAndNothingLater) {
  MemoryStore store;
  Outcome outcome;
  store.commit(batch_of(kLog, 1, 1), outcome.done());
  store.fail_next(environment_error(kDiskFull));
  store.commit(batch_of(kLog, 2, 2), outcome.done());
  store.persist();
  store.commit(batch_of(kLog, 2, 2), outcome.done());  // before anybody was told: built on what failed
  store.persist();
  store.deliver();
  EXPECT_EQ(outcome.said, (Said{"disk_full", "disk_full", "disk_full"}));
  store.commit(batch_of(kLog, 1, 2), outcome.done());
  store.sync();
  EXPECT_EQ(outcome.said.back(), "ok 2");
}

TEST(MemoryStore, GrowsAtBothEndsAndReadsByNumber) {
  MemoryStore store;
  store.commit(batch_of(kLog, 5, 6), {});
  Batch down;
  for (const std::uint64_t number : {4, 3}) {
    down.add_entry(kLog, {number}, entry_of(kLog, number).view(), Checked::kChained);
  }
  store.commit(std::move(down), {});
  store.sync();
  EXPECT_EQ(numbers(store, kLog), (Numbers{3, 4, 5, 6}));
  EXPECT_EQ(numbers(store, kLog, 4, 5), (Numbers{4, 5}));
  EXPECT_EQ(numbers(store, kLog, 1, 9, 2 * (152 + 64 + 10)), (Numbers{3, 4}));
  EXPECT_EQ(numbers(store, kLog, 1, 9, 0), (Numbers{3}));
  Numbers by_arrival;
  EXPECT_TRUE(store
                  .read_arrivals({1}, SIZE_MAX,
                                 [&](const StoredEntry& stored) {
                                   by_arrival.push_back(stored.number.value);
                                   return true;
                                 })
                  .ok());
  EXPECT_EQ(by_arrival, (Numbers{6, 4, 3}));
}

TEST(MemoryStore, RefusesGapsRepetitionsAndUnknownLogs) {
  MemoryStore store;
  Outcome outcome;
  Batch unknown;
  unknown.add_entry(kLog, {1}, entry_of(kLog, 1).view(), Checked::kSigned);
  store.commit(std::move(unknown), outcome.done());
  store.sync();
  for (const std::uint64_t second : {3, 1}) {
    Batch batch = batch_of(kLog, 1, 1);
    batch.add_entry(kLog, {second}, entry_of(kLog, second).view(), Checked::kSigned);
    store.commit(std::move(batch), outcome.done());
    store.sync();
  }
  EXPECT_EQ(outcome.said, (Said{"log_unknown", "entry_gap", "entry_held"}));
  EXPECT_EQ(store.entry_count(), 0u);
}

TEST(MemoryStore, ErasesABodyAndTakesItBackUnderANewArrival) {
  MemoryStore store;
  store.commit(batch_of(kLog, 1, 2), {});
  Batch erase;
  erase.erase_body(kLog, {1});
  erase.erase_body(kLog, {99});
  store.commit(std::move(erase), {});
  store.sync();
  bool erased = false;
  ASSERT_TRUE(store
                  .read(kLog, {1}, {1}, SIZE_MAX,
                        [&](const StoredEntry& stored) {
                          erased =
                              stored.body_erased && stored.entry.body.empty() && stored.entry.signature.size() == 64;
                          return true;
                        })
                  .ok());
  EXPECT_TRUE(erased);

  Batch again;
  again.add_entry(kLog, {1}, entry_of(kLog, 1).view(), Checked::kSigned);
  store.commit(std::move(again), {});
  store.sync();
  EXPECT_EQ(store.newest_arrival(), Arrival{3});
  EXPECT_EQ(store.entry_count(), 2u);
  std::vector<std::uint64_t> arrivals;
  ASSERT_TRUE(store
                  .read(kLog, {1}, {2}, SIZE_MAX,
                        [&](const StoredEntry& stored) {
                          arrivals.push_back(stored.arrival.value);
                          return !stored.body_erased;
                        })
                  .ok());
  EXPECT_EQ(arrivals, (Numbers{3, 2}));
}

TEST(MemoryStore, KeepsRecordsByTable) {
  MemoryStore store;
  Batch batch;
  batch.put_record(Table::kPeers, as_bytes("a"), as_bytes("1"));
  batch.put_record(Table::kPeers, as_bytes("b"), as_bytes("2"));
  batch.put_record(Table::kMail, as_bytes("a"), as_bytes("3"));
  batch.remove_record(Table::kPeers, as_bytes("b"));
  store.commit(std::move(batch), {});
  store.sync();
  std::size_t seen = 0;
  ASSERT_TRUE(store.scan_records(Table::kPeers, [&](ByteView, ByteView) { return ++seen > 0; }).ok());
  EXPECT_EQ(seen, 1u);
  EXPECT_EQ(as_text(*store.get_record(Table::kMail, as_bytes("a"))), "3");
  EXPECT_EQ(store.get_record(Table::kPeers, as_bytes("b")).error().code, kNotHeld);
}

TEST(MemoryStore, AFullDiskStillErases) {
  MemoryStore store;
  Outcome outcome;
  store.commit(batch_of(kLog, 1, 1), outcome.done());
  store.sync();
  store.set_disk_full(true);
  Batch erase;
  erase.erase_body(kLog, {1});
  store.commit(std::move(erase), outcome.done());
  store.commit(batch_of(kLog, 2, 2), outcome.done());
  store.sync();
  store.set_disk_full(false);
  store.commit(batch_of(kLog, 2, 2), outcome.done());
  store.sync();
  EXPECT_EQ(outcome.said, (Said{"ok 1", "ok 1", "disk_full", "ok 2"}));
}

}  // namespace
}  // namespace tocsin::protocol
