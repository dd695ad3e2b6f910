// The home of a real member in the hands of somebody hostile: its store, its keys, and what it has learnt in its
// channels, without the program that keeps the rules. Ends the process with a message when it does not open.
#pragma once

#include <memory>
#include <string>

#include "crypto/random.h"
#include "node/engine/system_clock.h"
#include "node/host/post_queue.h"
#include "node/store/home.h"
#include "node/store/keystore.h"
#include "node/store/store.h"
#include "protocol/channel.h"
#include "protocol/replica.h"

namespace tocsin::hostile {

class HostileHome {
 public:
  // `passphrase_file`: its first line opens the keys.
  HostileHome(const std::string& home, const std::string& passphrase_file);
  ~HostileHome();

  protocol::Replica& replica() { return *replica_; }
  protocol::ReadingTable& table() { return table_; }
  const protocol::NodeSecrets& secrets() const { return *secrets_; }
  crypto::Random& random() { return random_; }
  protocol::Time now() const { return clock_.now(); }
  // What the store holds of a channel, with the keys to write in it.
  protocol::ChannelState channel(const protocol::ChannelId& id);
  // A node that is known here by its card or a roster.
  protocol::PeerNode peer(const protocol::NodeId& node);
  protocol::OrgId org_of(const protocol::NodeId& node);

 private:
  host::PostQueue queue_;
  std::unique_ptr<store::Home> home_;
  std::unique_ptr<protocol::NodeSecrets> secrets_;
  engine::SystemClock clock_;
  crypto::SystemRandom random_;
  protocol::ReadingTable table_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<protocol::Replica> replica_;
};

}  // namespace tocsin::hostile
