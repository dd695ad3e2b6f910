// Bundles: what a session would carry, in a file.
#include "protocol/bundle.h"

#include <gtest/gtest.h>

#include "crypto/seal.h"
#include "tests/support/bundle_files.h"
#include "tests/support/expect.h"
#include "tests/support/forged_feed.h"

namespace tocsin::protocol {
namespace {

using test::bundle;
using test::code_of;
using test::error_of;
using test::must;
using test::Party;
using test::read_bundle;
using test::WorldClock;

constexpr std::size_t kStartBytes = 44 + 8 * 104;  // with eight slots
constexpr std::size_t kChunkBytes = 1 + 4096 + 41;

struct Bundle : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock}, c{"Charlie", 3, clock};

  static void write(Party& party, const ChannelId& id, const std::string& text) {
    party.write(id, text);
    party.store.sync();
  }
  static void write_many(Party& party, const ChannelId& id, int count) {
    for (int i = 0; i < count; ++i) party.write(id, "report " + std::to_string(i) + std::string(300, '.'));
    party.store.sync();
  }
  static void tick(Party& party) {
    party.replica().handle_tick();
    party.store.sync();
  }
  static ChannelInfo info(Party& party, const ChannelId& id) { return *party.replica().channel(id); }
  static TrieDigest digest(Party& party, const ChannelId& id) { return party.replica().frontier(id).digest(); }
  static bool holds(ByteView file, ByteView what) {
    return std::search(file.begin(), file.end(), what.begin(), what.end()) != file.end();
  }
  // Entries of feeds from before that epoch that a file holds with their bodies.
  static std::size_t bodies_before(Party& party, ByteView file, Epoch epoch) {
    BundleOpener opener([&](const auto& ephemeral, ByteView context, std::span<const ByteView> slots) {
      return party.replica().open_slot(ephemeral, context, slots);
    });
    opener.give(file);
    std::size_t out = 0;
    for (auto event = opener.next(); must(event) != BundleOpener::Event::kMore; event = opener.next()) {
      if (*event != BundleOpener::Event::kFrame || opener.frame_number() == 0) continue;
      wire::FrameReader frame(opener.frame());
      for (auto message = must(frame.next()); message; message = must(frame.next())) {
        if (message->type != wire::MessageType::kEntries) continue;
        auto entries = must(wire::EntriesReader::open(message->payload));
        for (int i = 0; i < entries.header().count; ++i) {
          const auto entry = must(entries.next());
          out += entries.header().type == LogType::kFeed && entry.epoch < epoch && !entry.absent;
        }
      }
    }
    return out;
  }
  static void put_back(Party& party, const MemoryStore& image) {
    party.store = image;
    party.crash();
  }
};

TEST_F(Bundle, carries_a_channel_to_its_members_and_a_second_time_nothing) {
  const ChannelId id = test::make_channel(a, {&b, &c});
  write_many(a, id, 300);
  write(c, id, "of Charlie");
  test::sync_once(a, c);
  const Bytes file = bundle(a, clock, {id});
  const BundleSummary first = read_bundle(b, file);
  EXPECT_EQ(error_of(first), "ok");
  EXPECT_TRUE(first.complete);
  EXPECT_TRUE(first.refused.empty());
  EXPECT_EQ(first.bytes, file.size());
  EXPECT_EQ(first.entries, 301u);
  EXPECT_EQ(first.channels.at(id).entries, 301u);
  EXPECT_EQ(b.text_set(id), a.text_set(id));
  EXPECT_EQ(digest(b, id), digest(a, id));

  const std::size_t stored = b.store.entry_count();
  for (const std::size_t piece : {std::size_t{1}, std::size_t{4096}, kBundlePieceMax}) {
    const BundleSummary again = read_bundle(b, file, piece);
    EXPECT_TRUE(again.complete);
    EXPECT_EQ(again.entries, 0u);
    EXPECT_GE(again.known, 301u);
    EXPECT_TRUE(again.refused.empty());
  }
  EXPECT_EQ(b.store.entry_count(), stored);
  // Its maker can read it back, and finds nothing new in it.
  const BundleSummary own = read_bundle(a, file);
  EXPECT_TRUE(own.complete);
  EXPECT_EQ(own.entries, 0u);
}

