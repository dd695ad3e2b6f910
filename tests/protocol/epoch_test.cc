#include "protocol/epoch.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>

#include "crypto/wrap.h"
#include "protocol/limits.h"
#include "protocol/stewards.h"
#include "tests/support/example_identity.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::must;
using test::SeededRandom;

struct EpochTest : testing::Test {
  SeededRandom random{7};
  EpochPlace place{crypto::random_fixed<ChannelId>(random),
                   {3},
                   crypto::random_fixed<LogKey>(random),
                   {9},
                   crypto::random_fixed<EntryHash>(random)};
  crypto::EpochKey key = crypto::EpochKey::random(random);
  Bytes state = Bytes(500, 0x5a);

  NodeSecrets secrets() {
    return {crypto::TransportKeyPair::generate(random), SecondTier{crypto::SigningKey::generate(random),
                                                                   crypto::EncryptionKeyPair::generate(random),
                                                                   {},
                                                                   ReadingKey::random(random)}};
  }
  WrapTarget target(const crypto::EncryptionKeyPair& pair) {
    return {crypto::random_fixed<NodeId>(random), pair.public_key()};
  }

  EntryHeader header(std::size_t part) {
    EntryHeader out;
    out.type = LogType::kControl;
    out.epoch = place.epoch;
    out.log = place.control_log;
    out.number = {place.first.value + part};
    out.previous = part == 0 ? place.previous : crypto::random_fixed<EntryHash>(random);
    return out;
  }
  Result<EpochRun> run_of(const std::vector<Bytes>& bodies) {
    EpochRun run;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      TOCSIN_ASSIGN(body, decode_control_body(bodies[i]));
      TOCSIN_TRY(run.add(header(i), std::move(body)));
    }
    return run;
  }
};

TEST_F(EpochTest, rule_20_a_full_roster_and_all_pins_that_are_written_fit_one_run) {
  ControlState full;
  full.genesis = Bytes(32 * 1024, 1);
  full.stewards.resize(kStewardsMax);
  full.decided.resize(kDecidedMax);
  full.terms.resize(kTermsMax);
  full.epoch = place.epoch;
  for (std::size_t i = 0; i < kMembersMax; ++i) {
    full.roster.push_back({crypto::random_fixed<OrgId>(random),
                           Role::kMember,
                           {1},
                           crypto::random_fixed<EntryHash>(random),
                           std::string(kNameBytesMax, 'x'),
                           OrgKind::kNgo,
                           "KEN"});
  }
  for (std::size_t i = 0; i < kPinsWrittenMax; ++i) {
    full.pins.push_back({crypto::random_fixed<LogKey>(random),
                         {1},
                         crypto::random_fixed<EntryHash>(random),
                         crypto::random_fixed<NodeId>(random)});
  }
  EXPECT_EQ(code_of(make_epoch_bodies(place, key, encode_control_state(full), {}, random)), "ok");
  const Bytes certificate(kTermCertificateBytesMax, 1);
  EXPECT_EQ(code_of(make_epoch_bodies(place, key, encode_control_state(full), {}, random, certificate)), "ok");
}

TEST_F(EpochTest, members_find_the_key_and_the_state_and_others_nothing) {
  const NodeSecrets member = secrets(), outsider = secrets();
  const std::vector<WrapTarget> targets{target(member.tier2->encryption)};
  const EpochRun run = must(run_of(must(make_epoch_bodies(place, key, state, targets, random))));
  ASSERT_TRUE(run.complete());
  const auto found = run.open_key(place.channel, member, 0);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->equal(key));
  EXPECT_EQ(must(run.open_state(place.channel, *found)), state);
  EXPECT_EQ(code_of(run.open_key(place.channel, outsider, 0)), "no_slot");
}

TEST_F(EpochTest, a_prekey_opens_where_the_certificates_key_was_not_used) {
  NodeSecrets member = secrets();
  const auto& prekey = member.tier2->prekeys.emplace(600, crypto::EncryptionKeyPair::generate(random)).first->second;
  const std::vector<WrapTarget> targets{target(prekey)};
  const EpochRun run = must(run_of(must(make_epoch_bodies(place, key, state, targets, random))));
  EXPECT_TRUE(run.open_key(place.channel, member, 600));
  EXPECT_TRUE(run.open_key(place.channel, member, 601)) << "a clock that is a month off costs nothing (rule 7)";
}

TEST_F(EpochTest, rule_29_a_slot_with_another_key_than_the_committed_one_counts_as_none) {
  const NodeSecrets member = secrets();
  const std::vector<WrapTarget> targets{target(member.tier2->encryption)};
  const auto other = crypto::EpochKey::random(random);
  auto right = must(decode_control_body(must(make_epoch_bodies(place, key, state, targets, random))[0]));
  const auto wrong = must(decode_control_body(must(make_epoch_bodies(place, other, state, targets, random))[0]));
  right.epoch.slots = wrong.epoch.slots;
  right.epoch.ephemeral = wrong.epoch.ephemeral;
  EpochRun run;
  must(run.add(header(0), right));
  EXPECT_EQ(code_of(run.open_key(place.channel, member, 0)), "no_slot");
}

TEST_F(EpochTest, rule_30_a_slot_is_bound_to_channel_epoch_and_place) {
  const NodeSecrets member = secrets();
  const std::vector<WrapTarget> targets{target(member.tier2->encryption)};
  const auto bodies = must(make_epoch_bodies(place, key, state, targets, random));
  const auto add = [&](EntryHeader at) {
    EpochRun run;
    must(run.add(at, must(decode_control_body(bodies[0]))));
    return run;
  };
  EXPECT_TRUE(add(header(0)).open_key(place.channel, member, 0));
  EXPECT_FALSE(add(header(0)).open_key(crypto::random_fixed<ChannelId>(random), member, 0));
  EntryHeader other_epoch = header(0);
  other_epoch.epoch = {4};
  EXPECT_FALSE(add(other_epoch).open_key(place.channel, member, 0));
  EntryHeader other_previous = header(0);
  other_previous.previous = {};
  EXPECT_FALSE(add(other_previous).open_key(place.channel, member, 0));
}

