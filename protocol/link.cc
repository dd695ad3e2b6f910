#include "protocol/link.h"

#include "protocol/entry.h"

namespace tocsin::protocol {
namespace {

using crypto::HandshakeState;
using crypto::NoiseXKpsk3;

constexpr std::size_t kEntrySizeBytes = 4;
constexpr std::size_t kLogEndBytesMax = kHandshakeBytesMax - NoiseXKpsk3::kMessage3Overhead;
constexpr std::size_t kLogEndEntriesMax = 255;  // u8 count

// The newest entries that fit, in the order of the log; empty when there is none.
Bytes encode_log_end(std::span<const Bytes> entries) {
  std::size_t first = entries.size();
  std::size_t size = 1;
  while (first > 0 && entries.size() - first < kLogEndEntriesMax) {
    const std::size_t more = kEntrySizeBytes + entries[first - 1].size();
    if (size + more > kLogEndBytesMax) break;
    size += more;
    --first;
  }
  if (first == entries.size()) return {};
  Bytes out;
  out.reserve(size);
  out.push_back(static_cast<std::uint8_t>(entries.size() - first));
  for (; first < entries.size(); ++first) {
    out.resize(out.size() + kEntrySizeBytes);
    store_le32(out.data() + out.size() - kEntrySizeBytes, static_cast<std::uint32_t>(entries[first].size()));
    append(out, entries[first]);
  }
  return out;
}

// The payload is authenticated by then, but not yet from anybody who is known: sizes are checked, contents are
// identify()'s.
Result<std::vector<Bytes>> decode_log_end(ByteView payload) {
  std::vector<Bytes> out;
  if (payload.empty()) return out;
  const std::size_t count = payload[0];
  ByteView rest = payload.subspan(1);
  if (count == 0) return peer_error(kBadLogEnd, "an empty list is sent as an empty payload");
  for (std::size_t i = 0; i < count; ++i) {
    if (rest.size() < kEntrySizeBytes) return peer_error(kBadLogEnd, "the list ends inside an entry");
    const std::size_t size = load_le32(rest.data());
    rest = rest.subspan(kEntrySizeBytes);
    if (size > rest.size()) return peer_error(kBadLogEnd, "the list ends inside an entry");
    if (auto entry = decode_entry(rest.first(size)); !entry) return entry.error();
    out.push_back(to_bytes(rest.first(size)));
    rest = rest.subspan(size);
  }
  if (!rest.empty()) return peer_error(kBadLogEnd, "bytes behind the last entry");
  return out;
}

}  // namespace

struct Link::Impl {
  Impl(LinkRole the_role, HandshakeState the_handshake) : role(the_role), handshake(std::move(the_handshake)) {}

  LinkRole role;
  std::optional<HandshakeState> handshake;  // until established
  std::optional<HandshakeState> other;      // responder, until message 1: under the node's other transport key
  Bytes log_end;                            // payload of message 3, initiator
  std::optional<crypto::SessionKeys> keys;
  crypto::HandshakeHash handshake_hash;
  crypto::TransportPublic remote;
  std::vector<Bytes> remote_log_end;
  bool failed = false;
  int message = 1;  // number of the next handshake message

