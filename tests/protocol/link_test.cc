#include "protocol/link.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "crypto/codes.h"
#include "protocol/entry.h"
#include "tests/support/seeded_random.h"

namespace tocsin::protocol {
namespace {

using crypto::PairKey;
using crypto::TransportPublic;
using test::SeededRandom;

constexpr std::string_view kNetwork = "test-network";

NodeSecrets make_secrets(SeededRandom& random) {
  return {crypto::TransportKeyPair::generate(random), SecondTier{crypto::SigningKey::generate(random),
                                                                 crypto::EncryptionKeyPair::generate(random),
                                                                 {},
                                                                 ReadingKey::random(random)}};
}

// An entry byte string of the right shape; whether it verifies is not the link's affair.
Bytes some_entry(std::uint8_t fill, std::size_t body_bytes) {
  EntryHeader header;
  header.type = LogType::kOrganisation;
  header.number = {1};
  header.body_bytes = static_cast<std::uint32_t>(body_bytes);
  header.log = LogKey{{fill}};
  return encode_entry({header.encode(), Bytes(kRootSignatureBytes, fill), Bytes(body_bytes, fill)});
}

struct Two {
  SeededRandom random{7};
  NodeSecrets caller = make_secrets(random);
  NodeSecrets callee = make_secrets(random);
  std::optional<PairKey> caller_psk;
  std::optional<PairKey> callee_psk;
  std::string_view callee_network = kNetwork;
  std::vector<Bytes> log_end;
  std::optional<TransportPublic> dialled;
  OwnKey own = OwnKey::kInUse;

  std::optional<Link> a, b;

