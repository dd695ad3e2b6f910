// Writes the reports that a query finds to a sink, in pieces: one page of the index at a time, each report read from
// the store as it is needed.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "node/desk/desk.h"
#include "node/exchange/format.h"

namespace tocsin::desk {

inline constexpr std::size_t kExportPage = 200;  // reports between two pieces: what the loop is held for

class Exporter : public std::enable_shared_from_this<Exporter> {
 public:
  // A piece for the sink; call `more` when it has been taken, with false to end the export.
  using Sink = std::function<void(std::string piece, std::function<void(bool go_on)> more)>;
  // `query` without limit and after; order is oldest first, so that what arrives meanwhile comes last.
  Exporter(Desk& desk, const exchange::Format& format, index::ReportQuery query, Sink sink, Done<std::uint64_t> done);
  void start();

 private:
  void next_page();
  void write_page(const index::ReportPage& page);

  Desk& desk_;
  std::unique_ptr<exchange::ExportWriter> writer_;
  index::ReportQuery query_;
  Sink sink_;
  Done<std::uint64_t> done_;
  std::string pending_;
  std::uint64_t written_ = 0;
};

}  // namespace tocsin::desk
