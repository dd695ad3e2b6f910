// Copies of stored entries on their way to another thread, in order of arrival: all bytes in one buffer, nothing
// allocated for each entry. The desk fills it from the store, the index reads it; the memory is used again.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/entry_store.h"

namespace tocsin::protocol {

struct EntryChunk {
  struct Item {
    Arrival arrival;
    std::size_t offset = 0;  // of the header in `bytes`; signature and body follow it
    std::uint16_t signature_bytes = 0;
    std::uint32_t body_bytes = 0;  // as copied here; 0 when erased or absent
    Checked checked = Checked::kChained;
    bool body_erased = false;
  };
  Bytes bytes;
  std::vector<Item> items;  // by rising arrival
  Arrival after;            // the cursor that it was read from: nothing between `after` and `last` is left out
  Arrival last;             // the cursor once this chunk is done: at least the arrival of the last item
  Arrival newest;           // newest arrival when it was read: how far there is to go, for progress

  // Forgets the entries, keeps the memory.
  void clear();
  // Copies one entry; `last` follows. Arrivals rise (assert).
  void add(const StoredEntry& entry);
  // Views into `bytes`.
  EntryView entry(const Item& item) const;
};

}  // namespace tocsin::protocol
