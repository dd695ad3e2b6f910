#include "protocol/replica.h"

#include <cassert>
#include <utility>

#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {

// What a change altered, as it stood when it was committed.
struct Snapshot {
  std::vector<LogRecord> logs;
  std::vector<std::pair<ChannelId, std::shared_ptr<const ChannelState>>> channels;
  std::vector<std::pair<OrgId, std::shared_ptr<const OrgLog>>> orgs;
  std::vector<Batch::BodyErase> erased;
  std::vector<std::pair<LogKey, std::optional<Fork>>> forks;
  std::shared_ptr<EntryChunk> cut;
  LogKey cut_log;
  std::vector<TakenBack> taken_back;
  bool peers = false;
  bool mail = false;
  bool entries = false;
};

ReplicaCore::ReplicaCore(EntryStore& store_in, Clock& clock_in, crypto::Random& random_in,
                         const NodeSecrets& secrets_in, ReadingTable& table_in)
    : store(store_in), clock(clock_in), random(random_in), secrets(secrets_in), table(table_in) {}

// ---- Changes

void ReplicaCore::commit(Change change, std::function<void(Result<Arrival>)> done) {
  auto snapshot = std::make_shared<Snapshot>();
  note_locked(change.batch);
  for (const LogKey& key : change.logs) {
    LogState& log = logs.at(key);
    change.batch.set_log(log.accepted);
    snapshot->logs.push_back(log.accepted);
    if (std::exchange(log.feed_record_changed, false)) {
      change.batch.put_record(Table::kLocal, feed_record_name(key), encode_feed(log));
    }
  }
  for (const ChannelId& id : change.channels) {
    const ChannelState& state = channels.at(id)->accepted;
    // Locked, there is nothing to seal its keys with: the record waits, and the control log tells the rest.
    if (!secrets.locked())
      change.batch.put_record(Table::kChannels, id.view(), encode_channel_record(state, secrets, random));
    snapshot->channels.emplace_back(id, std::make_shared<const ChannelState>(state));
  }
  for (const OrgId& id : change.orgs) {
    snapshot->orgs.emplace_back(id, std::make_shared<const OrgLog>(orgs.at(id).accepted));
  }
  for (const OrgId& id : change.peers) put_peer(change.batch, id);
  snapshot->peers = !change.peers.empty();
  snapshot->mail = change.mail;
  snapshot->entries = !change.batch.entries().empty();
  snapshot->erased = change.batch.erases();
  for (const LogKey& key : change.forks) snapshot->forks.emplace_back(key, logs.at(key).fork);
  if (change.cut != nullptr) {
    snapshot->cut = std::move(change.cut);
    snapshot->cut_log = change.batch.cuts().front().log;
  }
  snapshot->taken_back = std::move(change.taken_back);

  store.commit(std::move(change.batch), [this, lives = std::weak_ptr<int>(alive), made_at = failures, snapshot,
                                         done = std::move(done)](Result<Arrival> stored) {
    if (lives.expired()) return;
    if (!stored) {
      // Only the first of a row of failures alters anything: the others were built on it and fall with it.
      if (made_at == failures) {
        ++failures;
        chores_not_before_ms = clock.steady_ms() + 30'000;
        if (auto read_back = reload(); !read_back) stored = read_back.error();
      }
      if (done) done(std::move(stored));
      return;
    }
    const Arrival newest = *stored;
    locked_noted = true;
    const auto opened = settle(*snapshot);
    if (done) done(std::move(stored));
    if (!lives.expired()) notify(*snapshot, newest, opened);
  });
}

void ReplicaCore::commit_for(Change change, Done<void> done) {
  commit(std::move(change), [done = std::move(done)](const Result<Arrival>& stored) {
    if (done) done(stored ? Result<void>(kOk) : Result<void>(stored.error()));
  });
}

