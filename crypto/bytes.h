// Byte strings and strong types for fixed-size ones. Lowest header of the project: includes the standard library only.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableByteView = std::span<std::uint8_t>;

// N public bytes of one purpose. Tags keep a FeedId from being a Hash: two FixedBytes convert into each other only by
// spelling out `Other{x.bytes()}`. Ordered and compared bytewise, not in constant time: never for secrets (see
// secret.h).
template <class Tag, std::size_t N>
class FixedBytes {
 public:
  static constexpr std::size_t kSize = N;
  constexpr FixedBytes() = default;  // all zero, which no valid id is
  constexpr explicit FixedBytes(const std::array<std::uint8_t, N>& bytes) : bytes_(bytes) {}

  // Nothing when `view` is not exactly N bytes.
  static std::optional<FixedBytes> from(ByteView view) {
    if (view.size() != N) return std::nullopt;
    FixedBytes out;
    std::copy(view.begin(), view.end(), out.bytes_.begin());
    return out;
  }

  constexpr const std::array<std::uint8_t, N>& bytes() const { return bytes_; }
  std::uint8_t* data() { return bytes_.data(); }
  const std::uint8_t* data() const { return bytes_.data(); }
  static constexpr std::size_t size() { return N; }
  ByteView view() const { return ByteView(bytes_); }
  MutableByteView mutable_view() { return MutableByteView(bytes_); }
  bool is_zero() const {
    return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t b) { return b == 0; });
  }
  friend constexpr auto operator<=>(const FixedBytes&, const FixedBytes&) = default;

 private:
  std::array<std::uint8_t, N> bytes_{};
};

// Hash functor for unordered containers. Ids are hashes or public keys, so their first bytes are already spread; a peer
// could grind them, so containers keyed by peers' ids are bounded (see limits.h of the layer that owns them).
struct FixedBytesHash {
  template <class Tag, std::size_t N>
  std::size_t operator()(const FixedBytes<Tag, N>& v) const {
    static_assert(N >= sizeof(std::size_t));
    std::size_t out;
    std::memcpy(&out, v.data(), sizeof out);
    return out;
  }
};

// Lower-case hexadecimal.
std::string to_hex(ByteView bytes);
// Nothing on an odd length or a character that is not [0-9a-fA-F].
std::optional<Bytes> from_hex(std::string_view text);
template <class Fixed>
std::optional<Fixed> fixed_from_hex(std::string_view text) {
  const auto bytes = from_hex(text);
  return bytes ? Fixed::from(*bytes) : std::nullopt;
}

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline Bytes to_bytes(ByteView view) { return Bytes(view.begin(), view.end()); }
inline void append(Bytes& out, ByteView more) { out.insert(out.end(), more.begin(), more.end()); }

// Little-endian integers at a place in a buffer: the byte order of every format of the project.
inline void store_le16(std::uint8_t* to, std::uint16_t v) {
  for (int i = 0; i < 2; ++i) to[i] = static_cast<std::uint8_t>(v >> (8 * i));
}
inline void store_le32(std::uint8_t* to, std::uint32_t v) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<std::uint8_t>(v >> (8 * i));
}
inline void store_le64(std::uint8_t* to, std::uint64_t v) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<std::uint8_t>(v >> (8 * i));
}
inline std::uint16_t load_le16(const std::uint8_t* from) {
  return static_cast<std::uint16_t>(from[0] | (from[1] << 8));
}
inline std::uint32_t load_le32(const std::uint8_t* from) {
  std::uint32_t v = 0;
  for (int i = 0; i < 4; ++i) v |= static_cast<std::uint32_t>(from[i]) << (8 * i);
  return v;
}
inline std::uint64_t load_le64(const std::uint8_t* from) {
  std::uint64_t v = 0;
  for (int i = 0; i < 8; ++i) v |= static_cast<std::uint64_t>(from[i]) << (8 * i);
  return v;
}

}  // namespace tocsin
