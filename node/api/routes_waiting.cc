// What waits for a second person, and its release.
#include <algorithm>

#include "node/api/router.h"
#include "node/api/views.h"
#include "node/api/waiting.h"
#include "node/reports/vocab.h"

namespace tocsin::api {
namespace {

using namespace protocol;

using Released = Result<std::pair<desk::Made, std::vector<WaitingRecord>>>;

std::string askers(const std::vector<WaitingRecord>& waited) {
  std::string out;
  std::set<std::string> said;
  for (const auto& record : waited)
    if (said.insert(record.asked_by).second) out += (out.empty() ? "" : ", ") + record.asked_by;
  return out;
}

void answer_dry_run(App& app, const ResponderPtr& responder, const ReportId& id, const desk::Made& made) {
  app.desk.load(id, [&app, responder, id, made](Result<desk::Loaded> loaded) {
    if (!loaded) return responder->problem(loaded.error());
    std::vector<reports::Reader> governments;
    for (const auto& held : made.held) governments.insert(governments.end(), held.readers.begin(), held.readers.end());
    responder->json({{"id", hex(id)},
                     {"title", loaded->content.title},
                     {"channels", hex_list(made.channels)},
                     {"readers", readers_json(app, app.desk.readers_of(made.channels))},
                     {"warnings", warnings_json(governments)},
                     {"waiting", waiting_of(app, *loaded)}});
  });
}

// Rule 53, as where somebody shares: the problem names those governments.
void ask_about_governments(App& app, const ResponderPtr& responder, const ReportId& id,
                           const desk::AllowedGovernments& allowed, const desk::Actor& by, const desk::Seen& seen,
                           const Error& error) {
  app.desk.release(
      id, allowed, by,
      [&app, responder, error](const Released& would) {
        std::vector<reports::Reader> governments;
        if (would)
          for (const auto& held : would->first.held)
            governments.insert(governments.end(), held.readers.begin(), held.readers.end());
        responder->problem(error, {{"readers", readers_json(app, governments)}});
      },
      seen, true);
}

void release_report(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"allow_government", "version", "confirm_readers"}); !fine)
    return responder->problem(fine.error());
  auto allowed = governments_from(*body);
  if (!allowed) return responder->problem(allowed.error());
  app.desk.index().ask(
      [text = request.params[0]](index::Index& i) { return i.resolve(text); },
      [&app, responder, allowed = *allowed, by = request.actor, dry_run = request.dry_run,
       seen = desk::Seen{text_or(*body, "version"), text_or(*body, "confirm_readers")}](Result<ReportId> id) {
        if (!id) return responder->problem(id.error());
        app.desk.release(
            *id, allowed, by,
            [&app, responder, by, id = *id, allowed, seen, dry_run](const Released& done) {
              if (!done && done.error().code == desk::kGovernmentNamed)
                return ask_about_governments(app, responder, id, allowed, by, seen, done.error());
              if (!done) return responder->problem(done.error());
              const auto& [made, waited] = *done;
              if (dry_run) return answer_dry_run(app, responder, id, made);
              auto out = made_json(app, made);
              out["state"] = "released";
              out["readers"] = readers_json(app, app.desk.readers_of(made.channels));
              out["asked_by"] = askers(waited);
              out["released_by"] = by.name;
              // With both names, whoever it was.
              audit(app, by, "Release what waited for a second person", {hex(made.id), "asked by " + askers(waited)},
                    AuditOutcome::kDone, [responder, out] { responder->json(out); });
            },
            seen, dry_run);
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

namespace {

// What a record says, whatever the report.
void add_waiting(App& app, const WaitingRecord& record, Json& out) {
  out["waiting_for"] = hex_list(record.channels);
  out["correction"] = record.correction ? Json(hex(*record.correction)) : Json(nullptr);
  out["until"] = record.until_home ? "home_confirmed" : "released";
  out["asked_by"] = record.asked_by;
  out["asked_at"] = time_text(record.asked_at);
  // Who wrote or corrected it before does not release it either.
  Json before = Json::array();
  const auto users = app.users ? app.users->list() : std::vector<UserRecord>{};
  for (const auto& id : record.earlier_askers) {
    const auto user = std::ranges::find_if(users, [&](const auto& each) { return id == each.id; });
    before.push_back(!id                   ? desk::owner_actor().name
                     : user == users.end() ? "removed user " + hex(*id).substr(0, 8)
                                           : user->name);
  }
  out["asked_before_by"] = std::move(before);
  const auto& version = record.correction ? record.correction : record.version;
  out["version"] = hex(version.value_or(record.subject));
}

}  // namespace

Json waiting_json(App& app, const WaitingRow& waiting) {
  auto out = row_json(app, waiting.row);
  out["state"] = "waiting";
  add_waiting(app, waiting.record, out);
  return out;
}

Json waiting_of(App& app, const desk::Loaded& loaded) {
  Json out = Json::array();
  if (!app.users) return out;
  const auto& id = loaded.found.row.id;
  for (const auto& record : app.users->waiting()) {
    if (record.subject != id && record.correction != id) continue;
    Json item{{"what", "report"}};
    for (const auto& [act, report] : loaded.acts)
      if (record.correction == act) item["what"] = reports::key_of(report.kind);
    add_waiting(app, record, item);
    out.push_back(std::move(item));
  }
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
  out.push_back(
      {"POST", "/reports/{report}/release", "Release what waited for a second person", {}, release_report, true});
}

}  // namespace tocsin::api
