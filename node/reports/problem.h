// What is wrong with a report, field by field, so that a person can mend it.
#pragma once

#include <string>
#include <vector>

#include "crypto/result.h"

namespace tocsin::reports {

struct Problem {
  std::string field;  // as in JSON: "severity", "place.latitude", "incident.deaths_low", "indicators[2]"
  Code code;
  std::string
      detail;  // what is wrong and what to do; holds no content of the report beyond the refused word of a vocabulary
};

struct Findings {
  std::vector<Problem> problems;  // the report is refused
  std::vector<Problem> advice;    // it goes; the person should know
  bool ok() const { return problems.empty(); }
};

inline constexpr Code kUnknownField{"unknown_field"};
inline constexpr Code kWrongType{"wrong_type"};
inline constexpr Code kMissing{"missing"};
inline constexpr Code kNotInVocabulary{"not_in_vocabulary"};
inline constexpr Code kOutOfRange{"out_of_range"};
inline constexpr Code kTooLong{"too_long"};
inline constexpr Code kBadText{"bad_text"};
inline constexpr Code kBadTime{"bad_time"};
inline constexpr Code kBadId{"bad_id"};
inline constexpr Code kWrongKind{"wrong_kind"};         // fields of another kind
inline constexpr Code kContradiction{"contradiction"};  // two fields that cannot both hold
inline constexpr Code kRepaired{"repaired"};            // an alert's field was dropped or cut so that the alert can go

// "severity: not_in_vocabulary: …; text: too_long: …" for one-line errors.
std::string to_string(const std::vector<Problem>& problems);

}  // namespace tocsin::reports
