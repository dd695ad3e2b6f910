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
  auto passphrase = node_passphrase(false);
  if (!passphrase) return c.fail(passphrase.error());
  Result<host::FsckReport> report = [&] {
    Progress progress("checking");
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
  if (c.mode() == OutputMode::kTable) {
    static constexpr Column columns[] = {
        {"code", "FINDING"}, {"log", "LOG", Show::kId}, {"number", "ENTRY"}, {"detail", "DETAIL"}};
    if (report->findings.empty())
      std::puts("sound: every chain, hash and signature holds");
    else
      std::fputs(format_table(out["findings"], columns, terminal_width()).c_str(), stdout);
  }
  return report->findings.empty() ? kExitOk : kExitIntegrity;
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
