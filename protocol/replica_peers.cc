// Organisations and nodes that this replica knows: cards, words, addresses, prekeys, organisation logs.
#include <algorithm>
#include <cassert>
#include <cctype>

#include "protocol/entry_peek.h"
#include "protocol/names.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

// Of its known organisations a node holds so many at most: a peer could introduce others without end.
constexpr std::size_t kOrgsMax = 4096;
constexpr std::size_t kAddressesKept = 16;  // of one node: two cards' worth

Error unknown_peer() { return caller_error(kUnknownPeer, "no such organisation is known here"); }

std::string lower_case(std::string_view word) {
  std::string out;
  for (const char c : word) {
    if (c != ' ' && c != '\t') out.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return out;
}

// Newest first, none twice.
void put_in_front(std::vector<std::string>& addresses, std::string_view address) {
  std::erase(addresses, address);
  addresses.insert(addresses.begin(), std::string(address));
  if (addresses.size() > kAddressesKept) addresses.resize(kAddressesKept);
}

}  // namespace

std::string_view to_string(PeerState state) {
  switch (state) {
    case PeerState::kIntroduced:
      return "introduced";
    case PeerState::kVerified:
      return "verified";
    case PeerState::kBlocked:
      return "blocked";
    case PeerState::kEnded:
      return "ended";
  }
  return "unknown";
}

// ---- Looking up

const OrgState* ReplicaCore::find_org(const OrgId& org) const {
  const auto found = orgs.find(org);
  return found == orgs.end() ? nullptr : &found->second;
}

const OrgLog& ReplicaCore::own_log() const {
  const OrgState* org = find_org(own_org);
  assert(org != nullptr);  // create() or load() comes first
  return org->accepted;
}

std::optional<OrgId> ReplicaCore::org_of_node(const NodeId& node) const {
  for (const auto& [id, org] : orgs) {
    if (org.accepted.nodes().contains(node)) return id;
  }
  return std::nullopt;
}

const CertifiedNode* ReplicaCore::live_node(const NodeId& node) const {
  const auto org = org_of_node(node);
  return org ? orgs.at(*org).accepted.live_node(node) : nullptr;
}

bool ReplicaCore::signed_by_node(const OrgId& org, const NodeId& node,
                                 const std::function<bool(const crypto::VerifyKey&)>& verifies) const {
  const OrgState* state = find_org(org);
  if (state == nullptr) return false;
  const auto keys = state->signing_keys.find(node);
  return keys != state->signing_keys.end() && std::any_of(keys->second.rbegin(), keys->second.rend(), verifies);
}

bool ReplicaCore::is_blocked(const OrgId& org) const {
  const auto peer = peers.find(org);
  return peer != peers.end() && peer->second.blocked;
}

bool ReplicaCore::in_a_roster(const OrgId& org) const {
  return std::any_of(channels.begin(), channels.end(), [&](const auto& entry) {
    const ChannelState& state = entry.second->accepted;
    return state.standing != ChannelStanding::kRemoved &&
           (state.role_of(org) != Role::kUnknown || state.invited.contains(org));
  });
}

// ---- Organisation logs

