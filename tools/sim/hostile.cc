#include "tools/sim/hostile.h"

#include "crypto/random.h"
#include "protocol/entry_peek.h"
#include "protocol/wire.h"

namespace tocsin::sim {
namespace {

using namespace protocol;

constexpr double kBodyKeptBack = 0.2;
constexpr double kMessageKeptBack = 0.1;  // of entries
constexpr double kSaidTwice = 0.01;       // of a frame
constexpr double kBitFlipped = 0.003;
constexpr double kMadeUp = 0.01;
constexpr std::size_t kKept = 64;

void put(wire::FrameWriter& out, wire::MessageType type, ByteView payload) {
  if (!out.begin(type, payload.size())) return;
  out.put(payload);
  out.end();
}

// The messages of a frame as `each` wants them; false: none is left.
template <class Each>
bool rebuild(Bytes& frame, Each each) {
  Bytes out;
  wire::FrameWriter writer(out);
  wire::FrameReader reader(frame);
  for (auto message = reader.next(); message && *message; message = reader.next()) each(writer, **message);
  if (writer.empty()) return false;
  writer.finish();
  frame = std::move(out);
  return true;
}

bool worth_repeating(wire::MessageType type) {
  using enum wire::MessageType;
  return type == kEntries || type == kMail || type == kReceipt || type == kHeads || type == kFrontier || type == kSlots;
}

}  // namespace

Result<void> LyingStore::read(const LogKey& log, Number from, Number to, std::size_t bytes_max,
                              const EntryVisitor& visit) {
  if (random_ == nullptr) return truth_.read(log, from, to, bytes_max, visit);
  return truth_.read(log, from, to, bytes_max, [&](const StoredEntry& stored) {
    const bool feed = stored.entry.header[1] == static_cast<std::uint8_t>(LogType::kFeed);
    if (!feed || !random_->chance(kBodyKeptBack)) return visit(stored);
    StoredEntry without = stored;
    without.entry.body = {};
    without.body_erased = true;
    return visit(without);
  });
}

bool Mischief::hear(Bytes& frame) const {
  if (!deaf) return true;
  return rebuild(frame, [](wire::FrameWriter& out, const wire::Message& message) {
    if (message.type != wire::MessageType::kMail) put(out, message.type, message.payload);
  });
}

void Mischief::alter(Bytes& frame) {
  const bool loud = !quiet;
  const bool left = rebuild(frame, [&](wire::FrameWriter& out, const wire::Message& message) {
    using enum wire::MessageType;
    const bool kept_back = message.type == kForkProof || (message.type == kEntries && random_.chance(kMessageKeptBack));
    if (kept_back) return void(++acts);
    Bytes payload = to_bytes(message.payload);
    if (loud && !payload.empty() && random_.chance(kBitFlipped)) {
      payload[random_.below(payload.size())] ^= static_cast<std::uint8_t>(1u << random_.below(8));
      ++acts;
    }
    put(out, message.type, payload);
    if (!worth_repeating(message.type)) return;
    said_.push_back({static_cast<std::uint8_t>(message.type), std::move(payload)});
    if (said_.size() > kKept) said_.pop_front();
  });
  if (!left) {
    frame.clear();  // the owner sends nothing
    return;
  }
  const bool twice = loud && !said_.empty() && random_.chance(kSaidTwice);
  const bool made_up = loud && random_.chance(kMadeUp);
  if (!twice && !made_up) return;
  ++acts;
  (void)rebuild(frame, [&, first = true](wire::FrameWriter& out, const wire::Message& message) mutable {
    put(out, message.type, message.payload);
    if (!std::exchange(first, false)) return;
    if (twice) {
      const auto& old = said_[random_.below(said_.size())];
      put(out, static_cast<wire::MessageType>(old.type), old.payload);
    }
    if (!made_up) return;
    wire::Heads heads;
    heads.slot = static_cast<std::uint16_t>(random_.below(8));
    for (std::uint64_t i = random_.below(20); i <= 20; ++i) {
      Leaf leaf;
      leaf.log = crypto::random_fixed<LogKey>(random_);
      leaf.type = LogType::kFeed;
      leaf.head = {1 + random_.below(1000)};
      leaf.hash = crypto::random_fixed<EntryHash>(random_);
      heads.leaves.push_back(leaf);
    }
    (void)wire::put(out, heads);
  });
}

}  // namespace tocsin::sim
