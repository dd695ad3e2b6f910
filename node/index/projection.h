// What the index keeps of a report. Pure.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/exchange/format.h"
#include "protocol/report.h"

namespace tocsin::index {

// First 16 bytes of exchange::import_digest: whether a row of an import has changed needs no more.
using ShortDigest = std::array<std::uint8_t, 16>;
ShortDigest shorten(const protocol::ContentDigest& digest);

// Degrees times 1e6, so that four bytes hold them: 0.1 m.
struct GridPoint {
  std::int64_t latitude = 0, longitude = 0;
  friend bool operator==(const GridPoint&, const GridPoint&) = default;
};
GridPoint to_grid(const protocol::Point& point);
protocol::Point from_grid(const GridPoint& point);

// "BGD" as a number of two or three bytes; 0 for none.
std::int64_t pack_country(std::string_view iso3);
std::string unpack_country(std::int64_t packed);

// First eight bytes of an id as a number whose order is that of the bytes.
std::int64_t id_prefix(ByteView id);

// Publisher and row id of an import's row as a number.
std::int64_t origin_key(const exchange::RowKey& key);

struct ProjectedPlace {
  std::int64_t country = 0;
  std::optional<GridPoint> point;
};

// The columns that a correction replaces. Views into the report.
struct Projection {
  std::int64_t status = 0, severity = 0, country = 0, seen_from = 0, seen_to = 0, tlp = 0;
  std::optional<GridPoint> point;
  std::int64_t shape = 0, urgency = 0, certainty = 0, likelihood = 0, confidence = 0;
  ShortDigest digest{};
  std::string_view place, title;
  std::vector<ProjectedPlace> more_places;  // beyond the first; a displacement's origin and destination too
};
Projection project(const protocol::Report& report);

}  // namespace tocsin::index