std::vector<LogKey> ReplicaCore::settle(const Snapshot& snapshot) {
  for (const auto& [id, log] : snapshot.orgs) {
    if (const auto at = orgs.find(id); at != orgs.end()) at->second.durable = log;
    unnamed_due = true;
  }
  for (const LogRecord& record : snapshot.logs) {
    if (LogState* log = find_log(record.log)) log->durable = record;
  }
  for (const auto& [key, fork] : snapshot.forks) {
    if (LogState* log = find_log(key)) log->durable_fork = fork;
  }
  std::set<ChannelId> whole;  // whose every leaf may have changed
  for (const auto& [id, state] : snapshot.channels) {
    if (Channel* channel = find_channel(id)) {
      channel->durable = state;
      whole.insert(id);
    }
  }
  for (const auto& [org, log] : snapshot.orgs) {
    for (const auto& [id, channel] : channels) {
      if (channel->durable != nullptr && channel->durable->role_of(org) != Role::kUnknown) whole.insert(id);
    }
  }
  for (const LogRecord& record : snapshot.logs) {
    const LogState* log = find_log(record.log);
    if (log == nullptr || !log->channel || whole.contains(*log->channel)) continue;
    if (Channel* channel = find_channel(*log->channel)) refresh_leaf(*channel, record.log);
  }
  std::vector<LogKey> opened;
  for (const ChannelId& id : whole) {
    Channel& channel = *channels.at(id);
    std::map<LogKey, std::optional<Leaf>> disputed;
    for (const LogKey& key : forked) {
      const Leaf* leaf = channel.logs.contains(key) ? channel.frontier.find(key) : nullptr;
      if (channel.logs.contains(key)) disputed[key] = leaf == nullptr ? std::nullopt : std::optional(*leaf);
    }
    refresh_leaves(channel);
    for (const auto& [key, before] : disputed) {
      const Leaf* leaf = channel.frontier.find(key);
      if (leaf != nullptr && (!before || *before != *leaf)) opened.push_back(key);
    }
  }
  return opened;
}

void ReplicaCore::notify(const Snapshot& snapshot, Arrival newest, const std::vector<LogKey>& opened) {
  const std::weak_ptr<int> lives = alive;
  const auto tell = [&](auto&& call) {
    if (!lives.expired() && listener != nullptr) call(*listener);
  };
  for (const auto& [org, log] : snapshot.orgs) {
    tell([&, &id = org](ReplicaListener& to) { to.on_org_log(id); });
  }
  if (!snapshot.channels.empty()) tell([](ReplicaListener& to) { to.on_channels(); });
  const auto tell_head = [&](const LogKey& key) {
    const LogState* log = lives.expired() ? nullptr : find_log(key);
    if (log == nullptr || !log->channel) return;
    tell([&, channel = *log->channel](ReplicaListener& to) { to.on_heads(channel, key); });
  };
  for (const LogRecord& record : snapshot.logs) tell_head(record.log);
  for (const LogKey& key : opened) tell_head(key);
  if (snapshot.peers) tell([](ReplicaListener& to) { to.on_peers(); });
  if (snapshot.mail) tell([](ReplicaListener& to) { to.on_mail(); });
  // Whoever kept something of it needs the body to find what that was.
  if (!snapshot.taken_back.empty()) tell([&](ReplicaListener& to) { to.on_taken_back(snapshot.taken_back); });
  if (!snapshot.erased.empty()) tell([&](ReplicaListener& to) { to.on_erased(snapshot.erased); });
  if (snapshot.cut != nullptr) {
    const LogState* log = lives.expired() ? nullptr : find_log(snapshot.cut_log);
    if (log != nullptr && log->channel) {
      tell([&, channel = *log->channel](ReplicaListener& to) { to.on_cut(channel, snapshot.cut_log, *snapshot.cut); });
    }
  }
  if (snapshot.entries) tell([&](ReplicaListener& to) { to.on_arrival(newest); });
  if (lives.expired()) return;
  for (const auto& [id, state] : snapshot.channels) {
    Channel* channel = state->joined() && state->contribution == nullptr ? find_channel(id) : nullptr;
    if (channel != nullptr) reserve_counters(*channel);
  }
  if (!forked.empty()) mend_branches();
  // What a change brings for the chair to do is done right away, not with the next tick.
  std::vector<Channel*> waiting;
  for (const auto& [id, channel] : channels) {
    const bool proposed = !channel->proposals.empty();
    const bool answers = !channel->pending.empty() || !channel->leaves.empty();
    if (answers || !channel->missing.empty() || proposed) waiting.push_back(channel.get());
  }
  for (Channel* channel : waiting) chores(*channel);
  if (secrets.locked()) return;
  for (const LogRecord& record : snapshot.logs) {
    const LogState* log = find_log(record.log);
    Channel* channel = log == nullptr || !log->channel ? nullptr : find_channel(*log->channel);
    if (channel != nullptr && channel->erasures.contains(record.log)) follow_awaited(*channel, kFollowedAtOnce);
  }
}

Result<void> ReplicaCore::check_unlocked() const {
  if (secrets.locked()) return caller_error(kLocked, "the node is locked; give it its passphrase: tocsin unlock");
  return kOk;
}

// ---- Logs

LogState* ReplicaCore::find_log(const LogKey& log) {
  const auto found = logs.find(log);
  return found == logs.end() ? nullptr : &found->second;
}

const LogState* ReplicaCore::find_log(const LogKey& log) const {
  const auto found = logs.find(log);
  return found == logs.end() ? nullptr : &found->second;
}

