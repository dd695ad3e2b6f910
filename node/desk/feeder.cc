#include "node/desk/feeder.h"

#include <utility>

#include "protocol/entry_peek.h"

namespace tocsin::desk {
namespace {

constexpr std::size_t kToldPage = 1'000;

}  // namespace

Feeder::Feeder(protocol::Replica& replica, index::IndexThread& index, protocol::Arrival cursor, Callbacks callbacks)
    : replica_(replica),
      index_(index),
      cursor_(cursor),
      callbacks_(std::move(callbacks)),
      opener_(replica.reading_table()) {}

void Feeder::start() {
  stopped_ = false;
  // What was cut out of a log since the snapshot was made stands in it, and cannot be read any more to be forgotten.
  const auto cut = replica_.newest_cut();
  if (cut && cursor_.value > 0 && cursor_ <= *cut && !rebuilt_) {
    rebuild([](const Result<void>&) {});
    return;
  }
  keys_changed_ = true;  // a snapshot may hold entries that waited for a key that is here now
  tell_all({});          // and orders that were not followed before the power failed
  pump();
}

void Feeder::stop() { stopped_ = true; }

bool Feeder::caught_up() const { return cursor_ >= replica_.newest_arrival() && to_revisit_.empty(); }

void Feeder::on_arrival(protocol::Arrival) { pump(); }

void Feeder::on_erased(std::span<const protocol::Batch::BodyErase> bodies) {
  for (const auto& body : bodies) {
    const bool goes_on =
        !to_forget_.empty() && to_forget_.back().feed == body.log && to_forget_.back().end.next() == body.number;
    if (goes_on)
      to_forget_.back().end = body.number;
    else
      to_forget_.push_back({body.log, body.number, body.number});
  }
  pump();
}

void Feeder::on_cut(const protocol::ChannelId&, const protocol::LogKey&, const protocol::EntryChunk& entries) {
  cut_.push_back(std::make_unique<protocol::EntryChunk>(entries));
  cut_.back()->after = cut_.back()->last = {};
  pump();
}

void Feeder::on_taken_back(std::span<const protocol::TakenBack> bodies) {
  for (const auto& body : bodies)
    taken_back_.push_back(
        {body.arrival, body.number, body.checked,
         protocol::Entry(body.entry.view().header, body.entry.view().signature, body.entry.view().body), body.cause,
         body.subject});
  pump();
}

void Feeder::tell_replica(const std::vector<std::pair<protocol::LogKey, protocol::Number>>& entries) {
  for (const auto& [log, number] : entries) {
    const auto entry = replica_.read_entry(log, number);
    const auto opened = entry ? opener_.open(entry->view()) : Result<protocol::OpenedEntry>(entry.error());
    if (opened) replica_.handle_opened(*opened);  // else erased since
  }
}

void Feeder::tell_all(protocol::Arrival after) {
  index_.ask([after](index::Index& i) { return i.told(after, kToldPage); },
             [this](Result<index::Index::ToldPage> page) {
               if (!page || stopped_) return;
               tell_replica(page->entries);
               if (page->next.value != 0) tell_all(page->next);
             });
}

void Feeder::on_channels() {
  keys_changed_ = pins_changed_ = true;
  pump();
}

void Feeder::on_org_log(const protocol::OrgId&) {
  pins_changed_ = true;
  pump();
}

void Feeder::when_indexed(std::function<void()> then) {
  const auto newest = replica_.newest_arrival();
  if (failed_ || stopped_ || (cursor_ >= newest && taken_back_waiting() == 0)) return then();
  waiters_.emplace_back(newest, std::move(then));
  pump();
}

void Feeder::release_waiters() {
  if (!failed_ && taken_back_waiting() > 0) return;  // what was taken back is gone by then
  while (!waiters_.empty() && (failed_ || waiters_.front().first <= cursor_)) {
    auto then = std::move(waiters_.front().second);
    waiters_.pop_front();
    then();
  }
}

void Feeder::rebuild(std::function<void(Result<void>)> done) {
  if (rebuilt_) return done(caller_error(Code{"busy"}, "the index is being rebuilt already"));
  rebuilt_ = std::move(done);
  ++round_;
  clearing_ = true;
  index_.ask([](index::Index& i) { return i.clear(); },
             [this](Result<void> cleared) {
               clearing_ = false;
               if (!cleared) return fail(cleared.error());
               failed_ = under_way_ = false;
               cursor_ = {};
               to_revisit_.clear();
               to_forget_.clear();
               cut_.clear();
               taken_back_.clear();
               taken_back_under_way_ = 0;
               pump();
             });
}

// One piece of work at a time: what has to go, then what is new, then what waited for keys.
void Feeder::pump() {
  if (under_way_ || stopped_ || failed_ || clearing_) return;
  if (pins_changed_) look_for_pins();
  if (under_way_ || clearing_) return;  // all is read again
  if (!cut_.empty()) {
    auto chunk = std::move(cut_.front());
    cut_.pop_front();
    chunk->newest = replica_.newest_arrival();
    return hand_over(std::move(chunk), index::FeedAs::kForget);
  }
  if (!taken_back_.empty()) return take_back_next();
  if (!to_forget_.empty()) return forget_next();
  if (cursor_ < replica_.newest_arrival())
    return read_and_feed(cursor_, replica_.newest_arrival(), index::FeedAs::kNext);
  if (!to_revisit_.empty()) {
    const auto range = to_revisit_.front();
    return read_and_feed({range.first.value - 1}, range.last, index::FeedAs::kRevisit);
  }
  // Whose a feed is may be told with its entries, too.
  keys_changed_ |= replica_.reading_table().generation() != keys_seen_;
  if (keys_changed_ || more_wanted_) return revisit();
  release_waiters();
  if (rebuilt_) std::exchange(rebuilt_, nullptr)(kOk);
}

void Feeder::revisit() {
  keys_changed_ = false;
  const auto generation = replica_.reading_table().generation();
  if (generation == keys_seen_ && !more_wanted_) return pump();
  keys_seen_ = generation;
  under_way_ = true;
  index_.ask([](index::Index& i) { return i.wanted(); },
             [this, round = round_](Result<std::vector<index::ArrivalRange>> ranges) {
               if (round != round_) return;
               under_way_ = false;
               if (!ranges) return fail(ranges.error());
               // The rest of a full answer is asked for once this much is read, as long as that opened something: the
               // keys for it are here.
               more_wanted_ = ranges->size() >= index::kWantedRangesMax && (to_revisit_last_ != ranges->front());
               if (!ranges->empty()) to_revisit_last_ = ranges->front();
               to_revisit_.assign(ranges->begin(), ranges->end());
               pump();
             });
}

void Feeder::look_for_pins() {
  pins_changed_ = false;
  bool read_again = false;
  for (const auto& channel : replica_.channels()) {
    for (const auto& log : replica_.channel_logs(channel.id)) {
      const auto pin = replica_.pin_of(log.log);
      const auto looked = pins_.find(log.log);
      // A new chair's term may undo what the one before ended (rule 22): what was passed over is read now.
      if (looked != pins_.end() && (!pin || pin->last > looked->second)) {
        const auto end = pin ? std::min(pin->last, log.head) : log.head;
        if (looked->second < end) read_again = true;
        pins_.erase(looked);
      }
      if (!pin) continue;
      const auto [at, fresh] = pins_.emplace(log.log, pin->last);
      if (!fresh && at->second == pin->last) continue;
      at->second = pin->last;
      if (pin->last < log.head) to_forget_.push_back({log.log, pin->last.next(), log.head});
    }
  }
  if (read_again && !rebuilt_) rebuild([](const Result<void>&) {});
}

void Feeder::forget_next() {
  Forget& range = to_forget_.front();
  auto chunk = take_chunk({});
  auto read =
      replica_.read_log(range.feed, range.next, range.end, kFeedChunkBytes, [&](const protocol::StoredEntry& entry) {
        chunk->add(entry);
        range.next = entry.number.next();
        return true;
      });
  if (!read || chunk->items.empty() || range.end < range.next) to_forget_.pop_front();
  if (!chunk->items.empty()) return hand_over(std::move(chunk), index::FeedAs::kForget);
  spare_ = std::move(chunk);
  pump();
}

// In chunks of one cause: of a withdrawn report a bare row stays, of a recalled copy none. Arrivals rise within a
// chunk.
void Feeder::take_back_next() {
  const auto cause = taken_back_.front().cause;
  auto chunk = take_chunk({});
  while (!taken_back_.empty() && taken_back_.front().cause == cause && chunk->bytes.size() < kFeedChunkBytes) {
    const auto& body = taken_back_.front();
    if (!chunk->items.empty() && body.arrival <= chunk->items.back().arrival) break;
    chunk->add({body.arrival, body.number, body.checked, false, body.entry.view()});
    taken_back_.pop_front();
    ++taken_back_under_way_;
  }
  hand_over(std::move(chunk),
            cause == protocol::ErasureCause::kWithdrawn ? index::FeedAs::kTakenBack : index::FeedAs::kForget);
}

bool Feeder::is_past_pin(const protocol::StoredEntry& entry) const {
  if (pins_.empty()) return false;
  const auto pin = pins_.find(*protocol::LogKey::from(protocol::peek_log(entry.entry.header)));
  return pin != pins_.end() && pin->second < entry.number;
}

std::unique_ptr<protocol::EntryChunk> Feeder::take_chunk(protocol::Arrival after) {
  auto chunk = std::move(spare_);
  if (!chunk) chunk = std::make_unique<protocol::EntryChunk>();
  chunk->clear();
  chunk->after = chunk->last = after;
  chunk->newest = replica_.newest_arrival();
  return chunk;
}

void Feeder::read_and_feed(protocol::Arrival after, protocol::Arrival last, index::FeedAs as) {
  auto chunk = take_chunk(after);
  auto read = replica_.read_arrivals(after, kFeedChunkBytes, [&](const protocol::StoredEntry& entry) {
    if (entry.arrival > last) return false;
    // What is kept under a hold alone is shown no more.
    if (is_past_pin(entry) ||
        replica_.is_taken_back(*protocol::LogKey::from(protocol::peek_log(entry.entry.header)), entry.number))
      chunk->last = entry.arrival;
    else
      chunk->add(entry);
    return true;
  });
  if (!read) {
    spare_ = std::move(chunk);
    return fail(read.error());
  }
  // Arrivals have no gaps to wait for: nothing read means that nothing readable is left up to `last`.
  if (chunk->last == after) chunk->last = last;
  hand_over(std::move(chunk), as);
}

void Feeder::hand_over(std::unique_ptr<protocol::EntryChunk> chunk, index::FeedAs as) {
  under_way_ = true;
  index_.feed(
      std::move(chunk), as,
      [this, as, round = round_](Result<index::FeedOutcome> outcome, std::unique_ptr<protocol::EntryChunk> back) {
        if (round != round_) {  // of an index that has been emptied since
          spare_ = std::move(back);
          return;
        }
        answered(std::move(outcome), std::move(back), as);
      });
}

void Feeder::answered(Result<index::FeedOutcome> outcome, std::unique_ptr<protocol::EntryChunk> chunk,
                      index::FeedAs as) {
  under_way_ = false;
  if (as == index::FeedAs::kTakenBack || as == index::FeedAs::kForget) taken_back_under_way_ = 0;
  const auto last = chunk ? chunk->last : protocol::Arrival{};
  spare_ = std::move(chunk);
  if (!outcome) return fail(outcome.error());
  if (as == index::FeedAs::kNext) {
    cursor_ = outcome->cursor;
  } else if (as == index::FeedAs::kRevisit && !to_revisit_.empty()) {
    auto& range = to_revisit_.front();
    if (last >= range.last) {
      to_revisit_.pop_front();
    } else {
      range.first = last.next();
    }
  }
  for (const auto& [log, number] : outcome->checkpoints) {
    const auto entry = replica_.read_entry(log, number);
    const auto opened = entry ? opener_.open(entry->view()) : Result<protocol::OpenedEntry>(entry.error());
    if (opened) replica_.handle_opened(*opened);  // else erased since
  }
  tell_replica(outcome->told);
  if (callbacks_.fed) callbacks_.fed(*outcome);
  release_waiters();
  pump();
}

void Feeder::fail(const Error& error) {
  under_way_ = false;
  failed_ = true;
  if (callbacks_.failed) callbacks_.failed(error);
  release_waiters();
  if (rebuilt_) std::exchange(rebuilt_, nullptr)(error);
}

}  // namespace tocsin::desk
