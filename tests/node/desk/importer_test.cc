// Imports: all or nothing, known rows, rows that may not go, and a disk or a roster that changes in the middle.
#include "node/desk/importer.h"

#include "tests/node/desk/desk_world.h"

namespace tocsin::desk {
namespace {

struct ImporterTest : testing::Test {
  WorldClock clock;
  Party ngo{"Watch", 1, clock};
  Party region{"Region", 2, clock};
  Party gov{"Myanmar", 3, clock, protocol::OrgKind::kGovernment, "MMR"};
};

std::string row(std::string_view title, std::string_view more = {}) {
  return R"({"kind":"incident","title":")" + std::string(title) + "\"" + std::string(more) + "}\n";
}
std::vector<std::string> codes(const ImportOutcome& outcome) {
  std::vector<std::string> out;
  for (const auto& p : outcome.refused) out.push_back(std::to_string(p.line) + " " + std::string(p.code.text()));
  return out;
}

TEST_F(ImporterTest, a_second_run_adds_nothing_and_says_so) {
  DeskWorld desk(ngo, clock);
  const auto file = row("a") + row("b");
  const auto first = must(desk.import(file));
  EXPECT_EQ(first.fresh, 2u);
  const auto newest = ngo.replica().newest_arrival();
  const auto second = must(desk.import(file));
  EXPECT_EQ(second.fresh, 0u);
  EXPECT_EQ(second.known, 2u);
  EXPECT_TRUE(second.done);
  EXPECT_EQ(ngo.replica().newest_arrival(), newest);
}

TEST_F(ImporterTest, one_bad_row_keeps_all_out_unless_partial_is_asked_for) {
  DeskWorld desk(ngo, clock);
  const auto file = row("a") + row("b", R"(,"tlp":"purple")") + row("c");
  const auto refused = must(desk.import(file));
  EXPECT_FALSE(refused.done);
  EXPECT_EQ(codes(refused), std::vector<std::string>{"2 not_in_vocabulary"});
  EXPECT_EQ(desk.titles(), std::vector<std::string>{});
  const auto partial = must(desk.import(file, {}, true));
  EXPECT_TRUE(partial.done);
  EXPECT_EQ(partial.fresh, 2u);
  EXPECT_EQ(desk.titles(), (std::vector<std::string>{"a", "c"}));
}

TEST_F(ImporterTest, rows_that_may_not_go_to_others_are_refused_by_their_place) {
  const auto channel = test::make_channel(ngo, {&gov});
  DeskWorld desk(ngo, clock);
  const auto file = row("goes") + row("draft", R"(,"status":"Draft")") + row("strict", R"(,"tlp":"AMBER+STRICT")") +
                    row("named", R"(,"place":{"iso3":"MMR"})");
  const std::vector<std::string> expected{"2 draft_stays", "3 marking_stays", "4 government_named"};
  const auto refused = must(desk.import(file, channel));
  EXPECT_FALSE(refused.done);
  EXPECT_EQ(codes(refused), expected);
  EXPECT_EQ(refused.refused_count, 3u);
  ASSERT_EQ(refused.governments.size(), 1u);
  EXPECT_EQ(refused.governments[0].name, "Myanmar");
  EXPECT_EQ(refused.fresh, 0u) << "nothing is in";
  EXPECT_EQ(desk.titles(), std::vector<std::string>{});
  const auto partial = must(desk.import(file, channel, true));
  EXPECT_EQ(codes(partial), expected);
  EXPECT_EQ(desk.titles(channel), std::vector<std::string>{"goes"});
  EXPECT_EQ(must(desk.import(file)).fresh, 3u) << "for oneself all of them may go; one is known from the channel";
}

TEST_F(ImporterTest, what_is_known_from_another_channel_is_shared_with_its_corrections_and_asks_like_any_sharing) {
  const auto wide = test::make_channel(ngo, {&gov}), narrow = test::make_channel(ngo, {&region});
  DeskWorld desk(ngo, clock);
  const auto file = row("first", R"(,"place":{"iso3":"MMR"},"provenance":{"publisher":"P","row_id":"1"})");
  must(desk.import(file));
  const auto again = must(desk.import(file, narrow));
  EXPECT_EQ(again.fresh, 0u);
  EXPECT_EQ(again.known, 1u);
  EXPECT_EQ(again.shared, 1u);
  const auto refused = must(desk.import(file, wide));
  EXPECT_FALSE(refused.done);
  EXPECT_EQ(codes(refused), std::vector<std::string>{"1 government_named"});
  EXPECT_EQ(desk.titles(wide), std::vector<std::string>{});
  EXPECT_EQ(desk.titles(narrow), std::vector<std::string>{"first"});
}

TEST_F(ImporterTest, a_changed_row_becomes_a_correction) {
  DeskWorld desk(ngo, clock);
  const auto named = [](std::string_view title) {
    return row(title, R"(,"provenance":{"publisher":"P","row_id":"1"})");
  };
  must(desk.import(named("first")));
  const auto second = must(desk.import(named("second")));
  EXPECT_EQ(second.corrected, 1u);
  EXPECT_EQ(second.fresh, 0u);
  EXPECT_EQ(desk.titles(), std::vector<std::string>{"second"});
}

TEST_F(ImporterTest, a_dry_run_counts_and_writes_nothing) {
  DeskWorld desk(ngo, clock);
  const auto newest = ngo.replica().newest_arrival();
  EXPECT_EQ(must(desk.import(row("a") + row("b"), {}, false, true)).fresh, 2u);
  EXPECT_EQ(ngo.replica().newest_arrival(), newest);
}

TEST_F(ImporterTest, one_import_at_a_time_and_none_after_the_end) {
  DeskWorld desk(ngo, clock);
  std::optional<Result<ImportOutcome>> first;
  desk.importer.run(DeskWorld::import_request(row("a"), {}), std::make_shared<ImportProgress>(),
                    [&](Result<ImportOutcome> outcome) { first = std::move(outcome); });
  EXPECT_EQ(code_of(desk.import(row("b"))), "busy");
  desk.run_until([&] { return first.has_value(); });
  EXPECT_EQ(code_of(*first), "ok");
  EXPECT_EQ(code_of(desk.import(row("b"))), "ok");
  desk.importer.stop();
  EXPECT_EQ(code_of(desk.import(row("c"))), "stopping");
}

TEST_F(ImporterTest, a_disk_that_fails_before_anything_is_in_is_a_failure_as_a_whole) {
  DeskWorld desk(ngo, clock);
  ngo.store.set_disk_full(true);
  EXPECT_NE(code_of(desk.import(row("a"))), "ok");
  ngo.store.set_disk_full(false);
  EXPECT_EQ(desk.titles(), std::vector<std::string>{});
}

// More rows than one durable batch holds.
struct LongImport : ImporterTest {
  ChannelId channel = test::make_channel(ngo, {&region});
  DeskWorld desk{ngo, clock};
  std::string file;
  std::shared_ptr<ImportProgress> progress = std::make_shared<ImportProgress>();
  std::optional<Result<ImportOutcome>> outcome;

