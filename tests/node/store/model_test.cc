// Random batches against plain maps, with the store closed and opened in between, and against MemoryStore, which must
// agree with the LMDB store in everything that the protocol can see.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "protocol/memory_store.h"
#include "tests/node/store/support.h"

namespace tocsin::store {
namespace {

using namespace protocol;

struct ModelEntry {
  std::uint64_t arrival;
  Bytes bytes;  // encode_entry
};

// What a store should hold.
struct Model {
  std::map<std::pair<LogKey, std::uint64_t>, ModelEntry> entries;
  std::map<LogKey, LogRecord> logs;
  std::map<std::pair<Table, Bytes>, Bytes> records;
  std::uint64_t arrival = 0;
};

// The same batches for every store, and the model beside them.
class Player {
 public:
  Player() {
    for (std::uint8_t i = 1; i <= 4; ++i) {
      writers_.emplace_back(i, i == 4 ? LogType::kOrganisation : LogType::kFeed);
      starts_.push_back(0);
    }
  }

  Batch random_batch() {
    Batch batch;
    const auto steps = *rc::gen::inRange(1, 6);
    std::map<std::pair<LogKey, std::uint64_t>, int> erased;
    if (*rc::gen::inRange(0, 8) == 0) cut(batch);
    for (int i = 0; i < steps; ++i) {
      switch (*rc::gen::inRange(0, 5)) {
        case 0:
        case 1:
          append_entries(batch);
          break;
        case 2:
          put_record(batch);
          break;
        case 3:
          remove_record(batch);
          break;
        case 4:
          erase(erased);
          break;
      }
    }
    for (const auto& [name, unused] : erased) {
      batch.erase_body(name.first, {name.second});
      const auto at = model.entries.find(name);
      if (at == model.entries.end()) continue;
      const EntryView view = *decode_entry(at->second.bytes);
      at->second.bytes = encode_entry({view.header, view.signature, {}});
    }
    return batch;
  }

  Model model;

 private:
  void append_entries(Batch& batch) {
    LogWriter& log = writers_[*rc::gen::inRange<std::size_t>(0, writers_.size())];
    const auto count = *rc::gen::inRange(1, 5);
    for (int i = 0; i < count; ++i) {
      const auto size = *rc::gen::element<std::size_t>(0, 1, 300, 1900, 2100, 5000, kBodyBytesMax);
      const Entry& entry = log.make(Bytes(size, static_cast<std::uint8_t>(log.record().head.value)));
      batch.add_entry(log.key(), log.record().head, entry.view(), Checked::kSigned);
      model.entries[{log.key(), log.record().head.value}] = {++model.arrival, encode_entry(entry.view())};
    }
    batch.set_log(log.record());
    model.logs[log.key()] = log.record();
  }
  void cut(Batch& batch) {
    LogWriter& log = writers_[*rc::gen::inRange<std::size_t>(0, writers_.size())];
    if (log.record().head.value == 0) return;
    const auto keep = *rc::gen::inRange<std::uint64_t>(0, log.record().head.value + 2);
    for (auto number = keep + 1; number <= log.record().head.value; ++number) model.entries.erase({log.key(), number});
    batch.cut_log(log.key(), {keep});
    log.cut(keep);
    batch.set_log(log.record());
    model.logs[log.key()] = log.record();
  }
  static std::pair<Table, Bytes> random_name() {
    return {*rc::gen::element(Table::kLocal, Table::kPeers, Table::kPolicies),
            Bytes(*rc::gen::inRange<std::size_t>(0, 6), 'n')};
  }
  void put_record(Batch& batch) {
    const auto name = random_name();
    const Bytes value(*rc::gen::element<std::size_t>(0, 5, 1000, 30000), *rc::gen::arbitrary<std::uint8_t>());
    batch.put_record(name.first, name.second, value);
    model.records[name] = value;
  }
  void remove_record(Batch& batch) {
    const auto name = random_name();
    batch.remove_record(name.first, name.second);
    model.records.erase(name);
  }
  void erase(std::map<std::pair<LogKey, std::uint64_t>, int>& erased) {
    const LogWriter& log = writers_[*rc::gen::inRange<std::size_t>(0, writers_.size())];
    erased[{log.key(), *rc::gen::inRange<std::uint64_t>(1, 20)}] = 1;
  }

