// The organisation log, entry by entry.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <functional>

#include "crypto/hash.h"
#include "protocol/canonical.h"
#include "protocol/identity.capnp.h"
#include "protocol/identity.h"
#include "tests/support/example_identity.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::ExampleNode;
using test::ExampleOrg;
using test::kExampleTime;
using test::Roots;
using test::SeededRandom;

// An entry with any body, header and signature field, signed by these roots.
struct Forge {
  EntryHeader header;
  Bytes body;
  std::vector<RootSigner> signers;

  Entry entry() const {
    EntryHeader full = header;
    full.body_bytes = static_cast<std::uint32_t>(body.size());
    full.body_hash = hash_body(body);
    const auto bytes = full.encode();
    Bytes field;
    for (const auto& signer : signers) {
      field.push_back(signer.index);
      append(field, signer.key->sign(crypto::kLabelEntry, {ByteView(bytes)}).view());
    }
    return Entry(bytes, field, body);
  }
};

// The entry that may come next.
Forge next_of(const ExampleOrg& org, Bytes body) {
  Forge out;
  out.header.type = LogType::kOrganisation;
  out.header.number = org.log.head().next();
  out.header.log = LogKey{org.log.id().bytes()};
  out.header.previous = org.log.head_hash();
  out.body = std::move(body);
  out.signers = org.roots.signers();
  return out;
}

using EventBuilder = schema::OrgEvent::Builder;
Bytes event(const std::function<void(EventBuilder)>& fill) {
  return canonical::encode<schema::OrgEvent>([&](EventBuilder out) {
    out.setFormatVersion(1);
    fill(out);
  });
}

// An event whose union holds a member that this version does not have.
Bytes event_of_the_future() {
  Bytes out = event([](EventBuilder b) { b.setCreated(kExampleTime.ms); });
  out[8 + 2] = 77;  // discriminant, right behind the format version
  return out;
}

std::string apply(ExampleOrg& org, const Entry& entry) { return code_of(org.log.apply(entry.view(), org.verifier)); }

TEST(OrgLog, an_organisation_begins_with_its_genesis) {
  const ExampleOrg org(1);
  EXPECT_EQ(org.log.profile().name, "Example Relief");
  EXPECT_EQ(org.log.profile().kind, OrgKind::kNgo);
  EXPECT_EQ(org.log.profile().country, "KEN");
  EXPECT_EQ(org.log.profile().network, "tocsin-test");
  EXPECT_EQ(org.log.profile().created, kExampleTime);
  EXPECT_EQ(org.log.roots(), org.roots.set());
  EXPECT_EQ(org.log.next_roots(), org.next_roots.set().commitment());
  EXPECT_EQ(org.log.head(), Number{1});
  EXPECT_TRUE(org.log.nodes().empty());
}

TEST(OrgLog, rule_17_an_organisation_is_the_hash_of_its_genesis) {
  ExampleOrg org(1);
  const EntryView view = org.entries[0].view();
  EXPECT_EQ(org.log.id().bytes(), crypto::hash256(crypto::kPersonalOrg, {view.body}).bytes());

  Forge forge;
  forge.header = *EntryHeader::decode(view.header);
  forge.body = to_bytes(view.body);
  forge.signers = org.roots.signers();
  ASSERT_EQ(code_of(OrgLog::from_genesis(forge.entry().view(), org.verifier)), "ok");
  forge.header.log.data()[5] ^= 1;
  EXPECT_EQ(code_of(OrgLog::from_genesis(forge.entry().view(), org.verifier)), "bad_genesis");
}

TEST(OrgLog, rule_17_equal_names_and_keys_make_different_organisations) {
  const ExampleOrg org(1);
  SeededRandom random(2);
  crypto::Verifier verifier;
  const Entry again = test::must(make_genesis(org.genesis(), org.roots.signers(), random));
  EXPECT_NE(test::must(OrgLog::from_genesis(again.view(), verifier)).id(), org.log.id());
}

