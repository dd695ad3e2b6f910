// import and export. The formats are the exchange layer's; here is only what is asked for.
#include "node/api/router.h"
#include "node/api/views.h"
#include "node/desk/exporter.h"
#include "node/reports/vocab.h"

namespace tocsin::api {
namespace {

Json outcome_json(const desk::ImportOutcome& outcome) {
  Json refused = Json::array();
  for (const auto& p : outcome.refused)
    refused.push_back({{"line", p.line}, {"column", p.column}, {"code", p.code.text()}, {"detail", p.detail}});
  Json out{{"read", outcome.read},     {"new", outcome.fresh},           {"known", outcome.known},
           {"shared", outcome.shared}, {"corrected", outcome.corrected}, {"refused", refused}};
  if (outcome.waiting > 0) {
    out["waiting"] = outcome.waiting;
    out["detail"] =
        std::to_string(outcome.waiting) + " of these wait for a second person; see: tocsin report list --state waiting";
  }
  return out;
}

// No row was found, and why.
bool of_another_kind(const desk::ImportOutcome& outcome) { return outcome.read == 0 && !outcome.refused.empty(); }

// Nothing was imported. Where rule 53 alone stands in the way the answer is the one of any other sharing.
void answer_refused(App& app, const desk::ImportOutcome& outcome, Responder& responder) {
  auto more = outcome_json(outcome);
  const auto rows = std::to_string(outcome.refused_count) + " of " + std::to_string(outcome.read) + " rows ";
  if (!outcome.governments.empty()) more["readers"] = readers_json(app, outcome.governments);
  if (outcome.refused_for_governments > 0 && outcome.refused_for_governments == outcome.refused_count)
    return responder.problem(
        caller_error(desk::kGovernmentNamed,
                     "nothing was imported: " + rows + "name a country whose government reads " + "that channel; " +
                         outcome.refused.front().detail + ", or --partial to leave these rows out"),
        more);
  if (of_another_kind(outcome))
    return responder.problem(caller_error(Code{"import_refused"},
                                          "nothing was imported: no row of that format is in "
                                          "the file; " +
                                              outcome.refused.front().detail),
                             more);
  responder.problem(
      caller_error(Code{"import_refused"},
                   "nothing was imported: " + rows + "are refused; mend them, or say --partial to leave them out"),
      more);
}

void import_reports(App& app, const Request& request, ResponderPtr responder) {
  desk::ImportRequest import;
  import.format = exchange::find_format(request.get("format"));
  if (!import.format || !import.format->parse)
    return responder->problem(
        caller_error(exchange::kUnknownFormat, "format is one of " + exchange::import_format_names()));
  if (const auto name = request.get("channel"); !name.empty()) {
    auto channel = app.desk.find_channel(name);
    if (!channel) return responder->problem(channel.error());
    import.channel = *channel;
  }
  if (const auto word = request.get("tlp"); !word.empty()) {
    import.tlp = reports::parse_key<protocol::Tlp>(word);
    if (!import.tlp)
      return responder->problem(
          caller_error(Code{"bad_parameter"}, "tlp is one of " + reports::vocabulary_of<protocol::Tlp>().choices()));
  }
  auto countries = request.get("allow_government");
  while (!countries.empty()) {
    const auto comma = std::min(countries.find(','), countries.size());
    const auto* country = reports::parse_country(countries.substr(0, comma));
    if (!country)
      return responder->problem(
          caller_error(Code{"bad_parameter"}, "allow_government takes ISO 3166-1 alpha-3 codes, such as MMR"));
    import.allowed.insert(country->iso3);
    countries.erase(0, std::min(comma + 1, countries.size()));
  }
  import.file = request.body;
  import.file_name = request.get("name");
  import.partial = request.get("partial") == "true";
  import.dry_run = request.dry_run;
  import.by = request.actor;
  std::shared_ptr<desk::ImportProgress> progress;
  if (const auto found = app.operations.find(request.idempotency_key); found != app.operations.end())
    progress = found->second.progress;
  if (!progress) progress = std::make_shared<desk::ImportProgress>();
  const auto target = import.dry_run ? import.channel : std::nullopt;
  app.importer->run(std::move(import), progress, [&app, responder, target](Result<desk::ImportOutcome> outcome) {
    if (!outcome) return responder->problem(outcome.error());
    if (!outcome->done || of_another_kind(*outcome)) return answer_refused(app, *outcome, *responder);
    if (outcome->cut_short) {
      auto partial = outcome_json(*outcome);
      const auto& why = *outcome->cut_short;
      partial["code"] = "partial";
      partial["reason"] = why.code.text();
      partial["detail"] = std::to_string(outcome->fresh + outcome->corrected) +
                          " rows are in, then the writing failed (" +
                          (why.detail.empty() ? std::string(why.code.text()) : why.detail) +
                          "); mend that and import the same file again, which writes the rest";
      return responder->json(partial, 207);
    }
    auto answer = outcome_json(*outcome);
    if (target) answer["readers"] = readers_json(app, app.desk.readers_of(*target));
    responder->json(answer, outcome->refused_count || outcome->waiting ? 207 : 200);
  });
}

void export_reports(App& app, const Request& request, ResponderPtr responder) {
  const auto* format = exchange::find_format(request.get("format"));
  if (!format || !format->write)
    return responder->problem(
        caller_error(exchange::kUnknownFormat, "format is one of " + exchange::export_format_names()));
  auto query = query_from(app, request);
  if (!query) return responder->problem(query.error());
  responder->begin(200, std::string(format->media_type));
  auto exporter = std::make_shared<desk::Exporter>(
      app.desk, *format, std::move(*query),
      [responder](std::string piece, std::function<void(bool)> more) {
        responder->write(std::move(piece), std::move(more));
      },
      // After a failure in the middle the connection is cut without its end: the reader sees that the file is not
      // whole.
      [responder](Result<std::uint64_t> written) {
        if (written) responder->end();
      });
  exporter->start();
}

}  // namespace

void add_exchange_routes(std::vector<Route>& out) {
  out.push_back({.method = "POST",
                 .path = "/reports/import",
                 .summary = "Import a file, all or nothing",
                 .parameters = {"format", "channel", "tlp", "partial", "name", "allow_government"},
                 .handler = import_reports,
                 .takes_dry_run = true,
                 .body_bytes_max = kImportBodyBytesMax});
  out.push_back({"GET",
                 "/reports/export",
                 "Export what the filters find",
                 {"format", "kind", "country", "since", "until", "severity", "channel", "author", "status", "state",
                  "near", "text", "since_cursor"},
                 export_reports});
}

}  // namespace tocsin::api
