#include <nlohmann/json.hpp>
#include <variant>

#include "node/reports/report_json.h"
#include "node/reports/time_text.h"
#include "node/reports/vocab.h"

namespace tocsin::reports {
namespace {

using namespace protocol;

Json time_or_null(const std::optional<Time>& time) { return time ? Json(format_time(*time)) : Json(nullptr); }
Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }
Json people_or_null(const People& value) { return value ? Json(*value) : Json(nullptr); }
template <class Fixed>
Json hex(const Fixed& id) {
  return to_hex(id.view());
}

template <class Enum>
Json word(Enum value) {
  const auto key = stated_key(value);
  return key ? Json(*key) : Json(nullptr);
}

Json place_json(const Place& place) {
  Json out = Json::object();
  out["iso3"] = text_or_null(place.iso3);
  out["admin1"] = text_or_null(place.admin1);
  out["admin2"] = text_or_null(place.admin2);
  out["pcodes"] = Json(place.pcodes);
  out["name"] = text_or_null(place.name);
  out["latitude"] = place.point ? Json(place.point->latitude) : Json(nullptr);
  out["longitude"] = place.point ? Json(place.point->longitude) : Json(nullptr);
  out["geo_precision"] = word(place.geo_precision);
  return out;
}

Json source_json(const ReportSource& source) {
  Json out = Json::object();
  out["reference"] = hex(source.reference);
  out["reliability"] = word(source.reliability);
  const bool graded = source.credibility >= Credibility::k1 && source.credibility <= Credibility::k6;
  out["credibility"] = graded ? Json(static_cast<int>(source.credibility)) : word(source.credibility);
  return out;
}

Json attachment_json(const Attachment& attachment) {
  Json out = Json::object();
  out["digest"] = hex(attachment.digest);
  out["first"] = attachment.first.value;
  out["count"] = attachment.count;
  out["size"] = attachment.bytes;
  out["name"] = text_or_null(attachment.name);
  out["media_type"] = text_or_null(attachment.media_type);
  return out;
}

Json provenance_json(const Provenance& p) {
  Json out = Json::object();
  out["publisher"] = text_or_null(p.publisher);
  out["dataset"] = text_or_null(p.dataset);
  out["row_id"] = text_or_null(p.row_id);
  out["citation"] = text_or_null(p.citation);
  out["url"] = text_or_null(p.url);
  out["licence"] = text_or_null(p.licence);
  out["retrieved"] = time_or_null(p.retrieved);
  return out;
}

struct DetailsJson {
  Json operator()(const std::monostate&) const { return nullptr; }
  Json operator()(const UnknownDetails&) const { return nullptr; }
  Json operator()(const IncidentDetails& d) const {
    Json actors = Json::array();
    for (const auto& actor : d.actors) {
      Json one = Json::object();
      one["name"] = actor.name;
      one["role"] = word(actor.role);
      actors.push_back(std::move(one));
    }
    Json out = Json::object();
    out["event_type"] = text_or_null(d.event_type);
    out["violence_type"] = word(d.violence_type);
    out["conflict"] = text_or_null(d.conflict);
    out["actors"] = std::move(actors);
    out["deaths_best"] = people_or_null(d.deaths_best);
    out["deaths_low"] = people_or_null(d.deaths_low);
    out["deaths_high"] = people_or_null(d.deaths_high);
    out["deaths_civilians"] = people_or_null(d.deaths_civilians);
    out["deaths_side_a"] = people_or_null(d.deaths_side_a);
    out["deaths_side_b"] = people_or_null(d.deaths_side_b);
    out["deaths_unknown"] = people_or_null(d.deaths_unknown);
    out["injured"] = people_or_null(d.injured);
    out["missing"] = people_or_null(d.missing);
    return out;
  }
  Json operator()(const SituationDetails& d) const {
    Json out = Json::object();
    out["trend"] = word(d.trend);
    out["people_affected"] = people_or_null(d.people_affected);
    out["people_in_need"] = people_or_null(d.people_in_need);
    out["outlook"] = text_or_null(d.outlook);
    return out;
  }
  Json operator()(const AlertDetails& d) const {
    Json out = Json::object();
    out["lines_tried"] = Json(d.lines_tried);
    out["requested_action"] = text_or_null(d.requested_action);
    return out;
  }
  Json operator()(const IndicatorDetails& d) const {
    Json out = Json::object();
    out["name"] = text_or_null(d.name);
    out["value"] = d.value ? Json(*d.value) : Json(nullptr);
    out["unit"] = text_or_null(d.unit);
    out["trend"] = word(d.trend);
    out["baseline"] = text_or_null(d.baseline);
    return out;
  }
  Json operator()(const DisplacementDetails& d) const {
    Json out = Json::object();
    out["people"] = people_or_null(d.people);
    out["people_low"] = people_or_null(d.people_low);
    out["people_high"] = people_or_null(d.people_high);
    out["households"] = people_or_null(d.households);
    out["movement"] = word(d.movement);
    out["cause"] = word(d.cause);
    out["origin"] = d.origin ? place_json(*d.origin) : Json(nullptr);
    out["destination"] = d.destination ? place_json(*d.destination) : Json(nullptr);
    return out;
  }
  Json operator()(const CorroborateDetails& d) const { return about(d.target, "note", d.note); }
  Json operator()(const DisputeDetails& d) const { return about(d.target, "reason", d.reason); }
  Json operator()(const WithdrawDetails& d) const { return about(d.target, "reason", d.reason); }
  Json operator()(const AcknowledgeDetails& d) const { return about(d.target, "note", d.note); }
  Json operator()(const CorrectDetails& d) const {
    Json out = about(d.target, "reason", d.reason);
    out["previous"] = d.previous ? hex(*d.previous) : Json(nullptr);
    const auto replacement = decode_replacement(d);
    out["replacement"] = replacement ? to_json_value(*replacement, {report_id(d.replacement), {}}) : Json(nullptr);
    return out;
  }

