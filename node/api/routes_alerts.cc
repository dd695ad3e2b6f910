// alerts and the inbox.
#include <algorithm>

#include "node/api/answers.h"
#include "node/api/router.h"
#include "node/api/views.h"
#include "node/api/waiting.h"
#include "node/reports/report_json.h"
#include "node/reports/vocab.h"

namespace tocsin::api {
namespace {

using namespace protocol;

// Rule 52: what is missing or malformed becomes advice, never a refusal.
Result<std::pair<Report, std::vector<reports::Problem>>> alert_from(const Json& body) {
  Json report = body.contains("report") && body["report"].is_object() ? body["report"] : Json::object();
  report["kind"] = "alert";
  for (const auto* field : {"title", "severity", "urgency", "text"})
    if (body.contains(field)) report[field] = body[field];
  // A field of a wrong type gives way: the parser would refuse it anyway.
  const auto object_at = [&](const char* field) -> Json& {
    if (!report[field].is_object()) report[field] = Json::object();
    return report[field];
  };
  if (body.contains("country")) {
    auto& place = object_at("place");
    place["iso3"] = body["country"];
    // What is no code is kept as it was typed: nothing that somebody said in an alert is lost.
    const auto& typed = body["country"];
    if (typed.is_string() && !reports::parse_country(typed.get<std::string>()) && !place.contains("name"))
      place["name"] = typed;
  }
  if (body.contains("tried")) object_at("alert")["lines_tried"] = body["tried"];
  auto parsed = reports::parse_report_value(report);
  auto advice = std::move(parsed.findings.advice);
  advice.insert(advice.end(), parsed.findings.problems.begin(), parsed.findings.problems.end());
  return std::pair(std::move(parsed.report), std::move(advice));
}

// Channels that took it, or would; beside what is held back, the names that fit no channel.
Json alert_json(App& app, const desk::Made& made, const Json& unknown) {
  auto out = made_json(app, made);
  if (!out.contains("held")) out["held"] = Json::array();
  for (const auto& item : unknown) out["held"].push_back(item);
  return out;
}

void raise_alert(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  auto allowed = governments_from(*body);
  if (!allowed) return responder->problem(allowed.error());
  auto alert = alert_from(*body);
  if (!alert) return responder->problem(alert.error());
  std::vector<ChannelId> channels;
  Json unknown = Json::array();  // a name that fits nothing holds up none of the others
  std::optional<Error> none;
  if (const auto found = body->find("channels"); found != body->end() && !found->is_null()) {
    const bool list = found->is_array() &&
                      std::all_of(found->begin(), found->end(), [](const Json& item) { return item.is_string(); });
    if (!list) return responder->problem(caller_error(Code{"wrong_type"}, "channels is a list of names or ids"));
    for (const auto& item : *found) {
      const auto name = item.get<std::string>();
      auto id = app.desk.find_channel(name);
      if (!id) {
        unknown.push_back({{"channel", name}, {"code", id.error().code.text()}, {"readers", Json::array()}});
        none = id.error();
      } else if (std::find(channels.begin(), channels.end(), *id) == channels.end()) {
        channels.push_back(*id);
      }
    }
    if (channels.empty() && none) return responder->problem(*none);
  }
  if (request.dry_run) {
    auto plan = app.desk.plan_alert(alert->first, channels, *allowed);
    if (!plan) return responder->problem(plan.error());
    std::vector<reports::Reader> readers;
    for (const auto& channel : plan->channels)
      for (const auto& reader : app.desk.readers_of(channel))
        if (std::none_of(readers.begin(), readers.end(), [&](const auto& r) { return r.org == reader.org; }))
          readers.push_back(reader);
    auto out = alert_json(app, *plan, unknown);
    out.erase("id");
    out["readers"] = readers_json(app, readers);
    out["advice"] = advice_json(alert->second);
    return responder->json(out);
  }
  app.desk.raise(std::move(alert->first), channels, *allowed,
                 [&app, responder, unknown, advice = std::move(alert->second)](Result<desk::Made> made) {
                   if (!made) return responder->problem(made.error());
                   auto out = alert_json(app, *made, unknown);
                   for (auto& item : advice_json(advice)) out["advice"].push_back(std::move(item));
                   responder->json(out, 201);
                 });
}

void list_alerts(App& app, const Request& request, ResponderPtr responder) {
  auto limit = limit_from(request);
  if (!limit) return responder->problem(limit.error());
  index::ReportQuery query;
  query.kinds = {ReportKind::kAlert};
  query.limit = *limit;
  query.after = request.get("after");
  struct Answer {
    index::ReportPage page;
    std::vector<index::ReportHistory> histories;
  };
  app.desk.index().ask(
      [query](index::Index& i) -> Result<Answer> {
        Answer out;
        TOCSIN_ASSIGN(page, i.list(query));
        for (const auto& row : page.rows) {
          TOCSIN_ASSIGN(history, i.history(row.id));
          out.histories.push_back(std::move(history));
        }
        out.page = std::move(page);
        return out;
      },
      [&app, responder](Result<Answer> answer) {
        if (!answer) return responder->problem(answer.error());
        Json items = Json::array();
        for (std::size_t n = 0; n < answer->page.rows.size(); ++n) {
          const auto& row = answer->page.rows[n];
          auto item = row_json(app, row);
          item["tried"] = Json::array();
          if (auto report = app.desk.read_at(row.content))
            if (const auto* details = std::get_if<AlertDetails>(&report->details)) item["tried"] = details->lines_tried;
          Json acknowledged = Json::array();
          for (const auto& act : answer->histories[n].acts)
            if (act.kind == ReportKind::kAcknowledge && act.counts)
              acknowledged.push_back({{"org_id", hex(act.author)},
                                      {"name", app.desk.org_name(act.author)},
                                      {"created", time_text(act.created)}});
          item["acknowledged_by"] = acknowledged;
          items.push_back(std::move(item));
        }
        responder->json(page_json(std::move(items), answer->page.next));
      });
}

void ack_alert(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  app.desk.index().ask(
      [text = request.params[0]](index::Index& i) { return i.resolve(text); },
      [&app, responder, note = text_or(*body, "note"), dry_run = request.dry_run](Result<ReportId> id) {
        if (!id) return responder->problem(id.error());
        app.desk.acknowledge(*id, note, dry_run, [&app, responder, id = *id, dry_run](Result<desk::Made> made) {
          if (dry_run || !made) return answer_plan(app, responder, id, made);
          responder->json(made_json(app, *made), 201);
        });
      });
}

void list_inbox(App& app, const Request& request, ResponderPtr responder) {
  auto limit = limit_from(request);
  if (!limit) return responder->problem(limit.error());
  index::InboxQuery query{app.replica().own_org().id(), app.desk.clock().now(), *limit, request.get("after")};
  app.desk.index().ask([query](index::Index& i) { return i.inbox(query); },
                       [&app, responder, after = query.after, by = request.actor.user](Result<index::ReportPage> page) {
                         if (!page) return responder->problem(page.error());
                         Json items = Json::array();
                         for (const auto& row : page->rows) {
                           auto item = row_json(app, row);
                           Json out{{"id", item["id"]},
                                    {"report_id", item["id"]},
                                    {"reason", row.kind == ReportKind::kAlert ? "alert" : "report"}};
                           for (const auto* key : {"severity", "urgency", "kind", "status", "title", "country",
                                                   "author", "author_name", "observed_from", "created", "tlp", "state"})
                             out[key] = item[key];
                           items.push_back(std::move(out));
                         }
                         // Answers and what waits for a second person come first; the latter not to who wants to
                         // share it.
                         if (!after.empty()) return responder->json(page_json(std::move(items), page->next));
                         load_waiting(app, [&app, responder, by, items = std::move(items),
                                            next = page->next](Result<std::vector<WaitingRow>> waiting) mutable {
                           if (!waiting) return responder->problem(waiting.error());
                           Json all = answers_waiting(app);
                           for (const auto& each : *waiting) {
                             if (protocol::asked(each.record, by)) continue;
                             auto item = waiting_json(app, each);
                             item["report_id"] = item["id"];
                             item["reason"] = "release";
                             all.push_back(std::move(item));
                           }
                           for (auto& item : items) all.push_back(std::move(item));
                           responder->json(page_json(std::move(all), next));
                         });
                       });
}

void finish_inbox_item(App& app, const Request& request, ResponderPtr responder) {
  if (finish_answer(app, request.params[0], responder)) return;
  app.desk.index().ask([text = request.params[0]](index::Index& i) { return i.resolve(text); },
                       [&app, responder](Result<ReportId> id) {
                         if (!id) return responder->problem(id.error());
                         app.desk.inbox_done(*id, [responder, id = *id](Result<void> done) {
                           if (!done) return responder->problem(done.error());
                           responder->json({{"id", hex(id)}});
                         });
                       });
}

}  // namespace

void add_alert_routes(std::vector<Route>& out) {
  out.push_back({"POST", "/alerts", "Raise an alert", {}, raise_alert, true});
  out.push_back({"GET", "/alerts", "Alerts, newest first", {"limit", "after"}, list_alerts});
  out.push_back({"POST", "/alerts/{alert}/ack", "Acknowledge an alert", {}, ack_alert, true});
  out.push_back({"GET", "/inbox", "What needs a person, worst first", {"limit", "after"}, list_inbox});
  out.push_back({"POST", "/inbox/{item}/done", "Take an item off", {}, finish_inbox_item});
}

}  // namespace tocsin::api
