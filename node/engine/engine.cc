#include "node/engine/engine.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "node/engine/system_clock.h"
#include "node/transport/transport.h"

namespace tocsin::engine {

struct Engine::Impl {
  Impl(Loop& the_loop, protocol::EntryStore& the_store, const protocol::NodeSecrets& the_secrets,
       protocol::ReadingTable& table, crypto::Random& the_random, Log& the_log, EngineConfig the_config)
      : loop(the_loop),
        store(the_store),
        secrets(the_secrets),
        random(the_random),
        log(the_log),
        config(std::move(the_config)),
        replica(store, clock, random, secrets, table),
        hub(replica, clock, random, log),
        timer(loop.context()) {}

  // Work that the hub announced is done in one task, however often it was announced.
  void attention() {
    if (pump_posted || !running) return;
    pump_posted = true;
    loop.post([weak = std::weak_ptr(alive)] {
      if (const auto self = weak.lock()) (*self)->pump();
    });
  }

  void pump() {
    pump_posted = false;
    if (!running) return;
    if (hub.next_deadline() <= clock.steady_ms()) hub.handle_tick();
    while (auto target = hub.poll_dial()) transport->dial(std::move(*target));
    arm();
  }

  void arm() {
    if (!running) return;
    const std::int64_t wait = std::max<std::int64_t>(1, hub.next_deadline() - clock.steady_ms());
    timer.expires_after(std::chrono::milliseconds(wait));
    timer.async_wait([weak = std::weak_ptr(alive)](boost::system::error_code error) {
      const auto self = weak.lock();
      if (!error && self) (*self)->pump();
    });
  }

  void begin_stop() {
    if (stopping) return;
    stopping = true;
    hub.close_all(protocol::ByeReason::kStopping);
    hub.handle_tick();  // gives the answers that are still owed
    if (!transport) return flush();
    transport->stop([weak = std::weak_ptr(alive)] {
      if (const auto self = weak.lock()) (*self)->flush();
    });
  }

  // Commits are made in order: when this empty one is done, everything before it is durable (or has failed, and was
  // told so).
  void flush() {
    running = false;
    timer.cancel();
    store.commit(protocol::Batch{}, [&quit_loop = loop](const Result<protocol::Arrival>&) { quit_loop.quit(); });
  }

  Loop& loop;
  protocol::EntryStore& store;
  const protocol::NodeSecrets& secrets;
  crypto::Random& random;
  Log& log;
  EngineConfig config;
  SystemClock clock;
  protocol::Replica replica;
  Hub hub;
  std::unique_ptr<transport::Transport> transport;
  boost::asio::steady_timer timer;
  std::vector<std::string> listening;
  bool running = false;
  bool stopping = false;
  bool pump_posted = false;
  // What waits in the loop holds this weakly: the engine may be gone before the loop is.
  std::shared_ptr<Impl*> alive = std::make_shared<Impl*>(this);
};

Engine::Engine(Loop& loop, protocol::EntryStore& store, const protocol::NodeSecrets& secrets,
               protocol::ReadingTable& table, crypto::Random& random, Log& log, EngineConfig config)
    : impl_(std::make_unique<Impl>(loop, store, secrets, table, random, log, std::move(config))) {}

Engine::~Engine() { impl_->running = false; }

Result<void> Engine::start() {
  Impl& engine = *impl_;
  TOCSIN_TRY(engine.replica.load());
  engine.config.transport.network = engine.replica.network();
  engine.transport = std::make_unique<transport::Transport>(
      engine.loop.context(), engine.secrets, engine.config.transport, engine.hub, engine.random, engine.log);
  for (const std::string& address : engine.config.listen) {
    auto real = engine.transport->listen(address);
    if (!real) {
      engine.transport.reset();
      engine.listening.clear();
      return real.error();
    }
    engine.listening.push_back(std::move(*real));
  }
  engine.hub.set_callbacks(
      {[&engine](LinkId link) { engine.transport->wake(link); }, [&engine] { engine.attention(); }});
  engine.hub.set_dialling(engine.config.dial);
  engine.running = true;
  engine.attention();
  return kOk;
}

void Engine::stop() {
  impl_->loop.post([weak = std::weak_ptr(impl_->alive)] {
    if (const auto self = weak.lock()) (*self)->begin_stop();
  });
}

void Engine::post(std::function<void()> task) { impl_->loop.post(std::move(task)); }
protocol::Replica& Engine::replica() { return impl_->replica; }
protocol::Clock& Engine::clock() { return impl_->clock; }
Hub& Engine::hub() { return impl_->hub; }
Log& Engine::log() { return impl_->log; }
const std::vector<std::string>& Engine::listening() const { return impl_->listening; }
std::size_t Engine::half_open() const { return impl_->transport ? impl_->transport->half_open() : 0; }

}  // namespace tocsin::engine
