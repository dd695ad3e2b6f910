#include "node/exchange/format.h"

#include "node/exchange/csv_export.h"
#include "node/exchange/ged.h"
#include "node/exchange/geojson.h"
#include "node/exchange/json.h"

namespace tocsin::exchange {
namespace {

constexpr Format kFormats[] = {
    {"json", "Tocsin reports as one JSON document", "application/json", parse_json, make_json_writer},
    {"ndjson", "Tocsin reports as JSON, one a line", "application/x-ndjson", parse_json, make_ndjson_writer},
    {"csv", "Table for a spreadsheet", "text/csv", nullptr, make_csv_writer},
    {"geojson", "GeoJSON for maps (RFC 7946)", "application/geo+json", nullptr, make_geojson_writer},
    {"ged", "UCDP Georeferenced Event Dataset, CSV", "text/csv", parse_ged, nullptr},
};

template <class Wanted>
std::string names(Wanted wanted) {
  std::string out;
  for (const Format& format : kFormats) {
    if (!wanted(format)) continue;
    if (!out.empty()) out += ", ";
    out += format.name;
  }
  return out;
}

}  // namespace

std::span<const Format> formats() { return kFormats; }

const Format* find_format(std::string_view name) {
  for (const Format& format : kFormats) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

std::string import_format_names() {
  return names([](const Format& format) { return format.parse != nullptr; });
}
std::string export_format_names() {
  return names([](const Format& format) { return format.write != nullptr; });
}

}  // namespace tocsin::exchange
