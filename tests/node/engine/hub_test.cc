#include "tests/node/engine/hub_world.h"

namespace tocsin::engine {
namespace {

using Member = HubWorld::Member;

PeerConnection connection(Member& at, Member& of) {
  for (const PeerConnection& one : at.hub->connections()) {
    if (one.node == of.node()) return one;
  }
  ADD_FAILURE() << "not listed";
  return {};
}
std::string last_error(Member& at, Member& of) {
  const auto error = connection(at, of).last_error;
  return error ? std::string(error->code.text()) : "none";
}

class Hubs : public ::testing::Test {
 protected:
  HubWorld world;
};

TEST_F(Hubs, peers_by_card_find_each_other_and_keep_one_link) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  ASSERT_TRUE(world.run_until([&] { return connection(a, b).connected && connection(b, a).connected; }));
  world.run_for(60'000);
  EXPECT_EQ(world.open_wires(a, b), 1u);
  EXPECT_EQ(a.hub->link_count(), 1u);
  EXPECT_EQ(b.hub->link_count(), 1u);
  EXPECT_EQ(last_error(a, b), "none");
  EXPECT_EQ(last_error(b, a), "none");
  EXPECT_TRUE(connection(a, b).last_seen);
  EXPECT_NE(connection(a, b).role, connection(b, a).role);
}

TEST_F(Hubs, three_organisations_share_a_channel_over_the_hubs) {
  Member &a = world.add("alpha"), &b = world.add("bravo"), &c = world.add("charlie");
  world.introduce(a, b);
  world.introduce(a, c);
  world.introduce(b, c);
  const ChannelId id = world.share(a, {&b, &c});
  for (Member* one : {&a, &b, &c}) one->party->write(id, "from " + one->party->name());
  ASSERT_TRUE(world.run_until([&] { return a.party->texts(id).size() == 3 && world.equal(id, {&a, &b, &c}); }));
  world.run_for(3 * 60'000);
  for (Member* one : {&a, &b, &c}) {
    EXPECT_EQ(one->party->text_set(id), (std::multiset<std::string>{"from alpha", "from bravo", "from charlie"}));
    for (const ChannelSync& row : one->hub->sync_status()) {
      if (row.channel != id) continue;
      EXPECT_EQ(row.state, SyncState::kEqual) << one->party->name();
      EXPECT_EQ(row.behind + row.ahead, 0u);
      EXPECT_TRUE(row.receipt) << one->party->name();
    }
  }
}

// Both dial at the same moment: both keep the same one, that of the smaller node id.
TEST_F(Hubs, of_two_links_both_sides_keep_the_same) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  for (Member* one : {&a, &b}) one->hub->set_dialling(false);
  world.run_for(1'000);
  Member& small = a.node() < b.node() ? a : b;
  Member& large = &small == &a ? b : a;
  const auto hash = [&] { return crypto::random_fixed<crypto::HandshakeHash>(a.random); };
  const auto key = [](Member& of) { return of.party->secrets().transport.public_key(); };
  const auto facts = [&](protocol::LinkRole role, Member& other) {
    return EstablishedLink{role, hash(), key(other), {}, "x:1", {}};
  };

  // The large one's dial ends first at both, the small one's after it.
  const LinkId first_large = must(large.hub->add_link(facts(protocol::LinkRole::kInitiator, small)));
  const LinkId first_small = must(small.hub->add_link(facts(protocol::LinkRole::kResponder, large)));
  const LinkId second_small = must(small.hub->add_link(facts(protocol::LinkRole::kInitiator, large)));
  const LinkId second_large = must(large.hub->add_link(facts(protocol::LinkRole::kResponder, small)));
  EXPECT_EQ(large.hub->link_of(small.node()), second_large);
  EXPECT_EQ(small.hub->link_of(large.node()), second_small);
  Bytes frame;
  while (large.hub->poll_frame(first_large, frame)) {
  }
  EXPECT_TRUE(large.hub->link_finished(first_large));
  EXPECT_FALSE(large.hub->link_finished(second_large));
  large.hub->link_closed(first_large, peer_error(transport::kSessionEnded));
  small.hub->link_closed(first_small, peer_error(transport::kSessionEnded));
  EXPECT_TRUE(connection(large, small).connected) << "the end of the loser is not the end of the winner";
  EXPECT_FALSE(connection(large, small).last_error);

  // The other order: what the large one dials while there is the small one's link is refused.
  const auto refused = small.hub->add_link(facts(protocol::LinkRole::kResponder, large));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code.text(), "duplicate_link");
  EXPECT_EQ(small.hub->refusals().at("duplicate_link"), 1u);
}

// A link that died without a word must not lock its node out until it is found to be dead.
TEST_F(Hubs, a_node_that_comes_back_replaces_its_old_dead_link) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  Member& small = a.node() < b.node() ? a : b;
  Member& large = &small == &a ? b : a;
  large.hub->set_dialling(false);
  ASSERT_TRUE(
      world.run_until([&] { return connection(small, large).connected && connection(large, small).connected; }));
  world.run_for(kLinkRaceMs + 1'000);
  world.cut(a, b, true);
  world.kill(large);  // its own end of the dead wire is forgotten
  ASSERT_TRUE(connection(small, large).connected);
  ASSERT_TRUE(world.run_until([&] { return world.open_wires(a, b) == 1; }, 10'000))
      << "without waiting for the silence to be noticed";
}

TEST_F(Hubs, a_silent_link_is_given_up_with_a_reason) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  ASSERT_TRUE(world.run_until([&] { return connection(a, b).connected && connection(b, a).connected; }));
  b.up = false;
  a.up = false;
  world.cut(a, b, true);
  ASSERT_TRUE(world.run_until([&] { return !connection(a, b).connected; }));
  EXPECT_GE(world.clock.steady_ms(), protocol::kDeadAfterMs);
  ASSERT_TRUE(connection(a, b).last_error);
}

TEST_F(Hubs, a_stranger_is_refused_and_counted) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  must(b.replica().add_card(must(a.replica().own_card({a.address})), nullptr));  // b knows a, not the other way round
  b.party->store.sync();
  ASSERT_TRUE(world.run_until([&] { return a.hub->refusals().contains("unknown_peer"); }));
  ASSERT_TRUE(world.run_until([&] { return connection(b, a).last_error.has_value(); }));
  EXPECT_EQ(last_error(b, a), "not_answered");
  EXPECT_EQ(a.hub->link_count(), 0u);
  const std::uint64_t before = b.dials;
  world.run_for(3'600'000);
  EXPECT_LE(b.dials - before, 40u) << "a peer that shuts the door is not knocked at for ever";
}

TEST_F(Hubs, a_revoked_node_is_told_whenever_it_calls) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  ASSERT_TRUE(world.run_until([&] { return connection(a, b).connected && connection(b, a).connected; }));
  b.party->revoke(b.node());
  std::vector<Bytes> entries;
  for (const auto& entry : b.party->org_log) entries.push_back(protocol::encode_entry(entry.view()));
  EXPECT_FALSE(a.replica().identify(crypto::TransportPublic{}, entries));
  a.party->store.sync();
  ASSERT_TRUE(world.run_until([&] { return !connection(b, a).connected; }));
  EXPECT_EQ(last_error(b, a), "peer_says_revoked");

