// The `entries` message: written straight from the store's memory, read in place.
#include <algorithm>
#include <cassert>

#include "protocol/entry_peek.h"
#include "protocol/erasure.h"
#include "protocol/wire.h"

namespace tocsin::protocol::wire {
namespace {

// Flags of the message.
constexpr std::uint8_t kEnd = 1;
constexpr std::uint8_t kPreviousFollows = 2;
// Flags of an entry.
constexpr std::uint8_t kEpochFollows = 1;
constexpr std::uint8_t kBodyAbsent = 2;
constexpr std::uint8_t kOrderFollows = 4;

// Where flags and count stand in the payload when there is no `previous`; it stands between first epoch and count.
constexpr std::size_t kFlagsAt = 2 + 32 + 1;
constexpr std::size_t kFirstAt = kFlagsAt + 1;
constexpr std::size_t kEpochAt = kFirstAt + 8;
constexpr std::size_t kPreviousAt = kEpochAt + 8;
constexpr std::size_t kCountMax = 0xffff;

Error bad() { return peer_error(kBadMessage, "entries"); }

Epoch peek_epoch(ByteView header) { return {load_le64(&header[16])}; }

bool good_signature_size(LogType type, std::size_t size) {
  if (type != LogType::kOrganisation) return size == kSignatureBytes;
  return size >= kRootSignatureBytes && size <= kSignatureFieldBytesMax && size % kRootSignatureBytes == 0;
}

}  // namespace

// ---- Reading

Result<EntriesReader> EntriesReader::open(ByteView payload) {
  if (payload.size() < kEntriesHeaderBytes) return bad();
  EntriesHeader header;
  header.slot = load_le16(payload.data());
  header.log = *LogKey::from(payload.subspan(2, LogKey::kSize));
  const std::uint8_t type = payload[kFlagsAt - 1];
  const std::uint8_t flags = payload[kFlagsAt];
  if (type < 1 || type > 3 || (flags & ~(kEnd | kPreviousFollows)) != 0) return bad();
  header.type = static_cast<LogType>(type);
  header.end = (flags & kEnd) != 0;
  header.first = {load_le64(&payload[kFirstAt])};
  header.epoch = {load_le64(&payload[kEpochAt])};
  ByteView rest = payload.subspan(kPreviousAt);
  if ((flags & kPreviousFollows) != 0) {
    if (rest.size() < EntryHash::kSize + 2) return bad();
    header.previous = *EntryHash::from(rest.first(EntryHash::kSize));
    rest = rest.subspan(EntryHash::kSize);
  }
  header.count = load_le16(rest.data());
  rest = rest.subspan(2);
  const bool has_epoch = header.count > 0 && header.type != LogType::kOrganisation;
  if (has_epoch != (header.epoch.value > 0)) return bad();
  if (header.count == 0 && (!header.end || header.previous || !rest.empty())) return bad();
  if (header.first.value == 0 || header.first.value > ~std::uint64_t{0} - kCountMax) return bad();
  // A first entry follows nothing, a later one follows something.
  if (header.previous && (header.first.value == 1 || header.previous->is_zero())) return bad();
  return EntriesReader(header, rest);
}

Result<WireEntry> EntriesReader::next() {
  assert(taken_ < header_.count);
  const bool organisation = header_.type == LogType::kOrganisation;
  std::size_t fixed = 1 + 2 + (organisation ? 2 : 0);
  if (rest_.size() < fixed) return bad();
  const std::uint8_t flags = rest_[0];
  WireEntry out;
  out.body_bytes = load_le16(&rest_[1]);
  const std::size_t signature_bytes = organisation ? load_le16(&rest_[3]) : kSignatureBytes;
  out.absent = (flags & kBodyAbsent) != 0;
  const bool epoch_follows = (flags & kEpochFollows) != 0;
  const bool order_follows = (flags & kOrderFollows) != 0;
  if ((flags & ~(kEpochFollows | kBodyAbsent | kOrderFollows)) != 0 || (organisation && epoch_follows)) return bad();
  if (order_follows && (!out.absent || header_.type != LogType::kFeed)) return bad();
  if (out.body_bytes > kBodyBytesMax || !good_signature_size(header_.type, signature_bytes)) return bad();
  if (out.absent && out.body_bytes == 0) return bad();

  const std::size_t variable =
      signature_bytes + (epoch_follows ? 8 : 0) + (out.absent ? BodyHash::kSize : out.body_bytes);
  if (rest_.size() - fixed < variable) return bad();
  out.signature = rest_.subspan(fixed, signature_bytes);
  rest_ = rest_.subspan(fixed + signature_bytes);
  if (epoch_follows) {
    const Epoch epoch{load_le64(rest_.data())};
    if (epoch <= epoch_) return bad();  // given only where it rises
    epoch_ = epoch;
    rest_ = rest_.subspan(8);
  }
  out.epoch = epoch_;
  const std::size_t body_bytes = out.absent ? BodyHash::kSize : out.body_bytes;
  (out.absent ? out.body_hash : out.body) = rest_.first(body_bytes);
  rest_ = rest_.subspan(body_bytes);
  if (order_follows) {
    const std::size_t order_bytes = rest_.size() < 2 ? 0 : load_le16(rest_.data());
    if (order_bytes == 0 || order_bytes > kErasureOrderBytesMax || rest_.size() - 2 < order_bytes) return bad();
    out.order = rest_.subspan(2, order_bytes);
    rest_ = rest_.subspan(2 + order_bytes);
  }
  if (++taken_ == header_.count && !rest_.empty()) return bad();
  return out;
}

// ---- Writing

EntriesWriter::EntriesWriter(FrameWriter& out, std::uint16_t slot, const LogKey& log, LogType type, Number expected,
                             bool with_previous, std::size_t payload_max)
    : out_(out), slot_(slot), log_(log), type_(type), with_previous_(with_previous), next_(expected) {
  const std::size_t most = std::min(out.room(), payload_max);
  if (most < kEntriesHeaderBytes + EntryHash::kSize || !out.begin(MessageType::kEntries, most)) return;
  start_ = out.position();
  limit_ = start_ + most;
  began_ = true;
}

void EntriesWriter::put_header(Number first, Epoch epoch, const ByteView* previous) {
  out_.put16(slot_);
  out_.put(log_.view());
  out_.put8(static_cast<std::uint8_t>(type_));
  out_.put8(previous != nullptr ? kPreviousFollows : 0);
  out_.put64(first.value);
  out_.put64(epoch.value);
  if (previous != nullptr) out_.put(*previous);
  out_.put16(0);
  with_previous_ = previous != nullptr;
  epoch_ = epoch;
}

bool EntriesWriter::add(const EntryView& entry, ByteView order) {
  assert(order.size() <= kErasureOrderBytesMax);
  if (count_ == kCountMax) return false;
  const Epoch epoch = peek_epoch(entry.header);
  const bool organisation = type_ == LogType::kOrganisation;
  const bool absent = body_absent(entry);
  const bool epoch_follows = count_ > 0 && epoch != epoch_;
  std::size_t bytes = 1 + 2 + (organisation ? 2 : 0) + entry.signature.size() + (epoch_follows ? 8 : 0) +
                      (absent ? BodyHash::kSize : entry.body.size());
  const bool with_order = absent && !order.empty() && type_ == LogType::kFeed;
  if (with_order) bytes += 2 + order.size();
  if (count_ == 0) bytes += kEntriesHeaderBytes + EntryHash::kSize;
  if (bytes > limit_ - out_.position()) return false;
  if (count_ == 0) {
    const Number first = peek_number(entry.header);
    const ByteView previous = peek_previous(entry.header);
    const bool give = first.value > 1 && (with_previous_ || first != next_);
    put_header(first, epoch, give ? &previous : nullptr);
    next_ = first;
  }
  assert(peek_number(entry.header) == next_);
  out_.put8(static_cast<std::uint8_t>((epoch_follows ? kEpochFollows : 0) | (absent ? kBodyAbsent : 0) |
                                      (with_order ? kOrderFollows : 0)));
  out_.put16(static_cast<std::uint16_t>(peek_body_bytes(entry.header)));
  if (organisation) out_.put16(static_cast<std::uint16_t>(entry.signature.size()));
  out_.put(entry.signature);
  if (epoch_follows) out_.put64(epoch.value);
  out_.put(absent ? peek_body_hash(entry.header) : entry.body);
  if (with_order) {
    out_.put16(static_cast<std::uint16_t>(order.size()));
    out_.put(order);
  }
  epoch_ = epoch;
  next_ = next_.next();
  ++count_;
  return true;
}

std::size_t EntriesWriter::finish(bool end) {
  if (!began_) return 0;
  if (count_ == 0) {
    if (!end) {
      out_.abandon();
      return 0;
    }
    put_header(next_, {0}, nullptr);
  }
  if (end) *out_.at(start_ + kFlagsAt) |= kEnd;
  store_le16(out_.at(start_ + kPreviousAt + (with_previous_ ? EntryHash::kSize : 0)), count_);
  out_.end();
  return kMessageHeaderBytes + out_.position() - start_;
}

}  // namespace tocsin::protocol::wire
