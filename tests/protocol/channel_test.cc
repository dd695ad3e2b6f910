// Messages of a channel and its control log.
#include "protocol/channel.h"

#include <gtest/gtest.h>

#include "protocol/entry_sign.h"
#include "tests/support/example_identity.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::must;
using test::SeededRandom;

// A chair that writes its control log by hand, and a member that reads it.
struct ChannelTest : testing::Test {
  SeededRandom random{5};
  crypto::Verifier verifier;
  OrgId chair_org = crypto::random_fixed<OrgId>(random);
  OrgId member_org = crypto::random_fixed<OrgId>(random);
  crypto::SigningKey node_key = crypto::SigningKey::generate(random);
  crypto::SigningKey control_key = crypto::SigningKey::generate(random);
  NodeSecrets chair{crypto::TransportKeyPair::generate(random), SecondTier{crypto::SigningKey::generate(random),
                                                                           crypto::EncryptionKeyPair::generate(random),
                                                                           {},
                                                                           ReadingKey::random(random)}};
  NodeSecrets member{crypto::TransportKeyPair::generate(random), SecondTier{crypto::SigningKey::generate(random),
                                                                            crypto::EncryptionKeyPair::generate(random),
                                                                            {},
                                                                            ReadingKey::random(random)}};
  ChannelGenesis genesis = must(make_genesis());
  std::map<Epoch, crypto::EpochKey> keys;
  ChannelState state = fresh();
  // Of the log as written.
  Number head;
  EntryHash head_hash;
  Epoch epoch;

  ChannelGenesis wanted() {
    ChannelGenesis out;
    out.network = "tocsin-test";
    out.name = "Early warning";
    out.channel_class = ChannelClass::kShared;
    out.terms = "Purpose: early warning.\nHandling: TLP.";
    out.retention_days = 365;
    out.stewards = {chair_org};
    out.chair_org = chair_org;
    out.chair_node = crypto::random_fixed<NodeId>(random);
    out.control_key = LogKey{control_key.verify_key().bytes()};
    out.created = test::kExampleTime;
    return out;
  }
  Result<ChannelGenesis> make_genesis() { return make_channel_genesis(wanted(), Bytes(32, 7), node_key); }
  ChannelState fresh() {
    ChannelState out;
    out.genesis = std::make_shared<const ChannelGenesis>(genesis);
    return out;
  }
  RosterMember roster(const OrgId& org, Role role) {
    return {org, role, {1}, crypto::random_fixed<EntryHash>(random), "Name", OrgKind::kNgo, "KEN"};
  }
  ControlState control_state(Epoch of) {
    ControlState out;
    out.genesis = genesis.message;
    out.genesis_signature = genesis.signature;
    out.epoch = of;
    out.roster = {roster(chair_org, Role::kSteward), roster(member_org, Role::kMember)};
    std::sort(out.roster.begin(), out.roster.end(), [](auto& a, auto& b) { return a.org < b.org; });
    out.stewards = {chair_org};
    out.reason = EpochReason::kGenesis;
    out.created = test::kExampleTime;
    return out;
  }
  EntryHeader next_header(Epoch of) {
    EntryHeader out;
    out.type = LogType::kControl;
    out.number = head.next();
    out.epoch = of;
    out.log = genesis.control_key;
    out.channel = genesis.pseudonym;
    out.previous = head_hash;
    return out;
  }
  Entry written(Entry entry, Epoch of) {
    head = head.next();
    head_hash = hash_entry(entry.view().header, entry.view().signature);
    epoch = of;
    return entry;
  }
  // The next epoch; `to` gets a slot.
  Entry next_epoch(const std::vector<const NodeSecrets*>& to, std::optional<ControlState> says = std::nullopt) {
    const Epoch of = epoch.next();
    if (!says) says = control_state(of);
    const auto& key = keys.emplace(of, crypto::EpochKey::random(random)).first->second;
    std::vector<WrapTarget> targets;
    for (const NodeSecrets* secrets : to) targets.push_back({{}, secrets->tier2->encryption.public_key()});
    const auto bodies = must(make_epoch_bodies({genesis.id, of, genesis.control_key, head.next(), head_hash}, key,
                                               encode_control_state(*says), targets, random));
    return written(sign_entry(next_header(of), bodies.at(0), control_key), of);
  }
  Entry event_entry(ByteView plaintext) {
    const EntryHeader header = next_header(epoch);
    ControlBody body;
    body.kind = ControlBody::kEvent;
    body.sealed = seal_control(keys.at(epoch), genesis.id, epoch, header.log, header.number, plaintext, random);
    return written(sign_entry(header, encode_control_body(body), control_key), epoch);
  }
  Entry next_event(const ControlEvent& event) { return event_entry(encode_control_event(event, test::kExampleTime)); }

