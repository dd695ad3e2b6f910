#include "node/exchange/import_run.h"

#include "node/reports/validate.h"

namespace tocsin::exchange {
namespace {

using namespace protocol;
constexpr std::uint64_t kProgressRows = 256;  // often enough for a bar, seldom enough to cost nothing

}  // namespace

ImportRun::ImportRun(const ImportOptions& options, std::size_t file_bytes)
    : options_(options), file_bytes_(file_bytes) {
  if (file_bytes > kImportFileBytesMax) {
    stop({}, kImportFileTooLarge, "at most " + std::to_string(kImportFileBytesMax) + " bytes; split the file");
  } else if (file_bytes == 0) {
    stop({}, kImportEmpty, "the file is empty");
  }
}

void ImportRun::add_problem(Position at, Code code, std::string detail) {
  if (result_.problems.size() < kImportProblemsMax)
    result_.problems.push_back({at.line, at.column, code, std::move(detail)});
}

bool ImportRun::begin_row(std::size_t bytes_done) {
  if (stopped_) return false;
  if (options_.progress && result_.read % kProgressRows == 0 && !options_.progress(bytes_done)) {
    stop({}, kImportStopped, "stopped on request");
    return false;
  }
  ++result_.read;
  return true;
}

void ImportRun::refuse(Position at, Code code, std::string detail) {
  ++result_.refused;
  add_problem(at, code, std::move(detail));
}

void ImportRun::end_here() {
  stopped_ = true;
  result_.complete = false;
}

void ImportRun::stop(Position at, Code code, std::string detail) {
  end_here();
  add_problem(at, code, std::move(detail));
}

void ImportRun::accept(Report report, Position at) {
  report.salt = options_.salt();
  report.author = options_.author;
  report.created = options_.now;
  if (options_.status) report.status = *options_.status;
  if (options_.tlp) report.tlp = *options_.tlp;
  reports::apply_defaults(report);
  const reports::Findings findings = reports::validate(report);
  if (!findings.ok()) {
    return refuse(at, findings.problems[0].code, findings.problems[0].field + ": " + findings.problems[0].detail);
  }
  auto canonical = encode_report(report);
  if (!canonical) return refuse(at, canonical.error().code, canonical.error().detail);
  const auto content = import_digest(report);
  if (!content) return refuse(at, content.error().code, content.error().detail);

  ImportedReport imported;
  imported.id = report_id(*canonical);
  imported.key = row_key(report, imported.id);
  if (!row_ids_.insert(imported.key.publisher + '\0' + imported.key.row_id).second) {
    return refuse(at, kImportDuplicateRow, "another row of this file has the same id");
  }
  imported.report = std::move(report);
  imported.canonical = std::move(*canonical);
  imported.content = *content;
  imported.line = at.line;
  imported.column = at.column;
  if (!options_.sink) {
    result_.reports.push_back(std::move(imported));
  } else if (!options_.sink(std::move(imported))) {
    stop(at, kImportStopped, "stopped on request");
  }
}

ImportResult ImportRun::take() {
  if (options_.progress && !stopped_) options_.progress(file_bytes_);
  if (!options_.partial && !result_.problems.empty()) result_.reports.clear();
  return std::move(result_);
}

Result<ContentDigest> import_digest(const Report& report) {
  Report content = report;
  content.attachments.clear();
  if (content.language == "und") content.language.clear();  // the default that an import fills in
  if (content.provenance && content.provenance->publisher == kTocsinPublisher) content.provenance.reset();
  return content_digest(content);
}

RowKey row_key(const Report& report, const ReportId& id) {
  if (report.provenance && !report.provenance->publisher.empty() && !report.provenance->row_id.empty()) {
    return {report.provenance->publisher, report.provenance->row_id};
  }
  return {std::string(kTocsinPublisher), to_hex(id.view())};
}

}  // namespace tocsin::exchange
