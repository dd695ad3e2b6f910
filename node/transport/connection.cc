#include "node/transport/connection.h"

#include <boost/asio/socket_base.hpp>

namespace tocsin::transport {

using std::chrono::milliseconds;

namespace {
constexpr std::size_t kBatchFramesMax = kWriteBufferBytes / kWireFrameBytesMax;
constexpr auto kPromptWrite = milliseconds(50);
constexpr auto kBehindPause = milliseconds(5);  // a disk that is behind is looked at again after this
}  // namespace

Connection::Connection(tcp::socket socket, protocol::Link link, const Config& config, LinkUser& user, LinkId id,
                       Gone gone)
    : socket_(std::move(socket)),
      link_(std::move(link)),
      config_(config),
      user_(&user),
      id_(id),
      gone_(std::move(gone)),
      in_(std::make_unique_for_overwrite<std::uint8_t[]>(kReadBufferBytes)),
      out_(std::make_unique_for_overwrite<std::uint8_t[]>(kWriteBufferBytes)),
      wake_(socket_.get_executor()),
      pause_(socket_.get_executor()),
      stall_(socket_.get_executor()),
      linger_(socket_.get_executor()) {}

void Connection::start() {
  running_ = 2;
  spawn(read());
  spawn(write());
}

void Connection::spawn(awaitable<void> coroutine) {
  asio::co_spawn(socket_.get_executor(), std::move(coroutine), [self = shared_from_this()](std::exception_ptr failure) {
    // Nothing here throws but for want of memory, which must not take the other links along.
    if (failure) self->cut(internal_error(kLinkFailed));
    self->coroutine_ended();
  });
}

void Connection::coroutine_ended() {
  if (--running_ > 0) return;
  stall_.cancel();
  linger_.cancel();
  error_code ignored;
  socket_.close(ignored);
  if (user_ == nullptr) return;
  user_->link_closed(id_, reason_.value_or(peer_error(kSessionEnded)));
  gone_(id_);
}

void Connection::wake() {
  poked_ = true;
  wake_.cancel();
}

void Connection::cut(const Error& reason) {
  if (!reason_) reason_ = reason;
  closing_ = true;
  error_code ignored;
  socket_.close(ignored);
  wake();
}

void Connection::abandon() {
  user_ = nullptr;
  cut(environment_error(kStopping));
}

// ---- reading

awaitable<void> Connection::read() {
  for (;;) {
    if (closing_ || !take_frames()) begin_ = end_ = 0;
    if (held_ && !closing_) {
      pause_.expires_after(kBehindPause);
      co_await pause_.async_wait(kAwait);
      if (!socket_.is_open()) co_return;
      continue;
    }
    make_room();
    auto [error, size] =
        co_await socket_.async_read_some(asio::buffer(in_.get() + end_, kReadBufferBytes - end_), kAwait);
    if (error) {
      cut(lost_reason(error));
      co_return;
    }
    end_ += size;
  }
}

bool Connection::take_frames() {
  bool any = false;
  held_ = false;
  while (end_ - begin_ >= protocol::kLinkSizeBytes) {
    const std::size_t size = load_le16(in_.get() + begin_);
    if (size < protocol::kSealOverheadBytes) {
      close_softly(peer_error(kBadFrameSize));
      return false;
    }
    if (end_ - begin_ < protocol::kLinkSizeBytes + size) break;
    if (user_->is_behind(id_)) {
      held_ = true;
      break;
    }
    const MutableByteView message(in_.get() + begin_ + protocol::kLinkSizeBytes, size);
    begin_ += protocol::kLinkSizeBytes + size;
    any = true;
    if (!take_frame(message)) return false;
  }
  if (any) wake();
  return true;
}

bool Connection::take_frame(MutableByteView message) {
  const auto frame = link_.open(message);
  if (!frame) {
    close_softly(frame.error());
    return false;
  }
  heard_ = true;
  const auto handled = user_->handle_frame(id_, *frame);
  if (!handled) {
    close_softly(handled.error());
    return false;
  }
  return true;
}

void Connection::make_room() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (kReadBufferBytes - begin_ < kWireFrameBytesMax) {
    std::memmove(in_.get(), in_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
}

// ---- writing

awaitable<void> Connection::write() {
  while (socket_.is_open()) {
    poked_ = false;
    const auto size = fill();
    if (!size) {
      cut(size.error());
      co_return;
    }
    if (*size > 0) {
      if (const error_code error = co_await write_filled(*size)) {
        cut(lost_reason(error));
        co_return;
      }
    } else if (closing_ || user_->link_finished(id_)) {
      close_softly(peer_error(kSessionEnded));
      error_code ignored;
      socket_.shutdown(asio::socket_base::shutdown_send, ignored);
      linger();
      co_return;
    } else if (!poked_) {
      wake_.expires_at(asio::steady_timer::time_point::max());
      co_await wake_.async_wait(kAwait);
    }
  }
}

Result<std::size_t> Connection::fill() {
  std::size_t size = 0;
  for (std::size_t i = 0; i < batch_ && user_->poll_frame(id_, frame_); ++i) {
    if (frame_.size() > protocol::kFrameBytesMax) return internal_error(kLinkFailed);
    const MutableByteView place(out_.get() + size,
                                protocol::kLinkSizeBytes + frame_.size() + protocol::kSealOverheadBytes);
    std::memcpy(place.data() + protocol::kLinkSizeBytes, frame_.data(), frame_.size());
    TOCSIN_TRY(link_.seal(place));
    size += place.size();
  }
  return size;
}

awaitable<error_code> Connection::write_filled(std::size_t size) {
  writing_ = true;
  watch_stall();
  const auto start = std::chrono::steady_clock::now();
  error_code error;
  for (std::size_t done = 0; done < size && !error;) {
    auto [failed, some] = co_await socket_.async_write_some(asio::buffer(out_.get() + done, size - done), kAwait);
    error = failed;
    done += some;
    written_ += some;
  }
  writing_ = false;
  // On a slow link what is taken early only stands in line, and an alert raised meanwhile stands behind it.
  batch_ = std::chrono::steady_clock::now() - start < kPromptWrite ? std::min(batch_ * 2, kBatchFramesMax) : 1;
  co_return error;
}

// One timer for many writes: it looks from time to time whether bytes move, and rests when nothing is being written.
void Connection::watch_stall() {
  if (stall_armed_) return;
  stall_armed_ = true;
  stall_.expires_after(milliseconds(config_.write_stall_ms));
  stall_.async_wait([self = shared_from_this(), seen = written_](error_code error) {
    self->stall_armed_ = false;
    if (error || !self->writing_) return;
    if (self->written_ == seen) {
      self->cut(peer_error(kPeerStuck));
    } else {
      self->watch_stall();
    }
  });
}

// ---- ending

void Connection::close_softly(const Error& reason) {
  if (closing_) return;
  reason_ = reason;
  closing_ = true;
  // A session that ended well may take its time to send the rest; a peer that broke a rule gets two seconds to hear
  // why.
  if (!(reason.code == kSessionEnded)) linger();
  wake();
}

void Connection::linger() {
  linger_.expires_after(milliseconds(kLingerMs));
  linger_.async_wait([self = shared_from_this()](error_code error) {
    if (!error) self->cut(peer_error(kSessionEnded));
  });
}

Error Connection::lost_reason(error_code error) const {
  if (!heard_ && link_.role() == protocol::LinkRole::kInitiator && !closing_) {
    return peer_error(kNotAnswered, "closed after the handshake: the peer does not know this node, or blocks it");
  }
  if (error == asio::error::eof) return peer_error(kClosedByPeer);
  return environment_error(kConnectionReset, error.message());
}

}  // namespace tocsin::transport
