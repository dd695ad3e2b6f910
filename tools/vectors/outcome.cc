#include "tools/vectors/outcome.h"

namespace tocsin::vectors {
namespace {

constexpr std::size_t kReasonsMax = 10;  // for each file; the count goes on

}  // namespace

void Outcome::record(bool was_accepted, const std::string& name, const std::string& mismatch) {
  ++run;
  ++(was_accepted ? accepted : rejected);
  if (mismatch.empty()) return;
  ++mismatches;
  if (reasons.size() < kReasonsMax) reasons.push_back(name + ": " + mismatch);
}

std::optional<std::string> text_at(const Json& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto at = object.find(key);
  if (at == object.end() || !at->is_string()) return std::nullopt;
  return at->get<std::string>();
}

std::optional<Bytes> hex_at(const Json& object, const char* key) {
  const auto text = text_at(object, key);
  return text ? from_hex(*text) : std::nullopt;
}

}  // namespace tocsin::vectors
