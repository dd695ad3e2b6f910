// The inside of the index, for its own sources.
#pragma once

#include <new>

#include "node/index/index.h"
#include "node/index/intake.h"
#include "node/index/lists.h"

namespace tocsin::index {

// Everything that stands on one database; another database means another of these.
struct Parts {
  Parts(std::unique_ptr<Database> database, Words table, protocol::EntryOpener& opener)
      : db(std::move(database)),
        names(*db),
        words(std::move(table)),
        rows(*db),
        standings(*db, names, rows),
        unopened(*db, names),
        lists(*db, names, rows, standings, words),
        intake(*db, names, rows, standings, unopened, words, opener, counters) {}

  static Result<std::unique_ptr<Parts>> open(std::unique_ptr<Database> db, protocol::EntryOpener& opener);
  Result<void> read_counters();
  Result<void> write_counters();
  Result<void> look_for_done();

  std::unique_ptr<Database> db;
  Names names;
  Words words;
  Rows rows;
  Standings standings;
  UnopenedRanges unopened;
  Lists lists;
  Counters counters;
  Intake intake;
};

struct Index::Impl {
  Impl(const protocol::ReadingTable& reading, IndexOptions given) : table(reading), options(given), opener(reading) {}

  const protocol::ReadingTable& table;
  const IndexOptions options;
  protocol::EntryOpener opener;
  std::unique_ptr<Parts> parts;
  std::uint64_t changes = 0;
  bool broken = false;

  Result<void> open_empty();
  // Memory may run out anywhere; nothing else throws.
  template <class F>
  auto guarded(F work) -> decltype(work(*parts)) {
    if (broken) return internal_error(kIndexBroken, "the index has to be built again");
    try {
      return work(*parts);
    } catch (const std::bad_alloc&) {
      return environment_error(kIndexMemory, "no memory left for the index");
    }
  }
  // All or nothing.
  template <class F>
  auto change(F work) -> decltype(work(*parts)) {
    const Counters before = parts->counters;
    auto result = guarded([&](Parts& p) -> decltype(work(p)) {
      TOCSIN_TRY(p.db->execute("BEGIN"));
      auto done = work(p);
      if (done) TOCSIN_TRY(p.db->execute("COMMIT"));
      return done;
    });
    if (!result) roll_back(before);
    return result;
  }
  void roll_back(const Counters& before);

  // The caller asked for a report: error unknown_report.
  Result<std::int64_t> row_of(Parts& p, const protocol::ReportId& id);
  Result<std::vector<Location>> locations(Parts& p, std::int64_t row);
};

}  // namespace tocsin::index
