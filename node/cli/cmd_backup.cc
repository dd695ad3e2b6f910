// backup create, verify, restore (rule 21).
#include <filesystem>

#include "node/cli/context.h"
#include "node/cli/given_text.h"
#include "node/cli/new_file.h"
#include "node/cli/passphrase.h"
#include "node/host/host.h"
#include "node/reports/time_text.h"
#include "node/store/codes.h"

namespace tocsin::cli {
namespace {

constexpr std::size_t kRecoveryFileBytesMax = 4096;

int exit_of_backup(const Error& error) {
  const auto code = error.code.text();
  if (code == "wrong_passphrase" || code == "wrong_recovery_key") return kExitDenied;
  if (code == "backup_damaged" || is_damage(code)) return kExitIntegrity;
  return kExitFailure;
}

// The text in the file of --recovery-key; empty without that.
Result<std::string> recovery_key(Context& c) {
  if (!c.has("recovery-key")) return std::string();
  TOCSIN_TRY(expect_file(c.get("recovery-key"), desk::FileKind::kRecoveryKey));
  TOCSIN_ASSIGN(text, read_file(c.get("recovery-key"), kRecoveryFileBytesMax));
  std::string out;
  for (const char ch : text)
    if (!std::isspace(static_cast<unsigned char>(ch)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
  if (out.empty()) return caller_error(Code{"wrong_recovery_key"}, "there is no recovery key in that file");
  return out;
}

int backup_create(Context& c) {
  const auto out = c.get("file");
  std::error_code error;
  if (out != "-" && std::filesystem::exists(out, error))
    return c.fail("file_exists", out + " is there already; a backup does not take another's place");
  if (auto there = home_is_there(c.home()); !there) return c.fail(there.error());
  auto passphrase = node_passphrase(false);
  if (!passphrase) return c.fail(passphrase.error());
  NewFile file(out);
  if (!file.is_open()) return c.fail("file_not_writable", "cannot write " + out);
  auto answer = c.call({.method = "POST",
                        .path = "/api/v1/backup",
                        .body = std::string(as_text(passphrase->view())),
                        .content_type = "application/octet-stream"},
                       [&](std::string_view piece) { return file.write(piece); });
  if (!answer) return c.exit_code();
  if (!file.keep()) return c.fail("file_not_writable", "cannot write " + out);
  if (out == "-") return kExitOk;
  static constexpr Field fields[] = {{"file", "file"}, {"bytes", "size", Show::kBytes}};
  c.show_object(Json{{"file", out}, {"bytes", file.bytes()}}, fields);
  c.say(
      "It opens with the passphrase that this node has now, or with the recovery key; no key that signs is in it. Keep "
      "it elsewhere, and try it: tocsin backup verify FILE");
  return kExitOk;
}

int backup_verify(Context& c) {
  if (auto fine = expect_file(c.get("file"), desk::FileKind::kBackup); !fine) return c.fail(fine.error());
  auto recovery = recovery_key(c);
  if (!recovery) return c.fail(recovery.error(), exit_of_backup(recovery.error()));
  host::VerifyRequest request{.file = c.get("file"), .recovery_key = std::move(*recovery)};
  if (request.recovery_key.empty()) {
    auto passphrase = node_passphrase(false);
    if (!passphrase) return c.fail(passphrase.error());
    request.passphrase = std::move(*passphrase);
  }
  std::error_code error;
  request.scratch = c.has("scratch") ? c.get("scratch") : std::filesystem::temp_directory_path(error).string();
  if (home_is_there(c.home())) request.home = c.home();
  auto verified = host::verify_backup(request);
  if (!verified) return c.fail(verified.error(), exit_of_backup(verified.error()));
  Json out{{"file", c.get("file")},
           {"made", reports::format_time(verified->made)},
           {"org_id", to_hex(verified->org.view())},
           {"node_id", to_hex(verified->node.view())},
           {"logs", verified->logs},
           {"entries", verified->entries},
           {"findings", Json::array()}};
  for (const auto& f : verified->findings)
    out["findings"].push_back({{"code", f.code}, {"log", f.log}, {"number", f.number}, {"detail", f.detail}});
  static constexpr Field fields[] = {{"made", "made", Show::kTime},
                                     {"node_id", "node"},
                                     {"logs", "logs", Show::kCount},
                                     {"entries", "entries", Show::kCount}};
  c.show_object(out, fields);
  if (!verified->findings.empty())
    return c.fail("backup_damaged", "what the backup holds was damaged when it was made: make another", kExitIntegrity);
  c.say("It was put back into a scratch home, and everything in it is what went in.");
  return kExitOk;
}

int backup_restore(Context& c) {
  std::error_code error;
  const std::filesystem::path home = c.home();
  if (std::filesystem::exists(home, error) && !std::filesystem::is_empty(home, error))
    return c.fail(caller_error(store::kHomeExists, home.string() + " exists already and is not an empty folder"));
  if (auto fine = expect_file(c.get("file"), desk::FileKind::kBackup); !fine) return c.fail(fine.error());
  auto recovery = recovery_key(c);
  if (!recovery) return c.fail(recovery.error(), exit_of_backup(recovery.error()));
  auto passphrase = node_passphrase(!recovery->empty());
  if (!passphrase) return c.fail(passphrase.error());
  auto restored = host::restore_backup({.home = c.home(),
                                        .file = c.get("file"),
                                        .recovery_key = std::move(*recovery),
                                        .passphrase = std::move(*passphrase),
                                        .name = c.get("name", "restored node"),
                                        .listen = c.get("listen"),
                                        .advertise = c.all("advertise")});
  if (!restored) return c.fail(restored.error(), exit_of_backup(restored.error()));
  static constexpr Field fields[] = {{"org_id", "organisation"},           {"node_id", "node"},
                                     {"previous_node_id", "in place of"},  {"home", "home"},
                                     {"entries", "entries", Show::kCount}, {"request", "request"},
                                     {"recovery_key", "recovery key"}};
  c.show_object(Json{{"org_id", to_hex(restored->org.view())},
                     {"node_id", to_hex(restored->node.view())},
                     {"previous_node_id", to_hex(restored->previous.view())},
                     {"home", restored->home},
                     {"entries", restored->entries},
                     {"request", restored->request},
                     {"recovery_key", restored->recovery_key}},
                fields);
  const auto previous = to_hex(restored->previous.view()).substr(0, 12);
  c.say("");
  c.say(
      "This is a new node with what the old one could read, and no key of it. Write the recovery key down: it is a new "
      "one, shown this once.");
  c.say("");
  c.say(
      "Next: tocsin run; have the organisation certify it (tocsin org certify REQUEST, here or on another of its "
      "nodes). Peers then bring what came after the backup was made. Once they have, end the old node (tocsin org "
      "revoke " +
      previous + "): what it wrote and this one does not hold by then counts nowhere any more.");
  return kExitOk;
}

}  // namespace

void add_backup_commands(std::vector<Command>& out) {
  const Option recovery{"recovery-key", "FILE", "open it with the recovery key in this file (- for standard input)"};
  out.push_back({"backup",
                 "create",
                 "Write everything that can be read here into one sealed file, while the node runs",
                 {{"file", "the new file; - for standard output"}},
                 {},
                 "tocsin backup create /media/stick/tocsin.backup",
                 backup_create,
                 false});
  out.push_back({"backup",
                 "verify",
                 "Put a backup back into a scratch home and compare every hash",
                 {{"file", "the backup"}},
                 {recovery, {"scratch", "DIR", "where the scratch home is made (default: the system's folder)"}},
                 "",
                 backup_verify});
  out.push_back({"backup",
                 "restore",
                 "Make a new home from a backup: a new node, which has to be certified",
                 {{"file", "the backup"}},
                 {recovery,
                  {"name", "NAME", "what the organisation calls this node (default: restored node)"},
                  {"listen", "ADDR:PORT", "where `run` will listen (default: as before)"},
                  {"advertise", "HOST:PORT", "address for the card; may be repeated", Arity::kMany}},
                 "tocsin --home /srv/tocsin backup restore tocsin.backup",
                 backup_restore,
                 false});
}

}  // namespace tocsin::cli
