// What the transport needs of whoever gives its connections a meaning (the engine's Hub), and what the two say to each
// other. No Asio here. One thread calls everything.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "crypto/dh.h"
#include "crypto/noise.h"
#include "crypto/result.h"
#include "protocol/ids.h"
#include "protocol/link.h"

namespace tocsin::transport {

// Names one connection in one run of one process; never reused. 0: none.
using LinkId = protocol::Counter<struct LinkIdTag>;

// Reason codes of connections: why one could not be made, or was lost.
inline constexpr Code kHostNotFound{"host_not_found"};             // environment: the name does not resolve
inline constexpr Code kConnectRefused{"connect_refused"};          // environment: nobody listens at the address
inline constexpr Code kConnectTimeout{"connect_timeout"};          // environment: no answer from the address
inline constexpr Code kNetworkUnreachable{"network_unreachable"};  // environment: no route from here
inline constexpr Code kConnectFailed{"connect_failed"};            // environment: another error of the operating system
inline constexpr Code kSocks5Failed{"socks5_failed"};  // environment: the proxy does not speak SOCKS5, or went away
inline constexpr Code kSocks5AuthFailed{"socks5_auth_failed"};  // environment: the proxy refuses user and password
inline constexpr Code kSocks5Refused{"socks5_refused"};         // environment: the proxy cannot reach the address
inline constexpr Code kHandshakeClosed{
    "handshake_closed"};  // peer: closed before the handshake ended: wrong key, network, or not Tocsin
inline constexpr Code kHandshakeTimeout{"handshake_timeout"};   // peer: did not finish in time (rule 45)
inline constexpr Code kHandshakeBadSize{"handshake_bad_size"};  // peer: a message of a size that cannot be
inline constexpr Code kTooManyHalfOpen{
    "too_many_half_open"};  // peer: cap on unfinished handshakes, all in all (rule 45)
inline constexpr Code kTooManyFromSource{"too_many_from_source"};  // peer: the same, from one address
inline constexpr Code kNotAnswered{
    "not_answered"};  // peer: closed after the handshake without a frame: it does not know us, or blocks us
inline constexpr Code kClosedByPeer{"closed_by_peer"};       // peer: end of stream
inline constexpr Code kConnectionReset{"connection_reset"};  // environment: reset, or the network went away
inline constexpr Code kBadFrameSize{"bad_frame_size"};       // peer: shorter than an empty frame
inline constexpr Code kPeerStuck{"peer_stuck"};              // peer: takes no bytes for kWriteStallMs
inline constexpr Code kLinkFailed{"link_failed"};            // internal: out of memory, or our bug
inline constexpr Code kSessionEnded{"session_ended"};        // nobody's fault: the session said all it had to
inline constexpr Code kStopping{"stopping"};                 // this node shuts down

struct EstablishedLink {
  protocol::LinkRole role = protocol::LinkRole::kInitiator;
  crypto::HandshakeHash handshake_hash;
  crypto::TransportPublic remote;
  std::span<const Bytes> remote_log_end;    // entries of message 3, unchecked; read during the call
  std::string address;                      // dialled ("host:port"), or where it came from
  std::optional<protocol::NodeId> dialled;  // of an initiator: whom it meant to reach
};

// Whom to dial, and with what.
struct DialTarget {
  protocol::OrgId org;
  protocol::NodeId node;
  std::vector<std::string> addresses;  // tried in this order until one gives a handshake
  crypto::TransportPublic transport;
  std::vector<Bytes> log_end;  // payload of message 3 (rule 43)
  protocol::OwnKey own = protocol::OwnKey::kInUse;
};

class LinkUser {
 public:
  virtual ~LinkUser() = default;

  // A handshake ended well. An error means: close without a word, as if it had not (rule 44).
  virtual Result<LinkId> add_link(const EstablishedLink& link) = 0;
  // A dial gave no link; `reason` is that of the last address tried.
  virtual void dial_failed(const protocol::NodeId& node, const Error& reason) = 0;
  // One decrypted frame. After an error no more frames are given; what poll_frame still has is sent, then the
  // connection is closed.
  virtual Result<void> handle_frame(LinkId link, ByteView frame) = 0;
  // No frame of this link should be given for now: the disk does not keep up with what comes on it. What has come waits
  // in the connection, and the peer behind it, until this is false again.
  virtual bool is_behind(LinkId link) const = 0;
  // The next frame into `out` (replaced), at most protocol::kFrameBytesMax. False: nothing now; Transport::wake says
  // when to ask again.
  virtual bool poll_frame(LinkId link, Bytes& out) = 0;
  // Nothing more will come out of poll_frame: close the connection.
  virtual bool link_finished(LinkId link) const = 0;
  // The connection is gone. Called once for each link that was added, and nothing about the link afterwards.
  virtual void link_closed(LinkId link, const Error& reason) = 0;
  // Something of a stranger's was refused before there was a link.
  virtual void refused(const Error& reason) = 0;
};

}  // namespace tocsin::transport
