// Asio, as the transport's own sources use it. Not for other folders: it costs seconds to compile.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <memory>

#include "crypto/bytes.h"
#include "crypto/random.h"
#include "crypto/result.h"
#include "node/transport/config.h"
#include "node/transport/link_user.h"
#include "protocol/link.h"
#include "protocol/node_secrets.h"

namespace tocsin::transport {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;

// Every wait gives its error as a value: an exception could be lost on the way.
inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// Closes a socket at a point in time, and remembers that it did. One for each phase of a connection instead of one for
// each read. The socket outlives it.
class Deadline {
 public:
  Deadline(tcp::socket& socket, std::int64_t ms);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  bool expired() const { return state_->expired; }

 private:
  struct State {
    tcp::socket* socket;  // null: nobody waits any more
    bool expired = false;
  };
  std::shared_ptr<State> state_;
  asio::steady_timer timer_;
};

// Ends a connection with a reset whatever stands in its buffers: all failures before a link look alike from outside
// (rule 44).
void reset(tcp::socket& socket);
// No delay for small frames, and keep-alive for links that lie idle between pings.
void set_options(tcp::socket& socket);
// "1.2.3.4:5", "[::1]:5".
std::string to_text(const tcp::endpoint& endpoint);

// Reads or writes all of it; the error is the operating system's.
awaitable<error_code> read_exactly(tcp::socket& socket, MutableByteView into);
awaitable<error_code> write_all(tcp::socket& socket, ByteView bytes);

// A connected socket to "host:port", by the proxy where one is set. `socket` is open afterwards, or the error says why
// not.
awaitable<Result<void>> connect_to(tcp::socket& socket, const std::string& address, const Config& config);

// The deadline of rule 45 is inside. Errors: handshake_*, or those of protocol::Link.
awaitable<Result<protocol::Link>> shake_as_initiator(tcp::socket& socket, const DialTarget& target,
                                                     const protocol::NodeSecrets& secrets, const Config& config,
                                                     crypto::Random& random);
awaitable<Result<protocol::Link>> shake_as_responder(tcp::socket& socket, const protocol::NodeSecrets& secrets,
                                                     const Config& config, crypto::Random& random);

}  // namespace tocsin::transport
