#include "crypto/text_code.h"

#include <cassert>

#include "crypto/codes.h"
#include "crypto/hash.h"

namespace tocsin::crypto {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::size_t kChecksumSize = 4;

Hash checksum(std::string_view prefix, ByteView bytes) { return hash256(kPersonalTextSum, {as_bytes(prefix), bytes}); }

std::string base32(ByteView bytes) {
  std::string out;
  std::uint32_t held = 0;
  int bits = 0;
  for (const std::uint8_t b : bytes) {
    held = held << 8 | b;
    bits += 8;
    for (; bits >= 5; bits -= 5) out.push_back(kAlphabet[held >> (bits - 5) & 31]);
  }
  if (bits > 0) out.push_back(kAlphabet[held << (5 - bits) & 31]);
  return out;
}

Result<Bytes> from_base32(std::string_view text) {
  Bytes out;
  out.reserve(text.size() * 5 / 8);
  std::uint32_t held = 0;
  int bits = 0;
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return peer_error(kBadCharacter, "letters a to z and digits 2 to 7 only");
    held = held << 5 | static_cast<std::uint32_t>(value);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<std::uint8_t>(held >> bits));
    }
  }
  // No bytes encode to such a length or such left-over bits.
  if (bits >= 5 || (held & ((1u << bits) - 1)) != 0) return peer_error(kBadChecksum, "the text is cut");
  return out;
}

// Lower case, without blanks. The input is bounded before anything is allocated.
Result<std::string> normalise(std::string_view text) {
  if (text.size() > kTextCodeInputMax) return peer_error(kTooLong, "the text is longer than any of ours");
  std::string out;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
  }
  if (out.size() > kTextCodeMax) return peer_error(kTooLong, "the text is longer than any of ours");
  return out;
}

}  // namespace

std::string encode_text(std::string_view prefix, ByteView bytes) {
  assert(bytes.size() <= kTextCodeBytesMax);
  Bytes whole = to_bytes(bytes);
  append(whole, checksum(prefix, bytes).view().first(kChecksumSize));
  return std::string(prefix) + base32(whole);
}

Result<Bytes> decode_text(std::string_view prefix, std::string_view text) {
  TOCSIN_ASSIGN(plain, normalise(text));
  if (!plain.starts_with(prefix)) return peer_error(kBadPrefix, "the text does not begin with " + std::string(prefix));
  TOCSIN_ASSIGN(bytes, from_base32(std::string_view(plain).substr(prefix.size())));
  if (bytes.size() < kChecksumSize) return peer_error(kBadChecksum, "the text is cut");
  const std::size_t size = bytes.size() - kChecksumSize;
  const Hash sum = checksum(prefix, ByteView(bytes).first(size));
  if (!std::equal(bytes.begin() + static_cast<std::ptrdiff_t>(size), bytes.end(), sum.bytes().begin())) {
    return peer_error(kBadChecksum, "a letter is wrong, or the text is cut");
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace tocsin::crypto
