// Receipts, own and others' (rule 13).
#include <algorithm>

#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

// What is kept of one node's statements about one channel.
constexpr std::size_t kReceiptHeadsKept = kLogsPerChannelMax;

}  // namespace

// A counter is never used twice: blocks of them are set aside durably before their first is used.
void ReplicaCore::reserve_counters(Channel& channel) {
  OwnReceiptState& own = channel.own_receipt;
  if (own.next + kCountersReserved / 4 <= own.reserving) return;
  const std::uint64_t reserved = own.reserving = own.next + kCountersReserved;
  Bytes value(8);
  store_le64(value.data(), reserved);
  Change change;
  const ChannelId id = channel.accepted.id();
  change.batch.put_record(Table::kLocal, counter_record_name(id), value);
  commit(std::move(change), [this, id, reserved](const Result<Arrival>& stored) {
    Channel* of = find_channel(id);
    if (stored && of != nullptr) of->own_receipt.reserved = std::max(of->own_receipt.reserved, reserved);
  });
}

Receipt ReplicaCore::next_receipt(Channel& channel, std::size_t heads_max) {
  OwnReceiptState& own = channel.own_receipt;
  const ChannelState& state = *channel.durable;
  Receipt out;
  out.channel = state.id();
  out.node = own_node;
  out.counter = own.next++;
  out.control_log = state.control_log();
  out.control_head = state.head;
  out.control_hash = state.head_hash;
  out.frontier = channel.frontier.digest();
  out.created = clock.now();
  for (const auto& [key, leaf] : channel.frontier.leaves()) {
    if (out.heads.size() >= heads_max) break;  // the rest with the next
    const auto told = own.told.find(key);
    if (told != own.told.end() && told->second == leaf) continue;
    const LogState* log = find_log(key);
    Number body = leaf.head;
    if (log != nullptr && log->durable.low > leaf.head) body = {};
    if (log != nullptr && log->first_absent.value != 0) body = std::min(body, Number{log->first_absent.value - 1});
    // Its leaf says that a fork is known; what is held below it is not in dispute.
    const bool forked_above = log != nullptr && log->durable_fork && log->durable_fork->number == leaf.head.next();
    const auto held = forked_above ? hash_at(*log, leaf.head) : std::nullopt;
    const EntryHash follows = held ? *held : forked_above ? log->durable_fork->previous : EntryHash{};
    const bool told_fork = forked_above && leaf.hash == fork_leaf_hash(key, log->durable_fork->number, follows);
    out.heads.push_back({key, leaf.head, told_fork ? follows : leaf.hash, body});
  }
  return out;
}

void ReplicaCore::note_told(Channel& channel, const Receipt& receipt) {
  OwnReceiptState& own = channel.own_receipt;
  for (const ReceiptHead& head : receipt.heads) {
    if (const Leaf* leaf = channel.frontier.find(head.log)) own.told[head.log] = *leaf;
  }
}

std::optional<OwnReceipt> Replica::own_receipt(const ChannelId& id) {
  auto out = impl_->make_own_receipt(id);
  if (out) out->newest_counter = impl_->find_channel(id)->own_receipt.next - 1;
  return out;
}

std::optional<OwnReceipt> ReplicaCore::make_own_receipt(const ChannelId& id) {
  Channel* channel = find_channel(id);
  if (channel == nullptr || channel->durable == nullptr || !channel->durable->joined()) return std::nullopt;
  if (channel->durable->contribution != nullptr) return std::nullopt;  // it has nothing to tell of (rule 24)
  if (secrets.locked() || home_in_doubt()) return std::nullopt;        // rules 48, 21
  const ChannelState& state = *channel->durable;
  OwnReceiptState& own = channel->own_receipt;
  const std::int64_t now_ms = clock.steady_ms();
  const TrieDigest digest = channel->frontier.digest();
  const bool due = !own.newest || (own.frontier != digest && now_ms - own.made_ms >= kReceiptEveryMs);
  if (!due) return own.newest;
  if (own.next >= own.reserved) {
    reserve_counters(*channel);
    return own.newest;  // with the next call
  }
  const Epoch epoch = state.newest_epoch();
  const Receipt receipt = next_receipt(*channel, kReceiptHeadsMax);
  note_told(*channel, receipt);
  own.newest = OwnReceipt{epoch, receipt.counter,
                          seal_receipt(receipt, epoch, *state.epochs.at(epoch).key, secrets.tier2->signing, random)};
  own.made_ms = now_ms;
  // Heads that did not fit are told with the next one, even when nothing changes until then.
  own.frontier = receipt.heads.size() < kReceiptHeadsMax ? std::optional(digest) : std::nullopt;
  reserve_counters(*channel);
  return own.newest;
}

