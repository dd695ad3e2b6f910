// What the routes work on. References, wired by the host; they outlive the server.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crypto/secret.h"
#include "node/api/http.h"
#include "node/desk/desk.h"
#include "node/desk/importer.h"
#include "node/desk/source_register.h"
#include "node/desk/users.h"
#include "node/engine/hub.h"
#include "node/log/log.h"

namespace tocsin::api {

struct Check {
  std::string name, state, detail, fix;  // state: ok, warning, failed
};
struct StoreFacts {
  std::uint64_t entries = 0, bytes = 0;
  std::string state;   // "ready", "disk_full", "failed"
  std::string detail;  // why, when not ready
};
struct KeyFact {
  std::string name;
  std::optional<protocol::Time> expires;  // nothing: it ends with what names it
  std::optional<protocol::Time> since;    // as claimed
};

// What runs long, by the idempotency key of its call.
struct Operation {
  std::string what;
  std::shared_ptr<desk::ImportProgress> progress;
};

// The two tiers of secrets (rule 48). All on the loop's thread.
struct Tiers {
  bool locked = false;
  bool restarting = false;        // the next life is about to begin
  std::function<void()> forget;   // the keys of the second tier, now
  std::function<void()> restart;  // with what is known: locked or not
  // Errors: wrong_passphrase, busy (another attempt runs), and those of the key files.
  std::function<void(crypto::SecretBuffer passphrase, std::function<void(Result<void>)>)> unlock;
  std::function<Result<void>()> wipe;
  std::function<void()> end;  // of the process, cleanly
};

// Gives the file of a backup piece by piece; an empty piece is its end.
using BackupPieces = std::function<Result<Bytes>()>;
using BackupStarted = std::function<void(Result<BackupPieces>)>;

class Events;
struct Bundles;

struct App {
  desk::Desk& desk;
  engine::Hub& hub;
  std::function<void(std::function<void()>)> post;                    // to the loop's thread, from any
  std::function<void(std::int64_t ms, std::function<void()>)> later;  // once, on the loop's thread
  std::function<StoreFacts()> store;
  std::function<std::vector<Check>()> checks;  // of the home: disk, permissions, clock, configuration
  std::function<std::vector<KeyFact>()> keys;
  std::function<std::vector<std::string>()> warnings;  // of the home: root key on this machine, ...
  std::vector<std::string> listening;                  // real addresses
  std::vector<std::string> advertised;                 // of the card
  std::string version;
  std::uint64_t boot = 0;                       // random; part of event ids
  std::map<std::string, Operation> operations;  // running
  Events* events = nullptr;
  desk::Importer* importer = nullptr;
  desk::SourceRegister* sources = nullptr;
  desk::Users* users = nullptr;  // none: locked
  Log* log = nullptr;
  Tiers tiers;
  // A request for `org certify`, for new keys of this node. Errors: node_not_certified, those of the key files.
  std::function<Result<std::string>()> rotate_keys;
  std::function<void()> take_key_acts;  // into the audit: what was done to the key files beside the node
  std::function<void(crypto::SecretBuffer passphrase, BackupStarted)> backup;  // errors as of Tiers::unlock
  std::shared_ptr<Bundles> bundles = {};                                       // those that are being read or written

  protocol::Replica& replica() { return desk.replica(); }
};

}  // namespace tocsin::api