void ReplicaCore::note_signing_keys(OrgState& org) {
  for (const auto& [node, certified] : org.accepted.nodes()) {
    auto& keys = org.signing_keys[node];
    const crypto::VerifyKey& key = certified.certificate.signing;
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
}

Result<OrgId> ReplicaCore::extend_org(Change& change, std::span<const EntryView> entries) {
  if (entries.empty()) return peer_error(kBadEntry, "no entries of the organisation log");
  for (const EntryView& entry : entries) {
    TOCSIN_ASSIGN(header, EntryHeader::decode(entry.header));
    if (header.type != LogType::kOrganisation || !equal(header.log.view(), peek_log(entries.front().header))) {
      return peer_error(kWrongLog, "the entries are not of one organisation log");
    }
  }
  const OrgId id{LogKey::from(peek_log(entries.front().header))->bytes()};
  OrgState* held = nullptr;
  if (const auto at = orgs.find(id); at != orgs.end()) held = &at->second;
  if (held == nullptr && orgs.size() >= kOrgsMax) {
    return peer_error(kQuotaExceeded, "4096 organisations are known here already");
  }

  // On a copy: what does not verify as a whole leaves nothing behind.
  std::optional<OrgState> next;
  if (held != nullptr) next = *held;
  std::vector<const EntryView*> added;
  bool untold = false;  // the newest looked at is one of ours or another: ours is not durable yet
  const Error stale = environment_error(kStaleReceiver, "entries to compare with are not durable yet");
  for (const EntryView& entry : entries) {
    const Number number = peek_number(entry.header);
    if (!next) {
      TOCSIN_ASSIGN(log, OrgLog::from_genesis(entry, verifier));
      next = OrgState{std::move(log), nullptr, {}, {}};
    } else if (number <= next->accepted.head()) {
      const LogState* log = find_log(LogKey{id.bytes()});
      auto hash = log == nullptr ? std::nullopt : stored_hash(*log, number);
      if (!hash && number == next->accepted.head()) hash = next->accepted.head_hash();
      if (hash && *hash != hash_entry(entry.header, entry.signature)) {
        if (!added.empty()) return peer_error(kFork, "the organisation log differs from the one held here");
        const auto at = static_cast<std::size_t>(&entry - entries.data());
        TOCSIN_TRY(take_branch(change, id, entries.subspan(at)));
        return id;
      }
      untold = !hash;
      continue;
    } else if (auto applied = next->accepted.apply(entry, verifier); !applied) {
      return untold ? stale : applied.error();
    }
    untold = false;
    note_signing_keys(*next);
    added.push_back(&entry);
  }
  if (untold) return stale;
  if (added.empty()) return id;

  const LogKey key{id.bytes()};
  LogState* log = find_log(key);
  if (log == nullptr) log = &add_log(key, LogType::kOrganisation, std::nullopt);
  if (log->accepted.frozen == kForked) {
    // Only a rotation above where the histories part says which of them counts (rule 19).
    const bool parted = log->fork && log->fork->parted();
    const Number disputed = parted ? log->fork->number : log->accepted.head.next();
    if (next->accepted.rotated_since(parted ? disputed : Number{1})) {
      forget_fork(change, *log);
    } else if (next->accepted.head() >= disputed) {
      return peer_error(kFrozen, "a fork of this organisation log is known");
    }
  }
  for (const EntryView* entry : added) add_entry(change, *log, *entry, Checked::kSigned);
  orgs.insert_or_assign(id, std::move(*next));
  if (std::find(change.orgs.begin(), change.orgs.end(), id) == change.orgs.end()) change.orgs.push_back(id);
  if (id != own_org && !peers.contains(id)) peer_data(change, id);
  return id;
}

PeerData& ReplicaCore::peer_data(Change& change, const OrgId& org) {
  if (std::find(change.peers.begin(), change.peers.end(), org) == change.peers.end()) change.peers.push_back(org);
  return peers[org];
}

void ReplicaCore::put_peer(Batch& batch, const OrgId& org) const {
  if (const auto peer = peers.find(org); peer != peers.end()) {
    batch.put_record(Table::kPeers, org.view(), encode_peer(peer->second));
  } else {
    batch.remove_record(Table::kPeers, org.view());
  }
}

std::vector<Bytes> ReplicaCore::org_log_bytes(const OrgId& org, std::size_t bytes_max) const {
  std::vector<Bytes> out;
  const LogState* log = find_log(LogKey{org.bytes()});
  if (log == nullptr) return out;
  std::size_t bytes = 0;
  for (Number number = log->durable.head; number.value > 0; --number.value) {
    const auto entry = stored_entry(log->durable.log, number);
    if (!entry) break;
    Bytes encoded = encode_entry(entry->view());
    bytes += encoded.size() + 16;
    if (bytes > bytes_max) break;  // the newest are what others may lack
    out.push_back(std::move(encoded));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

// ---- Prekeys

Bytes ReplicaCore::own_prekeys() const {
  if (secrets.locked()) return {};
  PrekeyList list;
  list.node = own_node;
  const std::uint32_t month = month_of(clock.now());
  for (std::uint32_t at = month; list.keys.size() < kPrekeysMax; ++at) {
    const auto pair = secrets.tier2->prekeys.find(at);
    if (pair == secrets.tier2->prekeys.end()) {
      if (list.keys.empty() && at < month + kPrekeysMax) continue;
      break;
    }
    if (list.keys.empty()) list.first_month = at;
    list.keys.push_back(pair->second.public_key());
  }
  return list.keys.empty() ? Bytes{} : sign_prekeys(list, secrets.tier2->signing);
}

const PrekeyList* ReplicaCore::prekeys_of(const OrgId& org, const NodeId& node) const {
  const auto peer = peers.find(org);
  if (peer == peers.end()) return nullptr;
  const auto held = peer->second.nodes.find(node);
  return held == peer->second.nodes.end() || !held->second.prekeys ? nullptr : &*held->second.prekeys;
}

Result<void> Replica::accept_prekeys(const NodeId& node, ByteView signed_list) {
  const auto org = impl_->org_of_node(node);
  const CertifiedNode* certified = org ? impl_->orgs.at(*org).accepted.live_node(node) : nullptr;
  if (certified == nullptr) return peer_error(kUnknownPeer, "prekeys of a node that is not certified");
  TOCSIN_ASSIGN(list, open_prekeys(signed_list, certified->certificate.signing, impl_->verifier));
  if (list.node != node) return peer_error(kBadPrekeys, "prekeys of another node");
  const PrekeyList* held = impl_->prekeys_of(*org, node);
  if (held != nullptr && list.first_month <= held->first_month) return kOk;
  Change change;
  PeerNodeData& data = impl_->peer_data(change, *org).nodes[node];
  data.signed_prekeys = to_bytes(signed_list);
  data.prekeys = std::move(list);
  impl_->commit_for(std::move(change), nullptr);
  return kOk;
}

std::optional<std::uint32_t> Replica::prekey_month_of(const NodeId& node) const {
  const auto org = impl_->org_of_node(node);
  const PrekeyList* held = org ? impl_->prekeys_of(*org, node) : nullptr;
  if (held == nullptr) return std::nullopt;
  return held->first_month;
}

// ---- Cards and what people decide

Result<std::string> Replica::own_card(std::vector<std::string> addresses) const {
  TOCSIN_TRY(impl_->check_unlocked());
  Card card;
  card.network = network();
  card.node = impl_->own_node;
  card.addresses = std::move(addresses);
  const LogState* log = impl_->find_log(LogKey{impl_->own_org.bytes()});
  for (Number number{1}; log != nullptr && number <= log->durable.head; number = number.next()) {
    TOCSIN_ASSIGN(entry, impl_->stored_entry(log->durable.log, number));
    card.org_log.push_back(std::move(entry));
  }
  card.prekeys = impl_->own_prekeys();
  card.issued = impl_->clock.now();
  return encode_card(card, impl_->secrets.tier2->signing);
}

Result<OrgId> Replica::add_card(std::string_view text, Done<void> done) {
  TOCSIN_ASSIGN(open, open_card(text, network(), impl_->verifier));
  if (open.card.node == impl_->own_node) return caller_error("own_card", "that is this node's own card");
  Change change;
  std::vector<EntryView> entries;
  for (const Entry& entry : open.card.org_log) entries.push_back(entry.view());
  TOCSIN_ASSIGN(org, impl_->extend_org(change, entries));
  PeerData& peer = impl_->peer_data(change, org);
  peer.by_card = true;
  PeerNodeData& node = peer.nodes[open.card.node];
  if (open.card.issued >= node.card_issued) {
    node.card_issued = open.card.issued;
    for (auto at = open.card.addresses.rbegin(); at != open.card.addresses.rend(); ++at) {
      put_in_front(node.addresses, *at);
    }
    if (open.prekeys && (!node.prekeys || node.prekeys->first_month <= open.prekeys->first_month)) {
      node.signed_prekeys = open.card.prekeys;
      node.prekeys = std::move(open.prekeys);
    }
  }
  impl_->commit_for(std::move(change), std::move(done));
  return org;
}

Result<void> Replica::verify_peer(const OrgId& org, std::span<const std::string> words, Done<void> done) {
  const OrgState* state = impl_->find_org(org);
  if (state == nullptr || !impl_->peers.contains(org)) return unknown_peer();
  std::vector<std::string> given;
  for (const std::string& word : words) given.push_back(lower_case(word));
  const bool right = std::any_of(state->accepted.nodes().begin(), state->accepted.nodes().end(), [&](const auto& node) {
    const auto expected = card_words(org, node.first);
    return !node.second.revoked && std::equal(given.begin(), given.end(), expected.begin(), expected.end());
  });
  if (!right) return caller_error("wrong_words", "the eight words are not those of this peer's card");
  Change change;
  impl_->peer_data(change, org).verified = true;
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

Result<void> Replica::set_peer_blocked(const OrgId& org, bool blocked, Done<void> done) {
  TOCSIN_TRY(impl_->check_unlocked());  // it may have to take invitations back
  if (!impl_->peers.contains(org)) return unknown_peer();
  Change change;
  impl_->peer_data(change, org).blocked = blocked;
  if (blocked) impl_->cancel_invitations(change, org);
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

Result<void> Replica::rename_peer(const OrgId& org, std::string_view name, Done<void> done) {
  if (!impl_->peers.contains(org)) return unknown_peer();
  if (!is_line(name, kNameBytesMax)) return caller_error(kBadName, "a name is one line of at most 200 bytes");
  Change change;
  impl_->peer_data(change, org).local_name = std::string(name);
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

Result<void> Replica::may_remove_peer(const OrgId& org) const {
  if (!impl_->peers.contains(org)) return unknown_peer();
  if (impl_->in_a_roster(org)) {
    return caller_error("peer_in_channel", "the organisation is a member of a channel, or invited to one");
  }
  return kOk;
}

Result<void> Replica::remove_peer(const OrgId& org, Done<void> done) {
  TOCSIN_TRY(may_remove_peer(org));
  Change change;
  impl_->peer_data(change, org);
  impl_->peers.erase(org);
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

Result<void> Replica::add_address(const NodeId& node, std::string_view address, Done<void> done) {
  const auto org = impl_->org_of_node(node);
  if (!org || node == impl_->own_node) return unknown_peer();
  TOCSIN_TRY(parse_address(address));
  Change change;
  put_in_front(impl_->peer_data(change, *org).nodes[node].addresses, address);
  impl_->commit_for(std::move(change), std::move(done));
  return kOk;
}

std::optional<Peer> Replica::peer(const OrgId& org) const {
  const auto data = impl_->peers.find(org);
  const OrgState* state = impl_->find_org(org);
  if (data == impl_->peers.end() || state == nullptr || org == impl_->own_org) return std::nullopt;
  Peer out;
  out.org = org;
  out.profile = state->accepted.profile();
  out.local_name = data->second.local_name;
  out.state = state->accepted.ended() ? PeerState::kEnded
              : data->second.blocked  ? PeerState::kBlocked
              : data->second.verified ? PeerState::kVerified
                                      : PeerState::kIntroduced;
  out.by_card = data->second.by_card;
  for (const auto& [id, certified] : state->accepted.nodes()) {
    PeerNode& node = out.nodes.emplace_back();
    node.node = id;
    node.transport = certified.certificate.transport;
    node.revoked = certified.revoked;
    node.expires = certified.certificate.expires;
    if (const auto held = data->second.nodes.find(id); held != data->second.nodes.end()) {
      node.addresses = held->second.addresses;
      node.prekeys = held->second.prekeys;
    }
  }
  return out;
}

std::vector<Peer> Replica::peers() const {
  std::vector<Peer> out;
  for (const auto& [id, data] : impl_->peers) {
    if (auto found = peer(id)) out.push_back(std::move(*found));
  }
  return out;
}

std::vector<std::string> Replica::addresses_of(const NodeId& node) const {
  const auto org = impl_->org_of_node(node);
  const auto data = org ? impl_->peers.find(*org) : impl_->peers.end();
  if (data == impl_->peers.end()) return {};
  const auto held = data->second.nodes.find(node);
  return held == data->second.nodes.end() ? std::vector<std::string>() : held->second.addresses;
}

bool Replica::is_blocked(const OrgId& org) const { return impl_->is_blocked(org); }

const OrgLog* Replica::org_log(const OrgId& org) const {
  const OrgState* state = impl_->find_org(org);
  return state == nullptr ? nullptr : state->durable.get();
}

std::optional<std::pair<OrgId, NodeId>> Replica::identify(const crypto::TransportPublic& key,
                                                          std::span<const Bytes> newer_log) {
  // Rule 43: a node certified yesterday is known to all who know its organisation. Nothing is taken of one that is not.
  std::optional<OrgId> said;
  std::vector<EntryView> entries;
  for (const Bytes& bytes : newer_log) {
    auto entry = decode_entry(bytes);
    if (!entry) break;
    entries.push_back(*entry);
  }
  if (!entries.empty() && entries.size() == newer_log.size()) {
    const OrgId org{LogKey::from(peek_log(entries.front().header))->bytes()};
    said = org;
    if (impl_->find_org(org) != nullptr && !impl_->is_blocked(org)) {
      Change change;
      if (impl_->extend_org(change, entries) && !change.orgs.empty()) impl_->commit_for(std::move(change), nullptr);
    }
  }
  // A second organisation may certify a key that is not its node's: the one whose log came along goes first.
  std::optional<std::pair<OrgId, NodeId>> found;
  for (const auto& [id, org] : impl_->orgs) {
    if (impl_->is_blocked(id)) continue;
    if (id != impl_->own_org && !impl_->peers.contains(id)) continue;
    const CertifiedNode* node = org.accepted.live_node_by_transport(key);
    if (node == nullptr || node->certificate.node == impl_->own_node) continue;
    if (!found || id == said) found.emplace(id, node->certificate.node);
  }
  return found;
}

std::optional<std::pair<OrgId, NodeId>> Replica::revoked_holder(const crypto::TransportPublic& key) const {
  std::optional<std::pair<OrgId, NodeId>> found;
  for (const auto& [id, org] : impl_->orgs) {
    if (impl_->is_blocked(id) || (id != impl_->own_org && !impl_->peers.contains(id))) continue;
    for (const auto& [node, certified] : org.accepted.nodes()) {
      if (certified.certificate.transport != key && certified.transport_before != key) continue;
      if (!certified.revoked || node == impl_->own_node) return std::nullopt;
      found.emplace(id, node);
    }
  }
  return found;
}

bool Replica::still_speaks_for(const crypto::TransportPublic& key, const OrgId& org, const NodeId& node) const {
  const OrgState* state = impl_->find_org(org);
  if (state == nullptr || impl_->is_blocked(org)) return false;
  if (org != impl_->own_org && !impl_->peers.contains(org)) return false;
  // Of the certificates that count: a key that only a superseded one named speaks for nobody (rule 19).
  const CertifiedNode* held = state->accepted.live_node(node);
  return held != nullptr && (held->certificate.transport == key || held->transport_before == key);
}

}  // namespace tocsin::protocol
