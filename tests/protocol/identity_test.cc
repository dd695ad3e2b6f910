// Certificates, root sets, prekeys, genesis. The log itself: org_log_test.cc.
#include "protocol/identity.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "crypto/hash.h"
#include "protocol/canonical.h"
#include "protocol/identity.capnp.h"
#include "tests/support/example_identity.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::ExampleNode;
using test::ExampleOrg;
using test::kExampleTime;
using test::SeededRandom;

// The certificate after a change that its maker could not have made through encode_certificate.
template <class Change>
Bytes changed_certificate(const NodeCertificate& certificate, Change change) {
  const Bytes good = encode_certificate(certificate);
  auto message = canonical::Message::open(good, good.size());
  capnp::MallocMessageBuilder builder;
  builder.setRoot(message->root<schema::NodeCertificate>());
  auto root = builder.getRoot<schema::NodeCertificate>();
  change(root);
  return canonical::to_bytes(capnp::canonicalize(root.asReader()));
}

struct CertificateTest : testing::Test {
  ExampleOrg org{1};
  ExampleNode node = test::make_node(org.log.id(), "Nairobi 1", org.random);
};

TEST_F(CertificateTest, is_read_back) {
  const auto read = decode_certificate(encode_certificate(node.certificate));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(*read, node.certificate);
}

TEST_F(CertificateTest, node_id_must_follow_from_its_parts) {
  NodeCertificate other = node.certificate;
  other.node_random[0] ^= 1;
  EXPECT_EQ(code_of(decode_certificate(encode_certificate(other))), "bad_certificate");
  other = node.certificate;
  other.org.data()[0] ^= 1;
  EXPECT_EQ(code_of(decode_certificate(encode_certificate(other))), "bad_certificate");
  other = node.certificate;
  other.first_signing = crypto::SigningKey::generate(org.random).verify_key();
  EXPECT_EQ(code_of(decode_certificate(encode_certificate(other))), "bad_certificate");
}

TEST_F(CertificateTest, node_id_stays_when_the_signing_key_changes) {
  NodeCertificate later = node.certificate;
  later.signing = crypto::SigningKey::generate(org.random).verify_key();
  later.serial = 2;
  const auto read = decode_certificate(encode_certificate(later));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->node, node.certificate.node);
}

TEST_F(CertificateTest, rule_02_x25519_keys_must_be_canonical) {
  NodeCertificate bad = node.certificate;
  bad.transport.data()[31] |= 0x80;
  EXPECT_EQ(code_of(decode_certificate(encode_certificate(bad))), "bad_certificate");
  bad = node.certificate;
  bad.encryption = crypto::EncryptionPublic();
  bad.encryption.data()[0] = 0xed;  // p itself
  for (int i = 1; i < 31; ++i) bad.encryption.data()[i] = 0xff;
  bad.encryption.data()[31] = 0x7f;
  EXPECT_EQ(code_of(decode_certificate(encode_certificate(bad))), "bad_certificate");
}

TEST_F(CertificateTest, rule_03_a_key_has_one_use) {
  NodeCertificate bad = node.certificate;
  bad.encryption = crypto::EncryptionPublic{bad.transport.bytes()};
  EXPECT_EQ(code_of(decode_certificate(encode_certificate(bad))), "bad_certificate");
  bad = node.certificate;
  bad.signing = crypto::VerifyKey{bad.transport.bytes()};
  EXPECT_EQ(code_of(decode_certificate(encode_certificate(bad))), "bad_certificate");
  bad = node.certificate;
  bad.signing = crypto::VerifyKey{bad.encryption.bytes()};
  EXPECT_EQ(code_of(decode_certificate(encode_certificate(bad))), "bad_certificate");
}

TEST_F(CertificateTest, sizes_version_serial_and_name_are_checked) {
  using Builder = schema::NodeCertificate::Builder;
  const Bytes short_key(31, 1);
  const auto refused = [&](auto change) {
    return code_of(decode_certificate(changed_certificate(node.certificate, change)));
  };
  EXPECT_EQ(refused([](Builder) {}), "ok");
  EXPECT_EQ(refused([](Builder b) { b.setFormatVersion(2); }), "bad_certificate");
  EXPECT_EQ(refused([](Builder b) { b.setSerial(0); }), "bad_certificate");
  EXPECT_EQ(refused([](Builder b) { b.setName("two\nlines"); }), "bad_certificate");
  EXPECT_EQ(refused([](Builder b) { b.setName(std::string(201, 'n')); }), "bad_certificate");
  EXPECT_EQ(refused([](Builder b) { b.setName(""); }), "ok");
  EXPECT_EQ(refused([&](Builder b) { b.setSigningKey(canonical::data(ByteView(short_key))); }), "bad_certificate");
  EXPECT_EQ(refused([&](Builder b) { b.setTransportKey(canonical::data(ByteView(short_key))); }), "bad_certificate");
  EXPECT_EQ(refused([&](Builder b) { b.setNodeRandom(canonical::data(ByteView(short_key))); }), "bad_certificate");
  EXPECT_EQ(refused([](Builder b) { b.disownOrgId(); }), "bad_certificate");
}

