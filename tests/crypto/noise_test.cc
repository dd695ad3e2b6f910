#include "crypto/noise.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "crypto/codes.h"
#include "tests/crypto/random_for_tests.h"
#include "tests/support/expect.h"

namespace tocsin::crypto {
namespace {

using test::code_of;

// Two nodes on the way to a session.
struct Pair {
  explicit Pair(std::uint64_t seed = 1)
      : random(seed), a(TransportKeyPair::generate(random)), b(TransportKeyPair::generate(random)) {}

  void start(const PairKey* psk_of_a = nullptr, const PairKey* psk_of_b = nullptr) {
    initiator = take(NoiseXKpsk3::initiator(a, b.public_key(), psk_of_a, prologue_a, random));
    responder = take(NoiseXKpsk3::responder(
        b, [psk_of_b](const TransportPublic&) { return psk_of_b; }, prologue_b, random));
  }

  // Runs the handshake; the code of the first failure, or "".
  std::string run(ByteView payload = {}) {
    const auto m1 = initiator->write_message({});
    if (const auto r = responder->read_message(m1.value()); !r) return code_of(r);
    const auto m2 = responder->write_message({});
    if (const auto r = initiator->read_message(m2.value()); !r) return code_of(r);
    const auto m3 = initiator->write_message(payload);
    const auto r = responder->read_message(m3.value());
    if (!r) return code_of(r);
    received = *r;
    return "";
  }