TEST(OrgLog, genesis_content_is_checked) {
  ExampleOrg org(1);
  using Builder = schema::OrgGenesis::Builder;
  const auto opened = [&](const std::function<void(Builder)>& change) {
    const auto set = org.roots.set();
    Forge forge;
    forge.body = canonical::encode<schema::OrgGenesis>([&](Builder out) {
      const Bytes salt(16, 1);
      out.setFormatVersion(1);
      out.setRandom(canonical::data(ByteView(salt)));
      out.setName("Example Relief");
      out.setCountry("KEN");
      out.initRootKeys(1).set(0, canonical::data(set.keys[0]));
      out.setThreshold(1);
      out.setNextRoots(canonical::data(org.log.next_roots()));
      out.setNetwork("tocsin-test");
      change(out);
    });
    forge.header.type = LogType::kOrganisation;
    forge.header.number = {1};
    forge.header.log = LogKey{crypto::hash256(crypto::kPersonalOrg, {forge.body}).bytes()};
    forge.signers = org.roots.signers();
    return code_of(OrgLog::from_genesis(forge.entry().view(), org.verifier));
  };
  const Bytes short_blob(15, 1);
  const Bytes key(32, 1);
  EXPECT_EQ(opened([](Builder) {}), "ok");
  EXPECT_EQ(opened([](Builder b) { b.setKind(static_cast<schema::OrgKind>(500)); }), "ok")
      << "a kind of a later version";
  EXPECT_EQ(opened([](Builder b) { b.setFormatVersion(2); }), "bad_genesis");
  EXPECT_EQ(opened([&](Builder b) { b.setRandom(canonical::data(ByteView(short_blob))); }), "bad_genesis");
  EXPECT_EQ(opened([](Builder b) { b.setName(""); }), "bad_genesis");
  EXPECT_EQ(opened([](Builder b) { b.setName("\xff"); }), "bad_genesis");
  EXPECT_EQ(opened([](Builder b) { b.setCountry("ke"); }), "bad_genesis");
  EXPECT_EQ(opened([](Builder b) { b.setNetwork("a b"); }), "bad_genesis");
  EXPECT_EQ(opened([](Builder b) { b.setThreshold(0); }), "bad_genesis");
  EXPECT_EQ(opened([](Builder b) { b.setThreshold(2); }), "bad_genesis");
  EXPECT_EQ(opened([&](Builder b) { b.setNextRoots(canonical::data(ByteView(short_blob))); }), "bad_genesis");
  EXPECT_EQ(opened([](Builder b) { b.initRootKeys(0); }), "bad_genesis");
  EXPECT_EQ(opened([](Builder b) { b.initRootKeys(17); }), "bad_genesis");
  EXPECT_EQ(opened([&](Builder b) {
              auto keys = b.initRootKeys(2);
              keys.set(0, canonical::data(ByteView(key)));
              keys.set(1, canonical::data(ByteView(key)));
            }),
            "bad_genesis")
      << "the same root twice";
  EXPECT_EQ(opened([&](Builder b) { b.initRootKeys(1).set(0, canonical::data(ByteView(key))); }), "bad_signature");
}

TEST(OrgLog, rule_08_a_log_is_a_hash_chain_of_entries) {
  ExampleOrg org(1);
  const ExampleNode first = org.add_node("one");
  const ExampleNode second = test::make_node(org.log.id(), "two", org.random);
  const Entry good = org.log.make_certify(second.certificate, second.signing, kExampleTime, org.roots.signers());
  const auto forged = [&](auto change) {
    Forge forge = next_of(org, to_bytes(good.view().body));
    change(forge);
    return apply(org, forge.entry());
  };
  EXPECT_EQ(forged([](Forge& f) { f.header.number = {2}; }), "wrong_number") << "replayed";
  EXPECT_EQ(forged([](Forge& f) { f.header.number = {4}; }), "wrong_number") << "one is missing";
  EXPECT_EQ(forged([](Forge& f) { f.header.previous.data()[0] ^= 1; }), "wrong_previous");
  EXPECT_EQ(forged([](Forge& f) { f.header.log.data()[0] ^= 1; }), "wrong_log");
  EXPECT_EQ(forged([](Forge& f) {
              f.header.type = LogType::kFeed;
              f.header.epoch = {1};
              f.header.channel.data()[0] = 1;
            }),
            "wrong_log");
  EXPECT_EQ(org.log.head(), Number{2});
  EXPECT_EQ(apply(org, good), "ok");
  EXPECT_EQ(org.log.head(), Number{3});
  EXPECT_EQ(org.log.head_hash(), hash_entry(good.view().header, good.view().signature));
  EXPECT_EQ(apply(org, good), "wrong_number") << "twice";
}

TEST(OrgLog, rule_08_the_body_is_the_one_that_the_header_names) {
  ExampleOrg org(1);
  const ExampleNode node = test::make_node(org.log.id(), "one", org.random);
  const Entry good = org.log.make_certify(node.certificate, node.signing, kExampleTime, org.roots.signers());
  const EntryView view = good.view();
  Bytes changed = to_bytes(view.body);
  changed[20] ^= 1;
  EXPECT_EQ(apply(org, Entry(view.header, view.signature, changed)), "bad_body_hash");
  EXPECT_EQ(apply(org, Entry(view.header, view.signature, view.body.first(view.body.size() - 8))), "bad_body_hash");
  EXPECT_EQ(apply(org, Entry(view.header, view.signature, {})), "bad_body_hash")
      << "an organisation log has its bodies";
  EXPECT_EQ(apply(org, good), "ok");
}

struct ThresholdTest : testing::Test {
  ExampleOrg org{1, 3, 2};
  ExampleNode node = test::make_node(org.log.id(), "one", org.random);
  Entry with(std::initializer_list<std::uint8_t> indices) {
    Forge forge = next_of(org, to_bytes(template_body()));
    forge.signers = org.roots.signers(indices);
    return forge.entry();
  }
  ByteView template_body() {
    made = org.log.make_certify(node.certificate, node.signing, kExampleTime, org.roots.signers());
    return made.view().body;
  }
  Entry made;
};

