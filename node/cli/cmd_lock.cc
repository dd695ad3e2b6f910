// lock, unlock, wipe, and key: the two tiers of secrets (rule 48).
#include <chrono>
#include <thread>

#include "node/cli/context.h"
#include "node/cli/passphrase.h"
#include "node/host/host.h"
#include "node/store/codes.h"
#include "node/store/files.h"
#include "protocol/names.h"

namespace tocsin::cli {
namespace {

constexpr int kWipeTries = 24;     // six seconds
constexpr int kWaitSeconds = 120;  // a large index is read again meanwhile

int exit_for_keys(const Error& error) {
  if (error.code == Code{"wrong_passphrase"}) return kExitDenied;
  return is_damage(error.code.text()) ? kExitIntegrity : kExitFailure;
}

// The node begins anew: until it answers as it is to be, or for two minutes.
int wait_until(Context& c, bool unlocked) {
  for (int i = 0; i < kWaitSeconds * 20; ++i) {
    int refused = 0;
    const auto status = c.ask("/status", &refused);
    // A locked node knows no users: who asked it with a token hears that it is locked.
    if (!unlocked && refused == 403) return c.show_object(Json{{"unlocked", false}}, {});
    if (status.is_object() && !status.value("restarting", false) && status.value("unlocked", !unlocked) == unlocked)
      return c.show_object(Json{{"unlocked", unlocked}}, {});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return c.fail("timeout", "the node has not come back yet; look again with: tocsin status", kExitUnreachable);
}

int node_lock(Context& c) {
  if (!c.call("POST", "/lock")) return c.exit_code();
  const int exit = wait_until(c, false);
  if (exit == kExitOk)
    c.say(
        "Locked: the node goes on taking and passing on. Nobody reads here until tocsin unlock, and it signs nothing, "
        "alerts neither.");
  return exit;
}

int node_unlock(Context& c) {
  auto passphrase = node_passphrase(false);
  if (!passphrase) return c.fail(passphrase.error());
  HttpRequest request{.method = "POST",
                      .path = "/api/v1/unlock",
                      .body = std::string(as_text(passphrase->view())),
                      .content_type = "application/octet-stream"};
  if (!c.call(std::move(request))) return c.exit_code();
  const int exit = wait_until(c, true);
  if (exit == kExitOk) c.say("Unlocked.");
  return exit;
}

// Neither --yes nor a terminal's y: only the id, typed in full.
int node_wipe(Context& c) {
  if (auto there = home_is_there(c.home()); !there) return c.fail(there.error());
  const Json confirm{{"confirm", c.get("confirm")}};
  // A node that is just being locked answers again in a moment.
  for (int tries = kWipeTries;; --tries) {
    if (http_call(c.home(), {.method = "GET", .path = "/healthz"})) {
      if (!c.call("POST", "/wipe", confirm)) return c.exit_code();
      break;
    }
    auto wiped = host::wipe_home(c.home(), c.get("confirm"));
    if (wiped) break;
    if (wiped.error().code != store::kHomeInUse || tries == 0)
      return c.fail(wiped.error(), exit_for_keys(wiped.error()));
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
  c.show_object(Json{{"wiped", true}}, {});
  c.say(
      "Every key in this home is destroyed: what is stored here cannot be read again. What others hold stays with "
      "them; have the organisation revoke this node: tocsin org revoke. Old copies of the key files, on backups or in "
      "worn cells of an SSD, still open with the passphrase; root key files that lie elsewhere were not touched.");
  return kExitOk;
}

// A node that runs writes down at once what was done to its key files; any other at its next start.
void have_it_audited(Context& c) { (void)http_call(c.home(), {.method = "POST", .path = "/api/v1/keys/acts"}); }

int key_passphrase(Context& c) {
  if (auto there = home_is_there(c.home()); !there) return c.fail(there.error());
  auto before = node_passphrase(false);
  if (!before) return c.fail(before.error());
  auto after = new_passphrase();
  if (!after) return c.fail(after.error());
  if (auto changed = host::change_passphrase(c.home(), *before, *after); !changed)
    return c.fail(changed.error(), exit_for_keys(changed.error()));
  have_it_audited(c);
  c.show_object(Json{{"changed", true}}, {});
  c.say(
      "The passphrase is changed. A backup or a copy of the key files from before still opens with the old one: make a "
      "new backup, and destroy those.");
  return kExitOk;
}

int key_credential(Context& c) {
  if (auto there = home_is_there(c.home()); !there) return c.fail(there.error());
  auto passphrase = node_passphrase(false);
  if (!passphrase) return c.fail(passphrase.error());
  if (auto written = host::write_credential(c.home(), *passphrase, c.get("out")); !written)
    return c.fail(written.error(), exit_for_keys(written.error()));
  have_it_audited(c);
  c.show_object(Json{{"credential", c.get("out")}}, {});
  c.say(
      "With this file the node starts by itself, locked: it takes and passes on, and who has the file and the disk "
      "sees "
      "who shares, never what. Give it to the service manager as tocsin.storage, and reading back with: tocsin unlock");
  return kExitOk;
}

int key_rotate(Context& c) {
  auto answer = c.call("POST", "/keys/rotate");
  if (!answer) return c.exit_code();
  if (!c.has("request-out")) {
    static constexpr Field fields[] = {{"node_id", "node"}, {"request", "request"}};
    return c.show_object(*answer, fields);
  }
  const auto file = c.get("request-out");
  if (auto written = store::write_file(file, as_bytes(answer->json["request"].get<std::string>() + "\n")); !written)
    return c.fail(written.error());
  static constexpr Field fields[] = {{"node_id", "node"}, {"request_file", "request file"}};
  c.show_object(Json{{"node_id", answer->json["node_id"]}, {"request_file", file}}, fields);
  c.say("Have it certified: tocsin org certify " + protocol::shell_word(file) +
        ". Until then the node goes on under its keys of before, and afterwards what they signed stays good, and "
        "peers that have not heard of it yet still reach it.");
  return kExitOk;
}

int key_status(Context& c) {
  auto answer = c.call("GET", "/status");
  if (!answer) return c.exit_code();
  Json items = Json::array();
  for (const auto& key : answer->json.value("keys", Json::array())) items.push_back(key);
  Context::Answer list{200, {}, Json{{"items", items}, {"next", nullptr}}};
  list.body = list.json.dump() + "\n";
  static constexpr Column columns[] = {
      {"name", "KEY"}, {"expires", "EXPIRES", Show::kDay}, {"since", "SINCE", Show::kDay}};
  return c.show_list(list, columns, "The node is locked: nothing to show.");
}

}  // namespace

void add_lock_commands(std::vector<Command>& out) {
  out.push_back({"",
                 "lock",
                 "Forget the signing and reading keys now; the node goes on taking and passing on",
                 {},
                 {},
                 "",
                 node_lock,
                 false});
  out.push_back({"",
                 "unlock",
                 "Give the signing and reading keys back; asks for the passphrase",
                 {},
                 {},
                 "",
                 node_unlock,
                 false});
  out.push_back({"",
                 "wipe",
                 "Destroy every key of this home, at once and for good",
                 {},
                 {{"confirm", "NODE_ID", "this node's id in full; nothing else is a yes", Arity::kOne, true}},
                 "tocsin wipe --confirm $(tocsin status --output json | jq -r .node_id)",
                 node_wipe,
                 false});
  out.push_back({"key",
                 "status",
                 "Show the node's keys, since when they are in use and until when they are good",
                 {},
                 {},
                 "",
                 key_status});
  out.push_back({"key",
                 "rotate",
                 "Make new signing, encryption and transport keys for this node, which the organisation then certifies",
                 {},
                 {{"request-out", "FILE", "where to write the request for tocsin org certify"}},
                 "tocsin key rotate --request-out request",
                 key_rotate});
  out.push_back(
      {"key", "passphrase", "Change the node's passphrase; a running node goes on", {}, {}, "", key_passphrase, false});
  out.push_back({"key",
                 "credential",
                 "Write the credential that lets a restart open the first tier by itself, and stay locked",
                 {},
                 {{"out", "FILE", "where to write it; must not exist", Arity::kOne, true}},
                 "tocsin key credential --out tocsin.storage",
                 key_credential,
                 false});
}

}  // namespace tocsin::cli
