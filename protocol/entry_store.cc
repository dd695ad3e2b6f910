#include "protocol/entry_store.h"

#include <cassert>

namespace tocsin::protocol {

void Batch::add_entry(const LogKey& log, Number number, const EntryView& entry, Checked checked) {
  assert(entry.header.size() == kEntryHeaderBytes);
  assert(entry.signature.size() <= kSignatureFieldBytesMax && entry.body.size() <= kBodyBytesMax);
  entries_.push_back({log, number, bytes_.size(), static_cast<std::uint16_t>(entry.signature.size()),
                      static_cast<std::uint32_t>(entry.body.size()), checked});
  // One contiguous run, header ‖ signature ‖ body: the store copies it in one piece.
  append(bytes_, entry.header);
  append(bytes_, entry.signature);
  append(bytes_, entry.body);
}

void Batch::reserve(std::size_t entries, std::size_t bytes) {
  entries_.reserve(entries_.size() + entries);
  bytes_.reserve(bytes_.size() + bytes);
}

void Batch::set_log(const LogRecord& record) {
  // The bulk path states the same log once for each entry or chunk; only the newest counts.
  if (!logs_.empty() && logs_.back().log == record.log) {
    logs_.back() = record;
  } else {
    logs_.push_back(record);
  }
}

void Batch::put_record(Table table, ByteView name, ByteView value) {
  records_.push_back({table, to_bytes(name), to_bytes(value)});
}

void Batch::remove_record(Table table, ByteView name) { records_.push_back({table, to_bytes(name), std::nullopt}); }

void Batch::erase_body(const LogKey& log, Number number) { erases_.push_back({log, number}); }

void Batch::cut_log(const LogKey& log, Number keep) { cuts_.push_back({log, keep}); }

bool Batch::empty() const {
  return entries_.empty() && logs_.empty() && records_.empty() && erases_.empty() && cuts_.empty();
}

EntryView Batch::entry(const EntryWrite& write) const {
  const ByteView all(bytes_);
  return {all.subspan(write.offset, kEntryHeaderBytes),
          all.subspan(write.offset + kEntryHeaderBytes, write.signature_bytes),
          all.subspan(write.offset + kEntryHeaderBytes + write.signature_bytes, write.body_bytes)};
}

}  // namespace tocsin::protocol
