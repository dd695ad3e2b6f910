// Bundles on their way between a file of the caller's and the replica: those that are open, in bounded pieces. The node
// opens no path itself: it may not see what its owner sees (a stick, another mount), and a file that changes meanwhile
// would be its affair.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "node/api/http.h"
#include "node/desk/users.h"
#include "protocol/bundle.h"

namespace tocsin::api {

struct App;

inline constexpr std::size_t kBundlesOpenMax = 4;             // of each direction
inline constexpr std::int64_t kBundleIdleMs = 60'000;         // after which another may take its place
inline constexpr std::size_t kBundleWriteBytes = 256 * 1024;  // of an export, at a time

struct BundleImport {
  std::unique_ptr<protocol::BundleReader> reader;
  bool look = false;
  desk::Actor actor;        // who began it
  std::uint64_t taken = 0;  // bytes
  std::int64_t used_ms = 0;
  ResponderPtr waits;  // for the end of the piece at hand
  // Where it begins like no bundle: what it is instead.
  std::optional<Error> other_kind = {};
};
struct BundleExport {
  std::vector<protocol::BundlePlan> plans;
  std::int64_t used_ms = 0;
};

struct Bundles {
  crypto::SystemRandom random;
  std::map<std::string, BundleImport> imports;
  std::map<std::string, BundleExport> exports;
};

}  // namespace tocsin::api
