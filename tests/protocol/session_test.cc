// Sessions between replicas, as scenarios in virtual time.
#include "protocol/session.h"

#include <gtest/gtest.h>

#include "tests/support/pair.h"

namespace tocsin::protocol {
namespace {

using test::make_channel;
using test::must;
using test::Pair;
using test::Party;

constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kHour = 60 * kMinute;

void write_many(Party& party, const ChannelId& channel, std::size_t count, std::size_t bytes = 1000) {
  std::vector<std::string> texts;
  std::vector<FeedItem> items;
  for (std::size_t i = 0; i < count; ++i) {
    texts.push_back(party.name() + " " + std::to_string(party.store.entry_count() + i) + " ");
    texts.back().resize(std::max(bytes, texts.back().size()), '.');
  }
  for (const std::string& text : texts) items.push_back({FeedKind::kReport, as_bytes(text)});
  must(party.replica().append(channel, items, nullptr));
  party.store.sync();
}

bool equal(const ChannelId& channel, std::initializer_list<Party*> parties) {
  const TrieDigest first = (*parties.begin())->replica().frontier(channel).digest();
  for (Party* party : parties) {
    if (party->replica().frontier(channel).digest() != first) return false;
  }
  return true;
}

// The feed of `party` in the channel: the one log there that nobody else has written.
LogKey feed_of(Party& party, const ChannelId& channel) {
  for (const auto& [log, leaf] : party.replica().frontier(channel).leaves()) {
    const auto owner = party.table().feed_owner(log);
    if (owner && owner->node == party.node()) return log;
  }
  ADD_FAILURE() << party.name() << " has no feed";
  return {};
}

Pair::PipeOptions once() {
  Pair::PipeOptions options;
  options.live = options.callee_live = false;
  return options;
}

// Types of the messages that leave `end` from now on, in order.
std::vector<wire::MessageType>& watch(Pair::End& end, std::vector<wire::MessageType>& into) {
  end.alter = [&into](Bytes& frame) {
    wire::FrameReader reader(frame);
    for (auto message = reader.next(); message && *message; message = reader.next()) into.push_back((*message)->type);
  };
  return into;
}

struct Two {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  ChannelId channel = make_channel(net, a, {&b});
};

// ---- What an exchange costs

TEST(Session, EqualPeersAreDoneInOneRoundTripAndUnder400Bytes) {
  Two two;
  two.net.connect(two.a, two.b, once());
  ASSERT_TRUE(two.net.run());
  ASSERT_TRUE(equal(two.channel, {&two.a, &two.b}));
  const std::int64_t before = two.net.now_ms();
  two.net.connect(two.a, two.b, once());
  ASSERT_TRUE(two.net.run());
  EXPECT_EQ(two.net.now_ms() - before, 10);  // one way each: hello and slots, then bye
  for (Party* party : {&two.a, &two.b}) {
    EXPECT_EQ(two.net.stats_of[party].bytes_out, 394u) << party->name();
    EXPECT_EQ(two.net.stats_of[party].round_trips, 1u);
    EXPECT_EQ(two.net.reason_of[party], ByeReason::kDone);
  }
}

TEST(Session, rule_13_a_checkpoint_that_told_more_than_the_newest_receipt_is_not_followed_by_that_receipt) {
  Two two;
  // A receipt, and within the same minute a checkpoint, which has the higher counter.
  write_many(two.a, two.channel, 10, 50);
  two.net.connect(two.a, two.b, once());
  two.net.run();
  ASSERT_TRUE(two.a.replica().own_receipt(two.channel));
  write_many(two.a, two.channel, 1100, 50);
  const auto own = two.a.replica().own_receipt(two.channel);
  ASSERT_GT(own->newest_counter, own->counter);
  for (int i = 0; i < 2; ++i) {
    Pair::Connection& link = two.net.connect(two.a, two.b, once());
    std::vector<wire::MessageType> sent;
    watch(link.end_of(two.a), sent);
    two.net.run();
    if (i == 0) continue;  // the entries themselves
    EXPECT_EQ(std::count(sent.begin(), sent.end(), wire::MessageType::kReceipt), 0);
    EXPECT_LT(link.end_of(two.a).bytes_sent, 400u);
  }
  EXPECT_TRUE(equal(two.channel, {&two.a, &two.b}));
}

TEST(Session, ComparingAgainOnALiveLinkCostsAsLittle) {
  Two two;
  Pair::Connection& link = two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run());
  two.net.run_for(3 * kMinute);
  const auto before = link.a.session->stats();
  link.a.session->resync();
  ASSERT_TRUE(two.net.run());
  EXPECT_LT(link.a.session->stats().bytes_out - before.bytes_out, 400u);
  EXPECT_LT(link.a.session->stats().bytes_in - before.bytes_in, 400u);
}

TEST(Session, AnIdleLinkSendsNothingButPings) {
  Two two;
  Pair::Connection& link = two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run());
  two.net.run_for(5 * kMinute);
  std::vector<wire::MessageType> sent;
  watch(link.a, sent);
  watch(link.b, sent);
  two.net.run_for(10 * kMinute);
  EXPECT_LE(sent.size(), 20u);  // one and its answer a minute
  for (const auto type : sent) EXPECT_TRUE(type == wire::MessageType::kPing || type == wire::MessageType::kPong);
}

