// HTTP/1.1 on a unix socket and, where asked for, on a loopback address. Runs on the given loop; slow or idle clients
// hold up nobody.
#pragma once

#include <memory>
#include <string>

#include "node/api/router.h"

namespace boost::asio {
class io_context;
}

namespace tocsin::api {

inline constexpr std::size_t kClientsMax = 128;  // connections at a time, both kinds together
inline constexpr int kIdleSeconds = 60;          // between two calls of one connection
inline constexpr int kReadSeconds = 30;          // without a byte of a call that has begun
inline constexpr int kWriteSeconds = 60;         // without progress of an answer

class Server {
 public:
  // `loop` and `router` outlive the server.
  Server(boost::asio::io_context& loop, Router& router);
  ~Server();
  // Mode 0600; a socket that a dead process left is replaced. Errors (environment): address_in_use (a live one),
  // path_too_long, listen_failed.
  Result<void> listen_unix(const std::string& path);
  // "127.0.0.1:PORT" or "[::1]:PORT"; answers with the real address. Errors: bad_address, not_loopback (caller),
  // address_in_use, listen_failed.
  Result<std::string> listen_tcp(const std::string& address);
  // Takes no more calls; answers under way get `linger_ms`. Removes the socket file.
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tocsin::api
