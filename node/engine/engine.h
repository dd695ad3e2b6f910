// The one loop that ties replica, store and transport together (DESIGN: threads). Everything here but what says
// otherwise is called on the loop's thread, or before it runs.
//
//   Loop loop;  Store store(..., loop.poster());
//   Engine engine(loop, store, secrets, table, random, log, config);
//   engine.start();              // reads the replica back, listens
//   loop.run();                  // until engine.stop() has ended
//
// Idle it wakes up every five seconds and writes nothing to disk.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "crypto/random.h"
#include "node/engine/hub.h"
#include "node/engine/loop.h"
#include "node/log/log.h"
#include "node/transport/config.h"
#include "protocol/entry_store.h"
#include "protocol/node_secrets.h"
#include "protocol/reading_table.h"
#include "protocol/replica.h"

namespace tocsin::engine {

struct EngineConfig {
  std::vector<std::string>
      listen;                   // "host:port", "[v6]:port"; port 0: the kernel chooses. Empty: this node dials out only
  bool dial = true;             // false: waits to be dialled
  transport::Config transport;  // `network` is filled in from the replica
};

class Engine {
 public:
  // References outlive the engine.
  Engine(Loop& loop, protocol::EntryStore& store, const protocol::NodeSecrets& secrets, protocol::ReadingTable& table,
         crypto::Random& random, Log& log, EngineConfig config);
  ~Engine();

  // Reads the replica back, opens the listeners, begins to dial. Errors: those of Replica::load; bad_address (caller),
  // address_in_use, address_not_available, listen_failed (environment). After an error nothing listens.
  Result<void> start();
  // Any thread. Bye to all peers, waits (two seconds at most) until it has gone out and the store has made durable what
  // was queued, then ends the loop. A second call changes nothing.
  void stop();
  // Any thread.
  void post(std::function<void()> task);

  protocol::Replica& replica();
  protocol::Clock& clock();
  Hub& hub();
  Log& log();
  // Where it listens, with the real ports: "127.0.0.1:40123".
  const std::vector<std::string>& listening() const;
  std::size_t half_open() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::engine
