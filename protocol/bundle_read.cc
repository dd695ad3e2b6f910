// A bundle on its way in: each message to the door that a session would take it to.
#include <algorithm>

#include "protocol/bundle.h"
#include "protocol/codes.h"
#include "protocol/entry_peek.h"

namespace tocsin::protocol {
namespace {

constexpr Code kForkInBundle{"fork"};
constexpr Code kPastPinInBundle{"past_pin"};
constexpr Code kUnknownChannelInBundle{"unknown_channel"};

Error broken(std::string detail) { return peer_error(kBadBundle, std::move(detail)); }

bool is_empty(const std::optional<LogRecord>& record) {
  return !record || record->head.value == 0 || record->low > record->head;
}

}  // namespace

struct BundleReader::Impl : std::enable_shared_from_this<Impl> {
  // One want and the entries behind it.
  struct Range {
    wire::Want want;
    std::optional<ChannelId> channel;
    bool begun = false, ended = false;
    LogType type = LogType::kFeed;
    EntryHeader header;  // type, log and channel; the rest is filled in for each entry that is not taken
    Number next;
    EntryHash previous;            // of the entry before `next`, while the receiver does not keep it
    Epoch first_epoch;             // own, of feeds
    std::optional<Number> pinned;  // where the feed ends for good (rule 20)
    std::optional<RangeReceiver> receiver;
    std::optional<Entry> early;                  // the last that is from before it; an entry without its body
    bool draining = false;                       // nothing more of it is taken
    std::optional<std::string_view> drain_code;  // why, when that is to be told
  };

  Impl(Replica& r, Use u, std::function<void()> w)
      : replica(r),
        use(u),
        wakeup(std::move(w)),
        opener([&r](const crypto::EncryptionPublic& ephemeral, ByteView context, std::span<const ByteView> slots) {
          return r.open_slot(ephemeral, context, slots);
        }) {}

  Replica& replica;
  const Use use;
  const std::function<void()> wakeup;
  BundleOpener opener;
  crypto::Verifier verifier;
  BundleSummary summary;
  bool file_ended = false;
  bool stopping = false, over = false;
  std::size_t commits = 0;  // under way
  bool barrier = false;     // one of them decides about what follows

  // Of the bundle at hand.
  crypto::VerifyKey author;
  BundleOpening opening;
  bool ours = false;  // it opens here
  bool own = false;   // made by this node
  bool done_seen = false;
  std::size_t mails = 0;
  std::optional<wire::FrameReader> messages;
  std::optional<wire::Message> message;
  std::optional<Range> range;

