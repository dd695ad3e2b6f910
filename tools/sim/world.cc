#include "tools/sim/world.h"

#include <algorithm>
#include <cstdlib>

namespace tocsin::sim {
namespace {

constexpr std::int64_t kLatencyMs = 20;
constexpr std::int64_t kDiskMs = 5;
constexpr int kRoundsMax = 1'000'000;
constexpr char kNetwork[] = "simulation";

[[noreturn]] void impossible(const char* what, const Error& error) {
  std::fprintf(stderr, "error: %s: %s %s\n", what, std::string(error.code.text()).c_str(), error.detail.c_str());
  std::exit(1);
}

}  // namespace

std::optional<Faults> parse_faults(std::string_view list) {
  struct Word {
    std::string_view name;
    double Faults::*chance;
    double value;
  };
  static constexpr Word kWords[] = {{"crash", &Faults::crash, 0.002},
                                    {"power", &Faults::power, 0.002},
                                    {"cut", &Faults::cut, 0.005},
                                    {"reorder", &Faults::reorder, 0.001},
                                    {"duplicate", &Faults::duplicate, 0.001},
                                    {"corrupt", &Faults::corrupt, 0.001},
                                    {"loss", &Faults::loss, 0.001}};
  Faults out;
  if (list == "none") return out;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    const auto word = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    bool known = false;
    for (const auto& candidate : kWords) {
      if (word != candidate.name && word != "all") continue;
      out.*candidate.chance = candidate.value;
      known = true;
    }
    if (!known) return std::nullopt;
  }
  return out;
}

Node::Node(std::string node_name, std::uint64_t seed, std::uint64_t number, VirtualClock& world_clock, Log& world_log)
    : name(std::move(node_name)),
      address(name + ".example.org:4870"),
      clock(world_clock),
      log(world_log),
      random(seed, 1000 + number),
      secrets(tools::make_secrets(random)) {
  auto made = tools::found_org(name, kNetwork, secrets, random);
  if (!made) impossible("organisation", made.error());
  founded = std::move(*made);
  table = std::make_unique<protocol::ReadingTable>();
  replica = std::make_unique<protocol::Replica>(store, clock, random, secrets, *table);
  if (auto created = replica->create(founded.org_log, founded.node, [](Result<protocol::ChannelId>) {}); !created)
    impossible("create", created.error());
  store.sync();
  hub = std::make_unique<engine::Hub>(*replica, clock, random, log);
  hub->set_callbacks({[this](engine::LinkId link) { ready.insert(link); }, [] {}});
}

void Node::start() {
  table = std::make_unique<protocol::ReadingTable>();
  replica = std::make_unique<protocol::Replica>(store, clock, random, secrets, *table);
  if (auto loaded = replica->load(); !loaded) {
    failed = true;
    failure = std::string(loaded.error().code.text()) + " " + loaded.error().detail;
  }
  hub = std::make_unique<engine::Hub>(*replica, clock, random, log);
  hub->set_callbacks({[this](engine::LinkId link) { ready.insert(link); }, [] {}});
}

void Node::crash() {
  hub.reset();
  replica.reset();
  ready.clear();
  store.crash();
  ++life;
  start();
}

World::World(std::size_t count, std::uint64_t seed) : random_(seed, 1) {
  for (std::size_t i = 0; i < count; ++i)
    nodes_.push_back(std::make_unique<Node>("node-" + std::to_string(i), seed, i, clock_, log_));
}

std::string World::trace() const { return to_hex(trace_.view()); }

void World::introduce(Node& a, Node& b) {
  for (auto [to, from] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    auto card = from->replica->own_card({from->address});
    if (!card) impossible("card", card.error());
    if (auto added = to->replica->add_card(*card, [](Result<void>) {}); !added) impossible("add_card", added.error());
    const auto words = protocol::card_words(from->founded.org, from->founded.node);
    if (auto verified = to->replica->verify_peer(from->founded.org, words, [](Result<void>) {}); !verified)
      impossible("verify", verified.error());
    to->store.sync();
  }
}

void World::kill(Node& node) {
  ++crashes;
  for (auto& wire : wires_)
    for (auto& end : wire.ends)
      if (end.node == &node) end.open = false;
  node.crash();
}

void World::close(Wire& wire, const Error& reason) {
  for (auto& end : wire.ends) {
    end.arriving.clear();
    if (std::exchange(end.open, false)) end.node->hub->link_closed(end.link, reason);
  }
}

void World::dial(Node& from, const transport::DialTarget& target) {
  Node* to = nullptr;
  for (const auto& node : nodes_)
    for (const auto& address : target.addresses)
      if (node->address == address) to = node.get();
  if (!to) return from.hub->dial_failed(target.node, environment_error(transport::kConnectRefused));
  // The whole handshake at once: its own faults are tested elsewhere.
  auto a = protocol::Link::initiator(from.secrets, target.transport, kNetwork, nullptr, target.log_end, from.random);
  auto b = protocol::Link::responder(to->secrets, kNetwork, {}, to->random);
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
    if (!own.node->hub->handle_frame(own.link, *frame)) own.arriving.clear();
  }
  if (!own.open) own.arriving.clear();
  if (own.open && !other.open && own.arriving.empty() && !wire.dead) {
    own.open = false;
    own.node->hub->link_closed(own.link, peer_error(transport::kClosedByPeer));
    any = true;
  }
  return any;
}

bool World::act() {
  bool any = false;
  const auto now = clock_.steady_ms();
  for (const auto& node : nodes_) {
    if (node->hub->next_deadline() <= now) {
      node->hub->handle_tick();
      any |= node->hub->next_deadline() > now;
    }
    while (auto target = node->hub->poll_dial()) {
      dial(*node, *target);
      any = true;
    }
    if (node->store.untold() > 0) {
      node->store.deliver();
      any = true;
    } else if (node->store.queued() > 0 && node->persist_at == 0) {
      node->persist_at = now + kDiskMs;
    } else if (node->persist_at != 0 && node->persist_at <= now) {
      node->persist_at = 0;
      any = true;
      if (random_.chance(faults_.power)) {
        kill(*node);  // between the write and its commit
      } else {
        node->store.persist();
        node->store.deliver();
      }
    }
  }
  for (auto& wire : wires_) {
    for (int end : {0, 1}) any |= speak(wire, end);
    for (int end : {0, 1}) any |= listen(wire, end);
  }
  wires_.remove_if([](const Wire& wire) { return !wire.ends[0].open && !wire.ends[1].open; });
  return any;
}

void World::hurt() {
  for (const auto& node : nodes_)
    if (random_.chance(faults_.crash)) kill(*node);
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
    next = std::min(next, node->hub->next_deadline());
    if (node->persist_at != 0) next = std::min(next, node->persist_at);
  }
  for (const auto& wire : wires_)
    for (const auto& one : wire.ends)
      if (!one.arriving.empty()) next = std::min(next, one.arriving.front().first);
  clock_.advance(std::max<std::int64_t>(1, next - clock_.steady_ms()));
}

}  // namespace tocsin::sim
