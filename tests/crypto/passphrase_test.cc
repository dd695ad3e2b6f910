#include "crypto/passphrase.h"

#include <gtest/gtest.h>

#include "crypto/codes.h"
#include "tests/crypto/random_for_tests.h"
#include "tests/support/expect.h"

namespace tocsin::crypto {
namespace {

using test::code_of;

constexpr Label kLabelA{"tocsin.test.a"};
constexpr Label kLabelB{"tocsin.test.b"};
constexpr PassphraseParams kCheap = kPassphraseTests;

// Made with PyNaCl and Python's hashlib from the format at the top of passphrase.h.
TEST(Passphrase, MatchesAnotherImplementation) {
  ConstantRandom random(7);
  const auto box = PassphraseBox::create("passphrase", random, kCheap);
  ASSERT_TRUE(box);
  EXPECT_EQ(to_hex(box->key().view()), "f7a532bd11b673546936e975e1b7a1afa19629123d31092a8149ca2ae6a80b0e");
  EXPECT_EQ(
      to_hex(box->seal(kLabelA, as_bytes("secret"), random)),
      "544f4353494e4b310101000000080000000707070707070707070707070707070714dc6e6e854aea27f9380dbee2907ae8be1799e61c527a"
      "6225220a75dfe3bdc3c63e8666b7521027526e09bf4143");
}

TEST(Passphrase, rule_48_only_the_right_passphrase_and_purpose_open) {
  SeededRandom random;
  const Bytes file = seal_with_passphrase("right", kLabelA, as_bytes("secret"), random, kCheap).value();
  EXPECT_TRUE(open_with_passphrase("right", kLabelA, file, kCheap)->equal(as_bytes("secret")));
  EXPECT_EQ(code_of(open_with_passphrase("wrong", kLabelA, file, kCheap)), "wrong_passphrase");
  EXPECT_EQ(code_of(open_with_passphrase("", kLabelA, file, kCheap)), "wrong_passphrase");
  EXPECT_EQ(code_of(open_with_passphrase("right", kLabelB, file, kCheap)), "wrong_passphrase");
}

TEST(Passphrase, rule_48_moderate_is_the_default_and_weaker_files_are_refused) {
  SeededRandom random;
  const Bytes weak = seal_with_passphrase("p", kLabelA, as_bytes("secret"), random, kCheap).value();
  EXPECT_EQ(code_of(open_with_passphrase("p", kLabelA, weak)), "weak_passphrase_params");
  const Bytes file = seal_with_passphrase("p", kLabelA, as_bytes("secret"), random).value();
  EXPECT_EQ(load_le32(file.data() + 9), 3u);
  EXPECT_EQ(load_le32(file.data() + 13), 256u * 1024);
  EXPECT_TRUE(open_with_passphrase("p", kLabelA, file)->equal(as_bytes("secret")));
}

TEST(Passphrase, rule_06_a_hostile_file_cannot_ask_for_more_than_a_gibibyte) {
  SeededRandom random;
  Bytes file = seal_with_passphrase("p", kLabelA, as_bytes("secret"), random, kCheap).value();
  store_le32(file.data() + 13, kPassphraseMemKibMax + 1);
  EXPECT_EQ(code_of(open_with_passphrase("p", kLabelA, file, kCheap)), "costly_passphrase_params");
  store_le32(file.data() + 13, 0xffffffff);
  EXPECT_EQ(code_of(open_with_passphrase("p", kLabelA, file, kCheap)), "costly_passphrase_params");
  store_le32(file.data() + 13, kCheap.mem_kib);
  store_le32(file.data() + 9, kPassphraseOpsMax + 1);
  EXPECT_EQ(code_of(open_with_passphrase("p", kLabelA, file, kCheap)), "costly_passphrase_params");
  store_le32(file.data() + 9, 0);
  EXPECT_EQ(code_of(open_with_passphrase("p", kLabelA, file, {0, 0})), "weak_passphrase_params");
}

TEST(Passphrase, EveryCutAndFlipIsATypedError) {
  SeededRandom random;
  const auto box = PassphraseBox::create("p", random, kCheap);
  const Bytes file = box->seal(kLabelA, as_bytes("secret"), random);
  for (std::size_t i = 0; i < file.size(); ++i) {
    const auto cut = box->open(kLabelA, ByteView(file).first(i));
    ASSERT_FALSE(cut) << i;
    EXPECT_EQ(cut.error().origin, Origin::kCaller);
    const auto code = code_of(box->open(kLabelA, flipped(file, i)));
    if (i < 8) {
      EXPECT_EQ(code, "not_a_key_file") << i;
    } else if (i == 8) {
      EXPECT_EQ(code, "unknown_suite");
    } else if (i < kPassphraseFileHeader) {
      EXPECT_EQ(code, "other_passphrase_salt") << i;
    } else {
      EXPECT_EQ(code, "wrong_passphrase") << i;
    }
  }
  EXPECT_EQ(code_of(box->open(kLabelA, Bytes(file.size() - 6))), "not_a_key_file");
  Bytes huge = file;
  huge.resize(kPassphraseFileOverhead + kPassphraseSecretMax + 1);
  EXPECT_EQ(code_of(box->open(kLabelA, huge)), "too_long");
}

TEST(Passphrase, OneDerivationOpensAllFilesOfAHome) {
  SeededRandom random;
  const auto box = PassphraseBox::create("p", random, kCheap);
  const Bytes first = box->seal(kLabelA, as_bytes("one"), random);
  const Bytes second = box->seal(kLabelB, as_bytes("two"), random);
  const auto again = PassphraseBox::for_file("p", first, kCheap);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->salt(), box->salt());
  EXPECT_TRUE(again->open(kLabelA, first)->equal(as_bytes("one")));
  EXPECT_TRUE(again->open(kLabelB, second)->equal(as_bytes("two")));
  const auto other = PassphraseBox::create("p", random, kCheap);
  EXPECT_EQ(code_of(other->open(kLabelA, first)), "other_passphrase_salt");
}

TEST(Passphrase, LongPassphrasesAreRefusedBeforeAnyWork) {
  SeededRandom random;
  EXPECT_TRUE(PassphraseBox::create(std::string(kPassphraseLengthMax, 'p'), random, kCheap));
  EXPECT_EQ(code_of(PassphraseBox::create(std::string(kPassphraseLengthMax + 1, 'p'), random, kCheap)), "too_long");
}

}  // namespace
}  // namespace tocsin::crypto
