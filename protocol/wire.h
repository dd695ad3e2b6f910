// Messages inside frames (docs/protocol.md, section 9): the one table of types and of reasons, encoding and decoding.
// Views into frames, no allocation for what comes in bulk. Whether a message makes sense where it comes is the
// session's affair; whether it is well formed, this file's.
//
// Every decode_* takes the payload of one message and gives bad_message (peer) for anything but the one right encoding.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "crypto/bytes.h"
#include "crypto/result.h"
#include "protocol/frontier.h"
#include "protocol/ids.h"
#include "protocol/limits.h"

namespace tocsin::protocol {

// ---- Reasons of `bye`, section 10 ----

enum class ByeReason : std::uint16_t {
  kDone = 0,
  kBadMessage = 1,
  kBadEntry = 2,
  kWrongNode = 3,
  kUnknownPeer = 4,
  kTooMuch = 5,
  kBusy = 6,
  kRenewed = 7,
  kStopping = 8,
  kRevoked = 9
};
std::string_view to_string(ByeReason reason);  // "done", …; "unknown" for one of a later version

namespace wire {

inline constexpr Code kBadFrame{"bad_frame"};      // empty, or a message goes beyond its end
inline constexpr Code kBadMessage{"bad_message"};  // size or content is not what the document says
inline constexpr Code kUnknownMessage{
    "unknown_message"};  // a type below kIgnorableFrom that this version does not know

// ---- Types ----

enum class MessageType : std::uint8_t {
  kPadding = 0,
  kHello = 1,
  kSlots = 2,
  kFrontier = 3,
  kAsk = 4,
  kWant = 5,
  kEntries = 6,
  kNotHeld = 7,
  kCredit = 8,
  kHeads = 9,
  kReceipt = 10,
  kMail = 11,
  kPrekeys = 12,
  kPing = 13,
  kPong = 14,
  kBye = 15,
  // Skipped by who does not know them.
  kForkProof = 64,
  kEndProof = 65
};
// Types from here on that are not known are skipped: a later minor version may add what an older one can do without.
inline constexpr std::uint8_t kIgnorableFrom = 64;

struct TypeRule {
  MessageType type;
  std::string_view name;
  std::size_t bytes_min;  // of the payload; checked before anything in it is looked at
  std::size_t bytes_max;
};
inline constexpr std::size_t kMessageHeaderBytes = 4;  // u8 type ‖ 3-byte size
inline constexpr std::size_t kPayloadBytesMax = kFrameBytesMax - kMessageHeaderBytes;
// By type, without a gap; those that may be skipped are behind.
std::span<const TypeRule> type_rules();
// Null: this version does not know it.
const TypeRule* rule_of(std::uint8_t type);

// ---- Frames ----

struct Message {
  MessageType type;
  ByteView payload;  // into the frame
};

class FrameReader {
 public:
  explicit FrameReader(ByteView frame) : rest_(frame), whole_(frame) {}
  // The next message, or nothing at the end. Padding is checked and skipped, and so are ignorable types. Errors (peer):
  // bad_frame, unknown_message, bad_message (size outside the table, padding that is not zero).
  Result<std::optional<Message>> next();

 private:
  ByteView rest_;
  ByteView whole_;
};

// Builds one frame in a buffer of the caller's. Messages are put whole or not at all.
class FrameWriter {
 public:
  // Replaces `out`; it is as large as a frame may be until finish().
  explicit FrameWriter(Bytes& out);
  bool empty() const { return used_ == 0; }
  // Payload bytes that one more message may have; 0 when not even a header fits.
  std::size_t room() const;
  // Begins a message of at most `bytes` payload; false, and nothing is begun, when there is no room for it.
  bool begin(MessageType type, std::size_t bytes);
  // Between begin and end. The caller keeps to the bytes that it named.
  void put8(std::uint8_t v) { out_[used_++] = v; }
  void put16(std::uint16_t v);
  void put32(std::uint32_t v);
  void put64(std::uint64_t v);
  void put(ByteView bytes);
  std::size_t position() const { return used_; }
  std::uint8_t* at(std::size_t position) { return out_.data() + position; }
  void end();
  void abandon() { used_ = begun_; }  // instead of end
  // Adds padding (docs/protocol.md: to Padmé length) and cuts the buffer to the frame. Nothing when no message was put.
  void finish();

