#include "node/api/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <set>

#include "protocol/card.h"

namespace tocsin::api {

// A connection, whatever it runs over, as the server keeps it.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual void start() = 0;
  virtual void close() = 0;
};

struct Shared {
  Router& router;
  std::set<Connection*> connections;
  bool stopping = false;
};

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Unix = asio::local::stream_protocol;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kHeaderBytesMax = 16 * 1024;
constexpr auto kAcceptPause = std::chrono::milliseconds(250);

template <class Protocol>
class HttpConnection final : public Connection, public std::enable_shared_from_this<HttpConnection<Protocol>> {
 public:
  using Stream = beast::basic_stream<Protocol>;
  HttpConnection(typename Protocol::socket socket, std::shared_ptr<Shared> shared, Caller caller)
      : stream_(std::move(socket)), shared_(std::move(shared)), caller_(caller), buffer_(kHeaderBytesMax + 64 * 1024) {
    shared_->connections.insert(this);
  }
  ~HttpConnection() override { shared_->connections.erase(this); }

  void start() override { read_header(); }
  void close() override {
    closed_ = true;
    error_code ignored;
    stream_.socket().shutdown(Protocol::socket::shutdown_both, ignored);
    stream_.close();
  }

 private:
  class Answer;
  auto self() { return this->shared_from_this(); }

  void read_header() {
    if (shared_->stopping) return close();
    parser_.emplace();
    parser_->header_limit(kHeaderBytesMax);
    parser_->body_limit(kImportBodyBytesMax);  // the route's own limit is checked once the header is here
    stream_.expires_after(std::chrono::seconds(kIdleSeconds));
    http::async_read_header(stream_, buffer_, *parser_, [self = self()](error_code error, std::size_t) {
      if (error) return self->not_read(error);
      self->admit();
    });
  }

  // What cannot be read as HTTP gets an answer like everything else; a caller that is gone, or slow, gets none.
  void not_read(error_code error) {
    if (error == http::error::header_limit)
      return refuse(caller_error(Code{"too_large"}, "the header has more than 16384 bytes"));
    if (error == http::error::body_limit)
      return refuse(caller_error(Code{"too_large"}, "the body is larger than any call takes"));
    const bool is_http = error.category() == make_error_code(http::error::bad_method).category();
    if (!is_http || error == http::error::end_of_stream || error == http::error::partial_message) return close();
    refuse(caller_error(Code{"bad_request"}, "this is no HTTP/1.1 that can be read: " + error.message()));
  }

  void admit() {
    const auto& head = parser_->get();
    const std::string_view method(head.method_string().data(), head.method_string().size());
    const std::string_view target(head.target().data(), head.target().size());
    Caller caller = caller_;
    name_caller(caller, head);
    auto admitted = shared_->router.admit(method, target, caller);
    if (!admitted) return refuse(admitted.error());
    const auto limit = admitted->body_bytes_max;
    const auto length = parser_->content_length();
    if (length && *length > limit)
      return refuse(caller_error(Code{"too_large"}, "the body has more than " + std::to_string(limit) + " bytes"));
    parser_->body_limit(limit);
    actor_ = std::move(admitted->actor);
    summed_ = 0;
    sum_.reset();
    if (!head["Idempotency-Key"].empty()) sum_.emplace();
    if (head[http::field::expect] == "100-continue") {
      auto go_on = std::make_shared<std::string>("HTTP/1.1 100 Continue\r\n\r\n");
      return asio::async_write(stream_, asio::buffer(*go_on), [self = self(), go_on](error_code error, std::size_t) {
        if (error) return self->close();
        self->read_body();
      });
    }
    read_body();
  }

  template <class Head>
  static void name_caller(Caller& caller, const Head& head) {
    const auto field = [&](http::field name) {
      const auto value = head[name];
      return std::string_view(value.data(), value.size());
    };
    caller.authorization = field(http::field::authorization);
    caller.host = field(http::field::host);
    caller.origin = field(http::field::origin);
  }

  // The body is not read: the connection ends with the answer.
  void refuse(const Error& error) {
    keep_alive_ = false;
    send_whole({status_of(error), "application/problem+json", problem_text(error)});
  }

  // In pieces, so that a large body needs to make progress, not to arrive within one deadline.
  void read_body() {
    if (sum_) {
      const std::string_view body = parser_->get().body();
      sum_->add(body.substr(summed_));
      summed_ = body.size();
    }
    if (parser_->is_done()) return dispatch();
    stream_.expires_after(std::chrono::seconds(kReadSeconds));
    http::async_read_some(stream_, buffer_, *parser_, [self = self()](error_code error, std::size_t) {
      if (error == http::error::body_limit)
        return self->refuse(caller_error(Code{"too_large"}, "the body is too large for this call"));
      if (error) return self->close();
      self->read_body();
    });
  }

