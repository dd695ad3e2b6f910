// org: the own organisation's nodes and roots, and signing with a root key, which needs no home.
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "node/cli/context.h"
#include "node/cli/given_text.h"
#include "node/cli/passphrase.h"
#include "node/cli/qr.h"
#include "node/desk/org_change.h"
#include "node/host/root_files.h"
#include "node/store/files.h"
#include "protocol/names.h"

namespace tocsin::cli {
namespace {

constexpr Field kChangeFields[] = {{"says", "change"},
                                   {"warnings", "mind", Show::kList},
                                   {"request_file", "request file"},
                                   {"signatures_needed", "signatures needed", Show::kCount},
                                   {"entry", "entry", Show::kCount}};

void show_superseded(Context& c, const Json& entries) {
  if (c.mode() != OutputMode::kTable || !entries.is_array() || entries.empty()) return;
  static constexpr Column columns[] = {{"entry", "UNDONE ENTRY"},
                                       {"change", "CHANGE"},
                                       {"node_id", "NODE", Show::kId},
                                       {"says", "SAID", Show::kText, 0, true}};
  std::printf("\n%s", format_table(entries, columns, terminal_width()).c_str());
}

int org_show(Context& c) {
  auto answer = c.call("GET", "/org");
  if (!answer) return c.exit_code();
  if (c.mode() != OutputMode::kTable) return c.show_object(*answer, {});
  auto& json = answer->json;
  const auto root_count = json["roots"].size();
  json["roots_text"] =
      std::to_string(root_count) +
      (root_count == 1 ? " key" : " keys, of which " + std::to_string(json.value("threshold", 0)) + " sign together");
  static constexpr Field fields[] = {{"name", "organisation"},
                                     {"org_id", "organisation id"},
                                     {"kind", "kind"},
                                     {"country", "country"},
                                     {"network", "network"},
                                     {"state", "state"},
                                     {"created", "created (claimed)", Show::kTime},
                                     {"roots_text", "root keys"},
                                     {"entries", "entries of its log", Show::kCount}};
  c.show_object(*answer, fields);
  c.say("");
  static constexpr Column columns[] = {{"node_id", "NODE", Show::kId},
                                       {"name", "NAME", Show::kText, 0, true},
                                       {"state", "STATE"},
                                       {"expires", "EXPIRES", Show::kTime}};
  auto nodes = *answer;
  nodes.json = Json{{"items", json["nodes"]}, {"next", nullptr}};
  const int exit = c.show_list(nodes, columns, "No nodes.");
  static constexpr Column entries[] = {
      {"entry", "ENTRY"}, {"change", "CHANGE"}, {"node_id", "NODE", Show::kId}, {"says", "SAYS", Show::kText, 0, true}};
  std::printf("\n%s", format_table(json.value("log", Json::array()), entries, terminal_width()).c_str());
  show_superseded(c, json.value("superseded", Json::array()));
  return exit;
}

// Where `init` puts a single root key that is not taken elsewhere.
std::string root_in_home(const Context& c) { return (std::filesystem::path(c.home()) / "roots" / "root.key").string(); }

int fail_to_sign(Context& c, const Error& error) {
  return c.fail(error, error.code == Code{"wrong_passphrase"} ? kExitDenied : kExitFailure);
}

// Every signature that was named, or was made here with the root files that were.
std::optional<Json> signatures(Context& c, const std::string& request, const std::vector<std::string>& root_files) {
  Json out = Json::array();
  for (const auto& file : c.all("signature")) {
    auto text = read_given(file, desk::FileKind::kOrgSignature);
    if (!text) return c.set_exit(c.fail(text.error())), std::nullopt;
    out.push_back(*text);
  }
  for (std::size_t i = 0; i < root_files.size(); ++i) {
    if (auto fine = expect_file(root_files[i], desk::FileKind::kRootKey); !fine)
      return c.set_exit(c.fail(fine.error())), std::nullopt;
    auto passphrase = known_root_passphrase(i, root_files[i]);
    if (!passphrase) return c.set_exit(c.fail(passphrase.error())), std::nullopt;
    auto signature = host::sign_request(request, root_files[i], *passphrase);
    if (!signature) return c.set_exit(fail_to_sign(c, signature.error())), std::nullopt;
    out.push_back(*signature);
  }
  return out;
}

int write_request(Context& c, Json change) {
  const auto file = c.get("request-out");
  const auto text = change["request"].get<std::string>();
  if (auto written = store::write_file(file, as_bytes(change["request"].get<std::string>() + "\n")); !written)
    return c.fail(written.error());
  change.erase("request");
  change["request_file"] = file;
  const auto needed = change.value("signatures_needed", 1);
  c.show_object(change, kChangeFields);
  show_superseded(c, change.value("supersedes", Json()));
  if (c.has("qr")) {
    c.say("");
    if (const int exit = draw_qr(c, text); exit != kExitOk) return exit;
  }
  c.say("");
  c.say("Take it to " + std::string(needed == 1 ? "a root key" : std::to_string(needed) + " of the root keys") +
        ": tocsin org sign " + protocol::shell_word(file) +
        " --root KEYFILE --out SIGNATURE. Then bring the signature back: the same command with "
        "--signature in the place of --request-out. Until then nothing has changed.");
  return kExitOk;
}

// What these signatures change, where that is what was asked for: they may be of another day, or another node.
std::optional<Json> is_for(Context& c, const Json& signed_by, const std::function<std::optional<Json>()>& body) {
  auto would =
      c.call("POST", c.dry_run() ? "/org/entries" : "/org/entries?dry_run=true", Json{{"signatures", signed_by}});
  if (!would) return std::nullopt;
  const auto change = would->json.value("change", std::string());
  const std::string verb = change == "rotate_roots" ? "rotate-roots" : change;
  const auto refuse = [&](const std::string& named) {
    c.set_exit(c.fail("wrong_signature", "These signatures are for something else than " + named + ".", kExitFailure,
                      "they sign: " + would->json.value("says", std::string())));
    return std::nullopt;
  };
  if (verb != c.command().verb) return refuse("tocsin org " + std::string(c.command().verb));
  if (change == "rotate_roots") return would->json;
  // What is named has to be there, and the same node; why it was revoked, or until when it is certified, they say.
  auto asked = body();
  if (!asked) return std::nullopt;
  auto named = c.call("POST", "/org/requests", *asked);
  if (!named) return std::nullopt;
  if (named->json.value("node_id", std::string()) != would->json.value("node_id", std::string()))
    return refuse("the node " + named->json.value("node_id", std::string()).substr(0, 12));
  return would->json;
}

// The three ways of a change: a request out; signatures in; or both at once where root files are at hand.
int change(Context& c, const std::function<std::optional<Json>()>& body,
           const std::vector<std::string>& default_roots) {
  if (c.has("request-out") + c.has("signature") + c.has("root") > 1)
    return c.fail("usage", "Say one of --request-out, --signature and --root.", kExitUsage);
  if (c.has("qr") && !c.has("request-out")) return c.fail("usage", "--qr draws what --request-out writes.", kExitUsage);
  if (!may_draw_qr(c)) return c.exit_code();
  Json signed_by = Json::array();
  if (c.has("signature")) {
    auto given = signatures(c, {}, {});
    if (!given) return c.exit_code();
    signed_by = std::move(*given);
    const auto would = is_for(c, signed_by, body);
    if (!would) return c.exit_code();
    if (!c.dry_run() && !c.confirm(would->value("says", std::string()) + " Go on?")) return c.exit_code();
  } else {
    auto asked = body();
    if (!asked) return c.exit_code();
    auto answer = c.call("POST", "/org/requests", *asked);
    if (!answer) return c.exit_code();
    if (c.dry_run() && !c.has("root") && (c.has("request-out") || default_roots.empty())) {
      answer->json.erase("request");
      const int exit = c.show_object(*answer, kChangeFields);
      show_superseded(c, answer->json.value("supersedes", Json()));
      return exit;
    }
    if (c.has("request-out")) return write_request(c, answer->json);
    const auto roots = c.has("root") ? c.all("root") : default_roots;
    std::error_code error;
    if (roots.empty() || !std::filesystem::exists(roots.front(), error))
      return c.fail("no_root", "This changes the organisation, and takes its root keys.", kExitUsage,
                    "name the key files with --root, or write a request for them with --request-out FILE");
    std::string question = answer->json.value("says", std::string());
    for (const auto& warning : answer->json["warnings"]) question += " Mind: " + warning.get<std::string>() + ".";
    if (!c.confirm(question + " Go on?")) return c.exit_code();
    auto made = signatures(c, answer->json["request"].get<std::string>(), roots);
    if (!made) return c.exit_code();
    signed_by = std::move(*made);
  }
  auto answer = c.call("POST", "/org/entries", Json{{"signatures", signed_by}});
  if (!answer) return c.exit_code();
  c.show_object(*answer, kChangeFields);
  show_superseded(c, answer->json.value("supersedes", Json()));
  if (!c.dry_run()) {
    c.say("");
    c.say("Done, and on its way to all who know this organisation.");
  }
  return kExitOk;
}

int org_certify(Context& c) {
  return change(c,
                [&]() -> std::optional<Json> {
                  auto text = read_node_request(c.get("request"));
                  if (!text) return c.set_exit(c.fail(text.error())), std::nullopt;
                  return Json{{"change", "certify"}, {"request", *text}};
                },
                {root_in_home(c)});
}

int org_revoke(Context& c) {
  return change(
      c,
      [&]() -> std::optional<Json> {
        Json body{{"change", "revoke"}, {"node", c.get("node")}};
        if (c.has("reason")) body["reason"] = c.get("reason");
        Json at = Json::array();
        for (const auto& pin : c.all("at")) {
          const auto colon = pin.find(':');
          std::uint64_t number = 0;
          const auto* end = pin.data() + pin.size();
          if (colon == std::string::npos ||
              std::from_chars(pin.data() + colon + 1, end, number) != std::from_chars_result{end, std::errc{}}) {
            c.set_exit(
                c.fail("bad_value", "--at takes FEED:NUMBER, such as 3f09a1c2:118; see: tocsin org show", kExitUsage));
            return std::nullopt;
          }
          at.push_back({{"feed", pin.substr(0, colon)}, {"number", number}});
        }
        if (!at.empty()) body["at"] = at;
        return body;
      },
      {root_in_home(c)});
}

// The new next roots are made here, and their public halves go into the entry; the roots that take over come from the
// files that were put aside when they were made.
int org_rotate_roots(Context& c) {
  const auto home_roots = std::filesystem::path(c.home()) / "roots";
  const auto set_file = c.get("next-set", (home_roots / "next-root.set").string());
  std::optional<host::WrittenRoots> made;
  const int exit = change(
      c,
      [&]() -> std::optional<Json> {
        std::optional<std::uint64_t> last_good;
        if (c.has("last-good")) {
          const auto text = c.get("last-good");
          std::uint64_t number = 0;
          const auto* end = text.data() + text.size();
          if (std::from_chars(text.data(), end, number) != std::from_chars_result{end, std::errc{}}) {
            c.set_exit(
                c.fail("bad_value", "--last-good takes the number of an entry; see: tocsin org show", kExitUsage));
            return std::nullopt;
          }
          last_good = number;
        }
        const bool look_only = c.dry_run() && !c.has("next-roots-out");  // what it would supersede
        if (!look_only && !c.has("next-roots-out")) {
          c.set_exit(c.fail("missing_option",
                            "Say where the new next root keys are to be written: --next-roots-out DIR", kExitUsage));
          return std::nullopt;
        }
        if (auto fine = expect_file(set_file, desk::FileKind::kRootSet); !fine)
          return c.set_exit(c.fail(fine.error())), std::nullopt;
        auto roots = host::read_root_set(set_file);
        if (!roots) {
          c.set_exit(
              c.fail(roots.error().code.text(), "cannot use " + set_file + ": " + roots.error().detail, kExitFailure,
                     "name the file next-root.set, which was written beside the next root keys: --next-set FILE"));
          return std::nullopt;
        }
        const auto asked = [&](const protocol::RootSet& after) {
          Json out{{"change", "rotate_roots"},
                   {"roots", protocol::encode_root_set(*roots)},
                   {"next_roots", protocol::encode_root_set(after)}};
          if (last_good) out["last_good"] = *last_good;
          return out;
        };
        crypto::SystemRandom random;
        if (look_only) {
          protocol::RootSet nobodys{{crypto::SigningKey::generate(random).verify_key()}, 1};
          return asked(nobodys);
        }
        host::RootFiles files{c.all("next-roots-out"), "next-root", {}};
        for (std::size_t i = 0; i < roots->keys.size(); ++i) {
          auto passphrase = root_passphrase(c.all("root").size() + i, "new next root key file", false);
          if (!passphrase) return c.set_exit(c.fail(passphrase.error())), std::nullopt;
          files.passphrases.push_back(std::move(**passphrase));
        }
        auto written = host::write_roots(files, roots->threshold, random);
        if (!written) return c.set_exit(c.fail(written.error())), std::nullopt;
        made = std::move(*written);
        return asked(made->set);
      },
      {});
  if (!made) {
    if (exit == kExitOk && c.has("signature") && !c.dry_run())
      c.say("In force are the keys that have signed; their next ones are those that were written with the request.");
    return exit;
  }
  // Nothing stands behind keys of a change that failed, or was only tried.
  if (exit != kExitOk || c.dry_run()) {
    host::remove_roots(*made);
    return exit;
  }
  if (auto noted = host::note_root_files(c.home(), made->files); !noted) return c.fail(noted.error());
  const auto folder = std::filesystem::path(made->files.front()).parent_path().string();
  c.say(c.has("request-out") ? "The new next root keys wait in " + folder + ": they count once that entry is made."
                             : "In force are the keys that have signed; the next ones are in " + folder + ".");
  return exit;
}

int org_sign(Context& c) {
  if (!may_draw_qr(c)) return c.exit_code();
  auto text = read_given(c.get("request"), desk::FileKind::kOrgRequest);
  if (!text) return c.fail(text.error());
  if (auto fine = expect_file(c.get("root"), desk::FileKind::kRootKey); !fine) return c.fail(fine.error());
  auto request = protocol::decode_org_request(*text);
  if (!request) return c.fail(request.error());
  auto said = desk::describe_change(*request);
  if (!said) return c.fail(said.error());
  const std::string question = said->org_name + " (" + to_hex(said->org.view()).substr(0, 16) + "…): " + said->says;
  if (!c.confirm(question + " Sign this?")) return c.exit_code();
  auto passphrase = known_root_passphrase(0, c.get("root"));
  if (!passphrase) return c.fail(passphrase.error());
  auto signature = host::sign_request(*text, c.get("root"), *passphrase);
  if (!signature) return fail_to_sign(c, signature.error());
  if (auto written = store::write_file(c.get("out"), as_bytes(*signature + "\n")); !written)
    return c.fail(written.error());
  static constexpr Field fields[] = {{"organisation", "organisation"},
                                     {"says", "change"},
                                     {"signatures_needed", "signatures needed", Show::kCount},
                                     {"signature", "signature"}};
  const int exit = c.show_object(Json{{"organisation", said->org_name},
                                      {"org_id", to_hex(said->org.view())},
                                      {"change", said->change},
                                      {"says", said->says},
                                      {"signatures_needed", said->signatures_needed},
                                      {"signature", c.get("out")}},
                                 fields);
  if (!c.has("qr")) return exit;
  c.say("");
  return draw_qr(c, *signature);
}

}  // namespace

void add_org_commands(std::vector<Command>& out) {
  const Option request_out{"request-out", "F", "write what the root keys have to sign, and change nothing yet"};
  const Option qr{"qr", "", "show it as a QR code, too, for a machine without a network", Arity::kFlag};
  const Option signature{"signature", "S", "a signature that came back; - for standard input; as often as there are",
                         Arity::kMany};
  const Option root{"root", "KEYFILE", "sign at once with this root key file; as often as needed", Arity::kMany};
  out.push_back({"org", "show", "Show this organisation: its nodes, their feeds, its root keys", {}, {}, "", org_show});
  out.push_back({"org",
                 "certify",
                 "Certify a further node of this organisation, which has made a request (init --join)",
                 {{"request", "the node's request; - for standard input"}},
                 {request_out, qr, signature, root},
                 "tocsin org certify laptop.txt --request-out certify.txt",
                 org_certify});
  out.push_back({"org",
                 "revoke",
                 "Revoke a node of this organisation for good",
                 {{"node", "its id, or the first eight digits or more"}},
                 {request_out,
                  qr,
                  signature,
                  root,
                  {"reason", "TEXT", "shown to all who know this organisation"},
                  {"at", "FEED:NUMBER", "the last entry of a feed of it that is good (default: the last held here)",
                   Arity::kMany}},
                 "tocsin org revoke 1c55a0f2 --reason \"laptop lost\" --request-out revoke.txt",
                 org_revoke});
  out.push_back(
      {"org",
       "rotate-roots",
       "Let the next root keys take over from those in force",
       {},
       {request_out,
        qr,
        signature,
        root,
        {"next-set", "FILE", "next-root.set of the keys that take over (default: the one in the home)"},
        {"next-roots-out", "DIR", "where the new next root keys go: one folder, or one for each", Arity::kMany},
        {"last-good", "N", "undo what the roots in force signed after entry N of the log (default: its newest)"}},
       "tocsin org rotate-roots --next-set /media/stick/next-root.set --next-roots-out /media/new --request-out "
       "rotate.txt",
       org_rotate_roots});
  out.push_back({"org",
                 "sign",
                 "Sign a request with a root key; needs no home, and no network",
                 {{"request", "the request; - for standard input"}},
                 {{"root", "KEYFILE", "the root key file", Arity::kOne, true},
                  {"out", "S", "where the signature goes", Arity::kOne, true},
                  qr},
                 "tocsin org sign revoke.txt --root /media/stick/root-1.key --out revoke.1",
                 org_sign,
                 false});
}

}  // namespace tocsin::cli
