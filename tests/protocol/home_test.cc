// A home that was copied, moved or set back (rule 21): whatever else runs under its name, it never forks itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "protocol/session.h"
#include "tests/support/expect.h"
#include "tests/support/pair.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::make_channel;
using test::must;
using test::Pair;
using test::Party;
using Texts = std::multiset<std::string>;

// Another process over a copy of a home, beside the one that runs.
struct SecondCopy {
  SecondCopy(Party& of, const MemoryStore& image, test::WorldClock& clock)
      : store(image), node(store, clock, random, of.secrets(), table) {
    must(node.load());
    store.sync();
  }
  Replica& replica() { return node; }

  MemoryStore store;
  test::SeededRandom random{4711};
  ReadingTable table;
  Replica node;
};

// What one holds of the channel's feeds, to the other.
template <class From, class To>
void give_feeds(From& from, To& to, const ChannelId& channel) {
  for (const LogRecord& record : from.replica().channel_logs(channel)) {
    const Number first = to.replica().accepted_head(record.log).next();
    if (record.type != LogType::kFeed || first > record.head) continue;
    auto receiver = must(to.replica().receive(channel, record.log, record.type, first, std::nullopt));
    must(from.replica().serve(record.log, first, record.head, 60'000, [&](const StoredEntry& stored) {
      must(receiver.add(stored.entry.signature, Epoch{load_le64(&stored.entry.header[16])}, stored.entry.body));
      return true;
    }));
    must(receiver.commit(nullptr));
    to.store.sync();
  }
}

struct CopiedHome : testing::Test {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  Party& c = net.add("Charlie");
  ChannelId channel = make_channel(net, a, {&b, &c});

  void write(Party& party, std::string_view text) {
    party.write(channel, text);
    party.store.sync();
  }
  Result<void> append(Party& party, std::string_view text, Haste haste) {
    const FeedItem item{FeedKind::kReport, as_bytes(text)};
    auto done = party.replica().append(channel, std::span(&item, 1), nullptr, haste);
    party.store.sync();
    return done;
  }
  // One after the other in one life, so that the counters of `before` stay what they were.
  void put_back(const MemoryStore& image) {
    a.store = image;
    net.crash(a);
  }
  void doubt(std::string_view machine = "elsewhere") {
    a.replica().doubt_home(as_bytes(machine), nullptr);
    a.store.sync();
  }
  void meet(Party& one, Party& other) {
    net.cut_between(one, other);
    net.connect(one, other);
    ASSERT_TRUE(net.run());
  }
  std::map<std::uint32_t, std::size_t> generations(Party& at) {
    std::map<std::uint32_t, std::size_t> out;
    for (const LogRecord& record : at.replica().channel_logs(channel)) {
      const auto owner = at.table().feed_owner(record.log);
      if (owner && owner->node == a.node()) ++out[owner->generation];
    }
    return out;
  }
  void expect_no_fork() {
    for (Party* party : {&a, &b, &c}) EXPECT_EQ(party->replica().status().fork_proofs, 0u) << party->name();
  }
};

TEST_F(CopiedHome, rule_21_both_copies_run_and_nothing_forks) {
  write(a, "common");
  meet(a, b);
  a.store.sync();
  const MemoryStore image = a.store;
  net.cut_between(a, b);
  write(a, "by the original");
  const MemoryStore original = a.store;

  put_back(image);
  doubt();
  EXPECT_EQ(code_of(append(a, "ordinary", Haste::kOrdinary)), "home_unconfirmed");
  EXPECT_EQ(code_of(a.replica().may_append(channel)), "home_unconfirmed");
  EXPECT_TRUE(append(a, "alert by the copy", Haste::kAlert)) << "rule 52: an alert waits for nobody";
  meet(a, c);
  EXPECT_TRUE(c.text_set(channel).contains("alert by the copy"));

  put_back(original);  // which never stopped
  write(a, "and more");
  meet(a, b);
  meet(b, c);
  const Texts all{"common", "by the original", "and more", "alert by the copy"};
  EXPECT_EQ(b.text_set(channel), all);
  EXPECT_EQ(c.text_set(channel), all);
  expect_no_fork();
}

