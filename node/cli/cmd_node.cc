// init, run, status, doctor, config.
#include <unistd.h>

#include <cctype>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "node/cli/api_client.h"
#include "node/cli/context.h"
#include "node/cli/given_text.h"
#include "node/cli/passphrase.h"
#include "node/host/host.h"
#include "node/reports/vocab.h"
#include "node/store/codes.h"
#include "node/store/home.h"

namespace tocsin::cli {
namespace {

constexpr int kKeyWarnDays = 30;

int exit_of(const Error& error) {
  if (error.code == Code{"wrong_passphrase"} || error.code == Code{"wrong_credential"}) return kExitDenied;
  return is_damage(error.code.text()) ? kExitIntegrity : kExitFailure;
}

// On a terminal only: whoever has typed it has it on paper.
void ask_recovery_key_back(const Context& c, const std::string& key) {
  if (c.mode() != OutputMode::kTable || c.has("yes") || !is_terminal(STDIN_FILENO) || !is_terminal(STDOUT_FILENO))
    return;
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    std::cout << "\nType it in from what you wrote (Enter alone: later): " << std::flush;
    std::string typed, line;
    if (!std::getline(std::cin, line)) break;
    for (const unsigned char ch : line)
      if (!std::isspace(ch)) typed += static_cast<char>(std::tolower(ch));
    if (typed == key) return c.say("That is right.");
    if (typed.empty()) break;
    c.say("That differs from the recovery key above.");
  }
  complain("hint", "the recovery key was not confirmed; check what you wrote before this window is closed");
}

// What would be refused anyway is refused before three passphrases are typed.
Result<void> check_before_asking(Context& c) {
  std::error_code error;
  const std::filesystem::path home = c.home();
  if (std::filesystem::exists(home, error) && !std::filesystem::is_empty(home, error))
    return caller_error(store::kHomeExists, home.string() + " exists already and is not an empty folder");
  if (!reports::find_country(c.get("country")))
    return caller_error(Code{"bad_country"}, "country is an ISO 3166-1 alpha-3 code, such as BGD");
  return kOk;
}

// Nothing: it was no such number, and that has been said.
std::optional<unsigned> number_from(Context& c, std::string_view name, unsigned otherwise, unsigned most) {
  if (!c.has(name)) return otherwise;
  const auto text = c.get(name);
  unsigned value = 0;
  const auto* end = text.data() + text.size();
  if (std::from_chars(text.data(), end, value) == std::from_chars_result{end, std::errc{}} && value >= 1 &&
      value <= most)
    return value;
  c.set_exit(
      c.fail("bad_value", "--" + std::string(name) + " is a number from 1 to " + std::to_string(most), kExitUsage));
  return std::nullopt;
}

// A further node: no organisation is made, and nobody knows it until its request is signed.
int node_join(Context& c) {
  for (const auto* name : {"org", "kind", "country", "roots", "threshold", "roots-out", "next-roots-out"})
    if (c.has(name))
      return c.fail("usage", "--join is for a further node: --" + std::string(name) + " comes with the organisation.",
                    kExitUsage);
  std::error_code error;
  const std::filesystem::path home = c.home();
  if (std::filesystem::exists(home, error) && !std::filesystem::is_empty(home, error))
    return c.fail(caller_error(store::kHomeExists, home.string() + " exists already and is not an empty folder"));
  auto card = read_card(c.get("join"));
  if (!card) return c.fail(card.error());
  auto passphrase = node_passphrase(true);
  if (!passphrase) return c.fail(passphrase.error());
  auto made = host::join_home({.home = c.home(),
                               .card = std::move(*card),
                               .name = c.get("name", "further node"),
                               .network = c.get("network", "tocsin"),
                               .listen = c.get("listen"),
                               .advertise = c.all("advertise"),
                               .passphrase = std::move(*passphrase)});
  if (!made) return c.fail(made.error(), exit_of(made.error()));
  static constexpr Field fields[] = {{"org_name", "organisation"}, {"org_id", "organisation id"},
                                     {"node_id", "node"},          {"home", "home"},
                                     {"request", "request"},       {"recovery_key", "recovery key"}};
  c.show_object(Json{{"org_id", to_hex(made->org.view())},
                     {"org_name", made->org_name},
                     {"node_id", to_hex(made->node.view())},
                     {"home", made->home},
                     {"request", made->request},
                     {"recovery_key", made->recovery_key}},
                fields);
  c.say("");
  c.say("Write the recovery key down: it is shown this once.");
  ask_recovery_key_back(c, made->recovery_key);
  c.say("");
  c.say(
      "Next: take the request to a node of the organisation, tocsin org certify REQUEST; then tocsin run here. It "
      "dials "
      "the node of the card, and joins every channel that the organisation is in.");
  return kExitOk;
}

int node_init(Context& c) {
  if (c.has("join")) return node_join(c);
  for (const auto* name : {"org", "kind", "country"})
    if (!c.has(name))
      return c.fail("missing_option", "Say --" + std::string(name) + ", or --join CARD for a further node.",
                    kExitUsage);
  if (auto fine = check_before_asking(c); !fine) return c.fail(fine.error());
  auto passphrase = node_passphrase(true);
  if (!passphrase) return c.fail(passphrase.error());
  const auto roots = number_from(c, "roots", 1, 16);
  const auto threshold = roots ? number_from(c, "threshold", *roots / 2 + 1, *roots) : roots;
  if (!threshold) return c.exit_code();
  if (*roots > 1 && (!c.has("roots-out") || !c.has("next-roots-out")))
    return c.fail("missing_option",
                  "Several root keys are kept in several places: say --roots-out DIR and --next-roots-out DIR.",
                  kExitUsage);
  host::InitRequest request{.home = c.home(),
                            .org = c.get("org"),
                            .kind = c.get("kind"),
                            .country = c.get("country"),
                            .network = c.get("network", "tocsin"),
                            .listen = c.get("listen"),
                            .advertise = c.all("advertise"),
                            .threshold = static_cast<std::uint8_t>(*threshold),
                            .roots_out = c.all("roots-out"),
                            .next_roots_out = c.all("next-roots-out")};
  // A single root may share the node's passphrase under --yes; `status` warns of it.
  for (const auto& [passphrases, what] : {std::pair(&request.root_passphrases, "root key file"),
                                          std::pair(&request.next_root_passphrases, "next root key file")})
    for (unsigned i = 0; i < *roots; ++i) {
      const auto line = passphrases == &request.root_passphrases ? i : *roots + i;
      auto typed =
          root_passphrase(line, *roots == 1 ? what : what + (" " + std::to_string(i + 1)), *roots == 1 && c.has("yes"));
      if (!typed) return c.fail(typed.error());
      passphrases->push_back(*typed ? std::move(**typed) : passphrase->clone());
    }
  request.passphrase = std::move(*passphrase);
  auto made = host::init_home(std::move(request));
  if (!made) return c.fail(made.error(), exit_of(made.error()));
  const auto one_or_all = [](const std::vector<std::string>& files) {
    return files.size() == 1 ? Json(files.front()) : Json(files);
  };
  Json out{{"org_id", to_hex(made->org.view())},
           {"node_id", to_hex(made->node.view())},
           {"home", made->home},
           {"roots_file", one_or_all(made->roots_files)},
           {"next_roots_file", one_or_all(made->next_roots_files)},
           {"recovery_key", made->recovery_key}};
  static constexpr Field fields[] = {{"org_id", "organisation"},
                                     {"node_id", "node"},
                                     {"home", "home"},
                                     {"roots_file", "root key", Show::kList},
                                     {"next_roots_file", "next root key", Show::kList},
                                     {"recovery_key", "recovery key"}};
  c.show_object(out, fields);
  c.say("");
  c.say(
      "Write the recovery key down: it is shown this once. It opens a backup when the passphrase is lost; without "
      "both, "
      "what is stored here cannot be read again. Move the root key files off this machine, the next ones to another "
      "place than the first: who has lost one set goes on with the other.");
  ask_recovery_key_back(c, made->recovery_key);
  c.say("");
  c.say("Next: tocsin run");
  return kExitOk;
}

int node_run(Context& c) {
  if (auto there = home_is_there(c.home()); !there) return c.fail(there.error());
  host::RunRequest request{.home = c.home(), .listen = c.get("listen")};
  request.passphrase_file = passphrase_file();
  auto credential = request.passphrase_file.empty() ? storage_credential() : Result<crypto::SecretBuffer>({});
  if (!credential) return c.fail(credential.error());
  if (credential->size() > 0) {
    request.credential = std::move(*credential);
  } else {
    auto passphrase = node_passphrase(false);
    if (!passphrase) return c.fail(passphrase.error());
    request.passphrase = std::move(*passphrase);
  }
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
                                     {"unlocked", "unlocked", Show::kYesNo},
                                     {"home", "home"},
                                     {"peers", "peers", Show::kCount},
                                     {"peers_connected", "connected", Show::kCount},
                                     {"channels", "channels", Show::kCount},
                                     {"reports", "reports", Show::kCount},
                                     {"entries", "entries", Show::kCount},
                                     {"store_bytes", "store", Show::kBytes},
                                     {"outbox_oldest_seconds", "oldest undelivered (s)", Show::kSome},
                                     {"warnings", "warnings", Show::kList}};
  return c.show_object(*answer, fields);
}

