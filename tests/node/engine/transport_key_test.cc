// A node gets another transport key (rule 18): nothing is interrupted, whoever hears of it when.
#include "tests/node/engine/hub_world.h"

namespace tocsin::engine {
namespace {

using Member = HubWorld::Member;

class NewTransportKeys : public ::testing::Test {
 protected:
  HubWorld world;
  Member &a = world.add("alpha"), &b = world.add("bravo");

  static bool connected(Member& at, Member& of) {
    const auto all = at.hub->connections();
    return std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.node == of.node() && one.connected; });
  }
  bool both_connected() { return connected(a, b) && connected(b, a); }
  crypto::TransportPublic in_use() { return a.party->secrets().transport.public_key(); }
  bool b_knows(const crypto::TransportPublic& key) {
    const auto who = b.replica().identify(key, {});
    return who && who->second == a.node();
  }
  void meet() {
    world.introduce(a, b);
    ASSERT_TRUE(world.run_until([&] { return both_connected(); }));
    world.run_for(60'000);
    ASSERT_EQ(world.open_wires(a, b), 1u);
  }

  // As `key rotate`: the next key is there, and who dials may use it.
  void ask() { a.party->secrets().transport_other = crypto::TransportKeyPair::generate(a.random); }
  // As `org certify`, on another machine: nobody has the log yet.
  void certify() {
    const auto& held = a.party->log().live_node(a.node())->certificate;
    test::ExampleNode renewed{held, crypto::SigningKey::generate(a.random), a.party->secrets().transport_other->clone(),
                              crypto::EncryptionKeyPair::generate(a.random)};
    renewed.certificate.signing = renewed.signing.verify_key();
    renewed.certificate.transport = renewed.transport.public_key();
    renewed.certificate.encryption = renewed.encryption.public_key();
    ++renewed.certificate.serial;
    a.party->certify(renewed);
    signing_.emplace(std::move(renewed.signing));
  }
  // As the node does when its log names the new keys.
  void take() {
    auto& secrets = a.party->secrets();
    std::swap(secrets.transport, *secrets.transport_other);
    secrets.tier2->signing = std::move(*signing_);
    a.party->take_own_log();
  }
  void tell(Member& member) {
    std::vector<Bytes> entries;
    for (const auto& entry : a.party->org_log) entries.push_back(protocol::encode_entry(entry.view()));
    (void)member.replica().identify(crypto::TransportPublic{}, entries);
    member.party->store.sync();
  }
  // A handshake that somebody made with `key`, at b.
  std::string called_with(const crypto::TransportPublic& key) {
    const auto hash = crypto::random_fixed<crypto::HandshakeHash>(b.random);
    return std::string(test::code_of(b.hub->add_link({protocol::LinkRole::kResponder, hash, key, {}, "thief:1", {}})));
  }

 private:
  std::optional<crypto::SigningKey> signing_;
};

TEST_F(NewTransportKeys, rule_18_the_session_stays_and_the_next_one_is_under_the_new_key) {
  meet();
  const auto before = in_use();
  const auto dials = a.dials + b.dials;
  ask();
  certify();
  take();
  ASSERT_TRUE(world.run_until([&] { return b_knows(in_use()); }, 60'000)) << "in the session that there is";
  world.run_for(10 * 60'000);
  EXPECT_TRUE(both_connected());
  EXPECT_EQ(world.open_wires(a, b), 1u);
  EXPECT_EQ(a.dials + b.dials, dials) << "nobody had to call again";

  EXPECT_EQ(called_with(before), "unknown_peer") << "whoever has the key before begins nothing with it";
  a.party->secrets().transport_other.reset();
  world.cut(a, b);
  ASSERT_TRUE(world.run_until([&] { return both_connected(); }, 60'000));
}

TEST_F(NewTransportKeys, rule_18_a_session_of_the_key_before_ends_with_the_node_or_the_peer) {
  meet();
  ask();
  certify();
  take();
  ASSERT_TRUE(world.run_until([&] { return b_knows(in_use()); }, 60'000));
  ASSERT_TRUE(both_connected());
  b.hub->set_dialling(false);
  a.hub->set_dialling(false);
  a.party->revoke(a.node());
  tell(b);
  ASSERT_TRUE(world.run_until([&] { return !connected(b, a); }, 60'000));
}

TEST_F(NewTransportKeys, rule_18_a_session_of_a_key_two_before_ends) {
  meet();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(world.open_wires(a, b), 1u);
    ask();
    certify();
    take();
    ASSERT_TRUE(world.run_until([&] { return b_knows(in_use()); }, 60'000));
  }
  const auto dials = a.dials + b.dials;
  ASSERT_TRUE(world.run_until([&] { return a.dials + b.dials > dials; }, 60'000)) << "that one is closed";
  ASSERT_TRUE(world.run_until([&] { return both_connected(); }, 60'000));
}

TEST_F(NewTransportKeys, rule_18_a_peer_that_was_away_reaches_the_node_under_the_key_before) {
  meet();
  const auto before = in_use();
  a.hub->set_dialling(false);
  b.up = false;
  world.cut(a, b);
  ask();
  certify();
  take();
  world.run_for(1'000);
  ASSERT_TRUE(b_knows(before) && !b_knows(in_use()));
  b.up = true;
  ASSERT_TRUE(world.run_until([&] { return both_connected(); }));
  ASSERT_TRUE(world.run_until([&] { return b_knows(in_use()); }, 60'000));
  world.run_for(60'000);
  EXPECT_TRUE(both_connected());
  EXPECT_EQ(world.open_wires(a, b), 1u);
}

TEST_F(NewTransportKeys, rule_18_a_node_reaches_a_peer_that_was_away_under_the_new_key) {
  meet();
  b.hub->set_dialling(false);
  b.up = false;
  world.cut(a, b);
  ask();
  certify();
  take();
  world.run_for(1'000);
  ASSERT_FALSE(b_knows(in_use()));
  b.up = true;
  ASSERT_TRUE(world.run_until([&] { return both_connected(); }));
  EXPECT_TRUE(b_knows(in_use()));
  EXPECT_TRUE(b.hub->refusals().empty()) << "its log went with the third message";
}

// The organisation has certified the keys on another machine, and a peer heard of it first.
TEST_F(NewTransportKeys, rule_18_a_peer_may_know_of_the_new_key_before_the_node_does) {
  meet();
  ask();
  certify();
  for (Member* dialler : {&b, &a}) {
    a.hub->set_dialling(dialler == &a);
    b.hub->set_dialling(dialler == &b);
    tell(b);
    const auto next = a.party->secrets().transport_other->public_key();
    ASSERT_TRUE(b_knows(next));
    world.cut(a, b);
    ASSERT_TRUE(world.run_until([&] { return both_connected(); })) << (dialler == &a ? "a calls" : "b calls");
    EXPECT_EQ(in_use() == next, false);
    // Now it hears of it, and takes it.
    take();
    world.run_for(60'000);
    EXPECT_TRUE(both_connected());
    EXPECT_EQ(in_use(), next);
    ask();
    certify();
  }
}

}  // namespace
}  // namespace tocsin::engine