TEST_F(CertificateTest, rule_05_a_changed_byte_is_refused_or_says_something_else) {
  const Bytes good = encode_certificate(node.certificate);
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= 0x04;
    const auto read = decode_certificate(bad);
    EXPECT_FALSE(read && *read == node.certificate && at >= 16) << "byte " << at;
  }
}

TEST(Roots, a_set_has_different_keys_and_a_threshold_that_can_be_reached) {
  SeededRandom random(1);
  const RootSet good = test::Roots::generate(3, 2, random).set();
  EXPECT_TRUE(good.valid());
  RootSet bad = good;
  bad.threshold = 4;
  EXPECT_FALSE(bad.valid());
  bad.threshold = 0;
  EXPECT_FALSE(bad.valid());
  bad = good;
  bad.keys[2] = bad.keys[0];
  EXPECT_FALSE(bad.valid());
  EXPECT_FALSE(RootSet{}.valid());
  EXPECT_TRUE(test::Roots::generate(16, 16, random).set().valid());
  EXPECT_FALSE(test::Roots::generate(17, 1, random).set().valid());
}

TEST(Roots, rule_17_a_commitment_binds_keys_order_and_threshold) {
  SeededRandom random(1);
  const RootSet set = test::Roots::generate(3, 2, random).set();
  Bytes input{2, 3};
  for (const auto& key : set.keys) append(input, key.view());
  EXPECT_EQ(set.commitment(), crypto::hash256(crypto::kPersonalRoots, {input}));
  RootSet other = set;
  other.threshold = 3;
  EXPECT_NE(other.commitment(), set.commitment());
  other = set;
  std::swap(other.keys[0], other.keys[1]);
  EXPECT_NE(other.commitment(), set.commitment());
  other = set;
  other.keys.pop_back();
  EXPECT_NE(other.commitment(), set.commitment());
}

TEST(Genesis, names_what_the_caller_got_wrong) {
  const ExampleOrg org(1);
  SeededRandom random(2);
  const auto made = [&](auto change) {
    NewOrg made_of = org.genesis();
    change(made_of);
    const auto result = make_genesis(made_of, org.roots.signers(), random);
    EXPECT_TRUE(result || result.error().origin == Origin::kCaller);
    return code_of(result);
  };
  EXPECT_EQ(made([](NewOrg&) {}), "ok");
  EXPECT_EQ(made([](NewOrg& o) { o.name = ""; }), "bad_name");
  EXPECT_EQ(made([](NewOrg& o) { o.name = std::string(201, 'x'); }), "bad_name");
  EXPECT_EQ(made([](NewOrg& o) { o.name = "a\x01"; }), "bad_name");
  EXPECT_EQ(made([](NewOrg& o) { o.country = "Kenya"; }), "bad_country");
  EXPECT_EQ(made([](NewOrg& o) { o.network = ""; }), "bad_network");
  EXPECT_EQ(made([](NewOrg& o) { o.roots.keys.clear(); }), "bad_roots");
  EXPECT_EQ(made([](NewOrg& o) { o.roots.threshold = 2; }), "bad_roots");
}

TEST(OrgKinds, have_words) {
  for (const auto kind : {OrgKind::kGovernment, OrgKind::kRegional, OrgKind::kUn, OrgKind::kNgo}) {
    EXPECT_EQ(parse_org_kind(to_string(kind)), kind);
  }
  EXPECT_EQ(to_string(static_cast<OrgKind>(99)), "unknown");
  EXPECT_EQ(parse_org_kind("Government"), std::nullopt);
}

TEST(Months, count_from_1970_in_utc) {
  EXPECT_EQ(month_of({0}), 0u);
  EXPECT_EQ(month_of({-1}), 0u);
  EXPECT_EQ(month_of({INT64_MIN}), 0u);
  EXPECT_EQ(month_of({31LL * 86'400'000 - 1}), 0u);
  EXPECT_EQ(month_of({31LL * 86'400'000}), 1u);
  EXPECT_EQ(month_of(kExampleTime), 56u * 12);
  EXPECT_EQ(month_of({1'709'251'199'999}), 54u * 12 + 1) << "the last millisecond of 29 February 2024";
  EXPECT_EQ(month_of({1'709'251'200'000}), 54u * 12 + 2);
  EXPECT_EQ(month_of({INT64_MAX}), (9999u - 1970) * 12 + 11);
}

