// What can be said of a home, beside host.h.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/host/host.h"
#include "node/store/home.h"
#include "protocol/entry_store.h"

namespace tocsin::host {

// What a person should know at every start: root keys that lie here, and the like.
std::vector<std::string> home_warnings(const std::string& home);
// 30, 7 and 1 day before a key ends, and after: what to say of it (rule 18: it is STALE then, never refused).
std::optional<std::string> ending_soon(const std::string& name, protocol::Time expires, protocol::Time now);

// Judges signatures for fsck: of feeds and control logs by the log key, of organisation logs by their own roots, which
// are followed entry by entry.
using SignatureCheck = std::function<bool(const protocol::LogRecord&, const protocol::StoredEntry&)>;
SignatureCheck make_signature_check();

}  // namespace tocsin::host
