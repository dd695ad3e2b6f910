// report import, report export.
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "node/cli/context.h"
#include "node/cli/long_call.h"
#include "node/cli/new_file.h"
#include "node/cli/report_filters.h"

namespace tocsin::cli {
namespace {

constexpr std::size_t kImportBytesMax = 512ull * 1024 * 1024;

int exchange_import(Context& c) {
  auto text = read_file(c.get("file"), kImportBytesMax);
  if (!text) return c.fail(text.error());
  std::string governments;
  for (const auto& country : c.all("allow-government")) governments += (governments.empty() ? "" : ",") + country;
  const auto file = c.get("file");
  HttpRequest request{
      .method = "POST",
      .path = "/api/v1/reports/import" +
              query_string({{"format", c.get("format")},
                            {"channel", c.get("channel")},
                            {"tlp", c.get("tlp")},
                            {"allow_government", governments},
                            {"name", file == "-" ? "" : std::filesystem::path(file).filename().string()},
                            {"partial", c.has("partial") ? "true" : ""}}),
      .body = std::move(*text),
      .content_type = "application/octet-stream"};
  if (request.body.empty()) return c.fail("empty_file", c.get("file") + " is empty");
  auto answer = long_call(c, std::move(request), "importing");
  if (!answer) return c.exit_code();
  if (c.mode() == OutputMode::kTable && answer->json.contains("refused"))
    for (auto& row : answer->json["refused"]) row = refused_line(row);
  if (c.dry_run()) c.say("Nothing was imported. This would come of it:");
  static constexpr Field fields[] = {
      {"read", "rows read", Show::kCount},      {"new", "new", Show::kCount},
      {"known", "already known", Show::kCount}, {"shared", "of them shared here now", Show::kSome},
      {"corrected", "corrected", Show::kSome},  {"waiting", "waiting for a second person", Show::kSome},
      {"refused", "refused", Show::kList},      {"detail", "incomplete"}};
  return c.show_object(*answer, fields);
}

// --dry-run: how many reports would be written where.
int would_export(Context& c, const std::string& out) {
  auto answer =
      c.call("GET", "/reports" + filter_query(c, {{"count", "true"}, {"since_cursor", c.get("since-cursor")}}));
  if (!answer) return c.exit_code();
  std::error_code error;
  const bool replaces = out != "-" && std::filesystem::exists(out, error);
  const auto folder = std::filesystem::path(out).parent_path();
  if (out != "-" && ::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) != 0)
    return c.fail("file_not_writable", "cannot write " + out);
  static constexpr Field fields[] = {{"reports", "would write (reports)", Show::kCount},
                                     {"file", "to"},
                                     {"format", "as"},
                                     {"replaces", "replaces a file", Show::kYesNo}};
  return c.show_object(Json{{"reports", answer->json.value("count", std::uint64_t{0})},
                            {"file", out},
                            {"format", c.get("format")},
                            {"replaces", replaces}},
                       fields);
}

// What an export leaves out, and one that goes on from an earlier one has to take out: ids of what was withdrawn since.
// Nothing: a question failed, and the problem has been printed.
std::optional<Json> withdrawn_since(Context& c, const std::string& since_cursor) {
  Json out = Json::array();
  std::string after;
  do {
    auto page = c.call(
        "GET",
        "/reports" +
            filter_query(c,
                         {{"since_cursor", since_cursor}, {"state", "withdrawn"}, {"limit", "500"}, {"after", after}}));
    if (!page) return std::nullopt;
    for (const auto& item : page->json["items"]) out.push_back(item["id"]);
    after = page->json["next"].is_string() ? page->json["next"].get<std::string>() : std::string();
  } while (!after.empty());
  return out;
}

int exchange_export(Context& c) {
  const auto out = c.get("out");
  if (c.dry_run()) return would_export(c, out);
  // Asked for before the export: what arrives meanwhile comes with this one, and again with the next.
  auto index = c.call("GET", "/index");
  if (!index) return c.exit_code();
  const auto since_cursor = c.get("since-cursor");
  NewFile file(out);
  if (!file.is_open()) return c.fail("file_not_writable", "cannot write " + out);
  auto answer = c.call({.method = "GET",
                        .path = "/api/v1/reports/export" +
                                filter_query(c, {{"format", c.get("format")}, {"since_cursor", since_cursor}})},
                       [&](std::string_view piece) { return file.write(piece); });
  if (!answer) return c.exit_code();
  if (!file.keep()) return c.fail("file_not_writable", "cannot write " + out);
  if (out == "-") return kExitOk;
  Json answer_json{
      {"file", out}, {"format", c.get("format")}, {"bytes", file.bytes()}, {"cursor", index->json["since_cursor"]}};
  if (!since_cursor.empty()) {
    auto withdrawn = withdrawn_since(c, since_cursor);
    if (!withdrawn) return c.exit_code();
    answer_json["withdrawn"] = std::move(*withdrawn);
  }
  static constexpr Field fields[] = {{"file", "file"},
                                     {"bytes", "size", Show::kBytes},
                                     {"withdrawn", "withdrawn since", Show::kList},
                                     {"cursor", "cursor for the next"}};
  return c.show_object(answer_json, fields);
}

}  // namespace

void add_exchange_commands(std::vector<Command>& out) {
  out.push_back({"report",
                 "import",
                 "Import a file: all or nothing, and a second time adds nothing",
                 {{"file", "the file; - for standard input"}},
                 {{"format", "F", "ged or json", Arity::kOne, true, "ged|json"},
                  {"channel", "C", "share in this channel; without one the reports stay private"},
                  {"tlp", "TLP", "marking for rows that carry none"},
                  {"allow-government", "ISO3",
                   "share although this country's government will read it and a row names the country", Arity::kMany},
                  {"partial", "", "import the good rows and list the others", Arity::kFlag}},
                 "tocsin report import ged.csv --format ged --channel rakhine",
                 exchange_import});
  auto options = filter_options(false);
  options.insert(
      options.begin(),
      {{"format", "F", "json, csv or geojson", Arity::kOne, true, "json|csv|geojson"},
       {"out", "FILE", "where to write; - for standard output", Arity::kOne, true},
       {"since-cursor", "X", "only what came, was corrected or withdrawn since an earlier export gave this cursor"}});
  out.push_back({"report",
                 "export",
                 "Write reports to a file",
                 {},
                 options,
                 "tocsin report export --format geojson --country MMR --out mmr.geojson",
                 exchange_export});
}

}  // namespace tocsin::cli
