#include "protocol/bundle_file.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "crypto/padme.h"
#include "crypto/seal.h"
#include "crypto/wrap.h"
#include "protocol/limits.h"

namespace tocsin::protocol {
namespace {

constexpr std::uint8_t kBundleVersion = 1;
constexpr std::uint8_t kBundleSuite = 1;
constexpr std::size_t kBundleEphemeralAt = kBundleMagic.size() + 1 + 1 + 2;
constexpr std::size_t kBundleSlotsAt = kBundleEphemeralAt + crypto::EncryptionPublic::kSize;
constexpr std::size_t kContentKeyBytes = crypto::kKeySlotSize - crypto::kSlotOverhead;
constexpr std::size_t kSealedChunkBytes = kBundleChunkBytes + crypto::kSealOverhead;
constexpr std::size_t kBundleFrameHeadBytes = 4 + crypto::Signature::kSize;

constexpr std::uint8_t kForOneOrganisation = 1;
constexpr std::uint8_t kOpeningFormat = 1;

Error damaged_bundle(std::string detail) { return peer_error(kBundleDamaged, std::move(detail)); }
Error bad_bundle(std::string detail) { return peer_error(kBadBundle, std::move(detail)); }

// A chunk opens in its place alone.
std::array<std::uint8_t, 41> chunk_place(const crypto::Hash& id, std::uint64_t number, bool last) {
  std::array<std::uint8_t, 41> out;
  std::copy(id.bytes().begin(), id.bytes().end(), out.begin());
  store_le64(&out[32], number);
  out[40] = last ? 1 : 0;
  return out;
}

std::size_t slot_below(crypto::Random& random,
                       std::size_t bound) {  // bound is at most kBundleSlotsMax: no bias to speak of
  std::array<std::uint8_t, 8> bytes;
  random.fill(bytes);
  return static_cast<std::size_t>(load_le64(bytes.data()) % bound);
}

void append32(Bytes& out, std::size_t value) {
  std::array<std::uint8_t, 4> bytes;
  store_le32(bytes.data(), static_cast<std::uint32_t>(value));
  append(out, ByteView(bytes));
}

}  // namespace

crypto::Hash bundle_digest(const crypto::Hash& bundle, std::uint64_t number, ByteView frame) {
  std::array<std::uint8_t, 8> place;
  store_le64(place.data(), number);
  return crypto::hash256(crypto::kPersonalBundle, {bundle.view(), ByteView(place), frame});
}

// ---- The opening

Bytes encode_bundle_opening(const BundleOpening& opening) {
  Bytes out{kOpeningFormat, opening.recipient ? kForOneOrganisation : std::uint8_t{0}};
  append(out, opening.org.view());
  append(out, opening.node.view());
  std::array<std::uint8_t, 8> made;
  store_le64(made.data(), static_cast<std::uint64_t>(opening.made.ms));
  append(out, ByteView(made));
  if (opening.recipient) append(out, opening.recipient->view());
  std::array<std::uint8_t, 2> count;
  store_le16(count.data(), static_cast<std::uint16_t>(opening.channels.size()));
  append(out, ByteView(count));
  for (const ChannelId& channel : opening.channels) append(out, channel.view());
  // The newest that fit.
  std::size_t first = opening.log_end.size(), bytes = 0;
  while (first > 0 && opening.log_end.size() - first < kBundleLogEndEntriesMax) {
    bytes += 4 + opening.log_end[first - 1].size();
    if (bytes > kBundleLogEndBytesMax) break;
    --first;
  }
  out.push_back(static_cast<std::uint8_t>(opening.log_end.size() - first));
  for (std::size_t i = first; i < opening.log_end.size(); ++i) {
    append32(out, opening.log_end[i].size());
    append(out, opening.log_end[i]);
  }
  assert(out.size() <= kFrameBytesMax);
  return out;
}

Result<BundleOpening> decode_bundle_opening(ByteView bytes) {
  BundleOpening out;
  const Error cut = bad_bundle("its opening is cut");
  const auto take = [&](std::size_t size) -> std::optional<ByteView> {
    if (bytes.size() < size) return std::nullopt;
    const ByteView taken = bytes.first(size);
    bytes = bytes.subspan(size);
    return taken;
  };
  const auto fixed = take(2 + 32 + 32 + 8);
  if (!fixed) return cut;
  if ((*fixed)[0] != kOpeningFormat || ((*fixed)[1] & ~kForOneOrganisation) != 0) {
    return bad_bundle("its opening has another format");
  }
  out.org = *OrgId::from(fixed->subspan(2, 32));
  out.node = *NodeId::from(fixed->subspan(34, 32));
  out.made = {static_cast<std::int64_t>(load_le64(&(*fixed)[66]))};
  if (((*fixed)[1] & kForOneOrganisation) != 0) {
    const auto recipient = take(OrgId::kSize);
    if (!recipient) return cut;
    out.recipient = *OrgId::from(*recipient);
  }
  const auto count = take(2);
  if (!count) return cut;
  const std::size_t channels = load_le16(count->data());
  if (channels > kChannelsMax) return bad_bundle("more channels than a node has");
  const auto ids = take(channels * ChannelId::kSize);
  if (!ids) return cut;
  for (std::size_t i = 0; i < channels; ++i) {
    out.channels.push_back(*ChannelId::from(ids->subspan(i * ChannelId::kSize, ChannelId::kSize)));
  }
  const auto entries = take(1);
  if (!entries) return cut;
  for (std::size_t i = 0; i < (*entries)[0]; ++i) {
    const auto size = take(4);
    if (!size) return cut;
    const auto entry = take(load_le32(size->data()));
    if (!entry) return cut;
    out.log_end.push_back(to_bytes(*entry));
  }
  if (!bytes.empty()) return bad_bundle("bytes behind its opening");
  return out;
}

// ---- Sealing

BundleSealer::BundleSealer(Sign sign, crypto::Random& random)
    : sign_(std::move(sign)), random_(&random), key_(kContentKeyBytes) {
  random.fill(key_.mutable_view());
}

Result<BundleSealer> BundleSealer::begin(std::span<const WrapTarget> targets, Sign sign, crypto::Random& random,
                                         Bytes& out) {
  if (targets.size() > kBundleSlotsMax) {
    return caller_error(kTooManyRecipients, "a bundle has room for 1,024 nodes; say --for one organisation");
  }
  BundleSealer made(std::move(sign), random);
  crypto::Wrapper wrapper(random);
  const ByteView context = crypto::kLabelBundleKey.view();
  std::vector<Bytes> slots;
  for (const WrapTarget& target : targets) {
    // A key that nothing can be wrapped to is its owner's fault: the others get theirs.
    if (auto slot = wrapper.wrap(target.key, context, made.key_.view())) slots.push_back(std::move(*slot));
  }
  const std::size_t count = std::bit_ceil(std::max(slots.size(), kBundleSlotsMin));
  while (slots.size() < count) slots.push_back(crypto::random_slot(made.key_.size(), random));
  for (std::size_t i = slots.size(); i > 1; --i) std::swap(slots[i - 1], slots[slot_below(random, i)]);

  Bytes start = to_bytes(as_bytes(kBundleMagic));
  start.push_back(kBundleVersion);
  start.push_back(kBundleSuite);
  start.resize(kBundleEphemeralAt);
  store_le16(&start[kBundleEphemeralAt - 2], static_cast<std::uint16_t>(count));
  append(start, wrapper.ephemeral().view());
  for (const Bytes& slot : slots) append(start, slot);
  made.id_ = crypto::hash256(crypto::kPersonalBundle, {start});
  append(out, start);
  return made;
}

void BundleSealer::push_chunk(bool last, Bytes& out) {
  const auto place = chunk_place(id_, chunks_++, last);
  const ByteView plain = ByteView(pending_).subspan(sealed_, kBundleChunkBytes);
  out.push_back(place.back());
  append(out, crypto::seal(key_.view(), crypto::kLabelBundleChunk, ByteView(place), plain, *random_));
  sealed_ += kBundleChunkBytes;
}

void BundleSealer::put(ByteView frame, Bytes& out) {
  assert(!frame.empty() && frame.size() <= kFrameBytesMax);
  append32(pending_, frame.size());
  append(pending_, sign_(bundle_digest(id_, frames_++, frame)).view());
  append(pending_, frame);
  while (pending_.size() - sealed_ > kBundleChunkBytes) push_chunk(false, out);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(sealed_));
  sealed_ = 0;
}

