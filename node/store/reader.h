// Reading entries in one short transaction. Inside node/store only.
#pragma once

#include "node/store/database.h"
#include "node/store/store.h"

namespace tocsin::store {

// Hands stored entries to a visitor until it has had enough or `bytes_max` is reached; the first always comes.
class EntryFeed {
 public:
  EntryFeed(const Database& database, std::size_t bytes_max, const protocol::EntryVisitor& visit)
      : database_(database), bytes_max_(bytes_max), visit_(visit) {}

  // False: stop. kStoreFailed when the value is damaged.
  Result<bool> give(std::uint64_t arrival, const MDB_val& value);

 private:
  const Database& database_;
  const std::size_t bytes_max_;
  const protocol::EntryVisitor& visit_;
  std::size_t used_ = 0;
  bool first_ = true;
  Bytes scratch_;  // of sealed entries
};

Result<void> read_log(Database& database, const protocol::LogKey& log, protocol::Number from, protocol::Number to,
                      std::size_t bytes_max, const protocol::EntryVisitor& visit);
Result<void> read_arrivals(Database& database, protocol::Arrival cursor, std::size_t bytes_max,
                           const protocol::EntryVisitor& visit);
Result<Bytes> get_record(Database& database, protocol::Table table, ByteView name);
Result<StoreImage> read_image(Database& database);  // in one transaction
Result<void> scan_records(Database& database, protocol::Table table, const protocol::RecordVisitor& visit);

}  // namespace tocsin::store
