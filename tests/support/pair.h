// Sessions in virtual time: parties (replica_world.h), links with a real handshake between them, pipes with latency and
// bandwidth, cuts, crashes, and hooks that change what is on the wire. One thread; one seed gives one history.
//
//   Pair net;  Party& a = net.add("Alpha");  Party& b = net.add("Bravo");
//   Pair::Connection& link = net.connect(a, b);
//   net.run();            // until nobody has anything to say, and everything is durable
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <list>

#include "protocol/session.h"
#include "tests/support/replica_world.h"

namespace tocsin::test {

struct PipeOptions {
  std::int64_t latency_ms = 5;            // one way
  std::uint64_t bytes_per_ms = 0;         // 0: no bound
  std::size_t window_bytes = 256 * 1024;  // on the way at a time; more waits in the session
  bool live = true;                       // the side that dials
  bool callee_live = true;
};

class Pair {
 public:
  using PipeOptions = test::PipeOptions;

  // A party's part in the net: what the engine does in a real node.
  struct Endpoint final : protocol::ReplicaListener {
    explicit Endpoint(Party& p) : party(p) {}
    void on_heads(const protocol::ChannelId& channel, const protocol::LogKey& log) override {
      for (auto* session : sessions) session->handle_heads(channel, log);
    }
    void on_org_log(const protocol::OrgId& org) override {
      chores = true;
      for (auto* session : sessions) session->handle_org_log(org);
    }
    void on_channels() override {
      chores = true;
      for (auto* session : sessions) session->handle_channels();
    }
    void on_peers() override {}
    void on_mail() override {
      for (auto* session : sessions) session->handle_mail();
    }
    void on_arrival(protocol::Arrival) override {}
    void on_cut(const protocol::ChannelId& channel, const protocol::LogKey& log,
                const protocol::EntryChunk& entries) override {
      removed += entries.items.size();
      for (auto* session : sessions) session->handle_cut(channel, log);
    }
    void on_home_confirmed(const std::optional<protocol::NodeId>& by) override { confirmed.push_back(by); }

    Party& party;
    std::vector<std::optional<protocol::NodeId>> confirmed;  // its home, by whom (rule 21)
    std::size_t removed = 0;                                 // entries of branches that were not chosen
    protocol::WantTable wants;
    std::vector<protocol::Session*> sessions;
    bool chores = true;
    std::int64_t chores_at = 0;
    bool disk_works = true;  // false: what is queued for the store waits
  };

  struct End {
    Endpoint* at = nullptr;
    std::optional<protocol::Link> link;
    std::unique_ptr<protocol::Session> session;
    std::optional<Error> error;  // what ended it here
    std::vector<Error> refused;
    std::function<void(Bytes& frame)> alter;  // outgoing, before it is encrypted: what a hostile peer would send
    std::function<std::vector<Bytes>(Bytes packet)> tamper;  // outgoing, on the wire
    struct Packet {
      std::int64_t arrives_ms;
      Bytes bytes;
    };
    std::deque<Packet> out;  // on the way to the other end
    std::size_t out_bytes = 0;
    std::int64_t line_free_ms = 0;
    std::uint64_t bytes_sent = 0;  // counted here, after the handshake
  };
  struct Connection {
    End a, b;
    PipeOptions options;
    bool open = true;
    End& end_of(const Party& party) { return &a.at->party == &party ? a : b; }
  };

  explicit Pair(std::uint64_t seed = 1) : seed_(seed), random_(seed ^ 0x70616972) { must(crypto::init()); }
  ~Pair() {
    while (!connections_.empty()) cut(connections_.front());
  }

  Party& add(std::string name) {
    return put(std::make_unique<Party>(std::move(name), seed_ * 1000 + parties_.size() + 1, clock));
  }
  // A further node of that party's organisation, not certified yet.
  Party& add_further(Party& first, std::string name) {
    return put(std::make_unique<Party>(first, std::move(name), seed_ * 1000 + parties_.size() + 1, clock));
  }
  Endpoint& endpoint(const Party& party) {
    for (auto& endpoint : endpoints_) {
      if (&endpoint->party == &party) return *endpoint;
    }
    std::abort();
  }
  std::int64_t now_ms() const { return clock.steady_ms(); }