TEST_F(EpochTest, rule_31_slots_are_padded_to_a_power_of_two_and_shuffled) {
  for (const std::size_t members : {0u, 1u, 7u, 8u, 9u, 100u, 256u, 257u, 1000u, 1024u}) {
    std::vector<WrapTarget> targets;
    for (std::size_t i = 0; i < members; ++i) targets.push_back(target(crypto::EncryptionKeyPair::generate(random)));
    std::size_t slots = 0;
    for (const Bytes& body : must(make_epoch_bodies(place, key, state, targets, random))) {
      EXPECT_LE(body.size(), kBodyBytesMax);
      slots += must(decode_control_body(body)).epoch.slots.size() / crypto::kKeySlotSize;
    }
    EXPECT_TRUE(std::has_single_bit(slots)) << members;
    EXPECT_GE(slots, std::max<std::size_t>(8, members));
    EXPECT_LE(slots, std::max<std::size_t>(8, std::bit_ceil(members)));
  }
  std::vector<WrapTarget> too_many(1025, target(crypto::EncryptionKeyPair::generate(random)));
  EXPECT_EQ(code_of(make_epoch_bodies(place, key, state, too_many, random)), "too_many_slots");

  // Where one's own slot stands says nothing: over many epochs it stands everywhere.
  const NodeSecrets member = secrets();
  const std::vector<WrapTarget> targets{target(member.tier2->encryption)};
  std::set<std::size_t> places;
  for (int i = 0; i < 200; ++i) {
    const auto body = must(decode_control_body(must(make_epoch_bodies(place, key, state, targets, random))[0]));
    std::vector<ByteView> slots;
    for (std::size_t at = 0; at < body.epoch.slots.size(); at += crypto::kKeySlotSize) {
      slots.push_back(ByteView(body.epoch.slots).subspan(at, crypto::kKeySlotSize));
    }
    Bytes context = to_bytes(place.channel.view());
    context.resize(40);
    store_le64(&context[32], place.epoch.value);
    append(context, place.previous.view());
    places.insert(must(crypto::find_slot(member.tier2->encryption, body.epoch.ephemeral, context, slots)).index);
  }
  EXPECT_EQ(places.size(), 8u);
}

TEST_F(EpochTest, rule_31_an_epoch_too_large_for_one_body_is_a_run_in_force_with_its_last_part) {
  const NodeSecrets member = secrets();
  const std::vector<WrapTarget> targets{target(member.tier2->encryption)};
  state = Bytes(100'000, 0x33);
  const auto bodies = must(make_epoch_bodies(place, key, state, targets, random));
  ASSERT_GT(bodies.size(), 1u);
  const EpochRun run = must(run_of(bodies));
  EXPECT_TRUE(run.complete());
  EXPECT_EQ(must(run.open_state(place.channel, must(run.open_key(place.channel, member, 0)))), state);
  EXPECT_FALSE(must(run_of({bodies.begin(), bodies.end() - 1})).complete());
  EXPECT_EQ(code_of(run_of({bodies[0], bodies[2]})), "bad_epoch");
  EXPECT_EQ(code_of(run_of({bodies[1]})), "bad_epoch");
  const auto other = must(make_epoch_bodies(place, crypto::EpochKey::random(random), state, targets, random));
  EXPECT_EQ(code_of(run_of({bodies[0], other[1]})), "bad_epoch");
}

TEST_F(EpochTest, slots_that_are_not_a_power_of_two_in_number_are_refused) {
  const std::vector<WrapTarget> targets;
  auto body = must(decode_control_body(must(make_epoch_bodies(place, key, state, targets, random))[0]));
  body.epoch.slots.resize(7 * crypto::kKeySlotSize);
  EpochRun run;
  EXPECT_EQ(code_of(run.add(header(0), body)), "bad_epoch");
  body.epoch.slots.resize(7 * crypto::kKeySlotSize + 1);
  EXPECT_EQ(code_of(run.add(header(0), body)), "bad_epoch");
  body.epoch.slots.resize(2048 * crypto::kKeySlotSize);
  EXPECT_EQ(code_of(run.add(header(0), body)), "bad_epoch");
}

TEST_F(EpochTest, a_key_of_small_order_costs_its_owner_the_slot_and_nobody_else) {
  const NodeSecrets member = secrets();
  const std::vector<WrapTarget> targets{{{}, crypto::EncryptionPublic{}}, target(member.tier2->encryption)};
  const EpochRun run = must(run_of(must(make_epoch_bodies(place, key, state, targets, random))));
  EXPECT_TRUE(run.open_key(place.channel, member, 0));
}

TEST_F(EpochTest, rule_35_the_access_key_follows_from_the_epoch_key) {
  const auto body = must(decode_control_body(must(make_epoch_bodies(place, key, state, {}, random))[0]));
  const auto access = crypto::AccessKey::from_seed(access_seed(key, place.channel, place.epoch));
  EXPECT_EQ(body.epoch.access_key, access.verify_key());
  EXPECT_EQ(body.epoch.commitment, epoch_commitment(key, place.channel, place.epoch));
  EXPECT_NE(epoch_commitment(key, place.channel, place.epoch), epoch_commitment(key, place.channel, {4}));
}

}  // namespace
}  // namespace tocsin::protocol
