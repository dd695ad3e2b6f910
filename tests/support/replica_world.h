// Several organisations, each with a replica over a MemoryStore, a common clock, and a pump that stands for sessions:
// it exchanges ranges, mail and receipts between two replicas directly. One seed gives one history.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "protocol/entry_peek.h"
#include "protocol/memory_store.h"
#include "protocol/replica.h"
#include "tests/support/example_identity.h"

namespace tocsin::test {

class WorldClock final : public protocol::Clock {
 public:
  protocol::Time now() const override { return now_; }
  std::int64_t steady_ms() const override { return now_.ms - kExampleTime.ms; }
  void advance_ms(std::int64_t ms) { now_.ms += ms; }
  void advance_days(std::int64_t days) { advance_ms(days * 24 * 3'600'000); }

 private:
  protocol::Time now_ = kExampleTime;
};

// One organisation with one node that runs.
class Party {
 public:
  Party(std::string name, std::uint64_t seed, WorldClock& clock, protocol::OrgKind kind = protocol::OrgKind::kNgo,
        std::string country = "KEN")
      : name_(std::move(name)), clock_(clock), random_(seed), roots_(Roots::generate(1, 1, random_)) {
    next_roots_ = Roots::generate(1, 1, random_);
    protocol::NewOrg org{name_,      kind, country, "tocsin-test", roots_.set(), next_roots_.set().commitment(),
                         clock.now()};
    org_log.push_back(must(protocol::make_genesis(org, roots_.signers(), random_)));
    crypto::Verifier verifier;
    log_ = must(protocol::OrgLog::from_genesis(org_log[0].view(), verifier));
    ExampleNode node = make_node(log_->id(), name_ + " 1", random_);
    certify(node);
    take_keys(std::move(node));
    start();
    must(replica().create(org_log, node_id_, [](Result<protocol::ChannelId>) {}));
    store.sync();
  }
  // A further node of that party's organisation, which has made its request and is not certified yet.
  Party(Party& first, std::string name, std::uint64_t seed, WorldClock& clock)
      : name_(std::move(name)), clock_(clock), random_(seed), roots_(Roots::generate(1, 1, random_)) {
    for (const auto& entry : first.org_log) {
      org_log.emplace_back(entry.view().header, entry.view().signature, entry.view().body);
    }
    log_ = *first.log_;
    ExampleNode node = make_node(log_->id(), name_, random_);
    request = protocol::encode_node_request(node.certificate, node.signing);
    take_keys(std::move(node));
    start();
    must(replica().create_further(org_log, node_id_, first.node(), {"first.example.org:7447"}, nullptr));
    store.sync();
  }
  std::string request;  // of a further node

  void take_keys(ExampleNode node) {
    node_id_ = node.certificate.node;
    secrets_ = std::make_unique<protocol::NodeSecrets>(protocol::NodeSecrets{
        std::move(node.transport),
        protocol::SecondTier{
            std::move(node.signing), std::move(node.encryption), {}, protocol::ReadingKey::random(random_)}});
    for (std::uint32_t i = 0; i < 12; ++i) {
      secrets_->tier2->prekeys.emplace(protocol::month_of(clock_.now()) + i,
                                       crypto::EncryptionKeyPair::generate(random_));
    }
  }

  // The end of a process: nothing that was not durable is left, and it is started again.
  void crash() {
    replica_.reset();
    store.crash();
    start();
    must(replica().load());
    store.sync();
  }

  // The same process or the next one without the passphrase (rule 48), and with it again.
  void lock() {
    kept_ = std::exchange(secrets_->tier2, std::nullopt);
    crash();
  }
  void unlock() {
    secrets_->tier2 = std::exchange(kept_, std::nullopt);
    crash();
  }

  protocol::Replica& replica() { return *replica_; }
  const protocol::OrgId& org() const { return log_->id(); }
  const protocol::NodeId& node() const { return node_id_; }
  const std::string& name() const { return name_; }
  const protocol::OrgLog& log() const { return *log_; }
  const protocol::NodeSecrets& secrets() const { return *secrets_; }
  protocol::NodeSecrets& secrets() { return *secrets_; }
  const Roots& roots() const { return roots_; }
  const Roots& next_roots() const { return next_roots_; }  // not of a further node's party
  crypto::Random& random() { return random_; }
  protocol::ReadingTable& table() { return *table_; }

  // One more entry of the own organisation log, made by the roots.
  protocol::Entry& certify(const ExampleNode& node) {
    return append(log_->make_certify(node.certificate, node.signing, clock_.now(), roots_.signers()));
  }
  protocol::Entry& revoke(const protocol::NodeId& node) {
    return append(log_->make_revoke(node, "lost", {}, clock_.now(), roots_.signers(), random_));
  }
  ExampleNode new_node(std::string node_name) { return make_node(log_->id(), std::move(node_name), random_); }
  // The own replica takes what the roots have signed since.
  void take_own_log() {
    std::vector<Bytes> entries;
    for (const auto& entry : org_log) entries.push_back(protocol::encode_entry(entry.view()));
    (void)replica().identify(crypto::TransportPublic{}, entries);
    store.sync();
  }

