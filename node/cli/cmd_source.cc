// source.
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "node/cli/context.h"
#include "node/cli/json_file.h"

namespace tocsin::cli {
namespace {

constexpr Column kSourceColumns[] = {
    {"reference", "REFERENCE", Show::kId}, {"name", "NAME", Show::kText, 0, true}, {"contact", "CONTACT"}};
constexpr Field kSourceFields[] = {
    {"reference", "reference"}, {"name", "name"}, {"contact", "contact"}, {"note", "note"}};

std::string source_path(Context& c) { return "/sources/" + url_encode(c.get("reference")); }

// Never from the words of the command: those stay in the shell's history, and other users of the machine see them.
std::optional<Json> ask_source(Context& c) {
  if (c.has("file")) {
    auto read = read_json_object(c.get("file"));
    if (!read) return c.set_exit(c.fail(read.error())), std::nullopt;
    return std::move(*read);
  }
  if (c.mode() != OutputMode::kTable || !::isatty(STDIN_FILENO)) {
    c.set_exit(c.fail(
        "missing_option",
        "Say who it is in a file: --file F.json, or - for standard input, with the fields name, contact and note.",
        kExitUsage));
    return std::nullopt;
  }
  Json body = Json::object();
  for (const auto& [field, question] :
       {std::pair("name", "Who is it? "), std::pair("contact", "How to reach them (may be empty): "),
        std::pair("note", "What to mind (may be empty): ")}) {
    std::fputs(question, stderr);
    std::string line;
    std::getline(std::cin, line);
    if (!line.empty()) body[field] = line;
  }
  return body;
}

int source_add(Context& c) {
  const auto body = ask_source(c);
  if (!body) return c.exit_code();
  auto answer = c.call("POST", "/sources", *body);
  if (!answer) return c.exit_code();
  c.show_object(*answer, kSourceFields);
  if (answer->json.value("known", false))
    c.say("This source was known already, by that name: nothing was changed.");
  else
    c.say("Reports carry the reference alone. Who it is stays on this node: no peer, log or export is told.");
  return kExitOk;
}

int source_list(Context& c) {
  auto answer = c.call("GET", "/sources");
  return answer ? c.show_list(*answer, kSourceColumns, "No sources yet: tocsin source add") : c.exit_code();
}

int source_show(Context& c) {
  auto answer = c.call("GET", source_path(c));
  return answer ? c.show_object(*answer, kSourceFields) : c.exit_code();
}

int source_remove(Context& c) {
  if (!c.dry_run() &&
      !c.confirm("Forget who this source is? Reports keep the reference, which then stands for nobody."))
    return c.exit_code();
  auto answer = c.call("DELETE", source_path(c));
  static constexpr Field fields[] = {{"reference", "reference"}, {"removed", "removed"}};
  return answer ? c.show_object(*answer, fields) : c.exit_code();
}

}  // namespace

void add_source_commands(std::vector<Command>& out) {
  const Argument reference{"reference", "the reference, or its first eight digits or more"};
  out.push_back({"source",
                 "add",
                 "Note who a source is, on this node alone, and get a reference for reports",
                 {},
                 {{"file", "F|-", "JSON with name, contact and note; without it you are asked"}},
                 "tocsin source add",
                 source_add});
  out.push_back({"source", "list", "List the sources that this node knows", {}, {}, "", source_list});
  out.push_back({"source", "show", "Show who stands behind a reference", {reference}, {}, "", source_show});
  out.push_back({"source", "remove", "Forget who stands behind a reference", {reference}, {}, "", source_remove});
}

}  // namespace tocsin::cli