void BundleSealer::finish(Bytes& out) {
  append32(pending_, 0);
  const std::size_t chunks = (pending_.size() + kBundleChunkBytes - 1) / kBundleChunkBytes;
  const std::size_t padded = crypto::padme(static_cast<std::size_t>(chunks_) + chunks);
  while (chunks_ < padded) {  // the padding may be large: it is never held whole
    const bool last = chunks_ + 1 == padded;
    if (pending_.size() - sealed_ < kBundleChunkBytes) pending_.resize(sealed_ + kBundleChunkBytes);
    push_chunk(last, out);
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(sealed_));
    sealed_ = 0;
  }
}

// ---- Opening

void BundleOpener::give(ByteView bytes) {
  assert(bytes.size() <= kBundlePieceMax);
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(input_at_));
  input_at_ = 0;
  append(input_, bytes);
  bytes_ += bytes.size();
}

Result<BundleOpener::Event> BundleOpener::next() {
  if (failed_) return *failed_;
  auto event = step();
  if (!event) {
    failed_ = event.error();
    state_ = State::kFailed;
  }
  return event;
}

Result<BundleOpener::Event> BundleOpener::step() {
  if (state_ == State::kStart) {
    TOCSIN_ASSIGN(event, take_start());
    return event.value_or(Event::kMore);
  }
  for (;;) {
    if (is_open()) {
      TOCSIN_ASSIGN(event, take_frame());
      if (event) return *event;
    }
    if (last_seen_) {
      if (is_open() && !ended_) return bad_bundle("it ends inside a frame");
      state_ = State::kStart;
      key_.reset();
      return Event::kEnd;
    }
    TOCSIN_ASSIGN(taken, take_chunk());
    if (!taken) return Event::kMore;
  }
}

