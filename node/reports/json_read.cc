#include <nlohmann/json.hpp>
#include <variant>

#include "node/reports/json_fields.h"
#include "node/reports/json_scan.h"
#include "node/reports/report_json.h"
#include "node/reports/vocab.h"

namespace tocsin::reports {
namespace {

using namespace protocol;
using Problems = std::vector<Problem>;

std::string item_name(const std::string& list, std::size_t i) { return list + "[" + std::to_string(i) + "]"; }

// Calls `read` with a JsonFields for each object of the array; other items are problems.
template <class Read>
void each_object(JsonFields& fields, std::string_view key, Problems& problems, Read read) {
  const Json* list = fields.array(key);
  if (!list) return;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string name = item_name(fields.prefix() + std::string(key), i);
    if (!(*list)[i].is_object()) {
      add_problem(problems, {name, kWrongType, "an object in braces"});
      continue;
    }
    JsonFields item((*list)[i], name + ".", problems);
    read(item);
    item.finish();
  }
}

Place read_place(JsonFields& in) {
  Place place;
  std::string country;
  in.text("iso3", country);
  if (!country.empty()) {
    if (const Country* known = parse_country(country)) {
      place.iso3 = known->iso3;
    } else {
      in.problem("iso3", kNotInVocabulary, "a country of ISO 3166-1, such as MMR");
    }
  }
  in.text("admin1", place.admin1);
  in.text("admin2", place.admin2);
  in.texts("pcodes", place.pcodes);
  in.text("name", place.name);
  std::optional<double> latitude, longitude;
  in.number("latitude", latitude);
  in.number("longitude", longitude);
  if (latitude && longitude) {
    place.point = Point{*latitude, *longitude};
  } else if (latitude || longitude) {
    in.problem(latitude ? "longitude" : "latitude", kMissing, "latitude and longitude go together");
  }
  in.word("geo_precision", place.geo_precision);
  in.finish();
  return place;
}

std::optional<Place> read_place_at(JsonFields& fields, std::string_view key, Problems& problems) {
  const Json* object = fields.object(key);
  if (!object) return std::nullopt;
  JsonFields in(*object, fields.prefix() + std::string(key) + ".", problems);
  return read_place(in);
}

void read_places(JsonFields& fields, Report& report, Problems& problems) {
  if (auto place = read_place_at(fields, "place", problems)) report.places.push_back(std::move(*place));
  const bool first = !report.places.empty();
  each_object(fields, "more_places", problems, [&](JsonFields& in) { report.places.push_back(read_place(in)); });
  if (!first && !report.places.empty()) fields.problem("place", kMissing, "put the main place here");
}

void read_sources(JsonFields& fields, Report& report, Problems& problems) {
  each_object(fields, "sources", problems, [&](JsonFields& in) {
    ReportSource source;
    std::optional<SourceReference> reference;
    in.id("reference", reference);
    if (!reference) in.problem("reference", kMissing, "the 32 hexadecimal digits that stand for the source");
    source.reference = reference.value_or(SourceReference{});
    in.word("reliability", source.reliability);
    in.word("credibility", source.credibility);
    if (reference) report.sources.push_back(source);
  });
}

void read_indicators(JsonFields& fields, Report& report, Problems& problems) {
  std::vector<std::string> keys;
  fields.texts("indicators", keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (const auto indicator = parse_indicator(keys[i])) {
      report.indicators.push_back(*indicator);
    } else {
      add_problem(problems, {item_name("indicators", i), kNotInVocabulary,
                             "\"n.m\": n is a risk factor of the UN Framework, m is 1 to 99"});
    }
  }
}

void read_references(JsonFields& fields, Report& report, Problems& problems) {
  each_object(fields, "references", problems, [&](JsonFields& in) {
    std::optional<ReportId> id;
    ReportReference reference;
    in.id("report", id);
    in.word("relation", reference.relation);
    if (!id) return in.problem("report", kMissing, "the id of the other report");
    reference.report = *id;
    report.references.push_back(reference);
  });
}

void read_attachments(JsonFields& fields, Report& report, Problems& problems) {
  each_object(fields, "attachments", problems, [&](JsonFields& in) {
    Attachment attachment;
    std::optional<AttachmentDigest> digest;
    std::uint64_t count = 0;
    in.id("digest", digest);
    in.count("first", attachment.first.value);
    in.count("count", count);
    in.count("size", attachment.bytes);
    in.text("name", attachment.name);
    in.text("media_type", attachment.media_type);
    if (!digest) return in.problem("digest", kMissing, "the digest of the file");
    if (count > UINT32_MAX) return in.problem("count", kOutOfRange, "at most 4294967295");
    attachment.digest = *digest;
    attachment.count = static_cast<std::uint32_t>(count);
    report.attachments.push_back(std::move(attachment));
  });
}

void read_provenance(JsonFields& fields, Report& report, Problems& problems) {
  const Json* object = fields.object("provenance");
  if (!object) return;
  JsonFields in(*object, "provenance.", problems);
  Provenance p;
  in.text("publisher", p.publisher);
  in.text("dataset", p.dataset);
  in.text("row_id", p.row_id);
  in.text("citation", p.citation);
  in.text("url", p.url);
  in.text("licence", p.licence);
  in.time("retrieved", p.retrieved);
  in.finish();
  report.provenance = std::move(p);
}

ReportId read_target(JsonFields& in) {
  std::optional<ReportId> target;
  in.id("target", target);
  return target.value_or(ReportId{});  // validate() asks for it
}

struct DetailsReader {
  JsonFields& in;
  Problems& problems;