LogState& ReplicaCore::add_log(const LogKey& key, LogType type, const std::optional<ChannelId>& id) {
  LogState& log = logs[key];
  log.channel = id;
  for (LogRecord* record : {&log.accepted, &log.durable}) {
    record->log = key;
    record->type = type;
    record->low = {1};
    if (id) record->channel = channels.at(*id)->accepted.genesis->pseudonym;
  }
  if (id && channels.at(*id)->logs.insert(key).second && type == LogType::kFeed) ++channels.at(*id)->feeds;
  return log;
}

void ReplicaCore::forget_log(const LogKey& key) {
  const auto at = logs.find(key);
  if (at == logs.end()) return;
  if (Channel* channel = at->second.channel ? find_channel(*at->second.channel) : nullptr) {
    if (channel->logs.erase(key) > 0 && at->second.accepted.type == LogType::kFeed) --channel->feeds;
  }
  logs.erase(at);
}

void ReplicaCore::add_entry(Change& change, LogState& log, const EntryView& entry, Checked checked) {
  LogRecord& record = log.accepted;
  const Number number = peek_number(entry.header);
  if (record.head.value + 1 == record.low.value || record.head.value == 0) {
    record.low = number;
    record.before_low = *EntryHash::from(peek_previous(entry.header));
  }
  record.head = number;
  record.head_hash = hash_entry(entry.header, entry.signature);
  record.head_epoch = {load_le64(&entry.header[16])};
  record.bytes += entry.body.size();
  change.batch.add_entry(record.log, number, entry, checked);
  if (change.logs.empty() || change.logs.back() != record.log) change.logs.push_back(record.log);
}

Channel* ReplicaCore::find_channel(const ChannelId& id) {
  const auto found = channels.find(id);
  return found == channels.end() ? nullptr : found->second.get();
}

const Channel* ReplicaCore::find_channel(const ChannelId& id) const {
  const auto found = channels.find(id);
  return found == channels.end() ? nullptr : found->second.get();
}

ControlContext ReplicaCore::control_context(const Channel& channel) const {
  const Time now = clock.now();
  const auto signed_by = [this](const OrgId& org, const NodeId& node, Number by,
                                const std::function<bool(const crypto::VerifyKey&)>& verifies) {
    const OrgState* held = find_org(org);
    if (held == nullptr) return false;
    const auto certified = held->accepted.nodes().find(node);
    if (certified != held->accepted.nodes().end() && certified->second.revoked && certified->second.revoked_at <= by) {
      return false;
    }
    return signed_by_node(org, node, verifies);
  };
  const auto node_of = [this](const NodeId& node) -> std::optional<ControlContext::NodeOf> {
    const auto org = org_of_node(node);
    if (!org) return std::nullopt;
    return ControlContext::NodeOf{*org, orgs.at(*org).accepted.live_node(node) == nullptr};
  };
  const auto owner_of = [this](const LogKey& feed) -> std::optional<NodeId> {
    const LogState* log = find_log(feed);
    return log == nullptr || !log->owner ? std::nullopt : std::optional(log->owner->node);
  };
  const auto superseded = [this](const RosterMember& before, const RosterMember& after) {
    return names_superseded(before) || stands_above_rotation(before, after);
  };
  const ChannelState& state = channel.accepted;
  const bool first = state.newest == nullptr || state.newest->term < state.term().number;
  const bool blind = first && channel.blind_log == state.control_log();
  return {secrets, own_org, month_of(now), now, verifier, signed_by, node_of, owner_of, superseded, blind};
}

// ---- The frontier: durable heads, cut where a feed ended (rule 20)

void ReplicaCore::refresh_leaf(Channel& channel, const LogKey& key) {
  const LogState* log = find_log(key);
  if (log == nullptr || channel.durable == nullptr) return;
  const auto leaf = leaf_of(channel, *log);
  const auto put = [&](Frontier& frontier) { leaf ? frontier.set(*leaf) : frontier.erase(key); };
  put(channel.frontier);
  const bool contributed = log->owner && log->durable.type == LogType::kFeed &&
                           channel.durable->role_of(log->owner->org) == Role::kContributor;
  if (contributed) put(channel.contributions[log->owner->org]);
}

std::optional<Leaf> ReplicaCore::leaf_of(const Channel& channel, const LogState& log) const {
  const LogRecord& record = log.durable;
  const LogKey& key = record.log;
  if (record.head.value == 0 || record.frozen == kNobodys) return std::nullopt;
  Leaf leaf{key, record.type, record.head, record.head_hash};
  if (record.type == LogType::kControl && key != channel.durable->control_log()) {
    const Term* term = channel.durable->term_over(key);
    if (term == nullptr) return std::nullopt;
    leaf.head = term->last;
    leaf.hash = term->last_hash;
    return leaf;
  }
  const auto limit = record.type == LogType::kFeed ? limit_of(*channel.durable, key, log.owner) : std::nullopt;
  if (!limit && !disputed_leaf(log, leaf)) return std::nullopt;
  if (record.type == LogType::kFeed) {
    if (limit && limit->value == 0) return std::nullopt;
    if (limit && record.head > *limit) {
      const FeedPin* pin = pin_for(*channel.durable, log);
      const auto held = stored_hash(log, *limit);
      // On the branch that the pin did not choose the own head stays: what differs is to be seen.
      if (pin != nullptr && (!held || *held == pin->hash)) {
        leaf.head = *limit;
        leaf.hash = pin->hash;
      }
    }
  }
  return leaf;
}

