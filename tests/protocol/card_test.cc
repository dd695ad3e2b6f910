#include "protocol/card.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "crypto/hash.h"
#include "crypto/text_code.h"
#include "protocol/canonical.h"
#include "protocol/identity.capnp.h"
#include "tests/support/example_identity.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::example_card;
using test::ExampleCard;
using test::kExampleTime;
using test::SeededRandom;

constexpr std::string_view kNetwork = "tocsin-test";
constexpr std::string_view kPrefix = "tocsin1";
constexpr std::size_t kMessageAt = 1 + 64;

std::string open(std::string_view text) {
  crypto::Verifier verifier;
  return code_of(open_card(text, kNetwork, verifier));
}

// The text of a card with any message, signed by this key.
std::string signed_text(ByteView message, const crypto::SigningKey& key) {
  Bytes bytes{1};
  append(bytes, key.sign(crypto::kLabelCard, {message}).view());
  append(bytes, message);
  return crypto::encode_text(kPrefix, bytes);
}

struct CardTest : testing::Test {
  ExampleCard example = example_card(1);

  // The card after a change, signed anew by its node.
  template <class Change>
  std::string with(Change change) {
    Card card = example.card;
    change(card);
    return test::must(encode_card(card, example.node.signing));
  }
  Bytes bytes() { return test::must(crypto::decode_text(kPrefix, example.text)); }
};

TEST_F(CardTest, is_one_line_and_is_read_back) {
  EXPECT_TRUE(example.text.starts_with(kPrefix));
  EXPECT_EQ(example.text.find_first_of(" \n\t"), std::string::npos);
  crypto::Verifier verifier;
  const auto card = open_card(example.text, kNetwork, verifier);
  ASSERT_TRUE(card) << card.error().detail;
  EXPECT_EQ(card->org.id(), example.org.log.id());
  EXPECT_EQ(card->org.head_hash(), example.org.log.head_hash());
  EXPECT_EQ(card->node, example.node.certificate);
  EXPECT_EQ(card->card.addresses, example.card.addresses);
  EXPECT_EQ(card->card.network, kNetwork);
  EXPECT_EQ(card->card.issued, kExampleTime);
  EXPECT_EQ(card->card.org_log.size(), 2u);
  ASSERT_TRUE(card->prekeys);
  EXPECT_EQ(card->prekeys->keys.size(), 12u);
}

TEST_F(CardTest, is_the_same_on_every_machine) {
  EXPECT_EQ(example.text, example_card(1).text);
  EXPECT_NE(example.text, example_card(2).text);
  // A change here changes the format that is out in the world: then docs/protocol.md and the version change too.
  EXPECT_EQ(to_hex(crypto::hash256(crypto::kPersonalTextSum, {as_bytes(example.text)}).view().first(8)),
            "869463ca7be49ebe");
}

TEST_F(CardTest, survives_mail_and_shouting) {
  std::string mailed;
  for (std::size_t i = 0; i < example.text.size(); ++i) {
    mailed.push_back(i % 3 == 0 && example.text[i] >= 'a' ? static_cast<char>(example.text[i] - 0x20)
                                                          : example.text[i]);
    if (i % 70 == 69) mailed += "\r\n ";
  }
  EXPECT_EQ(open("  " + mailed + "\n"), "ok");
}

TEST_F(CardTest, may_have_no_address_and_no_prekeys) {
  EXPECT_EQ(open(with([](Card& c) {
              c.addresses.clear();
              c.prekeys.clear();
            })),
            "ok");
}

TEST_F(CardTest, text_is_checked) {
  EXPECT_EQ(open(""), "bad_prefix");
  EXPECT_EQ(open("tocsin2" + example.text.substr(7)), "bad_prefix");
  EXPECT_EQ(open(example.text.substr(0, example.text.size() - 8)), "bad_checksum");
  std::string typo = example.text;
  typo[100] = typo[100] == 'a' ? 'b' : 'a';
  EXPECT_EQ(open(typo), "bad_checksum");
  typo[100] = '!';
  EXPECT_EQ(open(typo), "bad_character");
  EXPECT_EQ(open("tocsin1" + std::string(1'000'000, 'a')), "too_long");
}

TEST_F(CardTest, layout_is_checked) {
  Bytes other = bytes();
  other[0] = 2;
  EXPECT_EQ(open(crypto::encode_text(kPrefix, other)), "bad_card");
  EXPECT_EQ(open(crypto::encode_text(kPrefix, {})), "bad_card");
  EXPECT_EQ(open(crypto::encode_text(kPrefix, ByteView(bytes()).first(kMessageAt))), "bad_card");
  EXPECT_EQ(open(crypto::encode_text(kPrefix, ByteView(bytes()).first(kMessageAt + 8))), "not_canonical");
}