  void run_to_the_second_batch() {
    for (std::size_t i = 0; i < kImportBatchRowsMax + 5; ++i) file += row(std::to_string(i));
    desk.importer.run(DeskWorld::import_request(file, channel), progress,
                      [this](Result<ImportOutcome> result) { outcome = std::move(result); });
    const auto before = ngo.replica().newest_arrival();
    desk.run_until([&] { return ngo.replica().newest_arrival().value >= before.value + kImportBatchRowsMax; });
  }
  ImportOutcome end() {
    desk.run_until([&] { return outcome.has_value(); });
    return must(std::move(*outcome));
  }
};

TEST_F(LongImport, a_disk_that_fails_between_two_batches_leaves_the_first_and_the_rest_comes_with_the_next_run) {
  run_to_the_second_batch();
  ngo.store.set_disk_full(true);
  const auto cut = end();
  ASSERT_TRUE(cut.cut_short);
  EXPECT_EQ(cut.fresh, kImportBatchRowsMax);
  ngo.store.set_disk_full(false);
  const auto rest = must(desk.import(file, channel));
  EXPECT_EQ(rest.fresh, 5u);
  EXPECT_EQ(rest.known, kImportBatchRowsMax);
}

TEST_F(LongImport, rule_53_who_joins_between_two_batches_gets_nothing_that_nobody_was_asked_about) {
  run_to_the_second_batch();
  test::join(ngo, channel, gov);
  const auto cut = end();
  ASSERT_TRUE(cut.cut_short);
  EXPECT_EQ(cut.cut_short->code, kReadersChanged);
  EXPECT_EQ(cut.fresh, kImportBatchRowsMax);
}

}  // namespace
}  // namespace tocsin::desk