TEST_F(ThresholdTest, rule_17_threshold_signatures_by_rising_index) {
  EXPECT_EQ(apply(org, with({})), "bad_signature");
  EXPECT_EQ(apply(org, with({0})), "bad_signature") << "below the threshold";
  EXPECT_EQ(apply(org, with({0, 1, 2})), "bad_signature") << "above it: other bytes for the same entry";
  EXPECT_EQ(apply(org, with({1, 0})), "bad_signature") << "falling";
  EXPECT_EQ(apply(org, with({1, 1})), "bad_signature") << "one root twice";

  Forge stranger = next_of(org, to_bytes(template_body()));
  stranger.signers = {{0, &org.roots.keys[0]}, {3, &org.next_roots.keys[0]}};
  EXPECT_EQ(apply(org, stranger.entry()), "bad_signature") << "no root of that index";
  stranger.signers = {{0, &org.roots.keys[0]}, {255, &org.roots.keys[1]}};
  EXPECT_EQ(apply(org, stranger.entry()), "bad_signature") << "far from any";
  stranger.signers = {{0, &org.roots.keys[0]}, {1, &org.next_roots.keys[0]}};
  EXPECT_EQ(apply(org, stranger.entry()), "bad_signature") << "not that root's key";

  const Entry good = with({0, 2});
  Bytes odd = to_bytes(good.view().signature);
  odd.push_back(0);
  EXPECT_EQ(apply(org, Entry(good.view().header, odd, good.view().body)), "bad_signature");
  EXPECT_EQ(org.log.head(), Number{1});
  EXPECT_EQ(apply(org, good), "ok");
}

TEST_F(ThresholdTest, rule_17_the_entry_hash_covers_the_header_alone) {
  const Entry one = with({0, 1});
  const Entry other = with({1, 2});
  OrgLog copy = org.log;
  ASSERT_EQ(code_of(copy.apply(one.view(), org.verifier)), "ok");
  ASSERT_EQ(apply(org, other), "ok");
  EXPECT_EQ(copy.head_hash(), org.log.head_hash()) << "whichever roots signed, it is the same entry";
}

TEST_F(ThresholdTest, rule_17_the_genesis_too_needs_the_threshold) {
  Forge forge;
  forge.header = *EntryHeader::decode(org.entries[0].view().header);
  forge.body = to_bytes(org.entries[0].view().body);
  forge.signers = org.roots.signers({1, 2});
  EXPECT_EQ(code_of(OrgLog::from_genesis(forge.entry().view(), org.verifier)), "ok");
  forge.signers = org.roots.signers({1});
  EXPECT_EQ(code_of(OrgLog::from_genesis(forge.entry().view(), org.verifier)), "bad_signature");
}

TEST(OrgLog, rule_18_nodes_are_certified_and_found) {
  ExampleOrg org(1);
  const ExampleNode one = org.add_node("one");
  const ExampleNode two = org.add_node("two");
  ASSERT_NE(org.log.live_node(one.certificate.node), nullptr);
  EXPECT_EQ(org.log.live_node(one.certificate.node)->certificate, one.certificate);
  EXPECT_EQ(org.log.live_node(one.certificate.node)->certified_at, Number{2});
  ASSERT_NE(org.log.live_node_by_transport(two.transport.public_key()), nullptr);
  EXPECT_EQ(org.log.live_node_by_transport(two.transport.public_key())->certificate.name, "two");
  EXPECT_EQ(org.log.live_node({}), nullptr);
  EXPECT_EQ(org.log.live_node_by_transport({}), nullptr);
}

TEST(OrgLog, rule_18_another_transport_key_takes_the_place_of_the_one_before) {
  ExampleOrg org(1);
  ExampleNode node = org.add_node("one");
  const auto first = node.transport.public_key();
  const auto held = [&] { return *org.log.live_node(node.certificate.node); };
  const auto renew = [&] {
    ++node.certificate.serial;
    node.certificate.issued.ms += 1000;
    return apply(org, org.log.make_certify(node.certificate, node.signing, kExampleTime, org.roots.signers()));
  };
  EXPECT_EQ(held().transport_before, std::nullopt);
  ASSERT_EQ(renew(), "ok");
  EXPECT_EQ(held().transport_before, std::nullopt) << "it is the same key";
  EXPECT_EQ(held().transport_since, kExampleTime);

  const auto second = node.certificate.transport = crypto::TransportKeyPair::generate(org.random).public_key();
  ASSERT_EQ(renew(), "ok");
  const Time changed = node.certificate.issued;
  EXPECT_EQ(org.log.live_node_by_transport(first), nullptr) << "it begins nothing any more";
  ASSERT_NE(org.log.live_node_by_transport(second), nullptr);
  EXPECT_EQ(held().transport_before, first);
  ASSERT_EQ(renew(), "ok");
  EXPECT_EQ(held().transport_before, first);
  EXPECT_EQ(held().transport_since, changed);

  node.certificate.transport = crypto::TransportKeyPair::generate(org.random).public_key();
  ASSERT_EQ(renew(), "ok");
  EXPECT_EQ(held().transport_before, second) << "one before, no more";
}

