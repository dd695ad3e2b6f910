// What opening, indexing and asking cost with nothing of ours around it: the bounds of `open` and `query`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/index/database.h"
#include "node/index/index.h"

namespace tocsin::bench {

// libsodium alone on one entry of a feed (rule 37), in microseconds: entry key, encryption key and commitment by
// BLAKE2b, the commitment compared; then XChaCha20-Poly1305 over a body of this size.
struct OpeningParts {
  double keys_us = 0, decrypt_us = 0;
  double sum_us() const { return keys_us + decrypt_us; }
};
OpeningParts measure_opening(std::size_t entries, std::size_t body_bytes);

// A second copy of what an index holds, asked with prepared statements straight through SQLite.
class BareIndex {
 public:
  // Through a snapshot in `folder`. Ends the process with a message when that fails, as everything here does.
  BareIndex(index::Index& index, const std::string& folder);

  // Microseconds for one report: the same rows and words again, into an empty database of the same schema, in one
  // transaction. `words` has the text of each report in order of arrival.
  double insert_us(std::span<const std::string> words);

  // Milliseconds of running `sql` to its end, the median; `values` go to its places from 1 on, texts before numbers.
  // With `descend` the last number becomes the first column of the last row, so that each run is the next page; after
  // the last one the first comes again.
  struct Answer {
    double ms = 0;
    std::size_t rows = 0;         // of the first run
    std::int64_t first_cell = 0;  // of the first row of the first run
  };
  Answer ask(std::string_view sql, const std::vector<std::string>& texts, std::vector<std::int64_t> numbers,
             bool descend = false);

 private:
  std::unique_ptr<index::Database> db_;
};

}  // namespace tocsin::bench
