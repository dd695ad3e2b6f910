#include "node/reports/vocab.h"

#include <capnp/schema.h>
#include <gtest/gtest.h>

#include <set>

#include "protocol/report.capnp.h"

namespace tocsin::tests {
namespace {

using namespace protocol;
using namespace reports;

// "AMBER+STRICT", "one-sided", "almost no chance" and "oneSided" alike: letters and digits, small.
std::string bare(std::string_view text) {
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c)) out += static_cast<char>(std::tolower(c));
  }
  return out;
}

template <class Enum>
std::string matches(const char* file) {
  const auto enumerants = capnp::Schema::from<Enum>().getEnumerants();
  const Vocabulary* vocabulary = find_vocabulary(file);
  if (!vocabulary) return "no file";
  std::set<std::uint16_t> codes;
  for (const Term& term : vocabulary->terms()) codes.insert(term.code);
  if (codes.size() != vocabulary->terms().size()) return "a number twice";
  for (const auto enumerant : enumerants) {
    const auto code = enumerant.getOrdinal();
    const std::string name = bare(enumerant.getProto().getName().cStr());
    const Term* term = vocabulary->find(code);
    if (!term && code != 0) return "no word for " + name;
    static const std::set<std::string> kDigits = {"one", "two", "three", "four", "five", "six"};
    if (term && !kDigits.contains(name) && bare(term->key) != name) return name + " is " + term->key;
    codes.erase(code);
  }
  return codes.empty() ? "" : "a word without a number in the schema";
}

TEST(Vocab, every_enum_of_the_schema_has_its_words_and_none_too_many) {
  namespace s = report_schema;
  EXPECT_EQ(matches<s::Kind>("kind"), "");
  EXPECT_EQ(matches<s::Status>("status"), "");
  EXPECT_EQ(matches<s::Tlp>("tlp"), "");
  EXPECT_EQ(matches<s::Severity>("severity"), "");
  EXPECT_EQ(matches<s::Urgency>("urgency"), "");
  EXPECT_EQ(matches<s::Certainty>("certainty"), "");
  EXPECT_EQ(matches<s::Likelihood>("likelihood"), "");
  EXPECT_EQ(matches<s::Confidence>("confidence"), "");
  EXPECT_EQ(matches<s::Reliability>("reliability"), "");
  EXPECT_EQ(matches<s::Credibility>("credibility"), "");
  EXPECT_EQ(matches<s::TimePrecision>("time-precision"), "");
  EXPECT_EQ(matches<s::GeoPrecision>("geo-precision"), "");
  EXPECT_EQ(matches<s::Relation>("relation"), "");
  EXPECT_EQ(matches<s::ViolenceType>("violence-type"), "");
  EXPECT_EQ(matches<s::ActorRole>("actor-role"), "");
  EXPECT_EQ(matches<s::Trend>("trend"), "");
  EXPECT_EQ(matches<s::DisplacementCause>("displacement-cause"), "");
  EXPECT_EQ(matches<s::Movement>("movement"), "");
}

TEST(Vocab, the_constants_of_the_program_have_the_numbers_of_the_words) {
  EXPECT_EQ(key_of(ReportKind::kAcknowledge), "acknowledge");
  EXPECT_EQ(key_of(ReportKind::kAtrocitiesEstimate), "atrocities-estimate");
  EXPECT_EQ(key_of(ReportStatus::kDraft), "Draft");
  EXPECT_EQ(key_of(Tlp::kClear), "CLEAR");
  EXPECT_EQ(key_of(Severity::kExtreme), "Extreme");
  EXPECT_EQ(key_of(Urgency::kImmediate), "Immediate");
  EXPECT_EQ(key_of(Certainty::kObserved), "Observed");
  EXPECT_EQ(key_of(Likelihood::kAlmostCertain), "almost certain");
  EXPECT_EQ(key_of(Confidence::kHigh), "high");
  EXPECT_EQ(key_of(Reliability::kF), "F");
  EXPECT_EQ(key_of(Credibility::k6), "6");
  EXPECT_EQ(key_of(TimePrecision::kYear), "year");
  EXPECT_EQ(key_of(GeoPrecision::kInternational), "international");
  EXPECT_EQ(key_of(ReportRelation::kAnswers), "answers");
  EXPECT_EQ(key_of(ViolenceType::kOneSided), "one-sided");
  EXPECT_EQ(key_of(ActorRole::kVictim), "victim");
  EXPECT_EQ(key_of(Trend::kWorsening), "worsening");
  EXPECT_EQ(key_of(DisplacementCause::kOther), "other");
  EXPECT_EQ(key_of(Movement::kRelocation), "relocation");
}

