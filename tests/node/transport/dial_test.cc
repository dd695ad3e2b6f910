#include "protocol/entry.h"
#include "tests/node/transport/harness.h"

namespace tocsin::transport {
namespace {

// A SOCKS5 proxy of a few lines: plays its script, then joins the two sides.
class Proxy {
 public:
  struct Script {
    std::string user, password;  // empty: no authentication
    std::uint8_t reply = 0;
    std::string answer_instead;  // not SOCKS5 at all
    std::uint8_t bound_type = 1;
    std::map<std::string, std::string> names;  // what this proxy resolves
  };
  Proxy(asio::io_context& loop, Script script)
      : loop_(loop), script_(std::move(script)), acceptor_(loop, {asio::ip::address_v4::loopback(), 0}) {
    spawn(accept());
  }
  std::string address() const { return to_text(acceptor_.local_endpoint()); }
  std::vector<std::string> asked;  // "name:port"

 private:
  void spawn(awaitable<void> coroutine) {
    asio::co_spawn(loop_, std::move(coroutine), [](std::exception_ptr failure) { EXPECT_FALSE(failure); });
  }
  awaitable<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(kAwait);
      if (error) co_return;
      spawn(serve(std::make_shared<tcp::socket>(std::move(socket))));
    }
  }
  awaitable<void> serve(std::shared_ptr<tcp::socket> client) {
    std::array<std::uint8_t, 600> in{};
    const MutableByteView buffer(in);
    if (co_await read_exactly(*client, buffer.first(2))) co_return;
    const std::size_t methods = in[1];
    if (co_await read_exactly(*client, buffer.first(methods))) co_return;
    if (!script_.answer_instead.empty()) {
      (void)co_await write_all(*client, as_bytes(script_.answer_instead));
      co_return;
    }
    const std::uint8_t method = script_.user.empty() ? 0 : 2;
    const bool offered = std::find(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(methods), method) !=
                         in.begin() + static_cast<std::ptrdiff_t>(methods);
    const Bytes chosen{5, offered ? method : std::uint8_t{0xff}};
    if (co_await write_all(*client, chosen) || !offered) co_return;
    if (method == 2) {
      if (co_await read_exactly(*client, buffer.first(2))) co_return;
      std::string user(in[1], '\0'), password;
      if (co_await read_exactly(*client, {reinterpret_cast<std::uint8_t*>(user.data()), user.size()})) co_return;
      if (co_await read_exactly(*client, buffer.first(1))) co_return;
      password.resize(in[0]);
      if (co_await read_exactly(*client, {reinterpret_cast<std::uint8_t*>(password.data()), password.size()}))
        co_return;
      const bool good = user == script_.user && password == script_.password;
      const Bytes verdict{1, good ? std::uint8_t{0} : std::uint8_t{1}};
      if (co_await write_all(*client, verdict) || !good) co_return;
    }
    co_await connect(client);
  }
  awaitable<void> connect(std::shared_ptr<tcp::socket> client) {
    std::array<std::uint8_t, 300> in{};
    const MutableByteView buffer(in);
    if (co_await read_exactly(*client, buffer.first(4))) co_return;
    std::string host;
    if (in[3] == 3) {
      if (co_await read_exactly(*client, buffer.first(1))) co_return;
      host.resize(in[0]);
      if (co_await read_exactly(*client, {reinterpret_cast<std::uint8_t*>(host.data()), host.size()})) co_return;
    } else {
      if (co_await read_exactly(*client, buffer.first(4))) co_return;
      host = asio::ip::address_v4({in[0], in[1], in[2], in[3]}).to_string();
    }
    if (co_await read_exactly(*client, buffer.first(2))) co_return;
    const std::uint16_t port = static_cast<std::uint16_t>((in[0] << 8) | in[1]);
    asked.push_back(host + ":" + std::to_string(port));
    Bytes reply{5, script_.reply, 0, script_.bound_type};
    if (script_.bound_type == 3) reply.push_back(9);
    reply.resize(reply.size() + (script_.bound_type == 1 ? 4 : script_.bound_type == 4 ? 16 : 9) + 2);
    if (co_await write_all(*client, reply) || script_.reply != 0) co_return;
    if (const auto name = script_.names.find(host); name != script_.names.end()) host = name->second;
    const auto server = std::make_shared<tcp::socket>(loop_);
    auto [error] = co_await server->async_connect({asio::ip::make_address(host), port}, kAwait);
    if (error) co_return;
    spawn(carry(client, server));
    co_await carry(server, client);
  }
  static awaitable<void> carry(std::shared_ptr<tcp::socket> from, std::shared_ptr<tcp::socket> to) {
    Bytes buffer(65'536);
    for (;;) {
      auto [error, size] = co_await from->async_read_some(asio::buffer(buffer), kAwait);
      if (error || co_await write_all(*to, ByteView(buffer).first(size))) break;
    }
    error_code ignored;
    to->close(ignored);
  }

  asio::io_context& loop_;
  Script script_;
  tcp::acceptor acceptor_;
};

class Dials : public TransportTest {
 protected:
  // An address at which nobody listens.
  std::string dead_address() {
    tcp::acceptor acceptor(loop, {asio::ip::address_v4::loopback(), 0});
    return to_text(acceptor.local_endpoint());
  }
  Error failure_of(Node& a, const DialTarget& to) {
    a.transport->dial(to);
    EXPECT_TRUE(run_until([&] { return a.user.failures.size() == 1; }));
    return a.user.failures.empty() ? internal_error("none") : a.user.failures[0];
  }
  static Config through(const Proxy& proxy, std::string user = {}, std::string password = {}) {
    Config out = config();
    out.socks5 = Socks5{proxy.address(), std::move(user), std::move(password)};
    return out;
  }
};

TEST_F(Dials, nobody_listens) {
  const auto a = node(), b = node();
  EXPECT_EQ(failure_of(*a, target(*b, {dead_address()})).code.text(), kConnectRefused.text());
}

TEST_F(Dials, an_address_that_cannot_be_is_an_error_and_no_crash) {
  const auto a = node(), b = node();
  for (const auto* bad : {"", "no-port", "host:0", "host:99999", ":1"}) {
    a->user.failures.clear();
    EXPECT_EQ(failure_of(*a, target(*b, {bad})).code.text(), "bad_address") << bad;
  }
}

TEST_F(Dials, the_next_address_is_tried_when_one_fails) {
  const auto a = node(), b = node();
  const std::string good = b->listen();
  a->transport->dial(target(*b, {dead_address(), good}));
  ASSERT_TRUE(run_until([&] { return !a->user.links.empty(); }));
  EXPECT_EQ(a->user.only().facts.address, good);
  EXPECT_TRUE(a->user.failures.empty());
}

TEST_F(Dials, names_are_resolved) {
  const auto a = node(), b = node();
  const std::string good = b->listen();
  a->transport->dial(target(*b, {"localhost" + good.substr(good.rfind(':'))}));
  ASSERT_TRUE(run_until([&] { return !a->user.links.empty(); }));
}

TEST_F(Dials, another_node_at_the_address_is_found_out_and_told_before_lesser_reasons) {
  const auto a = node(), b = node(), other = node();
  const DialTarget to_b_at_others = target(*b, {other->listen(), dead_address()});
  EXPECT_EQ(failure_of(*a, to_b_at_others).code.text(), kHandshakeClosed.text());
  EXPECT_TRUE(other->user.links.empty());
}

TEST_F(Dials, a_listener_that_says_nothing_is_given_up) {
  Config impatient = config();
  impatient.handshake_ms = 200;
  const auto a = node(impatient), b = node();
  tcp::acceptor mute(loop, {asio::ip::address_v4::loopback(), 0});
  EXPECT_EQ(failure_of(*a, target(*b, {to_text(mute.local_endpoint())})).code.text(), kHandshakeTimeout.text());
}

TEST_F(Dials, stop_ends_a_dial_that_waits) {
  const auto a = node(), b = node();
  tcp::acceptor mute(loop, {asio::ip::address_v4::loopback(), 0});
  a->transport->dial(target(*b, {to_text(mute.local_endpoint())}));
  run_ready();
  a->transport->stop({});
  ASSERT_TRUE(run_until([&] { return a->user.failures.size() == 1; }));
  EXPECT_EQ(a->user.failures[0].code.text(), kStopping.text());
}

TEST_F(Dials, the_end_of_the_log_travels_in_the_third_message) {
  const auto a = node(), b = node();
  DialTarget to = target(*b, {b->listen()});
  // Well-formed entries; their content is identify's affair.
  const Bytes header(protocol::kEntryHeaderBytes, 1), signature(65, 2), body(300, 3);
  to.log_end = {protocol::encode_entry({header, signature, body})};
  a->transport->dial(to);
  ASSERT_TRUE(run_until([&] { return !b->user.links.empty(); }));
  EXPECT_EQ(b->user.only().log_end, to.log_end);
}

TEST_F(Dials, a_pair_key_must_be_the_same_on_both_sides) {
  const auto key = crypto::PairKey::random(random), other = crypto::PairKey::random(random);
  Config with_key = config(), with_other = config();
  with_key.psk_for = [&key](const crypto::TransportPublic&) { return &key; };
  with_other.psk_for = [&other](const crypto::TransportPublic&) { return &other; };
  const auto a = node(with_key), b = node(with_key), c = node(with_other), plain = node();
  const std::string address = b->listen();
  a->transport->dial(target(*b, {address}));
  ASSERT_TRUE(run_until([&] { return b->user.links.size() == 1; }));
  c->transport->dial(target(*b, {address}));
  plain->transport->dial(target(*b, {address}));
  ASSERT_TRUE(run_until([&] { return b->user.refusals.size() == 2; }));
  EXPECT_EQ(b->user.links.size(), 1u);
}

TEST_F(Dials, socks5_carries_a_link_and_resolves_the_name_itself) {
  const auto b = node();
  const std::string real = b->listen();
  const std::string port = real.substr(real.rfind(':'));
  for (const std::uint8_t bound_type : {1, 3, 4}) {
    Proxy proxy(loop, {.bound_type = bound_type, .names = {{"node.onion", "127.0.0.1"}}});
    const auto a = node(through(proxy));
    a->user.on_link = [](LinkId, RecordingUser::State& state) {
      state.to_send.push_back(pattern(100'000 % 65'000, 1));
    };
    a->transport->dial(target(*b, {"node.onion" + port}));
    ASSERT_TRUE(run_until([&] { return !b->user.links.empty() && b->user.links.rbegin()->second.frames.size() == 1; }));
    EXPECT_EQ(proxy.asked, std::vector<std::string>{"node.onion" + port});
    b->user.links.rbegin()->second.frames.clear();
    a->transport->stop({});
    const std::size_t still = b->user.links.size();
    ASSERT_TRUE(run_until([&] { return b->user.links.rbegin()->second.closed.has_value(); }));
    EXPECT_EQ(b->user.links.size(), still);
  }
}

TEST_F(Dials, socks5_with_user_and_password) {
  const auto b = node();
  const std::string address = b->listen();
  Proxy proxy(loop, {.user = "partner", .password = "secret"});
  const auto right = node(through(proxy, "partner", "secret")), wrong = node(through(proxy, "partner", "guess")),
             none = node(through(proxy));
  right->transport->dial(target(*b, {address}));
  ASSERT_TRUE(run_until([&] { return !right->user.links.empty(); }));
  EXPECT_EQ(failure_of(*wrong, target(*b, {address})).code.text(), kSocks5AuthFailed.text());
  EXPECT_EQ(failure_of(*none, target(*b, {address})).code.text(), kSocks5AuthFailed.text());
}

TEST_F(Dials, socks5_refusals_and_strange_proxies) {
  const auto b = node();
  const std::string address = b->listen();
  Proxy refusing(loop, {.reply = 5});
  EXPECT_EQ(failure_of(*node(through(refusing)), target(*b, {address})).code.text(), kSocks5Refused.text());
  Proxy web(loop, {.answer_instead = "HTTP/1.1 400 Bad Request\r\n\r\n"});
  EXPECT_EQ(failure_of(*node(through(web)), target(*b, {address})).code.text(), kSocks5Failed.text());
  Config dead = config();
  dead.socks5 = Socks5{dead_address(), {}, {}};
  EXPECT_EQ(failure_of(*node(dead), target(*b, {address})).code.text(), kSocks5Failed.text());
}

}  // namespace
}  // namespace tocsin::transport
