// Roots that were stolen (rule 19): what a thief signed with them is superseded by a rotation wherever it is met, in
// any order; two rotations of one commitment end the organisation. Alpha's roots are the stolen ones; Delta is the
// chair.
#include <gtest/gtest.h>

#include "protocol/entry_peek.h"
#include "protocol/session.h"
#include "tests/support/bundle_files.h"
#include "tests/support/expect.h"
#include "tests/support/forged_feed.h"
#include "tests/support/pair.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::ExampleNode;
using test::make_channel;
using test::must;
using test::Pair;
using test::Party;
using test::Roots;

// Entries that follow a part of an organisation's log.
struct Branch {
  OrgLog log;
  std::vector<Entry> entries;

  Branch& add(Entry entry) {
    crypto::Verifier verifier;
    must(log.apply(entry.view(), verifier));
    entries.push_back(std::move(entry));
    return *this;
  }
  std::vector<Bytes> bytes(std::size_t from = 0) const {
    std::vector<Bytes> out;
    for (std::size_t i = from; i < entries.size(); ++i) out.push_back(encode_entry(entries[i].view()));
    return out;
  }
};

struct RootsWorld {
  explicit RootsWorld(std::uint64_t seed = 1) : net(seed) {
    for (auto [one, other] : {std::pair(&a, &b), std::pair(&a, &c), std::pair(&b, &c)}) introduce(*one, *other);
    // What the owner signed, and everybody knows.
    a.certify(real);
    a.take_own_log();
    sync_everybody({&a, &b, &c, &d});
  }

  Pair net;
  Party& a = net.add("Alpha");
  Party& b = net.add("Bravo");
  Party& c = net.add("Charlie");
  Party& d = net.add("Delta");
  ChannelId channel = make_channel(net, d, {&a, &b, &c});
  ExampleNode real = a.new_node("Alpha 2"), owners = a.new_node("Alpha 3"), thiefs = a.new_node("Mallory");
  Roots after = Roots::generate(1, 1, a.random()), others = Roots::generate(1, 1, a.random());

  Time now() { return net.clock.now(); }
  Branch base() { return {a.log(), {}}; }
  Branch thief() {
    Branch out = base();
    out.add(out.log.make_certify(thiefs.certificate, thiefs.signing, now(), a.roots().signers()));
    out.add(out.log.make_revoke(real.certificate.node, "by the thief", {}, now(), a.roots().signers(), a.random()));
    return out;
  }
  Branch& rotate(Branch& branch, const Roots& next) {
    return branch.add(
        branch.log.make_rotate_roots(a.next_roots().set(), next.set().commitment(), now(), a.next_roots().signers()));
  }
  Branch rotated() {
    Branch out = base();
    rotate(out, after);
    return out;
  }
  void give(Party& party, const Branch& branch) {
    (void)party.replica().identify(crypto::TransportPublic{}, branch.bytes());
    party.store.sync();
  }
  void sync(Party& one, Party& other) {
    Pair::PipeOptions options;
    options.live = options.callee_live = false;
    net.connect(one, other, options);
    ASSERT_TRUE(net.run());
  }
  void sync_everybody(std::vector<Party*> all) {
    for (int round = 0; round < 3; ++round) {
      for (Party* one : all) {
        for (Party* other : all) {
          if (one < other) sync(*one, *other);
        }
      }
    }
  }
  const OrgLog& log_at(Party& party) { return *party.replica().org_log(a.org()); }
  TrieDigest digest(Party& party) { return party.replica().frontier(channel).digest(); }
  Epoch epoch(Party& party) { return party.replica().channel(channel)->epoch; }

