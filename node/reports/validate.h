// Is a report fit to be sent? Pure functions: no clock, no store.
#pragma once

#include <vector>

#include "node/reports/problem.h"
#include "protocol/report.h"

namespace tocsin::reports {

// Fills what was left out by a person: status Actual, TLP AMBER, language "und". Nothing else is guessed.
void apply_defaults(protocol::Report& report);

// All problems at once. Checks what encode_report checks (so a report without problems encodes, unless it is too large
// as a whole), and the rules of the kinds:
//   - a title for every kind that is not about another report, a target for those that are
//   - countries and risk factors from the vocabularies, latitude and longitude together and in range
//   - observed_from <= observed_to; low <= best <= high is advice only, since publishers' rows break it
//   - fields of the right kind
// Does not look at salt, author and created: the caller sets them last.
// An alert is never refused for something missing (rule 52): all that is advice. What is malformed in it is a problem;
// see repair_alert.
Findings validate(const protocol::Report& report);

// Makes an alert that cannot be refused: drops or cuts whatever validate calls a problem, puts "Alert" where there is
// no title, replaces bytes that are no text, shortens until it encodes. Returns what was done, as advice to show beside
// the result. Afterwards validate(report).ok() holds and, with salt, author and created set, encode_report succeeds.
std::vector<Problem> repair_alert(protocol::Report& report);

}  // namespace tocsin::reports
