#include "node/reports/state.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>

#include "tests/node/reports/generators.h"

namespace tocsin::tests {
namespace {

using namespace reports;

const OrgId kAuthor = filled<OrgId>(1);
const OrgId kOther = filled<OrgId>(2);
const OrgId kThird = filled<OrgId>(3);

// Reports by name: the id is the byte given, repeated.
class World {
 public:
  KnownReport add(std::uint8_t id, const OrgId& author, ReportKind kind, ReportDetails details) {
    Report report = plain_report(kind);
    report.author = author;
    report.created = Time{id};
    report.details = std::move(details);
    reports_.push_back(std::move(report));
    KnownReport known{filled<ReportId>(id), author, &reports_.back()};
    if (id != 1) related.push_back(known);
    return known;
  }
  KnownReport subject() { return add(1, kAuthor, ReportKind::kIncident, IncidentDetails{}); }
  void correct(std::uint8_t id, const OrgId& author, int previous = 0) {
    CorrectDetails details{filled<ReportId>(1), std::nullopt, "r", {}};
    if (previous) details.previous = filled<ReportId>(static_cast<std::uint8_t>(previous));
    add(id, author, ReportKind::kCorrect, details);
  }
  void withdraw(std::uint8_t id, const OrgId& author, std::uint8_t target) {
    add(id, author, ReportKind::kWithdraw, WithdrawDetails{filled<ReportId>(target), "because"});
  }
  void dispute(std::uint8_t id, const OrgId& author) {
    add(id, author, ReportKind::kDispute, DisputeDetails{filled<ReportId>(1), "no"});
  }
  std::vector<KnownReport> related;

