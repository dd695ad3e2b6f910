// The outside of a bundle (docs/protocol.md, section 11; rules 6, 30, 31, 38, 41): frames of a session in, file bytes
// out, and back. No I/O, and nothing of channels or logs: see bundle.h.
//
// A file holds one bundle or several, one after the other. Each has a clear start (magic, version, suite, nameless
// slots), then chunks of one size, sealed under a fresh key that only the slots give out. In the chunks, as one stream:
// frames with size and signature, a size of 0, zeros to the end.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "protocol/identity.h"

namespace tocsin::protocol {

inline constexpr std::string_view kBundleMagic = "tocsinBB";
inline constexpr std::size_t kBundleSlotsMin = 8;  // rule 31, as in an epoch entry
inline constexpr std::size_t kBundleSlotsMax = 1024;
// Plaintext of a chunk: small, so that a cut costs little; all of one size, so that a file shows nothing but its own.
inline constexpr std::size_t kBundleChunkBytes = 4096;
inline constexpr std::size_t kBundlesPerFileMax = 256;          // one for each channel (kChannelsMax)
inline constexpr std::size_t kBundlePieceMax = 1024 * 1024;     // given to a BundleOpener at a time
inline constexpr std::size_t kBundleLogEndBytesMax = 8 * 1024;  // as the third handshake message has room for
inline constexpr std::size_t kBundleLogEndEntriesMax = 255;     // u8 count

// All the peer's fault: whoever made the file, or had it in hand.
inline constexpr Code kNotABundle{"not_a_bundle"};
inline constexpr Code kBundleTooNew{"bundle_too_new"};            // another version, or another suite (rule 41)
inline constexpr Code kBundleDamaged{"bundle_damaged"};           // a chunk was changed, moved, or taken out
inline constexpr Code kBadBundle{"bad_bundle"};                   // its author broke the format
inline constexpr Code kBundleForged{"bundle_forged"};             // a frame that its author did not sign
inline constexpr Code kBundleCut{"bundle_cut"};                   // the file ends too early
inline constexpr Code kBundleForOthers{"bundle_for_others"};      // no slot is for this node
inline constexpr Code kTooManyRecipients{"too_many_recipients"};  // the caller's: more nodes than slots

// The first frame: who made the bundle, when (as claimed), for whom, and which channels the slot numbers of the
// messages stand for.
struct BundleOpening {
  OrgId org;
  NodeId node;
  Time made;
  std::optional<OrgId> recipient;  // nothing: all nodes of the channel's members
  std::vector<ChannelId> channels;
  std::vector<Bytes> log_end;  // newest entries of the author's organisation log, as in a handshake (rule 43)
};
Bytes encode_bundle_opening(const BundleOpening& opening);
// Error (peer): bad_bundle.
Result<BundleOpening> decode_bundle_opening(ByteView bytes);

// What the author signs for a frame: H(id of the bundle ‖ number ‖ frame), so that no frame goes for another's.
crypto::Hash bundle_digest(const crypto::Hash& bundle, std::uint64_t number, ByteView frame);

class BundleSealer {
 public:
  using Sign = std::function<crypto::Signature(const crypto::Hash& digest)>;
  // Puts the clear start into `out`. `random` outlives the object. Errors (caller): too_many_recipients.
  static Result<BundleSealer> begin(std::span<const WrapTarget> targets, Sign sign, crypto::Random& random, Bytes& out);
  // The next frame, of 1 to kFrameBytesMax bytes; appends the chunks that are full to `out`.
  void put(ByteView frame, Bytes& out);
  // Once. Pads the number of chunks to Padmé.
  void finish(Bytes& out);

 private:
  BundleSealer(Sign sign, crypto::Random& random);
  void push_chunk(bool last, Bytes& out);
  Sign sign_;
  crypto::Random* random_;
  crypto::SecretBuffer key_;
  crypto::Hash id_;
  std::uint64_t frames_ = 0;
  std::uint64_t chunks_ = 0;
  Bytes pending_;           // plaintext
  std::size_t sealed_ = 0;  // of it
};

// File bytes in, frames out. Memory: one piece, one frame, one set of slots.
//   give, then next until kMore; at the end of the file is_whole says whether anything is missing.
class BundleOpener {
 public:
  using FindKey = std::function<Result<crypto::SecretBuffer>(const crypto::EncryptionPublic& ephemeral,
                                                             ByteView context, std::span<const ByteView> slots)>;
  explicit BundleOpener(FindKey find_key) : find_key_(std::move(find_key)) {}

  enum class Event : std::uint8_t {
    kMore,    // give more
    kBundle,  // one begins; is_open says whether it is for this node. What it holds for others is passed over.
    kFrame,   // frame(), frame_number() and so on, until the next call
    kEnd,     // of a bundle
  };
  // At most kBundlePieceMax bytes, after kMore alone.
  void give(ByteView bytes);
  // Errors (peer): not_a_bundle, bundle_too_new, bundle_damaged, bad_bundle; the object stays failed.
  Result<Event> next();

  bool is_open() const { return !key_.empty(); }
  ByteView frame() const { return frame_; }
  std::uint64_t frame_number() const { return frames_ - 1; }
  const crypto::Signature& signature() const { return signature_; }
  crypto::Hash digest() const { return bundle_digest(id_, frame_number(), frame_); }
  // Between two bundles, or behind the last.
  bool is_whole() const { return state_ == State::kStart && bundles_ > 0 && input_.size() == input_at_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  enum class State : std::uint8_t { kStart, kChunks, kFailed };
  Result<Event> step();
  Result<std::optional<Event>> take_start();
  Result<std::optional<Event>> take_frame();
  Result<bool> take_chunk();
  ByteView input() const { return ByteView(input_).subspan(input_at_); }
  FindKey find_key_;
  State state_ = State::kStart;
  std::optional<Error> failed_;
  Bytes input_;
  std::size_t input_at_ = 0;
  std::uint64_t bytes_ = 0;
  std::size_t bundles_ = 0;

  // Of the bundle at hand.
  crypto::SecretBuffer key_;  // empty: for others
  crypto::Hash id_;
  std::uint64_t chunks_ = 0;
  bool last_seen_ = false;
  bool ended_ = false;  // no more frames: zeros alone
  Bytes plain_;
  std::size_t plain_at_ = 0;
  std::uint64_t frames_ = 0;
  ByteView frame_;
  crypto::Signature signature_;
};

}  // namespace tocsin::protocol
