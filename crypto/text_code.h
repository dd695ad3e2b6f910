// Bytes as one line of text that survives mail, chat and a QR code: prefix ‖ base32 of (bytes ‖ checksum).
//
//   checksum = first 4 bytes of BLAKE2b-256(personal "tocsin text sum", prefix ‖ bytes)
//   alphabet = RFC 4648 base32 in lower case, no padding; left-over bits are zero
//
// Reading ignores spaces, tabs and line breaks anywhere, and case.
#pragma once

#include <string>
#include <string_view>

#include "crypto/bytes.h"
#include "crypto/result.h"

namespace tocsin::crypto {

inline constexpr std::size_t kTextCodeMax = 96 * 1024;              // characters, prefix included, blanks left out
inline constexpr std::size_t kTextCodeInputMax = 2 * kTextCodeMax;  // characters with blanks
inline constexpr std::size_t kTextCodeBytesMax = 60'000;  // bytes that surely fit with a prefix of up to 180 characters

// `prefix` is lower-case letters and digits ("tocsin1"); `bytes` at most kTextCodeBytesMax (assert).
std::string encode_text(std::string_view prefix, ByteView bytes);
// Errors, origin peer: too_long, bad_prefix, bad_character, bad_checksum (a typing error, or cut text).
Result<Bytes> decode_text(std::string_view prefix, std::string_view text);

}  // namespace tocsin::crypto
