// What may stand in the short texts of signed messages. Part of the format: a text that breaks this makes the message
// invalid, so every implementation must judge alike (docs/protocol.md, section 1, "Line").
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tocsin::protocol {

// One line for a screen: valid UTF-8 (no overlong form, no surrogate, at most U+10FFFF) of at most `bytes_max` bytes,
// without control characters (U+0000 to U+001F, U+007F to U+009F), line and paragraph separator (U+2028, U+2029), and
// the characters that turn the direction of what stands around them (U+202A to U+202E, U+2066 to U+2069), with which
// one name shows as another.
bool is_line(std::string_view text, std::size_t bytes_max);

// The same over several lines, with tabs: terms, answers.
bool is_readable_text(std::string_view text, std::size_t bytes_max);

// 1 to 64 printable ASCII characters, no blank: it stands in the handshake's prologue.
bool is_network_name(std::string_view text);

// Why `what` ("the card") of the network `theirs` is not taken in `own`, and what to do. Names `theirs` only where it
// is a network's name.
std::string networks_differ(std::string_view what, std::string_view theirs, std::string_view own);

// A name as it has to be typed in a command that is given as advice: quoted for a shell where it needs that.
std::string shell_word(std::string_view text);

// Three letters A to Z, as ISO 3166-1 alpha-3 has them. Whether the code is assigned is not checked: the list changes.
bool is_country_code(std::string_view text);

}  // namespace tocsin::protocol
