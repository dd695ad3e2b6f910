// Who may write which entry (rules 15, 18, 20, 27 to 29, 34).
#include <algorithm>

#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kRostersKept = 32;
constexpr std::size_t kOpenersKept = 4;

}  // namespace

std::shared_ptr<const ControlState> ReplicaCore::roster_at(Channel& channel, Epoch epoch) {
  const ChannelState& state = channel.accepted;
  if (state.newest != nullptr && state.newest->epoch == epoch) return state.newest;
  if (const auto known = channel.rosters.find(epoch); known != channel.rosters.end()) return known->second;
  const EpochInfo* info = state.epoch(epoch);
  if (info == nullptr || info->key == nullptr) return nullptr;

  EpochRun run;
  for (Number number = info->first; number <= info->last; number = number.next()) {
    const auto entry = stored_entry(info->log, number);
    if (!entry) return nullptr;
    const auto header = EntryHeader::decode(entry->view().header);
    auto body = decode_control_body(entry->view().body);
    if (!header || !body || !run.add(*header, std::move(*body))) return nullptr;
  }
  const auto message = run.complete() ? run.open_state(state.id(), *info->key) : Result<Bytes>(peer_error(kBadEpoch));
  if (!message) return nullptr;
  auto roster = decode_control_state(*message);
  if (!roster) return nullptr;
  if (channel.rosters.size() >= kRostersKept) channel.rosters.erase(channel.rosters.begin());
  return channel.rosters[epoch] = std::make_shared<const ControlState>(std::move(*roster));
}

EpochOpener* ReplicaCore::opener_at(Channel& channel, Epoch epoch) {
  if (const auto known = channel.openers.find(epoch); known != channel.openers.end()) return known->second.get();
  const EpochInfo* info = channel.accepted.epoch(epoch);
  if (info == nullptr || info->key == nullptr) return nullptr;
  if (channel.openers.size() >= kOpenersKept) channel.openers.erase(channel.openers.begin());
  auto& opener = channel.openers[epoch] = std::make_unique<EpochOpener>(*info->key, channel.accepted.id(), epoch);
  return opener.get();
}

bool ends(const FeedPin& pin, const std::optional<FeedOwner>& owner) {
  return !owner || pin.node == owner->node || pin.node.is_zero();
}

std::optional<Number> ReplicaCore::limit_of(const ChannelState& state, const LogKey& feed,
                                            const std::optional<FeedOwner>& owner) const {
  // Of a node that only a superseded part of its organisation's log knew, others may never have heard: no pin names it.
  if (owner && is_superseded(owner->org, owner->node)) return Number{0};
  // A pin is about the feeds of its node: another's it does not end.
  if (const auto pin = state.pins.find(feed); pin != state.pins.end() && ends(pin->second, owner)) {
    return pin->second.last;
  }
  if (!owner || state.newest == nullptr) return std::nullopt;
  // A feed that the epoch which dropped its writer does not name was not known to the chair: nothing of it counts.
  if (state.role_of(owner->org) == Role::kUnknown) return Number{0};
  // A revocation overtakes what it revokes: until the chair's pins are here, nothing new of that node is taken.
  const OrgState* org = find_org(owner->org);
  if (org == nullptr) return std::nullopt;
  const auto node = org->accepted.nodes().find(owner->node);
  if (node == org->accepted.nodes().end() || !node->second.revoked) return std::nullopt;
  return Number{0};
}

bool ReplicaCore::would_know(const ChannelState& state, Epoch epoch) const {
  const Term now = state.term();
  const auto over = std::ranges::find(state.terms, term_of(epoch), &Term::number);
  const Term* term = now.number == term_of(epoch) ? &now : over == state.terms.end() ? nullptr : &*over;
  // Terms rise, and the roster lists those that count: one in between that it does not list never was.
  if (term == nullptr && state.terms.size() > 1 && term_of(epoch) > state.terms.front().number) return true;
  const LogState* log = term == nullptr ? nullptr : find_log(term->log);
  if (log == nullptr || log->accepted.head < term->last) return false;
  const auto first =
      std::ranges::find_if(state.epochs, [&](const auto& known) { return known.second.log == term->log; });
  return first != state.epochs.end() && first->first <= epoch;
}

