#include "protocol/entry.h"

#include <cassert>

#include "crypto/hash.h"

namespace tocsin::protocol {
namespace {

// Offsets of the table in entry.h.
constexpr std::size_t kAtVersion = 0;
constexpr std::size_t kAtType = 1;
constexpr std::size_t kAtReserved = 2;
constexpr std::size_t kAtBodySize = 4;
constexpr std::size_t kAtNumber = 8;
constexpr std::size_t kAtEpoch = 16;
constexpr std::size_t kAtLog = 24;
constexpr std::size_t kAtChannel = 56;
constexpr std::size_t kAtPrevious = 88;
constexpr std::size_t kAtBodyHash = 120;
static_assert(kAtBodyHash + BodyHash::kSize == kEntryHeaderBytes);

constexpr std::size_t kSignatureSizeBytes = 2;  // in front of an entry that travels by itself

template <class Fixed>
void put(std::uint8_t* to, const Fixed& value) {
  std::copy(value.bytes().begin(), value.bytes().end(), to);
}

template <class Fixed>
Fixed get(ByteView bytes, std::size_t at) {
  return *Fixed::from(bytes.subspan(at, Fixed::kSize));
}

bool organisation(ByteView header) { return header[kAtType] == static_cast<std::uint8_t>(LogType::kOrganisation); }

// What one field may hold depends on the others: one form for each meaning, so that nobody can make two headers for one
// entry.
Result<void> check_fields(const EntryHeader& header) {
  const bool in_organisation = header.type == LogType::kOrganisation;
  if (header.body_bytes > kBodyBytesMax) return peer_error("body_too_large", "an entry's body is at most 49152 bytes");
  if (header.number.value == 0) return peer_error("bad_number", "the first entry of a log has number 1");
  if (in_organisation != (header.epoch.value == 0)) {
    return peer_error("bad_epoch", "the epoch is 0 in an organisation log and at least 1 elsewhere");
  }
  if (in_organisation != header.channel.is_zero()) {
    return peer_error("bad_channel", "an organisation log has no channel, every other log has one");
  }
  if ((header.number.value == 1) != header.previous.is_zero()) {
    return peer_error("bad_previous", "exactly the first entry of a log has no previous one");
  }
  return kOk;
}

}  // namespace

std::array<std::uint8_t, kEntryHeaderBytes> EntryHeader::encode() const {
  std::array<std::uint8_t, kEntryHeaderBytes> out{};
  out[kAtVersion] = kEntryVersion;
  out[kAtType] = static_cast<std::uint8_t>(type);
  store_le32(&out[kAtBodySize], body_bytes);
  store_le64(&out[kAtNumber], number.value);
  store_le64(&out[kAtEpoch], epoch.value);
  put(&out[kAtLog], log);
  put(&out[kAtChannel], channel);
  put(&out[kAtPrevious], previous);
  put(&out[kAtBodyHash], body_hash);
  return out;
}

Result<EntryHeader> EntryHeader::decode(ByteView bytes) {
  if (bytes.size() != kEntryHeaderBytes) return peer_error("bad_header_size", "an entry header has 152 bytes");
  if (bytes[kAtVersion] != kEntryVersion) {
    return peer_error("bad_version", "entry version " + std::to_string(bytes[kAtVersion]) + " is not known here");
  }
  if (bytes[kAtType] < 1 || bytes[kAtType] > 3) {
    return peer_error("bad_log_type", "log type " + std::to_string(bytes[kAtType]) + " is not known here");
  }
  if (load_le16(&bytes[kAtReserved]) != 0) return peer_error("bad_reserved", "the reserved bytes of a header are zero");

  EntryHeader header;
  header.type = static_cast<LogType>(bytes[kAtType]);
  header.body_bytes = load_le32(&bytes[kAtBodySize]);
  header.number = {load_le64(&bytes[kAtNumber])};
  header.epoch = {load_le64(&bytes[kAtEpoch])};
  header.log = get<LogKey>(bytes, kAtLog);
  header.channel = get<ChannelPseudonym>(bytes, kAtChannel);
  header.previous = get<EntryHash>(bytes, kAtPrevious);
  header.body_hash = get<BodyHash>(bytes, kAtBodyHash);
  TOCSIN_TRY(check_fields(header));
  return header;
}

Entry::Entry(ByteView header, ByteView signature, ByteView body) : signature_bytes_(signature.size()) {
  assert(header.size() == kEntryHeaderBytes);
  bytes_.reserve(header.size() + signature.size() + body.size());
  append(bytes_, header);
  append(bytes_, signature);
  append(bytes_, body);
}

EntryView Entry::view() const {
  if (bytes_.empty()) return {};
  const ByteView all(bytes_);
  return {all.first(kEntryHeaderBytes), all.subspan(kEntryHeaderBytes, signature_bytes_),
          all.subspan(kEntryHeaderBytes + signature_bytes_)};
}

BodyHash hash_body(ByteView body) {
  BodyHash out;
  crypto::hash256_into(out.mutable_view(), crypto::kPersonalBody, body);
  return out;
}

EntryHash hash_entry(ByteView header, ByteView signature) {
  assert(header.size() == kEntryHeaderBytes);
  EntryHash out;
  if (organisation(header)) {
    crypto::hash256_into(out.mutable_view(), crypto::kPersonalEntry, header);
  } else if (signature.size() == kSignatureBytes) {
    // Bulk path: one piece on the stack costs less than a streaming hash.
    std::array<std::uint8_t, kEntryHeaderBytes + kSignatureBytes> both;
    std::copy(header.begin(), header.end(), both.begin());
    std::copy(signature.begin(), signature.end(), both.begin() + kEntryHeaderBytes);
    crypto::hash256_into(out.mutable_view(), crypto::kPersonalEntry, both);
  } else {
    out = EntryHash{crypto::hash256(crypto::kPersonalEntry, {header, signature}).bytes()};
  }
  return out;
}

Bytes encode_entry(const EntryView& entry) {
  assert(entry.header.size() == kEntryHeaderBytes);
  assert(entry.signature.size() <= kSignatureFieldBytesMax && entry.body.size() <= kBodyBytesMax);
  Bytes out(kSignatureSizeBytes);
  out.reserve(kSignatureSizeBytes + entry.header.size() + entry.signature.size() + entry.body.size());
  store_le16(out.data(), static_cast<std::uint16_t>(entry.signature.size()));
  append(out, entry.header);
  append(out, entry.signature);
  append(out, entry.body);
  return out;
}

Result<EntryView> decode_entry(ByteView bytes) {
  if (bytes.size() < kSignatureSizeBytes + kEntryHeaderBytes) {
    return peer_error("bad_entry", "an entry has a signature size and a header of 152 bytes");
  }
  const std::size_t signature_bytes = load_le16(bytes.data());
  if (signature_bytes > kSignatureFieldBytesMax) return peer_error("bad_entry", "the signature field is too long");
  const ByteView rest = bytes.subspan(kSignatureSizeBytes + kEntryHeaderBytes);
  if (rest.size() < signature_bytes) return peer_error("bad_entry", "the entry ends inside its signature field");
  const ByteView body = rest.subspan(signature_bytes);
  if (body.size() > kBodyBytesMax) return peer_error("body_too_large", "an entry's body is at most 49152 bytes");
  return EntryView{bytes.subspan(kSignatureSizeBytes, kEntryHeaderBytes), rest.first(signature_bytes), body};
}

}  // namespace tocsin::protocol