  void operator()(std::monostate&) const {}
  void operator()(UnknownDetails&) const {}
  void operator()(IncidentDetails& d) const {
    in.text("event_type", d.event_type);
    in.word("violence_type", d.violence_type);
    in.text("conflict", d.conflict);
    each_object(in, "actors", problems, [&](JsonFields& actor_in) {
      Actor actor;
      actor_in.text("name", actor.name);
      actor_in.word("role", actor.role);
      d.actors.push_back(std::move(actor));
    });
    in.people("deaths_best", d.deaths_best);
    in.people("deaths_low", d.deaths_low);
    in.people("deaths_high", d.deaths_high);
    in.people("deaths_civilians", d.deaths_civilians);
    in.people("deaths_side_a", d.deaths_side_a);
    in.people("deaths_side_b", d.deaths_side_b);
    in.people("deaths_unknown", d.deaths_unknown);
    in.people("injured", d.injured);
    in.people("missing", d.missing);
  }
  void operator()(SituationDetails& d) const {
    in.word("trend", d.trend);
    in.people("people_affected", d.people_affected);
    in.people("people_in_need", d.people_in_need);
    in.text("outlook", d.outlook);
  }
  void operator()(AlertDetails& d) const {
    in.texts("lines_tried", d.lines_tried);
    in.text("requested_action", d.requested_action);
  }
  void operator()(IndicatorDetails& d) const {
    in.text("name", d.name);
    in.number("value", d.value);
    in.text("unit", d.unit);
    in.word("trend", d.trend);
    in.text("baseline", d.baseline);
  }
  void operator()(DisplacementDetails& d) const {
    in.people("people", d.people);
    in.people("people_low", d.people_low);
    in.people("people_high", d.people_high);
    in.people("households", d.households);
    in.word("movement", d.movement);
    in.word("cause", d.cause);
    d.origin = read_place_at(in, "origin", problems);
    d.destination = read_place_at(in, "destination", problems);
  }
  void operator()(CorroborateDetails& d) const {
    d.target = read_target(in);
    in.text("note", d.note);
  }
  void operator()(DisputeDetails& d) const {
    d.target = read_target(in);
    in.text("reason", d.reason);
  }
  void operator()(WithdrawDetails& d) const {
    d.target = read_target(in);
    in.text("reason", d.reason);
  }
  void operator()(AcknowledgeDetails& d) const {
    d.target = read_target(in);
    in.text("note", d.note);
  }
  // The replacement's bytes are its own: a correction read from JSON is for looking at, and is made by make_correction.
  void operator()(CorrectDetails& d) const {
    d.target = read_target(in);
    in.id("previous", d.previous);
    in.text("reason", d.reason);
    in.object("replacement");
  }
};

// The object named after the kind; one named after another kind is a problem.
void read_details(JsonFields& fields, Report& report, Problems& problems) {
  const std::string own(key_of(report.kind));
  for (const Term& term : vocabulary_of<ReportKind>().terms()) {
    const auto kind = static_cast<ReportKind>(term.code);
    if (std::holds_alternative<std::monostate>(empty_details(kind))) continue;
    if (kind != report.kind) {
      if (fields.get(term.key))
        fields.problem(term.key, kWrongKind, "these fields belong to another kind than \"" + own + "\"");
      continue;
    }
    report.details = empty_details(kind);
    const Json* object = fields.object(term.key);
    if (!object) continue;
    JsonFields in(*object, term.key + ".", problems);
    std::visit(DetailsReader{in, problems}, report.details);
    in.finish();
  }
}

void read_header(JsonFields& fields, ParsedReport& parsed) {
  Report& report = parsed.report;
  fields.id("id", parsed.id);
  fields.word("kind", report.kind);
  fields.word("status", report.status);
  std::optional<OrgId> author;
  fields.id("author", author);
  report.author = author.value_or(OrgId{});
  std::optional<Time> created;
  fields.time("created", created);
  report.created = created.value_or(Time{});
  fields.time("observed_from", report.observed_from);
  fields.time("observed_to", report.observed_to, true);
  fields.word("observed_precision", report.observed_precision);
  fields.word("tlp", report.tlp);
  fields.texts("audience", parsed.audience);
  fields.word("severity", report.severity);
  fields.word("urgency", report.urgency);
  fields.word("certainty", report.certainty);
  fields.word("likelihood", report.likelihood);
  fields.word("confidence", report.confidence);
  fields.text("language", report.language);
  fields.text("title", report.title);
  fields.text("text", report.text);
}

Result<Json> parse_object(std::string_view text) {
  JsonFault fault{kJsonSyntax, 0};
  auto value = parse_json_object(text, fault);
  if (!value) return caller_error(fault.code, json_place(text, fault.offset) + ": " + json_fault_detail(fault.code));
  return std::move(*value);
}

}  // namespace

