#include "tests/node/transport/harness.h"

namespace tocsin::transport {
namespace {

class Links : public TransportTest {
 protected:
  // `a` dials `b`, which listens.
  void link(Node& a, Node& b) {
    a.transport->dial(target(b, {b.listen()}));
    ASSERT_TRUE(run_until([&] { return !a.user.links.empty() && !b.user.links.empty(); }));
  }
};

TEST_F(Links, both_ends_know_the_same_facts_after_the_handshake) {
  const auto a = node(), b = node();
  link(*a, *b);
  const EstablishedLink& at_a = a->user.only().facts;
  const EstablishedLink& at_b = b->user.only().facts;
  EXPECT_EQ(at_a.role, protocol::LinkRole::kInitiator);
  EXPECT_EQ(at_b.role, protocol::LinkRole::kResponder);
  EXPECT_EQ(at_a.handshake_hash, at_b.handshake_hash);
  EXPECT_EQ(at_a.remote, b->secrets->transport.public_key());
  EXPECT_EQ(at_b.remote, a->secrets->transport.public_key());
  EXPECT_EQ(b->transport->half_open(), 0u);
  EXPECT_EQ(b->transport->links(), 1u);
}

TEST_F(Links, frames_of_every_size_arrive_whole_and_in_order_in_both_directions) {
  const auto a = node(), b = node();
  std::vector<Bytes> sent;
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{2}, std::size_t{255}, std::size_t{16'384}, protocol::kFrameBytesMax,
        protocol::kFrameBytesMax, protocol::kFrameBytesMax, protocol::kFrameBytesMax, std::size_t{7}}) {
    sent.push_back(pattern(size, static_cast<std::uint8_t>(size)));
  }
  const auto give = [&sent](LinkId, RecordingUser::State& state) { state.to_send.assign(sent.begin(), sent.end()); };
  a->user.on_link = give;
  b->user.on_link = give;
  link(*a, *b);
  ASSERT_TRUE(run_until(
      [&] { return a->user.only().frames.size() == sent.size() && b->user.only().frames.size() == sent.size(); }));
  EXPECT_EQ(a->user.only().frames, sent);
  EXPECT_EQ(b->user.only().frames, sent);
}

TEST_F(Links, what_comes_waits_outside_while_the_disk_is_behind_and_then_arrives_whole) {
  const auto a = node(), b = node();
  constexpr std::uint64_t kFrames = 400;  // far more than the buffers of both ends and of the system hold
  std::uint64_t made = 0;
  a->user.make_frame = [&made](LinkId, Bytes& out) {
    if (made == kFrames) return false;
    out.assign(protocol::kFrameBytesMax, static_cast<std::uint8_t>(made++));
    return true;
  };
  b->user.behind = true;
  link(*a, *b);
  ASSERT_TRUE(run_until([&, seen = std::uint64_t{0}, calm = 0]() mutable {  // until nothing moves any more
    calm = std::exchange(seen, made) == made && made > 0 ? calm + 1 : 0;
    return calm > 40;
  }));
  EXPECT_EQ(b->user.only().frames_received, 0u);
  EXPECT_LT(made, kFrames) << "the sender is held back too";
  b->user.behind = false;
  b->user.only().keep = false;
  ASSERT_TRUE(run_until([&] { return b->user.only().frames_received == kFrames; }));
  EXPECT_EQ(b->user.only().bytes_received, kFrames * protocol::kFrameBytesMax);
  EXPECT_FALSE(b->user.only().closed.has_value());
}

TEST_F(Links, a_link_that_is_cut_while_the_disk_is_behind_ends) {
  const auto a = node(), b = node();
  b->user.behind = true;
  link(*a, *b);
  a->user.only().to_send.push_back(pattern(100, 1));
  a->transport->wake(LinkId{a->user.links.begin()->first});
  run_ready();
  bool idle = false;
  b->transport->stop([&idle] { idle = true; });
  ASSERT_TRUE(run_until([&] { return idle && b->user.only().closed && a->user.only().closed; }));
  EXPECT_EQ(b->user.only().frames_received, 0u);
}

TEST_F(Links, wake_asks_again_for_frames) {
  const auto a = node(), b = node();
  link(*a, *b);
  run_ready();
  const LinkId id{a->user.links.begin()->first};
  a->user.only().to_send.push_back(pattern(100, 1));
  a->transport->wake(id);
  ASSERT_TRUE(run_until([&] { return b->user.only().frames.size() == 1; }));
  a->user.only().to_send.push_back(pattern(200, 2));
  a->transport->wake(id);
  ASSERT_TRUE(run_until([&] { return b->user.only().frames.size() == 2; }));
}

// 65,536 messages bring new keys on both sides (rule 46); both directions at once, far more than the buffers hold.
TEST_F(Links, rule_46_frames_go_on_over_a_change_of_keys) {
  const auto a = node(), b = node();
  constexpr std::uint64_t kFrames = 70'000;
  std::map<Node*, std::uint64_t> made;
  const auto produce = [](std::uint64_t& count) {
    return [&count](LinkId, Bytes& out) {
      if (count == kFrames) return false;
      out.assign(40, 0);
      store_le64(out.data(), count++);
      return true;
    };
  };
  a->user.make_frame = produce(made[a.get()]);
  b->user.make_frame = produce(made[b.get()]);
  const auto check = [](LinkId, RecordingUser::State& state, ByteView frame) -> Result<void> {
    state.keep = false;
    EXPECT_EQ(load_le64(frame.data()), state.frames_received - 1);
    return kOk;
  };
  a->user.on_frame = b->user.on_frame = check;
  link(*a, *b);
  ASSERT_TRUE(run_until(
      [&] { return a->user.only().frames_received == kFrames && b->user.only().frames_received == kFrames; }));
}

TEST_F(Links, big_transfer_keeps_every_byte) {
  const auto a = node(), b = node();
  constexpr std::size_t kFrames = 512;  // 32 MiB
  std::size_t made = 0;
  a->user.make_frame = [&made](LinkId, Bytes& out) {
    if (made == kFrames) return false;
    out = pattern(protocol::kFrameBytesMax, static_cast<std::uint8_t>(made++));
    return true;
  };
  b->user.on_frame = [](LinkId, RecordingUser::State& state, ByteView frame) -> Result<void> {
    state.keep = false;
    const Bytes expected = pattern(frame.size(), static_cast<std::uint8_t>(state.frames_received - 1));
    EXPECT_TRUE(std::equal(frame.begin(), frame.end(), expected.begin()));
    return kOk;
  };
  link(*a, *b);
  ASSERT_TRUE(run_until([&] { return b->user.only().frames_received == kFrames; }));
}

TEST_F(Links, a_hundred_links_share_one_loop) {
  Config open_door = config();
  open_door.half_open_max = open_door.half_open_per_source_max = 200;
  const auto hub = node(open_door);
  const std::string address = hub->listen();
  hub->user.on_link = [](LinkId, RecordingUser::State& state) { state.to_send.push_back(pattern(5000, 3)); };
  std::vector<std::unique_ptr<Node>> others;
  for (int i = 0; i < 100; ++i) {
    others.push_back(node());
    others.back()->user.on_link = [](LinkId, RecordingUser::State& state) {
      state.to_send.push_back(pattern(3000, 4));
    };
    others.back()->transport->dial(target(*hub, {address}));
  }
  ASSERT_TRUE(run_until([&] {
    return std::all_of(others.begin(), others.end(),
                       [](const auto& one) { return !one->user.links.empty() && one->user.only().frames.size() == 1; });
  }));
  ASSERT_TRUE(run_until([&] {
    return std::all_of(hub->user.links.begin(), hub->user.links.end(),
                       [](const auto& one) { return one.second.frames.size() == 1; });
  }));
  EXPECT_EQ(hub->transport->links(), 100u);
  EXPECT_EQ(hub->transport->half_open(), 0u);
}

// A peer that takes nothing: its own link waits and is given up in the end; another link carries on meanwhile.
TEST_F(Links, a_stuck_peer_holds_up_nobody_and_is_given_up) {
  Config impatient = config();
  impatient.write_stall_ms = 1'000;
  const auto hub = node(impatient);
  const auto stuck_secrets = make_secrets(random), good = make_secrets(random);
  const std::string address = hub->listen();
  std::uint64_t stuck_link = 0;
  std::size_t made = 0;
  hub->user.on_link = [&](LinkId id, RecordingUser::State& state) {
    if (state.facts.remote == stuck_secrets->transport.public_key()) stuck_link = id.value;
  };
  constexpr std::size_t kFrames = 200;
  hub->user.make_frame = [&](LinkId id, Bytes& out) {
    if (id.value != stuck_link && made == kFrames) return false;
    if (id.value != stuck_link) ++made;
    out.assign(protocol::kFrameBytesMax, 1);  // without end for the stuck one
    return true;
  };

  // A peer that shakes hands properly and then never reads.
  tcp::socket stuck(loop);
  bool linked = false;
  std::optional<protocol::Link> stuck_end;
  const DialTarget to_hub = target(*hub, {address});
  asio::co_spawn(
      loop,
      [&]() -> awaitable<void> {
        const Config plain = config();
        EXPECT_TRUE((co_await connect_to(stuck, address, plain)).ok());
        auto link = co_await shake_as_initiator(stuck, to_hub, *stuck_secrets, plain, random);
        EXPECT_TRUE(link.ok());
        if (link) stuck_end.emplace(std::move(*link));
        linked = true;
      },
      [](std::exception_ptr failure) { EXPECT_FALSE(failure); });
  ASSERT_TRUE(run_until([&] { return linked && stuck_link != 0; }));

  const auto other = node();
  other->user.on_frame = [](LinkId, RecordingUser::State& state, ByteView) -> Result<void> {
    state.keep = false;
    return kOk;
  };
  other->transport->dial(target(*hub, {address}));
  ASSERT_TRUE(run_until([&] { return !other->user.links.empty() && other->user.only().frames_received == kFrames; }));
  ASSERT_TRUE(run_until([&] { return hub->user.links.at(stuck_link).closed.has_value(); }));
  EXPECT_EQ(hub->user.links.at(stuck_link).closed->code.text(), kPeerStuck.text());
  EXPECT_FALSE(other->user.only().closed);
}

TEST_F(Links, the_last_frame_arrives_before_a_finished_session_closes) {
  const auto a = node(), b = node();
  b->user.on_frame = [&](LinkId, RecordingUser::State& state, ByteView frame) -> Result<void> {
    if (frame[0] == 9) state.finished = true;  // it has said good-bye
    return kOk;
  };
  link(*a, *b);
  a->user.only().to_send = {pattern(60'000, 1), pattern(60'000, 2), Bytes{9}};
  a->user.only().finished = true;
  a->transport->wake(LinkId{1});
  ASSERT_TRUE(run_until([&] { return a->user.only().closed && b->user.only().closed; }));
  EXPECT_EQ(b->user.only().frames.size(), 3u);
  EXPECT_EQ(a->user.only().closed->code.text(), kSessionEnded.text());
  EXPECT_EQ(b->user.only().closed->code.text(), kSessionEnded.text());
  EXPECT_EQ(a->transport->links(), 0u);
}

TEST_F(Links, after_an_error_no_more_frames_are_given_and_the_last_word_goes_out) {
  const auto a = node(), b = node();
  b->user.on_frame = [](LinkId, RecordingUser::State& state, ByteView) -> Result<void> {
    if (state.frames_received < 2) return kOk;
    state.to_send.push_back(Bytes{1, 2, 3});
    return peer_error(Code("bad_message"));
  };
  link(*a, *b);
  for (int i = 0; i < 10; ++i) a->user.only().to_send.push_back(pattern(50, 1));
  a->transport->wake(LinkId{1});
  ASSERT_TRUE(run_until([&] { return b->user.only().closed && a->user.only().closed; }));
  EXPECT_EQ(b->user.only().frames_received, 2u);
  EXPECT_EQ(b->user.only().closed->code.text(), "bad_message");
  ASSERT_EQ(a->user.only().frames.size(), 1u);
  EXPECT_EQ(a->user.only().frames[0], (Bytes{1, 2, 3}));
}

TEST_F(Links, changed_bytes_end_the_link_with_a_reason) {
  const auto b = node();
  const auto secrets = make_secrets(random);
  const std::string address = b->listen();
  tcp::socket socket(loop);
  const DialTarget to_b = target(*b, {address});
  asio::co_spawn(
      loop,
      [&]() -> awaitable<void> {
        const Config plain = config();
        EXPECT_TRUE((co_await connect_to(socket, address, plain)).ok());
        auto link = co_await shake_as_initiator(socket, to_b, *secrets, plain, random);
        EXPECT_TRUE(link.ok());
        Bytes frame = pattern(2 + 100 + protocol::kSealOverheadBytes, 1);
        EXPECT_TRUE(link->seal(frame).ok());
        frame[50] ^= 1;
        EXPECT_FALSE(co_await write_all(socket, frame));
      },
      [](std::exception_ptr failure) { EXPECT_FALSE(failure); });
  ASSERT_TRUE(run_until([&] { return !b->user.links.empty() && b->user.only().closed; }));
  EXPECT_EQ(b->user.only().frames_received, 0u);
  EXPECT_EQ(b->user.only().closed->code.text(), "noise_decrypt_failed");
}

TEST_F(Links, a_peer_that_vanishes_leaves_a_reason) {
  const auto a = node();
  auto b = node();
  b->user.on_link = [](LinkId, RecordingUser::State& state) { state.to_send.push_back(pattern(10, 1)); };
  link(*a, *b);
  ASSERT_TRUE(run_until([&] { return a->user.only().frames.size() == 1; }));
  b.reset();
  ASSERT_TRUE(run_until([&] { return a->user.only().closed.has_value(); }));
  EXPECT_EQ(a->user.only().closed->code.text(), kClosedByPeer.text());
}

TEST_F(Links, stop_lets_the_last_frames_out_and_tells_when_nothing_is_left) {
  const auto a = node(), b = node();
  link(*a, *b);
  b->user.on_frame = [](LinkId, RecordingUser::State& state, ByteView) -> Result<void> {
    state.finished = true;
    return kOk;
  };
  a->user.only().to_send.push_back(Bytes{7});
  a->user.only().finished = true;
  bool idle = false;
  a->transport->stop([&idle] { idle = true; });
  a->transport->wake(LinkId{1});
  ASSERT_TRUE(run_until([&] { return idle; }));
  EXPECT_EQ(b->user.only().frames.size(), 1u);
  EXPECT_TRUE(a->user.only().closed.has_value());
}

TEST_F(Links, stop_cuts_a_link_that_never_ends) {
  const auto a = node(), b = node();
  link(*a, *b);
  bool idle = false;
  a->transport->stop([&idle] { idle = true; });
  ASSERT_TRUE(run_until([&] { return idle; }));
  EXPECT_EQ(a->user.only().closed->code.text(), kStopping.text());
}

TEST_F(Links, a_stopped_transport_takes_nobody_and_gives_up_its_dials) {
  const auto a = node(), b = node();
  const std::string address = b->listen();
  bool idle = false;
  b->transport->stop([&idle] { idle = true; });
  a->transport->dial(target(*b, {address}));
  ASSERT_TRUE(run_until([&] { return idle && a->user.failures.size() == 1; }));
  EXPECT_EQ(a->user.failures[0].code.text(), kConnectRefused.text());
  EXPECT_TRUE(b->user.links.empty());
}

}  // namespace
}  // namespace tocsin::transport
