// The one entry format of organisation log, control log and feed (rules 5, 8, 17; docs/protocol.md, "Entry").
//
// Header, 152 bytes, integers little-endian:
//   offset size field
//        0    1 version              1; another version is refused
//        1    1 log type             1 organisation, 2 control, 3 feed
//        2    2 reserved             0; refused otherwise
//        4    4 body size            bytes of the body as stored, at most 49,152
//        8    8 number               1 for the first entry of a log
//       16    8 epoch                0 in an organisation log
//       24   32 log key
//       56   32 channel pseudonym    zero in an organisation log
//       88   32 previous entry hash  zero for number 1
//      120   32 body hash            BLAKE2b-256, personal "tocsin body", of the body as stored
// The signature field follows the header wherever an entry is stored: 64 bytes, or in an organisation log
// threshold-many (index byte, 64 bytes) by rising index. Signed: Label "tocsin.v1.entry" ‖ header. The body stands
// beside them.
#pragma once

#include <array>

#include "crypto/bytes.h"
#include "crypto/result.h"
#include "protocol/ids.h"
#include "protocol/limits.h"

namespace tocsin::protocol {

enum class LogType : std::uint8_t { kOrganisation = 1, kControl = 2, kFeed = 3 };

inline constexpr std::uint8_t kEntryVersion = 1;

struct EntryHeader {
  LogType type = LogType::kFeed;
  std::uint32_t body_bytes = 0;
  Number number;
  Epoch epoch;
  LogKey log;
  ChannelPseudonym channel;
  EntryHash previous;
  BodyHash body_hash;

  std::array<std::uint8_t, kEntryHeaderBytes> encode() const;
  // Errors (origin peer): bad_header_size, bad_version, bad_log_type, bad_reserved, body_too_large, bad_number (0),
  // bad_epoch, bad_previous (not zero at number 1, or zero later), bad_channel.
  static Result<EntryHeader> decode(ByteView bytes);
  friend bool operator==(const EntryHeader&, const EntryHeader&) = default;
};

// Views into bytes that somebody else owns.
struct EntryView {
  ByteView header;     // exactly kEntryHeaderBytes
  ByteView signature;  // 64 bytes, or n * 65 in an organisation log
  ByteView body;       // empty when erased (and the header's body size is not 0)
};

// An entry that owns its bytes: header ‖ signature ‖ body in one buffer.
class Entry {
 public:
  Entry() = default;
  Entry(ByteView header, ByteView signature, ByteView body);
  EntryView view() const;

 private:
  Bytes bytes_;
  std::size_t signature_bytes_ = 0;
};

BodyHash hash_body(ByteView body);
// Over header ‖ signature; for an organisation log over the header alone.
EntryHash hash_entry(ByteView header, ByteView signature);

// An entry as one byte string, wherever it travels by itself (cards, invitations, fork proofs, pass-on):
//   u16 signature size ‖ header ‖ signature ‖ body, the body running to the end of the byte string.
Bytes encode_entry(const EntryView& entry);
// Views into `bytes`. Checks sizes only (bad_entry, body_too_large), neither hash nor signature.
Result<EntryView> decode_entry(ByteView bytes);

}  // namespace tocsin::protocol
