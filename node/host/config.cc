#include "node/host/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <sstream>

#include "node/log/log.h"
#include "node/reports/vocab.h"
#include "node/transport/config.h"
#include "protocol/card.h"

namespace tocsin::host {
namespace {

using Strings = std::vector<std::string>;

// One key: how it is set from text values, and read back as text. A problem is a sentence for people; empty means fine.
struct Key {
  std::string name;
  std::string help;
  enum class Type { kText, kList, kNumber, kSwitch } type;
  std::string (*set)(Config&, const Strings&);
  Strings (*get)(const Config&);
};

bool is_listen_address(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const auto port = text.substr(colon + 1);
  const bool clean = std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), [](unsigned char c) {
    return std::isalnum(c) || std::string_view(".:[]%-_").find(static_cast<char>(c)) != std::string_view::npos;
  });
  return clean && !port.empty() && port.size() <= 5 &&
         std::all_of(port.begin(), port.end(), [](unsigned char c) { return std::isdigit(c); }) &&
         std::stoul(port) <= 65535;
}

std::string set_number(const Strings& values, std::uint64_t low, std::uint64_t high, std::uint64_t& out) {
  const auto& text = values.front();
  if (text.empty() || text.size() > 18 ||
      !std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); }))
    return "is not a whole number";
  const auto value = std::stoull(text);
  if (value < low || value > high) return "must be from " + std::to_string(low) + " to " + std::to_string(high);
  out = value;
  return {};
}

const std::vector<Key>& keys() {
  static const std::vector<Key> all = {
      {"listen", "addresses to listen on, \"ADDR:PORT\" or \"[v6]:PORT\"; an empty list: this node dials out only",
       Key::Type::kList,
       [](Config& c, const Strings& v) -> std::string {
         for (const auto& a : v)
           if (!is_listen_address(a)) return "\"" + a + "\" is not ADDR:PORT";
         if (v.size() > 16) return "has more than 16 addresses";
         c.listen = v;
         return {};
       },
       [](const Config& c) { return c.listen; }},
      {"advertise", "addresses for the card, where others reach this node: \"HOST:PORT\"", Key::Type::kList,
       [](Config& c, const Strings& v) -> std::string {
         for (const auto& a : v)
           if (!protocol::parse_address(a)) return "\"" + a + "\" is not HOST:PORT";
         if (v.size() > protocol::kAddressesMax) return "has more than 8 addresses";
         c.advertise = v;
         return {};
       },
       [](const Config& c) { return c.advertise; }},
      {"dial", "whether this node dials its peers; false: it waits to be dialled", Key::Type::kSwitch,
       [](Config& c, const Strings& v) -> std::string {
         if (v.front() != "true" && v.front() != "false") return "is true or false";
         c.dial = v.front() == "true";
         return {};
       },
       [](const Config& c) { return Strings{c.dial ? "true" : "false"}; }},
      {"socks5",
       "proxy for dialling, \"HOST:PORT\" (Tor: \"127.0.0.1:9050\"); names are then resolved by the proxy alone",
       Key::Type::kText,
       [](Config& c, const Strings& v) -> std::string {
         if (!v.front().empty() && !protocol::parse_address(v.front())) return "is not HOST:PORT";
         c.socks5 = v.front();
         return {};
       },
       [](const Config& c) { return Strings{c.socks5}; }},
      {"socks5_user", "user name for the proxy", Key::Type::kText,
       [](Config& c, const Strings& v) -> std::string {
         if (v.front().size() > 255) return "is longer than 255 bytes";
         c.socks5_user = v.front();
         return {};
       },
       [](const Config& c) { return Strings{c.socks5_user}; }},
      {"socks5_password_file", "file whose first line is the proxy's password", Key::Type::kText,
       [](Config& c, const Strings& v) -> std::string {
         c.socks5_password_file = v.front();
         return {};
       },
       [](const Config& c) { return Strings{c.socks5_password_file}; }},
      {"log_level", "least level that is written: debug, info, warning, error", Key::Type::kText,
       [](Config& c, const Strings& v) -> std::string {
         if (!parse_log_level(v.front())) return "is not debug, info, warning or error";
         c.log_level = v.front();
         return {};
       },
       [](const Config& c) { return Strings{c.log_level}; }},
      {"log_format", "auto (journal when started by systemd, else JSON lines), json, journal", Key::Type::kText,
       [](Config& c, const Strings& v) -> std::string {
         if (v.front() != "auto" && v.front() != "json" && v.front() != "journal")
           return "is not auto, json or journal";
         c.log_format = v.front();
         return {};
       },
       [](const Config& c) { return Strings{c.log_format}; }},
      {"reserve_mib", "space that is left free on the disk, in MiB; below it the node is read-only", Key::Type::kNumber,
       [](Config& c, const Strings& v) { return set_number(v, 1, 1 << 20, c.reserve_mib); },
       [](const Config& c) { return Strings{std::to_string(c.reserve_mib)}; }},
      {"four_eyes.above_tlp",
       "reports marked more strictly than this wait for a second person (tocsin report release) before others read "
       "them: CLEAR, GREEN, AMBER or AMBER+STRICT; empty: none does. Alerts never wait",
       Key::Type::kText,
       [](Config& c, const Strings& v) -> std::string {
         if (!v.front().empty() && !reports::parse_key<protocol::Tlp>(v.front()))
           return "is one of " + reports::vocabulary_of<protocol::Tlp>().choices() + ", or empty";
         c.four_eyes_above_tlp = v.front();
         return {};
       },
       [](const Config& c) { return Strings{c.four_eyes_above_tlp}; }},
      {"four_eyes.from_severity",
       "reports as severe as this or more wait for a second person: Minor, Moderate, Severe or Extreme; empty: none "
       "does. "
       "Alerts never wait",
       Key::Type::kText,
       [](Config& c, const Strings& v) -> std::string {
         const auto value = reports::parse_key<protocol::Severity>(v.front());
         if (!v.front().empty() && (!value || *value == protocol::Severity::kUnknown))
           return "is one of Minor, Moderate, Severe and Extreme, or empty";
         c.four_eyes_from_severity = v.front();
         return {};
       },
       [](const Config& c) { return Strings{c.four_eyes_from_severity}; }},
  };
  return all;
}

