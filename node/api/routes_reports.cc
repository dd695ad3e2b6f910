// reports, but for import and export.
#include "node/api/answers.h"
#include "node/api/router.h"
#include "node/api/taken_back.h"
#include "node/api/views.h"
#include "node/api/waiting.h"
#include "node/reports/report_json.h"

namespace tocsin::api {
namespace {

using namespace protocol;

// Finds the report that the path names and goes on with its id.
void with_report(App& app, const Request& request, const ResponderPtr& responder,
                 std::function<void(const ReportId&)> then) {
  app.desk.index().ask([text = request.params[0]](index::Index& i) { return i.resolve(text); },
                       [responder, then = std::move(then)](Result<ReportId> id) {
                         if (!id) return responder->problem(id.error());
                         then(*id);
                       });
}

void answer_made(App& app, const ResponderPtr& responder, const Result<desk::Made>& made) {
  if (made) return responder->json(made_json(app, *made), made_status(*made, 201));
  responder->problem(made.error());
}

// A problem that a person can act on: the governments that would read (rule 53).
void answer_problem(App& app, const ResponderPtr& responder, const Error& error, const std::set<std::string>& countries,
                    const std::optional<ChannelId>& channel) {
  Json more = Json::object();
  if (error.code == desk::kGovernmentNamed && channel)
    more["readers"] = readers_json(app, app.desk.governments_against(countries, *channel, {}));
  responder->problem(error, more);
}

// A row with what only the report itself has: the whole header and the fields of its kind. What was erased has a row
// alone.
Json whole_row_json(App& app, const index::ReportRow& row, const std::vector<index::Location>& copies) {
  Json out = row_json(app, row);
  if (row.erased) {
    out["audience"] = Json::array();
    return out;
  }
  if (const auto report = app.desk.read_shown(row)) {
    const Json whole = reports::to_json_value(*report);
    out["place"] = whole["place"];
    for (const auto& [key, value] : whole.items())
      if (!out.contains(key)) out[key] = value;
  }
  Json audience = Json::array();
  for (const auto& copy : copies)
    if (copy.channel != app.replica().private_channel()) audience.push_back(hex(copy.channel));
  out["audience"] = audience;
  return out;
}

void list_reports(App& app, const Request& request, ResponderPtr responder) {
  if (request.get("state") == "waiting") return list_waiting(app, responder);
  auto query = query_from(app, request);
  if (!query) return responder->problem(query.error());
  if (const auto count = request.get("count"); !count.empty()) {
    if (count != "true" && count != "false")
      return responder->problem(caller_error(Code{"bad_parameter"}, "count is true or false"));
    if (count == "true")
      return app.desk.index().ask([q = *query](index::Index& i) { return i.count(q); },
                                  answer<std::uint64_t>(responder, [](const std::uint64_t& n) {
                                    return Json{{"count", n}};
                                  }));
  }
  struct Listed {
    index::ReportPage page;
    std::vector<std::vector<index::Location>> copies;  // of each row
  };
  app.desk.index().ask(
      [q = *query](index::Index& i) -> Result<Listed> {
        TOCSIN_ASSIGN(page, i.list(q));
        Listed out{std::move(page), {}};
        for (const auto& row : out.page.rows) {
          TOCSIN_ASSIGN(copies, i.copies(row.id));
          out.copies.push_back(std::move(copies));
        }
        return out;
      },
      [&app, responder](Result<Listed> listed) {
        if (!listed) return responder->problem(listed.error());
        Json items = Json::array();
        for (std::size_t n = 0; n < listed->page.rows.size(); ++n)
          items.push_back(whole_row_json(app, listed->page.rows[n], listed->copies[n]));
        responder->json(page_json(std::move(items), listed->page.next));
      });
}

Result<Report> parse_report(const Json& value) {
  auto parsed = reports::parse_report_value(value);
  if (!parsed.findings.ok()) return caller_error(desk::kInvalidReport, reports::to_string(parsed.findings.problems));
  if (acts_on_report(parsed.report.kind))
    return caller_error(
        desk::kInvalidReport,
        "kind: this kind speaks about another report; use correct, withdraw, corroborate, dispute or ack");
  if (!parsed.audience.empty())
    return caller_error(desk::kInvalidReport, "audience: it is decided when sharing; leave it out and say --channel");
  return std::move(parsed.report);
}

void new_report(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"report", "channel", "allow_government"}); !fine)
    return responder->problem(fine.error());
  auto allowed = governments_from(*body);
  if (!allowed) return responder->problem(allowed.error());
  const auto found = body->find("report");
  if (found == body->end() || !found->is_object())
    return responder->problem(caller_error(Code{"missing_field"}, "the field report must be an object"));
  auto report = parse_report(*found);
  if (!report) return responder->problem(report.error());
  if (request.actor.user && request.actor.role == UserRole::kTrainee && report->status != ReportStatus::kExercise &&
      report->status != ReportStatus::kTest && report->status != ReportStatus::kDraft)
    return responder->problem(caller_error(
        Code{"denied"}, "a trainee writes reports of the status Exercise, Test or Draft alone; say status"));
  std::optional<ChannelId> channel;
  if (const auto given = body->find("channel"); given != body->end() && !given->is_null()) {
    auto name = text_field(*body, "channel");
    if (!name) return responder->problem(name.error());
    auto id = app.desk.find_channel(*name);
    if (!id) return responder->problem(id.error());
    channel = *id;
  }
  if (request.dry_run) {
    auto ready = app.desk.prepare(*report);
    if (!ready) return responder->problem(ready.error());
    if (channel)
      if (auto may = app.desk.may_share(*ready, *channel); !may) return responder->problem(may.error());
    const auto warnings =
        channel ? warnings_json(app.desk.governments_against(*ready, *channel, *allowed)) : Json::array();
    return responder->json({{"readers", channel ? readers_json(app, app.desk.readers_of(*channel)) : Json::array()},
                            {"warnings", warnings},
                            {"waits", channel && app.desk.needs_two(*ready, *channel)}});
  }
  app.desk.create(
      *report, channel, *allowed,
      [&app, responder, countries = reports::named_countries(*report), channel](Result<desk::Made> made) {
        if (made) return answer_made(app, responder, made);
        answer_problem(app, responder, made.error(), countries, channel);
      },
      request.actor);
}