TEST_F(Bundle, rule_26_an_invitation_its_answer_and_all_that_follows_travel_by_file_alone) {
  test::introduce(a, b);
  const ChannelId id = must(a.replica().create_channel({"Warnings", ChannelClass::kAlert, "terms", 0}, nullptr));
  a.store.sync();
  write(a, id, "before Bravo");
  EXPECT_EQ(code_of(test::try_bundle(a, clock, {{id}, b.org(), false})), "nothing_for_peer");
  must(a.replica().invite(id, b.org(), Role::kMember, nullptr));
  a.store.sync();
  const BundleSummary invited = read_bundle(b, bundle(a, clock, {id}, b.org()));
  EXPECT_TRUE(invited.complete);
  EXPECT_EQ(invited.mail, 1u);
  EXPECT_TRUE(invited.channels.empty()) << "it is no member yet";
  ASSERT_EQ(info(b, id).standing, ChannelStanding::kInvited);
  EXPECT_EQ(code_of(test::try_bundle(b, clock, {{id}, a.org(), false})), "not_joined");

  must(b.replica().accept(id, nullptr));
  b.store.sync();
  const BundleSummary accepted = read_bundle(a, bundle(b, clock, {id}, a.org()));
  EXPECT_TRUE(accepted.complete);
  EXPECT_EQ(accepted.mail, 1u);
  tick(a);
  EXPECT_EQ(info(a, id).members.size(), 2u);
  write(a, id, "to Bravo");
  const BundleSummary joined = read_bundle(b, bundle(a, clock, {id}, b.org()));
  EXPECT_TRUE(joined.complete);
  EXPECT_TRUE(joined.refused.empty()) << joined.refused.begin()->first;
  ASSERT_EQ(info(b, id).standing, ChannelStanding::kJoined);
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"to Bravo"});
  EXPECT_EQ(digest(b, id), digest(a, id));

  write(b, id, "of Bravo");
  const BundleSummary back = read_bundle(a, bundle(b, clock, {id}, a.org()));
  EXPECT_TRUE(back.complete);
  EXPECT_EQ(a.text_set(id), (std::multiset<std::string>{"before Bravo", "to Bravo", "of Bravo"}));
  EXPECT_EQ(digest(b, id), digest(a, id));
}

