// What a bundle needs to know of this node, and a session learns from the handshake (rules 32, 34, 43).
#include <algorithm>

#include "crypto/wrap.h"
#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {

std::vector<WrapTarget> Replica::wrap_targets(std::span<const OrgId> orgs) const {
  std::vector<WrapTarget> out;
  const std::uint32_t month = month_of(impl_->clock.now());
  for (const OrgId& id : orgs) {
    const OrgState* org = impl_->find_org(id);
    if (org == nullptr) continue;
    for (const auto& [node, certified] : org->accepted.nodes()) {
      if (certified.revoked) continue;
      if (node != impl_->own_node) {
        out.push_back(wrap_target(certified.certificate, impl_->prekeys_of(id, node), month));
        continue;
      }
      const auto prekey = impl_->secrets.tier2->prekeys.find(month);
      out.push_back(wrap_target(certified.certificate, nullptr, month));
      if (prekey != impl_->secrets.tier2->prekeys.end()) out.back() = {node, prekey->second.public_key(), month};
    }
  }
  return out;
}

Result<crypto::SecretBuffer> Replica::open_slot(const crypto::EncryptionPublic& ephemeral, ByteView context,
                                                std::span<const ByteView> slots) const {
  TOCSIN_TRY(impl_->check_unlocked());
  Error failure = peer_error("commitment_mismatch", "no slot is for this node");
  const auto try_key = [&](const crypto::EncryptionKeyPair& ours) -> std::optional<crypto::SecretBuffer> {
    auto found = crypto::find_slot(ours, ephemeral, context, slots);
    if (found) return std::move(found->payload);
    failure = found.error();
    return std::nullopt;
  };
  // The newest are the likeliest; what is old waits long on a stick all the same.
  for (auto at = impl_->secrets.tier2->prekeys.rbegin(); at != impl_->secrets.tier2->prekeys.rend(); ++at) {
    if (auto key = try_key(at->second)) return std::move(*key);
  }
  if (auto key = try_key(impl_->secrets.tier2->encryption)) return std::move(*key);
  if (impl_->secrets.tier2->encryption_before) {
    if (auto key = try_key(*impl_->secrets.tier2->encryption_before)) return std::move(*key);
  }
  return failure;
}

crypto::Signature Replica::sign_bundle(const crypto::Hash& digest) const {
  return impl_->secrets.tier2->signing.sign(crypto::kLabelBundle, {digest.view()});
}

Result<crypto::VerifyKey> Replica::bundle_author(const OrgId& id, const NodeId& node, std::span<const Bytes> newer_log,
                                                 bool look_only) {
  const auto unknown = [] {
    return peer_error(kUnknownPeer,
                      "nobody here knows the node that made this bundle, or it is blocked or revoked; take its "
                      "organisation's card first: tocsin peer add FILE");
  };
  const OrgState* org = impl_->find_org(id);
  if (org == nullptr || impl_->is_blocked(id) || (id != impl_->own_org && !impl_->peers.contains(id))) {
    return unknown();
  }
  std::vector<EntryView> entries;
  for (const Bytes& bytes : newer_log) {
    auto entry = decode_entry(bytes);
    if (!entry || !equal(peek_log(entry->header), id.view())) break;
    entries.push_back(*entry);
  }
  // What is older than what is held here would be a gap from below: passed over, as it says nothing new.
  if (!look_only && !entries.empty() && entries.size() == newer_log.size()) {
    Change change;
    if (impl_->extend_org(change, entries) && !change.orgs.empty()) impl_->commit_for(std::move(change), nullptr);
    org = impl_->find_org(id);
  }
  const CertifiedNode* certified = org->accepted.live_node(node);
  if (certified == nullptr) return unknown();
  return certified->certificate.signing;
}

std::vector<Bytes> Replica::own_log_end(std::size_t bytes_max) const {
  return impl_->org_log_bytes(impl_->own_org, bytes_max);
}

Epoch Replica::first_epoch_of(const ChannelId& id, const OrgId& org) {
  Channel* channel = impl_->find_channel(id);
  if (channel == nullptr) return {};
  for (const auto& [epoch, info] : channel->accepted.epochs) {
    if (info.key == nullptr) continue;
    const auto roster = impl_->roster_at(*channel, epoch);
    if (roster == nullptr || roster->member(org) == nullptr) continue;
    return epoch.value <= 1 ? Epoch{} : epoch;
  }
  return channel->accepted.newest_epoch();
}

}  // namespace tocsin::protocol
