// Putting a backup back, and trying whether that would work.
#include <chrono>

#include "node/engine/system_clock.h"
#include "node/host/backup.h"
#include "node/host/checks.h"
#include "node/host/config.h"
#include "node/host/identity.h"
#include "node/host/keys.h"
#include "node/host/new_home.h"
#include "node/host/post_queue.h"
#include "node/host/root_files.h"
#include "protocol/names.h"

namespace tocsin::host {
namespace {

using namespace protocol;

constexpr std::size_t kBatchEntries = 4096;
constexpr std::size_t kBatchBytes = 4 * 1024 * 1024;
constexpr std::size_t kReadBytes = 1024 * 1024;

// Batches into a new store, each waited for.
class Filler {
 public:
  Filler(store::Store& store, PostQueue& queue) : store_(store), queue_(queue) {}

  Result<void> log(const LogRecord& log) {
    TOCSIN_TRY(flush());
    current_ = log;
    batch_.set_log(log);
    return kOk;
  }
  Result<void> entry(const StoredEntry& stored) {
    if (LogKey::from(stored.entry.header.subspan(24, LogKey::kSize)) != current_.log)
      return environment_error(kBackupDamaged, "an entry stands behind another log");
    batch_.add_entry(current_.log, stored.number, stored.entry, stored.checked);
    return batch_.entries().size() >= kBatchEntries || batch_.size_bytes() >= kBatchBytes ? flush() : Result<void>(kOk);
  }
  Result<void> record(Table table, ByteView name, ByteView value) {
    batch_.put_record(table, name, value);
    return batch_.records().size() >= kBatchEntries ? flush() : Result<void>(kOk);
  }
  Result<void> flush() {
    if (batch_.empty()) return kOk;
    std::optional<Result<void>> done;
    store_.commit(std::exchange(batch_, Batch{}), [&](const Result<Arrival>& stored) {
      if (stored) {
        done.emplace(kOk);
      } else {
        done.emplace(stored.error());
      }
    });
    store_.flush();
    queue_.drain();
    if (!done) return internal_error(Code{"restore_incomplete"}, "the store did not answer");
    return *done;
  }

