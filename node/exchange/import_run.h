// What every import does with a row: number it, refuse it or make it the importer's own. For the parsers of this
// folder.
#pragma once

#include <string>
#include <unordered_set>

#include "node/exchange/csv.h"
#include "node/exchange/format.h"

namespace tocsin::exchange {

class ImportRun {
 public:
  // `file_bytes` is the size of the whole file; too large a file or an empty one is a problem at once (see stopped).
  ImportRun(const ImportOptions& options, std::size_t file_bytes);

  // No further row is wanted.
  bool stopped() const { return stopped_; }
  // A row begins. False when the import is to stop.
  bool begin_row(std::size_t bytes_done);
  // The row is not to be used.
  void refuse(Position at, Code code, std::string detail);
  // After a row refused for a fault that leaves nothing to go on with.
  void end_here();
  // A fault of the file as a whole, after which nothing can be read.
  void stop(Position at, Code code, std::string detail);
  // Makes the report the importer's (author, created, salt; status and tlp of the options), checks it as if a person
  // had written it, and takes it, or refuses the row. The provenance names the row.
  void accept(protocol::Report report, Position at);

  ImportResult take();

 private:
  void add_problem(Position at, Code code, std::string detail);

  const ImportOptions& options_;
  std::size_t file_bytes_;
  ImportResult result_;
  bool stopped_ = false;
  std::unordered_set<std::string> row_ids_;
};

}  // namespace tocsin::exchange
