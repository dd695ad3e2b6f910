// TCP connections of a node: listening, dialling, handshakes, frames (docs/protocol.md, section 9; rules 42 to 46).
// Coroutines on one loop; what frames mean is the LinkUser's affair. A slow or stuck peer holds up its own link alone;
// a link holds two fixed buffers.
//
// Before a peer is authenticated it gets an exact-size read of at most 8,192 bytes, a deadline, and a place under two
// caps; whatever goes wrong then, the connection is reset without a byte (rules 44, 45).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "crypto/random.h"
#include "node/log/log.h"
#include "node/transport/config.h"
#include "node/transport/link_user.h"
#include "protocol/node_secrets.h"

namespace boost::asio {
class io_context;
}

namespace tocsin::transport {

class Transport {
 public:
  // References outlive the transport; it must be destroyed before the loop. The loop's thread alone calls everything.
  Transport(boost::asio::io_context& loop, const protocol::NodeSecrets& secrets, Config config, LinkUser& user,
            crypto::Random& random, Log& log);
  ~Transport();

  // Listens on "host:port" ("[v6]:port"; numeric host; port 0: the kernel chooses) and answers with the real address.
  // Errors: bad_address (caller), address_in_use, address_not_available, listen_failed (environment).
  Result<std::string> listen(std::string_view address);
  // Begins to dial; the end is user.add_link or user.dial_failed, later, never from inside the call.
  void dial(DialTarget target);
  // poll_frame of this link is worth calling. Never calls the user from inside.
  void wake(LinkId link);
  // Takes nobody new and gives up dials and handshakes; links go on, so that their last frames go out. `idle` is
  // called, later, when no link is left; after kLingerMs those that are left are cut. Once.
  void stop(std::function<void()> idle);

  std::size_t half_open() const;  // accepted, handshake not ended
  std::size_t links() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tocsin::transport
