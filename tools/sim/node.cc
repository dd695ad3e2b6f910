#include "tools/sim/node.h"

#include <cstdlib>

#include "protocol/channel.h"

namespace tocsin::sim {

using namespace protocol;

void impossible(const char* what, const Error& error) {
  std::fprintf(stderr, "error: %s: %s %s\n", what, std::string(error.code.text()).c_str(), error.detail.c_str());
  std::exit(1);
}

std::shared_ptr<NodeSecrets> sim_secrets(crypto::Random& random, const Clock& clock) {
  auto out = std::make_shared<NodeSecrets>(tools::make_secrets(random));
  for (std::uint32_t i = 0; i < kPrekeyMonths; ++i)
    out->tier2->prekeys.emplace(month_of(clock.now()) + i, crypto::EncryptionKeyPair::generate(random));
  return out;
}

bool Org::sign(const OrgRequest& request) {
  auto signature = sign_org_request(request, root);
  if (!signature) impossible("root signature", signature.error());
  crypto::Verifier verifier;
  auto entry = assemble_org_entry({&*signature, 1}, verifier);
  if (!entry) impossible("organisation entry", entry.error());
  if (!log.apply(entry->view(), verifier)) return false;
  entries.push_back(std::move(*entry));
  return true;
}

Node::Node(std::string node_name, Org& of, const NodeId& node_id, std::shared_ptr<NodeSecrets> keys, std::uint64_t seed,
           std::uint64_t number, VirtualClock& world_clock, Log& world_log)
    : name(std::move(node_name)),
      address(name + ".example.org:4870"),
      org(&of),
      id(node_id),
      secrets(std::move(keys)),
      clock(world_clock),
      log(world_log),
      random(seed, 1000 + number),
      liar(store) {
  org->nodes.push_back(this);
}

void Node::found() {
  start();
  if (auto created = replica->create(org->entries, id, [](Result<ChannelId>) {}); !created)
    impossible("create", created.error());
  store.sync();
}

void Node::join(const Node& sibling) {
  start();
  if (auto made = replica->create_further(org->entries, id, sibling.id, {sibling.address}, [](Result<void>) {}); !made)
    impossible("create_further", made.error());
  store.sync();
}

// As node/host does it: the records under this node's own reading key, then what was the old node's to do left out.
void Node::restore(const MemoryStore& backup, const NodeSecrets& lost) {
  store = backup;
  store.crash();
  Batch batch;
  const auto reseal = [&](ByteView key, ByteView value) {
    auto sealed = reseal_channel_record(value, lost.tier2->reading, secrets->tier2->reading, random);
    if (!sealed) impossible("reseal", sealed.error());
    batch.put_record(Table::kChannels, key, *sealed);
    return true;
  };
  if (auto read = store.scan_records(Table::kChannels, reseal); !read) impossible("backup", read.error());
  store.commit(std::move(batch), [](Result<Arrival>) {});
  store.sync();
  table = std::make_unique<ReadingTable>();
  replica = std::make_unique<Replica>(store, clock, random, *secrets, *table);
  if (auto made = replica->create_restored(id, [](Result<void>) {}); !made) impossible("create_restored", made.error());
  store.sync();
  replica.reset();
  start();
  if (auto loaded = replica->load(); !loaded) impossible("restored", loaded.error());
  store.sync();
}

void Node::copy(const Node& other) {
  store = other.store;
  store.crash();
  start();
  if (auto loaded = replica->load(); !loaded) impossible("copied", loaded.error());
  store.sync();
}

void Node::start() {
  EntryStore* disk = &store;
  if (mischief) disk = &liar;
  table = std::make_unique<ReadingTable>();
  replica = std::make_unique<Replica>(*disk, clock, random, *secrets, *table);
  hub = std::make_unique<engine::Hub>(*replica, clock, random, log);
  hub->set_callbacks({[this](engine::LinkId link) { ready.insert(link); }, [] {}});
}

void Node::crash() {
  hub.reset();
  replica.reset();
  ready.clear();
  store.crash();
  persist_at = 0;
  ++life;
  start();
  if (auto loaded = replica->load(); !loaded) {
    failed = true;
    failure = std::string(loaded.error().code.text()) + " " + loaded.error().detail;
  }
}

void Node::retire() {
  hub.reset();
  replica.reset();
  ready.clear();
  store.crash();
  ++life;
}

}  // namespace tocsin::sim
