// Members, chairs and invited organisations that turn hostile: what each may do to the others is bounded.
#include <gtest/gtest.h>

#include "crypto/wrap.h"
#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/forged_control.h"
#include "tests/support/forged_feed.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::ForgedFeed;
using test::give;
using test::make_channel;
using test::must;
using test::Party;
using test::sync_all;
using test::sync_once;
using test::WorldClock;

struct HostileMember : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock}, c{"Charlie", 3, clock};

  static void write(Party& party, const ChannelId& id, std::string_view text) {
    party.write(id, text);
    party.store.sync();
  }
  static void tick(Party& party) {
    party.replica().handle_tick();
    party.store.sync();
  }
  static ChannelInfo info(Party& party, const ChannelId& id) { return *party.replica().channel(id); }
  static LogKey feed_of(Party& party, const ChannelId& id) {
    for (const LogRecord& record : party.replica().channel_logs(id)) {
      const auto owner = party.table().feed_owner(record.log);
      if (owner && owner->node == party.node()) return record.log;
    }
    return {};
  }
  static LogKey control_of(Party& party, const ChannelId& id) {
    for (const LogRecord& record : party.replica().channel_logs(id)) {
      if (record.type == LogType::kControl) return record.log;
    }
    return {};
  }
  // A range of a feed whose every body is left out.
  static Result<void> give_without_bodies(Party& from, Party& to, const ChannelId& id, const LogKey& feed) {
    TOCSIN_ASSIGN(receiver, to.replica().receive(id, feed, LogType::kFeed, {1}, std::nullopt));
    Result<void> added = kOk;
    must(from.replica().serve(feed, {1}, {UINT64_MAX}, 1 << 20, [&](const StoredEntry& stored) {
      const ByteView header = stored.entry.header;
      added = receiver.add_without_body(stored.entry.signature, {load_le64(&header[16])},
                                        *BodyHash::from(peek_body_hash(header)), peek_body_bytes(header));
      return added.ok();
    }));
    TOCSIN_TRY(added);
    TOCSIN_TRY(receiver.commit(nullptr));
    to.store.sync();
    return kOk;
  }
  std::vector<ChannelId> invitations_of(Party& chair, Party& to, int count) {
    std::vector<ChannelId> out;
    for (int i = 0; i < count; ++i) {
      NewChannel wanted{"Channel " + std::to_string(i), ChannelClass::kShared, "", 0};
      out.push_back(must(chair.replica().create_channel(wanted, nullptr)));
      chair.store.sync();
      must(chair.replica().invite(out.back(), to.org(), Role::kMember, nullptr));
      chair.store.sync();
      clock.advance_ms(1000);
      sync_once(chair, to);
    }
    return out;
  }
};

// ---- Bodies

TEST_F(HostileMember, rule_11_a_member_cannot_leave_out_the_bodies_of_a_feed) {
  const ChannelId id = make_channel(a, {&b, &c}, {"Long", ChannelClass::kShared, "", 60});
  write(a, id, "honest");
  sync_all({&a, &b});
  const LogKey feed = feed_of(a, id);
  EXPECT_EQ(code_of(give_without_bodies(b, c, id, feed)), "not_acceptable");
  EXPECT_EQ(c.replica().accepted_head(feed), Number{});
  clock.advance_days(31);
  sync_all({&a, &b});
  sync_once(a, c);  // the chair has renewed the key
  EXPECT_EQ(c.texts(id), std::vector<std::string>{"honest"}) << "from somebody who has it";
}

TEST_F(HostileMember, rule_25_bodies_that_may_be_erased_here_may_be_left_out) {
  const ChannelId id = make_channel(a, {&b, &c}, {"Short", ChannelClass::kShared, "", 60});
  write(a, id, "old");
  sync_once(a, b);
  const LogKey feed = feed_of(a, id);
  clock.advance_days(31);
  tick(a);
  sync_once(a, b);
  clock.advance_days(59);
  must(test::transfer(a, c, id, control_of(a, id), LogType::kControl));
  EXPECT_EQ(code_of(give_without_bodies(a, c, id, feed)), "not_acceptable") << "not a day too early";
  clock.advance_days(2);
  tick(a);
  tick(b);
  ASSERT_TRUE(a.texts(id).empty());
  sync_all({&a, &b, &c});  // C was away for all that time
  EXPECT_EQ(c.replica().accepted_head(feed), Number{1});
  EXPECT_EQ(c.replica().frontier(id).digest(), a.replica().frontier(id).digest());
}

