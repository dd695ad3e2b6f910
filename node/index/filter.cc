#include "node/index/filter.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "node/index/near.h"
#include "node/index/schema.h"
#include "node/reports/vocab.h"

namespace tocsin::index {

using namespace protocol;

namespace {

constexpr double kNearKmMax = 20'100;  // a little over half the Earth's circumference

class Builder {
 public:
  explicit Builder(Filter& out) : out_(out) {}

  void add(std::string_view condition, std::initializer_list<std::int64_t> values = {}) {
    if (!out_.where.empty()) out_.where += " AND ";
    out_.where += condition;
    out_.values.insert(out_.values.end(), values);
  }
  void add(std::string_view condition, const std::vector<std::int64_t>& values) {
    add(condition);
    out_.values.insert(out_.values.end(), values.begin(), values.end());
  }
  void any_of(std::string_view column, const std::vector<std::int64_t>& values, bool inverted = false) {
    add(std::string(column) + (inverted ? " NOT IN " : " IN ") + places(values.size()), values);
  }
  static std::string places(std::size_t count) {
    std::string out = "(";
    for (std::size_t i = 0; i < count; ++i) out += i == 0 ? "?" : ",?";
    return out + ")";
  }

 private:
  Filter& out_;
};

template <class Enum>
std::vector<std::int64_t> numbers(const std::vector<Enum>& values) {
  std::vector<std::int64_t> out;
  out.reserve(values.size());
  for (const Enum value : values) out.push_back(static_cast<std::int64_t>(value));
  return out;
}

Result<void> check_count(std::string_view name, std::size_t count) {
  if (count <= kFilterValuesMax) return kOk;
  return caller_error(kBadFilter, std::string(name) + ": at most 64 values");
}

void add_kinds(const ReportQuery& query, Builder& build) {
  if (!query.kinds.empty()) {
    build.any_of("r.kind", numbers(query.kinds));
  } else if (!query.with_acts) {
    build.add("(r.flags & ?) = 0", {kFlagAct});
  }
}

Result<void> add_countries(const ReportQuery& query, Builder& build) {
  if (query.countries.empty()) return kOk;
  std::vector<std::int64_t> packed;
  for (std::string country : query.countries) {
    for (char& c : country) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    packed.push_back(pack_country(country));
    if (packed.back() == 0) return caller_error(kBadFilter, "country: three letters (ISO 3166-1 alpha-3), such as MMR");
  }
  const std::string list = Builder::places(packed.size());
  std::vector<std::int64_t> values = packed;
  values.push_back(kShapePlaces);
  values.insert(values.end(), packed.begin(), packed.end());
  build.add("(r.country IN " + list +
                " OR ((r.shape & ?) != 0 AND EXISTS (SELECT 1 FROM place p WHERE p.row ="
                " ifnull(r.content, r.row) AND p.country IN " +
                list + ")))",
            values);
  return kOk;
}

// By rank, since the numbers of the format are not in order. A number of a later version ranks as Unknown does.
void add_severity(const ReportQuery& query, Builder& build) {
  if (!query.severity_min) return;
  const int least = reports::rank_of(*query.severity_min);
  const bool unknown_passes = reports::rank_of(Severity::kUnknown) >= least;
  std::vector<std::int64_t> listed;
  for (const reports::Term& term : reports::vocabulary_of<Severity>().terms()) {
    if ((term.rank >= least) != unknown_passes) listed.push_back(term.code);
  }
  build.any_of("r.severity", listed, unknown_passes);
}

Result<void> add_times(const ReportQuery& query, Builder& build) {
  if (query.since && query.until && *query.since > *query.until) {
    return caller_error(kBadFilter, "since: is after until");
  }
  if (query.since) build.add("r.seen_to >= ?", {query.since->ms});
  if (query.until) build.add("r.seen_from <= ?", {query.until->ms});
  return kOk;
}

void add_channel(const ReportQuery& query, const Names& names, Builder& build) {
  if (!query.channel) return;
  const std::int64_t channel = names.find(NameKind::kChannel, *query.channel);
  build.add(
      "(r.channel = ? OR ((r.flags & ?) != 0 AND EXISTS (SELECT 1 FROM copy c WHERE c.row = r.row AND"
      " c.channel = ?)))",
      {channel, kFlagCopies, channel});
}

// The box first: it is cheap, and leaves little for the arithmetic.
std::string near_condition(std::string_view table, const Box& box) {
  const std::string t(table);
  const std::string join = box.west <= box.east ? " AND " : " OR ";
  return t + ".lat BETWEEN ? AND ? AND (" + t + ".lon >= ?" + join + t + ".lon <= ?) AND tocsin_metres(" + t +
         ".lat, " + t + ".lon, ?, ?) <= ?";
}

Result<void> add_near(const ReportQuery& query, Builder& build) {
  if (!query.near) return kOk;
  const Near& near = *query.near;
  const bool good = std::abs(near.centre.latitude) <= 90 && std::abs(near.centre.longitude) <= 180 && near.km > 0 &&
                    near.km <= kNearKmMax;  // false for what is not a number
  if (!good) return caller_error(kBadFilter, "near: latitude -90 to 90, longitude -180 to 180, km above 0 up to 20100");
  const Box box = box_around(near);
  const GridPoint centre = to_grid(near.centre);
  const std::vector<std::int64_t> one{box.south,
                                      box.north,
                                      box.west,
                                      box.east,
                                      centre.latitude,
                                      centre.longitude,
                                      std::llround(std::ceil(near.km * 1000))};
  std::vector<std::int64_t> values = one;
  values.push_back(kShapePlaces);
  values.insert(values.end(), one.begin(), one.end());
  build.add("((" + near_condition("r", box) +
                ") OR ((r.shape & ?) != 0 AND EXISTS (SELECT 1 FROM place p WHERE p.row ="
                " ifnull(r.content, r.row) AND " +
                near_condition("p", box) + ")))",
            values);
  return kOk;
}

void add_state(const ReportQuery& query, Builder& build) {
  if (query.state != StateFilter::kWithdrawn && !query.changed_since) build.add("(r.flags & ?) = 0", {kFlagErased});
  const auto has = [&](std::int64_t flag) { build.add("(r.flags & ?) != 0", {flag}); };
  switch (query.state) {
    case StateFilter::kAny:
      return;
    case StateFilter::kCurrent:
      return build.add("(r.flags & ?) = 0", {kFlagWithdrawn});
    case StateFilter::kWithdrawn:
      return has(kFlagWithdrawn);
    case StateFilter::kCorrected:
      return has(kFlagCorrected);
    case StateFilter::kDisputed:
      return has(kFlagDisputed);
    case StateFilter::kCorroborated:
      return has(kFlagCorroborated);
    case StateFilter::kConflict:
      return has(kFlagConflict);
  }
}

// The row of a report, of a correction and of a withdrawal is the arrival of its entry; what came again with its body
// has another, `at`. What was opened late had no place in an export before: `seen` says since when it has, and an
// export that began there may have been before or after it.
void add_changes(const ReportQuery& query, const Names& names, Builder& build) {
  if (!query.changed_since) return;
  const auto since = static_cast<std::int64_t>(
      std::min<std::uint64_t>(query.changed_since->value, std::numeric_limits<std::int64_t>::max()));
  const auto late = [](const std::string& row) {
    return "EXISTS (SELECT 1 FROM late l WHERE l.seen >= ? AND " + row + " BETWEEN l.first AND l.last)";
  };
  std::string condition = "(ifnull(r.at, r.row) > ? OR " + late("r.row") +
                          " OR r.row IN (SELECT t.row FROM standing t WHERE t.changed > ? OR " + late("t.changed") +
                          ")";
  std::vector<std::int64_t> values{since, since, since, since};
  if (query.channel) {
    condition += " OR r.row IN (SELECT c.row FROM copy c WHERE c.arrival > ? AND c.channel = ?)";
    values.push_back(since);
    values.push_back(names.find(NameKind::kChannel, *query.channel));
  }
  build.add(condition + ")", values);
}

}  // namespace

Result<Filter> make_filter(const ReportQuery& query, const Names& names) {
  TOCSIN_TRY(check_count("kind", query.kinds.size()));
  TOCSIN_TRY(check_count("status", query.statuses.size()));
  TOCSIN_TRY(check_count("country", query.countries.size()));
  TOCSIN_TRY(check_count("tlp", query.tlps.size()));
  Filter out;
  Builder build(out);
  add_kinds(query, build);
  if (!query.statuses.empty()) build.any_of("r.status", numbers(query.statuses));
  add_severity(query, build);
  TOCSIN_TRY(add_countries(query, build));
  TOCSIN_TRY(add_times(query, build));
  if (query.author) build.add("r.author = ?", {names.find(NameKind::kOrg, *query.author)});
  if (!query.tlps.empty()) build.any_of("r.tlp", numbers(query.tlps));
  add_channel(query, names, build);
  add_state(query, build);
  add_changes(query, names, build);
  TOCSIN_TRY(add_near(query, build));
  if (out.where.empty()) out.where = "1";
  return out;
}

int bind_all(Statement& statement, int first, const Filter& filter) {
  for (const std::int64_t value : filter.values) statement.bind(first++, value);
  return first;
}

}  // namespace tocsin::index