TEST(OrgLog, rule_18_a_node_counter_signs_its_certificate) {
  ExampleOrg org(1);
  const ExampleNode node = test::make_node(org.log.id(), "one", org.random);
  const auto other = crypto::SigningKey::generate(org.random);
  EXPECT_EQ(apply(org, org.log.make_certify(node.certificate, other, kExampleTime, org.roots.signers())),
            "bad_counter_signature");
  EXPECT_TRUE(org.log.nodes().empty());
}

TEST(OrgLog, rule_18_a_certificate_is_of_its_own_organisation) {
  ExampleOrg org(1);
  const ExampleOrg other(2);
  const ExampleNode node = test::make_node(other.log.id(), "one", org.random);
  EXPECT_EQ(apply(org, org.log.make_certify(node.certificate, node.signing, kExampleTime, org.roots.signers())),
            "bad_certificate");
}

TEST(OrgLog, rule_18_a_higher_serial_replaces) {
  ExampleOrg org(1);
  ExampleNode node = org.add_node("one");
  const auto certify = [&](std::uint32_t serial) {
    NodeCertificate later = node.certificate;
    later.serial = serial;
    later.name = "serial " + std::to_string(serial);
    return apply(org, org.log.make_certify(later, node.signing, kExampleTime, org.roots.signers()));
  };
  EXPECT_EQ(certify(1), "bad_certificate");
  EXPECT_EQ(certify(5), "ok");
  EXPECT_EQ(certify(5), "bad_certificate");
  EXPECT_EQ(certify(4), "bad_certificate");
  EXPECT_EQ(org.log.live_node(node.certificate.node)->certificate.name, "serial 5");
  EXPECT_EQ(org.log.nodes().size(), 1u);
}

TEST(OrgLog, rule_18_new_keys_are_signed_by_the_new_signing_key) {
  ExampleOrg org(1);
  ExampleNode node = org.add_node("one");
  NodeCertificate later = node.certificate;
  const auto fresh = crypto::SigningKey::generate(org.random);
  later.signing = fresh.verify_key();
  later.serial = 2;
  EXPECT_EQ(apply(org, org.log.make_certify(later, node.signing, kExampleTime, org.roots.signers())),
            "bad_counter_signature");
  EXPECT_EQ(apply(org, org.log.make_certify(later, fresh, kExampleTime, org.roots.signers())), "ok");
  EXPECT_EQ(org.log.live_node(node.certificate.node)->certificate.signing, fresh.verify_key());
}

TEST(OrgLog, rule_03_a_key_is_that_of_one_node) {
  ExampleOrg org(1);
  const ExampleNode one = org.add_node("one");
  const auto with = [&](auto change, const crypto::SigningKey& signer) {
    ExampleNode two = test::make_node(org.log.id(), "two", org.random);
    change(two.certificate);
    two.certificate.node = make_node_id(org.log.id(), two.certificate.node_random, two.certificate.first_signing);
    return apply(org, org.log.make_certify(two.certificate, signer, kExampleTime, org.roots.signers()));
  };
  const auto fresh = crypto::SigningKey::generate(org.random);
  const auto use = [&](const crypto::SigningKey& key) {
    return [&](NodeCertificate& c) { c.signing = key.verify_key(); };
  };
  EXPECT_EQ(with(use(one.signing), one.signing), "bad_certificate");
  EXPECT_EQ(with(use(org.roots.keys[0]), org.roots.keys[0]), "bad_certificate") << "a root key";
  EXPECT_EQ(with(
                [&](NodeCertificate& c) {
                  c.signing = fresh.verify_key();
                  c.transport = one.transport.public_key();
                },
                fresh),
            "bad_certificate");
  EXPECT_EQ(with(
                [&](NodeCertificate& c) {
                  c.signing = fresh.verify_key();
                  c.encryption = one.encryption.public_key();
                },
                fresh),
            "bad_certificate");
  EXPECT_EQ(with(use(fresh), fresh), "ok");
}

TEST(OrgLog, rule_18_only_revocation_ends_a_node_and_for_good) {
  ExampleOrg org(1);
  ExampleNode node = org.add_node("one");
  org.append(
      org.log.make_revoke(node.certificate.node, "laptop stolen", {}, kExampleTime, org.roots.signers(), org.random));
  EXPECT_EQ(org.log.live_node(node.certificate.node), nullptr);
  EXPECT_EQ(org.log.live_node_by_transport(node.transport.public_key()), nullptr);
  const CertifiedNode& listed = org.log.nodes().at(node.certificate.node);
  EXPECT_TRUE(listed.revoked);
  EXPECT_EQ(listed.revoked_at, Number{3});
  EXPECT_EQ(listed.revoke_reason, "laptop stolen");

  NodeCertificate again = node.certificate;
  again.serial = 2;
  EXPECT_EQ(apply(org, org.log.make_certify(again, node.signing, kExampleTime, org.roots.signers())),
            "bad_certificate");
  again.node_random[0] ^= 1;
  again.node = make_node_id(again.org, again.node_random, again.first_signing);
  EXPECT_EQ(apply(org, org.log.make_certify(again, node.signing, kExampleTime, org.roots.signers())), "bad_certificate")
      << "nor its keys under another id";
}

