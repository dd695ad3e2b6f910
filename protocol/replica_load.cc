// Making a new node's first records, and reading everything back: at start, and after a write that failed.
#include <cassert>

#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

constexpr std::size_t kReadBytes = 1024 * 1024;

// Copies of all entries held of a log, from `from` on.
Result<std::vector<Entry>> read_log(EntryStore& store, const LogKey& log, Number from, Number to) {
  std::vector<Entry> out;
  while (from <= to) {
    std::size_t visited = 0;
    TOCSIN_TRY(store.read(log, from, to, kReadBytes, [&](const StoredEntry& stored) {
      out.emplace_back(stored.entry.header, stored.entry.signature, stored.entry.body);
      from = stored.number.next();
      ++visited;
      return true;
    }));
    if (visited == 0) return environment_error(kStoreFailed, "a log is shorter than its record says");
  }
  return out;
}

Error damaged_store(std::string what) { return environment_error(kDamagedRecord, std::move(what)); }

}  // namespace

Result<void> Replica::create(std::span<const Entry> org_log, const NodeId& own_node, Done<ChannelId> done) {
  ReplicaCore& core = *impl_;
  if (!core.orgs.empty()) return caller_error("not_empty", "the store holds an organisation already");
  Change change;
  std::vector<EntryView> views;
  for (const Entry& entry : org_log) views.push_back(entry.view());
  auto org = core.extend_org(change, views);
  if (!org) return org.error();
  const auto forget = [&](Error error) {
    core.orgs.clear();
    core.logs.clear();
    core.peers.clear();
    return error;
  };
  if (core.orgs.at(*org).accepted.live_node(own_node) == nullptr) {
    return forget(caller_error(kNodeNotCertified, "the organisation log does not certify this node"));
  }
  core.own_org = *org;
  core.own_node = own_node;
  core.peers.erase(*org);  // one's own organisation is no peer
  change.peers.clear();
  NewChannel own;
  own.name = core.own_log().profile().name;
  auto channel = core.found_channel(change, own, ChannelClass::kPrivate);
  if (!channel) return forget(channel.error());
  core.private_channel = (*channel)->accepted.id();
  change.batch.put_record(Table::kLocal, as_bytes(kSelfRecordName),
                          encode_self({core.own_org, core.own_node, core.private_channel}));
  core.commit_for(std::move(change), std::move(done), core.private_channel);
  return kOk;
}

Result<void> Replica::create_further(std::span<const Entry> org_log, const NodeId& own_node, const NodeId& sibling,
                                     std::vector<std::string> addresses, Done<void> done) {
  ReplicaCore& core = *impl_;
  if (!core.orgs.empty()) return caller_error("not_empty", "the store holds an organisation already");
  Change change;
  std::vector<EntryView> views;
  for (const Entry& entry : org_log) views.push_back(entry.view());
  TOCSIN_ASSIGN(org, core.extend_org(change, views));
  core.own_org = org;
  core.own_node = own_node;
  // No peer, but there is where to dial it.
  core.peer_data(change, org).nodes[sibling].addresses = std::move(addresses);
  change.batch.put_record(Table::kLocal, as_bytes(kSelfRecordName), encode_self({org, own_node, {}}));
  core.commit_for(std::move(change), std::move(done));
  return kOk;
}

Result<void> Replica::create_restored(const NodeId& own_node, Done<void> done) {
  ReplicaCore& core = *impl_;
  TOCSIN_ASSIGN(record, core.store.get_record(Table::kLocal, as_bytes(kSelfRecordName)));
  TOCSIN_ASSIGN(self, decode_self(record));
  Change change;
  change.batch.put_record(Table::kLocal, as_bytes(kSelfRecordName),
                          encode_self({self.org, own_node, self.private_channel}));
  for (const auto name : {kPrekeyRecordName, kLockedRecordName, kCutRecordName, kHomeRecordName})
    change.batch.remove_record(Table::kLocal, as_bytes(name));
  TOCSIN_TRY(core.store.scan_records(Table::kLocal, [&](ByteView name, ByteView) {
    if (as_text(name).starts_with(kCounterRecordPrefix) || as_text(name).starts_with(kEndedRecordPrefix))
      change.batch.remove_record(Table::kLocal, name);
    return true;
  }));
  TOCSIN_TRY(core.store.scan_records(Table::kMail, [&](ByteView name, ByteView) {
    change.batch.remove_record(Table::kMail, name);
    return true;
  }));
  core.commit_for(std::move(change), std::move(done));
  return kOk;
}

