// The own organisation's log: what its roots are asked to sign, and what they have signed (rules 17 to 20).
#include <set>

#include "crypto/hash.h"
#include "protocol/entry_peek.h"
#include "protocol/names.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kPinReadBytes = 4 * 1024 * 1024;  // bodies come along when entries are read
// Of a feed so many of the newest entries are compared with what a revocation pins: one that pins further down is
// nothing that the chair finds, and its own pin counts.
constexpr std::uint64_t kPinScanEntries = 100'000;

// What the log would refuse is refused before anybody signs. An older copy of a home knows an older log: a request of
// its would fork that, or replace the same roots a second time (rules 19, 21).
Result<OrgRequest> make_request(const ReplicaCore& core, OrgLog trial, OrgDraft draft, RootSet signers) {
  TOCSIN_TRY(core.check_home());
  const Entry entry(draft.header, {}, draft.body);
  if (auto taken = trial.apply_verified(entry.view()); !taken) return caller_error(kBadRequest, taken.error().detail);
  TOCSIN_ASSIGN(first, core.stored_entry(LogKey{core.own_org.bytes()}, {1}));
  return OrgRequest{to_bytes(first.view().body), std::move(signers), std::move(draft)};
}

}  // namespace

crypto::Hash revocation_pin(const ChannelId& channel, const LogKey& feed, Number last, const EntryHash& hash) {
  std::array<std::uint8_t, 8> number;
  store_le64(number.data(), last.value);
  return crypto::keyed_hash256(channel.view(), crypto::kPersonalPin, {feed.view(), ByteView(number), hash.view()});
}

bool Replica::is_certified() const { return impl_->own_log().live_node(impl_->own_node) != nullptr; }

Result<void> Replica::check_certified() const {
  if (is_certified()) return kOk;
  const OrgLog& log = impl_->own_log();
  const auto no = [](const char* why) -> Result<void> { return caller_error(kNotCertified, why); };
  if (log.ended())
    return no(
        "this organisation has ended: its roots were replaced twice, and nobody takes anything new of it; found "
        "another, and have peers compare its words");
  if (impl_->is_superseded(impl_->own_org, impl_->own_node))
    return no(
        "this node's certificate was superseded when the organisation's roots were replaced: nobody takes "
        "anything new of it; see: tocsin org show");
  if (log.nodes().contains(impl_->own_node))
    return no(
        "this node is revoked: nobody takes anything new of it; begin anew in another home: tocsin --home DIR init "
        "--join CARD");
  return no(
      "this node is not certified yet: have its request signed on another node of the organisation, with tocsin "
      "org certify, and let it reach that node");
}

Result<OrgRequest> Replica::request_certify(const NodeRequest& node) const {
  const OrgLog& own = impl_->own_log();
  if (node.certificate.org != own.id()) {
    return caller_error("wrong_organisation", "that node asks another organisation");
  }
  return make_request(*impl_, own, own.draft_certify(node.message, node.counter_signature, impl_->clock.now()),
                      own.roots());
}

std::vector<Replica::OwnFeed> Replica::feeds_of(const NodeId& node) const {
  std::vector<OwnFeed> out;
  for (const auto& [id, channel] : impl_->channels) {
    for (const LogKey& key : channel->logs) {
      const LogState* log = impl_->find_log(key);
      // What is still on its way to the disk is not held yet, and cannot be pinned.
      if (log == nullptr || !log->owner || log->owner->node != node || log->durable.head.value == 0) continue;
      out.push_back({id, key, log->durable.head});
    }
  }
  return out;
}

Result<OrgRequest> Replica::request_revoke(const NodeId& node, std::string_view reason,
                                           std::span<const LastGood> at) const {
  const OrgLog& own = impl_->own_log();
  const auto known = own.nodes().find(node);
  if (known == own.nodes().end()) {
    return caller_error("unknown_node", "this organisation never certified such a node; see: tocsin org show");
  }
  if (known->second.revoked) return caller_error("already_revoked", "that node is revoked already");
  if (!is_line(reason, kReasonBytesMax)) {
    return caller_error("bad_reason", "the reason is one line of at most 200 bytes");
  }
  std::vector<crypto::Hash> pins;
  std::set<LogKey> named;
  for (const OwnFeed& feed : feeds_of(node)) {
    const auto wanted = std::find_if(at.begin(), at.end(), [&](const LastGood& one) { return one.feed == feed.feed; });
    const Number last = wanted == at.end() ? feed.head : wanted->last;
    if (wanted != at.end()) named.insert(feed.feed);
    if (pins.size() >= kRevocationPinsMax) break;  // of the others the chairs pin what they hold
    const auto hash =
        last.value == 0 ? std::optional(EntryHash{}) : impl_->stored_hash(*impl_->find_log(feed.feed), last);
    if (!hash) return caller_error("unknown_feed", "no such entry of that feed is held here; see: tocsin org show");
    pins.push_back(revocation_pin(feed.channel, feed.feed, last, *hash));
  }
  if (named.size() != at.size()) {
    return caller_error("unknown_feed", "that node has no such feed here; see: tocsin org show");
  }
  return make_request(*impl_, own, own.draft_revoke(node, reason, pins, impl_->clock.now(), impl_->random),
                      own.roots());
}

