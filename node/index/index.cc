#include "node/index/index.h"

#include "node/index/index_impl.h"
#include "node/index/near.h"
#include "node/index/schema.h"
#include "node/index/snapshot.h"

namespace tocsin::index {

using namespace protocol;

Result<std::unique_ptr<Parts>> Parts::open(std::unique_ptr<Database> db, EntryOpener& opener) {
  TOCSIN_TRY(register_metres(db->handle()));
  TOCSIN_ASSIGN(words, Words::open(*db));
  auto out = std::make_unique<Parts>(std::move(db), std::move(words), opener);
  TOCSIN_TRY(out->names.reload());
  TOCSIN_TRY(out->read_counters());
  TOCSIN_TRY(out->look_for_done());
  return out;
}

namespace {

struct NamedCounter {
  const char* name;
  std::uint64_t Counters::*value;
};
constexpr NamedCounter kNamedCounters[] = {{"reports", &Counters::reports},
                                           {"acts", &Counters::acts},
                                           {"unknown", &Counters::unknown},
                                           {"unopened", &Counters::unopened},
                                           {"stale_words", &Counters::stale_words}};

}  // namespace

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

Result<void> Index::take_back(const EntryChunk& chunk) {
  auto out = impl_->change([&](Parts& p) { return p.intake.forget(chunk, true); });
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

// A rebuild opens at once what was opened late: those who exported before that would miss it.
struct LateRange {
  std::int64_t first, last, seen;
};
Result<std::vector<LateRange>> all_late(Parts& p) {
  TOCSIN_ASSIGN(s, p.db->use("SELECT first, last, seen FROM late"));
  std::vector<LateRange> out;
  for (;;) {
    TOCSIN_ASSIGN(more, s->step());
    if (!more) return out;
    out.push_back({s->integer(0), s->integer(1), s->integer(2)});
  }
}
Result<void> put_late(Parts& p, const std::vector<LateRange>& ranges) {
  for (const LateRange& range : ranges) {
    TOCSIN_ASSIGN(s, p.db->use("INSERT INTO late(first, last, seen) VALUES(?1, ?2, ?3)"));
    TOCSIN_TRY(s->bind(1, range.first).bind(2, range.last).bind(3, range.seen).run());
  }
  return kOk;
}

}  // namespace

Result<void> Index::set_done(std::span<const ReportId> reports) {
  if (reports.size() > kDoneMax) return caller_error(kTooMany, "done: at most 1,000,000 reports");
  auto out = impl_->change([&](Parts& p) { return replace_done(p, reports); });
  impl_->parts->intake.set_any_done(true);
  return out;
}

Result<void> Index::mark_done(const ReportId& report, bool done) {
  auto out = impl_->change([&](Parts& p) { return put_done(p, report, done); });
  impl_->parts->intake.set_any_done(true);
  return out;
}

Result<void> Index::clear() {
  std::vector<ReportId> done;
  std::vector<LateRange> late;
  if (auto kept = impl_->guarded([](Parts& p) { return all_late(p); })) late = std::move(*kept);
  if (auto kept = impl_->guarded([](Parts& p) { return all_done(p); })) done = std::move(*kept);
  impl_->opener.forget_keys();
  impl_->parts->db->wipe();
  impl_->broken = true;  // until there is a new one
  TOCSIN_TRY(impl_->open_empty());
  impl_->changes = 0;
  TOCSIN_TRY(impl_->change([&](Parts& p) { return put_late(p, late); }));
  return set_done(done);
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
