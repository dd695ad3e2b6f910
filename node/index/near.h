// Distance on the globe, for the filter `near`.
#pragma once

#include "node/index/projection.h"
#include "node/index/query.h"

struct sqlite3;

namespace tocsin::index {

// Great-circle kilometres on a sphere of the Earth's mean radius (haversine); within 0.6 % of the ellipsoid.
double kilometres(const protocol::Point& a, const protocol::Point& b);

// A box that holds every point within the distance. Across the 180th meridian west is above east: then a longitude is
// inside when it is at least `west` or at most `east`.
struct Box {
  std::int64_t south = 0, north = 0, west = 0, east = 0;  // degrees times 1e6
};
Box box_around(const Near& near);

// Makes tocsin_metres(lat, lon, lat0, lon0), all in degrees times 1e6, known to a database.
Result<void> register_metres(sqlite3* db);

}  // namespace tocsin::index
