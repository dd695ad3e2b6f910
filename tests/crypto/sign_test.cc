#include "crypto/sign.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sodium.h>

#include "tests/crypto/random_for_tests.h"
#include "tests/crypto/vector_files.h"

namespace tocsin::crypto {
namespace {

constexpr Label kSignLabelA{"tocsin.test.a"};
constexpr Label kSignLabelB{"tocsin.test.b"};

TEST(Sign, rule_01_exactly_one_cctv_vector_passes) {
  const auto vectors = read_vectors("cctv/ed25519vectors.json");
  std::size_t accepted = 0;
  for (const auto& vector : vectors) {
    const auto message = vector.at("msg").get<std::string>();
    if (!strict_verify(hex_of(vector, "key"), as_bytes(message), hex_of(vector, "sig"))) continue;
    ++accepted;
    EXPECT_TRUE(vector.at("flags").is_null()) << "number " << vector.at("number");
  }
  EXPECT_EQ(vectors.size(), 914u);
  EXPECT_EQ(accepted, 1u);
}

TEST(Sign, rule_01_all_wycheproof_verdicts_hold) {
  std::size_t valid = 0;
  std::size_t invalid = 0;
  const auto document = read_vectors("wycheproof/ed25519_test.json");
  for (const auto& group : document.at("testGroups")) {
    const Bytes key = hex_of(group.at("publicKey"), "pk");
    for (const auto& test : group.at("tests")) {
      const bool expected = test.at("result") == "valid";
      EXPECT_EQ(strict_verify(key, hex_of(test, "msg"), hex_of(test, "sig")), expected) << "tcId " << test.at("tcId");
      ++(expected ? valid : invalid);
    }
  }
  EXPECT_EQ(valid, 88u);
  EXPECT_EQ(invalid, 63u);
}

// With the key that is the neutral element every signature R = S·B "verifies" for every message; a zero slot of the
// cache of good points must not let such a key pass either.
TEST(Sign, rule_01_small_order_keys_never_pass_the_cache) {
  Verifier verifier;
  Signature signature;
  SeededRandom random;
  random.fill(signature.mutable_view());
  signature.data()[63] &= 0x0f;
  VerifyKey neutral;
  neutral.data()[0] = 1;
  for (const VerifyKey& key : {neutral, VerifyKey()}) {
    for (int again = 0; again < 3; ++again) EXPECT_FALSE(verifier.verify(key, kSignLabelA, {as_bytes("m")}, signature));
  }
}

TEST(Sign, rule_01_a_small_order_key_does_not_verify_by_its_own_equation) {
  // A = 1, S = 5, R = 5·B: S·B = R + k·A holds for every k.
  std::array<std::uint8_t, 32> five{5};
  Signature signature;
  ASSERT_EQ(crypto_scalarmult_ed25519_base_noclamp(signature.data(), five.data()), 0);
  std::copy(five.begin(), five.end(), signature.data() + 32);
  VerifyKey neutral;
  neutral.data()[0] = 1;
  EXPECT_FALSE(Verifier().verify(neutral, kSignLabelA, {as_bytes("m")}, signature));
  EXPECT_FALSE(strict_verify(neutral.view(), as_bytes("m"), signature.view()));
}

// A key with a part of small order, A + T, for which libsodium's own verification can be made to succeed: where the
// hash is a multiple of 8, T falls out of the equation. Only the check of the point refuses it.
TEST(Sign, rule_01_a_key_of_mixed_order_is_refused) {
  SeededRandom random;
  std::array<std::uint8_t, 32> a, big_a, r, big_r;
  for (auto* scalar : {&a, &r}) {
    std::array<std::uint8_t, 64> wide;
    random.fill(wide);
    crypto_core_ed25519_scalar_reduce(scalar->data(), wide.data());
  }
  ASSERT_EQ(crypto_scalarmult_ed25519_base_noclamp(big_a.data(), a.data()), 0);
  ASSERT_EQ(crypto_scalarmult_ed25519_base_noclamp(big_r.data(), r.data()), 0);
  const auto order_8 = from_hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a").value();
  VerifyKey mixed;
  ASSERT_EQ(crypto_core_ed25519_add(mixed.data(), big_a.data(), order_8.data()), 0);

  for (std::uint8_t text = 0; text < 255; ++text) {
    Bytes message = to_bytes(kSignLabelA.view());
    message.push_back(text);
    std::array<std::uint8_t, 64> digest;
    crypto_hash_sha512_state state;
    crypto_hash_sha512_init(&state);
    for (const ByteView part : {ByteView(big_r), mixed.view(), ByteView(message)}) {
      crypto_hash_sha512_update(&state, part.data(), part.size());
    }
    crypto_hash_sha512_final(&state, digest.data());
    std::array<std::uint8_t, 32> k, ka;
    crypto_core_ed25519_scalar_reduce(k.data(), digest.data());
    if (k[0] % 8 != 0) continue;
    Signature signature;
    std::copy(big_r.begin(), big_r.end(), signature.data());
    crypto_core_ed25519_scalar_mul(ka.data(), k.data(), a.data());
    crypto_core_ed25519_scalar_add(signature.data() + 32, r.data(), ka.data());
    ASSERT_EQ(crypto_sign_verify_detached(signature.data(), message.data(), message.size(), mixed.data()), 0)
        << "else this test shows nothing";
    EXPECT_FALSE(strict_verify(mixed.view(), message, signature.view()));
    EXPECT_FALSE(Verifier().verify(mixed, kSignLabelA, {ByteView(&text, 1)}, signature));
    return;
  }
  FAIL() << "no message of 255 has a suitable hash";
}

TEST(Sign, rule_04_a_signature_for_one_purpose_does_not_verify_for_another) {
  SeededRandom random;
  const auto key = SigningKey::generate(random);
  Verifier verifier;
  const Signature signature = key.sign(kSignLabelA, {as_bytes("message")});
  EXPECT_TRUE(verifier.verify(key.verify_key(), kSignLabelA, {as_bytes("message")}, signature));
  EXPECT_FALSE(verifier.verify(key.verify_key(), kSignLabelB, {as_bytes("message")}, signature));
}

TEST(Sign, rule_04_what_is_signed_is_label_and_exact_bytes) {
  SeededRandom random;
  const auto key = SigningKey::generate(random);
  Bytes message = to_bytes(as_bytes("tocsin.test.a"));
  message.resize(32);
  append(message, as_bytes("message"));
  EXPECT_TRUE(strict_verify(key.verify_key().view(), message, key.sign(kSignLabelA, {as_bytes("message")}).view()));
}

TEST(Sign, EveryFlippedBitOfASignatureIsRefused) {
  SeededRandom random;
  const auto key = SigningKey::generate(random);
  const Signature signature = key.sign(kSignLabelA, {as_bytes("message")});
  Verifier verifier;
  for (std::size_t bit = 0; bit < 512; ++bit) {
    Signature bad = signature;
    bad.data()[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_FALSE(verifier.verify(key.verify_key(), kSignLabelA, {as_bytes("message")}, bad)) << bit;
  }
}

TEST(Sign, WrongSizesAreRefused) {
  SeededRandom random;
  const auto key = SigningKey::generate(random);
  const Signature signature = key.sign(kSignLabelA, {});
  EXPECT_FALSE(strict_verify(key.verify_key().view().first(31), kSignLabelA.view(), signature.view()));
  EXPECT_FALSE(strict_verify(key.verify_key().view(), kSignLabelA.view(), signature.view().first(63)));
  EXPECT_TRUE(strict_verify(key.verify_key().view(), kSignLabelA.view(), signature.view()));
  EXPECT_FALSE(Verifier().verify(key.verify_key(), kSignLabelA, {Bytes(kSignedBytesMax)}, signature)) << "too long";
}

TEST(Sign, SeedGoesOutAndComesBack) {
  SeededRandom random;
  const auto key = SigningKey::generate(random);
  EXPECT_EQ(SigningKey::from_seed(key.seed()).verify_key(), key.verify_key());
  EXPECT_EQ(key.clone().sign(kSignLabelA, {}), key.sign(kSignLabelA, {}));
}

// RFC 8032, section 7.1, test 1: secret key and public key.
TEST(Sign, PublicKeyOfRfc8032) {
  const auto seed =
      SigningSecret::from(from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").value());
  EXPECT_EQ(to_hex(SigningKey::from_seed(*seed).verify_key().view()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

TEST(Sign, MoreKeysThanTheCacheHoldsStillVerify) {
  SeededRandom random;
  Verifier verifier;
  for (int i = 0; i < 1500; ++i) {
    const auto key = AccessKey::generate(random);
    EXPECT_TRUE(
        verifier.verify(key.verify_key(), kSignLabelA, {as_bytes("m")}, key.sign(kSignLabelA, {as_bytes("m")})));
  }
}

RC_GTEST_PROP(Sign, RoundTripInParts, (std::uint64_t seed, const Bytes& a, const Bytes& b)) {
  SeededRandom random(seed);
  const auto key = SigningKey::generate(random);
  Bytes whole = a;
  append(whole, b);
  RC_ASSERT(Verifier().verify(key.verify_key(), kSignLabelA, {whole}, key.sign(kSignLabelA, {a, b})));
}

}  // namespace
}  // namespace tocsin::crypto
