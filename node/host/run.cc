// A node from start to end: opens everything in order, runs the loop, closes everything in the reverse order.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <future>
#include <thread>

#include "node/api/events.h"
#include "node/api/server.h"
#include "node/desk/importer.h"
#include "node/desk/users.h"
#include "node/engine/engine.h"
#include "node/engine/system_clock.h"
#include "node/host/backup.h"
#include "node/host/checks.h"
#include "node/host/config.h"
#include "node/host/end_signals.h"
#include "node/host/home_watch.h"
#include "node/host/identity.h"
#include "node/host/key_acts.h"
#include "node/host/keys.h"
#include "node/host/notify.h"
#include "node/host/transport_keys.h"
#include "node/reports/vocab.h"
#include "node/store/codes.h"
#include "node/store/store.h"

namespace tocsin::host {
namespace {

// After so many new entries a snapshot of the index is written once nothing has come for a while; a clean end writes
// one anyway.
constexpr std::uint64_t kSnapshotAfterEntries = 2'000;
constexpr auto kSnapshotQuiet = std::chrono::seconds(30);
constexpr auto kRotationEvery = std::chrono::seconds(2);
constexpr auto kReleaseAgainEvery = std::chrono::minutes(1);
constexpr auto kPrekeysEvery = std::chrono::hours(6);  // whether a month has begun or ended is looked at this often
constexpr std::size_t kConfigBytesMax = 1024 * 1024;
constexpr auto kTrimQuiet = std::chrono::seconds(2);  // after the last new report: memory goes back to the system

// An exception that nobody caught may carry what it was about: only that it happened is said (rule 49).
[[noreturn]] void end_without_a_word() {
  constexpr std::string_view kText = "tocsin: internal error: unhandled_exception\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kText.data(), kText.size());
  std::abort();
}

Result<std::string> first_line(const std::string& path) {
  TOCSIN_ASSIGN(bytes, store::read_private_file(path, 4096));
  const auto text = as_text(bytes);
  return std::string(text.substr(0, text.find('\n')));
}

Result<engine::EngineConfig> engine_config(const Config& config, const std::vector<std::string>& listen) {
  engine::EngineConfig out;
  out.listen = listen.empty() ? config.listen : listen;
  out.dial = config.dial;
  if (!config.socks5.empty()) {
    transport::Socks5 proxy{config.socks5, config.socks5_user, {}};
    if (!config.socks5_password_file.empty()) {
      TOCSIN_ASSIGN(password, first_line(config.socks5_password_file));
      proxy.password = std::move(password);
    }
    out.transport.socks5 = std::move(proxy);
  }
  return out;
}

desk::FourEyes four_eyes_of(const Config& config) {
  return {reports::parse_key<protocol::Tlp>(config.four_eyes_above_tlp),
          reports::parse_key<protocol::Severity>(config.four_eyes_from_severity)};
}

std::unique_ptr<Log> make_log(const Config& config) {
  const auto format = config.log_format == "json"      ? LogFormat::kJson
                      : config.log_format == "journal" ? LogFormat::kJournal
                                                       : LogFormat::kAuto;
  return make_stderr_log(format, *parse_log_level(config.log_level));
}

// What the card says when nothing is configured: where the node listens, unless that is everywhere (a wildcard names no
// place).
std::vector<std::string> advertised(const Config& config, const std::vector<std::string>& listening) {
  if (!config.advertise.empty()) return config.advertise;
  std::vector<std::string> out;
  for (const auto& address : listening)
    if (!address.starts_with("0.0.0.0:") && !address.starts_with("[::]:")) out.push_back(address);
  return out;
}

// One life of the node, locked or not: what `lock` and `unlock` end, so that nothing of the old one is left.
class Node {
 public:
  // All outlive it. `log` goes on from one life to the next. `was_locked`: the life before ended by an unlocking.
  Node(store::Home& home, store::Keystore& keystore, const Config& config, Log& log, bool was_locked)
      : home_(home),
        keystore_(keystore),
        secrets_(secrets_of(keystore)),
        config_(config),
        log_(&log),
        was_locked_(was_locked) {}

