#include "node/index/intake.h"

#include <variant>

#include "node/index/schema.h"
#include "node/reports/rank.h"
#include "protocol/codes.h"

namespace tocsin::index {

using namespace protocol;

Result<FeedOutcome> Intake::feed(const EntryChunk& chunk) {
  if (chunk.after != counters_.cursor) {
    return caller_error(kFeedGap, "the chunk begins after " + std::to_string(chunk.after.value) + ", the index is at " +
                                      std::to_string(counters_.cursor.value));
  }
  FeedOutcome out;
  for (const EntryChunk::Item& item : chunk.items) TOCSIN_TRY(take(item.arrival, chunk.entry(item), out));
  TOCSIN_TRY(settle());
  counters_.cursor = std::max(chunk.last, chunk.after);
  out.cursor = counters_.cursor;
  out.newest = chunk.newest;
  return out;
}

Result<FeedOutcome> Intake::revisit(const EntryChunk& chunk) {
  FeedOutcome out;
  for (const EntryChunk::Item& item : chunk.items) {
    TOCSIN_ASSIGN(waiting, unopened_.contains(item.arrival));
    if (!waiting) continue;
    TOCSIN_TRY(unopened_.remove(item.arrival));
    --counters_.unopened;
    TOCSIN_TRY(take(item.arrival, chunk.entry(item), out));
    TOCSIN_TRY(unopened_.settle());
  }
  if (!chunk.items.empty()) TOCSIN_TRY(note_late(chunk.items.front().arrival, chunk.items.back().arrival));
  TOCSIN_TRY(settle());
  out.cursor = counters_.cursor;
  out.newest = chunk.newest;
  return out;
}

Result<void> Intake::note_late(Arrival first, Arrival last) {
  TOCSIN_ASSIGN(s, db_.use("INSERT INTO late(first, last, seen) VALUES(?1, ?2, ?3)"));
  return s->bind(1, static_cast<std::int64_t>(first.value))
      .bind(2, static_cast<std::int64_t>(last.value))
      .bind(3, static_cast<std::int64_t>(counters_.cursor.value))
      .run();
}

Result<void> Intake::settle() {
  TOCSIN_TRY(unopened_.settle());
  return standings_.settle();
}

void Intake::drop_pending() {
  unopened_.drop_pending();
  standings_.drop_pending();
}

void Intake::refuse(Code code, FeedOutcome& out) {
  ++counters_.refused[std::string(code.text())];
  ++out.refused;
}

Result<void> Intake::not_opened(Arrival arrival, const EntryView& entry, const Error& error, FeedOutcome& out) {
  if (error.code == kNotAFeed) {
    ++out.other;
    return kOk;
  }
  if (error.code == kNoKey || error.code == kUnknownFeed) {
    TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
    ++out.unopened;
    ++counters_.unopened;
    return unopened_.add(arrival, header);
  }
  refuse(error.code, out);
  return kOk;
}

Result<Spot> Intake::spot_of(Arrival arrival, const OpenedEntry& opened) {
  TOCSIN_ASSIGN(channel, names_.put(NameKind::kChannel, opened.channel));
  TOCSIN_ASSIGN(log, names_.put(NameKind::kLog, opened.feed));
  return Spot{static_cast<std::int64_t>(arrival.value), channel, log, static_cast<std::int64_t>(opened.number.value)};
}

Result<void> Intake::take(Arrival arrival, const EntryView& entry, FeedOutcome& out) {
  const auto opened = opener_.open(entry);
  if (!opened) return not_opened(arrival, entry, opened.error(), out);
  switch (opened->kind) {
    case FeedKind::kReport: {
      TOCSIN_ASSIGN(spot, spot_of(arrival, *opened));
      return take_report(*opened, spot, out);
    }
    case FeedKind::kCheckpoint:
      if (out.checkpoints.size() < kCheckpointsToldMax) out.checkpoints.emplace_back(opened->feed, opened->number);
      ++out.other;
      return kOk;
    case FeedKind::kErasureOrder:
    case FeedKind::kConfirmations:
    case FeedKind::kHold: {
      ++out.other;
      TOCSIN_ASSIGN(spot, spot_of(arrival, *opened));
      if (opened->kind == FeedKind::kErasureOrder) return take_order(*opened, spot, out);
      if (opened->kind == FeedKind::kConfirmations) return take_confirmations(*opened, spot, out);
      return note_hold(*opened, spot, out);
    }
    case FeedKind::kAnswer:
    case FeedKind::kLeave:
      out.told.emplace_back(opened->feed, opened->number);
      ++out.other;
      return kOk;
    case FeedKind::kAttachmentPart:
    case FeedKind::kCarriedAcceptance:
    case FeedKind::kKeyMissing:
    case FeedKind::kPeople:
    case FeedKind::kAudit:
    case FeedKind::kProposal:
    case FeedKind::kApproval:
    case FeedKind::kWaiting:
      ++out.other;
      return kOk;
  }
  TOCSIN_ASSIGN(spot, spot_of(arrival, *opened));
  return take_unknown(*opened, spot, out);
}

Result<void> Intake::take_unknown(const OpenedEntry& opened, const Spot& spot, FeedOutcome& out) {
  TOCSIN_ASSIGN(org, names_.put(NameKind::kOrg, opened.org));
  TOCSIN_ASSIGN(s, db_.use("INSERT INTO unknown(arrival, channel, log, number, org, kind) VALUES(?1,?2,?3,?4,?5,?6)"));
  s->bind(1, spot.arrival).bind(2, spot.channel).bind(3, spot.log).bind(4, spot.number).bind(5, org);
  TOCSIN_TRY(s->bind(6, static_cast<std::int64_t>(opened.kind)).run());
  ++counters_.unknown;
  ++out.unknown;
  return kOk;
}

Result<void> Intake::take_report(const OpenedEntry& opened, const Spot& spot, FeedOutcome& out) {
  const ReportId id = report_id(opened.payload);
  TOCSIN_ASSIGN(org, names_.put(NameKind::kOrg, opened.org));
  TOCSIN_ASSIGN(known, rows_.find(id));
  if (known != 0) {
    TOCSIN_ASSIGN(head, rows_.head(known));
    if (head && head->author == org) {
      ++out.copies;
      return rows_.add_copy(known, spot);
    }
    // Either repeats what another wrote and took back, or wrote what another said to have taken back: below.
    if (!head || (head->flags & kFlagErased) == 0) {
      refuse(kAuthorMismatch, out);
      return kOk;
    }
  }
  const auto report = decode_report(opened.payload);
  if (!report) {
    // Rule 16: a later format is no fault of the entry.
    if (report.error().code == kReportVersion) return take_unknown(opened, spot, out);
    refuse(report.error().code, out);
    return kOk;
  }
  // Nobody speaks for another, and nobody makes another's report its own by repeating it.
  if (report->author != opened.org) {
    refuse(kAuthorMismatch, out);
    return kOk;
  }
  if (known != 0) TOCSIN_TRY(rows_.erase(known, id));
  return insert_report(*report, id, spot, org, out);
}

namespace {

// What a list shows of a correction is what it puts in place; its own header merely repeats that.
std::optional<Report> replacement_of(const Report& report) {
  const auto* correct = std::get_if<CorrectDetails>(&report.details);
  if (!correct) return std::nullopt;
  auto replacement = decode_replacement(*correct);
  if (!replacement) return std::nullopt;
  return std::move(*replacement);
}

}  // namespace

Result<void> Intake::insert_report(const Report& report, const ReportId& id, const Spot& spot, std::int64_t org,
                                   FeedOutcome& out) {
  const bool act = acts_on_report(report.kind);
  NewRow row;
  row.spot = spot;
  row.id = id;
  row.kind = report.kind;
  row.author = org;
  row.created = report.created;
  row.flags = act ? std::int64_t{kFlagAct} : 0;
  if (!act) row.origin = exchange::row_key(report, id);
  TOCSIN_ASSIGN(done, is_done(id));
  if (done) row.flags |= kFlagDone;
  const auto replacement = replacement_of(report);
  TOCSIN_TRY(rows_.insert(row, project(replacement ? *replacement : report)));
  TOCSIN_TRY(words_.add(spot.arrival, reports::search_text(report)));
  if (act) {
    TOCSIN_TRY(standings_.add(spot.arrival, id, org, report));
    ++counters_.acts;
  } else {
    ++counters_.reports;
  }
  // Statements may have come before what they are about.
  if (counters_.acts != 0) TOCSIN_TRY(standings_.arrived(id));
  ++out.reports;
  if (report.kind == ReportKind::kAlert && out.alerts.size() < kAlertsToldMax) out.alerts.push_back(id);
  return kOk;
}

Result<bool> Intake::is_done(const ReportId& id) {
  if (!any_done_) return false;
  TOCSIN_ASSIGN(s, db_.use("SELECT 1 FROM done WHERE id = ?1"));
  return s->bind_blob(1, id.view()).step();
}

// Whether the order counts is the replica's affair; what it says of a report is its author's claim.
Result<void> Intake::take_order(const OpenedEntry& opened, const Spot& spot, FeedOutcome& out) {
  const auto order = decode_erasure_order(opened.payload);
  if (!order || order->channel != opened.channel || order->org != opened.org || order->node != opened.node) {
    refuse(kBadErasure, out);
    return kOk;
  }
  const auto id = erasure_id(opened.payload);  // statements are bound to its bytes
  TOCSIN_ASSIGN(org, names_.put(NameKind::kOrg, opened.org));
  TOCSIN_ASSIGN(feed, names_.put(NameKind::kLog, order->feed));
  {
    TOCSIN_ASSIGN(s,
                  db_.use("INSERT OR REPLACE INTO taken(arrival, channel, log, number, org, node, target_log, target,"
                          " report, subject8, subject, cause, created, id)"
                          " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)"));
    s->bind(1, spot.arrival).bind(2, spot.channel).bind(3, spot.log).bind(4, spot.number).bind(5, org);
    s->bind_blob(6, opened.node.view()).bind(7, feed).bind(8, static_cast<std::int64_t>(order->number.value));
    s->bind_blob(9, order->report.view()).bind(10, id_prefix(order->subject.view()));
    s->bind_blob(11, order->subject.view()).bind(12, static_cast<std::int64_t>(order->cause));
    s->bind(13, order->created.ms).bind_blob(14, id.view());
    TOCSIN_TRY(s->run());
  }
  {
    TOCSIN_ASSIGN(s, db_.use("UPDATE confirmed SET matched = 1 WHERE id = ?1 AND matched = 0"));
    TOCSIN_TRY(s->bind_blob(1, id.view()).run());
  }
  out.told.emplace_back(opened.feed, opened.number);
  if (order->cause != ErasureCause::kWithdrawn || order->report != order->subject) return kOk;
  TOCSIN_ASSIGN(known, rows_.find(order->subject));
  if (known != 0) return kOk;
  // It has never been read here: that it was withdrawn is all that there is to show.
  Report bare;
  bare.created = order->created;
  NewRow row;
  row.spot = spot;
  row.id = order->subject;
  row.author = org;
  row.created = order->created;
  row.flags = kFlagErased;
  TOCSIN_TRY(rows_.insert(row, project(bare)));
  return standings_.arrived(order->subject);
}

Result<void> Intake::take_confirmations(const OpenedEntry& opened, const Spot& spot, FeedOutcome& out) {
  const auto said = decode_confirmations(opened.payload);
  if (!said) {
    refuse(said.error().code, out);
    return kOk;
  }
  TOCSIN_ASSIGN(org, names_.put(NameKind::kOrg, opened.org));
  bool full = false;
  for (const ErasureConfirmations::Item& item : said->items) {
    TOCSIN_ASSIGN(matched, has_order(item.order));
    if (!matched && full) continue;
    if (!matched) {
      TOCSIN_ASSIGN(room, may_confirm_unmatched(opened.node));
      if (!room) {
        full = true;
        refuse(kTooManyConfirmations, out);
        continue;
      }
    }
    // A node's later word counts; another of its feeds may come first.
    TOCSIN_ASSIGN(s, db_.use("INSERT INTO confirmed(id, node, org, outcome, at, arrival, matched)"
                             " VALUES(?1,?2,?3,?4,?5,?6,?7)"
                             " ON CONFLICT(id, node) DO UPDATE SET outcome = excluded.outcome, at = excluded.at,"
                             " arrival = excluded.arrival WHERE excluded.at >= at"));
    s->bind_blob(1, item.order.view()).bind_blob(2, opened.node.view()).bind(3, org);
    s->bind(4, static_cast<std::int64_t>(item.outcome)).bind(5, said->created.ms).bind(6, spot.arrival);
    TOCSIN_TRY(s->bind(7, std::int64_t{matched}).run());
  }
  return kOk;
}

Result<bool> Intake::has_order(const crypto::Hash& order) {
  TOCSIN_ASSIGN(s, db_.use("SELECT 1 FROM taken WHERE id = ?1"));
  return s->bind_blob(1, order.view()).step();
}

Result<bool> Intake::may_confirm_unmatched(const NodeId& node) {
  TOCSIN_ASSIGN(s, db_.use("SELECT 1 FROM confirmed WHERE node = ?1 AND matched = 0 LIMIT 1 OFFSET ?2"));
  s->bind_blob(1, node.view()).bind(2, static_cast<std::int64_t>(kUnmatchedConfirmationsMax - 1));
  TOCSIN_ASSIGN(full, s->step());
  return !full;
}

Result<void> Intake::note_hold(const OpenedEntry& opened, const Spot& spot, FeedOutcome& out) {
  TOCSIN_ASSIGN(s, db_.use("INSERT OR REPLACE INTO hold(arrival, log, number) VALUES(?1, ?2, ?3)"));
  TOCSIN_TRY(s->bind(1, spot.arrival).bind(2, spot.log).bind(3, spot.number).run());
  out.told.emplace_back(opened.feed, opened.number);
  return kOk;
}

Result<void> Intake::forget(const EntryChunk& chunk, bool taken_back) {
  for (const EntryChunk::Item& item : chunk.items) TOCSIN_TRY(forget_one(item.arrival, chunk.entry(item), taken_back));
  return settle();
}

Result<void> Intake::forget_one(Arrival arrival, const EntryView& entry, bool taken_back) {
  const auto at = static_cast<std::int64_t>(arrival.value);
  TOCSIN_ASSIGN(row, rows_.row_with_copy(at));
  if (row != 0) {
    TOCSIN_ASSIGN(stays, rows_.remove_copy(row, at));
    return stays ? Result<void>(kOk) : forget_row(row, entry, taken_back);
  }
  TOCSIN_ASSIGN(waiting, unopened_.contains(arrival));
  if (waiting) {
    --counters_.unopened;
    return unopened_.remove(arrival);
  }
  const auto one = [&](Result<Use> use) -> Result<void> {
    if (!use) return use.error();
    return (*use)->bind(1, at).run();
  };
  TOCSIN_TRY(one(db_.use("DELETE FROM taken WHERE arrival = ?1")));
  TOCSIN_TRY(one(db_.use("DELETE FROM confirmed WHERE arrival = ?1")));
  TOCSIN_TRY(one(db_.use("DELETE FROM hold WHERE arrival = ?1")));
  TOCSIN_TRY(one(db_.use("DELETE FROM unknown WHERE arrival = ?1")));
  if (db_.changed_rows() != 0) --counters_.unknown;
  return kOk;
}

Result<void> Intake::forget_row(std::int64_t row, const EntryView& entry, bool taken_back) {
  TOCSIN_ASSIGN(head, rows_.head(row));
  if (!head) return internal_error(kIndexBroken, "a row that was there is gone");
  if ((head->flags & kFlagErased) != 0) return kOk;  // there is nothing left to forget
  TOCSIN_TRY(forget_words(row, *head, entry));
  if ((head->flags & kFlagAct) != 0) {
    // What it had changed changes back while its row is still there to be compared with.
    TOCSIN_TRY(standings_.remove(row, head->id));
    TOCSIN_TRY(standings_.settle());
    --counters_.acts;
  } else {
    --counters_.reports;
    if (taken_back) return rows_.blank(row, head->content);
  }
  return rows_.erase(row, head->id);
}

Result<void> Intake::forget_words(std::int64_t row, const RowHead& head, const EntryView& entry) {
  const auto opened = opener_.open(entry);
  if (opened && opened->kind == FeedKind::kReport && report_id(opened->payload) == head.id) {
    if (const auto report = decode_report(opened->payload)) return words_.remove(row, reports::search_text(*report));
  }
  ++counters_.stale_words;
  return kOk;
}

}  // namespace tocsin::index
