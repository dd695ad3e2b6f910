#include "tools/sim/world.h"

#include <algorithm>
#include <array>

namespace tocsin::sim {
namespace {

constexpr std::int64_t kLatencyMs = 20;
constexpr std::int64_t kDiskMs = 5;
constexpr int kRoundsMax = 1'000'000;

}  // namespace

std::optional<Faults> parse_faults(std::string_view list) {
  struct Word {
    std::string_view name;
    double Faults::*chance;
    double value;
    bool network = true;
  };
  static constexpr Word kWords[] = {{"crash", &Faults::crash, 0.002},
                                    {"power", &Faults::power, 0.002},
                                    {"cut", &Faults::cut, 0.005},
                                    {"reorder", &Faults::reorder, 0.001},
                                    {"duplicate", &Faults::duplicate, 0.001},
                                    {"corrupt", &Faults::corrupt, 0.001},
                                    {"loss", &Faults::loss, 0.001},
                                    {"join", &Faults::join, 8, false},
                                    {"removal", &Faults::removal, 5, false},
                                    {"rotation", &Faults::rotation, 6, false},
                                    {"chair", &Faults::chair, 4, false},
                                    {"restore", &Faults::restore, 3, false},
                                    {"hostile", &Faults::hostile, 20, false}};
  Faults out;
  if (list == "none") return out;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    const auto word = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    bool known = false;
    for (const auto& candidate : kWords) {
      if (word != candidate.name && word != "all" && !(word == "network" && candidate.network)) continue;
      out.*candidate.chance = candidate.value;
      known = true;
    }
    if (!known) return std::nullopt;
  }
  return out;
}

