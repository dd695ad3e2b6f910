#include <utility>

#include "node/exchange/json.h"
#include "node/exchange/strictest.h"
#include "node/reports/report_json.h"

namespace tocsin::exchange {
namespace {

class JsonWriter final : public ExportWriter {
 public:
  explicit JsonWriter(ExportSink sink) : sink_(std::move(sink)) {}
  Result<void> begin() override { return sink_("{\"items\":["); }
  Result<void> add(const ExportItem& item) override {
    strictest_.add(item.report->tlp);
    const std::string line =
        (std::exchange(first_, false) ? "\n" : ",\n") + reports::to_json(*item.report, {item.id, {}});
    return sink_(line);
  }
  Result<void> end() override { return sink_("\n],\"tlp\":" + strictest_.json() + "}\n"); }

 private:
  ExportSink sink_;
  bool first_ = true;
  StrictestTlp strictest_;
};

class NdjsonWriter final : public ExportWriter {
 public:
  explicit NdjsonWriter(ExportSink sink) : sink_(std::move(sink)) {}
  Result<void> begin() override { return kOk; }
  Result<void> add(const ExportItem& item) override {
    return sink_(reports::to_json(*item.report, {item.id, {}}) + "\n");
  }
  Result<void> end() override { return kOk; }

 private:
  ExportSink sink_;
};

}  // namespace

std::unique_ptr<ExportWriter> make_json_writer(ExportSink sink) {
  return std::make_unique<JsonWriter>(std::move(sink));
}
std::unique_ptr<ExportWriter> make_ndjson_writer(ExportSink sink) {
  return std::make_unique<NdjsonWriter>(std::move(sink));
}

}  // namespace tocsin::exchange
