// GeoJSON (RFC 7946): one FeatureCollection, coordinates as longitude, latitude in WGS 84, no crs member. One Feature
// for each report: a Point, a MultiPoint for several places, geometry null where no place has coordinates. The
// properties are the report as in JSON; the collection has a foreign member "tlp", the strictest of its reports.
#pragma once

#include <memory>

#include "node/exchange/format.h"

namespace tocsin::exchange {

std::unique_ptr<ExportWriter> make_geojson_writer(ExportSink sink);

}  // namespace tocsin::exchange
