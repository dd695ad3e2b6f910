// A body for the readers of an epoch, made by somebody who does not know the epoch's key (rules 24, 37).
//
//   half          = X25519 pair of the epoch; the secret half comes from the epoch's key, the public one is told
//   entry key     = BLAKE2b-256(key = X25519(ephemeral, half), personal "tocsin contr key",
//                               context ‖ ephemeral public (32) ‖ public half (32))
//   contribution  = suite 0x02 ‖ ephemeral public (32) ‖ body as in body.h under that entry key
//
// Context and associated data are those of a body (body.h). Errors of every opening, all of origin peer: those of
// opening a body; non_canonical_key, all_zero_result (the ephemeral key).
#pragma once

#include "crypto/body.h"
#include "crypto/dh.h"

namespace tocsin::crypto {

inline constexpr std::uint8_t kSuiteContribution = 0x02;
inline constexpr std::size_t kContributionOverhead = 1 + EncryptionPublic::kSize;  // beside the body inside

bool is_contribution(ByteView body);

// `ephemeral` belongs to this one place alone: who keeps it can open the body again. `plaintext` is at most
// kBodyPlaintextMax bytes (assert). Errors (peer): non_canonical_key, all_zero_result (of the half).
Result<Bytes> seal_contribution(const EncryptionKeyPair& ephemeral, const EncryptionPublic& half, ByteView context,
                                ByteView associated, ByteView plaintext, Random& random);
// By a reader, with the epoch's half.
Result<Bytes> open_contribution(const EncryptionKeyPair& half, ByteView context, ByteView associated, ByteView body);
// By who wrote it, with the ephemeral pair of that place. Error (peer) beside those above: commitment_mismatch, for
// another pair too.
Result<Bytes> open_own_contribution(const EncryptionKeyPair& ephemeral, const EncryptionPublic& half, ByteView context,
                                    ByteView associated, ByteView body);

}  // namespace tocsin::crypto