  // `a` dials. The handshake takes no virtual time.
  Connection& connect(Party& a, Party& b, PipeOptions options = PipeOptions()) {
    Connection& made = connections_.emplace_back();
    made.options = options;
    made.a.at = &endpoint(a);
    made.b.at = &endpoint(b);
    std::vector<Bytes> log_end;
    for (const auto& entry : a.org_log) log_end.push_back(protocol::encode_entry(entry.view()));
    made.a.link = must(protocol::Link::initiator(a.secrets(), b.secrets().transport.public_key(), "tocsin-test",
                                                 nullptr, log_end, random_));
    made.b.link = must(protocol::Link::responder(b.secrets(), "tocsin-test", {}, random_));
    for (int i = 0; i < 3; ++i) {
      protocol::Link& from = i % 2 == 0 ? *made.a.link : *made.b.link;
      protocol::Link& to = i % 2 == 0 ? *made.b.link : *made.a.link;
      const Bytes message = must(from.write_handshake());
      must(to.read_handshake(ByteView(message).subspan(protocol::kLinkSizeBytes)));
    }
    for (End* end : {&made.a, &made.b}) {
      const auto who = end->at->party.replica().identify(end->link->remote(), end->link->remote_log_end());
      if (!who) throw std::runtime_error("the two do not know each other");
      protocol::Session::Config config{end->link->role(), end->link->handshake_hash(), who->first, who->second, {},
                                       options.live};
      config.refused = [end](const Error& error) { end->refused.push_back(error); };
      end->session = std::make_unique<protocol::Session>(end->at->party.replica(), end->at->wants, clock,
                                                         end->at->party.random(), std::move(config));
      end->at->sessions.push_back(end->session.get());
      end->at->party.store.sync();
    }
    return made;
  }

  // The line is dead; what was on the way is lost. The connection is gone after this.
  void cut(Connection& connection) {
    close(connection);
    connections_.remove_if([&](const Connection& each) { return &each == &connection; });
  }
  // All lines between the two.
  void cut_between(Party& one, Party& other) {
    for (Connection& connection : connections_) {
      const bool theirs = (&connection.a.at->party == &one && &connection.b.at->party == &other) ||
                          (&connection.a.at->party == &other && &connection.b.at->party == &one);
      if (theirs) close(connection);
    }
  }
  void crash(Party& party) {
    for (Connection& connection : connections_) {
      if (&connection.a.at->party == &party || &connection.b.at->party == &party) close(connection);
    }
    party.crash();
    party.replica().set_listener(&endpoint(party));
  }

  // Goes on until nobody has anything to say, or `stop` says so. False: the time was up before.
  bool run(std::int64_t limit_ms = 3'600'000, const std::function<bool()>& stop = {}) {
    const std::int64_t until = now_ms() + limit_ms;
    for (;;) {
      if (step()) {
        if (stop && stop()) return true;
        continue;
      }
      if (!stop && quiet()) return true;
      const std::int64_t next = next_event();
      if (next > until) return false;
      clock.advance_ms(std::max<std::int64_t>(next - now_ms(), 0));
    }
  }
  void run_for(std::int64_t ms) {
    (void)run(ms, [] { return false; });
    clock.advance_ms(0);
  }
  // One round of everybody without moving the clock. False: nothing happened.
  bool step() {
    bool moved = false;
    for (auto& endpoint : endpoints_) moved = step_party(*endpoint) || moved;
    for (Connection& connection : connections_) moved = step_connection(connection) || moved;
    return moved;
  }

  WorldClock clock;

 private:
  Party& put(std::unique_ptr<Party> party) {
    parties_.push_back(std::move(party));
    endpoints_.push_back(std::make_unique<Endpoint>(*parties_.back()));
    parties_.back()->replica().set_listener(endpoints_.back().get());
    return *parties_.back();
  }

  bool step_party(Endpoint& endpoint) {
    if (endpoint.chores || now_ms() >= endpoint.chores_at) {
      endpoint.chores = false;
      endpoint.chores_at = now_ms() + 5'000;
      endpoint.party.replica().handle_tick();
    }
    if (!endpoint.disk_works) return false;
    return endpoint.party.store.persist() + endpoint.party.store.deliver() > 0;
  }

  bool step_connection(Connection& connection) {
    if (!connection.open) return false;
    bool moved = false;
    for (auto [from, to] : {std::pair(&connection.a, &connection.b), std::pair(&connection.b, &connection.a)}) {
      const auto deadline = from->session->next_deadline();
      if (deadline && *deadline <= now_ms()) from->session->handle_tick();
      moved = send(connection, *from) || moved;
      moved = receive(*from, *to) || moved;
    }
    const auto finished = [](const End& end) { return end.session->closed(); };
    if (finished(connection.a) && finished(connection.b)) close(connection);
    return moved;
  }

