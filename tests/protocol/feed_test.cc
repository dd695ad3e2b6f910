#include "protocol/feed.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "crypto/hash.h"
#include "protocol/canonical.h"
#include "protocol/channel.capnp.h"
#include "tests/support/example_identity.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::ExampleNode;
using test::ExampleOrg;
using test::SeededRandom;

TEST(FeedPlaintext, has_a_head_of_six_bytes) {
  const Bytes certificate{0xc1, 0xc2, 0xc3};
  const Bytes payload{0x01, 0x02};
  EXPECT_EQ(to_hex(encode_feed_plaintext(FeedKind::kReport, certificate, payload)), "010101000300c1c2c30102");
  EXPECT_EQ(to_hex(encode_feed_plaintext(FeedKind::kCheckpoint, {}, payload)), "0100040000000102");
  EXPECT_EQ(to_hex(encode_feed_plaintext(FeedKind::kReport, {}, {})), "010001000000");
}

TEST(FeedPlaintext, rule_16_an_unknown_kind_is_kept) {
  const Bytes payload{0x01, 0x02};
  const Bytes plaintext = encode_feed_plaintext(static_cast<FeedKind>(4711), {}, payload);
  const auto read = decode_feed_plaintext(plaintext);
  ASSERT_TRUE(read);
  EXPECT_EQ(static_cast<int>(read->kind), 4711);
  EXPECT_EQ(to_bytes(read->payload), payload);
}

TEST(FeedPlaintext, what_is_not_of_this_format_is_refused) {
  const auto code = [](std::string_view hex) {
    const Bytes bytes = *from_hex(hex);
    return code_of(decode_feed_plaintext(bytes));
  };
  EXPECT_EQ(code("010001000000"), "ok");
  EXPECT_EQ(code(""), "bad_plaintext");
  EXPECT_EQ(code("0100010000"), "bad_plaintext") << "cut";
  EXPECT_EQ(code("020001000000"), "bad_plaintext") << "format";
  EXPECT_EQ(code("010201000000"), "bad_plaintext") << "flag";
  EXPECT_EQ(code("010101000000"), "bad_plaintext") << "flag without certificate";
  EXPECT_EQ(code("010001000100c1"), "bad_plaintext") << "certificate without flag";
  EXPECT_EQ(code("010101000200c1"), "bad_plaintext") << "ends inside the certificate";
}

RC_GTEST_PROP(FeedPlaintext, is_read_back_from_anything,
              (std::uint16_t kind, const Bytes& certificate, const Bytes& payload)) {
  Bytes plaintext{9, 9, 9};  // replaced
  encode_feed_plaintext_into(plaintext, static_cast<FeedKind>(kind), certificate, payload);
  const auto read = decode_feed_plaintext(plaintext);
  RC_ASSERT(read.ok());
  RC_ASSERT(static_cast<std::uint16_t>(read->kind) == kind);
  RC_ASSERT(to_bytes(read->certificate) == certificate);
  RC_ASSERT(to_bytes(read->payload) == payload);
}

RC_GTEST_PROP(FeedPlaintext, any_bytes_are_read_or_refused, (const Bytes& bytes)) {
  const auto read = decode_feed_plaintext(bytes);
  if (read) RC_ASSERT(encode_feed_plaintext(read->kind, read->certificate, read->payload) == bytes);
}

struct FeedCertificateTest : testing::Test {
  ExampleOrg org{1};
  ExampleNode node = org.add_node("one");
  crypto::SigningKey feed = crypto::SigningKey::generate(org.random);
  FeedCertificate certificate{crypto::random_fixed<ChannelId>(org.random),
                              org.log.id(),
                              node.certificate.node,
                              LogKey{feed.verify_key().bytes()},
                              3,
                              test::kExampleTime};
  crypto::Verifier verifier;
};

TEST_F(FeedCertificateTest, is_read_back) {
  const Bytes bytes = sign_feed_certificate(certificate, node.signing);
  const auto read = decode_feed_certificate(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, certificate);
  EXPECT_TRUE(verify_feed_certificate(bytes, node.signing.verify_key(), verifier));
}