// Keys are a part of the status; a doctor looks at them too.
void add_key_checks(const Json& status, Json& checks) {
  const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  for (const auto& key : status.value("keys", Json::array())) {
    if (!key.contains("expires") || !key["expires"].is_string()) continue;
    const auto expires = key["expires"].get<std::string>();
    int year = 0;
    unsigned month = 0, day = 0;
    if (std::sscanf(expires.c_str(), "%4d-%2u-%2u", &year, &month, &day) != 3) continue;
    const auto end = std::chrono::sys_days(std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day));
    const auto left = (end - today).count();
    const bool ended = left < 0, soon = left < kKeyWarnDays;
    checks.push_back(
        {{"name", "key " + key.value("name", std::string())},
         {"state", ended || soon ? "warning" : "ok"},
         {"detail", (ended ? "expired on " : "good until ") + expires.substr(0, 10) + ", " +
                        std::to_string(ended ? -left : left) + (ended ? " days ago" : " days from now")},
         {"fix",
          soon ? "past its date it is shown as STALE and goes on being taken; prekeys are renewed by the node itself"
               : ""}});
  }
}

std::string name_of(const Json& check) {
  const auto name = check.value("name", std::string());
  return name == "warning" ? std::string() : printable(name);  // its state says so already
}

// One check a line, with all of its text; what to do stands below.
std::string doctor_text(const Json& checks, std::size_t width) {
  std::size_t widest = 0;
  for (const auto& check : checks) widest = std::max(widest, display_width(name_of(check)));
  widest = std::min<std::size_t>(widest, 32);
  std::string out;
  for (const auto& check : checks) {
    const auto state = check.value("state", std::string()), name = name_of(check);
    const auto detail = printable(check.value("detail", std::string())),
               fix = printable(check.value("fix", std::string()));
    std::string head = state + std::string(state.size() < 9 ? 9 - state.size() : 1, ' ') + name;
    const auto have = display_width(head);
    const std::size_t indent = 9 + widest + 2;
    head += std::string(have + 2 > indent ? 2 : indent - have, ' ');
    out += head + wrap(detail, width, indent) + "\n";
    if (!fix.empty()) out += std::string(indent, ' ') + "do: " + wrap(fix, width, indent + 4) + "\n";
  }
  return out;
}