  void expect_rotated(Party& party, const Branch& branch) {
    const OrgLog& log = log_at(party);
    EXPECT_EQ(log.head(), branch.log.head()) << party.name();
    EXPECT_EQ(log.head_hash(), branch.log.head_hash()) << party.name();
    EXPECT_EQ(log.roots(), a.next_roots().set()) << party.name();
    EXPECT_NE(log.live_node(real.certificate.node), nullptr) << party.name() << ": its revocation was the thief's";
    EXPECT_FALSE(log.nodes().contains(thiefs.certificate.node)) << party.name();
    EXPECT_TRUE(party.replica().forks().empty()) << party.name();
    EXPECT_EQ(party.replica().log_record(LogKey{a.org().bytes()})->frozen, 0) << party.name();
  }
  void expect_ended(Party& party) {
    EXPECT_TRUE(log_at(party).ended()) << party.name();
    EXPECT_EQ(log_at(party).live_node(a.node()), nullptr) << party.name();
    const auto forks = party.replica().forks();
    ASSERT_EQ(forks.size(), 1u) << party.name();
    EXPECT_TRUE(forks[0].ended && !forks[0].resolved) << party.name();
    EXPECT_EQ(forks[0].org, a.org());
    if (&party == &a) return;
    EXPECT_EQ(party.replica().peer(a.org())->state, PeerState::kEnded) << party.name();
    EXPECT_FALSE(party.replica().identify(a.secrets().transport.public_key(), {})) << "nobody answers it any more";
    EXPECT_TRUE(party.replica().channels_with(a.node()).empty());
  }
};
struct StolenRoots : testing::Test, RootsWorld {};

TEST_F(StolenRoots, rule_19_a_rotation_takes_the_place_of_what_the_old_roots_signed_after_the_last_good_entry) {
  const Branch good = rotated();
  give(b, thief());
  ASSERT_NE(log_at(b).live_node(thiefs.certificate.node), nullptr);
  ASSERT_EQ(log_at(b).live_node(real.certificate.node), nullptr);
  give(b, good);
  expect_rotated(b, good);
  const auto undone = b.replica().superseded(a.org());
  ASSERT_EQ(undone.size(), 2u);
  EXPECT_EQ(undone[0].change, SupersededEntry::Change::kCertify);
  EXPECT_EQ(undone[0].node, thiefs.certificate.node);
  EXPECT_EQ(undone[0].name, "Mallory");
  EXPECT_EQ(undone[0].number, good.log.head());
  EXPECT_EQ(undone[0].by, good.log.head());
  EXPECT_EQ(undone[1].change, SupersededEntry::Change::kRevoke);
  net.crash(b);
  expect_rotated(b, good);
  EXPECT_EQ(b.replica().superseded(a.org()).size(), 2u) << "history is durable";
  // What the thief signed comes too late, and goes on being nothing.
  Branch more = thief();
  more.add(more.log.make_certify(owners.certificate, owners.signing, now(), a.roots().signers()));
  give(b, more);
  expect_rotated(b, good);
}

TEST_F(StolenRoots, rule_19_the_next_roots_alone_can_do_it_and_only_above_the_commitment) {
  give(b, thief());
  const OrgLog before = log_at(b);
  const auto refused = [&](const Branch& branch) {
    give(b, branch);
    return log_at(b).head_hash() == before.head_hash();
  };
  const OrgLog at = a.log();
  Branch forged = base();
  forged.entries.push_back(at.make_rotate_roots(others.set(), after.set().commitment(), now(), others.signers()));
  EXPECT_TRUE(refused(forged));
  forged.entries.clear();
  forged.entries.push_back(
      at.make_rotate_roots(a.next_roots().set(), after.set().commitment(), now(), a.roots().signers()));
  EXPECT_TRUE(refused(forged)) << "signed by the stolen roots";
  forged.entries.clear();
  forged.entries.push_back(at.make_certify(owners.certificate, owners.signing, now(), a.roots().signers()));
  EXPECT_TRUE(refused(forged)) << "another entry of the old roots is no rotation";
}

TEST_F(StolenRoots, rule_19_a_member_that_met_the_thief_alone_learns_of_the_rotation_from_any_other) {
  const Branch good = rotated();
  give(b, thief());
  give(c, good);
  sync(b, c);
  expect_rotated(b, good);
  expect_rotated(c, good);
  EXPECT_TRUE(c.replica().superseded(a.org()).empty()) << "it never held what was undone";
  EXPECT_EQ(digest(b), digest(c));
  // Over a session that is open already, too, and from there to the next.
  give(d, thief());
  Pair::Connection& link = net.connect(b, d);
  ASSERT_TRUE(net.run());
  expect_rotated(d, good);
  EXPECT_TRUE(link.open && !link.a.error && !link.b.error);
}

