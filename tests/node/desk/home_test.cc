// What people write while this home is in doubt (rule 21): kept, shown as waiting, and sent once it is confirmed.
#include "tests/node/desk/desk_world.h"

namespace tocsin::desk {
namespace {

using protocol::Severity;
using protocol::Tlp;

struct HomeDesk : testing::Test {
  WorldClock clock;
  Party ngo{"Watch", 1, clock}, region{"Region", 2, clock};
  Party gov{"Myanmar", 3, clock, protocol::OrgKind::kGovernment, "MMR"};
  ChannelId channel = test::make_channel(ngo, {&region, &gov});
  std::unique_ptr<DeskWorld> desk = std::make_unique<DeskWorld>(ngo, clock);
  std::unique_ptr<Users> users;

  void begin(const FourEyes& rule = {}) {
    users = std::make_unique<Users>(ngo.replica(), clock, ngo.random(), desk->loop.post());
    users->start();
    desk->desk.set_four_eyes(rule, users.get());
  }
  void doubt() {
    ngo.replica().doubt_home(as_bytes("elsewhere"), nullptr);
    ngo.store.sync();
  }
  void confirm() {
    settle();
    ngo.replica().home_confirmed_by(region.node());
    ngo.store.sync();
    bool done = false;
    desk->desk.release_home([&] { done = true; });
    desk->run_until([&] { return done; });
    settle();
  }
  void settle() {
    desk->settle();
    users->on_arrival({});
  }
  Result<Made> correct(const protocol::ReportId& report, std::string patch) {
    settle();
    auto out =
        desk->await<Made>([&](auto done) { desk->desk.correct(report, std::move(patch), "", {"MMR"}, false, done); });
    settle();
    return out;
  }
  std::string release(const protocol::ReportId& report, const Seen& seen = {}) {
    settle();
    using Released = std::pair<Made, std::vector<protocol::WaitingRecord>>;
    const auto out =
        desk->await<Released>([&](auto done) { desk->desk.release(report, {"MMR"}, owner_actor(), done, seen); });
    settle();
    return code_of(out);
  }
};

TEST_F(HomeDesk, rule_21_what_is_written_in_doubt_waits_and_goes_out_by_itself) {
  begin();
  const auto old = must(desk->create(incident("common"), channel));
  const auto kept = must(desk->create(incident("kept")));
  doubt();
  const auto fresh = must(desk->create(incident("fresh", "MMR"), channel, {"MMR"}));
  EXPECT_EQ(fresh.waiting, std::vector<ChannelId>{channel});
  EXPECT_TRUE(fresh.until_home);
  EXPECT_EQ(code_of(desk->create(incident("not allowed", "MMR"), channel)), "government_named") << "rule 53 as ever";
  const auto corrected = must(correct(old.id, R"({"title":"common, corrected"})"));
  EXPECT_EQ(corrected.waiting, std::vector<ChannelId>{channel});
  EXPECT_TRUE(must(desk->share(kept.id, channel)).until_home);
  EXPECT_TRUE(must(correct(fresh.id, R"({"title":"fresh, corrected"})")).until_home);
  const auto raised =
      must(desk->await<Made>([&](auto done) { desk->desk.raise(alert("now", "KEN"), {channel}, {}, done); }));
  EXPECT_EQ(raised.channels, std::vector<ChannelId>{channel}) << "rule 52: an alert waits for nobody";
  EXPECT_TRUE(must(desk->create(incident("private"))).waiting.empty());
  EXPECT_EQ(ngo.texts(channel).size(), 2u);

  const auto withdrawn = desk->await<Made>([&](auto done) { desk->desk.withdraw(old.id, "untrue", false, done); });
  EXPECT_EQ(code_of(withdrawn), "home_unconfirmed");
  EXPECT_EQ(code_of(desk->import(R"({"kind":"incident","title":"imported"})"
                                 "\n",
                                 channel)),
            "home_unconfirmed");
  std::string version;
  for (const auto& each : users->waiting())
    if (each.subject == fresh.id) version = to_hex(each.version.value_or(fresh.id).view());
  EXPECT_EQ(release(fresh.id, {version, {}}), "home_unconfirmed") << "no person sends it before that";
  bool done = false;
  desk->desk.release_home([&] { done = true; });
  desk->run_until([&] { return done; });
  EXPECT_EQ(ngo.texts(channel).size(), 2u) << "nothing goes while the doubt lasts";

  confirm();
  EXPECT_TRUE(users->waiting().empty());
  EXPECT_EQ(desk->titles(channel), (std::vector<std::string>{"common, corrected", "fresh, corrected", "kept", "now"}));
  confirm();
  EXPECT_EQ(ngo.texts(channel).size(), 6u) << "once: two, a correction, one with its correction, one that was shared";
}

TEST_F(HomeDesk, rule_52_what_is_done_about_an_alert_waits_for_no_home) {
  desk.reset();
  const auto other = test::make_channel(ngo, {&region});
  desk = std::make_unique<DeskWorld>(ngo, clock);
  begin();
  const auto raise = [&](std::string title) {
    return must(desk->await<Made>([&](auto done) { desk->desk.raise(alert(title, "KEN"), {channel}, {}, done); })).id;
  };
  const auto withdrawn = raise("to withdraw"), recalled = raise("to recall");
  doubt();
  const auto fresh = raise("fresh");
  const auto shared = desk->share(fresh, other);
  EXPECT_EQ(code_of(shared), "ok");
  EXPECT_EQ(must(shared).channels, std::vector<ChannelId>{other});
  EXPECT_EQ(desk->titles(other), std::vector<std::string>{"fresh"});
  const auto back = desk->await<Made>([&](auto done) { desk->desk.withdraw(withdrawn, "untrue", false, done); });
  EXPECT_EQ(code_of(back), "ok");
  EXPECT_EQ(code_of(desk->await<Made>([&](auto done) { desk->desk.recall(recalled, channel, false, done); })), "ok");
  EXPECT_EQ(desk->titles(channel), std::vector<std::string>{"fresh"});
}

TEST_F(HomeDesk, rule_21_a_correction_that_went_before_a_power_cut_does_not_go_again) {
  begin();
  const auto made = must(desk->create(incident("common"), channel));
  doubt();
  const auto corrected = must(correct(made.id, R"({"title":"common, corrected"})"));
  ASSERT_EQ(corrected.waiting, std::vector<ChannelId>{channel});
  const auto loaded = must(desk->await<Loaded>([&](auto done) { desk->desk.load(made.id, done); }));
  Bytes said;
  for (const auto& [id, act] : loaded.acts)
    if (id == corrected.id) said = must(protocol::encode_report(act));
  ngo.replica().home_confirmed_by(region.node());
  const protocol::FeedItem item{protocol::FeedKind::kReport, said};
  must(ngo.replica().append(channel, std::span(&item, 1), nullptr));
  ngo.store.sync();
  confirm();
  EXPECT_TRUE(users->waiting().empty()) << "it waits no more";
  EXPECT_EQ(ngo.texts(channel).size(), 2u) << "a report, and its correction once";
}

TEST_F(HomeDesk, rule_21_what_needs_a_second_person_waits_for_both) {
  begin({Tlp::kAmber, Severity::kSevere});
  doubt();
  Report severe = incident("severe");
  severe.severity = Severity::kExtreme;
  const auto first = must(desk->create(severe, channel));
  EXPECT_FALSE(first.until_home);
  const auto mild = must(desk->create(incident("mild"), channel));
  EXPECT_TRUE(mild.until_home);
  EXPECT_FALSE(must(correct(mild.id, R"({"severity":"Extreme","title":"not mild"})")).until_home);
  confirm();
  EXPECT_EQ(desk->titles(channel), std::vector<std::string>{});
  EXPECT_EQ(users->waiting().size(), 2u);
  EXPECT_EQ(release(first.id), "same_person");
}

TEST_F(HomeDesk, rule_21_others_than_those_who_were_shown_do_not_read_it_without_a_person) {
  begin();
  doubt();
  const auto made = must(desk->create(incident("for those two"), channel));
  settle();
  users.reset();
  desk.reset();
  ngo.replica().home_confirmed_by(region.node());
  ngo.store.sync();
  Party bureau{"Bureau", 4, clock};
  test::join(ngo, channel, bureau);
  desk = std::make_unique<DeskWorld>(ngo, clock);
  begin();
  confirm();
  EXPECT_EQ(desk->titles(channel), std::vector<std::string>{});
  ASSERT_EQ(users->waiting().size(), 1u);
  ASSERT_EQ(desk->desk.home_warnings().size(), 1u);
  EXPECT_NE(desk->desk.home_warnings()[0].find("other organisations read there"), std::string::npos);
  EXPECT_FALSE(desk->desk.home_sends_again()) << "that is for a person";
  EXPECT_EQ(release(made.id), "readers_changed");
  EXPECT_EQ(release(made.id, {{}, to_hex(desk->desk.readers_hash({channel}).view())}), "ok") << "nobody else is needed";
  EXPECT_EQ(desk->titles(channel), std::vector<std::string>{"for those two"});
  EXPECT_TRUE(desk->desk.home_warnings().empty());
}

}  // namespace
}  // namespace tocsin::desk
