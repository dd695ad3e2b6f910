// What waits for a second person (four eyes), for the routes of reports and the inbox.
#pragma once

#include "node/api/app.h"

namespace tocsin::api {

struct WaitingRow {
  protocol::WaitingRecord record;
  index::ReportRow row;
};
// With the rows of their reports, oldest first; those whose report was withdrawn are left out.
void load_waiting(App& app, protocol::Done<std::vector<WaitingRow>> done);
Json waiting_json(App& app, const WaitingRow& waiting);
// What of one report waits, the report itself or what somebody wants to say of it: to which channels, and who wants it.
Json waiting_of(App& app, const desk::Loaded& loaded);
void list_waiting(App& app, const ResponderPtr& responder);

}  // namespace tocsin::api