 private:
  std::deque<Report> reports_;
};

std::vector<ReportId> ids(std::initializer_list<int> bytes) {
  std::vector<ReportId> out;
  for (int byte : bytes) out.push_back(filled<ReportId>(static_cast<std::uint8_t>(byte)));
  return out;
}

TEST(State, a_report_alone_stands_as_written) {
  World world;
  const auto state = current_state(world.subject(), {});
  EXPECT_FALSE(state.withdrawn || state.corrected_by || state.conflict());
}

TEST(State, only_the_author_corrects_and_withdraws) {
  World world;
  const auto subject = world.subject();
  world.correct(2, kOther);
  world.withdraw(3, kOther, 1);
  auto state = current_state(subject, world.related);
  EXPECT_FALSE(state.withdrawn || state.corrected_by);
  EXPECT_EQ(state.refused, ids({2, 3}));
  world.correct(4, kAuthor);
  world.withdraw(5, kAuthor, 1);
  state = current_state(subject, world.related);
  EXPECT_TRUE(state.withdrawn);
  EXPECT_EQ(state.withdrawn_by, filled<ReportId>(5));
  EXPECT_EQ(state.withdrawal_reason, "because");
  EXPECT_EQ(state.corrected_by, filled<ReportId>(4));
}

TEST(State, the_organisation_counts_and_not_what_a_report_claims) {
  World world;
  const auto subject = world.subject();
  world.correct(2, kAuthor);
  world.related[0].author = kOther;  // came in another organisation's feed
  EXPECT_FALSE(current_state(subject, world.related).corrected_by);
}

TEST(State, a_later_correction_takes_the_place_of_the_one_that_it_names) {
  World world;
  const auto subject = world.subject();
  world.correct(2, kAuthor);
  world.correct(3, kAuthor, 2);
  EXPECT_EQ(current_state(subject, world.related).corrections, ids({3}));
  world.withdraw(4, kAuthor, 3);
  EXPECT_EQ(current_state(subject, world.related).corrections, ids({2})) << "withdrawn: what it replaced is back";
}

TEST(State, corrections_made_apart_are_all_shown) {
  World world;
  const auto subject = world.subject();
  world.correct(2, kAuthor);
  world.correct(3, kAuthor);
  const auto state = current_state(subject, world.related);
  EXPECT_TRUE(state.conflict());
  EXPECT_EQ(state.corrections, ids({3, 2}));
  world.correct(4, kAuthor, 2);
  world.correct(5, kAuthor, 3);
  EXPECT_EQ(current_state(subject, world.related).corrections, ids({5, 4}));
}

TEST(State, statements_count_once_for_each_other_organisation) {
  World world;
  const auto subject = world.subject();
  world.dispute(2, kOther);
  world.dispute(3, kOther);
  world.dispute(4, kThird);
  world.dispute(5, kAuthor);
  world.add(6, kThird, ReportKind::kCorroborate, CorroborateDetails{filled<ReportId>(1), ""});
  world.add(7, kOther, ReportKind::kAcknowledge, AcknowledgeDetails{filled<ReportId>(1), ""});
  world.add(8, kOther, ReportKind::kAcknowledge, AcknowledgeDetails{filled<ReportId>(99), ""});
  auto state = current_state(subject, world.related);
  EXPECT_EQ(state.disputed_by.size(), 2u);
  EXPECT_EQ(state.corroborated_by.size(), 1u);
  EXPECT_EQ(state.acknowledged_by.size(), 1u);
  world.withdraw(9, kThird, 4);
  world.withdraw(10, kThird, 2);  // not its own
  state = current_state(subject, world.related);
  ASSERT_EQ(state.disputed_by.size(), 1u);
  EXPECT_EQ(state.disputed_by[0].author, kOther);
}

TEST(State, a_withdrawal_is_final) {
  World world;
  const auto subject = world.subject();
  world.withdraw(2, kAuthor, 1);
  world.withdraw(3, kAuthor, 2);
  EXPECT_TRUE(current_state(subject, world.related).withdrawn);
}

RC_GTEST_PROP(State, the_order_of_arrival_does_not_matter, ()) {
  World world;
  const auto subject = world.subject();
  const int n = *rc::gen::inRange(0, 12);
  for (int i = 0; i < n; ++i) {
    const auto id = static_cast<std::uint8_t>(2 + i);
    const OrgId author = coin() ? kAuthor : coin() ? kOther : kThird;
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        world.correct(id, author, *rc::gen::inRange(0, 14));
        break;
      case 1:
        world.withdraw(id, author, *rc::gen::inRange<std::uint8_t>(1, 14));
        break;
      default:
        world.dispute(id, author);
    }
  }
  const auto once = current_state(subject, world.related);
  auto other = world.related;
  for (std::size_t i = other.size(); i > 1; --i) std::swap(other[i - 1], other[*rc::gen::inRange<std::size_t>(0, i)]);
  if (!other.empty()) other.push_back(other.front());  // and once more
  const auto twice = current_state(subject, other);
  RC_ASSERT(once.withdrawn == twice.withdrawn);
  RC_ASSERT(once.withdrawn_by == twice.withdrawn_by);
  RC_ASSERT(once.corrections == twice.corrections);
  RC_ASSERT(once.refused == twice.refused);
  RC_ASSERT(once.disputed_by.size() == twice.disputed_by.size());
}

TEST(State, corrections_are_made_by_the_author_and_name_what_they_replace) {
  World world;
  const auto subject = world.subject();
  world.correct(2, kAuthor);
  const auto state = current_state(subject, world.related);
  Report better = plain_report();
  better.title = "Two villages burnt";
  Correction how{filled<ReportSalt>(1), filled<ReportSalt>(2), kAuthor, Time{9}, "one more village"};
  const auto correction = make_correction(subject, state, better, how);
  ASSERT_TRUE(correction) << correction.error().detail;
  const auto& details = std::get<CorrectDetails>(correction->details);
  EXPECT_EQ(details.target, subject.id);
  EXPECT_EQ(details.previous, filled<ReportId>(2));
  EXPECT_EQ(decode_replacement(details)->title, "Two villages burnt");
  EXPECT_TRUE(encode_report(*correction));

  how.author = kOther;
  EXPECT_EQ(make_correction(subject, state, better, how).error().code, kNotTheAuthor);
  how.author = kAuthor;
  EXPECT_EQ(make_correction(subject, state, plain_report(ReportKind::kAlert), how).error().code, kKindChanged);
  world.withdraw(3, kAuthor, 1);
  EXPECT_EQ(make_correction(subject, current_state(subject, world.related), better, how).error().code,
            kAlreadyWithdrawn);
}

}  // namespace
}  // namespace tocsin::tests
