#include "node/desk/feeder.h"

#include <utility>

namespace tocsin::desk {

Feeder::Feeder(protocol::Replica& replica, index::IndexThread& index, protocol::Arrival cursor, Callbacks callbacks)
    : replica_(replica), index_(index), cursor_(cursor), callbacks_(std::move(callbacks)) {}

void Feeder::start() {
  stopped_ = false;
  keys_changed_ = true;  // a snapshot may hold entries that waited for a key that is here now
  pump();
}

void Feeder::stop() { stopped_ = true; }

bool Feeder::caught_up() const { return cursor_ >= replica_.newest_arrival() && to_revisit_.empty(); }

void Feeder::on_arrival(protocol::Arrival) { pump(); }

void Feeder::on_channels() {
  keys_changed_ = true;
  pump();
}

void Feeder::when_indexed(std::function<void()> then) {
  const auto newest = replica_.newest_arrival();
  if (failed_ || stopped_ || cursor_ >= newest) return then();
  waiters_.emplace_back(newest, std::move(then));
  pump();
}

void Feeder::release_waiters() {
  while (!waiters_.empty() && (failed_ || waiters_.front().first <= cursor_)) {
    auto then = std::move(waiters_.front().second);
    waiters_.pop_front();
    then();
  }
}

void Feeder::rebuild(std::function<void(Result<void>)> done) {
  if (rebuilt_) return done(caller_error(Code{"busy"}, "the index is being rebuilt already"));
  rebuilt_ = std::move(done);
  index_.ask([](index::Index& i) { return i.clear(); },
             [this](Result<void> cleared) {
               if (!cleared) return fail(cleared.error());
               failed_ = false;
               cursor_ = {};
               to_revisit_.clear();
               pump();
             });
}

// One piece of work at a time: what is new first, then what waited for keys.
void Feeder::pump() {
  if (under_way_ || stopped_ || failed_) return;
  if (cursor_ < replica_.newest_arrival())
    return read_and_feed(cursor_, replica_.newest_arrival(), index::FeedAs::kNext);
  if (!to_revisit_.empty()) {
    const auto range = to_revisit_.front();
    return read_and_feed({range.first.value - 1}, range.last, index::FeedAs::kRevisit);
  }
  if (keys_changed_) return revisit();
  release_waiters();
  if (rebuilt_) std::exchange(rebuilt_, nullptr)(kOk);
}

void Feeder::revisit() {
  keys_changed_ = false;
  const auto generation = replica_.reading_table().generation();
  if (generation == keys_seen_) return pump();
  keys_seen_ = generation;
  under_way_ = true;
  index_.ask([](index::Index& i) { return i.wanted(); },
             [this](Result<std::vector<index::ArrivalRange>> ranges) {
               under_way_ = false;
               if (!ranges) return fail(ranges.error());
               to_revisit_.assign(ranges->begin(), ranges->end());
               pump();
             });
}

void Feeder::read_and_feed(protocol::Arrival after, protocol::Arrival last, index::FeedAs as) {
  auto chunk = std::move(spare_);
  if (!chunk) chunk = std::make_unique<protocol::EntryChunk>();
  chunk->clear();
  chunk->after = chunk->last = after;
  chunk->newest = replica_.newest_arrival();
  auto read = replica_.read_arrivals(after, kFeedChunkBytes, [&](const protocol::StoredEntry& entry) {
    if (entry.arrival > last) return false;
    chunk->add(entry);
    return true;
  });
  if (!read) return fail(read.error());
  // Arrivals have no gaps to wait for: nothing read means that nothing readable is left up to `last`.
  if (chunk->items.empty()) chunk->last = last;
  under_way_ = true;
  index_.feed(std::move(chunk), as,
              [this, as](Result<index::FeedOutcome> outcome, std::unique_ptr<protocol::EntryChunk> back) {
                answered(std::move(outcome), std::move(back), as);
              });
}

void Feeder::answered(Result<index::FeedOutcome> outcome, std::unique_ptr<protocol::EntryChunk> chunk,
                      index::FeedAs as) {
  under_way_ = false;
  const auto last = chunk ? chunk->last : protocol::Arrival{};
  spare_ = std::move(chunk);
  if (!outcome) return fail(outcome.error());
  if (as == index::FeedAs::kNext) {
    cursor_ = outcome->cursor;
  } else if (!to_revisit_.empty()) {
    auto& range = to_revisit_.front();
    if (last >= range.last) {
      to_revisit_.pop_front();
    } else {
      range.first = last.next();
    }
  }
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
