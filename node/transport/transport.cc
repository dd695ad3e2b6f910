#include "node/transport/transport.h"

#include <map>
#include <set>
#include <unordered_map>

#include "node/transport/connection.h"
#include "node/transport/net.h"
#include "protocol/card.h"

namespace tocsin::transport {
namespace {

constexpr Code kAcceptFailed{"accept_failed"};
// After a failed accept (no more descriptors, say) trying again at once would spin.
constexpr std::int64_t kAcceptPauseMs = 250;

// Where a connection comes from, for the cap: an IPv4 address, or the /64 of an IPv6 one, as a single user has all of
// that.
using Source = std::array<std::uint8_t, 8>;

Source source_of(const asio::ip::address& address) {
  Source out{};
  asio::ip::address_v4::bytes_type v4{};
  if (address.is_v4()) {
    v4 = address.to_v4().to_bytes();
  } else if (const auto v6 = address.to_v6(); v6.is_v4_mapped()) {
    v4 = asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_bytes();
  } else {
    const auto bytes = v6.to_bytes();
    std::copy_n(bytes.begin(), out.size(), out.begin());
    return out;
  }
  std::copy(v4.begin(), v4.end(), out.begin());  // ::/64 of its own: no IPv6 source has it
  return out;
}

Error listen_error(error_code error, std::string_view address) {
  const std::string at = std::string(address) + ": ";
  if (error == asio::error::address_in_use)
    return environment_error(kAddressInUse, at + "another program listens there");
  if (error == boost::system::errc::address_not_available) {
    return environment_error(kAddressNotAvailable, at + "not an address of this machine");
  }
  return environment_error(kListenFailed, at + error.message());
}

// "host:port" with a numeric host and any port, 0 included (which parse_address, made for dialling, refuses).
Result<tcp::endpoint> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const Error bad =
      caller_error(Code("bad_address"), "write ADDRESS:PORT, the address in numbers, as in 0.0.0.0:7311 or [::]:7311");
  if (colon == std::string_view::npos) return bad;
  std::string host(text.substr(0, colon));
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  std::uint32_t port = 0;
  const std::string_view digits = text.substr(colon + 1);
  if (digits.empty() || digits.size() > 5) return bad;
  for (const char c : digits) {
    if (c < '0' || c > '9') return bad;
    port = port * 10 + static_cast<std::uint32_t>(c - '0');
  }
  error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (error || port > 65535 || bracketed != address.is_v6()) return bad;
  return tcp::endpoint(address, static_cast<std::uint16_t>(port));
}

// How far a dial got: of several failures the one that got furthest tells most.
int progress_of(const Error& error) {
  if (error.code == kHandshakeClosed || error.code == kHandshakeTimeout) return 2;
  if (error.code == kHostNotFound || error.code == kNetworkUnreachable) return 0;
  return 1;
}

}  // namespace