 private:
  Bytes& out_;
  std::size_t used_ = 0;
  std::size_t begun_ = 0;  // of the message at hand
};

// ---- Messages ----

inline constexpr std::uint16_t kNoChannel = 0xffff;  // slot: the organisation log of either side
inline constexpr std::uint8_t kWireMinor = 0;
// Hello: understands the order that stands beside an entry without its body.
inline constexpr std::uint32_t kFeatureOrders = 1;
inline constexpr std::size_t kSlotsMin = 8;
inline constexpr std::size_t kSlotsMax = 512;  // power of two that holds kChannelsMax with as many random ones
inline constexpr std::size_t kTokenBytes = 16;
inline constexpr std::size_t kEqualityBytes = 12;
inline constexpr std::size_t kSeenBytes = 4;
inline constexpr std::size_t kSlotBytes = kTokenBytes + kEqualityBytes + kSeenBytes;
inline constexpr std::size_t kAskPrefixesMax = 64;

using Token = FixedBytes<struct TokenTag, kTokenBytes>;
using Equality = FixedBytes<struct EqualityTag, kEqualityBytes>;
using Seen = FixedBytes<struct SeenTag, kSeenBytes>;

struct Hello {
  std::uint8_t minor = kWireMinor;
  std::uint32_t features = kFeatureOrders;
  NodeId sender;
  NodeId receiver;
  Number org_log_head;             // of the sender's organisation
  std::uint32_t prekeys_held = 0;  // first month of the receiver's prekey list that the sender holds; 0: none
};
bool put(FrameWriter& out, const Hello& hello);
Result<Hello> decode_hello(ByteView payload);

struct Slot {
  Token token;
  Equality equality;
  Seen seen;
};
struct Slots {
  std::uint32_t round = 0;
  std::vector<Slot> slots;  // a power of two of them
};
bool put(FrameWriter& out, const Slots& slots);
Result<Slots> decode_slots(ByteView payload);

struct FrontierNode {
  std::uint16_t slot = 0;
  Prefix prefix;
  Frontier::Node node;
};
bool put(FrameWriter& out, const FrontierNode& frontier);
Result<FrontierNode> decode_frontier(ByteView payload);

struct Ask {
  std::uint16_t slot = 0;
  std::vector<Prefix> prefixes;  // 1 to 64
};
bool put(FrameWriter& out, const Ask& ask);
Result<Ask> decode_ask(ByteView payload);

struct Want {
  std::uint16_t slot = 0;
  LogKey log;
  Number first;      // 0: the answer to the want before is not wanted any more
  Number last;       // 0: up to the head
  Epoch from_epoch;  // 0: any
};
bool put(FrameWriter& out, const Want& want);
Result<Want> decode_want(ByteView payload);

struct NotHeld {
  std::uint16_t slot = 0;  // as in the question
  LogKey log;              // as in the `want`; zero when an `ask` is answered
};
bool put(FrameWriter& out, const NotHeld& not_held);
Result<NotHeld> decode_not_held(ByteView payload);

bool put_credit(FrameWriter& out, std::uint32_t bytes);
Result<std::uint32_t> decode_credit(ByteView payload);

struct Heads {
  std::uint16_t slot = 0;
  std::vector<Leaf> leaves;  // at least one
};
inline constexpr std::size_t kHeadsLeavesMax = 512;  // of one message, so that others fit beside it
bool put(FrameWriter& out, const Heads& heads);
Result<Heads> decode_heads(ByteView payload);

struct Receipt {
  std::uint16_t slot = 0;
  Epoch epoch;
  NodeId node;
  std::uint64_t counter = 0;
  ByteView sealed;
};
bool put(FrameWriter& out, const Receipt& receipt);
Result<Receipt> decode_receipt(ByteView payload);

struct Mail {
  std::uint8_t kind = 0;
  std::uint32_t prekey_month = 0;
  ByteView envelope;
};
bool put(FrameWriter& out, const Mail& mail);
Result<Mail> decode_mail(ByteView payload);

struct ForkProof {
  std::uint16_t slot = 0;
  ByteView proof;            // Replica::fork_proof
  bool with_bodies = false;  // it goes as an end proof: two rotations that ended an organisation
};
bool put(FrameWriter& out, const ForkProof& proof);
Result<ForkProof> decode_fork_proof(ByteView payload);

bool put_prekeys(FrameWriter& out, ByteView signed_list);
bool put_number(FrameWriter& out, MessageType ping_or_pong, std::uint64_t value);
Result<std::uint64_t> decode_number(ByteView payload);
bool put_bye(FrameWriter& out, ByeReason reason);
Result<ByeReason> decode_bye(ByteView payload);  // a reason of a later version is given as it is

// ---- Entries ----

struct EntriesHeader {
  std::uint16_t slot = 0;
  LogKey log;
  LogType type = LogType::kFeed;
  bool end = false;  // of this answer
  Number first;
  Epoch epoch;  // of the first; 0 in organisation logs and when there is no entry
  std::optional<EntryHash> previous;
  std::uint16_t count = 0;
};
struct WireEntry {
  ByteView signature;
  Epoch epoch;
  bool absent = false;  // body not given: its hash and size instead
  ByteView body;
  ByteView body_hash;            // 32 bytes when absent
  ByteView order;                // signed order that had the body erased (erasure.h), when absent; may be empty
  std::uint32_t body_bytes = 0;  // as the header has it
};

// Reads one `entries` message in place.
class EntriesReader {
 public:
  static Result<EntriesReader> open(ByteView payload);
  const EntriesHeader& header() const { return header_; }
  // Exactly header().count times. Error (peer): bad_message; also when bytes are left behind the last.
  Result<WireEntry> next();

