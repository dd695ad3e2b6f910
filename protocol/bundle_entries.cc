// Entries of a bundle: to a RangeReceiver, as those of a session, or passed over.
#include "protocol/bundle_impl.h"
#include "protocol/codes.h"
#include "protocol/entry_peek.h"

namespace tocsin::protocol {
namespace {

constexpr Code kForkInBundle{"fork"};
constexpr Code kPastPinInBundle{"past_pin"};
constexpr Code kUnknownChannelInBundle{"unknown_channel"};

bool is_empty(const std::optional<LogRecord>& record) {
  return !record || record->head.value == 0 || record->low > record->head;
}

}  // namespace

Result<void> BundleReader::Impl::begin_range(const wire::EntriesHeader& first) {
  BundleRangeInHand& at = *range;
  at.begun = true;
  at.type = first.type;
  if (first.count == 0) return kOk;
  if (first.first != at.want.first || (first.first.value > 1) != first.previous.has_value()) {
    return broken_bundle("a range begins elsewhere");
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

void BundleReader::Impl::take_entry(const wire::WireEntry& entry) {
  BundleRangeInHand& at = *range;
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
  // Once a receiver is at work, it compares what has come here meanwhile by another way.
  const bool known = !at.receiver && at.next <= held && !parts_here(entry);
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
                                                        entry.body_bytes, entry.order)
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

// Of an organisation log: is another entry held here? Then what follows is given to the replica, too: a rotation of the
// roots there may decide (rule 19).
bool BundleReader::Impl::parts_here(const wire::WireEntry& entry) {
  BundleRangeInHand& at = *range;
  const auto ours = replica.entry_hash(at.want.log, at.next);
  if (at.type != LogType::kOrganisation || !ours || !at.channel) return false;
  at.header.body_bytes = entry.body_bytes;
  at.header.number = at.next;
  at.header.epoch = entry.epoch;
  at.header.previous = at.previous;
  at.header.body_hash = hash_body(entry.body);
  const auto header = at.header.encode();
  const EntryView view{ByteView(header), entry.signature, entry.body};
  if (*ours == hash_entry(view.header, view.signature)) return false;
  (void)replica.fork_candidate(*at.channel, view);
  return true;
}

// Held here already, or from before the first epoch that this node was given (rule 34): its place in the chain counts,
// it is not taken.
void BundleReader::Impl::pass_over(const wire::WireEntry& entry, const BodyHash& body_hash, bool known) {
  BundleRangeInHand& at = *range;
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
  const BundleRangeInHand& at = *range;
  const auto record = replica.log_record(at.want.log);
  std::optional<EntryHash> ours;
  if (record && record->head == at.next) {
    ours = record->head_hash;
  } else if (const auto held = replica.read_entry(at.want.log, at.next)) {
    ours = hash_entry(held->view().header, held->view().signature);
  }
  if (!ours || *ours == hash) return;
  const auto kept = at.channel ? replica.fork_candidate(*at.channel, entry) : Result<ForkStep>(ForkStep::kProven);
  refuse(kept ? peer_error(kForkInBundle) : kept.error(), 1);
}

bool BundleReader::Impl::begin_receiver() {
  BundleRangeInHand& at = *range;
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
  BundleRangeInHand& at = *range;
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
  BundleRangeInHand& at = *range;
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
  BundleRangeInHand& at = *range;
  summary.refused[std::string(error.code.text())] += lost;
  at.draining = true;
  at.drain_code = error.code.text();
}

}  // namespace tocsin::protocol
