#include "node/cli/long_call.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "crypto/random.h"

namespace tocsin::cli {
namespace {

constexpr auto kAskEvery = std::chrono::milliseconds(200);

void show_progress(const std::string& home, const std::string& key, std::string_view what,
                   const std::atomic<bool>& ended) {
  Progress progress(what, true);
  while (!ended) {
    std::this_thread::sleep_for(kAskEvery);
    if (ended) break;
    auto answer = http_call(home, {.method = "GET", .path = "/api/v1/operations/" + key});
    if (!answer || answer->status != 200) continue;
    const auto json = Json::parse(answer->body, nullptr, false);
    if (json.is_object()) progress.update(json.value("done", std::uint64_t{0}), json.value("total", std::uint64_t{0}));
  }
}

}  // namespace

std::optional<Context::Answer> long_call(Context& context, HttpRequest request, std::string_view what) {
  crypto::SystemRandom random;
  std::array<std::uint8_t, 16> key;
  random.fill(key);
  request.idempotency_key = to_hex(key);
  std::atomic<bool> ended = false;
  std::thread watcher;
  if (context.mode() == OutputMode::kTable && is_terminal(STDERR_FILENO))
    watcher = std::thread([&] { show_progress(context.home(), request.idempotency_key, what, ended); });
  auto answer = context.call(request);
  ended = true;
  if (watcher.joinable()) watcher.join();
  return answer;
}

}  // namespace tocsin::cli
