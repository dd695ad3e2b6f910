#include "protocol/reading_table.h"

#include <mutex>

#include "protocol/contributor.h"

namespace tocsin::protocol {

void ReadingTable::add_epoch(const ChannelId& channel, const ChannelPseudonym& pseudonym, Epoch epoch,
                             const crypto::EpochKey& key) {
  const std::unique_lock lock(mutex_);
  channels_.insert_or_assign(pseudonym, channel);
  keys_.insert_or_assign({pseudonym, epoch}, key.clone());
  ++generation_;
}

void ReadingTable::add_contribution(const ChannelId& channel, const ChannelPseudonym& pseudonym, Epoch epoch,
                                    const crypto::EncryptionPublic& half,
                                    std::shared_ptr<const crypto::SecretBuffer> secret) {
  const std::unique_lock lock(mutex_);
  channels_.insert_or_assign(pseudonym, channel);
  contributions_.insert_or_assign({pseudonym, epoch}, Contributed{half, std::move(secret)});
  ++generation_;
}

void ReadingTable::set_feed(const LogKey& feed, const FeedOwner& owner, bool late) {
  const std::unique_lock lock(mutex_);
  feeds_.insert_or_assign(feed, owner);
  if (late) ++generation_;
}

void ReadingTable::clear() {
  const std::unique_lock lock(mutex_);
  channels_.clear();
  keys_.clear();
  contributions_.clear();
  feeds_.clear();
  ++generation_;
}

std::optional<ChannelId> ReadingTable::channel_of(const ChannelPseudonym& pseudonym) const {
  const std::shared_lock lock(mutex_);
  const auto found = channels_.find(pseudonym);
  if (found == channels_.end()) return std::nullopt;
  return found->second;
}

std::optional<FeedOwner> ReadingTable::feed_owner(const LogKey& feed) const {
  const std::shared_lock lock(mutex_);
  const auto found = feeds_.find(feed);
  if (found == feeds_.end()) return std::nullopt;
  return found->second;
}

std::optional<crypto::EpochKey> ReadingTable::epoch_key(const ChannelPseudonym& pseudonym, Epoch epoch) const {
  const std::shared_lock lock(mutex_);
  const auto found = keys_.find({pseudonym, epoch});
  if (found == keys_.end()) return std::nullopt;
  return found->second.clone();
}

std::optional<ReadingTable::Contributed> ReadingTable::contribution(const ChannelPseudonym& pseudonym,
                                                                    Epoch epoch) const {
  const std::shared_lock lock(mutex_);
  const auto found = contributions_.find({pseudonym, epoch});
  if (found == contributions_.end()) return std::nullopt;
  return found->second;
}

std::uint64_t ReadingTable::generation() const { return generation_.load(); }

// What opens the entries of one channel and epoch: a reader has the epoch's key, a contributor the secret behind what
// it wrote itself.
class BodyKeys {
 public:
  explicit BodyKeys(EpochOpener opener) : opener_(std::move(opener)) {}
  explicit BodyKeys(ReadingTable::Contributed contributed) : contributed_(std::move(contributed)) {}
  BodyKeys(BodyKeys&&) noexcept = default;
  BodyKeys& operator=(BodyKeys&&) noexcept = default;
  ~BodyKeys() { crypto::wipe(plaintext_); }

  Result<ByteView> open(const BodyBinding& binding, ByteView body) {
    if (opener_) return opener_->open(binding, body);
    const auto ephemeral = contribution_ephemeral(*contributed_->secret, binding);
    TOCSIN_ASSIGN(plaintext, crypto::open_own_contribution(ephemeral, contributed_->half, binding.context(),
                                                           binding.associated(), body));
    crypto::wipe(plaintext_);
    plaintext_ = std::move(plaintext);
    return ByteView(plaintext_);
  }

 private:
  std::optional<EpochOpener> opener_;
  std::optional<ReadingTable::Contributed> contributed_;
  Bytes plaintext_;
};

// Each EpochOpener holds locked memory and a buffer of 48 KiB; entries of one feed come in runs of one epoch.
struct EntryOpener::Cached {
  static constexpr std::size_t kOpenersMax = 8;
  struct Slot {
    ChannelPseudonym pseudonym;
    Epoch epoch;
    ChannelId channel;
    BodyKeys keys;
  };
  std::uint64_t generation = 0;
  std::vector<Slot> slots;
  std::size_t oldest = 0;  // the next to be replaced

  Slot* find(const ChannelPseudonym& pseudonym, Epoch epoch) {
    for (Slot& slot : slots) {
      if (slot.epoch == epoch && slot.pseudonym == pseudonym) return &slot;
    }
    return nullptr;
  }

  Slot* add(Slot slot) {
    if (slots.size() < kOpenersMax) return &slots.emplace_back(std::move(slot));
    Slot& place = slots[oldest];
    oldest = (oldest + 1) % kOpenersMax;
    place = std::move(slot);
    return &place;
  }

  void forget() {
    slots.clear();
    oldest = 0;
  }
};

EntryOpener::EntryOpener(const ReadingTable& table) : table_(table), cached_(std::make_unique<Cached>()) {
  cached_->slots.reserve(Cached::kOpenersMax);
}

EntryOpener::~EntryOpener() = default;

void EntryOpener::forget_keys() { cached_->forget(); }

Result<OpenedEntry> EntryOpener::open(const EntryView& entry) {
  // Taken before any key: a key that comes later is taken for older than it is, and fetched again, never kept too long.
  const std::uint64_t generation = table_.generation();
  if (generation != cached_->generation) {
    cached_->forget();
    cached_->generation = generation;
  }
  TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
  if (header.type != LogType::kFeed) return caller_error(kNotAFeed, "the entry is not of a feed");

  Cached::Slot* slot = cached_->find(header.channel, header.epoch);
  if (slot == nullptr) {
    const auto channel = table_.channel_of(header.channel);
    const auto key = table_.epoch_key(header.channel, header.epoch);
    auto contributed = key ? std::nullopt : table_.contribution(header.channel, header.epoch);
    if (!channel || (!key && !contributed)) {
      return caller_error(kNoKey, "this node holds no key for the entry's channel and epoch");
    }
    slot =
        cached_->add({header.channel, header.epoch, *channel,
                      key ? BodyKeys(EpochOpener(*key, *channel, header.epoch)) : BodyKeys(std::move(*contributed))});
  }
  const auto owner = table_.feed_owner(header.log);
  if (!owner || owner->channel != slot->channel) {
    return caller_error(kUnknownFeed, "no node is known to own the feed in this channel");
  }
  if (entry.body.empty() && header.body_bytes != 0) return caller_error(kErased, "the entry's body was erased");

  const BodyBinding binding(slot->channel, header.epoch, header.log, header.number, header.type);
  TOCSIN_ASSIGN(plaintext, slot->keys.open(binding, entry.body));
  TOCSIN_ASSIGN(content, decode_feed_plaintext(plaintext));
  return OpenedEntry{
      slot->channel, header.epoch, header.log,   header.number,  hash_entry(entry.header, entry.signature),
      owner->org,    owner->node,  content.kind, content.payload};
}

}  // namespace tocsin::protocol
