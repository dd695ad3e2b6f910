#include "node/cli/readers.h"

#include <cstdio>
#include <set>

namespace tocsin::cli {
namespace {

constexpr Column kReaderColumns[] = {{"name", "WHO CAN READ IT", Show::kText, 0, true},
                                     {"kind", "KIND"},
                                     {"country", "ISO3"},
                                     {"nodes", "NODES", Show::kSize},
                                     {"org_id", "ORGANISATION", Show::kId}};

}  // namespace

int show_readers(Context& c, const Json& answer) {
  if (c.mode() != OutputMode::kTable) return c.show_object(answer, {});
  const auto readers = answer.value("readers", Json::array());
  if (readers.empty())
    std::puts("Nobody: this report is private.");
  else
    std::fputs(format_table(readers, kReaderColumns, terminal_width()).c_str(), stdout);
  for (const auto& warning : answer.value("warnings", Json::array())) c.say("warning: " + warning.get<std::string>());
  return kExitOk;
}

void name_channels(Context& c, Json& answer, std::string_view list) {
  if (c.mode() != OutputMode::kTable || !answer.is_object() || !answer.contains(list)) return;
  const auto known = c.ask("/channels");
  if (!known.is_object()) return;
  for (auto& id : answer[std::string(list)])
    for (const auto& channel : known.value("items", Json::array()))
      if (id.is_string() && channel.value("channel_id", std::string()) == id.get<std::string>()) {
        id = channel.value("class", std::string()) == "private"
                 ? std::string("private: nobody else reads it")
                 : channel.value("name", std::string()) + " (" + id.get<std::string>().substr(0, 12) + ")";
        break;
      }
}

bool add_reader_warnings(Context& c, const std::string& report, Json& answer) {
  std::set<std::string> channels, said;
  for (const auto& reader : answer.value("readers", Json::array()))
    for (const auto& channel : reader.value("channels", Json::array())) channels.insert(channel.get<std::string>());
  auto& warnings = answer["warnings"] = Json::array();
  for (const auto& channel : channels) {
    auto would = c.call("POST", "/reports/" + url_encode(report) + "/share?dry_run=true", Json{{"channel", channel}});
    if (!would) return false;
    for (const auto& warning : would->json.value("warnings", Json::array()))
      if (said.insert(warning.get<std::string>()).second) warnings.push_back(warning);
  }
  return true;
}

}  // namespace tocsin::cli
