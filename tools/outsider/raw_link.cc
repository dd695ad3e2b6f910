#include "tools/outsider/raw_link.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "crypto/hash.h"
#include "protocol/card.h"

namespace tocsin::tools {
namespace {

using protocol::kLinkSizeBytes;
using protocol::kSealOverheadBytes;
using protocol::Link;

constexpr Code kUnreachable{"unreachable"};
constexpr Code kClosedByPeer{"closed"};
constexpr int kRestMs = 20'000;  // for the rest of a message that has begun, and for the handshake

bool write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

RawLink::Got read_exactly(int fd, MutableByteView out, int wait_ms) {
  while (!out.empty()) {
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, wait_ms) <= 0) return RawLink::Got::kSilence;
    const auto n = ::recv(fd, out.data(), out.size(), 0);
    if (n <= 0) return RawLink::Got::kClosed;
    out = out.subspan(static_cast<std::size_t>(n));
    wait_ms = kRestMs;
  }
  return RawLink::Got::kFrame;
}

RawLink::Got read_message(int fd, Bytes& out, int wait_ms) {
  std::array<std::uint8_t, kLinkSizeBytes> size{};
  if (const auto got = read_exactly(fd, size, wait_ms); got != RawLink::Got::kFrame) return got;
  out.resize(load_le16(size.data()));
  return read_exactly(fd, out, kRestMs);
}

}  // namespace

RawLink::RawLink(RawLink&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), link_(std::move(other.link_)), message_(std::move(other.message_)) {}
RawLink::~RawLink() {
  if (fd_ >= 0) ::close(fd_);
}

Result<int> RawLink::dial(const std::string& address) {
  TOCSIN_ASSIGN(where, protocol::parse_address(address));
  const auto& [host, port] = where;
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0 || found == nullptr)
    return environment_error(kUnreachable, "cannot resolve " + host);
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = fd >= 0 && ::connect(fd, found->ai_addr, found->ai_addrlen) == 0;
  ::freeaddrinfo(found);
  if (connected) {
    const timeval limit{kRestMs / 1000, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return fd;
  }
  if (fd >= 0) ::close(fd);
  return environment_error(kUnreachable, "cannot connect to " + address);
}

Result<RawLink> RawLink::connect(const protocol::NodeSecrets& secrets, const crypto::TransportPublic& remote,
                                 std::string_view network, std::span<const Bytes> log_end, const std::string& address,
                                 crypto::Random& random) {
  TOCSIN_ASSIGN(link, Link::initiator(secrets, remote, network, nullptr, log_end, random));
  TOCSIN_ASSIGN(fd, dial(address));
  RawLink out(fd, std::move(link));
  while (!out.link_.established()) {
    if (out.link_.wants_to_write()) {
      TOCSIN_ASSIGN(message, out.link_.write_handshake());
      if (!write_all(out.fd_, message)) return environment_error(kClosedByPeer, "during the handshake");
      continue;
    }
    if (read_message(out.fd_, out.message_, kRestMs) != Got::kFrame)
      return environment_error(kClosedByPeer,
                               "during the handshake: the node does not know this one, or the address is another's");
    TOCSIN_TRY(out.link_.read_handshake(out.message_));
  }
  return out;
}

bool RawLink::send(ByteView frame) {
  Bytes buffer(kLinkSizeBytes + frame.size() + kSealOverheadBytes);
  std::copy(frame.begin(), frame.end(), buffer.begin() + kLinkSizeBytes);
  return link_.seal(buffer).ok() && write_all(fd_, buffer);
}

RawLink::Got RawLink::read(int wait_ms, ByteView& frame) {
  if (const auto got = read_message(fd_, message_, wait_ms); got != Got::kFrame) return got;
  auto opened = link_.open(message_);
  if (!opened) return Got::kClosed;
  frame = *opened;
  return Got::kFrame;
}

protocol::wire::Token token_of(const protocol::ChannelId& channel, const crypto::HandshakeHash& hash,
                               protocol::LinkRole role, std::uint32_t round) {
  std::array<std::uint8_t, 5> tail{static_cast<std::uint8_t>(role)};
  store_le32(tail.data() + 1, round);
  const auto full = crypto::keyed_hash256(channel.view(), crypto::kPersonalToken, {hash.view(), tail});
  return *protocol::wire::Token::from(full.view().first(protocol::wire::kTokenBytes));
}

}  // namespace tocsin::tools