  bool send(Connection& connection, End& from) {
    bool moved = false;
    Bytes frame;
    while (from.out_bytes < connection.options.window_bytes && from.session->poll_frame(frame)) {
      moved = true;
      if (from.alter) from.alter(frame);
      Bytes packet(protocol::kLinkSizeBytes);
      append(packet, frame);
      packet.resize(packet.size() + protocol::kSealOverheadBytes);
      must(from.link->seal(packet));
      std::vector<Bytes> packets;
      if (from.tamper) {
        packets = from.tamper(std::move(packet));
      } else {
        packets.push_back(std::move(packet));
      }
      for (Bytes& each : packets) {
        from.line_free_ms = std::max(from.line_free_ms, now_ms());
        if (connection.options.bytes_per_ms > 0) {
          from.line_free_ms += static_cast<std::int64_t>(each.size() / connection.options.bytes_per_ms);
        }
        from.out_bytes += each.size();
        from.bytes_sent += each.size();
        from.out.push_back({from.line_free_ms + connection.options.latency_ms, std::move(each)});
      }
    }
    return moved;
  }

  bool receive(End& from, End& to) {
    if (from.out.empty() || from.out.front().arrives_ms > now_ms()) return false;
    Bytes packet = std::move(from.out.front().bytes);
    from.out.pop_front();
    from.out_bytes -= packet.size();
    if (to.error) return true;
    auto frame = to.link->open(MutableByteView(packet).subspan(protocol::kLinkSizeBytes));
    if (!frame) {
      to.error = frame.error();
      to.session->close(protocol::ByeReason::kBadMessage);
      return true;
    }
    if (auto taken = to.session->handle_frame(*frame); !taken) to.error = taken.error();
    return true;
  }

  void close(Connection& connection) {
    if (!connection.open) return;
    connection.open = false;
    for (End* end : {&connection.a, &connection.b}) {
      std::erase(end->at->sessions, end->session.get());
      last_stats_ = end->session->stats();
      stats_of[&end->at->party] = end->session->stats();
      reason_of[&end->at->party] = end->session->peer_reason();
      end->session.reset();
    }
  }

  bool quiet() const {
    for (const auto& endpoint : endpoints_) {
      if (endpoint->party.store.queued() + endpoint->party.store.untold() > 0) return false;
    }
    for (const Connection& connection : connections_) {
      if (!connection.open) continue;
      if (!connection.a.out.empty() || !connection.b.out.empty()) return false;
      for (const End* end : {&connection.a, &connection.b}) {
        if (!end->session->settled() && !end->session->closed()) return false;
      }
    }
    return true;
  }

  std::int64_t next_event() const {
    std::int64_t out = INT64_MAX;
    for (const auto& endpoint : endpoints_) out = std::min(out, endpoint->chores_at);
    for (const Connection& connection : connections_) {
      if (!connection.open) continue;
      for (const End* end : {&connection.a, &connection.b}) {
        if (!end->out.empty()) out = std::min(out, end->out.front().arrives_ms);
        if (const auto deadline = end->session->next_deadline()) out = std::min(out, *deadline);
      }
    }
    return out;
  }

  std::uint64_t seed_;
  SeededRandom random_;
  std::vector<std::unique_ptr<Party>> parties_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::list<Connection> connections_;
  protocol::SessionStats last_stats_;

 public:
  // Of a party's newest session that is closed.
  std::map<const Party*, protocol::SessionStats> stats_of;
  std::map<const Party*, std::optional<protocol::ByeReason>> reason_of;
};

// A channel founded by `founder` with all of `members`, everybody joined, through sessions alone.
inline protocol::ChannelId make_channel(Pair& net, Party& founder, const std::vector<Party*>& members,
                                        protocol::ChannelClass channel_class = protocol::ChannelClass::kShared,
                                        std::string name = "Early warning") {
  protocol::NewChannel wanted;
  wanted.name = std::move(name);
  wanted.channel_class = channel_class;
  wanted.terms = "Purpose: early warning.";
  const protocol::ChannelId id = must(founder.replica().create_channel(wanted, nullptr));
  founder.store.sync();
  for (Party* member : members) {
    introduce(founder, *member);
    must(founder.replica().invite(id, member->org(), protocol::Role::kMember, nullptr));
    Pair::Connection& link = net.connect(founder, *member);
    const auto standing = [&](protocol::ChannelStanding wanted_standing) {
      const auto info = member->replica().channel(id);
      return info && info->standing == wanted_standing;
    };
    net.run(60'000, [&] { return standing(protocol::ChannelStanding::kInvited); });
    must(member->replica().accept(id, nullptr));
    net.run(60'000, [&] { return standing(protocol::ChannelStanding::kJoined); });
    net.run();
    net.cut(link);
  }
  return id;
}

}  // namespace tocsin::test
