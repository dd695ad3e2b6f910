// Hello, slots, and the first comparison (rules 35, 36, 43).
#include <algorithm>
#include <bit>

#include "crypto/hash.h"
#include "protocol/session_impl.h"

namespace tocsin::protocol {
namespace {

template <class Fixed>
Fixed first_bytes_of(const crypto::Hash& hash) {
  return *Fixed::from(hash.view().first(Fixed::kSize));
}

// Uniform enough in [0, bound) to hide an order: `bound` is at most a few hundred.
std::size_t random_below(crypto::Random& random, std::size_t bound) {
  std::array<std::uint8_t, 8> bytes;
  random.fill(bytes);
  return static_cast<std::size_t>(load_le64(bytes.data()) % bound);
}

}  // namespace

// ---- What slots hold

crypto::Hash Session::Impl::keyed(crypto::Personal personal, ByteView key, std::uint8_t role, std::uint32_t round,
                                  ByteView what) const {
  std::array<std::uint8_t, 5> place;
  place[0] = role;
  store_le32(&place[1], round);
  return crypto::keyed_hash256(key, personal, {config.handshake_hash.view(), ByteView(place), what});
}

wire::Token Session::Impl::token(const ChannelId& channel, std::uint8_t role, std::uint32_t round) const {
  return first_bytes_of<wire::Token>(
      keyed(crypto::kPersonalToken, replica.slot_key(channel, config.peer_org), role, round, {}));
}

wire::Equality Session::Impl::equality(const ChannelId& channel, std::uint8_t role, std::uint32_t round,
                                       const TrieDigest& digest) const {
  const ByteView key = replica.equality_key(channel, config.peer_org);
  return first_bytes_of<wire::Equality>(keyed(crypto::kPersonalEqual, key, role, round, digest.view()));
}

// 8 bytes behind the round where an equality value has 32: the two never hash the same bytes.
wire::Seen Session::Impl::seen(const ChannelId& channel, std::uint8_t role, std::uint32_t round,
                               std::uint64_t counter) const {
  std::array<std::uint8_t, 8> bytes;
  store_le64(bytes.data(), counter);
  const ByteView key = replica.equality_key(channel, config.peer_org);
  return first_bytes_of<wire::Seen>(keyed(crypto::kPersonalEqual, key, role, round, bytes));
}

// ---- Out

void Session::Impl::put_hello(wire::FrameWriter& out) {
  if (hello_sent) return;
  wire::Hello hello;
  hello.sender = replica.own_node();
  hello.receiver = config.peer_node;
  hello.org_log_head = replica.own_org().head();
  hello.prekeys_held = replica.prekey_month_of(config.peer_node).value_or(0);
  if (!wire::put(out, hello)) return;
  hello_sent = true;
  stats.round_trips = 1;
}

void Session::Impl::put_opening(wire::FrameWriter& out) {
  if (channels_due && hello_sent) check_channels();
  put_hello(out);
  if (!hello_sent || !slots_due) return;
  const wire::Slots slots = make_slots();
  if (!wire::put(out, slots)) return;
  slots_due = false;
  own_round = slots.round;
  match_channels();
  compare_channels();
}

wire::Slots Session::Impl::make_slots() {
  std::vector<ChannelId> list = replica.channels_with(config.peer_node);
  if (list.size() > kChannelsMax) list.resize(kChannelsMax);
  const std::set<ChannelId> kept(list.begin(), list.end());
  std::vector<ChannelId> dropped;
  for (const auto& [id, channel] : channels) {
    if (!kept.contains(id)) dropped.push_back(id);
  }
  for (const ChannelId& id : dropped) drop_channel(id);

  own_taken_before = replica.own_entries_taken();
  wire::Slots out;
  out.round = next_round;
  out.slots.resize(std::max(wire::kSlotsMin, std::bit_ceil(list.size())));
  own_slot_channels.assign(out.slots.size(), std::nullopt);
  std::copy(list.begin(), list.end(), own_slot_channels.begin());
  for (std::size_t i = own_slot_channels.size(); i > 1; --i) {
    std::swap(own_slot_channels[i - 1], own_slot_channels[random_below(random, i)]);
  }
  for (std::size_t i = 0; i < out.slots.size(); ++i) {
    wire::Slot& slot = out.slots[i];
    if (!own_slot_channels[i]) {
      slot = {crypto::random_fixed<wire::Token>(random), crypto::random_fixed<wire::Equality>(random),
              crypto::random_fixed<wire::Seen>(random)};
      continue;
    }
    const ChannelId& id = *own_slot_channels[i];
    SharedChannel& channel = channels[id];
    channel.channel_class = replica.channel_class(id);
    channel.contribution = replica.is_contribution(id, config.peer_org);
    channel.orgs = org_logs(id);
    channel.own_slot = static_cast<std::uint16_t>(i);
    std::uint64_t counter = 0;
    for (const ReceiptInfo& receipt : replica.receipts(id)) {
      if (receipt.node == config.peer_node) counter = receipt.counter;
    }
    const TrieDigest digest = replica.frontier(id, config.peer_org).digest();
    slot = {token(id, own_role(), next_round), equality(id, own_role(), next_round, digest),
            seen(id, own_role(), next_round, counter)};
    channel.equality_expected = equality(id, peer_role(), next_round, digest);
  }
  return out;
}

void Session::Impl::new_round() {
  if (over || slots_due) return;
  slots_due = true;
  if (pending == 0 && fetches.empty()) {  // what this comparison costs, not the one before
    stats.round_trips = 1;
    room_depth = org_depth = 0;
  }
  next_round = std::max(own_round.value_or(0), peer_round.value_or(0)) + 1;
}

// Slots go out anew only when the list itself has changed: most changes of a channel show in its logs.
void Session::Impl::check_channels() {
  channels_due = false;
  unpark();
  const std::vector<ChannelId> list = replica.channels_with(config.peer_node);
  const bool same = list.size() == channels.size() &&
                    std::all_of(list.begin(), list.end(), [&](const ChannelId& id) { return channels.contains(id); });
  if (!same) new_round();
  for (auto& [id, channel] : channels) {
    receipt_due(channel);
    // Whose organisation has joined: its log is not new here, and new to the channel.
    for (const LogKey& log : org_logs(id)) {
      if (channel.orgs.insert(log).second) announce(channel, log);
    }
  }
}

std::set<LogKey> Session::Impl::org_logs(const ChannelId& id) const {
  std::set<LogKey> out;
  const auto info = replica.channel(id);
  if (!info) return out;
  for (const MemberInfo& member : info->members) {
    const LogKey log{member.org.bytes()};
    if (replica.frontier(id, config.peer_org).find(log) != nullptr) out.insert(log);
  }
  return out;
}

void Session::Impl::drop_channel(const ChannelId& id) {
  std::vector<LogKey> logs;
  for (const auto& [log, target] : targets) {
    if (target.channel == id && target.state != TargetState::kActive) logs.push_back(log);
  }
  for (const LogKey& log : logs) erase_target(log);
  std::erase_if(answers, [&](const Answer& answer) { return answer.channel == id; });
  channels.erase(id);
}

// ---- In

Result<void> Session::Impl::handle_hello(ByteView payload) {
  TOCSIN_ASSIGN(hello, wire::decode_hello(payload));
  if (hello.sender != config.peer_node || hello.receiver != replica.own_node()) {
    return peer_error(kWrongNode, "hello names another sender or receiver than the handshake");
  }
  hello_seen = true;
  peer_takes_orders = (hello.features & wire::kFeatureOrders) != 0;
  check_prekeys(hello.prekeys_held);
  const LogKey log{config.peer_org.bytes()};
  // The hash of its head is not known; number alone decides, as it does for a range of any log.
  if (hello.org_log_head > replica.accepted_head(log)) {
    note_leaf(std::nullopt, Leaf{log, LogType::kOrganisation, hello.org_log_head, {}}, 1);
  }
  return kOk;
}

Result<void> Session::Impl::handle_slots(ByteView payload) {
  TOCSIN_ASSIGN(slots, wire::decode_slots(payload));
  if (slots_in_frame) return peer_error(kTooMuch, "slots twice in a frame");
  slots_in_frame = true;
  if (peer_round && slots.round <= *peer_round) return peer_error(kUnexpectedMessage, "slots of an older round");
  if (!peer_round && slots.round != 0) return peer_error(kUnexpectedMessage, "the first round is 0");
  // Rounds rise by one over the higher of both: the numbers cannot run out.
  if (peer_round && slots.round > std::max(*peer_round, own_round.value_or(0)) + 1) {
    return peer_error(kUnexpectedMessage, "a round that nobody has come to");
  }
  peer_round = slots.round;
  peer_slots = std::move(slots.slots);
  if (hello_sent && peer_round > own_round) {
    slots_due = true;
    next_round = std::max(next_round, *peer_round);
  }
  match_channels();
  compare_channels();
  return kOk;
}

void Session::Impl::match_channels() {
  peer_slot_channels.assign(peer_slots.size(), std::nullopt);
  if (!peer_round) return;
  std::map<wire::Token, std::uint16_t> places;
  for (std::size_t i = 0; i < peer_slots.size(); ++i) {
    places.emplace(peer_slots[i].token, static_cast<std::uint16_t>(i));
  }
  for (auto& [id, channel] : channels) {
    const auto found = places.find(token(id, peer_role(), *peer_round));
    channel.peer_slot.reset();
    if (found == places.end()) continue;
    channel.peer_slot = found->second;
    peer_slot_channels[found->second] = id;
  }
}

// Both sides look at the same two values, so that both come to the same end: equal, or both send their frontier.
void Session::Impl::compare_channels() {
  if (!own_round || !peer_round || own_round != peer_round || compared_round == own_round) return;
  compared_round = own_round;
  answers.clear();  // to what was asked in the round before, and is not waited for any more
  for (auto& [id, channel] : channels) {
    channel.places.clear();
    channel.asked.clear();
    channel.overflowed = false;
    channel.root_awaited = channel.send_root = channel.compared = false;
    channel.peer_seen.reset();
    if (!channel.peer_slot) continue;
    const wire::Slot& slot = peer_slots[*channel.peer_slot];
    const bool equal = slot.equality == channel.equality_expected;
    channel.compared = true;
    if (equal && channel.contribution) {
      std::vector<Leaf> leaves;
      for (const auto& [log, leaf] : replica.frontier(id, config.peer_org).leaves()) leaves.push_back(leaf);
      replica.note_held(id, config.peer_org, config.peer_node, leaves);
    }
    channel.root_awaited = channel.send_root = !equal;
    channel.peer_seen = slot.seen;
    receipt_due(channel);
  }
  // What was refused may be had now: both sides may have changed since.
  std::vector<LogKey> refused_logs;
  for (const auto& [log, target] : targets) {
    if (target.state == TargetState::kRefused) refused_logs.push_back(log);
  }
  for (const LogKey& log : refused_logs) erase_target(log);
  // An organisation log is looked at once in a session: each time the whole log may have to be replayed.
  std::erase_if(probed, [&](const LogKey& log) {
    const auto record = replica.log_record(log);
    return !record || record->type != LogType::kOrganisation;
  });
}

SharedChannel* Session::Impl::shared(const ChannelId& id) {
  const auto found = channels.find(id);
  return found == channels.end() || !found->second.peer_slot ? nullptr : &found->second;
}

SharedChannel* Session::Impl::find_channel(std::uint16_t peer_slot, ChannelId* id) {
  if (peer_slot >= peer_slot_channels.size() || !peer_slot_channels[peer_slot]) return nullptr;
  *id = *peer_slot_channels[peer_slot];
  return shared(*id);
}

}  // namespace tocsin::protocol
