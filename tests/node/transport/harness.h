// Two ends of a transport in one process, on one loop, over loopback with ports that the kernel chooses.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "node/transport/net.h"
#include "node/transport/transport.h"

namespace tocsin::transport {

inline std::unique_ptr<protocol::NodeSecrets> make_secrets(crypto::Random& random) {
  return std::make_unique<protocol::NodeSecrets>(protocol::NodeSecrets{
      crypto::TransportKeyPair::generate(random), protocol::SecondTier{crypto::SigningKey::generate(random),
                                                                       crypto::EncryptionKeyPair::generate(random),
                                                                       {},
                                                                       protocol::ReadingKey::random(random)}});
}

// Sends what it is given and keeps what comes.
class RecordingUser : public LinkUser {
 public:
  struct State {
    EstablishedLink facts;
    std::vector<Bytes> log_end;
    std::deque<Bytes> to_send;
    std::vector<Bytes> frames;
    std::uint64_t bytes_received = 0;
    std::uint64_t frames_received = 0;
    bool keep = true;  // false: only counts
    bool finished = false;
    std::optional<Error> closed;
  };

  Result<LinkId> add_link(const EstablishedLink& link) override {
    if (refuse_links) return peer_error(Code("unknown_peer"));
    const LinkId id{++last};
    State& state = links[id.value];
    state.facts = link;
    state.log_end.assign(link.remote_log_end.begin(), link.remote_log_end.end());
    if (on_link) on_link(id, state);
    return id;
  }
  void dial_failed(const protocol::NodeId&, const Error& reason) override { failures.push_back(reason); }
  Result<void> handle_frame(LinkId id, ByteView frame) override {
    State& state = links.at(id.value);
    ++state.frames_received;
    state.bytes_received += frame.size();
    if (state.keep) state.frames.push_back(to_bytes(frame));
    if (on_frame) return on_frame(id, state, frame);
    return kOk;
  }
  bool is_behind(LinkId) const override { return behind; }
  bool poll_frame(LinkId id, Bytes& out) override {
    State& state = links.at(id.value);
    if (make_frame && make_frame(id, out)) return true;
    if (state.to_send.empty()) return false;
    out = std::move(state.to_send.front());
    state.to_send.pop_front();
    return true;
  }
  bool link_finished(LinkId id) const override { return links.at(id.value).finished; }
  void link_closed(LinkId id, const Error& reason) override {
    State& state = links.at(id.value);
    EXPECT_FALSE(state.closed.has_value()) << "a link is closed once";
    state.closed = reason;
  }
  void refused(const Error& reason) override { refusals.push_back(reason); }

  State& only() {
    EXPECT_EQ(links.size(), 1u);
    return links.begin()->second;
  }

  std::map<std::uint64_t, State> links;
  std::vector<Error> failures;
  std::vector<Error> refusals;
  bool refuse_links = false;
  bool behind = false;
  std::function<void(LinkId, State&)> on_link;
  std::function<Result<void>(LinkId, State&, ByteView)> on_frame;
  std::function<bool(LinkId, Bytes&)> make_frame;
  std::uint64_t last = 0;
};

class TransportTest : public ::testing::Test {
 protected:
  struct Node {
    Node(TransportTest& test, Config config)
        : secrets(make_secrets(test.random)),
          transport(std::make_unique<Transport>(test.loop, *secrets, std::move(config), user, test.random, test.log)) {}
    std::string listen() {
      const auto real = transport->listen("127.0.0.1:0");
      EXPECT_TRUE(real.ok());
      return real.ok() ? *real : std::string();
    }
    RecordingUser user;
    std::unique_ptr<protocol::NodeSecrets> secrets;
    std::unique_ptr<Transport> transport;
  };

  static Config config() {
    Config out;
    out.network = "test";
    return out;
  }
  std::unique_ptr<Node> node(Config of = config()) { return std::make_unique<Node>(*this, std::move(of)); }

  DialTarget target(const Node& to, std::vector<std::string> addresses) {
    return {{},
            crypto::random_fixed<protocol::NodeId>(random),
            std::move(addresses),
            to.secrets->transport.public_key(),
            {}};
  }

  // Runs the loop until `done`, at most two minutes of real time: only a failing test waits that long.
  template <class Condition>
  bool run_until(Condition done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop.restart();
      loop.run_one_for(std::chrono::milliseconds(50));
    }
    return true;
  }
  // Lets the loop do whatever it can do at once.
  void run_ready() {
    for (int i = 0; i < 20; ++i) {
      loop.restart();
      loop.run_for(std::chrono::milliseconds(1));
    }
  }

  crypto::SystemRandom random;
  SilentLog log;
  asio::io_context loop{1};
};

// A stranger with a bare socket: sends bytes, and notes what comes until the connection ends.
class Stranger {
 public:
  Stranger(asio::io_context& loop, const std::string& address) : socket_(loop) {
    const std::size_t colon = address.rfind(':');
    socket_.connect({asio::ip::make_address(address.substr(0, colon)),
                     static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)))});
    listen();
  }
  void send(Bytes bytes) {
    error_code ignored;  // a peer that has reset us already is what some tests are about
    asio::write(socket_, asio::buffer(bytes), ignored);
  }
  const Bytes& received() const { return received_; }
  const std::optional<error_code>& end() const { return end_; }
  tcp::socket& socket() { return socket_; }

 private:
  void listen() {
    socket_.async_read_some(asio::buffer(buffer_), [this](error_code error, std::size_t size) {
      if (error == asio::error::operation_aborted) return;  // closed by us: there may be no Stranger any more
      received_.insert(received_.end(), buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size));
      if (error) {
        end_ = error;
      } else {
        listen();
      }
    });
  }
  tcp::socket socket_;
  std::array<std::uint8_t, 4096> buffer_{};
  Bytes received_;
  std::optional<error_code> end_;
};

inline Bytes pattern(std::size_t size, std::uint8_t seed) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(seed + i * 31);
  return out;
}

}  // namespace tocsin::transport