TEST(OrgLog, rule_20_pins_are_padded_in_count) {
  ExampleOrg org(1);
  for (const std::size_t count : {0u, 1u, 8u, 9u, 100u, 256u}) {
    ExampleNode node = org.add_node("one");
    std::vector<crypto::Hash> pins;
    for (std::size_t i = 0; i < count; ++i) pins.push_back(crypto::random_fixed<crypto::Hash>(org.random));
    org.append(org.log.make_revoke(node.certificate.node, "", pins, kExampleTime, org.roots.signers(), org.random));
    const auto& held = org.log.nodes().at(node.certificate.node).pins;
    EXPECT_EQ(held.size(), std::max<std::size_t>(8, std::bit_ceil(count)));
    for (const auto& pin : pins) EXPECT_NE(std::find(held.begin(), held.end(), pin), held.end());
    EXPECT_TRUE(std::is_sorted(held.begin(), held.end())) << "order says nothing";
  }
}

TEST(OrgLog, a_second_revocation_adds_pins_up_to_a_limit) {
  ExampleOrg org(1);
  ExampleNode node = org.add_node("one");
  const std::vector<crypto::Hash> pins(kRevocationPinsMax);
  const auto revoke = [&](std::string_view reason) {
    return apply(
        org, org.log.make_revoke(node.certificate.node, reason, pins, kExampleTime, org.roots.signers(), org.random));
  };
  for (std::size_t i = 0; i < kPinsPerNodeMax / kRevocationPinsMax; ++i)
    EXPECT_EQ(revoke(i == 0 ? "first" : "later"), "ok");
  EXPECT_EQ(revoke("too many"), "bad_event");
  EXPECT_EQ(org.log.nodes().at(node.certificate.node).pins.size(), kPinsPerNodeMax);
  EXPECT_EQ(org.log.nodes().at(node.certificate.node).revoke_reason, "first");
  EXPECT_EQ(org.log.nodes().at(node.certificate.node).revoked_at, Number{3});
}

TEST(OrgLog, event_content_is_checked) {
  ExampleOrg org(1);
  ExampleNode node = org.add_node("one");
  const Bytes short_blob(31, 1);
  const Bytes pin(32, 1);
  const auto with = [&](const std::function<void(EventBuilder)>& fill) {
    return apply(org, next_of(org, event(fill)).entry());
  };
  const auto revoke = [&](std::size_t pins, ByteView id, std::string reason = "") {
    return [&, pins, id, reason](EventBuilder b) {
      auto r = b.initRevoke();
      r.setNodeId(canonical::data(id));
      r.setReason(reason);
      auto list = r.initPins(static_cast<unsigned>(pins));
      for (unsigned i = 0; i < list.size(); ++i) list.set(i, canonical::data(ByteView(pin)));
    };
  };
  const ByteView id = node.certificate.node.view();
  for (const std::size_t pins : {0, 1, 4, 7, 9, 12, 512}) EXPECT_EQ(with(revoke(pins, id)), "bad_event") << pins;
  EXPECT_EQ(with(revoke(8, ByteView(short_blob))), "bad_event");
  EXPECT_EQ(with(revoke(8, ByteView(pin))), "bad_event") << "a node that nobody certified";
  EXPECT_EQ(with(revoke(8, id, "bell\a")), "bad_event");
  EXPECT_EQ(with(revoke(8, id, std::string(201, 'r'))), "bad_event");
  EXPECT_EQ(with([&](EventBuilder b) { b.initRevoke().setNodeId(canonical::data(id)); }), "bad_event");
  EXPECT_EQ(with([&](EventBuilder b) { b.initCertify().setCounterSignature(canonical::data(ByteView(short_blob))); }),
            "bad_event");
  EXPECT_EQ(with([&](EventBuilder b) {
              const Bytes signature(64, 1);
              b.initCertify().setCounterSignature(canonical::data(ByteView(signature)));
            }),
            "not_canonical")
      << "no certificate in it";
  EXPECT_EQ(with([](EventBuilder b) { b.initRotateRoots(); }), "bad_event");
  EXPECT_EQ(with([](EventBuilder b) { b.setFormatVersion(0); }), "bad_event");
  EXPECT_EQ(apply(org, next_of(org, Bytes(9)).entry()), "not_canonical");
  EXPECT_EQ(apply(org, next_of(org, {}).entry()), "not_canonical");
  EXPECT_EQ(org.log.head(), Number{2});
  EXPECT_EQ(with(revoke(8, id, "reason")), "ok");
}

