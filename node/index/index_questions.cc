// What is asked of the index.
#include <algorithm>
#include <map>
#include <set>

#include "node/index/index_impl.h"
#include "node/index/schema.h"

namespace tocsin::index {

using namespace protocol;

namespace {

Error unknown_report() { return caller_error(kUnknownReport, "no such report here, or none that this node can read"); }

Result<std::uint64_t> count_rows_in(Parts& p, std::span<const EntryRange> ranges) {
  std::map<std::int64_t, const EntryRange*> by_log;
  for (const EntryRange& range : ranges) {
    if (const auto log = p.names.find(NameKind::kLog, range.log); log != 0) by_log[log] = &range;
  }
  std::set<std::int64_t> rows;
  TOCSIN_ASSIGN(s, p.db->use("SELECT row, log, number FROM report WHERE (flags & ?1) = 0 UNION ALL SELECT c.row, c.log,"
                             " c.number FROM copy c JOIN report r ON r.row = c.row WHERE (r.flags & ?1) = 0"));
  s->bind(1, std::int64_t{kFlagAct});
  for (;;) {
    TOCSIN_ASSIGN(more, s->step());
    if (!more) return rows.size();
    const auto range = by_log.find(s->integer(1));
    const auto number = static_cast<std::uint64_t>(s->integer(2));
    if (range == by_log.end() || number < range->second->first.value || number > range->second->last.value) continue;
    rows.insert(s->integer(0));
  }
}

}  // namespace

Result<std::int64_t> Index::Impl::row_of(Parts& p, const ReportId& id) {
  TOCSIN_ASSIGN(row, p.rows.find(id));
  if (row == 0) return unknown_report();
  return row;
}

Result<std::vector<Location>> Index::Impl::locations(Parts& p, std::int64_t row) {
  TOCSIN_ASSIGN(spots, p.rows.copies(row));
  std::vector<Location> out;
  for (const Spot& spot : spots) out.push_back(p.lists.location(spot));
  return out;
}

Result<ReportPage> Index::list(const ReportQuery& query) {
  return impl_->guarded([&](Parts& p) { return p.lists.list(query); });
}
Result<std::uint64_t> Index::count(const ReportQuery& query) {
  return impl_->guarded([&](Parts& p) { return p.lists.count(query); });
}
Result<std::uint64_t> Index::count_in(std::span<const EntryRange> ranges) {
  return impl_->guarded([&](Parts& p) { return count_rows_in(p, ranges); });
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

Result<Withdrawal> Index::withdrawal(const ReportId& report) {
  return impl_->guarded([&](Parts& p) -> Result<Withdrawal> {
    Withdrawal out;
    {
      TOCSIN_ASSIGN(s, p.db->use("SELECT arrival, channel, log, number, org, node, target_log, target, report, cause,"
                                 " created, id FROM taken WHERE subject8 = ?1 AND subject = ?2 ORDER BY arrival"
                                 " LIMIT ?3"));
      s->bind(1, id_prefix(report.view())).bind_blob(2, report.view()).bind(3, std::int64_t{kOrdersMax});
      for (;;) {
        TOCSIN_ASSIGN(more, s->step());
        if (!more) break;
        TakenBackEntry& entry = out.orders.emplace_back();
        entry.order = p.lists.location({s->integer(0), s->integer(1), s->integer(2), s->integer(3)});
        entry.org = p.names.get<OrgId>(s->integer(4));
        entry.node = NodeId::from(s->blob(5)).value_or(NodeId{});
        entry.feed = p.names.get<LogKey>(s->integer(6));
        entry.number = {static_cast<std::uint64_t>(s->integer(7))};
        entry.report = ReportId::from(s->blob(8)).value_or(ReportId{});
        entry.cause = static_cast<ErasureCause>(s->integer(9));
        entry.created = {s->integer(10)};
        entry.id = crypto::Hash::from(s->blob(11)).value_or(crypto::Hash{});
      }
    }
    // Its author's word alone.
    TOCSIN_ASSIGN(row, p.rows.find(report));
    if (row != 0) {
      TOCSIN_ASSIGN(head, p.rows.head(row));
      if (head) std::erase_if(out.orders, [&](const auto& o) { return o.org != p.names.get<OrgId>(head->author); });
    }
    for (const TakenBackEntry& entry : out.orders) {
      TOCSIN_ASSIGN(s, p.db->use("SELECT node, org, outcome, at FROM confirmed WHERE id = ?1"));
      s->bind_blob(1, entry.id.view());
      for (;;) {
        TOCSIN_ASSIGN(more, s->step());
        if (!more) break;
        out.confirmed.push_back({entry.id, NodeId::from(s->blob(0)).value_or(NodeId{}),
                                 p.names.get<OrgId>(s->integer(1)), static_cast<ErasureOutcome>(s->integer(2)),
                                 Time{s->integer(3)}});
      }
    }
    return out;
  });
}

Result<Index::ToldPage> Index::told(Arrival after, std::size_t limit) {
  return impl_->guarded([&](Parts& p) -> Result<ToldPage> {
    ToldPage out;
    TOCSIN_ASSIGN(s, p.db->use("SELECT arrival, log, number FROM taken WHERE arrival > ?1 UNION ALL"
                               " SELECT arrival, log, number FROM hold WHERE arrival > ?1 ORDER BY 1 LIMIT ?2"));
    s->bind(1, static_cast<std::int64_t>(after.value)).bind(2, static_cast<std::int64_t>(limit));
    for (;;) {
      TOCSIN_ASSIGN(more, s->step());
      if (!more) break;
      out.next = {static_cast<std::uint64_t>(s->integer(0))};
      out.entries.emplace_back(p.names.get<LogKey>(s->integer(1)), Number{static_cast<std::uint64_t>(s->integer(2))});
    }
    if (out.entries.size() < limit) out.next = {};
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

}  // namespace tocsin::index
