// What members say to a contributor about a report of its (rule 24).
#include <algorithm>

#include "node/api/answers.h"
#include "node/api/router.h"
#include "node/api/views.h"

namespace tocsin::api {
namespace {

using namespace protocol;

constexpr std::string_view kDoneRecordPrefix = "answer.done/";

Bytes done_record_name(const crypto::Hash& answer) {
  Bytes out = to_bytes(as_bytes(kDoneRecordPrefix));
  append(out, answer.view());
  return out;
}

// The channels where who wrote it contributes.
std::vector<ChannelId> contributed_to(App& app, const OrgId& author, const std::vector<index::Location>& copies) {
  std::vector<ChannelId> out;
  for (const auto& copy : copies) {
    const auto channel = app.replica().channel(copy.channel);
    if (!channel || channel->standing != ChannelStanding::kJoined || !may_write(channel->own_role)) continue;
    const bool contributes = std::ranges::any_of(channel->members, [&](const MemberInfo& member) {
      return member.org == author && member.role == Role::kContributor;
    });
    if (contributes && std::ranges::find(out, copy.channel) == out.end()) out.push_back(copy.channel);
  }
  return out;
}

void answer_report(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"text"}); !fine) return responder->problem(fine.error());
  auto text = text_field(*body, "text");
  if (!text) return responder->problem(text.error());
  struct Found {
    index::ReportRow row;
    std::vector<index::Location> copies;
  };
  app.desk.index().ask(
      [name = request.params[0]](index::Index& i) -> Result<Found> {
        TOCSIN_ASSIGN(id, i.resolve(name));
        TOCSIN_ASSIGN(found, i.find(id));
        TOCSIN_ASSIGN(copies, i.copies(id));
        return Found{found.row, std::move(copies)};
      },
      [&app, responder, text = *text, dry_run = request.dry_run](Result<Found> found) {
        if (!found) return responder->problem(found.error());
        const OrgId& to = found->row.author;
        const auto channels = contributed_to(app, to, found->copies);
        if (channels.empty())
          return responder->problem(
              caller_error(Code{"not_a_contributor"},
                           "who wrote this report contributes to no channel that this node writes in: members read "
                           "what is said about a report (report corroborate, report dispute), and need no answer"));
        Json out{{"report_id", hex(found->row.id)},
                 {"org_id", hex(to)},
                 {"name", app.desk.org_name(to)},
                 {"channel_id", hex(channels.front())},
                 {"text", text}};
        if (dry_run) return responder->json(out);
        auto queued = app.replica().answer_contributor(channels.front(), to, found->row.id, text,
                                                       [responder, out](Result<void> done) {
                                                         if (!done) return responder->problem(done.error());
                                                         responder->json(out, 201);
                                                       });
        if (!queued) responder->problem(queued.error());
      });
}

}  // namespace

Json answer_json(App& app, const AnswerInfo& info) {
  const bool got = info.answer.to == app.replica().own_org().id();
  const auto channel = app.replica().channel(info.answer.channel);
  return {
      {"id", hex(info.id)},
      {"kind", "answer"},
      {"report_id", hex(info.answer.report)},
      {"channel_id", hex(info.answer.channel)},
      // A contributor is not told which member it was.
      {"author", got ? Json(nullptr) : Json(hex(info.by))},
      {"author_name", got ? "the channel " + (channel ? channel->name : std::string()) : app.desk.org_name(info.by)},
      {"to", hex(info.answer.to)},
      {"created", time_text(info.answer.created)},
      {"why", info.answer.text},
      {"counts", true}};
}

Json answers_waiting(App& app) {
  Json out = Json::array();
  for (const auto& info : app.replica().answers(std::nullopt)) {
    if (info.answer.to != app.replica().own_org().id()) continue;
    if (app.replica().get_record(Table::kLocal, done_record_name(info.id))) continue;
    auto item = answer_json(app, info);
    item["reason"] = "answer";
    item["title"] = info.answer.text.substr(0, info.answer.text.find('\n'));
    for (const auto* none : {"severity", "urgency", "country"}) item[none] = nullptr;
    out.push_back(std::move(item));
  }
  return out;
}

bool finish_answer(App& app, const std::string& prefix, ResponderPtr responder) {
  if (prefix.size() < 8) return false;
  for (const auto& info : app.replica().answers(std::nullopt)) {
    const auto id = hex(info.id);
    if (info.answer.to != app.replica().own_org().id() || !id.starts_with(prefix)) continue;
    app.replica().put_record(Table::kLocal, done_record_name(info.id), Bytes{1}, [responder, id](Result<void> stored) {
      if (!stored) return responder->problem(stored.error());
      responder->json({{"id", id}});
    });
    return true;
  }
  return false;
}

void add_answer_routes(std::vector<Route>& out) {
  out.push_back({.method = "POST",
                 .path = "/reports/{report}/answer",
                 .summary = "Answer the contributor that wrote it",
                 .parameters = {},
                 .handler = answer_report,
                 .takes_dry_run = true});
}

}  // namespace tocsin::api
