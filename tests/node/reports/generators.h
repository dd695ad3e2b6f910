// Random valid reports for property tests, and one plain report for examples.
#pragma once

#include <rapidcheck.h>

#include <string>
#include <vector>

#include "node/reports/problem.h"
#include "node/reports/vocab.h"
#include "protocol/report.h"

namespace tocsin::tests {

using namespace protocol;

template <class Fixed>
Fixed filled(std::uint8_t byte) {
  Fixed out;
  for (auto& b : out.mutable_view()) b = byte;
  return out;
}

inline Report plain_report(ReportKind kind = ReportKind::kIncident) {
  Report report;
  report.salt = filled<ReportSalt>(7);
  report.kind = kind;
  report.status = ReportStatus::kActual;
  report.author = filled<OrgId>(1);
  report.created = Time{1'600'000'000'000};
  report.tlp = Tlp::kAmber;
  report.language = "en";
  report.title = "Village burnt";
  report.details = empty_details(kind);
  return report;
}

// Text of characters of one to four bytes, with what formats stumble over.
inline std::string any_text(std::size_t max_pieces, bool one_line = true) {
  static const std::vector<std::string> kPieces = {"a", "Z",  "7", " ", ",", "\"", "'", ";", "=", "-",
                                                   "@", "\\", "<", "é", "ā", "မ",  "𐍈", "{", "]", "/"};
  std::string out;
  for (const int i : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, static_cast<int>(kPieces.size()) + 2))) {
    if (max_pieces-- == 0) break;
    if (i < static_cast<int>(kPieces.size())) {
      out += kPieces[static_cast<std::size_t>(i)];
    } else if (!one_line) {
      out += i % 2 == 0 ? "\n" : "\t";
    }
  }
  return out;
}

template <class Fixed>
Fixed any_fixed() {
  Fixed out;
  for (auto& b : out.mutable_view()) b = *rc::gen::arbitrary<std::uint8_t>();
  out.data()[0] |= 1;  // never zero
  return out;
}

template <class Enum>
Enum any_word() {
  const auto terms = reports::vocabulary_of<Enum>().terms();
  return static_cast<Enum>(terms[static_cast<std::size_t>(*rc::gen::inRange(0, static_cast<int>(terms.size())))].code);
}

inline bool coin() { return *rc::gen::arbitrary<bool>(); }

inline People any_people() {
  if (coin()) return std::nullopt;
  return *rc::gen::inRange<std::int64_t>(0, kPeopleMax);
}

// Whole seconds or milliseconds, years 1 to 9999.
inline Time any_time() { return Time{*rc::gen::inRange<std::int64_t>(kTimeMsMin, kTimeMsMax)}; }

inline Place any_place() {
  Place place;
  const auto countries = reports::countries();
  if (coin()) {
    const auto i = *rc::gen::inRange(0, static_cast<int>(countries.size()));
    place.iso3 = countries[static_cast<std::size_t>(i)].iso3;
  }
  place.admin1 = any_text(20);
  place.admin2 = any_text(20);
  place.name = any_text(20);
  if (coin()) place.pcodes = {"MM012", "MM012-d_5"};
  if (coin()) {
    place.point =
        Point{*rc::gen::inRange(-90'000'000, 90'000'001) / 1e6, *rc::gen::inRange(-180'000'000, 180'000'001) / 1e6};
  }
  place.geo_precision = any_word<GeoPrecision>();
  return place;
}