struct Transport::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::io_context& io, const protocol::NodeSecrets& the_secrets, Config the_config, LinkUser& the_user,
       crypto::Random& the_random, Log& the_log)
      : loop(io),
        secrets(the_secrets),
        config(std::move(the_config)),
        user(&the_user),
        random(the_random),
        log(the_log),
        stop_timer(io) {}

  // A socket that has no link yet; stop() resets it. An accepted one also has a place under the caps.
  class Pending {
   public:
    Pending(std::shared_ptr<Impl> impl, tcp::socket& socket, std::optional<Source> source)
        : impl_(std::move(impl)), socket_(socket), source_(source) {
      impl_->pending.insert(&socket_);
      if (source_) ++impl_->half_open[*source_], ++impl_->half_open_count;
    }
    ~Pending() {
      impl_->pending.erase(&socket_);
      if (!source_) return;
      --impl_->half_open_count;
      if (--impl_->half_open[*source_] == 0) impl_->half_open.erase(*source_);
    }
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;

   private:
    std::shared_ptr<Impl> impl_;
    tcp::socket& socket_;
    std::optional<Source> source_;
  };

  void spawn(awaitable<void> coroutine) {
    asio::co_spawn(loop, std::move(coroutine), [self = shared_from_this()](std::exception_ptr failure) {
      // Only want of memory throws here; the connection in question is gone, the others go on.
      if (failure) self->log.error(kLinkFailed);
    });
  }

  awaitable<void> accept(std::shared_ptr<tcp::acceptor> acceptor) {
    const auto self = shared_from_this();
    while (acceptor->is_open()) {
      tcp::socket socket(loop);
      tcp::endpoint from;
      auto [error] = co_await acceptor->async_accept(socket, from, kAwait);
      if (stopping) co_return;
      if (error) {
        log.warning(kAcceptFailed, {{"errno", static_cast<std::uint64_t>(error.value())}});
        asio::steady_timer pause(loop, std::chrono::milliseconds(kAcceptPauseMs));
        co_await pause.async_wait(kAwait);
        continue;
      }
      const Source source = source_of(from.address());
      if (const auto refusal = over_cap(source)) {
        user->refused(*refusal);
        reset(socket);
        continue;
      }
      spawn(serve(std::move(socket), from, source));
    }
  }

  std::optional<Error> over_cap(const Source& source) const {
    if (half_open_count >= config.half_open_max) return peer_error(kTooManyHalfOpen);
    const auto at = half_open.find(source);
    if (at != half_open.end() && at->second >= config.half_open_per_source_max) return peer_error(kTooManyFromSource);
    return std::nullopt;
  }

  awaitable<void> serve(tcp::socket socket, tcp::endpoint from, Source source) {
    const auto self = shared_from_this();
    set_options(socket);
    auto pending_place = std::make_unique<Pending>(self, socket, source);
    auto link = co_await shake_as_responder(socket, secrets, config, random);
    pending_place.reset();
    if (!link || stopping) {
      if (!link && !stopping) user->refused(link.error());
      reset(socket);
      co_return;
    }
    adopt(std::move(socket), std::move(*link), to_text(from), std::nullopt);
  }

  awaitable<void> dial(DialTarget target) {
    const auto self = shared_from_this();
    Error last = environment_error(kConnectFailed, "no address");
    int furthest = -1;
    for (const std::string& address : target.addresses) {
      if (stopping) break;
      tcp::socket socket(loop);
      std::optional<Pending> place;
      place.emplace(self, socket, std::nullopt);
      auto link = co_await dial_one(socket, address, target);
      place.reset();
      if (link && !stopping) {
        adopt(std::move(socket), std::move(*link), address, target.node);
        co_return;
      }
      reset(socket);
      if (!link && progress_of(link.error()) > furthest) {
        furthest = progress_of(link.error());
        last = link.error();
      }
    }
    if (user != nullptr) user->dial_failed(target.node, stopping ? environment_error(kStopping) : last);
  }

  awaitable<Result<protocol::Link>> dial_one(tcp::socket& socket, const std::string& address,
                                             const DialTarget& target) {
    const auto connected = co_await connect_to(socket, address, config);
    if (!connected) co_return connected.error();
    co_return co_await shake_as_initiator(socket, target, secrets, config, random);
  }

  // Hands an established link to the user. One that it does not want is closed like a handshake that failed.
  void adopt(tcp::socket socket, protocol::Link link, std::string address, std::optional<protocol::NodeId> dialled) {
    EstablishedLink facts{link.role(),           link.handshake_hash(), link.remote(),
                          link.remote_log_end(), std::move(address),    dialled};
    const auto id = user->add_link(facts);
    if (!id) {
      reset(socket);
      return;
    }
    const auto connection = std::make_shared<Connection>(std::move(socket), std::move(link), config, *user, *id,
                                                         [weak = weak_from_this()](LinkId gone) {
                                                           if (const auto self = weak.lock()) self->forget(gone);
                                                         });
    links.emplace(id->value, connection);
    connection->start();
  }

  void forget(LinkId id) {
    links.erase(id.value);
    if (stopping && links.empty()) idle_now();
  }

  // Everything that is not a link.
  void close_strangers() {
    error_code ignored;
    for (const auto& acceptor : acceptors) acceptor->close(ignored);
    for (tcp::socket* socket : pending) reset(*socket);
  }

  void stop(std::function<void()> when_idle) {
    stopping = true;
    idle = std::move(when_idle);
    close_strangers();
    if (links.empty()) return idle_now();
    stop_timer.expires_after(std::chrono::milliseconds(kLingerMs));
    stop_timer.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (error || !self) return;
      const auto left = self->links;  // cutting takes them out
      for (const auto& [id, connection] : left) connection->cut(environment_error(kStopping));
    });
  }

  void idle_now() {
    stop_timer.cancel();
    if (idle) asio::post(loop, std::exchange(idle, nullptr));
  }

  asio::io_context& loop;
  const protocol::NodeSecrets& secrets;
  const Config config;
  LinkUser* user;  // null once the transport is gone
  crypto::Random& random;
  Log& log;

  std::vector<std::shared_ptr<tcp::acceptor>> acceptors;
  std::unordered_map<std::uint64_t, std::shared_ptr<Connection>> links;
  std::set<tcp::socket*> pending;
  std::map<Source, std::size_t> half_open;  // at most half_open_max of them
  std::size_t half_open_count = 0;

  bool stopping = false;
  asio::steady_timer stop_timer;
  std::function<void()> idle;
};

Transport::Transport(asio::io_context& loop, const protocol::NodeSecrets& secrets, Config config, LinkUser& user,
                     crypto::Random& random, Log& log)
    : impl_(std::make_shared<Impl>(loop, secrets, std::move(config), user, random, log)) {}

Transport::~Transport() {
  impl_->stopping = true;
  impl_->user = nullptr;
  impl_->idle = nullptr;
  impl_->close_strangers();
  for (const auto& [id, connection] : impl_->links) connection->abandon();
}

Result<std::string> Transport::listen(std::string_view address) {
  TOCSIN_ASSIGN(endpoint, parse_listen(address));
  const auto acceptor = std::make_shared<tcp::acceptor>(impl_->loop);
  error_code error;
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(tcp::acceptor::max_listen_connections, error);
  if (error) return listen_error(error, address);
  const tcp::endpoint real = acceptor->local_endpoint(error);
  if (error) return listen_error(error, address);
  impl_->acceptors.push_back(acceptor);
  impl_->spawn(impl_->accept(acceptor));
  return to_text(real);
}

void Transport::dial(DialTarget target) { impl_->spawn(impl_->dial(std::move(target))); }

void Transport::wake(LinkId link) {
  const auto at = impl_->links.find(link.value);
  if (at != impl_->links.end()) at->second->wake();
}

void Transport::stop(std::function<void()> idle) { impl_->stop(std::move(idle)); }
std::size_t Transport::half_open() const { return impl_->half_open_count; }
std::size_t Transport::links() const { return impl_->links.size(); }

}  // namespace tocsin::transport
