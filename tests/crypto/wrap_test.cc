#include "crypto/wrap.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "crypto/aead.h"
#include "crypto/codes.h"
#include "tests/crypto/random_for_tests.h"
#include "tests/support/expect.h"

namespace tocsin::crypto {
namespace {

using test::code_of;

constexpr Label kWrapLabelA{"tocsin.test.a"};
constexpr Label kWrapLabelB{"tocsin.test.b"};
const ByteView kContext = as_bytes("wrap context");

EncryptionKeyPair pair_of(std::uint8_t byte) {
  return EncryptionKeyPair::from_secret(EncryptionSecret::from(Bytes(32, byte)).value());
}

// Made with Python's hashlib and PyNaCl from the format at the top of wrap.h.
TEST(Wrap, MatchesAnotherImplementation) {
  ConstantRandom random(9);
  Wrapper wrapper(random);
  EXPECT_EQ(to_hex(wrapper.ephemeral().view()), "57db4b359f23ae5e146e4e2512056704722506348c150c14753d0c933d04d421");
  const auto slot = wrapper.wrap(pair_of(5).public_key(), kContext, Bytes(32, 3));
  ASSERT_TRUE(slot);
  EXPECT_EQ(slot->size(), kKeySlotSize);
  EXPECT_EQ(
      to_hex(*slot),
      "74b4d4b632c53edec53b8d019af0173b86ed356cd966516e9c47b9567e93647a0f03a09c7de37469e02afbc6907af7d17196b1a59b369589"
      "2302efcd75e4d8e840ba0245cdb738cb23e2dfa9870ef2d39ff89ece972b98a1d777ac242c4cc1db60a3e7674199a437");
}

TEST(Wrap, rule_30_a_slot_opens_for_its_recipient_and_context_alone) {
  SeededRandom random;
  Wrapper wrapper(random);
  const auto ours = EncryptionKeyPair::generate(random);
  const auto other = EncryptionKeyPair::generate(random);
  const Bytes slot = wrapper.wrap(ours.public_key(), kContext, Bytes(32, 3)).value();
  const auto payload = unwrap(ours, wrapper.ephemeral(), kContext, slot);
  ASSERT_TRUE(payload);
  EXPECT_TRUE(payload->equal(Bytes(32, 3)));
  EXPECT_EQ(code_of(unwrap(other, wrapper.ephemeral(), kContext, slot)), "commitment_mismatch");
  EXPECT_EQ(code_of(unwrap(ours, wrapper.ephemeral(), as_bytes("wrap contexu"), slot)), "commitment_mismatch");
  EXPECT_EQ(code_of(unwrap(ours, Wrapper(random).ephemeral(), kContext, slot)), "commitment_mismatch");
}

TEST(Wrap, rule_30_the_commitment_is_checked_before_decryption) {
  SeededRandom random;
  Wrapper wrapper(random);
  const auto ours = EncryptionKeyPair::generate(random);
  const Bytes slot = wrapper.wrap(ours.public_key(), kContext, Bytes(32, 3)).value();
  for (std::size_t at = 0; at < slot.size(); ++at) {
    EXPECT_EQ(code_of(unwrap(ours, wrapper.ephemeral(), kContext, flipped(slot, at))),
              at < 32 ? "commitment_mismatch" : "decryption_failed");
  }
}

TEST(Wrap, rule_02_bad_public_keys_are_refused) {
  SeededRandom random;
  Wrapper wrapper(random);
  const auto ours = EncryptionKeyPair::generate(random);
  EncryptionPublic low_order;
  EncryptionPublic non_canonical = ours.public_key();
  non_canonical.data()[31] |= 0x80;
  EXPECT_EQ(code_of(wrapper.wrap(low_order, kContext, Bytes(32))), "all_zero_result");
  EXPECT_EQ(code_of(wrapper.wrap(non_canonical, kContext, Bytes(32))), "non_canonical_key");
  EXPECT_EQ(code_of(unwrap(ours, low_order, kContext, Bytes(kKeySlotSize))), "all_zero_result");
  EXPECT_EQ(code_of(unwrap(ours, non_canonical, kContext, Bytes(kKeySlotSize))), "non_canonical_key");
  EXPECT_EQ(code_of(seal_to(low_order, kWrapLabelA, {}, {}, random)), "all_zero_result");
}

TEST(Wrap, rule_31_ours_is_found_among_shuffled_and_random_slots) {
  SeededRandom random;
  Wrapper wrapper(random);
  std::vector<EncryptionKeyPair> members;
  std::vector<Bytes> slots;
  for (int i = 0; i < 5; ++i) {
    members.push_back(EncryptionKeyPair::generate(random));
    slots.push_back(
        wrapper.wrap(members.back().public_key(), kContext, Bytes(32, static_cast<std::uint8_t>(i))).value());
  }
  while (slots.size() < 8) slots.push_back(random_slot(32, random));
  std::rotate(slots.begin(), slots.begin() + 3, slots.end());
  const std::vector<ByteView> views(slots.begin(), slots.end());
  for (const Bytes& slot : slots) EXPECT_EQ(slot.size(), kKeySlotSize) << "a random slot looks like any other";
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto found = find_slot(members[i], wrapper.ephemeral(), kContext, views);
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->payload.equal(Bytes(32, static_cast<std::uint8_t>(i))));
    EXPECT_EQ(found->index, (i + 8 - 3) % 8);
  }
  const auto stranger = EncryptionKeyPair::generate(random);
  EXPECT_EQ(code_of(find_slot(stranger, wrapper.ephemeral(), kContext, views)), "commitment_mismatch");
}