struct PrekeyTest : testing::Test {
  ExampleOrg org{1};
  ExampleNode node = org.add_node("Nairobi 1");
  PrekeyList list = test::make_prekeys(node.certificate.node, org.random);
  crypto::Verifier verifier;

  // What a node could sign, with any content.
  template <class Change>
  Bytes signed_message(Change change) {
    const Bytes message = canonical::encode<schema::PrekeyList>([&](schema::PrekeyList::Builder out) {
      out.setFormatVersion(1);
      out.setNodeId(canonical::data(list.node));
      out.setFirstMonth(list.first_month);
      auto keys = out.initKeys(2);
      keys.set(0, canonical::data(list.keys[0]));
      keys.set(1, canonical::data(list.keys[1]));
      change(out);
    });
    Bytes out = to_bytes(node.signing.sign(crypto::kLabelPrekeys, {message}).view());
    append(out, message);
    return out;
  }
  std::string open(ByteView bytes) { return code_of(open_prekeys(bytes, node.signing.verify_key(), verifier)); }
};

TEST_F(PrekeyTest, are_read_back) {
  const auto read = open_prekeys(sign_prekeys(list, node.signing), node.signing.verify_key(), verifier);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, list);
}

TEST_F(PrekeyTest, need_their_nodes_signature) {
  const auto other = crypto::SigningKey::generate(org.random);
  EXPECT_EQ(code_of(open_prekeys(sign_prekeys(list, other), node.signing.verify_key(), verifier)), "bad_signature");
  const Bytes good = sign_prekeys(list, node.signing);
  for (std::size_t at = 0; at < good.size(); at += 7) {
    Bytes bad = good;
    bad[at] ^= 0x40;
    EXPECT_NE(open(bad), "ok") << "byte " << at;
  }
  EXPECT_EQ(open({}), "bad_prekeys");
  EXPECT_EQ(open(ByteView(good).first(64)), "bad_prekeys");
  EXPECT_EQ(open(Bytes(5000)), "bad_prekeys");
}

TEST_F(PrekeyTest, content_is_checked) {
  using Builder = schema::PrekeyList::Builder;
  EXPECT_EQ(open(signed_message([](Builder) {})), "ok");
  EXPECT_EQ(open(signed_message([](Builder b) { b.setFormatVersion(2); })), "bad_prekeys");
  EXPECT_EQ(open(signed_message([](Builder b) { b.initKeys(0); })), "bad_prekeys");
  EXPECT_EQ(open(signed_message([](Builder b) { b.initKeys(13); })), "bad_prekeys");
  EXPECT_EQ(open(signed_message([&](Builder b) { b.getKeys().set(1, canonical::data(list.keys[0])); })), "bad_prekeys")
      << "one key for two months";
  auto high = list.keys[1];
  high.data()[31] |= 0x80;
  EXPECT_EQ(open(signed_message([&](Builder b) { b.getKeys().set(1, canonical::data(high)); })), "bad_prekeys");
}

TEST_F(PrekeyTest, rule_32_the_key_of_the_month_is_taken_and_else_that_of_the_certificate) {
  const NodeCertificate& certificate = node.certificate;
  for (std::uint32_t i = 0; i < list.keys.size(); ++i) {
    const WrapTarget target = wrap_target(certificate, &list, list.first_month + i);
    EXPECT_EQ(target.node, certificate.node);
    EXPECT_EQ(target.key, list.keys[i]);
    EXPECT_EQ(target.month, list.first_month + i);
  }
  for (const std::uint32_t month : {0u, list.first_month - 1, list.first_month + 12, kCertificateKeyMonth}) {
    const WrapTarget target = wrap_target(certificate, &list, month);
    EXPECT_EQ(target.key, certificate.encryption) << month;
    EXPECT_EQ(target.month, kCertificateKeyMonth);
  }
  EXPECT_EQ(wrap_target(certificate, nullptr, list.first_month).key, certificate.encryption);
  PrekeyList of_another = list;
  of_another.node.data()[0] ^= 1;
  EXPECT_EQ(wrap_target(certificate, &of_another, list.first_month).key, certificate.encryption);
}

}  // namespace
}  // namespace tocsin::protocol
