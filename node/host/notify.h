// sd_notify(3) and sd_watchdog_enabled(3) without their library.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace tocsin::host {

// One datagram to the service manager's socket, such as "READY=1"; nothing where NOTIFY_SOCKET names none.
void notify_service_manager(std::string_view state);

// How often to say "WATCHDOG=1": half the time after which the service manager takes a silent process for stuck.
// Nothing where it does not watch, or watches another process.
std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace tocsin::host
