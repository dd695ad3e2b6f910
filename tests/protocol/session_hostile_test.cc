// What a session does with a peer that breaks the rules, and what it shows to one that has no right to anything.
#include <gtest/gtest.h>

#include "protocol/entry_peek.h"
#include "protocol/session.h"
#include "tests/support/stranger.h"

namespace tocsin::protocol {
namespace {

using test::make_channel;
using test::must;
using test::Pair;
using test::Party;
using test::Stranger;
using wire::FrameWriter;
using wire::MessageType;

// Bravo is the target; Alpha, a member, is who the stranger says to be.
struct Members {
  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  ChannelId channel = make_channel(net, a, {&b});
};

Code reason_of(const Result<void>& result) { return result ? Code{"accepted"} : result.error().code; }

LogKey own_feed(Party& party, const ChannelId& channel) {
  for (const auto& [log, leaf] : party.replica().frontier(channel).leaves()) {
    const auto owner = party.table().feed_owner(log);
    if (owner && owner->node == party.node()) return log;
  }
  ADD_FAILURE() << "no feed";
  return {};
}

// Entries of a log as its holder would send them; `alter` may change what is about to be put.
void put_entries(FrameWriter& out, Party& from, const LogKey& log, std::uint16_t slot, Number first, Number last,
                 bool end, bool with_previous = false, const std::function<void(EntryView&, Bytes&)>& alter = {}) {
  const auto record = from.replica().log_record(log);
  wire::EntriesWriter writer(out, slot, log, record->type, first, with_previous, wire::kPayloadBytesMax);
  must(from.replica().serve(log, first, last, 16 * kFrameBytesMax, [&](const StoredEntry& stored) {
    EntryView entry = stored.entry;
    Bytes scratch;
    if (alter) alter(entry, scratch);
    return writer.add(entry);
  }));
  writer.finish(end);
}

// ---- Opening

TEST(SessionHostile, rule_43_hello_must_name_both_nodes_as_the_handshake_did) {
  Members m;
  for (const bool sender : {true, false}) {
    Stranger stranger(m.net, m.b, m.a);
    wire::Hello hello = stranger.hello();
    (sender ? hello.sender : hello.receiver).data()[5] ^= 1;
    EXPECT_EQ(reason_of(stranger.say(hello)), kWrongNode);
    EXPECT_EQ(stranger.bye(), ByeReason::kWrongNode);
    EXPECT_TRUE(stranger.session().closed());
    EXPECT_FALSE(stranger.session().settled());
  }
}

TEST(SessionHostile, HelloComesFirstAndOnce) {
  Members m;
  Stranger early(m.net, m.b, m.a);
  EXPECT_EQ(reason_of(early.say(early.slots({}))), kUnexpectedMessage);
  EXPECT_EQ(early.bye(), ByeReason::kBadMessage);
  Stranger twice(m.net, m.b, m.a);
  twice.open({});
  EXPECT_EQ(reason_of(twice.say(twice.hello())), kUnexpectedMessage);
}

TEST(SessionHostile, NothingIsHeardAfterAnError) {
  Members m;
  Stranger stranger(m.net, m.b, m.a);
  stranger.open({m.channel});
  EXPECT_FALSE(stranger.say_frame(Bytes{1, 2, 3}));
  EXPECT_EQ(stranger.bye(), ByeReason::kBadMessage);
  EXPECT_TRUE(stranger.say(wire::Ask{0, {Prefix{}}}));
  EXPECT_TRUE(stranger.hear().empty());
  EXPECT_FALSE(stranger.session().next_deadline());
}

TEST(SessionHostile, SlotsOfImpossibleRoundsAreRefused) {
  Members m;
  const auto say = [&](const std::vector<std::uint32_t>& rounds) {
    Stranger stranger(m.net, m.b, m.a);
    must(stranger.say(stranger.hello()));
    Result<void> said = kOk;
    for (const std::uint32_t round : rounds) {
      if (said) said = stranger.say(stranger.slots({}, round));
    }
    return reason_of(said);
  };
  EXPECT_EQ(say({0, 1, 2, 3}), Code{"accepted"});
  EXPECT_EQ(say({1}), kUnexpectedMessage);
  EXPECT_EQ(say({0, 0}), kUnexpectedMessage);
  EXPECT_EQ(say({0, 1, 0}), kUnexpectedMessage);
  EXPECT_EQ(say({0, 2}), kUnexpectedMessage);
  EXPECT_EQ(say({0, 0xffffffff}), kUnexpectedMessage);
  Stranger stranger(m.net, m.b, m.a);
  EXPECT_EQ(reason_of(stranger.say([&](FrameWriter& out) {
              wire::put(out, stranger.hello());
              wire::put(out, stranger.slots({}, 0));
              wire::put(out, stranger.slots({}, 1));
            })),
            kTooMuch);
}

// ---- Who has no right

// What an outsider is told when it asks through `slot` for each of `logs`, with the log keys blanked: they are echoed.
std::vector<Stranger::Heard> answers_to_wants(Stranger& stranger, std::uint16_t slot, const std::vector<LogKey>& logs) {
  std::vector<Stranger::Heard> out;
  for (const LogKey& log : logs) {
    must(stranger.say(wire::Want{slot, log, {1}, {}, {}}));
    for (Stranger::Heard heard : stranger.hear()) {
      const auto at = std::search(heard.payload.begin(), heard.payload.end(), log.bytes().begin(), log.bytes().end());
      if (at != heard.payload.end()) std::fill_n(at, LogKey::kSize, 0);
      out.push_back(std::move(heard));
    }
  }
  return out;
}

TEST(SessionHostile, rule_36_an_outsider_cannot_tell_a_channel_from_none) {
  Members m;
  Party& outsider = m.net.add("Outsider");
  introduce(m.b, outsider);
  m.a.write(m.channel, "secret");
  m.net.connect(m.a, m.b);
  ASSERT_TRUE(m.net.run());
  const LogKey feed = own_feed(m.a, m.channel);
  LogKey control;
  for (const auto& [log, leaf] : m.b.replica().frontier(m.channel).leaves()) {
    if (leaf.type == LogType::kControl) control = log;
  }
  const LogKey member{m.a.org().bytes()};
  const LogKey none = crypto::random_fixed<LogKey>(outsider.random());

  Stranger stranger(m.net, m.b, outsider);
  // It has even learned the channel's id, and where the logs are.
  stranger.open({m.channel});
  std::vector<Stranger::Heard> opening = stranger.hear();
  for (const Stranger::Heard& heard : opening) {
    ASSERT_TRUE(heard.type == MessageType::kHello || heard.type == MessageType::kSlots);
    if (heard.type != MessageType::kSlots) continue;
    const auto slots = must(wire::decode_slots(heard.payload));
    EXPECT_EQ(slots.slots.size(), 8u);
    for (const wire::Slot& slot : slots.slots) {
      EXPECT_NE(slot.token, stranger.token(m.channel, stranger.target_role(), 0));
    }
  }
  for (const std::uint16_t slot : {std::uint16_t{0}, std::uint16_t{3}, std::uint16_t{500}, wire::kNoChannel}) {
    const auto told = answers_to_wants(stranger, slot, {none, feed, control, member});
    ASSERT_EQ(told.size(), 4u);
    for (const Stranger::Heard& heard : told) {
      EXPECT_EQ(heard.type, MessageType::kNotHeld);
      EXPECT_EQ(heard.payload, told[0].payload) << "slot " << slot;
    }
  }
  // Asks for places of the frontier: the same for the channel's slot and for one that means nothing.
  for (const std::uint16_t slot : {std::uint16_t{0}, std::uint16_t{3}}) {
    must(stranger.say(wire::Ask{slot, {Prefix{}, Prefix::of(feed, 2)}}));
    const auto told = stranger.hear();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].type, MessageType::kNotHeld);
    EXPECT_TRUE(must(wire::decode_not_held(told[0].payload)).log.is_zero());
  }
  // What it sends into a channel that is none of its own leaves no trace.
  must(stranger.say(wire::Heads{0, {{none, LogType::kFeed, {9}, {}}}}));
  must(stranger.say(wire::FrontierNode{0, {}, {}}));
  must(stranger.say(wire::Receipt{0, {1}, outsider.node(), 1, Bytes(100)}));
  EXPECT_TRUE(stranger.hear().empty());
  EXPECT_TRUE(stranger.session().settled());
}

