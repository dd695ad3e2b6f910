// The JSON of what the API shows. Names are those of the domain and of docs/api.md.
#pragma once

#include "node/api/app.h"
#include "node/index/query.h"

namespace tocsin::api {

std::string time_text(protocol::Time time);
Json time_or_null(const std::optional<protocol::Time>& time);
template <class Id>
std::string hex(const Id& id) {
  return to_hex(id.view());
}
Json hex_list(const std::vector<protocol::ChannelId>& ids);

Json row_json(App& app, const index::ReportRow& row);
// `current`: withdrawn, forked (its writer showed two histories, rule 12), conflict, corrected or current.
Json standing_json(App& app, const index::ReportRow& row);
// {"items":[…],"next":…}
Json page_json(Json items, const std::string& next);
Json readers_json(App& app, const std::vector<reports::Reader>& readers);
// What rule 53 would ask about, in sentences.
Json warnings_json(const std::vector<reports::Reader>& governments);
// Why what is written here reaches nobody, as far as is known: not certified, or peers say that this node was revoked.
std::optional<std::string> reaches_nobody(App& app);
Json made_json(App& app, const desk::Made& made);
// `whole`, or 207 where something waits for a second person.
int made_status(const desk::Made& made, int whole);
// The answer to the dry run of a statement about a report: where it would go, who reads it there, and whom rule 53
// would ask about.
void answer_plan(App& app, const ResponderPtr& responder, const protocol::ReportId& about,
                 const Result<desk::Made>& made);
Json advice_json(const std::vector<reports::Problem>& advice);
Json peer_json(App& app, const protocol::Peer& peer);
Json channel_json(App& app, const protocol::ChannelInfo& channel);
Json member_json(const protocol::MemberInfo& member);

// Filters of lists and exports. Errors (caller): bad_parameter, unknown_channel, unknown_peer.
// `since_cursor`: what an export gives for the next one.
std::string changes_cursor(App& app, protocol::Arrival cursor);
Result<index::ReportQuery> query_from(App& app, const Request& request);
// 1 to 500; 50 when not given. Error (caller): bad_parameter.
Result<std::size_t> limit_from(const Request& request);
Result<desk::AllowedGovernments> governments_from(const Json& body);

// Turns an answer into a response, or into a problem.
template <class T>
protocol::Done<T> answer(ResponderPtr responder, std::function<Json(const T&)> view, int status = 200) {
  return [responder, view = std::move(view), status](Result<T> result) {
    if (result)
      responder->json(view(*result), status);
    else
      responder->problem(result.error());
  };
}

}  // namespace tocsin::api