TEST_F(FeedCertificateTest, rule_28_binds_feed_key_channel_and_node) {
  const Bytes bytes = sign_feed_certificate(certificate, node.signing);
  const auto other = crypto::SigningKey::generate(org.random);
  EXPECT_FALSE(verify_feed_certificate(bytes, other.verify_key(), verifier)) << "of another node";
  EXPECT_FALSE(verify_feed_certificate(bytes, feed.verify_key(), verifier)) << "by the feed itself";

  // Each of what it binds in the place of another: the signature no longer holds.
  const auto moved = [&](auto change) {
    FeedCertificate changed = certificate;
    change(changed);
    Bytes forged = sign_feed_certificate(changed, other);
    std::copy(bytes.begin(), bytes.begin() + 64, forged.begin());
    return decode_feed_certificate(forged).ok() && verify_feed_certificate(forged, node.signing.verify_key(), verifier);
  };
  EXPECT_TRUE(moved([](FeedCertificate&) {}));
  EXPECT_FALSE(moved([](FeedCertificate& c) { c.feed.data()[0] ^= 1; }));
  EXPECT_FALSE(moved([](FeedCertificate& c) { c.channel.data()[0] ^= 1; }));
  EXPECT_FALSE(moved([](FeedCertificate& c) { c.node.data()[0] ^= 1; }));
  EXPECT_FALSE(moved([](FeedCertificate& c) { c.org.data()[0] ^= 1; }));
  EXPECT_FALSE(moved([](FeedCertificate& c) { c.generation = 4; }));
}

TEST_F(FeedCertificateTest, rule_03_a_feed_key_is_not_the_nodes_own) {
  certificate.feed = LogKey{node.signing.verify_key().bytes()};
  EXPECT_FALSE(
      verify_feed_certificate(sign_feed_certificate(certificate, node.signing), node.signing.verify_key(), verifier));
}

TEST_F(FeedCertificateTest, content_is_checked) {
  const auto code = [&](auto change) {
    const Bytes message = canonical::encode<schema::FeedCertificate>([&](schema::FeedCertificate::Builder out) {
      out.setFormatVersion(1);
      out.setChannelId(canonical::data(certificate.channel));
      out.setOrgId(canonical::data(certificate.org));
      out.setNodeId(canonical::data(certificate.node));
      out.setFeedKey(canonical::data(certificate.feed));
      out.setGeneration(1);
      change(out);
    });
    Bytes bytes(64);
    append(bytes, message);
    return code_of(decode_feed_certificate(bytes));
  };
  using Builder = schema::FeedCertificate::Builder;
  const Bytes short_blob(31);
  EXPECT_EQ(code([](Builder) {}), "ok");
  EXPECT_EQ(code([](Builder b) { b.setFormatVersion(2); }), "bad_feed_certificate");
  EXPECT_EQ(code([](Builder b) { b.setGeneration(0); }), "bad_feed_certificate");
  EXPECT_EQ(code([&](Builder b) { b.setFeedKey(canonical::data(ByteView(short_blob))); }), "bad_feed_certificate");
  EXPECT_EQ(code([](Builder b) { b.disownNodeId(); }), "bad_feed_certificate");
  EXPECT_EQ(code_of(decode_feed_certificate({})), "bad_feed_certificate");
  EXPECT_EQ(code_of(decode_feed_certificate(Bytes(64))), "bad_feed_certificate");
  EXPECT_EQ(code_of(decode_feed_certificate(Bytes(10'000))), "not_canonical");
}

TEST_F(FeedCertificateTest, rule_05_flipping_any_bit_is_refused) {
  const Bytes good = sign_feed_certificate(certificate, node.signing);
  for (std::size_t bit = 0; bit < good.size() * 8; bit += 3) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_FALSE(verify_feed_certificate(bad, node.signing.verify_key(), verifier)) << "bit " << bit;
  }
}

TEST(BodyBinding, rule_39_channel_epoch_feed_number_and_version_in_this_order) {
  ChannelId channel;
  LogKey log;
  for (std::size_t i = 0; i < 32; ++i) {
    channel.data()[i] = 0xaa;
    log.data()[i] = 0xbb;
  }
  const BodyBinding binding(channel, {0x0102}, log, {0x0304}, LogType::kFeed);
  std::string expected;
  for (int i = 0; i < 32; ++i) expected += "aa";
  expected += "0201000000000000";
  for (int i = 0; i < 32; ++i) expected += "bb";
  expected += "0403000000000000";
  EXPECT_EQ(to_hex(binding.context()), expected);
  EXPECT_EQ(to_hex(binding.associated()), expected + "0103");
}

}  // namespace
}  // namespace tocsin::protocol
