// What can be set about connections: every limit with its reason. No Asio here.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "crypto/dh.h"
#include "crypto/result.h"
#include "crypto/secret.h"

namespace tocsin::transport {

inline constexpr std::size_t kHalfOpenMax = 64;          // rule 45: unfinished handshakes in all
inline constexpr std::size_t kHalfOpenPerSourceMax = 8;  // rule 45: by IPv4 address, or IPv6 /64
inline constexpr std::int64_t kHandshakeMs = 20'000;     // rule 45
inline constexpr std::int64_t kConnectMs = 10'000;       // for each address tried
inline constexpr std::int64_t kWriteStallMs = 60'000;    // a peer that takes no byte for so long is given up
inline constexpr std::int64_t kLingerMs = 2'000;  // for the last frame to go out, and for the peer's end of stream
inline constexpr std::size_t kWireFrameBytesMax = 2 + 65'535;  // size field and Noise message
inline constexpr std::size_t kReadBufferBytes =
    4 * kWireFrameBytesMax;  // each link: several frames for each system call
inline constexpr std::size_t kWriteBufferBytes = 4 * kWireFrameBytesMax;  // each link: the same
inline constexpr int kUnsentBytesMax = 128 * 1024;  // each link: in the kernel, not yet on the wire

inline constexpr Code kAddressInUse{"address_in_use"};                // environment
inline constexpr Code kAddressNotAvailable{"address_not_available"};  // environment: not an address of this machine
inline constexpr Code kListenFailed{"listen_failed"};                 // environment: not permitted, or another error

// RFC 1928, with no authentication, or RFC 1929 when a user is given. Names are resolved by the proxy, never here
// (Tor).
struct Socks5 {
  std::string address;  // "host:port"
  std::string user;     // at most 255 bytes; empty: no authentication
  std::string password;
};

struct Config {
  std::string network;
  std::optional<Socks5> socks5;
  // Pre-shared key of a pair (rule 42); null: none is set. The pointer is used before the call into the transport
  // returns.
  std::function<const crypto::PairKey*(const crypto::TransportPublic&)> psk_for;
  std::size_t half_open_max = kHalfOpenMax;
  std::size_t half_open_per_source_max = kHalfOpenPerSourceMax;
  std::int64_t handshake_ms = kHandshakeMs;
  std::int64_t connect_ms = kConnectMs;
  std::int64_t write_stall_ms = kWriteStallMs;
};

}  // namespace tocsin::transport
