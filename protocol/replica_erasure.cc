// Bodies that their author's organisation takes back (erasure.h; rules 8, 25, 47), what is kept under a hold, and what
// this node says of both.
//
// An order counts when a node of the organisation that the feed belongs to signed it. It names one entry by its hash,
// so nobody can order what is not written yet. It is followed as soon as the entry is here: at once where it comes
// later than the order, so that nothing of it is ever read. As long as nobody can tell whose the feed is, anybody may
// have ordered it: such orders are kept by their organisations and have no effect. From then on the entry is served
// without its body, with the order beside it, which is what tells others that nobody keeps it from them (rules 11, 52).
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kConfirmedPerTick = 4'096;
constexpr std::size_t kSignedAgainPerTick = 1'000;

// What is kept of an order beside its bytes: `ErasureState`, confirmed by this node.
Bytes encode_erasure(const Erasure& erasure, const NodeId& node) {
  Bytes out{static_cast<std::uint8_t>(erasure.state), static_cast<std::uint8_t>(erasure.confirmed ? 1 : 0)};
  append(out, node.view());
  return out;
}

Error not_ordered(std::string detail) { return peer_error(kNotAuthorised, std::move(detail)); }

}  // namespace

Erasure* ReplicaCore::find_erasure(Channel& channel, const LogKey& feed, Number number) {
  const auto of = channel.erasures.find(feed);
  if (of == channel.erasures.end()) return nullptr;
  const LogState* log = find_log(feed);
  if (log == nullptr || !log->owner) return nullptr;
  const auto at = of->second.find({number, log->owner->org});
  return at == of->second.end() ? nullptr : &at->second;
}

const Erasure* ReplicaCore::find_erasure(const LogKey& feed, Number number) const {
  const LogState* log = find_log(feed);
  const auto channel = log != nullptr && log->channel ? channels.find(*log->channel) : channels.end();
  if (channel == channels.end()) return nullptr;
  return const_cast<ReplicaCore*>(this)->find_erasure(*channel->second, feed, number);
}

const Erasure* ReplicaCore::find_followed(const LogKey& feed, Number number) const {
  const Erasure* erasure = find_erasure(feed, number);
  return erasure == nullptr || erasure->state == ErasureState::kAwaited ? nullptr : erasure;
}

// Orders, checkpoints and the like stay: others have to be able to follow them. What does not open here is as its
// author's organisation says.
bool ReplicaCore::may_be_erased(Channel& channel, const EntryView& entry) {
  const Epoch epoch{load_le64(&entry.header[16])};
  EpochOpener* opener = opener_at(channel, epoch);
  if (opener == nullptr) return true;
  const BodyBinding binding(channel.accepted.id(), epoch, *LogKey::from(peek_log(entry.header)),
                            peek_number(entry.header), LogType::kFeed);
  const auto plaintext = opener->open(binding, entry.body);
  const auto parsed = plaintext ? decode_feed_plaintext(*plaintext) : Result<FeedPlaintext>(plaintext.error());
  return !parsed || parsed->kind == FeedKind::kReport || parsed->kind == FeedKind::kAttachmentPart;
}

// ---- Orders

Result<void> ReplicaCore::check_order(const ErasureOrder& order, ByteView signed_order) const {
  const bool is_signed = signed_by_node(order.org, order.node, [&](const crypto::VerifyKey& key) {
    return verify_erasure_order(signed_order, key, const_cast<crypto::Verifier&>(verifier));
  });
  if (!is_signed) return not_ordered("the order is not signed by a node of its organisation that is known here");
  return kOk;
}

Result<void> ReplicaCore::keep_order(Change& change, Channel& channel, const ErasureOrder& order,
                                     ByteView signed_order) {
  const EntryKey key{order.feed, order.number};
  const auto id = erasure_id(signed_order);
  Erasure* known = nullptr;  // of that organisation, whose ever the feed is
  if (const auto of = channel.erasures.find(order.feed); of != channel.erasures.end()) {
    if (const auto at = of->second.find({order.number, order.org}); at != of->second.end()) known = &at->second;
  }
  if (known != nullptr) {
    // Signed again, since the node that signed it was revoked: from now on this one goes along.
    const OrgState* org = find_org(order.org);
    const auto live = [&](const NodeId& node) { return org != nullptr && org->accepted.live_node(node) != nullptr; };
    if (known->entry != order.entry || known->order == id || live(known->node) || !live(order.node)) return kOk;
    known->order = id;
    known->node = order.node;
    known->confirmed = false;
    if (known->state != ErasureState::kAwaited) channel.unconfirmed.insert(key);
  } else {
    std::size_t& count = channel.erasures_of[order.org];
    if (count >= kErasuresPerOrgMax && order.org != own_org) {
      return peer_error(kQuotaExceeded, "the organisation has taken back as many entries in the channel as it may");
    }
    ++count;
    known = &channel.erasures[order.feed][{order.number, order.org}];
    *known = {
        order.org, order.node, order.entry, id, order.cause, order.report == order.subject, ErasureState::kAwaited,
        false};
    channel.awaited.insert(key);
  }
  change.batch.put_record(Table::kLocal, erasure_record_name(key.first, key.second, order.org), signed_order);
  change.batch.put_record(Table::kLocal, erased_record_name(key.first, key.second, order.org),
                          encode_erasure(*known, own_node));
  return kOk;
}