// The entries of the peer above its rotation are signed by roots that are known here as a commitment alone.
TEST_F(StolenRoots, rule_19_a_peer_that_went_on_after_the_rotation_is_no_liar) {
  for (const std::size_t more : {1, 2, 3}) {
    SCOPED_TRACE(std::to_string(more) + " entries above the rotation");
    for (const bool from_owner : {false, true}) {
      RootsWorld world;
      Party& honest = from_owner ? world.a : world.c;
      Branch good = world.rotated();
      for (std::size_t i = 0; i < more; ++i) {
        const ExampleNode node = world.a.new_node("Alpha " + std::to_string(4 + i));
        good.add(good.log.make_certify(node.certificate, node.signing, world.now(), world.a.next_roots().signers()));
      }
      world.give(honest, good);
      world.give(world.b, world.thief());
      Pair::Connection& link = world.net.connect(world.b, honest);
      ASSERT_TRUE(world.net.run());
      EXPECT_TRUE(link.open && !link.a.error && !link.b.error) << "nobody is thrown out";
      world.expect_rotated(world.b, good);
    }
  }
}

TEST_F(StolenRoots, rule_19_a_rotation_below_a_fork_that_is_known_is_found) {
  for (const std::size_t more : {0, 1, 2}) {
    SCOPED_TRACE(std::to_string(more) + " entries above the rotation");
    RootsWorld world;
    Branch one = world.base();
    one.add(
        one.log.make_certify(world.thiefs.certificate, world.thiefs.signing, world.now(), world.a.roots().signers()));
    Branch two = one;
    one.add(one.log.make_revoke(world.real.certificate.node, "by the thief", {}, world.now(), world.a.roots().signers(),
                                world.a.random()));
    two.add(
        two.log.make_certify(world.owners.certificate, world.owners.signing, world.now(), world.a.roots().signers()));
    world.give(world.b, one);
    world.give(world.c, two);
    world.sync(world.b, world.c);
    ASSERT_EQ(world.b.replica().log_record(LogKey{world.a.org().bytes()})->frozen, 1);
    Branch good = world.rotated();
    for (std::size_t i = 0; i < more; ++i) {
      const ExampleNode node = world.a.new_node("Alpha " + std::to_string(4 + i));
      good.add(good.log.make_certify(node.certificate, node.signing, world.now(), world.a.next_roots().signers()));
    }
    world.give(world.d, good);
    world.sync(world.b, world.d);
    world.expect_rotated(world.b, good);
    world.expect_rotated(world.d, good);
  }
}

TEST_F(StolenRoots, rule_19_an_open_session_brings_the_rotation_though_its_log_is_the_shorter) {
  Branch long_one = thief();
  long_one.add(long_one.log.make_certify(owners.certificate, owners.signing, now(), a.roots().signers()));
  give(b, long_one);
  sync(b, c);
  ASSERT_EQ(log_at(c).head(), long_one.log.head());
  net.connect(b, c);
  ASSERT_TRUE(net.run());
  const Branch good = rotated();
  give(c, good);
  ASSERT_TRUE(net.run());
  expect_rotated(b, good);
  expect_rotated(c, good);
  EXPECT_EQ(digest(b), digest(c));
}

// Whatever came first, to whom, in whole or in part, and with a restart in between. With an odd seed the owner has
// signed an entry beside the thief's before the rotation, so that the branches are a fork until it comes.
TEST(StolenRootsProperty, rule_19_any_order_of_arrival_ends_equal) {
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RootsWorld world(seed);
    Branch good = world.base();
    if (seed % 2 == 1) {
      good.add(good.log.make_certify(world.owners.certificate, world.owners.signing, world.now(),
                                     world.a.roots().signers()));
    }
    std::vector<Branch> parts;
    parts.push_back(world.thief());
    parts.push_back(world.thief());
    parts.back().entries.pop_back();  // part of it alone
    parts.push_back(good);
    world.rotate(good, world.after);
    parts.push_back(good);
    std::vector<Party*> all{&world.b, &world.c, &world.d};
    test::SeededRandom random(seed);
    const auto pick = [&](std::size_t below) {
      std::array<std::uint8_t, 1> byte;
      random.fill(byte);
      return byte[0] % below;
    };
    for (int step = 0; step < 14; ++step) {
      Party& one = *all[pick(3)];
      Party& other = *all[pick(3)];
      switch (pick(4)) {
        case 0:
          world.net.crash(one);
          break;
        case 1:
        case 2:
          if (const Branch& part = parts[pick(step < 8 ? 3 : 4)]; !part.entries.empty()) world.give(one, part);
          break;
        default:
          if (&one != &other) world.sync(one, other);
      }
    }
    world.give(*all[pick(3)], good);
    world.sync_everybody(all);
    for (Party* each : all) {
      world.expect_rotated(*each, good);
      EXPECT_EQ(world.digest(*each), world.digest(world.d)) << each->name();
      world.net.crash(*each);
      world.expect_rotated(*each, good);
    }
    if (testing::Test::HasFailure()) return;
  }
}

