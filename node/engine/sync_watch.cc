#include "node/engine/sync_watch.h"

#include <algorithm>

namespace tocsin::engine {
namespace {

using protocol::SessionStats;

void add_difference(SessionStats& sum, const SessionStats& now, const SessionStats& base) {
  sum.entries_received += now.entries_received - base.entries_received;
  sum.entries_sent += now.entries_sent - base.entries_sent;
  sum.bytes_in += now.bytes_in - base.bytes_in;
  sum.bytes_out += now.bytes_out - base.bytes_out;
  sum.round_trips = std::max(sum.round_trips, now.round_trips);
}

bool progressed(const SessionStats& now, const SessionStats& before) {
  return now.entries_received != before.entries_received || now.entries_sent != before.entries_sent ||
         now.frames_in != before.frames_in;
}

}  // namespace

template <class Act>
void SyncWatch::each(const protocol::NodeId& node, Act act) {
  for (Request& request : requests_) {
    for (Target& target : request.targets) {
      if (target.node == node && target.phase != Phase::kEnded) act(request, target);
    }
  }
}

void SyncWatch::begin(std::vector<Target> targets, Done<SyncReport> done, std::int64_t now_ms) {
  Request request{std::move(targets), std::move(done), now_ms, now_ms, 0};
  for (Target& target : request.targets) {
    target.progress_ms = now_ms;
    if (target.phase != Phase::kEnded) ++request.open;
  }
  if (request.open == 0) finished_ = true;
  requests_.push_back(std::move(request));
}

void SyncWatch::end(Request& request, Target& target, std::optional<Error> problem, std::int64_t now_ms) {
  add_difference(target.sum, target.last, target.base);
  target.base = target.last;
  target.phase = Phase::kEnded;
  target.problem = std::move(problem);
  request.end_ms = now_ms;
  if (--request.open == 0) finished_ = true;
}

void SyncWatch::link_up(const protocol::NodeId& node, std::int64_t now_ms) {
  each(node, [&](Request&, Target& target) {
    target.phase = Phase::kSyncing;
    target.base = target.last = {};
    target.progress_ms = now_ms;
    ++target.links;
  });
}

void SyncWatch::observe(const protocol::NodeId& node, const SessionStats& stats, bool settled, std::int64_t now_ms) {
  each(node, [&](Request& request, Target& target) {
    if (target.phase != Phase::kSyncing) return;
    if (progressed(stats, target.last)) target.progress_ms = now_ms;
    target.last = stats;
    // Something must have come since the call: what is settled from before has not been compared again yet.
    if (stats.frames_in == target.base.frames_in) return;
    target.reached = true;
    if (settled) end(request, target, std::nullopt, now_ms);
  });
}

bool SyncWatch::link_down(const protocol::NodeId& node, const SessionStats& stats, const Error& reason, bool may_redial,
                          std::int64_t now_ms) {
  bool redial = false;
  each(node, [&](Request& request, Target& target) {
    if (target.phase != Phase::kSyncing) return;
    target.last = stats;
    if (!may_redial || !target.reached || target.links > kRelinksMax) return end(request, target, reason, now_ms);
    add_difference(target.sum, target.last, target.base);
    target.base = target.last = {};
    target.phase = Phase::kConnecting;
    redial = true;
  });
  return redial;
}

void SyncWatch::dial_failed(const protocol::NodeId& node, const Error& reason, std::int64_t now_ms) {
  each(node, [&](Request& request, Target& target) {
    if (target.phase == Phase::kConnecting) end(request, target, reason, now_ms);
  });
}

void SyncWatch::tick(std::int64_t now_ms) {
  for (Request& request : requests_) {
    for (Target& target : request.targets) {
      if (target.phase == Phase::kSyncing && now_ms - target.progress_ms >= kSyncStallMs) {
        end(request, target, peer_error(kStalled, "connected, but nothing came for 30 seconds"), now_ms);
      }
    }
  }
}

void SyncWatch::end_all(const Error& reason, std::int64_t now_ms) {
  for (Request& request : requests_) {
    for (Target& target : request.targets) {
      if (target.phase != Phase::kEnded) end(request, target, reason, now_ms);
    }
  }
}

std::optional<std::int64_t> SyncWatch::next_deadline() const {
  std::optional<std::int64_t> first;
  for (const Request& request : requests_) {
    for (const Target& target : request.targets) {
      if (target.phase == Phase::kSyncing && (!first || target.progress_ms + kSyncStallMs < *first))
        first = target.progress_ms + kSyncStallMs;
    }
  }
  return first;
}

SyncReport SyncWatch::report_of(const Request& request) {
  SyncReport report;
  bool any_reached = false, any_problem = false;
  for (const Target& target : request.targets) {
    report.received += target.sum.entries_received;
    report.sent += target.sum.entries_sent;
    report.bytes_in += target.sum.bytes_in;
    report.bytes_out += target.sum.bytes_out;
    report.round_trips = std::max(report.round_trips, target.sum.round_trips);
    report.peers.push_back({target.org, target.node, target.reached, target.problem});
    any_reached |= target.reached;
    any_problem |= target.problem.has_value();
  }
  report.seconds = static_cast<double>(request.end_ms - request.start_ms) / 1000;
  if (any_problem) report.code = any_reached ? kPartial : kUnreachable;
  return report;
}

std::vector<std::pair<Done<SyncReport>, SyncReport>> SyncWatch::take_finished() {
  std::vector<std::pair<Done<SyncReport>, SyncReport>> out;
  for (Request& request : requests_) {
    if (request.open == 0) out.emplace_back(std::move(request.done), report_of(request));
  }
  std::erase_if(requests_, [](const Request& request) { return request.open == 0; });
  finished_ = false;
  return out;
}

}  // namespace tocsin::engine
