// The transport key of a running node, and another one in its place (rule 18). Of the two that a node may have, the one
// that its organisation's log names is in use; the other is accepted from whoever dials, since peers may know the next
// one earlier than this node, and the one before longer. All of it is of the first tier: a locked node follows, too.
#pragma once

#include "crypto/random.h"
#include "node/log/log.h"
#include "node/store/keystore.h"
#include "protocol/node_secrets.h"
#include "protocol/replica.h"

namespace tocsin::host {

// One thread (the loop's). Register it as a listener of the replica's events.
class TransportKeys final : public protocol::ReplicaListener {
 public:
  // References outlive it.
  TransportKeys(store::Keystore& keystore, protocol::NodeSecrets& secrets, const protocol::Replica& replica,
                crypto::Random& random, Log& log)
      : keystore_(keystore), secrets_(secrets), replica_(replica), random_(random), log_(log) {}

  // Takes the key into use that the log names: at start, and whenever the log grew. Sessions go on.
  void follow();
  // Makes the next key, on disk first. The one before is given up: of three, two stay. Errors: those of save_tier1.
  Result<void> make_next();
  // What a certificate that is asked for should name.
  const crypto::TransportPublic& next() const;

  void on_heads(const protocol::ChannelId&, const protocol::LogKey&) override {}
  void on_org_log(const protocol::OrgId& org) override;
  void on_channels() override {}
  void on_peers() override {}
  void on_mail() override {}
  void on_arrival(protocol::Arrival) override {}

 private:
  Result<void> save();

  store::Keystore& keystore_;
  protocol::NodeSecrets& secrets_;
  const protocol::Replica& replica_;
  crypto::Random& random_;
  Log& log_;
};

// The rule alone: true when the two changed places.
bool use_certified(protocol::NodeSecrets& secrets, const crypto::TransportPublic& certified);

}  // namespace tocsin::host
