// sd_notify(3) without its library.
#pragma once

#include <string_view>

namespace tocsin::host {

// One datagram to the service manager's socket, such as "READY=1"; nothing where NOTIFY_SOCKET names none.
void notify_service_manager(std::string_view state);

}  // namespace tocsin::host
