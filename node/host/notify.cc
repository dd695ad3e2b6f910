#include "node/host/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>

namespace tocsin::host {
namespace {

// The whole value as a number, 0 where it is none.
std::uint64_t number_of(const char* name) {
  const char* value = std::getenv(name);
  if (!value) return 0;
  const std::string_view text(value);
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() ? out : 0;
}

constexpr std::uint64_t kWatchdogUsecMax = 86'400'000'000;  // a day: beyond it a watchdog is none

}  // namespace

void notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (!path || !*path) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string_view text(path);
  if (text.size() >= sizeof address.sun_path) return;
  std::copy(text.begin(), text.end(), address.sun_path);
  if (text.front() == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size());
  [[maybe_unused]] const auto sent =
      ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  ::close(fd);
}

std::optional<std::chrono::microseconds> watchdog_interval() {
  if (std::getenv("WATCHDOG_PID") && number_of("WATCHDOG_PID") != static_cast<std::uint64_t>(::getpid()))
    return std::nullopt;
  const std::uint64_t usec = number_of("WATCHDOG_USEC");
  if (usec < 2 || usec > kWatchdogUsecMax) return std::nullopt;
  return std::chrono::microseconds(usec / 2);
}

}  // namespace tocsin::host
