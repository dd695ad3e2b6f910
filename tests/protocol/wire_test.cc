#include "protocol/wire.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>
#include <type_traits>

#include "crypto/padme.h"
#include "protocol/entry_peek.h"

namespace tocsin::protocol::wire {
namespace {

template <class Fixed>
Fixed filled(std::uint8_t first) {
  Fixed out;
  for (std::size_t i = 0; i < Fixed::kSize; ++i) out.data()[i] = static_cast<std::uint8_t>(first + i);
  return out;
}

Leaf leaf(std::uint8_t first, std::uint64_t head) {
  return {filled<LogKey>(first), LogType::kFeed, {head}, filled<EntryHash>(0x40)};
}

// One message, without padding, as payload.
template <class Put>
Bytes payload_of(Put&& put_it) {
  Bytes frame;
  FrameWriter writer(frame);
  EXPECT_TRUE(put_it(writer));
  writer.finish();
  const std::size_t size = load_le16(&frame[1]);
  return Bytes(frame.begin() + kMessageHeaderBytes,
               frame.begin() + static_cast<std::ptrdiff_t>(kMessageHeaderBytes + size));
}
template <class M>
Bytes encoded(const M& message) {
  return payload_of([&](FrameWriter& w) { return put(w, message); });
}

// The first message of a frame, or the error.
Code code_of(ByteView frame) {
  FrameReader reader(frame);
  for (;;) {
    const auto message = reader.next();
    if (!message) return message.error().code;
    if (!*message) return Code{"accepted"};
  }
}

Bytes hex(std::string_view text) { return *from_hex(text); }

// Every message that has a layout of its own, decoded by type; what it says is of no interest here.
Result<void> decode_any(const Message& message) {
  const auto drop = [](auto result) -> Result<void> {
    if (!result) return result.error();
    return kOk;
  };
  switch (message.type) {
    case MessageType::kHello:
      return drop(decode_hello(message.payload));
    case MessageType::kSlots:
      return drop(decode_slots(message.payload));
    case MessageType::kFrontier:
      return drop(decode_frontier(message.payload));
    case MessageType::kAsk:
      return drop(decode_ask(message.payload));
    case MessageType::kWant:
      return drop(decode_want(message.payload));
    case MessageType::kEntries: {
      auto reader = EntriesReader::open(message.payload);
      if (!reader) return reader.error();
      for (std::uint16_t i = 0; i < reader->header().count; ++i) {
        if (auto entry = reader->next(); !entry) return entry.error();
      }
      return kOk;
    }
    case MessageType::kNotHeld:
      return drop(decode_not_held(message.payload));
    case MessageType::kCredit:
      return drop(decode_credit(message.payload));
    case MessageType::kHeads:
      return drop(decode_heads(message.payload));
    case MessageType::kReceipt:
      return drop(decode_receipt(message.payload));
    case MessageType::kMail:
      return drop(decode_mail(message.payload));
    case MessageType::kPing:
    case MessageType::kPong:
      return drop(decode_number(message.payload));
    case MessageType::kBye:
      return drop(decode_bye(message.payload));
    case MessageType::kForkProof:
    case MessageType::kEndProof:
      return drop(decode_fork_proof(message.payload));
    default:
      return kOk;
  }
}
Result<void> decode_frame(ByteView frame) {
  FrameReader reader(frame);
  for (;;) {
    TOCSIN_ASSIGN(message, reader.next());
    if (!message) return kOk;
    TOCSIN_TRY(decode_any(*message));
  }
}

// ---- The table

TEST(WireTable, TypesStandInOrderWithBoundsThatFitAFrame) {
  for (std::size_t i = 0; i < type_rules().size(); ++i) {
    const TypeRule& rule = type_rules()[i];
    const auto type = static_cast<std::uint8_t>(rule.type);
    EXPECT_EQ(type, i < 16 ? i : kIgnorableFrom + i - 16);
    EXPECT_EQ(rule_of(type), &rule);
    EXPECT_LE(rule.bytes_min, rule.bytes_max);
    EXPECT_LE(rule.bytes_max, kPayloadBytesMax);
  }
  EXPECT_EQ(rule_of(16), nullptr);
  EXPECT_EQ(rule_of(kIgnorableFrom + 2), nullptr);
}

TEST(WireTable, ReasonsHaveNames) {
  EXPECT_EQ(to_string(ByeReason::kDone), "done");
  EXPECT_EQ(to_string(ByeReason::kRevoked), "revoked");
  EXPECT_EQ(to_string(static_cast<ByeReason>(10)), "unknown");
}

// ---- Frames

TEST(WireFrame, rule_06_messages_are_bounded_before_they_are_looked_at) {
  EXPECT_EQ(code_of({}), kBadFrame);
  EXPECT_EQ(code_of(hex("0d0800")), kBadFrame);  // ends inside a header
  EXPECT_EQ(code_of(hex("0d080000"
                        "01020304050607")),
            kBadFrame);                            // ends inside a payload
  EXPECT_EQ(code_of(hex("0dffffff")), kBadFrame);  // 16 MiB announced, nothing there
  EXPECT_EQ(code_of(hex("0d080000"
                        "0102030405060708")),
            Code{"accepted"});
  for (const TypeRule& rule : type_rules()) {
    for (const std::size_t size : {rule.bytes_min - 1, rule.bytes_max + 1}) {
      if (size > kPayloadBytesMax) continue;  // no frame holds it
      Bytes frame(kMessageHeaderBytes + size);
      frame[0] = static_cast<std::uint8_t>(rule.type);
      store_le16(&frame[1], static_cast<std::uint16_t>(size));
      EXPECT_EQ(code_of(frame), kBadMessage) << rule.name << " of " << size;
    }
  }
}

TEST(WireFrame, UnknownTypesAreSkippedFromSixtyFourOnAndRefusedBelow) {
  EXPECT_EQ(code_of(hex("51020000"
                        "0102"
                        "ff000000"
                        "0d080000"
                        "0102030405060708")),
            Code{"accepted"});
  EXPECT_EQ(code_of(hex("10000000")), kUnknownMessage);
  EXPECT_EQ(code_of(hex("3f000000")), kUnknownMessage);
}

TEST(WireFrame, PaddingIsZero) {
  EXPECT_EQ(code_of(hex("00020000"
                        "0000")),
            Code{"accepted"});
  EXPECT_EQ(code_of(hex("00020000"
                        "0001")),
            kBadMessage);
}

TEST(WireFrame, rule_46_frames_are_padded_to_padme_lengths) {
  const auto step = [](std::size_t payload) {
    return payload < 2000 || payload + 2000 > kPayloadBytesMax ? std::size_t{1} : std::size_t{61};
  };
  for (std::size_t payload = 0; payload <= kPayloadBytesMax; payload += step(payload)) {
    Bytes frame;
    FrameWriter writer(frame);
    ASSERT_TRUE(writer.begin(MessageType::kMail, payload));
    writer.put(Bytes(payload, 7));
    writer.end();
    writer.finish();
    ASSERT_LE(frame.size(), kFrameBytesMax);
    ASSERT_GE(frame.size(), payload + kMessageHeaderBytes);
    // The last lengths below the maximum have no room for padding up to it.
    if (frame.size() < kFrameBytesMax - kMessageHeaderBytes) {
      ASSERT_EQ(frame.size(), crypto::padme(frame.size()));
    }
    ASSERT_EQ(load_le16(&frame[1]), payload);
    if (payload >= 6) {
      ASSERT_EQ(code_of(frame), Code{"accepted"}) << payload;
    }
  }
}

TEST(WireFrame, WithoutAMessageNothingIsMade) {
  Bytes frame;
  FrameWriter writer(frame);
  EXPECT_TRUE(writer.empty());
  EXPECT_EQ(writer.room(), kPayloadBytesMax);
  writer.finish();
  EXPECT_TRUE(frame.empty());
}

TEST(WireFrame, MessagesArePutWholeOrNotAtAll) {
  Bytes frame;
  FrameWriter writer(frame);
  EXPECT_FALSE(writer.begin(MessageType::kMail, kPayloadBytesMax + 1));
  ASSERT_TRUE(writer.begin(MessageType::kMail, kPayloadBytesMax - 12));
  writer.put(Bytes(kPayloadBytesMax - 12, 1));
  writer.end();
  EXPECT_EQ(writer.room(), 8u);
  EXPECT_FALSE(put(writer, Want{}));
  EXPECT_TRUE(put_number(writer, MessageType::kPing, 5));
  EXPECT_EQ(writer.room(), 0u);
  EXPECT_FALSE(writer.begin(MessageType::kPadding, 0));
  writer.finish();
  EXPECT_EQ(frame.size(), kFrameBytesMax);
}

// ---- Messages

TEST(WireMessage, BytesAreAsTheDocumentHasThem) {
  const Hello hello{0, 5, filled<NodeId>(0x10), filled<NodeId>(0x40), {7}, 680};
  EXPECT_EQ(to_hex(encoded(hello)),
            "00"
            "00"
            "05000000"
            "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
            "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
            "0700000000000000"
            "a8020000");
  EXPECT_EQ(to_hex(encoded(Want{3, filled<LogKey>(0x10), {9}, {0}, {2}})),
            "0300"
            "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
            "0900000000000000"
            "0000000000000000"
            "0200000000000000");
  EXPECT_EQ(
      to_hex(encoded(Ask{1, {Prefix{}, Prefix::of(filled<LogKey>(0xab), 3), Prefix::of(filled<LogKey>(0xab), 4)}})),
      "0100"
      "03"
      "00"
      "03aba0"
      "04abac");
  EXPECT_EQ(to_hex(encoded(Heads{2, {leaf(0x10, 5)}})),
            "0200"
            "0100"
            "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
            "03"
            "0500000000000000"
            "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f");
  EXPECT_EQ(to_hex(payload_of([](FrameWriter& w) { return put_bye(w, ByeReason::kRenewed); })), "0700");
  EXPECT_EQ(to_hex(payload_of([](FrameWriter& w) { return put_credit(w, 0x10203); })), "03020100");
  EXPECT_EQ(to_hex(payload_of([](FrameWriter& w) { return put_number(w, MessageType::kPong, 1); })),
            "0100000000000000");
}

TEST(WireMessage, WhatIsPutComesOut) {
  const Hello hello{0, 1, filled<NodeId>(1), filled<NodeId>(2), {3}, 4};
  const auto hello_out = decode_hello(encoded(hello));
  ASSERT_TRUE(hello_out);
  EXPECT_EQ(hello_out->sender, hello.sender);
  EXPECT_EQ(hello_out->receiver, hello.receiver);
  EXPECT_EQ(hello_out->org_log_head, hello.org_log_head);
  EXPECT_EQ(hello_out->prekeys_held, 4u);

  Slots slots{9, std::vector<Slot>(16)};
  slots.slots[3] = {filled<Token>(1), filled<Equality>(2), filled<Seen>(3)};
  const auto slots_out = decode_slots(encoded(slots));
  ASSERT_TRUE(slots_out);
  EXPECT_EQ(slots_out->round, 9u);
  ASSERT_EQ(slots_out->slots.size(), 16u);
  EXPECT_EQ(slots_out->slots[3].token, filled<Token>(1));
  EXPECT_EQ(slots_out->slots[3].equality, filled<Equality>(2));
  EXPECT_EQ(slots_out->slots[3].seen, filled<Seen>(3));

  FrontierNode leaves{4, Prefix::of(filled<LogKey>(0x10), 2), {{leaf(0x10, 1)}, {}}};
  const auto leaves_out = decode_frontier(encoded(leaves));
  ASSERT_TRUE(leaves_out);
  EXPECT_EQ(leaves_out->prefix, leaves.prefix);
  EXPECT_EQ(leaves_out->node.leaves, leaves.node.leaves);
  FrontierNode digests{4, {}, {{}, std::vector<TrieDigest>(16, filled<TrieDigest>(9))}};
  const auto digests_out = decode_frontier(encoded(digests));
  ASSERT_TRUE(digests_out);
  EXPECT_EQ(digests_out->node.children, digests.node.children);
  const auto empty_out = decode_frontier(encoded(FrontierNode{4, {}, {}}));
  ASSERT_TRUE(empty_out);
  EXPECT_TRUE(empty_out->node.leaves.empty() && empty_out->node.children.empty());

  const NotHeld not_held{7, filled<LogKey>(1)};
  EXPECT_EQ(decode_not_held(encoded(not_held))->log, not_held.log);
  const Bytes sealed = {1, 2, 3};
  const auto receipt = decode_receipt(encoded(Receipt{1, {2}, filled<NodeId>(3), 4, sealed}));
  ASSERT_TRUE(receipt);
  EXPECT_EQ(receipt->counter, 4u);
  EXPECT_EQ(receipt->sealed.size(), 3u);
  const auto mail = decode_mail(encoded(Mail{2, 680, sealed}));
  ASSERT_TRUE(mail);
  EXPECT_EQ(mail->prekey_month, 680u);
}

TEST(WireMessage, rule_06_every_message_cut_short_or_drawn_out_is_refused) {
  const std::vector<std::pair<MessageType, Bytes>> messages = {
      {MessageType::kHello, encoded(Hello{0, 1, filled<NodeId>(1), filled<NodeId>(2), {3}, 4})},
      {MessageType::kSlots, encoded(Slots{1, std::vector<Slot>(8)})},
      {MessageType::kFrontier, encoded(FrontierNode{4, Prefix::of(filled<LogKey>(0x10), 1), {{leaf(0x10, 1)}, {}}})},
      {MessageType::kFrontier, encoded(FrontierNode{4, {}, {{}, std::vector<TrieDigest>(16)}})},
      {MessageType::kAsk, encoded(Ask{1, {Prefix{}, Prefix::of(filled<LogKey>(0xab), 63)}})},
      {MessageType::kWant, encoded(Want{1, filled<LogKey>(1), {1}, {2}, {}})},
      {MessageType::kNotHeld, encoded(NotHeld{1, filled<LogKey>(1)})},
      {MessageType::kHeads, encoded(Heads{2, {leaf(0x10, 5), leaf(0x11, 5)}})},
      {MessageType::kPing, payload_of([](FrameWriter& w) { return put_number(w, MessageType::kPing, 1); })},
      {MessageType::kCredit, payload_of([](FrameWriter& w) { return put_credit(w, 1); })},
      {MessageType::kBye, payload_of([](FrameWriter& w) { return put_bye(w, ByeReason::kDone); })},
  };
  for (const auto& [type, payload] : messages) {
    ASSERT_TRUE(decode_any({type, payload})) << static_cast<int>(type);
    for (std::size_t size = 0; size < payload.size(); ++size) {
      EXPECT_FALSE(decode_any({type, ByteView(payload).first(size)})) << static_cast<int>(type) << " of " << size;
    }
    Bytes longer = payload;
    longer.push_back(0);
    EXPECT_FALSE(decode_any({type, longer})) << static_cast<int>(type);
  }
}

TEST(WireMessage, HelloOfALaterMinorVersionMayBeLonger) {
  Bytes payload = encoded(Hello{1, 0, filled<NodeId>(1), filled<NodeId>(2), {3}, 4});
  payload.push_back(9);
  EXPECT_TRUE(decode_hello(payload));
  payload[1] = 1;  // reserved
  EXPECT_FALSE(decode_hello(payload));
}

TEST(WireMessage, ContentsThatCannotBeAreRefused) {
  EXPECT_FALSE(decode_slots(encoded(Slots{1, std::vector<Slot>(12)})));
  EXPECT_FALSE(decode_slots(encoded(Slots{1, std::vector<Slot>(4)})));
  EXPECT_FALSE(decode_slots(encoded(Slots{1, std::vector<Slot>(1024)})));

  const Prefix prefix = Prefix::of(filled<LogKey>(0x10), 2);
  EXPECT_FALSE(decode_frontier(encoded(FrontierNode{0, prefix, {{leaf(0x20, 1)}, {}}}))) << "leaf outside the prefix";
  EXPECT_FALSE(decode_frontier(encoded(FrontierNode{0, {}, {{leaf(0x20, 1), leaf(0x10, 1)}, {}}}))) << "falling order";
  EXPECT_FALSE(decode_frontier(encoded(FrontierNode{0, {}, {{leaf(0x20, 1), leaf(0x20, 1)}, {}}}))) << "twice";
  EXPECT_FALSE(decode_frontier(encoded(FrontierNode{0, {}, {{leaf(0x20, 0)}, {}}}))) << "number 0";
  EXPECT_FALSE(decode_frontier(encoded(FrontierNode{0, {}, {std::vector<Leaf>(17, leaf(1, 1)), {}}}))) << "17 leaves";
  Prefix deepest = Prefix::of(filled<LogKey>(0x10), 64);
  EXPECT_FALSE(decode_frontier(encoded(FrontierNode{0, deepest, {{}, std::vector<TrieDigest>(16)}})));
  Bytes ask = encoded(Ask{0, {Prefix::of(filled<LogKey>(0x10), 3)}});
  EXPECT_TRUE(decode_ask(ask));
  ask.back() |= 1;  // an unused nibble
  EXPECT_FALSE(decode_ask(ask));
  EXPECT_FALSE(
      decode_ask(hex("0000"
                     "01"
                     "41"
                     "00000000000000000000000000000000000000000000000000000000000000000000")));
  EXPECT_FALSE(
      decode_ask(hex("0000"
                     "00"
                     "00")));

  EXPECT_FALSE(decode_want(encoded(Want{0, {}, {5}, {4}, {}}))) << "backwards";
  EXPECT_TRUE(decode_want(encoded(Want{0, {}, {0}, {0}, {}})));
  EXPECT_FALSE(decode_want(encoded(Want{0, {}, {0}, {4}, {}})));
  EXPECT_FALSE(decode_want(encoded(Want{0, {}, {0}, {0}, {1}})));
  Leaf bad_type = leaf(1, 1);
  bad_type.type = static_cast<LogType>(4);
  EXPECT_FALSE(decode_heads(encoded(Heads{0, {bad_type}})));
  EXPECT_FALSE(decode_heads(hex("00000000")));
  EXPECT_FALSE(decode_credit(hex("00000000")));
  const Bytes envelope = {1};
  EXPECT_FALSE(decode_mail(encoded(Mail{0, 0, envelope})));
  EXPECT_TRUE(decode_mail(encoded(Mail{99, 0, envelope}))) << "a kind of a later version is passed over, not a fault";
}

// ---- Entries

struct OwnedEntry {
  Bytes header, signature, body;
  EntryView view() const { return {header, signature, body}; }
};

OwnedEntry make_entry(LogType type, std::uint64_t number, std::uint64_t epoch, std::size_t body_bytes,
                      bool absent = false) {
  EntryHeader header;
  header.type = type;
  header.number = {number};
  header.epoch = {epoch};
  header.log = filled<LogKey>(0x10);
  header.body_bytes = static_cast<std::uint32_t>(body_bytes);
  header.previous = filled<EntryHash>(static_cast<std::uint8_t>(number));
  header.body_hash = filled<BodyHash>(static_cast<std::uint8_t>(number + 100));
  OwnedEntry out;
  const auto bytes = header.encode();
  out.header.assign(bytes.begin(), bytes.end());
  out.signature.assign(type == LogType::kOrganisation ? 2 * kRootSignatureBytes : kSignatureBytes,
                       static_cast<std::uint8_t>(number));
  if (!absent) out.body.assign(body_bytes, static_cast<std::uint8_t>(number + 1));
  return out;
}

// The payload of an answer, and how many of `entries` it took.
Bytes entries_payload(const std::vector<OwnedEntry>& entries, LogType type, Number expected, bool with_previous,
                      bool end, std::size_t payload_max = kPayloadBytesMax) {
  return payload_of([&](FrameWriter& w) {
    EntriesWriter writer(w, 3, filled<LogKey>(0x10), type, expected, with_previous, payload_max);
    EXPECT_TRUE(writer.began());
    for (const OwnedEntry& entry : entries) {
      if (!writer.add(entry.view())) break;
    }
    return writer.finish(end) != 0;
  });
}

TEST(WireEntries, AnOrderGoesAlongWithAnEntryOfAFeedWithoutItsBodyAlone) {
  const Bytes order(300, 7);
  const auto written = [&](LogType type, bool absent, ByteView with) {
    return payload_of([&](FrameWriter& w) {
      EntriesWriter writer(w, 3, filled<LogKey>(0x10), type, {7}, false, kPayloadBytesMax);
      EXPECT_TRUE(writer.add(make_entry(type, 7, 2, 3, absent).view(), with));
      EXPECT_TRUE(writer.add(make_entry(type, 8, 2, 3).view()));
      return writer.finish(true) != 0;
    });
  };
  Bytes payload = written(LogType::kFeed, true, order);
  auto reader = *EntriesReader::open(payload);
  const auto first = reader.next();
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->absent);
  EXPECT_EQ(to_bytes(first->order), order);
  const auto second = reader.next();
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->order.empty());
  EXPECT_EQ(written(LogType::kFeed, false, order), written(LogType::kFeed, false, {})) << "the body is there";
  EXPECT_EQ(written(LogType::kControl, true, order), written(LogType::kControl, true, {}));
  // Sizes that are not, and the flag where it may not stand.
  const std::size_t flags_at = kEntriesHeaderBytes, size_at = flags_at + 3 + kSignatureBytes + BodyHash::kSize;
  ASSERT_EQ(load_le16(&payload[size_at]), order.size());
  for (const std::size_t size : {std::size_t{0}, order.size() - 1, order.size() + 1, std::size_t{2049}}) {
    Bytes bad = payload;
    store_le16(&bad[size_at], static_cast<std::uint16_t>(size));
    auto cut = *EntriesReader::open(bad);
    const auto entry = cut.next();
    EXPECT_FALSE(entry && cut.next()) << size;
  }
  Bytes present = written(LogType::kFeed, false, {});
  present[flags_at] |= 4;
  EXPECT_FALSE((*EntriesReader::open(present)).next());
}