inline ReportDetails any_details(ReportKind kind) {
  ReportDetails details = empty_details(kind);
  if (auto* d = std::get_if<IncidentDetails>(&details)) {
    d->event_type = any_text(10);
    d->violence_type = any_word<ViolenceType>();
    d->conflict = any_text(10);
    const int actors = *rc::gen::inRange(0, 4);
    for (int i = 0; i < actors; ++i) d->actors.push_back({any_text(10), any_word<ActorRole>()});
    for (auto* count : {&d->deaths_best, &d->deaths_low, &d->deaths_high, &d->deaths_civilians, &d->deaths_side_a,
                        &d->deaths_side_b, &d->deaths_unknown, &d->injured, &d->missing}) {
      *count = any_people();
    }
  } else if (auto* s = std::get_if<SituationDetails>(&details)) {
    *s = {any_word<Trend>(), any_people(), any_people(), any_text(50, false)};
  } else if (auto* a = std::get_if<AlertDetails>(&details)) {
    if (coin()) a->lines_tried = {"embassy cable, no answer", any_text(20, false)};
    a->requested_action = any_text(50, false);
  } else if (auto* i = std::get_if<IndicatorDetails>(&details)) {
    *i = {any_text(10), std::nullopt, any_text(5), any_word<Trend>(), any_text(20, false)};
    if (coin()) i->value = *rc::gen::inRange(-1'000'000, 1'000'000) / 1e3;
  } else if (auto* p = std::get_if<DisplacementDetails>(&details)) {
    *p = {any_people(),
          any_people(),
          any_people(),
          any_people(),
          any_word<Movement>(),
          any_word<DisplacementCause>(),
          {},
          {}};
    if (coin()) p->origin = any_place();
    if (coin()) p->destination = any_place();
  } else if (auto* c = std::get_if<CorroborateDetails>(&details)) {
    *c = {any_fixed<ReportId>(), any_text(20, false)};
  } else if (auto* u = std::get_if<DisputeDetails>(&details)) {
    *u = {any_fixed<ReportId>(), any_text(20, false)};
  } else if (auto* w = std::get_if<WithdrawDetails>(&details)) {
    *w = {any_fixed<ReportId>(), any_text(20, false)};
  } else if (auto* k = std::get_if<AcknowledgeDetails>(&details)) {
    *k = {any_fixed<ReportId>(), any_text(20, false)};
  } else if (auto* x = std::get_if<CorrectDetails>(&details)) {
    Report replacement = plain_report();
    replacement.title = any_text(20);
    *x = {any_fixed<ReportId>(), std::nullopt, any_text(20, false), *encode_report(replacement)};
    if (coin()) x->previous = any_fixed<ReportId>();
  }
  return details;
}

inline void any_lists(Report& report) {
  const int places = *rc::gen::inRange(0, 4);
  for (int i = 0; i < places; ++i) report.places.push_back(any_place());
  const int sources = *rc::gen::inRange(0, 3);
  for (int i = 0; i < sources; ++i) {
    report.sources.push_back({any_fixed<SourceReference>(), any_word<Reliability>(), any_word<Credibility>()});
  }
  const int indicators = *rc::gen::inRange(0, 4);
  for (int i = 0; i < indicators; ++i) {
    report.indicators.push_back({*rc::gen::inRange<std::uint8_t>(1, 15), *rc::gen::inRange<std::uint8_t>(1, 100)});
  }
  const int references = *rc::gen::inRange(0, 3);
  for (int i = 0; i < references; ++i) report.references.push_back({any_fixed<ReportId>(), any_word<ReportRelation>()});
}

inline Report any_report(ReportKind kind) {
  Report report = plain_report(kind);
  report.salt = any_fixed<ReportSalt>();
  report.status = any_word<ReportStatus>();
  report.created = any_time();
  if (coin()) report.observed_from = any_time();
  if (coin()) report.observed_to = Time{std::max(any_time().ms, report.observed_from.value_or(Time{kTimeMsMin}).ms)};
  report.observed_precision = any_word<TimePrecision>();
  report.tlp = any_word<Tlp>();
  report.severity = any_word<Severity>();
  report.urgency = any_word<Urgency>();
  report.certainty = any_word<Certainty>();
  report.likelihood = any_word<Likelihood>();
  report.confidence = any_word<Confidence>();
  any_lists(report);
  report.title = "t" + any_text(40);
  report.text = any_text(200, false);
  if (coin()) {
    report.provenance =
        Provenance{any_text(9), any_text(9), any_text(9), any_text(9, false), any_text(9), any_text(9), {}};
    if (coin()) report.provenance->retrieved = Time{*rc::gen::inRange<std::int64_t>(1, kTimeMsMax)};
  }
  report.details = any_details(kind);
  return report;
}
inline Report any_report() { return any_report(any_word<ReportKind>()); }

// A report that an import takes: about an event or the desk's, without what only its author can say.
inline Report any_importable_report() {
  ReportKind kind = any_word<ReportKind>();
  if (acts_on_report(kind)) kind = ReportKind::kIncident;
  return any_report(kind);
}

// "field=code field=code …"
inline std::string codes(const std::vector<reports::Problem>& problems) {
  std::string out;
  for (const auto& problem : problems)
    out += (out.empty() ? "" : " ") + problem.field + "=" + std::string(problem.code.text());
  return out;
}

}  // namespace tocsin::tests
