// CSV for spreadsheets: RFC 4180, UTF-8, CRLF, a header row; one report a row, the main place only, lists joined by ";
// ". Columns begin id, kind, title, tlp. Text that a spreadsheet would run as a formula gets a leading apostrophe
// (append_csv_text).
#pragma once

#include <memory>

#include "node/exchange/format.h"

namespace tocsin::exchange {

std::unique_ptr<ExportWriter> make_csv_writer(ExportSink sink);

}  // namespace tocsin::exchange