// As a TOML basic string.
std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    char escape[8];
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string shown(const Key& key, const Config& config) {
  const auto values = key.get(config);
  if (key.type == Key::Type::kNumber || key.type == Key::Type::kSwitch) return values.front();
  std::string out;
  for (const auto& v : values) out += (out.empty() ? "" : ", ") + toml_text(v);
  return key.type == Key::Type::kList ? "[" + out + "]" : out;
}

std::string type_fix(const Key& key) {
  switch (key.type) {
    case Key::Type::kList:
      return "write it as a list of texts: " + key.name + " = " + shown(key, Config{});
    case Key::Type::kNumber:
      return "write it as a number: " + key.name + " = " + shown(key, Config{});
    case Key::Type::kSwitch:
      return "write true or false";
    case Key::Type::kText:
      return "write it in quotes: " + key.name.substr(key.name.find('.') + 1) + " = \"…\"";
  }
  return {};
}

// The values of a TOML node as texts; nothing when it is of another type than the key's.
std::optional<Strings> texts_of(const Key& key, const toml::node& node) {
  if (key.type == Key::Type::kList) {
    const auto* list = node.as_array();
    if (!list) return std::nullopt;
    Strings out;
    for (const auto& item : *list) {
      const auto text = item.value_exact<std::string>();
      if (!text) return std::nullopt;
      out.push_back(*text);
    }
    return out;
  }
  if (key.type == Key::Type::kNumber) {
    const auto number = node.value_exact<std::int64_t>();
    return number ? std::optional(Strings{std::to_string(*number)}) : std::nullopt;
  }
  if (key.type == Key::Type::kSwitch) {
    const auto on = node.value_exact<bool>();
    return on ? std::optional(Strings{*on ? "true" : "false"}) : std::nullopt;
  }
  const auto text = node.value_exact<std::string>();
  return text ? std::optional(Strings{*text}) : std::nullopt;
}

// `within`: of a table, its name and a dot.
void apply_file(const toml::table& table, LoadedConfig& out, std::map<std::string, std::string>& source,
                const std::string& within = {}) {
  for (const auto& [name, node] : table) {
    const std::string text = within + std::string(name.str());
    const bool is_table =
        within.empty() && node.is_table() &&
        std::any_of(keys().begin(), keys().end(), [&](const Key& k) { return k.name.starts_with(text + "."); });
    if (is_table) {
      apply_file(*node.as_table(), out, source, text + ".");
      continue;
    }
    const auto begin = node.source().begin;
    auto problem = [&](std::string detail, std::string fix) {
      out.report.problems.push_back(
          {out.report.file, begin.line, begin.column, text, std::move(detail), std::move(fix)});
    };
    const auto key = std::find_if(keys().begin(), keys().end(), [&](const Key& k) { return k.name == text; });
    if (key == keys().end()) {
      problem("there is no such key", "remove it, or see the keys with: tocsin config show");
      continue;
    }
    const auto values = texts_of(*key, node);
    if (!values) {
      problem("has the wrong type", type_fix(*key));
      continue;
    }
    if (auto wrong = key->set(out.config, *values); !wrong.empty())
      problem(wrong, key->help);
    else
      source[text] = "file";
  }
}

