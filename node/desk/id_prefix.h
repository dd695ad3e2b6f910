// Ids as people type them.
#pragma once

#include <string_view>

#include "crypto/bytes.h"

namespace tocsin::desk {

inline constexpr std::size_t kPrefixDigitsMin = 8;

// Is `text` the whole id in hexadecimal digits, or its first eight or more? Case does not matter.
bool is_prefix(std::string_view text, ByteView id);

}  // namespace tocsin::desk
