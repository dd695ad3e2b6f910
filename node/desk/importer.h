// Imports a file: parsed on a thread of its own, compared with what is known, appended as one batch; all or nothing.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "node/desk/desk.h"
#include "node/exchange/format.h"

namespace tocsin::desk {

// One durable batch, all or nothing. A larger import goes in several, so that the loop is not held for seconds; after a
// power cut between two of them the same import finishes the rest (its first rows are then known).
inline constexpr std::size_t kImportBatchBytesMax = 48 * 1024 * 1024;
inline constexpr std::size_t kImportBatchRowsMax = 10'000;

struct ImportRequest {
  const exchange::Format* format = nullptr;
  std::shared_ptr<const std::string> file;
  std::string file_name;
  std::optional<protocol::ChannelId> channel;  // nothing: the private one
  std::optional<protocol::Tlp> tlp;
  AllowedGovernments allowed;
  bool partial = false;
  bool dry_run = false;
};

struct ImportOutcome {
  std::uint64_t read = 0;
  std::uint64_t fresh = 0;      // new reports
  std::uint64_t known = 0;      // rows that are here already, unchanged
  std::uint64_t corrected = 0;  // rows that the publisher has changed: corrections were written
  std::uint64_t refused_count = 0;
  std::vector<exchange::ImportProblem> refused;  // the first kImportProblemsMax
  bool done = false;                             // false: rows were refused and nothing was imported
};

struct ImportProgress {
  std::atomic<std::uint64_t> done = 0, total = 0;
};

// Runs once. Calls `done` on the desk's thread. Errors: government_named (rule 53), those of append. Rows of a second
// run of the same file are known: publisher and row id name them (rule 37).
void run_import(Desk& desk, std::function<void(std::function<void()>)> post, ImportRequest request,
                std::shared_ptr<ImportProgress> progress, Done<ImportOutcome> done);

}  // namespace tocsin::desk