 private:
  store::Store& store_;
  PostQueue& queue_;
  Batch batch_;
  LogRecord current_;
};

// What a store holds, as BackupEnd says it, in the order in which the backup has it.
Result<BackupEnd> digest_of(store::Store& store, const std::vector<LogKey>& order, std::uint64_t records) {
  BackupDigest digest;
  TOCSIN_ASSIGN(logs, store.logs());
  std::map<LogKey, LogRecord> by_key;
  for (const auto& log : logs) by_key.emplace(log.log, log);
  for (const LogKey& key : order) {
    const auto at = by_key.find(key);
    if (at == by_key.end()) return environment_error(kBackupDamaged, "a log did not come back");
    const LogRecord& log = at->second;
    digest.add_log(log);
    for (Number number = log.low; number <= log.head;) {
      const Number before = number;
      TOCSIN_TRY(store.read(key, number, log.head, kReadBytes, [&](const StoredEntry& stored) {
        digest.add_entry(stored);
        number = stored.number.next();
        return true;
      }));
      if (number == before) return environment_error(kBackupDamaged, "an entry did not come back");
    }
  }
  for (std::uint64_t i = 0; i < records; ++i) digest.count_record();
  return digest.finish();
}

struct Restored {
  BackupBegin begin;
  BackupEnd end;
  FurtherNode node;
  std::string config;
};

// The whole content into `home`, under the keys of a new node, compared with what the backup says of itself.
Result<Restored> fill_home_from(store::Home& home, const std::string& file, const BackupKey& key,
                                const std::string& name, const crypto::SecretBuffer& passphrase) {
  crypto::SystemRandom random;
  engine::SystemClock clock;
  PostQueue queue;
  std::optional<BackupBegin> begin;
  std::optional<FurtherNode> node;
  std::optional<ReadingKey> from;
  std::unique_ptr<store::Store> store;
  std::optional<Filler> filler;
  std::vector<LogKey> order;
  std::uint64_t records = 0;
  std::string config;
  BackupVisitor visitor;
  visitor.begin = [&](const BackupBegin& read, const ReadingKey& reading) -> Result<void> {
    begin = read;
    from = reading.clone();
    TOCSIN_ASSIGN(made, make_further_node(home, read.org, name, passphrase, clock.now(), random));
    node = std::move(made);
    TOCSIN_ASSIGN(opened, store::Store::create(home, node->keystore.tier1().store, queue.poster()));
    store = std::move(opened);
    filler.emplace(*store, queue);
    return kOk;
  };
  visitor.config = [&](std::string_view text) -> Result<void> {
    config = text;
    return kOk;
  };
  visitor.record = [&](Table table, ByteView record, ByteView value) -> Result<void> {
    ++records;
    TOCSIN_ASSIGN(sealed, reseal_record(table, record, value, *from, node->keystore.tier2()->reading, random));
    return filler->record(table, record, sealed);
  };
  visitor.log = [&](const LogRecord& log) {
    order.push_back(log.log);
    return filler->log(log);
  };
  visitor.entry = [&](const StoredEntry& stored) { return filler->entry(stored); };
  TOCSIN_ASSIGN(end, read_backup(file, key, visitor));
  TOCSIN_TRY(filler->flush());
  TOCSIN_ASSIGN(held, digest_of(*store, order, records));
  if (held != end)
    return environment_error(kBackupDamaged, "what came back differs from what the backup says of itself");
  {
    ReadingTable table;
    const auto secrets = secrets_of(node->keystore);
    Replica replica(*store, clock, random, secrets, table);
    std::optional<Result<void>> taken;
    TOCSIN_TRY(replica.create_restored(node->id, [&](Result<void> result) { taken = std::move(result); }));
    store->flush();
    queue.drain();
    if (!taken || !*taken) return taken ? taken->error() : internal_error(Code{"restore_incomplete"}, "no answer");
    TOCSIN_TRY(replica.load());
    store->flush();
    queue.drain();
  }
  store->close();
  return Restored{*begin, end, std::move(*node), std::move(config)};
}

Result<RestoreResult> restore_into(store::Home& home, const RestoreRequest& request) {
  const BackupKey key{request.recovery_key.empty() ? &request.passphrase : nullptr, request.recovery_key};
  TOCSIN_ASSIGN(restored, fill_home_from(home, request.file, key, request.name, request.passphrase));
  TOCSIN_TRY(note_root_files(home.path().string(), {}));
  const auto config = request.listen.empty() && request.advertise.empty()
                          ? restored.config
                          : initial_config(request.listen, request.advertise);
  TOCSIN_TRY(store::write_file(home.config_file(), as_bytes(config)));
  TOCSIN_TRY(home.complete());
  return RestoreResult{restored.begin.org,    restored.node.id,     restored.begin.node,       home.path().string(),
                       restored.node.request, restored.end.entries, restored.node.recovery_key};
}

// Whether that home is the node which the backup is of: a backup of another says nothing about this one.
bool is_of_home(const std::string& home, const NodeId& node) {
  if (home.empty()) return false;
  const auto note = store::read_file(std::filesystem::path(home) / "keys" / kNodeNote, crypto::Hash::kSize);
  return note && crypto::Hash::from(*note) == crypto::hash256(crypto::kPersonalNodeNote, {node.view()});
}

}  // namespace

Result<RestoreResult> restore_backup(const RestoreRequest& request) {
  TOCSIN_TRY(check_addresses(request.listen, request.advertise));
  if (request.passphrase.size() < kPassphraseBytesMin) return weak_passphrase();
  if (request.name.empty() || !is_line(request.name, kNameBytesMax))
    return caller_error(kBadName, "the node's name is one line of 1 to 200 bytes");
  return in_new_home<RestoreResult>(request.home, [&](store::Home& home) { return restore_into(home, request); });
}

Result<VerifyResult> verify_backup(const VerifyRequest& request) {
  // A scratch home of a random passphrase, which nobody learns.
  crypto::SystemRandom random;
  crypto::SecretBuffer passphrase(32);
  random.fill(passphrase.mutable_view());
  const BackupKey key{request.recovery_key.empty() ? &request.passphrase : nullptr, request.recovery_key};
  std::array<std::uint8_t, 8> tag;
  random.fill(tag);
  const auto scratch = std::filesystem::path(request.scratch) / ("tocsin-verify." + to_hex(tag));
  struct Removed {
    const std::filesystem::path& path;
    ~Removed() { remove_contents(path, true); }
  } const removed{scratch};
  TOCSIN_ASSIGN(home, store::Home::create(scratch));
  TOCSIN_ASSIGN(restored, fill_home_from(home, request.file, key, "verification", passphrase));
  VerifyResult out{restored.begin.made, restored.begin.org,   restored.begin.node,
                   restored.end.logs,   restored.end.entries, {}};
  PostQueue queue;
  store::StoreOptions options;
  options.page_check = store::PageDepth::kAll;
  TOCSIN_ASSIGN(opened, store::Store::open(home, restored.node.keystore.tier1().store, queue.poster(), options));
  store::FsckChecks checks;
  checks.signature = make_signature_check();
  auto found = opened->fsck(checks);
  opened->close();
  if (!found) return found.error();
  for (const auto& p : found->problems)
    out.findings.push_back(
        {std::string(p.code.text()), p.log.is_zero() ? std::string() : to_hex(p.log.view()), p.number.value, p.detail});
  if (out.findings.empty() && is_of_home(request.home, restored.begin.node)) {
    auto note = read_backup_note(request.home);
    note.verified = std::max(note.verified, restored.begin.made);
    TOCSIN_TRY(write_backup_note(request.home, note));
  }
  return out;
}

}  // namespace tocsin::host
