// The Noise protocol framework (revision 34) over libsodium: 25519, ChaChaPoly, BLAKE2b. Bytes in, bytes out. Rules
// 42, 43.
//
// Every failure of a handshake is final: keys are wiped and all later calls give noise_bad_state. Nothing allocated
// depends on lengths that the peer states: a message is at most 65,535 bytes and its parts have fixed places.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/bytes.h"
#include "crypto/dh.h"
#include "crypto/noise_patterns.h"
#include "crypto/random.h"
#include "crypto/result.h"
#include "crypto/secret.h"

namespace tocsin::crypto {

inline constexpr std::size_t kNoiseMessageMax = 65'535;
inline constexpr std::size_t kNoiseTag = 16;

using HandshakeHash = FixedBytes<struct HandshakeHashTag, 64>;

// One direction of a session: a key and a counter. Move-only.
class CipherState {
 public:
  explicit CipherState(SecretBuffer key);  // 32 bytes

  // `buffer` is plaintext followed by 16 spare bytes; afterwards it is the ciphertext, of the same size. Errors:
  // noise_nonce_exhausted (2^64 - 1 messages), noise_message_size (below 16 or above 65,535 bytes).
  Result<void> encrypt_in_place(MutableByteView buffer, ByteView associated = {});
  // `buffer` is ciphertext; the plaintext takes its place and is the view returned, 16 bytes shorter. Errors:
  // noise_decrypt_failed (the buffer's content is then undefined, the counter has not moved), noise_nonce_exhausted,
  // noise_message_size.
  Result<MutableByteView> decrypt_in_place(MutableByteView buffer, ByteView associated = {});
  // Noise section 4.2, REKEY. The counter goes on (rule 46: both sides call it after the same message).
  void rekey();
  std::uint64_t nonce() const { return nonce_; }
  // For tests of the limit.
  void set_nonce(std::uint64_t nonce) { nonce_ = nonce; }

 private:
  SecretBuffer key_;
  std::uint64_t nonce_ = 0;
};

enum class NoiseRole { kInitiator, kResponder };

// Gives the pre-shared key when its token is reached. `remote` is the peer's static key where it is known by then. The
// pointer is used before the call into HandshakeState returns. Null fails the handshake.
using PskSource = std::function<const PairKey*(const std::optional<TransportPublic>& remote)>;

struct HandshakeConfig {
  std::string protocol_name;  // "Noise_XKpsk3_25519_ChaChaPoly_BLAKE2b"
  NoiseRole role = NoiseRole::kInitiator;
  ByteView prologue;                               // copied into the hash
  const TransportKeyPair* local_static = nullptr;  // cloned
  std::optional<TransportPublic> remote_static;
  std::vector<const PairKey*> psks;  // cloned; consumed in the order of their tokens
  PskSource psk_source;              // instead of `psks`
};

struct SessionKeys {
  CipherState send;
  CipherState receive;
  HandshakeHash handshake_hash;
};

class HandshakeState {
 public:
  // Errors: noise_unknown_protocol, noise_missing_key, non_canonical_key. `random` outlives the object.
  static Result<HandshakeState> create(const HandshakeConfig& config, Random& random);
  HandshakeState(HandshakeState&&) noexcept;
  HandshakeState& operator=(HandshakeState&&) noexcept;
  ~HandshakeState();

  bool my_turn() const;
  bool finished() const;
  // Bytes that the next message has beyond its payload: fixed by the pattern, so that a reader knows the exact size
  // (rule 45).
  std::size_t next_message_overhead() const;

  Result<Bytes> write_message(ByteView payload);
  // The payload. Errors: noise_message_size, noise_decrypt_failed, non_canonical_key, all_zero_result,
  // noise_missing_key, noise_bad_state.
  Result<Bytes> read_message(ByteView message);

  // The peer's static key, once it is known. From a message it is authenticated only when the handshake is finished.
  const std::optional<TransportPublic>& remote_static() const;
  const HandshakeHash& handshake_hash() const;  // final when finished()
  // Once, when finished; then the object is spent. In one-way patterns only the initiator may use `send`, only the
  // responder `receive`. Error: noise_bad_state.
  Result<SessionKeys> split();

 private:
  struct State;
  explicit HandshakeState(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The only handshake on the wire (rule 42). Messages: 1 (initiator, 48 bytes, no payload), 2 (responder, 48 bytes, no
// payload), 3 (initiator, 64 bytes + payload).
class NoiseXKpsk3 {
 public:
  static constexpr std::string_view kProtocolName = "Noise_XKpsk3_25519_ChaChaPoly_BLAKE2b";
  static constexpr std::size_t kMessage1Size = 48;
  static constexpr std::size_t kMessage2Size = 48;
  static constexpr std::size_t kMessage3Overhead = 64;

  // `prologue`: see noise_prologue. `psk` null: all zero.
  static Result<HandshakeState> initiator(const TransportKeyPair& ours, const TransportPublic& theirs,
                                          const PairKey* psk, ByteView prologue, Random& random);
  // `psk_for` gives the pair's key once message 3 has shown who calls; empty, or null from it: all zero.
  static Result<HandshakeState> responder(const TransportKeyPair& ours,
                                          std::function<const PairKey*(const TransportPublic& caller)> psk_for,
                                          ByteView prologue, Random& random);
};

// Rule 43: "tocsin" (6) ‖ wire major version (u16 LE) ‖ network name. Networks do not talk to each other.
Bytes noise_prologue(std::uint16_t wire_major, std::string_view network);

}  // namespace tocsin::crypto
