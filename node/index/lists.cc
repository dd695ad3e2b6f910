#include "node/index/lists.h"

#include <algorithm>
#include <limits>

#include "node/index/schema.h"

namespace tocsin::index {

using namespace protocol;

namespace {

Result<void> check_limit(std::size_t limit) {
  if (limit >= 1 && limit <= kPageMax) return kOk;
  return caller_error(kBadFilter, "limit: 1 to 1000");
}

// Texts of reports that are shown as they were written: found by their own words.
constexpr const char* kOwnWords =
    "FROM words w CROSS JOIN report r ON r.row = w.rowid WHERE w.words MATCH ? AND r.content IS NULL AND"
    " (r.flags & 2) = 0 AND ";
// Texts of corrections that are shown: they find what they correct.
constexpr const char* kShownWords =
    "FROM report r WHERE r.row IN (SELECT s.row FROM words w CROSS JOIN shown s ON s.content = w.rowid WHERE"
    " w.words MATCH ?) AND (r.flags & 2) = 0 AND ";
static_assert(kFlagWithdrawn == 2);

std::string in_order(Order order, const std::string& row) {
  return order == Order::kNewestFirst ? " AND " + row + " < ? ORDER BY " + row + " DESC LIMIT ?"
                                      : " AND " + row + " > ? ORDER BY " + row + " ASC LIMIT ?";
}

std::int64_t before_all(Order order) {
  return order == Order::kNewestFirst ? std::numeric_limits<std::int64_t>::max() : 0;
}

}  // namespace

Result<std::vector<Lists::Found>> Lists::run(const std::string& sql, const std::string* expression,
                                             const Filter& filter, std::int64_t start, std::size_t limit) {
  TOCSIN_ASSIGN(s, db_.prepare(sql));
  int place = 1;
  if (expression) s.bind_text(place++, *expression);
  place = bind_all(s, place, filter);
  s.bind(place, start).bind(place + 1, static_cast<std::int64_t>(limit));
  std::vector<Found> out;
  for (;;) {
    TOCSIN_ASSIGN(more, s.step());
    if (!more) return out;
    out.push_back({s.integer(0), 0});
  }
}

Result<std::uint64_t> Lists::run_count(const std::string& sql, const std::string* expression, const Filter& filter) {
  TOCSIN_ASSIGN(s, db_.prepare(sql));
  int place = 1;
  if (expression) s.bind_text(place++, *expression);
  bind_all(s, place, filter);
  TOCSIN_ASSIGN(found, s.step());
  return found ? static_cast<std::uint64_t>(s.integer(0)) : 0;
}

Result<bool> Lists::any_shown() {
  TOCSIN_ASSIGN(s, db_.use("SELECT 1 FROM shown LIMIT 1"));
  return s->step();
}

Result<std::vector<Lists::Found>> Lists::find(const ReportQuery& query, const Filter& filter, std::int64_t start,
                                              std::size_t limit) {
  return run("SELECT r.row FROM report r WHERE " + filter.where + in_order(query.order, "r.row"), nullptr, filter,
             start, limit);
}

Result<std::vector<Lists::Found>> Lists::find_words(const ReportQuery& query, const Filter& filter,
                                                    const std::string& expression, std::int64_t start,
                                                    std::size_t limit) {
  TOCSIN_ASSIGN(out, run("SELECT w.rowid " + std::string(kOwnWords) + filter.where + in_order(query.order, "w.rowid"),
                         &expression, filter, start, limit));
  TOCSIN_ASSIGN(shown, any_shown());
  if (!shown) return out;
  TOCSIN_ASSIGN(more, run("SELECT r.row " + std::string(kShownWords) + filter.where + in_order(query.order, "r.row"),
                          &expression, filter, start, limit));
  // No row is in both: its own words count only while no correction is shown.
  out.insert(out.end(), more.begin(), more.end());
  std::sort(out.begin(), out.end(), [&](const Found& a, const Found& b) {
    return query.order == Order::kNewestFirst ? a.row > b.row : a.row < b.row;
  });
  if (out.size() > limit) out.resize(limit);
  return out;
}

Result<ReportPage> Lists::page(const std::vector<Found>& found, std::size_t limit, ByteView fingerprint) {
  ReportPage out;
  const std::size_t shown = std::min(found.size(), limit);
  out.rows.reserve(shown);
  for (std::size_t i = 0; i < shown; ++i) {
    TOCSIN_ASSIGN(one, row(found[i].row));
    out.rows.push_back(std::move(one));
  }
  if (found.size() > limit) out.next = make_cursor(fingerprint, {found[limit - 1].rank, found[limit - 1].row});
  return out;
}

Result<ReportPage> Lists::list(const ReportQuery& query) {
  TOCSIN_TRY(check_limit(query.limit));
  TOCSIN_ASSIGN(filter, make_filter(query, names_));
  const Bytes print = fingerprint(query);
  std::int64_t start = before_all(query.order);
  if (!query.after.empty()) {
    TOCSIN_ASSIGN(position, read_cursor(print, query.after));
    start = position.row;
  }
  if (query.text.empty()) {
    TOCSIN_ASSIGN(found, find(query, filter, start, query.limit + 1));
    return page(found, query.limit, print);
  }
  TOCSIN_ASSIGN(expression, words_.expression(query.text));
  TOCSIN_ASSIGN(found, find_words(query, filter, expression, start, query.limit + 1));
  return page(found, query.limit, print);
}

Result<std::uint64_t> Lists::count(const ReportQuery& query) {
  TOCSIN_ASSIGN(filter, make_filter(query, names_));
  if (query.text.empty()) return run_count("SELECT count(*) FROM report r WHERE " + filter.where, nullptr, filter);
  TOCSIN_ASSIGN(expression, words_.expression(query.text));
  TOCSIN_ASSIGN(own, run_count("SELECT count(*) " + std::string(kOwnWords) + filter.where, &expression, filter));
  TOCSIN_ASSIGN(shown, any_shown());
  if (!shown) return own;
  TOCSIN_ASSIGN(more, run_count("SELECT count(*) " + std::string(kShownWords) + filter.where, &expression, filter));
  return own + more;
}

namespace {

#define TOCSIN_INBOX "FROM report r WHERE (r.flags & ?1) = 0 AND r.author <> ?2 AND (r.kind = ?3 OR r.seen_to >= ?4)"

void bind_inbox(Statement& s, const InboxQuery& query, std::int64_t own) {
  s.bind(1, kFlagAct | kFlagWithdrawn | kFlagDone | kFlagErased).bind(2, own);
  s.bind(3, static_cast<std::int64_t>(ReportKind::kAlert)).bind(4, query.now.ms - kInboxMs);
}

}  // namespace

Result<ReportPage> Lists::inbox(const InboxQuery& query) {
  TOCSIN_TRY(check_limit(query.limit));
  const Bytes print = fingerprint(query);
  Position start{std::numeric_limits<std::uint32_t>::max(), 0};
  if (!query.after.empty()) {
    TOCSIN_ASSIGN(position, read_cursor(print, query.after));
    start = position;
  }
  std::vector<Found> found;
  {
    TOCSIN_ASSIGN(s, db_.use("SELECT r.row, r.rank " TOCSIN_INBOX " AND (r.rank < ?5 OR (r.rank = ?5 AND r.row > ?6))"
                             " ORDER BY r.rank DESC, r.row ASC LIMIT ?7"));
    bind_inbox(*s, query, names_.find(NameKind::kOrg, query.own));
    s->bind(5, std::int64_t{start.rank}).bind(6, start.row).bind(7, static_cast<std::int64_t>(query.limit) + 1);
    for (;;) {
      TOCSIN_ASSIGN(more, s->step());
      if (!more) break;
      found.push_back({s->integer(0), static_cast<std::uint32_t>(s->integer(1))});
    }
  }
  return page(found, query.limit, print);
}

Result<std::uint64_t> Lists::inbox_count(const InboxQuery& query) {
  TOCSIN_ASSIGN(s, db_.use("SELECT count(*) " TOCSIN_INBOX));
  bind_inbox(*s, query, names_.find(NameKind::kOrg, query.own));
  TOCSIN_ASSIGN(found, s->step());
  return found ? static_cast<std::uint64_t>(s->integer(0)) : 0;
}

Result<UnknownPage> Lists::unknown(std::size_t limit, std::uint64_t after) {
  TOCSIN_TRY(check_limit(limit));
  TOCSIN_ASSIGN(s, db_.use("SELECT arrival, channel, log, number, org, kind FROM unknown WHERE arrival > ?1"
                           " ORDER BY arrival LIMIT ?2"));
  s->bind(1, static_cast<std::int64_t>(std::min<std::uint64_t>(after, std::numeric_limits<std::int64_t>::max())));
  s->bind(2, static_cast<std::int64_t>(limit) + 1);
  UnknownPage out;
  for (;;) {
    TOCSIN_ASSIGN(more, s->step());
    if (!more) return out;
    if (out.entries.size() == limit) {
      out.next = out.entries.back().location.arrival.value;
      return out;
    }
    UnknownEntry entry;
    entry.location = location({s->integer(0), s->integer(1), s->integer(2), s->integer(3)});
    entry.org = names_.get<OrgId>(s->integer(4));
    entry.entry_kind = static_cast<std::uint16_t>(s->integer(5));
    out.entries.push_back(entry);
  }
}

Result<Summary> Lists::summary() {
  Summary out;
  std::map<std::int64_t, std::uint64_t> countries;
  TOCSIN_ASSIGN(s, db_.use("SELECT kind, flags, severity, country FROM report"));
  for (;;) {
    TOCSIN_ASSIGN(more, s->step());
    if (!more) break;
    const std::int64_t flags = s->integer(1);
    if ((flags & kFlagAct) != 0) {
      ++out.acts;
      continue;
    }
    if ((flags & kFlagErased) != 0) {
      ++out.withdrawn;
      continue;
    }
    ++out.reports;
    if ((flags & kFlagWithdrawn) != 0) ++out.withdrawn;
    ++out.by_kind[static_cast<ReportKind>(s->integer(0))];
    ++out.by_severity[static_cast<Severity>(s->integer(2))];
    ++countries[s->integer(3)];
  }
  for (const auto& [country, count] : countries) out.by_country[unpack_country(country)] = count;
  return out;
}

Location Lists::location(const Spot& spot) const {
  return {names_.get<ChannelId>(spot.channel), names_.get<LogKey>(spot.log),
          Number{static_cast<std::uint64_t>(spot.number)}, Arrival{static_cast<std::uint64_t>(spot.arrival)}};
}

Result<ReportRow> Lists::row(std::int64_t number) {
  ReportRow out;
  std::int64_t flags = 0, content = 0;
  Spot spot;
  {
    TOCSIN_ASSIGN(s, db_.use("SELECT f.id, r.kind, r.status, r.author, r.created, r.seen_from, r.seen_to, r.shape,"
                             " r.country, f.place, r.lat, r.lon, r.tlp, r.severity, r.urgency, r.certainty,"
                             " r.likelihood, r.confidence, f.title, r.flags, r.content,"
                             " ifnull(r.at, r.row), r.channel, r.log, r.number"
                             " FROM report r CROSS JOIN face f ON f.row = r.row WHERE r.row = ?1"));
    s->bind(1, number);
    TOCSIN_ASSIGN(found, s->step());
    const auto id = found ? ReportId::from(s->blob(0)) : std::nullopt;
    if (!id) return internal_error(kIndexBroken, "a row that was there is gone");
    out.id = *id;
    out.kind = static_cast<ReportKind>(s->integer(1));
    out.status = static_cast<ReportStatus>(s->integer(2));
    out.author = names_.get<OrgId>(s->integer(3));
    out.created.ms = s->integer(4);
    const std::int64_t shape = s->integer(7);
    if ((shape & kShapeObservedFrom) != 0) out.observed_from = Time{s->integer(5)};
    if ((shape & kShapeObservedTo) != 0) out.observed_to = Time{s->integer(6)};
    out.iso3 = unpack_country(s->integer(8));
    out.place = s->text(9);
    if (!s->is_null(10)) out.point = from_grid({s->integer(10), s->integer(11)});
    out.tlp = static_cast<Tlp>(s->integer(12));
    out.severity = static_cast<Severity>(s->integer(13));
    out.urgency = static_cast<Urgency>(s->integer(14));
    out.certainty = static_cast<Certainty>(s->integer(15));
    out.likelihood = static_cast<Likelihood>(s->integer(16));
    out.confidence = static_cast<Confidence>(s->integer(17));
    out.title = s->text(18);
    flags = s->integer(19);
    content = s->integer(20);
    spot = {s->integer(21), s->integer(22), s->integer(23), s->integer(24)};
  }
  out.done = (flags & kFlagDone) != 0;
  out.erased = (flags & kFlagErased) != 0;
  if ((flags & kFlagAct) != 0) out.target = standings_.target_of(number);
  TOCSIN_ASSIGN(standing, standings_.standing(number, flags));
  out.standing = std::move(standing);
  out.location = out.content = location(spot);
  if (content != 0) {
    TOCSIN_ASSIGN(shown, rows_.spot(content));
    out.content = location(shown);
  }
  return out;
}

}  // namespace tocsin::index
