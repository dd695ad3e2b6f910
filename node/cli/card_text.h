// A card in a file, as people save it.
#pragma once

#include <string>

namespace tocsin::cli {

inline constexpr std::size_t kCardFileBytesMax = 64 * 1024;

// The card in what `card show` gave, however it was saved: its JSON, or the line alone, or what a terminal showed,
// where the line may be broken and the words stand below an empty line.
std::string card_in(const std::string& text);

}  // namespace tocsin::cli
