// What others' statements and the author's own second thoughts make of a report.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>
#include <random>

#include "tests/node/index/world.h"

namespace tocsin::index::test {
namespace {

using namespace protocol;

Report titled(World& world, std::uint32_t author, const std::string& title) {
  Report out = world.blank(author);
  out.title = title;
  return out;
}

TEST(Standing, only_the_author_withdraws) {
  World world;
  const auto channel = world.channel(1);
  const ReportId id = world.add(channel, world.blank(1));
  world.add(channel, world.withdrawal(2, id));
  auto index = world.make_index();
  world.feed_all(*index);
  EXPECT_FALSE(must(index->find(id)).row.standing.withdrawn);
  world.add(channel, world.withdrawal(1, id, "wrong village"));
  world.feed_all(*index);
  const ReportRow row = must(index->find(id)).row;
  EXPECT_TRUE(row.standing.withdrawn);
  EXPECT_EQ(row.standing.withdrawal_reason, "wrong village");
  const ReportHistory history = must(index->history(id));
  ASSERT_EQ(history.acts.size(), 2u);
  EXPECT_FALSE(history.acts[0].counts);
  EXPECT_EQ(history.acts[0].author, org(2));
  EXPECT_TRUE(history.acts[1].counts);
  EXPECT_EQ(history.acts[1].reason, "wrong village");
  EXPECT_FALSE(history.cut);
}

TEST(Standing, a_correction_shows_its_content_in_the_place_of_the_report) {
  World world;
  const auto channel = world.channel(1);
  Report report = titled(world, 1, "as first reported");
  report.severity = Severity::kMinor;
  Place place;
  place.iso3 = "MMR";
  report.places.push_back(place);
  const ReportId id = world.add(channel, report);
  world.add(channel, titled(world, 1, "a later one"));
  Report better = titled(world, 1, "as now known");
  better.severity = Severity::kExtreme;
  place.iso3 = "BGD";
  better.places = {place, place};
  better.places[1].iso3 = "IND";
  const ReportId correction = world.add(channel, world.correction(1, id, better));
  auto index = world.make_index();
  world.feed_all(*index);

  const ReportPage page = must(index->list({}));
  EXPECT_EQ(titles(page), (std::vector<std::string>{"a later one", "as now known"}));  // it keeps its place
  const ReportRow& row = page.rows[1];
  EXPECT_EQ(row.id, id);
  EXPECT_EQ(row.severity, Severity::kExtreme);
  EXPECT_EQ(row.created, report.created);
  EXPECT_TRUE(row.standing.corrected);
  EXPECT_EQ(row.location.arrival, Arrival{1});
  EXPECT_EQ(row.content.arrival, Arrival{3});
  const auto count = [&](const char* country) {
    ReportQuery query;
    query.countries = {country};
    return must(index->count(query));
  };
  EXPECT_EQ(count("MMR"), 0u);
  EXPECT_EQ(count("BGD"), 1u);
  EXPECT_EQ(count("IND"), 1u);
  // The correction itself, for those who ask for corrections.
  ReportQuery query;
  query.kinds = {ReportKind::kCorrect};
  const ReportPage acts = must(index->list(query));
  ASSERT_EQ(acts.rows.size(), 1u);
  EXPECT_EQ(acts.rows[0].id, correction);
  EXPECT_EQ(acts.rows[0].target, id);

  world.add(channel, world.withdrawal(1, correction));
  world.feed_all(*index);
  EXPECT_EQ(must(index->find(id)).row.title, "as first reported");
  EXPECT_EQ(must(index->find(id)).row.severity, Severity::kMinor);
  EXPECT_EQ(count("MMR"), 1u);
  EXPECT_EQ(count("BGD"), 0u);
  EXPECT_EQ(count("IND"), 0u);
}

TEST(Standing, a_chain_of_corrections_shows_the_last_and_branches_show_as_conflict) {
  World world;
  const auto channel = world.channel(1);
  const ReportId id = world.add(channel, titled(world, 1, "zero"));
  const ReportId first = world.add(channel, world.correction(1, id, titled(world, 1, "one")));
  world.add(channel, world.correction(1, id, titled(world, 1, "two"), first));
  auto index = world.make_index();
  world.feed_all(*index);
  EXPECT_EQ(must(index->find(id)).row.title, "two");
  EXPECT_FALSE(must(index->find(id)).row.standing.conflict);
  world.add(channel, world.correction(1, id, titled(world, 1, "two, elsewhere"), first));
  world.feed_all(*index);
  const ReportRow row = must(index->find(id)).row;
  EXPECT_TRUE(row.standing.conflict);
  EXPECT_EQ(row.title, "two, elsewhere");  // the later claimed time comes first
  ReportQuery query;
  query.state = StateFilter::kConflict;
  EXPECT_EQ(must(index->count(query)), 1u);
}

TEST(Standing, a_correction_of_another_kind_does_not_jump_the_inbox) {
  World world;
  const auto channel = world.channel(1);
  Report report = world.blank(2);
  report.severity = Severity::kMinor;
  const ReportId quiet = world.add(channel, report);
  const ReportId alert = world.add(channel, world.blank(2, ReportKind::kAlert));
  Report loud = world.blank(2, ReportKind::kAlert);
  loud.severity = Severity::kExtreme;
  world.add(channel, world.correction(2, quiet, loud));
  auto index = world.make_index();
  world.feed_all(*index);
  InboxQuery inbox;
  inbox.own = org(1);
  inbox.now = Time{1'700'000'000'000};
  EXPECT_EQ(ids(must(index->inbox(inbox))), (std::vector<ReportId>{alert, quiet}));
}

TEST(Standing, a_statement_cannot_be_corrected) {
  World world;
  const auto channel = world.channel(1);
  const ReportId id = world.add(channel, titled(world, 1, "zero"));
  const ReportId first = world.add(channel, world.correction(1, id, titled(world, 1, "one")));
  world.add(channel, world.correction(1, first, titled(world, 1, "two")));
  auto index = world.make_index();
  world.feed_all(*index);
  EXPECT_EQ(must(index->find(id)).row.title, "one");
  EXPECT_EQ(must(index->find(first)).row.title, "one");
  EXPECT_FALSE(must(index->find(first)).row.standing.corrected);
}

TEST(Standing, statements_count_once_for_each_organisation_and_not_for_the_author) {
  World world;
  const auto channel = world.channel(1);
  const ReportId id = world.add(channel, world.blank(1));
  world.add(channel, world.dispute(1, id));
  world.add(channel, world.dispute(2, id));
  world.add(channel, world.dispute(2, id));
  const ReportId third = world.add(channel, world.dispute(3, id));
  world.add(channel, world.corroboration(4, id));
  world.add(channel, world.acknowledgement(2, id));
  world.add(channel, world.acknowledgement(5, id));
  auto index = world.make_index();
  world.feed_all(*index);
  Standing standing = must(index->find(id)).row.standing;
  EXPECT_EQ(standing.disputed, 2u);
  EXPECT_EQ(standing.corroborated, 1u);
  EXPECT_EQ(standing.acknowledged, 2u);
  world.add(channel, world.withdrawal(3, third));
  world.feed_all(*index);
  EXPECT_EQ(must(index->find(id)).row.standing.disputed, 1u);
  for (const auto& [state, count] : std::vector<std::pair<StateFilter, std::uint64_t>>{{StateFilter::kDisputed, 1},
                                                                                       {StateFilter::kCorroborated, 1},
                                                                                       {StateFilter::kWithdrawn, 0},
                                                                                       {StateFilter::kCurrent, 1},
                                                                                       {StateFilter::kCorrected, 0}}) {
    ReportQuery query;
    query.state = state;
    EXPECT_EQ(must(index->count(query)), count);
  }
}

TEST(Standing, a_flood_of_statements_pushes_no_withdrawal_out) {
  World world;
  const auto channel = world.channel(1);
  const ReportId id = world.add(channel, world.blank(1));
  world.add(channel, world.withdrawal(1, id));
  world.add(channel, world.dispute(3, id));
  for (int i = 0; i < 300; ++i) world.add(channel, world.dispute(2, id));
  for (int i = 0; i < 300; ++i) world.add(channel, world.withdrawal(2, id));
  auto index = world.make_index();
  world.feed_all(*index);
  const Standing standing = must(index->find(id)).row.standing;
  EXPECT_TRUE(standing.withdrawn);
  EXPECT_EQ(standing.disputed, 2u);
  const ReportHistory history = must(index->history(id));
  EXPECT_TRUE(history.cut);
  EXPECT_EQ(history.acts.size(), 2u + 2 * kStatementsOfOneMax);
}

// Whatever the order of arrival, the same set ends in the same state: order is only that of the list.
RC_GTEST_PROP(StandingProperty, the_order_of_arrival_does_not_change_the_state, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  World plan(seed);
  std::vector<Report> reports;
  std::vector<ReportId> known;
  const int subjects = *rc::gen::inRange(1, 4);
  const auto remember = [&](Report report) {
    known.push_back(report_id(must(encode_report(report))));
    reports.push_back(std::move(report));
  };
  for (int i = 0; i < subjects; ++i) {
    remember(titled(plan, static_cast<std::uint32_t>(i % 2), "subject " + std::to_string(i)));
  }
  const int acts = *rc::gen::inRange(0, 12);
  for (int i = 0; i < acts; ++i) {
    const ReportId target = *rc::gen::elementOf(known);
    const auto author = static_cast<std::uint32_t>(*rc::gen::inRange(0, 3));
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
        remember(
            plan.correction(author, target, titled(plan, author, "corrected " + std::to_string(i)),
                            *rc::gen::arbitrary<bool>() ? std::optional(*rc::gen::elementOf(known)) : std::nullopt));
        break;
      case 1:
        remember(plan.withdrawal(author, target, "reason " + std::to_string(i)));
        break;
      case 2:
        remember(plan.dispute(author, target));
        break;
      case 3:
        remember(plan.corroboration(author, target));
        break;
      default:
        remember(plan.acknowledgement(author, target));
        break;
    }
  }
  const auto states = [&](const std::vector<std::size_t>& order, std::size_t chunk) {
    World world(1);
    const auto channel = world.channel(1);
    for (const std::size_t at : order) world.add(channel, reports[at]);
    auto index = world.make_index();
    world.feed_all(*index, chunk);
    std::map<ReportId, std::pair<std::string, Standing>> out;
    for (const ReportId& id : known) {
      const ReportRow row = must(index->find(id)).row;
      out[id] = {row.title, row.standing};
    }
    return out;
  };
  std::vector<std::size_t> order(reports.size());
  std::iota(order.begin(), order.end(), 0);
  const auto straight = states(order, 64);
  std::mt19937_64 shuffle(seed);
  std::shuffle(order.begin(), order.end(), shuffle);
  RC_ASSERT((states(order, 1) == straight));
  RC_ASSERT((states(order, 3) == straight));
}

}  // namespace
}  // namespace tocsin::index::test