 private:
  EntriesReader(const EntriesHeader& header, ByteView rest) : header_(header), rest_(rest), epoch_(header.epoch) {}
  EntriesHeader header_;
  ByteView rest_;
  Epoch epoch_;
  std::uint16_t taken_ = 0;
};

// Puts entries of one log into a frame, as one message, until one does not fit.
class EntriesWriter {
 public:
  // `payload_max` bounds the payload beside the frame's room. `expected` is the number that the receiver takes for
  // granted: when the first entry has another, or `with_previous` is set, its `previous` is sent along. Look at began()
  // before anything else.
  EntriesWriter(FrameWriter& out, std::uint16_t slot, const LogKey& log, LogType type, Number expected,
                bool with_previous, std::size_t payload_max);
  bool began() const { return began_; }
  // False: it does not fit, nothing was put. `entry` is of the log, with the number after the last one put. `order`
  // goes along with an entry without its body.
  bool add(const EntryView& entry, ByteView order = {});
  std::uint16_t count() const { return count_; }
  Number next() const { return next_; }
  // `end`: of the answer. With neither an entry nor the end the message is taken back. Returns its whole size with the
  // message header, or 0.
  std::size_t finish(bool end);

 private:
  void put_header(Number first, Epoch epoch, const ByteView* previous);
  FrameWriter& out_;
  std::uint16_t slot_;
  LogKey log_;
  LogType type_;
  bool with_previous_;
  std::size_t start_ = 0;  // of the payload
  std::size_t limit_ = 0;  // position that it may not pass
  bool began_ = false;
  std::uint16_t count_ = 0;
  Number next_;
  Epoch epoch_;
};
// Payload of an `entries` message without an entry, and of one without an entry but with `previous`.
inline constexpr std::size_t kEntriesHeaderBytes = 2 + 32 + 1 + 1 + 8 + 8 + 2;

}  // namespace wire
}  // namespace tocsin::protocol
