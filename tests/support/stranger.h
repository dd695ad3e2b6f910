// The other end of a session, saying whatever a test tells it to: frames are made by hand, so that a peer can break
// every rule. What it says of slots is computed here from docs/protocol.md, not by the session's own code.
#pragma once

#include <memory>
#include <type_traits>
#include <vector>

#include "crypto/hash.h"
#include "tests/support/pair.h"

namespace tocsin::test {

class Stranger {
 public:
  struct Heard {
    protocol::wire::MessageType type;
    Bytes payload;
  };

  // Talks to `target` as the node of `as`, whose keys the handshake has shown. `role` is the target's.
  Stranger(Pair& net, Party& target, Party& as, protocol::LinkRole role = protocol::LinkRole::kInitiator)
      : net_(net), target_(target), as_(as), role_(role) {
    hash_ = crypto::random_fixed<crypto::HandshakeHash>(as.random());
    protocol::Session::Config config{role, hash_, as.org(), as.node(), {}, true};
    config.refused = [this](const Error& error) { refused.push_back(error); };
    session_ = std::make_unique<protocol::Session>(target.replica(), net.endpoint(target).wants, net.clock,
                                                   target.random(), std::move(config));
    net.endpoint(target).sessions.push_back(session_.get());
  }
  ~Stranger() { std::erase(net_.endpoint(target_).sessions, session_.get()); }

  protocol::Session& session() { return *session_; }

  // One frame of what `put` puts.
  Result<void> say(const std::function<void(protocol::wire::FrameWriter&)>& put) {
    Bytes frame;
    protocol::wire::FrameWriter writer(frame);
    put(writer);
    writer.finish();
    return say_frame(frame);
  }
  Result<void> say_frame(ByteView frame) {
    auto taken = session_->handle_frame(frame);
    pump();
    return taken;
  }
  template <class M>
  requires(!std::is_invocable_v<M, protocol::wire::FrameWriter&>) Result<void> say(const M& message) {
    return say([&](protocol::wire::FrameWriter& out) { protocol::wire::put(out, message); });
  }

  protocol::wire::Hello hello() const {
    protocol::wire::Hello out;
    out.sender = as_.node();
    out.receiver = target_.node();
    out.org_log_head = as_.replica().own_org().head();
    out.prekeys_held = 0xffffffff;
    return out;
  }
  // Eight slots: those of `channels` with their tokens and equality values that fit nothing, and zeros.
  protocol::wire::Slots slots(const std::vector<protocol::ChannelId>& channels, std::uint32_t round = 0) const {
    protocol::wire::Slots out{round, std::vector<protocol::wire::Slot>(8)};
    for (std::size_t i = 0; i < channels.size(); ++i) out.slots[i].token = token(channels[i], own_role(), round);
    return out;
  }
  // Opens as a well-behaved peer does; slot i is channels[i].
  void open(const std::vector<protocol::ChannelId>& channels) {
    must(say([&](protocol::wire::FrameWriter& out) {
      protocol::wire::put(out, hello());
      protocol::wire::put(out, slots(channels));
    }));
  }
  protocol::wire::Token token(const protocol::ChannelId& channel, std::uint8_t role, std::uint32_t round) const {
    std::array<std::uint8_t, 5> place{};
    place[0] = role;
    store_le32(&place[1], round);
    const auto hash = crypto::keyed_hash256(channel.view(), crypto::kPersonalToken, {hash_.view(), ByteView(place)});
    return *protocol::wire::Token::from(hash.view().first(16));
  }
  std::uint8_t own_role() const { return static_cast<std::uint8_t>(1 - static_cast<std::uint8_t>(role_)); }
  std::uint8_t target_role() const { return static_cast<std::uint8_t>(role_); }

  // Everything that the target has to say by now, padding left out.
  std::vector<Heard> hear() {
    pump();
    return std::exchange(heard_, {});
  }
  std::vector<Heard> hear(protocol::wire::MessageType type) {
    std::vector<Heard> out;
    for (Heard& heard : hear()) {
      if (heard.type == type) out.push_back(std::move(heard));
    }
    return out;
  }
  std::optional<protocol::ByeReason> bye() {
    std::optional<protocol::ByeReason> out;
    for (const Heard& heard : hear(protocol::wire::MessageType::kBye)) {
      out = must(protocol::wire::decode_bye(heard.payload));
    }
    return out;
  }

  bool disk_works = true;
  std::vector<Error> refused;

 private:
  void pump() {
    Bytes frame;
    for (bool more = true; more;) {
      more = disk_works && target_.store.persist() + target_.store.deliver() > 0;
      while (session_->poll_frame(frame)) {
        more = true;
        protocol::wire::FrameReader reader(frame);
        for (auto message = reader.next(); message && *message; message = reader.next()) {
          heard_.push_back({(*message)->type, to_bytes((*message)->payload)});
        }
      }
    }
  }

  Pair& net_;
  Party& target_;
  Party& as_;
  protocol::LinkRole role_;
  crypto::HandshakeHash hash_;
  std::unique_ptr<protocol::Session> session_;
  std::vector<Heard> heard_;
};

}  // namespace tocsin::test