  const std::uint64_t dials = b.dials;
  world.run_for(3'600'000);
  EXPECT_GT(b.dials, dials) << "it goes on calling";
  EXPECT_EQ(last_error(b, a), "peer_says_revoked") << "and is told each time";
  EXPECT_EQ(a.hub->refusals().at("unknown_peer"), b.dials - dials);
  EXPECT_EQ(a.hub->link_count(), 0u);
  EXPECT_TRUE(b.replica().is_certified()) << "it is told, not shown the entry";
}

TEST_F(Hubs, blocking_ends_the_link_and_keeps_the_peer_out) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  ASSERT_TRUE(world.run_until([&] { return connection(a, b).connected && connection(b, a).connected; }));
  must(a.replica().set_peer_blocked(b.party->org(), true, nullptr));
  ASSERT_TRUE(world.run_until([&] { return !connection(a, b).connected && !connection(b, a).connected; }));
  EXPECT_EQ(last_error(b, a), "peer_says_unknown_peer");
  const std::uint64_t dials = a.dials;
  world.run_for(10 * 60'000);
  EXPECT_EQ(a.dials, dials);
  EXPECT_EQ(a.hub->link_count(), 0u);
  EXPECT_EQ(test::code_of(a.hub->dial_now(b.node(), std::nullopt, nullptr)), "peer_blocked");
  EXPECT_EQ(test::code_of(a.hub->sync_now({b.node()}, nullptr)), "peer_blocked");
  must(a.replica().set_peer_blocked(b.party->org(), false, nullptr));
  ASSERT_TRUE(world.run_until([&] { return connection(a, b).connected; }));
}

TEST_F(Hubs, a_peer_that_is_away_is_dialled_ever_more_rarely_and_found_when_it_returns) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  b.up = false;
  b.hub->set_dialling(false);
  world.run_for(3'600'000);
  EXPECT_EQ(last_error(a, b), "connect_refused");
  EXPECT_GE(a.dials, 12u);
  EXPECT_LE(a.dials, 40u);
  ASSERT_TRUE(connection(a, b).next_try_in_ms);
  EXPECT_LE(*connection(a, b).next_try_in_ms, kDialMaxMs + kDialMaxMs / 2);
  b.up = true;
  ASSERT_TRUE(world.run_until([&] { return connection(a, b).connected; }, kDialMaxMs + kDialMaxMs / 2));
  EXPECT_FALSE(connection(a, b).next_try_in_ms);
}