// Its text is gone; what is known is that it was taken back, and what the nodes say. Where an evidence copy is kept
// here, it is shown as that.
void show_taken_back(App& app, const ResponderPtr& responder, const index::ReportRow& row) {
  app.desk.index().ask([id = row.id](index::Index& i) { return i.withdrawal(id); },
                       [&app, responder, row](Result<index::Withdrawal> withdrawal) {
                         if (!withdrawal) return responder->problem(withdrawal.error());
                         Json out{{"id", hex(row.id)}};
                         if (const auto hold = app.desk.hold_of(row.id)) {
                           if (const auto kept = app.desk.read_held(*hold))
                             out = reports::to_json_value(*kept, {row.id, {}});
                           out["hold"] = shown_hold(app, *hold);
                         }
                         out["author"] = hex(row.author);
                         out["author_name"] = app.desk.org_name(row.author);
                         out["state"] = standing_json(app, row);
                         out["withdrawal"] = withdrawal_json(app, row, *withdrawal);
                         responder->json(out);
                       });
}

void show_report(App& app, const Request& request, ResponderPtr responder) {
  with_report(app, request, responder, [&app, responder](const ReportId& id) {
    app.desk.load(id, [&app, responder, id](Result<desk::Loaded> loaded) {
      if (!loaded) return responder->problem(loaded.error());
      const auto& row = loaded->found.row;
      if (row.erased) return show_taken_back(app, responder, row);
      std::vector<std::string> audience;
      std::vector<ChannelId> channels;
      for (const auto& copy : loaded->found.copies) {
        channels.push_back(copy.channel);
        if (const auto channel = app.replica().channel(copy.channel)) audience.push_back(channel->name);
      }
      auto out = reports::to_json_value(loaded->content, {id, audience});
      out["author_name"] = app.desk.org_name(row.author);
      out["channels"] = hex_list(channels);
      out["state"] = standing_json(app, row);
      if (auto waiting = waiting_of(app, *loaded); !waiting.empty()) out["waiting"] = std::move(waiting);
      const auto entry = app.replica().read_entry(row.location.log, row.location.number);
      Json place{{"log", hex(row.location.log)},
                 {"number", row.location.number.value},
                 {"arrival", row.location.arrival.value}};
      if (entry)
        if (auto header = EntryHeader::decode(entry->view().header)) place["epoch"] = count_of(header->epoch);
      out["entry"] = place;
      if (const auto hold = app.desk.hold_of(id)) out["hold"] = shown_hold(app, *hold);
      // A copy may have been recalled.
      app.desk.index().ask([id](index::Index& i) { return i.withdrawal(id); },
                           [&app, responder, row, out = std::move(out)](Result<index::Withdrawal> withdrawal) mutable {
                             if (withdrawal && !withdrawal->orders.empty())
                               out["withdrawal"] = withdrawal_json(app, row, *withdrawal);
                             responder->json(out);
                           });
    });
  });
}

