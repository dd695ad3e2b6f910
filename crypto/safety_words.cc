#include "crypto/safety_words.h"

#include <cassert>

#include "crypto/codes.h"
#include "crypto/safety_word_list.h"

namespace tocsin::crypto {
namespace {

using internal::kSafetyWords;

constexpr std::size_t kBitsPerWord = 11;
constexpr std::size_t kUniqueLetters = 4;
constexpr std::size_t kWordsTextMax = 1024;  // eight words with generous blanks
static_assert(std::size_t{1} << kBitsPerWord == 2048);

std::size_t bits_at(ByteView bytes, std::size_t first) {
  std::size_t out = 0;
  for (std::size_t bit = first; bit < first + kBitsPerWord; ++bit) {
    out = out << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1u);
  }
  return out;
}

std::optional<std::string_view> find_word(std::string_view typed) {
  const auto at = std::lower_bound(kSafetyWords.begin(), kSafetyWords.end(), typed);
  if (at == kSafetyWords.end()) return std::nullopt;
  if (*at == typed) return *at;
  if (typed.size() >= kUniqueLetters && at->starts_with(typed)) return *at;
  return std::nullopt;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> out;
  bool inside = false;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == '-';
    if (blank) {
      inside = false;
      continue;
    }
    if (!inside) out.emplace_back();
    inside = true;
    out.back().push_back(letter ? static_cast<char>(c | 0x20) : c);
  }
  return out;
}

}  // namespace

SafetyWords safety_words(ByteView fingerprint) {
  assert(fingerprint.size() * 8 >= kSafetyWordCount * kBitsPerWord);
  SafetyWords out;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = kSafetyWords[bits_at(fingerprint, i * kBitsPerWord)];
  return out;
}

std::string join_words(const SafetyWords& words) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out.push_back(' ');
    out += word;
  }
  return out;
}

Result<SafetyWords> parse_safety_words(std::string_view text) {
  const std::vector<std::string> typed = split_words(text.substr(0, kWordsTextMax + 1));
  if (text.size() > kWordsTextMax || typed.size() != kSafetyWordCount) {
    return caller_error(kBadWordCount, "eight words are needed");
  }
  SafetyWords out;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto word = find_word(typed[i]);
    if (!word) return caller_error(kBadWord, "word " + std::to_string(i + 1) + " is not in the list");
    out[i] = *word;
  }
  return out;
}

}  // namespace tocsin::crypto