TEST_F(Hubs, connect_says_connected_or_why_not) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b, false);
  std::vector<std::string> answers;
  const auto note = [&](Result<void> result) { answers.push_back(test::code_of(result)); };
  EXPECT_EQ(test::code_of(a.hub->dial_now(NodeId{}, std::nullopt, note)), "unknown_peer");
  EXPECT_EQ(test::code_of(a.hub->dial_now(b.node(), std::nullopt, note)), "no_address");
  EXPECT_EQ(test::code_of(a.hub->dial_now(b.node(), "no port", note)), "bad_address");
  must(a.hub->dial_now(b.node(), "nowhere.example.org:1", note));
  EXPECT_TRUE(answers.empty()) << "never from inside the call";
  ASSERT_TRUE(world.run_until([&] { return answers.size() == 1; }));
  must(a.hub->dial_now(b.node(), b.address, note));
  ASSERT_TRUE(world.run_until([&] { return answers.size() == 2; }));
  must(a.hub->dial_now(b.node(), std::nullopt, note));
  ASSERT_TRUE(world.run_until([&] { return answers.size() == 3; }));
  EXPECT_EQ(answers, (std::vector<std::string>{"connect_refused", "ok", "ok"}));
  EXPECT_TRUE(connection(a, b).connected);
}

