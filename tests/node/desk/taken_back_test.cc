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
  // The power went when a withdrawal had come to the first of two channels.
  protocol::ReportId half_withdrawn(DeskWorld& desk, const ChannelId& second) {
    const auto made = must(desk.create(incident("Village burnt"), channel));
    must(desk.share(made.id, second));
    const auto loaded = must(desk.await<Loaded>([&](auto done) { desk.desk.load(made.id, done); }));
    Report act = about(loaded, protocol::ReportKind::kWithdraw);
    act.details = protocol::WithdrawDetails{made.id, "untrue"};
    act.salt = crypto::random_fixed<protocol::ReportSalt>(ngo.random());
    act.author = ngo.replica().own_org().id();
    act.created = clock.now();
    const Bytes said = must(protocol::encode_report(act));
    Bytes order;
    for (const auto& copy : loaded.found.copies)
      if (copy.channel == channel)
        order = must(ngo.replica().make_erasure_order(copy.log, copy.number, made.id, made.id,
                                                      protocol::ErasureCause::kWithdrawn));
    const std::vector<protocol::FeedItem> items{{protocol::FeedKind::kReport, said},
                                                {protocol::FeedKind::kErasureOrder, order}};
    must(ngo.replica().append(channel, items, nullptr));
    ngo.store.sync();
    desk.settle();
    return made.id;
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

TEST_F(TakenBackDesk, rule_47_a_withdrawal_that_came_to_some_channels_alone_is_finished_by_saying_it_again) {
  const auto second = test::make_channel(ngo, {&region});
  DeskWorld desk(ngo, clock);
  const auto id = half_withdrawn(desk, second);
  EXPECT_EQ(ngo.texts(second).size(), 1u) << "the report is still there";
  EXPECT_EQ(must(withdraw(desk, id)).channels, std::vector<ChannelId>{second});
  EXPECT_EQ(ngo.texts(second).size(), 1u) << "the withdrawal alone";
  const auto loaded = must(desk.await<Loaded>([&](auto done) { desk.desk.load(id, done); }));
  EXPECT_TRUE(loaded.found.row.erased);
  EXPECT_EQ(code_of(withdraw(desk, id)), "already_withdrawn");
}

TEST_F(TakenBackDesk, a_recall_finishes_it_in_one_channel) {
  const auto second = test::make_channel(ngo, {&region});
  DeskWorld desk(ngo, clock);
  const auto id = half_withdrawn(desk, second);
  EXPECT_EQ(code_of(recall(desk, id, second)), "ok");
  EXPECT_EQ(ngo.texts(second).size(), 0u);
  EXPECT_EQ(ngo.texts(ngo.replica().private_channel()).size(), 0u) << "what was withdrawn is not kept at home";
  EXPECT_NE(code_of(withdraw(desk, id)), "ok") << "there is nothing left to take back";
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
  Result<Released> release(DeskWorld& desk, const protocol::ReportId& id, const Actor& by, const Seen& seen = {}) {
    settle(desk);
    auto out = desk.await<Released>([&](auto done) { desk.desk.release(id, {}, by, done, seen); });
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

TEST_F(FourEyesDesk, who_corrects_what_waits_does_not_release_it_and_who_does_has_read_the_correction) {
  DeskWorld desk(ngo, clock);
  ask_for_two(desk);
  Report severe = incident("seen by one");
  severe.severity = Severity::kExtreme;
  const auto made = must(desk.await<Made>([&](auto done) { desk.desk.create(severe, channel, {}, done, person(1)); }));
  const auto correct = [&](std::string title, const Actor& by) {
    settle(desk);
    return must(desk.await<Made>([&](auto done) {
      desk.desk.correct(made.id, R"({"severity":"Minor","title":")" + title + "\"}", "", {}, false, done, by);
    }));
  };
  const auto first = correct("by the second", person(2));
  EXPECT_EQ(first.waiting, std::vector<ChannelId>{channel});
  EXPECT_EQ(code_of(release(desk, made.id, person(2))), "same_person");
  EXPECT_EQ(code_of(release(desk, made.id, person(1))), "same_person");
  ASSERT_EQ(users->waiting().size(), 1u);
  EXPECT_EQ(users->waiting()[0].asked_by, "user 2");
  EXPECT_EQ(code_of(release(desk, made.id, person(3))), "changed_since") << "he may have read what it was before";
  const auto second = correct("by the first", person(1));
  EXPECT_EQ(code_of(release(desk, made.id, person(3), {to_hex(first.id.view()), {}})), "changed_since");
  // A correction that no record knows of, as of another node of the same organisation at that time.
  desk.desk.set_four_eyes({}, nullptr);
  const auto unknown = correct("by nobody", person(1));
  desk.desk.set_four_eyes({Tlp::kAmber, Severity::kSevere}, users.get());
  EXPECT_EQ(code_of(release(desk, made.id, person(3), {to_hex(second.id.view()), {}})), "changed_since");
  EXPECT_EQ(code_of(release(desk, made.id, person(3), {to_hex(unknown.id.view()), {}})), "changed_since");
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{});
  const auto again = must(desk.await<Made>([&](auto done) { desk.desk.share(made.id, channel, {}, done, person(2)); }));
  EXPECT_EQ(again.waiting, std::vector<ChannelId>{channel});
  EXPECT_EQ(code_of(release(desk, made.id, person(1), {to_hex(unknown.id.view()), {}})), "same_person");
  EXPECT_EQ(code_of(release(desk, made.id, person(3), {to_hex(unknown.id.view()), {}})), "ok");
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{"by nobody"});
  EXPECT_TRUE(users->waiting().empty());
}