  Result<void> apply(const Entry& entry, const NodeSecrets& as, const OrgId& org) {
    ChannelState next = state;
    TOCSIN_TRY(apply_control(next, entry.view(), {as, org, 0, test::kExampleTime, verifier}));
    state = std::move(next);
    return kOk;
  }
  Result<void> take(const Entry& entry) { return apply(entry, member, member_org); }
};

TEST_F(ChannelTest, a_member_reads_epochs_and_events) {
  must(take(next_epoch({&chair, &member})));
  EXPECT_EQ(state.standing, ChannelStanding::kJoined);
  EXPECT_EQ(state.newest_epoch(), Epoch{1});
  EXPECT_EQ(state.role_of(member_org), Role::kMember);
  const OrgId invited = crypto::random_fixed<OrgId>(random);
  must(take(next_event(InviteEvent{roster(invited, Role::kReader)})));
  ASSERT_TRUE(state.invited.contains(invited));
  EXPECT_EQ(state.invited.at(invited).entry, Number{2});
  must(take(next_event(CancelInviteEvent{invited})));
  EXPECT_TRUE(state.invited.empty());
}

TEST_F(ChannelTest, an_entry_that_is_not_the_next_one_of_this_log_by_this_key_is_refused) {
  const Entry first = next_epoch({&member});
  EntryHeader header = must(EntryHeader::decode(first.view().header));
  const Bytes body = to_bytes(first.view().body);
  const auto with = [&](auto&& change, const crypto::SigningKey& key) {
    EntryHeader altered = header;
    change(altered);
    altered.log = LogKey{key.verify_key().bytes()};
    return sign_entry(altered, body, key);
  };
  const auto stranger = crypto::SigningKey::generate(random);
  EXPECT_EQ(code_of(take(with([](auto&) {}, stranger))), "wrong_log");
  EXPECT_EQ(
      code_of(take(with([&](auto& h) { h.channel = crypto::random_fixed<ChannelPseudonym>(random); }, control_key))),
      "wrong_channel");
  EXPECT_EQ(code_of(take(with(
                [](auto& h) {
                  h.number = {2};
                  h.previous.data()[0] = 1;
                },
                control_key))),
            "wrong_number");
  EXPECT_EQ(code_of(take(with([](auto& h) { h.epoch = {2}; }, control_key))), "wrong_epoch");
  Bytes cut = body;
  cut.pop_back();
  EXPECT_EQ(code_of(take(Entry(first.view().header, first.view().signature, cut))), "bad_body_hash");
  Bytes signature = to_bytes(first.view().signature);
  signature[3] ^= 1;
  EXPECT_EQ(code_of(take(Entry(first.view().header, signature, body))), "bad_signature");
  must(take(first));
  EXPECT_EQ(code_of(take(first)), "wrong_number");
  Entry second = next_epoch({&member});
  header = must(EntryHeader::decode(second.view().header));
  EXPECT_EQ(code_of(take(sign_entry(
                [&] {
                  auto h = header;
                  h.previous.data()[0] ^= 1;
                  return h;
                }(),
                second.view().body, control_key))),
            "wrong_previous");
  must(take(second));
}

TEST_F(ChannelTest, rule_16_an_unknown_kind_or_event_is_kept_and_stops_writing) {
  must(take(next_epoch({&member})));
  must(take(next_event(UnknownEvent{"2.1"})));
  EXPECT_TRUE(state.needs_newer);
  EXPECT_EQ(state.needs_version, "2.1");
  must(take(next_event(UnknownEvent{"x\ny"})));
  EXPECT_EQ(state.needs_version, "2.1") << "no line, not shown";
  EXPECT_EQ(state.head, Number{3});

  state = fresh();
  head = {}, head_hash = {}, epoch = {};
  must(take(next_epoch({&member})));
  ControlBody body;
  body.kind = 99;
  must(take(written(sign_entry(next_header(epoch), encode_control_body(body), control_key), epoch)));
  EXPECT_TRUE(state.needs_newer);
  must(take(next_epoch({&member})));
  EXPECT_EQ(state.newest_epoch(), Epoch{2}) << "the chain goes on";
}