TEST_F(Hubs, sync_now_counts_what_went_over_the_wire_and_costs_little_when_nothing_is_new) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  const ChannelId id = world.share(a, {&b});
  world.run_for(5 * 60'000);
  world.cut(a, b);
  a.hub->set_dialling(false);
  b.hub->set_dialling(false);
  world.run_for(1'000);
  for (int i = 0; i < 50; ++i) a.party->write(id, "report " + std::to_string(i));
  world.run_for(1'000);

  std::optional<SyncReport> report;
  const auto keep = [&](Result<SyncReport> result) { report = must(std::move(result)); };
  must(b.hub->sync_now({}, keep));
  ASSERT_TRUE(world.run_until([&] { return report.has_value(); }));
  EXPECT_FALSE(report->code);
  EXPECT_EQ(report->received, 50u);
  EXPECT_EQ(report->sent, 0u);
  EXPECT_GT(report->bytes_in, 50u * 100);
  EXPECT_GT(report->seconds, 0);
  EXPECT_TRUE(world.equal(id, {&a, &b}));

  world.run_for(5 * 60'000);  // receipts have gone over
  report.reset();
  must(b.hub->sync_now({a.node()}, keep));
  ASSERT_TRUE(world.run_until([&] { return report.has_value(); }));
  EXPECT_EQ(report->received, 0u);
  EXPECT_LT(report->bytes_in, 400u);
  EXPECT_LT(report->bytes_out, 400u);
}

TEST_F(Hubs, sync_now_says_who_was_not_reached) {
  Member &a = world.add("alpha"), &b = world.add("bravo"), &c = world.add("charlie");
  EXPECT_EQ(test::code_of(a.hub->sync_now({}, nullptr)), "no_peers");
  EXPECT_EQ(test::code_of(a.hub->sync_now({b.node()}, nullptr)), "unknown_peer");
  world.introduce(a, b);
  world.introduce(a, c);
  c.up = false;
  c.hub->set_dialling(false);
  std::optional<SyncReport> report;
  const auto keep = [&](Result<SyncReport> result) { report = must(std::move(result)); };
  must(a.hub->sync_now({}, keep));
  ASSERT_TRUE(world.run_until([&] { return report.has_value(); }));
  EXPECT_EQ(report->code->text(), "partial");
  ASSERT_EQ(report->peers.size(), 2u);
  for (const SyncOutcome& one : report->peers) {
    EXPECT_EQ(one.reached, one.node == b.node());
    EXPECT_EQ(one.problem.has_value(), one.node == c.node());
  }
  report.reset();
  must(a.hub->sync_now({c.node()}, keep));
  ASSERT_TRUE(world.run_until([&] { return report.has_value(); }));
  EXPECT_EQ(report->code->text(), "unreachable");
  EXPECT_EQ(report->peers[0].problem->code.text(), "connect_refused");
}

TEST_F(Hubs, sync_now_ends_when_a_peer_goes_silent) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  ASSERT_TRUE(world.run_until([&] { return connection(a, b).connected; }));
  world.run_for(5'000);
  world.cut(a, b, true);
  std::optional<SyncReport> report;
  must(a.hub->sync_now({b.node()}, [&](Result<SyncReport> result) { report = must(std::move(result)); }));
  const std::int64_t start = world.clock.steady_ms();
  ASSERT_TRUE(world.run_until([&] { return report.has_value(); }));
  EXPECT_EQ(report->peers[0].problem->code.text(), "stalled");
  EXPECT_GE(world.clock.steady_ms() - start, kSyncStallMs);
}

// Rule 9: not one byte of an entry is on the wire before the entry is durable at its sender.
TEST_F(Hubs, rule_09_an_entry_is_sent_only_once_it_is_durable) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  const ChannelId id = world.share(a, {&b});
  world.run_for(3 * 60'000);
  a.disk = false;
  a.party->write(id, "not yet durable");
  const std::uint64_t entries_sent = a.hub->entries_sent();
  world.run_for(60'000);
  EXPECT_EQ(a.hub->entries_sent(), entries_sent);
  EXPECT_TRUE(b.party->texts(id).empty());
  // The power fails: what was not durable is gone, and nobody has ever seen it.
  world.kill(a);
  a.disk = true;
  world.run_for(3 * 60'000);
  EXPECT_TRUE(a.party->texts(id).empty());
  a.party->write(id, "another first entry");
  ASSERT_TRUE(world.run_until([&] { return b.party->texts(id).size() == 1; }));
  EXPECT_EQ(b.party->texts(id)[0], "another first entry");
  EXPECT_EQ(a.replica().status().fork_proofs + b.replica().status().fork_proofs, 0u);
}

// The receiver vouches for nothing that it might lose: what it passes on is durable there as well.
TEST_F(Hubs, rule_09_an_entry_is_passed_on_only_once_it_is_durable_here) {
  Member &a = world.add("alpha"), &b = world.add("bravo"), &c = world.add("charlie");
  world.introduce(a, b);
  world.introduce(b, c);
  world.introduce(a, c);
  const ChannelId id = world.share(a, {&b, &c});
  world.run_for(3 * 60'000);
  a.hub->set_dialling(false);
  c.hub->set_dialling(false);
  world.cut(a, c);
  b.disk = false;
  a.party->write(id, "for all");
  world.run_for(10'000);
  EXPECT_TRUE(c.party->texts(id).empty());
  b.disk = true;
  ASSERT_TRUE(world.run_until([&] { return c.party->texts(id).size() == 1; }));
}

TEST_F(Hubs, offline_peers_are_told_by_their_receipts) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  const ChannelId id = world.share(a, {&b});
  a.party->write(id, "one");
  ASSERT_TRUE(world.run_until([&] { return b.party->texts(id).size() == 1; }));
  world.run_for(3 * 60'000);
  b.up = false;
  b.hub->set_dialling(false);
  world.cut(a, b);
  for (int i = 0; i < 7; ++i) a.party->write(id, "more");
  world.run_for(1'000);
  for (const ChannelSync& row : a.hub->sync_status()) {
    if (row.channel != id) continue;
    EXPECT_EQ(row.state, SyncState::kOffline);
    EXPECT_EQ(row.ahead, 7u);
    EXPECT_TRUE(row.receipt);
  }
}

TEST_F(Hubs, ending_says_so_to_the_peers_and_answers_who_waits) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  ASSERT_TRUE(world.run_until([&] { return connection(a, b).connected && connection(b, a).connected; }));
  a.hub->set_dialling(false);
  b.hub->set_dialling(false);
  std::string answer;
  must(a.hub->sync_now({b.node()}, [&](Result<SyncReport> result) { answer = result->code->text(); }));
  a.hub->close_all(protocol::ByeReason::kStopping);
  ASSERT_TRUE(world.run_until([&] { return a.hub->link_count() == 0 && b.hub->link_count() == 0; }));
  EXPECT_EQ(last_error(b, a), "peer_says_stopping");
  EXPECT_EQ(answer, "unreachable");
  EXPECT_EQ(test::code_of(a.hub->sync_now({b.node()}, nullptr)), "stopping");
  EXPECT_FALSE(a.hub->poll_dial());
}

TEST_F(Hubs, a_killed_node_goes_on_where_it_was) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  const ChannelId id = world.share(a, {&b});
  for (int i = 0; i < 200; ++i) a.party->write(id, "report " + std::to_string(i));
  world.run_for(12);
  world.kill(b);
  ASSERT_TRUE(world.run_until([&] { return b.party->texts(id).size() == 200; }));
  world.run_for(60'000);
  EXPECT_TRUE(world.equal(id, {&a, &b}));
}

// An idle pair wakes up for its chores alone.
TEST_F(Hubs, idle_hubs_ask_for_few_wake_ups) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  world.share(a, {&b});
  world.run_for(10 * 60'000);
  const std::uint64_t frames = world.frames;
  int ticks = 0;
  const std::int64_t end = world.clock.steady_ms() + 600'000;
  while (world.clock.steady_ms() < end) {
    world.step(end);
    ++ticks;
  }
  EXPECT_LE(ticks, 2 * 600 / 5 + 60);
  EXPECT_LE(world.frames - frames, 60u) << "pings and receipts";
}

TEST(HubDeterminism, the_same_seed_gives_the_same_history) {
  const auto run = [] {
    HubWorld world;
    Member &a = world.add("alpha"), &b = world.add("bravo"), &c = world.add("charlie");
    world.introduce(a, b);
    world.introduce(b, c);
    const ChannelId id = world.share(b, {&a, &c});
    for (int i = 0; i < 20; ++i) a.party->write(id, "report " + std::to_string(i));
    world.run_for(100'000);
    world.cut(a, b);
    world.run_for(100'000);
    return std::tuple(world.frames, world.bytes, world.clock.steady_ms(), a.dials, b.dials, c.dials);
  };
  EXPECT_EQ(run(), run());
}

TEST_F(Hubs, rule_15_a_peer_that_connects_again_and_again_gathers_no_links) {
  Member &a = world.add("alpha"), &b = world.add("bravo");
  world.introduce(a, b);
  a.hub->set_dialling(false);
  world.run_for(1'000);
  const auto again = [&] {
    world.run_for(kLinkRaceMs + 1'000);  // long enough that it is no race of two dials
    return a.hub->add_link({protocol::LinkRole::kResponder,
                            crypto::random_fixed<crypto::HandshakeHash>(a.random),
                            b.party->secrets().transport.public_key(),
                            {},
                            "x:1",
                            {}});
  };
  // It reads none of the goodbyes, so that the replaced links stay.
  for (std::size_t i = 1; i < kLinksPerNodeMax; ++i) ASSERT_TRUE(again()) << i;  // beside the first one
  const auto refused = again();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code.text(), kBusy.text());
}

}  // namespace
}  // namespace tocsin::engine