TEST(Session, OneSidedBulk) {
  Two two;
  write_many(two.a, two.channel, 5000);
  Pair::Connection& link = two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run());
  EXPECT_TRUE(equal(two.channel, {&two.a, &two.b}));
  EXPECT_EQ(two.b.texts(two.channel).size(), 5000u);
  const SessionStats& stats = link.b.session->stats();
  EXPECT_GE(stats.entries_received, 5000u);
  EXPECT_EQ(stats.entries_received, link.a.session->stats().entries_sent);
  EXPECT_EQ(stats.round_trips, 2u);
  EXPECT_EQ(stats.bytes_in, link.a.session->stats().bytes_out);
  EXPECT_EQ(stats.refused, 0u);
  // A sealed report of 1,000 bytes has a body of 1,108; 67 for the entry, the rest is frames.
  EXPECT_LT(stats.bytes_in / 5000, 1108 + 67 + 10);
}

TEST(Session, BothSidesAtOnce) {
  Two two;
  write_many(two.a, two.channel, 700);
  write_many(two.b, two.channel, 900);
  two.net.connect(two.a, two.b, once());
  ASSERT_TRUE(two.net.run());
  EXPECT_TRUE(equal(two.channel, {&two.a, &two.b}));
  EXPECT_EQ(two.a.text_set(two.channel), two.b.text_set(two.channel));
  EXPECT_EQ(two.a.texts(two.channel).size(), 1600u);
  EXPECT_EQ(two.net.reason_of[&two.a], ByeReason::kDone);
}

TEST(Session, SmallEntriesFillFramesToo) {
  Two two;
  write_many(two.a, two.channel, 6000, 1);
  Pair::Connection& link = two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run());
  EXPECT_TRUE(equal(two.channel, {&two.a, &two.b}));
  // About 160 bytes each, 400 in a frame.
  EXPECT_LT(link.a.session->stats().frames_out, 30u);
}

TEST(Session, ManyFeedsDoNotCostARoundTripEach) {
  Pair net;
  Party& hub = net.add("Hub");
  std::vector<Party*> members;
  for (int i = 0; i < 20; ++i) members.push_back(&net.add("Member " + std::to_string(i)));
  const ChannelId channel = make_channel(net, hub, members);
  for (Party* member : members) net.connect(hub, *member, once());
  ASSERT_TRUE(net.run());
  for (Party* member : members) write_many(*member, channel, 3, 300);
  for (Party* member : members) {
    if (member != members.back()) net.connect(hub, *member, once());
  }
  ASSERT_TRUE(net.run());
  net.connect(hub, *members.back(), once());
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(equal(channel, {&hub, members.back()}));
  EXPECT_EQ(members.back()->texts(channel).size(), 60u);
  // Opening; 41 leaves do not fit the first answer, so one ask; and all 19 feeds at once.
  EXPECT_LE(net.stats_of[members.back()].round_trips, 3u);
}

// ---- Three nodes

TEST(Session, WhatOneWritesReachesTheThirdThroughTheSecond) {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  Party& c = net.add("Charlie");
  const ChannelId channel = make_channel(net, a, {&b, &c});
  introduce(b, c);
  net.connect(a, b);
  net.connect(b, c);
  ASSERT_TRUE(net.run());
  a.write(channel, "from Alpha");
  c.write(channel, "from Charlie");
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(equal(channel, {&a, &b, &c}));
  EXPECT_EQ(c.text_set(channel), (std::multiset<std::string>{"from Alpha", "from Charlie"}));
}

