#include "node/exchange/geojson.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "node/exchange/strictest.h"
#include "node/reports/report_json.h"

namespace tocsin::exchange {
namespace {

using reports::Json;

Json geometry(const protocol::Report& report) {
  Json points = Json::array();
  for (const auto& place : report.places) {
    if (place.point) points.push_back(Json::array({place.point->longitude, place.point->latitude}));
  }
  if (points.empty()) return nullptr;
  Json out = Json::object();
  out["type"] = points.size() == 1 ? "Point" : "MultiPoint";
  out["coordinates"] = points.size() == 1 ? points[0] : points;
  return out;
}

class GeoJsonWriter final : public ExportWriter {
 public:
  explicit GeoJsonWriter(ExportSink sink) : sink_(std::move(sink)) {}
  Result<void> begin() override { return sink_("{\"type\":\"FeatureCollection\",\"features\":["); }
  Result<void> add(const ExportItem& item) override {
    strictest_.add(item.report->tlp);
    Json feature = Json::object();
    feature["type"] = "Feature";
    feature["id"] = to_hex(item.id.view());
    feature["geometry"] = geometry(*item.report);
    feature["properties"] = reports::to_json_value(*item.report, {item.id, {}});
    const std::string line = feature.dump(-1, ' ', false, Json::error_handler_t::replace);
    return sink_((std::exchange(first_, false) ? "\n" : ",\n") + line);
  }
  Result<void> end() override { return sink_("\n],\"tlp\":" + strictest_.json() + "}\n"); }

 private:
  ExportSink sink_;
  bool first_ = true;
  StrictestTlp strictest_;
};

}  // namespace

std::unique_ptr<ExportWriter> make_geojson_writer(ExportSink sink) {
  return std::make_unique<GeoJsonWriter>(std::move(sink));
}

}  // namespace tocsin::exchange