Result<std::optional<FeedOwner>> ReplicaCore::authorise(Channel& channel, const LogState& log, const EntryView& entry,
                                                        const ErasureOrder* order) {
  const ChannelState& state = channel.accepted;
  const Epoch epoch{load_le64(&entry.header[16])};
  if (state.contribution != nullptr) return log.owner;  // its own, and nothing else comes (rule 24)
  if (epoch > state.newest_epoch_seen()) {
    return peer_error(kUnknownEpoch, "the entry is of an epoch whose control entry is not here yet");
  }
  if (epoch < state.first_epoch()) {
    return peer_error(kWrongEpoch, "the entry is from before the first epoch that this node was given");
  }
  const EpochInfo* info = state.epoch(epoch);
  if (info == nullptr || info->key == nullptr) return log.owner;  // as a relay takes it
  if (order != nullptr && !order->certificate.empty() && !order->feed_signature.empty()) {
    if (!verify_erased_owner(*order, verifier)) {
      return peer_error(kBadFeedCertificate, "the feed's key did not sign the certificate in the order");
    }
    return authorise_by(channel, log, epoch, order->certificate);
  }
  if (body_absent(entry)) return log.owner;

  const LogKey& feed = log.accepted.log;
  const BodyBinding binding(state.id(), epoch, feed, peek_number(entry.header), LogType::kFeed);
  auto plaintext = opener_at(channel, epoch)->open(binding, entry.body);
  if (!plaintext) {
    return peer_error(kNotAuthorised, "the first entry of an epoch does not open with the epoch's key");
  }
  auto parsed = decode_feed_plaintext(*plaintext);
  if (!parsed || parsed->certificate.empty()) {
    return peer_error(kNotAuthorised, "the first entry of an epoch carries no certificate");
  }
  TOCSIN_ASSIGN(owner, authorise_by(channel, log, epoch, parsed->certificate));
  // Who reads has the epoch's key, and seals under it; who does not, cannot.
  const auto roster = roster_at(channel, epoch);
  const bool contributor = roster->member(owner->org)->role == Role::kContributor;
  if (contributor != crypto::is_contribution(entry.body)) {
    return peer_error(kNotAuthorised, "a member seals under the epoch's key, and a contributor to its public half");
  }
  return owner;
}

Result<std::optional<FeedOwner>> ReplicaCore::authorise_by(Channel& channel, const LogState& log, Epoch epoch,
                                                           ByteView signed_certificate) {
  const ChannelState& state = channel.accepted;
  const LogKey& feed = log.accepted.log;
  TOCSIN_ASSIGN(certificate, decode_feed_certificate(signed_certificate));
  if (certificate.channel != state.id() || certificate.feed != feed) {
    return peer_error(kBadFeedCertificate, "the certificate is for another feed or channel");
  }
  const FeedOwner owner{certificate.channel, certificate.org, certificate.node, certificate.generation};
  if (log.owner && *log.owner != owner) return peer_error(kBadFeedCertificate, "the feed had another owner before");

  const auto roster = roster_at(channel, epoch);
  const RosterMember* member = roster == nullptr ? nullptr : roster->member(owner.org);
  if (member == nullptr || !may_report(member->role)) {
    return peer_error(kNotAuthorised, "the feed's organisation may not write in that epoch");
  }
  // Once a writer has left, the chair vouches for its feed: the pin names node, number and hash, and its organisation's
  // log travels in this channel no more.
  const auto pin = state.pins.find(feed);
  const bool vouched = find_org(owner.org) == nullptr && pin != state.pins.end() && pin->second.node == owner.node;
  const bool is_signed = vouched || signed_by_node(owner.org, owner.node, [&](const crypto::VerifyKey& key) {
                           return verify_feed_certificate(signed_certificate, key, verifier);
                         });
  // By the keys that are known here: its organisation may have certified it, or new keys of it, since.
  if (!is_signed) {
    return peer_error(kNodeNotCertified, "the certificate is not signed by a node that is known to be certified");
  }
  return std::optional<FeedOwner>(owner);
}

