// What gets into the index, and what does not.
#include <gtest/gtest.h>

#include "node/reports/vocab.h"
#include "protocol/codes.h"
#include "tests/node/index/world.h"

namespace tocsin::index::test {
namespace {

using namespace protocol;

ReportQuery everything() {
  ReportQuery out;
  out.with_acts = true;
  out.limit = kPageMax;
  return out;
}

TEST(Feed, shows_a_report_with_all_that_a_list_needs) {
  World world;
  const auto channel = world.channel(1);
  Report report = world.blank(1);
  report.title = "Village burnt";
  report.text = "Forty houses";
  report.observed_from = Time{1'000};
  report.observed_to = Time{2'000};
  report.tlp = Tlp::kAmber;
  report.severity = Severity::kSevere;
  report.urgency = Urgency::kExpected;
  report.certainty = Certainty::kLikely;
  report.likelihood = Likelihood::kVeryLikely;
  report.confidence = Confidence::kModerate;
  Place place;
  place.iso3 = "MMR";
  place.name = "Maungdaw";
  place.point = Point{20.8167, 92.3667};
  report.places.push_back(place);
  const ReportId id = world.add(channel, report);
  auto index = world.make_index();
  const FeedOutcome fed = must(index->feed(*world.chunk(1, 1)));
  EXPECT_EQ(fed.reports, 1u);
  EXPECT_EQ(fed.cursor, Arrival{1});

  const ReportPage page = must(index->list({}));
  ASSERT_EQ(page.rows.size(), 1u);
  const ReportRow& row = page.rows.front();
  EXPECT_EQ(row.id, id);
  EXPECT_EQ(row.kind, ReportKind::kIncident);
  EXPECT_EQ(row.status, ReportStatus::kActual);
  EXPECT_EQ(row.author, org(1));
  EXPECT_EQ(row.created, report.created);
  EXPECT_EQ(row.observed_from, report.observed_from);
  EXPECT_EQ(row.observed_to, report.observed_to);
  EXPECT_EQ(row.iso3, "MMR");
  EXPECT_EQ(row.place, "Maungdaw");
  EXPECT_EQ(row.point, (Point{20.8167, 92.3667}));
  EXPECT_EQ(row.tlp, Tlp::kAmber);
  EXPECT_EQ(row.severity, Severity::kSevere);
  EXPECT_EQ(row.urgency, Urgency::kExpected);
  EXPECT_EQ(row.certainty, Certainty::kLikely);
  EXPECT_EQ(row.likelihood, Likelihood::kVeryLikely);
  EXPECT_EQ(row.confidence, Confidence::kModerate);
  EXPECT_EQ(row.title, "Village burnt");
  EXPECT_EQ(row.location.channel, channel);
  EXPECT_EQ(row.location.number, Number{1});
  EXPECT_EQ(row.location.arrival, Arrival{1});
  EXPECT_EQ(row.content, row.location);
  EXPECT_EQ(row.standing, Standing{});
  EXPECT_TRUE(page.next.empty());
}

TEST(Feed, keeps_one_row_for_a_report_that_is_in_several_channels) {
  World world;
  const auto first = world.channel(1), second = world.channel(2);
  const Report report = world.blank(1);
  const ReportId id = world.add(first, report);
  world.add(second, report);
  auto index = world.make_index();
  world.feed_all(*index);
  EXPECT_EQ(must(index->list({})).rows.size(), 1u);
  const auto copies = must(index->copies(id));
  ASSERT_EQ(copies.size(), 2u);
  EXPECT_EQ(copies[0].channel, first);
  EXPECT_EQ(copies[1].channel, second);
  for (const auto& channel : {first, second}) {
    ReportQuery query;
    query.channel = channel;
    EXPECT_EQ(must(index->count(query)), 1u);
  }
  EXPECT_EQ(must(index->find(id)).copies, copies);
}

TEST(Feed, refuses_a_chunk_that_does_not_begin_at_the_cursor) {
  World world;
  const auto channel = world.channel(1);
  for (int i = 0; i < 4; ++i) world.add(channel, world.blank(1));
  auto index = world.make_index();
  EXPECT_EQ(code_of(index->feed(*world.chunk(2, 3))), "feed_gap");
  must(index->feed(*world.chunk(1, 3)));
  EXPECT_EQ(code_of(index->feed(*world.chunk(1, 3))), "feed_gap");
  must(index->feed(*world.chunk(4, 4)));
  EXPECT_EQ(must(index->stats()).reports, 4u);
}

TEST(Feed, rule_11_nothing_that_does_not_open_is_shown) {
  World world;
  const auto channel = world.channel(1);
  world.add(channel, world.blank(1));
  const Bytes good = must(encode_report(world.blank(1)));
  world.add_with_wrong_key(1, channel, good);
  Bytes damaged = good;
  damaged[20] ^= 1;
  damaged.resize(damaged.size() - 8);
  world.add_raw(1, channel, FeedKind::kReport, damaged);
  world.add_raw(1, channel, FeedKind::kReport, {});
  auto index = world.make_index();
  const FeedOutcome fed = must(index->feed(*world.chunk(1, 4)));
  EXPECT_EQ(fed.reports, 1u);
  EXPECT_EQ(fed.refused, 3u);
  EXPECT_EQ(must(index->count(everything())), 1u);
  const auto refused = must(index->stats()).refused;
  EXPECT_EQ(refused.at("commitment_mismatch"), 1u);
  std::uint64_t all = 0;
  for (const auto& [code, count] : refused) all += count;
  EXPECT_EQ(all, 3u);
}

TEST(Feed, rule_11_nobody_speaks_in_the_name_of_another) {
  World world;
  const auto channel = world.channel(1);
  // Organisation 2 writes what claims to be 1's, before and after 1 has written it itself.
  const Report report = world.blank(1);
  world.add_as(2, channel, report);
  const ReportId id = world.add(channel, report);
  world.add_as(2, channel, report);
  auto index = world.make_index();
  world.feed_all(*index);
  EXPECT_EQ(must(index->stats()).refused.at("author_mismatch"), 2u);
  const ReportFound found = must(index->find(id));
  EXPECT_EQ(found.row.author, org(1));
  EXPECT_EQ(found.copies.size(), 1u);
}

TEST(Feed, rule_14_a_claimed_time_is_shown_and_orders_nothing) {
  World world;
  const auto channel = world.channel(1);
  std::vector<ReportId> written;
  for (const std::int64_t ms : {kTimeMsMax, std::int64_t{0}, kTimeMsMin}) {
    Report report = world.blank(1);
    report.created = Time{ms};
    written.push_back(world.add(channel, report));
  }
  auto index = world.make_index();
  world.feed_all(*index);
  const ReportPage page = must(index->list({}));
  EXPECT_EQ(ids(page), (std::vector<ReportId>{written[2], written[1], written[0]}));
  EXPECT_EQ(page.rows[0].created, Time{kTimeMsMin});
  EXPECT_EQ(page.rows[2].created, Time{kTimeMsMax});
}

TEST(Feed, rule_16_an_unknown_entry_kind_is_shown_as_unknown) {
  World world;
  const auto channel = world.channel(7);
  world.add_raw(3, channel, static_cast<FeedKind>(900), as_bytes("from the future"));
  world.add_raw(3, channel, static_cast<FeedKind>(901), {});
  auto index = world.make_index();
  world.feed_all(*index);
  EXPECT_EQ(must(index->count(everything())), 0u);
  UnknownPage page = must(index->unknown(1));
  ASSERT_EQ(page.entries.size(), 1u);
  EXPECT_EQ(page.entries[0].entry_kind, 900);
  EXPECT_EQ(page.entries[0].location.channel, channel);
  EXPECT_EQ(page.entries[0].location.number, Number{1});
  EXPECT_EQ(page.entries[0].org, org(3));
  ASSERT_NE(page.next, 0u);
  page = must(index->unknown(10, page.next));
  ASSERT_EQ(page.entries.size(), 1u);
  EXPECT_EQ(page.entries[0].entry_kind, 901);
  EXPECT_EQ(page.next, 0u);
}

TEST(Feed, rule_16_a_report_of_an_unknown_kind_is_listed) {
  World world;
  const auto channel = world.channel(1);
  Report report = world.blank(1, static_cast<ReportKind>(300));
  report.title = "something new";
  report.severity = static_cast<Severity>(77);
  world.add(channel, report);
  auto index = world.make_index();
  world.feed_all(*index);
  const ReportPage page = must(index->list({}));
  ASSERT_EQ(page.rows.size(), 1u);
  EXPECT_EQ(page.rows[0].kind, static_cast<ReportKind>(300));
  EXPECT_EQ(reports::key_of(page.rows[0].kind), "unknown");
  ReportQuery query;
  query.severity_min = Severity::kMinor;  // an unknown number ranks as Unknown, which is above Minor
  EXPECT_EQ(must(index->count(query)), 1u);
  query.severity_min = Severity::kModerate;
  EXPECT_EQ(must(index->count(query)), 0u);
}

TEST(Feed, passes_over_what_is_no_report) {
  World world;
  const auto channel = world.channel(1);
  world.add_control(channel);
  world.add_raw(1, channel, FeedKind::kCheckpoint, as_bytes("x"));
  world.add_raw(1, channel, FeedKind::kAttachmentPart, as_bytes("x"));
  auto index = world.make_index();
  const FeedOutcome fed = must(index->feed(*world.chunk(1, 3)));
  EXPECT_EQ(fed.other, 3u);
  ASSERT_EQ(fed.checkpoints.size(), 1u) << "for whoever compares it with the heads held (rule 13)";
  EXPECT_EQ(fed.checkpoints[0].second, Number{1});
  EXPECT_EQ(must(index->stats()).refused.size(), 0u);
}

TEST(Feed, counts_bodies_that_are_gone) {
  World world;
  const auto channel = world.channel(1);
  world.add(channel, world.blank(1));
  auto index = world.make_index();
  must(index->feed(*world.chunk(1, 1, false)));
  EXPECT_EQ(must(index->stats()).refused.at("erased"), 1u);
}

TEST(Feed, tells_of_new_alerts) {
  World world;
  const auto channel = world.channel(1);
  world.add(channel, world.blank(1));
  const Report alert = world.blank(2, ReportKind::kAlert);
  const ReportId id = world.add(channel, alert);
  world.add(world.channel(2), alert);
  auto index = world.make_index();
  EXPECT_EQ(must(index->feed(*world.chunk(1, 2))).alerts, std::vector<ReportId>{id});
  EXPECT_TRUE(must(index->feed(*world.chunk(3, 3))).alerts.empty());
}

TEST(Unopened, entries_wait_for_their_key) {
  World world;
  const auto open = world.channel(1), sealed = world.channel(2, false);
  world.add(open, world.blank(1));
  std::vector<ReportId> later;
  for (int i = 0; i < 5; ++i) later.push_back(world.add(sealed, world.blank(1)));
  world.add(open, world.blank(1));
  later.push_back(world.add(sealed, world.blank(2)));
  auto index = world.make_index();
  world.feed_all(*index, 3);
  EXPECT_EQ(must(index->stats()).unopened, 6u);
  EXPECT_EQ(must(index->stats()).reports, 2u);
  EXPECT_TRUE(must(index->wanted()).empty());

  world.learn(sealed);
  const auto wanted = must(index->wanted());
  EXPECT_EQ(wanted, (std::vector<ArrivalRange>{{Arrival{2}, Arrival{6}}, {Arrival{8}, Arrival{8}}}));
  // More is read again than was asked for; it does no harm.
  const FeedOutcome out = must(index->revisit(*world.chunk(1, 8)));
  EXPECT_EQ(out.reports, 6u);
  EXPECT_EQ(out.cursor, Arrival{8});
  EXPECT_TRUE(must(index->wanted()).empty());
  EXPECT_EQ(must(index->stats()).unopened, 0u);
  EXPECT_EQ(must(index->count({})), 8u);
  // They stand where they arrived.
  const ReportPage page = must(index->list({}));
  EXPECT_EQ(page.rows[0].id, later[5]);
  EXPECT_EQ(page.rows[2].id, later[4]);
}

TEST(Unopened, entries_wait_for_the_owner_of_their_feed) {
  World world;
  const auto channel = world.channel(1);
  world.hide_owners();
  for (int i = 0; i < 3; ++i) world.add(channel, world.blank(1));
  auto index = world.make_index();
  world.feed_all(*index);
  EXPECT_EQ(must(index->stats()).unopened, 3u);
  EXPECT_TRUE(must(index->wanted()).empty());
  world.learn_owners();
  EXPECT_EQ(must(index->wanted()), (std::vector<ArrivalRange>{{Arrival{1}, Arrival{3}}}));
  // In parts, the middle first.
  must(index->revisit(*world.chunk(2, 2)));
  EXPECT_EQ(must(index->wanted()), (std::vector<ArrivalRange>{{Arrival{1}, Arrival{1}}, {Arrival{3}, Arrival{3}}}));
  must(index->revisit(*world.chunk(1, 3)));
  EXPECT_EQ(must(index->stats()).reports, 3u);
}

TEST(Unopened, a_relay_keeps_one_range_for_many_entries) {
  World world;
  const auto channel = world.channel(1, false);
  const Bytes bytes = must(encode_report(world.blank(1)));
  for (int i = 0; i < 2000; ++i) world.add_raw(1, channel, FeedKind::kReport, bytes);
  auto index = world.make_index();
  world.feed_all(*index, 100);
  EXPECT_EQ(must(index->stats()).unopened, 2000u);
  world.learn(channel);
  EXPECT_EQ(must(index->wanted()).size(), 1u);
  EXPECT_EQ(must(index->wanted(1)).size(), 1u);
}

TEST(Forget, takes_a_report_out_with_its_words) {
  World world;
  const auto channel = world.channel(1);
  Report report = world.blank(1);
  report.title = "Zanzibarite";
  const ReportId id = world.add(channel, report);
  world.add(channel, world.blank(1));
  auto index = world.make_index();
  world.feed_all(*index);
  must(index->forget(*world.chunk_of({1})));
  EXPECT_EQ(code_of(index->find(id)), "unknown_report");
  EXPECT_EQ(must(index->stats()).reports, 1u);
  EXPECT_EQ(must(index->stats()).stale_words, 0u);
  ReportQuery query;
  query.text = "zanzibarite";
  EXPECT_EQ(must(index->count(query)), 0u);
  EXPECT_EQ(must(index->count({})), 1u);
  // Again: nothing happens.
  must(index->forget(*world.chunk_of({1})));
  EXPECT_EQ(must(index->stats()).reports, 1u);
}

TEST(Forget, without_the_body_the_words_stay_and_find_nothing) {
  World world;
  const auto channel = world.channel(1);
  Report report = world.blank(1);
  report.title = "Zanzibarite";
  world.add(channel, report);
  auto index = world.make_index();
  world.feed_all(*index);
  must(index->forget(*world.chunk_of({1}, false)));
  EXPECT_EQ(must(index->stats()).stale_words, 1u);
  ReportQuery query;
  query.text = "zanzibarite";
  EXPECT_EQ(must(index->count(query)), 0u);
}

TEST(Forget, another_copy_takes_the_place_of_the_first) {
  World world;
  const auto first = world.channel(1), second = world.channel(2), third = world.channel(3);
  const Report report = world.blank(1);
  const ReportId id = world.add(first, report);
  world.add(second, report);
  world.add(third, report);
  auto index = world.make_index();
  world.feed_all(*index);
  must(index->forget(*world.chunk_of({1})));
  ReportFound found = must(index->find(id));
  EXPECT_EQ(found.row.location.channel, second);
  EXPECT_EQ(found.row.location.arrival, Arrival{2});
  EXPECT_EQ(found.copies.size(), 2u);
  ReportQuery query;
  query.channel = first;
  EXPECT_EQ(must(index->count(query)), 0u);
  must(index->forget(*world.chunk_of({2})));
  found = must(index->find(id));
  EXPECT_EQ(found.row.location.channel, third);
  EXPECT_EQ(found.copies.size(), 1u);
  must(index->forget(*world.chunk_of({3})));
  EXPECT_EQ(code_of(index->find(id)), "unknown_report");
}

TEST(Forget, a_forgotten_correction_shows_the_original_again) {
  World world;
  const auto channel = world.channel(1);
  Report report = world.blank(1);
  report.title = "first";
  const ReportId id = world.add(channel, report);
  Report better = report;
  better.title = "second";
  better.salt.data()[15] = 9;
  world.add(channel, world.correction(1, id, better));
  auto index = world.make_index();
  world.feed_all(*index);
  EXPECT_EQ(must(index->find(id)).row.title, "second");
  must(index->forget(*world.chunk_of({2})));
  const ReportFound found = must(index->find(id));
  EXPECT_EQ(found.row.title, "first");
  EXPECT_FALSE(found.row.standing.corrected);
  EXPECT_EQ(must(index->stats()).acts, 0u);
}

TEST(Clear, an_index_built_again_is_the_same) {
  World world;
  const auto channel = world.channel(1), other = world.channel(2);
  std::vector<ReportId> written;
  for (std::uint32_t i = 0; i < 40; ++i) written.push_back(world.add(channel, world.blank(i % 3)));
  for (std::uint32_t i = 0; i < 10; ++i) world.add(channel, world.withdrawal(i % 3, written[i]));
  for (std::uint32_t i = 10; i < 20; ++i) world.add(other, world.dispute(7, written[i]));
  auto index = world.make_index();
  world.feed_all(*index, 7);
  must(index->mark_done(written[3], true));
  const auto before = must(index->list(everything())).rows;
  must(index->clear());
  EXPECT_EQ(must(index->count(everything())), 0u);
  EXPECT_EQ(must(index->stats()).cursor, Arrival{0});
  world.feed_all(*index, 64);
  EXPECT_EQ(must(index->list(everything())).rows, before);
  EXPECT_TRUE(must(index->find(written[3])).row.done);
}

TEST(Bounds, a_full_index_takes_nothing_more_and_goes_on_answering) {
  World world;
  const auto channel = world.channel(1);
  Report report = world.blank(1);
  report.text = std::string(8'000, 'x');
  for (int i = 0; i < 400; ++i) {
    Report one = world.blank(1);
    for (int k = 0; k < 300; ++k) one.text += "w" + std::to_string(i * 1000 + k) + " ";
    world.add(channel, one);
  }
  IndexOptions options;
  options.bytes_max = 300'000;
  auto index = world.make_index(options);
  std::string code = "ok";
  std::uint64_t at = 0;
  while (code == "ok" && at < 400) {
    code = code_of(index->feed(*world.chunk(at + 1, at + 20)));
    if (code == "ok") at += 20;
  }
  EXPECT_EQ(code, "index_full");
  EXPECT_EQ(must(index->stats()).cursor, Arrival{at});
  EXPECT_EQ(must(index->count({})), at);
  EXPECT_LE(must(index->stats()).bytes, 300'000u);
  ReportQuery query;
  query.text = "w1001 ";
  EXPECT_EQ(must(index->count(query)), at > 0 ? 1u : 0u);
}

}  // namespace
}  // namespace tocsin::index::test