void ReplicaCore::set_erasure(Change& change, Channel& channel, const EntryKey& key, ErasureState state) {
  Erasure* found = find_erasure(channel, key.first, key.second);
  if (found == nullptr) return;
  Erasure& erasure = *found;
  const auto counts = [](ErasureState of) { return of == ErasureState::kErased || of == ErasureState::kHeld; };
  if (!counts(erasure.state) && counts(state)) ++taken_back;
  erasure.state = state;
  erasure.confirmed = false;
  channel.awaited.erase(key);
  channel.unconfirmed.insert(key);
  change.batch.put_record(Table::kLocal, erased_record_name(key.first, key.second, erasure.org),
                          encode_erasure(erasure, own_node));
}

void ReplicaCore::drop_erasure(Change& change, Channel& channel, const EntryKey& key, OrgId org) {
  const auto of = channel.erasures.find(key.first);
  if (of == channel.erasures.end() || of->second.erase({key.second, org}) == 0) return;
  if (std::size_t& count = channel.erasures_of[org]; count > 0) --count;
  // Another organisation may wait for the same entry.
  const auto other = of->second.lower_bound({key.second, OrgId{}});
  if (other == of->second.end() || other->first.first != key.second) {
    channel.awaited.erase(key);
    channel.unconfirmed.erase(key);
  }
  if (of->second.empty()) channel.erasures.erase(of);
  change.batch.remove_record(Table::kLocal, erasure_record_name(key.first, key.second, org));
  change.batch.remove_record(Table::kLocal, erased_record_name(key.first, key.second, org));
}

void ReplicaCore::drop_others_orders(Change& change, Channel& channel, const LogKey& feed) {
  const auto of = channel.erasures.find(feed);
  const LogState* log = find_log(feed);
  if (of == channel.erasures.end() || log == nullptr || !log->owner) return;
  std::vector<std::pair<Number, OrgId>> others;
  for (const auto& [key, erasure] : of->second) {
    if (key.second != log->owner->org) others.push_back(key);
  }
  for (const auto& [number, org] : others) drop_erasure(change, channel, {feed, number}, org);
}

Result<ErasureOrder> ReplicaCore::check_order_of(const Channel& channel, const FeedOwner& owner,
                                                 ByteView signed_order) const {
  TOCSIN_ASSIGN(order, decode_erasure_order(signed_order));
  if (order.channel != channel.accepted.id() || order.org != owner.org || order.node != owner.node) {
    return not_ordered("the order is not of the node in whose feed it stands, or of another channel");
  }
  const LogState* log = find_log(order.feed);
  const bool elsewhere = log != nullptr && (log->accepted.type != LogType::kFeed || log->channel != order.channel ||
                                            (log->owner && log->owner->org != order.org));
  if (elsewhere) return not_ordered("only the organisation that wrote an entry takes it back");
  const Erasure* known = find_erasure(order.feed, order.number);
  if (known == nullptr || known->order != erasure_id(signed_order)) TOCSIN_TRY(check_order(order, signed_order));
  return order;
}

Result<void> ReplicaCore::take_order(Change& change, Channel& channel, const FeedOwner& owner, ByteView signed_order) {
  TOCSIN_ASSIGN(order, check_order_of(channel, owner, signed_order));
  return take_checked_order(change, channel, order, signed_order);
}

Result<void> ReplicaCore::take_checked_order(Change& change, Channel& channel, const ErasureOrder& order,
                                             ByteView signed_order) {
  if (const Erasure* known = find_erasure(channel, order.feed, order.number);
      known != nullptr && known->order == erasure_id(signed_order)) {
    return kOk;
  }
  TOCSIN_TRY(keep_order(change, channel, order, signed_order));
  const EntryKey key{order.feed, order.number};
  if (channel.awaited.contains(key)) follow_order(change, channel, key);
  return kOk;
}