TEST_F(HostileMember, rule_25_an_epoch_that_is_dated_long_ago_erases_nothing_before_its_time) {
  const ChannelId id = make_channel(a, {&b}, {"Short", ChannelClass::kShared, "", 60});
  clock.advance_days(61);  // with the chair away
  tick(b);
  write(a, id, "evidence");
  sync_once(a, b);
  ASSERT_EQ(b.texts(id), std::vector<std::string>{"evidence"});
  must(test::give_control(b, id, test::forge_epoch(a, id, {&a, &b}, [](ControlState& state) { state.created = {0}; })));
  tick(b);
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"evidence"});
  b.crash();
  clock.advance_days(59);
  tick(b);
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"evidence"});
  clock.advance_days(2);
  tick(b);
  EXPECT_TRUE(b.texts(id).empty());
}

// ---- Feeds

TEST_F(HostileMember, rule_20_a_member_with_thousands_of_feeds_can_be_removed) {
  const ChannelId id = make_channel(a, {&b, &c});
  const Epoch epoch = info(a, id).epoch;
  std::size_t taken = 0;
  std::string last;
  for (std::uint64_t seed = 0; seed < 3200; ++seed) {
    ForgedFeed feed(b, id, 1000 + seed);
    last = code_of(give(a, id, {feed.next(epoch, "x", feed.signed_certificate())}));
    taken += last == "ok";
  }
  EXPECT_EQ(code_of(a.replica().remove_member(id, b.org(), nullptr)), "ok");
  a.store.sync();
  EXPECT_EQ(info(a, id).members.size(), 2u);
  EXPECT_EQ(taken, 32u);
  EXPECT_EQ(last, "quota_exceeded");
  ForgedFeed more(b, id, 7);
  EXPECT_EQ(code_of(give(c, id, {more.next(epoch, "x", more.signed_certificate())})), "ok") << "C has taken none yet";
}

TEST_F(HostileMember, rule_20_what_a_pin_names_is_taken_however_many_other_feeds_of_that_node_are_held) {
  const ChannelId id = make_channel(a, {&b, &c});
  const Epoch epoch = info(a, id).epoch;
  write(c, id, "honest");
  for (std::uint64_t seed = 0; seed < kFeedsPerNodeMax; ++seed) {
    ForgedFeed to_a(b, id, 1000 + seed), to_c(b, id, 2000 + seed);
    ASSERT_EQ(code_of(give(a, id, {to_a.next(epoch, "told to A", to_a.signed_certificate())})), "ok") << seed;
    ASSERT_EQ(code_of(give(c, id, {to_c.next(epoch, "told to C", to_c.signed_certificate())})), "ok") << seed;
  }
  sync_all({&a, &c});
  EXPECT_NE(a.replica().frontier(id).digest(), c.replica().frontier(id).digest()) << "neither takes more";
  EXPECT_EQ(code_of(a.replica().remove_member(id, b.org(), nullptr)), "ok");
  a.store.sync();
  sync_all({&a, &c});
  EXPECT_EQ(a.replica().frontier(id).digest(), c.replica().frontier(id).digest());
  const LogKey pinned = ForgedFeed(b, id, 1000).log(), unknown = ForgedFeed(b, id, 2000).log();
  ASSERT_TRUE(c.replica().pin_of(pinned) && c.replica().pin_of(unknown));
  EXPECT_EQ(c.replica().pin_of(pinned)->last, Number{1});
  EXPECT_EQ(c.replica().pin_of(unknown)->last, Number{0}) << "held as evidence, and not listed";
  EXPECT_FALSE(c.replica().pin_of(feed_of(c, id)));
  ForgedFeed more(b, id, 7);
  EXPECT_NE(code_of(give(c, id, {more.next(epoch, "x", more.signed_certificate())})), "ok");
}

TEST_F(HostileMember, rule_15_the_own_feeds_are_never_too_many) {
  const ChannelId id = make_channel(a, {&b});
  const Epoch epoch = info(a, id).epoch;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    ForgedFeed feed(b, id, 1000 + seed);
    ASSERT_EQ(code_of(give(b, id, {feed.next(epoch, "x", feed.signed_certificate())})), "ok") << seed;
  }
}

