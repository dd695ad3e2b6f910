#include "protocol/session.h"

#include <algorithm>

#include "protocol/session_impl.h"

namespace tocsin::protocol {
namespace {

using wire::MessageType;

ByeReason reason_of(const Error& error) {
  if (error.code == kWrongNode) return ByeReason::kWrongNode;
  if (error.code == kTooMuch || error.code == kCreditExceeded) return ByeReason::kTooMuch;
  if (error.code == kBadEntries) return ByeReason::kBadEntry;
  return ByeReason::kBadMessage;
}

}  // namespace

Session::Impl::Impl(Session* session, Replica& the_replica, WantTable& the_wants, Clock& the_clock,
                    crypto::Random& the_random, Config the_config)
    : self(session),
      replica(the_replica),
      wants(the_wants),
      clock(the_clock),
      random(the_random),
      config(std::move(the_config)) {
  start_ms = last_in_ms = now();
}

Session::Impl::~Impl() { wants.release_all(self); }

// ---- Frames in

Result<void> Session::Impl::handle_frame(ByteView frame) {
  if (over) return kOk;
  ++stats.frames_in;
  stats.bytes_in += kLinkSizeBytes + frame.size() + kSealOverheadBytes;
  last_in_ms = now();
  ping_out.reset();
  slots_in_frame = false;
  const auto failed = [&](const Error& error) -> Result<void> {
    end(reason_of(error));
    return error;
  };
  wire::FrameReader reader(frame);
  while (!over) {
    auto message = reader.next();
    if (!message) return failed(message.error());
    if (!*message) break;
    if (auto taken = dispatch(**message); !taken) return failed(taken.error());
  }
  if (stats.refused > kRefusalsMax) return failed(peer_error(kTooMuch, "too much of it was refused"));
  return kOk;
}

Result<void> Session::Impl::dispatch(const wire::Message& message) {
  const ByteView payload = message.payload;
  if (hello_seen == (message.type == MessageType::kHello)) {
    return peer_error(kUnexpectedMessage, hello_seen ? "a second hello" : "the first message is not hello");
  }
  switch (message.type) {
    case MessageType::kPadding:
      return kOk;
    case MessageType::kHello:
      return handle_hello(payload);
    case MessageType::kSlots:
      return handle_slots(payload);
    case MessageType::kFrontier:
      return handle_frontier(payload);
    case MessageType::kAsk:
      return handle_ask(payload);
    case MessageType::kWant:
      return handle_want(payload);
    case MessageType::kEntries:
      return handle_entries(payload);
    case MessageType::kNotHeld:
      return handle_not_held(payload);
    case MessageType::kCredit:
      return handle_credit(payload);
    case MessageType::kHeads:
      return handle_heads(payload);
    case MessageType::kReceipt:
      return handle_receipt(payload);
    case MessageType::kMail:
      return handle_mail(payload);
    case MessageType::kPrekeys:
      return handle_prekeys(payload);
    case MessageType::kPing:
      return handle_ping(payload);
    case MessageType::kPong:
      return handle_pong(payload);
    case MessageType::kBye:
      return handle_bye(payload);
    case MessageType::kForkProof:
    case MessageType::kEndProof:
      return handle_fork_proof(payload);
  }
  return peer_error(wire::kUnknownMessage);
}

// `done` closes one direction: the peer has no question left, but may still have answers for us.
Result<void> Session::Impl::handle_bye(ByteView payload) {
  TOCSIN_ASSIGN(reason, wire::decode_bye(payload));
  if (done_received) return peer_error(kUnexpectedMessage, "a second bye");
  peer_reason = reason;
  if (reason != ByeReason::kDone) {
    silence();
    return kOk;
  }
  done_received = true;
  config.live = false;
  if (done_sent) silence();
  return kOk;
}

void Session::Impl::refused(const Error& error) {
  ++stats.refused;
  if (config.refused) config.refused(error);
}

// ---- Frames out

bool Session::Impl::poll_frame(Bytes& out) {
  if (closed()) {
    out.clear();
    return false;
  }
  wire::FrameWriter writer(out);
  if (bye_due) {
    put_hello(writer);  // whatever comes first: the peer reads nothing before it
    wire::put_bye(writer, *bye_due);
    bye_due.reset();
  } else {
    fill(writer);
  }
  writer.finish();
  if (out.empty()) return false;
  ++stats.frames_out;
  stats.bytes_out += kLinkSizeBytes + out.size() + kSealOverheadBytes;
  return true;
}

// Answers before questions, and both before entries: what others wait for is never behind a bulk answer.
void Session::Impl::fill(wire::FrameWriter& out) {
  confirm_home();
  put_opening(out);
  if (!hello_seen) return;
  put_pings(out);
  put_not_held(out);
  put_compare(out);
  put_credit(out);
  if (!done_sent) {
    put_fork_proofs(out);
    put_asks(out);
    schedule();
    put_wants(out);
    put_heads(out);
    put_side(out);
  }
  put_entries(out);
  put_done(out);
}

void Session::Impl::put_done(wire::FrameWriter& out) {
  if (config.live || done_sent || !settled() || !wire::put_bye(out, ByeReason::kDone)) return;
  done_sent = true;
  if (done_received) silence();
}

// ---- Ends

void Session::Impl::end(ByeReason reason) {
  if (over) return;
  silence();
  bye_due = reason;
}

void Session::Impl::silence() {
  over = true;
  wants.release_all(self);
  fetches.clear();
  targets.clear();
  mail_out.clear();
  answers.clear();
  for (auto& queue : servings) queue.clear();
}

// ---- Time

void Session::Impl::handle_tick() {
  if (over) return;
  const std::int64_t at = now();
  if (at - start_ms >= kSessionMaxMs) return end(ByeReason::kRenewed);
  if (at - last_in_ms >= kDeadAfterMs) return silence();
  if (at - last_in_ms >= ping_after_ms() && !ping_out && !ping_due) ping_due = ++pings;
  if (store_retry_ms != 0 && at >= store_retry_ms) store_retry_ms = 0;
  if (!elsewhere.empty() && at >= elsewhere_retry_ms) {
    for (const LogKey& log : std::set<LogKey>(elsewhere)) recheck(log);
    elsewhere_retry_ms = at + kElsewhereRetryMs;
  }
  if (below_waits && at >= below_retry_ms) below_retry_ms = at + kElsewhereRetryMs;  // the next frame looks again
}

std::optional<std::int64_t> Session::Impl::next_deadline() const {
  if (over) return std::nullopt;
  std::int64_t out = std::min(start_ms + kSessionMaxMs, last_in_ms + kDeadAfterMs);
  if (!ping_out && !ping_due) out = std::min(out, last_in_ms + ping_after_ms());
  if (store_retry_ms != 0) out = std::min(out, store_retry_ms);
  if (!elsewhere.empty()) out = std::min(out, elsewhere_retry_ms);
  if (below_waits) out = std::min(out, below_retry_ms);
  if (done_sent) return out;  // a receipt that has become due since waits for the next session
  const bool is_quiet = quiet();
  for (const auto& [id, channel] : channels) {
    if (const auto time = receipt_time(channel, is_quiet)) out = std::min(out, *time);
  }
  return out;
}

// ---- Standing

bool Session::Impl::nothing_to_fetch() const {
  if (!hello_seen || slots_due || !compared_round || compared_round != own_round || compared_round != peer_round) {
    return false;
  }
  if (pending > 0 || !fetches.empty()) return false;
  return std::none_of(channels.begin(), channels.end(), [](const auto& each) {
    const SharedChannel& channel = each.second;
    return channel.root_awaited || channel.overflowed || !channel.places.empty() || !channel.asked.empty();
  });
}

bool Session::Impl::nothing_to_send() const {
  if (slots_due || channels_due || own_org_changed || mail_due || prekeys_due || ping_due) return false;
  if (!answers.empty() || !wants_out.empty() || !not_held.empty() || !pongs.empty() || !mail_out.empty()) return false;
  if (servings_count() > 0) return false;
  return std::none_of(channels.begin(), channels.end(), [](const auto& each) {
    const SharedChannel& channel = each.second;
    return channel.peer_slot && (channel.send_root || !channel.changed.empty() || !channel.proofs_due.empty());
  });
}

bool Session::Impl::settled() const {
  if (!nothing_to_fetch() || !nothing_to_send()) return false;
  if (std::any_of(proofs_awaited.begin(), proofs_awaited.end(),
                  [this](const LogKey& log) { return !replica.fork_is_durable(log); })) {
    return false;
  }
  return std::none_of(channels.begin(), channels.end(), [this](const auto& each) {
    const auto time = receipt_time(each.second, true);
    return time && *time <= now();
  });
}

// ---- The public face

Session::Session(Replica& replica, WantTable& wants, Clock& clock, crypto::Random& random, Config config)
    : impl_(std::make_unique<Impl>(this, replica, wants, clock, random, std::move(config))) {}
Session::~Session() = default;

Result<void> Session::handle_frame(ByteView frame) { return impl_->handle_frame(frame); }
void Session::handle_tick() { impl_->handle_tick(); }
void Session::handle_heads(const ChannelId& channel, const LogKey& log) { impl_->own_head_changed(channel, log); }
void Session::handle_org_log(const OrgId& org) { impl_->org_log_changed(org); }
void Session::handle_channels() { impl_->channels_due = true; }
void Session::handle_mail() { impl_->mail_due = true; }
void Session::handle_cut(const ChannelId& channel, const LogKey& log) { impl_->log_cut(channel, log); }
void Session::resync() { impl_->new_round(); }
void Session::close(ByeReason reason) { impl_->end(reason); }
bool Session::poll_frame(Bytes& out) { return impl_->poll_frame(out); }
std::optional<std::int64_t> Session::next_deadline() const { return impl_->next_deadline(); }
bool Session::closed() const { return impl_->closed(); }
std::optional<ByeReason> Session::peer_reason() const { return impl_->peer_reason; }
bool Session::fetching() const { return !impl_->fetches.empty(); }
bool Session::settled() const { return !impl_->over && impl_->settled(); }
const SessionStats& Session::stats() const { return impl_->stats; }
const OrgId& Session::peer_org() const { return impl_->config.peer_org; }
const NodeId& Session::peer_node() const { return impl_->config.peer_node; }

std::vector<Session::ChannelState> Session::channel_states() const {
  std::vector<ChannelState> out;
  for (const auto& [id, channel] : impl_->channels) {
    if (!channel.peer_slot) continue;
    ChannelState state{id, false, 0, 0};
    for (const auto& [log, target] : impl_->targets) {
      const Number own = impl_->replica.accepted_head(log);
      if (target.channel == id && target.leaf.head > own) state.behind += target.leaf.head.value - own.value;
    }
    const Frontier& frontier = impl_->replica.frontier(id, impl_->config.peer_org);
    for (const auto& [log, theirs] : impl_->peer_heads) {
      const Leaf* leaf = frontier.find(log);
      if (leaf != nullptr && leaf->head > theirs) state.ahead += leaf->head.value - theirs.value;
    }
    state.equal = channel.compared && !channel.root_awaited && channel.places.empty() && channel.asked.empty() &&
                  state.behind == 0 && state.ahead == 0;
    out.push_back(state);
  }
  return out;
}

}  // namespace tocsin::protocol
