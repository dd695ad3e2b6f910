#include "node/index/unopened.h"

#include <map>

namespace tocsin::index {

using namespace protocol;

Result<std::optional<UnopenedRanges::Range>> UnopenedRanges::at_or_before(std::int64_t arrival) {
  TOCSIN_ASSIGN(s, db_.use("SELECT first, last, channel, epoch, log FROM unopened WHERE first <= ?1"
                           " ORDER BY first DESC LIMIT 1"));
  s->bind(1, arrival);
  TOCSIN_ASSIGN(found, s->step());
  if (!found) return std::optional<Range>();
  return std::optional(Range{s->integer(0), s->integer(1), s->integer(2), s->integer(3), s->integer(4)});
}

Result<void> UnopenedRanges::insert(const Range& range) {
  TOCSIN_ASSIGN(s, db_.use("INSERT OR REPLACE INTO unopened(first, last, channel, epoch, log) VALUES(?1,?2,?3,?4,?5)"));
  return s->bind(1, range.first)
      .bind(2, range.last)
      .bind(3, range.channel)
      .bind(4, range.epoch)
      .bind(5, range.log)
      .run();
}

Result<void> UnopenedRanges::add(Arrival arrival, const EntryHeader& header) {
  TOCSIN_ASSIGN(channel, names_.put(NameKind::kPseudonym, header.channel));
  TOCSIN_ASSIGN(log, names_.put(NameKind::kLog, header.log));
  const auto at = static_cast<std::int64_t>(arrival.value);
  const Range one{at, at, channel, static_cast<std::int64_t>(header.epoch.value), log};
  if (pending_ && pending_->like(one) && pending_->last + 1 == at) {
    pending_->last = at;
    return kOk;
  }
  TOCSIN_TRY(settle());
  TOCSIN_ASSIGN(before, at_or_before(at));
  // Goes on where the chunk before ended.
  pending_ =
      before && before->like(one) && before->last + 1 == at ? Range{before->first, at, channel, one.epoch, log} : one;
  return kOk;
}

Result<void> UnopenedRanges::settle() {
  if (!pending_) return kOk;
  TOCSIN_TRY(insert(*pending_));
  pending_.reset();
  return kOk;
}

Result<bool> UnopenedRanges::contains(Arrival arrival) {
  const auto at = static_cast<std::int64_t>(arrival.value);
  TOCSIN_ASSIGN(range, at_or_before(at));
  return range && range->last >= at;
}

Result<void> UnopenedRanges::remove(Arrival arrival) {
  const auto at = static_cast<std::int64_t>(arrival.value);
  TOCSIN_ASSIGN(range, at_or_before(at));
  if (!range || range->last < at) return kOk;
  {
    TOCSIN_ASSIGN(s, db_.use("DELETE FROM unopened WHERE first = ?1"));
    TOCSIN_TRY(s->bind(1, range->first).run());
  }
  Range before = *range, after = *range;
  before.last = at - 1;
  after.first = at + 1;
  if (before.first <= before.last) TOCSIN_TRY(insert(before));
  if (after.first <= after.last) TOCSIN_TRY(insert(after));
  return kOk;
}

Result<std::vector<ArrivalRange>> UnopenedRanges::openable(const ReadingTable& table, std::size_t max) {
  // Asking the table copies a key into locked memory: once for each epoch and feed, not for each range.
  std::map<std::pair<std::int64_t, std::int64_t>, std::optional<ChannelId>> channels;
  std::map<std::int64_t, std::optional<FeedOwner>> owners;
  const auto channel_with_key = [&](std::int64_t channel, std::int64_t epoch) {
    const auto [at, added] = channels.try_emplace({channel, epoch});
    const auto pseudonym = names_.get<ChannelPseudonym>(channel);
    if (added && table.epoch_key(pseudonym, Epoch{static_cast<std::uint64_t>(epoch)})) {
      at->second = table.channel_of(pseudonym);
    }
    return at->second;
  };
  const auto owner = [&](std::int64_t log) {
    const auto [at, added] = owners.try_emplace(log);
    if (added) at->second = table.feed_owner(names_.get<LogKey>(log));
    return at->second;
  };
  TOCSIN_ASSIGN(s, db_.use("SELECT first, last, channel, epoch, log FROM unopened ORDER BY first"));
  std::vector<ArrivalRange> out;
  for (;;) {
    TOCSIN_ASSIGN(more, s->step());
    if (!more) return out;
    const auto channel = channel_with_key(s->integer(2), s->integer(3));
    if (!channel) continue;
    const auto feed = owner(s->integer(4));
    if (!feed || feed->channel != *channel) continue;
    const Arrival first{static_cast<std::uint64_t>(s->integer(0))}, last{static_cast<std::uint64_t>(s->integer(1))};
    if (!out.empty() && out.back().last.next() == first) {
      out.back().last = last;
    } else if (out.size() < max) {
      out.push_back({first, last});
    } else {
      return out;
    }
  }
}

}  // namespace tocsin::index
