// Brings what has become durable to the index, in order of arrival, one chunk under way at a time, and tells when the
// index has caught up. What stands above the pin of a removed feed stays out, and leaves when the pin comes later: it
// is kept as evidence only (rule 20). So does what is past retention, with its body (rule 25), and what its author took
// back, although a hold may keep that body. Checkpoints that the index meets go back to the replica, which compares
// them with the heads that it holds (rule 13), and so do orders to erase and holds, which it follows.
#pragma once

#include <deque>
#include <functional>
#include <map>
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
  // Calls `then` once everything that is durable now is in the index, and what was taken back is not (at once, when
  // that is so already), or when feeding has failed.
  void when_indexed(std::function<void()> then);
  protocol::Arrival cursor() const { return cursor_; }
  bool caught_up() const;

  void on_heads(const protocol::ChannelId&, const protocol::LogKey&) override {}
  void on_org_log(const protocol::OrgId&) override;  // a rotation may undo nodes (rule 19)
  void on_channels() override;                       // new keys may open what waited
  void on_peers() override {}
  void on_mail() override {}
  void on_arrival(protocol::Arrival newest) override;
  void on_erased(std::span<const protocol::Batch::BodyErase> bodies) override;  // their reports leave the index
  void on_cut(const protocol::ChannelId&, const protocol::LogKey&, const protocol::EntryChunk& entries) override;
  void on_taken_back(std::span<const protocol::TakenBack> bodies) override;  // likewise, with their words
  // Bodies that were taken back and are in the index still.
  std::uint64_t taken_back_waiting() const { return taken_back_.size() + taken_back_under_way_; }

 private:
  void pump();
  void revisit();
  void look_for_pins();
  void forget_next();
  void take_back_next();
  // Orders and holds: the replica follows them, however often it is told.
  void tell_replica(const std::vector<std::pair<protocol::LogKey, protocol::Number>>& entries);
  void tell_all(protocol::Arrival after);
  std::unique_ptr<protocol::EntryChunk> take_chunk(protocol::Arrival after);
  void hand_over(std::unique_ptr<protocol::EntryChunk> chunk, index::FeedAs as);
  bool is_past_pin(const protocol::StoredEntry& entry) const;
  void read_and_feed(protocol::Arrival after, protocol::Arrival last, index::FeedAs as);
  void answered(Result<index::FeedOutcome> outcome, std::unique_ptr<protocol::EntryChunk> chunk, index::FeedAs as);
  void fail(const Error& error);
  void release_waiters();

  protocol::Replica& replica_;
  index::IndexThread& index_;
  protocol::Arrival cursor_;
  Callbacks callbacks_;
  protocol::EntryOpener opener_;
  std::unique_ptr<protocol::EntryChunk> spare_ = std::make_unique<protocol::EntryChunk>();
  bool under_way_ = false;
  bool stopped_ = true;
  bool failed_ = false;
  bool keys_changed_ = false;
  std::uint64_t keys_seen_ = 0;  // ReadingTable::generation when last asked for what waits
  bool more_wanted_ = false;     // the index named as many ranges as one answer holds
  bool pins_changed_ = true;
  bool clearing_ = false;    // between the order to empty the index and its answer
  std::uint64_t round_ = 0;  // rises with each rebuild: answers of an earlier one count no more
  std::deque<index::ArrivalRange> to_revisit_;
  std::optional<index::ArrivalRange> to_revisit_last_;  // the first range of the last answer
  struct Forget {
    protocol::LogKey feed;
    protocol::Number next, end;  // entries [next, end]
  };
  std::deque<Forget> to_forget_;
  std::deque<std::unique_ptr<protocol::EntryChunk>> cut_;  // of branches that were not chosen; they are gone already
  std::deque<protocol::TakenBack> taken_back_;
  std::uint64_t taken_back_under_way_ = 0;
  std::map<protocol::LogKey, protocol::Number> pins_;  // that were looked at: the last entry that counts
  std::deque<std::pair<protocol::Arrival, std::function<void()>>> waiters_;
  std::function<void(Result<void>)> rebuilt_;
};

}  // namespace tocsin::desk
