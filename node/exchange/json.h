// JSON, as node/reports/report_json.h lays out one report.
//   export "json":   {"items":[report,…],"tlp":"…"}, one report a line
//   export "ndjson": one report a line
//   import:          an array, an object with "items", or one object a line
// An imported report is the importer's own: author and created are replaced. Without provenance of its own it gets
// {publisher "Tocsin", dataset "org <author>", row_id <id>}, so that a second import knows it again; without an id the
// row_id is "content " and its content's digest. Kinds that speak for their author (correct, withdraw, corroborate,
// dispute, acknowledge) and attachments are refused: they mean nothing in another's mouth.
#pragma once

#include <memory>

#include "node/exchange/format.h"

namespace tocsin::exchange {

ImportResult parse_json(ByteView file, const ImportOptions& options);
std::unique_ptr<ExportWriter> make_json_writer(ExportSink sink);
std::unique_ptr<ExportWriter> make_ndjson_writer(ExportSink sink);

}  // namespace tocsin::exchange
