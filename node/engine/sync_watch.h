// Follows `sync now` calls to their end: which peers are still to be reached, which are exchanging, what went over the
// wire meanwhile. Part of the hub, which tells it what happens; it calls nobody.
#pragma once

#include <utility>
#include <vector>

#include "node/engine/hub.h"

namespace tocsin::engine {

class SyncWatch {
 public:
  enum class Phase : std::uint8_t { kConnecting, kSyncing, kEnded };
  struct Target {
    protocol::OrgId org;
    protocol::NodeId node;
    Phase phase = Phase::kConnecting;
    bool reached = false;
    std::optional<Error> problem;
    protocol::SessionStats base;  // of the link when it was joined
    protocol::SessionStats last;  // as last seen
    protocol::SessionStats sum;   // over links that are gone
    std::int64_t progress_ms = 0;
    int links = 0;  // lost and made again at most kRelinksMax times
  };
  static constexpr int kRelinksMax = 3;
  // Linked already: phase kSyncing, base and last set. Cannot be dialled: phase kEnded with the problem.
  void begin(std::vector<Target> targets, Done<SyncReport> done, std::int64_t now_ms);

  void link_up(const protocol::NodeId& node, std::int64_t now_ms);
  // Nodes may be asked for by several calls: all are told.
  void observe(const protocol::NodeId& node, const protocol::SessionStats& stats, bool settled, std::int64_t now_ms);
  // True: somebody wants the node dialled again.
  bool link_down(const protocol::NodeId& node, const protocol::SessionStats& stats, const Error& reason,
                 bool may_redial, std::int64_t now_ms);
  void dial_failed(const protocol::NodeId& node, const Error& reason, std::int64_t now_ms);
  // Gives up on those without progress.
  void tick(std::int64_t now_ms);
  void end_all(const Error& reason, std::int64_t now_ms);
  std::optional<std::int64_t> next_deadline() const;

  bool empty() const { return requests_.empty(); }
  bool any_finished() const { return finished_; }
  std::vector<std::pair<Done<SyncReport>, SyncReport>> take_finished();

 private:
  struct Request {
    std::vector<Target> targets;
    Done<SyncReport> done;
    std::int64_t start_ms;
    std::int64_t end_ms;
    std::size_t open;  // targets that have not ended
  };
  template <class Act>
  void each(const protocol::NodeId& node, Act act);
  void end(Request& request, Target& target, std::optional<Error> problem, std::int64_t now_ms);
  static SyncReport report_of(const Request& request);

  std::vector<Request> requests_;
  bool finished_ = false;
};

}  // namespace tocsin::engine
