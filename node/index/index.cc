#include "node/index/index.h"

#include <algorithm>
#include <optional>

#include "node/index/intake.h"
#include "node/index/lists.h"
#include "node/index/near.h"
#include "node/index/schema.h"
#include "node/index/snapshot.h"

namespace tocsin::index {

using namespace protocol;

namespace {

// Everything that stands on one database; another database means another of these.
struct Parts {
  Parts(std::unique_ptr<Database> database, Words table, EntryOpener& opener)
      : db(std::move(database)),
        names(*db),
        words(std::move(table)),
        rows(*db),
        standings(*db, names, rows),
        unopened(*db, names),
        lists(*db, names, rows, standings, words),
        intake(*db, names, rows, standings, unopened, words, opener, counters) {}

  static Result<std::unique_ptr<Parts>> open(std::unique_ptr<Database> db, EntryOpener& opener);
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

Result<std::unique_ptr<Parts>> Parts::open(std::unique_ptr<Database> db, EntryOpener& opener) {
  TOCSIN_TRY(register_metres(db->handle()));
  TOCSIN_ASSIGN(words, Words::open(*db));
  auto out = std::make_unique<Parts>(std::move(db), std::move(words), opener);
  TOCSIN_TRY(out->names.reload());
  TOCSIN_TRY(out->read_counters());
  TOCSIN_TRY(out->look_for_done());
  return out;
}

struct NamedCounter {
  const char* name;
  std::uint64_t Counters::*value;
};
constexpr NamedCounter kNamedCounters[] = {{"reports", &Counters::reports},
                                           {"acts", &Counters::acts},
                                           {"unknown", &Counters::unknown},
                                           {"unopened", &Counters::unopened},
                                           {"stale_words", &Counters::stale_words}};

Result<void> Parts::read_counters() {
  {
    TOCSIN_ASSIGN(s, db->use("SELECT name, value FROM counter"));
    for (;;) {
      TOCSIN_ASSIGN(more, s->step());
      if (!more) break;
      const auto value = static_cast<std::uint64_t>(s->integer(1));
      if (s->text(0) == "cursor") counters.cursor.value = value;
      for (const NamedCounter& named : kNamedCounters) {
        if (s->text(0) == named.name) counters.*named.value = value;
      }
    }
  }
  TOCSIN_ASSIGN(s, db->use("SELECT code, count FROM refused"));
  for (;;) {
    TOCSIN_ASSIGN(more, s->step());
    if (!more) return kOk;
    counters.refused.emplace(s->text(0), static_cast<std::uint64_t>(s->integer(1)));
  }
}

Result<void> Parts::write_counters() {
  const auto put = [&](std::string_view name, std::uint64_t value) -> Result<void> {
    TOCSIN_ASSIGN(s, db->use("INSERT OR REPLACE INTO counter(name, value) VALUES(?1, ?2)"));
    return s->bind_text(1, name).bind(2, static_cast<std::int64_t>(value)).run();
  };
  TOCSIN_TRY(put("cursor", counters.cursor.value));
  for (const NamedCounter& named : kNamedCounters) TOCSIN_TRY(put(named.name, counters.*named.value));
  for (const auto& [code, count] : counters.refused) {
    TOCSIN_ASSIGN(s, db->use("INSERT OR REPLACE INTO refused(code, count) VALUES(?1, ?2)"));
    TOCSIN_TRY(s->bind_text(1, code).bind(2, static_cast<std::int64_t>(count)).run());
  }
  return kOk;
}

Result<void> Parts::look_for_done() {
  TOCSIN_ASSIGN(s, db->use("SELECT 1 FROM done LIMIT 1"));
  TOCSIN_ASSIGN(any, s->step());
  intake.set_any_done(any);
  return kOk;
}

Error unknown_report() { return caller_error(kUnknownReport, "no such report here, or none that this node can read"); }

}  // namespace

struct Index::Impl {
  Impl(const ReadingTable& reading, IndexOptions given) : table(reading), options(given), opener(reading) {}

  const ReadingTable& table;
  const IndexOptions options;
  EntryOpener opener;
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