Result<void> Replica::load() {
  TOCSIN_TRY(impl_->reload());
  impl_->skip_counters();
  impl_->loaded_ms = impl_->clock.steady_ms();
  if (impl_->secrets.locked()) {
    impl_->begin_locked();
    return kOk;
  }
  TOCSIN_TRY(impl_->catch_up());
  // Not in reload(): while a disk is full each of these fails, and reloads.
  for (const auto& [id, channel] : impl_->channels) {
    if (channel->accepted.joined()) impl_->reserve_counters(*channel);
  }
  impl_->mend_branches();
  return kOk;
}

Result<void> ReplicaCore::reload() {
  // Frontiers keep their place, since sessions hold references; what is not read back goes.
  for (auto& [id, channel] : channels) {
    const Frontier empty;
    for (const auto leaves = channel->frontier.leaves(); const auto& [key, leaf] : leaves) channel->frontier.erase(key);
    Frontier frontier = std::move(channel->frontier);
    OwnReceiptState receipt = std::move(channel->own_receipt);
    *channel = Channel{};
    channel->frontier = std::move(frontier);
    channel->own_receipt = std::move(receipt);
    channel->own_receipt.reserving = channel->own_receipt.reserved;
  }
  orgs.clear();
  peers.clear();
  logs.clear();
  forked.clear();
  holds.clear();
  held.clear();

  auto self = store.get_record(Table::kLocal, as_bytes(kSelfRecordName));
  if (!self && self.error().code == kNotHeld) {
    channels.clear();
    own_org = {};
    own_node = {};
    private_channel = {};
    return kOk;  // an empty store: create() comes next
  }
  if (!self) return self.error();
  TOCSIN_ASSIGN(record, decode_self(*self));
  own_org = record.org;
  own_node = record.node;
  private_channel = record.private_channel;

  // What was doubted stays so, also where the disk did not take it.
  if (auto home = store.get_record(Table::kLocal, as_bytes(kHomeRecordName))) {
    doubted_home = std::move(*home);
  } else if (!(home.error().code == kNotHeld)) {
    return home.error();
  }

  newest_prekey_used = 0;
  if (auto used = store.get_record(Table::kLocal, as_bytes(kPrekeyRecordName))) {
    TOCSIN_ASSIGN(month, decode_month(*used));
    newest_prekey_used = month;
  } else if (!(used.error().code == kNotHeld)) {
    return used.error();
  }

  TOCSIN_ASSIGN(records, store.logs());
  TOCSIN_TRY(load_orgs(records));
  if (find_org(own_org) == nullptr) return damaged_store("the own organisation log is missing");
  TOCSIN_TRY(load_peers());
  TOCSIN_TRY(load_channels());
  TOCSIN_TRY(load_feeds(records));
  TOCSIN_TRY(load_forks());
  for (const auto& [id, channel] : channels) TOCSIN_TRY(replay_control(*channel));
  TOCSIN_TRY(load_mail());
  TOCSIN_TRY(load_receipts());
  for (const auto& [id, channel] : channels) refresh_leaves(*channel);
  return kOk;
}

Result<void> ReplicaCore::load_orgs(const std::vector<LogRecord>& records) {
  for (const LogRecord& record : records) {
    if (record.type != LogType::kOrganisation) continue;
    TOCSIN_ASSIGN(entries, read_log(store, record.log, {1}, record.head));
    auto log = OrgLog::from_genesis(entries.front().view(), verifier);
    if (!log) return environment_error(kStoreFailed, "a stored organisation log does not verify");
    OrgState& org = orgs.emplace(log->id(), OrgState{std::move(*log), nullptr, {}, {}}).first->second;
    note_signing_keys(org);
    for (std::size_t i = 1; i < entries.size(); ++i) {
      if (!org.accepted.apply(entries[i].view(), verifier)) {
        return environment_error(kStoreFailed, "a stored organisation log does not verify");
      }
      note_signing_keys(org);
    }
    TOCSIN_TRY(load_superseded(org));
    org.durable = std::make_shared<const OrgLog>(org.accepted);
    LogState& state = add_log(record.log, record.type, std::nullopt);
    state.accepted = state.durable = record;
  }
  return kOk;
}

