#include "node/cli/api_client.h"

#include <sys/un.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "node/cli/passphrase.h"
#include "protocol/names.h"

namespace tocsin::cli {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using Socket = boost::asio::local::stream_protocol::socket;

constexpr std::uint64_t kAnswerBytesMax =
    1024ull * 1024 * 1024;  // an answer held in memory; exports are taken in pieces
constexpr std::size_t kPieceBytes = 64 * 1024;

Error not_running(const std::string& home) {
  return environment_error(kNotRunning, "no node is running for " + home + "; start one with: tocsin run --home " +
                                            protocol::shell_word(home));
}

Result<void> connect(Socket& socket, const std::string& home) {
  const auto path = home + "/api.sock";
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return environment_error(kNotRunning, "the path of the home is too long for a unix socket: " + path);
  boost::system::error_code error;
  socket.connect(boost::asio::local::stream_protocol::endpoint(path), error);
  if (error == boost::asio::error::access_denied)
    return environment_error(Code{"denied"}, "this user may not open " + path);
  if (error) return not_running(home);
  return kOk;
}

Result<HttpResponse> read_answer(Socket& socket, const std::function<bool(std::string_view)>& on_piece) {
  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(on_piece ? boost::none : boost::optional<std::uint64_t>(kAnswerBytesMax));
  boost::system::error_code error;
  http::read_header(socket, buffer, parser, error);
  if (error) return environment_error(kBadAnswer, "the node ended the connection without an answer");
  HttpResponse out;
  out.status = static_cast<int>(parser.get().result_int());
  out.content_type = std::string(parser.get()[http::field::content_type]);
  const bool pieces = on_piece && out.status >= 200 && out.status < 300;
  std::string piece(kPieceBytes, '\0');
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    http::read(socket, buffer, parser, error);
    if (error == http::error::need_buffer) error = {};
    if (error) return environment_error(kBadAnswer, "the node ended the connection in the middle of an answer");
    const std::string_view got(piece.data(), piece.size() - parser.get().body().size);
    if (!pieces) {
      out.body.append(got);
    } else if (!on_piece(got)) {
      return environment_error(Code{"stopped"}, "the answer was not taken to its end");
    }
  }
  return out;
}

}  // namespace

Result<HttpResponse> http_call(const std::string& home, HttpRequest request,
                               const std::function<bool(std::string_view)>& on_piece) {
  TOCSIN_ASSIGN(bearer, token());
  boost::asio::io_context context;
  Socket socket(context);
  TOCSIN_TRY(connect(socket, home));
  http::request<http::string_body> message;
  message.version(11);
  message.method_string({request.method.data(), request.method.size()});
  message.target(request.path);
  message.set(http::field::host, "tocsin");
  message.set(http::field::connection, "close");
  if (!bearer.empty()) message.set(http::field::authorization, "Bearer " + std::string(as_text(bearer.view())));
  if (!request.body.empty()) message.set(http::field::content_type, request.content_type);
  if (!request.idempotency_key.empty()) message.set("Idempotency-Key", request.idempotency_key);
  message.body() = std::move(request.body);
  message.prepare_payload();
  boost::system::error_code error;
  http::write(socket, message, error);
  // An early refusal (too large, say) closes our writing side before we are done: its answer is still there to be read.
  return read_answer(socket, on_piece);
}

}  // namespace tocsin::cli
