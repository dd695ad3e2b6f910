// source.
#include "node/cli/context.h"

namespace tocsin::cli {
namespace {

constexpr Column kSourceColumns[] = {
    {"reference", "REFERENCE", Show::kId}, {"name", "NAME", Show::kText, 0, true}, {"contact", "CONTACT"}};
constexpr Field kSourceFields[] = {
    {"reference", "reference"}, {"name", "name"}, {"contact", "contact"}, {"note", "note"}};

std::string source_path(Context& c) { return "/sources/" + url_encode(c.get("reference")); }

int source_add(Context& c) {
  Json body{{"name", c.get("name")}};
  for (const auto* field : {"contact", "note"})
    if (c.has(field)) body[field] = c.get(field);
  auto answer = c.call("POST", "/sources", body);
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
  return answer ? c.show_list(*answer, kSourceColumns, "No sources yet: tocsin source add NAME") : c.exit_code();
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
                 {{"name", "who it is"}},
                 {{"contact", "TEXT", "how to reach them"}, {"note", "TEXT", "what to mind"}},
                 "tocsin source add \"Nurse in Maungdaw\" --contact \"by way of the clinic\"",
                 source_add});
  out.push_back({"source", "list", "List the sources that this node knows", {}, {}, "", source_list});
  out.push_back({"source", "show", "Show who stands behind a reference", {reference}, {}, "", source_show});
  out.push_back({"source", "remove", "Forget who stands behind a reference", {reference}, {}, "", source_remove});
}

}  // namespace tocsin::cli