Result<void> ReplicaCore::take_room(Channel& channel, const LogState& feed, const std::optional<FeedOwner>& owner,
                                    const FeedUse& added) const {
  if (owner && owner->node == own_node) return kOk;
  const bool is_first = feed.accepted.head.value == 0;
  const bool owner_is_new = owner && !feed.owner;
  // What the chair has pinned all have to hold, whichever feeds the node has told to whom: there are as many as pins.
  const auto pin = channel.accepted.pins.find(feed.accepted.log);
  const bool pinned = owner && pin != channel.accepted.pins.end() && pin->second.node == owner->node;
  if (owner_is_new && !pinned && channel.feeds_of[owner->node] >= kFeedsPerNodeMax) {
    return peer_error(kQuotaExceeded, "the node has as many feeds in the channel as it may");
  }
  if (!owner && is_first && nameless_room(channel) == 0) {
    return peer_error(kQuotaExceeded, "the channel has as many feeds of unknown owners as it may");
  }
  // What came before anybody could tell whose it is counts for its owner from now on.
  const FeedUse before = owner_is_new && !is_first ? held_use(feed.accepted) : FeedUse{};
  FeedUse& use = channel.used[owner ? owner->org : OrgId{}];
  if (use.entries + before.entries + added.entries > quotas.member_entries ||
      use.bytes + before.bytes + added.bytes > quotas.member_bytes) {
    return peer_error(kQuotaExceeded, "the organisation takes up all that it may in the channel");
  }
  use.entries += before.entries + added.entries;
  use.bytes += before.bytes + added.bytes;
  if (!owner && is_first) ++channel.nameless;
  if (!owner_is_new) return kOk;
  ++channel.feeds_of[owner->node];
  if (is_first) return kOk;
  FeedUse& nameless = channel.used[OrgId{}];
  nameless.entries -= std::min(nameless.entries, before.entries);
  nameless.bytes -= std::min(nameless.bytes, before.bytes);
  --channel.nameless;
  return kOk;
}

void ReplicaCore::note_feed(Channel& channel, const LogState& log) const {
  if (log.owner && log.owner->node == own_node) return;
  FeedUse& use = channel.used[log.owner ? log.owner->org : OrgId{}];
  const FeedUse held = held_use(log.accepted);
  use.entries += held.entries;
  use.bytes += held.bytes;
  if (log.owner) {
    ++channel.feeds_of[log.owner->node];
  } else {
    ++channel.nameless;
  }
}

FeedUse held_use(const LogRecord& record) {
  return {record.low > record.head ? 0 : record.head.value + 1 - record.low.value, record.bytes};
}

bool ReplicaCore::chair_revoked(const ChannelState& state) const {
  const OrgState* org = find_org(state.chair_org());
  if (org == nullptr) return false;
  if (is_superseded(state.chair_org(), state.chair_node())) return true;
  const auto node = org->accepted.nodes().find(state.chair_node());
  return node != org->accepted.nodes().end() && node->second.revoked;
}

std::uint64_t ReplicaCore::entries_quota(const std::optional<ChannelId>& id, LogType type) const {
  if (type == LogType::kOrganisation) return kOrgLogEntriesMax;
  if (type == LogType::kControl) return quotas.control_entries;
  const Channel* channel = id ? find_channel(*id) : nullptr;
  const bool alert = channel != nullptr && channel->accepted.genesis->channel_class == ChannelClass::kAlert;
  return alert ? quotas.alert_feed_entries : quotas.feed_entries;
}

std::uint64_t ReplicaCore::bytes_quota(const std::optional<ChannelId>& id, LogType type) const {
  if (type == LogType::kOrganisation) return std::uint64_t{kOrgLogEntriesMax} * kBodyBytesMax;
  if (type == LogType::kControl) return quotas.control_bytes;
  const Channel* channel = id ? find_channel(*id) : nullptr;
  const bool alert = channel != nullptr && channel->accepted.genesis->channel_class == ChannelClass::kAlert;
  return alert ? quotas.alert_feed_bytes : quotas.feed_bytes;
}

}  // namespace tocsin::protocol
