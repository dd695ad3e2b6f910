// The JSON of what was taken back, for the routes of reports too.
#pragma once

#include "node/api/app.h"
#include "node/index/query.h"

namespace tocsin::api {

inline constexpr std::string_view kNotPromised =
    "Confirmed means that the node has signed that it erased the text from its store. Old database pages, disks, "
    "backups "
    "and what people copied are outside its reach.";

// `state`: not_withdrawn, recalled or withdrawn. Of each node that may read in a channel that had the report:
// requested, confirmed (with `outcome`), unreachable (with `unreachable_since`), or not_confirmable (it may not write
// there).
Json withdrawal_json(App& app, const index::ReportRow& row, const index::Withdrawal& withdrawal);
Json shown_hold(App& app, const protocol::HoldRecord& hold);

}  // namespace tocsin::api