  SeededRandom random;
  TransportKeyPair a;
  TransportKeyPair b;
  Bytes prologue_a = noise_prologue(1, "test");
  Bytes prologue_b = noise_prologue(1, "test");
  std::optional<HandshakeState> initiator;
  std::optional<HandshakeState> responder;
  Bytes received;
};

Bytes with_room(std::string_view text) {
  Bytes out = to_bytes(as_bytes(text));
  out.resize(out.size() + kNoiseTag);
  return out;
}

TEST(Noise, rule_42_the_handshake_is_xkpsk3_with_the_stated_sizes) {
  EXPECT_EQ(NoiseXKpsk3::kProtocolName, "Noise_XKpsk3_25519_ChaChaPoly_BLAKE2b");
  Pair pair;
  pair.start();
  EXPECT_TRUE(pair.initiator->my_turn());
  EXPECT_FALSE(pair.responder->my_turn());
  EXPECT_EQ(pair.responder->next_message_overhead(), NoiseXKpsk3::kMessage1Size);
  const Bytes m1 = pair.initiator->write_message({}).value();
  EXPECT_EQ(m1.size(), NoiseXKpsk3::kMessage1Size);
  ASSERT_TRUE(pair.responder->read_message(m1));
  const Bytes m2 = pair.responder->write_message({}).value();
  EXPECT_EQ(m2.size(), NoiseXKpsk3::kMessage2Size);
  ASSERT_TRUE(pair.initiator->read_message(m2));
  const Bytes m3 = pair.initiator->write_message(as_bytes("end of the log")).value();
  EXPECT_EQ(m3.size(), NoiseXKpsk3::kMessage3Overhead + 14);
  EXPECT_EQ(pair.responder->next_message_overhead(), NoiseXKpsk3::kMessage3Overhead);
  EXPECT_EQ(as_text(pair.responder->read_message(m3).value()), "end of the log");
  EXPECT_TRUE(pair.initiator->finished() && pair.responder->finished());
  EXPECT_EQ(pair.responder->remote_static(), pair.a.public_key());
  EXPECT_EQ(pair.initiator->handshake_hash(), pair.responder->handshake_hash());
}

TEST(Noise, rule_42_without_a_pair_key_the_psk_is_all_zero) {
  Pair pair;
  const PairKey zero = PairKey::zero();
  pair.start(nullptr, &zero);
  EXPECT_EQ(pair.run(), "");
  pair.start(&zero, nullptr);
  EXPECT_EQ(pair.run(), "");
}

TEST(Noise, rule_42_a_pair_key_must_be_set_on_both_sides) {
  Pair pair;
  const PairKey psk = PairKey::random(pair.random);
  const PairKey other = PairKey::random(pair.random);
  pair.start(&psk, &psk);
  EXPECT_EQ(pair.run(), "");
  pair.start(&psk, nullptr);
  EXPECT_EQ(pair.run(), "noise_decrypt_failed");
  pair.start(nullptr, &psk);
  EXPECT_EQ(pair.run(), "noise_decrypt_failed");
  pair.start(&psk, &other);
  EXPECT_EQ(pair.run(), "noise_decrypt_failed");
}

TEST(Noise, rule_42_the_pair_key_is_chosen_by_who_calls) {
  Pair pair;
  const PairKey psk = PairKey::random(pair.random);
  pair.start(&psk, &psk);
  std::optional<TransportPublic> asked;
  const auto find = [&](const TransportPublic& caller) {
    asked = caller;
    return &psk;
  };
  pair.responder = take(NoiseXKpsk3::responder(pair.b, find, pair.prologue_b, pair.random));
  EXPECT_EQ(pair.run(), "");
  EXPECT_EQ(asked, pair.a.public_key());
}

TEST(Noise, rule_43_another_major_version_or_network_fails) {
  Pair pair;
  for (const Bytes& prologue : {noise_prologue(2, "test"), noise_prologue(1, "tesu"), noise_prologue(1, "")}) {
    pair.prologue_b = prologue;
    pair.start();
    EXPECT_EQ(pair.run(), "noise_decrypt_failed");
  }
}

TEST(Noise, rule_43_the_third_message_carries_a_payload) {
  Pair pair;
  pair.start();
  const Bytes payload(kNoiseMessageMax - NoiseXKpsk3::kMessage3Overhead, 5);
  EXPECT_EQ(pair.run(payload), "");
  EXPECT_EQ(pair.received, payload);
}

TEST(Noise, AWrongResponderKeyFailsAtTheFirstMessage) {
  Pair pair;
  pair.start();
  pair.initiator = take(NoiseXKpsk3::initiator(pair.a, pair.a.public_key(), nullptr, pair.prologue_a, pair.random));
  EXPECT_FALSE(pair.responder->read_message(pair.initiator->write_message({}).value()));
}

TEST(Noise, EveryFlippedByteOfEveryMessageFails) {
  for (int message = 1; message <= 3; ++message) {
    const std::size_t size = message == 3 ? NoiseXKpsk3::kMessage3Overhead : NoiseXKpsk3::kMessage1Size;
    for (std::size_t at = 0; at < size; ++at) {
      Pair pair;
      pair.start();
      Bytes m = pair.initiator->write_message({}).value();
      if (message > 1) {
        ASSERT_TRUE(pair.responder->read_message(m));
        m = pair.responder->write_message({}).value();
      }
      if (message > 2) {
        ASSERT_TRUE(pair.initiator->read_message(m));
        m = pair.initiator->write_message({}).value();
      }
      HandshakeState& reader = message == 2 ? *pair.initiator : *pair.responder;
      EXPECT_FALSE(reader.read_message(flipped(m, at))) << message << " " << at;
      EXPECT_EQ(code_of(reader.read_message(m)), "noise_bad_state") << "a failure is final";
      EXPECT_FALSE(reader.finished());
      EXPECT_EQ(code_of(reader.split()), "noise_bad_state");
    }
  }
}

TEST(Noise, rule_06_cut_and_oversized_messages_fail) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{31}, std::size_t{47}, kNoiseMessageMax + 1}) {
    Pair pair;
    pair.start();
    EXPECT_EQ(code_of(pair.responder->read_message(Bytes(size))), "noise_message_size") << size;
  }
}

TEST(Noise, rule_02_bad_ephemeral_keys_are_refused) {
  Pair pair;
  pair.start();
  Bytes message(48);
  EXPECT_EQ(code_of(pair.responder->read_message(message)), "all_zero_result");
  pair.start();
  message.assign(48, 0xff);
  EXPECT_EQ(code_of(pair.responder->read_message(message)), "non_canonical_key");
}

TEST(Noise, rule_02_a_bad_ephemeral_key_is_refused_before_it_is_used) {
  SeededRandom random;
  HandshakeConfig config;
  config.protocol_name = "Noise_NN_25519_ChaChaPoly_BLAKE2b";
  config.role = NoiseRole::kResponder;
  HandshakeState responder = take(HandshakeState::create(config, random));
  EXPECT_EQ(code_of(responder.read_message(Bytes(32, 0xff))), "non_canonical_key");
}

