// One established link over its socket: a reader and a writer, each a coroutine with a fixed buffer.
//
// Invariants:
//   1. user.link_closed is called once, when both coroutines have ended; before it the first reason given is kept.
//   2. The reader waits for bytes alone and the writer for room or wake(); neither waits for the other, so two peers
//   that both send cannot block
//      each other.
//   3. No byte of the socket is used after `closing_` by the reader; it only drains, so that closing does not become a
//   reset which would cost the
//      peer our last frame.
#pragma once

#include "node/transport/net.h"

namespace tocsin::transport {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Gone = std::function<void(LinkId)>;
  // `config` and `user` outlive it. `gone` is called after user.link_closed.
  Connection(tcp::socket socket, protocol::Link link, const Config& config, LinkUser& user, LinkId id, Gone gone);

  void start();
  void wake();
  // Closes at once.
  void cut(const Error& reason);
  // The user is gone: closes at once, and tells nobody.
  void abandon();

 private:
  awaitable<void> read();
  awaitable<void> write();
  void spawn(awaitable<void> coroutine);
  void coroutine_ended();

  // Frames that stand whole in the read buffer, until the user is behind (`held_`). False: the link is closing.
  bool take_frames();
  bool take_frame(MutableByteView message);
  void make_room();
  // Fills the write buffer with what the user has; its size, or nothing after an error.
  Result<std::size_t> fill();
  awaitable<error_code> write_filled(std::size_t size);

  // The session is over: what is left goes out, then the socket is closed.
  void close_softly(const Error& reason);
  void linger();
  void watch_stall();
  Error lost_reason(error_code error) const;

  tcp::socket socket_;
  protocol::Link link_;
  const Config& config_;
  LinkUser* user_;  // null once abandoned
  const LinkId id_;
  Gone gone_;

  std::unique_ptr<std::uint8_t[]> in_;  // untouched memory costs nothing: an idle link uses the first pages alone
  std::unique_ptr<std::uint8_t[]> out_;
  std::size_t begin_ = 0, end_ = 0;  // what `in_` holds
  Bytes frame_;

  asio::steady_timer wake_;
  bool poked_ = false;
  asio::steady_timer pause_;
  bool held_ = false;  // a whole frame waits in `in_` for the user to catch up
  asio::steady_timer stall_;
  bool stall_armed_ = false;
  bool writing_ = false;
  std::size_t batch_ = 1;  // frames taken for one write: more while the peer takes them at once
  std::uint64_t written_ = 0;
  asio::steady_timer linger_;

  int running_ = 0;
  bool heard_ = false;  // a frame has come
  bool closing_ = false;
  std::optional<Error> reason_;
};

}  // namespace tocsin::transport
