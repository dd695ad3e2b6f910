// From the words of the command line to a command and its parsed words, by the table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "node/cli/table.h"

namespace tocsin::cli {

struct Parsed {
  const Command* command = nullptr;  // null: `text` says why, or is the help or version that was asked for
  std::map<std::string, std::vector<std::string>> words;
  std::string text;
  bool is_error = false;
};
Parsed parse(const std::vector<std::string>& arguments);

// The overview, the verbs of a noun, or one command.
std::string help_overview();
std::string help_noun(std::string_view noun);
std::string help_command(const Command& command);
std::string synopsis(const Command& command);

}  // namespace tocsin::cli
