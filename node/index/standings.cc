#include "node/index/standings.h"

#include <algorithm>
#include <variant>

#include "node/index/schema.h"

namespace tocsin::index {

using namespace protocol;

namespace {

ActRecord read_act(Statement& s, const ReportId& target) {
  ActRecord out;
  out.row = s.integer(0);
  out.id = ReportId::from(s.blob(1)).value_or(ReportId{});
  out.kind = static_cast<ReportKind>(s.integer(2));
  out.org = s.integer(3);
  out.created.ms = s.integer(4);
  out.target = target;
  out.previous = ReportId::from(s.blob(5));
  out.reason = s.text(6);
  return out;
}

// As much of the report as the rules look at.
Report bare_report(const ActRecord& act) {
  Report out;
  out.kind = act.kind;
  out.created = act.created;
  switch (act.kind) {
    case ReportKind::kCorroborate:
      out.details = CorroborateDetails{act.target, {}};
      break;
    case ReportKind::kDispute:
      out.details = DisputeDetails{act.target, {}};
      break;
    case ReportKind::kCorrect:
      out.details = CorrectDetails{act.target, act.previous, {}, {}};
      break;
    case ReportKind::kWithdraw:
      out.details = WithdrawDetails{act.target, act.reason};
      break;
    case ReportKind::kAcknowledge:
      out.details = AcknowledgeDetails{act.target, {}};
      break;
    default:
      break;
  }
  return out;
}

std::int64_t flags_of(const reports::ReportState& state) {
  std::int64_t out = 0;
  if (state.withdrawn) out |= kFlagWithdrawn;
  if (state.corrected_by) out |= kFlagCorrected;
  if (state.conflict()) out |= kFlagConflict;
  if (!state.disputed_by.empty()) out |= kFlagDisputed;
  if (!state.corroborated_by.empty()) out |= kFlagCorroborated;
  if (!state.acknowledged_by.empty()) out |= kFlagAcknowledged;
  return out;
}

std::int64_t row_of(const std::vector<ActRecord>& acts, const std::optional<ReportId>& id) {
  if (!id) return 0;
  const auto found = std::find_if(acts.begin(), acts.end(), [&](const ActRecord& act) { return act.id == *id; });
  return found == acts.end() ? 0 : found->row;
}

}  // namespace

Result<void> Standings::add(std::int64_t row, const ReportId& id, std::int64_t org, const Report& act) {
  const auto target = protocol::target_of(act);
  if (!target) return kOk;  // of a kind whose fields a later version added
  std::string_view reason;
  if (const auto* withdraw = std::get_if<WithdrawDetails>(&act.details)) reason = withdraw->reason;
  const auto* correct = std::get_if<CorrectDetails>(&act.details);
  {
    TOCSIN_ASSIGN(s, db_.use("INSERT INTO act(row, kind, org, created, target8, target, previous, reason)"
                             " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
    s->bind(1, row).bind(2, static_cast<std::int64_t>(act.kind)).bind(3, org).bind(4, act.created.ms);
    s->bind(5, id_prefix(target->view())).bind_blob(6, target->view());
    if (correct && correct->previous) {
      s->bind_blob(7, correct->previous->view());
    } else {
      s->bind_null(7);
    }
    TOCSIN_TRY(s->bind_text(8, reason).run());
  }
  touched_.insert(id);
  return touch_target(*target);
}

// What a statement about a statement bears on: the statement itself, and the report that this one is about.
Result<void> Standings::touch_target(const ReportId& target) {
  touched_.insert(target);
  TOCSIN_ASSIGN(row, rows_.find(target));
  if (row == 0) return kOk;
  if (const auto further = target_of(row)) touched_.insert(*further);
  return kOk;
}

Result<void> Standings::arrived(const ReportId& id) {
  TOCSIN_ASSIGN(s, db_.use("SELECT 1 FROM act WHERE target8 = ?1 AND target = ?2 LIMIT 1"));
  s->bind(1, id_prefix(id.view())).bind_blob(2, id.view());
  TOCSIN_ASSIGN(found, s->step());
  if (found) touched_.insert(id);
  return kOk;
}

Result<void> Standings::remove(std::int64_t row, const ReportId& id) {
  const auto target = target_of(row);
  if (!target) return kOk;
  {
    TOCSIN_ASSIGN(s, db_.use("DELETE FROM act WHERE row = ?1"));
    TOCSIN_TRY(s->bind(1, row).run());
  }
  touched_.erase(id);
  return touch_target(*target);
}

std::optional<ReportId> Standings::target_of(std::int64_t row) {
  auto s = db_.use("SELECT target FROM act WHERE row = ?1");
  if (!s) return std::nullopt;
  (*s)->bind(1, row);
  const auto found = (*s)->step();
  if (!found || !*found) return std::nullopt;
  return ReportId::from((*s)->blob(0));
}

// The author's statements come first and have room of their own: no flood of others can push a withdrawal out.
Result<std::vector<ActRecord>> Standings::about(const ReportId& subject, std::int64_t author) {
  TOCSIN_ASSIGN(s, db_.use("SELECT a.row, f.id, a.kind, a.org, a.created, a.previous, a.reason FROM"
                           " (SELECT *, row_number() OVER (PARTITION BY org, kind ORDER BY row DESC) AS nth"
                           "  FROM act WHERE target8 = ?1 AND target = ?2) a CROSS JOIN face f ON f.row = a.row"
                           " WHERE a.nth <= iif(a.org = ?3, ?4, ?5) ORDER BY a.org = ?3 DESC, a.row DESC LIMIT ?6"));
  s->bind(1, id_prefix(subject.view())).bind_blob(2, subject.view()).bind(3, author);
  s->bind(4, std::int64_t{kOwnStatementsMax}).bind(5, std::int64_t{kStatementsOfOneMax});
  s->bind(6, std::int64_t{kStatementsMax});
  std::vector<ActRecord> out;
  for (;;) {
    TOCSIN_ASSIGN(more, s->step());
    if (!more) return out;
    out.push_back(read_act(*s, subject));
  }
}

Result<std::optional<ActRecord>> Standings::own_withdrawal(const ActRecord& act) {
  TOCSIN_ASSIGN(s, db_.use("SELECT a.row, f.id, a.kind, a.org, a.created, a.previous, a.reason FROM act a"
                           " CROSS JOIN face f ON f.row = a.row WHERE a.target8 = ?1 AND a.target = ?2 AND a.org = ?3"
                           " AND a.kind = ?4 ORDER BY f.id LIMIT 1"));
  s->bind(1, id_prefix(act.id.view())).bind_blob(2, act.id.view()).bind(3, act.org);
  s->bind(4, static_cast<std::int64_t>(ReportKind::kWithdraw));
  TOCSIN_ASSIGN(found, s->step());
  if (!found) return std::optional<ActRecord>();
  return std::optional(read_act(*s, act.id));
}

Result<std::uint64_t> Standings::count_about(const ReportId& subject) {
  TOCSIN_ASSIGN(s, db_.use("SELECT count(*) FROM act WHERE target8 = ?1 AND target = ?2"));
  s->bind(1, id_prefix(subject.view())).bind_blob(2, subject.view());
  TOCSIN_ASSIGN(found, s->step());
  return found ? static_cast<std::uint64_t>(s->integer(0)) : 0;
}

Result<Standings::Gathered> Standings::gather(const ReportId& subject, std::int64_t author) {
  Gathered out;
  TOCSIN_ASSIGN(acts, about(subject, author));
  TOCSIN_ASSIGN(all, count_about(subject));
  out.cut = all > acts.size();
  out.acts = std::move(acts);
  const std::size_t direct = out.acts.size();
  for (std::size_t i = 0; i < direct; ++i) {
    if (out.acts[i].kind == ReportKind::kWithdraw) continue;
    TOCSIN_ASSIGN(withdrawal, own_withdrawal(out.acts[i]));
    if (withdrawal) out.acts.push_back(std::move(*withdrawal));
  }
  return out;
}

reports::ReportState Standings::state_of(const RowHead& head, const std::vector<ActRecord>& acts) const {
  Report subject;
  subject.kind = head.kind;
  std::vector<Report> bare;
  bare.reserve(acts.size());
  std::vector<reports::KnownReport> related;
  related.reserve(acts.size());
  for (const ActRecord& act : acts) {
    bare.push_back(bare_report(act));
    related.push_back({act.id, names_.get<OrgId>(act.org), &bare.back()});
  }
  auto state = reports::current_state({head.id, names_.get<OrgId>(head.author), &subject}, related);
  if (acts_on_report(head.kind)) {
    // A statement is taken back, not corrected: what it says has already been counted elsewhere.
    state.corrections.clear();
    state.corrected_by.reset();
  }
  return state;
}

Result<void> Standings::settle() {
  // A reckoning touches nothing further.
  for (const ReportId& id : touched_) TOCSIN_TRY(settle_one(id));
  touched_.clear();
  return kOk;
}

Result<void> Standings::settle_one(const ReportId& id) {
  TOCSIN_ASSIGN(row, rows_.find(id));
  if (row == 0) return kOk;
  TOCSIN_ASSIGN(head, rows_.head(row));
  if (!head) return kOk;
  TOCSIN_ASSIGN(gathered, gather(id, head->author));
  if (gathered.acts.empty() && (head->flags & kStandingFlags) == 0) return kOk;
  const reports::ReportState state = state_of(*head, gathered.acts);
  // Of what was taken back no correction is shown either.
  const bool erased = (head->flags & kFlagErased) != 0;
  TOCSIN_TRY(rows_.show(row, head->content, erased ? 0 : row_of(gathered.acts, state.corrected_by)));
  TOCSIN_TRY(rows_.set_flags(row, kStandingFlags, flags_of(state)));
  TOCSIN_ASSIGN(s, db_.use("INSERT OR REPLACE INTO standing(row, withdrawn_by, disputed, corroborated, acknowledged,"
                           " changed) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
  std::int64_t changed = 0;
  for (const ActRecord& act : gathered.acts) {
    const bool changes = act.kind == ReportKind::kCorrect || act.kind == ReportKind::kWithdraw;
    if (changes && act.org == head->author) changed = std::max(changed, act.row);
  }
  s->bind(1, row).bind(2, row_of(gathered.acts, state.withdrawn_by));
  s->bind(3, static_cast<std::int64_t>(state.disputed_by.size()));
  s->bind(4, static_cast<std::int64_t>(state.corroborated_by.size()));
  s->bind(5, static_cast<std::int64_t>(state.acknowledged_by.size())).bind(6, changed);
  return s->run();
}

Result<Standing> Standings::standing(std::int64_t row, std::int64_t flags) {
  Standing out;
  if ((flags & kStandingFlags) == 0) return out;
  out.withdrawn = (flags & kFlagWithdrawn) != 0;
  out.corrected = (flags & kFlagCorrected) != 0;
  out.conflict = (flags & kFlagConflict) != 0;
  TOCSIN_ASSIGN(s, db_.use("SELECT s.disputed, s.corroborated, s.acknowledged, a.reason FROM standing s"
                           " LEFT JOIN act a ON a.row = s.withdrawn_by WHERE s.row = ?1"));
  s->bind(1, row);
  TOCSIN_ASSIGN(found, s->step());
  if (!found) return out;
  out.disputed = static_cast<std::uint32_t>(s->integer(0));
  out.corroborated = static_cast<std::uint32_t>(s->integer(1));
  out.acknowledged = static_cast<std::uint32_t>(s->integer(2));
  out.withdrawal_reason = s->text(3);
  return out;
}

namespace {

// Which of the acts made the state what it is.
std::set<ReportId> counting(const reports::ReportState& state, const ReportId& subject,
                            const std::vector<ActRecord>& acts) {
  std::set<ReportId> out;
  if (state.withdrawn_by) out.insert(*state.withdrawn_by);
  out.insert(state.corrections.begin(), state.corrections.end());
  for (const auto* list : {&state.disputed_by, &state.corroborated_by, &state.acknowledged_by}) {
    for (const reports::Statement& statement : *list) out.insert(statement.id);
  }
  for (const ActRecord& act : acts) {
    if (act.target != subject) out.insert(act.id);  // gathered because it takes a statement back
  }
  return out;
}

}  // namespace

Result<ReportHistory> Standings::history(const RowHead& head) {
  ReportHistory out;
  TOCSIN_ASSIGN(gathered, gather(head.id, head.author));
  std::sort(gathered.acts.begin(), gathered.acts.end(),
            [](const ActRecord& a, const ActRecord& b) { return a.row < b.row; });
  const auto counts = counting(state_of(head, gathered.acts), head.id, gathered.acts);
  out.cut = gathered.cut;
  for (const ActRecord& record : gathered.acts) {
    Act act;
    act.id = record.id;
    act.kind = record.kind;
    act.author = names_.get<OrgId>(record.org);
    act.created = record.created;
    act.target = record.target;
    act.previous = record.previous;
    act.reason = record.reason;
    TOCSIN_ASSIGN(spot, rows_.spot(record.row));
    act.location = {names_.get<ChannelId>(spot.channel), names_.get<LogKey>(spot.log),
                    Number{static_cast<std::uint64_t>(spot.number)}, Arrival{static_cast<std::uint64_t>(spot.arrival)}};
    act.counts = counts.contains(record.id);
    out.acts.push_back(std::move(act));
  }
  return out;
}

}  // namespace tocsin::index
