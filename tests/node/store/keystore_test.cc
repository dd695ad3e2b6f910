#include "node/store/keystore.h"

#include <sys/stat.h>

#include "crypto/codes.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "node/store/codes.h"
#include "node/store/files.h"
#include "tests/node/store/support.h"
#include "tests/support/expect.h"

namespace tocsin::store {
namespace {

namespace fs = std::filesystem;
constexpr crypto::PassphraseParams kFast = crypto::kPassphraseTests;

class KeystoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = temp_.path() / "keys";
    ASSERT_TRUE(make_private_folder(folder_).ok());
    Tier1 tier1 = Tier1::generate(random_);
    Tier2 tier2 = Tier2::generate(random_);
    for (Month month = 650; month < 662; ++month) {
      tier2.prekeys.emplace(month, crypto::EncryptionSecret::random(random_));
    }
    for (const ByteView secret : {tier1.transport.view(), tier1.store.view(), tier2.signing.view(),
                                  tier2.encryption.view(), tier2.reading.view(), tier2.prekeys.at(655).view()}) {
      secrets_.push_back(to_bytes(secret));
    }
    auto made = Keystore::create(folder_, "correct horse", std::move(tier1), std::move(tier2), random_, kFast);
    ASSERT_TRUE(made.ok());
  }
  Result<Keystore> open(std::string_view passphrase = "correct horse") {
    return Keystore::open(folder_, passphrase, kFast);
  }

  TempFolder temp_;
  fs::path folder_;
  crypto::SystemRandom random_;
  std::vector<Bytes> secrets_;
};

TEST_F(KeystoreTest, GivesBackBothTiers) {
  const auto keys = open();
  ASSERT_TRUE(keys.ok());
  ASSERT_FALSE(keys->locked());
  EXPECT_EQ(to_bytes(keys->tier1().transport.view()), secrets_[0]);
  EXPECT_EQ(to_bytes(keys->tier1().store.view()), secrets_[1]);
  EXPECT_EQ(to_bytes(keys->tier2()->signing.view()), secrets_[2]);
  EXPECT_EQ(to_bytes(keys->tier2()->encryption.view()), secrets_[3]);
  EXPECT_EQ(to_bytes(keys->tier2()->reading.view()), secrets_[4]);
  EXPECT_EQ(keys->tier2()->prekeys.size(), 12u);
  EXPECT_EQ(to_bytes(keys->tier2()->prekeys.at(655).view()), secrets_[5]);
}

TEST_F(KeystoreTest, NothingIsMadeTwice) {
  EXPECT_EQ(
      test::code_of(Keystore::create(folder_, "x", Tier1::generate(random_), Tier2::generate(random_), random_, kFast)),
      "keys_exist");
  EXPECT_EQ(test::code_of(open()), "ok");
}

TEST_F(KeystoreTest, AWrongPassphraseIsToldFromADamagedFile) {
  EXPECT_EQ(test::code_of(open("wrong horse")), "wrong_passphrase");
  EXPECT_EQ(test::code_of(open("")), "wrong_passphrase");
  for (const char* name : {"keyring", "tier1", "tier2"}) {
    const Bytes whole = *read_file(folder_ / name, 10000);
    for (const std::size_t at : {std::size_t{0}, std::size_t{9}, std::size_t{20}, whole.size() / 2, whole.size() - 1}) {
      Bytes damaged = whole;
      damaged[at] ^= 0x10;
      ASSERT_TRUE(write_file(folder_ / name, damaged).ok());
      const auto opened = open();
      EXPECT_EQ(test::code_of(opened), "bad_key_file") << name << " " << at;
      EXPECT_NE(opened.error().detail.find((folder_ / name).string()), std::string::npos);
    }
    for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{40}, whole.size() - 1}) {
      ASSERT_TRUE(write_file(folder_ / name, ByteView(whole).first(size)).ok());
      EXPECT_EQ(test::code_of(open()), "bad_key_file") << name << " " << size;
    }
    ASSERT_TRUE(write_file(folder_ / name, Bytes(9000)).ok());
    EXPECT_EQ(test::code_of(open()), "bad_key_file");
    ASSERT_TRUE(write_file(folder_ / name, whole).ok());
  }
  EXPECT_EQ(test::code_of(open()), "ok");
}

TEST_F(KeystoreTest, AMissingFileIsNamed) {
  fs::remove(folder_ / "tier2");
  const auto opened = open();
  EXPECT_EQ(test::code_of(opened), "file_missing");
  EXPECT_NE(opened.error().detail.find("tier2"), std::string::npos);
}

