// Epochs wrapped again: who was away for long, was restored, or is a further node asks any member for the keys that its
// organisation is entitled to (rules 33, 34). What comes is compared with the commitment in the control log, so that
// nobody has to be trusted; where the copy of the control log begins later, it is grown down first.
#include <algorithm>

#include "crypto/wrap.h"
#include "protocol/entry_peek.h"
#include "protocol/replica_impl.h"

namespace tocsin::protocol {
namespace {

inline constexpr Code kBadKeyMail{"bad_key_mail"};
inline constexpr Code kTooOften{"too_often"};

constexpr std::uint64_t kKeysAskedMax = 32;        // epochs of one request
constexpr std::size_t kGivenMax = 1024;            // keys that wait for the control log, of one channel
constexpr std::size_t kKeyAnswersKept = 256;       // nodes of one channel that wait for an answer
constexpr std::size_t kKeyAnswersPerNodeMax = 64;  // in an hour: 2,048 epochs
constexpr std::size_t kKeyAnswersAllMax = 1024;    // in an hour, of all nodes
constexpr std::size_t kLateEventsMax = 4096;       // read again when the key of the newest epoch comes late
constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kKeyAnswerKeptMs = 24 * kHourMs;
constexpr std::int64_t kAskAgainFirstMs = 10 * 60'000;
constexpr std::int64_t kAskAgainMaxMs = 24 * kHourMs;

// Request: u8 format ‖ u8 flags ‖ channel id ‖ node id ‖ u64 from ‖ u64 to ‖ u32 attempt.
constexpr std::uint8_t kKeyMailFormat = 1;
constexpr std::uint8_t kByCertificate = 1;  // the asker holds no prekey of this month
constexpr std::size_t kKeyRequestBytes = 2 + ChannelId::kSize + NodeId::kSize + 8 + 8 + 4;
// Answer: u8 format ‖ channel id ‖ u8 count ‖ count × (u64 epoch ‖ key).
constexpr std::size_t kKeyAnswerHeadBytes = 1 + ChannelId::kSize + 1;
constexpr std::size_t kGivenKeyBytes = 8 + crypto::EpochKey::kSize;

struct KeyRequest {
  ChannelId channel;
  NodeId node;
  KeyRange range;
  std::uint32_t attempt = 0;
  bool by_certificate = false;
};

Bytes encode_key_request(const KeyRequest& request) {
  Bytes out{kKeyMailFormat, request.by_certificate ? kByCertificate : std::uint8_t{0}};
  append(out, request.channel.view());
  append(out, request.node.view());
  std::array<std::uint8_t, 20> rest;
  store_le64(&rest[0], request.range.from.value);
  store_le64(&rest[8], request.range.to.value);
  store_le32(&rest[16], request.attempt);
  append(out, ByteView(rest));
  return out;
}

Result<KeyRequest> decode_key_request(ByteView bytes) {
  const auto bad = [] { return peer_error(kBadKeyMail, "a request for keys that makes no sense"); };
  if (bytes.size() != kKeyRequestBytes || bytes[0] != kKeyMailFormat || bytes[1] > kByCertificate) return bad();
  KeyRequest out;
  out.by_certificate = bytes[1] == kByCertificate;
  out.channel = *ChannelId::from(bytes.subspan(2, ChannelId::kSize));
  out.node = *NodeId::from(bytes.subspan(2 + ChannelId::kSize, NodeId::kSize));
  const ByteView rest = bytes.last(20);
  out.range = {{load_le64(&rest[0])}, {load_le64(&rest[8])}};
  out.attempt = load_le32(&rest[16]);
  if (out.range.from.value == 0 || out.range.to < out.range.from ||
      out.range.to.value - out.range.from.value >= kKeysAskedMax) {
    return bad();
  }
  return out;
}

}  // namespace

// ---- What an epoch's roster says of the past

void ReplicaCore::carry_history(Channel& channel, std::vector<RosterMember>& roster, Epoch epoch) {
  const ChannelState& state = channel.accepted;
  for (RosterMember& member : roster) {
    const RosterMember* before = state.newest == nullptr ? nullptr : state.newest->member(member.org);
    member.since = before == nullptr          ? epoch
                   : before->since.value != 0 ? before->since
                                              : first_named(channel, member.org);
    const auto grant = state.grants.find(member.org);
    member.history_from = before == nullptr || grant == state.grants.end() ? Epoch{} : grant->second.from;
    member.history_granted = member.history_from.value == 0 ? Time{} : grant->second.granted;
  }
}

// For a roster from before rosters said it.
Epoch ReplicaCore::first_named(Channel& channel, const OrgId& org) {
  Epoch out = channel.accepted.newest_epoch();
  for (auto at = channel.accepted.epochs.rbegin(); at != channel.accepted.epochs.rend(); ++at) {
    if (at->first > out) continue;
    const auto roster = roster_at(channel, at->first);
    if (roster == nullptr || roster->member(org) == nullptr) break;
    out = at->first;
  }
  return out;
}

bool ReplicaCore::entitled(Channel& channel, const OrgId& org, Epoch epoch) {
  const auto grant = channel.accepted.grants.find(org);
  if (grant != channel.accepted.grants.end() && epoch >= grant->second.from) return true;
  const auto roster = roster_at(channel, epoch);
  const RosterMember* member = roster == nullptr ? nullptr : roster->member(org);
  return member != nullptr && may_read(member->role);
}

// ---- Asking

// The control log of the term that has this epoch; null: none is held.
const LogState* ReplicaCore::control_of(const ChannelState& state, Epoch epoch) const {
  const Term* over = state.term_numbered(term_of(epoch));
  const LogState* log = term_of(epoch) == state.term().number ? find_log(state.control_log())
                        : over == nullptr                     ? nullptr
                                                              : find_log(over->log);
  return log != nullptr && log->accepted.type == LogType::kControl && log->channel == state.id() ? log : nullptr;
}

LogState* ReplicaCore::find_copy(const ChannelId& channel, const LogKey& key) {
  LogState* log = find_log(key);
  if (log == nullptr) {
    const auto named = named_copies.find(key);
    log = named == named_copies.end() ? nullptr : &named->second;
  }
  return log != nullptr && log->channel == channel ? log : nullptr;
}

// The newest epochs first, term by term: where a term began, its log shows, once the copy of it reaches down so far. A
// window reaches below what the organisation knows itself entitled to: it may have been a member once before.
std::optional<KeyRange> ReplicaCore::wanted_keys(const Channel& channel) const {
  const ChannelState& state = channel.accepted;
  if (!state.joined() || state.newest == nullptr || state.contribution != nullptr) return std::nullopt;
  const RosterMember* own = state.newest->member(own_org);
  if (own == nullptr) return std::nullopt;
  Epoch first = own->since.value != 0 ? own->since : state.first_epoch();
  if (const auto grant = state.grants.find(own_org); grant != state.grants.end()) {
    first = std::min(first, grant->second.from);
  }
  Epoch newest = state.newest_epoch_seen();
  for (;;) {
    const auto begun = first_of_term(state, term_of(newest));
    const Epoch lowest = begun.value_or(epoch_in(term_of(newest), 1));
    for (Epoch epoch = newest; epoch >= std::max(first, lowest); epoch = {epoch.value - 1}) {
      const EpochInfo* info = state.epoch(epoch);
      if (info != nullptr && info->access != nullptr) continue;
      const auto given = channel.given.lower_bound({epoch, OrgId{}});
      if (given != channel.given.end() && given->first.first == epoch) continue;  // it waits for the control log
      const std::uint64_t count = count_of(epoch);
      return KeyRange{std::max(lowest, epoch_in(term_of(epoch), count > kKeysAskedMax ? count - kKeysAskedMax + 1 : 1)),
                      epoch};
    }
    if (!begun || first >= *begun || count_of(*begun) <= 1) return std::nullopt;
    const Term* before = state.term_before(term_of(newest));
    if (before == nullptr) return std::nullopt;
    newest = epoch_in(before->number, count_of(*begun) - 1);  // counts go on through all terms
  }
}

std::optional<Epoch> ReplicaCore::first_of_term(const ChannelState& state, std::uint32_t term) const {
  for (auto at = state.epochs.lower_bound(epoch_in(term, 1)); at != state.epochs.end(); ++at) {
    if (term_of(at->first) != term) break;
    if (at->second.first.value == 1) return at->first;
  }
  return std::nullopt;
}

void ReplicaCore::ask_for_keys(Channel& channel) {
  const std::int64_t now_ms = clock.steady_ms();
  std::erase_if(channel.key_answers, [&](const auto& each) { return each.second.until_ms <= now_ms; });
  if (!channel.given.empty()) use_given(channel);
  KeyAsking& asking = channel.asking;
  const auto range = wanted_keys(channel);
  const bool changed = range != asking.range;
  asking.range = range;
  if (!range || (!changed && now_ms < asking.again_ms)) return;
  if (!changed) ++asking.attempt;
  asking.wait_ms = changed ? kAskAgainFirstMs : std::min(2 * asking.wait_ms, kAskAgainMaxMs);
  asking.again_ms = now_ms + asking.wait_ms;
  Change change;
  change.mail = true;
  commit_for(std::move(change), nullptr);
}

std::vector<Mail> ReplicaCore::key_mail_for(const OrgId& org, const NodeId& node, const NodeCertificate& certificate) {
  std::vector<Mail> out;
  const std::uint32_t month = month_of(clock.now());
  const auto put = [&](MailKind kind, const crypto::Label& label, bool by_certificate, ByteView content, ByteView id) {
    const WrapTarget target = wrap_target(certificate, by_certificate ? nullptr : prekeys_of(org, node), month);
    auto envelope = crypto::seal_to(target.key, label, node.view(), content, random);
    const std::uint8_t byte = static_cast<std::uint8_t>(kind);
    const auto hash = crypto::hash256(crypto::kPersonalMail, {ByteView(&byte, 1), node.view(), id});
    if (envelope) out.push_back({kind, target.month, std::move(*envelope), hash});
  };
  for (const auto& [id, channel] : channels) {
    const ChannelState& state = channel->accepted;
    if (channel->durable == nullptr || !state.joined() || !may_read(state.role_of(org))) continue;
    if (const auto range = wanted_keys(*channel); range && !channel->key_liars.contains(org)) {
      const bool by_certificate = !secrets.tier2->prekeys.contains(month);
      const Bytes content = encode_key_request({id, own_node, *range, channel->asking.attempt, by_certificate});
      put(MailKind::kKeyRequest, crypto::kLabelKeyRequest, false, content, content);
    }
    const auto found = channel->key_answers.find(node);
    if (found == channel->key_answers.end() || found->second.until_ms <= clock.steady_ms()) continue;
    // Given out once: who lost it on the way asks again.
    const KeyAnswer answer = std::move(found->second);
    channel->key_answers.erase(found);
    crypto::SecretBuffer content(kKeyAnswerHeadBytes + answer.epochs.size() * kGivenKeyBytes);
    std::uint8_t* to = content.mutable_view().data();
    *to = kKeyMailFormat;
    std::copy(id.view().begin(), id.view().end(), to + 1);
    to[kKeyAnswerHeadBytes - 1] = static_cast<std::uint8_t>(answer.epochs.size());
    to += kKeyAnswerHeadBytes;
    Bytes name = to_bytes(id.view());
    std::array<std::uint8_t, 8> number;
    for (const Epoch epoch : answer.epochs) {
      const auto& key = state.epochs.at(epoch).key;
      store_le64(number.data(), epoch.value);
      std::copy(number.begin(), number.end(), to);
      std::copy(key->view().begin(), key->view().end(), to + 8);
      to += kGivenKeyBytes;
      append(name, ByteView(number));
    }
    store_le64(number.data(), answer.attempt);
    append(name, ByteView(number));
    put(MailKind::kKeyAnswer, crypto::kLabelKeyAnswer, answer.by_certificate, content.view(), name);
  }
  return out;
}

// ---- Answering

bool ReplicaCore::take_key_turn(const NodeId& node) {
  const std::int64_t now_ms = clock.steady_ms();
  if (keys_answered_since_ms == INT64_MIN || now_ms - keys_answered_since_ms >= kHourMs) {
    keys_answered.clear();
    keys_answered_all = 0;
    keys_answered_since_ms = now_ms;
  }
  if (keys_answered_all >= kKeyAnswersAllMax || keys_answered[node] >= kKeyAnswersPerNodeMax) return false;
  ++keys_answered_all;
  ++keys_answered[node];
  return true;
}

Result<void> ReplicaCore::take_key_request(const OrgId& from, ByteView message) {
  TOCSIN_ASSIGN(request, decode_key_request(message));
  Channel* channel = find_channel(request.channel);
  // Nobody learns more than that it gets nothing.
  const auto refused = [] { return peer_error(kNotAuthorised, "it asks for keys of a channel that it is not in"); };
  if (channel == nullptr || channel->durable == nullptr || !channel->accepted.joined()) return refused();
  const OrgState* org = find_org(from);
  const bool live = org != nullptr && org->accepted.live_node(request.node) != nullptr;
  if (!live || is_blocked(from) || request.node == own_node || !may_read(channel->accepted.role_of(from))) {
    return refused();
  }
  const auto held = channel->key_answers.find(request.node);
  if (held == channel->key_answers.end() && channel->key_answers.size() >= kKeyAnswersKept) {
    return peer_error(kTooOften, "too many nodes ask for keys");
  }
  if (!take_key_turn(request.node)) return peer_error(kTooOften, "it asks for keys too often");
  KeyAnswer answer;
  answer.by_certificate = request.by_certificate;
  answer.attempt = request.attempt;
  answer.until_ms = clock.steady_ms() + kKeyAnswerKeptMs;
  for (Epoch epoch = request.range.from; epoch <= request.range.to; epoch = epoch.next()) {
    const EpochInfo* info = channel->accepted.epoch(epoch);
    if (info == nullptr || info->key == nullptr || !entitled(*channel, from, epoch)) continue;
    answer.epochs.push_back(epoch);
  }
  if (answer.epochs.empty()) {  // somebody else may have what it is entitled to
    channel->key_answers.erase(request.node);
    return kOk;
  }
  channel->key_answers[request.node] = std::move(answer);
  Change change;
  change.mail = true;
  commit_for(std::move(change), nullptr);
  return kOk;
}

// ---- Taking what was given

Result<void> ReplicaCore::take_key_answer(const OrgId& from, ByteView message) {
  const auto bad = [] { return peer_error(kBadKeyMail, "an answer with keys that makes no sense"); };
  if (message.size() < kKeyAnswerHeadBytes || message[0] != kKeyMailFormat) return bad();
  const std::size_t count = message[kKeyAnswerHeadBytes - 1];
  if (count == 0 || count > kKeysAskedMax || message.size() != kKeyAnswerHeadBytes + count * kGivenKeyBytes) {
    return bad();
  }
  Channel* channel = find_channel(*ChannelId::from(message.subspan(1, ChannelId::kSize)));
  if (channel == nullptr || channel->durable == nullptr || !channel->accepted.joined() ||
      !may_read(channel->accepted.role_of(from)) || channel->key_liars.contains(from)) {
    return peer_error(kNotAuthorised, "keys of a channel that its sender is not asked about");
  }
  for (std::size_t i = 0; i < count; ++i) {
    const ByteView each = message.subspan(kKeyAnswerHeadBytes + i * kGivenKeyBytes, kGivenKeyBytes);
    const Epoch epoch{load_le64(each.data())};
    const EpochInfo* info = channel->accepted.epoch(epoch);
    const bool lacks = info == nullptr || info->access == nullptr;
    if (epoch.value == 0 || epoch > channel->accepted.newest_epoch_seen() || !lacks) continue;
    // No more of one organisation than it is asked for at a time.
    const auto of_sender = [&](const auto& entry) { return entry.first.second == from; };
    if (channel->given.size() >= kGivenMax ||
        static_cast<std::size_t>(std::ranges::count_if(channel->given, of_sender)) >= kKeysAskedMax) {
      break;
    }
    auto key = crypto::EpochKey::from(each.subspan(8));
    if (!key) return bad();
    channel->given.try_emplace({epoch, from}, std::make_shared<const crypto::EpochKey>(std::move(*key)));
  }
  use_given(*channel);
  return kOk;
}

ReplicaCore::GivenPlace ReplicaCore::place_of_given(const Channel& channel, Epoch epoch) const {
  const ChannelState& state = channel.accepted;
  const LogState* control = control_of(state, epoch);
  if (control == nullptr || control->durable.head.value == 0) {
    // A term that was over before this node came: all that is known of its log is where it ended.
    const Term* over = state.term_numbered(term_of(epoch));
    const bool begins = control == nullptr && over != nullptr && find_log(over->log) == nullptr &&
                        over->last.value != 0 && over->last.value <= quotas.control_entries;
    return begins ? GivenPlace::kBelow : GivenPlace::kNowhere;
  }
  const LogRecord& record = control->durable;
  const EpochInfo* info = channel.accepted.epoch(epoch);
  if (info != nullptr && info->log != record.log) return GivenPlace::kNowhere;  // of another term
  if (info != nullptr && info->first >= record.low && info->last <= record.head) return GivenPlace::kHeld;
  if (record.low.value <= 1) return GivenPlace::kNowhere;
  Epoch lowest = record.head_epoch.next();
  if (record.low <= record.head) {
    const auto entry = stored_entry(record.log, record.low);
    if (!entry) return GivenPlace::kNowhere;
    lowest = {load_le64(&entry->view().header[16])};
  }
  // The copy may begin behind the entry that made its lowest epoch.
  return epoch <= lowest ? GivenPlace::kBelow : GivenPlace::kNowhere;
}

Result<void> ReplicaCore::take_given(const Channel& channel, ChannelState& state, Epoch epoch,
                                     const std::shared_ptr<const crypto::EpochKey>& key) const {
  const EpochInfo& info = *state.epoch(epoch);
  EpochRun run;
  for (Number number = info.first; number <= info.last && !run.complete(); number = number.next()) {
    TOCSIN_ASSIGN(entry, stored_entry(info.log, number));
    TOCSIN_ASSIGN(header, EntryHeader::decode(entry.view().header));
    TOCSIN_ASSIGN(body, decode_control_body(entry.view().body));
    TOCSIN_TRY(run.add(header, std::move(body)));
  }
  if (!run.complete()) return peer_error(kBadEpoch, "the run of that epoch is not whole");
  std::vector<Entry> events;
  if (epoch > state.newest_epoch()) {
    // Up to where the next epoch begins, whether it was opened or not.
    Number end = state.run.empty() ? state.head : Number{state.run.first().value - 1};
    for (auto next = state.epochs.upper_bound(epoch); next != state.epochs.end(); ++next) {
      if (next->second.log == info.log) end = std::min(end, Number{next->second.first.value - 1});
    }
    for (Number at = info.last.next(); at <= end && events.size() < kLateEventsMax; at = at.next()) {
      TOCSIN_ASSIGN(entry, stored_entry(info.log, at));
      events.push_back(std::move(entry));
    }
  }
  return take_late_key(state, epoch, run, key, events, control_context(channel));
}

void ReplicaCore::use_given(Channel& channel) {
  const Epoch first_before = channel.accepted.first_epoch();
  ChannelState next = channel.accepted;
  std::vector<Epoch> taken;
  std::map<std::uint32_t, Epoch> below;  // how far down the copies of the terms' control logs are to reach
  for (auto at = channel.given.begin(); at != channel.given.end();) {
    const auto& [epoch, from] = at->first;
    const EpochInfo* info = next.epoch(epoch);
    const GivenPlace place = place_of_given(channel, epoch);
    if (place == GivenPlace::kBelow && (info == nullptr || info->access == nullptr)) {
      const auto [lowest, added] = below.try_emplace(term_of(epoch), epoch);
      lowest->second = std::min(lowest->second, epoch);
      ++at;
      continue;
    }
    if (place == GivenPlace::kHeld && info->access == nullptr) {
      ChannelState trial = next;
      if (auto fits = take_given(channel, trial, epoch, at->second)) {
        next = std::move(trial);
        taken.push_back(epoch);
      } else if (fits.error().origin != Origin::kPeer) {
        ++at;  // not durable yet: with the next tick
        continue;
      } else if (fits.error().code == kNotEntitled) {
        ++refused_entries;
      } else if (fits.error().code == kWrongKey) {
        ++refused_entries;
        channel.key_liars.insert(from);
        ++channel.asking.attempt;  // the others are asked again
        channel.asking.range.reset();
      }
    }
    at = channel.given.erase(at);
  }
  // The control logs go first: their entries say what the keys have to fit.
  Change change;
  const bool more_below = grow_control_logs(channel, below);
  if (taken.empty()) {
    if (more_below) {  // sessions have to hear that there is something to fetch
      change.mail = true;
      commit_for(std::move(change), nullptr);
    }
    return;
  }
  channel.accepted = std::move(next);
  for (const Epoch epoch : taken) {
    const ChannelState& state = channel.accepted;
    table.add_epoch(state.id(), state.genesis->pseudonym, epoch, *state.epochs.at(epoch).key);
  }
  keys_came(change, channel, first_before);
  channel.asking.range.reset();  // what is wanted now is asked for at once
  change.channels.push_back(channel.accepted.id());
  change.mail = true;
  commit_for(std::move(change), nullptr);
}

// True where a copy is to reach further down than before.
bool ReplicaCore::grow_control_logs(Channel& channel, const std::map<std::uint32_t, Epoch>& below) {
  const ChannelState& state = channel.accepted;
  bool more = false;
  const auto grow = [&](const Term& term) {
    const auto wanted = below.find(term.number);
    const Epoch down_to = wanted == below.end() ? Epoch{} : wanted->second;
    LogState* control = find_copy(state.id(), term.log);
    if (control != nullptr && control->accepted.type != LogType::kControl) return;
    if (control == nullptr && find_log(term.log) == nullptr && !named_copies.contains(term.log) && down_to.value != 0) {
      // As a joiner begins a copy: behind the entry that the term ended with.
      const auto above = state.epochs.lower_bound(epoch_in(term.number + 1, 1));
      const std::uint64_t count = above == state.epochs.end() ? count_of(down_to) : count_of(above->first) - 1;
      control = &named_copies[term.log];
      control->channel = state.id();
      LogRecord& record = control->accepted;
      record.log = term.log;
      record.type = LogType::kControl;
      record.channel = state.genesis->pseudonym;
      record.low = term.last.next();
      record.head = term.last;
      record.head_hash = record.before_low = term.last_hash;
      record.head_epoch = epoch_in(term.number, count);
      control->durable = record;
    }
    if (control == nullptr || control->down_to == down_to) return;
    control->down_to = down_to;
    if (down_to.value == 0) {
      channel.short_logs.erase(term.log);
      named_copies.erase(term.log);
    } else {
      channel.short_logs.insert(term.log);
      more = true;
    }
  };
  for (const Term& term : state.terms) {
    if (term.number != state.term().number) grow(term);
  }
  grow(state.term());
  return more;
}

// Copies of feeds that began with a later epoch are to reach down; and what nobody could tell of may be told now.
void ReplicaCore::keys_came(Change& change, Channel& channel, Epoch first_before) {
  const Epoch first = channel.accepted.first_epoch();
  for (const LogKey& key : channel.logs) {
    LogState* log = find_log(key);
    if (log == nullptr || log->accepted.type != LogType::kFeed || log->accepted.head.value == 0) continue;
    if (first < first_before && log->accepted.low.value > 1) mark_short(change, channel, key, first);
    if (log->owner || log->accepted.frozen != 0 || log->accepted.low > log->accepted.head) continue;
    const auto entry = stored_entry(key, log->accepted.low);
    if (entry) {
      check_begin(change, channel, *log, log->accepted.low, entry->view());
    } else {  // not durable yet: with the next tick
      unnamed[key].insert(log->accepted.low);
      put_unnamed(change.batch, key);
      unnamed_due = true;
    }
  }
}

}  // namespace tocsin::protocol