TEST_F(HostileMember, rule_12_what_lies_over_entries_that_are_not_durable_yet_is_not_taken_unseen) {
  const ChannelId id = make_channel(a, {&b});
  const Epoch epoch = info(a, id).epoch;
  ForgedFeed feed(a, id);
  const Entry one = feed.next(epoch, "one", feed.signed_certificate()), two = feed.next(epoch, "two");
  ForgedFeed other(a, id);  // the same key
  other.head = {1};
  other.head_hash = hash_entry(one.view().header, one.view().signature);
  const std::vector<Entry> fork{other.next(epoch, "another two"), other.next(epoch, "three")};
  auto receiver = must(b.replica().receive(id, feed.log(), LogType::kFeed, {1}, std::nullopt));
  for (const Entry* entry : {&one, &two}) must(receiver.add(entry->view().signature, epoch, entry->view().body));
  must(receiver.commit(nullptr));  // queued, and not durable
  const auto over = [&] { return code_of(give(b, id, fork)); };
  EXPECT_EQ(over(), "stale_receiver");
  EXPECT_EQ(b.replica().accepted_head(feed.log()), Number{2});
  EXPECT_EQ(over(), "fork") << "once it is durable the two are compared";
}

// ---- The chair

TEST_F(HostileMember, rule_18_a_revoked_chair_node_leads_its_channel_no_more) {
  const ChannelId id = make_channel(a, {&b});
  const LogKey control = control_of(a, id);
  test::introduce(a, c);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_all({&a, &b});
  const auto mail = a.replica().mail_for(c.org(), c.node());
  ASSERT_EQ(mail.size(), 1u);
  // A's roots revoke the node; its thief does not let it know.
  const std::vector<Bytes> news{encode_entry(a.revoke(a.node()).view())};
  for (Party* party : {&b, &c}) {
    (void)party->replica().identify(crypto::TransportPublic{}, news);
    party->store.sync();
  }
  const Epoch before = info(b, id).epoch;
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  EXPECT_FALSE(b.replica().wants_log(id, control, LogType::kControl));
  EXPECT_EQ(code_of(test::transfer(a, b, id, control, LogType::kControl)), "not_acceptable");
  EXPECT_EQ(info(b, id).epoch, before);
  EXPECT_EQ(code_of(c.replica().handle_mail(a.org(), mail[0].kind, mail[0].prekey_month, mail[0].envelope)),
            "bad_invitation");
  EXPECT_FALSE(c.replica().channel(id));
  // Once it knows, an honest one stops by itself.
  const Epoch own = info(a, id).epoch;
  a.take_own_log();
  EXPECT_EQ(code_of(a.replica().rotate(id, nullptr)), "chair_revoked");
  clock.advance_days(31);
  tick(a);
  EXPECT_EQ(info(a, id).epoch, own);
}

TEST_F(HostileMember, rule_53_a_member_is_shown_as_its_own_log_says_not_as_the_chair_does) {
  const ChannelId id = make_channel(a, {&b, &c});
  must(test::give_control(b, id, test::forge_epoch(a, id, {&a, &b}, [&](ControlState& state) {
                            for (RosterMember& member : state.roster) {
                              if (member.org != c.org()) continue;
                              member.name = "Ministry of Truth";
                              member.kind = OrgKind::kGovernment;
                              member.country = "AAA";
                            }
                          })));
  const auto members = info(b, id).members;
  const auto shown =
      std::find_if(members.begin(), members.end(), [&](const auto& each) { return each.org == c.org(); });
  ASSERT_NE(shown, members.end());
  EXPECT_EQ(shown->name, "Charlie");
  EXPECT_EQ(shown->kind, OrgKind::kNgo);
  EXPECT_EQ(shown->country, "KEN");
}