 private:
  static Json about(const ReportId& target, const char* key, const std::string& text) {
    Json out = Json::object();
    out["target"] = hex(target);
    out[key] = text_or_null(text);
    return out;
  }
};

template <class List, class Function>
Json list_json(const List& list, Function one) {
  Json out = Json::array();
  for (const auto& item : list) out.push_back(one(item));
  return out;
}

void write_lists(Json& out, const Report& report) {
  out["sources"] = list_json(report.sources, source_json);
  out["severity"] = word(report.severity);
  out["urgency"] = word(report.urgency);
  out["certainty"] = word(report.certainty);
  out["likelihood"] = word(report.likelihood);
  out["confidence"] = word(report.confidence);
  out["indicators"] = list_json(report.indicators, [](RiskIndicator indicator) { return Json(to_string(indicator)); });
  out["references"] = list_json(report.references, [](const ReportReference& reference) {
    Json one = Json::object();
    one["report"] = hex(reference.report);
    one["relation"] = word(reference.relation);
    return one;
  });
  out["attachments"] = list_json(report.attachments, attachment_json);
}

}  // namespace

Json to_json_value(const Report& report, const JsonExtras& extras) {
  Json out = Json::object();
  if (extras.id) out["id"] = hex(*extras.id);
  out["kind"] = word(report.kind);
  out["status"] = word(report.status);
  out["author"] = report.author.is_zero() ? Json(nullptr) : hex(report.author);
  out["created"] = format_time(report.created);
  out["observed_from"] = time_or_null(report.observed_from);
  out["observed_to"] = time_or_null(report.observed_to);
  out["observed_precision"] = word(report.observed_precision);
  out["place"] = report.places.empty() ? Json(nullptr) : place_json(report.places[0]);
  if (report.places.size() > 1) {
    out["more_places"] = list_json(std::span(report.places).subspan(1), place_json);
  }
  out["tlp"] = word(report.tlp);
  out["audience"] = Json(extras.audience);
  write_lists(out, report);
  out["language"] = text_or_null(report.language);
  out["title"] = text_or_null(report.title);
  out["text"] = text_or_null(report.text);
  if (report.provenance) out["provenance"] = provenance_json(*report.provenance);
  Json details = std::visit(DetailsJson{}, report.details);
  if (!details.is_null()) out[std::string(key_of(report.kind))] = std::move(details);
  return out;
}

std::string to_json(const Report& report, const JsonExtras& extras) {
  // A report's own texts are UTF-8; the audience is the caller's, so a fault in it must not throw.
  return to_json_value(report, extras).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tocsin::reports
