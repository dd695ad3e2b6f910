// The replica on its own: making, writing, reading back, failing writes, peers.
#include "protocol/replica.h"

#include <gtest/gtest.h>

#include "tests/support/channel_world.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::must;
using test::Party;
using test::WorldClock;

TEST(Replica, a_new_node_has_its_private_channel) {
  WorldClock clock;
  Party a("Alpha", 1, clock);
  for (int round = 0; round < 2; ++round) {
    const auto channels = a.replica().channels();
    ASSERT_EQ(channels.size(), 1u);
    EXPECT_EQ(channels[0].id, a.replica().private_channel());
    EXPECT_EQ(channels[0].channel_class, ChannelClass::kPrivate);
    EXPECT_EQ(channels[0].standing, ChannelStanding::kJoined);
    EXPECT_EQ(channels[0].own_role, Role::kSteward);
    EXPECT_EQ(channels[0].epoch, Epoch{1});
    EXPECT_TRUE(channels[0].is_chair);
    EXPECT_EQ(a.replica().own_org().id(), a.org());
    EXPECT_EQ(a.replica().network(), "tocsin-test");
    a.crash();
  }
  EXPECT_EQ(code_of(a.replica().create(a.org_log, a.node(), nullptr)), "not_empty");
}

TEST(Replica, an_empty_store_loads_as_nothing_and_a_node_that_is_not_certified_makes_nothing) {
  WorldClock clock;
  Party a("Alpha", 1, clock);
  MemoryStore store;
  ReadingTable table;
  Replica replica(store, clock, a.random(), a.secrets(), table);
  must(replica.load());
  EXPECT_TRUE(replica.channels().empty());
  EXPECT_EQ(code_of(replica.create(a.org_log, NodeId{}, nullptr)), "node_not_certified");
  must(replica.create(a.org_log, a.node(), nullptr));
  store.sync();
  EXPECT_EQ(replica.channels().size(), 1u);
}

TEST(Replica, rule_09_nothing_is_shown_or_served_before_it_is_durable_and_a_number_is_signed_once) {
  WorldClock clock;
  Party a("Alpha", 1, clock), b("Bravo", 2, clock);
  const ChannelId id = test::make_channel(a, {&b});
  a.write(id, "first");
  a.store.sync();
  std::vector<EntryRef> refs;
  const FeedItem item{FeedKind::kReport, as_bytes("never durable")};
  bool called = false;
  must(a.replica().append(id, std::span(&item, 1), [&](Result<std::vector<EntryRef>> done) {
    called = true;
    refs = must(done);
  }));
  EXPECT_FALSE(called) << "done never comes from inside the call";
  const LogKey log = [&] {
    for (const LogRecord& record : a.replica().channel_logs(id)) {
      if (record.type == LogType::kFeed && a.table().feed_owner(record.log)->node == a.node()) return record.log;
    }
    return LogKey{};
  }();
  const Number held = a.replica().log_record(log)->head;
  EXPECT_EQ(a.replica().accepted_head(log), held.next());
  std::size_t served = 0;
  must(a.replica().serve(log, held.next(), {UINT64_MAX}, 1 << 20, [&](const StoredEntry&) { return ++served, true; }));
  EXPECT_EQ(served, 0u);
  must(test::transfer(a, b, id, log, LogType::kFeed));
  EXPECT_EQ(b.replica().accepted_head(log), held);

  a.crash();
  EXPECT_FALSE(called);
  a.write(id, "in its place");
  a.store.sync();
  EXPECT_EQ(a.replica().log_record(log)->head, held.next());
  test::sync_all({&a, &b});
  EXPECT_EQ(b.texts(id), (std::vector<std::string>{"first", "in its place"}));
  EXPECT_EQ(a.replica().status().fork_proofs + b.replica().status().fork_proofs, 0u);
}

