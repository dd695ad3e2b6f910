#include "node/store/format.h"

#include "node/store/codes.h"

namespace tocsin::store {
namespace {

constexpr std::uint8_t kLogFormat = 1;

Error bad_format(std::string detail) { return environment_error(protocol::kStoreFailed, std::move(detail)); }

template <class Fixed>
Fixed fixed_at(ByteView bytes, std::size_t at) {
  return *Fixed::from(bytes.subspan(at, Fixed::kSize));
}

void append_u64(Bytes& out, std::uint64_t value) {
  out.resize(out.size() + 8);
  store_le64(out.data() + out.size() - 8, value);
}

}  // namespace

std::array<std::uint8_t, kEntryPrefixBytes> EntryPrefix::encode() const {
  std::array<std::uint8_t, kEntryPrefixBytes> out{};
  out[0] = static_cast<std::uint8_t>(static_cast<std::uint8_t>(checked) | (sealed ? kFlagSealed : 0));
  store_le16(&out[2], signature_bytes);
  store_le32(&out[4], log);
  return out;
}

Result<EntryPrefix> EntryPrefix::decode(ByteView value) {
  if (value.size() < kEntryPrefixBytes) return bad_format("a stored entry is cut");
  const std::uint8_t checked = value[0] & kFlagChecked;
  if ((value[0] & ~(kFlagChecked | kFlagSealed)) != 0 || checked < 1 || checked > 2 || value[1] != 0) {
    return bad_format("a stored entry has flags that nobody sets");
  }
  return EntryPrefix{static_cast<protocol::Checked>(checked), (value[0] & kFlagSealed) != 0, load_le16(&value[2]),
                     load_le32(&value[4])};
}

std::array<std::uint8_t, kIndexKeyBytes> index_key(LogNumber log, protocol::Number number) {
  std::array<std::uint8_t, kIndexKeyBytes> out;
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(log >> (24 - 8 * i));
  for (std::size_t i = 0; i < 8; ++i) out[4 + i] = static_cast<std::uint8_t>(number.value >> (56 - 8 * i));
  return out;
}

LogNumber index_log(ByteView key) {
  LogNumber out = 0;
  for (std::size_t i = 0; i < 4; ++i) out = out << 8 | key[i];
  return out;
}

protocol::Number index_number(ByteView key) {
  std::uint64_t out = 0;
  for (std::size_t i = 4; i < kIndexKeyBytes; ++i) out = out << 8 | key[i];
  return {out};
}

Result<protocol::EntryView> split_entry(ByteView bytes, std::size_t signature_bytes) {
  const std::size_t fixed = protocol::kEntryHeaderBytes + signature_bytes;
  if (signature_bytes > protocol::kSignatureFieldBytesMax || bytes.size() < fixed ||
      bytes.size() > fixed + protocol::kBodyBytesMax) {
    return bad_format("a stored entry has an impossible size");
  }
  return protocol::EntryView{bytes.first(protocol::kEntryHeaderBytes),
                             bytes.subspan(protocol::kEntryHeaderBytes, signature_bytes), bytes.subspan(fixed)};
}

Bytes encode_log(const protocol::LogRecord& record) {
  // Named one by one, so that a field added to LogRecord does not compile until it is stored too.
  const auto& [log, type, channel, low, head, head_hash, before_low, head_epoch, bytes, frozen] = record;
  Bytes out = {kLogFormat, static_cast<std::uint8_t>(type), frozen, 0};
  out.reserve(kLogRecordBytes);
  append(out, log.view());
  append(out, channel.view());
  append_u64(out, low.value);
  append_u64(out, head.value);
  append(out, head_hash.view());
  append(out, before_low.view());
  append_u64(out, head_epoch.value);
  append_u64(out, bytes);
  out.resize(kLogRecordBytes);
  return out;
}

Result<protocol::LogRecord> decode_log(ByteView bytes) {
  if (bytes.size() != kLogRecordBytes || bytes[0] != kLogFormat || bytes[1] < 1 || bytes[1] > 3) {
    return bad_format("a log record is none of this version");
  }
  protocol::LogRecord record;
  record.type = static_cast<protocol::LogType>(bytes[1]);
  record.frozen = bytes[2];
  record.log = fixed_at<protocol::LogKey>(bytes, 4);
  record.channel = fixed_at<protocol::ChannelPseudonym>(bytes, 36);
  record.low = {load_le64(&bytes[68])};
  record.head = {load_le64(&bytes[76])};
  record.head_hash = fixed_at<protocol::EntryHash>(bytes, 84);
  record.before_low = fixed_at<protocol::EntryHash>(bytes, 116);
  record.head_epoch = {load_le64(&bytes[148])};
  record.bytes = load_le64(&bytes[156]);
  return record;
}

}  // namespace tocsin::store
