// The words of a command line: what is understood, and what is said of what is not.
#include "node/cli/parse.h"

#include <gtest/gtest.h>

#include <set>

namespace tocsin::cli {
namespace {

std::string complaint(const std::vector<std::string>& words) {
  const auto parsed = parse(words);
  EXPECT_TRUE(parsed.is_error);
  EXPECT_EQ(parsed.command, nullptr);
  return parsed.text;
}

TEST(Parse, finds_the_command_and_its_words) {
  const auto parsed = parse({"--home", "/h", "alert", "raise", "--title", "T", "--country", "MMR", "--severity",
                             "Extreme", "--urgency", "Immediate", "--tried", "a", "--tried", "b"});
  ASSERT_NE(parsed.command, nullptr) << parsed.text;
  EXPECT_EQ(parsed.command->noun, "alert");
  EXPECT_EQ(parsed.words.at("tried"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parsed.words.at("home"), std::vector<std::string>{"/h"});
}

TEST(Parse, says_where_the_help_for_a_wrong_option_is) {
  EXPECT_EQ(complaint({"report", "readers", "0123456789ab", "--bad"}),
            "not expected here: --bad; see: tocsin report readers --help");
}

TEST(Parse, names_a_command_that_does_not_exist) {
  EXPECT_EQ(complaint({"reprot", "list"}), "no such command: tocsin reprot; see: tocsin --help");
  EXPECT_EQ(complaint({"report"}), "no such command: tocsin report; see: tocsin --help");
}

TEST(Parse, every_command_has_help_and_stands_once_in_the_table) {
  std::set<std::string> seen;
  for (const auto& command : commands()) {
    EXPECT_TRUE(seen.insert(synopsis(command)).second);
    EXPECT_NE(help_command(command).find(command.summary), std::string::npos);
    EXPECT_FALSE(command.summary.empty() || command.summary.ends_with('.')) << synopsis(command);
  }
}

}  // namespace
}  // namespace tocsin::cli
