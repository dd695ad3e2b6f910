// What somebody sees who is not (yet) authenticated: rules 44 and 45.
#include "tests/node/transport/harness.h"

namespace tocsin::transport {
namespace {

class Strangers : public TransportTest {
 protected:
  static Bytes with_size(std::uint16_t size, std::size_t bytes) {
    Bytes out = pattern(2 + bytes, 0x5a);
    store_le16(out.data(), size);
    return out;
  }
  // A proper first message, made with these settings.
  Bytes first_message(const crypto::TransportPublic& to, std::string_view network) {
    const auto secrets = make_secrets(random);
    auto link = protocol::Link::initiator(*secrets, to, network, nullptr, {}, random);
    EXPECT_TRUE(link.ok());
    return *link->write_handshake();
  }
  void expect_silent_reset(Stranger& stranger, const std::string& cause) {
    ASSERT_TRUE(run_until([&] { return stranger.end().has_value(); })) << cause;
    EXPECT_TRUE(stranger.received().empty()) << cause;
    EXPECT_EQ(*stranger.end(), error_code(asio::error::connection_reset)) << cause;
  }
};

TEST_F(Strangers, rule_44_every_failure_of_the_handshake_looks_the_same) {
  Config patient = config();
  patient.handshake_ms = 300;
  const auto node_ = node(patient);
  const std::string address = node_->listen();
  const crypto::TransportPublic key = node_->secrets->transport.public_key();
  const crypto::TransportPublic other_key = make_secrets(random)->transport.public_key();
  const struct {
    std::string cause;
    Bytes bytes;
  } cases[] = {
      {"garbage of the right size", with_size(48, 48)},
      {"much garbage", with_size(48, 100'000)},
      {"size that is too large", with_size(65'535, 48)},
      {"size that is too large, and as many bytes", with_size(65'535, 65'535)},
      {"size of nothing", with_size(0, 48)},
      {"HTTP", to_bytes(as_bytes("GET / HTTP/1.1\r\nHost: tocsin.example.org\r\nAccept: */*\r\n\r\n"))},
      {"another node's key", first_message(other_key, "test")},
      {"another network", first_message(key, "other")},
      {"changed first message",
       [&] {
         Bytes bytes = first_message(key, "test");
         bytes.back() ^= 1;
         return bytes;
       }()},
      {"low-order ephemeral key",
       [&] {
         Bytes bytes = with_size(48, 48);
         std::fill(bytes.begin() + 2, bytes.begin() + 34, 0);
         return bytes;
       }()},
      {"slow: one byte, then nothing", Bytes{48}},
      {"silent: nothing at all", Bytes{}},
  };
  for (const auto& one : cases) {
    Stranger stranger(loop, address);
    if (!one.bytes.empty()) stranger.send(one.bytes);
    expect_silent_reset(stranger, one.cause);
  }
  EXPECT_EQ(node_->user.refusals.size(), std::size(cases));
  EXPECT_TRUE(node_->user.links.empty());
  EXPECT_EQ(node_->transport->half_open(), 0u);
}

// The third message shows who calls: wrong bytes, and a caller whom nobody knows, are answered alike.
TEST_F(Strangers, rule_44_a_caller_who_is_not_known_sees_what_a_wrong_third_message_sees) {
  const auto node_ = node();
  node_->user.refuse_links = true;
  const std::string address = node_->listen();
  for (const bool forged : {false, true}) {
    const auto secrets = make_secrets(random);
    auto link =
        protocol::Link::initiator(*secrets, node_->secrets->transport.public_key(), "test", nullptr, {}, random);
    ASSERT_TRUE(link.ok());
    Stranger stranger(loop, address);
    stranger.send(*link->write_handshake());
    ASSERT_TRUE(run_until([&] { return stranger.received().size() == 50; }));
    ASSERT_TRUE(link->read_handshake(ByteView(stranger.received()).subspan(2)).ok());
    Bytes third = *link->write_handshake();
    if (forged) third.back() ^= 1;
    stranger.send(third);
    ASSERT_TRUE(run_until([&] { return stranger.end().has_value(); }));
    EXPECT_EQ(stranger.received().size(), 50u) << "nothing after the second message";
    EXPECT_EQ(*stranger.end(), error_code(asio::error::connection_reset));
  }
  EXPECT_TRUE(node_->user.links.empty());
}

TEST_F(Strangers, rule_44_no_banner) {
  const auto node_ = node();
  Stranger stranger(loop, node_->listen());
  run_ready();
  EXPECT_TRUE(stranger.received().empty());
}

TEST_F(Strangers, the_caller_learns_that_nobody_answered) {
  const auto a = node(), b = node();
  b->user.refuse_links = true;
  a->transport->dial(target(*b, {b->listen()}));
  ASSERT_TRUE(run_until([&] { return !a->user.links.empty() && a->user.only().closed; }));
  EXPECT_EQ(a->user.only().closed->code.text(), kNotAnswered.text());
}

TEST_F(Strangers, rule_45_a_deadline_covers_the_whole_handshake_however_slowly_bytes_come) {
  Config short_one = config();
  short_one.handshake_ms = 400;
  const auto node_ = node(short_one);
  Stranger stranger(loop, node_->listen());
  // A byte every 20 ms would need a second for the first message alone: each read makes progress, the deadline stands.
  for (int i = 0; i < 50 && !stranger.end(); ++i) {
    stranger.send(Bytes{static_cast<std::uint8_t>(i == 0 ? 48 : 0)});
    loop.restart();
    loop.run_for(std::chrono::milliseconds(20));
  }
  // (Its own write may meet the reset before its read does, which then sees an end only.)
  ASSERT_TRUE(run_until([&] { return stranger.end().has_value(); }));
  EXPECT_TRUE(stranger.received().empty());
  ASSERT_EQ(node_->user.refusals.size(), 1u);
  EXPECT_EQ(node_->user.refusals[0].code.text(), kHandshakeTimeout.text());
}

TEST_F(Strangers, rule_45_half_open_connections_are_capped_by_source) {
  const auto node_ = node();
  const std::string address = node_->listen();
  std::vector<std::unique_ptr<Stranger>> waiting;
  for (std::size_t i = 0; i < kHalfOpenPerSourceMax; ++i) waiting.push_back(std::make_unique<Stranger>(loop, address));
  ASSERT_TRUE(run_until([&] { return node_->transport->half_open() == kHalfOpenPerSourceMax; }));
  Stranger one_more(loop, address);
  expect_silent_reset(one_more, "one more from the same address");
  ASSERT_EQ(node_->user.refusals.size(), 1u);
  EXPECT_EQ(node_->user.refusals[0].code.text(), kTooManyFromSource.text());
  EXPECT_EQ(node_->transport->half_open(), kHalfOpenPerSourceMax);
  // One goes: there is room for the next.
  waiting.pop_back();
  ASSERT_TRUE(run_until([&] { return node_->transport->half_open() == kHalfOpenPerSourceMax - 1; }));
  Stranger next(loop, address);
  ASSERT_TRUE(run_until([&] { return node_->transport->half_open() == kHalfOpenPerSourceMax; }));
  EXPECT_FALSE(next.end().has_value());
}

TEST_F(Strangers, rule_45_half_open_connections_are_capped_in_all) {
  Config wide = config();
  wide.half_open_per_source_max = 1000;
  const auto node_ = node(wide);
  const std::string address = node_->listen();
  std::vector<std::unique_ptr<Stranger>> waiting;
  for (std::size_t i = 0; i < kHalfOpenMax; ++i) waiting.push_back(std::make_unique<Stranger>(loop, address));
  ASSERT_TRUE(run_until([&] { return node_->transport->half_open() == kHalfOpenMax; }));
  Stranger one_more(loop, address);
  expect_silent_reset(one_more, "one more");
  EXPECT_EQ(node_->user.refusals.back().code.text(), kTooManyHalfOpen.text());
}

// Links that stand do not count: the caps are for strangers alone.
TEST_F(Strangers, established_links_leave_room_under_the_caps) {
  const auto hub = node();
  const std::string address = hub->listen();
  std::vector<std::unique_ptr<Node>> others;
  for (std::size_t i = 0; i < 2 * kHalfOpenPerSourceMax; ++i) {
    others.push_back(node());
    others.back()->transport->dial(target(*hub, {address}));
    ASSERT_TRUE(run_until([&] { return hub->user.links.size() == i + 1; }));
  }
  EXPECT_EQ(hub->transport->half_open(), 0u);
  EXPECT_TRUE(hub->user.refusals.empty());
}

TEST_F(Strangers, listening_says_what_is_wrong_with_an_address) {
  const auto node_ = node();
  const auto code = [&](std::string_view address) {
    const auto result = node_->transport->listen(address);
    return result.ok() ? std::string("ok") : std::string(result.error().code.text());
  };
  for (const auto* bad : {"", ":", "localhost", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:80",
                          "[127.0.0.1]:80", "name:80"}) {
    EXPECT_EQ(code(bad), "bad_address") << bad;
  }
  EXPECT_EQ(code("192.0.2.1:0"), "address_not_available");
  const std::string taken = node_->listen();
  EXPECT_EQ(code(taken), "address_in_use");
  EXPECT_EQ(code("[::1]:0"), "ok");
}

}  // namespace
}  // namespace tocsin::transport
