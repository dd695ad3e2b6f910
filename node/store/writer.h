// The store's writer: one thread that makes queued batches durable, many in one transaction. Inside node/store only.
#pragma once

#include <condition_variable>
#include <deque>
#include <thread>

#include "node/store/apply.h"
#include "node/store/store.h"

namespace tocsin::store {

class Writer {
 public:
  Writer(Database& database, Post post, const StoreOptions& options);
  ~Writer() { stop(); }

  // Owner's thread.
  void enqueue(protocol::Batch batch, std::function<void(Result<protocol::Arrival>)> done);

  // Any thread.
  std::size_t queued_bytes() const;
  bool is_behind() const;
  void flush();
  // What is queued is still written. Harmless when called again.
  void stop();
  // Fills in what the writer knows.
  void describe(StoreStatus& status) const;

 private:
  using Done = std::function<void(Result<protocol::Arrival>)>;
  struct Item {
    protocol::Batch batch;
    Done done;
    std::size_t bytes = 0;             // of memory, for the limits
    std::uint64_t failures_known = 0;  // by the owner when it made the batch
    std::optional<Error> refused;      // the queue was full: fails when its turn comes, and with it what stands behind
  };
  using Group = std::vector<Item>;
  // Shared with what was posted, which may run after the writer is gone. Owner's thread only.
  struct Owner {
    std::uint64_t failures_known = 0;
  };

  void run();
  bool take(Group& group);  // false: stop, nothing is left
  void process(Group group);
  // Makes group[first, …) durable as far as it goes; returns how many batches were, and the error of the next one.
  std::size_t write(Group& group, std::optional<Error>& error);
  std::size_t writable(const Group& group, std::optional<Error>& error);
  std::optional<ApplyError> attempt(Group& group, std::size_t count, std::vector<protocol::Arrival>& arrivals,
                                    std::size_t& applied);
  Result<void> grow_map();
  Result<void> grow_map_for(std::uint64_t bytes);
  Error judge(ApplyError failure, std::uint64_t bytes);
  void tell_success(Group& group, std::size_t count, std::vector<protocol::Arrival> arrivals);
  void tell_failure(Group group, std::size_t first, const Error& error, bool first_of_its_kind);
  void release(const Group& group, std::size_t first, std::size_t end);
  void settle(std::size_t count);
  void set_state(StoreState state, std::optional<Error> reason, std::uint64_t needed_bytes);

  Database& database_;
  const Post post_;
  const StoreOptions options_;
  crypto::SystemRandom random_;
  std::shared_ptr<Owner> owner_ = std::make_shared<Owner>();

  // Writer's thread only.
  std::uint64_t failures_ = 0;
  std::optional<Error> last_error_;
  bool broken_ = false;  // kStoreFailed: nothing more is tried

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable drained_;
  std::deque<Item> queue_;
  std::size_t queued_bytes_ = 0;  // of the queue and the group at hand
  std::size_t queued_batches_ = 0;
  std::uint64_t accepted_ = 0;  // batches ever taken in
  std::uint64_t settled_ = 0;   // batches whose `done` was posted
  std::uint64_t transactions_ = 0;
  StoreState state_ = StoreState::kReady;
  std::optional<Error> reason_;
  std::uint64_t needed_bytes_ = 0;
  bool stopping_ = false;
  bool finished_ = false;  // the thread takes nothing more

  std::thread thread_;  // last: starts when everything else is there
};

}  // namespace tocsin::store
