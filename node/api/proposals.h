// What a route does where the stewards of a channel decide together: it proposes (rule 22).
#pragma once

#include "node/api/app.h"

namespace tocsin::api {

// `stewards` (names or ids) and `quorum` (default: the smallest majority) of a request. Errors (caller): wrong_type,
// bad_parameter, unknown_peer.
Result<protocol::StewardsChange> stewards_from(App& app, const Json& body);

// Proposes, and answers with `answer` and the proposal: 202 and state "proposed" while others have to approve, 200
// where this organisation decides alone. Or a problem.
void propose(App& app, const protocol::ChannelId& channel, protocol::ProposedChange change, const std::string& reason,
             Json answer, const ResponderPtr& responder);

}  // namespace tocsin::api
