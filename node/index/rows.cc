#include "node/index/rows.h"

#include "node/index/codes.h"
#include "node/index/schema.h"
#include "node/reports/rank.h"

namespace tocsin::index {

using namespace protocol;

namespace {

// Columns that a correction replaces, in `report` and in `face`; all of them stand in `version` too.
#define TOCSIN_REPORT_CONTENT \
  "status, severity, country, seen_from, seen_to, tlp, lat, lon, shape, urgency, certainty, likelihood, confidence"
#define TOCSIN_FACE_CONTENT "digest, place, title"

Error lost_row() { return internal_error(kIndexBroken, "a row that was there is gone"); }

std::optional<std::int64_t> latitude(const std::optional<GridPoint>& point) {
  return point ? std::optional(point->latitude) : std::nullopt;
}
std::optional<std::int64_t> longitude(const std::optional<GridPoint>& point) {
  return point ? std::optional(point->longitude) : std::nullopt;
}

}  // namespace

Result<std::int64_t> Rows::find(const ReportId& id) {
  TOCSIN_ASSIGN(s,
                db_.use("SELECT i.row FROM ident i CROSS JOIN face f ON f.row = i.row WHERE i.id8 = ?1 AND f.id = ?2"));
  s->bind(1, id_prefix(id.view())).bind_blob(2, id.view());
  TOCSIN_ASSIGN(found, s->step());
  return found ? s->integer(0) : 0;
}

Result<std::optional<RowHead>> Rows::head(std::int64_t row) {
  TOCSIN_ASSIGN(s, db_.use("SELECT f.id, r.kind, r.flags, r.author, r.created, r.content FROM report r"
                           " JOIN face f ON f.row = r.row WHERE r.row = ?1"));
  s->bind(1, row);
  TOCSIN_ASSIGN(found, s->step());
  if (!found) return std::optional<RowHead>();
  RowHead out;
  const auto id = ReportId::from(s->blob(0));
  if (!id) return lost_row();
  out.id = *id;
  out.kind = static_cast<ReportKind>(s->integer(1));
  out.flags = s->integer(2);
  out.author = s->integer(3);
  out.created.ms = s->integer(4);
  out.content = s->integer(5);
  return std::optional(out);
}

Result<void> Rows::insert_report(const NewRow& row, const Projection& content) {
  TOCSIN_ASSIGN(s, db_.use("INSERT INTO report(row, kind, flags, status, severity, country, seen_from, seen_to, rank,"
                           " author, channel, tlp, lat, lon, shape, urgency, certainty, likelihood, confidence,"
                           " created, log, number) VALUES"
                           "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22)"));
  const std::int64_t rank =
      reports::inbox_rank(row.kind, static_cast<ReportStatus>(content.status), static_cast<Severity>(content.severity),
                          static_cast<Urgency>(content.urgency));
  s->bind(1, row.spot.arrival).bind(2, static_cast<std::int64_t>(row.kind)).bind(3, row.flags);
  s->bind(4, content.status).bind(5, content.severity).bind(6, content.country);
  s->bind(7, content.seen_from).bind(8, content.seen_to).bind(9, rank).bind(10, row.author);
  s->bind(11, row.spot.channel).bind(12, content.tlp).bind(13, latitude(content.point));
  s->bind(14, longitude(content.point)).bind(15, content.shape).bind(16, content.urgency);
  s->bind(17, content.certainty).bind(18, content.likelihood).bind(19, content.confidence);
  s->bind(20, row.created.ms).bind(21, row.spot.log).bind(22, row.spot.number);
  return s->run();
}

Result<void> Rows::insert_places(std::int64_t row, const Projection& content) {
  for (const ProjectedPlace& place : content.more_places) {
    TOCSIN_ASSIGN(s, db_.use("INSERT INTO place(row, country, lat, lon) VALUES(?1, ?2, ?3, ?4)"));
    s->bind(1, row).bind(2, place.country).bind(3, latitude(place.point)).bind(4, longitude(place.point));
    TOCSIN_TRY(s->run());
  }
  return kOk;
}

Result<void> Rows::insert(const NewRow& row, const Projection& content) {
  TOCSIN_TRY(insert_report(row, content));
  {
    TOCSIN_ASSIGN(s, db_.use("INSERT INTO face(row, id, digest, place, title) VALUES(?1, ?2, ?3, ?4, ?5)"));
    s->bind(1, row.spot.arrival).bind_blob(2, row.id.view()).bind_blob(3, content.digest);
    s->bind_text(4, content.place).bind_text(5, content.title);
    TOCSIN_TRY(s->run());
  }
  {
    TOCSIN_ASSIGN(s, db_.use("INSERT INTO ident(id8, row) VALUES(?1, ?2)"));
    TOCSIN_TRY(s->bind(1, id_prefix(row.id.view())).bind(2, row.spot.arrival).run());
  }
  if (row.origin) {
    TOCSIN_ASSIGN(s, db_.use("INSERT INTO origin(key, row) VALUES(?1, ?2)"));
    TOCSIN_TRY(s->bind(1, origin_key(*row.origin)).bind(2, row.spot.arrival).run());
  }
  return insert_places(row.spot.arrival, content);
}

Result<void> Rows::erase(std::int64_t row, const ReportId& id) {
  {
    TOCSIN_ASSIGN(s, db_.use("DELETE FROM ident WHERE id8 = ?1 AND row = ?2"));
    TOCSIN_TRY(s->bind(1, id_prefix(id.view())).bind(2, row).run());
  }
  const auto one = [&](Result<Use> use) -> Result<void> {
    if (!use) return use.error();
    return (*use)->bind(1, row).run();
  };
  TOCSIN_TRY(one(db_.use("DELETE FROM report WHERE row = ?1")));
  TOCSIN_TRY(one(db_.use("DELETE FROM face WHERE row = ?1")));
  TOCSIN_TRY(one(db_.use("DELETE FROM version WHERE row = ?1")));
  TOCSIN_TRY(one(db_.use("DELETE FROM copy WHERE row = ?1")));
  TOCSIN_TRY(one(db_.use("DELETE FROM place WHERE row = ?1")));
  TOCSIN_TRY(one(db_.use("DELETE FROM act WHERE row = ?1")));
  TOCSIN_TRY(one(db_.use("DELETE FROM standing WHERE row = ?1")));
  return one(db_.use("DELETE FROM shown WHERE row = ?1 OR content = ?1"));
}

Result<void> Rows::blank(std::int64_t row, std::int64_t now_shown) {
  TOCSIN_TRY(show(row, now_shown, 0));
  const auto one = [&](Result<Use> use) -> Result<void> {
    if (!use) return use.error();
    return (*use)->bind(1, row).run();
  };
  TOCSIN_TRY(
      one(db_.use("UPDATE report SET kind = 0, flags = flags | 512, status = 0, severity = 0, country = 0,"
                  " seen_from = created, seen_to = created, rank = 0, tlp = 0, lat = NULL, lon = NULL,"
                  " shape = 0, urgency = 0, certainty = 0, likelihood = 0, confidence = 0 WHERE row = ?1")));
  static_assert(kFlagErased == 512);
  TOCSIN_TRY(one(db_.use("UPDATE face SET digest = zeroblob(16), place = '', title = '' WHERE row = ?1")));
  return one(db_.use("DELETE FROM place WHERE row = ?1"));
}

Result<void> Rows::set_flags(std::int64_t row, std::int64_t clear, std::int64_t set) {
  TOCSIN_ASSIGN(s, db_.use("UPDATE report SET flags = (flags & ~?2) | ?3 WHERE row = ?1"));
  return s->bind(1, row).bind(2, clear).bind(3, set).run();
}

Result<void> Rows::show(std::int64_t row, std::int64_t now_shown, std::int64_t content) {
  if (now_shown == content) return kOk;
  const auto run = [&](Result<Use> use, bool with_content) -> Result<void> {
    if (!use) return use.error();
    (*use)->bind(1, row);
    if (with_content) (*use)->bind(2, content);
    return (*use)->run();
  };
  if (now_shown == 0) {
    TOCSIN_TRY(run(db_.use("INSERT INTO version(row, " TOCSIN_REPORT_CONTENT ", " TOCSIN_FACE_CONTENT
                           ") SELECT r.row, " TOCSIN_REPORT_CONTENT ", " TOCSIN_FACE_CONTENT
                           " FROM report r JOIN face f ON f.row = r.row WHERE r.row = ?1"),
                   false));
  }
  TOCSIN_TRY(run(db_.use("DELETE FROM shown WHERE row = ?1"), false));
  if (content != 0) {
    TOCSIN_TRY(run(db_.use("UPDATE report SET content = ?2, (" TOCSIN_REPORT_CONTENT
                           ") = (SELECT " TOCSIN_REPORT_CONTENT " FROM report WHERE row = ?2) WHERE row = ?1"),
                   true));
    TOCSIN_TRY(run(db_.use("UPDATE face SET (" TOCSIN_FACE_CONTENT ") = (SELECT " TOCSIN_FACE_CONTENT
                           " FROM face WHERE row = ?2) WHERE row = ?1"),
                   true));
    TOCSIN_TRY(run(db_.use("INSERT INTO shown(row, content) VALUES(?1, ?2)"), true));
  } else {
    TOCSIN_TRY(run(db_.use("UPDATE report SET content = NULL, (" TOCSIN_REPORT_CONTENT
                           ") = (SELECT " TOCSIN_REPORT_CONTENT " FROM version WHERE row = ?1) WHERE row = ?1"),
                   false));
    TOCSIN_TRY(run(db_.use("UPDATE face SET (" TOCSIN_FACE_CONTENT ") = (SELECT " TOCSIN_FACE_CONTENT
                           " FROM version WHERE row = ?1) WHERE row = ?1"),
                   false));
    TOCSIN_TRY(run(db_.use("DELETE FROM version WHERE row = ?1"), false));
  }
  return rank_again(row);
}

Result<void> Rows::rank_again(std::int64_t row) {
  std::int64_t rank = 0;
  {
    TOCSIN_ASSIGN(s, db_.use("SELECT kind, status, severity, urgency FROM report WHERE row = ?1"));
    s->bind(1, row);
    TOCSIN_ASSIGN(found, s->step());
    if (!found) return lost_row();
    rank = reports::inbox_rank(static_cast<ReportKind>(s->integer(0)), static_cast<ReportStatus>(s->integer(1)),
                               static_cast<Severity>(s->integer(2)), static_cast<Urgency>(s->integer(3)));
  }
  TOCSIN_ASSIGN(s, db_.use("UPDATE report SET rank = ?2 WHERE row = ?1"));
  return s->bind(1, row).bind(2, rank).run();
}

Result<void> Rows::add_copy(std::int64_t row, const Spot& spot) {
  TOCSIN_ASSIGN(s, db_.use("INSERT INTO copy(arrival, row, channel, log, number) VALUES(?1, ?2, ?3, ?4, ?5)"));
  s->bind(1, spot.arrival).bind(2, row).bind(3, spot.channel).bind(4, spot.log).bind(5, spot.number);
  TOCSIN_TRY(s->run());
  return set_flags(row, 0, kFlagCopies);
}

Result<Spot> Rows::spot(std::int64_t row) {
  TOCSIN_ASSIGN(s, db_.use("SELECT ifnull(at, row), channel, log, number FROM report WHERE row = ?1"));
  s->bind(1, row);
  TOCSIN_ASSIGN(found, s->step());
  if (!found) return lost_row();
  return Spot{s->integer(0), s->integer(1), s->integer(2), s->integer(3)};
}

Result<std::vector<Spot>> Rows::copies(std::int64_t row) {
  TOCSIN_ASSIGN(first, spot(row));
  std::vector<Spot> out{first};
  TOCSIN_ASSIGN(s, db_.use("SELECT arrival, channel, log, number FROM copy WHERE row = ?1 ORDER BY arrival LIMIT ?2"));
  s->bind(1, row).bind(2, std::int64_t{kCopiesMax});
  for (;;) {
    TOCSIN_ASSIGN(more, s->step());
    if (!more) return out;
    if (s->integer(0) == first.arrival) continue;
    out.push_back({s->integer(0), s->integer(1), s->integer(2), s->integer(3)});
  }
}

Result<std::int64_t> Rows::row_with_copy(std::int64_t arrival) {
  {
    TOCSIN_ASSIGN(s, db_.use("SELECT row FROM report WHERE row = ?1 AND at IS NULL"));
    s->bind(1, arrival);
    TOCSIN_ASSIGN(found, s->step());
    if (found) return s->integer(0);
  }
  TOCSIN_ASSIGN(s, db_.use("SELECT row FROM copy WHERE arrival = ?1"));
  s->bind(1, arrival);
  TOCSIN_ASSIGN(found, s->step());
  return found ? s->integer(0) : 0;
}

Result<bool> Rows::remove_copy(std::int64_t row, std::int64_t arrival) {
  TOCSIN_ASSIGN(all, copies(row));
  if (all.size() == 1 && all.front().arrival == arrival) return false;
  {
    TOCSIN_ASSIGN(s, db_.use("DELETE FROM copy WHERE arrival = ?1"));
    TOCSIN_TRY(s->bind(1, arrival).run());
  }
  if (all.front().arrival == arrival) {
    // Another copy takes its place; the row keeps its number, which is its place in every list.
    const Spot& next = all[1];
    TOCSIN_ASSIGN(s, db_.use("UPDATE report SET at = ?2, channel = ?3, log = ?4, number = ?5 WHERE row = ?1"));
    s->bind(1, row).bind(2, next.arrival).bind(3, next.channel).bind(4, next.log).bind(5, next.number);
    TOCSIN_TRY(s->run());
  }
  return true;
}

Result<std::vector<std::int64_t>> Rows::with_origin(std::int64_t key) {
  TOCSIN_ASSIGN(s, db_.use("SELECT o.row FROM origin o CROSS JOIN report r ON r.row = o.row WHERE o.key = ?1"));
  s->bind(1, key);
  std::vector<std::int64_t> out;
  for (;;) {
    TOCSIN_ASSIGN(more, s->step());
    if (!more) return out;
    out.push_back(s->integer(0));
  }
}

Result<ShortDigest> Rows::digest(std::int64_t row) {
  TOCSIN_ASSIGN(s, db_.use("SELECT digest FROM face WHERE row = ?1"));
  s->bind(1, row);
  TOCSIN_ASSIGN(found, s->step());
  ShortDigest out{};
  if (!found || s->blob(0).size() != out.size()) return lost_row();
  std::copy_n(s->blob(0).begin(), out.size(), out.begin());
  return out;
}

}  // namespace tocsin::index
