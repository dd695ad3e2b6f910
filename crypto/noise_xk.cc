#include <memory>

#include "crypto/noise.h"

namespace tocsin::crypto {
namespace {

std::shared_ptr<const PairKey> zero_pair_key() { return std::make_shared<const PairKey>(PairKey::zero()); }

HandshakeConfig base_config(NoiseRole role, const TransportKeyPair& ours, ByteView prologue) {
  HandshakeConfig config;
  config.protocol_name = NoiseXKpsk3::kProtocolName;
  config.role = role;
  config.prologue = prologue;
  config.local_static = &ours;
  return config;
}

}  // namespace

Result<HandshakeState> NoiseXKpsk3::initiator(const TransportKeyPair& ours, const TransportPublic& theirs,
                                              const PairKey* psk, ByteView prologue, Random& random) {
  HandshakeConfig config = base_config(NoiseRole::kInitiator, ours, prologue);
  config.remote_static = theirs;
  const auto none = zero_pair_key();
  config.psks.push_back(psk != nullptr ? psk : none.get());
  return HandshakeState::create(config, random);
}

Result<HandshakeState> NoiseXKpsk3::responder(const TransportKeyPair& ours,
                                              std::function<const PairKey*(const TransportPublic& caller)> psk_for,
                                              ByteView prologue, Random& random) {
  HandshakeConfig config = base_config(NoiseRole::kResponder, ours, prologue);
  config.psk_source = [none = zero_pair_key(),
                       find = std::move(psk_for)](const std::optional<TransportPublic>& caller) -> const PairKey* {
    const PairKey* psk = find && caller ? find(*caller) : nullptr;
    return psk != nullptr ? psk : none.get();
  };
  return HandshakeState::create(config, random);
}

Bytes noise_prologue(std::uint16_t wire_major, std::string_view network) {
  Bytes out = to_bytes(as_bytes("tocsin"));
  out.resize(out.size() + 2);
  store_le16(out.data() + out.size() - 2, wire_major);
  append(out, as_bytes(network));
  return out;
}

}  // namespace tocsin::crypto