void ReplicaCore::refresh_leaves(Channel& channel) {
  channel.contributions.clear();
  // Where a term ended is known to who joined later, too.
  for (const Term& term : channel.durable->terms) {
    if (term.last.value != 0) channel.frontier.set({term.log, LogType::kControl, term.last, term.last_hash});
  }
  for (const LogKey& log : channel.logs) refresh_leaf(channel, log);
  std::vector<LogKey> gone;
  for (const auto& [key, leaf] : channel.frontier.leaves()) {
    if (leaf.type == LogType::kOrganisation && channel.durable->role_of(OrgId{key.bytes()}) == Role::kUnknown) {
      gone.push_back(key);
    }
  }
  for (const LogKey& key : gone) channel.frontier.erase(key);
  // What is known of organisations a contributor tells of its own alone, and outside of the channel.
  if (channel.durable->newest == nullptr || channel.durable->contribution != nullptr) return;
  for (const RosterMember& member : channel.durable->newest->roster) {
    const OrgState* org = find_org(member.org);
    if (org == nullptr || org->durable == nullptr) continue;
    const LogKey key{member.org.bytes()};
    Leaf leaf{key, LogType::kOrganisation, org->durable->head(), org->durable->head_hash()};
    if (const LogState* log = find_log(key); log == nullptr || disputed_leaf(*log, leaf)) channel.frontier.set(leaf);
  }
}

// ---- Replica: wiring and what is only looked up

Replica::Replica(EntryStore& store, Clock& clock, crypto::Random& random, const NodeSecrets& secrets,
                 ReadingTable& table)
    : impl_(std::make_unique<Impl>(store, clock, random, secrets, table)) {}
Replica::~Replica() = default;

void Replica::set_listener(ReplicaListener* listener) { impl_->listener = listener; }
void Replica::set_quotas(const Quotas& quotas) { impl_->quotas = quotas; }

const OrgLog& Replica::own_org() const { return impl_->own_log(); }
const NodeId& Replica::own_node() const { return impl_->own_node; }
const ChannelId& Replica::private_channel() const { return impl_->private_channel; }
const std::string& Replica::network() const { return impl_->own_log().profile().network; }
Bytes Replica::own_prekeys() const { return impl_->own_prekeys(); }
std::optional<std::uint32_t> Replica::newest_prekey_used() const {
  const std::uint32_t month = impl_->newest_prekey_used;
  return month == 0 ? std::nullopt : std::optional(month);
}

const ReadingTable& Replica::reading_table() const { return impl_->table; }
Arrival Replica::newest_arrival() const { return impl_->store.newest_arrival(); }
std::uint64_t Replica::failures() const { return impl_->failures; }
bool Replica::store_is_behind() const { return impl_->store.is_behind(); }
Result<void> Replica::read_arrivals(Arrival cursor, std::size_t bytes_max, const EntryVisitor& visit) const {
  return impl_->store.read_arrivals(cursor, bytes_max, visit);
}

std::optional<LogRecord> Replica::log_record(const LogKey& log) const {
  const LogState* state = impl_->find_log(log);
  if (state == nullptr || state->durable.head.value == 0) return std::nullopt;
  return state->durable;
}

std::vector<LogRecord> Replica::channel_logs(const ChannelId& id) const {
  std::vector<LogRecord> out;
  const Channel* channel = impl_->find_channel(id);
  if (channel == nullptr) return out;
  for (const LogKey& key : channel->logs) {
    if (auto record = log_record(key)) out.push_back(*record);
  }
  return out;
}

Result<Bytes> Replica::get_record(Table table, ByteView name) const { return impl_->store.get_record(table, name); }
Result<void> Replica::scan_records(Table table, const RecordVisitor& visit) const {
  return impl_->store.scan_records(table, visit);
}
void Replica::put_record(Table table, ByteView name, ByteView value, Done<void> done) {
  Change change;
  change.batch.put_record(table, name, value);
  impl_->commit_for(std::move(change), std::move(done));
}
void Replica::remove_record(Table table, ByteView name, Done<void> done) {
  Change change;
  change.batch.remove_record(table, name);
  impl_->commit_for(std::move(change), std::move(done));
}

}  // namespace tocsin::protocol
