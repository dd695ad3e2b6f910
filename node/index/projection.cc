#include "node/index/projection.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "crypto/hash.h"
#include "crypto/purpose.h"
#include "node/index/schema.h"

namespace tocsin::index {

using namespace protocol;

ShortDigest shorten(const ContentDigest& digest) {
  ShortDigest out;
  std::copy_n(digest.bytes().begin(), out.size(), out.begin());
  return out;
}

GridPoint to_grid(const Point& point) {
  return {std::llround(point.latitude * 1e6), std::llround(point.longitude * 1e6)};
}

Point from_grid(const GridPoint& point) {
  return {static_cast<double>(point.latitude) / 1e6, static_cast<double>(point.longitude) / 1e6};
}

std::int64_t pack_country(std::string_view iso3) {
  std::int64_t out = 0;
  if (iso3.size() != 3) return 0;
  for (const char c : iso3) {
    if (c < 'A' || c > 'Z') return 0;
    out = out * 27 + (c - 'A' + 1);
  }
  return out;
}

std::string unpack_country(std::int64_t packed) {
  if (packed <= 0) return {};
  std::string out(3, ' ');
  for (int i = 2; i >= 0; --i) {
    out[static_cast<std::size_t>(i)] = static_cast<char>('A' + packed % 27 - 1);
    packed /= 27;
  }
  return out;
}

std::int64_t id_prefix(ByteView id) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | id[i];
  // SQLite's integers are signed: with the top bit turned over they sort like the bytes.
  return static_cast<std::int64_t>(value ^ (std::uint64_t{1} << 63));
}

std::int64_t origin_key(const exchange::RowKey& key) {
  std::array<std::uint8_t, 8> size;
  store_le64(size.data(), key.publisher.size());
  const auto hash = crypto::hash256(crypto::kPersonalIndexRow, {size, as_bytes(key.publisher), as_bytes(key.row_id)});
  return id_prefix(hash.view());
}

namespace {

ProjectedPlace project(const Place& place) {
  ProjectedPlace out;
  out.country = pack_country(place.iso3);
  if (place.point) out.point = to_grid(*place.point);
  return out;
}

void add_more_places(const Report& report, Projection& out) {
  for (std::size_t i = 1; i < report.places.size(); ++i) out.more_places.push_back(project(report.places[i]));
  if (const auto* moved = std::get_if<DisplacementDetails>(&report.details)) {
    if (moved->origin) out.more_places.push_back(project(*moved->origin));
    if (moved->destination) out.more_places.push_back(project(*moved->destination));
  }
  if (!out.more_places.empty()) out.shape |= kShapePlaces;
}

// What a report does not say about when it was observed is taken from what it does say.
void set_seen(const Report& report, Projection& out) {
  const Time from = report.observed_from.value_or(report.observed_to.value_or(report.created));
  out.seen_from = from.ms;
  out.seen_to = report.observed_to.value_or(from).ms;
  if (report.observed_from) out.shape |= kShapeObservedFrom;
  if (report.observed_to) out.shape |= kShapeObservedTo;
}

template <class Enum>
std::int64_t number(Enum value) {
  return static_cast<std::int64_t>(value);
}

}  // namespace

Projection project(const Report& report) {
  Projection out;
  out.status = number(report.status);
  out.severity = number(report.severity);
  out.tlp = number(report.tlp);
  out.urgency = number(report.urgency);
  out.certainty = number(report.certainty);
  out.likelihood = number(report.likelihood);
  out.confidence = number(report.confidence);
  set_seen(report, out);
  if (!report.places.empty()) {
    const Place& main = report.places.front();
    out.country = pack_country(main.iso3);
    out.place = main.name;
    if (main.point) out.point = to_grid(*main.point);
  }
  add_more_places(report, out);
  out.title = report.title;
  if (const auto digest = exchange::import_digest(report)) out.digest = shorten(*digest);
  return out;
}

}  // namespace tocsin::index
