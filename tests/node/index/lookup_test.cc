// One report by the beginning of its id, and rows of imports known again.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "node/index/projection.h"
#include "tests/node/index/world.h"

namespace tocsin::index::test {
namespace {

using namespace protocol;

TEST(Resolve, finds_by_eight_digits_or_more) {
  World world;
  const auto channel = world.channel(1);
  std::vector<ReportId> written;
  for (int i = 0; i < 50; ++i) written.push_back(world.add(channel, world.blank(1)));
  auto index = world.make_index();
  world.feed_all(*index);
  for (const ReportId& id : written) {
    const std::string hex = to_hex(id.view());
    for (std::size_t digits = 8; digits <= 64; ++digits) {
      EXPECT_EQ(must(index->resolve(hex.substr(0, digits))), id);
    }
  }
  const std::string hex = to_hex(written[0].view());
  EXPECT_EQ(code_of(index->resolve(hex.substr(0, 7))), "id_too_short");
  EXPECT_EQ(code_of(index->resolve("")), "id_too_short");
  EXPECT_EQ(code_of(index->resolve(hex + "0")), "bad_id");
  EXPECT_EQ(code_of(index->resolve("0123456g")), "bad_id");
  EXPECT_EQ(code_of(index->resolve("00000000")), "unknown_report");
  EXPECT_EQ(code_of(index->resolve("ffffffffffffffffff")), "unknown_report");
  EXPECT_EQ(code_of(index->find(make_id<ReportId>(1, 2))), "unknown_report");
  EXPECT_EQ(code_of(index->history(make_id<ReportId>(1, 2))), "unknown_report");
}

RC_GTEST_PROP(ResolveProperty, numbers_of_ids_are_in_the_order_of_their_bytes, ()) {
  const auto bytes = rc::gen::container<Bytes>(32, rc::gen::arbitrary<std::uint8_t>());
  const Bytes a = *bytes, b = *bytes;
  const Bytes a8(a.begin(), a.begin() + 8), b8(b.begin(), b.begin() + 8);
  RC_ASSERT((id_prefix(a) < id_prefix(b)) == (a8 < b8));
}

TEST(Countries, pack_and_unpack) {
  for (const char* code : {"AAA", "MMR", "BGD", "ZZZ", "XKX"}) EXPECT_EQ(unpack_country(pack_country(code)), code);
  EXPECT_EQ(pack_country(""), 0);
  EXPECT_EQ(pack_country("mmr"), 0);
  EXPECT_EQ(pack_country("MMRX"), 0);
  EXPECT_EQ(unpack_country(0), "");
}

struct Import {
  World world;
  ChannelId channel = world.channel(1);
  std::unique_ptr<Index> index = world.make_index();

  Report row(std::uint32_t author, const std::string& row_id, const std::string& title) {
    Report out = world.blank(author);
    out.title = title;
    Provenance provenance;
    provenance.publisher = "UCDP GED";
    provenance.dataset = "GED 19.1";
    provenance.row_id = row_id;
    out.provenance = provenance;
    return out;
  }
  static RowQuestion question(const Report& report) {
    return {exchange::row_key(report, {}), must(exchange::import_digest(report))};
  }
  std::vector<RowMatch> ask(const std::vector<RowQuestion>& questions) {
    world.feed_all(*index);
    return must(index->known_rows(questions));
  }
};

TEST(KnownRows, a_row_is_known_by_publisher_and_id_and_compared_by_content) {
  Import import;
  const Report first = import.row(1, "100", "one dead");
  const ReportId id = import.world.add(import.channel, first);
  import.world.add(import.channel, import.row(1, "101", "two dead"));
  Report again = import.row(1, "100", "one dead");  // another salt and time, the same words
  const Report changed = import.row(1, "100", "three dead");
  const Report fresh = import.row(1, "999", "one dead");
  const auto matches = import.ask({Import::question(again), Import::question(changed), Import::question(fresh)});
  ASSERT_EQ(matches.size(), 2u);
  EXPECT_EQ(matches[0].question, 0u);
  EXPECT_EQ(matches[0].report, id);
  EXPECT_EQ(matches[0].author, org(1));
  EXPECT_TRUE(matches[0].same_content);
  EXPECT_FALSE(matches[0].withdrawn);
  EXPECT_EQ(matches[0].channels, std::vector<ChannelId>{import.channel});
  EXPECT_EQ(matches[1].question, 1u);
  EXPECT_FALSE(matches[1].same_content);
}

TEST(KnownRows, a_corrected_row_compares_with_its_correction) {
  Import import;
  const Report first = import.row(1, "100", "one dead");
  const ReportId id = import.world.add(import.channel, first);
  const Report better = import.row(1, "100", "three dead");
  import.world.add(import.channel, import.world.correction(1, id, better));
  const auto matches = import.ask({Import::question(first), Import::question(better)});
  ASSERT_EQ(matches.size(), 2u);
  EXPECT_FALSE(matches[0].same_content);
  EXPECT_TRUE(matches[1].same_content);
}

TEST(KnownRows, tells_whose_row_it_is_and_whether_it_was_withdrawn) {
  Import import;
  const ReportId mine = import.world.add(import.channel, import.row(1, "100", "one dead"));
  const ReportId theirs = import.world.add(import.channel, import.row(2, "100", "one dead"));
  import.world.add(import.channel, import.world.withdrawal(2, theirs));
  const auto matches = import.ask({Import::question(import.row(1, "100", "one dead"))});
  ASSERT_EQ(matches.size(), 2u);
  EXPECT_EQ(matches[0].report, mine);
  EXPECT_FALSE(matches[0].withdrawn);
  EXPECT_EQ(matches[1].author, org(2));
  EXPECT_TRUE(matches[1].withdrawn);
}

TEST(KnownRows, a_report_of_our_own_is_known_by_its_id) {
  Import import;
  Report report = import.world.blank(1);
  report.title = "written by hand";
  const ReportId id = import.world.add(import.channel, report);
  const auto matches = import.ask({{exchange::row_key(report, id), must(exchange::import_digest(report))}});
  ASSERT_EQ(matches.size(), 1u);
  EXPECT_EQ(matches[0].report, id);
  EXPECT_TRUE(matches[0].same_content);
}

TEST(KnownRows, publisher_and_id_do_not_run_together) {
  EXPECT_NE(origin_key({"ab", "c"}), origin_key({"a", "bc"}));
  Import import;
  EXPECT_EQ(code_of(import.index->known_rows(std::vector<RowQuestion>(kRowKeysMax + 1))), "too_many");
}

}  // namespace
}  // namespace tocsin::index::test
