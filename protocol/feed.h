// Plaintext of a feed entry and the certificate of a feed (docs/protocol.md, section 6; rules 28, 37, 39).
#pragma once

#include <array>

#include "crypto/sign.h"
#include "protocol/codes.h"
#include "protocol/entry.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

enum class FeedKind : std::uint16_t {
  kReport = 1,
  kAttachmentPart = 2,
  kCarriedAcceptance = 3,
  kCheckpoint = 4,
  kKeyMissing = 5,
  kPeople = 6,         // desk_records.h; in the private channel alone
  kAudit = 7,          // likewise
  kErasureOrder = 8,   // erasure.h
  kConfirmations = 9,  // likewise
  kHold = 10,          // likewise; in the private channel alone
  kWaiting = 11,       // desk_records.h; likewise
  kProposal = 12,      // canonical Proposal (stewards.h)
  kApproval = 13,      // signed Approval
  kLeave = 15,         // signed Leave of an organisation that the writer met (rule 23)
  kAnswer = 14,        // signed Answer to a contributor (contributor.h); in its private channel, one that it got
  // Others are kept, forwarded and shown as unknown (rule 16).
};

struct FeedPlaintext {
  FeedKind kind;
  ByteView certificate;  // empty when absent
  ByteView payload;
};
// `certificate` is a signed feed certificate or empty, at most 65,535 bytes (assert).
Bytes encode_feed_plaintext(FeedKind kind, ByteView certificate, ByteView payload);
void encode_feed_plaintext_into(Bytes& out, FeedKind kind, ByteView certificate, ByteView payload);  // replaces `out`
// Views into `plaintext`; the certificate is not looked into. Error (peer): bad_plaintext (cut, an unknown format or
// flag, a certificate size that the flag denies).
Result<FeedPlaintext> decode_feed_plaintext(ByteView plaintext);

struct FeedCertificate {
  ChannelId channel;
  OrgId org;
  NodeId node;
  LogKey feed;
  std::uint32_t generation = 1;  // rises from feed to feed of one node in one channel; the highest is live (rule 21)
  Time created;                  // as claimed
  friend bool operator==(const FeedCertificate&, const FeedCertificate&) = default;
};
// signature ‖ message.
Bytes sign_feed_certificate(const FeedCertificate& certificate, const crypto::SigningKey& node_key);
// Decodes without checking the signature, so that the caller can look up the node's key. Errors (peer): not_canonical;
// bad_feed_certificate (version, sizes, generation 0). The caller compares channel and feed with the entry that carries
// it, organisation and node with the roster (rule 28).
Result<FeedCertificate> decode_feed_certificate(ByteView signed_certificate);
// True when the node's key signed exactly these bytes. Never for a feed key that is the node's own signing key (rule
// 3).
bool verify_feed_certificate(ByteView signed_certificate, const crypto::VerifyKey& node_key,
                             crypto::Verifier& verifier);

// channel ‖ epoch ‖ log ‖ number (80 bytes), and with entry version and log type behind it (82 bytes).
inline constexpr std::size_t kBodyContextBytes = 80;
inline constexpr std::size_t kBodyAssociatedBytes = 82;
struct BodyBinding {
  std::array<std::uint8_t, kBodyAssociatedBytes> bytes;
  BodyBinding(const ChannelId& channel, Epoch epoch, const LogKey& log, Number number, LogType type);
  ByteView context() const { return ByteView(bytes).first(kBodyContextBytes); }
  ByteView associated() const { return ByteView(bytes); }
};

}  // namespace tocsin::protocol
