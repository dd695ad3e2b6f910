// Imports a file: parsed on a thread of its own, compared with what is known, appended in batches.
//
// All or nothing goes for the file: nothing is written before every row is read and found good (or `partial` is asked
// for), compared and allowed. What is then written goes in batches, each durable as a whole. Where the disk or the
// power fails between two of them the earlier ones stay: the answer says how many rows are in (`cut_short`), and the
// same import again finds those known and writes the rest.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "node/desk/desk.h"
#include "node/exchange/format.h"

namespace tocsin::desk {

// One durable batch: up to so many rows an import is in whole or not at all, whatever kills the node. Sealing and
// signing them holds the loop for some tenths of a second; between two batches everything that waits gets its turn.
inline constexpr std::size_t kImportBatchBytesMax = 48 * 1024 * 1024;
inline constexpr std::size_t kImportBatchRowsMax = 10'000;

inline constexpr Code kImportBusy{"busy"};             // caller: one import at a time
inline constexpr Code kImportMemory{"import_memory"};  // environment: no memory for a file of that size
inline constexpr Code kStopping{"stopping"};           // environment: the node is being stopped

struct ImportRequest {
  const exchange::Format* format = nullptr;
  std::shared_ptr<const std::string> file;
  std::string file_name;
  std::optional<protocol::ChannelId> channel;  // nothing: the private one
  std::optional<protocol::Tlp> tlp;
  AllowedGovernments allowed;
  bool partial = false;
  bool dry_run = false;
  Actor by = owner_actor();  // who wants to share what needs a second person (Desk::needs_two)
};

struct ImportOutcome {
  std::uint64_t read = 0;
  std::uint64_t fresh = 0;      // new reports
  std::uint64_t known = 0;      // rows that are here already, unchanged
  std::uint64_t shared = 0;     // of the known: from another channel, and now in this one as well
  std::uint64_t corrected = 0;  // rows that the publisher has changed: corrections were written
  std::uint64_t waiting = 0;    // of all these: for a second person, before others read them
  std::uint64_t refused_count = 0;
  // The first kImportProblemsMax: faults of the file, then rows that may not go there (draft_stays, marking_stays,
  // government_named).
  std::vector<exchange::ImportProblem> refused;
  std::uint64_t refused_for_governments = 0;  // of refused_count: for rule 53 alone
  std::vector<reports::Reader> governments;   // that would read rows which name their country (rule 53)
  bool done = false;                          // false: rows were refused and nothing was imported
  std::optional<Error> cut_short;             // why the writing ended early; `fresh` and `corrected` count what is in
};

struct ImportProgress {
  std::atomic<std::uint64_t> done = 0, total = 0;
};

// One thread (the loop's), which `post` leads to. One import at a time.
class Importer {
 public:
  // `desk` outlives the importer.
  Importer(Desk& desk, std::function<void(std::function<void()>)> post);
  ~Importer();  // stop(), and waits for the thread; `done` of what was under way may never be called
  Importer(const Importer&) = delete;
  Importer& operator=(const Importer&) = delete;

  // Calls `done` once, on the desk's thread. Errors: busy, import_memory, stopping, index_stopped (what is known cannot
  // be told), those of append. Rows of a second run of the same file are known:
  // publisher and row id name them (rule 37).
  void run(ImportRequest request, std::shared_ptr<ImportProgress> progress, Done<ImportOutcome> done);
  // Ends what is under way at its next row or batch, and takes nothing new.
  void stop();

 private:
  Desk& desk_;
  std::function<void(std::function<void()>)> post_;
  std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<bool> busy_ = std::make_shared<bool>(false);
  std::thread thread_;
};

}  // namespace tocsin::desk
