// What can be asked of the index, and what it answers. Plain values.
//
// The index knows where a report stands in the store and what is needed to find, order and list it. The report itself
// is read from the store: from `content`, which is the entry of the correction in force where there is one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/exchange/format.h"
#include "node/index/codes.h"
#include "protocol/erasure.h"
#include "protocol/ids.h"
#include "protocol/report.h"

namespace tocsin::index {

// One copy of a report: an entry in a feed of a channel.
struct Location {
  protocol::ChannelId channel;
  protocol::LogKey log;
  protocol::Number number;
  protocol::Arrival arrival;
  friend bool operator==(const Location&, const Location&) = default;
};

// What became of a report, in short; history() has the whole.
struct Standing {
  bool withdrawn = false;
  std::string withdrawal_reason;  // empty unless withdrawn
  bool corrected = false;         // the row shows a correction
  bool conflict = false;          // several corrections in force; the row shows the first
  std::uint32_t disputed = 0;     // by so many organisations, the author not counted
  std::uint32_t corroborated = 0;
  std::uint32_t acknowledged = 0;
  friend bool operator==(const Standing&, const Standing&) = default;
};

// A line of a list. Times are as claimed (rule 14); points are rounded to 1e-6 of a degree. Of a withdrawal, dispute
// and the like the title is empty. A kind, status, ... unknown to this version is given as its number (rule 16).
struct ReportRow {
  protocol::ReportId id;
  protocol::ReportKind kind = protocol::ReportKind::kUnknown;
  protocol::ReportStatus status = protocol::ReportStatus::kUnknown;
  protocol::OrgId author;  // whose feed it is in, which is whom the report names
  protocol::Time created;
  std::optional<protocol::Time> observed_from, observed_to;
  std::string iso3;  // of the main place, or empty
  std::string place;
  std::optional<protocol::Point> point;
  protocol::Tlp tlp = protocol::Tlp::kUnknown;
  protocol::Severity severity = protocol::Severity::kUnknown;
  protocol::Urgency urgency = protocol::Urgency::kUnknown;
  protocol::Certainty certainty = protocol::Certainty::kUnknown;
  protocol::Likelihood likelihood = protocol::Likelihood::kUnknown;
  protocol::Confidence confidence = protocol::Confidence::kUnknown;
  std::string title;
  std::optional<protocol::ReportId> target;  // what a correction, withdrawal, dispute, ... is about
  Location location;    // as first written; of several copies the one that was opened first, which also gives the order
  Location content;     // what to read: the correction in force, else the same
  bool done = false;    // a person has dealt with it (set_done)
  bool erased = false;  // taken back by its author: a bare row, whose kind and times are known no more
  Standing standing;
  friend bool operator==(const ReportRow&, const ReportRow&) = default;
};

enum class StateFilter : std::uint8_t { kAny, kCurrent, kWithdrawn, kCorrected, kDisputed, kCorroborated, kConflict };
enum class Order : std::uint8_t {
  kNewestFirst,  // by arrival here
  kOldestFirst,  // by arrival here: what an export walks, since what arrives meanwhile comes last
};

struct Near {
  protocol::Point centre;
  double km = 0;  // above 0, at most 20,100: half the Earth's circumference
};

// Filters that are set must all hold; of a list any value may. Reports about other reports (corrections, withdrawals,
// disputes, ...) are left out unless `kinds` names their kind or `with_acts` is set: they show in what they speak
// about. What was taken back is left out unless `state` asks for what is withdrawn or `changed_since` is set.
struct ReportQuery {
  std::vector<protocol::ReportKind> kinds;
  std::vector<protocol::ReportStatus> statuses;
  std::vector<std::string> countries;  // ISO 3166-1 alpha-3, any case; any place of the report counts
  std::vector<protocol::Tlp> tlps;
  std::optional<protocol::Severity> severity_min;  // by rank: Unknown stands between Minor and Moderate
  // Observed in this time, at least in part; a report that does not say counts by when it was created.
  std::optional<protocol::Time> since, until;
  std::optional<protocol::ChannelId> channel;
  std::optional<protocol::OrgId> author;
  std::optional<Near> near;  // any place of the report that has a point
  // Words that must all be there, whole, but the last may be cut short ("mass" finds "massacre"); case, accents and
  // punctuation do not count, and nothing in it is an operator. A corrected report is found by its correction's words
  // and not by its own; a withdrawn one not by words at all.
  std::string text;
  StateFilter state = StateFilter::kAny;
  // What arrived here, was corrected or was withdrawn after this arrival; where `channel` is set also what was shared
  // there after it. IndexStats::cursor is the value for the next time. What could not be opened until then comes with
  // the next, too; some of it may come twice.
  std::optional<protocol::Arrival> changed_since;
  bool with_acts = false;
  Order order = Order::kNewestFirst;
  std::size_t limit = kPageDefault;  // 1 to kPageMax
  std::string after;                 // `next` of the page before; empty: from the start
};

// Pages by the place in the order, not by offset: reports that arrive between two pages neither repeat nor hide others.
// `next` goes with the same filters alone, is good for as long as the store is, and is empty on the last page.
struct ReportPage {
  std::vector<ReportRow> rows;
  std::string next;
};

// What needs a person: alerts of others first (however old), then others' reports observed within 30 days before `now`,
// by severity, urgency, arrival, earliest first. Not what is done, withdrawn, or about another report.
struct InboxQuery {
  protocol::OrgId own;
  protocol::Time now;
  std::size_t limit = kPageDefault;
  std::string after;
};
inline constexpr std::int64_t kInboxMs = 30ll * 24 * 3600 * 1000;

struct ReportFound {
  ReportRow row;
  std::vector<Location> copies;  // all, the first one first
};

// One report that speaks about another.
struct Act {
  protocol::ReportId id;
  protocol::ReportKind kind = protocol::ReportKind::kUnknown;
  protocol::OrgId author;
  protocol::Time created;  // as claimed
  protocol::ReportId target;
  std::optional<protocol::ReportId> previous;  // of a correction
  std::string reason;                          // of a withdrawal
  Location location;
  bool counts =
      false;  // it bears on the state; false: withdrawn, superseded, not the author's, or not the organisation's first
};
struct ReportHistory {
  ReportRow row;
  std::vector<Act> acts;  // about the report, and about those; by arrival
  bool cut = false;       // there are more than kStatementsMax: the rest neither counts nor shows
};

// Who was asked to erase a report, and what they say of it (erasure.h).
struct TakenBackEntry {
  Location order;  // the order's own entry; `channel` is that of what it takes back, too
  protocol::OrgId org;
  protocol::NodeId node;  // that signed it
  protocol::LogKey feed;  // what it takes back
  protocol::Number number;
  protocol::ReportId report;  // what stood there: the subject, or a correction of it
  protocol::ErasureCause cause = protocol::ErasureCause::kWithdrawn;
  protocol::Time created;  // as claimed
  crypto::Hash id;
};
struct Confirmed {
  crypto::Hash order;
  protocol::NodeId node;
  protocol::OrgId org;
  protocol::ErasureOutcome outcome = protocol::ErasureOutcome::kErased;
  protocol::Time at;  // as claimed
};
struct Withdrawal {
  std::vector<TakenBackEntry> orders;  // by arrival, at most kOrdersMax; one entry may have several
  std::vector<Confirmed> confirmed;    // of those
};
inline constexpr std::size_t kOrdersMax = 1'000;

// A row of an import file, to be known again (rule 37).
struct RowQuestion {
  exchange::RowKey key;
  protocol::ContentDigest content;  // exchange::import_digest
};
struct RowMatch {
  std::size_t question = 0;  // index into the questions
  protocol::ReportId report;
  protocol::OrgId author;
  bool same_content = false;  // as what is shown now, corrections counted
  bool withdrawn = false;
  std::vector<protocol::ChannelId> channels;
};

// An entry of a kind that this version does not know (rule 16): kept and forwarded, shown as this.
struct UnknownEntry {
  Location location;
  protocol::OrgId org;
  std::uint16_t entry_kind = 0;  // FeedKind; 1 with a report format that is newer than this program's
};
struct UnknownPage {
  std::vector<UnknownEntry> entries;
  std::uint64_t next = 0;  // arrival to go on after; 0: no more
};

struct Summary {
  std::uint64_t reports = 0;  // without those about others
  std::uint64_t acts = 0;
  std::uint64_t withdrawn = 0;
  std::map<std::string, std::uint64_t> by_country;  // main place; "" where none is stated
  std::map<protocol::ReportKind, std::uint64_t> by_kind;
  std::map<protocol::Severity, std::uint64_t> by_severity;
};

// Entries that could not be opened for want of a key or of the feed's owner; `first` to `last`, both included.
struct ArrivalRange {
  protocol::Arrival first, last;
  friend bool operator==(const ArrivalRange&, const ArrivalRange&) = default;
};

struct IndexStats {
  protocol::Arrival cursor;                          // everything up to here has been looked at
  std::uint64_t reports = 0, acts = 0, unknown = 0;  // unknown: entries (rule 16)
  std::uint64_t unopened = 0;                        // entries that wait for a key
  std::map<std::string, std::uint64_t> refused;      // entries not shown, by reason code
  std::uint64_t stale_words =
      0;  // reports forgotten without their bodies: their words stay until a rebuild, and find nothing
  std::uint64_t bytes = 0;    // of the database
  std::uint64_t changes = 0;  // entries taken in since the last snapshot
};

}  // namespace tocsin::index
