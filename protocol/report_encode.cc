#include <algorithm>
#include <utility>

#include "crypto/hash.h"
#include "protocol/canonical.h"
#include "protocol/report.capnp.h"
#include "protocol/report.h"

namespace tocsin::protocol {
namespace {

std::int64_t people(const People& value) { return value.value_or(-1); }

void write_place(report_schema::Place::Builder to, const Place& from) {
  if (!from.iso3.empty()) to.setIso3(canonical::text(from.iso3));
  if (!from.admin1.empty()) to.setAdmin1(canonical::text(from.admin1));
  if (!from.admin2.empty()) to.setAdmin2(canonical::text(from.admin2));
  if (!from.name.empty()) to.setName(canonical::text(from.name));
  if (!from.pcodes.empty()) {
    auto list = to.initPcodes(static_cast<unsigned>(from.pcodes.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, canonical::text(from.pcodes[i]));
  }
  if (from.point) {
    to.setHasPoint(true);
    to.setLatitude(from.point->latitude);
    to.setLongitude(from.point->longitude);
  }
  to.setGeoPrecision(canonical::enum_as<report_schema::GeoPrecision>(from.geo_precision));
}

void write_provenance(report_schema::Provenance::Builder to, const Provenance& from) {
  if (!from.publisher.empty()) to.setPublisher(canonical::text(from.publisher));
  if (!from.dataset.empty()) to.setDataset(canonical::text(from.dataset));
  if (!from.row_id.empty()) to.setRowId(canonical::text(from.row_id));
  if (!from.citation.empty()) to.setCitation(canonical::text(from.citation));
  if (!from.url.empty()) to.setUrl(canonical::text(from.url));
  if (!from.licence.empty()) to.setLicence(canonical::text(from.licence));
  if (from.retrieved) to.setRetrievedMs(from.retrieved->ms);
}

void write_period(report_schema::Report::Builder to, const Report& from) {
  if (!from.observed_from && !from.observed_to && from.observed_precision == TimePrecision::kUnknown) return;
  auto period = to.initObserved();
  if (from.observed_from) {
    period.setHasFrom(true);
    period.setFromMs(from.observed_from->ms);
  }
  if (from.observed_to) {
    period.setHasTo(true);
    period.setToMs(from.observed_to->ms);
  }
  period.setPrecision(canonical::enum_as<report_schema::TimePrecision>(from.observed_precision));
}

void write_lists(report_schema::Report::Builder to, const Report& from) {
  if (!from.places.empty()) {
    auto list = to.initPlaces(static_cast<unsigned>(from.places.size()));
    for (unsigned i = 0; i < list.size(); ++i) write_place(list[i], from.places[i]);
  }
  if (!from.sources.empty()) {
    auto list = to.initSources(static_cast<unsigned>(from.sources.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setReference(canonical::data(from.sources[i].reference.view()));
      list[i].setReliability(canonical::enum_as<report_schema::Reliability>(from.sources[i].reliability));
      list[i].setCredibility(canonical::enum_as<report_schema::Credibility>(from.sources[i].credibility));
    }
  }
  if (!from.indicators.empty()) {
    auto list = to.initIndicators(static_cast<unsigned>(from.indicators.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setFactor(from.indicators[i].factor);
      list[i].setNumber(from.indicators[i].number);
    }
  }
  if (!from.references.empty()) {
    auto list = to.initReferences(static_cast<unsigned>(from.references.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setReport(canonical::data(from.references[i].report.view()));
      list[i].setRelation(canonical::enum_as<report_schema::Relation>(from.references[i].relation));
    }
  }
  if (from.attachments.empty()) return;
  auto list = to.initAttachments(static_cast<unsigned>(from.attachments.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const Attachment& attachment = from.attachments[i];
    list[i].setDigest(canonical::data(attachment.digest.view()));
    list[i].setFirstNumber(attachment.first.value);
    list[i].setCount(attachment.count);
    list[i].setSize(attachment.bytes);
    if (!attachment.name.empty()) list[i].setName(canonical::text(attachment.name));
    if (!attachment.media_type.empty()) list[i].setMediaType(canonical::text(attachment.media_type));
  }
}

struct DetailsWriter {
  report_schema::Report::Details::Builder to;

  void operator()(const std::monostate&) { to.setNone(); }
  void operator()(const UnknownDetails&) { to.setNone(); }  // encode_report has refused it
  void operator()(const IncidentDetails& d) {
    auto out = to.initIncident();
    if (!d.event_type.empty()) out.setEventType(canonical::text(d.event_type));
    out.setViolenceType(canonical::enum_as<report_schema::ViolenceType>(d.violence_type));
    if (!d.conflict.empty()) out.setConflict(canonical::text(d.conflict));
    if (!d.actors.empty()) {
      auto list = out.initActors(static_cast<unsigned>(d.actors.size()));
      for (unsigned i = 0; i < list.size(); ++i) {
        if (!d.actors[i].name.empty()) list[i].setName(canonical::text(d.actors[i].name));
        list[i].setRole(canonical::enum_as<report_schema::ActorRole>(d.actors[i].role));
      }
    }
    out.setDeathsBest(people(d.deaths_best));
    out.setDeathsLow(people(d.deaths_low));
    out.setDeathsHigh(people(d.deaths_high));
    out.setDeathsCivilians(people(d.deaths_civilians));
    out.setDeathsSideA(people(d.deaths_side_a));
    out.setDeathsSideB(people(d.deaths_side_b));
    out.setDeathsUnknown(people(d.deaths_unknown));
    out.setInjured(people(d.injured));
    out.setMissing(people(d.missing));
  }
  void operator()(const SituationDetails& d) {
    auto out = to.initSituation();
    out.setTrend(canonical::enum_as<report_schema::Trend>(d.trend));
    out.setPeopleAffected(people(d.people_affected));
    out.setPeopleInNeed(people(d.people_in_need));
    if (!d.outlook.empty()) out.setOutlook(canonical::text(d.outlook));
  }
  void operator()(const AlertDetails& d) {
    auto out = to.initAlert();
    if (!d.lines_tried.empty()) {
      auto list = out.initLinesTried(static_cast<unsigned>(d.lines_tried.size()));
      for (unsigned i = 0; i < list.size(); ++i) list.set(i, canonical::text(d.lines_tried[i]));
    }
    if (!d.requested_action.empty()) out.setRequestedAction(canonical::text(d.requested_action));
  }
  void operator()(const IndicatorDetails& d) {
    auto out = to.initIndicator();
    if (!d.name.empty()) out.setName(canonical::text(d.name));
    if (d.value) {
      out.setHasValue(true);
      out.setValue(*d.value);
    }
    if (!d.unit.empty()) out.setUnit(canonical::text(d.unit));
    out.setTrend(canonical::enum_as<report_schema::Trend>(d.trend));
    if (!d.baseline.empty()) out.setBaseline(canonical::text(d.baseline));
  }
  void operator()(const DisplacementDetails& d) {
    auto out = to.initDisplacement();
    out.setPeople(people(d.people));
    out.setPeopleLow(people(d.people_low));
    out.setPeopleHigh(people(d.people_high));
    out.setHouseholds(people(d.households));
    out.setMovement(canonical::enum_as<report_schema::Movement>(d.movement));
    out.setCause(canonical::enum_as<report_schema::DisplacementCause>(d.cause));
    if (d.origin) write_place(out.initOrigin(), *d.origin);
    if (d.destination) write_place(out.initDestination(), *d.destination);
  }
  void operator()(const CorroborateDetails& d) {
    auto out = to.initCorroborate();
    out.setTarget(canonical::data(d.target.view()));
    if (!d.note.empty()) out.setNote(canonical::text(d.note));
  }
  void operator()(const DisputeDetails& d) {
    auto out = to.initDispute();
    out.setTarget(canonical::data(d.target.view()));
    if (!d.reason.empty()) out.setReason(canonical::text(d.reason));
  }
  void operator()(const CorrectDetails& d) {
    auto out = to.initCorrect();
    out.setTarget(canonical::data(d.target.view()));
    if (d.previous) out.setPrevious(canonical::data(d.previous->view()));
    if (!d.reason.empty()) out.setReason(canonical::text(d.reason));
    out.setReplacement(canonical::data(d.replacement));
  }
  void operator()(const WithdrawDetails& d) {
    auto out = to.initWithdraw();
    out.setTarget(canonical::data(d.target.view()));
    if (!d.reason.empty()) out.setReason(canonical::text(d.reason));
  }
  void operator()(const AcknowledgeDetails& d) {
    auto out = to.initAcknowledge();
    out.setTarget(canonical::data(d.target.view()));
    if (!d.note.empty()) out.setNote(canonical::text(d.note));
  }
};

void write_report(report_schema::Report::Builder to, const Report& from) {
  to.setFormatVersion(kReportFormatVersion);
  if (!from.salt.is_zero()) to.setSalt(canonical::data(from.salt.view()));
  to.setKind(canonical::enum_as<report_schema::Kind>(from.kind));
  to.setStatus(canonical::enum_as<report_schema::Status>(from.status));
  if (!from.author.is_zero()) to.setAuthor(canonical::data(from.author.view()));
  to.setCreatedMs(from.created.ms);
  write_period(to, from);
  to.setTlp(canonical::enum_as<report_schema::Tlp>(from.tlp));
  to.setSeverity(canonical::enum_as<report_schema::Severity>(from.severity));
  to.setUrgency(canonical::enum_as<report_schema::Urgency>(from.urgency));
  to.setCertainty(canonical::enum_as<report_schema::Certainty>(from.certainty));
  to.setLikelihood(canonical::enum_as<report_schema::Likelihood>(from.likelihood));
  to.setConfidence(canonical::enum_as<report_schema::Confidence>(from.confidence));
  write_lists(to, from);
  if (!from.language.empty()) to.setLanguage(canonical::text(from.language));
  if (!from.title.empty()) to.setTitle(canonical::text(from.title));
  if (!from.text.empty()) to.setText(canonical::text(from.text));
  if (from.provenance) write_provenance(to.initProvenance(), *from.provenance);
  std::visit(DetailsWriter{to.initDetails()}, from.details);
}

// Fields beyond the schema's own limits were refused before (check_report_fields): what throws here is a defect of
// ours.
Result<Bytes> to_canonical(const Report& report) {
  return canonical::guard([&]() -> Result<Bytes> {
    return canonical::encode<report_schema::Report>(
        [&](report_schema::Report::Builder root) { write_report(root, report); });
  });
}

// The field that gains most when shortened.
std::string longest_field(const Report& report) {
  std::vector<std::pair<std::size_t, std::string>> sizes = {{report.text.size(), "text"}};
  if (report.provenance) {
    sizes.emplace_back(report.provenance->citation.size(), "provenance.citation");
    sizes.emplace_back(report.provenance->url.size(), "provenance.url");
  }
  std::size_t places = 0;
  for (const auto& place : report.places) {
    places += 64 + place.admin1.size() + place.admin2.size() + place.name.size() + 16 * place.pcodes.size();
  }
  sizes.emplace_back(places, "place");
  std::size_t attachments = 0;
  for (const auto& attachment : report.attachments) attachments += 96 + attachment.name.size();
  sizes.emplace_back(attachments, "attachments");
  sizes.emplace_back(48 * report.references.size(), "references");
  sizes.emplace_back(24 * report.sources.size(), "sources");
  if (const auto* alert = std::get_if<AlertDetails>(&report.details)) {
    std::size_t lines = 0;
    for (const auto& line : alert->lines_tried) lines += line.size() + 8;
    sizes.emplace_back(lines, "alert.lines_tried");
  }
  if (const auto* correct = std::get_if<CorrectDetails>(&report.details)) {
    sizes.emplace_back(correct->replacement.size(), "correct.replacement");
  }
  return std::max_element(sizes.begin(), sizes.end())->second;
}

Error missing(std::string_view field, std::string_view what) {
  return caller_error(kReportFieldMissing, std::string(field) + ": " + std::string(what));
}

Result<void> check_named(const Report& report) {
  if (report.salt.is_zero()) return missing("salt", "16 random bytes");
  if (report.kind == ReportKind::kUnknown) return missing("kind", "say what sort of report it is");
  if (report.status == ReportStatus::kUnknown) return missing("status", "Actual, Exercise, System, Test or Draft");
  if (report.author.is_zero()) return missing("author", "the id of the organisation that speaks");
  if (report.tlp == Tlp::kUnknown) return missing("tlp", "RED, AMBER+STRICT, AMBER, GREEN or CLEAR");
  if (std::holds_alternative<UnknownDetails>(report.details)) {
    return caller_error(kReportDetailsMismatch,
                        "kind: written by a later version; its bytes are passed on, never made again");
  }
  return kOk;
}

}  // namespace

Result<Bytes> encode_report(const Report& report) {
  TOCSIN_TRY(check_named(report));
  TOCSIN_TRY(check_report_fields(report));
  if (const auto* correct = std::get_if<CorrectDetails>(&report.details)) {
    const auto replacement = decode_replacement(*correct);
    if (!replacement)
      return caller_error(replacement.error().code, "correct.replacement: " + replacement.error().detail);
    if (replacement->author != report.author) {
      return caller_error(kReportFieldInvalid, "correct.replacement: by another author");
    }
  }
  TOCSIN_ASSIGN(bytes, to_canonical(report));
  const std::size_t max = report.kind == ReportKind::kCorrect ? kReportBytesMax : kPlainReportBytesMax;
  if (bytes.size() > max) {
    return caller_error(kReportTooLarge, longest_field(report) + ": the report has " + std::to_string(bytes.size()) +
                                             " bytes, at most " + std::to_string(max) +
                                             "; shorten this field, or attach it");
  }
  return bytes;
}

Result<ContentDigest> content_digest(const Report& report) {
  TOCSIN_TRY(check_report_fields(report));
  Report content = report;
  content.salt = {};
  content.author = {};
  content.created = {};
  if (content.provenance) content.provenance->retrieved.reset();
  TOCSIN_ASSIGN(bytes, to_canonical(content));
  return ContentDigest{crypto::hash256(crypto::kPersonalContent, {bytes}).bytes()};
}

ReportId report_id(ByteView canonical) {
  return ReportId{crypto::hash256(crypto::kPersonalReport, {canonical}).bytes()};
}

}  // namespace tocsin::protocol