TEST(Noise, TurnsAreKept) {
  Pair pair;
  pair.start();
  EXPECT_EQ(code_of(pair.responder->write_message({})), "noise_bad_state");
  EXPECT_EQ(code_of(pair.initiator->read_message(Bytes(48))), "noise_bad_state");
  EXPECT_EQ(code_of(pair.initiator->split()), "noise_bad_state");
  EXPECT_EQ(code_of(pair.initiator->write_message(Bytes(kNoiseMessageMax))), "noise_message_size");
  EXPECT_EQ(pair.run(), "") << "mistakes of the caller's do not spoil the handshake";
  EXPECT_EQ(code_of(pair.initiator->write_message({})), "noise_bad_state");
  EXPECT_TRUE(pair.initiator->split());
  EXPECT_EQ(code_of(pair.initiator->split()), "noise_bad_state") << "once";
}

TEST(Noise, MissingKeysAndUnknownNamesAreRefused) {
  SeededRandom random;
  const auto ours = TransportKeyPair::generate(random);
  HandshakeConfig config;
  for (const char* name : {"", "Noise_XK_25519_AESGCM_BLAKE2b", "Noise_XKpsk4_25519_ChaChaPoly_BLAKE2b",
                           "Noise_XXfallback_25519_ChaChaPoly_BLAKE2b", "Noise_Q_25519_ChaChaPoly_BLAKE2b",
                           "Noise_XKpsk3+psk3_25519_ChaChaPoly_BLAKE2b", "Noise__25519_ChaChaPoly_BLAKE2b",
                           "Noise_NNpsk_25519_ChaChaPoly_BLAKE2b", "Noise_NN+_25519_ChaChaPoly_BLAKE2b",
                           "Noise_NNpsk00_25519_ChaChaPoly_BLAKE2b", "Noise_NNpsk-1_25519_ChaChaPoly_BLAKE2b"}) {
    config.protocol_name = name;
    EXPECT_EQ(code_of(HandshakeState::create(config, random)), "noise_unknown_protocol") << name;
  }
  config.protocol_name = "Noise_XKpsk3_25519_ChaChaPoly_BLAKE2b";
  EXPECT_EQ(code_of(HandshakeState::create(config, random)), "noise_missing_key") << "own key";
  config.local_static = &ours;
  EXPECT_EQ(code_of(HandshakeState::create(config, random)), "noise_missing_key") << "peer's key";
  config.remote_static = ours.public_key();
  EXPECT_EQ(code_of(HandshakeState::create(config, random)), "noise_missing_key") << "psk";
  const PairKey psk = PairKey::zero();
  config.psks = {&psk};
  EXPECT_TRUE(HandshakeState::create(config, random));
  config.remote_static->data()[31] |= 0x80;
  EXPECT_EQ(code_of(HandshakeState::create(config, random)), "non_canonical_key");
}

struct Session {
  explicit Session(std::uint64_t seed = 1) {
    Pair pair(seed);
    pair.start();
    EXPECT_EQ(pair.run(), "");
    a = take(pair.initiator->split());
    b = take(pair.responder->split());
  }
  std::optional<SessionKeys> a;
  std::optional<SessionKeys> b;
};

TEST(CipherState, BothDirectionsWork) {
  Session session;
  EXPECT_EQ(session.a->handshake_hash, session.b->handshake_hash);
  for (int i = 0; i < 3; ++i) {
    Bytes buffer = with_room("hello");
    ASSERT_TRUE(session.a->send.encrypt_in_place(buffer));
    EXPECT_EQ(as_text(session.b->receive.decrypt_in_place(buffer).value()), "hello");
    buffer = with_room("good day");
    ASSERT_TRUE(session.b->send.encrypt_in_place(buffer));
    EXPECT_EQ(as_text(session.a->receive.decrypt_in_place(buffer).value()), "good day");
  }
  EXPECT_EQ(session.a->send.nonce(), 3u);
}

