// Who a source is. Reports carry 16 random bytes; what they stand for is kept on this node alone (rule 51).
#pragma once

#include <string>

#include "crypto/bytes.h"
#include "crypto/result.h"

namespace tocsin::reports {

struct SourceRecord {
  std::string name;     // who
  std::string contact;  // how to reach them
  std::string note;     // what to mind: danger, language, whom not to ask
  friend bool operator==(const SourceRecord&, const SourceRecord&) = default;
};

inline constexpr Code kSourceRecordInvalid{"source_record_invalid"};      // caller: a field is too long, or no text
inline constexpr Code kSourceRecordMalformed{"source_record_malformed"};  // environment
inline constexpr std::size_t kSourceFieldBytesMax = 4096;                 // each field

// u8 1, then three times u16 size (little-endian) and text. SECRET: the caller seals it under the reading tier, and
// never lets it leave the node. Error: source_record_invalid.
Result<Bytes> encode_source(const SourceRecord& record);
// Error: source_record_malformed.
Result<SourceRecord> decode_source(ByteView bytes);

}  // namespace tocsin::reports
