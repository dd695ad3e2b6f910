// Reason codes and limits of the index, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

#include "crypto/result.h"

namespace tocsin::index {

// Origin caller: the question cannot be answered as put.
inline constexpr Code kBadFilter{"bad_filter"};         // the detail names the filter and what it may hold
inline constexpr Code kBadCursor{"bad_cursor"};         // damaged, or of a query with other filters: start again
inline constexpr Code kQueryTooLong{"query_too_long"};  // free text above kQueryBytesMax or kQueryWordsMax
inline constexpr Code kQueryEmpty{"query_empty"};       // free text without a word to look for
inline constexpr Code kIdTooShort{"id_too_short"};
inline constexpr Code kBadId{"bad_id"};
inline constexpr Code kIdAmbiguous{"id_ambiguous"};
inline constexpr Code kUnknownReport{"unknown_report"};  // none here, or none that this node can read
inline constexpr Code kTooMany{"too_many"};              // more than a call takes; ask in parts
inline constexpr Code kFeedGap{"feed_gap"};              // a chunk that does not begin at the cursor: feed from there

// Origin environment.
inline constexpr Code kIndexFull{"index_full"};  // Options::bytes_max reached: nothing more is taken in, queries go on
inline constexpr Code kIndexMemory{"index_memory"};  // the system has no memory left
inline constexpr Code kIndexBusy{"index_busy"};      // kQuestionsMax wait already
inline constexpr Code kIndexStopped{"index_stopped"};

// Origin internal.
inline constexpr Code kIndexBroken{"index_broken"};  // SQLite refused what it never should: rebuild

// Why an entry is not shown; counted by code beside those of EntryOpener and decode_report.
inline constexpr Code kAuthorMismatch{
    "author_mismatch"};  // names another organisation than the one whose feed it is in

// Snapshot; all of origin environment, all harmless: the index is built again.
inline constexpr Code kSnapshotMissing{"snapshot_missing"};
inline constexpr Code kSnapshotForeign{"snapshot_foreign"};  // another key or store, or damaged at its beginning
inline constexpr Code kSnapshotDamaged{"snapshot_damaged"};  // cut, or changed further on
inline constexpr Code kSnapshotOld{"snapshot_old"};          // made by another version or build
inline constexpr Code kSnapshotAhead{"snapshot_ahead"};      // knows entries that the store does not have
inline constexpr Code kSnapshotTooLarge{"snapshot_too_large"};
inline constexpr Code kSnapshotFailed{"snapshot_failed"};  // the file cannot be read or written
inline constexpr Code kSnapshotDiskFull{"disk_full"};

inline constexpr std::uint64_t kIndexBytesMax = 1u << 30;  // SQLite's own limit of a database in memory
inline constexpr std::size_t kPageDefault = 50;            // rows of a page when nothing is said
inline constexpr std::size_t kPageMax = 1000;              // about 0.5 MB of rows
inline constexpr std::size_t kFilterValuesMax = 64;        // of one filter: countries, kinds
inline constexpr std::size_t kQueryBytesMax = 1024;        // of free text
inline constexpr std::size_t kQueryWordsMax = 32;
inline constexpr std::size_t kPrefixCharactersMin =
    3;                                               // a shorter last word is looked for whole: it would match too much
inline constexpr std::size_t kIdPrefixMin = 8;       // hexadecimal digits
inline constexpr std::size_t kRowKeysMax = 10'000;   // of one look-up
inline constexpr std::size_t kStatementsMax = 4096;  // about one report, that count towards its state
inline constexpr std::size_t kStatementsOfOneMax = 16;  // of one organisation and kind; its newest count
inline constexpr std::size_t kOwnStatementsMax = 1024;  // of the author, of each kind
inline constexpr std::size_t kCopiesMax = 4096;         // of one report that are told; more are kept
inline constexpr std::size_t kDoneMax = 1'000'000;      // reports that a person has dealt with
inline constexpr std::size_t kQuestionsMax = 1024;      // waiting
inline constexpr std::size_t kChunksMax = 16;           // waiting

}  // namespace tocsin::index
