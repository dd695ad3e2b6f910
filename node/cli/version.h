// Version of this program; the wire's version stands in protocol/link.h.
#pragma once

#include <string_view>

namespace tocsin::cli {

inline constexpr std::string_view kVersion = TOCSIN_VERSION;

}  // namespace tocsin::cli
