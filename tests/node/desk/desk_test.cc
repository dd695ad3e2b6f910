// Writing, sharing and speaking about reports: who gets what, and what stops it.
#include "node/desk/desk.h"

#include "tests/node/desk/desk_world.h"

namespace tocsin::desk {
namespace {

using protocol::ReportStatus;
using protocol::Tlp;

struct DeskTest : testing::Test {
  WorldClock clock;
  Party ngo{"Watch", 1, clock};
  Party region{"Region", 2, clock};
  Party gov{"Myanmar", 3, clock, protocol::OrgKind::kGovernment, "MMR"};
};

TEST_F(DeskTest, without_a_channel_a_report_goes_to_nobody) {
  const auto channel = test::make_channel(ngo, {&region});
  DeskWorld desk(ngo, clock);
  const auto made = must(desk.create(incident("Mine alone")));
  EXPECT_EQ(made.channels, std::vector<ChannelId>{ngo.replica().private_channel()});
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{});
  EXPECT_EQ(desk.titles(), std::vector<std::string>{"Mine alone"});
  test::sync_all({&ngo, &region});
  EXPECT_EQ(DeskWorld(region, clock).titles(), std::vector<std::string>{});
}

TEST_F(DeskTest, author_time_and_defaults_are_the_nodes_whatever_the_caller_says) {
  DeskWorld desk(ngo, clock);
  Report report = incident("x");
  report.author = region.org();
  report.created = {1};
  const auto made = must(desk.create(report));
  const auto loaded = must(desk.await<Loaded>([&](auto done) { desk.desk.load(made.id, done); }));
  EXPECT_EQ(loaded.original.author, ngo.org());
  EXPECT_EQ(loaded.original.created, clock.now());
  EXPECT_EQ(loaded.original.status, ReportStatus::kActual);
  EXPECT_EQ(loaded.original.tlp, Tlp::kAmber);
}

TEST_F(DeskTest, what_is_wrong_is_named_by_its_field) {
  DeskWorld desk(ngo, clock);
  const auto made = desk.create(incident(""));
  ASSERT_EQ(code_of(made), "invalid_report");
  EXPECT_NE(made.error().detail.find("title"), std::string::npos);
  Report attached = incident("x");
  attached.attachments.emplace_back();
  EXPECT_EQ(code_of(desk.create(attached)), "invalid_report") << "rule 40: its parts are not there";
  EXPECT_EQ(desk.titles(), std::vector<std::string>{});
}

TEST_F(DeskTest, a_draft_and_a_strict_marking_go_where_no_other_reads_and_alerts_wait_for_neither) {
  const auto channel = test::make_channel(ngo, {&region});
  const auto own = test::make_channel(ngo, {});
  DeskWorld desk(ngo, clock);
  Report draft = incident("draft"), strict = incident("strict"), urgent = alert("alert", "KEN");
  draft.status = urgent.status = ReportStatus::kDraft;
  strict.tlp = urgent.tlp = Tlp::kAmberStrict;
  EXPECT_EQ(code_of(desk.create(draft, channel)), "draft_stays");
  EXPECT_EQ(code_of(desk.create(strict, channel)), "marking_stays");
  EXPECT_EQ(code_of(desk.create(draft, own)), "ok") << "nobody else reads there";
  EXPECT_EQ(code_of(desk.create(strict)), "ok");
  EXPECT_EQ(code_of(desk.desk.may_share(urgent, channel)), "ok") << "rule 52";
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{});
}

TEST_F(DeskTest, rule_53_each_government_that_is_named_needs_a_yes_of_its_own) {
  const auto channel = test::make_channel(ngo, {&region, &gov});
  DeskWorld desk(ngo, clock);
  EXPECT_EQ(code_of(desk.create(incident("x", "MMR"), channel)), "government_named");
  EXPECT_EQ(code_of(desk.create(incident("x", "MMR"), channel, {"KEN"})), "government_named");
  EXPECT_EQ(code_of(desk.create(incident("allowed", "MMR"), channel, {"MMR"})), "ok");
  EXPECT_EQ(code_of(desk.create(incident("elsewhere", "KEN"), channel)), "ok");
  const auto mine = must(desk.create(incident("private", "MMR")));
  EXPECT_EQ(code_of(desk.share(mine.id, channel)), "government_named");
  EXPECT_EQ(code_of(desk.share(mine.id, channel, {"MMR"})), "ok");
  EXPECT_EQ(desk.titles(channel), (std::vector<std::string>{"allowed", "elsewhere", "private"}));
}

TEST_F(DeskTest, rule_53_a_correction_that_names_the_country_asks_and_a_withdrawal_does_not) {
  const auto channel = test::make_channel(ngo, {&gov});
  DeskWorld desk(ngo, clock);
  const auto made = must(desk.create(incident("x", "KEN"), channel));
  const auto correct = [&](std::string patch, AllowedGovernments allowed) {
    return desk.await<Made>([&](auto done) { desk.desk.correct(made.id, patch, "wrong place", allowed, false, done); });
  };
  EXPECT_EQ(code_of(correct(R"({"place":{"iso3":"MMR"}})", {})), "government_named");
  EXPECT_EQ(code_of(correct(R"({"place":{"iso3":"MMR"}})", {"MMR"})), "ok");
  EXPECT_EQ(code_of(desk.await<Made>([&](auto done) { desk.desk.withdraw(made.id, "untrue", false, done); })), "ok");
}