void ReplicaCore::follow_order_at_once(Change& change, Channel& channel, const EntryKey& key, const EntryView& entry) {
  const Erasure* erasure = find_erasure(channel, key.first, key.second);
  if (erasure == nullptr) return;
  const bool body = !entry.body.empty();
  if (erasure->entry != hash_entry(entry.header, entry.signature) || (body && !may_be_erased(channel, entry))) {
    return drop_erasure(change, channel, key, erasure->org);
  }
  if (body && !is_held(key)) {
    change.batch.erase_body(key.first, key.second);
    free_room(change, channel, *find_log(key.first), entry.body.size());
  }
  // It may come again, with its body or without: below the copy here, or above a cut. What was said of it stands.
  if (!body && erasure->state != ErasureState::kAwaited) return;
  const ErasureState now = !body ? ErasureState::kNotHeld : is_held(key) ? ErasureState::kHeld : ErasureState::kErased;
  if (erasure->state != now) set_erasure(change, channel, key, now);
}

void ReplicaCore::follow_order(Change& change, Channel& channel, const EntryKey& key) {
  const LogState* log = find_log(key.first);
  if (log == nullptr || !log->owner) return;  // whose it is will be known
  const Erasure* erasure = find_erasure(channel, key.first, key.second);
  if (erasure == nullptr) return drop_others_orders(change, channel, key.first);
  if (log->accepted.head < key.second) return;
  // From before this node was in the channel: nothing of it was ever here.
  if (key.second < log->accepted.low) return set_erasure(change, channel, key, ErasureState::kNotHeld);
  for (const Batch::EntryWrite& write : change.batch.entries()) {
    if (write.log != key.first || write.number != key.second) continue;
    return follow_order_at_once(change, channel, key, change.batch.entry(write));
  }
  TakenBack taken;
  bool found = false;
  const auto read = store.read(key.first, key.second, key.second, 1, [&](const StoredEntry& stored) {
    found = stored.number == key.second;
    taken.arrival = stored.arrival;
    taken.number = stored.number;
    taken.checked = stored.checked;
    taken.entry = Entry(stored.entry.header, stored.entry.signature, stored.entry.body);
    return false;
  });
  if (!read || !found) return;  // not durable yet: with the next turn
  taken.cause = erasure->cause;
  taken.subject = erasure->subject;
  const bool body = !taken.entry.view().body.empty();
  follow_order_at_once(change, channel, key, taken.entry.view());
  if (body && find_erasure(channel, key.first, key.second) != nullptr) change.taken_back.push_back(std::move(taken));
}

void ReplicaCore::follow_awaited(Channel& channel, std::size_t count_max) {
  if (channel.awaited.empty() || clock.steady_ms() < chores_not_before_ms) return;
  Change change;
  std::vector<EntryKey> keys;
  // In turn: what never comes stands in nobody's way.
  auto at = channel.awaited.lower_bound(channel.awaited_next);
  for (std::size_t n = std::min(count_max, channel.awaited.size()); n > 0; --n) {
    if (at == channel.awaited.end()) at = channel.awaited.begin();
    keys.push_back(*at++);
  }
  channel.awaited_next = at == channel.awaited.end() ? EntryKey{} : *at;
  for (const EntryKey& key : keys) {
    const LogState* log = find_log(key.first);
    if (log != nullptr && log->durable.head >= key.second) follow_order(change, channel, key);
  }
  if (!change.batch.empty()) commit_for(std::move(change), nullptr);
}

// ---- What this node says of it

void ReplicaCore::confirm_erasures(Channel& channel) {
  if (!may_append(channel) || clock.steady_ms() < chores_not_before_ms) return;
  sign_orders_again(channel);
  if (channel.unconfirmed.empty() || channel.accepted.contribution != nullptr) return;
  Change change;
  std::vector<Bytes> payloads;
  ErasureConfirmations chunk;
  chunk.created = clock.now();
  const auto put = [&] {
    if (!chunk.items.empty()) payloads.push_back(encode_confirmations(chunk));
    chunk.items.clear();
  };
  std::vector<EntryKey> told;
  for (const EntryKey& key : channel.unconfirmed) {
    if (told.size() == kConfirmedPerTick) break;
    Erasure* erasure = find_erasure(channel, key.first, key.second);
    told.push_back(key);
    if (erasure == nullptr || erasure->state == ErasureState::kAwaited) continue;
    chunk.items.push_back({erasure->order, static_cast<ErasureOutcome>(erasure->state)});
    erasure->confirmed = true;
    change.batch.put_record(Table::kLocal, erased_record_name(key.first, key.second, erasure->org),
                            encode_erasure(*erasure, own_node));
    if (chunk.items.size() == kConfirmationsMax) put();
  }
  put();
  for (const EntryKey& key : told) channel.unconfirmed.erase(key);
  std::vector<FeedItem> items;
  items.reserve(payloads.size());
  for (const Bytes& payload : payloads) items.push_back({FeedKind::kConfirmations, payload});
  // One write with what it says: so it is said once, also after a power cut.
  if (items.empty() || !append_items(change, channel, items, nullptr)) return;
  commit_for(std::move(change), nullptr);
}