TEST_F(Bundle, for_a_peer_holds_what_its_receipts_do_not_and_with_all_everything) {
  const ChannelId id = test::make_channel(a, {&b});
  write_many(a, id, 50);
  test::sync_once(a, b);
  clock.advance_ms(61'000);
  test::sync_once(a, b);
  write(a, id, "new");
  const auto feeds = [&](const BundleRequest& request) {
    std::uint64_t entries = 0;
    const auto plans = must(plan_bundles(a.replica(), request));
    for (const BundleRange& range : plans.at(0).ranges) {
      if (range.type == LogType::kFeed) entries += range.last.value + 1 - range.first.value;
    }
    return entries;
  };
  EXPECT_EQ(feeds({{id}, b.org(), false}), 1u);
  EXPECT_EQ(feeds({{id}, b.org(), true}), 51u);
  const Bytes file = bundle(a, clock, {id}, b.org());
  const MemoryStore image = b.store;
  EXPECT_TRUE(read_bundle(b, file).complete);
  EXPECT_EQ(b.texts(id).size(), 51u);
  put_back(b, image);
  const BundleSummary again = read_bundle(b, file);
  EXPECT_EQ(again.entries, 1u);
}

TEST_F(Bundle, what_begins_above_what_is_held_is_refused_and_named) {
  const ChannelId id = test::make_channel(a, {&b});
  const MemoryStore image = b.store;
  write_many(a, id, 5);
  test::sync_once(a, b);
  clock.advance_ms(61'000);
  test::sync_once(a, b);
  write(a, id, "new");
  const Bytes file = bundle(a, clock, {id}, b.org());
  put_back(b, image);
  const BundleSummary summary = read_bundle(b, file);
  EXPECT_TRUE(summary.complete);
  EXPECT_EQ(summary.refused.at("wrong_number"), 1u);
  EXPECT_TRUE(b.texts(id).empty());
  EXPECT_TRUE(read_bundle(b, bundle(a, clock, {id}, b.org(), true)).refused.empty());
  EXPECT_EQ(b.texts(id).size(), 6u);
}

// ---- Damage

TEST_F(Bundle, cut_anywhere_gives_what_was_whole_and_says_so) {
  const ChannelId id = test::make_channel(a, {&b});
  write_many(a, id, 200);
  const Bytes file = bundle(a, clock, {id});
  ASSERT_EQ((file.size() - kStartBytes) % kChunkBytes, 0u);
  const MemoryStore image = b.store;
  const auto all = a.texts(id);
  std::size_t last = 0, grown = 0;
  for (std::size_t at = kStartBytes; at < file.size(); at += kChunkBytes) {
    for (const std::size_t cut : {at - 1, at, at + 1, at + 2000}) {
      put_back(b, image);
      const BundleSummary summary = read_bundle(b, ByteView(file).first(cut));
      EXPECT_FALSE(summary.complete) << cut;
      EXPECT_EQ(error_of(summary), "bundle_cut") << cut;
      const auto got = b.texts(id);
      EXPECT_TRUE(std::equal(got.begin(), got.end(), all.begin())) << cut;
      EXPECT_GE(got.size(), last);
      grown += got.size() > last;
      last = got.size();
    }
  }
  EXPECT_GT(grown, 4u) << "a longer piece gives more";
  EXPECT_TRUE(read_bundle(b, file).complete) << "and the rest comes with the whole file";
  EXPECT_EQ(b.texts(id), all);
  for (const std::size_t size : {0u, 1u, 7u, 43u, 500u}) {
    const std::string code = error_of(read_bundle(b, ByteView(file).first(size)));
    EXPECT_EQ(code, size == 0 ? "not_a_bundle" : "bundle_cut") << size;
  }
}

TEST_F(Bundle, rule_11_a_flipped_bit_anywhere_is_found_and_nothing_of_it_is_stored) {
  const ChannelId id = test::make_channel(a, {&b});
  write_many(a, id, 60);
  const Bytes file = bundle(a, clock, {id});
  const MemoryStore image = b.store;
  const auto all = a.texts(id);
  for (std::size_t at = 0; at < file.size(); at += at < kStartBytes ? 29 : 977) {
    put_back(b, image);
    Bytes changed = file;
    changed[at] ^= static_cast<std::uint8_t>(1u << (at % 8));
    const BundleSummary summary = read_bundle(b, changed);
    EXPECT_FALSE(summary.complete) << at;
    EXPECT_NE(error_of(summary), "ok") << at;
    if (at >= kStartBytes) {
      EXPECT_EQ(error_of(summary), "bundle_damaged") << at;
    } else {
      EXPECT_EQ(summary.entries, 0u) << at;
    }
    const auto got = b.texts(id);
    EXPECT_TRUE(std::equal(got.begin(), got.end(), all.begin())) << at;
    EXPECT_EQ(b.replica().status().fork_proofs, 0u);
  }
}

TEST_F(Bundle, chunks_in_another_order_twice_left_out_or_of_another_bundle_are_refused) {
  const ChannelId id = test::make_channel(a, {&b});
  write_many(a, id, 60);
  const Bytes file = bundle(a, clock, {id}), other = bundle(a, clock, {id});
  const MemoryStore image = b.store;
  const auto chunk = [&](Bytes& of, std::size_t n) {
    return of.begin() + static_cast<std::ptrdiff_t>(kStartBytes + n * kChunkBytes);
  };
  const std::vector<std::function<void(Bytes&)>> damages = {
      [&](Bytes& f) { std::swap_ranges(chunk(f, 2), chunk(f, 3), chunk(f, 3)); },
      [&](Bytes& f) { f.insert(chunk(f, 2), f.begin() + static_cast<std::ptrdiff_t>(kStartBytes), chunk(f, 1)); },
      [&](Bytes& f) { f.erase(chunk(f, 2), chunk(f, 3)); },
      [&](Bytes& f) {
        Bytes from = other;
        std::copy(chunk(from, 2), chunk(from, 3), chunk(f, 2));
      },
      [&](Bytes& f) { *chunk(f, 2) = 1; },
  };
  for (std::size_t n = 0; n < damages.size(); ++n) {
    put_back(b, image);
    Bytes changed = file;
    damages[n](changed);
    EXPECT_EQ(error_of(read_bundle(b, changed)), "bundle_damaged") << n;
    EXPECT_LT(b.texts(id).size(), 60u);
  }
  put_back(b, image);
  Bytes both = file;
  append(both, other);
  const BundleSummary summary = read_bundle(b, both);
  EXPECT_TRUE(summary.complete) << "one after the other they are a file";
  EXPECT_EQ(summary.opened, 2u);
  append(both, as_bytes("more"));
  EXPECT_EQ(error_of(read_bundle(b, both)), "bundle_damaged");
  EXPECT_EQ(error_of(read_bundle(b, as_bytes("id,name\n1,x\n"))), "not_a_bundle");
}

TEST_F(Bundle, rule_06_a_size_above_the_maximum_is_refused_before_it_is_waited_for) {
  const Bytes key(32, 7);
  Bytes start = to_bytes(as_bytes("tocsinBB"));
  for (const std::uint8_t byte : {1, 1, 8, 0}) start.push_back(byte);
  start.resize(kStartBytes, 3);
  const auto open = [&](std::uint32_t size, std::uint8_t version) {
    Bytes file = start;
    file[8] = version;
    const crypto::Hash id = crypto::hash256(crypto::kPersonalBundle, {file});
    Bytes plain(4096), place = to_bytes(id.view());
    store_le32(plain.data(), size);
    place.resize(32 + 8 + 1);
    file.push_back(0);
    append(file, crypto::seal(key, crypto::kLabelBundleChunk, place, plain, a.random()));
    BundleOpener opener([&](const auto&, ByteView, std::span<const ByteView> slots) -> Result<crypto::SecretBuffer> {
      EXPECT_EQ(slots.size(), 8u);
      return crypto::SecretBuffer::copy_of(key);
    });
    opener.give(file);
    for (;;) {
      const auto event = opener.next();
      if (!event || *event == BundleOpener::Event::kMore) return code_of(event);
    }
  };
  EXPECT_EQ(open(65'519, 1), "ok");
  EXPECT_EQ(open(65'520, 1), "bad_bundle");
  EXPECT_EQ(open(0xffffffff, 1), "bad_bundle");
  EXPECT_EQ(open(65'519, 2), "bundle_too_new");
  start[10] = 9;  // slots
  EXPECT_EQ(open(65'519, 1), "bad_bundle");
}

// ---- Who may read it, and whom it names

TEST_F(Bundle, rule_35_opens_for_its_recipient_alone_and_names_nobody) {
  const ChannelId id = test::make_channel(a, {&b, &c});
  write(a, id, "a name that nobody else may read");
  for (const auto recipient : {std::optional<OrgId>(b.org()), std::optional<OrgId>()}) {
    const Bytes file = bundle(a, clock, {id}, recipient);
    for (Party* party : {&a, &b, &c}) {
      EXPECT_FALSE(holds(file, party->org().view()));
      EXPECT_FALSE(holds(file, party->node().view()));
      EXPECT_FALSE(holds(file, as_bytes(party->name())));
    }
    EXPECT_FALSE(holds(file, id.view()));
    EXPECT_FALSE(holds(file, info(a, id).pseudonym.view()));
    for (const LogRecord& log : a.replica().channel_logs(id)) EXPECT_FALSE(holds(file, log.log.view()));
  }
  Party stranger("Stranger", 7, clock);
  test::introduce(a, stranger);
  const Bytes members = bundle(a, clock, {id}), for_b = bundle(a, clock, {id}, b.org());
  EXPECT_EQ(members.size() % kChunkBytes, for_b.size() % kChunkBytes) << "nothing tells one kind from the other";
  const auto refused = [&](Party& party, const Bytes& file) {
    const std::size_t before = party.store.entry_count();
    const BundleSummary summary = read_bundle(party, file);
    EXPECT_EQ(party.store.entry_count(), before);
    EXPECT_EQ(summary.entries + summary.known + summary.channels.size() + summary.opened, 0u);
    return error_of(summary);
  };
  EXPECT_EQ(refused(stranger, members), "bundle_for_others");
  EXPECT_EQ(refused(stranger, for_b), "bundle_for_others");
  EXPECT_EQ(refused(c, for_b), "bundle_for_others");
  EXPECT_EQ(refused(a, for_b), "bundle_for_others") << "nor is its maker among those who can open it";
  EXPECT_TRUE(read_bundle(c, members).complete);
}

TEST_F(Bundle, rule_35_of_several_channels_a_member_of_one_reads_that_one) {
  const ChannelId first = test::make_channel(a, {&b}), second = test::make_channel(a, {&c});
  write(a, first, "one");
  write(a, second, "two");
  const Bytes file = bundle(a, clock, {first, second});
  const BundleSummary summary = read_bundle(c, file);
  EXPECT_TRUE(summary.complete);
  EXPECT_EQ(summary.opened, 1u);
  EXPECT_EQ(summary.for_others, 1u);
  EXPECT_FALSE(summary.channels.contains(first));
  EXPECT_EQ(c.texts(second), std::vector<std::string>{"two"});
  EXPECT_EQ(code_of(test::try_bundle(a, clock, {{first}, c.org(), false})), "nothing_for_peer");
}

TEST_F(Bundle, rule_35_who_was_removed_gets_nothing_new_and_hears_that_it_was) {
  const ChannelId id = test::make_channel(a, {&b, &c});
  write(a, id, "before");
  test::sync_all({&a, &b, &c});
  must(a.replica().remove_member(id, b.org(), nullptr));
  a.store.sync();
  write(a, id, "after");
  test::sync_all({&a, &c});
  EXPECT_EQ(code_of(test::try_bundle(c, clock, {{id}, b.org(), true})), "nothing_for_peer");
  EXPECT_EQ(error_of(read_bundle(b, bundle(a, clock, {id}))), "bundle_for_others");
  const BundleSummary summary = read_bundle(b, bundle(a, clock, {id}, b.org(), true));
  EXPECT_TRUE(summary.complete);
  EXPECT_TRUE(summary.channels.empty());
  EXPECT_EQ(info(b, id).standing, ChannelStanding::kRemoved);
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"before"});
  // Nor does what it brings to those who know reach anybody.
  EXPECT_EQ(code_of(test::try_bundle(b, clock, {{id}, c.org(), true})), "not_joined");
}

TEST_F(Bundle, rule_34_who_joined_later_gets_its_time_alone_and_comes_to_the_same_digest) {
  const ChannelId id = test::make_channel(a, {&b});
  write(a, id, "early");
  write(b, id, "early and silent since");
  test::sync_once(a, b);
  // By file, so that C has nothing of a feed yet.
  test::introduce(a, c);
  must(a.replica().invite(id, c.org(), Role::kMember, nullptr));
  a.store.sync();
  (void)read_bundle(c, bundle(a, clock, {id}, c.org()));
  must(c.replica().accept(id, nullptr));
  c.store.sync();
  (void)read_bundle(a, bundle(c, clock, {id}, a.org()));
  tick(a);
  write(a, id, "late");
  test::sync_all({&a, &b});
  const MemoryStore image = c.store;
  for (const bool all : {false, true}) {
    for (const auto recipient : {std::optional<OrgId>(c.org()), std::optional<OrgId>()}) {
      put_back(c, image);
      const Bytes file = bundle(a, clock, {id}, recipient, all);
      const BundleSummary summary = read_bundle(c, file);
      EXPECT_TRUE(summary.complete);
      EXPECT_TRUE(summary.refused.empty()) << summary.refused.begin()->first;
      EXPECT_EQ(c.texts(id), std::vector<std::string>{"late"});
      EXPECT_EQ(digest(c, id), digest(a, id));
      EXPECT_EQ(read_bundle(c, bundle(a, clock, {id}, recipient, true)).entries, 0u);
      if (recipient) {
        EXPECT_EQ(bodies_before(c, file, c.replica().first_epoch(id)), 0u);
      }
    }
  }
  // From one that itself joined late.
  Party late("Delta", 4, clock);
  test::join(a, id, late);
  write(a, id, "latest");
  test::sync_all({&a, &b, &c});
  test::introduce(c, late);
  const BundleSummary summary = read_bundle(late, bundle(c, clock, {id}, late.org(), true));
  EXPECT_TRUE(summary.refused.empty());
  EXPECT_EQ(late.texts(id), std::vector<std::string>{"latest"});
}

// ---- Forged

TEST_F(Bundle, rule_11_nobody_makes_a_bundle_in_the_name_of_another) {
  const ChannelId id = test::make_channel(a, {&b, &c});
  write(a, id, "true");
  const Bytes true_file = bundle(a, clock, {id}, b.org());
  // C seals to B what it says is of A, signed by its own key, or not at all.
  OrgId told = b.org();
  bool with_end = true;
  const auto forge = [&](const BundleSealer::Sign& sign, const OrgId& org, const NodeId& node) {
    Bytes file;
    const OrgId to = b.org();
    auto sealer = must(BundleSealer::begin(a.replica().wrap_targets(std::span(&to, 1)), sign, c.random(), file));
    BundleOpening opening;
    opening.org = org;
    opening.node = node;
    opening.recipient = told;
    opening.channels = {id};
    sealer.put(encode_bundle_opening(opening), file);
    Bytes frame;
    wire::FrameWriter writer(frame);
    wire::put_bye(writer, ByeReason::kDone);
    frame.resize(writer.position());
    if (with_end) sealer.put(frame, file);
    sealer.finish(file);
    return error_of(read_bundle(b, file));
  };
  const auto by_c = [&](const crypto::Hash& digest) { return c.replica().sign_bundle(digest); };
  EXPECT_EQ(forge(by_c, c.org(), c.node()), "ok");
  EXPECT_EQ(forge(by_c, a.org(), a.node()), "bundle_forged");
  EXPECT_EQ(forge(by_c, a.org(), c.node()), "unknown_peer");
  EXPECT_EQ(forge([](const crypto::Hash&) { return crypto::Signature{}; }, a.org(), a.node()), "bundle_forged");
  with_end = false;
  EXPECT_EQ(forge(by_c, c.org(), c.node()), "bad_bundle");
  told = c.org();
  EXPECT_EQ(forge(by_c, c.org(), c.node()), "bundle_for_others");
  must(b.replica().set_peer_blocked(c.org(), true, nullptr));
  b.store.sync();
  EXPECT_EQ(forge(by_c, c.org(), c.node()), "unknown_peer");
  EXPECT_TRUE(read_bundle(b, true_file).complete);
}

TEST_F(Bundle, rule_20_what_a_revoked_node_wrote_past_its_pin_is_refused_from_whomever) {
  const ChannelId id = test::make_channel(a, {&b, &c});
  Party d("Delta", 4, clock);
  test::join(a, id, d);
  test::sync_all({&a, &b, &c, &d});
  write(b, id, "good");
  test::sync_all({&a, &b, &c, &d});
  // B's node is stolen, and C has not heard of it: what the thief writes reaches C.
  write(b, id, "by the thief");
  test::sync_once(b, c);
  ASSERT_EQ(c.texts(id).size(), 2u);
  write(c, id, "of Charlie");
  const std::vector<Bytes> news{encode_entry(b.revoke(b.node()).view())};
  for (Party* party : {&a, &d}) {
    (void)party->replica().identify(crypto::TransportPublic{}, news);
    party->store.sync();
  }
  tick(a);
  test::sync_once(a, d);
  ASSERT_EQ(info(d, id).epoch, info(a, id).epoch);
  EXPECT_EQ(error_of(read_bundle(d, bundle(b, clock, {id}))), "unknown_peer");
  const BundleSummary summary = read_bundle(d, bundle(c, clock, {id}));
  EXPECT_TRUE(summary.complete);
  EXPECT_EQ(summary.refused.at("past_pin"), 1u);
  EXPECT_EQ(summary.refused.size(), 1u);
  EXPECT_EQ(d.text_set(id), (std::multiset<std::string>{"good", "of Charlie"}));
}

TEST_F(Bundle, rule_12_another_history_in_a_file_is_kept_as_proof_and_stops_the_log) {
  const ChannelId id = test::make_channel(a, {&b, &c});
  const Epoch epoch = info(a, id).epoch;
  for (const bool longer : {false, true}) {
    test::ForgedFeed feed(a, id, longer ? 77 : 99);
    const Entry one = feed.next(epoch, "one", feed.signed_certificate()), two = feed.next(epoch, "two");
    test::ForgedFeed other(a, id, longer ? 77 : 99);  // the same key
    other.head = {1};
    other.head_hash = hash_entry(one.view().header, one.view().signature);
    const Entry second = other.next(epoch, "another two"), third = other.next(epoch, "three");
    const auto copy = [](const Entry& e) { return Entry(e.view().header, e.view().signature, e.view().body); };
    const auto pair = [&](const Entry& last) {
      std::vector<Entry> out;
      out.push_back(copy(one));
      out.push_back(copy(last));
      return out;
    };
    must(test::give(b, id, pair(two)));
    auto branch = pair(second);
    if (longer) branch.push_back(copy(third));
    must(test::give(c, id, branch));
    const std::uint64_t proofs = b.replica().status().fork_proofs;
    const BundleSummary summary = read_bundle(b, bundle(c, clock, {id}));
    EXPECT_TRUE(summary.complete);
    EXPECT_GE(summary.refused.at("fork"), 1u);
    EXPECT_EQ(b.replica().status().fork_proofs, proofs + 1);
    EXPECT_EQ(b.replica().accepted_head(feed.log()), Number{2});
  }
}

TEST_F(Bundle, rule_12_a_file_brings_the_proof_of_a_fork_and_what_lies_below_it) {
  const ChannelId id = test::make_channel(a, {&b, &c});
  const Epoch epoch = info(a, id).epoch;
  test::ForgedFeed feed(a, id), other(a, id);  // the same key
  std::vector<Entry> first;
  first.push_back(feed.next(epoch, "one", feed.signed_certificate()));
  first.push_back(feed.next(epoch, "two"));
  other.head = feed.head;
  other.head_hash = feed.head_hash;
  first.push_back(feed.next(epoch, "three"));
  must(test::give(b, id, first));
  must(b.replica().fork_candidate(id, other.next(epoch, "another three").view()));
  b.store.sync();
  const BundleSummary summary = read_bundle(c, bundle(b, clock, {id}));
  EXPECT_TRUE(summary.complete);
  EXPECT_TRUE(summary.refused.empty());
  EXPECT_EQ(c.text_set(id), (std::multiset<std::string>{"one", "two"}));
  ASSERT_EQ(c.replica().forks().size(), 1u);
  EXPECT_EQ(c.replica().forks()[0].number, Number{3});
  EXPECT_TRUE(c.replica().forks()[0].parted);
  EXPECT_EQ(b.replica().frontier(id).digest(), c.replica().frontier(id).digest());
}

TEST_F(Bundle, a_look_changes_nothing_and_tells_what_would_come) {
  const ChannelId id = test::make_channel(a, {&b});
  write_many(a, id, 30);
  const Bytes file = bundle(a, clock, {id});
  const std::size_t before = b.store.entry_count();
  const BundleSummary seen = read_bundle(b, file, 5000, BundleReader::Use::kLook);
  EXPECT_TRUE(seen.complete);
  EXPECT_EQ(seen.entries, 30u);
  EXPECT_EQ(b.store.entry_count(), before);
  ASSERT_EQ(seen.openings.size(), 1u);
  EXPECT_EQ(seen.openings[0].org, a.org());
  EXPECT_EQ(seen.openings[0].made, clock.now());
  const auto feed =
      std::find_if(seen.logs.begin(), seen.logs.end(), [](const auto& l) { return l.type == LogType::kFeed; });
  ASSERT_NE(feed, seen.logs.end());
  EXPECT_EQ(feed->first, Number{1});
  EXPECT_EQ(feed->last, Number{30});
  EXPECT_EQ(error_of(read_bundle(b, ByteView(file).first(file.size() - 1), 5000, BundleReader::Use::kLook)),
            "bundle_cut");
  EXPECT_EQ(read_bundle(b, file).entries, seen.entries);
}

TEST_F(Bundle, a_full_disk_ends_it_and_the_same_file_goes_on_later) {
  const ChannelId id = test::make_channel(a, {&b});
  write_many(a, id, 30);
  const Bytes file = bundle(a, clock, {id});
  b.store.set_disk_full(true);
  const BundleSummary summary = read_bundle(b, file);
  EXPECT_FALSE(summary.complete);
  EXPECT_EQ(error_of(summary), "disk_full");
  EXPECT_EQ(summary.entries, 0u);
  b.store.set_disk_full(false);
  EXPECT_EQ(read_bundle(b, file).entries, 30u);
}

}  // namespace
}  // namespace tocsin::protocol
