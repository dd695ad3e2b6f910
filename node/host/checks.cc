// What can be said of a home from outside: for `doctor`, `status`, `fsck` and `migrate`.
#include "node/host/checks.h"

#include <sys/statvfs.h>

#include <chrono>
#include <filesystem>
#include <sstream>

#include "node/host/backup.h"
#include "node/host/config.h"
#include "node/host/post_queue.h"
#include "node/host/root_files.h"
#include "node/index/snapshot.h"
#include "node/reports/time_text.h"
#include "node/store/keystore.h"
#include "node/store/migrate.h"
#include "node/store/store.h"

namespace tocsin::host {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kDiskWarnMiB = 1024;
constexpr auto kBackupOld = std::chrono::hours(24 * 30);

HomeCheck check_disk(const std::string& home, std::uint64_t reserve_mib) {
  struct statvfs info {};
  if (::statvfs(home.c_str(), &info) != 0)
    return {"disk", "failed", "cannot tell how much is free", "check that the disk is mounted"};
  const auto free_mib = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize / kMiB;
  const auto text = std::to_string(free_mib) + " MiB free";
  if (free_mib <= reserve_mib)
    return {"disk", "failed", text + ": the node is read-only", "make room; writing goes on by itself"};
  if (free_mib < kDiskWarnMiB) return {"disk", "warning", text, "make room soon"};
  return {"disk", "ok", text, ""};
}

// The build is the one point in time that is known without asking anybody.
HomeCheck check_clock() {
  const std::chrono::year_month_day today{std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now())};
  const std::string_view built = __DATE__;  // "Nov 24 2026"
  const int year = std::stoi(std::string(built.substr(7, 4)));
  if (static_cast<int>(today.year()) < year)
    return {"clock", "failed",
            "the clock says " + std::to_string(static_cast<int>(today.year())) + ", before this program was built",
            "set the clock (timedatectl)"};
  return {"clock", "ok", "plausible", ""};
}

HomeCheck check_folder(const std::string& home) {
  if (auto fine = store::check_private_folder(home); !fine)
    return {"home", "failed", fine.error().detail, "see the detail"};
  return {"home", "ok", home, ""};
}

HomeCheck check_backup(const std::string& home) {
  const auto note = read_backup_note(home);
  if (note.made.ms == 0) return {"backup", "warning", "none was ever made", "tocsin backup create FILE"};
  using reports::format_date;
  const auto age = std::chrono::system_clock::now().time_since_epoch() - std::chrono::milliseconds(note.made.ms);
  const auto text = "made on " + format_date(note.made);
  if (note.verified.ms == 0)
    return {"backup", "warning", text + ", and none was ever verified", "tocsin backup verify FILE"};
  const bool old = age > kBackupOld;
  return {"backup", old ? "warning" : "ok", text + "; the last verified one is of " + format_date(note.verified),
          old ? "make a new one: tocsin backup create FILE" : ""};
}

}  // namespace

constexpr std::size_t kRootFilesNoteBytesMax = 256 * 1024;

std::vector<std::string> home_warnings(const std::string& home) {
  std::vector<std::string> out;
  const std::filesystem::path roots = std::filesystem::path(home) / "roots";
  std::error_code error;
  bool here = false;
  // A home of an earlier version has no note, and both files in itself.
  std::string files = (roots / "root.key").string() + "\n" + (roots / "next-root.key").string() + "\n";
  if (const auto note = store::read_file(roots / kRootFilesNote, kRootFilesNoteBytesMax)) files = as_text(*note);
  std::istringstream lines(files);
  for (std::string file; std::getline(lines, file);) {
    if (file.empty() || !std::filesystem::exists(file, error)) continue;
    here = true;
    out.push_back("the root key file " + file + " lies on this machine: move it to a stick that is kept elsewhere");
  }
  if (here && std::filesystem::exists(roots / "shares-passphrase", error))
    out.push_back("the root key is under the node's own passphrase: who learns the one has the other");
  if (const auto note = read_backup_note(home); note.made.ms == 0) {
    out.push_back(
        "no backup of this node was ever made: who loses its passphrase or its disk loses what it alone holds, and the "
        "recovery key opens backups, nothing else: tocsin backup create FILE");
  } else if (note.verified.ms == 0) {
    out.push_back("no backup of this node was ever verified: tocsin backup verify FILE");
  }
  return out;
}

