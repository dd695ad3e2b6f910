// The handshake over a socket (rules 42 to 45): exact-size reads into one fixed buffer, one deadline, one error for the
// log, silence for the peer.
#include "node/transport/net.h"

namespace tocsin::transport {
namespace {

using Buffer = std::array<std::uint8_t, protocol::kLinkSizeBytes + protocol::kHandshakeBytesMax>;

Error handshake_error(error_code error, const Deadline& deadline) {
  if (deadline.expired()) return peer_error(kHandshakeTimeout, "the handshake took too long");
  if (error == asio::error::eof || error == asio::error::connection_reset || error == asio::error::broken_pipe) {
    return peer_error(kHandshakeClosed,
                      "closed during the handshake: another key or network there, or not a Tocsin node");
  }
  return environment_error(kConnectionReset, error.message());
}

awaitable<Result<void>> write_message(tcp::socket& socket, protocol::Link& link, const Deadline& deadline) {
  const auto message = link.write_handshake();
  if (!message) co_return message.error();
  if (const error_code error = co_await write_all(socket, *message)) co_return handshake_error(error, deadline);
  co_return kOk;
}

awaitable<Result<void>> read_message(tcp::socket& socket, protocol::Link& link, const Deadline& deadline) {
  Buffer buffer;
  const MutableByteView all(buffer);
  const auto [least, most] = link.handshake_size();
  // Size and least possible message in one read: a wrong size is found out no sooner than wrong bytes.
  if (const error_code error = co_await read_exactly(socket, all.first(protocol::kLinkSizeBytes + least))) {
    co_return handshake_error(error, deadline);
  }
  const std::size_t size = load_le16(buffer.data());
  if (size < least || size > most) co_return peer_error(kHandshakeBadSize, "a handshake message of an impossible size");
  const MutableByteView rest = all.subspan(protocol::kLinkSizeBytes + least, size - least);
  if (!rest.empty()) {
    if (const error_code error = co_await read_exactly(socket, rest)) co_return handshake_error(error, deadline);
  }
  co_return link.read_handshake(all.subspan(protocol::kLinkSizeBytes, size));
}

awaitable<Result<protocol::Link>> shake(tcp::socket& socket, Result<protocol::Link> link, std::int64_t ms) {
  if (!link) co_return link;
  const Deadline deadline(socket, ms);
  while (!link->established()) {
    // Closed from outside (deadline, or the node stops): nothing of what this needs may be there any more.
    if (!socket.is_open()) co_return handshake_error(asio::error::operation_aborted, deadline);
    if (link->wants_to_write()) {
      const auto written = co_await write_message(socket, *link, deadline);
      if (!written) co_return written.error();
    } else {
      const auto read = co_await read_message(socket, *link, deadline);
      if (!read) co_return read.error();
    }
  }
  if (deadline.expired()) co_return peer_error(kHandshakeTimeout, "the handshake took too long");
  co_return link;
}

}  // namespace

awaitable<Result<protocol::Link>> shake_as_initiator(tcp::socket& socket, const DialTarget& target,
                                                     const protocol::NodeSecrets& secrets, const Config& config,
                                                     crypto::Random& random) {
  const crypto::PairKey* psk = config.psk_for ? config.psk_for(target.transport) : nullptr;
  co_return co_await shake(
      socket,
      protocol::Link::initiator(secrets, target.transport, config.network, psk, target.log_end, random, target.own),
      config.handshake_ms);
}

awaitable<Result<protocol::Link>> shake_as_responder(tcp::socket& socket, const protocol::NodeSecrets& secrets,
                                                     const Config& config, crypto::Random& random) {
  co_return co_await shake(socket, protocol::Link::responder(secrets, config.network, config.psk_for, random),
                           config.handshake_ms);
}

}  // namespace tocsin::transport
