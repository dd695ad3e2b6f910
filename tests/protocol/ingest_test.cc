// What arrives from others: chains, signatures, certificates, forks, limits. Nothing unverified gets past this.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "protocol/codes.h"
#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/forged_feed.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::ForgedFeed;
using test::give;
using test::must;
using test::Party;
using test::WorldClock;

struct IngestTest : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock};
  ChannelId id = test::make_channel(a, {&b});
  Epoch epoch = a.replica().channel(id)->epoch;

  LogKey feed_of(Party& party, Party& at) {
    for (const LogRecord& record : at.replica().channel_logs(id)) {
      const auto owner = at.table().feed_owner(record.log);
      if (owner && owner->node == party.node()) return record.log;
    }
    return {};
  }
  std::vector<Entry> entries_of(Party& party, const LogKey& log) {
    std::vector<Entry> out;
    must(party.replica().serve(log, {1}, {UINT64_MAX}, 100'000'000, [&](const StoredEntry& stored) {
      out.emplace_back(stored.entry.header, stored.entry.signature, stored.entry.body);
      return true;
    }));
    return out;
  }
  // Everything that an outside observer of `party` could see change.
  auto fingerprint(Party& party) {
    return std::tuple(party.store.entry_count(), party.replica().frontier(id).digest(), party.texts(id),
                      party.replica().status().fork_proofs);
  }
};

