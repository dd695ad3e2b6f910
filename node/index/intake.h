// Entries in: opened, judged, projected into rows. Inside the caller's transaction; the caller restores `counters` and
// calls drop_pending when it rolls back.
#pragma once

#include <map>
#include <string>

#include "node/index/index.h"
#include "node/index/names.h"
#include "node/index/rows.h"
#include "node/index/standings.h"
#include "node/index/unopened.h"
#include "node/index/words.h"

namespace tocsin::index {

// Kept beside the tables, and written into them with a snapshot.
struct Counters {
  protocol::Arrival cursor;
  std::uint64_t reports = 0, acts = 0, unknown = 0, unopened = 0, stale_words = 0;
  std::map<std::string, std::uint64_t, std::less<>> refused;
};

// Confirmations of orders that have not come yet are kept, so many of each node; what a node says beyond is passed
// over.
inline constexpr std::size_t kUnmatchedConfirmationsMax = 4096;
inline constexpr Code kTooManyConfirmations{"too_many_confirmations"};  // peer

class Intake {
 public:
  Intake(Database& db, Names& names, Rows& rows, Standings& standings, UnopenedRanges& unopened, Words& words,
         protocol::EntryOpener& opener, Counters& counters)
      : db_(db),
        names_(names),
        rows_(rows),
        standings_(standings),
        unopened_(unopened),
        words_(words),
        opener_(opener),
        counters_(counters) {}

  Result<FeedOutcome> feed(const protocol::EntryChunk& chunk);
  Result<FeedOutcome> revisit(const protocol::EntryChunk& chunk);
  // `taken_back`: by their author, so that a bare row stays of each report.
  Result<void> forget(const protocol::EntryChunk& chunk, bool taken_back = false);
  void drop_pending();
  // Whether any report at all is done; spares a look for each new one.
  void set_any_done(bool any) { any_done_ = any; }

 private:
  Result<void> take(protocol::Arrival arrival, const protocol::EntryView& entry, FeedOutcome& out);
  Result<void> not_opened(protocol::Arrival arrival, const protocol::EntryView& entry, const Error& error,
                          FeedOutcome& out);
  Result<void> take_report(const protocol::OpenedEntry& opened, const Spot& spot, FeedOutcome& out);
  Result<void> insert_report(const protocol::Report& report, const protocol::ReportId& id, const Spot& spot,
                             std::int64_t org, FeedOutcome& out);
  Result<void> take_unknown(const protocol::OpenedEntry& opened, const Spot& spot, FeedOutcome& out);
  Result<Spot> spot_of(protocol::Arrival arrival, const protocol::OpenedEntry& opened);
  void refuse(Code code, FeedOutcome& out);
  Result<bool> is_done(const protocol::ReportId& id);
  Result<void> take_order(const protocol::OpenedEntry& opened, const Spot& spot, FeedOutcome& out);
  Result<void> take_confirmations(const protocol::OpenedEntry& opened, const Spot& spot, FeedOutcome& out);
  Result<bool> has_order(const crypto::Hash& order);
  // Less than kUnmatchedConfirmationsMax of this node's are about orders that are not here.
  Result<bool> may_confirm_unmatched(const protocol::NodeId& node);
  Result<void> note_hold(const protocol::OpenedEntry& opened, const Spot& spot, FeedOutcome& out);
  Result<void> forget_one(protocol::Arrival arrival, const protocol::EntryView& entry, bool taken_back);
  Result<void> forget_row(std::int64_t row, const protocol::EntryView& entry, bool taken_back);
  Result<void> forget_words(std::int64_t row, const RowHead& head, const protocol::EntryView& entry);
  Result<void> settle();
  Result<void> note_late(protocol::Arrival first, protocol::Arrival last);

  Database& db_;
  Names& names_;
  Rows& rows_;
  Standings& standings_;
  UnopenedRanges& unopened_;
  Words& words_;
  protocol::EntryOpener& opener_;
  Counters& counters_;
  bool any_done_ = false;
};

}  // namespace tocsin::index
