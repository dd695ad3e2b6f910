// A report as JSON (CLI, API, files). Names are those of the domain in snake_case; times RFC 3339 UTC; ids lower-case
// hexadecimal; words from protocol/vocab. The whole layout stands in node/reports/README.md.
//
//   id, kind, status, author, created, observed_from, observed_to, observed_precision, place {iso3, admin1, admin2,
//   pcodes, name, latitude, longitude, geo_precision}, more_places [place], tlp, audience [channel], sources
//   [{reference, reliability, credibility}], severity, urgency, certainty, likelihood, confidence, indicators ["n.m"],
//   references [{report, relation}], attachments, language, title, text, provenance {publisher, dataset, row_id,
//   citation, url, licence, retrieved}, and the fields of the kind in an object named after it: incident, situation,
//   alert, indicator, displacement, corroborate, dispute, correct, withdraw, acknowledge.
//
// Written: the header fields always, null or [] where not stated; provenance and the kind's object only where there is
// one. Read: any may be left out.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/result.h"
#include "node/reports/problem.h"
#include "protocol/report.h"

namespace tocsin::reports {

using Json = nlohmann::ordered_json;

// What stands beside the report itself.
struct JsonExtras {
  std::optional<protocol::ReportId> id;
  std::vector<std::string> audience;  // the sharing decision: channels, by name or id; empty means nobody
};

// For callers that go on with nlohmann-json; include <nlohmann/json.hpp> there.
Json to_json_value(const protocol::Report& report, const JsonExtras& extras = {});
// One line, no trailing newline.
std::string to_json(const protocol::Report& report, const JsonExtras& extras = {});

struct ParsedReport {
  protocol::Report report;  // salt is zero; author and created as in the text, zero when left out
  std::optional<protocol::ReportId> id;
  std::vector<std::string> audience;
  // Wrong types, unknown fields and words, bad times and ids. For a report of kind alert these are in `advice` instead,
  // and the field is left out (rule 52). Rules of the domain are validate()'s matter.
  Findings findings;
};

inline constexpr Code kJsonSyntax{"json_syntax"};  // detail: line and column
inline constexpr Code kJsonTooLarge{"json_too_large"};
inline constexpr Code kJsonTooDeep{"json_too_deep"};
inline constexpr std::size_t kReportJsonBytesMax = 1024 * 1024;  // one report; a correction carries two
inline constexpr int kReportJsonDepthMax = 16;

// Errors: only when the text is no JSON object at all, or too large or deep.
Result<ParsedReport> parse_report_json(std::string_view text);
ParsedReport parse_report_value(const Json& object);

// Only the fields that `patch` names are changed; null empties a field. For `report correct --file`.
// Errors: json_syntax and the like; problems of the fields are in the findings.
Result<ParsedReport> apply_json_patch(const protocol::Report& base, std::string_view patch);

}  // namespace tocsin::reports