TEST(SessionHostile, rule_35_a_slot_gives_the_logs_of_its_channel_alone) {
  Members m;
  Party& c = m.net.add("Charlie");
  const ChannelId other = make_channel(m.net, m.b, {&c}, ChannelClass::kShared, "Without Alpha");
  m.b.write(other, "not for Alpha");
  m.b.write(m.channel, "for Alpha");
  m.b.store.sync();
  Stranger stranger(m.net, m.b, m.a);
  stranger.open({m.channel, other, m.b.replica().private_channel()});
  (void)stranger.hear();
  for (const std::uint16_t slot : {std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{2}, wire::kNoChannel}) {
    const auto told = answers_to_wants(stranger, slot, {own_feed(m.b, other), LogKey{c.org().bytes()}});
    for (const Stranger::Heard& heard : told) EXPECT_EQ(heard.type, MessageType::kNotHeld) << slot;
  }
  const auto told = answers_to_wants(stranger, 0, {own_feed(m.b, m.channel)});
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].type, MessageType::kEntries);
}

// ---- Entries

TEST(SessionHostile, EntriesThatNobodyAskedForAreRefused) {
  Members m;
  m.a.write(m.channel, "pushed");
  m.a.store.sync();
  const LogKey feed = own_feed(m.a, m.channel);
  Stranger stranger(m.net, m.b, m.a);
  stranger.open({m.channel});
  const auto said = stranger.say([&](FrameWriter& out) { put_entries(out, m.a, feed, 0, {1}, {1}, true); });
  EXPECT_EQ(reason_of(said), kUnexpectedMessage);
  EXPECT_EQ(m.b.replica().accepted_head(feed), Number{0});
}

