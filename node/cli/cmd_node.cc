// init, run, status, doctor, config.
#include <cstdio>

#include "node/cli/api_client.h"
#include "node/cli/context.h"
#include "node/cli/passphrase.h"
#include "node/host/host.h"

namespace tocsin::cli {
namespace {

int exit_of(const Error& error) {
  if (error.code == Code{"wrong_passphrase"}) return kExitDenied;
  return is_damage(error.code.text()) ? kExitIntegrity : kExitFailure;
}

int node_init(Context& c) {
  auto passphrase = node_passphrase(true);
  if (!passphrase) return c.fail(passphrase.error());
  // A single root may share the node's passphrase under --yes; `status` warns of it.
  auto root = root_passphrase(0, "root key file", c.has("yes"));
  if (!root) return c.fail(root.error());
  auto next = root_passphrase(1, "next root key file", c.has("yes"));
  if (!next) return c.fail(next.error());
  host::InitRequest request{.home = c.home(),
                            .org = c.get("org"),
                            .kind = c.get("kind"),
                            .country = c.get("country"),
                            .network = c.get("network", "tocsin"),
                            .listen = c.get("listen"),
                            .advertise = c.all("advertise"),
                            .root_passphrase = *root ? std::move(**root) : passphrase->clone(),
                            .next_root_passphrase = *next ? std::move(**next) : passphrase->clone()};
  request.passphrase = std::move(*passphrase);
  auto made = host::init_home(std::move(request));
  if (!made) return c.fail(made.error(), exit_of(made.error()));
  Json out{{"org_id", to_hex(made->org.view())},
           {"node_id", to_hex(made->node.view())},
           {"home", made->home},
           {"roots_file", made->roots_file},
           {"next_roots_file", made->next_roots_file},
           {"recovery_key", made->recovery_key}};
  static constexpr Field fields[] = {{"org_id", "organisation"},
                                     {"node_id", "node"},
                                     {"home", "home"},
                                     {"roots_file", "root key"},
                                     {"next_roots_file", "next root key"},
                                     {"recovery_key", "recovery key"}};
  c.show_object(out, fields);
  if (c.mode() == OutputMode::kTable)
    std::puts(
        "\nWrite the recovery key down: it is shown this once. It opens a backup when the passphrase is lost; without "
        "both, what\n"
        "is stored here cannot be read again. Move the two root key files off this machine.\n\nNext: tocsin run");
  return kExitOk;
}

int node_run(Context& c) {
  auto passphrase = node_passphrase(false);
  if (!passphrase) return c.fail(passphrase.error());
  host::RunRequest request{.home = c.home(), .passphrase = std::move(*passphrase), .listen = c.get("listen")};
  if (c.has("api")) request.api_address = c.get("api");
  auto ended = host::run(std::move(request), [](const host::Ready& ready) {
    std::printf("ready listen=%s api=unix:%s\n", ready.listen.c_str(), ready.api_socket.c_str());
    if (!ready.api_url.empty()) std::printf("ready api=%s\n", ready.api_url.c_str());
    std::fflush(stdout);
  });
  return ended ? kExitOk : c.fail(ended.error(), exit_of(ended.error()));
}

int node_status(Context& c) {
  auto answer = c.call("GET", "/status");
  if (!answer) return c.exit_code();
  static constexpr Field fields[] = {{"org/name", "organisation"},
                                     {"org/org_id", "organisation id"},
                                     {"node_id", "node"},
                                     {"version", "version"},
                                     {"network", "network"},
                                     {"listen", "listens on"},
                                     {"peers", "peers", Show::kCount},
                                     {"peers_connected", "connected", Show::kCount},
                                     {"channels", "channels", Show::kCount},
                                     {"reports", "reports", Show::kCount},
                                     {"entries", "entries", Show::kCount},
                                     {"store_bytes", "store", Show::kBytes},
                                     {"outbox_oldest_seconds", "oldest undelivered (s)"},
                                     {"warnings", "warnings", Show::kList}};
  return c.show_object(*answer, fields);
}

// From the running node, or without one what the home itself shows.
int node_doctor(Context& c) {
  static constexpr Column columns[] = {
      {"name", "CHECK"}, {"state", "STATE"}, {"detail", "DETAIL", Show::kText, 70}, {"fix", "WHAT TO DO"}};
  auto response = http_call(c.home(), {.method = "GET", .path = "/api/v1/doctor"});
  Context::Answer answer{200, {}, Json::object()};
  if (response && response->status == 200) {
    answer.json = Json::parse(response->body, nullptr, false);
  } else {
    auto& checks = answer.json["checks"] = Json::array();
    for (const auto& check : host::check_home(c.home()))
      checks.push_back({{"name", check.name}, {"state", check.state}, {"detail", check.detail}, {"fix", check.fix}});
    checks.push_back({{"name", "node"},
                      {"state", "warning"},
                      {"detail", response ? "the node did not answer" : response.error().detail},
                      {"fix", "tocsin run"}});
  }
  bool failed = false;
  for (const auto& check : answer.json["checks"]) failed |= check.value("state", std::string()) == "failed";
  if (c.mode() == OutputMode::kTable) {
    std::fputs(format_table(answer.json["checks"], columns, terminal_width()).c_str(), stdout);
  } else {
    c.show_object(answer.json, {});
  }
  return failed ? kExitFailure : kExitOk;
}

int node_config(Context& c) {
  auto report = host::check_config(c.home());
  if (!report) return c.fail(report.error());
  Json out{{"file", report->file}, {"problems", Json::array()}, {"keys", Json::array()}};
  for (const auto& p : report->problems)
    out["problems"].push_back({{"file", p.file},
                               {"line", p.line},
                               {"column", p.column},
                               {"key", p.key},
                               {"detail", p.detail},
                               {"fix", p.fix}});
  for (const auto& k : report->keys)
    out["keys"].push_back(
        {{"key", k.key}, {"value", k.value}, {"default", k.default_value}, {"source", k.source}, {"help", k.help}});
  const bool show = c.command().verb == "show";
  if (c.mode() != OutputMode::kTable) {
    c.show_object(out, {});
  } else if (show) {
    static constexpr Column columns[] = {
        {"key", "KEY"}, {"value", "VALUE"}, {"source", "FROM"}, {"default", "DEFAULT"}, {"help", "MEANING"}};
    std::fputs(format_table(out["keys"], columns, terminal_width()).c_str(), stdout);
  } else {
    for (const auto& p : report->problems)
      std::printf("%s:%zu:%zu: %s: %s\n  fix: %s\n", p.file.c_str(), p.line, p.column, p.key.c_str(), p.detail.c_str(),
                  p.fix.c_str());
    if (report->problems.empty()) std::printf("%s: good\n", report->file.c_str());
  }
  return report->problems.empty() || show ? kExitOk : kExitFailure;
}

}  // namespace

void add_node_commands(std::vector<Command>& out) {
  out.push_back(
      {"",
       "init",
       "Make a new home: organisation, root keys, node keys, recovery key",
       {},
       {{"org", "NAME", "name of the organisation", Arity::kOne, true},
        {"kind", "KIND", "government, regional, un or ngo", Arity::kOne, true, "government|regional|un|ngo"},
        {"country", "ISO3", "seat of the organisation, ISO 3166-1 alpha-3", Arity::kOne, true},
        {"listen", "ADDR:PORT", "where `run` will listen (default 0.0.0.0:4870)"},
        {"advertise", "HOST:PORT", "address for the card, where others reach this node; may be repeated", Arity::kMany},
        {"network", "NAME", "network of its own, for exercises and tests (default tocsin)"}},
       "tocsin init --org \"River Watch\" --kind ngo --country BGD",
       node_init});
  out.push_back({"",
                 "run",
                 "Run the node in the foreground; says when it is ready, ends cleanly on SIGTERM",
                 {},
                 {{"listen", "ADDR:PORT", "instead of the configured address; port 0 lets the kernel choose"},
                  {"api", "ADDR:PORT", "serve HTTP on this loopback address too"}},
                 "tocsin run --listen 0.0.0.0:4870",
                 node_run});
  out.push_back(
      {"", "status", "Show organisation, node, peers, channels, store and warnings", {}, {}, "", node_status});
  out.push_back({"",
                 "doctor",
                 "Check clock, disk, permissions, port, peers and keys, and say what to do",
                 {},
                 {},
                 "",
                 node_doctor});
  out.push_back({"config", "check", "Check the configuration file: names file, line and fix", {}, {}, "", node_config});
  out.push_back({"config",
                 "show",
                 "Show every key with its value, where it comes from, and its default",
                 {},
                 {},
                 "",
                 node_config});
}

}  // namespace tocsin::cli
