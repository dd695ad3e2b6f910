#include "crypto/safety_words.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "crypto/codes.h"
#include "crypto/safety_word_list.h"
#include "tests/crypto/random_for_tests.h"
#include "tests/support/expect.h"

namespace tocsin::crypto {
namespace {

using test::code_of;

const Bytes kFingerprint = from_hex("09b3fbd21170186d339fbcf8bee08e8592b8c16d8e9978f3131c7095354478c5").value();
constexpr std::string_view kWords = "answer panther virus carry account custom solar wasp";

TEST(SafetyWords, MatchAnotherImplementation) { EXPECT_EQ(join_words(safety_words(kFingerprint)), kWords); }

TEST(SafetyWords, AllEightyEightBitsCount) {
  const SafetyWords words = safety_words(kFingerprint);
  for (std::size_t bit = 0; bit < 88; ++bit) {
    Bytes other = kFingerprint;
    other[bit / 8] ^= static_cast<std::uint8_t>(0x80 >> bit % 8);
    EXPECT_NE(safety_words(other), words) << bit;
  }
  EXPECT_EQ(safety_words(flipped(kFingerprint, 11)), words) << "the rest is not read out";
}

TEST(SafetyWords, TheListIsSortedAndFourLettersTellItsWordsApart) {
  std::set<std::string_view> starts;
  for (const std::string_view word : internal::kSafetyWords) starts.insert(word.substr(0, 4));
  EXPECT_EQ(starts.size(), 2048u);
  EXPECT_TRUE(std::is_sorted(internal::kSafetyWords.begin(), internal::kSafetyWords.end()));
}

TEST(SafetyWords, PeopleTypeThemInManyWays) {
  const SafetyWords words = safety_words(kFingerprint);
  for (const char* typed :
       {"answer panther virus carry account custom solar wasp",
        "  ANSWER Panther\nvirus,carry, account - custom solar\twasp. ", "answ pant viru carr acco cust sola wasp"}) {
    const auto parsed = parse_safety_words(typed);
    if (std::string_view(typed).find('.') != std::string_view::npos) {
      EXPECT_EQ(code_of(parsed), "bad_word") << "a full stop is no letter";
    } else {
      ASSERT_TRUE(parsed) << typed;
      EXPECT_EQ(*parsed, words);
    }
  }
  EXPECT_EQ(parse_safety_words("  ANSWER Panther\r\nvirus,carry, account - custom solar\twasp ").value(), words);
}

TEST(SafetyWords, MistakesAreNamed) {
  EXPECT_EQ(code_of(parse_safety_words("")), "bad_word_count");
  EXPECT_EQ(code_of(parse_safety_words("answer panther virus carry account custom solar")), "bad_word_count");
  EXPECT_EQ(code_of(parse_safety_words(std::string(kWords) + " wasp")), "bad_word_count");
  EXPECT_EQ(code_of(parse_safety_words(std::string(100'000, 'a'))), "bad_word_count");
  const auto parsed = parse_safety_words("answer panther virus carry account custom solar zzzz");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, kBadWord);
  EXPECT_NE(parsed.error().detail.find("word 8"), std::string::npos);
  EXPECT_EQ(code_of(parse_safety_words("ans panther virus carry account custom solar wasp")), "bad_word");
}

RC_GTEST_PROP(SafetyWords, RoundTrip, (std::uint64_t seed)) {
  Bytes fingerprint(32);
  SeededRandom(seed).fill(fingerprint);
  const SafetyWords words = safety_words(fingerprint);
  RC_ASSERT(parse_safety_words(join_words(words)).value() == words);
}

}  // namespace
}  // namespace tocsin::crypto