  std::vector<LogWriter> writers_;
  std::vector<std::uint64_t> starts_;
};

Bytes bytes_of(const StoredEntry& stored) { return encode_entry(stored.entry); }

void check(EntryStore& store, const Model& model) {
  RC_ASSERT(store.newest_arrival().value == model.arrival);
  const auto logs = store.logs();
  RC_ASSERT(logs.ok());
  RC_ASSERT(logs->size() == model.logs.size());
  for (const LogRecord& record : *logs) RC_ASSERT(model.logs.at(record.log) == record);

  std::map<std::uint64_t, Bytes> by_arrival;
  for (const auto& [name, entry] : model.entries) by_arrival[entry.arrival] = entry.bytes;
  auto expected = by_arrival.begin();
  RC_ASSERT(store
                .read_arrivals({0}, SIZE_MAX,
                               [&](const StoredEntry& stored) {
                                 RC_ASSERT(expected != by_arrival.end());
                                 RC_ASSERT(stored.arrival.value == expected->first);
                                 RC_ASSERT(bytes_of(stored) == expected->second);
                                 ++expected;
                                 return true;
                               })
                .ok());
  RC_ASSERT(expected == by_arrival.end());

  for (const auto& [key, record] : model.logs) {
    auto at = model.entries.lower_bound({key, 0});
    RC_ASSERT(store
                  .read(key, {0}, {UINT64_MAX}, SIZE_MAX,
                        [&, &log = key](const StoredEntry& stored) {
                          RC_ASSERT(at != model.entries.end() && at->first.first == log);
                          RC_ASSERT(stored.number.value == at->first.second);
                          RC_ASSERT(stored.arrival.value == at->second.arrival);
                          RC_ASSERT(bytes_of(stored) == at->second.bytes);
                          ++at;
                          return true;
                        })
                  .ok());
    RC_ASSERT(at == model.entries.end() || at->first.first != key);
  }
  std::map<std::pair<Table, Bytes>, Bytes> records;
  for (const Table table : {Table::kLocal, Table::kPeers, Table::kPolicies, Table::kMail}) {
    RC_ASSERT(store
                  .scan_records(table,
                                [&](ByteView name, ByteView value) {
                                  records[{table, to_bytes(name)}] = to_bytes(value);
                                  return true;
                                })
                  .ok());
  }
  RC_ASSERT(records == model.records);
  for (const auto& [name, value] : model.records) {
    RC_ASSERT(*store.get_record(name.first, name.second) == value);
  }
}

RC_GTEST_PROP(StoreModel, LmdbAgreesWithMapsOverRestarts, ()) {
  Bench bench;
  Player player;
  const auto rounds = *rc::gen::inRange(1, 8);
  for (int round = 0; round < rounds; ++round) {
    const auto batches = *rc::gen::inRange(1, 5);
    int open = batches;
    for (int i = 0; i < batches; ++i) {
      bench.store->commit(player.random_batch(), [&](Result<Arrival> r) {
        RC_ASSERT(r.ok());
        --open;
      });
    }
    bench.loop.run_until([&] { return open == 0; });
    if (*rc::gen::arbitrary<bool>()) {
      bench.store->close();
      bench.options.page_check = PageDepth::kAll;
      const auto opened = bench.try_open();
      if (!opened) RC_FAIL(opened.error().detail);
    }
    check(*bench.store, player.model);
  }
}

RC_GTEST_PROP(StoreModel, MemoryAgreesWithMapsOverCrashes, ()) {
  MemoryStore store;
  Player player;
  const auto rounds = *rc::gen::inRange(1, 20);
  for (int round = 0; round < rounds; ++round) {
    store.commit(player.random_batch(), {});
    RC_ASSERT(store.sync());
    store.crash();
    check(store, player.model);
  }
}

}  // namespace
}  // namespace tocsin::store