TEST(Replica, a_batch_is_written_whole_or_not_at_all) {
  WorldClock clock;
  Party a("Alpha", 1, clock);
  const ChannelId own = a.replica().private_channel();
  std::vector<FeedItem> items(10, {FeedKind::kReport, as_bytes("x")});
  std::string code;
  a.store.fail_next(environment_error(kDiskFull));
  must(a.replica().append(own, items, [&](auto done) { code = code_of(done); }));
  a.write(own, "built on it");
  a.store.sync();
  EXPECT_EQ(code, "disk_full");
  EXPECT_TRUE(a.texts(own).empty());
  EXPECT_EQ(a.replica().failures(), 1u);
  std::vector<EntryRef> refs;
  must(a.replica().append(own, items, [&](auto done) { refs = must(done); }));
  a.store.sync();
  EXPECT_EQ(a.texts(own).size(), 10u);
  ASSERT_EQ(refs.size(), 10u);
  for (std::size_t i = 0; i < refs.size(); ++i) EXPECT_EQ(refs[i].number, Number{i + 1});
}

TEST(Replica, while_the_disk_is_full_nothing_is_lost_and_it_goes_on_when_there_is_room) {
  WorldClock clock;
  Party a("Alpha", 1, clock), b("Bravo", 2, clock);
  const ChannelId id = test::make_channel(a, {&b});
  a.write(id, "before");
  a.store.sync();
  b.store.set_disk_full(true);
  test::sync_once(a, b);
  EXPECT_TRUE(b.store.sync(100)) << "a failing write must not call for another one for ever";
  EXPECT_TRUE(b.texts(id).empty());
  b.store.set_disk_full(false);
  test::sync_all({&a, &b});
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"before"});
  EXPECT_EQ(b.replica().frontier(id).digest(), a.replica().frontier(id).digest());
}

TEST(Replica, what_is_too_large_or_not_ones_own_to_write_is_refused_at_once) {
  WorldClock clock;
  Party a("Alpha", 1, clock);
  const Bytes large(kPlaintextBytesMax);
  const FeedItem item{FeedKind::kReport, large};
  EXPECT_EQ(code_of(a.replica().append(a.replica().private_channel(), std::span(&item, 1), nullptr)),
            "payload_too_large");
  EXPECT_EQ(code_of(a.replica().append(ChannelId{}, std::span(&item, 1), nullptr)), "unknown_channel");
  EXPECT_EQ(a.store.queued(), 0u);
}

TEST(Replica, rule_28_a_node_has_one_feed_in_a_channel_over_restarts) {
  WorldClock clock;
  Party a("Alpha", 1, clock);
  const ChannelId own = a.replica().private_channel();
  for (int i = 0; i < 3; ++i) {
    a.write(own, std::to_string(i));
    a.store.sync();
    a.crash();
  }
  std::size_t feeds = 0;
  for (const LogRecord& record : a.replica().channel_logs(own)) feeds += record.type == LogType::kFeed;
  EXPECT_EQ(feeds, 1u);
  EXPECT_EQ(a.texts(own), (std::vector<std::string>{"0", "1", "2"}));
}

TEST(Replica, rule_21_a_home_that_was_set_back_ends_its_feed_and_begins_another) {
  WorldClock clock;
  Party a("Alpha", 1, clock), b("Bravo", 2, clock);
  const ChannelId id = test::make_channel(a, {&b});
  a.write(id, "one");
  a.store.sync();
  const MemoryStore image = a.store;
  a.write(id, "two");
  a.store.sync();
  test::sync_all({&a, &b});
  a.store = image;  // the image of yesterday is put back
  a.crash();
  EXPECT_EQ(a.texts(id), std::vector<std::string>{"one"});
  test::sync_once(a, b);
  EXPECT_EQ(a.texts(id), (std::vector<std::string>{"one", "two"})) << "the peer held more of our feed";
  a.write(id, "three");
  a.store.sync();
  test::sync_all({&a, &b});
  EXPECT_EQ(b.text_set(id), (std::multiset<std::string>{"one", "two", "three"}));
  EXPECT_EQ(b.replica().status().fork_proofs, 0u);
  std::set<std::uint32_t> generations;
  for (const LogRecord& record : b.replica().channel_logs(id)) {
    const auto owner = b.table().feed_owner(record.log);
    if (owner && owner->node == a.node()) generations.insert(owner->generation);
  }
  EXPECT_EQ(generations, (std::set<std::uint32_t>{1, 2}));
}

