// Whom a report is about, against who would read it (rule 53).
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "protocol/identity.h"
#include "protocol/ids.h"
#include "protocol/report.h"

namespace tocsin::reports {

struct Reader {
  protocol::OrgId org;
  std::string name;
  protocol::OrgKind kind = protocol::OrgKind::kUnknown;
  std::string country;  // ISO 3166-1 alpha-3
  // Governments that are not shown to this organisation, a contributor (rule 24): any country's may be among them.
  bool hidden = false;
};

// ISO 3166-1 alpha-3, upper case: of every place, of a displacement's origin and destination, and of a correction's
// replacement.
std::set<std::string> named_countries(const protocol::Report& report);

// The readers that are governments of a country that the report names, in the order given. Not empty: sharing asks for
// an explicit yes for each country; an alert goes to all other chosen channels meanwhile. Hidden ones count for every
// country that is named.
std::vector<Reader> government_warning(const protocol::Report& report, std::span<const Reader> readers);
// The same for countries known otherwise: those of the target, when the report only speaks about another.
std::vector<Reader> government_warning(const std::set<std::string>& countries, std::span<const Reader> readers);

}  // namespace tocsin::reports
