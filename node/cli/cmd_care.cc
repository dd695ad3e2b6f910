// fsck, migrate, index.
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

Json migration_json(const host::Migration& m) {
  Json out{{"home_version", m.home},
           {"store_version", m.store},
           {"index_version", m.index ? Json(*m.index) : Json(nullptr)},
           {"known", {{"home_version", m.known_home}, {"store_version", m.known_store}}},
           {"current", m.home == m.known_home && m.store == m.known_store},
           {"steps", Json::array()},
           {"space_needed", m.room_bytes},
           {"space_free", m.free_bytes},
           {"reversible", m.reversible},
           {"changed", m.changed}};
  for (const auto& s : m.steps)
    out["steps"].push_back({{"from", s.from}, {"to", s.to}, {"what", s.what}, {"reversible", s.reversible}});
  return out;
}

int care_migrate(Context& c) {
  if (auto there = home_is_there(c.home()); !there) return c.fail(there.error());
  const auto failed = [&](const Error& error) {
    return c.fail(error, is_damage(error.code.text()) ? kExitIntegrity : kExitFailure);
  };
  auto migration = host::migrate(c.home(), true);
  if (!migration) return failed(migration.error());
  if (!c.has("check") && !migration->steps.empty()) {
    if (!migration->reversible && !c.confirm("After this the version before cannot open the home any more. Go on?"))
      return c.exit_code();
    migration = host::migrate(c.home(), false);
    if (!migration) return failed(migration.error());
  }
  static constexpr Field fields[] = {{"home_version", "format of the home"}, {"store_version", "format of the store"}};
  c.show_object(migration_json(*migration), fields);
  for (const auto& s : migration->steps)
    c.say("store " + std::to_string(s.from) + " to " + std::to_string(s.to) + ": " + s.what +
          (s.reversible ? "" : " (the version before cannot open it any more)"));
  if (migration->steps.empty())
    c.say("Nothing to do: these are the formats of this version.");
  else if (migration->changed)
    c.say("Done.");
  else
    c.say("Nothing was changed. It needs " + format_value(Json(migration->room_bytes), Show::kBytes) + " of " +
          format_value(Json(migration->free_bytes), Show::kBytes) + " free.");
  return kExitOk;
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
  out.push_back({"",
                 "migrate",
                 "Bring the home of a stopped node to the formats of this version, all or nothing",
                 {},
                 {{"check", "", "only say what would be done; change nothing", Arity::kFlag}},
                 "tocsin migrate --check",
                 care_migrate});
  out.push_back(
      {"index", "rebuild", "Throw the query index away and make it again from the store", {}, {}, "", index_rebuild});
  out.push_back({"index", "status", "Show how far the query index has read", {}, {}, "", index_status});
}

}  // namespace tocsin::cli
