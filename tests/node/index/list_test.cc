// Filters, order and pages against a plain model.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "node/index/near.h"
#include "node/reports/vocab.h"
#include "tests/node/index/world.h"

namespace tocsin::index::test {
namespace {

using namespace protocol;

struct Known {
  ReportId id;
  Report report;
  std::uint64_t arrival = 0;
  std::vector<ChannelId> channels;
};

rc::Gen<std::optional<Time>> some_time() {
  return rc::gen::map(rc::gen::inRange(0, 20),
                      [](int n) { return n < 6 ? std::nullopt : std::optional(Time{n * 1000}); });
}

rc::Gen<Place> some_place() {
  return rc::gen::exec([] {
    Place out;
    out.iso3 = *rc::gen::element<std::string>("", "MMR", "BGD", "IND");
    if (*rc::gen::arbitrary<bool>()) {
      out.point = Point{*rc::gen::element(0.0, 20.5, 21.0, 89.9, -89.9), *rc::gen::element(92.0, 92.5, 179.9, -179.9)};
    }
    return out;
  });
}

Report some_report(World& world) {
  const auto kind = *rc::gen::element(ReportKind::kIncident, ReportKind::kSituation, ReportKind::kAlert,
                                      static_cast<ReportKind>(200));
  Report out = world.blank(static_cast<std::uint32_t>(*rc::gen::inRange(0, 3)), kind);
  out.title = *rc::gen::element<std::string>("fire", "fire and flood", "flood", "");
  out.status = *rc::gen::element(ReportStatus::kActual, ReportStatus::kExercise);
  out.tlp = *rc::gen::element(Tlp::kRed, Tlp::kGreen, Tlp::kClear);
  out.severity = static_cast<Severity>(*rc::gen::inRange(0, 6));
  out.urgency = static_cast<Urgency>(*rc::gen::inRange(0, 5));
  out.created = Time{*rc::gen::inRange<std::int64_t>(0, 20) * 1000};
  out.observed_from = *some_time();
  out.observed_to = *some_time();
  if (out.observed_from && out.observed_to && *out.observed_to < *out.observed_from) {
    std::swap(out.observed_from, out.observed_to);
  }
  out.places = *rc::gen::resize(3, rc::gen::container<std::vector<Place>>(some_place()));
  return out;
}

ReportQuery some_query() {
  ReportQuery out;
  const auto one_in = [](int n) { return *rc::gen::inRange(0, n) == 0; };
  if (one_in(4)) {
    out.kinds = *rc::gen::nonEmpty(rc::gen::resize(
        3, rc::gen::container<std::vector<ReportKind>>(rc::gen::element(
               ReportKind::kIncident, ReportKind::kAlert, static_cast<ReportKind>(200), ReportKind::kWithdraw))));
  }
  if (one_in(6)) out.statuses = {ReportStatus::kExercise};
  if (one_in(4)) out.countries = {*rc::gen::element<std::string>("MMR", "bgd", "ZZZ"), "IND"};
  if (one_in(6)) out.tlps = {Tlp::kRed, Tlp::kClear};
  if (one_in(4)) out.severity_min = static_cast<Severity>(*rc::gen::inRange(0, 5));
  if (one_in(4)) out.since = Time{*rc::gen::inRange<std::int64_t>(0, 10) * 1000};
  if (one_in(4)) out.until = Time{*rc::gen::inRange<std::int64_t>(10, 20) * 1000};
  if (one_in(4)) out.channel = make_id<ChannelId>(0xc0, static_cast<std::uint32_t>(*rc::gen::inRange(1, 4)));
  if (one_in(4)) out.author = org(static_cast<std::uint32_t>(*rc::gen::inRange(0, 4)));
  if (one_in(4)) {
    out.near = Near{{*rc::gen::element(20.0, 20.9, 90.0, -90.0), *rc::gen::element(92.0, 180.0, -180.0)},
                    *rc::gen::element(1.0, 60.0, 300.0, 20'000.0)};
  }
  if (one_in(3)) out.text = *rc::gen::element<std::string>("fire", "flo", "flood fire");
  out.with_acts = one_in(4);
  out.order = one_in(2) ? Order::kNewestFirst : Order::kOldestFirst;
  out.limit = static_cast<std::size_t>(*rc::gen::inRange(1, 6));
  return out;
}

// The model's words: enough for the titles above.
bool has_words(const std::string& title, const std::string& text) {
  if (text == "fire") return title.find("fire") != std::string::npos;
  if (text == "flo") return title.find("flood") != std::string::npos;
  return title == "fire and flood";
}

bool near_enough(const Report& report, const Near& near) {
  for (const Place& place : report.places) {
    if (!place.point) continue;
    const Point rounded = from_grid(to_grid(*place.point));
    if (kilometres(rounded, from_grid(to_grid(near.centre))) * 1000 <= std::ceil(near.km * 1000)) return true;
  }
  return false;
}

bool in_time(const Report& report, const ReportQuery& query) {
  const Time from = report.observed_from ? *report.observed_from
                    : report.observed_to ? *report.observed_to
                                         : report.created;
  const Time to = report.observed_to ? *report.observed_to : from;
  return (!query.since || to >= *query.since) && (!query.until || from <= *query.until);
}

template <class T>
bool in(const std::vector<T>& list, const T& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

bool in_country(const Report& report, const ReportQuery& query) {
  if (query.countries.empty()) return true;
  for (const Place& place : report.places) {
    for (const std::string& country : query.countries) {
      if (!place.iso3.empty() && place.iso3 == (country == "bgd" ? "BGD" : country)) return true;
    }
  }
  return false;
}

bool passes(const Known& known, const ReportQuery& query) {
  const Report& r = known.report;
  if (!in(query.kinds, r.kind) || !in(query.statuses, r.status) || !in(query.tlps, r.tlp)) return false;
  if (!in_country(r, query) || !in_time(r, query)) return false;
  if (query.severity_min && reports::rank_of(r.severity) < reports::rank_of(*query.severity_min)) return false;
  if (query.author && *query.author != r.author) return false;
  if (query.channel &&
      std::find(known.channels.begin(), known.channels.end(), *query.channel) == known.channels.end()) {
    return false;
  }
  if (query.near && !near_enough(r, *query.near)) return false;
  return query.text.empty() || has_words(r.title, query.text);
}

// Walks all pages; between two of them `meanwhile` may happen.
template <class F>
std::vector<ReportId> walk(Index& index, ReportQuery query, F meanwhile) {
  std::vector<ReportId> out;
  for (;;) {
    const ReportPage page = must(index.list(query));
    for (const ReportRow& row : page.rows) out.push_back(row.id);
    if (page.next.empty()) return out;
    RC_ASSERT((page.rows.size() == query.limit));
    query.after = page.next;
    meanwhile();
  }
}

RC_GTEST_PROP(List, filters_order_and_pages_agree_with_a_plain_model, ()) {
  World world;
  std::vector<ChannelId> channels{world.channel(1), world.channel(2)};
  std::vector<Known> model;
  const int count = *rc::gen::inRange(0, 25);
  for (int i = 0; i < count; ++i) {
    Known known;
    known.report = some_report(world);
    const auto channel = *rc::gen::elementOf(channels);
    known.id = world.add(channel, known.report);
    known.arrival = world.newest();
    known.channels.push_back(channel);
    if (*rc::gen::inRange(0, 4) == 0) {
      known.channels.push_back(*rc::gen::elementOf(channels));
      world.add(known.channels.back(), known.report);
    }
    model.push_back(known);
  }
  auto index = world.make_index();
  world.feed_all(*index, 10);
  for (int i = 0; i < 8; ++i) {
    const ReportQuery query = some_query();
    std::vector<ReportId> expected;
    for (const Known& known : model) {
      if (passes(known, query)) expected.push_back(known.id);
    }
    if (query.order == Order::kNewestFirst) std::reverse(expected.begin(), expected.end());
    RC_ASSERT((must(index->count(query)) == expected.size()));
    RC_ASSERT((walk(*index, query, [] {}) == expected));
  }
}

TEST(ListPages, reports_that_arrive_between_two_pages_neither_repeat_nor_hide_others) {
  for (const Order order : {Order::kNewestFirst, Order::kOldestFirst}) {
    World world;
    const auto channel = world.channel(1);
    auto index = world.make_index();
    std::vector<ReportId> expected;
    for (int i = 0; i < 23; ++i) expected.push_back(world.add(channel, world.blank(1)));
    world.feed_all(*index);
    ReportQuery query;
    query.limit = 5;
    query.order = order;
    std::vector<ReportId> late;
    const auto got = walk(*index, query, [&] {
      if (late.size() < 3) late.push_back(world.add(channel, world.blank(1)));
      world.feed_all(*index);
    });
    if (order == Order::kNewestFirst) {
      std::reverse(expected.begin(), expected.end());
    } else {
      expected.insert(expected.end(), late.begin(), late.end());  // what an export wants
    }
    EXPECT_EQ(got, expected);
  }
}

TEST(ListPages, a_cursor_goes_with_its_query_alone_and_survives_a_rebuild) {
  World world;
  const auto channel = world.channel(1);
  for (int i = 0; i < 10; ++i) world.add(channel, world.blank(1));
  auto index = world.make_index();
  world.feed_all(*index);
  ReportQuery query;
  query.limit = 4;
  const std::string cursor = must(index->list(query)).next;
  query.after = cursor;
  const auto second = ids(must(index->list(query)));
  query.limit = 2;  // another size of page is fine
  EXPECT_EQ(code_of(index->list(query)), "ok");

  ReportQuery other = query;
  other.countries = {"MMR"};
  EXPECT_EQ(code_of(index->list(other)), "bad_cursor");
  other = query;
  other.order = Order::kOldestFirst;
  EXPECT_EQ(code_of(index->list(other)), "bad_cursor");
  for (std::size_t i = 0; i < cursor.size(); ++i) {
    query.after = cursor;
    query.after[i] = query.after[i] == '0' ? '1' : '0';
    EXPECT_EQ(code_of(index->list(query)), "bad_cursor") << i;
  }
  for (const std::string& bad : {std::string("x"), std::string(42, 'z'), cursor + "00", cursor.substr(2)}) {
    query.after = bad;
    EXPECT_EQ(code_of(index->list(query)), "bad_cursor") << bad;
  }
  must(index->clear());
  world.feed_all(*index, 3);
  query.after = cursor;
  query.limit = 4;
  EXPECT_EQ(ids(must(index->list(query))), second);
}

TEST(ListFilters, values_that_cannot_be_are_refused) {
  World world;
  auto index = world.make_index();
  const auto code = [&](auto change) {
    ReportQuery query;
    change(query);
    return code_of(index->list(query));
  };
  EXPECT_EQ(code([](ReportQuery& q) { q.limit = 0; }), "bad_filter");
  EXPECT_EQ(code([](ReportQuery& q) { q.limit = kPageMax + 1; }), "bad_filter");
  EXPECT_EQ(code([](ReportQuery& q) { q.countries = {"Burma"}; }), "bad_filter");
  EXPECT_EQ(code([](ReportQuery& q) { q.countries = {"M1R"}; }), "bad_filter");
  EXPECT_EQ(code([](ReportQuery& q) { q.countries.assign(65, "MMR"); }), "bad_filter");
  EXPECT_EQ(code([](ReportQuery& q) { q.since = Time{2}, q.until = Time{1}; }), "bad_filter");
  for (const Near& near : {Near{{91, 0}, 1}, Near{{0, 181}, 1}, Near{{0, 0}, 0}, Near{{0, 0}, -1}, Near{{0, 0}, 1e9},
                           Near{{std::nan(""), 0}, 1}, Near{{0, std::nan("")}, 1}, Near{{0, 0}, std::nan("")}}) {
    EXPECT_EQ(code([&](ReportQuery& q) { q.near = near; }), "bad_filter");
  }
  EXPECT_EQ(code([](ReportQuery& q) { q.near = Near{{90, 180}, 20'100}; }), "ok");
}

TEST(Distance, agrees_with_known_ones) {
  EXPECT_NEAR(kilometres({51.4700, -0.4543}, {40.6413, -73.7781}), 5540, 10);  // London to New York
  EXPECT_NEAR(kilometres({0, 179.5}, {0, -179.5}), 111.2, 0.1);
  EXPECT_NEAR(kilometres({90, 0}, {-90, 123}), 20015, 1);
  EXPECT_EQ(kilometres({12, 34}, {12, 34}), 0);
}

RC_GTEST_PROP(DistanceProperty, the_box_holds_every_point_within_the_distance, ()) {
  const auto degrees = [](int most) { return *rc::gen::inRange(-most * 1000, most * 1000 + 1) / 1000.0; };
  const Near near{{degrees(90), degrees(180)}, *rc::gen::inRange(1, 20'100'000) / 1000.0};
  const Point point{degrees(90), degrees(180)};
  if (kilometres(near.centre, point) > near.km) return;
  const Box box = box_around(near);
  const GridPoint at = to_grid(point);
  const bool high_enough = box.south <= at.latitude && at.latitude <= box.north;
  const bool right_of_west = box.west <= at.longitude, left_of_east = at.longitude <= box.east;
  const bool wide_enough = box.west <= box.east ? right_of_west && left_of_east : right_of_west || left_of_east;
  RC_ASSERT((high_enough));
  RC_ASSERT((wide_enough));
}

TEST(Summary, counts_by_country_kind_and_severity) {
  World world;
  const auto channel = world.channel(1);
  std::vector<ReportId> written;
  for (int i = 0; i < 6; ++i) {
    Report report = world.blank(1, i < 4 ? ReportKind::kIncident : ReportKind::kSituation);
    report.severity = i < 2 ? Severity::kSevere : Severity::kMinor;
    if (i < 5) {
      report.places.emplace_back();
      report.places[0].iso3 = i % 2 == 0 ? "MMR" : "BGD";
    }
    written.push_back(world.add(channel, report));
  }
  world.add(channel, world.withdrawal(1, written[0]));
  auto index = world.make_index();
  world.feed_all(*index);
  const Summary summary = must(index->summary());
  EXPECT_EQ(summary.reports, 6u);
  EXPECT_EQ(summary.acts, 1u);
  EXPECT_EQ(summary.withdrawn, 1u);
  EXPECT_EQ(summary.by_country, (std::map<std::string, std::uint64_t>{{"", 1}, {"BGD", 2}, {"MMR", 3}}));
  EXPECT_EQ(summary.by_kind.at(ReportKind::kIncident), 4u);
  EXPECT_EQ(summary.by_severity.at(Severity::kSevere), 2u);
}

}  // namespace
}  // namespace tocsin::index::test