TEST(WireEntries, BytesAreAsTheDocumentHasThem) {
  const std::vector<OwnedEntry> entries = {make_entry(LogType::kFeed, 7, 2, 3),
                                           make_entry(LogType::kFeed, 8, 3, 2, true)};
  const std::string hash = "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f";
  std::string signature7, signature8;
  for (int i = 0; i < 64; ++i) signature7 += "07", signature8 += "08";
  EXPECT_EQ(to_hex(entries_payload(entries, LogType::kFeed, {7}, false, true)),
            "0300" + hash +
                "03"
                "01"
                "0700000000000000"
                "0200000000000000"
                "0200" +  // slot … count
                "00"
                "0300" +
                signature7 + "080808" +
                "03"
                "0200" +
                signature8 + "0300000000000000" + "6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b");
}

TEST(WireEntries, WhatIsPutComesOut) {
  for (const LogType type : {LogType::kOrganisation, LogType::kControl, LogType::kFeed}) {
    const std::uint64_t epoch = type == LogType::kOrganisation ? 0 : 4;
    std::vector<OwnedEntry> entries;
    for (std::uint64_t i = 5; i < 25; ++i)
      entries.push_back(make_entry(type, i, epoch == 0 ? 0 : epoch + i / 10, i * 10));
    const Bytes payload = entries_payload(entries, type, {5}, false, true);
    auto reader = EntriesReader::open(payload);
    ASSERT_TRUE(reader);
    EXPECT_TRUE(reader->header().end);
    EXPECT_FALSE(reader->header().previous);
    EXPECT_EQ(reader->header().slot, 3);
    EXPECT_EQ(reader->header().first, Number{5});
    ASSERT_EQ(reader->header().count, 20);
    for (const OwnedEntry& entry : entries) {
      const auto out = reader->next();
      ASSERT_TRUE(out);
      EXPECT_TRUE(equal(out->signature, entry.signature));
      EXPECT_TRUE(equal(out->body, entry.body));
      EXPECT_EQ(out->epoch.value, load_le64(&entry.header[16]));
      EXPECT_FALSE(out->absent);
    }
  }
}