TEST(Session, AnEntryIsNotAnnouncedToWhoGaveIt) {
  Two two;
  Pair::Connection& link = two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run());
  std::vector<wire::MessageType> sent;
  watch(link.b, sent);
  two.a.write(two.channel, "one");
  ASSERT_TRUE(two.net.run());
  EXPECT_EQ(std::count(sent.begin(), sent.end(), wire::MessageType::kWant), 1);
  EXPECT_EQ(std::count(sent.begin(), sent.end(), wire::MessageType::kHeads), 0);
}

TEST(Session, ManyEntriesAreAnnouncedByTheNewestHeadAlone) {
  Two two;
  Pair::Connection& link = two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run());
  std::vector<wire::MessageType> sent;
  watch(link.a, sent);
  for (int i = 0; i < 50; ++i) {
    two.a.write(two.channel, "report " + std::to_string(i));
    two.a.store.sync();
  }
  ASSERT_TRUE(two.net.run());
  EXPECT_EQ(std::count(sent.begin(), sent.end(), wire::MessageType::kHeads), 1);
  EXPECT_EQ(two.b.texts(two.channel).size(), 50u);
}

// ---- Cuts

TEST(Session, AfterACutOnlyTheRestIsSent) {
  Two two;
  write_many(two.a, two.channel, 8000);
  Pair::PipeOptions slow;
  slow.bytes_per_ms = 1000;
  Pair::Connection& first = two.net.connect(two.a, two.b, slow);
  const auto held = [&] { return two.b.replica().accepted_head(feed_of(two.a, two.channel)).value; };
  ASSERT_TRUE(two.net.run(kHour, [&] { return held() > 3000; }));
  two.net.cut(first);
  two.b.store.sync();
  const std::uint64_t had = held();
  EXPECT_LT(had, 7000u);
  two.net.connect(two.a, two.b, once());
  ASSERT_TRUE(two.net.run());
  EXPECT_TRUE(equal(two.channel, {&two.a, &two.b}));
  const std::uint64_t all = two.b.replica().accepted_head(feed_of(two.a, two.channel)).value;
  EXPECT_EQ(two.net.stats_of[&two.b].entries_received, all - had);
}

TEST(Session, WhatWasAskedForBeforeAMemberWasDroppedIsNobodysFault) {
  Two two;
  write_many(two.b, two.channel, 8000);
  Pair::PipeOptions slow;
  slow.bytes_per_ms = 1000;
  Pair::Connection& link = two.net.connect(two.a, two.b, slow);
  const LogKey feed = feed_of(two.b, two.channel);
  const auto held = [&] { return two.a.replica().accepted_head(feed).value; };
  ASSERT_TRUE(two.net.run(kHour, [&] { return held() > 2000; }));
  must(two.a.replica().remove_member(two.channel, two.b.org(), nullptr));
  two.net.run_for(kMinute);
  EXPECT_LT(held(), 7000u);
  ASSERT_TRUE(link.open);
  EXPECT_FALSE(link.a.error) << link.a.error->code.text();
  EXPECT_FALSE(link.b.error) << link.b.error->code.text();
  EXPECT_EQ(two.b.replica().channel(two.channel)->standing, ChannelStanding::kRemoved) << "the session goes on";
}

TEST(Session, PowerLostBeforeTheCommitCostsTheUncommittedAlone) {
  Two two;
  write_many(two.a, two.channel, 6000);
  const LogKey feed = feed_of(two.a, two.channel);
  two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run(kHour, [&] { return two.b.replica().accepted_head(feed).value > 2000; }));
  two.net.crash(two.b);
  const std::uint64_t durable = two.b.replica().accepted_head(feed).value;
  two.net.connect(two.a, two.b, once());
  ASSERT_TRUE(two.net.run());
  EXPECT_TRUE(equal(two.channel, {&two.a, &two.b}));
  EXPECT_EQ(two.net.stats_of[&two.b].entries_received, two.b.replica().accepted_head(feed).value - durable);
}

TEST(Session, AFailedWriteIsTriedAgainLater) {
  Two two;
  write_many(two.a, two.channel, 3000);
  two.b.store.set_disk_full(true);
  Pair::Connection& link = two.net.connect(two.a, two.b);
  two.net.run_for(kMinute);
  EXPECT_EQ(two.b.texts(two.channel).size(), 0u);
  EXPECT_TRUE(link.open);
  two.b.store.set_disk_full(false);
  ASSERT_TRUE(two.net.run());
  EXPECT_TRUE(equal(two.channel, {&two.a, &two.b}));
}

