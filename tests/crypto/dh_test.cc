#include "crypto/dh.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "crypto/codes.h"
#include "tests/crypto/random_for_tests.h"
#include "tests/crypto/vector_files.h"

namespace tocsin::crypto {
namespace {

// p = 2^255 - 19 plus `more`, little-endian.
TransportPublic p_plus(int more) {
  TransportPublic out;
  std::fill(out.data(), out.data() + 32, std::uint8_t{0xff});
  out.data()[0] = static_cast<std::uint8_t>(0xed + more);
  out.data()[31] = 0x7f;
  return out;
}

TEST(X25519, rule_02_keys_at_and_above_p_are_refused) {
  EXPECT_TRUE(check_public(p_plus(-1)));
  for (int more = 0; more <= 18; ++more) {
    const auto checked = check_public(p_plus(more));
    ASSERT_FALSE(checked) << more;
    EXPECT_EQ(checked.error().code, kNonCanonicalKey);
    EXPECT_EQ(checked.error().origin, Origin::kPeer);
  }
}

TEST(X25519, rule_02_a_set_top_bit_is_refused) {
  SeededRandom random;
  auto key = EncryptionKeyPair::generate(random).public_key();
  EXPECT_TRUE(check_public(key));
  key.data()[31] |= 0x80;
  EXPECT_FALSE(check_public(key));
  const auto result = diffie_hellman(EncryptionSecret::random(random), key);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, kNonCanonicalKey);
}

TEST(X25519, rule_02_an_all_zero_result_is_refused) {
  SeededRandom random;
  for (std::uint8_t u : {0, 1}) {  // points of order 4 and 1, in canonical form
    TransportPublic low_order;
    low_order.data()[0] = u;
    Bytes out(32, 0xaa);
    const auto done = x25519_into(out, TransportSecret::random(random).view(), low_order.view());
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, kAllZeroResult);
    EXPECT_EQ(out, Bytes(32)) << "nothing is left to use by mistake";
    EXPECT_FALSE(diffie_hellman(TransportSecret::random(random), low_order));
  }
}

TEST(X25519, rule_02_wycheproof_keys_are_computed_or_refused) {
  std::size_t computed = 0;
  std::size_t non_canonical = 0;
  std::size_t all_zero = 0;
  const auto document = read_vectors("wycheproof/x25519_test.json");
  for (const auto& group : document.at("testGroups")) {
    for (const auto& test : group.at("tests")) {
      Bytes out(32);
      const auto done = x25519_into(out, hex_of(test, "private"), hex_of(test, "public"));
      if (done) {
        EXPECT_EQ(out, hex_of(test, "shared")) << "tcId " << test.at("tcId");
        ++computed;
      } else {
        EXPECT_NE(test.at("result"), "valid") << "tcId " << test.at("tcId");
        ++(done.error().code == kNonCanonicalKey ? non_canonical : all_zero);
      }
    }
  }
  EXPECT_EQ(computed, 474u);
  EXPECT_EQ(non_canonical, 29u);
  EXPECT_EQ(all_zero, 15u);
}

RC_GTEST_PROP(X25519, BothSidesAgree, (std::uint64_t seed)) {
  SeededRandom random(seed);
  const auto a = EncryptionKeyPair::generate(random);
  const auto b = EncryptionKeyPair::generate(random);
  const auto ab = diffie_hellman(a.secret(), b.public_key());
  const auto ba = diffie_hellman(b.secret(), a.public_key());
  RC_ASSERT(ab.ok() && ba.ok());
  RC_ASSERT(ab->equal(*ba));
}

// Against arithmetic of another kind: compare as numbers, from the highest byte down.
RC_GTEST_PROP(X25519, rule_02_canonical_means_below_p, (std::uint8_t low, std::uint8_t high, bool all_ff)) {
  TransportPublic key;
  std::fill(key.data(), key.data() + 32, all_ff ? std::uint8_t{0xff} : std::uint8_t{0x80});
  key.data()[0] = low;
  key.data()[31] = high;
  const auto p = p_plus(0);
  const bool below =
      std::lexicographical_compare(key.bytes().rbegin(), key.bytes().rend(), p.bytes().rbegin(), p.bytes().rend());
  RC_ASSERT(is_canonical_x25519(key.view()) == below);
}

}  // namespace
}  // namespace tocsin::crypto