TEST_F(CardTest, is_of_this_network) {
  crypto::Verifier verifier;
  EXPECT_EQ(code_of(open_card(example.text, "tocsin", verifier)), "wrong_network");
  const std::string claimed = with([](Card& c) { c.network = "tocsin"; });
  EXPECT_EQ(code_of(open_card(claimed, "tocsin", verifier)), "wrong_network") << "the organisation is of another";
}

TEST_F(CardTest, rule_18_is_signed_by_a_certified_node) {
  const auto other = crypto::SigningKey::generate(example.org.random);
  EXPECT_EQ(open(test::must(encode_card(example.card, other))), "bad_signature");
  EXPECT_EQ(open(with([](Card& c) { c.org_log.pop_back(); })), "node_not_certified");
  EXPECT_EQ(open(with([](Card& c) { c.node.data()[0] ^= 1; })), "node_not_certified");
  EXPECT_EQ(open(with([](Card& c) { c.org_log.clear(); })), "bad_card");
  EXPECT_EQ(open(with([](Card& c) { std::swap(c.org_log[0], c.org_log[1]); })), "wrong_number");

  auto& org = example.org;
  org.append(org.log.make_revoke(example.card.node, "", {}, kExampleTime, org.roots.signers(), org.random));
  EXPECT_EQ(open(with([&](Card& c) { c.org_log = org.entries; })), "node_not_certified") << "revoked";
}

TEST_F(CardTest, rule_04_a_signature_for_another_purpose_does_not_do) {
  const Bytes all = bytes();
  const ByteView message = ByteView(all).subspan(kMessageAt);
  Bytes forged{1};
  append(forged, example.node.signing.sign(crypto::kLabelPrekeys, {message}).view());
  append(forged, message);
  EXPECT_EQ(open(crypto::encode_text(kPrefix, forged)), "bad_signature");
}

TEST_F(CardTest, rule_07_an_expired_certificate_opens) {
  ExampleCard late = example_card(1);
  NodeCertificate renewed = late.node.certificate;
  renewed.serial = 2;
  renewed.expires = {1};  // 1970
  late.org.append(late.org.log.make_certify(renewed, late.node.signing, kExampleTime, late.org.roots.signers()));
  late.card.org_log = late.org.entries;
  late.card.issued = {0};
  crypto::Verifier verifier;
  const auto card = open_card(test::must(encode_card(late.card, late.node.signing)), kNetwork, verifier);
  ASSERT_TRUE(card) << card.error().detail;
  EXPECT_EQ(card->node.expires, Time{1});
}

TEST_F(CardTest, prekeys_are_those_of_its_node) {
  auto& org = example.org;
  const auto other = org.add_node("two");
  EXPECT_EQ(open(with([&](Card& c) {
              c.prekeys = sign_prekeys(test::make_prekeys(other.certificate.node, org.random), example.node.signing);
            })),
            "bad_prekeys");
  EXPECT_EQ(
      open(with([&](Card& c) { c.prekeys = sign_prekeys(test::make_prekeys(c.node, org.random), other.signing); })),
      "bad_signature");
  EXPECT_EQ(open(with([](Card& c) { c.prekeys.resize(10); })), "bad_prekeys");
}

TEST_F(CardTest, addresses_are_checked) {
  EXPECT_EQ(open(with([](Card& c) { c.addresses = {"nohost"}; })), "bad_address");
  EXPECT_EQ(open(with([](Card& c) { c.addresses = {"host:7447\n"}; })), "bad_address");
  EXPECT_EQ(open(with([](Card& c) { c.addresses = {std::string(251, 'h') + ":7447"}; })), "bad_address");
  EXPECT_EQ(open(with([](Card& c) { c.addresses.assign(8, "h:1"); })), "ok");
  EXPECT_EQ(open(with([](Card& c) { c.addresses.assign(9, "h:1"); })), "bad_card");
}

TEST_F(CardTest, a_log_too_long_for_a_card_is_said) {
  auto& org = example.org;
  Card card = example.card;
  while (encode_card(card, example.node.signing)) {
    ASSERT_LT(org.entries.size(), 60u);
    // Longer than any log of so few certificates: the card is refused for its length alone.
    org.add_node("another");
    for (int i = 0; i < 8; ++i) card.org_log.insert(card.org_log.end(), org.entries.begin(), org.entries.end());
  }
  const auto refused = encode_card(card, example.node.signing);
  EXPECT_EQ(code_of(refused), "card_too_long");
  EXPECT_EQ(refused.error().origin, Origin::kCaller);
}

