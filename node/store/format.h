// What stands in the store's databases, byte by byte. Inside node/store only. Integers little-endian unless said.
//
// Named databases of <home>/store/data.mdb:
//
//   meta      "schema" -> u32 version (1)
//             "check" -> sealed value (kLabelStoreCheck) of 16 random bytes: opens under the store key only
//             "arrival" -> u64 (native order): given out by the time that a log was last cut; there since then
//   logs      u32 log number (native order) -> sealed LogRecord; numbers count from 1 in the order in which logs came
//   entries   u64 arrival (native order) -> entry value; arrivals count from 1, rise, and are never reused
//   index     u32 log number ‖ u64 number -> u64 arrival; the key is big-endian, so that it sorts by log, then number
//   records   u8 table ‖ K(name key; u8 table ‖ name) -> sealed record, with K = BLAKE2b-256 keyed, personal
//             kPersonalStoreName, and name key = K(store key; "name")
//
// Entry value: u8 flags ‖ u8 0 ‖ u16 signature bytes ‖ u32 log number, then for feeds and control logs
// header (152) ‖ signature ‖ body exactly as on the wire; for organisation logs, whose headers and bodies name a
// partner (rule 47), the sealed value (kLabelStoreEntry, associated data u64 arrival ‖ the 8 bytes before) of the same.
// An erased body is simply not there.
//   flags bits 0-1: 1 chained, 2 signed (protocol::Checked); bit 2: sealed; others 0.
//
// LogRecord, 168 bytes, sealed (kLabelStoreLog, associated data u32 log number):
//   u8 1 ‖ u8 log type ‖ u8 frozen ‖ u8 0 ‖ log key 32 ‖ channel 32 ‖ u64 low ‖ u64 head ‖ head hash 32 ‖ hash before
//   low 32 ‖ u64 head epoch ‖ u64 bytes ‖ u32 0
//
// Record, sealed (kLabelStoreRecord, associated data = its database key): u16 name size ‖ name ‖ value.
//
// What the disk shows without the store key: how many logs, entries and records there are, how large, when a page was
// written, and the pseudonymous headers of feeds and control logs.
#pragma once

#include "crypto/bytes.h"
#include "crypto/result.h"
#include "protocol/entry_store.h"

namespace tocsin::store {

using LogNumber = std::uint32_t;

inline constexpr std::uint32_t kSchemaVersion = 1;
inline constexpr std::size_t kEntryPrefixBytes = 8;
inline constexpr std::size_t kIndexKeyBytes = 12;
inline constexpr std::size_t kRecordKeyBytes = 33;
inline constexpr std::size_t kLogRecordBytes = 168;

inline constexpr std::string_view kArrivalName = "arrival";

inline constexpr std::uint8_t kFlagChecked = 0x03;
inline constexpr std::uint8_t kFlagSealed = 0x04;

struct EntryPrefix {
  protocol::Checked checked = protocol::Checked::kChained;
  bool sealed = false;
  std::uint16_t signature_bytes = 0;
  LogNumber log = 0;

  std::array<std::uint8_t, kEntryPrefixBytes> encode() const;
  // kStoreFailed when the bytes are none of ours.
  static Result<EntryPrefix> decode(ByteView value);
};

std::array<std::uint8_t, kIndexKeyBytes> index_key(LogNumber log, protocol::Number number);
LogNumber index_log(ByteView key);
protocol::Number index_number(ByteView key);

// Splits header ‖ signature ‖ body. kStoreFailed when the size cannot be.
Result<protocol::EntryView> split_entry(ByteView bytes, std::size_t signature_bytes);

Bytes encode_log(const protocol::LogRecord& record);
Result<protocol::LogRecord> decode_log(ByteView bytes);

// Keys of MDB_INTEGERKEY databases.
template <class Integer>
ByteView integer_key(const Integer& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

}  // namespace tocsin::store
