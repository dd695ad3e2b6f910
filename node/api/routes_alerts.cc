// alerts and the inbox.
#include <algorithm>

#include "node/api/router.h"
#include "node/api/views.h"
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
  if (body.contains("country")) report["place"]["iso3"] = body["country"];
  if (body.contains("tried")) report["alert"]["lines_tried"] = body["tried"];
  auto parsed = reports::parse_report_value(report);
  auto advice = std::move(parsed.findings.advice);
  advice.insert(advice.end(), parsed.findings.problems.begin(), parsed.findings.problems.end());
  return std::pair(std::move(parsed.report), std::move(advice));
}

void raise_alert(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  auto allowed = governments_from(*body);
  if (!allowed) return responder->problem(allowed.error());
  auto alert = alert_from(*body);
  if (!alert) return responder->problem(alert.error());
  std::vector<ChannelId> channels;
  if (const auto found = body->find("channels"); found != body->end() && found->is_array()) {
    for (const auto& item : *found) {
      auto id = app.desk.find_channel(item.is_string() ? item.get<std::string>() : std::string());
      if (!id) return responder->problem(id.error());
      if (std::find(channels.begin(), channels.end(), *id) == channels.end()) channels.push_back(*id);
    }
  }
  if (request.dry_run) {
    Json readers = Json::object();
    for (const auto& channel : channels) readers[hex(channel)] = readers_json(app, app.desk.readers_of(channel));
    return responder->json({{"readers_by_channel", readers}, {"advice", advice_json(alert->second)}});
  }
  app.desk.raise(
      std::move(alert->first), channels, *allowed,
      [&app, responder, advice = std::move(alert->second)](Result<desk::Raised> raised) {
        if (!raised) return responder->problem(raised.error());
        auto out = made_json(raised->made);
        for (auto& item : advice_json(advice)) out["advice"].push_back(std::move(item));
        Json held = Json::array();
        for (const auto& h : raised->held)
          held.push_back(
              {{"channel_id", hex(h.channel)}, {"code", h.code.text()}, {"readers", readers_json(app, h.readers)}});
        out["held"] = held;
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
  app.desk.index().ask([text = request.params[0]](index::Index& i) { return i.resolve(text); },
                       [&app, responder, note = text_or(*body, "note")](Result<ReportId> id) {
                         if (!id) return responder->problem(id.error());
                         app.desk.acknowledge(*id, note, answer<desk::Made>(responder, made_json, 201));
                       });
}

void list_inbox(App& app, const Request& request, ResponderPtr responder) {
  auto limit = limit_from(request);
  if (!limit) return responder->problem(limit.error());
  index::InboxQuery query{app.replica().own_org().id(), app.desk.clock().now(), *limit, request.get("after")};
  app.desk.index().ask([query](index::Index& i) { return i.inbox(query); },
                       [&app, responder](Result<index::ReportPage> page) {
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
                         responder->json(page_json(std::move(items), page->next));
                       });
}

void finish_inbox_item(App& app, const Request& request, ResponderPtr responder) {
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
  out.push_back({"POST", "/alerts/{alert}/ack", "Acknowledge an alert", {}, ack_alert});
  out.push_back({"GET", "/inbox", "What needs a person, worst first", {"limit", "after"}, list_inbox});
  out.push_back({"POST", "/inbox/{item}/done", "Take an item off", {}, finish_inbox_item});
}

}  // namespace tocsin::api
