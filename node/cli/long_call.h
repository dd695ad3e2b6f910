// A call that may take long: shows a progress bar on a terminal by asking the node how far it is.
#pragma once

#include "node/cli/api_client.h"
#include "node/cli/context.h"

namespace tocsin::cli {

// Like Context::call; `request.path` begins with /api/v1 and --dry-run is added to it. Gives it an idempotency key.
std::optional<Context::Answer> long_call(Context& context, HttpRequest request, std::string_view what);

}  // namespace tocsin::cli