TEST_F(CopiedHome, rule_21_two_copies_that_run_do_not_end_each_others_feeds_for_ever) {
  write(a, "common");
  meet(a, b);
  net.cut_between(a, b);
  a.store.sync();
  SecondCopy copy(a, a.store, net.clock);
  copy.replica().doubt_home(as_bytes("elsewhere"), nullptr);
  copy.store.sync();
  for (int i = 0; i < 100; ++i) {
    const FeedItem item{FeedKind::kReport, as_bytes("in turn")};
    Replica& writer = i % 2 == 0 ? copy.replica() : a.replica();
    must(writer.append(channel, std::span(&item, 1), nullptr, Haste::kAlert));
    a.store.sync();
    copy.store.sync();
    give_feeds(a, b, channel);
    give_feeds(copy, b, channel);
    give_feeds(b, a, channel);
    give_feeds(b, copy, channel);
  }
  EXPECT_EQ(b.text_set(channel).size(), 101u);
  EXPECT_EQ(generations(b), (std::map<std::uint32_t, std::size_t>{{1, 1}, {2, 1}})) << "rule 52: alerts go on";
  expect_no_fork();
}

TEST_F(CopiedHome, rule_21_a_node_that_has_begun_many_feeds_warns_before_members_take_no_more) {
  const auto warned = [&] {
    return std::ranges::count_if(a.replica().status().warnings, [](const std::string& warning) {
      return warning.find("feeds there; after 32 members take nothing more") != std::string::npos;
    });
  };
  while (generations(a).size() < 23) {
    doubt();
    must(append(a, "alert", Haste::kAlert));
  }
  EXPECT_EQ(warned(), 0);
  doubt();
  must(append(a, "alert", Haste::kAlert));
  EXPECT_EQ(warned(), 1);
}

TEST_F(CopiedHome, rule_21_a_moved_home_is_as_before_after_one_meeting) {
  write(a, "common");
  meet(a, b);
  net.crash(a);
  doubt();
  EXPECT_TRUE(a.replica().home_in_doubt());
  net.crash(a);
  EXPECT_TRUE(a.replica().home_in_doubt()) << "and still after another start";
  EXPECT_EQ(a.replica().doubted_home(), to_bytes(as_bytes("elsewhere")));
  EXPECT_EQ(code_of(a.replica().confirm_home(nullptr)), "ask_a_peer");
  EXPECT_EQ(code_of(a.replica().create_channel({"another"}, nullptr)), "home_unconfirmed");
  meet(a, b);
  EXPECT_FALSE(a.replica().home_in_doubt());
  EXPECT_EQ(net.endpoint(a).confirmed, std::vector<std::optional<NodeId>>{b.node()});
  write(a, "afterwards");
  ASSERT_TRUE(net.run());
  EXPECT_EQ(b.text_set(channel), (Texts{"common", "afterwards"}));
  EXPECT_EQ(generations(b), (std::map<std::uint32_t, std::size_t>{{1, 1}, {2, 1}})) << "not in the feed of before";
  net.crash(a);
  EXPECT_FALSE(a.replica().home_in_doubt());
  write(a, "and later");
  meet(a, b);
  EXPECT_EQ(generations(b), (std::map<std::uint32_t, std::size_t>{{1, 1}, {2, 1}})) << "one new feed is enough";
  expect_no_fork();
}

TEST_F(CopiedHome, rule_21_an_old_copy_takes_what_its_peer_holds_of_it_before_it_is_confirmed) {
  write(a, "common");
  meet(a, b);
  a.store.sync();
  const MemoryStore image = a.store;
  write(a, "later");
  must(a.replica().rotate(channel, nullptr));
  a.store.sync();
  ASSERT_TRUE(net.run());
  const Epoch epoch = a.replica().channel(channel)->epoch;
  put_back(image);
  doubt();
  EXPECT_EQ(code_of(a.replica().rotate(channel, nullptr)), "home_unconfirmed");
  EXPECT_EQ(code_of(a.replica().remove_member(channel, c.org(), nullptr)), "home_unconfirmed");
  net.clock.advance_days(31);
  a.replica().handle_tick();
  a.store.sync();
  EXPECT_LT(a.replica().channel(channel)->epoch, epoch) << "no chore of the chair writes either";
  meet(a, b);
  EXPECT_FALSE(a.replica().home_in_doubt());
  EXPECT_TRUE(a.text_set(channel).contains("later")) << "its own entries come from the peer like any others";
  EXPECT_GE(a.replica().channel(channel)->epoch, epoch);
  must(a.replica().rotate(channel, nullptr));
  a.store.sync();
  write(a, "afterwards");
  ASSERT_TRUE(net.run());
  meet(a, c);
  EXPECT_EQ(b.replica().channel(channel)->epoch, a.replica().channel(channel)->epoch);
  EXPECT_EQ(c.text_set(channel), (Texts{"common", "later", "afterwards"}));
  expect_no_fork();
}

