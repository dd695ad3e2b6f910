#include "crypto/secret.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <thread>
#include <type_traits>
#include <vector>

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
  const SecretBuffer secret = SecretBuffer::copy_of(counting_bytes(4096));
  EXPECT_DEATH(
      {
        // sodium_malloc puts the end of the bytes at a page that may not be touched.
        const volatile std::uint8_t* past = secret.view().data() + secret.size();
        std::exit(*past);
      },
      "");
}

// Flags of the mapping that holds `address`, as the kernel shows them ("rd wr … lo dd"); empty where it does not.
std::string mapping_flags(const void* address) {
  std::ifstream in("/proc/self/smaps");
  bool ours = false;
  for (std::string line; std::getline(in, line);) {
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
      const auto at = reinterpret_cast<std::uintptr_t>(address);
      ours = from <= at && at < to;
    } else if (ours && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return {};
}

TEST(Secret, rule_49_secrets_are_left_out_of_core_dumps) {
  SeededRandom random;
  const SigningKey signing = SigningKey::generate(random);
  const EpochKey small = EpochKey::random(random);
  const SecretBuffer large(4096);
  const Bytes ordinary(32);
  if (mapping_flags(ordinary.data()).empty()) GTEST_SKIP() << "this kernel does not show the flags of mappings";
  for (const ByteView secret : {small.view(), large.view(), signing.seed().view()}) {
    EXPECT_NE(mapping_flags(secret.data()).find(" dd "), std::string::npos);
  }
  EXPECT_EQ(mapping_flags(ordinary.data()).find(" dd "), std::string::npos);
}

TEST(Secret, rule_49_a_secret_is_zeroed_when_it_ends) {
  std::vector<const std::uint8_t*> places;
  {
    std::vector<EpochKey> keys;
    SeededRandom random;
    for (int i = 0; i < 2000; ++i) keys.push_back(EpochKey::random(random));
    for (const EpochKey& key : keys) places.push_back(key.view().data());
  }
  // The regions of small secrets stay mapped, so that the places may be looked at.
  for (const std::uint8_t* place : places) {
    EXPECT_TRUE(std::all_of(place, place + EpochKey::kSize, [](std::uint8_t b) { return b == 0; }));
  }
}

TEST(Secret, PlacesOfLivingSecretsDoNotOverlap) {
  std::vector<SecretBuffer> buffers;
  for (std::size_t size = 1; size <= 600; ++size) {
    buffers.emplace_back(size);
    const MutableByteView bytes = buffers.back().mutable_view();
    std::fill(bytes.begin(), bytes.end(), static_cast<std::uint8_t>(size));
  }
  for (std::size_t size = 1; size <= 600; ++size) {
    EXPECT_TRUE(buffers[size - 1].equal(Bytes(size, static_cast<std::uint8_t>(size)))) << size;
  }
}

TEST(Secret, ThreadsMakeAndEndThemAtTheSameTime) {
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    threads.emplace_back([seed] {
      SeededRandom random(seed);
      for (int i = 0; i < 2000; ++i) {
        const EpochKey key = EpochKey::random(random);
        EXPECT_TRUE(key.equal(key.clone()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
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