TEST(Vocab, every_vocabulary_says_where_it_comes_from) {
  EXPECT_GE(vocabularies().size(), 19u);
  for (const Vocabulary* vocabulary : vocabularies()) {
    EXPECT_FALSE(vocabulary->source().empty()) << vocabulary->name();
    EXPECT_FALSE(vocabulary->licence().empty()) << vocabulary->name();
    EXPECT_FALSE(vocabulary->terms().empty()) << vocabulary->name();
    for (const Term& term : vocabulary->terms()) EXPECT_EQ(vocabulary->find(term.key), &term) << term.key;
  }
}

TEST(Vocab, words_are_found_as_people_write_them) {
  EXPECT_EQ(parse_key<Tlp>("TLP:GREEN"), Tlp::kGreen);
  EXPECT_EQ(parse_key<Tlp>("amber+strict"), Tlp::kAmberStrict);
  EXPECT_EQ(parse_key<Severity>("severe"), Severity::kSevere);
  EXPECT_EQ(parse_key<ReportKind>("alert"), ReportKind::kAlert);
  EXPECT_EQ(parse_key<ReportKind>("alarm"), std::nullopt);
  EXPECT_EQ(parse_key<ReportKind>(""), std::nullopt);
}

TEST(Vocab, ranks_follow_gravity_and_unknown_may_hide_anything) {
  EXPECT_GT(rank_of(Severity::kExtreme), rank_of(Severity::kSevere));
  EXPECT_GT(rank_of(Severity::kUnknown), rank_of(Severity::kMinor));
  EXPECT_LT(rank_of(Severity::kUnknown), rank_of(Severity::kModerate));
  EXPECT_EQ(rank_of(static_cast<Severity>(99)), rank_of(Severity::kUnknown));
  EXPECT_LT(rank_of(Tlp::kRed), rank_of(Tlp::kClear));
}

TEST(Vocab, indicators_are_factor_and_number) {
  EXPECT_EQ(parse_indicator("8.3"), (RiskIndicator{8, 3}));
  EXPECT_EQ(to_string(RiskIndicator{14, 9}), "14.9");
  for (const char* bad : {"", "8", "8.", ".3", "0.1", "8.0", "15.1", "8.100", "8.3.1", "a.b", "08.1", "8,3"}) {
    EXPECT_FALSE(parse_indicator(bad)) << bad;
  }
}

TEST(Vocab, countries_are_found_as_people_type_them) {
  ASSERT_TRUE(parse_country("Myanmar"));
  for (const char* name : {"MMR", "mmr", "MM", "104", "myanmar"})
    EXPECT_EQ(parse_country(name), find_country("MMR")) << name;
  EXPECT_EQ(parse_country("NA")->iso3, "NAM");  // not "not available"
  EXPECT_FALSE(parse_country("Atlantis"));
  EXPECT_FALSE(parse_country(""));
  EXPECT_FALSE(find_country("104"));
}

TEST(Vocab, gleditsch_ward_numbers_lead_to_countries) {
  EXPECT_GT(gw_states().size(), 190u);
  std::set<int> numbers;
  for (const GwState& state : gw_states()) {
    EXPECT_TRUE(numbers.insert(state.number).second) << state.number;
    EXPECT_TRUE(find_country(state.iso3)) << state.iso3;
  }
  EXPECT_EQ(find_gw_state(775)->iso3, "MMR");
  EXPECT_EQ(find_gw_state(771)->iso3, "BGD");
  EXPECT_EQ(find_gw_state(678)->iso3, "YEM");
  EXPECT_EQ(find_gw_state(517)->iso3, "RWA");
  EXPECT_FALSE(find_gw_state(1));
}

}  // namespace
}  // namespace tocsin::tests
