#include "crypto/wrap.h"

#include "crypto/aead.h"
#include "crypto/body.h"
#include "crypto/codes.h"
#include "crypto/hash.h"

namespace tocsin::crypto {
namespace {

using namespace internal;

constexpr std::size_t kSlotNonceAt = kCommitmentSize;
constexpr std::size_t kSlotCiphertextAt = kSlotNonceAt + kNonceSize;
static_assert(kSlotCiphertextAt + kTagSize == kSlotOverhead);
constexpr std::size_t kSlotCiphertextMax =
    kEnvelopePlaintextMax + kEnvelopePlaintextMax / 8;  // Padmé adds at most 12 %

// Envelope: suite ‖ ephemeral public ‖ slot.
constexpr std::size_t kEnvelopeSlotAt = 1 + EncryptionPublic::kSize;

// Key ‖ commitment between `ours` and `theirs`.
Result<SecretBuffer> slot_keys(const EncryptionSecret& ours, const EncryptionPublic& theirs,
                               const EncryptionPublic& ephemeral, const EncryptionPublic& recipient, ByteView context) {
  TOCSIN_ASSIGN(shared, diffie_hellman(ours, theirs));
  SecretBuffer keys(kKeySize + kCommitmentSize);
  Hasher hasher(kPersonalWrapKeys, keys.size(), shared.view());
  hasher.update(context).update(ephemeral.view()).update(recipient.view()).finish(keys.mutable_view());
  return keys;
}

Bytes make_slot(const SecretBuffer& keys, ByteView payload, Random& random) {
  const ByteView key = keys.view().first(kKeySize);
  const ByteView commitment = keys.view().subspan(kKeySize);
  Bytes slot(kSlotOverhead + payload.size());
  std::copy(commitment.begin(), commitment.end(), slot.begin());
  const MutableByteView nonce = MutableByteView(slot).subspan(kSlotNonceAt, kNonceSize);
  derive_nonce(nonce, key, kPersonalWrapNonce, {}, payload, random);
  encrypt(MutableByteView(slot).subspan(kSlotCiphertextAt), payload, {}, nonce, key);
  return slot;
}

Result<void> check_slot_size(ByteView slot, std::size_t payload_max) {
  if (slot.size() < kSlotOverhead) return peer_error(kTooShort, "the slot is cut");
  if (slot.size() - kSlotOverhead > payload_max) return peer_error(kTooLong, "the slot is too long");
  return kOk;
}

bool is_committed(const SecretBuffer& keys, ByteView slot) {
  return constant_time_equal(keys.view().subspan(kKeySize), slot.first(kCommitmentSize));
}

Result<SecretBuffer> open_slot(const SecretBuffer& keys, ByteView slot) {
  if (!is_committed(keys, slot)) return peer_error(kCommitmentMismatch, "the slot is not for this key");
  SecretBuffer payload(slot.size() - kSlotOverhead);
  if (!decrypt(payload.mutable_view(), slot.subspan(kSlotCiphertextAt), {}, slot.subspan(kSlotNonceAt, kNonceSize),
               keys.view().first(kKeySize))) {
    return peer_error(kDecryptionFailed, "the slot was changed");
  }
  return payload;
}

Bytes labelled(const Label& purpose, ByteView context) {
  Bytes out = to_bytes(purpose.view());
  append(out, context);
  return out;
}

}  // namespace

Wrapper::Wrapper(Random& random) : random_(random), ephemeral_(EncryptionKeyPair::generate(random)) {}

Result<Bytes> Wrapper::wrap(const EncryptionPublic& recipient, ByteView context, ByteView payload) {
  if (payload.size() > kSlotPayloadMax) return caller_error(kTooLong, "a slot carries at most 64 KiB");
  TOCSIN_ASSIGN(keys, slot_keys(ephemeral_.secret(), recipient, ephemeral(), recipient, context));
  return make_slot(keys, payload, random_);
}

Bytes random_slot(std::size_t payload_size, Random& random) {
  Bytes out(kSlotOverhead + payload_size);
  random.fill(out);
  return out;
}

Result<SecretBuffer> unwrap(const EncryptionKeyPair& ours, const EncryptionPublic& ephemeral, ByteView context,
                            ByteView slot) {
  TOCSIN_TRY(check_slot_size(slot, kSlotPayloadMax));
  TOCSIN_ASSIGN(keys, slot_keys(ours.secret(), ephemeral, ephemeral, ours.public_key(), context));
  return open_slot(keys, slot);
}

Result<FoundSlot> find_slot(const EncryptionKeyPair& ours, const EncryptionPublic& ephemeral, ByteView context,
                            std::span<const ByteView> slots) {
  for (const ByteView slot : slots) TOCSIN_TRY(check_slot_size(slot, kSlotPayloadMax));
  TOCSIN_ASSIGN(keys, slot_keys(ours.secret(), ephemeral, ephemeral, ours.public_key(), context));
  std::optional<Error> failure;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!is_committed(keys, slots[i])) continue;
    auto payload = open_slot(keys, slots[i]);
    if (payload) return FoundSlot{i, std::move(*payload)};
    failure = payload.error();
  }
  if (failure) return *failure;
  return peer_error(kCommitmentMismatch, "no slot is for this key");
}

Result<Bytes> seal_to(const EncryptionPublic& recipient, Label purpose, ByteView context, ByteView plaintext,
                      Random& random) {
  if (plaintext.size() > kEnvelopePlaintextMax) return caller_error(kTooLong, "an envelope carries at most 1 MiB");
  const auto ephemeral = EncryptionKeyPair::generate(random);
  TOCSIN_ASSIGN(
      keys, slot_keys(ephemeral.secret(), recipient, ephemeral.public_key(), recipient, labelled(purpose, context)));
  SecretBuffer padded(padded_size(plaintext.size()));
  pad_into(padded.mutable_view(), plaintext);
  Bytes out{kSuiteClassic};
  append(out, ephemeral.public_key().view());
  append(out, make_slot(keys, padded.view(), random));
  return out;
}

Result<SecretBuffer> open_sealed(const EncryptionKeyPair& ours, Label purpose, ByteView context, ByteView envelope) {
  if (envelope.empty()) return peer_error(kTooShort, "the envelope is empty");
  if (envelope[0] != kSuiteClassic) return peer_error(kUnknownSuite, "suite " + std::to_string(envelope[0]));
  if (envelope.size() < kEnvelopeSlotAt) return peer_error(kTooShort, "the envelope is cut");
  const ByteView slot = envelope.subspan(kEnvelopeSlotAt);
  TOCSIN_TRY(check_slot_size(slot, kSlotCiphertextMax));
  const auto ephemeral = *EncryptionPublic::from(envelope.subspan(1, EncryptionPublic::kSize));
  TOCSIN_ASSIGN(keys, slot_keys(ours.secret(), ephemeral, ephemeral, ours.public_key(), labelled(purpose, context)));
  TOCSIN_ASSIGN(padded, open_slot(keys, slot));
  TOCSIN_ASSIGN(plaintext, unpad(padded.view()));
  return SecretBuffer::copy_of(plaintext);
}

}  // namespace tocsin::crypto
