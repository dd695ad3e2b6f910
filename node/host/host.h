// A home brought to life: what `tocsin init`, `run`, `fsck`, `migrate`, `config check` and the off-line half of
// `doctor` do. Wires store, keys, replica, engine, index, desk and API together; decides nothing of its own. JSON stays
// outside: values only.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "crypto/result.h"
#include "crypto/secret.h"
#include "protocol/ids.h"

namespace tocsin::host {

struct InitRequest {
  std::string home;
  std::string org;
  std::string kind;     // government, regional, un, ngo
  std::string country;  // ISO 3166-1 alpha-3
  std::string network = "tocsin";
  std::string listen;                  // "addr:port"; empty: the default of the configuration
  std::vector<std::string> advertise;  // "host:port"
  crypto::SecretBuffer passphrase;     // of the node
  // One for each root key file, and for each of the next roots; as many as there are to be roots.
  std::vector<crypto::SecretBuffer> root_passphrases, next_root_passphrases;
  std::uint8_t threshold = 1;                          // how many roots sign together
  std::vector<std::string> roots_out, next_roots_out;  // folders; empty: in the home
};
struct InitResult {
  protocol::OrgId org;
  protocol::NodeId node;
  std::string home;
  std::vector<std::string> roots_files, next_roots_files;
  std::string recovery_key;  // text, shown once
};
// Makes the folder, keys, organisation log and private channel. Nothing is left behind on failure. Errors (caller):
// home_exists, bad_name, bad_country, bad_kind, bad_address, bad_roots, weak_passphrase (under 8 characters),
// keys_exist; environment: those of the store and of the root files.
Result<InitResult> init_home(InitRequest request);

struct JoinRequest {
  std::string home;
  std::string card;  // of a node of the organisation, which is to be dialled
  std::string name;  // of this node, for screens
  std::string network = "tocsin";
  std::string listen;                  // as in InitRequest
  std::vector<std::string> advertise;  // likewise
  crypto::SecretBuffer passphrase;
};
struct JoinResult {
  protocol::OrgId org;
  protocol::NodeId node;
  std::string org_name;
  std::string home;
  std::string request;       // text for `org certify`
  std::string recovery_key;  // text, shown once
};
// A home for a further node of an organisation that is there already: no roots; its organisation has to certify it.
// Errors (caller): home_exists, bad_name, bad_address, weak_passphrase, no_address (the card names none: nobody could
// be dialled); those of open_card; environment: those of the store.
Result<JoinResult> join_home(JoinRequest request);

struct RunRequest {
  std::string home;
  std::optional<crypto::SecretBuffer> passphrase;  // of both tiers
  crypto::SecretBuffer credential;                 // else, of the first alone: the node starts locked (rule 48)
  std::string passphrase_file;                     // where the passphrase came from, for `doctor`; empty: typed in
  std::string listen;                              // overrides the configuration; port 0: the kernel chooses
  std::optional<std::string> api_address;          // loopback "addr:port" for HTTP
};
struct Ready {
  std::string listen;  // the real port
  std::string api_socket;
  std::string api_url;  // empty without api_address
};
// Runs until SIGTERM or SIGINT, or until its keys were wiped; tells systemd (NOTIFY_SOCKET) when ready and when
// stopping. Locking and unlocking build everything anew in the same process, on the same addresses. Errors:
// home_in_use, wrong_passphrase, wrong_credential, schema_too_new, bad_config, address_in_use, not_loopback, and what
// open and load say.
Result<void> run(RunRequest request, const std::function<void(const Ready&)>& on_ready);

// Seals the keyring anew, with a node running on it or not. A copy of the old key files still opens with the old
// passphrase. Errors: weak_passphrase, wrong_passphrase, and those of the key files.
Result<void> change_passphrase(const std::string& home, const crypto::SecretBuffer& from,
                               const crypto::SecretBuffer& to);
// Writes what the service manager may hold: it opens the first tier alone (rule 48). Errors: wrong_passphrase,
// keys_exist (`out` is there), and those of the key files.
Result<void> write_credential(const std::string& home, const crypto::SecretBuffer& passphrase, const std::string& out);
// Destroys every key of a home that no node is running on. `confirm` is the node's id in full. Errors: wrong_node,
// home_in_use, and those of the files.
Result<void> wipe_home(const std::string& home, const std::string& confirm);

struct Finding {
  std::string code;  // "bad_body_hash", "gap", ...
  std::string log;   // hexadecimal, or empty
  std::uint64_t number = 0;
  std::string detail;
};
struct FsckReport {
  std::uint64_t logs = 0, entries = 0, bytes = 0;
  std::vector<Finding> findings;  // none: sound
};
// Reads the whole store of a home that no node is running on and checks chains, hashes, signatures, index and records.
// Changes nothing.
Result<FsckReport> fsck(const std::string& home, const crypto::SecretBuffer& passphrase,
                        const std::function<void(std::uint64_t done, std::uint64_t total)>& progress);

// ---- Backups (backup_file.h); made by a running node

struct RestoreRequest {
  std::string home;  // a new one
  std::string file;
  std::string recovery_key;         // text; empty: `passphrase` opens the backup
  crypto::SecretBuffer passphrase;  // of the new home
  std::string name;                 // of the node, for screens
  std::string listen;               // both as in InitRequest; neither: as the backup has it
  std::vector<std::string> advertise;
};
struct RestoreResult {
  protocol::OrgId org;
  protocol::NodeId node;      // new
  protocol::NodeId previous;  // the one that the backup is of, which is to be revoked
  std::string home;
  std::string request;  // text for `org certify`
  std::uint64_t entries = 0;
  std::string recovery_key;  // text, shown once
};
// A home with everything that the backup holds and keys of its own (rule 21). Nothing is left behind on failure.
// Errors: home_exists, not_a_backup, backup_damaged, wrong_passphrase, wrong_recovery_key, weak_passphrase, bad_name,
// those of the store.
Result<RestoreResult> restore_backup(const RestoreRequest& request);

struct VerifyRequest {
  std::string file;
  std::string recovery_key;
  crypto::SecretBuffer passphrase;
  std::string scratch;  // folder in which a home is made and removed again
  std::string home;     // where to note that it went well; empty: nowhere
};
struct VerifyResult {
  protocol::Time made;
  protocol::OrgId org;
  protocol::NodeId node;
  std::uint64_t logs = 0, entries = 0;
  std::vector<Finding> findings;  // none: sound
};
// Restores into a scratch home, compares every hash with what went in, and checks every chain and signature there.
// Errors: as above.
Result<VerifyResult> verify_backup(const VerifyRequest& request);
struct Migration {
  std::uint32_t home = 0, store = 0;              // versions of what is there
  std::uint32_t known_home = 0, known_store = 0;  // of this program
  // Of the snapshot of the index, where there is one. It is no part of the steps: another version's is made again.
  std::optional<std::uint32_t> index;
  struct Step {
    std::uint32_t from = 0, to = 0;
    std::string what;
    bool reversible = true;
  };
  std::vector<Step> steps;  // none: nothing to do
  std::uint64_t room_bytes = 0, free_bytes = 0;
  bool reversible = true;
  bool changed = false;
};
// In which formats a home without a running node is, and the steps to those of this program; done, all or none, unless
// `check` is set, which changes nothing. Needs no passphrase. Errors: home_too_new, schema_too_new, home_in_use,
// disk_full, and what opening the store says.
Result<Migration> migrate(const std::string& home, bool check);

struct ConfigProblem {
  std::string file;
  std::size_t line = 0, column = 0;
  std::string key, detail, fix;
};
struct ConfigKey {
  std::string key, value, default_value, source, help;  // source: "default", "file", "environment"
};
struct ConfigReport {
  std::string file;
  std::vector<ConfigProblem> problems;
  std::vector<ConfigKey> keys;
};
Result<ConfigReport> check_config(const std::string& home);

struct HomeCheck {
  std::string name, state, detail, fix;  // state: ok, warning, failed
};
// What can be said of a home without a running node: folder, permissions, disk, clock, keys' ages, configuration.
std::vector<HomeCheck> check_home(const std::string& home);

}  // namespace tocsin::host