TEST_F(CopiedHome, rule_21_a_peer_that_names_more_and_does_not_give_it_confirms_nothing) {
  write(a, "common");
  meet(a, b);
  a.store.sync();
  const MemoryStore image = a.store;
  write(a, "later");
  ASSERT_TRUE(net.run());
  put_back(image);
  doubt();
  net.endpoint(a).disk_works = false;  // what comes cannot be kept
  net.connect(a, b);
  net.run_for(60'000);
  EXPECT_TRUE(a.replica().home_in_doubt());
  net.endpoint(a).disk_works = true;
  ASSERT_TRUE(net.run());
  EXPECT_FALSE(a.replica().home_in_doubt());
}

TEST_F(CopiedHome, rule_21_a_peer_whose_entries_are_refused_confirms_nothing) {
  write(a, "common");
  meet(a, b);
  a.store.sync();
  const MemoryStore image = a.store;
  write(a, "later");
  ASSERT_TRUE(net.run());
  put_back(image);
  doubt();
  Quotas full;
  full.feed_entries = 1;
  a.replica().set_quotas(full);
  meet(a, b);
  EXPECT_FALSE(a.text_set(channel).contains("later"));
  EXPECT_TRUE(a.replica().home_in_doubt());
}

TEST_F(CopiedHome, rule_21_what_came_is_compared_anew_before_the_home_is_confirmed) {
  write(a, "common");
  meet(a, b);
  a.store.sync();
  const MemoryStore image = a.store;
  write(a, "later");
  ASSERT_TRUE(net.run());
  put_back(image);
  doubt();
  Pair::PipeOptions slow;
  slow.latency_ms = 50;
  net.connect(a, b, slow);
  ASSERT_TRUE(net.run(60'000, [&] { return a.text_set(channel).contains("later"); }));
  EXPECT_TRUE(a.replica().home_in_doubt());
  const auto came_ms = net.now_ms();
  ASSERT_TRUE(net.run(60'000, [&] { return !a.replica().home_in_doubt(); }));
  EXPECT_GE(net.now_ms(), came_ms + 2 * slow.latency_ms) << "a question and its answer";
}

TEST_F(CopiedHome, rule_21_no_receipt_goes_out_in_doubt_and_no_counter_is_used_twice) {
  write(a, "common");
  meet(a, b);
  a.store.sync();
  const MemoryStore image = a.store;
  const auto original = a.replica().own_receipt(channel).value();
  doubt();
  for (int i = 0; i < 3; ++i) {  // the first may only set counters aside
    EXPECT_FALSE(a.replica().own_receipt(channel));
    a.store.sync();
  }
  a.replica().home_confirmed_by(b.node());
  a.store.sync();
  (void)a.replica().own_receipt(channel);  // sets counters aside
  a.store.sync();
  const auto first = a.replica().own_receipt(channel).value().counter;
  EXPECT_GT(first, original.counter + (1ull << 32));
  put_back(image);  // a second copy of the same home
  doubt("a third place");
  a.replica().home_confirmed_by(b.node());
  a.store.sync();
  (void)a.replica().own_receipt(channel);
  a.store.sync();
  const auto second = a.replica().own_receipt(channel).value().counter;
  EXPECT_GT(second, original.counter + (1ull << 32));
  EXPECT_NE(second, first);
}

TEST_F(CopiedHome, rule_21_an_image_put_back_in_place_uses_no_counter_again) {
  write(a, "common");
  meet(a, b);
  a.store.sync();
  const auto before = a.replica().own_receipt(channel).value().counter;
  a.store.sync();
  const MemoryStore image = a.store;
  std::set<std::uint64_t> counters;
  for (int i = 0; i < 4; ++i) {  // the original, and what was put back in its place, started each
    put_back(image);
    const auto receipt = a.replica().own_receipt(channel);
    ASSERT_TRUE(receipt);
    EXPECT_GT(receipt->counter, before + (1u << 16));
    EXPECT_TRUE(counters.insert(receipt->counter).second);
  }
}

TEST_F(CopiedHome, rule_21_a_home_in_doubt_changes_nothing_in_its_organisations_log) {
  meet(a, b);
  doubt();
  const auto further = a.new_node("Alpha 2");
  crypto::Verifier verifier;
  const auto text = encode_node_request(further.certificate, further.signing);
  const NodeRequest wanted = must(decode_node_request(text, verifier));
  const RootSet next = a.next_roots().set();
  const auto after = test::Roots::generate(1, 1, a.random()).set().commitment();
  const auto codes = [&] {
    return std::vector<std::string>{code_of(a.replica().request_certify(wanted)),
                                    code_of(a.replica().request_revoke(a.node(), "lost", {})),
                                    code_of(a.replica().request_rotate_roots(next, after))};
  };
  EXPECT_EQ(codes(), std::vector<std::string>(3, "home_unconfirmed")) << "its log may be an older one (rule 19)";
  const Entry& made = a.certify(further);  // asked for before
  EXPECT_EQ(code_of(a.replica().append_org_entry(made.view(), true, nullptr)), "ok") << "looking at it does no harm";
  EXPECT_EQ(code_of(a.replica().append_org_entry(made.view(), false, nullptr)), "home_unconfirmed");
  a.replica().home_confirmed_by(b.node());
  a.store.sync();
  EXPECT_EQ(codes(), std::vector<std::string>(3, "ok"));
  EXPECT_EQ(code_of(a.replica().append_org_entry(made.view(), false, nullptr)), "ok");
}

TEST_F(CopiedHome, rule_21_a_locked_home_is_doubted_too) {
  write(a, "common");
  meet(a, b);
  for (Party* other : {&b, &c}) net.cut_between(a, *other);
  a.lock();
  a.replica().set_listener(&net.endpoint(a));
  doubt();
  a.unlock();
  a.replica().set_listener(&net.endpoint(a));
  EXPECT_EQ(code_of(append(a, "ordinary", Haste::kOrdinary)), "home_unconfirmed");
  must(append(a, "alert", Haste::kAlert));
  meet(a, b);
  EXPECT_EQ(generations(b), (std::map<std::uint32_t, std::size_t>{{1, 1}, {2, 1}}));
  EXPECT_FALSE(a.replica().home_in_doubt());
}

TEST_F(CopiedHome, rule_21_who_never_had_a_peer_is_asked_and_nobody_else) {
  Party& alone = net.add("Delta");
  const ChannelId own = alone.replica().private_channel();
  EXPECT_EQ(code_of(alone.replica().confirm_home(nullptr)), "home_confirmed");
  alone.replica().doubt_home(as_bytes("elsewhere"), nullptr);
  alone.store.sync();
  const FeedItem item{FeedKind::kReport, as_bytes("a note")};
  must(alone.replica().append(own, std::span(&item, 1), nullptr));
  must(alone.replica().confirm_home(nullptr));
  alone.store.sync();
  EXPECT_FALSE(alone.replica().home_in_doubt());
  EXPECT_EQ(net.endpoint(alone).confirmed, std::vector<std::optional<NodeId>>{std::nullopt});
  must(alone.replica().create_channel({"another"}, nullptr));
}

TEST_F(CopiedHome, rule_21_who_invited_somebody_is_confirmed_by_a_peer_alone) {
  Party& alone = net.add("Delta");
  const ChannelId own = must(alone.replica().create_channel({"another"}, nullptr));
  alone.store.sync();
  test::introduce(alone, b);
  must(alone.replica().invite(own, b.org(), Role::kMember, nullptr));
  alone.store.sync();
  alone.replica().doubt_home(as_bytes("elsewhere"), nullptr);
  alone.store.sync();
  EXPECT_EQ(code_of(alone.replica().confirm_home(nullptr)), "ask_a_peer") << "a newer entry may have let it in";
  EXPECT_TRUE(alone.replica().home_in_doubt());
}

// What follows is about an image that was put back in place: the home itself sees nothing of it.

TEST_F(CopiedHome, rule_21_a_peers_word_ends_a_feed_before_its_entries_are_here) {
  write(a, "common");
  meet(a, b);
  LogKey feed;
  for (const LogRecord& record : a.replica().channel_logs(channel)) {
    const auto owner = a.table().feed_owner(record.log);
    if (owner && owner->node == a.node()) feed = record.log;
  }
  const Number head = a.replica().accepted_head(feed);
  a.replica().note_higher(feed, head, b.node());
  write(a, "no more than is held");
  EXPECT_EQ(generations(a).size(), 1u);
  a.replica().note_higher(feed, {head.value + 5}, b.node());
  write(a, "beside it");
  EXPECT_EQ(generations(a).size(), 2u);
  // Who says so of each feed does not use up what the others take of this node (rule 15).
  for (int i = 0; i < 100; ++i) {
    for (const LogRecord& record : a.replica().channel_logs(channel)) {
      a.replica().note_higher(record.log, {record.head.value + 1'000'000}, b.node());
    }
    write(a, "once more");
  }
  EXPECT_LE(generations(a).size(), kFeedsPerNodeMax / 2);
  meet(a, b);
  EXPECT_EQ(b.text_set(channel).size(), 103u);
  expect_no_fork();
}

TEST_F(CopiedHome, rule_21_a_chair_waits_for_what_a_peer_holds_of_its_log_and_not_for_ever) {
  const LogKey control = a.replica().channel(channel)->control_log;
  const Number head = a.replica().accepted_head(control);
  a.replica().note_higher(control, {head.value + 1}, b.node());
  EXPECT_EQ(code_of(a.replica().rotate(channel, nullptr)), "behind_own_log");
  net.clock.advance_ms(61'000);
  a.replica().note_higher(control, {head.value + 2}, b.node());
  EXPECT_TRUE(a.replica().rotate(channel, nullptr)) << "who says so and never shows it keeps no chair from its work";
}

TEST_F(CopiedHome, rule_21_a_chair_that_was_set_back_goes_on_behind_its_own_newest_entry) {
  a.store.sync();
  const MemoryStore image = a.store;
  must(a.replica().rotate(channel, nullptr));
  a.store.sync();
  write(a, "later");
  meet(a, b);
  put_back(image);
  // It is told before it is shown; nobody is in the channel under that id.
  const auto waits = [&] { return code_of(a.replica().remove_member(channel, OrgId{}, nullptr)) == "behind_own_log"; };
  EXPECT_FALSE(waits());
  Pair::PipeOptions slow;
  slow.latency_ms = 500;
  Pair::Connection& link = net.connect(a, b, slow);
  ASSERT_TRUE(net.run(60'000, waits));
  net.cut(link);
  meet(a, b);
  must(a.replica().rotate(channel, nullptr));
  a.store.sync();
  write(a, "afterwards");
  ASSERT_TRUE(net.run());
  meet(a, c);
  EXPECT_EQ(b.text_set(channel), (Texts{"later", "afterwards"}));
  EXPECT_EQ(c.text_set(channel), (Texts{"later", "afterwards"}));
  expect_no_fork();
}

TEST_F(CopiedHome, rule_21_a_chair_that_has_just_started_makes_no_key_new_by_age_before_it_met_somebody) {
  const Epoch before = a.replica().channel(channel)->epoch;
  const auto tick = [&] {
    a.replica().handle_tick();
    a.store.sync();
    return a.replica().channel(channel)->epoch;
  };
  net.clock.advance_days(31);
  a.store.sync();
  const MemoryStore image = a.store;
  put_back(image);
  EXPECT_EQ(tick(), before) << "it may have been done by what was there before the image";
  must(a.replica().rotate(channel, nullptr));
  a.store.sync();
  EXPECT_GT(a.replica().channel(channel)->epoch, before) << "what a person asks for waits for nothing";
  put_back(image);
  meet(a, b);
  EXPECT_GT(tick(), before);
  for (Party* other : {&b, &c}) net.cut_between(a, *other);
  put_back(image);
  EXPECT_EQ(tick(), before);
  net.clock.advance_ms(600'000);
  EXPECT_GT(tick(), before) << "nor does it wait for ever";
}

TEST_F(CopiedHome, rule_21_a_feed_of_a_later_life_ends_the_one_that_goes_on_here) {
  write(a, "common");
  meet(a, b);
  a.store.sync();
  const MemoryStore image = a.store;
  doubt();
  must(append(a, "in the second feed", Haste::kAlert));
  meet(a, b);
  put_back(image);  // it knows of one feed alone
  meet(a, b);
  write(a, "afterwards");
  ASSERT_TRUE(net.run());
  EXPECT_EQ(generations(b), (std::map<std::uint32_t, std::size_t>{{1, 1}, {2, 1}, {3, 1}}));
  expect_no_fork();
}

}  // namespace
}  // namespace tocsin::protocol
