// What the peer wants of us (rules 34 to 36). Frames are filled only when they are asked for: a slow link holds back
// the reading of the store.
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/session_impl.h"

namespace tocsin::protocol {
namespace {

// A frame's worth of encoded entries takes at most this much as stored: an entry without a body has 67 bytes here and
// 216 there.
constexpr std::size_t kReadBytesMax = 4 * kFrameBytesMax;

std::size_t rank_of(LogType type, ChannelClass channel_class) {
  if (type != LogType::kFeed) return 0;
  return channel_class == ChannelClass::kAlert ? 1 : 2;
}

}  // namespace

// ---- In

Result<void> Session::Impl::handle_want(ByteView payload) {
  TOCSIN_ASSIGN(want, wire::decode_want(payload));
  for (auto& queue : servings) {
    for (Serving& serving : queue) {
      if (serving.log != want.log) continue;
      if (want.first.value != 0) return peer_error(kUnexpectedMessage, "a log wanted twice");
      serving.stop = true;
      return kOk;
    }
  }
  if (want.first.value == 0) return kOk;  // the answer had ended before
  ChannelId id;
  const SharedChannel* channel = nullptr;
  if (want.slot != wire::kNoChannel) {
    channel = find_channel(want.slot, &id);
    if (channel == nullptr) return add_not_held(want.slot, want.log);
  }
  // Whatever the reason, it gets the same answer (rule 36).
  auto serving = serving_for(want, channel != nullptr ? std::optional(id) : std::nullopt);
  if (!serving) return add_not_held(want.slot, want.log);
  if (servings_count() >= kPeerWantsMax) return peer_error(kTooMuch, "too many wants");
  const ChannelClass in = channel != nullptr ? channel->channel_class : ChannelClass::kUnknown;
  servings[rank_of(serving->type, in)].push_back(std::move(*serving));
  return kOk;
}

std::optional<Serving> Session::Impl::serving_for(const wire::Want& want, const std::optional<ChannelId>& channel) {
  if (!replica.may_serve(config.peer_node, channel, want.log)) return std::nullopt;
  const auto record = replica.log_record(want.log);
  if (!record || record->head.value == 0) return std::nullopt;
  Serving out{want.slot, channel, want.log, record->type, want.first, want.first, want.last, want.from_epoch, false};
  if (want.last.value != 0) {
    const bool held = want.first >= record->low && want.last <= record->head;
    return held ? std::optional(out) : std::nullopt;
  }
  if (want.from_epoch.value == 0 || record->type != LogType::kFeed) {
    out.from_epoch = {};
    if (want.first < record->low && want.first <= record->head) return std::nullopt;
    note_peer_head(want.log, Number{want.first.value - 1});
    return out;
  }
  // Our copy may begin later than the asker's should: only who was in the channel by then can tell. Who goes on with a
  // copy of its own needs what comes next, whatever its first epoch.
  const bool begins_below = want.first < record->low;
  if (begins_below && (replica.is_short(want.log) || want.from_epoch < replica.first_epoch(*channel))) {
    return std::nullopt;
  }
  const auto first = replica.first_number_at(want.log, want.from_epoch);
  if (!first || *first < record->low) return std::nullopt;
  out.next = std::max(want.first, *first);
  note_peer_head(want.log, Number{out.next.value - 1});
  return out;
}

Result<void> Session::Impl::add_not_held(std::uint16_t slot, const LogKey& log) {
  if (not_held.size() >= kNotHeldMax) return peer_error(kTooMuch, "too much asked for");
  not_held.push_back({slot, log});
  return kOk;
}

Result<void> Session::Impl::handle_credit(ByteView payload) {
  TOCSIN_ASSIGN(more, wire::decode_credit(payload));
  credit += more;
  if (credit > kCreditMax) return peer_error(kTooMuch, "more credit than anybody has");
  return kOk;
}

// ---- Out

std::size_t Session::Impl::servings_count() const {
  return servings[0].size() + servings[1].size() + servings[2].size();
}

void Session::Impl::put_not_held(wire::FrameWriter& out) {
  while (!not_held.empty() && wire::put(out, not_held.front())) not_held.pop_front();
}

void Session::Impl::put_entries(wire::FrameWriter& out) {
  for (auto& queue : servings) {
    while (!queue.empty()) {
      const Served served = serve_some(queue.front(), out);
      if (served == Served::kNoRoom) return;
      if (served == Served::kMore) continue;
      queue.pop_front();
    }
  }
}

Session::Impl::Served Session::Impl::serve_some(Serving& serving, wire::FrameWriter& out) {
  const SharedChannel* channel = serving.channel ? shared(*serving.channel) : nullptr;
  const auto record = replica.log_record(serving.log);
  const bool held = record && (!serving.channel || channel != nullptr) &&
                    replica.may_serve(config.peer_node, serving.channel, serving.log);
  if (!held) {  // the roster may have changed since it was asked for
    return wire::put(out, wire::NotHeld{serving.peer_slot, serving.log}) ? Served::kAnswered : Served::kNoRoom;
  }
  const std::uint64_t payload_max = credit > wire::kMessageHeaderBytes ? credit - wire::kMessageHeaderBytes : 0;
  const bool single = serving.last.value != 0;
  wire::EntriesWriter writer(out, channel != nullptr ? channel->own_slot : wire::kNoChannel, serving.log, serving.type,
                             serving.expected, single, static_cast<std::size_t>(payload_max));
  if (!writer.began()) return Served::kNoRoom;

  bool full = false;
  const auto add = [&](const StoredEntry& stored) {
    EntryView entry = stored.entry;
    // The head of a feed that ended before the asker's first epoch: its name, not what it says (rule 34).
    if (Epoch{load_le64(&entry.header[16])} < serving.from_epoch) entry.body = {};
    // Why there is no body: else it would be wanted from somebody else (rules 11, 52).
    Bytes order;
    if (peer_takes_orders && body_absent(stored.entry)) order = replica.erasure_order(serving.log, stored.number);
    full = !writer.add(entry, order);
    return !full;
  };
  const Number to = single ? serving.last : record->head;
  Result<void> read = kOk;
  if (!serving.stop && serving.next <= to) read = replica.serve(serving.log, serving.next, to, kReadBytesMax, add);
  const std::uint16_t count = writer.count();
  const Number next = writer.next();
  // A pinned feed ends below its head: then the next reading gives nothing.
  const bool end = !full && read.ok() && (count == 0 || next > to);
  const std::size_t size = writer.finish(end);
  credit -= size;
  if (count > 0) {
    serving.next = serving.expected = next;
    stats.entries_sent += count;
    if (!single) note_peer_head(serving.log, Number{next.value - 1});
  }
  if (end) return Served::kAnswered;
  if (full) return Served::kNoRoom;
  if (read.ok()) return Served::kMore;
  // The store failed, or the author signed what does not verify: the answer ends here.
  return wire::put(out, wire::NotHeld{serving.peer_slot, serving.log}) ? Served::kAnswered : Served::kNoRoom;
}

}  // namespace tocsin::protocol