TEST(OrgLog, rule_16_an_unknown_event_is_kept_and_has_no_effect) {
  ExampleOrg org(1);
  const ExampleNode node = org.add_node("one");
  Forge forge = next_of(org, event_of_the_future());
  EXPECT_EQ(apply(org, forge.entry()), "ok");
  EXPECT_EQ(org.log.head(), Number{3});
  EXPECT_EQ(org.log.unknown_events(), 1u);
  EXPECT_NE(org.log.live_node(node.certificate.node), nullptr);

  // A known member in a later format may mean something else.
  forge = next_of(org, event([&](EventBuilder b) {
                    b.setFormatVersion(2);
                    b.initRevoke().setNodeId(canonical::data(node.certificate.node));
                  }));
  EXPECT_EQ(apply(org, forge.entry()), "ok");
  EXPECT_EQ(org.log.unknown_events(), 2u);
  EXPECT_NE(org.log.live_node(node.certificate.node), nullptr);

  forge = next_of(org, event_of_the_future());
  forge.signers = org.next_roots.signers();
  EXPECT_EQ(apply(org, forge.entry()), "bad_signature") << "unknown, but signed all the same";
  org.add_node("two");
}

TEST(OrgLog, rule_07_validity_does_not_depend_on_the_clock) {
  // Certificates long past their date, not yet begun, and ending before they begin: all count. Nothing in the log's
  // interface takes a time.
  ExampleOrg org(1);
  for (const auto& [issued, expires] :
       {std::pair<std::int64_t, std::int64_t>{0, 1}, {INT64_MAX, INT64_MAX}, {INT64_MAX, INT64_MIN}}) {
    ExampleNode node = test::make_node(org.log.id(), "one", org.random);
    node.certificate.issued = {issued};
    node.certificate.expires = {expires};
    EXPECT_EQ(apply(org, org.log.make_certify(node.certificate, node.signing, {INT64_MIN}, org.roots.signers())), "ok");
    EXPECT_NE(org.log.live_node(node.certificate.node), nullptr);
  }
}

struct RotationTest : testing::Test {
  ExampleOrg org{1, 3, 2};
  ExampleNode node = org.add_node("one");
  Roots after = Roots::generate(1, 1, org.random);
};

TEST_F(RotationTest, rule_19_no_rotation_commits_to_roots_of_before) {
  const auto to = [&](const crypto::Hash& next) {
    return apply(org, org.log.make_rotate_roots(org.next_roots.set(), next, kExampleTime, org.next_roots.signers()));
  };
  EXPECT_EQ(to(org.roots.set().commitment()), "bad_rotation") << "in force";
  EXPECT_EQ(to(org.next_roots.set().commitment()), "bad_rotation") << "committed to";
  ASSERT_EQ(to(after.set().commitment()), "ok");
  const auto further = [&](const crypto::Hash& next) {
    return apply(org, org.log.make_rotate_roots(after.set(), next, kExampleTime, after.signers()));
  };
  EXPECT_EQ(further(org.roots.set().commitment()), "bad_rotation") << "in force at first";
  EXPECT_EQ(further(org.next_roots.set().commitment()), "bad_rotation") << "in force now";
  EXPECT_EQ(further(Roots::generate(1, 1, org.random).set().commitment()), "ok");
}

TEST_F(RotationTest, rule_19_the_committed_roots_take_over_without_the_current_ones) {
  const Entry entry =
      org.log.make_rotate_roots(org.next_roots.set(), after.set().commitment(), kExampleTime, org.next_roots.signers());
  ASSERT_EQ(apply(org, entry), "ok");
  EXPECT_EQ(org.log.roots(), org.next_roots.set());
  EXPECT_EQ(org.log.next_roots(), after.set().commitment());
  EXPECT_NE(org.log.live_node(node.certificate.node), nullptr) << "nodes stay certified";

  const ExampleNode two = test::make_node(org.log.id(), "two", org.random);
  EXPECT_EQ(apply(org, org.log.make_certify(two.certificate, two.signing, kExampleTime, org.roots.signers())),
            "bad_signature")
      << "the old roots sign nothing more";
  EXPECT_EQ(apply(org, org.log.make_certify(two.certificate, two.signing, kExampleTime, org.next_roots.signers())),
            "ok");
}

TEST_F(RotationTest, rule_17_next_roots_are_those_committed_to) {
  const Roots thief = Roots::generate(3, 2, org.random);
  EXPECT_EQ(apply(org, org.log.make_rotate_roots(thief.set(), after.set().commitment(), kExampleTime, thief.signers())),
            "bad_rotation");
  RootSet lower = org.next_roots.set();
  lower.threshold = 1;
  EXPECT_EQ(
      apply(org, org.log.make_rotate_roots(lower, after.set().commitment(), kExampleTime, org.next_roots.signers({0}))),
      "bad_rotation");
  Forge forge = next_of(org, to_bytes(org.log
                                          .make_rotate_roots(org.next_roots.set(), after.set().commitment(),
                                                             kExampleTime, org.next_roots.signers())
                                          .view()
                                          .body));
  forge.signers = org.roots.signers();
  EXPECT_EQ(apply(org, forge.entry()), "bad_signature") << "the current roots cannot do it";
  EXPECT_EQ(org.log.roots(), org.roots.set());
}

