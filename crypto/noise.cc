#include "crypto/noise.h"

#include "crypto/codes.h"
#include "crypto/noise_symmetric.h"

namespace tocsin::crypto {

using namespace internal;

CipherState::CipherState(SecretBuffer key) : key_(std::move(key)) { assert(key_.size() == kNoiseKey); }

Result<void> CipherState::encrypt_in_place(MutableByteView buffer, ByteView associated) {
  if (buffer.size() < kNoiseTag || buffer.size() > kNoiseMessageMax) {
    return caller_error(kNoiseMessageSize, "a message has 16 to 65,535 bytes");
  }
  if (nonce_ == kNoiseNonceMax) return internal_error(kNoiseNonceExhausted, "the session should have been renewed");
  noise_encrypt(buffer, associated, key_.view(), nonce_++);
  return kOk;
}

Result<MutableByteView> CipherState::decrypt_in_place(MutableByteView buffer, ByteView associated) {
  if (buffer.size() < kNoiseTag || buffer.size() > kNoiseMessageMax) {
    return peer_error(kNoiseMessageSize, "a message has 16 to 65,535 bytes");
  }
  if (nonce_ == kNoiseNonceMax) return internal_error(kNoiseNonceExhausted, "the session should have been renewed");
  if (!noise_decrypt(buffer, associated, key_.view(), nonce_)) return peer_error(kNoiseDecryptFailed);
  ++nonce_;
  return buffer.first(buffer.size() - kNoiseTag);
}

void CipherState::rekey() {
  SecretBuffer fresh(kNoiseKey + kNoiseTag);  // zeros, encrypted: their first 32 bytes are the new key
  noise_encrypt(fresh.mutable_view(), {}, key_.view(), kNoiseNonceMax);
  std::copy_n(fresh.view().begin(), kNoiseKey, key_.mutable_view().begin());
}

struct HandshakeState::State {
  State(NoisePattern the_pattern, const HandshakeConfig& config, Random& the_random)
      : pattern(std::move(the_pattern)),
        initiator(config.role == NoiseRole::kInitiator),
        random(the_random),
        symmetric(config.protocol_name),
        psk_mode(pattern.psk_count() > 0),
        psk_source(config.psk_source),
        remote_static(config.remote_static) {
    if (config.local_static != nullptr) local_static = config.local_static->clone();
    for (const PairKey* psk : config.psks) psks.push_back(psk->clone());
  }

  NoisePattern pattern;
  bool initiator;
  Random& random;
  SymmetricState symmetric;
  bool psk_mode;
  PskSource psk_source;
  std::vector<PairKey> psks;
  std::size_t psks_used = 0;
  std::optional<TransportKeyPair> local_static;
  std::optional<TransportKeyPair> local_ephemeral;
  std::optional<TransportPublic> remote_static;
  std::optional<TransportPublic> remote_ephemeral;
  std::size_t message = 0;  // number of the next one
  bool failed = false;
  bool spent = false;

  bool finished() const { return message == pattern.messages.size(); }
  bool my_turn() const { return !failed && !finished() && (message % 2 == 0) == initiator; }