// A stranger that is asked for Alpha's feed of `count` entries.
struct Asked {
  explicit Asked(std::size_t count, std::size_t bytes = 300) {
    for (std::size_t i = 0; i < count; ++i)
      m.a.write(m.channel, "report " + std::to_string(i) + std::string(bytes, '.'));
    m.a.store.sync();
    feed = own_feed(m.a, m.channel);
    head = m.a.replica().accepted_head(feed);
    stranger.open({m.channel});
    must(stranger.say(wire::Heads{0, {*m.a.replica().frontier(m.channel).find(feed)}}));
    want = next_want();
  }
  // Slots are random: the target's for the channel shows in its wants.
  std::optional<wire::Want> next_want() {
    for (const Stranger::Heard& heard : stranger.hear(MessageType::kWant)) {
      const auto decoded = must(wire::decode_want(heard.payload));
      if (decoded.first.value != 0) return decoded;
    }
    return std::nullopt;
  }
  Members m;
  LogKey feed;
  Number head;
  Stranger stranger{m.net, m.b, m.a};
  std::optional<wire::Want> want;
};

TEST(SessionHostile, WhatIsAskedForIsTaken) {
  Asked asked(20);
  ASSERT_TRUE(asked.want);
  EXPECT_EQ(asked.want->log, asked.feed);
  EXPECT_EQ(asked.want->first, Number{1});
  must(
      asked.stranger.say([&](FrameWriter& out) { put_entries(out, asked.m.a, asked.feed, 0, {1}, asked.head, true); }));
  EXPECT_EQ(asked.m.b.replica().accepted_head(asked.feed), asked.head);
}