ParsedReport parse_report_value(const Json& object) {
  ParsedReport parsed;
  if (!object.is_object()) {
    parsed.findings.problems.push_back({"", kWrongType, "a report is an object in braces"});
    return parsed;
  }
  Problems problems;
  JsonFields fields(object, "", problems);
  read_header(fields, parsed);
  read_places(fields, parsed.report, problems);
  read_sources(fields, parsed.report, problems);
  read_indicators(fields, parsed.report, problems);
  read_references(fields, parsed.report, problems);
  read_attachments(fields, parsed.report, problems);
  read_provenance(fields, parsed.report, problems);
  read_details(fields, parsed.report, problems);
  fields.finish();
  const bool alert = parsed.report.kind == ReportKind::kAlert;
  (alert ? parsed.findings.advice : parsed.findings.problems) = std::move(problems);
  return parsed;
}

Result<ParsedReport> parse_report_json(std::string_view text) {
  TOCSIN_ASSIGN(object, parse_object(text));
  return parse_report_value(object);
}

Result<ParsedReport> apply_json_patch(const Report& base, std::string_view patch) {
  TOCSIN_ASSIGN(changes, parse_object(patch));
  Json whole = to_json_value(base);
  whole.merge_patch(changes);
  return parse_report_value(whole);
}

}  // namespace tocsin::reports