TEST_F(HostileMember, rule_29_the_epoch_entry_of_an_invitation_ends_its_run) {
  const ChannelId id = make_channel(a, {});
  test::introduce(a, b);
  must(a.replica().invite(id, b.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_once(a, b);
  const Bytes honest = test::stored_channel(b, id).invitation;
  const auto deliver = [&](const Invitation& invitation) {
    auto envelope = crypto::seal_to(b.secrets().tier2->encryption.public_key(), crypto::kLabelInvitation,
                                    b.node().view(), encode_invitation(invitation), a.random());
    return code_of(b.replica().handle_mail(a.org(), MailKind::kInvitation, kCertificateKeyMonth, must(envelope)));
  };
  Invitation invitation = must(decode_invitation(honest));
  invitation.epoch_entry = invitation.adding_entry;
  EXPECT_EQ(deliver(invitation), "bad_invitation") << "not an epoch";
  // A run of several, for its many pins.
  const auto run = test::forge_epoch(a, id, {&a}, [&](ControlState& state) {
    for (int i = 0; i < 600; ++i) {
      FeedPin pin{crypto::random_fixed<LogKey>(a.random()), {1}, crypto::random_fixed<EntryHash>(a.random()), a.node()};
      state.pins.push_back(pin);
    }
    std::sort(state.pins.begin(), state.pins.end(), [](const auto& l, const auto& r) { return l.feed < r.feed; });
  });
  ASSERT_GT(run.size(), 1u);
  invitation.epoch_entry = encode_entry(run[0].view());
  EXPECT_EQ(deliver(invitation), "bad_invitation") << "not its last part";
  EXPECT_EQ(test::stored_channel(b, id).invitation, honest);
  invitation.epoch_entry = encode_entry(run.back().view());
  EXPECT_EQ(deliver(invitation), "ok");
}

// ---- Invitations and answers

TEST_F(HostileMember, rule_26_a_peer_that_is_blocked_after_its_invitation_gets_no_key) {
  const ChannelId id = make_channel(a, {&b});
  test::introduce(a, c);
  test::introduce(b, c);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_once(a, b);
  sync_once(b, c);
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  sync_once(b, c);
  must(a.replica().set_peer_blocked(c.org(), true, nullptr));
  a.store.sync();
  EXPECT_TRUE(info(a, id).invited.empty());
  const Epoch before = info(a, id).epoch;
  sync_all({&a, &b});
  EXPECT_EQ(info(a, id).members.size(), 2u);
  EXPECT_EQ(info(a, id).epoch, before);
  sync_all({&b, &c});
  EXPECT_FALSE(c.table().epoch_key(info(a, id).pseudonym, before));
}

TEST_F(HostileMember, rule_15_an_invited_organisation_cannot_fill_the_feed_of_a_member) {
  const ChannelId id = make_channel(a, {&b});
  write(b, id, "mine");
  test::introduce(a, c);
  test::introduce(b, c);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_once(a, b);
  sync_once(b, c);
  const LogKey feed = feed_of(b, id);
  const Number before = b.replica().accepted_head(feed);
  for (int i = 0; i < 10; ++i) {
    clock.advance_ms(1000);
    must(c.replica().refuse(id, nullptr));  // the same answer, in other bytes
    c.store.sync();
    sync_once(b, c);
  }
  EXPECT_EQ(b.replica().accepted_head(feed), before.next());
}

TEST_F(HostileMember, rule_15_an_organisation_with_many_nodes_has_four_answers_carried) {
  const ChannelId id = make_channel(a, {&b});
  write(b, id, "mine");
  test::introduce(a, c);
  test::introduce(b, c);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  sync_once(a, b);
  sync_once(b, c);
  must(c.replica().refuse(id, nullptr));
  c.store.sync();
  const LogKey feed = feed_of(b, id);
  const Number before = b.replica().accepted_head(feed);
  Acceptance answer = must(decode_acceptance(test::stored_channel(c, id).acceptance));
  for (int i = 0; i < 10; ++i) {
    const test::ExampleNode node = c.new_node("Charlie " + std::to_string(i + 2));
    answer.node = node.certificate.node;
    answer.prekeys.clear();
    answer.org_log = {encode_entry(c.certify(node).view())};
    const Bytes sealed = must(crypto::seal_to(b.secrets().tier2->encryption.public_key(), crypto::kLabelAcceptanceMail,
                                              b.node().view(), sign_acceptance(answer, node.signing), c.random()));
    must(b.replica().handle_mail(c.org(), MailKind::kAcceptance, kCertificateKeyMonth, sealed));
    b.store.sync();
  }
  EXPECT_EQ(b.replica().accepted_head(feed), Number{before.value + 4});
}

TEST_F(HostileMember, nobody_but_the_chair_tells_a_member_that_it_is_removed) {
  const ChannelId id = make_channel(a, {&b, &c});
  const auto tell = [&](Party& who, const crypto::SigningKey& key, const OrgId& about) {
    const auto control = b.replica().log_record(test::stored_channel(b, id).control_log());
    const Notice notice{id, about, Role::kUnknown, {9}, control->head.next(), {}, {}};
    const Bytes sealed = must(crypto::seal_to(b.secrets().tier2->encryption.public_key(), crypto::kLabelNoticeMail,
                                              b.node().view(), sign_notice(notice, key), who.random()));
    return code_of(b.replica().handle_mail(who.org(), MailKind::kNotice, kCertificateKeyMonth, sealed));
  };
  EXPECT_EQ(tell(c, c.secrets().tier2->signing, b.org()), "bad_signature");
  EXPECT_EQ(tell(a, a.secrets().tier2->signing, c.org()), "not_for_us") << "one about somebody else";
  b.store.sync();
  EXPECT_EQ(b.replica().channel(id)->standing, ChannelStanding::kJoined);
  EXPECT_EQ(tell(c, a.secrets().tier2->signing, b.org()), "ok") << "whoever carries it: the chair signed it";
  b.store.sync();
  EXPECT_EQ(b.replica().channel(id)->standing, ChannelStanding::kRemoved);
}

TEST_F(HostileMember, rule_15_one_chair_has_at_most_eight_invitations_open_here) {
  test::introduce(a, b);
  auto ids = invitations_of(a, b, 8);
  must(b.replica().refuse(ids[5], nullptr));
  b.store.sync();
  EXPECT_EQ(b.replica().channels().size(), 9u) << "with the private one";
  const auto held = [&](const ChannelId& id) { return b.replica().channel(id).has_value(); };
  const auto invite_one = [&] {
    const ChannelId id = must(a.replica().create_channel({"One more", ChannelClass::kShared, "", 0}, nullptr));
    a.store.sync();
    const auto before = a.replica().mail_for(b.org(), b.node());
    must(a.replica().invite(id, b.org(), Role::kMember, nullptr));
    a.store.sync();
    clock.advance_ms(1000);
    for (const Mail& mail : a.replica().mail_for(b.org(), b.node())) {
      const bool known = std::any_of(before.begin(), before.end(), [&](const Mail& m) { return m.id == mail.id; });
      if (!known) must(b.replica().handle_mail(a.org(), mail.kind, mail.prekey_month, mail.envelope));
    }
    b.store.sync();
    return id;
  };
  const ChannelId ninth = invite_one();
  EXPECT_TRUE(held(ninth));
  EXPECT_FALSE(held(ids[5])) << "the oldest that was refused";
  EXPECT_EQ(b.replica().channels().size(), 9u);
  const ChannelId tenth = invite_one();
  EXPECT_TRUE(held(tenth));
  EXPECT_FALSE(held(ids[0])) << "then the oldest";
  EXPECT_EQ(b.replica().channels().size(), 9u);
  b.crash();
  EXPECT_EQ(b.replica().channels().size(), 9u);
  EXPECT_FALSE(held(ids[0]));
}

TEST_F(HostileMember, rule_15_all_chairs_together_have_at_most_sixty_four_invitations_open_here) {
  std::vector<std::unique_ptr<Party>> chairs;
  for (std::uint64_t i = 0; i < 9; ++i) {
    chairs.push_back(std::make_unique<Party>("Chair " + std::to_string(i), 100 + i, clock));
    test::introduce(*chairs.back(), b);
    invitations_of(*chairs.back(), b, 8);
  }
  EXPECT_EQ(b.replica().channels().size(), 65u);
}

// ---- Suspects

TEST_F(HostileMember, rule_06_a_suspect_entry_of_an_organisation_log_is_verified_before_the_log_is_replayed) {
  const ChannelId id = make_channel(a, {&b});
  Entry* held = &b.org_log[1];
  std::array<std::uint8_t, kEntryHeaderBytes> header;
  std::copy(held->view().header.begin(), held->view().header.end(), header.begin());
  header[90] ^= 1;  // follows another entry than the log's first: what replaying it would find
  const EntryView suspect{ByteView(header), held->view().signature, held->view().body};
  // By roots that are not known here: it may part lower, with a rotation, and nothing of it is kept.
  EXPECT_EQ(must(a.replica().fork_candidate(id, suspect)), ForkStep::kDiffers);
  const Bytes other_body(held->view().body.size(), 1);
  EXPECT_EQ(code_of(a.replica().fork_candidate(id, {ByteView(header), held->view().signature, other_body})),
            "bad_body_hash");
  EXPECT_EQ(a.replica().status().fork_proofs, 0u);
}

TEST_F(HostileMember, rule_12_a_fork_of_an_organisation_log_is_still_proven) {
  const ChannelId id = make_channel(a, {&b});
  const test::ExampleNode one = b.new_node("Bravo 2"), two = b.new_node("Bravo 3");
  const Entry other = b.log().make_certify(two.certificate, two.signing, clock.now(), b.roots().signers());
  b.certify(one);
  b.take_own_log();
  sync_all({&a, &b});
  must(a.replica().fork_candidate(id, other.view()));
  a.store.sync();
  EXPECT_EQ(a.replica().status().fork_proofs, 1u);
}

}  // namespace
}  // namespace tocsin::protocol