  State run();
  bool has_to_wait() const;
  void stop(Error error);
  void file_end();
  Result<void> handle_event(BundleOpener::Event event);
  Result<void> handle_opening();
  Result<void> dispatch(const wire::Message& m);
  Result<void> handle_want(ByteView payload);
  Result<void> handle_entries(ByteView payload);
  Result<void> begin_range(const wire::EntriesHeader& first);
  void take_entry(const wire::WireEntry& entry);
  void pass_over(const wire::WireEntry& entry, const BodyHash& body_hash, bool known);
  bool begin_receiver();
  void compare(const EntryView& entry, const EntryHash& hash);
  void commit_chunk();
  void end_range();
  void refuse(const Error& error, std::uint64_t lost);
  BundleChannel* channel_of(const Range& of) { return of.channel ? &summary.channels[*of.channel] : nullptr; }
};

BundleReader::BundleReader(Replica& replica, Use use, std::function<void()> wakeup)
    : impl_(std::make_shared<Impl>(replica, use, std::move(wakeup))) {}
BundleReader::~BundleReader() = default;
void BundleReader::give(ByteView bytes) { impl_->opener.give(bytes); }
void BundleReader::end() { impl_->file_ended = true; }
BundleReader::State BundleReader::run() { return impl_->run(); }
const BundleSummary& BundleReader::summary() const { return impl_->summary; }

// ---- Life

BundleReader::State BundleReader::Impl::run() {
  while (!over) {
    if (commits == 0) barrier = false;
    if (has_to_wait()) return State::kWait;
    if (stopping) {
      over = true;
      break;
    }
    if (message) {
      const wire::Message now = *message;
      message.reset();
      if (auto taken = dispatch(now); !taken) stop(taken.error());
      continue;
    }
    if (messages) {
      auto next = messages->next();
      if (!next) {
        stop(broken(std::string(next.error().code.text())));
      } else if (*next) {
        message = **next;
      } else {
        messages.reset();
      }
      continue;
    }
    auto event = opener.next();
    if (!event) {
      stop(event.error());
    } else if (*event == BundleOpener::Event::kMore) {
      if (!file_ended) return State::kMore;
      file_end();
    } else if (auto taken = handle_event(*event); !taken) {
      stop(taken.error());
    }
  }
  summary.bytes = opener.bytes();
  return State::kOver;
}

// Feeds are read on while they are written; what decides about others is durable before these are looked at, and a
// receipt speaks of what is durable.
bool BundleReader::Impl::has_to_wait() const {
  if (commits == 0) return false;
  if (stopping || barrier || commits >= kBundleCommitsMax) return true;
  return message && message->type != wire::MessageType::kWant && message->type != wire::MessageType::kEntries;
}

// What came before stays; the entries at hand are whole, and go on their way.
void BundleReader::Impl::stop(Error error) {
  if (stopping) return;
  stopping = true;
  summary.error = std::move(error);
  if (range && range->receiver && range->receiver->pending_entries() > 0) commit_chunk();
}

void BundleReader::Impl::file_end() {
  if (summary.opened + summary.for_others == 0 && opener.bytes() == 0) {
    return stop(peer_error(kNotABundle, "the file is empty"));
  }
  if (summary.opened == 0 && summary.for_others > 0) {
    return stop(peer_error(kBundleForOthers, "this bundle is for somebody else: this node cannot open it"));
  }
  if (!opener.is_whole()) {
    return stop(peer_error(kBundleCut,
                           "the file ends too early: what was whole has been taken; copy it again from where it came, "
                           "and import it once more, which adds what is missing"));
  }
  stopping = summary.complete = true;
}

Result<void> BundleReader::Impl::handle_event(BundleOpener::Event event) {
  if (event == BundleOpener::Event::kBundle) {
    ours = opener.is_open();
    ++(ours ? summary.opened : summary.for_others);
    done_seen = false;
    mails = 0;
    range.reset();
  } else if (event == BundleOpener::Event::kFrame) {
    if (opener.frame_number() == 0) return handle_opening();
    if (!verifier.verify(author, crypto::kLabelBundle, {opener.digest().view()}, opener.signature())) {
      return peer_error(kBadSignature, "a frame is not signed by the node that the bundle says it is from");
    }
    if (done_seen) return broken("something stands behind its end");
    messages.emplace(opener.frame());
  } else if (ours && (!done_seen || (range && !range->ended))) {
    return broken("it has no end");
  }
  return kOk;
}

Result<void> BundleReader::Impl::handle_opening() {
  TOCSIN_ASSIGN(told, decode_bundle_opening(opener.frame()));
  opening = std::move(told);
  own = opening.node == replica.own_node();
  TOCSIN_ASSIGN(key, replica.bundle_author(opening.org, opening.node, opening.log_end, use == Use::kLook));
  author = key;
  if (!verifier.verify(author, crypto::kLabelBundle, {opener.digest().view()}, opener.signature())) {
    return peer_error(kBadSignature, "it is not signed by the node that it says it is from");
  }
  if (opening.recipient && *opening.recipient != replica.own_org().id()) {
    return peer_error(kBundleForOthers, "this bundle is for another organisation");
  }
  for (const ChannelId& channel : opening.channels) summary.channels[channel];
  summary.openings.push_back(opening);
  return kOk;
}

// ---- Messages

Result<void> BundleReader::Impl::dispatch(const wire::Message& m) {
  const auto note = [&](const Result<void>& taken) {
    if (!taken) ++summary.refused[std::string(taken.error().code.text())];
  };
  switch (m.type) {
    case wire::MessageType::kWant:
      return handle_want(m.payload);
    case wire::MessageType::kEntries:
      return handle_entries(m.payload);
    case wire::MessageType::kMail: {
      auto mail = wire::decode_mail(m.payload);
      if (!mail || ++mails > kBundleMailsMax) return broken("its mail");
      if (use == Use::kLook || own) {
        ++summary.mail;
        return kOk;
      }
      const auto taken =
          replica.handle_mail(opening.org, static_cast<MailKind>(mail->kind), mail->prekey_month, mail->envelope);
      if (taken) ++summary.mail;
      // Another node of this organisation finds it in the same file.
      if (!taken && taken.error().code != Code("not_for_us")) note(taken);
      return kOk;
    }
    case wire::MessageType::kPrekeys:
      if (use == Use::kTake && !own) note(replica.accept_prekeys(opening.node, m.payload));
      return kOk;
    case wire::MessageType::kReceipt: {
      auto receipt = wire::decode_receipt(m.payload);
      if (!receipt || receipt->slot >= opening.channels.size()) return broken("a receipt");
      if (use == Use::kLook) return kOk;
      const auto taken = replica.handle_receipt(opening.channels[receipt->slot], receipt->epoch, receipt->node,
                                                receipt->counter, receipt->sealed);
      // One from before this node's first epoch: nobody's fault, there is one a minute at most.
      if (!taken && taken.error().code != Code("unknown_epoch")) note(taken);
      return kOk;
    }
    case wire::MessageType::kBye: {
      const auto reason = wire::decode_bye(m.payload);
      if (!reason || *reason != ByeReason::kDone) return broken("its end");
      done_seen = true;
      return kOk;
    }
    default:
      return broken("a message that is for sessions alone");
  }
}

Result<void> BundleReader::Impl::handle_want(ByteView payload) {
  auto want = wire::decode_want(payload);
  const bool fits = want && want->first.value > 0 && want->last.value > 0 &&
                    (want->slot == wire::kNoChannel || want->slot < opening.channels.size());
  if (!fits || (range && !range->ended)) return broken("a range");
  range.emplace();
  range->want = *want;
  range->next = want->first;
  if (want->slot != wire::kNoChannel) range->channel = opening.channels[want->slot];
  return kOk;
}

Result<void> BundleReader::Impl::handle_entries(ByteView payload) {
  auto opened = wire::EntriesReader::open(payload);
  if (!opened) return broken("entries");
  const wire::EntriesHeader& header = opened->header();
  if (!range || range->ended || header.log != range->want.log || header.slot != range->want.slot) {
    return broken("entries of no range");
  }
  if (!range->begun) {
    TOCSIN_TRY(begin_range(header));
  } else if (header.type != range->type ||
             (header.count > 0 && (header.first != range->next || header.previous.has_value()))) {
    return broken("a range does not go on where it was");
  }
  for (std::uint16_t i = 0; i < header.count; ++i) {
    auto entry = opened->next();
    if (!entry || range->next > range->want.last) return broken("entries");
    take_entry(*entry);
  }
  if (use == Use::kLook && header.count > 0 && !summary.logs.empty() && summary.logs.back().log == header.log) {
    summary.logs.back().last = {range->next.value - 1};
  }
  if (header.end) end_range();
  return kOk;
}

Result<void> BundleReader::Impl::begin_range(const wire::EntriesHeader& first) {
  Range& at = *range;
  at.begun = true;
  at.type = first.type;
  if (first.count == 0) return kOk;
  if (first.first != at.want.first || (first.first.value > 1) != first.previous.has_value()) {
    return broken("a range begins elsewhere");
  }
  at.previous = first.previous.value_or(EntryHash{});
  if (use == Use::kLook) {
    if (summary.logs.size() < kBundleLogsShownMax) {
      summary.logs.push_back({at.channel, at.want.log, at.type, first.first, {}});
    } else {
      ++summary.logs_left_out;
    }
    return kOk;
  }
  const auto record = replica.log_record(at.want.log);
  if (at.type == LogType::kOrganisation) {
    // Organisations that this node has nothing to do with (yet) are not stored, and nobody's fault.
    at.draining = is_empty(record) && !replica.wants_log(at.channel, at.want.log, at.type);
  } else {
    const auto channel = at.channel ? replica.channel(*at.channel) : std::nullopt;
    if (!channel) {
      refuse(peer_error(kUnknownChannelInBundle), 0);
      return kOk;
    }
    at.header.channel = channel->pseudonym;
    at.first_epoch = replica.first_epoch(*at.channel);
    if (const auto pin = replica.pin_of(at.want.log)) at.pinned = pin->last;
  }
  at.header.type = at.type;
  at.header.log = at.want.log;
  return kOk;
}

// ---- Entries

void BundleReader::Impl::take_entry(const wire::WireEntry& entry) {
  Range& at = *range;
  const Number held = replica.accepted_head(at.want.log);
  if (use == Use::kLook) {
    const bool known = at.next <= held;
    ++(known ? summary.known : summary.entries);
    if (BundleChannel* channel = channel_of(at)) ++(known ? channel->known : channel->entries);
    at.next = at.next.next();
    return;
  }
  if (at.draining) {
    if (at.drain_code) ++summary.refused[std::string(*at.drain_code)];
    at.next = at.next.next();
    return;
  }
  const bool known = at.next <= held;
  const bool is_early = !known && !at.receiver && at.type == LogType::kFeed && entry.epoch < at.first_epoch &&
                        is_empty(replica.log_record(at.want.log));
  if (known || is_early) {
    const BodyHash body_hash = entry.absent ? *BodyHash::from(entry.body_hash) : hash_body(entry.body);
    pass_over(entry, body_hash, known);
    return;
  }
  if (at.pinned && at.next > *at.pinned) {
    if (at.receiver && at.receiver->pending_entries() > 0) commit_chunk();  // what lies below counts
    if (!at.draining) refuse(peer_error(kPastPinInBundle), 1);
    at.next = at.next.next();
    return;
  }
  if (!at.receiver && !begin_receiver()) {
    at.next = at.next.next();
    return;
  }
  const auto add = [&] {
    return entry.absent ? at.receiver->add_without_body(entry.signature, entry.epoch, *BodyHash::from(entry.body_hash),
                                                        entry.body_bytes)
                        : at.receiver->add(entry.signature, entry.epoch, entry.body);
  };
  const auto added = add();
  at.next = at.next.next();
  if (!added) {
    if (at.receiver->pending_entries() > 0) commit_chunk();  // what stands before it is good
    if (!at.draining) refuse(added.error(), 1);
  } else if (at.receiver->full()) {
    commit_chunk();
  }
}

// Held here already, or from before the first epoch that this node was given (rule 34): its place in the chain counts,
// it is not taken.
void BundleReader::Impl::pass_over(const wire::WireEntry& entry, const BodyHash& body_hash, bool known) {
  Range& at = *range;
  at.header.body_bytes = entry.body_bytes;
  at.header.number = at.next;
  at.header.epoch = entry.epoch;
  at.header.previous = at.previous;
  at.header.body_hash = body_hash;
  const auto header = at.header.encode();
  const EntryView view{ByteView(header), entry.signature, entry.body};
  const EntryHash hash = hash_entry(view.header, view.signature);
  if (known) {
    ++summary.known;
    if (BundleChannel* channel = channel_of(at)) ++channel->known;
    // Equal there, equal below: each names the one before.
    if (at.next == replica.accepted_head(at.want.log) || at.next == at.want.last) compare(view, hash);
  } else {
    at.early.emplace(view.header, view.signature, ByteView{});
  }
  at.previous = hash;
  at.next = at.next.next();
}

void BundleReader::Impl::compare(const EntryView& entry, const EntryHash& hash) {
  const Range& at = *range;
  const auto record = replica.log_record(at.want.log);
  std::optional<EntryHash> ours;
  if (record && record->head == at.next) {
    ours = record->head_hash;
  } else if (const auto held = replica.read_entry(at.want.log, at.next)) {
    ours = hash_entry(held->view().header, held->view().signature);
  }
  if (!ours || *ours == hash) return;
  const auto kept = at.channel ? replica.fork_candidate(*at.channel, entry) : Result<void>(kOk);
  refuse(kept ? peer_error(kForkInBundle) : kept.error(), 1);
}

bool BundleReader::Impl::begin_receiver() {
  Range& at = *range;
  const Number held = replica.accepted_head(at.want.log);
  if (at.next > held.next()) {
    // A copy may begin here only where nothing before it is this node's to have: the file shows it, or its author says
    // so as the answer to a `want` would.
    const bool said = at.want.from_epoch.value > 0 && at.want.from_epoch <= at.first_epoch && at.next == at.want.first;
    if (!at.early && !said) {
      refuse(peer_error(kWrongNumber, "what comes before is neither here nor in the file"), 1);
      return false;
    }
  }
  auto receiver = replica.receive(at.channel, at.want.log, at.type, at.next,
                                  at.next.value > 1 ? std::optional(at.previous) : std::nullopt);
  if (!receiver) {
    refuse(receiver.error(), 1);
    return false;
  }
  at.receiver.emplace(std::move(*receiver));
  return true;
}

void BundleReader::Impl::commit_chunk() {
  Range& at = *range;
  const std::size_t entries = at.receiver->pending_entries();
  auto queued =
      at.receiver->commit([weak = weak_from_this(), entries, channel = at.channel](const Result<Number>& stored) {
        const auto self = weak.lock();
        if (!self) return;
        --self->commits;
        if (stored) {
          self->summary.entries += entries;
          if (channel) self->summary.channels[*channel].entries += entries;
        } else if (!self->stopping) {  // nothing that is at hand can be built on it
          self->stopping = true;
          self->summary.error = stored.error();
        }
        if (self->wakeup) self->wakeup();
      });
  if (!queued) return refuse(queued.error(), entries);
  ++commits;
  barrier = barrier || at.type != LogType::kFeed;
}

void BundleReader::Impl::end_range() {
  Range& at = *range;
  if (!at.draining && at.receiver && at.receiver->pending_entries() > 0) commit_chunk();
  // All of it is from before this node's time: its name (rule 34), so that equal members have equal digests.
  if (!at.draining && !at.receiver && at.early && at.next.value > 0) {
    const EntryView last = at.early->view();
    const Number number = peek_number(last.header);
    auto receiver = replica.receive(at.channel, at.want.log, at.type, number,
                                    number.value > 1 ? EntryHash::from(peek_previous(last.header)) : std::nullopt);
    auto added = receiver ? receiver->add_without_body(last.signature, Epoch{load_le64(&last.header[16])},
                                                       *BodyHash::from(peek_body_hash(last.header)),
                                                       peek_body_bytes(last.header))
                          : Result<void>(receiver.error());
    if (added) {
      at.receiver.emplace(std::move(*receiver));
      commit_chunk();
    } else {
      refuse(added.error(), 1);
    }
  }
  at.receiver.reset();
  at.ended = true;
}

void BundleReader::Impl::refuse(const Error& error, std::uint64_t lost) {
  Range& at = *range;
  summary.refused[std::string(error.code.text())] += lost;
  at.draining = true;
  at.drain_code = error.code.text();
}

}  // namespace tocsin::protocol
