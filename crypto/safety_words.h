// Eight words to read out over another line, for the fingerprint of a card: 11 bits each, 88 bits in all, from a list
// of 2,048 English words. Word i is the list's entry at bits 11 i to 11 i + 10 of the fingerprint, most significant bit
// first.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "crypto/bytes.h"
#include "crypto/result.h"

namespace tocsin::crypto {

inline constexpr std::size_t kSafetyWordCount = 8;
using SafetyWords = std::array<std::string, kSafetyWordCount>;

// `fingerprint` is 11 bytes or more (assert); the rest is ignored.
SafetyWords safety_words(ByteView fingerprint);
// "word word …" with single spaces.
std::string join_words(const SafetyWords& words);
// Tolerant to case, and to spaces, commas, hyphens and line breaks between words; a word may be cut to its first four
// letters, which are unique. Errors, origin caller: bad_word_count, bad_word (the detail names its place, 1 to 8).
Result<SafetyWords> parse_safety_words(std::string_view text);

}  // namespace tocsin::crypto