// ---- Peers

TEST(Peers, a_card_introduces_and_the_words_verify) {
  WorldClock clock;
  Party a("Alpha", 1, clock), b("Bravo", 2, clock);
  const std::string card = must(b.replica().own_card({"b.example.org:7447"}));
  EXPECT_EQ(code_of(a.replica().add_card(card.substr(0, card.size() - 4), nullptr)), "bad_checksum");
  EXPECT_EQ(code_of(b.replica().add_card(card, nullptr)), "own_card");
  must(a.replica().add_card(card, nullptr));
  a.store.sync();
  auto peer = a.replica().peer(b.org());
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->state, PeerState::kIntroduced);
  EXPECT_EQ(peer->profile.name, "Bravo");
  ASSERT_EQ(peer->nodes.size(), 1u);
  EXPECT_EQ(peer->nodes[0].addresses, std::vector<std::string>{"b.example.org:7447"});
  EXPECT_TRUE(peer->nodes[0].prekeys);

  auto words = card_words(b.org(), b.node());
  auto wrong = words;
  std::swap(wrong[0], wrong[1]);
  EXPECT_EQ(code_of(a.replica().verify_peer(b.org(), wrong, nullptr)), "wrong_words");
  EXPECT_EQ(code_of(a.replica().verify_peer(b.org(), std::span(words).first(7), nullptr)), "wrong_words");
  words[0] = " " + words[0];
  words[1][0] = static_cast<char>(std::toupper(words[1][0]));
  must(a.replica().verify_peer(b.org(), words, nullptr));
  must(a.replica().rename_peer(b.org(), "our friends", nullptr));
  must(a.replica().add_address(b.node(), "[2001:db8::1]:7447", nullptr));
  EXPECT_EQ(code_of(a.replica().add_address(b.node(), "nonsense", nullptr)), "bad_address");
  a.store.sync();
  a.crash();
  peer = a.replica().peer(b.org());
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->state, PeerState::kVerified);
  EXPECT_EQ(peer->local_name, "our friends");
  EXPECT_EQ(peer->nodes[0].addresses, (std::vector<std::string>{"[2001:db8::1]:7447", "b.example.org:7447"}));
  EXPECT_EQ(a.replica().peers().size(), 1u);
}

TEST(Peers, who_is_at_the_other_end_is_known_by_the_transport_key_of_a_live_node) {
  WorldClock clock;
  Party a("Alpha", 1, clock), b("Bravo", 2, clock);
  const auto key = b.secrets().transport.public_key();
  EXPECT_FALSE(a.replica().identify(key, {}));
  test::introduce(a, b);
  EXPECT_EQ(a.replica().identify(key, {}), std::pair(b.org(), b.node()));
  must(a.replica().set_peer_blocked(b.org(), true, nullptr));
  a.store.sync();
  EXPECT_FALSE(a.replica().identify(key, {}));
  EXPECT_TRUE(a.replica().is_blocked(b.org()));
  must(a.replica().set_peer_blocked(b.org(), false, nullptr));
  EXPECT_EQ(a.replica().peer(b.org())->state, PeerState::kVerified) << "the words were compared before";
  EXPECT_TRUE(a.replica().identify(key, {}));
  EXPECT_FALSE(a.replica().identify(a.secrets().transport.public_key(), {})) << "not oneself";
}