TEST(Session, AStoreThatIsSlowStopsTheSenderAtItsCredit) {
  Two two;
  write_many(two.a, two.channel, 8000);
  Pair::Connection& link = two.net.connect(two.a, two.b);
  two.net.endpoint(two.b).disk_works = false;
  two.net.run_for(kMinute);
  EXPECT_LE(link.a.bytes_sent, kInitialCreditBytes + 16'384u);  // frames around them
  EXPECT_GT(link.a.bytes_sent, kInitialCreditBytes - 128 * 1024u);
  two.net.endpoint(two.b).disk_works = true;
  ASSERT_TRUE(two.net.run());
  EXPECT_TRUE(equal(two.channel, {&two.a, &two.b}));
}

// ---- What comes first

TEST(Session, AnAlertOvertakesABulkAnswer) {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  const ChannelId bulk = make_channel(net, a, {&b});
  const ChannelId alerts = make_channel(net, a, {&b}, ChannelClass::kAlert, "Alerts");
  write_many(a, bulk, 10'000);
  Pair::PipeOptions slow;
  slow.bytes_per_ms = 1000;  // 11 s for all
  net.connect(a, b, slow);
  ASSERT_TRUE(net.run(kHour, [&] { return b.texts(bulk).size() > 1000; }));
  a.write(alerts, "alert");
  a.store.sync();
  const std::int64_t raised = net.now_ms();
  ASSERT_TRUE(net.run(kHour, [&] { return !b.texts(alerts).empty(); }));
  EXPECT_LT(net.now_ms() - raised, 2'000);
  EXPECT_LT(b.texts(bulk).size(), 6000u);
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(equal(bulk, {&a, &b}) && equal(alerts, {&a, &b}));
}

TEST(Session, ControlEntriesAreDurableBeforeFeedsAreWanted) {
  Two two;
  must(two.a.replica().rotate(two.channel, nullptr));
  two.a.store.sync();
  two.a.write(two.channel, "under the new epoch");
  two.a.store.sync();
  Pair::Connection& link = two.net.connect(two.a, two.b);
  std::vector<LogKey> wanted;
  link.b.alter = [&](Bytes& frame) {
    wire::FrameReader reader(frame);
    for (auto message = reader.next(); message && *message; message = reader.next()) {
      if ((*message)->type != wire::MessageType::kWant) continue;
      const auto want = must(wire::decode_want((*message)->payload));
      if (!wanted.empty()) {
        const auto control = two.b.replica().log_record(wanted[0]);
        EXPECT_EQ(control->type, LogType::kControl);
        EXPECT_EQ(control->head, two.a.replica().log_record(wanted[0])->head);
      }
      wanted.push_back(want.log);
    }
  };
  ASSERT_TRUE(two.net.run());
  EXPECT_EQ(wanted.size(), 2u);
  EXPECT_EQ(two.b.texts(two.channel), std::vector<std::string>{"under the new epoch"});
  EXPECT_EQ(link.b.session->stats().round_trips, 3u);
  EXPECT_TRUE(link.b.refused.empty());
}

// ---- Joining and leaving

TEST(Session, rule_34_a_joiner_gets_nothing_from_before_it_joined) {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  Party& c = net.add("Charlie");
  const ChannelId channel = make_channel(net, a, {&b});
  a.write(channel, "old of Alpha");
  b.write(channel, "older of Bravo");
  b.write(channel, "old of Bravo");  // and nothing after: Charlie holds the name of its head alone
  net.connect(a, b, once());
  ASSERT_TRUE(net.run());
  // Charlie joins.
  introduce(a, c);
  must(a.replica().invite(channel, c.org(), Role::kMember, nullptr));
  a.store.sync();
  net.connect(a, c);
  const auto standing = [&](ChannelStanding wanted) {
    const auto info = c.replica().channel(channel);
    return info && info->standing == wanted;
  };
  ASSERT_TRUE(net.run(kHour, [&] { return standing(ChannelStanding::kInvited); }));
  must(c.replica().accept(channel, nullptr));
  ASSERT_TRUE(net.run(kHour, [&] { return standing(ChannelStanding::kJoined); }));
  a.write(channel, "new of Alpha");
  ASSERT_TRUE(net.run());
  EXPECT_EQ(c.texts(channel), std::vector<std::string>{"new of Alpha"});
  EXPECT_TRUE(equal(channel, {&a, &c}));
  const auto record = c.replica().log_record(feed_of(b, channel));
  ASSERT_TRUE(record);
  EXPECT_GT(record->low, record->head) << "the name of the head, and no entry";
  // What comes later of that feed is taken.
  net.connect(a, b);
  ASSERT_TRUE(net.run());
  b.write(channel, "new of Bravo");
  ASSERT_TRUE(net.run());
  EXPECT_EQ(c.text_set(channel), (std::multiset<std::string>{"new of Alpha", "new of Bravo"}));
  EXPECT_TRUE(equal(channel, {&a, &b, &c}));
}

TEST(Session, rule_35_who_left_the_roster_is_served_nothing_more) {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  Party& c = net.add("Charlie");
  const ChannelId channel = make_channel(net, a, {&b, &c});
  Pair::Connection& link = net.connect(a, c);
  ASSERT_TRUE(net.run());
  must(a.replica().remove_member(channel, c.org(), nullptr));
  ASSERT_TRUE(net.run());
  a.write(channel, "after the removal");
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(c.texts(channel).empty());
  EXPECT_LT(c.replica().accepted_head(feed_of(a, channel)), a.replica().accepted_head(feed_of(a, channel)));
  EXPECT_TRUE(link.open);
  EXPECT_TRUE(link.a.session->channel_states().empty());
}

TEST(Session, ANewNodeOfAnOrganisationIsKnownThroughItsLog) {
  Two two;
  Pair::Connection& link = two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run());
  const auto node = two.b.new_node("Bravo 2");
  two.b.certify(node);
  two.b.take_own_log();
  ASSERT_TRUE(two.net.run());
  EXPECT_TRUE(link.open);
  EXPECT_NE(two.a.replica().org_log(two.b.org())->live_node(node.certificate.node), nullptr);
}

TEST(Session, TheOrganisationLogIsSentWhereNoChannelIsShared) {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  introduce(a, b);
  const auto before = b.new_node("Bravo 2");
  b.certify(before);
  b.take_own_log();
  net.connect(a, b);  // Alpha dials: Bravo's log comes by want, not in the handshake
  ASSERT_TRUE(net.run());
  EXPECT_NE(a.replica().org_log(b.org())->live_node(before.certificate.node), nullptr);
  const auto after = b.new_node("Bravo 3");
  b.certify(after);
  b.take_own_log();
  ASSERT_TRUE(net.run());
  EXPECT_NE(a.replica().org_log(b.org())->live_node(after.certificate.node), nullptr);
}

// ---- Receipts and prekeys

TEST(Session, rule_13_a_receipt_tells_the_author_that_its_entries_are_held) {
  Two two;
  two.a.write(two.channel, "is it there?");
  two.a.store.sync();
  const LogKey feed = feed_of(two.a, two.channel);
  two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run());
  two.net.run_for(2 * kMinute);
  const auto held = [&] {
    for (const ReceiptInfo& receipt : two.a.replica().receipts(two.channel)) {
      if (receipt.node == two.b.node() && receipt.heads.contains(feed)) return receipt.heads.at(feed);
    }
    return Number{};
  };
  EXPECT_EQ(held(), two.a.replica().accepted_head(feed));
  two.a.write(two.channel, "and this?");
  ASSERT_TRUE(two.net.run());
  two.net.run_for(2 * kMinute);
  EXPECT_EQ(held(), two.a.replica().accepted_head(feed));
}

TEST(Session, AReceiptThatThePeerHoldsIsNotSentAgain) {
  Two two;
  two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run());
  two.net.run_for(5 * kMinute);
  Pair::Connection& link = two.net.connect(two.a, two.b);
  std::vector<wire::MessageType> sent;
  watch(link.a, sent);
  watch(link.b, sent);
  two.net.run_for(5 * kMinute);
  EXPECT_EQ(std::count(sent.begin(), sent.end(), wire::MessageType::kReceipt), 0);
}

