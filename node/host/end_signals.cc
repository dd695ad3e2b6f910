#include "node/host/end_signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>

namespace tocsin::host {

struct EndSignals::Impl {
  sigset_t before;
  int signals = -1, stop = -1;
  std::atomic<bool> heard = false;
  std::mutex mutex;
  std::function<void()> listener;  // guarded by the mutex
  std::thread thread;

  void run() {
    pollfd waits[] = {{signals, POLLIN, 0}, {stop, POLLIN, 0}};
    while (::poll(waits, 2, -1) < 0 || waits[1].revents == 0) {
      signalfd_siginfo info;
      if (waits[0].revents == 0 || ::read(signals, &info, sizeof info) != sizeof info) continue;
      heard = true;
      const std::lock_guard lock(mutex);
      if (listener) listener();
    }
  }
};

EndSignals::EndSignals() : impl_(std::make_unique<Impl>()) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ends, &impl_->before);
  impl_->signals = ::signalfd(-1, &ends, SFD_CLOEXEC);
  impl_->stop = ::eventfd(0, EFD_CLOEXEC);
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

EndSignals::~EndSignals() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(impl_->stop, &one, sizeof one);
  impl_->thread.join();
  ::close(impl_->signals);
  ::close(impl_->stop);
  ::pthread_sigmask(SIG_SETMASK, &impl_->before, nullptr);
}

void EndSignals::listen(std::function<void()> listener) {
  const std::lock_guard lock(impl_->mutex);
  impl_->listener = std::move(listener);
  if (impl_->heard && impl_->listener) impl_->listener();
}

bool EndSignals::heard() const { return impl_->heard; }

}  // namespace tocsin::host
