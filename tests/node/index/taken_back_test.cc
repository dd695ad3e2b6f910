// What the index keeps of a report that its author took back, and what it knows of the orders (rules 25, 47).
#include <gtest/gtest.h>

#include "node/index/database.h"
#include "node/index/intake.h"
#include "node/index/schema.h"
#include "protocol/erasure.h"
#include "tests/node/index/world.h"

namespace tocsin::index::test {
namespace {

using namespace protocol;

struct TakenBackIndex : testing::Test {
  World world;
  ChannelId channel = world.channel(1);
  crypto::SigningKey key = crypto::SigningKey::generate(world.random);
  std::unique_ptr<Index> index = world.make_index();

  Report titled(std::uint32_t author, const std::string& title) {
    Report out = world.blank(author);
    out.title = title;
    Place place;
    place.iso3 = "MMR";
    out.places.push_back(place);
    return out;
  }
  // Of the report in the `number`th entry of the author's feed, by that author or another.
  Bytes order(std::uint32_t by, const ReportId& report, const ReportId& subject,
              ErasureCause cause = ErasureCause::kWithdrawn) {
    ErasureOrder out;
    out.channel = channel;
    out.org = org(by);
    out.node = table_owner(by).node;
    out.feed = table_owner(by).feed;
    out.number = {1};
    out.report = report;
    out.subject = subject;
    out.cause = cause;
    out.created = {1'700'000'000'000};
    return sign_erasure_order(out, key);
  }
  struct Owner {
    NodeId node;
    LogKey feed;
  };
  Owner table_owner(std::uint32_t by) {
    for (std::uint64_t arrival = 1; arrival <= world.newest(); ++arrival) {
      const auto chunk = world.chunk(arrival, arrival);
      const EntryView entry = chunk->entry(chunk->items[0]);
      const LogKey log = *LogKey::from(entry.header.subspan(24, 32));
      const auto owner = world.table.feed_owner(log);
      if (owner && owner->org == org(by)) return {owner->node, log};
    }
    return {};
  }
  std::vector<std::string> listed(StateFilter state = StateFilter::kAny) {
    ReportQuery query;
    query.state = state;
    return titles(must(index->list(query)));
  }
  std::uint64_t found(const std::string& text) {
    ReportQuery query;
    query.text = text;
    return must(index->count(query));
  }
};

TEST_F(TakenBackIndex, rule_47_a_bare_row_stays_and_neither_words_nor_place) {
  const ReportId id = world.add(channel, titled(1, "village burnt"));
  const ReportId other = world.add(channel, titled(1, "bridge closed"));
  const ReportId correction = world.add(channel, world.correction(1, id, titled(1, "village partly burnt")));
  world.feed_all(*index);
  world.add(channel, world.withdrawal(1, id, "untrue"));
  world.add_raw(1, channel, FeedKind::kErasureOrder, order(1, id, id));
  world.add_raw(1, channel, FeedKind::kErasureOrder, order(1, correction, id));
  must(index->take_back(*world.chunk_of({1, 3})));
  world.feed_all(*index);
  EXPECT_EQ(listed(), std::vector<std::string>{"bridge closed"});
  EXPECT_EQ(listed(StateFilter::kWithdrawn), std::vector<std::string>{""});
  EXPECT_EQ(found("burnt"), 0u);
  EXPECT_EQ(must(index->stats()).stale_words, 0u);
  const ReportRow row = must(index->find(id)).row;
  EXPECT_TRUE(row.erased);
  EXPECT_TRUE(row.standing.withdrawn);
  EXPECT_EQ(row.standing.withdrawal_reason, "untrue");
  EXPECT_EQ(row.iso3, "");
  EXPECT_EQ(code_of(index->find(correction)), "unknown_report");
  EXPECT_EQ(must(index->stats()).reports, 1u);
  const Summary summary = must(index->summary());
  EXPECT_EQ(std::pair(summary.reports, summary.withdrawn), std::pair(std::uint64_t{1}, std::uint64_t{1}));
  // The same again, once the body is gone, changes nothing.
  must(index->forget(*world.chunk_of({1}, false)));
  EXPECT_EQ(listed(StateFilter::kWithdrawn), std::vector<std::string>{""});
  EXPECT_FALSE(must(index->find(other)).row.erased);
}

TEST_F(TakenBackIndex, who_never_read_it_knows_that_it_was_withdrawn_and_nobody_withdraws_for_another) {
  World source;
  const ReportId mine = report_id(must(encode_report(titled(1, "never read here"))));
  world.add(channel, titled(1, "something"));
  world.add(channel, titled(2, "of another"));
  world.add(channel, world.withdrawal(1, mine, "untrue"));
  world.add_raw(1, channel, FeedKind::kErasureOrder, order(1, mine, mine));
  // Organisation 2 says so of a report that organisation 3 is about to write.
  Report theirs = titled(3, "a warning");
  const ReportId warning = report_id(must(encode_report(theirs)));
  world.add_raw(2, channel, FeedKind::kErasureOrder, order(2, warning, warning));
  world.feed_all(*index);
  EXPECT_TRUE(must(index->find(mine)).row.erased);
  EXPECT_EQ(must(index->find(mine)).row.standing.withdrawal_reason, "untrue");
  EXPECT_EQ(listed(), (std::vector<std::string>{"of another", "something"}));
  EXPECT_EQ(world.add(channel, theirs), warning);
  world.feed_all(*index);
  EXPECT_EQ(listed(), (std::vector<std::string>{"a warning", "of another", "something"}));
  EXPECT_FALSE(must(index->find(warning)).row.erased);
  EXPECT_TRUE(must(index->withdrawal(warning)).orders.empty()) << "its author has said nothing";
}

TEST_F(TakenBackIndex, orders_and_confirmations_are_told_by_the_report) {
  const ReportId id = world.add(channel, titled(1, "x"));
  world.add(channel, titled(2, "y"));
  const Bytes ordered = order(1, id, id, ErasureCause::kRecalled);
  world.add_raw(1, channel, FeedKind::kErasureOrder, ordered);
  const auto say = [&](std::int64_t at, ErasureOutcome outcome) {
    world.add_raw(2, channel, FeedKind::kConfirmations, encode_confirmations({{at}, {{erasure_id(ordered), outcome}}}));
  };
  say(20, ErasureOutcome::kHeld);
  say(10, ErasureOutcome::kNotHeld);  // older: it does not count
  world.feed_all(*index);
  Withdrawal said = must(index->withdrawal(id));
  ASSERT_EQ(said.orders.size(), 1u);
  EXPECT_EQ(said.orders[0].cause, ErasureCause::kRecalled);
  EXPECT_EQ(said.orders[0].id, erasure_id(ordered));
  ASSERT_EQ(said.confirmed.size(), 1u);
  EXPECT_EQ(said.confirmed[0].org, org(2));
  EXPECT_EQ(said.confirmed[0].outcome, ErasureOutcome::kHeld);
  say(30, ErasureOutcome::kErased);
  world.feed_all(*index);
  EXPECT_EQ(must(index->withdrawal(id)).confirmed[0].outcome, ErasureOutcome::kErased);
  const auto told = must(index->told({}, 10));
  EXPECT_EQ(told.entries.size(), 1u);
  EXPECT_EQ(told.next.value, 0u);
  EXPECT_FALSE(must(index->find(id)).row.erased) << "a recall leaves no bare row";
}

TEST_F(TakenBackIndex, who_repeats_what_another_took_back_does_not_bring_its_row_away) {
  const Report burnt = titled(1, "village burnt");
  const ReportId id = world.add(channel, burnt);
  world.add(channel, titled(2, "y"));
  world.feed_all(*index);
  world.add(channel, world.withdrawal(1, id, "untrue"));
  world.add_raw(1, channel, FeedKind::kErasureOrder, order(1, id, id));
  must(index->take_back(*world.chunk_of({1})));
  world.feed_all(*index);
  ASSERT_TRUE(must(index->find(id)).row.erased);
  world.add_as(2, channel, burnt);
  world.feed_all(*index);
  EXPECT_EQ(must(index->stats()).refused.at("author_mismatch"), 1u);
  EXPECT_TRUE(must(index->find(id)).row.erased);
  EXPECT_TRUE(must(index->find(id)).row.standing.withdrawn);
  EXPECT_EQ(listed(StateFilter::kWithdrawn), std::vector<std::string>{""});
}

TEST_F(TakenBackIndex, a_node_confirms_so_many_orders_that_nobody_gave) {
  const ReportId id = world.add(channel, titled(1, "x"));
  world.add(channel, titled(2, "y"));
  for (std::size_t n = 0; n <= kUnmatchedConfirmationsMax; n += kConfirmationsMax) {
    ErasureConfirmations said{{10}, {}};
    for (std::size_t i = n; i < n + kConfirmationsMax; ++i) {
      crypto::Hash order;
      store_le64(order.data(), i + 1);
      said.items.push_back({order, ErasureOutcome::kErased});
    }
    world.add_raw(2, channel, FeedKind::kConfirmations, encode_confirmations(said));
  }
  world.feed_all(*index);
  EXPECT_EQ(must(index->stats()).refused.at("too_many_confirmations"), 1u) << "the last entry, and none before";
  const Bytes ordered = order(1, id, id);
  world.add_raw(1, channel, FeedKind::kErasureOrder, ordered);
  world.add_raw(2, channel, FeedKind::kConfirmations,
                encode_confirmations({{10}, {{erasure_id(ordered), ErasureOutcome::kErased}}}));
  world.feed_all(*index);
  EXPECT_EQ(must(index->withdrawal(id)).confirmed.size(), 1u) << "of an order that is here there is always room";
}

TEST(TakenBackSchema, confirmations_are_forgotten_without_reading_all_of_them) {
  const auto db = must(Database::create(1 << 24));
  must(create_schema(*db));
  auto plan = must(db->prepare("EXPLAIN QUERY PLAN DELETE FROM confirmed WHERE arrival = 1"));
  ASSERT_TRUE(must(plan.step()));
  EXPECT_NE(plan.text(3).find("confirmed_arrival"), std::string_view::npos) << plan.text(3);
}

TEST(TakenBackSchema, rule_47_what_was_deleted_is_not_in_the_pages_that_a_snapshot_has) {
  const auto db = must(Database::create(1 << 24));
  must(db->execute("CREATE TABLE t(x); INSERT INTO t VALUES('village burnt down'); INSERT INTO t VALUES('stays')"));
  const auto holds = [&](std::string_view text) {
    const ByteView image = db->image();
    return std::string_view(reinterpret_cast<const char*>(image.data()), image.size()).find(text) !=
           std::string_view::npos;
  };
  ASSERT_TRUE(holds("village burnt down"));
  must(db->execute("DELETE FROM t WHERE x <> 'stays'"));
  EXPECT_TRUE(holds("stays"));
  EXPECT_FALSE(holds("burnt"));
}

}  // namespace
}  // namespace tocsin::index::test