  void write(const protocol::ChannelId& channel, std::string_view text) {
    const protocol::FeedItem item{protocol::FeedKind::kReport, as_bytes(text)};
    must(replica().append(channel, std::span(&item, 1), nullptr));
  }

  // Texts of all report entries that this node can open in the channel, in order of arrival.
  std::vector<std::string> texts(const protocol::ChannelId& channel) {
    std::vector<std::string> out;
    protocol::EntryOpener opener(*table_);
    protocol::Arrival cursor;
    for (;;) {
      const auto before = cursor;
      must(replica().read_arrivals(cursor, 1 << 20, [&](const protocol::StoredEntry& stored) {
        cursor = stored.arrival;
        const auto opened = opener.open(stored.entry);
        if (opened && opened->channel == channel && opened->kind == protocol::FeedKind::kReport) {
          out.emplace_back(as_text(opened->payload));
        }
        return true;
      }));
      if (cursor == before) return out;
    }
  }
  std::multiset<std::string> text_set(const protocol::ChannelId& channel) {
    const auto all = texts(channel);
    return {all.begin(), all.end()};
  }

  protocol::MemoryStore store;
  std::vector<protocol::Entry> org_log;

 private:
  void start() {
    replica_.reset();
    table_ = std::make_unique<protocol::ReadingTable>();
    replica_ = std::make_unique<protocol::Replica>(store, clock_, random_, *secrets_, *table_);
  }
  protocol::Entry& append(protocol::Entry entry) {
    crypto::Verifier verifier;
    must(log_->apply(entry.view(), verifier));
    return org_log.emplace_back(std::move(entry));
  }

  std::string name_;
  WorldClock& clock_;
  SeededRandom random_;
  Roots roots_;
  Roots next_roots_;
  std::optional<protocol::OrgLog> log_;
  protocol::NodeId node_id_;
  std::unique_ptr<protocol::NodeSecrets> secrets_;
  std::optional<protocol::SecondTier> kept_;  // while locked
  std::unique_ptr<protocol::ReadingTable> table_;
  std::unique_ptr<protocol::Replica> replica_;
};

// Both know each other by card and have compared the words.
inline void introduce(Party& a, Party& b) {
  for (auto [to, from] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    const std::string card = must(from->replica().own_card({"node.example.org:7447"}));
    must(to->replica().add_card(card, nullptr));
    const auto words = protocol::card_words(from->org(), from->node());
    must(to->replica().verify_peer(from->org(), words, nullptr));
    to->store.sync();
  }
}

// One range from one replica to another; `stop_after` cuts it. False when something was refused.
inline Result<void> transfer(Party& from, Party& to, const std::optional<protocol::ChannelId>& channel,
                             const protocol::LogKey& log, protocol::LogType type, std::size_t stop_after = SIZE_MAX) {
  using namespace protocol;
  const auto record = from.replica().log_record(log);
  if (!record) return kOk;
  Number first = to.replica().accepted_head(log).next();
  const bool joiner = channel && type == LogType::kFeed && to.replica().first_epoch(*channel).value > 0;
  const auto held = to.replica().log_record(log);
  bool name_only = false;
  std::optional<EntryHash> previous;
  if (joiner && (!held || held->low > held->head)) {
    const Epoch wanted = to.replica().first_epoch(*channel);
    TOCSIN_ASSIGN(begin, from.replica().first_number_at(log, wanted));
    if (begin < first && !to.replica().is_short(log)) return kOk;
    if (begin < record->low) return kOk;  // a copy without entries has nothing to give
    first = std::max(first, begin);
    if (first > record->head) return kOk;
    TOCSIN_ASSIGN(entry, from.replica().read_entry(log, first));
    name_only = Epoch{load_le64(&entry.view().header[16])} < wanted;
    if (first.value > 1) previous = *EntryHash::from(peek_previous(entry.view().header));
  }
  if (first < record->low || first > record->head) return kOk;
  TOCSIN_ASSIGN(receiver, to.replica().receive(channel, log, type, first, previous));
  Result<void> failed = kOk;
  std::size_t given = 0;
  Number next = first;
  while (failed && next <= record->head && given < stop_after) {
    const Number before = next;
    TOCSIN_TRY(from.replica().serve(log, next, record->head, 60'000, [&](const StoredEntry& stored) {
      const EntryView& entry = stored.entry;
      const Epoch epoch{load_le64(&entry.header[16])};
      auto added = name_only || stored.body_erased
                       ? receiver.add_without_body(
                             entry.signature, epoch, *BodyHash::from(peek_body_hash(entry.header)),
                             peek_body_bytes(entry.header), from.replica().erasure_order(log, stored.number))
                       : receiver.add(entry.signature, epoch, entry.body);
      if (!added) failed = added.error();
      next = stored.number.next();
      ++given;
      return failed.ok() && !receiver.full() && given < stop_after;
    }));
    if (!failed || next == before) break;
    if (receiver.full()) failed = receiver.commit(nullptr);
  }
  if (failed && receiver.pending_entries() > 0) failed = receiver.commit(nullptr);
  to.store.sync();
  return failed;
}

