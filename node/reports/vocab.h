// The words of the domain, from protocol/vocab/*.json, which the build puts into the program. Everything here is
// read-only after the first call, and may be called from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/result.h"
#include "protocol/report.h"

namespace tocsin::reports {

struct Term {
  std::uint16_t code = 0;  // the number in report.capnp
  std::string key;    // the word in JSON, on the command line and on the screen: "Severe", "one-sided", "AMBER+STRICT"
  std::string label;  // for people: "TLP:GREEN", "Usually reliable"
  std::string definition;  // one sentence
  int rank = 0;            // for order: higher is graver, sooner, surer, wider; 0 where the vocabulary has no order
  std::string group;       // risk factors: which crime; kinds: "event", "act", "desk"; else empty
};

class Vocabulary {
 public:
  Vocabulary(std::string name, std::string title, std::string source, std::string licence, std::vector<Term> terms);
  const std::string& name() const { return name_; }  // "severity"
  const std::string& title() const { return title_; }
  const std::string& source() const { return source_; }  // where the words come from
  const std::string& licence() const { return licence_; }
  std::span<const Term> terms() const { return terms_; }
  // Null where the number or word is not in this version's file.
  const Term* find(std::uint16_t code) const;
  // Without regard to case; for TLP with or without the prefix "TLP:".
  const Term* find(std::string_view key) const;
  // "Extreme, Severe, Moderate, Minor, Unknown": for the detail of an error.
  std::string choices() const;

 private:
  std::string name_, title_, source_, licence_;
  std::vector<Term> terms_;
};

// All of them, by name.
std::vector<const Vocabulary*> vocabularies();
const Vocabulary* find_vocabulary(std::string_view name);

// The vocabulary of each enum of protocol/report.h. The risk factors have no enum: find_vocabulary("risk-factor").
template <class Enum>
const Vocabulary& vocabulary_of();
template <>
const Vocabulary& vocabulary_of<protocol::ReportKind>();
template <>
const Vocabulary& vocabulary_of<protocol::ReportStatus>();
template <>
const Vocabulary& vocabulary_of<protocol::Tlp>();
template <>
const Vocabulary& vocabulary_of<protocol::Severity>();
template <>
const Vocabulary& vocabulary_of<protocol::Urgency>();
template <>
const Vocabulary& vocabulary_of<protocol::Certainty>();
template <>
const Vocabulary& vocabulary_of<protocol::Likelihood>();
template <>
const Vocabulary& vocabulary_of<protocol::Confidence>();
template <>
const Vocabulary& vocabulary_of<protocol::Reliability>();
template <>
const Vocabulary& vocabulary_of<protocol::Credibility>();
template <>
const Vocabulary& vocabulary_of<protocol::TimePrecision>();
template <>
const Vocabulary& vocabulary_of<protocol::GeoPrecision>();
template <>
const Vocabulary& vocabulary_of<protocol::ReportRelation>();
template <>
const Vocabulary& vocabulary_of<protocol::ViolenceType>();
template <>
const Vocabulary& vocabulary_of<protocol::ActorRole>();
template <>
const Vocabulary& vocabulary_of<protocol::Trend>();
template <>
const Vocabulary& vocabulary_of<protocol::DisplacementCause>();
template <>
const Vocabulary& vocabulary_of<protocol::Movement>();

// The word for a value; "unknown" for a number that this version does not know (rule 16).
template <class Enum>
std::string_view key_of(Enum value) {
  const Term* term = vocabulary_of<Enum>().find(static_cast<std::uint16_t>(value));
  return term ? std::string_view(term->key) : std::string_view("unknown");
}
// Nothing for "not stated", unless the vocabulary has a word for it (CAP's Unknown).
template <class Enum>
std::optional<std::string> stated_key(Enum value) {
  const bool not_stated = static_cast<std::uint16_t>(value) == 0;
  if (not_stated && !vocabulary_of<Enum>().find(std::uint16_t{0})) return std::nullopt;
  return std::string(key_of(value));
}
template <class Enum>
std::string_view label_of(Enum value) {
  const Term* term = vocabulary_of<Enum>().find(static_cast<std::uint16_t>(value));
  return term ? std::string_view(term->label) : std::string_view("unknown");
}
// Order among values; that of an unknown number is that of the value "not stated".
template <class Enum>
int rank_of(Enum value) {
  const Term* term = vocabulary_of<Enum>().find(static_cast<std::uint16_t>(value));
  if (!term) term = vocabulary_of<Enum>().find(std::uint16_t{0});
  return term ? term->rank : 0;
}
template <class Enum>
std::optional<Enum> parse_key(std::string_view key) {
  const Term* term = vocabulary_of<Enum>().find(key);
  if (!term) return std::nullopt;
  return static_cast<Enum>(term->code);
}

// "n.m": factor n must be in the vocabulary risk-factor, m is 1 to 99. The Framework's own numbering of indicators is
// not checked: editions differ.
std::optional<protocol::RiskIndicator> parse_indicator(std::string_view text);
std::string to_string(protocol::RiskIndicator indicator);

struct Country {
  std::string iso3;  // ISO 3166-1 alpha-3
  std::string iso2;  // alpha-2
  int numeric = 0;   // ISO 3166-1 numeric, equal to the UN's M49 code; 0 for a user-assigned code
  std::string name;
  std::string region;  // M49, such as "Africa"; may be empty
  std::string subregion;
  bool user_assigned = false;  // not in ISO 3166-1, but in common use (XKX)
};
std::span<const Country> countries();
const Country* find_country(std::string_view iso3);  // upper or lower case
// Alpha-3, alpha-2, numeric, or the whole name without regard to case: what people type.
const Country* parse_country(std::string_view text);

struct GwState {
  int number = 0;  // Gleditsch-Ward
  std::string name;
  std::string iso3;  // today's ISO 3166-1 code of that state
};
std::span<const GwState> gw_states();
const GwState* find_gw_state(int number);

}  // namespace tocsin::reports