std::string why_of(const Report& act) {
  if (const auto* d = std::get_if<WithdrawDetails>(&act.details)) return d->reason;
  if (const auto* d = std::get_if<DisputeDetails>(&act.details)) return d->reason;
  if (const auto* d = std::get_if<CorroborateDetails>(&act.details)) return d->note;
  if (const auto* d = std::get_if<CorrectDetails>(&act.details)) return d->reason;
  if (const auto* d = std::get_if<AcknowledgeDetails>(&act.details)) return d->note;
  return {};
}

void show_history(App& app, const Request& request, ResponderPtr responder) {
  with_report(app, request, responder, [&app, responder](const ReportId& id) {
    app.desk.index().ask([id](index::Index& i) { return i.history(id); },
                         [&app, responder](Result<index::ReportHistory> history) {
                           if (!history) return responder->problem(history.error());
                           Json items = Json::array();
                           auto first = row_json(app, history->row);
                           first["counts"] = true;
                           // As its author first wrote it: what is in force stands in the rows below.
                           if (auto original = app.desk.read_at(history->row.location)) {
                             const auto as_written = reports::to_json_value(*original);
                             for (const auto* field : {"title", "severity", "urgency", "certainty", "created", "tlp"})
                               first[field] = as_written.contains(field) ? as_written[field] : Json(nullptr);
                           }
                           const auto row = history->row;
                           items.push_back(std::move(first));
                           for (const auto& act : history->acts) {
                             Json item{{"id", hex(act.id)},
                                       {"author", hex(act.author)},
                                       {"author_name", app.desk.org_name(act.author)},
                                       {"created", time_text(act.created)},
                                       {"target", hex(act.target)},
                                       {"counts", act.counts}};
                             if (auto report = app.desk.read_at(act.location)) {
                               item["kind"] = reports::to_json_value(*report)["kind"];
                               item["why"] = why_of(*report);
                               if (const auto* d = std::get_if<CorrectDetails>(&report->details))
                                 if (auto replacement = decode_replacement(*d)) item["title"] = replacement->title;
                             }
                             items.push_back(std::move(item));
                           }
                           for (const auto& answer : app.replica().answers(row.id))
                             items.push_back(answer_json(app, answer));
                           app.desk.index().ask([id = row.id](index::Index& i) { return i.withdrawal(id); },
                                                [&app, responder, row,
                                                 items = std::move(items)](Result<index::Withdrawal> said) mutable {
                                                  auto out = page_json(std::move(items), {});
                                                  if (said && !said->orders.empty())
                                                    out["withdrawal"] = withdrawal_json(app, row, *said);
                                                  responder->json(out);
                                                });
                         });
  });
}

void show_readers(App& app, const Request& request, ResponderPtr responder) {
  with_report(app, request, responder, [&app, responder](const ReportId& id) {
    app.desk.index().ask([id](index::Index& i) { return i.copies(id); },
                         [&app, responder](Result<std::vector<index::Location>> copies) {
                           if (!copies) return responder->problem(copies.error());
                           std::map<OrgId, reports::Reader> readers;
                           std::map<OrgId, std::vector<std::string>> channels;
                           for (const auto& copy : *copies) {
                             if (copy.channel == app.replica().private_channel()) continue;  // private: nobody else
                             for (const auto& reader : app.desk.readers_of(copy.channel)) {
                               readers[reader.org] = reader;
                               channels[reader.org].push_back(hex(copy.channel));
                             }
                           }
                           std::vector<reports::Reader> list;
                           for (const auto& [org, reader] : readers) list.push_back(reader);
                           auto out = readers_json(app, list);
                           for (std::size_t i = 0; i < list.size(); ++i) out[i]["channels"] = channels[list[i].org];
                           responder->json({{"readers", out}});
                         });
  });
}

void share_report(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"channel", "allow_government"}); !fine) return responder->problem(fine.error());
  auto allowed = governments_from(*body);
  if (!allowed) return responder->problem(allowed.error());
  auto name = text_field(*body, "channel");
  if (!name) return responder->problem(name.error());
  auto channel = app.desk.find_channel(*name);
  if (!channel) return responder->problem(channel.error());
  const bool dry_run = request.dry_run;
  with_report(
      app, request, responder,
      [&app, responder, channel = *channel, allowed = *allowed, dry_run, by = request.actor](const ReportId& id) {
        app.desk.load(id, [&app, responder, channel, allowed, dry_run, id, by](Result<desk::Loaded> loaded) {
          if (!loaded) return responder->problem(loaded.error());
          const Json readers = readers_json(app, app.desk.readers_of(channel));
          if (dry_run) {
            if (auto may = app.desk.may_share(*loaded, channel); !may) return responder->problem(may.error());
            const auto warnings =
                warnings_json(app.desk.governments_against(desk::shared_countries(*loaded), channel, allowed));
            return responder->json({{"id", hex(id)},
                                    {"channel_id", hex(channel)},
                                    {"readers", readers},
                                    {"warnings", warnings},
                                    {"waits", app.desk.needs_two(*loaded, channel)}});
          }
          const auto countries = desk::shared_countries(*loaded);
          app.desk.share(
              id, channel, allowed,
              [&app, responder, channel, readers, countries](Result<desk::Made> made) {
                if (!made) return answer_problem(app, responder, made.error(), countries, channel);
                auto out = made_json(app, *made);
                out["channel_id"] = hex(channel);
                out["readers"] = made->waiting.empty() ? readers : Json::array();
                responder->json(out, made_status(*made, 200));
              },
              by);
        });
      });
}

