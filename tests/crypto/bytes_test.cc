#include "crypto/bytes.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "crypto/result.h"

namespace tocsin {
namespace {

using Apple = FixedBytes<struct AppleTag, 4>;

TEST(Hex, WritesLowerCaseAndReadsBoth) {
  EXPECT_EQ(to_hex(Bytes{0x00, 0x7f, 0xff}), "007fff");
  EXPECT_EQ(from_hex("007fFF"), (Bytes{0x00, 0x7f, 0xff}));
  EXPECT_EQ(from_hex(""), Bytes{});
}

TEST(Hex, OddLengthsAndOtherCharactersAreNothing) {
  for (const char* text : {"0", "0g", " 00", "0x00", "00\n"}) EXPECT_FALSE(from_hex(text)) << text;
}

TEST(Hex, FixedBytesWantTheirExactSize) {
  EXPECT_TRUE(fixed_from_hex<Apple>("01020304"));
  EXPECT_FALSE(fixed_from_hex<Apple>("010203"));
  EXPECT_FALSE(fixed_from_hex<Apple>("0102030405"));
}

RC_GTEST_PROP(Hex, RoundTrip, (const Bytes& bytes)) { RC_ASSERT(from_hex(to_hex(bytes)) == bytes); }

RC_GTEST_PROP(LittleEndian, RoundTrip, (std::uint64_t value)) {
  std::array<std::uint8_t, 8> at{};
  store_le64(at.data(), value);
  RC_ASSERT(load_le64(at.data()) == value);
  RC_ASSERT(load_le32(at.data()) == static_cast<std::uint32_t>(value));
  RC_ASSERT(load_le16(at.data()) == static_cast<std::uint16_t>(value));
}

TEST(Origin, HasANameForEach) {
  EXPECT_EQ(to_string(Origin::kPeer), "peer");
  EXPECT_EQ(to_string(Origin::kCaller), "caller");
  EXPECT_EQ(to_string(Origin::kEnvironment), "environment");
  EXPECT_EQ(to_string(Origin::kInternal), "internal");
}

}  // namespace
}  // namespace tocsin