TEST_F(KeystoreTest, FilesOfAnotherHomeDoNotOpen) {
  const fs::path other = temp_.path() / "other";
  ASSERT_TRUE(make_private_folder(other).ok());
  ASSERT_TRUE(
      Keystore::create(other, "correct horse", Tier1::generate(random_), Tier2::generate(random_), random_, kFast)
          .ok());
  fs::copy_file(other / "tier1", folder_ / "tier1", fs::copy_options::overwrite_existing);
  EXPECT_EQ(test::code_of(open()), "bad_key_file");
}

TEST_F(KeystoreTest, rule_48_no_secret_lies_on_the_disk_in_the_clear) {
  for (const char* name : {"keyring", "tier1", "tier2"}) {
    const Bytes file = *read_file(folder_ / name, 10000);
    for (const Bytes& secret : secrets_) EXPECT_FALSE(contains(file, secret)) << name;
    struct stat info {};
    ASSERT_EQ(::stat((folder_ / name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
  }
}

TEST_F(KeystoreTest, rule_18_a_home_holds_a_second_transport_key_once_there_is_one) {
  const auto other = crypto::TransportSecret::random(random_);
  const auto credential = open()->credential();
  {
    auto locked = Keystore::open_locked(folder_, credential.view());
    ASSERT_TRUE(locked.ok());
    EXPECT_FALSE(locked->tier1().transport_other) << "a home of before has none";
    ASSERT_TRUE(
        locked->save_tier1({locked->tier1().transport.clone(), locked->tier1().store.clone(), other.clone()}, random_)
            .ok())
        << "a locked node changes its first tier, too";
    ASSERT_TRUE(locked->tier1().transport_other);
  }
  for (auto& keys : {open(), Keystore::open_locked(folder_, credential.view())}) {
    ASSERT_TRUE(keys.ok());
    EXPECT_EQ(to_bytes(keys->tier1().transport.view()), secrets_[0]);
    EXPECT_EQ(to_bytes(keys->tier1().store.view()), secrets_[1]);
    ASSERT_TRUE(keys->tier1().transport_other);
    EXPECT_TRUE(keys->tier1().transport_other->equal(other));
  }
  EXPECT_FALSE(contains(*read_file(folder_ / "tier1", 10000), to_bytes(other.view())));
}

TEST_F(KeystoreTest, rule_48_the_credential_opens_the_first_tier_alone) {
  const auto credential = open()->credential();
  auto locked = Keystore::open_locked(folder_, credential.view());
  ASSERT_TRUE(locked.ok());
  EXPECT_TRUE(locked->locked());
  EXPECT_EQ(locked->tier2(), nullptr);
  EXPECT_EQ(to_bytes(locked->tier1().store.view()), secrets_[1]);
  // What it holds opens the file of the first tier and nothing of the second.
  const auto opens = [&](const char* name, crypto::Label label) {
    Bytes file = *read_file(folder_ / name, 10000);
    file.resize(file.size() - crypto::Hash::kSize);  // without the checksum
    return crypto::open_secret(credential.view().subspan(1), label, {}, file).ok();
  };
  EXPECT_TRUE(opens("tier1", crypto::kLabelTier1));
  EXPECT_FALSE(opens("tier2", crypto::kLabelTier2));
  EXPECT_EQ(test::code_of(locked->save_tier2(Tier2::generate(random_), random_)), "keys_locked");
  EXPECT_EQ(test::code_of(locked->change_passphrase("new", random_, kFast)), "keys_locked");
  EXPECT_EQ(test::code_of(Keystore::open_second(folder_, "wrong", kFast)), "wrong_passphrase");
  EXPECT_TRUE(locked->locked());
  auto second = Keystore::open_second(folder_, "correct horse", kFast);
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(locked->locked()) << "nothing is given back before it is wanted";
  locked->unlock(std::move(*second));
  EXPECT_EQ(to_bytes(locked->tier2()->signing.view()), secrets_[2]);
  locked->lock();
  EXPECT_TRUE(locked->locked());
}

TEST_F(KeystoreTest, rule_48_another_homes_credential_is_refused) {
  Bytes credential = to_bytes(open()->credential().view());
  credential[5] ^= 1;
  EXPECT_EQ(test::code_of(Keystore::open_locked(folder_, credential)), "wrong_credential");
  EXPECT_EQ(test::code_of(Keystore::open_locked(folder_, Bytes(5))), "wrong_credential");
}

TEST_F(KeystoreTest, rule_48_weak_parameters_are_refused_by_default) {
  EXPECT_EQ(test::code_of(Keystore::open(folder_, "correct horse")), "weak_passphrase_params");
}

TEST_F(KeystoreTest, rule_48_key_files_that_others_may_read_are_refused) {
  ::chmod((folder_ / "tier1").c_str(), 0640);
  EXPECT_EQ(test::code_of(open()), "home_permissions");
  ::chmod((folder_ / "tier1").c_str(), 0600);
  ::chmod(folder_.c_str(), 0750);
  EXPECT_EQ(test::code_of(open()), "home_permissions");
}

TEST_F(KeystoreTest, rule_48_reading_keys_seal_by_purpose_and_place) {
  const auto keys = open();
  const Bytes sealed =
      keys->tier2()->seal(crypto::kLabelStoreRecord, as_bytes("place"), as_bytes("epoch key"), random_);
  EXPECT_FALSE(contains(sealed, as_bytes("epoch key")));
  const auto opened = keys->tier2()->open(crypto::kLabelStoreRecord, as_bytes("place"), sealed);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(as_text(opened->view()), "epoch key");
  EXPECT_FALSE(keys->tier2()->open(crypto::kLabelStoreRecord, as_bytes("elsewhere"), sealed).ok());
  EXPECT_FALSE(keys->tier2()->open(crypto::kLabelStoreLog, as_bytes("place"), sealed).ok());
  // Nothing of the first tier opens it.
  EXPECT_FALSE(crypto::open(keys->tier1().store, crypto::kLabelStoreRecord, as_bytes("place"), sealed).ok());
}

TEST_F(KeystoreTest, ANewReadingTierReplacesTheOldOne) {
  auto keys = open();
  Tier2 next = Tier2::generate(random_);
  const Bytes signing = to_bytes(next.signing.view());
  ASSERT_TRUE(keys->save_tier2(std::move(next), random_).ok());
  EXPECT_EQ(to_bytes(keys->tier2()->signing.view()), signing);
  const auto again = open();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(to_bytes(again->tier2()->signing.view()), signing);
  EXPECT_TRUE(again->tier2()->prekeys.empty());
}

TEST_F(KeystoreTest, ANewPassphraseReplacesTheOldOne) {
  auto keys = open();
  ASSERT_TRUE(keys->change_passphrase("battery staple", random_, kFast).ok());
  EXPECT_EQ(test::code_of(open()), "wrong_passphrase");
  const auto again = open("battery staple");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(to_bytes(again->tier2()->signing.view()), secrets_[2]);
}

TEST_F(KeystoreTest, ALaterVersionsFileIsRefused) {
  // A keyring whose plaintext begins with another version byte.
  Bytes plain(65, 9);
  plain[0] = 2;
  Bytes file = *crypto::seal_with_passphrase("correct horse", crypto::kLabelKeyring, plain, random_, kFast);
  append(file, crypto::hash256(crypto::kPersonalKeyFile, {file}).view());
  ASSERT_TRUE(write_file(folder_ / "keyring", file).ok());
  EXPECT_EQ(test::code_of(open()), "bad_key_file");
}

TEST(RootKeys, rule_17_are_files_apart_with_passphrases_of_their_own) {
  TempFolder folder;
  crypto::SystemRandom random;
  const auto one = crypto::SigningSecret::random(random);
  const auto two = crypto::SigningSecret::random(random);
  ASSERT_TRUE(write_root_key(folder.path() / "root-1.key", "first", one, random, kFast).ok());
  ASSERT_TRUE(write_root_key(folder.path() / "root-2.key", "second", two, random, kFast).ok());
  EXPECT_EQ(test::code_of(write_root_key(folder.path() / "root-1.key", "first", two, random, kFast)), "keys_exist");
  const auto back = read_root_key(folder.path() / "root-1.key", "first", kFast);
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(back->equal(one));
  EXPECT_EQ(test::code_of(read_root_key(folder.path() / "root-2.key", "first", kFast)), "wrong_passphrase");
  EXPECT_EQ(test::code_of(read_root_key(folder.path() / "root-2.key", "second")), "weak_passphrase_params");
  EXPECT_EQ(test::code_of(read_root_key(folder.path() / "root-3.key", "second", kFast)), "file_missing");
  Bytes file = *read_file(folder.path() / "root-1.key", 1000);
  EXPECT_FALSE(contains(file, one.view()));
  file.back() ^= 1;
  ASSERT_TRUE(write_file(folder.path() / "root-1.key", file).ok());
  EXPECT_EQ(test::code_of(read_root_key(folder.path() / "root-1.key", "first", kFast)), "bad_key_file");
}

// A root key is not a keyring and the other way round, even under one passphrase (rule 4).
TEST(RootKeys, rule_04_a_key_file_of_another_purpose_does_not_open) {
  TempFolder folder;
  crypto::SystemRandom random;
  Bytes file = *crypto::seal_with_passphrase("x", crypto::kLabelKeyring, Bytes(33, 1), random, kFast);
  append(file, crypto::hash256(crypto::kPersonalKeyFile, {file}).view());
  ASSERT_TRUE(write_file(folder.path() / "root", file).ok());
  EXPECT_EQ(test::code_of(read_root_key(folder.path() / "root", "x", kFast)), "wrong_passphrase");
}

}  // namespace
}  // namespace tocsin::store
