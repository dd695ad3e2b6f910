#include "node/reports/vocab.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "node/reports/vocab_data.h"

namespace tocsin::reports {
namespace {

using nlohmann::json;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

Vocabulary read_vocabulary(const json& file) {
  std::vector<Term> terms;
  for (const auto& entry : file.at("terms")) {
    Term term;
    term.code = entry.at("code").get<std::uint16_t>();
    term.key = entry.at("key").get<std::string>();
    term.label = entry.at("label").get<std::string>();
    term.definition = entry.value("definition", "");
    term.rank = entry.value("rank", 0);
    term.group = entry.value("group", "");
    terms.push_back(std::move(term));
  }
  return {file.at("vocabulary").get<std::string>(), file.at("title").get<std::string>(),
          file.at("source").get<std::string>(), file.at("licence").get<std::string>(), std::move(terms)};
}

struct Tables {
  std::map<std::string, Vocabulary, std::less<>> vocabularies;
  std::vector<Country> countries;
  std::unordered_map<std::string, std::size_t> country_by_name;  // iso3, iso2, numeric and name, in lower case
  std::vector<GwState> gw_states;                                // by number

  Tables() {
    for (const VocabFile& source : vocab_files()) {
      const json file = json::parse(source.contents);
      if (file.contains("terms")) vocabularies.emplace(std::string(source.name), read_vocabulary(file));
      if (file.contains("countries")) read_countries(file.at("countries"));
      if (file.contains("states")) read_states(file.at("states"));
    }
  }

  void read_countries(const json& list) {
    for (const auto& entry : list) {
      Country country;
      country.iso3 = entry.at("iso3").get<std::string>();
      country.iso2 = entry.at("iso2").get<std::string>();
      country.numeric = entry.at("numeric").get<int>();
      country.name = entry.at("name").get<std::string>();
      country.region = entry.at("region").get<std::string>();
      country.subregion = entry.at("subregion").get<std::string>();
      country.user_assigned = entry.value("user_assigned", false);
      const std::size_t index = countries.size();
      for (const auto& name : {country.iso3, country.iso2, country.name}) country_by_name.emplace(lower(name), index);
      if (country.numeric > 0) country_by_name.emplace(std::to_string(country.numeric), index);
      countries.push_back(std::move(country));
    }
  }

  void read_states(const json& list) {
    for (const auto& entry : list) {
      gw_states.push_back(
          {entry.at("number").get<int>(), entry.at("name").get<std::string>(), entry.at("iso3").get<std::string>()});
    }
    std::sort(gw_states.begin(), gw_states.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  }
};

// The files are part of the program and read by the tests: a fault in them cannot reach a user, so nothing is caught
// here.
const Tables& tables() {
  static const Tables kTables;
  return kTables;
}

const Vocabulary& known(std::string_view name) {
  const Vocabulary* vocabulary = find_vocabulary(name);
  if (!vocabulary) std::abort();  // the build left a file out
  return *vocabulary;
}

}  // namespace

Vocabulary::Vocabulary(std::string name, std::string title, std::string source, std::string licence,
                       std::vector<Term> terms)
    : name_(std::move(name)),
      title_(std::move(title)),
      source_(std::move(source)),
      licence_(std::move(licence)),
      terms_(std::move(terms)) {}

const Term* Vocabulary::find(std::uint16_t code) const {
  for (const Term& term : terms_) {
    if (term.code == code) return &term;
  }
  return nullptr;
}

const Term* Vocabulary::find(std::string_view key) const {
  const std::string wanted = lower(key);
  for (const Term& term : terms_) {
    if (lower(term.key) == wanted || lower(term.label) == wanted) return &term;
  }
  return nullptr;
}

std::string Vocabulary::choices() const {
  std::string out;
  for (const Term& term : terms_) {
    if (!out.empty()) out += ", ";
    out += term.key;
  }
  return out;
}

std::vector<const Vocabulary*> vocabularies() {
  std::vector<const Vocabulary*> out;
  for (const auto& [name, vocabulary] : tables().vocabularies) out.push_back(&vocabulary);
  return out;
}

const Vocabulary* find_vocabulary(std::string_view name) {
  const auto& all = tables().vocabularies;
  const auto found = all.find(name);
  return found == all.end() ? nullptr : &found->second;
}

#define TOCSIN_VOCABULARY(Enum, file)                   \
  template <>                                           \
  const Vocabulary& vocabulary_of<protocol::Enum>() {   \
    static const Vocabulary& kVocabulary = known(file); \
    return kVocabulary;                                 \
  }
TOCSIN_VOCABULARY(ReportKind, "kind")
TOCSIN_VOCABULARY(ReportStatus, "status")
TOCSIN_VOCABULARY(Tlp, "tlp")
TOCSIN_VOCABULARY(Severity, "severity")
TOCSIN_VOCABULARY(Urgency, "urgency")
TOCSIN_VOCABULARY(Certainty, "certainty")
TOCSIN_VOCABULARY(Likelihood, "likelihood")
TOCSIN_VOCABULARY(Confidence, "confidence")
TOCSIN_VOCABULARY(Reliability, "reliability")
TOCSIN_VOCABULARY(Credibility, "credibility")
TOCSIN_VOCABULARY(TimePrecision, "time-precision")
TOCSIN_VOCABULARY(GeoPrecision, "geo-precision")
TOCSIN_VOCABULARY(ReportRelation, "relation")
TOCSIN_VOCABULARY(ViolenceType, "violence-type")
TOCSIN_VOCABULARY(ActorRole, "actor-role")
TOCSIN_VOCABULARY(Trend, "trend")
TOCSIN_VOCABULARY(DisplacementCause, "displacement-cause")
TOCSIN_VOCABULARY(Movement, "movement")
#undef TOCSIN_VOCABULARY

std::optional<protocol::RiskIndicator> parse_indicator(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view part) -> int {
    if (part.empty() || part.size() > 2 || part[0] == '0') return 0;
    int value = 0;
    for (char c : part) {
      if (c < '0' || c > '9') return 0;
      value = value * 10 + (c - '0');
    }
    return value;
  };
  const int factor = number(text.substr(0, dot)), index = number(text.substr(dot + 1));
  if (factor == 0 || index == 0 || !known("risk-factor").find(static_cast<std::uint16_t>(factor))) return std::nullopt;
  return protocol::RiskIndicator{static_cast<std::uint8_t>(factor), static_cast<std::uint8_t>(index)};
}

std::string to_string(protocol::RiskIndicator indicator) {
  return std::to_string(indicator.factor) + "." + std::to_string(indicator.number);
}

std::span<const Country> countries() { return tables().countries; }

const Country* parse_country(std::string_view text) {
  const auto& names = tables().country_by_name;
  const auto found = names.find(lower(text));
  return found == names.end() ? nullptr : &tables().countries[found->second];
}

const Country* find_country(std::string_view iso3) {
  if (iso3.size() != 3) return nullptr;
  const Country* country = parse_country(iso3);
  return country && lower(country->iso3) == lower(iso3) ? country : nullptr;
}

std::span<const GwState> gw_states() { return tables().gw_states; }

const GwState* find_gw_state(int number) {
  const auto& all = tables().gw_states;
  const auto found =
      std::lower_bound(all.begin(), all.end(), number, [](const GwState& state, int n) { return state.number < n; });
  return found != all.end() && found->number == number ? &*found : nullptr;
}

}  // namespace tocsin::reports
