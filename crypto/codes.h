// Reason codes of the crypto layer. One table, so that scripts and docs can list them.
#pragma once

#include "crypto/result.h"

namespace tocsin::crypto {

// Set-up and arguments.
inline constexpr Code kCryptoUnavailable{"crypto_unavailable"};  // libsodium or the operating system refused to start
inline constexpr Code kBadKeySize{"bad_key_size"};

// Public keys (rule 2).
inline constexpr Code kNonCanonicalKey{"non_canonical_key"};  // X25519 public key >= p, or its top bit set
inline constexpr Code kAllZeroResult{"all_zero_result"};      // X25519 with a low-order point

// Everything encrypted.
inline constexpr Code kUnknownSuite{"unknown_suite"};     // first byte names a suite that we do not have (rule 41)
inline constexpr Code kTooShort{"ciphertext_too_short"};  // shorter than its fixed parts
inline constexpr Code kTooLong{"too_long"};               // above the hard limit of the format
inline constexpr Code kCommitmentMismatch{
    "commitment_mismatch"};  // made with another key (rules 30, 37); nothing decrypted
inline constexpr Code kDecryptionFailed{"decryption_failed"};  // authentication tag does not hold
inline constexpr Code kBadPadding{"bad_padding"};              // authentic, but padding is not the one zero padding
inline constexpr Code kTruncatedStream{"truncated_stream"};    // a sealed stream ends before its last chunk
inline constexpr Code kTrailingBytes{"trailing_bytes"};        // bytes after the last chunk of a sealed stream

// Files under a passphrase.
inline constexpr Code kNotAKeyFile{"not_a_key_file"};  // magic or size is wrong
inline constexpr Code kWeakPassphraseParams{"weak_passphrase_params"};
inline constexpr Code kCostlyPassphraseParams{"costly_passphrase_params"};  // a hostile file asks for too much work
inline constexpr Code kOtherPassphraseSalt{"other_passphrase_salt"};        // file belongs to another derivation
inline constexpr Code kWrongPassphrase{"wrong_passphrase"};  // or the file was changed: cannot be told apart
inline constexpr Code kOutOfMemory{"out_of_memory"};

// Noise.
inline constexpr Code kNoiseUnknownProtocol{"noise_unknown_protocol"};
inline constexpr Code kNoiseMissingKey{"noise_missing_key"};    // the pattern needs a key or psk that was not given
inline constexpr Code kNoiseBadState{"noise_bad_state"};        // not our turn, already finished, or failed before
inline constexpr Code kNoiseMessageSize{"noise_message_size"};  // too short for its tokens, or above 65,535 bytes
inline constexpr Code kNoiseDecryptFailed{"noise_decrypt_failed"};
inline constexpr Code kNoiseNonceExhausted{"noise_nonce_exhausted"};

// Text codes and words.
inline constexpr Code kBadPrefix{"bad_prefix"};
inline constexpr Code kBadCharacter{"bad_character"};
inline constexpr Code kBadChecksum{"bad_checksum"};
inline constexpr Code kBadWord{"bad_word"};
inline constexpr Code kBadWordCount{"bad_word_count"};

}  // namespace tocsin::crypto