TEST_F(ChannelTest, rule_20_of_two_pins_the_lower_wins) {
  must(take(next_epoch({&member})));
  ControlState pinned = control_state({2});
  const FeedPin pin{crypto::random_fixed<LogKey>(random), {10}, crypto::random_fixed<EntryHash>(random), {}};
  pinned.pins = {pin};
  must(take(next_epoch({&member}, pinned)));
  EXPECT_EQ(state.pins.at(pin.feed), pin);
  for (const std::uint64_t number : {12, 8}) {
    ControlState other = control_state(epoch.next());
    other.pins = {{pin.feed, {number}, pin.hash, {}}};
    must(take(next_epoch({&member}, other)));
    EXPECT_EQ(state.pins.at(pin.feed).last, Number{std::min<std::uint64_t>(number, 10)});
  }
  must(take(next_epoch({&member})));
  EXPECT_EQ(state.pins.at(pin.feed).last, Number{8}) << "a pin that is left out stays";
}

TEST_F(ChannelTest, rule_22_stewards_are_one_or_at_least_three_with_a_real_majority) {
  const auto with = [&](std::size_t stewards, std::uint8_t quorum) {
    ChannelGenesis out = wanted();
    out.stewards.clear();
    for (std::size_t i = 0; i < stewards; ++i) out.stewards.push_back(crypto::random_fixed<OrgId>(random));
    if (stewards > 0) out.chair_org = out.stewards[1 % stewards];
    out.quorum = quorum;
    return code_of(make_channel_genesis(out, Bytes(32, 1), node_key));
  };
  EXPECT_EQ(with(1, 1), "ok");
  EXPECT_EQ(with(2, 1), "bad_channel_genesis");
  EXPECT_EQ(with(2, 2), "bad_channel_genesis");
  EXPECT_EQ(with(3, 1), "bad_channel_genesis");
  EXPECT_EQ(with(3, 2), "ok");
  EXPECT_EQ(with(3, 3), "bad_channel_genesis");
  EXPECT_EQ(with(4, 2), "bad_channel_genesis");
  EXPECT_EQ(with(4, 3), "ok");
  EXPECT_EQ(with(0, 0), "bad_channel_genesis");
  ChannelGenesis two = wanted();
  two.stewards.push_back(member_org);
  const auto refused = make_channel_genesis(two, Bytes(32, 1), node_key);
  EXPECT_NE(refused.error().detail.find("third"), std::string::npos) << "the advice is to name a third";
}

TEST_F(ChannelTest, rule_22_another_set_of_stewards_has_to_be_decided) {
  must(take(next_epoch({&member})));
  ControlState says = control_state(epoch.next());
  for (RosterMember& member_of : says.roster)
    member_of.role = member_of.org == member_org ? Role::kSteward : Role::kMember;
  says.stewards = {member_org};
  EXPECT_EQ(code_of(take(next_epoch({&member}, says))), "not_approved");
}

TEST_F(ChannelTest, rule_25_the_genesis_holds_the_digest_of_the_terms) {
  EXPECT_EQ(genesis.terms_digest, crypto::hash256(crypto::kPersonalTerms, {as_bytes(genesis.terms)}));
  EXPECT_EQ(must(decode_channel_genesis(genesis.message, genesis.signature.view())).terms_digest, genesis.terms_digest);
  // Other terms under the same digest: the message is canonical and says so, and is refused.
  Bytes forged = genesis.message;
  const auto at = std::search(forged.begin(), forged.end(), genesis.terms.begin(), genesis.terms.end());
  ASSERT_NE(at, forged.end());
  *at = 'Q';
  EXPECT_EQ(code_of(decode_channel_genesis(forged, genesis.signature.view())), "bad_channel_genesis");
}

TEST_F(ChannelTest, rule_27_each_epoch_has_a_key_that_no_other_leads_to) {
  must(take(next_epoch({&member})));
  must(take(next_epoch({&member})));
  EXPECT_FALSE(state.epochs.at({1}).key->equal(*state.epochs.at({2}).key));
}

TEST_F(ChannelTest, rule_29_a_member_without_a_slot_goes_on_with_the_epoch_it_has) {
  must(take(next_epoch({&member})));
  must(take(next_epoch({&chair})));
  EXPECT_TRUE(state.key_missing());
  EXPECT_EQ(state.newest_epoch(), Epoch{1});
  EXPECT_EQ(state.newest_epoch_seen(), Epoch{2});
  EXPECT_EQ(state.standing, ChannelStanding::kJoined);
  must(take(next_event(CancelInviteEvent{member_org})));
  must(take(next_epoch({&member})));
  EXPECT_FALSE(state.key_missing());
  EXPECT_EQ(state.epochs.at({2}).key, nullptr) << "the gap stays";
}