// From the running node, or without one what the home itself shows.
int node_doctor(Context& c) {
  if (c.has("confirm-home")) {
    auto answer = c.call("POST", "/home/confirm");
    if (!answer) return c.exit_code();
    static constexpr Field fields[] = {{"home", "home"}};
    return c.show_object(*answer, fields);
  }
  int status = 0;
  auto answer = c.ask("/doctor", &status);
  // The node is there, and says no to who asks: what the home shows from outside is not what was asked for.
  if (status == 401 || status == 403) {
    c.call("GET", "/doctor");
    return c.exit_code();
  }
  if (answer.is_object() && answer.contains("checks")) {
    if (const auto status = c.ask("/status"); status.is_object()) add_key_checks(status, answer["checks"]);
  } else {
    if (auto fine = store::check_not_wiped(c.home()); !fine) return c.fail(fine.error());
    const auto alive = http_call(c.home(), {.method = "GET", .path = "/api/v1/doctor"});
    if (!alive && alive.error().origin == Origin::kCaller) return c.fail(alive.error());  // such as its token's file
    answer = Json{{"checks", Json::array()}};
    auto& checks = answer["checks"];
    for (const auto& check : host::check_home(c.home()))
      checks.push_back({{"name", check.name}, {"state", check.state}, {"detail", check.detail}, {"fix", check.fix}});
    checks.push_back({{"name", "node"},
                      {"state", "warning"},
                      {"detail", alive ? "the node did not answer" : alive.error().detail},
                      {"fix", !alive && alive.error().code != kNotRunning ? "" : "tocsin run"}});
  }
  std::string failed;
  for (const auto& check : answer["checks"])
    if (check.value("state", std::string()) == "failed")
      failed += (failed.empty() ? "" : ", ") + check.value("name", std::string());
  if (c.mode() == OutputMode::kTable)
    std::fputs(doctor_text(answer["checks"], wrap_width(STDOUT_FILENO)).c_str(), stdout);
  else
    c.show_object(answer, {});
  return failed.empty() ? kExitOk : c.fail("check_failed", "failed: " + failed, kExitFailure);
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
    for (const auto& k : report->keys) {
      std::printf("%s = %s\n", k.key.c_str(), printable(k.value).c_str());
      const std::string meaning =
          k.help + (k.source == "default" ? " (this is the default)"
                                          : " (from the " + k.source + "; default " + k.default_value + ")");
      std::printf("    %s\n", wrap(printable(meaning), wrap_width(STDOUT_FILENO), 4).c_str());
    }
  } else if (report->problems.empty()) {
    c.say(report->file + ": good");
  }
  if (report->problems.empty() || show) return kExitOk;
  const auto line = [](const auto& p) {
    return p.file + ":" + std::to_string(p.line) + ":" + std::to_string(p.column) + ": " + p.key + ": " + p.detail;
  };
  if (c.mode() != OutputMode::kTable) {
    const auto& first = report->problems.front();
    return c.fail("bad_config", line(first), kExitFailure, first.fix);
  }
  for (const auto& p : report->problems) c.fail("bad_config", line(p), kExitFailure, p.fix);
  return kExitFailure;
}

}  // namespace