Result<void> Replica::handle_receipt(const ChannelId& id, Epoch epoch, const NodeId& node, std::uint64_t counter,
                                     ByteView sealed) {
  Channel* channel = impl_->find_channel(id);
  if (channel == nullptr || channel->durable == nullptr) {
    return peer_error(kUnknownChannel, "the receipt is for a channel that is not here");
  }
  const auto org = impl_->org_of_node(node);
  if (!org || !may_read(channel->accepted.role_of(*org))) {
    return peer_error(kNotAuthorised, "the receipt is of a node that is no member");
  }
  if (impl_->secrets.locked()) return kOk;  // it cannot be opened here, and its node makes the next
  const EpochInfo* info = channel->accepted.epoch(epoch);
  if (info == nullptr || info->key == nullptr) return peer_error(kUnknownEpoch, "the receipt's epoch is not here");
  TOCSIN_ASSIGN(opened, open_receipt(id, epoch, *info->key, node, counter, sealed));
  const bool is_signed = impl_->signed_by_node(*org, node, [&](const crypto::VerifyKey& key) {
    return verify_receipt(opened.signed_message, key, impl_->verifier);
  });
  if (!is_signed || impl_->orgs.at(*org).accepted.live_node(node) == nullptr) {
    return peer_error(kBadSignature, "the receipt is not signed by its node");
  }
  if (node == impl_->own_node) return kOk;
  const auto known = channel->receipts.find(node);
  if (known != channel->receipts.end() && counter <= known->second.counter) return kOk;  // carried twice, or late
  Change change;
  impl_->compare_heads(*channel, opened.receipt);
  impl_->merge_receipt(change, *channel, *org, opened.receipt);
  impl_->commit_for(std::move(change), nullptr);
  return kOk;
}

void ReplicaCore::merge_receipt(Change& change, Channel& channel, const OrgId& org, const Receipt& receipt) {
  ReceiptInfo& info = channel.receipts[receipt.node];
  info.org = org;
  info.node = receipt.node;
  const auto note = [&](const LogKey& log, Number number) {
    const auto at = info.heads.find(log);
    if (at != info.heads.end()) {
      at->second = std::max(at->second, number);
    } else if (info.heads.size() < kReceiptHeadsKept && channel.logs.contains(log)) {
      info.heads.emplace(log, number);
    }
  };
  const bool newest = receipt.counter >= info.counter;
  const auto name_entry = [&](const LogKey& log, Number number, const EntryHash& hash) {
    if (newest && !hash.is_zero() && info.heads.contains(log)) info.named[log] = {number, hash};
  };
  for (const ReceiptHead& head : receipt.heads) {
    note(head.log, counted(channel, head.log, head.body, head.head, head.hash));
    name_entry(head.log, head.head, head.hash);
  }
  note(receipt.control_log, receipt.control_head);
  // Equal digests: it holds all that is held here, whatever its earlier receipts said.
  if (receipt.frontier == channel.frontier.digest()) {
    for (const auto& [log, leaf] : channel.frontier.leaves()) {
      note(log, leaf.head);
      // In dispute a leaf names where histories part, and no entry.
      const LogState* held = find_log(log);
      if (held != nullptr && !held->fork && !held->durable_fork) name_entry(log, leaf.head, leaf.hash);
    }
  }
  if (newest) {
    info.counter = receipt.counter;
    info.created = receipt.created;
  }
  Bytes name = to_bytes(channel.accepted.id().view());
  append(name, receipt.node.view());
  change.batch.put_record(Table::kReceipts, name, encode_receipt_info(info));
}

// A head that somebody names and that differs from what is held here: one of the two was shown another history.
void ReplicaCore::compare_heads(const Channel& channel, const Receipt& receipt) {
  for (const ReceiptHead& head : receipt.heads) {
    const LogState* log = find_log(head.log);
    if (log == nullptr || !log->channel || *log->channel != channel.accepted.id()) continue;
    if (log->fork && log->fork->parted() && head.head >= log->fork->number) continue;  // proven, and shown as that
    const auto held = head.head <= log->durable.head ? stored_hash(*log, head.head) : std::nullopt;
    if (held && *held != head.hash) ++checkpoint_conflicts;
  }
}

std::vector<ReceiptInfo> Replica::receipts(const ChannelId& id) const {
  std::vector<ReceiptInfo> out;
  const Channel* channel = impl_->find_channel(id);
  if (channel == nullptr) return out;
  for (const auto& [node, info] : channel->receipts) out.push_back(info);
  return out;
}

}  // namespace tocsin::protocol
