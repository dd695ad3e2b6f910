// bundle.
#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <iostream>

#include "node/cli/context.h"
#include "node/cli/new_file.h"
#include "protocol/bundle_file.h"

namespace tocsin::cli {
namespace {

std::string channel_line(const Json& channel) {
  const auto name = channel.value("name", std::string());
  return name.empty() ? channel.value("channel_id", std::string()).substr(0, 12) : name;
}

// What a table shows of lists of objects.
void flatten(Json& answer) {
  const auto each = [&](const char* key, const auto& text) {
    if (answer.contains(key) && answer[key].is_array())
      for (auto& item : answer[key]) item = text(item);
  };
  each("channels", channel_line);
  each("from", [](const Json& from) {
    return from.value("name", std::string()) + ", made " + from.value("made", std::string()) + " as it says";
  });
  each("refused", [](const Json& row) {
    return row.value("code", std::string()) + " (" + std::to_string(row.value("count", std::uint64_t{0})) + ")";
  });
  if (answer.contains("for") && answer["for"].is_object()) answer["for"] = answer["for"].value("name", std::string());
}

int bundle_export(Context& c) {
  Json body{{"channels", c.all("channel")}};
  if (c.has("for")) body["for"] = c.get("for");
  if (c.has("all")) body["all"] = true;
  auto answer = c.call("POST", "/bundles/exports", body);
  if (!answer) return c.exit_code();
  const auto out = c.get("out");
  auto& json = answer->json;
  if (!c.dry_run()) {
    NewFile file(out);
    if (!file.is_open()) return c.fail("file_not_writable", "cannot write " + out);
    auto written = c.call({.method = "GET", .path = "/api/v1/bundles/exports/" + json.value("id", std::string())},
                          [&](std::string_view piece) { return file.write(piece); });
    if (!written) return c.exit_code();
    if (!file.keep()) return c.fail("file_not_writable", "cannot write " + out);
    if (out == "-") return kExitOk;
    json["bytes"] = file.bytes();
  }
  json.erase("id");
  json["file"] = out;
  if (c.mode() == OutputMode::kTable) flatten(json);
  if (c.dry_run()) c.say("Nothing was written. This would go into the file:");
  static constexpr Field fields[] = {{"file", "file"},
                                     {"bytes", "size", Show::kBytes},
                                     {"for", "for"},
                                     {"channels", "channels", Show::kList},
                                     {"entries", "entries", Show::kCount},
                                     {"mail", "invitations and answers", Show::kSome},
                                     {"nodes", "nodes that can open it", Show::kCount},
                                     {"warnings", "warnings", Show::kList}};
  return c.show_object(*answer, fields);
}

// The file goes to the node in pieces; the answer to the last says what became of it. Nothing: a problem was printed.
std::optional<Context::Answer> send(Context& c, std::istream& in, std::uint64_t total, bool look) {
  auto opened = c.call("POST", look ? "/bundles/imports?look=true" : "/bundles/imports");
  if (!opened) return std::nullopt;
  const auto path = "/api/v1/bundles/imports/" + opened->json.value("id", std::string());
  Progress progress(look ? "reading" : "importing", c.mode() == OutputMode::kTable && total > 0);
  std::string piece(protocol::kBundlePieceMax, '\0');
  std::uint64_t offset = 0;
  for (;;) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    const auto size = static_cast<std::size_t>(in.gcount());
    if (size == 0) break;
    auto answer = c.call({.method = "POST",
                          .path = path + "?offset=" + std::to_string(offset),
                          .body = piece.substr(0, size),
                          .content_type = "application/octet-stream"});
    if (!answer || !answer->json.contains("taken")) return answer;
    offset += size;
    progress.update(offset, std::max(total, offset));
  }
  if (in.bad()) {
    c.set_exit(c.fail("file_not_readable", "the file could not be read to its end; what was read has been taken"));
    return std::nullopt;
  }
  return c.call(HttpRequest{"POST", path + "/end", {}});
}

std::optional<Context::Answer> send_file(Context& c, bool look) {
  const auto path = c.get("file");
  if (path == "-") return send(c, std::cin, 0, look);
  std::ifstream file(path, std::ios::binary);
  struct stat facts {};
  if (!file || ::stat(path.c_str(), &facts) != 0 || S_ISDIR(facts.st_mode)) {
    c.set_exit(c.fail("file_not_readable", "cannot read " + path));
    return std::nullopt;
  }
  return send(c, file, static_cast<std::uint64_t>(facts.st_size), look);
}

int bundle_import(Context& c) {
  auto answer = send_file(c, false);
  if (!answer) return c.exit_code();
  if (c.mode() == OutputMode::kTable) flatten(answer->json);
  if (c.dry_run()) c.say("Nothing was imported. This would come of it, if all of it verifies:");
  static constexpr Field fields[] = {{"from", "from", Show::kList},
                                     {"channels", "channels", Show::kList},
                                     {"entries", "new entries", Show::kCount},
                                     {"known", "already known", Show::kCount},
                                     {"mail", "invitations and answers", Show::kSome},
                                     {"refused", "refused", Show::kList},
                                     {"complete", "whole", Show::kYesNo},
                                     {"detail", "incomplete"}};
  return c.show_object(*answer, fields);
}

int bundle_show(Context& c) {
  auto answer = send_file(c, true);
  if (!answer) return c.exit_code();
  const Json logs = answer->json.value("logs", Json::array());
  if (c.mode() == OutputMode::kTable) flatten(answer->json);
  static constexpr Field fields[] = {{"from", "from", Show::kList},
                                     {"channels", "channels", Show::kList},
                                     {"entries", "entries new here", Show::kCount},
                                     {"known", "already known", Show::kCount},
                                     {"mail", "invitations and answers", Show::kSome},
                                     {"for_others", "bundles for others", Show::kSome},
                                     {"bytes", "size", Show::kBytes},
                                     {"complete", "whole", Show::kYesNo},
                                     {"detail", "incomplete"}};
  const int exit = c.show_object(*answer, fields);
  if (c.mode() != OutputMode::kTable || logs.empty()) return exit;
  static constexpr Column columns[] = {{"author", "AUTHOR", Show::kText, 0, true}, {"type", "LOG"},
                                       {"first", "FIRST", Show::kCount},           {"last", "LAST", Show::kCount},
                                       {"channel_id", "CHANNEL", Show::kId},       {"log", "KEY", Show::kId}};
  std::printf("\n%s", format_table(logs, columns, terminal_width()).c_str());
  return exit;
}

}  // namespace

void add_bundle_commands(std::vector<Command>& out) {
  const Argument file{"file", "the bundle; - for standard input"};
  out.push_back(
      {"bundle",
       "export",
       "Write what a peer lacks to a file, sealed: the same sync, on a stick",
       {},
       {{"channel", "C", "a channel to take along; again for more", Arity::kMany, true},
        {"out", "F", "where to write; - for standard output", Arity::kOne, true},
        {"for", "PEER", "for this organisation alone, with its invitations; without: for each channel's members"},
        {"all", "", "also what its receipts say that it holds", Arity::kFlag}},
       "tocsin bundle export --channel rakhine --for \"Regional body\" --out stick/rakhine.bundle",
       bundle_export});
  out.push_back({"bundle",
                 "import",
                 "Take a bundle in: each entry is checked as from a session, a second time adds nothing",
                 {file},
                 {},
                 "tocsin bundle import stick/rakhine.bundle",
                 bundle_import});
  out.push_back({"bundle",
                 "show",
                 "Say what is in a bundle that this node can open; changes nothing",
                 {file},
                 {},
                 "",
                 bundle_show});
}

}  // namespace tocsin::cli
