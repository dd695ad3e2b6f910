#include <nlohmann/json.hpp>

#include "node/exchange/import_run.h"
#include "node/exchange/json.h"
#include "node/reports/json_fields.h"
#include "node/reports/json_scan.h"
#include "node/reports/report_json.h"

namespace tocsin::exchange {
namespace {

using namespace protocol;
using reports::JsonFault;
constexpr int kDepthMax = reports::kReportJsonDepthMax;

// Where a report comes from when it does not say: the Tocsin report that was exported, or its content itself.
void name_row(Report& report, const std::optional<ReportId>& id) {
  const bool named = report.provenance && !report.provenance->publisher.empty() && !report.provenance->row_id.empty();
  if (named) return;
  Provenance p = report.provenance.value_or(Provenance{});
  p.publisher = kTocsinPublisher;
  if (!report.author.is_zero()) p.dataset = "org " + to_hex(report.author.view());
  if (id) {
    p.row_id = to_hex(id->view());
  } else if (const auto digest = import_digest(report)) {
    p.row_id = "content " + to_hex(digest->view());
  }
  report.provenance = std::move(p);
}

class JsonImport {
 public:
  JsonImport(std::string_view text, const ImportOptions& options)
      : text_(text), places_(as_bytes(text)), options_(options), run_(options, text.size()) {}

  ImportResult read() {
    if (run_.stopped()) return run_.take();
    const std::size_t begin = skip(text_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0);
    if (begin >= text_.size()) {
      run_.stop({1, 1}, kImportEmpty, "the file is empty");
    } else if (text_[begin] == '[') {
      const std::size_t end = read_array(begin);
      if (!run_.stopped()) expect_end(end);
    } else if (text_[begin] != '{') {
      fail({reports::kJsonSyntax, begin}, "an array, an object with \"items\", or one object a line");
    } else if (const auto items = find_items(begin); !run_.stopped()) {
      if (items) {
        read_wrapped(*items);
      } else {
        read_lines(begin);
      }
    }
    return run_.take();
  }

 private:
  std::size_t skip(std::size_t at) const { return reports::skip_json_space(text_, at); }
  char at(std::size_t i) const { return i < text_.size() ? text_[i] : '\0'; }
  void fail(JsonFault fault, std::string detail) {
    run_.stop(places_.position(fault.offset), fault.code, std::move(detail));
  }
  void expect_end(std::size_t at) {
    if (skip(at) < text_.size()) fail({reports::kJsonSyntax, skip(at)}, "nothing may follow here");
  }

  // One item that starts at `begin`; the byte after it. Stops the run where the item's end cannot be found.
  std::size_t read_item(std::size_t begin) {
    const auto extent = reports::scan_json_value(text_, begin, kDepthMax);
    if (!run_.begin_row(begin)) return begin;
    if (extent.fault) {
      run_.refuse(places_.position(extent.fault->offset), extent.fault->code,
                  reports::json_fault_detail(extent.fault->code));
      run_.end_here();
      return extent.end;
    }
    const std::string_view item = text_.substr(begin, extent.end - begin);
    JsonFault fault{reports::kJsonSyntax, 0};
    const auto value = reports::parse_json_object(item, fault);
    if (!value) {
      run_.refuse(places_.position(begin + fault.offset), fault.code, reports::json_fault_detail(fault.code));
    } else {
      take(reports::parse_report_value(*value), places_.position(begin));
    }
    return extent.end;
  }

  void take(reports::ParsedReport parsed, Position position) {
    // An import is not the place for leniency: what is wrong with an alert's fields counts here as well.
    auto& findings = parsed.findings;
    const auto& faults = findings.problems.empty() ? findings.advice : findings.problems;
    if (!faults.empty()) return run_.refuse(position, faults[0].code, faults[0].field + ": " + faults[0].detail);
    Report& report = parsed.report;
    if (acts_on_report(report.kind)) {
      return run_.refuse(position, kKindNotImportable,
                         "kind: it speaks for its author about another report; leave it out");
    }
    if (report.kind == ReportKind::kAlert) {
      return run_.refuse(position, kKindNotImportable,
                         "kind: an import never raises an alert; import it as situation, or say: tocsin alert raise");
    }
    if (!report.attachments.empty()) {
      return run_.refuse(position, kKindNotImportable,
                         "attachments: they stay with the report that they belong to; leave them out");
    }
    name_row(report, parsed.id);
    report.provenance->retrieved = options_.now;
    run_.accept(std::move(report), position);
  }

  // The items of an array that starts at `begin`; the byte after it.
  std::size_t read_array(std::size_t begin) {
    std::size_t i = skip(begin + 1);
    if (at(i) == ']') return i + 1;
    while (!run_.stopped()) {
      i = skip(read_item(i));
      if (run_.stopped()) break;
      if (at(i) == ']') return i + 1;
      if (at(i) != ',') {
        fail({reports::kJsonSyntax, i}, "a comma or a closing bracket; is the file cut off?");
        break;
      }
      i = skip(i + 1);
    }
    return i;
  }

  // Where the array under "items" starts in the object at `begin`; nothing when it has none.
  std::optional<std::size_t> find_items(std::size_t begin) {
    for (std::size_t i = skip(begin + 1); at(i) == '"';) {
      const auto key = reports::scan_json_value(text_, i, 1);
      const std::size_t colon = key.fault ? i : skip(key.end);
      if (key.fault || at(colon) != ':') return std::nullopt;
      const std::size_t value = skip(colon + 1);
      if (text_.substr(i, key.end - i) == "\"items\"" && at(value) == '[') return value;
      const auto extent = reports::scan_json_value(text_, value, kDepthMax);
      if (extent.fault) return std::nullopt;
      i = skip(extent.end);
      if (at(i) != ',') return std::nullopt;
      i = skip(i + 1);
    }
    return std::nullopt;
  }

  // {"items":[…], …}: what stands beside the items is passed over.
  void read_wrapped(std::size_t array) {
    std::size_t i = skip(read_array(array));
    while (!run_.stopped() && at(i) == ',') {
      const auto key = reports::scan_json_value(text_, skip(i + 1), 1);
      const std::size_t colon = skip(key.end);
      const auto value = reports::scan_json_value(text_, skip(colon + 1), kDepthMax);
      if (key.fault || at(colon) != ':' || value.fault)
        return fail({reports::kJsonSyntax, i}, "not JSON after the items");
      i = skip(value.end);
    }
    if (run_.stopped()) return;
    if (at(i) != '}') return fail({reports::kJsonSyntax, i}, "a closing brace; is the file cut off?");
    expect_end(i + 1);
  }

  void read_lines(std::size_t begin) {
    for (std::size_t i = begin; i < text_.size() && !run_.stopped(); i = skip(i)) {
      const std::size_t end = read_item(i);
      if (run_.stopped()) return;
      if (end == i) return fail({reports::kJsonSyntax, i}, "one object in braces on each line");
      i = end;
    }
  }

  std::string_view text_;
  CsvReader places_;  // for line and column only
  const ImportOptions& options_;
  ImportRun run_;
};

}  // namespace

ImportResult parse_json(ByteView file, const ImportOptions& options) {
  return JsonImport(as_text(file), options).read();
}

}  // namespace tocsin::exchange
