// The people of this organisation: who they are, what they may do, what they did, and what of it waits for a second
// person. All of it stands in the private
// channel, so that every node of the organisation has the same; here is what its feeds come to, in memory. The feed
// proves the organisation and its node. Who the person was is the organisation's own claim.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "crypto/random.h"
#include "crypto/secret.h"
#include "protocol/clock.h"
#include "protocol/desk_records.h"
#include "protocol/replica.h"

namespace tocsin::desk {

inline constexpr Code kUnknownUser{"unknown_user"};           // caller: no such name or id
inline constexpr Code kUserAmbiguous{"user_ambiguous"};       // caller: several ids begin like that
inline constexpr Code kUserExists{"user_exists"};             // caller: the name is taken
inline constexpr Code kNameTooAlike{"name_too_alike"};        // caller: it reads like another
inline constexpr Code kBadUserName{"bad_user_name"};          // caller
inline constexpr Code kUsersFull{"users_full"};               // caller: remove some first
inline constexpr Code kWeakPassword{"weak_password"};         // caller
inline constexpr Code kScopeAboveRole{"scope_above_role"};    // caller
inline constexpr Code kBadExpiry{"bad_expiry"};               // caller
inline constexpr Code kTooManyTokens{"too_many_tokens"};      // caller: revoke one, or wait until one expires
inline constexpr Code kUnknownToken{"unknown_token"};         // caller: this user has no such token
inline constexpr Code kUnauthorised{"unauthorised"};          // caller: a token that is not good, for whatever reason
inline constexpr Code kWrongLogin{"wrong_login"};             // caller: name or password; which, is not told
inline constexpr Code kTooManyAttempts{"too_many_attempts"};  // caller: wait

inline constexpr std::size_t kUsersMax = 1000;
inline constexpr std::size_t kTokensPerUserMax = 64;  // that are good; a login makes one
inline constexpr std::size_t kPasswordBytesMin = 8;
inline constexpr std::size_t kPasswordBytesMax = 1024;
inline constexpr std::int64_t kLoginMs = 12 * 3'600'000;
inline constexpr std::int64_t kTokenDaysDefault = 90, kTokenDaysMax = 366;
inline constexpr std::int64_t kAttemptWaitMsMax = 60'000;  // after a wrong password: 1 s, doubled with each, up to this
inline constexpr std::size_t kAttemptNamesMax = 1024;      // whose failures are remembered
inline constexpr std::size_t kAuditKept = 10'000;          // of the audit, the newest; the channel has all
inline constexpr std::string_view kTokenPrefix = "tocsintoken1";

// Who acts.
struct Actor {
  bool owner = false;                    // of the home, on its unix socket: the built-in admin
  std::optional<protocol::UserId> user;  // nothing, and no owner: nobody
  std::string name;
  protocol::UserRole role = protocol::UserRole::kReader;
  protocol::TokenScope scope = protocol::TokenScope::kRead;
  bool nobody() const { return !owner && !user; }
};
Actor owner_actor();
// The widest scope that a token of this role may have.
protocol::TokenScope scope_of(protocol::UserRole role);

// One thread (the loop's), which `post` leads to; Argon2id runs on a thread of its own. Register it as a listener of
// the replica's events and call `start` once. Not for a locked node, which can read none of it.
class Users final : public protocol::ReplicaListener {
 public:
  // References outlive it. `cost` is that of new passwords.
  Users(protocol::Replica& replica, protocol::Clock& clock, crypto::Random& random,
        std::function<void(std::function<void()>)> post, crypto::PassphraseParams cost = crypto::kPassphraseModerate);
  ~Users() override;  // waits for the thread; the `done` of what is under way is then not called
  Users(const Users&) = delete;
  Users& operator=(const Users&) = delete;

  void start();  // reads what is there

  std::vector<protocol::UserRecord> list() const;  // those not removed, by name
  // A name, a whole id, or at least eight digits of one. Errors: unknown_user, user_ambiguous.
  Result<protocol::UserRecord> find(std::string_view text) const;
  std::vector<protocol::TokenRecord> tokens_of(const protocol::UserId& user) const;  // that are good now, newest first

  // Errors: user_exists, name_too_alike, bad_user_name, weak_password, users_full, busy (another password is being
  // worked on), out_of_memory; those of Replica::append.
  void add(std::string name, protocol::UserRole role, std::optional<crypto::SecretBuffer> password, const Actor& by,
           protocol::Done<protocol::UserRecord> done);
  // Its tokens are worth nothing from then on. Errors: unknown_user; those of Replica::append.
  void remove(const protocol::UserId& user, const Actor& by, protocol::Done<void> done);