void correct_report(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"report", "reason", "allow_government"}); !fine)
    return responder->problem(fine.error());
  const auto found = body->find("report");
  if (found == body->end() || !found->is_object())
    return responder->problem(
        caller_error(Code{"missing_field"}, "the field report must be an object with the fields that change"));
  if (found->empty())
    return responder->problem(
        caller_error(Code{"missing_field"}, "nothing changes: name a field, or a file with some"));
  auto patch = found->dump(-1, ' ', false, Json::error_handler_t::replace);
  auto allowed = governments_from(*body);
  if (!allowed) return responder->problem(allowed.error());
  with_report(app, request, responder,
              [&app, responder, patch, reason = text_or(*body, "reason"), allowed = *allowed, dry_run = request.dry_run,
               by = request.actor](const ReportId& id) {
                app.desk.correct(
                    id, patch, reason, allowed, dry_run,
                    [&app, responder, id, dry_run](Result<desk::Made> made) {
                      dry_run ? answer_plan(app, responder, id, made) : answer_made(app, responder, made);
                    },
                    by);
              });
}

enum class Say { kWithdraw, kCorroborate, kDispute };

template <Say kSay>
void say_of_report(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  constexpr std::string_view field = kSay == Say::kWithdraw ? "reason" : "why";
  auto fine = kSay == Say::kWithdraw ? only_fields(*body, {field}) : only_fields(*body, {field, "allow_government"});
  if (!fine) return responder->problem(fine.error());
  auto allowed = governments_from(*body);
  if (!allowed) return responder->problem(allowed.error());
  const auto text = text_or(*body, field);
  if (text.empty() && kSay != Say::kCorroborate)
    return responder->problem(caller_error(Code{"missing_field"}, "the field " + std::string(field) + " must say why"));
  const bool dry_run = request.dry_run;
  with_report(app, request, responder,
              [&app, responder, text, allowed = *allowed, dry_run, by = request.actor](const ReportId& id) {
                auto done = [&app, responder, id, dry_run](Result<desk::Made> made) {
                  dry_run ? answer_plan(app, responder, id, made) : answer_made(app, responder, made);
                };
                if constexpr (kSay == Say::kWithdraw) app.desk.withdraw(id, text, dry_run, done);
                if constexpr (kSay == Say::kCorroborate) app.desk.corroborate(id, text, allowed, dry_run, done, by);
                if constexpr (kSay == Say::kDispute) app.desk.dispute(id, text, allowed, dry_run, done, by);
              });
}

}  // namespace

void add_report_routes(std::vector<Route>& out) {
  out.push_back({"GET",
                 "/reports",
                 "Reports, newest arrival first",
                 {"kind", "country", "since", "until", "severity", "channel", "author", "status", "state", "near",
                  "text", "since_cursor", "limit", "after", "count"},
                 list_reports});
  out.push_back({"POST", "/reports", "Write a report", {}, new_report, true});
  out.push_back({"GET", "/reports/{report}", "One report", {}, show_report});
  out.push_back({"GET", "/reports/{report}/history", "What was said about it", {}, show_history});
  out.push_back({"GET", "/reports/{report}/readers", "Who can read it", {}, show_readers});
  out.push_back({"POST", "/reports/{report}/share", "Share it in a channel", {}, share_report, true});
  out.push_back({"POST", "/reports/{report}/correct", "Replace it by a corrected one", {}, correct_report, true});
  out.push_back({"POST", "/reports/{report}/withdraw", "Withdraw it", {}, say_of_report<Say::kWithdraw>, true});
  out.push_back({"POST",
                 "/reports/{report}/corroborate",
                 "Say that another source confirms it",
                 {},
                 say_of_report<Say::kCorroborate>,
                 true});
  out.push_back({"POST", "/reports/{report}/dispute", "Say that it is wrong", {}, say_of_report<Say::kDispute>, true});
}

}  // namespace tocsin::api