  void dispatch();

  void send_whole(Response response) {
    auto message = std::make_shared<http::response<http::string_body>>(static_cast<http::status>(response.status), 11);
    message->set(http::field::content_type, response.content_type);
    message->set(http::field::cache_control, "no-store");
    message->keep_alive(keep_alive_);
    message->body() = std::move(response.body);
    message->prepare_payload();
    stream_.expires_after(std::chrono::seconds(kWriteSeconds));
    http::async_write(stream_, *message, [self = self(), message](error_code error, std::size_t) {
      if (error || !self->keep_alive_) return self->finish_close();
      self->read_header();
    });
  }

  // A peer that still sends would otherwise lose the answer to a reset.
  void finish_close() {
    error_code ignored;
    stream_.socket().shutdown(Protocol::socket::shutdown_send, ignored);
    stream_.expires_after(std::chrono::seconds(2));
    drain();
  }
  void drain() {
    auto scrap = std::make_shared<std::array<char, 64 * 1024>>();
    stream_.async_read_some(asio::buffer(*scrap), [self = self(), scrap](error_code error, std::size_t) {
      if (error) return self->close();
      self->drain();
    });
  }

  void send_begin(int status, const std::string& content_type) {
    std::string head = "HTTP/1.1 " + std::to_string(status) + " OK\r\nContent-Type: " + content_type +
                       "\r\nCache-Control: no-store\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    keep_alive_ = false;
    pending_head_ = std::move(head);
  }
  void send_piece(std::string piece, std::function<void(bool)> then) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
    auto out = std::make_shared<std::string>(std::exchange(pending_head_, {}));
    if (!piece.empty()) *out += size + piece + "\r\n";
    if (out->empty()) return asio::post(stream_.get_executor(), [then = std::move(then)] { then(true); });
    stream_.expires_after(std::chrono::seconds(kWriteSeconds));
    asio::async_write(stream_, asio::buffer(*out),
                      [self = self(), out, then = std::move(then)](error_code error, std::size_t) {
                        if (error) {
                          self->close();
                        } else {
                          self->stream_.expires_never();  // an event stream may be quiet for long
                        }
                        then(!error && !self->closed_);
                      });
  }
  void send_end() {
    auto out = std::make_shared<std::string>(std::exchange(pending_head_, {}) + "0\r\n\r\n");
    stream_.expires_after(std::chrono::seconds(kWriteSeconds));
    asio::async_write(stream_, asio::buffer(*out),
                      [self = self(), out](error_code, std::size_t) { self->finish_close(); });
  }

  Stream stream_;
  std::shared_ptr<Shared> shared_;
  Caller caller_;
  desk::Actor actor_;  // of the call that is being read
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<BodySum> sum_;  // of a call that may come again
  std::size_t summed_ = 0;      // bytes of the body
  bool keep_alive_ = false;
  bool closed_ = false;
  std::string pending_head_;
};

// What a handler gets. When it is dropped without an answer the connection is closed, so that nobody waits for ever.
template <class Protocol>
class HttpConnection<Protocol>::Answer final : public Responder {
 public:
  explicit Answer(std::shared_ptr<HttpConnection> connection) : connection_(std::move(connection)) {}
  ~Answer() override {
    if (!answered_) connection_->close();
  }
  void send(Response response) override {
    if (std::exchange(answered_, true) || connection_->closed_) return;
    if (begun_) return connection_->close();  // in the middle of an answer there is no place for another
    connection_->send_whole(std::move(response));
  }
  void begin(int status, std::string content_type) override {
    begun_ = true;
    connection_->send_begin(status, content_type);
  }
  void write(std::string piece, std::function<void(bool)> then) override {
    if (connection_->closed_) return then(false);
    connection_->send_piece(std::move(piece), std::move(then));
  }
  void end() override {
    if (std::exchange(answered_, true) || connection_->closed_) return;
    connection_->send_end();
  }

 private:
  std::shared_ptr<HttpConnection> connection_;
  bool begun_ = false;
  bool answered_ = false;
};

template <class Protocol>
void HttpConnection<Protocol>::dispatch() {
  stream_.expires_never();
  auto message = parser_->release();
  keep_alive_ = message.keep_alive();
  Request request;
  request.body = std::make_shared<const std::string>(std::move(message.body()));
  if (sum_) request.body_sum = sum_->text();
  request.idempotency_key = std::string(message["Idempotency-Key"]);
  request.last_event_id = std::string(message["Last-Event-ID"]);
  request.actor = std::exchange(actor_, {});
  const std::string method(message.method_string()), target(message.target());
  // A body may take long: who has lost its rights meanwhile, or met a lock, has lost this call too.
  Caller caller = caller_;
  name_caller(caller, message);
  if (auto again = shared_->router.admit(method, target, caller); !again) return refuse(again.error());
  shared_->router.handle(method, target, std::move(request), std::make_shared<Answer>(self()));
}