TEST(SessionHostile, rule_05_what_was_changed_on_the_way_is_refused_and_nothing_of_it_is_kept) {
  using Alter = std::function<void(EntryView&, Bytes&)>;
  const auto copy_body = [](EntryView& entry, Bytes& scratch) {
    scratch = to_bytes(entry.body);
    entry.body = scratch;
  };
  const std::vector<std::pair<const char*, Alter>> changes = {
      {"body", [&](EntryView& entry, Bytes& scratch) { copy_body(entry, scratch), scratch[50] ^= 1; }},
      {"body cut",
       [&](EntryView& entry, Bytes& scratch) {
         copy_body(entry, scratch);
         entry.body = ByteView(scratch).first(scratch.size() - 1);
         static thread_local std::array<std::uint8_t, kEntryHeaderBytes> header;
         std::copy(entry.header.begin(), entry.header.end(), header.begin());
         store_le32(&header[4], static_cast<std::uint32_t>(entry.body.size()));
         entry.header = ByteView(header);
       }},
      {"signature",
       [](EntryView& entry, Bytes& scratch) {
         scratch = to_bytes(entry.signature);
         scratch[10] ^= 1;
         entry.signature = scratch;
       }},
  };
  for (const auto& change : changes) {
    const auto& alter = change.second;  // a structured binding cannot be captured by every compiler
    SCOPED_TRACE(change.first);
    Asked asked(20);
    must(asked.stranger.say([&](FrameWriter& out) {
      put_entries(out, asked.m.a, asked.feed, 0, {1}, asked.head, true, false, [&](EntryView& entry, Bytes& scratch) {
        if (peek_number(entry.header) == Number{7}) alter(entry, scratch);
      });
    }));
    ASSERT_EQ(asked.stranger.refused.size(), 1u);
    EXPECT_EQ(asked.stranger.refused[0].code.text(), "bad_signature");
    EXPECT_EQ(asked.m.b.replica().accepted_head(asked.feed), Number{0});
    EXPECT_EQ(asked.m.b.texts(asked.m.channel).size(), 0u);
    // It has to stand by the last of the chunk; it does, and so the chunk was bad.
    const auto want = asked.next_want();
    ASSERT_TRUE(want);
    EXPECT_EQ(want->first, asked.head);
    EXPECT_EQ(want->last, asked.head);
    const auto said = asked.stranger.say(
        [&](FrameWriter& out) { put_entries(out, asked.m.a, asked.feed, 0, asked.head, asked.head, true, true); });
    EXPECT_EQ(reason_of(said), kBadEntries);
    EXPECT_EQ(asked.stranger.bye(), ByeReason::kBadEntry);
  }
}

TEST(SessionHostile, rule_11_a_body_that_is_left_out_is_wanted_from_somebody_who_has_it) {
  Asked asked(20);
  must(asked.stranger.say([&](FrameWriter& out) {
    put_entries(out, asked.m.a, asked.feed, 0, {1}, asked.head, true, false, [](EntryView& entry, Bytes&) {
      if (peek_number(entry.header) >= Number{7}) entry.body = {};
    });
  }));
  ASSERT_EQ(asked.stranger.refused.size(), 1u);
  EXPECT_EQ(asked.stranger.refused[0].code.text(), "not_acceptable");
  EXPECT_EQ(asked.m.b.replica().accepted_head(asked.feed), Number{6}) << "what came whole is kept";
  EXPECT_FALSE(asked.stranger.bye()) << "an honest node may have erased it, by another clock";
  asked.m.net.connect(asked.m.a, asked.m.b);
  ASSERT_TRUE(asked.m.net.run());
  EXPECT_EQ(asked.m.b.texts(asked.m.channel).size(), 20u);
}

TEST(SessionHostile, rule_06_another_head_of_an_organisation_log_is_looked_at_once_in_a_session) {
  Members m;
  Stranger stranger(m.net, m.b, m.a);
  stranger.open({m.channel});
  const LogKey log{m.b.org().bytes()};
  Leaf leaf = *m.b.replica().frontier(m.channel).find(log);
  leaf.hash.data()[3] ^= 1;
  std::size_t wants = 0;
  for (std::uint32_t round = 0; round < 4; ++round) {
    if (round > 0) must(stranger.say(stranger.slots({m.channel}, round)));
    must(stranger.say(wire::Heads{0, {leaf}}));
    for (const Stranger::Heard& heard : stranger.hear(MessageType::kWant)) {
      const auto want = must(wire::decode_want(heard.payload));
      if (want.log != log) continue;
      ++wants;
      EXPECT_EQ(want.first, leaf.head);
      must(stranger.say(wire::NotHeld{want.slot, log}));
    }
  }
  EXPECT_EQ(wants, 1u);
}

