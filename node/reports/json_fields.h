// Reads the fields of one JSON object, noting what is wrong with each instead of stopping. For json_read.cc.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/reports/json_scan.h"
#include "node/reports/problem.h"
#include "node/reports/report_json.h"
#include "node/reports/time_text.h"
#include "node/reports/vocab.h"

namespace tocsin::reports {

// A file may be wrong in a million places; these are enough to mend it by.
inline constexpr std::size_t kProblemsMax = 100;
inline void add_problem(std::vector<Problem>& problems, Problem problem) {
  if (problems.size() < kProblemsMax) problems.push_back(std::move(problem));
}

// Checks size and depth first. Nothing when it is no JSON object; `fault` then says why and where.
std::optional<Json> parse_json_object(std::string_view text, JsonFault& fault);

class JsonFields {
 public:
  // `prefix`: "" or "place." and the like, put before the names of fields in problems. All references outlive this
  // object.
  JsonFields(const Json& object, std::string prefix, std::vector<Problem>& problems);

  // The value of a field, null when absent, JSON null or read before as of a wrong type. Marks it as known.
  const Json* get(std::string_view key);
  void problem(std::string_view key, Code code, std::string detail) {
    add_problem(problems_, {prefix_ + std::string(key), code, std::move(detail)});
  }
  // Fields that nothing asked for become problems. Call last.
  void finish();

  void text(std::string_view key, std::string& out);
  void texts(std::string_view key, std::vector<std::string>& out);
  void time(std::string_view key, std::optional<protocol::Time>& out, bool end_of_day = false);
  void people(std::string_view key, protocol::People& out);
  void number(std::string_view key, std::optional<double>& out);
  void count(std::string_view key, std::uint64_t& out);
  // The object under `key`; a problem when it is something else.
  const Json* object(std::string_view key);
  // The array under `key`; null when absent or a problem.
  const Json* array(std::string_view key);
  template <class Fixed>
  void id(std::string_view key, std::optional<Fixed>& out) {
    const Json* value = get(key);
    if (!value) return;
    std::optional<Fixed> id;
    if (value->is_string()) id = fixed_from_hex<Fixed>(value->get_ref<const std::string&>());
    if (!id) return problem(key, kBadId, std::to_string(2 * Fixed::kSize) + " hexadecimal digits");
    out = id;
  }
  template <class Enum>
  void word(std::string_view key, Enum& out) {
    const Json* value = get(key);
    if (!value) return;
    std::optional<Enum> parsed;
    if (value->is_string()) {
      parsed = parse_key<Enum>(value->get_ref<const std::string&>());
    } else if (value->is_number_integer()) {
      parsed = parse_key<Enum>(std::to_string(value->get<std::int64_t>()));  // credibility 1 to 6
    }
    if (!parsed) return problem(key, kNotInVocabulary, "one of: " + vocabulary_of<Enum>().choices());
    out = *parsed;
  }
  const std::string& prefix() const { return prefix_; }

 private:
  const Json& object_;
  std::string prefix_;
  std::vector<Problem>& problems_;
  std::vector<std::string_view> known_;
};

}  // namespace tocsin::reports