TEST_F(IngestTest, a_feed_with_its_certificate_is_taken_and_read) {
  ForgedFeed feed(a, id);
  std::vector<Entry> entries{feed.next(epoch, "one", feed.signed_certificate()), feed.next(epoch, "two")};
  must(give(b, id, entries));
  EXPECT_EQ(b.texts(id), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(b.table().feed_owner(feed.log())->node, a.node());
}

TEST_F(IngestTest, rule_10_one_signature_stands_for_a_chunk_and_a_single_entry_for_itself) {
  ForgedFeed feed(a, id);
  std::vector<Entry> entries{feed.next(epoch, "0", feed.signed_certificate())};
  for (int i = 1; i < 50; ++i) entries.push_back(feed.next(epoch, std::to_string(i)));
  // The author signs number 20 badly, and goes on above it with good signatures: the chain hides it in bulk.
  Bytes bad = to_bytes(entries[19].view().signature);
  bad[40] ^= 1;
  std::vector<Entry> forged(entries.begin(), entries.begin() + 19);
  forged.emplace_back(entries[19].view().header, bad, entries[19].view().body);
  feed.head = {20};
  feed.head_hash = hash_entry(entries[19].view().header, bad);
  for (int i = 0; i < 10; ++i) forged.push_back(feed.next(epoch, "above"));
  must(give(b, id, forged));
  EXPECT_EQ(b.texts(id).size(), 30u);
  Checked first{}, last{};
  must(b.store.read(feed.log(), {19}, {19}, 1, [&](const StoredEntry& s) {
    first = s.checked;
    return true;
  }));
  must(b.store.read(feed.log(), {30}, {30}, 1, [&](const StoredEntry& s) {
    last = s.checked;
    return true;
  }));
  EXPECT_EQ(first, Checked::kChained);
  EXPECT_EQ(last, Checked::kSigned);

  EXPECT_EQ(code_of(b.replica().read_entry(feed.log(), {19})), "ok");
  EXPECT_EQ(code_of(b.replica().read_entry(feed.log(), {20})), "bad_signature");
  EXPECT_EQ(code_of(b.replica().serve(feed.log(), {19}, {20}, 1 << 20, [](const StoredEntry&) { return true; })),
            "bad_signature");
  b.store.sync();
  EXPECT_EQ(b.replica().status().fork_proofs, 1u) << "proof against the author, treated as a fork";
  EXPECT_EQ(code_of(give(b, id, {feed.next(epoch, "later")})), "frozen");
}

TEST_F(IngestTest, a_chunk_whose_newest_signature_is_bad_leaves_nothing_behind) {
  ForgedFeed feed(a, id);
  std::vector<Entry> entries{feed.next(epoch, "one", feed.signed_certificate())};
  for (int i = 0; i < 9; ++i) entries.push_back(feed.next(epoch, "more"));
  const auto before = fingerprint(b);
  for (std::size_t at = 0; at < entries.size(); ++at) {
    for (const bool in_body : {false, true}) {
      std::vector<Entry> forged = entries;
      Bytes signature = to_bytes(forged[at].view().signature);
      Bytes body = to_bytes(forged[at].view().body);
      (in_body ? body : signature)[17] ^= 0x20;
      forged[at] = Entry(forged[at].view().header, signature, body);
      EXPECT_EQ(code_of(give(b, id, forged)), "bad_signature");
      EXPECT_EQ(fingerprint(b), before);
    }
  }
  must(give(b, id, entries));
}

TEST_F(IngestTest, cut_reordered_and_doubled_ranges_are_refused_or_change_nothing) {
  ForgedFeed feed(a, id);
  std::vector<Entry> entries{feed.next(epoch, "one", feed.signed_certificate())};
  for (int i = 0; i < 9; ++i) entries.push_back(feed.next(epoch, "more"));
  std::vector<Entry> swapped = entries;
  std::swap(swapped[3], swapped[4]);
  EXPECT_EQ(code_of(give(b, id, swapped)), "bad_signature");
  std::vector<Entry> holed = entries;
  holed.erase(holed.begin() + 4);
  EXPECT_EQ(code_of(give(b, id, holed)), "bad_signature");
  EXPECT_EQ(code_of(give(a, id, {entries[5], entries[6]})), "wrong_number") << "a gap below";
  EXPECT_EQ(code_of(give(b, id, {entries[5], entries[6]})), "not_authorised") << "a joiner's copy begins with an epoch";
  must(give(b, id, {entries.begin(), entries.begin() + 6}));
  const auto before = fingerprint(b);
  must(give(b, id, {entries.begin(), entries.begin() + 6}));
  must(give(b, id, {entries[2], entries[3]}));
  EXPECT_EQ(fingerprint(b), before) << "what is held already comes again: nothing changes";
  must(give(b, id, {entries.begin() + 3, entries.end()}));
  EXPECT_EQ(b.texts(id).size(), 10u) << "a range that overlaps what is held adds the rest";
}

TEST_F(IngestTest, rule_12_two_entries_of_one_number_are_kept_as_proof_and_end_the_log) {
  ForgedFeed feed(a, id);
  std::vector<Entry> entries{feed.next(epoch, "one", feed.signed_certificate()), feed.next(epoch, "two")};
  const auto fork = [&](std::string_view text) {
    ForgedFeed other(a, id);  // the same seed: the same key
    other.head = {1};
    other.head_hash = hash_entry(entries[0].view().header, entries[0].view().signature);
    return other.next(epoch, text);
  };
  must(give(b, id, entries));
  const Entry two = fork("another two");

  EXPECT_EQ(code_of(b.replica().fork_candidate(id, entries[1].view())), "ok") << "the same entry is no fork";
  EXPECT_EQ(b.replica().status().fork_proofs, 0u);
  Bytes unsigned_bytes(64, 1);
  EXPECT_EQ(code_of(b.replica().fork_candidate(id, {two.view().header, unsigned_bytes, two.view().body})),
            "bad_signature");
  EXPECT_EQ(b.replica().status().fork_proofs, 0u) << "without a signature it proves nothing";

  EXPECT_EQ(code_of(give(b, id, {two})), "fork");
  b.store.sync();
  EXPECT_EQ(b.replica().status().fork_proofs, 1u);
  EXPECT_EQ(b.texts(id), (std::vector<std::string>{"one", "two"})) << "what was held stays visible";
  EXPECT_EQ(code_of(give(b, id, {feed.next(epoch, "three")})), "frozen");
  EXPECT_FALSE(b.replica().wants_log(id, feed.log(), LogType::kFeed));
  b.crash();
  EXPECT_EQ(b.replica().status().fork_proofs, 1u);
  EXPECT_EQ(code_of(give(b, id, {feed.next(epoch, "four")})), "frozen");

  // The proof holds both entries, and both verify.
  const Bytes proof = must(b.replica().get_record(Table::kForkProofs, feed.log().view()));
  crypto::Verifier verifier;
  std::set<EntryHash> hashes;
  for (std::size_t at = 16; at < proof.size();) {  // behind what is noted of it
    const std::size_t size = load_le32(&proof[at]);
    const EntryView entry = must(decode_entry(ByteView(proof).subspan(at + 4, size)));
    EXPECT_TRUE(verify_entry(entry, verifier));
    EXPECT_EQ(peek_number(entry.header), Number{2});
    hashes.insert(hash_entry(entry.header, entry.signature));
    at += 4 + size;
  }
  EXPECT_EQ(hashes.size(), 2u);
}

TEST_F(IngestTest, rule_12_fork_candidate_keeps_a_proof_from_a_single_entry) {
  ForgedFeed feed(a, id);
  const Entry one = feed.next(epoch, "one", feed.signed_certificate());
  must(give(b, id, {one}));
  ForgedFeed other(a, id);
  must(b.replica().fork_candidate(id, other.next(epoch, "other", other.signed_certificate()).view()));
  b.store.sync();
  EXPECT_EQ(b.replica().status().fork_proofs, 1u);
  EXPECT_EQ(code_of(b.replica().fork_candidate(b.replica().private_channel(), one.view())), "not_acceptable");
}

TEST_F(IngestTest, rule_15_over_its_quota_a_log_grows_no_further_and_says_so) {
  Quotas quotas;
  quotas.feed_entries = 5;
  b.replica().set_quotas(quotas);
  ForgedFeed feed(a, id);
  std::vector<Entry> entries{feed.next(epoch, "0", feed.signed_certificate())};
  for (int i = 1; i < 7; ++i) entries.push_back(feed.next(epoch, std::to_string(i)));
  EXPECT_EQ(code_of(give(b, id, entries)), "quota_exceeded");
  EXPECT_TRUE(b.texts(id).empty()) << "nothing of the chunk is stored";
  must(give(b, id, {entries.begin(), entries.begin() + 5}));
  EXPECT_EQ(code_of(give(b, id, {entries[5]})), "quota_exceeded");
  EXPECT_EQ(b.texts(id).size(), 5u);
  quotas.feed_entries = 100;
  quotas.feed_bytes = b.replica().log_record(feed.log())->bytes + 2 * entries[5].view().body.size() - 1;
  b.replica().set_quotas(quotas);
  EXPECT_EQ(code_of(give(b, id, {entries[5], entries[6]})), "quota_exceeded");
  b.replica().set_quotas(Quotas{});
  must(give(b, id, {entries[5], entries[6]}));
  // A control log has its own: a full feed does not keep an epoch away.
  quotas.feed_entries = 0;
  b.replica().set_quotas(quotas);
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  test::sync_once(a, b);
  EXPECT_EQ(b.replica().channel(id)->epoch, a.replica().channel(id)->epoch);
}

TEST_F(IngestTest, rule_15_a_channel_has_room_for_so_many_feeds) {
  Quotas quotas;
  quotas.feeds = 2;
  b.replica().set_quotas(quotas);
  std::vector<std::string> codes;
  for (std::uint64_t seed = 50; seed < 53; ++seed) {
    ForgedFeed feed(a, id, seed);
    codes.push_back(code_of(give(b, id, {feed.next(epoch, "x", feed.signed_certificate())})));
  }
  EXPECT_EQ(codes, (std::vector<std::string>{"ok", "ok", "not_acceptable"}));
}

TEST_F(IngestTest, rule_15_all_feeds_of_one_organisation_share_what_it_may_take_up) {
  Quotas quotas;
  quotas.member_entries = 5;
  b.replica().set_quotas(quotas);
  const auto two_entries = [&](std::uint64_t seed) {
    ForgedFeed feed(a, id, seed);
    std::vector<Entry> out{feed.next(epoch, "x", feed.signed_certificate())};
    out.push_back(feed.next(epoch, "y"));
    return code_of(give(b, id, out));
  };
  EXPECT_EQ(two_entries(50), "ok");
  EXPECT_EQ(two_entries(51), "ok");
  EXPECT_EQ(two_entries(52), "quota_exceeded");
  b.crash();
  b.replica().set_quotas(quotas);
  EXPECT_EQ(two_entries(53), "quota_exceeded") << "counted again after a restart";
  b.write(id, "the own node writes on");
  b.store.sync();
  EXPECT_EQ(b.texts(id).back(), "the own node writes on");
}

TEST_F(IngestTest, rule_16_an_unknown_kind_of_entry_is_kept_and_served_on) {
  ForgedFeed feed(a, id);
  const auto strange = static_cast<FeedKind>(4711);
  must(give(b, id, {feed.next(epoch, "??", feed.signed_certificate(), strange)}));
  EXPECT_EQ(b.replica().accepted_head(feed.log()), Number{1});
  EXPECT_EQ(entries_of(b, feed.log()).size(), 1u);
  EXPECT_TRUE(b.replica().may_serve(a.node(), id, feed.log()));
}

TEST_F(IngestTest, rule_28_a_feed_that_does_not_open_to_its_writers_certificate_is_refused) {
  Party stranger("Stranger", 9, clock);
  const auto before = fingerprint(b);
  const auto refused = [&](auto&& make) {
    ForgedFeed feed(a, id, 77);
    const Entry entry = make(feed);
    const std::string code = code_of(give(b, id, {entry}));
    EXPECT_EQ(fingerprint(b), before);
    EXPECT_EQ(b.replica().accepted_head(feed.log()), Number{});
    return code;
  };
  EXPECT_EQ(refused([&](ForgedFeed& feed) { return feed.next(epoch, "none"); }), "not_authorised");
  EXPECT_EQ(refused([&](ForgedFeed& feed) { return feed.entry(epoch, Bytes(200, 1)); }), "not_authorised");
  EXPECT_EQ(refused([&](ForgedFeed& feed) { return feed.sealed(epoch, Bytes(3, 1)); }), "not_authorised");
  const auto certified = [&](auto&& change, const crypto::SigningKey& by) {
    return refused([&](ForgedFeed& feed) {
      FeedCertificate certificate = feed.certificate();
      change(certificate);
      return feed.next(epoch, "x", sign_feed_certificate(certificate, by));
    });
  };
  const auto& a_key = a.secrets().tier2->signing;
  EXPECT_EQ(certified([](auto&) {}, stranger.secrets().tier2->signing), "node_not_certified");
  EXPECT_EQ(certified([](auto&) {}, b.secrets().tier2->signing), "node_not_certified");
  EXPECT_EQ(certified([&](auto& c) { c.org = b.org(), c.node = b.node(); }, a_key), "node_not_certified")
      << "claims B's name";
  EXPECT_EQ(
      certified([&](auto& c) { c.org = stranger.org(), c.node = stranger.node(); }, stranger.secrets().tier2->signing),
      "not_authorised");
  EXPECT_EQ(certified([&](auto& c) { c.channel = a.replica().private_channel(); }, a_key), "bad_feed_certificate");
  EXPECT_EQ(certified([&](auto& c) { c.feed.data()[0] ^= 1; }, a_key), "bad_feed_certificate");
  ForgedFeed honest(a, id, 77);
  must(give(b, id, {honest.next(epoch, "x", honest.signed_certificate())}));
}

TEST_F(IngestTest, rule_28_in_each_epoch_the_first_entry_carries_the_certificate_anew) {
  ForgedFeed feed(a, id);
  must(give(b, id, {feed.next(epoch, "one", feed.signed_certificate())}));
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  test::sync_once(a, b);
  const Epoch next{epoch.value + 1};
  ForgedFeed bare = std::move(feed);
  const auto head = std::pair(bare.head, bare.head_hash);
  EXPECT_EQ(code_of(give(b, id, {bare.next(next, "bare")})), "not_authorised");
  std::tie(bare.head, bare.head_hash) = head;
  FeedCertificate other = bare.certificate();
  other.generation = 2;
  EXPECT_EQ(code_of(give(b, id, {bare.next(next, "x", sign_feed_certificate(other, a.secrets().tier2->signing))})),
            "bad_feed_certificate");
  std::tie(bare.head, bare.head_hash) = head;
  must(give(b, id, {bare.next(next, "two", bare.signed_certificate())}));
  const auto held = std::pair(bare.head, bare.head_hash);
  std::vector<Entry> range{bare.next(next, "three"), bare.next(epoch, "back")};
  EXPECT_EQ(code_of(give(b, id, range)), "bad_epoch") << "epochs never fall along a log";
  // What is held here may be of another history than the one that an honest peer was shown.
  std::tie(bare.head, bare.head_hash) = held;
  EXPECT_EQ(code_of(give(b, id, {bare.next(epoch, "back")})), "wrong_previous");
  EXPECT_EQ(b.texts(id), (std::vector<std::string>{"one", "two"}));
}

TEST_F(IngestTest, an_epoch_that_is_not_here_yet_asks_for_the_control_log_first) {
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  ForgedFeed feed(a, id);
  const Entry entry = feed.next({epoch.value + 1}, "early", feed.signed_certificate());
  EXPECT_EQ(code_of(give(b, id, {entry})), "unknown_epoch");
  test::sync_once(a, b);
  must(give(b, id, {entry}));
}

TEST_F(IngestTest, rule_24_a_reader_reads_and_may_not_write) {
  Party c("Charlie", 3, clock);
  test::join(a, id, c, Role::kReader);
  a.write(id, "for readers too");
  a.store.sync();
  test::sync_all({&a, &b, &c});
  EXPECT_EQ(c.replica().channel(id)->standing, ChannelStanding::kJoined);
  EXPECT_EQ(c.replica().channel(id)->own_role, Role::kReader);
  EXPECT_EQ(c.texts(id).back(), "for readers too");
  const FeedItem item{FeedKind::kReport, as_bytes("x")};
  EXPECT_EQ(code_of(c.replica().append(id, std::span(&item, 1), nullptr)), "not_a_writer");
  ForgedFeed feed(c, id);
  EXPECT_EQ(code_of(give(b, id, {feed.next(c.replica().channel(id)->epoch, "x", feed.signed_certificate())})),
            "not_authorised");
}

TEST_F(IngestTest, rule_24_nobody_is_invited_as_steward_or_as_nothing) {
  Party c("Charlie", 3, clock);
  test::introduce(a, c);
  for (const Role role : {Role::kSteward, Role::kUnknown})
    EXPECT_EQ(code_of(a.replica().invite(id, c.org(), role, nullptr)), "role_not_supported");
  EXPECT_TRUE(a.replica().mail_for(c.org(), c.node()).empty());
}

TEST_F(IngestTest, what_does_not_fit_is_refused_before_it_is_kept) {
  ForgedFeed feed(a, id);
  auto receiver = must(b.replica().receive(id, feed.log(), LogType::kFeed, {1}, std::nullopt));
  const Bytes signature(64);
  EXPECT_EQ(code_of(receiver.add(ByteView(signature).first(63), epoch, {})), "bad_entry");
  EXPECT_EQ(code_of(receiver.add(signature, epoch, Bytes(kBodyBytesMax + 1))), "body_too_large");
  EXPECT_EQ(code_of(receiver.add(signature, {0}, {})), "bad_epoch");
  EXPECT_EQ(code_of(receiver.add_without_body(signature, epoch, {}, kBodyBytesMax + 1)), "body_too_large");
  EXPECT_EQ(code_of(receiver.commit(nullptr)), "bad_entry") << "nothing was added";
  EXPECT_EQ(code_of(b.replica().receive(id, feed.log(), LogType::kFeed, {0}, std::nullopt)), "wrong_number");
  EXPECT_EQ(code_of(a.replica().receive(crypto::random_fixed<ChannelId>(a.random()), feed.log(), LogType::kControl, {1},
                                        std::nullopt)),
            "not_acceptable");
  // One that is not known could begin a term: what it begins with says that it does not.
  const Entry nothing = feed.next(epoch, "nothing", feed.signed_certificate());
  auto term = must(b.replica().receive(id, feed.log(), LogType::kControl, {1}, std::nullopt));
  must(term.add(nothing.view().signature, epoch, nothing.view().body));
  EXPECT_NE(code_of(term.commit(nullptr)), "ok");
  EXPECT_EQ(code_of(b.replica().receive(std::nullopt, feed.log(), LogType::kFeed, {1}, std::nullopt)),
            "not_acceptable");
  const ChannelId unknown = crypto::random_fixed<ChannelId>(a.random());
  EXPECT_EQ(code_of(b.replica().receive(unknown, feed.log(), LogType::kFeed, {1}, std::nullopt)), "not_acceptable");
  const LogKey org{crypto::random_fixed<LogKey>(a.random())};
  EXPECT_EQ(code_of(b.replica().receive(id, org, LogType::kOrganisation, {1}, std::nullopt)), "not_acceptable");
}

TEST_F(IngestTest, after_a_failed_write_every_receiver_stops_and_a_new_one_goes_on) {
  ForgedFeed feed(a, id);
  std::vector<Entry> entries{feed.next(epoch, "one", feed.signed_certificate()), feed.next(epoch, "two"),
                             feed.next(epoch, "three")};
  auto receiver = must(b.replica().receive(id, feed.log(), LogType::kFeed, {1}, std::nullopt));
  std::vector<std::string> told;
  const auto done = [&](Result<Number> head) { told.push_back(code_of(head)); };
  for (const Entry& entry : entries) {
    must(receiver.add(entry.view().signature, epoch, entry.view().body));
    must(receiver.commit(done));
  }
  b.store.fail_next(environment_error(kDiskFull));
  b.store.sync();
  EXPECT_EQ(told, (std::vector<std::string>{"disk_full", "disk_full", "disk_full"}));
  EXPECT_EQ(b.replica().failures(), 1u) << "the two behind it fell with the first";
  EXPECT_EQ(b.replica().accepted_head(feed.log()), Number{});
  must(receiver.add(Bytes(64), epoch, {}));
  EXPECT_EQ(code_of(receiver.commit(nullptr)), "stale_receiver");
  must(give(b, id, entries));
  EXPECT_EQ(b.texts(id), (std::vector<std::string>{"one", "two", "three"}));
}

TEST_F(IngestTest, many_chunks_may_be_under_way_at_once) {
  ForgedFeed feed(a, id);
  auto receiver = must(b.replica().receive(id, feed.log(), LogType::kFeed, {1}, std::nullopt));
  std::vector<std::uint64_t> heads;
  for (int i = 1; i <= 300; ++i) {
    const Entry entry = feed.next(epoch, std::to_string(i), i == 1 ? feed.signed_certificate() : Bytes{});
    must(receiver.add(entry.view().signature, epoch, entry.view().body));
    if (i % 100 == 0) must(receiver.commit([&](Result<Number> head) { heads.push_back(must(head).value); }));
  }
  EXPECT_TRUE(heads.empty()) << "done is never called from inside";
  EXPECT_EQ(b.replica().accepted_head(feed.log()), Number{300});
  EXPECT_FALSE(b.replica().log_record(feed.log())) << "nothing is shown before it is durable";
  EXPECT_EQ(b.replica().frontier(id).find(feed.log()), nullptr);
  b.store.sync();
  EXPECT_EQ(heads, (std::vector<std::uint64_t>{100, 200, 300}));
  EXPECT_EQ(b.replica().log_record(feed.log())->head, Number{300});
}

// Any damage to any byte of a range: refused, or nothing changed; never stored.
RC_GTEST_PROP(Ingest, rule_11_damaged_ranges_are_never_stored, ()) {
  static WorldClock clock;
  static Party a("Alpha", 1, clock), b("Bravo", 2, clock);
  static const ChannelId id = test::make_channel(a, {&b});
  const Epoch epoch = a.replica().channel(id)->epoch;
  ForgedFeed feed(a, id, *rc::gen::arbitrary<std::uint64_t>());
  const auto count = *rc::gen::inRange<std::size_t>(1, 12);
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < count; ++i) {
    entries.push_back(feed.next(epoch, "entry", i == 0 ? feed.signed_certificate() : Bytes{}));
  }
  const auto at = *rc::gen::inRange<std::size_t>(0, count);
  Bytes signature = to_bytes(entries[at].view().signature);
  Bytes body = to_bytes(entries[at].view().body);
  Bytes& damaged = *rc::gen::arbitrary<bool>() ? signature : body;
  damaged[*rc::gen::inRange<std::size_t>(0, damaged.size())] ^= *rc::gen::inRange<std::uint8_t>(1, 255);
  entries[at] = Entry(entries[at].view().header, signature, body);
  const std::size_t before = b.store.entry_count();
  RC_ASSERT(!give(b, id, entries).ok());
  RC_ASSERT(b.store.entry_count() == before);
  RC_ASSERT(b.replica().accepted_head(feed.log()) == Number{});
}

}  // namespace
}  // namespace tocsin::protocol
