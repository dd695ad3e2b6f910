#include "node/reports/readers.h"

#include <variant>

namespace tocsin::reports {
namespace {

void add_country(std::set<std::string>& to, const protocol::Place& place) {
  if (!place.iso3.empty()) to.insert(place.iso3);
}

}  // namespace

std::set<std::string> named_countries(const protocol::Report& report) {
  std::set<std::string> countries;
  for (const auto& place : report.places) add_country(countries, place);
  if (const auto* displacement = std::get_if<protocol::DisplacementDetails>(&report.details)) {
    if (displacement->origin) add_country(countries, *displacement->origin);
    if (displacement->destination) add_country(countries, *displacement->destination);
  }
  if (const auto* correct = std::get_if<protocol::CorrectDetails>(&report.details)) {
    if (const auto replacement = protocol::decode_replacement(*correct)) countries.merge(named_countries(*replacement));
  }
  return countries;
}

std::vector<Reader> government_warning(const std::set<std::string>& countries, std::span<const Reader> readers) {
  std::vector<Reader> warned;
  for (const Reader& reader : readers) {
    if (reader.kind != protocol::OrgKind::kGovernment) continue;
    if (countries.contains(reader.country)) warned.push_back(reader);
    for (const std::string& country : reader.hidden ? countries : std::set<std::string>{}) {
      warned.push_back(reader);
      warned.back().country = country;
    }
  }
  return warned;
}

std::vector<Reader> government_warning(const protocol::Report& report, std::span<const Reader> readers) {
  return government_warning(named_countries(report), readers);
}

}  // namespace tocsin::reports