TEST(SessionHostile, AnAnswerGoesOnWhereItWasAndBeginsWhereItShould) {
  for (const std::uint64_t second : {1, 5, 7}) {
    Asked asked(20);
    must(asked.stranger.say([&](FrameWriter& out) { put_entries(out, asked.m.a, asked.feed, 0, {1}, {5}, false); }));
    const auto said = asked.stranger.say(
        [&](FrameWriter& out) { put_entries(out, asked.m.a, asked.feed, 0, {second}, asked.head, true); });
    EXPECT_EQ(reason_of(said), kBadEntries) << second;
  }
  // A joiner's copy may begin later, but only with the first entry of an epoch, which shows whose feed it is.
  Asked asked(20);
  must(asked.stranger.say(
      [&](FrameWriter& out) { put_entries(out, asked.m.a, asked.feed, 0, {3}, asked.head, true, true); }));
  ASSERT_EQ(asked.stranger.refused.size(), 1u);
  EXPECT_EQ(asked.stranger.refused[0].code.text(), "not_authorised");
  EXPECT_EQ(asked.m.b.replica().accepted_head(asked.feed), Number{0});
}

TEST(SessionHostile, EntriesOfTheRightLogThroughTheWrongSlotAreRefused) {
  for (const std::uint16_t slot : {std::uint16_t{1}, wire::kNoChannel}) {
    Asked asked(3);
    const auto said = asked.stranger.say(
        [&](FrameWriter& out) { put_entries(out, asked.m.a, asked.feed, slot, {1}, asked.head, true); });
    EXPECT_EQ(reason_of(said), kUnexpectedMessage);
  }
}

