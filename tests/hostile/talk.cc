#include "tests/hostile/talk.h"

#include "protocol/entry_peek.h"
#include "tools/founding/must.h"

namespace tocsin::hostile {

using namespace protocol;
using tools::must;
using tools::RawLink;
using wire::FrameWriter;
using wire::MessageType;

namespace {

constexpr int kQuietMs = 200;         // nothing came for so long: ask whether it is done
constexpr int kQuietRoundsMax = 100;  // then it will say nothing more

LogType type_of(const Entry& entry) { return static_cast<LogType>(entry.view().header[1]); }

}  // namespace

Talk::Talk(HostileHome& home, const Target& target) : home_(home), target_(target) {
  const auto peer = home.peer(target.node);
  const auto log_end = home.replica().own_log_end(kHandshakeBytesMax / 2);
  auto link = RawLink::connect(home.secrets(), peer.transport, home.replica().network(), log_end, target.address,
                               home.random());
  if (link) link_.emplace(std::move(*link));
}

wire::Slots Talk::slots(const std::vector<ChannelId>& channels, std::uint32_t round) {
  wire::Slots out{round, std::vector<wire::Slot>(wire::kSlotsMin)};
  for (auto& slot : out.slots)
    slot = {crypto::random_fixed<wire::Token>(home_.random()), crypto::random_fixed<wire::Equality>(home_.random()),
            crypto::random_fixed<wire::Seen>(home_.random())};
  for (std::size_t i = 0; link_ && i < channels.size(); ++i)
    out.slots[i].token = tools::token_of(channels[i], link_->handshake_hash(), LinkRole::kInitiator, round);
  return out;
}

void Talk::open(const std::vector<ChannelId>& channels) {
  channels_ = channels;
  wire::Hello hello;
  hello.sender = home_.replica().own_node();
  hello.receiver = target_.node;
  hello.org_log_head = home_.replica().own_org().head();
  hello.prekeys_held = 0xffffffff;
  say([&](FrameWriter& out) {
    wire::put(out, hello);
    wire::put(out, slots(channels, 0));
  });
}

void Talk::say(const std::function<void(FrameWriter&)>& put) {
  if (!is_open()) return;
  Bytes frame;
  FrameWriter writer(frame);
  put(writer);
  writer.finish();
  // Whatever it said before it closed is still there to be read.
  if (!link_->send(frame)) {
    while (read(kQuietMs) == Got::kFrame) {
    }
    closed_ = true;
  }
}

void Talk::offer(std::uint16_t slot, const std::vector<Entry>& entries, std::optional<Leaf> leaf) {
  const EntryView last = entries.back().view();
  const auto log = *LogKey::from(peek_log(last.header));
  for (const Entry& entry : entries) made_[log].insert_or_assign(peek_number(entry.view().header).value, entry);
  slot_of_[log] = slot;
  const Leaf named = leaf.value_or(
      Leaf{log, type_of(entries.back()), peek_number(last.header), hash_entry(last.header, last.signature)});
  say([&](FrameWriter& out) { wire::put(out, wire::Heads{slot, {named}}); });
}

void Talk::offer_held(std::uint16_t slot, const LogKey& log) {
  const auto record = home_.replica().log_record(log);
  if (!record) tools::fail("the home holds no such log");
  slot_of_[log] = slot;
  say([&](FrameWriter& out) {
    wire::put(out, wire::Heads{slot, {{log, record->type, record->head, record->head_hash}}});
  });
}

void Talk::push(std::uint16_t slot, const std::vector<Entry>& entries) {
  const EntryView first = entries.front().view();
  say([&](FrameWriter& out) {
    wire::EntriesWriter writer(out, slot, *LogKey::from(peek_log(first.header)), type_of(entries.front()),
                               peek_number(first.header), peek_number(first.header).value > 1, wire::kPayloadBytesMax);
    for (const Entry& entry : entries)
      if (!writer.add(entry.view())) break;
    given_ += writer.count();
    writer.finish(true);
  });
}

std::optional<Entry> Talk::find(const LogKey& log, std::uint64_t number) {
  if (const auto of = made_.find(log); of != made_.end())
    if (const auto at = of->second.find(number); at != of->second.end()) return at->second;
  auto held = home_.replica().read_entry(log, {number});
  if (!held) return std::nullopt;
  return std::move(*held);
}

void Talk::answer(const wire::Want& want) {
  if (want.first.value == 0) return;
  ++asked_;
  const auto slot = slot_of_.find(want.log);
  std::vector<Entry> entries;
  for (std::uint64_t number = want.first.value; want.last.value == 0 || number <= want.last.value; ++number) {
    auto entry = find(want.log, number);
    if (!entry) break;
    if (entries.empty() && Epoch{load_le64(&entry->view().header[16])} < want.from_epoch) continue;
    entries.push_back(std::move(*entry));
  }
  if (entries.empty()) return say([&](FrameWriter& out) { wire::put(out, wire::NotHeld{want.slot, want.log}); });
  const std::uint16_t through = want.slot == wire::kNoChannel ? wire::kNoChannel
                                : slot == slot_of_.end()      ? std::uint16_t{0}
                                                              : slot->second;
  bool single = want.first == want.last && want.first.value > 1;
  Number expected = want.first;
  for (std::size_t at = 0; at < entries.size() && is_open();) {
    say([&](FrameWriter& out) {
      wire::EntriesWriter writer(out, through, want.log, type_of(entries.front()), expected, single,
                                 wire::kPayloadBytesMax);
      while (at < entries.size() && writer.add(entries[at].view())) ++at;
      given_ += writer.count();
      expected = writer.next();
      writer.finish(at == entries.size());
    });
    single = false;
  }
}

Talk::Got Talk::read(int wait_ms) {
  ByteView frame;
  const Got got = link_->read(wait_ms, frame);
  if (got != Got::kFrame) return got;
  const Bytes kept = to_bytes(frame);  // answering uses the link
  wire::FrameReader reader(kept);
  for (auto message = reader.next(); message && *message; message = reader.next()) take(**message);
  return got;
}

void Talk::take(const wire::Message& message) {
  switch (message.type) {
    case MessageType::kSlots: {
      const auto theirs = wire::decode_slots(message.payload);
      if (!theirs) return;
      for (const auto& slot : theirs->slots)
        for (const auto& channel : channels_)
          if (slot.token == tools::token_of(channel, link_->handshake_hash(), LinkRole::kResponder, theirs->round))
            tokens_.insert(channel);
      break;
    }
    case MessageType::kWant:
      if (const auto want = wire::decode_want(message.payload)) answer(*want);
      break;
    case MessageType::kEntries:
      if (const auto entries = wire::EntriesReader::open(message.payload)) got_ += entries->header().count;
      break;
    case MessageType::kNotHeld:
      ++not_held_;
      break;
    case MessageType::kMail:
      if (const auto mail = wire::decode_mail(message.payload)) mail_.push_back(mail->kind);
      break;
    case MessageType::kPing:
      if (const auto number = wire::decode_number(message.payload))
        say([&](FrameWriter& out) { wire::put_number(out, MessageType::kPong, *number); });
      break;
    case MessageType::kPong:
      ++pongs_;
      return;
    case MessageType::kBye:
      if (const auto reason = wire::decode_bye(message.payload)) bye_ = *reason;
      break;
    default:
      break;
  }
  ++heard_;
}

void Talk::settle() {
  // Messages are handled in order: when a ping is answered and nothing has come since, all before it is dealt with.
  // Twice, since what was taken has to be on the disk before more is asked.
  std::uint64_t heard = heard_;
  int calm = 0;
  for (int silences = 0; is_open() && silences < kQuietRoundsMax && calm < 2;) {
    const Got got = read(kQuietMs);
    if (got == Got::kClosed) closed_ = true;
    if (got != Got::kSilence) continue;
    ++silences;
    if (pongs_ < pings_) continue;
    calm = heard == heard_ ? calm + 1 : 0;
    heard = heard_;
    say([&](FrameWriter& out) { wire::put_number(out, MessageType::kPing, ++pings_); });
  }
}

Json Talk::outcome() const {
  const std::string how = !link_    ? "unreachable"
                          : bye_    ? "bye " + std::string(to_string(*bye_))
                          : closed_ ? "closed"
                                    : "open";
  return {{"answer", how},         {"asked", asked_}, {"given", given_},         {"got", got_},
          {"not_held", not_held_}, {"mail", mail_},   {"tokens", tokens_.size()}};
}

}  // namespace tocsin::hostile
