// Formats in and out, by name. One file for each format; the registry at the end lists them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/bytes.h"
#include "crypto/result.h"
#include "protocol/report.h"

namespace tocsin::exchange {

inline constexpr std::size_t kImportFileBytesMax = 512u * 1024 * 1024;
inline constexpr std::size_t kImportProblemsMax = 100;  // kept and shown; the rest is counted

// ---- Import ----

// One fault of the file. Line and column are 1-based, column in characters; 0 where the fault has no place.
struct ImportProblem {
  std::uint64_t line = 0;
  std::uint64_t column = 0;
  Code code;
  std::string detail;  // names the field or column, what is wrong and what to do
};

// A row is known again by this pair, in whatever version of the dataset it comes back.
struct RowKey {
  std::string publisher;
  std::string row_id;
  friend auto operator<=>(const RowKey&, const RowKey&) = default;
};

struct ImportedReport {
  protocol::Report report;          // valid; author, created, salt as the options say
  Bytes canonical;                  // encode_report of it
  protocol::ReportId id;            // of the canonical bytes
  RowKey key;                       // never empty
  protocol::ContentDigest content;  // equal for a row that has not changed (import_digest)
  std::uint64_t line = 0;           // where it starts in the file; 1-based, as in ImportProblem
  std::uint64_t column = 0;
};

struct ImportOptions {
  protocol::OrgId author;                        // who imports
  protocol::Time now;                            // created and retrieved of every report
  std::function<protocol::ReportSalt()> salt;    // fresh random bytes for each report; must be set
  std::optional<protocol::Tlp> tlp;              // instead of the format's default
  std::optional<protocol::ReportStatus> status;  // instead of Actual
  std::string file_name;                         // without folder; GED reads its version from it ("ged191-…")
  // When set, reports are handed over as they are read instead of being collected; false stops the import
  // (import_stopped). For files too large to hold: a first pass with a sink that only counts shows whether all is well,
  // a second one writes.
  std::function<bool(ImportedReport&& report)> sink;
  // Called now and then with the bytes read so far; returning false stops the import (import_stopped).
  std::function<bool(std::size_t bytes_done)> progress;
  bool partial = false;  // good rows go although others are refused
};

struct ImportResult {
  std::vector<ImportedReport> reports;  // empty when anything was refused, unless options.partial
  std::uint64_t read = 0;               // rows read, good and bad
  std::uint64_t refused = 0;            // rows refused
  std::vector<ImportProblem> problems;  // the first kImportProblemsMax
  bool complete = true;                 // false: a fault ended the reading; the rows after it were not seen
  bool ok() const { return problems.empty(); }
};

inline constexpr Code kImportFileTooLarge{"import_file_too_large"};
inline constexpr Code kImportStopped{"import_stopped"};
inline constexpr Code kImportEmpty{"import_empty"};
inline constexpr Code kImportDuplicateRow{"import_duplicate_row"};  // two rows of one file with one id
inline constexpr Code kKindNotImportable{"kind_not_importable"};  // correct, withdraw, ... speak for their author only
inline constexpr Code kUnknownFormat{"unknown_format"};

// What has to be equal for a row to count as unchanged: content_digest, without the provenance that an import of a
// Tocsin export adds, and without attachments, which no file format here carries. Use it on a stored report to compare
// it with an import.
Result<protocol::ContentDigest> import_digest(const protocol::Report& report);
// The key that an import of this stored report would have: its provenance, or {"Tocsin", id}.
RowKey row_key(const protocol::Report& report, const protocol::ReportId& id);
inline constexpr std::string_view kTocsinPublisher = "Tocsin";

// ---- Export ----

struct ExportItem {
  protocol::ReportId id;
  const protocol::Report* report = nullptr;  // lives until add returns
};

// Takes the next piece of output. An error ends the export and is passed on.
using ExportSink = std::function<Result<void>(std::string_view piece)>;

// begin, then add for each report, then end; one report in memory at a time. After an error the writer is done for.
// Every format carries the TLP marking of each report; JSON and GeoJSON also the strictest of all, as "tlp" of the
// whole.
class ExportWriter {
 public:
  virtual ~ExportWriter() = default;
  virtual Result<void> begin() = 0;
  virtual Result<void> add(const ExportItem& item) = 0;
  virtual Result<void> end() = 0;
};

// ---- Registry ----

struct Format {
  std::string_view name;   // "ged"
  std::string_view title;  // for help
  std::string_view media_type;
  ImportResult (*parse)(ByteView file, const ImportOptions& options) = nullptr;  // null: cannot be imported
  std::unique_ptr<ExportWriter> (*write)(ExportSink sink) = nullptr;             // null: cannot be exported
};
std::span<const Format> formats();
// Null when there is none.
const Format* find_format(std::string_view name);
// "json, ndjson, csv, geojson": for the detail of unknown_format.
std::string import_format_names();
std::string export_format_names();

}  // namespace tocsin::exchange