  void start() {
    auto initiator = Link::initiator(caller, dialled.value_or(callee.transport.public_key()), kNetwork,
                                     caller_psk ? &*caller_psk : nullptr, log_end, random, own);
    auto responder = Link::responder(
        callee, callee_network, [this](const TransportPublic&) { return callee_psk ? &*callee_psk : nullptr; }, random);
    ASSERT_TRUE(initiator && responder);
    a = std::move(*initiator);
    b = std::move(*responder);
  }
  // Gives the next message of `from` to `to`, changed by `change`.
  static Result<void> step(Link& from, Link& to, const std::function<void(Bytes&)>& change = {}) {
    auto message = from.write_handshake();
    if (!message) return message.error();
    EXPECT_EQ(load_le16(message->data()), message->size() - kLinkSizeBytes);
    message->erase(message->begin(), message->begin() + kLinkSizeBytes);
    if (change) change(*message);
    return to.read_handshake(*message);
  }
  Result<void> shake() {
    TOCSIN_TRY(step(*a, *b));
    TOCSIN_TRY(step(*b, *a));
    return step(*a, *b);
  }
};

// Sends `frame`, and gives what the other side makes of the bytes on the wire after `change`.
Result<Bytes> pass(Link& from, Link& to, ByteView frame, const std::function<void(Bytes&)>& change = {}) {
  Bytes wire(kLinkSizeBytes + frame.size() + kSealOverheadBytes);
  std::copy(frame.begin(), frame.end(), wire.begin() + kLinkSizeBytes);
  TOCSIN_TRY(from.seal(wire));
  EXPECT_EQ(load_le16(wire.data()), wire.size() - kLinkSizeBytes);
  if (change) change(wire);
  auto opened = to.open(MutableByteView(wire).subspan(kLinkSizeBytes));
  if (!opened) return opened.error();
  return to_bytes(*opened);
}

// After any error a link gives nothing more, whatever is called.
void expect_dead(Link& link) {
  EXPECT_FALSE(link.established());
  EXPECT_FALSE(link.wants_to_write());
  EXPECT_FALSE(link.write_handshake());
  EXPECT_FALSE(link.read_handshake(Bytes(48)));
  Bytes buffer(100);
  EXPECT_FALSE(link.seal(buffer));
  EXPECT_FALSE(link.open(buffer));
}

TEST(Link, rule_42_both_sides_agree_on_keys_and_know_each_other) {
  Two two;
  two.start();
  ASSERT_TRUE(two.shake());
  ASSERT_TRUE(two.a->established() && two.b->established());
  EXPECT_EQ(two.a->role(), LinkRole::kInitiator);
  EXPECT_EQ(two.b->role(), LinkRole::kResponder);
  EXPECT_EQ(two.a->handshake_hash(), two.b->handshake_hash());
  EXPECT_EQ(two.a->remote(), two.callee.transport.public_key());
  EXPECT_EQ(two.b->remote(), two.caller.transport.public_key());
  EXPECT_EQ(*pass(*two.a, *two.b, as_bytes("to the callee")), to_bytes(as_bytes("to the callee")));
  EXPECT_EQ(*pass(*two.b, *two.a, as_bytes("and back")), to_bytes(as_bytes("and back")));
}

TEST(Link, rule_42_pre_shared_keys_must_be_equal) {
  for (const bool same : {true, false}) {
    Two two;
    two.caller_psk = PairKey::random(two.random);
    two.callee_psk = same ? two.caller_psk->clone() : PairKey::random(two.random);
    two.start();
    EXPECT_EQ(two.shake().ok(), same);
  }
  Two only_one;
  only_one.caller_psk = PairKey::random(only_one.random);
  only_one.start();
  EXPECT_FALSE(only_one.shake());
}

TEST(Link, rule_43_networks_do_not_talk_to_each_other) {
  Two two;
  two.callee_network = "another-network";
  two.start();
  EXPECT_FALSE(two.shake());
  expect_dead(*two.b);
}

TEST(Link, rule_43_third_message_carries_the_newest_entries_that_fit) {
  Two two;
  for (std::uint8_t i = 0; i < 20; ++i) two.log_end.push_back(some_entry(i, 1000));
  two.start();
  ASSERT_TRUE(two.shake());
  const std::vector<Bytes>& got = two.b->remote_log_end();
  // 8,192 - 64 bytes hold six entries of 4 + 1,219 bytes and the count.
  ASSERT_EQ(got.size(), 6u);
  EXPECT_TRUE(std::equal(got.begin(), got.end(), two.log_end.end() - 6));
  EXPECT_TRUE(two.a->remote_log_end().empty());
}

TEST(Link, ThirdMessageMayHaveNoPayload) {
  Two two;
  two.start();
  ASSERT_TRUE(Two::step(*two.a, *two.b));
  ASSERT_TRUE(Two::step(*two.b, *two.a));
  auto third = two.a->write_handshake();
  ASSERT_TRUE(third);
  EXPECT_EQ(third->size(), kLinkSizeBytes + 64);
  ASSERT_TRUE(two.b->read_handshake(ByteView(*third).subspan(kLinkSizeBytes)));
  EXPECT_TRUE(two.b->remote_log_end().empty());
}

TEST(Link, EntryThatNeverFitsIsLeftOut) {
  Two two;
  two.log_end.push_back(some_entry(1, 9000));
  two.start();
  ASSERT_TRUE(two.shake());
  EXPECT_TRUE(two.b->remote_log_end().empty());
}

TEST(Link, rule_44_every_failure_leaves_the_same_silence) {
  using Change = std::function<void(Bytes&)>;
  const std::vector<Change> changes = {
      [](Bytes& m) { m[0] ^= 1; },      // another ephemeral key
      [](Bytes& m) { m.back() ^= 1; },  // a bad tag
      [](Bytes& m) { m.pop_back(); },
      [](Bytes& m) { m.push_back(0); },
      [](Bytes& m) { m.clear(); },
      [](Bytes& m) { m.assign(65'535, 7); },
      [](Bytes& m) { std::fill_n(m.begin(), std::min<std::size_t>(32, m.size()), 0xff); },  // non-canonical key
      [](Bytes& m) { std::fill_n(m.begin(), std::min<std::size_t>(32, m.size()), 0); },     // low-order key
  };
  for (int message = 1; message <= 3; ++message) {
    for (std::size_t i = 0; i < changes.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "message " << message << ", change " << i);
      Two two;
      two.log_end.push_back(some_entry(3, 100));
      two.start();
      Link* from = &*two.a;
      Link* to = &*two.b;
      for (int before = 1; before < message; ++before, std::swap(from, to)) ASSERT_TRUE(Two::step(*from, *to));
      const auto failed = Two::step(*from, *to, changes[i]);
      ASSERT_FALSE(failed);
      EXPECT_EQ(failed.error().origin, Origin::kPeer);
      expect_dead(*to);
    }
  }
}

// A node whose transport key is being changed: the next one before its organisation's log names it, the one before
// after that.
TEST(Link, rule_18_a_responder_takes_both_of_its_transport_keys) {
  for (const bool other : {false, true}) {
    SCOPED_TRACE(other);
    Two two;
    two.callee.transport_other = crypto::TransportKeyPair::generate(two.random);
    two.caller_psk = PairKey::random(two.random);
    two.callee_psk = two.caller_psk->clone();
    two.log_end.push_back(some_entry(5, 100));
    two.dialled = other ? two.callee.transport_other->public_key() : two.callee.transport.public_key();
    two.start();
    ASSERT_TRUE(two.shake());
    EXPECT_EQ(two.a->remote(), *two.dialled);
    EXPECT_EQ(two.a->handshake_hash(), two.b->handshake_hash());
    EXPECT_EQ(two.b->remote(), two.caller.transport.public_key());
    EXPECT_EQ(two.b->remote_log_end(), two.log_end);
    const Bytes frame(100, 7);
    EXPECT_EQ(*pass(*two.a, *two.b, frame), frame);
    EXPECT_EQ(*pass(*two.b, *two.a, frame), frame);
  }
}

TEST(Link, rule_18_a_key_given_up_is_taken_no_more_and_gets_the_same_silence) {
  Two two;
  two.dialled = two.callee.transport.public_key();
  for (int renewed = 0; renewed < 2; ++renewed) {
    auto next = crypto::TransportKeyPair::generate(two.random);
    two.callee.transport_other = std::exchange(two.callee.transport, std::move(next));
  }
  two.start();
  const auto failed = Two::step(*two.a, *two.b);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().origin, Origin::kPeer);
  expect_dead(*two.b);
}

TEST(Link, rule_18_an_initiator_shows_the_key_in_use_or_the_other) {
  Two two;
  two.own = OwnKey::kOther;
  two.start();
  ASSERT_TRUE(two.shake());
  EXPECT_EQ(two.b->remote(), two.caller.transport.public_key()) << "it has no other";
  two.caller.transport_other = crypto::TransportKeyPair::generate(two.random);
  two.start();
  ASSERT_TRUE(two.shake());
  EXPECT_EQ(two.b->remote(), two.caller.transport_other->public_key());
  two.own = OwnKey::kInUse;
  two.start();
  ASSERT_TRUE(two.shake());
  EXPECT_EQ(two.b->remote(), two.caller.transport.public_key());
}

TEST(Link, rule_44_authentic_but_malformed_log_end_fails_like_the_rest) {
  // A caller that holds all the right keys and sends rubbish as its log.
  SeededRandom random(9);
  const NodeSecrets caller = make_secrets(random);
  const NodeSecrets callee = make_secrets(random);
  const Bytes entry = some_entry(1, 10);
  Bytes good(5);
  good[0] = 1;
  store_le32(&good[1], static_cast<std::uint32_t>(entry.size()));
  append(good, entry);
  Bytes wrong_count = good, trailing = good, cut = good, bad_size = good, bad_entry = good;
  wrong_count[0] = 2;
  trailing.push_back(0);
  cut.resize(100);
  store_le32(&bad_size[1], 0xffffffff);
  store_le16(&bad_entry[5], 0xffff);
  for (const Bytes& payload : {good, Bytes{0}, wrong_count, trailing, cut, bad_size, bad_entry}) {
    auto a = crypto::NoiseXKpsk3::initiator(caller.transport, callee.transport.public_key(), nullptr,
                                            crypto::noise_prologue(kWireMajor, kNetwork), random);
    auto b = Link::responder(callee, kNetwork, {}, random);
    ASSERT_TRUE(a && b);
    ASSERT_TRUE(b->read_handshake(*a->write_message({})));
    ASSERT_TRUE(a->read_message(ByteView(*b->write_handshake()).subspan(kLinkSizeBytes)));
    const auto read = b->read_handshake(*a->write_message(payload));
    EXPECT_EQ(read.ok(), payload == good);
    if (!read) expect_dead(*b);
  }
}

TEST(Link, rule_45_sizes_are_known_before_anything_is_read) {
  Two two;
  two.start();
  using Sizes = std::pair<std::size_t, std::size_t>;
  EXPECT_EQ(two.b->handshake_size(), Sizes(48, 48));
  ASSERT_TRUE(Two::step(*two.a, *two.b));
  EXPECT_EQ(two.a->handshake_size(), Sizes(48, 48));
  ASSERT_TRUE(Two::step(*two.b, *two.a));
  EXPECT_EQ(two.b->handshake_size(), Sizes(64, 8192));
  const auto read = two.b->read_handshake(Bytes(8193));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, kHandshakeSize);
}

TEST(Link, CallsOutOfTurnAreRefused) {
  Two two;
  two.start();
  EXPECT_FALSE(two.a->established());
  EXPECT_TRUE(two.a->wants_to_write());
  EXPECT_FALSE(two.b->wants_to_write());
  EXPECT_EQ(two.b->write_handshake().error().code, kLinkFailed);
  Bytes buffer(100);
  EXPECT_EQ(two.a->seal(buffer).error().code, kLinkFailed);
  EXPECT_EQ(two.a->open(buffer).error().code, kLinkFailed);
  EXPECT_EQ(two.a->read_handshake(Bytes(48)).error().code, kLinkFailed);
  expect_dead(*two.a);
}

TEST(Link, FramesAreOneToSixtyFiveThousandBytes) {
  Two two;
  two.start();
  ASSERT_TRUE(two.shake());
  Bytes buffer(kLinkSizeBytes + kSealOverheadBytes);
  EXPECT_EQ(two.a->seal(buffer).error().code, kBadFrameBytes);
  buffer.resize(kLinkSizeBytes + kFrameBytesMax + kSealOverheadBytes + 1);
  EXPECT_EQ(two.a->seal(buffer).error().code, kBadFrameBytes);
  EXPECT_EQ(pass(*two.a, *two.b, Bytes(kFrameBytesMax, 5))->size(), kFrameBytesMax);
  EXPECT_EQ(pass(*two.a, *two.b, Bytes(1, 5))->size(), 1u);
  Bytes empty(kSealOverheadBytes);
  EXPECT_EQ(two.b->open(empty).error().code, kBadFrameBytes);
}

TEST(Link, ChangedReplayedReorderedOrReflectedFramesEndTheLink) {
  const auto changed = [](const std::function<void(Bytes&)>& change) {
    Two two;
    two.start();
    EXPECT_TRUE(two.shake());
    return pass(*two.a, *two.b, Bytes(200, 1), change).error().code;
  };
  EXPECT_EQ(changed([](Bytes& w) { w[2] ^= 1; }), crypto::kNoiseDecryptFailed);
  EXPECT_EQ(changed([](Bytes& w) { w.back() ^= 128; }), crypto::kNoiseDecryptFailed);
  EXPECT_EQ(changed([](Bytes& w) { w.pop_back(); }), crypto::kNoiseDecryptFailed);

  Two two;
  two.start();
  ASSERT_TRUE(two.shake());
  Bytes first(kLinkSizeBytes + 10 + kSealOverheadBytes), second = first;
  ASSERT_TRUE(two.a->seal(first) && two.a->seal(second));
  Bytes replayed = first, reflected = first;
  EXPECT_FALSE(two.a->open(MutableByteView(reflected).subspan(kLinkSizeBytes)));
  ASSERT_TRUE(two.b->open(MutableByteView(first).subspan(kLinkSizeBytes)));
  EXPECT_FALSE(two.b->open(MutableByteView(replayed).subspan(kLinkSizeBytes)));
  expect_dead(*two.b);

  Two other;
  other.start();
  ASSERT_TRUE(other.shake());
  Bytes one(kLinkSizeBytes + 10 + kSealOverheadBytes), two_ahead = one;
  ASSERT_TRUE(other.a->seal(one) && other.a->seal(two_ahead));
  EXPECT_FALSE(other.b->open(MutableByteView(two_ahead).subspan(kLinkSizeBytes)));
}

TEST(Link, rule_46_each_direction_is_rekeyed_after_65536_frames) {
  // The caller's half is bare Noise, so that it can rekey at the right frame, or not.
  for (const bool rekeys : {true, false}) {
    SeededRandom random(11);
    const NodeSecrets caller = make_secrets(random);
    const NodeSecrets callee = make_secrets(random);
    auto a = crypto::NoiseXKpsk3::initiator(caller.transport, callee.transport.public_key(), nullptr,
                                            crypto::noise_prologue(kWireMajor, kNetwork), random);
    auto b = Link::responder(callee, kNetwork, {}, random);
    ASSERT_TRUE(a && b);
    ASSERT_TRUE(b->read_handshake(*a->write_message({})));
    ASSERT_TRUE(a->read_message(ByteView(*b->write_handshake()).subspan(kLinkSizeBytes)));
    ASSERT_TRUE(b->read_handshake(*a->write_message({})));
    auto keys = a->split();
    ASSERT_TRUE(keys);

    Bytes in(1 + kSealOverheadBytes), out(kLinkSizeBytes + 1 + kSealOverheadBytes);
    for (std::uint64_t i = 0; i < kRekeyFrames; ++i) {
      ASSERT_TRUE(keys->send.encrypt_in_place(in));
      ASSERT_TRUE(b->open(in));
      ASSERT_TRUE(b->seal(out));
      ASSERT_TRUE(keys->receive.decrypt_in_place(MutableByteView(out).subspan(kLinkSizeBytes)));
    }
    if (rekeys) {
      keys->send.rekey();
      keys->receive.rekey();
    }
    ASSERT_TRUE(b->seal(out));
    EXPECT_EQ(keys->receive.decrypt_in_place(MutableByteView(out).subspan(kLinkSizeBytes)).ok(), rekeys);
    ASSERT_TRUE(keys->send.encrypt_in_place(in));
    EXPECT_EQ(b->open(in).ok(), rekeys);
  }
}

RC_GTEST_PROP(Link, AnyBytesInAnyHandshakeStepAreRefusedWithoutHarm, (std::uint8_t step, const Bytes& bytes)) {
  Two two;
  two.start();
  if (step % 3 >= 1) RC_ASSERT(Two::step(*two.a, *two.b).ok());
  if (step % 3 == 2) RC_ASSERT(Two::step(*two.b, *two.a).ok());
  Link& reader = step % 3 == 1 ? *two.a : *two.b;
  RC_ASSERT(!reader.read_handshake(bytes));
  expect_dead(reader);
}

}  // namespace
}  // namespace tocsin::protocol
