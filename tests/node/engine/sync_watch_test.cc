#include "node/engine/sync_watch.h"

#include <gtest/gtest.h>

namespace tocsin::engine {
namespace {

using protocol::NodeId;
using protocol::SessionStats;
using Phase = SyncWatch::Phase;

class SyncWatches : public ::testing::Test {
 protected:
  static NodeId id(std::uint8_t n) {
    NodeId out;
    out.data()[0] = n;
    return out;
  }
  static SyncWatch::Target connecting(std::uint8_t n) { return {{}, id(n)}; }
  static SyncWatch::Target linked(std::uint8_t n, const SessionStats& stats) {
    SyncWatch::Target out{{}, id(n), Phase::kSyncing};
    out.base = out.last = stats;
    out.links = 1;
    return out;
  }
  static SessionStats stats(std::uint64_t received, std::uint64_t frames_in, std::uint64_t bytes_in) {
    SessionStats out;
    out.entries_received = received;
    out.frames_in = frames_in;
    out.bytes_in = bytes_in;
    out.round_trips = 1;
    return out;
  }
  void begin(std::vector<SyncWatch::Target> targets) {
    watch.begin(
        std::move(targets), [this](Result<SyncReport> result) { report = *result; }, 1000);
  }
  bool finish() {
    if (!watch.any_finished()) return false;
    for (auto& [done, result] : watch.take_finished()) done(std::move(result));
    return true;
  }
  SyncWatch watch;
  std::optional<SyncReport> report;
};

TEST_F(SyncWatches, counts_from_the_call_on) {
  begin({linked(1, stats(100, 10, 5000))});
  watch.observe(id(1), stats(100, 10, 5000), true, 1000);  // settled, but from before: nothing has come since
  EXPECT_FALSE(finish());
  watch.observe(id(1), stats(107, 12, 6000), false, 1500);
  EXPECT_FALSE(finish());
  watch.observe(id(1), stats(108, 13, 6500), true, 2500);
  ASSERT_TRUE(finish());
  EXPECT_EQ(report->received, 8u);
  EXPECT_EQ(report->bytes_in, 1500u);
  EXPECT_DOUBLE_EQ(report->seconds, 1.5);
  EXPECT_FALSE(report->code);
  EXPECT_TRUE(report->peers[0].reached);
  EXPECT_TRUE(watch.empty());
}

TEST_F(SyncWatches, partial_when_some_were_not_reached_and_unreachable_when_none) {
  begin({connecting(1), connecting(2)});
  watch.dial_failed(id(2), environment_error(transport::kConnectRefused), 1200);
  watch.link_up(id(1), 1300);
  watch.observe(id(1), stats(5, 2, 100), true, 1400);
  ASSERT_TRUE(finish());
  EXPECT_EQ(report->code->text(), "partial");
  EXPECT_EQ(report->peers[1].problem->code.text(), "connect_refused");
  begin({connecting(1)});
  watch.dial_failed(id(1), environment_error(transport::kConnectTimeout), 2000);
  ASSERT_TRUE(finish());
  EXPECT_EQ(report->code->text(), "unreachable");
}

TEST_F(SyncWatches, a_lost_link_is_made_again_and_adds_up_but_not_for_ever) {
  begin({linked(1, {})});
  for (int i = 1; i <= SyncWatch::kRelinksMax; ++i) {
    watch.observe(id(1), stats(10, 3, 1000), false, 2000);
    EXPECT_TRUE(watch.link_down(id(1), stats(11, 4, 1100), peer_error(transport::kClosedByPeer), true, 3000)) << i;
    watch.link_up(id(1), 4000);
  }
  watch.observe(id(1), stats(10, 3, 1000), false, 5000);
  EXPECT_FALSE(watch.link_down(id(1), stats(11, 4, 1100), peer_error(transport::kClosedByPeer), true, 6000));
  ASSERT_TRUE(finish());
  EXPECT_EQ(report->received, 44u);
  EXPECT_EQ(report->code->text(), "partial");
}

TEST_F(SyncWatches, a_link_that_never_spoke_is_not_made_again) {
  begin({connecting(1)});
  watch.link_up(id(1), 1500);
  EXPECT_FALSE(watch.link_down(id(1), {}, peer_error(transport::kNotAnswered), true, 1600));
  ASSERT_TRUE(finish());
  EXPECT_EQ(report->code->text(), "unreachable");
}

TEST_F(SyncWatches, thirty_seconds_without_progress_end_it_and_progress_puts_that_off) {
  begin({linked(1, {})});
  EXPECT_EQ(watch.next_deadline(), 1000 + kSyncStallMs);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    const auto at = static_cast<std::int64_t>(1000 + i * 20'000);
    watch.observe(id(1), stats(i, i, i * 100), false, at);
    watch.tick(at);
  }
  EXPECT_FALSE(finish());
  watch.tick(101'000 + kSyncStallMs - 1);
  EXPECT_FALSE(finish());
  watch.tick(101'000 + kSyncStallMs);
  ASSERT_TRUE(finish());
  EXPECT_EQ(report->peers[0].problem->code.text(), "stalled");
  EXPECT_EQ(report->code->text(), "partial");
}

TEST_F(SyncWatches, two_calls_for_one_node_both_get_an_answer) {
  begin({linked(1, {})});
  int second = 0;
  watch.begin(
      {linked(1, stats(1, 1, 10))},
      [&second](Result<SyncReport> result) { second = static_cast<int>(result->received) + 1; }, 1100);
  watch.observe(id(1), stats(4, 5, 50), true, 1200);
  ASSERT_TRUE(finish());
  EXPECT_EQ(report->received, 4u);
  EXPECT_EQ(second, 4);
}

TEST_F(SyncWatches, ending_the_node_answers_everybody) {
  begin({linked(1, {}), connecting(2)});
  watch.end_all(environment_error(transport::kStopping), 1200);
  ASSERT_TRUE(finish());
  EXPECT_EQ(report->code->text(), "unreachable");
}

}  // namespace
}  // namespace tocsin::engine
