// Inside protocol/bundle_read.cc and bundle_entries.cc only: what a BundleReader knows.
#pragma once

#include "protocol/bundle.h"

namespace tocsin::protocol {

inline Error broken_bundle(std::string detail) { return peer_error(kBadBundle, std::move(detail)); }

// One want and the entries behind it.
struct BundleRangeInHand {
  wire::Want want;
  std::optional<ChannelId> channel;
  bool begun = false, ended = false;
  LogType type = LogType::kFeed;
  EntryHeader header;  // type, log and channel; the rest is filled in for each entry that is not taken
  Number next;
  EntryHash previous;            // of the entry before `next`, while the receiver does not keep it
  Epoch first_epoch;             // own, of feeds
  std::optional<Number> pinned;  // where the feed ends for good (rule 20)
  std::optional<RangeReceiver> receiver;
  std::optional<Entry> early;                  // the last that is from before it; an entry without its body
  bool draining = false;                       // nothing more of it is taken
  std::optional<std::string_view> drain_code;  // why, when that is to be told
};

struct BundleReader::Impl : std::enable_shared_from_this<Impl> {
  Impl(Replica& r, Use u, std::function<void()> w)
      : replica(r),
        use(u),
        wakeup(std::move(w)),
        opener([&r](const crypto::EncryptionPublic& ephemeral, ByteView context, std::span<const ByteView> slots) {
          return r.open_slot(ephemeral, context, slots);
        }) {}

  Replica& replica;
  const Use use;
  const std::function<void()> wakeup;
  BundleOpener opener;
  crypto::Verifier verifier;
  BundleSummary summary;
  bool file_ended = false;
  bool stopping = false, over = false;
  std::size_t commits = 0;  // under way
  bool barrier = false;     // one of them decides about what follows

  // Of the bundle at hand.
  crypto::VerifyKey author;
  BundleOpening opening;
  bool ours = false;  // it opens here
  bool own = false;   // made by this node
  bool done_seen = false;
  std::size_t mails = 0;
  bool mail_waits = false;  // for the disk: what it brought is not shown before
  std::optional<wire::FrameReader> messages;
  std::optional<wire::Message> message;
  std::optional<BundleRangeInHand> range;

  State run();
  bool has_to_wait() const;
  void stop(Error error);
  void file_end();
  void write_barrier();
  Result<void> handle_event(BundleOpener::Event event);
  Result<void> find_author();
  Result<void> take_opening();
  Result<void> dispatch(const wire::Message& m);
  Result<void> handle_want(ByteView payload);
  Result<void> handle_entries(ByteView payload);
  Result<void> begin_range(const wire::EntriesHeader& first);
  void take_entry(const wire::WireEntry& entry);
  bool parts_here(const wire::WireEntry& entry);
  void pass_over(const wire::WireEntry& entry, const BodyHash& body_hash, bool known);
  bool begin_receiver();
  void compare(const EntryView& entry, const EntryHash& hash);
  void commit_chunk();
  void end_range();
  void refuse(const Error& error, std::uint64_t lost);
  BundleChannel* channel_of(const BundleRangeInHand& of) {
    return of.channel ? &summary.channels[*of.channel] : nullptr;
  }
};

}  // namespace tocsin::protocol