  struct Issued {
    std::string text;  // shown once, kept nowhere
    protocol::TokenRecord token;
    Actor actor;  // whom it stands for
  };
  // Without a scope: the widest of the role. Errors: unknown_user, scope_above_role, bad_expiry, too_many_tokens; those
  // of Replica::append.
  void issue(const protocol::UserId& user, std::optional<protocol::TokenScope> scope, std::int64_t good_for_ms,
             const Actor& by, protocol::Done<Issued> done);
  // Errors: unknown_user, unknown_token; those of Replica::append.
  void revoke(const protocol::UserId& user, std::string_view token, const Actor& by,
              protocol::Done<protocol::TokenRecord> done);
  // A token of 12 hours for a name and its password. One attempt at a time; after a wrong one that name waits. Errors:
  // wrong_login, too_many_attempts, busy, out_of_memory; those of issue.
  void login(std::string name, crypto::SecretBuffer password, protocol::Done<Issued> done);
  // Error: unauthorised.
  Result<Actor> check_token(std::string_view text) const;

  // What waits for a second person, oldest first.
  std::vector<protocol::WaitingRecord> waiting() const;

  // Writes down what was done. Errors: those of Replica::append.
  void record(const Actor& actor, std::string act, std::vector<std::string> names, protocol::AuditOutcome outcome,
              protocol::Done<void> done);
  struct Audited {
    protocol::AuditRecord record;
    protocol::NodeId node;  // that wrote it
    protocol::EntryHash entry;
  };
  using AuditKey = std::pair<protocol::Time, protocol::EntryHash>;
  struct AuditQuery {
    std::optional<protocol::Time> since;
    std::string user;  // name, or id; empty: all
    std::size_t limit = 50;
    std::optional<AuditKey> before;  // go on behind this one
  };
  struct AuditPage {
    std::vector<Audited> items;      // newest first, by claimed time
    std::optional<AuditKey> before;  // for the next page; nothing: that was all
  };
  AuditPage audit(const AuditQuery& query) const;

  void on_heads(const protocol::ChannelId&, const protocol::LogKey&) override {}
  void on_org_log(const protocol::OrgId&) override { on_channels(); }  // a rotation may undo nodes (rule 19)
  void on_channels() override;                                         // new keys, pins, epochs
  void on_peers() override {}
  void on_mail() override {}
  void on_arrival(protocol::Arrival) override { read_on(); }
  void on_cut(const protocol::ChannelId&, const protocol::LogKey& feed, const protocol::EntryChunk&) override;

 private:
  template <class Record>
  struct Held {
    Record record;
    protocol::Epoch epoch;  // newest that it stands in
  };
  struct Read {
    protocol::Number low, head;
    protocol::Number unopened;  // the first that did not open; 0: none
    std::optional<protocol::Number> pin;
  };
  struct Attempts {
    unsigned failed = 0;
    std::int64_t not_before_ms = 0;
  };
  void begin_anew();
  void read_on();
  void read_feed(const protocol::LogRecord& log, Read& read);
  protocol::Number read_entries(const protocol::LogKey& log, protocol::Number from, protocol::Number to, Read& read);
  void take(const protocol::OpenedEntry& opened);
  template <class Key, class Record>
  static void put(std::map<Key, Held<Record>>& into, const Key& key, Record record, protocol::Epoch epoch);
  void announce();
  void write(protocol::FeedKind kind, std::vector<Bytes> payloads, protocol::Done<void> done);
  protocol::Time after(protocol::Time replaced) const;
  const protocol::UserRecord* named(std::string_view name) const;
  const protocol::UserRecord* active(const protocol::UserId& user) const;
  bool good(const protocol::TokenRecord& token) const;
  Result<void> check_new(const std::string& name) const;
  void write_user(protocol::UserRecord user, protocol::Done<protocol::UserRecord> done);
  void hash_aside(crypto::SecretBuffer password, const crypto::PassphraseSalt& salt, crypto::PassphraseParams params,
                  std::function<void(Result<crypto::Hash>)> then);
  Error wrong_login(const std::string& name);

  protocol::Replica& replica_;
  protocol::Clock& clock_;
  crypto::Random& random_;
  std::function<void(std::function<void()>)> post_;
  crypto::PassphraseParams cost_;
  protocol::EntryOpener opener_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::map<protocol::UserId, Held<protocol::UserRecord>> users_;
  std::map<protocol::TokenId, Held<protocol::TokenRecord>> tokens_;
  std::map<protocol::WaitingId, Held<protocol::WaitingRecord>> waiting_;
  std::map<AuditKey, Audited> audit_;
  std::map<protocol::LogKey, Read> read_;
  std::uint64_t keys_seen_ = 0;
  bool started_ = false, announcing_ = false;
  std::map<std::string, Attempts, std::less<>> attempts_;
  std::thread aside_;
  bool aside_runs_ = false;
};

}  // namespace tocsin::desk