TEST(WireEntries, PreviousIsSentWhereTheReceiverCannotKnowIt) {
  const std::vector<OwnedEntry> one = {make_entry(LogType::kFeed, 7, 1, 10)};
  const auto previous = [&](Number expected, bool always) {
    return EntriesReader::open(entries_payload(one, LogType::kFeed, expected, always, true))->header().previous;
  };
  EXPECT_FALSE(previous({7}, false));
  EXPECT_EQ(previous({5}, false), filled<EntryHash>(7));
  EXPECT_EQ(previous({7}, true), filled<EntryHash>(7));
}

TEST(WireEntries, AnAnswerMayBeEmptyButOnlyAtItsEnd) {
  const Bytes payload = entries_payload({}, LogType::kFeed, {9}, false, true);
  EXPECT_EQ(payload.size(), kEntriesHeaderBytes);
  const auto reader = EntriesReader::open(payload);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->header().count, 0);
  Bytes frame;
  FrameWriter w(frame);
  EntriesWriter writer(w, 3, filled<LogKey>(0x10), LogType::kFeed, {9}, false, kPayloadBytesMax);
  EXPECT_EQ(writer.finish(false), 0u);
  EXPECT_TRUE(w.empty());
  Bytes not_the_end = payload;
  not_the_end[35] = 0;
  EXPECT_FALSE(EntriesReader::open(not_the_end));
}

