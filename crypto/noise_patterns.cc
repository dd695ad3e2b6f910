#include "crypto/noise_patterns.h"

#include <algorithm>
#include <charconv>

namespace tocsin::crypto {
namespace {

enum class Known { kNone, kInitiator, kResponder, kBoth };

struct Row {
  std::string_view name;
  Known known;                // whose static key the other side has beforehand
  std::string_view messages;  // tokens apart by spaces, messages by bars, the first from the initiator
};

constexpr Row kRows[] = {
    // One-way (section 7.4).
    {"N", Known::kResponder, "e es"},
    {"K", Known::kBoth, "e es ss"},
    {"X", Known::kResponder, "e es s ss"},
    // Interactive (section 7.5).
    {"NN", Known::kNone, "e|e ee"},
    {"NK", Known::kResponder, "e es|e ee"},
    {"NX", Known::kNone, "e|e ee s es"},
    {"XN", Known::kNone, "e|e ee|s se"},
    {"XK", Known::kResponder, "e es|e ee|s se"},
    {"XX", Known::kNone, "e|e ee s es|s se"},
    {"KN", Known::kInitiator, "e|e ee se"},
    {"KK", Known::kBoth, "e es ss|e ee se"},
    {"KX", Known::kInitiator, "e|e ee se s es"},
    {"IN", Known::kNone, "e s|e ee se"},
    {"IK", Known::kResponder, "e es s ss|e ee se"},
    {"IX", Known::kNone, "e s|e ee se s es"},
    // Interactive deferred (section 18.1).
    {"NK1", Known::kResponder, "e|e ee es"},
    {"NX1", Known::kNone, "e|e ee s|es"},
    {"X1N", Known::kNone, "e|e ee|s|se"},
    {"X1K", Known::kResponder, "e es|e ee|s|se"},
    {"XK1", Known::kResponder, "e|e ee es|s se"},
    {"X1K1", Known::kResponder, "e|e ee es|s|se"},
    {"X1X", Known::kNone, "e|e ee s es|s|se"},
    {"XX1", Known::kNone, "e|e ee s|es s se"},
    {"X1X1", Known::kNone, "e|e ee s|es s|se"},
    {"K1N", Known::kInitiator, "e|e ee|se"},
    {"K1K", Known::kBoth, "e es|e ee|se"},
    {"KK1", Known::kBoth, "e|e ee se es"},
    {"K1K1", Known::kBoth, "e|e ee es|se"},
    {"K1X", Known::kInitiator, "e|e ee s es|se"},
    {"KX1", Known::kInitiator, "e|e ee se s|es"},
    {"K1X1", Known::kInitiator, "e|e ee s|se es"},
    {"I1N", Known::kNone, "e s|e ee|se"},
    {"I1K", Known::kResponder, "e es s|e ee|se"},
    {"IK1", Known::kResponder, "e s|e ee se es"},
    {"I1K1", Known::kResponder, "e s|e ee es|se"},
    {"I1X", Known::kNone, "e s|e ee s es|se"},
    {"IX1", Known::kNone, "e s|e ee se s|es"},
    {"I1X1", Known::kNone, "e s|e ee s|se es"},
};

// "a|b|c" into its parts; an empty text has one empty part.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (std::size_t at; (at = text.find(separator)) != std::string_view::npos; text.remove_prefix(at + 1)) {
    out.push_back(text.substr(0, at));
  }
  out.push_back(text);
  return out;
}

NoiseToken token(std::string_view text) {
  if (text == "e") return NoiseToken::kE;
  if (text == "s") return NoiseToken::kS;
  if (text == "ee") return NoiseToken::kEE;
  if (text == "es") return NoiseToken::kES;
  if (text == "se") return NoiseToken::kSE;
  return NoiseToken::kSS;
}

NoisePattern from_row(const Row& row) {
  NoisePattern out;
  out.name = row.name;
  out.initiator_static_known = row.known == Known::kInitiator || row.known == Known::kBoth;
  out.responder_static_known = row.known == Known::kResponder || row.known == Known::kBoth;
  for (const std::string_view message : split(row.messages, '|')) {
    auto& tokens = out.messages.emplace_back();
    for (const std::string_view text : split(message, ' ')) tokens.push_back(token(text));
  }
  return out;
}

// Section 9.4: psk0 stands before the first message's tokens, pskN after those of message N. False for what is not
// such.
bool apply_psk(NoisePattern& pattern, std::string_view modifier) {
  if (!modifier.starts_with("psk")) return false;
  modifier.remove_prefix(3);
  unsigned place = 0;
  const auto [end, error] = std::from_chars(modifier.data(), modifier.data() + modifier.size(), place);
  if (error != std::errc{} || end != modifier.data() + modifier.size() || modifier.size() > 1) return false;
  if (place > pattern.messages.size()) return false;
  auto& tokens = pattern.messages[place == 0 ? 0 : place - 1];
  const auto where = place == 0 ? tokens.begin() : tokens.end();
  // The same modifier twice is no pattern name.
  if (place == 0 ? tokens.front() == NoiseToken::kPsk : tokens.back() == NoiseToken::kPsk) return false;
  tokens.insert(where, NoiseToken::kPsk);
  return true;
}

bool sends_static(const NoisePattern& pattern, std::size_t first_message) {
  for (std::size_t i = first_message; i < pattern.messages.size(); i += 2) {
    if (std::ranges::count(pattern.messages[i], NoiseToken::kS) > 0) return true;
  }
  return false;
}

}  // namespace

bool NoisePattern::initiator_has_static() const { return initiator_static_known || sends_static(*this, 0); }
bool NoisePattern::responder_has_static() const { return responder_static_known || sends_static(*this, 1); }

std::size_t NoisePattern::psk_count() const {
  std::ptrdiff_t count = 0;
  for (const auto& tokens : messages) count += std::ranges::count(tokens, NoiseToken::kPsk);
  return static_cast<std::size_t>(count);
}

std::optional<NoisePattern> find_noise_pattern(std::string_view name) {
  const std::string_view base = name.substr(0, name.find_first_not_of("NKXI1"));
  const auto row = std::ranges::find(kRows, base, &Row::name);
  if (row == std::end(kRows)) return std::nullopt;
  NoisePattern out = from_row(*row);
  if (name.size() > base.size()) {
    for (const std::string_view modifier : split(name.substr(base.size()), '+')) {
      if (!apply_psk(out, modifier)) return std::nullopt;
    }
  }
  out.name = name;
  return out;
}

std::optional<std::string_view> noise_pattern_part(std::string_view protocol_name) {
  constexpr std::string_view kStart = "Noise_";
  constexpr std::string_view kEnd = "_25519_ChaChaPoly_BLAKE2b";
  if (!protocol_name.starts_with(kStart) || !protocol_name.ends_with(kEnd)) return std::nullopt;
  if (protocol_name.size() <= kStart.size() + kEnd.size()) return std::nullopt;
  return protocol_name.substr(kStart.size(), protocol_name.size() - kStart.size() - kEnd.size());
}

}  // namespace tocsin::crypto