Result<OrgRequest> Replica::request_rotate_roots(const RootSet& next, const crypto::Hash& commitment_after,
                                                 std::optional<Number> last_good) const {
  OrgLog base = impl_->own_log();
  if (base.ended()) return caller_error(kOrganisationEnded, "this organisation has ended; found another");
  if (last_good && (last_good->value == 0 || *last_good > base.head())) {
    return caller_error("bad_last_good", "the last good entry is one of this organisation's log; see: tocsin org show");
  }
  if (last_good && *last_good < base.head()) {
    // A second replacement of the same roots would end the organisation for all who meet both.
    if (base.rotated_since(last_good->next())) {
      return caller_error("bad_last_good", "the roots were replaced after that entry, and what came before stays");
    }
    TOCSIN_ASSIGN(below, impl_->org_log_below(LogKey{base.id().bytes()}, last_good->next()));
    base = std::move(below);
  }
  if (!next.valid() || next.commitment() != base.next_roots()) {
    return caller_error("wrong_next_roots",
                        "these are not the root keys that were committed to: only those can take over (rule 19)");
  }
  if (base.knew_roots(commitment_after)) {
    return caller_error("wrong_next_roots", "the roots after these must be others than all before");
  }
  OrgDraft draft = base.draft_rotate_roots(next, commitment_after, impl_->clock.now());
  return make_request(*impl_, std::move(base), std::move(draft), next);
}

Result<void> Replica::append_org_entry(const EntryView& entry, bool dry_run, Done<void> done) {
  const OrgLog& own = impl_->own_log();
  TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
  if (header.log != LogKey{impl_->own_org.bytes()}) {
    return caller_error("wrong_organisation", "that was signed for another organisation");
  }
  if (own.ended()) return caller_error(kOrganisationEnded, "this organisation has ended; found another");
  const auto stale = [] {
    return caller_error(
        "stale_request",
        "the organisation's log has changed since that request was made; make it anew and have it signed");
  };
  OrgLog trial = own;
  if (header.number.value > 1 && header.number <= own.head()) {
    TOCSIN_ASSIGN(below, impl_->org_log_below(header.log, header.number));
    trial = std::move(below);
  }
  if (header.number != trial.head().next() || header.previous != trial.head_hash()) return stale();
  const bool supersedes = header.number <= own.head();
  if (supersedes && own.rotated_since(header.number)) {
    return caller_error("already_rotated",
                        "the roots were replaced already: a second time, and the organisation would have ended");
  }
  TOCSIN_TRY(trial.apply(entry, impl_->verifier));
  if (supersedes && !trial.rotated_since(header.number)) return stale();
  if (dry_run) return kOk;
  TOCSIN_TRY(impl_->check_home());
  Change change;
  TOCSIN_TRY(impl_->extend_org(change, std::span(&entry, 1)));
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

// ---- The chair: which entry of a feed its writer's organisation named as the last good one

std::optional<FeedPin> ReplicaCore::revocation_pin_of(const Channel& channel, const LogState& log) const {
  const OrgState* org = log.owner ? find_org(log.owner->org) : nullptr;
  if (org == nullptr) return std::nullopt;
  const auto node = org->accepted.nodes().find(log.owner->node);
  if (node == org->accepted.nodes().end() || node->second.pins.empty()) return std::nullopt;
  const std::set<crypto::Hash> pins(node->second.pins.begin(), node->second.pins.end());
  const ChannelId& id = channel.accepted.id();
  const LogKey& key = log.accepted.log;
  const auto pinned = [&](Number last, const EntryHash& hash) {
    return pins.contains(revocation_pin(id, key, last, hash));
  };
  if (pinned({0}, {})) return FeedPin{key, {0}, {}, log.owner->node};
  if (log.fork && log.fork->parted()) {
    // Of the branch that is not held here its first entry is known.
    for (const EntryHash& hash : log.fork->entries) {
      if (pinned(log.fork->number, hash)) return FeedPin{key, log.fork->number, hash, log.owner->node};
    }
  }
  // Ascending: of two pins the lower wins.
  std::optional<FeedPin> found;
  Number next = log.durable.low;
  if (log.durable.head.value > kPinScanEntries) next = std::max(next, {log.durable.head.value - kPinScanEntries});
  while (!found && next <= log.durable.head) {
    const Number before = next;
    const auto read = store.read(key, next, log.durable.head, kPinReadBytes, [&](const StoredEntry& stored) {
      const EntryHash hash = hash_entry(stored.entry.header, stored.entry.signature);
      if (pinned(stored.number, hash)) found = FeedPin{key, stored.number, hash, log.owner->node};
      next = stored.number.next();
      return !found;
    });
    if (!read || next == before) break;
  }
  return found;
}

}  // namespace tocsin::protocol
