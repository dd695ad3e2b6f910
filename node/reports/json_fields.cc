#include "node/reports/json_fields.h"

#include <algorithm>

namespace tocsin::reports {
namespace {

constexpr std::size_t kUnknownFieldsShown = 16;

// Line ends as the report has them: LF alone.
std::string unix_lines(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out += text[i];
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      out += '\n';
    }
  }
  return out;
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

std::optional<Json> parse_json_object(std::string_view text, JsonFault& fault) {
  if (text.size() > kReportJsonBytesMax) {
    fault = {kJsonTooLarge, 0};
    return std::nullopt;
  }
  const std::size_t mark = text.starts_with("\xef\xbb\xbf") ? 3 : 0;
  const std::size_t begin = skip_json_space(text, mark);
  const JsonExtent extent = scan_json_value(text, begin, kReportJsonDepthMax);
  if (extent.fault) {
    fault = *extent.fault;
    return std::nullopt;
  }
  fault = {kJsonSyntax, begin};
  try {
    Json value = Json::parse(text.substr(mark));
    if (value.is_object()) return value;
  } catch (const Json::parse_error& error) {
    fault.offset = mark + (error.byte > 0 ? error.byte - 1 : 0);
  } catch (const Json::exception&) {  // a number beyond all range
  }
  return std::nullopt;
}

JsonFields::JsonFields(const Json& object, std::string prefix, std::vector<Problem>& problems)
    : object_(object), prefix_(std::move(prefix)), problems_(problems) {}

const Json* JsonFields::get(std::string_view key) {
  known_.push_back(key);
  const auto found = object_.find(std::string(key));
  if (found == object_.end() || found->is_null()) return nullptr;
  return &*found;
}

void JsonFields::finish() {
  std::size_t shown = 0;
  for (const auto& [key, value] : object_.items()) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    if (++shown > kUnknownFieldsShown) return;
    // A strange name is not repeated: it may be anything, and ends up on a terminal.
    problem(is_plain_name(key) ? key : "?", kUnknownField, "no such field here; check its spelling");
  }
}

void JsonFields::text(std::string_view key, std::string& out) {
  const Json* value = get(key);
  if (!value) return;
  if (!value->is_string()) return problem(key, kWrongType, "a text in quotes");
  out = unix_lines(value->get_ref<const std::string&>());
}

void JsonFields::texts(std::string_view key, std::vector<std::string>& out) {
  const Json* list = array(key);
  if (!list) return;
  for (const Json& item : *list) {
    if (!item.is_string()) return problem(key, kWrongType, "a list of texts in quotes");
    out.push_back(unix_lines(item.get_ref<const std::string&>()));
  }
}

void JsonFields::time(std::string_view key, std::optional<protocol::Time>& out, bool end_of_day) {
  const Json* value = get(key);
  if (!value) return;
  std::optional<protocol::Time> time;
  if (value->is_string()) {
    const std::string& text = value->get_ref<const std::string&>();
    time = end_of_day ? parse_time_end(text) : parse_time(text);
  }
  if (!time) return problem(key, kBadTime, "RFC 3339, such as 2017-08-25T04:30:00Z, or 2017-08-25");
  out = time;
}

void JsonFields::people(std::string_view key, protocol::People& out) {
  const Json* value = get(key);
  if (!value) return;
  if (!value->is_number_integer()) return problem(key, kWrongType, "a whole number");
  const bool fits = value->is_number_unsigned() ? value->get<std::uint64_t>() <= std::uint64_t{protocol::kPeopleMax}
                                                : value->get<std::int64_t>() >= 0;
  if (!fits) return problem(key, kOutOfRange, "0 to 10000000000");
  out = value->get<std::int64_t>();
}

void JsonFields::number(std::string_view key, std::optional<double>& out) {
  const Json* value = get(key);
  if (!value) return;
  if (!value->is_number()) return problem(key, kWrongType, "a number");
  out = value->get<double>();
}

void JsonFields::count(std::string_view key, std::uint64_t& out) {
  const Json* value = get(key);
  if (!value) return;
  if (!value->is_number_unsigned()) return problem(key, kWrongType, "a whole number, 0 or more");
  out = value->get<std::uint64_t>();
}

const Json* JsonFields::object(std::string_view key) {
  const Json* value = get(key);
  if (value && !value->is_object()) {
    problem(key, kWrongType, "an object in braces");
    return nullptr;
  }
  return value;
}

const Json* JsonFields::array(std::string_view key) {
  const Json* value = get(key);
  if (value && !value->is_array()) {
    problem(key, kWrongType, "a list in brackets");
    return nullptr;
  }
  return value;
}

}  // namespace tocsin::reports
