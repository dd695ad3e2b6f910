// Brings what has become durable to the index, in order of arrival, one chunk under way at a time, and tells when the
// index has caught up.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "node/index/index_thread.h"
#include "protocol/replica.h"

namespace tocsin::desk {

inline constexpr std::size_t kFeedChunkBytes = 1024 * 1024;

// One thread (the loop's). Register it as a listener of the replica's events and call `start` once.
class Feeder final : public protocol::ReplicaListener {
 public:
  struct Callbacks {
    std::function<void(const index::FeedOutcome&)> fed;  // after each chunk; alerts for those who notify
    std::function<void(const Error&)> failed;            // the index stopped taking; queries go on
  };
  // References outlive the feeder. It reads on after `cursor`.
  Feeder(protocol::Replica& replica, index::IndexThread& index, protocol::Arrival cursor, Callbacks callbacks);

  void start();
  void stop();  // hands out nothing more
  // Empties the index and feeds everything again. `done` when it has caught up.
  void rebuild(std::function<void(Result<void>)> done);
  // Calls `then` once everything that is durable now is in the index (at once, when it is already), or when feeding has
  // failed.
  void when_indexed(std::function<void()> then);
  protocol::Arrival cursor() const { return cursor_; }
  bool caught_up() const;

  void on_heads(const protocol::ChannelId&, const protocol::LogKey&) override {}
  void on_org_log(const protocol::OrgId&) override {}
  void on_channels() override;  // new keys may open what waited
  void on_peers() override {}
  void on_mail() override {}
  void on_arrival(protocol::Arrival newest) override;

 private:
  void pump();
  void revisit();
  void read_and_feed(protocol::Arrival after, protocol::Arrival last, index::FeedAs as);
  void answered(Result<index::FeedOutcome> outcome, std::unique_ptr<protocol::EntryChunk> chunk, index::FeedAs as);
  void fail(const Error& error);
  void release_waiters();

  protocol::Replica& replica_;
  index::IndexThread& index_;
  protocol::Arrival cursor_;
  Callbacks callbacks_;
  std::unique_ptr<protocol::EntryChunk> spare_ = std::make_unique<protocol::EntryChunk>();
  bool under_way_ = false;
  bool stopped_ = true;
  bool failed_ = false;
  bool keys_changed_ = false;
  std::uint64_t keys_seen_ = 0;  // ReadingTable::generation when last asked for what waits
  std::deque<index::ArrivalRange> to_revisit_;
  std::deque<std::pair<protocol::Arrival, std::function<void()>>> waiters_;
  std::function<void(Result<void>)> rebuilt_;
};

}  // namespace tocsin::desk
