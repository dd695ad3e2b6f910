#include "node/desk/id_prefix.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace tocsin::desk {

bool is_prefix(std::string_view text, ByteView id) {
  if (text.size() < kPrefixDigitsMin || text.size() > id.size() * 2) return false;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return to_hex(id).compare(0, lower.size(), lower) == 0;
}

}  // namespace tocsin::desk