TEST(Wrap, ACopiedCommitmentInFrontDoesNotHideTheRealSlot) {
  SeededRandom random;
  Wrapper wrapper(random);
  const auto ours = EncryptionKeyPair::generate(random);
  const Bytes real = wrapper.wrap(ours.public_key(), kContext, Bytes(32, 3)).value();
  Bytes decoy = random_slot(32, random);
  std::copy_n(real.begin(), 32, decoy.begin());
  const std::vector<ByteView> both{decoy, real};
  const auto found = find_slot(ours, wrapper.ephemeral(), kContext, both);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->index, 1u);
  const std::vector<ByteView> alone{decoy};
  EXPECT_EQ(code_of(find_slot(ours, wrapper.ephemeral(), kContext, alone)), "decryption_failed");
}

TEST(Wrap, rule_06_sizes_are_bounded) {
  SeededRandom random;
  Wrapper wrapper(random);
  const auto ours = EncryptionKeyPair::generate(random);
  EXPECT_EQ(code_of(unwrap(ours, wrapper.ephemeral(), kContext, Bytes(kSlotOverhead - 1))), "ciphertext_too_short");
  EXPECT_EQ(code_of(unwrap(ours, wrapper.ephemeral(), kContext, Bytes(kSlotOverhead + kSlotPayloadMax + 1))),
            "too_long");
  EXPECT_EQ(code_of(wrapper.wrap(ours.public_key(), kContext, Bytes(kSlotPayloadMax + 1))), "too_long");
  EXPECT_EQ(code_of(seal_to(ours.public_key(), kWrapLabelA, {}, Bytes(kEnvelopePlaintextMax + 1), random)), "too_long");
  Bytes envelope(3 * kEnvelopePlaintextMax);
  envelope[0] = 1;
  EXPECT_EQ(code_of(open_sealed(ours, kWrapLabelA, {}, envelope)), "too_long");
}

TEST(Envelope, OpensForItsPurposeAlone) {
  SeededRandom random;
  const auto ours = EncryptionKeyPair::generate(random);
  const Bytes envelope = seal_to(ours.public_key(), kWrapLabelA, kContext, as_bytes("invitation"), random).value();
  const auto opened = open_sealed(ours, kWrapLabelA, kContext, envelope);
  ASSERT_TRUE(opened);
  EXPECT_EQ(as_text(opened->view()), "invitation");
  EXPECT_EQ(code_of(open_sealed(ours, kWrapLabelB, kContext, envelope)), "commitment_mismatch");
  EXPECT_EQ(code_of(open_sealed(ours, kWrapLabelA, as_bytes("other"), envelope)), "commitment_mismatch");
  EXPECT_EQ(code_of(open_sealed(EncryptionKeyPair::generate(random), kWrapLabelA, kContext, envelope)),
            "commitment_mismatch");
}

TEST(Envelope, rule_41_begins_with_a_suite_byte) {
  SeededRandom random;
  const auto ours = EncryptionKeyPair::generate(random);
  Bytes envelope = seal_to(ours.public_key(), kWrapLabelA, kContext, as_bytes("x"), random).value();
  EXPECT_EQ(envelope[0], 0x01);
  envelope[0] = 0x02;
  EXPECT_EQ(code_of(open_sealed(ours, kWrapLabelA, kContext, envelope)), "unknown_suite");
}

TEST(Envelope, EveryCutAndFlipIsATypedError) {
  SeededRandom random;
  const auto ours = EncryptionKeyPair::generate(random);
  const Bytes envelope = seal_to(ours.public_key(), kWrapLabelA, kContext, as_bytes("invitation"), random).value();
  for (std::size_t i = 0; i < envelope.size(); ++i) {
    EXPECT_FALSE(open_sealed(ours, kWrapLabelA, kContext, ByteView(envelope).first(i))) << i;
    EXPECT_FALSE(open_sealed(ours, kWrapLabelA, kContext, flipped(envelope, i))) << i;
  }
}

TEST(Envelope, rule_40_is_padded) {
  SeededRandom random;
  const auto ours = EncryptionKeyPair::generate(random);
  const auto size = [&](std::size_t n) {
    return seal_to(ours.public_key(), kWrapLabelA, kContext, Bytes(n), random).value().size();
  };
  EXPECT_EQ(size(1000), size(1020));
  EXPECT_NE(size(1000), size(1021));
}

RC_GTEST_PROP(Envelope, RoundTrip, (std::uint64_t seed, const Bytes& context, const Bytes& text)) {
  SeededRandom random(seed);
  const auto ours = EncryptionKeyPair::generate(random);
  const auto envelope = seal_to(ours.public_key(), kWrapLabelA, context, text, random);
  RC_ASSERT(envelope.ok());
  const auto opened = open_sealed(ours, kWrapLabelA, context, *envelope);
  RC_ASSERT(opened.ok());
  RC_ASSERT(to_bytes(opened->view()) == text);
}

}  // namespace
}  // namespace tocsin::crypto