TEST_F(ChannelTest, a_state_for_another_epoch_or_channel_is_refused) {
  EXPECT_EQ(code_of(take(next_epoch({&member}, control_state({2})))), "bad_control_state");
  head = {}, head_hash = {}, epoch = {};
  ControlState other = control_state({1});
  other.genesis_signature.data()[0] ^= 1;
  EXPECT_EQ(code_of(take(next_epoch({&member}, other))), "bad_control_state");
}

TEST_F(ChannelTest, who_is_in_no_roster_is_removed) {
  ControlState without = control_state({1});
  std::erase_if(without.roster, [&](const RosterMember& held) { return held.org == member_org; });
  must(take(next_epoch({&member}, without)));
  EXPECT_EQ(state.standing, ChannelStanding::kRemoved);
}

TEST_F(ChannelTest, the_record_brings_everything_back_and_opens_with_the_own_reading_key_alone) {
  must(take(next_epoch({&member})));
  must(take(next_event(InviteEvent{roster(crypto::random_fixed<OrgId>(random), Role::kMember)})));
  must(take(next_epoch({&chair})));
  state.feed_key = std::make_shared<const crypto::SigningKey>(crypto::SigningKey::generate(random));
  state.feed_generation = 3;
  state.pins.emplace(genesis.control_key, FeedPin{genesis.control_key, {4}, head_hash, {}});
  const Bytes record = encode_channel_record(state, member, random);
  const LoadedChannel loaded = must(decode_channel_record(record, member));
  const ChannelState& back = loaded.state;
  EXPECT_EQ(back.head, state.head);
  EXPECT_EQ(back.head_hash, state.head_hash);
  EXPECT_EQ(back.standing, state.standing);
  EXPECT_EQ(back.newest->roster, state.newest->roster);
  EXPECT_EQ(back.invited.size(), state.invited.size());
  EXPECT_EQ(back.pins, state.pins);
  EXPECT_TRUE(back.epochs.at({1}).key->equal(*state.epochs.at({1}).key));
  EXPECT_EQ(back.epochs.at({2}).key, nullptr);
  EXPECT_EQ(back.feed_key->verify_key(), state.feed_key->verify_key());
  EXPECT_EQ(back.feed_generation, 3u);
  EXPECT_EQ(back.control_key, nullptr);
  EXPECT_EQ(loaded.run_first, Number{});

  EXPECT_EQ(code_of(decode_channel_record(record, chair)), "damaged_record");
  for (std::size_t at = 0; at < record.size(); at += 3) {
    EXPECT_EQ(code_of(decode_channel_record(ByteView(record).first(at), member)), "damaged_record");
  }
  // Rule 48: without the reading key neither epoch keys nor feed key stand in it.
  const auto seed = state.feed_key->seed();
  for (const ByteView secret : {state.epochs.at({1}).key->view(), seed.view()}) {
    EXPECT_EQ(std::search(record.begin(), record.end(), secret.begin(), secret.end()), record.end());
  }
}

TEST_F(ChannelTest, invitation_and_acceptance_are_read_back) {
  Invitation invitation{genesis.message, genesis.signature, {1, 2, 3}, Bytes(32, 9), {4, 5}, {{6}, {7, 8}}};
  const Invitation back = must(decode_invitation(encode_invitation(invitation)));
  EXPECT_EQ(back.genesis, invitation.genesis);
  EXPECT_EQ(back.adding_entry, invitation.adding_entry);
  EXPECT_EQ(back.chair_org_log, invitation.chair_org_log);
  Acceptance acceptance;
  acceptance.channel = genesis.id;
  acceptance.org = member_org;
  acceptance.accepted = true;
  acceptance.terms_digest = genesis.terms_digest;
  const Bytes said = sign_acceptance(acceptance, node_key);
  EXPECT_TRUE(verify_acceptance(said, node_key.verify_key(), verifier));
  EXPECT_TRUE(must(decode_acceptance(said)).accepted);
  Bytes flipped = said;
  flipped.back() ^= 1;
  EXPECT_FALSE(verify_acceptance(flipped, node_key.verify_key(), verifier));
}

}  // namespace
}  // namespace tocsin::protocol