  // `listen` overrides the configuration.
  Result<void> start(const RunRequest& request, const std::vector<std::string>& listen,
                     const std::function<void(const Ready&)>& on_ready);
  void run() { loop_.run(); }
  void close();
  // Any thread: it ends, and for good.
  void end() {
    loop_.post([this] { begin_stop(Then::kEnd); });
  }
  // Ended to begin anew, with what the keystore holds then; these are the addresses that it had.
  bool again() const { return then_ == Then::kAgain; }
  bool locked() const { return secrets_.locked(); }
  const std::vector<std::string>& listening() const { return listening_; }
  const std::string& api_address() const { return api_address_; }

 private:
  Result<void> open_store(const std::vector<std::string>& listen);
  Result<void> open_index();
  Result<std::string> open_api(const RunRequest& request);
  api::StoreFacts store_facts() const;
  std::vector<api::KeyFact> key_facts();
  api::Tiers tiers();
  // `work` on a thread of its own, since Argon2id takes half a second; then `then` on the loop's. One at a time: that
  // bounds how fast somebody may guess, too.
  template <class T>
  void aside(std::function<Result<T>()> work, std::function<void(Result<T>)> then);
  void unlock(crypto::SecretBuffer passphrase, std::function<void(Result<void>)> done);
  void backup(crypto::SecretBuffer passphrase, api::BackupStarted started);
  void renew_prekeys();
  Result<std::string> rotate_keys();
  Result<void> take_rotated_keys();
  void watch_rotation();
  void home_confirmed(const std::optional<protocol::NodeId>& by);
  void release_waiting();
  void audit_beginning();
  void keep_watch(std::chrono::microseconds every);
  void fed(const index::FeedOutcome& outcome);
  void save_snapshot(std::function<void()> then);
  enum class Then { kNothing, kAgain, kEnd };
  void begin_stop(Then then);
  index::SnapshotContext snapshot_context() const;

