// Changes of an organisation's log that are asked for on the node and signed elsewhere (rules 17 to 20).
#include "protocol/org_request.h"

#include <gtest/gtest.h>

#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/forged_feed.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::make_channel;
using test::must;
using test::Party;
using test::sync_all;
using test::WorldClock;

struct OrgRequestTest : testing::Test {
  test::SeededRandom random{3};
  crypto::Verifier verifier;
  std::vector<crypto::SigningKey> roots, next;
  RootSet root_set{{}, 2}, next_set{{}, 2};
  std::optional<OrgLog> log;
  Bytes genesis;
  NodeId node;

  void SetUp() override {
    for (auto [keys, set] : {std::pair(&roots, &root_set), std::pair(&next, &next_set)}) {
      for (int i = 0; i < 3; ++i) {
        keys->push_back(crypto::SigningKey::generate(random));
        set->keys.push_back(keys->back().verify_key());
      }
    }
    const NewOrg org{"Watch", OrgKind::kNgo, "KEN", "tocsin-test", root_set, next_set.commitment(), {1000}};
    const RootSigner signers[] = {{0, &roots[0]}, {1, &roots[1]}};
    const Entry first = must(make_genesis(org, signers, random));
    genesis = to_bytes(first.view().body);
    log = must(OrgLog::from_genesis(first.view(), verifier));
    const auto made = test::make_node(log->id(), "one", random);
    must(log->apply(log->make_certify(made.certificate, made.signing, {1000}, signers).view(), verifier));
    node = made.certificate.node;
  }
  OrgRequest revoke() { return {genesis, root_set, log->draft_revoke(node, "lost", {}, {2000}, random)}; }
};

TEST_F(OrgRequestTest, rule_17_threshold_many_roots_sign_apart_and_the_entry_is_what_the_log_takes) {
  const std::string text = encode_org_request(revoke());
  const OrgRequest request = must(decode_org_request(text));
  const auto open = must(open_org_request(request));
  EXPECT_EQ(open.org.name, "Watch");
  EXPECT_EQ(open.org.id, log->id());
  EXPECT_EQ(open.number, Number{3});
  EXPECT_EQ(std::get<RevokeChange>(open.change).node, node);
  EXPECT_EQ(std::get<RevokeChange>(open.change).reason, "lost");
  // Out of order, as they come back.
  std::vector<OrgSignature> signatures;
  for (const int i : {2, 0}) {
    const auto back = encode_org_signature(must(sign_org_request(request, roots[static_cast<std::size_t>(i)])));
    signatures.push_back(must(decode_org_signature(back)));
  }
  const Entry entry = must(assemble_org_entry(signatures, verifier));
  must(log->apply(entry.view(), verifier));
  EXPECT_EQ(log->live_node(node), nullptr);
}

TEST_F(OrgRequestTest, rule_17_too_few_signatures_or_twice_the_same_are_not_enough_and_more_do_no_harm) {
  const OrgRequest request = revoke();
  const auto one = must(sign_org_request(request, roots[1]));
  std::vector<OrgSignature> signatures{one};
  EXPECT_EQ(code_of(assemble_org_entry({}, verifier)), "signatures_missing");
  EXPECT_EQ(code_of(assemble_org_entry(signatures, verifier)), "signatures_missing");
  signatures.push_back(one);
  EXPECT_EQ(code_of(assemble_org_entry(signatures, verifier)), "signatures_missing");
  for (const auto& key : roots) signatures.push_back(must(sign_org_request(request, key)));
  must(log->apply(must(assemble_org_entry(signatures, verifier)).view(), verifier));
}

TEST_F(OrgRequestTest, a_key_that_is_not_asked_signs_nothing) {
  EXPECT_EQ(code_of(sign_org_request(revoke(), next[0])), "wrong_root");
  EXPECT_EQ(code_of(sign_org_request(revoke(), crypto::SigningKey::generate(random))), "wrong_root");
}

TEST_F(OrgRequestTest, signatures_of_two_requests_or_a_forged_one_are_told_apart) {
  std::vector<OrgSignature> signatures{must(sign_org_request(revoke(), roots[0])),
                                       must(sign_org_request(revoke(), roots[1]))};
  EXPECT_EQ(code_of(assemble_org_entry(signatures, verifier)), "signatures_differ")
      << "the padding of the pins differs";
  const OrgRequest request = revoke();
  signatures = {must(sign_org_request(request, roots[0])), must(sign_org_request(request, roots[1]))};
  signatures[1].index = 2;
  EXPECT_EQ(code_of(assemble_org_entry(signatures, verifier)), "bad_signature");
  signatures[1].index = 16;
  EXPECT_EQ(code_of(assemble_org_entry(signatures, verifier)), "bad_signature");
}

TEST_F(OrgRequestTest, what_was_changed_on_the_way_is_no_request) {
  OrgRequest request = revoke();
  request.draft.body[request.draft.body.size() - 1] ^= 1;
  EXPECT_EQ(code_of(decode_org_request(encode_org_request(request))), "bad_request");
  request = revoke();
  request.draft.header[30] ^= 1;  // the log
  EXPECT_EQ(code_of(decode_org_request(encode_org_request(request))), "bad_request");
  request = revoke();
  request.genesis[60] ^= 1;  // the name of somebody else
  EXPECT_EQ(code_of(decode_org_request(encode_org_request(request))), "bad_request");
  request = {genesis, root_set, log->draft_rotate_roots(next_set, root_set.commitment(), {2000})};
  EXPECT_EQ(code_of(decode_org_request(encode_org_request(request))), "bad_request") << "signed by the old roots";
  std::string text = encode_org_request(revoke());
  EXPECT_EQ(code_of(decode_org_request(text.substr(0, text.size() / 2))), "bad_checksum");
  EXPECT_EQ(code_of(decode_org_signature(text)), "bad_prefix");
}