TEST_F(StolenRoots, rule_19_a_fork_of_the_old_roots_is_decided_by_a_rotation_above_it) {
  Branch good = base();
  good.add(good.log.make_certify(owners.certificate, owners.signing, now(), a.roots().signers()));
  give(c, good);
  give(b, thief());
  sync(b, c);
  const LogKey key{a.org().bytes()};
  for (Party* each : {&b, &c}) EXPECT_EQ(each->replica().log_record(key)->frozen, 1) << each->name();
  sync(b, d);
  ASSERT_EQ(d.replica().forks().size(), 1u) << "told of by the proof alone";
  rotate(good, after);
  give(c, good);
  expect_rotated(c, good);
  EXPECT_NE(log_at(c).live_node(owners.certificate.node), nullptr) << "what came before the last good entry stays";
  sync(b, c);
  expect_rotated(b, good);
  sync(b, d);
  expect_rotated(d, good);
  sync_everybody({&b, &c, &d});  // the chair has made a new key for the node that was certified
  EXPECT_EQ(digest(b), digest(c));
  EXPECT_EQ(digest(b), digest(d));
  // The proof of what has been decided says nothing any more, and a restart changes nothing.
  net.crash(b);
  expect_rotated(b, good);
  sync(b, c);
  expect_rotated(b, good);
}

TEST_F(StolenRoots, rule_19_nothing_counts_of_what_a_superseded_node_wrote) {
  give(b, thief());
  // Mallory writes as a node of Alpha, under a key of the channel that the real node has.
  test::ForgedFeed feed(a, channel);
  FeedCertificate certificate = feed.certificate();
  certificate.node = thiefs.certificate.node;
  const Entry entry = feed.next(epoch(b), "by Mallory", sign_feed_certificate(certificate, thiefs.signing));
  must(test::give(b, channel, {entry}));
  ASSERT_EQ(b.replica().accepted_head(feed.log()), Number{1});
  EXPECT_FALSE(b.replica().pin_of(feed.log()));
  give(b, rotated());
  const auto end = b.replica().pin_of(feed.log());
  ASSERT_TRUE(end);
  EXPECT_EQ(end->last, Number{0});
  net.crash(b);
  ASSERT_TRUE(b.replica().pin_of(feed.log()));
  EXPECT_EQ(b.replica().pin_of(feed.log())->last, Number{0});
}