  bool third() const { return message == 3; }
  Error fail(Error error);
  Result<void> finish();
  Result<Bytes> read(ByteView message_bytes);
};

// Forgets all keys: what failed once gives nothing more, whatever is called (rule 44).
Error Link::Impl::fail(Error error) {
  failed = true;
  handshake.reset();
  other.reset();
  keys.reset();
  return error;
}

Result<Bytes> Link::Impl::read(ByteView message_bytes) {
  auto payload = handshake->read_message(message_bytes);
  if (!other) return payload;
  // Both are always tried.
  auto payload_other = other->read_message(message_bytes);
  if (!payload && payload_other) {
    handshake = std::move(other);
    payload = std::move(payload_other);
  }
  other.reset();
  return payload;
}

Result<void> Link::Impl::finish() {
  if (!handshake->finished()) return kOk;
  remote = *handshake->remote_static();
  auto split = handshake->split();
  if (!split) return fail(split.error());
  keys = std::move(*split);
  handshake_hash = keys->handshake_hash;
  handshake.reset();
  return kOk;
}

Result<Link> Link::initiator(const NodeSecrets& secrets, const crypto::TransportPublic& remote,
                             std::string_view network, const crypto::PairKey* psk, std::span<const Bytes> log_end,
                             crypto::Random& random, OwnKey own) {
  const Bytes prologue = crypto::noise_prologue(kWireMajor, network);
  const auto& ours = own == OwnKey::kOther && secrets.transport_other ? *secrets.transport_other : secrets.transport;
  TOCSIN_ASSIGN(handshake, NoiseXKpsk3::initiator(ours, remote, psk, prologue, random));
  auto impl = std::make_unique<Impl>(LinkRole::kInitiator, std::move(handshake));
  impl->log_end = encode_log_end(log_end);
  return Link(std::move(impl));
}

Result<Link> Link::responder(const NodeSecrets& secrets, std::string_view network,
                             std::function<const crypto::PairKey*(const crypto::TransportPublic&)> psk_for,
                             crypto::Random& random) {
  const Bytes prologue = crypto::noise_prologue(kWireMajor, network);
  TOCSIN_ASSIGN(handshake, NoiseXKpsk3::responder(secrets.transport, psk_for, prologue, random));
  auto impl = std::make_unique<Impl>(LinkRole::kResponder, std::move(handshake));
  if (secrets.transport_other) {
    TOCSIN_ASSIGN(other, NoiseXKpsk3::responder(*secrets.transport_other, std::move(psk_for), prologue, random));
    impl->other = std::move(other);
  }
  return Link(std::move(impl));
}

Link::Link(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Link::Link(Link&&) noexcept = default;
Link& Link::operator=(Link&&) noexcept = default;
Link::~Link() = default;

bool Link::established() const { return impl_->keys.has_value(); }
bool Link::wants_to_write() const { return impl_->handshake && impl_->handshake->my_turn(); }

Result<Bytes> Link::write_handshake() {
  if (!wants_to_write()) return caller_error(kLinkFailed, "it is not our turn in the handshake");
  auto message = impl_->handshake->write_message(impl_->third() ? ByteView(impl_->log_end) : ByteView{});
  if (!message) return impl_->fail(message.error());
  Bytes out(kLinkSizeBytes);
  store_le16(out.data(), static_cast<std::uint16_t>(message->size()));
  append(out, *message);
  ++impl_->message;
  TOCSIN_TRY(impl_->finish());
  return out;
}

std::pair<std::size_t, std::size_t> Link::handshake_size() const {
  switch (impl_->message) {
    case 1:
      return {NoiseXKpsk3::kMessage1Size, NoiseXKpsk3::kMessage1Size};
    case 2:
      return {NoiseXKpsk3::kMessage2Size, NoiseXKpsk3::kMessage2Size};
    default:
      return {NoiseXKpsk3::kMessage3Overhead, kHandshakeBytesMax};
  }
}

Result<void> Link::read_handshake(ByteView message) {
  if (!impl_->handshake || impl_->handshake->my_turn()) {
    return impl_->fail(caller_error(kLinkFailed, "no handshake message is expected"));
  }
  const auto [least, most] = handshake_size();
  if (message.size() < least || message.size() > most) return impl_->fail(peer_error(kHandshakeSize));
  auto payload = impl_->read(message);
  if (!payload) return impl_->fail(payload.error());
  if (impl_->third()) {
    auto log_end = decode_log_end(*payload);
    if (!log_end) return impl_->fail(log_end.error());
    impl_->remote_log_end = std::move(*log_end);
  }
  ++impl_->message;
  return impl_->finish();
}

LinkRole Link::role() const { return impl_->role; }
const crypto::HandshakeHash& Link::handshake_hash() const { return impl_->handshake_hash; }
const crypto::TransportPublic& Link::remote() const { return impl_->remote; }
const std::vector<Bytes>& Link::remote_log_end() const { return impl_->remote_log_end; }

Result<void> Link::seal(MutableByteView buffer) {
  if (!impl_->keys) return caller_error(kLinkFailed, "the link is not established");
  if (buffer.size() <= kLinkSizeBytes + kSealOverheadBytes ||
      buffer.size() > kLinkSizeBytes + kFrameBytesMax + kSealOverheadBytes) {
    return caller_error(kBadFrameBytes, "a frame has 1 to 65,519 bytes");
  }
  const MutableByteView message = buffer.subspan(kLinkSizeBytes);
  crypto::CipherState& send = impl_->keys->send;
  if (auto sealed = send.encrypt_in_place(message); !sealed) return impl_->fail(sealed.error());
  store_le16(buffer.data(), static_cast<std::uint16_t>(message.size()));
  if (send.nonce() % kRekeyFrames == 0) send.rekey();
  return kOk;
}

Result<ByteView> Link::open(MutableByteView message) {
  if (!impl_->keys) return caller_error(kLinkFailed, "the link is not established");
  if (message.size() <= kSealOverheadBytes || message.size() > kFrameBytesMax + kSealOverheadBytes) {
    return impl_->fail(peer_error(kBadFrameBytes, "a frame has 1 to 65,519 bytes"));
  }
  crypto::CipherState& receive = impl_->keys->receive;
  auto frame = receive.decrypt_in_place(message);
  if (!frame) return impl_->fail(frame.error());
  if (receive.nonce() % kRekeyFrames == 0) receive.rekey();
  return ByteView(*frame);
}

}  // namespace tocsin::protocol
