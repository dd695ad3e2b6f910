#include "crypto/hash.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "crypto/sign.h"
#include "tests/crypto/random_for_tests.h"

namespace tocsin::crypto {
namespace {

// Expected values: Python's hashlib.blake2b with `person`.
TEST(Hash, MatchesAnotherImplementation) {
  EXPECT_EQ(to_hex(hash256(kPersonalTextSum, {as_bytes("abc")}).view()),
            "cbe7fbb07c3eda98862b9eeca6907c62f73546193c975ff1bf8e707a4e86e8a8");
  EXPECT_EQ(to_hex(keyed_hash256(counting_bytes(32), kPersonalEntryKey, {as_bytes("con"), as_bytes("text")}).view()),
            "b22e95d57d0393ad6390cdfef6a2d97cb7f9694d67ace3f2f8b00f2df0b2ab8c");
  Bytes out(64);
  keyed_hash_into(out, counting_bytes(32), kPersonalBodyKeys, {});
  EXPECT_EQ(to_hex(out),
            "d2ae9536442aa7be933c9e76ff4eda43ff739e68e944346766411c91c30bc17f"
            "bcf03addaa78c3242ed533fa3ede7f5d96b050e25a0f4b2caf5a828408a90acd");
}

TEST(Hash, rule_04_hashes_of_two_purposes_differ) {
  const Bytes data = counting_bytes(40);
  EXPECT_NE(hash256(kPersonalEntryKey, {data}), hash256(kPersonalTextSum, {data}));
  EXPECT_NE(keyed_hash256(counting_bytes(32), kPersonalEntryKey, {data}),
            keyed_hash256(counting_bytes(32), kPersonalBodyKeys, {data}));
  EXPECT_NE(hash256(kPersonalEntryKey, {data}), keyed_hash256(Bytes(32), kPersonalEntryKey, {data}));
  Hash a, b;
  hash256_into(a.mutable_view(), kPersonalEntryKey, data);
  hash256_into(b.mutable_view(), kPersonalTextSum, data);
  EXPECT_NE(a, b);
  keyed_hash_into(a.mutable_view(), counting_bytes(32), kPersonalEntryKey, data);
  keyed_hash_into(b.mutable_view(), counting_bytes(32), kPersonalBodyKeys, data);
  EXPECT_NE(a, b);
}

TEST(Purpose, rule_04_no_two_purposes_share_their_bytes) {
  const std::string path = std::string(TOCSIN_TEST_DATA) + "/../../crypto/purpose.h";
  std::ifstream in(path);
  ASSERT_TRUE(in) << path;
  std::stringstream text;
  text << in.rdbuf();
  const std::string source = text.str();
  const std::regex declaration(R"re(constexpr\s+(Personal|Label)\s+(\w+)\s*\{\s*"([^"]+)"\s*\})re");
  std::map<std::string, std::string> names;  // kind and literal -> constant
  std::size_t count = 0;
  for (std::sregex_iterator at(source.begin(), source.end(), declaration), end; at != end; ++at, ++count) {
    const auto [place, fresh] = names.emplace((*at)[1].str() + " " + (*at)[3].str(), (*at)[2].str());
    EXPECT_TRUE(fresh) << (*at)[2] << " and " << place->second << " are both " << place->first;
  }
  EXPECT_GE(count, 9u);
  // The pattern must have seen every declaration.
  const std::regex any(R"re(constexpr\s+(Personal|Label)\s)re");
  const auto all = std::distance(std::sregex_iterator(source.begin(), source.end(), any), std::sregex_iterator());
  EXPECT_EQ(count, static_cast<std::size_t>(all));
}

TEST(Purpose, LiteralsArePaddedWithZeroBytes) {
  constexpr Label label{"x"};
  EXPECT_EQ(label.bytes[0], 'x');
  EXPECT_TRUE(std::all_of(label.bytes.begin() + 1, label.bytes.end(), [](std::uint8_t b) { return b == 0; }));
  static_assert(sizeof(Label) == 32 && sizeof(Personal) == 16);
}

RC_GTEST_PROP(Hash, PiecesHashAsTheirConcatenation, (const Bytes& a, const Bytes& b)) {
  Bytes whole = a;
  append(whole, b);
  const Hash expected = hash256(kPersonalTextSum, {whole});
  RC_ASSERT(hash256(kPersonalTextSum, {a, b}) == expected);
  Hash once;
  hash256_into(once.mutable_view(), kPersonalTextSum, whole);
  RC_ASSERT(once == expected);
}

}  // namespace
}  // namespace tocsin::crypto