TEST(WireEntries, AFrameIsFilledToTheLastEntryThatFits) {
  const OwnedEntry entry = make_entry(LogType::kFeed, 1, 1, 1000);
  Bytes frame;
  FrameWriter w(frame);
  EntriesWriter writer(w, 3, filled<LogKey>(0x10), LogType::kFeed, {1}, false, kPayloadBytesMax);
  std::uint64_t number = 1;
  while (writer.add(make_entry(LogType::kFeed, number, 1, 1000).view())) ++number;
  EXPECT_EQ(writer.next(), Number{number});
  const std::size_t size = writer.finish(false);
  EXPECT_GT(size, kFrameBytesMax - 1067);
  // 1,067 bytes for an entry with a body of 1,000.
  EXPECT_EQ(writer.count(), (kPayloadBytesMax - kEntriesHeaderBytes) / 1067);
}

TEST(WireEntries, CreditBoundsTheMessage) {
  const std::vector<OwnedEntry> entries = {make_entry(LogType::kFeed, 1, 1, 1000),
                                           make_entry(LogType::kFeed, 2, 1, 1000)};
  EXPECT_LE(entries_payload(entries, LogType::kFeed, {1}, false, false, 1500).size(), 1500u);
}

TEST(WireEntries, ContentsThatCannotBeAreRefused) {
  const std::vector<OwnedEntry> two = {make_entry(LogType::kFeed, 7, 2, 30), make_entry(LogType::kFeed, 8, 3, 30)};
  const Bytes good = entries_payload(two, LogType::kFeed, {7}, true, true);
  const Message message{MessageType::kEntries, good};
  ASSERT_TRUE(decode_any(message));
  const auto with = [&](std::size_t at, std::uint8_t value) {
    Bytes changed = good;
    changed[at] = value;
    return decode_any({MessageType::kEntries, changed}).ok();
  };
  const std::size_t count_at = kEntriesHeaderBytes - 2 + 32;
  const std::size_t entry_at = count_at + 2;
  const std::size_t second_at = entry_at + 3 + 64 + 30;
  EXPECT_FALSE(with(34, 0)) << "log type";
  EXPECT_FALSE(with(34, 4)) << "log type";
  EXPECT_FALSE(with(34, 1)) << "an epoch in an organisation log";
  EXPECT_FALSE(with(35, 0x83)) << "unknown flag";
  EXPECT_FALSE(with(36, 0)) << "number 0";
  EXPECT_FALSE(with(36, 1)) << "the first entry has no previous";
  EXPECT_FALSE(with(44, 0)) << "epoch 0";
  EXPECT_FALSE(with(count_at, 1)) << "more than counted";
  EXPECT_FALSE(with(count_at, 3)) << "fewer than counted";
  EXPECT_FALSE(with(entry_at, 4)) << "unknown flag of an entry";
  EXPECT_FALSE(with(entry_at + 2, 0xc1)) << "body above 49,152 bytes";
  EXPECT_FALSE(with(second_at + 3 + 64, 2)) << "an epoch that does not rise";
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode_any({MessageType::kEntries, ByteView(good).first(size)})) << size;
  }
}