TEST(Session, rule_32_prekeys_go_to_a_peer_whose_hello_names_an_older_list) {
  Two two;
  const std::uint32_t month = month_of(two.net.clock.now());
  EXPECT_EQ(two.a.replica().prekey_month_of(two.b.node()), month);
  two.net.clock.advance_days(40);
  two.net.connect(two.a, two.b, once());
  ASSERT_TRUE(two.net.run());
  EXPECT_GT(two.a.replica().prekey_month_of(two.b.node()), month);
  EXPECT_GT(two.b.replica().prekey_month_of(two.a.node()), month);
}

// ---- Several sessions

TEST(Session, ALogIsWantedFromOneSessionAtATime) {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  Party& c = net.add("Charlie");
  const ChannelId channel = make_channel(net, a, {&b, &c});
  introduce(b, c);
  write_many(a, channel, 3000);
  net.connect(a, b, once());
  ASSERT_TRUE(net.run());
  Pair::Connection& from_a = net.connect(a, c);
  Pair::Connection& from_b = net.connect(b, c);
  ASSERT_TRUE(net.run());
  EXPECT_TRUE(equal(channel, {&a, &b, &c}));
  const auto& one = from_a.end_of(c).session->stats();
  const auto& two = from_b.end_of(c).session->stats();
  EXPECT_LT(one.entries_received + two.entries_received, 3100u);
  EXPECT_LT(from_a.a.session->stats().entries_sent + from_b.a.session->stats().entries_sent, 3100u);
}

