// Ranges below what is held (rules 8, 33): once keys of older epochs have come, the copies of a channel's logs grow
// down. Nothing is asked for where no log is short; how far the peer's copies reach shows by asking.
#include <algorithm>

#include "protocol/session_impl.h"

namespace tocsin::protocol {
namespace {

// A range is kept whole until it ends: one of each order (control logs, alerts, others) fits the credit.
constexpr std::uint32_t kBelowFirst = 12;              // entries: they fit, however long they are
constexpr std::size_t kBelowBytesWanted = 384 * 1024;  // of one range
constexpr std::size_t kBelowBytesMax = 640 * 1024;     // before a smaller one is asked for

}  // namespace

void Session::Impl::schedule_below() {
  below_waits = false;
  for (const auto& [id, channel] : channels) {
    if (!channel.peer_slot || blocked(id)) continue;
    for (const LogKey& log : replica.short_logs(id)) {
      const auto known = below.find(log);
      if (fetches.contains(log) || (known != below.end() && known->second.refused)) continue;
      if (known == below.end() && below.size() >= kTargetsMax) return;
      const auto record = replica.short_record(id, log);
      if (!record || record->low.value <= 1) continue;
      const std::uint32_t count = known == below.end() ? kBelowFirst : known->second.count;
      if (!may_fetch(count)) {
        no_room = true;
        return;
      }
      if (!wants.take(log, self, now())) {
        if (!below_waits) below_retry_ms = now() + kElsewhereRetryMs;
        below_waits = true;
        continue;
      }
      below[log].count = count;
      Fetch fetch;
      fetch.purpose = FetchPurpose::kBelow;
      fetch.channel = id;
      fetch.type = record->type;
      fetch.last = {record->low.value - 1};
      fetch.first = {fetch.last.value >= count ? fetch.last.value - count + 1 : 1};
      fetch.announced = count;
      open_fetch(log, std::move(fetch));
    }
  }
}

Result<void> Session::Impl::take_below(const LogKey& log, Fetch& fetch, wire::EntriesReader& reader) {
  const wire::EntriesHeader& header = reader.header();
  const auto failed = [&](const Error& error) {
    if (error.origin == Origin::kPeer) refused(error);
    below[log].refused = true;
    give_up(log, fetch, Fetch::Then::kGoOn);
    return kOk;
  };
  if (header.count > 0 && !fetch.lower) {
    if (header.first != fetch.first) return peer_error(kBadEntries, "the range begins elsewhere");
    auto lower = replica.receive_below(*fetch.channel, log, header.first, header.previous);
    if (!lower) return failed(lower.error());
    fetch.lower.emplace(std::move(*lower));
  } else if (header.count > 0 && header.first != fetch.lower->next_number()) {
    return peer_error(kBadEntries, "the range does not go on where it was");
  }
  for (std::uint16_t i = 0; i < header.count; ++i) {
    TOCSIN_ASSIGN(entry, reader.next());
    if (fetch.lower->next_number() > fetch.last) return peer_error(kBadEntries, "more entries than were asked for");
    const auto added =
        entry.absent ? fetch.lower->add_without_body(entry.signature, entry.epoch, *BodyHash::from(entry.body_hash),
                                                     entry.body_bytes, entry.order)
                     : fetch.lower->add(entry.signature, entry.epoch, entry.body);
    if (!added) return failed(added.error());
    if (fetch.lower->pending_bytes() > kBelowBytesMax && fetch.announced > kBelowFirst) {
      below[log].count = kBelowFirst;  // the entries have become longer
      give_up(log, fetch, Fetch::Then::kGoOn);
      return kOk;
    }
  }
  if (!header.end || !fetch.lower) return kOk;
  const std::size_t entries = static_cast<std::size_t>(fetch.lower->next_number().value - fetch.first.value);
  const std::size_t per_entry =
      std::max<std::size_t>(fetch.lower->pending_bytes() / std::max<std::size_t>(entries, 1), 1);
  const std::size_t bytes = fetch.chunk_bytes;
  auto queued =
      fetch.lower->commit([weak = std::weak_ptr<Impl*>(lives), log, entries, bytes](const Result<Number>& stored) {
        if (const auto alive = weak.lock()) (*alive)->on_durable(log, entries, bytes, stored);
      });
  if (!queued) return failed(queued.error());
  ++fetch.commits;
  ++commits;
  fetch.came = true;
  fetch.chunk_bytes = 0;
  fetch.lower.reset();
  const std::size_t fits = std::clamp<std::size_t>(kBelowBytesWanted / per_entry, kBelowFirst, kChunkEntriesMax);
  below[log].count = static_cast<std::uint32_t>(std::min<std::size_t>(fits, 4 * std::size_t{below[log].count}));
  return kOk;
}

// Ended, and durable. Where the peer does not hold so much below, it is asked for a single entry before it counts as
// having none.
void Session::Impl::below_done(const LogKey& log, const Fetch& fetch) {
  if (!fetch.came && !fetch.draining) {
    Below& asked = below[log];
    if (fetch.first == fetch.last) {
      asked.refused = true;
    } else {
      asked.count = 1;
    }
  }
  if (!replica.is_short(log)) below.erase(log);
  const auto target = targets.find(log);
  if (target != targets.end() && target->second.state == TargetState::kParked) queue_target(log, target->second);
}

}  // namespace tocsin::protocol