std::optional<std::string> ending_soon(const std::string& name, protocol::Time expires, protocol::Time now) {
  constexpr std::int64_t kDayMs = 24 * 3'600'000;
  const std::int64_t left = expires.ms - now.ms;
  if (left > 30 * kDayMs) return std::nullopt;
  const std::string when = left < 0         ? "has ended (" + reports::format_date(expires) + "), and is shown as STALE"
                           : left <= kDayMs ? "ends within a day"
                           : left <= 7 * kDayMs ? "ends within a week, on " + reports::format_date(expires)
                                                : "ends within a month, on " + reports::format_date(expires);
  return "the " + name + " " + when + ": renew it with tocsin key rotate --request-out FILE and tocsin org certify";
}

std::vector<HomeCheck> check_home(const std::string& home) {
  std::vector<HomeCheck> out{check_folder(home)};
  std::uint64_t reserve = Config{}.reserve_mib;
  if (auto config = load_config(home)) {
    reserve = config->config.reserve_mib;
    for (const auto& p : config->report.problems)
      out.push_back(
          {"configuration", "failed", p.file + ":" + std::to_string(p.line) + ": " + p.key + " " + p.detail, p.fix});
    if (config->report.problems.empty()) out.push_back({"configuration", "ok", config->report.file, ""});
  } else {
    out.push_back({"configuration", "failed", config.error().detail, "make the file readable"});
  }
  out.push_back(check_disk(home, reserve));
  out.push_back(check_clock());
  out.push_back(check_backup(home));
  return out;
}

Result<Migration> migrate(const std::string& path, bool check) {
  TOCSIN_ASSIGN(home, store::Home::open(path));
  TOCSIN_ASSIGN(plan, store::plan_migration(home));
  Migration out;
  out.home = out.known_home = store::Home::kVersion;
  out.store = plan.from;
  out.known_store = plan.to;
  index::DiskSnapshotFile snapshot(home.index_snapshot());
  out.index = index::snapshot_version(snapshot);
  for (std::uint32_t from = plan.from; const auto* step : plan.steps) {
    out.steps.push_back({from, from + 1, std::string(step->what), step->reversible});
    ++from;
  }
  out.room_bytes = plan.room_bytes;
  out.free_bytes = plan.free_bytes;
  out.reversible = plan.reversible;
  if (check || plan.steps.empty()) return out;
  TOCSIN_TRY(store::migrate(home, plan));
  out.store = plan.to;
  out.changed = true;
  return out;
}

Result<FsckReport> fsck(const std::string& path, const crypto::SecretBuffer& passphrase,
                        const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  TOCSIN_ASSIGN(home, store::Home::open(path));
  TOCSIN_ASSIGN(keystore, store::Keystore::open(home.keys(), as_text(passphrase.view())));
  PostQueue queue;
  store::StoreOptions options;
  options.page_check = store::PageDepth::kAll;
  TOCSIN_ASSIGN(opened, store::Store::open(home, keystore.tier1().store, queue.poster(), options));
  store::FsckChecks checks;
  checks.signature = make_signature_check();
  checks.progress = [&](const store::FsckProgress& p) {
    progress(p.done, p.total);
    return true;
  };
  auto found = opened->fsck(checks);
  opened->close();
  if (!found) return found.error();
  FsckReport out;
  out.logs = found->logs;
  out.entries = found->entries;
  out.bytes = opened->size_bytes();
  for (const auto& p : found->problems)
    out.findings.push_back(
        {std::string(p.code.text()), p.log.is_zero() ? std::string() : to_hex(p.log.view()), p.number.value, p.detail});
  return out;
}

}  // namespace tocsin::host
