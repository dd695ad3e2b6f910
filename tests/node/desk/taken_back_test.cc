// Withdrawing, recalling, holding, and what waits for a second person (rules 25, 47, 52).
#include "node/desk/users.h"
#include "tests/node/desk/desk_world.h"

namespace tocsin::desk {
namespace {

using protocol::Severity;
using protocol::Tlp;

struct TakenBackDesk : testing::Test {
  WorldClock clock;
  Party ngo{"Watch", 1, clock};
  Party region{"Region", 2, clock};
  ChannelId channel = test::make_channel(ngo, {&region});

  static Result<Made> withdraw(DeskWorld& desk, const protocol::ReportId& id) {
    return desk.await<Made>([&](auto done) { desk.desk.withdraw(id, "untrue", false, done); });
  }
  static Result<Made> recall(DeskWorld& desk, const protocol::ReportId& id, const ChannelId& from) {
    return desk.await<Made>([&](auto done) { desk.desk.recall(id, from, false, done); });
  }
  static Result<protocol::HoldRecord> hold(DeskWorld& desk, const protocol::ReportId& id) {
    return desk.await<protocol::HoldRecord>([&](auto done) { desk.desk.hold(id, "case 7", "Ada", done); });
  }
};

TEST_F(TakenBackDesk, rule_47_a_withdrawn_report_is_gone_from_desk_and_index_and_the_word_stays) {
  DeskWorld desk(ngo, clock);
  const auto made = must(desk.create(incident("Village burnt"), channel));
  must(desk.await<Made>(
      [&](auto done) { desk.desk.correct(made.id, R"({"title":"Village partly burnt"})", "", {}, false, done); }));
  EXPECT_EQ(code_of(withdraw(desk, made.id)), "ok");
  EXPECT_EQ(desk.titles(), std::vector<std::string>{});
  const auto loaded = must(desk.await<Loaded>([&](auto done) { desk.desk.load(made.id, done); }));
  EXPECT_TRUE(loaded.state.withdrawn);
  EXPECT_EQ(loaded.original.title, "");
  EXPECT_EQ(loaded.state.withdrawal_reason, "untrue");
  EXPECT_EQ(code_of(withdraw(desk, made.id)), "already_withdrawn");
  EXPECT_EQ(code_of(desk.share(made.id, channel)), "already_shared");
  EXPECT_EQ(code_of(recall(desk, made.id, channel)), "already_withdrawn");
  EXPECT_EQ(code_of(hold(desk, made.id)), "body_erased");
  EXPECT_EQ(ngo.texts(channel).size(), 1u) << "the withdrawal alone is left to be read";
}

TEST_F(TakenBackDesk, a_recall_of_the_only_copy_keeps_the_report_at_home) {
  DeskWorld desk(ngo, clock);
  const auto made = must(desk.create(incident("Village burnt"), channel));
  EXPECT_EQ(code_of(recall(desk, made.id, channel)), "ok");
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{});
  EXPECT_EQ(desk.titles(ngo.replica().private_channel()), std::vector<std::string>{"Village burnt"});
  EXPECT_EQ(code_of(recall(desk, made.id, channel)), "not_shared_there");
  EXPECT_EQ(code_of(recall(desk, made.id, ngo.replica().private_channel())), "private_stays");
  EXPECT_EQ(code_of(desk.share(made.id, channel)), "ok");
}

TEST_F(TakenBackDesk, narrowing_who_may_read_it_makes_a_recall) {
  DeskWorld desk(ngo, clock);
  const auto made = must(desk.create(incident("Village burnt"), channel));
  const auto narrow = [&](bool dry_run) {
    return must(desk.await<Made>([&](auto done) {
      desk.desk.correct(made.id, R"({"tlp":"AMBER+STRICT","title":"Witness named"})", "", {}, dry_run, done);
    }));
  };
  EXPECT_EQ(narrow(true).held.at(0).code, kRecalled);
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{"Village burnt"});
  const auto narrowed = narrow(false);
  EXPECT_EQ(narrowed.channels, std::vector<ChannelId>{ngo.replica().private_channel()});
  ASSERT_EQ(narrowed.held.size(), 1u);
  EXPECT_EQ(narrowed.held[0].channel, channel);
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{});
  EXPECT_EQ(desk.titles(ngo.replica().private_channel()), std::vector<std::string>{"Witness named"});
  test::sync_all({&ngo, &region});
  EXPECT_EQ(region.texts(channel).size(), 0u) << "neither the report nor what was corrected";
}

