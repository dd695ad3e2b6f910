// Which log is wanted when, and what becomes of an answer. Order: organisation logs, control logs, feeds of alert
// channels, other feeds; the first two are durable before a feed that they decide about is wanted.
#include <algorithm>

#include "protocol/session_impl.h"

namespace tocsin::protocol {

// ---- Targets

void Session::Impl::set_state(const LogKey& log, Target& target, TargetState state) {
  const int change = static_cast<int>(is_pending(state)) - static_cast<int>(is_pending(target.state));
  if (target.state == TargetState::kElsewhere) elsewhere.erase(log);
  if (target.state == TargetState::kParked) parked.erase(log);
  if (state == TargetState::kElsewhere) {
    if (elsewhere.empty()) elsewhere_retry_ms = now() + kElsewhereRetryMs;
    elsewhere.insert(log);
  }
  if (state == TargetState::kParked) parked.insert(log);
  target.state = state;
  if (change == 0) return;
  pending += static_cast<std::size_t>(change);
  if (target.leaf.type == LogType::kOrganisation) pending_org += static_cast<std::size_t>(change);
  if (target.leaf.type == LogType::kControl && target.channel) {
    std::size_t& count = pending_control[*target.channel];
    count += static_cast<std::size_t>(change);
    if (count == 0) pending_control.erase(*target.channel);
  }
}

void Session::Impl::erase_target(const LogKey& log) {
  const auto found = targets.find(log);
  if (found == targets.end()) return;
  set_state(log, found->second, TargetState::kRefused);  // takes it out of every count and list
  targets.erase(found);
}

// Keys stay in a queue when their target goes another way: whoever takes them out looks at its state.
void Session::Impl::queue_target(const LogKey& log, Target& target) {
  if (target.state == TargetState::kQueued) return;
  set_state(log, target, TargetState::kQueued);
  switch (target.leaf.type) {
    case LogType::kOrganisation:
      return org_queue.push_back(log);
    case LogType::kControl:
      return control_queue.push_back(log);
    case LogType::kFeed:
      break;
  }
  const auto channel = target.channel ? channels.find(*target.channel) : channels.end();
  if (channel == channels.end()) return erase_target(log);
  channel->second.feeds.push_back(log);
}

// Something about the log has changed here.
void Session::Impl::recheck(const LogKey& log) {
  const auto found = targets.find(log);
  if (found == targets.end() || found->second.state == TargetState::kActive) return;
  if (replica.accepted_head(log) >= found->second.leaf.head) {
    erase_target(log);
  } else if (found->second.state == TargetState::kElsewhere) {
    queue_target(log, found->second);
  }
}

void Session::Impl::unpark() {
  const std::set<LogKey> logs = std::move(parked);
  parked.clear();
  for (const LogKey& log : logs) queue_target(log, targets.at(log));
  for (auto& [log, asked] : below) asked.refused = false;
  retry_receipts();
}

// ---- Scheduling

bool Session::Impl::may_fetch(std::uint64_t entries) const {
  if (fetches.size() >= kUnsettledMax || open_fetches >= kFetchesMax) return false;
  return open_fetches < kRangesInFlight || open_entries + entries <= kFetchAheadEntries;
}

void Session::Impl::schedule() {
  if (over || store_retry_ms != 0 || !compared_round) return;
  while (schedule_one(org_queue)) continue;
  while (schedule_one(control_queue)) continue;
  for (const bool alerts : {true, false}) {
    for (bool more = true; more;) {  // one of each channel in turn
      more = false;
      for (auto& [id, channel] : channels) {
        if ((channel.channel_class == ChannelClass::kAlert) != alerts || !channel.peer_slot || blocked(id)) continue;
        more = schedule_one(channel.feeds) || more;
      }
    }
  }
  schedule_below();
}

// Deals with the first of `queue`. False: it is empty, or has to wait.
bool Session::Impl::schedule_one(std::deque<LogKey>& queue) {
  if (queue.empty()) return false;
  const LogKey log = queue.front();
  const auto found = targets.find(log);
  if (found == targets.end() || found->second.state != TargetState::kQueued) {
    queue.pop_front();
    return true;
  }
  Target& target = found->second;
  const Number own = replica.accepted_head(log);
  if (own < target.leaf.head && !may_fetch(target.leaf.head.value - own.value)) {
    no_room = true;
    return false;
  }
  queue.pop_front();
  if (own >= target.leaf.head) {
    erase_target(log);
  } else if (fetches.contains(log) || !replica.wants_log(target.channel, log, target.leaf.type)) {
    set_state(log, target, TargetState::kParked);
  } else if (!wants.take(log, self, now())) {
    set_state(log, target, TargetState::kElsewhere);
  } else {
    start_range(log, target);
  }
  return true;
}

void Session::Impl::start_range(const LogKey& log, Target& target) {
  const Number own = replica.accepted_head(log);
  set_state(log, target, TargetState::kActive);
  Fetch fetch;
  fetch.channel = target.channel;
  fetch.type = target.leaf.type;
  fetch.first = replica.branch_start(log, own.next());
  if (target.leaf.type == LogType::kFeed) fetch.from_epoch = replica.first_epoch(*target.channel);
  fetch.announced = target.leaf.head.value - own.value;
  fetch.depth = std::max(target.depth, room_depth) + 1;
  if (target.leaf.type != LogType::kOrganisation) fetch.depth = std::max(fetch.depth, org_depth + 1);
  if (const auto channel = target.channel ? channels.find(*target.channel) : channels.end();
      channel != channels.end() && target.leaf.type == LogType::kFeed) {
    fetch.depth = std::max(fetch.depth, channel->second.control_depth + 1);
  }
  if (target.depth == 0) fetch.depth = 1;  // announced: nothing had to be asked for it
  open_fetch(log, std::move(fetch));
}

void Session::Impl::start_probe(const LogKey& log, FetchPurpose purpose, const std::optional<ChannelId>& channel,
                                LogType type, Number number, Number suspect, std::uint64_t depth, Number same_at,
                                Number differs_at) {
  Fetch fetch;
  fetch.purpose = purpose;
  fetch.channel = channel;
  fetch.type = type;
  fetch.first = fetch.last = number;
  fetch.announced = 1;
  fetch.depth = depth + 1;
  fetch.suspect = suspect;
  fetch.same_at = same_at;
  fetch.differs_at = differs_at;
  open_fetch(log, std::move(fetch));
}

Fetch& Session::Impl::open_fetch(const LogKey& log, Fetch fetch) {
  open_entries += fetch.announced;
  ++open_fetches;
  stats.round_trips = std::max(stats.round_trips, fetch.depth);
  wants_out.emplace_back(log, false);
  return fetches.insert_or_assign(log, std::move(fetch)).first->second;
}

void Session::Impl::put_wants(wire::FrameWriter& out) {
  while (!wants_out.empty()) {
    const auto [log, stop] = wants_out.front();
    const auto found = fetches.find(log);
    if (found == fetches.end() || found->second.ended) {
      wants_out.pop_front();
      continue;
    }
    Fetch& fetch = found->second;
    const SharedChannel* channel = fetch.channel ? shared(*fetch.channel) : nullptr;
    if (!stop && fetch.channel && channel == nullptr) {  // not shared any more: nobody would answer for it
      wants_out.pop_front();
      give_up(log, fetch, Fetch::Then::kRefuse);
      answer_ended(log, fetch);
      continue;
    }
    wire::Want want{channel != nullptr ? channel->own_slot : wire::kNoChannel, log, {}, {}, {}};
    if (!stop) {
      want.first = fetch.first;
      want.last = fetch.last;
      want.from_epoch = fetch.from_epoch;
    }
    if (!wire::put(out, want)) return;
    wants_out.pop_front();
  }
}

// ---- Ends

// The rest of the answer is of no use: it is stopped, and thrown away until it ends.
void Session::Impl::drain(const LogKey& log, Fetch& fetch) {
  if (fetch.draining) return;
  fetch.draining = true;
  fetch.receiver.reset();
  fetch.lower.reset();
  credit_back(fetch.chunk_bytes);
  fetch.chunk_bytes = 0;
  if (!fetch.ended) wants_out.emplace_back(log, true);
  wants.release(log, self);
}

void Session::Impl::answer_ended(const LogKey& log, Fetch& fetch) {
  if (!fetch.ended) {
    fetch.ended = true;
    --open_fetches;
    open_entries -= fetch.announced;
    if (no_room) {
      room_depth = std::max(room_depth, fetch.depth);
      no_room = false;
    }
  }
  finish_if_done(log);
}

// Ended and all of it durable: the log is complete, has grown meanwhile, or is not to be had here.
void Session::Impl::finish_if_done(const LogKey& log) {
  const auto found = fetches.find(log);
  if (found == fetches.end() || !found->second.ended || found->second.commits > 0) return;
  const Fetch fetch = std::move(found->second);
  fetches.erase(found);
  wants.release(log, self);
  if (fetch.purpose == FetchPurpose::kBelow) return below_done(log, fetch);
  if (fetch.type == LogType::kOrganisation) org_depth = std::max(org_depth, fetch.depth);
  if (const auto channel = fetch.channel ? channels.find(*fetch.channel) : channels.end();
      channel != channels.end() && fetch.type != LogType::kFeed) {
    channel->second.control_depth = std::max(channel->second.control_depth, fetch.depth);
  }
  if (walk_on(log, fetch)) return;
  if (fetch.branch_at.value != 0 && start_branch(log, fetch.channel, fetch.branch_at, fetch.depth)) return;
  if (fetch.fork_at.value != 0) {
    return start_probe(log, FetchPurpose::kFork, fetch.channel, fetch.type, fetch.fork_at, fetch.suspect, fetch.depth);
  }
  if (fetch.suspect.value != 0) {
    return start_probe(log, FetchPurpose::kSuspect, fetch.channel, fetch.type, fetch.suspect, {}, fetch.depth);
  }
  const auto target = targets.find(log);
  if (target == targets.end() || target->second.state != TargetState::kActive) return;
  const bool go_on = fetch.then == Fetch::Then::kRetry || (fetch.then == Fetch::Then::kGoOn && fetch.came);
  if (replica.accepted_head(log) >= target->second.leaf.head) {
    erase_target(log);
  } else if (go_on || (!fetch.channel && target->second.channel)) {  // it has a place to be compared in by now
    queue_target(log, target->second);
  } else {
    set_state(log, target->second, fetch.then == Fetch::Then::kPark ? TargetState::kParked : TargetState::kRefused);
  }
}

Result<void> Session::Impl::handle_not_held(ByteView payload) {
  TOCSIN_ASSIGN(answer, wire::decode_not_held(payload));
  if (answer.log.is_zero()) {
    // The places asked for in that channel: it is not shared any more, as the peer sees it.
    const bool known = answer.slot < own_slot_channels.size() && own_slot_channels[answer.slot];
    if (!known) return kOk;
    if (const auto channel = channels.find(*own_slot_channels[answer.slot]); channel != channels.end()) {
      channel->second.asked.clear();
      channel->second.places.clear();
      channel->second.overflowed = true;
      ++stats.refused;  // no honest peer goes on like this
    }
    return kOk;
  }
  const auto found = fetches.find(answer.log);
  if (found == fetches.end() || found->second.ended) {
    return peer_error(kUnexpectedMessage, "an answer to a want that was not put");
  }
  Fetch& fetch = found->second;
  if (fetch.receiver && fetch.receiver->pending_entries() > 0) TOCSIN_TRY(commit_chunk(answer.log, fetch));
  fetch.receiver.reset();
  answer_ended(answer.log, fetch);
  return kOk;
}

}  // namespace tocsin::protocol