  void mix_known_keys(ByteView prologue);
  std::size_t overhead() const;
  Result<void> mix_dh(const TransportKeyPair* ours, const std::optional<TransportPublic>& theirs);
  Result<void> mix_psk();
  Result<void> mix_token(NoiseToken token);
  Result<void> write_tokens(Bytes& out);
  Result<ByteView> read_tokens(ByteView rest);
  void wipe();
  Error fail(Error error);
};

void HandshakeState::State::mix_known_keys(ByteView prologue) {
  symmetric.mix_hash(prologue);
  if (pattern.initiator_static_known) {
    symmetric.mix_hash(initiator ? local_static->public_key().view() : remote_static->view());
  }
  if (pattern.responder_static_known) {
    symmetric.mix_hash(initiator ? remote_static->view() : local_static->public_key().view());
  }
}

std::size_t HandshakeState::State::overhead() const {
  if (finished()) return 0;
  bool keyed = symmetric.has_key();
  std::size_t size = 0;
  for (const NoiseToken token : pattern.messages[message]) {
    if (token == NoiseToken::kE) {
      size += TransportPublic::kSize;
      keyed = keyed || psk_mode;
    } else if (token == NoiseToken::kS) {
      size += TransportPublic::kSize + (keyed ? kNoiseTag : 0);
    } else {
      keyed = true;
    }
  }
  return size + (keyed ? kNoiseTag : 0);
}

Result<void> HandshakeState::State::mix_dh(const TransportKeyPair* ours, const std::optional<TransportPublic>& theirs) {
  if (ours == nullptr || !theirs) return internal_error(kNoiseMissingKey, "the pattern uses a key before it is known");
  TOCSIN_ASSIGN(shared, diffie_hellman(ours->secret(), *theirs));
  symmetric.mix_key(shared.view());
  return kOk;
}

Result<void> HandshakeState::State::mix_psk() {
  const PairKey* psk = nullptr;
  if (psk_source) {
    psk = psk_source(remote_static);
  } else if (psks_used < psks.size()) {
    psk = &psks[psks_used++];
  }
  if (psk == nullptr) return caller_error(kNoiseMissingKey, "no pre-shared key for this peer");
  symmetric.mix_key_and_hash(psk->view());
  return kOk;
}

// Tokens that move no bytes.
Result<void> HandshakeState::State::mix_token(NoiseToken token) {
  const TransportKeyPair* s = local_static ? &*local_static : nullptr;
  const TransportKeyPair* e = local_ephemeral ? &*local_ephemeral : nullptr;
  switch (token) {
    case NoiseToken::kEE:
      return mix_dh(e, remote_ephemeral);
    case NoiseToken::kES:
      return initiator ? mix_dh(e, remote_static) : mix_dh(s, remote_ephemeral);
    case NoiseToken::kSE:
      return initiator ? mix_dh(s, remote_ephemeral) : mix_dh(e, remote_static);
    case NoiseToken::kSS:
      return mix_dh(s, remote_static);
    case NoiseToken::kPsk:
      return mix_psk();
    case NoiseToken::kE:
    case NoiseToken::kS:
      break;
  }
  return internal_error(kNoiseBadState, "a key is no mixing token");
}

Result<void> HandshakeState::State::write_tokens(Bytes& out) {
  for (const NoiseToken token : pattern.messages[message]) {
    if (token == NoiseToken::kE) {
      local_ephemeral = TransportKeyPair::generate(random);
      const ByteView key = local_ephemeral->public_key().view();
      append(out, key);
      symmetric.mix_hash(key);
      if (psk_mode) symmetric.mix_key(key);
    } else if (token == NoiseToken::kS) {
      symmetric.encrypt_and_hash(out, local_static->public_key().view());
    } else {
      TOCSIN_TRY(mix_token(token));
    }
  }
  return kOk;
}

// `rest` is at least overhead() long; what is left of it is the encrypted payload.
Result<ByteView> HandshakeState::State::read_tokens(ByteView rest) {
  for (const NoiseToken token : pattern.messages[message]) {
    if (token == NoiseToken::kE) {
      remote_ephemeral = TransportPublic::from(rest.first(TransportPublic::kSize));
      rest = rest.subspan(TransportPublic::kSize);
      TOCSIN_TRY(check_public(*remote_ephemeral));
      symmetric.mix_hash(remote_ephemeral->view());
      if (psk_mode) symmetric.mix_key(remote_ephemeral->view());
    } else if (token == NoiseToken::kS) {
      const std::size_t size = TransportPublic::kSize + symmetric.tag_size();
      Bytes key;
      if (!symmetric.decrypt_and_hash(key, rest.first(size))) return peer_error(kNoiseDecryptFailed, "static key");
      rest = rest.subspan(size);
      remote_static = TransportPublic::from(key);
      TOCSIN_TRY(check_public(*remote_static));
    } else {
      TOCSIN_TRY(mix_token(token));
    }
  }
  return rest;
}

void HandshakeState::State::wipe() {
  symmetric.wipe();
  local_ephemeral.reset();
  local_static.reset();
  psks.clear();
}

Error HandshakeState::State::fail(Error error) {
  failed = true;
  wipe();
  return error;
}

HandshakeState::HandshakeState(std::unique_ptr<State> state) : state_(std::move(state)) {}
HandshakeState::HandshakeState(HandshakeState&&) noexcept = default;
HandshakeState& HandshakeState::operator=(HandshakeState&&) noexcept = default;
HandshakeState::~HandshakeState() = default;

Result<HandshakeState> HandshakeState::create(const HandshakeConfig& config, Random& random) {
  const auto name = noise_pattern_part(config.protocol_name);
  auto pattern = name ? find_noise_pattern(*name) : std::nullopt;
  if (!pattern) return caller_error(kNoiseUnknownProtocol, config.protocol_name);
  const bool initiator = config.role == NoiseRole::kInitiator;
  const bool needs_local = initiator ? pattern->initiator_has_static() : pattern->responder_has_static();
  const bool needs_remote = initiator ? pattern->responder_static_known : pattern->initiator_static_known;
  if (needs_local && config.local_static == nullptr) return caller_error(kNoiseMissingKey, "own static key");
  if (needs_remote && !config.remote_static) return caller_error(kNoiseMissingKey, "the peer's static key");
  if (!config.psk_source && config.psks.size() != pattern->psk_count()) {
    return caller_error(kNoiseMissingKey, "as many pre-shared keys as the pattern has");
  }
  if (config.remote_static) TOCSIN_TRY(check_public(*config.remote_static));
  auto state = std::make_unique<State>(std::move(*pattern), config, random);
  // A key that the pattern will send is not taken from the configuration.
  if (!needs_remote) state->remote_static.reset();
  state->mix_known_keys(config.prologue);
  return HandshakeState(std::move(state));
}

bool HandshakeState::my_turn() const { return state_->my_turn(); }
bool HandshakeState::finished() const { return !state_->failed && state_->finished(); }
std::size_t HandshakeState::next_message_overhead() const { return state_->overhead(); }

Result<Bytes> HandshakeState::write_message(ByteView payload) {
  State& s = *state_;
  if (!s.my_turn()) return caller_error(kNoiseBadState, "not our turn to write");
  if (payload.size() > kNoiseMessageMax - s.overhead())
    return caller_error(kNoiseMessageSize, "the payload is too long");
  Bytes out;
  out.reserve(s.overhead() + payload.size());
  if (auto written = s.write_tokens(out); !written) return s.fail(written.error());
  s.symmetric.encrypt_and_hash(out, payload);
  ++s.message;
  return out;
}

Result<Bytes> HandshakeState::read_message(ByteView message) {
  State& s = *state_;
  if (s.failed || s.finished() || s.my_turn()) return caller_error(kNoiseBadState, "not our turn to read");
  if (message.size() < s.overhead() || message.size() > kNoiseMessageMax) {
    return s.fail(peer_error(kNoiseMessageSize, "the handshake message has an impossible size"));
  }
  const auto rest = s.read_tokens(message);
  if (!rest) return s.fail(rest.error());
  Bytes payload;
  if (!s.symmetric.decrypt_and_hash(payload, *rest)) return s.fail(peer_error(kNoiseDecryptFailed, "payload"));
  ++s.message;
  return payload;
}

const std::optional<TransportPublic>& HandshakeState::remote_static() const { return state_->remote_static; }
const HandshakeHash& HandshakeState::handshake_hash() const { return state_->symmetric.handshake_hash(); }

Result<SessionKeys> HandshakeState::split() {
  State& s = *state_;
  if (s.failed || s.spent || !s.finished()) return caller_error(kNoiseBadState, "the handshake is not finished");
  auto [first, second] = s.symmetric.split();
  if (!s.initiator) std::swap(first, second);
  SessionKeys keys{CipherState(std::move(first)), CipherState(std::move(second)), s.symmetric.handshake_hash()};
  s.spent = true;
  s.wipe();
  return keys;
}

}  // namespace tocsin::crypto
