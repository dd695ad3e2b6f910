// The keys that open bodies, and who owns each feed, shared between the loop (which learns them) and the index thread
// (which opens). The one piece of protocol data that two threads touch: every method may be called from any thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <unordered_map>

#include "crypto/body.h"
#include "crypto/dh.h"
#include "crypto/secret.h"
#include "protocol/feed.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

struct FeedOwner {
  ChannelId channel;
  OrgId org;
  NodeId node;
  std::uint32_t generation = 1;
  friend bool operator==(const FeedOwner&, const FeedOwner&) = default;
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
  // Of a contributor (rule 24): what it wrote to the public half of that epoch opens with its own secret.
  void add_contribution(const ChannelId& channel, const ChannelPseudonym& pseudonym, Epoch epoch,
                        const crypto::EncryptionPublic& half, std::shared_ptr<const crypto::SecretBuffer> secret);
  // `late`: entries of the feed were taken before, and whoever could not open them is to try again.
  void set_feed(const LogKey& feed, const FeedOwner& owner, bool late = false);
  // Forgets everything, keys and names (lock). Openers forget theirs with their next call of open() or forget_keys().
  void clear();

  std::optional<ChannelId> channel_of(const ChannelPseudonym& pseudonym) const;
  std::optional<FeedOwner> feed_owner(const LogKey& feed) const;
  std::optional<crypto::EpochKey> epoch_key(const ChannelPseudonym& pseudonym, Epoch epoch) const;  // a copy
  struct Contributed {
    crypto::EncryptionPublic half;
    std::shared_ptr<const crypto::SecretBuffer> secret;
  };
  std::optional<Contributed> contribution(const ChannelPseudonym& pseudonym, Epoch epoch) const;
  std::uint64_t generation() const;  // rises when what did not open may open now, and when all is forgotten

 private:
  mutable std::shared_mutex mutex_;
  std::map<ChannelPseudonym, ChannelId> channels_;
  std::map<std::pair<ChannelPseudonym, Epoch>, crypto::EpochKey> keys_;
  std::map<std::pair<ChannelPseudonym, Epoch>, Contributed> contributions_;
  std::unordered_map<LogKey, FeedOwner, FixedBytesHash> feeds_;
  std::atomic<std::uint64_t> generation_ = 0;  // read without the lock; written under it
};

// Opens entries in bulk without an allocation for each: keeps the keys of the last few epochs at hand. One for each
// thread; `table` outlives it.
class EntryOpener {
 public:
  explicit EntryOpener(const ReadingTable& table);
  ~EntryOpener();
  // `entry` was verified before (rule 11): its header, signature and body hash are not checked again here. Errors
  // (caller): not_a_feed; no_key (no epoch key here, or unknown channel); unknown_feed (no owner is known, or one in
  // another channel); erased (the body is gone). Errors (peer): those of EntryHeader::decode, crypto::BodyOpener and
  // decode_feed_plaintext.
  Result<OpenedEntry> open(const EntryView& entry);
  // Wipes the keys at hand now (lock), and the plaintext of the last entry.
  void forget_keys();

 private:
  struct Cached;
  const ReadingTable& table_;
  std::unique_ptr<Cached> cached_;
};

}  // namespace tocsin::protocol
