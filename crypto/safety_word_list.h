// Inside crypto/ only: the words of safety_words.h, sorted, no two with the same first four letters.
#pragma once

#include <array>
#include <string_view>

namespace tocsin::crypto::internal {

extern const std::array<std::string_view, 2048> kSafetyWords;

}  // namespace tocsin::crypto::internal