TEST(Session, AStuckPeerDoesNotKeepALogFromOthers) {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  Party& c = net.add("Charlie");
  const ChannelId channel = make_channel(net, a, {&b, &c});
  introduce(b, c);
  write_many(a, channel, 500);
  net.connect(a, b, once());
  ASSERT_TRUE(net.run());
  Pair::Connection& stuck = net.connect(a, c);
  stuck.a.tamper = [&, opened = false](Bytes packet) mutable {
    std::vector<Bytes> out;
    if (!opened || packet.size() < 1000) out.push_back(std::move(packet));  // the entries never leave
    opened = true;
    return out;
  };
  ASSERT_TRUE(
      net.run(kHour, [&] { return net.endpoint(c).wants.take(feed_of(a, channel), nullptr, net.now_ms()) == false; }));
  const std::int64_t before = net.now_ms();
  net.connect(b, c);
  ASSERT_TRUE(net.run(kHour, [&] { return c.texts(channel).size() == 500; }));
  EXPECT_GE(net.now_ms() - before, kRangeStallMs - 1000);
  EXPECT_LT(net.now_ms() - before, kRangeStallMs + 5000);
}

// ---- Time

TEST(Session, SilenceIsAskedAboutAndThenGivenUp) {
  Two two;
  Pair::Connection& link = two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run());
  two.net.run_for(3 * kMinute);
  link.a.tamper = [](Bytes) { return std::vector<Bytes>{}; };
  link.b.tamper = link.a.tamper;
  std::vector<wire::MessageType> sent;
  watch(link.a, sent);
  two.net.run_for(kDeadAfterMs - kMinute);
  EXPECT_TRUE(link.open);
  EXPECT_EQ(std::count(sent.begin(), sent.end(), wire::MessageType::kPing), 1);
  two.net.run_for(2 * kMinute);
  EXPECT_FALSE(link.open);
}

TEST(Session, rule_46_a_session_is_renewed_after_24_hours) {
  Two two;
  Pair::Connection& link = two.net.connect(two.a, two.b);
  two.net.run_for(kSessionMaxMs - kMinute);
  EXPECT_TRUE(link.open);
  std::vector<wire::MessageType> sent;
  watch(link.a, sent);
  two.net.run_for(2 * kMinute);
  EXPECT_FALSE(link.open);
  EXPECT_EQ(std::count(sent.begin(), sent.end(), wire::MessageType::kBye), 1);
}

TEST(Session, WhatEndsALiveSessionIsTold) {
  Two two;
  Pair::Connection& link = two.net.connect(two.a, two.b);
  ASSERT_TRUE(two.net.run());
  link.a.session->close(ByeReason::kStopping);
  ASSERT_TRUE(two.net.run());
  EXPECT_FALSE(link.open);
  EXPECT_EQ(two.net.reason_of[&two.b], ByeReason::kStopping);
}

TEST(Session, AOneTimeSessionEndsALiveOneOnceBothHaveEverything) {
  Two two;
  write_many(two.a, two.channel, 2000);
  write_many(two.b, two.channel, 2000);
  Pair::PipeOptions options;
  options.live = false;
  Pair::Connection& link = two.net.connect(two.a, two.b, options);
  ASSERT_TRUE(two.net.run());
  EXPECT_FALSE(link.open);
  EXPECT_TRUE(equal(two.channel, {&two.a, &two.b}));
  EXPECT_EQ(two.net.reason_of[&two.a], ByeReason::kDone);
  EXPECT_EQ(two.net.reason_of[&two.b], ByeReason::kDone);
}

}  // namespace
}  // namespace tocsin::protocol
