#include "protocol/entry_chunk.h"

namespace tocsin::protocol {

void EntryChunk::clear() {
  bytes.clear();
  items.clear();
  after = {};
  last = {};
  newest = {};
}

void EntryChunk::add(const StoredEntry& entry) {
  assert(items.empty() || items.back().arrival < entry.arrival);
  Item item;
  item.arrival = entry.arrival;
  item.offset = bytes.size();
  item.signature_bytes = static_cast<std::uint16_t>(entry.entry.signature.size());
  item.body_bytes = static_cast<std::uint32_t>(entry.entry.body.size());
  item.checked = entry.checked;
  item.body_erased = entry.body_erased;
  append(bytes, entry.entry.header);
  append(bytes, entry.entry.signature);
  append(bytes, entry.entry.body);
  items.push_back(item);
  last = std::max(last, entry.arrival);
}

EntryView EntryChunk::entry(const Item& item) const {
  const ByteView all(bytes);
  const std::size_t signature = item.offset + kEntryHeaderBytes;
  return {all.subspan(item.offset, kEntryHeaderBytes), all.subspan(signature, item.signature_bytes),
          all.subspan(signature + item.signature_bytes, item.body_bytes)};
}

}  // namespace tocsin::protocol
