// A second node of an organisation: certified by its roots, told of its channels, alike with the first (rules 18, 27,
// 34).
#include <gtest/gtest.h>

#include "crypto/wrap.h"
#include "protocol/channel_messages.h"
#include "tests/support/bundle_files.h"
#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/forged_control.h"
#include "tests/support/further_nodes.h"
#include "tests/support/pair.h"

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

  void sign(const OrgRequest& request) { test::sign_by_roots(b, b, request); }
  void certify() { test::certify(b, second); }
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
  EXPECT_EQ(code_of(second.replica().append(id, {}, nullptr)), "not_certified") << "what to do, not a riddle";
  EXPECT_EQ(code_of(second.replica().create_channel({"of nobody"}, nullptr)), "not_certified");
  EXPECT_TRUE(second.replica().channels().empty());
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
  const ChannelId id = make_channel(a, {&b});
  certify();
  test::show_own_log(b, second);
  test::introduce(a, second);
  const auto given_by = [&](Party& from) {
    for (const Mail& mail : b.replica().mail_for(b.org(), second.node())) {
      if (mail.kind != MailKind::kIntroduction) continue;
      const auto taken = second.replica().handle_mail(from.org(), mail.kind, mail.prekey_month, mail.envelope);
      if (!taken) return code_of(taken);
    }
    second.store.sync();
    return std::string("ok");
  };
  // Another organisation gives it the same, and is verified.
  EXPECT_EQ(given_by(a), "ok") << "it is passed over";
  EXPECT_TRUE(second.replica().channels().empty());
  EXPECT_EQ(given_by(b), "ok");
  EXPECT_EQ(standing(second, id), ChannelStanding::kAccepting);
}

TEST_F(FurtherNode, a_card_of_another_node_of_the_own_organisation_says_where_that_is_found) {
  certify();
  sync_all({&b, &second});
  const std::string card = must(second.replica().own_card({"second.example.org:7447"}));
  const auto added = b.replica().add_card(card, nullptr);
  ASSERT_EQ(code_of(added), "ok");
  EXPECT_EQ(*added, b.org());
  b.store.sync();
  b.crash();
  EXPECT_EQ(b.replica().addresses_of(second.node()), std::vector<std::string>{"second.example.org:7447"});
  EXPECT_TRUE(b.replica().peers().empty()) << "its own organisation is no peer";
  EXPECT_FALSE(b.replica().peer(b.org()));
  EXPECT_EQ(code_of(second.replica().add_card(card, nullptr)), "own_card");
  EXPECT_EQ(code_of(b.replica().add_card(must(b.replica().own_card({"b.example.org:7447"})), nullptr)), "own_card");
}

// Bravo was in with both nodes, is removed, and comes back by the answer of one.
struct BackIn : FurtherNode {
  ChannelId id;

  void SetUp() override {
    id = make_channel(a, {&b});
    certify();
    sync_all({&a, &b, &second});
    ASSERT_EQ(standing(second, id), ChannelStanding::kJoined);
    write(a, id, "before");
    sync_all({&a, &b, &second});
  }
  void remove() {
    must(a.replica().remove_member(id, b.org(), nullptr));
    a.store.sync();
  }
  void invite() {
    must(a.replica().invite(id, b.org(), Role::kMember, nullptr));
    a.store.sync();
    sync_once(a, b);
  }
  void accept() {
    must(b.replica().accept(id, nullptr));
    b.store.sync();
    sync_once(a, b);
    sync_once(a, b);
    ASSERT_EQ(standing(b, id), ChannelStanding::kJoined);
  }
  void expect_back() {
    sync_once(b, second);
    sync_all({&a, &b, &second});
    ASSERT_EQ(standing(second, id), ChannelStanding::kJoined);
    for (Party* party : {&a, &b, &second}) write(*party, id, "again, " + party->name());
    sync_all({&a, &b, &second});
    for (Party* party : {&a, &b, &second}) {
      EXPECT_EQ(party->text_set(id), (Texts{"before", "again, Alpha", "again, Bravo", "again, Bravo 2"}))
          << party->name();
      EXPECT_EQ(party->replica().frontier(id).digest(), a.replica().frontier(id).digest()) << party->name();
    }
  }
};

TEST_F(BackIn, a_node_that_knows_of_the_removal_alone_is_let_in_by_the_other) {
  remove();
  sync_all({&a, &b, &second});
  for (Party* party : {&b, &second}) ASSERT_EQ(standing(*party, id), ChannelStanding::kRemoved) << party->name();
  invite();
  accept();
  ASSERT_EQ(standing(second, id), ChannelStanding::kRemoved);
  expect_back();
}

TEST_F(BackIn, a_node_that_was_invited_again_as_well_is_let_in_by_the_other) {
  remove();
  invite();
  sync_once(a, second);
  ASSERT_EQ(standing(second, id), ChannelStanding::kInvited);
  accept();
  ASSERT_EQ(standing(second, id), ChannelStanding::kInvited);
  expect_back();
}