void add_node_commands(std::vector<Command>& out) {
  out.push_back(
      {"",
       "init",
       "Make a new home: organisation, root keys, node keys, recovery key",
       {},
       {{"org", "NAME", "name of the organisation"},
        {"kind", "KIND", "government, regional, un or ngo", Arity::kOne, false, "government|regional|un|ngo"},
        {"country", "ISO3", "seat of the organisation, ISO 3166-1 alpha-3"},
        {"join", "CARD", "instead: a further node of the organisation whose card this is"},
        {"name", "NAME", "with --join: what the organisation calls this node"},
        {"listen", "ADDR:PORT", "where `run` will listen (default 0.0.0.0:4870)"},
        {"advertise", "HOST:PORT", "address for the card, where others reach this node; may be repeated", Arity::kMany},
        {"roots", "N", "how many root keys (default 1; 3 are recommended)"},
        {"threshold", "K", "how many of them sign together (default: more than half)"},
        {"roots-out", "DIR", "where the root key files go: one folder, or one for each (default: the home)",
         Arity::kMany},
        {"next-roots-out", "DIR", "the same for the next root keys, which take over when these are lost", Arity::kMany},
        {"network", "NAME", "network of its own, for exercises and tests (default tocsin)"}},
       "tocsin init --org \"River Watch\" --kind ngo --country BGD",
       node_init,
       false});
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
  out.push_back(
      {"",
       "doctor",
       "Check clock, disk, permissions, port, peers and keys, and say what to do",
       {},
       {{"confirm-home", "",
         "say that no original of this home runs, where it was copied or moved and the node shares no channel "
         "with anybody; else a peer confirms it, in one meeting",
         Arity::kFlag}},
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
