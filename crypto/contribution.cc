#include "crypto/contribution.h"

#include "crypto/codes.h"
#include "crypto/hash.h"

namespace tocsin::crypto {
namespace {

constexpr std::size_t kContributionBodyAt = kContributionOverhead;

Result<EntryKey> contribution_key(const EncryptionSecret& ours, const EncryptionPublic& theirs,
                                  const EncryptionPublic& ephemeral, const EncryptionPublic& half, ByteView context) {
  TOCSIN_ASSIGN(shared, diffie_hellman(ours, theirs));
  EntryKey out = EntryKey::zero();
  Hasher hasher(kPersonalContributionKey, EntryKey::kSize, shared.view());
  hasher.update(context).update(ephemeral.view()).update(half.view()).finish(out.mutable_view());
  return out;
}

Result<EncryptionPublic> ephemeral_of(ByteView contribution) {
  if (contribution.empty()) return peer_error(kTooShort, "the body is empty");
  if (!is_contribution(contribution)) {
    return peer_error(kUnknownSuite, "suite " + std::to_string(contribution[0]));
  }
  if (contribution.size() < kContributionOverhead) return peer_error(kTooShort, "the body is cut");
  return *EncryptionPublic::from(contribution.subspan(1, EncryptionPublic::kSize));
}

}  // namespace

bool is_contribution(ByteView body) { return !body.empty() && body[0] == kSuiteContribution; }

Result<Bytes> seal_contribution(const EncryptionKeyPair& ephemeral, const EncryptionPublic& half, ByteView context,
                                ByteView associated, ByteView plaintext, Random& random) {
  TOCSIN_ASSIGN(key, contribution_key(ephemeral.secret(), half, ephemeral.public_key(), half, context));
  Bytes out{kSuiteContribution};
  append(out, ephemeral.public_key().view());
  append(out, seal_body(key, associated, plaintext, random));
  return out;
}

Result<Bytes> open_contribution(const EncryptionKeyPair& half, ByteView context, ByteView associated, ByteView body) {
  TOCSIN_ASSIGN(ephemeral, ephemeral_of(body));
  TOCSIN_ASSIGN(key, contribution_key(half.secret(), ephemeral, ephemeral, half.public_key(), context));
  return open_body(key, associated, body.subspan(kContributionBodyAt));
}

Result<Bytes> open_own_contribution(const EncryptionKeyPair& ephemeral, const EncryptionPublic& half, ByteView context,
                                    ByteView associated, ByteView body) {
  TOCSIN_ASSIGN(sealed_with, ephemeral_of(body));
  if (sealed_with != ephemeral.public_key())
    return peer_error(kCommitmentMismatch, "the body was made with another key");
  TOCSIN_ASSIGN(key, contribution_key(ephemeral.secret(), half, sealed_with, half, context));
  return open_body(key, associated, body.subspan(kContributionBodyAt));
}

}  // namespace tocsin::crypto
