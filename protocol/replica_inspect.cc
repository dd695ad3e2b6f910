// Entries of feeds that concern the replica itself: carried acceptances and missing slots (for the chair), checkpoints.
#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

// Chunks up to this many entries are news, and looked through whole. In longer ones, which catch up, the places where a
// checkpoint has to stand are looked at, and everything where the chair waits for an answer.
constexpr std::size_t kNewsEntriesMax = 64;

}  // namespace

void ReplicaCore::inspect(Change& change, Channel& channel, const LogState& log) {
  const ChannelState& state = channel.accepted;
  if (!log.owner) return;
  std::optional<Receipt> newest;
  // By place: what is found adds records to the batch, entries never.
  const std::size_t count = change.batch.entries().size();
  const bool news = count <= kNewsEntriesMax;
  // What stewards propose and answer waits for whoever comes to see it.
  const bool decides = decides_together(state) && state.newest->is_steward(log.owner->org);
  const bool awaited = (state.is_chair() && !state.invited.empty()) || decides;
  for (std::size_t i = 0; i < count; ++i) {
    const Batch::EntryWrite write = change.batch.entries()[i];
    const EntryView entry = change.batch.entry(write);
    const Epoch epoch{load_le64(&entry.header[16])};
    const bool complaint = state.is_chair() && epoch < state.newest_epoch();
    if (news || awaited || complaint || write.number.value % kCheckpointEvery == 0) {
      inspect_entry(change, channel, log, entry, newest);
    }
  }
  if (newest) merge_receipt(change, channel, log.owner->org, *newest);
}

void ReplicaCore::inspect_entry(Change& change, Channel& channel, const LogState& log, const EntryView& entry,
                                std::optional<Receipt>& newest, bool checkpoints) {
  const Epoch epoch{load_le64(&entry.header[16])};
  EpochOpener* opener = body_absent(entry) ? nullptr : opener_at(channel, epoch);
  if (opener == nullptr) return;
  const BodyBinding binding(channel.accepted.id(), epoch, log.accepted.log, peek_number(entry.header), LogType::kFeed);
  auto plaintext = opener->open(binding, entry.body);
  auto parsed = plaintext ? decode_feed_plaintext(*plaintext) : Result<FeedPlaintext>(plaintext.error());
  if (!parsed || parsed->kind == FeedKind::kReport || parsed->kind == FeedKind::kAttachmentPart) return;
  if (parsed->kind == FeedKind::kCheckpoint && !checkpoints) return;
  // Out of the opener's memory: looking into it may open other entries.
  const Bytes payload = to_bytes(parsed->payload);
  inspect_opened(change, channel, *log.owner, parsed->kind, payload, newest);
}

void ReplicaCore::inspect_opened(Change& change, Channel& channel, const FeedOwner& owner, FeedKind kind,
                                 ByteView payload, std::optional<Receipt>& newest) {
  ChannelState& state = channel.accepted;
  if (state.role_of(owner.org) == Role::kContributor && kind != FeedKind::kErasureOrder) return;
  const bool steward = state.newest != nullptr && state.newest->is_steward(owner.org);
  if (kind == FeedKind::kCarriedAcceptance &&
      (state.is_chair() || (state.newest != nullptr && state.newest->is_steward(own_org)))) {
    // Carried by a member, signed by who accepts: a bad one is the carrier's fault and harms nobody.
    auto checked = check_acceptance(change, payload);
    if (!checked || checked->duplicate || checked->channel != &channel) return;
    put_pending(change, channel, checked->acceptance.org, payload);
  } else if (kind == FeedKind::kKeyMissing && state.is_chair()) {
    const auto missing = decode_key_missing(payload);
    if (!missing || missing->node != owner.node || missing->epoch != state.newest_epoch()) return;
    channel.missing[owner.node] = missing->epoch;
    Bytes value(8);
    store_le64(value.data(), missing->epoch.value);
    change.batch.put_record(Table::kMail, missing_record_name(state.id(), owner.node), value);
  } else if (kind == FeedKind::kProposal && steward) {
    take_proposal(change, channel, owner, payload);
  } else if (kind == FeedKind::kApproval && steward) {
    take_answer(change, channel, owner, payload);
  } else if (kind == FeedKind::kCheckpoint && owner.node != own_node) {
    auto receipt = decode_receipt(payload);
    if (!receipt || receipt->channel != state.id() || receipt->node != owner.node) return;
    compare_heads(channel, *receipt);
    // Merged once for the whole chunk: a writer may put one behind the other.
    if (!newest || newest->counter < receipt->counter) newest = std::move(*receipt);
  } else if (kind == FeedKind::kErasureOrder) {
    if (!take_order(change, channel, owner, payload)) ++refused_entries;
  } else if (kind == FeedKind::kLeave && may_write(state.role_of(owner.org)) && state.joined()) {
    (void)take_leave(change, channel, payload, true);
  } else if (kind == FeedKind::kAnswer) {
    keep_answer(change, channel, owner.org, payload);
  } else if (kind == FeedKind::kHold && owner.org == own_org && state.id() == private_channel) {
    if (const auto hold = decode_hold(payload)) take_hold(change, *hold);
  }
}

void Replica::handle_opened(const OpenedEntry& opened) {
  Channel* channel = impl_->find_channel(opened.channel);
  if (channel == nullptr) return;
  const bool followed = opened.kind == FeedKind::kErasureOrder || opened.kind == FeedKind::kHold ||
                        opened.kind == FeedKind::kAnswer || opened.kind == FeedKind::kLeave;
  if (followed) {
    Change change;
    std::optional<Receipt> none;
    impl_->inspect_opened(change, *channel, {opened.channel, opened.org, opened.node, 0}, opened.kind, opened.payload,
                          none);
    if (!change.batch.empty()) impl_->commit_for(std::move(change), nullptr);
    return;
  }
  if (opened.kind != FeedKind::kCheckpoint || opened.node == impl_->own_node) return;
  if (channel->accepted.role_of(opened.org) == Role::kContributor) return;
  const auto receipt = decode_receipt(opened.payload);
  if (receipt && receipt->channel == opened.channel && receipt->node == opened.node) {
    impl_->compare_heads(*channel, *receipt);
  }
}

}  // namespace tocsin::protocol
