// Writing to the own feed (rules 9, 13, 28).
#include <algorithm>
#include <cassert>

#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {

Error needs_newer_error(const ChannelState& state) {
  return caller_error(kNeedsNewer, "the channel's control log holds an entry that needs Tocsin " +
                                       (state.needs_version.empty() ? "in a newer version" : state.needs_version) +
                                       ": nothing is written there until this node is upgraded");
}

Result<void> ReplicaCore::may_append(const Channel& channel, Haste haste) const {
  TOCSIN_TRY(check_unlocked());
  const ChannelState& state = channel.accepted;
  if (state.needs_newer) return needs_newer_error(state);
  if (state.standing == ChannelStanding::kRemoved) {
    return caller_error(kNotAWriter,
                        "the channel's chair has removed this organisation: what is held here can be read, "
                        "and nothing new comes or goes");
  }
  const Role role = state.role_of(own_org);
  if (!state.joined() || state.newest == nullptr || !may_report(role)) {
    return caller_error(kNotAWriter, "this organisation may not write in the channel");
  }
  if (haste == Haste::kOrdinary && state.id() != private_channel) TOCSIN_TRY(check_home());
  return kOk;
}

// The live feed; another one where there is none yet, or the last has ended: a fork proof, a pin, or another copy of
// this node that wrote to it (rules 12, 20, 21).
LogState& ReplicaCore::own_feed(Change& change, Channel& channel) {
  ChannelState& state = channel.accepted;
  if (state.feed_key != nullptr) {
    const LogKey key{state.feed_key->verify_key().bytes()};
    LogState* log = find_log(key);
    // An epoch past the end of a term is above what the next one begins with: a feed never goes back.
    const bool above = log != nullptr && log->accepted.head_epoch > state.newest_epoch();
    const bool pinned = log != nullptr && pin_for(state, *log) != nullptr;
    if (log != nullptr && log->accepted.frozen == 0 && !pinned && !above && !is_over(channel, *log)) return *log;
  }
  state.feed_key = std::make_shared<const crypto::SigningKey>(crypto::SigningKey::generate(random));
  channel.feed_made_here = state.feed_key;
  for (const LogKey& key : channel.logs) {  // one that another copy of this node began may have come from a peer
    const LogState* log = find_log(key);
    if (log != nullptr && log->owner && log->owner->node == own_node)
      state.feed_generation = std::max(state.feed_generation, log->owner->generation);
  }
  ++state.feed_generation;
  change.channels.push_back(state.id());
  const LogKey key{state.feed_key->verify_key().bytes()};
  LogState& log = add_log(key, LogType::kFeed, state.id());
  log.owner = FeedOwner{state.id(), own_org, own_node, state.feed_generation};
  log.checkpoint_time = clock.now();
  log.feed_record_changed = true;
  table.set_feed(key, *log.owner);
  return log;
}

namespace {

// The sealed body, valid until the next call.
using Seal = std::function<Result<ByteView>(const BodyBinding& binding, ByteView plaintext)>;

// Seals and signs one entry after the other under one epoch.
class FeedWriter {
 public:
  FeedWriter(Change& change, LogState& log, const ChannelState& state, Seal seal)
      : change_(change), log_(log), channel_(state.id()), key_(*state.feed_key), seal_(std::move(seal)) {
    header_.type = LogType::kFeed;
    header_.epoch = state.newest_epoch();
    header_.log = log.accepted.log;
    header_.channel = state.genesis->pseudonym;
  }

  Result<EntryRef> write(FeedKind kind, ByteView certificate, ByteView payload) {
    LogRecord& record = log_.accepted;
    header_.number = record.head.next();
    header_.previous = record.head_hash;
    encode_feed_plaintext_into(plaintext_, kind, certificate, payload);
    const BodyBinding binding(channel_, header_.epoch, header_.log, header_.number, LogType::kFeed);
    TOCSIN_ASSIGN(body, seal_(binding, plaintext_));
    header_.body_bytes = static_cast<std::uint32_t>(body.size());
    header_.body_hash = hash_body(body);
    const auto encoded = header_.encode();
    const crypto::Signature signature = key_.sign(crypto::kLabelEntry, {ByteView(encoded)});
    change_.batch.add_entry(header_.log, header_.number, {ByteView(encoded), signature.view(), body}, Checked::kSigned);
    record.head = header_.number;
    record.head_hash = hash_entry(encoded, signature.view());
    record.head_epoch = header_.epoch;
    record.bytes += body.size();
    return EntryRef{header_.log, header_.number, record.head_hash};
  }

 private:
  Change& change_;
  LogState& log_;
  const ChannelId channel_;
  const crypto::SigningKey& key_;
  Seal seal_;
  EntryHeader header_;
  Bytes plaintext_;
};

std::size_t bytes_of(std::span<const FeedItem> items) {
  std::size_t out = 0;
  for (const FeedItem& item : items) {
    out += kEntryHeaderBytes + kSignatureBytes + crypto::sealed_body_size(item.payload.size() + 64);
  }
  return out;
}

}  // namespace

