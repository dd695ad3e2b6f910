// The query index: a view of the reports in the store that this node can read (rules 11, 14, 16, 50). It lives in
// memory; deleting it costs the time of building it again. It takes nothing but chunks of stored, verified entries,
// opens them itself, and keeps no report, only what finds one.
//
// What it holds is decided by the set of entries given and, among copies of one report, by which was opened first.
//
// One thread calls everything (IndexThread has one). No call throws. Memory, measured with 100,000 reports like UCDP
// GED's with 100 words each: see node/index/README.md.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/random.h"
#include "node/index/query.h"
#include "node/index/snapshot_file.h"
#include "protocol/entry_chunk.h"
#include "protocol/node_secrets.h"
#include "protocol/reading_table.h"
#include "protocol/replica.h"

namespace tocsin::index {

struct IndexOptions {
  std::uint64_t bytes_max = kIndexBytesMax;  // of the database; above it chunks are refused with index_full
};

// What one chunk did.
struct FeedOutcome {
  protocol::Arrival cursor;    // the next chunk begins after this
  protocol::Arrival newest;    // as the chunk said, for progress
  std::uint64_t reports = 0;   // new rows, reports about others among them
  std::uint64_t copies = 0;    // further copies of known reports
  std::uint64_t unknown = 0;   // entries of unknown kind
  std::uint64_t other = 0;     // entries that are no reports: other logs, attachments, checkpoints
  std::uint64_t unopened = 0;  // for want of a key: see wanted()
  std::uint64_t refused = 0;   // counted by code in stats()
  // New rows of kind alert by arrival, for those who notify; the first kAlertsToldMax of them.
  std::vector<protocol::ReportId> alerts;
  // Checkpoints by arrival, for Replica::handle_opened (rule 13); the first kCheckpointsToldMax of them.
  std::vector<std::pair<protocol::LogKey, protocol::Number>> checkpoints;
  // Orders to erase and holds, for the same: all of them.
  std::vector<std::pair<protocol::LogKey, protocol::Number>> told;
  bool forgotten = false;  // something was taken out: what was written down of the index is to be written again
};
inline constexpr std::size_t kAlertsToldMax = 64;
inline constexpr std::size_t kCheckpointsToldMax = 16;  // of a chunk; honest feeds carry one in 1,000 entries

// What a snapshot belongs to. `key` is that of the reading tier (rule 50). `binding` names the store, and changes
// whenever bodies were erased while no index was running: a snapshot made for another is refused. `build` names the
// program: another may read words and ranks differently.
struct SnapshotContext {
  protocol::ReadingKey key;
  Bytes binding;
  std::string build;
};

inline constexpr std::size_t kWantedRangesMax = 1024;  // of one answer: each is a read of its own

class Index {
 public:
  // `table` outlives the index. Errors: index_memory, index_broken.
  static Result<std::unique_ptr<Index>> create(const protocol::ReadingTable& table, IndexOptions options = {});
  ~Index();

  // ---- Taking in. After an error nothing of the chunk is taken; index_broken asks for a rebuild.
  // The next chunk by arrival: chunk.after must be the cursor. Errors: feed_gap, index_full, index_memory,
  // index_broken.
  Result<FeedOutcome> feed(const protocol::EntryChunk& chunk);
  // Ranges whose entries can be opened by now; ask again when the table's generation has risen. At most `max` ranges.
  Result<std::vector<ArrivalRange>> wanted(std::size_t max = kWantedRangesMax);
  // Entries of wanted ranges, read again. Others among them do no harm; the cursor stays.
  Result<FeedOutcome> revisit(const protocol::EntryChunk& chunk);
  // Takes entries out (retention, rule 20): their words too when the chunk has the bodies, so call it before they are
  // erased.
  Result<void> forget(const protocol::EntryChunk& chunk);
  // The same for what its author took back everywhere: of the report a bare row stays.
  Result<void> take_back(const protocol::EntryChunk& chunk);
  // What the person at this node has dealt with: the whole list, at start; or one more or less.
  Result<void> set_done(std::span<const protocol::ReportId> reports);
  Result<void> mark_done(const protocol::ReportId& report, bool done);
  // Drops everything but what is done; the cursor is 0: feed from the beginning. The old pages are wiped.
  Result<void> clear();

  // ---- Asking. Errors of every question: index_memory, index_broken, and those of its values.
  Result<ReportPage> list(const ReportQuery& query);
  // Reports (no corrections, withdrawals and the like) of which a copy stands in one of these ranges of entries.
  Result<std::uint64_t> count_in(std::span<const protocol::EntryRange> ranges);
  Result<std::uint64_t> count(const ReportQuery& query);  // limit, after and order do not matter
  Result<ReportPage> inbox(const InboxQuery& query);
  Result<std::uint64_t> inbox_count(const InboxQuery& query);
  // A whole id or at least eight digits of its beginning. Errors (caller): id_too_short, bad_id, unknown_report,
  // id_ambiguous.
  Result<protocol::ReportId> resolve(std::string_view hex);
  // Error of these three (caller): unknown_report.
  Result<ReportFound> find(const protocol::ReportId& report);
  Result<ReportHistory> history(const protocol::ReportId& report);
  Result<std::vector<Location>> copies(const protocol::ReportId& report);
  // Empty where nobody took the report back. It need not be known here.
  Result<Withdrawal> withdrawal(const protocol::ReportId& report);
  // Orders and holds that were taken in, by arrival, after one: for a replica that may not have heard of all.
  struct ToldPage {
    std::vector<std::pair<protocol::LogKey, protocol::Number>> entries;
    protocol::Arrival next;  // 0: no more
  };
  Result<ToldPage> told(protocol::Arrival after, std::size_t limit);
  // Reports with the same publisher and row id, by question; several for a row where several organisations imported it.
  // Error (caller): too_many.
  Result<std::vector<RowMatch>> known_rows(std::span<const RowQuestion> questions);
  Result<UnknownPage> unknown(std::size_t limit, std::uint64_t after = 0);
  Result<Summary> summary();
  Result<IndexStats> stats();

  // ---- Snapshot (rule 50)
  // Writes one, unless nothing has changed since the last was written or read: false then. Memory: one chunk of 64 KiB
  // more.
  Result<bool> save(SnapshotFile& file, const SnapshotContext& context, crypto::Random& random);
  // Replaces what is held by the snapshot, and gives its cursor. After an error the index is empty and usable; the code
  // says why. `newest` is the store's newest arrival.
  Result<protocol::Arrival> load(SnapshotFile& file, const SnapshotContext& context, protocol::Arrival newest);

 private:
  struct Impl;
  explicit Index(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::index
