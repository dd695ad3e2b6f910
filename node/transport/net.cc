#include "node/transport/net.h"

#include <netinet/tcp.h>

#include <boost/asio/socket_base.hpp>

namespace tocsin::transport {

Deadline::Deadline(tcp::socket& socket, std::int64_t ms)
    : state_(std::make_shared<State>(State{&socket})), timer_(socket.get_executor(), std::chrono::milliseconds(ms)) {
  timer_.async_wait([state = state_](error_code error) {
    if (error || state->socket == nullptr) return;
    state->expired = true;
    // Closing rather than cancelling: a wait that begins after this moment fails too.
    reset(*state->socket);
  });
}

Deadline::~Deadline() {
  state_->socket = nullptr;
  timer_.cancel();
}

void reset(tcp::socket& socket) {
  error_code ignored;  // the socket may be closed or broken already, which is what is wanted
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

void set_options(tcp::socket& socket) {
  error_code ignored;  // a socket that the peer has reset refuses options; the next read says so
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  // Unsent bytes wait in the session, where an alert may still overtake them, rather than in the kernel.
  using NotSentLowWater = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;
  socket.set_option(NotSentLowWater(kUnsentBytesMax), ignored);
}

std::string to_text(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

awaitable<error_code> read_exactly(tcp::socket& socket, MutableByteView into) {
  auto [error, size] = co_await asio::async_read(socket, asio::buffer(into.data(), into.size()), kAwait);
  co_return error;
}

awaitable<error_code> write_all(tcp::socket& socket, ByteView bytes) {
  auto [error, size] = co_await asio::async_write(socket, asio::buffer(bytes.data(), bytes.size()), kAwait);
  co_return error;
}

}  // namespace tocsin::transport
