// What a member does that uses its real keys and does not keep to the rules. It runs the production code; what lies is
// its disk, and who holds its wire.
#pragma once

#include <deque>

#include "protocol/entry_store.h"
#include "tools/founding/seeded_random.h"

namespace tocsin::sim {

using tools::SeededRandom;

// A store that says of others' reports, now and then, that it has no body.
class LyingStore final : public protocol::EntryStore {
 public:
  explicit LyingStore(protocol::EntryStore& truth) : truth_(truth) {}
  void lie(SeededRandom* random) { random_ = random; }  // null: the truth again

  Result<std::vector<protocol::LogRecord>> logs() override { return truth_.logs(); }
  Result<void> read(const protocol::LogKey& log, protocol::Number from, protocol::Number to, std::size_t bytes_max,
                    const protocol::EntryVisitor& visit) override;
  Result<void> read_arrivals(protocol::Arrival cursor, std::size_t bytes_max,
                             const protocol::EntryVisitor& visit) override {
    return truth_.read_arrivals(cursor, bytes_max, visit);
  }
  protocol::Arrival newest_arrival() override { return truth_.newest_arrival(); }
  Result<Bytes> get_record(protocol::Table table, ByteView name) override { return truth_.get_record(table, name); }
  Result<void> scan_records(protocol::Table table, const protocol::RecordVisitor& visit) override {
    return truth_.scan_records(table, visit);
  }
  void commit(protocol::Batch batch, std::function<void(Result<protocol::Arrival>)> done) override {
    truth_.commit(std::move(batch), std::move(done));
  }

 private:
  protocol::EntryStore& truth_;
  SeededRandom* random_ = nullptr;
};

// What becomes of a hostile node's frames on their way to and from it.
class Mischief {
 public:
  explicit Mischief(std::uint64_t seed, std::uint64_t number) : random_(seed, 500'000 + number) {}

  // Leaves out entries, fork proofs and mail; says what it said before once more; flips bits; names logs, orders and
  // slots that do not exist.
  void alter(Bytes& frame);
  // False: nothing is left of it. One that does not want to know that it was removed reads no mail.
  bool hear(Bytes& frame) const;

  bool deaf = false;
  bool quiet = false;  // after the last fault: it withholds, and breaks no session any more
  std::uint64_t acts = 0;

 private:
  struct Kept {
    std::uint8_t type;
    Bytes payload;
  };
  SeededRandom random_;
  std::deque<Kept> said_;
};

}  // namespace tocsin::sim
