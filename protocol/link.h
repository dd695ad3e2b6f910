// One connection's bytes: handshake, then frames (docs/protocol.md, section 9; rules 42 to 46). No sockets: the caller
// reads and writes.
//
// A responder takes message 1 under either of the two transport keys that a node may have (NodeSecrets), and goes on
// under the one that it was meant for. It tries both whatever comes, so a stranger's wait says nothing.
//
// Order of calls. Initiator: write_handshake (message 1), read_handshake (2), write_handshake (3), established.
// Responder: read (1), write (2), read (3), established. Then seal and open. Any error is final; before `established`
// the caller closes without a word (rule 44).
#pragma once

#include <functional>
#include <memory>

#include "crypto/noise.h"
#include "protocol/limits.h"
#include "protocol/node_secrets.h"

namespace tocsin::protocol {

// Which of its transport keys an initiator shows; one that has no other shows the one in use.
enum class OwnKey : std::uint8_t { kInUse = 0, kOther = 1 };
enum class LinkRole : std::uint8_t { kInitiator = 0, kResponder = 1 };

inline constexpr std::uint16_t kWireMajor = 1;
inline constexpr std::size_t kLinkSizeBytes = 2;         // u16 in front of every Noise message
inline constexpr std::size_t kHandshakeBytesMax = 8192;  // third message
inline constexpr std::size_t kSealOverheadBytes = crypto::kNoiseTag;
inline constexpr std::uint64_t kRekeyFrames = 65'536;  // rule 46, in each direction

// Reason codes, beside those of crypto/noise.h. For the own counters and log alone: to the other side all are the same
// silence (rule 44).
inline constexpr Code kLinkFailed{"link_failed"};        // caller: used after an error, or out of turn
inline constexpr Code kHandshakeSize{"handshake_size"};  // peer: a handshake message of a size that cannot be
inline constexpr Code kBadLogEnd{"bad_log_end"};         // peer: payload of the third message is not a list of entries
inline constexpr Code kBadFrameBytes{
    "bad_frame_bytes"};  // peer from open, caller from seal: no room for a frame, or too much

class Link {
 public:
  // `log_end`: encoded entries for the payload of message 3 (rule 43), oldest first; of those that do not fit the
  // oldest are left out. Copied. References outlive the link; `network` is read during the call. Error:
  // non_canonical_key (a key from a card).
  static Result<Link> initiator(const NodeSecrets& secrets, const crypto::TransportPublic& remote,
                                std::string_view network, const crypto::PairKey* psk, std::span<const Bytes> log_end,
                                crypto::Random& random, OwnKey own = OwnKey::kInUse);
  static Result<Link> responder(const NodeSecrets& secrets, std::string_view network,
                                std::function<const crypto::PairKey*(const crypto::TransportPublic&)> psk_for,
                                crypto::Random& random);
  Link(Link&&) noexcept;
  Link& operator=(Link&&) noexcept;
  ~Link();

  bool established() const;
  // Next handshake message with its size in front; call when it is our turn.
  bool wants_to_write() const;
  Result<Bytes> write_handshake();
  // Smallest and largest size of the next handshake message (without its two size bytes): check before reading (rule
  // 45).
  std::pair<std::size_t, std::size_t> handshake_size() const;
  Result<void> read_handshake(ByteView message);

  // After `established`.
  LinkRole role() const;
  const crypto::HandshakeHash& handshake_hash() const;
  const crypto::TransportPublic& remote() const;
  const std::vector<Bytes>& remote_log_end() const;  // entry byte strings of message 3; unchecked

  // `buffer`: 2 bytes for the size, the frame (1 to kFrameBytesMax), 16 spare bytes. Encrypts in place and writes the
  // size. Rekeys when due (rule 46).
  Result<void> seal(MutableByteView buffer);
  // `message`: a Noise message without its size. The frame is decrypted in place.
  Result<ByteView> open(MutableByteView message);

 private:
  struct Impl;
  explicit Link(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::protocol
