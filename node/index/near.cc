#include "node/index/near.h"

#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "node/index/database.h"

namespace tocsin::index {
namespace {

constexpr double kEarthRadiusKm = 6371.0088;  // IUGG mean radius
constexpr double kRadians = std::numbers::pi / 180;

void sql_metres(sqlite3_context* context, int, sqlite3_value** values) {
  const auto point = [&](int at) {
    return from_grid({sqlite3_value_int64(values[at]), sqlite3_value_int64(values[at + 1])});
  };
  sqlite3_result_double(context, kilometres(point(0), point(2)) * 1000);
}

}  // namespace

double kilometres(const protocol::Point& a, const protocol::Point& b) {
  const double lat_a = a.latitude * kRadians, lat_b = b.latitude * kRadians;
  const double half_lat = std::sin((lat_b - lat_a) / 2),
               half_lon = std::sin((b.longitude - a.longitude) * kRadians / 2);
  const double h = half_lat * half_lat + std::cos(lat_a) * std::cos(lat_b) * half_lon * half_lon;
  return 2 * kEarthRadiusKm * std::asin(std::min(1.0, std::sqrt(h)));
}

Box box_around(const Near& near) {
  constexpr double kMargin = 1e-5;  // of a degree: more than the rounding of points
  const double angle = near.km / kEarthRadiusKm / kRadians + kMargin;
  Box out{-90'000'000, 90'000'000, -180'000'000, 180'000'000};
  const double south = near.centre.latitude - angle, north = near.centre.latitude + angle;
  if (south > -90) out.south = std::llround(south * 1e6);
  if (north < 90) out.north = std::llround(north * 1e6);
  if (south <= -90 || north >= 90) return out;  // a pole is inside: every longitude may be
  // The circle's widest points lie poleward of its centre.
  const double ratio = std::sin(angle * kRadians) / std::cos(near.centre.latitude * kRadians);
  if (ratio >= 1) return out;
  const double width = std::asin(ratio) / kRadians + kMargin;
  double west = near.centre.longitude - width, east = near.centre.longitude + width;
  if (west < -180) west += 360;
  if (east > 180) east -= 360;
  out.west = std::llround(west * 1e6);
  out.east = std::llround(east * 1e6);
  return out;
}

Result<void> register_metres(sqlite3* db) {
  const int code = sqlite3_create_function_v2(db, "tocsin_metres", 4, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
                                              sql_metres, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return sqlite_error(code);
  return kOk;
}

}  // namespace tocsin::index
