// Single fields of an encoded header, for code that moves entries about without judging them (stores). The bytes are
// those of a header that was decoded once before; anybody else uses EntryHeader::decode. Offsets: the table in entry.h.
#pragma once

#include "protocol/entry.h"

namespace tocsin::protocol {

inline bool peek_in_organisation_log(ByteView header) {
  return header[1] == static_cast<std::uint8_t>(LogType::kOrganisation);
}
inline std::uint32_t peek_body_bytes(ByteView header) { return load_le32(&header[4]); }
inline Number peek_number(ByteView header) { return {load_le64(&header[8])}; }
inline ByteView peek_log(ByteView header) { return header.subspan(24, LogKey::kSize); }
inline ByteView peek_previous(ByteView header) { return header.subspan(88, EntryHash::kSize); }
inline ByteView peek_body_hash(ByteView header) { return header.subspan(120, BodyHash::kSize); }

// The body is not held although the header says that there is one.
inline bool body_absent(const EntryView& entry) { return entry.body.empty() && peek_body_bytes(entry.header) != 0; }
inline std::size_t size_of(const EntryView& entry) {
  return entry.header.size() + entry.signature.size() + entry.body.size();
}
inline bool equal(ByteView a, ByteView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

}  // namespace tocsin::protocol
