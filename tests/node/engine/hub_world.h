// Several hubs in virtual time: each over a real replica and a store in memory, joined by wires with latency that can
// be cut. What Asio does in a node, done by hand; one seed gives one history.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <list>

#include "node/engine/hub.h"
#include "tests/support/expect.h"
#include "tests/support/replica_world.h"

namespace tocsin::engine {

using protocol::ChannelId;
using protocol::NodeId;
using protocol::Replica;
using test::must;
using test::Party;

class HubWorld {
 public:
  static constexpr std::int64_t kLatencyMs = 5;

  struct Member {
    Member(HubWorld& world, std::string name, std::uint64_t seed)
        : party(std::make_unique<Party>(name, seed, world.clock)),
          address(std::move(name) + ".example.org:7447"),
          random(seed + 1000) {
      start(world);
    }
    void start(HubWorld& world) {
      hub = std::make_unique<Hub>(party->replica(), world.clock, random, world.log);
      hub->set_callbacks({[this](LinkId link) { ready.insert(link); }, [] {}});
    }
    Replica& replica() { return party->replica(); }
    const NodeId& node() const { return party->node(); }

    std::unique_ptr<Party> party;
    std::string address;
    test::SeededRandom random;
    std::unique_ptr<Hub> hub;
    std::set<LinkId> ready;
    bool up = true;    // false: nobody listens at its address
    bool disk = true;  // false: nothing becomes durable
    std::uint64_t dials = 0;
  };

  Member& add(const std::string& name) {
    members.push_back(std::make_unique<Member>(*this, name, members.size() + 1));
    return *members.back();
  }

  // Both know each other by card with the address, words compared.
  void introduce(Member& a, Member& b, bool with_addresses = true) {
    for (auto [to, from] : {std::pair(&a, &b), std::pair(&b, &a)}) {
      std::vector<std::string> addresses;
      if (with_addresses) addresses.push_back(from->address);
      must(to->replica().add_card(must(from->replica().own_card(addresses)), nullptr));
      must(to->replica().verify_peer(from->party->org(), protocol::card_words(from->party->org(), from->node()),
                                     nullptr));
      to->party->store.sync();
    }
  }