// ---- Anything at all

RC_GTEST_PROP(WireFuzz, RandomFramesAreReadOrRefused, (const Bytes& frame)) { (void)decode_frame(frame); }

RC_GTEST_PROP(WireFuzz, FramesOfGoodHeadersAndRandomPayloadsAreReadOrRefused,
              (std::uint8_t type, const Bytes& payload)) {
  Bytes frame(kMessageHeaderBytes);
  frame[0] = type % 16;
  store_le16(&frame[1], static_cast<std::uint16_t>(payload.size()));
  append(frame, payload);
  (void)decode_frame(frame);
}

RC_GTEST_PROP(WireFuzz, ChangedFramesAreReadOrRefused,
              (const std::vector<std::pair<std::uint16_t, std::uint8_t>>& changes)) {
  Bytes frame;
  FrameWriter w(frame);
  put(w, Hello{0, 1, filled<NodeId>(1), filled<NodeId>(2), {3}, 4});
  put(w, Slots{1, std::vector<Slot>(8)});
  put(w, FrontierNode{4, {}, {{leaf(1, 2), leaf(3, 4)}, {}}});
  put(w, Ask{1, {Prefix{}, Prefix::of(filled<LogKey>(0xab), 5)}});
  put(w, Heads{0, {leaf(7, 8)}});
  EntriesWriter entries(w, 3, filled<LogKey>(0x10), LogType::kFeed, {1}, false, kPayloadBytesMax);
  for (std::uint64_t i = 1; i < 5; ++i) entries.add(make_entry(LogType::kFeed, i, i, i * 7, i == 3).view());
  entries.finish(true);
  w.finish();
  RC_ASSERT(decode_frame(frame).ok());
  for (const auto& [at, value] : changes) frame[at % frame.size()] ^= value;
  (void)decode_frame(frame);
}

}  // namespace
}  // namespace tocsin::protocol::wire