TEST_F(CardTest, words_are_those_of_organisation_and_node) {
  const auto words = card_words(example.org.log.id(), example.card.node);
  EXPECT_EQ(words, card_words(example.org.log.id(), example.card.node));
  NodeId other = example.card.node;
  other.data()[31] ^= 1;
  EXPECT_NE(words, card_words(example.org.log.id(), other));
  for (const auto& word : words) EXPECT_FALSE(word.empty());
}

TEST(Address, host_and_port) {
  const auto parsed = [](std::string_view text) {
    const auto result = parse_address(text);
    return result ? result->first + " " + std::to_string(result->second) : std::string(result.error().code.text());
  };
  EXPECT_EQ(parsed("node.example.org:7447"), "node.example.org 7447");
  EXPECT_EQ(parsed("10.0.0.1:1"), "10.0.0.1 1");
  EXPECT_EQ(parsed("[2001:db8::7]:65535"), "2001:db8::7 65535");
  EXPECT_EQ(parsed("[fe80::1%eth0]:80"), "fe80::1%eth0 80");
  EXPECT_EQ(parsed("abcdefghijklmnop.onion:80"), "abcdefghijklmnop.onion 80");
  for (const std::string_view bad : {"",
                                     ":",
                                     "host",
                                     "host:",
                                     ":80",
                                     "host:0",
                                     "host:65536",
                                     "host:080",
                                     "host:+80",
                                     "host:-1",
                                     "host:8x",
                                     "2001:db8::7:80",
                                     "[2001:db8::7]",
                                     "[]:80",
                                     "[host]:80",
                                     "[::1:80",
                                     "a b:80",
                                     "h\n:80",
                                     "user@host:80",
                                     "host/path:80",
                                     "[fe80::1%]:80",
                                     "[fe80::1% x]:80",
                                     "höst:80"}) {
    EXPECT_EQ(parsed(bad), "bad_address") << bad;
  }
  EXPECT_EQ(parsed(std::string(253, 'h') + ":80"), std::string(253, 'h') + " 80");
  EXPECT_EQ(parsed(std::string(254, 'h') + ":80"), "bad_address");
}

RC_GTEST_PROP(Card, rule_05_changing_a_letter_gives_an_error_or_the_same_card, ()) {
  static const ExampleCard good = example_card(1);
  std::string text = good.text;
  const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
  text[at] = *rc::gen::arbitrary<char>();
  crypto::Verifier verifier;
  const auto card = open_card(text, kNetwork, verifier);
  if (card) {
    RC_ASSERT(card->node == good.node.certificate);
    RC_ASSERT(card->card.addresses == good.card.addresses);
    RC_ASSERT(card->org.head_hash() == good.org.log.head_hash());
  } else {
    RC_ASSERT(card.error().origin == Origin::kPeer);
  }
}

RC_GTEST_PROP(Card, rule_05_flipping_a_bit_under_the_checksum_is_refused, ()) {
  static const ExampleCard good = example_card(1);
  Bytes bytes = test::must(crypto::decode_text(kPrefix, good.text));
  const auto bit = *rc::gen::inRange<std::size_t>(0, bytes.size() * 8);
  bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  crypto::Verifier verifier;
  const auto card = open_card(crypto::encode_text(kPrefix, bytes), kNetwork, verifier);
  RC_ASSERT(!card.ok());
  RC_ASSERT(card.error().origin == Origin::kPeer);
}

RC_GTEST_PROP(Card, rule_05_a_hostile_node_gets_an_error_or_a_card, (std::uint64_t seed)) {
  static const ExampleCard good = example_card(1);
  const Bytes bytes = test::must(crypto::decode_text(kPrefix, good.text));
  Bytes message(bytes.begin() + kMessageAt, bytes.end());
  SeededRandom random(seed);
  for (std::size_t n = 1 + random.below(3); n > 0; --n) {
    const std::size_t bit = random.below(message.size() * 8);
    message[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
  if (random.below(4) == 0) message.resize(8 * random.below(message.size() / 8));
  crypto::Verifier verifier;
  const auto card = open_card(signed_text(message, good.node.signing), kNetwork, verifier);
  if (card) {
    RC_ASSERT(card->org.id() == good.org.log.id());
    RC_ASSERT(card->node.node == card->card.node);
  } else {
    RC_ASSERT(card.error().origin == Origin::kPeer);
  }
}

}  // namespace
}  // namespace tocsin::protocol
