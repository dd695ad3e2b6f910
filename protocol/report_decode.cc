#include <utility>

#include "protocol/canonical.h"
#include "protocol/report.capnp.h"
#include "protocol/report.h"

namespace tocsin::protocol {
namespace {

// Thrown only inside this file, from the readers below to decode.
struct Refused {
  Error error;
};
[[noreturn]] void refuse(Code code, std::string detail) { throw Refused{peer_error(code, std::move(detail))}; }

template <class Id>
Id fixed(capnp::Data::Reader data, std::string_view field) {
  const auto id = Id::from({data.begin(), data.size()});
  if (!id) refuse(kReportFieldInvalid, std::string(field) + ": not " + std::to_string(Id::kSize) + " bytes");
  return *id;
}
std::string text_of(capnp::Text::Reader reader, std::size_t max, std::string_view field) {
  if (reader.size() > max)
    refuse(kReportFieldTooLong, std::string(field) + ": at most " + std::to_string(max) + " bytes");
  return {reader.begin(), reader.size()};
}
template <class List>
unsigned bounded(const List& list, std::size_t max, std::string_view field) {
  if (list.size() > max)
    refuse(kReportFieldTooLong, std::string(field) + ": at most " + std::to_string(max) + " items");
  return list.size();
}
People people(std::int64_t value, std::string_view field) {
  if (value == -1) return std::nullopt;
  if (value < 0 || value > kPeopleMax)
    refuse(kReportFieldInvalid, std::string(field) + ": a count is 0 to 10,000,000,000");
  return value;
}

Place read_place(report_schema::Place::Reader from) {
  Place place;
  place.iso3 = text_of(from.getIso3(), 3, "place.iso3");
  place.admin1 = text_of(from.getAdmin1(), kLabelBytesMax, "place.admin1");
  place.admin2 = text_of(from.getAdmin2(), kLabelBytesMax, "place.admin2");
  place.name = text_of(from.getName(), kLabelBytesMax, "place.name");
  const auto pcodes = from.getPcodes();
  const unsigned n = bounded(pcodes, kPcodesMax, "place.pcodes");
  for (unsigned i = 0; i < n; ++i) place.pcodes.push_back(text_of(pcodes[i], kPcodeBytesMax, "place.pcodes"));
  if (from.getHasPoint()) place.point = Point{from.getLatitude(), from.getLongitude()};
  place.geo_precision = canonical::enum_as<GeoPrecision>(from.getGeoPrecision());
  return place;
}

Provenance read_provenance(report_schema::Provenance::Reader from) {
  Provenance p;
  p.publisher = text_of(from.getPublisher(), kLabelBytesMax, "provenance.publisher");
  p.dataset = text_of(from.getDataset(), kLabelBytesMax, "provenance.dataset");
  p.row_id = text_of(from.getRowId(), kLabelBytesMax, "provenance.row_id");
  p.citation = text_of(from.getCitation(), kCitationBytesMax, "provenance.citation");
  p.url = text_of(from.getUrl(), kUrlBytesMax, "provenance.url");
  p.licence = text_of(from.getLicence(), kLabelBytesMax, "provenance.licence");
  if (from.getRetrievedMs() != 0) p.retrieved = Time{from.getRetrievedMs()};
  return p;
}

void read_lists(report_schema::Report::Reader from, Report& to) {
  const auto places = from.getPlaces();
  const unsigned n_places = bounded(places, kPlacesMax, "place");
  for (unsigned i = 0; i < n_places; ++i) to.places.push_back(read_place(places[i]));
  const auto sources = from.getSources();
  const unsigned n_sources = bounded(sources, kSourcesMax, "sources");
  for (unsigned i = 0; i < n_sources; ++i) {
    to.sources.push_back({fixed<SourceReference>(sources[i].getReference(), "sources.reference"),
                          canonical::enum_as<Reliability>(sources[i].getReliability()),
                          canonical::enum_as<Credibility>(sources[i].getCredibility())});
  }
  const auto indicators = from.getIndicators();
  const unsigned n_indicators = bounded(indicators, kIndicatorsMax, "indicators");
  for (unsigned i = 0; i < n_indicators; ++i) {
    to.indicators.push_back({indicators[i].getFactor(), indicators[i].getNumber()});
  }
  const auto references = from.getReferences();
  const unsigned n_references = bounded(references, kReferencesMax, "references");
  for (unsigned i = 0; i < n_references; ++i) {
    to.references.push_back({fixed<ReportId>(references[i].getReport(), "references.report"),
                             canonical::enum_as<ReportRelation>(references[i].getRelation())});
  }
  const auto attachments = from.getAttachments();
  const unsigned n_attachments = bounded(attachments, kAttachmentsMax, "attachments");
  for (unsigned i = 0; i < n_attachments; ++i) {
    const auto in = attachments[i];
    to.attachments.push_back({fixed<AttachmentDigest>(in.getDigest(), "attachments.digest"),
                              Number{in.getFirstNumber()}, in.getCount(), in.getSize(),
                              text_of(in.getName(), kLabelBytesMax, "attachments.name"),
                              text_of(in.getMediaType(), kMediaTypeBytesMax, "attachments.media_type")});
  }
}

IncidentDetails read_incident(report_schema::Incident::Reader in) {
  IncidentDetails d;
  d.event_type = text_of(in.getEventType(), kLabelBytesMax, "incident.event_type");
  d.violence_type = canonical::enum_as<ViolenceType>(in.getViolenceType());
  d.conflict = text_of(in.getConflict(), kLabelBytesMax, "incident.conflict");
  const auto actors = in.getActors();
  const unsigned n = bounded(actors, kActorsMax, "incident.actors");
  for (unsigned i = 0; i < n; ++i) {
    d.actors.push_back({text_of(actors[i].getName(), kLabelBytesMax, "incident.actors.name"),
                        canonical::enum_as<ActorRole>(actors[i].getRole())});
  }
  d.deaths_best = people(in.getDeathsBest(), "incident.deaths_best");
  d.deaths_low = people(in.getDeathsLow(), "incident.deaths_low");
  d.deaths_high = people(in.getDeathsHigh(), "incident.deaths_high");
  d.deaths_civilians = people(in.getDeathsCivilians(), "incident.deaths_civilians");
  d.deaths_side_a = people(in.getDeathsSideA(), "incident.deaths_side_a");
  d.deaths_side_b = people(in.getDeathsSideB(), "incident.deaths_side_b");
  d.deaths_unknown = people(in.getDeathsUnknown(), "incident.deaths_unknown");
  d.injured = people(in.getInjured(), "incident.injured");
  d.missing = people(in.getMissing(), "incident.missing");
  return d;
}

SituationDetails read_situation(report_schema::Situation::Reader in) {
  return {canonical::enum_as<Trend>(in.getTrend()), people(in.getPeopleAffected(), "situation.people_affected"),
          people(in.getPeopleInNeed(), "situation.people_in_need"),
          text_of(in.getOutlook(), kNoteBytesMax, "situation.outlook")};
}

AlertDetails read_alert(report_schema::Alert::Reader in) {
  AlertDetails d;
  const auto lines = in.getLinesTried();
  const unsigned n = bounded(lines, kLinesTriedMax, "alert.lines_tried");
  for (unsigned i = 0; i < n; ++i) d.lines_tried.push_back(text_of(lines[i], kLineTriedBytesMax, "alert.lines_tried"));
  d.requested_action = text_of(in.getRequestedAction(), kNoteBytesMax, "alert.requested_action");
  return d;
}

IndicatorDetails read_indicator(report_schema::Indicator::Reader in) {
  IndicatorDetails d;
  d.name = text_of(in.getName(), kLabelBytesMax, "indicator.name");
  if (in.getHasValue()) d.value = in.getValue();
  d.unit = text_of(in.getUnit(), kUnitBytesMax, "indicator.unit");
  d.trend = canonical::enum_as<Trend>(in.getTrend());
  d.baseline = text_of(in.getBaseline(), kBaselineBytesMax, "indicator.baseline");
  return d;
}

DisplacementDetails read_displacement(report_schema::Displacement::Reader in) {
  DisplacementDetails d;
  d.people = people(in.getPeople(), "displacement.people");
  d.people_low = people(in.getPeopleLow(), "displacement.people_low");
  d.people_high = people(in.getPeopleHigh(), "displacement.people_high");
  d.households = people(in.getHouseholds(), "displacement.households");
  d.movement = canonical::enum_as<Movement>(in.getMovement());
  d.cause = canonical::enum_as<DisplacementCause>(in.getCause());
  if (in.hasOrigin()) d.origin = read_place(in.getOrigin());
  if (in.hasDestination()) d.destination = read_place(in.getDestination());
  return d;
}

CorrectDetails read_correct(report_schema::Correct::Reader in) {
  CorrectDetails d;
  d.target = fixed<ReportId>(in.getTarget(), "correct.target");
  if (in.hasPrevious()) d.previous = fixed<ReportId>(in.getPrevious(), "correct.previous");
  d.reason = text_of(in.getReason(), kCorrectionReasonBytesMax, "correct.reason");
  const auto replacement = in.getReplacement();
  d.replacement.assign(replacement.begin(), replacement.end());
  return d;
}

ReportDetails read_details(report_schema::Report::Details::Reader in) {
  using Which = report_schema::Report::Details::Which;
  switch (in.which()) {
    case Which::NONE:
      return std::monostate{};
    case Which::INCIDENT:
      return read_incident(in.getIncident());
    case Which::SITUATION:
      return read_situation(in.getSituation());
    case Which::ALERT:
      return read_alert(in.getAlert());
    case Which::INDICATOR:
      return read_indicator(in.getIndicator());
    case Which::DISPLACEMENT:
      return read_displacement(in.getDisplacement());
    case Which::CORROBORATE:
      return CorroborateDetails{fixed<ReportId>(in.getCorroborate().getTarget(), "corroborate.target"),
                                text_of(in.getCorroborate().getNote(), kNoteBytesMax, "corroborate.note")};
    case Which::DISPUTE:
      return DisputeDetails{fixed<ReportId>(in.getDispute().getTarget(), "dispute.target"),
                            text_of(in.getDispute().getReason(), kNoteBytesMax, "dispute.reason")};
    case Which::CORRECT:
      return read_correct(in.getCorrect());
    case Which::WITHDRAW:
      return WithdrawDetails{fixed<ReportId>(in.getWithdraw().getTarget(), "withdraw.target"),
                             text_of(in.getWithdraw().getReason(), kNoteBytesMax, "withdraw.reason")};
    case Which::ACKNOWLEDGE:
      return AcknowledgeDetails{fixed<ReportId>(in.getAcknowledge().getTarget(), "acknowledge.target"),
                                text_of(in.getAcknowledge().getNote(), kNoteBytesMax, "acknowledge.note")};
  }
  return UnknownDetails{static_cast<std::uint16_t>(in.which())};
}

Report read_report(report_schema::Report::Reader from) {
  if (from.getFormatVersion() != kReportFormatVersion) {
    refuse(kReportVersion, "format version " + std::to_string(from.getFormatVersion()) + "; this program knows " +
                               std::to_string(kReportFormatVersion));
  }
  Report to;
  to.salt = fixed<ReportSalt>(from.getSalt(), "salt");
  to.kind = canonical::enum_as<ReportKind>(from.getKind());
  to.status = canonical::enum_as<ReportStatus>(from.getStatus());
  to.author = fixed<OrgId>(from.getAuthor(), "author");
  to.created = Time{from.getCreatedMs()};
  const auto observed = from.getObserved();
  if (observed.getHasFrom()) to.observed_from = Time{observed.getFromMs()};
  if (observed.getHasTo()) to.observed_to = Time{observed.getToMs()};
  to.observed_precision = canonical::enum_as<TimePrecision>(observed.getPrecision());
  to.tlp = canonical::enum_as<Tlp>(from.getTlp());
  to.severity = canonical::enum_as<Severity>(from.getSeverity());
  to.urgency = canonical::enum_as<Urgency>(from.getUrgency());
  to.certainty = canonical::enum_as<Certainty>(from.getCertainty());
  to.likelihood = canonical::enum_as<Likelihood>(from.getLikelihood());
  to.confidence = canonical::enum_as<Confidence>(from.getConfidence());
  read_lists(from, to);
  to.language = text_of(from.getLanguage(), kLanguageBytesMax, "language");
  to.title = text_of(from.getTitle(), kTitleBytesMax, "title");
  to.text = text_of(from.getText(), kTextBytesMax, "text");
  if (from.hasProvenance()) to.provenance = read_provenance(from.getProvenance());
  to.details = read_details(from.getDetails());
  return to;
}

void check_read(const Report& report) {
  if (report.salt.is_zero()) refuse(kReportFieldMissing, "salt");
  if (report.kind == ReportKind::kUnknown) refuse(kReportFieldMissing, "kind");
  if (report.status == ReportStatus::kUnknown) refuse(kReportFieldMissing, "status");
  if (report.author.is_zero()) refuse(kReportFieldMissing, "author");
  if (report.tlp == Tlp::kUnknown) refuse(kReportFieldMissing, "tlp");
  if (auto checked = check_report_fields(report); !checked) {
    refuse(checked.error().code, checked.error().detail);
  }
}

Result<Report> decode(ByteView bytes, bool nested);

void check_replacement(const Report& report) {
  const auto* correct = std::get_if<CorrectDetails>(&report.details);
  if (!correct) return;
  auto replacement = decode(correct->replacement, true);
  if (!replacement) refuse(replacement.error().code, "correct.replacement: " + replacement.error().detail);
  if (replacement->author != report.author) refuse(kReportFieldInvalid, "correct.replacement: by another author");
}

Result<Report> decode(ByteView bytes, bool nested) {
  const std::size_t max = nested ? kPlainReportBytesMax : kReportBytesMax;
  if (bytes.size() > max) return peer_error(kReportTooLarge, "at most " + std::to_string(max) + " bytes");
  auto message = canonical::Message::open(bytes, max);
  if (!message) return peer_error(kReportNotCanonical, message.error().detail);
  try {
    Report report = read_report(message->root<report_schema::Report>());
    check_read(report);
    if (report.kind != ReportKind::kCorrect && bytes.size() > kPlainReportBytesMax) {
      return peer_error(kReportTooLarge, "at most " + std::to_string(kPlainReportBytesMax) + " bytes");
    }
    if (nested && acts_on_report(report.kind)) {
      return peer_error(kReportFieldInvalid, "of a kind that acts on another report");
    }
    check_replacement(report);
    return report;
  } catch (const Refused& refused) {
    return refused.error;
  } catch (const kj::Exception&) {  // its text holds a stack trace: never passed on
    return peer_error(kReportMalformed, "no valid Cap'n Proto message");
  }
}

}  // namespace

Result<Report> decode_report(ByteView bytes) { return decode(bytes, false); }

Result<Report> decode_replacement(const CorrectDetails& details) { return decode(details.replacement, true); }

}  // namespace tocsin::protocol