TEST(CipherState, ReplayedReorderedAndChangedMessagesFail) {
  Session session;
  Bytes first = with_room("one");
  Bytes second = with_room("two");
  ASSERT_TRUE(session.a->send.encrypt_in_place(first));
  ASSERT_TRUE(session.a->send.encrypt_in_place(second));
  Bytes copy = second;
  EXPECT_EQ(code_of(session.b->receive.decrypt_in_place(copy)), "noise_decrypt_failed") << "too early";
  copy = first;
  EXPECT_TRUE(session.b->receive.decrypt_in_place(copy)) << "a failure does not move the counter";
  copy = first;
  EXPECT_EQ(code_of(session.b->receive.decrypt_in_place(copy)), "noise_decrypt_failed") << "replayed";
  copy = flipped(second, 0);
  EXPECT_EQ(code_of(session.b->receive.decrypt_in_place(copy)), "noise_decrypt_failed") << "changed";
  copy = second;
  EXPECT_EQ(code_of(session.b->receive.decrypt_in_place(copy, as_bytes("ad"))), "noise_decrypt_failed");
  EXPECT_TRUE(session.b->receive.decrypt_in_place(second));
}

TEST(CipherState, SizesAndTheCounterAreBounded) {
  Session session;
  Bytes tiny(15);
  Bytes huge(kNoiseMessageMax + 1);
  EXPECT_EQ(code_of(session.a->send.encrypt_in_place(tiny)), "noise_message_size");
  EXPECT_EQ(code_of(session.a->send.encrypt_in_place(huge)), "noise_message_size");
  EXPECT_EQ(code_of(session.a->receive.decrypt_in_place(tiny)), "noise_message_size");
  EXPECT_EQ(code_of(session.a->receive.decrypt_in_place(huge)), "noise_message_size");
  const std::uint64_t last = ~std::uint64_t{0} - 1;
  session.a->send.set_nonce(last);
  session.b->receive.set_nonce(last);
  Bytes buffer = with_room("last");
  ASSERT_TRUE(session.a->send.encrypt_in_place(buffer));
  EXPECT_TRUE(session.b->receive.decrypt_in_place(buffer));
  buffer = with_room("one more");
  EXPECT_EQ(code_of(session.a->send.encrypt_in_place(buffer)), "noise_nonce_exhausted");
  EXPECT_EQ(code_of(session.b->receive.decrypt_in_place(buffer)), "noise_nonce_exhausted");
}

TEST(CipherState, rule_46_a_ratcheted_key_opens_nothing_from_before) {
  Session session;
  Bytes before = with_room("before");
  ASSERT_TRUE(session.a->send.encrypt_in_place(before));
  const Bytes kept = before;
  ASSERT_TRUE(session.b->receive.decrypt_in_place(before));
  session.a->send.rekey();
  Bytes after = with_room("after");
  ASSERT_TRUE(session.a->send.encrypt_in_place(after));
  Bytes copy = after;
  EXPECT_EQ(code_of(session.b->receive.decrypt_in_place(copy)), "noise_decrypt_failed") << "both sides ratchet";
  session.b->receive.rekey();
  EXPECT_EQ(as_text(session.b->receive.decrypt_in_place(after).value()), "after");
  session.b->receive.set_nonce(0);
  copy = kept;
  EXPECT_EQ(code_of(session.b->receive.decrypt_in_place(copy)), "noise_decrypt_failed");
}

RC_GTEST_PROP(CipherState, RoundTrip, (std::uint64_t seed, const Bytes& text, const Bytes& associated)) {
  Session session(seed);
  Bytes buffer = text;
  buffer.resize(buffer.size() + kNoiseTag);
  RC_ASSERT(session.a->send.encrypt_in_place(buffer, associated).ok());
  const auto opened = session.b->receive.decrypt_in_place(buffer, associated);
  RC_ASSERT(opened.ok());
  RC_ASSERT(to_bytes(*opened) == text);
}

TEST(NoisePatterns, ModifiersPlaceTheirTokens) {
  const auto pattern = find_noise_pattern("XXpsk0+psk3");
  ASSERT_TRUE(pattern);
  EXPECT_EQ(pattern->psk_count(), 2u);
  EXPECT_EQ(pattern->messages[0].front(), NoiseToken::kPsk);
  EXPECT_EQ(pattern->messages[2].back(), NoiseToken::kPsk);
  EXPECT_TRUE(pattern->initiator_has_static() && pattern->responder_has_static());
  EXPECT_TRUE(find_noise_pattern("X")->one_way());
  EXPECT_FALSE(find_noise_pattern("NN")->initiator_has_static());
  EXPECT_FALSE(find_noise_pattern("xx"));
}

}  // namespace
}  // namespace tocsin::crypto
