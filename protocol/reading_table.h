// The keys that open bodies, and who owns each feed, shared between the loop (which learns them) and the index thread (which opens).
// The one piece of protocol data that two threads touch: every method may be called from any thread.
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <unordered_map>

#include "crypto/body.h"
#include "protocol/feed.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

struct FeedOwner {
  ChannelId channel;
  OrgId org;
  NodeId node;
  std::uint32_t generation = 1;
};

// A feed entry, opened.
struct OpenedEntry {
  ChannelId channel;
  Epoch epoch;
  LogKey feed;
  Number number;
  EntryHash hash;
  OrgId org;
  NodeId node;
  FeedKind kind;
  ByteView payload;  // valid until the next call of the same EntryOpener
};

class ReadingTable {
 public:
  void add_epoch(const ChannelId& channel, const ChannelPseudonym& pseudonym, Epoch epoch, const crypto::EpochKey& key);
  void set_feed(const LogKey& feed, const FeedOwner& owner);
  // Forgets all keys (lock).
  void clear();

  std::optional<ChannelId> channel_of(const ChannelPseudonym& pseudonym) const;
  std::optional<FeedOwner> feed_owner(const LogKey& feed) const;
  std::optional<crypto::EpochKey> epoch_key(const ChannelPseudonym& pseudonym, Epoch epoch) const;
  std::uint64_t generation() const;  // rises with every change of keys

 private:
  mutable std::shared_mutex mutex_;
  std::map<ChannelPseudonym, ChannelId> channels_;
  std::map<std::pair<ChannelPseudonym, Epoch>, crypto::EpochKey> keys_;
  std::unordered_map<LogKey, FeedOwner, FixedBytesHash> feeds_;
  std::uint64_t generation_ = 0;
};

// Opens entries in bulk without an allocation for each. One for each thread; `table` outlives it.
class EntryOpener {
 public:
  explicit EntryOpener(const ReadingTable& table);
  ~EntryOpener();
  // Errors: not_a_feed (caller), no_key (caller: no epoch key here, or unknown channel), unknown_feed, erased (caller: body gone), and the
  // peer errors of crypto::BodyOpener and decode_feed_plaintext.
  Result<OpenedEntry> open(const EntryView& entry);

 private:
  struct Cached;
  const ReadingTable& table_;
  std::unique_ptr<Cached> cached_;
};

}  // namespace tocsin::protocol
