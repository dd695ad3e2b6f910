#include "node/reports/state.h"

#include <algorithm>
#include <map>
#include <set>
#include <variant>

namespace tocsin::reports {
namespace {

using namespace protocol;

template <class Details>
const Details* details_of(const KnownReport& known) {
  return std::get_if<Details>(&known.report->details);
}

// Everything that bears on one report, each id once, by rising id: the order of arrival plays no part.
struct Chain {
  std::map<ReportId, KnownReport> by_id;
  std::set<ReportId> withdrawn;  // by their own authors; never a withdrawal

  Chain(const KnownReport& subject, std::span<const KnownReport> related) {
    for (const KnownReport& known : related) {
      if (known.report && known.id != subject.id) by_id.emplace(known.id, known);
    }
    for (const auto& [id, known] : by_id) {
      const auto* withdraw = details_of<WithdrawDetails>(known);
      if (!withdraw) continue;
      const auto target = by_id.find(withdraw->target);
      if (target == by_id.end() || target->second.author != known.author) continue;
      if (target->second.report->kind != ReportKind::kWithdraw) withdrawn.insert(withdraw->target);
    }
  }
};

void read_withdrawals(const KnownReport& subject, const Chain& chain, ReportState& state) {
  for (const auto& [id, known] : chain.by_id) {
    const auto* withdraw = details_of<WithdrawDetails>(known);
    if (!withdraw || withdraw->target != subject.id) continue;
    if (known.author != subject.author) {
      state.refused.push_back(id);
    } else if (!state.withdrawn && subject.report->kind != ReportKind::kWithdraw) {
      state.withdrawn = true;
      state.withdrawn_by = id;
      state.withdrawal_reason = withdraw->reason;
    }
  }
}

void read_corrections(const KnownReport& subject, const Chain& chain, ReportState& state) {
  std::vector<ReportId> valid;
  std::set<ReportId> replaced;
  for (const auto& [id, known] : chain.by_id) {
    const auto* correct = details_of<CorrectDetails>(known);
    if (!correct || correct->target != subject.id) continue;
    if (known.author != subject.author) {
      state.refused.push_back(id);
    } else if (!chain.withdrawn.contains(id)) {
      valid.push_back(id);
      if (correct->previous) replaced.insert(*correct->previous);
    }
  }
  for (const ReportId& id : valid) {
    if (!replaced.contains(id)) state.corrections.push_back(id);
  }
  const auto newest = [&](const ReportId& a, const ReportId& b) {
    const Time left = chain.by_id.at(a).report->created, right = chain.by_id.at(b).report->created;
    return left != right ? left > right : a > b;
  };
  std::sort(state.corrections.begin(), state.corrections.end(), newest);
  if (!state.corrections.empty()) state.corrected_by = state.corrections.front();
}

template <class Details>
std::vector<Statement> statements(const KnownReport& subject, const Chain& chain) {
  std::map<OrgId, ReportId> first;  // by_id rises, so emplace keeps the smallest id of each organisation
  for (const auto& [id, known] : chain.by_id) {
    const auto* details = details_of<Details>(known);
    if (!details || details->target != subject.id) continue;
    if (known.author != subject.author && !chain.withdrawn.contains(id)) first.emplace(known.author, id);
  }
  std::vector<Statement> out;
  for (const auto& [author, id] : first) out.push_back({id, author});
  return out;
}

}  // namespace

ReportState current_state(const KnownReport& subject, std::span<const KnownReport> related) {
  const Chain chain(subject, related);
  ReportState state;
  read_withdrawals(subject, chain, state);
  read_corrections(subject, chain, state);
  state.disputed_by = statements<DisputeDetails>(subject, chain);
  state.corroborated_by = statements<CorroborateDetails>(subject, chain);
  state.acknowledged_by = statements<AcknowledgeDetails>(subject, chain);
  std::sort(state.refused.begin(), state.refused.end());
  return state;
}

Result<Report> make_correction(const KnownReport& subject, const ReportState& state, Report replacement,
                               const Correction& how) {
  if (how.author != subject.author) {
    return caller_error(kNotTheAuthor, "only the organisation that wrote a report corrects it; dispute it instead");
  }
  if (state.withdrawn) return caller_error(kAlreadyWithdrawn, "the report is withdrawn; write a new one");
  if (acts_on_report(subject.report->kind)) {
    return caller_error(kCannotCorrect, "a report about another is not corrected; withdraw it and write it again");
  }
  if (replacement.kind != subject.report->kind) {
    return caller_error(kKindChanged, "kind: a correction keeps the kind; withdraw the report and write another");
  }
  replacement.salt = how.replacement_salt;
  replacement.author = how.author;
  replacement.created = how.created;

  Report correction;
  correction.salt = how.salt;
  correction.kind = ReportKind::kCorrect;
  correction.author = how.author;
  correction.created = how.created;
  correction.status = replacement.status;
  correction.tlp = replacement.tlp;
  correction.severity = replacement.severity;
  correction.urgency = replacement.urgency;
  correction.certainty = replacement.certainty;
  CorrectDetails details;
  details.target = subject.id;
  details.previous = state.corrected_by;
  details.reason = how.reason;
  TOCSIN_ASSIGN(bytes, encode_report(replacement));
  details.replacement = std::move(bytes);
  correction.details = std::move(details);
  TOCSIN_TRY(encode_report(correction));
  return correction;
}

}  // namespace tocsin::reports
