#include "crypto/sealer.h"

#include <gtest/gtest.h>

#include "crypto/codes.h"
#include "tests/support/expect.h"

namespace tocsin::crypto {
namespace {

using test::code_of;

constexpr Label kLabel{"tocsin.test.sealer"};

TEST(Sealer, MakesAndOpensWhatSealAndOpenDo) {
  SystemRandom random;
  const Bytes key(32, 7);
  const Sealer sealer(key, kLabel);
  const Bytes made = sealer.seal(as_bytes("place"), as_bytes("value"), random);
  EXPECT_EQ(as_text(*open(key, kLabel, as_bytes("place"), made)), "value");
  Bytes out;
  ASSERT_TRUE(
      sealer.open(as_bytes("place"), seal(key, kLabel, as_bytes("place"), as_bytes("value"), random), out).ok());
  EXPECT_EQ(as_text(out), "value");
  Bytes behind = to_bytes(as_bytes("front"));
  sealer.seal(as_bytes("place"), {}, random, behind);
  EXPECT_EQ(as_text(ByteView(behind).first(5)), "front");
  EXPECT_TRUE(sealer.open(as_bytes("place"), ByteView(behind).subspan(5), out).ok());
  EXPECT_TRUE(out.empty());
}

TEST(Sealer, rule_04_another_purpose_or_place_does_not_open) {
  SystemRandom random;
  const Bytes key(32, 7);
  const Sealer sealer(key, kLabel);
  const Bytes made = sealer.seal(as_bytes("place"), as_bytes("value"), random);
  Bytes out = {1, 2, 3};
  EXPECT_EQ(code_of(sealer.open(as_bytes("elsewhere"), made, out)), "decryption_failed");
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(code_of(Sealer(key, Label{"tocsin.test.other"}).open(as_bytes("place"), made, out)), "decryption_failed");
  EXPECT_EQ(code_of(Sealer(Bytes(32, 8), kLabel).open(as_bytes("place"), made, out)), "decryption_failed");
}

TEST(Sealer, CutChangedAndUnknownValuesHaveTheirCodes) {
  SystemRandom random;
  const Sealer sealer(Bytes(32, 7), kLabel);
  const Bytes made = sealer.seal({}, as_bytes("value"), random);
  Bytes out;
  for (std::size_t size = 0; size < kSealOverhead; ++size) {
    EXPECT_EQ(code_of(sealer.open({}, ByteView(made).first(size), out)), "ciphertext_too_short");
  }
  EXPECT_EQ(code_of(sealer.open({}, ByteView(made).first(made.size() - 1), out)), "decryption_failed");
  Bytes other_suite = made;
  other_suite[0] = 2;
  EXPECT_EQ(code_of(sealer.open({}, other_suite, out)), "unknown_suite");
}

}  // namespace
}  // namespace tocsin::crypto
