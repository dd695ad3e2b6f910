#include "crypto/secret.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <type_traits>

#include "crypto/dh.h"
#include "crypto/random.h"
#include "crypto/sign.h"
#include "tests/crypto/random_for_tests.h"

namespace tocsin::crypto {
namespace {

// Neither made from, nor assigned from, nor compared with the other.
template <class A, class B>
constexpr bool kApart =
    !std::is_constructible_v<A, B> && !std::is_constructible_v<A, const B&> && !std::is_convertible_v<B, A> &&
    !std::is_assignable_v<A&, B> && !std::is_assignable_v<A&, const B&>;

template <class A, class... Rest>
constexpr bool all_apart() {
  if constexpr (sizeof...(Rest) == 0) {
    return true;
  } else {
    return ((kApart<A, Rest> && kApart<Rest, A>)&&...) && all_apart<Rest...>();
  }
}

TEST(Keys, rule_03_signing_transport_and_encryption_keys_do_not_convert) {
  static_assert(all_apart<SigningSecret, AccessSecret, TransportSecret, EncryptionSecret, SharedSecret, EpochKey,
                          EntryKey, StoreKey, PairKey, PassphraseKey, RecoveryKey>());
  static_assert(all_apart<VerifyKey, AccessVerifyKey, TransportPublic, EncryptionPublic>());
  static_assert(all_apart<SigningKey, AccessKey, TransportKeyPair, EncryptionKeyPair>());
  // A key pair takes its own secret only.
  static_assert(!std::is_invocable_v<decltype(&SigningKey::from_seed), AccessSecret>);
  static_assert(!std::is_invocable_v<decltype(&TransportKeyPair::from_secret), EncryptionSecret>);
  static_assert(!std::is_invocable_v<decltype(&EncryptionKeyPair::from_secret), TransportSecret>);
  // Nor does a secret slip into a place for public bytes.
  static_assert(!std::is_convertible_v<SigningSecret, ByteView>);
  static_assert(!std::is_convertible_v<SecretBuffer, ByteView>);
  static_assert(!std::is_copy_constructible_v<EpochKey> && !std::is_copy_assignable_v<EpochKey>);
}

TEST(Secret, FromWantsTheExactSize) {
  EXPECT_TRUE(EpochKey::from(counting_bytes(32)));
  EXPECT_FALSE(EpochKey::from(counting_bytes(31)));
  EXPECT_FALSE(EpochKey::from(counting_bytes(33)));
  EXPECT_FALSE(EpochKey::from({}));
}

TEST(Secret, CloneIsEqualAndApart) {
  SeededRandom random;
  EpochKey key = EpochKey::random(random);
  EpochKey copy = key.clone();
  EXPECT_TRUE(key.equal(copy));
  copy.mutable_view()[0] ^= 1;
  EXPECT_FALSE(key.equal(copy));
}

TEST(Secret, MovingTakesTheBytesAlong) {
  SeededRandom random;
  EpochKey key = EpochKey::random(random);
  const EpochKey copy = key.clone();
  EpochKey other = std::move(key);
  EXPECT_TRUE(other.equal(copy));
  other = EpochKey::random(random);
  EXPECT_FALSE(other.equal(copy));
}

TEST(SecretBuffer, EqualLooksAtTheSizeToo) {
  const SecretBuffer a = SecretBuffer::copy_of(counting_bytes(16));
  EXPECT_TRUE(a.equal(counting_bytes(16)));
  EXPECT_FALSE(a.equal(counting_bytes(15)));
  EXPECT_TRUE(SecretBuffer().equal({}));
}

TEST(SecretDeathTest, rule_49_a_read_past_the_end_of_a_secret_ends_the_process) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const SecretBuffer secret = SecretBuffer::copy_of(counting_bytes(32));
  EXPECT_DEATH(
      {
        // sodium_malloc puts the end of the bytes at a page that may not be touched.
        const volatile std::uint8_t* past = secret.view().data() + secret.size();
        std::exit(*past);
      },
      "");
}

TEST(SecretDeathTest, rule_49_core_dumps_are_off_and_memory_is_closed_to_others) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        rlimit limit{};
        const bool done = harden_process().ok() && getrlimit(RLIMIT_CORE, &limit) == 0;
        const bool closed = limit.rlim_cur == 0 && limit.rlim_max == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
        std::exit(done && closed ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Random, SystemRandomFillsAllOfIt) {
  ASSERT_TRUE(init());
  ASSERT_TRUE(init()) << "calling again is harmless";
  SystemRandom random;
  const auto a = random_fixed<VerifyKey>(random);
  const auto b = random_fixed<VerifyKey>(random);
  EXPECT_NE(a, b);
  EXPECT_FALSE(a.is_zero());
}

}  // namespace
}  // namespace tocsin::crypto