TEST_F(RotationTest, rule_12_a_suspect_is_checked_by_the_roots_that_are_or_were_in_force) {
  const ExampleNode two = test::make_node(org.log.id(), "two", org.random);
  const Entry before = org.log.make_certify(two.certificate, two.signing, kExampleTime, org.roots.signers());
  const Entry rotation =
      org.log.make_rotate_roots(org.next_roots.set(), after.set().commitment(), kExampleTime, org.next_roots.signers());
  const auto check = [&](const Entry& entry) { return code_of(org.log.check_suspect(entry.view(), org.verifier)); };
  EXPECT_EQ(check(before), "ok");
  EXPECT_EQ(check(rotation), "ok");
  org.append(rotation);
  EXPECT_EQ(check(before), "ok") << "signed by the roots of before";
  EXPECT_EQ(check(rotation), "ok");
  EXPECT_EQ(check(org.log.make_certify(two.certificate, two.signing, kExampleTime, org.next_roots.signers())), "ok");
  const Roots thief = Roots::generate(3, 2, org.random);
  EXPECT_EQ(check(org.log.make_certify(two.certificate, two.signing, kExampleTime, thief.signers())), "bad_signature");
  EXPECT_EQ(check(org.log.make_rotate_roots(thief.set(), after.set().commitment(), kExampleTime, thief.signers())),
            "bad_rotation");
  Bytes body = to_bytes(before.view().body);
  body.back() ^= 1;
  EXPECT_EQ(check(Entry(before.view().header, before.view().signature, body)), "bad_body_hash");
  // What was verified before is read back to the same log.
  OrgLog again = test::must(OrgLog::from_verified_genesis(org.entries[0].view()));
  for (std::size_t i = 1; i < org.entries.size(); ++i) test::must(again.apply_verified(org.entries[i].view()));
  EXPECT_EQ(again.head_hash(), org.log.head_hash());
  EXPECT_EQ(again.roots(), org.log.roots());
}

TEST_F(RotationTest, rule_19_a_rotation_past_an_earlier_good_entry_is_told_apart) {
  const Entry rotation =
      org.log.make_rotate_roots(org.next_roots.set(), after.set().commitment(), kExampleTime, org.next_roots.signers());
  const OrgLog good = org.log;
  const ExampleNode stolen = org.add_node("by a thief of the roots");
  EXPECT_EQ(apply(org, rotation), "bad_rotation") << "not wrong_number: the caller shall replay";
  OrgLog replayed = good;
  EXPECT_EQ(code_of(replayed.apply(rotation.view(), org.verifier)), "ok");
  EXPECT_EQ(replayed.live_node(stolen.certificate.node), nullptr);
}

TEST_F(RotationTest, the_last_good_entry_is_the_one_before) {
  const auto with = [&](std::uint64_t number, const EntryHash& hash) {
    Forge forge = next_of(org, event([&](EventBuilder b) {
                            auto r = b.initRotateRoots();
                            const RootSet set = org.next_roots.set();
                            auto keys = r.initRootKeys(3);
                            for (unsigned i = 0; i < 3; ++i) keys.set(i, canonical::data(set.keys[i]));
                            r.setThreshold(2);
                            r.setNextRoots(canonical::data(after.set().commitment()));
                            r.setLastGoodNumber(number);
                            r.setLastGoodHash(canonical::data(hash));
                          }));
    forge.signers = org.next_roots.signers();
    return apply(org, forge.entry());
  };
  EXPECT_EQ(with(1, org.log.head_hash()), "bad_rotation");
  EXPECT_EQ(with(2, EntryHash()), "bad_rotation");
  EXPECT_EQ(with(2, org.log.head_hash()), "ok");
}

TEST_F(RotationTest, rule_03_a_root_is_no_node) {
  // A node was certified with a key that the sealed next root set holds.
  ExampleNode two = test::make_node(org.log.id(), "two", org.random);
  two.certificate.signing = org.next_roots.keys[0].verify_key();
  org.append(org.log.make_certify(two.certificate, org.next_roots.keys[0], kExampleTime, org.roots.signers()));
  EXPECT_EQ(apply(org, org.log.make_rotate_roots(org.next_roots.set(), after.set().commitment(), kExampleTime,
                                                 org.next_roots.signers())),
            "bad_rotation");
}