World::World(std::size_t count, std::uint64_t seed) : seed_(seed), random_(seed, 1) {
  for (std::size_t i = 0; i < count; ++i) {
    SeededRandom random(seed, 100'000 + i);
    const std::string name = "node-" + std::to_string(i);
    auto secrets = sim_secrets(random, clock_);
    auto founded = tools::found_org(name, kNetwork, *secrets, random);
    if (!founded) impossible("organisation", founded.error());
    crypto::Verifier verifier;
    auto log = protocol::OrgLog::from_genesis(founded->org_log[0].view(), verifier);
    if (!log) impossible("organisation", log.error());
    if (auto applied = log->apply(founded->org_log[1].view(), verifier); !applied)
      impossible("organisation", applied.error());
    orgs_.push_back(std::make_unique<Org>(Org{name, founded->org, std::move(founded->root), std::move(*log), {}, {}}));
    orgs_.back()->entries = std::move(founded->org_log);
    add_node(name, *orgs_.back(), std::move(secrets)).id = founded->node;
    nodes_.back()->found();
  }
}

std::string World::trace() const { return to_hex(trace_.view()); }

Org* World::org(const protocol::OrgId& id) {
  for (const auto& org : orgs_)
    if (org->id == id) return org.get();
  return nullptr;
}

Node& World::add_node(std::string name, Org& org, std::shared_ptr<protocol::NodeSecrets> secrets) {
  nodes_.push_back(std::make_unique<Node>(std::move(name), org, protocol::NodeId{}, std::move(secrets), seed_,
                                          nodes_.size(), clock_, log_));
  return *nodes_.back();
}

Node& World::add_asking(const Node& like, const char* what) {
  Org& org = *like.org;
  SeededRandom random(seed_, 200'000 + nodes_.size());
  Node& node =
      add_node(org.name + "-" + what + "-" + std::to_string(org.nodes.size()), org, sim_secrets(random, clock_));
  protocol::NodeCertificate certificate;
  certificate.org = org.id;
  random.fill(certificate.node_random);
  certificate.first_signing = certificate.signing = node.secrets->tier2->signing.verify_key();
  certificate.transport = node.secrets->transport.public_key();
  certificate.encryption = node.secrets->tier2->encryption.public_key();
  certificate.node = protocol::make_node_id(org.id, certificate.node_random, certificate.first_signing);
  certificate.issued = clock_.now();
  certificate.expires = {clock_.now().ms + 10LL * 365 * 86'400'000};
  certificate.name = node.name;
  node.id = certificate.node;
  node.request = protocol::encode_node_request(certificate, node.secrets->tier2->signing);
  return node;
}

Node& World::add_further(const Node& sibling) {
  Node& node = add_asking(sibling, "further");
  node.join(sibling);
  return node;
}

Node& World::add_restored(const Node& lost, const protocol::MemoryStore& backup) {
  Node& node = add_asking(lost, "restored");
  node.restored_from = &lost;
  node.restore(backup, *lost.secrets);
  return node;
}

Node& World::add_twin(Node& node) {
  kill(node);
  Node& twin = add_node(node.name + "-twin", *node.org, node.secrets);
  twin.id = node.id;
  twin.address = node.address;
  node.side = 0;
  twin.side = 1;
  turn_hostile(twin);
  twin.copy(node);
  return twin;
}

void World::turn_hostile(Node& node) {
  if (node.mischief) return;
  node.hostile = true;
  node.mischief = std::make_unique<Mischief>(seed_, nodes_.size());
  node.liar.lie(&node.random);
  if (node.alive()) kill(node);  // it starts again over the disk that lies
}

void World::introduce(Node& a, Node& b) {
  for (auto [to, from] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if (!to->alive() || !from->alive()) return;
    const auto card = from->replica->own_card({from->address});
    if (!card || !to->replica->add_card(*card, [](Result<void>) {})) continue;
    const auto words = protocol::card_words(from->org->id, from->id);
    (void)to->replica->verify_peer(from->org->id, words, [](Result<void>) {});
    to->store.sync();
  }
}

void World::drop_wires(Node& node) {
  for (auto& wire : wires_)
    for (auto& end : wire.ends)
      if (end.node == &node) end.open = false;
}

void World::kill(Node& node) {
  ++crashes;
  drop_wires(node);
  node.crash();
}

void World::retire(Node& node) {
  drop_wires(node);
  node.retire();
}

void World::close(Wire& wire, const Error& reason) {
  for (auto& end : wire.ends) {
    end.arriving.clear();
    if (std::exchange(end.open, false)) end.node->hub->link_closed(end.link, reason);
  }
}

// Who answers at these addresses. Of a node that runs twice each of the others always meets the same one.
Node* World::listener(const Node& from, const transport::DialTarget& target) {
  const auto half_of = [this](const Node& node) {
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      if (nodes_[i].get() == &node) return static_cast<int>(i % 2);
    return 0;
  };
  const auto shown_to = [&](const Node& one, const Node& other) { return !one.side || *one.side == half_of(other); };
  for (const auto& address : target.addresses)
    for (const auto& node : nodes_)
      if (node->alive() && node->address == address && node.get() != &from && shown_to(*node, from) &&
          shown_to(from, *node))
        return node.get();
  return nullptr;
}

void World::dial(Node& from, const transport::DialTarget& target) {
  Node* to = listener(from, target);
  if (!to) return from.hub->dial_failed(target.node, environment_error(transport::kConnectRefused));
  // The whole handshake at once: its own faults are tested elsewhere.
  auto a = protocol::Link::initiator(*from.secrets, target.transport, kNetwork, nullptr, target.log_end, from.random);
  auto b = protocol::Link::responder(*to->secrets, kNetwork, {}, to->random);
  if (!a || !b) impossible("link", a ? b.error() : a.error());
  protocol::Link* sides[] = {&*a, &*b};
  for (int turn = 0; !a->established() || !b->established(); turn = 1 - turn) {
    auto message = sides[turn]->write_handshake();
    if (!message) return from.hub->dial_failed(target.node, message.error());
    if (auto read = sides[1 - turn]->read_handshake(ByteView(*message).subspan(protocol::kLinkSizeBytes)); !read)
      return from.hub->dial_failed(target.node, peer_error(transport::kHandshakeClosed));
  }
  const auto near = from.hub->add_link({protocol::LinkRole::kInitiator, a->handshake_hash(), a->remote(),
                                        a->remote_log_end(), to->address, target.node});
  if (!near) return;
  const auto far = to->hub->add_link(
      {protocol::LinkRole::kResponder, b->handshake_hash(), b->remote(), b->remote_log_end(), from.address, {}});
  if (!far) return from.hub->link_closed(*near, peer_error(transport::kNotAnswered));
  auto& wire = wires_.emplace_back();
  wire.ends[0] = {&from, *near, std::make_unique<protocol::Link>(std::move(*a)), true, {}};
  wire.ends[1] = {to, *far, std::make_unique<protocol::Link>(std::move(*b)), true, {}};
  from.ready.insert(*near);
  to->ready.insert(*far);
}

// What one end has to say goes on its way, perhaps hurt.
bool World::speak(Wire& wire, int which) {
  auto& own = wire.ends[which];
  auto& other = wire.ends[1 - which];
  if (!own.open || own.node->ready.erase(own.link) == 0) return false;
  Bytes frame;
  while (own.open && own.node->hub->poll_frame(own.link, frame)) {
    if (own.node->mischief) own.node->mischief->alter(frame);
    if (frame.empty()) continue;
    Bytes sealed(protocol::kLinkSizeBytes + frame.size() + protocol::kSealOverheadBytes);
    std::copy(frame.begin(), frame.end(), sealed.begin() + protocol::kLinkSizeBytes);
    if (auto done = own.noise->seal(sealed); !done) impossible("seal", done.error());
    ++frames;
    bytes += sealed.size();
    if (wire.dead || !other.open) continue;
    Bytes message(sealed.begin() + protocol::kLinkSizeBytes, sealed.end());
    if (random_.chance(faults_.corrupt))
      message[random_.below(message.size())] ^= static_cast<std::uint8_t>(1u << random_.below(8)), ++damaged;
    other.arriving.emplace_back(clock_.steady_ms() + kLatencyMs, message);
    if (random_.chance(faults_.duplicate))
      other.arriving.emplace_back(clock_.steady_ms() + kLatencyMs, message), ++damaged;
    if (other.arriving.size() > 1 && random_.chance(faults_.reorder)) {
      std::swap(other.arriving.back().second, other.arriving[other.arriving.size() - 2].second);
      ++damaged;
    }
  }
  if (own.open && own.node->hub->link_finished(own.link)) {
    own.open = false;
    own.node->hub->link_closed(own.link, peer_error(transport::kSessionEnded));
  }
  return true;
}

void World::hear(End& own, const End& other, ByteView frame) {
  Bytes wanted;
  if (own.node->mischief) {
    wanted = to_bytes(frame);
    if (!own.node->mischief->hear(wanted)) return;
    frame = wanted;
  }
  const auto heard = own.node->hub->handle_frame(own.link, frame);
  if (heard) return;
  own.arriving.clear();
  const bool fault = heard.error().origin == Origin::kPeer && own.node->honest() && other.node->honest();
  if (fault && !blamed) blamed = Blamed{own.node->name, other.node->name, heard.error()};
}

bool World::listen(Wire& wire, int which) {
  auto& own = wire.ends[which];
  auto& other = wire.ends[1 - which];
  bool any = false;
  while (own.open && !own.arriving.empty() && own.arriving.front().first <= clock_.steady_ms()) {
    any = true;
    Bytes message = std::move(own.arriving.front().second);
    own.arriving.pop_front();
    trace_ = crypto::hash256(crypto::kPersonalTrie, {trace_.view(), message});
    auto frame = own.noise->open(message);
    if (!frame) {
      // Damage on the way: the connection is of no use any more.
      close(wire, peer_error(transport::kLinkFailed));
      return true;
    }
    own.node->ready.insert(own.link);
    hear(own, other, *frame);
  }
  if (!own.open) own.arriving.clear();
  if (own.open && !other.open && own.arriving.empty() && !wire.dead) {
    own.open = false;
    own.node->hub->link_closed(own.link, peer_error(transport::kClosedByPeer));
    any = true;
  }
  return any;
}

bool World::act_of(Node& node) {
  bool any = false;
  const auto now = clock_.steady_ms();
  if (node.hub->next_deadline() <= now) {
    node.hub->handle_tick();
    any |= node.hub->next_deadline() > now;
  }
  while (auto target = node.hub->poll_dial()) {
    dial(node, *target);
    any = true;
  }
  if (node.store.untold() > 0) {
    node.store.deliver();
    any = true;
  } else if (node.store.queued() > 0 && node.persist_at == 0) {
    node.persist_at = now + kDiskMs;
  } else if (node.persist_at != 0 && node.persist_at <= now) {
    node.persist_at = 0;
    any = true;
    if (random_.chance(faults_.power)) {
      kill(node);  // between the write and its commit
    } else {
      node.store.persist();
      node.store.deliver();
    }
  }
  return any;
}

bool World::act() {
  bool any = false;
  for (const auto& node : nodes_)
    if (node->alive()) any |= act_of(*node);
  for (auto& wire : wires_) {
    for (int end : {0, 1}) any |= speak(wire, end);
    for (int end : {0, 1}) any |= listen(wire, end);
  }
  wires_.remove_if([](const Wire& wire) { return !wire.ends[0].open && !wire.ends[1].open; });
  return any;
}

void World::hurt() {
  for (const auto& node : nodes_)
    if (node->alive() && random_.chance(faults_.crash)) kill(*node);
  for (auto& wire : wires_) {
    if (random_.chance(faults_.cut))
      ++cuts, close(wire, environment_error(transport::kConnectionReset));
    else if (random_.chance(faults_.loss))
      wire.dead = true;
  }
}

void World::step(std::int64_t end) {
  ++steps;
  if (clock_.steady_ms() >= next_hurt_) {
    next_hurt_ = clock_.steady_ms() + 1000;
    hurt();
  }
  for (int round = 0; act(); ++round) {
    if (round > kRoundsMax)
      impossible("step", internal_error(Code{"never_at_rest"}, "the network does not come to rest"));
  }
  auto next = std::min(end, next_hurt_);
  for (const auto& node : nodes_) {
    if (!node->alive()) continue;
    next = std::min(next, node->hub->next_deadline());
    if (node->persist_at != 0) next = std::min(next, node->persist_at);
  }
  for (const auto& wire : wires_)
    for (const auto& one : wire.ends)
      if (!one.arriving.empty()) next = std::min(next, one.arriving.front().first);
  clock_.advance(std::max<std::int64_t>(1, next - clock_.steady_ms()));
}

}  // namespace tocsin::sim
