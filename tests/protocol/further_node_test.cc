// A second node of an organisation: certified by its roots, told of its channels, alike with the first (rules 18, 27,
// 34).
#include <gtest/gtest.h>

#include "crypto/wrap.h"
#include "protocol/channel_messages.h"
#include "protocol/org_request.h"
#include "tests/support/bundle_files.h"
#include "tests/support/expect.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::make_channel;
using test::must;
using test::Party;
using test::sync_all;
using test::sync_once;
using test::WorldClock;

struct FurtherNode : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock};
  Party second{b, "Bravo 2", 12, clock};

  // What the roots do with a request, and the first node with what they signed.
  void sign(const OrgRequest& request) {
    std::vector<OrgSignature> signatures;
    for (const RootSigner& signer : b.roots().signers())
      signatures.push_back(must(sign_org_request(request, *signer.key)));
    crypto::Verifier verifier;
    const Entry entry = must(assemble_org_entry(signatures, verifier));
    must(b.replica().append_org_entry(entry.view(), false, nullptr));
    b.store.sync();
  }
  void certify() {
    crypto::Verifier verifier;
    sign(must(b.replica().request_certify(must(decode_node_request(second.request, verifier)))));
  }
  void write(Party& party, const ChannelId& id, std::string_view text) {
    party.write(id, text);
    party.store.sync();
  }
  ChannelStanding standing(Party& party, const ChannelId& id) {
    const auto info = party.replica().channel(id);
    return info ? info->standing : ChannelStanding::kRemoved;
  }
  using Texts = std::multiset<std::string>;
};

TEST_F(FurtherNode, rule_18_it_is_nobody_until_the_roots_have_signed) {
  const ChannelId id = make_channel(a, {&b});
  EXPECT_FALSE(second.replica().is_certified());
  EXPECT_EQ(second.replica().addresses_of(b.node()), std::vector<std::string>{"first.example.org:7447"});
  sync_all({&a, &b, &second});
  EXPECT_TRUE(second.replica().channels().empty());
  EXPECT_EQ(code_of(second.replica().append(id, {}, nullptr)), "unknown_channel");
  certify();
  sync_all({&b, &second});
  EXPECT_TRUE(second.replica().is_certified());
}

TEST_F(FurtherNode, rule_26_it_comes_to_every_channel_by_file_alone) {
  const ChannelId id = make_channel(a, {&b}), own = b.replica().private_channel();
  write(b, id, "before");
  certify();
  sync_all({&a, &b});
  write(b, own, "private");
  write(b, id, "after");
  const Bytes file = test::bundle(b, clock, {id, own}, b.org());
  EXPECT_EQ(test::error_of(test::read_bundle(a, file)), "bundle_for_others");
  const BundleSummary summary = test::read_bundle(second, file);
  EXPECT_TRUE(summary.complete);
  EXPECT_TRUE(summary.refused.empty()) << summary.refused.begin()->first;
  EXPECT_EQ(summary.mail, 2u);
  EXPECT_TRUE(second.replica().is_certified()) << "that stands in its opening";
  EXPECT_EQ(standing(second, id), ChannelStanding::kJoined);
  EXPECT_EQ(second.replica().private_channel(), own);
  EXPECT_EQ(second.texts(own), std::vector<std::string>{"private"});
  EXPECT_EQ(second.texts(id), std::vector<std::string>{"after"});
  EXPECT_EQ(second.replica().frontier(id).digest(), b.replica().frontier(id).digest());
}