// Nobody takes a revoked node's word for a body that is not there: another node of the organisation gives it.
void ReplicaCore::sign_orders_again(Channel& channel) {
  const OrgLog& log = own_log();
  if (channel.orders_checked == log.head_hash() || log.live_node(own_node) == nullptr) return;
  std::vector<Bytes> payloads;
  for (const auto& [feed, of] : channel.erasures) {
    const LogState* named = find_log(feed);
    if (named != nullptr && named->owner && named->owner->org != own_org) continue;  // no order of ours counts there
    for (const auto& [key, erasure] : of) {
      if (erasure.org != own_org || log.live_node(erasure.node) != nullptr) continue;
      if (is_superseded(own_org, erasure.node)) continue;  // a thief's order (rule 19)
      const auto kept = store.get_record(Table::kLocal, erasure_record_name(feed, key.first, own_org));
      auto order = kept ? decode_erasure_order(*kept) : Result<ErasureOrder>(kept.error());
      if (!order) continue;
      order->node = own_node;
      payloads.push_back(sign_erasure_order(*order, secrets.tier2->signing));
      if (payloads.size() == kSignedAgainPerTick) break;
    }
    if (payloads.size() == kSignedAgainPerTick) break;
  }
  if (payloads.size() < kSignedAgainPerTick) channel.orders_checked = log.head_hash();
  if (payloads.empty()) return;
  std::vector<FeedItem> items;
  items.reserve(payloads.size());
  for (const Bytes& payload : payloads) items.push_back({FeedKind::kErasureOrder, payload});
  Change change;
  if (append_items(change, channel, items, nullptr)) commit_for(std::move(change), nullptr);
}

// ---- Holds

void ReplicaCore::take_hold(Change& change, const HoldRecord& hold) {
  const auto at = holds.find(hold.report);
  if (at == holds.end() && holds.size() >= kHoldsMax) return;
  std::vector<HoldRecord::Entry> before;
  if (at != holds.end()) {
    const HoldRecord& known = at->second;
    const bool newer =
        hold.written != known.written ? hold.written > known.written : encode_hold(hold) > encode_hold(known);
    if (!newer) return;
    if (!known.removed) before = known.entries;
  }
  holds[hold.report] = hold;
  change.batch.put_record(Table::kLocal, hold_record_name(hold.report), encode_hold(hold));
  if (!hold.removed) {
    for (const HoldRecord::Entry& entry : hold.entries) ++held[{entry.feed, entry.number}];
  }
  for (const HoldRecord::Entry& entry : before) {
    const EntryKey key{entry.feed, entry.number};
    const auto count = held.find(key);
    if (count == held.end() || --count->second > 0) continue;
    held.erase(count);
    Channel* channel = find_channel(entry.channel);
    if (channel == nullptr) continue;
    const Erasure* erasure = find_erasure(*channel, key.first, key.second);
    const bool ordered = erasure != nullptr && erasure->state == ErasureState::kHeld;
    const auto stored = stored_entry(key.first, key.second);
    const bool old = stored && Epoch{load_le64(&stored->view().header[16])} <= channel->accepted.erased_through;
    if (stored && (ordered || old) && !stored->view().body.empty()) {
      change.batch.erase_body(key.first, key.second);
      free_room(change, *channel, *find_log(key.first), stored->view().body.size());
    }
    if (ordered) set_erasure(change, *channel, key, ErasureState::kErased);
  }
}

// ---- Reading back

