#include "node/engine/dial_plan.h"

#include <gtest/gtest.h>

#include "node/engine/hub.h"
#include "tests/support/seeded_random.h"

namespace tocsin::engine {
namespace {

using protocol::NodeId;

class VirtualClock final : public protocol::Clock {
 public:
  protocol::Time now() const override { return {1'000'000 + ms}; }
  std::int64_t steady_ms() const override { return ms; }
  std::int64_t ms = 5'000;
};

class DialPlans : public ::testing::Test {
 protected:
  static NodeId id(std::uint8_t n) {
    NodeId out;
    out.data()[0] = n;
    return out;
  }
  static DialPlan::Node node(std::uint8_t n, std::vector<std::string> addresses) {
    crypto::TransportPublic key;
    key.data()[0] = n;
    return {{}, id(n), std::move(addresses), key, true};
  }
  VirtualClock clock;
  test::SeededRandom random{7};
  DialPlan plan{clock, random};
  const Error refused = environment_error(transport::kConnectRefused);
};

TEST_F(DialPlans, everybody_with_an_address_is_due_at_once_and_only_once) {
  DialPlan::Node blocked = node(3, {"c:1"});
  blocked.allowed = false;
  plan.set_nodes({node(1, {"a:1"}), node(2, {}), blocked});
  EXPECT_EQ(plan.next_deadline(), 0);
  const auto target = plan.poll();
  ASSERT_TRUE(target);
  EXPECT_EQ(target->node, id(1));
  EXPECT_FALSE(plan.poll());
  EXPECT_FALSE(plan.next_deadline());
}

TEST_F(DialPlans, rule_18_who_does_not_answer_is_shown_the_other_transport_key_next_time) {
  const Error silent = peer_error(transport::kNotAnswered);
  plan.set_nodes({node(1, {"a:1"})});
  const auto shown = [&](const Error& then) {
    clock.ms = std::max(clock.ms, *plan.next_deadline());
    const auto target = plan.poll();
    plan.ended(id(1), &then);
    return target->own;
  };
  EXPECT_EQ(shown(refused), protocol::OwnKey::kInUse);
  EXPECT_EQ(shown(silent), protocol::OwnKey::kInUse) << "nobody was there: that says nothing of keys";
  EXPECT_EQ(shown(refused), protocol::OwnKey::kOther);
  EXPECT_EQ(shown(silent), protocol::OwnKey::kOther);
  EXPECT_EQ(shown(silent), protocol::OwnKey::kInUse);
}

TEST_F(DialPlans, rule_18_a_node_with_a_new_transport_key_is_due_at_once) {
  plan.set_nodes({node(1, {"a:1"})});
  ASSERT_TRUE(plan.poll());
  plan.ended(id(1), &refused);
  plan.set_nodes({node(1, {"a:1"})});
  EXPECT_FALSE(plan.poll());
  auto renewed = node(1, {"a:1"});
  renewed.transport.data()[1] = 9;
  plan.set_nodes({renewed});
  const auto target = plan.poll();
  ASSERT_TRUE(target);
  EXPECT_EQ(target->transport, renewed.transport);
}

TEST_F(DialPlans, the_wait_doubles_from_one_second_to_five_minutes_and_is_jittered) {
  for (std::uint32_t failures = 1; failures < 40; ++failures) {
    const std::int64_t base = failures < 10 ? std::min<std::int64_t>(1000ll << (failures - 1), 300'000) : 300'000;
    std::set<std::int64_t> seen;
    for (int i = 0; i < 200; ++i) {
      const std::int64_t wait = DialPlan::backoff_ms(failures, random);
      EXPECT_GE(wait, base / 2);
      EXPECT_LE(wait, base + base / 2);
      seen.insert(wait);
    }
    EXPECT_GT(seen.size(), 50u) << "waits of many nodes must not fall together";
  }
}

TEST_F(DialPlans, an_hour_of_failures_costs_few_dials_and_a_success_begins_anew) {
  plan.set_nodes({node(1, {"a:1"})});
  int dials = 0;
  for (const std::int64_t end = clock.ms + 3'600'000; clock.ms < end;) {
    if (plan.poll()) {
      ++dials;
      plan.ended(id(1), &refused);
    }
    ASSERT_TRUE(plan.next_deadline());
    clock.ms = std::max(clock.ms, *plan.next_deadline());
  }
  EXPECT_GE(dials, 12);
  EXPECT_LE(dials, 40);
  ASSERT_TRUE(plan.poll());
  plan.connected(id(1));
  EXPECT_FALSE(plan.next_deadline());
  plan.stable(id(1));
  plan.ended(id(1), nullptr);
  EXPECT_LE(*plan.next_deadline() - clock.ms, 1'500);
}

TEST_F(DialPlans, a_link_that_does_not_last_keeps_the_wait_growing) {
  plan.set_nodes({node(1, {"a:1"})});
  for (int i = 0; i < 8; ++i) {
    clock.ms = std::max(clock.ms, *plan.next_deadline());
    ASSERT_TRUE(plan.poll());
    plan.connected(id(1));
    plan.ended(id(1), &refused);  // no stable() between
  }
  EXPECT_GE(*plan.next_deadline() - clock.ms, 60'000);
}

TEST_F(DialPlans, asked_for_by_a_person_goes_first_whatever_the_wait) {
  plan.set_nodes({node(1, {"a:1"}), node(2, {"b:1"})});
  ASSERT_TRUE(plan.poll());
  plan.ended(id(1), &refused);
  ASSERT_TRUE(plan.dial_now(id(1), "z:9"));
  auto target = plan.poll();
  ASSERT_TRUE(target);
  EXPECT_EQ(target->node, id(1));
  EXPECT_EQ(target->addresses, (std::vector<std::string>{"z:9", "a:1"}));
  plan.ended(id(1), &refused);
  EXPECT_EQ(plan.poll()->node, id(2));
  EXPECT_FALSE(plan.dial_now(id(9), std::nullopt));
}

TEST_F(DialPlans, switched_off_it_dials_only_what_is_asked_for) {
  plan.set_nodes({node(1, {"a:1"}), node(2, {})});
  plan.set_automatic(false);
  EXPECT_FALSE(plan.poll());
  EXPECT_FALSE(plan.next_deadline());
  plan.dial_now(id(2), std::nullopt);
  EXPECT_FALSE(plan.poll()) << "no address";
  plan.dial_now(id(2), "b:1");
  EXPECT_EQ(plan.poll()->node, id(2));
}

TEST_F(DialPlans, only_so_many_dials_at_a_time) {
  std::vector<DialPlan::Node> nodes;
  for (std::uint8_t i = 1; i <= 40; ++i) nodes.push_back(node(i, {"a:1"}));
  plan.set_nodes(nodes);
  std::size_t under_way = 0;
  std::optional<NodeId> one;
  while (auto target = plan.poll()) {
    one = target->node;
    ++under_way;
  }
  EXPECT_EQ(under_way, kDialsMax);
  EXPECT_FALSE(plan.next_deadline());
  plan.ended(*one, &refused);
  EXPECT_TRUE(plan.poll());
  EXPECT_FALSE(plan.poll());
  plan.set_nodes(nodes);  // the count survives a renewal of the list
  EXPECT_FALSE(plan.poll());
}

TEST_F(DialPlans, a_new_address_is_tried_at_once_and_reasons_are_kept) {
  plan.set_nodes({node(1, {"a:1"})});
  ASSERT_TRUE(plan.poll());
  plan.ended(id(1), &refused);
  EXPECT_FALSE(plan.poll());
  EXPECT_EQ(plan.find(id(1))->last_error->code.text(), "connect_refused");
  EXPECT_EQ(plan.find(id(1))->last_error_at, clock.now());
  plan.set_nodes({node(1, {"a:1"})});
  EXPECT_FALSE(plan.poll());
  plan.set_nodes({node(1, {"b:1", "a:1"})});
  EXPECT_TRUE(plan.poll());
  plan.forget_error(id(1));
  EXPECT_FALSE(plan.find(id(1))->last_error);
}

}  // namespace
}  // namespace tocsin::engine