  // A channel of the founder with these members, made over the hubs themselves.
  ChannelId share(Member& founder, const std::vector<Member*>& others) {
    protocol::NewChannel wanted;
    wanted.name = "Early warning";
    wanted.terms = "Purpose: early warning.";
    const ChannelId id = must(founder.replica().create_channel(wanted, nullptr));
    run_for(1'000);
    for (Member* other : others)
      must(founder.replica().invite(id, other->party->org(), protocol::Role::kMember, nullptr));
    EXPECT_TRUE(run_until([&] {
      return std::all_of(others.begin(), others.end(),
                         [&](Member* other) { return other->replica().channel(id).has_value(); });
    }));
    for (Member* other : others) must(other->replica().accept(id, nullptr));
    EXPECT_TRUE(run_until([&] {
      return std::all_of(others.begin(), others.end(), [&](Member* other) {
        return other->replica().channel(id)->standing == protocol::ChannelStanding::kJoined;
      });
    }));
    return id;
  }

  bool equal(const ChannelId& id, const std::vector<Member*>& all) {
    const auto digest = all[0]->replica().frontier(id).digest();
    return std::all_of(all.begin(), all.end(),
                       [&](Member* one) { return one->replica().frontier(id).digest() == digest; });
  }

  // ---- wires
  struct Wire {
    struct End {
      Member* member = nullptr;
      LinkId link;
      bool open = false;
      std::deque<std::pair<std::int64_t, Bytes>> arriving;
    };
    End ends[2];        // the dialler first
    bool dead = false;  // silently: nothing arrives any more, and nobody is told
  };
  // Ends all wires between the two; both are told, or neither.
  void cut(Member& a, Member& b, bool silently = false) {
    for (Wire& wire : wires) {
      if (!joins(wire, a, b)) continue;
      if (silently) {
        wire.dead = true;
      } else {
        close(wire, environment_error(transport::kConnectionReset));
      }
    }
  }
  // The process is gone; its store keeps what was durable. Others see their wires end.
  void kill(Member& member) {
    for (Wire& wire : wires) {
      for (Wire::End& one : wire.ends) {
        if (one.member == &member) one.open = false;  // the other side sees it, unless the wire is dead
      }
    }
    member.hub.reset();
    member.ready.clear();
    member.party->crash();
    member.start(*this);
  }
  std::size_t open_wires(Member& a, Member& b) {
    return static_cast<std::size_t>(std::count_if(wires.begin(), wires.end(), [&](Wire& wire) {
      return joins(wire, a, b) && wire.ends[0].open && wire.ends[1].open;
    }));
  }

  // ---- time
  template <class Condition>
  bool run_until(Condition done, std::int64_t most_ms = 10 * 60'000) {
    const std::int64_t end = clock.steady_ms() + most_ms;
    while (!done()) {
      if (clock.steady_ms() >= end) return false;
      step(end);
    }
    return true;
  }
  void run_for(std::int64_t ms) {
    const std::int64_t end = clock.steady_ms() + ms;
    while (clock.steady_ms() < end) step(end);
  }
  // Everything that can be done now, then on to the next moment at which there is something.
  void step(std::int64_t end) {
    for (int round = 0; act(); ++round) ASSERT_LT(round, 100'000) << "never comes to rest";
    std::int64_t next = end;
    for (const auto& member : members) next = std::min(next, member->hub->next_deadline());
    for (Wire& wire : wires) {
      for (Wire::End& one : wire.ends) {
        if (!one.arriving.empty()) next = std::min(next, one.arriving.front().first);
      }
    }
    clock.advance_ms(std::max<std::int64_t>(1, next - clock.steady_ms()));
  }

  test::WorldClock clock;
  SilentLog log;
  std::vector<std::unique_ptr<Member>> members;
  std::list<Wire> wires;
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;

 private:
  static bool joins(const Wire& wire, const Member& a, const Member& b) {
    return (wire.ends[0].member == &a && wire.ends[1].member == &b) ||
           (wire.ends[0].member == &b && wire.ends[1].member == &a);
  }
  Member* at(const std::string& address) {
    for (const auto& member : members) {
      if (member->up && member->address == address) return member.get();
    }
    return nullptr;
  }

  bool act() {
    bool any = false;
    const std::int64_t now = clock.steady_ms();
    for (const auto& member : members) {
      if (member->hub->next_deadline() <= now) {
        member->hub->handle_tick();
        any |= member->hub->next_deadline() > now;
      }
      while (auto target = member->hub->poll_dial()) {
        ++member->dials;
        dial(*member, *target);
        any = true;
      }
      if (member->disk && (member->party->store.queued() > 0 || member->party->store.untold() > 0)) {
        member->party->store.persist();
        member->party->store.deliver();
        any = true;
      }
    }
    for (Wire& wire : wires) any |= carry(wire, 0) | carry(wire, 1);
    wires.remove_if([](const Wire& wire) { return !wire.ends[0].open && !wire.ends[1].open; });
    return any;
  }

  void dial(Member& from, const DialTarget& target) {
    Member* to = nullptr;
    for (const std::string& address : target.addresses) {
      if (to == nullptr) to = at(address);
    }
    if (to == nullptr) return from.hub->dial_failed(target.node, environment_error(transport::kConnectRefused));
    const auto& theirs = to->party->secrets();
    if (theirs.transport.public_key() != target.transport &&
        (!theirs.transport_other || theirs.transport_other->public_key() != target.transport)) {
      return from.hub->dial_failed(target.node, peer_error(transport::kHandshakeClosed));
    }
    const auto& ours = from.party->secrets();
    const auto& shown =
        target.own == protocol::OwnKey::kOther && ours.transport_other ? *ours.transport_other : ours.transport;
    const auto hash = crypto::random_fixed<crypto::HandshakeHash>(from.random);
    const auto a =
        from.hub->add_link({protocol::LinkRole::kInitiator, hash, target.transport, {}, to->address, target.node});
    if (!a) return;
    const auto b =
        to->hub->add_link({protocol::LinkRole::kResponder, hash, shown.public_key(), target.log_end, from.address, {}});
    if (!b) return from.hub->link_closed(*a, peer_error(transport::kNotAnswered));
    Wire& wire = wires.emplace_back();
    wire.ends[0] = {&from, *a, true, {}};
    wire.ends[1] = {to, *b, true, {}};
    from.ready.insert(*a);
    to->ready.insert(*b);
  }

  // What end `i` has to say, and what has arrived there.
  bool carry(Wire& wire, int i) {
    Wire::End& own = wire.ends[i];
    Wire::End& other = wire.ends[1 - i];
    bool any = false;
    if (own.open && own.member->ready.erase(own.link) > 0) {
      any = true;
      Bytes frame;
      while (own.member->hub->poll_frame(own.link, frame)) {
        ++frames;
        bytes += frame.size();
        if (!wire.dead && other.open) other.arriving.emplace_back(clock.steady_ms() + kLatencyMs, frame);
      }
      if (own.member->hub->link_finished(own.link)) finish(wire, i);
    }
    while (own.open && !own.arriving.empty() && own.arriving.front().first <= clock.steady_ms()) {
      any = true;
      const Bytes frame = std::move(own.arriving.front().second);
      own.arriving.pop_front();
      own.member->ready.insert(own.link);
      if (!own.member->hub->handle_frame(own.link, frame)) own.arriving.clear();
    }
    if (!own.open) own.arriving.clear();
    // The other side has closed, and everything that it had sent has arrived.
    if (own.open && !other.open && own.arriving.empty() && !wire.dead) {
      own.open = false;
      own.member->hub->link_closed(own.link, peer_error(transport::kClosedByPeer));
      any = true;
    }
    return any;
  }
  void finish(Wire& wire, int i) {
    Wire::End& own = wire.ends[i];
    own.open = false;
    own.member->hub->link_closed(own.link, peer_error(transport::kSessionEnded));
  }
  void close(Wire& wire, const Error& reason) {
    for (Wire::End& one : wire.ends) {
      one.arriving.clear();
      if (!one.open) continue;
      one.open = false;
      one.member->hub->link_closed(one.link, reason);
    }
  }
};

}  // namespace tocsin::engine
