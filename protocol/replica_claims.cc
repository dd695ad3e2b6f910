// Entries that come without their bodies since their author's organisation took these back: what has to stand beside
// them, and what is done with it (replica_erasure.cc; rules 8, 11, 28, 52). For ranges at both ends of a copy.
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {

// Whoever leaves out a body has to show that its author's organisation wanted that (rules 11, 52).
Result<ErasureClaim> ReplicaCore::check_claim(const ChannelId& channel, const LogKey& feed, Number number,
                                              const EntryHash& entry, ByteView signed_order) const {
  const auto missing = [](const char* why) {
    return peer_error(kNotAcceptable, std::string("the body is missing; ") + why);
  };
  const Erasure* known = find_erasure(feed, number);
  const auto look = [&](ByteView bytes) -> Result<ErasureClaim> {
    auto order = decode_erasure_order(bytes);
    if (!order || order->channel != channel || order->feed != feed || order->number != number ||
        order->entry != entry) {
      return missing("the order beside it is for another entry");
    }
    const bool same = known != nullptr && known->org == order->org && known->order == erasure_id(bytes);
    if (!same) {
      // In its feed a pin ends what a revoked node may say; beside an entry nothing does.
      const OrgState* org = find_org(order->org);
      if (org == nullptr || org->accepted.live_node(order->node) == nullptr || !check_order(*order, bytes)) {
        return missing("the order beside it is not signed by a node of its organisation");
      }
    }
    return ErasureClaim{0, std::move(*order), to_bytes(bytes)};
  };
  auto given = look(signed_order);
  if (given || known == nullptr) return given;
  const auto kept = store.get_record(Table::kLocal, erasure_record_name(feed, number, known->org));
  if (!kept) return missing("the order that it went by is not durable here yet");
  return look(*kept);
}

Number ReplicaCore::leave_aside(std::vector<ErasureClaim>& claims, const Batch& batch, Epoch absent_through,
                                const std::optional<FeedOwner>& owner) const {
  Number lowest;
  std::erase_if(claims, [&](const ErasureClaim& claim) {
    const auto& write = batch.entries()[claim.at];
    const Epoch epoch{load_le64(&batch.entry(write).header[16])};
    if (epoch > absent_through || (owner && owner->org == claim.order.org)) return false;
    if (lowest.value == 0 || write.number < lowest) lowest = write.number;
    return true;
  });
  return lowest;
}

Result<void> ReplicaCore::check_claims_of(Channel& channel, const std::vector<ErasureClaim>& claims, const Batch& batch,
                                          const std::optional<FeedOwner>& owner) {
  std::size_t added = 0;
  for (const ErasureClaim& claim : claims) {
    if (!owner || owner->org != claim.order.org) {
      return peer_error(kNotAcceptable, "the body is missing, and who took it back is not known to have written it");
    }
    // Where the entry begins an epoch nothing else says that its writer may write there.
    const Epoch epoch{load_le64(&batch.entry(batch.entries()[claim.at]).header[16])};
    const EpochInfo* info = channel.accepted.epoch(epoch);
    if (info != nullptr && info->key != nullptr) {
      const auto roster = roster_at(channel, epoch);
      const RosterMember* member = roster == nullptr ? nullptr : roster->member(owner->org);
      if (member == nullptr || !may_report(member->role)) {
        return peer_error(kNotAuthorised, "the feed's organisation may not write in that epoch");
      }
    }
    const auto of = channel.erasures.find(claim.order.feed);
    added += of == channel.erasures.end() || !of->second.contains({claim.order.number, claim.order.org}) ? 1 : 0;
  }
  if (added > 0 && owner->org != own_org && channel.erasures_of[owner->org] + added > kErasuresPerOrgMax) {
    return peer_error(kQuotaExceeded, "the organisation has taken back as many entries in the channel as it may");
  }
  return kOk;
}

void ReplicaCore::follow_claims(Change& change, Channel& channel, const LogKey& feed,
                                const std::vector<ErasureClaim>& claims) {
  drop_others_orders(change, channel, feed);
  for (const ErasureClaim& claim : claims) {
    const ErasureOrder& order = claim.order;
    // Its organisation named another entry of that number before: this is the one that stands in the chain.
    if (const Erasure* known = find_erasure(channel, feed, order.number); known && known->entry != order.entry) {
      drop_erasure(change, channel, {feed, order.number}, order.org);
    }
    (void)keep_order(change, channel, order, claim.signed_order);  // check_claims_of has said that there is room
  }
  const auto of = channel.erasures.find(feed);
  if (of == channel.erasures.end() || change.batch.entries().empty()) return;
  // By rising number, or by falling where a copy grows down.
  const Number front = change.batch.entries().front().number, back = change.batch.entries().back().number;
  std::vector<Number> numbers;
  for (auto at = of->second.lower_bound({std::min(front, back), OrgId{}}); at != of->second.end(); ++at) {
    if (at->first.first > std::max(front, back)) break;
    numbers.push_back(at->first.first);
  }
  for (const Number number : numbers) {
    const std::size_t place = front <= back ? number.value - front.value : front.value - number.value;
    const Batch::EntryWrite write = change.batch.entries()[place];
    follow_order_at_once(change, channel, {feed, number}, change.batch.entry(write));
  }
}

}  // namespace tocsin::protocol
