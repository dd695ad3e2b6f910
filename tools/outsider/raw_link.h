// A link to a node without an engine: a socket that waits, and one frame at a time. For programs that speak the wire
// protocol themselves (docs/protocol.md, section 9), as no honest node would.
#pragma once

#include <span>
#include <string>

#include "crypto/random.h"
#include "protocol/link.h"
#include "protocol/wire.h"

namespace tocsin::tools {

class RawLink {
 public:
  // Dials and shakes hands as the node of `secrets`, showing `log_end` of its organisation's log. Errors (environment):
  // unreachable, closed (during the handshake); those of Link.
  static Result<RawLink> connect(const protocol::NodeSecrets& secrets, const crypto::TransportPublic& remote,
                                 std::string_view network, std::span<const Bytes> log_end, const std::string& address,
                                 crypto::Random& random);
  // A connection alone; the descriptor is the caller's.
  static Result<int> dial(const std::string& address);
  RawLink(RawLink&& other) noexcept;
  RawLink& operator=(RawLink&&) = delete;
  ~RawLink();

  const crypto::HandshakeHash& handshake_hash() const { return link_.handshake_hash(); }
  // False: the other end has closed, or takes nothing.
  bool send(ByteView frame);
  enum class Got { kFrame, kSilence, kClosed };
  // The next frame into `frame`, which is valid until the next call; silence after so many milliseconds without one.
  Got read(int wait_ms, ByteView& frame);

 private:
  RawLink(int fd, protocol::Link link) : fd_(fd), link_(std::move(link)) {}
  int fd_;
  protocol::Link link_;
  Bytes message_;
};

// What a slot for that channel begins with in this session.
protocol::wire::Token token_of(const protocol::ChannelId& channel, const crypto::HandshakeHash& hash,
                               protocol::LinkRole role, std::uint32_t round);

}  // namespace tocsin::tools