TEST(OrgLog, nodes_certified_at_one_time_are_limited) {
  ExampleOrg org(1);
  std::vector<ExampleNode> nodes;
  for (std::size_t i = 0; i < kNodesPerOrgMax; ++i) nodes.push_back(org.add_node("n"));
  const ExampleNode more = test::make_node(org.log.id(), "one more", org.random);
  const auto certify = [&] {
    return apply(org, org.log.make_certify(more.certificate, more.signing, kExampleTime, org.roots.signers()));
  };
  EXPECT_EQ(certify(), "too_many_nodes");
  NodeCertificate renewed = nodes[0].certificate;
  renewed.serial = 2;
  EXPECT_EQ(apply(org, org.log.make_certify(renewed, nodes[0].signing, kExampleTime, org.roots.signers())), "ok");
  org.append(org.log.make_revoke(nodes[0].certificate.node, "", {}, kExampleTime, org.roots.signers(), org.random));
  EXPECT_EQ(certify(), "ok");
}

TEST(OrgLog, entries_are_limited) {
  ExampleOrg org(1);
  while (org.log.head().value < kOrgLogEntriesMax)
    ASSERT_EQ(apply(org, next_of(org, event_of_the_future()).entry()), "ok");
  EXPECT_EQ(apply(org, next_of(org, event_of_the_future()).entry()), "too_many_entries");
}

// A log with every event in it.
std::vector<Entry> rich_log() {
  ExampleOrg org(7, 3, 2);
  const ExampleNode one = org.add_node("one");
  org.add_node("two");
  org.append(org.log.make_revoke(one.certificate.node, "lost", {}, kExampleTime, org.roots.signers(), org.random));
  const Roots after = Roots::generate(1, 1, org.random);
  org.append(org.log.make_rotate_roots(org.next_roots.set(), after.set().commitment(), kExampleTime,
                                       org.next_roots.signers()));
  return org.entries;
}

Result<OrgLog> replay(const std::vector<Entry>& entries, crypto::Verifier& verifier) {
  auto log = OrgLog::from_genesis(entries[0].view(), verifier);
  for (std::size_t i = 1; log && i < entries.size(); ++i) {
    if (auto applied = log->apply(entries[i].view(), verifier); !applied) return applied.error();
  }
  return log;
}

RC_GTEST_PROP(OrgLog, rule_05_flipping_any_bit_of_an_entry_is_refused, ()) {
  static const std::vector<Entry> good = rich_log();
  static crypto::Verifier verifier;
  RC_ASSERT(replay(good, verifier).ok());
  std::vector<Entry> entries = good;
  const auto which = *rc::gen::inRange<std::size_t>(0, entries.size());
  Bytes bytes = encode_entry(entries[which].view());
  const auto bit = *rc::gen::inRange<std::size_t>(0, bytes.size() * 8);
  bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  const auto entry = decode_entry(bytes);
  if (!entry) return;
  entries[which] = Entry(entry->header, entry->signature, entry->body);
  const auto log = replay(entries, verifier);
  RC_ASSERT(!log.ok());
  RC_ASSERT(log.error().origin == Origin::kPeer);
}

RC_GTEST_PROP(OrgLog, any_body_that_the_roots_sign_is_taken_or_refused_whole, (std::uint64_t seed)) {
  static ExampleOrg org(7);
  static const ExampleNode node = org.add_node("one");
  static const Bytes certify = [] {
    const ExampleNode two = test::make_node(org.log.id(), "two", org.random);
    return to_bytes(org.log.make_certify(two.certificate, two.signing, kExampleTime, org.roots.signers()).view().body);
  }();
  static const Bytes revoke = to_bytes(
      org.log.make_revoke(node.certificate.node, "", {}, kExampleTime, org.roots.signers(), org.random).view().body);
  static const Roots after = Roots::generate(1, 1, org.random);
  static const Bytes rotate = to_bytes(
      org.log.make_rotate_roots(org.next_roots.set(), after.set().commitment(), kExampleTime, org.next_roots.signers())
          .view()
          .body);
  SeededRandom random(seed);
  const Bytes* const bodies[] = {&certify, &revoke, &rotate};
  Bytes body = *bodies[random.below(3)];
  for (std::size_t n = random.below(4); n > 0; --n) {
    const std::size_t bit = random.below(body.size() * 8);
    body[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
  OrgLog log = org.log;
  Forge forge = next_of(org, body);
  if (random.below(2) == 0) forge.signers = org.next_roots.signers();
  const auto applied = log.apply(forge.entry().view(), org.verifier);
  if (applied) {
    RC_ASSERT(log.head() == org.log.head().next());
  } else {
    RC_ASSERT(applied.error().origin == Origin::kPeer);
    RC_ASSERT(log.head() == org.log.head());
    RC_ASSERT(log.head_hash() == org.log.head_hash());
    RC_ASSERT(log.roots() == org.log.roots());
    RC_ASSERT(log.nodes().size() == org.log.nodes().size());
    RC_ASSERT(log.live_node(node.certificate.node) != nullptr);
    RC_ASSERT(log.unknown_events() == 0u);
  }
}

}  // namespace
}  // namespace tocsin::protocol