TEST(SessionHostile, CreditIsABound) {
  Asked asked(60, 40'000);
  asked.stranger.disk_works = false;  // so that none is given back
  Number next{1};
  Result<void> said = kOk;
  std::size_t sent = 0;
  while (said && next <= asked.head) {
    Bytes frame;
    FrameWriter out(frame);
    wire::EntriesWriter writer(out, 0, asked.feed, LogType::kFeed, next, false, wire::kPayloadBytesMax);
    must(asked.m.a.replica().serve(asked.feed, next, asked.head, 4 * kFrameBytesMax,
                                   [&](const StoredEntry& stored) { return writer.add(stored.entry); }));
    next = writer.next();
    sent += writer.finish(next > asked.head);
    out.finish();
    said = asked.stranger.say_frame(frame);
    EXPECT_EQ(said.ok(), sent <= kInitialCreditBytes);
  }
  EXPECT_EQ(reason_of(said), kCreditExceeded);
  EXPECT_EQ(asked.stranger.bye(), ByeReason::kTooMuch);
}

// ---- Floods

TEST(SessionHostile, FloodsEndTheSession) {
  Members m;
  const auto flood = [&](const std::function<void(FrameWriter&)>& put, int times = 1) {
    Stranger stranger(m.net, m.b, m.a);
    stranger.open({m.channel});
    Result<void> said = kOk;
    for (int i = 0; said && i < times; ++i) said = stranger.say(put);
    return reason_of(said);
  };
  const auto repeat = [](int count, const std::function<void(FrameWriter&)>& put) {
    return [=](FrameWriter& out) {
      for (int i = 0; i < count; ++i) put(out);
    };
  };
  const Bytes sealed(100, 1);
  EXPECT_EQ(flood(repeat(1000, [](FrameWriter& out) { wire::put_number(out, MessageType::kPing, 1); })), kTooMuch);
  EXPECT_EQ(flood(repeat(30,
                         [](FrameWriter& out) {
                           wire::put(out, wire::Ask{0, std::vector<Prefix>(64)});
                         })),
            kTooMuch);
  EXPECT_EQ(flood(repeat(600,
                         [](FrameWriter& out) {
                           wire::put(out, wire::Ask{7, {Prefix{}}});
                         }),
                  3),
            Code{"accepted"})
      << "answered between the frames";
  EXPECT_EQ(flood(repeat(1500, [](FrameWriter& out) { wire::put(out, wire::Ask{7, {Prefix{}}}); })), kTooMuch);
  EXPECT_EQ(flood(repeat(100,
                         [&](FrameWriter& out) {
                           wire::put(out, wire::Receipt{0, {1}, m.a.node(), 1, sealed});
                         })),
            kTooMuch);
  EXPECT_EQ(flood(repeat(100, [&](FrameWriter& out) { wire::put(out, wire::Mail{1, 0, sealed}); }), 20), kTooMuch);
  EXPECT_EQ(flood(repeat(10, [&](FrameWriter& out) { wire::put_prekeys(out, sealed); })), kTooMuch);
  EXPECT_EQ(flood(repeat(100, [&](FrameWriter& out) { wire::put_credit(out, 0xffffffff); })), kTooMuch);
  EXPECT_EQ(flood([](FrameWriter& out) { wire::put_number(out, MessageType::kPong, 5); }), kUnexpectedMessage);
  EXPECT_EQ(flood([&](FrameWriter& out) {
              wire::put(out, wire::NotHeld{0, crypto::random_fixed<LogKey>(m.a.random())});
            }),
            kUnexpectedMessage);
  EXPECT_EQ(flood([&](FrameWriter& out) {
              wire::put(out, wire::Heads{wire::kNoChannel, {{LogKey{}, LogType::kFeed, {1}, {}}}});
            }),
            kUnexpectedMessage);
}

TEST(SessionHostile, OneLogIsServedOnceAtATime) {
  Members m;
  for (int i = 0; i < 200; ++i) m.b.write(m.channel, std::string(1000, 'x'));
  m.b.store.sync();
  Stranger stranger(m.net, m.b, m.a);
  stranger.open({m.channel});
  const LogKey feed = own_feed(m.b, m.channel);
  const auto said = stranger.say([&](FrameWriter& out) {
    wire::put(out, wire::Want{0, feed, {1}, {}, {}});
    wire::put(out, wire::Want{0, feed, {1}, {}, {}});
  });
  EXPECT_EQ(reason_of(said), kUnexpectedMessage);
}

TEST(SessionHostile, AnAnswerThatIsStoppedEndsAtOnce) {
  Members m;
  for (int i = 0; i < 200; ++i) m.b.write(m.channel, std::string(1000, 'x'));
  m.b.store.sync();
  Stranger stranger(m.net, m.b, m.a);
  stranger.open({m.channel});
  (void)stranger.hear();
  const LogKey feed = own_feed(m.b, m.channel);
  must(stranger.say([&](FrameWriter& out) {
    wire::put(out, wire::Want{0, feed, {1}, {}, {}});
    wire::put(out, wire::Want{0, feed, {}, {}, {}});
  }));
  const auto entries = stranger.hear(MessageType::kEntries);
  ASSERT_EQ(entries.size(), 1u);
  const auto reader = must(wire::EntriesReader::open(entries[0].payload));
  EXPECT_EQ(reader.header().count, 0);
  EXPECT_TRUE(reader.header().end);
}

TEST(SessionHostile, LogsThatAreAnnouncedAndNeverGivenBindNothing) {
  Members m;
  Stranger stranger(m.net, m.b, m.a);
  stranger.open({m.channel});
  (void)stranger.hear();
  std::size_t wants = 0;
  for (int round = 0; round < 20; ++round) {
    wire::Heads heads{0, {}};
    for (int i = 0; i < 512; ++i) {
      heads.leaves.push_back({crypto::random_fixed<LogKey>(m.a.random()), LogType::kFeed, {1}, {}});
    }
    must(stranger.say(heads));
    wants += stranger.hear(MessageType::kWant).size();
  }
  EXPECT_EQ(wants, 64u) << "no more at a time";
  const auto states = stranger.session().channel_states();
  ASSERT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0].behind, 4096u) << "no more are remembered";
}