TEST_F(TakenBackDesk, rule_25_an_evidence_copy_is_read_by_who_holds_it_alone) {
  const auto made = [&] {
    DeskWorld desk(ngo, clock);
    return must(desk.create(incident("Village burnt"), channel));
  }();
  test::sync_all({&ngo, &region});
  {
    DeskWorld there(region, clock);
    EXPECT_EQ(there.titles(), std::vector<std::string>{"Village burnt"});
    const auto kept = must(hold(there, made.id));
    EXPECT_EQ(kept.entries.size(), 1u);
    EXPECT_EQ(must(there.desk.read_held(kept)).title, "Village burnt");
  }
  {
    DeskWorld desk(ngo, clock);
    desk.settle();
    must(withdraw(desk, made.id));
  }
  test::sync_all({&ngo, &region});
  DeskWorld there(region, clock);
  EXPECT_EQ(there.titles(), std::vector<std::string>{}) << "held, and listed no more, with an index built anew, too";
  ASSERT_EQ(there.desk.holds().size(), 1u);
  EXPECT_EQ(must(there.desk.read_held(there.desk.holds()[0])).title, "Village burnt");
  const auto end = [&](std::string_view id) {
    return there.await<protocol::HoldRecord>([&](auto done) { there.desk.end_hold(id, "Ada", done); });
  };
  EXPECT_EQ(code_of(end("00000000")), "unknown_hold");
  EXPECT_EQ(code_of(end(to_hex(made.id.view()))), "ok");
  EXPECT_TRUE(there.desk.holds().empty());
  EXPECT_EQ(there.desk.hold_of(made.id), std::nullopt);
}

struct FourEyesDesk : TakenBackDesk {
  std::unique_ptr<Users> users;
  // Four eyes from Severe on, and above AMBER.
  void ask_for_two(DeskWorld& desk) {
    users = std::make_unique<Users>(ngo.replica(), clock, ngo.random(), desk.loop.post());
    users->start();
    desk.desk.set_four_eyes({Tlp::kAmber, Severity::kSevere}, users.get());
  }
  void settle(DeskWorld& desk) {
    desk.settle();
    users->on_arrival({});
  }
  static Actor person(std::uint8_t n) {
    protocol::UserId id;
    id.data()[0] = n;
    return {false, id, "user " + std::to_string(n), protocol::UserRole::kAnalyst, protocol::TokenScope::kWrite};
  }
  using Released = std::pair<Made, std::vector<protocol::WaitingRecord>>;
  Result<Released> release(DeskWorld& desk, const protocol::ReportId& id, const Actor& by) {
    settle(desk);
    auto out = desk.await<Released>([&](auto done) { desk.desk.release(id, {}, by, done); });
    settle(desk);
    return out;
  }
};

TEST_F(FourEyesDesk, what_is_severe_or_strictly_marked_waits_and_a_second_person_releases_it) {
  DeskWorld desk(ngo, clock);
  ask_for_two(desk);
  Report severe = incident("severe"), red = incident("red"), mild = incident("mild");
  severe.severity = Severity::kExtreme;
  red.tlp = Tlp::kRed;
  mild.severity = Severity::kModerate;
  const auto create = [&](const Report& report, const Actor& by) {
    return must(desk.await<Made>([&](auto done) { desk.desk.create(report, channel, {}, done, by); }));
  };
  const auto first = create(severe, person(1)), second = create(red, person(1));
  EXPECT_EQ(first.waiting, std::vector<ChannelId>{channel});
  EXPECT_TRUE(create(mild, person(1)).waiting.empty());
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{"mild"});
  settle(desk);
  EXPECT_EQ(users->waiting().size(), 2u);
  EXPECT_EQ(code_of(release(desk, first.id, person(1))), "same_person");
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{"mild"});
  EXPECT_EQ(code_of(release(desk, first.id, person(2))), "ok");
  EXPECT_EQ(code_of(release(desk, second.id, owner_actor())), "ok");
  EXPECT_EQ(desk.titles(channel), (std::vector<std::string>{"mild", "red", "severe"}));
  EXPECT_EQ(code_of(release(desk, first.id, person(2))), "nothing_waits");
  // The owner's own waits, too; nobody is asked about what nobody else reads.
  EXPECT_EQ(create(severe, owner_actor()).waiting.size(), 1u);
  const auto own = test::make_channel(ngo, {});
  EXPECT_TRUE(must(desk.await<Made>([&](auto done) { desk.desk.create(severe, own, {}, done); })).waiting.empty());
}

TEST_F(FourEyesDesk, what_is_withdrawn_meanwhile_is_dropped) {
  DeskWorld desk(ngo, clock);
  ask_for_two(desk);
  Report severe = incident("severe");
  severe.severity = Severity::kSevere;
  const auto made = must(desk.create(severe, channel));
  settle(desk);
  ASSERT_EQ(users->waiting().size(), 1u);
  must(withdraw(desk, made.id));
  EXPECT_EQ(code_of(release(desk, made.id, person(2))), "already_withdrawn");
  EXPECT_TRUE(users->waiting().empty());
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{});
}

TEST_F(FourEyesDesk, rule_52_an_alert_waits_for_nobody) {
  const ChannelId alerts = test::make_channel(ngo, {&region}, {"Alerts", protocol::ChannelClass::kAlert, "Alerts.", 0});
  DeskWorld desk(ngo, clock);
  ask_for_two(desk);
  Report urgent = alert("now", "KEN"), severe = incident("severe");
  urgent.severity = severe.severity = Severity::kExtreme;
  urgent.tlp = Tlp::kRed;
  EXPECT_TRUE(must(desk.create(urgent, channel)).waiting.empty());
  EXPECT_TRUE(must(desk.create(severe, alerts)).waiting.empty());
  EXPECT_FALSE(desk.desk.needs_two(urgent, channel));
  EXPECT_TRUE(desk.desk.needs_two(severe, channel));
}

}  // namespace
}  // namespace tocsin::desk
