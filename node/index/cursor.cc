#include "node/index/cursor.h"

#include <bit>

#include "crypto/hash.h"
#include "crypto/purpose.h"

namespace tocsin::index {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kPlainBytes = 1 + 4 + 8;
constexpr std::size_t kSumBytes = 8;

// Every part with its size in front, so that no two queries run together.
class CursorParts {
 public:
  void add(std::int64_t value) {
    std::uint8_t bytes[8];
    store_le64(bytes, static_cast<std::uint64_t>(value));
    append(out_, bytes);
  }
  void add(double value) { add(static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(value))); }
  void add(ByteView bytes) {
    add(static_cast<std::int64_t>(bytes.size()));
    append(out_, bytes);
  }
  template <class Enum>
  void add_all(const std::vector<Enum>& values) {
    add(static_cast<std::int64_t>(values.size()));
    for (const Enum value : values) add(static_cast<std::int64_t>(value));
  }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

crypto::Hash sum(ByteView fingerprint, ByteView plain) {
  return crypto::hash256(crypto::kPersonalIndexCursor, {fingerprint, plain});
}

}  // namespace

Bytes fingerprint(const ReportQuery& query) {
  CursorParts parts;
  parts.add(as_bytes("list"));
  parts.add_all(query.kinds);
  parts.add_all(query.statuses);
  parts.add_all(query.tlps);
  parts.add(static_cast<std::int64_t>(query.countries.size()));
  for (const std::string& country : query.countries) parts.add(as_bytes(country));
  parts.add(query.severity_min ? static_cast<std::int64_t>(*query.severity_min) : -1);
  for (const auto& time : {query.since, query.until}) {
    parts.add(std::int64_t{time.has_value()});
    parts.add(time ? time->ms : 0);
  }
  parts.add(query.channel ? query.channel->view() : ByteView());
  parts.add(query.author ? query.author->view() : ByteView());
  parts.add(query.near ? query.near->km : -1.0);
  parts.add(query.near ? query.near->centre.latitude : 0.0);
  parts.add(query.near ? query.near->centre.longitude : 0.0);
  parts.add(as_bytes(query.text));
  parts.add(static_cast<std::int64_t>(query.state));
  parts.add(query.changed_since ? static_cast<std::int64_t>(query.changed_since->value) : -1);
  parts.add(std::int64_t{query.with_acts});
  parts.add(static_cast<std::int64_t>(query.order));
  return parts.take();
}

Bytes fingerprint(const InboxQuery& query) {
  CursorParts parts;
  parts.add(as_bytes("inbox"));
  parts.add(query.own.view());
  return parts.take();
}

Bytes fingerprint_of_changes(const protocol::NodeId& node) {
  CursorParts parts;
  parts.add(as_bytes("changes"));
  parts.add(node.view());
  return parts.take();
}

std::string make_cursor(ByteView fingerprint, const Position& position) {
  Bytes out(kPlainBytes);
  out[0] = kVersion;
  store_le32(&out[1], position.rank);
  store_le64(&out[5], static_cast<std::uint64_t>(position.row));
  const crypto::Hash hash = sum(fingerprint, out);
  append(out, hash.view().first(kSumBytes));
  return to_hex(out);
}

Result<Position> read_cursor(ByteView fingerprint, std::string_view text) {
  const Error bad = caller_error(kBadCursor, "not a cursor of this query; start again without it");
  if (text.size() != 2 * (kPlainBytes + kSumBytes)) return bad;
  const auto bytes = from_hex(text);
  if (!bytes || (*bytes)[0] != kVersion) return bad;
  const ByteView plain = ByteView(*bytes).first(kPlainBytes), given = ByteView(*bytes).subspan(kPlainBytes);
  const crypto::Hash hash = sum(fingerprint, plain);
  if (!std::equal(given.begin(), given.end(), hash.view().begin())) return bad;
  return Position{load_le32(&plain[1]), static_cast<std::int64_t>(load_le64(&plain[5]))};
}

}  // namespace tocsin::index
