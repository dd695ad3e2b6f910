#include "protocol/names.h"

#include <gtest/gtest.h>

#include <string>

namespace tocsin::protocol {
namespace {

TEST(Names, a_line_is_any_script_without_control_characters) {
  EXPECT_TRUE(is_line("", 200));
  EXPECT_TRUE(is_line("Médecins du Monde — région Est", 200));
  EXPECT_TRUE(is_line("منظمة الإغاثة", 200));
  EXPECT_TRUE(is_line("می\u200cخواهم", 200)) << "the joiner that Persian needs";
  EXPECT_TRUE(is_line("\U0001F54A", 200));

  for (const std::string bad : {"a\nb", "a\tb", "a\x1b[31m", "a\x7f", "a\u0085z", "a\u009fz", "a\u2028z", "a\u2029z",
                                "a\u202egro", "a\u202az", "a\u2066z", "a\u2069z"}) {
    EXPECT_FALSE(is_line(bad, 200)) << bad;
  }
  EXPECT_FALSE(is_line(std::string("a\0b", 3), 200));
}

TEST(Names, a_line_is_valid_utf8) {
  EXPECT_FALSE(is_line("\xc0\xaf", 200)) << "overlong, two bytes";
  EXPECT_FALSE(is_line("\xe0\x80\xaf", 200)) << "overlong, three bytes";
  EXPECT_FALSE(is_line("\xf0\x80\x80\xaf", 200)) << "overlong, four bytes";
  EXPECT_FALSE(is_line("\xed\xa0\x80", 200)) << "surrogate";
  EXPECT_FALSE(is_line("\xf4\x90\x80\x80", 200)) << "above U+10FFFF";
  EXPECT_FALSE(is_line("\xf8\x88\x80\x80\x80", 200)) << "five bytes";
  EXPECT_FALSE(is_line("\x80", 200)) << "no lead";
  EXPECT_FALSE(is_line("\xe2\x82", 200)) << "cut";
  EXPECT_FALSE(is_line("\xe2\x28\xa1", 200)) << "no continuation";
  EXPECT_TRUE(is_line("\xf4\x8f\xbf\xbf", 200));
  EXPECT_TRUE(is_line("\xed\x9f\xbf\xee\x80\x80", 200)) << "both sides of the surrogates";
}

TEST(Names, a_line_has_a_limit_in_bytes) {
  EXPECT_TRUE(is_line(std::string(200, 'a'), 200));
  EXPECT_FALSE(is_line(std::string(201, 'a'), 200));
}

TEST(Names, networks_and_countries) {
  EXPECT_TRUE(is_network_name("tocsin"));
  EXPECT_TRUE(is_network_name(std::string(64, 'x')));
  EXPECT_FALSE(is_network_name(""));
  EXPECT_FALSE(is_network_name(std::string(65, 'x')));
  EXPECT_FALSE(is_network_name("two words"));
  EXPECT_FALSE(is_network_name("réseau"));

  EXPECT_TRUE(is_country_code("KEN"));
  EXPECT_FALSE(is_country_code("ken"));
  EXPECT_FALSE(is_country_code("KE"));
  EXPECT_FALSE(is_country_code("KENY"));
}

TEST(Names, are_quoted_where_a_shell_would_take_them_apart) {
  for (const std::string_view plain : {"rakhine", "3f09a1c2", "/media/stick/a_b-1.txt", "ngo.example:4870"})
    EXPECT_EQ(shell_word(plain), plain);
  EXPECT_EQ(shell_word(""), "\"\"");
  EXPECT_EQ(shell_word("two rivers"), "\"two rivers\"");
  EXPECT_EQ(shell_word("O'Hara & sons"), "\"O'Hara & sons\"");
  EXPECT_EQ(shell_word("$(rm -r /)"), "'$(rm -r /)'");
  EXPECT_EQ(shell_word("it's `off`!"), "'it'\\''s `off`!'");
}

TEST(Names, both_networks_are_named_where_they_differ) {
  EXPECT_EQ(
      networks_differ("the card", "drill", "tocsin"),
      "the card is of the network drill, and this home of the network tocsin: two networks never meet. Get one of "
      "tocsin, or make a home for drill: tocsin init --network drill");
  EXPECT_EQ(networks_differ("the card", "no name", "tocsin"), "the card is of another network than tocsin");
}

}  // namespace
}  // namespace tocsin::protocol
