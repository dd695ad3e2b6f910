// Free text: what is found, and that nothing typed is ever an operator.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/node/index/world.h"

namespace tocsin::index::test {
namespace {

using namespace protocol;

struct Shelf {
  World world;
  ChannelId channel = world.channel(1);
  std::unique_ptr<Index> index = world.make_index();

  ReportId add(const std::string& title, const std::string& text = "") {
    Report report = world.blank(1);
    report.title = title;
    report.text = text;
    const ReportId id = world.add(channel, report);
    world.feed_all(*index);
    return id;
  }
  std::vector<std::string> search(const std::string& text) {
    ReportQuery query;
    query.text = text;
    return titles(must(index->list(query)));
  }
  std::string code(const std::string& text) {
    ReportQuery query;
    query.text = text;
    return code_of(index->list(query));
  }
};

using Titles = std::vector<std::string>;

TEST(Words, finds_by_words_of_title_text_place_and_actors) {
  World world;
  const auto channel = world.channel(1);
  Report report = world.blank(1);
  report.title = "Clash";
  report.text = "Mortar fire at dawn";
  Place place;
  place.iso3 = "BGD";
  place.name = "Teknaf Upazila";
  report.places.push_back(place);
  IncidentDetails details;
  details.actors.push_back({"Arakan Army", ActorRole::kSideA});
  report.details = details;
  world.add(channel, report);
  auto index = world.make_index();
  world.feed_all(*index);
  for (const char* text : {"clash", "MORTAR", "dawn fire", "teknaf", "arakan", "Bangladesh", "upaz"}) {
    ReportQuery query;
    query.text = text;
    EXPECT_EQ(must(index->count(query)), 1u) << text;
  }
  ReportQuery query;
  query.text = "mortar dusk";
  EXPECT_EQ(must(index->count(query)), 0u);
}

TEST(Words, the_last_word_may_be_cut_short_and_no_other) {
  Shelf shelf;
  shelf.add("massacre in the market");
  EXPECT_EQ(shelf.search("mass"), Titles{"massacre in the market"});
  EXPECT_EQ(shelf.search("mark mass"), Titles{});
  EXPECT_EQ(shelf.search("massacre mark"), Titles{"massacre in the market"});
  EXPECT_EQ(shelf.search("mass "), Titles{});  // a finished word
  EXPECT_EQ(shelf.search("ma"), Titles{});     // would match half of everything
}

TEST(Words, case_accents_and_punctuation_do_not_count) {
  Shelf shelf;
  shelf.add("Évacuation forcée à Bétou, Cox's Bazar");
  for (const char* text : {"evacuation", "FORCÉE", "betou", "cox's bazar", "Cox’s-Bazar!"}) {
    EXPECT_EQ(shelf.search(text).size(), 1u) << text;
  }
}

TEST(Words, words_of_other_scripts_are_whole) {
  Shelf shelf;
  shelf.add("রোহিঙ্গা শিবির");
  shelf.add("لاجئين في المخيم");
  shelf.add("လူမျိုး သတ်ဖြတ်မှု");
  shelf.add("насилие");
  EXPECT_EQ(shelf.search("রোহিঙ্গা"), Titles{"রোহিঙ্গা শিবির"});
  EXPECT_EQ(shelf.search("শিবির"), Titles{"রোহিঙ্গা শিবির"});
  EXPECT_EQ(shelf.search("হ "), Titles{});  // a letter out of the middle of a word is no word
  EXPECT_EQ(shelf.search("المخيم"), Titles{"لاجئين في المخيم"});
  EXPECT_EQ(shelf.search("သတ်ဖြတ်မှု"), Titles{"လူမျိုး သတ်ဖြတ်မှု"});
  EXPECT_EQ(shelf.search("НАСИЛИЕ"), Titles{"насилие"});
}

TEST(Words, operators_of_the_search_engine_are_words) {
  Shelf shelf;
  shelf.add("alpha beta");
  shelf.add("and or not near");
  const Titles both{"and or not near", "alpha beta"};
  for (const char* text : {"alpha OR gamma", "alpha NOT beta", "NEAR(alpha beta)", "alpha AND nothing"}) {
    EXPECT_EQ(shelf.search(text), Titles{}) << text;
  }
  EXPECT_EQ(shelf.search("AND OR NOT NEAR"), Titles{"and or not near"});
  for (const char* text : {"\"alpha", "alpha\"", "alpha*", "^alpha", "body:alpha", "{body}:alpha", "alpha + beta",
                           "alpha); DROP TABLE report; --", "-alpha", "(alpha", "alpha' OR '1'='1", "*", "\"\"", "^",
                           "body : alpha", "alpha\"\"beta", "\" OR 1=1 --"}) {
    const std::string code = shelf.code(text);
    EXPECT_TRUE(code == "ok" || code == "query_empty") << text << ": " << code;
  }
  EXPECT_EQ(shelf.search("\"alpha\""), Titles{"alpha beta"});
  EXPECT_EQ(must(shelf.index->count({})), 2u);
}

TEST(Words, a_text_without_words_or_with_too_many_is_refused) {
  Shelf shelf;
  EXPECT_EQ(shelf.code("  ,;-- "), "query_empty");
  EXPECT_EQ(shelf.code(std::string(kQueryBytesMax + 1, 'a')), "query_too_long");
  std::string many;
  for (std::size_t i = 0; i < kQueryWordsMax; ++i) many += "w" + std::to_string(i) + " ";
  EXPECT_EQ(shelf.code(many), "ok");
  EXPECT_EQ(shelf.code(many + "more"), "query_too_long");
}

RC_GTEST_PROP(WordsProperty, any_bytes_at_all_are_a_question_or_a_caller_error, ()) {
  static Shelf& shelf = *new Shelf;
  if (must(shelf.index->stats()).reports == 0) shelf.add("alpha beta gamma");
  const auto bytes = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
      {{3, rc::gen::elementOf(std::string("\"*^:(){}+-, 'ANDORNOTNEAR"))}, {1, rc::gen::arbitrary<char>()}}));
  ReportQuery query;
  query.text = bytes;
  const auto page = shelf.index->list(query);
  if (!page) RC_ASSERT((page.error().origin == Origin::kCaller));
  RC_ASSERT((must(shelf.index->count({})) == 1u));
}

