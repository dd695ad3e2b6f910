// One HTTP call to the node of a home, over HOME/api.sock.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "crypto/result.h"

namespace tocsin::cli {

inline constexpr Code kNotRunning{"not_running"};  // environment: no node listens there
inline constexpr Code kBadAnswer{"bad_answer"};    // environment: the other side does not speak our API

struct HttpRequest {
  std::string_view method;
  std::string path;  // with query
  std::string body;
  std::string content_type = "application/json";
  std::string idempotency_key = {};
};
struct HttpResponse {
  int status = 0;
  std::string content_type;
  std::string body;
};

// `on_piece`, when given, gets the body of a success piece by piece instead of HttpResponse::body; false from it ends
// the call.
Result<HttpResponse> http_call(const std::string& home, HttpRequest request,
                               const std::function<bool(std::string_view)>& on_piece = {});

}  // namespace tocsin::cli