TEST(Peers, rule_43_a_node_certified_yesterday_is_known_from_the_third_message) {
  WorldClock clock;
  Party a("Alpha", 1, clock), b("Bravo", 2, clock);
  test::introduce(a, b);
  const test::ExampleNode second = b.new_node("Bravo 2");
  std::vector<Bytes> newer{encode_entry(b.certify(second).view())};
  EXPECT_FALSE(a.replica().identify(second.transport.public_key(), {}));
  Bytes damaged = newer[0];
  damaged[200] ^= 1;
  EXPECT_FALSE(a.replica().identify(second.transport.public_key(), std::vector<Bytes>{damaged}));
  EXPECT_TRUE(a.replica().identify(second.transport.public_key(), newer));
  a.store.sync();
  a.crash();
  EXPECT_TRUE(a.replica().identify(second.transport.public_key(), {}));
  newer = {encode_entry(b.revoke(second.certificate.node).view())};
  EXPECT_FALSE(a.replica().identify(second.transport.public_key(), newer)) << "a revocation counts at once";
  // Of an organisation that is not known here nothing is taken.
  Party stranger("Stranger", 3, clock);
  std::vector<Bytes> log;
  for (const Entry& entry : stranger.org_log) log.push_back(encode_entry(entry.view()));
  EXPECT_FALSE(a.replica().identify(stranger.secrets().transport.public_key(), log));
  EXPECT_EQ(a.replica().org_log(stranger.org()), nullptr);
}

TEST(Peers, a_peer_is_forgotten_unless_it_is_in_a_channel) {
  WorldClock clock;
  Party a("Alpha", 1, clock), b("Bravo", 2, clock), c("Charlie", 3, clock);
  test::make_channel(a, {&b});
  test::introduce(a, c);
  EXPECT_EQ(code_of(a.replica().remove_peer(b.org(), nullptr)), "peer_in_channel");
  must(a.replica().remove_peer(c.org(), nullptr));
  a.store.sync();
  a.crash();
  EXPECT_FALSE(a.replica().peer(c.org()));
  EXPECT_FALSE(a.replica().identify(c.secrets().transport.public_key(), {}));
  EXPECT_EQ(code_of(a.replica().remove_peer(c.org(), nullptr)), "unknown_peer");
  test::introduce(a, c);
  EXPECT_TRUE(a.replica().peer(c.org()));
}

TEST(Peers, prekeys_are_taken_when_they_are_newer_and_signed) {
  WorldClock clock;
  Party a("Alpha", 1, clock), b("Bravo", 2, clock);
  test::introduce(a, b);
  const auto month = a.replica().prekey_month_of(b.node());
  ASSERT_TRUE(month);
  PrekeyList list = test::make_prekeys(b.node(), b.random());
  list.first_month = *month + 1;
  EXPECT_EQ(code_of(a.replica().accept_prekeys(b.node(), sign_prekeys(list, a.secrets().tier2->signing))),
            "bad_signature");
  must(a.replica().accept_prekeys(b.node(), sign_prekeys(list, b.secrets().tier2->signing)));
  EXPECT_EQ(a.replica().prekey_month_of(b.node()), *month + 1);
  must(a.replica().accept_prekeys(b.node(), b.replica().own_prekeys()));
  EXPECT_EQ(a.replica().prekey_month_of(b.node()), *month + 1) << "an older list changes nothing";
  list.node = a.node();
  EXPECT_EQ(code_of(a.replica().accept_prekeys(b.node(), sign_prekeys(list, b.secrets().tier2->signing))),
            "bad_prekeys");
}

TEST(Peers, rule_18_a_certificate_past_its_date_is_shown_and_goes_on) {
  WorldClock clock;
  Party a("Alpha", 1, clock), b("Bravo", 2, clock);
  const ChannelId id = test::make_channel(a, {&b});
  clock.advance_days(400);
  bool shown = false;
  for (const std::string& warning : a.replica().status().warnings) shown |= warning.starts_with("STALE");
  EXPECT_TRUE(shown);
  b.write(id, "still here");
  b.store.sync();
  test::sync_all({&a, &b});
  EXPECT_EQ(a.texts(id), std::vector<std::string>{"still here"});
}

}  // namespace
}  // namespace tocsin::protocol
