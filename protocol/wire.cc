#include "protocol/wire.h"

#include <algorithm>
#include <bit>

namespace tocsin::protocol::wire {
namespace {

// Takes fields off the front of a payload. Reading beyond the end gives zeros and is remembered: one check at the end
// does.
class Cursor {
 public:
  explicit Cursor(ByteView bytes) : rest_(bytes) {}
  std::uint8_t u8() { return take(1) ? data_[0] : std::uint8_t{0}; }
  std::uint16_t u16() { return take(2) ? load_le16(data_) : std::uint16_t{0}; }
  std::uint32_t u32() { return take(4) ? load_le32(data_) : 0; }
  std::uint64_t u64() { return take(8) ? load_le64(data_) : 0; }
  template <class Fixed>
  Fixed fixed() {
    return take(Fixed::kSize) ? *Fixed::from({data_, Fixed::kSize}) : Fixed{};
  }
  ByteView rest() {
    const ByteView out = rest_;
    rest_ = {};
    return out;
  }
  std::size_t left() const { return rest_.size(); }
  void fail() { good_ = false; }
  bool good() const { return good_; }
  bool finished() const { return good_ && rest_.empty(); }

 private:
  bool take(std::size_t n) {
    good_ = good_ && n <= rest_.size();
    if (!good_) return false;
    data_ = rest_.data();
    rest_ = rest_.subspan(n);
    return true;
  }
  ByteView rest_;
  const std::uint8_t* data_ = nullptr;
  bool good_ = true;
};

Error bad(MessageType type) {
  return peer_error(kBadMessage, std::string(rule_of(static_cast<std::uint8_t>(type))->name));
}

std::size_t prefix_bytes(const Prefix& prefix) { return 1 + (prefix.depth + 1u) / 2; }

void put_prefix(FrameWriter& out, const Prefix& prefix) {
  out.put8(prefix.depth);
  out.put(ByteView(prefix.nibbles).first((prefix.depth + 1u) / 2));
}

Prefix take_prefix(Cursor& in) {
  Prefix out;
  out.depth = in.u8();
  for (std::size_t i = 0; i < (out.depth + 1u) / 2 && i < out.nibbles.size(); ++i) out.nibbles[i] = in.u8();
  if (!out.valid()) in.fail();
  return out;
}

void put_leaf(FrameWriter& out, const Leaf& leaf) {
  out.put(leaf.log.view());
  out.put8(static_cast<std::uint8_t>(leaf.type));
  out.put64(leaf.head.value);
  out.put(leaf.hash.view());
}

Leaf take_leaf(Cursor& in) {
  Leaf out;
  out.log = in.fixed<LogKey>();
  const std::uint8_t type = in.u8();
  out.head = {in.u64()};
  out.hash = in.fixed<EntryHash>();
  if (type < 1 || type > 3 || out.head.value == 0) in.fail();
  out.type = static_cast<LogType>(type);
  return out;
}

}  // namespace

bool put(FrameWriter& out, const Hello& hello) {
  if (!out.begin(MessageType::kHello, type_rules()[1].bytes_min)) return false;
  out.put8(hello.minor);
  out.put8(0);
  out.put32(hello.features);
  out.put(hello.sender.view());
  out.put(hello.receiver.view());
  out.put64(hello.org_log_head.value);
  out.put32(hello.prekeys_held);
  out.end();
  return true;
}

Result<Hello> decode_hello(ByteView payload) {
  Cursor in(payload);
  Hello out;
  out.minor = in.u8();
  const std::uint8_t reserved = in.u8();
  out.features = in.u32();
  out.sender = in.fixed<NodeId>();
  out.receiver = in.fixed<NodeId>();
  out.org_log_head = {in.u64()};
  out.prekeys_held = in.u32();
  const bool longer_allowed = out.minor > kWireMinor;
  if (!in.good() || reserved != 0 || (!longer_allowed && !in.finished())) return bad(MessageType::kHello);
  return out;
}

bool put(FrameWriter& out, const Slots& slots) {
  if (!out.begin(MessageType::kSlots, 6 + slots.slots.size() * kSlotBytes)) return false;
  out.put32(slots.round);
  out.put16(static_cast<std::uint16_t>(slots.slots.size()));
  for (const Slot& slot : slots.slots) {
    out.put(slot.token.view());
    out.put(slot.equality.view());
    out.put(slot.seen.view());
  }
  out.end();
  return true;
}

Result<Slots> decode_slots(ByteView payload) {
  Cursor in(payload);
  Slots out;
  out.round = in.u32();
  const std::size_t count = in.u16();
  if (!std::has_single_bit(count) || count < kSlotsMin || count > kSlotsMax || in.left() != count * kSlotBytes) {
    return bad(MessageType::kSlots);
  }
  out.slots.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    out.slots.push_back({in.fixed<Token>(), in.fixed<Equality>(), in.fixed<Seen>()});
  }
  return out;
}