TEST(Words, a_corrected_report_is_found_by_its_correction_alone) {
  Shelf shelf;
  const ReportId id = shelf.add("twelve dead", "early count");
  Report better = shelf.world.blank(1);
  better.title = "nineteen dead";
  const ReportId correction = shelf.world.add(shelf.channel, shelf.world.correction(1, id, better));
  shelf.world.feed_all(*shelf.index);
  EXPECT_EQ(shelf.search("twelve"), Titles{});
  EXPECT_EQ(shelf.search("early count"), Titles{});
  EXPECT_EQ(shelf.search("nineteen"), Titles{"nineteen dead"});
  ReportQuery query;
  query.text = "nineteen";
  EXPECT_EQ(ids(must(shelf.index->list(query))), std::vector<ReportId>{id});
  EXPECT_EQ(must(shelf.index->count(query)), 1u);
  // The correction taken back: as before.
  shelf.world.add(shelf.channel, shelf.world.withdrawal(1, correction));
  shelf.world.feed_all(*shelf.index);
  EXPECT_EQ(shelf.search("nineteen"), Titles{});
  EXPECT_EQ(shelf.search("twelve"), Titles{"twelve dead"});
}

TEST(Words, a_withdrawn_report_is_listed_with_the_reason_and_not_found_by_words) {
  Shelf shelf;
  const ReportId id = shelf.add("rumour of an attack");
  shelf.world.add(shelf.channel, shelf.world.withdrawal(1, id, "it was a film set"));
  shelf.world.feed_all(*shelf.index);
  EXPECT_EQ(shelf.search("rumour"), Titles{});
  EXPECT_EQ(shelf.search("film"), Titles{});
  ReportQuery query;
  query.state = StateFilter::kWithdrawn;
  const ReportPage page = must(shelf.index->list(query));
  ASSERT_EQ(page.rows.size(), 1u);
  EXPECT_EQ(page.rows[0].id, id);
  EXPECT_TRUE(page.rows[0].standing.withdrawn);
  EXPECT_EQ(page.rows[0].standing.withdrawal_reason, "it was a film set");
  EXPECT_EQ(must(shelf.index->count({})), 1u);
}

TEST(Words, pages_of_a_search_hold_own_and_corrected_texts_in_one_order) {
  Shelf shelf;
  std::vector<ReportId> expected;
  for (int i = 0; i < 30; ++i) {
    const ReportId id = shelf.add(i % 3 == 0 ? "other words" : "drought " + std::to_string(i));
    if (i % 3 == 0) {
      Report better = shelf.world.blank(1);
      better.title = "drought after all " + std::to_string(i);
      shelf.world.add(shelf.channel, shelf.world.correction(1, id, better));
      shelf.world.feed_all(*shelf.index);
    }
    expected.insert(expected.begin(), id);
  }
  for (const Order order : {Order::kNewestFirst, Order::kOldestFirst}) {
    ReportQuery query;
    query.text = "drought";
    query.limit = 7;
    query.order = order;
    std::vector<ReportId> got;
    do {
      const ReportPage page = must(shelf.index->list(query));
      for (const ReportId& id : ids(page)) got.push_back(id);
      query.after = page.next;
    } while (!query.after.empty());
    EXPECT_EQ(got, expected);
    std::reverse(expected.begin(), expected.end());
  }
  ReportQuery query;
  query.text = "drought";
  EXPECT_EQ(must(shelf.index->count(query)), 30u);
}

}  // namespace
}  // namespace tocsin::index::test
