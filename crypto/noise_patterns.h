// The handshake patterns of the Noise specification (revision 34, sections 7.4, 7.5 and 18) as data, and protocol
// names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::crypto {

enum class NoiseToken : std::uint8_t { kE, kS, kEE, kES, kSE, kSS, kPsk };

struct NoisePattern {
  std::string name;                               // with modifiers: "XKpsk3"
  bool initiator_static_known = false;            // pre-message "-> s"
  bool responder_static_known = false;            // pre-message "<- s"
  std::vector<std::vector<NoiseToken>> messages;  // first from the initiator, then in turn

  bool one_way() const { return messages.size() == 1; }
  bool initiator_has_static() const;
  bool responder_has_static() const;
  std::size_t psk_count() const;
};

// A pattern name with psk modifiers ("XX", "IK1", "NNpsk0", "NNpsk0+psk2"). Nothing for unknown patterns and other
// modifiers (fallback among them).
std::optional<NoisePattern> find_noise_pattern(std::string_view name);

// Of "Noise_XX_25519_ChaChaPoly_BLAKE2b": the pattern part. Nothing when DH, cipher or hash are others than ours.
std::optional<std::string_view> noise_pattern_part(std::string_view protocol_name);

}  // namespace tocsin::crypto
