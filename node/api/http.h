// One call and its answer, without sockets.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/hash.h"
#include "crypto/result.h"
#include "node/desk/users.h"

namespace tocsin::api {

using Json = nlohmann::ordered_json;

inline constexpr std::size_t kBodyBytesMax = 1024 * 1024;
inline constexpr std::size_t kImportBodyBytesMax = 512ull * 1024 * 1024;

// Tells bodies of one key apart; made piece by piece while a body is read, so that a large one does not hold the loop.
class BodySum {
 public:
  void add(std::string_view piece) { hasher_.update(as_bytes(piece)); }
  std::string text() { return to_hex(hasher_.finish().view()); }  // once

 private:
  crypto::Hasher hasher_{crypto::kPersonalTextSum};  // compared, not trusted: the checksum's purpose will do
};

struct Request {
  std::string method;
  std::string path;                          // decoded, without query
  std::map<std::string, std::string> query;  // decoded; a repeated name is refused before
  std::vector<std::string> params;           // of the route: what stood for {…}
  std::shared_ptr<const std::string> body;
  std::string body_sum;  // BodySum of the body where the server made it; else empty
  std::string idempotency_key;
  std::string last_event_id;
  desk::Actor actor;  // who calls, as admitted; nobody by default
  bool dry_run = false;

  std::string get(std::string_view name, std::string_view otherwise = {}) const {
    const auto found = query.find(std::string(name));
    return found == query.end() ? std::string(otherwise) : found->second;
  }
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

// Takes one answer: `send` once, or `begin`, `write` any number of times, `end`. Calls after the connection is gone do
// nothing; `write` then says false to its continuation. Used on the loop's thread.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void send(Response response) = 0;
  virtual void begin(int status, std::string content_type) = 0;
  virtual void write(std::string piece, std::function<void(bool go_on)> then) = 0;
  virtual void end() = 0;

  void json(const Json& value, int status = 200) {
    send({status, "application/json", value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"});
  }
  // application/problem+json from an error; `more` is merged in.
  void problem(const Error& error, const Json& more = Json::object());
};
using ResponderPtr = std::shared_ptr<Responder>;

// HTTP status of an error.
int status_of(const Error& error);
std::string problem_text(const Error& error, const Json& more = Json::object());

// The body as one JSON object; an empty body is {}. Error (caller): bad_json.
Result<Json> body_object(const Request& request);
// A text field; Errors (caller): missing_field, wrong_type.
Result<std::string> text_field(const Json& object, std::string_view name);
std::string text_or(const Json& object, std::string_view name, std::string_view otherwise = {});
// Nothing but these fields may be there. Error (caller): unknown_field.
Result<void> only_fields(const Json& object, std::initializer_list<std::string_view> names);

}  // namespace tocsin::api
