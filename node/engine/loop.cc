#include "node/engine/loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace tocsin::engine {

struct Loop::Impl {
  boost::asio::io_context context{1};  // one thread runs it
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{context.get_executor()};
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

void Loop::post(std::function<void()> task) { boost::asio::post(impl_->context, std::move(task)); }
std::function<void(std::function<void()>)> Loop::poster() {
  return [this](std::function<void()> task) { post(std::move(task)); };
}
void Loop::run() {
  impl_->context.run();
  impl_->context.restart();  // so that it can be run again
}
void Loop::quit() { impl_->context.stop(); }
boost::asio::io_context& Loop::context() { return impl_->context; }

}  // namespace tocsin::engine