TEST_F(FurtherNode, it_joins_every_channel_of_its_organisation_and_both_write_there) {
  const ChannelId id = make_channel(a, {&b});
  write(b, id, "before");
  write(b, b.replica().private_channel(), "private, before");
  sync_all({&a, &b});
  certify();
  sync_all({&a, &b, &second});
  ASSERT_EQ(standing(second, id), ChannelStanding::kJoined);
  EXPECT_EQ(second.replica().private_channel(), b.replica().private_channel());
  ASSERT_EQ(standing(second, b.replica().private_channel()), ChannelStanding::kJoined);
  write(b, id, "by the first");
  write(second, id, "by the second");
  write(second, second.replica().private_channel(), "private, by the second");
  sync_all({&a, &b, &second});
  EXPECT_EQ(a.text_set(id), (Texts{"before", "by the first", "by the second"}));
  EXPECT_EQ(b.text_set(id), (Texts{"before", "by the first", "by the second"}));
  EXPECT_EQ(second.text_set(id), (Texts{"before", "by the first", "by the second"})) << "rule 33";
  EXPECT_EQ(b.text_set(b.replica().private_channel()), (Texts{"private, before", "private, by the second"}));
  EXPECT_TRUE(b.replica().mail_for(b.org(), second.node()).empty()) << "it has signed receipts: it is told no more";
  second.crash();
  EXPECT_EQ(second.replica().private_channel(), b.replica().private_channel());
  EXPECT_EQ(standing(second, id), ChannelStanding::kJoined);
}

TEST_F(FurtherNode, a_channel_that_comes_later_reaches_both_nodes_and_either_may_be_away) {
  certify();
  sync_all({&b, &second});
  const ChannelId made = make_channel(b, {});
  const ChannelId joined = make_channel(a, {&b});
  sync_all({&b, &second});
  sync_all({&a, &b});
  sync_all({&a, &b, &second});
  EXPECT_EQ(standing(second, made), ChannelStanding::kJoined);
  ASSERT_EQ(standing(second, joined), ChannelStanding::kJoined);
  write(second, joined, "while the first is away");
  sync_once(a, second);
  EXPECT_EQ(a.text_set(joined), Texts{"while the first is away"});
}

TEST_F(FurtherNode, rule_20_and_27_a_lost_one_is_revoked_and_reads_nothing_new) {
  const ChannelId id = make_channel(a, {&b});
  certify();
  sync_all({&a, &b, &second});
  write(second, id, "honest");
  sync_all({&a, &b, &second});
  sign(must(b.replica().request_revoke(second.node(), "stolen", {})));
  sync_all({&a, &b});
  write(a, id, "after");
  write(second, id, "by the thief");
  sync_all({&a, &b, &second});
  EXPECT_EQ(second.text_set(id), (Texts{"honest", "by the thief"}));
  for (Party* party : {&a, &b}) EXPECT_EQ(party->text_set(id), (Texts{"honest", "after"})) << party->name();
  EXPECT_EQ(standing(b, id), ChannelStanding::kJoined);
}

TEST_F(FurtherNode, a_request_of_another_organisation_or_a_changed_one_is_not_signed) {
  crypto::Verifier verifier;
  const auto request = must(decode_node_request(second.request, verifier));
  EXPECT_EQ(code_of(a.replica().request_certify(request)), "wrong_organisation");
  NodeRequest forged = request;
  forged.certificate.serial = 0;
  forged.message.back() ^= 1;
  EXPECT_EQ(code_of(b.replica().request_certify(forged)), "bad_request");
  certify();
  EXPECT_EQ(code_of(b.replica().request_certify(request)), "bad_request") << "twice";
  EXPECT_EQ(code_of(decode_node_request(second.request.substr(0, 60), verifier)), "bad_checksum");
}

TEST_F(FurtherNode, only_its_own_organisation_introduces_it_to_a_channel) {
  const ChannelId id = make_channel(a, {});
  certify();
  sync_all({&b, &second});
  // Another organisation seals the same to it.
  Introduction forged;
  const Bytes sealed = must(crypto::seal_to(second.secrets().tier2->encryption.public_key(), crypto::kLabelIntroduction,
                                            second.node().view(), encode_introduction(forged), a.random()));
  EXPECT_EQ(code_of(second.replica().handle_mail(a.org(), MailKind::kIntroduction, kCertificateKeyMonth, sealed)),
            "not_for_us");
  EXPECT_FALSE(second.replica().channel(id));
}

}  // namespace
}  // namespace tocsin::protocol