TEST_F(OrgRequestTest, rule_19_the_roots_that_were_committed_to_take_over_by_their_own_signatures) {
  EXPECT_EQ(must(decode_root_set(encode_root_set(next_set))), next_set);
  const OrgRequest request{genesis, next_set,
                           log->draft_rotate_roots(next_set, crypto::random_fixed<crypto::Hash>(random), {2000})};
  const auto open = must(open_org_request(must(decode_org_request(encode_org_request(request)))));
  EXPECT_EQ(std::get<RotateRootsChange>(open.change).roots, next_set);
  const std::vector<OrgSignature> signatures{must(sign_org_request(request, next[0])),
                                             must(sign_org_request(request, next[2]))};
  must(log->apply(must(assemble_org_entry(signatures, verifier)).view(), verifier));
  EXPECT_EQ(log->roots(), next_set);
}

// ---- On the node

struct OwnOrg : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock}, c{"Charlie", 3, clock};

  Result<Entry> sign(Party& party, const OrgRequest& request) {
    std::vector<OrgSignature> signatures;
    for (const RootSigner& signer : party.roots().signers()) {
      TOCSIN_ASSIGN(signature, sign_org_request(request, *signer.key));
      signatures.push_back(std::move(signature));
    }
    crypto::Verifier verifier;
    return assemble_org_entry(signatures, verifier);
  }
  LogKey feed_of(Party& party) { return party.replica().feeds_of(party.node()).back().feed; }
};

TEST_F(OwnOrg, rule_20_a_revocation_pins_a_feed_where_the_organisation_says_and_the_lower_pin_wins) {
  const ChannelId id = make_channel(a, {&b, &c});
  for (const auto* text : {"one", "two", "by the thief", "by the thief too"}) {
    b.write(id, text);
    b.store.sync();
  }
  sync_all({&a, &b, &c});
  ASSERT_EQ(c.texts(id).size(), 4u);
  const std::vector<Replica::LastGood> at{{feed_of(b), {2}}};
  const auto request = must(b.replica().request_revoke(b.node(), "stolen", at));
  const Entry entry = must(sign(b, request));
  must(b.replica().append_org_entry(entry.view(), true, nullptr));
  EXPECT_NE(b.replica().own_org().live_node(b.node()), nullptr) << "a dry run";
  bool done = false;
  must(b.replica().append_org_entry(entry.view(), false, [&](Result<void> written) { done = written.ok(); }));
  b.store.sync();
  EXPECT_TRUE(done);
  sync_all({&a, &b, &c});
  for (Party* party : {&a, &c}) {
    const auto pin = party->replica().pin_of(feed_of(b));
    ASSERT_TRUE(pin) << party->name();
    EXPECT_EQ(pin->last, Number{2}) << party->name();
  }
  std::size_t served = 0;
  must(c.replica().serve(feed_of(b), {1}, {UINT64_MAX}, 1 << 20, [&](const StoredEntry&) { return ++served, true; }));
  EXPECT_EQ(served, 2u);
}

TEST_F(OwnOrg, what_cannot_be_revoked_is_said_before_anybody_signs) {
  make_channel(a, {&b});
  b.write(b.replica().private_channel(), "x");
  b.store.sync();
  EXPECT_EQ(code_of(b.replica().request_revoke(a.node(), "", {})), "unknown_node");
  EXPECT_EQ(code_of(b.replica().request_revoke(b.node(), "two\nlines", {})), "bad_reason");
  const std::vector<Replica::LastGood> beyond{{feed_of(b), {99}}}, foreign{{LogKey{a.org().bytes()}, {1}}};
  EXPECT_EQ(code_of(b.replica().request_revoke(b.node(), "", beyond)), "unknown_feed");
  EXPECT_EQ(code_of(b.replica().request_revoke(b.node(), "", foreign)), "unknown_feed");
  const RootSet not_promised = test::Roots::generate(1, 1, b.random()).set();
  EXPECT_EQ(code_of(b.replica().request_rotate_roots(not_promised, crypto::random_fixed<crypto::Hash>(b.random()))),
            "wrong_next_roots");
}

TEST_F(OwnOrg, an_entry_of_another_organisation_or_of_another_time_is_refused) {
  const auto first = must(b.replica().request_revoke(b.node(), "first", {}));
  const auto second = must(b.replica().request_revoke(b.node(), "second", {}));
  EXPECT_EQ(code_of(a.replica().append_org_entry(must(sign(b, first)).view(), false, nullptr)), "wrong_organisation");
  must(b.replica().append_org_entry(must(sign(b, first)).view(), false, nullptr));
  b.store.sync();
  EXPECT_EQ(code_of(b.replica().append_org_entry(must(sign(b, second)).view(), false, nullptr)), "stale_request");
  EXPECT_EQ(code_of(b.replica().request_revoke(b.node(), "", {})), "already_revoked");
}

}  // namespace
}  // namespace tocsin::protocol