TEST_F(FourEyesDesk, an_import_that_corrects_what_waits_asks_for_it_anew) {
  DeskWorld desk(ngo, clock);
  ask_for_two(desk);
  const auto import = [&](std::string title, std::optional<ChannelId> to, const Actor& by) {
    settle(desk);
    return must(desk.await<ImportOutcome>([&](auto done) {
      auto request = DeskWorld::import_request(R"({"kind":"incident","severity":"Severe","title":")" + title +
                                                   R"(","provenance":{"publisher":"P","row_id":"1"}})" + "\n",
                                               to);
      request.by = by;
      desk.importer.run(std::move(request), std::make_shared<ImportProgress>(), done);
    }));
  };
  EXPECT_EQ(import("first", channel, person(1)).waiting, 1u);
  settle(desk);
  ASSERT_EQ(users->waiting().size(), 1u);
  const auto id = users->waiting()[0].subject;
  EXPECT_EQ(import("second", std::nullopt, person(2)).waiting, 1u);
  EXPECT_EQ(desk.titles(), std::vector<std::string>{"second"});
  EXPECT_EQ(code_of(release(desk, id, person(2))), "same_person");
  EXPECT_EQ(code_of(release(desk, id, person(3))), "changed_since");
  ASSERT_EQ(users->waiting().size(), 1u);
  const auto version = users->waiting()[0].version;
  ASSERT_TRUE(version.has_value());
  EXPECT_EQ(code_of(release(desk, id, person(3), {to_hex(version->view()), {}})), "ok");
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{"second"});
}

TEST_F(FourEyesDesk, what_waits_does_not_go_to_readers_that_nobody_was_shown) {
  Party bureau{"Bureau", 3, clock};
  const auto id = [&] {
    DeskWorld desk(ngo, clock);
    ask_for_two(desk);
    Report severe = incident("severe");
    severe.severity = Severity::kExtreme;
    const auto made =
        must(desk.await<Made>([&](auto done) { desk.desk.create(severe, channel, {}, done, person(1)); }));
    settle(desk);
    users.reset();
    return made.id;
  }();
  test::join(ngo, channel, bureau);
  DeskWorld desk(ngo, clock);
  ask_for_two(desk);
  const auto refused = release(desk, id, person(2));
  EXPECT_EQ(code_of(refused), "readers_changed");
  EXPECT_NE(refused.error().detail.find("Bureau"), std::string::npos) << refused.error().detail;
  EXPECT_EQ(code_of(release(desk, id, person(2), {{}, std::string(64, '0')})), "readers_changed");
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{});
  EXPECT_EQ(code_of(release(desk, id, person(2), {{}, to_hex(desk.desk.readers_hash({channel}).view())})), "ok");
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{"severe"});
}

TEST_F(FourEyesDesk, a_note_about_what_needed_two_needs_two_and_about_an_alert_none) {
  DeskWorld desk(ngo, clock);
  ask_for_two(desk);
  Report red = incident("red"), urgent = alert("now", "KEN");
  red.tlp = urgent.tlp = Tlp::kRed;
  const auto made = must(desk.await<Made>([&](auto done) { desk.desk.create(red, channel, {}, done, person(1)); }));
  must(release(desk, made.id, person(2)));
  EXPECT_EQ(ngo.texts(channel).size(), 1u);
  const auto dispute = [&](const protocol::ReportId& of) {
    return must(desk.await<Made>([&](auto done) { desk.desk.dispute(of, "no", {}, false, done, person(1)); }));
  };
  const auto corroborate = [&](const protocol::ReportId& of) {
    return must(desk.await<Made>([&](auto done) { desk.desk.corroborate(of, "yes", {}, false, done, person(1)); }));
  };
  const auto disputed = dispute(made.id), corroborated = corroborate(made.id);
  EXPECT_EQ(disputed.waiting, std::vector<ChannelId>{channel});
  EXPECT_EQ(corroborated.waiting, std::vector<ChannelId>{channel});
  EXPECT_EQ(ngo.texts(channel).size(), 1u);
  EXPECT_EQ(code_of(release(desk, disputed.id, person(1))), "same_person");
  EXPECT_EQ(code_of(release(desk, disputed.id, person(2))), "ok");
  EXPECT_EQ(code_of(release(desk, corroborated.id, person(2))), "ok");
  EXPECT_EQ(ngo.texts(channel).size(), 3u);
  const auto raised = must(desk.create(urgent, channel));
  EXPECT_TRUE(dispute(raised.id).waiting.empty());
  EXPECT_TRUE(corroborate(raised.id).waiting.empty());
  EXPECT_EQ(ngo.texts(channel).size(), 6u);
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