TEST_F(StolenRoots, rule_19_orders_of_a_superseded_node_are_neither_followed_nor_signed_anew) {
  a.write(channel, "first");
  a.store.sync();
  LogKey feed;
  for (const auto& [log, leaf] : a.replica().frontier(channel).leaves()) {
    const auto owner = a.table().feed_owner(log);
    if (owner && owner->node == a.node()) feed = log;
  }
  sync(a, b);
  const Number first = a.replica().log_record(feed)->head;
  ASSERT_EQ(b.replica().accepted_head(feed), first);
  a.write(channel, "second");
  a.store.sync();
  // Mallory takes back what Alpha's node wrote: one entry is here, and one on its way.
  const auto order_for = [&](Party& at, Number number) {
    ErasureOrder order;
    order.channel = channel;
    order.org = a.org();
    order.node = thiefs.certificate.node;
    order.feed = feed;
    order.number = number;
    order.entry = *a.replica().entry_hash(feed, number);
    order.report = order.subject = ReportId{hash_body(as_bytes("a report")).bytes()};
    order.created = now();
    const Bytes bytes = sign_erasure_order(order, thiefs.signing);
    OpenedEntry opened;
    opened.channel = channel;
    opened.org = a.org();
    opened.node = thiefs.certificate.node;
    opened.kind = FeedKind::kErasureOrder;
    opened.payload = bytes;
    at.replica().handle_opened(opened);
    at.store.sync();
  };
  const auto orders_written = [&] {
    std::size_t count = 0;
    EntryOpener opener(a.replica().reading_table());
    for (Number at{1}; at <= a.replica().accepted_head(feed); at = at.next()) {
      const auto entry = must(a.replica().read_entry(feed, at));
      const auto opened = opener.open(entry.view());
      if (opened && opened->kind == FeedKind::kErasureOrder) ++count;
    }
    return count;
  };
  give(a, thief());
  give(b, thief());
  order_for(a, first);
  order_for(b, first.next());
  give(a, rotated());
  give(b, rotated());
  for (int i = 0; i < 3; ++i) {
    net.clock.advance_ms(10'000);
    a.replica().handle_tick();
    a.store.sync();
  }
  EXPECT_EQ(orders_written(), 0u);
  sync(a, b);
  ASSERT_GT(b.replica().accepted_head(feed), first);
  for (Number at = first.next(); at <= b.replica().accepted_head(feed); at = at.next()) {
    EXPECT_FALSE(must(b.replica().read_entry(feed, at)).view().body.empty()) << at.value;
  }
}

TEST_F(StolenRoots, rule_19_no_key_is_wrapped_under_prekeys_of_a_certificate_that_is_undone) {
  // The thief gives the real node other keys, and prekeys signed with those.
  ExampleNode renewed = a.new_node("Alpha 2");
  NodeCertificate undone = real.certificate;
  undone.signing = renewed.signing.verify_key();
  undone.serial = real.certificate.serial + 1;
  Branch bad = base();
  bad.add(bad.log.make_certify(undone, renewed.signing, now(), a.roots().signers()));
  give(b, bad);
  const auto prekeys = [&](const ExampleNode& of, std::uint32_t month) {
    return sign_prekeys({real.certificate.node, month, {of.certificate.encryption}}, of.signing);
  };
  must(b.replica().accept_prekeys(real.certificate.node, prekeys(renewed, 600)));
  b.store.sync();
  ASSERT_EQ(b.replica().prekey_month_of(real.certificate.node), 600u);
  give(b, rotated());
  EXPECT_EQ(b.replica().prekey_month_of(real.certificate.node), std::nullopt);
  must(b.replica().accept_prekeys(real.certificate.node, prekeys(real, 500)));
  b.store.sync();
  EXPECT_EQ(b.replica().prekey_month_of(real.certificate.node), 500u) << "its own are taken, though of months before";
  net.crash(b);
  EXPECT_EQ(b.replica().prekey_month_of(real.certificate.node), 500u);
}

TEST_F(StolenRoots, rule_27_the_chair_makes_the_key_new_when_a_rotation_undoes_nodes) {
  give(d, thief());
  ASSERT_TRUE(net.run());
  for (Party* each : {&b, &c}) sync(*each, d);
  const Epoch before = epoch(d);
  EXPECT_EQ(epoch(b), before);
  const Branch good = rotated();
  give(d, good);
  net.endpoint(d).chores = true;
  ASSERT_TRUE(net.run());
  EXPECT_GT(epoch(d).value, before.value);
  const Epoch renewed = epoch(d);
  net.clock.advance_ms(10'000);
  net.endpoint(d).chores = true;
  ASSERT_TRUE(net.run());
  EXPECT_EQ(epoch(d), renewed) << "once";
  for (Party* each : {&b, &c}) {
    sync(*each, d);
    EXPECT_EQ(epoch(*each), renewed) << each->name();
    expect_rotated(*each, good);
    EXPECT_EQ(digest(*each), digest(d));
  }
}

TEST_F(StolenRoots, rule_19_two_rotations_of_one_commitment_end_the_organisation) {
  Branch one = rotated(), two = base();
  two.add(two.log.make_certify(owners.certificate, owners.signing, now(), a.roots().signers()));
  rotate(two, others);
  const Epoch first = epoch(d);
  give(b, one);
  give(c, two);
  sync(b, c);
  expect_ended(b);
  expect_ended(c);
  EXPECT_EQ(digest(b), digest(c)) << "whichever of the two each holds";
  // Delta met neither: the proof alone convinces it, and it passes it on.
  sync(b, d);
  expect_ended(d);
  EXPECT_GT(epoch(d).value, first.value) << "its nodes get no key of the channel any more";
  for (Party* each : {&b, &c}) sync(*each, d);
  EXPECT_EQ(digest(d), digest(b));
  for (Party* each : {&b, &c, &d}) {
    net.crash(*each);
    expect_ended(*each);
  }
  EXPECT_EQ(digest(d), digest(b));
  // Nothing new of it is taken.
  Branch more = one;
  more.add(more.log.make_certify(thiefs.certificate, thiefs.signing, now(), a.next_roots().signers()));
  give(b, more);
  EXPECT_EQ(log_at(b).head(), one.log.head());
  EXPECT_EQ(code_of(d.replica().invite(d.replica().private_channel(), a.org(), Role::kMember, nullptr)),
            "organisation_ended");
  // The chair has made the key new for that once.
  const Epoch renewed = epoch(d);
  net.clock.advance_ms(10'000);
  net.endpoint(d).chores = true;
  ASSERT_TRUE(net.run());
  EXPECT_EQ(epoch(d), renewed);
  EXPECT_EQ(epoch(b), renewed);
  EXPECT_EQ(digest(b), digest(d));
}

TEST_F(StolenRoots, rule_19_who_lacks_what_a_proof_of_the_end_is_about_fetches_it) {
  const Roots third = Roots::generate(1, 1, a.random());
  const Branch first = rotated();
  Branch one = first, two = first;
  const auto again = [&](Branch& branch, const Roots& next) {
    branch.add(branch.log.make_rotate_roots(after.set(), next.set().commitment(), now(), after.signers()));
  };
  again(one, others);
  two.add(two.log.make_certify(owners.certificate, owners.signing, now(), a.next_roots().signers()));
  again(two, third);
  give(b, one);
  give(b, two);
  expect_ended(b);
  ASSERT_TRUE(log_at(d).rotations().empty()) << "of those roots Delta never heard";
  Pair::Connection& live = net.connect(b, d);  // one that ends once all is compared asks for nothing more by then
  ASSERT_TRUE(net.run());
  net.cut(live);
  EXPECT_EQ(log_at(d).head(), first.log.head());
  expect_ended(d);
  sync(b, d);  // the chair has made a new key
  EXPECT_EQ(digest(b), digest(d));
  // A file brings it, too.
  ASSERT_TRUE(log_at(c).rotations().empty());
  (void)test::read_bundle(c, test::bundle(b, net.clock, {channel}, c.org()));
  EXPECT_EQ(log_at(c).head(), first.log.head());
  expect_ended(c);
}

TEST_F(StolenRoots, rule_19_a_proof_of_the_end_is_two_rotations_of_a_commitment_that_the_log_holds) {
  Branch one = rotated(), two = base();
  two.add(two.log.make_certify(owners.certificate, owners.signing, now(), a.roots().signers()));
  rotate(two, others);
  const auto proof_of = [](const Entry& x, const Entry& y) {
    Bytes out;
    for (const Entry* entry : {&x, &y}) {
      const Bytes bytes = encode_entry(entry->view());
      out.push_back(static_cast<std::uint8_t>(bytes.size() & 0xff));
      out.push_back(static_cast<std::uint8_t>(bytes.size() >> 8));
      append(out, bytes);
    }
    return out;
  };
  const auto take = [&](const Bytes& proof) { return code_of(d.replica().take_fork_proof(channel, proof)); };
  EXPECT_EQ(take(proof_of(one.entries[0], one.entries[0])), "bad_entry") << "one of them twice";
  EXPECT_EQ(take(proof_of(one.entries[0], two.entries[0])), "bad_entry") << "a certificate is no rotation";
  Bytes forged = proof_of(one.entries[0], two.entries[1]);
  forged.back() ^= 1;
  EXPECT_EQ(take(forged), "bad_entry");
  // Somebody else's next roots.
  const OrgLog at = a.log();
  const Entry x = at.make_rotate_roots(others.set(), after.set().commitment(), now(), others.signers());
  const Entry y = at.make_rotate_roots(others.set(), others.set().commitment(), now(), others.signers());
  const auto early = d.replica().take_fork_proof(channel, proof_of(x, y));
  EXPECT_TRUE(early && early->early) << "no commitment that is known here";
  EXPECT_FALSE(log_at(d).ended());
  EXPECT_EQ(take(proof_of(one.entries[0], two.entries[1])), "ok");
  d.store.sync();
  expect_ended(d);
}

TEST_F(StolenRoots, rule_19_who_enrols_anew_is_a_new_organisation_to_its_peers) {
  Party& again = net.add("Alpha");
  ASSERT_NE(again.org(), a.org());
  must(b.replica().add_card(must(again.replica().own_card({"node.example.org:7447"})), nullptr));
  b.store.sync();
  EXPECT_EQ(b.replica().peer(again.org())->state, PeerState::kIntroduced);
  EXPECT_EQ(b.replica().peer(a.org())->state, PeerState::kVerified) << "and the old one is what it was";
  EXPECT_EQ(code_of(b.replica().invite(b.replica().private_channel(), again.org(), Role::kMember, nullptr)),
            "peer_not_verified");
  EXPECT_TRUE(b.replica().channels_with(again.node()).empty());
}

TEST_F(StolenRoots, rule_19_what_differs_from_entries_that_are_not_durable_yet_is_looked_at_again) {
  const Branch good = rotated();
  const std::size_t before = b.store.queued();
  (void)b.replica().identify(crypto::TransportPublic{}, thief().bytes());
  ASSERT_GT(b.store.queued(), before) << "the thief's entries wait for the disk";
  const EntryView entry = good.entries[0].view();
  auto receiver = must(b.replica().receive(channel, LogKey{a.org().bytes()}, LogType::kOrganisation, good.log.head(),
                                           EntryHash::from(peek_previous(entry.header))));
  must(receiver.add(entry.signature, Epoch{}, entry.body));
  EXPECT_EQ(code_of(receiver.commit(nullptr)), "stale_receiver");
  b.store.sync();
  give(b, good);
  expect_rotated(b, good);
}

TEST_F(StolenRoots, rule_19_a_node_names_the_last_good_entry_and_makes_no_second_rotation) {
  give(a, thief());
  Replica& own = a.replica();
  const Number good = a.log().head();
  EXPECT_EQ(own.own_entries_above(good).size(), 2u);
  EXPECT_EQ(code_of(own.request_rotate_roots(a.next_roots().set(), after.set().commitment(), Number{99})),
            "bad_last_good");
  for (const RootSet& known : {a.roots().set(), a.next_roots().set()}) {
    EXPECT_EQ(code_of(own.request_rotate_roots(a.next_roots().set(), known.commitment(), good)), "wrong_next_roots");
  }
  const auto request = must(own.request_rotate_roots(a.next_roots().set(), after.set().commitment(), good));
  const auto second = must(own.request_rotate_roots(a.next_roots().set(), others.set().commitment(), good));
  const auto sign = [&](const OrgRequest& what) {
    std::vector<OrgSignature> signatures{must(sign_org_request(what, a.next_roots().keys[0]))};
    crypto::Verifier verifier;
    return must(assemble_org_entry(signatures, verifier));
  };
  const Entry entry = sign(request), again = sign(second);
  EXPECT_EQ(code_of(own.append_org_entry(entry.view(), true, nullptr)), "ok");
  EXPECT_EQ(own.org_log(a.org())->head(), thief().log.head()) << "only tried";
  must(own.append_org_entry(entry.view(), false, nullptr));
  a.store.sync();
  EXPECT_EQ(own.org_log(a.org())->head(), good.next());
  EXPECT_EQ(own.superseded(a.org()).size(), 2u);
  EXPECT_EQ(code_of(own.append_org_entry(again.view(), false, nullptr)), "already_rotated");
  EXPECT_EQ(code_of(own.request_rotate_roots(after.set(), others.set().commitment(), good)), "bad_last_good");
  EXPECT_FALSE(own.org_log(a.org())->ended());
}

}  // namespace
}  // namespace tocsin::protocol
