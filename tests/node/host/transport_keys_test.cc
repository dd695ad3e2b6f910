// Which of a home's transport keys is in use (rule 18).
#include "node/host/transport_keys.h"

#include <gtest/gtest.h>

#include "node/host/identity.h"
#include "node/store/files.h"
#include "tests/node/store/support.h"
#include "tests/support/replica_world.h"

namespace tocsin::host {
namespace {

using store::Keystore;
using test::must;

class TransportKeysTest : public ::testing::Test {
 protected:
  void SetUp() override {
    must(store::make_private_folder(folder_));
    auto tier1 = store::Tier1::generate(random_);
    tier1.transport = party_.secrets().transport.secret().clone();
    keystore_ = must(Keystore::create(folder_, "correct horse", std::move(tier1), store::Tier2::generate(random_),
                                      random_, crypto::kPassphraseTests));
    first_ = in_use();
    start();
  }
  // A start of the node, over what lies on the disk.
  void start() {
    keystore_ = must(Keystore::open_locked(folder_, keystore_->credential().view()));
    auto secrets = secrets_of(*keystore_);
    party_.secrets().transport = std::move(secrets.transport);
    party_.secrets().transport_other = std::move(secrets.transport_other);
    keys_.emplace(*keystore_, party_.secrets(), party_.replica(), random_, log_);
    keys_->follow();
  }
  crypto::TransportPublic in_use() { return party_.secrets().transport.public_key(); }
  std::optional<crypto::TransportPublic> other() {
    const auto& held = party_.secrets().transport_other;
    return held ? std::optional(held->public_key()) : std::nullopt;
  }
  void certify(const crypto::TransportPublic& key) {
    const auto& held = party_.log().live_node(party_.node())->certificate;
    test::ExampleNode renewed{held, crypto::SigningKey::generate(random_), crypto::TransportKeyPair::generate(random_),
                              crypto::EncryptionKeyPair::generate(random_)};
    renewed.certificate.signing = renewed.signing.verify_key();
    renewed.certificate.transport = key;
    ++renewed.certificate.serial;
    party_.certify(renewed);
    party_.take_own_log();
  }

  store::TempFolder temp_;
  std::filesystem::path folder_ = temp_.path() / "keys";
  crypto::SystemRandom random_;
  SilentLog log_;
  test::WorldClock clock_;
  test::Party party_{"Watch", 1, clock_};
  std::optional<Keystore> keystore_;
  std::optional<TransportKeys> keys_;
  crypto::TransportPublic first_;
};

TEST_F(TransportKeysTest, rule_18_the_next_key_is_on_the_disk_before_anybody_hears_of_it) {
  EXPECT_EQ(keys_->next(), first_) << "none was asked for";
  must(keys_->make_next());
  const auto next = keys_->next();
  EXPECT_NE(next, first_);
  EXPECT_EQ(in_use(), first_) << "until it is certified";
  start();
  EXPECT_EQ(in_use(), first_);
  EXPECT_EQ(other(), next);
}

TEST_F(TransportKeysTest, rule_18_a_locked_node_takes_the_key_that_its_log_names) {
  must(keys_->make_next());
  const auto next = keys_->next();
  certify(next);
  ASSERT_TRUE(keystore_->locked());
  auto elsewhere = party_.org();
  elsewhere.data()[0] ^= 1;
  keys_->on_org_log(elsewhere);
  EXPECT_EQ(in_use(), first_);
  keys_->on_org_log(party_.org());
  EXPECT_EQ(in_use(), next);
  EXPECT_EQ(other(), first_) << "peers may not know yet";
  EXPECT_TRUE(keystore_->tier1().transport.equal(party_.secrets().transport.secret()));
  start();
  EXPECT_EQ(in_use(), next);
  EXPECT_EQ(other(), first_);
  must(keys_->make_next());
  EXPECT_EQ(in_use(), next);
  EXPECT_NE(other(), first_) << "of three, two stay";
}

// Whatever reached the disk of the key files and of the log when the process ended.
TEST_F(TransportKeysTest, rule_18_after_a_crash_the_log_decides) {
  must(keys_->make_next());
  const auto next = keys_->next();
  const Bytes asked = must(store::read_file(folder_ / "tier1", 10'000));
  certify(next);
  start();
  EXPECT_EQ(in_use(), next) << "the log had it, the key file not yet";
  must(store::write_file(folder_ / "tier1", asked));
  start();
  EXPECT_EQ(in_use(), next);
  certify(first_);
  start();
  EXPECT_EQ(in_use(), first_) << "the key file had it, the log not";
  EXPECT_EQ(other(), next);
}

TEST_F(TransportKeysTest, rule_18_a_key_that_is_not_here_changes_nothing) {
  must(keys_->make_next());
  const auto next = keys_->next();
  certify(crypto::TransportKeyPair::generate(random_).public_key());
  keys_->follow();
  EXPECT_EQ(in_use(), first_);
  EXPECT_EQ(other(), next);
}

}  // namespace
}  // namespace tocsin::host
