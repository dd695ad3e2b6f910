// What has become of a report: current, corrected, withdrawn, disputed, corroborated. Pure: the same set of reports
// gives the same answer in any order of arrival, so all replicas that hold the same agree.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "crypto/result.h"
#include "protocol/report.h"

namespace tocsin::reports {

// A report with the organisation that its feed belongs to: that one counts, whatever the report claims.
struct KnownReport {
  protocol::ReportId id;
  protocol::OrgId author;
  const protocol::Report* report = nullptr;  // outlives the call
};

struct Statement {
  protocol::ReportId id;  // of the dispute, corroboration or acknowledgement
  protocol::OrgId author;
};

struct ReportState {
  bool withdrawn = false;
  std::optional<protocol::ReportId> withdrawn_by;  // the withdrawal; of several, the one with the smallest id
  std::string withdrawal_reason;
  // The corrections in force: those that no other one names as its previous. None: the report stands as written.
  // Several: the author's nodes corrected it apart from each other; all are shown, and `corrected_by` is merely the one
  // to show first.
  std::vector<protocol::ReportId> corrections;
  std::optional<protocol::ReportId> corrected_by;
  bool conflict() const { return corrections.size() > 1; }
  // One statement for each organisation (its smallest id), by organisation; the author's own do not count.
  std::vector<Statement> disputed_by, corroborated_by;
  std::vector<Statement> acknowledged_by;
  // Corrections and withdrawals by an organisation that is not the author: no effect, worth a log line.
  std::vector<protocol::ReportId> refused;
};

// `related`: reports whose target is `subject.id`, and withdrawals of those; others are passed over. The rules:
//   - only the author's organisation corrects or withdraws its report
//   - a withdrawal is final; a withdrawn correction, dispute, corroboration or acknowledgement does not count
//   - withdrawing a correction brings back what it replaced
ReportState current_state(const KnownReport& subject, std::span<const KnownReport> related);

// A correction of `subject` by its author. `state` says what it replaces. The replacement gets the author, salt and
// created given. Errors (caller): not_the_author, already_withdrawn, cannot_correct (kinds that act on another report:
// withdraw them instead), kind_changed, and those of encode_report.
struct Correction {
  protocol::ReportSalt salt;              // of the correction
  protocol::ReportSalt replacement_salt;  // another
  protocol::OrgId author;
  protocol::Time created;
  std::string reason;
};
inline constexpr Code kNotTheAuthor{"not_the_author"};
inline constexpr Code kAlreadyWithdrawn{"already_withdrawn"};
inline constexpr Code kCannotCorrect{"cannot_correct"};
inline constexpr Code kKindChanged{"kind_changed"};
Result<protocol::Report> make_correction(const KnownReport& subject, const ReportState& state,
                                         protocol::Report replacement, const Correction& how);

}  // namespace tocsin::reports
