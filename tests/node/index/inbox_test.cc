// What needs a person, worst first.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "node/reports/rank.h"
#include "tests/node/index/world.h"

namespace tocsin::index::test {
namespace {

using namespace protocol;

constexpr std::int64_t kDayMs = 24ll * 3600 * 1000;
constexpr Time kNow{1'800'000'000'000};

InboxQuery mine(std::size_t limit = kPageMax) {
  InboxQuery out;
  out.own = org(1);
  out.now = kNow;
  out.limit = limit;
  return out;
}

Report recent(World& world, std::uint32_t author, Severity severity, Urgency urgency = Urgency::kUnknown) {
  Report out = world.blank(author);
  out.severity = severity;
  out.urgency = urgency;
  out.observed_from = Time{kNow.ms - kDayMs};
  return out;
}

TEST(Inbox, alerts_head_it_however_old_then_severity_urgency_and_the_longest_wait) {
  World world;
  const auto channel = world.channel(1);
  const ReportId minor = world.add(channel, recent(world, 2, Severity::kMinor));
  const ReportId severe = world.add(channel, recent(world, 2, Severity::kSevere));
  const ReportId severe_now = world.add(channel, recent(world, 3, Severity::kSevere, Urgency::kImmediate));
  const ReportId severe_later = world.add(channel, recent(world, 3, Severity::kSevere));
  Report drill = world.blank(2, ReportKind::kAlert);
  drill.status = ReportStatus::kExercise;
  drill.severity = Severity::kExtreme;
  const ReportId exercise = world.add(channel, drill);
  Report old = world.blank(2, ReportKind::kAlert);
  old.observed_from = Time{0};
  old.severity = Severity::kMinor;
  const ReportId alert = world.add(channel, old);
  auto index = world.make_index();
  world.feed_all(*index);
  EXPECT_EQ(ids(must(index->inbox(mine()))),
            (std::vector<ReportId>{alert, exercise, severe_now, severe, severe_later, minor}));
  EXPECT_EQ(must(index->inbox_count(mine())), 6u);
}

TEST(Inbox, leaves_out_own_old_done_and_withdrawn_reports_and_statements) {
  World world;
  const auto channel = world.channel(1);
  world.add(channel, recent(world, 1, Severity::kExtreme));
  world.add(channel, world.blank(1, ReportKind::kAlert));
  Report old = recent(world, 2, Severity::kSevere);
  old.observed_from = Time{kNow.ms - 31 * kDayMs};
  world.add(channel, old);
  Report long_one = old;
  long_one.salt.data()[15] = 1;
  long_one.observed_to = Time{kNow.ms - 29 * kDayMs};
  const ReportId lasting = world.add(channel, long_one);
  const ReportId done = world.add(channel, recent(world, 2, Severity::kSevere));
  const ReportId gone = world.add(channel, recent(world, 2, Severity::kSevere));
  const ReportId kept = world.add(channel, recent(world, 2, Severity::kUnknown));
  world.add(channel, world.withdrawal(2, gone));
  world.add(channel, world.dispute(3, kept));
  Report silent = world.blank(2);  // says not when it was observed
  silent.created = Time{kNow.ms - kDayMs};
  silent.severity = Severity::kMinor;
  const ReportId unsaid = world.add(channel, silent);
  auto index = world.make_index();
  must(index->mark_done(done, true));  // before the index knows it
  world.feed_all(*index);
  EXPECT_EQ(ids(must(index->inbox(mine()))), (std::vector<ReportId>{lasting, kept, unsaid}));
  must(index->mark_done(done, false));
  must(index->mark_done(kept, true));
  EXPECT_EQ(ids(must(index->inbox(mine()))), (std::vector<ReportId>{lasting, done, unsaid}));
  must(index->set_done(std::vector<ReportId>{lasting, unsaid}));
  EXPECT_EQ(ids(must(index->inbox(mine()))), (std::vector<ReportId>{done, kept}));
  EXPECT_TRUE(must(index->find(lasting)).row.done);
}

RC_GTEST_PROP(InboxProperty, pages_hold_all_in_order_while_more_arrives, ()) {
  World world;
  const auto channel = world.channel(1);
  auto index = world.make_index();
  struct Known {
    ReportId id;
    std::uint32_t rank;
    std::uint64_t arrival;
  };
  std::vector<Known> known;
  const auto add = [&] {
    Report report = world.blank(static_cast<std::uint32_t>(*rc::gen::inRange(1, 4)),
                                *rc::gen::element(ReportKind::kIncident, ReportKind::kIncident, ReportKind::kAlert));
    report.severity = static_cast<Severity>(*rc::gen::inRange(0, 5));
    report.urgency = static_cast<Urgency>(*rc::gen::inRange(0, 5));
    report.observed_from = Time{kNow.ms - *rc::gen::inRange(0, 40) * kDayMs};
    const ReportId id = world.add(channel, report);
    const bool there = report.kind == ReportKind::kAlert || report.observed_from->ms >= kNow.ms - 30 * kDayMs;
    if (there && report.author != org(1)) known.push_back({id, reports::inbox_rank(report), world.newest()});
  };
  const int count = *rc::gen::inRange(0, 30);
  for (int i = 0; i < count; ++i) add();
  world.feed_all(*index);
  std::sort(known.begin(), known.end(),
            [](const Known& a, const Known& b) { return a.rank != b.rank ? a.rank > b.rank : a.arrival < b.arrival; });
  std::vector<ReportId> expected, got;
  for (const Known& one : known) expected.push_back(one.id);
  InboxQuery query = mine(static_cast<std::size_t>(*rc::gen::inRange(1, 7)));
  do {
    const ReportPage page = must(index->inbox(query));
    for (const ReportRow& row : page.rows) got.push_back(row.id);
    query.after = page.next;
  } while (!query.after.empty());
  RC_ASSERT((got == expected));
  RC_ASSERT((must(index->inbox_count(query)) == expected.size()));
}

}  // namespace
}  // namespace tocsin::index::test