  Result<std::int64_t> row_of(Parts& p, const ReportId& id) {
    TOCSIN_ASSIGN(row, p.rows.find(id));
    if (row == 0) return unknown_report();
    return row;
  }
  Result<std::vector<Location>> locations(Parts& p, std::int64_t row) {
    TOCSIN_ASSIGN(spots, p.rows.copies(row));
    std::vector<Location> out;
    for (const Spot& spot : spots) out.push_back(p.lists.location(spot));
    return out;
  }
};

Result<void> Index::Impl::open_empty() {
  TOCSIN_ASSIGN(db, Database::create(options.bytes_max));
  TOCSIN_TRY(create_schema(*db));
  TOCSIN_ASSIGN(opened, Parts::open(std::move(db), opener));
  parts = std::move(opened);
  broken = false;
  return kOk;
}

void Index::Impl::roll_back(const Counters& before) {
  if (!parts || broken) return;
  parts->intake.drop_pending();
  parts->counters = before;
  if (parts->db->in_transaction() && !parts->db->execute("ROLLBACK")) broken = true;
  try {
    if (!parts->names.reload()) broken = true;
  } catch (const std::bad_alloc&) {
    broken = true;
  }
}

Index::Index(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Index::~Index() = default;

Result<std::unique_ptr<Index>> Index::create(const ReadingTable& table, IndexOptions options) {
  auto impl = std::make_unique<Impl>(table, options);
  TOCSIN_TRY(impl->open_empty());
  return std::unique_ptr<Index>(new Index(std::move(impl)));
}

// ---- Taking in

Result<FeedOutcome> Index::feed(const EntryChunk& chunk) {
  auto out = impl_->change([&](Parts& p) { return p.intake.feed(chunk); });
  if (out) impl_->changes += chunk.items.size();
  return out;
}

Result<std::vector<ArrivalRange>> Index::wanted(std::size_t max) {
  return impl_->guarded([&](Parts& p) { return p.unopened.openable(impl_->table, max); });
}

Result<FeedOutcome> Index::revisit(const EntryChunk& chunk) {
  auto out = impl_->change([&](Parts& p) { return p.intake.revisit(chunk); });
  if (out) impl_->changes += chunk.items.size();
  return out;
}

Result<void> Index::forget(const EntryChunk& chunk) {
  auto out = impl_->change([&](Parts& p) { return p.intake.forget(chunk); });
  if (out) impl_->changes += chunk.items.size();
  return out;
}

namespace {

Result<void> put_done(Parts& p, const ReportId& report, bool done) {
  if (done) {
    TOCSIN_ASSIGN(s, p.db->use("INSERT OR IGNORE INTO done(id) VALUES(?1)"));
    TOCSIN_TRY(s->bind_blob(1, report.view()).run());
  } else {
    TOCSIN_ASSIGN(s, p.db->use("DELETE FROM done WHERE id = ?1"));
    TOCSIN_TRY(s->bind_blob(1, report.view()).run());
  }
  TOCSIN_ASSIGN(row, p.rows.find(report));
  if (row == 0) return kOk;
  return p.rows.set_flags(row, kFlagDone, done ? std::int64_t{kFlagDone} : 0);
}

Result<void> replace_done(Parts& p, std::span<const ReportId> reports) {
  {
    TOCSIN_ASSIGN(s, p.db->use("UPDATE report SET flags = flags & ~?1 WHERE (flags & ?1) != 0"));
    TOCSIN_TRY(s->bind(1, std::int64_t{kFlagDone}).run());
  }
  TOCSIN_TRY(p.db->execute("DELETE FROM done"));
  for (const ReportId& report : reports) TOCSIN_TRY(put_done(p, report, true));
  return kOk;
}

Result<std::vector<ReportId>> all_done(Parts& p) {
  TOCSIN_ASSIGN(s, p.db->use("SELECT id FROM done"));
  std::vector<ReportId> out;
  for (;;) {
    TOCSIN_ASSIGN(more, s->step());
    if (!more) return out;
    if (const auto id = ReportId::from(s->blob(0))) out.push_back(*id);
  }
}

}  // namespace

Result<void> Index::set_done(std::span<const ReportId> reports) {
  if (reports.size() > kDoneMax) return caller_error(kTooMany, "done: at most 1,000,000 reports");
  const auto out = impl_->change([&](Parts& p) { return replace_done(p, reports); });
  impl_->parts->intake.set_any_done(true);
  return out;
}

Result<void> Index::mark_done(const ReportId& report, bool done) {
  const auto out = impl_->change([&](Parts& p) { return put_done(p, report, done); });
  impl_->parts->intake.set_any_done(true);
  return out;
}

Result<void> Index::clear() {
  std::vector<ReportId> done;
  if (auto kept = impl_->guarded([](Parts& p) { return all_done(p); })) done = std::move(*kept);
  impl_->opener.forget_keys();
  impl_->parts->db->wipe();
  impl_->broken = true;  // until there is a new one
  TOCSIN_TRY(impl_->open_empty());
  impl_->changes = 0;
  return set_done(done);
}

// ---- Asking

Result<ReportPage> Index::list(const ReportQuery& query) {
  return impl_->guarded([&](Parts& p) { return p.lists.list(query); });
}
Result<std::uint64_t> Index::count(const ReportQuery& query) {
  return impl_->guarded([&](Parts& p) { return p.lists.count(query); });
}
Result<ReportPage> Index::inbox(const InboxQuery& query) {
  return impl_->guarded([&](Parts& p) { return p.lists.inbox(query); });
}
Result<std::uint64_t> Index::inbox_count(const InboxQuery& query) {
  return impl_->guarded([&](Parts& p) { return p.lists.inbox_count(query); });
}
Result<UnknownPage> Index::unknown(std::size_t limit, std::uint64_t after) {
  return impl_->guarded([&](Parts& p) { return p.lists.unknown(limit, after); });
}
Result<Summary> Index::summary() {
  return impl_->guarded([](Parts& p) { return p.lists.summary(); });
}

namespace {

Result<ReportId> resolve_prefix(Parts& p, std::string_view hex) {
  if (hex.size() < kIdPrefixMin) return caller_error(kIdTooShort, "id: at least eight hexadecimal digits");
  const bool odd = hex.size() % 2 != 0;
  const auto low_bytes = from_hex(std::string(hex) + (odd ? "0" : ""));
  if (!low_bytes || hex.size() > 2 * ReportId::size()) {
    return caller_error(kBadId, "id: eight to 64 hexadecimal digits");
  }
  // All ids that begin so lie between the prefix filled up with zeros and filled up with ones.
  ReportId low, high;
  std::fill_n(high.data(), high.size(), std::uint8_t{0xff});
  std::copy(low_bytes->begin(), low_bytes->end(), low.data());
  std::copy(low_bytes->begin(), low_bytes->end(), high.data());
  if (odd) high.data()[low_bytes->size() - 1] |= 0x0f;
  TOCSIN_ASSIGN(s, p.db->use("SELECT f.id FROM ident i CROSS JOIN face f ON f.row = i.row"
                             " WHERE i.id8 BETWEEN ?1 AND ?2 AND f.id BETWEEN ?3 AND ?4 LIMIT 2"));
  s->bind(1, id_prefix(low.view())).bind(2, id_prefix(high.view())).bind_blob(3, low.view()).bind_blob(4, high.view());
  TOCSIN_ASSIGN(found, s->step());
  if (!found) return unknown_report();
  const auto id = ReportId::from(s->blob(0));
  if (!id) return internal_error(kIndexBroken, "an id of another size");
  TOCSIN_ASSIGN(another, s->step());
  if (another) return caller_error(kIdAmbiguous, "id: several reports begin so; give more digits");
  return *id;
}

Result<std::vector<RowMatch>> match_rows(Parts& p, std::span<const RowQuestion> questions) {
  std::vector<RowMatch> out;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    TOCSIN_ASSIGN(rows, p.rows.with_origin(origin_key(questions[i].key)));
    for (const std::int64_t row : rows) {
      RowMatch match;
      match.question = i;
      TOCSIN_ASSIGN(head, p.rows.head(row));
      if (!head) continue;
      match.report = head->id;
      match.author = p.names.get<OrgId>(head->author);
      match.withdrawn = (head->flags & kFlagWithdrawn) != 0;
      TOCSIN_ASSIGN(digest, p.rows.digest(row));
      match.same_content = digest == shorten(questions[i].content);
      TOCSIN_ASSIGN(spots, p.rows.copies(row));
      for (const Spot& spot : spots) {
        const auto channel = p.names.get<ChannelId>(spot.channel);
        if (std::find(match.channels.begin(), match.channels.end(), channel) == match.channels.end()) {
          match.channels.push_back(channel);
        }
      }
      out.push_back(std::move(match));
    }
  }
  return out;
}

}  // namespace

Result<ReportId> Index::resolve(std::string_view hex) {
  return impl_->guarded([&](Parts& p) { return resolve_prefix(p, hex); });
}

Result<ReportFound> Index::find(const ReportId& report) {
  return impl_->guarded([&](Parts& p) -> Result<ReportFound> {
    TOCSIN_ASSIGN(number, impl_->row_of(p, report));
    TOCSIN_ASSIGN(row, p.lists.row(number));
    TOCSIN_ASSIGN(copies, impl_->locations(p, number));
    return ReportFound{std::move(row), std::move(copies)};
  });
}

Result<ReportHistory> Index::history(const ReportId& report) {
  return impl_->guarded([&](Parts& p) -> Result<ReportHistory> {
    TOCSIN_ASSIGN(number, impl_->row_of(p, report));
    TOCSIN_ASSIGN(head, p.rows.head(number));
    if (!head) return unknown_report();
    TOCSIN_ASSIGN(out, p.standings.history(*head));
    TOCSIN_ASSIGN(row, p.lists.row(number));
    out.row = std::move(row);
    return out;
  });
}

Result<std::vector<Location>> Index::copies(const ReportId& report) {
  return impl_->guarded([&](Parts& p) -> Result<std::vector<Location>> {
    TOCSIN_ASSIGN(number, impl_->row_of(p, report));
    return impl_->locations(p, number);
  });
}

Result<std::vector<RowMatch>> Index::known_rows(std::span<const RowQuestion> questions) {
  if (questions.size() > kRowKeysMax) return caller_error(kTooMany, "rows: at most 10,000 at a time");
  return impl_->guarded([&](Parts& p) { return match_rows(p, questions); });
}

Result<IndexStats> Index::stats() {
  return impl_->guarded([&](Parts& p) -> Result<IndexStats> {
    IndexStats out;
    out.cursor = p.counters.cursor;
    out.reports = p.counters.reports;
    out.acts = p.counters.acts;
    out.unknown = p.counters.unknown;
    out.unopened = p.counters.unopened;
    out.stale_words = p.counters.stale_words;
    out.refused.insert(p.counters.refused.begin(), p.counters.refused.end());
    out.bytes = p.db->size();
    out.changes = impl_->changes;
    return out;
  });
}

// ---- Snapshot

Result<bool> Index::save(SnapshotFile& file, const SnapshotContext& context, crypto::Random& random) {
  if (impl_->changes == 0) return false;
  TOCSIN_TRY(impl_->change([](Parts& p) { return p.write_counters(); }));
  TOCSIN_TRY(impl_->guarded(
      [&](Parts& p) { return write_snapshot(file, context, random, p.counters.cursor, p.db->image()); }));
  impl_->changes = 0;
  return true;
}

Result<Arrival> Index::load(SnapshotFile& file, const SnapshotContext& context, Arrival newest) {
  TOCSIN_TRY(clear());
  // What the snapshot knows of it is as old as the snapshot.
  TOCSIN_ASSIGN(done, impl_->guarded([](Parts& p) { return all_done(p); }));
  auto loaded = impl_->guarded([&](Parts&) { return read_snapshot(file, context, newest, impl_->options.bytes_max); });
  file.close();
  if (!loaded) return loaded.error();
  auto opened = impl_->guarded([&](Parts&) { return Parts::open(std::move(loaded->db), impl_->opener); });
  if (!opened || (*opened)->counters.cursor != loaded->cursor) {
    return environment_error(kSnapshotDamaged, "the snapshot does not hold an index");
  }
  impl_->parts = std::move(*opened);
  TOCSIN_TRY(set_done(done));
  return loaded->cursor;
}

}  // namespace tocsin::index
