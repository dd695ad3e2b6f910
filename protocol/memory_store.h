// An EntryStore in memory, for the simulator and for tests. It loses what a disk would lose: a batch given to commit
// waits until the caller pumps it, so that power can fail before, between or after. One thread, no locks, shares
// nothing; a thousand of them fit one process.
//
// The way of a batch:  commit -> [queued] -> persist -> [durable, not yet told] -> deliver -> its `done` is called
//   crash() drops what is queued, and forgets what was not told: exactly what a kill leaves behind.
//
// Promises what every store promises, and node/store keeps alike:
// 1. A log's first batch carries its LogRecord (set_log); entries of an unknown log fail the batch (log_unknown).
// 2. Within a log the numbers held are one interval; a write that would leave a gap fails the batch (entry_gap).
// 3. A number is written once (entry_held). One exception: the same entry with its body, where it was held without,
//    takes the old one's place under a new arrival number, so that whoever follows the arrivals sees the body come.
// 4. Erasing a body that is not held, or is erased already, changes nothing and succeeds.
// 5. Cutting a log takes out what is held above a number; arrival numbers that go with it are never given out again.
// Origin internal for 1-3: the replica has to know what it holds.
#pragma once

#include <deque>
#include <map>
#include <unordered_map>

#include "protocol/entry_store.h"

namespace tocsin::protocol {

class MemoryStore final : public EntryStore {
 public:
  // ---- EntryStore
  Result<std::vector<LogRecord>> logs() override;
  Result<void> read(const LogKey& log, Number from, Number to, std::size_t bytes_max,
                    const EntryVisitor& visit) override;
  Result<void> read_arrivals(Arrival cursor, std::size_t bytes_max, const EntryVisitor& visit) override;
  Arrival newest_arrival() override;
  Result<Bytes> get_record(Table table, ByteView name) override;
  Result<void> scan_records(Table table, const RecordVisitor& visit) override;
  void commit(Batch batch, std::function<void(Result<Arrival>)> done) override;

  // ---- The pump
  // Makes at most `batches_max` queued batches durable, oldest first; returns how many it took from the queue. A batch
  // that fails takes all those queued behind it along.
  std::size_t persist(std::size_t batches_max = SIZE_MAX);
  // Calls the `done`s of what was persisted, oldest first; what they commit is queued behind. Returns how many it
  // called.
  std::size_t deliver();
  // persist and deliver, again and again until nothing is queued or to be told. Gives up after `rounds_max` rounds (a
  // `done` that always commits again would go on for ever) and then returns false.
  bool sync(std::size_t rounds_max = 10000);
  std::size_t queued() const { return queue_.size(); }
  std::size_t untold() const { return told_.size(); }

  // ---- Faults
  void crash();
  // The next batch to be persisted fails with `error` (origin environment, say kDiskFull), and so do those behind it.
  void fail_next(Error error) { fail_next_ = std::move(error); }
  // As long as it is set every batch with entries or values fails: a disk that is full. Erasing goes on.
  void set_disk_full(bool full) { disk_full_ = full; }

  std::size_t entry_count() const;

 private:
  struct Held {  // one entry; a gap (its body came later, under another arrival) has an empty `entry`
    Entry entry;
    std::uint32_t log;
    Checked checked;
  };
  struct Log {
    LogRecord record;
    std::uint64_t base = 0;           // number of the first entry ever written here
    std::vector<std::uint64_t> up;    // arrivals of numbers base, base + 1, …
    std::vector<std::uint64_t> down;  // arrivals of numbers base - 1, base - 2, …
    // Nothing when the number is not held.
    std::uint64_t* find(std::uint64_t number);
  };
  struct Pending {
    Batch batch;
    std::function<void(Result<Arrival>)> done;
    std::uint64_t failures_known;
  };
  struct Told {
    std::function<void(Result<Arrival>)> done;
    Result<Arrival> result;
    bool first_failure;
  };

  // Numbers held of a log, [low, high]; low > high when there are none.
  struct Span {
    std::uint64_t low = 1;
    std::uint64_t high = 0;
  };

  Log* find_log(const LogKey& log);
  Held& at(std::uint64_t arrival) { return held_[arrival - 1]; }
  Result<void> check(const Batch& batch);
  Result<void> check_entry(const Batch::EntryWrite& write, const EntryView& entry, Span& span);
  void apply(const Batch& batch);
  void apply_log(const LogRecord& record);
  void apply_entry(const Batch::EntryWrite& write, const EntryView& entry);
  void apply_erase(const Batch::BodyErase& erase);
  void apply_cut(const Batch::LogCut& cut);

  // Durable.
  std::vector<Log> logs_;
  std::unordered_map<LogKey, std::uint32_t, FixedBytesHash> log_numbers_;
  std::vector<Held> held_;  // by arrival, from 1
  std::map<std::pair<Table, Bytes>, Bytes> records_;

  // Lost in a crash.
  std::deque<Pending> queue_;
  std::deque<Told> told_;
  std::uint64_t failures_ = 0;        // batches that failed by themselves, not for one in front of them
  std::uint64_t failures_known_ = 0;  // those that the owner was told of: what it commits now knows of them

  Error last_error_ = environment_error(kStoreFailed);

  // Faults.
  std::optional<Error> fail_next_;
  bool disk_full_ = false;
};

}  // namespace tocsin::protocol
