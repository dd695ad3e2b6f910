// What waits for a second person, and its release.
#include "node/api/router.h"
#include "node/api/views.h"
#include "node/api/waiting.h"

namespace tocsin::api {
namespace {

using namespace protocol;

void release_report(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"allow_government", "version", "confirm_readers"}); !fine)
    return responder->problem(fine.error());
  auto allowed = governments_from(*body);
  if (!allowed) return responder->problem(allowed.error());
  app.desk.index().ask(
      [text = request.params[0]](index::Index& i) { return i.resolve(text); },
      [&app, responder, allowed = *allowed, by = request.actor,
       seen = desk::Seen{text_or(*body, "version"), text_or(*body, "confirm_readers")}](Result<ReportId> id) {
        if (!id) return responder->problem(id.error());
        app.desk.release(
            *id, allowed, by,
            [&app, responder, by](Result<std::pair<desk::Made, std::vector<WaitingRecord>>> done) {
              if (!done) return responder->problem(done.error());
              const auto& [made, waited] = *done;
              auto out = made_json(app, made);
              out["state"] = "released";
              out["asked_by"] = waited.front().asked_by;
              out["released_by"] = by.name;
              // With both names, whoever it was.
              audit(app, by, "Release what waited for a second person",
                    {hex(made.id), "asked by " + waited.front().asked_by}, AuditOutcome::kDone,
                    [responder, out] { responder->json(out); });
            },
            seen);
      });
}

}  // namespace

void load_waiting(App& app, Done<std::vector<WaitingRow>> done) {
  if (!app.users) return done(std::vector<WaitingRow>{});
  app.desk.index().ask(
      [waiting = app.users->waiting()](index::Index& i) -> Result<std::vector<WaitingRow>> {
        std::vector<WaitingRow> out;
        for (const auto& record : waiting) {
          auto found = i.find(record.subject);
          if (found && !found->row.erased && !found->row.standing.withdrawn) out.push_back({record, found->row});
        }
        return out;
      },
      std::move(done));
}

Json waiting_json(App& app, const WaitingRow& waiting) {
  auto out = row_json(app, waiting.row);
  out["state"] = "waiting";
  out["waiting_for"] = hex_list(waiting.record.channels);
  out["correction"] = waiting.record.correction ? Json(hex(*waiting.record.correction)) : Json(nullptr);
  out["until"] = waiting.record.until_home ? "home_confirmed" : "released";
  out["asked_by"] = waiting.record.asked_by;
  out["asked_at"] = time_text(waiting.record.asked_at);
  const auto& version = waiting.record.correction ? waiting.record.correction : waiting.record.version;
  out["version"] = hex(version.value_or(waiting.record.subject));
  return out;
}

void list_waiting(App& app, const ResponderPtr& responder) {
  load_waiting(app, [&app, responder](Result<std::vector<WaitingRow>> waiting) {
    if (!waiting) return responder->problem(waiting.error());
    Json items = Json::array();
    for (const auto& each : *waiting) items.push_back(waiting_json(app, each));
    responder->json(page_json(std::move(items), {}));
  });
}

void add_waiting_routes(std::vector<Route>& out) {
  out.push_back({"POST", "/reports/{report}/release", "Release what waited for a second person", {}, release_report});
}

}  // namespace tocsin::api
