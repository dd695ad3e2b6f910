#include "tests/hostile/hostile_home.h"

#include <fstream>

#include "node/host/identity.h"
#include "tools/founding/must.h"

namespace tocsin::hostile {

using tools::fail;
using tools::must;

HostileHome::HostileHome(const std::string& home, const std::string& passphrase_file) {
  must(crypto::init(), "libsodium");
  std::string passphrase;
  std::ifstream file(passphrase_file);
  if (!std::getline(file, passphrase)) fail("cannot read the passphrase's file");
  home_ = std::make_unique<store::Home>(must(store::Home::open(home), "home"));
  const auto keystore = must(store::Keystore::open(home_->keys(), passphrase), "keys");
  secrets_ = std::make_unique<protocol::NodeSecrets>(host::secrets_of(keystore));
  store_ = must(store::Store::open(*home_, keystore.tier1().store, queue_.poster()), "store");
  replica_ = std::make_unique<protocol::Replica>(*store_, clock_, random_, *secrets_, table_);
  must(replica_->load(), "load");
}

HostileHome::~HostileHome() {
  replica_.reset();
  store_->close();
}

protocol::ChannelState HostileHome::channel(const protocol::ChannelId& id) {
  const Bytes record = must(replica_->get_record(protocol::Table::kChannels, id.view()), "channel");
  return must(protocol::decode_channel_record(record, *secrets_), "channel").state;
}

protocol::OrgId HostileHome::org_of(const protocol::NodeId& node) {
  for (const auto& peer : replica_->peers())
    for (const auto& known : peer.nodes)
      if (known.node == node) return peer.org;
  fail("that node is not known in this home");
}

protocol::PeerNode HostileHome::peer(const protocol::NodeId& node) {
  for (const auto& peer : replica_->peers())
    for (const auto& known : peer.nodes)
      if (known.node == node) return known;
  fail("that node is not known in this home");
}

}  // namespace tocsin::hostile