Result<void> ReplicaCore::load_peers() {
  std::vector<std::pair<OrgId, Bytes>> found;
  TOCSIN_TRY(store.scan_records(Table::kPeers, [&](ByteView name, ByteView value) {
    if (const auto org = OrgId::from(name)) found.emplace_back(*org, to_bytes(value));
    return true;
  }));
  for (const auto& [id, value] : found) {
    TOCSIN_ASSIGN(peer, decode_peer(value));
    const OrgState* org = find_org(id);
    if (org == nullptr) return damaged_store("a peer has no organisation log");
    for (auto& [node, held] : peer.nodes) {
      const auto certified = org->accepted.nodes().find(node);
      if (held.signed_prekeys.empty() || certified == org->accepted.nodes().end()) continue;
      auto list = open_prekeys(held.signed_prekeys, certified->second.certificate.signing, verifier);
      if (list) held.prekeys = std::move(*list);  // else made with a signing key of before: it waits for a newer list
    }
    peers.emplace(id, std::move(peer));
  }
  return kOk;
}

Result<void> ReplicaCore::load_channels() {
  std::vector<std::pair<ChannelId, Bytes>> found;
  TOCSIN_TRY(store.scan_records(Table::kChannels, [&](ByteView name, ByteView value) {
    if (const auto id = ChannelId::from(name)) found.emplace_back(*id, to_bytes(value));
    return true;
  }));
  std::set<ChannelId> read;
  for (const auto& [id, value] : found) {
    TOCSIN_ASSIGN(loaded, decode_channel_record(value, secrets));
    if (loaded.state.id() != id) return damaged_store("a channel's record stands under another name");
    read.insert(id);
    auto& channel = channels[id];
    if (channel == nullptr) channel = std::make_unique<Channel>();
    ChannelState& state = channel->accepted = std::move(loaded.state);
    if (loaded.run_first.value != 0) {
      TOCSIN_ASSIGN(entries, read_log(store, state.control_log(), loaded.run_first, state.head));
      for (const Entry& entry : entries) {
        if (!restore_run(state, entry.view())) return damaged_store("the newest epoch of a channel");
      }
    }
  }
  std::erase_if(channels, [&](const auto& entry) { return !read.contains(entry.first); });
  for (const auto& [id, channel] : channels) note_contribution(*channel);
  return kOk;
}