bool owner_of(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 && credentials.uid == ::geteuid();
}

template <class Protocol>
void accept_loop(std::shared_ptr<typename Protocol::acceptor> acceptor, std::shared_ptr<Shared> shared) {
  acceptor->async_accept([acceptor, shared](error_code error, typename Protocol::socket socket) {
    if (error == asio::error::operation_aborted || shared->stopping) return;
    // Out of descriptors, most likely: the caller would wait in the queue and be found there again at once.
    if (error) {
      auto pause = std::make_shared<asio::steady_timer>(acceptor->get_executor(), kAcceptPause);
      return pause->async_wait([acceptor, shared, pause](error_code stopped) {
        if (!stopped && !shared->stopping) accept_loop<Protocol>(acceptor, shared);
      });
    }
    if (shared->connections.size() < kClientsMax) {
      Caller caller;
      if constexpr (std::is_same_v<Protocol, Tcp>)
        caller.tcp = true;
      else
        caller.owner = owner_of(socket.native_handle());
      std::make_shared<HttpConnection<Protocol>>(std::move(socket), shared, caller)->start();
    }
    accept_loop<Protocol>(acceptor, shared);
  });
}

// True when somebody answers on the socket.
bool alive(const std::string& path) {
  asio::io_context scratch;
  Unix::socket probe(scratch);
  error_code error;
  probe.connect(Unix::endpoint(path), error);
  return !error;
}

}  // namespace

struct Server::Impl {
  asio::io_context& loop;
  std::shared_ptr<Shared> shared;
  std::shared_ptr<Unix::acceptor> unix_acceptor;
  std::shared_ptr<Tcp::acceptor> tcp_acceptor;
  std::string socket_path;
};

Server::Server(asio::io_context& loop, Router& router)
    : impl_(std::make_shared<Impl>(Impl{loop, std::make_shared<Shared>(Shared{router, {}, false})})) {}
Server::~Server() { stop(); }

Result<void> Server::listen_unix(const std::string& path) {
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return environment_error(Code{"path_too_long"},
                             "a unix socket's path has at most 107 bytes; choose a shorter home: " + path);
  if (alive(path)) return environment_error(Code{"address_in_use"}, "another process answers at " + path);
  ::unlink(path.c_str());
  auto acceptor = std::make_shared<Unix::acceptor>(impl_->loop);
  error_code error;
  acceptor->open(Unix(), error);
  // Nobody else between bind and chmod: the umask decides the mode of the new file.
  const auto mask = ::umask(0177);
  if (!error) acceptor->bind(Unix::endpoint(path), error);
  ::umask(mask);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) return environment_error(Code{"listen_failed"}, path + ": " + error.message());
  impl_->unix_acceptor = acceptor;
  impl_->socket_path = path;
  accept_loop<Unix>(acceptor, impl_->shared);
  return kOk;
}

Result<std::string> Server::listen_tcp(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return caller_error(Code{"bad_address"}, "an address looks like 127.0.0.1:8080");
  auto host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  error_code error;
  const auto ip = asio::ip::make_address(host, error);
  char* end = nullptr;
  const auto port = std::strtoul(address.c_str() + colon + 1, &end, 10);
  if (error || *end || port > 65535) return caller_error(Code{"bad_address"}, "an address looks like 127.0.0.1:8080");
  if (!ip.is_loopback())
    return caller_error(Code{"not_loopback"},
                        "the API listens on loopback addresses only; put a TLS proxy in front for others");
  auto acceptor = std::make_shared<Tcp::acceptor>(impl_->loop);
  const Tcp::endpoint endpoint(ip, static_cast<std::uint16_t>(port));
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error == asio::error::address_in_use)
    return environment_error(Code{"address_in_use"}, "something listens on " + address + " already");
  if (error) return environment_error(Code{"listen_failed"}, address + ": " + error.message());
  impl_->tcp_acceptor = acceptor;
  accept_loop<Tcp>(acceptor, impl_->shared);
  const auto real = acceptor->local_endpoint();
  return (ip.is_v6() ? "[" + ip.to_string() + "]" : ip.to_string()) + ":" + std::to_string(real.port());
}

void Server::stop() {
  if (!impl_ || impl_->shared->stopping) return;
  impl_->shared->stopping = true;
  error_code ignored;
  if (impl_->unix_acceptor) impl_->unix_acceptor->close(ignored);
  if (impl_->tcp_acceptor) impl_->tcp_acceptor->close(ignored);
  if (!impl_->socket_path.empty()) ::unlink(impl_->socket_path.c_str());
  const auto connections = impl_->shared->connections;
  for (auto* connection : connections) connection->close();
}

}  // namespace tocsin::api
