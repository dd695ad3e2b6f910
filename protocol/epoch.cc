#include "protocol/epoch.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "crypto/body.h"
#include "crypto/wrap.h"
#include "protocol/feed.h"
#include "protocol/limits.h"
#include "protocol/stewards.h"

namespace tocsin::protocol {
namespace {

// What a part may hold beside keys and message framing, so that every body stays below 48 KiB.
constexpr std::size_t kPartSlotsMax = 256;
constexpr std::size_t kPartStateBytesMax = 16 * 1024;

// The largest state that is written fits a run, so that nothing a member does keeps the chair from dropping it: members
// and invited together at most kMembersMax (352 bytes each with the longest name), all pins (128), the largest genesis
// (32 KiB), stewards and what they decided (40), terms (160), and what is left. The first entry of a term holds a
// certificate in the place of its part of the state.
static_assert(kMembersMax * 352 + kPinsWrittenMax * 128 + 32 * 1024 + (kStewardsMax + kDecidedMax + 1) * 40 +
                  kTermsMax * 160 + 1024 <=
              (kEpochPartsMax - 1) * kPartStateBytesMax);

struct ChannelAndEpoch {
  std::array<std::uint8_t, ChannelId::kSize + 8> bytes;
  ChannelAndEpoch(const ChannelId& channel, Epoch epoch) {
    std::copy(channel.bytes().begin(), channel.bytes().end(), bytes.begin());
    store_le64(&bytes[ChannelId::kSize], epoch.value);
  }
  ByteView view() const { return ByteView(bytes); }
};

// Channel ‖ epoch ‖ previous control hash: binds a slot to its place (rule 30).
Bytes wrap_context(const EpochPlace& place) {
  Bytes out;
  out.reserve(ChannelId::kSize + 8 + EntryHash::kSize);
  append(out, ChannelAndEpoch(place.channel, place.epoch).view());
  append(out, place.previous.view());
  return out;
}

// Unbiased number below `bound`.
std::uint32_t random_below(std::uint32_t bound, crypto::Random& random) {
  const std::uint32_t limit = UINT32_MAX - UINT32_MAX % bound;
  std::array<std::uint8_t, 4> bytes;
  std::uint32_t value;
  do {
    random.fill(bytes);
    value = load_le32(bytes.data());
  } while (value >= limit);
  return value % bound;
}

// Rule 31: no names, a power of two in count, and an order that says nothing.
Result<std::vector<Bytes>> make_slots(const EpochPlace& place, const crypto::EpochKey& key,
                                      std::span<const WrapTarget> targets, crypto::Wrapper& wrapper,
                                      crypto::Random& random) {
  if (targets.size() > kWrapSlotsMax) return caller_error(kTooManySlots, "a channel has at most 1024 nodes");
  const Bytes context = wrap_context(place);
  std::vector<Bytes> slots;
  for (const WrapTarget& target : targets) {
    // A key that nothing can be wrapped to (a point of small order) costs its owner the slot, not the channel its
    // epoch.
    auto slot = wrapper.wrap(target.key, context, key.view());
    slots.push_back(slot ? std::move(*slot) : crypto::random_slot(crypto::EpochKey::kSize, random));
  }
  const std::size_t count = std::max(kWrapSlotsMin, std::bit_ceil(targets.size()));
  while (slots.size() < count) slots.push_back(crypto::random_slot(crypto::EpochKey::kSize, random));
  for (std::size_t i = slots.size() - 1; i > 0; --i) {
    std::swap(slots[i], slots[random_below(static_cast<std::uint32_t>(i + 1), random)]);
  }
  return slots;
}

ByteView slice(ByteView whole, std::size_t index, std::size_t size) {
  const std::size_t from = std::min(index * size, whole.size());
  return whole.subspan(from, std::min(size, whole.size() - from));
}

}  // namespace

crypto::Hash epoch_commitment(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch) {
  return crypto::keyed_hash256(key.view(), crypto::kPersonalEpochCommit, {ChannelAndEpoch(channel, epoch).view()});
}

crypto::AccessSecret access_seed(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch) {
  auto out = crypto::AccessSecret::zero();
  crypto::keyed_hash_into(out.mutable_view(), key.view(), crypto::kPersonalAccess,
                          ChannelAndEpoch(channel, epoch).view());
  return out;
}

Result<std::vector<Bytes>> make_epoch_bodies(const EpochPlace& place, const crypto::EpochKey& key, ByteView state,
                                             std::span<const WrapTarget> targets, crypto::Random& random,
                                             ByteView certificate) {
  crypto::Wrapper wrapper(random);
  TOCSIN_ASSIGN(slots, make_slots(place, key, targets, wrapper, random));
  const std::size_t before_state = certificate.empty() ? 0 : 1;
  const std::size_t parts = std::max((slots.size() + kPartSlotsMax - 1) / kPartSlotsMax,
                                     before_state + (state.size() + kPartStateBytesMax - 1) / kPartStateBytesMax);
  if (parts > kEpochPartsMax || state.size() > kControlStateBytesMax) {
    return caller_error(kTooManyMembers, "roster and pins do not fit one epoch");
  }
  Bytes all_slots;
  for (const Bytes& slot : slots) append(all_slots, slot);
  ControlBody body;
  body.kind = ControlBody::kEpoch;
  body.epoch.access_key = crypto::AccessKey::from_seed(access_seed(key, place.channel, place.epoch)).verify_key();
  body.epoch.commitment = epoch_commitment(key, place.channel, place.epoch);
  body.epoch.ephemeral = wrapper.ephemeral();
  body.epoch.parts = static_cast<std::uint16_t>(parts);

  std::vector<Bytes> out;
  for (std::size_t i = 0; i < parts; ++i) {
    body.epoch.part = static_cast<std::uint16_t>(i + 1);
    body.epoch.slots = to_bytes(slice(all_slots, i, kPartSlotsMax * crypto::kKeySlotSize));
    body.sealed =
        seal_control(key, place.channel, place.epoch, place.control_log, {place.first.value + i},
                     i < before_state ? ByteView{} : slice(state, i - before_state, kPartStateBytesMax), random);
    body.certificate = i < before_state ? to_bytes(certificate) : Bytes{};
    out.push_back(encode_control_body(body));
    assert(out.back().size() <= kBodyBytesMax);
  }
  return out;
}

Result<void> EpochRun::add(const EntryHeader& header, ControlBody body) {
  const EpochPublic& added = body.epoch;
  if (added.part != parts_.size() + 1) return peer_error(kBadEpoch, "the parts of an epoch come in order");
  if (added.slots.size() % crypto::kKeySlotSize != 0) return peer_error(kBadEpoch, "a wrap slot has 104 bytes");
  std::size_t slots = added.slots.size() / crypto::kKeySlotSize;
  if (!parts_.empty()) {
    const EpochPublic& first = parts_.front().body.epoch;
    if (header.epoch != place_.epoch || header.number.value != parts_.back().number.value + 1 ||
        added.parts != first.parts || added.access_key != first.access_key || added.commitment != first.commitment ||
        added.ephemeral != first.ephemeral) {
      return peer_error(kBadEpoch, "a part of an epoch does not fit the parts before it");
    }
    for (const Part& part : parts_) slots += part.body.epoch.slots.size() / crypto::kKeySlotSize;
  }
  const bool last = added.part == added.parts;
  if (slots > kWrapSlotsMax || (last && (slots < kWrapSlotsMin || !std::has_single_bit(slots)))) {
    return peer_error(kBadEpoch, "wrap slots are a power of two from 8 to 1024 in number");
  }
  if (parts_.empty()) place_ = {{}, header.epoch, header.log, header.number, header.previous};
  parts_.push_back({header.number, std::move(body)});
  return kOk;
}

Result<crypto::EpochKey> EpochRun::open_key(const ChannelId& channel, const NodeSecrets& secrets, std::uint32_t month,
                                            std::uint32_t* opened_by) const {
  assert(complete());
  if (secrets.locked()) return peer_error(kNoSlot, "a locked node opens nothing");
  EpochPlace place = place_;
  place.channel = channel;
  const Bytes context = wrap_context(place);
  std::vector<ByteView> slots;
  for (const Part& part : parts_) {
    const ByteView all(part.body.epoch.slots);
    for (std::size_t at = 0; at < all.size(); at += crypto::kKeySlotSize) {
      slots.push_back(all.subspan(at, crypto::kKeySlotSize));
    }
  }
  const EpochPublic& epoch = parts_.front().body.epoch;
  const auto try_key = [&](const crypto::EncryptionKeyPair& ours) -> std::optional<crypto::EpochKey> {
    auto found = crypto::find_slot(ours, epoch.ephemeral, context, slots);
    if (!found) return std::nullopt;
    auto key = crypto::EpochKey::from(found->payload.view());
    // A slot that opens to another key than the committed one is as good as none (rule 29).
    if (!key || !commits_to(channel, *key)) return std::nullopt;
    return key;
  };
  const auto try_prekey = [&](std::uint32_t of_month, const crypto::EncryptionKeyPair& pair) {
    auto key = try_key(pair);
    if (key && opened_by != nullptr) *opened_by = of_month;
    return key;
  };
  if (const auto at = secrets.tier2->prekeys.find(month); at != secrets.tier2->prekeys.end()) {
    if (auto key = try_prekey(month, at->second)) return std::move(*key);
  }
  for (const auto& [of_month, pair] : secrets.tier2->prekeys) {
    if (of_month == month) continue;
    if (auto key = try_prekey(of_month, pair)) return std::move(*key);
  }
  if (auto key = try_key(secrets.tier2->encryption)) return std::move(*key);
  if (secrets.tier2->encryption_before) {
    if (auto key = try_key(*secrets.tier2->encryption_before)) return std::move(*key);
  }
  return peer_error(kNoSlot, "no slot of the epoch opens with a key of this node");
}

bool EpochRun::commits_to(const ChannelId& channel, const crypto::EpochKey& key) const {
  assert(complete());
  const EpochPublic& epoch = parts_.front().body.epoch;
  return epoch_commitment(key, channel, place_.epoch) == epoch.commitment &&
         crypto::AccessKey::from_seed(access_seed(key, channel, place_.epoch)).verify_key() == epoch.access_key;
}

Result<Bytes> EpochRun::open_state(const ChannelId& channel, const crypto::EpochKey& key) const {
  assert(complete());
  Bytes out;
  for (const Part& part : parts_) {
    TOCSIN_ASSIGN(piece, open_control(key, channel, place_.epoch, place_.control_log, part.number, part.body.sealed));
    append(out, piece);
  }
  return out;
}

crypto::EntryKey control_entry_key(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch,
                                   const LogKey& log, Number number) {
  return crypto::derive_entry_key(key, BodyBinding(channel, epoch, log, number, LogType::kControl).context());
}

Bytes seal_control(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch, const LogKey& log, Number number,
                   ByteView plaintext, crypto::Random& random) {
  const BodyBinding binding(channel, epoch, log, number, LogType::kControl);
  return crypto::seal_body(crypto::derive_entry_key(key, binding.context()), binding.associated(), plaintext, random);
}

Result<Bytes> open_control_entry(const crypto::EntryKey& key, const ChannelId& channel, Epoch epoch, const LogKey& log,
                                 Number number, ByteView sealed) {
  return crypto::open_body(key, BodyBinding(channel, epoch, log, number, LogType::kControl).associated(), sealed);
}

Result<Bytes> open_control(const crypto::EpochKey& key, const ChannelId& channel, Epoch epoch, const LogKey& log,
                           Number number, ByteView sealed) {
  return open_control_entry(control_entry_key(key, channel, epoch, log, number), channel, epoch, log, number, sealed);
}

}  // namespace tocsin::protocol