TEST_F(BackIn, a_node_that_knows_of_the_removal_is_not_let_in_by_one_that_does_not) {
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  sync_once(a, b);
  const ChannelState held = test::stored_channel(b, id);
  const EpochInfo& newest = held.epochs.at(held.newest_epoch());
  remove();
  sync_once(a, second);
  ASSERT_EQ(standing(second, id), ChannelStanding::kRemoved);
  ASSERT_EQ(standing(b, id), ChannelStanding::kJoined);
  // Of an epoch that the second never had, from before the removal.
  Introduction old;
  old.genesis = held.genesis->message;
  old.genesis_signature = held.genesis->signature;
  const Entry entry = must(b.replica().read_entry(newest.log, newest.first));
  old.epoch_entry = encode_entry({entry.view().header, entry.view().signature, {}});
  for (const Entry& each : a.org_log) old.chair_org_log.push_back(encode_entry(each.view()));
  const Bytes sealed = must(crypto::seal_to(second.secrets().tier2->encryption.public_key(), crypto::kLabelIntroduction,
                                            second.node().view(), encode_introduction(old), b.random()));
  EXPECT_EQ(code_of(second.replica().handle_mail(b.org(), MailKind::kIntroduction, kCertificateKeyMonth, sealed)),
            "ok");
  second.store.sync();
  EXPECT_EQ(standing(second, id), ChannelStanding::kRemoved);
}

// A node of Bravo was told of a channel in term 1 and waits for its key; then Alpha loses the node that leads, and its
// further node leads on.
struct WaitsIntoTheNextTerm : testing::Test {
  test::Pair net;
  Party &a = net.add("Alpha"), &b = net.add("Bravo"), &c = net.add("Charlie");
  Party &a2 = net.add_further(a, "Alpha 2"), &b2 = net.add_further(b, "Bravo 2");
  ChannelId id;

  void SetUp() override {
    id = make_channel(a, {&b, &c});
    test::certify(a, a2);
    sync_all({&a, &b, &c, &a2});
    ASSERT_EQ(a2.replica().channel(id)->standing, ChannelStanding::kJoined);
    test::certify(b, b2);
    sync_once(b, b2);
    ASSERT_EQ(b2.replica().channel(id)->standing, ChannelStanding::kAccepting);
  }
  void lose_chair() {
    test::revoke(a, a, a2);
    sync_all({&a2, &b, &c});
    net.clock.advance_ms(61'000);
  }
  void expect_joined() {
    ASSERT_EQ(b2.replica().channel(id)->standing, ChannelStanding::kJoined);
    EXPECT_EQ(b2.replica().channel(id)->term, 2u);
    EXPECT_EQ(b2.replica().channel(id)->chair_node, a2.node());
  }
  void expect_hears(Party& from) {
    from.write(id, "hello");
    from.store.sync();
    sync_all({&from, &b2});
    EXPECT_EQ(b2.texts(id), std::vector<std::string>{"hello"});
  }
};

TEST_F(WaitsIntoTheNextTerm, rule_22_the_other_node_introduces_it_anew_in_the_same_session) {
  lose_chair();
  net.connect(b, b2);
  ASSERT_TRUE(net.run());
  ASSERT_EQ(b2.replica().channel(id)->standing, ChannelStanding::kAccepting);
  ASSERT_EQ(b.replica().channel(id)->term, 1u);
  net.connect(b, a2);
  ASSERT_TRUE(net.run());
  ASSERT_EQ(b.replica().channel(id)->term, 2u);
  expect_joined();
  expect_hears(b);
}

TEST_F(WaitsIntoTheNextTerm, rule_22_with_the_other_node_lost_a_verified_member_tells_it_who_leads) {
  lose_chair();
  sync_all({&a2, &b, &c});
  ASSERT_EQ(c.replica().channel(id)->term, 2u);
  // Bravo is lost as well. Charlie is known to its further node by card alone.
  must(b2.replica().add_card(must(c.replica().own_card({"c.example.org:7447"})), nullptr));
  b2.store.sync();
  std::vector<std::string> said;
  for (const Mail& mail : c.replica().mail_for(b2.org(), b2.node())) {
    if (mail.kind != MailKind::kIntroduction) continue;
    said.push_back(code_of(b2.replica().handle_mail(c.org(), mail.kind, mail.prekey_month, mail.envelope)));
    b2.store.sync();
  }
  EXPECT_EQ(said, std::vector<std::string>{"bad_invitation"});
  EXPECT_EQ(b2.replica().channel(id)->term, 1u);
  test::introduce(b2, c);
  sync_once(c, b2);
  sync_all({&a2, &c, &b2});
  expect_joined();
  expect_hears(c);
}

}  // namespace
}  // namespace tocsin::protocol
