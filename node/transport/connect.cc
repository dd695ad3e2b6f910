// Making a TCP connection: names, several addresses of a name, SOCKS5 (RFC 1928, RFC 1929).
#include <boost/asio/connect.hpp>

#include "node/transport/net.h"
#include "protocol/card.h"

namespace tocsin::transport {
namespace {

Error connect_error(error_code error, bool expired) {
  if (expired)
    return environment_error(kConnectTimeout, "no answer: is the address right, and does a firewall let it through?");
  if (error == asio::error::connection_refused) {
    return environment_error(kConnectRefused, "nobody listens there: is the node running?");
  }
  if (error == asio::error::network_unreachable || error == asio::error::host_unreachable) {
    return environment_error(kNetworkUnreachable, "no route to that address from here");
  }
  if (error == asio::error::timed_out) return environment_error(kConnectTimeout, "no answer from the address");
  return environment_error(kConnectFailed, error.message());
}

struct Resolving {
  explicit Resolving(const asio::any_io_executor& executor) : resolver(executor), wake(executor) {}
  tcp::resolver resolver;
  asio::steady_timer wake;
  std::optional<error_code> error;
  std::vector<tcp::endpoint> endpoints;
};

// The system's resolver cannot be interrupted, so the wait is on a timer which the answer cuts short; a late answer
// finds nobody.
awaitable<Result<std::vector<tcp::endpoint>>> resolve(const std::string& host, std::uint16_t port, std::int64_t ms) {
  error_code not_numeric;
  const auto address = asio::ip::make_address(host, not_numeric);
  if (!not_numeric) co_return std::vector<tcp::endpoint>{tcp::endpoint(address, port)};

  const auto state = std::make_shared<Resolving>(co_await asio::this_coro::executor);
  state->wake.expires_after(std::chrono::milliseconds(ms));
  state->resolver.async_resolve(host, std::to_string(port),
                                [state](error_code error, const tcp::resolver::results_type& results) {
                                  state->error = error;
                                  for (const auto& result : results) state->endpoints.push_back(result.endpoint());
                                  state->wake.cancel();
                                });
  co_await state->wake.async_wait(kAwait);
  if (!state->error) {
    state->resolver.cancel();
    co_return environment_error(kHostNotFound, "the name server does not answer");
  }
  if (*state->error || state->endpoints.empty()) {
    co_return environment_error(kHostNotFound, "the name does not resolve: check its spelling and the name server");
  }
  co_return state->endpoints;
}

awaitable<Result<void>> connect_directly(tcp::socket& socket, const std::string& host, std::uint16_t port,
                                         std::int64_t ms) {
  auto endpoints = co_await resolve(host, port, ms);
  if (!endpoints) co_return endpoints.error();
  Error last = environment_error(kConnectFailed);
  for (const tcp::endpoint& endpoint : *endpoints) {
    error_code ignored;
    socket.close(ignored);
    error_code error;
    socket.open(endpoint.protocol(), error);
    if (error) {
      last = connect_error(error, false);
      continue;
    }
    const Deadline deadline(socket, ms);
    std::tie(error) = co_await socket.async_connect(endpoint, kAwait);
    if (!error && !deadline.expired()) {
      set_options(socket);
      co_return kOk;
    }
    last = connect_error(error, deadline.expired());
  }
  co_return last;
}

// ---- SOCKS5

constexpr std::uint8_t kSocksVersion = 5, kNoAuthentication = 0, kUserAndPassword = 2, kConnect = 1;
constexpr std::uint8_t kIpv4 = 1, kName = 3, kIpv6 = 4;

Error socks_error(const Deadline& deadline) {
  return environment_error(kSocks5Failed,
                           deadline.expired() ? "the proxy does not answer" : "the proxy closed the connection");
}

Bytes socks_request(const std::string& host, std::uint16_t port) {
  Bytes out{kSocksVersion, kConnect, 0};
  error_code not_numeric;
  const auto address = asio::ip::make_address(host, not_numeric);
  if (!not_numeric && address.is_v4()) {
    out.push_back(kIpv4);
    append(out, address.to_v4().to_bytes());
  } else if (!not_numeric) {
    out.push_back(kIpv6);
    append(out, address.to_v6().to_bytes());
  } else {
    out.push_back(kName);
    out.push_back(static_cast<std::uint8_t>(host.size()));  // at most 253: parse_address
    append(out, as_bytes(host));
  }
  out.push_back(static_cast<std::uint8_t>(port >> 8));
  out.push_back(static_cast<std::uint8_t>(port));
  return out;
}

std::string_view socks_reply_text(std::uint8_t reply) {
  constexpr std::string_view kTexts[] = {"",
                                         "general failure",
                                         "not allowed by the proxy's rules",
                                         "network unreachable",
                                         "host unreachable",
                                         "connection refused",
                                         "time to live expired",
                                         "command not supported",
                                         "address type not supported"};
  return reply < std::size(kTexts) ? kTexts[reply] : "unknown reply";
}

awaitable<Result<void>> socks_login(tcp::socket& socket, const Socks5& proxy, const Deadline& deadline) {
  const bool with_user = !proxy.user.empty();
  const Bytes greeting = with_user ? Bytes{kSocksVersion, 2, kNoAuthentication, kUserAndPassword}
                                   : Bytes{kSocksVersion, 1, kNoAuthentication};
  std::array<std::uint8_t, 2> answer{};
  if (co_await write_all(socket, greeting)) co_return socks_error(deadline);
  if (co_await read_exactly(socket, answer)) co_return socks_error(deadline);
  if (answer[0] != kSocksVersion)
    co_return environment_error(kSocks5Failed, "what listens there is not a SOCKS5 proxy");
  if (answer[1] == kNoAuthentication) co_return kOk;
  if (answer[1] != kUserAndPassword || !with_user) {
    co_return environment_error(kSocks5AuthFailed, "the proxy wants a user and a password, or another kind of login");
  }
  if (proxy.user.size() > 255 || proxy.password.size() > 255) {
    co_return environment_error(kSocks5AuthFailed, "user and password are at most 255 bytes each");
  }
  Bytes login{1, static_cast<std::uint8_t>(proxy.user.size())};
  append(login, as_bytes(proxy.user));
  login.push_back(static_cast<std::uint8_t>(proxy.password.size()));
  append(login, as_bytes(proxy.password));
  if (co_await write_all(socket, login)) co_return socks_error(deadline);
  if (co_await read_exactly(socket, answer)) co_return socks_error(deadline);
  if (answer[1] != 0) co_return environment_error(kSocks5AuthFailed, "the proxy refuses user and password");
  co_return kOk;
}

awaitable<Result<void>> socks_connect(tcp::socket& socket, const std::string& host, std::uint16_t port,
                                      const Deadline& deadline) {
  if (co_await write_all(socket, socks_request(host, port))) co_return socks_error(deadline);
  std::array<std::uint8_t, 4> head{};
  if (co_await read_exactly(socket, head)) co_return socks_error(deadline);
  if (head[0] != kSocksVersion) co_return environment_error(kSocks5Failed, "the proxy's answer is not SOCKS5");
  if (head[1] != 0) co_return environment_error(kSocks5Refused, std::string(socks_reply_text(head[1])));
  std::array<std::uint8_t, 257> bound{};  // the longest name, and the port: of no use here, but to be read
  std::size_t size = 0;
  if (head[3] == kIpv4) size = 4;
  if (head[3] == kIpv6) size = 16;
  if (head[3] == kName) {
    if (co_await read_exactly(socket, MutableByteView(bound).first(1))) co_return socks_error(deadline);
    size = bound[0];
  }
  if (size == 0) co_return environment_error(kSocks5Failed, "the proxy's answer is not SOCKS5");
  if (co_await read_exactly(socket, MutableByteView(bound).first(size + 2))) co_return socks_error(deadline);
  co_return kOk;
}

}  // namespace

awaitable<Result<void>> connect_to(tcp::socket& socket, const std::string& address, const Config& config) {
  const auto target = protocol::parse_address(address);
  if (!target) co_return target.error();
  const auto& [host, port] = *target;
  if (!config.socks5) co_return co_await connect_directly(socket, host, port, config.connect_ms);

  const auto proxy = protocol::parse_address(config.socks5->address);
  if (!proxy) co_return proxy.error();
  const auto connected = co_await connect_directly(socket, proxy->first, proxy->second, config.connect_ms);
  if (!connected)
    co_return environment_error(kSocks5Failed, "the proxy cannot be reached: " + connected.error().detail);
  // A proxy that builds a circuit (Tor) takes longer than a connection does.
  const Deadline deadline(socket, config.connect_ms + config.handshake_ms);
  auto done = co_await socks_login(socket, *config.socks5, deadline);
  if (done) done = co_await socks_connect(socket, host, port, deadline);
  co_return done;
}

}  // namespace tocsin::transport