TEST_F(DeskTest, corrections_go_along_when_a_report_is_shared_on_and_twice_is_refused) {
  const auto channel = test::make_channel(ngo, {&region});
  DeskWorld desk(ngo, clock);
  const auto made = must(desk.create(incident("As first written")));
  must(
      desk.await<Made>([&](auto done) { desk.desk.correct(made.id, R"({"title":"As it is"})", "", {}, false, done); }));
  must(desk.share(made.id, channel));
  EXPECT_EQ(code_of(desk.share(made.id, channel)), "already_shared");
  test::sync_all({&ngo, &region});
  DeskWorld there(region, clock);
  EXPECT_EQ(there.titles(), std::vector<std::string>{"As it is"});
  EXPECT_EQ(code_of(there.await<Made>([&](auto done) { there.desk.withdraw(made.id, "x", false, done); })),
            "not_the_author");
}

TEST_F(DeskTest, rule_52_an_alert_goes_at_once_to_all_but_those_that_need_a_yes) {
  const protocol::NewChannel kAlerts{"Alerts", protocol::ChannelClass::kAlert, "Purpose: alerts.", 0};
  const auto wide = test::make_channel(ngo, {&gov}, kAlerts), narrow = test::make_channel(ngo, {&region}, kAlerts);
  DeskWorld desk(ngo, clock);
  const auto made = must(desk.await<Made>([&](auto done) { desk.desk.raise(alert("Now", "MMR"), {}, {}, done); }));
  EXPECT_EQ(made.channels, std::vector<ChannelId>{narrow});
  ASSERT_EQ(made.held.size(), 1u);
  EXPECT_EQ(made.held[0].channel, wide);
  EXPECT_EQ(made.held[0].code, kGovernmentNamed);
  EXPECT_EQ(code_of(desk.share(made.id, wide, {"MMR"})), "ok") << "the yes may come later";
}

TEST_F(DeskTest, an_alert_that_no_channel_can_take_is_refused_with_what_to_do) {
  test::make_channel(ngo, {&region});  // of class shared
  DeskWorld desk(ngo, clock);
  const auto raised = desk.await<Made>([&](auto done) { desk.desk.raise(alert("Now", "KEN"), {}, {}, done); });
  ASSERT_EQ(code_of(raised), "no_alert_channel");
  EXPECT_NE(raised.error().detail.find("--channel"), std::string::npos);
}

TEST_F(DeskTest, a_disk_that_takes_nothing_is_an_error_and_not_a_report) {
  DeskWorld desk(ngo, clock);
  ngo.store.set_disk_full(true);
  EXPECT_NE(code_of(desk.create(incident("lost?"))), "ok");
  ngo.store.set_disk_full(false);
  EXPECT_EQ(desk.titles(), std::vector<std::string>{});
  must(desk.create(incident("kept")));
  EXPECT_EQ(desk.titles(), std::vector<std::string>{"kept"});
}

TEST_F(DeskTest, a_dry_run_writes_nothing) {
  const auto channel = test::make_channel(ngo, {&gov});
  DeskWorld desk(ngo, clock);
  const auto made = must(desk.create(incident("x", "MMR"), channel, {"MMR"}));
  desk.settle();
  const auto before = ngo.replica().newest_arrival();
  const auto plan = must(desk.await<Made>([&](auto done) { desk.desk.dispute(made.id, "no", {}, true, done); }));
  EXPECT_EQ(plan.channels, std::vector<ChannelId>{channel});
  ASSERT_EQ(plan.held.size(), 1u) << "whom rule 53 would ask about";
  EXPECT_EQ(ngo.replica().newest_arrival(), before);
}

TEST_F(DeskTest, names_are_found_by_name_id_and_prefix_and_what_is_not_plain_is_said) {
  const auto channel = test::make_channel(ngo, {&region});
  DeskWorld desk(ngo, clock);
  const auto id = to_hex(channel.view());
  EXPECT_EQ(must(desk.desk.find_channel("early WARNING")), channel);
  EXPECT_EQ(must(desk.desk.find_channel(id)), channel);
  EXPECT_EQ(must(desk.desk.find_channel(id.substr(0, 8))), channel);
  EXPECT_EQ(code_of(desk.desk.find_channel(id.substr(0, 7))), "unknown_channel");
  EXPECT_EQ(code_of(desk.desk.find_channel("")), "unknown_channel");
  EXPECT_EQ(must(desk.desk.find_org("region")), region.org());
  EXPECT_EQ(must(desk.desk.find_org(to_hex(region.node().view()))), region.org());
  EXPECT_EQ(code_of(desk.desk.find_org("nobody")), "unknown_peer");
  EXPECT_EQ(code_of(desk.desk.check_channel_name("EARLY warning")), "channel_name_taken");
  const auto second = test::make_channel(ngo, {&region});  // another of that name
  EXPECT_EQ(code_of(desk.desk.find_channel("Early warning")), "channel_ambiguous");
  EXPECT_EQ(must(desk.desk.find_channel(to_hex(second.view()))), second);
}

}  // namespace
}  // namespace tocsin::desk
