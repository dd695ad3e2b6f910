#include "crypto/body.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "crypto/aead.h"
#include "crypto/codes.h"
#include "crypto/hash.h"
#include "tests/crypto/random_for_tests.h"
#include "tests/support/expect.h"

namespace tocsin::crypto {
namespace {

using test::code_of;

const ByteView kContext = as_bytes("channel-epoch-feed-number");
const ByteView kAssociated = as_bytes("associated");

EpochKey epoch_key() { return EpochKey::from(counting_bytes(32)).value(); }

// Made with Python's hashlib and PyNaCl from the format at the top of body.h.
constexpr std::string_view kExampleText = "A report of 29 bytes, exactly";
constexpr std::string_view kExampleBody =
    "01e42287fa15d08ba8e928046f343bdaeecdf28d02cff296b0f99fac25f9394156b4e2f88e046263684caea77030d49ceeeb2439dc0ec98bec"
    "a1"
    "bdf547386b2ae0ace381d5ec3ecb6f1ad344b953b7c373a13753c925524dab6434c5456d19b4650c90f1454c43e5d8f5ec1624";

TEST(Body, MatchesAnotherImplementation) {
  ConstantRandom random(7);
  const EntryKey key = derive_entry_key(epoch_key(), kContext);
  EXPECT_EQ(to_hex(seal_body(key, kAssociated, as_bytes(kExampleText), random)), kExampleBody);
  const auto opened = open_body(key, kAssociated, from_hex(kExampleBody).value());
  ASSERT_TRUE(opened);
  EXPECT_EQ(as_text(*opened), kExampleText);
}

TEST(Body, rule_37_an_entry_key_opens_its_entry_alone) {
  SeededRandom random;
  BodySealer sealer(epoch_key());
  const Bytes first = to_bytes(sealer.seal(as_bytes("entry 1"), kAssociated, as_bytes("one"), random));
  const Bytes second = to_bytes(sealer.seal(as_bytes("entry 2"), kAssociated, as_bytes("two"), random));
  const EntryKey key = derive_entry_key(epoch_key(), as_bytes("entry 1"));
  EXPECT_TRUE(open_body(key, kAssociated, first));
  EXPECT_EQ(code_of(open_body(key, kAssociated, second)), "commitment_mismatch");
  EXPECT_TRUE(body_is_for(key, first));
  EXPECT_FALSE(body_is_for(key, second));
  EXPECT_FALSE(body_is_for(key, {}));
}

// Poly1305 is not committing: a body may be made that two keys open. The commitment says which one it was.
TEST(Body, rule_37_the_commitment_is_checked_before_decryption) {
  SeededRandom random;
  const EntryKey key = derive_entry_key(epoch_key(), kContext);
  const Bytes body = seal_body(key, kAssociated, as_bytes("text"), random);
  for (std::size_t at = 1; at < 33; ++at) {
    EXPECT_EQ(code_of(open_body(key, kAssociated, flipped(body, at))), "commitment_mismatch");
  }
  // Another key's commitment in front of a ciphertext that is ours: still refused, though it would decrypt.
  const EntryKey other = derive_entry_key(epoch_key(), as_bytes("other"));
  Bytes mixed = seal_body(other, kAssociated, as_bytes("text"), random);
  std::copy(body.begin() + 33, body.end(), mixed.begin() + 33);
  EXPECT_EQ(code_of(open_body(key, kAssociated, mixed)), "commitment_mismatch");
}

TEST(Body, rule_37_another_epoch_gives_another_key) {
  SeededRandom random;
  const EpochKey other = EpochKey::random(random);
  EXPECT_FALSE(derive_entry_key(epoch_key(), kContext).equal(derive_entry_key(other, kContext)));
}

TEST(Body, rule_38_a_broken_generator_repeats_only_equal_messages) {
  ConstantRandom broken(0);
  const EntryKey key = derive_entry_key(epoch_key(), kContext);
  const auto nonce = [&](ByteView associated, std::string_view text) {
    const Bytes body = seal_body(key, associated, as_bytes(text), broken);
    return to_hex(ByteView(body).subspan(33, 24));
  };
  EXPECT_EQ(nonce(kAssociated, "text"), nonce(kAssociated, "text"));
  EXPECT_NE(nonce(kAssociated, "text"), nonce(kAssociated, "texu"));
  EXPECT_NE(nonce(kAssociated, "text"), nonce(as_bytes("other"), "text"));
  EXPECT_NE(nonce(as_bytes("ab"), "c"), nonce(as_bytes("a"), "bc")) << "where the parts meet counts";
}

TEST(Body, rule_38_fresh_randomness_changes_the_nonce) {
  SeededRandom random;
  const EntryKey key = derive_entry_key(epoch_key(), kContext);
  std::set<Bytes> bodies;
  for (int i = 0; i < 100; ++i) bodies.insert(seal_body(key, kAssociated, as_bytes("text"), random));
  EXPECT_EQ(bodies.size(), 100u);
}

TEST(Body, rule_39_other_associated_data_does_not_open) {
  SeededRandom random;
  const EntryKey key = derive_entry_key(epoch_key(), kContext);
  const Bytes body = seal_body(key, kAssociated, as_bytes("text"), random);
  EXPECT_EQ(code_of(open_body(key, as_bytes("associatee"), body)), "decryption_failed");
  EXPECT_EQ(code_of(open_body(key, {}, body)), "decryption_failed");
}

// A body with padding of our choice, sealed with the right key.
Bytes body_with_padding(const EntryKey& key, const Bytes& padded) {
  std::array<std::uint8_t, 64> keys;
  keyed_hash_into(keys, key.view(), kPersonalBodyKeys, {});
  const Bytes nonce(24, 3);
  Bytes body{kSuiteClassic};
  append(body, ByteView(keys).subspan(32));
  append(body, nonce);
  const std::size_t at = body.size();
  body.resize(at + padded.size() + 16);
  internal::encrypt(MutableByteView(body).subspan(at), padded, kAssociated, nonce, ByteView(keys).first(32));
  return body;
}

TEST(Body, rule_40_there_is_one_padding_for_each_size) {
  const EntryKey key = derive_entry_key(epoch_key(), kContext);
  Bytes padded(10);  // padme(4 + 5)
  store_le32(padded.data(), 5);
  EXPECT_EQ(code_of(open_body(key, kAssociated, body_with_padding(key, padded))), "ok");
  padded[9] = 1;
  EXPECT_EQ(code_of(open_body(key, kAssociated, body_with_padding(key, padded))), "bad_padding") << "not zero";
  padded[9] = 0;
  store_le32(padded.data(), 4);  // would have been padded to 8
  EXPECT_EQ(code_of(open_body(key, kAssociated, body_with_padding(key, padded))), "bad_padding") << "too much padding";
  store_le32(padded.data(), 7);
  EXPECT_EQ(code_of(open_body(key, kAssociated, body_with_padding(key, padded))), "bad_padding") << "longer than it is";
  store_le32(padded.data(), 0xffffffff);
  EXPECT_EQ(code_of(open_body(key, kAssociated, body_with_padding(key, padded))), "bad_padding") << "overflow";
}

TEST(Body, rule_40_sizes_hide_in_steps) {
  SeededRandom random;
  const EntryKey key = derive_entry_key(epoch_key(), kContext);
  for (std::size_t size : {0u, 1u, 100u, 1000u, 1001u, 20000u}) {
    EXPECT_EQ(seal_body(key, kAssociated, Bytes(size), random).size(), sealed_body_size(size));
  }
  EXPECT_EQ(sealed_body_size(1000), sealed_body_size(1020));
  EXPECT_LE(sealed_body_size(kBodyPlaintextMax), kSealedBodyMax);
  EXPECT_GT(sealed_body_size(kBodyPlaintextMax + 1), kSealedBodyMax);
}

TEST(Body, rule_41_another_suite_is_named_not_guessed) {
  SeededRandom random;
  const EntryKey key = derive_entry_key(epoch_key(), kContext);
  Bytes body = seal_body(key, kAssociated, as_bytes("text"), random);
  EXPECT_EQ(body[0], 0x01);
  body[0] = 0x02;
  const auto opened = open_body(key, kAssociated, body);
  EXPECT_EQ(code_of(opened), "unknown_suite");
  EXPECT_EQ(opened.error().origin, Origin::kPeer);
}

TEST(Body, EveryCutIsATypedError) {
  SeededRandom random;
  const EntryKey key = derive_entry_key(epoch_key(), kContext);
  const Bytes body = seal_body(key, kAssociated, as_bytes("some text"), random);
  for (std::size_t size = 0; size < body.size(); ++size) {
    const auto code = code_of(open_body(key, kAssociated, ByteView(body).first(size)));
    EXPECT_EQ(code, size < sealed_body_size(0) ? "ciphertext_too_short" : "decryption_failed") << size;
  }
}

TEST(Body, rule_06_longer_than_a_log_allows_is_refused_unread) {
  Bytes body(kSealedBodyMax + 1);
  body[0] = kSuiteClassic;
  EXPECT_EQ(code_of(open_body(derive_entry_key(epoch_key(), kContext), kAssociated, body)), "too_long");
}

TEST(Body, EveryFlippedByteIsRefused) {
  SeededRandom random;
  BodySealer sealer(epoch_key());
  BodyOpener opener(epoch_key());
  const Bytes body = to_bytes(sealer.seal(kContext, kAssociated, as_bytes("some text"), random));
  for (std::size_t at = 0; at < body.size(); ++at) {
    EXPECT_FALSE(opener.open(kContext, kAssociated, flipped(body, at))) << at;
  }
  EXPECT_TRUE(opener.open(kContext, kAssociated, body)) << "and the opener goes on working";
}

TEST(Body, TheLargestBodyGoesThrough) {
  SeededRandom random;
  Bytes text(kBodyPlaintextMax);
  random.fill(text);
  BodySealer sealer(epoch_key());
  BodyOpener opener(epoch_key());
  const auto opened = opener.open(kContext, kAssociated, sealer.seal(kContext, kAssociated, text, random));
  ASSERT_TRUE(opened);
  EXPECT_EQ(to_bytes(*opened), text);
}

RC_GTEST_PROP(Body, BulkAndSingleAreTheSameFormat,
              (std::uint64_t seed, const Bytes& context, const Bytes& associated, const Bytes& text)) {
  SeededRandom random(seed);
  const EpochKey epoch = EpochKey::random(random);
  BodySealer sealer(epoch);
  BodyOpener opener(epoch);
  const EntryKey key = derive_entry_key(epoch, context);
  const Bytes bulk = to_bytes(sealer.seal(context, associated, text, random));
  const Bytes single = seal_body(key, associated, text, random);
  RC_ASSERT(open_body(key, associated, bulk).value() == text);
  RC_ASSERT(to_bytes(opener.open(context, associated, single).value()) == text);
  RC_ASSERT(bulk.size() == sealed_body_size(text.size()));
}

}  // namespace
}  // namespace tocsin::crypto
