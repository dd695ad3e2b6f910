// The files of protocol/vocab as bytes inside the program; the definitions are made at build time (embed.cmake).
#pragma once

#include <span>
#include <string_view>

namespace tocsin::reports {

struct VocabFile {
  std::string_view name;      // "severity"
  std::string_view contents;  // JSON
};
std::span<const VocabFile> vocab_files();

}  // namespace tocsin::reports