  store::Home& home_;
  store::Keystore& keystore_;
  protocol::NodeSecrets secrets_;
  const Config& config_;
  Log* log_;
  bool was_locked_;
  crypto::SystemRandom random_;
  protocol::ReadingTable table_;
  engine::Loop loop_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<index::IndexThread> index_;
  std::unique_ptr<index::DiskSnapshotFile> snapshot_file_;
  std::unique_ptr<HomeWatch> home_watch_;
  std::unique_ptr<TransportKeys> transport_keys_;
  std::unique_ptr<desk::Feeder> feeder_;
  std::unique_ptr<desk::Desk> desk_;
  std::unique_ptr<desk::Importer> importer_;
  std::unique_ptr<desk::SourceRegister> sources_;
  std::unique_ptr<desk::Users> users_;
  std::unique_ptr<api::App> app_;
  std::unique_ptr<api::Events> events_;
  std::unique_ptr<api::Router> router_;
  std::unique_ptr<api::Server> server_;
  std::unique_ptr<boost::asio::steady_timer> snapshot_timer_;
  std::unique_ptr<boost::asio::steady_timer> trim_timer_;
  std::unique_ptr<boost::asio::steady_timer> prekey_timer_;
  std::unique_ptr<boost::asio::steady_timer> watch_timer_;
  std::unique_ptr<boost::asio::steady_timer> rotation_timer_;
  std::unique_ptr<boost::asio::steady_timer> release_timer_;
  std::uint64_t since_snapshot_ = 0;
  bool stopping_ = false;
  Then then_ = Then::kNothing;
  std::uint64_t locks_ = 0;  // how often it was to be locked: an unlocking that began before one is void
  std::thread aside_;
  bool aside_runs_ = false;
  std::vector<std::string> listening_;
  std::string api_address_;
};

Result<void> Node::open_store(const std::vector<std::string>& listen) {
  store::StoreOptions options;
  options.reserve_bytes = config_.reserve_mib * 1024 * 1024;
  TOCSIN_ASSIGN(opened, store::Store::open(home_, keystore_.tier1().store, loop_.poster(), options));
  store_ = std::move(opened);
  TOCSIN_ASSIGN(config, engine_config(config_, listen));
  engine_ = std::make_unique<engine::Engine>(loop_, *store_, secrets_, table_, random_, *log_, std::move(config));
  TOCSIN_TRY(engine_->start());
  home_watch_ =
      std::make_unique<HomeWatch>(home_, engine_->replica(), *log_, [this](const auto& by) { home_confirmed(by); });
  engine_->hub().add_listener(home_watch_.get());
  transport_keys_ = std::make_unique<TransportKeys>(keystore_, secrets_, engine_->replica(), random_, *log_);
  engine_->hub().add_listener(transport_keys_.get());
  transport_keys_->follow();  // before the loop runs: nobody has dialled or been dialled yet
  return home_watch_->look();
}

// Rule 21: what waited goes out, and people see why.
void Node::home_confirmed(const std::optional<protocol::NodeId>& by) {
  if (users_ && by) {
    std::string name = to_hex(by->view()).substr(0, 16);
    for (const auto& link : engine_->hub().connections())
      if (link.node == *by) name = desk_->org_name(link.org);
    desk::Actor nobody;
    nobody.owner = true;
    nobody.name = "this node";
    users_->record(nobody, "Confirm this home by what a peer holds of it", {name}, protocol::AuditOutcome::kDone,
                   [](Result<void>) {});
  }
  release_waiting();
}

// What nobody could write down while the node was locked or not running.
void Node::audit_beginning() {
  if (was_locked_)
    users_->record(desk::owner_actor(), "Unlock this node", {}, protocol::AuditOutcome::kDone, [](Result<void>) {});
  take_key_acts(home_.keys(), *users_);
}

// Once the index has what is here: what waits is looked up in it. A turn that could not send everything is followed by
// another.
void Node::release_waiting() {
  if (stopping_ || !desk_ || !feeder_ || secrets_.locked()) return;
  feeder_->when_indexed([this] {
    desk_->release_home([this] {
      if (!desk_->home_sends_again() || stopping_) return;
      release_timer_->expires_after(kReleaseAgainEvery);
      release_timer_->async_wait([this](boost::system::error_code error) {
        if (!error) release_waiting();
      });
    });
  });
}

index::SnapshotContext Node::snapshot_context() const {
  // A snapshot from before bodies were erased would bring their words back: it belongs to another state.
  Bytes binding = to_bytes(engine_->replica().own_node().view());
  for (const auto& channel : engine_->replica().channels()) {
    if (channel.erased_through.value == 0) continue;
    append(binding, channel.id.view());
    std::array<std::uint8_t, 8> erased;
    store_le64(erased.data(), channel.erased_through.value);
    append(binding, erased);
  }
  // Likewise what authors took back; what waits to leave the index is in it still.
  std::array<std::uint8_t, 8> taken_back;
  store_le64(taken_back.data(), engine_->replica().taken_back() - (feeder_ ? feeder_->taken_back_waiting() : 0));
  append(binding, taken_back);
  return {secrets_.tier2->reading.clone(), std::move(binding), TOCSIN_VERSION};
}

// Loads the snapshot, or begins with an empty index; either way it then reads on from its cursor.
Result<void> Node::open_index() {
  auto& replica = engine_->replica();
  index_ = std::make_unique<index::IndexThread>(table_, index::IndexOptions{}, loop_.poster());
  TOCSIN_TRY(index_->made());
  snapshot_file_ = std::make_unique<index::DiskSnapshotFile>(home_.index_snapshot());
  std::vector<protocol::ReportId> done;
  TOCSIN_TRY(replica.scan_records(protocol::Table::kInbox, [&](ByteView name, ByteView) {
    if (const auto id = protocol::ReportId::from(name)) done.push_back(*id);
    return true;
  }));
  // The loop does not run yet, so the answer is awaited where it is made.
  struct Begun {
    Result<protocol::Arrival> cursor;
    Result<void> marked;
  };
  auto loaded = std::make_shared<std::promise<Begun>>();
  auto future = loaded->get_future();
  // A locked node has an empty index, and no key that would open what was written down of one.
  if (secrets_.locked()) loaded->set_value({replica.newest_arrival(), kOk});
  if (!secrets_.locked())
    index_->ask(
        [this, loaded, context = snapshot_context(), newest = replica.newest_arrival(),
         done = std::move(done)](index::Index& i) -> Result<void> {
          // Whatever happens, the promise is kept: nobody else would wake the waiting thread.
          try {
            auto cursor = i.load(*snapshot_file_, context, newest);
            auto marked = i.set_done(done);
            loaded->set_value({std::move(cursor), std::move(marked)});
          } catch (const std::exception&) {
            const auto error = environment_error(index::kIndexMemory, "there is no memory for the index");
            loaded->set_value({error, error});
          }
          return kOk;
        },
        [](Result<void>) {});
  const auto begun = future.get();
  TOCSIN_TRY(begun.marked);
  const auto& from_snapshot = begun.cursor;
  protocol::Arrival cursor;
  if (from_snapshot) {
    cursor = *from_snapshot;
  } else {
    log_->info(Code{"index_begins_empty"}, {{"reason", from_snapshot.error().code}});
  }
  feeder_ = std::make_unique<desk::Feeder>(
      replica, *index_, cursor,
      desk::Feeder::Callbacks{[this](const index::FeedOutcome& outcome) { fed(outcome); },
                              [this](const Error& error) {
                                log_->error(Code{"index_stopped"}, {{"reason", error.code}});
                              }});
  engine_->hub().add_listener(feeder_.get());
  desk_ = std::make_unique<desk::Desk>(replica, *index_, *feeder_, engine_->clock(), random_);
  importer_ = std::make_unique<desk::Importer>(*desk_, loop_.poster());
  if (!secrets_.locked()) {
    sources_ = std::make_unique<desk::SourceRegister>(replica, secrets_.tier2->reading, random_);
    users_ = std::make_unique<desk::Users>(replica, engine_->clock(), random_, loop_.poster());
    engine_->hub().add_listener(users_.get());
    users_->start();
    desk_->set_four_eyes(four_eyes_of(config_), users_.get());
  }
  return kOk;
}

void Node::fed(const index::FeedOutcome& outcome) {
  if (events_) events_->on_fed(outcome);
  since_snapshot_ += outcome.reports + outcome.copies;
  if (outcome.forgotten) since_snapshot_ += kSnapshotAfterEntries;  // what was taken out leaves the disk, too
  if (outcome.reports != 0 && !stopping_) {
    // What a large import or sync needed for a moment would stay with the allocator for good.
    trim_timer_->expires_after(kTrimQuiet);
    trim_timer_->async_wait([](boost::system::error_code error) {
      if (!error) ::malloc_trim(0);
    });
  }
  if (since_snapshot_ < kSnapshotAfterEntries || stopping_) return;
  snapshot_timer_->expires_after(kSnapshotQuiet);
  snapshot_timer_->async_wait([this](boost::system::error_code error) {
    if (error || stopping_) return;
    since_snapshot_ = 0;
    save_snapshot([] {});
  });
}

void Node::save_snapshot(std::function<void()> then) {
  index_->ask(
      [this, context = std::make_shared<index::SnapshotContext>(snapshot_context())](index::Index& i) {
        crypto::SystemRandom random;
        return i.save(*snapshot_file_, *context, random);
      },
      [this, then = std::move(then)](Result<bool> saved) {
        if (!saved) log_->warning(Code{"snapshot_not_saved"}, {{"reason", saved.error().code}});
        then();
      });
}

api::StoreFacts Node::store_facts() const {
  const auto status = store_->status();
  return {status.entries, status.file_bytes, std::string(store::to_string(status.state)),
          status.reason ? status.reason->detail : std::string()};
}

std::vector<api::KeyFact> Node::key_facts() {
  std::vector<api::KeyFact> out;
  const auto& own = engine_->replica().own_org();
  if (const auto* node = own.live_node(engine_->replica().own_node())) {
    out.push_back({"node certificate", node->certificate.expires, node->certificate.issued});
    out.push_back({"transport key", std::nullopt, node->transport_since});
  }
  if (!secrets_.locked() && !secrets_.tier2->prekeys.empty())
    out.push_back({"last prekey", end_of_month(secrets_.tier2->prekeys.rbegin()->first), std::nullopt});
  return out;
}

// Rule 32: twelve months ahead, and no longer than needed behind. The disk first, then memory; where it takes nothing
// the node goes on with what it has, and tries again with the next turn.
void Node::renew_prekeys() {
  if (secrets_.locked() || keystore_.locked()) return;
  auto tier2 = copy_of(*keystore_.tier2());
  const auto now = engine_->clock().now();
  const bool added = add_prekeys(tier2, now, random_);
  const bool erased = erase_old_prekeys(tier2, now, engine_->replica().newest_prekey_used());
  if (added || erased) {
    if (auto saved = keystore_.save_tier2(std::move(tier2), random_); !saved) {
      log_->warning(Code{"prekeys_not_renewed"}, {{"reason", saved.error().code}});
    } else {
      secrets_.tier2->prekeys = std::move(secrets_of(keystore_).tier2->prekeys);
    }
  }
  prekey_timer_->expires_after(kPrekeysEvery);
  prekey_timer_->async_wait([this](boost::system::error_code error) {
    if (!error) renew_prekeys();
  });
}

// New signing, encryption and transport keys, and a certificate for them, which the organisation has to sign; asked for
// again, the same ones. Until it has, everything goes on under the keys of before.
Result<std::string> Node::rotate_keys() {
  const auto& replica = engine_->replica();
  const auto* own = replica.own_org().live_node(replica.own_node());
  if (own == nullptr)
    return caller_error(protocol::kNodeNotCertified, "this node is not certified: there is nothing to be renewed");
  TOCSIN_ASSIGN(begun, keystore_.rotation());
  const auto& tier2 = *keystore_.tier2();
  // Certified, and not taken yet: what was the next transport key is in use, and these are done.
  if (begun && !begun->signing.equal(tier2.signing) &&
      own->certificate.signing == crypto::SigningKey::from_seed(begun->signing).verify_key()) {
    TOCSIN_TRY(take_rotated_keys());
  }
  if (!begun || begun->signing.equal(tier2.signing)) {
    // The transport key before the rotation that it is for: a request is of keys that are all on the disk.
    TOCSIN_TRY(transport_keys_->make_next());
    begun = store::KeyRotation{crypto::SigningSecret::random(random_), crypto::EncryptionSecret::random(random_),
                               tier2.encryption.clone()};
    TOCSIN_TRY(keystore_.save_rotation(*begun, random_));
  }
  const auto signing = crypto::SigningKey::from_seed(begun->signing);
  protocol::NodeCertificate certificate = own->certificate;
  certificate.signing = signing.verify_key();
  certificate.encryption = crypto::EncryptionKeyPair::from_secret(begun->encryption.clone()).public_key();
  certificate.transport = transport_keys_->next();
  certificate.serial = own->certificate.serial + 1;
  certificate.issued = engine_->clock().now();
  certificate.expires = {certificate.issued.ms + kCertificateMs};
  log_->info(Code{"keys_to_be_rotated"});
  watch_rotation();
  return protocol::encode_node_request(certificate, signing);
}

// Once the organisation has certified them: the disk first, then memory. What was signed before stays valid.
Result<void> Node::take_rotated_keys() {
  TOCSIN_ASSIGN(rotation, keystore_.rotation());
  auto tier2 = copy_of(*keystore_.tier2());
  tier2.signing = rotation->signing.clone();
  tier2.encryption = rotation->encryption.clone();
  TOCSIN_TRY(keystore_.save_tier2(std::move(tier2), random_));
  secrets_.tier2 = std::move(secrets_of(keystore_).tier2);
  log_->info(Code{"keys_rotated"});
  return kOk;
}

// While new keys wait for the organisation, its log is looked at every few seconds.
void Node::watch_rotation() {
  if (secrets_.locked() || keystore_.locked() || stopping_) return;
  const auto rotation = keystore_.rotation();
  if (!rotation || !*rotation || (*rotation)->signing.equal(keystore_.tier2()->signing)) return;
  const auto& replica = engine_->replica();
  const auto* own = replica.own_org().live_node(replica.own_node());
  if (own != nullptr && own->certificate.signing == crypto::SigningKey::from_seed((*rotation)->signing).verify_key()) {
    const auto taken = take_rotated_keys();
    if (taken) return;
    log_->warning(Code{"keys_not_rotated"}, {{"reason", taken.error().code}});
  }
  rotation_timer_->expires_after(kRotationEvery);
  rotation_timer_->async_wait([this](boost::system::error_code error) {
    if (!error) watch_rotation();
  });
}

api::Tiers Node::tiers() {
  api::Tiers out;
  out.locked = secrets_.locked();
  out.forget = [this] {
    ++locks_;
    keystore_.lock();
    table_.clear();
    log_->info(Code{"locking"});
  };
  out.restart = [this] { begin_stop(Then::kAgain); };
  out.unlock = [this](crypto::SecretBuffer passphrase, std::function<void(Result<void>)> done) {
    unlock(std::move(passphrase), std::move(done));
  };
  out.wipe = [this] {
    ++locks_;
    keystore_.lock();
    table_.clear();
    log_->warning(Code{"wiping"});
    return wipe_files(home_.path());
  };
  out.end = [this] { begin_stop(Then::kEnd); };
  return out;
}

template <class T>
void Node::aside(std::function<Result<T>()> work, std::function<void(Result<T>)> then) {
  if (std::exchange(aside_runs_, true))
    return then(caller_error(Code{"busy"}, "another passphrase is being tried; wait a second"));
  if (aside_.joinable()) aside_.join();
  aside_ = std::thread([this, work = std::move(work), then = std::move(then)]() mutable {
    auto result = std::make_shared<Result<T>>(work());
    loop_.post([this, result, then = std::move(then)] {
      aside_runs_ = false;
      then(std::move(*result));
    });
  });
}

void Node::unlock(crypto::SecretBuffer passphrase, std::function<void(Result<void>)> done) {
  aside<store::Keystore::Second>(
      [keys = home_.keys(), held = std::make_shared<crypto::SecretBuffer>(std::move(passphrase))] {
        return store::Keystore::open_second(keys, as_text(held->view()));
      },
      [this, begun = locks_, done = std::move(done)](Result<store::Keystore::Second> opened) {
        log_->info(opened ? Code{"unlocking"} : Code{"not_unlocked"});
        if (!opened) return done(opened.error());
        if (begun != locks_) return done(caller_error(Code{"locked"}, "the node was locked meanwhile"));
        keystore_.unlock(std::move(*opened));
        done(kOk);
      });
}

// The passphrase must be this node's: a backup that another one opens would be found out too late.
void Node::backup(crypto::SecretBuffer passphrase, api::BackupStarted started) {
  const auto keys = home_.keys();
  aside<BackupHead>(
      [keys, held = std::make_shared<crypto::SecretBuffer>(std::move(passphrase))]() -> Result<BackupHead> {
        TOCSIN_TRY(store::Keystore::open(keys, as_text(held->view())));
        TOCSIN_ASSIGN(bytes, store::read_private_file(keys / "recovery", crypto::EncryptionPublic::kSize));
        const auto recovery = crypto::EncryptionPublic::from(bytes);
        if (!recovery) return environment_error(store::kBadKeyFile, (keys / "recovery").string() + " is damaged");
        crypto::SystemRandom random;
        return make_backup_head(as_text(held->view()), *recovery, random);
      },
      [this, begun = locks_, started = std::move(started)](Result<BackupHead> head) {
        if (!head) return started(head.error());
        if (begun != locks_) return started(caller_error(Code{"locked"}, "the node was locked meanwhile"));
        std::string config;
        if (const auto file = store::read_file(home_.config_file(), kConfigBytesMax)) config = as_text(*file);
        const auto made = engine_->clock().now();
        auto run = BackupRun::start(*store_, engine_->replica(), secrets_.tier2->reading, std::move(*head),
                                    std::move(config), made, random_);
        if (!run) return started(run.error());
        started(api::BackupPieces([this, made, run = std::shared_ptr<BackupRun>(std::move(*run))]() -> Result<Bytes> {
          auto piece = run->next();
          if (piece && piece->empty()) {
            auto note = read_backup_note(home_.path().string());
            note.made = made;
            TOCSIN_TRY(write_backup_note(home_.path().string(), note));
          }
          return piece;
        }));
      });
}

// From the loop itself, to its very end: a loop that is stuck goes silent, and is restarted.
void Node::keep_watch(std::chrono::microseconds every) {
  notify_service_manager("WATCHDOG=1");
  watch_timer_->expires_after(every);
  watch_timer_->async_wait([this, every](boost::system::error_code error) {
    if (!error) keep_watch(every);
  });
}

Result<std::string> Node::open_api(const RunRequest& request) {
  const auto home = home_.path().string();
  app_ = std::make_unique<api::App>(api::App{*desk_, engine_->hub()});
  app_->post = loop_.poster();
  app_->later = [this](std::int64_t ms, std::function<void()> task) {
    auto timer = std::make_shared<boost::asio::steady_timer>(loop_.context(), std::chrono::milliseconds(ms));
    timer->async_wait([timer, task = std::move(task)](boost::system::error_code error) {
      if (!error) task();
    });
  };
  app_->store = [this] { return store_facts(); };
  app_->checks = [home, file = request.passphrase_file] {
    std::vector<api::Check> out;
    for (auto& check : check_home(home)) out.push_back({check.name, check.state, check.detail, check.fix});
    if (!file.empty())
      out.push_back({"passphrase", "warning", "read from " + file + ": whoever has this disk reads what is stored here",
                     "keep that file elsewhere, or start with a credential for the first tier: tocsin key credential"});
    return out;
  };
  app_->keys = [this] { return key_facts(); };
  app_->warnings = [this, home] {
    auto out = home_warnings(home);
    for (auto& warning : home_watch_->warnings()) out.push_back(std::move(warning));
    for (auto& warning : desk_->home_warnings()) out.push_back(std::move(warning));
    for (const auto& key : key_facts()) {
      if (!key.expires) continue;
      if (auto warning = ending_soon(key.name, *key.expires, engine_->clock().now()))
        out.push_back(std::move(*warning));
    }
    return out;
  };
  app_->listening = engine_->listening();
  app_->advertised = advertised(config_, engine_->listening());
  app_->version = TOCSIN_VERSION;
  std::array<std::uint8_t, 8> boot;
  random_.fill(boot);
  app_->boot = load_le64(boot.data());
  events_ = std::make_unique<api::Events>(*app_);
  app_->events = events_.get();
  app_->importer = importer_.get();
  app_->sources = sources_.get();
  app_->users = users_.get();
  app_->log = log_;
  app_->tiers = tiers();
  app_->rotate_keys = [this] { return rotate_keys(); };
  app_->take_key_acts = [this] {
    if (users_) take_key_acts(home_.keys(), *users_);
  };
  app_->backup = [this](crypto::SecretBuffer passphrase, api::BackupStarted started) {
    backup(std::move(passphrase), std::move(started));
  };
  engine_->hub().add_listener(events_.get());
  router_ = std::make_unique<api::Router>(*app_);
  server_ = std::make_unique<api::Server>(loop_.context(), *router_);
  TOCSIN_TRY(server_->listen_unix(home_.api_socket().string()));
  if (!request.api_address) return std::string();
  TOCSIN_ASSIGN(address, server_->listen_tcp(*request.api_address));
  api_address_ = address;
  return "http://" + address;
}

Result<void> Node::start(const RunRequest& request, const std::vector<std::string>& listen,
                         const std::function<void(const Ready&)>& on_ready) {
  TOCSIN_TRY(open_store(listen));
  TOCSIN_TRY(open_index());
  TOCSIN_ASSIGN(url, open_api(request));
  snapshot_timer_ = std::make_unique<boost::asio::steady_timer>(loop_.context());
  trim_timer_ = std::make_unique<boost::asio::steady_timer>(loop_.context());
  prekey_timer_ = std::make_unique<boost::asio::steady_timer>(loop_.context());
  watch_timer_ = std::make_unique<boost::asio::steady_timer>(loop_.context());
  rotation_timer_ = std::make_unique<boost::asio::steady_timer>(loop_.context());
  release_timer_ = std::make_unique<boost::asio::steady_timer>(loop_.context());
  // A home of an earlier version does not say yet which node it is.
  std::error_code missing;
  if (!std::filesystem::exists(home_.keys() / kNodeNote, missing))
    (void)note_node(home_.keys(), engine_->replica().own_node());
  renew_prekeys();
  watch_rotation();
  if (!secrets_.locked()) {
    feeder_->start();
    // What a node that ended too early left behind (rule 21).
    release_waiting();
    loop_.post([this] { audit_beginning(); });
  }
  const auto& listening = engine_->listening();
  listening_ = listening;
  on_ready({listening.empty() ? "none" : listening.front(), home_.api_socket().string(), url});
  notify_service_manager("READY=1");  // said again after a lock, it changes nothing
  if (const auto every = watchdog_interval()) keep_watch(*every);
  log_->info(Code{"ready"}, {{"node", engine_->replica().own_node()}});
  return kOk;
}

// No new calls, then the snapshot, then the peers; the engine ends the loop once the store has everything. An end that
// comes while the node stops to begin anew is an end.
void Node::begin_stop(Then then) {
  if (then_ != Then::kEnd) then_ = then;
  if (std::exchange(stopping_, true)) return;
  // To the service manager a node that is locked or unlocked has not stopped.
  if (then == Then::kEnd) notify_service_manager("STOPPING=1");
  log_->info(Code{"stopping"});
  server_->stop();
  snapshot_timer_->cancel();
  trim_timer_->cancel();
  prekey_timer_->cancel();
  rotation_timer_->cancel();
  release_timer_->cancel();
  importer_->stop();
  feeder_->stop();
  // What is to be forgotten is not written down first; the next life reads on from an older snapshot.
  if (keystore_.locked() || secrets_.locked()) return engine_->stop();
  save_snapshot([this] { engine_->stop(); });
}

void Node::close() {
  if (aside_.joinable()) aside_.join();
  if (index_) index_->stop();
  if (engine_) {
    if (feeder_) engine_->hub().remove_listener(feeder_.get());
    if (events_) engine_->hub().remove_listener(events_.get());
    if (users_) engine_->hub().remove_listener(users_.get());
    if (home_watch_) engine_->hub().remove_listener(home_watch_.get());
    if (transport_keys_) engine_->hub().remove_listener(transport_keys_.get());
  }
  server_.reset();
  router_.reset();
  importer_.reset();
  sources_.reset();
  users_.reset();
  desk_.reset();
  if (store_) store_->flush();
  home_watch_.reset();
  transport_keys_.reset();
  engine_.reset();
  if (store_) store_->close();
}

}  // namespace

Result<void> run(RunRequest request, const std::function<void(const Ready&)>& on_ready) {
  std::set_terminate(end_without_a_word);
  EndSignals signals;  // before any other thread
  TOCSIN_ASSIGN(home, store::Home::open(std::filesystem::absolute(request.home)));
  TOCSIN_ASSIGN(loaded, load_config(home.path().string()));
  if (!loaded.report.problems.empty()) {
    const auto& p = loaded.report.problems.front();
    return caller_error(Code{"bad_config"},
                        p.file + ":" + std::to_string(p.line) + ": " + p.key + " " + p.detail + "; " + p.fix);
  }
  TOCSIN_ASSIGN(keystore, request.passphrase ? store::Keystore::open(home.keys(), as_text(request.passphrase->view()))
                                             : store::Keystore::open_locked(home.keys(), request.credential.view()));
  request.passphrase.reset();
  request.credential = {};
  const auto log = make_log(loaded.config);
  std::function<void(const Ready&)> say_ready = on_ready;
  std::vector<std::string> listen;
  if (!request.listen.empty()) listen.push_back(request.listen);
  for (bool was_locked = false;;) {
    auto node = std::make_unique<Node>(home, keystore, loaded.config, *log, was_locked);
    auto started = node->start(request, listen, say_ready);
    if (started) {
      signals.listen([&node] { node->end(); });
      node->run();
      signals.listen(nullptr);
    }
    node->close();
    if (!started || !node->again() || signals.heard()) return started;
    // The next life stands where this one stood.
    listen = node->listening();
    if (!node->api_address().empty()) request.api_address = node->api_address();
    say_ready = [](const Ready&) {};
    was_locked = node->locked();
    node.reset();
    ::malloc_trim(0);
  }
}

}  // namespace tocsin::host