TEST(SessionHostile, AFrontierWithoutAnEndIsGivenUp) {
  Members m;
  Stranger stranger(m.net, m.b, m.a);
  stranger.open({m.channel});
  const auto digests = [&](const Prefix& prefix) {
    wire::FrontierNode out{0, prefix, {}};
    for (int i = 0; i < 16; ++i) out.node.children.push_back(crypto::random_fixed<TrieDigest>(m.a.random()));
    return out;
  };
  Result<void> said = stranger.say(digests({}));
  std::size_t waiting_max = 0;
  for (int round = 0; said && round < 20'000; ++round) {
    std::vector<Prefix> asked;
    for (const Stranger::Heard& heard : stranger.hear(MessageType::kAsk)) {
      for (const Prefix& prefix : must(wire::decode_ask(heard.payload)).prefixes) asked.push_back(prefix);
    }
    waiting_max = std::max(waiting_max, asked.size());
    if (asked.empty()) break;
    for (const Prefix& prefix : asked) {
      if (said && prefix.depth < 64) said = stranger.say(digests(prefix));
    }
  }
  EXPECT_LE(waiting_max, 256u);
  EXPECT_EQ(reason_of(said), kTooMuch);
}

TEST(SessionHostile, AFeedOfAnEpochThatIsNotHereYetWaitsForTheControlLog) {
  Members m;
  must(m.a.replica().rotate(m.channel, nullptr));
  m.a.store.sync();
  m.a.write(m.channel, "under the new epoch");
  m.a.store.sync();
  const LogKey feed = own_feed(m.a, m.channel);
  LogKey control;
  for (const auto& [log, leaf] : m.a.replica().frontier(m.channel).leaves()) {
    if (leaf.type == LogType::kControl) control = log;
  }
  const auto leaf = [&](const LogKey& log) { return *m.a.replica().frontier(m.channel).find(log); };
  Stranger stranger(m.net, m.b, m.a);
  stranger.open({m.channel});
  (void)stranger.hear();
  const auto serve = [&](const LogKey& log) {
    must(stranger.say(wire::Heads{0, {leaf(log)}}));
    const auto wants = stranger.hear(MessageType::kWant);
    ASSERT_EQ(wants.size(), 1u);
    const auto want = must(wire::decode_want(wants[0].payload));
    EXPECT_EQ(want.log, log);
    must(stranger.say([&](FrameWriter& out) { put_entries(out, m.a, log, 0, want.first, leaf(log).head, true); }));
  };
  serve(feed);
  ASSERT_EQ(stranger.refused.size(), 1u);
  EXPECT_EQ(stranger.refused[0].code.text(), "unknown_epoch");
  EXPECT_TRUE(stranger.hear(MessageType::kWant).empty());
  serve(control);
  const auto again = stranger.hear(MessageType::kWant);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(must(wire::decode_want(again[0].payload)).log, feed);
  must(stranger.say([&](FrameWriter& out) { put_entries(out, m.a, feed, 0, {1}, leaf(feed).head, true); }));
  EXPECT_EQ(m.b.texts(m.channel), std::vector<std::string>{"under the new epoch"});
}

// ---- Anything at all

TEST(SessionHostile, FramesWithFlippedBitsAreTakenOrRefused) {
  test::SeededRandom random(4711);
  for (int round = 0; round < 25; ++round) {
    Pair net(static_cast<std::uint64_t>(round % 3) + 1);
    Party& a = net.add("Alpha");
    Party& b = net.add("Bravo");
    const ChannelId channel = make_channel(net, a, {&b});
    for (int i = 0; i < 30; ++i) a.write(channel, "report " + std::to_string(i));
    for (int i = 0; i < 5; ++i) b.write(channel, "answer " + std::to_string(i));
    a.store.sync();
    b.store.sync();
    Pair::Connection& link = net.connect(a, b);
    link.a.alter = [&](Bytes& frame) {
      if (random.below(3) != 0) return;
      for (std::uint64_t flips = random.below(4) + 1; flips > 0; --flips) {
        frame[random.below(frame.size())] ^= static_cast<std::uint8_t>(1 << random.below(8));
      }
      if (random.below(8) == 0) frame.resize(random.below(frame.size()) + 1);
      if (random.below(8) == 0) frame.push_back(static_cast<std::uint8_t>(random.below(256)));
    };
    net.run_for(3 * 60'000);
    if (link.open) net.cut(link);
    net.connect(a, b);
    ASSERT_TRUE(net.run()) << round;
    EXPECT_EQ(a.replica().frontier(channel).digest(), b.replica().frontier(channel).digest()) << round;
    EXPECT_EQ(b.texts(channel).size(), 35u) << round;
  }
}

}  // namespace
}  // namespace tocsin::protocol
