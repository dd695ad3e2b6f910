// UCDP Georeferenced Event Dataset, CSV (codebook: ucdp.uu.se/downloads). Columns by name, in any order; of the 42 to
// 49 that its versions have, these must be there: id, type_of_violence, side_a, side_b, where_prec, latitude,
// longitude, country_id, event_clarity, date_prec, date_start, date_end, deaths_a, deaths_b, deaths_civilians,
// deaths_unknown, low, best, high.
//
// Each row becomes one incident:
//   title       "One-sided violence: Government of X - Civilians, Place"; text: the headlines of the articles cited
//   place       ISO 3166 from country_id (a Gleditsch-Ward number), adm_1, adm_2, where_coordinates, point, where_prec
//   observed    date_start 00:00:00 to date_end 23:59:59 UTC, date_prec
//   severity    by best (or deaths_civilians, if more): 25 or more Severe, 5 or more Moderate, else Minor; never
//   Extreme, since a row of history is no
//               warning; urgency Past; certainty Observed for event_clarity 1, Likely for 2
//   tlp         GREEN unless the options say otherwise
//   provenance  publisher "UCDP GED", dataset "GED 19.1" (from the file's name; "GED" without one), the row's id, its
//               source_article as citation, CC BY 4.0
// Left out on purpose: source_original, which names the people who told the press (rule 51).
#pragma once

#include "node/exchange/format.h"

namespace tocsin::exchange {

ImportResult parse_ged(ByteView file, const ImportOptions& options);

inline constexpr Code kGedValue{"ged_value"};      // a cell that is not what the codebook allows
inline constexpr Code kGedCountry{"ged_country"};  // country_id without a country in the vocabulary

}  // namespace tocsin::exchange
