#include <algorithm>
#include <cassert>
#include <cstring>

#include "crypto/padme.h"
#include "protocol/wire.h"

namespace tocsin::protocol {

std::string_view to_string(ByeReason reason) {
  static constexpr std::array<std::string_view, 10> kNames = {"done",         "bad_message", "bad_entry", "wrong_node",
                                                              "unknown_peer", "too_much",    "busy",      "renewed",
                                                              "stopping",     "revoked"};
  const auto index = static_cast<std::size_t>(reason);
  return index < kNames.size() ? kNames[index] : "unknown";
}

namespace wire {
namespace {

constexpr std::size_t kPrefixBytesMax = 1 + 32;
constexpr std::size_t kAskBytesMax = 2 + 1 + kAskPrefixesMax * kPrefixBytesMax;
constexpr std::size_t kFrontierBytesMax = 2 + kPrefixBytesMax + 2 + kBucketLeavesMax * kLeafBytes;
constexpr std::size_t kWantBytes = 2 + 32 + 8 + 8 + 8;
constexpr std::size_t kHelloBytes = 1 + 1 + 4 + 32 + 32 + 8 + 4;
constexpr std::size_t kHelloBytesMax = 1024;  // later minor versions may add fields behind
constexpr std::size_t kReceiptBytesMin = 2 + 8 + 32 + 8 + 1;
constexpr std::size_t kPrekeysBytesMin = 64 + 8;
constexpr std::size_t kPrekeysBytesMax = 2048;  // twelve keys take 560

// Twice: size, header, signature field of one root or of as many as there may be.
constexpr std::size_t kForkProofBytesMin = 2 + 2 * (2 + 2 + kEntryHeaderBytes + kSignatureBytes);
constexpr std::size_t kForkProofBytesMax = 2 + 2 * (2 + 2 + kEntryHeaderBytes + kSignatureFieldBytesMax);
constexpr std::size_t kEndProofBytesMax = kForkProofBytesMax + 2 * kRotationBytesMax;

constexpr std::size_t kRequiredTypes = 16;  // 0 to 15
constexpr std::array<TypeRule, kRequiredTypes + 2> kRules = {{
    {MessageType::kPadding, "padding", 0, kPayloadBytesMax},
    {MessageType::kHello, "hello", kHelloBytes, kHelloBytesMax},
    {MessageType::kSlots, "slots", 6 + kSlotsMin* kSlotBytes, 6 + kSlotsMax* kSlotBytes},
    {MessageType::kFrontier, "frontier", 2 + 1 + 2, kFrontierBytesMax},
    {MessageType::kAsk, "ask", 2 + 1 + 1, kAskBytesMax},
    {MessageType::kWant, "want", kWantBytes, kWantBytes},
    {MessageType::kEntries, "entries", kEntriesHeaderBytes, kPayloadBytesMax},
    {MessageType::kNotHeld, "not held", 34, 34},
    {MessageType::kCredit, "credit", 4, 4},
    {MessageType::kHeads, "heads", 4 + kLeafBytes, 4 + kHeadsLeavesMax* kLeafBytes},
    {MessageType::kReceipt, "receipt", kReceiptBytesMin, kPayloadBytesMax},
    {MessageType::kMail, "mail", 6, kPayloadBytesMax},
    {MessageType::kPrekeys, "prekeys", kPrekeysBytesMin, kPrekeysBytesMax},
    {MessageType::kPing, "ping", 8, 8},
    {MessageType::kPong, "pong", 8, 8},
    {MessageType::kBye, "bye", 2, 2},
    {MessageType::kForkProof, "fork proof", kForkProofBytesMin, kForkProofBytesMax},
    {MessageType::kEndProof, "end proof", kForkProofBytesMin, kEndProofBytesMax},
}};

std::size_t load_size(const std::uint8_t* from) {
  return from[0] | static_cast<std::size_t>(from[1]) << 8 | static_cast<std::size_t>(from[2]) << 16;
}

}  // namespace

std::span<const TypeRule> type_rules() { return kRules; }

const TypeRule* rule_of(std::uint8_t type) {
  if (type < kRequiredTypes) return &kRules[type];
  const std::size_t at = kRequiredTypes + type - std::min<std::size_t>(type, kIgnorableFrom);
  return type >= kIgnorableFrom && at < kRules.size() ? &kRules[at] : nullptr;
}

Result<std::optional<Message>> FrameReader::next() {
  if (whole_.empty()) return peer_error(kBadFrame, "an empty frame");
  while (!rest_.empty()) {
    if (rest_.size() < kMessageHeaderBytes) return peer_error(kBadFrame, "the frame ends inside a message");
    const std::uint8_t type = rest_[0];
    const std::size_t size = load_size(&rest_[1]);
    if (size > rest_.size() - kMessageHeaderBytes) return peer_error(kBadFrame, "the frame ends inside a message");
    const ByteView payload = rest_.subspan(kMessageHeaderBytes, size);
    rest_ = rest_.subspan(kMessageHeaderBytes + size);
    const TypeRule* known = rule_of(type);
    if (known == nullptr) {
      if (type < kIgnorableFrom) return peer_error(kUnknownMessage);
      continue;
    }
    const TypeRule& rule = *known;
    if (size < rule.bytes_min || size > rule.bytes_max) return peer_error(kBadMessage, std::string(rule.name));
    if (rule.type != MessageType::kPadding) return std::optional<Message>{{rule.type, payload}};
    if (std::any_of(payload.begin(), payload.end(), [](std::uint8_t b) { return b != 0; })) {
      return peer_error(kBadMessage, "padding");  // else it would be a channel beside the protocol
    }
  }
  return std::optional<Message>{};
}

FrameWriter::FrameWriter(Bytes& out) : out_(out) { out_.resize(kFrameBytesMax); }

std::size_t FrameWriter::room() const {
  const std::size_t left = kFrameBytesMax - used_;
  return left > kMessageHeaderBytes ? left - kMessageHeaderBytes : 0;
}

bool FrameWriter::begin(MessageType type, std::size_t bytes) {
  if (bytes > room() || room() == 0) return false;
  begun_ = used_;
  put8(static_cast<std::uint8_t>(type));
  used_ += 3;
  return true;
}

void FrameWriter::put16(std::uint16_t v) {
  store_le16(&out_[used_], v);
  used_ += 2;
}
void FrameWriter::put32(std::uint32_t v) {
  store_le32(&out_[used_], v);
  used_ += 4;
}
void FrameWriter::put64(std::uint64_t v) {
  store_le64(&out_[used_], v);
  used_ += 8;
}
void FrameWriter::put(ByteView bytes) {
  assert(bytes.size() <= out_.size() - used_);
  if (bytes.empty()) return;
  std::memcpy(&out_[used_], bytes.data(), bytes.size());
  used_ += bytes.size();
}

void FrameWriter::end() {
  const std::size_t size = used_ - begun_ - kMessageHeaderBytes;
  assert(used_ <= kFrameBytesMax);
  for (int i = 0; i < 3; ++i) out_[begun_ + 1 + i] = static_cast<std::uint8_t>(size >> (8 * i));
}

// A gap of one to three bytes has no room for the header of a padding message: then up to the length after it.
void FrameWriter::finish() {
  const auto target_of = [](std::size_t size) { return std::min(crypto::padme(size), kFrameBytesMax); };
  std::size_t target = target_of(used_);
  if (target != used_ && target - used_ < kMessageHeaderBytes) {
    const std::size_t with_header = used_ + kMessageHeaderBytes;
    target = with_header <= kFrameBytesMax ? target_of(with_header) : used_;
  }
  if (used_ != 0 && target != used_) {
    // By hand: where a header fits and nothing more, there is no room for any other message.
    begun_ = used_;
    out_[used_] = static_cast<std::uint8_t>(MessageType::kPadding);
    std::fill(out_.begin() + static_cast<std::ptrdiff_t>(used_ + 1), out_.begin() + static_cast<std::ptrdiff_t>(target),
              std::uint8_t{0});
    used_ = target;
    end();
  }
  out_.resize(used_);
}

}  // namespace wire
}  // namespace tocsin::protocol
