#include "crypto/text_code.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "crypto/codes.h"
#include "tests/crypto/random_for_tests.h"
#include "tests/support/expect.h"

namespace tocsin::crypto {
namespace {

using test::code_of;

constexpr std::string_view kPrefix = "tocsin1";

TEST(TextCode, MatchesAnotherImplementation) {
  EXPECT_EQ(encode_text(kPrefix, counting_bytes(20)), "tocsin1aaaqeayeaudaocajbifqydiob4ibceqtee4q6ty");
}

TEST(TextCode, BlanksAndCaseDoNotMatter) {
  const std::string text = encode_text(kPrefix, counting_bytes(100));
  std::string messy = " \t";
  for (std::size_t i = 0; i < text.size(); ++i) {
    messy.push_back(i % 2 == 0 && text[i] >= 'a' && text[i] <= 'z' ? static_cast<char>(text[i] - 32) : text[i]);
    if (i % 20 == 3) messy += "\r\n";
  }
  EXPECT_EQ(decode_text(kPrefix, messy).value(), counting_bytes(100));
}

TEST(TextCode, EveryWrongLetterIsNoticed) {
  const std::string text = encode_text(kPrefix, counting_bytes(40));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string wrong = text;
    wrong[i] = wrong[i] == 'q' ? 'p' : 'q';
    EXPECT_EQ(code_of(decode_text(kPrefix, wrong)), i < kPrefix.size() ? "bad_prefix" : "bad_checksum") << i;
    wrong[i] = '0';
    EXPECT_EQ(code_of(decode_text(kPrefix, wrong)), i < kPrefix.size() ? "bad_prefix" : "bad_character") << i;
    std::string swapped = text;
    if (i + 1 < text.size() && i >= kPrefix.size() && text[i] != text[i + 1]) {
      std::swap(swapped[i], swapped[i + 1]);
      EXPECT_EQ(code_of(decode_text(kPrefix, swapped)), "bad_checksum") << i;
    }
  }
}

TEST(TextCode, EveryCutIsNoticed) {
  const std::string text = encode_text(kPrefix, counting_bytes(40));
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto code = code_of(decode_text(kPrefix, std::string_view(text).substr(0, size)));
    EXPECT_EQ(code, size < kPrefix.size() ? "bad_prefix" : "bad_checksum") << size;
  }
}

TEST(TextCode, AnotherPrefixIsAnotherKindOfText) {
  const std::string text = encode_text(kPrefix, counting_bytes(40));
  EXPECT_EQ(code_of(decode_text("tocsin2", text)), "bad_prefix");
  // The checksum covers the prefix: changing both sides' idea of it does not help.
  EXPECT_EQ(code_of(decode_text("tocsin2", "tocsin2" + text.substr(kPrefix.size()))), "bad_checksum");
}

TEST(TextCode, rule_06_length_is_bounded_before_anything) {
  EXPECT_EQ(code_of(decode_text(kPrefix, std::string(kTextCodeInputMax + 1, ' '))), "too_long");
  EXPECT_EQ(code_of(decode_text(kPrefix, "tocsin1" + std::string(kTextCodeMax, 'a'))), "too_long");
  EXPECT_TRUE(decode_text(kPrefix, encode_text(kPrefix, Bytes(kTextCodeBytesMax))));
}

RC_GTEST_PROP(TextCode, RoundTrip, (const Bytes& bytes)) {
  RC_ASSERT(decode_text(kPrefix, encode_text(kPrefix, bytes)).value() == bytes);
}

RC_GTEST_PROP(TextCode, AnyTextIsRefusedWithAReason, (const std::string& text)) {
  const auto code = code_of(decode_text(kPrefix, "tocsin1" + text));
  RC_ASSERT(code == "bad_character" || code == "bad_checksum" || code == "too_long");
}

}  // namespace
}  // namespace tocsin::crypto
