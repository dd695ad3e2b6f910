#include "node/engine/arrival_pump.h"

namespace tocsin::engine {

protocol::EntryView ArrivalChunk::entry(const Item& item) const {
  const ByteView all(bytes);
  return {all.subspan(item.offset, protocol::kEntryHeaderBytes),
          all.subspan(item.offset + protocol::kEntryHeaderBytes, item.signature_bytes),
          all.subspan(item.offset + protocol::kEntryHeaderBytes + item.signature_bytes, item.body_bytes)};
}

struct ArrivalPump::State {
  protocol::Replica& replica;
  Loop& loop;
  Consumer consumer;
  Failed failed;
  protocol::Arrival cursor;  // read up to here
  protocol::Arrival acknowledged;
  std::unique_ptr<ArrivalChunk> spare;
  bool running = false;
  bool under_way = false;
  std::uint64_t round = 0;  // rises with restart: what was handed out before it counts no more

  // Reads the next chunk and hands it out; nothing when one is under way or there is none.
  void pump();
  Result<void> fill(ArrivalChunk& chunk) const;
};

Result<void> ArrivalPump::State::fill(ArrivalChunk& chunk) const {
  chunk.bytes.clear();
  chunk.items.clear();
  chunk.round = round;
  chunk.last = cursor;
  chunk.newest = replica.newest_arrival();
  return replica.read_arrivals(cursor, kArrivalChunkBytes, [&chunk](const protocol::StoredEntry& stored) {
    ArrivalChunk::Item item{stored.arrival,
                            chunk.bytes.size(),
                            static_cast<std::uint16_t>(stored.entry.signature.size()),
                            static_cast<std::uint32_t>(stored.entry.body.size()),
                            stored.checked,
                            stored.body_erased};
    append(chunk.bytes, stored.entry.header);
    append(chunk.bytes, stored.entry.signature);
    append(chunk.bytes, stored.entry.body);
    chunk.items.push_back(item);
    chunk.last = stored.arrival;
    return true;
  });
}

void ArrivalPump::State::pump() {
  if (!running || under_way || !(cursor < replica.newest_arrival())) return;
  auto chunk = spare ? std::move(spare) : std::make_unique<ArrivalChunk>();
  if (chunk->bytes.capacity() == 0) chunk->bytes.reserve(kArrivalChunkBytes + protocol::kFrameBytesMax);
  if (const auto read = fill(*chunk); !read) {
    running = false;
    if (failed) failed(read.error());
    return;
  }
  // The newest arrivals may be gaps (an entry whose body came later has moved on): there is nothing to hand out.
  if (chunk->items.empty()) {
    cursor = acknowledged = chunk->newest;
    spare = std::move(chunk);
    return;
  }
  cursor = chunk->last;
  under_way = true;
  consumer(std::move(chunk));
}

ArrivalPump::ArrivalPump(Hub& hub, protocol::Replica& replica, Loop& loop, protocol::Arrival cursor, Consumer consumer,
                         Failed failed)
    : hub_(hub),
      state_(std::make_shared<State>(
          State{replica, loop, std::move(consumer), std::move(failed), cursor, cursor, nullptr})) {
  hub_.add_listener(this);
}

ArrivalPump::~ArrivalPump() {
  hub_.remove_listener(this);
  stop();
}

void ArrivalPump::start() {
  state_->running = true;
  state_->pump();
}

void ArrivalPump::restart(protocol::Arrival cursor) {
  ++state_->round;
  state_->cursor = state_->acknowledged = cursor;
  start();
}

void ArrivalPump::stop() { state_->running = false; }

void ArrivalPump::acknowledge(std::unique_ptr<ArrivalChunk> chunk) {
  // std::function wants to be copied, a chunk must not be.
  const std::shared_ptr<ArrivalChunk> shared(std::move(chunk));
  state_->loop.post([weak = std::weak_ptr(state_), shared] {
    const auto state = weak.lock();
    if (!state) return;
    state->under_way = false;
    if (shared->round == state->round) state->acknowledged = shared->last;
    state->spare = std::make_unique<ArrivalChunk>(std::move(*shared));
    state->pump();
  });
}

protocol::Arrival ArrivalPump::acknowledged() const { return state_->acknowledged; }
bool ArrivalPump::caught_up() const {
  return !state_->under_way && !(state_->cursor < state_->replica.newest_arrival());
}
void ArrivalPump::on_arrival(protocol::Arrival) { state_->pump(); }

}  // namespace tocsin::engine
