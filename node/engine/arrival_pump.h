// Feeds the index (or any sink that lives on another thread) with what has become durable, in order of arrival, from a
// cursor on. One chunk is under way at a time and the next is read when the consumer says that it has done with it:
// memory is bounded by two chunks, and a reader of the store never outlives one read.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "node/engine/hub.h"
#include "node/engine/loop.h"
#include "protocol/replica.h"

namespace tocsin::engine {

inline constexpr std::size_t kArrivalChunkBytes = 1024 * 1024;

// Copies of entries, contiguous: nothing is allocated for each entry.
struct ArrivalChunk {
  struct Item {
    protocol::Arrival arrival;
    std::size_t offset = 0;  // of the header in `bytes`; signature and body follow it
    std::uint16_t signature_bytes = 0;
    std::uint32_t body_bytes = 0;  // as stored here; 0 when erased or absent
    protocol::Checked checked = protocol::Checked::kChained;
    bool body_erased = false;
  };
  Bytes bytes;
  std::vector<Item> items;
  protocol::Arrival last;    // the cursor once this chunk is done
  protocol::Arrival newest;  // newest arrival when it was read: how far there is to go, for progress
  std::uint64_t round = 0;   // the pump's own: tells chunks from before a restart
  protocol::EntryView entry(const Item& item) const;
};

class ArrivalPump final : public protocol::ReplicaListener {
 public:
  // Called on the loop's thread; hands the chunk to the consumer's own thread and returns at once. The consumer calls
  // acknowledge, from any thread, with the same chunk (its memory is used again).
  using Consumer = std::function<void(std::unique_ptr<ArrivalChunk>)>;
  // Called on the loop's thread when reading fails (environment: store_failed); the pump has then stopped.
  using Failed = std::function<void(const Error&)>;

  // References outlive the pump. It begins after `cursor`.
  ArrivalPump(Hub& hub, protocol::Replica& replica, Loop& loop, protocol::Arrival cursor, Consumer consumer,
              Failed failed);
  ~ArrivalPump() override;

  // Loop thread. Reads on as far as there is something.
  void start();
  // Loop thread. Begins again after `cursor` (rebuild): a chunk under way is still to be acknowledged and then
  // forgotten.
  void restart(protocol::Arrival cursor);
  // Loop thread. No chunk is handed out any more.
  void stop();
  // Any thread.
  void acknowledge(std::unique_ptr<ArrivalChunk> chunk);
  // Loop thread: everything durable up to here has been acknowledged.
  protocol::Arrival acknowledged() const;
  // Loop thread: nothing is under way and nothing is left to read.
  bool caught_up() const;

  void on_heads(const protocol::ChannelId&, const protocol::LogKey&) override {}
  void on_org_log(const protocol::OrgId&) override {}
  void on_channels() override {}
  void on_peers() override {}
  void on_mail() override {}
  void on_arrival(protocol::Arrival newest) override;

 private:
  struct State;
  Hub& hub_;
  std::shared_ptr<State> state_;
};

}  // namespace tocsin::engine