// What lies below a copy that is to reach further down (rule 33), `most` entries at a time. Returns how many came.
inline std::size_t transfer_below(Party& from, Party& to, const protocol::ChannelId& channel, std::uint64_t most = 3) {
  using namespace protocol;
  std::size_t came = 0;
  const std::set<LogKey> logs = to.replica().short_logs(channel);
  for (const LogKey& log : logs) {
    while (to.replica().is_short(log) && from.replica().may_serve(to.node(), channel, log)) {
      const auto theirs = from.replica().log_record(log), ours = to.replica().short_record(channel, log);
      if (!theirs || !ours || theirs->low >= ours->low) break;
      const Number last{ours->low.value - 1};
      const Number first{std::max(theirs->low.value, last.value >= most ? last.value - most + 1 : 1)};
      std::optional<LowerReceiver> lower;
      Result<void> failed = kOk;
      must(from.replica().serve(log, first, last, 1 << 20, [&](const StoredEntry& stored) {
        const EntryView& entry = stored.entry;
        if (!lower) {
          auto made = to.replica().receive_below(channel, log, first, EntryHash::from(peek_previous(entry.header)));
          if (!made) failed = made.error();
          if (!made) return false;
          lower.emplace(std::move(*made));
        }
        const Epoch epoch{load_le64(&entry.header[16])};
        failed = stored.body_erased
                     ? lower->add_without_body(entry.signature, epoch, *BodyHash::from(peek_body_hash(entry.header)),
                                               peek_body_bytes(entry.header),
                                               from.replica().erasure_order(log, stored.number))
                     : lower->add(entry.signature, epoch, entry.body);
        return failed.ok();
      }));
      if (!failed || !lower || !lower->commit(nullptr)) break;
      to.store.sync();
      ++came;
    }
  }
  return came;
}

// What one session would do until both are settled, as far as they may. Returns how many logs grew.
inline std::size_t sync_once(Party& a, Party& b, std::size_t stop_after = SIZE_MAX) {
  using namespace protocol;
  std::size_t grown = 0;
  const auto known = [](Party& at, Party& other) {
    const auto found = at.replica().identify(other.secrets().transport.public_key(), {});
    return found && found->second == other.node();
  };
  if (!known(a, b) || !known(b, a)) return 0;
  for (auto [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    for (const OrgId& org : {from->org(), to->org()}) {
      const LogKey key{org.bytes()};
      if (from->replica().may_serve(to->node(), std::nullopt, key) &&
          to->replica().wants_log(std::nullopt, key, LogType::kOrganisation)) {
        const auto head = to->replica().accepted_head(key);
        (void)transfer(*from, *to, std::nullopt, key, LogType::kOrganisation, stop_after);
        grown += to->replica().accepted_head(key) > head;
      }
    }
  }
  for (auto [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    for (const Mail& mail : from->replica().mail_for(to->org(), to->node())) {
      const auto taken = to->replica().handle_mail(from->org(), mail.kind, mail.prekey_month, mail.envelope);
      const bool of_keys = mail.kind == MailKind::kKeyRequest || mail.kind == MailKind::kKeyAnswer;
      grown += taken && of_keys && to->store.queued() > 0;
      to->store.sync();
    }
  }
  for (const ChannelId& channel : a.replica().channels_with(b.node())) {
    const auto theirs = b.replica().channels_with(a.node());
    if (std::find(theirs.begin(), theirs.end(), channel) == theirs.end()) continue;
    for (auto [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
      for (const LogType type : {LogType::kOrganisation, LogType::kControl, LogType::kFeed}) {
        const auto leaves = from->replica().frontier(channel).leaves();
        for (const auto& [log, leaf] : leaves) {
          if (leaf.type != type || !from->replica().may_serve(to->node(), channel, log)) continue;
          if (!to->replica().wants_log(channel, log, type)) continue;
          const auto head = to->replica().accepted_head(log);
          if (leaf.head <= head) continue;
          (void)transfer(*from, *to, channel, log, type, stop_after);
          grown += to->replica().accepted_head(log) > head;
        }
      }
      if (const auto receipt = from->replica().own_receipt(channel)) {
        (void)to->replica().handle_receipt(channel, receipt->epoch, from->node(), receipt->counter, receipt->sealed);
        to->store.sync();
      }
      from->store.sync();
      grown += transfer_below(*from, *to, channel);
    }
  }
  return grown;
}

// Everybody with everybody, chores between, until nothing moves.
inline void sync_all(std::vector<Party*> parties) {
  for (int round = 0; round < 20; ++round) {
    std::size_t grown = 0;
    for (Party* a : parties) {
      for (Party* b : parties) {
        if (a < b) grown += sync_once(*a, *b);
      }
    }
    for (Party* party : parties) {
      const auto before = party->store.entry_count();
      party->replica().handle_tick();
      party->store.sync();
      grown += party->store.entry_count() - before;
    }
    if (grown == 0 && round > 1) return;
  }
}

}  // namespace tocsin::test
