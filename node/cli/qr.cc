#include "node/cli/qr.h"

#include <qrencode.h>
#include <unistd.h>

#include <cctype>
#include <cstdio>
#include <memory>

namespace tocsin::cli {
namespace {

// Two rows of modules in one line of half blocks, dark on light with a quiet zone.
std::string qr_text(const std::string& text) {
  std::string upper = text;
  for (auto& ch : upper) ch = static_cast<char>(std::toupper(static_cast<unsigned char>(ch)));
  std::unique_ptr<QRcode, void (*)(QRcode*)> code(QRcode_encodeString(upper.c_str(), 0, QR_ECLEVEL_L, QR_MODE_8, 0),
                                                  QRcode_free);
  if (!code) return {};
  constexpr int kQuiet = 2;
  const int size = code->width;
  auto dark = [&](int x, int y) { return x >= 0 && y >= 0 && x < size && y < size && (code->data[y * size + x] & 1); };
  std::string out;
  for (int y = -kQuiet; y < size + kQuiet; y += 2) {
    for (int x = -kQuiet; x < size + kQuiet; ++x) {
      const bool top = dark(x, y), bottom = dark(x, y + 1);
      out += top ? (bottom ? " " : "▄") : (bottom ? "▀" : "█");
    }
    out += "\n";
  }
  return out;
}

}  // namespace

bool may_draw_qr(Context& c) {
  if (!c.has("qr") || c.mode() == OutputMode::kTable) return true;
  c.set_exit(c.fail("usage", "--qr draws a picture, which is no JSON", kExitUsage,
                    "leave --qr out: the text itself is what a QR code would hold; or say --output table"));
  return false;
}

int draw_qr(Context& c, const std::string& text) {
  const auto picture = qr_text(text);
  if (picture.empty()) return c.fail("too_long", "This does not fit a QR code; send the line of text instead.");
  // Broken lines are no picture.
  const auto columns = display_width(std::string_view(picture).substr(0, picture.find('\n')));
  if (const auto width = wrap_width(STDOUT_FILENO); width != 0 && width < columns)
    return c.fail(
        "too_narrow",
        "the QR code is " + std::to_string(columns) + " columns wide and this terminal " + std::to_string(width),
        kExitFailure, "make the letters smaller or the window wider; or send the line of text instead");
  std::fputs(picture.c_str(), stdout);
  return kExitOk;
}

}  // namespace tocsin::cli