void ReplicaCore::load_erasures(const std::vector<std::pair<Bytes, Bytes>>& orders,
                                const std::vector<std::pair<Bytes, Bytes>>& states) {
  taken_back = 0;
  for (const auto& [name, value] : orders) {
    const auto order = decode_erasure_order(value);
    Channel* channel = order ? find_channel(order->channel) : nullptr;
    if (channel == nullptr) continue;
    channel->erasures[order->feed][{order->number, order->org}] = {order->org,
                                                                   order->node,
                                                                   order->entry,
                                                                   erasure_id(value),
                                                                   order->cause,
                                                                   order->report == order->subject,
                                                                   ErasureState::kAwaited,
                                                                   false};
    ++channel->erasures_of[order->org];
    channel->awaited.insert({order->feed, order->number});
  }
  for (const auto& [name, value] : states) {
    const ByteView key = ByteView(name).subspan(kErasedRecordPrefix.size());
    if (key.size() != LogKey::kSize + 8 + OrgId::kSize || value.size() != 2 + NodeId::kSize) continue;
    const EntryKey entry{*LogKey::from(key.first(LogKey::kSize)), {load_le64(&key[LogKey::kSize])}};
    const LogState* log = find_log(entry.first);
    // Of a feed that is not here yet the state is what it was at first: awaited.
    Channel* channel = log == nullptr || !log->channel ? nullptr : find_channel(*log->channel);
    Erasure* erasure = channel == nullptr ? nullptr : find_erasure(*channel, entry.first, entry.second);
    if (erasure == nullptr || value[0] > 3 || erasure->org != *OrgId::from(key.subspan(LogKey::kSize + 8))) continue;
    erasure->state = static_cast<ErasureState>(value[0]);
    if (erasure->state == ErasureState::kAwaited) continue;
    channel->awaited.erase(entry);
    if (erasure->state != ErasureState::kNotHeld) ++taken_back;
    // What a node said that is no more (a restored home is another node) is to be said again.
    erasure->confirmed = value[1] == 1 && *NodeId::from(ByteView(value).subspan(2)) == own_node;
    if (!erasure->confirmed) channel->unconfirmed.insert(entry);
  }
}

void ReplicaCore::load_hold(ByteView value) {
  auto hold = decode_hold(value);
  if (!hold) return;
  if (!hold->removed) {
    for (const HoldRecord::Entry& entry : hold->entries) ++held[{entry.feed, entry.number}];
  }
  holds[hold->report] = std::move(*hold);
}

// ---- For the layers above

Result<Bytes> Replica::make_erasure_order(const LogKey& feed, Number number, const ReportId& report,
                                          const ReportId& subject, ErasureCause cause) const {
  ReplicaCore& core = *impl_;
  TOCSIN_TRY(core.check_unlocked());
  const LogState* log = core.find_log(feed);
  Channel* channel = log == nullptr || !log->channel ? nullptr : core.find_channel(*log->channel);
  if (channel == nullptr || !log->owner) return caller_error(kNotHeld, "no such entry is held here");
  if (log->owner->org != core.own_org) {
    return caller_error("not_the_author", "only the organisation that wrote an entry takes it back");
  }
  TOCSIN_ASSIGN(entry, core.stored_entry(feed, number));
  const EntryView view = entry.view();
  ErasureOrder order;
  order.channel = channel->accepted.id();
  order.org = core.own_org;
  order.node = core.own_node;
  order.feed = feed;
  order.number = number;
  order.entry = hash_entry(view.header, view.signature);
  order.report = report;
  order.subject = subject;
  order.cause = cause;
  order.created = core.clock.now();
  const Epoch epoch{load_le64(&view.header[16])};
  if (const Bytes plaintext = body_absent(view) ? Bytes() : core.own_plaintext(*channel, epoch, view);
      !plaintext.empty()) {
    TOCSIN_ASSIGN(parsed, decode_feed_plaintext(plaintext));
    // Without its feed's key there is no saying whose it is: who does not know it otherwise waits.
    const auto& feed_key = channel->accepted.feed_key;
    const bool own = feed_key != nullptr && feed_key->verify_key().bytes() == feed.bytes();
    if (own && !parsed.certificate.empty()) {
      order.certificate = to_bytes(parsed.certificate);
      sign_erased_owner(order, *feed_key);
    }
  }
  return sign_erasure_order(order, core.secrets.tier2->signing);
}

Bytes Replica::erasure_order(const LogKey& feed, Number number) const {
  const Erasure* erasure = impl_->find_followed(feed, number);
  if (erasure == nullptr) return {};
  auto kept = impl_->store.get_record(Table::kLocal, erasure_record_name(feed, number, erasure->org));
  return kept ? std::move(*kept) : Bytes{};
}

bool Replica::is_taken_back(const LogKey& feed, Number number) const {
  return impl_->find_followed(feed, number) != nullptr;
}

std::uint64_t Replica::taken_back() const { return impl_->taken_back; }

std::vector<HoldRecord> Replica::holds() const {
  std::vector<HoldRecord> out;
  for (const auto& [report, hold] : impl_->holds) out.push_back(hold);
  return out;
}

bool Replica::is_held(const LogKey& feed, Number number) const { return impl_->is_held({feed, number}); }

}  // namespace tocsin::protocol
