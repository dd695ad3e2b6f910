#include "node/engine/dial_plan.h"

#include <algorithm>

#include "node/engine/hub.h"

namespace tocsin::engine {

std::int64_t DialPlan::backoff_ms(std::uint32_t failures, crypto::Random& random) {
  std::int64_t base = kDialFirstMs;
  for (std::uint32_t i = 1; i < failures && base < kDialMaxMs; ++i) base *= 2;
  base = std::min(base, kDialMaxMs);
  std::array<std::uint8_t, 4> bytes{};
  random.fill(bytes);
  return base / 2 + static_cast<std::int64_t>(load_le32(bytes.data())) % (base + 1);
}

void DialPlan::set_nodes(std::vector<Node> nodes) {
  std::map<protocol::NodeId, State> next;
  dialling_ = 0;
  for (Node& node : nodes) {
    State state;
    if (const auto old = states_.find(node.node); old != states_.end()) {
      state = std::move(old->second);
      if (state.node.addresses != node.addresses || state.node.transport != node.transport) state.due_ms = 0;
    }
    if (state.phase == Phase::kDialling) ++dialling_;
    state.node = std::move(node);
    const protocol::NodeId id = state.node.node;
    next.insert_or_assign(id, std::move(state));
  }
  states_ = std::move(next);
}

bool DialPlan::dial_now(const protocol::NodeId& node, std::optional<std::string> address) {
  const auto at = states_.find(node);
  if (at == states_.end()) return false;
  at->second.urgent = true;
  at->second.due_ms = 0;
  if (address) at->second.extra_address = std::move(*address);
  return true;
}

std::optional<transport::DialTarget> DialPlan::poll() {
  if (dialling_ >= kDialsMax) return std::nullopt;
  const std::int64_t now = clock_.steady_ms();
  State* best = nullptr;
  for (auto& [id, state] : states_) {
    if (!may_dial(state) || state.due_ms > now) continue;
    if (best == nullptr || state.urgent > best->urgent || (state.urgent == best->urgent && state.due_ms < best->due_ms))
      best = &state;
  }
  if (best == nullptr) return std::nullopt;
  transport::DialTarget target{best->node.org, best->node.node, best->node.addresses, best->node.transport, {},
                               best->own};
  if (!best->extra_address.empty()) {
    std::erase(target.addresses, best->extra_address);
    target.addresses.insert(target.addresses.begin(), std::move(best->extra_address));
    best->extra_address.clear();
  }
  best->urgent = false;
  best->phase = Phase::kDialling;
  ++dialling_;
  return target;
}

std::optional<std::int64_t> DialPlan::next_deadline() const {
  if (dialling_ >= kDialsMax) return std::nullopt;
  std::optional<std::int64_t> first;
  for (const auto& [id, state] : states_) {
    if (may_dial(state) && (!first || state.due_ms < *first)) first = state.due_ms;
  }
  return first;
}

void DialPlan::connected(const protocol::NodeId& node) {
  const auto at = states_.find(node);
  if (at == states_.end()) return;
  if (at->second.phase == Phase::kDialling) --dialling_;
  at->second.phase = Phase::kConnected;
  at->second.urgent = false;
}

void DialPlan::stable(const protocol::NodeId& node) {
  if (const auto at = states_.find(node); at != states_.end()) at->second.failures = 0;
}

void DialPlan::forget_error(const protocol::NodeId& node) {
  const auto at = states_.find(node);
  if (at == states_.end()) return;
  at->second.last_error.reset();
  at->second.last_error_at.reset();
}

void DialPlan::ended(const protocol::NodeId& node, const Error* reason) {
  const auto at = states_.find(node);
  if (at == states_.end()) return;
  State& state = at->second;
  if (state.phase == Phase::kDialling) --dialling_;
  state.phase = Phase::kIdle;
  ++state.failures;
  state.due_ms = clock_.steady_ms() + backoff_ms(state.failures, random_);
  if (reason == nullptr) return;
  if (reason->code == transport::kNotAnswered) {
    state.own = state.own == protocol::OwnKey::kInUse ? protocol::OwnKey::kOther : protocol::OwnKey::kInUse;
  }
  state.last_error = *reason;
  state.last_error_at = clock_.now();
}

const DialPlan::State* DialPlan::find(const protocol::NodeId& node) const {
  const auto at = states_.find(node);
  return at == states_.end() ? nullptr : &at->second;
}

}  // namespace tocsin::engine
