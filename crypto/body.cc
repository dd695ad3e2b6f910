#include "crypto/body.h"

#include <cassert>

#include "crypto/aead.h"
#include "crypto/codes.h"
#include "crypto/hash.h"

namespace tocsin::crypto {
namespace {

using namespace internal;

// Places in a body.
constexpr std::size_t kBodyCommitmentAt = 1;
constexpr std::size_t kBodyNonceAt = kBodyCommitmentAt + kCommitmentSize;
constexpr std::size_t kBodyCiphertextAt = kBodyNonceAt + kNonceSize;
static_assert(kBodyCiphertextAt + kTagSize == kBodyOverhead);
constexpr std::size_t kBodyKeysSize = kKeySize + kCommitmentSize;

// Encryption key ‖ commitment of an entry key, in memory of the caller's.
void body_keys_into(MutableByteView out, ByteView entry_key) { keyed_hash_into(out, entry_key, kPersonalBodyKeys, {}); }

void seal_into(MutableByteView body, MutableByteView padded, ByteView keys, ByteView associated, ByteView plaintext,
               Random& random) {
  const ByteView encryption_key = keys.first(kKeySize);
  const ByteView commitment = keys.subspan(kKeySize, kCommitmentSize);
  body[0] = kSuiteClassic;
  std::copy(commitment.begin(), commitment.end(), body.begin() + kBodyCommitmentAt);
  const MutableByteView nonce = body.subspan(kBodyNonceAt, kNonceSize);
  derive_nonce(nonce, encryption_key, kPersonalBodyNonce, associated, plaintext, random);
  pad_into(padded, plaintext);
  encrypt(body.subspan(kBodyCiphertextAt), padded, associated, nonce, encryption_key);
}

Result<void> check_shape(ByteView body) {
  if (body.empty()) return peer_error(kTooShort, "the body is empty");
  if (body[0] != kSuiteClassic) return peer_error(kUnknownSuite, "suite " + std::to_string(body[0]));
  if (body.size() > kSealedBodyMax) return peer_error(kTooLong, "the body is longer than 48 KiB");
  if (body.size() < sealed_body_size(0)) return peer_error(kTooShort, "the body is cut");
  return kOk;
}

// `padded` has room for the padded plaintext; the result lies inside.
Result<ByteView> open_into(MutableByteView padded, ByteView keys, ByteView associated, ByteView body) {
  const ByteView commitment = keys.subspan(kKeySize, kCommitmentSize);
  if (!constant_time_equal(commitment, body.subspan(kBodyCommitmentAt, kCommitmentSize))) {
    return peer_error(kCommitmentMismatch, "the body was made with another key");
  }
  const MutableByteView out = padded.first(body.size() - kBodyOverhead);
  if (!decrypt(out, body.subspan(kBodyCiphertextAt), associated, body.subspan(kBodyNonceAt, kNonceSize),
               keys.first(kKeySize))) {
    return peer_error(kDecryptionFailed, "the body or its place in the log was changed");
  }
  return unpad(out);
}

}  // namespace

std::size_t sealed_body_size(std::size_t plaintext_size) { return kBodyOverhead + padded_size(plaintext_size); }

EntryKey derive_entry_key(const EpochKey& epoch, ByteView context) {
  EntryKey out = EntryKey::zero();
  derive_entry_key_into(out.mutable_view(), epoch, context);
  return out;
}

void derive_entry_key_into(MutableByteView out32, const EpochKey& epoch, ByteView context) {
  assert(out32.size() == EntryKey::kSize);
  keyed_hash_into(out32, epoch.view(), kPersonalEntryKey, context);
}

Bytes seal_body(const EntryKey& key, ByteView associated, ByteView plaintext, Random& random) {
  assert(plaintext.size() <= kBodyPlaintextMax);
  SecretBuffer keys(kBodyKeysSize);
  body_keys_into(keys.mutable_view(), key.view());
  Bytes padded(padded_size(plaintext.size()));
  Bytes body(sealed_body_size(plaintext.size()));
  seal_into(body, padded, keys.view(), associated, plaintext, random);
  wipe(padded);
  return body;
}

Result<Bytes> open_body(const EntryKey& key, ByteView associated, ByteView body) {
  TOCSIN_TRY(check_shape(body));
  SecretBuffer keys(kBodyKeysSize);
  body_keys_into(keys.mutable_view(), key.view());
  Bytes padded(body.size() - kBodyOverhead);
  const auto plaintext = open_into(padded, keys.view(), associated, body);
  if (!plaintext) return plaintext.error();
  Bytes out = to_bytes(*plaintext);
  wipe(padded);
  return out;
}

bool body_is_for(const EntryKey& key, ByteView body) {
  if (!check_shape(body)) return false;
  SecretBuffer keys(kBodyKeysSize);
  body_keys_into(keys.mutable_view(), key.view());
  return constant_time_equal(keys.view().subspan(kKeySize), body.subspan(kBodyCommitmentAt, kCommitmentSize));
}

BodyOpener::BodyOpener(const EpochKey& epoch)
    : epoch_(epoch.clone()), keys_(kKeySize + kBodyKeysSize), padded_(kSealedBodyMax) {}

BodyOpener::~BodyOpener() { wipe(padded_); }

Result<ByteView> BodyOpener::open(ByteView context, ByteView associated, ByteView body) {
  TOCSIN_TRY(check_shape(body));
  const MutableByteView entry_key = keys_.mutable_view().first(kKeySize);
  const MutableByteView body_keys = keys_.mutable_view().subspan(kKeySize);
  derive_entry_key_into(entry_key, epoch_, context);
  body_keys_into(body_keys, entry_key);
  return open_into(padded_, body_keys, associated, body);
}

BodySealer::BodySealer(const EpochKey& epoch)
    : epoch_(epoch.clone()), keys_(kKeySize + kBodyKeysSize), padded_(kSealedBodyMax), body_(kSealedBodyMax) {}

BodySealer::~BodySealer() { wipe(padded_); }

ByteView BodySealer::seal(ByteView context, ByteView associated, ByteView plaintext, Random& random) {
  assert(plaintext.size() <= kBodyPlaintextMax);
  const MutableByteView entry_key = keys_.mutable_view().first(kKeySize);
  const MutableByteView body_keys = keys_.mutable_view().subspan(kKeySize);
  derive_entry_key_into(entry_key, epoch_, context);
  body_keys_into(body_keys, entry_key);
  const MutableByteView padded = MutableByteView(padded_).first(padded_size(plaintext.size()));
  const MutableByteView body = MutableByteView(body_).first(sealed_body_size(plaintext.size()));
  seal_into(body, padded, body_keys, associated, plaintext, random);
  return body;
}

}  // namespace tocsin::crypto