Result<void> ReplicaCore::load_feeds(const std::vector<LogRecord>& records) {
  std::map<ChannelPseudonym, ChannelId> by_pseudonym;
  for (const auto& [id, channel] : channels) by_pseudonym.emplace(channel->accepted.genesis->pseudonym, id);
  for (const LogRecord& record : records) {
    if (record.type == LogType::kOrganisation) continue;
    const auto at = by_pseudonym.find(record.channel);
    if (at == by_pseudonym.end()) return damaged_store("a log belongs to no channel held here");
    LogState& log = add_log(record.log, record.type, at->second);
    log.accepted = log.durable = record;
  }
  std::vector<std::pair<LogKey, Bytes>> found;
  unnamed.clear();
  named_copies.clear();
  unnamed_due = true;
  std::vector<std::pair<ChannelId, std::uint64_t>> counters;
  std::vector<std::pair<Bytes, Bytes>> orders, states;
  TOCSIN_TRY(store.scan_records(Table::kLocal, [&](ByteView name, ByteView value) {
    const std::string_view text = as_text(name);
    if (text.starts_with(kFeedRecordPrefix)) {
      if (const auto key = LogKey::from(name.subspan(kFeedRecordPrefix.size())))
        found.emplace_back(*key, to_bytes(value));
    } else if (text.starts_with(kUnnamedRecordPrefix)) {
      if (const auto key = LogKey::from(name.subspan(kUnnamedRecordPrefix.size()))) load_unnamed(*key, value);
    } else if (text.starts_with(kEndedRecordPrefix)) {
      if (const auto key = LogKey::from(name.subspan(kEndedRecordPrefix.size()))) ended.insert(*key);
    } else if (text.starts_with(kErasureRecordPrefix)) {
      orders.emplace_back(to_bytes(name), to_bytes(value));
    } else if (text.starts_with(kErasedRecordPrefix)) {
      states.emplace_back(to_bytes(name), to_bytes(value));
    } else if (text.starts_with(kHoldRecordPrefix)) {
      load_hold(value);
    } else if (text.starts_with(kCounterRecordPrefix) && value.size() == 8) {
      if (const auto id = ChannelId::from(name.subspan(kCounterRecordPrefix.size()))) {
        counters.emplace_back(*id, load_le64(value.data()));
      }
    }
    return true;
  }));
  for (const auto& [key, value] : found) {
    TOCSIN_ASSIGN(feed, decode_feed(value));
    LogState* log = find_log(key);
    if (log == nullptr) continue;
    log->owner = feed.owner;
    log->first_absent = feed.first_absent;
    log->checkpoint = feed.checkpoint;
    log->checkpoint_time = feed.checkpoint_time;
    log->down_to = feed.down_to;
    if (Channel* channel = log->channel ? find_channel(*log->channel) : nullptr; feed.down_to.value != 0 && channel) {
      channel->short_logs.insert(key);
    }
    if (log->owner) table.set_feed(key, *log->owner);
  }
  load_erasures(orders, states);
  for (const auto& [key, log] : logs) {
    if (log.accepted.type == LogType::kFeed) note_feed(*find_channel(*log.channel), log);
  }
  for (const auto& [id, reserved] : counters) {
    if (Channel* channel = find_channel(id)) {
      // What was set aside may have been used in part: begin behind it.
      OwnReceiptState& own = channel->own_receipt;
      if (own.reserved != reserved) own.next = std::max(own.next, reserved);
      own.reserved = own.reserving = reserved;
    }
  }
  return kOk;
}

Result<void> ReplicaCore::load_mail() {
  return store.scan_records(Table::kMail, [&](ByteView name, ByteView value) {
    if (name.size() != ChannelId::kSize + 1 + OrgId::kSize) return true;
    Channel* channel = find_channel(*ChannelId::from(name.first(ChannelId::kSize)));
    if (channel == nullptr) return true;
    const ByteView key = name.subspan(ChannelId::kSize + 1);
    if (name[ChannelId::kSize] == 'a') channel->pending[*OrgId::from(key)] = to_bytes(value);
    if (name[ChannelId::kSize] == 'm' && value.size() == 8) {
      channel->missing[*NodeId::from(key)] = {load_le64(value.data())};
    }
    if (name[ChannelId::kSize] == 'l') channel->leaves[*OrgId::from(key)] = to_bytes(value);
    if (name[ChannelId::kSize] == 'w') load_answer(*channel, *crypto::Hash::from(key), value);
    if (name[ChannelId::kSize] == 'p') load_proposal(*channel, *ProposalId::from(key), value);
    return true;
  });
}

Result<void> ReplicaCore::load_receipts() {
  std::vector<std::pair<Bytes, Bytes>> found;
  TOCSIN_TRY(store.scan_records(Table::kReceipts, [&](ByteView name, ByteView value) {
    if (name.size() == ChannelId::kSize + NodeId::kSize) found.emplace_back(to_bytes(name), to_bytes(value));
    return true;
  }));
  for (const auto& [name, value] : found) {
    const ByteView view(name);
    Channel* channel = find_channel(*ChannelId::from(view.first(ChannelId::kSize)));
    const NodeId node = *NodeId::from(view.subspan(ChannelId::kSize));
    TOCSIN_ASSIGN(info, decode_receipt_info(node, value));
    if (channel != nullptr) channel->receipts[node] = std::move(info);
  }
  return kOk;
}

}  // namespace tocsin::protocol