Result<void> ReplicaCore::append_items(Change& change, Channel& channel, std::span<const FeedItem> items,
                                       std::vector<EntryRef>* refs, Haste haste) {
  TOCSIN_TRY(may_append(channel, haste));
  // A certificate takes some 300 bytes, and stands in front of whatever comes first.
  constexpr std::size_t kPayloadMax = kPlaintextBytesMax - 512;
  for (const FeedItem& item : items) {
    if (item.payload.size() > kPayloadMax) {
      return caller_error("payload_too_large", "an entry carries at most " + std::to_string(kPayloadMax) + " bytes");
    }
  }
  ChannelState& state = channel.accepted;
  const bool contributes = state.contribution != nullptr;
  for (const FeedItem& item : items) {
    if (contributes && item.kind != FeedKind::kReport && item.kind != FeedKind::kErasureOrder) {
      return caller_error(kNotAWriter, "a contributor writes reports, and takes them back");
    }
  }
  // Before anything is written: what follows cannot be taken back.
  std::vector<std::pair<ErasureOrder, ByteView>> orders;
  for (const FeedItem& item : items) {
    if (item.kind != FeedKind::kErasureOrder) continue;
    TOCSIN_ASSIGN(order, check_order_of(channel, {state.id(), own_org, own_node, 0}, item.payload));
    orders.emplace_back(std::move(order), item.payload);
  }
  LogState& log = own_feed(change, channel);
  const Epoch epoch = state.newest_epoch();
  Seal seal;
  if (contributes) {
    seal = [this, &secret = contribution_secret(channel), half = state.contribution->epochs.at(epoch).half,
            body = Bytes()](const BodyBinding& binding, ByteView plaintext) mutable -> Result<ByteView> {
      const auto ephemeral = contribution_ephemeral(secret, binding);
      TOCSIN_ASSIGN(sealed, crypto::seal_contribution(ephemeral, half, binding.context(), binding.associated(),
                                                      plaintext, random));
      body = std::move(sealed);
      return ByteView(body);
    };
    change.channels.push_back(state.id());  // the secret
  } else {
    if (channel.sealer == nullptr || channel.sealer_epoch != epoch) {
      channel.sealer = std::make_unique<crypto::BodySealer>(*state.epochs.at(epoch).key);
      channel.sealer_epoch = epoch;
    }
    seal = [this, &sealer = *channel.sealer](const BodyBinding& binding, ByteView plaintext) -> Result<ByteView> {
      return sealer.seal(binding.context(), binding.associated(), plaintext, random);
    };
  }
  const Time now = clock.now();
  Bytes certificate;
  if (log.accepted.head.value == 0 || log.accepted.head_epoch < epoch) {
    certificate = sign_feed_certificate({state.id(), own_org, own_node, log.accepted.log, state.feed_generation, now},
                                        secrets.tier2->signing);
  }
  FeedWriter writer(change, log, state, std::move(seal));
  change.batch.reserve(items.size() + items.size() / kCheckpointEvery + 1, bytes_of(items));
  change.logs.push_back(log.accepted.log);

  const auto checkpoint = [&]() -> Result<void> {
    reserve_counters(channel);
    const Receipt receipt = next_receipt(channel, kReceiptHeadsMax);
    note_told(channel, receipt);
    TOCSIN_ASSIGN(ref, writer.write(FeedKind::kCheckpoint, certificate, encode_receipt(receipt)));
    certificate.clear();
    log.checkpoint = ref.number;
    log.checkpoint_time = now;
    log.feed_record_changed = true;
    return kOk;
  };
  for (const FeedItem& item : items) {
    const bool due = log.accepted.head.next().value % kCheckpointEvery == 0 ||
                     (log.accepted.head.value > 0 && now.ms - log.checkpoint_time.ms >= kCheckpointAfterMs);
    // A contributor knows no heads but its own.
    if (due && !contributes) TOCSIN_TRY(checkpoint());
    TOCSIN_ASSIGN(ref, writer.write(item.kind, certificate, item.payload));
    certificate.clear();
    if (refs != nullptr) refs->push_back(ref);
  }
  // There is no quota for the own organisation's.
  for (const auto& [order, signed_order] : orders) (void)take_checked_order(change, channel, order, signed_order);
  for (const FeedItem& item : items) {
    if (item.kind == FeedKind::kHold && state.id() == private_channel) {
      if (const auto hold = decode_hold(item.payload)) take_hold(change, *hold);
    }
  }
  return kOk;
}

// Before a node has a part in its organisation no channel is here: what to do, and no riddle.
Result<void> Replica::check_here(const ChannelId& id) const {
  if (impl_->find_channel(id) != nullptr) return kOk;
  TOCSIN_TRY(check_certified());
  return caller_error(kUnknownChannel,
                      id.is_zero() ? "this node has not joined its organisation's private channel yet: it does when it "
                                     "meets another node of it; see: tocsin status"
                                   : "no such channel is known here");
}

Result<void> Replica::may_append(const ChannelId& id, Haste haste) const {
  TOCSIN_TRY(check_here(id));
  return impl_->may_append(*impl_->find_channel(id), haste);
}

Result<void> Replica::append(const ChannelId& id, std::span<const FeedItem> items, Done<std::vector<EntryRef>> done,
                             Haste haste) {
  TOCSIN_TRY(check_here(id));
  Channel* channel = impl_->find_channel(id);
  Change change;
  std::vector<EntryRef> refs;
  refs.reserve(items.size());
  TOCSIN_TRY(impl_->append_items(change, *channel, items, &refs, haste));
  impl_->commit_for(std::move(change), std::move(done), std::move(refs));
  return kOk;
}

}  // namespace tocsin::protocol
