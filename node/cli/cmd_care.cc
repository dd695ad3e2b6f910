// fsck, index.
#include <cstdio>

#include "node/cli/api_client.h"
#include "node/cli/context.h"
#include "node/cli/long_call.h"
#include "node/cli/passphrase.h"
#include "node/host/host.h"

namespace tocsin::cli {
namespace {

int care_fsck(Context& c) {
  if (auto there = home_is_there(c.home()); !there) return c.fail(there.error());
  auto passphrase = node_passphrase(false);
  if (!passphrase) return c.fail(passphrase.error());
  Result<host::FsckReport> report = [&] {
    Progress progress("checking", c.mode() == OutputMode::kTable);
    return host::fsck(c.home(), *passphrase,
                      [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); });
  }();
  if (!report) {
    const bool denied = report.error().code == Code{"wrong_passphrase"};
    return c.fail(report.error(), denied                                     ? kExitDenied
                                  : report.error().origin == Origin::kCaller ? kExitFailure
                                                                             : kExitIntegrity);
  }
  Json out{{"logs", report->logs}, {"entries", report->entries}, {"bytes", report->bytes}, {"findings", Json::array()}};
  for (const auto& f : report->findings)
    out["findings"].push_back({{"code", f.code}, {"log", f.log}, {"number", f.number}, {"detail", f.detail}});
  static constexpr Field fields[] = {
      {"logs", "logs", Show::kCount}, {"entries", "entries", Show::kCount}, {"bytes", "bodies", Show::kBytes}};
  c.show_object(out, fields);
  if (report->findings.empty()) {
    c.say("sound: every chain, hash and signature holds");
    return kExitOk;
  }
  const auto count = report->findings.size();
  const std::string found = "the store is damaged: " + std::to_string(count) + (count == 1 ? " finding" : " findings");
  constexpr std::string_view kHint =
      "copy the home before anything else; entries that a peer holds come back into a new home by a sync";
  if (c.mode() != OutputMode::kTable) return c.fail("store_damaged", found, kExitIntegrity, kHint);
  for (const auto& f : report->findings)
    complain("error",
             f.code + (f.log.empty() ? "" : ", log " + f.log.substr(0, 12) + ", entry " + std::to_string(f.number)) +
                 (f.detail.empty() ? "" : ": " + f.detail));
  return c.fail("store_damaged", found, kExitIntegrity, kHint);
}

int index_rebuild(Context& c) {
  auto answer = long_call(c, {.method = "POST", .path = "/api/v1/index/rebuild"}, "rebuilding");
  if (!answer) return c.exit_code();
  static constexpr Field fields[] = {{"reports", "reports", Show::kCount}, {"seconds", "seconds"}};
  return c.show_object(*answer, fields);
}

int index_status(Context& c) {
  auto answer = c.call("GET", "/index");
  if (!answer) return c.exit_code();
  static constexpr Field fields[] = {
      {"reports", "reports", Show::kCount}, {"cursor", "read up to arrival"}, {"newest", "newest arrival"}};
  return c.show_object(*answer, fields);
}

}  // namespace

void add_care_commands(std::vector<Command>& out) {
  out.push_back({"",
                 "fsck",
                 "Check the whole store of a stopped node: chains, hashes, signatures; changes nothing",
                 {},
                 {},
                 "",
                 care_fsck});
  out.push_back(
      {"index", "rebuild", "Throw the query index away and make it again from the store", {}, {}, "", index_rebuild});
  out.push_back({"index", "status", "Show how far the query index has read", {}, {}, "", index_status});
}

}  // namespace tocsin::cli