Result<std::optional<BundleOpener::Event>> BundleOpener::take_start() {
  const ByteView at = input();
  const std::size_t seen = std::min(at.size(), kBundleMagic.size());
  if (as_text(at.first(seen)) != kBundleMagic.substr(0, seen)) {
    return bundles_ == 0 ? peer_error(kNotABundle, "this file is no bundle")
                         : damaged_bundle("what follows a bundle in the file is none");
  }
  if (at.size() < kBundleSlotsAt) return std::optional<Event>();
  if (at[kBundleMagic.size()] != kBundleVersion || at[kBundleMagic.size() + 1] != kBundleSuite) {
    return peer_error(kBundleTooNew, "the bundle was made by another version of Tocsin; this one cannot read it");
  }
  const std::size_t count = load_le16(&at[kBundleEphemeralAt - 2]);
  if (!std::has_single_bit(count) || count < kBundleSlotsMin || count > kBundleSlotsMax) {
    return bad_bundle("its number of slots is not a power of two from 8 to 1,024");
  }
  const std::size_t size = kBundleSlotsAt + count * crypto::kKeySlotSize;
  if (at.size() < size) return std::optional<Event>();
  if (++bundles_ > kBundlesPerFileMax) return bad_bundle("more than 256 bundles in a file");

  std::vector<ByteView> slots;
  for (std::size_t i = 0; i < count; ++i) {
    slots.push_back(at.subspan(kBundleSlotsAt + i * crypto::kKeySlotSize, crypto::kKeySlotSize));
  }
  const auto ephemeral =
      crypto::EncryptionPublic::from(at.subspan(kBundleEphemeralAt, crypto::EncryptionPublic::kSize));
  key_.reset();
  auto key = find_key_(*ephemeral, crypto::kLabelBundleKey.view(), slots);
  if (key && key->size() == kContentKeyBytes) key_ = std::move(*key);
  id_ = crypto::hash256(crypto::kPersonalBundle, {at.first(size)});
  input_at_ += size;
  chunks_ = frames_ = 0;
  last_seen_ = ended_ = false;
  plain_.clear();
  plain_at_ = 0;
  state_ = State::kChunks;
  return std::optional(Event::kBundle);
}

// False: more is needed.
Result<bool> BundleOpener::take_chunk() {
  const ByteView at = input();
  if (at.empty()) return false;
  if (at[0] > 1) return damaged_bundle("a chunk does not begin as one");
  if (at.size() < 1 + kSealedChunkBytes) return false;
  const bool last = at[0] == 1;
  if (is_open()) {
    const auto place = chunk_place(id_, chunks_, last);
    const auto plain =
        crypto::open(key_.view(), crypto::kLabelBundleChunk, ByteView(place), at.subspan(1, kSealedChunkBytes));
    if (!plain) return damaged_bundle("chunk " + std::to_string(chunks_ + 1) + " was changed, or is not in its place");
    plain_.erase(plain_.begin(), plain_.begin() + static_cast<std::ptrdiff_t>(plain_at_));
    plain_at_ = 0;
    append(plain_, *plain);
  }
  ++chunks_;
  last_seen_ = last;
  input_at_ += 1 + kSealedChunkBytes;
  return true;
}

Result<std::optional<BundleOpener::Event>> BundleOpener::take_frame() {
  const ByteView at = ByteView(plain_).subspan(plain_at_);
  if (ended_) {
    if (std::any_of(at.begin(), at.end(), [](std::uint8_t b) { return b != 0; })) {
      return bad_bundle("something stands behind its end");
    }
    plain_at_ = plain_.size();
    return std::optional<Event>();
  }
  if (at.size() < 4) return std::optional<Event>();
  const std::size_t size = load_le32(at.data());
  if (size == 0) {
    ended_ = true;
    plain_at_ += 4;
    return take_frame();
  }
  if (size > kFrameBytesMax) return bad_bundle("a frame is larger than any may be");
  if (at.size() < kBundleFrameHeadBytes + size) return std::optional<Event>();
  signature_ = *crypto::Signature::from(at.subspan(4, crypto::Signature::kSize));
  frame_ = at.subspan(kBundleFrameHeadBytes, size);
  plain_at_ += kBundleFrameHeadBytes + size;
  ++frames_;
  return std::optional(Event::kFrame);
}

}  // namespace tocsin::protocol