// Nothing when there is no such file.
Result<std::optional<std::string>> text_of_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file && errno == ENOENT) return std::optional<std::string>();
  std::string out;
  char piece[4096];
  std::size_t got = 0;
  while (file && (got = std::fread(piece, 1, sizeof piece, file.get())) > 0) out.append(piece, got);
  if (!file || std::ferror(file.get()))
    return environment_error(Code{"file_failed"}, "cannot read " + path + ": " + std::strerror(errno));
  return std::optional(std::move(out));
}

void apply_environment(LoadedConfig& out, std::map<std::string, std::string>& source) {
  for (const auto& key : keys()) {
    std::string name = "TOCSIN_" + key.name;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return c == '.' ? '_' : static_cast<char>(std::toupper(c)); });
    const char* value = std::getenv(name.c_str());
    if (!value) continue;
    Strings values;
    std::stringstream parts(value);
    if (key.type == Key::Type::kList)
      for (std::string part; std::getline(parts, part, ',');) values.push_back(part);
    else
      values.push_back(value);
    if (auto wrong = key.set(out.config, values); !wrong.empty())
      out.report.problems.push_back({"environment", 0, 0, name, wrong, key.help});
    else
      source[key.name] = "environment";
  }
}

}  // namespace

Result<void> check_addresses(const std::string& listen, const std::vector<std::string>& advertise) {
  Config scratch;
  const auto check = [&](std::string_view name, const Strings& values) -> Result<void> {
    const auto key = std::find_if(keys().begin(), keys().end(), [&](const Key& k) { return k.name == name; });
    if (auto wrong = key->set(scratch, values); !wrong.empty())
      return caller_error(Code{"bad_address"}, key->name + ": " + wrong);
    return kOk;
  };
  if (!listen.empty()) TOCSIN_TRY(check("listen", {listen}));
  return check("advertise", advertise);
}

Result<LoadedConfig> load_config(const std::string& home) {
  LoadedConfig out;
  out.report.file = home + "/config.toml";
  std::map<std::string, std::string> source;
  TOCSIN_ASSIGN(text, text_of_file(out.report.file));
  if (text) {
    try {
      apply_file(toml::parse(*text, out.report.file), out, source);
    } catch (const toml::parse_error& error) {
      const auto at = error.source().begin;
      out.report.problems.push_back({out.report.file, at.line, at.column, "", std::string(error.description()),
                                     "mend this line; the format is TOML"});
    } catch (const std::exception&) {
      return environment_error(Code{"file_failed"}, "cannot read " + out.report.file);
    }
  }
  apply_environment(out, source);
  const Config defaults;
  for (const auto& key : keys())
    out.report.keys.push_back({key.name, shown(key, out.config), shown(key, defaults),
                               source.contains(key.name) ? source[key.name] : "default", key.help});
  return out;
}

Result<ConfigReport> check_config(const std::string& home) {
  TOCSIN_ASSIGN(loaded, load_config(home));
  return std::move(loaded.report);
}

std::string initial_config(const std::string& listen, const std::vector<std::string>& advertise) {
  Config given;
  if (!listen.empty()) given.listen = {listen};
  given.advertise = advertise;
  std::string out =
      "# Configuration of this Tocsin node. A key in a comment has its default. Check after a change: tocsin config "
      "check\n";
  std::string table;
  for (const auto& key : keys()) {
    const bool set = (key.name == "listen" && !listen.empty()) || (key.name == "advertise" && !advertise.empty());
    // Keys of a table come last, behind its line: a comment too, or what is appended would belong to it.
    const auto dot = key.name.find('.');
    if (dot != std::string::npos && key.name.substr(0, dot) != table) {
      table = key.name.substr(0, dot);
      out += "\n# [" + table + "]\n";
    }
    const auto name = dot == std::string::npos ? key.name : key.name.substr(dot + 1);
    out += "\n# " + key.help + "\n" + (set ? "" : "# ") + name + " = " + shown(key, given) + "\n";
  }
  return out;
}

}  // namespace tocsin::host