bool put(FrameWriter& out, const FrontierNode& frontier) {
  const bool leaves = frontier.node.children.empty();
  const std::size_t content = leaves ? 1 + frontier.node.leaves.size() * kLeafBytes : 16 * TrieDigest::kSize;
  if (!out.begin(MessageType::kFrontier, 2 + prefix_bytes(frontier.prefix) + 1 + content)) return false;
  out.put16(frontier.slot);
  put_prefix(out, frontier.prefix);
  out.put8(leaves ? 0 : 1);
  if (leaves) out.put8(static_cast<std::uint8_t>(frontier.node.leaves.size()));
  for (const Leaf& leaf : frontier.node.leaves) put_leaf(out, leaf);
  for (const TrieDigest& digest : frontier.node.children) out.put(digest.view());
  out.end();
  return true;
}

Result<FrontierNode> decode_frontier(ByteView payload) {
  Cursor in(payload);
  FrontierNode out;
  out.slot = in.u16();
  out.prefix = take_prefix(in);
  const std::uint8_t kind = in.u8();
  if (kind == 0) {
    const std::size_t count = in.u8();
    if (count > kBucketLeavesMax || in.left() != count * kLeafBytes) return bad(MessageType::kFrontier);
    for (std::size_t i = 0; i < count; ++i) {
      out.node.leaves.push_back(take_leaf(in));
      const std::vector<Leaf>& leaves = out.node.leaves;
      if (!in.good() || !out.prefix.covers(leaves[i].log) || (i > 0 && leaves[i].log <= leaves[i - 1].log)) {
        return bad(MessageType::kFrontier);
      }
    }
  } else {
    if (kind != 1 || out.prefix.depth > 63 || in.left() != 16 * TrieDigest::kSize) return bad(MessageType::kFrontier);
    for (int i = 0; i < 16; ++i) out.node.children.push_back(in.fixed<TrieDigest>());
  }
  if (!in.finished()) return bad(MessageType::kFrontier);
  return out;
}

bool put(FrameWriter& out, const Ask& ask) {
  std::size_t bytes = 2 + 1;
  for (const Prefix& prefix : ask.prefixes) bytes += prefix_bytes(prefix);
  if (!out.begin(MessageType::kAsk, bytes)) return false;
  out.put16(ask.slot);
  out.put8(static_cast<std::uint8_t>(ask.prefixes.size()));
  for (const Prefix& prefix : ask.prefixes) put_prefix(out, prefix);
  out.end();
  return true;
}

Result<Ask> decode_ask(ByteView payload) {
  Cursor in(payload);
  Ask out;
  out.slot = in.u16();
  const std::size_t count = in.u8();
  if (count < 1 || count > kAskPrefixesMax) return bad(MessageType::kAsk);
  for (std::size_t i = 0; i < count && in.good(); ++i) out.prefixes.push_back(take_prefix(in));
  if (!in.finished()) return bad(MessageType::kAsk);
  return out;
}

bool put(FrameWriter& out, const Want& want) {
  if (!out.begin(MessageType::kWant, type_rules()[5].bytes_min)) return false;
  out.put16(want.slot);
  out.put(want.log.view());
  out.put64(want.first.value);
  out.put64(want.last.value);
  out.put64(want.from_epoch.value);
  out.end();
  return true;
}

Result<Want> decode_want(ByteView payload) {
  Cursor in(payload);
  Want out;
  out.slot = in.u16();
  out.log = in.fixed<LogKey>();
  out.first = {in.u64()};
  out.last = {in.u64()};
  out.from_epoch = {in.u64()};
  const bool backwards = out.last.value != 0 && out.last < out.first;
  const bool stop_with_more = out.first.value == 0 && (out.last.value != 0 || out.from_epoch.value != 0);
  if (!in.finished() || backwards || stop_with_more) return bad(MessageType::kWant);
  return out;
}

bool put(FrameWriter& out, const NotHeld& not_held) {
  if (!out.begin(MessageType::kNotHeld, 2 + LogKey::kSize)) return false;
  out.put16(not_held.slot);
  out.put(not_held.log.view());
  out.end();
  return true;
}

Result<NotHeld> decode_not_held(ByteView payload) {
  Cursor in(payload);
  NotHeld out{in.u16(), in.fixed<LogKey>()};
  if (!in.finished()) return bad(MessageType::kNotHeld);
  return out;
}

