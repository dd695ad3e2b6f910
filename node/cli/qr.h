// A text as a QR code on a terminal, for machines that no cable and no stick joins.
#pragma once

#include <string>

#include "node/cli/context.h"

namespace tocsin::cli {

// Is --qr asked for where it can be drawn? It is no JSON. Else the problem has been said, and its exit code is set.
bool may_draw_qr(Context& c);
// Draws it; exit code. Too long for one picture, or wider than the terminal: a failure that says what to do instead.
int draw_qr(Context& c, const std::string& text);

}  // namespace tocsin::cli
