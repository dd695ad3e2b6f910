#include "protocol/feed.h"

#include <cassert>

#include "protocol/canonical.h"
#include "protocol/channel.capnp.h"

namespace tocsin::protocol {
namespace {

// Plaintext of a feed entry: format, flags, kind, certificate size.
constexpr std::uint8_t kPlaintextFormat = 1;
constexpr std::uint8_t kFlagCertificate = 0x01;
constexpr std::size_t kPlaintextHeadBytes = 6;

constexpr std::size_t kFeedCertificateBytesMax = 4096;  // today some 250; a later version may add fields that we skip

Error bad_feed_certificate(std::string detail) { return peer_error(kBadFeedCertificate, std::move(detail)); }

Result<FeedCertificate> read_feed_certificate(schema::FeedCertificate::Reader in) {
  using canonical::take;
  if (in.getFormatVersion() != kFormatVersion) {
    return bad_feed_certificate("the feed certificate has a version unknown here");
  }
  FeedCertificate out;
  if (!take(out.channel, in.getChannelId()) || !take(out.org, in.getOrgId()) || !take(out.node, in.getNodeId()) ||
      !take(out.feed, in.getFeedKey())) {
    return bad_feed_certificate("an id or key in the feed certificate has a wrong size");
  }
  out.generation = in.getGeneration();
  out.created = {in.getCreated()};
  if (out.generation == 0) return bad_feed_certificate("generations begin with 1");
  return out;
}

}  // namespace

void encode_feed_plaintext_into(Bytes& out, FeedKind kind, ByteView certificate, ByteView payload) {
  assert(certificate.size() <= 0xffff);
  out.resize(kPlaintextHeadBytes);
  out[0] = kPlaintextFormat;
  out[1] = certificate.empty() ? 0 : kFlagCertificate;
  store_le16(&out[2], static_cast<std::uint16_t>(kind));
  store_le16(&out[4], static_cast<std::uint16_t>(certificate.size()));
  append(out, certificate);
  append(out, payload);
}

Bytes encode_feed_plaintext(FeedKind kind, ByteView certificate, ByteView payload) {
  Bytes out;
  out.reserve(kPlaintextHeadBytes + certificate.size() + payload.size());
  encode_feed_plaintext_into(out, kind, certificate, payload);
  return out;
}

Result<FeedPlaintext> decode_feed_plaintext(ByteView plaintext) {
  if (plaintext.size() < kPlaintextHeadBytes) return peer_error(kBadPlaintext, "the plaintext is cut");
  if (plaintext[0] != kPlaintextFormat) return peer_error(kBadPlaintext, "the plaintext has a format unknown here");
  const std::uint8_t flags = plaintext[1];
  if ((flags & ~kFlagCertificate) != 0) return peer_error(kBadPlaintext, "the plaintext has flags unknown here");
  const std::size_t certificate_bytes = load_le16(&plaintext[4]);
  if ((certificate_bytes != 0) != (flags == kFlagCertificate)) {
    return peer_error(kBadPlaintext, "certificate size and flag do not agree");
  }
  const ByteView rest = plaintext.subspan(kPlaintextHeadBytes);
  if (rest.size() < certificate_bytes) return peer_error(kBadPlaintext, "the plaintext ends inside its certificate");
  return FeedPlaintext{static_cast<FeedKind>(load_le16(&plaintext[2])), rest.first(certificate_bytes),
                       rest.subspan(certificate_bytes)};
}

Bytes sign_feed_certificate(const FeedCertificate& certificate, const crypto::SigningKey& node_key) {
  const Bytes message = canonical::encode<schema::FeedCertificate>([&](schema::FeedCertificate::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(certificate.channel));
    out.setOrgId(canonical::data(certificate.org));
    out.setNodeId(canonical::data(certificate.node));
    out.setFeedKey(canonical::data(certificate.feed));
    out.setGeneration(certificate.generation);
    out.setCreated(certificate.created.ms);
  });
  Bytes out = to_bytes(node_key.sign(crypto::kLabelFeedCertificate, {message}).view());
  append(out, message);
  return out;
}

Result<FeedCertificate> decode_feed_certificate(ByteView signed_certificate) {
  if (signed_certificate.size() <= kSignatureBytes) return bad_feed_certificate("the feed certificate is cut");
  return canonical::decode<schema::FeedCertificate>(signed_certificate.subspan(kSignatureBytes),
                                                    kFeedCertificateBytesMax, read_feed_certificate);
}

bool verify_feed_certificate(ByteView signed_certificate, const crypto::VerifyKey& node_key,
                             crypto::Verifier& verifier) {
  const auto certificate = decode_feed_certificate(signed_certificate);
  if (!certificate || certificate->feed.bytes() == node_key.bytes()) return false;
  const auto signature = *crypto::Signature::from(signed_certificate.first(kSignatureBytes));
  return verifier.verify(node_key, crypto::kLabelFeedCertificate, {signed_certificate.subspan(kSignatureBytes)},
                         signature);
}

BodyBinding::BodyBinding(const ChannelId& channel, Epoch epoch, const LogKey& log, Number number, LogType type) {
  std::uint8_t* to = bytes.data();
  to = std::copy(channel.bytes().begin(), channel.bytes().end(), to);
  store_le64(to, epoch.value);
  to = std::copy(log.bytes().begin(), log.bytes().end(), to + 8);
  store_le64(to, number.value);
  to += 8;
  *to++ = kEntryVersion;
  *to++ = static_cast<std::uint8_t>(type);
  assert(to == bytes.data() + bytes.size());
}

}  // namespace tocsin::protocol
