// Protected sources (rule 51): who stands behind a reference is answered here, to the home's owner, and nowhere else.
#include "node/api/router.h"
#include "node/api/views.h"

namespace tocsin::api {
namespace {

Json source_json(const desk::Source& source) {
  const auto record = source.record.value_or(reports::SourceRecord{});
  return {{"reference", hex(source.reference)},
          {"name", record.name},
          {"contact", record.contact},
          {"note", record.note},
          {"damaged", !source.record}};
}

void list_sources(App& app, const Request&, ResponderPtr responder) {
  auto sources = app.sources->list();
  if (!sources) return responder->problem(sources.error());
  Json items = Json::array();
  for (const auto& source : *sources) items.push_back(source_json(source));
  responder->json(page_json(std::move(items), {}));
}

void add_source(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"name", "contact", "note"}); !fine) return responder->problem(fine.error());
  auto name = text_field(*body, "name");
  if (!name) return responder->problem(name.error());
  app.sources->add(
      {*name, text_or(*body, "contact"), text_or(*body, "note")},
      [responder](Result<desk::SourceRegister::Added> added) {
        if (!added) return responder->problem(added.error());
        responder->json({{"reference", hex(added->reference)}, {"known", added->known}}, added->known ? 200 : 201);
      });
}

void show_source(App& app, const Request& request, ResponderPtr responder) {
  auto source = app.sources->find(request.params[0]);
  if (!source) return responder->problem(source.error());
  responder->json(source_json(*source));
}

void remove_source(App& app, const Request& request, ResponderPtr responder) {
  auto source = app.sources->find(request.params[0]);
  if (!source) return responder->problem(source.error());
  const Json out{{"reference", hex(source->reference)}, {"removed", !request.dry_run}};
  if (request.dry_run) return responder->json(out);
  app.sources->erase(source->reference, [responder, out](Result<void> gone) {
    gone ? responder->json(out) : responder->problem(gone.error());
  });
}

}  // namespace

void add_source_routes(std::vector<Route>& out) {
  out.push_back({"GET", "/sources", "Protected sources, by name", {}, list_sources});
  out.push_back({"POST", "/sources", "Note who a source is, and get a reference for reports", {}, add_source});
  out.push_back({"GET", "/sources/{reference}", "Who stands behind a reference", {}, show_source});
  out.push_back({"DELETE", "/sources/{reference}", "Forget who stands behind a reference", {}, remove_source, true});
}

}  // namespace tocsin::api
