#include "node/index/schema.h"

namespace tocsin::index {
namespace {

// One row of `report` is narrow, so that a question with any filters reads all of them in a few milliseconds without an
// index for each filter; what only a shown row needs is in `face`. `row` is the arrival number of the copy that was
// opened first: the order of lists, and the number under which `words` knows the text.
//
//   name      32-byte ids by a small number; kind as in names.h
//   report    what is shown now: a correction in force has its columns copied here, the own ones wait in `version`.
//             seen_from, seen_to: observed, or where not stated created. content: row of the correction shown, or null.
//             at: arrival of the copy that channel, log and number name, null while that is `row` itself
//   ident     first 8 bytes of a report's id, as a number with the order of the bytes
//   origin    hash of publisher and row id, for imports
//   copy      further copies, and the one that took the place of an erased first copy
//   place     places after the first, by the row of the content that has them
//   act       corrections, withdrawals, disputes, ... : whom they speak about (target8: its id's first 8 bytes)
//   shown     corrections that are shown, with the row that shows them
//   standing  what became of a report; changed: row of its author's newest correction or withdrawal, in force or not
//   late      ranges of arrivals that were opened when the index had come to `seen` already, for want of a key before
//   unopened  ranges of arrivals that wait for a key (channel: pseudonym)
//   unknown   entries of unknown kind
//   taken     orders to erase a body (erasure.h); channel, log, number: the order's own entry
//   confirmed what nodes say of having followed them; node: 32 bytes; matched: 1 once the order has come
//   hold      entries that the replica is to be told of, beside the orders
constexpr const char* kSchema = R"(
CREATE TABLE name(id INTEGER PRIMARY KEY, kind, value BLOB);
CREATE TABLE report(row INTEGER PRIMARY KEY, kind, flags, status, severity, country, seen_from, seen_to, rank, author,
  channel, tlp, lat, lon, shape, urgency, certainty, likelihood, confidence, created, log, number, at, content);
CREATE TABLE face(row INTEGER PRIMARY KEY, id BLOB, digest BLOB, place TEXT, title TEXT);
CREATE TABLE version(row INTEGER PRIMARY KEY, status, severity, country, seen_from, seen_to, tlp, lat, lon, shape,
  urgency, certainty, likelihood, confidence, digest BLOB, place TEXT, title TEXT);
CREATE TABLE ident(id8, row, PRIMARY KEY(id8, row)) WITHOUT ROWID;
CREATE TABLE origin(key, row, PRIMARY KEY(key, row)) WITHOUT ROWID;
CREATE TABLE copy(arrival INTEGER PRIMARY KEY, row, channel, log, number);
CREATE INDEX copy_row ON copy(row);
CREATE TABLE place(row, country, lat, lon);
CREATE INDEX place_row ON place(row);
CREATE TABLE act(row INTEGER PRIMARY KEY, kind, org, created, target8, target BLOB, previous BLOB, reason TEXT);
CREATE INDEX act_target ON act(target8);
CREATE TABLE standing(row INTEGER PRIMARY KEY, withdrawn_by, disputed, corroborated, acknowledged,
  changed);
CREATE TABLE late(first, last, seen);
CREATE TABLE shown(content INTEGER PRIMARY KEY, row);
CREATE INDEX shown_row ON shown(row);
CREATE TABLE unopened(first INTEGER PRIMARY KEY, last, channel, epoch, log);
CREATE TABLE unknown(arrival INTEGER PRIMARY KEY, channel, log, number, org, kind);
CREATE TABLE taken(arrival INTEGER PRIMARY KEY, channel, log, number, org, node BLOB, target_log, target, report BLOB,
  subject8, subject BLOB, cause, created, id BLOB);
CREATE INDEX taken_subject ON taken(subject8);
CREATE INDEX taken_id ON taken(id);
CREATE TABLE confirmed(id BLOB, node BLOB, org, outcome, at, arrival, matched, PRIMARY KEY(id, node)) WITHOUT ROWID;
CREATE INDEX confirmed_arrival ON confirmed(arrival);
CREATE INDEX confirmed_unmatched ON confirmed(node) WHERE matched = 0;
CREATE TABLE hold(arrival INTEGER PRIMARY KEY, log, number);
CREATE TABLE done(id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE refused(code TEXT PRIMARY KEY, count) WITHOUT ROWID;
CREATE TABLE counter(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
)";

// Contentless, without positions and sizes: 0.14 KB a report of 100 words. Marks (M) belong to words: without them the
// scripts of South and South-East Asia fall to pieces at each vowel sign.
constexpr const char* kWords =
    "CREATE VIRTUAL TABLE words USING fts5(body, content='', columnsize=0, detail=none,"
    " tokenize=\"unicode61 remove_diacritics 2 categories 'L* N* Co M*'\")";
// Words of a transaction are gathered in memory up to this many bytes before they are written.
constexpr const char* kWordsBuffer = "INSERT INTO words(words, rank) VALUES('hashsize', 4194304)";

}  // namespace

Result<void> create_schema(Database& db) {
  TOCSIN_TRY(db.execute(kSchema));
  TOCSIN_TRY(db.execute(kWords));
  return db.execute(kWordsBuffer);
}

}  // namespace tocsin::index
