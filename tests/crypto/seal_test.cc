#include "crypto/seal.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "crypto/codes.h"
#include "tests/crypto/random_for_tests.h"
#include "tests/support/expect.h"

namespace tocsin::crypto {
namespace {

using test::code_of;

constexpr Label kLabelA{"tocsin.test.a"};
constexpr Label kLabelB{"tocsin.test.b"};
const ByteView kPlace = as_bytes("place");

StoreKey store_key() { return StoreKey::from(counting_bytes(32)).value(); }

// Made with Python's hashlib and PyNaCl from the format at the top of seal.h.
TEST(Seal, MatchesAnotherImplementation) {
  ConstantRandom random(7);
  EXPECT_EQ(to_hex(seal(store_key(), kLabelA, kPlace, as_bytes("value"), random)),
            "0122aa7e08c832928aa778ca2477af4ae2e34a1bcd91c7f43f4be2449ce2baa38dae293d25a995730f350df9f4ce");
}

TEST(Seal, OpensWithItsKeyPurposeAndPlaceAlone) {
  SeededRandom random;
  const Bytes sealed = seal(store_key(), kLabelA, kPlace, as_bytes("value"), random);
  EXPECT_EQ(sealed.size(), 5 + kSealOverhead);
  const auto opened = open(store_key(), kLabelA, kPlace, sealed);
  ASSERT_TRUE(opened);
  EXPECT_EQ(as_text(*opened), "value");
  EXPECT_EQ(code_of(open(store_key(), kLabelB, kPlace, sealed)), "decryption_failed");
  EXPECT_EQ(code_of(open(store_key(), kLabelA, as_bytes("elsewhere"), sealed)), "decryption_failed");
  EXPECT_EQ(code_of(open(StoreKey::random(random), kLabelA, kPlace, sealed)), "decryption_failed");
  EXPECT_TRUE(open_secret(store_key().view(), kLabelA, kPlace, sealed)->equal(as_bytes("value")));
}

TEST(Seal, EveryCutAndFlipIsATypedError) {
  SeededRandom random;
  const Bytes sealed = seal(store_key(), kLabelA, kPlace, as_bytes("value"), random);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    const auto cut = open(store_key(), kLabelA, kPlace, ByteView(sealed).first(i));
    EXPECT_EQ(code_of(cut), i < kSealOverhead ? "ciphertext_too_short" : "decryption_failed") << i;
    const auto flip = open(store_key(), kLabelA, kPlace, flipped(sealed, i));
    EXPECT_EQ(code_of(flip), i == 0 ? "unknown_suite" : "decryption_failed") << i;
  }
}

TEST(Seal, rule_38_a_broken_generator_repeats_only_equal_values) {
  ConstantRandom broken(0);
  std::set<Bytes> nonces;
  const std::pair<std::string_view, std::string_view> values[] = {{"a", "bc"}, {"ab", "c"}, {"ab", "d"}, {"", "abc"}};
  for (const auto& [place, value] : values) {
    const Bytes sealed = seal(store_key(), kLabelA, as_bytes(place), as_bytes(value), broken);
    nonces.insert(Bytes(sealed.begin() + 1, sealed.begin() + 25));
  }
  EXPECT_EQ(nonces.size(), 4u);
}

Bytes write_stream(ByteView text, std::size_t step, std::uint64_t seed = 1) {
  SeededRandom random(seed);
  SealedWriter writer(counting_bytes(32), kLabelA, kPlace, random);
  Bytes out;
  for (std::size_t at = 0; at < text.size(); at += step) {
    writer.write(text.subspan(at, std::min(step, text.size() - at)), out);
  }
  writer.finish(out);
  return out;
}

Result<Bytes> read_stream(ByteView sealed, std::size_t step, Label label = kLabelA, ByteView place = kPlace) {
  SealedReader reader(counting_bytes(32), label, place);
  Bytes out;
  for (std::size_t at = 0; at < sealed.size(); at += step) {
    TOCSIN_TRY(reader.read(sealed.subspan(at, std::min(step, sealed.size() - at)), out));
  }
  TOCSIN_TRY(reader.finish(out));
  return out;
}

TEST(SealedStream, EveryLengthAroundAChunkRoundTrips) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kStreamChunk - 1, kStreamChunk, kStreamChunk + 1,
                                 2 * kStreamChunk, 3 * kStreamChunk + 17}) {
    Bytes text(size);
    SeededRandom(size).fill(text);
    const Bytes sealed = write_stream(text, 10'000);
    const std::size_t chunks = std::max<std::size_t>(1, (size + kStreamChunk - 1) / kStreamChunk);
    EXPECT_EQ(sealed.size(), kStreamHeader + size + 17 * chunks);
    const auto opened = read_stream(sealed, 7'777);
    ASSERT_TRUE(opened) << size;
    EXPECT_EQ(*opened, text);
  }
}

TEST(SealedStream, CutsAreNoticedAtTheEnd) {
  Bytes text(2 * kStreamChunk + 100);
  const Bytes sealed = write_stream(text, text.size());
  const std::size_t chunk = kStreamChunk + 17;
  const std::size_t whole_chunks = kStreamHeader + 2 * chunk;  // the last chunk is missing altogether
  EXPECT_EQ(code_of(read_stream(ByteView(sealed).first(whole_chunks), 1000)), "truncated_stream");
  EXPECT_EQ(code_of(read_stream(ByteView(sealed).first(whole_chunks + 5), 1000)), "truncated_stream");
  EXPECT_EQ(code_of(read_stream(ByteView(sealed).first(whole_chunks + 50), 1000)), "decryption_failed");
  EXPECT_EQ(code_of(read_stream(ByteView(sealed).first(3), 1000)), "truncated_stream");
  EXPECT_EQ(code_of(read_stream({}, 1000)), "truncated_stream");
}

TEST(SealedStream, ChangedReorderedAndTrailingBytesAreRefused) {
  Bytes text(3 * kStreamChunk);
  const Bytes sealed = write_stream(text, text.size());
  const std::size_t chunk = kStreamChunk + 17;
  EXPECT_EQ(code_of(read_stream(flipped(sealed, 0), sealed.size())), "unknown_suite");
  for (const std::size_t at : {std::size_t{1}, kStreamHeader, kStreamHeader + chunk + 5, sealed.size() - 1}) {
    EXPECT_EQ(code_of(read_stream(flipped(sealed, at), sealed.size())), "decryption_failed") << at;
  }
  Bytes swapped = sealed;
  std::swap_ranges(swapped.begin() + kStreamHeader, swapped.begin() + static_cast<long>(kStreamHeader + chunk),
                   swapped.begin() + static_cast<long>(kStreamHeader + chunk));
  EXPECT_EQ(code_of(read_stream(swapped, 5000)), "decryption_failed");
  Bytes longer = sealed;
  longer.push_back(0);
  EXPECT_EQ(code_of(read_stream(longer, 5000)), "trailing_bytes");
}

TEST(SealedStream, OtherPurposeOrPlaceDoesNotOpen) {
  const Bytes sealed = write_stream(as_bytes("snapshot"), 100);
  EXPECT_TRUE(read_stream(sealed, 100));
  EXPECT_EQ(code_of(read_stream(sealed, 100, kLabelB)), "decryption_failed");
  EXPECT_EQ(code_of(read_stream(sealed, 100, kLabelA, as_bytes("other"))), "decryption_failed");
}

TEST(SealedStream, StaysFailed) {
  const Bytes sealed = write_stream(as_bytes("snapshot"), 100);
  SealedReader reader(counting_bytes(32), kLabelA, kPlace);
  Bytes out;
  EXPECT_FALSE(reader.read(flipped(sealed, 0), out));
  EXPECT_EQ(code_of(reader.read(sealed, out)), "unknown_suite");
  EXPECT_EQ(code_of(reader.finish(out)), "unknown_suite");
  EXPECT_TRUE(out.empty());
}

RC_GTEST_PROP(SealedStream, RoundTripInAnySteps, (std::uint64_t seed)) {
  const auto size = *rc::gen::inRange<std::size_t>(0, 3 * kStreamChunk);
  const auto write_step = *rc::gen::inRange<std::size_t>(100, 100'000);
  const auto read_step = *rc::gen::inRange<std::size_t>(100, 100'000);
  Bytes text(size);
  SeededRandom(seed).fill(text);
  const auto opened = read_stream(write_stream(text, write_step, seed), read_step);
  RC_ASSERT(opened.ok());
  RC_ASSERT(*opened == text);
}

RC_GTEST_PROP(Seal, RoundTrip, (std::uint64_t seed, const Bytes& place, const Bytes& value)) {
  SeededRandom random(seed);
  const StoreKey key = StoreKey::random(random);
  RC_ASSERT(open(key, kLabelA, place, seal(key, kLabelA, place, value, random)).value() == value);
}

}  // namespace
}  // namespace tocsin::crypto