bool put_credit(FrameWriter& out, std::uint32_t bytes) {
  if (!out.begin(MessageType::kCredit, 4)) return false;
  out.put32(bytes);
  out.end();
  return true;
}

Result<std::uint32_t> decode_credit(ByteView payload) {
  Cursor in(payload);
  const std::uint32_t out = in.u32();
  if (!in.finished() || out == 0) return bad(MessageType::kCredit);
  return out;
}

bool put(FrameWriter& out, const Heads& heads) {
  if (!out.begin(MessageType::kHeads, 4 + heads.leaves.size() * kLeafBytes)) return false;
  out.put16(heads.slot);
  out.put16(static_cast<std::uint16_t>(heads.leaves.size()));
  for (const Leaf& leaf : heads.leaves) put_leaf(out, leaf);
  out.end();
  return true;
}

Result<Heads> decode_heads(ByteView payload) {
  Cursor in(payload);
  Heads out;
  out.slot = in.u16();
  const std::size_t count = in.u16();
  if (count < 1 || count > kHeadsLeavesMax || in.left() != count * kLeafBytes) return bad(MessageType::kHeads);
  out.leaves.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.leaves.push_back(take_leaf(in));
  if (!in.finished()) return bad(MessageType::kHeads);
  return out;
}

bool put(FrameWriter& out, const Receipt& receipt) {
  if (!out.begin(MessageType::kReceipt, 2 + 8 + NodeId::kSize + 8 + receipt.sealed.size())) return false;
  out.put16(receipt.slot);
  out.put64(receipt.epoch.value);
  out.put(receipt.node.view());
  out.put64(receipt.counter);
  out.put(receipt.sealed);
  out.end();
  return true;
}

Result<Receipt> decode_receipt(ByteView payload) {
  Cursor in(payload);
  Receipt out;
  out.slot = in.u16();
  out.epoch = {in.u64()};
  out.node = in.fixed<NodeId>();
  out.counter = in.u64();
  out.sealed = in.rest();
  if (!in.good() || out.sealed.empty()) return bad(MessageType::kReceipt);
  return out;
}

bool put(FrameWriter& out, const Mail& mail) {
  if (!out.begin(MessageType::kMail, 1 + 4 + mail.envelope.size())) return false;
  out.put8(mail.kind);
  out.put32(mail.prekey_month);
  out.put(mail.envelope);
  out.end();
  return true;
}

Result<Mail> decode_mail(ByteView payload) {
  Cursor in(payload);
  Mail out;
  out.kind = in.u8();
  out.prekey_month = in.u32();
  out.envelope = in.rest();
  if (!in.good() || out.kind < 1 || out.envelope.empty()) return bad(MessageType::kMail);
  return out;
}

bool put(FrameWriter& out, const ForkProof& proof) {
  const auto type = proof.with_bodies ? MessageType::kEndProof : MessageType::kForkProof;
  if (!out.begin(type, 2 + proof.proof.size())) return false;
  out.put16(proof.slot);
  out.put(proof.proof);
  out.end();
  return true;
}

Result<ForkProof> decode_fork_proof(ByteView payload) {
  Cursor in(payload);
  ForkProof out;
  out.slot = in.u16();
  out.proof = in.rest();
  if (!in.good() || out.proof.empty()) return bad(MessageType::kForkProof);
  return out;
}

bool put_prekeys(FrameWriter& out, ByteView signed_list) {
  if (!out.begin(MessageType::kPrekeys, signed_list.size())) return false;
  out.put(signed_list);
  out.end();
  return true;
}

bool put_number(FrameWriter& out, MessageType ping_or_pong, std::uint64_t value) {
  if (!out.begin(ping_or_pong, 8)) return false;
  out.put64(value);
  out.end();
  return true;
}

Result<std::uint64_t> decode_number(ByteView payload) {
  Cursor in(payload);
  const std::uint64_t out = in.u64();
  if (!in.finished()) return bad(MessageType::kPing);
  return out;
}

bool put_bye(FrameWriter& out, ByeReason reason) {
  if (!out.begin(MessageType::kBye, 2)) return false;
  out.put16(static_cast<std::uint16_t>(reason));
  out.end();
  return true;
}

Result<ByeReason> decode_bye(ByteView payload) {
  Cursor in(payload);
  const std::uint16_t out = in.u16();
  if (!in.finished()) return bad(MessageType::kBye);
  return static_cast<ByeReason>(out);
}

}  // namespace tocsin::protocol::wire
