// Order of the inbox and text for the search index.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/report.h"

namespace tocsin::reports {

// One number to sort by, highest first; ties go to the earlier arrival, which has waited longer. Alerts of status
// Actual stand above everything, alerts of other status (exercise, test) above reports; then severity, then urgency, by
// the ranks of the vocabularies (Unknown ranks between Minor and Moderate: it may hide anything). Made for a database
// column: ORDER BY rank DESC, arrival ASC.
std::uint32_t inbox_rank(protocol::ReportKind kind, protocol::ReportStatus status, protocol::Severity severity,
                         protocol::Urgency urgency);
std::uint32_t inbox_rank(const protocol::Report& report);

// All words of a report that a person may search for: title, text, places, actors, the fields of the kind, publisher
// and row id. A correction gives those of its replacement. Lines are separated by line feeds.
std::string search_text(const protocol::Report& report);

}  // namespace tocsin::reports
