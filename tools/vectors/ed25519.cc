// CCTV's edge cases and the cases of ed25519-speccheck: lists of signatures.
#include "crypto/sign.h"
#include "tools/vectors/outcome.h"

namespace tocsin::vectors {
namespace {

// The flags of a CCTV vector name what is odd about it; a vector without any is an ordinary signature.
std::optional<bool> has_flags(const Json& vector) {
  const auto at = vector.find("flags");
  if (at == vector.end() || at->is_null()) return false;
  if (!at->is_array()) return std::nullopt;
  return !at->empty();
}

std::string name_of(const Json& vector, std::size_t index) {
  const auto number = vector.is_object() ? vector.find("number") : vector.end();
  const bool numbered = vector.is_object() && number != vector.end() && number->is_number_unsigned();
  return "vector " + std::to_string(numbered ? number->get<std::size_t>() : index);
}

bool has_sizes(const std::optional<Bytes>& key, const std::optional<Bytes>& signature) {
  return key && key->size() == crypto::VerifyKey::kSize && signature && signature->size() == crypto::Signature::kSize;
}

}  // namespace

bool is_cctv(const Json& document) {
  if (!document.is_array() || document.empty()) return false;
  const Json& first = document.front();
  return text_at(first, "key") && text_at(first, "sig") && text_at(first, "msg") && first.contains("flags");
}

Outcome run_cctv(const Json& document) {
  Outcome outcome;
  outcome.kind = "cctv-ed25519";
  std::size_t index = 0;
  for (const Json& vector : document) {
    const std::string name = name_of(vector, index++);
    const auto key = hex_at(vector, "key");
    const auto signature = hex_at(vector, "sig");
    const auto message = text_at(vector, "msg");
    const auto flagged = vector.is_object() ? has_flags(vector) : std::nullopt;
    if (!has_sizes(key, signature) || !message || !flagged) {
      outcome.record(false, name, "a field is missing or malformed");
      continue;
    }
    const bool accepted = crypto::strict_verify(*key, as_bytes(*message), *signature);
    outcome.record(accepted, name, accepted == !*flagged ? "" : accepted ? "accepted" : "rejected");
  }
  return outcome;
}

bool is_speccheck(const Json& document) {
  if (!document.is_array() || document.empty()) return false;
  const Json& first = document.front();
  return text_at(first, "message") && text_at(first, "pub_key") && text_at(first, "signature");
}

Outcome run_speccheck(const Json& document) {
  Outcome outcome;
  outcome.kind = "speccheck";
  std::size_t index = 0;
  for (const Json& vector : document) {
    const std::string name = name_of(vector, index++);
    const auto key = hex_at(vector, "pub_key");
    const auto signature = hex_at(vector, "signature");
    const auto message = hex_at(vector, "message");
    if (!has_sizes(key, signature) || !message) {
      outcome.record(false, name, "a field is missing or malformed");
      continue;
    }
    outcome.record(crypto::strict_verify(*key, *message, *signature), name, "");
  }
  return outcome;
}

}  // namespace tocsin::vectors
